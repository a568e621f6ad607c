//! What everybody does in the story, in the portal and at the command line. Each step says what must come of it, so that the story
//! does not end early unseen.

use super::bag::CODE;
use super::browser::{Browser, Page};
use super::forms::Forms;
use super::town::{Town, text};
use base::{Clock, SystemClock};
use reqwest::Method;
use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};
use synth::passkey::SoftKey;
use synth::people::Person;
use unicode_normalization::UnicodeNormalization;

/// Longest wait for what another thread of the program does.
const PATIENCE: Duration = Duration::from_secs(30);

/// A stranger writes canaries wherever a request has room for them.
pub fn stranger(browser: &Browser, forms: &Forms) {
    let t = |name: &str| forms.text(&format!("{name} of a stranger"));
    for path in [
        format!("/?q={}", t("query")),
        format!("/help?name={}", t("query")),
        format!("/records?patient={}", t("query")),
        format!("/institutions?q={}", t("query")),
        format!("/sign-in?to=%2Frecords%3Fname%3D{}", t("query")),
        format!("/sign-in/return?error={}&state={0}&code={0}", t("query")),
        format!("/{}", t("path")),
        format!("/records/visit/{}", t("path")),
        format!("/institutions/{}", t("path")),
        format!("/verify/{}", t("path")),
        format!("/staff/enrol/{}", t("path")),
        format!("/assets/{}", t("path")),
        format!("/log/records/tile/{}", t("path")),
        format!("/language?to=en&back=%2F{}", t("path")),
    ] {
        let request = browser.request(Method::GET, &path).header("user-agent", t("agent"));
        let request = request.header("referer", format!("https://elsewhere.example/{}", t("referrer")));
        let cookie = format!("__Host-hanmaru-session={}", t("cookie"));
        let request = request.header("cookie", cookie).header("x-forwarded-for", t("header"));
        let request = request.header("accept-language", t("header")).header("authorization", t("header"));
        browser.send(request.header("x-request-id", t("header")));
    }
    for path in [
        "/records",
        "/records/issue",
        "/sign-in/second-step",
        "/staff/sign-in",
        "/verify",
        "/help",
        "/staff/people/invite",
    ] {
        browser.send(browser.request(Method::POST, path).form(&[
            ("csrf", t("body")),
            ("code", t("body")),
            ("answer", t("body")),
        ]));
        let json = browser.request(Method::POST, path).header("content-type", "application/json");
        browser.send(json.body(format!("{{\"name\": \"{}\"}}", t("body"))));
        let broken = browser.request(Method::POST, path).header("content-type", "multipart/form-data; boundary=b");
        browser.send(broken.body(format!("--b\r\n{}\r\n\r\n", t("body"))));
        let odd = browser.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        let _ = browser.dare(odd.body(format!("name=%FF%ZZ&{}={}", t("body"), t("body").repeat(4_200))));
    }
    browser.send(browser.request(Method::from_bytes(b"QZX6603USERAGENT").expect("a method"), "/"));
}

/// Somebody without an account looks for a hospital and has a file checked.
pub fn visitor(browser: &Browser, base: &str, forms: &Forms, issued: &[u8]) {
    let words = forms.text("words of a search");
    let search = |fields: &[(&str, &str)]| {
        let mut address = reqwest::Url::parse(&format!("{base}/institutions")).expect("an address");
        address.query_pairs_mut().extend_pairs(fields);
        browser.get(address.as_str())
    };
    search(&[("name", words)]).is(200);
    search(&[("name", words), ("from", words)]).is(422);
    let (name, words) = (forms.text("name of an upload"), forms.text("words of an upload"));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(words.as_bytes()).expect("memory");
    let packed = packed.finish().expect("memory");
    let decomposed: String = name.nfd().collect();
    for bytes in [words.as_bytes(), &testkit::one_page_pdf(words), &packed, &[issued, words.as_bytes()].concat()] {
        browser.upload(&format!("{name}.pdf"), bytes).is(200);
        browser.upload(&format!("{decomposed}.pdf"), bytes).is(200);
    }
    browser.upload(&format!("{name}.pdf"), issued).is(200);
}

/// Somebody proves who they are to the agency: a session of one factor. Before that they mistype.
pub fn prove(browser: &Browser, town: &Town, person: &Person) -> Page {
    let page = browser.get("/sign-in/start");
    let (front, back) = person.rrn.split_at(6);
    let request = page.value("request");
    let identify = |name: &str| {
        let fields = [("request", request.as_str()), ("name", name), ("rrn_front", front), ("rrn_back", back)];
        browser.send(browser.request(Method::POST, &format!("{}/identify", town.agency_url())).form(&fields))
    };
    let decomposed: String = person.name.nfd().collect();
    identify(&decomposed);
    let page = identify(&person.name).is(200);
    let code = page.between("id=\"sms-code\">", "<").expect("a text message");
    let fields = [("request", request.as_str()), ("code", &code)];
    browser.send(browser.request(Method::POST, &format!("{}/confirm", town.agency_url())).form(&fields)).is(200)
}

/// Somebody gives both factors on a first visit, the second one wrong at first.
pub fn sign_in(browser: &Browser, town: &Town, forms: &Forms, person: &Person) {
    let step = prove(browser, town, person);
    browser.submit(&step, "/sign-in/second-step", &[("code", forms.text("code of an app"))]).is(422);
    let secret = step.between("id=\"secret\"", "</p>").expect("a secret");
    let secret: String = secret.split('>').nth(1).expect("letters").split_whitespace().collect();
    let secret = totp_rs::Secret::try_from_base32(&secret).expect("base 32");
    let app = totp_rs::Builder::new().with_secret(secret).build().expect("a secret of 160 bits");
    let now_s = u64::try_from(SystemClock::new().now().as_second()).expect("after 1970");
    let page = browser.submit(&step, "/sign-in/second-step", &[("code", &app.generate(now_s).to_string())]).is(200);
    assert_eq!(page.url.path(), "/records");
}

/// The patient reads, filters, exports, consents and mistypes. Gives the issued document, and all pages on which her records stood.
pub fn patient(browser: &Browser, forms: &Forms) -> Vec<u8> {
    let page = browser.get("/records").is(200);
    let visit = page.between("/records/visit/", "\"").expect("a visit");
    browser.get(&format!("/records/visit/{visit}")).is(200);
    let typed = forms.text("period");
    browser.submit(&page, "/records", &[("from", typed), ("to", typed), ("institution", typed)]).is(422);
    browser.submit(&page, "/records/issue", &[("what", typed), ("visit", typed)]).is(400);
    let token = [("csrf", forms.text("token of a form")), ("what", "all")];
    browser.send(browser.request(Method::POST, "/records/issue").form(&token)).is(403);
    browser.submit(&page, "/records", &[("from", &typed.repeat(4_000))]).is(413);
    let pdf = browser.submit(&page, "/records/issue", &[("what", "all"), ("pdf_language", "ko")]).is(200);
    assert_eq!(pdf.kind(), "application/pdf");
    browser.get(&format!("/records/visit/{0}-{0}", "7".repeat(32))).is(403);
    browser.get("/access").is(200);
    browser.get("/access/audit-events.ndjson").is(200);
    let consents = browser.get("/consents").is(200);
    let day = SystemClock::new().now().checked_add(jiff::SignedDuration::from_hours(240)).expect("a day");
    let day = day.to_string()[..10].to_owned();
    let terms = [("purpose", consents.value("purpose")), ("kind", consents.value("kind")), ("until", day.clone())];
    let mut terms: Vec<(&str, &str)> = terms.iter().map(|(name, value)| (*name, value.as_str())).collect();
    terms.push(("every-institution", "yes"));
    browser.submit(&consents, "/consents/give", &[&terms[..], &[("grantee", forms.text("grantee"))]].concat()).is(422);
    browser.submit(&consents, "/consents/give", &[&terms[..], &[("grantee", CODE)]].concat()).is(200);
    let page = browser.get("/representatives").is(200);
    browser
        .submit(&page, "/representatives/appoint", &[("code", forms.text("code of a relative")), ("until", &day)])
        .is(422);
    let page = browser.get("/account/passkeys/add").is(200);
    let answer = SoftKey::new(&origin(&page)).copyable().create(&options(&page));
    let name = forms.text("name of a passkey");
    browser.submit(&page, "/account/passkeys/add", &[("answer", &answer), ("name", name)]).is(200);
    for path in
        ["/account", "/account/passkeys", "/account/app", "/account/app/new", "/account/notices", "/account/sessions"]
    {
        browser.get(path).is(200);
    }
    pdf.bytes
}

/// Members of staff, each in a browser of their own.
pub struct Staff {
    pub administrator: Browser,
    pub clinician: Browser,
    pub steward: Browser,
    pub officer: Browser,
    pub support: Browser,
}

/// Invites staff at the command line; each comes with a passkey, and two of them decide about a lost second factor.
pub fn staff(browser: &Browser, town: &mut Town, forms: &Forms) -> Staff {
    let mut employ = |name: &str, right: &[&str]| {
        let told = town.run(&[&["staff", "invite", "--name", forms.text(name)], right].concat()).1;
        let link = told.lines().find(|line| line.contains("/staff/enrol/")).expect("a link").to_owned();
        let own = browser.other();
        let page = own.get(&link).is(200);
        let answer = SoftKey::new(&origin(&page)).create(&options(&page));
        let fields = [("answer", answer.as_str()), ("name", forms.text("name of a passkey"))];
        own.submit(&page, &link, &fields).is(200);
        own
    };
    Staff {
        administrator: employ("administrator", &["--role", "administrator"]),
        clinician: employ("clinician", &["--role", "clinician", "--institution", CODE]),
        steward: employ("steward", &["--role", "steward"]),
        officer: employ("security officer", &["--role", "security-officer"]),
        support: employ("support", &["--role", "support"]),
    }
}

/// What staff do about the patient: each with words of their own.
pub fn work(staff: &Staff, forms: &Forms) {
    let Staff { administrator, clinician, steward, officer, .. } = staff;
    let page = administrator.get("/staff/people").is(200);
    administrator
        .submit(&page, "/staff/people/invite", &[("name", forms.text("invited")), ("role", "depositor")])
        .is(422);
    administrator
        .submit(&page, "/staff/people/invite", &[("name", forms.text("invited")), ("role", "operator")])
        .is(200);
    let page = clinician.get("/staff/access").is(200);
    let ask = |number: &str, reason: &str| {
        let fields = [("role", "clinician"), ("institution", CODE), ("number", number), ("reason", reason)];
        clinician.submit(&page, "/staff/access/ask", &fields)
    };
    ask(forms.text("unknown number"), forms.text("reason of a request")).is(422);
    ask(forms.text("chart number"), "").is(422);
    ask(forms.text("chart number"), forms.text("reason of a request")).is(200);
    let grounds = steward.get("/staff/grounds").is(200);
    let ground = grounds.value("id");
    steward.submit(&grounds, "/staff/grounds/confirm", &[("id", &ground)]).is(200);
    let seen = clinician.get(&format!("/staff/records/{ground}")).is(200);
    assert!(seen.text().contains(forms.text("diagnosis text")), "{}", seen.text());
    let page = clinician.get("/staff/access").is(200);
    let second = page.between("<select id=\"second\"", "</select>").expect("somebody else");
    let second =
        second.rsplit("value=\"").next().and_then(|rest| rest.split('"').next()).expect("an account").to_owned();
    let glass = [
        ("institution", CODE),
        ("number", forms.text("chart number")),
        ("reason", forms.text("reason of an emergency")),
        ("second", &second),
    ];
    clinician.submit(&page, "/staff/access/break", &glass).is(200);
    let reviews = officer.get("/staff/reviews").is(200);
    let verdict = reviews.between("<option value=\"", "\"").expect("a verdict");
    let fields = [("id", reviews.value("id")), ("verdict", verdict), ("note", forms.text("review").to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    officer.submit(&reviews, "/staff/reviews/close", &fields).is(200);
    clinician.get("/staff/people").is(403);
}

/// The watch finds that a decoy was looked at; the officer asks, the clinician answers, the case is closed, the month signed.
pub fn case(staff: &Staff, forms: &Forms) {
    let Staff { clinician, officer, .. } = staff;
    let begun = Instant::now();
    let case = loop {
        let page = officer.get("/staff/watch").is(200);
        if let Some(case) = page.between("/staff/watch/case/", "\"") {
            break case;
        }
        assert!(begun.elapsed() < PATIENCE, "no case: {}", page.text());
        std::thread::sleep(Duration::from_millis(100));
    };
    let address = format!("/staff/watch/case/{case}");
    let page = officer.get(&address).is(200);
    let act = |what: &str, more: &[(&str, &str)]| officer.submit(&page, &address, &[&[("do", what)], more].concat());
    act("assign", &[]).is(200);
    act("ask", &[("text", forms.text("question"))]).is(200);
    act("note", &[("text", forms.text("note of a case"))]).is(200);
    let asked = clinician.get("/staff/questions").is(200);
    clinician.submit(&asked, &format!("/staff/questions/{case}"), &[("text", forms.text("answer"))]);
    act("close", &[("text", forms.text("end of a case"))]).is(422);
    act("close", &[("text", forms.text("end of a case")), ("outcome", "breach")]).is(200);
    officer.get(&address).is(200);
    let review = officer.get("/staff/watch/review").is(200);
    let month = review.url.path().to_owned();
    officer.submit(&review, &month, &[("note", forms.text("month"))]);
}

/// The second person has lost the second factor, and two members of staff write down what they were shown.
pub fn recovery(browser: &Browser, staff: &Staff, forms: &Forms) {
    let page = browser.get("/sign-in/recover").is(200);
    let asked = browser.submit(&page, "/sign-in/recover", &[]).is(200);
    let code = asked.between("id=\"recovery-code\"", "</p>").and_then(|rest| Some(rest.split_once('>')?.1.to_owned()));
    let code = code.unwrap_or_else(|| panic!("no number: {}", asked.text()));
    let fields =
        [("code", code.trim()), ("proof", forms.text("proof")), ("reason", forms.text("reason of a recovery"))];
    for colleague in [&staff.support, &staff.administrator] {
        let page = colleague.get("/staff/recovery").is(200);
        colleague.submit(&page, "/staff/recovery", &fields[..1]).is(200);
        colleague.submit(&page, "/staff/recovery", &[("code", forms.text("code of an app"))]).is(422);
        colleague.submit(&page, "/staff/recovery/approve", &fields);
    }
}

/// Two sites are away: nothing is issued, and what the program says of it names nobody.
pub fn without_sites(browser: &Browser, town: &Town) {
    let place = |name: &str, end: &str| town.path(&format!("demo/sites/{name}{end}"));
    let page = browser.get("/records").is(200);
    for name in ["b", "c"] {
        fs::rename(place(name, ""), place(name, "-away")).expect("it is there");
    }
    let pdf = browser.submit(&page, "/records/issue", &[("what", "all"), ("pdf_language", "en")]);
    for name in ["b", "c"] {
        fs::rename(place(name, "-away"), place(name, "")).expect("it was there");
    }
    assert_eq!(pdf.status, 503, "{}", pdf.text());
}

/// What an operator does, as the program serves.
pub fn operator(town: &mut Town, forms: &Forms, issued: &[u8]) {
    let well = |said: (Option<i32>, String)| assert_eq!(said.0, Some(0), "{}", said.1);
    fs::create_dir(town.path("backups")).expect("made");
    fs::write(town.path("reason"), forms.text("reason of an erasure")).expect("written");
    fs::write(town.path("issued.pdf"), issued).expect("written");
    let (backups, reason) = (text(&town.path("backups")), text(&town.path("reason")));
    well(town.run(&["keys", "backup", &backups]));
    well(town.run(&["keys", "compact"]));
    let listed = town.run(&["staff", "list"]).1;
    let steward = listed.lines().find(|line| line.contains(forms.text("steward"))).expect("listed");
    let steward = steward.split(' ').next().expect("an account").to_owned();
    let patient = town.patients()[1].to_string();
    let who = ["--account", &steward, "--role", "steward", "--patient", &patient];
    well(town.run(&[&["shred", "request", "--reason", &reason, "--basis", "PIPA article 36(1)"][..], &who].concat()));
    for command in
        [&["shred", "list"][..], &["watch", "alerts"], &["fingerprint"], &["status"], &["keys"], &["keys", "mend"]]
    {
        town.run(command);
    }
    well(town.run(&["scrub"]));
    let month = SystemClock::new().now().to_string()[..7].to_owned();
    town.run(&["review", "--month", &month]);
    let proof = text(&town.path("proof"));
    well(town.run(&["prove", "--leaf", "0", "--out", &proof]));
    let policy = text(&town.path("demo/witnesses.policy"));
    let verify = ["verify", "--policy", &policy, &text(&town.path("issued.pdf"))];
    well(town.run_plain(&verify.map(str::to_owned)));
    let audit = ["audit-log", &format!("{}/log/records", town.url()), "--policy", &policy];
    well(town.run_plain(&audit.map(str::to_owned)));
}

/// What a page asks a browser with passkeys for.
fn options(page: &Page) -> String {
    page.between("data-options=\"", "\"").unwrap_or_else(|| panic!("no passkey is asked for: {}", page.text()))
}

fn origin(page: &Page) -> String {
    page.url.origin().ascii_serialization()
}
