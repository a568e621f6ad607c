//! Targets for what browsers of staff send: every page and form of theirs, by somebody whom its guard lets in, and where the live
//! page goes on; and for the certificates of erasures that staff give out. Judged as in [`crate::portal`]; besides,
//! nobody is sent away to sign in or to give a second factor, so that what stands in the fields is what is answered.

use crate::house::{self, House};
use crate::ledger::{SALT, proven};
use crate::portal::{PATIENCE, cut, exchange, markup, percent, send};
use base::{hex, unhex};
use identity::SESSION_COOKIE;
use ledger::{EntryKind, VerifierKey};
use policy::Role;
use portal::certificate::check;
use portal::{Guard, Route};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::sync::LazyLock;
use std::time::Duration;

/// Who sends what any member of staff may send.
const ANYBODY: [Role; 3] = [Role::Clinician, Role::SecurityOfficer, Role::Administrator];
/// Goes on for as long as there is nothing to tell: [`live`] listens to it.
const LIVE: &str = "/staff/watch/events";
/// After which it is known that there is nothing to tell.
const LIVE_WAIT: Duration = Duration::from_millis(150);

/// Pages and forms of staff, each with the roles that its guard lets in.
static ROUTES: LazyLock<Vec<(Route, &'static [Role])>> = LazyLock::new(|| {
    let roles = |route: &Route| match route.guard {
        Guard::Staff => Some(&ANYBODY[..]),
        Guard::Role(roles, _) => Some(roles),
        _ => None,
    };
    let routes = portal::routes().into_iter().filter(|route| route.path != LIVE);
    routes.filter_map(|route| Some((route, roles(&route)?))).collect()
});

/// Forms as their pages send them: address, the open parts of it, fields.
const FILLED: [(&str, &str, &str); 31] = [
    ("/staff/access/ask", "", "role=support&institution=31100001&number=p1&reason=x"),
    ("/staff/access/ask", "", "role=clinician&institution=31100001&number=p2&reason=x"),
    ("/staff/access/break", "", "institution=31100001&number=p1&reason=x&second=@officer"),
    ("/staff/access/seen", "", "shown=@glass&shown=@glass"),
    ("/staff/records/{ground}", "@request", "what=all&pdf_language=en"),
    ("/staff/representatives", "", "institution=31100001&number=p1"),
    ("/staff/representatives", "", "ground=@request&case=spouse-or-lineal&choose=case"),
    (
        "/staff/representatives/record",
        "",
        "ground=@request&case=spouse-or-lineal&seen=own-id&seen=family-proof&seen=patient-consent&seen=patient-id&code=@person&reach=all&share=whole&begin=2026-12-01&until=2026-12-31",
    ),
    ("/staff/representatives/end", "", "ground=@request&id=@appointed"),
    ("/staff/access/close", "", "id=@request"),
    ("/staff/grounds/confirm", "", "id=@waiting"),
    ("/staff/grounds/close", "", "id=@visit"),
    ("/staff/reviews/close", "", "id=@glass&verdict=justified&note=x"),
    ("/staff/people/invite", "", "name=x&role=clinician&institution=31100001"),
    ("/staff/people/invite-again", "", "account=@invited"),
    ("/staff/people/give", "", "account=@worker&role=pharmacist&institution=31100001"),
    ("/staff/people/confirm", "", "account=@worker&role=pharmacist&institution=31100001"),
    ("/staff/people/take", "", "account=@worker&role=auditor"),
    ("/staff/people/recover", "", "account=@worker"),
    ("/staff/people/off-board", "", "account=@invited"),
    ("/staff/recovery", "", "code=@code"),
    ("/staff/recovery/approve", "", "code=@code&proof=in-person&reason=x"),
    ("/staff/watch/marks/set", "", "institution=31100001&number=p2&flag=vip&reason=x"),
    ("/staff/watch/marks/take", "", "subject=@subject&flag=decoy&reason=x"),
    ("/staff/watch/case/{id}", "@case", "do=ask&text=x"),
    ("/staff/questions/{id}", "@case", "text=x"),
    ("/staff/watch/case/{id}", "@case", "do=close&outcome=breach&text=x"),
    ("/staff/watch/case/{id}", "@case", "do=duty&duty=tell-subject"),
    ("/staff/watch/review/{month}", "2026-10", "note=x"),
    ("/staff/erasures/ask", "", "what=patient&institution=31100001&number=p2&reason=x&basis=x&despite=yes"),
    ("/staff/erasures/look", "", "what=class&class-institution=31100001&class=chart&year=2032"),
];

pub fn form_seeds() -> Vec<Vec<u8>> {
    let seed = |at: usize, part: &str, fields: &str| {
        let at = u8::try_from(at).expect("fewer addresses than a byte can name");
        [&[at][..], part.as_bytes(), b"\n", fields.as_bytes()].concat()
    };
    let place = |method: &str, path: &str| {
        let at = ROUTES.iter().position(|(route, _)| (route.method, route.path) == (method, path));
        at.unwrap_or_else(|| panic!("{method} {path} is no address of staff"))
    };
    let filled = FILLED.iter().map(|(path, part, fields)| seed(place("POST", path), part, fields));
    let markup = percent(&markup());
    // Everything that any form has, with something that must not come back as it is.
    let names =
        "name reason number institution text note code proof year class basis until account id subject only begin seen";
    let bad: Vec<String> = names.split(' ').map(|name| format!("{name}={markup}")).collect();
    let id = |route: &Route| match route.path {
        path if path.contains("/erasures/") => "@erasure",
        path if path.contains("/case/") || path.contains("/questions/") => "@case",
        path if path.contains("{month}") => "2026-10",
        _ => "@visit",
    };
    let each = ROUTES.iter().enumerate().map(|(at, (route, _))| seed(at, id(route), &bad.join("&")));
    filled.chain(each).collect()
}

/// Something that a member of staff asks for or sends: one byte for the address and the role, a line for the open parts of the
/// address, and the fields.
pub fn form(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let which = usize::from(*which);
    let (route, roles) = ROUTES[which % ROUTES.len()];
    let role = roles[which / ROUTES.len() % roles.len()];
    house::with(|house| {
        house.world.clock.advance(1);
        let bytes = house.named(bytes);
        let (part, fields) = cut(&bytes, b"\n");
        let mut address = in_place(route.path, &String::from_utf8_lossy(part));
        if route.method == "GET" {
            address = format!("{address}?{}", String::from_utf8_lossy(fields));
        }
        answered(house, role, route.method, &address, fields);
    });
}

/// Sends it as somebody in a role; gives the head of the answer, in small letters.
fn answered(house: &mut House, role: Role, method: &str, address: &str, fields: &[u8]) -> String {
    let (session, token) = house.colleague(role);
    let headers =
        [format!("cookie: {SESSION_COOKIE}={token}"), "content-type: application/x-www-form-urlencoded".to_owned()];
    let body = match method {
        "POST" => [b"csrf=", session.csrf.expose().as_bytes(), b"&", fields].concat(),
        _ => Vec::new(),
    };
    let answer = send(&house.host, method, address, &headers, &body);
    let head = String::from_utf8_lossy(cut(&answer, b"\r\n\r\n").0).to_lowercase();
    for away in ["location: /staff/sign-in", "location: /account/prove", "location: /sign-in", "http/1.1 401"] {
        assert!(!head.contains(away), "{method} {address} by {}: the guard does not let in: {head}", role.name());
    }
    head
}

/// An address with its open parts, which are separated by `/`.
fn in_place(path: &str, part: &str) -> String {
    let mut parts = part.split('/');
    let segment = |segment: &str| match segment.starts_with('{') {
        true => parts.next().unwrap_or_default().to_owned(),
        false => segment.to_owned(),
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// One certificate of an erasure as it is given out, and the key of its log.
static CERTIFICATE: LazyLock<(Value, VerifierKey)> = LazyLock::new(|| {
    let content = b"what was erased";
    let (proof, key) = proven(EntryKind::Shred, content);
    let proof = String::from_utf8(proof.to_bytes()).expect("ASCII");
    let said = json!({ "format": 1, "number": "00".repeat(16), "reason": "x" });
    (json!({ "certificate": said, "content": hex(content), "leaf": 4, "salt": hex(&SALT), "proof": proof }), key)
});

pub fn certificate_seeds() -> Vec<Vec<u8>> {
    let mut nobodys = CERTIFICATE.0.clone();
    nobodys["proof"] = json!("c2sp.org/tlog-proof@v1\nindex 0\n\nlog.example\n1\nAAAA\n");
    vec![CERTIFICATE.0.to_string().into_bytes(), nobodys.to_string().into_bytes(), b"[]".to_vec()]
}

/// A file that says that it is a certificate of an erasure: what holds commits to what was committed to.
pub fn certificate(bytes: &[u8]) {
    let Ok(given) = serde_json::from_slice::<Value>(bytes) else { return };
    let (genuine, key) = &*CERTIFICATE;
    match check(&given, std::slice::from_ref(key)) {
        Ok(leaf) => {
            let content = |one: &Value| one["content"].as_str().and_then(unhex);
            assert_eq!((leaf, content(&given)), (4, content(genuine)), "nothing else was logged");
        }
        Err(fault) => assert!(fault.len() < 1_000 && !fault.is_empty()),
    }
    assert!(check(&given, &[]).is_err(), "no key is pinned");
}

pub fn live_seeds() -> Vec<Vec<u8>> {
    let texts = ["0", "1", "-1", "+1", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "x", ""];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Where a browser says that the live page is to go on: what comes is a stream of events whose ids are numbers, or nothing yet.
pub fn live(bytes: &[u8]) {
    house::with(|house| {
        house.world.clock.advance(1);
        // There is a case to tell of.
        house.named(b"");
        let (_, token) = house.colleague(Role::SecurityOfficer);
        let told: String = String::from_utf8_lossy(bytes).chars().filter(|letter| !letter.is_control()).collect();
        let head = format!("GET {LIVE} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", house.host);
        let head = format!("{head}cookie: {SESSION_COOKIE}={token}\r\nlast-event-id: {}\r\n\r\n", told.trim());
        // Only a number is waited on.
        let is_number = told.trim().parse::<i64>().is_ok();
        let wait = if is_number { LIVE_WAIT } else { PATIENCE };
        let answer = match exchange(&house.host, head.as_bytes(), wait) {
            Ok(answer) => String::from_utf8(answer).expect("events are UTF-8"),
            Err(error) => {
                let waits = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(is_number && waits, "no answer to {told:?}: {error}");
                return;
            }
        };
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let head = head.to_lowercase();
        assert!(head.starts_with("http/1.1 200") && head.contains("content-type: text/event-stream"), "{head}");
        for line in body.lines().filter_map(|line| line.strip_prefix("id: ")) {
            assert!(line.parse::<i64>().is_ok_and(|id| id >= 0), "a browser would send {line:?} next");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::house::CODE;

    #[test]
    fn what_pages_send_is_done_and_every_form_of_staff_is_reached() {
        let posts = ROUTES.iter().filter(|(route, _)| route.method == "POST").count();
        assert!(posts >= 30, "{posts} forms of staff");
        let mut undone = Vec::new();
        house::with(|house| {
            for (path, part, fields) in FILLED {
                let (_, roles) =
                    ROUTES.iter().find(|(route, _)| (route.method, route.path) == ("POST", path)).expect("there");
                let named = house.named(format!("{part}\n{fields}").as_bytes());
                let (part, fields) = cut(&named, b"\n");
                let address = in_place(path, &String::from_utf8_lossy(part));
                // One of those who may come may also do it.
                let heads: Vec<String> =
                    roles.iter().map(|role| answered(house, *role, "POST", &address, fields)).collect();
                let done = ["http/1.1 200", "http/1.1 303"];
                if !heads.iter().any(|head| done.iter().any(|status| head.starts_with(status))) {
                    undone.push(format!(
                        "{path} {}",
                        heads.iter().map(|head| &head[9..12]).collect::<Vec<_>>().join(" ")
                    ));
                }
            }
        });
        house::close();
        assert_eq!(undone, ["/staff/people/confirm 400"], "another administrator confirms what one has asked for");
        assert_eq!(CODE, "31100001", "the forms name the institution");
        assert_eq!(check(&CERTIFICATE.0, std::slice::from_ref(&CERTIFICATE.1)), Ok(4));
    }
}
