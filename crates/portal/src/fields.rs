//! Forms that people send: the fields of a form, taken only together with the session whose token they carry.

use crate::error::PageError;
use crate::visitor::{Member, Person, StaffMember, Visitor};
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, FromRequest, FromRequestParts, Query, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use identity::Session;
use std::sync::Arc;

/// What stands behind the question mark of an address; what cannot be read counts as nothing.
pub(crate) type Asked<T> = Result<Query<T>, QueryRejection>;

/// Most fields of a form.
const FIELDS_MAX: usize = 2_000;
/// Most bytes of a form that waits for the second factor: a thousand visits chosen one by one.
const HELD_BYTES_MAX: usize = 128 * 1024;

/// The fields of a form, in their order. A name may come several times.
#[derive(Clone, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first value of a field; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// Every value of a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Self, PageError> {
        let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
        let Form(fields) = form.map_err(|rejection: FormRejection| {
            PageError::of_status(match rejection.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
                _ => StatusCode::BAD_REQUEST,
            })
        })?;
        if fields.len() > FIELDS_MAX { Err(PageError::TooLarge) } else { Ok(Self(fields)) }
    }

    /// The fields of a form that says this.
    pub fn of(fields: &[(&str, &str)]) -> Self {
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }
}

/// A form of somebody who proved themselves twice, with the token of their session.
pub(crate) struct PersonForm {
    pub person: Person,
    pub fields: Fields,
}

impl<S: Send + Sync> FromRequest<S> for PersonForm {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let person = Person::from_request_parts(&mut parts, state).await?;
        let fields = Fields::read(Request::from_parts(parts, body), state).await?;
        person.visitor.portal.identity().csrf_ok(&person.session, fields.text("csrf"))?;
        Ok(Self { person, fields })
    }
}

/// A form of somebody's account, a person's or a member of staff's, with the token of their session.
pub(crate) struct MemberForm {
    pub member: Member,
    pub headers: HeaderMap,
    pub fields: Fields,
}

impl<S: Send + Sync> FromRequest<S> for MemberForm {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let member = Member::from_request_parts(&mut parts, state).await?;
        let headers = parts.headers.clone();
        let fields = Fields::read(Request::from_parts(parts, body), state).await?;
        member.visitor.portal.identity().csrf_ok(&member.session, fields.text("csrf"))?;
        Ok(Self { member, headers, fields })
    }
}

/// A form of a member of staff, with the token of their session.
pub(crate) struct StaffForm {
    pub staff: StaffMember,
    pub fields: Fields,
}

impl<S: Send + Sync> FromRequest<S> for StaffForm {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let staff = StaffMember::from_request_parts(&mut parts, state).await?;
        let fields = Fields::read(Request::from_parts(parts, body), state).await?;
        staff.visitor.portal.identity().csrf_ok(&staff.session, fields.text("csrf"))?;
        Ok(Self { staff, fields })
    }
}

/// A form whose sender has a session, whichever it is.
pub(crate) trait Signed {
    /// Who sent it.
    fn visitor(&self) -> &Visitor;
    /// Their session.
    fn session(&self) -> &Arc<Session>;
    /// What they sent.
    fn fields(&self) -> &Fields;
}

impl Signed for PersonForm {
    fn visitor(&self) -> &Visitor {
        &self.person.visitor
    }

    fn session(&self) -> &Arc<Session> {
        &self.person.session
    }

    fn fields(&self) -> &Fields {
        &self.fields
    }
}

impl Signed for MemberForm {
    fn visitor(&self) -> &Visitor {
        &self.member.visitor
    }

    fn session(&self) -> &Arc<Session> {
        &self.member.session
    }

    fn fields(&self) -> &Fields {
        &self.fields
    }
}

impl Signed for StaffForm {
    fn visitor(&self) -> &Visitor {
        &self.staff.visitor
    }

    fn session(&self) -> &Arc<Session> {
        &self.staff.session
    }

    fn fields(&self) -> &Fields {
        &self.fields
    }
}

/// A form that does something grave, such as issuing records or changing a consent: its sender gave the second factor just now.
/// Otherwise what was sent is kept, the sender gives it again, and goes on from there with one press.
pub(crate) struct Fresh<F>(pub F);

impl<S, F> FromRequest<S> for Fresh<F>
where
    S: Send + Sync,
    F: FromRequest<S, Rejection = PageError> + Signed + Send,
{
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        let action = request.uri().path().to_owned();
        let form = F::from_request(request, state).await?;
        if form.session().is_fresh {
            return Ok(Self(form));
        }
        let held = HeldForm::of(action, form.fields()).ok_or(PageError::TooLarge)?;
        form.visitor().portal.places().with(form.session().id, |place| place.held = Some(held));
        Err(PageError::ProveFirst)
    }
}

/// Something that was sent and waits for the second factor.
#[derive(Clone)]
pub(crate) struct HeldForm {
    /// The path it was sent to.
    pub action: String,
    /// Its fields without the token, which changes.
    pub fields: Vec<(String, String)>,
}

impl HeldForm {
    /// `None` where it is too much to be kept.
    fn of(action: String, fields: &Fields) -> Option<Self> {
        let fields: Vec<_> = fields.0.iter().filter(|(name, _)| name != "csrf").cloned().collect();
        let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        (bytes <= HELD_BYTES_MAX).then_some(Self { action, fields })
    }
}

impl std::fmt::Debug for HeldForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldForm").field("action", &self.action).finish_non_exhaustive()
    }
}

/// A form that belongs to no session: what it carries makes one, since it proves who sent it, or is all that the answer is about.
pub(crate) struct StrangerForm {
    pub visitor: Visitor,
    pub headers: HeaderMap,
    pub fields: Fields,
}

impl<S: Send + Sync> FromRequest<S> for StrangerForm {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, state).await?;
        let headers = parts.headers.clone();
        let fields = Fields::read(Request::from_parts(parts, body), state).await?;
        Ok(Self { visitor, headers, fields })
    }
}

/// A form of somebody with a session of any assurance, with its token.
pub(crate) struct SessionForm {
    pub visitor: Visitor,
    pub session: Arc<Session>,
    pub headers: HeaderMap,
    pub fields: Fields,
}

impl<S: Send + Sync> FromRequest<S> for SessionForm {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, state).await?;
        let session = visitor.session().map_err(|error| match error {
            PageError::SignInFirst { .. } => PageError::Session { too_many_tries: false },
            other => other,
        })?;
        let headers = parts.headers.clone();
        let fields = Fields::read(Request::from_parts(parts, body), state).await?;
        visitor.portal.identity().csrf_ok(&session, fields.text("csrf"))?;
        Ok(Self { visitor, session, headers, fields })
    }
}
