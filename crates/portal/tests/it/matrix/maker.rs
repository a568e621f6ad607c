//! Makes what the matrix is about, through the door, as those would who make it: one thing at a time. Which of them a cell is about
//! stands elsewhere.

use super::acts::SIBLING;
use super::cast::STAFF;
use crate::site::{CODE, Site};
use base::{Id16, Redacted, Timestamp};
use policy::{Action, Actor, Assurance, DataKind, InstitutionCode, Permit, Purpose, Request, Role, Share, Target};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use store::{
    ConsentPurpose, ConsentTerms, NewGround, NewRepresentative, Right, ShredActor, ShredRole, ShredRules, ShredScope,
    ShredState, Verdict,
};
use testkit::BagBuilder;
use watch::{CaseQuery, Outcome, Watch};

/// Accounts by column.
pub type Accounts = BTreeMap<&'static str, Id16>;

/// Why anything is done.
pub const REASON: &str = "매트릭스";
/// An institution whose patients are there to be erased, and nobody of whom the agency knows.
pub const ERASED_AT: &str = "11100002";
/// How many there are: each erasure that is asked for takes one, since there is one erasure of the same at a time.
const TO_ERASE: u32 = 45;
/// Whoever asks for or confirms what those of the matrix do not.
const OTHERS: [Role; 5] = [Role::Clinician, Role::Support, Role::Steward, Role::SecurityOfficer, Role::Administrator];
/// Accounts that look where nobody may, one for each case that is closed while the matrix is asked, and one for each that stays.
const WATCHED: u32 = 5;
/// Wait for the watch at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a ground stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    Waits,
    Open,
    Closed,
}

pub struct Maker<'a> {
    pub site: &'a Site,
    pub accounts: Accounts,
    pub kim: Id16,
    pub lee: Id16,
    pub watch: Watch,
    drawn: Cell<u32>,
    erased: Cell<u32>,
}

impl<'a> Maker<'a> {
    pub fn new(site: &'a Site, accounts: Accounts) -> Self {
        let (kim, lee) = (site.world.visitor(&site.kim).account, site.world.visitor(&site.lee).account);
        let mut bag = BagBuilder::new(ERASED_AT);
        for number in 0..TO_ERASE {
            bag = bag.patient(&format!("u{number}"), &testkit::person(&format!("환자{number}")));
        }
        site.world.deposit(&bag.write(&site.world.path("to-erase")).root).expect("a good bag");
        let maker = Self {
            site,
            accounts,
            kim,
            lee,
            watch: crate::watch::watch(site),
            drawn: Cell::new(0),
            erased: Cell::new(0),
        };
        for role in OTHERS {
            site.world.store().grant(maker.another(role), &appointed(role)).expect("granted");
        }
        maker
    }

    /// Somebody in a role who is nobody of the matrix.
    pub fn another(&self, role: Role) -> Id16 {
        Id16::derived(&["another", role.name()])
    }

    /// A number that was not given before.
    pub fn number(&self) -> u32 {
        self.drawn.set(self.drawn.get() + 1);
        self.drawn.get()
    }

    fn id(&self) -> Id16 {
        Id16::derived(&["matrix", &self.number().to_string()])
    }

    pub fn permit(&self, account: Id16, role: Role, action: Action, target: Target, purpose: Purpose) -> Permit {
        let asked = self.site.world.archive().ask(Request { actor: actor(account, role), action, target, purpose });
        asked.unwrap_or_else(|error| panic!("{} for {action:?}: {error}", role.name()))
    }

    pub fn own(&self, person: Id16, action: Action) -> Permit {
        self.permit(person, Role::Patient, action, Target::Person(person), Purpose::OwnRecords)
    }

    fn office(&self, role: Role, action: Action) -> Permit {
        self.permit(self.another(role), role, action, Target::Installation, Purpose::Oversight)
    }

    /// A ground of somebody about a person, which another steward confirmed or closed.
    pub fn ground(&self, account: Id16, role: Role, stands: Stands) -> Id16 {
        let (id, store) = (self.id(), self.site.world.store());
        let kind = store::kind_asked_by(role).expect("a role that asks for grounds");
        let name = kind.purposes().first().copied().expect("what it is for");
        let purpose = Purpose::with_ground(name, id).expect("a purpose on a ground");
        let permit = self.permit(account, role, Action::AskGround, Target::Person(self.kim), purpose);
        let reason = Redacted::new(REASON.to_owned());
        let new = NewGround { subject: self.kim, institution: None, share: Share::Whole, reason };
        store.ask_ground(&permit, new).expect("asked");
        let permit = || self.office(Role::Steward, Action::ConfirmGround);
        if stands != Stands::Waits {
            store.confirm_ground(&permit(), id).expect("confirmed");
        }
        if stands == Stands::Closed {
            store.close_ground(&permit(), id).expect("closed");
        }
        id
    }

    /// Glass that somebody broke who is a clinician at that moment, of which a security officer was told.
    pub fn glass(&self, account: Id16, second: Id16) -> Id16 {
        let (store, right) = (self.site.world.store(), appointed(Role::Clinician));
        let is_clinician = account == self.accounts["clinician"];
        if !is_clinician {
            store.grant(account, &right).expect("granted");
        }
        let purpose = Purpose::Emergency { ground: self.id() };
        let permit = self.permit(account, Role::Clinician, Action::BreakGlass, Target::Person(self.kim), purpose);
        let glass = store.break_glass(&permit, self.kim, Redacted::new(REASON.to_owned()), second).expect("broken");
        if !is_clinician {
            store.revoke(account, &right).expect("revoked");
        }
        glass
    }

    pub fn review(&self, glass: Id16) {
        let permit = self.office(Role::SecurityOfficer, Action::ReviewGlass);
        let note = Redacted::new(REASON.to_owned());
        self.site.world.store().review_glass(&permit, glass, Verdict::Justified, &note).expect("reviewed");
    }

    pub fn consent(&self, person: Id16, grantee: &str, purpose: ConsentPurpose, hours: i64) -> Id16 {
        let terms = ConsentTerms {
            person,
            grantees: InstitutionCode::new(grantee).into_iter().collect(),
            purposes: [purpose].into(),
            institutions: BTreeSet::new(),
            kinds: DataKind::ALL.into(),
            sensitive: BTreeSet::new(),
            from: self.in_hours(0),
            until: self.in_hours(hours),
        };
        let permit = self.own(person, Action::ManageConsent);
        self.site.world.store().give_consent(&permit, &terms).expect("given").0
    }

    pub fn withdraw(&self, person: Id16, consent: Id16) -> Id16 {
        let permit = self.own(person, Action::ManageConsent);
        self.site.world.store().withdraw_consent(&permit, person, consent).expect("withdrawn");
        consent
    }

    /// An appointment by a person's own word.
    pub fn appoint(&self, person: Id16, agent: Id16) -> Id16 {
        let new = self.new_representative(person, agent);
        self.site.world.store().appoint(&self.own(person, Action::Appoint), new).expect("appointed")
    }

    fn new_representative(&self, person: Id16, agent: Id16) -> NewRepresentative {
        testkit::by_own_word(person, agent, self.in_hours(24))
    }

    /// An appointment that support staff recorded by the papers of a brother or sister, on a request of theirs.
    pub fn record(&self, clerk: Id16, person: Id16, agent: Id16) -> Id16 {
        let ground = self.ground(clerk, Role::Support, Stands::Open);
        let (target, purpose) = (Target::Person(person), Purpose::Application { ground });
        let permit = self.permit(clerk, Role::Support, Action::RecordProof, target, purpose);
        let new = NewRepresentative {
            proof_case: "sibling".to_owned(),
            seen: SIBLING.map(str::to_owned).into(),
            ..self.new_representative(person, agent)
        };
        self.site.world.store().appoint(&permit, new).expect("recorded")
    }

    pub fn end_appointment(&self, person: Id16, appointment: Id16) -> Id16 {
        let permit = self.own(person, Action::Appoint);
        self.site.world.store().end_representative(&permit, person, appointment).expect("ended");
        appointment
    }

    /// A patient of whom nothing is asked yet, by their number.
    pub fn to_erase(&self) -> String {
        let number = self.erased.replace(self.erased.get() + 1);
        assert!(number < TO_ERASE, "every patient was taken who can be erased");
        format!("u{number}")
    }

    /// An erasure of a patient's records that somebody asked for.
    pub fn erasure(&self, account: Id16, role: ShredRole, institution: &str, number: &str) -> Id16 {
        let institution = InstitutionCode::new(institution).expect("a code");
        let (store, by) = (self.site.world.store(), ShredActor { account, role });
        let scope = ShredScope::Patient(store.ids().patient(&institution, number).id());
        let permit = self.erasing(by, store.shred_target_of(&scope).expect("a patient"));
        store.shred_request(&permit, by, &scope, REASON, "개인정보 보호법 제36조").expect("asked")
    }

    /// As another steward asks for it.
    pub fn anothers_erasure(&self) -> Id16 {
        self.erasure(self.another(Role::Steward), ShredRole::DataSteward, ERASED_AT, &self.to_erase())
    }

    pub fn approve_erasure(&self, account: Id16, role: ShredRole, id: Id16) {
        let (store, by) = (self.site.world.store(), ShredActor { account, role });
        let permit = self.erasing(by, store.shred_target(id).expect("read").expect("asked for"));
        // Here nobody waits.
        store.shred_approve(&permit, id, by, &ShredRules { wait_hours: 0, backup_days: 30 }).expect("approved");
    }

    /// As the two others approve it.
    pub fn approved_by_two(&self, id: Id16) -> Id16 {
        self.approve_erasure(self.another(Role::SecurityOfficer), ShredRole::SecurityOfficer, id);
        self.approve_erasure(self.another(Role::Administrator), ShredRole::Administrator, id);
        id
    }

    pub fn withdraw_erasure(&self, id: Id16) -> Id16 {
        let (store, account) = (self.site.world.store(), self.another(Role::Steward));
        let target = store.shred_target(id).expect("read").expect("asked for");
        let permit = self.erasing(ShredActor { account, role: ShredRole::DataSteward }, target);
        store.shred_withdraw(&permit, id).expect("withdrawn");
        id
    }

    /// Does what was approved, to its end.
    pub fn erase(&self, id: Id16) -> Id16 {
        let (store, door) = (self.site.world.store(), self.site.world.archive().shared_door());
        let permit = || store.ask_job(&door, "eraser", Action::Repair).expect("permitted");
        while store.shred_step(&permit(), id).expect("a step") != ShredState::Done {}
        id
    }

    fn erasing(&self, by: ShredActor, target: Target) -> Permit {
        let role = Role::from_name(by.role.name()).expect("a role");
        self.permit(by.account, role, Action::HandleErasures, target, Purpose::Operation)
    }

    /// Cases about accounts that tried to look where nobody may: about each of these, and about some more. By account.
    pub fn cases(&self, about: &[Id16]) -> BTreeMap<Id16, Id16> {
        let decoy = Id16::derived(&["decoy"]);
        self.watch.mark(decoy, watch::Flag::Decoy).expect("marked");
        let more = (0..WATCHED).map(|number| Id16::derived(&["watched", &number.to_string()]));
        let all: Vec<Id16> = about.iter().copied().chain(more).collect();
        for account in &all {
            let (actor, purpose) = (actor(*account, Role::Clinician), Purpose::Care { ground: Id16([5; 16]) });
            let request = Request { actor, action: Action::ReadRecord, target: Target::Person(decoy), purpose };
            self.site.world.archive().ask(request).expect_err("no ground");
        }
        let (mut reader, begun) = (self.watch.reader(), Instant::now());
        let query = CaseQuery { rule: Some(watch::Rule::Decoy), ..CaseQuery::default() };
        let permit = || self.office(Role::SecurityOfficer, Action::SeeCases);
        loop {
            reader.step().expect("watched");
            let found = self.watch.cases(&permit(), &query).expect("read");
            if found.len() == all.len() {
                let file = |case: watch::Case| self.watch.case(&permit(), case.incident).expect("a case");
                let by_account = |file: watch::CaseFile| (file.actor.expect("somebody looked"), file.case.incident);
                return found.into_iter().map(file).map(by_account).collect();
            }
            assert!(begun.elapsed() < PATIENCE, "{} cases came of {}", found.len(), all.len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn close_case(&self, case: Id16) -> Id16 {
        let permit = self.office(Role::SecurityOfficer, Action::HandleCases);
        self.watch.close(&permit, case, Outcome::Justified, REASON).expect("closed");
        case
    }

    /// Asks whoever looked, in the case about them.
    pub fn ask_in(&self, case: Id16) -> Id16 {
        let permit = self.office(Role::SecurityOfficer, Action::HandleCases);
        self.watch.ask(&permit, case, REASON).expect("asked");
        case
    }

    /// The permit of an administrator to give rights.
    pub fn rights(&self, account: Id16) -> Permit {
        let (role, action) = (Role::Administrator, Action::ManageRights);
        self.permit(account, role, action, Target::Installation, Purpose::Operation)
    }

    fn in_hours(&self, hours: i64) -> Timestamp {
        let now = self.site.world.archive().clock().now();
        Timestamp::from_second(now.as_second() + hours * 3600).expect("a time")
    }
}

fn actor(account: Id16, role: Role) -> Actor {
    let (name, source) = (REASON.to_owned().into(), "192.0.2.10".to_owned().into());
    Actor { account, role, assurance: Assurance::Two, name, source }
}

/// The right of a role, at the institution whose records there are where it is held at one.
pub fn appointed(role: Role) -> Right {
    let at_institution = matches!(role, Role::Clinician | Role::Pharmacist);
    Right::Appointed { role, institution: InstitutionCode::new(CODE).filter(|_| at_institution) }
}

/// The role of a column of staff.
pub fn role_of(column: &str) -> Role {
    assert!(STAFF.contains(&column), "{column} is no column of staff");
    Role::from_name(column).expect("a column that is a role")
}
