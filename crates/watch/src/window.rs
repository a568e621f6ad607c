//! What accounts did within the last seconds or hours: bounded in accounts and in looks of each. Which counts are too many is the rules'.

use base::Id16;
use std::collections::{BTreeMap, HashMap, VecDeque};
use store::AccessKey;

/// Most entries that a finding names.
const ENTRIES_MAX: usize = 50;

/// One look as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    pub key: AccessKey,
    /// Whose record it was.
    pub person: Id16,
    pub records: u32,
}

impl Look {
    fn time_us(&self) -> i64 {
        self.key.time.as_microsecond()
    }
}

/// The looks of accounts within a window.
#[derive(Debug)]
pub(crate) struct Windows {
    window_us: i64,
    accounts_max: usize,
    looks_max: usize,
    /// Whether a person is remembered once, by the first look at them: for people over a long time, whatever is done to each.
    people_once: bool,
    accounts: HashMap<Id16, Account>,
    /// Accounts by when they were last heard of.
    heard: BTreeMap<u64, Id16>,
    hearings: u64,
}

#[derive(Debug, Default)]
struct Account {
    looks: VecDeque<Look>,
    /// Looks at each person among them.
    people: HashMap<Id16, u32>,
    records: u64,
    newest_us: i64,
    heard: u64,
    /// Until when it was told of already.
    quiet_until_us: i64,
}

/// What an account did within the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub people: u64,
    pub records: u64,
    /// Some of the looks, the newest last.
    pub entries: Vec<AccessKey>,
}

impl Windows {
    pub fn new(window_s: i64, accounts_max: usize, looks_max: usize) -> Self {
        let window_us = window_s.saturating_mul(1_000_000);
        Self {
            window_us,
            accounts_max,
            looks_max,
            people_once: false,
            accounts: HashMap::new(),
            heard: BTreeMap::new(),
            hearings: 0,
        }
    }

    /// Remembers the first look at each person alone.
    pub fn of_people(self) -> Self {
        Self { people_once: true, ..self }
    }

    /// Takes a look in. Gives the tally where it is too much (`people`, `records`) and nobody was told within the window.
    pub fn add(&mut self, account: Id16, look: Look, is_too_much: impl Fn(u64, u64) -> bool) -> Option<Tally> {
        self.hearings += 1;
        let known = self.accounts.entry(account).or_default();
        self.heard.remove(&known.heard);
        known.heard = self.hearings;
        self.heard.insert(self.hearings, account);
        known.take(look, self.window_us, self.looks_max, self.people_once);
        let tell = look.time_us() >= known.quiet_until_us && is_too_much(known.people.len() as u64, known.records);
        let tally = tell.then(|| {
            known.quiet_until_us = look.time_us() + self.window_us;
            known.tally()
        });
        self.forget();
        tally
    }

    /// Forgets whom nothing was heard of for longest.
    fn forget(&mut self) {
        while self.accounts.len() > self.accounts_max {
            let Some((_, account)) = self.heard.pop_first() else { return };
            self.accounts.remove(&account);
        }
    }

    #[cfg(test)]
    fn size(&self) -> (usize, usize) {
        (self.accounts.len(), self.accounts.values().map(|account| account.looks.len()).max().unwrap_or(0))
    }
}

impl Account {
    fn take(&mut self, look: Look, window_us: i64, looks_max: usize, people_once: bool) {
        self.newest_us = self.newest_us.max(look.time_us());
        self.drop_oldest(window_us, looks_max);
        if people_once && self.people.contains_key(&look.person) {
            return;
        }
        self.looks.push_back(look);
        *self.people.entry(look.person).or_default() += 1;
        self.records += u64::from(look.records);
        self.drop_oldest(window_us, looks_max);
    }

    /// Entries of several processes come nearly in order, so what is too old stands in front.
    fn drop_oldest(&mut self, window_us: i64, looks_max: usize) {
        while self.looks.len() > looks_max
            || self.looks.front().is_some_and(|oldest| oldest.time_us() <= self.newest_us - window_us)
        {
            let Some(gone) = self.looks.pop_front() else { return };
            self.records -= u64::from(gone.records);
            if let Some(times) = self.people.get_mut(&gone.person) {
                *times -= 1;
                if *times == 0 {
                    self.people.remove(&gone.person);
                }
            }
        }
    }

    fn tally(&self) -> Tally {
        let from = self.looks.len().saturating_sub(ENTRIES_MAX);
        let entries = self.looks.iter().skip(from).map(|look| look.key).collect();
        Tally { people: self.people.len() as u64, records: self.records, entries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn look(second: i64, subject: u8) -> Look {
        let time = base::Timestamp::from_second(second).expect("a time");
        let person = Id16([subject; 16]);
        let key = AccessKey { subject: person, time, id: Id16::derived(&[&second.to_string()]) };
        Look { key, person, records: 10 }
    }

    #[test]
    fn it_tells_once_within_a_window_and_again_after_it() {
        let mut windows = Windows::new(60, 10, 100);
        let told: Vec<i64> = (0..200)
            .filter(|second| {
                windows.add(Id16([1; 16]), look(*second, (*second % 7) as u8), |people, _| people >= 3).is_some()
            })
            .collect();
        assert_eq!(told, [2, 62, 122, 182]);
    }

    #[test]
    fn a_person_is_remembered_once_and_counted_again_when_the_first_look_is_long_ago() {
        let mut windows = Windows::new(60, 10, 100).of_people();
        let account = Id16([1; 16]);
        for second in 0..50 {
            assert_eq!(windows.add(account, look(second, 1), |people, _| people >= 2), None);
        }
        assert_eq!(windows.size(), (1, 1), "one look of fifty");
        let told = windows.add(account, look(50, 2), |people, _| people >= 2);
        assert_eq!(told.map(|tally| (tally.people, tally.entries.len())), Some((2, 2)));
        windows.add(account, look(60, 1), |_, _| false);
        windows.add(account, look(115, 3), |_, _| false);
        assert_eq!(windows.size(), (1, 2), "the first person of anew, and the third");
    }

    proptest! {
        #[test]
        fn what_is_remembered_stays_bounded(
            looks in proptest::collection::vec((0u8..40, 0i64..500, 0u8..20), 0..400),
            people_once: bool,
        ) {
            let mut windows = Windows { people_once, ..Windows::new(60, 8, 16) };
            for (account, second, subject) in looks {
                let tally = windows.add(Id16([account; 16]), look(second, subject), |_, _| true);
                prop_assert!(tally.is_none_or(|tally| tally.entries.len() <= 16));
                let (accounts, most) = windows.size();
                prop_assert!(accounts <= 8 && most <= 16 && windows.heard.len() == accounts);
            }
        }
    }
}
