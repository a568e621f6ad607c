//! Another's records on a ground: a representative, and a support centre at a request, see what the ground reaches and get it as a
//! PDF that says for whom and on what; and the person sees all of it.

use crate::browser::{Answer, Browser, between};
use crate::site::{CODE, Site};
use crate::staff::member_with;
use policy::{InstitutionCode, Role};
use store::Right;
use synth::passkey::SoftKey;

/// Kim acts for lee, or the other way round: the address of the list.
fn appointed(site: &Site, person: &Browser, agent: &Browser, share: &str) -> String {
    let code = between(&agent.get("/representatives").text(), "id=\"own-code\" translate=\"no\">", "<");
    let until = site.world.archive().clock().now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let until = until.checked_add(jiff::Span::new().days(30)).expect("a day").to_string();
    let csrf = person.get("/representatives").csrf();
    let fields = [("csrf", &*csrf), ("code", &*code), ("share", share), ("until", &*until)];
    person.post("/representatives/appoint", &fields).says(200, "id=\"done\"");
    let list = between(&agent.get("/representatives").text(), "href=\"/acting/", "\"");
    format!("/acting/{list}")
}

fn get(browser: &Browser, list: &str, fields: &[(&str, &str)]) -> Answer {
    let csrf = browser.get(list).csrf();
    let mut all = vec![("csrf", &*csrf)];
    all.extend(fields);
    browser.post(list, &all)
}

/// The words on the pages of an issued file without their spaces; `None`, said aloud, where they cannot be read here.
fn words(site: &Site, pdf: &Answer) -> Option<String> {
    assert_eq!((pdf.status, pdf.header("content-type")), (200, "application/pdf"));
    let verdict = site.browser().upload("/verify", &pdf.bytes);
    verdict.says(200, "발급된 그대로입니다");
    let path = site.world.path("issued.pdf");
    std::fs::write(&path, &pdf.bytes).expect("the folder is writable");
    let Ok(read) = std::process::Command::new("pdftotext").arg("-layout").arg(&path).arg("-").output() else {
        println!("SKIPPED: pdftotext is not installed, so the text on the pages was not read");
        return None;
    };
    Some(String::from_utf8_lossy(&read.stdout).split_whitespace().collect())
}

#[test]
fn a_representative_opens_a_visit_and_gets_a_pdf_that_verifies() {
    let site = Site::new();
    let (agent, person) = (site.browser(), site.browser());
    let app = site.sign_in(&agent, &site.kim);
    site.sign_in(&person, &site.lee);
    let list = appointed(&site, &person, &agent, "whole");
    let visit = site.visit("p2", "v3");
    let shown = agent.get(&list);
    shown.says(200, &format!("href=\"{list}/visit/{visit}\"")).says(200, "2022년 1월 8일").says(200, "급성 비인두염");
    assert!(!shown.text().contains("id=\"part\"") && !shown.text().contains("2024년"), "{}", shown.text());
    let page = agent.get(&format!("{list}/visit/{visit}"));
    page.says(200, "급성 비인두염").says(200, &format!("action=\"{list}\" id=\"visit-form\""));
    get(&agent, &list, &[("what", "chosen")]).says(422, "고른 기록이 없습니다").says(422, "id=\"choose-form\"");

    for fields in [vec![("what", "all")], vec![("what", "chosen"), ("visit", visit.as_str())]] {
        let pdf = get(&agent, &list, &fields);
        let Some(words) = words(&site, &pdf) else { continue };
        for wanted in ["환자이바다", "신청한사람대리인김하늘", "환자가직접정한대리인", "2022-01-08"]
        {
            assert!(words.contains(wanted), "{wanted} is not on the pages: {words}");
        }
        assert!(!words.contains("2024-03-31") && !words.contains("일부입니다"), "{words}");
    }
    let log = person.get("/access").text();
    for wanted in ["김하늘 (대리인)", "대리인으로서", "기록 목록 보기", "진료기록 보기", "PDF 발급"]
    {
        assert!(log.contains(wanted), "{wanted} is not told: {log}");
    }
    let ground = list.rsplit('/').next().expect("an id");
    assert!(log.contains(&ground[..8]), "the number on the cover: {log}");
    assert!(!log.contains("막음"), "{log}");

    // What takes records along asks for the second factor again, and goes on from there.
    site.world.clock.advance(600);
    get(&agent, &list, &[("what", "all")]).leads_to("/account/prove");
    let prove = agent.get("/account/prove");
    let code = app.code(&site.world.clock);
    let onward = agent.post("/account/prove", &[("csrf", &prove.csrf()), ("code", &code)]);
    onward.says(200, &format!("action=\"{list}\""));
    assert_eq!(agent.post(&list, &[("csrf", &onward.csrf()), ("what", "all")]).status, 200);
}

#[test]
fn what_the_ground_does_not_reach_is_refused_and_told_to_whose_it_is() {
    let site = Site::new();
    let (agent, person) = (site.browser(), site.browser());
    site.sign_in(&agent, &site.kim);
    site.sign_in(&person, &site.lee);
    let list = appointed(&site, &person, &agent, "whole");
    let (theirs, own) = (site.visit("p2", "v3"), site.visit("p1", "v1"));
    // Kim's own, and kim's own under lee's name: on this ground neither is there.
    let (_, record) = own.split_once('-').expect("a patient and a record");
    let (patient, _) = theirs.split_once('-').expect("a patient and a record");
    for visit in [own.clone(), format!("{patient}-{record}"), format!("{0}-{0}", "0".repeat(32))] {
        agent.get(&format!("{list}/visit/{visit}")).says(403, "볼 수 없는 기록입니다");
    }
    get(&agent, &list, &[("what", "chosen"), ("visit", &theirs), ("visit", &own)]).says(403, "볼 수 없는 기록입니다");
    get(&agent, &list, &[("what", "period")]).says(400, "알아볼 수 없는");
    // Whose records were asked for sees it: here it is the agent themselves.
    let log = agent.get("/access").text();
    assert!(log.contains("막음") && log.contains("PDF 발급") && log.contains("대리인"), "{log}");
    assert!(!person.get("/access").text().contains("PDF 발급"), "nothing of theirs was issued");

    // An appointment is its agent's: nobody else points to it, not even whose records they are.
    for address in [list.clone(), format!("{list}/visit/{theirs}")] {
        person.get(&address).says(403, "볼 수 없는 기록입니다");
    }
    let csrf = person.get("/records").csrf();
    person.post(&list, &[("csrf", &csrf), ("what", "all")]).says(403, "볼 수 없는 기록입니다");
}

#[test]
fn an_appointment_that_was_ended_opens_and_issues_nothing_more() {
    let site = Site::new();
    let (agent, person) = (site.browser(), site.browser());
    site.sign_in(&agent, &site.kim);
    site.sign_in(&person, &site.lee);
    let list = appointed(&site, &person, &agent, "whole");
    let csrf = agent.get(&list).csrf();
    let ground = list.rsplit('/').next().expect("an id");
    let page = person.get("/representatives");
    person.post("/representatives/end", &[("csrf", &page.csrf()), ("id", ground)]).says(200, "id=\"done\"");
    agent.get(&list).says(403, "볼 수 없는 기록입니다");
    agent.get(&format!("{list}/visit/{}", site.visit("p2", "v3"))).says(403, "볼 수 없는 기록입니다");
    for fields in [vec![("what", "all")], vec![("what", "chosen"), ("visit", "")]] {
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend(fields);
        assert_ne!(agent.post(&list, &all).status, 200);
    }
    let log = person.get("/access").text();
    for wanted in ["김하늘 (대리인)", "막음", "PDF 발급", "진료기록 보기"] {
        assert!(log.contains(wanted), "{wanted} is not told: {log}");
    }
}

#[test]
fn a_partial_share_says_so_on_each_page_and_keeps_files_back() {
    let site = Site::new();
    let (agent, person) = (site.browser(), site.browser());
    site.sign_in(&agent, &site.lee);
    site.sign_in(&person, &site.kim);
    let list = appointed(&site, &person, &agent, "part");
    agent.get(&list).says(200, "id=\"part\"");
    let visit = format!("{list}/visit/{}", site.visit("p1", "v1"));
    agent.get(&visit).says(200, "나오지 않은 기록이 더 있을 수 있습니다");
    let part = get(&agent, &list, &[("what", "all")]);
    if let Some(words) = words(&site, &part) {
        assert!(words.contains("환자기록의일부입니다") && words.contains("김하늘"), "{words}");
        assert!(words.contains("첨부파일은담지않았습니다"), "{words}");
        assert_eq!(words.matches("one").count(), 1, "the name of the file and not what is in it: {words}");
    }
    let log = person.get("/access").text();
    assert!(log.contains("이바다 (대리인)") && log.contains("PDF 발급"), "{log}");
}

#[test]
fn a_support_centre_gets_what_a_confirmed_request_is_about_and_a_clinician_takes_nothing_along() {
    let site = Site::new();
    let appointed = |role, institution| Right::Appointed { role, institution };
    let institution = InstitutionCode::new(CODE);
    let mut keys = [(); 3].map(|()| SoftKey::new(&site.url));
    let [one, two, three] = &mut keys;
    let clerk = member_with(&site, "최서아", one, appointed(Role::Support, None));
    let doctor = member_with(&site, "한지우", two, appointed(Role::Clinician, institution));
    let steward = member_with(&site, "박도윤", three, appointed(Role::Steward, None));
    let ask = |browser: &Browser, role: &str| -> String {
        let csrf = browser.get("/staff/access").csrf();
        let fields =
            [("csrf", &*csrf), ("role", role), ("institution", CODE), ("number", "p1"), ("reason", "창구에서 신청함")];
        browser.post("/staff/access/ask", &fields).says(200, "id=\"done\"");
        let waiting = steward.get("/staff/grounds");
        let ground = between(&waiting.text(), "id=\"confirm-", "\"");
        let list = format!("/staff/records/{ground}");
        assert_eq!(browser.get(&list).status, 403, "nobody has confirmed it");
        let fields = [("csrf", &*waiting.csrf()), ("id", &*ground)];
        steward.post("/staff/grounds/confirm", &fields).says(200, "id=\"grounds\"");
        list
    };
    let visit = site.visit("p1", "v1");
    let list = ask(&clerk, "support");
    clerk.get(&list).says(200, &format!("{list}/visit/{visit}")).says(200, "id=\"get-all\"");
    clerk.get(&format!("{list}/visit/{visit}")).says(200, "급성 비인두염").says(200, "id=\"get-visit\"");
    assert_eq!(clerk.get(&format!("{list}/visit/{}", site.visit("p2", "v3"))).status, 403);
    let pdf = get(&clerk, &list, &[("what", "all")]);
    if let Some(words) = words(&site, &pdf) {
        let who = ["환자김하늘", "지원센터담당최서아", "지원센터에서받은신청", "한의료기관의기록만담음", "one"];
        for wanted in who {
            assert!(words.contains(wanted), "{wanted} is not on the pages: {words}");
        }
        assert!(!words.contains("창구에서"), "why somebody asked is not for whoever holds the paper");
    }

    let theirs = ask(&doctor, "clinician");
    let shown = doctor.get(&theirs);
    shown.says(200, &format!("{theirs}/visit/{visit}"));
    assert!(!shown.text().contains("id=\"get-all\"") && !shown.text().contains("type=\"checkbox\""));
    let page = doctor.get(&format!("{theirs}/visit/{visit}"));
    page.says(200, "급성 비인두염");
    assert!(!page.text().contains("id=\"get-visit\""));
    let refused = doctor.post(&theirs, &[("csrf", &page.csrf()), ("what", "all")]);
    assert_eq!(refused.status, 403);

    let person = site.browser();
    site.sign_in(&person, &site.kim);
    let log = person.get("/access").text();
    for wanted in ["최서아", "신청을 처리하려고", "PDF 발급", "한지우", "막음"] {
        assert!(log.contains(wanted), "{wanted} is not told: {log}");
    }
}
