//! Documents for somebody else than the person: what the ground shares and nothing else, under a cover that says so.

use crate::CODE;
use archive::issue::{IssueError, IssuedPdf, Issuer, Locale};
use archive::{ArchiveError, Selection, TimelineQuery};
use base::{Id16, Timestamp};
use policy::{Action, Actor, DataKind, InstitutionCode, Permit, Purpose, Request, Role, Sensitive, Share, Target};
use serde_json::json;
use std::collections::BTreeMap;
use store::{AccessEntry, AccessPage, AccessResult, NewRepresentative};
use synth::people::Person;
use testkit::{BagBuilder, World, one_page_pdf, person};

/// A person with records of which some are sensitive, and somebody who acts for them.
struct Story {
    world: World,
    mina: Person,
    agent: Actor,
}

impl Story {
    fn new() -> Self {
        let world = World::new();
        let (mina, jisu) = (person("김민아"), person("이지수"));
        world.agency.add(&mina);
        world.agency.add(&jisu);
        let bag =
            chart(BagBuilder::new(CODE).patient("p1", &mina)).patient("p2", &jisu).visit("p2", "x1", "2022-05-06");
        world.deposit(&bag.write(&world.path("bag")).root).expect("a good bag");
        let elsewhere = BagBuilder::new("31999902").patient("q1", &mina).visit("q1", "y1", "2020-02-02");
        world.deposit(&elsewhere.write(&world.path("elsewhere")).root).expect("a good bag");
        let agent = Actor { role: Role::Representative, ..world.visitor(&jisu) };
        Self { world, mina, agent }
    }

    /// An appointment of the agent.
    fn appoint(&self, institution: Option<&str>, share: Share) -> Id16 {
        let now = self.world.archive().clock().now();
        let until = Timestamp::from_second(now.as_second() + 86_400).expect("a time");
        let whole = testkit::by_own_word(self.world.visitor(&self.mina).account, self.agent.account, until);
        let new = NewRepresentative { institution: institution.and_then(InstitutionCode::new), share, ..whole };
        let permit = self.world.own_permit(&self.mina, Action::Appoint);
        self.world.store().appoint(&permit, new).expect("appointed")
    }

    fn ask(&self, action: Action, ground: Id16) -> Permit {
        let target = Target::Person(self.world.visitor(&self.mina).account);
        let purpose = Purpose::Representation { ground };
        let request = Request { actor: self.agent.clone(), action, target, purpose };
        self.world.archive().ask(request).expect("a permit")
    }

    fn issue(&self, ground: Id16, selection: &Selection) -> Result<IssuedPdf, IssueError> {
        let issuer = Issuer { name: "한마루".into(), origin: "https://records.hanmaru.example".into() };
        self.world.archive().issue(&self.ask(Action::Issue, ground), selection, Locale::Ko, &issuer)
    }

    /// What the person's log says of issues of others, newest first.
    fn told(&self) -> Vec<AccessEntry> {
        self.told_of(Action::Issue)
    }

    fn told_of(&self, action: Action) -> Vec<AccessEntry> {
        let permit = self.world.own_permit(&self.mina, Action::ReadAccessLog);
        let log = self.world.store().access_log(&permit, &AccessPage::default()).expect("the log");
        let entries = log.entries.into_iter().map(|logged| logged.entry);
        entries.filter(|entry| entry.action == action.name() && entry.actor.account == self.agent.account).collect()
    }
}

/// Three visits: one of nothing sensitive, one with a drug that its record does not name, one with a diagnosis; and a drug of no visit.
fn chart(bag: BagBuilder) -> BagBuilder {
    let subject = json!({"reference": "Patient/p1"});
    let of_visit = |visit: &str| json!({"reference": format!("Encounter/{visit}")});
    let test = |id: &str, visit: &str, text: &str| {
        json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": text}, "subject": subject,
               "encounter": of_visit(visit), "valueQuantity": {"value": 98, "unit": "mg/dL"}})
    };
    let drug = |id: &str, visit: Option<&str>, what: serde_json::Value| {
        let mut drug = json!({"resourceType": "MedicationRequest", "id": id, "status": "completed", "intent": "order",
                              "subject": subject});
        drug.as_object_mut().expect("an object").extend(what.as_object().expect("an object").clone());
        if let Some(visit) = visit {
            drug["encounter"] = of_visit(visit);
        }
        drug
    };
    let scan = |id: &str, visit: &str, name: &str| {
        json!({"resourceType": "DocumentReference", "id": id, "status": "current", "type": {"text": "검사지"}, "subject": subject,
               "date": "2024-04-01T10:30:00+09:00", "context": {"encounter": [of_visit(visit)]},
               "content": [{"attachment": {"contentType": "application/pdf", "url": format!("documents/{name}")}}]})
    };
    bag.visit("p1", "v1", "2024-03-31")
        .resource(&test("o1", "v1", "공복혈당"))
        .resource(&drug("m1", Some("v1"), json!({"medicationCodeableConcept": {"text": "아세트아미노펜정"}})))
        .resource(&scan("d1", "v1", "one.pdf"))
        .file("data/documents/one.pdf", one_page_pdf("opened scan"))
        .visit("p1", "v2", "2023-05-20")
        .resource(&test("o2", "v2", "간수치"))
        .resource(&drug("m2", Some("v2"), json!({"medicationReference": {"reference": "Medication/esc"}})))
        .resource(&json!({"resourceType": "Medication", "id": "esc", "code": {"text": "에스시탈로프람정"}}))
        .resource(&scan("d2", "v2", "two.pdf"))
        .file("data/documents/two.pdf", one_page_pdf("secret scan"))
        .visit("p1", "v3", "2022-01-08")
        .resource(&test("o3", "v3", "갑상선"))
        .resource(&json!({"resourceType": "Condition", "id": "c3", "subject": subject, "encounter": of_visit("v3"),
                          "code": {"coding": [{"system": "urn:oid:1.2.410.100110.10.1", "code": "F32.9"}], "text": "기분장애"}}))
        .resource(&drug("m4", None, json!({"medicationCodeableConcept": {"text": "졸피뎀정"}})))
}

fn general() -> Share {
    Share::Part { kinds: DataKind::ALL.into(), sensitive: [].into() }
}

fn counted(entry: &AccessEntry) -> BTreeMap<&str, u32> {
    entry.what.iter().map(|(kind, count)| (kind.as_str(), *count)).collect()
}

/// The words on the pages without their spaces; `None`, said aloud, where they cannot be read here.
fn words(story: &Story, pdf: &IssuedPdf) -> Option<String> {
    let path = story.world.path("issued.pdf");
    std::fs::write(&path, &pdf.bytes).expect("the folder is writable");
    let Ok(read) = std::process::Command::new("pdftotext").arg("-layout").arg(&path).arg("-").output() else {
        println!("SKIPPED: pdftotext is not installed, so the text on the pages was not read");
        return None;
    };
    Some(String::from_utf8_lossy(&read.stdout).split_whitespace().collect())
}

fn holds(text: &str, wanted: &[&str], unwanted: &[&str]) {
    let squeezed = |words: &&str| words.split_whitespace().collect::<String>();
    for one in wanted.iter().map(squeezed) {
        assert!(text.contains(&one), "{one} is not on the pages:\n{text}");
    }
    for one in unwanted.iter().map(squeezed) {
        assert!(!text.contains(&one), "{one} is not shared and on the pages:\n{text}");
    }
}

#[test]
fn a_partial_share_is_issued_without_what_is_sensitive_its_visit_and_its_files() {
    let story = Story::new();
    let ground = story.appoint(Some(CODE), general());
    let issued = story.issue(ground, &Selection::Whole).expect("issued");
    assert_eq!(issued.undrawn, 1, "the scan of what is shared");
    assert!(story.world.archive().verify(&issued.bytes).is_ok());
    let told = story.told();
    let shown = BTreeMap::from([
        ("Condition", 1),
        ("DocumentReference", 1),
        ("Encounter", 1),
        ("MedicationRequest", 1),
        ("Observation", 1),
        ("Patient", 1),
    ]);
    assert_eq!(told.iter().map(counted).collect::<Vec<_>>(), [shown.clone(), shown], "found and read, and no file");
    assert!(told.iter().all(|entry| entry.ground == Some(ground) && entry.result == AccessResult::Granted));
    let Some(text) = words(&story, &issued) else { return };
    let agent = ["환자", "김민아", "신청한 사람", "대리인 이지수", "환자가 직접 정한 대리인", &ground.to_string()[..8]];
    holds(&text, &agent, &["받으시는 분"]);
    let part = [
        "환자 기록의 일부입니다",
        "한 의료기관의 기록만",
        "민감한 기록",
        "담지 않음",
        "일부만 볼 수 있게",
        "문서 목록(파일은",
    ];
    holds(&text, &part, &["전체 기록", "문서 사본"]);
    holds(
        &text,
        &["2024-03-31", "공복혈당", "아세트아미노펜정", "검사지"],
        &["2023-05-20", "간수치", "에스시탈로프람", "2022-01-08", "갑상선", "기분장애", "졸피뎀", "scan", "2020-02-02"],
    );
}

#[test]
fn a_sensitive_kind_that_is_named_is_issued_and_the_files_are_not() {
    let story = Story::new();
    let share = Share::Part {
        kinds: [DataKind::Visits, DataKind::Medications].into(),
        sensitive: [Sensitive::MentalHealth].into(),
    };
    let issued = story.issue(story.appoint(None, share), &Selection::Whole).expect("issued");
    assert_eq!(issued.undrawn, 0, "documents are not among the kinds");
    let here = story.told().into_iter().find(|entry| counted(entry).contains_key("MedicationRequest"));
    let shown = BTreeMap::from([("Encounter", 3), ("MedicationRequest", 3), ("Patient", 1)]);
    assert_eq!(counted(&here.expect("told")), shown);
    let Some(text) = words(&story, &issued) else { return };
    holds(
        &text,
        &["에스시탈로프람정", "졸피뎀정", "2022-01-08", "2020-02-02", "정신건강", "방문 기록"],
        &["기분장애", "공복혈당", "간수치", "검사지", "scan", "급성 비인두염"],
    );
}

#[test]
fn of_whom_a_part_is_shown_it_is_told_who_it_is_and_no_more() {
    let story = Story::new();
    let ground = story.appoint(None, general());
    let timeline = story.ask(Action::ReadTimeline, ground);
    let listed = story.world.archive().timeline(&timeline, &TimelineQuery::default()).expect("a timeline");
    assert_eq!(listed.visits.len(), 2, "of both institutions, and those that are kept back are not counted");
    let issued = story.issue(ground, &Selection::Whole).expect("issued");
    let Some(text) = words(&story, &issued) else { return };
    let born = story.mina.birth_date.to_string();
    holds(&text, &["김민아", &born, "2020-02-02"], &["성별", "등록번호"]);
    let whole = story.issue(story.appoint(None, Share::Whole), &Selection::Whole).expect("issued");
    let Some(text) = words(&story, &whole) else { return };
    holds(&text, &["성별", "기분장애", "에스시탈로프람정", "볼 수 있게 된 기록 전부"], &["환자 기록의 일부입니다"]);
}

#[test]
fn whoever_asks_for_what_is_kept_back_gets_nothing_and_its_person_sees_it() {
    let story = Story::new();
    let ground = story.appoint(None, general());
    let code = InstitutionCode::new(CODE).expect("a code");
    let kept_back = story.world.store().ids().resource(&code, "Encounter", "v3");
    let refused = story.issue(ground, &Selection::Records(vec![kept_back]));
    assert!(matches!(refused, Err(IssueError::Nothing | IssueError::Archive(ArchiveError::Denied(_)))), "{refused:?}");
    let told: Vec<AccessEntry> =
        story.told().into_iter().filter(|entry| entry.result != AccessResult::Granted).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((counted(&told[0]), told[0].ground), (BTreeMap::from([("Encounter", 1)]), Some(ground)));
    // A visit that is shown is told as shown, whatever was asked for beside it.
    let shown = story.world.store().ids().resource(&code, "Encounter", "v1");
    let issued = story.issue(ground, &Selection::Records(vec![shown, kept_back])).expect("what is shared");
    let Some(text) = words(&story, &issued) else { return };
    holds(&text, &["선택한 기록", "공복혈당"], &["갑상선"]);
}

#[test]
fn where_nothing_is_shown_nobody_learns_who_was_a_patient() {
    let story = Story::new();
    let share = Share::Part { kinds: [DataKind::Imaging].into(), sensitive: [].into() };
    let ground = story.appoint(None, share);
    assert!(matches!(story.issue(ground, &Selection::Whole), Err(IssueError::Nothing)));
    let permit = story.ask(Action::Issue, ground);
    let code = InstitutionCode::new(CODE).expect("a code");
    let ids = story.world.store().ids();
    let key = ids.key(ids.patient(&code, "p1"), &code, "Patient", "p1");
    assert!(story.world.store().read(&permit, &[key]).expect("an answer").is_empty());
}

#[test]
fn a_visit_that_is_opened_is_told_and_no_other() {
    let story = Story::new();
    let ground = story.appoint(None, general());
    let code = InstitutionCode::new(CODE).expect("a code");
    let open = |visit: &str| {
        let id = story.world.store().ids().resource(&code, "Encounter", visit);
        story.world.archive().one_visit(&story.ask(Action::ReadRecord, ground), id).expect("an answer")
    };
    let visit = open("v1").expect("it is shown");
    assert_eq!((visit.counts.tests, visit.counts.drugs, visit.documents.len(), visit.diagnoses.len()), (1, 1, 1, 1));
    for entry in story.told_of(Action::ReadRecord) {
        assert!(entry.what.iter().all(|(_, count)| *count == 1), "{entry:?}");
    }
    for kept_back in ["v2", "v3"] {
        assert_eq!(open(kept_back), None);
    }
    let refused = story.told_of(Action::ReadRecord).into_iter().filter(|entry| entry.result != AccessResult::Granted);
    assert_eq!(refused.count(), 2, "each attempt is told");
    assert_eq!(open("x1"), None, "another's");
}
