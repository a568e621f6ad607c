//! `hanmaru verify`: checks an issued PDF, or the text of a QR code, offline.

use crate::Failure;
use crate::stamping::read_authority;
use crate::witnesses::read_policy;
use archive::verify::{Handed, Verified, qr_text, verify_by, verify_proof_file, verify_qr};
use base::Timestamp;
use base::limits::Limits;
use ledger::proof::PROOF_LEN_MAX;
use ledger::{TrustPolicy, VerifierKey, WitnessKey};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `hanmaru verify`.
#[derive(clap::Args)]
pub struct Verify {
    /// The PDF, or a file with the text of a QR code.
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

/// What a genuine proof says; the exit status, which is 1 where a policy asks for more witnesses.
fn say(document: &Verified) -> ExitCode {
    println!("  document {}", document.number);
    println!("  leaf {} of {} in {}", document.index, document.size, document.origin);
    for signer in &document.signed_by {
        println!("  signed by {signer}");
    }
    for cosignature in &document.cosigned_by {
        println!("  cosigned by {} at {}", cosignature.witness, time_text(cosignature.time_s));
    }
    if document.quorum {
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
