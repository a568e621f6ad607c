//! Passkeys of accounts: setting them up, proving oneself with one, naming and removing them. Staff sign in in `staff`.

use crate::IdentityError;
use crate::error::{Ending, PasskeyFault, moment};
use crate::identity::{Identity, Inner};
use crate::notices::NoticeKind;
use crate::passkey::{self, Aim, Answer, Challenge, PasskeyAsk, is_copyable};
use crate::recovery::Regained;
use crate::session::{Holder, Session, SessionToken};
use crate::sessions::live;
use crate::tables::passkeys::PasskeyRow;
use crate::tables::{self, SessionRow};
use base::{Id16, Redacted, Timestamp};
use rusqlite::{Connection, Transaction};
use std::sync::Arc;
use webauthn_rs::prelude::Passkey;

/// Passkeys an account may have.
pub const PASSKEYS_MAX: usize = 10;
/// Longest name of a passkey in characters.
pub const PASSKEY_NAME_CHARS_MAX: usize = 40;
const CREDENTIAL: &str = "passkey";
const NAME: &str = "passkey-name";

/// One passkey of an account.
#[derive(Debug, Clone)]
pub struct PasskeyInfo {
    /// To name it in a form; knowing it gives nothing.
    pub id: String,
    /// What its person calls it.
    pub name: Redacted<String>,
    /// When it was set up.
    pub made: Timestamp,
    /// When it was last used.
    pub used: Timestamp,
    /// Whether it may be on several devices.
    pub copyable: bool,
    /// Whether it answered as a copy of it would, and is refused since.
    pub suspect: bool,
}

impl Identity {
    /// Asks for a further passkey, or for the first one of a person without a second factor. Beside a second factor it needs
    /// that factor, given just now.
    ///
    /// # Errors
    /// [`IdentityError::SecondFactorNeeded`], [`IdentityError::Passkey`] where there are as many as there may be,
    /// [`IdentityError::PasskeyUnavailable`], [`IdentityError::Damaged`], [`IdentityError::Store`].
    pub fn passkey_enrol(&self, session: &Session) -> Result<PasskeyAsk, IdentityError> {
        let inner = &*self.inner;
        let account = session.account;
        let may = session.is_fresh || (session.holder == Holder::Person && session.second_factor.is_to_enrol());
        if !may {
            return Err(IdentityError::SecondFactorNeeded);
        }
        let (now_us, rows) = inner
            .read("identity-passkeys", |connection, now_us| Ok((now_us, tables::passkeys::of(connection, account)?)))?;
        if rows.len() >= PASSKEYS_MAX {
            return Err(IdentityError::Passkey { fault: PasskeyFault::TooMany });
        }
        let has = inner.open_all(&rows)?;
        let asked = inner.ceremonies.enrol(account, session.name.expose(), &has, session.holder == Holder::Staff)?;
        inner.ask(Aim::Enrol, account, asked, now_us)
    }

    /// Takes the answer to [`Identity::passkey_enrol`]. The session goes on with two factors under the token returned.
    ///
    /// # Errors
    /// [`IdentityError::SignInForged`], [`IdentityError::SignInExpired`], [`IdentityError::SignInUsed`],
    /// [`IdentityError::Passkey`], [`IdentityError::SecondFactorNeeded`], [`IdentityError::RecoveryWord`] after a reset,
    /// [`IdentityError::SessionUnknown`], [`IdentityError::SessionOver`], [`IdentityError::PasskeyUnavailable`],
    /// [`IdentityError::Store`].
    pub fn passkey_enrolled(
        &self,
        session: &Session,
        cookie: &str,
        answer: &str,
        name: &str,
    ) -> Result<SessionToken, IdentityError> {
        self.passkey_enrolled_with(session, cookie, answer, name, ("", ""))
    }

    /// As [`Identity::passkey_enrolled`], with the word that an enrolment after a reset takes, and the source it was typed at.
    ///
    /// # Errors
    /// As [`Identity::passkey_enrolled`], and [`IdentityError::Throttled`] for wrong words.
    pub fn passkey_enrolled_with(
        &self,
        session: &Session,
        cookie: &str,
        answer: &str,
        name: &str,
        (word, source): (&str, &str),
    ) -> Result<SessionToken, IdentityError> {
        let inner = Arc::clone(&self.inner);
        let regained = Regained::new(word, source);
        let challenge = inner.challenge(cookie, Aim::Enrol, session.account)?;
        let (token, holder) = (session.token_hash, session.holder);
        let (answer, name) = (Redacted::new(answer.to_owned()), Redacted::new(name.to_owned()));
        self.inner.write("identity-passkey-enrolled", move |transaction, now_us| {
            if !tables::use_sign_in(transaction, challenge.hash(), now_us)? {
                return Ok(Err(IdentityError::SignInUsed));
            }
            let row = match live(transaction, token, &inner.lifetimes, now_us)? {
                Ok(row) => row,
                Err(error) => return Ok(Err(error)),
            };
            let first = !inner.has_second_factor(transaction, row.account)?;
            let fresh = row.assurance >= 2 && inner.is_fresh(row.factor_us, now_us);
            if !(fresh || first && holder == Holder::Person) {
                return Ok(Err(IdentityError::SecondFactorNeeded));
            }
            if let Err(error) = inner.check_word(transaction, &row, &regained, now_us)? {
                return Ok(Err(error));
            }
            let passkey = match inner.ceremonies.enrolled(answer.expose(), &challenge.state) {
                Ok(passkey) => passkey,
                Err(error) => return Ok(Err(error)),
            };
            if let Err(error) = inner.add_passkey(transaction, row.account, &passkey, name.expose(), holder, now_us)? {
                return Ok(Err(error));
            }
            if !first {
                inner.note(transaction, NoticeKind::PasskeyAdded, &row, now_us)?;
            }
            inner.rotate(transaction, &row, now_us).map(Ok)
        })
    }

    /// Asks for a passkey of the account, as the second factor.
    ///
    /// # Errors
    /// [`IdentityError::Passkey`] where it has none, [`IdentityError::PasskeyUnavailable`], [`IdentityError::Damaged`],
    /// [`IdentityError::Store`].
    pub fn passkey_prove(&self, session: &Session) -> Result<PasskeyAsk, IdentityError> {
        let inner = &*self.inner;
        let account = session.account;
        let (now_us, rows) = inner
            .read("identity-passkeys", |connection, now_us| Ok((now_us, tables::passkeys::of(connection, account)?)))?;
        let good: Vec<PasskeyRow> = rows.into_iter().filter(|row| !row.suspect).collect();
        if good.is_empty() {
            return Err(IdentityError::Passkey { fault: PasskeyFault::Unknown });
        }
        let asked = inner.ceremonies.prove(&inner.open_all(&good)?)?;
        inner.ask(Aim::Prove, account, asked, now_us)
    }

    /// Takes the answer to [`Identity::passkey_prove`], given at `source`. The session goes on with two factors under the token
    /// returned. A right answer is taken at once, whatever failed before, here or elsewhere: it cannot be guessed. Wrong ones cost
    /// a signature to check, five a session.
    ///
    /// # Errors
    /// As [`Identity::passkey_enrolled`], and [`IdentityError::Throttled`].
    pub fn passkey_proved(
        &self,
        session: &Session,
        cookie: &str,
        answer: &str,
        source: &str,
    ) -> Result<SessionToken, IdentityError> {
        let inner = Arc::clone(&self.inner);
        let challenge = inner.challenge(cookie, Aim::Prove, session.account)?;
        let answer = Answer::read(answer)?;
        let (token, source) = (session.token_hash, Redacted::new(source.to_owned()));
        self.inner.write("identity-passkey-proved", move |transaction, now_us| {
            if !tables::use_sign_in(transaction, challenge.hash(), now_us)? {
                return Ok(Err(IdentityError::SignInUsed));
            }
            let row = match live(transaction, token, &inner.lifetimes, now_us)? {
                Ok(row) => row,
                Err(error) => return Ok(Err(error)),
            };
            match inner.use_passkey(transaction, &answer, &challenge, Some(&row), now_us)? {
                Ok(_) => {
                    let names = inner.counter_names(transaction, &row, source.expose(), now_us)?;
                    tables::clear_counter(transaction, &names.pair)?;
                    inner.rotate(transaction, &row, now_us).map(Ok)
                }
                Err(error) => inner.failed(transaction, &row, source.expose(), error, now_us).map(Err),
            }
        })
    }

    /// The passkeys of the account, oldest first.
    ///
    /// # Errors
    /// [`IdentityError::Damaged`], [`IdentityError::Store`].
    pub fn passkeys(&self, session: &Session) -> Result<Vec<PasskeyInfo>, IdentityError> {
        self.passkeys_of(session.account)
    }

    /// The same of somebody else: for the administrator who asks them when they set up which.
    ///
    /// # Errors
    /// As [`Identity::passkeys`].
    pub fn passkeys_of(&self, account: Id16) -> Result<Vec<PasskeyInfo>, IdentityError> {
        let inner = &*self.inner;
        let rows = inner.read("identity-passkeys", |connection, _| tables::passkeys::of(connection, account))?;
        rows.iter()
            .map(|row| {
                let name = inner.open_text(NAME, account, &row.name).ok_or(DAMAGED)?;
                Ok(PasskeyInfo {
                    id: base::hex(&row.passkey),
                    name: Redacted::new(name),
                    made: moment(row.made_us),
                    used: moment(row.used_us),
                    copyable: is_copyable(&inner.open_passkey(row)?),
                    suspect: row.suspect,
                })
            })
            .collect()
    }

    /// Removes a passkey of the account and ends the account's other sessions; `false` where it has none of this id. Needs the
    /// second factor, given just now. The last second factor stays: whoever has none left could be taken over by whoever is
    /// first to set one up.
    ///
    /// # Errors
    /// [`IdentityError::SecondFactorNeeded`], [`IdentityError::Passkey`] for the last second factor,
    /// [`IdentityError::SessionUnknown`], [`IdentityError::SessionOver`], [`IdentityError::Store`].
    pub fn remove_passkey(&self, session: &Session, id: &str) -> Result<bool, IdentityError> {
        let passkey = base::unhex(id).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let inner = Arc::clone(&self.inner);
        let token = session.token_hash;
        self.inner.write("identity-passkey-remove", move |transaction, now_us| {
            let row = match live(transaction, token, &inner.lifetimes, now_us)? {
                Ok(row) => row,
                Err(error) => return Ok(Err(error)),
            };
            if row.assurance < 2 || !inner.is_fresh(row.factor_us, now_us) {
                return Ok(Err(IdentityError::SecondFactorNeeded));
            }
            let Some(passkey) = passkey else { return Ok(Ok(false)) };
            let rows = tables::passkeys::of(transaction, row.account)?;
            let others = rows.iter().filter(|other| other.passkey != passkey && !other.suspect).count();
            let totp = tables::totp(transaction, row.account)?.is_some_and(|totp| totp.secret.is_some());
            if others == 0 && !totp {
                return Ok(Err(IdentityError::Passkey { fault: PasskeyFault::Last }));
            }
            if !tables::passkeys::remove(transaction, row.account, &passkey)? {
                return Ok(Ok(false));
            }
            // Whoever was let in by it is let out again.
            for other in tables::sessions_of(transaction, row.account)?.iter().filter(|other| other.token != row.token)
            {
                tables::end_session(transaction, other.token, Ending::Revoked, now_us)?;
            }
            inner.note(transaction, NoticeKind::PasskeyRemoved, &row, now_us)?;
            Ok(Ok(true))
        })
    }
}

const DAMAGED: IdentityError = IdentityError::Damaged { what: "a passkey" };

impl Inner {
    pub(crate) fn ask(
        &self,
        aim: Aim,
        account: Id16,
        asked: (String, Vec<u8>),
        now_us: i64,
    ) -> Result<PasskeyAsk, IdentityError> {
        let (options, state) = asked;
        let challenge = Challenge::new(aim, account, state, now_us, &*self.random);
        let cookie = self.seal_cookie(passkey::LABEL, &challenge.to_bytes(), now_us)?;
        Ok(PasskeyAsk { options, cookie: Redacted::new(cookie) })
    }

    pub(crate) fn challenge(&self, cookie: &str, aim: Aim, account: Id16) -> Result<Challenge, IdentityError> {
        let now_us = self.newest()?;
        self.check_clock(now_us)?;
        let plain = self.open_cookie(passkey::LABEL, cookie, now_us).ok_or(IdentityError::SignInForged)?;
        Challenge::from_bytes(&plain, aim, account, now_us)
    }

    /// Adds a passkey of an answer that holds, under a name as it was sent.
    pub(crate) fn add_passkey(
        &self,
        transaction: &Transaction<'_>,
        account: Id16,
        passkey: &Passkey,
        name: &str,
        holder: Holder,
        now_us: i64,
    ) -> rusqlite::Result<Result<(), IdentityError>> {
        let refused = |fault| Ok(Err(IdentityError::Passkey { fault }));
        if holder == Holder::Staff && is_copyable(passkey) {
            return refused(PasskeyFault::Copyable);
        }
        if tables::passkeys::of(transaction, account)?.len() >= PASSKEYS_MAX {
            return refused(PasskeyFault::TooMany);
        }
        let row = PasskeyRow {
            account,
            passkey: self.passkey_hash(passkey.cred_id()),
            name: self.seal(NAME, account, name_of(name).as_bytes()),
            credential: self.seal(CREDENTIAL, account, &bytes_of(passkey)),
            suspect: false,
            made_us: now_us,
            used_us: now_us,
        };
        if tables::passkeys::add(transaction, &row)? { Ok(Ok(())) } else { refused(PasskeyFault::Known) }
    }

    /// Checks an answer against the passkey it says it is of, and gives the passkey's account. The session's account, or else
    /// whatever account the device names, must be the passkey's.
    pub(crate) fn use_passkey(
        &self,
        transaction: &Transaction<'_>,
        answer: &Answer,
        challenge: &Challenge,
        session: Option<&SessionRow>,
        now_us: i64,
    ) -> rusqlite::Result<Result<Id16, IdentityError>> {
        let unknown = IdentityError::Passkey { fault: PasskeyFault::Unknown };
        let Some(row) = tables::passkeys::find(transaction, &self.passkey_hash(answer.credential()))? else {
            return Ok(Err(unknown));
        };
        let expected = session.map(|session| session.account).or_else(|| answer.account());
        let named_otherwise = answer.account().is_some_and(|account| account != row.account);
        if expected != Some(row.account) || named_otherwise || row.suspect {
            return Ok(Err(unknown));
        }
        let mut passkey = match self.open_passkey(&row) {
            Ok(passkey) => passkey,
            Err(error) => return Ok(Err(error)),
        };
        match self.ceremonies.proved(answer, &challenge.state, &mut passkey) {
            Ok(()) => {
                let credential = self.seal(CREDENTIAL, row.account, &bytes_of(&passkey));
                tables::passkeys::used(transaction, &row, &credential, now_us)?;
                Ok(Ok(row.account))
            }
            Err(error) => {
                if matches!(error, IdentityError::Passkey { fault: PasskeyFault::Copied }) {
                    tables::passkeys::suspect(transaction, &row)?;
                    self.note_for(transaction, NoticeKind::PasskeySuspect, row.account, session, now_us)?;
                }
                Ok(Err(error))
            }
        }
    }

    /// Whether an account has any second factor, good or not: who has one that is suspect sets up no other with one factor.
    pub(crate) fn has_second_factor(&self, connection: &Connection, account: Id16) -> rusqlite::Result<bool> {
        let totp = tables::totp(connection, account)?.is_some_and(|totp| totp.secret.is_some());
        Ok(totp || !tables::passkeys::of(connection, account)?.is_empty())
    }

    fn open_all(&self, rows: &[PasskeyRow]) -> Result<Vec<Passkey>, IdentityError> {
        rows.iter().map(|row| self.open_passkey(row)).collect()
    }

    fn open_passkey(&self, row: &PasskeyRow) -> Result<Passkey, IdentityError> {
        let bytes = self.open(CREDENTIAL, row.account, &row.credential).ok_or(DAMAGED)?;
        serde_json::from_slice(&bytes).map_err(|_| DAMAGED)
    }

    fn passkey_hash(&self, credential: &[u8]) -> [u8; 32] {
        self.counter_name(&[b"passkey", credential])
    }
}

fn bytes_of(passkey: &Passkey) -> Vec<u8> {
    serde_json::to_vec(passkey).expect("a passkey is plain data")
}

/// A name as it is kept, since others are shown it too: without control characters, with hidden letters marked, and cut.
fn name_of(name: &str) -> String {
    let shown: String = name.chars().filter(|letter| !letter.is_control()).collect();
    base::hidden::seen(shown.trim()).chars().take(PASSKEY_NAME_CHARS_MAX).collect()
}
