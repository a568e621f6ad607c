//! Watching over the access of staff: grounds that wait or are open, for those who confirm and those who watch; broken glass and
//! its reviews. No record is shown here.

use crate::Portal;
use crate::error::{PageError, form_page, page};
use crate::fields::{Asked, Fields, StaffForm};
use crate::frame::{Choice, Frame};
use crate::pages::access::Numbered;
use crate::pages::ground::{GroundLine, PlaceNames, Turn, Whose, place_names};
use crate::pages::staff_access::{StaffNames, note_refused, staff_names, staff_permit};
use crate::texts::{Locale, Texts};
use crate::visitor::StaffMember;
use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use base::{Id16, Redacted, Timestamp};
use policy::{Action, Actor, GroundKind, InstitutionCode, Permit, Purpose, Role, Share, Target};
use store::{BrokenGlass, GroundEntry, StoreError, Verdict};

/// Roles that see grounds; the first of them confirms.
pub(crate) const WATCHING: &[Role] = &[Role::Steward, Role::SecurityOfficer, Role::Auditor];
/// Roles that see reviews; the first of them closes them.
pub(crate) const REVIEWING: &[Role] = &[Role::SecurityOfficer, Role::Auditor];

#[derive(Template)]
#[template(path = "staff_grounds.html")]
pub(crate) struct GroundsPage {
    frame: Frame,
    csrf: String,
    confirms: bool,
    grounds: Vec<Line>,
    /// Addresses of the pages before and after this.
    before: Option<String>,
    after: Option<String>,
}

/// A ground in words, and whose it is.
struct Line {
    ground: GroundLine,
    who: String,
    is_own: bool,
}

/// Names that grounds are told with: of staff, and of institutions.
struct GroundNames {
    staff: StaffNames,
    places: PlaceNames,
}

#[derive(Template)]
#[template(path = "staff_reviews.html")]
pub(crate) struct ReviewsPage {
    frame: Frame,
    csrf: String,
    closes: bool,
    glasses: Vec<Glass>,
    /// Said where a review cannot be closed as it was sent.
    fault: Option<String>,
}

/// A broken glass in words.
struct Glass {
    id: String,
    /// The id of its field for the outcome.
    field: String,
    who: String,
    second: String,
    reason: String,
    broken: String,
    due: String,
    state: String,
    is_open: bool,
    is_overdue: bool,
    verdicts: Vec<Choice>,
    /// The note that was sent, where it is to be mended.
    typed: String,
}

pub(crate) fn name_of(names: &StaffNames, account: Id16) -> String {
    names.get(&account).cloned().unwrap_or_else(|| account.to_string())
}

impl GroundsPage {
    fn new(
        frame: Frame,
        csrf: String,
        confirms: bool,
        grounds: &[GroundEntry],
        names: &GroundNames,
        own: Id16,
    ) -> Self {
        let t = frame.t;
        let grounds = grounds.iter().map(|ground| Line::new(t, ground, names, own)).collect();
        Self { frame, csrf, confirms, grounds, before: None, after: None }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "grounds-title", "staff", "/staff/grounds", true);
        let moment = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        let doctor = Id16::derived(&["doctor"]);
        let ground = |name: &str, confirmed| GroundEntry {
            id: Id16::derived(&[name]),
            kind: GroundKind::Visit,
            subject: Id16::default(),
            account: doctor,
            role: Role::Clinician,
            institution: InstitutionCode::new("31100001"),
            share: Share::Whole,
            reason: Redacted::new("외래 진료".to_owned()),
            asked: moment(1_795_330_000),
            until: moment(1_795_340_000),
            confirmed,
            closed: None,
        };
        let grounds = [ground("a", None), ground("b", Some(moment(1_795_331_000)))];
        let names = GroundNames {
            staff: StaffNames::from([(doctor, "박도윤".to_owned())]),
            places: PlaceNames::from([("31100001".to_owned(), "한빛의원".to_owned())]),
        };
        let shown = Self::new(frame, "sample-token".to_owned(), true, &grounds, &names, Id16::default());
        let (before, after) = ("/staff/grounds?page=1", "/staff/grounds?page=3");
        Self { before: Some(before.to_owned()), after: Some(after.to_owned()), ..shown }
    }
}

impl Line {
    fn new(t: &Texts, ground: &GroundEntry, names: &GroundNames, own: Id16) -> Self {
        let (role, is_own) = (t.t(&format!("role-{}", ground.role.name())), ground.account == own);
        let whose = if is_own { Whose::Typed(None) } else { Whose::Known };
        Self {
            ground: GroundLine::new(t, ground, &names.places, &whose),
            who: t.tn("access-by", &[("name", &name_of(&names.staff, ground.account)), ("role", &role)]),
            is_own,
        }
    }
}

impl ReviewsPage {
    fn new(
        frame: Frame,
        csrf: String,
        closes: bool,
        glasses: &[BrokenGlass],
        names: &StaffNames,
        now: Timestamp,
        filled: &Fields,
    ) -> Self {
        let t = frame.t;
        Self {
            csrf,
            closes,
            glasses: glasses.iter().map(|glass| Glass::new(t, glass, names, now, filled)).collect(),
            fault: None,
            frame,
        }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "reviews-title", "staff", "/staff/reviews", true);
        let moment = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        let [doctor, officer] = ["doctor", "officer"].map(|name| Id16::derived(&[name]));
        let glass = |name: &str, review| BrokenGlass {
            ground: Id16::derived(&[name]),
            subject: Id16::default(),
            account: doctor,
            second: officer,
            reason: Redacted::new("의식 없는 응급 환자".to_owned()),
            broken: moment(1_795_330_000),
            due: moment(1_795_590_000),
            review,
        };
        let reviewed = Some((officer, moment(1_795_500_000), Verdict::Justified));
        let names = StaffNames::from([(doctor, "박도윤".to_owned()), (officer, "한지우".to_owned())]);
        let (glasses, now) = ([glass("a", None), glass("b", reviewed)], moment(1_795_600_000));
        let fault = Some(frame.t.t("reviews-fault"));
        let filled = Fields::of(&[("id", &glasses[0].ground.to_string()), ("verdict", "not-justified")]);
        Self { fault, ..Self::new(frame, "sample-token".to_owned(), true, &glasses, &names, now, &filled) }
    }

    pub fn sample_none(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "reviews-title", "staff", "/staff/reviews", true);
        let (names, now) = (StaffNames::new(), Timestamp::UNIX_EPOCH);
        Self::new(frame, "sample-token".to_owned(), false, &[], &names, now, &Fields::default())
    }
}

impl Glass {
    fn new(t: &Texts, glass: &BrokenGlass, names: &StaffNames, now: Timestamp, filled: &Fields) -> Self {
        let is_overdue = glass.is_overdue(now);
        let typed = |name: &str| if filled.text("id") == glass.ground.to_string() { filled.text(name) } else { "" };
        let verdict =
            |one: Verdict| Choice::new(one.name(), &t.t(&format!("verdict-{}", one.name())), typed("verdict"));
        let state = match glass.review {
            Some((_, _, verdict)) => format!("verdict-{}", verdict.name()),
            None if is_overdue => "reviews-overdue".to_owned(),
            None => "reviews-due".to_owned(),
        };
        Self {
            id: glass.ground.to_string(),
            field: format!("verdict-{}", glass.ground),
            who: name_of(names, glass.account),
            second: t.t1("reviews-second", "name", name_of(names, glass.second)),
            reason: glass.reason.expose().clone(),
            broken: t.t1("reviews-broken", "date", t.moment(glass.broken)),
            due: t.t1("reviews-due-by", "date", t.moment(glass.due)),
            state: t.t(&state),
            is_open: glass.review.is_none(),
            is_overdue,
            verdicts: vec![verdict(Verdict::Justified), verdict(Verdict::NotJustified)],
            typed: typed("note").to_owned(),
        }
    }
}

/// The role of an account among some; the last of them where it holds none, for the door to refuse.
pub(crate) fn role_among(portal: &Portal, account: Id16, roles: &[Role]) -> Result<Role, PageError> {
    let holds = portal.archive().store().facts(account)?.holds;
    let held = roles.iter().find(|role| holds.contains(*role)).or(roles.last());
    held.copied().ok_or(PageError::StaffDenied)
}

fn office(portal: &Portal, actor: &Actor, role: Role, action: Action) -> Result<Permit, PageError> {
    staff_permit(portal, actor, role, action, Target::Installation, Purpose::Oversight)
}

async fn grounds_shown(staff: &StaffMember, number: usize) -> Result<Response, PageError> {
    let actor = staff.session.actor_as(Role::Steward, &staff.visitor.source);
    let (places, session) = (staff.visitor.portal.places(), staff.session.id);
    let turn = Turn::to(&places.of(session).ground_pages, number);
    let wanted = turn.page;
    let reading = staff.visitor.portal.blocking(move |portal| {
        let role = role_among(portal, actor.account, WATCHING)?;
        let action = if role == Role::Steward { Action::ConfirmGround } else { Action::Oversee };
        let permit = office(portal, &actor, role, action)?;
        let list = portal.archive().store().grounds(&permit, &wanted)?;
        let names = GroundNames { staff: staff_names(portal)?, places: place_names(portal, &list.grounds)? };
        Ok((role == Role::Steward, list, names))
    });
    let (confirms, list, names) = reading.await?;
    places.with(session, |place| turn.remember(&mut place.ground_pages, list.next));
    let (before, after) = turn.around("/staff/grounds", list.next);
    let frame = staff.visitor.frame("grounds-title", "staff");
    let shown = GroundsPage::new(frame, staff.csrf(), confirms, &list.grounds, &names, staff.session.account);
    page(&GroundsPage { before, after, ..shown })
}

/// `GET /staff/grounds?page=`
pub(crate) async fn grounds(staff: StaffMember, numbered: Asked<Numbered>) -> Result<Response, PageError> {
    let Query(numbered) = numbered.unwrap_or_default();
    grounds_shown(&staff, numbered.page).await
}

/// Does something with a ground as a steward.
async fn with_ground(
    form: StaffForm,
    work: impl FnOnce(&Portal, &Permit, Id16) -> Result<(), PageError> + Send + 'static,
) -> Result<Response, PageError> {
    let StaffForm { staff, fields } = form;
    let actor = staff.session.actor_as(Role::Steward, &staff.visitor.source);
    let id = fields.text("id").parse::<Id16>();
    let doing = staff.visitor.portal.blocking(move |portal| {
        let permit = office(portal, &actor, Role::Steward, Action::ConfirmGround)?;
        work(portal, &permit, id.map_err(|_| PageError::Bad)?)
    });
    doing.await?;
    grounds_shown(&staff, 1).await
}

fn gone(error: StoreError) -> PageError {
    match error {
        // Somebody else was faster, or it is the asker's own.
        StoreError::Missing { .. } => PageError::Bad,
        other => other.into(),
    }
}

/// Whether a ground is about the one who would confirm or review it, which the log says of them: nobody is the second pair of eyes on
/// their own records.
fn is_theirs(portal: &Portal, permit: &Permit, ground: Id16) -> Result<bool, PageError> {
    let Some(subject) = portal.archive().store().subject_of_ground(permit, ground)? else { return Ok(false) };
    let is_theirs = portal.watch()?.is_own(permit.actor().account, subject)?;
    if is_theirs {
        note_refused(portal, permit, subject, "part")?;
    }
    Ok(is_theirs)
}

/// `POST /staff/grounds/confirm`
pub(crate) async fn confirm(form: StaffForm) -> Result<Response, PageError> {
    with_ground(form, |portal, permit, id| {
        if is_theirs(portal, permit, id)? {
            return Err(PageError::StaffDenied);
        }
        portal.archive().store().confirm_ground(permit, id).map_err(gone)
    })
    .await
}

/// `POST /staff/grounds/close`
pub(crate) async fn close(form: StaffForm) -> Result<Response, PageError> {
    with_ground(form, |portal, permit, id| portal.archive().store().close_ground(permit, id).map_err(gone)).await
}

async fn reviews_shown(staff: &StaffMember, fault: Option<&str>, filled: &Fields) -> Result<Response, PageError> {
    let actor = staff.session.actor_as(Role::SecurityOfficer, &staff.visitor.source);
    let reading = staff.visitor.portal.blocking(move |portal| {
        let role = role_among(portal, actor.account, REVIEWING)?;
        let permit = office(portal, &actor, role, Action::Oversee)?;
        let glasses = portal.archive().store().broken_glass(&permit)?;
        Ok((role == Role::SecurityOfficer, glasses, staff_names(portal)?, portal.archive().clock().now()))
    });
    let (closes, glasses, names, now) = reading.await?;
    let mut frame = staff.visitor.frame("reviews-title", "staff");
    let fault = fault.map(|key| frame.t.t(key));
    let is_faulty = fault.is_some();
    if is_faulty {
        frame = frame.faulty();
    }
    let shown = ReviewsPage::new(frame, staff.csrf(), closes, &glasses, &names, now, filled);
    form_page(&ReviewsPage { fault, ..shown }, is_faulty)
}

/// `GET /staff/reviews`
pub(crate) async fn reviews(staff: StaffMember) -> Result<Response, PageError> {
    reviews_shown(&staff, None, &Fields::default()).await
}

/// `POST /staff/reviews/close`
pub(crate) async fn review(form: StaffForm) -> Result<Response, PageError> {
    let StaffForm { staff, fields } = form;
    let actor = staff.session.actor_as(Role::SecurityOfficer, &staff.visitor.source);
    let (id, verdict) = (fields.text("id").parse::<Id16>(), Verdict::from_name(fields.text("verdict")));
    let note = Redacted::new(fields.text("note").to_owned());
    let closing = staff.visitor.portal.blocking(move |portal| {
        let permit = office(portal, &actor, Role::SecurityOfficer, Action::ReviewGlass)?;
        let (Ok(id), Some(verdict)) = (id, verdict) else { return Ok(Some("reviews-fault")) };
        if is_theirs(portal, &permit, id)? {
            return Ok(Some("reviews-own"));
        }
        match portal.archive().store().review_glass(&permit, id, verdict, &note) {
            Ok(()) => Ok(None),
            Err(StoreError::Missing { .. } | StoreError::Limit { .. }) => Ok(Some("reviews-fault")),
            Err(error) => Err(error.into()),
        }
    });
    let fault = closing.await?;
    reviews_shown(&staff, fault, &fields).await
}
