//! People and what is not theirs, and a machine whose clock goes wrong.

use crate::whole::issued;
use archive::issue::{IssueError, Issuer, Locale};
use archive::{Archive, Selection, TimelineQuery};
use policy::Action;
use store::AccessPage;
use testkit::{BagBuilder, World, person};

/// Two people with a visit each.
fn world() -> World {
    let world = World::new();
    let (one, two) = (person("하나"), person("두리"));
    world.agency.add(&one);
    world.agency.add(&two);
    let bag = BagBuilder::new("31999901")
        .patient("p1", &one)
        .patient("p2", &two)
        .visit("p1", "e1", "2021-03-04")
        .visit("p2", "e2", "2022-05-06");
    world.deposit(&bag.write(&world.path("bag")).root).expect("taken");
    world
}

fn issue(archive: &Archive, permit: &policy::Permit, selection: &Selection) -> Result<(), IssueError> {
    let issuer = Issuer { name: "한마루 시험".to_owned(), origin: "https://test.example".to_owned() };
    archive.issue(permit, selection, Locale::Ko, &issuer).map(drop)
}

#[test]
fn another_persons_record_is_out_of_reach_and_its_owner_sees_who_tried() {
    let world = world();
    let (one, two) = (person("하나"), person("두리"));
    let timeline = world.own_permit(&one, Action::ReadTimeline);
    let visits = world.archive().timeline(&timeline, &TimelineQuery::default()).expect("a timeline").visits;
    let record = visits.first().expect("a visit").key.clone();

    // Another's id among what is to be issued chooses nothing, as if it were nobody's; the attempt is written down.
    let permit = world.own_permit(&two, Action::Issue);
    let refused = issue(world.archive(), &permit, &Selection::Records(vec![record.id]));
    assert!(matches!(refused, Err(IssueError::Nothing)), "{refused:?}");
    // Whoever names the owner too is told nothing, and is written down.
    let read = world.own_permit(&two, Action::ReadRecord);
    assert_eq!(world.store().read(&read, std::slice::from_ref(&record)).expect("an answer"), []);
    assert_eq!(world.store().history(&read, &record).expect("an answer"), []);

    let log = world.own_permit(&one, Action::ReadAccessLog);
    let accesses = world.archive().accesses(&log, &AccessPage::default()).expect("a log").entries;
    let denied: Vec<_> = accesses.iter().filter(|entry| entry.denied.is_some()).collect();
    assert_eq!(denied.len(), 3, "{accesses:?}");
    for entry in denied {
        assert_eq!((entry.who.expose().as_str(), entry.is_self), ("두리", false));
        assert_eq!(entry.denied.as_deref(), Some("not-yours"));
        assert_eq!(entry.what, [("Encounter".to_owned(), 1)]);
    }
    let log = world.own_permit(&two, Action::ReadAccessLog);
    let own = world.archive().accesses(&log, &AccessPage::default()).expect("a log").entries;
    assert!(own.iter().all(|entry| entry.is_self), "{own:?}");
    let refused: Vec<_> = own.iter().filter_map(|entry| entry.denied.as_deref()).collect();
    assert_eq!(refused, ["not-yours"], "{own:?}");
}

#[test]
fn a_clock_that_jumps_back_is_not_followed() {
    let world = world();
    let one = person("하나");
    world.clock.advance(3_600);
    let before = world.archive().clock().now();
    issued(&world, &one, Locale::Ko);
    world.clock.advance(-30 * 86_400);
    assert_eq!(world.archive().clock().now(), before, "the archive's time stands still instead");
    issued(&world, &one, Locale::Ko);

    // Also for a program that starts while the clock is wrong.
    let world = world.reopened();
    assert!(world.archive().clock().now() >= before, "{}", world.archive().clock().now());
    issued(&world, &one, Locale::Ko);
    let log = world.own_permit(&one, Action::ReadAccessLog);
    let accesses = world.archive().accesses(&log, &AccessPage::default()).expect("a log").entries;
    let issues: Vec<_> = accesses.iter().filter(|entry| entry.action == "issue").map(|entry| entry.time).collect();
    assert!(issues.len() >= 3 && issues.iter().all(|time| *time >= before), "{issues:?}");
}
