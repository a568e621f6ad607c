//! One life of a process: from its start until it is killed. What it comes by ([`base::Seam`]) may stop it, kill it, or find
//! the disk full.

use super::plan::DiskMode;
use base::Seam;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::seams;

/// How much longer a slow fsync takes.
const SLOW: Duration = Duration::from_millis(8);

/// How the disk of the data folder is, for every process.
#[derive(Debug)]
pub struct Disk(Mutex<DiskMode>);

impl Default for Disk {
    fn default() -> Self {
        Self(Mutex::new(DiskMode::Well))
    }
}

impl Disk {
    /// Changes it from now on.
    pub fn set(&self, mode: DiskMode) {
        *lock(&self.0) = mode;
    }

    /// How it is.
    #[must_use]
    pub fn mode(&self) -> DiskMode {
        *lock(&self.0)
    }
}

/// One life of a process.
#[derive(Debug, Default)]
pub struct Life {
    disk: Arc<Disk>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    over: bool,
    traps: Vec<Trap>,
}

impl State {
    fn is_held(&self) -> bool {
        self.over || self.traps.iter().any(|trap| trap.caught)
    }
}

#[derive(Debug)]
struct Trap {
    place: &'static str,
    kills: bool,
    /// A thread stands in it.
    caught: bool,
}

impl Life {
    /// A life on this disk.
    #[must_use]
    pub fn on(disk: Arc<Disk>) -> Self {
        Self { disk, ..Self::default() }
    }

    /// Ends it: from now on no thread of it gets anything done. What it wrote before stays.
    pub fn kill(&self) {
        lock(&self.state).over = true;
        self.changed.notify_all();
    }

    /// Whether it was ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        lock(&self.state).over
    }

    /// Whether it was ended, or a thread of it stands in a trap.
    #[must_use]
    pub fn is_held(&self) -> bool {
        lock(&self.state).is_held()
    }

    /// Ends it as soon as a thread comes by a place.
    pub fn kill_at(&self, place: &'static str) {
        lock(&self.state).traps.push(Trap { place, kills: true, caught: false });
    }

    /// Stops the next thread that comes by a place, until [`Life::resume`].
    pub fn pause_at(&self, place: &'static str) {
        lock(&self.state).traps.push(Trap { place, kills: false, caught: false });
    }

    /// Waits until a thread was stopped or the life is over; whether it came to that. `nudge` is called again and again, and
    /// ends the waiting where it gives `false`.
    pub fn caught(&self, patience: Duration, mut nudge: impl FnMut() -> bool) -> bool {
        const STEP: Duration = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while waited < patience {
            let go_on = nudge();
            let state = lock(&self.state);
            if state.is_held() {
                return true;
            }
            drop(state);
            if !go_on {
                return false;
            }
            std::thread::sleep(STEP);
            waited += STEP;
        }
        false
    }

    /// Takes every trap away; who was stopped goes on.
    pub fn resume(&self) {
        lock(&self.state).traps.clear();
        self.changed.notify_all();
    }

    fn pass(&self, place: &'static str) -> io::Result<()> {
        let ended = || Err(io::Error::other("the process has ended"));
        let mut state = lock(&self.state);
        if state.over {
            return ended();
        }
        let Some(trap) = state.traps.iter_mut().find(|trap| trap.place == place && !trap.caught) else {
            return Ok(());
        };
        trap.caught = true;
        if trap.kills {
            state.over = true;
            self.changed.notify_all();
            return ended();
        }
        // Others pass while one is stopped.
        let stopped = |state: &mut State| !state.over && state.traps.iter().any(|trap| trap.place == place);
        let state = self.changed.wait_while(state, stopped).unwrap_or_else(PoisonError::into_inner);
        if state.over { ended() } else { Ok(()) }
    }
}

impl Seam for Life {
    fn at(&self, place: &'static str) -> io::Result<()> {
        self.pass(place)?;
        match self.disk.mode() {
            DiskMode::Full if [seams::JOURNAL_WRITE, seams::COMMIT].contains(&place) => {
                return Err(io::ErrorKind::StorageFull.into());
            }
            DiskMode::Slow if [seams::JOURNAL_SYNC, seams::COMMIT].contains(&place) => std::thread::sleep(SLOW),
            _ => (),
        }
        Ok(())
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
