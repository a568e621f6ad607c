//! How often costly pages may be asked for: by account where somebody is signed in with two factors, by address otherwise: whoever
//! has one factor of somebody else must not use up what is theirs. In memory and for this process: what is refused costs nothing,
//! and a restart forgives. Wrong codes are slowed down elsewhere, in `identity`.

use crate::Portal;
use crate::error::PageError;
use crate::visitor::Visitor;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base::{Id16, source_bytes};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Accounts counted at once, and addresses counted at once; those beyond share one count.
const COUNTED_MAX: usize = 50_000;

/// What costs: each kind is counted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Cost {
    /// Ways into a session.
    SignIn,
    /// Searches of the directory.
    Search,
    /// Pages that read records or the access log.
    Read,
    /// Documents that are made.
    Issue,
    /// Documents that are checked.
    Check,
    /// Changes to accounts.
    Change,
}

impl Cost {
    /// What a request costs; nothing where it is cheap.
    fn of(method: &Method, route: &str) -> Option<Self> {
        match route {
            "/institutions" => Some(Self::Search),
            "/records/issue" | "/acting/{ground}" | "/staff/records/{ground}" if *method == Method::POST => {
                Some(Self::Issue)
            }
            "/verify" | "/verify/proof" if *method == Method::POST => Some(Self::Check),
            "/verify/{number}" => Some(Self::Search),
            "/records" | "/records/visit/{id}" | "/access" => Some(Self::Read),
            route if route.starts_with("/acting/") || route.starts_with("/staff/records/") => Some(Self::Read),
            // Each gives a whole log away, and takes long.
            "/access/audit-events.ndjson" => Some(Self::Issue),
            // It waits by itself, and is asked for again and again by who watches.
            "/staff/watch/events" => None,
            route if route.starts_with("/consents") || route.starts_with("/representatives") => Some(Self::Change),
            route if route.starts_with("/sign-in/") || route.starts_with("/staff/sign-in") => Some(Self::SignIn),
            route if route.starts_with("/staff/enrol/") => Some(Self::SignIn),
            route if route.starts_with("/account/") || route.starts_with("/staff/") => Some(Self::Change),
            _ => None,
        }
    }

    /// How many may come at once, and how many more each minute. Many people share the address of a carrier or a hospital.
    const fn budget(self) -> (f64, f64) {
        match self {
            Self::SignIn => (240.0, 240.0),
            Self::Search => (1_200.0, 1_200.0),
            Self::Read => (240.0, 120.0),
            Self::Issue => (30.0, 10.0),
            Self::Check => (120.0, 60.0),
            Self::Change => (240.0, 120.0),
        }
    }
}

/// Who is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    Account(Id16),
    Address(Vec<u8>),
    Others,
}

/// What is left to somebody, and when it was last looked at.
#[derive(Debug, Clone, Copy)]
struct Left {
    amount: f64,
    at_us: i64,
}

type Held = Mutex<HashMap<(Cost, Who), Left>>;

/// What is left to everybody. Anybody can come from tens of thousands of addresses, and nobody has as many accounts: apart, so that
/// a flood of addresses takes nothing from who is signed in.
#[derive(Default)]
pub(crate) struct Rates {
    accounts: Held,
    addresses: Held,
}

impl Rates {
    /// Takes one of somebody's budget; gives the seconds to wait where nothing is left.
    fn take(&self, cost: Cost, who: Who, now_us: i64) -> Result<(), u64> {
        let (most, a_minute) = cost.budget();
        let held = if matches!(who, Who::Account(_)) { &self.accounts } else { &self.addresses };
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (cost, who);
        if held.len() >= COUNTED_MAX && !held.contains_key(&key) {
            held.retain(|(cost, _), left| refilled(*cost, left, now_us) < cost.budget().0);
            if held.len() >= COUNTED_MAX {
                key.1 = Who::Others;
            }
        }
        let left = held.entry(key).or_insert(Left { amount: most, at_us: now_us });
        let amount = refilled(cost, left, now_us);
        let at_us = now_us.max(left.at_us);
        if amount < 1.0 {
            *left = Left { amount, at_us };
            return Err(((1.0 - amount) * 60.0 / a_minute).ceil().max(1.0) as u64);
        }
        *left = Left { amount: amount - 1.0, at_us };
        Ok(())
    }
}

fn refilled(cost: Cost, left: &Left, now_us: i64) -> f64 {
    let (most, a_minute) = cost.budget();
    let passed_s = now_us.saturating_sub(left.at_us).max(0) as f64 / 1_000_000.0;
    (left.amount + passed_s * a_minute / 60.0).min(most)
}

/// Refuses what comes too often, before anything is done for it.
pub(crate) async fn limit(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    if let Some(cost) = Cost::of(request.method(), route)
        && let Some(visitor) = request.extensions().get::<Visitor>()
    {
        let who = match visitor.member() {
            Ok(session) => Who::Account(session.account),
            Err(_) => Who::Address(source_bytes(&visitor.source)),
        };
        let now_us = portal.archive().clock().now().as_microsecond();
        if let Err(wait_s) = portal.rates().take(cost, who, now_us) {
            metrics::counter!("hanmaru_portal_limited", "cost" => format!("{cost:?}")).increment(1);
            return PageError::TooOften { wait_s }.into_response();
        }
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: i64 = 1_000_000;

    fn account(number: usize) -> Who {
        Who::Account(Id16::derived(&[&number.to_string()]))
    }

    #[test]
    fn whoever_asks_too_often_waits_and_nobody_else_does() {
        let rates = Rates::default();
        let (most, _) = Cost::Issue.budget();
        for _ in 0..most as usize {
            assert_eq!(rates.take(Cost::Issue, account(1), 0), Ok(()));
        }
        assert_eq!(rates.take(Cost::Issue, account(1), 0), Err(6), "ten a minute");
        assert_eq!(rates.take(Cost::Issue, account(2), 0), Ok(()));
        assert_eq!(rates.take(Cost::Read, account(1), 0), Ok(()), "each kind by itself");
        assert_eq!(rates.take(Cost::Issue, account(1), 6 * SECOND_US), Ok(()));
        assert!(rates.take(Cost::Issue, account(1), 6 * SECOND_US).is_err());
        assert!(rates.take(Cost::Issue, account(1), 0).is_err(), "a clock that goes back gives nothing");
    }

    #[test]
    fn memory_is_bounded() {
        let rates = Rates::default();
        for number in 0..COUNTED_MAX + 100 {
            rates.take(Cost::Check, account(number), 0).expect("the first of each");
        }
        assert!(rates.accounts.lock().expect("no holder panics").len() <= COUNTED_MAX + 1);
        rates.take(Cost::Check, account(COUNTED_MAX + 200), 3_600 * SECOND_US).expect("an hour later");
        assert!(rates.accounts.lock().expect("no holder panics").len() <= 2, "the refilled are forgotten");
    }

    #[test]
    fn a_flood_of_addresses_takes_nothing_from_accounts() {
        let rates = Rates::default();
        let mut refused = 0;
        for number in 0..COUNTED_MAX as u32 + 100 {
            let address = Who::Address(number.to_be_bytes().to_vec());
            refused += usize::from(rates.take(Cost::Issue, address, 0).is_err());
        }
        assert!(refused > 0, "those beyond share one count");
        let (most, _) = Cost::Issue.budget();
        for number in 0..2 * most as usize {
            assert_eq!(rates.take(Cost::Issue, account(number), 0), Ok(()), "each account has its own");
        }
    }

    #[test]
    fn costs_are_read_from_routes() {
        let of = |method: Method, route: &str| Cost::of(&method, route);
        assert_eq!(of(Method::GET, "/sign-in"), None);
        assert_eq!(of(Method::GET, "/sign-in/start"), Some(Cost::SignIn));
        assert_eq!(of(Method::POST, "/staff/sign-in"), Some(Cost::SignIn));
        assert_eq!(of(Method::POST, "/staff/enrol/{token}"), Some(Cost::SignIn));
        assert_eq!(of(Method::POST, "/records/issue"), Some(Cost::Issue));
        assert_eq!(of(Method::GET, "/records/issue"), None);
        for list in ["/acting/{ground}", "/staff/records/{ground}"] {
            assert_eq!(of(Method::POST, list), Some(Cost::Issue));
            assert_eq!(of(Method::GET, list), Some(Cost::Read));
            assert_eq!(of(Method::GET, &format!("{list}/visit/{{id}}")), Some(Cost::Read));
        }
        assert_eq!(of(Method::POST, "/staff/people/invite"), Some(Cost::Change));
        assert_eq!(of(Method::GET, "/assets/style.css"), None);
    }
}
