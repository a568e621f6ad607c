//! The canaries, and a hospital whose records carry them: in every kind of place in which hospitals write something about
//! somebody.

use super::forms::Canary;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use synth::people::Person;
use testkit::{BagBuilder, NATIONAL_NUMBERS, one_page_pdf, person};
use unicode_normalization::UnicodeNormalization;

/// The hospital.
pub const CODE: &str = "31999907";

/// What stands in records, by where.
const IN_RECORDS: [(&str, &str); 32] = [
    ("name", "남궁쀍뤠갉"),
    ("second name", "독고꿿멩붏"),
    ("chart number", "CHT-7Q4Z-88213"),
    ("second chart number", "CHT-5W1X-66407"),
    ("further number", "MRN55Q0Z7193"),
    ("passport number", "M70C4NRY91Q"),
    ("telephone", "02-7391-5580"),
    ("mail of a patient", "qzx.patient.7391@canary.example"),
    ("address", "가나뤼대로칠삼구일번길"),
    ("relative", "선우쫣뎅묽"),
    ("doctor", "제갈뛟은쐙"),
    ("diagnosis text", "붸체트갉나뤼증후군"),
    ("diagnosis display", "꿿염갉나뤼성"),
    ("diagnosis code", "QZX739158"),
    ("annotation", "퇴원뒤뤠갉에쐙다시"),
    ("reason of a visit", "두통뤠갉쐙호소함"),
    ("drug", "뤼보쎄틴갉나정"),
    ("dosage", "아침뤠식후갉두알"),
    ("finding", "갉상선쐙결절뤠의심"),
    ("narrative", "서술뤠문쐙갉카나리"),
    ("note in a resource", "이진뤠메모쐙갉카나리"),
    ("title of a document", "소견뤠서쐙갉제목"),
    ("description of a document", "설명뤠글쐙갉문서"),
    ("name of a file", "뤠갉쐙진료기록지"),
    ("number in a file name", "qzx4417filename"),
    ("words in a document", "qzx8820documentwords"),
    ("words in a page", "qzx8821hypertextwords"),
    ("loose file", "qzx8822loosefilewords"),
    ("broken line", "qzx8823brokenlinewords"),
    ("wrong value", "qzx8824wrongvaluewords"),
    ("name of an element", "qzx8825elementname"),
    ("depositor", "황보뤠쾗임"),
];

/// What people of the installation, visitors and strangers write, by where.
const TYPED: [(&str, &str); 35] = [
    ("administrator", "사공뤠쐙갉"),
    ("clinician", "어금뤠쾗갉"),
    ("steward", "동방뤠쐐갉"),
    ("security officer", "망절뤠쎙갉"),
    ("support", "서문뤠쒕갉"),
    ("invited", "황목뤠쀏갉"),
    ("mail of a member of staff", "qzx.duty.5513@canary.example"),
    ("name of a passkey", "뤠갉의휴대전화쐙"),
    ("words of a search", "뤠갉쐙병원찾기"),
    ("name of an upload", "뤠갉쐙내진단서"),
    ("words of an upload", "qzx9917uploadwords"),
    ("reason of a request", "외래뤠진료쐙갉때문"),
    ("reason of an emergency", "의식뤠없음쐙갉응급"),
    ("review", "검토뤠결과쐙갉타당"),
    ("question", "왜뤠보셨쐙습니갉까"),
    ("answer", "동명뤠이인쐙갉착각"),
    ("note of a case", "전화뤠확인쐙갉메모"),
    ("end of a case", "종결뤠사유쐙갉기록"),
    ("month", "월간뤠점검쐙갉서명"),
    ("proof", "주민뤠등록증쐙갉확인"),
    ("reason of a recovery", "분실뤠신고쐙갉접수"),
    ("reason of an erasure", "파기뤠요청쐙갉본인"),
    ("period", "뤠갉쐙작년봄부터"),
    ("grantee", "뤠갉쐙옆집병원"),
    ("code of a relative", "뤠갉쐙대리인코드"),
    ("unknown number", "CHT-9V2Y-55119"),
    ("code of an app", "qzx6601wrongcode"),
    ("token of a form", "qzx6602wrongtoken"),
    ("agent of a stranger", "qzx6603useragent"),
    ("query of a stranger", "qzx6604querystring"),
    ("path of a stranger", "qzx6605strangerpath"),
    ("referrer of a stranger", "qzx6606referrerpath"),
    ("cookie of a stranger", "qzx6607cookievalue"),
    ("header of a stranger", "qzx6608headervalue"),
    ("body of a stranger", "qzx6609bodyofform"),
];

/// The people: the first has her records under canaries, the second his name and number.
pub fn people() -> [Person; 2] {
    let of = |name: &'static str| {
        let text = IN_RECORDS.iter().find(|(known, _)| *known == name).expect("it is above").1;
        person(text)
    };
    [of("name"), of("second name")]
}

/// Every canary.
pub fn canaries() -> Vec<Canary> {
    let [one, two] = people();
    let hyphened = |rrn: &str| format!("{}-{}", &rrn[..6], &rrn[6..]);
    let numbers = [
        ("resident number", hyphened(&one.rrn)),
        ("second resident number", hyphened(&two.rrn)),
        ("connecting information", one.ci),
        ("mobile number", one.mobile),
    ];
    let texts = IN_RECORDS.into_iter().chain(TYPED).map(|(name, text)| (name, text.to_owned()));
    let all = texts.chain(numbers).map(|(name, text)| Canary { name, text });
    all.collect()
}

/// The bag, as hospitals write them, and with what they get wrong.
pub fn bag(root: &Path) -> PathBuf {
    let all = canaries();
    let t = |name: &str| all.iter().find(|canary| canary.name == name).expect("it is above").text.clone();
    let [one, two] = people();
    let (chart, second) = (t("chart number"), t("second chart number"));
    let subject = json!({"reference": format!("Patient/{chart}")});
    let encounter = json!({"reference": "Encounter/v1"});
    let mut bag = BagBuilder::new(CODE).info("Depositor", Some(&t("depositor")));
    bag = bag.resource(&patient(&t, &one, &chart)).patient(&second, &two);
    bag = bag.visit(&second, "v2", "2023-02-03");
    for resource in records(&t, &subject, &encounter) {
        bag = bag.resource(&resource);
    }
    let file = format!("{}_{}_{}.pdf", t("name of a file"), t("number in a file name"), one.rrn);
    bag = bag.document(&chart, "d1", &file, "application/pdf", &one_page_pdf(&t("words in a document")));
    let page = format!("<html><script>alert('{}')</script></html>", t("words in a page"));
    bag = bag.document(&chart, "d2", "page.html", "text/html", page.as_bytes());
    bag = bag.document(&chart, "d3", "drawing.pdf", "application/pdf", page.replace("html", "svg").as_bytes());
    let loose: String = format!("data/documents/{}.txt", t("name of a file")).nfd().collect();
    bag = bag.file(&loose, t("loose file"));
    bag = bag.line("Condition", format!("{{\"resourceType\":\"Condition\",\"id\":\"{}", t("broken line")));
    let (wrong, element) = (t("wrong value"), t("name of an element"));
    let condition = json!({"resourceType": "Condition", "id": "c9", "subject": subject, "recordedDate": wrong,
        "code": {"text": wrong}, element.as_str(): wrong});
    bag = bag.resource(&condition);
    let unknown = json!({"resourceType": wrong, "id": "x1", "subject": subject});
    bag = bag.line("Condition", unknown.to_string());
    bag.write(root).root
}

fn patient(t: &dyn Fn(&str) -> String, one: &Person, chart: &str) -> Value {
    let decomposed: String = one.name.nfd().collect();
    json!({
        "resourceType": "Patient", "id": chart,
        "text": {"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>", t("narrative"))},
        "identifier": [
            {"system": NATIONAL_NUMBERS, "value": one.rrn},
            {"system": "urn:example:chart", "value": t("further number")},
            {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PPN"}]},
             "system": "urn:example:passport", "value": t("passport number")}
        ],
        "name": [{"text": decomposed}],
        "telecom": [
            {"system": "phone", "value": one.mobile}, {"system": "phone", "value": t("telephone")},
            {"system": "email", "value": t("mail of a patient")}
        ],
        "address": [{"text": t("address"), "line": [t("address")], "city": t("address")}],
        "contact": [{"name": {"text": t("relative")}, "telecom": [{"system": "phone", "value": t("telephone")}]}],
        "gender": one.sex.code(), "birthDate": one.birth_date.to_string()
    })
}

fn records(t: &dyn Fn(&str) -> String, subject: &Value, encounter: &Value) -> Vec<Value> {
    let doctor = json!({"reference": "Practitioner/dr1", "display": t("doctor")});
    vec![
        json!({"resourceType": "Practitioner", "id": "dr1", "name": [{"text": t("doctor")}]}),
        json!({"resourceType": "Encounter", "id": "v1", "status": "finished", "subject": subject,
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "reasonCode": [{"text": t("reason of a visit")}], "participant": [{"individual": doctor}],
            "period": {"start": "2024-03-31T10:00:00+09:00", "end": "2024-03-31T10:20:00+09:00"}}),
        json!({"resourceType": "Condition", "id": "c1", "subject": subject, "encounter": encounter,
            "code": {"coding": [{"system": "urn:oid:1.2.410.100110.10.1", "code": t("diagnosis code"),
                "display": t("diagnosis display")}], "text": t("diagnosis text")},
            "note": [{"text": t("annotation")}], "recordedDate": "2024-03-31T10:10:00+09:00"}),
        json!({"resourceType": "MedicationRequest", "id": "m1", "status": "completed", "intent": "order",
            "subject": subject, "encounter": encounter, "medicationCodeableConcept": {"text": t("drug")},
            "dosageInstruction": [{"text": t("dosage")}], "authoredOn": "2024-03-31"}),
        json!({"resourceType": "Observation", "id": "o1", "status": "final", "subject": subject, "encounter": encounter,
            "code": {"text": t("finding")}, "valueString": t("finding"), "effectiveDateTime": "2024-03-31"}),
        json!({"resourceType": "DocumentReference", "id": "d0", "status": "current", "subject": subject,
            "type": {"text": t("title of a document")}, "description": t("description of a document"),
            "date": "2024-03-31T10:30:00+09:00", "context": {"encounter": [encounter]},
            "content": [{"attachment": {"contentType": "application/pdf", "title": t("title of a document"),
                "url": format!("documents/{}_{}_{}.pdf", t("name of a file"), t("number in a file name"),
                    t("resident number").replace('-', ""))}}]}),
        json!({"resourceType": "Binary", "id": "b1", "contentType": "text/plain", "securityContext": subject,
            "data": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, t("note in a resource"))}),
    ]
}
