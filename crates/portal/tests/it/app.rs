//! The authenticator app of somebody who is signed in: another in its place, its end where a passkey is left, and what is told of it.

use crate::browser::{Answer, Browser};
use crate::site::{App, Site};
use crate::staff::{member_with, options};
use store::Right;
use synth::passkey::SoftKey;

const PAGE: &str = "/account/app";
const NEW: &str = "/account/app/new";

/// Makes a passkey beside what there is.
fn add_passkey(site: &Site, browser: &Browser) {
    let page = browser.get("/account/passkeys/add");
    let answer = SoftKey::new(&site.url).create(&options(&page));
    let fields = [("csrf", &*page.csrf()), ("answer", &*answer), ("name", "열쇠")];
    browser.post("/account/passkeys/add", &fields).leads_to("/account/passkeys");
}

/// Sets the app up that a page shows.
fn set_up(site: &Site, browser: &Browser, page: &Answer) -> App {
    let app = App::of(page);
    let code = app.code(&site.world.clock);
    browser.post(NEW, &[("csrf", &page.csrf()), ("code", &code)]).leads_to(PAGE);
    app
}

#[test]
fn another_app_takes_the_place_of_one_that_somebody_else_may_have() {
    let site = Site::new();
    let (browser, thief) = (site.browser(), site.browser());
    let old = site.sign_in(&browser, &site.kim);
    // Whoever has the letters of the app, and the first factor, is in.
    site.world.clock.advance(30);
    site.prove(&thief, &site.kim);
    let page = thief.get("/sign-in/second-step");
    let code = old.code(&site.world.clock);
    thief.post("/sign-in/second-step", &[("csrf", &page.csrf()), ("code", &code)]).leads_to("/records");

    browser.get("/account").says(200, "id=\"go-app\"");
    browser.get(PAGE).says(200, "id=\"since\"").says(200, "id=\"replace\"").says(200, "id=\"only\"");
    let page = browser.get(NEW);
    page.says(200, "id=\"secret\"").says(200, "지금까지 쓰던 인증 앱의 숫자는 더 쓸 수 없고");
    page.says(200, "누가 보았다면 나갔다가 다시 들어와 주세요");
    let wrong = App::of(&page).wrong_code(&site.world.clock);
    let faulty = browser.post(NEW, &[("csrf", &page.csrf()), ("code", &wrong)]);
    faulty.says(422, "id=\"code-fault\"");
    let app = set_up(&site, &browser, &faulty);
    assert_eq!(App::of(&page).code(&site.world.clock), app.code(&site.world.clock), "what was scanned stays good");
    browser.get(PAGE).says(200, "인증 앱을 새로 연결하고 다른 기기는 모두 나가게 했습니다");
    assert!(!browser.get(PAGE).text().contains("id=\"said\""), "once");
    assert_eq!(thief.get("/records").status, 401, "whoever the old one let in is let out");
    browser.get("/records").says(200, "id=\"all-form\"");
    browser.get("/account/notices").says(200, "인증 앱을 새로 연결했습니다").says(200, "인증 앱을 새로 연결해 주세요");

    site.world.clock.advance(30);
    let again = site.browser();
    site.prove(&again, &site.kim);
    let page = again.get("/sign-in/second-step");
    let give = |code: &str| again.post("/sign-in/second-step", &[("csrf", &page.csrf()), ("code", code)]);
    give(&old.code(&site.world.clock)).says(422, "id=\"code-fault\"");
    give(&app.code(&site.world.clock)).leads_to("/records");
}

#[test]
fn an_app_goes_where_a_passkey_is_left() {
    let site = Site::new();
    let (browser, other) = (site.browser(), site.browser());
    let app = site.sign_in(&browser, &site.kim);
    site.world.clock.advance(30);
    site.prove(&other, &site.kim);
    let page = other.get("/sign-in/second-step");
    let code = app.code(&site.world.clock);
    other.post("/sign-in/second-step", &[("csrf", &page.csrf()), ("code", &code)]).leads_to("/records");

    let page = browser.get(PAGE);
    assert!(!page.text().contains("id=\"remove-form\""), "nothing else is left");
    let remove = |page: &Answer| browser.post("/account/app/remove", &[("csrf", &page.csrf())]);
    remove(&page).says(200, "id=\"app-fault\"").says(200, "id=\"since\"");
    add_passkey(&site, &browser);
    let page = browser.get(PAGE);
    page.says(200, "id=\"remove-form\"");
    remove(&page).says(200, "id=\"said\"").says(200, "id=\"none\"").says(200, "id=\"set-up\"");
    assert_eq!(other.get("/records").status, 401, "whoever it let in is let out");
    let notices = browser.get("/account/notices");
    notices
        .says(200, "인증 앱을 지웠습니다")
        .says(200, "패스키를 만들었습니다")
        .says(200, "내가 만들지 않은 패스키를 지워");
    assert!(
        !notices.text().contains("인증 앱을 새로 연결해"),
        "who has a passkey alone is not sent to connect an app anew"
    );
    let again = site.browser();
    site.prove(&again, &site.kim);
    again.get("/sign-in/second-step").leads_to("/sign-in/passkey");

    // Whoever saw the letters of the first has nothing of the next.
    let page = browser.get(NEW);
    page.says(200, "패스키 대신 숫자로도");
    let next = set_up(&site, &browser, &page);
    browser.get(PAGE).says(200, "인증 앱을 연결했습니다. 이제 앱의 숫자로도");
    assert_ne!(
        next.code(&site.world.clock),
        app.code(&site.world.clock),
        "the seed of this test gives different codes"
    );
    browser.get("/account/notices").says(200, "인증 앱을 연결했습니다");
    browser.get(PAGE).says(200, "id=\"since\"").says(200, "id=\"remove-form\"");
}

#[test]
fn an_app_is_changed_by_whoever_gave_the_second_factor_just_now() {
    let site = Site::new();
    let browser = site.browser();
    let app = site.sign_in(&browser, &site.kim);
    add_passkey(&site, &browser);
    let page = browser.get(NEW);
    let scanned = App::of(&page);
    site.world.clock.advance(301);
    browser.get(PAGE).says(200, "id=\"since\"");
    browser.get(NEW).leads_to("/account/prove?to=%2Faccount%2Fapp%2Fnew");
    let code = scanned.code(&site.world.clock);
    let fields = [("csrf", &*page.csrf()), ("code", &*code)];
    browser.post(NEW, &fields).leads_to("/account/prove?to=%2Faccount%2Fapp%2Fnew");
    browser.post("/account/app/remove", &[("csrf", &page.csrf())]).leads_to("/account/prove?to=%2Faccount%2Fapp");

    let prove = browser.get("/account/prove?to=%2Faccount%2Fapp%2Fnew");
    let code = app.code(&site.world.clock);
    let fields = [("csrf", &*prove.csrf()), ("code", &*code)];
    browser.post("/account/prove?to=%2Faccount%2Fapp%2Fnew", &fields).leads_to(NEW);
    let page = browser.get(NEW);
    let same = App::of(&page).code(&site.world.clock);
    assert_eq!(same, scanned.code(&site.world.clock), "what was scanned before stays good");
    set_up(&site, &browser, &page);
}

#[test]
fn staff_have_no_app() {
    let site = Site::new();
    let staff = member_with(&site, "박도윤", &mut SoftKey::new(&site.url), Right::Operator);
    let account = staff.get("/account");
    assert!(!account.text().contains(PAGE), "nothing leads there");
    assert!(staff.get(PAGE).location().is_some_and(|to| to.starts_with("/sign-in")));
    for path in [NEW, "/account/app/remove"] {
        staff.post(path, &[("csrf", &account.csrf()), ("code", "000000")]).says(403, "환자 본인의 화면입니다");
    }
    add_passkey(&site, &staff);
    let notices = staff.get("/account/notices");
    notices.says(200, "바로 관리자에게 알려 주세요");
    assert!(!notices.text().contains("인증 앱"), "and no notice sends them there");
}
