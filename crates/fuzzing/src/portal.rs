//! Targets for what browsers send to the portal: a whole request of a stranger, and forms and addresses of somebody who has
//! signed in. Every request is answered, no answer is the program's own fault, and nothing comes back as markup.

use crate::house::{self, CODE};
use identity::{DEVICE_COOKIE, PASSKEY_COOKIE, SESSION_COOKIE, SIGN_IN_COOKIE};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest answer: a long list, or a document that was made.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Headers of the target's own: they say how the request is cut, which is the server library's business.
const OURS: [&str; 6] = ["content-length", "transfer-encoding", "connection", "expect", "upgrade", "host"];
/// Looks like markup once it stands in a page.
const MARKUP: &str = "fuzz-markup";

fn markup() -> String {
    format!("\"'{}{MARKUP} x=", '<')
}

pub fn request_seeds() -> Vec<Vec<u8>> {
    let name = "%EA%B0%80%EC%98%A8%EC%9D%98%EC%9B%90";
    let multipart = "POST /verify\ncontent-type: multipart/form-data; boundary=x\n\n--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\ncontent-type: application/pdf\r\n\r\n%PDF-1.7\n%%EOF\n\r\n--x--\r\n";
    let requests = [
        format!("GET /institutions?name={name}&region=&kind=31&from=2020-01-01&to=2026-12-31"),
        format!("GET /institutions?name={}", markup().replace('"', "%22")),
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

pub fn form_seeds() -> Vec<Vec<u8>> {
    let markup = markup().replace('"', "%22").replace('=', "%3D");
    let forms = [
        "GET /records?page=2".to_owned(),
        format!("POST /records\nfrom=2020-01-01&to=2026-12-31&institution={CODE}&clear="),
        "GET /records/visit/00000000000000000000000000000000-00000000000000000000000000000000".to_owned(),
        "GET /access?page=1".to_owned(),
        "GET /access/audit-events.ndjson".to_owned(),
        format!("POST /consents/give\ngrantee={CODE}%2011100002&purpose=care&kind=encounters&every-institution=yes&until=2027-01-31&sensitive=infection&institution={CODE}"),
        "POST /consents/change\nid=00000000000000000000000000000000&until=2027-01-31".to_owned(),
        "POST /consents/withdraw\nid=00000000000000000000000000000000".to_owned(),
        "GET /consents/00000000000000000000000000000000".to_owned(),
        "POST /representatives/appoint\ncode=0000%200000%200000&until=2027-01-31&share=whole".to_owned(),
        "POST /representatives/end\nid=00000000000000000000000000000000".to_owned(),
        "GET /acting/00000000000000000000000000000000".to_owned(),
        "POST /account/end\nsession=00000000000000000000000000000000".to_owned(),
        format!("POST /account/prove\ncode=123%20456&answer={markup}&to=/records"),
        format!("POST /account/passkeys/add\nname={markup}&answer=%7B%22id%22%3A%22AA%22%7D"),
        "POST /account/passkeys/remove\npasskey=AA".to_owned(),
        "POST /sign-in/second-step\ncode=000000".to_owned(),
        "POST /sign-in/recover\ncode=AAAA-BBBB".to_owned(),
        "POST /records/issue\nwhat=visits&visit=00000000000000000000000000000000-00000000000000000000000000000000&pdf_language=en".to_owned(),
        format!("POST /records/issue\nwhat=period&from={markup}&to=2024-02-30"),
        "GET /account/notices?page=18446744073709551615".to_owned(),
    ];
    forms.into_iter().map(String::into_bytes).collect()
}

/// Something that somebody sends who has signed in: method and address, and in the lines after it the fields of a form, to which
/// the token of the session is added.
pub fn form(bytes: &[u8]) {
    house::with(|house| {
        house.world.clock.advance(1);
        let (session, token) = house.member();
        let (first, fields) = cut(bytes, b"\n");
        let first = String::from_utf8_lossy(first).into_owned();
        let (method, address) = first.split_once(' ').unwrap_or(("GET", &first));
        let body = [b"csrf=", session.csrf.expose().as_bytes(), b"&", fields].concat();
        let headers = [
            format!("cookie: {SESSION_COOKIE}={token}; {PASSKEY_COOKIE}=AAAA"),
            "content-type: application/x-www-form-urlencoded".to_owned(),
        ];
        let body = if method == "POST" { body } else { Vec::new() };
        send(&house.host, method, address, &headers, &body);
    });
}

fn cut<'a>(bytes: &'a [u8], mark: &[u8]) -> (&'a [u8], &'a [u8]) {
    match bytes.windows(mark.len()).position(|window| window == mark) {
        Some(at) => (&bytes[..at], &bytes[at + mark.len()..]),
        None => (bytes, b""),
    }
}

/// Sends a request that is one, whatever stands in it, and reads the answer.
fn send(host: &str, method: &str, address: &str, headers: &[String], body: &[u8]) {
    let method = if method == "POST" { "POST" } else { "GET" };
    let mut path: String = address.chars().filter(char::is_ascii_graphic).take(4_000).collect();
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
    let answer = exchange(host, &[head.as_bytes(), body].concat()).unwrap_or_else(|error| panic!("no answer: {error}"));
    let line = String::from_utf8_lossy(answer.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    let status =
        line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|text| text.parse::<u16>().ok());
    if std::env::var("DBG").is_ok() { eprintln!("{method} {path} -> {line} {}", String::from_utf8_lossy(&answer).lines().find(|l| l.to_lowercase().starts_with("location")).unwrap_or_default()); }
    assert!(status.is_some_and(|status| status < 500), "{method} {path} is answered with {line:?}");
    let opened = format!("{}{MARKUP}", '<');
    let is_page = !answer.windows(15).any(|window| window == b"application/pdf");
    let found = answer.windows(opened.len()).any(|window| window == opened.as_bytes());
    assert!(!(is_page && found), "{method} {path} gives markup back");
}

fn exchange(host: &str, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut connection = TcpStream::connect(host.replace("localhost", "127.0.0.1"))?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(request)?;
    let mut answer = Vec::new();
    connection.take(ANSWER_BYTES_MAX as u64 + 1).read_to_end(&mut answer)?;
    assert!(answer.len() <= ANSWER_BYTES_MAX, "the answer has no end");
    Ok(answer)
}
