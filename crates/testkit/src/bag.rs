//! Bags made by hand: small, right to begin with, and spoilt one fault at a time.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use synth::people::Person;

/// The system of national numbers in a Patient's identifiers.
pub const NATIONAL_NUMBERS: &str = "https://mois.go.kr/rrn";
/// The system of document kinds.
const KINDS: &str = "https://hanmaru.example/CodeSystem/document-kind";

/// Collects what a bag is to hold. Everything made with the named methods is right; [`BagBuilder::line`] and
/// [`BagBuilder::file`] take anything.
#[derive(Debug, Clone)]
pub struct BagBuilder {
    info: Vec<(String, String)>,
    files: BTreeMap<String, Vec<u8>>,
}

impl BagBuilder {
    /// A bag of a clinic that closed on 2025-03-31.
    #[must_use]
    pub fn new(institution_code: &str) -> Self {
        let info = [
            ("Institution-Code", institution_code),
            ("Institution-Name", "시험의원"),
            ("Institution-Kind", "31"),
            ("Institution-Address", "서울특별시 종로구 시험로 1"),
            ("Closure-Date", "2025-03-31"),
            ("Depositor", "시험 원장"),
            ("Record-Format", "FHIR R4 4.0.1"),
            ("Synthetic", "yes"),
        ];
        let info = info.map(|(label, value)| (label.to_owned(), value.to_owned())).to_vec();
        Self { info, files: BTreeMap::new() }
    }

    /// Sets a label of `bag-info.txt`, or with `None` leaves it out.
    #[must_use]
    pub fn info(mut self, label: &str, value: Option<&str>) -> Self {
        self.info.retain(|(known, _)| known != label);
        self.info.extend(value.map(|value| (label.to_owned(), value.to_owned())));
        self
    }

    /// Adds a resource to the file of its type.
    ///
    /// # Panics
    /// Where it has no `resourceType`.
    #[must_use]
    pub fn resource(self, resource: &Value) -> Self {
        let resource_type = resource["resourceType"].as_str().expect("a resource names its type").to_owned();
        self.line(&resource_type, resource.to_string())
    }

    /// Adds a line, whatever it is, to `data/fhir/<name>.ndjson`.
    #[must_use]
    pub fn line(mut self, name: &str, line: impl AsRef<[u8]>) -> Self {
        let file = self.files.entry(format!("data/fhir/{name}.ndjson")).or_default();
        file.extend_from_slice(line.as_ref());
        file.push(b'\n');
        self
    }

    /// Adds a payload file, whatever it is, by its path in the bag.
    #[must_use]
    pub fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.to_owned(), bytes.into());
        self
    }

    /// Adds a patient who is this person.
    #[must_use]
    pub fn patient(self, id: &str, person: &Person) -> Self {
        self.patient_with(id, person, &json!({}))
    }

    /// Adds a patient who is this person, with further members of the resource.
    ///
    /// # Panics
    /// Where `more` is no object.
    #[must_use]
    pub fn patient_with(self, id: &str, person: &Person, more: &Value) -> Self {
        let mut patient = json!({
            "resourceType": "Patient",
            "id": id,
            "identifier": [{"system": NATIONAL_NUMBERS, "value": person.rrn}],
            "name": [{"text": person.name}],
            "gender": person.sex.code(),
            "birthDate": person.birth_date.to_string()
        });
        let members = patient.as_object_mut().expect("it is an object");
        members.extend(more.as_object().expect("members of a resource").clone());
        self.resource(&patient)
    }

    /// Adds a visit of a patient on a day, `YYYY-MM-DD`, with one diagnosis: Encounter `<id>`, Condition `<id>-d`.
    #[must_use]
    pub fn visit(self, patient: &str, id: &str, day: &str) -> Self {
        let subject = json!({"reference": format!("Patient/{patient}")});
        self.resource(&json!({
            "resourceType": "Encounter",
            "id": id,
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": subject,
            "period": {"start": format!("{day}T10:00:00+09:00"), "end": format!("{day}T10:20:00+09:00")}
        }))
        .resource(&json!({
            "resourceType": "Condition",
            "id": format!("{id}-d"),
            "code": {"coding": [{"system": "urn:oid:1.2.410.100110.10.1", "code": "J00", "display": "급성 비인두염[감기]"}]},
            "subject": subject,
            "encounter": {"reference": format!("Encounter/{id}")},
            "recordedDate": format!("{day}T10:10:00+09:00")
        }))
    }

    /// Adds a document of a patient: DocumentReference `<id>` and its file `data/documents/<name>`.
    #[must_use]
    pub fn document(self, patient: &str, id: &str, name: &str, content_type: &str, bytes: &[u8]) -> Self {
        self.resource(&json!({
            "resourceType": "DocumentReference",
            "id": id,
            "status": "current",
            "type": {"coding": [{"system": KINDS, "code": "test-report"}]},
            "subject": {"reference": format!("Patient/{patient}")},
            "date": "2024-04-01T10:30:00+09:00",
            "content": [{"attachment": {
                "contentType": content_type,
                "url": format!("documents/{name}"),
                "size": bytes.len()
            }}]
        }))
        .file(&format!("data/documents/{name}"), bytes)
    }

    /// Writes the bag into a new folder.
    ///
    /// # Panics
    /// Where the folder cannot be written.
    #[must_use]
    pub fn write(&self, root: &Path) -> Bag {
        for (path, bytes) in &self.files {
            put(&root.join(path), bytes);
        }
        std::fs::create_dir_all(root.join("data")).expect("a folder for the test can be made");
        put(&root.join("bagit.txt"), b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");
        let info: String = self.info.iter().map(|(label, value)| format!("{label}: {value}\n")).collect();
        put(&root.join("bag-info.txt"), info.as_bytes());
        let bag = Bag { root: root.to_owned() };
        let manifest: String = self.files.iter().map(|(path, bytes)| entry(path, bytes)).collect();
        put(&bag.manifest_path(), manifest.as_bytes());
        bag
    }
}

/// A bag on disk. Its methods spoil it: none but [`Bag::list`] touches the manifest.
#[derive(Debug, Clone)]
pub struct Bag {
    /// Its folder.
    pub root: PathBuf,
}

impl Bag {
    /// Replaces a file by other bytes, or adds one: its checksum is wrong, or it is not listed.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        put(&self.root.join(path), bytes);
    }

    /// Takes a file away that is listed.
    ///
    /// # Panics
    /// Where there is none.
    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.root.join(path)).expect("there is such a file");
    }

    /// Cuts a file after some bytes.
    ///
    /// # Panics
    /// Where there is none.
    pub fn cut(&self, path: &str, bytes: u64) {
        let file = std::fs::File::options().write(true).open(self.root.join(path)).expect("there is such a file");
        file.set_len(bytes).expect("it can be cut");
    }

    /// Adds a line to the manifest: for a path that is not there, or points outside of the bag.
    ///
    /// # Panics
    /// Where the manifest cannot be written.
    pub fn list(&self, path: &str, bytes: &[u8]) {
        let mut manifest = std::fs::read(self.manifest_path()).expect("a bag has a manifest");
        manifest.extend_from_slice(entry(path, bytes).as_bytes());
        put(&self.manifest_path(), &manifest);
    }

    fn manifest_path(&self) -> PathBuf {
        self.root.join("manifest-sha256.txt")
    }
}

fn entry(path: &str, bytes: &[u8]) -> String {
    format!("{}  {path}\n", base::hex(&base::sha256(bytes)))
}

fn put(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("a path below a folder")).expect("a folder for the test can be made");
    std::fs::write(path, bytes).expect("a file for the test can be written");
}

/// The smallest whole PDF that has a page with words on it (ISO 32000-1 section 7.5).
#[must_use]
pub fn one_page_pdf(words: &str) -> Vec<u8> {
    let words: String =
        words.chars().filter(|character| character.is_ascii_alphanumeric() || *character == ' ').collect();
    let content = format!("BT /F1 24 Tf 72 700 Td ({words}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
         /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
    ];
    let mut pdf = String::from("%PDF-1.4\n");
    let mut table = String::from("xref\n0 5\n0000000000 65535 f \n");
    for (place, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", pdf.len()));
        pdf.push_str(&format!("{} 0 obj\n{object}\nendobj\n", place + 1));
    }
    let start = pdf.len();
    pdf.push_str(&table);
    pdf.push_str(&format!("trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"));
    pdf.into_bytes()
}
