//! Checking a document somebody has: by the file itself, by the number printed on it, or by the text of a proof. Open to everybody.

use crate::Portal;
use crate::error::{PageError, faulty_page, page};
use crate::frame::{Faults, Frame};
use crate::texts::{Locale, Texts};
use crate::visitor::Visitor;
use archive::issue::DocumentNumber;
use archive::verify::{Handed, Verified, VerifyFault, qr_text, verify_by, verify_proof_file, verify_qr};
use askama::Template;
use axum::extract::multipart::{Field, MultipartError, MultipartRejection};
use axum::extract::{Multipart, Path};
use axum::http::StatusCode;
use axum::response::Response;
use base::Timestamp;
use ledger::VerifierKey;
use ledger::proof::PROOF_LEN_MAX;
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

/// What became of checking a file, or the text of a proof.
struct Outcome {
    tone: Tone,
    heading: String,
    text: String,
    /// What does not match.
    why: Option<String>,
    /// Terms and what is said about them.
    facts: Vec<(String, String)>,
    /// The same for who looks it up in the log; open where nothing else says what is proved.
    details: Vec<(String, String)>,
    opens_details: bool,
    /// What a proof file that came with it says.
    beside: Option<Beside>,
    /// The short proof of what is good, from which a sheet and a file are made.
    proof: Option<String>,
}

/// How an outcome is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tone {
    Good,
    /// Neither good nor bad.
    Care,
    Bad,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Good => "",
            Self::Care => "care",
            Self::Bad => "bad",
        }
    }
}

/// What a proof file says of what it came with.
struct Beside {
    tone: Tone,
    text: String,
}

impl VerifyPage {
    pub(super) fn new(visitor: &Visitor) -> Self {
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
            details: details(t, &sample_verified()),
            beside: Some(Beside { tone: Tone::Good, text: stamped_text(t, 1_795_350_000, "Example Stamps, KR") }),
            proof: Some("HMP1:SAMPLE".to_owned()),
            ..Outcome::good(t)
        };
        let proof = Outcome { facts: good.facts.clone(), details: good.details.clone(), ..Outcome::proof(t) };
        let alone = Outcome::alone(t);
        let mut faulty = Self { faults: Faults::one("file", t.t("verify-no-file")), ..Self::sample_blank(locale) };
        faulty.frame = faulty.frame.faulty();
        vec![
            ("blank", Self::sample_blank(locale)),
            ("good", Self { result: Some(good), ..Self::sample_blank(locale) }),
            ("bad", Self { result: Some(Outcome::bad(t, &VerifyFault::Changed)), ..Self::sample_blank(locale) }),
            (
                "bad-proof",
                Self { result: Some(Outcome::bad_proof(t, &VerifyFault::Signature)), ..Self::sample_blank(locale) },
            ),
            ("proof", Self { result: Some(proof), ..Self::sample_blank(locale) }),
            ("proof-alone", Self { result: Some(alone), ..Self::sample_blank(locale) }),
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
    fn told(t: &Texts, tone: Tone, key: &str) -> Self {
        let (heading, text) = (t.t(key), t.t(&format!("{key}-text")));
        let (facts, details) = (Vec::new(), Vec::new());
        Self { tone, heading, text, why: None, facts, details, opens_details: false, beside: None, proof: None }
    }

    fn good(t: &Texts) -> Self {
        Self::told(t, Tone::Good, "verify-good")
    }

    /// A short proof is genuine, which says nothing of any file.
    fn proof(t: &Texts) -> Self {
        Self { opens_details: true, ..Self::told(t, Tone::Good, "verify-proof-good") }
    }

    /// A proof file without what it is about.
    fn alone(t: &Texts) -> Self {
        Self::told(t, Tone::Care, "verify-proof-alone")
    }

    fn bad(t: &Texts, fault: &VerifyFault) -> Self {
        Self { why: Some(fault_text(t, fault)), ..Self::told(t, Tone::Bad, "verify-bad") }
    }

    fn bad_proof(t: &Texts, fault: &VerifyFault) -> Self {
        let key = match fault {
            VerifyFault::Signature | VerifyFault::UnknownKey { .. } => "verify-fault-signature",
            _ => "verify-proof-fault",
        };
        Self { why: Some(t.t(key)), ..Self::told(t, Tone::Bad, "verify-proof-bad") }
    }

    /// What is known of something genuine.
    fn with(self, t: &Texts, verified: &Verified, issued: Option<Timestamp>) -> Self {
        let mut facts = vec![(t.t("verify-number"), verified.number.to_string())];
        facts.extend(when(t, issued));
        Self { facts, details: details(t, verified), ..self }
    }
}

/// When a document was issued, where that is known.
pub(super) fn when(t: &Texts, issued: Option<Timestamp>) -> Option<(String, String)> {
    issued.map(|at| (t.t("verify-issued"), t.moment(at)))
}

/// Where a document stands in the log, and who saw it there.
pub(super) fn details(t: &Texts, verified: &Verified) -> Vec<(String, String)> {
    let position = [("index", (verified.index + 1).to_string()), ("size", verified.size.to_string())];
    let position = position.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut details = vec![
        (t.t("verify-origin"), verified.origin.clone()),
        (t.t("verify-position"), t.tn("verify-position-text", &position)),
        (t.t("verify-content"), base::hex(&verified.content)),
    ];
    for seen in &verified.cosigned_by {
        let at = i64::try_from(seen.time_s).ok().and_then(|second| Timestamp::from_second(second).ok());
        let at = at.map(|at| t.moment(at)).unwrap_or_default();
        details.push((t.t("verify-witness"), format!("{} ({at})", seen.witness)));
    }
    details
}

/// What a time-stamp says.
fn stamped_text(t: &Texts, time_s: i64, authority: &str) -> String {
    let at = Timestamp::from_second(time_s).map(|at| t.moment(at)).unwrap_or_default();
    t.tn("verify-stamped", &[("date", &at), ("authority", authority)])
}

/// Something genuine for samples.
pub(super) fn sample_verified() -> Verified {
    Verified {
        number: DocumentNumber::random(2026, &base::SeededRandom::new(1)),
        content: [0x5a; 32],
        origin: "hanmaru.example/records".to_owned(),
        entry: ledger::commit(&[0; 32], ledger::EntryKind::Issued, b"sample"),
        index: 61_043,
        size: 61_044,
        signed_by: Vec::new(),
        cosigned_by: vec![ledger::Cosignature { witness: "witness-1".to_owned(), time_s: 1_795_340_060 }],
        quorum: true,
    }
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

/// `POST /verify`: what is handed in is held in memory while it is checked, and nowhere else.
pub(crate) async fn upload(
    visitor: Visitor,
    multipart: Result<Multipart, MultipartRejection>,
) -> Result<Response, PageError> {
    let multipart = multipart.map_err(|_| PageError::Bad)?;
    let uploads = match uploads(multipart, &visitor.portal).await {
        Ok(uploads) => uploads,
        Err(refused) => return refused_page(&visitor, refused),
    };
    let turn = visitor.portal.turn_to_check().await?;
    let t = visitor.t();
    let outcome = visitor.portal.blocking(move |portal| {
        // Held until the check is over, also where the visitor has gone.
        let _held = (turn, &uploads.file.room, &uploads.proof.room);
        judged(t, portal, &uploads.file.bytes, &uploads.proof.bytes)
    });
    page(&VerifyPage { result: Some(outcome.await?), ..VerifyPage::new(&visitor) })
}

/// The page of a proof that is none, for what is made from proofs.
pub(super) fn no_proof_page(visitor: &Visitor, fault: &VerifyFault) -> Result<Response, PageError> {
    let result = Some(Outcome::bad_proof(visitor.t(), fault));
    faulty_page(&VerifyPage { result, ..VerifyPage::new(visitor) })
}

/// What is to be said of a file and of a text, one of which may be missing. Either may hold either kind of proof.
fn judged(t: &Texts, portal: &Portal, file: &[u8], text: &[u8]) -> Result<Outcome, PageError> {
    let trust = &portal.config().trust;
    let (subject, beside) = match (handed(file), handed(text)) {
        // What is typed is no document.
        (_, Some(Handed::Document(_))) => return Ok(Outcome::bad_proof(t, &VerifyFault::NotIssued)),
        (Some(file @ Handed::ProofFile(_)), Some(short @ Handed::Qr(_))) => (short, Some(file)),
        (Some(file), beside) => (file, beside),
        (None, Some(text)) => (text, None),
        (None, None) => return Ok(Outcome::bad(t, &VerifyFault::NotPdf)),
    };
    let (verified, outcome) = match &subject {
        Handed::Document(bytes) => match verify_by(bytes, trust) {
            Ok(verified) => (verified, Outcome { proof: qr_text(bytes, trust).ok(), ..Outcome::good(t) }),
            Err(fault) => return Ok(Outcome::bad(t, &fault)),
        },
        Handed::Qr(short) => match verify_qr(short, trust) {
            Ok(verified) => (verified, Outcome { proof: Some(short.clone()), ..Outcome::proof(t) }),
            Err(fault) => return Ok(Outcome::bad_proof(t, &fault)),
        },
        Handed::ProofFile(_) => return Ok(Outcome::alone(t)),
    };
    let beside = beside.map(|proof| beside_of(t, portal, &verified, &proof));
    let issued = issued_at(portal, &verified.number)?;
    Ok(Outcome { beside, ..outcome.with(t, &verified, issued) })
}

fn handed(bytes: &[u8]) -> Option<Handed<'_>> {
    (!bytes.trim_ascii().is_empty()).then(|| Handed::of(bytes))
}

/// What a proof says of something genuine that it came with.
fn beside_of(t: &Texts, portal: &Portal, verified: &Verified, proof: &Handed<'_>) -> Beside {
    let config = portal.config();
    let told = |tone, key: &str| Beside { tone, text: t.t(key) };
    let file = match proof {
        Handed::ProofFile(file) => file,
        Handed::Qr(short) if verify_qr(short, &config.trust).is_ok_and(|found| found.entry == verified.entry) => {
            return told(Tone::Good, "verify-beside-same");
        }
        Handed::Qr(_) | Handed::Document(_) => return told(Tone::Bad, "verify-beside-other"),
    };
    match verify_proof_file(verified, file, &config.trust, &config.stamp_authorities) {
        Err(_) => told(Tone::Bad, "verify-beside-other"),
        Ok(found) => match found.stamp {
            None => told(Tone::Good, "verify-beside-same"),
            Some(Err(_)) => told(Tone::Care, "verify-beside-stamp-unknown"),
            Some(Ok(stamp)) => Beside { tone: Tone::Good, text: stamped_text(t, stamp.time_s, &stamp.signer) },
        },
    }
}

/// When the document of a number was issued here.
pub(super) fn issued_at(portal: &Portal, number: &DocumentNumber) -> Result<Option<Timestamp>, PageError> {
    Ok(portal.archive().issued(number)?.map(|document| document.issued))
}

/// Why an upload is not looked at.
enum Refused {
    Nothing,
    TooLarge,
    /// No proof is so long.
    ProofTooLong,
    Malformed,
    /// It comes too slowly, or too many come.
    Busy,
}

fn refused_page(visitor: &Visitor, refused: Refused) -> Result<Response, PageError> {
    let t = visitor.t();
    let bytes_max = visitor.portal.config().limits.verify_bytes;
    let (field, text, status) = match refused {
        Refused::Nothing => ("file", t.t("verify-no-file"), StatusCode::UNPROCESSABLE_ENTITY),
        Refused::TooLarge => {
            ("file", t.t1("verify-too-large", "size", mebibytes(bytes_max)), StatusCode::PAYLOAD_TOO_LARGE)
        }
        Refused::ProofTooLong => ("proof", t.t("verify-proof-too-long"), StatusCode::PAYLOAD_TOO_LARGE),
        Refused::Malformed => return Err(PageError::Bad),
        Refused::Busy => return Err(PageError::Busy),
    };
    let mut shown = VerifyPage { faults: Faults::one(field, text), ..VerifyPage::new(visitor) };
    shown.frame = shown.frame.faulty();
    let mut response = faulty_page(&shown)?;
    *response.status_mut() = status;
    Ok(response)
}

/// Something uploaded, and the memory that it takes.
#[derive(Default)]
struct Upload {
    bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

/// What came with the form.
#[derive(Default)]
struct Uploads {
    file: Upload,
    proof: Upload,
}

/// The parts named `file` and `proof`, read up to their limits.
async fn uploads(mut multipart: Multipart, portal: &Portal) -> Result<Uploads, Refused> {
    let mut uploads = Uploads::default();
    while let Some(part) = in_time(multipart.next_field()).await?.map_err(refused)? {
        match part.name() {
            Some("file") => uploads.file = read(part, portal, portal.config().limits.verify_bytes).await?,
            Some("proof") => {
                let read = read(part, portal, PROOF_LEN_MAX).await;
                uploads.proof = read.map_err(|refused| match refused {
                    Refused::TooLarge => Refused::ProofTooLong,
                    other => other,
                })?;
            }
            // What is not asked for is passed over when the next part is read.
            _ => {}
        }
    }
    if uploads.file.bytes.is_empty() && uploads.proof.bytes.trim_ascii().is_empty() {
        return Err(Refused::Nothing);
    }
    Ok(uploads)
}

/// Reads a part piece by piece, each within its time.
async fn read(mut part: Field<'_>, portal: &Portal, bytes_max: usize) -> Result<Upload, Refused> {
    let (mut upload, mut too_large, mut ended) = (Upload::default(), false, false);
    while !ended {
        let piece = in_time(piece(&mut part)).await??;
        ended = piece.len() < PIECE_BYTES;
        too_large |= upload.bytes.len() + piece.len() > bytes_max;
        if too_large {
            // Read to its end, and kept no more.
            upload = Upload::default();
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
    if too_large { Err(Refused::TooLarge) } else { Ok(upload) }
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
