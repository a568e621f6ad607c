//! Where sessions are in the portal: what to show after sign-in, which visits are shown, where pages of a list begin.
//!
//! Kept in memory, so that none of it stands in addresses or cookies. Losing it, as at a restart, costs a click.

use crate::fields::HeldForm;
use base::Id16;
use jiff::civil::Date;
use policy::Role;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use store::NamedPatient;

/// Sessions remembered; the oldest make room.
const PLACES_MAX: usize = 20_000;
/// Pages of one list whose beginnings are remembered.
const PAGES_MAX: usize = 1_000;

/// Which visits are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub from: Option<Date>,
    pub to: Option<Date>,
    /// The code of an institution.
    pub institution: Option<String>,
}

impl Filter {
    /// Whether it leaves anything out.
    pub fn is_active(&self) -> bool {
        *self != Self::default()
    }
}

/// A ground that was asked for, and whom it names as it was typed: who that is stays unsaid to whoever asked until it is confirmed.
#[derive(Debug, Clone)]
pub(crate) struct AskedFor {
    pub role: Role,
    pub patient: NamedPatient,
    pub ground: Id16,
}

/// Where one session is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// The path to go to after sign-in.
    pub return_to: Option<String>,
    pub filter: Filter,
    /// Something that was sent and waits for the second factor to be given again.
    pub held: Option<HeldForm>,
    /// What was done, for the page that follows to say.
    pub said: Option<&'static str>,
    /// Where the pages of the access log after the first begin.
    pub access_pages: Vec<store::AccessCursor>,
    /// Where the files of it after the first begin.
    pub file_pages: Vec<store::AccessCursor>,
    /// The same of everybody's grounds, and of the account's own.
    pub ground_pages: Vec<store::GroundCursor>,
    pub own_ground_pages: Vec<store::GroundCursor>,
    /// Grounds that were asked for, the newest last.
    pub asked: Vec<AskedFor>,
}

impl Place {
    /// Remembers a ground that was asked for, in the place of one about the same name.
    pub fn ask(&mut self, asked: AskedFor) {
        self.asked.retain(|one| (one.role, &one.patient) != (asked.role, &asked.patient));
        let beyond = (self.asked.len() + 1).saturating_sub(store::GROUNDS_WAITING_MAX);
        self.asked.drain(..beyond);
        self.asked.push(asked);
    }
}

/// The places of all sessions.
#[derive(Default)]
pub(crate) struct Places {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    by_session: HashMap<Id16, Place>,
    oldest_first: VecDeque<Id16>,
}

impl Places {
    /// Where a session is.
    pub fn of(&self, session: Id16) -> Place {
        self.with(session, |place| place.clone())
    }

    /// Reads or changes where a session is.
    pub fn with<T>(&self, session: Id16, change: impl FnOnce(&mut Place) -> T) -> T {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = &mut *held;
        if !held.by_session.contains_key(&session) {
            held.oldest_first.push_back(session);
            while held.oldest_first.len() > PLACES_MAX {
                if let Some(oldest) = held.oldest_first.pop_front() {
                    held.by_session.remove(&oldest);
                }
            }
        }
        change(held.by_session.entry(session).or_default())
    }

    /// Forgets where a session was, and says it a last time.
    pub fn leave(&self, session: Id16) -> Place {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.by_session.remove(&session).unwrap_or_default()
    }
}

/// Where page `number` (from 1) of a list begins: `None` for the first, and for those nobody has come to.
pub(crate) fn beginning<T: Clone>(pages: &[T], number: usize) -> Option<T> {
    number.checked_sub(2).and_then(|at| pages.get(at)).cloned()
}

/// Remembers where the page after `number` begins.
pub(crate) fn remember<T>(pages: &mut Vec<T>, number: usize, next: Option<T>) {
    pages.truncate(number.saturating_sub(1));
    if let Some(next) = next.filter(|_| pages.len() + 1 == number && number < PAGES_MAX) {
        pages.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_where_somebody_came_from_the_one_before() {
        let mut pages = Vec::new();
        assert_eq!(beginning(&pages, 1), None::<char>);
        remember(&mut pages, 1, Some('b'));
        remember(&mut pages, 2, Some('c'));
        assert_eq!((beginning(&pages, 1), beginning(&pages, 2), beginning(&pages, 3)), (None, Some('b'), Some('c')));
        assert_eq!(beginning(&pages, 9), None);
        remember(&mut pages, 1, Some('x'));
        assert_eq!((beginning(&pages, 2), beginning(&pages, 3)), (Some('x'), None), "a newer list voids the old one");
        remember(&mut pages, 7, Some('y'));
        assert_eq!(pages, ['x'], "no page is reached by leaping");
        remember(&mut pages, 1, None);
        assert!(pages.is_empty());
    }

    #[test]
    fn the_oldest_sessions_make_room() {
        let places = Places::default();
        let id = |number: usize| Id16::derived(&[&number.to_string()]);
        places.with(id(0), |place| place.return_to = Some("/access".to_owned()));
        assert_eq!(places.of(id(0)).return_to.as_deref(), Some("/access"));
        for number in 1..=PLACES_MAX {
            places.with(id(number), |_| ());
        }
        assert_eq!(places.of(id(0)).return_to, None);
        assert_eq!(places.held.lock().expect("no holder panics").by_session.len(), PLACES_MAX);
    }
}
