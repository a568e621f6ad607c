//! Bad input at the program's own door: each gets a clear error, and nothing that was taken before is lost.

use crate::program::{Program, Said};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use synth::people::Person;
use testkit::{Bag, BagBuilder, one_page_pdf, person};

fn people() -> [Person; 2] {
    [person("하나"), person("두리")]
}

/// Two patients, a visit each and a document.
fn good(code: &str) -> BagBuilder {
    let [one, two] = people();
    BagBuilder::new(code)
        .patient("p1", &one)
        .patient("p2", &two)
        .visit("p1", "e1", "2021-03-04")
        .visit("p2", "e2", "2022-05-06")
        .document("p1", "d1", "d1.pdf", "application/pdf", &one_page_pdf("report"))
}

#[track_caller]
fn refused(said: &Said, words: &str) {
    assert!(said.code == Some(1) && said.err.contains(words), "expected: {words}\n{said:?}");
    assert!(!said.err.contains("panicked"), "{said:?}");
}

#[test]
fn bags_that_cannot_be_trusted_are_refused_whole() {
    let program = Program::new(&people());
    let make = |name: &str, spoil: &dyn Fn(&Bag)| {
        let bag = good("31999901").write(&program.path(name));
        spoil(&bag);
        program.deposit(&bag.root)
    };
    refused(&make("truncated", &|bag| bag.remove("data/fhir/Condition.ndjson")), "data/fhir/Condition.ndjson");
    refused(&make("undeclared", &|bag| bag.put("data/fhir/Extra.ndjson", b"{}\n")), "data/fhir/Extra.ndjson");
    refused(&make("traversal", &|bag| bag.list("data/../../outside", b"x")), "the path must stay below data/");
    refused(&make("no-declaration", &|bag| bag.remove("bagit.txt")), "bagit.txt");
    refused(&make("no-manifest", &|bag| bag.remove("manifest-sha256.txt")), "manifest");
    refused(&make("broken-info", &|bag| bag.put("bag-info.txt", b"Institution-Code: \xff\n")), "bag-info.txt");
    let link = |bag: &Bag| {
        bag.remove("data/documents/d1.pdf");
        std::os::unix::fs::symlink("/etc/hostname", bag.root.join("data/documents/d1.pdf")).expect("a link");
    };
    refused(&make("symlink", &link), "data/documents/d1.pdf");
    let empty = BagBuilder::new("31999902").write(&program.path("empty"));
    refused(&program.deposit(&empty.root), "the bag holds no payload");
    refused(&program.deposit(Path::new("/nowhere/at/all")), "/nowhere/at/all");
    assert_eq!(program.leaves(), 0, "nothing of a refused bag is written");
}

#[test]
fn what_is_wrong_with_one_line_or_file_is_named_and_the_rest_goes_in() {
    let program = Program::new(&people());
    let bag = good("31999901")
        .line("Observation", "{\"resourceType\": \"Observation\", ")
        .line("Observation", b"{\"resourceType\":\"Observation\",\"id\":\"\xff\"}")
        .line("Nonsense", "{\"resourceType\":\"Nonsense\",\"id\":\"n1\"}")
        .visit("nobody", "e9", "2021-01-01")
        .document("p2", "d2", "d2.pdf", "application/pdf", b"MZ this is no PDF")
        .document("p2", "d3", "d3.pdf", "application/pdf", &one_page_pdf("checksum"))
        .write(&program.path("bag"));
    bag.put("data/documents/d3.pdf", &one_page_pdf("changed!"));
    let said = program.deposit(&bag.root);
    assert_eq!(said.code, Some(3), "{said:?}");
    for place in [
        "data/fhir/Observation.ndjson:1",
        "data/fhir/Observation.ndjson:2",
        "data/fhir/Nonsense.ndjson:1",
        "data/fhir/Encounter.ndjson:3",
        "data/fhir/Condition.ndjson:3",
        "data/documents/d2.pdf",
        "data/documents/d3.pdf",
    ] {
        assert!(said.out.contains(place), "{place}: {}", said.out);
    }
    assert!(said.out.contains("Encounter: 2") && said.out.contains("Patient: 2"), "{}", said.out);
    // The same again changes nothing.
    let leaves = program.leaves();
    let again = program.deposit(&bag.root).out;
    assert!(again.starts_with("This bag was deposited before") && again.ends_with(&said.out), "{again}");
    assert_eq!(program.leaves(), leaves);
}

#[test]
fn a_file_of_five_gigabytes_is_refused_by_its_size() {
    let program = Program::new(&people());
    let bag =
        good("31999901").document("p2", "d2", "huge.pdf", "application/pdf", b"%PDF-").write(&program.path("bag"));
    // A sparse file: it takes no room, and reading it would take long.
    let huge = File::options().write(true).open(bag.root.join("data/documents/huge.pdf")).expect("it is there");
    huge.set_len(5 << 30).expect("a sparse file");
    let begun = Instant::now();
    let said = program.deposit(&bag.root);
    assert!(said.out.contains("data/documents/huge.pdf"), "{said:?}");
    assert!(said.out.contains("Encounter: 2"), "the rest goes in: {said:?}");
    assert!(begun.elapsed() < Duration::from_secs(60), "it was read: {:?}", begun.elapsed());
}

#[test]
fn two_people_with_one_ci_are_left_to_a_human() {
    let [one, two] = people();
    let twin = Person { ci: one.ci.clone(), ..two };
    let program = Program::new(&[one, twin]);
    let said = program.deposit(&good("31999901").write(&program.path("bag")).root);
    assert!(said.out.contains("one person"), "{said:?}");
    assert!(said.out.contains("Patient: 2"), "both patients' records are taken: {said:?}");
}

#[test]
fn the_same_bag_twice_at_once_goes_in_once() {
    let program = Program::new(&people());
    let bag = good("31999901").write(&program.path("bag"));
    let start = || {
        Command::new(env!("CARGO_BIN_EXE_hanmaru"))
            .args(["deposit", "--quiet", "--config"])
            .arg(program.config())
            .arg(&bag.root)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("the program starts")
    };
    let ended: Vec<_> =
        [start(), start(), start()].into_iter().map(|child| child.wait_with_output().expect("it ends")).collect();
    let taken = ended.iter().filter(|done| done.status.success()).count();
    assert!(taken >= 1, "{ended:?}");
    for done in ended.iter().filter(|done| !done.status.success()) {
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(said.contains("is being deposited by another process"), "{said}");
    }
    // Patients, visits with a diagnosis each, the document and its resource, the receipt.
    assert_eq!(program.leaves(), 2 + 4 + 2 + 1);
}

#[test]
fn a_missing_site_is_made_up_for_and_two_are_waited_for() {
    let program = Program::new(&people());
    let away = |name: &str| fs::rename(program.path(&format!("sites/{name}")), program.path(name)).expect("moved");
    let back = |name: &str| fs::rename(program.path(name), program.path(&format!("sites/{name}"))).expect("moved back");
    away("c");
    let said = program.deposit(&good("31999901").write(&program.path("bag")).root);
    assert_eq!(said.code, Some(0), "two of three sites are enough: {said:?}");
    let status = program.run(&["status"]);
    assert!(status.code == Some(1) && status.out.contains("site c: NOT reachable"), "{status:?}");
    back("c");
    let status = program.run(&["status", "--repair"]);
    assert_eq!(status.code, Some(0), "{status:?}");
    let files = |name: &str| files_below(&program.path(&format!("sites/{name}")));
    assert_eq!(files("c"), files("a"), "the third site has caught up");
    assert_eq!(files("b"), files("a"));

    away("b");
    away("c");
    let second = good("31999902").write(&program.path("bag-2"));
    let said = program.run_for(&["deposit", "--quiet", second.root.to_str().expect("a path")], Duration::from_secs(8));
    assert!(said.is_none_or(|said| said.code == Some(1)), "nothing is acknowledged with one site");
    back("b");
    back("c");
    let said = program.deposit(&second.root);
    assert_eq!(said.code, Some(0), "it goes on when the sites are back: {said:?}");
    assert_eq!(program.leaves(), 2 * (2 + 4 + 2 + 1));
    assert!(
        program.path("sites/c/log/records/checkpoint").exists(),
        "whoever seals next brings the newest checkpoint too"
    );
}

#[test]
fn a_wrong_key_file_opens_nothing_and_harms_nothing() {
    let program = Program::new(&people());
    let other = Program::new(&[]);
    let bag = good("31999901").write(&program.path("bag"));
    assert_eq!(program.deposit(&bag.root).code, Some(0));
    let right = fs::read(program.path("root.key")).expect("a key");
    fs::write(program.path("root.key"), fs::read(other.path("root.key")).expect("a key")).expect("written");
    let second = good("31999902").write(&program.path("bag-2"));
    refused(&program.deposit(&second.root), "key");
    let mut damaged = right.clone();
    let last = damaged.len() - 4;
    damaged[last] ^= 1;
    fs::write(program.path("root.key"), damaged).expect("written");
    refused(&program.deposit(&second.root), "root.key");
    fs::write(program.path("root.key"), right).expect("written");
    assert_eq!(program.deposit(&second.root).code, Some(0));
    assert_eq!(program.leaves(), 2 * (2 + 4 + 2 + 1));
}

#[test]
fn a_receipt_that_could_not_be_handed_over_is_handed_over_later_and_logged_once() {
    let program = Program::new(&people());
    let bag = good("31999901").write(&program.path("bag"));
    let receipts = program.path("data/archive/receipts");
    fs::create_dir_all(program.path("data/archive")).expect("a folder");
    fs::write(&receipts, "in the way").expect("written");
    refused(&program.deposit(&bag.root), "receipts");
    let leaves = program.leaves();
    fs::remove_file(&receipts).expect("it is there");
    assert_eq!(program.deposit(&bag.root).code, Some(0));
    assert_eq!(program.leaves(), leaves, "its leaf was there already");
    assert_eq!(leaves, 2 + 4 + 2 + 1);
}

/// Every file of a site and its size, checkpoints aside: those are replaced, and whoever seals next brings the newest.
fn files_below(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a folder") {
            let entry = entry.expect("an entry");
            let metadata = entry.metadata().expect("it is there");
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if entry.file_name() != "hanmaru-site.txt" && entry.file_name() != "checkpoint" {
                let path = entry.path();
                let below = path.strip_prefix(folder).expect("it is below");
                found.push((below.display().to_string(), metadata.len()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_folder_that_hangs_keeps_nobody_waiting_who_makes_an_installation() {
    let program = Program::new(&people());
    // Whoever reads a pipe that nobody writes to waits for ever, as for a share whose server is gone.
    let marker = program.path("key_stores/c/hanmaru-keys.txt");
    fs::remove_file(&marker).expect("it is there");
    assert!(Command::new("mkfifo").arg(&marker).status().is_ok_and(|status| status.success()));
    let begun = Instant::now();
    refused(&program.run(&["init"]), "key_stores/c does not answer: its disk or network share hangs");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}
