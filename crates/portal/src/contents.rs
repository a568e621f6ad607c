//! How addresses are entered into the table of contents: each with its method, who may come to it, and what answers. There is
//! no other way to serve a page, so none can be added without saying who it is for, and the matrix of the tests asks every one
//! of them in every role.

use crate::Portal;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::routing::{MethodRouter, get, post};
use policy::{Action, Role};
use std::time::Duration;
use tower_http::timeout::TimeoutLayer;

/// Who may come to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Anybody. Nothing here is about anybody.
    Anyone,
    /// Somebody with a session, of whatever assurance: on the way in, and out.
    Session,
    /// Somebody who proved themselves twice, a person or a member of staff: their own account.
    Member,
    /// A person who proved themselves twice: what of their own account staff have nothing of.
    Person,
    /// A person who proved themselves twice; the door is asked for this about what is their own.
    Own(Action),
    /// A person who proved themselves twice, acting for another; the door is asked for this on the appointment.
    Acting(Action),
    /// A member of staff: their own page.
    Staff,
    /// A member of staff in one of these roles; the door is asked for this.
    Role(&'static [Role], Action),
}

/// One line of the table of contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The address; `{…}` stands for what differs.
    pub path: &'static str,
    /// Who may come.
    pub guard: Guard,
}

/// Addresses, with what answers there.
#[derive(Default)]
pub(crate) struct Contents {
    router: Router<Portal>,
    routes: Vec<Route>,
}

impl Contents {
    /// A page.
    pub fn get<H, T>(self, path: &'static str, guard: Guard, handler: H) -> Self
    where
        H: Handler<T, Portal>,
        T: 'static,
    {
        self.add("GET", path, guard, get(handler))
    }

    /// What is sent to an address.
    pub fn post<H, T>(self, path: &'static str, guard: Guard, handler: H) -> Self
    where
        H: Handler<T, Portal>,
        T: 'static,
    {
        self.add("POST", path, guard, post(handler))
    }

    /// What is sent to an address that takes files.
    pub fn upload<H, T>(self, path: &'static str, guard: Guard, handler: H, bytes_max: usize) -> Self
    where
        H: Handler<T, Portal>,
        T: 'static,
    {
        self.add("POST", path, guard, post(handler).layer(DefaultBodyLimit::max(bytes_max)))
    }

    fn add(mut self, method: &'static str, path: &'static str, guard: Guard, pages: MethodRouter<Portal>) -> Self {
        self.router = self.router.route(path, pages);
        self.routes.push(Route { method, path, guard });
        self
    }

    /// Gives up after a time.
    pub fn within(self, longest: Duration) -> Self {
        let layer = TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, longest);
        Self { router: self.router.layer(layer), routes: self.routes }
    }

    /// These addresses and others.
    pub fn and(mut self, other: Self) -> Self {
        self.routes.extend(other.routes);
        Self { router: self.router.merge(other.router), routes: self.routes }
    }

    /// What answers, and the lines.
    pub fn into_parts(self) -> (Router<Portal>, Vec<Route>) {
        (self.router, self.routes)
    }
}
