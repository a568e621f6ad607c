//! Dentistry: disorders, treatments, operations. No orthodontics.

use super::{Act, ActKind, Catalogue, Disorder, Drug, Imaging};

static PANORAMA: Imaging = Imaging {
    code: "Z9501",
    name: "파노라마 촬영",
    finding: "하악 제1대구치 치관부에 방사선 투과상이 보임. 치조골 높이는 대체로 유지됨.",
    conclusion: "치아우식",
};
static PERIAPICAL: Imaging = Imaging {
    code: "Z9502",
    name: "치근단 촬영",
    finding: "하악 제3대구치가 수평으로 매복되어 있음.",
    conclusion: "매복 사랑니",
};

const fn drug(code: &'static str, name: &'static str) -> Drug {
    Drug { code, name, per_day: 3, days: 3, how: "1일 3회 식후 30분" }
}

static AMOXICILLIN: Drug = drug("999200010", "아목시실린캡슐 500mg");
static IBUPROFEN: Drug = drug("999200020", "이부프로펜정 200mg");

const fn treatment(code: &'static str, name: &'static str) -> Act {
    Act { code, name, kind: ActKind::Treatment }
}

static FILLING: Act = treatment("Z9511", "광중합형 복합레진 충전");
static CANAL: Act = treatment("Z9512", "근관 확대 및 성형");
static CURETTAGE: Act = treatment("Z9513", "치근활택술");
static CROWN: Act = treatment("Z9514", "크라운 장착");
static EXTRACTION: Act = Act { code: "Z9515", name: "매복치 발치술", kind: ActKind::Surgery };
static IMPLANT: Act = Act { code: "Z9516", name: "치과 임플란트 식립술", kind: ActKind::Surgery };
static BLOCK: Act = Act { code: "Z9517", name: "하치조신경 전달마취", kind: ActKind::Anaesthesia };

static ROUTINE: [Act; 4] = [
    treatment("Z9521", "치면 세균막 검사"),
    treatment("Z9522", "치석 제거"),
    treatment("Z9523", "구강 위생 교육"),
    treatment("Z9524", "치주낭 측정"),
];

static EVERYDAY: [Disorder; 8] = [
    Disorder {
        weight: 40,
        imaging: Some(&PANORAMA),
        acts: &[&FILLING],
        ..Disorder::plain("K02.1", "상아질의 우식", "찬물에 이가 시림", "49")
    },
    Disorder {
        weight: 26,
        ages: (6, 110),
        imaging: Some(&PANORAMA),
        drugs: &[&IBUPROFEN],
        acts: &[&CANAL, &CROWN],
        ..Disorder::plain("K04.0", "치수염", "밤에 심한 치통", "49")
    },
    Disorder {
        chronic: true,
        ages: (35, 110),
        weight: 40,
        drugs: &[&AMOXICILLIN],
        acts: &[&CURETTAGE],
        ..Disorder::plain("K05.3", "만성 치주염", "잇몸에서 피가 남", "49")
    },
    Disorder {
        weight: 26, ages: (6, 110), ..Disorder::plain("K05.1", "만성 치은염", "칫솔질할 때 출혈", "49")
    },
    Disorder {
        weight: 8,
        ages: (6, 90),
        acts: &[&FILLING],
        ..Disorder::plain("S02.5", "치아의 파절", "앞니가 깨짐", "49")
    },
    Disorder {
        weight: 10,
        ages: (20, 110),
        acts: &[&FILLING],
        ..Disorder::plain("K03.1", "치아의 마모", "이가 시림", "49")
    },
    Disorder { weight: 14, ages: (0, 16), ..Disorder::plain("Z01.2", "치과검사", "구강 검진", "49") },
    Disorder {
        chronic: true,
        ages: (50, 110),
        weight: 20,
        imaging: Some(&PANORAMA),
        acts: &[&CROWN],
        ..Disorder::plain("K08.1", "사고, 추출 또는 국한성 치주병에 의한 치아상실", "씹기 어려움", "51")
    },
];

static OPERATIONS: [Disorder; 2] = [
    Disorder {
        ages: (17, 70),
        imaging: Some(&PERIAPICAL),
        drugs: &[&AMOXICILLIN, &IBUPROFEN],
        acts: &[&EXTRACTION],
        ..Disorder::plain("K01.1", "매복치", "사랑니 통증", "49")
    },
    Disorder {
        ages: (30, 90),
        imaging: Some(&PANORAMA),
        drugs: &[&AMOXICILLIN, &IBUPROFEN],
        acts: &[&IMPLANT],
        ..Disorder::plain("K08.1", "사고, 추출 또는 국한성 치주병에 의한 치아상실", "어금니가 없음", "51")
    },
];

/// A dental clinic or hospital.
pub(super) static CATALOGUE: Catalogue = Catalogue {
    disorders: &EVERYDAY,
    operations: &OPERATIONS,
    admissions: &[],
    birth: None,
    deaths: &[],
    routine: &ROUTINE,
    anaesthesia: &BLOCK,
    vaccines: &[],
};
