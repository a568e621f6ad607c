//! Hospitals and clinics of western medicine: tests, medicines, procedures, disorders.

use super::{Act, ActKind, Catalogue, Disorder, Drug, Imaging, Panel, Test, Vaccine};

const fn test(
    loinc: &'static str,
    name: &'static str,
    korean: &'static str,
    unit: &'static str,
    range: (f64, f64),
    places: usize,
    when_ill: (f64, f64),
) -> Test {
    Test { loinc, name, korean, unit, low: range.0, high: range.1, places, when_ill }
}

static HBA1C: Test =
    test("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "당화혈색소", "%", (4.0, 5.6), 1, (7.4, 0.9));
static GLUCOSE: Test = test(
    "1558-6",
    "Fasting glucose [Mass/volume] in Serum or Plasma",
    "공복혈당",
    "mg/dL",
    (70.0, 99.0),
    0,
    (152.0, 28.0),
);
static CHOLESTEROL: Test = test(
    "2093-3",
    "Cholesterol [Mass/volume] in Serum or Plasma",
    "총콜레스테롤",
    "mg/dL",
    (130.0, 199.0),
    0,
    (238.0, 22.0),
);
static LDL: Test = test(
    "13457-7",
    "Cholesterol in LDL [Mass/volume] by calculation",
    "LDL 콜레스테롤",
    "mg/dL",
    (60.0, 129.0),
    0,
    (158.0, 20.0),
);
static HDL: Test = test(
    "2085-9",
    "Cholesterol in HDL [Mass/volume] in Serum or Plasma",
    "HDL 콜레스테롤",
    "mg/dL",
    (40.0, 80.0),
    0,
    (37.0, 5.0),
);
static TRIGLYCERIDE: Test = test(
    "2571-8",
    "Triglyceride [Mass/volume] in Serum or Plasma",
    "중성지방",
    "mg/dL",
    (50.0, 149.0),
    0,
    (210.0, 50.0),
);
static AST: Test =
    test("1920-8", "Aspartate aminotransferase in Serum or Plasma", "AST(SGOT)", "U/L", (10.0, 40.0), 0, (78.0, 25.0));
static ALT: Test =
    test("1742-6", "Alanine aminotransferase in Serum or Plasma", "ALT(SGPT)", "U/L", (7.0, 40.0), 0, (85.0, 30.0));
static CREATININE: Test =
    test("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "크레아티닌", "mg/dL", (0.6, 1.2), 2, (1.6, 0.3));
static WBC: Test = test(
    "6690-2",
    "Leukocytes [#/volume] in Blood by Automated count",
    "백혈구 수",
    "10*3/uL",
    (4.0, 10.0),
    1,
    (13.2, 2.0),
);
static HAEMOGLOBIN: Test =
    test("718-7", "Hemoglobin [Mass/volume] in Blood", "혈색소", "g/dL", (12.0, 16.5), 1, (10.8, 0.8));
static PLATELETS: Test = test(
    "777-3",
    "Platelets [#/volume] in Blood by Automated count",
    "혈소판 수",
    "10*3/uL",
    (150.0, 370.0),
    0,
    (390.0, 40.0),
);
static CRP: Test = test(
    "1988-5",
    "C reactive protein [Mass/volume] in Serum or Plasma",
    "C-반응단백",
    "mg/L",
    (0.1, 4.9),
    1,
    (48.0, 25.0),
);
static TSH: Test = test(
    "3016-3",
    "Thyrotropin [Units/volume] in Serum or Plasma",
    "갑상선자극호르몬",
    "m[IU]/L",
    (0.4, 4.2),
    2,
    (9.1, 2.4),
);
static FREE_T4: Test = test(
    "3024-7",
    "Thyroxine (T4) free [Mass/volume] in Serum or Plasma",
    "유리 T4",
    "ng/dL",
    (0.8, 1.8),
    2,
    (0.6, 0.1),
);

static SUGAR: Panel = Panel { code: "Z9101", name: "당뇨 검사", tests: &[&HBA1C, &GLUCOSE, &CREATININE, &LDL] };
static LIPIDS: Panel =
    Panel { code: "Z9102", name: "지질 검사", tests: &[&CHOLESTEROL, &LDL, &HDL, &TRIGLYCERIDE] };
static LIVER_KIDNEY: Panel =
    Panel { code: "Z9103", name: "간·신장 기능검사", tests: &[&AST, &ALT, &CREATININE, &GLUCOSE] };
static BLOOD_COUNT: Panel =
    Panel { code: "D0002", name: "일반혈액검사(CBC)", tests: &[&WBC, &HAEMOGLOBIN, &PLATELETS, &CRP] };
static THYROID: Panel = Panel { code: "Z9104", name: "갑상선 기능검사", tests: &[&TSH, &FREE_T4, &CHOLESTEROL] };

const fn image(code: &'static str, name: &'static str, finding: &'static str, conclusion: &'static str) -> Imaging {
    Imaging { code, name, finding, conclusion }
}

static CHEST: Imaging =
    image("Z9201", "흉부 X선 촬영", "양측 폐야에 뚜렷한 침윤은 보이지 않음. 심장 크기 정상.", "활동성 병변 없음");
static CHEST_PNEUMONIA: Imaging =
    image("Z9201", "흉부 X선 촬영", "우하엽에 폐포성 침윤이 관찰됨. 흉수는 없음.", "우하엽 폐렴");
static KNEE: Imaging = image("Z9202", "무릎 X선 촬영", "내측 관절 간격이 좁아지고 골극이 보임.", "퇴행성 무릎관절증");
static SPINE: Imaging = image("Z9203", "요추 X선 촬영", "제4-5 요추 간격이 다소 좁음. 골절은 없음.", "퇴행성 변화");
static WRIST: Imaging =
    image("Z9204", "손목 X선 촬영", "요골 원위부에 골절선이 보임. 전위는 경미함.", "요골 하단 골절");
static ANKLE: Imaging = image("Z9205", "발목 X선 촬영", "연부조직 부종. 골절은 보이지 않음.", "골절 없음");
static ABDOMEN: Imaging =
    image("Z9206", "복부 초음파", "담낭에 음향 음영을 동반한 결석이 보임. 담관 확장 없음.", "담낭 결석");
static ABDOMEN_CT: Imaging =
    image("Z9207", "복부 CT", "충수 직경 11 mm로 커져 있고 주위 지방 침윤이 있음.", "급성 충수염");
static BRAIN: Imaging = image("Z9208", "뇌 MRI", "좌측 중대뇌동맥 영역에 확산 제한 병변.", "급성 뇌경색");
static BONE: Imaging = image("Z9209", "골밀도 검사", "요추 T-score -2.9.", "골다공증");
static HEART_TRACE: Imaging = image("Z9210", "심전도 검사", "동율동, ST 분절 이상 없음.", "정상 심전도");

const fn drug(code: &'static str, name: &'static str, per_day: u8, days: u8, how: &'static str) -> Drug {
    Drug { code, name, per_day, days, how }
}

static AMLODIPINE: Drug = drug("999000010", "암로디핀정 5mg", 1, 30, "1일 1회 아침 식후");
static LOSARTAN: Drug = drug("999000020", "로사르탄칼륨정 50mg", 1, 30, "1일 1회 아침 식후");
static METFORMIN: Drug = drug("999000030", "메트포르민염산염정 500mg", 2, 30, "1일 2회 아침, 저녁 식후");
static GLIMEPIRIDE: Drug = drug("999000040", "글리메피리드정 2mg", 1, 30, "1일 1회 아침 식전");
static ATORVASTATIN: Drug = drug("999000050", "아토르바스타틴칼슘정 10mg", 1, 30, "1일 1회 저녁 식후");
static LEVOTHYROXINE: Drug = drug("999000060", "레보티록신나트륨정 50μg", 1, 30, "1일 1회 아침 공복");
static ALENDRONATE: Drug = drug("999000070", "알렌드론산정 70mg", 1, 28, "주 1회 아침 공복");
static ACETAMINOPHEN: Drug = drug("999000080", "아세트아미노펜정 500mg", 3, 3, "1일 3회 식후 30분");
static IBUPROFEN: Drug = drug("999000090", "이부프로펜정 200mg", 3, 5, "1일 3회 식후 30분");
static AMOXICILLIN: Drug = drug("999000100", "아목시실린캡슐 500mg", 3, 5, "1일 3회 식후 30분");
static CEFACLOR: Drug = drug("999000110", "세파클러캡슐 250mg", 3, 5, "1일 3회 식후 30분");
static CETIRIZINE: Drug = drug("999000120", "세티리진염산염정 10mg", 1, 7, "1일 1회 자기 전");
static RABEPRAZOLE: Drug = drug("999000130", "라베프라졸나트륨정 10mg", 1, 14, "1일 1회 아침 식전");
static REBAMIPIDE: Drug = drug("999000140", "레바미피드정 100mg", 3, 14, "1일 3회 식후 30분");
static BUDESONIDE: Drug = drug("999000150", "부데소니드·포르모테롤 흡입제", 2, 30, "1일 2회 흡입");
static SERTRALINE: Drug = drug("999000160", "설트랄린염산염정 50mg", 1, 28, "1일 1회 아침 식후");
static ASPIRIN: Drug = drug("999000170", "아스피린장용정 100mg", 1, 30, "1일 1회 아침 식후");
static ACICLOVIR: Drug = drug("999000180", "팜시클로비르정 250mg", 3, 7, "1일 3회 식후 30분");

const fn act(code: &'static str, name: &'static str, kind: ActKind) -> Act {
    Act { code, name, kind }
}

static APPENDECTOMY: Act = act("Z9301", "복강경하 충수절제술", ActKind::Surgery);
static CHOLECYSTECTOMY: Act = act("Z9302", "복강경하 담낭절제술", ActKind::Surgery);
static CATARACT: Act = act("Z9303", "수정체 유화술 및 인공수정체 삽입술", ActKind::Surgery);
static FIXATION: Act = act("Z9304", "요골 골절 관혈적 정복술", ActKind::Surgery);
static HAEMORRHOID: Act = act("Z9305", "치핵절제술", ActKind::Surgery);
static EXCISION: Act = act("Z9306", "피부 양성종양 적출술", ActKind::Surgery);
static DELIVERY: Act = act("Z9307", "질식 분만", ActKind::Treatment);
static CAST: Act = act("Z9308", "석고붕대 처치", ActKind::Treatment);
static THERAPY: Act = act("Z9309", "표층열·심층열 물리치료", ActKind::Treatment);
static NEBULISER: Act = act("Z9310", "네뷸라이저 치료", ActKind::Treatment);
static GENERAL_ANAESTHESIA: Act = act("Z9311", "전신마취", ActKind::Anaesthesia);
static LOCAL_ANAESTHESIA: Act = act("Z9312", "국소마취", ActKind::Anaesthesia);

static VACCINES: [Vaccine; 5] = [
    Vaccine { code: "13", name: "인플루엔자" },
    Vaccine { code: "12", name: "폐렴구균" },
    Vaccine { code: "06", name: "B형간염" },
    Vaccine { code: "14", name: "A형간염" },
    Vaccine { code: "24", name: "파상풍/디프테리아/백일해 (Tdap)" },
];

static EVERYDAY: [Disorder; 27] = [
    Disorder {
        chronic: true,
        ages: (40, 110),
        weight: 60,
        panel: Some(&LIVER_KIDNEY),
        imaging: Some(&HEART_TRACE),
        drugs: &[&AMLODIPINE, &LOSARTAN],
        ..Disorder::plain("I10.9", "기타 및 상세불명의 일차성(본태성) 고혈압", "혈압이 높다고 들음", "01")
    },
    Disorder {
        chronic: true,
        ages: (40, 110),
        weight: 40,
        panel: Some(&SUGAR),
        drugs: &[&METFORMIN, &GLIMEPIRIDE],
        ..Disorder::plain("E11.9", "합병증을 동반하지 않은 2형 당뇨병", "갈증과 잦은 소변", "01")
    },
    Disorder {
        chronic: true,
        ages: (35, 110),
        weight: 40,
        panel: Some(&LIPIDS),
        drugs: &[&ATORVASTATIN],
        ..Disorder::plain("E78.5", "상세불명의 고지질혈증", "건강검진에서 콜레스테롤 높음", "01")
    },
    Disorder {
        chronic: true,
        ages: (20, 110),
        weight: 10,
        panel: Some(&THYROID),
        drugs: &[&LEVOTHYROXINE],
        ..Disorder::plain("E03.9", "상세불명의 갑상선기능저하증", "피로와 체중 증가", "01")
    },
    Disorder {
        chronic: true,
        ages: (60, 110),
        weight: 14,
        imaging: Some(&BONE),
        drugs: &[&ALENDRONATE],
        ..Disorder::plain("M81.9", "상세불명의 골다공증", "골밀도 저하", "05")
    },
    Disorder {
        chronic: true,
        ages: (5, 110),
        weight: 10,
        imaging: Some(&CHEST),
        drugs: &[&BUDESONIDE],
        acts: &[&NEBULISER],
        ..Disorder::plain("J45.9", "상세불명의 천식", "쌕쌕거림과 숨참", "01")
    },
    Disorder {
        chronic: true,
        ages: (50, 110),
        weight: 26,
        imaging: Some(&KNEE),
        drugs: &[&IBUPROFEN],
        acts: &[&THERAPY],
        ..Disorder::plain("M17.9", "상세불명의 무릎관절증", "계단에서 무릎 통증", "05")
    },
    Disorder {
        chronic: true,
        ages: (18, 110),
        weight: 8,
        drugs: &[&SERTRALINE],
        ..Disorder::plain("F32.9", "상세불명의 우울에피소드", "우울감과 불면", "01")
    },
    Disorder {
        weight: 60,
        drugs: &[&ACETAMINOPHEN, &CETIRIZINE],
        ..Disorder::plain("J00", "급성 비인두염[감기]", "콧물과 재채기", "01")
    },
    Disorder {
        weight: 50,
        drugs: &[&CEFACLOR, &ACETAMINOPHEN],
        acts: &[&NEBULISER],
        ..Disorder::plain("J20.9", "상세불명의 급성 기관지염", "기침과 가래", "01")
    },
    Disorder {
        weight: 35,
        ages: (0, 30),
        drugs: &[&AMOXICILLIN, &ACETAMINOPHEN],
        panel: Some(&BLOOD_COUNT),
        ..Disorder::plain("J03.9", "상세불명의 급성 편도염", "목 통증과 열", "11")
    },
    Disorder {
        weight: 26,
        drugs: &[&CETIRIZINE],
        ..Disorder::plain("J30.4", "상세불명의 알레르기비염", "아침마다 콧물", "01")
    },
    Disorder {
        weight: 30,
        panel: Some(&BLOOD_COUNT),
        drugs: &[&REBAMIPIDE],
        ..Disorder::plain("A09.9", "상세불명 기원의 위장염 및 결장염", "설사와 복통", "01")
    },
    Disorder {
        weight: 30,
        ages: (15, 110),
        drugs: &[&RABEPRAZOLE],
        ..Disorder::plain("K21.9", "식도염을 동반하지 않은 위-식도역류병", "속쓰림", "01")
    },
    Disorder {
        weight: 28,
        ages: (15, 110),
        panel: Some(&LIVER_KIDNEY),
        drugs: &[&REBAMIPIDE, &RABEPRAZOLE],
        ..Disorder::plain("K29.7", "상세불명의 위염", "명치 통증", "01")
    },
    Disorder {
        weight: 30,
        ages: (15, 110),
        imaging: Some(&SPINE),
        drugs: &[&IBUPROFEN],
        acts: &[&THERAPY],
        ..Disorder::plain("M54.5", "아래허리통증", "허리 통증", "05")
    },
    Disorder {
        weight: 16,
        ages: (6, 80),
        imaging: Some(&ANKLE),
        drugs: &[&IBUPROFEN],
        acts: &[&CAST],
        ..Disorder::plain("S93.4", "발목의 염좌 및 긴장", "발목을 접질림", "05")
    },
    Disorder {
        weight: 8,
        ages: (10, 95),
        imaging: Some(&WRIST),
        drugs: &[&IBUPROFEN],
        acts: &[&CAST],
        ..Disorder::plain("S52.5", "요골 하단의 골절", "넘어진 뒤 손목 통증", "05")
    },
    Disorder {
        weight: 14,
        ages: (10, 110),
        panel: Some(&BLOOD_COUNT),
        drugs: &[&CEFACLOR],
        ..Disorder::plain("N39.0", "부위가 명시되지 않은 요로감염", "소변 볼 때 통증", "01")
    },
    Disorder {
        weight: 10,
        panel: Some(&BLOOD_COUNT),
        imaging: Some(&CHEST_PNEUMONIA),
        drugs: &[&AMOXICILLIN, &ACETAMINOPHEN],
        ..Disorder::plain("J18.9", "상세불명의 폐렴", "열과 가래, 숨참", "01")
    },
    Disorder {
        weight: 14,
        drugs: &[&CETIRIZINE],
        ..Disorder::plain("L20.9", "상세불명의 아토피피부염", "가려움", "11")
    },
    Disorder { weight: 14, ..Disorder::plain("H10.9", "상세불명의 결막염", "눈 충혈", "12") },
    Disorder {
        weight: 12,
        ages: (12, 80),
        drugs: &[&ACETAMINOPHEN],
        ..Disorder::plain("G43.9", "상세불명의 편두통", "한쪽 머리 통증", "02")
    },
    Disorder {
        weight: 8,
        ages: (30, 110),
        drugs: &[&ACICLOVIR, &IBUPROFEN],
        ..Disorder::plain("B02.9", "합병증이 없는 대상포진", "띠 모양 물집과 통증", "01")
    },
    Disorder {
        weight: 10,
        ages: (30, 110),
        imaging: Some(&ABDOMEN),
        panel: Some(&LIVER_KIDNEY),
        ..Disorder::plain("K80.2", "담낭염을 동반하지 않은 담낭의 결석", "식후 오른쪽 윗배 통증", "04")
    },
    Disorder {
        weight: 14,
        ages: (12, 90),
        panel: Some(&BLOOD_COUNT),
        ..Disorder::plain("D50.9", "상세불명의 철결핍빈혈", "어지러움", "01")
    },
    Disorder {
        weight: 20,
        panel: Some(&LIPIDS),
        imaging: Some(&CHEST),
        ages: (20, 110),
        ..Disorder::plain("Z00.0", "일반적 의학검사", "건강검진", "01")
    },
];

static HOSPITAL_OPERATIONS: [Disorder; 4] = [
    Disorder {
        panel: Some(&BLOOD_COUNT),
        imaging: Some(&ABDOMEN_CT),
        drugs: &[&CEFACLOR, &ACETAMINOPHEN],
        acts: &[&APPENDECTOMY],
        ..Disorder::plain("K35.8", "기타 및 상세불명의 급성 충수염", "오른쪽 아랫배 통증", "04")
    },
    Disorder {
        ages: (30, 110),
        panel: Some(&LIVER_KIDNEY),
        imaging: Some(&ABDOMEN),
        drugs: &[&CEFACLOR, &ACETAMINOPHEN],
        acts: &[&CHOLECYSTECTOMY],
        ..Disorder::plain("K80.1", "기타 담낭염을 동반한 담낭의 결석", "심한 윗배 통증", "04")
    },
    Disorder {
        ages: (10, 95),
        panel: Some(&BLOOD_COUNT),
        imaging: Some(&WRIST),
        drugs: &[&CEFACLOR, &IBUPROFEN],
        acts: &[&FIXATION],
        ..Disorder::plain("S52.5", "요골 하단의 골절", "넘어진 뒤 손목이 붓고 휨", "05")
    },
    Disorder {
        ages: (55, 110),
        panel: Some(&SUGAR),
        drugs: &[&CEFACLOR],
        acts: &[&CATARACT],
        ..Disorder::plain("H25.9", "상세불명의 노년백내장", "눈이 침침함", "12")
    },
];

static CLINIC_OPERATIONS: [Disorder; 2] = [
    Disorder {
        ages: (18, 110),
        panel: Some(&BLOOD_COUNT),
        drugs: &[&CEFACLOR, &ACETAMINOPHEN],
        acts: &[&HAEMORRHOID],
        ..Disorder::plain("K64.9", "상세불명의 치핵", "배변 시 출혈", "04")
    },
    Disorder {
        panel: Some(&BLOOD_COUNT),
        drugs: &[&CEFACLOR],
        acts: &[&EXCISION],
        ..Disorder::plain("D17.9", "상세불명의 양성 지방종성 신생물", "등에 만져지는 혹", "04")
    },
];

static ADMISSIONS: [Disorder; 3] = [
    Disorder {
        panel: Some(&BLOOD_COUNT),
        imaging: Some(&CHEST_PNEUMONIA),
        drugs: &[&AMOXICILLIN, &ACETAMINOPHEN],
        ..Disorder::plain("J18.9", "상세불명의 폐렴", "고열과 숨참", "01")
    },
    Disorder {
        panel: Some(&BLOOD_COUNT),
        drugs: &[&REBAMIPIDE],
        ..Disorder::plain("A09.9", "상세불명 기원의 위장염 및 결장염", "심한 설사와 탈수", "01")
    },
    Disorder {
        ages: (45, 110),
        panel: Some(&LIPIDS),
        imaging: Some(&BRAIN),
        drugs: &[&ASPIRIN, &ATORVASTATIN],
        ..Disorder::plain("I63.9", "상세불명의 뇌경색증", "갑작스러운 오른팔 힘 빠짐", "02")
    },
];

static BIRTH: Disorder = Disorder {
    ages: (18, 45),
    panel: Some(&BLOOD_COUNT),
    drugs: &[&ACETAMINOPHEN],
    acts: &[&DELIVERY],
    ..Disorder::plain("O80.9", "상세불명의 단일자연분만", "규칙적인 진통", "10")
};

static DEATHS: [Disorder; 2] = [
    Disorder {
        panel: Some(&BLOOD_COUNT),
        imaging: Some(&CHEST_PNEUMONIA),
        drugs: &[&AMOXICILLIN],
        ..Disorder::plain("J18.9", "상세불명의 폐렴", "의식 저하와 숨참", "01")
    },
    Disorder {
        panel: Some(&LIVER_KIDNEY),
        drugs: &[&ACETAMINOPHEN],
        ..Disorder::plain("C16.9", "상세불명의 위의 악성 신생물", "체중 감소와 복통", "01")
    },
];

/// A hospital with beds.
pub(super) static HOSPITAL: Catalogue = Catalogue {
    disorders: &EVERYDAY,
    operations: &HOSPITAL_OPERATIONS,
    admissions: &ADMISSIONS,
    birth: Some(&BIRTH),
    deaths: &DEATHS,
    routine: &[],
    anaesthesia: &GENERAL_ANAESTHESIA,
    vaccines: &VACCINES,
};

/// A clinic without beds.
pub(super) static CLINIC: Catalogue = Catalogue {
    disorders: &EVERYDAY,
    operations: &CLINIC_OPERATIONS,
    admissions: &[],
    birth: None,
    deaths: &[],
    routine: &[],
    anaesthesia: &LOCAL_ANAESTHESIA,
    vaccines: &VACCINES,
};
