//! Sessions: what a token stands for, when it is over, and which forms belong to it. Pure rules; rows are `tables`' business.

use crate::claims::Gender;
use crate::error::{Ending, moment};
use crate::keys::{DayKey, ID_BYTES};
use crate::sealed::same;
use crate::{IdentityError, token_text};
use base::{Id16, Random, Redacted, Timestamp, hmac_sha256, sha256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::Date;
use policy::{Actor, Assurance, Role};

/// The cookie that carries a [`SessionToken`]: `Secure; HttpOnly; SameSite=Lax; Path=/`, no `Domain`, no `Max-Age`.
pub const SESSION_COOKIE: &str = "__Host-hanmaru-session";
/// The cookie that carries a sign-in while its person is at the agency: the same attributes, and `Max-Age` of [`crate::SIGN_IN_S`].
pub const SIGN_IN_COOKIE: &str = "__Host-hanmaru-sign-in";
/// Wrong codes after which a session ends.
pub const TRIES_PER_SESSION: u32 = 5;
/// Sessions an account may have at once; a further sign-in ends the oldest.
pub const SESSIONS_PER_ACCOUNT_MAX: usize = 10;

/// What the browser keeps of a session: 256 random bits as 43 characters. Only its SHA-256 is stored here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionToken(Redacted<String>);

impl SessionToken {
    pub(crate) fn new(random: &dyn Random) -> Self {
        Self(Redacted::new(token_text(random)))
    }

    /// The value of the cookie [`SESSION_COOKIE`].
    #[must_use]
    pub fn cookie_value(&self) -> &str {
        self.0.expose()
    }

    pub(crate) fn hash(&self) -> TokenHash {
        TokenHash::of(self.cookie_value())
    }
}

/// Under what a session is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash of whatever a browser sent: texts of another length are hashed like any other and found nowhere.
    pub fn of(token: &str) -> Self {
        Self(sha256(token.as_bytes()))
    }
}

/// Which second factors an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactor {
    /// None: offer enrolment.
    Missing,
    /// None since a reset, so that enrolment takes the word that was shown to whoever asked for it.
    Reset,
    /// Passkeys that are all refused, since a copy may exist of each: a reset is the only way on.
    Suspect,
    /// A code is needed to reach [`Assurance::Two`].
    Totp,
    /// A passkey is needed.
    Passkey,
    /// Either of both.
    Either,
}

impl SecondFactor {
    /// `none` says what it means that none can be given.
    pub(crate) const fn of(totp: bool, passkey: bool, none: Self) -> Self {
        match (totp, passkey) {
            (false, false) => none,
            (true, false) => Self::Totp,
            (false, true) => Self::Passkey,
            (true, true) => Self::Either,
        }
    }

    /// Whether there is none, and the first factor alone may set one up.
    #[must_use]
    pub const fn is_to_enrol(self) -> bool {
        matches!(self, Self::Missing | Self::Reset)
    }

    /// Whether a code can be given.
    #[must_use]
    pub const fn has_totp(self) -> bool {
        matches!(self, Self::Totp | Self::Either)
    }

    /// Whether a passkey can be used.
    #[must_use]
    pub const fn has_passkey(self) -> bool {
        matches!(self, Self::Passkey | Self::Either)
    }
}

/// Whose account it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A person whose records may be here, whom the identity agency vouches for.
    Person,
    /// A member of staff, known by a passkey alone.
    Staff,
}

/// A live session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id, for lists and logs; knowing it gives nothing.
    pub id: Id16,
    /// The account.
    pub account: Id16,
    /// The person whose account it is.
    pub person: Id16,
    /// Whose account it is.
    pub holder: Holder,
    /// The person's name as the agency has it; a member of staff's as it was written at the invitation.
    pub name: Redacted<String>,
    /// The person's date of birth; nobody asks staff for theirs.
    pub birth_date: Option<Redacted<Date>>,
    /// The person's sex as the agency has it.
    pub gender: Redacted<Gender>,
    /// How sure we are who it is.
    pub assurance: Assurance,
    /// Which second factors there are to ask for.
    pub second_factor: SecondFactor,
    /// When the second factor was last given; `None` where it never was.
    pub factor_at: Option<Timestamp>,
    /// Whether that is so short ago that it need not be given again before something grave.
    pub is_fresh: bool,
    /// How many notices came since their person last read them on this device.
    pub notices: u32,
    /// What every form of this session carries; masked anew each time it is made, so that compression gives nothing away.
    pub csrf: Redacted<String>,
    /// When its person signed in.
    pub began: Timestamp,
    /// When it ends if nothing is done.
    pub idle_end: Timestamp,
    /// When it ends whatever is done.
    pub absolute_end: Timestamp,
    pub(crate) token_hash: TokenHash,
    pub(crate) device: [u8; 32],
}

impl Session {
    /// The person at the door, asking for their own records from `source` (an address).
    #[must_use]
    pub fn actor(&self, source: &str) -> Actor {
        self.actor_as(Role::Patient, source)
    }

    /// The person at the door in another role. The door checks whether the account holds it.
    #[must_use]
    pub fn actor_as(&self, role: Role, source: &str) -> Actor {
        Actor {
            account: self.account,
            role,
            assurance: self.assurance,
            name: self.name.clone(),
            source: Redacted::new(source.to_owned()),
        }
    }
}

/// One line of the list of an account's sessions.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    /// Its id, to end it by.
    pub id: Id16,
    /// When its person signed in.
    pub began: Timestamp,
    /// When it was last used, to within a minute.
    pub seen: Timestamp,
    /// From where it was begun.
    pub source: Redacted<String>,
    /// What kind of browser it is, as [`crate::family`] names it; empty where nobody knows.
    pub family: String,
    /// One or two factors.
    pub assurance: Assurance,
    /// Whether it is the session that asks.
    pub current: bool,
}

/// How long sessions last, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    pub idle_us: i64,
    pub absolute_us: i64,
}

impl Lifetimes {
    /// Why a session that began and was last seen at these times is over at `now_us`; `None` while it lives.
    pub fn ending(&self, began_us: i64, seen_us: i64, now_us: i64) -> Option<Ending> {
        if now_us.saturating_sub(began_us) >= self.absolute_us {
            Some(Ending::Absolute)
        } else if now_us.saturating_sub(seen_us) >= self.idle_us {
            Some(Ending::Idle)
        } else {
            None
        }
    }

    /// Uses closer together than this are not written down: an active session ends at most this much early.
    pub fn touch_us(&self) -> i64 {
        (self.idle_us / 30).min(60_000_000)
    }

    pub fn idle_end(&self, began_us: i64, seen_us: i64) -> Timestamp {
        moment((seen_us + self.idle_us).min(began_us + self.absolute_us))
    }

    pub fn absolute_end(&self, began_us: i64) -> Timestamp {
        moment(began_us + self.absolute_us)
    }
}

/// The level of a row of the session table.
pub(crate) fn assurance_of(level: i64) -> Assurance {
    if level >= 2 { Assurance::Two } else { Assurance::One }
}

const CSRF_BYTES: usize = 32;

/// A token for the forms of a session: the name of the key of the day, a random mask, then the session's HMAC under that mask.
pub(crate) fn csrf_token(key: &DayKey, session: TokenHash, random: &dyn Random) -> Redacted<String> {
    let mask = random.bytes32();
    let tag = csrf_tag(&key.key, session);
    let mut bytes = key.id.to_vec();
    bytes.extend(mask);
    bytes.extend(tag.iter().zip(mask).map(|(tag, mask)| tag ^ mask));
    Redacted::new(URL_SAFE_NO_PAD.encode(bytes))
}

/// Whether a form's token belongs to a session, under the key that `key_of` has for its name.
pub(crate) fn csrf_check(
    key_of: impl FnOnce(&[u8]) -> Option<DayKey>,
    session: TokenHash,
    token: &str,
) -> Result<(), IdentityError> {
    let bytes =
        if token.len() <= 4 * CSRF_BYTES { URL_SAFE_NO_PAD.decode(token).unwrap_or_default() } else { Vec::new() };
    if bytes.len() != ID_BYTES + 2 * CSRF_BYTES {
        return Err(IdentityError::CsrfMismatch);
    }
    let (id, bytes) = bytes.split_at(ID_BYTES);
    let (mask, masked) = bytes.split_at(CSRF_BYTES);
    let tag: Vec<u8> = mask.iter().zip(masked).map(|(mask, masked)| mask ^ masked).collect();
    let key = key_of(id).ok_or(IdentityError::CsrfMismatch)?;
    if same(&tag, &csrf_tag(&key.key, session)) { Ok(()) } else { Err(IdentityError::CsrfMismatch) }
}

fn csrf_tag(key: &[u8; 32], session: TokenHash) -> [u8; 32] {
    hmac_sha256(key, &[b"csrf\0".as_slice(), &session.0].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SeededRandom;
    use proptest::prelude::*;

    const LIMITS: Lifetimes = Lifetimes { idle_us: 900_000_000, absolute_us: 28_800_000_000 };

    #[test]
    fn sessions_end_when_idle_and_after_eight_hours() {
        for (seen_s, now_s, ending) in [
            (0, 0, None),
            (0, 899, None),
            (0, 900, Some(Ending::Idle)),
            (28_799, 28_799, None),
            (28_799, 28_800, Some(Ending::Absolute)),
            (0, 99_999, Some(Ending::Absolute)),
        ] {
            assert_eq!(LIMITS.ending(0, seen_s * 1_000_000, now_s * 1_000_000), ending, "{seen_s} {now_s}");
        }
        assert_eq!(LIMITS.idle_end(0, 28_700_000_000), LIMITS.absolute_end(0), "no promise beyond the absolute limit");
    }

    #[test]
    fn tokens_are_long_random_and_hidden() {
        let random = SeededRandom::new(1);
        let (first, second) = (SessionToken::new(&random), SessionToken::new(&random));
        assert_eq!(first.cookie_value().len(), 43);
        assert_ne!(first, second);
        assert!(!format!("{first:?}").contains(first.cookie_value()));
    }

    /// Knows two keys by their names.
    fn key_of(id: &[u8]) -> Option<DayKey> {
        [1, 2].map(DayKey::sample).into_iter().find(|key| key.id == id)
    }

    #[test]
    fn a_csrf_token_fits_its_session_and_no_other() {
        let random = SeededRandom::new(1);
        let (mine, other) = (TokenHash([1; 32]), TokenHash([2; 32]));
        let token = csrf_token(&DayKey::sample(1), mine, &random);
        assert_ne!(token, csrf_token(&DayKey::sample(1), mine, &random), "masked anew each time");
        assert!(csrf_check(key_of, mine, token.expose()).is_ok());
        let gone = csrf_token(&DayKey::sample(3), mine, &random);
        for (session, token) in [
            (other, token.expose().as_str()),
            (mine, gone.expose().as_str()),
            (mine, ""),
            (mine, &token.expose()[..85]),
            (mine, &"A".repeat(96)),
            (mine, &"A".repeat(10_000)),
        ] {
            assert!(matches!(csrf_check(key_of, session, token), Err(IdentityError::CsrfMismatch)));
        }
    }

    proptest! {
        #[test]
        fn a_changed_csrf_token_never_fits(at in 0..72_usize, bit in 0..8_u32, text: String) {
            let random = SeededRandom::new(1);
            let token = csrf_token(&DayKey::sample(1), TokenHash([1; 32]), &random);
            let mut bytes = URL_SAFE_NO_PAD.decode(token.expose()).expect("just encoded");
            bytes[at] ^= 1 << bit;
            prop_assert!(csrf_check(key_of, TokenHash([1; 32]), &URL_SAFE_NO_PAD.encode(&bytes)).is_err());
            prop_assert!(csrf_check(key_of, TokenHash([1; 32]), &text).is_err());
        }

        #[test]
        fn time_going_on_never_revives(began in 0_i64..1 << 40, seen in 0_i64..1 << 36, now in 0_i64..1 << 40, on in 0_i64..1 << 40) {
            let seen = began + seen;
            if LIMITS.ending(began, seen, now).is_some() {
                prop_assert!(LIMITS.ending(began, seen, now + on).is_some());
            }
        }
    }
}
