//! The newest time seen at sign-in, for operators: how far a machine's clock is behind it, and the way out after a clock ran ahead
//! and was set right. Sessions of people are not looked at here, only ended.

use crate::IdentityError;
use crate::error::us;
use crate::throttle::SECOND_US;
use crate::{tables, totp};
use base::Clock;
use store::{Alone, Store};

/// Seconds by which `clock` is behind the newest time that any process of the installation saw at sign-in; 0 where it is not.
///
/// # Errors
/// [`IdentityError::Store`].
pub fn clock_behind_s(store: &Store, clock: &dyn Clock) -> Result<u64, IdentityError> {
    let now_us = us(clock.now());
    let newest_us = store.tables().read("identity-clock", |connection| tables::newest_us(connection, now_us))?;
    Ok(u64::try_from((newest_us - now_us) / SECOND_US).unwrap_or(0))
}

/// Takes what `clock` says for the newest time, although later times were seen. Every session ends, and how many is given back.
///
/// Nothing that was used becomes good again: codes that may be typed now count as used, sign-ins that were tried stay tried, and
/// waiting times go on. A code of a later step is good again at its own time; only an authenticator that ran ahead as well has
/// ever shown one.
///
/// # Errors
/// [`IdentityError::Store`].
pub fn reset_clock(store: &Store, clock: &dyn Clock, _alone: &Alone) -> Result<usize, IdentityError> {
    let now_us = us(clock.now());
    let step = totp::newest_step(now_us / SECOND_US);
    let reset = move |transaction: &rusqlite::Transaction<'_>| tables::reset_clock(transaction, now_us, step);
    Ok(store.tables().write("identity-reset-clock", reset)?)
}
