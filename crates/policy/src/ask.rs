//! What is asked at the door, and the facts needed to answer. No clinical data among them.

use crate::ground::Ground;
use base::{Id16, Redacted};
use std::collections::BTreeSet;
use std::fmt;

/// The code of an institution (요양기관기호, eight digits) or of a foreign sender: 1 to 64 of `A-Z a-z 0-9 . -`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstitutionCode(String);

impl InstitutionCode {
    /// Takes a code; `None` where it has another form.
    #[must_use]
    pub fn new(code: &str) -> Option<Self> {
        let fits = (1..=64).contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-');
        fits.then(|| Self(code.to_owned()))
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstitutionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for InstitutionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whom a resource or object belongs to: the distribution key of every large table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// A FHIR Patient of one institution, by the id it has here. The store tells which one that is, since it takes a secret.
    Patient(Id16),
    /// What belongs to an institution and to no patient, by the derived id of its code.
    Institution(Id16),
}

impl Owner {
    /// The owner of what an institution has besides its patients.
    #[must_use]
    pub fn institution(institution: &InstitutionCode) -> Self {
        Self::Institution(Id16::derived(&["institution", institution.as_str()]))
    }

    /// Its key in tables, packs and additional data of encryption.
    #[must_use]
    pub const fn id(&self) -> Id16 {
        match self {
            Self::Patient(id) | Self::Institution(id) => *id,
        }
    }
}

/// What somebody is here for. One account may hold several roles and acts in one of them at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// A person with records here.
    Patient,
    /// Somebody who acts for a person, as an appointment says.
    Representative,
    /// Staff of a support centre, who handle applications.
    Support,
    /// Somebody who deposits the records of one institution.
    Depositor,
    /// Somebody who treats people at one institution.
    Clinician,
    /// Somebody who fills prescriptions at one institution.
    Pharmacist,
    /// Somebody who asks questions of many records and reads none.
    Researcher,
    /// Somebody who is answerable for the data: confirms grounds, looks after migrations.
    Steward,
    /// Somebody who watches over access and reviews broken glass; reads no record.
    SecurityOfficer,
    /// Somebody who checks those who watch; reads no record and changes nothing.
    Auditor,
    /// Somebody who gives and takes rights; reads no record.
    Administrator,
    /// Somebody who runs the installation; sees no clinical data.
    Operator,
    /// The program itself, in a job that names what it touches.
    Job,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 13] = [
        Self::Patient,
        Self::Representative,
        Self::Support,
        Self::Depositor,
        Self::Clinician,
        Self::Pharmacist,
        Self::Researcher,
        Self::Steward,
        Self::SecurityOfficer,
        Self::Auditor,
        Self::Administrator,
        Self::Operator,
        Self::Job,
    ];

    /// Roles that an account is appointed to, besides depositing and operating, which have facts of their own.
    pub const APPOINTED: [Self; 8] = [
        Self::Support,
        Self::Clinician,
        Self::Pharmacist,
        Self::Researcher,
        Self::Steward,
        Self::SecurityOfficer,
        Self::Auditor,
        Self::Administrator,
    ];

    /// The role's name in policies and in the access log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Representative => "representative",
            Self::Support => "support",
            Self::Depositor => "depositor",
            Self::Clinician => "clinician",
            Self::Pharmacist => "pharmacist",
            Self::Researcher => "researcher",
            Self::Steward => "steward",
            Self::SecurityOfficer => "security-officer",
            Self::Auditor => "auditor",
            Self::Administrator => "administrator",
            Self::Operator => "operator",
            Self::Job => "job",
        }
    }

    /// The role of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// How sure we are who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assurance {
    /// Nobody signed in.
    None,
    /// One factor: an identity agency vouched for the person.
    One,
    /// Two factors.
    Two,
}

impl Assurance {
    /// The level as a number, for policies: 0, 1 or 2.
    #[must_use]
    pub const fn level(self) -> i64 {
        match self {
            Self::None => 0,
            Self::One => 1,
            Self::Two => 2,
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The account, or the id of the job.
    pub account: Id16,
    /// In which role.
    pub role: Role,
    /// How sure we are.
    pub assurance: Assurance,
    /// The name shown to data subjects who look at who looked: a person's name, or a job's.
    pub name: Redacted<String>,
    /// Where the request came from: an address, or `local` for the command line.
    pub source: Redacted<String>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// See the list of one's records.
    ReadTimeline,
    /// Read clinical resources whole.
    ReadRecord,
    /// Read a document.
    ReadDocument,
    /// Have a PDF issued.
    Issue,
    /// See who looked.
    ReadAccessLog,
    /// Put an institution's records in.
    Deposit,
    /// Read the receipt of a deposit.
    ReadReceipt,
    /// Link patients to people by the identity agency's answer.
    LinkPerson,
    /// Seal accepted writes: the sequencer.
    Seal,
    /// Compare and mend sites.
    Repair,
    /// Make an installation's tables again from a site, which opens every frame to prove it.
    Rebuild,
    /// See the state of the installation: counts, lags, sizes.
    ReadStatus,
    /// Let time go on from the machine's clock, although later times were recorded.
    ResetClock,
    /// Give, change and withdraw one's own consents.
    ManageConsent,
    /// Name who may act for oneself, and end it.
    Appoint,
    /// Write down what proves that somebody may act for a person.
    RecordProof,
    /// Ask for a ground to look at a person's records; another person confirms it.
    AskGround,
    /// Confirm or close grounds that others asked for.
    ConfirmGround,
    /// Open a person's records in an emergency, to be reviewed.
    BreakGlass,
    /// Close the review of a broken glass.
    ReviewGlass,
    /// See grounds, broken glass and reviews, without any record.
    Oversee,
    /// Give and take rights.
    ManageRights,
    /// Decide whether somebody's second factors are reset, having seen proof of who they are.
    DecideRecovery,
    /// Watch the access log as it grows.
    WatchAccesses,
    /// See to what the watch found: look at it, ask, close.
    HandleCases,
    /// See what the watch found and what became of it, without a hand in it.
    SeeCases,
    /// Say of records that they are to be watched over with more care: people in the public eye, decoys.
    MarkRecords,
    /// Ask for an erasure by law, approve or withdraw one, and see how far it is. No record is opened.
    HandleErasures,
    /// Answer what one is asked about one's own accesses.
    AnswerQuestion,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 29] = [
        Self::ReadTimeline,
        Self::ReadRecord,
        Self::ReadDocument,
        Self::Issue,
        Self::ReadAccessLog,
        Self::Deposit,
        Self::ReadReceipt,
        Self::LinkPerson,
        Self::Seal,
        Self::Repair,
        Self::Rebuild,
        Self::ReadStatus,
        Self::ResetClock,
        Self::ManageConsent,
        Self::Appoint,
        Self::RecordProof,
        Self::AskGround,
        Self::ConfirmGround,
        Self::BreakGlass,
        Self::ReviewGlass,
        Self::Oversee,
        Self::ManageRights,
        Self::DecideRecovery,
        Self::WatchAccesses,
        Self::HandleCases,
        Self::SeeCases,
        Self::MarkRecords,
        Self::HandleErasures,
        Self::AnswerQuestion,
    ];

    /// The action's name in policies and in the access log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadTimeline => "read-timeline",
            Self::ReadRecord => "read-record",
            Self::ReadDocument => "read-document",
            Self::Issue => "issue",
            Self::ReadAccessLog => "read-access-log",
            Self::Deposit => "deposit",
            Self::ReadReceipt => "read-receipt",
            Self::LinkPerson => "link-person",
            Self::Seal => "seal",
            Self::Repair => "repair",
            Self::Rebuild => "rebuild",
            Self::ReadStatus => "read-status",
            Self::ResetClock => "reset-clock",
            Self::ManageConsent => "manage-consent",
            Self::Appoint => "appoint",
            Self::RecordProof => "record-proof",
            Self::AskGround => "ask-ground",
            Self::ConfirmGround => "confirm-ground",
            Self::BreakGlass => "break-glass",
            Self::ReviewGlass => "review-glass",
            Self::Oversee => "oversee",
            Self::ManageRights => "manage-rights",
            Self::DecideRecovery => "decide-recovery",
            Self::WatchAccesses => "watch-accesses",
            Self::HandleCases => "handle-cases",
            Self::SeeCases => "see-cases",
            Self::MarkRecords => "mark-records",
            Self::HandleErasures => "handle-erasures",
            Self::AnswerQuestion => "answer-question",
        }
    }

    /// The action of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// Whose data it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Everything linked to one person.
    Person(Id16),
    /// One patient of one institution.
    Patient(Id16),
    /// One institution.
    Institution(InstitutionCode),
    /// The installation as a whole.
    Installation,
}

/// Why. Every access carries one, and the data subject is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A person and their own records (Medical Service Act art. 21(1)).
    OwnRecords,
    /// An institution hands its records over (Medical Service Act art. 40-2).
    Custody {
        /// The deposit.
        deposit: Id16,
    },
    /// Running the installation.
    Operation,
    /// Acting for a person.
    Representation {
        /// The appointment.
        ground: Id16,
    },
    /// Handling an application.
    Application {
        /// The request.
        ground: Id16,
    },
    /// Treating the person.
    Care {
        /// The visit or the consent.
        ground: Id16,
    },
    /// Filling a prescription.
    Dispensing {
        /// The order or the consent.
        ground: Id16,
    },
    /// Checking what a migration made of records.
    Migration {
        /// The job.
        ground: Id16,
    },
    /// An emergency.
    Emergency {
        /// The broken glass; when it is broken, the id that it is to have.
        ground: Id16,
    },
    /// Watching over access.
    Oversight,
}

impl Purpose {
    /// Every name that a purpose has.
    pub(crate) const NAMES: [&'static str; 10] = [
        "own-records",
        "custody",
        "operation",
        "representation",
        "application",
        "care",
        "dispensing",
        "migration",
        "emergency",
        "oversight",
    ];

    /// The purpose's name in policies and in the access log.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OwnRecords => Self::NAMES[0],
            Self::Custody { .. } => Self::NAMES[1],
            Self::Operation => Self::NAMES[2],
            Self::Representation { .. } => Self::NAMES[3],
            Self::Application { .. } => Self::NAMES[4],
            Self::Care { .. } => Self::NAMES[5],
            Self::Dispensing { .. } => Self::NAMES[6],
            Self::Migration { .. } => Self::NAMES[7],
            Self::Emergency { .. } => Self::NAMES[8],
            Self::Oversight => Self::NAMES[9],
        }
    }

    /// The ground that it points to.
    #[must_use]
    pub const fn ground(&self) -> Option<Id16> {
        match self {
            Self::OwnRecords | Self::Custody { .. } | Self::Operation | Self::Oversight => None,
            Self::Representation { ground }
            | Self::Application { ground }
            | Self::Care { ground }
            | Self::Dispensing { ground }
            | Self::Migration { ground }
            | Self::Emergency { ground } => Some(*ground),
        }
    }

    /// The purpose of this name that points to a ground; `None` where purposes of this name point to none.
    #[must_use]
    pub fn with_ground(name: &str, ground: Id16) -> Option<Self> {
        let all = [
            Self::Representation { ground },
            Self::Application { ground },
            Self::Care { ground },
            Self::Dispensing { ground },
            Self::Migration { ground },
            Self::Emergency { ground },
        ];
        all.into_iter().find(|purpose| purpose.name() == name)
    }
}

/// A question at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// About whom.
    pub target: Target,
    /// Why.
    pub purpose: Purpose,
}

/// One patient that is the person who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPatient {
    /// The patient's id here.
    pub patient: Id16,
    /// The institution whose patient it is.
    pub institution: InstitutionCode,
}

/// What is known about who asks: one narrow read that returns no clinical bodies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Counts every change of rights; a permit of an older epoch is refused.
    pub epoch: u64,
    /// The person behind the account.
    pub person: Option<Id16>,
    /// The patients that are this person.
    pub patients: Vec<OwnPatient>,
    /// The institution whose depositor this account is.
    pub deposits_for: Option<InstitutionCode>,
    /// Whether the account is an operator's.
    pub operator: bool,
    /// The roles of [`Role::APPOINTED`] that it holds.
    pub holds: BTreeSet<Role>,
    /// The ground that the request points to, where it is open and the asker's own.
    pub ground: Option<Ground>,
}
