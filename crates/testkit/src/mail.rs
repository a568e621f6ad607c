//! A mail server, as far as a sender needs one: it takes what comes. Not whether a letter is well formed.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// One conversation of SMTP; gives what was said to the server.
#[must_use]
pub fn take_mail(stream: &TcpStream) -> Vec<u8> {
    let mut out = stream;
    let mut say = |line: &str| drop(out.write_all(format!("{line}\r\n").as_bytes()));
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let mut heard = Vec::new();
    say("220 mail.test ready");
    while let Some(line) = lines.next() {
        heard.extend(format!("{line}\n").into_bytes());
        match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "DATA" => {
                say("354 go on");
                let letter = lines.by_ref().take_while(|line| line != ".");
                letter.for_each(|line| heard.extend(format!("{line}\n").into_bytes()));
                say("250 taken");
            }
            "QUIT" => {
                say("221 bye");
                break;
            }
            _ => say("250 ok"),
        }
    }
    heard
}
