//! Attempts before the door: what somebody tries with half a sign-in, or with a session that is no good, is told to the person
//! whose records they are; and of how many nobody is told one by one.

use policy::{Action, Door};
use store::{AccessEntry, AccessResult, Right};
use synth::passkey::SoftKey;

use crate::browser::Browser;
use crate::site::Site;
use crate::staff::{logged, member_with, options};

const HALF: &str = "내 이름으로 들어오려고 한 사람";
const NOT_FINISHED: &str = "두 번째 확인(인증 앱의 숫자)을 마치지 않아서";
const FORGED: &str = "알 수 없는 사람(가짜 연결)";
const OVER: &str = "알 수 없는 사람(끝난 연결)";

/// Who looked, as the person sees it who signs in now.
fn log(site: &Site, app: &crate::site::App, person: &synth::people::Person) -> String {
    // A code is good once.
    site.world.clock.advance(60);
    let browser = site.browser();
    site.prove(&browser, person);
    let page = browser.get("/sign-in/second-step");
    let code = app.code(&site.world.clock);
    browser.post("/sign-in/second-step", &[("csrf", &page.csrf()), ("code", &code)]).leads_to("/records");
    browser.get("/access").text()
}

fn with_session(browser: &Browser, token: &str) {
    browser.cookies.borrow_mut().insert("__Host-hanmaru-session".to_owned(), token.to_owned());
}

#[test]
fn half_a_sign_in_is_told_to_whose_name_it_was() {
    let site = Site::new();
    let app = site.sign_in(&site.browser(), &site.kim);
    let before = log(&site, &app, &site.kim);
    assert!(!before.contains(HALF), "nothing was tried");
    let browser = site.browser();
    site.prove(&browser, &site.kim);
    for _ in 0..3 {
        browser.get("/records").leads_to("/sign-in/second-step");
    }
    let csrf = browser.get("/sign-in/second-step").csrf();
    browser.post("/records/issue", &[("csrf", &csrf), ("what", "all")]).leads_to("/sign-in/second-step");
    browser.get("/account").leads_to("/sign-in/second-step");
    let log = log(&site, &app, &site.kim);
    assert_eq!(log.matches(HALF).count(), 2, "the list once, the document once, the account not: {log}");
    assert_eq!(log.matches(NOT_FINISHED).count(), 2);
    for action in ["기록 목록 보기", "PDF 발급"] {
        assert!(log.contains(action), "{action}");
    }
}

#[test]
fn every_wrong_code_is_told() {
    let site = Site::new();
    let app = site.sign_in(&site.browser(), &site.kim);
    site.world.clock.advance(60);
    let browser = site.browser();
    site.prove(&browser, &site.kim);
    let page = browser.get("/sign-in/second-step");
    let wrong = app.wrong_code(&site.world.clock);
    for _ in 0..2 {
        let fields = [("csrf", page.csrf()), ("code", wrong.clone())];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        browser.post("/sign-in/second-step", &fields).says(422, "숫자가 맞지 않습니다");
    }
    let log = log(&site, &app, &site.kim);
    assert_eq!(log.matches(HALF).count(), 1, "{log}");
    assert!(log.contains(NOT_FINISHED) && log.contains("2번"), "{log}");
}

#[test]
fn a_session_that_is_no_good_is_told_to_the_patient_whom_the_address_names() {
    let site = Site::new();
    let app = site.sign_in(&site.browser(), &site.kim);
    let visit = format!("/records/visit/{}", site.visit("p1", "v1"));
    let stranger = site.browser();
    stranger.get(&visit);
    stranger.post("/records/issue", &[("what", "all")]);
    assert!(!log(&site, &app, &site.kim).contains("알 수 없는 사람"), "who sends no session tried nothing");

    for _ in 0..50 {
        with_session(&stranger, &"A".repeat(43));
        stranger.get(&visit).says(401, "다시 본인 확인을 해 주세요");
    }
    let told = log(&site, &app, &site.kim);
    assert_eq!(told.matches(FORGED).count(), 1, "{told}");
    assert!(told.contains("본인 확인을 하지 않아서") && told.contains("자기 기록이라고 함"), "{told}");
    assert!(!told.contains("50번"), "a flood is not written down request by request");

    let lee = site.browser();
    site.sign_in(&lee, &site.lee);
    let token = lee.cookies.borrow()["__Host-hanmaru-session"].clone();
    let csrf = lee.get("/records").csrf();
    lee.post("/sign-out", &[("csrf", &csrf)]).leads_to("/");
    with_session(&lee, &token);
    lee.get(&visit).says(401, "다시 본인 확인을 해 주세요");
    let told = log(&site, &app, &site.kim);
    assert_eq!((told.matches(OVER).count(), told.contains("이바다")), (1, false), "{told}");
}

#[test]
fn the_journal_grows_by_few_entries_however_many_ask() {
    let site = Site::new();
    let app = site.sign_in(&site.browser(), &site.kim);
    let stranger = site.browser();
    for (at, action) in ["/records", "/access"].iter().cycle().take(40).enumerate() {
        with_session(&stranger, &format!("{at:043}"));
        assert_eq!(stranger.get(action).status, 401);
    }
    for source_id in ["v1", "v2", "v9", "v8", "v7", "v6"] {
        with_session(&stranger, &"A".repeat(43));
        stranger.get(&format!("/records/visit/{}", site.visit("p1", source_id))).says(401, "다시 본인 확인");
    }
    let told = log(&site, &app, &site.kim);
    assert_eq!(told.matches(FORGED).count(), 1, "of one patient and one minute, one is kept: {told}");
}

#[test]
fn what_somebody_who_left_tries_is_seen_however_many_sessions_they_invent() {
    let site = Site::new();
    let mut key = SoftKey::new(&site.url);
    let browser = member_with(&site, "한지우", &mut key, Right::Operator);
    let old = browser.cookies.borrow()["__Host-hanmaru-session"].clone();
    let account = site.identity.staff().expect("a list")[0].account;
    site.identity.off_board(account).expect("they were here");
    for number in 0..100_u8 {
        with_session(&browser, &format!("{number:043}"));
        let id = base::Id16([number; 16]);
        assert_eq!(browser.get(&format!("/records/visit/{id}-{id}")).status, 401);
    }
    let theirs =
        || logged(&site).into_iter().filter(|entry| entry.actor.account == account && entry.actor.assurance == 0);
    assert_eq!(theirs().count(), 0);
    with_session(&browser, &old);
    browser.get("/staff/people");
    let stranger = site.browser();
    let page = stranger.get("/staff/sign-in");
    stranger.post("/staff/sign-in", &[("answer", &key.get(&options(&page)))]);
    let names: Vec<String> = theirs().map(|entry| entry.actor.name.expose().clone()).collect();
    assert_eq!(names, ["session-over", "passkey-refused"]);
    assert!(theirs().all(|entry| entry.subject == account), "under their account, where it is looked for");
    let watch = crate::watch::watch(&site);
    let mut reader = watch.reader();
    while reader.step().expect("watched").more {}
    let found = watch.untold().expect("a list");
    assert!(found.iter().any(|new| new.rule == "after-revocation"), "and the watch tells of it");
}

/// The entries that say how many were not journalled one by one, once there are so many.
fn turned_away(site: &Site, entries: usize) -> Vec<AccessEntry> {
    let store = site.world.store();
    let permit = store.ask_job(&Door::standard().expect("the door"), "watch", Action::WatchAccesses).expect("a permit");
    let begun = std::time::Instant::now();
    loop {
        let watched = store.watched(&permit, 0, 1_000).expect("the log");
        let told = watched.into_iter().filter_map(|one| one.entry).filter(|entry| entry.action == "turn-away");
        let told: Vec<_> = told.collect();
        if told.len() >= entries {
            return told;
        }
        assert!(begun.elapsed().as_secs() < 20, "{} of {entries} entries came", told.len());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn one_entry_a_minute_says_how_many_attempts_were_too_many() {
    let site = Site::new();
    let stranger = site.browser();
    let forged = |times: usize| {
        for _ in 0..times {
            with_session(&stranger, &"A".repeat(43));
            assert_eq!(stranger.get("/records").status, 401);
        }
    };
    forged(50);
    site.world.clock.advance(60);
    forged(1);
    let told = turned_away(&site, 1);
    assert_eq!(told[0].what, [("attempt".to_owned(), 49)], "one of them was journalled itself");
    assert_eq!(told[0].result, AccessResult::Denied { reason: "assurance".to_owned() });
    assert_ne!(told[0].actor.source.expose(), "several", "one place");
    site.world.clock.advance(60);
    forged(1);
    site.world.clock.advance(60);
    forged(31);
    site.world.clock.advance(60);
    forged(1);
    let told = turned_away(&site, 2);
    assert_eq!(told.len(), 2, "none of a minute in which none was beyond");
    assert_eq!(told[1].what, [("attempt".to_owned(), 30)]);
}
