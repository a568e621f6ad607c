//! Where a round of sealing ends: the sites alone give back what the database held, whenever it is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base::{Seam, Seams};
use policy::Action;
use store::{Outcome, StoreError};

use crate::objects::{bytes, head, put};
use crate::rebuild::{lose_database, rebuild, until};
use crate::support::*;

/// Lets so many rounds through, and then none.
struct Rounds {
    left: AtomicUsize,
}

impl Seam for Rounds {
    fn at(&self, place: &'static str) -> std::io::Result<()> {
        if place != store::seams::before_swap(store::Log::Records) {
            return Ok(());
        }
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| std::io::Error::other("the fire is here"))
    }
}

/// Resources, a version that another follows, a document, and a person; all of it before anything is sealed.
fn write_much(store: &store::Store) -> Vec<(policy::Owner, &'static str)> {
    let mut written = Vec::new();
    for name in ["p1", "p2", "p3"] {
        let owner = patient(name);
        let resources = [("Patient", "p", "김하늘 0"), ("Encounter", "e", "외래 1"), ("Observation", "o", "혈압 2")];
        write(store, owner, &resources);
        assert_eq!(write_one(store, owner, "Patient", "p", "김바다 0"), Outcome::New { version: 2 });
        written.extend([(owner, "Patient"), (owner, "Encounter"), (owner, "Observation")]);
        let content = bytes(5, 70_000);
        let objects = put(store, &[(head(owner, name, &content), content)]);
        store.write(&depositor(store, Action::Deposit), vec![], objects, None).expect("written");
    }
    written
}

#[test]
fn whenever_the_database_is_lost_the_sites_give_back_what_it_held() {
    let mut seen = Vec::new();
    for rounds in 1.. {
        let mut house = House::new();
        // Nothing is sealed before everything is written.
        house.config.sequencer = false;
        let store = house.open();
        write_much(&store);
        drop(store);
        house.config.sequencer = true;
        // Fewer rows than a resource has: each task is a round of its own.
        house.config.round_rows = 2;
        house.config.backlog_wait_ms = 0;
        let seam = Arc::new(Rounds { left: AtomicUsize::new(rounds) });
        house.config.seams = Seams::with(Arc::<Rounds>::clone(&seam) as Arc<dyn Seam>);
        let store = house.open();
        until(|| store.health().waiting[0] == 0 || (seam.left.load(Ordering::SeqCst) == 0 && is_published(&house)));
        let is_whole = store.health().waiting[0] == 0;
        drop(store);
        crate::rebuild::settled(&house);
        lose_database(&house);
        house.config.seams = Seams::default();
        let rebuilt = rebuild(&house, "site-b", false).unwrap_or_else(|error| panic!("after {rounds} rounds: {error}"));
        let store = house.open();
        let versions = count(&house, "SELECT count(*) FROM resource_version");
        assert_eq!(
            count(
                &house,
                "SELECT count(*) FROM resource_current c JOIN resource_version v USING (row) WHERE c.version = v.version"
            ),
            count(&house, "SELECT count(*) FROM resource_current"),
            "after {rounds} rounds the current versions are there"
        );
        seen.push((versions, rebuilt.objects));
        drop(store);
        if is_whole {
            break;
        }
        assert!(rounds < 200, "it comes to an end");
    }
    assert!(seen.len() > 5, "the database was lost in the middle again and again: {seen:?}");
    assert_eq!(seen.last(), Some(&(12, 3)));
    let is_growing = seen.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1);
    assert!(is_growing, "{seen:?}");
}

fn is_published(house: &House) -> bool {
    count(house, "SELECT size - published_size FROM log_head WHERE log = 'records'") == 0
}

#[test]
fn a_write_that_no_segment_could_hold_is_refused() {
    let house = House::new();
    let store = house.open();
    let permit = depositor(&store, Action::Deposit);
    let text = "가".repeat(2 << 20);
    let names = ["a", "b", "c", "d"];
    let prepared = names.map(|name| prepare(&store, &permit, patient("p1"), "Observation", name, &text, 1));
    let refused = store.write(&permit, prepared.into(), vec![], None).expect_err("24 MiB are too much");
    assert!(matches!(refused, StoreError::Limit { limit, .. } if limit == store::WRITE_BYTES_MAX as u64), "{refused}");
}
