//! What can go wrong at sign-in, in sessions and with second factors: one enum, worded for people by the portal.
//! No variant holds a name, a code, a CI or a birth date, so that all of them may be logged.

use base::Timestamp;

/// Why something about identity did not work.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The configuration cannot be used.
    #[error("identity configuration: {what} {why}")]
    Config {
        /// The entry.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The identity agency is a stand-in (on this machine, or says so itself), and this is not a demo.
    #[error("{issuer} is a stand-in agency, which only a demo may use: configure the real agency's issuer")]
    StandInAgency {
        /// Its address.
        issuer: String,
    },
    /// A request of the agency's configuration would go over plain HTTP.
    #[error("{url} is not https: sign-in never crosses a network in clear")]
    InsecureAddress {
        /// The address.
        url: String,
    },
    /// The agency cannot be reached, or does not answer in time.
    #[error("the identity agency does not answer ({what}: {why}): try again in a minute")]
    AgencyUnreachable {
        /// What was asked for.
        what: &'static str,
        /// What the network says.
        why: String,
    },
    /// The agency answers something that cannot be used.
    #[error("the identity agency's answer cannot be used ({what}: {why})")]
    AgencyAnswer {
        /// What was asked for.
        what: &'static str,
        /// What is wrong with the answer.
        why: String,
    },
    /// The sign-in did not start in this browser, or its cookie was changed.
    #[error("this sign-in did not start in this browser: start again")]
    SignInForged,
    /// The sign-in took longer than ten minutes.
    #[error("this sign-in took too long: start again")]
    SignInExpired,
    /// The sign-in was finished or tried before: each start is good for one end.
    #[error("this sign-in was used before: start again")]
    SignInUsed,
    /// The agency refuses the code: it was used before, is too old, or is not for us.
    #[error("the identity agency refuses the sign-in code: start again")]
    CodeRefused,
    /// The agency's signed statement about the person does not hold.
    #[error("the identity agency's statement does not hold: {fault}")]
    Statement {
        /// Which check failed.
        fault: StatementFault,
    },
    /// The agency's statement lacks something we need.
    #[error("the identity agency's statement lacks a usable {claim}")]
    Claim {
        /// The claim's name.
        claim: &'static str,
    },
    /// No session has this token: it was never given out, or is long over.
    #[error("no such session: sign in")]
    SessionUnknown,
    /// The session is over.
    #[error("the session is over ({why}): sign in again")]
    SessionOver {
        /// Why.
        why: Ending,
    },
    /// The form did not come from a page of this session.
    #[error("the form did not come from a page of this session: load the page again and send it again")]
    CsrfMismatch,
    /// This needs two factors.
    #[error("this needs the second factor first")]
    SecondFactorNeeded,
    /// The account has no second factor yet.
    #[error("no second factor is set up: set one up first")]
    TotpNotEnrolled,
    /// The account has a second factor, and replacing it needs that factor.
    #[error("a second factor is set up already: enter its code to replace it")]
    TotpEnrolled,
    /// The code is wrong.
    #[error("the code is wrong; tries left in this session: {tries_left}")]
    TotpWrong {
        /// Further wrong codes until the session ends.
        tries_left: u32,
    },
    /// The code was used before.
    #[error("the code was used before: wait for the next one")]
    TotpReplayed,
    /// Passkeys need an address with a name, and this installation has none.
    #[error("passkeys cannot be used at this address: they need https and a name, or localhost in a demo")]
    PasskeyUnavailable,
    /// A passkey's answer does not hold.
    #[error("the passkey is refused: {fault}")]
    Passkey {
        /// Which check failed.
        fault: PasskeyFault,
    },
    /// The link was used, has ended, or was never given out.
    #[error("this invitation was used, has ended or was never given out: ask for another")]
    InvitationOver,
    /// No member of staff has this account, or they have left.
    #[error("no member of staff has this account, or they have left")]
    NotStaff,
    /// There is no open request with this code.
    #[error("no open request for recovery has this code")]
    RecoveryOver,
    /// Nobody approves their own request.
    #[error("nobody approves their own request for recovery")]
    RecoveryOwn,
    /// Another colleague asked for the same, and it is open.
    #[error("another member of staff asked for it, and the request is open")]
    RecoveryOpen,
    /// The word that a new second factor takes after a recovery is not the right one.
    #[error("the word that was given out with the request for recovery is not the right one")]
    RecoveryWord,
    /// The same member of staff approved before.
    #[error("this member of staff approved before: another one has to")]
    RecoveryTwice,
    /// The request was made too short ago to take effect.
    #[error("the request was made too short ago: approve it again in {wait_s} seconds")]
    RecoveryEarly {
        /// Seconds to wait.
        wait_s: u64,
    },
    /// What was given cannot be taken.
    #[error("{what} cannot be taken: {why}")]
    Unusable {
        /// What.
        what: &'static str,
        /// Why.
        why: &'static str,
    },
    /// Too many failures from here; the right code from elsewhere is not affected.
    #[error("too many failures: wait {wait_s} seconds")]
    Throttled {
        /// Seconds to wait.
        wait_s: u64,
    },
    /// The machine's clock is far behind the newest time seen, so no time check can be trusted.
    #[error("this machine's clock is {behind_s} seconds behind the newest time seen here: set it right")]
    ClockBehind {
        /// By how much.
        behind_s: u64,
    },
    /// Something sealed under our keys does not open: damage, or another installation's key store.
    #[error("{what} of an account does not open under this key store: check which key store is configured")]
    Damaged {
        /// What.
        what: &'static str,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] store::StoreError),
}

/// Which check of an ID token failed (OpenID Connect Core 1.0, section 3.1.3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementFault {
    /// Not signed by a key the agency publishes, or with an algorithm we do not take.
    Signature,
    /// From somebody else.
    Issuer,
    /// For somebody else.
    Audience,
    /// Expired, or from the future.
    Expired,
    /// Not the answer to this sign-in.
    Nonce,
    /// The person signed in at the agency too long ago, or it does not say when.
    AuthTime,
    /// Not for the access token it came with.
    AccessToken,
    /// Not readable.
    Form,
}

impl std::fmt::Display for StatementFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Signature => "its signature",
            Self::Issuer => "its issuer is another",
            Self::Audience => "it is for somebody else",
            Self::Expired => "it has expired or is from the future",
            Self::Nonce => "it answers another sign-in",
            Self::AuthTime => "the person did not sign in there just now",
            Self::AccessToken => "it belongs to another access token",
            Self::Form => "its form",
        })
    }
}

/// Which check of a passkey failed (Web Authentication Level 3, sections 7.1 and 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasskeyFault {
    /// Not readable.
    Form,
    /// It answers another challenge.
    Challenge,
    /// Made for another site.
    Origin,
    /// The signature, or another part of the answer.
    Signature,
    /// The device did not check who holds it.
    NotVerified,
    /// It can be copied to other devices, which a member of staff's must not.
    Copyable,
    /// It has been registered before.
    Known,
    /// No account here has it, or it is not this account's.
    Unknown,
    /// Its counter went back: there may be a copy of it.
    Copied,
    /// The account has as many as it may.
    TooMany,
    /// It is the last second factor of the account.
    Last,
}

impl std::fmt::Display for PasskeyFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Form => "its form",
            Self::Challenge => "it answers another challenge",
            Self::Origin => "it was made for another site",
            Self::Signature => "its signature",
            Self::NotVerified => "the device did not check who holds it",
            Self::Copyable => "it is not bound to one device",
            Self::Known => "it is registered already",
            Self::Unknown => "it is not registered here",
            Self::Copied => "its counter went back, so there may be a copy",
            Self::TooMany => "the account has as many as it may",
            Self::Last => "it is the account's last second factor",
        })
    }
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing was done for longer than the idle limit.
    Idle,
    /// It reached the absolute limit.
    Absolute,
    /// Its person signed out.
    SignedOut,
    /// Its person ended it from another session, or it made room for newer ones.
    Revoked,
    /// It went on under a new token when the second factor was given.
    Rotated,
    /// Too many wrong codes.
    TooManyTries,
}

impl Ending {
    const ALL: [(i64, Self, &'static str); 6] = [
        (1, Self::Idle, "idle"),
        (2, Self::Absolute, "absolute limit"),
        (3, Self::SignedOut, "signed out"),
        (4, Self::Revoked, "revoked"),
        (5, Self::Rotated, "replaced"),
        (6, Self::TooManyTries, "too many wrong codes"),
    ];

    /// Its number in the session table.
    pub(crate) fn number(self) -> i64 {
        Self::ALL.iter().find(|(_, ending, _)| *ending == self).map_or(0, |(number, ..)| *number)
    }

    /// The ending of a number in the session table; unknown numbers count as revoked.
    pub(crate) fn from_number(number: i64) -> Self {
        Self::ALL.iter().find(|(known, ..)| *known == number).map_or(Self::Revoked, |(_, ending, _)| *ending)
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Self::ALL.iter().find(|(_, ending, _)| ending == self).map_or("", |(.., name)| name))
    }
}

/// Microseconds since 1970 of a moment, as the tables hold it.
pub(crate) fn us(moment: Timestamp) -> i64 {
    moment.as_microsecond()
}

/// The moment of a number of microseconds since 1970.
pub(crate) fn moment(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or(if us < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_survive_the_table() {
        for (number, ending, _) in Ending::ALL {
            assert_eq!(ending.number(), number);
            assert_eq!(Ending::from_number(number), ending);
        }
        assert_eq!(Ending::from_number(99), Ending::Revoked);
    }

    #[test]
    fn moments_survive_the_table() {
        for us_in in [0, 1, -1, 1_700_000_000_123_456] {
            assert_eq!(us(moment(us_in)), us_in);
        }
    }
}
