//! Targets for what depositors and strangers hand in: bags, bundles of other systems, the directory of institutions, names that
//! are looked for, PDFs, and issued documents that somebody brings back.

use crate::folders;
use crate::house;
use crate::ledger::{SALT, proven};
use ::archive::deposit::bag::{BagError, BagFault};
use ::archive::deposit::{bag, bag_info::BagInfo};
use ::archive::issue::stamp::{self, ProofText};
use ::archive::issue::{DocumentNumber, Inspector, inspector};
use ::archive::verify::{qr_text, verify_by, verify_qr};
use ::archive::{BundleOptions, InstitutionQuery, Receipt, SignedReceipt, from_bundles, hangul};
use base::limits::Limits;
use base::{SeededRandom, hex};
use jiff::civil::{Date, date};
use ledger::{Checkpoint, EntryKind, LogAppender, MemoryTiles, SignerKey, TlogProof, TrustPolicy, commit};
use policy::InstitutionCode;
use serde_json::json;
use std::sync::{Arc, LazyLock};
use store::Log;
use testkit::{BagBuilder, one_page_pdf};

const TODAY: Date = date(2026, 11, 22);
const INFO: &str = "Institution-Code: 31100001\nInstitution-Name: 가온의원\nInstitution-Name-Romanized: Gaon\nInstitution-Kind: 31\nInstitution-Address: 서울특별시 종로구\n 시험로 1\nClosure-Date: 2025-03-31\nDepositor: 원장\nRecord-Format: FHIR R4 4.0.1\nDeclared-Patients: 1\nPayload-Oxum: 3.1\nSynthetic: yes\n";

/// Names of files in a bag, by their number; the last are of payload.
const NAMES: [&str; 10] = [
    "bagit.txt",
    "bag-info.txt",
    "manifest-sha256.txt",
    "manifest-sha512.txt",
    "tagmanifest-sha256.txt",
    "manifest-md5.txt",
    "fetch.txt",
    "data/fhir/Patient.ndjson",
    "data/documents/가.pdf",
    "data/e\u{301}%0a.txt",
];

pub fn bag_seeds() -> Vec<Vec<u8>> {
    let declaration = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
    let payload = b"{}\n";
    let sum = hex(&base::sha256(payload));
    let manifest = format!("{sum}  data/fhir/Patient.ndjson\n");
    let tags = format!(
        "{}  bag-info.txt\n{}  bagit.txt\n",
        hex(&base::sha256(INFO.as_bytes())),
        hex(&base::sha256(declaration))
    );
    let odd = format!(
        "{sum} *data/../../x\n{sum}\tdata/documents/%EA%B0%80.pdf\r\n{sum}  data/a%0Ab\n{}  data/x",
        "0".repeat(128)
    );
    vec![
        folders::joined(&[(0, declaration), (1, INFO.as_bytes()), (2, manifest.as_bytes()), (7, payload)]),
        folders::joined(&[
            (0, declaration),
            (1, INFO.as_bytes()),
            (2, manifest.as_bytes()),
            (4, tags.as_bytes()),
            (7, payload),
        ]),
        folders::joined(&[
            (0, b"\xef\xbb\xbfBagIt-Version: 0.97\n"),
            (1, INFO.as_bytes()),
            (3, odd.as_bytes()),
            (8, b"%PDF-"),
            (9, b"x"),
        ]),
    ]
}

/// A bag: what opens is below `data/` and there; what is refused is refused in bounded words without control characters.
pub fn bag(bytes: &[u8]) {
    let folder = folders::fresh();
    for (which, file) in folders::cut(bytes) {
        folders::write(folder.path(), NAMES[usize::from(which) % NAMES.len()], file);
    }
    match bag::open(folder.path(), &Limits::default(), TODAY) {
        Ok(bag) => {
            assert!(!bag.files.is_empty(), "a bag holds something");
            for file in &bag.files {
                let stays = file.path.starts_with("data/") && !file.path.split('/').any(|part| part == "..");
                assert!(stays && !file.path.chars().any(char::is_control), "{:?}", file.path);
                let meta = folder.path().join(&file.path).metadata().expect("what is listed is there");
                assert_eq!(meta.len(), file.size);
            }
        }
        Err(error) => {
            let text = error.to_string();
            assert!(!text.chars().any(char::is_control), "{text:?}");
            let BagError::Refused(faults) = error else { panic!("{text}") };
            assert!((1..=1_001).contains(&faults.len()) && text.len() < 2_000 * (faults.len() + 1));
            assert!(!faults.contains(&BagFault::More) || faults.len() == 1_001);
        }
    }
}

pub fn info_seeds() -> Vec<Vec<u8>> {
    let suspended =
        INFO.replace("Closure-Date: 2025-03-31", "Suspension-Start: 2026-01-01\nSuspension-End: 2027-01-01");
    vec![INFO.as_bytes().to_vec(), suspended.replace('\n', "\r\n").into_bytes()]
}

/// `bag-info.txt`: values are short and have no control characters, and days are of our time.
pub fn info(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match BagInfo::parse(text, TODAY) {
        Ok(info) => {
            let shown = [&info.institution_name, &info.institution_address, &info.depositor].into_iter();
            let optional = [&info.institution_name_romanized, &info.institution_region, &info.payload_oxum];
            for value in shown.chain(optional.into_iter().flatten()) {
                assert!(value.chars().count() <= 300 && !value.chars().any(char::is_control), "{value:?}");
            }
        }
        Err(faults) => assert!(!faults.is_empty() && faults.len() <= text.len() + 32),
    }
}

pub fn bundle_seeds() -> Vec<Vec<u8>> {
    let resources: Vec<String> = crate::fhir::json_seeds()
        .into_iter()
        .take(4)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    let entry = |resource: &String| format!(r#"{{"fullUrl":"urn:uuid:0","resource":{resource}}}"#);
    let entries: Vec<String> = resources.iter().map(entry).collect();
    let bundle = |kind: &str| format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{}]}}"#, entries.join(","));
    vec![bundle("collection").into_bytes(), bundle("transaction").into_bytes(), resources[0].clone().into_bytes()]
}

/// A bundle of another system: what is converted is a bag that opens.
pub fn bundle(bytes: &[u8]) {
    let folder = folders::fresh();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    folders::write(&from, "one.json", bytes);
    let options = BundleOptions {
        code: InstitutionCode::new("31100001").expect("a code"),
        name: "가온의원".to_owned(),
        romanised: String::new(),
        kind: "31".to_owned(),
        address: "서울특별시 종로구".to_owned(),
        closed_on: date(2025, 3, 31),
        depositor: "원장".to_owned(),
        national_number: &|_| None,
    };
    let Ok(converted) = from_bundles(&from, &to, &options) else { return };
    match bag::open(&to, &Limits::default(), TODAY) {
        Ok(bag) => assert!(converted.documents <= bag.files.len() as u64, "every document is a file"),
        Err(BagError::Refused(faults)) => assert!(converted.resources == 0, "{faults:?}"),
        Err(error) => panic!("{error}"),
    }
}

pub fn deposit_seeds() -> Vec<Vec<u8>> {
    let seed = |mode: u8, bytes: &[u8]| [&[mode][..], bytes].concat();
    let mut seeds: Vec<Vec<u8>> = crate::fhir::json_seeds().iter().map(|line| seed(0, line)).collect();
    seeds.push(seed(1, &one_page_pdf("one")));
    seeds.push(seed(2, &PNG));
    seeds.push(seed(0, br#"{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p1"},"encounter":{"reference":"Encounter/v1"},"code":{"text":"x"},"meta":{"versionId":"18446744073709551615","lastUpdated":"9999-12-31T23:59:59Z"}}"#));
    seeds
}

/// A whole deposit with one line, or one document, that is anything. It always ends with a receipt that its log committed to.
pub fn deposit(bytes: &[u8]) {
    let Some((mode, bytes)) = bytes.split_first() else { return };
    // The same input is the same institution's, whatever came before.
    let code = format!("F{}", &hex(&base::sha256(bytes))[..12]);
    let folder = folders::fresh();
    let person = testkit::person("김하늘");
    let bag = BagBuilder::new(&code).patient("p1", &person).visit("p1", "v1", "2024-03-31");
    let bag = match mode % 3 {
        0 => bag.line("Observation", bytes),
        1 => bag.document("p1", "d1", "one.pdf", "application/pdf", bytes),
        _ => bag.document("p1", "d1", "one.png", "image/png", bytes),
    };
    let bag = bag.write(&folder.path().join("bag"));
    house::with(|house| {
        let signed = house.world.deposit(&bag.root).unwrap_or_else(|error| panic!("{error}"));
        let key = house.world.store().verifier_key(Log::Records);
        signed.verify(&[key]).expect("its log committed to it");
        assert!(signed.receipt.taken.resources >= 3, "what stands beside a faulty line is taken");
        assert!(signed.to_json().len() < (64 << 10) + 16 * bytes.len(), "a receipt repeats no values");
    });
}

pub fn directory_seeds() -> Vec<Vec<u8>> {
    let lines = "{\"code\":\"31100001\",\"name\":\"가온의원\",\"kind\":\"31\",\"holding\":\"kept-by-owner\",\"closed_on\":\"2020-01-31\",\"region\":\"강원특별자치도 원주시\"}\n\n{\"code\":\"A-1\",\"name\":\"Seoul Clinic\",\"romanised\":\"Seoul\",\"kind\":\"11\",\"suspended_from\":\"2024-01-01\",\"address\":\"x\",\"synthetic\":true}";
    vec![lines.as_bytes().to_vec(), "가온의원".as_bytes().to_vec(), "ㄱㅇㅇㅇ 원주".as_bytes().to_vec()]
}

/// The directory of institutions, line by line, and a search for what stands in it.
pub fn directory(bytes: &[u8]) {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    house::with(|house| {
        let archive = house.world.archive();
        let report = archive.import_institutions(&mut &bytes[..]).expect("memory can be read");
        assert!(report.taken + report.refused <= lines && report.faults.len() as u64 <= report.refused);
        let text = String::from_utf8_lossy(bytes).into_owned();
        let region = text.split_once(' ').map(|(_, region)| region.to_owned());
        let query = InstitutionQuery { text, region, ..InstitutionQuery::default() };
        assert!(archive.search(&query, 20).expect("the store can be read").len() <= 20);
    });
}

pub fn name_seeds() -> Vec<Vec<u8>> {
    let number = DocumentNumber::random(2026, &SeededRandom::new(3));
    let texts = [
        "서울대학교병원 (합성)",
        "ㅅ울ㅂㅇ",
        "\u{1109}\u{1165}\u{110b}\u{116e}\u{11af}",
        "ㅄㄳㄼ가나다",
        "İstanbul Klinik",
        "hm 2026 OIL0",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).chain([number.to_string().into_bytes()]).collect()
}

/// Names that people type, and numbers of documents.
pub fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let folded = hangul::folded(text);
    assert_eq!(hangul::folded(&folded), folded, "folding is done once");
    assert_eq!(hangul::initials(&folded), hangul::initials(text));
    assert!(folded.is_empty() || hangul::find(&folded, &folded) == Some(0), "a name is found by itself");
    assert!(hangul::romanised(text).len() <= 16 * text.len() + 16);
    if let Ok(number) = text.parse::<DocumentNumber>() {
        assert_eq!(number.to_string().parse(), Ok(number.clone()), "a number is read as it is shown");
        let _ = text.trim().parse::<DocumentNumber>();
    }
}

/// One issued file, and who is to be believed about it.
struct Issued {
    bytes: Vec<u8>,
    trust: TrustPolicy,
}

static ISSUED: LazyLock<Issued> = LazyLock::new(|| {
    let objects = ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[]/Count 0>>", "<</Producer(x)>>"];
    let mut pdf = String::from("%PDF-1.7\n");
    let mut table = String::from("xref\n0 4\n0000000000 65535 f \n");
    for (place, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", pdf.len()));
        pdf.push_str(&format!("{} 0 obj\n{object}\nendobj\n", place + 1));
    }
    let start = pdf.len();
    pdf.push_str(&format!("{table}trailer\n<</Size 4/Root 1 0 R/Info 3 0 R/ID[(a)(a)]>>\nstartxref\n{start}\n%%EOF\n"));
    let number = DocumentNumber::random(2026, &SeededRandom::new(3));
    let unsealed = stamp::prepare(pdf.into_bytes()).expect("it is in the typesetter's form");
    let signer = SignerKey::from_seed("log.example/records", &[1; 32]).expect("a plain name");
    let mut entries = vec![commit(&[1; 32], EntryKind::Access, b"x"); 9];
    entries[4] = commit(&[7; 32], EntryKind::Issued, &stamp::leaf_content(&number, unsealed.hash()));
    let (mut log, mut tiles) = (LogAppender::new(), MemoryTiles::new());
    let batch = log.append(&entries);
    tiles.absorb(&batch);
    let signed = Checkpoint::new(signer.name(), batch.size, batch.root).sign(&signer).expect("its own name");
    let proof = TlogProof::make(4, &signed, &tiles).expect("the tiles are whole");
    let bytes = stamp::fill(unsealed, &number, [7; 32], proof).expect("the proof fits");
    Issued { bytes, trust: TrustPolicy::without_witnesses(&[signer.verifier().clone()]) }
});

pub fn issued_seeds() -> Vec<Vec<u8>> {
    let issued = &*ISSUED;
    let text = qr_text(&issued.bytes, &issued.trust).expect("it verifies");
    let at = issued.bytes.windows(8).position(|window| window == b"hanmaru-").expect("it has a proof");
    vec![issued.bytes.clone(), issued.bytes[at..at + 8192].to_vec(), text.into_bytes()]
}

/// An issued document, its proof alone, and the text of its square. What verifies is what was issued.
pub fn issued(bytes: &[u8]) {
    let issued = &*ISSUED;
    match verify_by(bytes, &issued.trust) {
        Ok(_) => {
            assert!(bytes == issued.bytes, "no byte of an issued file is free");
            qr_text(bytes, &issued.trust).expect("it verifies");
        }
        Err(fault) => assert!(qr_text(bytes, &issued.trust).is_err() && fault.to_string().len() < 1_000),
    }
    if let Ok(proof) = ProofText::parse(bytes) {
        let end = bytes.iter().rposition(|byte| *byte != b' ').map_or(0, |at| at + 1);
        assert_eq!(proof.to_bytes(), &bytes[..end], "a proof has one spelling, and spaces fill its place");
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(verified) = verify_qr(text, &issued.trust)
    {
        assert_eq!((verified.index, verified.size), (4, 9), "nothing else was issued");
    }
}

/// One receipt, and who is to be believed about it.
static RECEIPT: LazyLock<(SignedReceipt, TrustPolicy)> = LazyLock::new(|| {
    let sums = json!({ "patients": 1, "resources": 2, "by_type": { "Patient": 1, "Encounter": 1 }, "documents": 0, "warnings": 0 });
    let fault =
        json!({ "file": "data/fhir/Encounter.ndjson", "line": 2, "fault": "json", "reason": "x", "kept": true });
    let receipt: Receipt = serde_json::from_value(json!({
        "format": 2, "number": "00".repeat(16), "institution_code": "31100001", "institution_name": "가온의원",
        "depositor": "원장", "closed_on": "2025-03-31", "suspended": null, "received": "2026-11-22T03:00:00Z",
        "sealed": "2026-11-22T03:00:01Z", "manifest_sha256": "00".repeat(32), "synthetic": true,
        "declared": { "patients": 1, "resources": 3, "documents": null }, "taken": sums,
        "held_back": { "resources": 1, "by_fault": { "json": 1 }, "listed": [fault], "unlisted": 0 },
        "links": { "linked": 1, "unknown": 0, "without_number": 0, "doubled": 0 },
        "ledger": { "log": "records", "size_before": 0, "size_after": 4 },
    }))
    .expect("it has the form of one");
    let (proof, key) = proven(EntryKind::Receipt, &receipt.content());
    let proof = String::from_utf8(proof.to_bytes()).expect("ASCII");
    let signed = SignedReceipt { receipt, leaf: 4, salt: hex(&SALT), proof, again: false };
    (signed, TrustPolicy::without_witnesses(&[key]))
});

pub fn receipt_seeds() -> Vec<Vec<u8>> {
    let whole = RECEIPT.0.to_json();
    let narrow = serde_json::to_string(&RECEIPT.0).expect("JSON");
    vec![whole.clone().into_bytes(), format!("{whole}\r\n").into_bytes(), narrow.into_bytes()]
}

/// The file of a receipt. It has one spelling, and what is genuine says what was committed to.
pub fn receipt(bytes: &[u8]) {
    let (genuine, trust) = &*RECEIPT;
    match SignedReceipt::parse(bytes) {
        Ok(signed) => {
            let end = bytes.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |at| at + 1);
            assert_eq!(signed.to_json().as_bytes(), &bytes[..end], "a receipt has one spelling");
            match signed.verify_by(trust) {
                Ok(_) => assert_eq!((&signed.receipt, signed.leaf), (&genuine.receipt, genuine.leaf)),
                Err(fault) => assert!(fault.to_string().len() < 1_000),
            }
            assert!(signed.verify(&[]).is_err(), "no key is pinned");
        }
        Err(fault) => assert!(fault.to_string().len() < 1_000),
    }
}

pub fn inspector_seeds() -> Vec<Vec<u8>> {
    let ask = |code: u8, file: &[u8]| [&[code][..], &(file.len() as u64).to_be_bytes(), file].concat();
    let questions = [ask(2, &one_page_pdf("one page")), ask(2, b"%PDF-1.4"), ask(2, &PNG)].concat();
    let mut answers = Vec::new();
    inspector::answer(&mut questions.as_slice(), &mut answers).expect("each is answered");
    answers.chunks(inspector::ANSWER_BYTES).map(<[u8]>::to_vec).collect()
}

/// The answer of an inspecting process, which a file may have taken over: what there is no reason or format for is no answer.
pub fn inspector(bytes: &[u8]) {
    let mut answer = [0; inspector::ANSWER_BYTES];
    let len = bytes.len().min(answer.len());
    answer[..len].copy_from_slice(&bytes[..len]);
    let expected = match answer {
        [1..=3, 0, _, _, _, _, 0 | 1, ..] => Some(true),
        [0, 0..=5, ref rest @ ..] if rest.iter().all(|byte| *byte == 0) => Some(false),
        _ => None,
    };
    assert_eq!(inspector::says_drawable(answer), expected, "{answer:?}");
}

/// One black pixel.
const PNG: [u8; 67] = [
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0, 0, 1, 8,
    0, 0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x60, 0, 0, 0, 2, 0,
    1, 0x48, 0xaf, 0xa4, 0x71, 0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

pub fn pdf_seeds() -> Vec<Vec<u8>> {
    let pdf = one_page_pdf("one page");
    let nested = String::from_utf8_lossy(&pdf).replace("/Kids [3 0 R]", "/Kids [3 0 R [[[<<>>]]] 2 0 R]").into_bytes();
    vec![
        pdf,
        nested,
        PNG.to_vec(),
        ISSUED.bytes.clone(),
        b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec(),
    ]
}

/// A file that somebody deposited: whether it can be read and drawn is answered. What cannot be read cannot be drawn.
pub fn pdf(bytes: &[u8]) {
    let inspector = Inspector::new(None);
    let reads = inspector.can_read(bytes);
    let draws = inspector.can_draw(&Arc::from(bytes));
    assert!(reads || !draws, "it is drawn and cannot be read");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeds that nothing would take would test the first check alone.
    #[test]
    fn seeds_are_whole() {
        let inspector = Inspector::new(None);
        assert!(inspector.can_read(&pdf_seeds()[0]) && inspector.can_draw(&Arc::from(&pdf_seeds()[0][..])));
        assert!(inspector.can_draw(&Arc::from(&PNG[..])), "a picture");
        assert!(info_seeds().iter().all(|text| BagInfo::parse(&String::from_utf8_lossy(text), TODAY).is_ok()));
        assert!(verify_by(&issued_seeds()[0], &ISSUED.trust).is_ok());
        let given = SignedReceipt::parse(&receipt_seeds()[1]).expect("one spelling, with a line end");
        assert!(given == RECEIPT.0 && given.verify_by(&RECEIPT.1).is_ok());
        let drawable =
            inspector_seeds().into_iter().map(|answer| inspector::says_drawable(answer.try_into().expect("whole")));
        assert_eq!(drawable.collect::<Vec<_>>(), [Some(true), Some(false), Some(true)]);
        let folder = folders::fresh();
        for (which, file) in folders::cut(&bag_seeds()[1]) {
            folders::write(folder.path(), NAMES[usize::from(which)], file);
        }
        let opened = bag::open(folder.path(), &Limits::default(), TODAY);
        assert!(opened.is_ok(), "{opened:?}");
    }
}
