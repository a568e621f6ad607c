//! Keys of what browsers keep for a moment: sealed cookies and the tokens of forms. Each is drawn afresh, used for half a day and
//! gone after a day, so that whoever takes the key store later can neither open nor make what was sealed before.
//!
//! What is kept for long (names, second factors) is sealed under the secret of the installation, which is not one of these.

use crate::IdentityError;
use crate::error::moment;
use crate::identity::{Identity, Inner};
use crate::sealed;
use crate::tables::keys::{self, KeyRow};
use base::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::{PoisonError, RwLock};
use zeroize::Zeroizing;

/// A key seals for this long.
pub(crate) const SEALS_US: i64 = 12 * 3600 * 1_000_000;
/// And is gone after this long: what it sealed last can be opened for as long again.
pub(crate) const LIVES_US: i64 = 24 * 3600 * 1_000_000;
/// Longest cookie read.
const COOKIE_BYTES_MAX: usize = 4096;
/// Bytes of a key's name.
pub(crate) const ID_BYTES: usize = 8;
const LABEL: &str = "day-key";

/// One key.
#[derive(Clone)]
pub(crate) struct DayKey {
    pub id: [u8; ID_BYTES],
    pub key: Zeroizing<[u8; 32]>,
    made_us: i64,
}

#[cfg(test)]
impl DayKey {
    /// A key of the tests.
    pub(crate) fn sample(number: u8) -> Self {
        Self { id: [number; ID_BYTES], key: Zeroizing::new([number; 32]), made_us: 0 }
    }
}

/// The keys this process knows, newest first.
#[derive(Default)]
pub(crate) struct DayKeys {
    held: RwLock<Vec<DayKey>>,
}

impl DayKeys {
    fn live(&self, now_us: i64) -> Vec<DayKey> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.iter().filter(|key| lives(key.made_us, now_us)).cloned().collect()
    }

    fn hold(&self, keys: Vec<DayKey>) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }
}

const fn lives(made_us: i64, now_us: i64) -> bool {
    made_us <= now_us && now_us - made_us < LIVES_US
}

const fn seals(made_us: i64, now_us: i64) -> bool {
    made_us <= now_us && now_us - made_us < SEALS_US
}

impl Identity {
    /// Throws away the keys of cookies and forms that are older than a day, where nobody came to have it done: to be called every
    /// few minutes.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub fn forget_old_keys(&self) -> Result<(), IdentityError> {
        let rows = self.inner.write("identity-forget-keys", move |transaction, now_us| {
            keys::purge(transaction, now_us - LIVES_US, now_us)?;
            Ok(Ok(keys::all(transaction)?))
        })?;
        self.inner.hold_keys(&rows);
        Ok(())
    }

    /// When the keys of cookies and forms were made that are still kept, newest first: none is older than a day once anybody came.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub fn day_keys_made(&self) -> Result<Vec<Timestamp>, IdentityError> {
        let rows = self.inner.read("identity-day-keys", |connection, _| keys::all(connection))?;
        Ok(rows.iter().map(|row| moment(row.made_us)).collect())
    }
}

impl Inner {
    /// The key to seal with now. Old ones are thrown away when a new one is made, and by every sign-in.
    pub(crate) fn sealing_key(&self, now_us: i64) -> Result<DayKey, IdentityError> {
        if let Some(key) = self.day_keys.live(now_us).into_iter().find(|key| seals(key.made_us, now_us)) {
            return Ok(key);
        }
        let mut id = [0; ID_BYTES];
        self.random.fill(&mut id);
        let key = Zeroizing::new(self.random.bytes32());
        let sealed = sealed::seal(&self.secret, LABEL, &id, &*key, &*self.random);
        let rows = self.write("identity-day-key", move |transaction, now_us| {
            keys::purge(transaction, now_us - LIVES_US, now_us)?;
            // Another process may have made one meanwhile.
            if !keys::all(transaction)?.iter().any(|row| seals(row.made_us, now_us)) {
                keys::add(transaction, &KeyRow { id, sealed, made_us: now_us })?;
            }
            Ok(Ok(keys::all(transaction)?))
        })?;
        let found = self.hold_keys(&rows).into_iter().next();
        found.ok_or(IdentityError::Damaged { what: "a key" })
    }

    /// The key of a name, while it lives. One that another process made is looked up.
    pub(crate) fn day_key(&self, id: &[u8], now_us: i64) -> Option<DayKey> {
        let of = |keys: Vec<DayKey>| keys.into_iter().find(|key| key.id == id && lives(key.made_us, now_us));
        if let Some(key) = of(self.day_keys.live(now_us)) {
            return Some(key);
        }
        let rows = self.read("identity-day-keys", |connection, _| keys::all(connection)).ok()?;
        of(self.hold_keys(&rows))
    }

    fn hold_keys(&self, rows: &[KeyRow]) -> Vec<DayKey> {
        let open = |row: &KeyRow| {
            let key = Zeroizing::new(sealed::open(&self.secret, LABEL, &row.id, &row.sealed)?);
            let key = Zeroizing::new(<[u8; 32]>::try_from(key.as_slice()).ok()?);
            Some(DayKey { id: row.id, key, made_us: row.made_us })
        };
        let keys: Vec<DayKey> = rows.iter().filter_map(open).collect();
        self.day_keys.hold(keys.clone());
        keys
    }

    /// Seals what a browser is to keep for a moment, as the value of a cookie.
    pub(crate) fn seal_cookie(&self, label: &str, plain: &[u8], now_us: i64) -> Result<String, IdentityError> {
        let key = self.sealing_key(now_us)?;
        let mut bytes = key.id.to_vec();
        bytes.extend(sealed::seal(&key.key, label, b"", plain, &*self.random));
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What [`Inner::seal_cookie`] sealed; `None` for anything else, and for what a key sealed that is gone.
    pub(crate) fn open_cookie(&self, label: &str, cookie: &str, now_us: i64) -> Option<Vec<u8>> {
        let bytes = (cookie.len() <= COOKIE_BYTES_MAX).then(|| URL_SAFE_NO_PAD.decode(cookie).ok()).flatten()?;
        let (id, sealed) = bytes.split_at_checked(ID_BYTES)?;
        sealed::open(&self.day_key(id, now_us)?.key, label, b"", sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_seals_for_half_a_day_and_is_gone_after_a_day() {
        assert!(seals(0, 0) && seals(0, SEALS_US - 1));
        assert!(!seals(0, SEALS_US) && !seals(1, 0));
        assert!(lives(0, LIVES_US - 1) && !lives(0, LIVES_US) && !lives(1, 0));
        const { assert!(LIVES_US <= 24 * 3600 * 1_000_000, "session-signing keys live a day at most") };
    }
}
