//! The status page: what it tells everybody of the service, and the grade of it.

use crate::site::Site;
use base::{Clock as _, Id16};
use policy::Action;
use std::sync::atomic::AtomicBool;
use store::{Drill, DrillOutcome, ScrubConfig};

/// Everything was made again from a site, and came out equal.
fn note_drill(site: &Site) {
    let now = site.world.clock.now();
    let result = "everything came out equal".to_owned();
    let (outcome, from) = (DrillOutcome::Equal, "a".to_owned());
    let drill = Drill { begun: now, ended: now, site: from, outcome, resources: 1, objects: 1, rows: 1, result };
    site.world.store().note_drill(drill).expect("noted");
}

/// Everything at the sites was read back.
fn scrub(site: &Site) {
    let store = site.world.store();
    let permit = store.ask_job(&site.world.archive().shared_door(), "scrub", Action::Repair).expect("a job's permit");
    let report = store.scrub(&permit, &ScrubConfig::default(), &AtomicBool::new(false)).expect("it runs");
    assert!(report.expect("nobody else scrubs").is_well());
}

#[test]
fn sites_that_were_never_read_back_are_not_in_order() {
    let site = Site::new();
    note_drill(&site);
    let stranger = site.browser();
    stranger.get("/status").says(200, "운영자가 살펴볼 점이 있습니다").says(200, "아직 없음");
    scrub(&site);
    site.world.clock.advance(6);
    stranger.get("/status").says(200, "모든 것이 정상입니다");
}

#[test]
fn witnesses_and_authorities_that_an_installation_does_without_are_said() {
    let told = Site::new().browser().get("/status");
    told.says(200, "독립 증인을 두지 않았습니다").says(200, "외부 기관의 확인을 받지 않습니다");
}

#[test]
fn a_restore_drill_that_was_never_made_is_said_and_is_not_in_order() {
    let site = Site::new();
    scrub(&site);
    let stranger = site.browser();
    let never = stranger.get("/status");
    never.says(200, "운영자가 살펴볼 점이 있습니다").says(200, "복구 훈련을 한 번도 하지 않았습니다");
    note_drill(&site);
    site.world.clock.advance(6);
    let made = stranger.get("/status");
    made.says(200, "모든 것이 정상입니다");
    assert!(!made.text().contains("복구 훈련을 한 번도"));
}

#[test]
fn alerts_that_do_not_arrive_are_counted_for_everybody() {
    let site = Site::new();
    note_drill(&site);
    scrub(&site);
    let stranger = site.browser();
    // What was found is told again for five seconds.
    let page = || {
        site.world.clock.advance(6);
        stranger.get("/status")
    };
    page().says(200, "모든 것이 정상입니다").says(200, "못 보낸 알림이 없습니다");
    let (store, id) = (site.world.store(), Id16([1; 16]));
    store.add_job(id, "alert", b"ids alone".to_vec()).expect("added");
    page().says(200, "모든 것이 정상입니다").says(200, "기다리는 알림이 1건");
    store.take_job("alert", 60).expect("asked").expect("its turn");
    store.fail_job(id, "https://192.0.2.1/ did not answer".to_owned(), 10).expect("noted");
    let failing = page();
    failing.says(200, "운영자가 살펴볼 점이 있습니다").says(200, "다시 보내고 있는 알림이 1건");
    assert!(!failing.text().contains("192.0.2.1"), "counts alone");
}
