//! What people come for, from the first page to the last.

use crate::site::{CODE, Setup, Site};
use base::limits::Limits;

#[test]
fn a_person_signs_in_gets_everything_and_anyone_can_verify_it() {
    let site = Site::new();
    let browser = site.browser();
    browser.get("/").says(200, "내 기록 받기");
    browser.get("/records").leads_to("/sign-in?to=%2Frecords");
    let page = browser.get("/sign-in?to=%2Frecords");
    page.says(200, "/sign-in/start?to=%2Frecords");
    site.prove(&browser, &site.kim).leads_to("/sign-in/second-step");
    let page = browser.get("/sign-in/second-step");
    page.says(200, "인증 앱 연결").says(200, "김하늘");
    let app = crate::site::App::of(&page);
    let fields = [("csrf", page.csrf()), ("code", app.code(&site.world.clock))];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    browser.post("/sign-in/second-step", &fields).leads_to("/records");
    let page = browser.get("/records");
    page.says(200, "2024년 3월 31일").says(200, "급성 비인두염").says(200, "병원 1곳, 진료 2건");
    assert!(!page.text().contains("2022년"), "another person's visit");
    let pdf = browser.post("/records/issue", &[("csrf", &page.csrf()), ("what", "all"), ("pdf_language", "ko")]);
    assert_eq!(
        (pdf.status, pdf.header("content-type"), pdf.header("cache-control")),
        (200, "application/pdf", "no-store")
    );
    assert!(browser.loads() <= 6, "{} page loads", browser.loads());
    let disposition = pdf.header("content-disposition");
    assert!(disposition.starts_with("attachment; filename=\"hanmaru-HM-2026-"), "{disposition}");
    assert!(disposition.contains("filename*=UTF-8''%ED%95%9C%EB%A7%88%EB%A3%A8"), "{disposition}");
    assert!(pdf.bytes.starts_with(b"%PDF-"));

    let stranger = site.browser();
    let verdict = stranger.upload("/verify", &pdf.bytes);
    verdict.says(200, "발급된 그대로입니다").says(200, "2026년 11월 22일");
    let number = crate::browser::between(disposition, "filename=\"hanmaru-", ".pdf");
    stranger.get(&format!("/verify/{number}")).says(200, "발급했습니다");
    let mut changed = pdf.bytes.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    stranger.upload("/verify", &changed).says(200, "발급된 그대로가 아닙니다");
    stranger.upload("/verify", b"%PDF-1.7 a page of somebody else %%EOF").says(200, "증명이 없습니다");

    let page = browser.get("/access");
    page.says(200, "PDF 발급").says(200, "기록 목록 보기").says(200, "허용").says(200, "본인");
    page.says(200, "<h2>2026년 11월 22일(일)</h2>").says(200, "<dd>오후 12시 0분</dd>").says(200, "127.0.0.1");
    browser.post("/sign-out", &[("csrf", &page.csrf())]).leads_to("/");
    browser.get("/access").leads_to("/sign-in?to=%2Faccess");
    assert!(!browser.cookies.borrow().keys().any(|name| name.contains("session")));
}

#[test]
fn a_second_visit_asks_for_the_code_and_leads_back_to_where_one_wanted_to_go() {
    let site = Site::new();
    let app = site.sign_in(&site.browser(), &site.kim);
    site.world.clock.advance(60);
    let browser = site.browser();
    let start = browser.get("/sign-in/start?to=%2Faccess");
    site.prove_from(&browser, &site.kim, &start).leads_to("/sign-in/second-step");
    let page = browser.get("/sign-in/second-step");
    page.says(200, "한 번 더 확인");
    assert!(!page.text().contains("id=\"secret\""), "the secret is shown once");
    // Until then nothing personal is to be had.
    for path in ["/records", "/access", "/account", &format!("/records/visit/{}", site.visit("p1", "v1"))] {
        browser.get(path).leads_to("/sign-in/second-step");
    }
    let code = app.code(&site.world.clock);
    browser.post("/sign-in/second-step", &[("csrf", &page.csrf()), ("code", &code)]).leads_to("/access");
}

#[test]
fn a_wrong_code_on_the_first_visit_keeps_what_was_scanned() {
    let site = Site::new();
    let browser = site.browser();
    site.prove(&browser, &site.kim);
    let page = browser.get("/sign-in/second-step");
    let app = crate::site::App::of(&page);
    let wrong = app.wrong_code(&site.world.clock);
    let again = browser.post("/sign-in/second-step", &[("csrf", &page.csrf()), ("code", &wrong)]);
    again.says(422, "숫자가 맞지 않습니다").says(422, "aria-invalid=\"true\"").says(422, "href=\"#code\"");
    assert_eq!(
        crate::browser::between(&again.text(), "id=\"secret\"", "</p>"),
        crate::browser::between(&page.text(), "id=\"secret\"", "</p>")
    );
    let code = app.code(&site.world.clock);
    browser.post("/sign-in/second-step", &[("csrf", &again.csrf()), ("code", &code)]).leads_to("/records");
}

#[test]
fn visits_are_filtered_chosen_and_got_without_a_word_in_the_address() {
    let site = Site::new();
    let browser = site.browser();
    site.sign_in(&browser, &site.kim);
    let csrf = browser.get("/records").csrf();
    let filter = [("csrf", csrf.as_str()), ("from", "2024-01-01"), ("to", "2024-12-31"), ("institution", CODE)];
    browser.post("/records", &filter).leads_to("/records");
    let page = browser.get("/records");
    page.says(200, "2024년 3월 31일").says(200, "get-period");
    assert!(!page.text().contains("2023년 5월 20일"));
    let get = |fields: &[(&str, &str)]| browser.post("/records/issue", fields);
    assert_eq!(get(&[("csrf", &csrf), ("what", "period")]).header("content-type"), "application/pdf");
    let visit = site.visit("p1", "v2");
    let chosen = get(&[("csrf", &csrf), ("what", "chosen"), ("visit", &visit), ("pdf_language", "en")]);
    assert_eq!(chosen.header("content-type"), "application/pdf");
    assert!(chosen.header("content-disposition").contains("Hanmaru%20copy"));
    get(&[("csrf", &csrf), ("what", "chosen")]).says(422, "고른 기록이 없습니다").says(422, "href=\"#visits\"");
    let faulty = browser.post("/records", &[("csrf", &csrf), ("from", "어제")]);
    faulty.says(422, "날짜를 2024-03-31처럼").says(422, "value=\"어제\"");
    browser.post("/records", &[("csrf", &csrf), ("clear", "yes")]).leads_to("/records");
    browser.get("/records").says(200, "2023년 5월 20일");
    browser.get("/records/issue").leads_to("/records");
    browser.get(&format!("/records/visit/{visit}")).says(200, "2023년 5월 20일").says(200, "J00");
}

#[test]
fn institutions_are_found_by_everybody() {
    let site = Site::new();
    let browser = site.browser();
    browser.get("/institutions").says(200, "병원 이름");
    let found = browser.get("/institutions?name=").says(200, &format!("/institutions/{CODE}")).text();
    assert!(found.contains("보관 중"));
    browser.get(&format!("/institutions/{CODE}")).says(200, "이 병원의 기록을 한마루가 맡아 두고 있습니다");
    browser.get("/institutions?name=zzzz").says(200, "찾은 병원이 없습니다");
    browser.get("/institutions?name=&from=2024.3.31").says(422, "날짜를 2024-03-31처럼").says(422, "href=\"#from\"");
    browser.get("/institutions/99999999").says(404, "그런 병원이 없습니다");
    browser.get("/institutions/%ED%95%9C").says(404, "그런 병원이 없습니다");
}

#[test]
fn other_sessions_are_listed_and_ended() {
    let site = Site::new();
    let (here, there) = (site.browser(), site.browser());
    let app = site.sign_in(&here, &site.kim);
    site.world.clock.advance(60);
    site.prove(&there, &site.kim);
    let page = there.get("/sign-in/second-step");
    there.post("/sign-in/second-step", &[("csrf", &page.csrf()), ("code", &app.code(&site.world.clock))]);
    there.get("/account").says(200, "다른 기기는 모두 나가게 하기");
    let page = here.get("/account");
    here.post("/account/end-others", &[("csrf", &page.csrf())]).says(200, "다른 기기를 모두 나가게 했습니다");
    there.get("/account").says(401, "다시 본인 확인을 해 주세요");
    there.get("/account").leads_to("/sign-in?to=%2Faccount");
    here.get("/account").says(200, "다른 기기에서는 들어와 있지 않습니다");
}

#[test]
fn the_language_is_remembered_and_leads_nowhere_else() {
    let site = Site::new();
    let browser = site.browser();
    browser.get("/help").says(200, "lang=\"ko\"").says(200, "/language?to=en&#38;back=%2Fhelp");
    browser.get("/language?to=en&back=%2Fhelp").leads_to("/help");
    browser.get("/help").says(200, "lang=\"en\"").says(200, "I lost my authenticator app");
    browser.get("/language?to=ko&back=%2F%2Felsewhere.example").leads_to("/");
    browser.get("/language?to=ko&back=https%3A%2F%2Felsewhere.example").leads_to("/");
    browser.get("/language?to=xx").leads_to("/");
    browser.get("/help").says(200, "lang=\"ko\"");
}

#[test]
fn uploads_have_a_limit() {
    let limits = Limits { verify_bytes: 2 << 20, ..Limits::default() };
    let site = Site::with(&Setup { limits, ..Setup::default() });
    let browser = site.browser();
    browser.upload("/verify", &vec![b'x'; (2 << 20) + 1]).says(413, "2\u{a0}MB까지 확인할 수 있습니다");
    browser.upload("/verify", &vec![b'x'; 7 << 20]).says(413, "2\u{a0}MB까지 확인할 수 있습니다");
    browser.upload("/verify", b"").says(422, "파일을 고르지 않으셨습니다");
    browser.upload("/verify", &vec![b'x'; 2 << 20]).says(200, "PDF 파일이 아닙니다");
    browser.post("/verify", &[("file", "x")]).says(400, "알아볼 수 없는 요청입니다");
    browser.get("/verify/HM-2026-0000-0000-0000").says(404, "이 번호로 발급한 문서가 없습니다");
    browser.get("/verify/anything").says(404, "이 번호로 발급한 문서가 없습니다");
}
