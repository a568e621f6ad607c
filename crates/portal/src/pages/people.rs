//! Members of staff, for administrators: inviting them, and ending their accounts at once.

use crate::Portal;
use crate::error::{PageError, form_page};
use crate::fields::{Fields, Fresh, StaffForm};
use crate::frame::{Choice, Fault, Faults, Frame};
use crate::pages::staff_access::staff_permit;
use crate::texts::{Locale, Texts};
use crate::visitor::StaffMember;
use askama::Template;
use axum::response::Response;
use base::{Id16, Redacted, Timestamp};
use identity::{IdentityError, Invitation, Staff, StaffState, is_staff_name};
use policy::{Action, InstitutionCode, Permit, Purpose, Role, Target};
use store::{Act, AskedRight, Right, StoreError};

/// Roles that can be given here, and whether each is for one institution.
const ROLES: [(&str, bool); 10] = [
    ("operator", false),
    ("depositor", true),
    ("support", false),
    ("clinician", true),
    ("pharmacist", true),
    ("researcher", false),
    ("steward", false),
    ("security-officer", false),
    ("auditor", false),
    ("administrator", false),
];

/// States of those who have not left.
const HERE: &[StaffState] = &[StaffState::Invited, StaffState::Active];

#[derive(Template)]
#[template(path = "staff_people.html")]
pub(crate) struct PeoplePage {
    frame: Frame,
    csrf: String,
    faults: Faults,
    done: Option<String>,
    link: Option<Link>,
    people: Vec<Line>,
    roles: Vec<Choice>,
    filled: Fields,
}

/// An invitation as it is shown, once.
pub(crate) struct Link {
    pub text: String,
    pub address: String,
}

/// A member of staff.
struct Line {
    id: String,
    name: String,
    state: String,
    since: String,
    is_invited: bool,
    is_active: bool,
    is_left: bool,
    is_self: bool,
    /// Rights that wait for a second administrator.
    asked: Vec<String>,
    /// Whether one of them waits for the one who looks.
    confirms: bool,
}

impl PeoplePage {
    fn new(frame: Frame, csrf: String, people: &[Staff], asked: &[AskedRight], own: Id16, filled: Fields) -> Self {
        let t = frame.t;
        let role = |(role, _): &(&str, bool)| Choice::new(role, &t.t(&format!("role-{role}")), filled.text("role"));
        let roles = ROLES.iter().map(role).collect();
        let people = people.iter().map(|staff| Line::new(t, staff, asked, own)).collect();
        Self { frame, csrf, faults: Faults::default(), done: None, link: None, people, roles, filled }
    }

    pub fn sample(locale: Locale) -> Self {
        let moment = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        let staff = |name: &str, state| Staff {
            account: Id16::derived(&[name]),
            name: Redacted::new(name.to_owned()),
            state,
            made: moment(1_795_330_000),
            changed: moment(1_795_340_000),
        };
        let people = [
            staff("박도윤", StaffState::Active),
            staff("최서아", StaffState::Invited),
            staff("한지우", StaffState::Left),
        ];
        let frame = Frame::sample(locale, "people-title", "staff", "/staff/people", true);
        let link = Link::new(frame.t, "https://records.example", "c2FtcGxl", moment(1_795_420_000));
        let asked = [AskedRight { account: people[1].account, right: Right::Operator, by: Id16::default() }];
        let (csrf, filled) = ("sample-token".to_owned(), Fields::default());
        let shown = Self::new(frame, csrf, &people, &asked, people[0].account, filled);
        Self { link: Some(link), ..shown }
    }
}

impl Line {
    fn new(t: &Texts, staff: &Staff, asked: &[AskedRight], own: Id16) -> Self {
        let asked: Vec<_> = asked.iter().filter(|one| one.account == staff.account).collect();
        let (state, since) = match staff.state {
            StaffState::Invited => ("people-invited", "people-invited-since"),
            StaffState::Active => ("people-active", "people-active-since"),
            StaffState::Left => ("people-left", "people-left-since"),
        };
        Self {
            id: staff.account.to_string(),
            name: staff.name.expose().clone(),
            state: t.t(state),
            since: t.t1(since, "date", t.moment(staff.changed)),
            is_invited: staff.state == StaffState::Invited,
            is_active: staff.state == StaffState::Active,
            is_left: staff.state == StaffState::Left,
            is_self: staff.account == own,
            confirms: staff.account != own && asked.iter().any(|one| one.by != own),
            asked: asked.iter().map(|one| t.t1("people-asked", "role", role_words(t, &one.right))).collect(),
        }
    }
}

/// A role, and the institution that it is held at.
fn role_words(t: &Texts, right: &Right) -> String {
    let role = t.t(&format!("role-{}", right.role().name()));
    match right {
        Right::Depositor(at) | Right::Appointed { institution: Some(at), .. } => {
            t.t2("people-role-at", ("role", role), ("institution", at.to_string()))
        }
        _ => role,
    }
}

impl Link {
    pub fn new(t: &Texts, public_url: &str, token: &str, ends: Timestamp) -> Self {
        Self {
            text: t.t1("people-link-text", "date", t.moment(ends)),
            address: format!("{public_url}/staff/enrol/{token}"),
        }
    }
}

/// What is said besides the list.
#[derive(Default)]
struct Said {
    faults: Faults,
    /// What was sent, where it is to be mended.
    filled: Fields,
    done: Option<String>,
    invitation: Option<Invitation>,
}

async fn shown(staff: &StaffMember, said: Said) -> Result<Response, PageError> {
    let reading = staff
        .visitor
        .portal
        .blocking(|portal| Ok((portal.identity().staff()?, portal.archive().store().rights_asked()?)));
    let (people, asked) = reading.await?;
    let mut frame = staff.visitor.frame("people-title", "staff");
    let t = frame.t;
    let is_faulty = !said.faults.is_empty();
    if is_faulty {
        frame = frame.faulty();
    }
    let url = &staff.visitor.portal.config().public_url;
    let link = said.invitation.map(|invitation| Link::new(t, url, invitation.token.expose(), invitation.ends));
    let shown = PeoplePage::new(frame, staff.csrf(), &people, &asked, staff.session.account, said.filled);
    form_page(&PeoplePage { faults: said.faults, done: said.done, link, ..shown }, is_faulty)
}

/// Does something that takes the right to manage rights, which the door is asked for; its refusal is journalled.
pub(crate) async fn managing<T: Send + 'static>(
    staff: &StaffMember,
    work: impl FnOnce(&Portal, &Permit) -> Result<T, PageError> + Send + 'static,
) -> Result<T, PageError> {
    let actor = staff.session.actor_as(Role::Administrator, &staff.visitor.source);
    let doing = staff.visitor.portal.blocking(move |portal| {
        let (action, target) = (Action::ManageRights, Target::Installation);
        let permit = staff_permit(portal, &actor, actor.role, action, target, Purpose::Operation)?;
        work(portal, &permit)
    });
    doing.await
}

/// As [`managing`], about the account that a form names, which has to be one of staff that stands as it must for this. Of any
/// other nothing is written but that it was tried in vain: in the log of whose account it is, or of whoever tried where it is
/// nobody's.
pub(crate) async fn managing_account<T: Send + 'static>(
    staff: &StaffMember,
    fields: &Fields,
    fits: &'static [StaffState],
    work: impl FnOnce(&Portal, &Permit, Id16) -> Result<T, PageError> + Send + 'static,
) -> Result<T, PageError> {
    let account = fields.text("account").parse::<Id16>();
    let managing = managing(staff, move |portal, permit| {
        let account = account.map_err(|_| PageError::Bad)?;
        let state = portal.identity().staff_state(account)?;
        if state.is_some_and(|state| fits.contains(&state)) {
            return work(portal, permit, account);
        }
        let is_there = state.is_some() || portal.identity().profile(account)?.is_some();
        let actor = permit.actor().clone();
        portal.archive().store().journal_act(Act {
            subject: if is_there { account } else { actor.account },
            actor,
            action: permit.action().name(),
            purpose: permit.purpose().name(),
            explanation: permit.explanation().to_owned(),
            refused: Some("unfit".to_owned()),
        })?;
        Err(PageError::Bad)
    });
    managing.await
}

/// `GET /staff/people`
pub(crate) async fn list(staff: StaffMember) -> Result<Response, PageError> {
    let own = staff.session.account;
    managing(&staff, move |portal, permit| Ok(portal.archive().store().note_use(permit, own, "staff")?)).await?;
    shown(&staff, Said::default()).await
}

/// `POST /staff/people/invite`
pub(crate) async fn invite(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    let (wished, filled) = (wish(staff.visitor.t(), &fields), fields);
    let inviting = managing(&staff, move |portal, permit| {
        Ok(match wished {
            Ok((name, right)) => Ok(portal.identity().staff_invite_as(permit, &name, &right)?),
            Err(faults) => Err(faults),
        })
    });
    match inviting.await? {
        Ok(invitation) => shown(&staff, Said { invitation: Some(invitation), ..Said::default() }).await,
        Err(faults) => shown(&staff, Said { faults, filled, ..Said::default() }).await,
    }
}

/// Who is invited, and to what; or what is to be mended.
fn wish(t: &Texts, fields: &Fields) -> Result<(String, Right), Faults> {
    let mut faults = Faults::default();
    let name = fields.text("name").trim();
    if !is_staff_name(name) {
        faults.0.push(Fault { field: "name", text: t.t("people-name-fault") });
    }
    let needs = ROLES.iter().find(|(role, _)| *role == fields.text("role")).is_some_and(|(_, needs)| *needs);
    let institution = InstitutionCode::new(fields.text("institution").trim()).filter(|_| needs);
    let right = Right::of(fields.text("role"), institution.as_ref());
    if right.is_none() {
        faults.0.push(Fault { field: "institution", text: t.t("people-institution-fault") });
    }
    match right {
        Some(right) if faults.is_empty() => Ok((name.to_owned(), right)),
        _ => Err(faults),
    }
}

/// `POST /staff/people/invite-again`
pub(crate) async fn invite_again(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    let own = staff.session.account;
    let inviting = managing_account(&staff, &fields, &[StaffState::Invited], move |portal, permit, account| {
        let invite = || portal.identity().staff_invite_again(Some(own), account);
        match portal.archive().store().noted(permit, account, "invitation", invite) {
            Err(IdentityError::RecoveryOwn) => Ok(None),
            invited => invited.map(Some).map_err(no_staff),
        }
    });
    let invitation = inviting.await?;
    let faults = match invitation {
        Some(_) => Faults::default(),
        None => Faults::one("people", staff.visitor.t().t("people-again-own")),
    };
    shown(&staff, Said { invitation, faults, ..Said::default() }).await
}

/// `POST /staff/people/confirm`: what another administrator asked for somebody is given.
pub(crate) async fn confirm(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    let confirming = managing_account(&staff, &fields, HERE, |portal, permit, account| {
        portal.archive().store().confirm_rights(Some(permit), account).map_err(|error| match error {
            // Somebody else was faster, or it is the asker's own.
            StoreError::Missing { .. } => PageError::Bad,
            other => other.into(),
        })
    });
    confirming.await?;
    let done = Some(staff.visitor.t().t("people-confirmed"));
    shown(&staff, Said { done, ..Said::default() }).await
}

/// `POST /staff/people/off-board`
pub(crate) async fn off_board(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    let own = staff.session.account;
    let ending = managing_account(&staff, &fields, HERE, move |portal, permit, account| {
        // The last administrator must not lock everybody out by a slip; another one, or the command line, can.
        if account == own {
            return Err(PageError::StaffDenied);
        }
        portal.identity().off_board_as(permit, account).map_err(no_staff)
    });
    let ended = ending.await?;
    let count = |number: usize| number.to_string();
    let done = staff.visitor.t().tn(
        "people-off-boarded",
        &[("sessions", &count(ended.sessions)), ("passkeys", &count(ended.passkeys)), ("rights", &count(ended.rights))],
    );
    shown(&staff, Said { done: Some(done), ..Said::default() }).await
}

/// Somebody who has left, or was never there, in a form.
fn no_staff(error: IdentityError) -> PageError {
    match error {
        IdentityError::NotStaff => PageError::Bad,
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_from_the_form() {
        let t = Locale::Korean.texts();
        let read = |name: &str, role: &str, institution: &str| {
            wish(t, &Fields::of(&[("name", name), ("role", role), ("institution", institution)]))
        };
        assert_eq!(read(" 박도윤 ", "operator", "").expect("good"), ("박도윤".to_owned(), Right::Operator));
        let code = InstitutionCode::new("31100001").expect("a code");
        assert_eq!(read("박도윤", "depositor", "31100001").expect("good").1, Right::Depositor(code));
        assert_eq!(read("박\u{200b}도윤", "operator", "").expect_err("it hides something").0[0].field, "name");
        assert_eq!(read("", "operator", "").expect_err("no name").0[0].field, "name");
        assert_eq!(read("박도윤", "depositor", "").expect_err("no institution").0[0].field, "institution");
        assert_eq!(read("박도윤", "king", "").expect_err("no role").0.len(), 1);
    }
}
