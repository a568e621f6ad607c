//! Attempts before the door: somebody with a session that is forged or over, or with one factor only, asks for records. The
//! door is asked in their name and denies it, so that the attempt stands in the access log: of the person, where one factor
//! says who it is, and of the patient whom the address names. Whoever sends no session is led to sign-in and tried nothing.
//!
//! Anybody could fill the disk with such requests: the same one is journalled once a minute, and only so many a minute by
//! source (an IPv4 address, or an IPv6 /64), by account and in all. The rest, repetitions too, is counted in metrics; of strangers,
//! one entry a minute says besides how many were not written down one by one. Whoever was staff once is no stranger among others:
//! what they try stands under their account, however many invent sessions meanwhile.
//!
//! What is asked for is what the table of contents asks the door for at the same address, so that no page is left out.

use crate::Portal;
use crate::contents::{Guard, Route};
use crate::pages::records::{Which, as_patient, own};
use crate::router::routes;
use archive::ArchiveError;
use axum::http::Method;
use base::{Id16, Redacted, source_bytes};
use identity::Session;
use policy::{Action, Actor, Assurance, DenialReason, Purpose, Request, Role, Target};
use std::collections::{HashMap, HashSet};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;
use store::Act;

/// Attempts of strangers that are journalled in a minute, from everywhere: 20 MB of journal a day at the most.
const STRANGERS_MAX: usize = 30;
/// Attempts of strangers from one source that are journalled in a minute.
const SOURCE_MAX: usize = 5;
/// Attempts in one account that are journalled in a minute, for each way to one. The second factor's own limits are narrower.
const ACCOUNT_MAX: usize = 10;
/// Accounts with attempts that are journalled in a minute, for each way to one.
const ACCOUNTS_MAX: usize = 1_000;

/// Seconds of the window in which attempts are counted.
const WINDOW_S: i64 = 60;
/// Where those came from who are counted together, if it was not one place.
pub(crate) const SEVERAL: &str = "several";

/// The table of contents.
static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(routes);

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Wish {
    action: Action,
    /// In which role.
    role: Role,
    /// The patient that the address names.
    patient: Option<Id16>,
}

/// Who asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asker<'a> {
    /// Somebody with a session that nobody was given, or that is over.
    Stranger(Stranger),
    /// Somebody with one factor.
    Half(&'a Session),
    /// Somebody with one factor who gave a wrong code for the second: each is journalled, as each may be the right one.
    Guessing(&'a Session),
}

/// A session that is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stranger {
    /// It was never given out.
    Forged,
    /// It is over.
    Over,
    /// It is over, and was this member of staff's: perhaps somebody's who left.
    OverOfStaff(Id16),
    /// Nothing but a passkey that was refused, and which names this member of staff.
    RefusedStaff(Id16),
}

impl Stranger {
    /// Its name in the access log, whose words are `nobody-NAME`.
    const fn name(self) -> &'static str {
        match self {
            Self::Forged => "session-forged",
            Self::Over | Self::OverOfStaff(_) => "session-over",
            Self::RefusedStaff(_) => "passkey-refused",
        }
    }

    /// Nobody's account, or that of the member of staff: the attempts that name no patient are kept under it.
    fn actor(self, source: &str, role: Role) -> Actor {
        let account = match self {
            Self::OverOfStaff(account) | Self::RefusedStaff(account) => account,
            Self::Forged | Self::Over => Id16::derived(&["nobody", self.name()]),
        };
        Actor {
            account,
            role,
            assurance: Assurance::None,
            name: Redacted::new(self.name().to_owned()),
            source: Redacted::new(source.to_owned()),
        }
    }
}

impl Asker<'_> {
    /// Whose budget an attempt takes from.
    const fn budget(self) -> Budget {
        match self {
            Self::Stranger(Stranger::Forged | Stranger::Over) => Budget::Strangers,
            Self::Stranger(Stranger::OverOfStaff(_)) => Budget::OverOfStaff,
            Self::Stranger(Stranger::RefusedStaff(_)) => Budget::RefusedStaff,
            Self::Half(_) | Self::Guessing(_) => Budget::Half,
        }
    }
}

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Budget {
    /// Whoever invents a session, or sends one that is over: by source, and in all.
    Strangers,
    /// Half sign-ins, by account.
    Half,
    /// Sessions of staff that are over, by account: each was really given out, and nobody else's attempts hide them.
    OverOfStaff,
    /// Passkeys that were refused, by the account of staff that they name. Anybody who knows its id can name it, so that a flood of
    /// them is to take nothing from any of the others.
    RefusedStaff,
}

impl Wish {
    /// What a request asks the door for; `None` for pages that ask it nothing.
    pub fn of(method: &Method, path: &str) -> Option<Self> {
        // Without its body it is the same answer.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let route = ROUTES.iter().find(|route| route.method == method.as_str() && is_at(route.path, path))?;
        let which = path.rsplit_once("/visit/").and_then(|(_, which)| Which::of(which));
        let wish = |action, role| Self { action, role, patient: which.map(|which| which.patient) };
        match route.guard {
            Guard::Own(action) => Some(wish(action, Role::Patient)),
            Guard::Acting(action) => Some(wish(action, Role::Representative)),
            Guard::Role(roles, action) => Some(wish(action, *roles.first()?)),
            Guard::Staff => Some(Self::of_staff()),
            Guard::Anyone | Guard::Session | Guard::Member | Guard::Person => None,
        }
    }

    /// What somebody is on the way to who has not said: the list of their records.
    pub fn timeline() -> Self {
        Self { action: Action::ReadTimeline, role: Role::Patient, patient: None }
    }

    /// What a member of staff is on the way to who has not said, or was refused on the way: work on others' records.
    fn of_staff() -> Self {
        Self { role: Role::Support, ..Self::timeline() }
    }

    fn is_of_staff(&self) -> bool {
        !matches!(self.role, Role::Patient | Role::Representative)
    }
}

/// Whether a path is at an address of the table, where `{…}` stands for one step.
fn is_at(address: &str, path: &str) -> bool {
    let (mut address, mut path) = (address.split('/'), path.split('/'));
    loop {
        match (address.next(), path.next()) {
            (None, None) => return true,
            (Some(step), Some(taken)) if step == taken || (step.starts_with('{') && !taken.is_empty()) => {}
            _ => return false,
        }
    }
}

/// Tells of a passkey that was refused, under the member of staff whom it names.
pub(crate) async fn note_refused(portal: &Portal, account: Id16, source: &str) {
    note(portal, Asker::Stranger(Stranger::RefusedStaff(account)), source, Wish::of_staff()).await;
}

/// Has the door refuse an attempt, which journals it. What the portal answers does not depend on it: nothing is shown anyway.
pub(crate) async fn note(portal: &Portal, asker: Asker<'_>, source: &str, wish: Wish) {
    let actor = match asker {
        Asker::Stranger(stranger) => stranger.actor(source, wish.role),
        // Whoever is no member of staff asks in the role all the same, which they do not hold.
        Asker::Half(session) | Asker::Guessing(session) if wish.is_of_staff() => session.actor_as(wish.role, source),
        Asker::Half(session) | Asker::Guessing(session) => session.actor(source),
    };
    let attempt = Attempt {
        budget: asker.budget(),
        guess: matches!(asker, Asker::Guessing(_)),
        account: actor.account,
        source,
        wish,
    };
    let now_s = portal.archive().clock().now().as_second();
    let judged = portal.attempts().judge(now_s.div_euclid(WINDOW_S), &attempt);
    let outcome = if judged.is_kept { "journalled" } else { "counted" };
    metrics::counter!("hanmaru_portal_attempts", "outcome" => outcome).increment(1);
    if let Some(beyond) = judged.before {
        tell_beyond(portal, beyond).await;
    }
    if judged.is_first_beyond {
        tell_later(portal, now_s);
    }
    if !judged.is_kept {
        return;
    }
    let request = match (wish.patient, asker) {
        (Some(patient), _) => as_patient(actor, patient, wish.action),
        (None, _) if wish.is_of_staff() => {
            let target = Target::Person(actor.account);
            Request { actor, action: wish.action, target, purpose: Purpose::Operation }
        }
        (None, Asker::Half(session) | Asker::Guessing(session)) => own(actor, session.person, wish.action),
        (None, Asker::Stranger(_)) => {
            let target = Target::Person(actor.account);
            Request { actor, action: wish.action, target, purpose: Purpose::OwnRecords }
        }
    };
    let asking = portal.blocking(move |portal| {
        match portal.archive().ask(request) {
            Err(ArchiveError::Denied(_)) => {}
            Err(error) => tracing::error!(%error, "an attempt before the door cannot be journalled"),
            Ok(_) => tracing::error!("the door lets in who has not signed in"),
        }
        Ok(())
    });
    // It has said so itself.
    let _ = asking.await;
}

/// Tells of those that were not kept once the minute is over, also where nobody comes any more. A program that ends before it does not.
fn tell_later(portal: &Portal, now_s: i64) {
    let (weak, window) = (portal.weak(), now_s.div_euclid(WINDOW_S));
    let rest = Duration::from_secs((WINDOW_S - now_s.rem_euclid(WINDOW_S)).unsigned_abs());
    tokio::spawn(async move {
        tokio::time::sleep(rest).await;
        let Some(portal) = weak.upgrade() else { return };
        if let Some(beyond) = portal.attempts().take_beyond(window) {
            tell_beyond(&portal, beyond).await;
        }
    });
}

/// One entry for all the attempts of strangers that were not journalled one by one: under nobody, since they may have been at anybody.
async fn tell_beyond(portal: &Portal, beyond: Beyond) {
    let source = beyond.from.clone().unwrap_or_else(|| SEVERAL.to_owned());
    let account = Id16::derived(&["nobody", "many"]);
    let actor = Actor {
        account,
        role: Role::Patient,
        assurance: Assurance::None,
        name: Redacted::new("many".to_owned()),
        source: Redacted::new(source),
    };
    let act = Act {
        actor,
        subject: account,
        action: "turn-away",
        purpose: Purpose::Operation.name(),
        explanation: "attempts-beyond".to_owned(),
        refused: Some(DenialReason::Assurance.name().to_owned()),
        count: Some(("attempt", beyond.attempts)),
    };
    let telling = portal.blocking(move |portal| Ok(portal.archive().store().journal_act(act)?));
    if let Err(error) = telling.await {
        tracing::error!(%error, "attempts before the door cannot be journalled");
        // Nobody may come any more who would tell of them.
        if portal.attempts().add_beyond(&beyond) {
            tell_later(portal, portal.archive().clock().now().as_second());
        }
    }
}

/// An attempt as the limits see it.
#[derive(Debug, Clone, Copy)]
struct Attempt<'a> {
    budget: Budget,
    guess: bool,
    account: Id16,
    source: &'a str,
    wish: Wish,
}

/// What was journalled in the present minute.
#[derive(Default)]
pub(crate) struct Attempts {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    minute: i64,
    seen: HashSet<(Budget, Id16, Vec<u8>, Wish)>,
    strangers: usize,
    by_source: HashMap<Vec<u8>, usize>,
    by_account: HashMap<Budget, HashMap<Id16, usize>>,
    /// Those of strangers that were not kept.
    beyond: Option<Beyond>,
}

/// Attempts of strangers that were not journalled one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beyond {
    /// How many.
    attempts: u32,
    /// Where all of them came from; `None` where it was not one place.
    from: Option<String>,
}

/// What becomes of an attempt.
#[derive(Debug, PartialEq, Eq)]
struct Judged {
    /// Whether it is journalled.
    is_kept: bool,
    /// Whether it is the first of its minute that is not, and of which is to be told later.
    is_first_beyond: bool,
    /// What was not kept of a minute before, and was not told.
    before: Option<Beyond>,
}

impl Attempts {
    /// Says what becomes of an attempt. Bounded memory: what is held is emptied every minute, and holds what was kept alone.
    fn judge(&self, minute: i64, attempt: &Attempt<'_>) -> Judged {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = None;
        if held.minute != minute {
            before = held.beyond.take();
            *held = Held { minute, ..Held::default() };
        }
        let is_kept = held.keep(attempt);
        let is_beyond = attempt.budget != Budget::Half && !is_kept;
        let is_first_beyond = is_beyond && held.beyond.is_none();
        if is_beyond {
            held.add_beyond(&Beyond { attempts: 1, from: Some(attempt.source.to_owned()) });
        }
        Judged { is_kept, is_first_beyond, before }
    }

    /// What was not kept of a minute, or of one before after which nobody came, where that was not told since.
    fn take_beyond(&self, minute: i64) -> Option<Beyond> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.minute <= minute { held.beyond.take() } else { None }
    }

    /// Counts with the next ones what could not be told; whether there were none, so that nothing tells of these yet.
    fn add_beyond(&self, more: &Beyond) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = held.beyond.is_none();
        held.add_beyond(more);
        is_first
    }
}

impl Held {
    fn add_beyond(&mut self, more: &Beyond) {
        let Some(known) = &mut self.beyond else {
            self.beyond = Some(more.clone());
            return;
        };
        known.attempts = known.attempts.saturating_add(more.attempts);
        let bytes = |from: &Option<String>| from.as_deref().map(source_bytes);
        if bytes(&known.from) != bytes(&more.from) {
            known.from = None;
        }
    }

    /// Whether an attempt is journalled, and remembers it then.
    fn keep(&mut self, attempt: &Attempt<'_>) -> bool {
        let source = source_bytes(attempt.source);
        let key = (attempt.budget, attempt.account, source.clone(), attempt.wish);
        if self.seen.contains(&key) && !attempt.guess {
            return false;
        }
        let is_kept = match attempt.budget {
            Budget::Strangers => self.take_of_strangers(source),
            budget => self.take_of_account(budget, attempt.account),
        };
        if is_kept {
            self.seen.insert(key);
        }
        is_kept
    }

    fn take_of_strangers(&mut self, source: Vec<u8>) -> bool {
        let from_here = self.by_source.get(&source).copied().unwrap_or_default();
        if self.strangers >= STRANGERS_MAX || from_here >= SOURCE_MAX {
            return false;
        }
        self.strangers += 1;
        self.by_source.insert(source, from_here + 1);
        true
    }

    fn take_of_account(&mut self, budget: Budget, account: Id16) -> bool {
        let accounts = self.by_account.entry(budget).or_default();
        let in_account = accounts.get(&account).copied().unwrap_or_default();
        if in_account >= ACCOUNT_MAX || (in_account == 0 && accounts.len() >= ACCOUNTS_MAX) {
            return false;
        }
        accounts.insert(account, in_account + 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(number: usize) -> Wish {
        Wish { patient: Some(Id16::derived(&[&number.to_string()])), action: Action::ReadRecord, ..Wish::timeline() }
    }

    impl Attempts {
        fn is_kept(&self, minute: i64, attempt: &Attempt<'_>) -> bool {
            self.judge(minute, attempt).is_kept
        }
    }

    fn stranger(source: &str, wish: Wish) -> Attempt<'_> {
        Attempt { budget: Budget::Strangers, guess: false, account: Id16::derived(&["nobody"]), source, wish }
    }

    #[test]
    fn what_is_asked_for_is_read_from_the_address() {
        let action = |method: Method, path: &str| Wish::of(&method, path).map(|wish| wish.action);
        assert_eq!(action(Method::GET, "/records"), Some(Action::ReadTimeline));
        assert_eq!(action(Method::POST, "/records"), Some(Action::ReadTimeline));
        assert_eq!(action(Method::HEAD, "/records"), Some(Action::ReadTimeline), "what is there without its body");
        assert_eq!(action(Method::POST, "/records/issue"), Some(Action::Issue));
        assert_eq!(action(Method::GET, "/access"), Some(Action::ReadAccessLog));
        assert_eq!(action(Method::GET, "/access/audit-events.ndjson"), Some(Action::ReadAccessLog));
        assert_eq!(action(Method::POST, "/consents/give"), Some(Action::ManageConsent));
        assert_eq!(action(Method::GET, "/acting/x"), Some(Action::ReadTimeline));
        let invented = Wish::of(&Method::GET, "/records/visit/x").expect("an attempt, at nobody's record");
        assert_eq!((invented.action, invented.patient), (Action::ReadRecord, None));
        let staff = Wish::of(&Method::GET, "/staff/people").expect("it takes a right");
        assert_eq!((staff.action, staff.role), (Action::ManageRights, Role::Administrator));
        for path in ["/", "/account", "/records/", "/verify/records", "/sign-in/second-step"] {
            assert_eq!(action(Method::GET, path), None, "{path}");
        }
        let which = Which { patient: Id16::derived(&["p"]), id: Id16::derived(&["v"]) };
        let wish = Wish::of(&Method::GET, &format!("/records/visit/{which}")).expect("a visit");
        assert_eq!((wish.action, wish.patient), (Action::ReadRecord, Some(which.patient)));
        for list in ["/acting/x", "/staff/records/x"] {
            let wish = Wish::of(&Method::GET, &format!("{list}/visit/{which}")).expect("a visit on a ground");
            assert_eq!((wish.action, wish.patient), (Action::ReadRecord, Some(which.patient)));
            assert_eq!(action(Method::POST, list), Some(Action::Issue));
        }
    }

    #[test]
    fn a_flood_of_strangers_is_kept_within_bounds() {
        let attempts = Attempts::default();
        assert!(attempts.is_kept(1, &stranger("192.0.2.1", visit(0))));
        assert!(!attempts.is_kept(1, &stranger("192.0.2.1", visit(0))), "once a minute");
        let kept = |minute: i64, source: &dyn Fn(usize) -> String| {
            let is_kept = |n: &usize| attempts.is_kept(minute, &stranger(&source(*n), visit(*n)));
            (1..10_000).filter(is_kept).count()
        };
        assert_eq!(kept(1, &|_| "192.0.2.1".to_owned()), SOURCE_MAX - 1);
        assert_eq!(kept(1, &|n| n.to_string()), STRANGERS_MAX - SOURCE_MAX);
        assert!(attempts.held.lock().expect("no holder panics").seen.len() <= STRANGERS_MAX);
        assert!(attempts.is_kept(2, &stranger("192.0.2.1", visit(0))), "the next minute is counted anew");
    }

    #[test]
    fn those_that_are_not_kept_are_counted_and_told_of_once() {
        let attempts = Attempts::default();
        let from = |minute: i64, source: &str, number: usize| attempts.judge(minute, &stranger(source, visit(number)));
        assert_eq!(from(1, "192.0.2.1", 0), Judged { is_kept: true, is_first_beyond: false, before: None });
        for again in 0..3 {
            let expected = Judged { is_kept: false, is_first_beyond: again == 0, before: None };
            assert_eq!(from(1, "192.0.2.1", 0), expected);
        }
        let beyond = Beyond { attempts: 3, from: Some("192.0.2.1".to_owned()) };
        assert_eq!(from(2, "192.0.2.1", 0), Judged { is_kept: true, is_first_beyond: false, before: Some(beyond) });
        assert_eq!((attempts.take_beyond(1), attempts.take_beyond(2)), (None, None), "it was told");
        assert!(from(2, "192.0.2.1", 0).is_first_beyond);
        for number in 1..1_000 {
            assert!(!from(2, &number.to_string(), number).is_first_beyond);
        }
        let kept = STRANGERS_MAX - 1;
        let beyond = attempts.take_beyond(2).expect("they are told when the minute is over");
        assert_eq!((beyond.attempts as usize, &beyond.from), (1_000 - kept, &None), "from several places");
        assert!(from(2, "1", 1).is_first_beyond, "what comes after that is told of as well");
        assert!(!attempts.add_beyond(&beyond), "something tells of those that came since already");
        let again = from(3, "192.0.2.1", 0).before.expect("what could not be told is told with the next");
        assert_eq!(again.attempts, beyond.attempts + 1);
        let half = Attempt { budget: Budget::Half, ..stranger("192.0.2.1", visit(0)) };
        assert_eq!(
            (0..100).filter(|_| attempts.judge(4, &half).is_first_beyond).count(),
            0,
            "people have logs of their own"
        );
        assert_eq!(attempts.take_beyond(4), None);
        assert!(attempts.add_beyond(&beyond), "nothing would tell of them but what is started now");
        assert_eq!(attempts.take_beyond(3), None, "of a minute that is over it was told");
        assert_eq!(attempts.take_beyond(5), Some(beyond), "a minute later, though nobody came meanwhile");
    }

    #[test]
    fn whoever_was_staff_is_not_hidden_by_a_flood() {
        let attempts = Attempts::default();
        let of = |budget: Budget, number: usize, source| Attempt {
            budget,
            account: Id16::derived(&["staff", &number.to_string()]),
            ..stranger(source, visit(0))
        };
        for number in 0..10_000 {
            attempts.is_kept(1, &stranger(&number.to_string(), visit(number)));
            attempts.is_kept(1, &stranger("192.0.2.1", visit(number)));
        }
        assert!(
            attempts.is_kept(1, &of(Budget::OverOfStaff, 0, "192.0.2.1")),
            "an old session, from where the flood is"
        );
        assert!(attempts.is_kept(1, &of(Budget::RefusedStaff, 0, "192.0.2.1")), "and a passkey that was removed");
        let kept =
            (1..2 * ACCOUNTS_MAX).filter(|n| attempts.is_kept(1, &of(Budget::RefusedStaff, *n, "192.0.2.1"))).count();
        assert_eq!(kept, ACCOUNTS_MAX - 1, "what anybody can name is bounded");
        assert!(
            attempts.is_kept(1, &of(Budget::OverOfStaff, 7, "192.0.2.1")),
            "and takes nothing from what was given out"
        );
        let again =
            |n: &usize| attempts.is_kept(1, &Attempt { wish: visit(*n), ..of(Budget::OverOfStaff, 7, "192.0.2.1") });
        assert_eq!((1..100).filter(again).count(), ACCOUNT_MAX - 1);
        assert!(attempts.take_beyond(1).is_some_and(|beyond| beyond.attempts > 10_000), "and the rest is counted");
    }

    #[test]
    fn a_subscriber_with_many_addresses_is_one_source() {
        let attempts = Attempts::default();
        let kept = |source: &dyn Fn(usize) -> String| {
            (0..1_000).filter(|n| attempts.is_kept(1, &stranger(&source(*n), visit(*n)))).count()
        };
        assert_eq!(kept(&|n| format!("2001:db8::{n:x}")), SOURCE_MAX, "others are still told of");
        assert_eq!(kept(&|n| format!("2001:db8:0:{n:x}::1")), STRANGERS_MAX - SOURCE_MAX);
    }

    #[test]
    fn people_are_counted_by_themselves() {
        let attempts = Attempts::default();
        for n in 0..1_000 {
            attempts.is_kept(1, &stranger(&n.to_string(), visit(n)));
        }
        let half = |account: usize, wish: Wish| Attempt {
            budget: Budget::Half,
            guess: false,
            account: Id16::derived(&["account", &account.to_string()]),
            source: "192.0.2.1",
            wish,
        };
        assert!(attempts.is_kept(1, &half(0, visit(0))), "strangers crowd out nobody who is known");
        assert_eq!((1..100).filter(|n| attempts.is_kept(1, &half(0, visit(*n)))).count(), ACCOUNT_MAX - 1);
        let guess = Attempt { guess: true, ..half(1, visit(0)) };
        assert_eq!((0..100).filter(|_| attempts.is_kept(1, &guess)).count(), ACCOUNT_MAX, "each guess is told");
        let kept = (2..2 * ACCOUNTS_MAX).filter(|n| attempts.is_kept(1, &half(*n, visit(0)))).count();
        assert_eq!(kept, ACCOUNTS_MAX - 2);
    }
}
