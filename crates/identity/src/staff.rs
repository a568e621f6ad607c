//! Staff: accounts that somebody invites, that sign in with a passkey bound to one device and with nothing else, and that end at
//! once. What a member of staff may do is the door's business, by the rights of the account.

use crate::client::Client;
use crate::error::moment;
use crate::identity::{Identity, SignedIn, throttled};
use crate::passkey::{Aim, Answer, PasskeyAsk};
use crate::recovery::tidied;
use crate::session::{Holder, SessionToken};
use crate::tables::{self, AccountRow};
use crate::throttle::Counters;
use crate::{IdentityError, sessions, token_text};
use base::{Id16, Redacted, Timestamp, sha256, source_bytes};
use policy::{Action, Permit, Role};
use rusqlite::Transaction;
use std::sync::Arc;
use store::Right;

/// How long an invitation is good, in seconds: a day.
pub const INVITATION_S: i64 = 24 * 3600;
/// Longest name of a member of staff in characters.
const STAFF_NAME_CHARS_MAX: usize = 60;

/// Whether a text can be the name of a member of staff: as long as one may be, with nothing in it that does not show.
#[must_use]
pub fn is_staff_name(text: &str) -> bool {
    let hides = |letter: char| letter.is_control() || base::hidden::is_hidden(letter);
    (1..=STAFF_NAME_CHARS_MAX).contains(&text.trim().chars().count()) && !text.contains(hides)
}
/// Longest token of an invitation that is read.
const TOKEN_BYTES_MAX: usize = 256;
/// Members of staff in a list.
const LIST_MAX: usize = 2_000;
pub(crate) const STAFF_NAME: &str = "staff-name";

/// An invitation: whoever has the token sets up the account's passkey, once.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// The account it is for.
    pub account: Id16,
    /// The last part of the address `/staff/enrol/…`.
    pub token: Redacted<String>,
    /// When it ends.
    pub ends: Timestamp,
}

/// Where a member of staff stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaffState {
    /// Without a passkey yet, or without one again.
    Invited,
    /// With a passkey.
    Active,
    /// Gone, for good.
    Left,
}

impl StaffState {
    fn of(name: &str) -> Self {
        match name {
            "active" => Self::Active,
            "invited" => Self::Invited,
            _ => Self::Left,
        }
    }
}

/// A member of staff.
#[derive(Debug, Clone)]
pub struct Staff {
    /// The account.
    pub account: Id16,
    /// The name.
    pub name: Redacted<String>,
    /// Where they stand.
    pub state: StaffState,
    /// When they were invited.
    pub made: Timestamp,
    /// When the state last changed.
    pub changed: Timestamp,
    /// Who was shown the link by which they came; nobody where the command line made it.
    pub shown_to: Option<Id16>,
}

/// What ended when somebody left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffBoarded {
    /// Sessions.
    pub sessions: usize,
    /// Passkeys.
    pub passkeys: usize,
    /// Invitations, their own and those that they were shown.
    pub invitations: usize,
    /// Approvals of recoveries that are not done yet.
    pub approvals: usize,
    /// Rights.
    pub rights: usize,
}

impl Identity {
    /// Makes an account for a member of staff, with these rights, and an invitation to it. For the command line; people go through
    /// [`Identity::staff_invite_as`].
    ///
    /// # Errors
    /// [`IdentityError::Unusable`] for the name, [`IdentityError::Store`].
    pub fn staff_invite(&self, name: &str, rights: &[Right]) -> Result<Invitation, IdentityError> {
        let (new, token) = self.newcomer(name)?;
        let account = new.account;
        // Rights first: an account without a way in may have them, and no way in is given out without them.
        rights.iter().try_for_each(|right| self.inner.store.grant(account, right))?;
        let add = move |transaction: &Transaction<'_>, now_us| new.add(transaction, None, now_us).map(Ok);
        let ends_us = self.inner.write("identity-staff-invite", add)?;
        Ok(Invitation { account, token, ends: moment(ends_us) })
    }

    /// As [`Identity::staff_invite`], by an administrator: takes a permit for [`policy::Action::ManageRights`], and is journalled
    /// under the new account. The right is asked for, and given once a second administrator confirms who took the invitation up
    /// ([`Identity::confirm_rights`]): whoever invites could have done that too. Both are written at once, or neither: whoever gives no
    /// rights any more is shown no link.
    ///
    /// # Errors
    /// As [`Identity::staff_invite`], with those of [`store::Store::ask_right`].
    pub fn staff_invite_as(&self, permit: &Permit, name: &str, right: &Right) -> Result<Invitation, IdentityError> {
        let (new, token) = self.newcomer(name)?;
        let (account, by, known_us) = (new.account, permit.actor().account, self.inner.known_us());
        let add = move |transaction: &Transaction<'_>| {
            let now_us = tables::raise_newest(transaction, known_us)?;
            new.add(transaction, Some(by), now_us)
        };
        let ends_us = self.inner.store.ask_right_with(permit, account, right, "identity-staff-invite", add)?;
        Ok(Invitation { account, token, ends: moment(ends_us) })
    }

    /// Somebody to be invited, and the token of their invitation.
    fn newcomer(&self, name: &str) -> Result<(Newcomer, Redacted<String>), IdentityError> {
        let inner = &*self.inner;
        let name = name.trim();
        if !is_staff_name(name) {
            return Err(IdentityError::Unusable {
                what: "the name",
                why: "it must have 1 to 60 characters, all to be seen",
            });
        }
        let account = Id16::random(&*inner.random);
        let token = token_text(&*inner.random);
        let new = Newcomer {
            account,
            name: inner.seal(STAFF_NAME, account, name.as_bytes()),
            token_hash: sha256(token.as_bytes()),
        };
        Ok((new, Redacted::new(token)))
    }

    /// Makes another invitation for a member of staff without a passkey, in place of the one before. `by` is the permit for
    /// [`policy::Action::ManageRights`] of who is shown it: after a recovery not whoever asked for that and has its word; none at the
    /// command line.
    ///
    /// # Errors
    /// [`IdentityError::NotStaff`] for somebody who has a passkey, has left or was never there; [`IdentityError::RecoveryOwn`];
    /// [`IdentityError::Store`], with a stale epoch where rights were narrowed meanwhile.
    pub fn staff_invite_again(&self, by: Option<&Permit>, account: Id16) -> Result<Invitation, IdentityError> {
        let inner = Arc::clone(&self.inner);
        let shown_to = by.map(|permit| permit.actor().account);
        let by = by.map(|permit| (permit, Action::ManageRights));
        let token = token_text(&*inner.random);
        let hash = sha256(token.as_bytes());
        let ends_us = self.inner.write_by(by, "identity-staff-invite-again", move |transaction, now_us| {
            let ends_us = now_us + INVITATION_S * 1_000_000;
            let asked_by = inner.word_of(transaction, account)?.and_then(|(_, asked_by)| asked_by);
            if shown_to.is_some() && shown_to == asked_by {
                return Ok(Err(IdentityError::RecoveryOwn));
            }
            if tables::staff::get(transaction, account)?.is_none_or(|staff| staff.state != "invited") {
                return Ok(Err(IdentityError::NotStaff));
            }
            tables::staff::invite(transaction, account, &hash, ends_us, shown_to)?;
            Ok(Ok(ends_us))
        })?;
        Ok(Invitation { account, token: Redacted::new(token), ends: moment(ends_us) })
    }

    /// What an invited member of staff needs besides the link: for the command line, where the paper it stood on was lost.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub fn staff_word(&self, account: Id16) -> Result<Option<Redacted<String>>, IdentityError> {
        let inner = &*self.inner;
        let found = inner.read("identity-staff-word", |connection, _| inner.word_of(connection, account))?;
        Ok(found.map(|(word, _)| Redacted::new(word)))
    }

    /// Whether an invitation takes a word besides its link, as it does after a recovery.
    ///
    /// # Errors
    /// [`IdentityError::InvitationOver`], [`IdentityError::Store`].
    pub fn staff_enrol_needs_word(&self, token: &str) -> Result<bool, IdentityError> {
        let inner = &*self.inner;
        let hash = token_hash(token)?;
        inner.read("identity-staff-invited", |connection, now_us| {
            let Some(account) = tables::staff::invited(connection, &hash, now_us)? else { return Ok(false) };
            Ok(inner.word_of(connection, account)?.is_some())
        })
    }

    /// Asks for the passkey of an invitation, and says whose it is.
    ///
    /// # Errors
    /// [`IdentityError::InvitationOver`], [`IdentityError::PasskeyUnavailable`], [`IdentityError::Damaged`],
    /// [`IdentityError::Store`].
    pub fn staff_enrol(&self, token: &str) -> Result<(Redacted<String>, PasskeyAsk), IdentityError> {
        let inner = &*self.inner;
        let hash = token_hash(token)?;
        let (now_us, found) = inner.read("identity-staff-invited", |connection, now_us| {
            let Some(account) = tables::staff::invited(connection, &hash, now_us)? else { return Ok((now_us, None)) };
            Ok((now_us, tables::staff::get(connection, account)?))
        })?;
        let staff = found.filter(|staff| staff.state != "left").ok_or(IdentityError::InvitationOver)?;
        let name = inner.open_text(STAFF_NAME, staff.account, &staff.name).ok_or(DAMAGED)?;
        let asked = inner.ceremonies.enrol(staff.account, &name, &[], true)?;
        Ok((Redacted::new(name), inner.ask(Aim::StaffEnrol, staff.account, asked, now_us)?))
    }

    /// Takes the answer to [`Identity::staff_enrol`], which uses the invitation up, and signs the member of staff in. An answer
    /// that does not hold leaves the invitation as it is.
    ///
    /// # Errors
    /// As [`Identity::staff_enrol`], [`IdentityError::SignInForged`], [`IdentityError::SignInExpired`],
    /// [`IdentityError::SignInUsed`], [`IdentityError::RecoveryWord`] where the invitation takes a word, and
    /// [`IdentityError::Passkey`], for one that can be copied to other devices too.
    pub fn staff_enrolled(
        &self,
        token: &str,
        cookie: &str,
        answer: &str,
        name: &str,
        client: impl Into<Client>,
    ) -> Result<SignedIn, IdentityError> {
        self.staff_enrolled_with(token, cookie, answer, (name, ""), client)
    }

    /// As [`Identity::staff_enrolled`], with the name of the passkey and the word that an invitation after a recovery takes.
    ///
    /// # Errors
    /// As [`Identity::staff_enrolled`].
    pub fn staff_enrolled_with(
        &self,
        token: &str,
        cookie: &str,
        answer: &str,
        (name, word): (&str, &str),
        client: impl Into<Client>,
    ) -> Result<SignedIn, IdentityError> {
        let inner = Arc::clone(&self.inner);
        let hash = token_hash(token)?;
        let account = inner
            .read("identity-staff-invited", |connection, now_us| tables::staff::invited(connection, &hash, now_us))?;
        let account = account.ok_or(IdentityError::InvitationOver)?;
        let challenge = inner.challenge(cookie, Aim::StaffEnrol, account)?;
        let (answer, name, word) = (Redacted::new(answer.to_owned()), name.to_owned(), Redacted::new(tidied(word)));
        let (token, device, mut row) = inner.new_session(account, 2, &client.into());
        self.inner.write("identity-staff-enrolled", move |transaction, now_us| {
            if !tables::use_sign_in(transaction, challenge.hash(), now_us)? {
                return Ok(Err(IdentityError::SignInUsed));
            }
            let staff = tables::staff::get(transaction, account)?.filter(|staff| staff.state != "left");
            if tables::staff::invited(transaction, &hash, now_us)? != Some(account) || staff.is_none() {
                return Ok(Err(IdentityError::InvitationOver));
            }
            let wanted = inner.word_of(transaction, account)?;
            if wanted.is_some_and(|(wanted, _)| !is_same(&wanted, word.expose())) {
                return Ok(Err(IdentityError::RecoveryWord));
            }
            let passkey = match inner.ceremonies.enrolled(answer.expose(), &challenge.state) {
                Ok(passkey) => passkey,
                Err(error) => return Ok(Err(error)),
            };
            if let Err(error) = inner.add_passkey(transaction, account, &passkey, &name, Holder::Staff, now_us)? {
                return Ok(Err(error));
            }
            tables::staff::come(transaction, account, now_us)?;
            (row.began_us, row.seen_us, row.factor_us) = (now_us, now_us, now_us);
            inner.add_session(transaction, &row, now_us)?;
            inner.arrived(transaction, &row, now_us).map(Ok)
        })?;
        self.signed_in(token, device, "/staff")
    }

    /// Asks for the passkey of any member of staff.
    ///
    /// # Errors
    /// [`IdentityError::PasskeyUnavailable`], [`IdentityError::Store`].
    pub fn staff_ask(&self) -> Result<PasskeyAsk, IdentityError> {
        let inner = &*self.inner;
        let now_us = inner.newest()?;
        inner.check_clock(now_us)?;
        let asked = inner.ceremonies.prove(&[])?;
        inner.ask(Aim::StaffSignIn, Id16::default(), asked, now_us)
    }

    /// Takes the answer to [`Identity::staff_ask`] and signs the member of staff in, with two factors: the device, and what it
    /// checked of its holder.
    ///
    /// # Errors
    /// [`IdentityError::SignInForged`], [`IdentityError::SignInExpired`], [`IdentityError::SignInUsed`],
    /// [`IdentityError::Passkey`], [`IdentityError::NotStaff`], [`IdentityError::Throttled`],
    /// [`IdentityError::ClockBehind`], [`IdentityError::Store`].
    pub fn staff_sign_in(
        &self,
        cookie: &str,
        answer: &str,
        client: impl Into<Client>,
    ) -> Result<SignedIn, IdentityError> {
        let inner = Arc::clone(&self.inner);
        let client = client.into();
        let challenge = inner.challenge(cookie, Aim::StaffSignIn, Id16::default())?;
        let answer = Answer::read(answer)?;
        // Under the account that the device names: the passkey's own has to be the same.
        let account = answer.account().unwrap_or_default();
        let (token, device, mut row) = inner.new_session(account, 2, &client);
        let source = inner.counter_name(&[b"source", &source_bytes(&client.source)]);
        self.inner.write("identity-staff-sign-in", move |transaction, now_us| {
            if !tables::use_sign_in(transaction, challenge.hash(), now_us)? {
                return Ok(Err(IdentityError::SignInUsed));
            }
            let outcome = match inner.use_passkey(transaction, &answer, &challenge, None, now_us)? {
                Ok(account) => match tables::staff::get(transaction, account)? {
                    Some(staff) if staff.state == "active" => Ok(()),
                    _ => Err(IdentityError::NotStaff),
                },
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                // A right answer is taken at once, whatever else failed at this address: it cannot be guessed.
                let counter = tables::counter(transaction, &source)?;
                let slowed = throttled(&Counters { source: counter, ..Counters::default() }, now_us);
                tables::set_counter(transaction, &source, counter.after_failure(now_us))?;
                return Ok(Err(slowed.err().unwrap_or(error)));
            }
            (row.began_us, row.seen_us, row.factor_us) = (now_us, now_us, now_us);
            inner.add_session(transaction, &row, now_us)?;
            inner.arrived(transaction, &row, now_us).map(Ok)
        })?;
        self.signed_in(token, device, "/staff")
    }

    /// The member of staff whom the answer to [`Identity::staff_ask`] names, right or wrong: under whose account a refusal is told.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub fn staff_named(&self, answer: &str) -> Result<Option<Id16>, IdentityError> {
        let Some(account) = Answer::read(answer).ok().and_then(|answer| answer.account()) else { return Ok(None) };
        self.inner.read("identity-staff-named", |connection, _| {
            Ok(tables::staff::get(connection, account)?.map(|staff| staff.account))
        })
    }

    /// Every member of staff, newest first.
    ///
    /// # Errors
    /// [`IdentityError::Damaged`], [`IdentityError::Store`].
    pub fn staff(&self) -> Result<Vec<Staff>, IdentityError> {
        let inner = &*self.inner;
        let rows = inner.read("identity-staff", |connection, _| tables::staff::all(connection, LIST_MAX))?;
        rows.iter()
            .map(|row| {
                let name = inner.open_text(STAFF_NAME, row.account, &row.name).ok_or(DAMAGED)?;
                Ok(Staff {
                    account: row.account,
                    name: Redacted::new(name),
                    state: StaffState::of(&row.state),
                    made: moment(row.made_us),
                    changed: moment(row.changed_us),
                    shown_to: row.shown_to,
                })
            })
            .collect()
    }

    /// Where an account of staff stands; `None` where it is none.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub fn staff_state(&self, account: Id16) -> Result<Option<StaffState>, IdentityError> {
        let found = self.inner.read("identity-staff-state", |connection, _| tables::staff::get(connection, account))?;
        Ok(found.map(|row| StaffState::of(&row.state)))
    }

    /// Ends a member of staff's account for good, in one transaction: every session, passkey, invitation, pending approval
    /// and right. Requests that come later find nothing, and permits given before are refused on their next use. For the command
    /// line; people go through [`Identity::off_board_as`].
    ///
    /// # Errors
    /// [`IdentityError::NotStaff`] for somebody who has left or was never there, [`IdentityError::Store`].
    pub fn off_board(&self, account: Id16) -> Result<OffBoarded, IdentityError> {
        self.end_account(None, account)
    }

    /// As [`Identity::off_board`], by an administrator: takes a permit for [`policy::Action::ManageRights`], and is journalled under
    /// the account.
    ///
    /// # Errors
    /// As [`Identity::off_board`].
    pub fn off_board_as(&self, permit: &Permit, account: Id16) -> Result<OffBoarded, IdentityError> {
        self.end_account(Some(permit), account)
    }

    fn end_account(&self, by: Option<&Permit>, account: Id16) -> Result<OffBoarded, IdentityError> {
        let inner = &*self.inner;
        let known_us = inner.known_us();
        let ended = inner.store.revoke_all(by, account, "identity-off-board", move |transaction| {
            let now_us = tables::raise_newest(transaction, known_us)?;
            if !tables::staff::set_state(transaction, account, "left", now_us)? {
                return Ok(None);
            }
            let sessions = sessions::end_where(transaction, account, now_us, |_| true)?;
            let passkeys = tables::passkeys::remove_all(transaction, account)?;
            let own = tables::staff::uninvite(transaction, account)?;
            let invitations = own + tables::staff::uninvite_shown(transaction, account)?;
            tables::recovery::end_asked(transaction, account, now_us)?;
            let approvals = tables::recovery::take_back(transaction, account)?;
            tables::devices::forget_all(transaction, account)?;
            Ok(Some(OffBoarded { sessions, passkeys, invitations, approvals, rights: 0 }))
        })?;
        let (ended, rights) = ended.ok_or(IdentityError::NotStaff)?;
        Ok(OffBoarded { rights, ..ended })
    }

    /// Gives a member of staff the rights that were asked for them, or one of them, once they came: whoever else was shown the link
    /// may have taken it up, so it is somebody else who met the person and says that they did. `by` is the permit for
    /// [`policy::Action::ManageRights`] of who confirms; none at the command line.
    ///
    /// # Errors
    /// [`IdentityError::Store`], with those of [`store::Store::confirm_rights`].
    pub fn confirm_rights(
        &self,
        by: Option<&Permit>,
        account: Id16,
        only: Option<&Right>,
    ) -> Result<usize, IdentityError> {
        let confirming = by.map(|permit| permit.actor().account);
        Ok(self.inner.store.confirm_rights(by, account, only, move |transaction| {
            let staff = tables::staff::get(transaction, account)?.filter(|staff| staff.state == "active");
            Ok(staff.is_some_and(|staff| confirming.is_none() || staff.shown_to != confirming))
        })?)
    }

    /// Takes a right of a member of staff away, or what was asked for. With a role that they hold no more, whichever it is, end the links
    /// that they were shown, and their approvals of open requests are taken back: in which role that was is kept nowhere, and a
    /// colleague invites or approves again. With that of an administrator end their requests for colleagues too. `by` as in
    /// [`Identity::confirm_rights`].
    ///
    /// # Errors
    /// [`IdentityError::Store`], with those of [`store::Store::take_right`].
    pub fn take_right(&self, by: Option<&Permit>, account: Id16, right: &Right) -> Result<(), IdentityError> {
        let inner = &*self.inner;
        let (known_us, role) = (inner.known_us(), right.role());
        inner.store.take_right(by, account, right, "identity-take-right", move |transaction, is_lost| {
            if is_lost {
                let now_us = tables::raise_newest(transaction, known_us)?;
                tables::recovery::take_back(transaction, account)?;
                tables::staff::uninvite_shown(transaction, account)?;
                if role == Role::Administrator {
                    tables::recovery::end_asked(transaction, account, now_us)?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    /// What a sign-in gives back.
    fn signed_in(
        &self,
        token: SessionToken,
        device: Option<Redacted<String>>,
        return_to: &str,
    ) -> Result<SignedIn, IdentityError> {
        let session = self.session(token.cookie_value())?;
        Ok(SignedIn { token, session, return_to: return_to.to_owned(), device })
    }
}

const DAMAGED: IdentityError = IdentityError::Damaged { what: "the name" };

/// Somebody who is to be invited.
struct Newcomer {
    account: Id16,
    /// Sealed.
    name: Vec<u8>,
    token_hash: [u8; 32],
}

impl Newcomer {
    /// Adds the account and its invitation, whose end it gives. `shown_to` is who is shown the link; nobody at the command line.
    fn add(&self, transaction: &Transaction<'_>, shown_to: Option<Id16>, now_us: i64) -> rusqlite::Result<i64> {
        let ends_us = now_us + INVITATION_S * 1_000_000;
        tables::staff::purge_invitations(transaction, now_us)?;
        tables::put_account(transaction, &AccountRow { account: self.account, profile: Vec::new() }, now_us)?;
        tables::staff::add(transaction, self.account, &self.name, now_us)?;
        tables::staff::invite(transaction, self.account, &self.token_hash, ends_us, shown_to)?;
        Ok(ends_us)
    }
}

/// Compares what is secret by its hash, whose comparison tells nothing of how much was right.
fn is_same(wanted: &str, given: &str) -> bool {
    sha256(wanted.as_bytes()) == sha256(given.as_bytes())
}

fn token_hash(token: &str) -> Result<[u8; 32], IdentityError> {
    if token.len() > TOKEN_BYTES_MAX { Err(IdentityError::InvitationOver) } else { Ok(sha256(token.as_bytes())) }
}
