//! Recovery: second factors of an account are reset when two members of staff approve the same request, no sooner than some minutes
//! after it was made and within a day. The person asks with one factor, or an administrator for a colleague; neither approves. What
//! is set up next takes the word of the request, so that neither the first factor nor a link alone takes the account.

use crate::IdentityError;
use crate::claims::Profile;
use crate::error::moment;
use crate::identity::{Identity, Inner};
use crate::notices::NoticeKind;
use crate::sealed::same;
use crate::session::{Holder, SecondFactor, Session, TokenHash};
use crate::sessions::{end_where, live};
use crate::staff::{INVITATION_S, Invitation, STAFF_NAME};
use crate::tables::recovery::{RecoveryRow, WordRow};
use crate::tables::{self, SessionRow, staff};
use crate::throttle::SECOND_US;
use crate::token_text;
use base::wire::{Malformed, Reader, Writer};
use base::{Id16, Redacted, Timestamp, sha256};
use jiff::civil::Date;
use policy::{Action, Permit};
use rusqlite::{Connection, Transaction};
use std::sync::Arc;

/// How long a request can be approved, in seconds: a day.
pub const RECOVERY_S: i64 = 24 * 3600;
/// Members of staff who have to approve.
pub const APPROVALS: usize = 2;
/// Longest reason, and longest description of the proof, in characters.
pub const RECOVERY_TEXT_CHARS_MAX: usize = 500;
/// Requests in a day: for a colleague, or of a person from one device or source.
const REQUESTS_A_DAY: u32 = 5;
/// Requests of a person in a day, from wherever, after which places that the account does not know are heard twice.
const REQUESTS_IN_ALL_A_DAY: u32 = 50;
/// Requests of a person in a day after which such places are not heard at all.
const REQUESTS_MAX: u32 = 1_000;
const ABOUT: &str = "recovery";
/// Letters and digits that are not taken for one another when they are read aloud or written down.
const LETTERS: &[u8; 32] = b"ABCDEFGHJKMNPQRSTVWXYZ0123456789";
const CODE_LETTERS: usize = 12;
const WORD_LETTERS: usize = 8;

/// A request that was made: what its person shows to staff.
#[derive(Debug, Clone)]
pub struct RecoveryAsked {
    /// Three groups of four letters. It is shown once, and is no factor: it names the request.
    pub code: Redacted<String>,
    /// From when on it can take effect.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// What is needed besides to set up a new second factor afterwards, two groups of four letters. A person keeps it, so that
    /// another who has the first factor does not get in before them; a colleague is handed it by whoever asked, and those who approve,
    /// one of whom is given the link, never see it.
    pub word: Redacted<String>,
}

/// What a member of staff said to a request.
#[derive(Debug, Clone)]
pub struct RecoveryWord {
    /// Who.
    pub staff: Id16,
    /// Their name.
    pub name: Redacted<String>,
    /// Why.
    pub reason: Redacted<String>,
    /// What proof they saw.
    pub proof: Redacted<String>,
    /// When.
    pub at: Timestamp,
}

/// A request as staff see it.
#[derive(Debug, Clone)]
pub struct Recovery {
    /// The account.
    pub account: Id16,
    /// Whose account it is.
    pub holder: Holder,
    /// The name, to compare with the proof.
    pub name: Redacted<String>,
    /// The date of birth, to compare with the proof; staff have none here.
    pub birth_date: Option<Redacted<Date>>,
    /// When it was made.
    pub made: Timestamp,
    /// From when on it can take effect.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Who approved so far.
    pub approvals: Vec<RecoveryWord>,
}

/// What came of an approval.
#[derive(Debug, Clone)]
pub enum Recovered {
    /// Another member of staff has to approve.
    Waiting,
    /// The second factors are gone and the sessions ended; a member of staff gets a new invitation.
    Done(Option<Invitation>),
}

impl Identity {
    /// Asks for the second factors of the session's account to be reset: for a person who gave the first factor and cannot give
    /// the second, or has lost the word of a reset. Each time is a request of its own, with a code and a word that are shown this
    /// once: so whoever else has the first factor sees nothing of it, and voids nothing by asking too.
    ///
    /// # Errors
    /// [`IdentityError::Unusable`] where there is nothing to reset or too many were made today,
    /// [`IdentityError::SessionUnknown`], [`IdentityError::SessionOver`], [`IdentityError::Store`].
    pub fn recovery_ask(&self, session: &Session) -> Result<RecoveryAsked, IdentityError> {
        if session.holder != Holder::Person || session.second_factor == SecondFactor::Missing {
            return Err(IdentityError::Unusable { what: "the request", why: "there is no second factor to reset" });
        }
        let (inner, token) = (Arc::clone(&self.inner), session.token_hash);
        let id = Id16::random(&*inner.random);
        let made_us = self.inner.write("identity-recovery-ask", move |transaction, now_us| {
            let row = match live(transaction, token, &inner.lifetimes, now_us)? {
                Ok(row) => row,
                Err(error) => return Ok(Err(error)),
            };
            if !inner.may_ask_again(transaction, &row, now_us)? {
                return Ok(Err(TOO_MANY));
            }
            inner.open_recovery(transaction, (row.account, id, None), now_us - RECOVERY_S * SECOND_US, now_us)?;
            Ok(Ok(now_us))
        })?;
        Ok(self.inner.recovery_asked(id, made_us))
    }

    /// Asks for the passkeys of a member of staff to be reset. `by` is the permit for [`Action::ManageRights`] of who does. An open
    /// request of the same colleague is kept, with what others said to it: asking again shows its code and word again.
    ///
    /// # Errors
    /// [`IdentityError::NotStaff`]; [`IdentityError::RecoveryOpen`] where another colleague's request is open, whose word is theirs to
    /// hand over; [`IdentityError::Unusable`] where too many were made today; [`IdentityError::Store`], with a stale epoch where rights
    /// were narrowed meanwhile.
    pub fn recovery_ask_for(&self, by: &Permit, account: Id16) -> Result<RecoveryAsked, IdentityError> {
        let (inner, asked_by) = (Arc::clone(&self.inner), by.actor().account);
        let id = Id16::random(&*inner.random);
        let by = Some((by, Action::ManageRights));
        let (id, made_us) = self.inner.write_by(by, "identity-recovery-ask-for", move |transaction, now_us| {
            if staff::get(transaction, account)?.is_none_or(|staff| staff.state != "active") {
                return Ok(Err(IdentityError::NotStaff));
            }
            let open = tables::recovery::open_of(transaction, account)?;
            match open.filter(|row| now_us < inner.recovery_span(row.made_us).1) {
                Some(row) if row.asked_by != Some(asked_by) => return Ok(Err(IdentityError::RecoveryOpen)),
                // Whoever asks again must void nothing that others said.
                Some(row) if row.code == inner.recovery_hash(&inner.recovery_code(row.id)) => {
                    return Ok(Ok((row.id, row.made_us)));
                }
                _ => {}
            }
            if tables::recovery::count_since(transaction, account, now_us - RECOVERY_S * SECOND_US)? >= REQUESTS_A_DAY {
                return Ok(Err(TOO_MANY));
            }
            inner.open_recovery(transaction, (account, id, Some(asked_by)), now_us, now_us)?;
            Ok(Ok((id, now_us)))
        })?;
        Ok(self.inner.recovery_asked(id, made_us))
    }

    /// When the newest open request of the session's own account was made; `None` where there is none.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub fn recovery_of(&self, session: &Session) -> Result<Option<Timestamp>, IdentityError> {
        let inner = &*self.inner;
        let account = session.account;
        let row = inner.read("identity-recovery-own", |connection, now_us| {
            let row = tables::recovery::open_of(connection, account)?;
            Ok(row.filter(|row| now_us < inner.recovery_span(row.made_us).1))
        })?;
        Ok(row.map(|row| moment(row.made_us)))
    }

    /// Refuses the open requests of the session's own account: for whoever still has both factors and asked for nothing. Gives
    /// whether there was one.
    ///
    /// # Errors
    /// [`IdentityError::SecondFactorNeeded`] for a session of one factor, [`IdentityError::SessionOver`],
    /// [`IdentityError::Store`].
    pub fn recovery_object(&self, session: &Session) -> Result<bool, IdentityError> {
        let (token, lifetimes) = (session.token_hash, self.inner.lifetimes);
        self.inner.write("identity-recovery-object", move |transaction, now_us| {
            let row = match live(transaction, token, &lifetimes, now_us)? {
                Ok(row) if row.assurance < 2 => return Ok(Err(IdentityError::SecondFactorNeeded)),
                Ok(row) => row,
                Err(error) => return Ok(Err(error)),
            };
            tables::recovery::end_all(transaction, row.account, "refused", now_us, i64::MAX).map(|ended| Ok(ended > 0))
        })
    }

    /// The open request of a code.
    ///
    /// # Errors
    /// [`IdentityError::RecoveryOver`] where there is none, [`IdentityError::Damaged`], [`IdentityError::Store`].
    pub fn recovery(&self, code: &str) -> Result<Recovery, IdentityError> {
        let inner = &*self.inner;
        let hash = inner.recovery_hash(&tidied(code));
        let found = inner.read("identity-recovery", |connection, now_us| {
            let Some(row) = inner.open_request(connection, &hash, now_us)? else { return Ok(None) };
            let words = tables::recovery::words(connection, &row)?;
            let mut names = Vec::new();
            for word in &words {
                names.push(staff::get(connection, word.staff)?);
            }
            let account = tables::account(connection, row.account)?;
            let member = staff::get(connection, row.account)?;
            Ok(Some((row, words, names, account, member)))
        })?;
        let (row, words, names, account, member) = found.ok_or(IdentityError::RecoveryOver)?;
        let (holder, name, birth_date) = match (member, account) {
            (Some(member), _) => {
                let name = inner.open_text(STAFF_NAME, row.account, &member.name).ok_or(DAMAGED)?;
                (Holder::Staff, Redacted::new(name), None)
            }
            (None, Some(account)) => {
                let bytes = inner.open("profile", row.account, &account.profile).ok_or(DAMAGED)?;
                let profile = Profile::from_bytes(&bytes).map_err(|_| DAMAGED)?;
                (Holder::Person, profile.name, Some(profile.birth_date))
            }
            (None, None) => return Err(DAMAGED),
        };
        let approvals = words.iter().zip(&names).map(|(word, member)| {
            let (reason, proof) =
                inner.open(ABOUT, row.account, &word.about).and_then(|about| read_about(&about).ok())?;
            let name = member.as_ref().and_then(|member| inner.open_text(STAFF_NAME, word.staff, &member.name))?;
            Some(RecoveryWord {
                staff: word.staff,
                name: Redacted::new(name),
                reason: Redacted::new(reason),
                proof: Redacted::new(proof),
                at: moment(word.said_us),
            })
        });
        let approvals = approvals.collect::<Option<Vec<_>>>().ok_or(DAMAGED)?;
        let (from, until) = inner.recovery_span(row.made_us);
        let (made, from, until) = (moment(row.made_us), moment(from), moment(until));
        Ok(Recovery { account: row.account, holder, name, birth_date, made, from, until, approvals })
    }

    /// Whether a decision about a request says why, and an approval what was seen.
    ///
    /// # Errors
    /// [`IdentityError::Unusable`].
    pub fn recovery_texts(reason: &str, proof: Option<&str>) -> Result<(), IdentityError> {
        checked("the reason", reason)?;
        proof.map_or(Ok(()), |proof| checked("the proof", proof).map(drop))
    }

    /// Approves a request as a member of staff who saw proof of who asks. The second approval, by somebody else, takes effect at
    /// once: second factors are gone, sessions ended, and the person is told. `permit` is theirs for [`Action::DecideRecovery`].
    ///
    /// # Errors
    /// [`IdentityError::RecoveryOver`], [`IdentityError::RecoveryOwn`], [`IdentityError::RecoveryTwice`],
    /// [`IdentityError::RecoveryEarly`], [`IdentityError::NotStaff`] for a permit of somebody else,
    /// [`IdentityError::SecondFactorNeeded`], [`IdentityError::Unusable`] for the texts, [`IdentityError::SessionOver`],
    /// [`IdentityError::Store`], with a stale epoch where rights were narrowed meanwhile.
    pub fn recovery_approve(
        &self,
        permit: &Permit,
        by: &Session,
        code: &str,
        reason: &str,
        proof: &str,
    ) -> Result<Recovered, IdentityError> {
        let inner = Arc::clone(&self.inner);
        let (hash, deciding) = (inner.recovery_hash(&tidied(code)), (permit.actor().account, by.token_hash));
        let (reason, proof) = (checked("the reason", reason)?, checked("the proof", proof)?);
        let link = token_text(&*inner.random);
        let link_hash = sha256(link.as_bytes());
        let by = Some((permit, Action::DecideRecovery));
        let ends_us = self.inner.write_by(by, "identity-recovery-approve", move |transaction, now_us| {
            let staff_row = match inner.approving(transaction, deciding, now_us)? {
                Ok(account) => account,
                Err(error) => return Ok(Err(error)),
            };
            let Some(row) = inner.open_request(transaction, &hash, now_us)? else {
                return Ok(Err(IdentityError::RecoveryOver));
            };
            if row.account == staff_row || row.asked_by == Some(staff_row) {
                return Ok(Err(IdentityError::RecoveryOwn));
            }
            let words = tables::recovery::words(transaction, &row)?;
            if words.iter().any(|word| word.staff == staff_row) {
                return Ok(Err(IdentityError::RecoveryTwice));
            }
            let (from_us, _) = inner.recovery_span(row.made_us);
            if words.len() + 1 >= APPROVALS && now_us < from_us {
                let wait_s = u64::try_from(from_us - now_us).unwrap_or(0).div_ceil(1_000_000);
                return Ok(Err(IdentityError::RecoveryEarly { wait_s }));
            }
            let about = inner.seal(ABOUT, row.account, &about_bytes(reason.expose(), proof.expose()));
            tables::recovery::say(
                transaction,
                &WordRow {
                    account: row.account,
                    recovery: row.id,
                    staff: staff_row,
                    approves: true,
                    about,
                    said_us: now_us,
                },
            )?;
            if words.len() + 1 < APPROVALS {
                return Ok(Ok(None));
            }
            let account = row.account;
            inner.reset(transaction, &row, (&link_hash, staff_row), now_us).map(|ends| Ok(Some((account, ends))))
        })?;
        Ok(match ends_us {
            None => Recovered::Waiting,
            Some((_, None)) => Recovered::Done(None),
            Some((account, Some(ends_us))) => {
                Recovered::Done(Some(Invitation { account, token: Redacted::new(link), ends: moment(ends_us) }))
            }
        })
    }

    /// Refuses a request, which ends it.
    ///
    /// # Errors
    /// As [`Identity::recovery_approve`].
    pub fn recovery_refuse(
        &self,
        permit: &Permit,
        by: &Session,
        code: &str,
        reason: &str,
    ) -> Result<(), IdentityError> {
        let inner = Arc::clone(&self.inner);
        let (hash, deciding) = (inner.recovery_hash(&tidied(code)), (permit.actor().account, by.token_hash));
        let reason = checked("the reason", reason)?;
        let by = Some((permit, Action::DecideRecovery));
        self.inner.write_by(by, "identity-recovery-refuse", move |transaction, now_us| {
            let staff_row = match inner.approving(transaction, deciding, now_us)? {
                Ok(account) => account,
                Err(error) => return Ok(Err(error)),
            };
            let Some(row) = inner.open_request(transaction, &hash, now_us)? else {
                return Ok(Err(IdentityError::RecoveryOver));
            };
            let about = inner.seal(ABOUT, row.account, &about_bytes(reason.expose(), ""));
            let word = WordRow {
                account: row.account,
                recovery: row.id,
                staff: staff_row,
                approves: false,
                about,
                said_us: now_us,
            };
            tables::recovery::say(transaction, &word)?;
            tables::recovery::end(transaction, &row, "refused", now_us).map(|_| Ok(()))
        })
    }
}

const DAMAGED: IdentityError = IdentityError::Damaged { what: "a request for recovery" };
const TOO_MANY: IdentityError =
    IdentityError::Unusable { what: "the request", why: "too many were made today: try again tomorrow" };

/// What somebody gives besides a new second factor after a reset, and where they are.
pub(crate) struct Regained {
    word: Redacted<String>,
    source: Redacted<String>,
}

impl Regained {
    pub fn new(word: &str, source: &str) -> Self {
        Self { word: Redacted::new(tidied(word)), source: Redacted::new(source.to_owned()) }
    }
}

impl Inner {
    /// From when on and until when a request can take effect.
    fn recovery_span(&self, made_us: i64) -> (i64, i64) {
        (made_us + i64::from(self.config.recovery_wait_s) * SECOND_US, made_us + RECOVERY_S * SECOND_US)
    }

    /// Counts a request of a person from where the session is, and says whether it may be made. Who has the first factor of somebody
    /// else does not use up what their own devices may ask.
    fn may_ask_again(&self, transaction: &Transaction<'_>, row: &SessionRow, now_us: i64) -> rusqlite::Result<bool> {
        let source = self.open_text("source", row.account, &row.source).unwrap_or_default();
        let names = self.counter_names(transaction, row, &source, now_us)?;
        let name = self.counter_name(&[b"recovery", &names.pair]);
        let here = tables::counter(transaction, &name)?.at(now_us);
        let in_all = tables::recovery::count_since(transaction, row.account, now_us - RECOVERY_S * SECOND_US)?;
        // After a reset no place is known any more, the owner's neither: two requests of a place are heard beyond the others' fifty.
        let in_all_max = if here.failures < 2 { REQUESTS_MAX } else { REQUESTS_IN_ALL_A_DAY };
        if here.failures >= REQUESTS_A_DAY || (!names.known && in_all >= in_all_max) {
            return Ok(false);
        }
        tables::set_counter(transaction, &name, here.after_failure(now_us))?;
        Ok(true)
    }

    /// Opens a request, and ends the open ones of the account that were made up to `over_us`.
    fn open_recovery(
        &self,
        transaction: &Transaction<'_>,
        (account, id, asked_by): (Id16, Id16, Option<Id16>),
        over_us: i64,
        now_us: i64,
    ) -> rusqlite::Result<()> {
        let code = self.recovery_hash(&self.recovery_code(id));
        let row = RecoveryRow { account, id, code, state: "open".to_owned(), made_us: now_us, asked_by };
        // Notices that push out others would hide what else was done: people's own requests are told of once an hour.
        let is_told =
            asked_by.is_none() && tables::recovery::count_since(transaction, account, now_us - 3_600 * SECOND_US)? > 0;
        tables::recovery::open(transaction, &row, over_us)?;
        if is_told {
            return Ok(());
        }
        self.note_for(transaction, NoticeKind::RecoveryAsked, account, None, now_us)
    }

    fn recovery_asked(&self, id: Id16, made_us: i64) -> RecoveryAsked {
        let (from, until) = self.recovery_span(made_us);
        RecoveryAsked {
            code: Redacted::new(self.recovery_code(id)),
            from: moment(from),
            until: moment(until),
            word: Redacted::new(self.recovery_word(id)),
        }
    }

    /// Checks the word that a first enrolment after a reset takes: whoever is first at the agency would else take the account. Forty
    /// bits are not guessed, so a right word is taken whatever failed before.
    pub(crate) fn check_word(
        &self,
        transaction: &Transaction<'_>,
        row: &SessionRow,
        given: &Regained,
        now_us: i64,
    ) -> rusqlite::Result<Result<(), IdentityError>> {
        if self.has_second_factor(transaction, row.account)? {
            return Ok(Ok(()));
        }
        match self.word_of(transaction, row.account)? {
            Some((wanted, _)) if !same(wanted.as_bytes(), given.word.expose().as_bytes()) => {
                let wrong = IdentityError::RecoveryWord;
                self.failed(transaction, row, given.source.expose(), wrong, now_us).map(Err)
            }
            _ => Ok(Ok(())),
        }
    }

    fn open_request(
        &self,
        connection: &Connection,
        code: &[u8; 32],
        now_us: i64,
    ) -> rusqlite::Result<Option<RecoveryRow>> {
        let found = tables::recovery::find(connection, code)?;
        Ok(found.filter(|row| row.state == "open" && now_us < self.recovery_span(row.made_us).1))
    }

    /// The account of whoever has the permit, is signed in now, and gave their passkey just now.
    fn approving(
        &self,
        transaction: &Transaction<'_>,
        (permitted, token): (Id16, TokenHash),
        now_us: i64,
    ) -> rusqlite::Result<Result<Id16, IdentityError>> {
        let session = match live(transaction, token, &self.lifetimes, now_us)? {
            Ok(session) => session,
            Err(error) => return Ok(Err(error)),
        };
        Ok(match (session.account == permitted, self.is_fresh(session.factor_us, now_us)) {
            (false, _) => Err(IdentityError::NotStaff),
            (true, false) => Err(IdentityError::SecondFactorNeeded),
            (true, true) => Ok(session.account),
        })
    }

    /// Resets an account, and invites it anew where it is a member of staff's: gives when that invitation ends. Its link is shown to
    /// whoever approves last.
    fn reset(
        &self,
        transaction: &Transaction<'_>,
        row: &RecoveryRow,
        (link_hash, shown_to): (&[u8; 32], Id16),
        now_us: i64,
    ) -> rusqlite::Result<Option<i64>> {
        let account = row.account;
        tables::recovery::end(transaction, row, "done", now_us)?;
        tables::recovery::end_all(transaction, account, "replaced", now_us, i64::MAX)?;
        tables::remove_totp(transaction, account)?;
        tables::passkeys::remove_all(transaction, account)?;
        end_where(transaction, account, now_us, |_| true)?;
        // Whoever had the old factor may have come from one of them: what signs in next is told of as new, and throttled as unknown.
        tables::devices::forget_all(transaction, account)?;
        self.note_for(transaction, NoticeKind::RecoveryDone, account, None, now_us)?;
        if staff::get(transaction, account)?.is_none() {
            return Ok(None);
        }
        let ends_us = now_us + INVITATION_S * SECOND_US;
        staff::set_state(transaction, account, "invited", now_us)?;
        staff::invite(transaction, account, link_hash, ends_us, Some(shown_to))?;
        Ok(Some(ends_us))
    }

    /// The code of a request, which is the same however often it is asked for.
    fn recovery_code(&self, id: Id16) -> String {
        letters(&self.counter_name(&[b"recovery-code", &id.0]), CODE_LETTERS)
    }

    /// What goes with a new second factor after a request.
    fn recovery_word(&self, id: Id16) -> String {
        letters(&self.counter_name(&[b"recovery-word", &id.0]), WORD_LETTERS)
    }

    /// What an account without a second factor needs to set one up: nothing where it never had one. With the colleague who asked, who
    /// is not given the link.
    pub(crate) fn word_of(
        &self,
        connection: &Connection,
        account: Id16,
    ) -> rusqlite::Result<Option<(String, Option<Id16>)>> {
        let done = tables::recovery::done_of(connection, account)?;
        Ok(done.map(|row| (self.recovery_word(row.id), row.asked_by)))
    }

    fn recovery_hash(&self, code: &str) -> [u8; 32] {
        self.counter_name(&[b"recovery", code.as_bytes()])
    }
}

/// Letters of five bits each that nobody guesses, in groups of four.
fn letters(random: &[u8; 32], count: usize) -> String {
    let letters: Vec<char> =
        random.iter().take(count).map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

/// A code as it was typed, in the form it was given out.
pub(crate) fn tidied(code: &str) -> String {
    let letters: Vec<char> = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(CODE_LETTERS + 1)
        .map(|letter| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            'U' => 'V',
            other => other,
        })
        .collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

fn checked(what: &'static str, text: &str) -> Result<Redacted<String>, IdentityError> {
    let text: String = text.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if text.is_empty() || text.chars().count() > RECOVERY_TEXT_CHARS_MAX {
        return Err(IdentityError::Unusable { what, why: "it must have 1 to 500 characters" });
    }
    Ok(Redacted::new(text))
}

fn about_bytes(reason: &str, proof: &str) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.text(reason).text(proof);
    writer.finish()
}

fn read_about(bytes: &[u8]) -> Result<(String, String), Malformed> {
    let mut reader = Reader::new(bytes);
    let about = (reader.text()?.to_owned(), reader.text()?.to_owned());
    reader.end()?;
    Ok(about)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_code_is_read_as_it_is_typed(random: [u8; 32]) {
            let code = letters(&random, CODE_LETTERS);
            prop_assert_eq!(code.len(), CODE_LETTERS + 2);
            prop_assert_eq!(tidied(&code), code.clone());
            prop_assert_eq!(tidied(&format!(" {} ", code.to_lowercase().replace('-', " "))), code);
        }

        #[test]
        fn whatever_is_typed_is_taken(text: String) {
            prop_assert!(tidied(&text).len() <= CODE_LETTERS + 5);
        }
    }
}
