//! An archive in a box, for tests: folders, keys, clock and door ([`World`]), bags made by hand and spoilt on purpose
//! ([`BagBuilder`], [`Bag`]), people whom a pretended agency knows ([`Register`]), a mail server ([`take_mail`]), and everything
//! that can go wrong ([`faults`]). Nothing here is part of the program.
//!
//! Everything is the real thing but what lies outside of the program: the clock is moved by hand, randomness follows a seed,
//! and the identity agency is a table. Permits come from the real door alone.

mod bag;
pub mod faults;
mod mail;
mod people;
mod world;

pub use bag::{Bag, BagBuilder, NATIONAL_NUMBERS, one_page_pdf};
pub use mail::take_mail;
pub use people::{Register, by_own_word, person};
pub use world::World;
