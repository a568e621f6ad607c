//! Checking a document somebody has: by the file itself, or by the number printed on it. Open to everybody.

use crate::Portal;
use crate::error::{PageError, faulty_page, page};
use crate::frame::{Faults, Frame};
use crate::texts::{Locale, Texts};
use crate::visitor::Visitor;
use archive::issue::DocumentNumber;
use archive::verify::{Verified, VerifyFault, verify_by};
use askama::Template;
use axum::extract::multipart::{Field, MultipartError, MultipartRejection};
use axum::extract::{Multipart, Path};
use axum::http::StatusCode;
use axum::response::Response;
use base::Timestamp;
use ledger::VerifierKey;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Bytes of an upload that must come within [`PIECE_PATIENCE`]: a slow phone sends ten times as fast.
const PIECE_BYTES: usize = 256 << 10;
const PIECE_PATIENCE: Duration = Duration::from_secs(20);

#[derive(Template)]
#[template(path = "verify.html")]
pub(crate) struct VerifyPage {
    frame: Frame,
    /// What is known about a number, on its page.
    number: Option<Known>,
    faults: Faults,
    result: Option<Outcome>,
    size_hint: String,
    keys: Vec<String>,
}

/// What is known about a document number.
struct Known {
    known: bool,
    heading: String,
    text: String,
}

/// What became of checking a file.
struct Outcome {
    good: bool,
    heading: String,
    text: String,
    /// What does not match.
    why: Option<String>,
    /// Terms and what is said about them.
    facts: Vec<(String, String)>,
    /// The same for who looks it up in the log.
    details: Vec<(String, String)>,
}

impl VerifyPage {
    fn new(visitor: &Visitor) -> Self {
        let config = visitor.portal.config();
        let keys = config.verifier_keys.iter().map(VerifierKey::encode).collect();
        Self::of(visitor.frame("verify-title", "verify"), config.limits.verify_bytes, keys)
    }

    fn of(frame: Frame, bytes_max: usize, keys: Vec<String>) -> Self {
        let size_hint = frame.t.t1("verify-size", "size", mebibytes(bytes_max));
        Self { frame, number: None, faults: Faults::default(), result: None, size_hint, keys }
    }

    fn sample_blank(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "verify-title", "verify", "/verify", false);
        let key = "hanmaru.example/records+c0ffee00+AQ5dVY6Kxv2vHkpyEdKPaJ3qZGJxGeXIUQ7KhSSUGhgP";
        Self::of(frame, 256 << 20, vec![key.to_owned()])
    }

    pub fn samples(locale: Locale) -> Vec<(&'static str, Self)> {
        let t = locale.texts();
        let number = "HM-2026-7K3D-Q9FA-M2X4";
        let good = Outcome {
            facts: vec![
                (t.t("verify-number"), number.to_owned()),
                (t.t("verify-issued"), t.moment(Timestamp::from_second(1_795_340_000).unwrap_or_default())),
            ],
            details: details(t, "hanmaru.example/records", 61_043, 61_044),
            ..Outcome::good(t)
        };
        let mut faulty = Self { faults: Faults::one("file", t.t("verify-no-file")), ..Self::sample_blank(locale) };
        faulty.frame = faulty.frame.faulty();
        vec![
            ("blank", Self::sample_blank(locale)),
            ("good", Self { result: Some(good), ..Self::sample_blank(locale) }),
            ("bad", Self { result: Some(Outcome::bad(t, &VerifyFault::Changed)), ..Self::sample_blank(locale) }),
            ("faulty", faulty),
            (
                "known",
                Self { number: Some(Known::new(t, number, Some(Timestamp::UNIX_EPOCH))), ..Self::sample_blank(locale) },
            ),
            ("unknown", Self { number: Some(Known::new(t, number, None)), ..Self::sample_blank(locale) }),
        ]
    }
}

impl Known {
    fn new(t: &Texts, number: &str, issued: Option<Timestamp>) -> Self {
        match issued {
            Some(at) => Self {
                known: true,
                heading: t.tn("verify-number-known", &[("number", number), ("date", &t.moment(at))]),
                text: t.t("verify-number-known-text"),
            },
            None => {
                Self { known: false, heading: t.t("verify-number-unknown"), text: t.t("verify-number-unknown-text") }
            }
        }
    }
}

impl Outcome {
    fn good(t: &Texts) -> Self {
        let (heading, text) = (t.t("verify-good"), t.t("verify-good-text"));
        Self { good: true, heading, text, why: None, facts: Vec::new(), details: Vec::new() }
    }

    fn bad(t: &Texts, fault: &VerifyFault) -> Self {
        let (heading, text) = (t.t("verify-bad"), t.t("verify-bad-text"));
        Self { good: false, heading, text, why: Some(fault_text(t, fault)), facts: Vec::new(), details: Vec::new() }
    }

    fn of(t: &Texts, verified: &Verified, issued: Option<Timestamp>) -> Self {
        let mut facts = vec![(t.t("verify-number"), verified.number.to_string())];
        facts.extend(issued.map(|at| (t.t("verify-issued"), t.moment(at))));
        Self { facts, details: details(t, &verified.origin, verified.index, verified.size), ..Self::good(t) }
    }
}

/// Where a document stands in the log.
fn details(t: &Texts, origin: &str, index: u64, size: u64) -> Vec<(String, String)> {
    let position = t.tn("verify-position-text", &[("index", &(index + 1).to_string()), ("size", &size.to_string())]);
    vec![(t.t("verify-origin"), origin.to_owned()), (t.t("verify-position"), position)]
}

fn fault_text(t: &Texts, fault: &VerifyFault) -> String {
    match fault {
        VerifyFault::NotPdf => t.t("verify-fault-not-pdf"),
        VerifyFault::NotIssued => t.t("verify-fault-not-ours"),
        VerifyFault::CutShort { .. } => t.t("verify-fault-cut-short"),
        VerifyFault::Added { extra } => t.t1("verify-fault-added", "count", extra.to_string()),
        VerifyFault::Changed => t.t("verify-fault-changed"),
        VerifyFault::NeverSealed => t.t("verify-fault-never-sealed"),
        VerifyFault::ProofAltered { .. } | VerifyFault::NotLogged => t.t("verify-fault-proof"),
        VerifyFault::Signature | VerifyFault::UnknownKey { .. } => t.t("verify-fault-signature"),
    }
}

/// `GET /verify`
pub(crate) async fn show(visitor: Visitor) -> Result<Response, PageError> {
    page(&VerifyPage::new(&visitor))
}

/// `GET /verify/{number}`: where the square on a document leads.
pub(crate) async fn number(visitor: Visitor, Path(number): Path<String>) -> Result<Response, PageError> {
    let t = visitor.t();
    let read: Result<DocumentNumber, _> = number.parse();
    let known = match read {
        Ok(number) => {
            let asked = number.clone();
            let issued = visitor.portal.blocking(move |portal| issued_at(portal, &asked)).await?;
            Known::new(t, number.as_str(), issued)
        }
        Err(_) => Known::new(t, "", None),
    };
    let missing = !known.known;
    let mut response = page(&VerifyPage { number: Some(known), ..VerifyPage::new(&visitor) })?;
    if missing {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    Ok(response)
}

/// `POST /verify`: the file is held in memory while it is checked, and nowhere else.
pub(crate) async fn upload(
    visitor: Visitor,
    multipart: Result<Multipart, MultipartRejection>,
) -> Result<Response, PageError> {
    let multipart = multipart.map_err(|_| PageError::Bad)?;
    let Upload { bytes, room } = match file(multipart, &visitor.portal).await {
        Ok(upload) => upload,
        Err(refused) => return refused_page(&visitor, refused),
    };
    let turn = visitor.portal.turn_to_check().await?;
    let t = visitor.t();
    let outcome = visitor.portal.blocking(move |portal| {
        // Held until the check is over, also where the visitor has gone.
        let _held = (turn, room);
        Ok(match verify_by(&bytes, &portal.config().trust) {
            Ok(verified) => Outcome::of(t, &verified, issued_at(portal, &verified.number)?),
            Err(fault) => Outcome::bad(t, &fault),
        })
    });
    let result = Some(outcome.await?);
    page(&VerifyPage { result, ..VerifyPage::new(&visitor) })
}

/// When the document of a number was issued here.
fn issued_at(portal: &Portal, number: &DocumentNumber) -> Result<Option<Timestamp>, PageError> {
    Ok(portal.archive().issued(number)?.map(|document| document.issued))
}

/// Why an upload is not looked at.
enum Refused {
    Nothing,
    TooLarge,
    Malformed,
    /// It comes too slowly, or too many come.
    Busy,
}

fn refused_page(visitor: &Visitor, refused: Refused) -> Result<Response, PageError> {
    let t = visitor.t();
    let bytes_max = visitor.portal.config().limits.verify_bytes;
    let (text, status) = match refused {
        Refused::Nothing => (t.t("verify-no-file"), StatusCode::UNPROCESSABLE_ENTITY),
        Refused::TooLarge => (t.t1("verify-too-large", "size", mebibytes(bytes_max)), StatusCode::PAYLOAD_TOO_LARGE),
        Refused::Malformed => return Err(PageError::Bad),
        Refused::Busy => return Err(PageError::Busy),
    };
    let mut shown = VerifyPage { faults: Faults::one("file", text), ..VerifyPage::new(visitor) };
    shown.frame = shown.frame.faulty();
    let mut response = faulty_page(&shown)?;
    *response.status_mut() = status;
    Ok(response)
}

/// An uploaded file and the memory that it takes.
struct Upload {
    bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

/// The part named `file`, read up to a limit.
async fn file(mut multipart: Multipart, portal: &Portal) -> Result<Upload, Refused> {
    while let Some(part) = in_time(multipart.next_field()).await?.map_err(refused)? {
        if part.name() == Some("file") {
            return read(part, portal).await;
        }
        // What is not asked for is passed over when the next part is read.
    }
    Err(Refused::Nothing)
}

/// Reads a part piece by piece, each within its time.
async fn read(mut part: Field<'_>, portal: &Portal) -> Result<Upload, Refused> {
    let bytes_max = portal.config().limits.verify_bytes;
    let (mut upload, mut too_large, mut ended) = (Upload { bytes: Vec::new(), room: None }, false, false);
    while !ended {
        let piece = in_time(piece(&mut part)).await??;
        ended = piece.len() < PIECE_BYTES;
        too_large |= upload.bytes.len() + piece.len() > bytes_max;
        if too_large {
            // Read to its end, and kept no more.
            upload = Upload { bytes: Vec::new(), room: None };
            continue;
        }
        let kibibytes = u32::try_from(piece.len().div_ceil(1024)).map_err(|_| Refused::TooLarge)?;
        let more = portal.room_for_upload(kibibytes).map_err(|_| Refused::Busy)?;
        match &mut upload.room {
            Some(room) => room.merge(more),
            none => *none = Some(more),
        }
        upload.bytes.extend_from_slice(&piece);
    }
    match upload {
        _ if too_large => Err(Refused::TooLarge),
        upload if upload.bytes.is_empty() => Err(Refused::Nothing),
        upload => Ok(upload),
    }
}

/// The next bytes of a part: fewer than [`PIECE_BYTES`] at its end alone.
async fn piece(part: &mut Field<'_>) -> Result<Vec<u8>, Refused> {
    let mut piece = Vec::new();
    while piece.len() < PIECE_BYTES {
        match part.chunk().await.map_err(refused)? {
            Some(chunk) => piece.extend_from_slice(&chunk),
            None => break,
        }
    }
    Ok(piece)
}

async fn in_time<T>(work: impl Future<Output = T>) -> Result<T, Refused> {
    tokio::time::timeout(PIECE_PATIENCE, work).await.map_err(|_| Refused::Busy)
}

fn refused(error: MultipartError) -> Refused {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refused::TooLarge,
        _ => Refused::Malformed,
    }
}

fn mebibytes(bytes: usize) -> String {
    (bytes >> 20).max(1).to_string()
}
