//! A replica's folder: its marker, what can be wrong with it, and making its names durable. Knows no formats.
//!
//! # Marker
//!
//! File `hanmaru-site.txt` (`hanmaru-keys.txt` in a key store): the text `hanmaru site 1 NAME` (`hanmaru keys 1 NAME`)
//! and one line feed. It tells a disk that is not mounted, or mounted in another's place, from an empty site:
//! nothing is ever written into a folder without its marker. Once an installation uses the folder, the text is
//! `hanmaru site 2 NAME INSTALLATION` with 32 hexadecimal digits, and no other installation writes there.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base::Id16;

use crate::lane::lock;

/// Longest marker read, in bytes.
const MARKER_BYTES_MAX: u64 = 512;

/// What is wrong at one site or key store. The text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The folder is not there.
    #[error("folder {0} is missing; mount or restore its disk")]
    Missing(PathBuf),
    /// Something else stands where the folder should.
    #[error("{0} is not a folder; move it away and restore the folder")]
    NotAFolder(PathBuf),
    /// The folder has no marker.
    #[error("folder {0} was never set up here; mount its disk, or set it up as new")]
    NotSetUp(PathBuf),
    /// The folder belongs to another replica.
    #[error("folder {folder} says it is {found:?}; two disks may be swapped, check the mounts")]
    Other {
        /// Where.
        folder: PathBuf,
        /// What its marker says.
        found: String,
    },
    /// The folder belongs to another installation.
    #[error(
        "folder {0} belongs to another installation; nothing is written there, check the mounts and the configuration"
    )]
    Foreign(PathBuf),
    /// Writing is not allowed.
    #[error("folder {0} cannot be written; remount it for writing or give the program its rights")]
    ReadOnly(PathBuf),
    /// The disk is full.
    #[error("the disk of {0} is full; free space or enlarge it")]
    Full(PathBuf),
    /// A bucket cannot be used.
    #[error("bucket {place} {what}")]
    Bucket {
        /// Which.
        place: String,
        /// What is wrong and what to do.
        what: String,
    },
    /// Other bytes are there under the same name.
    #[error("holds other bytes as {0}; nothing was overwritten, run a repair to compare the sites")]
    Conflict(String),
    /// Nothing is there under the name.
    #[error("does not have {0}; it is mended in the background, or by a repair")]
    Absent(String),
    /// What is there does not pass its check.
    #[error("has a damaged {0}; a repair replaces it from the others")]
    Damaged(String),
    /// It did not answer in time.
    #[error("does not answer in time; it catches up in the background, check its disk if this stays")]
    Slow,
    /// A name that is replaced, and what stands below it, is not written over before somebody has looked at what the site holds there.
    #[error("may hold another history; its {0} is looked at first, which happens by itself")]
    Returned(String),
    /// Anything else the system said.
    #[error("fails with {0}; check its disk and the system log")]
    Io(String),
}

impl Fault {
    /// What an error means in a replica's folder.
    pub(crate) fn of_io(error: &io::Error, folder: &Path) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::ReadOnlyFilesystem | Kind::PermissionDenied => Self::ReadOnly(folder.to_owned()),
            Kind::StorageFull | Kind::QuotaExceeded => Self::Full(folder.to_owned()),
            Kind::NotFound => Self::Missing(folder.to_owned()),
            Kind::NotADirectory => Self::NotAFolder(folder.to_owned()),
            _ => Self::Io(error.to_string()),
        }
    }

    /// Whether one object is the matter, which another copy of it would mend: it is absent, damaged or not readable.
    pub(crate) const fn is_of_one_object(&self) -> bool {
        matches!(self, Self::Absent(_) | Self::Damaged(_) | Self::Io(_))
    }

    /// What an error with causes means in a replica's folder.
    pub(crate) fn of_error(error: &(dyn Error + 'static), folder: &Path) -> Self {
        let mut cause = Some(error);
        while let Some(this) = cause {
            if let Some(io) = this.downcast_ref::<io::Error>() {
                return Self::of_io(io, folder);
            }
            cause = this.source();
        }
        Self::Io(error.to_string())
    }
}

/// A fault and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {fault}")]
pub struct SiteFault {
    /// The site or key store.
    pub name: String,
    /// What is wrong.
    pub fault: Fault,
}

/// What a folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Site,
    Keys,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Keys => "keys",
        }
    }

    pub(crate) fn marker(self) -> String {
        format!("hanmaru-{}.txt", self.word())
    }

    fn text(self, name: &str, installation: Option<&Id16>) -> String {
        match installation {
            None => format!("hanmaru {} 1 {name}\n", self.word()),
            Some(id) => format!("hanmaru {} 2 {name} {}\n", self.word(), base::hex(&id.0)),
        }
    }
}

/// Whether a name may stand in a marker and in messages: 1 to 64 of `A-Z a-z 0-9 . _ -`.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Makes a folder and its marker, durable when this returns. A folder that has its marker already is left as it is;
/// one that holds anything else is refused.
pub(crate) fn set_up(folder: &Path, kind: Kind, name: &str) -> Result<(), Fault> {
    let fault = |error: io::Error| Fault::of_io(&error, folder);
    match check(folder, kind, name) {
        Err(Fault::Missing(_)) => fs::create_dir_all(folder).map_err(fault)?,
        Err(Fault::NotSetUp(_)) if fs::read_dir(folder).map_err(fault)?.all(|entry| is_lost_and_found(&entry)) => (),
        done_or_wrong => return done_or_wrong.map(drop),
    }
    let marker = folder.join(kind.marker());
    let mut file = OpenOptions::new().write(true).create_new(true).open(&marker).map_err(fault)?;
    file.write_all(kind.text(name, None).as_bytes()).and_then(|()| file.sync_all()).map_err(fault)?;
    sync_folder(folder).map_err(fault)?;
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent).map_err(fault),
        _ => Ok(()),
    }
}

/// A freshly made ext4 disk holds this folder and nothing else.
fn is_lost_and_found(entry: &io::Result<fs::DirEntry>) -> bool {
    entry.as_ref().is_ok_and(|entry| entry.file_name() == "lost+found")
}

/// Whether a folder is the one it should be, whosever it is; gives whose, where it says so.
pub(crate) fn check(folder: &Path, kind: Kind, name: &str) -> Result<Option<Id16>, Fault> {
    match fs::metadata(folder) {
        Ok(meta) if meta.is_dir() => (),
        Ok(_) => return Err(Fault::NotAFolder(folder.to_owned())),
        Err(error) => return Err(Fault::of_io(&error, folder)),
    }
    let mut text = String::new();
    let read =
        File::open(folder.join(kind.marker())).and_then(|file| file.take(MARKER_BYTES_MAX).read_to_string(&mut text));
    match read {
        Ok(_) => whose(&text, kind, name).map_err(|found| Fault::Other { folder: folder.to_owned(), found }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Fault::NotSetUp(folder.to_owned())),
        Err(error) => Err(Fault::of_io(&error, folder)),
    }
}

/// Whose the marker of a replica says it is; what it says instead where it is another replica's.
pub(crate) fn whose(text: &str, kind: Kind, name: &str) -> Result<Option<Id16>, String> {
    if text == kind.text(name, None) {
        return Ok(None);
    }
    let id = text.trim_end().rsplit(' ').next().and_then(base::unhex).and_then(|id| id.try_into().ok());
    match id.map(Id16).filter(|id| text == kind.text(name, Some(id))) {
        Some(id) => Ok(Some(id)),
        None => Err(text.trim_end().chars().take(MARKER_BYTES_MAX as usize).collect()),
    }
}

/// The text of a marker.
pub(crate) fn marker_text(kind: Kind, name: &str, installation: Option<&Id16>) -> String {
    kind.text(name, installation)
}

/// Writes into a folder's marker whose it is, durable when this returns. A marker that names somebody stays as it is.
pub(crate) fn claim(folder: &Path, kind: Kind, name: &str, installation: &Id16) -> Result<(), Fault> {
    match check(folder, kind, name)? {
        Some(id) if id == *installation => return Ok(()),
        Some(_) => return Err(Fault::Foreign(folder.to_owned())),
        None => (),
    }
    let fault = |error: io::Error| Fault::of_io(&error, folder);
    // Two processes that open at once write the same bytes.
    let new = folder.join(format!("{}.{}.new", kind.marker(), std::process::id()));
    let mut file = File::create(&new).map_err(fault)?;
    file.write_all(kind.text(name, Some(installation)).as_bytes()).and_then(|()| file.sync_all()).map_err(fault)?;
    fs::rename(&new, folder.join(kind.marker())).map_err(fault)?;
    sync_folder(folder).map_err(fault)
}

/// Whose the folders of one kind are: at first what most of them say, for good what [`Belonging::claim`] is told.
#[derive(Debug, Default)]
pub(crate) struct Belonging(Mutex<Option<Id16>>);

impl Belonging {
    /// What most say, so that a folder that was mounted in another's place is known before anything is copied. `None` where
    /// two say differently and neither has more behind it.
    pub(crate) fn of_most(said: &[Option<Id16>]) -> Option<Self> {
        let named: Vec<&Id16> = said.iter().flatten().collect();
        let behind = |id: &Id16| named.iter().filter(|other| **other == id).count();
        let Some(most) = named.iter().copied().max_by_key(|id| behind(id)) else { return Some(Self::default()) };
        let is_tied = named.iter().any(|id| *id != most && behind(id) == behind(most));
        (!is_tied).then(|| Self(Mutex::new(Some(*most))))
    }

    /// Whether a folder is the one it should be, and of this installation where it names one.
    pub(crate) fn check(&self, folder: &Path, kind: Kind, name: &str) -> Result<(), Fault> {
        if self.fits(check(folder, kind, name)?) { Ok(()) } else { Err(Fault::Foreign(folder.to_owned())) }
    }

    /// Whether what a replica says of whose it is fits what is known of the others.
    pub(crate) fn fits(&self, said: Option<Id16>) -> bool {
        !matches!((said, *lock(&self.0)), (Some(said), Some(ours)) if said != ours)
    }

    /// Settles whose they are. `false` where most of them said somebody else.
    pub(crate) fn settle(&self, installation: Id16) -> bool {
        *lock(&self.0).get_or_insert(installation) == installation
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_set_up_once_and_known_again() {
        let base = tempfile::tempdir().expect("a folder");
        let folder = base.path().join("a");
        assert_eq!(check(&folder, Kind::Site, "a"), Err(Fault::Missing(folder.clone())));
        set_up(&folder, Kind::Site, "a").expect("made");
        set_up(&folder, Kind::Site, "a").expect("already made");
        assert_eq!(check(&folder, Kind::Site, "a"), Ok(None));
        assert!(matches!(check(&folder, Kind::Site, "b"), Err(Fault::Other { .. })));
        assert!(matches!(check(&folder, Kind::Keys, "a"), Err(Fault::NotSetUp(_))));
        assert!(matches!(set_up(&folder, Kind::Keys, "a"), Err(Fault::NotSetUp(_))), "holds something else");
        let (ours, theirs) = (Id16([1; 16]), Id16([2; 16]));
        claim(&folder, Kind::Site, "a", &ours).expect("it is nobody's");
        claim(&folder, Kind::Site, "a", &ours).expect("it is ours");
        assert_eq!(claim(&folder, Kind::Site, "a", &theirs), Err(Fault::Foreign(folder.clone())));
        assert_eq!(check(&folder, Kind::Site, "a"), Ok(Some(ours)));
        assert!(matches!(check(&folder, Kind::Site, "b"), Err(Fault::Other { .. })));
        set_up(&folder, Kind::Site, "a").expect("already made");
        let file = base.path().join("file");
        fs::write(&file, b"x").expect("written");
        assert_eq!(check(&file, Kind::Site, "a"), Err(Fault::NotAFolder(file)));
    }

    #[test]
    fn most_folders_say_whose_they_are() {
        let (a, b) = (Some(Id16([1; 16])), Some(Id16([2; 16])));
        let settles = |said: &[Option<Id16>]| Belonging::of_most(said).map(|one| one.settle(Id16([1; 16])));
        assert_eq!(settles(&[None, None, None]), Some(true));
        assert_eq!(settles(&[a, None, None]), Some(true));
        assert_eq!(settles(&[a, a, b]), Some(true));
        assert_eq!(settles(&[b, b, a]), Some(false));
        assert_eq!(settles(&[b, None]), Some(false));
        assert_eq!(settles(&[a, b, None]), None);
    }
}
