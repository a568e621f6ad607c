//! What hospitals and clinics of western medicine order: tests, images, medicines, procedures, vaccines.

use super::{Act, ActKind, Drug, Imaging, Panel, Test, Vaccine};

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

pub(super) static SUGAR: Panel =
    Panel { code: "Z9101", name: "당뇨 검사", tests: &[&HBA1C, &GLUCOSE, &CREATININE, &LDL] };
pub(super) static LIPIDS: Panel =
    Panel { code: "Z9102", name: "지질 검사", tests: &[&CHOLESTEROL, &LDL, &HDL, &TRIGLYCERIDE] };
pub(super) static LIVER_KIDNEY: Panel =
    Panel { code: "Z9103", name: "간·신장 기능검사", tests: &[&AST, &ALT, &CREATININE, &GLUCOSE] };
pub(super) static BLOOD_COUNT: Panel =
    Panel { code: "D0002", name: "일반혈액검사(CBC)", tests: &[&WBC, &HAEMOGLOBIN, &PLATELETS, &CRP] };
pub(super) static THYROID: Panel =
    Panel { code: "Z9104", name: "갑상선 기능검사", tests: &[&TSH, &FREE_T4, &CHOLESTEROL] };

const fn image(code: &'static str, name: &'static str, finding: &'static str, conclusion: &'static str) -> Imaging {
    Imaging { code, name, finding, conclusion }
}

pub(super) static CHEST: Imaging =
    image("Z9201", "흉부 X선 촬영", "양측 폐야에 뚜렷한 침윤은 보이지 않음. 심장 크기 정상.", "활동성 병변 없음");
pub(super) static CHEST_PNEUMONIA: Imaging =
    image("Z9201", "흉부 X선 촬영", "우하엽에 폐포성 침윤이 관찰됨. 흉수는 없음.", "우하엽 폐렴");
pub(super) static KNEE: Imaging =
    image("Z9202", "무릎 X선 촬영", "내측 관절 간격이 좁아지고 골극이 보임.", "퇴행성 무릎관절증");
pub(super) static SPINE: Imaging =
    image("Z9203", "요추 X선 촬영", "제4-5 요추 간격이 다소 좁음. 골절은 없음.", "퇴행성 변화");
pub(super) static WRIST: Imaging =
    image("Z9204", "손목 X선 촬영", "요골 원위부에 골절선이 보임. 전위는 경미함.", "요골 하단 골절");
pub(super) static ANKLE: Imaging = image("Z9205", "발목 X선 촬영", "연부조직 부종. 골절은 보이지 않음.", "골절 없음");
pub(super) static ABDOMEN: Imaging =
    image("Z9206", "복부 초음파", "담낭에 음향 음영을 동반한 결석이 보임. 담관 확장 없음.", "담낭 결석");
pub(super) static ABDOMEN_CT: Imaging =
    image("Z9207", "복부 CT", "충수 직경 11 mm로 커져 있고 주위 지방 침윤이 있음.", "급성 충수염");
pub(super) static BRAIN: Imaging = image("Z9208", "뇌 MRI", "좌측 중대뇌동맥 영역에 확산 제한 병변.", "급성 뇌경색");
pub(super) static BONE: Imaging = image("Z9209", "골밀도 검사", "요추 T-score -2.9.", "골다공증");
pub(super) static HEART_TRACE: Imaging = image("Z9210", "심전도 검사", "동율동, ST 분절 이상 없음.", "정상 심전도");

const fn drug(code: &'static str, name: &'static str, per_day: u8, days: u8, how: &'static str) -> Drug {
    Drug { code, name, per_day, days, how }
}

pub(super) static AMLODIPINE: Drug = drug("999000010", "암로디핀정 5mg", 1, 30, "1일 1회 아침 식후");
pub(super) static LOSARTAN: Drug = drug("999000020", "로사르탄칼륨정 50mg", 1, 30, "1일 1회 아침 식후");
pub(super) static METFORMIN: Drug = drug("999000030", "메트포르민염산염정 500mg", 2, 30, "1일 2회 아침, 저녁 식후");
pub(super) static GLIMEPIRIDE: Drug = drug("999000040", "글리메피리드정 2mg", 1, 30, "1일 1회 아침 식전");
pub(super) static ATORVASTATIN: Drug = drug("999000050", "아토르바스타틴칼슘정 10mg", 1, 30, "1일 1회 저녁 식후");
pub(super) static LEVOTHYROXINE: Drug = drug("999000060", "레보티록신나트륨정 50μg", 1, 30, "1일 1회 아침 공복");
pub(super) static ALENDRONATE: Drug = drug("999000070", "알렌드론산정 70mg", 1, 28, "주 1회 아침 공복");
pub(super) static ACETAMINOPHEN: Drug = drug("999000080", "아세트아미노펜정 500mg", 3, 3, "1일 3회 식후 30분");
pub(super) static IBUPROFEN: Drug = drug("999000090", "이부프로펜정 200mg", 3, 5, "1일 3회 식후 30분");
pub(super) static AMOXICILLIN: Drug = drug("999000100", "아목시실린캡슐 500mg", 3, 5, "1일 3회 식후 30분");
pub(super) static CEFACLOR: Drug = drug("999000110", "세파클러캡슐 250mg", 3, 5, "1일 3회 식후 30분");
pub(super) static CETIRIZINE: Drug = drug("999000120", "세티리진염산염정 10mg", 1, 7, "1일 1회 자기 전");
pub(super) static RABEPRAZOLE: Drug = drug("999000130", "라베프라졸나트륨정 10mg", 1, 14, "1일 1회 아침 식전");
pub(super) static REBAMIPIDE: Drug = drug("999000140", "레바미피드정 100mg", 3, 14, "1일 3회 식후 30분");
pub(super) static BUDESONIDE: Drug = drug("999000150", "부데소니드·포르모테롤 흡입제", 2, 30, "1일 2회 흡입");
pub(super) static SERTRALINE: Drug = drug("999000160", "설트랄린염산염정 50mg", 1, 28, "1일 1회 아침 식후");
pub(super) static ASPIRIN: Drug = drug("999000170", "아스피린장용정 100mg", 1, 30, "1일 1회 아침 식후");
pub(super) static ACICLOVIR: Drug = drug("999000180", "팜시클로비르정 250mg", 3, 7, "1일 3회 식후 30분");

const fn act(code: &'static str, name: &'static str, kind: ActKind) -> Act {
    Act { code, name, kind }
}

pub(super) static APPENDECTOMY: Act = act("Z9301", "복강경하 충수절제술", ActKind::Surgery);
pub(super) static CHOLECYSTECTOMY: Act = act("Z9302", "복강경하 담낭절제술", ActKind::Surgery);
pub(super) static CATARACT: Act = act("Z9303", "수정체 유화술 및 인공수정체 삽입술", ActKind::Surgery);
pub(super) static FIXATION: Act = act("Z9304", "요골 골절 관혈적 정복술", ActKind::Surgery);
pub(super) static HAEMORRHOID: Act = act("Z9305", "치핵절제술", ActKind::Surgery);
pub(super) static EXCISION: Act = act("Z9306", "피부 양성종양 적출술", ActKind::Surgery);
pub(super) static DELIVERY: Act = act("Z9307", "질식 분만", ActKind::Treatment);
pub(super) static CAST: Act = act("Z9308", "석고붕대 처치", ActKind::Treatment);
pub(super) static THERAPY: Act = act("Z9309", "표층열·심층열 물리치료", ActKind::Treatment);
pub(super) static NEBULISER: Act = act("Z9310", "네뷸라이저 치료", ActKind::Treatment);
pub(super) static GENERAL_ANAESTHESIA: Act = act("Z9311", "전신마취", ActKind::Anaesthesia);
pub(super) static LOCAL_ANAESTHESIA: Act = act("Z9312", "국소마취", ActKind::Anaesthesia);

pub(super) static VACCINES: [Vaccine; 5] = [
    Vaccine { code: "13", name: "인플루엔자" },
    Vaccine { code: "12", name: "폐렴구균" },
    Vaccine { code: "06", name: "B형간염" },
    Vaccine { code: "14", name: "A형간염" },
    Vaccine { code: "24", name: "파상풍/디프테리아/백일해 (Tdap)" },
];
