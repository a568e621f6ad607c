//! Time as something passed in. No code outside this file asks the machine for the time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};

pub use jiff::Timestamp;

/// Korean time: nine hours ahead since 1961-08-10 but for the summers of 1987 and 1988, from which there are no records here.
pub const KOREA: TimeZone = TimeZone::fixed(Offset::constant(9));

/// When a day begins in Korea; `None` for days at the ends of the calendar.
#[must_use]
pub fn midnight(day: Date) -> Option<Timestamp> {
    day.to_zoned(KOREA).ok().map(|zoned| zoned.timestamp())
}

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The present moment. Never earlier than an answer this clock gave before.
    fn now(&self) -> Timestamp;
}

/// The machine's clock, held so that it never steps back.
///
/// A machine whose clock jumps back (a restored snapshot, a wrong time server) must not reopen
/// sessions or accept a code a second time, so the largest time seen wins until the clock catches up.
/// [`SystemClock::behind_us`] tells how far the machine is behind what was already handed out.
#[derive(Debug, Default)]
pub struct SystemClock {
    newest_us: AtomicI64,
}

impl SystemClock {
    /// A clock that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A clock that will not answer anything earlier than `floor`, for example the newest time in the store.
    #[must_use]
    pub fn not_before(floor: Timestamp) -> Self {
        Self { newest_us: AtomicI64::new(floor.as_microsecond()) }
    }

    /// Microseconds by which the machine's own clock is behind the newest answer; 0 when it is not.
    #[must_use]
    pub fn behind_us(&self) -> i64 {
        (self.newest_us.load(Ordering::SeqCst) - machine_us()).max(0)
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let machine = machine_us();
        let newest = self.newest_us.fetch_max(machine, Ordering::SeqCst).max(machine);
        Timestamp::from_microsecond(newest).expect("the machine's time is within jiff's years -9999 to 9999")
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn machine_us() -> i64 {
    Timestamp::now().as_microsecond()
}

/// A clock that stands still until it is moved: for tests.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<Timestamp>,
}

impl ManualClock {
    /// A clock standing at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { now: Mutex::new(now) }
    }

    /// Moves the clock on by `seconds`; backwards when negative, as a broken machine would.
    pub fn advance(&self, seconds: i64) {
        let mut now = self.now.lock().expect("no holder of this lock can panic");
        *now = now.checked_add(jiff::SignedDuration::from_secs(seconds)).expect("tests stay within jiff's years");
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().expect("no holder of this lock can panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_behind_its_floor_stands_still() {
        let floor = Timestamp::from_second(32_503_680_000).expect("year 3000");
        let clock = SystemClock::not_before(floor);
        assert_eq!(clock.now(), floor);
        assert_eq!(clock.now(), floor);
        assert!(clock.behind_us() > 0);
    }

    #[test]
    fn a_fresh_clock_is_not_behind() {
        let clock = SystemClock::new();
        let first = clock.now();
        assert!(clock.now() >= first);
        assert!(clock.behind_us() < 1_000_000);
    }
}
