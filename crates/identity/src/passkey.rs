//! Ceremonies with passkeys (Web Authentication Level 3): what a browser is asked, what it is asked for, and whether its answer
//! holds. Who may use which passkey for what is decided in `passkeys` and `staff`.
//!
//! What was asked is kept by the browser itself, in a sealed cookie of ten minutes, and each is good for one answer: the
//! database remembers those that were answered. The challenges come from the library, which draws them from the system.

use crate::IdentityError;
use crate::config::IdentityConfig;
use crate::error::PasskeyFault;
use base::wire::{Malformed, Reader, Writer};
use base::{Id16, Random, Redacted, sha256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::url::Url;
use serde_json::{Value, json};
use webauthn_rs::prelude::{
    Credential, DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Uuid, Webauthn, WebauthnBuilder, WebauthnError,
};

/// The cookie that carries what was asked: `Secure; HttpOnly; SameSite=Lax; Path=/`, and `Max-Age` of [`PASSKEY_S`].
pub const PASSKEY_COOKIE: &str = "__Host-hanmaru-passkey";
/// How long an answer may take, in seconds.
pub const PASSKEY_S: i64 = 10 * 60;
/// Longest answer read.
pub const PASSKEY_ANSWER_BYTES_MAX: usize = 16 * 1024;
pub(crate) const LABEL: &str = "passkey-challenge";

/// What a page asks a browser for.
#[derive(Debug, Clone)]
pub struct PasskeyAsk {
    /// `publicKey` of the call, as JSON with bytes in base64url.
    pub options: String,
    /// The value of the cookie [`PASSKEY_COOKIE`].
    pub cookie: Redacted<String>,
}

/// What an answer is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// A further passkey of an account, or its first.
    Enrol = 1,
    /// The second factor of a session.
    Prove = 2,
    /// The sign-in of a member of staff, whoever it is.
    StaffSignIn = 3,
    /// The first passkey of a member of staff.
    StaffEnrol = 4,
}

/// What was asked.
pub(crate) struct Challenge {
    pub aim: Aim,
    /// Who was asked; zeros where anybody was.
    pub account: Id16,
    nonce: [u8; 32],
    began_us: i64,
    pub state: Vec<u8>,
}

impl Challenge {
    pub fn new(aim: Aim, account: Id16, state: Vec<u8>, now_us: i64, random: &dyn Random) -> Self {
        Self { aim, account, nonce: random.bytes32(), began_us: now_us, state }
    }

    /// What the cookie carries, to be sealed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u8(self.aim as u8).raw(&self.account.0).raw(&self.nonce).i64(self.began_us).bytes(&self.state);
        writer.finish()
    }

    /// What a cookie carried, if it was asked of this account, for this, and not too long ago.
    pub fn from_bytes(plain: &[u8], aim: Aim, account: Id16, now_us: i64) -> Result<Self, IdentityError> {
        let challenge = Self::read(plain, aim).map_err(|_| IdentityError::SignInForged)?;
        if challenge.account != account {
            return Err(IdentityError::SignInForged);
        }
        let age_us = now_us - challenge.began_us;
        if !(0..PASSKEY_S * 1_000_000).contains(&age_us) {
            return Err(IdentityError::SignInExpired);
        }
        Ok(challenge)
    }

    /// Under what this is remembered as answered.
    pub fn hash(&self) -> [u8; 32] {
        sha256(&[b"passkey".as_slice(), &self.nonce].concat())
    }

    fn read(plain: &[u8], aim: Aim) -> Result<Self, Malformed> {
        let mut reader = Reader::new(plain);
        if reader.u8()? != aim as u8 {
            return Err(Malformed { offset: 0, expected: "what was asked for" });
        }
        let account = Id16(reader.array()?);
        let nonce = reader.array()?;
        let began_us = reader.i64()?;
        let state = reader.bytes()?.to_vec();
        reader.end()?;
        Ok(Self { aim, account, nonce, began_us, state })
    }
}

/// The ceremonies of one site; none where its address has no name.
pub(crate) struct Ceremonies(Option<Webauthn>);

impl Ceremonies {
    /// Passkeys belong to the host of the address that people are sent back to.
    pub fn of(config: &IdentityConfig) -> Result<Self, IdentityError> {
        let wrong = |why: String| IdentityError::Config { what: "redirect_url", why };
        let mut origin = Url::parse(&config.redirect_url).map_err(|error| wrong(error.to_string()))?;
        origin.set_path("/");
        origin.set_query(None);
        let Some(domain) = origin.domain().map(ToOwned::to_owned) else { return Ok(Self(None)) };
        let built =
            WebauthnBuilder::new(&domain, &origin).and_then(|builder| builder.rp_name(&config.service_name).build());
        built.map(|webauthn| Self(Some(webauthn))).map_err(|error| wrong(format!("gives no passkeys: {error}")))
    }

    fn site(&self) -> Result<&Webauthn, IdentityError> {
        self.0.as_ref().ok_or(IdentityError::PasskeyUnavailable)
    }

    /// Asks for a new passkey that an account does not have yet. One that is to be found without its account being named is
    /// kept by the device itself.
    pub fn enrol(
        &self,
        account: Id16,
        name: &str,
        has: &[Passkey],
        findable: bool,
    ) -> Result<(String, Vec<u8>), IdentityError> {
        let (asked, state) = self
            .site()?
            .start_passkey_registration(Uuid::from_bytes(account.0), name, name, None)
            .map_err(|error| refused(&error))?;
        let mut options = options_of(&asked)?;
        options["excludeCredentials"] = descriptors(has);
        options["authenticatorSelection"]["residentKey"] = json!(if findable { "required" } else { "preferred" });
        options["authenticatorSelection"]["requireResidentKey"] = json!(findable);
        Ok((options.to_string(), serde_json::to_vec(&state).map_err(|_| form())?))
    }

    /// The passkey of an answer.
    pub fn enrolled(&self, answer: &str, state: &[u8]) -> Result<Passkey, IdentityError> {
        let state: PasskeyRegistration = serde_json::from_slice(state).map_err(|_| form())?;
        let answer: RegisterPublicKeyCredential = read(answer)?;
        self.site()?.finish_passkey_registration(&answer, &state).map_err(|error| refused(&error))
    }

    /// Asks for one of these passkeys; for any that the device finds by itself, where there are none.
    pub fn prove(&self, one_of: &[Passkey]) -> Result<(String, Vec<u8>), IdentityError> {
        let (asked, state) = self.site()?.start_discoverable_authentication().map_err(|error| refused(&error))?;
        let mut options = options_of(&asked)?;
        options["allowCredentials"] = descriptors(one_of);
        Ok((options.to_string(), serde_json::to_vec(&state).map_err(|_| form())?))
    }

    /// Checks an answer against a passkey, and brings the passkey's counter up to date.
    pub fn proved(&self, answer: &Answer, state: &[u8], passkey: &mut Passkey) -> Result<(), IdentityError> {
        let state: DiscoverableAuthentication = serde_json::from_slice(state).map_err(|_| form())?;
        let result = self
            .site()?
            .finish_discoverable_authentication_v2(&answer.0, state, &*passkey)
            .map_err(|error| refused(&error))?;
        passkey.update_credential(&result);
        Ok(())
    }
}

/// A browser's answer, read and not yet checked.
pub(crate) struct Answer(PublicKeyCredential);

impl Answer {
    pub fn read(text: &str) -> Result<Self, IdentityError> {
        read(text).map(Self)
    }

    /// The id of the credential it says it is of.
    pub fn credential(&self) -> &[u8] {
        self.0.get_credential_id()
    }

    /// The account that the device says it belongs to, where it says one.
    pub fn account(&self) -> Option<Id16> {
        self.0.get_user_unique_id()?.try_into().ok().map(Id16)
    }
}

/// Whether a passkey may leave its device: it can be backed up, whether or not it is (section 6.1.3).
pub(crate) fn is_copyable(passkey: &Passkey) -> bool {
    Credential::from(passkey.clone()).backup_eligible
}

fn options_of(asked: &impl serde::Serialize) -> Result<Value, IdentityError> {
    let mut value = serde_json::to_value(asked).map_err(|_| form())?;
    Ok(value["publicKey"].take())
}

fn descriptors(passkeys: &[Passkey]) -> Value {
    let one = |passkey: &Passkey| json!({ "type": "public-key", "id": URL_SAFE_NO_PAD.encode(passkey.cred_id()) });
    passkeys.iter().map(one).collect()
}

fn read<T: serde::de::DeserializeOwned>(answer: &str) -> Result<T, IdentityError> {
    if answer.len() > PASSKEY_ANSWER_BYTES_MAX {
        return Err(form());
    }
    serde_json::from_str(answer).map_err(|_| form())
}

const fn form() -> IdentityError {
    IdentityError::Passkey { fault: PasskeyFault::Form }
}

fn refused(error: &WebauthnError) -> IdentityError {
    let fault = match error {
        WebauthnError::MismatchedChallenge => PasskeyFault::Challenge,
        WebauthnError::InvalidRPOrigin | WebauthnError::InvalidRPIDHash => PasskeyFault::Origin,
        WebauthnError::UserNotVerified | WebauthnError::UserNotPresent => PasskeyFault::NotVerified,
        WebauthnError::CredentialPossibleCompromise => PasskeyFault::Copied,
        WebauthnError::CredentialNotFound => PasskeyFault::Unknown,
        WebauthnError::ParseJSONFailure(_) | WebauthnError::ParseBase64Failure(_) => PasskeyFault::Form,
        _ => PasskeyFault::Signature,
    };
    IdentityError::Passkey { fault }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SeededRandom;

    const NOW_US: i64 = 1_800_000_000_000_000;

    #[test]
    fn a_challenge_is_for_one_account_one_aim_and_ten_minutes() {
        let me = Id16([1; 16]);
        let asked = Challenge::new(Aim::Prove, me, b"state".to_vec(), NOW_US, &SeededRandom::new(1));
        let plain = asked.to_bytes();
        let read =
            |aim, account, after_s: i64| Challenge::from_bytes(&plain, aim, account, NOW_US + after_s * 1_000_000);
        assert_eq!(read(Aim::Prove, me, 0).expect("its own").state, b"state");
        assert_eq!(read(Aim::Prove, me, 599).expect("in time").hash(), asked.hash());
        for expired in [read(Aim::Prove, me, 600), read(Aim::Prove, me, -1)] {
            assert!(matches!(expired, Err(IdentityError::SignInExpired)));
        }
        for forged in [
            read(Aim::Enrol, me, 0),
            read(Aim::Prove, Id16([2; 16]), 0),
            Challenge::from_bytes(&plain[..50], Aim::Prove, me, NOW_US),
            Challenge::from_bytes(b"", Aim::Prove, me, NOW_US),
        ] {
            assert!(matches!(forged, Err(IdentityError::SignInForged)));
        }
    }

    #[test]
    fn an_address_without_a_name_has_no_passkeys() {
        let with =
            |redirect: &str| Ceremonies::of(&IdentityConfig::new("https://agency.example", "hanmaru", "s", redirect));
        assert!(with("https://hanmaru.example/sign-in/return").is_ok_and(|made| made.0.is_some()));
        assert!(with("http://localhost:8600/sign-in/return").is_ok_and(|made| made.0.is_some()));
        let none = with("http://127.0.0.1:8600/sign-in/return").expect("a good address");
        assert!(matches!(none.prove(&[]), Err(IdentityError::PasskeyUnavailable)));
    }
}
