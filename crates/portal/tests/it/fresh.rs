//! The second factor once more before something grave, and how often costly pages may be asked for.

use crate::site::Site;

#[test]
fn a_document_asks_for_the_second_factor_when_it_was_given_long_ago() {
    let site = Site::new();
    let browser = site.browser();
    let app = site.sign_in(&browser, &site.kim);
    let page = browser.get("/records");
    let issue = |csrf: &str| browser.post("/records/issue", &[("csrf", csrf), ("what", "all")]);
    assert_eq!(issue(&page.csrf()).header("content-type"), "application/pdf", "just signed in");
    site.world.clock.advance(301);
    issue(&page.csrf()).leads_to("/account/prove");
    let prove = browser.get("/account/prove");
    let wrong = app.wrong_code(&site.world.clock);
    browser.post("/account/prove", &[("csrf", &prove.csrf()), ("code", &wrong)]).says(422, "code-fault");
    let code = app.code(&site.world.clock);
    let onward = browser.post("/account/prove", &[("csrf", &prove.csrf()), ("code", &code)]);
    onward
        .says(200, "내 진료기록 PDF로 받기")
        .says(200, "action=\"/records/issue\"")
        .says(200, "name=\"what\" value=\"all\"");
    assert_eq!(issue(&onward.csrf()).header("content-type"), "application/pdf");
    // Reading asks for nothing, and neither does what was proved just now.
    browser.get("/records").says(200, "id=\"all-form\"");
    issue(&browser.get("/records").csrf());
}

#[test]
fn pages_of_an_account_lead_back_after_the_second_factor() {
    let site = Site::new();
    let browser = site.browser();
    let app = site.sign_in(&browser, &site.kim);
    site.world.clock.advance(301);
    browser.get("/account/passkeys/add").leads_to("/account/prove?to=%2Faccount%2Fpasskeys%2Fadd");
    let prove = browser.get("/account/prove?to=%2Faccount%2Fpasskeys%2Fadd");
    let code = app.code(&site.world.clock);
    let fields = [("csrf", &*prove.csrf()), ("code", &*code)];
    browser.post("/account/prove?to=%2Faccount%2Fpasskeys%2Fadd", &fields).leads_to("/account/passkeys/add");
    browser.get("/account/passkeys/add").says(200, "passkey-form");
    let prove = browser.get("/account/prove?to=https%3A%2F%2Felsewhere.example");
    assert!(!prove.text().contains("elsewhere"), "nobody is sent to another site");
}

#[test]
fn whoever_asks_too_often_is_told_when_to_come_again() {
    let site = Site::new();
    let (browser, other) = (site.browser(), site.browser());
    site.sign_in(&browser, &site.kim);
    site.sign_in(&other, &site.lee);
    let (csrf, others) = (browser.get("/records").csrf(), other.get("/records").csrf());
    let nothing = |csrf: &str| [("csrf".to_owned(), csrf.to_owned()), ("what".to_owned(), "chosen".to_owned())];
    let send = |browser: &crate::browser::Browser, csrf: &str| {
        let fields = nothing(csrf);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        browser.post("/records/issue", &fields)
    };
    let mut answers = (0..40).map(|_| send(&browser, &csrf)).skip_while(|answer| answer.status == 422);
    let refused = answers.next().expect("not without end");
    refused.says(429, "<h1>");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|wait_s| (1..=60).contains(&wait_s)));
    assert_eq!(send(&other, &others).status, 422, "somebody else at the same address");
    browser.get("/records").says(200, "id=\"all-form\"");
    site.world.clock.advance(60);
    assert_eq!(send(&browser, &csrf).status, 422, "a minute later");
}

#[test]
fn whoever_is_not_signed_in_is_counted_by_address_and_told_in_plain_words() {
    let site = Site::new();
    let (stranger, neighbour, member) = (site.browser(), site.browser(), site.browser());
    site.sign_in(&member, &site.kim);
    let mut answers = (0..200).map(|_| stranger.upload("/verify", b"x")).skip_while(|answer| answer.status == 200);
    let refused = answers.next().expect("not without end");
    let wait_s: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait_s), "{wait_s}");
    refused.says(429, "너무 많이").says(429, &format!("{wait_s}초"));
    neighbour.upload("/verify", b"x").says(429, "너무 많이");
    member.upload("/verify", b"x").says(200, "PDF 파일이 아닙니다");
    stranger.get("/institutions?name=x").says(200, "찾은 병원이 없습니다");
    site.world.clock.advance(i64::try_from(wait_s).expect("a minute at most"));
    stranger.upload("/verify", b"x").says(200, "PDF 파일이 아닙니다");
}

#[test]
fn whoever_has_one_factor_of_somebody_does_not_use_up_what_is_theirs() {
    let site = Site::new();
    let (owner, thief) = (site.browser(), site.browser().at([127, 0, 0, 2]));
    let app = site.sign_in(&owner, &site.kim);
    site.prove(&thief, &site.kim);
    for costly in ["/records", "/sign-in/second-step"] {
        assert!((0..300).any(|_| thief.get(costly).status == 429), "half a sign-in is limited too: {costly}");
        thief.get(costly).says(429, "너무 많이");
    }
    owner.get("/records").says(200, "id=\"all-form\"");
    // Nor does it keep them from coming in again, from elsewhere.
    let again = site.browser();
    site.world.clock.advance(30);
    site.prove(&again, &site.kim);
    let page = again.get("/sign-in/second-step");
    let fields = [("csrf", &*page.csrf()), ("code", &*app.code(&site.world.clock))];
    again.post("/sign-in/second-step", &fields).leads_to("/records");
}

#[test]
fn one_session_is_ended_by_itself() {
    let site = Site::new();
    let (here, there) = (site.browser(), site.browser());
    let app = site.sign_in(&there, &site.kim);
    site.world.clock.advance(60);
    site.prove(&here, &site.kim);
    let page = here.get("/sign-in/second-step");
    let code = app.code(&site.world.clock);
    here.post("/sign-in/second-step", &[("csrf", &page.csrf()), ("code", &code)]).leads_to("/records");
    let page = here.get("/account/sessions");
    let id = crate::browser::between(&page.text(), "name=\"session\" value=\"", "\"");
    assert!(page.text().contains("127.0.*.*") && !page.text().contains("127.0.0.1"), "addresses are masked");
    here.post("/account/end", &[("csrf", &page.csrf()), ("session", &id)]).says(200, "id=\"ended\"");
    assert_eq!(there.get("/records").status, 401);
    here.get("/records").says(200, "id=\"all-form\"");
    assert_eq!(here.post("/account/end", &[("csrf", &page.csrf()), ("session", "x")]).status, 400);
}
