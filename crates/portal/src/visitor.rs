//! Who is at the door of a page: language, address, session. Every request passes here once, and every error leaves from here
//! with its page.

use crate::Portal;
use crate::attempts::{self, Asker, Stranger, Wish};
use crate::cookies::{self, LANGUAGE_COOKIE};
use crate::error::{PageError, error_response};
use crate::frame::{Bar, Frame};
use crate::pages::passkey::family_words;
use crate::texts::{Locale, Texts};
use crate::words::{escaped, is_path_here};
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use base::Redacted;
use identity::{Client, DEVICE_COOKIE, Holder, IdentityError, SESSION_COOKIE, Session, family};
use policy::{Actor, Assurance};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What an open page asks for by itself: that keeps no session awake.
const UNATTENDED: &str = "/staff/watch/events";

/// Somebody who asks for a page.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub portal: Portal,
    pub locale: Locale,
    /// The page's address: a path, with its query on public pages that are found by it.
    pub here: String,
    /// Where the request came from: an address.
    pub source: String,
    /// What the browser says of itself, and the device it is known as.
    agent: String,
    device: Option<Redacted<String>>,
    session: SessionState,
    token: Option<Redacted<String>>,
}

#[derive(Clone)]
enum SessionState {
    /// The browser sent no session.
    None,
    Live(Arc<Session>),
    /// The browser sent one that is no good; or one that could not be looked up, which says nothing about who sent it.
    Over(PageError, Option<Stranger>),
}

/// Makes the visitor, lets the page answer, and gives errors their pages.
pub(crate) async fn receive(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let route = parts.extensions.get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let visitor = Visitor::of(&portal, &parts).await;
    parts.extensions.insert(visitor.clone());
    let mut response = answered(Request::from_parts(parts, body), next).await;
    let status = response.status();
    let error = response.extensions_mut().remove::<PageError>();
    let error =
        error.or_else(|| (status.is_client_error() || status.is_server_error()).then(|| PageError::of_status(status)));
    // A page that shows its own faults has a body of its own.
    let is_page =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if let Some(error) = error.filter(|_| !is_page) {
        tracing::info!(route, status = status.as_u16(), error = %error, "a page was refused");
        let cookies: Vec<HeaderValue> = response.headers().get_all(header::SET_COOKIE).iter().cloned().collect();
        response = error_response(visitor.frame_of_error(), &error);
        for cookie in cookies {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        if error.ends_session() {
            response.headers_mut().append(header::SET_COOKIE, cookies::removed(SESSION_COOKIE));
        }
    }
    let status = response.status().as_u16().to_string();
    metrics::counter!("hanmaru_portal_requests", "route" => route, "status" => status).increment(1);
    response
}

/// Has the page answer. One that is only looked at is asked for once more where rights, whosever they are, changed while it was
/// made: the door then decides anew, and nobody has to come again. What somebody sent is done once at most.
async fn answered(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let again = (parts.method == Method::GET).then(|| (parts.clone(), next.clone()));
    let response = next.run(Request::from_parts(parts, body)).await;
    match again.filter(|_| response.extensions().get() == Some(&PageError::Stale)) {
        Some((parts, next)) => next.run(Request::from_parts(parts, Body::empty())).await,
        None => response,
    }
}

impl Visitor {
    async fn of(portal: &Portal, parts: &Parts) -> Self {
        let headers = &parts.headers;
        let with_session = !parts.uri.path().starts_with("/assets/");
        let wished = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kept = cookies::read(headers, LANGUAGE_COOKIE).and_then(Locale::from_tag);
        let token = cookies::read(headers, SESSION_COOKIE).filter(|_| with_session).map(ToOwned::to_owned);
        let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let device = cookies::read(headers, DEVICE_COOKIE).map(|value| Redacted::new(value.to_owned()));
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        Self {
            portal: portal.clone(),
            locale: kept.unwrap_or_else(|| Locale::negotiated(wished)),
            here: here(&parts.uri),
            source: source(peer, headers, portal.config().behind_proxy),
            agent: agent.to_owned(),
            device,
            session: session(portal, token.clone(), parts.uri.path() != UNATTENDED).await,
            token: token.map(Redacted::new),
        }
    }

    /// The texts of the visitor's language.
    pub fn t(&self) -> &'static Texts {
        self.locale.texts()
    }

    /// The frame of a page.
    pub fn frame(&self, title_key: &str, nav: &'static str) -> Frame {
        let bar = self.member().ok().map(|session| Bar {
            csrf: session.csrf.expose().clone(),
            staff: session.holder == Holder::Staff,
            notices: session.notices,
        });
        Frame::new(self.locale, self.t().t(title_key), nav, &self.here, self.portal.config().demo, bar)
    }

    fn frame_of_error(&self) -> Frame {
        let mut frame = self.frame("error-bad-title", "");
        if !is_path_here(&self.here) {
            frame = Frame::new(self.locale, String::new(), "", "/", self.portal.config().demo, frame.signed_in);
        }
        frame
    }

    /// The session's token, where the browser sent one.
    pub fn token(&self) -> Option<&str> {
        self.token.as_ref().map(|token| token.expose().as_str())
    }

    /// The session, of whatever assurance.
    ///
    /// # Errors
    /// [`PageError::SignInFirst`] where there is none, [`PageError::Session`] where it is over.
    pub fn session(&self) -> Result<Arc<Session>, PageError> {
        match &self.session {
            SessionState::Live(session) => Ok(Arc::clone(session)),
            SessionState::Over(error, _) => Err(error.clone()),
            SessionState::None => Err(self.sign_in_first()),
        }
    }

    /// What kind of browser it is, in words.
    pub fn family_words(&self) -> String {
        family_words(self.t(), &family(&self.agent))
    }

    /// Sends somebody to give the second factor again, and back to a page from there.
    pub fn prove_first(&self, to: &str) -> Response {
        Redirect::to(&format!("/account/prove?to={}", escaped(to))).into_response()
    }

    /// The browser, for signing in.
    pub fn client(&self) -> Client {
        Client { source: self.source.clone(), device: self.device.clone(), agent: self.agent.clone() }
    }

    /// The session of somebody who proved themselves twice: a person, or a member of staff.
    ///
    /// # Errors
    /// As [`Visitor::session`], and [`PageError::SecondStepFirst`].
    pub fn member(&self) -> Result<Arc<Session>, PageError> {
        let session = self.session()?;
        if session.assurance < Assurance::Two { Err(PageError::SecondStepFirst) } else { Ok(session) }
    }

    /// The session of a person who proved themselves twice. Members of staff sign in anew as the person they are.
    ///
    /// # Errors
    /// As [`Visitor::member`].
    pub fn person(&self) -> Result<Arc<Session>, PageError> {
        self.member_who_is(Holder::Person)
    }

    /// The session of a member of staff.
    ///
    /// # Errors
    /// [`PageError::StaffFirst`], [`PageError::Session`] where it is over.
    pub fn staff(&self) -> Result<Arc<Session>, PageError> {
        self.member_who_is(Holder::Staff).map_err(|error| match error {
            PageError::SignInFirst { .. } | PageError::SecondStepFirst => PageError::StaffFirst,
            other => other,
        })
    }

    fn member_who_is(&self, holder: Holder) -> Result<Arc<Session>, PageError> {
        let session = self.member()?;
        if session.holder == holder { Ok(session) } else { Err(self.sign_in_first()) }
    }

    fn sign_in_first(&self) -> PageError {
        let to = Some(self.here.clone()).filter(|here| is_path_here(here) && !here.starts_with("/sign-"));
        PageError::SignInFirst { to }
    }

    /// Journals that this visitor, who has not proved themselves twice or is not who the page is for, asked for what the door is asked
    /// for there. Who sent no session tried nothing.
    async fn note_attempt(&self, method: &Method, path: &str) {
        let Some(wish) = Wish::of(method, path) else { return };
        let asker = match &self.session {
            SessionState::Over(_, Some(stranger)) => Asker::Stranger(*stranger),
            SessionState::Live(session) => Asker::Half(session),
            SessionState::None | SessionState::Over(_, None) => return,
        };
        attempts::note(&self.portal, asker, &self.source, wish).await;
    }
}

async fn session(portal: &Portal, token: Option<String>, is_attended: bool) -> SessionState {
    let Some(token) = token else { return SessionState::None };
    let found = portal
        .blocking(move |portal| {
            let identity = portal.identity();
            let found = if is_attended { identity.session(&token) } else { identity.session_unattended(&token) };
            Ok(match found {
                Ok(session) => SessionState::Live(Arc::new(session)),
                Err(error @ IdentityError::SessionUnknown) => SessionState::Over(error.into(), Some(Stranger::Forged)),
                Err(error @ IdentityError::SessionOver { .. }) => {
                    let stranger = portal.identity().staff_of(&token)?.map_or(Stranger::Over, Stranger::OverOfStaff);
                    SessionState::Over(error.into(), Some(stranger))
                }
                Err(error) => {
                    tracing::error!(%error, "a session cannot be looked up");
                    SessionState::Over(PageError::Busy, None)
                }
            })
        })
        .await;
    found.unwrap_or_else(|error| SessionState::Over(error, None))
}

/// The address of the page that a request is about; what was sent to a page without an address of its own is shown on the
/// page it belongs to.
fn here(uri: &Uri) -> String {
    match uri.path() {
        "/institutions" => uri.path_and_query().map_or("/institutions", |whole| whole.as_str()).to_owned(),
        "/records/issue" => "/records".to_owned(),
        "/verify/proof" => "/verify".to_owned(),
        "/account/end-others" | "/account/end" => "/account".to_owned(),
        "/account/notices/object" => "/account/notices".to_owned(),
        "/account/passkeys/remove" => "/account/passkeys".to_owned(),
        "/account/app/remove" => "/account/app".to_owned(),
        path if path.starts_with("/staff/recovery/") => "/staff/recovery".to_owned(),
        path if path.starts_with("/staff/people/") => "/staff/people".to_owned(),
        "/consents/give" | "/consents/change" | "/consents/withdraw" => "/consents".to_owned(),
        "/representatives/appoint" | "/representatives/end" => "/representatives".to_owned(),
        path if path.starts_with("/staff/access/") => "/staff/access".to_owned(),
        path if path.starts_with("/staff/representatives/") => "/staff/representatives".to_owned(),
        path if path.starts_with("/staff/grounds/") => "/staff/grounds".to_owned(),
        path if path.starts_with("/staff/watch/marks/") => "/staff/watch/marks".to_owned(),
        "/staff/erasures/look" | "/staff/erasures/ask" => "/staff/erasures".to_owned(),
        path if path.starts_with("/staff/erasures/") => {
            let act = ["/approve", "/withdraw"].iter().find_map(|act| path.strip_suffix(*act));
            act.unwrap_or(path).to_owned()
        }
        "/staff/reviews/close" => "/staff/reviews".to_owned(),
        "/sign-in/start" | "/sign-in/return" | "/sign-out" => "/sign-in".to_owned(),
        path => path.to_owned(),
    }
}

/// The address of the client: the peer, or what the proxy on this machine appended last.
#[must_use]
pub fn source(peer: Option<IpAddr>, headers: &HeaderMap, behind_proxy: bool) -> String {
    let Some(peer) = peer else { return "unknown".to_owned() };
    let from_proxy = behind_proxy && peer.to_canonical().is_loopback();
    let last = headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
    let forwarded = last.and_then(|list| list.rsplit(',').next()).and_then(|text| text.trim().parse::<IpAddr>().ok());
    forwarded.filter(|_| from_proxy).unwrap_or(peer).to_canonical().to_string()
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        parts.extensions.get::<Self>().cloned().ok_or(PageError::Busy)
    }
}

/// A visitor who proved themselves twice: what every personal page takes.
pub(crate) struct Person {
    pub visitor: Visitor,
    pub session: Arc<Session>,
}

impl Person {
    /// The person at the door of the records.
    pub fn actor(&self) -> Actor {
        self.session.actor(&self.visitor.source)
    }

    /// The token of a form of this person.
    pub fn csrf(&self) -> String {
        self.session.csrf.expose().clone()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Person {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        let found = visitor.person();
        if found.is_err() {
            visitor.note_attempt(&parts.method, parts.uri.path()).await;
        }
        match found {
            Ok(session) => Ok(Self { visitor, session }),
            // Something was sent: it is not kept, and whoever sent it is told so.
            Err(PageError::SignInFirst { .. }) if parts.method != Method::GET => Err(match visitor.staff() {
                Ok(_) => PageError::PersonFirst,
                Err(_) => PageError::Session { too_many_tries: false },
            }),
            Err(error) => Err(error),
        }
    }
}

/// A member of staff, whom their passkey let in: what every page of staff takes. What they may do is the door's to say.
pub(crate) struct StaffMember {
    pub visitor: Visitor,
    pub session: Arc<Session>,
}

impl StaffMember {
    /// The token of a form of this member of staff.
    pub fn csrf(&self) -> String {
        self.session.csrf.expose().clone()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for StaffMember {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        let found = visitor.staff();
        if found.is_err() {
            visitor.note_attempt(&parts.method, parts.uri.path()).await;
        }
        Ok(Self { session: found?, visitor })
    }
}

/// Somebody who proved themselves twice, a person or a member of staff: what the pages of an account take.
pub(crate) struct Member {
    pub visitor: Visitor,
    pub session: Arc<Session>,
}

impl Member {
    /// The token of a form of this account.
    pub fn csrf(&self) -> String {
        self.session.csrf.expose().clone()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Member {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        match visitor.member() {
            Ok(session) => Ok(Self { visitor, session }),
            Err(PageError::SignInFirst { .. }) if parts.method != Method::GET => {
                Err(PageError::Session { too_many_tries: false })
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_made_once_more_where_rights_changed_and_nothing_is_done_twice() {
        let made = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let page = move || {
            let before = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            async move { if before.is_multiple_of(2) { Err(PageError::Stale) } else { Ok("made") } }
        };
        let routes = axum::routing::get(page.clone()).post(page);
        let router = axum::Router::new().route("/", routes).layer(axum::middleware::from_fn(answered));
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("loopback");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        runtime.spawn(async move { axum::serve(listener, router).await });
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let ask = |request: reqwest::RequestBuilder| {
            let answer = runtime.block_on(request.send()).expect("an answer").status().as_u16();
            (answer, made.load(std::sync::atomic::Ordering::SeqCst))
        };
        assert_eq!(ask(client.get(&url)), (200, 2));
        assert_eq!(ask(client.post(&url)), (503, 3), "what was sent is not sent again");
    }

    #[test]
    fn only_the_own_proxy_is_believed() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "203.0.113.9, 198.51.100.7".parse().expect("a header"));
        let here: IpAddr = "127.0.0.1".parse().expect("an address");
        let there: IpAddr = "192.0.2.1".parse().expect("an address");
        assert_eq!(source(Some(here), &headers, true), "198.51.100.7", "the last entry is the proxy's own");
        assert_eq!(source(Some(here), &headers, false), "127.0.0.1");
        assert_eq!(source(Some(there), &headers, true), "192.0.2.1");
        assert_eq!(source(Some(here), &HeaderMap::new(), true), "127.0.0.1");
        assert_eq!(source(None, &headers, true), "unknown");
        headers.append("x-forwarded-for", "<script>".parse().expect("a header"));
        assert_eq!(source(Some(here), &headers, true), "127.0.0.1", "what is no address is not taken");
    }
}
