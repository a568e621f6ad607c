//! What an access of somebody else than the person points to: a request, a visit, a consent, an order, a migration job, an
//! appointment as representative, or a broken glass. A fact that exists and is open; never a role.

use crate::ask::OwnPatient;
use crate::share::Share;
use base::Id16;

/// What kind of thing gives the right to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroundKind {
    /// The person, or who may act for them, named a representative.
    Appointment,
    /// An application at the support centre.
    Request,
    /// A visit at the institution of whoever treats.
    Visit,
    /// A consent of the person.
    Consent,
    /// A prescription that is to be filled.
    Order,
    /// A migration job.
    Migration,
    /// An emergency: opened by whoever looks, told to a second person at once, and reviewed.
    BreakGlass,
}

impl GroundKind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Appointment, Self::Request, Self::Visit, Self::Consent, Self::Order, Self::Migration, Self::BreakGlass];

    /// Its name in policies, tables and the access log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Appointment => "appointment",
            Self::Request => "request",
            Self::Visit => "visit",
            Self::Consent => "consent",
            Self::Order => "order",
            Self::Migration => "migration",
            Self::BreakGlass => "break-glass",
        }
    }

    /// Names of the purposes that it is a ground for ([`crate::Purpose::name`]).
    #[must_use]
    pub const fn purposes(self) -> &'static [&'static str] {
        match self {
            Self::Appointment => &["representation"],
            Self::Request => &["application"],
            Self::Visit => &["care"],
            Self::Consent => &["care", "dispensing"],
            Self::Order => &["dispensing"],
            Self::Migration => &["migration"],
            Self::BreakGlass => &["emergency"],
        }
    }

    /// The kind of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A ground that is open now and the asker's own to use. What is closed, over, not yet begun or another's is no fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// Which.
    pub id: Id16,
    /// Of what kind.
    pub kind: GroundKind,
    /// Whom it is about: a person, or one patient of an institution.
    pub subject: Id16,
    /// What of theirs it reaches.
    pub patients: Vec<OwnPatient>,
    /// How much of that may be seen.
    pub share: Share,
}
