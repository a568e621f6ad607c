//! The root key in a plain file: for demonstrations and tests, and what older installations have. No passphrase, which is in
//! `keystore.rs` beside this one, and no hardware.
//!
//! # Root key file, format 1
//!
//! ASCII text of exactly four lines, each ended by one line feed, at most 4,096 bytes, mode 0600:
//!
//! ```text
//! hanmaru root key 1
//! id: <32 hexadecimal digits, random>
//! key: <64 hexadecimal digits, random>
//! check: <16 hexadecimal digits>
//! ```
//!
//! `check` is the first 8 bytes of SHA-256 over `hanmaru root key 1`, one zero byte, the 16 bytes of the id and the 32
//! bytes of the key. The provider's id is `file:` and the id. Wrapping is AES-256-GCM: nonce 12, ciphertext 32, tag 16.

use super::keystore::roots_in;
use super::{KeyError, KeyProvider};
use crate::aead::Cipher;
use base::{Id16, Random, hex, unhex};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

pub(super) const FIRST_LINE: &str = "hanmaru root key 1";
const FILE_BYTES_MAX: u64 = 4096;

/// A root key read from a file.
pub struct FileKeyProvider {
    path: PathBuf,
    id: String,
    cipher: Cipher,
    random: Arc<dyn Random>,
}

impl FileKeyProvider {
    /// Makes a new root key file, mode 0600, durable when this returns, and reads it back. Refuses to replace a file.
    pub fn create(path: &Path, random: Arc<dyn Random>) -> Result<Self, KeyError> {
        let (id, key) = (Id16::random(&*random), Zeroizing::new(random.bytes32()));
        let key_text = Zeroizing::new(hex(key.as_slice()));
        let text = Zeroizing::new(format!(
            "{FIRST_LINE}\nid: {id}\nkey: {}\ncheck: {}\n",
            key_text.as_str(),
            hex(&check(id, &key))
        ));
        write_new(path, text.as_bytes()).map_err(|error| KeyError::RootFile {
            path: path.display().to_string(),
            reason: format!("cannot be made: {error}"),
            advice: "an existing key file is never replaced; choose a new place on a writable disk",
        })?;
        Self::open(path, random)
    }

    /// Reads a root key file. Refuses one that is missing, damaged, of another format, or readable by others.
    pub fn open(path: &Path, random: Arc<dyn Random>) -> Result<Self, KeyError> {
        let text = read_private(path)?;
        let (id, key) = parse(&text).map_err(|reason| damaged(path, reason))?;
        Ok(Self { path: path.to_owned(), id: format!("file:{id}"), cipher: Cipher::new(&key), random })
    }

    /// The key that stands in the text of a plain file and its id, to be put under a passphrase.
    pub(super) fn taken_out(path: &Path, text: &str) -> Result<(Id16, Zeroizing<[u8; 32]>), KeyError> {
        parse(text).map_err(|reason| damaged(path, reason))
    }
}

/// Reads a key file. Refuses one that is missing, or readable by others.
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let refuse = |reason: String, advice| KeyError::RootFile { path: path.display().to_string(), reason, advice };
    let read = |error: std::io::Error| {
        refuse(format!("cannot be read: {error}"), "restore it from its backup; without it no record can be opened")
    };
    let file = File::open(path).map_err(read)?;
    let meta = file.metadata().map_err(read)?;
    if !meta.is_file() {
        return Err(refuse("is not a file".to_owned(), "point the configuration at the key file"));
    }
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let reason = format!("can be read by others (mode {mode:04o})");
        return Err(refuse(reason, "run chmod 600 on it, and think about who may have copied it"));
    }
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize + 1));
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(read)?;
    Ok(text)
}

pub(super) fn damaged(path: &Path, reason: &str) -> KeyError {
    KeyError::RootFile {
        path: path.display().to_string(),
        reason: reason.to_owned(),
        advice: "restore it from its backup; do not edit it, and do not make a new one",
    }
}

impl KeyProvider for FileKeyProvider {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn holds(&self, root: &str) -> bool {
        root == self.id
    }

    fn wrap(&self, root: &str, key: &[u8; 32], aad: &[u8]) -> Result<Vec<u8>, KeyError> {
        if !self.holds(root) {
            return Err(KeyError::OtherRoot { needed: root.to_owned(), given: self.id.clone() });
        }
        Ok(self.cipher.wrap(key, aad, &*self.random).to_vec())
    }

    fn unwrap(&self, root: &str, wrapped: &[u8], aad: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        if !self.holds(root) {
            return Err(KeyError::OtherRoot { needed: root.to_owned(), given: self.id.clone() });
        }
        self.cipher.unwrap(wrapped, aad).map_err(|_| KeyError::NotAuthentic { id: "root".to_owned() })
    }

    fn refresh(&self) -> Result<(), KeyError> {
        // One file, one key; but it may have come under a passphrase since, and then hold another.
        let Some(roots) = read_private(&self.path).ok().and_then(|text| roots_in(&text)) else { return Ok(()) };
        if roots.iter().all(|root| *root == self.id) {
            return Ok(());
        }
        let (path, place) = (self.path.display().to_string(), "the configuration".to_owned());
        Err(KeyError::PassphraseChanged { path, place, reason: "it was opened as a plain file".to_owned() })
    }
}

impl std::fmt::Debug for FileKeyProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileKeyProvider").field("id", &self.id).finish_non_exhaustive()
    }
}

fn check(id: Id16, key: &[u8; 32]) -> [u8; 8] {
    let mut input = Zeroizing::new(Vec::with_capacity(FIRST_LINE.len() + 1 + 16 + 32));
    input.extend_from_slice(FIRST_LINE.as_bytes());
    input.push(0);
    input.extend_from_slice(&id.0);
    input.extend_from_slice(key);
    let mut out = [0; 8];
    out.copy_from_slice(&base::sha256(&input)[..8]);
    out
}

fn parse(text: &str) -> Result<(Id16, Zeroizing<[u8; 32]>), &'static str> {
    let body = text.strip_prefix(FIRST_LINE).and_then(|rest| rest.strip_prefix('\n'));
    let body = body.ok_or("is not a root key file of format 1")?;
    let (id, rest) = field(body, "id: ").ok_or("is damaged in its id")?;
    let (key, rest) = field(rest, "key: ").ok_or("is damaged in its key")?;
    let (sum, rest) = field(rest, "check: ").ok_or("is damaged in its checksum")?;
    let id: Id16 = id.parse().map_err(|_| "is damaged in its id")?;
    let bytes = Zeroizing::new(unhex(key).ok_or("is damaged in its key")?);
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() != key.len() {
        return Err("is damaged in its key");
    }
    key.copy_from_slice(&bytes);
    if !rest.is_empty() || sum != hex(&check(id, &key)) {
        return Err("is damaged: its checksum does not match");
    }
    Ok((id, key))
}

pub(super) fn field<'a>(text: &'a str, label: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(label)?.split_once('\n')
}

pub(super) fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SeededRandom;
    use std::fs;

    fn random(seed: u64) -> Arc<dyn Random> {
        Arc::new(SeededRandom::new(seed))
    }

    fn refusal(path: &Path) -> String {
        FileKeyProvider::open(path, random(9)).expect_err("must be refused").to_string()
    }

    #[test]
    fn a_root_key_outlives_the_program_and_is_never_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("root.key");
        let made = FileKeyProvider::create(&path, random(1)).expect("made");
        let wrapped = made.wrap(&made.id(), &[5; 32], b"place").expect("wraps");
        let again = FileKeyProvider::open(&path, random(2)).expect("opens");
        assert_eq!(again.id(), made.id());
        assert_eq!(*again.unwrap(&made.id(), &wrapped, b"place").expect("the same key"), [5; 32]);
        assert!(again.unwrap(&made.id(), &wrapped, b"other").is_err());
        let other = FileKeyProvider::create(&folder.path().join("other.key"), random(3)).expect("made");
        assert!(other.unwrap(&made.id(), &wrapped, b"place").is_err());
        assert!(FileKeyProvider::create(&path, random(4)).is_err());
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("root.key");
        FileKeyProvider::create(&path, random(1)).expect("made");
        let good = fs::read(&path).expect("there");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).expect("written");
            assert!(FileKeyProvider::open(&path, random(1)).is_err(), "byte {at}");
        }
        for cut in [0, 10, good.len() - 1] {
            fs::write(&path, &good[..cut]).expect("written");
            assert!(FileKeyProvider::open(&path, random(1)).is_err(), "cut to {cut}");
        }
    }

    #[test]
    fn refusals_say_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("root.key");
        assert!(refusal(&path).contains("restore it from its backup"));
        FileKeyProvider::create(&path, random(1)).expect("made");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
        assert!(refusal(&path).contains("chmod 600"));
        assert!(refusal(folder.path()).contains("is not a file"));
    }
}
