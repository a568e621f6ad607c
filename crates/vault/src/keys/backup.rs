//! Backups of a key store: a dated folder with checksums, and how it comes back. A backup outlives what is destroyed after it,
//! so it may be kept for a window of days only, and what was destroyed meanwhile never comes back from it.
//!
//! # Backup, format 1
//!
//! A folder `hanmaru-keys-YYYYMMDDTHHMMSSZ` with files as a key store has them and `backup.txt`, ASCII lines each ended by one
//! line feed:
//!
//! ```text
//! hanmaru key backup 1
//! made: <RFC 3339, UTC, whole seconds>
//! store: <name of the key store>
//! installation: <32 hexadecimal digits>
//! file: <64 hexadecimal digits, SHA-256> <bytes> <name>
//! check: <64 hexadecimal digits, SHA-256 of all lines before>
//! ```

use super::file::{FILE_MAGIC, Found, scan, scan_gone};
use super::gone::Destroyed;
use super::place::{GONE, KEYS, read_bounded};
use super::ring::check_repair;
use super::store::Store;
use super::stores::KeyStores;
use super::{KeyError, KeyId, WrappedKey};
use crate::folder::{Fault, sync_folder};
use base::{Id16, Timestamp, hex};
use policy::Permit;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FIRST_LINE: &str = "hanmaru key backup 1";
const LIST: &str = "backup.txt";
/// Longest list read, in bytes.
const LIST_BYTES_MAX: u64 = 16 << 20;
/// Keys appended at once when a backup comes back.
const BATCH: usize = 10_000;

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Its folder.
    pub folder: PathBuf,
    /// The key store it is of.
    pub store: String,
    /// Files in it.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// What came back from a backup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// Keys that the key stores missed and have again.
    pub keys: usize,
    /// Keys that they had.
    pub known: usize,
    /// Keys of the backup that were destroyed meanwhile, and stay so.
    pub destroyed: usize,
}

impl KeyStores {
    /// Copies the first key store that is in order into a new folder below `into`, durable when this returns. Needs a permit to
    /// repair.
    ///
    /// # Errors
    /// [`KeyError::Refused`], [`KeyError::Config`] where no store can be copied or the folder cannot be written.
    pub fn backup(&self, permit: &Permit, into: &Path, installation: Id16, now: Timestamp) -> Result<Backup, KeyError> {
        check_repair(permit)?;
        // A store that misses keys makes a backup that misses them.
        let whole =
            self.compare().into_iter().find(|store| store.fault.is_none() && store.missing == 0 && store.damaged == 0);
        let whole = whole.ok_or_else(|| failed("no key store is whole: run `hanmaru keys mend` first".to_owned()))?;
        let folder = into.join(format!("hanmaru-keys-{}", now.strftime("%Y%m%dT%H%M%SZ")));
        let copied = copy(self.store(&whole.name), &folder, installation, now);
        copied.map_err(|error| failed(format!("{} cannot be made: {error}", folder.display())))
    }

    /// Brings back what the key stores miss from a backup that is within the window. What was destroyed stays so. Needs a permit
    /// to repair.
    ///
    /// # Errors
    /// [`KeyError::Refused`]; [`KeyError::Config`] where the backup is too old, another installation's, or damaged: then nothing
    /// was written; [`KeyError::TooFew`].
    pub fn restore(
        &self,
        permit: &Permit,
        from: &Path,
        installation: Id16,
        now: Timestamp,
        window_days: u32,
    ) -> Result<Restored, KeyError> {
        check_repair(permit)?;
        let list = List::read(from).map_err(|reason| failed(format!("{}: {reason}", from.display())))?;
        if list.installation != installation {
            return Err(failed(format!("{} is a backup of another installation", from.display())));
        }
        let age_days = now.duration_since(list.made).as_hours() / 24;
        if age_days >= i64::from(window_days) {
            return Err(failed(format!(
                "{} is {age_days} days old, and backups end after {window_days}: it may hold what was destroyed since. \
                 Destroy it",
                from.display()
            )));
        }
        let mut gone: HashSet<KeyId> = self.destroyed()?.into_iter().map(|entry| entry.id).collect();
        let files = list.files(from).map_err(failed)?;
        // What the backup itself says is destroyed comes first: a key must not live even for a moment.
        let mut entries = Vec::new();
        for (_, bytes) in files.iter().filter(|(name, _)| name.ends_with(GONE)) {
            scan_gone(bytes, &mut |found| {
                let Found::Record(payload) = found else { return };
                let entry = Destroyed::from_bytes(payload).ok().filter(|entry| self.is_ours(entry));
                entries.extend(entry.filter(|entry| gone.insert(entry.id)));
            });
        }
        self.destroy(permit, &entries)?;
        let mut had = HashSet::new();
        self.each_key(&mut |key| {
            had.insert(key.id);
        })?;
        // A backup may hold a key more than once: written again by a mender, or in an old and a new form.
        let (mut restored, mut known, mut destroyed) = (HashSet::new(), HashSet::new(), HashSet::new());
        let (mut batch, mut failure) = (Vec::new(), None);
        for (_, bytes) in files.iter().filter(|(name, _)| !name.ends_with(GONE)) {
            scan(bytes, FILE_MAGIC, &mut |found| {
                let Found::Record(payload) = found else { return };
                if let Ok(key) = WrappedKey::from_bytes(payload) {
                    if gone.contains(&key.id) || gone.contains(&super::parent_entry(&key)) {
                        destroyed.insert(key.id);
                    } else if had.contains(&key.id) {
                        known.insert(key.id);
                    } else if restored.insert(key.id) {
                        batch.push(key);
                    }
                }
                if batch.len() >= BATCH {
                    failure = self.append(&std::mem::take(&mut batch)).err().or(failure.take());
                }
            });
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        if !batch.is_empty() {
            self.append(&batch)?;
        }
        // A key of which an old form alone hangs under what is destroyed is restored.
        let destroyed = destroyed.iter().filter(|id| !restored.contains(id) && !known.contains(id)).count();
        Ok(Restored { keys: restored.len(), known: known.len(), destroyed })
    }
}

fn failed(reason: String) -> KeyError {
    KeyError::Config { reason }
}

fn copy(store: &Store, folder: &Path, installation: Id16, now: Timestamp) -> io::Result<Backup> {
    let fault = |fault: Fault| io::Error::other(fault.to_string());
    let name = &store.place.name;
    store.ask(|place| place.check()).map_err(fault)?;
    DirBuilder::new().mode(0o700).create(folder)?;
    let mut list = format!(
        "{FIRST_LINE}\nmade: {}\nstore: {name}\ninstallation: {installation}\n",
        now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    );
    let (mut files, mut bytes) = (0, 0);
    // The destroyed first: what is destroyed while this runs is in the stores' own lists, which are asked when it comes back.
    for kind in [GONE, KEYS] {
        for number in store.ask(move |place| place.listing(kind)).map_err(fault)? {
            let name = format!("{number:04}{kind}");
            let Some(content) = store.ask(move |place| place.read(kind, number)).map_err(fault)? else { continue };
            write_new(&folder.join(&name), &content)?;
            let _ = writeln!(list, "file: {} {} {name}", hex(&base::sha256(&content)), content.len());
            files += 1;
            bytes += content.len() as u64;
        }
    }
    let check = hex(&base::sha256(list.as_bytes()));
    let _ = writeln!(list, "check: {check}");
    write_new(&folder.join(LIST), list.as_bytes())?;
    sync_folder(folder)?;
    sync_folder(folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
    Ok(Backup { folder: folder.to_owned(), store: name.clone(), files, bytes })
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// What a backup says of itself.
struct List {
    made: Timestamp,
    installation: Id16,
    /// SHA-256 and name of each file.
    files: Vec<(String, String)>,
}

impl List {
    fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(LIST);
        let meta = fs::metadata(&path).map_err(|error| format!("{LIST} cannot be read: {error}"))?;
        if meta.len() > LIST_BYTES_MAX {
            return Err(format!("{LIST} is larger than any"));
        }
        let text = fs::read_to_string(&path).map_err(|error| format!("{LIST} cannot be read: {error}"))?;
        let (body, check) = text.rsplit_once("check: ").ok_or("it was not finished: it has no checksum")?;
        if check.trim_end() != hex(&base::sha256(body.as_bytes())) {
            return Err(format!("{LIST} is damaged: its checksum does not match"));
        }
        let mut lines = body.lines();
        if lines.next() != Some(FIRST_LINE) {
            return Err("it is of another format".to_owned());
        }
        let (mut made, mut installation, mut files) = (None, None, Vec::new());
        for line in lines {
            match line.split_once(": ") {
                Some(("made", text)) => made = text.parse().ok(),
                Some(("installation", text)) => installation = text.parse().ok(),
                Some(("file", rest)) => {
                    let mut parts = rest.splitn(3, ' ');
                    let (sum, name) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
                    if name.contains('/') || !(name.ends_with(KEYS) || name.ends_with(GONE)) {
                        return Err(format!("{LIST} names a file that is none of a key store"));
                    }
                    files.push((sum.to_owned(), name.to_owned()));
                }
                _ => {}
            }
        }
        match (made, installation) {
            (Some(made), Some(installation)) => Ok(Self { made, installation, files }),
            _ => Err(format!("{LIST} does not say when it was made, or whose it is")),
        }
    }

    /// The files, each checked. One after the other would do, but nothing is to be written before all of them are whole.
    fn files(&self, folder: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
        let read = |(sum, name): &(String, String)| {
            let bytes = read_bounded(&folder.join(name)).map_err(|error| format!("{name} cannot be read: {error}"))?;
            if hex(&base::sha256(&bytes)) == *sum {
                Ok((name.clone(), bytes))
            } else {
                Err(format!("{name} is damaged: its checksum does not match; nothing was restored"))
            }
        };
        self.files.iter().map(read).collect()
    }
}
