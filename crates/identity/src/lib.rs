//! Who somebody is: sign-in at an identity agency, accounts, sessions, second factors.
//!
//! [`Identity`] is the handle; every call blocks, so asynchronous callers use `spawn_blocking`. What a person may do is not
//! decided here but at the door ([`policy::Door`]), which takes the [`policy::Actor`] that [`Session::actor`] makes.
//!
//! A sign-in: [`Identity::begin`] gives an address and a cookie; the person proves themselves at the agency; with what comes
//! back [`Identity::finish`] opens a session of one factor; [`Identity::totp_check`] or [`Identity::passkey_proved`] raises it to
//! two under a new token. Staff sign in with a passkey of their own and nothing else ([`Identity::staff_sign_in`]).
//!
//! Architecture invariants: no clinical data, no resident registration number and no CI is stored here; SQL stands in
//! `tables` only; time and randomness are passed in, and time never goes back, whatever the machine's clock does.

mod bulk;
mod claims;
mod client;
mod clock;
mod config;
mod error;
mod http;
mod identity;
mod keys;
mod notices;
mod oidc;
mod passkey;
mod passkeys;
mod pending;
mod recovery;
pub mod sealed;
mod second_factor;
mod session;
mod sessions;
mod staff;
mod tables;
mod throttle;
mod totp;

pub use bulk::{AgencyCiLookup, CiLookup, CiLookupError, NUMBERS_PER_REQUEST_MAX};
pub use claims::{Gender, Profile};
pub use client::{Client, DEVICE_COOKIE, DEVICE_S, family};
pub use clock::{clock_behind_s, reset_clock};
pub use config::IdentityConfig;
pub use error::{Ending, IdentityError, PasskeyFault, StatementFault};
pub use identity::{Begin, Identity, SignedIn};
pub use notices::{Notice, NoticeKind};
pub use passkey::{PASSKEY_ANSWER_BYTES_MAX, PASSKEY_COOKIE, PASSKEY_S, PasskeyAsk};
pub use passkeys::{PASSKEY_NAME_CHARS_MAX, PASSKEYS_MAX, PasskeyInfo};
pub use pending::SIGN_IN_S;
pub use recovery::{APPROVALS, RECOVERY_S, RECOVERY_TEXT_CHARS_MAX, Recovered, Recovery, RecoveryAsked, RecoveryWord};
pub use session::{
    Holder, SESSION_COOKIE, SESSIONS_PER_ACCOUNT_MAX, SIGN_IN_COOKIE, SecondFactor, Session, SessionInfo, SessionToken,
    TRIES_PER_SESSION,
};
pub use staff::{INVITATION_S, Invitation, OffBoarded, Staff, StaffState, is_staff_name};
pub use totp::TotpEnrolment;

/// 256 random bits as 43 characters that may stand in addresses and cookies.
fn token_text(random: &dyn base::Random) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random.bytes32())
}
