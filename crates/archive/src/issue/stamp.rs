//! The place for a proof in an issued PDF, and how it is filled. The only bytes that a stamp leaves open are one region of
//! fixed length; everything else is hashed, so that there is nothing in a document that can change unnoticed.
//!
//! The typesetter's file stays as it is. Behind it stands an incremental update (ISO 32000-1, 7.5.6) with one stream object
//! that is not compressed and that the catalog points to under `/HNMR_Proof`:
//!
//! ```text
//! <</Type/HanmaruProof/Version 1/Length 8192>>
//! stream
//! hanmaru-proof v1                      ┐
//! document HM-2026-XXXX-XXXX-XXXX       │
//! bytes 651877                          │
//! content <SHA-256, 64 hex digits>      │ the region
//! salt <32 bytes, 64 hex digits>        │
//! c2sp.org/tlog-proof@v1                │
//! …                                     │
//! <spaces>                              ┘
//! endstream
//! ```

use crate::issue::DocumentNumber;
use base::wire::Writer;
use ledger::TlogProof;
use std::ops::Range;

/// Bytes of the region. A proof has at most 63 hashes of 45 bytes; the rest is for the signatures on its checkpoint.
pub const REGION_LEN: usize = 8192;
/// First line of what fills a region.
pub const PROOF_LINE: &str = "hanmaru-proof v1";
/// What stands before a region.
pub(crate) const REGION_HEAD: &str = "<</Type/HanmaruProof/Version 1/Length 8192>>\nstream\n";
/// What stands behind a region.
pub(crate) const REGION_TAIL: &str = "\nendstream\nendobj\n";
/// Name of the catalog's entry for the proof. Second-class names of ISO 32000-1 annex E begin with four letters of their own.
const CATALOG_KEY: &str = "/HNMR_Proof";

/// A PDF with an empty region.
#[derive(Debug, Clone)]
pub struct Unsealed {
    bytes: Vec<u8>,
    region: Range<usize>,
    hash: [u8; 32],
}

/// What fills a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofText {
    /// Number of the document.
    pub number: DocumentNumber,
    /// Length of the whole file in bytes.
    pub bytes: u64,
    /// Hash of the file without the region.
    pub content: [u8; 32],
    /// Salt of the `issued` leaf.
    pub salt: [u8; 32],
    /// Proof that the leaf is in the log of records.
    pub proof: TlogProof,
}

/// A PDF cannot be stamped.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StampError {
    /// The PDF is not as the typesetter writes it.
    #[error("the typeset PDF has no {what} where it should be")]
    Unexpected {
        /// What is missing.
        what: &'static str,
    },
    /// The proof does not fit its region.
    #[error(
        "the proof is {found} bytes long and the region holds {REGION_LEN}: the checkpoint has too many signatures"
    )]
    TooLong {
        /// Bytes of the proof.
        found: usize,
    },
}

/// Adds an empty region to a PDF of the typesetter and hashes everything else.
///
/// # Errors
/// [`StampError::Unexpected`] where the PDF is not in the form that the typesetter writes.
pub fn prepare(mut pdf: Vec<u8>) -> Result<Unsealed, StampError> {
    let trailer = Trailer::read(&pdf)?;
    let catalog = catalog_with_proof(&pdf, &trailer)?;
    if !pdf.ends_with(b"\n") {
        pdf.push(b'\n');
    }
    let catalog_at = pdf.len();
    pdf.extend_from_slice(catalog.as_bytes());
    let proof_at = pdf.len();
    pdf.extend_from_slice(format!("{} 0 obj\n{REGION_HEAD}", trailer.size).as_bytes());
    let region = pdf.len()..pdf.len() + REGION_LEN;
    pdf.resize(region.end, b' ');
    pdf.extend_from_slice(REGION_TAIL.as_bytes());
    let xref_at = pdf.len();
    let entry = |at: usize| format!("{at:010} 00000 n \n");
    let (first, second) = (entry(catalog_at), entry(proof_at));
    let Trailer { size, root, info, id, xref, .. } = trailer;
    let table = if root + 1 == size {
        format!("xref\n{root} 2\n{first}{second}")
    } else {
        format!("xref\n{root} 1\n{first}{size} 1\n{second}")
    };
    let new_size = size + 1;
    let update = format!(
        "{table}trailer\n<</Size {new_size}/Root {root} 0 R/Info {info} 0 R/ID{id}/Prev {xref}>>\nstartxref\n{xref_at}\n%%EOF\n"
    );
    pdf.extend_from_slice(update.as_bytes());
    let hash = content_hash(&pdf, &region);
    Ok(Unsealed { bytes: pdf, region, hash })
}

/// Fills the region with the proof that the document was logged.
///
/// # Errors
/// [`StampError::TooLong`].
pub fn fill(
    unsealed: Unsealed,
    number: &DocumentNumber,
    salt: [u8; 32],
    proof: TlogProof,
) -> Result<Vec<u8>, StampError> {
    let Unsealed { mut bytes, region, hash } = unsealed;
    let text = ProofText { number: number.clone(), bytes: bytes.len() as u64, content: hash, salt, proof }.to_bytes();
    if text.len() > REGION_LEN {
        return Err(StampError::TooLong { found: text.len() });
    }
    bytes[region.start..region.start + text.len()].copy_from_slice(&text);
    Ok(bytes)
}

/// SHA-256 over the bytes before the region, the bytes behind it, and both lengths (eight bytes each, big-endian).
#[must_use]
pub fn content_hash(bytes: &[u8], region: &Range<usize>) -> [u8; 32] {
    let (before, after) = (&bytes[..region.start], &bytes[region.end..]);
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    context.update(before);
    context.update(after);
    context.update(&(before.len() as u64).to_be_bytes());
    context.update(&(after.len() as u64).to_be_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// What an `issued` leaf commits to: the document's number and content hash.
#[must_use]
pub fn leaf_content(number: &DocumentNumber, hash: &[u8; 32]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.text(number.as_str()).raw(hash);
    writer.finish()
}

impl Unsealed {
    /// Hash of everything but the region.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Length of the file, which filling does not change.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: a stamped file has at least its region.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl ProofText {
    /// The text without padding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { number, bytes, content, salt, proof } = self;
        let (content, salt) = (base::hex(content), base::hex(salt));
        let head = format!("{PROOF_LINE}\ndocument {number}\nbytes {bytes}\ncontent {content}\nsalt {salt}\n");
        let mut text = head.into_bytes();
        text.extend_from_slice(&proof.to_bytes());
        text
    }

    /// Reads a region. There is one way to write each proof, padding included, so that no byte in it is free.
    ///
    /// # Errors
    /// The first line that is wrong, in words.
    pub fn parse(region: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(region).map_err(|_| "it is not UTF-8")?;
        let text = text.trim_end_matches(' ');
        let rest = line(text, PROOF_LINE)
            .filter(|(value, _)| value.is_empty())
            .ok_or("it does not begin with its first line")?
            .1;
        let (number, rest) = line(rest, "document ").ok_or("it has no document number")?;
        let number: DocumentNumber = number.parse().map_err(|_| "its document number is not one")?;
        let (bytes, rest) = line(rest, "bytes ").ok_or("it has no length")?;
        let bytes = bytes.parse().map_err(|_| "its length is not a number")?;
        let (content, rest) = line(rest, "content ").ok_or("it has no content hash")?;
        let content = hex32(content).ok_or("its content hash is not 64 hexadecimal digits")?;
        let (salt, rest) = line(rest, "salt ").ok_or("it has no salt")?;
        let salt = hex32(salt).ok_or("its salt is not 64 hexadecimal digits")?;
        let proof = TlogProof::parse(rest.as_bytes()).map_err(|_| "its log proof is malformed")?;
        let parsed = Self { number, bytes, content, salt, proof };
        if parsed.proof.extra.is_some() || parsed.to_bytes() != text.as_bytes() {
            return Err("it is not spelt as it is issued");
        }
        Ok(parsed)
    }
}

fn line<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(name)?.split_once('\n')
}

fn hex32(text: &str) -> Option<[u8; 32]> {
    base::unhex(text)?.try_into().ok()
}

/// What the trailer of the typesetter's file says.
struct Trailer {
    size: usize,
    root: usize,
    info: usize,
    id: String,
    xref: usize,
}

impl Trailer {
    fn read(pdf: &[u8]) -> Result<Self, StampError> {
        let missing = |what| StampError::Unexpected { what };
        let tail_at = rfind(pdf, b"trailer\n").ok_or(missing("trailer"))?;
        let tail = std::str::from_utf8(&pdf[tail_at..]).map_err(|_| missing("trailer of plain text"))?;
        let number = |name: &str| {
            let rest = tail.split_once(name)?.1.trim_start();
            rest[..rest.find(|c: char| !c.is_ascii_digit())?].parse::<usize>().ok()
        };
        let xref = number("startxref").ok_or(missing("startxref"))?;
        if !pdf.get(xref..).is_some_and(|rest| rest.starts_with(b"xref\n")) {
            return Err(missing("cross-reference table"));
        }
        let id = tail.split_once("/ID").and_then(|(_, rest)| Some(&rest[..=rest.find(']')?]));
        Ok(Self {
            size: number("/Size").ok_or(missing("size"))?,
            root: number("/Root").ok_or(missing("catalog"))?,
            info: number("/Info").ok_or(missing("document information"))?,
            id: id.ok_or(missing("file identifier"))?.to_owned(),
            xref,
        })
    }
}

/// The catalog's object anew, with an entry that points to the proof.
fn catalog_with_proof(pdf: &[u8], trailer: &Trailer) -> Result<String, StampError> {
    let missing = |what| StampError::Unexpected { what };
    let head = format!("{} 0 obj\n", trailer.root);
    // The catalog is among the last objects, so it is looked for from the end, where no page content can imitate it.
    let from = rfind(&pdf[..trailer.xref], head.as_bytes()).ok_or(missing("catalog object"))?;
    let body = std::str::from_utf8(&pdf[from..trailer.xref]).map_err(|_| missing("catalog of plain text"))?;
    let body = &body[..body.find("endobj").ok_or(missing("end of the catalog"))?];
    let (dictionary, _) = body.rsplit_once(">>").ok_or(missing("catalog dictionary"))?;
    if !dictionary.contains("/Type/Catalog") && !dictionary.contains("/Type /Catalog") {
        return Err(missing("catalog dictionary"));
    }
    Ok(format!("{dictionary}{CATALOG_KEY} {} 0 R>>\nendobj\n", trailer.size))
}

/// Where `wanted` stands last.
pub(crate) fn rfind(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    (0..=bytes.len().checked_sub(wanted.len())?).rev().find(|at| bytes[*at..].starts_with(wanted))
}
