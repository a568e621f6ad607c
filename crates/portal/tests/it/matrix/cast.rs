//! Who asks in the matrix, and about what: one browser a column, each with a session of its own.

use super::acts::Acts;
use super::colleagues::come;
use super::facts::{Facts, Things};
use super::maker::{Accounts, Maker, appointed, role_of};
use crate::browser::{Answer, Browser};
use crate::site::Site;
use base::Id16;
use ledger::tiles::{self, TileId};
use policy::InstitutionCode;
use portal::Route;
use std::collections::BTreeMap;
use store::{Log, Right};
use synth::passkey::SoftKey;

/// Every column: who has no session, a forged one, one factor, two; and staff, the first of whom hold no right.
pub const COLUMNS: [&str; 15] = [
    "nobody",
    "forged",
    "half",
    "patient",
    "no-role",
    "operator",
    "depositor",
    "support",
    "clinician",
    "pharmacist",
    "researcher",
    "steward",
    "security-officer",
    "auditor",
    "administrator",
];
/// Those of staff.
pub const STAFF: [&str; 11] = {
    let mut staff = [""; 11];
    let mut at = 0;
    while at < 11 {
        staff[at] = COLUMNS[at + 4];
        at += 1;
    }
    staff
};
/// What ends the session it is sent with, and so is sent with a token that is not the form's.
const ENDING: [&str; 1] = ["/sign-out"];
const SESSION: &str = "__Host-hanmaru-session";
/// An id of nothing.
const NOTHING: &str = "00000000000000000000000000000000";

pub struct Cast<'a> {
    site: &'a Site,
    facts: Facts,
    acts: Acts<'a>,
    /// Each with the token of its forms.
    browsers: BTreeMap<&'static str, (Browser, String)>,
}

impl<'a> Cast<'a> {
    pub fn new(site: &'a Site) -> Self {
        let identity = &site.identity;
        let mut keys: BTreeMap<&'static str, SoftKey> = BTreeMap::new();
        let mut accounts = Accounts::new();
        for column in STAFF {
            let invitation = identity.staff_invite(column, &rights(column)).expect("a good name");
            let (key, account) = come(site, &invitation);
            keys.insert(column, key);
            accounts.insert(column, account);
        }
        // Time goes on while what is over is made: sessions begin after that.
        let maker = Maker::new(site, accounts);
        let facts = Facts::new(&maker);
        let mut acts = Acts::new(maker, facts.erasures.iter().copied().collect());
        let mut browsers = BTreeMap::new();
        // Who has fewer than two factors is counted by address: elsewhere nobody waits for the others.
        for (place, column) in [(3, COLUMNS[0]), (4, COLUMNS[1])] {
            browsers.insert(column, (site.browser().at([127, 0, 0, place]), "x".to_owned()));
        }
        let half = site.browser().at([127, 0, 0, 2]);
        site.prove(&half, &site.lee).leads_to("/sign-in/second-step");
        let csrf = half.get("/sign-in/second-step").csrf();
        browsers.insert("half", (half, csrf));
        let patient = site.browser();
        site.sign_in(&patient, &site.kim);
        let csrf = patient.get("/account").csrf();
        browsers.insert("patient", (patient, csrf));
        for (column, mut key) in keys {
            let browser = site.browser();
            let ask = identity.staff_ask().expect("a question");
            let answer = key.get(&ask.options);
            let signed_in = identity.staff_sign_in(ask.cookie.expose(), &answer, "192.0.2.10");
            let token = signed_in.expect("a good passkey").token.cookie_value().to_owned();
            browser.cookies.borrow_mut().insert(SESSION.to_owned(), token);
            let csrf = browser.get("/account").csrf();
            browsers.insert(column, (browser, csrf));
        }
        let token = |browser: &Browser| browser.cookies.borrow().get(SESSION).cloned();
        let held = |(column, (browser, _)): (&&'static str, &(Browser, String))| Some((*column, token(browser)?));
        acts.tokens = browsers.iter().filter_map(held).collect();
        acts.tokens.insert("forged", "A".repeat(43));
        Self { site, facts, acts, browsers }
    }

    /// What an address is asked about: a name, and the address with it in place.
    pub fn things(&self, route: &Route) -> Vec<(&'static str, String)> {
        let with = |things: Vec<(&'static str, String)>, mark: &str| {
            things.into_iter().map(|(name, value)| (name, route.path.replace(mark, &value))).collect()
        };
        if let Some(act) = Acts::of(route) {
            return act.things();
        }
        match route.path {
            path if path.starts_with("/log/") => self.log_files(path),
            path if path.contains("{code}") => with(vec![("-", crate::site::CODE.to_owned())], "{code}"),
            path if path.contains("{number}") => with(vec![("-", "HM-0000-0000-0000".to_owned())], "{number}"),
            path if path.contains("{token}") => with(vec![("-", "made-up".to_owned())], "{token}"),
            path if path.contains("{ground}/visit/{id}") => self.visits_on_grounds(route.path),
            path if path.starts_with("/staff/erasures/{id}") => with(texts(&self.facts.erasures), "{id}"),
            path if path.contains("{month}") => with(vec![("-", "2026-10".to_owned())], "{month}"),
            path if path.contains("{id}") => with(
                vec![
                    ("own", self.site.visit("p1", "v1")),
                    ("another's", self.site.visit("p2", "v3")),
                    ("nobody's", format!("{NOTHING}-{NOTHING}")),
                ],
                "{id}",
            ),
            "/acting/{ground}" => with(texts(&self.facts.appointments), "{ground}"),
            path if path.contains("{ground}") => with(texts(&self.facts.grounds), "{ground}"),
            path if path.contains("{consent}") => with(texts(&self.facts.consents), "{consent}"),
            "/staff/access/ask" => {
                let roles = ["as support", "as clinician", "as pharmacist", "as steward"];
                std::iter::once("-").chain(roles).map(|name| (name, route.path.to_owned())).collect()
            }
            // A form with nothing in it opens nothing, whoever sends it.
            "/staff/access/break" => ["-", "with all in it"].map(|name| (name, route.path.to_owned())).into(),
            path => vec![("-", path.to_owned())],
        }
    }

    /// Of each log, once it has any, and of none.
    fn log_files(&self, path: &str) -> Vec<(&'static str, String)> {
        let first = |log: Log| {
            for _ in 0..2_000 {
                if let Some(head) = self.site.world.store().checkpoint(log).expect("it can be read") {
                    let first = TileId::in_tree(0, 0, head.checkpoint.size).expect("it is not empty");
                    return tiles::path(&first);
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            panic!("the log {} stays empty", log.name());
        };
        let in_place = |log: &str, tile: &str| path.replace("{log}", log).replace("tile/{*rest}", tile);
        let mut things = Log::ALL.map(|log| (log.name(), in_place(log.name(), &first(log)))).to_vec();
        things.push(("no log", in_place("nothing", "tile/0/000")));
        things
    }

    /// Visits of whom a ground is about, on every ground there is; and on one that is good, a visit of somebody else and none.
    fn visits_on_grounds(&self, path: &str) -> Vec<(&'static str, String)> {
        let (grounds, theirs, others, good) = if path.starts_with("/acting/") {
            (&self.facts.appointments, self.site.visit("p2", "v3"), self.site.visit("p1", "v1"), "mine")
        } else {
            (&self.facts.grounds, self.site.visit("p1", "v1"), self.site.visit("p2", "v3"), "request")
        };
        let at = |ground: &Id16, visit: &str| path.replace("{ground}", &ground.to_string()).replace("{id}", visit);
        let mut things: Vec<_> = grounds.iter().map(|(name, ground)| (*name, at(ground, &theirs))).collect();
        let (_, ground) = grounds.iter().find(|(name, _)| *name == good).expect("a ground that is good");
        things.push(("good, another's visit", at(ground, &others)));
        things.push(("good, nobody's visit", at(ground, &format!("{NOTHING}-{NOTHING}"))));
        things
    }

    /// Asks in one column, and says in one word what came back. Whoever asks too often waits a minute: that is no answer of theirs.
    /// `anew` says whether what was used up is made anew.
    pub fn ask(&self, column: &str, route: &Route, thing: &str, address: &str, anew: bool) -> String {
        let (browser, csrf) = &self.browsers[column];
        let csrf = if ENDING.contains(&route.path) { "x" } else { csrf.as_str() };
        let act = Acts::of(route);
        let (address, form) = match act.map(|act| self.acts.sent(act, column, thing, anew)) {
            Some(sent) => (address.replace("{id}", &sent.id.unwrap_or_default().to_string()), sent.fields),
            None => (address.to_owned(), self.form(thing)),
        };
        let mut fields = vec![("csrf", csrf)];
        fields.extend(form.iter().map(|(name, value)| (*name, value.as_str())));
        let ask = || {
            // Some answers tell the browser to forget its session.
            if let Some(token) = self.acts.tokens.get(column) {
                browser.cookies.borrow_mut().insert(SESSION.to_owned(), token.clone());
            }
            match (route.method, route.path) {
                // It goes on for as long as somebody listens.
                ("GET", "/staff/watch/events") => browser.begin(&address),
                ("GET", _) => browser.get(&address),
                (_, "/verify") => browser.upload(&address, b"no document"),
                _ => browser.post(&address, &fields),
            }
        };
        let mut answer = ask();
        if answer.status == 429 {
            self.site.world.clock.advance(60);
            answer = ask();
        }
        let outcome = outcome(&answer);
        if let Some(act) = act {
            self.acts.came(act, column, thing, &outcome);
        }
        outcome
    }

    /// What is sent where nothing is done to anything of which there are several.
    fn form(&self, thing: &str) -> Vec<(&'static str, String)> {
        let nothing = ["account", "session", "passkey", "id"].map(|name| (name, NOTHING.to_owned()));
        let mut fields = vec![("what", "all".to_owned())];
        fields.extend(nothing);
        fields.push(("role", thing.strip_prefix("as ").unwrap_or_default().to_owned()));
        if thing == "with all in it" || thing.starts_with("as ") {
            let (institution, number) = (crate::site::CODE.to_owned(), crate::site::CHART.to_owned());
            let second = self.acts.maker.accounts["security-officer"].to_string();
            fields.extend([("institution", institution), ("number", number)]);
            fields.extend([("reason", "응급 이송".to_owned()), ("second", second)]);
        }
        fields
    }
}

fn texts(things: &Things) -> Vec<(&'static str, String)> {
    things.iter().map(|(name, id)| (*name, id.to_string())).collect()
}

/// The one right of a column of staff.
fn rights(column: &str) -> Vec<Right> {
    match column {
        "no-role" => vec![],
        "operator" => vec![Right::Operator],
        "depositor" => vec![Right::Depositor(InstitutionCode::new(crate::site::CODE).expect("a code"))],
        name => vec![appointed(role_of(name))],
    }
}

fn outcome(answer: &Answer) -> String {
    let leads = |path: &str| answer.location().is_some_and(|to| to == path || to.starts_with(&format!("{path}?")));
    let word = match answer.status {
        200 => "open",
        303 if leads("/sign-in/second-step") => "second",
        303 if leads("/sign-in") => "sign-in",
        303 if leads("/staff/sign-in") => "staff-in",
        303 if leads("/account/prove") => "prove",
        303 => "go",
        400 | 422 => "mend",
        401 => "session",
        403 if answer.text().contains("화면을 다시 열어 주세요") => "form",
        403 => "refused",
        404 | 410 => "missing",
        status => return format!("status-{status}"),
    };
    word.to_owned()
}
