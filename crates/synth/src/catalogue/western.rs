//! Hospitals and clinics of western medicine: disorders and what follows them.

use super::orders::{
    ABDOMEN, ABDOMEN_CT, ACETAMINOPHEN, ACICLOVIR, ALENDRONATE, AMLODIPINE, AMOXICILLIN, ANKLE, APPENDECTOMY, ASPIRIN,
    ATORVASTATIN, BLOOD_COUNT, BONE, BRAIN, BUDESONIDE, CAST, CATARACT, CEFACLOR, CETIRIZINE, CHEST, CHEST_PNEUMONIA,
    CHOLECYSTECTOMY, DELIVERY, EXCISION, FIXATION, GENERAL_ANAESTHESIA, GLIMEPIRIDE, HAEMORRHOID, HEART_TRACE,
    IBUPROFEN, KNEE, LEVOTHYROXINE, LIPIDS, LIVER_KIDNEY, LOCAL_ANAESTHESIA, LOSARTAN, METFORMIN, NEBULISER,
    RABEPRAZOLE, REBAMIPIDE, SERTRALINE, SPINE, SUGAR, THERAPY, THYROID, VACCINES, WRIST,
};
use super::{Catalogue, Disorder};

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
        acts: &[&CATARACT, &LOCAL_ANAESTHESIA],
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
