//! Targets for what browsers send to the portal: a whole request of a stranger, and forms and addresses of somebody who has
//! signed in. Every request is answered, no answer is the program's own fault, and nothing comes back as markup.

use crate::house::{self, CODE};
use base::Id16;
use identity::{DEVICE_COOKIE, PASSKEY_COOKIE, SESSION_COOKIE, SIGN_IN_COOKIE};
use policy::{DataKind, InstitutionCode, Sensitive};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use store::ConsentPurpose;

/// Longest wait for an answer.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Largest answer: a document that was made, or the list of accesses, to which each request here adds one.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Headers of the target's own: they say how the request is cut, which is the server library's business.
const OURS: [&str; 6] = ["content-length", "transfer-encoding", "connection", "expect", "upgrade", "host"];
/// Looks like markup once it stands in a page.
const MARKUP: &str = "fuzz-markup";

pub fn markup() -> String {
    format!("\"'{}{MARKUP} x=", '<')
}

pub fn request_seeds() -> Vec<Vec<u8>> {
    let name = "%EA%B0%80%EC%98%A8%EC%9D%98%EC%9B%90";
    let multipart = "POST /verify\ncontent-type: multipart/form-data; boundary=x\n\n--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\ncontent-type: application/pdf\r\n\r\n%PDF-1.7\n%%EOF\n\r\n--x--\r\n";
    let requests = [
        format!("GET /institutions?name={name}&region=&kind=31&from=2020-01-01&to=2026-12-31"),
        format!("GET /institutions?name={}&region={0}", percent(&markup())),
        format!("GET /institutions/{CODE}\naccept-language: en-GB;q=0.8, ko;q=0.7, *;q=nan"),
        "GET /verify/HM-2026-XXXX-XXXX-XXXX\nx-forwarded-for: 2001:db8::1, 192.0.2.9\nuser-agent: x".to_owned(),
        "GET /sign-in?to=/records%2Fvisit".to_owned(),
        format!("GET /sign-in/return?code=c&state=s&error=e\ncookie: {SIGN_IN_COOKIE}=AAAA; {DEVICE_COOKIE}=BBBB"),
        format!("GET /language?to=en&back=/help\ncookie: __Host-hanmaru-language=ko; {SESSION_COOKIE}=CCCC"),
        "GET /staff/enrol/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nreferer: x".to_owned(),
        format!(
            "POST /staff/sign-in\ncookie: {PASSKEY_COOKIE}=AAAA\ncontent-type: application/x-www-form-urlencoded\n\nanswer=%7B%22id%22%3A%22AA%22%7D"
        ),
        "POST /staff/enrol/AAAA\ncontent-type: application/x-www-form-urlencoded\n\nname=x&answer=%7B%7D".to_owned(),
        multipart.to_owned(),
        "GET /assets/style.css\nif-none-match: \"x\"\nrange: bytes=0-1".to_owned(),
    ];
    requests.into_iter().map(String::into_bytes).collect()
}

/// A request of a stranger: method and address, headers in lines, an empty line, the body.
pub fn request(bytes: &[u8]) {
    house::with(|house| {
        // What costs is given out by the minute.
        house.world.clock.advance(1);
        let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        let (head, body) = cut(bytes, b"\n\n");
        let mut lines = head.split(|byte| *byte == b'\n');
        let first = text(lines.next().unwrap_or_default());
        let (method, address) = first.split_once(' ').unwrap_or(("GET", &first));
        let headers: Vec<String> = lines.map(text).collect();
        send(&house.host, method, address, &headers, body);
    });
}

/// What somebody asks for who has signed in, with a place for a part of the address.
const ASKED: [&str; 28] = [
    "GET /records?{}",
    "POST /records",
    "GET /records/visit/{}",
    "GET /access?{}",
    "GET /access/audit-events.ndjson?{}",
    "POST /consents/give",
    "POST /consents/change",
    "POST /consents/withdraw",
    "GET /consents/{}",
    "POST /representatives/appoint",
    "POST /representatives/end",
    "GET /acting/{}",
    "POST /account/end",
    "POST /account/prove",
    "GET /account/prove?{}",
    "GET /account/notices?{}",
    "POST /account/passkeys/add",
    "POST /account/passkeys/remove",
    "GET /sign-in/second-step?{}",
    "POST /sign-in/second-step",
    "POST /sign-in/passkey",
    "POST /sign-in/recover",
    "POST /records/issue",
    "GET /sign-in/return?{}",
    "GET /staff/access?{}",
    "POST /verify?{}",
    "POST /account/app/new",
    "POST /account/app/remove",
];

pub fn form_seeds() -> Vec<Vec<u8>> {
    let nobody = Id16([0; 16]);
    let code = InstitutionCode::new(CODE).expect("a code");
    let visit = house::with(|house| {
        let ids = house.world.store().ids();
        format!("{}-{}", ids.patient(&code, "p1").id(), ids.resource(&code, "Encounter", "v1"))
    });
    let consent = format!(
        "grantee={CODE}&purpose={}&kind={}&every-institution=yes&until=2027-01-31&sensitive={}",
        ConsentPurpose::Care.name(),
        DataKind::ALL[0].name(),
        Sensitive::ALL[0].name()
    );
    let markup = percent(&markup());
    let seed = |asked: &str, part: &str, fields: &str| {
        let at = ASKED.iter().position(|one| one.starts_with(asked)).expect("it is asked for");
        [&[at as u8][..], part.as_bytes(), b"\n", fields.as_bytes()].concat()
    };
    vec![
        seed("GET /records?", "page=2&x=%ff", ""),
        seed("POST /records", "", &format!("from=2020-01-01&to=2026-12-31&institution={CODE}&clear=")),
        seed("POST /records", "", &format!("from={markup}&to=2024-02-30&institution={markup}")),
        seed("GET /records/visit", &visit, ""),
        seed("GET /access?", "page=18446744073709551615", ""),
        seed("GET /access/audit", "", ""),
        seed("POST /consents/give", "", &consent),
        seed("POST /consents/give", "", &consent.replace(CODE, &markup)),
        seed("POST /consents/change", "", &format!("id={nobody}&{consent}")),
        seed("POST /consents/withdraw", "", &format!("id={nobody}")),
        seed("GET /consents", &nobody.to_string(), ""),
        seed("POST /representatives/appoint", "", &format!("code={}&until=2027-01-31&share=whole", Id16([7; 16]))),
        seed("POST /representatives/end", "", &format!("id={nobody}")),
        seed("GET /acting", &nobody.to_string(), ""),
        seed("POST /account/end", "", &format!("session={nobody}")),
        seed("POST /account/prove", "", &format!("code=123%20456&answer={markup}&to=/records")),
        seed("GET /account/prove", "to=/records/issue", ""),
        seed("GET /account/notices", "page=1", ""),
        seed("POST /account/passkeys/add", "", &format!("name={markup}&answer=%7B%22id%22%3A%22AA%22%7D")),
        seed("POST /account/passkeys/remove", "", "passkey=AA"),
        seed("POST /account/app/new", "", "code=000000"),
        seed("POST /account/app/remove", "", ""),
        seed("GET /sign-in/second-step", "to=//x", ""),
        seed("POST /sign-in/second-step", "", "code=000000"),
        seed("POST /sign-in/recover", "", "code=AAAA-BBBB"),
        seed("POST /records/issue", "", &format!("what=visits&visit={visit}&pdf_language=en")),
        seed("POST /records/issue", "", &format!("what=period&from={markup}&to=2024-02-30")),
        seed("GET /sign-in/return", "code=c&state=s", ""),
    ]
}

/// Something that somebody sends who has signed in: one byte for what is asked, a line for the part of the address that is
/// open, and the fields of a form, to which the token of the session is added.
pub fn form(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let asked = ASKED[usize::from(*which) % ASKED.len()];
    house::with(|house| {
        house.world.clock.advance(1);
        let (session, token) = house.member();
        let (part, fields) = cut(bytes, b"\n");
        let asked = asked.replace("{}", &String::from_utf8_lossy(part));
        let (method, address) = asked.split_once(' ').expect("a method and an address");
        let body = [b"csrf=", session.csrf.expose().as_bytes(), b"&", fields].concat();
        let headers = [
            format!("cookie: {SESSION_COOKIE}={token}; {PASSKEY_COOKIE}=AAAA"),
            "content-type: application/x-www-form-urlencoded".to_owned(),
        ];
        let body = if method == "POST" { body } else { Vec::new() };
        send(&house.host, method, address, &headers, &body);
    });
}

/// A text as it stands in an address or a form: what may not stand there is escaped, and `%` is left as it is.
pub fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let stands = byte.is_ascii_alphanumeric() || b"%-._~/?&=:@!$'()*+,;".contains(&byte);
        if stands { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    out
}

pub fn cut<'a>(bytes: &'a [u8], mark: &[u8]) -> (&'a [u8], &'a [u8]) {
    match bytes.windows(mark.len()).position(|window| window == mark) {
        Some(at) => (&bytes[..at], &bytes[at + mark.len()..]),
        None => (bytes, b""),
    }
}

/// Sends a request that is one, whatever stands in it, and judges the answer, which it gives.
pub fn send(host: &str, method: &str, address: &str, headers: &[String], body: &[u8]) -> Vec<u8> {
    let method = if method == "POST" { "POST" } else { "GET" };
    let mut path = percent(address);
    path.truncate(4_000);
    if !path.starts_with('/') {
        path.insert(0, '/');
    }
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for line in headers.iter().take(40) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if is_name && !OURS.contains(&name.to_ascii_lowercase().as_str()) {
            let value: String = value.chars().filter(|letter| !letter.is_control()).collect();
            head.push_str(&format!("{name}: {}\r\n", value.trim()));
        }
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let answer = exchange(host, &[head.as_bytes(), body].concat(), PATIENCE);
    let answer = answer.unwrap_or_else(|error| panic!("no answer: {error}"));
    let line = String::from_utf8_lossy(answer.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    let status =
        line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|text| text.parse::<u16>().ok());
    assert!(status.is_some_and(|status| status < 500), "{method} {path} is answered with {line:?}");
    let opened = format!("{}{MARKUP}", '<');
    let is_page = !answer.windows(15).any(|window| window == b"application/pdf");
    let found = answer.windows(opened.len()).any(|window| window == opened.as_bytes());
    assert!(!(is_page && found), "{method} {path} gives markup back");
    answer
}

/// Sends a request, and reads until the other side is done; an error where nothing comes for a time.
pub fn exchange(host: &str, request: &[u8], patience: Duration) -> std::io::Result<Vec<u8>> {
    let mut connection = TcpStream::connect(host.replace("localhost", "127.0.0.1"))?;
    connection.set_read_timeout(Some(patience))?;
    connection.write_all(request)?;
    let mut answer = Vec::new();
    connection.take(ANSWER_BYTES_MAX as u64 + 1).read_to_end(&mut answer)?;
    assert!(answer.len() <= ANSWER_BYTES_MAX, "the answer has no end");
    Ok(answer)
}
