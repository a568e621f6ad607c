//! Staff of the house, one for each role, and what they may work on: grounds, an erasure, a case. An input cannot know ids that were
//! drawn: in it stands a word that begins with `@`, and [`House::named`] puts what it stands for in its place.

use crate::agency::kim;
use crate::house::{CODE, House, SOURCE};
use base::{Clock as _, Id16, Redacted, Timestamp};
use identity::Session;
use policy::{Action, Actor, Assurance, InstitutionCode, Permit, Purpose, Request, Role, Share, Target};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{NewGround, Right, ShredActor, ShredRole, ShredScope};
use synth::passkey::SoftKey;
use testkit::person;
use watch::{Flag, Watch};

/// After so many seconds what was used up or ended is made anew.
const NEW_AFTER_S: i64 = 300;
/// Looks of the watch, and the time between them, until it has found what there is to find.
const LOOKS: u32 = 100;
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// Who works in the house, and on what.
#[derive(Default)]
pub struct Staff {
    members: BTreeMap<Role, Member>,
    things: BTreeMap<&'static str, String>,
    made_s: i64,
}

/// A member of staff with a passkey.
struct Member {
    account: Id16,
    key: SoftKey,
    token: String,
}

impl House {
    /// The session of a member of staff who gave their passkey not long ago, and the value of its cookie.
    pub fn colleague(&mut self, role: Role) -> (Session, String) {
        let live = self.staff.members.get(&role).and_then(|member| {
            let session = self.identity.session(&member.token).ok()?;
            session.is_fresh.then(|| (session, member.token.clone()))
        });
        if let Some(live) = live {
            return live;
        }
        let known = self.staff.members.remove(&role);
        // Whoever was off-boarded by an input is followed by somebody else.
        let member = known.and_then(|member| self.back(member)).unwrap_or_else(|| self.employed(role));
        let live = (self.identity.session(&member.token).expect("it has just begun"), member.token.clone());
        self.staff.members.insert(role, member);
        live
    }

    fn back(&self, mut member: Member) -> Option<Member> {
        let ask = self.identity.staff_ask().ok()?;
        let answer = member.key.get(&ask.options);
        let signed_in = self.identity.staff_sign_in(ask.cookie.expose(), &answer, SOURCE).ok()?;
        Some(Member { token: signed_in.token.cookie_value().to_owned(), ..member })
    }

    fn employed(&self, role: Role) -> Member {
        let institution = matches!(role, Role::Clinician | Role::Pharmacist).then(code);
        let right = match role {
            Role::Operator => Right::Operator,
            role => Right::Appointed { role, institution },
        };
        let invited = self.identity.staff_invite(role.name(), &[right]).expect("a name");
        let token = invited.token.expose();
        let (_, ask) = self.identity.staff_enrol(token).expect("a fresh invitation");
        let mut key = SoftKey::new(&format!("http://{}", self.host));
        let answer = key.create(&ask.options);
        let enrolled = self.identity.staff_enrolled(token, ask.cookie.expose(), &answer, "one", SOURCE);
        let token = enrolled.expect("it is as a browser answers").token.cookie_value().to_owned();
        Member { account: invited.account, key, token }
    }

    /// An input with what its words stand for.
    pub fn named(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.now_s() - self.staff.made_s >= NEW_AFTER_S {
            self.staff.made_s = self.now_s();
            self.make_things();
        }
        let things = self.staff.things.iter();
        things.fold(bytes.to_vec(), |bytes, (word, thing)| replaced(&bytes, word.as_bytes(), thing.as_bytes()))
    }

    /// What there is of it already stays as it was: of some there is one at a time.
    fn make_things(&mut self) {
        // Whose papers are looked at has come once, and said when they were born.
        self.member();
        let roles = [Role::Clinician, Role::Support, Role::SecurityOfficer, Role::Administrator];
        for role in roles {
            self.colleague(role);
        }
        let [doctor, clerk, officer, administrator] = roles.map(|role| self.staff.members[&role].account);
        let (kim, lee) = (self.world.visitor(&kim()).account, self.world.visitor(&person("이바다")).account);
        let invited = self.identity.staff_invite("새 직원", &[Right::Operator]).map(|invited| invited.account).ok();
        let worker = self.employed(Role::Auditor).account;
        // Of whom it is not known which person they are records no papers.
        self.watch().works_at(clerk, Some(Id16([8; 16])), None).expect("the store can be written");
        // Before anybody else had anything to do with that record.
        let case = self.case(doctor, kim);
        let made = [
            ("@officer", Some(officer)),
            ("@person", Some(lee)),
            ("@subject", Some(kim)),
            ("@invited", invited),
            ("@worker", Some(worker)),
            ("@request", self.ground((clerk, Role::Support), "application", kim, true)),
            ("@visit", self.ground((doctor, Role::Clinician), "care", kim, true)),
            ("@waiting", self.ground((doctor, Role::Clinician), "care", lee, false)),
            ("@glass", self.glass(doctor, officer, kim)),
            ("@erasure", self.erasure(kim)),
            ("@appointed", self.appointed(kim, lee)),
            ("@case", case),
        ];
        let made = made.into_iter().filter_map(|(word, id)| Some((word, id?.to_string())));
        self.staff.things.extend(made.chain(self.recovery(administrator, worker).map(|code| ("@code", code))));
    }

    /// The code of a request to reset a colleague's passkeys.
    fn recovery(&self, administrator: Id16, colleague: Id16) -> Option<String> {
        let (by, purpose) = ((administrator, Role::Administrator), Purpose::Operation);
        let permit = self.permit(by, Action::ManageRights, Target::Installation, purpose)?;
        Some(self.identity.recovery_ask_for(&permit, colleague).ok()?.code.expose().clone())
    }

    fn permit(&self, by: (Id16, Role), action: Action, target: Target, purpose: Purpose) -> Option<Permit> {
        let actor = Actor {
            account: by.0,
            role: by.1,
            assurance: Assurance::Two,
            name: "직원".to_owned().into(),
            source: SOURCE.to_owned().into(),
        };
        self.world.archive().ask(Request { actor, action, target, purpose }).ok()
    }

    fn drawn(&self) -> Id16 {
        Id16::random(self.world.archive().random())
    }

    fn ground(&self, by: (Id16, Role), purpose: &str, subject: Id16, confirmed: bool) -> Option<Id16> {
        let id = self.drawn();
        let purpose = Purpose::with_ground(purpose, id)?;
        let permit = self.permit(by, Action::AskGround, Target::Person(subject), purpose)?;
        let new = NewGround { subject, institution: None, share: Share::Whole, reason: reason() };
        self.world.store().ask_ground(&permit, new).ok()?;
        if confirmed {
            let (by, purpose) = (self.steward(), Purpose::Oversight);
            let permit = self.permit(by, Action::ConfirmGround, Target::Installation, purpose)?;
            self.world.store().confirm_ground(&permit, id).ok()?;
        }
        Some(id)
    }

    /// Somebody besides the staff whose sessions are used: what they asked for, those may decide about.
    fn steward(&self) -> (Id16, Role) {
        let (account, role) = (Id16([9; 16]), Role::Steward);
        // It holds the right already where it was given before.
        let _ = self.world.store().grant(account, &Right::Appointed { role, institution: None });
        (account, role)
    }

    fn glass(&self, doctor: Id16, officer: Id16, subject: Id16) -> Option<Id16> {
        let purpose = Purpose::Emergency { ground: self.drawn() };
        let permit = self.permit((doctor, Role::Clinician), Action::BreakGlass, Target::Person(subject), purpose)?;
        self.world.store().break_glass(&permit, subject, reason(), officer).ok()
    }

    fn erasure(&self, subject: Id16) -> Option<Id16> {
        let by = self.steward();
        let permit = self.permit(by, Action::HandleErasures, Target::Person(subject), Purpose::Operation)?;
        let scope = ShredScope::Patient(self.world.store().ids().patient(&code(), "p1").id());
        let actor = ShredActor { account: by.0, role: ShredRole::DataSteward };
        self.world.store().shred_request(&permit, actor, &scope, "reason", "law").ok()
    }

    fn appointed(&self, person: Id16, agent: Id16) -> Option<Id16> {
        let until = Timestamp::from_second(self.world.clock.now().as_second() + 86_400).ok()?;
        let own = (person, Role::Patient);
        let permit = self.permit(own, Action::Appoint, Target::Person(person), Purpose::OwnRecords)?;
        self.world.store().appoint(&permit, testkit::by_own_word(person, agent, until)).ok()
    }

    fn watch(&self) -> Watch {
        Watch::new(self.world.store().clone(), self.world.archive().shared_door()).expect("a store that is open")
    }

    /// Somebody asks for a record that nobody has a reason to open, and is denied: the watch makes a case of it.
    fn case(&self, doctor: Id16, decoy: Id16) -> Option<Id16> {
        let watch = self.watch();
        watch.mark(decoy, Flag::Decoy).ok()?;
        let purpose = Purpose::Care { ground: self.drawn() };
        let denied = self.permit((doctor, Role::Clinician), Action::ReadRecord, Target::Person(decoy), purpose);
        assert!(denied.is_none(), "no ground");
        let mut reader = watch.reader();
        for _ in 0..LOOKS {
            reader.step().ok()?;
            if let Some(new) = watch.untold().ok()?.iter().find(|new| new.rule == "decoy") {
                watch.told(new.incident).ok()?;
                return Some(new.incident);
            }
            std::thread::sleep(LOOK_PAUSE);
        }
        None
    }
}

fn code() -> InstitutionCode {
    InstitutionCode::new(CODE).expect("it has the form of one")
}

fn reason() -> Redacted<String> {
    Redacted::new("reason".to_owned())
}

fn replaced(bytes: &[u8], word: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(word.len()).position(|window| window == word) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(by);
        rest = &rest[at + word.len()..];
    }
    out.extend_from_slice(rest);
    out
}
