//! What the cast may point to: grounds, consents and appointments in every state that makes a difference, made through the door.

use crate::site::Site;
use base::{Id16, Redacted};
use policy::{
    Action, Actor, Assurance, DataKind, InstitutionCode, Owner, Permit, Purpose, Request, Role, Share, Target,
};
use std::collections::{BTreeMap, BTreeSet};
use store::{
    ConsentPurpose, ConsentTerms, NewGround, NewRepresentative, Right, ShredActor, ShredRole, ShredScope, Verdict,
};

/// Things by name, as ids.
pub type Things = Vec<(&'static str, Id16)>;

/// Accounts by column.
pub type Accounts = BTreeMap<&'static str, Id16>;

pub struct Facts {
    pub grounds: Things,
    pub consents: Things,
    pub appointments: Things,
    pub erasures: Things,
}

/// Makes them: first those whose time is over when the rest are made.
pub struct Maker<'a> {
    site: &'a Site,
    accounts: &'a Accounts,
    kim: Id16,
    lee: Id16,
    facts: Facts,
    drawn: u8,
}

impl<'a> Maker<'a> {
    pub fn new(site: &'a Site, accounts: &'a Accounts) -> Self {
        let (kim, lee) = (site.world.visitor(&site.kim).account, site.world.visitor(&site.lee).account);
        let facts = Facts { grounds: Vec::new(), consents: Vec::new(), appointments: Vec::new(), erasures: Vec::new() };
        let mut maker = Self { site, accounts, kim, lee, facts, drawn: 0 };
        let over = maker.ground("clinician", Role::Clinician, "care", true);
        maker.facts.grounds.push(("visit that is over", over));
        let consent = maker.consent(kim, crate::site::CODE, ConsentPurpose::Care, 2);
        maker.facts.grounds.push(("consent that is over", consent));
        site.world.clock.advance(25 * 3600);
        maker
    }

    /// Everything whose time is not over.
    pub fn finish(mut self) -> Facts {
        let (kim, lee) = (self.kim, self.lee);
        // Before the one that waits, of which there is one at a time.
        let closed = self.ground("clinician", Role::Clinician, "care", true);
        for (name, column, role, purpose, confirmed) in [
            ("visit", "clinician", Role::Clinician, "care", true),
            ("visit that waits", "clinician", Role::Clinician, "care", false),
            ("request", "support", Role::Support, "application", true),
            ("order", "pharmacist", Role::Pharmacist, "dispensing", true),
            ("migration", "steward", Role::Steward, "migration", true),
        ] {
            let id = self.ground(column, role, purpose, confirmed);
            self.facts.grounds.push((name, id));
        }
        let permit = self.steward();
        self.site.world.store().close_ground(&permit, closed).expect("closed");
        self.facts.grounds.push(("visit that was closed", closed));
        let other = Id16::derived(&["another doctor"]);
        let institution = InstitutionCode::new(crate::site::CODE).expect("a code");
        let right = Right::Appointed { role: Role::Clinician, institution: Some(institution) };
        self.site.world.store().grant(other, &right).expect("granted");
        let anothers = self.ground_of(other, Role::Clinician, "care", true);
        self.facts.grounds.push(("visit of another doctor", anothers));
        let broken = self.glass();
        self.facts.grounds.push(("broken glass", broken));
        let reviewed = self.glass();
        self.review(reviewed);
        self.facts.grounds.push(("broken glass, reviewed", reviewed));
        self.consents();
        let mine = self.appoint(lee, kim);
        let ended = self.appoint(lee, kim);
        let permit = self.own(lee, Action::Appoint);
        self.site.world.store().end_representative(&permit, lee, ended).expect("ended");
        let anothers = self.appoint(kim, lee);
        let nothing = Id16::default();
        self.facts.appointments = vec![("mine", mine), ("ended", ended), ("another's", anothers), ("nothing", nothing)];
        // One erasure of the same at a time.
        let withdrawn = self.erasure(true);
        let asked = self.erasure(false);
        self.facts.erasures = vec![("asked for", asked), ("withdrawn", withdrawn), ("nothing", nothing)];
        self.facts.grounds.push(("appointment", mine));
        self.facts.grounds.push(("nothing", nothing));
        self.facts
    }

    fn consents(&mut self) {
        let (kim, lee) = (self.kim, self.lee);
        let own = self.consent(kim, crate::site::CODE, ConsentPurpose::Care, 48);
        let withdrawn = self.consent(kim, crate::site::CODE, ConsentPurpose::Care, 48);
        let permit = self.own(kim, Action::ManageConsent);
        self.site.world.store().withdraw_consent(&permit, kim, withdrawn).expect("withdrawn");
        let elsewhere = self.consent(kim, "99999999", ConsentPurpose::Care, 48);
        let dispensing = self.consent(kim, crate::site::CODE, ConsentPurpose::Dispensing, 48);
        let anothers = self.consent(lee, "99999999", ConsentPurpose::Care, 48);
        self.facts.grounds.extend([
            ("consent", own),
            ("consent that was withdrawn", withdrawn),
            ("consent to another institution", elsewhere),
            ("consent for dispensing", dispensing),
        ]);
        self.facts.consents =
            vec![("own", own), ("withdrawn", withdrawn), ("another's", anothers), ("nothing", Id16::default())];
    }

    fn id(&mut self) -> Id16 {
        self.drawn += 1;
        Id16::derived(&["matrix", &self.drawn.to_string()])
    }

    fn permit(&self, account: Id16, role: Role, action: Action, target: Target, purpose: Purpose) -> Permit {
        let actor = Actor {
            account,
            role,
            assurance: Assurance::Two,
            name: "매트릭스".to_owned().into(),
            source: "192.0.2.10".to_owned().into(),
        };
        let asked = self.site.world.archive().ask(Request { actor, action, target, purpose });
        asked.unwrap_or_else(|error| panic!("{} for {action:?}: {error}", role.name()))
    }

    fn own(&self, person: Id16, action: Action) -> Permit {
        self.permit(person, Role::Patient, action, Target::Person(person), Purpose::OwnRecords)
    }

    fn steward(&self) -> Permit {
        // Not the steward of the matrix, who asks for grounds as well.
        let steward = Id16::derived(&["another steward"]);
        let right = Right::Appointed { role: Role::Steward, institution: None };
        self.site.world.store().grant(steward, &right).expect("granted");
        self.permit(steward, Role::Steward, Action::ConfirmGround, Target::Installation, Purpose::Oversight)
    }

    /// An erasure that another steward asked for.
    fn erasure(&self, withdrawn: bool) -> Id16 {
        let account = self.steward().actor().account;
        let (role, action) = (Role::Steward, Action::HandleErasures);
        let permit = || self.permit(account, role, action, Target::Person(self.kim), Purpose::Operation);
        let institution = InstitutionCode::new(crate::site::CODE).expect("a code");
        let scope = ShredScope::Patient(Owner::patient(&institution, "p1").id());
        let by = ShredActor { account, role: ShredRole::DataSteward };
        let store = self.site.world.store();
        let id = store.shred_request(&permit(), by, &scope, "매트릭스", "개인정보 보호법 제36조").expect("asked");
        if withdrawn {
            store.shred_withdraw(&permit(), id).expect("withdrawn");
        }
        id
    }

    fn ground(&mut self, column: &str, role: Role, purpose: &str, confirmed: bool) -> Id16 {
        self.ground_of(self.accounts[column], role, purpose, confirmed)
    }

    fn ground_of(&mut self, account: Id16, role: Role, purpose: &str, confirmed: bool) -> Id16 {
        let id = self.id();
        let purpose = Purpose::with_ground(purpose, id).expect("a purpose on a ground");
        let permit = self.permit(account, role, Action::AskGround, Target::Person(self.kim), purpose);
        let reason = Redacted::new("매트릭스".to_owned());
        let new = NewGround { subject: self.kim, institution: None, share: Share::Whole, reason };
        self.site.world.store().ask_ground(&permit, new).expect("asked");
        if confirmed {
            self.site.world.store().confirm_ground(&self.steward(), id).expect("confirmed");
        }
        id
    }

    fn glass(&mut self) -> Id16 {
        let purpose = Purpose::Emergency { ground: self.id() };
        let (doctor, officer) = (self.accounts["clinician"], self.accounts["security-officer"]);
        let permit = self.permit(doctor, Role::Clinician, Action::BreakGlass, Target::Person(self.kim), purpose);
        let reason = Redacted::new("매트릭스".to_owned());
        self.site.world.store().break_glass(&permit, self.kim, reason, officer).expect("broken")
    }

    fn review(&self, glass: Id16) {
        let officer = self.accounts["security-officer"];
        let (role, action) = (Role::SecurityOfficer, Action::ReviewGlass);
        let permit = self.permit(officer, role, action, Target::Installation, Purpose::Oversight);
        let note = Redacted::new("매트릭스".to_owned());
        self.site.world.store().review_glass(&permit, glass, Verdict::Justified, &note).expect("reviewed");
    }

    fn consent(&self, person: Id16, grantee: &str, purpose: ConsentPurpose, hours: i64) -> Id16 {
        let now = self.site.world.archive().clock().now();
        let until = base::Timestamp::from_second(now.as_second() + hours * 3600).expect("a time");
        let terms = ConsentTerms {
            person,
            grantees: InstitutionCode::new(grantee).into_iter().collect(),
            purposes: [purpose].into(),
            institutions: BTreeSet::new(),
            kinds: DataKind::ALL.into(),
            sensitive: BTreeSet::new(),
            from: now,
            until,
        };
        let permit = self.own(person, Action::ManageConsent);
        self.site.world.store().give_consent(&permit, &terms).expect("given").0
    }

    fn appoint(&self, person: Id16, agent: Id16) -> Id16 {
        let now = self.site.world.archive().clock().now();
        let new = NewRepresentative {
            person,
            agent,
            proof_case: "appointed".to_owned(),
            birth_date: Some(jiff::civil::date(1980, 1, 2).into()),
            seen: ["own-word".to_owned()].into(),
            institution: None,
            share: Share::Whole,
            until: base::Timestamp::from_second(now.as_second() + 86_400).expect("a time"),
        };
        self.site.world.store().appoint(&self.own(person, Action::Appoint), new).expect("appointed")
    }
}
