//! One line of NDJSON becomes a version that is ready to be written, or a refusal that says why not. Needs no database but for
//! patients who are not in the bag.

use super::bag::Bag;
use super::fault::{Fault, Refusal};
use super::found_by;
use crate::members::{NATIONAL_SYSTEMS, attachments};
use crate::records::unmarked;
use crate::retention::Retention;
use crate::tables::DocumentRow;
use base::{Id16, Redacted, Timestamp};
use fhir::Value;
use fhir::date::Interval;
use fhir::reference::Target;
use fhir::search::{clinical_date, encounter_of, patient_of};
use policy::{InstitutionCode, Owner, Permit};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use store::{Edition, Indexing, NewVersion, Prepared, Store, StoreError};

/// Code system of document kinds, whatever the installation's name is.
const KIND_SYSTEM_END: &str = "/CodeSystem/document-kind";
/// Faults of one resource that a reason names.
const FAULTS_NAMED: usize = 5;
/// Patients of earlier deposits that are remembered, so that each is looked up once.
const REMEMBERED_MAX: usize = 100_000;

/// What does not change from line to line.
pub(crate) struct Taker<'a> {
    pub(crate) store: &'a Store,
    pub(crate) permit: &'a Permit,
    pub(crate) institution: &'a InstitutionCode,
    pub(crate) patients: &'a Patients,
    /// Where documents that are pointed to are looked for.
    pub(crate) bag: &'a Bag,
    pub(crate) limits: fhir::Limits,
    pub(crate) indexing: Indexing<'a>,
    /// The date of what has none, for retention.
    pub(crate) fallback: Timestamp,
    /// The edition by which the deposit is kept.
    pub(crate) retention: &'static Retention,
}

/// A line that is taken.
pub(crate) struct Taken {
    pub(crate) owner: Owner,
    pub(crate) version: Prepared,
    pub(crate) kind: &'static str,
    pub(crate) warnings: u64,
    pub(crate) documents: Vec<DocumentRow>,
}

/// Who is known: patients of the bag, and of earlier deposits of the same institution.
#[derive(Default)]
pub(crate) struct Patients {
    in_bag: HashSet<Id16>,
    /// Patients of the bag whose ids stand here for somebody else.
    disputed: HashSet<Id16>,
    /// Patients of the bag who were erased: nothing of them is taken or kept.
    erased: HashSet<Id16>,
    here: Mutex<HashMap<Id16, bool>>,
}

impl Patients {
    pub(crate) fn insert(&mut self, patient: Id16) {
        self.in_bag.insert(patient);
    }

    pub(crate) fn len(&self) -> usize {
        self.in_bag.len()
    }

    pub(crate) fn dispute(&mut self, patients: impl IntoIterator<Item = Id16>) {
        self.disputed.extend(patients);
    }

    pub(crate) fn is_disputed(&self, patient: Id16) -> bool {
        self.disputed.contains(&patient)
    }

    /// Notes which patients of the bag were erased.
    pub(crate) fn note_erased(&mut self, store: &Store) -> Result<(), StoreError> {
        let patients: Vec<Owner> = self.in_bag.iter().copied().map(Owner::Patient).collect();
        for some in patients.chunks(store::WRITE_MAX) {
            let erased = some.iter().zip(store.erased(some)?).filter(|(_, erased)| *erased);
            self.erased.extend(erased.map(|(owner, _)| owner.id()));
        }
        Ok(())
    }

    /// Whether anybody of the bag was erased: then a file that nothing points to may be theirs.
    pub(crate) fn has_erased(&self) -> bool {
        !self.erased.is_empty()
    }

    pub(crate) fn is_in_bag(&self, patient: Id16) -> bool {
        self.in_bag.contains(&patient)
    }

    /// Whether the patient whom the institution calls so, and who has this owner here, is one of them.
    fn knows(&self, taker: &Taker<'_>, owner: Owner, source_id: &str) -> Result<bool, StoreError> {
        if self.in_bag.contains(&owner.id()) {
            return Ok(true);
        }
        if let Some(known) = self.here.lock().unwrap_or_else(PoisonError::into_inner).get(&owner.id()) {
            return Ok(*known);
        }
        let key = taker.store.ids().key(owner, taker.institution, "Patient", source_id);
        let known = taker.store.leaf_positions(taker.permit, &[key])?.iter().any(Option::is_some);
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        if here.len() < REMEMBERED_MAX {
            here.insert(owner.id(), known);
        }
        Ok(known)
    }
}

/// Parses and validates a line.
pub(crate) fn parse<'a>(line: &'a [u8], limits: &fhir::Limits) -> Result<(Value<'a>, &'static str, u64), Refusal> {
    let value = fhir::json::parse(unmarked(line), limits)
        .map_err(|error| Refusal::new(Fault::BrokenLine, error.to_string()))?;
    let Some(kind) = value.str("resourceType") else {
        return Err(Refusal::new(Fault::BrokenLine, "not a resource: a JSON object with a resourceType"));
    };
    let Some(known) = fhir::tables::tables().resource(kind) else {
        return Err(Refusal::new(Fault::UnknownType, "resourceType is not a resource type of FHIR R4"));
    };
    let report = fhir::validate(&value);
    if !report.is_valid() {
        return Err(Refusal::new(Fault::Invalid, reasons(&report)));
    }
    if value.str("id").is_none() {
        return Err(Refusal::new(Fault::Invalid, "the resource has no id"));
    }
    Ok((value, fhir::tables::tables().get(known).name, report.faults.len() as u64))
}

fn reasons(report: &fhir::Report) -> String {
    let named: Vec<String> = report.errors().take(FAULTS_NAMED).map(ToString::to_string).collect();
    let more = report.errors().count().saturating_sub(FAULTS_NAMED);
    let and = if report.has_more { " and at least" } else { " and" };
    if more == 0 { named.join("; ") } else { format!("{}{and} {more} more faults", named.join("; ")) }
}

impl Taker<'_> {
    /// Takes a line that stands at a place of the deposit.
    ///
    /// # Errors
    /// Those of the store. A line that is not taken is no error but a refusal.
    pub(crate) fn take(&self, line: &[u8], place: u64) -> Result<Result<Taken, Refusal>, StoreError> {
        let (value, kind, warnings) = match parse(line, &self.limits) {
            Ok(parsed) => parsed,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let owner = match self.owner(&value, kind)? {
            Ok(owner) => owner,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let source_id = value.str("id").unwrap_or_default();
        let date = clinical_date(&value, &self.indexing.options).and_then(moment);
        let class = self.retention.class(kind, document_kind(&value));
        let expiry_year = class.expiry_year(date.unwrap_or(self.fallback));
        let encounter = match encounter_of(&value) {
            Some(Target::Relative { id, .. }) => Some(self.store.ids().resource(self.institution, "Encounter", id)),
            _ => None,
        };
        let version = self.store.prepare(
            self.permit,
            NewVersion {
                owner,
                institution: self.institution,
                resource_type: kind,
                source_id,
                class: &class.name,
                expiry_year,
                bytes: unmarked(line),
                date,
                encounter,
                index: found_by::rows(&value, self.institution, &self.indexing, &|ci| self.store.ci_hash(ci)),
                edition: edition(&value, place),
            },
        );
        let version = match version {
            // What one resource has too much of is its own fault, not the deposit's.
            Err(error @ StoreError::Limit { .. }) => {
                return Ok(Err(Refusal::new(Fault::Invalid, error.to_string())));
            }
            other => other?,
        };
        let place_of = |path: &str| self.bag.place(path);
        let mut documents = documents(&value, owner, class.name.as_str(), expiry_year, &place_of);
        documents.iter_mut().for_each(|row| row.source = place.try_into().ok());
        Ok(Ok(Taken { owner, version, kind, warnings, documents }))
    }

    /// Whether it is known by now whom a line is about.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn knows_owner(&self, line: &[u8]) -> Result<bool, StoreError> {
        let Ok((value, kind, _)) = parse(line, &self.limits) else { return Ok(false) };
        Ok(self.owner(&value, kind)?.is_ok())
    }

    /// Whose it is: the patient whose compartment it is in, else the institution. Where it names somebody and it cannot be told
    /// whom, it is held back: as the institution's own nobody would ever see it.
    fn owner(&self, value: &Value<'_>, kind: &str) -> Result<Result<Owner, Refusal>, StoreError> {
        let nobody = |why: &str| Ok(Err(Refusal::new(Fault::Nobody, format!("{kind}{why}"))));
        if let Some(element) = unclear(value) {
            return nobody(&format!(".{element}: no reference such as Patient/ID, so it is unknown whose it is"));
        }
        let first = match patient_of(value).first().copied().or_else(|| about(value)) {
            Some(target) => target,
            None => match unplaced(kind) {
                Some(why) => return nobody(why),
                None => return Ok(Ok(Owner::institution(self.institution))),
            },
        };
        let source_id = match first {
            Target::Relative { id, .. } => id,
            // The same id at another server is another patient.
            Target::Absolute { .. } => {
                return nobody(
                    ": its patient is at an address of another server; refer to a patient of the bag as Patient/ID",
                );
            }
            _ => return nobody(": its patient is neither in the bag nor here"),
        };
        let owner = self.store.ids().patient(self.institution, source_id);
        if self.patients.is_disputed(owner.id()) {
            return Ok(Err(Refusal::new(Fault::DisputedPatient, format!("{kind}: {DISPUTED}"))));
        }
        let erased = match self.patients.is_in_bag(owner.id()) {
            true => self.patients.erased.contains(&owner.id()),
            false => self.store.erased(&[owner])?[0],
        };
        if erased {
            return Ok(Err(Refusal::new(Fault::ErasedPatient, format!("{kind}: {ERASED}"))));
        }
        if self.patients.knows(self, owner, source_id)? {
            return Ok(Ok(owner));
        }
        nobody(": its patient is neither in the bag nor here")
    }
}

/// The elements that tell whom a resource is about. Others of the patient compartment, such as performers, may be about somebody
/// else or carry a name alone.
const ABOUT: [&str; 5] = ["subject", "patient", "beneficiary", "individual", "for"];

/// The patient whom a resource is about that R4 counts to nobody's compartment, such as a Device.
fn about<'v>(value: &'v Value<'_>) -> Option<Target<'v>> {
    let value: &'v Value<'v> = value;
    let is_patient = |target: &Target<'_>| target.kind() == Some("Patient");
    let references = ABOUT.into_iter().flat_map(|name| value.each(name)).chain(value.get("securityContext"));
    references.filter_map(|one| one.str("reference").map(Target::parse)).find(is_patient)
}

/// Why a resource that names no patient is not the institution's own: it may hold a patient's records, which nobody would ever see.
fn unplaced(kind: &str) -> Option<&'static str> {
    match kind {
        "Bundle" | "Parameters" => Some(
            ": what lies within it is not taken, and nothing says whose it is; write each resource on a line of its own \
             (`hanmaru deposit --from-bundles` does so for a demonstration)",
        ),
        "Binary" => Some(
            ": nothing says whose it is; put the file below data/documents, and let the patient's DocumentReference point to it",
        ),
        _ => None,
    }
}

/// Why nobody is told more of a patient.
const DISPUTED: &str = "its patient's id stands here for somebody of another name or birth date, who is another person to the \
                        identity agency or unknown to it: a human must find out whether the institution's code, the id or the \
                        national number is wrong; what stands here stays as it is";

/// Why nothing is taken of a patient.
const ERASED: &str = "its patient was erased here under the law; nothing about them is taken or kept";

/// The element that says whom the resource is about in a way that cannot be told: no reference, or none that R4 knows
/// (section 2.3.0). One that leads to a group, a device or the like is clear.
fn unclear(value: &Value<'_>) -> Option<&'static str> {
    let is_unclear = |one: &Value<'_>| {
        if !matches!(one, Value::Object(_)) || one.get("coding").is_some() {
            return false;
        }
        let kind = one.str("type");
        match one.str("reference").map(Target::parse) {
            Some(Target::Contained(name)) => {
                let contained = value.each("contained").find(|inside| inside.str("id") == Some(name));
                contained.and_then(|inside| inside.str("resourceType")).is_none_or(|kind| kind == "Patient")
            }
            // Held back for what it is: an entry of a bundle that is not here.
            Some(Target::Urn(_)) => false,
            Some(target) => target.kind().or(kind).is_none(),
            None => kind.is_none_or(|kind| kind == "Patient"),
        }
    };
    ABOUT.into_iter().find(|name| value.each(name).any(is_unclear))
}

/// What a resource says of its edition (R4 section 2.21.0.2).
fn edition(value: &Value<'_>, place: u64) -> Edition {
    let word = |name| value.get("meta").and_then(|meta| meta.str(name));
    Edition {
        place: Some(place),
        updated: word("lastUpdated").and_then(|text| text.parse().ok()),
        number: word("versionId").and_then(|text| text.parse().ok()),
    }
}

/// The resident registration number of a Patient, or what stands for it: 13 digits.
pub(crate) fn national_number(patient: &Value<'_>) -> Option<Redacted<String>> {
    let is_national = |identifier: &&Value<'_>| {
        let kind = identifier.get("type");
        identifier.str("system").is_some_and(|system| NATIONAL_SYSTEMS.contains(&system))
            || kind.is_some_and(|kind| kind.each("coding").any(|coding| coding.str("code") == Some("NNKOR")))
    };
    let digits = |identifier: &Value<'_>| -> Option<String> {
        use unicode_normalization::UnicodeNormalization;
        // Full-width digits become plain ones; hyphens of every kind and white space say nothing.
        let is_filler =
            |letter: &char| letter.is_whitespace() || matches!(letter, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
        let number: String = identifier.str("value")?.nfkc().filter(|letter| !is_filler(letter)).take(14).collect();
        (number.len() == 13 && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
    };
    patient.each("identifier").filter(is_national).find_map(digits).map(Redacted::new)
}

fn moment(interval: Interval) -> Option<Timestamp> {
    let us = if interval.low_us == Interval::BEGIN_US { interval.high_us } else { interval.low_us };
    if us == Interval::END_US { None } else { Timestamp::from_microsecond(us).ok() }
}

/// The kind of a DocumentReference in this project's code system.
pub(crate) fn document_kind<'v>(value: &'v Value<'_>) -> Option<&'v str> {
    let codings = value.get("type")?.each("coding");
    let ours = |coding: &&Value<'_>| coding.str("system").is_some_and(|system| system.ends_with(KIND_SYSTEM_END));
    codings.into_iter().find(ours).and_then(|coding| coding.str("code"))
}

/// The paths in the bag that an attachment's address may mean, likeliest first; none where it leads elsewhere. An address is a
/// URI, in which names stand percent-encoded (RFC 3986 section 2.1), and many systems write the plain name all the same.
pub(crate) fn document_paths(url: &str) -> Vec<String> {
    let path = |text: &str| {
        let below = text.trim_start_matches("./");
        let below = below.strip_prefix("data/").unwrap_or(below);
        below.starts_with("documents/").then(|| format!("data/{}", crate::institutions::composed(below)))
    };
    let decoded = percent_decoded(url).filter(|text| !text.contains(char::is_control));
    path(url).into_iter().chain(decoded.as_deref().and_then(path)).collect()
}

/// What percent-encoding stands for; `None` where nothing is encoded, or it is no UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| *first == b'%');
        let byte = pair.and_then(|pair| base::unhex(std::str::from_utf8(pair).ok()?)).map(|byte| byte[0]);
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

fn documents(
    value: &Value<'_>,
    owner: Owner,
    class: &str,
    expiry_year: u16,
    place_of: &dyn Fn(&str) -> Option<usize>,
) -> Vec<DocumentRow> {
    let mut found = Vec::new();
    let mut add = |attachment: &Value<'_>| {
        let mut paths = attachment.str("url").map(document_paths).unwrap_or_default();
        let Some(last) = paths.len().checked_sub(1) else { return };
        let here = paths.iter().enumerate().find_map(|(at, path)| Some((at, place_of(path)?)));
        let (at, place) = here.map_or((last, i64::MAX), |(at, place)| (at, place as i64));
        let path = paths.swap_remove(at);
        found.push(DocumentRow {
            owner,
            path,
            place,
            class: class.to_owned(),
            expiry_year,
            content_type: attachment.str("contentType").unwrap_or_default().to_owned(),
            size: attachment.get("size").and_then(Value::as_i64).and_then(|size| size.try_into().ok()),
            sha1: attachment.str("hash").and_then(sha1),
            source: None,
        });
    };
    attachments(value).into_iter().for_each(&mut add);
    found
}

/// R4 writes SHA-1 in base64 (datatypes, Attachment.hash).
fn sha1(text: &str) -> Option<[u8; 20]> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value<'_> {
        fhir::json::parse(text.as_bytes(), &fhir::Limits::default()).expect("the test's JSON parses")
    }

    #[test]
    fn faults_of_lines_are_told_apart() {
        let fault = |line: &[u8]| parse(line, &fhir::Limits::default()).err().map(|refusal| refusal.fault);
        assert_eq!(fault(b"{"), Some(Fault::BrokenLine));
        assert_eq!(fault(b"{\"resourceType\":\"Patient\",\"id\":\"\xff\"}"), Some(Fault::BrokenLine));
        assert_eq!(fault(b"[]"), Some(Fault::BrokenLine));
        assert_eq!(fault(br#"{"resourceType":"Patiens","id":"1"}"#), Some(Fault::UnknownType));
        assert_eq!(fault(br#"{"resourceType":"Patient"}"#), Some(Fault::Invalid));
        assert_eq!(fault(br#"{"resourceType":"Patient","id":"1","gender":"x"}"#), Some(Fault::Invalid));
        assert_eq!(fault(b"\xef\xbb\xbf{\"resourceType\":\"Patient\",\"id\":\"1\"}"), None);
    }

    #[test]
    fn reasons_name_places_and_no_values() {
        let refusal = parse(br#"{"resourceType":"Patient","id":"1","gender":"secret"}"#, &fhir::Limits::default());
        let reason = refusal.expect_err("not valid").reason;
        assert!(reason.contains("Patient.gender") && !reason.contains("secret"), "{reason}");
    }

    #[test]
    fn national_numbers_are_found_by_system_or_type() {
        let number = |text: &str| national_number(&value(text)).map(Redacted::into_exposed);
        let of = |identifier: &str| number(&format!(r#"{{"resourceType":"Patient","identifier":[{identifier}]}}"#));
        let whole = Some("9001011234567".to_owned());
        assert_eq!(of(r#"{"system":"https://mois.go.kr/rrn","value":"900101-1234567"}"#), whole);
        assert_eq!(of(r#"{"type":{"coding":[{"code":"NNKOR"}]},"value":"9001011234567"}"#), whole);
        assert_eq!(of(r#"{"system":"https://mois.go.kr/rrn","value":" 900101 - 1234567 "}"#), whole);
        assert_eq!(of(r#"{"system":"https://mois.go.kr/rrn","value":"９００１０１－１２３４５６７"}"#), whole);
        assert_eq!(of(r#"{"system":"https://mois.go.kr/rrn","value":"900101-12345678"}"#), None);
        assert_eq!(of(r#"{"system":"urn:chart","value":"9001011234567"}"#), None);
        assert_eq!(of(r#"{"system":"https://mois.go.kr/rrn","value":"900101-1******"}"#), None);
    }

    #[test]
    fn addresses_within_the_bag() {
        assert_eq!(document_paths("documents/a.pdf"), ["data/documents/a.pdf"]);
        assert_eq!(document_paths("./data/documents/a.pdf"), ["data/documents/a.pdf"]);
        assert_eq!(document_paths("https://example.org/documents/a.pdf"), [] as [&str; 0]);
        assert_eq!(document_paths("fhir/Patient.ndjson"), [] as [&str; 0]);
        let both = ["data/documents/%ED%95%9C%20a.pdf", "data/documents/한 a.pdf"];
        assert_eq!(document_paths("documents/%ED%95%9C%20a.pdf"), both);
        assert_eq!(document_paths("documents/50%.pdf"), ["data/documents/50%.pdf"; 2]);
        assert_eq!(document_paths("documents/%FF.pdf"), ["data/documents/%FF.pdf"], "no UTF-8");
        assert_eq!(document_paths("documents/a%0Ab.pdf").len(), 1, "no control characters come out of it");
    }

    #[test]
    fn whom_a_resource_is_about_must_be_clear() {
        let of = |subject: &str| {
            let text = format!(
                r#"{{"resourceType":"Observation","contained":[{{"resourceType":"Group","id":"g"}},{{"resourceType":"Patient","id":"p"}}],
                    "subject":{subject}}}"#
            );
            unclear(&value(&text))
        };
        for unclear in [
            r#"{"reference":"patient/a"}"#,
            r#"{"reference":"/Patient/a"}"#,
            r#"{"reference":"Patient/a/"}"#,
            r#"{"reference":"Patient/a b"}"#,
            r#"{"reference":""}"#,
            r##"{"reference":"#p"}"##,
            r##"{"reference":"#nowhere"}"##,
            r#"{"identifier":{"value":"9001011234567"}}"#,
            r#"{"type":"Patient","identifier":{"value":"1"}}"#,
            r#"{"display":"somebody"}"#,
            r#"{"reference":"https://elsewhere/a"}"#,
        ] {
            assert_eq!(of(unclear), Some("subject"), "{unclear}");
        }
        for clear in [
            r#"{"reference":"Patient/a"}"#,
            r#"{"reference":"Group/1"}"#,
            r##"{"reference":"#g"}"##,
            r#"{"type":"Device","identifier":{"value":"1"}}"#,
            r#"{"coding":[{"code":"x"}]}"#,
        ] {
            assert_eq!(of(clear), None, "{clear}");
        }
        assert_eq!(unclear(&value(r#"{"resourceType":"Observation","id":"o"}"#)), None);
    }

    #[test]
    fn attachments_become_rows() {
        let text = r#"{"resourceType":"DocumentReference","type":{"coding":[{"system":"https://x/CodeSystem/document-kind","code":"chart"}]},
            "content":[{"attachment":{"url":"documents/a.pdf","contentType":"application/pdf","size":3,"hash":"qZk+NkcGgWq6PiVxeFDCbJzQ2J0="}},
                       {"attachment":{"url":"https://elsewhere/b.pdf"}}]}"#;
        let value = value(text);
        assert_eq!(document_kind(&value), Some("chart"));
        let owner = Owner::Patient(Id16::default());
        let rows = documents(&value, owner, "chart", 2030, &|_| Some(7));
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].size, rows[0].sha1.is_some()), (Some(3), true));
    }
}
