//! Turns at what takes the machine's time: documents made, documents checked. Who waits too long is told that it is busy.

use crate::error::PageError;
use base::Id16;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest wait for a turn.
const WAIT: Duration = Duration::from_secs(20);

/// Turns at making documents. Nobody has two: who asks for a hundred documents at once waits behind themselves, and everybody
/// else behind one of them.
pub(crate) struct IssueTurns {
    any: Arc<Semaphore>,
    /// One turn for each person who has or waits for one.
    own: Mutex<HashMap<Id16, Arc<Semaphore>>>,
}

/// A turn at making a document; it ends when this is dropped.
pub(crate) struct IssueTurn {
    _own: OwnedSemaphorePermit,
    _any: OwnedSemaphorePermit,
}

impl IssueTurns {
    /// So many documents are made at once, at least one.
    pub(crate) fn new(at_once: usize) -> Self {
        Self { any: Arc::new(Semaphore::new(at_once.max(1))), own: Mutex::default() }
    }

    /// A turn for a person.
    pub(crate) async fn turn(&self, person: Id16) -> Result<IssueTurn, PageError> {
        let own = {
            let mut turns = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(person).or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        Ok(IssueTurn { _own: turn(&own).await?, _any: turn(&self.any).await? })
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
        let turns = IssueTurns::new(2);
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
}
