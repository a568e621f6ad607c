//! Why something of a bag was not taken as what it came as. Reasons name places and rules, never values.

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// A line is not UTF-8 or not JSON.
    BrokenLine,
    /// A line is longer than a resource may be.
    LineTooLong,
    /// The type is not one of FHIR R4.
    UnknownType,
    /// The resource is not valid R4, or has no id.
    Invalid,
    /// It is about a patient who is neither in the bag nor here.
    Nobody,
    /// The file's checksum is not that of the manifest.
    Checksum,
    /// The file cannot be read, or was changed while the bag was read.
    Unreadable,
    /// A document is not what it claims to be.
    NotAsClaimed,
    /// A document is larger than permitted.
    TooLarge,
    /// A document that a resource points to is not in the bag.
    Missing,
    /// A document that no resource points to.
    Unreferenced,
    /// A file that is neither NDJSON below `data/fhir` nor a document.
    UnknownFile,
    /// A document that resources of several patients point to.
    SharedDocument,
    /// Two patients of the bag are one person to the identity agency.
    DoubledPerson,
    /// It is about a patient whose number stands here for somebody else.
    DisputedPatient,
    /// It is about a patient who was erased.
    ErasedPatient,
}

impl Fault {
    /// Every one.
    pub const ALL: [Self; 16] = [
        Self::BrokenLine,
        Self::LineTooLong,
        Self::UnknownType,
        Self::Invalid,
        Self::Nobody,
        Self::Checksum,
        Self::Unreadable,
        Self::NotAsClaimed,
        Self::TooLarge,
        Self::Missing,
        Self::Unreferenced,
        Self::UnknownFile,
        Self::SharedDocument,
        Self::DoubledPerson,
        Self::DisputedPatient,
        Self::ErasedPatient,
    ];

    /// Its name in tables and receipts.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::BrokenLine => "broken-line",
            Self::LineTooLong => "line-too-long",
            Self::UnknownType => "unknown-type",
            Self::Invalid => "invalid",
            Self::Nobody => "nobody",
            Self::Checksum => "checksum",
            Self::Unreadable => "unreadable",
            Self::NotAsClaimed => "not-as-claimed",
            Self::TooLarge => "too-large",
            Self::Missing => "missing",
            Self::Unreferenced => "unreferenced",
            Self::UnknownFile => "unknown-file",
            Self::SharedDocument => "shared-document",
            Self::DoubledPerson => "doubled-person",
            Self::DisputedPatient => "disputed-patient",
            Self::ErasedPatient => "erased-patient",
        }
    }

    /// Its words in a receipt: Korean, English.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::BrokenLine => ("읽을 수 없는 줄", "lines that cannot be read"),
            Self::LineTooLong => ("너무 긴 줄", "lines that are too long"),
            Self::UnknownType => ("FHIR R4에 없는 자원 종류", "resource types unknown to FHIR R4"),
            Self::Invalid => ("FHIR R4 형식에 맞지 않는 자원", "resources that are not valid FHIR R4"),
            Self::Nobody => ("환자를 찾을 수 없는 자원", "resources about nobody known"),
            Self::Checksum => ("체크섬이 다른 파일", "files whose checksum is another"),
            Self::Unreadable => ("읽을 수 없는 파일", "files that cannot be read"),
            Self::NotAsClaimed => ("표시된 형식과 내용이 다른 문서", "documents that are not what they claim"),
            Self::TooLarge => ("너무 큰 문서", "documents that are too large"),
            Self::Missing => ("자원이 가리키지만 없는 문서", "documents that are pointed to and missing"),
            Self::Unreferenced => ("어느 자원도 가리키지 않는 문서", "documents that nothing points to"),
            Self::UnknownFile => ("쓰임을 알 수 없는 파일", "files of unknown use"),
            Self::SharedDocument => {
                ("여러 환자의 자원이 함께 가리키는 문서", "documents that resources of several patients point to")
            }
            Self::DoubledPerson => ("한 사람으로 확인된 서로 다른 환자", "different patients who are one person"),
            Self::DisputedPatient => (
                "같은 환자번호가 이미 다른 사람의 것이어서 확인이 필요한 자원",
                "resources of patients whose id stands here for somebody else",
            ),
            Self::ErasedPatient => {
                ("법에 따라 삭제된 환자의 자원", "resources of patients who were erased under the law")
            }
        }
    }

    /// The one of a slug.
    #[must_use]
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.slug() == slug)
    }
}

/// Why one line or file was held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) fault: Fault,
    pub(crate) reason: String,
}

impl Refusal {
    pub(crate) fn new(fault: Fault, reason: impl Into<String>) -> Self {
        Self { fault, reason: reason.into() }
    }
}
