//! From what a hospital handed over to what the watch finds: who lives with whom, who died, and whose consent is withdrawn, as
//! records and rights say and nobody told the watch.

use base::{Id16, Redacted, Timestamp};
use policy::{Action, Actor, Assurance, DataKind, InstitutionCode, Permit, Purpose, Request, Role, Share, Target};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use store::{ConsentPurpose, ConsentTerms, NewGround, Right, Verdict};
use synth::people::Person;
use testkit::{BagBuilder, World, person};
use watch::{Flag, Reader, Rule, Watch};

const CODE: &str = "31100001";
const DOCTOR: Id16 = Id16([0xd1; 16]);
const STEWARD: Id16 = Id16([0xe1; 16]);
const OFFICER: Id16 = Id16([0xf1; 16]);
/// How long an entry may take until it is found.
const PATIENCE: Duration = Duration::from_secs(20);

/// A hospital with a doctor who is a patient there too.
struct Ward {
    world: World,
    reader: Reader,
    watch: Watch,
    /// Who tried a decoy so far.
    strangers: usize,
    /// Where everybody comes from.
    source: &'static str,
}

fn home(text: &str) -> Value {
    json!({"address": [{"text": text}]})
}

/// What a doctor says to read in the visit of somebody.
fn in_visit(subject: Id16) -> Purpose {
    Purpose::Care { ground: Id16::derived(&["visit", &subject.to_string()]) }
}

impl Ward {
    /// The doctor, and one other patient of whom this is said.
    fn new(doctor: &Person, other: &Person, said: &Value) -> Self {
        let world = World::new();
        world.agency.add(doctor);
        world.agency.add(other);
        let bag = BagBuilder::new(CODE)
            .patient_with("p1", doctor, &home("서울특별시 종로구 세종대로 209, 101동 1001호 (세종로)"))
            .visit("p1", "v1", "2024-03-31")
            .patient_with("p2", other, said)
            .visit("p2", "v2", "2024-04-02");
        world.deposit(&bag.write(&world.path("bag")).root).expect("a good bag");
        let here = InstitutionCode::new(CODE).expect("a code");
        let right = |role, institution| Right::Appointed { role, institution };
        world.store().grant(DOCTOR, &right(Role::Clinician, Some(here))).expect("granted");
        world.store().grant(STEWARD, &right(Role::Steward, None)).expect("granted");
        let watch = Watch::new(world.store().clone(), world.archive().shared_door()).expect("a watch");
        watch.works_at(DOCTOR, Some(world.visitor(doctor).account), None).expect("written");
        let reader = watch.reader();
        Self { world, reader, watch, strangers: 0, source: "192.0.2.7" }
    }

    fn ask(&self, account: Id16, role: Role, action: Action, target: Target, purpose: Purpose) -> Option<Permit> {
        let (name, source) = ("이서준".to_owned().into(), self.source.to_owned().into());
        let actor = Actor { account, role, assurance: Assurance::Two, name, source };
        self.world.archive().ask(Request { actor, action, target, purpose }).ok()
    }

    /// The doctor reads in a visit that a steward confirmed.
    fn visit(&self, subject: Id16) {
        self.visit_for(subject, "복통으로 오심");
    }

    /// The same, for a reason.
    fn visit_for(&self, subject: Id16, reason: &str) {
        let purpose = || in_visit(subject);
        let target = || Target::Person(subject);
        let ask = self.ask(DOCTOR, Role::Clinician, Action::AskGround, target(), purpose()).expect("may ask");
        let reason = Redacted::new(reason.to_owned());
        let new = NewGround { subject, institution: None, share: Share::Whole, reason };
        let ground = self.world.store().ask_ground(&ask, new).expect("asked");
        let steward = self.ask(STEWARD, Role::Steward, Action::ConfirmGround, Target::Installation, Purpose::Oversight);
        self.world.store().confirm_ground(&steward.expect("a steward"), ground).expect("confirmed");
        self.look(subject, purpose()).expect("the visit is open");
    }

    /// The doctor looks at somebody's list of visits.
    fn look(&self, subject: Id16, purpose: Purpose) -> Option<()> {
        let permit = self.ask(DOCTOR, Role::Clinician, Action::ReadTimeline, Target::Person(subject), purpose)?;
        self.world.archive().timeline(&permit, &Default::default()).ok().map(drop)
    }

    /// The rules that found something until now: what is looked at in order is, once a stranger's attempt at a decoy that comes
    /// after it has been.
    fn found(&mut self) -> BTreeSet<String> {
        self.strangers += 1;
        let id = |what: &str| Id16::derived(&[what, &self.strangers.to_string()]);
        let (stranger, decoy) = (id("stranger"), id("decoy"));
        self.watch.mark(decoy, Flag::Decoy).expect("marked");
        let asked = self.ask(stranger, Role::Patient, Action::ReadRecord, Target::Patient(decoy), Purpose::OwnRecords);
        assert!(asked.is_none(), "another's");
        let (mut rules, begun) = (BTreeSet::new(), Instant::now());
        while !rules.remove("decoy") {
            self.reader.step().expect("watched");
            for new in self.watch.untold().expect("read") {
                self.watch.told(new.incident).expect("written");
                rules.insert(new.rule);
            }
            assert!(begun.elapsed() < PATIENCE, "the attempt at the decoy was not found");
            std::thread::sleep(Duration::from_millis(5));
        }
        rules
    }
}

#[test]
fn a_doctor_who_reads_the_records_of_whom_they_live_with_is_found_by_the_addresses_in_the_records() {
    let (doctor, other) = (person("이서준"), person("박이웃"));
    for (said, rule) in
        [("서울 종로구 세종대로 209 101동 1001호", Some("household")), ("서울 종로구 세종대로 209 101동 1002호", None)]
    {
        let mut ward = Ward::new(&doctor, &other, &home(said));
        ward.visit(ward.world.visitor(&other).account);
        let found = ward.found();
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), Vec::from_iter(rule), "{said}");
    }
}

#[test]
fn an_emergency_is_found_where_its_review_is_late_and_not_where_it_came_in_time() {
    let (doctor, other) = (person("이서준"), person("박환자"));
    for in_time in [false, true] {
        let mut ward = Ward::new(&doctor, &other, &home("부산광역시 해운대구 우동 1로 2"));
        let (store, clock) = (ward.world.store().clone(), ward.world.clock.clone());
        store.grant(OFFICER, &Right::Appointed { role: Role::SecurityOfficer, institution: None }).expect("granted");
        let (subject, note) = (ward.world.visitor(&other).account, Redacted::new("의식 없음".to_owned()));
        let emergency = Purpose::Emergency { ground: Id16::derived(&["glass"]) };
        let glass = ward.ask(DOCTOR, Role::Clinician, Action::BreakGlass, Target::Person(subject), emergency);
        let ground = store.break_glass(&glass.expect("may"), subject, note.clone(), OFFICER).expect("broken");
        clock.advance(72 * 3_600 - 60);
        if in_time {
            let (action, target) = (Action::ReviewGlass, Target::Installation);
            let review = ward.ask(OFFICER, Role::SecurityOfficer, action, target, Purpose::Oversight);
            store.review_glass(&review.expect("may"), ground, Verdict::Justified, &note).expect("reviewed");
        }
        let late = Rule::BreakGlassUnreviewed.name();
        assert!(!ward.found().contains(late), "it is not due");
        clock.advance(61);
        assert_eq!(ward.found().contains(late), !in_time, "reviewed in time: {in_time}");
    }
}

#[test]
fn a_look_at_the_records_of_one_who_died_long_ago_is_found_by_the_date_in_the_records() {
    let (doctor, other) = (person("이서준"), person("박고인"));
    for (said, rule) in [
        (json!({"deceasedDateTime": "2025-01-15"}), Some("deceased")),
        // Not long ago: relatives and insurers ask, and certificates are written.
        (json!({"deceasedDateTime": "2026-11-01"}), None),
        (json!({"deceasedBoolean": false}), None),
    ] {
        let mut ward = Ward::new(&doctor, &other, &said);
        ward.visit(ward.world.visitor(&other).account);
        let found = ward.found();
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), Vec::from_iter(rule), "{said}");
    }
}

#[test]
fn whoever_asks_again_on_a_consent_that_was_withdrawn_is_found() {
    let (doctor, other) = (person("이서준"), person("박동의"));
    let mut ward = Ward::new(&doctor, &other, &json!({}));
    let subject = ward.world.visitor(&other).account;
    let now = ward.world.archive().clock().now();
    let terms = ConsentTerms {
        person: subject,
        grantees: InstitutionCode::new(CODE).into_iter().collect(),
        purposes: [ConsentPurpose::Care].into(),
        institutions: BTreeSet::new(),
        kinds: DataKind::ALL.into(),
        sensitive: BTreeSet::new(),
        from: now,
        until: Timestamp::from_second(now.as_second() + 86_400).expect("a time"),
    };
    let own = ward.world.own_permit(&other, Action::ManageConsent);
    let (consent, _) = ward.world.store().give_consent(&own, &terms).expect("given");
    let purpose = || Purpose::Care { ground: consent };
    ward.look(subject, purpose()).expect("it is shared");
    assert_eq!(ward.found(), BTreeSet::new(), "while it holds");
    let own = ward.world.own_permit(&other, Action::ManageConsent);
    ward.world.store().withdraw_consent(&own, subject, consent).expect("withdrawn");
    ward.world.clock.advance(60);
    assert_eq!(ward.look(subject, purpose()), None, "it is over");
    assert_eq!(ward.found(), BTreeSet::from(["after-revocation".to_owned()]));
}

#[test]
fn a_visit_for_a_reason_that_explains_nothing_is_found() {
    let (doctor, other) = (person("이서준"), person("박이웃"));
    for (reason, rule) in [("확인", Some("no-explanation")), ("외래 진료", None)] {
        let mut ward = Ward::new(&doctor, &other, &json!({}));
        let subject = ward.world.visitor(&other).account;
        ward.visit_for(subject, reason);
        ward.look(subject, in_visit(subject)).expect("the visit is open");
        let found = ward.found();
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), Vec::from_iter(rule), "{reason}");
    }
}

#[test]
fn the_same_reason_is_counted_by_people_and_not_by_visits() {
    let (doctor, other) = (person("이서준"), person("박이웃"));
    let ward = Ward::new(&doctor, &other, &json!({}));
    let subjects = [ward.world.visitor(&doctor).account, ward.world.visitor(&other).account];
    let ask = |subject: Id16, ground: Id16, text: &str| {
        let purpose = Purpose::Care { ground };
        let ask = ward.ask(DOCTOR, Role::Clinician, Action::AskGround, Target::Person(subject), purpose);
        let reason = Redacted::new(text.to_owned());
        let new = NewGround { subject, institution: None, share: Share::Whole, reason };
        let ground = ward.world.store().ask_ground(&ask.expect("may ask"), new).expect("asked");
        let steward = ward.ask(STEWARD, Role::Steward, Action::ConfirmGround, Target::Installation, Purpose::Oversight);
        ward.world.store().confirm_ground(&steward.expect("a steward"), ground).expect("confirmed");
        ground
    };
    ask(subjects[0], Id16([1; 16]), "복통으로  오심.");
    ask(subjects[0], Id16([2; 16]), "복통으로 오심");
    ask(subjects[1], Id16([3; 16]), "두통으로 오심");
    ward.world.clock.advance(60);
    let last = ask(subjects[1], Id16([4; 16]), "복통으로 오심");
    let door = ward.world.archive().shared_door();
    let permit = ward.world.store().ask_job(&door, "watch", Action::WatchAccesses).expect("a job may watch");
    let stated_from =
        |least, account, ground| ward.world.store().stated_reason(&permit, account, ground, (1, least)).expect("read");
    let stated = |account, ground| stated_from(2, account, ground);
    let said = stated(DOCTOR, last).expect("it was asked for");
    assert_eq!((said.text.expose().as_str(), said.people), ("복통으로 오심", 2));
    let few = stated_from(3, DOCTOR, last).expect("it was asked for");
    assert_eq!((few.text, few.people), (said.text, 1), "who asked about two people cannot have said it of three");
    assert_eq!(stated(DOCTOR, Id16([3; 16])).map(|said| said.people), Some(1), "another reason");
    assert_eq!(stated(STEWARD, last), None, "somebody else's");
    ward.world.clock.advance(24 * 3_600);
    let later = ask(subjects[1], Id16([5; 16]), "복통으로 오심");
    assert_eq!(stated(DOCTOR, later).map(|said| said.people), Some(1), "a day is over");
}

/// The end of a right waits at the writer while somebody reads, and reads lawfully.
#[test]
fn a_reading_before_the_end_of_a_right_had_its_turn_is_not_found_and_an_attempt_after_it_is() {
    let (doctor, other) = (person("이서준"), person("박이웃"));
    let mut ward = Ward::new(&doctor, &other, &json!({}));
    let subject = ward.world.visitor(&other).account;
    ward.visit(subject);
    let (begun, is_begun) = std::sync::mpsc::channel();
    let (let_go, is_let_go) = std::sync::mpsc::channel::<()>();
    let (store, revoking) = (ward.world.store().clone(), ward.world.store().clone());
    let holding = std::thread::spawn(move || {
        store.tables().write("held up", move |_| {
            begun.send(()).expect("somebody waits");
            is_let_go.recv().expect_err("nothing is sent");
            Ok(())
        })
    });
    is_begun.recv().expect("the writer is held up");
    let revoking = std::thread::spawn(move || {
        let right = Right::Appointed { role: Role::Clinician, institution: InstitutionCode::new(CODE) };
        revoking.revoke(DOCTOR, &right)
    });
    std::thread::sleep(Duration::from_millis(200));
    ward.world.clock.advance(60);
    ward.look(subject, in_visit(subject)).expect("the right is held still");
    drop(let_go);
    holding.join().expect("no panic").expect("written");
    revoking.join().expect("no panic").expect("revoked");
    assert_eq!(ward.found(), BTreeSet::new(), "it was read while the right was held");
    assert_eq!(ward.look(subject, in_visit(subject)), None);
    assert_eq!(ward.found(), BTreeSet::from(["after-revocation".to_owned()]));
}

#[test]
fn a_network_is_known_once_somebody_was_let_in_from_it() {
    let (doctor, other) = (person("이서준"), person("박이웃"));
    let mut ward = Ward::new(&doctor, &other, &json!({}));
    let subject = ward.world.visitor(&other).account;
    ward.visit(subject);
    assert_eq!(ward.found(), BTreeSet::new(), "the first network is no news");
    ward.source = "198.51.100.7";
    assert_eq!(ward.look(subject, Purpose::Care { ground: Id16([9; 16]) }), None, "there is no such visit");
    assert_eq!(ward.found(), BTreeSet::new(), "nobody was let in");
    ward.look(subject, in_visit(subject)).expect("the visit is open");
    assert_eq!(ward.found(), BTreeSet::from(["new-device".to_owned()]), "a refused attempt made nothing known");
}

#[test]
fn a_person_is_known_as_an_institution_knows_them() {
    let other = person("박이웃");
    let ward = Ward::new(&person("이서준"), &other, &json!({}));
    let here = InstitutionCode::new(CODE).expect("a code");
    assert_eq!(ward.watch.person_known_as(&here, "p2").expect("read"), Some(ward.world.visitor(&other).account));
    assert_eq!(ward.watch.person_known_as(&here, "p3").expect("read"), None);
}
