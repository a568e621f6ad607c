//! The documents of a chart: which there are ([`plan`]), what they say ([`words`]), how they lie on the page ([`page`])
//! and the files they become ([`pdf`], [`scan`]). Every page says that it is synthetic.

pub(crate) mod film;
pub(crate) mod font;
pub(crate) mod page;
pub(crate) mod pdf;
pub(crate) mod plan;
pub(crate) mod scan;
pub(crate) mod words;

/// The code system of [`Kind::slug`].
pub(crate) const KIND_SYSTEM: &str = "https://hanmaru.example/CodeSystem/document-kind";

macro_rules! kinds {
    ($($variant:ident $slug:literal $korean:literal $english:literal;)*) => {
        /// The kinds of document that a hospital keeps and an archive issues as copies.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum Kind { $(#[doc = $english] $variant,)* }

        impl Kind {
            /// Every kind.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code of the kind.
            pub(crate) const fn slug(self) -> &'static str {
                match self { $(Self::$variant => $slug,)* }
            }

            /// Its Korean name.
            pub(crate) const fn korean(self) -> &'static str {
                match self { $(Self::$variant => $korean,)* }
            }

            /// Its English name.
            pub(crate) const fn english(self) -> &'static str {
                match self { $(Self::$variant => $english,)* }
            }
        }
    };
}

kinds! {
    MedicalCertificate "medical-certificate" "진단서" "Medical certificate";
    MedicalOpinion "medical-opinion" "소견서" "Medical opinion";
    TreatmentConfirmation "treatment-confirmation" "진료확인서" "Confirmation of treatment";
    AdmissionDischarge "admission-discharge-confirmation" "입·퇴원확인서" "Confirmation of admission and discharge";
    OutpatientConfirmation "outpatient-confirmation" "통원확인서" "Confirmation of outpatient visits";
    SurgeryConfirmation "surgery-confirmation" "수술확인서" "Confirmation of surgery";
    BirthCertificate "birth-certificate" "출생증명서" "Birth certificate";
    DeathCertificate "death-certificate" "사망진단서" "Death certificate";
    Chart "chart" "진료기록부" "Medical chart";
    TestReport "test-report" "검사결과지" "Test report";
    ImagingReport "imaging-report" "영상판독지" "Imaging report";
    Prescription "prescription" "처방전" "Prescription";
    NursingRecord "nursing-record" "간호기록지" "Nursing record";
    OperationRecord "operation-record" "수술기록지" "Operation record";
    AnaesthesiaRecord "anaesthesia-record" "마취기록지" "Anaesthesia record";
    DischargeSummary "discharge-summary" "퇴원요약지" "Discharge summary";
    BillReceipt "bill-receipt" "진료비 계산서·영수증" "Bill and receipt";
    ItemisedStatement "itemised-statement" "진료비 세부산정내역서" "Itemised statement of charges";
    PaymentConfirmation "payment-confirmation" "진료비 납입확인서" "Confirmation of payment";
    Image "image" "영상" "Image";
}

/// What a document is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A page with text that can be found and copied.
    Pdf,
    /// A scan or film without loss.
    Png,
    /// A scan or film with loss.
    Jpeg,
}

impl Format {
    /// The media type.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
        }
    }

    /// The ending of the file's name.
    pub(crate) const fn ending(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Png => "png",
            Self::Jpeg => "jpg",
        }
    }
}
