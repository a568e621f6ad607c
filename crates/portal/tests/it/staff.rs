//! Staff in the portal: the first passkey, signing in with it, recovering what a person lost, and leaving.

use crate::browser::{Answer, Browser, between};
use crate::site::{App, Site};
use policy::{Action, Role};
use store::{AccessEntry, AccessResult, Right};
use synth::passkey::SoftKey;

const ADMINISTRATOR: Right = Right::Appointed { role: Role::Administrator, institution: None };

/// What a page asks a browser for.
pub fn options(page: &Answer) -> String {
    between(&page.text(), "data-options=\"", "\"")
        .replace("&#34;", "\"")
        .replace("&quot;", "\"")
        .replace("&#x22;", "\"")
}

/// An administrator who set their passkey up and is signed in.
fn member(site: &Site, name: &str, key: &mut SoftKey) -> Browser {
    member_with(site, name, key, ADMINISTRATOR)
}

pub fn member_with(site: &Site, name: &str, key: &mut SoftKey, right: Right) -> Browser {
    let browser = site.browser();
    let invited = site.identity.staff_invite(name, &[right]).expect("a good name");
    let link = format!("/staff/enrol/{}", invited.token.expose());
    let page = browser.get(&link);
    let answer = key.create(&options(&page));
    browser.post(&link, &[("answer", &answer), ("name", "열쇠")]).leads_to("/staff");
    browser
}

pub fn sign_in(browser: &Browser, key: &mut SoftKey) {
    let page = browser.get("/staff/sign-in");
    let answer = key.get(&options(&page));
    browser.post("/staff/sign-in", &[("answer", &answer)]).leads_to("/staff");
}

#[test]
fn staff_come_by_an_invitation_and_go_at_once() {
    let site = Site::new();
    let (mut key, mut others) = (SoftKey::new(&site.url), SoftKey::new(&site.url));
    let admin = member(&site, "박도윤", &mut key);
    admin.get("/staff").says(200, "박도윤").says(200, "/staff/people");
    for path in ["/staff", "/staff/people", "/staff/recovery"] {
        site.browser().get(path).leads_to("/staff/sign-in");
    }
    admin.get("/records").leads_to("/sign-in?to=%2Frecords");

    let page = admin.get("/staff/people");
    let faulty = [("csrf", &*page.csrf()), ("name", "최서아"), ("role", "depositor")];
    admin.post("/staff/people/invite", &faulty).says(422, "institution-fault");
    let fields = [("csrf", &*page.csrf()), ("name", "최서아"), ("role", "operator")];
    let invited = admin.post("/staff/people/invite", &fields);
    let address = between(&invited.text(), "id=\"link\" translate=\"no\">", "<");
    let colleague = site.browser();
    let enrol = colleague.get(&address);
    let copyable = others.clone().copyable().create(&options(&enrol));
    colleague.post(&address, &[("answer", &copyable)]).says(422, "passkey-fault");
    let enrol = colleague.get(&address);
    let made = others.create(&options(&enrol));
    colleague.post(&address, &[("answer", &made)]).leads_to("/staff");
    colleague.get(&address).says(410, "초대");

    let people = admin.get("/staff/people").text();
    let colleague_id = between(&people[people.find("최서아").expect("listed")..], "name=\"account\" value=\"", "\"");
    let fields = [("csrf", &*page.csrf()), ("account", &*colleague_id)];
    admin.post("/staff/people/off-board", &fields).says(200, "id=\"done\"");
    assert_eq!(colleague.get("/staff").status, 401, "at the next request");
    let former: base::Id16 = colleague_id.parse().expect("an id");
    let tried = || {
        logged(&site).into_iter().filter(|entry| entry.actor.account == former && entry.actor.assurance == 0).count()
    };
    assert_eq!(tried(), 1, "that an old session was tried is told");
    site.world.clock.advance(60);
    let late = colleague.get("/staff/sign-in");
    let answer = others.get(&options(&late));
    colleague.post("/staff/sign-in", &[("answer", &answer)]).says(422, "passkey-fault");
    assert_eq!(tried(), 2, "and an old passkey");

    let list = site.identity.staff().expect("a list");
    let own_id = list.iter().find(|staff| staff.name.expose() == "박도윤");
    let own_id = own_id.expect("listed").account.to_string();
    let own = [("csrf", &*page.csrf()), ("account", &*own_id)];
    assert_eq!(admin.post("/staff/people/off-board", &own).status, 403, "not oneself by a slip");
    admin.post("/sign-out", &[("csrf", &page.csrf())]).leads_to("/");
    sign_in(&admin, &mut key);
}

/// Every entry of the access log, oldest first.
pub fn logged(site: &Site) -> Vec<AccessEntry> {
    let store = site.world.store();
    let own = site.world.own_permit(&site.kim, Action::ReadAccessLog);
    // Reading any log moves what was journalled into the database first.
    store.access_log(&own, &store::AccessPage::default()).expect("the log");
    let permit = store.ask_job(&site.world.archive().shared_door(), "watch", Action::WatchAccesses).expect("a permit");
    store.watched(&permit, 0, 500).expect("the log").into_iter().filter_map(|one| one.entry).collect()
}

#[test]
fn who_gives_rights_asks_the_door_and_each_attempt_is_logged() {
    let site = Site::new();
    let (mut one, mut two) = (SoftKey::new(&site.url), SoftKey::new(&site.url));
    let admin = member(&site, "박도윤", &mut one);
    let operator = member_with(&site, "최서아", &mut two, Right::Operator);
    let of = |site: &Site, name: &str| -> Vec<AccessEntry> {
        let is_theirs = |entry: &AccessEntry| entry.actor.name.expose() == name && entry.action == "manage-rights";
        logged(site).into_iter().filter(is_theirs).collect()
    };
    assert!(!operator.get("/staff").text().contains("/staff/people"), "nothing leads there");
    assert_eq!(operator.get("/staff/people").status, 403);
    let page = operator.get("/account");
    let wish = |csrf: &str| {
        [("csrf", csrf), ("name", "한지우"), ("role", "operator")].map(|(name, value)| (name, value.to_owned()))
    };
    let send = |browser: &Browser, csrf: &str| {
        let fields = wish(csrf);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.post("/staff/people/invite", &fields)
    };
    assert_eq!(send(&operator, &page.csrf()).status, 403);
    let nobody = [("csrf", &*page.csrf()), ("account", "00000000000000000000000000000000")];
    assert_eq!(operator.post("/staff/people/off-board", &nobody).status, 403);
    assert_eq!(operator.post("/staff/people/recover", &nobody).status, 403);
    let tried = of(&site, "최서아");
    assert_eq!(tried.len(), 4, "{tried:?}");
    assert!(tried.iter().all(|entry| entry.result == AccessResult::Denied { reason: "role".to_owned() }), "{tried:?}");
    assert_eq!(site.identity.staff().expect("a list").len(), 2, "nobody was invited");

    let page = admin.get("/staff/people");
    send(&admin, &page.csrf()).says(200, "id=\"link\"");
    let invited = site.identity.staff().expect("a list").into_iter().find(|one| one.name.expose() == "한지우");
    let invited = invited.expect("invited").account;
    let fields = [("csrf", &*page.csrf()), ("account", &*invited.to_string())];
    admin.post("/staff/people/invite-again", &fields).says(200, "id=\"link\"");
    admin.post("/staff/people/off-board", &fields).says(200, "id=\"done\"");
    let done = of(&site, "박도윤");
    let kinds: Vec<&str> =
        done.iter().filter(|entry| entry.subject == invited).map(|entry| entry.what[0].0.as_str()).collect();
    assert_eq!(kinds, ["right-asked-operator", "invitation", "account-end"]);
    assert!(done.iter().all(|entry| entry.result == AccessResult::Granted), "{done:?}");
}

#[test]
fn in_the_log_of_whoever_is_no_colleague_stands_that_it_was_tried_and_nothing_else() {
    let site = Site::new();
    let (mut one, mut two) = (SoftKey::new(&site.url), SoftKey::new(&site.url));
    let admin = member(&site, "박도윤", &mut one);
    member_with(&site, "최서아", &mut two, Right::Operator);
    let person = site.browser();
    site.sign_in(&person, &site.kim);
    let kim = site.world.visitor(&site.kim).account;
    let staff = site.identity.staff().expect("a list");
    let of = |name: &str| staff.iter().find(|one| one.name.expose() == name).expect("there").account;
    let (own, colleague, nobody) = (of("박도윤"), of("최서아"), base::Id16([9; 16]));
    let csrf = admin.get("/staff/people").csrf();
    let send = |path: &str, account: base::Id16| {
        let account = account.to_string();
        let fields = [("csrf", &*csrf), ("account", &*account), ("role", "operator")];
        admin.post(&format!("/staff/people/{path}"), &fields).status
    };
    let paths = ["recover", "invite-again", "confirm", "give", "take", "off-board"];
    for path in paths {
        assert_eq!((send(path, kim), send(path, nobody)), (400, 400), "{path}");
    }
    assert_eq!(send("invite-again", colleague), 400, "they have a passkey");
    assert_eq!(send("confirm", colleague), 400, "nothing was asked for");
    let told = |subject: base::Id16| -> Vec<(Vec<(String, u32)>, AccessResult)> {
        let about =
            logged(&site).into_iter().filter(|entry| entry.subject == subject && entry.action == "manage-rights");
        about.map(|entry| (entry.what, entry.result)).collect()
    };
    let denied = |reason: &str| AccessResult::Denied { reason: reason.to_owned() };
    assert_eq!(told(kim), vec![(vec![], denied("unfit")); paths.len()]);
    assert_eq!(told(nobody), []);
    let tried = told(own).into_iter().filter(|(_, result)| *result == denied("unfit")).count();
    assert_eq!(tried, paths.len(), "what is nobody's stands with who tried");
    let right = vec![("right-given-operator".to_owned(), 1)];
    let expected = [(vec![], denied("unfit")), (right.clone(), AccessResult::Granted), (right, denied("undone"))];
    assert!(told(colleague).ends_with(&expected), "{:?}", told(colleague));
    person.get("/access").says(200, "이 계정에는 할 수 없는 일이어서");
}

#[test]
fn a_form_of_staff_keeps_what_was_typed_where_it_is_to_be_mended() {
    let site = Site::new();
    let (mut one, mut two) = (SoftKey::new(&site.url), SoftKey::new(&site.url));
    let institution = policy::InstitutionCode::new(crate::site::CODE);
    let doctor = member_with(&site, "이서준", &mut one, Right::Appointed { role: Role::Clinician, institution });
    let admin = member(&site, "박도윤", &mut two);
    let named = [("institution", crate::site::CODE), ("number", "nobody"), ("reason", "응급 이송")];
    let send = |browser: &Browser, path: &str, fields: &[(&str, &str)]| {
        let csrf = browser.get("/account").csrf();
        browser.post(path, &[&[("csrf", &*csrf)][..], fields].concat())
    };
    let asked = send(&doctor, "/staff/access/ask", &[&named[..], &[("role", "clinician")]].concat());
    asked.says(422, "id=\"number-fault\"").says(422, "value=\"nobody\"").says(422, "value=\"응급 이송\"");
    assert_eq!(asked.text().matches("value=\"nobody\"").count(), 1, "in the form that was sent");
    let wish = [("name", ""), ("role", "depositor"), ("institution", "31100001")];
    let invited = send(&admin, "/staff/people/invite", &wish);
    invited.says(422, "id=\"name-fault\"").says(422, "value=\"31100001\"");
    invited.says(422, "<option value=\"depositor\" selected");
    let class = [("what", "class"), ("class-institution", "31100001"), ("class", "chart"), ("year", "20x")];
    let looked = send(&admin, "/staff/erasures/look", &class);
    looked.says(422, "id=\"year-fault\"").says(422, "value=\"20x\"").says(422, "<option value=\"chart\" selected");
}

#[test]
fn whoever_still_has_both_factors_stops_a_reset_that_they_did_not_ask_for() {
    let site = Site::new();
    let mut key = SoftKey::new(&site.url);
    let staff = member(&site, "박도윤", &mut key);
    let browser = site.browser();
    site.sign_in(&browser, &site.kim);
    assert!(!browser.get("/account/notices").text().contains("recovery-open"));
    let half = site.browser();
    site.prove(&half, &site.kim);
    let asked = half.post("/sign-in/recover", &[("csrf", &half.get("/sign-in/recover").csrf())]);
    let code = between(&asked.text(), "id=\"recovery-code\" translate=\"no\">", "<");
    assert_ne!(half.post("/account/notices/object", &[("csrf", &half.get("/sign-in/recover").csrf())]).status, 200);
    let page = browser.get("/account/notices");
    page.says(200, "id=\"recovery-open\"");
    browser.post("/account/notices/object", &[("csrf", &page.csrf())]).says(200, "id=\"done\"");
    assert!(!browser.get("/account/notices").text().contains("recovery-open"));
    let find = [("csrf", &*staff.get("/staff/recovery").csrf()), ("code", &*code)];
    staff.post("/staff/recovery", &find).says(422, "code-fault");
}

#[test]
fn a_right_that_one_administrator_asks_for_is_given_once_another_confirms() {
    let site = Site::new();
    let (mut one, mut two) = (SoftKey::new(&site.url), SoftKey::new(&site.url));
    let first = member(&site, "박도윤", &mut one);
    let second = member(&site, "최서아", &mut two);
    let page = first.get("/staff/people");
    let wish = [("csrf", &*page.csrf()), ("name", "한지우"), ("role", "support")];
    first.post("/staff/people/invite", &wish).says(200, "id=\"link\"");
    let invited = site.identity.staff().expect("a list").into_iter().find(|one| one.name.expose() == "한지우");
    let invited = invited.expect("invited").account;
    let rights = || site.world.store().rights(invited).expect("a list");
    let send = |browser: &Browser, path: &str, role: &str| {
        let csrf = browser.get("/staff/people").csrf();
        let fields = [("csrf", &*csrf), ("account", &*invited.to_string()), ("role", role)];
        browser.post(&format!("/staff/people/{path}"), &fields)
    };
    assert!(!first.get("/staff/people").text().contains("id=\"confirm-"), "not by who asked");
    assert_eq!(send(&first, "confirm", "support").status, 400);
    second.get("/staff/people").says(200, "본인이 패스키를 만든 다음에");
    assert!(!second.get("/staff/people").text().contains("id=\"confirm-"), "nobody came yet");
    assert_eq!(send(&second, "confirm", "support").status, 400);
    // Whoever is shown a link may come by it, and says nothing to who came.
    let link = between(&send(&second, "invite-again", "").text(), "id=\"link\" translate=\"no\">", "<");
    come(&site, &link, &mut SoftKey::new(&site.url));
    assert_eq!(send(&first, "confirm", "support").status, 400, "they asked");
    first.get("/staff/people").says(200, "다른 관리자가 확인해야 합니다");
    assert_eq!(send(&second, "confirm", "support").status, 400, "they were shown the link");
    assert_eq!(rights(), []);
    let third = member(&site, "강은우", &mut SoftKey::new(&site.url));
    let shown = third.get("/staff/people");
    shown
        .says(200, &format!("id=\"confirm-{invited}-1\""))
        .says(200, "패스키를 만든 때")
        .says(200, "<bdi class=\"passkey-name\">열쇠</bdi>");
    // Asked for since the page was shown.
    send(&first, "give", "administrator").says(200, "id=\"done\"");
    send(&third, "confirm", "support").says(200, "id=\"done\"");
    assert_eq!(rights(), [Right::of("support", None).expect("a right")], "what stood on the page and nothing else");
    assert_eq!(send(&third, "confirm", "support").status, 400, "once");
}

#[test]
fn two_administrators_neither_of_whom_may_confirm_are_told_the_way_out() {
    let site = Site::new();
    let (mut one, mut two) = (SoftKey::new(&site.url), SoftKey::new(&site.url));
    let (first, second) = (member(&site, "박도윤", &mut one), member(&site, "최서아", &mut two));
    let wish = [("csrf", &*first.get("/staff/people").csrf()), ("name", "한지우"), ("role", "support")];
    first.post("/staff/people/invite", &wish).says(200, "id=\"link\"");
    let invited = site.identity.staff().expect("a list").into_iter().find(|one| one.name.expose() == "한지우");
    let invited = invited.expect("invited").account;
    let send = |browser: &Browser, path: &str| {
        let csrf = browser.get("/staff/people").csrf();
        let fields = [("csrf", &*csrf), ("account", &*invited.to_string()), ("role", "support")];
        browser.post(&format!("/staff/people/{path}"), &fields)
    };
    second.get("/staff/people").says(200, "새 주소를 받아 보는 관리자는");
    let link = between(&send(&second, "invite-again").text(), "id=\"link\" translate=\"no\">", "<");
    come(&site, &link, &mut SoftKey::new(&site.url));
    second.get("/staff/people").says(200, "이 신청을 철회하고 직접 다시 신청해 주세요");
    let again = send(&second, "give");
    again.says(422, "id=\"give-role-fault\"").says(422, "그 신청을 철회하고 다시 신청하거나");
    assert_eq!(send(&first, "confirm").status, 400, "it is their own still");
    send(&first, "give").says(200, "id=\"done\"");
    send(&second, "take").says(200, "id=\"done\"");
    send(&second, "give").says(200, "id=\"done\"");
    assert_eq!(send(&second, "confirm").status, 400);
    send(&first, "confirm").says(200, "id=\"done\"");
    let rights = site.world.store().rights(invited).expect("a list");
    assert_eq!(rights, [Right::of("support", None).expect("a right")]);
}

/// Takes an invitation up.
fn come(site: &Site, link: &str, key: &mut SoftKey) -> Browser {
    let browser = site.browser();
    let answer = key.create(&options(&browser.get(link)));
    browser.post(link, &[("answer", &answer), ("name", "열쇠")]).leads_to("/staff");
    browser
}

#[test]
fn an_invitation_does_not_outlive_whoever_was_shown_it() {
    let site = Site::new();
    let (mut one, mut two) = (SoftKey::new(&site.url), SoftKey::new(&site.url));
    let (first, second) = (member(&site, "박도윤", &mut one), member(&site, "최서아", &mut two));
    let of = |name: &str| {
        let staff = site.identity.staff().expect("a list").into_iter().find(|one| one.name.expose() == name);
        staff.expect("there").account
    };
    let csrf = first.get("/staff/people").csrf();
    let wish = [("csrf", &*csrf), ("name", "한지우"), ("role", "support")];
    let link = between(&first.post("/staff/people/invite", &wish).text(), "id=\"link\" translate=\"no\">", "<");
    let csrf = second.get("/staff/people").csrf();
    let leaver = [("csrf", &*csrf), ("account", &*of("박도윤").to_string())];
    second.post("/staff/people/off-board", &leaver).says(200, "id=\"done\"");
    site.browser().get(&link).says(410, "초대");
    let invited = [("csrf", &*csrf), ("account", &*of("한지우").to_string()), ("role", "support")];
    assert_eq!(second.post("/staff/people/confirm", &invited).status, 400, "what they asked for is gone too");
    second.post("/staff/people/invite-again", &invited).says(200, "id=\"link\"");
}

#[test]
fn a_role_is_taken_from_who_stays_and_another_is_given_once_it_is_confirmed() {
    let site = Site::new();
    let mut keys: [SoftKey; 3] = std::array::from_fn(|_| SoftKey::new(&site.url));
    let [one, two, three] = &mut keys;
    let (first, second) = (member(&site, "박도윤", one), member(&site, "최서아", two));
    let clerk = member_with(&site, "한지우", three, Right::Operator);
    let of = |name: &str| {
        let staff = site.identity.staff().expect("a list").into_iter().find(|one| one.name.expose() == name);
        staff.expect("there").account
    };
    let (account, own) = (of("한지우"), of("박도윤"));
    let send = |browser: &Browser, path: &str, account: base::Id16, role: &str| {
        let csrf = browser.get("/staff/people").csrf();
        let (path, account) = (format!("/staff/people/{path}"), account.to_string());
        browser.post(&path, &[("csrf", &csrf), ("account", &account), ("role", role)])
    };
    let rights = || site.world.store().rights(account).expect("a list");
    assert_eq!(clerk.get("/staff/recovery").status, 200);
    let shown = first.get("/staff/people");
    shown.says(200, &format!("id=\"take-{account}-1\"")).says(200, "맡은 일: 한마루 운영자");
    assert!(!shown.text().contains(&format!("id=\"take-{own}")), "nobody takes their own");
    for path in ["take", "give"] {
        assert_eq!(send(&first, path, own, "administrator").status, 403, "{path}");
        assert_eq!(send(&first, path, account, "king").status, if path == "take" { 400 } else { 422 }, "{path}");
    }
    send(&first, "take", account, "operator").says(200, "그 일에서 뺐습니다");
    assert_eq!(rights(), []);
    assert_eq!(clerk.get("/staff/recovery").status, 403, "at the next request");
    clerk.get("/staff").says(200, "한지우");
    assert_eq!(send(&first, "take", account, "operator").status, 400, "it is gone");

    send(&first, "give", account, "steward").says(200, "id=\"done\"");
    assert_eq!(rights(), [], "it waits");
    assert_eq!(send(&first, "confirm", account, "steward").status, 400);
    send(&second, "confirm", account, "steward").says(200, "id=\"done\"");
    assert_eq!(rights(), [Right::of("steward", None).expect("a right")]);
    let held = send(&first, "give", account, "steward");
    held.says(422, "id=\"give-role-fault\"").says(422, "이미 맡고 있는 일입니다");
    assert!(!held.text().contains("id=\"give-institution-fault\""), "nothing is wrong there");
    // What was asked for by a slip is withdrawn.
    send(&first, "give", account, "auditor").says(200, "id=\"done\"");
    second.get("/staff/people").says(200, &format!("id=\"unask-{account}-1\""));
    send(&first, "take", account, "auditor").says(200, "id=\"done\"");
    assert_eq!(send(&second, "confirm", account, "auditor").status, 400);
    let about = logged(&site).into_iter().filter(|entry| entry.subject == account && entry.action == "manage-rights");
    let is_taken = |entry: &AccessEntry| entry.what.first().is_some_and(|(kind, _)| kind.starts_with("right-taken-"));
    let taken = about.filter(is_taken).map(|entry| entry.result);
    let undone = AccessResult::Denied { reason: "undone".to_owned() };
    let granted = AccessResult::Granted;
    assert_eq!(taken.collect::<Vec<_>>(), [granted.clone(), granted.clone(), undone, granted]);
}

#[test]
fn staff_who_send_something_to_a_persons_page_are_told_and_stay_signed_in() {
    let site = Site::new();
    let mut key = SoftKey::new(&site.url);
    let admin = member(&site, "박도윤", &mut key);
    let page = admin.get("/account");
    for path in ["/records", "/records/issue", "/consents/give", "/representatives/appoint"] {
        let told = admin.post(path, &[("csrf", &page.csrf()), ("what", "all")]);
        told.says(403, "환자 본인의 화면입니다").says(403, "href=\"/staff\"");
        admin.get("/staff").says(200, "박도윤");
    }
    let stranger = site.browser();
    stranger.post("/consents/give", &[("csrf", "x")]).says(401, "다시 본인 확인을 해 주세요");
}

#[test]
fn only_pages_that_ask_for_a_passkey_run_a_script() {
    let site = Site::new();
    for (path, asks) in [("/staff/sign-in", true), ("/", false), ("/sign-in", false), ("/assets/passkey.js", false)] {
        let page = site.browser().get(path);
        assert_eq!(page.header("content-security-policy").contains("script-src 'self'"), asks, "{path}");
        let permitted = page.header("permissions-policy").contains("publickey-credentials-get=(self)");
        assert_eq!(permitted, asks, "{path}");
    }
}

#[test]
fn a_person_signs_in_with_a_passkey() {
    let site = Site::new();
    let (browser, mut key) = (site.browser(), SoftKey::new(&site.url).copyable());
    site.prove(&browser, &site.kim);
    browser.get("/sign-in/second-step").says(200, "/sign-in/passkey");
    let page = browser.get("/sign-in/passkey");
    let answer = key.create(&options(&page));
    browser.post("/sign-in/passkey", &[("csrf", &page.csrf()), ("answer", &answer)]).leads_to("/records");
    browser.get("/account/passkeys").says(200, "id=\"passkeys\"");
    let again = site.browser();
    site.prove(&again, &site.kim);
    again.get("/sign-in/second-step").leads_to("/sign-in/passkey");
    let page = again.get("/sign-in/passkey");
    again.post("/sign-in/passkey", &[("csrf", &page.csrf()), ("answer", "")]).says(422, "passkey-fault");
    let page = again.get("/sign-in/passkey");
    let answer = key.get(&options(&page));
    again.post("/sign-in/passkey", &[("csrf", &page.csrf()), ("answer", &answer)]).leads_to("/records");
    browser.get("/records").says(200, "id=\"notice-bar\"");
    browser.get("/account/notices").says(200, "id=\"notices\"");
    assert!(!browser.get("/records").text().contains("id=\"notice-bar\""), "read");
}

#[test]
fn nobody_of_the_staff_decides_about_a_request_that_is_their_own() {
    let site = Site::new();
    let (mut one, mut two) = (SoftKey::new(&site.url), SoftKey::new(&site.url));
    let (first, second) = (member(&site, "박도윤", &mut one), member(&site, "최서아", &mut two));
    site.sign_in(&site.browser(), &site.kim);
    let half = site.browser();
    site.prove(&half, &site.kim);
    let asked = half.post("/sign-in/recover", &[("csrf", &half.get("/sign-in/recover").csrf())]);
    let code = between(&asked.text(), "id=\"recovery-code\" translate=\"no\">", "<");
    let staff = site.identity.staff().expect("a list");
    let account = staff.iter().find(|one| one.name.expose() == "박도윤").expect("there").account;
    let kim = site.world.visitor(&site.kim).account;
    crate::watch::watch(&site).works_at(account, Some(kim), None).expect("written");

    let decide = |staff: &Browser, path: &str| {
        let csrf = staff.get("/staff/recovery").csrf();
        let fields = [("csrf", &*csrf), ("code", &*code), ("proof", "주민등록증"), ("reason", "전화를 잃어버림")];
        staff.post(&format!("/staff/recovery/{path}"), &fields)
    };
    for (path, said) in [("approve", "본인의 신청이나"), ("refuse", "본인의 신청은")] {
        decide(&first, path).says(422, "code-fault").says(422, said);
    }
    let tried = logged(&site).into_iter().filter(|one| (one.actor.account, one.subject) == (account, kim));
    let denied = AccessResult::Denied { reason: "own".to_owned() };
    let tried: Vec<String> = tried.filter(|one| one.result == denied).map(|one| one.action).collect();
    assert_eq!(tried, ["approve-recovery", "refuse-recovery"], "whose account it is sees that it was tried");
    decide(&second, "approve").says(200, "id=\"done\"");
}

#[test]
fn two_members_of_staff_recover_a_person() {
    let site = Site::new();
    let (mut one, mut two) = (SoftKey::new(&site.url), SoftKey::new(&site.url));
    let (first, second) = (member(&site, "박도윤", &mut one), member(&site, "최서아", &mut two));
    let browser = site.browser();
    site.sign_in(&browser, &site.kim);
    let half = site.browser();
    site.prove(&half, &site.kim);
    let page = half.get("/sign-in/recover");
    let asked = half.post("/sign-in/recover", &[("csrf", &page.csrf())]);
    let code = between(&asked.text(), "id=\"recovery-code\" translate=\"no\">", "<");
    let word = between(&asked.text(), WORD, "<");

    let decide = |staff: &Browser, proof: &str| {
        let page = staff.get("/staff/recovery");
        staff.post("/staff/recovery", &[("csrf", &page.csrf()), ("code", &code)]).says(200, "김하늘");
        let fields = [("csrf", &*page.csrf()), ("code", &*code), ("proof", proof), ("reason", "전화를 잃어버림")];
        staff.post("/staff/recovery/approve", &fields)
    };
    decide(&first, "").says(422, "proof-fault");
    decide(&first, "주민등록증").says(200, "id=\"done\"");
    decide(&first, "주민등록증").says(422, "code-fault");
    decide(&second, "주민등록증").says(422, "code-fault");
    browser.get("/access").says(200, "승인");
    site.world.clock.advance(600);
    // What was sent waits for the passkey, and goes on from there.
    decide(&second, "주민등록증").leads_to("/account/prove");
    let prove = second.get("/account/prove");
    let answer = two.get(&options(&prove));
    let onward = second.post("/account/prove", &[("csrf", &prove.csrf()), ("answer", &answer)]);
    onward.says(200, "id=\"onward\"").says(200, "주민등록증");
    let fields = [("csrf", &*onward.csrf()), ("code", &*code), ("proof", "주민등록증"), ("reason", "전화를 잃어버림")];
    second.post("/staff/recovery/approve", &fields).says(200, "id=\"done\"");

    assert_eq!(browser.get("/records").status, 401, "every session is over");
    // Another who has the first factor comes first, and is not shown the letters by asking once more.
    let thief = site.browser();
    site.prove(&thief, &site.kim);
    let again = thief.post("/sign-in/recover", &[("csrf", &thief.get("/sign-in/recover").csrf())]);
    assert!(!again.text().contains(&word), "shown once");
    set_up(&site, &thief, &between(&again.text(), WORD, "<")).says(422, "word-fault");
    thief.get("/sign-in/passkey").says(200, "id=\"word\"").says(200, "href=\"/sign-in/recover\"");
    let anew = site.browser();
    site.prove(&anew, &site.kim);
    set_up(&site, &anew, &word.to_lowercase()).leads_to("/records");
    let log = anew.get("/access").text();
    assert!(log.contains("내 이름으로 들어오려고 한 사람"), "wrong letters are told: {log}");
}

/// Where a page of recovery shows the letters.
const WORD: &str = "id=\"recovery-word\" translate=\"no\">";

/// Sets up an app after a reset, with letters.
fn set_up(site: &Site, half: &Browser, word: &str) -> Answer {
    let page = half.get("/sign-in/second-step");
    page.says(200, "id=\"word\"").says(200, "href=\"/sign-in/recover\"");
    let code = App::of(&page).code(&site.world.clock);
    half.post("/sign-in/second-step", &[("csrf", &page.csrf()), ("code", &code), ("word", word)])
}

#[test]
fn a_person_whose_only_passkey_may_be_copied_is_told_and_comes_back_through_staff() {
    let site = Site::new();
    let (browser, mut key) = (site.browser(), SoftKey::new(&site.url));
    site.prove(&browser, &site.kim);
    let page = browser.get("/sign-in/passkey");
    let answer = key.create(&options(&page));
    browser.post("/sign-in/passkey", &[("csrf", &page.csrf()), ("answer", &answer)]).leads_to("/records");
    let mut copy = key.clone();
    let come = |key: &mut SoftKey| {
        let browser = site.browser();
        site.prove(&browser, &site.kim);
        let page = browser.get("/sign-in/passkey");
        let answer = key.get(&options(&page));
        let came = browser.post("/sign-in/passkey", &[("csrf", &page.csrf()), ("answer", &answer)]);
        (browser, came)
    };
    for _ in 0..2 {
        come(&mut key).1.leads_to("/records");
    }
    let (half, refused) = come(&mut copy);
    refused.leads_to("/sign-in/second-step");
    half.get("/sign-in/second-step").leads_to("/sign-in/recover");
    half.get("/sign-in/passkey").leads_to("/sign-in/second-step");
    half.get("/records").leads_to("/sign-in/second-step");
    let page = half.get("/sign-in/recover");
    page.says(200, "복사된 것으로 보여 막았습니다");
    assert!(!page.text().contains("href=\"/sign-in/second-step\""), "there is no way back");
    // Who is still signed in is told the same before anything grave.
    site.world.clock.advance(301);
    browser.get("/account/prove").leads_to("/sign-in/recover");
    browser.get("/sign-in/recover").says(200, "복사된 것으로 보여 막았습니다");

    let asked = half.post("/sign-in/recover", &[("csrf", &page.csrf())]).text();
    let code = between(&asked, "id=\"recovery-code\" translate=\"no\">", "<");
    site.world.clock.advance(600);
    for name in ["박도윤", "최서아"] {
        let staff = member(&site, name, &mut SoftKey::new(&site.url));
        let csrf = staff.get("/staff/recovery").csrf();
        let fields = [("csrf", &*csrf), ("code", &*code), ("proof", "주민등록증"), ("reason", "패스키가 막힘")];
        let approved = staff.post("/staff/recovery/approve", &fields);
        approved.says(200, "id=\"done\"");
        assert!(!approved.text().contains(&between(&asked, WORD, "<")), "who approves is not shown the letters");
    }
    let anew = site.browser();
    site.prove(&anew, &site.kim);
    set_up(&site, &anew, &between(&asked, WORD, "<")).leads_to("/records");
}

#[test]
fn a_colleague_comes_back_with_the_link_of_one_and_the_letters_of_another() {
    let site = Site::new();
    let mut keys: [SoftKey; 4] = std::array::from_fn(|_| SoftKey::new(&site.url));
    let [one, two, three, lost] = &mut keys;
    let asker = member(&site, "박도윤", one);
    let (first, second) = (member(&site, "최서아", two), member(&site, "한지우", three));
    member_with(&site, "이서준", lost, Right::Operator);
    let colleague = site.identity.staff().expect("a list").into_iter().find(|one| one.name.expose() == "이서준");
    let colleague = colleague.expect("invited").account.to_string();
    let ask = |staff: &Browser| {
        let page = staff.get("/staff/people");
        staff.post("/staff/people/recover", &[("csrf", &page.csrf()), ("account", &colleague)])
    };
    let asked = ask(&asker).text();
    let shown = |id: &str| between(&asked, &format!("id=\"{id}\" translate=\"no\">"), "<");
    let (code, word) = (shown("recovery-code"), shown("recovery-word"));
    assert_eq!(
        between(&ask(&asker).text(), "id=\"recovery-word\" translate=\"no\">", "<"),
        word,
        "as often as they ask"
    );
    ask(&first).says(422, "다른 관리자가 이미 신청했고");
    let decide = |staff: &Browser| {
        let page = staff.get("/staff/recovery");
        let fields = [("csrf", &*page.csrf()), ("code", &*code), ("proof", "사원증"), ("reason", "패스키를 잃어버림")];
        staff.post("/staff/recovery/approve", &fields)
    };
    decide(&asker).says(422, "code-fault");
    let waiting = decide(&first);
    waiting.says(200, "id=\"done\"");
    assert!(!waiting.text().contains(&word), "who approves is not shown the letters");
    site.world.clock.advance(600);
    decide(&second).leads_to("/account/prove");
    let prove = second.get("/account/prove");
    let answer = three.get(&options(&prove));
    second.post("/account/prove", &[("csrf", &prove.csrf()), ("answer", &answer)]);
    let done = decide(&second);
    let link = between(&done.text(), "id=\"link\" translate=\"no\">", "<");
    assert!(!done.text().contains(&word), "nor with the link");

    let mut new = SoftKey::new(&site.url);
    let (thief, back) = (site.browser(), site.browser());
    let page = thief.get(&link);
    let answer = new.create(&options(page.says(200, "id=\"word\"")));
    thief.post(&link, &[("answer", &answer), ("word", &code)]).says(422, "passkey-fault");
    let page = back.get(&link);
    let answer = new.create(&options(&page));
    back.post(&link, &[("answer", &answer), ("name", "열쇠"), ("word", &word.to_lowercase())]).leads_to("/staff");
}

#[test]
fn the_door_says_who_decides_about_second_factors_and_whose_it_is_sees_who_tried() {
    let site = Site::new();
    let (mut one, mut two) = (SoftKey::new(&site.url), SoftKey::new(&site.url));
    let institution = policy::InstitutionCode::new(crate::site::CODE);
    let doctor = member_with(&site, "이서준", &mut one, Right::Appointed { role: Role::Clinician, institution });
    let operator = member_with(&site, "최서아", &mut two, Right::Operator);
    site.sign_in(&site.browser(), &site.kim);
    let half = site.browser();
    site.prove(&half, &site.kim);
    let asked = half.post("/sign-in/recover", &[("csrf", &half.get("/sign-in/recover").csrf())]);
    let code = between(&asked.text(), "id=\"recovery-code\" translate=\"no\">", "<");
    let send = |staff: &Browser, path: &str| {
        let csrf = staff.get("/account").csrf();
        staff.post(path, &[("csrf", &csrf), ("code", &code), ("proof", "신분증"), ("reason", "잃어버림")])
    };
    assert_eq!(doctor.get("/staff/recovery").status, 403);
    for path in ["/staff/recovery", "/staff/recovery/approve", "/staff/recovery/refuse"] {
        assert_eq!(send(&doctor, path).status, 403, "{path}");
    }
    send(&operator, "/staff/recovery").says(200, "김하늘");
    let csrf = operator.get("/account").csrf();
    let lacking = [("csrf", &*csrf), ("code", &*code), ("proof", ""), ("reason", "잃어버림")];
    let faulty = operator.post("/staff/recovery/approve", &lacking);
    faulty.says(422, "proof-fault").says(422, "value=\"잃어버림\"");
    send(&operator, "/staff/recovery/approve").says(200, "id=\"done\"");
    let kim = site.world.visitor(&site.kim).account;
    let about = logged(&site).into_iter().filter(|entry| entry.subject == kim && entry.action.ends_with("recovery"));
    let told: Vec<(String, String, bool)> = about
        .map(|entry| (entry.actor.name.expose().clone(), entry.action.clone(), entry.result == AccessResult::Granted))
        .collect();
    let told: Vec<(&str, &str, bool)> =
        told.iter().map(|(name, action, granted)| (name.as_str(), action.as_str(), *granted)).collect();
    let expected = [
        ("이서준", "decide-recovery", false),
        ("이서준", "decide-recovery", false),
        ("이서준", "decide-recovery", false),
        ("최서아", "decide-recovery", true),
        ("최서아", "decide-recovery", true),
        ("최서아", "approve-recovery", false),
        ("최서아", "decide-recovery", true),
        ("최서아", "approve-recovery", true),
    ];
    assert_eq!(told, expected);
}
