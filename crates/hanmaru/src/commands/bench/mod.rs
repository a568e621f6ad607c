//! `hanmaru bench`: measures on this machine, and prints each figure beside its goal.
//!
//! One line a bar, `bar NAME VALUE UNIT GOAL ok|short`, after a line with the limit or the peer that was measured in the same
//! run. A speed that falls short is a figure, not a failure: the exit status is 0. A count that must be exact and is not (lost,
//! doubled, stale, not identical) is a failure. Names never change, so that figures can be compared over time. Measurements read clocks; nothing else in the program does.

mod audit;
mod bars;
mod browser;
mod crash;
mod deposit;
mod directory;
mod flips;
mod journey;
mod ledger;
mod people;
mod place;
mod reads;
mod rebuild;
mod rewrap;
mod stale_permits;
mod watch;
mod witnessed;

use crate::Failure;
use bars::Bars;
use place::Place;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `hanmaru bench`.
#[derive(clap::Args)]
pub struct Bench {
    /// The bench to run.
    #[arg(required_unless_present = "list")]
    name: Option<String>,
    /// Lists the benches.
    #[arg(long)]
    list: bool,
    /// Where to work; what is written there is removed at the end. Its disk is the one that is measured.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    dir: PathBuf,
    #[command(flatten)]
    how: How,
}

/// How much is measured.
#[derive(clap::Args, Clone, Copy)]
struct How {
    /// Kills of the bench `crash` that hit something new.
    #[arg(long, value_name = "KILLS", default_value_t = 200)]
    points: u32,
    /// Patients of the bag that the bench `rebuild` deposits; each has about twelve documents.
    #[arg(long, value_name = "PATIENTS", default_value_t = 1_750)]
    patients: usize,
    /// Measures less where that shows the same with less certainty: what runs with the tests.
    #[arg(long)]
    short: bool,
}

impl How {
    /// A number of repetitions, or a tenth of it where little time is given.
    const fn times(self, whole: u64) -> u64 {
        if self.short { whole / 10 } else { whole }
    }

    /// Documents that so many patients must have: for the sizes that are asked for, the number that is.
    fn documents(self) -> f64 {
        match self.patients {
            8_750.. => 100_000.0,
            1_750.. => 20_000.0,
            patients => (patients * 11) as f64,
        }
    }
}

type Run = fn(&Place, &How, &mut Bars) -> Result<(), Failure>;

/// Every bench: its name, what it shows, how it is run.
const BENCHES: [(&str, &str, Run); 13] = [
    (
        "deposit",
        "a bag goes in, every patient's PDF comes out; memory; deposits killed at 200 random moments",
        deposit::run,
    ),
    ("journey", "documents of 30 pages, institution search, page loads from sign-in to PDF", journey::run),
    ("ledger", "durable appends a second, and proofs in a log of a million leaves", ledger::run),
    (
        "flips",
        "every bit flipped in what lies at a site of a small log, a million drawn ones of a large log",
        flips::run,
    ),
    ("reads", "a read with its durable access entry, by one reader and by 64 at once", reads::run),
    (
        "trust",
        "all of: witnessed, rebuild, flips, rewrap, reads, watch, stale-permits; the seeds of faults are tests",
        trust,
    ),
    ("witnessed", "appends a second that are sealed and cosigned, and how long one takes", witnessed::run),
    ("rebuild", "20,000 documents and all tables made again from one site of three", rebuild::run),
    ("memory", "a part of `deposit` alone: peak memory on 1,000 and on 10,000 patients", deposit::memory),
    ("rewrap", "a million patients' keys come under new shard keys", rewrap::run),
    ("watch", "how soon people see an access of another process, and security officers an alert", watch::run),
    (
        "stale-permits",
        "100,000 readings that begin after a right, a consent or an appointment was revoked",
        stale_permits::run,
    ),
    ("crash", "a part of `deposit` alone: deposits killed at random moments", crash::run),
];

/// Everything that shows whether records survive a crash, a fire and a thief.
fn trust(place: &Place, how: &How, bars: &mut Bars) -> Result<(), Failure> {
    for run in [witnessed::run, rebuild::run, flips::run, rewrap::run, reads::run, watch::run, stale_permits::run] {
        run(place, how, bars)?;
    }
    Ok(())
}

impl Bench {
    /// Runs one bench, or lists all. Exit status 0 also where a speed falls short, 1 where a count is wrong.
    pub fn run(self) -> Result<ExitCode, Failure> {
        if self.list {
            for (name, what, _) in BENCHES {
                println!("{name:13} {what}");
            }
            return Ok(ExitCode::SUCCESS);
        }
        let wanted = self.name.unwrap_or_default();
        let Some((name, _, run)) = BENCHES.into_iter().find(|(name, ..)| *name == wanted) else {
            return Err(format!("there is no bench {wanted}: `hanmaru bench --list` names them").into());
        };
        let place = Place::make(&self.dir, name)?;
        let mut bars = Bars::begin(name, place.root());
        run(&place, &self.how, &mut bars)?;
        bars.end()?;
        Ok(ExitCode::SUCCESS)
    }
}
