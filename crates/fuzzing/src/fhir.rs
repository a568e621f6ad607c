//! Targets for FHIR: a line of NDJSON, texts with a form of their own, FHIRPath.

use fhir::date::{DateTime, Time};
use fhir::fhirpath::{Context, Expression};
use fhir::search::{Options, Selection, clinical_date, encounter_of, index_all, patient_of};
use fhir::{Limits, Resource, Target, Value};

const LIMITS: Limits = Limits { bytes_max: 1 << 16, depth_max: 64, values_max: 10_000 };

const PATIENT: &[u8] = r#"{"resourceType":"Patient","id":"p","active":true,"birthDate":"1980-02-29","multipleBirthInteger":2,
    "name":[{"use":"official","text":"김하나","given":["하나"],"family":"김"},{"given":["a","b"]}],
    "contact":[{"telecom":[{"system":"phone","value":"02"}]}],"managingOrganization":{"reference":"Organization/1"},
    "extension":[{"url":"https://x","valueQuantity":{"value":1.50,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}}]}"#
    .as_bytes();

pub fn json_seeds() -> Vec<Vec<u8>> {
    let others = [
        r#"{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8480-6","display":"혈압"}]},"subject":{"reference":"Patient/p"},"encounter":{"reference":"Encounter/e"},"effectiveDateTime":"2024-04-01T10:30:00+09:00","valueQuantity":{"value":-1.50e3,"unit":"mmHg"},"component":[{"code":{"text":"x"},"valueString":"\ud55c\u0000"}]}"#,
        r#"{"resourceType":"Encounter","id":"e","status":"finished","class":{"code":"AMB"},"subject":{"reference":"https://x/fhir/Patient/p/_history/2"},"period":{"start":"2024","end":"2024-02-29"}}"#,
        r#"{"resourceType":"DocumentReference","id":"d","content":[{"attachment":{"contentType":"application/pdf","url":"documents/%EA%B0%80.pdf","data":"AAAA","size":3}}],"contained":[{"resourceType":"Patient","id":"q"}],"_status":{"extension":[{"url":"x","valueCode":"a"}]}}"#,
    ];
    let mut seeds: Vec<Vec<u8>> = others.iter().map(|text| text.as_bytes().to_vec()).collect();
    seeds.extend([PATIENT.to_vec(), b"[1,-0,0.10,1e5,\"\\ud83d\\ude00\",{},[],null,true]".to_vec()]);
    seeds
}

/// A line of NDJSON from a bag: parsed, written and parsed again, validated, indexed, and searched for references.
pub fn json(bytes: &[u8]) {
    if let Ok(resource) = Resource::parse(bytes, &LIMITS) {
        assert_eq!(resource.bytes(), bytes, "a resource keeps its bytes");
        let _ = (resource.references().count(), resource.attachment_urls().count());
    }
    let Ok(value) = fhir::json::parse(bytes, &LIMITS) else { return };
    let mut text = String::new();
    value.write_to(&mut text);
    let limits = Limits { bytes_max: 1 << 20, ..LIMITS };
    let again = fhir::json::parse(text.as_bytes(), &limits).expect("what was written can be read");
    assert!(again == value, "what was written is what was read");
    let report = fhir::validate(&value);
    if value.is_object() {
        let _ = (patient_of(&value), encounter_of(&value), clinical_date(&value, &Options::default()));
        let _ = index_all(&value, &Selection::all(), &Options::default());
    }
    if report.is_valid() {
        references(&text, &value);
    }
}

/// What is found without parsing is at least what parsing finds.
fn references(text: &str, value: &Value<'_>) {
    let mut found = Vec::new();
    fhir::reference::each_text(text, &mut |reference| found.push(reference.to_owned()));
    fhir::visit_references(value, &mut |reference, _| {
        let is_plain = !reference.contains(|letter: char| letter == '"' || letter == '\\' || letter.is_control());
        assert!(!is_plain || found.iter().any(|one| one == reference), "a reference is missed");
    });
}

pub fn text_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "2024-02-29T12:30:59.123456789+09:00",
        "2024-02",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:60-14:00",
        "12:30:59.1",
        "Patient/p-1",
        "https://x.example/fhir/Patient/p/_history/2",
        "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
        "#contained",
        r#"{"reference":"Patient/1","x":{"reference" : "A/b"}}"#,
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Texts inside a resource that have a form of their own: dates, times, references, and JSON that is scanned and not parsed.
pub fn texts(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(moment) = DateTime::parse(text) {
        let interval = moment.interval(540);
        assert!(interval.low_us <= interval.high_us, "an interval has a direction");
        let _ = (moment.in_utc(), moment.plus_months(-7), moment.plus_months(1_000_000), moment.plus_us(-1));
    }
    let _ = (DateTime::is_date(text), DateTime::is_date_time(text), DateTime::is_instant(text), Time::parse(text));
    if let Target::Relative { kind, id, .. } = Target::parse(text) {
        assert!(text.starts_with(&format!("{kind}/{id}")) && fhir::reference::is_id(id), "type and id are of the text");
    }
    let mut length = 0;
    fhir::reference::each_text(text, &mut |reference| length += reference.len());
    assert!(length <= text.len(), "what is found stands in the text");
}

pub fn path_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "Patient.name.where(use = 'official').given.first() & ' ' & name.family",
        "birthDate + 1 year < today() and (birthDate - 3 'mo').lowBoundary(8) is date",
        "name.given.aggregate(iif($total.empty(), $this, $total + ',' + $this), '')",
        "extension('https://x').value.as(Quantity) > 1 'mg' or (1.5 'kg' ~ 1500 'g')",
        "name.repeat(given).distinct().combine('a' | 'b').select($this.length() mod 3 div 2)",
        "'ab'.encode('base64').decode('base64').replaceMatches('(a+)+', '$1').toChars().count()",
        "@2024-02-29T12:00:00.000+09:00.highBoundary(17) = @T12:30.lowBoundary(9)",
        "(1.0000000000001).round(3).power(0.5).ln().exp().toQuantity('kg').toString()",
        "Patient.descendants().ofType(string).matches('^[가-힣]+$').allTrue()",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// A FHIRPath expression: compiled, and evaluated over a resource within a budget.
pub fn path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(expression) = Expression::compile(text) else { return };
    let patient = fhir::json::parse(PATIENT, &Limits::default()).expect("it is written above");
    for is_strict in [false, true] {
        let context = Context { is_strict, steps_max: 20_000, ..Context::default() };
        let found = expression.evaluate(&patient, &context).map_or(0, |items| items.len());
        assert!(found <= 20_000, "what is found is within the budget");
    }
}
