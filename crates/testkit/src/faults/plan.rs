//! What goes wrong in a run, and when: a list of events by the driver's step, drawn from a seed. Not how it is made to go
//! wrong.

use base::{Random, SeededRandom};
use std::fmt;
use store::{Log, seams};

/// Sites, and key stores, of an installation under faults.
pub const PLACES: usize = 3;
/// Fewest and most steps of a drawn plan.
const STEPS: (u32, u32) = (12, 28);

/// How a site behaves from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SiteMode {
    /// As it should.
    Well,
    /// Every call fails with an error of its disk.
    Fails,
    /// Its folder is not there.
    Away,
    /// It is full: reading goes on.
    Full,
    /// No call comes back until this ends.
    Hangs,
    /// It says that a write is durable, and loses it in a crash.
    Forgets,
    /// Each write takes some milliseconds longer.
    Slow,
}

/// How a key store behaves from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMode {
    /// As it should.
    Well,
    /// It is full.
    Full,
}

/// How the witness behaves from now on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WitnessMode {
    /// As it should.
    #[default]
    Well,
    /// It cannot be reached.
    Fails,
    /// No request is answered until the end of the step.
    Hangs,
    /// It cosigns, and has lost what it cosigned whenever it is asked again.
    Forgets,
}

/// How the disk of the data folder behaves from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskMode {
    /// As it should.
    Well,
    /// It is full: neither the journal nor the database takes anything.
    Full,
    /// Each fsync takes some milliseconds longer.
    Slow,
}

/// One thing that goes wrong, or ends going wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A site changes.
    Site(usize, SiteMode),
    /// A key store changes.
    KeyStore(usize, KeyMode),
    /// The data folder's disk changes.
    Disk(DiskMode),
    /// The witness changes.
    Witness(WitnessMode),
    /// The process ends between two steps and is started again.
    Crash,
    /// The process ends when it comes by a place within this step; at the end of the step in any case. Where the place is on the
    /// way of the log of accesses ([`is_of_accesses`]), that log is sealed behind the step's work until it comes by.
    KillAt(&'static str),
    /// The sequencer stops at a place the next time it comes by; another process takes over in the next step.
    Pause(&'static str),
    /// The sequencer that was stopped goes on where it was, its lease long lost.
    Resume,
    /// The write of this step is held up before its transaction, and another process's write overtakes it.
    Overtake,
}

/// Something that happens before a step of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// The step, from 0.
    pub step: u32,
    /// What.
    pub what: What,
}

/// A run's faults. The same seed gives the same plan for ever: a failing run is told by its seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultPlan {
    /// The seed.
    pub seed: u64,
    /// How many steps the driver makes.
    pub steps: u32,
    /// What happens, in order of the steps.
    pub events: Vec<Event>,
}

/// Draws that depend on a seed and on how many were made before, and on nothing else.
#[derive(Debug)]
pub struct Draws(SeededRandom);

impl Draws {
    /// The draws of a seed, for one purpose.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Self {
        let id = base::Id16::derived(&["draws", purpose, &seed.to_string()]);
        let first = id.0.first_chunk().expect("16 bytes have a first 8");
        Self(SeededRandom::new(u64::from_be_bytes(*first)))
    }

    /// One of `0..below`.
    pub fn below(&self, below: u32) -> u32 {
        let bytes = self.0.bytes16();
        let number = u64::from_be_bytes(*bytes.first_chunk().expect("16 bytes have a first 8"));
        (number % u64::from(below.max(1))) as u32
    }

    /// One of several.
    pub fn one_of<T: Copy>(&self, these: &[T]) -> T {
        these[self.below(these.len() as u32) as usize]
    }
}

/// What is wrong at a moment of a plan.
struct Now {
    sites: [SiteMode; PLACES],
    keys: [KeyMode; PLACES],
    disk: DiskMode,
    witness: WitnessMode,
    paused: bool,
}

/// Places where a process is killed: those that a step comes to by itself, and each step of sealing the log of accesses, which is
/// done behind the work of a step, so that a seed does the same again.
const KILLS: [&str; 15] = [
    seams::BEGIN,
    seams::COMMIT,
    seams::COMMITTED,
    seams::JOURNAL_WRITE,
    seams::JOURNAL_SYNC,
    seams::before_swap(Log::Records),
    seams::after_swap(Log::Records),
    seams::before_publish(Log::Records),
    seams::published(Log::Records),
    seams::JOURNAL_MOVE,
    seams::JOURNAL_MOVED,
    seams::before_swap(Log::Access),
    seams::after_swap(Log::Access),
    seams::before_publish(Log::Access),
    seams::published(Log::Access),
];

/// Those on the way of an entry from the journal under a checkpoint of the log of accesses.
pub(super) fn accesses() -> &'static [&'static str] {
    &KILLS[9..]
}

/// Whether a process comes by a place when the log of accesses is sealed, and then alone.
#[must_use]
pub fn is_of_accesses(place: &str) -> bool {
    accesses().contains(&place)
}

/// Places where a sequencer is stopped.
const PAUSES: [&str; 3] =
    [seams::before_swap(Log::Records), seams::after_swap(Log::Records), seams::before_publish(Log::Records)];

impl FaultPlan {
    /// The plan of a seed. At no time more than two sites are ill, and a site that hangs is the only one, so that a run
    /// takes seconds; never two sites forget at once, since two copies are what is promised.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let draws = Draws::new(seed, "plan");
        let steps = STEPS.0 + draws.below(STEPS.1 - STEPS.0);
        let well = SiteMode::Well;
        let (keys, disk, witness) = ([KeyMode::Well; 3], DiskMode::Well, WitnessMode::Well);
        let mut now = Now { sites: [well; 3], keys, disk, witness, paused: false };
        let mut events = Vec::new();
        let mut held_until = 0;
        for step in 1..steps {
            // What needs two steps of its own is left alone in the second.
            if step < held_until || draws.below(100) < 35 {
                continue;
            }
            let what = now.draw(&draws);
            if matches!(what, What::Pause(_) | What::Overtake) {
                held_until = step + 2;
            }
            events.push(Event { step, what });
        }
        Self { seed, steps, events }
    }

    /// A plan without faults, for comparison.
    #[must_use]
    pub const fn calm(seed: u64, steps: u32) -> Self {
        Self { seed, steps, events: Vec::new() }
    }

    /// What happens before a step.
    pub fn at(&self, step: u32) -> impl Iterator<Item = What> + '_ {
        self.events.iter().filter(move |event| event.step == step).map(|event| event.what)
    }
}

impl Now {
    fn draw(&mut self, draws: &Draws) -> What {
        let ill = self.sites.iter().any(|mode| *mode != SiteMode::Well);
        let busy = self.disk == DiskMode::Full || self.keys.iter().any(|mode| *mode != KeyMode::Well);
        match draws.below(100) {
            0..38 => self.draw_site(draws),
            38..46 => self.draw_key_store(draws),
            46..54 => self.draw_witness(draws),
            54..62 => {
                self.disk = if self.disk == DiskMode::Well {
                    draws.one_of(&[DiskMode::Full, DiskMode::Slow])
                } else {
                    DiskMode::Well
                };
                What::Disk(self.disk)
            }
            _ if self.paused => {
                self.paused = false;
                What::Resume
            }
            62..70 => What::Crash,
            70..87 => What::KillAt(draws.one_of(&KILLS)),
            // Where a quorum is lacking nobody comes by the places.
            87..95 if !ill && !busy => {
                self.paused = true;
                What::Pause(draws.one_of(&PAUSES))
            }
            95..100 if !busy => What::Overtake,
            _ => What::Crash,
        }
    }

    fn draw_site(&mut self, draws: &Draws) -> What {
        use SiteMode::{Away, Fails, Forgets, Full, Hangs, Slow, Well};
        let ill: Vec<usize> = (0..PLACES).filter(|place| self.sites[*place] != Well).collect();
        let (place, mode) = match ill[..] {
            [] => (draws.below(3) as usize, draws.one_of(&[Fails, Away, Full, Hangs, Forgets, Slow])),
            [one] if self.sites[one] == Hangs || draws.below(2) == 0 => (one, Well),
            [one] => ((one + 1 + draws.below(2) as usize) % PLACES, draws.one_of(&[Fails, Away, Full])),
            _ => (draws.one_of(&ill), Well),
        };
        self.sites[place] = mode;
        What::Site(place, mode)
    }

    fn draw_witness(&mut self, draws: &Draws) -> What {
        use WitnessMode::{Fails, Forgets, Hangs, Well};
        let mode = if self.witness == Well { draws.one_of(&[Fails, Hangs, Forgets]) } else { Well };
        // It hangs for one step.
        self.witness = if mode == Hangs { Well } else { mode };
        What::Witness(mode)
    }

    fn draw_key_store(&mut self, draws: &Draws) -> What {
        let place = draws.below(3) as usize;
        let mode = &mut self.keys[place];
        *mode = if *mode == KeyMode::Well { KeyMode::Full } else { KeyMode::Well };
        What::KeyStore(place, *mode)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Site(place, mode) => write!(f, "site {place} {mode:?}"),
            Self::KeyStore(place, mode) => write!(f, "key store {place} {mode:?}"),
            Self::Disk(mode) => write!(f, "disk {mode:?}"),
            Self::Witness(mode) => write!(f, "witness {mode:?}"),
            Self::Crash => f.write_str("crash"),
            Self::KillAt(place) => write!(f, "kill at {place}"),
            Self::Pause(place) => write!(f, "pause at {place}"),
            Self::Resume => f.write_str("resume"),
            Self::Overtake => f.write_str("overtake"),
        }
    }
}

impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {} steps", self.seed, self.steps)?;
        self.events.iter().try_for_each(|event| write!(f, "; {}: {}", event.step, event.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_plan() {
        let plans: Vec<_> = (0..200).map(FaultPlan::from_seed).collect();
        for (seed, plan) in (0..).zip(&plans) {
            assert_eq!(*plan, FaultPlan::from_seed(seed), "{plan}");
            assert!(plan.events.iter().all(|event| event.step < plan.steps), "{plan}");
        }
        assert!(plans.windows(2).all(|two| two[0] != two[1]));
    }

    #[test]
    fn everything_is_drawn_and_two_sites_at_most_are_ill() {
        let mut drawn = std::collections::BTreeSet::new();
        for plan in (0..300).map(FaultPlan::from_seed) {
            let mut sites = [SiteMode::Well; PLACES];
            for event in &plan.events {
                if let What::Site(place, mode) = event.what {
                    sites[place] = mode;
                    let ill: Vec<_> = sites.iter().filter(|mode| **mode != SiteMode::Well).collect();
                    assert!(ill.len() <= 2 && (ill.len() < 2 || !ill.contains(&&SiteMode::Hangs)), "{plan}");
                }
                let text = event.what.to_string();
                drawn.insert(text.trim_start_matches(|c: char| c != ' ').trim_start().to_owned() + &text[..2]);
            }
        }
        // 3 sites of 7 modes, 3 key stores of 2, 3 of the disk, 4 of the witness, 3 pauses, and crash, resume, overtake.
        assert_eq!(drawn.len(), 21 + 6 + 3 + 4 + KILLS.len() + 3 + 3, "{drawn:?}");
    }
}
