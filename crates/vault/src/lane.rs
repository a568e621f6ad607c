//! A thread that does one replica's writes in order, with a bound on the bytes that wait, and the wait for a quorum of
//! several. Neither sites nor key stores: both use it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
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
    done: AtomicUsize,
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

    /// How many jobs were done. A lane that is not idle and stays at one number has a job that hangs.
    pub(crate) fn done(&self) -> usize {
        self.load.done.load(Ordering::SeqCst)
    }
}

/// Threads that ask one replica, so that nobody waits for one that hangs longer than patience lasts.
pub(crate) struct Asking {
    jobs: Sender<Job>,
    /// Set while a question was not answered in time, and none has been since.
    hangs: Arc<AtomicBool>,
}

impl Asking {
    /// So many threads named `name`.
    pub(crate) fn start(name: &str, threads: usize) -> std::io::Result<Self> {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name(name.to_owned()).spawn(move || {
                loop {
                    let next = lock(&queue).recv();
                    let Ok(job) = next else { return };
                    job();
                }
            })?;
        }
        Ok(Self { jobs, hangs: Arc::default() })
    }

    /// What the question comes to; `None` where it is not answered in time, and at once where an earlier one still is not.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        patience: Duration,
        question: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if self.hangs() {
            return None;
        }
        let (send, answer) = sync_channel(1);
        let hangs = Arc::clone(&self.hangs);
        let job = Box::new(move || {
            // Nobody listens any more where it took too long.
            drop(send.send(question()));
            hangs.store(false, Ordering::SeqCst);
        });
        if self.jobs.send(job).is_err() {
            return None;
        }
        if let Ok(answer) = answer.recv_timeout(patience) {
            return Some(answer);
        }
        self.hangs.store(true, Ordering::SeqCst);
        // It may have come in between, and then nobody takes the flag down again.
        let late = answer.try_recv().ok();
        if late.is_some() {
            self.hangs.store(false, Ordering::SeqCst);
        }
        late
    }

    /// Whether a question is not answered although there was time.
    pub(crate) fn hangs(&self) -> bool {
        self.hangs.load(Ordering::SeqCst)
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
        load.done.fetch_add(1, Ordering::SeqCst);
        load.jobs.fetch_sub(1, Ordering::SeqCst);
        load.freed.notify_all();
    }
}

/// Wakes a thread that rests.
#[derive(Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    /// Wakes whoever rests, or rests next.
    pub(crate) fn ring(&self) {
        *lock(&self.rung) = true;
        self.heard.notify_all();
    }

    /// Rests; whether it was woken before the time was over.
    pub(crate) fn rest(&self, time: Duration) -> bool {
        let rest = self.heard.wait_timeout_while(lock(&self.rung), time, |rung| !*rung);
        let mut rung = rest.unwrap_or_else(PoisonError::into_inner).0;
        std::mem::take(&mut *rung)
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
    fn who_hangs_is_waited_for_once() {
        let asking = Asking::start("test", 2).expect("threads");
        let (hold, held) = channel::<()>();
        assert_eq!(asking.ask(Duration::from_secs(5), || 7), Some(7));
        assert_eq!(asking.ask(Duration::from_millis(20), move || held.recv().unwrap_or(())), None);
        assert_eq!(asking.ask(Duration::from_secs(60), || 7), None, "at once");
        hold.send(()).expect("it waits");
        while asking.hangs() {
            std::thread::yield_now();
        }
        assert_eq!(asking.ask(Duration::from_secs(5), || 8), Some(8));
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
