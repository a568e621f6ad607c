//! Who somebody is: sign-in at an identity agency, accounts, sessions, second factors.
//!
//! [`Identity`] is the handle; every call blocks, so asynchronous callers use `spawn_blocking`. What a person may do is not
//! decided here but at the door ([`policy::Door`]), which takes the [`policy::Actor`] that [`Session::actor`] makes.
//!
//! A sign-in: [`Identity::begin`] gives an address and a cookie; the person proves themselves at the agency; with what comes
//! back [`Identity::finish`] opens a session of one factor; [`Identity::totp_check`] raises it to two under a new token.
//!
//! Architecture invariants: no clinical data, no resident registration number and no CI is stored here; SQL stands in
//! `tables` only; time and randomness are passed in, and time never goes back, whatever the machine's clock does.

mod bulk;
mod claims;
mod clock;
mod config;
mod error;
mod http;
mod identity;
mod oidc;
mod pending;
pub mod sealed;
mod second_factor;
mod session;
mod sessions;
mod source;
mod tables;
mod throttle;
mod totp;

pub use bulk::{AgencyCiLookup, CiLookup, CiLookupError, NUMBERS_PER_REQUEST_MAX};
pub use claims::{Gender, Profile};
pub use clock::{clock_behind_s, reset_clock};
pub use config::IdentityConfig;
pub use error::{Ending, IdentityError, StatementFault};
pub use identity::{Begin, Identity, SignedIn};
pub use pending::SIGN_IN_S;
pub use session::{
    SESSION_COOKIE, SESSIONS_PER_ACCOUNT_MAX, SIGN_IN_COOKIE, SecondFactor, Session, SessionInfo, SessionToken,
    TRIES_PER_SESSION,
};
pub use totp::TotpEnrolment;

/// 256 random bits as 43 characters that may stand in addresses and cookies.
fn token_text(random: &dyn base::Random) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random.bytes32())
}
