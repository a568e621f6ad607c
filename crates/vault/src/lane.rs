//! A thread that does one replica's writes in order, with a bound on the bytes that wait, and the wait for a quorum of
//! several. Neither sites nor key stores: both use it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A job for a lane.
type Job = Box<dyn FnOnce() + Send>;

/// One replica's thread. Dropping the lane lets what is queued finish; nobody waits for it.
pub(crate) struct Lane {
    jobs: Sender<(usize, Job)>,
    load: Arc<Load>,
    bytes_max: usize,
    patience: Duration,
}

#[derive(Default)]
struct Load {
    bytes: Mutex<usize>,
    jobs: AtomicUsize,
    /// Set when a caller lost patience; until the lane is empty, nobody waits for it again.
    stuck: Mutex<bool>,
    freed: Condvar,
}

impl Lane {
    /// A lane named `name` that holds at most `bytes_max` bytes of waiting jobs, or one job of any size.
    pub(crate) fn start(name: &str, bytes_max: usize, patience: Duration) -> std::io::Result<Self> {
        let (jobs, queue) = channel::<(usize, Job)>();
        let load = Arc::new(Load::default());
        let done = Arc::clone(&load);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&queue, &done))?;
        Ok(Self { jobs, load, bytes_max, patience })
    }

    /// Queues a job that holds `bytes` bytes. Waits for room as long as the lane's patience allows;
    /// `false` when there was none, and the job is dropped undone.
    pub(crate) fn submit(&self, bytes: usize, job: impl FnOnce() + Send + 'static) -> bool {
        let full = |waiting: &mut usize| *waiting > 0 && *waiting + bytes > self.bytes_max;
        let mut waiting = lock(&self.load.bytes);
        if full(&mut waiting) {
            if *lock(&self.load.stuck) {
                return false;
            }
            let (guard, timeout) = self
                .load
                .freed
                .wait_timeout_while(waiting, self.patience, full)
                .unwrap_or_else(PoisonError::into_inner);
            waiting = guard;
            if timeout.timed_out() && full(&mut waiting) {
                *lock(&self.load.stuck) = true;
                return false;
            }
        }
        *waiting += bytes;
        drop(waiting);
        self.load.jobs.fetch_add(1, Ordering::SeqCst);
        self.jobs.send((bytes, Box::new(job))).is_ok()
    }

    /// Whether nothing is queued or running.
    pub(crate) fn idle(&self) -> bool {
        self.load.jobs.load(Ordering::SeqCst) == 0
    }
}

fn run(queue: &Receiver<(usize, Job)>, load: &Load) {
    while let Ok((bytes, job)) = queue.recv() {
        job();
        let mut waiting = lock(&load.bytes);
        *waiting -= bytes;
        if *waiting == 0 {
            *lock(&load.stuck) = false;
        }
        drop(waiting);
        load.jobs.fetch_sub(1, Ordering::SeqCst);
        load.freed.notify_all();
    }
}

/// What came of one job on each of several lanes.
pub(crate) struct Gathered<E> {
    /// The lanes that did it.
    pub(crate) done: Vec<usize>,
    /// The lanes that failed so far.
    pub(crate) failed: Vec<(usize, E)>,
}

/// Waits until `quorum` of `total` lanes have done their job, or all have answered, or none did for `patience`.
/// A lane that is in neither list of the result is still at it.
pub(crate) fn gather<E>(
    results: &Receiver<(usize, Result<(), E>)>,
    total: usize,
    quorum: usize,
    patience: Duration,
) -> Gathered<E> {
    let mut gathered = Gathered { done: Vec::new(), failed: Vec::new() };
    while gathered.done.len() < quorum && gathered.done.len() + gathered.failed.len() < total {
        match results.recv_timeout(patience) {
            Ok((lane, Ok(()))) => gathered.done.push(lane),
            Ok((lane, Err(fault))) => gathered.failed.push((lane, fault)),
            Err(_) => break,
        }
    }
    gathered
}

/// Locks even after a panic of another holder: what these locks guard is counted, not half-built.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_run_in_order_and_a_full_lane_refuses() {
        let lane = Lane::start("test", 10, Duration::from_millis(20)).expect("a thread");
        let (hold, held) = channel::<()>();
        let (out, seen) = channel();
        assert!(lane.submit(8, move || held.recv().unwrap_or(())));
        let first = out.clone();
        assert!(lane.submit(2, move || first.send(1).expect("the test listens")));
        assert!(!lane.submit(5, || ()), "full: refused after the patience");
        assert!(!lane.submit(5, || ()), "and at once from then on");
        assert!(!lane.idle());
        hold.send(()).expect("the job waits");
        while !lane.idle() {
            std::thread::yield_now();
        }
        assert!(lane.submit(2, move || out.send(2).expect("the test listens")));
        assert_eq!((seen.recv(), seen.recv()), (Ok(1), Ok(2)));
    }

    #[test]
    fn a_quorum_is_enough_and_its_impossibility_too() {
        let (send, receive) = channel();
        send.send((0, Err("gone"))).expect("open");
        send.send((1, Ok(()))).expect("open");
        send.send((2, Ok(()))).expect("open");
        let gathered = gather(&receive, 3, 2, Duration::from_secs(1));
        assert_eq!((gathered.done, gathered.failed), (vec![1, 2], vec![(0, "gone")]));
    }
}
