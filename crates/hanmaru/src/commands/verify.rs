//! `hanmaru verify`: checks an issued PDF offline.

use crate::Failure;
use base::limits::Limits;
use ledger::VerifierKey;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `hanmaru verify`.
#[derive(clap::Args)]
pub struct Verify {
    /// The PDF.
    file: PathBuf,
    /// A file with pinned public keys of the issuing log, one a line, as `hanmaru keys` prints them.
    #[arg(long, value_name = "FILE", required_unless_present = "key")]
    keys: Option<PathBuf>,
    /// A pinned public key.
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
}

impl Verify {
    /// Says what the file is; exit status 1 where it is not as issued.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let mut texts = self.key;
        if let Some(path) = &self.keys {
            let text = std::fs::read_to_string(path).map_err(|error| cannot_read(path, &error))?;
            texts.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
        }
        let pinned = texts.iter().map(|text| VerifierKey::parse(text)).collect::<Result<Vec<_>, _>>()?;
        let bytes = read_limited(&self.file, Limits::default().verify_bytes)?;
        match archive::verify::verify(&bytes, &pinned) {
            Ok(document) => {
                println!("{}: as issued, unchanged", self.file.display());
                println!("  document {}", document.number);
                println!("  leaf {} of {} in {}", document.index, document.size, document.origin);
                for signer in document.signed_by {
                    println!("  signed by {signer}");
                }
                Ok(ExitCode::SUCCESS)
            }
            Err(fault) => {
                println!("{}: NOT as issued: {fault}", self.file.display());
                Ok(ExitCode::from(1))
            }
        }
    }
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
