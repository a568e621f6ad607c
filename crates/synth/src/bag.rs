//! Writes a BagIt 1.0 folder (RFC 8493): tag files, NDJSON payload by type, and the manifests. Reads none.

use crate::Error;
use crate::chart::days_after;
use crate::chart::resources::{Lines, TYPES};
use crate::institutions::{Ending, Institution};
use aws_lc_rs::digest::{Context, SHA256};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// A payload file that somebody else wrote into the bag.
pub(crate) struct PayloadFile {
    /// Path from the bag's folder, with `/`.
    pub(crate) path: String,
    pub(crate) sha256: [u8; 32],
    pub(crate) octets: u64,
}

/// An open bag. The manifest grows on disk, so that memory does not depend on the number of files.
pub(crate) struct Bag {
    folder: PathBuf,
    manifest: BufWriter<File>,
    types: [Option<Table>; TYPES.len()],
    octets: u64,
    streams: u64,
}

struct Table {
    file: BufWriter<File>,
    hash: Context,
    octets: u64,
}

/// What `bag-info.txt` declares beyond the institution itself.
pub(crate) struct Declared {
    pub(crate) patients: u64,
    pub(crate) resources: u64,
    pub(crate) documents: u64,
}

impl Bag {
    /// Begins a bag in a new folder.
    pub(crate) fn create(folder: &Path) -> Result<Self, Error> {
        let fhir = folder.join("data/fhir");
        std::fs::create_dir_all(&fhir).map_err(|source| Error::Write { path: fhir, source })?;
        let manifest = create(&folder.join("manifest-sha256.txt"))?;
        Ok(Self { folder: folder.to_owned(), manifest, types: [const { None }; TYPES.len()], octets: 0, streams: 0 })
    }

    /// Appends resources to the files of their types.
    pub(crate) fn append(&mut self, lines: &Lines) -> Result<(), Error> {
        for (place, bytes) in lines.bytes.iter().enumerate().filter(|(_, bytes)| !bytes.is_empty()) {
            let path = self.folder.join(type_path(place));
            if self.types[place].is_none() {
                self.types[place] = Some(Table { file: create(&path)?, hash: Context::new(&SHA256), octets: 0 });
            }
            let table = self.types[place].as_mut().expect("opened just above");
            table.hash.update(bytes);
            table.octets += bytes.len() as u64;
            table.file.write_all(bytes).map_err(|source| Error::Write { path, source })?;
        }
        Ok(())
    }

    /// Lists a file that is already in its place.
    pub(crate) fn list(&mut self, file: &PayloadFile) -> Result<(), Error> {
        self.octets += file.octets;
        self.streams += 1;
        let line = format!("{}  {}\n", base::hex(&file.sha256), file.path);
        self.manifest
            .write_all(line.as_bytes())
            .map_err(|source| Error::Write { path: self.folder.join("manifest-sha256.txt"), source })
    }

    /// Closes the payload and writes the tag files.
    pub(crate) fn finish(mut self, institution: &Institution, declared: &Declared) -> Result<(), Error> {
        for place in 0..TYPES.len() {
            if let Some(mut table) = self.types[place].take() {
                let path = self.folder.join(type_path(place));
                table.file.flush().map_err(|source| Error::Write { path, source })?;
                let mut sha256 = [0; 32];
                sha256.copy_from_slice(table.hash.finish().as_ref());
                self.list(&PayloadFile { path: type_path(place), sha256, octets: table.octets })?;
            }
        }
        let manifest = self.folder.join("manifest-sha256.txt");
        self.manifest.flush().map_err(|source| Error::Write { path: manifest, source })?;
        let info = info(institution, declared, self.octets, self.streams);
        let declaration = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
        let mut tags = String::new();
        for (name, text) in [("bag-info.txt", info.as_str()), ("bagit.txt", declaration)] {
            write(&self.folder.join(name), text.as_bytes())?;
            tags.push_str(&format!("{}  {name}\n", base::hex(&base::sha256(text.as_bytes()))));
        }
        tags.push_str(&format!(
            "{}  manifest-sha256.txt\n",
            base::hex(&hash_file(&self.folder.join("manifest-sha256.txt"))?)
        ));
        write(&self.folder.join("tagmanifest-sha256.txt"), tags.as_bytes())
    }
}

/// Writes one file whole.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn type_path(place: usize) -> String {
    format!("data/fhir/{}.ndjson", TYPES[place])
}

fn create(path: &Path) -> Result<BufWriter<File>, Error> {
    let file = File::create_new(path).map_err(|source| Error::Write { path: path.to_owned(), source })?;
    Ok(BufWriter::with_capacity(1 << 16, file))
}

fn hash_file(path: &Path) -> Result<[u8; 32], Error> {
    use std::io::Read as _;
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mut hash = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(hash.finish().as_ref());
    Ok(sha256)
}

fn info(institution: &Institution, declared: &Declared, octets: u64, streams: u64) -> String {
    let address = &institution.address;
    let bagged = days_after(institution.ending.last_day(), 14);
    let region = format!("{} {}", address.province, address.district);
    let mut lines = vec![
        ("Source-Organization", institution.name.clone()),
        ("External-Identifier", format!("synthetic-{}", institution.code)),
        ("Bagging-Date", bagged.to_string()),
        ("Payload-Oxum", format!("{octets}.{streams}")),
        ("Institution-Code", institution.code.clone()),
        ("Institution-Name", institution.name.clone()),
        ("Institution-Name-Romanized", institution.romanized.clone()),
        ("Institution-Kind", institution.kind.to_owned()),
        ("Institution-Address", address.line()),
        ("Institution-Region", region),
    ];
    match institution.ending {
        Ending::Closed(day) => lines.push(("Closure-Date", day.to_string())),
        Ending::Suspended(from, to) => {
            lines.push(("Suspension-Start", from.to_string()));
            lines.push(("Suspension-End", to.to_string()));
        }
    }
    lines.extend([
        ("Depositor", institution.depositor.clone()),
        ("Declared-Patients", declared.patients.to_string()),
        ("Declared-Resources", declared.resources.to_string()),
        ("Declared-Documents", declared.documents.to_string()),
        ("Record-Format", "FHIR R4 4.0.1".to_owned()),
        ("Synthetic", "yes".to_owned()),
    ]);
    lines.into_iter().map(|(label, value)| format!("{label}: {value}\n")).collect()
}
