//! Korean medicine: acupuncture, moxibustion, cupping, herbal extracts.

use super::{Act, ActKind, Catalogue, Disorder, Drug};

const fn herbal(code: &'static str, name: &'static str, days: u8) -> Drug {
    Drug { code, name, per_day: 3, days, how: "1일 3회 식전 또는 식간" }
}

static GALGEUN: Drug = herbal("999100010", "갈근탕엑스과립", 5);
static OJEOK: Drug = herbal("999100020", "오적산엑스과립", 10);
static SAMSO: Drug = herbal("999100030", "삼소음엑스과립", 5);
static PYEONGWI: Drug = herbal("999100040", "평위산엑스과립", 7);
static BANHASASIM: Drug = herbal("999100050", "반하사심탕엑스과립", 7);

const fn treatment(code: &'static str, name: &'static str) -> Act {
    Act { code, name, kind: ActKind::Treatment }
}

static CHUNA: Act = treatment("Z9401", "단순추나");
static ELECTRO: Act = treatment("Z9402", "전기침술");
static THREAD: Act = Act { code: "Z9403", name: "매선 시술", kind: ActKind::Surgery };
static NUMBING: Act = Act { code: "Z9404", name: "도포 마취", kind: ActKind::Anaesthesia };

static ROUTINE: [Act; 5] = [
    treatment("Z9411", "경혈침술(2부위 이상)"),
    treatment("Z9412", "간접구(뜸)"),
    treatment("Z9413", "건식 부항술"),
    treatment("Z9414", "경피적외선조사요법"),
    treatment("Z9415", "온냉경락요법"),
];

static EVERYDAY: [Disorder; 9] = [
    Disorder {
        chronic: true,
        ages: (30, 110),
        weight: 40,
        drugs: &[&OJEOK],
        acts: &[&ELECTRO],
        ..Disorder::plain("M54.5", "아래허리통증", "허리가 묵직하고 아픔", "28")
    },
    Disorder {
        chronic: true,
        ages: (40, 110),
        weight: 20,
        acts: &[&ELECTRO],
        ..Disorder::plain("M75.0", "어깨의 유착성 관절낭염", "팔을 올릴 때 어깨 통증", "28")
    },
    Disorder {
        chronic: true,
        ages: (50, 110),
        weight: 20,
        drugs: &[&OJEOK],
        ..Disorder::plain("M17.9", "상세불명의 무릎관절증", "무릎이 시리고 아픔", "28")
    },
    Disorder {
        weight: 30,
        ages: (15, 110),
        acts: &[&CHUNA],
        ..Disorder::plain("S33.5", "요추의 염좌 및 긴장", "물건을 들다 허리를 삠", "28")
    },
    Disorder {
        weight: 24,
        ages: (10, 110),
        acts: &[&CHUNA],
        ..Disorder::plain("M79.1", "근통", "목과 어깨가 뭉침", "28")
    },
    Disorder {
        weight: 22, drugs: &[&SAMSO], ..Disorder::plain("J00", "급성 비인두염[감기]", "오한과 콧물", "28")
    },
    Disorder {
        weight: 20,
        drugs: &[&PYEONGWI, &BANHASASIM],
        ..Disorder::plain("K30", "기능성 소화불량", "더부룩함", "28")
    },
    Disorder {
        weight: 8,
        ages: (15, 100),
        acts: &[&ELECTRO],
        ..Disorder::plain("G51.0", "벨마비", "입이 돌아감", "28")
    },
    Disorder {
        weight: 14, ages: (6, 110), drugs: &[&GALGEUN], ..Disorder::plain("R51", "두통", "뒷머리 통증", "28")
    },
];

static OPERATIONS: [Disorder; 1] = [Disorder {
    ages: (20, 110),
    acts: &[&THREAD],
    ..Disorder::plain("G51.0", "벨마비", "얼굴 한쪽이 움직이지 않음", "28")
}];

/// A clinic or hospital of Korean medicine.
pub(super) static CATALOGUE: Catalogue = Catalogue {
    disorders: &EVERYDAY,
    operations: &OPERATIONS,
    admissions: &[],
    birth: None,
    deaths: &[],
    routine: &ROUTINE,
    anaesthesia: &NUMBING,
    vaccines: &[],
};
