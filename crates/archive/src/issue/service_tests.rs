//! Issuing from a real store with three sites: what is handed over verifies, is known by its number, and was journalled.

use super::*;
use crate::{Archive, Selection};
use base::limits::Limits;
use base::{Id16, Random, SystemClock, SystemRandom, Timestamp};
use policy::{
    Action, Actor, Assurance, Decision, Door, Facts, InstitutionCode, OwnPatient, Owner, Permit, Purpose, Request,
    Role, Target,
};
use std::sync::Arc;
use store::{AccessPage, Log, NewVersion, OpenStore, ResourceKey, Store, StoreConfig};
use tempfile::TempDir;
use vault::{ClassName, FileKeyProvider, KeyStoreConfig, KeyStores, SiteConfig, Sites};

const ACCOUNT: Id16 = Id16([7; 16]);

struct House {
    archive: Archive,
    door: Door,
    _folder: TempDir,
}

fn code() -> InstitutionCode {
    InstitutionCode::new("31100001").expect("a code")
}

impl House {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder for the test");
        let root = folder.path();
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let named = |prefix: &str| ["a", "b", "c"].map(|name| (name.to_owned(), root.join(format!("{prefix}-{name}"))));
        let sites: Vec<_> = named("site").map(|(name, folder)| SiteConfig { name, folder }).into();
        let keys: Vec<_> = named("keys").map(|(name, folder)| KeyStoreConfig { name, folder }).into();
        FileKeyProvider::create(&root.join("root.key"), Arc::clone(&random)).expect("a key file");
        Sites::create(&sites).expect("sites");
        KeyStores::create(&keys).expect("key stores");
        let store = Store::create(OpenStore {
            folder: root.join("data"),
            sites: Sites::open(sites, 2).expect("sites"),
            key_provider: Arc::new(
                FileKeyProvider::open(&root.join("root.key"), Arc::clone(&random)).expect("the key"),
            ),
            key_stores: KeyStores::open(keys, 2).expect("key stores"),
            origin: "hanmaru.test".to_owned(),
            clock: Arc::new(SystemClock::new()),
            random,
            limits: Limits::default(),
            config: StoreConfig::default(),
            witnessing: None,
        });
        let store = store.expect("the store opens");
        let door = || Door::standard().expect("the door");
        let config = crate::ArchiveConfig::new(root.join("archive"));
        let archive = Archive::new(store, Arc::new(door()), Limits::default(), config);
        Self { archive, door: door(), _folder: folder }
    }

    fn permit(&self, role: Role, action: Action, target: Target, facts: Facts) -> Permit {
        let (assurance, purpose) = match role {
            Role::Patient => (Assurance::Two, Purpose::OwnRecords),
            _ => (Assurance::One, Purpose::Custody { deposit: Id16([1; 16]) }),
        };
        let (name, source) = ("홍길동".to_owned().into(), "127.0.0.1".to_owned().into());
        let actor = Actor { account: ACCOUNT, role, assurance, name, source };
        let request = Request { actor, action, target, purpose };
        let epoch = self.archive.store().facts(ACCOUNT).expect("facts").epoch;
        match self.door.decide(&request, &Facts { epoch, ..facts }, &SystemRandom) {
            Decision::Permit(permit) => permit,
            Decision::Denial(denial) => panic!("the story needs a permit: {}", denial.explanation),
        }
    }

    fn person(&self, owner: Owner, action: Action) -> Permit {
        let patients = vec![OwnPatient { patient: owner.id(), institution: code() }];
        let facts = Facts { person: Some(ACCOUNT), patients, ..Facts::default() };
        self.permit(Role::Patient, action, Target::Person(ACCOUNT), facts)
    }

    fn write(&self, owner: Owner, kind: &str, id: &str, rest: &str) -> ResourceKey {
        let facts = Facts { deposits_for: Some(code()), ..Facts::default() };
        let permit = self.permit(Role::Depositor, Action::Deposit, Target::Institution(code()), facts);
        let text = format!(r#"{{"resourceType":"{kind}","id":"{id}"{rest}}}"#);
        let (institution, class) = (code(), ClassName::new("chart10").expect("a slug"));
        let indexing = store::Indexing {
            selection: fhir::search::Selection::of(&["relatesto"]),
            options: fhir::search::Options::default(),
            hidden_systems: Vec::new(),
            ids: self.archive.store().ids(),
        };
        let value = fhir::json::parse(text.as_bytes(), &fhir::Limits::default());
        let index = value.as_ref().map(|value| store::index_rows(value, &institution, &indexing)).unwrap_or_default();
        let encounter = value.as_ref().ok().and_then(|value| match fhir::search::encounter_of(value)? {
            fhir::reference::Target::Relative { id, .. } => Some(indexing.ids.resource(&institution, "Encounter", id)),
            _ => None,
        });
        let new = NewVersion {
            owner,
            institution: &institution,
            resource_type: kind,
            source_id: id,
            class: &class,
            expiry_year: 2035,
            bytes: text.as_bytes(),
            date: "2019-03-05T00:30:00Z".parse().ok(),
            encounter,
            index,
            edition: store::Edition::default(),
        };
        let store = self.archive.store();
        let prepared = store.prepare(&permit, new).expect("it can be prepared");
        store.write(&permit, vec![prepared], Vec::new(), None).expect("it can be written");
        store.ids().key(owner, &code(), kind, id)
    }

    /// A patient with a visit and a test that was amended.
    fn chart(&self, patient: &str, value: u32) -> (Owner, ResourceKey) {
        let owner = self.archive.store().ids().patient(&code(), patient);
        self.write(owner, "Patient", patient, r#","name":[{"text":"홍길동"}],"birthDate":"1980-01-02""#);
        self.write(
            owner,
            "Encounter",
            &format!("{patient}-e"),
            r#","status":"finished","class":{"code":"AMB"},"period":{"start":"2019-03-05"}"#,
        );
        let test = |value: u32| {
            format!(
                r#","status":"final","code":{{"text":"혈당"}},"encounter":{{"reference":"Encounter/{patient}-e"}},"valueQuantity":{{"value":{value},"unit":"mg/dL"}}"#
            )
        };
        self.write(owner, "Observation", &format!("{patient}-o"), &test(value * 10));
        (owner, self.write(owner, "Observation", &format!("{patient}-o"), &test(value)))
    }

    fn issue(&self, permit: &Permit, selection: &Selection) -> Result<IssuedPdf, IssueError> {
        let issuer = Issuer {
            name: "한마루 진료기록 보관소".into(), origin: "https://records.hanmaru.example".into()
        };
        self.archive.issue(permit, selection, Locale::Ko, &issuer)
    }
}

#[test]
fn what_is_issued_verifies_is_known_by_its_number_and_is_journalled() {
    let house = House::new();
    let (owner, _) = house.chart("p1", 98);
    let issued = house.issue(&house.person(owner, Action::Issue), &Selection::Whole).expect("it can be issued");
    assert_eq!((issued.pages, issued.undrawn), (2, 0));

    let pinned = house.archive.store().verifier_keys()[0].clone();
    let pinned = ledger::VerifierKey::parse(&pinned).expect("a key of the store");
    let verified = crate::verify::verify(&issued.bytes, &[pinned]).expect("nothing was changed");
    assert_eq!(house.archive.verify(&issued.bytes), Ok(verified.clone()));
    assert_eq!((verified.number.clone(), verified.origin.as_str()), (issued.number.clone(), "hanmaru.test/records"));
    let access = house.archive.store().verifier_key(Log::Access);
    assert!(crate::verify::verify(&issued.bytes, &[access]).is_err(), "the key of the other log does not count");

    let known = house.archive.issued(&issued.number).expect("the table can be read").expect("it was issued");
    assert_eq!(
        (known.content, known.position, known.bytes),
        (verified.content, verified.index, issued.bytes.len() as u64)
    );
    let other = DocumentNumber::random(2026, &SystemRandom);
    assert_eq!(house.archive.issued(&other).expect("the table can be read"), None);

    let log = house.person(owner, Action::ReadAccessLog);
    let entries =
        house.archive.store().access_log(&log, &AccessPage::default()).expect("the journal can be read").entries;
    let issue = entries.iter().map(|logged| &logged.entry).filter(|entry| entry.action == "issue");
    assert!(issue.clone().any(|entry| entry.what.contains(&("Patient".to_owned(), 1))), "{entries:?}");
    assert!(
        issue.clone().any(|entry| entry.what.contains(&("Observation".to_owned(), 2))),
        "both editions: {entries:?}"
    );
    assert_eq!(issue.count(), 2, "one for what was found, one for what was read: {entries:?}");
}

#[test]
fn both_editions_of_what_was_amended_are_in_the_document() {
    let house = House::new();
    let (owner, key) = house.chart("p1", 98);
    let issued =
        house.issue(&house.person(owner, Action::Issue), &Selection::Records(vec![key.id])).expect("it can be issued");
    let Some(text) = tests::text_of(&issued.bytes) else { return };
    for wanted in ["홍길동", "정정 전", "980 mg/dL", "정정 후", "98 mg/dL", issued.number.as_str()] {
        assert!(text.contains(wanted), "{wanted} is not on the pages:\n{text}");
    }
}

#[test]
fn a_period_is_named_on_the_cover_and_holds_what_is_dated_in_it() {
    let house = House::new();
    let (owner, _) = house.chart("p1", 98);
    let permit = house.person(owner, Action::Issue);
    let time = |text: &str| text.parse::<Timestamp>().expect("a time");
    let year = |from, before| Selection::Period { from: time(from), before: time(before) };
    let issued = house.issue(&permit, &year("2018-12-31T15:00:00Z", "2019-12-31T15:00:00Z")).expect("it can be issued");
    if let Some(text) = tests::text_of(&issued.bytes) {
        assert!(text.contains("2019-01-01 - 2019-12-31") || text.contains("2019-01-01 – 2019-12-31"), "{text}");
    }
    let empty = house.issue(&permit, &year("1999-12-31T15:00:00Z", "2000-12-31T15:00:00Z"));
    assert!(matches!(empty, Err(IssueError::Nothing)), "{empty:?}");
}

#[test]
fn nothing_of_another_person_is_issued() {
    let house = House::new();
    let (mine, _) = house.chart("p1", 98);
    let (_, theirs) = house.chart("p2", 55);
    let permit = house.person(mine, Action::Issue);
    let refused = house.issue(&permit, &Selection::Records(vec![theirs.id]));
    assert!(matches!(refused, Err(IssueError::Nothing | IssueError::Archive(_))), "{refused:?}");
    let wrong = house.person(mine, Action::ReadAccessLog);
    assert!(matches!(house.issue(&wrong, &Selection::Whole), Err(IssueError::Archive(_))));
}

#[test]
fn a_record_that_cannot_be_read_is_listed_and_the_rest_is_issued() {
    let house = House::new();
    let (owner, _) = house.chart("p1", 98);
    house.write(owner, "Procedure", "broken", r#","status":00"#);
    let issued = house.issue(&house.person(owner, Action::Issue), &Selection::Whole).expect("it can be issued");
    assert_eq!(issued.undrawn, 1);
}

/// What the log of a person says was shown in issues, newest first.
fn shown_in_issues(house: &House, owner: Owner) -> Vec<Vec<(String, u32)>> {
    let log = house.person(owner, Action::ReadAccessLog);
    let log = house.archive.store().access_log(&log, &AccessPage::default()).expect("the journal can be read");
    let issues = log.entries.into_iter().map(|logged| logged.entry).filter(|entry| entry.action == "issue");
    issues.map(|entry| entry.what).collect()
}

#[test]
fn doctors_and_drugs_have_their_names_where_the_record_does_not_repeat_them() {
    let house = House::new();
    let (owner, _) = house.chart("p1", 98);
    let own = Owner::institution(&code());
    house.write(own, "Practitioner", "d1", r#","name":[{"text":"김의사"}],"telecom":[{"value":"02-555-0199"}]"#);
    house.write(own, "Organization", "o1", r#","name":"한마음재활센터""#);
    house.write(
        own,
        "PractitionerRole",
        "r1",
        r#","practitioner":{"reference":"Practitioner/d2"},"organization":{"reference":"Organization/o2"}"#,
    );
    house.write(own, "Practitioner", "d2", r#","name":[{"text":"이전공"}]"#);
    house.write(own, "Organization", "o2", r#","name":"재활의학과""#);
    house.write(own, "Practitioner", "unrelated", r#","name":[{"text":"박무관"}]"#);
    house.write(own, "Medication", "m1", r#","code":{"coding":[{"code":"644504100"}],"text":"아목시실린캡슐"}"#);
    house.write(
        owner,
        "Encounter",
        "v",
        r#","status":"finished","class":{"code":"AMB"},"period":{"start":"2019-03-05"},
           "participant":[{"individual":{"reference":"Practitioner/d1"}},{"individual":{"reference":"PractitionerRole/r1"}}],
           "serviceProvider":{"reference":"Organization/o1"}"#,
    );
    house.write(
        owner,
        "MedicationRequest",
        "rx",
        r#","status":"completed","encounter":{"reference":"Encounter/v"},"medicationReference":{"reference":"Medication/m1"}"#,
    );
    let inside = r##","status":"completed","contained":[{"resourceType":"Medication","id":"c","code":{"text":"덱시부프로펜"}}],
        "medicationReference":{"reference":"#c"},"encounter":{"reference":"Encounter/v"}"##;
    house.write(owner, "MedicationRequest", "rx2", inside);

    let issued = house.issue(&house.person(owner, Action::Issue), &Selection::Whole).expect("it can be issued");
    let shown = shown_in_issues(&house, owner);
    let context = [("Medication", 1), ("Organization", 1), ("Practitioner", 1), ("PractitionerRole", 1)];
    let second = [("Organization", 1), ("Practitioner", 1)];
    let told = |list: &[(&str, u32)]| list.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect::<Vec<_>>();
    assert_eq!(shown[..2], [told(&second), told(&context)], "one entry a round");
    assert_eq!(shown.len(), 4, "{shown:?}");
    let timeline = house.person(owner, Action::ReadTimeline);
    let timeline = house.archive.timeline(&timeline, &crate::TimelineQuery::default()).expect("it can be read");
    assert!(timeline.visits.iter().any(|visit| visit.doctor == "김의사, 이전공, 재활의학과"), "{:?}", timeline.visits);

    let Some(text) = tests::text_of(&issued.bytes) else { return };
    for wanted in ["김의사", "이전공", "재활의학과", "한마음재활센터", "아목시실린캡슐", "644504100", "덱시부프로펜"]
    {
        assert!(text.contains(wanted), "{wanted} is not on the pages:\n{text}");
    }
    for unwanted in ["박무관", "02-555-0199"] {
        assert!(!text.contains(unwanted), "{unwanted} is nobody's to see:\n{text}");
    }
}

#[test]
fn one_record_is_issued_under_its_visit_and_only_that_is_read() {
    let house = House::new();
    let (owner, key) = house.chart("p1", 98);
    house.write(
        owner,
        "Condition",
        "c",
        r#","code":{"text":"비밀스러운진단"},"encounter":{"reference":"Encounter/p1-e"}"#,
    );
    house.write(
        owner,
        "Encounter",
        "p1-e",
        r#","status":"finished","class":{"code":"AMB"},"period":{"start":"2019-03-05"},"serviceType":{"text":"내분비내과"},
           "reasonCode":[{"text":"말하기힘든사유"}]"#,
    );
    let issued =
        house.issue(&house.person(owner, Action::Issue), &Selection::Records(vec![key.id])).expect("it can be issued");
    for what in shown_in_issues(&house, owner) {
        let kinds: Vec<&str> = what.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["Encounter", "Observation", "Patient"], "nothing else was opened");
    }
    let Some(text) = tests::text_of(&issued.bytes) else { return };
    for wanted in ["98 mg/dL", "2019-03-05", "내분비내과", "고르신 것만"] {
        assert!(text.contains(wanted), "{wanted} is not on the pages:\n{text}");
    }
    for unwanted in ["비밀스러운진단", "말하기힘든사유"] {
        assert!(!text.contains(unwanted), "{unwanted} was not chosen:\n{text}");
    }
}

#[test]
fn a_document_comes_with_the_one_it_replaces_and_each_names_the_other() {
    let house = House::new();
    let (owner, _) = house.chart("p1", 98);
    let document = |id: &str, day: &str, rest: &str| {
        let kind = r#""type":{"coding":[{"system":"https://hanmaru.example/CodeSystem/document-kind","code":"medical-certificate"}]}"#;
        house.write(owner, "DocumentReference", id, &format!(r#",{kind},"date":"{day}"{rest}"#))
    };
    let first = document("old", "2019-03-05", r#","status":"superseded""#);
    let relation =
        r#","status":"current","relatesTo":[{"code":"replaces","target":{"reference":"DocumentReference/old"}}]"#;
    let second = document("new", "2019-03-09", relation);
    for chosen in [&first, &second] {
        let chosen = Selection::Records(vec![chosen.id]);
        let issued = house.issue(&house.person(owner, Action::Issue), &chosen).expect("it can be issued");
        let what = &shown_in_issues(&house, owner)[0];
        assert!(what.contains(&("DocumentReference".to_owned(), 2)), "original and amendment: {what:?}");
        let Some(text) = tests::text_of(&issued.bytes) else { continue };
        for wanted in ["대체한 문서", "#1", "이 문서를 대체한 문서", "#2", "2019-03-09"] {
            assert!(text.contains(wanted), "{wanted} is not on the pages:\n{text}");
        }
    }
    let timeline = house.person(owner, Action::ReadTimeline);
    let timeline = house.archive.timeline(&timeline, &crate::TimelineQuery::default()).expect("it can be read");
    let said = |key: &ResourceKey| {
        let entry = timeline.loose.iter().find(|entry| entry.key == *key).expect("both are there");
        entry.relations.iter().map(|one| (one.code.clone(), one.is_passive, one.other)).collect::<Vec<_>>()
    };
    assert_eq!(said(&second), [("replaces".to_owned(), false, first.id)]);
    assert_eq!(said(&first), [("replaces".to_owned(), true, second.id)]);
}

#[test]
fn a_document_counts_only_once_its_leaf_is_sealed() {
    let house = House::new();
    let (owner, _) = house.chart("p1", 98);
    let permit = house.person(owner, Action::Issue);
    let (first, second) = (house.issue(&permit, &Selection::Whole), house.issue(&permit, &Selection::Whole));
    let (first, second) = (first.expect("it can be issued"), second.expect("and again"));
    assert_ne!(first.number, second.number);
    let index = |pdf: &IssuedPdf| house.archive.verify(&pdf.bytes).expect("it verifies").index;
    assert!(index(&second) > index(&first));
}
