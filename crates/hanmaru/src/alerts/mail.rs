//! An alert as mail: in both languages, with the case's number and nothing about a person.

use super::Alert;
use super::config::{Mail, Security};
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};
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
    let subject = format!("[Hanmaru] {} {} {}", alert.severity, alert.rule, &alert.case[..8]);
    let mut builder = Message::builder().from(address(&to.from)?).subject(subject).header(ContentType::TEXT_PLAIN);
    for one in &to.to {
        builder = builder.to(address(one)?);
    }
    builder.body(body(alert)).map_err(|error| error.to_string())
}

fn body(alert: &Alert) -> String {
    let Alert { case, rule, severity, opened } = alert;
    format!(
        "열람 기록에서 확인이 필요한 일이 발견되었습니다. 직원 페이지에 로그인하여 확인해 주십시오.\n\
         Something in the access log needs to be looked at. Sign in to the staff pages.\n\n\
         case: {case}\nrule: {rule}\nseverity: {severity}\nopened: {opened}\n"
    )
}
