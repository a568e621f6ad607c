//! What stories about staff share: a person with records at two institutions, staff with rights, and requests on grounds.

use std::sync::Arc;

use base::{Id16, ManualClock, Redacted};
use policy::{
    Action, Actor, Assurance, DenialReason, Door, InstitutionCode, Owner, Permit, Purpose, Request, Role, Target,
};
use store::{AskError, Edition, IndexRow, NewVersion, PersonLink, Right, Store, Version};

use crate::support::*;

pub const DOCTOR: Id16 = Id16([0xd1; 16]);
pub const CLERK: Id16 = Id16([0xc1; 16]);
pub const STEWARD: Id16 = Id16([0xe1; 16]);
pub const OFFICER: Id16 = Id16([0xf1; 16]);
pub const PHARMACIST: Id16 = Id16([0xa1; 16]);

/// An installation whose clock is moved by hand, with a person who has records at two institutions.
pub struct Ward {
    pub house: House,
    pub clock: Arc<ManualClock>,
    pub store: Store,
    pub door: Door,
    pub person: Id16,
    pub here: Owner,
    pub there: Owner,
}

pub fn other_institution() -> InstitutionCode {
    InstitutionCode::new("22200002").expect("a code")
}

/// The institution of the pharmacist.
pub fn pharmacy() -> InstitutionCode {
    InstitutionCode::new("81100001").expect("a code")
}

impl Ward {
    pub fn new() -> Self {
        let clock = Arc::new(ManualClock::at("2026-11-22T12:00:00+09:00".parse().expect("a time")));
        let mut house = House::new();
        house.clock = Arc::<ManualClock>::clone(&clock);
        let store = house.open();
        let person = store.person_for_ci(&[7; 32]).expect("a person");
        let [here, there] = [institution(), other_institution()].map(|code| store.ids().patient(&code, "p1"));
        let ward = Self { house, clock, store, door: Door::standard().expect("the door"), person, here, there };
        ward.link(here, &institution());
        ward.link(there, &other_institution());
        ward.write(here, "Condition", "c1", "고지혈증", None);
        ward.write(there, "Condition", "c2", "두통", None);
        let appointed = |role, institution| Right::Appointed { role, institution };
        for (account, right) in [
            (DOCTOR, appointed(Role::Clinician, Some(institution()))),
            (CLERK, appointed(Role::Support, None)),
            (STEWARD, appointed(Role::Steward, None)),
            (OFFICER, appointed(Role::SecurityOfficer, None)),
            (PHARMACIST, appointed(Role::Pharmacist, Some(pharmacy()))),
        ] {
            ward.store.grant(account, &right).expect("granted");
        }
        ward
    }

    fn depositing(&self, code: &InstitutionCode, action: Action) -> Permit {
        let account = Id16::derived(&["depositor", code.as_str()]);
        self.store.grant(account, &Right::Depositor(code.clone())).expect("granted");
        let request = request(Role::Depositor, account, action, Target::Institution(code.clone()));
        self.store.ask(&self.door, request).expect("a permit")
    }

    /// Says that a patient is the person.
    pub fn link(&self, owner: Owner, code: &InstitutionCode) {
        let permit = self.depositing(code, Action::LinkPerson);
        let link = PersonLink { person: self.person, patient: owner.id(), institution: code.clone() };
        self.store.link_patients(&permit, vec![link]).expect("linked");
    }

    /// Writes a resource that says `text`, of an encounter where one is named.
    pub fn write(&self, owner: Owner, kind: &str, source_id: &str, text: &str, encounter: Option<&str>) {
        let code = if owner == self.there { other_institution() } else { institution() };
        let bytes = format!(r#"{{"resourceType":"{kind}","id":"{source_id}","code":{{"text":"{text}"}}}}"#);
        self.write_as(owner, &code, (kind, source_id), &bytes, encounter);
    }

    /// Writes a resource as it is.
    pub fn write_as(
        &self,
        owner: Owner,
        code: &InstitutionCode,
        named: (&str, &str),
        bytes: &str,
        encounter: Option<&str>,
    ) {
        self.write_indexed(owner, code, named, (bytes, vec![]), encounter);
    }

    /// Writes a resource as it is, with what it is found by.
    pub fn write_indexed(
        &self,
        owner: Owner,
        code: &InstitutionCode,
        (kind, source_id): (&str, &str),
        (bytes, index): (&str, Vec<IndexRow>),
        encounter: Option<&str>,
    ) {
        let permit = self.depositing(code, Action::Deposit);
        let new = NewVersion {
            owner,
            institution: code,
            resource_type: kind,
            source_id,
            class: &class(),
            expiry_year: 2036,
            bytes: bytes.as_bytes(),
            date: None,
            encounter: encounter.map(|id| self.store.ids().resource(code, "Encounter", id)),
            index,
            edition: Edition::default(),
        };
        let prepared = self.store.prepare(&permit, new).expect("it can be prepared");
        self.store.write(&permit, vec![prepared], vec![], None).expect("it can be written");
    }

    /// Asks the door in a role.
    pub fn ask(
        &self,
        role: Role,
        account: Id16,
        action: Action,
        target: Target,
        purpose: Purpose,
    ) -> Result<Permit, DenialReason> {
        let actor = Actor {
            account,
            role,
            assurance: Assurance::Two,
            name: "이서준".to_owned().into(),
            source: "192.0.2.7".to_owned().into(),
        };
        match self.store.ask(&self.door, Request { actor, action, target, purpose }) {
            Ok(permit) => Ok(permit),
            Err(AskError::Denied(denial)) => Err(denial.reason),
            Err(error) => panic!("{error}"),
        }
    }

    pub fn about(&self) -> Target {
        Target::Person(self.person)
    }

    /// The doctor asks to read the person's records on a ground.
    pub fn doctor(&self, purpose: Purpose) -> Result<Permit, DenialReason> {
        self.ask(Role::Clinician, DOCTOR, Action::ReadRecord, self.about(), purpose)
    }

    /// The permit of somebody whose role is about the installation as a whole.
    pub fn office(&self, role: Role, account: Id16, action: Action) -> Permit {
        self.ask(role, account, action, Target::Installation, Purpose::Oversight).expect("a permit")
    }

    /// The person's own permit.
    pub fn own(&self, action: Action) -> Permit {
        self.ask(Role::Patient, self.person, action, self.about(), Purpose::OwnRecords).expect("a permit")
    }

    pub fn reason(&self) -> Redacted<String> {
        Redacted::new("응급실 이송 환자의 복용 약 확인".to_owned())
    }

    /// What a permit shows of the two conditions.
    pub fn read(&self, permit: &Permit) -> Result<Vec<String>, store::StoreError> {
        let keys = [
            key(&self.store, self.here, "Condition", "c1"),
            self.store.ids().key(self.there, &other_institution(), "Condition", "c2"),
        ];
        let versions = self.store.read(permit, &keys)?;
        Ok(versions.iter().map(|version: &Version| version.source_id.expose().clone()).collect())
    }
}
