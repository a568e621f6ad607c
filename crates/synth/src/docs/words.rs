//! What the documents say, in Korean as hospitals write it. Amounts of money are made up.

use super::Kind;
use super::page::{Block, Sheet};
use crate::catalogue::ActKind;
use crate::chart::{Class, Event, Story, Subject, Visit, flag};
use crate::people::Sex;
use jiff::civil::Date;

/// What a document needs to know besides its chart.
pub(crate) struct Occasion<'a> {
    pub(crate) kind: Kind,
    pub(crate) story: &'a Story,
    /// Place of its visit.
    pub(crate) visit: usize,
    /// The id it is filed under.
    pub(crate) number: &'a str,
    pub(crate) written: Date,
    /// Whether it replaces an earlier one.
    pub(crate) corrected: bool,
}

/// The words of a document.
pub(crate) fn sheet(subject: &Subject<'_>, occasion: &Occasion<'_>) -> Sheet {
    let visit = &occasion.story.visits[occasion.visit];
    let institution = subject.institution;
    let staff = &institution.staff[visit.doctor];
    let mut blocks = match occasion.kind {
        Kind::Chart => chart(visit),
        Kind::TestReport => test_report(visit),
        Kind::ImagingReport | Kind::Image => imaging_report(visit),
        Kind::Prescription => prescription(visit),
        Kind::NursingRecord => nursing(visit),
        Kind::OperationRecord | Kind::SurgeryConfirmation => operation(visit, occasion.kind),
        Kind::AnaesthesiaRecord => anaesthesia(visit),
        Kind::DischargeSummary => discharge(visit),
        Kind::BillReceipt | Kind::ItemisedStatement | Kind::PaymentConfirmation => bill(visit, occasion.kind),
        Kind::BirthCertificate => birth(visit),
        Kind::DeathCertificate => death(visit),
        Kind::OutpatientConfirmation => outpatient(occasion.story, occasion.written),
        Kind::AdmissionDischarge | Kind::TreatmentConfirmation => stay(visit),
        Kind::MedicalCertificate | Kind::MedicalOpinion => certificate(visit, occasion.kind),
    };
    if occasion.corrected {
        let note = format!("{} 정정: 앞서 작성한 문서의 기재 오류를 바로잡음. 원본은 함께 보존함.", occasion.written);
        blocks.insert(0, Block::Text(note));
    }
    let title = occasion.kind.korean();
    Sheet {
        title: if occasion.corrected { format!("{title} (정정)") } else { title.to_owned() },
        english: occasion.kind.english(),
        number: occasion.number.to_owned(),
        institution: format!("{}  {}", institution.name, institution.address.line()),
        facts: facts(subject, visit),
        blocks,
        closing: vec![
            korean_date(occasion.written),
            format!("{} {} {} (면허번호 {})", staff.department.1, staff.profession, staff.name, staff.licence),
            institution.name.clone(),
        ],
    }
}

fn facts(subject: &Subject<'_>, visit: &Visit) -> Vec<(&'static str, String)> {
    let person = subject.person;
    let sex = if person.sex == Sex::Female { "여" } else { "남" };
    // The way hospitals print the number on what leaves the house: the last six digits hidden.
    let masked = format!("{}-{}******", &person.rrn[..6], &person.rrn[6..7]);
    let staff = &subject.institution.staff[visit.doctor];
    let period = if visit.class == Class::Inpatient {
        format!("{} ~ {}", visit.start.date, visit.end.date)
    } else {
        visit.start.date.to_string()
    };
    vec![
        ("환자 성명", person.name.clone()),
        ("등록번호", subject.chart_number.clone()),
        ("주민등록번호", masked),
        ("생년월일·성별", format!("{} ({sex})", person.birth_date)),
        ("진료과", staff.department.1.to_owned()),
        ("진료 기간", period),
        ("주소", subject.address.line()),
        ("구분", class_name(visit.class).to_owned()),
    ]
}

fn class_name(class: Class) -> &'static str {
    match class {
        Class::Ambulatory => "외래",
        Class::Emergency => "응급",
        Class::Inpatient => "입원",
    }
}

fn korean_date(date: Date) -> String {
    format!("{}년 {}월 {}일", date.year(), date.month(), date.day())
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

fn diagnoses(visit: &Visit) -> Vec<Block> {
    let mut rows = vec![row(["구분", "질병분류기호", "병명"])];
    for (place, disorder) in visit.disorders.iter().enumerate() {
        rows.push(row([if place == 0 { "주상병" } else { "부상병" }, disorder.kcd, disorder.name]));
    }
    vec![Block::Heading("진단"), Block::Table(&[0.16, 0.22, 0.62], rows)]
}

fn chart(visit: &Visit) -> Vec<Block> {
    let main = visit.disorders[0];
    let mut blocks = vec![
        Block::Heading("주호소"),
        Block::Text(main.complaint.to_owned()),
        Block::Heading("현병력"),
        Block::Text(format!("내원 며칠 전부터 {} 증상이 있어 내원함. 동반 증상은 뚜렷하지 않다고 함.", main.complaint)),
    ];
    let signs = signs(visit);
    if !signs.is_empty() {
        blocks.extend([Block::Heading("활력징후"), Block::Text(signs.join(", "))]);
    }
    blocks.extend(diagnoses(visit));
    let mut plan: Vec<String> = visit.acts.iter().map(|act| format!("처치: {}", act.name)).collect();
    plan.extend(visit.drugs.iter().map(|drug| format!("투약: {} {} {}일분", drug.name, drug.how, drug.days)));
    plan.extend(visit.results.iter().map(|results| format!("검사: {}", results.panel.name)));
    plan.extend(visit.imaging.iter().map(|imaging| format!("영상: {}", imaging.name)));
    plan.push(if main.chronic { "4주 뒤 다시 진료" } else { "증상이 심해지면 다시 내원하도록 설명함" }.to_owned());
    blocks.extend([Block::Heading("치료 계획"), Block::Text(plan.join("\n"))]);
    blocks
}

fn signs(visit: &Visit) -> Vec<String> {
    let vitals = &visit.vitals;
    let mut signs = Vec::new();
    signs.extend(vitals.pressure.map(|(high, low)| format!("혈압 {high}/{low} mmHg")));
    signs.extend(vitals.pulse.map(|pulse| format!("맥박 {pulse}회/분")));
    signs.extend(vitals.temperature.map(|degrees| format!("체온 {degrees:.1} ℃")));
    signs.extend(vitals.weight_kg.map(|kg| format!("체중 {kg:.1} kg")));
    signs
}

fn test_report(visit: &Visit) -> Vec<Block> {
    let Some(results) = &visit.results else { return Vec::new() };
    let mut rows = vec![row(["검사 항목", "결과", "단위", "참고치", "판정"])];
    for (test, value) in results.pairs() {
        let places = test.places;
        let range = format!("{:.places$} ~ {:.places$}", test.low, test.high);
        let judged = match flag(test, value) {
            "H" => "▲ 높음",
            "L" => "▼ 낮음",
            _ => "",
        };
        rows.push(row([test.korean, &format!("{value:.places$}"), test.unit, &range, judged]));
    }
    vec![
        Block::Heading(results.panel.name),
        Block::Table(&[0.34, 0.15, 0.15, 0.22, 0.14], rows),
        Block::Text(format!("검체: 혈액   채취: {} 보고: {}", visit.start.date, visit.start.date)),
    ]
}

fn imaging_report(visit: &Visit) -> Vec<Block> {
    let Some(imaging) = visit.imaging else { return Vec::new() };
    vec![
        Block::Heading("검사명"),
        Block::Text(format!("{} ({})", imaging.name, visit.start.date)),
        Block::Heading("임상 정보"),
        Block::Text(visit.disorders[0].complaint.to_owned()),
        Block::Heading("판독 소견"),
        Block::Text(imaging.finding.to_owned()),
        Block::Heading("결론"),
        Block::Text(imaging.conclusion.to_owned()),
    ]
}

fn prescription(visit: &Visit) -> Vec<Block> {
    let mut rows = vec![row(["처방 의약품의 명칭", "1일 횟수", "일수", "용법"])];
    for drug in &visit.drugs {
        rows.push(row([drug.name, &drug.per_day.to_string(), &drug.days.to_string(), drug.how]));
    }
    let codes = visit.disorders.iter().map(|disorder| disorder.kcd).collect::<Vec<_>>().join(", ");
    vec![
        Block::Text(format!("질병분류기호: {codes}    보험 구분: 건강보험")),
        Block::Table(&[0.42, 0.13, 0.1, 0.35], rows),
        Block::Text("사용기간: 교부일부터 3일간".to_owned()),
    ]
}

fn nursing(visit: &Visit) -> Vec<Block> {
    let mut rows = vec![row(["일시", "관찰 및 간호", "기록"])];
    let days = (visit.end.date - visit.start.date).get_days().clamp(1, 5);
    for day in 0..days {
        let date = visit.start.days_later(day).date.to_string();
        let observed = if day == 0 {
            "입원 안내 후 활력징후 측정함. 낙상 예방 교육함."
        } else {
            "밤사이 특이 호소 없음. 투약 후 이상 반응 없음. 통증 점수 3점 이하."
        };
        rows.push(row([&date, observed, "간호사"]));
    }
    vec![Block::Heading("간호 기록"), Block::Table(&[0.18, 0.68, 0.14], rows)]
}

fn operation(visit: &Visit, kind: Kind) -> Vec<Block> {
    let name = visit.acts.first().map_or("수술", |act| act.name);
    let mut blocks = diagnoses(visit);
    blocks.extend([Block::Heading("수술명"), Block::Text(format!("{name} ({})", visit.start.date))]);
    if kind == Kind::SurgeryConfirmation {
        blocks.push(Block::Text("위 환자는 본원에서 위와 같이 수술하였음을 확인합니다.".to_owned()));
    } else {
        blocks.extend([
            Block::Heading("수술 소견과 과정"),
            Block::Text(
                "환자 확인과 수술 부위 표시를 마친 뒤 소독포를 덮음. 계획한 대로 수술을 진행하였고 지혈을 확인함.\n\
                 거즈와 기구 수 일치함. 예상 출혈량 50 mL 이하. 환자는 안정된 상태로 회복실로 옮김."
                    .to_owned(),
            ),
        ]);
    }
    blocks
}

fn anaesthesia(visit: &Visit) -> Vec<Block> {
    let given = visit.acts.iter().find(|act| act.kind == ActKind::Anaesthesia);
    let name = given.map_or("마취", |act| act.name);
    let mut rows = vec![row(["시각", "혈압", "맥박", "산소포화도"])];
    for step in 0..6 {
        let at = visit.start.later(30 + 10 * step);
        let time = format!("{:02}:{:02}", at.minute / 60, at.minute % 60);
        rows.push(row([
            &time,
            &format!("{}/{}", 112 + step * 3 % 10, 70 + step * 2 % 6),
            &(68 + step).to_string(),
            "99 %",
        ]));
    }
    vec![
        Block::Heading("마취 방법"),
        Block::Text(format!("{name}, 신체 상태 분류 2")),
        Block::Table(&[0.25, 0.25, 0.25, 0.25], rows),
        Block::Text("마취 중 특이 사항 없음.".to_owned()),
    ]
}

fn discharge(visit: &Visit) -> Vec<Block> {
    let mut blocks = diagnoses(visit);
    let outcome = match visit.event {
        Event::Death => "입원 중 상태가 나빠져 사망함.",
        Event::Birth => "산모와 신생아 모두 안정되어 퇴원함.",
        _ => "증상이 좋아져 퇴원함. 외래에서 경과를 보기로 함.",
    };
    blocks.extend([
        Block::Heading("입원 경과"),
        Block::Text(format!("{} 증상으로 입원하여 검사와 치료를 받음. {outcome}", visit.disorders[0].complaint)),
        Block::Heading("퇴원 약"),
        Block::Text(visit.drugs.iter().map(|drug| drug.name).collect::<Vec<_>>().join("\n")),
    ]);
    blocks
}

fn bill(visit: &Visit, kind: Kind) -> Vec<Block> {
    let days = (visit.end.date - visit.start.date).get_days() + 1;
    let mut lines: Vec<(String, i32)> = vec![("진찰료".to_owned(), 16_000)];
    if visit.class == Class::Inpatient {
        lines.push((format!("입원료 {days}일"), 61_000 * days));
    }
    lines.extend(visit.results.iter().map(|results| (results.panel.name.to_owned(), 24_300)));
    lines.extend(visit.imaging.iter().map(|imaging| (imaging.name.to_owned(), 31_500)));
    lines.extend(visit.acts.iter().map(|act| (act.name.to_owned(), 12_000)));
    let total: i32 = lines.iter().map(|line| line.1).sum();
    let own = total * 3 / 10;
    if kind == Kind::PaymentConfirmation {
        return vec![
            Block::Text(format!("{}년에 아래와 같이 진료비를 납입하였음을 확인합니다.", visit.start.date.year())),
            Block::Table(
                &[0.4, 0.3, 0.3],
                vec![
                    row(["진료일", "총진료비", "납입액"]),
                    row([&visit.start.date.to_string(), &won(total), &won(own)]),
                ],
            ),
        ];
    }
    let mut rows = vec![row(["항목", "금액", "본인부담금", "공단부담금"])];
    for (name, amount) in &lines {
        rows.push(row([name, &won(*amount), &won(amount * 3 / 10), &won(amount - amount * 3 / 10)]));
    }
    rows.push(row(["합계", &won(total), &won(own), &won(total - own)]));
    let method = if kind == Kind::BillReceipt {
        "납부 방법: 카드    위 금액을 영수합니다."
    } else {
        "급여 항목별 산정 내역"
    };
    vec![Block::Table(&[0.4, 0.2, 0.2, 0.2], rows), Block::Text(method.to_owned())]
}

fn won(amount: i32) -> String {
    let digits = amount.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn birth(visit: &Visit) -> Vec<Block> {
    let born = visit.start.later(60);
    vec![
        Block::Heading("출생아"),
        Block::Table(
            &[0.3, 0.7],
            vec![
                row([
                    "출생 일시",
                    &format!("{} {:02}시 {:02}분", korean_date(born.date), born.minute / 60, born.minute % 60),
                ]),
                row(["출생 장소", "위 의료기관"]),
                row(["성별", if visit.start.minute % 2 == 0 { "여" } else { "남" }]),
                row(["임신 기간", "39주"]),
                row(["출생 시 체중", &format!("3.{} kg", visit.start.minute % 10)]),
            ],
        ),
        Block::Text("위와 같이 출생하였음을 증명합니다.".to_owned()),
    ]
}

fn death(visit: &Visit) -> Vec<Block> {
    let main = visit.disorders[0];
    vec![
        Block::Table(
            &[0.3, 0.7],
            vec![
                row([
                    "사망 일시",
                    &format!(
                        "{} {:02}시 {:02}분",
                        korean_date(visit.end.date),
                        visit.end.minute / 60,
                        visit.end.minute % 60
                    ),
                ]),
                row(["사망 장소", "위 의료기관"]),
                row(["사망의 종류", "병사"]),
                row(["사망의 원인", &format!("{} ({})", main.name, main.kcd)]),
            ],
        ),
        Block::Text("위와 같이 진단합니다.".to_owned()),
    ]
}

fn outpatient(story: &Story, until: Date) -> Vec<Block> {
    let mut rows = vec![row(["진료일", "진료과·내용"])];
    for visit in story.visits.iter().filter(|visit| visit.class != Class::Inpatient && visit.start.date <= until) {
        rows.push(row([&visit.start.date.to_string(), visit.disorders[0].name]));
    }
    vec![Block::Table(&[0.3, 0.7], rows), Block::Text("위 환자는 위와 같이 본원에 통원하였음을 확인합니다.".to_owned())]
}

fn stay(visit: &Visit) -> Vec<Block> {
    let mut blocks = diagnoses(visit);
    let words = if visit.class == Class::Inpatient {
        format!(
            "위 환자는 {}부터 {}까지 입원하였음을 확인합니다.",
            korean_date(visit.start.date),
            korean_date(visit.end.date)
        )
    } else {
        format!("위 환자는 {} 본원에서 진료받았음을 확인합니다.", korean_date(visit.start.date))
    };
    blocks.push(Block::Text(words));
    blocks
}

fn certificate(visit: &Visit, kind: Kind) -> Vec<Block> {
    let mut blocks = diagnoses(visit);
    blocks.push(Block::Heading(if kind == Kind::MedicalCertificate {
        "향후 치료에 대한 의견"
    } else {
        "소견"
    }));
    let words = if visit.disorders[0].chronic {
        "정기적인 진료와 약물 치료가 계속 필요함. 생활 습관 관리를 함께 권함."
    } else {
        "증상의 경과를 보며 약 2주 동안 치료가 필요할 것으로 판단됨. 경과에 따라 기간이 달라질 수 있음."
    };
    blocks.push(Block::Text(words.to_owned()));
    let purpose = if kind == Kind::MedicalCertificate {
        "용도: 보험회사 제출용"
    } else {
        "용도: 다른 의료기관 진료 참고용"
    };
    blocks.push(Block::Text(purpose.to_owned()));
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped() {
        assert_eq!([won(0), won(999), won(16_000), won(1_234_567)], ["0", "999", "16,000", "1,234,567"]);
    }
}
