//! Everything that keeps a page from being shown, each with its own page, status and next step for the person who meets it.

use crate::frame::Frame;
use crate::words::escaped;
use archive::ArchiveError;
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use identity::{Ending, IdentityError, PasskeyFault};
use store::StoreError;

/// Why there is no page. Its text is for logs; people read the page of [`ErrorPage`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PageError {
    #[error("there is nothing at this address")]
    NotFound,
    #[error("no institution has this code")]
    NoInstitution,
    #[error("nothing can be sent to this address")]
    Method,
    #[error("the record is another person's, or there is none")]
    Denied,
    /// Nobody is signed in: the way to this path leads through sign-in.
    #[error("nobody is signed in")]
    SignInFirst { to: Option<String> },
    /// Signed in with one factor.
    #[error("the second factor is missing")]
    SecondStepFirst,
    /// The second factor was given too long ago for this.
    #[error("the second factor is to be given again")]
    ProveFirst,
    /// No member of staff is signed in.
    #[error("no member of staff is signed in")]
    StaffFirst,
    /// A member of staff sent something to a person's own page. Their session stays: it is good for what staff do.
    #[error("this page is a person's own, and a member of staff is signed in")]
    PersonFirst,
    /// A member of staff who may not do this.
    #[error("this member of staff may not do this")]
    StaffDenied,
    #[error("the invitation is over")]
    Invitation,
    #[error("a passkey is refused: {0}")]
    Passkey(PasskeyFault),
    /// The session is over, or was never there.
    #[error("the session is over")]
    Session { too_many_tries: bool },
    #[error("the form does not belong to this session")]
    Form,
    #[error("the sign-in failed: {0:?}")]
    SignIn(SignInFault),
    #[error("the identity agency does not answer")]
    Agency,
    #[error("too many failures")]
    Throttled { wait_s: u64 },
    #[error("asked for too often")]
    TooOften { wait_s: u64 },
    #[error("the store cannot do it now")]
    Busy,
    /// Somebody's rights changed while the page was made: the door is to be asked again.
    #[error("rights changed meanwhile")]
    Stale,
    /// Too few sites can be reached: nothing new is stored, reading goes on.
    #[error("too few sites can be reached")]
    Sites,
    #[error("the access journal cannot be written")]
    Journal,
    #[error("the request is too large")]
    TooLarge,
    #[error("more was asked for than one document holds")]
    TooMuch,
    /// Said beside the choice, and here where the choice is gone.
    #[error("nothing was chosen")]
    Nothing,
    #[error("the request is malformed")]
    Bad,
}

/// Why a sign-in did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignInFault {
    Forged,
    Expired,
    Used,
    Statement,
    Cancelled,
}

impl SignInFault {
    const fn key(self) -> &'static str {
        match self {
            Self::Forged => "error-sign-in-forged",
            Self::Expired => "error-sign-in-expired",
            Self::Used => "error-sign-in-used",
            Self::Statement => "error-sign-in-statement",
            Self::Cancelled => "error-sign-in-cancelled",
        }
    }
}

/// What to say of a passkey that is refused.
pub(crate) const fn passkey_key(fault: PasskeyFault) -> &'static str {
    match fault {
        PasskeyFault::Form => "passkey-fault-form",
        PasskeyFault::Challenge => "passkey-fault-challenge",
        PasskeyFault::Origin => "passkey-fault-origin",
        PasskeyFault::Signature => "passkey-fault-signature",
        PasskeyFault::NotVerified => "passkey-fault-not-verified",
        PasskeyFault::Copyable => "passkey-fault-copyable",
        PasskeyFault::Known => "passkey-fault-known",
        PasskeyFault::Unknown => "passkey-fault-unknown",
        PasskeyFault::Copied => "passkey-fault-copied",
        PasskeyFault::TooMany => "passkey-fault-too-many",
        PasskeyFault::Last => "passkey-fault-last",
    }
}

/// What a person can do next on an error page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Start,
    SignIn,
    SecondStep,
    Records,
    Institutions,
    Staff,
    Passkeys,
    Status,
}

impl PageError {
    /// Every error that has a page, for tests and samples.
    pub const ALL: [Self; 25] = [
        Self::NotFound,
        Self::NoInstitution,
        Self::Method,
        Self::Denied,
        Self::Session { too_many_tries: false },
        Self::Session { too_many_tries: true },
        Self::Form,
        Self::SignIn(SignInFault::Forged),
        Self::SignIn(SignInFault::Expired),
        Self::SignIn(SignInFault::Used),
        Self::SignIn(SignInFault::Statement),
        Self::SignIn(SignInFault::Cancelled),
        Self::Agency,
        Self::Throttled { wait_s: 30 },
        Self::TooOften { wait_s: 30 },
        Self::Busy,
        Self::Sites,
        Self::Journal,
        Self::TooLarge,
        Self::TooMuch,
        Self::Bad,
        Self::PersonFirst,
        Self::StaffDenied,
        Self::Invitation,
        Self::Passkey(PasskeyFault::Last),
    ];

    /// The status of its answer (RFC 9110 section 15).
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound | Self::NoInstitution => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Denied | Self::PersonFirst | Self::StaffDenied | Self::Form => StatusCode::FORBIDDEN,
            Self::SignInFirst { .. } | Self::SecondStepFirst | Self::ProveFirst | Self::StaffFirst => {
                StatusCode::SEE_OTHER
            }
            Self::Invitation => StatusCode::GONE,
            Self::Session { .. } => StatusCode::UNAUTHORIZED,
            Self::SignIn(_) | Self::Bad => StatusCode::BAD_REQUEST,
            Self::Agency => StatusCode::BAD_GATEWAY,
            Self::Throttled { .. } | Self::TooOften { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::Stale | Self::Sites | Self::Journal => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMuch | Self::Nothing | Self::Passkey(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    /// The error behind a status that a layer below gave without saying more.
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::Method,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            status if status.is_server_error() => Self::Busy,
            _ => Self::Bad,
        }
    }

    const fn title_key(&self) -> &'static str {
        match self {
            Self::NotFound => "error-not-found-title",
            Self::NoInstitution => "institution-unknown-title",
            Self::Denied => "error-denied-title",
            Self::Session { .. }
            | Self::SignInFirst { .. }
            | Self::SecondStepFirst
            | Self::ProveFirst
            | Self::StaffFirst => "error-session-title",
            Self::PersonFirst => "error-person-title",
            Self::StaffDenied => "error-staff-title",
            Self::Invitation => "error-invitation-title",
            Self::Passkey(_) => "error-passkey-title",
            Self::Form => "error-form-title",
            Self::SignIn(_) => "error-sign-in-title",
            Self::Agency => "error-agency-title",
            Self::Throttled { .. } => "error-throttled-title",
            Self::TooOften { .. } => "error-too-often-title",
            Self::Busy | Self::Stale => "error-busy-title",
            Self::Sites => "error-sites-title",
            Self::Journal => "error-journal-title",
            Self::TooLarge => "error-too-large-title",
            Self::TooMuch => "error-too-much-title",
            Self::Nothing => "records-none-title",
            Self::Method | Self::Bad => "error-bad-title",
        }
    }

    const fn text_key(&self) -> &'static str {
        match self {
            Self::NotFound => "error-not-found-text",
            Self::NoInstitution => "institution-unknown-text",
            Self::Denied => "error-denied-text",
            Self::Session { too_many_tries: true } => "second-over",
            Self::Session { .. }
            | Self::SignInFirst { .. }
            | Self::SecondStepFirst
            | Self::ProveFirst
            | Self::StaffFirst => "error-session-text",
            Self::PersonFirst => "error-person-text",
            Self::StaffDenied => "error-staff-text",
            Self::Invitation => "error-invitation-text",
            Self::Passkey(fault) => passkey_key(*fault),
            Self::Form => "error-form-text",
            Self::SignIn(fault) => fault.key(),
            Self::Agency => "error-agency-text",
            Self::Throttled { .. } => "error-throttled-text",
            Self::TooOften { .. } => "error-too-often-text",
            Self::Busy | Self::Stale => "error-busy-text",
            Self::Sites => "error-sites-text",
            Self::Journal => "error-journal-text",
            Self::TooLarge => "error-too-large-text",
            Self::TooMuch => "error-too-much-text",
            Self::Nothing => "records-nothing-chosen",
            Self::Method | Self::Bad => "error-bad-text",
        }
    }

    const fn next(&self) -> Next {
        match self {
            Self::Session { .. }
            | Self::SignIn(_)
            | Self::Agency
            | Self::SignInFirst { .. }
            | Self::ProveFirst
            | Self::SecondStepFirst => Next::SignIn,
            Self::PersonFirst | Self::StaffDenied | Self::StaffFirst => Next::Staff,
            Self::Passkey(_) => Next::Passkeys,
            Self::Throttled { .. } => Next::SecondStep,
            Self::Denied | Self::TooMuch | Self::Nothing => Next::Records,
            Self::NoInstitution => Next::Institutions,
            Self::Sites => Next::Status,
            _ => Next::Start,
        }
    }

    /// Whether the browser's session cookie is of no more use.
    pub const fn ends_session(&self) -> bool {
        matches!(self, Self::Session { .. })
    }

    /// Seconds after which trying again makes sense.
    pub const fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Throttled { wait_s } | Self::TooOften { wait_s } => Some(*wait_s),
            Self::Busy | Self::Stale | Self::Sites | Self::Journal | Self::Agency => Some(30),
            _ => None,
        }
    }
}

/// An answer without a page, which `visitor::receive` gives its page in the visitor's language.
impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        match self {
            Self::SignInFirst { to: Some(to) } => {
                Redirect::to(&format!("/sign-in?to={}", escaped(&to))).into_response()
            }
            Self::SignInFirst { to: None } => Redirect::to("/sign-in").into_response(),
            Self::SecondStepFirst => Redirect::to("/sign-in/second-step").into_response(),
            Self::ProveFirst => Redirect::to("/account/prove").into_response(),
            Self::StaffFirst => Redirect::to("/staff/sign-in").into_response(),
            other => {
                let mut response = other.status().into_response();
                response.extensions_mut().insert(other);
                response
            }
        }
    }
}

impl From<IdentityError> for PageError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::SignInForged => Self::SignIn(SignInFault::Forged),
            IdentityError::SignInExpired => Self::SignIn(SignInFault::Expired),
            IdentityError::SignInUsed | IdentityError::CodeRefused => Self::SignIn(SignInFault::Used),
            IdentityError::Statement { .. } | IdentityError::Claim { .. } => {
                tracing::warn!(%error, "a sign-in was refused");
                Self::SignIn(SignInFault::Statement)
            }
            IdentityError::SessionUnknown => Self::Session { too_many_tries: false },
            IdentityError::SessionOver { why } => Self::Session { too_many_tries: why == Ending::TooManyTries },
            IdentityError::CsrfMismatch => Self::Form,
            IdentityError::SecondFactorNeeded => Self::SecondStepFirst,
            IdentityError::Throttled { wait_s } => Self::Throttled { wait_s },
            IdentityError::AgencyUnreachable { .. } | IdentityError::AgencyAnswer { .. } => {
                tracing::warn!(%error, "the identity agency cannot be used");
                Self::Agency
            }
            // Pages show these beside their field; elsewhere they mean that another page of the person was faster.
            IdentityError::TotpNotEnrolled
            | IdentityError::TotpEnrolled
            | IdentityError::TotpWrong { .. }
            | IdentityError::TotpReplayed => Self::SecondStepFirst,
            IdentityError::Passkey { fault } => Self::Passkey(fault),
            IdentityError::InvitationOver => Self::Invitation,
            IdentityError::RecoveryEarly { wait_s } => Self::Throttled { wait_s },
            IdentityError::RecoveryOver
            | IdentityError::RecoveryOwn
            | IdentityError::RecoveryTwice
            | IdentityError::RecoveryOpen
            | IdentityError::RecoveryWord => Self::Bad,
            IdentityError::NotStaff => Self::Passkey(PasskeyFault::Unknown),
            IdentityError::Unusable { .. } => Self::Bad,
            IdentityError::PasskeyUnavailable
            | IdentityError::Config { .. }
            | IdentityError::StandInAgency { .. }
            | IdentityError::InsecureAddress { .. }
            | IdentityError::ClockBehind { .. }
            | IdentityError::Damaged { .. } => {
                tracing::error!(%error, "identity cannot be used");
                Self::Busy
            }
            IdentityError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::JournalUnavailable { .. } => {
                tracing::error!(%error, "access is refused");
                Self::Journal
            }
            error if error.is_sites_lost() => {
                tracing::error!(%error, "nothing is taken in");
                Self::Sites
            }
            StoreError::StaleEpoch { .. } => Self::Stale,
            StoreError::Missing { .. } | StoreError::Scope { .. } => Self::Denied,
            StoreError::Limit { .. } => Self::TooMuch,
            other => {
                tracing::error!(error = %other, "the store failed");
                Self::Busy
            }
        }
    }
}

impl From<ArchiveError> for PageError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Denied(_) => Self::Denied,
            ArchiveError::Store(error) => error.into(),
            ArchiveError::TooMuch { .. } => Self::TooMuch,
            other => {
                tracing::error!(error = %other, "the archive failed");
                Self::Busy
            }
        }
    }
}

/// The page of an error.
#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage {
    frame: Frame,
    text: String,
    next: &'static str,
    next_text: String,
}

impl ErrorPage {
    /// The page of an error in a frame that lacks its title.
    pub fn new(mut frame: Frame, error: &PageError) -> Self {
        let t = frame.t;
        frame.title = t.t(error.title_key());
        let text = match error {
            PageError::Throttled { wait_s } | PageError::TooOften { wait_s } => {
                t.t1(error.text_key(), "seconds", wait_s.to_string())
            }
            _ => t.t(error.text_key()),
        };
        let (next, key) = match error.next() {
            Next::Start => ("/", "error-back"),
            Next::SignIn => ("/sign-in", "error-again"),
            Next::SecondStep => ("/sign-in/second-step", "error-try"),
            Next::Records => ("/records", "visit-back"),
            Next::Institutions => ("/institutions", "institution-back"),
            Next::Staff => ("/staff", "staff-back"),
            Next::Passkeys => ("/account/passkeys", "passkeys-back"),
            Next::Status => ("/status", "nav-status"),
        };
        Self { frame, text, next, next_text: t.t(key) }
    }
}

/// Renders a page.
pub(crate) fn page(template: &impl Template) -> Result<Response, PageError> {
    match template.render() {
        Ok(html) => Ok(Html(html).into_response()),
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            Err(PageError::Busy)
        }
    }
}

/// Renders a page with a form that is to be mended.
pub(crate) fn faulty_page(template: &impl Template) -> Result<Response, PageError> {
    let mut response = page(template)?;
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// Renders a page with a form, which may be one that is to be mended.
pub(crate) fn form_page(template: &impl Template, is_faulty: bool) -> Result<Response, PageError> {
    if is_faulty { faulty_page(template) } else { page(template) }
}

/// The answer of an error with its page.
pub(crate) fn error_response(frame: Frame, error: &PageError) -> Response {
    let mut response = match page(&ErrorPage::new(frame, error)) {
        Ok(page) => page,
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    *response.status_mut() = error.status();
    if let Some(seconds) = error.retry_after_s() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_below_has_its_page() {
        let journal = StoreError::JournalUnavailable { reason: "no space".to_owned() };
        let of = |error: IdentityError| PageError::from(error);
        assert_eq!(PageError::from(ArchiveError::Store(journal)), PageError::Journal);
        assert_eq!(PageError::from(StoreError::Missing { what: "record" }), PageError::Denied);
        assert_eq!(PageError::from(StoreError::Closing), PageError::Busy);
        assert_eq!(PageError::from(StoreError::StaleEpoch { permit: 1, store: 2 }), PageError::Stale);
        assert_eq!(
            PageError::from(StoreError::NotSealed { waited_ms: 1, reason: "1 of 3 sites".to_owned() }),
            PageError::Busy
        );
        assert_eq!(of(IdentityError::CsrfMismatch), PageError::Form);
        assert_eq!(of(IdentityError::CodeRefused), PageError::SignIn(SignInFault::Used));
        assert_eq!(of(IdentityError::Throttled { wait_s: 7 }), PageError::Throttled { wait_s: 7 });
        assert_eq!(
            of(IdentityError::SessionOver { why: Ending::TooManyTries }),
            PageError::Session { too_many_tries: true }
        );
        assert_eq!(of(IdentityError::SessionOver { why: Ending::Idle }), PageError::Session { too_many_tries: false });
    }

    #[test]
    fn statuses_of_layers_have_their_page() {
        assert_eq!(PageError::of_status(StatusCode::SERVICE_UNAVAILABLE), PageError::Busy);
        assert_eq!(PageError::of_status(StatusCode::PAYLOAD_TOO_LARGE), PageError::TooLarge);
        assert_eq!(PageError::of_status(StatusCode::IM_A_TEAPOT), PageError::Bad);
    }
}
