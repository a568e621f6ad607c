//! Another system's FHIR transaction bundles become a bag, which is then deposited like any other. Nothing is taken in here.
//!
//! What changes on the way is form, never content: references between entries of a bundle (`urn:uuid:…`) become
//! `Type/id`, documents that stand inline (PDF, PNG, JPEG) become files, and a Patient may get one more identifier: the
//! stand-in national number by which demonstrations link foreign patients to people, since such data has no Korean one.
//! One bundle is held in memory at a time; equal input gives equal bags.

use super::NATIONAL_SYSTEMS;
use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::Value;
use jiff::civil::Date;
use policy::InstitutionCode;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

/// Largest bundle in bytes.
const BUNDLE_BYTES_MAX: usize = 256 << 20;

/// Under which institution the data is put, whatever institutions it names itself.
pub struct BundleOptions<'a> {
    /// Code of the institution.
    pub code: InstitutionCode,
    /// Its name.
    pub name: String,
    /// Its romanised name, empty for none.
    pub romanised: String,
    /// Its kind, a HIRA code.
    pub kind: String,
    /// Its address.
    pub address: String,
    /// The day it closed.
    pub closed_on: Date,
    /// Who hands the records over.
    pub depositor: String,
    /// The stand-in national number of a patient (13 digits), or `None` to leave them unlinked.
    pub national_number: &'a dyn Fn(&ForeignPatient) -> Option<String>,
}

/// A patient of another system.
#[derive(Clone, PartialEq, Eq)]
pub struct ForeignPatient {
    /// Full name as written there.
    pub name: String,
    /// Date of birth, `YYYY-MM-DD`.
    pub birth_date: String,
    /// FHIR `gender`, empty where unknown.
    pub gender: String,
    /// `system|value` of the first identifier.
    pub source_id: String,
}

impl std::fmt::Debug for ForeignPatient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ForeignPatient([redacted])")
    }
}

/// What became of the bundles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// Every patient, in the order of the files.
    pub patients: Vec<ForeignPatient>,
    /// Resources in the bag.
    pub resources: u64,
    /// Documents in the bag.
    pub documents: u64,
}

/// Why bundles did not become a bag.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file or folder failed.
    #[error("{path} cannot be {done}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What was to be done with it.
        done: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is no bundle.
    #[error("{path}: {reason}")]
    NotABundle {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder for the bag holds something already.
    #[error("{0} exists already: give a new folder for the bag")]
    Exists(PathBuf),
    /// There is no bundle.
    #[error("{0} holds no .json file")]
    Empty(PathBuf),
}

/// Writes every bundle (`*.json`) in the folder `from` into a bag at `to`, which must not exist.
///
/// # Errors
/// [`BundleError`]; what was written until then stays, and is no whole bag.
pub fn from_bundles(from: &Path, to: &Path, options: &BundleOptions<'_>) -> Result<Converted, BundleError> {
    if to.exists() {
        return Err(BundleError::Exists(to.to_owned()));
    }
    let entries = std::fs::read_dir(from).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(failed(from, "read"))?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort_unstable();
    if paths.is_empty() {
        return Err(BundleError::Empty(from.to_owned()));
    }
    let mut bag = BagWriter::create(to)?;
    for path in &paths {
        bundle(path, &mut bag, options)?;
    }
    bag.finish(options)
}

fn bundle(path: &Path, bag: &mut BagWriter, options: &BundleOptions<'_>) -> Result<(), BundleError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed(path, "read"))?;
    file.take(BUNDLE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed(path, "read"))?;
    let wrong = |reason: String| BundleError::NotABundle { path: path.to_owned(), reason };
    let limits = fhir::Limits { bytes_max: BUNDLE_BYTES_MAX, ..fhir::Limits::default() };
    let value = fhir::json::parse(&bytes, &limits).map_err(|error| wrong(error.to_string()))?;
    if value.str("resourceType") != Some("Bundle") {
        return Err(wrong("not a Bundle resource".to_owned()));
    }
    let mut names = HashMap::new();
    for (place, entry) in value.each("entry").enumerate() {
        let Some((kind, id)) = identity_of(entry) else {
            return Err(wrong(format!("Bundle.entry[{place}] has no resource with a type and an id or address")));
        };
        if let Some(url) = entry.str("fullUrl") {
            names.insert(url.to_owned(), format!("{kind}/{id}"));
        }
    }
    for entry in value.each("entry") {
        let (Some((kind, id)), Some(resource)) = (identity_of(entry), entry.get("resource")) else { continue };
        let mut resource = resource.clone();
        resource.set("id", id.clone());
        rename(&mut resource, &names);
        if kind == "Patient" {
            patient(&mut resource, bag, options);
        }
        if bag.is_new(&kind, &id, &resource) {
            bag.take_documents(&mut resource, &kind, &id)?;
            bag.append(&kind, &resource)?;
        }
    }
    Ok(())
}

/// Type and id of an entry: its own, or the one its address ends with.
fn identity_of(entry: &Value<'_>) -> Option<(String, String)> {
    let resource = entry.get("resource")?;
    let kind = resource.str("resourceType")?;
    let from_url = || entry.str("fullUrl").and_then(|url| url.rsplit([':', '/']).next());
    let id = resource.str("id").or_else(from_url).filter(|id| fhir::reference::is_id(id))?;
    Some((kind.to_owned(), id.to_owned()))
}

/// Turns references to entries of the bundle into `Type/id`.
fn rename(value: &mut Value<'_>, names: &HashMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "reference" => {
                        if let Some(name) = names.get(text.as_ref()) {
                            *text = Cow::Owned(name.clone());
                        }
                    }
                    other => rename(other, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        _ => {}
    }
}

fn patient(resource: &mut Value<'_>, bag: &mut BagWriter, options: &BundleOptions<'_>) {
    let patient = foreign(resource);
    if let Some(number) = (options.national_number)(&patient) {
        let identifier = Value::object([("system", Value::from(NATIONAL_SYSTEMS[1])), ("value", Value::from(number))]);
        let mut all: Vec<Value<'static>> = resource.each("identifier").map(|one| one.clone().into_owned()).collect();
        all.push(identifier);
        resource.set("identifier", all);
    }
    if !bag.converted.patients.contains(&patient) {
        bag.converted.patients.push(patient);
    }
}

fn foreign(resource: &Value<'_>) -> ForeignPatient {
    let names = || resource.each("name");
    let name = names().find(|name| name.str("use") == Some("official")).or_else(|| names().next());
    let text = name.map(|name| {
        let given = name.each("given").filter_map(Value::as_str);
        let parts: Vec<&str> = given.chain(name.str("family")).collect();
        name.str("text").map_or_else(|| parts.join(" "), str::to_owned)
    });
    let identifier = resource.each("identifier").next();
    let source =
        identifier.and_then(|one| Some(format!("{}|{}", one.str("system").unwrap_or_default(), one.str("value")?)));
    let of = |name: &str| resource.str(name).unwrap_or_default().to_owned();
    ForeignPatient {
        name: text.unwrap_or_default(),
        birth_date: of("birthDate"),
        gender: of("gender"),
        source_id: source.unwrap_or_else(|| format!("|{}", of("id"))),
    }
}

/// A bag that is being written.
struct BagWriter {
    folder: PathBuf,
    types: BTreeMap<String, Table>,
    /// Half a hash of what was written, by half a hash of type and id: bundles repeat what they share.
    written: HashMap<[u8; 16], [u8; 16]>,
    manifest: Vec<(String, [u8; 32])>,
    octets: u64,
    converted: Converted,
}

struct Table {
    file: BufWriter<File>,
    path: PathBuf,
    hash: Context,
}

impl BagWriter {
    fn create(folder: &Path) -> Result<Self, BundleError> {
        let fhir = folder.join("data/fhir");
        std::fs::create_dir_all(&fhir).map_err(failed(&fhir, "made"))?;
        Ok(Self {
            folder: folder.to_owned(),
            types: BTreeMap::new(),
            written: HashMap::new(),
            manifest: Vec::new(),
            octets: 0,
            converted: Converted { patients: Vec::new(), resources: 0, documents: 0 },
        })
    }

    /// Whether the newest version of a resource that was written is another.
    fn is_new(&mut self, kind: &str, id: &str, resource: &Value<'_>) -> bool {
        let content = half(resource.to_string().as_bytes());
        self.written.insert(half(format!("{kind}/{id}").as_bytes()), content) != Some(content)
    }

    fn append(&mut self, kind: &str, resource: &Value<'_>) -> Result<(), BundleError> {
        let mut line = resource.to_string().into_bytes();
        line.push(b'\n');
        let known_type = fhir::tables::tables().resource(kind).is_some();
        let name = if known_type { kind } else { "Unknown" };
        if !self.types.contains_key(name) {
            let path = self.folder.join(format!("data/fhir/{name}.ndjson"));
            let file = BufWriter::new(File::create(&path).map_err(failed(&path, "written"))?);
            self.types.insert(name.to_owned(), Table { file, path, hash: Context::new(&SHA256) });
        }
        let table = self.types.get_mut(name).expect("inserted just above");
        table.hash.update(&line);
        table.file.write_all(&line).map_err(failed(&table.path, "written"))?;
        self.octets += line.len() as u64;
        self.converted.resources += 1;
        Ok(())
    }

    /// Documents that stand inline become files.
    fn take_documents(&mut self, resource: &mut Value<'_>, kind: &str, id: &str) -> Result<(), BundleError> {
        let Value::Object(members) = resource else { return Ok(()) };
        for (name, member) in members {
            let Value::Array(items) = member else { continue };
            for (place, item) in items.iter_mut().enumerate() {
                let attachment = match (kind, name.as_ref()) {
                    ("DiagnosticReport", "presentedForm") => Some(item),
                    ("DocumentReference", "content") => match item {
                        Value::Object(members) => {
                            members.iter_mut().find(|(name, _)| name == "attachment").map(|(_, value)| value)
                        }
                        _ => None,
                    },
                    _ => None,
                };
                if let Some(attachment) = attachment {
                    self.take_document(attachment, &format!("{kind}-{id}-{place}"))?;
                }
            }
        }
        Ok(())
    }

    fn take_document(&mut self, attachment: &mut Value<'_>, name: &str) -> Result<(), BundleError> {
        let ending = match attachment.str("contentType") {
            Some("application/pdf") => "pdf",
            Some("image/png") => "png",
            Some("image/jpeg") => "jpg",
            _ => return Ok(()),
        };
        // What is no base64 stays as it is, for the deposit to say so.
        let Some(Ok(bytes)) = attachment.str("data").map(|data| STANDARD.decode(data)) else { return Ok(()) };
        let sha256 = base::sha256(&bytes);
        let below = format!("documents/{name}-{}.{ending}", base::hex(&sha256[..4]));
        let path = self.folder.join("data").join(&below);
        let folder = self.folder.join("data/documents");
        std::fs::create_dir_all(&folder).map_err(failed(&folder, "made"))?;
        std::fs::write(&path, &bytes).map_err(failed(&path, "written"))?;
        if let Value::Object(members) = attachment {
            members.retain(|(name, _)| name != "data");
        }
        let sha1 = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &bytes));
        attachment.set("url", below.clone());
        attachment.set("size", bytes.len() as i64);
        attachment.set("hash", sha1);
        self.octets += bytes.len() as u64;
        self.manifest.push((format!("data/{below}"), sha256));
        self.converted.documents += 1;
        Ok(())
    }

    fn finish(mut self, options: &BundleOptions<'_>) -> Result<Converted, BundleError> {
        for (kind, mut table) in std::mem::take(&mut self.types) {
            table.file.flush().map_err(failed(&table.path, "written"))?;
            let mut sha256 = [0; 32];
            sha256.copy_from_slice(table.hash.finish().as_ref());
            self.manifest.push((format!("data/fhir/{kind}.ndjson"), sha256));
        }
        self.manifest.sort_unstable();
        self.manifest.dedup();
        let lines = self.manifest.iter().map(|(path, sha256)| format!("{}  {path}\n", base::hex(sha256)));
        let manifest: String = lines.collect();
        let files = [
            ("manifest-sha256.txt", manifest),
            ("bag-info.txt", self.info(options)),
            ("bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n".to_owned()),
        ];
        for (name, text) in files {
            let path = self.folder.join(name);
            std::fs::write(&path, text).map_err(failed(&path, "written"))?;
        }
        Ok(self.converted)
    }

    fn info(&self, options: &BundleOptions<'_>) -> String {
        let converted = &self.converted;
        let lines = [
            ("Institution-Code", options.code.to_string()),
            ("Institution-Name", options.name.clone()),
            ("Institution-Name-Romanized", options.romanised.clone()),
            ("Institution-Kind", options.kind.clone()),
            ("Institution-Address", options.address.clone()),
            ("Closure-Date", options.closed_on.to_string()),
            ("Depositor", options.depositor.clone()),
            ("Declared-Patients", converted.patients.len().to_string()),
            ("Declared-Resources", converted.resources.to_string()),
            ("Declared-Documents", converted.documents.to_string()),
            ("Payload-Oxum", format!("{}.{}", self.octets, self.manifest.len())),
            ("Record-Format", "FHIR R4 4.0.1".to_owned()),
        ];
        let lines = lines.iter().filter(|(_, value)| !value.is_empty());
        lines.map(|(label, value)| format!("{label}: {}\n", value.replace(['\r', '\n'], " "))).collect()
    }
}

fn half(bytes: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&base::sha256(bytes)[..16]);
    half
}

fn failed(path: &Path, done: &'static str) -> impl FnOnce(std::io::Error) -> BundleError {
    let path = path.to_owned();
    move |source| BundleError::File { path, done, source }
}
