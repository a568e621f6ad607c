//! What an account's person is told: a sign-in from a device not seen before, a passkey or an authenticator app that came or went.
//! Each is told on every device until it is read there, so that whoever got in cannot hide it from the one whose account it is.

use crate::IdentityError;
use crate::error::moment;
use crate::identity::{Identity, Inner};
use crate::session::Session;
use crate::tables::devices::{self, NoticeRow};
use crate::tables::{self, SessionRow};
use base::wire::{Malformed, Reader, Writer};
use base::{Id16, Redacted, Timestamp, source_bytes};
use rusqlite::{Connection, Transaction};
use std::sync::Arc;

/// Notices older than this are in the list and nowhere else.
const SHOWN_US: i64 = 30 * 24 * 3600 * 1_000_000;
const ABOUT: &str = "notice";
/// The device of what none did.
const NO_DEVICE: [u8; 32] = [0; 32];

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// Both factors were given on a device not seen before.
    NewDevice,
    /// A passkey was set up.
    PasskeyAdded,
    /// A passkey was removed.
    PasskeyRemoved,
    /// A passkey answered as a copy of it would.
    PasskeySuspect,
    /// An authenticator app was set up beside a passkey.
    AppAdded,
    /// An authenticator app was set up in place of another.
    AppReplaced,
    /// The authenticator app was removed.
    AppRemoved,
    /// Somebody asked for the second factors to be reset.
    RecoveryAsked,
    /// The second factors were reset.
    RecoveryDone,
    /// Staff wrote down who may act for the person.
    RepresentativeRecorded,
    /// Staff ended what somebody did for the person.
    RepresentativeEnded,
}

impl NoticeKind {
    /// Every kind with its name.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::NewDevice, "new-device"),
        (Self::PasskeyAdded, "passkey-added"),
        (Self::PasskeyRemoved, "passkey-removed"),
        (Self::PasskeySuspect, "passkey-suspect"),
        (Self::AppAdded, "app-added"),
        (Self::AppReplaced, "app-replaced"),
        (Self::AppRemoved, "app-removed"),
        (Self::RecoveryAsked, "recovery-asked"),
        (Self::RecoveryDone, "recovery-done"),
        (Self::RepresentativeRecorded, "representative-recorded"),
        (Self::RepresentativeEnded, "representative-ended"),
    ];

    /// Its name in the table, and of its text.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| *name)
    }
}

/// One notice.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The name of its kind ([`NoticeKind::name`]).
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
    /// The kind of browser, as [`crate::family`] names it; empty where there was none.
    pub family: String,
    /// From where; empty where there was no place.
    pub source: Redacted<String>,
    /// Whether the device that asks did it.
    pub own: bool,
}

impl Identity {
    /// The notices of the session's account, newest first. They count as read on this device from now on.
    ///
    /// # Errors
    /// [`IdentityError::Damaged`], [`IdentityError::Store`].
    pub fn notices(&self, session: &Session) -> Result<Vec<Notice>, IdentityError> {
        let inner = &*self.inner;
        let (account, device) = (session.account, session.device);
        let rows = inner.read("identity-notices", |connection, _| devices::notices(connection, account))?;
        if session.notices > 0 {
            inner.write("identity-notices-read", move |transaction, now_us| {
                devices::set_noticed(transaction, account, &device, now_us).map(Ok)
            })?;
        }
        let damaged = IdentityError::Damaged { what: "a notice" };
        let notice = |row: &NoticeRow| {
            let about = inner.open(ABOUT, account, &row.about)?;
            let (family, source) = read_about(&about).ok()?;
            let own = row.device == device && device != NO_DEVICE;
            Some(Notice { kind: row.kind.clone(), at: moment(row.made_us), family, source: Redacted::new(source), own })
        };
        rows.iter().map(notice).collect::<Option<Vec<_>>>().ok_or(damaged)
    }

    /// Tells a person of what others did about them. Does nothing where they never signed in: there is nobody to tell yet.
    /// Whether it was done is the caller's business.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub fn tell(&self, account: Id16, kind: NoticeKind) -> Result<(), IdentityError> {
        let inner = Arc::clone(&self.inner);
        self.inner.write("identity-tell", move |transaction, now_us| {
            if tables::account(transaction, account)?.is_some() {
                inner.note_for(transaction, kind, account, None, now_us)?;
            }
            Ok(Ok(()))
        })
    }
}

impl Inner {
    /// Both factors of a session were given: its device is known from now on, and a new one is told of.
    pub(crate) fn arrived(
        &self,
        transaction: &Transaction<'_>,
        session: &SessionRow,
        now_us: i64,
    ) -> rusqlite::Result<()> {
        let account = session.account;
        let is_known = devices::get(transaction, account, &session.device)?.is_some();
        // Where there is no device yet there is nobody to tell.
        if !is_known && devices::any(transaction, account)? {
            self.note(transaction, NoticeKind::NewDevice, session, now_us)?;
        }
        let source = self.open_text("source", account, &session.source).unwrap_or_default();
        devices::remember(transaction, account, &session.device, &self.source_hash(account, &source), now_us)
    }

    /// Tells of what was done in a session.
    pub(crate) fn note(
        &self,
        transaction: &Transaction<'_>,
        kind: NoticeKind,
        session: &SessionRow,
        now_us: i64,
    ) -> rusqlite::Result<()> {
        self.note_for(transaction, kind, session.account, Some(session), now_us)
    }

    /// Tells an account's person of something that was done, in a session of theirs or without one.
    pub(crate) fn note_for(
        &self,
        transaction: &Transaction<'_>,
        kind: NoticeKind,
        account: Id16,
        session: Option<&SessionRow>,
        now_us: i64,
    ) -> rusqlite::Result<()> {
        let text = |label, sealed: Option<&Vec<u8>>| {
            sealed.and_then(|sealed| self.open_text(label, account, sealed)).unwrap_or_default()
        };
        let mut about = Writer::new();
        about.text(&text("family", session.map(|session| &session.family)));
        about.text(&text("source", session.map(|session| &session.source)));
        let notice = NoticeRow {
            account,
            id: Id16::random(&*self.random),
            kind: kind.name().to_owned(),
            about: self.seal(ABOUT, account, &about.finish()),
            device: session.map_or(NO_DEVICE, |session| session.device),
            made_us: now_us,
        };
        devices::add_notice(transaction, &notice)
    }

    /// Under what a source is known to an account.
    pub(crate) fn source_hash(&self, account: Id16, source: &str) -> [u8; 32] {
        self.counter_name(&[b"known-source", &account.0, &source_bytes(source)])
    }
}

/// How many notices a session's person has not read on its device.
pub(crate) fn unread(connection: &Connection, session: &SessionRow, now_us: i64) -> rusqlite::Result<u32> {
    if session.assurance < 2 {
        return Ok(0);
    }
    let noticed_us = devices::get(connection, session.account, &session.device)?.map_or(0, |device| device.noticed_us);
    devices::unread(connection, session.account, &session.device, noticed_us.max(now_us - SHOWN_US))
}

fn read_about(bytes: &[u8]) -> Result<(String, String), Malformed> {
    let mut reader = Reader::new(bytes);
    let about = (reader.text()?.to_owned(), reader.text()?.to_owned());
    reader.end()?;
    Ok(about)
}
