//! Targets for what comes back from sites and key stores: packs, wrapped keys, files of a key store, backups, root key files.

use crate::folders;
use base::{Id16, Random, SeededRandom, Timestamp, hex};
use policy::{Action, Actor, Assurance, Decision, Door, Facts, InstitutionCode, Owner, Permit, Purpose, Request, Role};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use vault::{
    Cause, ClassName, Destroyed, FileKeyProvider, FrameOutside, GroupName, KdfCost, KeyId, KeyName, KeyStoreConfig,
    KeyStores, PackBuilder, Parent, Passphrase, ProtectedKeyProvider, WrappedKey, matches_path, open_root, read_pack,
};

const HEAD: &[u8] = b"HMRPACK1";
const END: &[u8] = b"HMRPEND1";
const STORES: [&str; 3] = ["a", "b", "c"];
const INSTALLATION: Id16 = Id16([6; 16]);
/// Stands for the sum over the lines before it, so that changed files come past it.
const SUM: &str = "@sum";

/// The permit of the job that repairs.
static REPAIR: LazyLock<Permit> = LazyLock::new(|| {
    let actor = Actor {
        account: Id16([5; 16]),
        role: Role::Job,
        assurance: Assurance::Two,
        name: "fuzzing".to_owned().into(),
        source: "local".to_owned().into(),
    };
    let (target, purpose) = (policy::Target::Installation, Purpose::Operation);
    let request = Request { actor, action: Action::Repair, target, purpose };
    match Door::standard().expect("the policies are valid").decide(&request, &Facts::default(), &SeededRandom::new(1)) {
        Decision::Permit(permit) => permit,
        Decision::Denial(denial) => panic!("{}", denial.explanation),
    }
});

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    [b"HF\x01", &[kind][..], &[2; 16], &[3; 60], body, &[4; 42], &[5; 16]].concat()
}

pub fn pack_seeds() -> Vec<Vec<u8>> {
    let mut builder = PackBuilder::new();
    for (kind, body) in [(1, &b"{}"[..]), (2, b""), (5, &[7; 200])] {
        builder.push(&frame(kind, body)).expect("there is room");
    }
    let pack = builder.finish().expect("it has frames").bytes.to_vec();
    // Without what the target adds itself.
    let inside = pack[HEAD.len()..pack.len() - 32 - END.len()].to_vec();
    vec![inside, pack, frame(3, b"x")]
}

/// A pack as it is, and the bytes with the head and the sum of one. Frames stand back to back and within it.
pub fn pack(bytes: &[u8]) {
    let mut resealed = [HEAD, bytes].concat();
    resealed.extend(base::sha256(&resealed));
    resealed.extend_from_slice(END);
    for pack in [bytes, &resealed] {
        let Ok(frames) = read_pack(pack) else { continue };
        let mut end = HEAD.len();
        assert!(!frames.is_empty(), "a pack holds a frame");
        for frame in frames {
            assert_eq!(frame.range.start, end, "frames stand back to back");
            end = frame.range.end;
            let outside = FrameOutside::read(&pack[frame.range]).expect("it was read in the pack");
            assert_eq!(outside, frame.outside);
        }
        assert!(end < pack.len());
    }
    assert!(!matches_path("pack/00/00", bytes), "a short name is no pack's");
    if let Ok(outside) = FrameOutside::read(bytes) {
        assert!(outside.body_bytes < bytes.len());
    }
}

fn wrapped_keys() -> Vec<WrappedKey> {
    let owner = Owner::Patient(Id16([8; 16]));
    let institution = InstitutionCode::new("11100001").expect("a code");
    let class = ClassName::new("chart").expect("a slug");
    let group = GroupName { owner, institution, class, expiry_year: 2035 };
    let names = [
        KeyName::Shard(3),
        KeyName::Owner(owner),
        KeyName::Group(group),
        KeyName::Access { year: 2026 },
        KeyName::Secret("archive".to_owned()),
        KeyName::Rows(owner),
    ];
    let key = |(place, name): (usize, KeyName)| {
        let (place, id) = (place as u8, |number| KeyId(Id16([number; 16])));
        let parent = if place == 0 { Parent::Root("file:x".to_owned()) } else { Parent::Key(id(place - 1)) };
        WrappedKey { id: id(place), parent, name, wrapped: vec![9; 60] }
    };
    names.into_iter().enumerate().map(key).collect()
}

fn destroyed() -> Destroyed {
    Destroyed::new(&[1; 32], KeyId(Id16([2; 16])), Cause::Shred, Id16([3; 16]), 1_700_000_000_000_000)
}

pub fn key_seeds() -> Vec<Vec<u8>> {
    let keys = wrapped_keys();
    let names = keys.iter().map(|key| key.name.to_bytes());
    keys.iter().map(WrappedKey::to_bytes).chain(names).chain([destroyed().to_bytes()]).collect()
}

/// Wrapped keys, names of keys and entries of the list of destroyed keys: each has one spelling.
pub fn keys(bytes: &[u8]) {
    assert!(!WrappedKey::from_bytes(bytes).is_ok_and(|key| key.to_bytes() != bytes), "a key has one spelling");
    assert!(!KeyName::from_bytes(bytes).is_ok_and(|name| name.to_bytes() != bytes), "a name has one spelling");
    if let Ok(entry) = Destroyed::from_bytes(bytes) {
        assert_eq!(entry.to_bytes(), bytes, "an entry has one spelling");
        assert!(!entry.is_authentic(&[4; 32]), "nobody made it with that secret");
    }
}

/// Names that a file in a key store's folder is given, by the low four bits of its number.
const NAMES: [&str; 16] = [
    "0001.keys",
    "0002.keys",
    "0009.keys",
    "0001.gone",
    "0002.gone",
    "compacting",
    "4294967295.keys",
    "4294967295.gone",
    "7.keys",
    "+003.keys",
    "hanmaru-keys.txt",
    ".keys",
    "0003.gone",
    "0001.keys.new",
    "compact.lock",
    "0000.keys",
];
/// Set where the bytes are to be put into whole records of that file, cut at [`CUT`].
const AS_RECORDS: u8 = 0x40;
const CUT: &[u8] = b"\n--\n";

fn record(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [b"KREC", &length[..], &base::sha256(&[&length[..], payload].concat())[..16], payload].concat()
}

fn as_records(name: &str, bytes: &[u8]) -> Vec<u8> {
    let count = 1 + bytes.windows(CUT.len()).filter(|window| *window == CUT).count() as u32;
    let mut file = match name.ends_with(".gone") {
        true => [&b"HMRGONE2"[..], &count.to_be_bytes()].concat(),
        false => b"HMRKEYS1".to_vec(),
    };
    let mut rest = bytes;
    loop {
        let end = rest.windows(CUT.len()).position(|window| window == CUT);
        file.extend(record(&rest[..end.unwrap_or(rest.len())]));
        let Some(end) = end else { return file };
        rest = &rest[end + CUT.len()..];
    }
}

pub fn store_seeds() -> Vec<Vec<u8>> {
    let payloads: Vec<Vec<u8>> = wrapped_keys().iter().map(WrappedKey::to_bytes).collect();
    let (whole, entry) = (payloads.join(CUT), destroyed().to_bytes());
    let raw = as_records("0001.keys", &whole);
    vec![
        folders::joined(&[(AS_RECORDS, &whole), (AS_RECORDS | 3, &entry), (0x11 | AS_RECORDS, &whole)]),
        folders::joined(&[(0, &raw), (1, &raw[..raw.len() - 5]), (5, b"1\n"), (0x20, b"HMRKEYS1")]),
        folders::joined(&[(6, b"HMRKEYS1"), (7, b"HMRGONE1"), (8, &raw), (0x19, &raw)]),
        folders::joined(&[
            (5, b"4294967295\n"),
            (10, b"hanmaru keys 1 a\n"),
            (0x1a, b"hanmaru keys 2 b 06060606060606060606060606060606\n"),
        ]),
    ]
}

fn configs(folder: &Path) -> Vec<KeyStoreConfig> {
    STORES.map(|name| KeyStoreConfig { name: name.to_owned(), folder: folder.join(name) }).to_vec()
}

/// The folders of three key stores, read, mended, appended to and compacted. What was appended can be read.
pub fn key_store(bytes: &[u8]) {
    let folder = folders::fresh();
    KeyStores::create(&configs(folder.path())).expect("new folders");
    for (which, file) in folders::cut(bytes) {
        let (name, store) = (NAMES[usize::from(which & 15)], STORES[usize::from(which >> 4 & 3) % 3]);
        let file = if which & AS_RECORDS == 0 { file.to_vec() } else { as_records(name, file) };
        folders::write(&folder.path().join(store), name, &file);
    }
    let Ok(stores) = KeyStores::open_as_they_are(configs(folder.path()), 2) else { return };
    stores.trust([1; 32]);
    let known = stores.load_index().map_or(0, |index| index.keys().count());
    assert!(known <= bytes.len() / 50, "no more keys than there is room for");
    let listed = stores.destroyed().unwrap_or_default();
    assert!(listed.iter().all(|entry| entry.is_authentic(&[1; 32])), "nobody else destroys keys");
    let _ = (stores.compare(), stores.listed_for_good(), stores.mend(&REPAIR));
    let new = WrappedKey { id: KeyId(Id16([0xee; 16])), ..wrapped_keys().remove(3) };
    if stores.append(std::slice::from_ref(&new)).is_ok() {
        let is_dead = listed.iter().any(|entry| entry.id == new.id || Parent::Key(entry.id) == new.parent);
        let index = stores.load_index().expect("a store was written to");
        assert!(is_dead || index.keys().any(|key| *key == new), "what was appended can be read");
    }
    let compacted = stores.compact(&REPAIR, Duration::ZERO);
    assert!(compacted.is_ok_and(|stores| stores.len() == STORES.len()));
    assert!(stores.load_index().map_or(0, |index| index.keys().count()) <= known + 1 + bytes.len() / 50);
}

pub fn backup_seeds() -> Vec<Vec<u8>> {
    let file = as_records("0001.keys", &wrapped_keys()[1].to_bytes());
    let gone = as_records("0001.gone", &destroyed().to_bytes());
    let sum = |bytes: &[u8]| hex(&base::sha256(bytes));
    let list = format!(
        "hanmaru key backup 1\nmade: 2026-11-20T00:00:00Z\nstore: a\ninstallation: {INSTALLATION}\nfile: {} {} 0001.keys\nfile: {} {} 0001.gone\ncheck: {SUM}\n",
        sum(&file),
        file.len(),
        sum(&gone),
        gone.len(),
    );
    vec![folders::joined(&[(0, list.as_bytes()), (1, &file), (2, &gone)])]
}

/// A backup of a key store, brought back. What is another installation's, too old or changed brings nothing back.
pub fn backup(bytes: &[u8]) {
    let folder = folders::fresh();
    KeyStores::create(&configs(folder.path())).expect("new folders");
    let from = folder.path().join("backup");
    for (which, file) in folders::cut(bytes) {
        let name = ["backup.txt", "0001.keys", "0001.gone"][usize::from(which) % 3];
        let file = if name == "backup.txt" { summed(file, 32) } else { file.to_vec() };
        folders::write(&from, name, &file);
    }
    let stores = KeyStores::open_as_they_are(configs(folder.path()), 2).expect("new folders");
    let now: Timestamp = "2026-11-22T03:00:00Z".parse().expect("a time");
    let restored = stores.restore(&REPAIR, &from, INSTALLATION, now, 30);
    let keys = stores.load_index().expect("new folders").keys().count();
    assert_eq!(keys, restored.map_or(0, |restored| restored.keys), "what is said to be back is back");
}

/// The bytes with the sum in place of its mark: of the lines up to the label before it, the first so many bytes.
fn summed(bytes: &[u8], length: usize) -> Vec<u8> {
    let label = format!("check: {SUM}");
    let Some(at) = bytes.windows(label.len()).rposition(|window| window == label.as_bytes()) else {
        return bytes.to_vec();
    };
    let sum = hex(&base::sha256(&bytes[..at])[..length]);
    [&bytes[..at], b"check: ", sum.as_bytes(), &bytes[at + label.len()..]].concat()
}

fn random() -> Arc<dyn Random> {
    Arc::new(SeededRandom::new(1))
}

fn passphrase(folder: &Path) -> (PathBuf, Passphrase) {
    folders::write(folder, "passphrase", b"a passphrase of some length\n");
    let path = folder.join("passphrase");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    (folder.join("root.key"), Passphrase::File(path))
}

pub fn root_seeds() -> Vec<Vec<u8>> {
    let folder = folders::fresh();
    let (path, passphrase) = passphrase(folder.path());
    let read = |path: &Path| fs::read(path).expect("it was just made");
    FileKeyProvider::create(&folder.path().join("plain.key"), random()).expect("a new file");
    let cheap = KdfCost { memory_kib: 64, passes: 1, lanes: 1 };
    ProtectedKeyProvider::create(&path, &passphrase, cheap, random()).expect("a new file");
    let protected = read(&path);
    let text = String::from_utf8(protected.clone()).expect("text");
    let open = text.rsplit_once("check: ").map(|(body, _)| format!("{body}check: {SUM}\n")).expect("it has a sum");
    vec![read(&folder.path().join("plain.key")), protected, open.into_bytes()]
}

/// Root key files of both formats. What opens is a file that somebody made.
pub fn root(bytes: &[u8]) {
    let folder = folders::fresh();
    let (path, passphrase) = passphrase(folder.path());
    let bytes = summed(bytes, 8);
    // A file may ask for gigabytes and for minutes; that is its owner's choice, and nothing for a test.
    let text = String::from_utf8_lossy(&bytes);
    let number =
        |label: &str| text.split(label).nth(1).and_then(|rest| rest.split([' ', '\n']).next()?.parse::<u32>().ok());
    if number(" m=").is_some_and(|kib| kib > 1_024) || number(" t=").is_some_and(|passes| passes > 4) {
        return;
    }
    folders::write(folder.path(), "root.key", &bytes);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    if let Ok(root) = open_root(&path, Some(&passphrase), random()) {
        let id = root.id();
        let wrapped = root.wrap(&id, &[7; 32], b"place").expect("it holds its own root");
        assert_eq!(*root.unwrap(&id, &wrapped, b"place").expect("the same root"), [7; 32]);
    }
}
