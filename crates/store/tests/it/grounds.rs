//! Nobody reads by role alone: grounds that are asked for and confirmed, broken glass and its review, representatives.

use base::{Clock, Id16, Redacted};
use policy::{Action, DenialReason, InstitutionCode, Owner, Permit, Purpose, Role, Share, Target};
use store::{
    AccessEntry, AccessPage, AccessResult, GroundPage, IndexRow, NamedPatient, NewGround, NewRepresentative, Right,
    StoreError, Verdict,
};

use crate::staff::*;
use crate::support::*;

const VISIT: Id16 = Id16([0x11; 16]);
const GLASS: Id16 = Id16([0x22; 16]);

fn care() -> Purpose {
    Purpose::Care { ground: VISIT }
}

fn asked_visit(ward: &Ward) -> Permit {
    let permit =
        ward.ask(Role::Clinician, DOCTOR, Action::AskGround, ward.about(), care()).expect("a clinician may ask");
    let new = NewGround { subject: ward.person, institution: None, share: Share::Whole, reason: ward.reason() };
    assert_eq!(ward.store.ask_ground(&permit, new).expect("it is written"), VISIT);
    permit
}

#[test]
fn a_ground_opens_when_another_confirms_it_and_ends_when_it_is_closed() {
    let ward = Ward::new();
    assert_eq!(ward.doctor(care()).expect_err("by role alone"), DenialReason::Ground);
    asked_visit(&ward);
    assert_eq!(ward.doctor(care()).expect_err("it waits"), DenialReason::Ground);

    ward.store.grant(DOCTOR, &Right::Appointed { role: Role::Steward, institution: None }).expect("granted");
    let own = ward.office(Role::Steward, DOCTOR, Action::ConfirmGround);
    assert!(matches!(ward.store.confirm_ground(&own, VISIT), Err(StoreError::Missing { .. })), "one's own");
    let steward = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    let waiting = ward.store.grounds(&steward, &GroundPage::default()).expect("a list").grounds;
    assert_eq!((waiting.len(), waiting[0].confirmed), (1, None));
    assert_eq!(waiting[0].reason.expose(), ward.reason().expose());
    ward.store.confirm_ground(&steward, VISIT).expect("confirmed");
    assert!(ward.store.confirm_ground(&steward, VISIT).is_err(), "once");

    let permit = ward.doctor(care()).expect("it is open");
    assert_eq!(ward.read(&permit).expect("an answer"), ["c1"], "a visit reaches what its institution has");
    let elsewhere = ward.ask(Role::Clinician, CLERK, Action::ReadRecord, ward.about(), care());
    assert!(elsewhere.is_err(), "it is the doctor's alone");

    let entries = ward.store.access_log(&ward.own(Action::ReadAccessLog), &AccessPage::default()).expect("the log");
    // All are of one moment, so their order is that of their ids: what was refused may stand first.
    let read = |entry: &AccessEntry| {
        entry.actor.account == DOCTOR && entry.action == "read-record" && entry.result == AccessResult::Granted
    };
    let seen = &entries.entries.iter().find(|logged| read(&logged.entry)).expect("the person sees it").entry;
    assert_eq!((seen.explanation.as_str(), seen.ground), ("clinician-visit", Some(VISIT)));
    let claimed = entries.entries.iter().find(|logged| logged.entry.actor.account == CLERK);
    assert_eq!(claimed.expect("denials too").entry.ground, Some(VISIT), "what was claimed in vain");

    ward.store.close_ground(&steward, VISIT).expect("closed");
    assert!(matches!(ward.read(&permit), Err(StoreError::StaleEpoch { .. })), "on the very next use");
    assert_eq!(ward.doctor(care()).expect_err("closed"), DenialReason::Ground);
}

#[test]
fn a_ground_ends_by_itself_and_with_the_right() {
    let ward = Ward::new();
    asked_visit(&ward);
    let steward = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    ward.store.confirm_ground(&steward, VISIT).expect("confirmed");
    assert!(ward.doctor(care()).is_ok());
    ward.clock.advance(24 * 3600);
    assert_eq!(ward.doctor(care()).expect_err("a visit lasts a day"), DenialReason::Ground);

    let ward = Ward::new();
    asked_visit(&ward);
    let steward = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    ward.store.confirm_ground(&steward, VISIT).expect("confirmed");
    let permit = ward.doctor(care()).expect("it is open");
    let revoked = ward.store.revoke_all(None, DOCTOR, "a test", |_| Ok(Some(()))).expect("revoked");
    assert_eq!(revoked, Some(((), 1)));
    assert!(matches!(ward.read(&permit), Err(StoreError::StaleEpoch { .. })));
    assert_eq!(ward.doctor(care()).expect_err("no doctor any more"), DenialReason::Role);
    let right = Right::Appointed { role: Role::Clinician, institution: Some(institution()) };
    ward.store.grant(DOCTOR, &right).expect("granted");
    assert_eq!(ward.doctor(care()).expect_err("its grounds stay closed"), DenialReason::Ground);
}

#[test]
fn a_visit_ends_with_the_right_at_its_institution_whatever_rights_are_left() {
    let ward = Ward::new();
    let at = |institution| Right::Appointed { role: Role::Clinician, institution: Some(institution) };
    ward.store.grant(DOCTOR, &at(other_institution())).expect("granted");
    asked_visit(&ward);
    let steward = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    ward.store.confirm_ground(&steward, VISIT).expect("confirmed");
    assert!(ward.doctor(care()).is_ok());
    ward.store.revoke(DOCTOR, &at(institution())).expect("revoked");
    assert_eq!(ward.doctor(care()).expect_err("no doctor there any more"), DenialReason::Ground);
}

#[test]
fn an_order_ends_with_a_right_at_any_pharmacy() {
    let ward = Ward::new();
    let at = |institution| Right::Appointed { role: Role::Pharmacist, institution: Some(institution) };
    ward.store.grant(PHARMACIST, &at(other_institution())).expect("granted");
    let dispensing = || Purpose::Dispensing { ground: VISIT };
    let ask = |action| ward.ask(Role::Pharmacist, PHARMACIST, action, ward.about(), dispensing());
    let new = NewGround { subject: ward.person, institution: None, share: Share::Whole, reason: ward.reason() };
    ward.store.ask_ground(&ask(Action::AskGround).expect("a pharmacist may ask"), new).expect("it is written");
    let steward = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    ward.store.confirm_ground(&steward, VISIT).expect("confirmed");
    assert!(ask(Action::ReadRecord).is_ok());
    ward.store.revoke(PHARMACIST, &at(pharmacy())).expect("revoked");
    assert_eq!(ask(Action::ReadRecord).expect_err("asked for anew where they still are"), DenialReason::Ground);
}

#[test]
fn what_was_asked_for_and_not_confirmed_in_its_time_is_asked_for_anew() {
    let ward = Ward::new();
    asked_visit(&ward);
    ward.clock.advance(25 * 3600);
    let steward = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    assert!(matches!(ward.store.confirm_ground(&steward, VISIT), Err(StoreError::Missing { .. })));
    assert_eq!(ward.doctor(care()).expect_err("it did not open"), DenialReason::Ground);
}

#[test]
fn what_staff_do_with_grounds_is_in_the_log_of_whom_they_are_about() {
    let ward = Ward::new();
    asked_visit(&ward);
    let steward = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    ward.store.confirm_ground(&steward, VISIT).expect("confirmed");
    ward.store.close_ground(&steward, VISIT).expect("closed");
    assert!(ward.store.close_ground(&steward, Id16([9; 16])).is_err());
    let nobody = NamedPatient::new(institution(), "nobody");
    let by_id = nobody.by_id(ward.store.ids());
    let ask = ward.ask(Role::Clinician, DOCTOR, Action::AskGround, Target::Patient(by_id), care());
    let missed = ward.store.subject_of(&ask.expect("a permit"), &nobody);
    assert!(matches!(missed, Err(StoreError::Missing { .. })));
    let log = ward.store.access_log(&ward.own(Action::ReadAccessLog), &AccessPage::default()).expect("the log");
    let mut done: Vec<&str> = log.entries.iter().map(|logged| logged.entry.action.as_str()).collect();
    done.sort_unstable();
    assert_eq!(done, ["ask-ground", "confirm-ground", "confirm-ground"]);
    assert!(log.entries.iter().all(|logged| logged.entry.result == AccessResult::Granted), "each was done");
    let denied = format!("SELECT count(*) FROM access_entry WHERE subject IN (zeroblob(16), x'{by_id}')");
    assert_eq!(count(&ward.house, &denied), 1, "who tries numbers is seen");
}

/// How often a person finds in their log that an action was noted, and that it came to nothing.
fn told_of(ward: &Ward, subject: Id16, action: &str) -> (usize, usize) {
    let permit = person(&ward.store, subject, &[], Action::ReadAccessLog);
    let log = ward.store.access_log(&permit, &AccessPage::default()).expect("the log");
    let undone = AccessResult::Denied { reason: "undone".to_owned() };
    let with = |result: &AccessResult| {
        log.entries.iter().filter(|one| one.entry.action == action && one.entry.result == *result).count()
    };
    (with(&AccessResult::Granted), with(&undone))
}

#[test]
fn what_staff_tried_with_grounds_and_did_not_do_is_told_as_such() {
    let ward = Ward::new();
    let ask = asked_visit(&ward);
    let new = NewGround { subject: ward.person, institution: None, share: Share::Whole, reason: ward.reason() };
    assert!(ward.store.ask_ground(&ask, new).is_err(), "there is one of this id");
    assert_eq!(told_of(&ward, ward.person, "ask-ground"), (2, 1));
    let steward = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    ward.store.confirm_ground(&steward, VISIT).expect("confirmed");
    assert!(ward.store.confirm_ground(&steward, VISIT).is_err(), "once");
    assert_eq!(told_of(&ward, ward.person, "confirm-ground"), (2, 1));
    ward.store.close_ground(&steward, VISIT).expect("closed");
    // Closing ended what the permit was made on.
    assert!(matches!(ward.store.close_ground(&steward, VISIT), Err(StoreError::StaleEpoch { .. })));
    assert_eq!(told_of(&ward, ward.person, "confirm-ground"), (4, 2), "a permit to confirm closes");
    let anew = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    assert!(ward.store.close_ground(&anew, Id16([9; 16])).is_err(), "there is none");
    let log = ward.store.access_log(&person(&ward.store, STEWARD, &[], Action::ReadAccessLog), &AccessPage::default());
    let tried = log.expect("the log").entries.iter().filter(|one| one.entry.action == "confirm-ground").count();
    assert_eq!(tried, 1, "what is in vain from the first is told once");

    let emergency = Purpose::Emergency { ground: GLASS };
    let permit = ward.ask(Role::Clinician, DOCTOR, Action::BreakGlass, ward.about(), emergency).expect("a permit");
    let break_it = || ward.store.break_glass(&permit, ward.person, ward.reason(), OFFICER);
    break_it().expect("broken");
    assert!(break_it().is_err(), "once");
    assert_eq!(told_of(&ward, ward.person, "break-glass"), (2, 1));
    let silent = Redacted::new(String::new());
    for (reason, second) in [(silent, OFFICER), (ward.reason(), DOCTOR), (ward.reason(), CLERK)] {
        assert!(matches!(
            ward.store.break_glass(&permit, ward.person, reason, second),
            Err(StoreError::Missing { .. })
        ));
    }
    assert_eq!(told_of(&ward, ward.person, "break-glass"), (5, 4), "whatever was wrong with it");
    let review = ward.office(Role::SecurityOfficer, OFFICER, Action::ReviewGlass);
    let empty = Redacted::new(String::new());
    assert!(ward.store.review_glass(&review, GLASS, Verdict::Justified, &empty).is_err());
    assert_eq!(told_of(&ward, ward.person, "review-glass"), (0, 0), "nothing was begun");
    ward.store.review_glass(&review, GLASS, Verdict::Justified, &ward.reason()).expect("reviewed");
    let review = ward.office(Role::SecurityOfficer, OFFICER, Action::ReviewGlass);
    assert!(ward.store.review_glass(&review, GLASS, Verdict::NotJustified, &ward.reason()).is_err(), "once");
    assert_eq!(told_of(&ward, ward.person, "review-glass"), (2, 1));
}

#[test]
fn a_visit_is_at_an_institution_of_the_doctor_and_about_who_was_named() {
    let ward = Ward::new();
    let permit = ward.ask(Role::Clinician, DOCTOR, Action::AskGround, ward.about(), care()).expect("a permit");
    let new = |subject, institution| NewGround { subject, institution, share: Share::Whole, reason: ward.reason() };
    let elsewhere = new(ward.person, Some(other_institution()));
    assert!(matches!(ward.store.ask_ground(&permit, elsewhere), Err(StoreError::Scope { .. })));
    let another = new(Id16([9; 16]), None);
    assert!(matches!(ward.store.ask_ground(&permit, another), Err(StoreError::Scope { .. })));
    let silent = NewGround { reason: Redacted::new("  ".to_owned()), ..new(ward.person, None) };
    assert!(matches!(ward.store.ask_ground(&permit, silent), Err(StoreError::Missing { .. })));
    let long = NewGround { reason: Redacted::new("가".repeat(store::REASON_BYTES_MAX)), ..new(ward.person, None) };
    assert!(matches!(ward.store.ask_ground(&permit, long), Err(StoreError::Limit { .. })));
    assert_eq!(count(&ward.house, "SELECT count(*) FROM access_ground"), 0);
    ward.store.ask_ground(&permit, new(ward.person, None)).expect("it is written");
    let right = Right::Appointed { role: Role::Clinician, institution: Some(other_institution()) };
    ward.store.grant(DOCTOR, &right).expect("granted");
    let second = Purpose::Care { ground: Id16([0x22; 16]) };
    let permit = ward.ask(Role::Clinician, DOCTOR, Action::AskGround, ward.about(), second).expect("a permit");
    ward.store.ask_ground(&permit, new(ward.person, Some(other_institution()))).expect("of two the one that is named");
    let own = ward.store.own_grounds(DOCTOR, &GroundPage::default()).expect("a list").grounds;
    let places: Vec<_> = own.into_iter().filter_map(|ground| ground.institution).collect();
    assert!(
        places.len() == 2 && places.contains(&institution()) && places.contains(&other_institution()),
        "{places:?}"
    );
    let clear =
        format!("SELECT count(*) FROM access_ground WHERE instr(reason, CAST('{}' AS BLOB))", ward.reason().expose());
    assert_eq!(count(&ward.house, &clear), 0, "reasons stand sealed");
}

#[test]
fn a_broken_glass_is_told_at_once_and_reviewed() {
    let ward = Ward::new();
    let emergency = || Purpose::Emergency { ground: GLASS };
    assert_eq!(ward.doctor(emergency()).expect_err("the glass is whole"), DenialReason::Ground);
    let permit =
        ward.ask(Role::Clinician, DOCTOR, Action::BreakGlass, ward.about(), emergency()).expect("a clinician may");
    let break_it =
        |reason: &str, second| ward.store.break_glass(&permit, ward.person, Redacted::new(reason.to_owned()), second);
    assert!(matches!(break_it("", OFFICER), Err(StoreError::Missing { .. })), "without a reason");
    assert!(matches!(break_it("응급", DOCTOR), Err(StoreError::Missing { .. })), "without a second person");
    assert!(matches!(break_it("응급", Id16([9; 16])), Err(StoreError::Missing { .. })), "who holds no right");
    assert!(matches!(break_it("응급", CLERK), Err(StoreError::Missing { .. })), "who sees to nothing");
    let other = Id16([0xf2; 16]);
    ward.store.grant(other, &Right::Appointed { role: Role::SecurityOfficer, institution: None }).expect("granted");
    assert_eq!(break_it("응급", other).expect("broken"), GLASS);

    let read = ward.doctor(emergency()).expect("open at once");
    assert_eq!(ward.read(&read).expect("an answer"), ["c1", "c2"]);
    for told in [other, OFFICER] {
        assert_eq!(ward.store.glass_notices(told).expect("notices").len(), 1);
    }
    ward.store.glass_notices_seen(other, &[GLASS]).expect("noted");
    assert!(ward.store.glass_notices(other).expect("notices").is_empty());
    let log = ward.store.access_log(&ward.own(Action::ReadAccessLog), &AccessPage::default()).expect("the log");
    assert!(log.entries.iter().any(|logged| logged.entry.action == "break-glass"), "the person sees it");

    let officer = ward.office(Role::SecurityOfficer, OFFICER, Action::Oversee);
    let due = ward.store.broken_glass(&officer).expect("a list");
    assert_eq!((due.len(), due[0].second, due[0].review), (1, other, None));
    assert!(!due[0].is_overdue(ward.clock.now()) && ward.store.reviews_overdue().expect("a number") == 0);
    ward.clock.advance(73 * 3600);
    assert!(due[0].is_overdue(ward.clock.now()) && ward.store.reviews_overdue().expect("a number") == 1);
    assert_eq!(ward.doctor(emergency()).expect_err("it is over"), DenialReason::Ground);

    let note = Redacted::new("이송 기록을 확인함".to_owned());
    ward.store.grant(DOCTOR, &Right::Appointed { role: Role::SecurityOfficer, institution: None }).expect("granted");
    let own = ward.office(Role::SecurityOfficer, DOCTOR, Action::ReviewGlass);
    assert!(ward.store.review_glass(&own, GLASS, Verdict::Justified, &note).is_err(), "nobody reviews themselves");
    let review = ward.office(Role::SecurityOfficer, OFFICER, Action::ReviewGlass);
    ward.store.review_glass(&review, GLASS, Verdict::NotJustified, &note).expect("reviewed");
    assert!(ward.store.review_glass(&review, GLASS, Verdict::Justified, &note).is_err(), "once");
    let officer = ward.office(Role::SecurityOfficer, OFFICER, Action::Oversee);
    let done = ward.store.broken_glass(&officer).expect("a list");
    assert!(matches!(done[0].review, Some((OFFICER, _, Verdict::NotJustified))));
    assert_eq!(ward.store.reviews_overdue().expect("a number"), 0);
}

fn appointment(ward: &Ward, agent: Id16, proof_case: &str, seen: &[&str]) -> NewRepresentative {
    NewRepresentative {
        person: ward.person,
        agent,
        proof_case: proof_case.to_owned(),
        birth_date: Some(jiff::civil::date(1982, 1, 2).into()),
        seen: seen.iter().map(|proof| (*proof).to_owned()).collect(),
        institution: Some(institution()),
        share: Share::Whole,
        from: None,
        until: "2027-01-01T00:00:00Z".parse().expect("a time"),
    }
}

#[test]
fn a_representative_reads_what_the_person_named_until_it_ends() {
    let ward = Ward::new();
    let agent = ward.store.person_for_ci(&[8; 32]).expect("a person");
    let permit = ward.own(Action::Appoint);
    let new = || appointment(&ward, agent, "appointed", &["own-word"]);
    let refused = |new| assert!(ward.store.appoint(&permit, new).is_err());
    refused(NewRepresentative { agent: ward.person, ..new() });
    refused(NewRepresentative { agent: Id16([9; 16]), ..new() });
    refused(NewRepresentative { until: "2026-01-01T00:00:00Z".parse().expect("a time"), ..new() });
    refused(NewRepresentative { until: "2028-01-01T00:00:00Z".parse().expect("a time"), ..new() });
    refused(NewRepresentative { seen: [].into(), ..new() });
    refused(NewRepresentative { person: agent, ..new() });
    refused(NewRepresentative { birth_date: None, ..new() });
    refused(NewRepresentative { birth_date: Some(jiff::civil::date(2013, 1, 1).into()), ..new() });
    refused(appointment(&ward, agent, "deceased", &["own-id", "family-proof", "death-certificate"]));
    let id = ward.store.appoint(&permit, new()).expect("named");

    let ask = |account, id| {
        let purpose = Purpose::Representation { ground: id };
        ward.ask(Role::Representative, account, Action::ReadRecord, ward.about(), purpose)
    };
    let read = ask(agent, id).expect("it is open");
    assert_eq!(ward.read(&read).expect("an answer"), ["c1"], "of the institution that was named");
    assert_eq!(ask(DOCTOR, id).expect_err("another's"), DenialReason::Ground);
    assert_eq!(ask(agent, VISIT).expect_err("no such"), DenialReason::Ground);
    assert_eq!(ward.store.represented_by(agent).expect("a list").len(), 1);

    ward.store.end_representative(&permit, ward.person, id).expect("ended");
    assert!(matches!(ward.read(&read), Err(StoreError::StaleEpoch { .. })));
    assert_eq!(ask(agent, id).expect_err("ended"), DenialReason::Ground);
    let own = ward.own(Action::Appoint);
    let listed = ward.store.representatives(&own, ward.person).expect("a list");
    assert!(listed.len() == 1 && listed[0].ended.is_some());
}

#[test]
fn what_is_to_begin_later_opens_nothing_before() {
    let ward = Ward::new();
    let agent = ward.store.person_for_ci(&[8; 32]).expect("a person");
    let permit = ward.own(Action::Appoint);
    let from = |text: &str| NewRepresentative {
        from: Some(text.parse().expect("a time")),
        ..appointment(&ward, agent, "appointed", &["own-word"])
    };
    for (wrong, why) in [
        ("2026-11-22T11:59:59+09:00", "before it is recorded"),
        ("2027-01-01T00:00:00Z", "at its end"),
        ("2027-02-01T00:00:00Z", "after its end"),
    ] {
        assert!(matches!(ward.store.appoint(&permit, from(wrong)), Err(StoreError::Missing { .. })), "{why}");
    }
    let id = ward.store.appoint(&permit, from("2026-11-24T00:00:00+09:00")).expect("named");
    let ask = || {
        let purpose = Purpose::Representation { ground: id };
        ward.ask(Role::Representative, agent, Action::ReadRecord, ward.about(), purpose)
    };
    let listed = ward.store.represented_by(agent).expect("a list");
    assert_eq!(listed[0].from, "2026-11-23T15:00:00Z".parse().expect("a time"));
    ward.clock.advance(36 * 3_600 - 1);
    assert_eq!(ask().expect_err("a second before"), DenialReason::Ground);
    ward.clock.advance(1);
    assert_eq!(ward.read(&ask().expect("it has begun")).expect("an answer"), ["c1"]);
}

#[test]
fn a_sibling_is_recorded_in_no_case_of_the_family_without_proof_that_nobody_is_nearer() {
    let ward = Ward::new();
    let agent = ward.store.person_for_ci(&[8; 32]).expect("a person");
    let permit = recording(&ward);
    let record = |case: &str, proofs: &[&str]| ward.store.appoint(&permit, appointment(&ward, agent, case, proofs));
    for (case, paper) in [
        ("deceased-sibling", "death-certificate"),
        ("unconscious-sibling", "doctors-certificate"),
        ("missing-sibling", "adjudication-of-disappearance"),
        ("incapable-sibling", "ruling-of-incapacity"),
    ] {
        let lacking = record(case, &["own-id", "family-proof", paper]);
        assert!(matches!(lacking, Err(StoreError::Missing { .. })), "{case}");
        record(case, &["own-id", "family-proof", "no-nearer-family", paper]).expect("recorded");
    }
    let child = |proofs: &[&str]| NewRepresentative {
        birth_date: Some(jiff::civil::date(2013, 12, 1).into()),
        ..appointment(&ward, agent, "sibling-of-child", proofs)
    };
    assert!(ward.store.appoint(&permit, child(&["own-id", "family-proof"])).is_err());
    let all = ["own-id", "family-proof", "no-nearer-family"];
    assert!(ward.store.appoint(&permit, child(&all)).is_ok(), "no consent of a patient under 14");
    assert!(record("sibling-of-child", &all).is_err(), "born in 1982");
}

#[test]
fn staff_record_a_representative_with_the_proofs_they_saw_on_an_open_request() {
    let ward = Ward::new();
    let agent = ward.store.person_for_ci(&[8; 32]).expect("a person");
    let purpose = Purpose::Application { ground: Id16([0x33; 16]) };
    let early = ward.ask(Role::Support, CLERK, Action::RecordProof, ward.about(), purpose);
    assert_eq!(early.expect_err("no request"), DenialReason::Ground);
    let permit = recording(&ward);
    let proofs = ["own-id", "family-proof", "patient-consent", "patient-id"];
    for left_out in proofs {
        let seen: Vec<&str> = proofs.into_iter().filter(|proof| *proof != left_out).collect();
        let refused = ward.store.appoint(&permit, appointment(&ward, agent, "spouse-or-lineal", &seen));
        assert!(matches!(refused, Err(StoreError::Missing { .. })), "{left_out}");
    }
    let by_word = ward.store.appoint(&permit, appointment(&ward, agent, "appointed", &["own-word"]));
    assert!(matches!(by_word, Err(StoreError::Scope { .. })), "the person's own word is the person's to give");
    let id = ward.store.appoint(&permit, appointment(&ward, agent, "spouse-or-lineal", &proofs)).expect("recorded");
    let listed = ward.store.representatives(&permit, ward.person).expect("a list");
    assert_eq!((listed[0].id, listed[0].recorded_by), (id, CLERK));
    assert_eq!(listed[0].seen, proofs.map(str::to_owned).into(), "whoever reads it sees what was seen");
    let purpose = Purpose::Representation { ground: id };
    let read = ward.ask(Role::Representative, agent, Action::Issue, ward.about(), purpose.clone()).expect("a permit");
    assert_eq!(ward.read(&read).expect("an answer"), ["c1"]);
    let child = |until: &str| NewRepresentative {
        birth_date: Some(jiff::civil::date(2012, 12, 1).into()),
        until: until.parse().expect("a time"),
        ..appointment(&ward, agent, "legal-representative-of-child", &["own-id", "guardian-proof"])
    };
    assert!(ward.store.appoint(&permit, child("2026-12-01T00:00:00+09:00")).is_ok(), "to the birthday");
    assert!(ward.store.appoint(&permit, child("2026-12-01T00:00:01+09:00")).is_err(), "and no longer");
    ward.clock.advance(60 * 24 * 3600);
    assert!(ward.ask(Role::Representative, agent, Action::Issue, ward.about(), purpose).is_err(), "its end has come");
}

#[test]
fn on_a_request_about_one_institution_somebody_acts_there_alone_and_what_failed_is_told() {
    let ward = Ward::new();
    let agent = ward.store.person_for_ci(&[8; 32]).expect("a person");
    let permit = recording_at(&ward, ward.person, Some(institution()));
    let papers = ["own-id", "family-proof", "patient-consent", "patient-id"];
    let new = || appointment(&ward, agent, "spouse-or-lineal", &papers);
    for wider in [None, Some(other_institution())] {
        let refused = ward.store.appoint(&permit, NewRepresentative { institution: wider, ..new() });
        assert!(matches!(refused, Err(StoreError::Scope { .. })), "{refused:?}");
    }
    let id = ward.store.appoint(&permit, new()).expect("recorded");
    ward.store.end_representative(&permit, ward.person, id).expect("ended");
    assert!(ward.store.end_representative(&permit, ward.person, id).is_err(), "once");

    let entries = ward.store.access_log(&ward.own(Action::ReadAccessLog), &AccessPage::default()).expect("the log");
    let about = |kind: &str, result: &AccessResult| {
        let is_it = |entry: &AccessEntry| entry.what == [(kind.to_owned(), 1)] && entry.result == *result;
        entries.entries.iter().filter(|logged| is_it(&logged.entry)).count()
    };
    let undone = AccessResult::Denied { reason: "undone".to_owned() };
    for (kind, tried, failed) in [("appointment-recorded", 3, 2), ("appointment-ended", 2, 1)] {
        assert_eq!((about(kind, &AccessResult::Granted), about(kind, &undone)), (tried, failed), "{kind}");
    }
}

#[test]
fn who_turns_out_to_be_a_patient_sees_and_ends_what_was_recorded_before() {
    let ward = Ward::new();
    let (agent, unlinked) = (ward.store.person_for_ci(&[8; 32]).expect("a person"), patient("p9"));
    ward.write(unlinked, "Patient", "p9", "아무개", None);
    let permit = recording_about(&ward, unlinked.id());
    let papers = ["own-id", "family-proof", "patient-consent", "patient-id"];
    let new = appointment(&ward, agent, "spouse-or-lineal", &papers);
    let id = ward.store.appoint(&permit, NewRepresentative { person: unlinked.id(), ..new }).expect("recorded");
    let named = ward.store.representation(agent, id).expect("read").expect("it is the agent's");
    assert_eq!((named.person, ward.store.representation(DOCTOR, id).expect("read")), (unlinked.id(), None));

    let own = ward.own(Action::Appoint);
    assert_eq!(ward.store.representatives(&own, ward.person).expect("a list"), [], "nobody knows yet whose it is");
    ward.link(unlinked, &institution());
    let own = ward.own(Action::Appoint);
    let listed = ward.store.representatives(&own, ward.person).expect("a list");
    assert_eq!(listed.iter().map(|one| one.id).collect::<Vec<_>>(), [id]);
    ward.store.end_representative(&own, ward.person, id).expect("ended");
    let purpose = Purpose::Representation { ground: id };
    let asked = ward.ask(Role::Representative, agent, Action::ReadRecord, Target::Person(unlinked.id()), purpose);
    assert_eq!(asked.expect_err("ended"), DenialReason::Ground);
}

/// Hands in a Patient that says whether they died.
fn say_of_death(ward: &Ward, owner: Owner, code: &InstitutionCode, id: &str, is_dead: bool) {
    let bytes = format!(r#"{{"resourceType":"Patient","id":"{id}","deceasedBoolean":{is_dead}}}"#);
    let row = IndexRow::Token { param: "deceased", system: String::new(), code: is_dead.to_string() };
    ward.write_indexed(owner, code, ("Patient", id), (&bytes, vec![row]), None);
}

#[test]
fn an_appointment_ends_once_the_records_say_that_the_person_died_but_in_the_case_that_is_made_for_it() {
    let ward = Ward::new();
    let agent = ward.store.person_for_ci(&[8; 32]).expect("a person");
    let papers = ["own-id", "family-proof", "patient-consent", "patient-id"];
    let by_word = || appointment(&ward, agent, "appointed", &["own-word"]);
    let by_papers = || appointment(&ward, agent, "spouse-or-lineal", &papers);
    let permit = recording(&ward);
    let own = || ward.own(Action::Appoint);
    let named = ward.store.appoint(&own(), by_word()).expect("named");
    let recorded = ward.store.appoint(&permit, by_papers()).expect("recorded");
    let ask = |ground| {
        let purpose = Purpose::Representation { ground };
        ward.ask(Role::Representative, agent, Action::ReadRecord, ward.about(), purpose)
    };
    let is_dead = || ward.store.is_recorded_dead(&permit, ward.person).expect("read");
    say_of_death(&ward, ward.here, &institution(), "p1", false);
    assert!(ask(named).is_ok() && ask(recorded).is_ok() && !is_dead());

    // Another hospital says it, whose records the appointments do not reach.
    say_of_death(&ward, ward.there, &other_institution(), "p1", true);
    assert!(is_dead());
    for id in [named, recorded] {
        assert_eq!(ask(id).expect_err("over"), DenialReason::Ground);
    }
    for listed in [ward.store.represented_by(agent), ward.store.representatives(&own(), ward.person)] {
        let listed = listed.expect("a list");
        assert!(listed.len() == 2 && listed.iter().all(|one| one.after_death && one.ended.is_none()), "{listed:?}");
    }
    for (permit, new) in [(&own(), by_word()), (&permit, by_papers())] {
        let refused = ward.store.appoint(permit, new).expect_err("nobody begins in such a case");
        assert!(
            matches!(&refused, StoreError::AfterDeath { lasting, .. } if lasting == "deceased or deceased-sibling"),
            "{refused}"
        );
    }
    let of_death = ["own-id", "family-proof", "death-certificate"];
    let family = ward.store.appoint(&permit, appointment(&ward, agent, "deceased", &of_death)).expect("recorded");
    assert_eq!(ward.read(&ask(family).expect("it lasts")).expect("an answer"), ["c1"]);

    // It was a mistake, and the hospital mends it.
    say_of_death(&ward, ward.there, &other_institution(), "p1", false);
    assert!(ask(named).is_ok() && ask(family).is_ok() && !is_dead());
    let other = ward.store.person_for_ci(&[9; 32]).expect("a person");
    assert!(matches!(ward.store.is_recorded_dead(&permit, other), Err(StoreError::Scope { .. })));
    assert!(matches!(ward.store.is_recorded_dead(&own(), ward.person), Err(StoreError::Action { .. })));
}

#[test]
fn what_was_recorded_for_a_patient_ends_with_the_person_whom_they_turn_out_to_be() {
    let ward = Ward::new();
    let (agent, unlinked) = (ward.store.person_for_ci(&[8; 32]).expect("a person"), patient("p9"));
    ward.write(unlinked, "Patient", "p9", "아무개", None);
    let permit = recording_about(&ward, unlinked.id());
    let papers = ["own-id", "family-proof", "patient-consent", "patient-id"];
    let new = appointment(&ward, agent, "spouse-or-lineal", &papers);
    ward.store.appoint(&permit, NewRepresentative { person: unlinked.id(), ..new }).expect("recorded");
    let is_over = || ward.store.represented_by(agent).expect("a list")[0].after_death;
    say_of_death(&ward, ward.there, &other_institution(), "p1", true);
    assert!(!is_over(), "nobody knows yet whose it is");
    ward.link(unlinked, &institution());
    assert!(is_over(), "what another hospital says of the same person counts");
}

/// A clerk's permit to record proofs about the person, on a request that a steward confirmed.
fn recording(ward: &Ward) -> Permit {
    recording_about(ward, ward.person)
}

fn recording_about(ward: &Ward, subject: Id16) -> Permit {
    recording_at(ward, subject, None)
}

fn recording_at(ward: &Ward, subject: Id16, institution: Option<InstitutionCode>) -> Permit {
    let purpose = || Purpose::Application { ground: Id16([0x33; 16]) };
    let ask = |action| ward.ask(Role::Support, CLERK, action, Target::Person(subject), purpose());
    let permit = ask(Action::AskGround).expect("a clerk may ask");
    let new = NewGround { subject, institution, share: Share::Whole, reason: ward.reason() };
    let request = ward.store.ask_ground(&permit, new).expect("it is written");
    let steward = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    ward.store.confirm_ground(&steward, request).expect("confirmed");
    ask(Action::RecordProof).expect("a permit")
}

#[test]
fn somebody_was_born_when_their_records_agree_that_they_were() {
    let ward = Ward::new();
    let born = |owner, code: &policy::InstitutionCode, id: &str, from: &str, to: &str| {
        let us = |text: &str| text.parse::<base::Timestamp>().expect("a time").as_microsecond();
        let row = IndexRow::Date { param: "birthdate", low_us: us(from), high_us: us(to) - 1 };
        let bytes = format!(r#"{{"resourceType":"Patient","id":"{id}","birthDate":"{}"}}"#, &from[..10]);
        ward.write_indexed(owner, code, ("Patient", id), (&bytes, vec![row]), None);
    };
    let permit = recording(&ward);
    let known = || ward.store.recorded_birth_date(&permit, ward.person).expect("read").map(|date| *date.expose());
    assert_eq!(known(), None, "no record says it");
    born(ward.there, &other_institution(), "p1", "1980-01-01T00:00:00+09:00", "1981-01-01T00:00:00+09:00");
    assert_eq!(known(), None, "a year is no day");
    born(ward.here, &institution(), "p1", "1980-05-17T00:00:00+09:00", "1980-05-18T00:00:00+09:00");
    assert_eq!(known(), Some(jiff::civil::date(1980, 5, 17)));
    born(ward.there, &other_institution(), "p1", "1980-05-18T00:00:00+09:00", "1980-05-19T00:00:00+09:00");
    assert_eq!(known(), None, "two say different days");
    let other = ward.store.person_for_ci(&[8; 32]).expect("a person");
    assert!(matches!(ward.store.recorded_birth_date(&permit, other), Err(StoreError::Scope { .. })));
    let own = ward.own(Action::Appoint);
    assert!(matches!(ward.store.recorded_birth_date(&own, ward.person), Err(StoreError::Action { .. })));
}

#[test]
fn an_administrator_gives_rights_to_others_and_opens_nothing() {
    let ward = Ward::new();
    let administrator = Id16([0xb1; 16]);
    let right = Right::Appointed { role: Role::Administrator, institution: None };
    ward.store.grant(administrator, &right).expect("granted");
    let permit =
        ward.ask(Role::Administrator, administrator, Action::ManageRights, Target::Installation, Purpose::Operation);
    let permit = permit.expect("a permit");
    let auditor = Right::Appointed { role: Role::Auditor, institution: None };
    assert!(matches!(ward.store.ask_right(&permit, administrator, &auditor), Err(StoreError::Scope { .. })));
    ward.store.ask_right(&permit, CLERK, &auditor).expect("asked for");
    let nowhere = Right::Appointed { role: Role::Clinician, institution: None };
    assert!(matches!(ward.store.ask_right(&permit, CLERK, &nowhere), Err(StoreError::Scope { .. })));

    let confirm =
        |permit: &policy::Permit, account| ward.store.confirm_rights(Some(permit), account, None, |_| Ok(true));
    assert!(matches!(confirm(&permit, CLERK), Err(StoreError::Missing { .. })), "not by who asked");
    assert!(!ward.store.rights(CLERK).expect("a list").contains(&auditor), "it gives nothing yet");
    let second = Id16([0xb2; 16]);
    ward.store.grant(second, &right).expect("granted");
    let manage = |account| {
        ward.ask(Role::Administrator, account, Action::ManageRights, Target::Installation, Purpose::Operation)
    };
    let seconds = manage(second).expect("a permit");
    ward.store.ask_right(&permit, second, &auditor).expect("asked for");
    assert!(confirm(&seconds, second).is_err(), "nobody confirms what is for themselves");
    assert_eq!(ward.store.rights_asked().expect("a list").len(), 2);
    assert_eq!(confirm(&seconds, CLERK).expect("given"), 1);
    assert!(ward.store.rights(CLERK).expect("a list").contains(&auditor));
    assert!(confirm(&seconds, CLERK).is_err(), "once");
    let gone = ward.store.revoke_all(None, administrator, "test", |_| Ok(Some(()))).expect("ended");
    assert!(gone.is_some());
    assert_eq!(ward.store.rights_asked().expect("a list"), [], "what they asked for goes with them");
    assert_eq!(told_of(&ward, CLERK, "manage-rights").1, 2, "confirmed in vain, twice");
    assert!(matches!(ward.store.ask_right(&permit, CLERK, &auditor), Err(StoreError::StaleEpoch { .. })));
    assert_eq!(told_of(&ward, CLERK, "manage-rights").1, 3, "what was asked for by who may no more");
    let seconds = manage(second).expect("a permit");
    let none = ward.store.revoke_all(Some(&seconds), CLERK, "test", |_| Ok(None::<()>)).expect("nothing");
    assert_eq!((none, told_of(&ward, CLERK, "manage-rights").1), (None, 4), "they stay, and no end of them is told");
    let fails = |_: &rusqlite::Transaction<'_>| Err::<Option<()>, _>(rusqlite::Error::InvalidQuery);
    assert!(ward.store.revoke_all(Some(&seconds), CLERK, "test", fails).is_err());
    assert_eq!(told_of(&ward, CLERK, "manage-rights").1, 5);
    assert!(ward.store.rights(CLERK).expect("a list").contains(&auditor), "all as it was");
    let patient = Right::Appointed { role: Role::Patient, institution: None };
    assert!(ward.store.grant(CLERK, &patient).is_err());
    assert!(ward.read(&permit).is_err());
    assert_eq!(ward.store.holders(Role::Auditor).expect("a list"), [CLERK]);
}
