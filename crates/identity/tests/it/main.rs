//! Identity against an agency, a store and a clock of the test's own: every way in, and every way to be refused.

mod bulk;
mod keys;
mod off_boarding;
mod passkeys;
mod provider;
mod recovery;
mod second_factor;
mod sessions;
mod sign_in;
mod stand_in;
mod throttle;
mod world;
