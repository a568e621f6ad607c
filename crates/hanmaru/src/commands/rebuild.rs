//! `hanmaru rebuild`: makes an installation's database again from one site, or tries it out and takes it away again.

use crate::Failure;
use crate::hall::{Hall, configured};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use store::{Fingerprint, Rebuilt};

/// Arguments of `hanmaru rebuild`.
#[derive(clap::Args)]
pub struct Rebuild {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The name of the site that it is made from.
    #[arg(long, value_name = "SITE")]
    from: String,
    /// Proves that it can be done, beside the running installation, and keeps nothing.
    #[arg(long)]
    drill: bool,
}

impl Rebuild {
    /// Says what was found, and prints the fingerprint of every table.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let config = configured(&self.config)?;
        let begin = Instant::now();
        let rebuilt = Hall::rebuild(&config, &self.from, self.drill)?;
        say(&rebuilt);
        let seconds = begin.elapsed().as_secs();
        if self.drill {
            println!(
                "proved in {seconds} s: an installation can be made from site {} alone; nothing was kept",
                self.from
            );
        } else {
            // Opening it compares it with every site once more, and lets the sequencer finish what was interrupted.
            let hall = Hall::open(&config)?;
            hall.store().note_rebuild(&rebuilt)?;
            println!("made and proved in {seconds} s from site {}; `hanmaru serve` may start", self.from);
            println!("people sign in anew; receipts are in the database, and their copies in files are not");
        }
        print_fingerprint(&rebuilt.fingerprint);
        Ok(ExitCode::SUCCESS)
    }
}

fn say(rebuilt: &Rebuilt) {
    for (place, log) in ["records", "access"].into_iter().enumerate() {
        println!("log {log}: {} leaves, all explained; root {}", rebuilt.leaves[place], rebuilt.roots[place]);
        if rebuilt.taken_up[place] > 0 {
            println!("  of these {} were written and not yet under a checkpoint at the site", rebuilt.taken_up[place]);
        }
    }
    println!(
        "{} versions, {} documents (every byte read), {} access entries, {} changes of rows; {} packs, {} MiB",
        rebuilt.versions,
        rebuilt.objects,
        rebuilt.accesses,
        rebuilt.changes,
        rebuilt.packs[0],
        rebuilt.packs[1] >> 20
    );
    println!("{} frames whose key was destroyed, {} of interrupted writes", rebuilt.shut, rebuilt.stray);
}

/// Arguments of `hanmaru fingerprint`.
#[derive(clap::Args)]
pub struct FingerprintOf {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl FingerprintOf {
    /// Prints the fingerprint of every table, to compare with another installation's.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let hall = Hall::look(&configured(&self.config)?)?;
        print_fingerprint(&hall.store().fingerprint(&hall.operate("fingerprint", policy::Action::ReadStatus)?)?);
        Ok(ExitCode::SUCCESS)
    }
}

fn print_fingerprint(fingerprint: &Fingerprint) {
    for one in fingerprint {
        println!("{} {} {}", one.table, one.rows, one.digest);
    }
}
