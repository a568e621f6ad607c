//! What whoever asks for a ground and whoever confirms it see of it, the pages of those lists, and notices of emergencies.

use crate::browser::{Browser, between};
use crate::site::{CHART, CODE, Site};
use crate::watch::member;
use base::{Id16, Redacted};
use policy::{Action, Actor, Assurance, InstitutionCode, Permit, Purpose, Request, Role, Share, Target};
use store::{NewGround, Right};

fn appointed(role: Role) -> Right {
    let at_institution = matches!(role, Role::Clinician | Role::Pharmacist);
    Right::Appointed { role, institution: InstitutionCode::new(CODE).filter(|_| at_institution) }
}

fn ask(browser: &Browser, role: &str, number: &str) -> crate::browser::Answer {
    let csrf = browser.get("/staff/access").csrf();
    let fields = [("csrf", &*csrf), ("role", role), ("institution", CODE), ("number", number), ("reason", "외래 진료")];
    browser.post("/staff/access/ask", &fields)
}

fn short(id: Id16) -> String {
    id.to_string()[..8].to_owned()
}

fn permit(site: &Site, account: Id16, role: Role, (action, target, purpose): (Action, Target, Purpose)) -> Permit {
    let (name, source) = ("이서준".to_owned().into(), "192.0.2.7".to_owned().into());
    let actor = Actor { account, role, assurance: Assurance::Two, name, source };
    site.world.archive().ask(Request { actor, action, target, purpose }).expect("a permit")
}

#[test]
fn two_visits_of_one_doctor_are_told_apart_before_they_are_confirmed_and_after() {
    let site = Site::new();
    let doctor = member(&site, "이서준", appointed(Role::Clinician)).0;
    let steward = member(&site, "박도윤", appointed(Role::Steward)).0;
    let [kim, lee] = [&site.kim, &site.lee].map(|person| short(site.world.visitor(person).account));
    for number in ["p1", "p2"] {
        ask(&doctor, "clinician", number).says(200, "id=\"done\"");
        site.world.clock.advance(1);
    }
    let again = ask(&doctor, "clinician", "p1");
    again.says(200, "이미 확인을 기다리고 있습니다");
    assert_eq!(again.text().matches("action=\"/staff/access/close\"").count(), 2, "and no third");

    let about = |whose: &str| format!("환자 {whose} · 시험의원 · 기록 전체");
    let waiting = steward.get("/staff/grounds");
    waiting.says(200, &about(&kim)).says(200, &about(&lee));
    assert!(!waiting.text().contains("김하늘"), "no name of a patient");
    let first = between(&waiting.text(), "id=\"confirm-", "\"");
    let shown = steward.post("/staff/grounds/confirm", &[("csrf", &waiting.csrf()), ("id", &first)]);
    let place = |words: &str| shown.text().find(words).unwrap_or_else(|| panic!("{words} is not shown"));
    assert!(place(&about(&lee)) < place(&about(&kim)), "what waits comes first");
    let second = between(&shown.text(), "id=\"confirm-", "\"");
    steward.post("/staff/grounds/confirm", &[("csrf", &shown.csrf()), ("id", &second)]).says(200, "id=\"grounds\"");

    let own = doctor.get("/staff/access");
    for (ground, whose) in [(&first, &kim), (&second, &lee)] {
        let link = between(&own.text(), &format!("href=\"/staff/records/{ground}\">"), "</a>");
        assert!(link.contains(&about(whose)), "{link}");
    }
}

#[test]
fn whoever_asked_closes_their_own_and_nobody_elses() {
    let site = Site::new();
    let doctor = member(&site, "이서준", appointed(Role::Clinician)).0;
    let clerk = member(&site, "최서아", appointed(Role::Support)).0;
    let steward = member(&site, "박도윤", appointed(Role::Steward)).0;
    ask(&doctor, "clinician", "p1").says(200, "id=\"done\"");
    let waiting = steward.get("/staff/grounds");
    let ground = between(&waiting.text(), "id=\"confirm-", "\"");
    steward.post("/staff/grounds/confirm", &[("csrf", &waiting.csrf()), ("id", &ground)]);
    doctor.get(&format!("/staff/records/{ground}")).says(200, "급성 비인두염");
    let close = |browser: &Browser, id: &str| {
        let csrf = browser.get("/staff/access").csrf();
        browser.post("/staff/access/close", &[("csrf", &csrf), ("id", id)])
    };
    assert_eq!(close(&clerk, &ground).status, 400, "another's");
    assert_eq!(close(&doctor, "x").status, 400);
    doctor.get(&format!("/staff/records/{ground}")).says(200, "급성 비인두염");
    close(&doctor, &ground).says(200, "열람을 닫았습니다").says(200, "id=\"none\"");
    assert_eq!(doctor.get(&format!("/staff/records/{ground}")).status, 403);
    assert_eq!(close(&doctor, &ground).status, 400, "once");
    let person = site.browser();
    site.sign_in(&person, &site.kim);
    assert!(person.get("/access").text().contains("최서아"), "the person sees who tried");
}

#[test]
fn a_long_list_has_pages_and_what_waits_longest_is_on_the_first() {
    let site = Site::new();
    let (doctor, account) = member(&site, "이서준", appointed(Role::Clinician));
    let steward = member(&site, "박도윤", appointed(Role::Steward)).0;
    for n in 0..52 {
        let (about, id) = (Id16::derived(&["about", &n.to_string()]), Id16::derived(&["ground", &n.to_string()]));
        let asked = (Action::AskGround, Target::Person(about), Purpose::Care { ground: id });
        let new =
            NewGround { subject: about, institution: None, share: Share::Whole, reason: Redacted::new("가".into()) };
        let permit = permit(&site, account, Role::Clinician, asked);
        site.world.store().ask_ground(&permit, new).expect("asked");
        site.world.clock.advance(1);
    }
    let (oldest, newest) = (Id16::derived(&["ground", "0"]), Id16::derived(&["ground", "51"]));
    let counted = |browser: &Browser, path: &str| {
        let page = browser.get(path);
        (page.text().matches("id=\"close-").count(), page)
    };
    let (count, first) = counted(&steward, "/staff/grounds");
    assert_eq!(count, 50);
    first.says(200, &format!("id=\"confirm-{oldest}\"")).says(200, "href=\"/staff/grounds?page=2\"");
    let (count, second) = counted(&steward, "/staff/grounds?page=2");
    second.says(200, &format!("id=\"confirm-{newest}\"")).says(200, "href=\"/staff/grounds?page=1\"");
    assert_eq!((count, second.text().contains("id=\"after\"")), (2, false));
    let last = [("csrf", &*second.csrf()), ("id", &*newest.to_string())];
    steward.post("/staff/grounds/confirm", &last).says(200, &format!("id=\"confirm-{oldest}\""));

    let (count, own) = counted(&doctor, "/staff/access");
    own.says(200, &format!("href=\"/staff/records/{newest}\"")).says(200, "href=\"/staff/access?page=2\"");
    assert_eq!((count, counted(&doctor, "/staff/access?page=2").0), (50, 2));
    assert_eq!(counted(&doctor, "/staff/access?page=9").0, 50, "nobody has come there");
}

#[test]
fn an_emergency_that_is_told_after_the_page_was_shown_stays_to_be_seen() {
    let site = Site::new();
    let doctor = member(&site, "이서준", appointed(Role::Clinician)).1;
    let (officer, second) = member(&site, "한지우", appointed(Role::SecurityOfficer));
    let kim = site.world.visitor(&site.kim).account;
    let break_it = |name: &str| {
        let ground = Id16::derived(&[name]);
        let asked = (Action::BreakGlass, Target::Person(kim), Purpose::Emergency { ground });
        let permit = permit(&site, doctor, Role::Clinician, asked);
        site.world.store().break_glass(&permit, kim, Redacted::new("의식 없음".to_owned()), second).expect("broken")
    };
    let first = break_it("first").to_string();
    let shown = officer.get("/staff");
    shown.says(200, &format!("name=\"shown\" value=\"{first}\""));
    let later = break_it("later").to_string();
    let seen = |shown: &[&str]| {
        let csrf = officer.get("/account").csrf();
        let fields: Vec<(&str, &str)> =
            std::iter::once(("csrf", &*csrf)).chain(shown.iter().map(|id| ("shown", *id))).collect();
        officer.post("/staff/access/seen", &fields)
    };
    assert_eq!(seen(&["x"]).status, 400);
    let left = seen(&[&first]);
    left.says(200, &format!("name=\"shown\" value=\"{later}\""));
    assert!(!left.text().contains(&first), "what was seen");
    seen(&[]).says(200, "id=\"notices\"");
    assert!(!seen(&[&later]).text().contains("id=\"notices\""));
}

#[test]
fn which_numbers_are_one_person_is_told_once_somebody_confirmed() {
    let site = Site::new();
    let clerk = member(&site, "최서아", appointed(Role::Support)).0;
    let steward = member(&site, "박도윤", appointed(Role::Steward)).0;
    let other = member(&site, "한지우", appointed(Role::Steward)).0;
    let kim = short(site.world.visitor(&site.kim).account);
    for number in ["p1", CHART] {
        let shown = ask(&clerk, "support", number);
        shown.says(200, "신청했습니다").says(200, &format!("환자 번호 {CODE}/{number} · 시험의원"));
        assert!(!shown.text().contains(&kim), "{number}");
        ask(&clerk, "support", number).says(200, "이미 확인을 기다리고 있습니다");
        site.world.clock.advance(1);
    }
    let own = clerk.get("/staff/access");
    assert_eq!(own.text().matches("action=\"/staff/access/close\"").count(), 2, "as if they were two");
    ask(&steward, "steward", "p1").says(200, "신청했습니다");
    let all = steward.get("/staff/grounds");
    assert_eq!(all.text().matches(&format!("<p>환자 {kim} · ")).count(), 2, "of others whoever confirms sees it");
    assert!(all.text().contains(" 신청 · 시험의원"), "and not of their own");

    let list = other.get("/staff/grounds");
    assert_eq!(list.text().matches(&format!("<p>환자 {kim} · ")).count(), 3);
    let first = between(&list.text(), "id=\"confirm-", "\"");
    other.post("/staff/grounds/confirm", &[("csrf", &list.csrf()), ("id", &first)]);
    clerk.get("/staff/access").says(200, &format!("환자 {kim} · 시험의원"));
    ask(&clerk, "support", "p1").says(200, "신청했습니다");
}

#[test]
fn a_doctor_of_two_hospitals_asks_at_the_one_that_they_name() {
    let site = Site::new();
    let (doctor, account) = member(&site, "이서준", appointed(Role::Clinician));
    let before = InstitutionCode::new("11100001").expect("a code");
    let right = Right::Appointed { role: Role::Clinician, institution: Some(before) };
    site.world.store().grant(account, &right).expect("granted");
    ask(&doctor, "clinician", "p1").says(200, "· 시험의원 ·");
}
