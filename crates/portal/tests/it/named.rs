//! Whom forms of staff name: by the number on the chart or by the id, and never unseen, whatever else is wrong with a form.

use crate::browser::{Answer, Browser};
use crate::site::{CHART, CODE, Site};
use crate::staff::{logged, member_with};
use base::Id16;
use policy::{InstitutionCode, Role};
use store::{AccessResult, Right};
use synth::passkey::SoftKey;

struct Member {
    browser: Browser,
    account: Id16,
}

impl Member {
    fn new(site: &Site, name: &str, role: Role) -> Self {
        let institution = (role == Role::Clinician).then(|| InstitutionCode::new(CODE)).flatten();
        let right = Right::Appointed { role, institution };
        let browser = member_with(site, name, &mut SoftKey::new(&site.url), right);
        let staff = site.identity.staff().expect("a list");
        let account = staff.iter().find(|one| one.name.expose() == name).expect("there").account;
        Self { browser, account }
    }

    /// Sends a form that names a patient.
    fn send(&self, path: &str, number: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.browser.get("/account").csrf();
        let named = [("csrf", csrf.as_str()), ("institution", CODE), ("number", number)];
        self.browser.post(path, &[&named[..], fields].concat())
    }

    fn break_glass(&self, number: &str, reason: &str, second: Id16) -> Answer {
        self.send("/staff/access/break", number, &[("reason", reason), ("second", &second.to_string())])
    }

    fn mark(&self, number: &str, reason: &str) -> Answer {
        self.send("/staff/watch/marks/set", number, &[("flag", "vip"), ("reason", reason)])
    }
}

/// What an account did about somebody: the action, and why it was refused where it was.
fn told(site: &Site, account: Id16, subject: Id16) -> Vec<(String, String)> {
    let theirs = logged(site).into_iter().filter(|one| (one.actor.account, one.subject) == (account, subject));
    let told = theirs.map(|one| match one.result {
        AccessResult::Denied { reason } => (one.action, reason),
        AccessResult::Granted => (one.action, String::new()),
    });
    told.collect()
}

/// Under what it stands that a number was nobody's.
fn nobody(site: &Site, number: &str) -> Id16 {
    site.world.store().ids().patient(&InstitutionCode::new(CODE).expect("a code"), number).id()
}

fn entries(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(action, refused)| ((*action).to_owned(), (*refused).to_owned())).collect()
}

#[test]
fn staff_name_a_patient_by_the_number_on_the_chart() {
    let site = Site::new();
    let kim = site.world.visitor(&site.kim).account;
    let doctor = Member::new(&site, "이서준", Role::Clinician);
    let steward = Member::new(&site, "박도윤", Role::Steward);
    let officer = Member::new(&site, "한지우", Role::SecurityOfficer);
    let ask = [("role", "clinician"), ("reason", "외래 진료")];
    doctor.send("/staff/access/ask", CHART, &ask).says(200, "id=\"done\"");
    doctor.break_glass(CHART, "응급 이송", officer.account).says(200, "id=\"done\"");
    let what = [("what", "patient")];
    let (by_chart, by_id) =
        (steward.send("/staff/erasures/look", CHART, &what), steward.send("/staff/erasures/look", "p1", &what));
    by_chart.says(200, "id=\"takes\"").says(200, &format!("value=\"{CHART}\""));
    by_id.says(200, "id=\"takes\"");
    officer.mark(CHART, "언론 보도").says(200, "id=\"done\"").says(200, &kim.to_string());
    // Asking also shows what they consented to.
    let done = [("ask-ground", ""), ("ask-ground", ""), ("break-glass", "")];
    assert_eq!(told(&site, doctor.account, kim), entries(&done));
    assert_eq!(told(&site, officer.account, kim), entries(&[("mark-records", "")]));
    let here = InstitutionCode::new(CODE).expect("a code");
    let known = crate::watch::watch(&site).person_known_as(&here, CHART);
    assert_eq!(known.expect("read"), Some(kim), "and so does an operator");
    for member in [&doctor, &steward, &officer] {
        assert_eq!(told(&site, member.account, nobody(&site, CHART)), [], "an honest number is no miss");
    }
}

#[test]
fn whoever_breaks_no_glass_learns_of_nobody_and_every_number_that_is_looked_for_is_seen() {
    let site = Site::new();
    let kim = site.world.visitor(&site.kim).account;
    let doctor = Member::new(&site, "이서준", Role::Clinician);
    let officer = Member::new(&site, "한지우", Role::SecurityOfficer);
    let clerk = Member::new(&site, "최서아", Role::Support);
    // Whoever is a patient or not, the same is to be mended, and nobody is looked for.
    for second in [doctor.account, clerk.account, Id16([9; 16])] {
        for number in ["p1", CHART, "nobody"] {
            let page = doctor.break_glass(number, "응급 이송", second);
            page.says(422, "href=\"#second\"");
            assert!(!page.text().contains("id=\"break-number-fault\""), "{number}");
        }
    }
    for number in ["p1", "nobody"] {
        let page = doctor.break_glass(number, " ", officer.account);
        page.says(422, "id=\"break-reason-fault\"");
        assert!(!page.text().contains("id=\"break-number-fault\""), "{number}");
    }
    for subject in [kim, nobody(&site, "p1"), nobody(&site, "nobody")] {
        assert_eq!(told(&site, doctor.account, subject), []);
    }
    // With all in it each attempt is in the log.
    doctor.break_glass("nobody", "응급 이송", officer.account).says(422, "id=\"break-number-fault\"");
    doctor.break_glass("p1", "응급 이송", officer.account).says(200, "id=\"done\"");
    assert_eq!(told(&site, doctor.account, nobody(&site, "nobody")), entries(&[("break-glass", "not-yours")]));
    assert_eq!(told(&site, doctor.account, kim), entries(&[("break-glass", "")]));
}

#[test]
fn a_security_officer_who_tries_numbers_is_seen_and_none_marks_their_own() {
    let site = Site::new();
    let kim = site.world.visitor(&site.kim).account;
    let officer = Member::new(&site, "한지우", Role::SecurityOfficer);
    for number in ["p1", CHART, "nobody"] {
        let page = officer.mark(number, " ");
        page.says(422, "id=\"reason-fault\"");
        assert!(!page.text().contains("id=\"number-fault\""), "{number}");
    }
    assert_eq!(told(&site, officer.account, kim), []);
    assert_eq!(told(&site, officer.account, nobody(&site, "nobody")), []);
    officer.mark("nobody", "언론 보도").says(422, "id=\"number-fault\"");
    officer.mark("p1", "언론 보도").says(200, "id=\"done\"");
    assert_eq!(told(&site, officer.account, nobody(&site, "nobody")), entries(&[("mark-records", "not-yours")]));
    assert_eq!(told(&site, officer.account, kim), entries(&[("mark-records", "")]));

    let watch = crate::watch::watch(&site);
    watch.works_at(officer.account, Some(kim), None).expect("written");
    officer.mark(CHART, "언론 보도").says(422, "본인의 기록입니다");
    let take = [("flag", "vip"), ("subject", &*kim.to_string()), ("reason", "관심이 줄어듦")];
    officer.send("/staff/watch/marks/take", "", &take).says(422, "본인의 기록입니다");
    let expected = [("mark-records", ""), ("mark-records", "own"), ("mark-records", "own")];
    assert_eq!(told(&site, officer.account, kim), entries(&expected));
    officer.browser.get("/staff/watch/marks").says(200, &format!("value=\"{kim}\""));
}
