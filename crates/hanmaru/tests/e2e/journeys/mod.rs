//! The journeys: what people come for, and what they must not get.

mod access;
mod erasures;
mod granted;
mod institutions;
mod keyboard;
mod others;
mod passkeys;
mod proofs;
mod public;
mod records;
mod second_factor;
mod sessions;
mod staff;
mod verify;
mod watch;

use crate::Done;
use crate::browser::Browser;
use crate::world::{ALL, DESKS, KOREAN_DESK, MIXED, View};
use std::future::Future;
use std::pin::Pin;

/// A way through the portal with an aim.
pub struct Journey {
    pub name: &'static str,
    /// How the people see it who walk it.
    pub views: &'static [View],
    /// Whether pages may run scripts.
    pub scripts: bool,
    pub walk: fn(Browser) -> Walk,
}

/// A journey under way.
pub type Walk = Pin<Box<dyn Future<Output = Done> + Send>>;

/// All journeys; the longest first, so that two walkers end at about the same time.
pub const JOURNEYS: &[Journey] = &[
    Journey { name: "records", views: ALL, scripts: true, walk: |browser| Box::pin(records::get_them(browser)) },
    Journey {
        name: "second-factor",
        views: ALL,
        scripts: true,
        walk: |browser| Box::pin(second_factor::come_again(browser)),
    },
    Journey {
        name: "another's-record",
        views: ALL,
        scripts: true,
        walk: |browser| Box::pin(access::look_at_anothers(browser)),
    },
    Journey { name: "proofs", views: ALL, scripts: true, walk: |browser| Box::pin(proofs::record_and_end(browser)) },
    Journey { name: "others", views: ALL, scripts: true, walk: |browser| Box::pin(others::let_look(browser)) },
    Journey { name: "acting", views: ALL, scripts: true, walk: |browser| Box::pin(granted::act_for(browser)) },
    Journey { name: "request", views: ALL, scripts: true, walk: |browser| Box::pin(granted::handle_request(browser)) },
    Journey {
        name: "watch",
        views: MIXED,
        scripts: true,
        walk: |browser| Box::pin(watch::from_mark_to_review(browser)),
    },
    Journey { name: "staff", views: MIXED, scripts: true, walk: |browser| Box::pin(staff::come_and_go(browser)) },
    Journey {
        name: "erasure",
        views: ALL,
        scripts: true,
        walk: |browser| Box::pin(erasures::ask_and_approve(browser)),
    },
    Journey { name: "recovery", views: MIXED, scripts: true, walk: |browser| Box::pin(staff::recover(browser)) },
    Journey {
        name: "passkeys",
        views: MIXED,
        scripts: true,
        walk: |browser| Box::pin(passkeys::instead_of_an_app(browser)),
    },
    Journey {
        name: "passkey-replayed",
        views: &[KOREAN_DESK],
        scripts: true,
        walk: |browser| Box::pin(passkeys::replayed_and_elsewhere(browser)),
    },
    Journey { name: "institutions", views: ALL, scripts: true, walk: |browser| Box::pin(institutions::find(browser)) },
    Journey { name: "devices", views: ALL, scripts: true, walk: |browser| Box::pin(sessions::end_others(browser)) },
    Journey {
        name: "sessions",
        views: ALL,
        scripts: true,
        walk: |browser| Box::pin(sessions::forged_and_over(browser)),
    },
    Journey { name: "forms", views: ALL, scripts: true, walk: |browser| Box::pin(sessions::forged_forms(browser)) },
    Journey {
        name: "no-records",
        views: ALL,
        scripts: true,
        walk: |browser| Box::pin(access::without_records(browser)),
    },
    Journey { name: "public", views: ALL, scripts: true, walk: |browser| Box::pin(public::read(browser)) },
    Journey { name: "keyboard", views: DESKS, scripts: true, walk: |browser| Box::pin(keyboard::get_records(browser)) },
    Journey {
        name: "without-scripts",
        views: DESKS,
        scripts: false,
        walk: |browser| Box::pin(records::without_scripts(browser)),
    },
];
