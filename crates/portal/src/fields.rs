//! Forms that people send: the fields of a form, taken only together with the session whose token they carry.

use crate::error::PageError;
use crate::visitor::{Person, Visitor};
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use identity::Session;
use std::sync::Arc;

/// What stands behind the question mark of an address; what cannot be read counts as nothing.
pub(crate) type Asked<T> = Result<Query<T>, QueryRejection>;

/// Most fields of a form.
const FIELDS_MAX: usize = 2_000;

/// The fields of a form, in their order. A name may come several times.
#[derive(Default)]
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

    #[cfg(test)]
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

/// A form of somebody with a session of any assurance, with its token.
pub(crate) struct SessionForm {
    pub visitor: Visitor,
    pub session: Arc<Session>,
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
        let fields = Fields::read(Request::from_parts(parts, body), state).await?;
        visitor.portal.identity().csrf_ok(&session, fields.text("csrf"))?;
        Ok(Self { visitor, session, fields })
    }
}
