//! Turns at what takes the machine's time: documents made, documents checked, files of the logs read. Who waits too long is told
//! that it is busy.

use crate::error::PageError;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest wait for a turn.
const WAIT: Duration = Duration::from_secs(20);

/// Turns at one thing: so many in all, and fewer for each who asks.
pub(crate) struct Turns<Who> {
    any: Arc<Semaphore>,
    each: usize,
    /// Those of everybody who has or waits for one.
    own: Mutex<HashMap<Who, Arc<Semaphore>>>,
}

/// A turn; it ends when this is dropped.
pub(crate) struct Turn {
    _own: OwnedSemaphorePermit,
    _any: OwnedSemaphorePermit,
}

impl<Who: Eq + Hash> Turns<Who> {
    /// So many turns at once, at least one, and so many of them for each.
    pub(crate) fn new(at_once: usize, each: usize) -> Self {
        Self { any: Arc::new(Semaphore::new(at_once.max(1))), each, own: Mutex::default() }
    }

    /// A turn for somebody, once there is one.
    pub(crate) async fn turn(&self, who: Who) -> Result<Turn, PageError> {
        let own = self.own(who);
        Ok(Turn { _own: turn(&own).await?, _any: turn(&self.any).await? })
    }

    /// A turn for somebody, where there is one now.
    pub(crate) fn turn_now(&self, who: Who) -> Option<Turn> {
        let own = self.own(who).try_acquire_owned().ok()?;
        Some(Turn { _own: own, _any: Arc::clone(&self.any).try_acquire_owned().ok()? })
    }

    fn own(&self, who: Who) -> Arc<Semaphore> {
        let mut turns = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(who).or_insert_with(|| Arc::new(Semaphore::new(self.each))))
    }
}

/// One of some turns, first come, first served.
pub(crate) async fn turn(turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, PageError> {
    match tokio::time::timeout(WAIT, Arc::clone(turns).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(PageError::Busy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Id16;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// What a turn comes to without waiting.
    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let _inside = runtime.enter();
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn nobody_has_two_turns_and_the_next_person_gets_the_other_one() {
        let turns = Turns::new(2, 1);
        let (greedy, patient, third) = (Id16([1; 16]), Id16([2; 16]), Id16([3; 16]));
        let first = now(turns.turn(greedy)).expect("free").expect("a turn");
        assert!(now(turns.turn(greedy)).is_none(), "a second one at the same time");
        let other = now(turns.turn(patient)).expect("free").expect("a turn");
        assert!(now(turns.turn(third)).is_none(), "two at once in all");
        drop(first);
        assert!(now(turns.turn(greedy)).is_some_and(|turn| turn.is_ok()));
        drop(other);
        assert!(now(turns.turn(third)).is_some_and(|turn| turn.is_ok()));
        assert_eq!(turns.own.lock().expect("not poisoned").len(), 1, "who has no turn is forgotten");
    }

    #[test]
    fn one_address_leaves_turns_to_others() {
        let turns = Turns::new(32, 8);
        let take = |address: &str| turns.turn_now(base::source_bytes(address));
        let mut own: Vec<Turn> = (0..8).map(|_| take("192.0.2.1").expect("a turn")).collect();
        assert!(take("192.0.2.1").is_none());
        let others: Vec<Option<Turn>> = (0..32).map(|number| take(&format!("198.51.100.{number}"))).collect();
        assert_eq!(others.iter().flatten().count(), 32 - 8);
        drop(others);
        let subscriber: Vec<Option<Turn>> = (0..32).map(|number| take(&format!("2001:db8::{number:x}"))).collect();
        assert_eq!(subscriber.iter().flatten().count(), 8, "the addresses of a /64 are one");
        drop((own.pop(), subscriber));
        assert!(take("192.0.2.1").is_some(), "a turn that is over is another's");
    }
}
