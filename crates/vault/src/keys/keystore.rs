//! Root keys in a file under a passphrase (argon2id, RFC 9106): the provider for installations without a hardware module. While
//! a root is rotated the file holds two.
//!
//! # Protected root key file, format 2
//!
//! ASCII lines, each ended by one line feed, at most 4,096 bytes, mode 0600:
//!
//! ```text
//! hanmaru root keys 2
//! kdf: argon2id m=<KiB> t=<passes> p=<lanes> salt=<64 hexadecimal digits, random>
//! root: <32 hexadecimal digits, the root's id> <120 hexadecimal digits: nonce 12, ciphertext 32, tag 16>
//! check: <16 hexadecimal digits>
//! ```
//!
//! One `root` line for each root, the current one first. The key that wraps roots is argon2id (version 0x13) over passphrase and
//! salt with the file's own cost, so that a later program may ask for more. Additional data of each wrapping: the text
//! `hanmaru root key 2`, one zero byte and the 16 bytes of the id. `check` is the first 8 bytes of SHA-256 over all lines before
//! it: it tells a damaged file from a wrong passphrase, and protects nothing. A provider's ids are `file:` and a root's id, as in
//! format 1, so a root keeps its id when it comes under a passphrase.

use super::root::{damaged, field, read_private, write_new};
use super::{FileKeyProvider, KeyError, KeyProvider};
use crate::aead::{Cipher, WRAPPED_BYTES};
use crate::folder;
use crate::lane::lock;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base::{Id16, Random, hex, unhex};
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

const FIRST_LINE: &str = "hanmaru root keys 2";
const AAD: &[u8] = b"hanmaru root key 2\0";
/// Fewest characters of a passphrase.
pub const PASSPHRASE_CHARS_MIN: usize = 16;
/// Longest passphrase in bytes.
const PASSPHRASE_BYTES_MAX: u64 = 1024;
/// Most memory that a file may ask for, in KiB: 4 GiB.
const MEMORY_KIB_MAX: u32 = 4 << 20;
/// Most passes that a file may ask for.
const PASSES_MAX: u32 = 64;
/// Most roots in one file.
const ROOTS_MAX: usize = 8;

/// What argon2id costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for KdfCost {
    /// Twice the memory that RFC 9106 section 4 recommends where memory is short, at its number of passes and lanes.
    fn default() -> Self {
        Self { memory_kib: 128 << 10, passes: 3, lanes: 4 }
    }
}

/// Where a passphrase comes from. Never the command line, which every user of a machine can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passphrase {
    /// The first line of a file that only its owner can read.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A file descriptor that was handed to the program, read to its end.
    Descriptor(u32),
    /// A credential of systemd (`LoadCredential=`, `LoadCredentialEncrypted=`), by its name.
    Credential(String),
}

impl Passphrase {
    /// Reads `file:PATH`, `env:NAME`, `fd:NUMBER` or `credential:NAME`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        if rest.is_empty() {
            return None;
        }
        match kind {
            "file" => Some(Self::File(PathBuf::from(rest))),
            "env" => Some(Self::Variable(rest.to_owned())),
            "fd" => rest.parse().ok().map(Self::Descriptor),
            "credential" if !rest.contains('/') => Some(Self::Credential(rest.to_owned())),
            _ => None,
        }
    }

    /// Reads the passphrase.
    ///
    /// # Errors
    /// [`KeyError::NoPassphrase`].
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let refuse =
            |reason: &dyn std::fmt::Display| KeyError::NoPassphrase { place: self.place(), reason: reason.to_string() };
        let bytes = match self {
            Self::File(path) => {
                let mode = fs::metadata(path).map_err(|error| refuse(&error))?.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(refuse(&format_args!("others can read it (mode {mode:04o}); run chmod 600 on it")));
                }
                read_bounded(path).map_err(|error| refuse(&error))?
            }
            Self::Variable(name) => {
                let value = std::env::var(name).map_err(|error| refuse(&error))?;
                Zeroizing::new(value.into_bytes())
            }
            Self::Descriptor(number) => {
                let path = format!("/proc/self/fd/{number}");
                read_bounded(Path::new(&path)).map_err(|error| refuse(&error))?
            }
            Self::Credential(name) => {
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY");
                let folder = folder
                    .ok_or_else(|| refuse(&"CREDENTIALS_DIRECTORY is not set: add LoadCredential= to the unit"))?;
                read_bounded(&Path::new(&folder).join(name)).map_err(|error| refuse(&error))?
            }
        };
        let line = bytes.split(|byte| *byte == b'\n' || *byte == b'\r').next().unwrap_or_default();
        let chars = std::str::from_utf8(line).map_err(|_| refuse(&"it is not UTF-8"))?.chars().count();
        if chars < PASSPHRASE_CHARS_MIN {
            return Err(refuse(&format_args!("it has {chars} characters and needs {PASSPHRASE_CHARS_MIN} or more")));
        }
        Ok(Zeroizing::new(line.to_vec()))
    }

    fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Variable(name) => format!("the variable {name}"),
            Self::Descriptor(number) => format!("descriptor {number}"),
            Self::Credential(name) => format!("the credential {name}"),
        }
    }
}

fn read_bounded(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES_MAX as usize + 1));
    fs::File::open(path)?.take(PASSPHRASE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > PASSPHRASE_BYTES_MAX {
        return Err(std::io::Error::other(format!("it is longer than {PASSPHRASE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// The file as it stands, still wrapped.
struct Sealed {
    cost: KdfCost,
    salt: [u8; 32],
    /// The current root first.
    roots: Vec<(Id16, Vec<u8>)>,
}

/// A root that is open.
struct Root {
    name: String,
    id: Id16,
    /// Kept so that a root can be wrapped again when the file is written anew.
    bytes: Zeroizing<[u8; 32]>,
    cipher: Cipher,
}

/// What wraps the roots, with the salt and the cost that it was made with: so that the file can be read again without the passphrase.
#[derive(Clone)]
struct Wrapping {
    key: Zeroizing<[u8; 32]>,
    salt: [u8; 32],
    cost: KdfCost,
}

/// Root keys read from a protected file.
pub struct ProtectedKeyProvider {
    path: PathBuf,
    random: Arc<dyn Random>,
    /// Where the passphrase comes from: it may give another by the time the file goes by another.
    source: Passphrase,
    wrapping: Mutex<Wrapping>,
    roots: Mutex<Vec<Arc<Root>>>,
    /// SHA-256 of the file as this program read or wrote it last: it replaces nothing else.
    stands: Mutex<[u8; 32]>,
    /// SHA-256 over salt and passphrase that did not open the file: they are not tried at every key.
    failed: Mutex<Option<[u8; 32]>>,
}

impl ProtectedKeyProvider {
    /// Makes a new root under a passphrase, durable when this returns. Refuses to replace a file.
    ///
    /// # Errors
    /// [`KeyError::RootFile`], [`KeyError::NoPassphrase`].
    pub fn create(
        path: &Path,
        passphrase: &Passphrase,
        cost: KdfCost,
        random: Arc<dyn Random>,
    ) -> Result<Self, KeyError> {
        let root = (Id16::random(&*random), Zeroizing::new(random.bytes32()));
        let made = Self::of(path, passphrase, cost, vec![root], random)?;
        let text = made.text(&lock(&made.roots));
        write_new(path, text.as_bytes()).map_err(|error| cannot_be_written(path, &error))?;
        *lock(&made.stands) = base::sha256(text.as_bytes());
        Ok(made)
    }

    /// Puts the key of a plain file under a passphrase, in one step: the file is the old one or the new one, whenever power
    /// fails. The old text is overwritten where the disk writes in place; copies of the plain file are the operator's to destroy.
    ///
    /// # Errors
    /// [`KeyError::RootFile`] also where the file is protected already; [`KeyError::NoPassphrase`].
    pub fn protect(
        path: &Path,
        passphrase: &Passphrase,
        cost: KdfCost,
        random: Arc<dyn Random>,
    ) -> Result<Self, KeyError> {
        let plain = read_private(path)?;
        if plain.starts_with(FIRST_LINE) {
            return Err(KeyError::RootFile {
                path: path.display().to_string(),
                reason: "is protected already".to_owned(),
                advice: "use `hanmaru keys passphrase` to change the passphrase or what it costs",
            });
        }
        let root = FileKeyProvider::taken_out(path, &plain)?;
        let made = Self::of(path, passphrase, cost, vec![root], random)?;
        *lock(&made.stands) = base::sha256(plain.as_bytes());
        made.replace_file(&lock(&made.roots))?;
        Ok(made)
    }

    /// Opens a protected file.
    ///
    /// # Errors
    /// [`KeyError::WrongPassphrase`]; [`KeyError::RootFile`] where the file is damaged; [`KeyError::NoPassphrase`].
    pub fn open(path: &Path, passphrase: &Passphrase, random: Arc<dyn Random>) -> Result<Self, KeyError> {
        let text = read_private(path)?;
        let sealed = parse(&text).map_err(|reason| damaged(path, reason))?;
        let wrapping = Wrapping::derive(path, &passphrase.read()?, sealed.salt, sealed.cost)?;
        let roots = unwrap_all(path, &wrapping.key, &sealed)?;
        let made = Self::with(path, passphrase, wrapping, roots, random);
        *lock(&made.stands) = base::sha256(text.as_bytes());
        Ok(made)
    }

    /// Writes the file anew under another passphrase, or the same at another cost; roots and ids stay.
    ///
    /// # Errors
    /// [`KeyError::RootFile`], [`KeyError::NoPassphrase`].
    pub fn with_passphrase(&self, passphrase: &Passphrase, cost: KdfCost) -> Result<Self, KeyError> {
        let roots = lock(&self.roots).iter().map(|root| (root.id, root.bytes.clone())).collect();
        let made = Self::of(&self.path, passphrase, cost, roots, Arc::clone(&self.random))?;
        *lock(&made.stands) = *lock(&self.stands);
        made.replace_file(&lock(&made.roots))?;
        Ok(made)
    }

    /// Adds a new root, which is the current one from now on, and gives its id. Programs that are running find it when they
    /// meet a key under it.
    ///
    /// # Errors
    /// [`KeyError::RootFile`].
    pub fn add_root(&self) -> Result<String, KeyError> {
        let mut roots = lock(&self.roots);
        if roots.len() >= ROOTS_MAX {
            return Err(damaged(&self.path, "holds too many roots: end the rotations that were begun"));
        }
        let root = Root::new(Id16::random(&*self.random), Zeroizing::new(self.random.bytes32()));
        let name = root.name.clone();
        let more: Vec<Arc<Root>> = std::iter::once(Arc::new(root)).chain(roots.iter().cloned()).collect();
        self.replace_file(&more)?;
        *roots = more;
        Ok(name)
    }

    /// Takes away every root but the current one: once nothing hangs under them any more.
    ///
    /// # Errors
    /// [`KeyError::RootFile`].
    pub fn keep_current(&self) -> Result<(), KeyError> {
        let mut roots = lock(&self.roots);
        self.replace_file(&roots[..1])?;
        roots.truncate(1);
        Ok(())
    }

    /// The ids of all roots in the file, the current one first.
    #[must_use]
    pub fn roots(&self) -> Vec<String> {
        lock(&self.roots).iter().map(|root| root.name.clone()).collect()
    }

    /// What the passphrase costs whoever tries one.
    #[must_use]
    pub fn cost(&self) -> KdfCost {
        lock(&self.wrapping).cost
    }

    fn of(
        path: &Path,
        passphrase: &Passphrase,
        cost: KdfCost,
        roots: Vec<(Id16, Zeroizing<[u8; 32]>)>,
        random: Arc<dyn Random>,
    ) -> Result<Self, KeyError> {
        let wrapping = Wrapping::derive(path, &passphrase.read()?, random.bytes32(), cost)?;
        let roots = roots.into_iter().map(|(id, bytes)| Arc::new(Root::new(id, bytes))).collect();
        Ok(Self::with(path, passphrase, wrapping, roots, random))
    }

    fn with(
        path: &Path,
        source: &Passphrase,
        wrapping: Wrapping,
        roots: Vec<Arc<Root>>,
        random: Arc<dyn Random>,
    ) -> Self {
        let (wrapping, roots) = (Mutex::new(wrapping), Mutex::new(roots));
        let (stands, failed) = (Mutex::new([0; 32]), Mutex::new(None));
        Self { path: path.to_owned(), random, source: source.clone(), wrapping, roots, stands, failed }
    }

    /// What wraps the roots of a file that goes by another passphrase, where the source gives that by now.
    fn rewrapping(&self, sealed: &Sealed) -> Result<(Wrapping, Vec<Arc<Root>>), KeyError> {
        let passphrase = self.source.read()?;
        let tried = base::sha256(&Zeroizing::new([&sealed.salt[..], &passphrase[..]].concat()));
        let mut failed = lock(&self.failed);
        if *failed == Some(tried) {
            return Err(KeyError::WrongPassphrase { path: self.path.display().to_string() });
        }
        let wrapping = Wrapping::derive(&self.path, &passphrase, sealed.salt, sealed.cost)?;
        let roots = unwrap_all(&self.path, &wrapping.key, sealed);
        *failed = roots.is_err().then_some(tried);
        Ok((wrapping, roots?))
    }

    fn text(&self, roots: &[Arc<Root>]) -> String {
        let Wrapping { key, salt, cost: KdfCost { memory_kib, passes, lanes } } = lock(&self.wrapping).clone();
        let salt = hex(&salt);
        let mut text = format!("{FIRST_LINE}\nkdf: argon2id m={memory_kib} t={passes} p={lanes} salt={salt}\n");
        let cipher = Cipher::new(&key);
        for root in roots {
            let wrapped = cipher.wrap(&root.bytes, &[AAD, &root.id.0].concat(), &*self.random);
            let _ = writeln!(text, "root: {} {}", root.id, hex(&wrapped));
        }
        let check = hex(&base::sha256(text.as_bytes())[..8]);
        let _ = writeln!(text, "check: {check}");
        text
    }

    /// Replaces the file in one step, durable when this returns. One program at a time, and only the file that was read: what
    /// another command wrote meanwhile may hold the only copy of a root.
    fn replace_file(&self, roots: &[Arc<Root>]) -> Result<(), KeyError> {
        let failed = |error: std::io::Error| cannot_be_written(&self.path, &error);
        let turn =
            fs::OpenOptions::new().create(true).truncate(false).write(true).open(self.path.with_extension("lock"));
        let turn = turn.and_then(|file| file.lock().map(|()| file)).map_err(failed)?;
        let mut stands = lock(&self.stands);
        if base::sha256(read_private(&self.path)?.as_bytes()) != *stands {
            return Err(KeyError::RootFile {
                path: self.path.display().to_string(),
                reason: "was changed by another command while this one worked".to_owned(),
                advice: "nothing was written; run this again",
            });
        }
        let text = self.text(roots);
        let new = self.path.with_extension(format!("new-{}", std::process::id()));
        let old = fs::OpenOptions::new().write(true).open(&self.path).map_err(failed)?;
        let old_bytes = old.metadata().map_err(failed)?.len().min(4096) as usize;
        // A leftover of a program of the same number that was killed.
        let _ = fs::remove_file(&new);
        write_new(&new, text.as_bytes()).map_err(failed)?;
        fs::rename(&new, &self.path).map_err(failed)?;
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        folder::sync_folder(parent).map_err(failed)?;
        std::os::unix::fs::FileExt::write_all_at(&old, &vec![b'\n'; old_bytes], 0).map_err(failed)?;
        old.sync_all().map_err(failed)?;
        *stands = base::sha256(text.as_bytes());
        drop(turn);
        Ok(())
    }

    fn root_named(&self, name: &str) -> Result<Arc<Root>, KeyError> {
        let roots = lock(&self.roots);
        let found = roots.iter().find(|root| root.name == name).cloned();
        found.ok_or_else(|| KeyError::OtherRoot { needed: name.to_owned(), given: roots[0].name.clone() })
    }
}

impl KeyProvider for ProtectedKeyProvider {
    fn id(&self) -> String {
        lock(&self.roots)[0].name.clone()
    }

    fn holds(&self, root: &str) -> bool {
        lock(&self.roots).iter().any(|one| one.name == root)
    }

    fn wrap(&self, root: &str, key: &[u8; 32], aad: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(self.root_named(root)?.cipher.wrap(key, aad, &*self.random).to_vec())
    }

    fn unwrap(&self, root: &str, wrapped: &[u8], aad: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let opened = self.root_named(root)?.cipher.unwrap(wrapped, aad);
        opened.map_err(|_| KeyError::NotAuthentic { id: "root".to_owned() })
    }

    fn refresh(&self) -> Result<(), KeyError> {
        let text = read_private(&self.path)?;
        let sealed = parse(&text).map_err(|reason| damaged(&self.path, reason))?;
        let wrapping = lock(&self.wrapping).clone();
        let opened = if sealed.salt == wrapping.salt {
            unwrap_all(&self.path, &wrapping.key, &sealed)?
        } else {
            match self.rewrapping(&sealed) {
                Ok((new, opened)) => {
                    *lock(&self.wrapping) = new;
                    opened
                }
                // What is open stays open, and as long as nothing hangs under other roots nobody misses anything.
                Err(error) if sealed.roots.iter().all(|(id, _)| self.holds(&root_name(id))) => {
                    tracing::warn!(%error, "the passphrase of the root keys was changed, and this program has the old one");
                    return Ok(());
                }
                Err(error) => {
                    let (path, place) = (self.path.display().to_string(), self.source.place());
                    return Err(KeyError::PassphraseChanged { path, place, reason: error.to_string() });
                }
            }
        };
        *lock(&self.roots) = opened;
        *lock(&self.stands) = base::sha256(text.as_bytes());
        Ok(())
    }
}

impl std::fmt::Debug for ProtectedKeyProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProtectedKeyProvider").field("roots", &self.roots()).finish_non_exhaustive()
    }
}

impl Root {
    fn new(id: Id16, bytes: Zeroizing<[u8; 32]>) -> Self {
        Self { name: root_name(&id), id, cipher: Cipher::new(&bytes), bytes }
    }
}

impl Wrapping {
    fn derive(path: &Path, passphrase: &[u8], salt: [u8; 32], cost: KdfCost) -> Result<Self, KeyError> {
        Ok(Self { key: derive(path, passphrase, &salt, cost)?, salt, cost })
    }
}

/// The ids of the roots in a protected file's text; `None` where it is none.
pub(super) fn roots_in(text: &str) -> Option<Vec<String>> {
    parse(text).ok().map(|sealed| sealed.roots.iter().map(|(id, _)| root_name(id)).collect())
}

fn root_name(id: &Id16) -> String {
    format!("file:{id}")
}

/// Opens a root key file of either format. The passphrase is asked for where the file is protected, and only then.
///
/// # Errors
/// Those of [`FileKeyProvider::open`] and [`ProtectedKeyProvider::open`]; [`KeyError::NoPassphrase`] where none is configured.
pub fn open_root(
    path: &Path,
    passphrase: Option<&Passphrase>,
    random: Arc<dyn Random>,
) -> Result<Arc<dyn KeyProvider>, KeyError> {
    if !read_private(path)?.starts_with(FIRST_LINE) {
        return Ok(Arc::new(FileKeyProvider::open(path, random)?));
    }
    let passphrase = passphrase.ok_or_else(|| KeyError::NoPassphrase {
        place: "the configuration".to_owned(),
        reason: format!("{} is protected, and [keys] passphrase says nothing", path.display()),
    })?;
    Ok(Arc::new(ProtectedKeyProvider::open(path, passphrase, random)?))
}

fn derive(path: &Path, passphrase: &[u8], salt: &[u8; 32], cost: KdfCost) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32))
        .map_err(|_| damaged(path, "asks for a cost that argon2id does not have"))?;
    let mut memory = vec![Block::default(); params.block_count()];
    let mut key = Zeroizing::new([0; 32]);
    let derived = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
        passphrase,
        salt,
        key.as_mut_slice(),
        &mut memory,
    );
    // What it computed in tells as much as the key.
    memory.fill(Block::default());
    std::hint::black_box(&memory);
    derived.map_err(|_| damaged(path, "asks for a cost that argon2id does not have"))?;
    Ok(key)
}

fn unwrap_all(path: &Path, key: &[u8; 32], sealed: &Sealed) -> Result<Vec<Arc<Root>>, KeyError> {
    let cipher = Cipher::new(key);
    let open = |(id, wrapped): &(Id16, Vec<u8>)| {
        let bytes = cipher.unwrap(wrapped, &[AAD, &id.0].concat());
        let bytes = bytes.map_err(|_| KeyError::WrongPassphrase { path: path.display().to_string() })?;
        Ok(Arc::new(Root::new(*id, bytes)))
    };
    sealed.roots.iter().map(open).collect()
}

fn parse(text: &str) -> Result<Sealed, &'static str> {
    let at = text.rfind("check: ").ok_or("is damaged: it has no checksum")?;
    let (body, last) = text.split_at(at);
    let (sum, rest) = field(last, "check: ").ok_or("is damaged in its checksum")?;
    if !rest.is_empty() || sum != hex(&base::sha256(body.as_bytes())[..8]) {
        return Err("is damaged: its checksum does not match");
    }
    let body = body.strip_prefix(FIRST_LINE).and_then(|rest| rest.strip_prefix('\n'));
    let (kdf, mut rest) = field(body.ok_or("is not a root key file of format 2")?, "kdf: argon2id ")
        .ok_or("is of a later format, or damaged in its kdf")?;
    let value = |label: &str| kdf.split(' ').find_map(|part| part.strip_prefix(label));
    let number = |label: &str| value(label).and_then(|text| text.parse::<u32>().ok());
    let cost = match (number("m="), number("t="), number("p=")) {
        (Some(memory_kib @ 8..=MEMORY_KIB_MAX), Some(passes @ 1..=PASSES_MAX), Some(lanes @ 1..=16)) => {
            KdfCost { memory_kib, passes, lanes }
        }
        _ => return Err("asks for a cost that is out of bounds"),
    };
    let salt =
        value("salt=").and_then(unhex).and_then(|bytes| bytes.try_into().ok()).ok_or("is damaged in its salt")?;
    let mut roots = Vec::new();
    while !rest.is_empty() {
        let (line, more) = field(rest, "root: ").ok_or("is damaged in a root")?;
        let (id, wrapped) = line.split_once(' ').ok_or("is damaged in a root")?;
        let id = id.parse().map_err(|_| "is damaged in the id of a root")?;
        let wrapped = unhex(wrapped).filter(|bytes| bytes.len() == WRAPPED_BYTES).ok_or("is damaged in a root")?;
        roots.push((id, wrapped));
        rest = more;
    }
    if roots.is_empty() || roots.len() > ROOTS_MAX {
        return Err("holds no root, or too many");
    }
    Ok(Sealed { cost, salt, roots })
}

fn cannot_be_written(path: &Path, error: &std::io::Error) -> KeyError {
    KeyError::RootFile {
        path: path.display().to_string(),
        reason: format!("cannot be written: {error}"),
        advice: "an existing key file is never replaced by a new one; give its folder room and rights, or choose a new place",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SeededRandom;
    use tempfile::TempDir;

    const CHEAP: KdfCost = KdfCost { memory_kib: 64, passes: 1, lanes: 1 };

    fn random(seed: u64) -> Arc<dyn Random> {
        Arc::new(SeededRandom::new(seed))
    }

    fn secret(folder: &TempDir, name: &str, text: &str) -> Passphrase {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
        Passphrase::File(path)
    }

    #[test]
    fn a_protected_root_opens_with_its_passphrase_and_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("root.key");
        let right = secret(&folder, "right", "a passphrase of some length\nand a second line");
        let wrong = secret(&folder, "wrong", "a passphrase of other length");
        let made = ProtectedKeyProvider::create(&path, &right, CHEAP, random(1)).expect("made");
        let wrapped = made.wrap(&made.id(), &[5; 32], b"place").expect("wraps");
        let again = open_root(&path, Some(&right), random(2)).expect("opens");
        assert_eq!(*again.unwrap(&made.id(), &wrapped, b"place").expect("the same key"), [5; 32]);
        let error = ProtectedKeyProvider::open(&path, &wrong, random(3)).expect_err("refused");
        assert!(matches!(error, KeyError::WrongPassphrase { .. }), "{error}");
        assert!(matches!(open_root(&path, None, random(4)), Err(KeyError::NoPassphrase { .. })));
        assert!(ProtectedKeyProvider::create(&path, &right, CHEAP, random(5)).is_err(), "never replaced");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert!(!fs::read_to_string(&path).expect("text").contains(&hex(&[5; 32])));
    }

    #[test]
    fn every_changed_byte_is_noticed_and_told_from_a_wrong_passphrase() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("root.key");
        let right = secret(&folder, "right", "a passphrase of some length");
        ProtectedKeyProvider::create(&path, &right, CHEAP, random(1)).expect("made");
        let good = fs::read(&path).expect("there");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).expect("written");
            let refused = open_root(&path, Some(&right), random(1)).err().expect("refused");
            assert!(matches!(refused, KeyError::RootFile { .. }), "byte {at}: {refused}");
        }
    }

    #[test]
    fn a_plain_file_is_protected_and_keeps_its_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("root.key");
        let plain = FileKeyProvider::create(&path, random(1)).expect("made");
        let wrapped = plain.wrap(&plain.id(), &[6; 32], b"place").expect("wraps");
        let text = fs::read_to_string(&path).expect("text");
        let key = text.lines().find_map(|line| line.strip_prefix("key: ")).expect("a plain key").to_owned();
        let right = secret(&folder, "right", "a passphrase of some length");
        let made = ProtectedKeyProvider::protect(&path, &right, CHEAP, random(2)).expect("protected");
        assert_eq!(made.id(), plain.id());
        let again = open_root(&path, Some(&right), random(3)).expect("opens");
        assert_eq!(*again.unwrap(&plain.id(), &wrapped, b"place").expect("the same key"), [6; 32]);
        assert!(!fs::read_to_string(&path).expect("text").contains(&key));
        assert!(ProtectedKeyProvider::protect(&path, &right, CHEAP, random(4)).is_err());
        let other = secret(&folder, "other", "quite another passphrase");
        let dearer = KdfCost { memory_kib: 128, passes: 2, lanes: 1 };
        made.with_passphrase(&other, dearer).expect("changed");
        assert!(matches!(open_root(&path, Some(&right), random(5)), Err(KeyError::WrongPassphrase { .. })));
        let changed = ProtectedKeyProvider::open(&path, &other, random(6)).expect("opens");
        assert_eq!((changed.cost(), changed.id()), (dearer, plain.id()));
    }

    #[test]
    fn a_running_program_finds_a_root_that_was_added_and_loses_one_that_was_taken_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("root.key");
        let right = secret(&folder, "right", "a passphrase of some length");
        let running = ProtectedKeyProvider::create(&path, &right, CHEAP, random(1)).expect("made");
        let old = running.id();
        let operator = ProtectedKeyProvider::open(&path, &right, random(2)).expect("opens");
        let new = operator.add_root().expect("added");
        let wrapped = operator.wrap(&new, &[7; 32], b"place").expect("wraps");
        assert!(!running.holds(&new) && running.unwrap(&new, &wrapped, b"place").is_err());
        running.refresh().expect("read again");
        assert_eq!(*running.unwrap(&new, &wrapped, b"place").expect("the same key"), [7; 32]);
        assert!(running.holds(&old) && running.id() == new);
        operator.keep_current().expect("written");
        running.refresh().expect("read again");
        assert_eq!(running.roots(), [new]);
    }

    #[test]
    fn after_a_change_of_the_passphrase_a_running_program_finds_a_new_root_or_says_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("root.key");
        let right = secret(&folder, "right", "a passphrase of some length");
        let running = ProtectedKeyProvider::create(&path, &right, CHEAP, random(1)).expect("made");
        let old = running.id();
        let next = secret(&folder, "next", "quite another passphrase");
        running.with_passphrase(&next, CHEAP).expect("changed by an operator");
        running.refresh().expect("the roots are those that it has");
        let operator = ProtectedKeyProvider::open(&path, &next, random(2)).expect("opens");
        let new = operator.add_root().expect("added");
        for _ in 0..2 {
            let error = running.refresh().expect_err("it cannot open the new root");
            assert!(matches!(error, KeyError::PassphraseChanged { .. }), "{error}");
            let said = error.to_string();
            assert!(said.contains("restart this program") && said.contains("right"), "{said}");
        }
        assert!(running.holds(&old), "what is open stays open");
        // The source gives the new passphrase: no restart is needed.
        secret(&folder, "right", "quite another passphrase");
        running.refresh().expect("read again");
        assert_eq!(running.roots(), [new, old]);
    }

    #[test]
    fn of_two_commands_that_opened_the_file_the_second_writes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("root.key");
        let right = secret(&folder, "right", "a passphrase of some length");
        ProtectedKeyProvider::create(&path, &right, CHEAP, random(1)).expect("made");
        let [one, two] = [2, 3].map(|seed| ProtectedKeyProvider::open(&path, &right, random(seed)).expect("opens"));
        let added = one.add_root().expect("added");
        let text = fs::read(&path).expect("there");
        let refused = |result: Result<(), KeyError>| {
            let error = result.expect_err("another was there first");
            assert!(error.to_string().contains("changed by another command"), "{error}");
        };
        refused(two.add_root().map(drop));
        refused(two.with_passphrase(&right, CHEAP).map(drop));
        refused(two.keep_current());
        assert_eq!(
            (fs::read(&path).expect("there"), two.roots().len()),
            (text, 1),
            "nothing was written or remembered"
        );
        two.refresh().expect("read again");
        two.keep_current().expect("written");
        assert_eq!(ProtectedKeyProvider::open(&path, &right, random(4)).expect("opens").roots(), [added]);
    }

    #[test]
    fn passphrases_come_from_places_and_are_long_enough() {
        assert_eq!(Passphrase::parse("env:A"), Some(Passphrase::Variable("A".to_owned())));
        assert_eq!(Passphrase::parse("fd:3"), Some(Passphrase::Descriptor(3)));
        assert_eq!(Passphrase::parse("credential:root"), Some(Passphrase::Credential("root".to_owned())));
        assert_eq!(Passphrase::parse("file:/a/b"), Some(Passphrase::File("/a/b".into())));
        for bad in ["a passphrase", "env:", "fd:x", "credential:../x", "pass:abc"] {
            assert_eq!(Passphrase::parse(bad), None, "{bad}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let short = secret(&folder, "short", "short\n");
        assert!(short.read().expect_err("too short").to_string().contains("16 or more"));
        let Passphrase::File(path) = &short else { unreachable!("it is a file") };
        fs::write(path, "a passphrase of some length").expect("written");
        assert_eq!(&short.read().expect("long enough")[..], b"a passphrase of some length");
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("ours");
        assert!(short.read().expect_err("open to others").to_string().contains("chmod 600"));
    }
}
