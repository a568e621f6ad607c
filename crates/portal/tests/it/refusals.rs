//! What is refused, and the page that says so.

use crate::site::{Setup, Site};

const NOT_THEIRS: &str = "막음: 그 사람의 기록이 아니어서";

#[test]
fn without_a_session_every_personal_page_leads_to_sign_in() {
    let site = Site::new();
    let browser = site.browser();
    let visit = format!("/records/visit/{}", site.visit("p1", "v1"));
    for (path, to) in [
        ("/records", "/sign-in?to=%2Frecords".to_owned()),
        ("/access?page=2", "/sign-in?to=%2Faccess".to_owned()),
        ("/account", "/sign-in?to=%2Faccount".to_owned()),
        ("/sign-in/second-step", "/sign-in".to_owned()),
        (visit.as_str(), format!("/sign-in?to={}", visit.replace('/', "%2F"))),
    ] {
        browser.get(path).leads_to(&to);
    }
    for path in ["/records", "/records/issue", "/sign-out", "/account/end-others", "/sign-in/second-step"] {
        browser.post(path, &[("csrf", "x")]).says(401, "다시 본인 확인을 해 주세요");
    }
}

#[test]
fn a_forged_session_opens_nothing() {
    let site = Site::new();
    let browser = site.browser();
    let forge = || {
        let forged = "A".repeat(43);
        browser.cookies.borrow_mut().insert("__Host-hanmaru-session".to_owned(), forged);
    };
    forge();
    browser.get("/").says(200, "내 기록 받기");
    browser.get("/records").says(401, "다시 본인 확인을 해 주세요");
    assert!(browser.cookies.borrow().is_empty(), "the browser is told to forget it");
    forge();
    browser.post("/records/issue", &[("csrf", "x"), ("what", "all")]).says(401, "다시 본인 확인을 해 주세요");
}

#[test]
fn a_session_ends_by_itself() {
    let site = Site::new();
    let browser = site.browser();
    site.sign_in(&browser, &site.kim);
    site.world.clock.advance(14 * 60);
    browser.get("/records").says(200, "내 진료기록");
    site.world.clock.advance(15 * 60 + 61);
    browser.get("/records").says(401, "다시 본인 확인을 해 주세요");
    browser.get("/records").leads_to("/sign-in?to=%2Frecords");
}

#[test]
fn forms_of_others_are_refused() {
    let site = Site::new();
    let (kim, lee) = (site.browser(), site.browser());
    site.sign_in(&kim, &site.kim);
    site.sign_in(&lee, &site.lee);
    let (own, other) = (kim.get("/records").csrf(), lee.get("/records").csrf());
    for token in ["", "x", other.as_str()] {
        for path in ["/records", "/records/issue", "/sign-out", "/account/end-others"] {
            kim.post(path, &[("csrf", token), ("what", "all")]).says(403, "화면을 다시 열어 주세요");
        }
    }
    let fields = [("csrf", own.as_str()), ("what", "all")];
    for header in [("sec-fetch-site", "cross-site"), ("origin", "https://elsewhere.example")] {
        kim.post_with("/records/issue", &fields, header).says(403, "화면을 다시 열어 주세요");
    }
    assert_eq!(kim.post_with("/records/issue", &fields, ("sec-fetch-site", "same-origin")).status, 200);
    assert_eq!(kim.post_with("/records/issue", &fields, ("origin", site.url.as_str())).status, 200);
}

#[test]
fn another_persons_record_stays_closed() {
    let site = Site::new();
    let browser = site.browser();
    site.sign_in(&browser, &site.kim);
    let others = site.visit("p2", "v3");
    browser.get(&format!("/records/visit/{others}")).says(403, "볼 수 없는 기록입니다");
    let nobodys = format!("{0}-{0}", "0".repeat(32));
    browser.get(&format!("/records/visit/{nobodys}")).says(403, "볼 수 없는 기록입니다");
    browser.get("/records/visit/..%2Fx").says(404, "찾으시는 화면이 없습니다");
    let csrf = browser.get("/records").csrf();
    let chosen = browser.post("/records/issue", &[("csrf", &csrf), ("what", "chosen"), ("visit", &others)]);
    chosen.says(403, "볼 수 없는 기록입니다");
    browser.post("/records/issue", &[("csrf", &csrf), ("what", "chosen"), ("visit", "x")]).says(400, "알아볼 수 없는");
    browser.post("/records/issue", &[("csrf", &csrf), ("what", "theirs")]).says(400, "알아볼 수 없는");
    // Whose record it is finds both attempts, and who made them.
    let owner = site.browser();
    site.sign_in(&owner, &site.lee);
    let log = owner.get("/access").text();
    for attempt in ["진료기록 보기", "PDF 발급"] {
        assert!(log.contains(attempt), "{attempt}");
    }
    assert_eq!(log.matches(NOT_THEIRS).count(), 2, "one for the page and one for the document: {log}");
    assert!(log.contains("김하늘") && !log.contains("2번"), "an attempt is told once: {log}");
    // Who tried sees what they did: the record of another, one of nobody, and the document.
    let own = browser.get("/access").text();
    assert_eq!(own.matches(NOT_THEIRS).count(), 2, "{own}");
    assert!(own.contains("2번") && !own.contains("이바다"), "{own}");
}

#[test]
fn anothers_record_under_an_invented_patient_is_told_to_them() {
    let site = Site::new();
    let browser = site.browser();
    site.sign_in(&browser, &site.kim);
    let csrf = browser.get("/records").csrf();
    let others = site.visit("p2", "v3");
    let (_, record) = others.split_once('-').expect("a patient and a record");
    let invented = format!("{}-{record}", "7".repeat(32));
    browser.get(&format!("/records/visit/{invented}")).says(403, "볼 수 없는 기록입니다");
    // Among one's own as well, and then nothing of it is issued.
    let own = site.visit("p1", "v1");
    let fields = [("csrf", csrf.as_str()), ("what", "chosen"), ("visit", &own), ("visit", &invented)];
    browser.post("/records/issue", &fields).says(403, "볼 수 없는 기록입니다");
    let owner = site.browser();
    site.sign_in(&owner, &site.lee);
    let log = owner.get("/access").text();
    assert_eq!(log.matches(NOT_THEIRS).count(), 2, "one for the page and one for the document: {log}");
    assert!(log.contains("김하늘") && log.contains("진료기록 보기") && log.contains("PDF 발급"));
    assert!(log.contains("자기 기록이라고 함"), "what they claimed is not told as if it were so");
}

#[test]
fn anothers_record_under_ones_own_name_is_told_to_them_as_well() {
    let site = Site::new();
    let browser = site.browser();
    site.sign_in(&browser, &site.kim);
    let csrf = browser.get("/records").csrf();
    for visit in [site.visit("p1", "v3"), site.visit("p1", "v9")] {
        browser.get(&format!("/records/visit/{visit}")).says(403, "볼 수 없는 기록입니다");
        let chosen = browser.post("/records/issue", &[("csrf", &csrf), ("what", "chosen"), ("visit", &visit)]);
        chosen.says(422, "고른 기록이 없습니다");
    }
    let owner = site.browser();
    site.sign_in(&owner, &site.lee);
    let log = owner.get("/access").text();
    assert_eq!(log.matches(NOT_THEIRS).count(), 2, "one for the page and one for the document");
    assert!(log.contains("김하늘") && log.contains("PDF 발급"));
}

#[test]
fn codes_are_good_once_and_guessing_ends() {
    let site = Site::new();
    let app = site.sign_in(&site.browser(), &site.kim);
    let browser = site.browser();
    site.prove(&browser, &site.kim);
    let page = browser.get("/sign-in/second-step");
    let try_code = |code: &str| browser.post("/sign-in/second-step", &[("csrf", &page.csrf()), ("code", code)]);
    try_code(&app.code(&site.world.clock)).says(422, "이미 쓴 숫자입니다");
    let wrong = app.wrong_code(&site.world.clock);
    for _ in 0..3 {
        try_code(&wrong).says(422, "숫자가 맞지 않습니다");
    }
    let throttled = try_code(&wrong);
    throttled.says(429, "초 동안 기다려야 합니다");
    assert!(throttled.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    site.world.clock.advance(20);
    try_code(&app.wrong_code(&site.world.clock)).says(422, "숫자가 맞지 않습니다");
    site.world.clock.advance(60);
    try_code(&app.wrong_code(&site.world.clock)).says(401, "본인 확인을 끝냈습니다");
    browser.get("/sign-in/second-step").leads_to("/sign-in");
}

#[test]
fn a_sign_in_is_good_once_and_in_one_browser() {
    let site = Site::new();
    let (browser, other) = (site.browser(), site.browser());
    let start = browser.get("/sign-in/start");
    let back = site.answer_of_agency(&site.kim, &start);
    other.get(&back).says(400, "이 브라우저에서 시작한 본인 확인이 아닙니다");
    let cookie = browser.cookies.borrow()["__Host-hanmaru-sign-in"].clone();
    browser.get(&back).leads_to("/sign-in/second-step");
    assert!(!browser.cookies.borrow().contains_key("__Host-hanmaru-sign-in"));
    browser.cookies.borrow_mut().insert("__Host-hanmaru-sign-in".to_owned(), cookie);
    browser.get(&back).says(400, "이미 쓴 본인 확인입니다");
    other.get("/sign-in/start");
    other.get("/sign-in/return?error=access_denied&state=x").says(400, "본인 확인을 그만두셨습니다");
    let late = browser.get("/sign-in/start");
    let back = site.answer_of_agency(&site.kim, &late);
    site.world.clock.advance(601);
    browser.get(&back).says(400, "10분이 넘어 끝났습니다");
}

#[test]
fn sign_in_leads_back_to_this_site_alone() {
    let site = Site::new();
    let browser = site.browser();
    for to in ["https%3A%2F%2Felsewhere.example", "%2F%2Felsewhere.example", "%2F%5Celsewhere.example", "%2Fsign-out"] {
        let page = browser.get(&format!("/sign-in?to={to}"));
        page.says(200, "href=\"/sign-in/start\"");
    }
    let start = browser.get("/sign-in/start?to=%2F%2Felsewhere.example");
    site.prove_from(&browser, &site.kim, &start).leads_to("/sign-in/second-step");
    let page = browser.get("/sign-in/second-step");
    let code = crate::site::App::of(&page).code(&site.world.clock);
    browser.post("/sign-in/second-step", &[("csrf", &page.csrf()), ("code", &code)]).leads_to("/records");
}

#[test]
fn an_agency_that_is_away_is_named() {
    let site = Site::with(&Setup { agency_is_away: true, ..Setup::default() });
    let answer = site.browser().get("/sign-in/start");
    answer.says(502, "본인확인기관이 답하지 않습니다");
    assert_eq!(answer.header("retry-after"), "30");
}

#[test]
fn a_journal_that_cannot_be_written_shows_nothing() {
    let site = Site::with(&Setup { journal_is_full: true, ..Setup::default() });
    let browser = site.browser();
    site.sign_in(&browser, &site.kim);
    for path in ["/records", "/access", &format!("/records/visit/{}", site.visit("p1", "v1"))] {
        let answer = browser.get(path);
        answer.says(503, "지금은 기록을 보여 드릴 수 없습니다");
        assert!(!answer.text().contains("급성"));
    }
    let csrf = browser.get("/account").csrf();
    let issue = browser.post("/records/issue", &[("csrf", &csrf), ("what", "all")]);
    issue.says(503, "지금은 기록을 보여 드릴 수 없습니다");
}

#[test]
fn too_few_sites_issue_nothing() {
    let site = Site::new();
    let browser = site.browser();
    site.sign_in(&browser, &site.kim);
    let csrf = browser.get("/records").csrf();
    for place in [0, 1] {
        let folder = site.world.site(place);
        std::fs::rename(&folder, folder.with_extension("away")).expect("the site is there");
    }
    let answer = browser.post("/records/issue", &[("csrf", &csrf), ("what", "all")]);
    answer.says(503, "지금은 새로 저장할 수 없습니다").says(503, "href=\"/status\"");
    // Reading goes on, and whoever asks is told how things are.
    browser.get("/records").says(200, "급성");
    let status = site.browser().get("/status");
    status.says(200, "지금은 새 기록을 받거나 문서를 발급할 수 없습니다").says(200, "연결되지 않음");
    assert!(!status.text().contains(&site.world.path("").display().to_string()), "no path of the machine is shown");
}

#[test]
fn what_is_not_there_has_a_page_too() {
    let site = Site::new();
    let browser = site.browser();
    browser.get("/nothing").says(404, "찾으시는 화면이 없습니다");
    browser.get("/sign-out").says(405, "알아볼 수 없는 요청입니다");
    browser.post("/help", &[]).says(405, "알아볼 수 없는 요청입니다");
    site.sign_in(&browser, &site.kim);
    let csrf = browser.get("/records").csrf();
    let large = "x".repeat(66_000);
    browser.post("/records", &[("csrf", &csrf), ("from", &large)]).says(413, "너무 큽니다");
    let many: Vec<(&str, &str)> = std::iter::once(("csrf", csrf.as_str())).chain([("v", ""); 3_000]).collect();
    browser.post("/records", &many).says(413, "너무 큽니다");
}
