//! The fault layer: an installation whose sites fail, hang or forget, whose disks are full or slow, whose sequencer is
//! stopped past its lease, whose commits overtake each other, whose witness is away, and whose processes are killed. All of it
//! follows a seed, and the same seed does the same again.
//!
//! Whoever drives is one thread. A plan says what happens before which *step* of it; nothing is decided by the time of day, nor
//! by how often a thread of the store came by somewhere. What goes wrong within a step is tied to what the step itself must pass.
//!
//! ```no_run
//! use testkit::faults::{Draws, FaultPlan, FaultyHouse, What};
//!
//! let plan = FaultPlan::from_seed(7);
//! println!("{plan}"); // all that is needed to see a failure again
//! let (draws, steps) = (Draws::new(plan.seed, "work"), plan.steps);
//! let mut house = FaultyHouse::new(plan);
//! for step in 0..steps {
//!     let due = house.before(step); // faults begin or end; dead processes are started again
//!     let what = draws.below(3); // the driver's own choice, drawn always, so that the sequence stays the same
//!     if due.contains(&What::Overtake) {
//!         let _outcomes = house.overtaken(|first| first.health(), |second| second.health());
//!     } else if let Some(store) = house.store() {
//!         // write, read, wait_sealed …; note the outcome. An error means "perhaps", an answer means "for ever".
//!         let _ = (store, what);
//!     }
//!     house.after(); // ends the process that was to be killed in this step
//! }
//! let store = house.heal(); // everything is well again: now nothing acknowledged may be missing, doubled or forked
//! # let _ = store;
//! ```
//!
//! | fault | how |
//! |---|---|
//! | a site fails, is away, full, slow, hangs | [`FaultySite`] around a real folder, by [`SiteMode`] |
//! | a site forgets | it keeps what it acknowledged in memory; [`What::Crash`] and kills drop that |
//! | a disk is full or slow | [`DiskMode`] at the journal and the database, [`KeyMode`] at key stores, through [`base::Seam`] |
//! | the witness fails, hangs, forgets | [`FaultyWitness`], by [`WitnessMode`]; checkpoints are published without a quorum then |
//! | a process is killed | its [`Life`] is over: no thread of it gets anything more done, and a new one starts |
//! | a sequencer is stopped past its lease | [`What::Pause`] at a place of [`store::seams`], its lock taken away, another process |
//! | commits out of order | [`FaultyHouse::overtaken`] |
//!
//! At the end of a run the database is lost once more while much of what it holds waits for its seal, and made again from one site
//! ([`FaultyHouse::cut_short`]).
//!
//! What this cannot show: pages torn or reordered under SQLite. The seam for that is [`store::StoreConfig::vfs`].

pub mod columns;
pub mod history;
mod house;
mod life;
mod plan;
mod site;
pub mod tables;
mod witness;
mod work;

pub use house::FaultyHouse;
pub use life::{Disk, Life};
pub use plan::{DiskMode, Draws, Event, FaultPlan, KeyMode, PLACES, SiteMode, What, WitnessMode, is_of_accesses};
pub use site::{FaultySite, SiteState};
pub use witness::FaultyWitness;

#[cfg(test)]
mod tests;
