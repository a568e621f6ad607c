//! `hanmaru verify`: checks an issued PDF, the text of a QR code, or the receipt of a deposit, offline.

use crate::Failure;
use crate::stamping::read_authority;
use crate::witnesses::read_policy;
use archive::SignedReceipt;
use archive::verify::{Handed, Verified, qr_text, verify_by, verify_proof_file, verify_qr};
use base::Timestamp;
use base::limits::Limits;
use ledger::proof::PROOF_LEN_MAX;
use ledger::{Cosignature, TrustPolicy, VerifierKey, WitnessKey};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `hanmaru verify`.
#[derive(clap::Args)]
pub struct Verify {
    /// The PDF, a file with the text of a QR code, or the JSON of a receipt.
    #[arg(required_unless_present = "qr")]
    file: Option<PathBuf>,
    /// The text of a QR code with a proof, instead of a PDF.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["file", "show_qr"])]
    qr: Option<String>,
    /// Prints the proof in the form for a QR code too.
    #[arg(long)]
    show_qr: bool,
    /// A proof file of the same document, which may carry a time-stamp.
    #[arg(long, value_name = "FILE", requires = "authority")]
    proof: Option<PathBuf>,
    /// Pinned certificates of the time-stamp authority, PEM.
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
    /// A file with pinned public keys of the issuing log, one a line, as `hanmaru keys` prints them; those of witnesses may stand
    /// there too.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["key", "policy"])]
    keys: Option<PathBuf>,
    /// A pinned public key of the log, or of a witness.
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// A policy file (C2SP tlog-policy): pinned logs and witnesses, and how many of these must have cosigned.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl Verify {
    /// Says what the file is; exit status 1 where it is not as issued.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let trust = pinned(&self.key, self.keys.as_deref(), self.policy.as_deref())?;
        if let Some(text) = &self.qr {
            return self.say_text("the text", text, &trust);
        }
        let path = self.file.clone().expect("the arguments ask for a file or a text");
        let bytes = read_limited(&path, Limits::default().verify_bytes)?;
        let name = path.display().to_string();
        match Handed::of(&bytes) {
            Handed::Qr(text) => return self.say_text(&name, &text, &trust),
            Handed::ProofFile(_) => {
                let wanted =
                    "a proof file does not say what it is about: name the document, and this file with --proof";
                return Err(format!("{name}: {wanted}").into());
            }
            // What is issued is a PDF, and a receipt is an object of JSON.
            Handed::Document(bytes) if bytes.trim_ascii_start().starts_with(b"{") => {
                return self.say_receipt(&name, bytes, &trust);
            }
            Handed::Document(_) => {}
        }
        match verify_by(&bytes, &trust) {
            Ok(document) => {
                println!("{name}: as issued, unchanged");
                let code = self.say_all(&document, &trust)?;
                if self.show_qr {
                    println!("{}", qr_text(&bytes, &trust)?);
                }
                Ok(code)
            }
            Err(fault) => {
                println!("{name}: NOT as issued: {fault}");
                Ok(ExitCode::from(1))
            }
        }
    }

    /// Says whether a receipt is the one that the log committed to, and what it then promises.
    fn say_receipt(&self, name: &str, bytes: &[u8], trust: &TrustPolicy) -> Result<ExitCode, Failure> {
        if self.proof.is_some() || self.show_qr {
            return Err(format!("{name} is a receipt: --proof and --show-qr go with issued documents").into());
        }
        let found = SignedReceipt::parse(bytes).and_then(|receipt| Ok((receipt.verify_by(trust)?, receipt)));
        let (log, receipt) = match found {
            Ok(found) => found,
            Err(fault) => {
                println!("{name}: NOT a genuine receipt: {fault}");
                return Ok(ExitCode::from(1));
            }
        };
        println!("{name}: a genuine receipt, unchanged");
        let head = log.signed.checkpoint;
        let signed_by: Vec<String> = log.log_signatures.into_iter().map(|signature| signature.name).collect();
        let code = say_log((receipt.leaf, head.size, &head.origin), &signed_by, &log.cosignatures, log.quorum);
        print!("\n{}", receipt.receipt.english());
        Ok(code)
    }

    /// Says what the text of a QR code proves.
    fn say_text(&self, name: &str, text: &str, trust: &TrustPolicy) -> Result<ExitCode, Failure> {
        match verify_qr(text, trust) {
            Ok(document) => {
                println!("{name} is a genuine proof");
                println!("  the document's content hash is {}", base::hex(&document.content));
                self.say_all(&document, trust)
            }
            Err(fault) => {
                println!("{name} is NO proof: {fault}");
                Ok(ExitCode::from(1))
            }
        }
    }

    /// Says what is genuine, and what the proof file beside it adds.
    fn say_all(&self, document: &Verified, trust: &TrustPolicy) -> Result<ExitCode, Failure> {
        let mut code = say(document);
        if let Some(proof) = &self.proof {
            match self.stamped(proof, document, trust)? {
                Ok(line) => println!("  {line}"),
                Err(fault) => {
                    println!("  NOT time-stamped by that proof: {fault}");
                    code = ExitCode::from(1);
                }
            }
        }
        Ok(code)
    }

    /// What a proof file says of when the document was logged.
    fn stamped(
        &self,
        path: &Path,
        document: &Verified,
        trust: &TrustPolicy,
    ) -> Result<Result<String, String>, Failure> {
        let authority = read_authority(self.authority.as_deref().expect("the arguments ask for both"))?;
        let file = read_limited(path, PROOF_LEN_MAX)?;
        Ok(match verify_proof_file(document, &file, trust, &[authority]) {
            Err(fault) => Err(fault.to_string()),
            Ok(found) => match found.stamp {
                None => Err("the proof carries none".to_owned()),
                Some(Err(error)) => Err(error.to_string()),
                Some(Ok(stamp)) => {
                    let at = u64::try_from(stamp.time_s).map_or_else(|_| "an unknown time".to_owned(), time_text);
                    Ok(format!("time-stamped at {at} by {}: it was in the log then", stamp.signer))
                }
            },
        })
    }
}

/// What a genuine proof of a document says; the exit status as of [`say_log`].
fn say(document: &Verified) -> ExitCode {
    println!("  document {}", document.number);
    let place = (document.index, document.size, document.origin.as_str());
    say_log(place, &document.signed_by, &document.cosigned_by, document.quorum)
}

/// Where in which log a leaf stands, and who says so; the exit status, which is 1 where a policy asks for more witnesses.
fn say_log(
    (index, size, origin): (u64, u64, &str),
    signed_by: &[String],
    cosigned_by: &[Cosignature],
    quorum: bool,
) -> ExitCode {
    println!("  leaf {index} of {size} in {origin}");
    for signer in signed_by {
        println!("  signed by {signer}");
    }
    for cosignature in cosigned_by {
        println!("  cosigned by {} at {}", cosignature.witness, time_text(cosignature.time_s));
    }
    if quorum {
        return ExitCode::SUCCESS;
    }
    println!("  NOT witnessed: too few of the policy's witnesses have cosigned");
    ExitCode::from(1)
}

/// The policy that these keys and this file make. Keys of type 04 are those of witnesses.
pub fn pinned(keys: &[String], file: Option<&Path>, policy: Option<&Path>) -> Result<TrustPolicy, Failure> {
    let mut texts = keys.to_vec();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|error| cannot_read(path, &error))?;
        texts.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    }
    let (mut logs, mut witnesses) = (Vec::new(), Vec::new());
    for text in texts {
        match WitnessKey::parse(&text) {
            Ok(key) => witnesses.push(key),
            Err(_) => logs.push(VerifierKey::parse(&text)?),
        }
    }
    let trust = match policy {
        Some(path) => read_policy(path)?.with_logs(&logs),
        None => TrustPolicy::without_witnesses(&logs),
    };
    Ok(trust.with_witnesses(&witnesses))
}

/// A time in seconds since 1970, for people.
pub fn time_text(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.map_or_else(|| "an unknown time".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn cannot_read(path: &Path, error: &std::io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
}

fn read_limited(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let file = std::fs::File::open(path).map_err(|error| cannot_read(path, &error))?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|error| cannot_read(path, &error))?;
    if bytes.len() > limit {
        return Err(format!("{} is larger than {limit} bytes, the most that is verified", path.display()).into());
    }
    Ok(bytes)
}
