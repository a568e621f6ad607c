//! Canaries: texts that nobody else has, written wherever somebody writes something about a person, and then searched for wherever
//! nothing about a person may stand. The compiled program runs, as talkative as it can be.
//!
//! What may be found where is a list with a reason for each entry, in `places`. An entry that nothing needs fails.

mod bag;
mod browser;
pub mod forms;
mod places;
mod town;
mod walk;

use browser::Browser;
use forms::Forms;
use places::Found;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::Command;
use town::{Town, text};

#[test]
fn nothing_about_a_person_is_where_it_must_not_be() {
    let forms = Forms::of(bag::canaries());
    let [one, two] = bag::people();
    let mut town = Town::new(&[one.clone(), two.clone()], forms.text("mail of a member of staff"));
    let folder = town.path("temporary");
    let temporary = || std::fs::metadata(&folder).and_then(|folder| folder.modified()).expect("there");
    let before = temporary();
    let bag = text(&bag::bag(&town.path("bag")));
    let (code, receipt) = town.run(&["deposit", "--quiet", &bag]);
    assert_eq!(code, Some(3), "{receipt}");
    for words in ["Patients who can see their records: 2", "Held back: 6"] {
        assert!(receipt.contains(words), "{words}: {receipt}");
    }
    let patient = town.patients()[0].to_string();
    assert_eq!(town.run(&["watch", "mark", &patient, "decoy"]).0, Some(0));

    let stranger = Browser::at(&town.url());
    walk::stranger(&stranger, &forms);
    let (first, second, third) = (stranger.other(), stranger.other(), stranger.other());
    walk::sign_in(&first, &town, &forms, &one);
    let issued = walk::patient(&first, &forms);
    walk::visitor(&stranger, &town.url(), &forms, &issued);
    let staff = walk::staff(&stranger, &mut town, &forms);
    walk::work(&staff, &forms);
    walk::case(&staff, &forms);
    walk::sign_in(&second, &town, &forms, &two);
    walk::prove(&third, &town, &two);
    walk::recovery(&third, &staff, &forms);
    walk::without_sites(&first, &town);
    walk::operator(&mut town, &forms, &issued);
    let figures = stranger.get(&format!("{}/metrics", town.operator_url())).is(200).text();
    stranger.get(&format!("{}/ready", town.operator_url()));
    town.stop();
    let (code, drill) = town.run(&["rebuild", "--from", "b", "--drill"]);
    let mut faults = Found::of(&town, &stranger, &figures, &forms).faults();
    if temporary() != before {
        faults.push("a temporary file was made".to_owned());
    }
    if code != Some(0) {
        faults.push(format!("the drill did not go well: {drill}"));
    }
    let lost = lost(&stranger, &town, &forms, &receipt);
    faults.extend(lost.into_iter().map(|canary| format!("{canary} was lost on the way")));
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// What no page, document or receipt shows although it went in.
const NOT_SHOWN: [&str; 13] = [
    // A patient is found by it: staff who ask for access, and whoever asks for an erasure, get no further without.
    "chart number",
    "second chart number",
    // Patients are linked with people by it, which the receipt counts.
    "resident number",
    "second resident number",
    "connecting information",
    // In the name of a file whose words are shown.
    "number in a file name",
    // In resources of which other words are shown.
    "passport number",
    "narrative",
    "note in a resource",
    // In what is held back, which the receipt counts.
    "words in a page",
    "loose file",
    "broken line",
    "wrong value",
];

/// Canaries that nobody sent, and of which no page, document, receipt or alert tells that they came through.
fn lost<'f>(browser: &Browser, town: &Town, forms: &'f Forms, receipt: &str) -> Vec<&'f str> {
    let mut seen = BTreeSet::new();
    let mut see = |bytes: &[u8]| seen.extend(forms.found(bytes).into_iter().map(|form| forms.all[form].canary));
    let trail = browser.trail();
    trail.bodies.iter().chain(&trail.sent).for_each(|bytes| see(bytes));
    see(receipt.as_bytes());
    town.alerts.iter().for_each(|heard| see(&heard.lock().expect("no receiver panics")));
    see(&std::fs::read(town.path("reason")).expect("the erasure's reason"));
    match Command::new("pdftotext").arg("-raw").arg(town.path("issued.pdf")).arg("-").output() {
        // Lines are broken where they are full.
        Ok(said) => see(String::from_utf8_lossy(&said.stdout).split_whitespace().collect::<String>().as_bytes()),
        Err(_) => {
            println!("SKIPPED: pdftotext is not installed, so whether the records came through was not looked at");
            return Vec::new();
        }
    }
    let missing = forms.canaries.iter().enumerate().filter(|(place, _)| !seen.contains(place));
    missing.map(|(_, canary)| canary.name).filter(|name| !NOT_SHOWN.contains(name)).collect()
}

#[test]
fn every_canary_is_found_in_every_form() {
    let forms = Forms::of(bag::canaries());
    let folder = tempfile::tempdir().expect("a folder for the test");
    let file = folder.path().join("scratch");
    for (place, form) in forms.all.iter().enumerate() {
        let plain = [b"\0 scratch\xff".as_slice(), &form.bytes, b"\xed scratch"].concat();
        std::fs::write(&file, &plain).expect("written");
        let found = forms.found(&std::fs::read(&file).expect("there"));
        assert!(found.contains(&place), "{} as {}", forms.canaries[form.canary].name, form.name);
    }
    let zlib = |bytes: &[u8]| {
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(bytes).expect("memory");
        packed.finish().expect("memory")
    };
    let gzip = |bytes: &[u8]| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(bytes).expect("memory");
        packed.finish().expect("memory")
    };
    for (place, form) in forms.all.iter().enumerate().step_by(17) {
        for packed in [zlib(&form.bytes), gzip(&form.bytes), gzip(&[b"within ", zlib(&form.bytes).as_slice()].concat())]
        {
            let found = forms.found(&[b"before it ".as_slice(), &packed, b" after it"].concat());
            assert!(found.contains(&place), "packed: {}", form.name);
        }
    }
    assert!(forms.found("어디에도 없는 글 qzx0000 CHT-0000 zz".repeat(500).as_bytes()).is_empty());
}
