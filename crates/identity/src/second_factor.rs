//! The authenticator app of [`Identity`]: setting one up, rising to two factors with its code, replacing and removing it. Recovery
//! without it is not here.

use crate::IdentityError;
use crate::error::{Ending, PasskeyFault, moment};
use crate::identity::{Identity, Inner, throttled};
use crate::notices::NoticeKind;
use crate::recovery::Regained;
use crate::session::{Session, SessionToken, TRIES_PER_SESSION};
use crate::sessions::{end_where, live, looked_up};
use crate::tables::{self, CounterNames, SessionRow, TotpRow};
use crate::throttle::Counters;
use crate::throttle::SECOND_US;
use crate::totp::{self, CodeCheck, SECRET_BYTES, TotpEnrolment};
use base::{Id16, Redacted, Timestamp};
use rusqlite::{Connection, Transaction};
use std::sync::Arc;

const LABEL: &str = "totp";

impl Identity {
    /// The secret that a session sets up for its account's authenticator: the same until it is confirmed, and gone with the
    /// session. What other sessions of the account set up is theirs: neither voids the other. It counts from
    /// [`Identity::totp_confirm`] on. Replacing a confirmed secret needs two factors.
    ///
    /// # Errors
    /// [`IdentityError::TotpEnrolled`], [`IdentityError::SessionUnknown`], [`IdentityError::SessionOver`], [`IdentityError::Store`].
    pub fn totp_enrol(&self, session: &Session) -> Result<TotpEnrolment, IdentityError> {
        let (inner, token) = (&*self.inner, session.token_hash);
        let secret = inner.read("identity-totp-enrol", |connection, now_us| {
            let row = match looked_up(connection, token, &inner.lifetimes, now_us)? {
                Ok(row) => row,
                Err(error) => return Ok(Err(error)),
            };
            let stored = tables::totp(connection, row.account)?;
            if !inner.may_replace(connection, &row, stored.as_ref(), now_us)? {
                return Ok(Err(IdentityError::TotpEnrolled));
            }
            Ok(Ok(inner.own_secret(&row, stored.as_ref())))
        })??;
        Ok(totp::enrolment(secret, &inner.config.service_name, session.name.expose()))
    }

    /// Confirms the secret that [`Identity::totp_enrol`] gave the session, with its first code. The session goes on with two
    /// factors under the token returned; when a former secret was replaced, the account's other sessions end. Its person is told,
    /// but for a first second factor: before that there was nobody to tell.
    ///
    /// # Errors
    /// [`IdentityError::TotpWrong`], [`IdentityError::TotpEnrolled`], [`IdentityError::RecoveryWord`] after a reset,
    /// [`IdentityError::ClockBehind`], [`IdentityError::SessionUnknown`], [`IdentityError::SessionOver`],
    /// [`IdentityError::Store`].
    pub fn totp_confirm(&self, session: &Session, code: &str) -> Result<SessionToken, IdentityError> {
        self.totp_confirm_with(session, code, ("", ""))
    }

    /// As [`Identity::totp_confirm`], with the word that an enrolment after a reset takes, and the source it was typed at.
    ///
    /// # Errors
    /// As [`Identity::totp_confirm`], and [`IdentityError::Throttled`] for wrong words.
    pub fn totp_confirm_with(
        &self,
        session: &Session,
        code: &str,
        (word, source): (&str, &str),
    ) -> Result<SessionToken, IdentityError> {
        self.inner.check_clock(self.inner.known_us())?;
        let inner = Arc::clone(&self.inner);
        let (token, code) = (session.token_hash, Redacted::new(code.to_owned()));
        let regained = Regained::new(word, source);
        self.inner.write("identity-totp-confirm", move |transaction, now_us| {
            let row = match live(transaction, token, &inner.lifetimes, now_us)? {
                Ok(row) => row,
                Err(error) => return Ok(Err(error)),
            };
            let stored = tables::totp(transaction, row.account)?;
            if !inner.may_replace(transaction, &row, stored.as_ref(), now_us)? {
                return Ok(Err(IdentityError::TotpEnrolled));
            }
            if let Err(error) = inner.check_word(transaction, &row, &regained, now_us)? {
                return Ok(Err(error));
            }
            let secret = inner.own_secret(&row, stored.as_ref());
            // Not counted as a failure: whoever confirms is shown the secret if they ask, so guessing gains nothing.
            let CodeCheck::Right { step } = totp::check(secret, code.expose(), now_us / SECOND_US, -1) else {
                return Ok(Err(IdentityError::TotpWrong { tries_left: TRIES_PER_SESSION - row.failures }));
            };
            let first = !inner.has_second_factor(transaction, row.account)?;
            let sealed = inner.seal(LABEL, row.account, &secret);
            tables::confirm_totp(transaction, row.account, &sealed, step, now_us)?;
            if stored.is_some_and(|stored| stored.secret.is_some()) {
                end_where(transaction, row.account, now_us, |other| other.token != row.token)?;
                inner.note(transaction, NoticeKind::AppReplaced, &row, now_us)?;
            } else if !first {
                inner.note(transaction, NoticeKind::AppAdded, &row, now_us)?;
            }
            inner.rotate(transaction, &row, now_us).map(Ok)
        })
    }

    /// Removes the account's authenticator and ends its other sessions: whoever was let in by it is let out again. `false` where there
    /// is none. Needs the second factor, given just now, and a passkey in good order that is left.
    ///
    /// # Errors
    /// [`IdentityError::SecondFactorNeeded`], [`IdentityError::Passkey`] for the last second factor,
    /// [`IdentityError::SessionUnknown`], [`IdentityError::SessionOver`], [`IdentityError::Store`].
    pub fn totp_remove(&self, session: &Session) -> Result<bool, IdentityError> {
        let inner = Arc::clone(&self.inner);
        let token = session.token_hash;
        self.inner.write("identity-totp-remove", move |transaction, now_us| {
            let row = match live(transaction, token, &inner.lifetimes, now_us)? {
                Ok(row) => row,
                Err(error) => return Ok(Err(error)),
            };
            if row.assurance < 2 || !inner.is_fresh(row.factor_us, now_us) {
                return Ok(Err(IdentityError::SecondFactorNeeded));
            }
            if tables::passkeys::of(transaction, row.account)?.iter().all(|passkey| passkey.suspect) {
                return Ok(Err(IdentityError::Passkey { fault: PasskeyFault::Last }));
            }
            if !tables::retire_totp(transaction, row.account, now_us)? {
                return Ok(Ok(false));
            }
            end_where(transaction, row.account, now_us, |other| other.token != row.token)?;
            inner.note(transaction, NoticeKind::AppRemoved, &row, now_us)?;
            Ok(Ok(true))
        })
    }

    /// When the account's authenticator was set up; `None` where there is none.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub fn totp_since(&self, session: &Session) -> Result<Option<Timestamp>, IdentityError> {
        let account = session.account;
        let stored = self.inner.read("identity-totp-since", |connection, _| tables::totp(connection, account))?;
        Ok(stored.filter(|stored| stored.secret.is_some()).map(|stored| moment(stored.made_us)))
    }

    /// Checks a code, typed at `source`. The session goes on with two factors under the token returned.
    ///
    /// # Errors
    /// [`IdentityError::TotpNotEnrolled`], [`IdentityError::TotpWrong`], [`IdentityError::TotpReplayed`],
    /// [`IdentityError::Throttled`], [`IdentityError::SessionOver`] (with [`Ending::TooManyTries`] after
    /// [`TRIES_PER_SESSION`] wrong codes), [`IdentityError::SessionUnknown`], [`IdentityError::ClockBehind`],
    /// [`IdentityError::Damaged`], [`IdentityError::Store`].
    pub fn totp_check(&self, session: &Session, code: &str, source: &str) -> Result<SessionToken, IdentityError> {
        self.inner.check_clock(self.inner.known_us())?;
        let inner = Arc::clone(&self.inner);
        let (token, code) = (session.token_hash, Redacted::new(code.to_owned()));
        let source = Redacted::new(source.to_owned());
        // One transaction on the one writer: two guesses at the same time are counted as two.
        self.inner.write("identity-totp-check", move |transaction, now_us| {
            match live(transaction, token, &inner.lifetimes, now_us)? {
                Ok(row) => inner.check_code(transaction, &row, code.expose(), source.expose(), now_us),
                Err(error) => Ok(Err(error)),
            }
        })
    }
}

const DAMAGED: IdentityError = IdentityError::Damaged { what: "the second factor" };

impl Inner {
    /// Whether a session may put a new secret in place of what is stored: the first factor beside the agency, or beside another
    /// that was given just now. Staff have none.
    fn may_replace(
        &self,
        connection: &Connection,
        row: &SessionRow,
        stored: Option<&TotpRow>,
        now_us: i64,
    ) -> rusqlite::Result<bool> {
        if tables::staff::get(connection, row.account)?.is_some() {
            return Ok(false);
        }
        let has_totp = stored.is_some_and(|stored| stored.secret.is_some());
        let proved = row.assurance >= 2 && self.is_fresh(row.factor_us, now_us);
        Ok(proved || !(has_totp || self.has_second_factor(connection, row.account)?))
    }
}

impl Inner {
    fn check_code(
        &self,
        transaction: &Transaction<'_>,
        row: &SessionRow,
        code: &str,
        source: &str,
        now_us: i64,
    ) -> rusqlite::Result<Result<SessionToken, IdentityError>> {
        let names = self.counter_names(transaction, row, source, now_us)?;
        let counters = tables::counters(transaction, &names)?;
        if let Err(error) = throttled(&counters, now_us) {
            return Ok(Err(error));
        }
        let stored = tables::totp(transaction, row.account)?;
        let Some((sealed, last_step)) =
            stored.and_then(|stored| stored.secret.map(|secret| (secret, stored.last_step)))
        else {
            return Ok(Err(IdentityError::TotpNotEnrolled));
        };
        let Some(secret) = self.open_secret(row.account, &sealed) else { return Ok(Err(DAMAGED)) };
        match totp::check(secret, code, now_us / SECOND_US, last_step) {
            CodeCheck::Right { step } => {
                tables::use_step(transaction, row.account, step)?;
                tables::clear_counter(transaction, &names.pair)?;
                self.rotate(transaction, row, now_us).map(Ok)
            }
            CodeCheck::Replayed => Ok(Err(IdentityError::TotpReplayed)),
            CodeCheck::Wrong => {
                let over = count_failure(transaction, row, &names, &counters, now_us)?;
                let tries_left = TRIES_PER_SESSION.saturating_sub(row.failures + 1);
                Ok(Err(over.unwrap_or(IdentityError::TotpWrong { tries_left })))
            }
        }
    }

    /// What a session sets up. It is kept nowhere, so that nobody with one factor of the account voids it by beginning another, and
    /// belongs to the session as to what it replaces or comes after: once confirmed it is set up no second time, also after it was
    /// removed, and no code of it comes back. Whoever was watched while it was shown gets another by signing in anew.
    fn own_secret(&self, row: &SessionRow, stored: Option<&TotpRow>) -> [u8; SECRET_BYTES] {
        let replaced = stored.and_then(|stored| stored.secret.as_deref()).unwrap_or_default();
        let changed = stored.map_or(0, |stored| stored.made_us).to_be_bytes();
        let name = self.derived("totp-own", &[&row.account.0, &row.id.0, replaced, &changed]);
        std::array::from_fn(|at| name[at])
    }

    fn open_secret(&self, account: Id16, sealed: &[u8]) -> Option<[u8; SECRET_BYTES]> {
        self.open(LABEL, account, sealed)?.as_slice().try_into().ok()
    }
}

impl Inner {
    /// What comes of a failure at something that nobody guesses, and which is therefore taken whenever it is right: it is counted,
    /// and whoever failed too often is told to wait, or signed out.
    pub(crate) fn failed(
        &self,
        transaction: &Transaction<'_>,
        row: &SessionRow,
        source: &str,
        error: IdentityError,
        now_us: i64,
    ) -> rusqlite::Result<IdentityError> {
        let names = self.counter_names(transaction, row, source, now_us)?;
        let counters = tables::counters(transaction, &names)?;
        let slowed = throttled(&counters, now_us).err();
        let over = count_failure(transaction, row, &names, &counters, now_us)?;
        Ok(match error {
            // Somebody else's failures do not make a slip of the owner's a wait.
            IdentityError::RecoveryWord => over.unwrap_or(error),
            _ => over.or(slowed).unwrap_or(error),
        })
    }
}

/// Counts a failure under its names and in its session, and ends the session at the last one: that ending is given back.
fn count_failure(
    transaction: &Transaction<'_>,
    row: &SessionRow,
    names: &CounterNames,
    counters: &Counters,
    now_us: i64,
) -> rusqlite::Result<Option<IdentityError>> {
    tables::set_counter(transaction, &names.pair, counters.pair.after_failure(now_us))?;
    tables::set_counter(transaction, &names.source, counters.source.after_failure(now_us))?;
    // Failures in places the account knows say nothing about those it does not.
    if !names.known {
        tables::set_counter(transaction, &names.account, counters.account.after_failure(now_us))?;
        tables::set_counter(transaction, &names.global, counters.global.after_failure(now_us))?;
    }
    let failures = row.failures + 1;
    tables::set_failures(transaction, row.token, failures)?;
    if failures < TRIES_PER_SESSION {
        return Ok(None);
    }
    tables::end_session(transaction, row.token, Ending::TooManyTries, now_us)?;
    Ok(Some(IdentityError::SessionOver { why: Ending::TooManyTries }))
}
