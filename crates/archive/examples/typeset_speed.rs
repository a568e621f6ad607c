//! How long typesetting and stamping take: charts of about 30 pages, each different from the last, one by one and from two
//! threads at once. Not a test: it prints figures and judges nothing.

use archive::issue::content::Text;
use archive::issue::{
    DocumentNumber, IssueContent, Locale, Masthead, Record, Source, SourceInstitution, Subject, Typesetter, Version,
    stamp,
};
use base::SystemRandom;
use fhir::json::{Limits, Value, parse};
use std::time::Instant;

/// Visits of one chart, which make about 30 pages.
const VISITS: usize = 34;
const ROUNDS: usize = 8;

fn main() {
    let began = Instant::now();
    let typesetter = Typesetter::new();
    println!("fonts and template read in {:?}", began.elapsed());
    for round in 0..ROUNDS {
        let texts = chart(round);
        let began = Instant::now();
        let content = gather(&texts);
        let gathered = began.elapsed();
        let rendered = typesetter.render(content, Locale::Ko).expect("the chart can be set");
        let set = began.elapsed();
        let unsealed = stamp::prepare(rendered.pdf).expect("the typesetter's own form");
        println!(
            "round {round}: {} pages, {} bytes, gathered in {gathered:?}, set in {:?}, stamped in {:?}, {:?} in all",
            rendered.pages,
            unsealed.len(),
            set - gathered,
            began.elapsed() - set,
            began.elapsed()
        );
    }
    let began = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let typesetter = &typesetter;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let texts = chart(1_000 * (thread + 1) + round);
                    typesetter.render(gather(&texts), Locale::Ko).expect("the chart can be set");
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    println!("two threads: {:.1} documents a second", 2.0 * ROUNDS as f64 / seconds);
}

fn gather(texts: &[String]) -> IssueContent {
    let resources = texts.iter().map(|text| parse(text.as_bytes(), &Limits::default()).expect("the chart is JSON"));
    let record = |value: Value<'static>| {
        let text = |member: &str| value.str(member).unwrap_or_default().to_owned();
        Record {
            kind: text("resourceType"),
            id: text("id"),
            versions: vec![Version { number: 1, value, position: Some(1), files: Vec::new() }],
        }
    };
    let institution = SourceInstitution {
        code: "31100001".into(),
        name: "서울사랑의원".into(),
        kind: "31".into(),
        records: resources.map(|value| record(value.into_owned())).collect(),
        ..SourceInstitution::default()
    };
    let head = Masthead {
        issuer: "한마루 진료기록 보관소".into(),
        issued: "2026-11-22 18:05:33".into(),
        subject: Subject { name: "홍길동".into(), birth_date: "1980-01-02".into() },
        selection: Text::word("selection.whole"),
        ..Masthead::default()
    };
    let number = DocumentNumber::random(2026, &SystemRandom);
    IssueContent::gather(
        head.numbered(&number, "https://records.hanmaru.example"),
        &Source { institutions: vec![institution] },
    )
}

/// The resources of a chart, as JSON. Figures differ from seed to seed, so that no result can be remembered.
fn chart(seed: usize) -> Vec<String> {
    let mut texts = vec![format!(
        r#"{{"resourceType":"Patient","id":"p","name":[{{"text":"홍길동{seed}"}}],"gender":"male","birthDate":"1980-01-02"}}"#
    )];
    for visit in 0..VISITS {
        let (year, day) = (2015 + visit / 4, 1 + (visit + seed) % 28);
        let date = format!("{year}-{:02}-{day:02}", 1 + 3 * (visit % 4));
        let encounter = format!(r#""encounter":{{"reference":"Encounter/e{visit}"}}"#);
        texts.push(format!(
            r#"{{"resourceType":"Encounter","id":"e{visit}","status":"finished","class":{{"code":"AMB"}},"serviceType":{{"text":"내과"}},
            "period":{{"start":"{date}T09:30:00+09:00"}},"reasonCode":[{{"text":"기침과 열이 {seed}일째"}}]}}"#
        ));
        texts.push(format!(
            r#"{{"resourceType":"Condition","id":"c{visit}",{encounter},"recordedDate":"{date}","note":[{{"text":"해열제를 먹고 나아짐 {seed}"}}],
            "code":{{"coding":[{{"system":"http://www.hl7korea.or.kr/CodeSystem/kostat-kcd-8","version":"2021","code":"J20.9","display":"상세불명의 급성 기관지염"}}]}}}}"#
        ));
        for (place, (name, unit)) in TESTS.iter().enumerate() {
            let value = (seed * 31 + visit * 7 + place * 13) % 997;
            texts.push(format!(
                r#"{{"resourceType":"Observation","id":"o{visit}-{place}","status":"final",{encounter},"effectiveDateTime":"{date}T09:50:00+09:00",
                "category":[{{"coding":[{{"code":"laboratory"}}]}}],"code":{{"text":"{name}"}},"valueQuantity":{{"value":{value}.5,"unit":"{unit}"}},
                "referenceRange":[{{"low":{{"value":1.5}},"high":{{"value":500,"unit":"{unit}"}}}}],"interpretation":[{{"coding":[{{"code":"N"}}]}}]}}"#
            ));
        }
        for (place, name) in DRUGS.iter().enumerate() {
            texts.push(format!(
                r#"{{"resourceType":"MedicationRequest","id":"m{visit}-{place}","status":"completed",{encounter},"authoredOn":"{date}",
                "medicationCodeableConcept":{{"coding":[{{"code":"6499{seed}","display":"{name}"}}]}},
                "dosageInstruction":[{{"text":"하루 {} 번 밥 먹고 30분 뒤"}}],"dispenseRequest":{{"quantity":{{"value":{seed},"unit":"정"}}}}}}"#,
                1 + visit % 3
            ));
        }
        texts.push(format!(
            r#"{{"resourceType":"DiagnosticReport","id":"d{visit}","status":"final",{encounter},"effectiveDateTime":"{date}","code":{{"text":"흉부 X선 판독"}},
            "conclusion":"양쪽 폐 아래쪽의 기관지 벽이 두꺼워져 있습니다. 폐렴을 의심할 음영은 없고 심장 크기는 정상 범위입니다. 이전 검사 {seed}-{visit}와 견주어 달라진 점이 없습니다."}}"#
        ));
    }
    texts
}

const TESTS: [(&str, &str); 12] = [
    ("백혈구", "10^3/µL"),
    ("적혈구", "10^6/µL"),
    ("혈색소", "g/dL"),
    ("혈소판", "10^3/µL"),
    ("C-반응단백", "mg/dL"),
    ("크레아티닌", "mg/dL"),
    ("혈당", "mg/dL"),
    ("총콜레스테롤", "mg/dL"),
    ("AST", "U/L"),
    ("ALT", "U/L"),
    ("나트륨", "mmol/L"),
    ("칼륨", "mmol/L"),
];
const DRUGS: [&str; 4] =
    ["암로디핀정5밀리그램", "아세트아미노펜정500밀리그램", "레보드로프로피진시럽", "암브록솔정30밀리그램"];
