//! Sessions of [`Identity`]: from token to session, forms, lists, ends.

use crate::IdentityError;
use crate::claims::{Gender, Profile};
use crate::error::{Ending, moment};
use crate::identity::{Identity, Inner};
use crate::notices::unread;
use crate::session::{
    Holder, SecondFactor, Session, SessionInfo, SessionToken, TokenHash, assurance_of, csrf_check, csrf_token,
};
use crate::staff::STAFF_NAME;
use crate::tables::staff::StaffRow;
use crate::tables::{self, AccountRow, SessionRow};
use crate::throttle::SECOND_US;
use base::{Id16, Redacted};
use rusqlite::{Connection, Transaction};

/// Longest token read.
const TOKEN_BYTES_MAX: usize = 256;

impl Identity {
    /// The session of a cookie's value.
    ///
    /// # Errors
    /// [`IdentityError::SessionUnknown`] for a token that was never given out, [`IdentityError::SessionOver`] with the reason,
    /// [`IdentityError::Damaged`], [`IdentityError::Store`].
    pub fn session(&self, token: &str) -> Result<Session, IdentityError> {
        self.look(token, true)
    }

    /// As [`Identity::session`], for what a page asks for by itself: nobody is there because of it, and a session that nobody uses
    /// ends in its time.
    ///
    /// # Errors
    /// As [`Identity::session`].
    pub fn session_unattended(&self, token: &str) -> Result<Session, IdentityError> {
        self.look(token, false)
    }

    /// As [`Identity::session_unattended`], of a session that was looked up before: for an answer that takes its time.
    ///
    /// # Errors
    /// As [`Identity::session`].
    pub fn session_still(&self, session: &Session) -> Result<Session, IdentityError> {
        self.look_up(session.token_hash, false)
    }

    fn look(&self, token: &str, is_attended: bool) -> Result<Session, IdentityError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(IdentityError::SessionUnknown);
        }
        self.look_up(TokenHash::of(token), is_attended)
    }

    fn look_up(&self, hash: TokenHash, is_attended: bool) -> Result<Session, IdentityError> {
        let inner = &*self.inner;
        let (now_us, found) = inner.read("identity-session", |connection, now_us| {
            let Some(row) = tables::session(connection, hash)? else { return Ok((now_us, None)) };
            let known = Known::of(connection, &row, now_us)?;
            Ok((now_us, known.map(|known| (row, known))))
        })?;
        let Some((mut row, known)) = found else { return Err(IdentityError::SessionUnknown) };
        if let Some(why) = row.ended {
            return Err(IdentityError::SessionOver { why });
        }
        if let Some(why) = inner.lifetimes.ending(row.began_us, row.seen_us, now_us) {
            // Written down at once, so that no clock can undo it.
            inner.write("identity-end-session", move |t, now_us| tables::end_session(t, hash, why, now_us).map(Ok))?;
            return Err(IdentityError::SessionOver { why });
        }
        if is_attended && now_us - row.seen_us >= inner.lifetimes.touch_us() {
            inner.write("identity-touch-session", move |t, now_us| tables::touch_session(t, hash, now_us).map(Ok))?;
            row.seen_us = now_us;
        }
        if known.staff.as_ref().is_some_and(|staff| staff.state != "active") {
            return Err(IdentityError::SessionOver { why: Ending::Revoked });
        }
        inner.live_session(&row, &known, now_us)
    }

    /// The member of staff whose session a token was, whatever became of it: what is tried with it is told under their account.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub fn staff_of(&self, token: &str) -> Result<Option<Id16>, IdentityError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Ok(None);
        }
        let hash = TokenHash::of(token);
        self.inner.read("identity-whose-session", |connection, _| {
            let Some(row) = tables::session(connection, hash)? else { return Ok(None) };
            Ok(tables::staff::get(connection, row.account)?.map(|staff| staff.account))
        })
    }

    /// Checks the token of a form against the session it came with.
    ///
    /// # Errors
    /// [`IdentityError::CsrfMismatch`].
    pub fn csrf_ok(&self, session: &Session, token: &str) -> Result<(), IdentityError> {
        let now_us = self.inner.known_us();
        csrf_check(|id| self.inner.day_key(id, now_us), session.token_hash, token)
    }

    /// Ends the session of a cookie's value. A token without one is no error: who signs out is signed out.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub fn sign_out(&self, token: &str) -> Result<(), IdentityError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Ok(());
        }
        let hash = TokenHash::of(token);
        self.inner.write("identity-sign-out", move |t, now_us| {
            tables::end_session(t, hash, Ending::SignedOut, now_us).map(Ok)
        })?;
        Ok(())
    }

    /// The live sessions of this session's account, newest first.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub fn sessions(&self, session: &Session) -> Result<Vec<SessionInfo>, IdentityError> {
        let inner = &*self.inner;
        let account = session.account;
        let (now_us, rows) = inner
            .read("identity-sessions", |connection, now_us| Ok((now_us, tables::sessions_of(connection, account)?)))?;
        let live = rows.into_iter().filter(|row| inner.lifetimes.ending(row.began_us, row.seen_us, now_us).is_none());
        Ok(live
            .map(|row| {
                let source = inner.open("source", account, &row.source).unwrap_or_default();
                SessionInfo {
                    id: row.id,
                    began: moment(row.began_us),
                    seen: moment(row.seen_us),
                    source: Redacted::new(String::from_utf8_lossy(&source).into_owned()),
                    family: inner.open_text("family", account, &row.family).unwrap_or_default(),
                    assurance: assurance_of(row.assurance),
                    current: row.token == session.token_hash,
                }
            })
            .collect())
    }

    /// Ends one session of the same account; `false` when there is none of this id.
    ///
    /// # Errors
    /// [`IdentityError::SessionOver`] when the asking session has ended meanwhile, [`IdentityError::Store`].
    pub fn revoke(&self, session: &Session, id: Id16) -> Result<bool, IdentityError> {
        Ok(self.revoke_where(session, move |row| row.id == id)? > 0)
    }

    /// Ends every other session of the same account, and says how many.
    ///
    /// # Errors
    /// As [`Identity::revoke`].
    pub fn revoke_others(&self, session: &Session) -> Result<usize, IdentityError> {
        let own = session.token_hash;
        self.revoke_where(session, move |row| row.token != own)
    }

    /// Ends every session of an account, and says how many: for the support centre and for withdrawn accounts.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub fn revoke_all(&self, account: Id16) -> Result<usize, IdentityError> {
        self.inner.write("identity-revoke-all", move |transaction, now_us| {
            end_where(transaction, account, now_us, |_| true).map(Ok)
        })
    }

    fn revoke_where(
        &self,
        session: &Session,
        which: impl Fn(&SessionRow) -> bool + Send + 'static,
    ) -> Result<usize, IdentityError> {
        let (token, lifetimes) = (session.token_hash, self.inner.lifetimes);
        self.inner.write("identity-revoke", move |transaction, now_us| {
            match live(transaction, token, &lifetimes, now_us)? {
                Ok(row) => end_where(transaction, row.account, now_us, which).map(Ok),
                Err(error) => Ok(Err(error)),
            }
        })
    }
}

/// What is known about the account of a session.
struct Known {
    account: AccountRow,
    staff: Option<StaffRow>,
    second_factor: SecondFactor,
    notices: u32,
}

impl Known {
    fn of(connection: &Connection, row: &SessionRow, now_us: i64) -> rusqlite::Result<Option<Self>> {
        let Some(account) = tables::account(connection, row.account)? else { return Ok(None) };
        let totp = tables::totp(connection, row.account)?.is_some_and(|totp| totp.secret.is_some());
        let passkeys = tables::passkeys::of(connection, row.account)?;
        let passkey = passkeys.iter().any(|passkey| !passkey.suspect);
        let none = if !passkeys.is_empty() {
            SecondFactor::Suspect
        } else if tables::recovery::done_of(connection, row.account)?.is_some() {
            SecondFactor::Reset
        } else {
            SecondFactor::Missing
        };
        Ok(Some(Self {
            account,
            staff: tables::staff::get(connection, row.account)?,
            second_factor: SecondFactor::of(totp, passkey, none),
            notices: unread(connection, row, now_us)?,
        }))
    }
}

impl Inner {
    fn live_session(&self, row: &SessionRow, known: &Known, now_us: i64) -> Result<Session, IdentityError> {
        let damaged = |what| IdentityError::Damaged { what };
        let (holder, name, birth_date, gender) = match &known.staff {
            Some(staff) => {
                let name = self.open_text(STAFF_NAME, row.account, &staff.name).ok_or(damaged("the name"))?;
                (Holder::Staff, Redacted::new(name), None, Redacted::new(Gender::Unstated))
            }
            None => {
                let profile = self.open("profile", row.account, &known.account.profile);
                let profile = profile.and_then(|bytes| Profile::from_bytes(&bytes).ok());
                let Profile { name, birth_date, gender } = profile.ok_or(damaged("the profile"))?;
                (Holder::Person, name, Some(birth_date), gender)
            }
        };
        Ok(Session {
            id: row.id,
            account: row.account,
            person: row.account,
            holder,
            name,
            birth_date,
            gender,
            assurance: assurance_of(row.assurance),
            second_factor: known.second_factor,
            factor_at: (row.factor_us > 0).then(|| moment(row.factor_us)),
            is_fresh: row.assurance >= 2 && self.is_fresh(row.factor_us, now_us),
            notices: known.notices,
            csrf: csrf_token(&self.sealing_key(now_us)?, row.token, &*self.random),
            began: moment(row.began_us),
            idle_end: self.lifetimes.idle_end(row.began_us, row.seen_us),
            absolute_end: self.lifetimes.absolute_end(row.began_us),
            token_hash: row.token,
            device: row.device,
        })
    }

    /// Whether a second factor given at `factor_us` need not be given again at `now_us` before something grave.
    pub(crate) fn is_fresh(&self, factor_us: i64, now_us: i64) -> bool {
        factor_us > 0 && now_us.saturating_sub(factor_us) < i64::from(self.config.step_up_s) * SECOND_US
    }

    /// A sealed text.
    pub(crate) fn open_text(&self, label: &str, account: Id16, sealed: &[u8]) -> Option<String> {
        let bytes = self.open(label, account, sealed)?;
        String::from_utf8(bytes.to_vec()).ok()
    }

    /// Goes on with a session under a new token and with two factors, and remembers the device. Its absolute limit stays; its id
    /// stays where it had two factors before, so that what the portal knows of it stays too.
    pub(crate) fn rotate(
        &self,
        transaction: &Transaction<'_>,
        old: &SessionRow,
        now_us: i64,
    ) -> rusqlite::Result<SessionToken> {
        let token = SessionToken::new(&*self.random);
        tables::end_session(transaction, old.token, Ending::Rotated, now_us)?;
        let id = if old.assurance >= 2 { old.id } else { Id16::random(&*self.random) };
        let new = SessionRow {
            token: token.hash(),
            id,
            assurance: 2,
            failures: 0,
            seen_us: now_us,
            factor_us: now_us,
            ..old.clone()
        };
        tables::add_session(transaction, &new)?;
        if old.assurance < 2 {
            self.arrived(transaction, &new, now_us)?;
        }
        Ok(token)
    }
}

/// The session of a token, if it lives at `now_us`; ends it if its time is over.
pub(crate) fn live(
    transaction: &Transaction<'_>,
    token: TokenHash,
    lifetimes: &crate::session::Lifetimes,
    now_us: i64,
) -> rusqlite::Result<Result<SessionRow, IdentityError>> {
    let found = looked_up(transaction, token, lifetimes, now_us)?;
    if let Err(IdentityError::SessionOver { why }) = &found {
        tables::end_session(transaction, token, *why, now_us)?;
    }
    Ok(found)
}

/// The same where nothing is written: one whose time is over is left to be ended.
pub(crate) fn looked_up(
    connection: &Connection,
    token: TokenHash,
    lifetimes: &crate::session::Lifetimes,
    now_us: i64,
) -> rusqlite::Result<Result<SessionRow, IdentityError>> {
    let Some(row) = tables::session(connection, token)? else { return Ok(Err(IdentityError::SessionUnknown)) };
    let over = row.ended.or_else(|| lifetimes.ending(row.began_us, row.seen_us, now_us));
    Ok(over.map_or(Ok(row), |why| Err(IdentityError::SessionOver { why })))
}

/// Ends the sessions of an account that `which` picks, and says how many.
pub(crate) fn end_where(
    transaction: &Transaction<'_>,
    account: Id16,
    now_us: i64,
    which: impl Fn(&SessionRow) -> bool,
) -> rusqlite::Result<usize> {
    let mut ended = 0;
    for row in tables::sessions_of(transaction, account)?.iter().filter(|row| which(row)) {
        ended += usize::from(tables::end_session(transaction, row.token, Ending::Revoked, now_us)?);
    }
    Ok(ended)
}
