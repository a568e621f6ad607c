//! Documents as a whole: what goes in stands on the pages, nothing in a record acts, and what cannot be drawn is named.

use super::content::{Section, Text};
use super::*;
use fhir::json::{Limits, Value, parse};
use std::sync::LazyLock;

static TYPESETTER: LazyLock<Typesetter> = LazyLock::new(Typesetter::new);

fn record(text: &str) -> Record<'_> {
    versions(&[text])
}

fn versions<'a>(texts: &[&'a str]) -> Record<'a> {
    let parsed = |text: &'a str| parse(text.as_bytes(), &Limits::default()).expect("test JSON is valid");
    let first = parsed(texts[0]);
    let member = |name: &str| first.str(name).expect("a resource has type and id").to_owned();
    let version = |(place, text): (usize, &&'a str)| Version {
        number: place as u32 + 1,
        value: parsed(text),
        position: Some(place as u64 + 40),
        files: Vec::new(),
    };
    Record { kind: member("resourceType"), id: member("id"), versions: texts.iter().enumerate().map(version).collect() }
}

fn gather(mut records: Vec<Record>, files: Vec<SourceFile>) -> IssueContent {
    records.iter_mut().flat_map(|record| &mut record.versions).for_each(|version| version.files.clone_from(&files));
    let institution = SourceInstitution {
        code: "31100001".into(),
        name: "서울사랑의원".into(),
        kind: "31".into(),
        records,
        ..SourceInstitution::default()
    };
    let number = DocumentNumber::random(2026, &base::SeededRandom::new(1));
    let head = Masthead { issuer: "한마루".into(), issued: "2026-11-22 18:05:33".into(), ..Masthead::default() };
    let source = Source { institutions: vec![institution] };
    IssueContent::gather(head.numbered(&number, "https://records.hanmaru.example/"), &source)
}

/// The text on the pages, by Poppler; `None`, said aloud, where that is not installed.
pub(super) fn text_of(pdf: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("issued.pdf");
    std::fs::write(&path, pdf).expect("the folder is writable");
    let Ok(output) = std::process::Command::new("pdftotext").arg("-layout").arg(&path).arg("-").output() else {
        eprintln!("SKIPPED: pdftotext is not installed, so the text on the pages was not read");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn shown(content: IssueContent, locale: Locale, wanted: &[&str]) -> Rendered {
    let rendered = TYPESETTER.render(content, locale).expect("the document can be set");
    if let Some(text) = text_of(&rendered.pdf) {
        let squeezed: String = text.split_whitespace().collect();
        for wanted in wanted {
            let wanted: String = wanted.split_whitespace().collect();
            assert!(squeezed.contains(&wanted), "{wanted} is not on the pages:\n{text}");
        }
    }
    rendered
}

const ENCOUNTER: &str = r#"{"resourceType":"Encounter","id":"e1","status":"finished","class":{"code":"AMB"},
    "period":{"start":"2019-03-05T09:30:00+09:00"},"participant":[{"individual":{"reference":"Practitioner/d1"}}]}"#;
const DOCTOR: &str = r#"{"resourceType":"Practitioner","id":"d1","name":[{"text":"김의사"}]}"#;

#[test]
fn a_korean_visit_stands_on_the_page_with_its_code_version_and_reference_range() {
    let records = vec![
        record(
            r#"{"resourceType":"Patient","id":"p","name":[{"text":"박아픔"}],"gender":"male","birthDate":"2001-01-01",
            "identifier":[{"type":{"coding":[{"code":"MR"}]},"value":"0012345"},{"system":"https://mois.go.kr/rrn","value":"010101-3234567"}]}"#,
        ),
        record(ENCOUNTER),
        record(DOCTOR),
        record(
            r#"{"resourceType":"Condition","id":"c","encounter":{"reference":"Encounter/e1"},"recordedDate":"2019-03-05","code":{"coding":
            [{"system":"http://www.hl7korea.or.kr/CodeSystem/kostat-kcd-8","version":"2021","code":"N20.1","display":"요관의 결석"}]}}"#,
        ),
        record(
            r#"{"resourceType":"Observation","id":"o","status":"final","encounter":{"reference":"urn:uuid:e1"},"code":{"text":"칼륨"},
            "valueQuantity":{"value":5.60,"unit":"mmol/L"},"referenceRange":[{"low":{"value":3.50},"high":{"value":5.1,"unit":"mmol/L"}}],
            "interpretation":[{"coding":[{"code":"H"}]}],"effectiveDateTime":"2019-03-05T09:50:00+09:00"}"#,
        ),
    ];
    let content = gather(records, Vec::new());
    assert_eq!(content.institutions[0].visits[0].sections.len(), 2);
    let expected = [
        "진료기록 사본",
        "박아픔",
        "0012345",
        "외래",
        "김의사",
        "N20.1",
        "요관의 결석",
        "KCD-8 2021",
        "칼륨",
        "5.60 mmol/L",
        "높음",
    ];
    let rendered = shown(content, Locale::Ko, &expected);
    if let Some(text) = text_of(&rendered.pdf) {
        assert!(!text.contains("3234567"), "a resident registration number is on a page");
    }
}

#[test]
fn nothing_in_a_record_acts_as_markup() {
    let evil = r##"#panic() $x$ *b* _i_ `r` @ref <label> = h #read(\"/etc/passwd\") \\u{0} [x] //c"##;
    let patient = format!(r#"{{"resourceType":"Patient","id":"p","name":[{{"text":"{evil}"}}]}}"#);
    let report = format!(
        r#"{{"resourceType":"DiagnosticReport","id":"r","code":{{"text":"{evil}"}},"conclusion":"{evil}","encounter":{{"reference":"Encounter/e1"}}}}"#
    );
    let odd =
        format!(r##"{{"resourceType":"#eval","id":"x","{{n}}":"{evil}","word":"title","code":{{"text":"{evil}"}}}}"##);
    let content = gather(vec![record(&patient), record(ENCOUNTER), record(&report), record(&odd)], Vec::new());
    shown(content, Locale::Ko, &["#panic() $x$ *b* _i_ `r` @ref <label> = h #read(\"/etc/passwd\")", "#eval"]);
}

#[test]
fn both_editions_of_an_amended_record_are_shown() {
    let edition = |value: &str, at: &str| {
        format!(
            r#"{{"resourceType":"Observation","id":"o","meta":{{"lastUpdated":"{at}"}},"status":"final","code":{{"text":"혈당"}},
            "encounter":{{"reference":"Encounter/e1"}},"valueQuantity":{{"value":{value},"unit":"mg/dL"}}}}"#
        )
    };
    let (first, second) = (edition("980", "2019-03-05T10:00:00+09:00"), edition("98", "2019-03-11T11:00:00+09:00"));
    let content = gather(vec![record(ENCOUNTER), versions(&[&first, &second])], Vec::new());
    let Section::Table { rows, .. } = &content.institutions[0].visits[0].sections[0] else {
        panic!("tests are a table")
    };
    let marks: Vec<_> = rows.iter().map(|row| row.mark.as_ref().map(|mark| (mark.before, mark.edition))).collect();
    assert_eq!(marks, [Some((true, 1)), Some((false, 2))]);
    assert_eq!(
        content.summary.iter().map(|line| line.count).sum::<usize>(),
        2,
        "one visit and one test, not one an edition"
    );
    shown(
        content,
        Locale::Ko,
        &["정정 전", "980 mg/dL", "2019-03-05 10:00", "정정 후", "98 mg/dL", "2019-03-11 11:00"],
    );
}

#[test]
fn a_kind_without_a_form_is_shown_field_by_field() {
    let text = r#"{"resourceType":"NutritionOrder","id":"n","dateTime":"2019-03-05","encounter":{"reference":"Encounter/e1"},
        "oralDiet":{"type":[{"coding":[{"display":"저염식"}]}],"instruction":"하루 5그램 아래"},"enteralFormula":{"additiveType":{"text":"섬유질"}}}"#;
    let content = gather(vec![record(ENCOUNTER), record(text)], Vec::new());
    shown(content, Locale::Ko, &["그 밖의 기록", "저염식", "하루 5그램 아래", "섬유질"]);
}

#[test]
fn records_without_a_visit_are_shown_apart_and_in_english_too() {
    let text = r#"{"resourceType":"AllergyIntolerance","id":"a","code":{"text":"Dander (animal) allergy"},"category":["food"],
        "clinicalStatus":{"coding":[{"code":"active"}]},"recordedDate":"1971-05-29T05:49:32+00:00"}"#;
    let name =
        r#"{"resourceType":"Patient","id":"p","name":[{"family":"García","given":["José","Ñuño"],"prefix":["Mr."]}]}"#;
    let content = gather(vec![record(text), record(name)], Vec::new());
    assert_eq!(content.institutions[0].loose.len(), 1);
    shown(
        content,
        Locale::En,
        &[
            "Copy of Medical Records",
            "Records apart from visits",
            "Dander (animal) allergy",
            "food",
            "active",
            "Mr. José Ñuño García",
        ],
    );
}

fn document(id: &str, url: &str) -> String {
    format!(
        r#"{{"resourceType":"DocumentReference","id":"{id}","status":"current","date":"2019-03-05","description":"보험회사 제출용",
        "type":{{"coding":[{{"system":"https://hanmaru.example/CodeSystem/document-kind","code":"medical-certificate"}}]}},
        "content":[{{"attachment":{{"url":"{url}"}}}}]}}"#
    )
}

fn file(url: &str, bytes: &[u8]) -> SourceFile {
    SourceFile { url: url.into(), bytes: Ok(bytes.into()) }
}

fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let image = image::DynamicImage::ImageLuma8(image::GrayImage::from_pixel(40, 60, image::Luma([180])));
    image.write_to(&mut bytes, image::ImageFormat::Png).expect("a small image can be written");
    bytes.into_inner()
}

#[test]
fn images_and_pages_of_deposited_pdfs_become_sheets() {
    let deposited = TYPESETTER.render(gather(vec![record(ENCOUNTER)], Vec::new()), Locale::Ko).expect("it can be set");
    let texts = [document("d1", "documents/a.pdf"), document("d2", "documents/b.png")];
    let files = vec![file("documents/a.pdf", &deposited.pdf), file("documents/b.png", &png())];
    let content = gather(texts.iter().map(|text| record(text)).collect(), files);
    let sheets: Vec<_> =
        content.documents.iter().flat_map(|d| &d.sheets).map(|sheet| (sheet.format, sheet.page)).collect();
    assert_eq!(sheets, [("pdf", 1), ("pdf", 2), ("png", 1)]);
    let rendered = shown(content, Locale::Ko, &["문서 1 · 진단서", "사본", "보험회사 제출용"]);
    assert_eq!((rendered.pages, rendered.undrawn.len()), (5, 0));
}

#[test]
fn what_cannot_be_drawn_is_listed_with_its_reason() {
    let names = ["gone.pdf", "empty.png", "notes.hwp", "broken.pdf", "lost.jpg"];
    let texts: Vec<String> = names.iter().map(|name| document(name, name)).collect();
    let lost = SourceFile { url: "lost.jpg".into(), bytes: Err(FileFault::Unreachable) };
    let files =
        vec![file("empty.png", b""), file("notes.hwp", b"HWP Document File"), file("broken.pdf", b"%PDF-1.4\n"), lost];
    let content = gather(texts.iter().map(|text| record(text)).collect(), files);
    let reasons: Vec<_> = content.undrawn.iter().map(|one| (one.name.as_str(), one.reason.clone())).collect();
    let expected = [
        ("broken.pdf", Text::word("reason.damaged")),
        ("empty.png", Text::word("reason.empty")),
        ("gone.pdf", Text::word("reason.not-deposited")),
        ("lost.jpg", Text::word("reason.unreachable")),
        ("notes.hwp", Text::word("reason.format")),
    ];
    assert_eq!(reasons, expected);
    shown(content, Locale::Ko, &["싣지 못한 자료", "gone.pdf", "파일이 손상되어 그릴 수 없습니다."]);
}

#[test]
fn a_file_that_only_the_typesetter_finds_broken_does_not_stop_the_rest() {
    let mut broken = png();
    let middle = broken.len() - 20;
    broken[middle] ^= 0xff;
    assert!(sheets::look(&broken.clone().into()).is_ok(), "its head is whole, so that looking at it says nothing");
    let texts = [document("d1", "a.png"), document("d2", "b.png")];
    let content =
        gather(texts.iter().map(|text| record(text)).collect(), vec![file("a.png", &broken), file("b.png", &png())]);
    let rendered = shown(content, Locale::En, &["What could not be shown", "a.png", "Document 2"]);
    assert_eq!(rendered.undrawn.len(), 1);
    assert_eq!(rendered.undrawn[0].reason, Text::word("reason.damaged"));
}

#[test]
fn letters_that_no_font_has_are_named() {
    let text = r#"{"resourceType":"Patient","id":"p","name":[{"text":"𠮷野 µ å ž я Ω"}]}"#;
    let rendered = TYPESETTER.render(gather(vec![record(text)], Vec::new()), Locale::Ko).expect("it can be set");
    let names: Vec<_> = rendered.undrawn.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["U+20BB7"]);
}

#[test]
fn too_many_files_are_refused() {
    let mut content = gather(Vec::new(), Vec::new());
    let one = content::DrawnFile { document: 0, name: String::new(), bytes: Vec::new().into(), pdf2: false };
    content.files = vec![one; typeset::FILES_MAX + 1];
    assert!(matches!(TYPESETTER.render(content, Locale::Ko), Err(TypesetError::TooMuch { .. })));
    let mut content = gather(vec![record(ENCOUNTER)], Vec::new());
    content.summary[0].count = typeset::RECORDS_MAX + 1;
    assert!(matches!(TYPESETTER.render(content, Locale::Ko), Err(TypesetError::TooMuch { .. })));
    let mut content = gather(Vec::new(), Vec::new());
    content.head.verify_url = "x".repeat(10_000);
    assert!(matches!(TYPESETTER.render(content, Locale::Ko), Err(TypesetError::Square)));
}

#[test]
fn every_resource_of_a_foreign_bundle_is_shown() {
    let Ok(folder) = std::env::var("HANMARU_CONFORMANCE") else {
        eprintln!("SKIPPED: HANMARU_CONFORMANCE is not set, so no Synthea bundle was typeset");
        return;
    };
    let text = std::fs::read(std::path::Path::new(&folder).join("synthea/b42.json")).expect("the bundle is there");
    let bundle = parse(&text, &Limits::default()).expect("the bundle is JSON");
    let resource = |entry: &Value<'static>| {
        let value = entry.get("resource").expect("entries hold resources").clone();
        let member = |name: &str| value.str(name).unwrap_or_default().to_owned();
        Record {
            kind: member("resourceType"),
            id: member("id"),
            versions: vec![Version { number: 1, value, position: None, files: Vec::new() }],
        }
    };
    let records: Vec<Record> = bundle.into_owned().each("entry").map(resource).collect();
    let context =
        records.iter().filter(|r| matches!(r.kind.as_str(), "Patient" | "Practitioner" | "Organization")).count();
    let (all, content) = (records.len(), gather(records, Vec::new()));
    assert_eq!(content.summary.iter().map(|line| line.count).sum::<usize>(), all - context);
    assert_eq!(content.institutions[0].visits.len(), 20);
    let rendered = shown(content, Locale::En, &["Atopic dermatitis", "Emergency"]);
    assert!(rendered.pages > 10 && rendered.undrawn.is_empty(), "{:?}", rendered.undrawn);
}
