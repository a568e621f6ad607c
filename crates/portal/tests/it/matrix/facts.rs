//! What the cast may look at: grounds, consents, appointments and erasures in every state that makes a difference. Nothing that is
//! done while the matrix is asked changes them; what is changed stands in `acts`.

use super::maker::{ERASED_AT, Maker, Stands};
use crate::site::CODE;
use base::Id16;
use policy::Role;
use store::{ConsentPurpose, ShredRole};

/// Things by name, as ids.
pub type Things = Vec<(&'static str, Id16)>;

pub struct Facts {
    pub grounds: Things,
    pub consents: Things,
    pub appointments: Things,
    pub erasures: Things,
}

impl Facts {
    /// Makes them: first those whose time is over when the rest are made.
    pub fn new(maker: &Maker) -> Self {
        let doctor = maker.accounts["clinician"];
        let over = maker.ground(doctor, Role::Clinician, Stands::Open);
        let consent = maker.consent(maker.kim, CODE, ConsentPurpose::Care, 2);
        maker.site.world.clock.advance(25 * 3600);
        let grounds = vec![("visit that is over", over), ("consent that is over", consent)];
        let mut facts = Self { grounds, consents: Vec::new(), appointments: Vec::new(), erasures: Vec::new() };
        facts.grounds.extend(grounds_of_staff(maker));
        facts.consents(maker);
        let (kim, lee, nothing) = (maker.kim, maker.lee, Id16::default());
        let mine = maker.appoint(lee, kim);
        let ended = maker.end_appointment(lee, maker.appoint(lee, kim));
        let anothers = maker.appoint(kim, lee);
        facts.appointments = vec![("mine", mine), ("ended", ended), ("another's", anothers), ("nothing", nothing)];
        // One erasure of the same at a time.
        let steward = maker.another(Role::Steward);
        let erasure = || maker.erasure(steward, ShredRole::DataSteward, CODE, "p1");
        let withdrawn = maker.withdraw_erasure(erasure());
        let erased = maker.erasure(steward, ShredRole::DataSteward, ERASED_AT, &maker.to_erase());
        let done = maker.erase(maker.approved_by_two(erased));
        facts.erasures = vec![("asked for", erasure()), ("withdrawn", withdrawn), ("done", done), ("nothing", nothing)];
        facts.grounds.extend([("appointment", mine), ("nothing", nothing)]);
        facts
    }

    fn consents(&mut self, maker: &Maker) {
        let (kim, lee) = (maker.kim, maker.lee);
        let give = |person, grantee, purpose| maker.consent(person, grantee, purpose, 48);
        let own = give(kim, CODE, ConsentPurpose::Care);
        let withdrawn = maker.withdraw(kim, give(kim, CODE, ConsentPurpose::Care));
        let elsewhere = give(kim, "99999999", ConsentPurpose::Care);
        let dispensing = give(kim, CODE, ConsentPurpose::Dispensing);
        let anothers = give(lee, "99999999", ConsentPurpose::Care);
        self.grounds.extend([
            ("consent", own),
            ("consent that was withdrawn", withdrawn),
            ("consent to another institution", elsewhere),
            ("consent for dispensing", dispensing),
        ]);
        self.consents =
            vec![("own", own), ("withdrawn", withdrawn), ("another's", anothers), ("nothing", Id16::default())];
    }
}

/// Those whose time is not over, of staff.
fn grounds_of_staff(maker: &Maker) -> Things {
    let of = |column: &str, role, stands| maker.ground(maker.accounts[column], role, stands);
    let (doctor, officer) = (maker.accounts["clinician"], maker.accounts["security-officer"]);
    let reviewed = maker.glass(doctor, officer);
    maker.review(reviewed);
    vec![
        ("visit", of("clinician", Role::Clinician, Stands::Open)),
        ("visit that waits", of("clinician", Role::Clinician, Stands::Waits)),
        ("request", of("support", Role::Support, Stands::Open)),
        ("order", of("pharmacist", Role::Pharmacist, Stands::Open)),
        ("migration", of("steward", Role::Steward, Stands::Open)),
        ("visit that was closed", of("clinician", Role::Clinician, Stands::Closed)),
        ("visit of another doctor", maker.ground(maker.another(Role::Clinician), Role::Clinician, Stands::Open)),
        ("broken glass", maker.glass(doctor, officer)),
        ("broken glass, reviewed", reviewed),
    ]
}
