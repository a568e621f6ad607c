//! What is done to something in the matrix: for each address, the things it may be about as its askers see them, made anew whenever
//! somebody got through, so that no cell hangs on one that was asked before. The form that is sent lacks nothing: what comes back is
//! about the relation alone.

use super::colleagues;
use super::erasing;
use super::maker::{Maker, REASON, Stands, role_of};
use crate::site::CODE;
use base::Id16;
use policy::Role;
use portal::Route;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use store::ConsentPurpose;
use watch::Flag;

/// Until when consents and appointments are: less than a year from any day of the test.
const UNTIL: &str = "2026-12-31";
/// The papers of a brother or sister.
pub const SIBLING: [&str; 5] = ["own-id", "family-proof", "no-nearer-family", "patient-consent", "patient-id"];
/// Who decides about second factors.
pub const RECOVERING: &[&str] = &["support", "operator", "administrator"];
/// Who handles erasures.
pub const ERASING: &[&str] = &["steward", "security-officer", "administrator"];
const GROUNDS: &[&str] =
    &["own, waits", "own, open", "own, closed", "another's, waits", "another's, open", "another's, closed", "nothing"];
/// The same, and one that somebody else asked for about whoever confirms.
const CONFIRMED: &[&str] = &[
    "own, waits",
    "own, open",
    "own, closed",
    "another's, waits",
    "another's, open",
    "another's, closed",
    "own records",
    "nothing",
];
/// A request of support staff, and whom papers are about.
const REQUESTS: &[&str] = &["-", "own request", "own request, closed", "another's request", "nothing"];
const RECORDING: &[&str] =
    &["own request", "own request, closed", "another's request", "own records", "oneself as the agent", "nothing"];
const ENDING: &[&str] = &[
    "own request",
    "own request, closed",
    "another's request",
    "own request, by the patient's word",
    "own request, another patient's",
    "own request, ended",
    "nothing",
];

/// An address where something is done: by whom who gets in there at all, and about what.
pub struct Act {
    method: &'static str,
    path: &'static str,
    /// Each has things of their own. Those who do not get in are asked about the things of the first.
    askers: &'static [&'static str],
    things: &'static [&'static str],
    /// Whether it changes the thing.
    changes: bool,
}

const fn act(path: &'static str, askers: &'static [&'static str], things: &'static [&'static str]) -> Act {
    Act { method: "POST", path, askers, things, changes: true }
}

const fn look(
    method: &'static str,
    path: &'static str,
    askers: &'static [&'static str],
    things: &'static [&'static str],
) -> Act {
    Act { method, path, askers, things, changes: false }
}

const ACTS: &[Act] = &[
    act("/consents/give", &["patient"], &["-", "with all in it"]),
    act("/consents/change", &["patient"], &["own", "withdrawn", "another's", "nothing"]),
    act("/consents/withdraw", &["patient"], &["own", "withdrawn", "another's", "nothing"]),
    act("/representatives/appoint", &["patient"], &["-", "with all in it"]),
    act("/representatives/end", &["patient"], &["own", "mine", "ended", "nothing"]),
    act("/staff/access/close", &["clinician", "support", "pharmacist", "steward"], GROUNDS),
    act("/staff/grounds/confirm", &["steward"], CONFIRMED),
    act("/staff/grounds/close", &["steward"], GROUNDS),
    act("/staff/reviews/close", &["security-officer"], &["another's", "own", "own records", "reviewed", "nothing"]),
    look("POST", "/staff/representatives", &["support"], REQUESTS),
    act("/staff/representatives/record", &["support"], RECORDING),
    act("/staff/representatives/end", &["support"], ENDING),
    act("/staff/people/invite", colleagues::INVITING, &["-", "with all in it"]),
    act("/staff/people/invite-again", colleagues::INVITING, colleagues::INVITED),
    act("/staff/people/confirm", colleagues::INVITING, colleagues::CONFIRMED),
    act("/staff/people/give", colleagues::INVITING, colleagues::GIVEN),
    act("/staff/people/take", colleagues::INVITING, colleagues::TAKEN),
    act("/staff/people/off-board", colleagues::INVITING, colleagues::ENDED),
    act("/staff/people/recover", colleagues::INVITING, colleagues::RECOVERED),
    look("POST", "/staff/recovery", RECOVERING, colleagues::FOUND),
    act("/staff/recovery/approve", RECOVERING, colleagues::APPROVED),
    act("/staff/recovery/refuse", RECOVERING, colleagues::REFUSED),
    act("/staff/watch/marks/set", &["security-officer"], &["a patient", "own records", "nobody"]),
    act("/staff/watch/marks/take", &["security-officer"], &["marked", "own records", "not marked"]),
    look("GET", "/staff/watch/case/{id}", &["security-officer", "auditor"], &["open", "closed", "own", "nothing"]),
    act("/staff/watch/case/{id}", &["security-officer"], &["open", "open, to close", "closed", "own", "nothing"]),
    act("/staff/questions/{id}", &["clinician"], &["asked of the doctor", "asked of another", "nothing"]),
    look("POST", "/staff/erasures/look", ERASING, erasing::NAMED),
    act("/staff/erasures/ask", ERASING, erasing::NAMED),
    act("/staff/erasures/{id}/approve", ERASING, erasing::APPROVED),
    act("/staff/erasures/{id}/withdraw", ERASING, erasing::WITHDRAWN),
];

impl Act {
    /// Each thing by its name, and the address with what differs in it still left out.
    pub fn things(&self) -> Vec<(&'static str, String)> {
        self.things.iter().map(|thing| (*thing, self.path.to_owned())).collect()
    }

    /// Whether a column is asked about a thing again, later: who does not get in, about the first alone. They are refused before it is
    /// looked at what they ask about, and the matrix is to stay a matter of seconds.
    pub fn is_asked_again(&self, column: &str, thing: &str) -> bool {
        self.askers.contains(&column) || self.things.first() == Some(&thing)
    }
}

/// What is sent: what stands in the address for `{id}`, and the fields of the form but for its token.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sent {
    pub id: Option<Id16>,
    pub fields: Vec<(&'static str, String)>,
}

impl Sent {
    pub fn form(fields: &[(&'static str, &str)]) -> Self {
        Self { id: None, fields: fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect() }
    }

    pub fn at(id: Id16) -> Self {
        Self { id: Some(id), fields: Vec::new() }
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.fields.push((name, value.to_string()));
        self
    }
}

/// By method, address, thing and asker.
type Key = (&'static str, &'static str, String, &'static str);

/// Cases that stay as they are, and those that are left to be closed.
struct Cases {
    /// By whom they are about, who stand in the matrix.
    own: BTreeMap<Id16, Id16>,
    open: Id16,
    closed: Id16,
    closing: RefCell<Vec<Id16>>,
}

pub struct Acts<'a> {
    pub maker: Maker<'a>,
    /// Erasures that stay as they are.
    pub erasures: BTreeMap<&'static str, Id16>,
    /// What each column has for a session.
    pub tokens: BTreeMap<&'static str, String>,
    /// The code of a request of the first patient's, to reset their second factors, that nobody gets through with.
    pub own_request: OnceCell<String>,
    /// The session of one factor that they ask with.
    pub half_of_the_patient: OnceCell<String>,
    cases: Cases,
    /// What was made, and whether somebody got through with it.
    kept: RefCell<BTreeMap<Key, (Sent, bool)>>,
    /// Which person each asker is said to be.
    persons: RefCell<BTreeMap<&'static str, Id16>>,
}

impl<'a> Acts<'a> {
    /// Cases are made here, before the log is long.
    pub fn new(maker: Maker<'a>, erasures: BTreeMap<&'static str, Id16>) -> Self {
        let known = ["security-officer", "auditor", "clinician"].map(|column| maker.accounts[column]);
        let (own, strangers): (BTreeMap<Id16, Id16>, BTreeMap<Id16, Id16>) =
            maker.cases(&known).into_iter().partition(|(account, _)| known.contains(account));
        let mut closing: Vec<Id16> = strangers.into_values().collect();
        let (open, closed) = (closing.remove(0), maker.close_case(closing.remove(0)));
        let cases = Cases { own, open, closed, closing: RefCell::new(closing) };
        let (tokens, kept, persons) = (BTreeMap::new(), RefCell::default(), RefCell::default());
        let (own_request, half_of_the_patient) = (OnceCell::new(), OnceCell::new());
        Self { maker, erasures, tokens, own_request, half_of_the_patient, cases, kept, persons }
    }

    /// Where something is done.
    pub fn of(route: &Route) -> Option<&'static Act> {
        ACTS.iter().find(|act| (act.method, act.path) == (route.method, route.path))
    }

    /// What a column sends. What somebody got through with is made anew where that is wanted.
    pub fn sent(&self, act: &'static Act, column: &str, thing: &str, anew: bool) -> Sent {
        let asker = asker(act, column);
        self.is_person(asker, thing);
        let key = (act.method, act.path, thing.to_owned(), asker);
        // Whose account it is objects to a request elsewhere in the matrix; asking again for one that is open gives the same.
        let may_have_ended = (act.path, thing) == ("/staff/recovery", "own");
        if let Some((sent, is_used)) = self.kept.borrow().get(&key)
            && !(anew && (*is_used || may_have_ended))
        {
            return sent.clone();
        }
        let sent = self.make(act, asker, thing);
        self.kept.borrow_mut().insert(key, (sent.clone(), false));
        sent
    }

    /// Notes what came of it: whatever was made of the same thing is used up with it.
    pub fn came(&self, act: &'static Act, column: &str, thing: &str, outcome: &str) {
        if !act.changes || !["open", "go"].contains(&outcome) {
            return;
        }
        let key = (act.method, act.path, thing.to_owned(), asker(act, column));
        let mut kept = self.kept.borrow_mut();
        let done = kept.get(&key).map(|(sent, _)| sent.clone());
        kept.values_mut().filter(|(sent, _)| Some(sent) == done.as_ref()).for_each(|(_, is_used)| *is_used = true);
    }

    /// Says which person a member of staff is: whom the thing is about, or whom it names, or somebody who has no part in it.
    fn is_person(&self, asker: &'static str, thing: &str) {
        let Some(account) = self.maker.accounts.get(asker).copied() else { return };
        let person = match thing {
            "own records" => self.maker.kim,
            "oneself as the agent" => self.maker.lee,
            _ => Id16::derived(&["no part in it"]),
        };
        if self.persons.borrow_mut().insert(asker, person) != Some(person) {
            self.maker.watch.works_at(account, Some(person), None).expect("written");
        }
    }

    fn make(&self, act: &Act, asker: &'static str, thing: &str) -> Sent {
        match act.path {
            path if path.starts_with("/consents/") => self.consent(thing),
            path if path.starts_with("/representatives/") => self.representative(thing),
            "/staff/access/close" | "/staff/grounds/confirm" | "/staff/grounds/close" => self.ground(asker, thing),
            "/staff/reviews/close" => self.glass(asker, thing),
            path if path.starts_with("/staff/representatives") => self.papers(path, asker, thing),
            path if path.starts_with("/staff/people/") => colleagues::person(self, path, asker, thing),
            path if path.starts_with("/staff/recovery") => colleagues::recovery(self, asker, thing),
            path if path.starts_with("/staff/watch/marks/") => self.mark(thing),
            "/staff/watch/case/{id}" => self.case(act.changes, asker, thing),
            "/staff/questions/{id}" => self.question(asker, thing),
            path if path.starts_with("/staff/erasures/") => erasing::erasure(self, path, asker, thing),
            path => unreachable!("{path} stands in the table"),
        }
    }

    fn consent(&self, thing: &str) -> Sent {
        let (maker, kim) = (&self.maker, self.maker.kim);
        let give = |person| maker.consent(person, CODE, ConsentPurpose::Care, 48);
        let id = match thing {
            "-" => return Sent::default(),
            "own" => give(kim),
            "withdrawn" => maker.withdraw(kim, give(kim)),
            "another's" => give(maker.lee),
            _ => Id16::default(),
        };
        let terms = [("grantee", CODE), ("purpose", "care"), ("kind", "diagnoses"), ("every-institution", "yes")];
        Sent::form(&terms).with("until", UNTIL).with("id", id)
    }

    fn representative(&self, thing: &str) -> Sent {
        let (maker, kim, lee) = (&self.maker, self.maker.kim, self.maker.lee);
        let id = match thing {
            "-" => return Sent::default(),
            "own" => maker.appoint(kim, lee),
            "mine" => maker.appoint(lee, kim),
            "ended" => maker.end_appointment(kim, maker.appoint(kim, lee)),
            _ => Id16::default(),
        };
        Sent::form(&[("share", "whole"), ("until", UNTIL)]).with("code", lee).with("id", id)
    }

    fn ground(&self, asker: &str, thing: &str) -> Sent {
        let stands = match thing.split_once(", ").map(|(_, stands)| stands) {
            Some("waits") => Stands::Waits,
            Some("closed") => Stands::Closed,
            _ => Stands::Open,
        };
        let id = match thing.split(',').next() {
            Some("own") => self.maker.ground(self.maker.accounts[asker], role_of(asker), stands),
            Some("another's") => self.maker.ground(self.maker.another(Role::Clinician), Role::Clinician, stands),
            Some("own records") => {
                self.maker.ground(self.maker.another(Role::Clinician), Role::Clinician, Stands::Waits)
            }
            _ => Id16::default(),
        };
        Sent::default().with("id", id)
    }

    fn glass(&self, asker: &str, thing: &str) -> Sent {
        let (maker, own) = (&self.maker, self.maker.accounts[asker]);
        let anothers = || maker.glass(maker.accounts["clinician"], own);
        let id = match thing {
            "another's" | "own records" => anothers(),
            "own" => maker.glass(own, maker.another(Role::SecurityOfficer)),
            "reviewed" => {
                let glass = anothers();
                maker.review(glass);
                glass
            }
            _ => Id16::default(),
        };
        Sent::form(&[("verdict", "justified"), ("note", REASON)]).with("id", id)
    }

    /// Papers of who may act for the first patient, on a request about them.
    fn papers(&self, path: &str, asker: &str, thing: &str) -> Sent {
        let (maker, own) = (&self.maker, self.maker.accounts[asker]);
        let request = |stands| maker.ground(own, Role::Support, stands);
        let ground = match thing {
            "-" => return Sent::default(),
            "nothing" => Id16::default(),
            "own request, closed" => request(Stands::Closed),
            "another's request" => maker.ground(maker.another(Role::Support), Role::Support, Stands::Open),
            _ => request(Stands::Open),
        };
        let sent = Sent::default().with("ground", ground);
        match path {
            "/staff/representatives/record" => {
                let form =
                    [("case", "sibling"), ("reach", "one"), ("only", CODE), ("share", "whole"), ("until", UNTIL)];
                let sent = form.into_iter().fold(sent, |sent, (name, value)| sent.with(name, value));
                SIBLING.iter().fold(sent, |sent, paper| sent.with("seen", paper)).with("code", maker.lee)
            }
            "/staff/representatives/end" => {
                let (kim, lee, clerk) = (maker.kim, maker.lee, maker.another(Role::Support));
                let recorded = || maker.record(clerk, kim, lee);
                let id = match thing {
                    "own request, another patient's" => maker.appoint(lee, kim),
                    "own request, by the patient's word" => maker.appoint(kim, lee),
                    "own request, ended" => maker.end_appointment(kim, recorded()),
                    _ => recorded(),
                };
                sent.with("id", id)
            }
            _ => sent,
        }
    }

    fn mark(&self, thing: &str) -> Sent {
        let number = if thing == "nobody" { "p99" } else { "p1" };
        let subject = if thing == "not marked" { self.maker.lee } else { self.maker.kim };
        if thing != "not marked" {
            self.maker.watch.mark(subject, Flag::Vip).expect("marked");
        }
        let named = [("flag", "vip"), ("institution", CODE), ("number", number), ("reason", REASON)];
        Sent::form(&named).with("subject", subject)
    }

    fn case(&self, closes: bool, asker: &str, thing: &str) -> Sent {
        let id = match thing {
            "open" => self.cases.open,
            "open, to close" => self.cases.closing.borrow_mut().pop().expect("a case that is left to close"),
            "closed" => self.cases.closed,
            "own" => self.cases.own[&self.maker.accounts[asker]],
            _ => Id16::default(),
        };
        let what = if closes && thing == "open, to close" { "close" } else { "assign" };
        let fields = [("do", what), ("outcome", "justified"), ("text", REASON)];
        Sent { id: Some(id), ..Sent::form(&fields) }
    }

    fn question(&self, asker: &str, thing: &str) -> Sent {
        let id = match thing {
            "asked of the doctor" => self.maker.ask_in(self.cases.own[&self.maker.accounts[asker]]),
            "asked of another" => self.maker.ask_in(self.cases.open),
            _ => Id16::default(),
        };
        Sent { id: Some(id), ..Sent::form(&[("text", REASON)]) }
    }
}

/// Whose things a column is asked about.
fn asker(act: &Act, column: &str) -> &'static str {
    act.askers.iter().find(|asker| **asker == column).unwrap_or(&act.askers[0])
}
