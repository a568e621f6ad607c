//! Logs as the compiled program left them at a site, and proofs as it wrote them, read by Go's `golang.org/x/mod/sumdb`, which knows
//! nothing of it.

use crate::go::Go;
use crate::operating::{deposited, says, settled};
use crate::program::Program;
use crate::witness::deposit;
use archive::SignedReceipt;
use ledger::tiles::{CHECKPOINT_PATH, TILE_WIDTH, decode_bundle, entries_path, path};
use ledger::{EntryKind, SignedCheckpoint, TileId, VerifierKey, commit};
use std::fs;
use std::path::{Path, PathBuf};

/// A log at a site.
struct SiteLog {
    folder: PathBuf,
    /// Its public key, as the program prints it.
    key: String,
}

impl SiteLog {
    /// The logs of the site `a`: first that of records, then that of accesses.
    fn all(program: &Program) -> [Self; 2] {
        let keys = program.run(&["keys"]).out;
        ["records", "access"].map(|log| {
            let origin = format!("test.example/hanmaru/{log}+");
            let key = keys.lines().find(|key| key.starts_with(&origin)).expect("it is printed").to_owned();
            Self { folder: program.path(&format!("sites/a/log/{log}")), key }
        })
    }

    fn size(&self) -> u64 {
        let note = fs::read(self.folder.join(CHECKPOINT_PATH)).expect("a checkpoint");
        let key = VerifierKey::parse(&self.key).expect("a key");
        SignedCheckpoint::open(&note, &[key]).expect("it has signed it").checkpoint.size
    }

    /// The file with its first entries, and how many these are.
    fn first_entries(&self) -> (PathBuf, u16) {
        let width = u16::try_from(self.size()).map_or(TILE_WIDTH, |size| size.min(TILE_WIDTH));
        (self.folder.join(entries_path(0, width)), width)
    }

    /// An entry as it stands there, in hexadecimal.
    fn first_entry(&self) -> String {
        let (file, width) = self.first_entries();
        let bytes = fs::read(file).expect("entries");
        base::hex(decode_bundle(&bytes, width).expect("in order")[0])
    }
}

/// Has two accesses journalled and a bag deposited, and waits until the sites have all of it.
fn grow(program: &Program, number: usize) {
    let somebody = "02".repeat(16);
    for mark in ["vip", "decoy"] {
        says(&program.run(&["watch", "mark", &somebody, mark]), 0, &[]);
    }
    deposit(program, number);
    says(&settled(program), 0, &["log access: ", " sealed, 0 waiting"]);
}

#[test]
fn go_verifies_the_logs_of_a_site_and_the_proofs_that_the_program_wrote() {
    let scratch = tempfile::tempdir().expect("a folder");
    let Some(go) = Go::built(scratch.path()) else { return };
    let program = deposited();
    grow(&program, 1);
    let logs = SiteLog::all(&program);
    let earlier = ["earlier-records", "earlier-access"].map(|name| scratch.path().join(name));
    let before = [0, 1].map(|at| {
        fs::copy(logs[at].folder.join(CHECKPOINT_PATH), &earlier[at]).expect("kept");
        logs[at].size()
    });
    grow(&program, 2);
    for (at, log) in logs.iter().enumerate() {
        let size = log.size();
        assert!(before[at] > 0 && size > before[at], "it has grown: {} and {size}", before[at]);
        let check =
            |key: &str| go.check(&[("-folder", &log.folder), ("-key", &key.to_owned()), ("-earlier", &earlier[at])]);
        let (passed, said) = check(&log.key);
        assert!(passed && said.contains(&format!("{size} entries, {size} proven")), "{said}");
        // It is no check that cannot fail.
        assert!(!check(&logs[1 - at].key).0, "the key of another log");
        let tile = log.folder.join(path(&TileId::in_tree(0, 0, size).expect("not empty")));
        for file in [tile, log.first_entries().0, log.folder.join(CHECKPOINT_PATH), earlier[at].clone()] {
            let middle = fs::metadata(&file).expect("it is there").len() / 2;
            changed(&file, middle, || assert!(!check(&log.key).0, "{} was changed", file.display()));
        }
        assert!(check(&log.key).0, "they are as before");
    }
    proofs(&go, &program, &logs[0], scratch.path());
}

/// Runs something while a byte of a file is another.
fn changed(file: &Path, place: u64, meanwhile: impl FnOnce()) {
    let whole = fs::read(file).expect("it is there");
    let mut other = whole.clone();
    other[usize::try_from(place).expect("a small file")] ^= 1;
    fs::write(file, other).expect("written");
    meanwhile();
    fs::write(file, whole).expect("written");
}

/// The proof in a receipt, and those that `hanmaru prove` writes: of the receipt, whose entry follows from its own words, and of the
/// first leaf, whose entry stands at the site.
fn proofs(go: &Go, program: &Program, log: &SiteLog, scratch: &Path) {
    let receipts = fs::read_dir(program.path("data/archive/receipts")).expect("receipts");
    let mut receipts = receipts.map(|entry| entry.expect("listed").path());
    let file = receipts.find(|path| path.extension().is_some_and(|ending| ending == "json")).expect("one");
    let receipt: SignedReceipt = serde_json::from_slice(&fs::read(file).expect("read")).expect("a receipt");
    let salt = base::unhex(&receipt.salt).and_then(|salt| salt.try_into().ok()).expect("32 bytes");
    let committed = base::hex(&commit(&salt, EntryKind::Receipt, &receipt.receipt.content()));

    let within = scratch.join("within-the-receipt");
    fs::write(&within, &receipt.proof).expect("written");
    let proven = |leaf: u64| {
        let file = scratch.join(format!("leaf-{leaf}"));
        let said = program.run(&["prove", "--leaf", &leaf.to_string(), "--out", file.to_str().expect("a plain name")]);
        says(&said, 0, &[&format!("leaf {leaf} of {}", log.size())]);
        file
    };
    let first = log.first_entry();
    for (proof, entry, other) in
        [(within, &committed, &first), (proven(receipt.leaf), &committed, &first), (proven(0), &first, &committed)]
    {
        let check = |entry: &String| {
            go.check(&[("-folder", &log.folder), ("-key", &log.key), ("-proof", &proof), ("-entry", entry)])
        };
        let (passed, said) = check(entry);
        assert!(passed, "{}: {said}", proof.display());
        assert!(!check(other).0, "another entry has another proof");
        // The first hash, and no bit that base64 has to spare.
        let text = fs::read_to_string(&proof).expect("a proof is text");
        let hash = text.match_indices('\n').nth(1).expect("two lines before it").0 + 1;
        changed(&proof, hash as u64, || assert!(!check(entry).0, "a changed proof"));
    }
}
