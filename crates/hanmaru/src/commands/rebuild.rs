//! `hanmaru rebuild`: makes an installation's database again from one site, or tries it out and takes it away again.

use crate::Failure;
use crate::config::Config;
use crate::hall::{Hall, configured};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use store::{Drill, DrillOutcome, Fingerprint, Rebuilt, Without};

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
    /// Goes on although fewer witnesses than a quorum can be asked whether they have seen more of a log than the sites hold.
    #[arg(long)]
    without_witnesses: bool,
    /// Goes on although so many sites are silent that some of what was sealed may be at those alone.
    #[arg(long)]
    without_sites: bool,
}

impl Rebuild {
    /// Says what was found, and prints the fingerprint of every table.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let config = configured(&self.config)?;
        let begin = Instant::now();
        let without = Without { witnesses: self.without_witnesses, sites: self.without_sites };
        let rebuilt = if self.drill {
            drill(&config, &self.from, without)?
        } else {
            Hall::rebuild(&config, &self.from, false, without)?
        };
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

/// A restore drill, of which the running installation keeps what came of it, for its status.
fn drill(config: &Config, site: &str, without: Without) -> Result<Rebuilt, Failure> {
    let hall = Hall::look(config)?;
    let permit = hall.operate("rebuild", policy::Action::ReadStatus)?;
    let begun = hall.machine_time();
    let is_at_rest = hall.store().health().waiting == [0, 0];
    let before = hall.store().fingerprint(&permit)?;
    let made = Hall::rebuild(config, site, true, without);
    let after = hall.store().fingerprint(&permit)?;
    let (outcome, result) = match &made {
        Err(error) => (DrillOutcome::Unequal, error.to_string()),
        Ok(made) => unless_silent(compared(&made.fingerprint, &before, &after, is_at_rest), &made.silent),
    };
    let (resources, objects) = made.as_ref().map_or((0, 0), |made| (made.versions, made.objects));
    let rows = made.as_ref().map_or(0, |made| made.fingerprint.iter().map(|table| table.rows).sum());
    let ended = hall.machine_time();
    println!("{result}");
    hall.store().note_drill(Drill {
        begun,
        ended,
        site: site.to_owned(),
        outcome,
        resources,
        objects,
        rows,
        result,
    })?;
    let made = made?;
    match outcome {
        DrillOutcome::Unequal => Err(Failure::from("what was made is not equal to what runs here")),
        DrillOutcome::Equal | DrillOutcome::Partly => Ok(made),
    }
}

/// How what was made compares with what runs here, and that in words. For a table that was written to meanwhile, or of which
/// something is still on its way to the sites, the proof of every leaf has to do.
fn compared(made: &Fingerprint, before: &Fingerprint, after: &Fingerprint, is_at_rest: bool) -> (DrillOutcome, String) {
    let (mut unequal, mut open) = (Vec::new(), Vec::new());
    for made in made {
        let of = |all: &Fingerprint| all.iter().find(|one| one.table == made.table).cloned();
        let (before, after) = (of(before), of(after));
        if [&before, &after].into_iter().flatten().any(|there| there == made) {
            continue;
        }
        let wrong = if is_at_rest && before == after { &mut unequal } else { &mut open };
        wrong.push(made.table.as_str());
    }
    if !unequal.is_empty() {
        let tables = unequal.join(", ");
        return (DrillOutcome::Unequal, format!("these tables are not equal to those that run here: {tables}"));
    }
    if open.is_empty() {
        return (DrillOutcome::Equal, "every table is equal to the one that runs here".to_owned());
    }
    let (equal, all, open) = (made.len() - open.len(), made.len(), open.join(", "));
    let said = format!(
        "every leaf is explained, and {equal} of {all} tables are equal; written to meanwhile and not compared: {open}"
    );
    (DrillOutcome::Partly, said)
}

/// What a site has that does not tell was not compared.
fn unless_silent((outcome, said): (DrillOutcome, String), silent: &[String]) -> (DrillOutcome, String) {
    if silent.is_empty() {
        return (outcome, said);
    }
    let outcome = if outcome == DrillOutcome::Equal { DrillOutcome::Partly } else { outcome };
    (outcome, format!("{said}; silent, and not asked whether they have more: {}", silent.join("; ")))
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
    for silent in &rebuilt.silent {
        println!("{silent}: it could not be asked whether it has more");
    }
    if rebuilt.back > 0 {
        println!(
            "{} keys that an erasure had destroyed were in the key stores again, which were set back to a time before it: \
             they were not taken over, and are listed as destroyed again; `hanmaru keys compact` removes them from the files",
            rebuilt.back
        );
    }
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
