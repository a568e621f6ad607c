//! An alert as mail: in both languages, with the case's number and nothing about a person.

use super::Alert;
use super::config::{Mail, Security};
use base::Timestamp;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};
use portal::{Locale, Texts};
use std::time::Duration;

/// How long the server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends an alert to everybody whom the configuration names.
pub(super) fn send(to: &Mail, alert: &Alert) -> Result<(), String> {
    let message = message(to, alert)?;
    let tls = match to.security {
        Security::None => Tls::None,
        Security::StartTls => Tls::Required(parameters(&to.server)?),
        Security::Tls => Tls::Wrapper(parameters(&to.server)?),
    };
    let mut transport =
        SmtpTransport::builder_dangerous(to.server.as_str()).port(to.port).tls(tls).timeout(Some(PATIENCE));
    if let Some((user, password)) = &to.login {
        transport = transport.credentials(Credentials::new(user.clone(), password.expose().clone()));
    }
    transport.build().send(&message).map(drop).map_err(|error| error.to_string())
}

fn parameters(server: &str) -> Result<TlsParameters, String> {
    TlsParameters::new(server.to_owned()).map_err(|error| error.to_string())
}

fn message(to: &Mail, alert: &Alert) -> Result<Message, String> {
    let address = |text: &String| text.parse().map_err(|error| format!("a mail address is not one: {error}"));
    // Codes and no words: mail is sorted by them.
    let subject = format!("[Hanmaru] {} {} {}", alert.severity, alert.rule, &alert.case[..8]);
    let mut builder = Message::builder().from(address(&to.from)?).subject(subject).header(ContentType::TEXT_PLAIN);
    for one in &to.to {
        builder = builder.to(address(one)?);
    }
    builder.body(body(alert)).map_err(|error| error.to_string())
}

/// The same in each language, one below the other.
fn body(alert: &Alert) -> String {
    Locale::ALL.map(|locale| in_words(locale.texts(), alert)).join("\n")
}

fn in_words(t: &Texts, alert: &Alert) -> String {
    let Alert { case, rule, severity, opened } = alert;
    // What another edition of the rules queued may have no word here.
    let word = |kind: &str, name: &str| {
        let key = format!("{kind}-{name}");
        if t.has(&key) { t.t(&key) } else { name.to_owned() }
    };
    let (rule, severity) = (word("watch-rule", rule), word("watch-severity", severity));
    // By the clock in Korea, as on the case's page.
    let opened = opened.parse().map_or_else(|_| opened.clone(), |moment: Timestamp| t.moment(moment));
    t.tn("alert-mail", &[("case", case), ("rule", &rule), ("severity", &severity), ("opened", &opened)]) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_says_the_same_in_korean_and_then_in_english() {
        let alert = |rule: &str| Alert {
            case: "00000000000000000000000000000007".to_owned(),
            rule: rule.to_owned(),
            severity: "critical".to_owned(),
            opened: "2026-11-25T01:00:00Z".to_owned(),
        };
        let said = body(&alert("decoy"));
        let (korean, english) = said.split_once("\n\n").expect("two parts");
        for words in [
            "확인해 주세요.\n번호: 0000",
            "규칙: 미끼 기록",
            "급한 정도: 매우 급함",
            "생긴 때: 2026년 11월 25일(수) 오전 10시",
        ] {
            assert!(korean.contains(words), "{words}: {korean}");
        }
        for words in ["Number: 00000000000000000000000000000007\n", "Opened: Wednesday 25 November 2026, 10:00"] {
            assert!(english.contains(words), "{words}: {english}");
        }
        assert!(body(&alert("gone-by")).contains("규칙: gone-by"), "of another edition");
    }
}
