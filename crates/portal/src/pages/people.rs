//! Members of staff, for administrators: inviting them, giving them roles and taking them away, and ending their accounts at once.

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
use identity::{IdentityError, Invitation, PasskeyInfo, Staff, StaffState, is_staff_name};
use policy::{Action, InstitutionCode, Permit, Purpose, Role, Target};
use std::collections::BTreeMap;
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

/// Staff, what they may do and what waits, as it stands.
struct Standing {
    people: Vec<Staff>,
    held: Vec<(Id16, Right)>,
    asked: Vec<AskedRight>,
    /// The passkeys of those for whom something waits.
    passkeys: BTreeMap<Id16, Vec<PasskeyInfo>>,
}

impl Standing {
    fn read(portal: &Portal) -> Result<Self, PageError> {
        let (identity, store) = (portal.identity(), portal.archive().store());
        let (people, held, asked) = (identity.staff()?, store.rights_held()?, store.rights_asked()?);
        let mut passkeys = BTreeMap::new();
        for one in &asked {
            passkeys.insert(one.account, identity.passkeys_of(one.account)?);
        }
        Ok(Self { people, held, asked, passkeys })
    }
}

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
    /// Who can be given a further role by the one who looks.
    others: Vec<Choice>,
    given_roles: Vec<Choice>,
    /// What was sent to give one, where it is to be mended.
    given: Fields,
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
    held: Vec<RightLine>,
    /// Rights that wait for a second administrator.
    asked: Vec<RightLine>,
    /// Where something waits: what has to be done, and when they set up which passkey.
    to_do: Option<String>,
    enrolled: Vec<Enrolled>,
}

/// A passkey that somebody set up. What they called it stands by itself: it is theirs to say, and no sentence is to go on in it.
struct Enrolled {
    made: String,
    name: Option<String>,
}

/// A right of somebody, held or asked for.
struct RightLine {
    text: String,
    role: &'static str,
    institution: String,
    /// Until when it waits.
    until: Option<String>,
    /// Whether it waits for the one who looks.
    confirms: bool,
}

impl PeoplePage {
    fn new(frame: Frame, csrf: String, standing: &Standing, own: Id16, (filled, given): (Fields, Fields)) -> Self {
        let t = frame.t;
        let roles = |current: &str| -> Vec<Choice> {
            let role = |(role, _): &(&str, bool)| Choice::new(role, &t.t(&format!("role-{role}")), current);
            ROLES.iter().map(role).collect()
        };
        let (others, given_roles) = (others(&standing.people, own, given.text("account")), roles(given.text("role")));
        let people = standing.people.iter().map(|staff| Line::new(t, staff, standing, own)).collect();
        let roles = roles(filled.text("role"));
        let (faults, done, link) = (Faults::default(), None, None);
        Self { frame, csrf, faults, done, link, people, roles, filled, others, given_roles, given }
    }

    pub fn sample(locale: Locale) -> Self {
        let moment = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        let staff = |name: &str, state| Staff {
            account: Id16::derived(&[name]),
            name: Redacted::new(name.to_owned()),
            state,
            made: moment(1_795_330_000),
            changed: moment(1_795_340_000),
            shown_to: None,
        };
        let people = vec![
            staff("박도윤", StaffState::Active),
            staff("이서준", StaffState::Active),
            staff("최서아", StaffState::Invited),
            staff("한지우", StaffState::Left),
        ];
        let [own, colleague, invited] = [people[0].account, people[1].account, people[2].account];
        let at = |role| Right::Appointed { role, institution: InstitutionCode::new("31100001") };
        let asked = |account, right| AskedRight { account, right, by: Id16::default(), until: moment(1_797_900_000) };
        let passkey = PasskeyInfo {
            id: String::new(),
            name: Redacted::new("보안 열쇠".to_owned()),
            made: moment(1_795_335_000),
            used: moment(1_795_340_000),
            copyable: false,
            suspect: false,
        };
        let standing = Standing {
            people,
            held: vec![(colleague, Right::Operator)],
            asked: vec![asked(colleague, at(Role::Clinician)), asked(invited, Right::Operator)],
            passkeys: BTreeMap::from([(colleague, vec![passkey])]),
        };
        let frame = Frame::sample(locale, "people-title", "staff", "/staff/people", true);
        let link = Link::new(frame.t, "https://records.example", "c2FtcGxl", moment(1_795_420_000));
        let (csrf, sent) = ("sample-token".to_owned(), (Fields::default(), Fields::default()));
        Self { link: Some(link), ..Self::new(frame, csrf, &standing, own, sent) }
    }
}

/// Those who can be given a further role: nobody gives themselves one.
fn others(people: &[Staff], own: Id16, current: &str) -> Vec<Choice> {
    let others = people.iter().filter(|one| one.account != own && HERE.contains(&one.state));
    others.map(|one| Choice::new(&one.account.to_string(), one.name.expose(), current)).collect()
}

impl Line {
    fn new(t: &Texts, staff: &Staff, standing: &Standing, own: Id16) -> Self {
        let account = staff.account;
        let (state, since) = match staff.state {
            StaffState::Invited => ("people-invited", "people-invited-since"),
            StaffState::Active => ("people-active", "people-active-since"),
            StaffState::Left => ("people-left", "people-left-since"),
        };
        let is_active = staff.state == StaffState::Active;
        // Whoever was shown the link by which they came may have come by it.
        let knew_link = staff.shown_to == Some(own);
        let held = standing.held.iter().filter(|(whose, _)| *whose == account);
        let waiting = || standing.asked.iter().filter(move |one| one.account == account);
        let may_confirm = |one: &AskedRight| is_active && !knew_link && account != own && one.by != own;
        let asked: Vec<_> = waiting()
            .map(|one| RightLine {
                until: Some(t.t1("people-asked-until", "date", t.moment(one.until))),
                confirms: may_confirm(one),
                ..RightLine::new(t, "people-asked", &one.right)
            })
            .collect();
        let to_do = match staff.state {
            StaffState::Invited => "people-not-come",
            _ if asked.iter().any(|one| one.confirms) => "people-compare",
            // One who asks anew leaves it to the one who asked before, who was shown nothing.
            _ if knew_link && waiting().any(|one| one.by != own) => "people-shown-confirms",
            _ => "people-other-confirms",
        };
        let passkeys = standing.passkeys.get(&account).into_iter().flatten();
        Self {
            id: account.to_string(),
            name: staff.name.expose().clone(),
            state: t.t(state),
            since: t.t1(since, "date", t.moment(staff.changed)),
            is_invited: staff.state == StaffState::Invited,
            is_active,
            is_left: staff.state == StaffState::Left,
            is_self: account == own,
            held: held.map(|(_, right)| RightLine::new(t, "people-holds", right)).collect(),
            to_do: (!asked.is_empty() && account != own).then(|| t.t(to_do)),
            asked,
            enrolled: passkeys.map(|passkey| Enrolled::new(t, passkey)).collect(),
        }
    }
}

impl RightLine {
    fn new(t: &Texts, key: &str, right: &Right) -> Self {
        let text = t.t1(key, "role", role_words(t, right));
        let institution = right.institution().map(ToString::to_string).unwrap_or_default();
        Self { text, role: right.role().name(), institution, until: None, confirms: false }
    }
}

impl Enrolled {
    /// When and with what somebody came, to be compared with what they say themselves.
    fn new(t: &Texts, passkey: &PasskeyInfo) -> Self {
        let name = passkey.name.expose();
        let made = t.t1("people-enrolled", "date", t.moment(passkey.made));
        Self { made, name: (!name.is_empty()).then(|| name.clone()) }
    }
}

/// A role, and the institution that it is held at.
fn role_words(t: &Texts, right: &Right) -> String {
    let role = t.t(&format!("role-{}", right.role().name()));
    match right.institution() {
        Some(at) => t.t2("people-role-at", ("role", role), ("institution", at.to_string())),
        None => role,
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
    /// What was sent to invite somebody, and to give them a role, where it is to be mended.
    filled: Fields,
    given: Fields,
    done: Option<String>,
    invitation: Option<Invitation>,
}

async fn shown(staff: &StaffMember, said: Said) -> Result<Response, PageError> {
    let standing = staff.visitor.portal.blocking(Standing::read).await?;
    let mut frame = staff.visitor.frame("people-title", "staff");
    let t = frame.t;
    let is_faulty = !said.faults.is_empty();
    if is_faulty {
        frame = frame.faulty();
    }
    let url = &staff.visitor.portal.config().public_url;
    let link = said.invitation.map(|invitation| Link::new(t, url, invitation.token.expose(), invitation.ends));
    let shown = PeoplePage::new(frame, staff.csrf(), &standing, staff.session.account, (said.filled, said.given));
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
            count: None,
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
    let right = wished_right(fields);
    if right.is_none() {
        faults.0.push(Fault { field: "institution", text: t.t("people-institution-fault") });
    }
    match right {
        Some(right) if faults.is_empty() => Ok((name.to_owned(), right)),
        _ => Err(faults),
    }
}

/// The right that a form names; what stands beside a role of no institution is not looked at.
fn wished_right(fields: &Fields) -> Option<Right> {
    let needs = ROLES.iter().find(|(role, _)| *role == fields.text("role")).is_some_and(|(_, needs)| *needs);
    let institution = InstitutionCode::new(fields.text("institution").trim()).filter(|_| needs);
    Right::of(fields.text("role"), institution.as_ref())
}

/// `POST /staff/people/invite-again`
pub(crate) async fn invite_again(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    let inviting = managing_account(&staff, &fields, &[StaffState::Invited], move |portal, permit, account| {
        let invite = || portal.identity().staff_invite_again(Some(permit), account);
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

/// `POST /staff/people/confirm`: what another administrator asked for somebody is given, once they came.
pub(crate) async fn confirm(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    let right = wished_right(&fields);
    let confirming = managing_account(&staff, &fields, &[StaffState::Active], move |portal, permit, account| {
        // What stood on the page, and nothing that was asked for since.
        let right = right.ok_or(PageError::Bad)?;
        portal.identity().confirm_rights(Some(permit), account, Some(&right)).map_err(no_right)
    });
    confirming.await?;
    let done = Some(staff.visitor.t().t("people-confirmed"));
    shown(&staff, Said { done, ..Said::default() }).await
}

/// `POST /staff/people/give`: a further role is asked for somebody; another administrator confirms it.
pub(crate) async fn give(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    let (own, right) = (staff.session.account, wished_right(&fields));
    let giving = managing_account(&staff, &fields, HERE, move |portal, permit, account| {
        if account == own {
            return Err(PageError::StaffDenied);
        }
        let Some(right) = right else { return Ok(Some(("give-institution", "people-institution-fault"))) };
        match portal.archive().store().ask_right(permit, account, &right) {
            Err(StoreError::RightHeld) => Ok(Some(("give-role", "people-give-held"))),
            Err(StoreError::RightAsked) => Ok(Some(("give-role", "people-give-waits"))),
            asked => Ok(asked.map(|()| None)?),
        }
    });
    let t = staff.visitor.t();
    match giving.await? {
        None => shown(&staff, Said { done: Some(t.t("people-give-asked")), ..Said::default() }).await,
        Some((field, fault)) => {
            let faults = Faults::one(field, t.t(fault));
            shown(&staff, Said { faults, given: fields, ..Said::default() }).await
        }
    }
}

/// `POST /staff/people/take`: a role of somebody is taken away at once, or what was asked for.
pub(crate) async fn take(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    let (own, right) = (staff.session.account, wished_right(&fields));
    let taking = managing_account(&staff, &fields, HERE, move |portal, permit, account| {
        // As with ending an account: another administrator, or the command line, can.
        if account == own {
            return Err(PageError::StaffDenied);
        }
        let right = right.ok_or(PageError::Bad)?;
        portal.identity().take_right(Some(permit), account, &right).map_err(no_right)
    });
    taking.await?;
    let done = Some(staff.visitor.t().t("people-taken"));
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

/// A right that is not there any more, or not for who asks: somebody else was faster.
fn no_right(error: IdentityError) -> PageError {
    match error {
        IdentityError::Store(StoreError::Missing { .. }) => PageError::Bad,
        other => other.into(),
    }
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
