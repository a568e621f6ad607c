//! Erasures in the portal: one person asks, two others approve, nobody else has a hand in it, and what is done has a certificate that
//! anybody can check. Each act stands in the log of whom it erases.

use crate::browser::{Answer, Browser};
use crate::site::{CHART, CODE, Site, numbers};
use crate::staff::{logged, member_with, options, sign_in};
use base::Id16;
use policy::{Action, InstitutionCode, Owner, Permit, Role};
use store::{AccessResult, Log, Right, ShredActor, ShredScope, ShredState};
use synth::passkey::SoftKey;
use testkit::BagBuilder;

/// Hours that an approved erasure waits here, in seconds.
const WAIT_S: i64 = 168 * 3600;

/// A member of staff, who can come again.
struct Member {
    browser: Browser,
    key: SoftKey,
}

impl Member {
    fn new(site: &Site, name: &str, role: Role) -> Self {
        let institution = (role == Role::Clinician).then(|| InstitutionCode::new(CODE)).flatten();
        let mut key = SoftKey::new(&site.url);
        let browser = member_with(site, name, &mut key, Right::Appointed { role, institution });
        Self { browser, key }
    }

    fn get(&self, path: &str) -> Answer {
        self.browser.get(path)
    }

    fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.browser.get("/account").csrf();
        let fields: Vec<(&str, &str)> = [("csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
        self.browser.post(path, &fields)
    }

    /// Gives the passkey again, where that was too long ago.
    fn prove(&mut self) -> Answer {
        let page = self.browser.get("/account/prove");
        let answer = self.key.get(&options(&page));
        self.browser.post("/account/prove", &[("csrf", &page.csrf()), ("answer", &answer)])
    }

    fn come_again(&mut self) {
        sign_in(&self.browser, &mut self.key);
    }
}

/// What names the first patient.
const P1: [(&str, &str); 3] = [("what", "patient"), ("institution", CODE), ("number", "p1")];

fn asking<'a>(reason: &'a str, despite: &'a str) -> Vec<(&'a str, &'a str)> {
    let more = [("reason", reason), ("basis", "개인정보 보호법 제36조제1항"), ("despite", despite)];
    P1.into_iter().chain(more).collect()
}

fn repair(site: &Site) -> Permit {
    site.world.store().ask_job(&site.world.archive().shared_door(), "eraser", Action::Repair).expect("permitted")
}

fn patient(site: &Site, number: &str) -> Owner {
    site.world.store().ids().patient(&InstitutionCode::new(CODE).expect("a code"), number)
}

/// What was journalled of erasures about somebody: whose name, and what, or why it was refused.
fn told(site: &Site, subject: Id16) -> Vec<(String, String)> {
    let about = logged(site).into_iter().filter(|entry| entry.subject == subject && entry.action == "handle-erasures");
    let told = about.map(|entry| {
        let what = match &entry.result {
            AccessResult::Denied { reason } => format!("denied {reason}"),
            AccessResult::Granted => entry.what[0].0.clone(),
        };
        (entry.actor.name.expose().clone(), what)
    });
    told.collect()
}

#[test]
fn what_would_go_is_said_before_anything_is_asked_for() {
    let site = Site::new();
    let steward = Member::new(&site, "박도윤", Role::Steward);
    let doctor = Member::new(&site, "이서준", Role::Clinician);
    steward.get("/staff").says(200, "/staff/erasures");
    assert!(!doctor.get("/staff").text().contains("/staff/erasures"), "nothing leads there");

    let unknown = [("what", "patient"), ("institution", CODE), ("number", "nobody")];
    steward.send("/staff/erasures/look", &unknown).says(422, "number-fault");
    let looked = steward.send("/staff/erasures/look", &P1);
    looked.says(200, "id=\"takes\"").says(200, "id=\"against\"").says(200, "진료 2건");
    assert!(!looked.text().contains("김하늘"), "no name is shown");
    assert_eq!(site.world.store().shreds(&repair(&site)).expect("a list"), [], "looking asks for nothing");
    steward.send("/staff/erasures/ask", &asking(" ", "yes")).says(422, "reason-fault");
    steward.send("/staff/erasures/ask", &asking("요구함", "")).says(422, "despite-fault").says(422, "요구함");
    assert_eq!(site.world.store().shreds(&repair(&site)).expect("a list"), [], "nor does what is faulty");
    assert_eq!(doctor.send("/staff/erasures/look", &P1).status, 403);
}

/// The file of a certificate holds, and names nobody.
fn certifies(site: &Site, file: &Answer, id: Id16) {
    assert_eq!(file.header("content-disposition"), format!("attachment; filename=\"{id}.json\""));
    let json: serde_json::Value = serde_json::from_slice(&file.bytes).expect("JSON");
    portal::certificate::check(&json, &[site.world.store().verifier_key(Log::Records)]).expect("it holds");
    assert_eq!(json["certificate"]["approvals"].as_array().map(Vec::len), Some(2));
    assert!(!file.text().contains("김하늘"), "no name");
}

#[test]
fn an_erasure_lives_from_its_request_to_its_certificate() {
    let site = Site::new();
    let mut steward = Member::new(&site, "박도윤", Role::Steward);
    let mut officer = Member::new(&site, "한지우", Role::SecurityOfficer);
    let mut admin = Member::new(&site, "최서아", Role::Administrator);
    let mut doctor = Member::new(&site, "이서준", Role::Clinician);
    let asked = steward.send("/staff/erasures/ask", &asking("정보주체가 요구함\r\n전화로 확인함", "yes"));
    assert_eq!(asked.status, 303, "{}", asked.text());
    let address = asked.location().expect("the erasure");
    let id: Id16 = address.rsplit('/').next().expect("an id").parse().expect("an id");
    let at = |what: &str| format!("{address}/{what}");
    steward.send("/staff/erasures/look", &P1).says(422, "이미 진행 중");

    steward
        .get(&address)
        .says(200, "id=\"hindered\"")
        .says(200, "정보주체가 요구함\n전화로 확인함")
        .says(200, "제36조제1항");
    steward.send(&at("approve"), &[]).says(422, "신청한 사람은 승인할 수 없습니다");
    assert_eq!(doctor.get(&address).status, 403);
    assert_eq!(doctor.send(&at("approve"), &[]).status, 403);
    officer.send(&at("approve"), &[]).says(200, "id=\"done\"");
    officer.send(&at("approve"), &[]).says(422, "이미 승인하셨습니다");
    site.world.clock.advance(600);
    admin.send(&at("approve"), &[]).leads_to("/account/prove");
    admin.prove().says(200, "id=\"onward\"").says(200, &at("approve"));
    admin.send(&at("approve"), &[]).says(200, "까지 기다리며").says(200, "id=\"withdraw\"");
    assert!(!admin.get(&address).text().contains("id=\"command\""), "it waits");
    assert_eq!(admin.get(&at("certificate")).status, 404);

    let hold = site.world.store().place_hold(&repair(&site), patient(&site, "p1"), "법원 명령", None).expect("placed");
    site.world.clock.advance(WAIT_S);
    for member in [&mut steward, &mut officer, &mut admin] {
        member.come_again();
    }
    let held = officer.get(&address);
    held.says(200, "보존 명령이 있어서 멈추어 있습니다").says(200, &format!("보존 명령 {}", &hold.to_string()[..8]));
    assert!(!held.text().contains("id=\"command\"") && !held.text().contains("법원"), "nothing to run, and no note");
    let step = || site.world.store().shred_step(&repair(&site), id);
    step().expect_err("held");
    officer.get(&address).says(200, "보존 명령이 있어서 멈추어 있습니다").says(200, "id=\"withdraw\"");
    site.world.store().end_hold(&repair(&site), hold).expect("ended");
    assert_eq!(step().expect("begun"), ShredState::Running);
    officer.get("/staff/erasures").says(200, "시작함");
    let begun = officer.get(&address);
    begun.says(200, "아직 키를 없애지 않았습니다").says(200, "id=\"command\"");
    assert!(!begun.text().contains("id=\"withdraw\""), "it is begun");
    let hold = site.world.store().place_hold(&repair(&site), patient(&site, "p1"), "법원 명령", None).expect("placed");
    let stopped = officer.get(&address);
    stopped.says(200, "보존 명령이 있어서 멈추어 있습니다").says(200, "id=\"against\"").says(200, "id=\"withdraw\"");
    assert!(!stopped.text().contains("삭제 중") && !stopped.text().contains("id=\"command\""));
    step().expect_err("held");
    site.world.store().end_hold(&repair(&site), hold).expect("ended");
    officer.get(&address).says(200, "기다리는 기간이 끝났습니다").says(200, "id=\"command\"");
    while step().expect("a step") != ShredState::Destroyed {}
    officer.get(&address).says(200, "키를 없앴습니다");
    officer.send(&at("withdraw"), &[]).says(422, "철회할 수 없습니다");
    assert_eq!(officer.get(&at("certificate.json")).status, 404, "traces are left");
    while step().expect("a step") != ShredState::Done {}

    officer.get(&address).says(200, "id=\"certificate\"");
    let page = officer.get(&at("certificate"));
    page.says(200, "삭제 확인서").says(200, &id.to_string()).says(200, "정보주체가 요구함\n전화로 확인함");
    assert!(!page.text().contains("김하늘"), "no name");
    certifies(&site, &officer.get(&at("certificate.json")), id);
    assert_eq!(doctor.get(&at("certificate")).status, 401, "their session is over");
    doctor.come_again();
    for path in ["certificate", "certificate.json"] {
        assert_eq!(doctor.get(&at(path)).status, 403, "no erasure of theirs to see");
    }
}

#[test]
fn each_act_stands_in_the_log_of_whom_it_erases_and_so_does_each_refusal() {
    let site = Site::new();
    let steward = Member::new(&site, "박도윤", Role::Steward);
    let officer = Member::new(&site, "한지우", Role::SecurityOfficer);
    let doctor = Member::new(&site, "이서준", Role::Clinician);
    steward.send("/staff/erasures/look", &P1).says(200, "id=\"takes\"");
    let address = steward.send("/staff/erasures/ask", &asking("요구함", "yes")).location().expect("the erasure");
    let at = |what: &str| format!("{address}/{what}");
    assert_eq!(steward.send(&at("approve"), &[]).status, 422);
    assert_eq!(doctor.get(&address).status, 403);
    assert_eq!(doctor.send(&at("approve"), &[]).status, 403);
    assert_eq!(doctor.send(&at("withdraw"), &[]).status, 403);
    assert_eq!(officer.send(&at("approve"), &[]).status, 200);
    assert_eq!(officer.send(&at("withdraw"), &[]).status, 200);
    officer.send(&at("withdraw"), &[]).says(422, "철회할 수 없습니다");
    let kim = site.world.visitor(&site.kim).account;
    let told = told(&site, kim);
    let told: Vec<(&str, &str)> = told.iter().map(|(name, what)| (name.as_str(), what.as_str())).collect();
    let expected = [
        ("박도윤", "erasure"),
        ("박도윤", "erasure"),
        ("박도윤", "erasure-asked"),
        ("박도윤", "denied erasure"),
        ("박도윤", "erasure"),
        ("이서준", "denied role"),
        ("이서준", "denied role"),
        ("이서준", "denied role"),
        ("한지우", "erasure-approved"),
        ("한지우", "erasure"),
        ("한지우", "erasure-withdrawn"),
        ("한지우", "erasure"),
        ("한지우", "denied erasure"),
        ("한지우", "erasure"),
    ];
    assert_eq!(told, expected);
    let person = site.browser();
    site.sign_in(&person, &site.kim);
    person.get("/access").says(200, "기록 삭제 신청·승인").says(200, "삭제 규칙에 맞지 않아서");
}

#[test]
fn what_is_withdrawn_or_never_was_cannot_be_approved_and_what_retention_ended_for_is_nobodys_alone() {
    let site = Site::new();
    let steward = Member::new(&site, "박도윤", Role::Steward);
    let officer = Member::new(&site, "한지우", Role::SecurityOfficer);
    let address = steward.send("/staff/erasures/ask", &asking("요구함", "yes")).location().expect("the erasure");
    let at = |what: &str| format!("{address}/{what}");
    officer.send(&at("withdraw"), &[]).says(200, "철회했습니다");
    officer.send(&at("approve"), &[]).says(422, "지금은 승인을 받지 않습니다");
    officer.get("/staff/erasures").says(200, "id=\"over\"").says(200, "id=\"none\"");
    for nothing in ["00000000000000000000000000000000", "x"] {
        assert_eq!(officer.get(&format!("/staff/erasures/{nothing}")).status, 404);
        assert_eq!(officer.send(&format!("/staff/erasures/{nothing}/approve"), &[]).status, 404);
    }
    // It can be asked for again once it was withdrawn.
    assert_eq!(steward.send("/staff/erasures/ask", &asking("다시 요구함", "yes")).status, 303);

    let class = |year: &str| {
        let fields = [("what", "class"), ("class-institution", CODE), ("class", "chart"), ("year", year)];
        fields.map(|(name, value)| (name, value.to_owned()))
    };
    let look = |year: &str| {
        let fields = class(year);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        steward.send("/staff/erasures/look", &fields)
    };
    look("1999").says(422, "삭제할 기록이 없습니다");
    look("x").says(422, "year-fault");
    // The second patient came in 2022 and is kept for ten years.
    look("2032").says(200, "환자 1명의 기록").says(200, "2032년 끝까지");
}

#[test]
fn a_number_of_several_records_names_none_and_what_was_looked_at_is_what_is_asked_for() {
    let site = Site::new();
    let kim = site.world.visitor(&site.kim).account;
    let steward = Member::new(&site, "박도윤", Role::Steward);
    let of = |number| [("what", "patient"), ("institution", CODE), ("number", number)];
    let [first, other] = ["p1", "p9"].map(|number| patient(&site, number).id().to_string());
    let looked = steward.send("/staff/erasures/look", &of(CHART));
    looked.says(200, "id=\"takes\"").says(200, &format!("name=\"patient\" value=\"{first}\""));

    let bag = BagBuilder::new(CODE).patient_with("p9", &site.kim, &numbers(&site.kim)).visit("p9", "v9", "2021-03-02");
    site.world.deposit(&bag.write(&site.world.path("bag-of-another")).root).expect("a good bag");
    let refusals = || told(&site, kim).iter().filter(|(_, what)| what == "denied erasure").count();
    steward.send("/staff/erasures/look", &of(CHART)).says(422, "같은 사람의 기록 여러 개").says(422, "number-fault");
    assert_eq!(refusals(), 1, "whose they are sees that it was tried");
    steward.send("/staff/erasures/look", &of("p9")).says(200, "id=\"takes\"").says(200, &other);
    let ask = |looked_at: &str| {
        let more = [
            ("reason", "요구함"),
            ("basis", "개인정보 보호법 제36조제1항"),
            ("despite", "yes"),
            ("patient", looked_at),
        ];
        let fields: Vec<(&str, &str)> = of("p9").into_iter().chain(more).collect();
        steward.send("/staff/erasures/ask", &fields)
    };
    ask(&first).says(422, "다른 기록을 가리키게");
    assert_eq!((refusals(), ask(&other).status), (2, 303));
    let shreds = site.world.store().shreds(&repair(&site)).expect("a list");
    let scopes: Vec<_> = shreds.into_iter().map(|shred| shred.scope).collect();
    assert_eq!(scopes, [ShredScope::Patient(patient(&site, "p9").id())]);
}

#[test]
fn nobody_of_the_staff_asks_for_approves_or_withdraws_the_erasure_of_their_own_records() {
    let site = Site::new();
    let steward = Member::new(&site, "박도윤", Role::Steward);
    let officer = Member::new(&site, "한지우", Role::SecurityOfficer);
    let of = |number| [("what", "patient"), ("institution", CODE), ("number", number)];
    let ask = |member: &Member, number| {
        let more = [("reason", "요구함"), ("basis", "개인정보 보호법 제36조제1항"), ("despite", "yes")];
        let fields: Vec<(&str, &str)> = of(number).into_iter().chain(more).collect();
        member.send("/staff/erasures/ask", &fields)
    };
    let account = |id: &str| {
        let shreds = site.world.store().shreds(&repair(&site)).expect("a list");
        shreds.iter().find(|shred| id.ends_with(&shred.id.to_string())).expect("asked for").requester.account
    };
    let address = ask(&steward, "p1").location().expect("the erasure");
    let others = ask(&officer, "p2").location().expect("the erasure");
    let kim = site.world.visitor(&site.kim).account;
    let watch = watch::Watch::new(site.world.store().clone(), site.world.archive().shared_door()).expect("a watch");
    for member in [account(&address), account(&others)] {
        watch.works_at(member, Some(kim), None).expect("written");
    }

    let before = told(&site, kim).len();
    officer.send(&format!("{address}/approve"), &[]).says(422, "본인의 기록입니다");
    officer.get(&address).says(200, "id=\"hindered\"").says(200, "본인의 기록입니다");
    assert!(!officer.get(&address).text().contains("id=\"withdraw\""));
    officer.send(&format!("{address}/withdraw"), &[]).says(422, "본인의 기록입니다");
    steward.send(&format!("{address}/withdraw"), &[]).says(422, "본인의 기록입니다");
    steward.send("/staff/erasures/look", &of("p1")).says(422, "본인의 기록입니다");
    ask(&steward, "p1").says(422, "본인의 기록입니다");
    let refused = ("한지우".to_owned(), "denied erasure".to_owned());
    assert_eq!(told(&site, kim)[before], refused, "whose it is sees that it was tried");
    let denied = told(&site, kim)[before..].iter().filter(|(_, what)| what == "denied erasure").count();
    assert_eq!(denied, 5, "asking, approving and withdrawing alike");
    // Of somebody else's they do.
    steward.send(&format!("{others}/approve"), &[]).says(200, "id=\"done\"");
}

#[test]
fn what_was_approved_or_asked_for_by_who_left_does_not_count_and_the_page_says_so() {
    let site = Site::new();
    let steward = Member::new(&site, "박도윤", Role::Steward);
    let officer = Member::new(&site, "한지우", Role::SecurityOfficer);
    let admin = Member::new(&site, "최서아", Role::Administrator);
    let address = steward.send("/staff/erasures/ask", &asking("요구함", "yes")).location().expect("the erasure");
    officer.send(&format!("{address}/approve"), &[]).says(200, "다른 사람 1명");
    let shred = || site.world.store().shreds(&repair(&site)).expect("a list").remove(0);
    let leave = |by: ShredActor| {
        let right = Right::of(by.role.name(), None).expect("a right");
        site.world.store().revoke(by.account, &right).expect("revoked");
    };
    leave(shred().approvals[0].by);
    admin.get(&address).says(200, "다른 사람 2명").says(200, "인정되지 않는 승인");
    leave(shred().requester);
    admin.get(&address).says(200, "신청한 사람이 이 업무를 그만두었습니다").says(200, "id=\"withdraw\"");
    assert!(!admin.get(&address).text().contains("id=\"approve\""));
    admin.send(&format!("{address}/approve"), &[]).says(422, "신청한 사람이 이 업무를 그만두었습니다");
}
