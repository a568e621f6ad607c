//! What a rule is told beside the entry itself, gathered before it is asked, so that rules do no I/O.

use base::{Id16, Timestamp};
use policy::InstitutionCode;
use store::{AccessEntry, StatedReason};

/// Facts about one entry, as they were when it was made. What is unknown is left out, and the rule that needs it is silent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The institution that who looked works at; of several, the one whose record it is, where it is among them.
    pub works_at: Option<InstitutionCode>,
    /// Whose record it is, where the institution's patient is linked to a person: one, however many institutions know them.
    pub person: Option<Id16>,
    /// Whether the record is of who looked.
    pub is_own: bool,
    /// Whether who looked and whose record it is live together.
    pub is_household: bool,
    /// Whether whose record it is works at an institution where who looked works too.
    pub is_colleague: bool,
    /// Whether whose record it is, is in the public eye.
    pub is_vip: bool,
    /// When whose record it is died.
    pub deceased: Option<Timestamp>,
    /// Whether the record is a decoy.
    pub is_decoy: bool,
    /// When the institutions work at which who looked may have been at work; none where it is not known of each.
    pub hours: Vec<Shifts>,
    /// When the account was used before.
    pub last_used: Option<Timestamp>,
    /// What is known of the device.
    pub device: Device,
    /// When the account lost what it came with: the role, the ground that the entry points to, or the account itself.
    pub revoked: Option<Timestamp>,
    /// What the answer of the door points to.
    pub reason: Reason,
    /// The reason that who looked gave for the ground, where they asked for it themselves.
    pub stated: Option<StatedReason>,
}

/// Working hours on one day, in minutes since midnight in Korea. Both 0 where the institution does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// When work begins.
    pub from_minute: i32,
    /// When it ends; earlier than `from_minute` where it ends on the next day.
    pub to_minute: i32,
}

impl Hours {
    /// Whether the institution works at all.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.from_minute != 0 || self.to_minute != 0
    }
}

/// Working hours of one institution around the day of an entry: those of the night before may reach into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shifts {
    /// On the day before, where they are known.
    pub yesterday: Option<Hours>,
    /// On the day itself.
    pub today: Hours,
    /// On the day after, where they are known.
    pub tomorrow: Option<Hours>,
}

/// What is known of the device that an entry came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Device {
    /// Nothing, or it is the first that the account ever used.
    #[default]
    Unknown,
    /// The account used it before.
    Known,
    /// The account used others, and not this network.
    New,
    /// Both factors were given on a device not seen before, since the account was last used.
    SignedIn,
}

/// What an entry says about why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reason {
    /// The purpose says all that is needed.
    #[default]
    InPurpose,
    /// It names something: a request, a visit, a consent, an order, a job.
    Given,
    /// An emergency; reviewed afterwards.
    BreakGlass,
    /// Nothing.
    Missing,
}

/// Glass that was broken in an emergency, and whose review is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// The ground that it made, which its accesses point to.
    pub entry: Id16,
    /// Who broke it.
    pub actor: Id16,
    /// Whose records it opened.
    pub subject: Id16,
    /// When.
    pub time: Timestamp,
}

/// Something that is missing or damaged in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// Entries with these numbers are gone.
    Entries {
        /// The first that is gone.
        from: u64,
        /// The last that is gone.
        to: u64,
    },
    /// Entries came before others that are in the log, and are not in it.
    NotInLog {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Leaves with these indexes belong to no entry.
    Leaves {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// An entry cannot be read: it is not what its key sealed.
    Unreadable {
        /// Its number.
        number: u64,
    },
    /// Entries cannot be read, and none behind them is watched, for want of a key that somebody has to restore.
    NoKey {
        /// The key, or the root that it needs.
        key: String,
        /// The last entry that was watched: where the same key is missing later, more were.
        after: u64,
    },
    /// The chain of a journal file breaks off before its end.
    Journal {
        /// The file's name, which tells nothing of a person.
        file: String,
    },
}

impl Gap {
    /// The gap between two entries that follow each other in the table; `None` where their numbers do.
    #[must_use]
    pub fn between(before: u64, next: u64) -> Option<Self> {
        (next > before + 1).then(|| Self::Entries { from: before + 1, to: next - 1 })
    }
}

/// Where facts come from.
pub trait Source {
    /// Why facts cannot be had.
    type Error;

    /// The facts about an entry, as they were before it.
    ///
    /// # Errors
    /// Where they cannot be read; the entry is then looked at again later.
    fn facts(&mut self, entry: &AccessEntry) -> Result<Facts, Self::Error>;

    /// Broken glass whose review was due before `now`, is not done and was not found yet, at most `limit`.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn overdue(&mut self, now: Timestamp, limit: usize) -> Result<Vec<Overdue>, Self::Error>;
}
