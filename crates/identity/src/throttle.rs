//! How long somebody who failed has to wait: pure rules over four counters. What is kept where is `tables`' business.
//!
//! The counters are those of the *pair* (this account from this device, or else from this source), of the *source* alone, of the
//! *account* alone from places it does not know, and of *everybody* in this minute. Whoever comes from a device or a source that
//! gave both factors of the account before waits for failures of that pair alone: somebody who hammers an account, from however
//! many sources, cannot lock its owner out, not even from behind the same address. Guesses from places that are not known are
//! few, whoever makes them: the account's counter bounds them by account, and everybody's in all.

/// One second in microseconds.
pub(crate) const SECOND_US: i64 = 1_000_000;
/// Failures of a pair that cost no wait: people mistype.
const PAIR_FREE: u32 = 2;
/// Failures of a source that cost no wait: many people share the address of a mobile carrier or a hospital.
const SOURCE_FREE: u32 = 20;
/// Longest wait of a pair.
const PAIR_WAIT_MAX_S: i64 = 15 * 60;
/// Longest wait of a source.
const SOURCE_WAIT_MAX_S: i64 = 60;
/// Failures of an account from unknown places that cost no wait.
const ACCOUNT_FREE: u32 = 20;
/// Longest wait of unknown places for an account: a hundred guesses a day, of a million codes.
const ACCOUNT_WAIT_MAX_S: i64 = 15 * 60;
/// Failures of everybody in a minute after which unknown places wait for the next.
const GLOBAL_A_MINUTE: u32 = 300;
/// Everybody's failures are counted by the minute.
pub(crate) const MINUTE_US: i64 = 60 * SECOND_US;
/// After this long without a failure a counter starts again.
pub(crate) const FORGET_US: i64 = 24 * 3600 * SECOND_US;

/// Failures and when the latest was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counter {
    /// How many, since the counter last started.
    pub failures: u32,
    /// The latest, in microseconds since 1970.
    pub latest_us: i64,
}

impl Counter {
    /// The counter as it stands at `now_us`: empty when it was quiet for long enough.
    pub fn at(self, now_us: i64) -> Self {
        if now_us.saturating_sub(self.latest_us) >= FORGET_US { Self::default() } else { self }
    }

    /// The counter after one more failure.
    pub fn after_failure(self, now_us: i64) -> Self {
        let current = self.at(now_us);
        Self { failures: current.failures.saturating_add(1), latest_us: now_us.max(current.latest_us) }
    }
}

/// The counters that concern one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counters {
    /// Of this account from this device, or from this source.
    pub pair: Counter,
    /// Of this source, whatever the account.
    pub source: Counter,
    /// Of this account, from places it does not know.
    pub account: Counter,
    /// Of everybody, in this minute.
    pub global: Counter,
    /// Whether the account knows the device or the source.
    pub known: bool,
}

/// Microseconds until the next attempt is looked at; 0 when it is looked at now.
pub(crate) fn wait_us(counters: &Counters, now_us: i64) -> i64 {
    let (pair, source, account) = (counters.pair.at(now_us), counters.source.at(now_us), counters.account.at(now_us));
    let own_us = left_us(pair, doubling_s(pair.failures, PAIR_FREE, PAIR_WAIT_MAX_S), now_us);
    if counters.known {
        return own_us;
    }
    let source_s = doubling_s(source.failures, SOURCE_FREE, SOURCE_WAIT_MAX_S);
    let account_s = doubling_s(account.failures, ACCOUNT_FREE, ACCOUNT_WAIT_MAX_S);
    let minute_us =
        if counters.global.failures < GLOBAL_A_MINUTE { 0 } else { MINUTE_US - now_us.rem_euclid(MINUTE_US) };
    own_us.max(left_us(source, source_s, now_us)).max(left_us(account, account_s, now_us)).max(minute_us)
}

/// 0 for the free failures, then 2, 4, 8 … seconds, at most `most_s`.
fn doubling_s(failures: u32, free: u32, most_s: i64) -> i64 {
    let over = failures.saturating_sub(free);
    if over == 0 { 0 } else { 1_i64.checked_shl(over.min(32)).map_or(most_s, |wait_s| wait_s.min(most_s)) }
}

fn left_us(counter: Counter, wait_s: i64, now_us: i64) -> i64 {
    (wait_s * SECOND_US - now_us.saturating_sub(counter.latest_us).max(0)).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW_US: i64 = 1_800_000_000 * SECOND_US;

    fn counter(failures: u32) -> Counter {
        Counter { failures, latest_us: NOW_US }
    }

    #[test]
    fn the_wait_of_a_pair_doubles() {
        let waits_s: Vec<i64> = (0..14)
            .map(|failures| wait_us(&Counters { pair: counter(failures), ..Counters::default() }, NOW_US) / SECOND_US)
            .collect();
        assert_eq!(waits_s, [0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    }

    #[test]
    fn a_quiet_day_forgets() {
        let hammered = Counters { pair: counter(50), source: counter(50), account: counter(50), ..Counters::default() };
        assert!(wait_us(&hammered, NOW_US) > 0);
        assert_eq!(wait_us(&hammered, NOW_US + FORGET_US), 0);
        assert_eq!(counter(50).after_failure(NOW_US + FORGET_US).failures, 1);
    }

    #[test]
    fn unknown_places_wait_for_an_account_under_attack_and_known_ones_do_not() {
        let attacked = Counters { account: counter(40), global: counter(10_000), ..Counters::default() };
        assert_eq!(wait_us(&attacked, NOW_US), ACCOUNT_WAIT_MAX_S * SECOND_US);
        assert_eq!(wait_us(&Counters { known: true, ..attacked }, NOW_US), 0);
        let mine = Counters { pair: counter(4), known: true, ..attacked };
        assert_eq!(wait_us(&mine, NOW_US), 4 * SECOND_US, "but for their own failures");
    }

    #[test]
    fn a_minute_with_too_many_failures_ends() {
        let flooded = Counters { global: counter(GLOBAL_A_MINUTE), ..Counters::default() };
        assert_eq!(wait_us(&flooded, 7 * MINUTE_US), MINUTE_US);
        assert_eq!(wait_us(&flooded, 8 * MINUTE_US - 1), 1);
        let calm = Counters { global: counter(GLOBAL_A_MINUTE - 1), ..Counters::default() };
        assert_eq!(wait_us(&calm, 7 * MINUTE_US), 0);
    }

    fn counters() -> impl Strategy<Value = Counters> {
        let one = (0_u32..200, 0_i64..2 * FORGET_US)
            .prop_map(|(failures, ago_us)| Counter { failures, latest_us: NOW_US - ago_us });
        (one.clone(), one.clone(), one, any::<bool>()).prop_map(|(pair, source, account, known)| Counters {
            pair,
            source,
            account,
            known,
            ..Counters::default()
        })
    }

    proptest! {
        #[test]
        fn one_more_failure_never_shortens_the_wait(before in counters(), which in 0..3) {
            let mut after = before;
            let hit = match which { 0 => &mut after.pair, 1 => &mut after.source, _ => &mut after.account };
            *hit = hit.after_failure(NOW_US);
            // An account whose counter was forgotten starts again: compare what counts now.
            prop_assert!(wait_us(&after, NOW_US) >= wait_us(&before, NOW_US));
        }

        #[test]
        fn waiting_never_lengthens_the_wait(counters in counters(), step_us in 0_i64..FORGET_US) {
            let (sooner, later) = (wait_us(&counters, NOW_US), wait_us(&counters, NOW_US + step_us));
            prop_assert!(later <= sooner);
            prop_assert!(later <= (sooner - step_us).max(0));
        }

        #[test]
        fn a_known_place_that_never_failed_never_waits(failures in 0_u32..u32::MAX) {
            let all = counter(failures);
            let counters = Counters { source: all, account: all, global: all, known: true, ..Counters::default() };
            prop_assert_eq!(wait_us(&counters, NOW_US), 0);
        }

        #[test]
        fn no_wait_is_longer_than_the_longest(counters in counters()) {
            prop_assert!(wait_us(&counters, NOW_US) <= PAIR_WAIT_MAX_S * SECOND_US);
        }
    }
}
