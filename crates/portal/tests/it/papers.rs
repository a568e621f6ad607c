//! Support staff record who may act for a patient by the papers that they saw, and end it; and what the patient sees of that.

use crate::browser::{Answer, Browser, between};
use crate::site::{CODE, Site};
use crate::watch::{member, watch};
use policy::Role;
use serde_json::json;
use store::Right;
use synth::people::Person;
use testkit::{BagBuilder, person};

const PAGE: &str = "/staff/representatives";
/// The papers of a brother or sister.
const PAPERS: [&str; 5] = ["own-id", "family-proof", "no-nearer-family", "patient-consent", "patient-id"];

fn appointed(role: Role) -> Right {
    Right::Appointed { role, institution: None }
}

fn clerk(site: &Site) -> Browser {
    support(site, "한지우")
}

/// Support staff of whom it was said which person they are: somebody with no part in anything here.
fn support(site: &Site, name: &str) -> Browser {
    let (clerk, account) = member(site, name, appointed(Role::Support));
    watch(site).works_at(account, Some(account), None).expect("written");
    clerk
}

/// Has a clerk ask for a request about a patient, which a steward confirms.
fn request(site: &Site, clerk: &Browser, number: &str) {
    let page = clerk.get("/staff/access");
    let fields = [("role", "support"), ("institution", CODE), ("number", number), ("reason", "사본 발급 신청")];
    clerk.post("/staff/access/ask", &[&[("csrf", &*page.csrf())][..], &fields].concat()).says(200, "id=\"done\"");
    let steward = member(site, "오하린", appointed(Role::Steward)).0;
    let page = steward.get("/staff/grounds");
    let ground = between(&page.text(), "name=\"id\" value=\"", "\"");
    steward.post("/staff/grounds/confirm", &[("csrf", &page.csrf()), ("id", &ground)]);
}

fn find(clerk: &Browser, institution: &str, number: &str) -> Answer {
    let page = clerk.get(PAGE);
    clerk.post(PAGE, &[("csrf", &page.csrf()), ("institution", institution), ("number", number)])
}

fn ground_of(found: &Answer) -> String {
    between(&found.text(), "name=\"ground\" value=\"", "\"")
}

fn choose(clerk: &Browser, found: &Answer, case: &str) -> Answer {
    let fields = [("csrf", &*found.csrf()), ("ground", &*ground_of(found)), ("choose", "case"), ("case", case)];
    clerk.post(PAGE, &fields)
}

/// Sends what was seen for a brother or sister, until the end of the year.
fn record(clerk: &Browser, found: &Answer, agent: &str, papers: &[&str]) -> Answer {
    let (csrf, ground) = (found.csrf(), ground_of(found));
    let mut fields = vec![("csrf", &*csrf), ("ground", &*ground), ("case", "sibling"), ("code", agent)];
    fields.extend([("reach", "one"), ("only", CODE), ("share", "whole"), ("until", "2026-12-31")]);
    fields.extend(papers.iter().map(|paper| ("seen", *paper)));
    clerk.post("/staff/representatives/record", &fields)
}

/// Somebody signed in, with the code that others name them by.
fn signed_in(site: &Site, person: &Person) -> (Browser, String) {
    let browser = site.browser();
    site.sign_in(&browser, person);
    let code = between(&browser.get("/representatives").text(), "id=\"own-code\" translate=\"no\">", "<");
    (browser, code)
}

fn appointment(recorded: &Answer) -> String {
    between(&recorded.text(), "id=\"end-", "\"")
}

#[test]
fn whoever_showed_the_papers_sees_the_records_until_the_patient_ends_it() {
    let site = Site::new();
    let (patient, _) = signed_in(&site, &site.kim);
    let (sister, code) = signed_in(&site, &site.lee);
    let clerk = clerk(&site);
    clerk.get("/staff").says(200, "id=\"go-representatives\"");
    request(&site, &clerk, "p1");
    let found = find(&clerk, CODE, "p1");
    found.says(200, "김하늘").says(200, "1980년 5월 17일").says(200, "id=\"none\"");
    choose(&clerk, &found, "sibling").says(200, "id=\"no-nearer-family\"").says(200, "제21조제3항제1호");
    choose(&clerk, &found, "").says(422, "id=\"case-fault\"");
    choose(&clerk, &found, "appointed").says(422, "id=\"case-fault\"");
    choose(&clerk, &found, "parent-online").says(422, "만 19세 미만");

    for paper in PAPERS {
        let seen: Vec<&str> = PAPERS.into_iter().filter(|one| *one != paper).collect();
        let lacking = record(&clerk, &found, &code, &seen);
        lacking.says(422, &format!("id=\"{paper}-fault\""));
        assert_eq!(lacking.text().matches("class=\"fault\"").count(), 1, "{paper}: {}", lacking.text());
    }
    record(&clerk, &found, &"0".repeat(32), &PAPERS).says(422, "id=\"code-fault\"");
    assert!(!sister.get("/representatives").text().contains("/acting/"), "nothing was recorded");
    let recorded = record(&clerk, &found, &code, &PAPERS);
    recorded.says(200, "id=\"done\"").says(200, &code);
    let address = format!("/acting/{}", appointment(&recorded));
    sister.get("/representatives").says(200, &address);
    sister.get(&address).says(200, "대리인으로서");

    let own = patient.get("/representatives");
    own.says(200, "한지우 (지원센터 직원)").says(200, "직계 존속이 모두 없음을 증명하는 서류").says(200, "형제·자매");
    patient.get("/access").says(200, "대리인 서류 확인").says(200, "한지우");
    patient.get("/account/notices").says(200, "내 대리인을 기록했습니다");
    let ended = [("csrf", &*own.csrf()), ("id", &*appointment(&own))];
    patient.post("/representatives/end", &ended).says(200, "id=\"done\"");
    assert_eq!(sister.get(&address).status, 403, "on the next request");
}

#[test]
fn a_request_about_one_institution_lets_somebody_act_there_and_nowhere_else() {
    let site = Site::new();
    let (sister, code) = signed_in(&site, &site.lee);
    let clerk = clerk(&site);
    request(&site, &clerk, "p1");
    let found = find(&clerk, CODE, "p1");
    let form = choose(&clerk, &found, "sibling");
    form.says(200, &format!("type=\"hidden\" name=\"only\" value=\"{CODE}\""));
    assert!(!form.text().contains("id=\"reach-all\""), "nothing wider is offered");
    let (csrf, ground) = (found.csrf(), ground_of(&found));
    for wider in
        [[("reach", "all"), ("only", "")], [("reach", "all"), ("only", CODE)], [("reach", "one"), ("only", "")]]
    {
        let mut fields = vec![("csrf", &*csrf), ("ground", &*ground), ("case", "sibling"), ("code", &*code)];
        fields.extend(wider);
        fields.extend([("share", "whole"), ("until", "2026-12-31")]);
        fields.extend(PAPERS.map(|paper| ("seen", paper)));
        let refused = clerk.post("/staff/representatives/record", &fields);
        refused.says(422, "id=\"only-fault\"").says(422, "그 병원의 기록만 볼 수 있습니다");
    }
    assert!(!sister.get("/representatives").text().contains("/acting/"), "nothing was recorded");
    record(&clerk, &found, &code, &PAPERS).says(200, "id=\"done\"");
}

#[test]
fn staff_end_what_staff_recorded_and_the_patient_is_told() {
    let site = Site::new();
    let (patient, _) = signed_in(&site, &site.kim);
    let (sister, code) = signed_in(&site, &site.lee);
    let clerk = clerk(&site);
    request(&site, &clerk, "p1");
    let recorded = record(&clerk, &find(&clerk, CODE, "p1"), &code, &PAPERS);
    let id = appointment(&recorded);
    sister.get(&format!("/acting/{id}")).says(200, "대리인으로서");
    let fields = [("csrf", &*recorded.csrf()), ("ground", &*ground_of(&recorded)), ("id", &*id)];
    clerk.post("/staff/representatives/end", &fields).says(200, "id=\"done\"").says(200, "끝낸 때");
    assert_eq!(sister.get(&format!("/acting/{id}")).status, 403, "on the next request");
    assert_eq!(clerk.post("/staff/representatives/end", &fields).status, 400, "once");
    patient.get("/account/notices").says(200, "대리를 끝냈습니다");
    patient.get("/access").says(200, "대리인 기록").says(200, "대리 종료").says(200, "처리를 끝내지 못해서");
}

#[test]
fn without_an_open_request_a_patient_is_like_one_who_is_not_there() {
    let site = Site::new();
    let (patient, _) = signed_in(&site, &site.kim);
    let clerk = clerk(&site);
    let words = |answer: &Answer| between(&answer.text(), "id=\"number-fault\">", "<");
    let nobody = find(&clerk, CODE, "p99");
    nobody.says(422, "열려 있는 내 신청이 없습니다");
    let somebody = find(&clerk, CODE, "p1");
    assert_eq!((somebody.status, words(&somebody)), (422, words(&nobody)));
    assert!(!somebody.text().contains("김하늘"));
    patient.get("/access").says(200, "대리인 서류 확인").says(200, "열려 있는 신청");
    find(&clerk, "", "").says(422, "id=\"institution-fault\"").says(422, "id=\"number-fault\"");
    nobody.says(422, "value=\"p99\"");

    let colleague = support(&site, "최서아");
    request(&site, &colleague, "p1");
    let theirs = ground_of(&find(&colleague, CODE, "p1"));
    let page = clerk.get(PAGE);
    for path in ["", "/record", "/end"] {
        let fields = [("csrf", &*page.csrf()), ("ground", &*theirs), ("case", "sibling"), ("id", &*theirs)];
        assert_eq!(clerk.post(&format!("{PAGE}{path}"), &fields).status, 403, "{path}: a colleague's request");
    }
    find(&clerk, CODE, "p1").says(422, "열려 있는 내 신청이 없습니다");
}

#[test]
fn nobody_but_support_staff_comes_here() {
    let site = Site::new();
    for role in [Role::Steward, Role::SecurityOfficer, Role::Administrator] {
        let other = member(&site, "오하린", appointed(role)).0;
        assert!(!other.get("/staff").text().contains(PAGE), "nothing leads there");
        assert_eq!(other.get(PAGE).status, 403);
        let fields = [("csrf", &*other.get("/staff").csrf()), ("institution", CODE), ("number", "p1")];
        for path in ["", "/record", "/end"] {
            assert_eq!(other.post(&format!("{PAGE}{path}"), &fields).status, 403, "{}: {path}", role.name());
        }
    }
}

#[test]
fn a_patient_who_never_signed_in_is_of_the_age_that_their_records_say() {
    let site = Site::new();
    let (_, code) = signed_in(&site, &site.lee);
    let clerk = clerk(&site);
    request(&site, &clerk, "p1");
    let found = find(&clerk, CODE, "p1");
    found.says(200, "id=\"no-name\"");
    assert!(!found.text().contains("김하늘"));
    choose(&clerk, &found, "legal-representative-of-child").says(422, "만 14세 미만");
    record(&clerk, &found, &code, &PAPERS).says(200, "id=\"done\"");
    let (patient, _) = signed_in(&site, &site.kim);
    patient.get("/representatives").says(200, "한지우 (지원센터 직원)");
}

#[test]
fn a_proof_is_recorded_by_somebody_who_is_there_now() {
    let site = Site::new();
    let (_, code) = signed_in(&site, &site.lee);
    let clerk = clerk(&site);
    request(&site, &clerk, "p1");
    let found = find(&clerk, CODE, "p1");
    site.world.clock.advance(301);
    record(&clerk, &found, &code, &PAPERS).leads_to("/account/prove");
    find(&clerk, CODE, "p1").says(200, "id=\"none\"");
}

#[test]
fn nobody_sees_the_papers_of_themselves() {
    let site = Site::new();
    let (_, code) = signed_in(&site, &site.lee);
    let (clerk, account) = member(&site, "한지우", appointed(Role::Support));
    let watch = watch(&site);
    watch.works_at(account, Some(site.world.visitor(&site.lee).account), None).expect("written");
    request(&site, &clerk, "p1");
    let found = find(&clerk, CODE, "p1");
    record(&clerk, &found, &code, &PAPERS).says(422, "id=\"code-fault\"").says(422, "다른 직원이 서류를");
    watch.works_at(account, Some(site.world.visitor(&site.kim).account), None).expect("written");
    record(&clerk, &found, &code, &PAPERS).says(422, "다른 직원이 서류를");
    let (patient, _) = signed_in(&site, &site.kim);
    patient.get("/access").says(200, "대리인 서류 확인").says(200, "직원 본인이 관련된 서류여서");
    watch.works_at(account, Some(account), None).expect("written");
    record(&clerk, &found, &code, &PAPERS).says(200, "id=\"done\"");
}

#[test]
fn nobody_records_papers_of_whom_it_is_not_known_which_person_they_are() {
    let site = Site::new();
    let (sister, code) = signed_in(&site, &site.lee);
    let (clerk, account) = member(&site, "한지우", appointed(Role::Support));
    let watch = watch(&site);
    watch.works_at(account, Some(account), None).expect("written");
    request(&site, &clerk, "p1");
    let found = find(&clerk, CODE, "p1");
    watch.forget_staff(account).expect("taken back");
    // The form was there before; without it, the page offers none.
    record(&clerk, &found, &code, &PAPERS).says(422, "href=\"#who\"").says(422, "운영자에게 등록을");
    let unknown = find(&clerk, CODE, "p1");
    unknown.says(200, "id=\"who\"").says(200, "id=\"none\"");
    assert!(!unknown.text().contains("id=\"case-form\"") && !unknown.text().contains("id=\"record-form\""));
    let choosing = choose(&clerk, &found, "sibling");
    assert!(choosing.text().contains("id=\"who\"") && !choosing.text().contains("id=\"record-form\""));
    assert!(!sister.get("/representatives").text().contains("/acting/"), "nothing was recorded");

    watch.works_at(account, Some(account), None).expect("written");
    let recorded = record(&clerk, &found, &code, &PAPERS);
    recorded.says(200, "id=\"done\"");
    let address = format!("/acting/{}", appointment(&recorded));
    sister.get(&address).says(200, "대리인으로서");
    // To end something, nobody has to be told who they are.
    watch.forget_staff(account).expect("taken back");
    let id = appointment(&recorded);
    let fields = [("csrf", &*recorded.csrf()), ("ground", &*ground_of(&recorded)), ("id", &*id)];
    clerk.post("/staff/representatives/end", &fields).says(200, "id=\"done\"").says(200, "id=\"who\"");
    assert_eq!(sister.get(&address).status, 403, "on the next request");
}

#[test]
fn whoever_acted_for_a_patient_acts_no_more_once_the_records_say_that_they_died() {
    let site = Site::new();
    let (patient, _) = signed_in(&site, &site.kim);
    let (sister, code) = signed_in(&site, &site.lee);
    let clerk = clerk(&site);
    request(&site, &clerk, "p1");
    let found = find(&clerk, CODE, "p1");
    let address = format!("/acting/{}", appointment(&record(&clerk, &found, &code, &PAPERS)));
    sister.get(&address).says(200, "대리인으로서");

    let later = BagBuilder::new("11100002").patient_with("q1", &site.kim, &json!({"deceasedDateTime": "2026-11-01"}));
    site.world
        .deposit(&later.visit("q1", "w1", "2026-10-01").write(&site.world.path("later")).root)
        .expect("a good bag");
    assert_eq!(sister.get(&address).status, 403, "on the next request");
    let why = "기록에 환자가 돌아가신 것으로 되어 있어 대리가 끝났습니다";
    for browser in [&sister, &patient] {
        let listed = browser.get("/representatives");
        listed.says(200, why).says(200, "대리가 끝남");
        assert!(!listed.text().contains("/acting/") && !listed.text().contains("id=\"end-"), "nothing is open");
    }
    find(&clerk, CODE, "p1").says(200, why);

    choose(&clerk, &found, "agent").says(422, "id=\"case-fault\"").says(422, "돌아가신 환자의 배우자");
    record(&clerk, &found, &code, &PAPERS).says(422, "id=\"case-fault\"").says(422, "이 자격으로는 대리할 수 없습니다");
    let own = patient.get("/representatives");
    let fields = [("csrf", &*own.csrf()), ("code", &*code), ("share", "whole"), ("until", "2026-12-31")];
    patient.post("/representatives/appoint", &fields).says(422, "대리인을 정할 수 없습니다");

    let (csrf, ground) = (found.csrf(), ground_of(&found));
    let nearer = choose(&clerk, &found, "deceased");
    nearer.says(200, "id=\"death-certificate\"").says(200, "돌아가신 환자의 배우자");
    assert!(!nearer.text().contains("id=\"no-nearer-family\""), "it is not for a sister");
    choose(&clerk, &found, "deceased-sibling").says(200, "id=\"no-nearer-family\"");
    let mut fields = vec![("csrf", &*csrf), ("ground", &*ground), ("case", "deceased-sibling"), ("code", &*code)];
    fields.extend([("reach", "one"), ("only", CODE), ("share", "whole"), ("until", "2026-12-31")]);
    fields.extend(["own-id", "family-proof", "death-certificate"].map(|paper| ("seen", paper)));
    let lacking = clerk.post("/staff/representatives/record", &fields);
    lacking.says(422, "id=\"no-nearer-family-fault\"");
    fields.push(("seen", "no-nearer-family"));
    clerk.post("/staff/representatives/record", &fields).says(200, "id=\"done\"");
    let list = between(&sister.get("/representatives").text(), "href=\"/acting/", "\"");
    sister.get(&format!("/acting/{list}")).says(200, "대리인으로서");
}

#[test]
fn who_is_to_act_later_sees_nothing_before() {
    let site = Site::new();
    let (patient, _) = signed_in(&site, &site.kim);
    let sister = site.browser();
    let app = site.sign_in(&sister, &site.lee);
    let code = between(&sister.get("/representatives").text(), "id=\"own-code\" translate=\"no\">", "<");
    let clerk = clerk(&site);
    request(&site, &clerk, "p1");
    let found = find(&clerk, CODE, "p1");
    choose(&clerk, &found, "sibling").says(200, "id=\"begin\"");
    let (csrf, ground) = (found.csrf(), ground_of(&found));
    let with = |begin: &'static str| {
        let mut fields = vec![("csrf", &*csrf), ("ground", &*ground), ("case", "sibling"), ("code", &*code)];
        fields.extend([
            ("reach", "one"),
            ("only", CODE),
            ("share", "whole"),
            ("begin", begin),
            ("until", "2026-12-31"),
        ]);
        fields.extend(PAPERS.map(|paper| ("seen", paper)));
        clerk.post("/staff/representatives/record", &fields)
    };
    with("2026-11-21").says(422, "id=\"begin-fault\"");
    with("2027-01-01").says(422, "id=\"until-fault\"");
    let recorded = with("2026-11-25");
    recorded.says(200, "아직 시작 전").says(200, "시작하는 때");
    let address = format!("/acting/{}", appointment(&recorded));
    for browser in [&patient, &sister] {
        let listed = browser.get("/representatives");
        listed.says(200, "아직 시작 전").says(200, "2026년 11월 25일");
        assert!(!listed.text().contains(&address), "nothing is open yet");
    }
    assert_eq!(sister.get(&address).status, 403, "not yet");
    patient.get("/representatives").says(200, "id=\"end-");

    // From noon of the 22nd to half past eleven at night of the 24th, and on to noon of the 25th.
    let later = |seconds: i64| {
        site.world.clock.advance(seconds);
        let sister = site.browser();
        site.prove(&sister, &site.lee).leads_to("/sign-in/second-step");
        let csrf = sister.get("/sign-in/second-step").csrf();
        let fields = [("csrf", &*csrf), ("code", &*app.code(&site.world.clock))];
        sister.post("/sign-in/second-step", &fields).leads_to("/records");
        sister
    };
    assert_eq!(later(2 * 86_400 + 41_400).get(&address).status, 403, "not yet");
    let sister = later(45_000);
    sister.get("/representatives").says(200, &address).says(200, "대리 중");
    sister.get(&address).says(200, "대리인으로서");
}

#[test]
fn a_patient_names_a_representative_for_later_and_ends_it_before_it_begins() {
    let site = Site::new();
    let (patient, _) = signed_in(&site, &site.kim);
    let (agent, code) = signed_in(&site, &site.lee);
    let own = patient.get("/representatives");
    let name = |begin: &str| {
        let fields = [("csrf", &*own.csrf()), ("code", &*code), ("begin", begin), ("until", "2026-12-31")];
        patient.post("/representatives/appoint", &fields)
    };
    name("2026-11-21").says(422, "id=\"begin-fault\"");
    let named = name("2026-12-24");
    named.says(200, "id=\"done\"").says(200, "아직 시작 전");
    agent.get("/representatives").says(200, "아직 시작 전");
    let ended = [("csrf", &*named.csrf()), ("id", &*appointment(&named))];
    patient.post("/representatives/end", &ended).says(200, "id=\"done\"");
    assert!(!agent.get("/representatives").text().contains("아직 시작 전"));
}

#[test]
fn staff_are_told_which_papers_do_for_a_patient_under_seventeen() {
    let site = Site::new();
    let young = BagBuilder::new(CODE).patient_with("p9", &person("강산들"), &json!({"birthDate": "2011-03-02"}));
    site.world
        .deposit(&young.visit("p9", "w9", "2024-10-01").write(&site.world.path("young")).root)
        .expect("a good bag");
    let clerk = clerk(&site);
    signed_in(&site, &site.kim);
    request(&site, &clerk, "p1");
    let grown = choose(&clerk, &find(&clerk, CODE, "p1"), "sibling");
    grown.says(200, "id=\"patient-id\"");
    assert!(!grown.text().contains("id=\"patient-id-instead\""), "born in 1980");
    clerk.get("/staff/access").says(200, "id=\"identity\"").says(200, "만 17세 미만");
    request(&site, &clerk, "p9");
    let form = choose(&clerk, &find(&clerk, CODE, "p9"), "sibling");
    form.says(200, "id=\"patient-id-instead\"").says(200, "만 17세 미만").says(200, "학생증");
}
