//! How staff come to a person's records: asking for a ground, breaking the glass, and what is open for them. What the records say
//! is shown elsewhere; here stand reasons and times.

use crate::Portal;
use crate::error::{PageError, form_page};
use crate::fields::{Asked, Fields, Fresh, StaffForm};
use crate::frame::{Choice, Fault, Faults, Frame};
use crate::pages::access::Numbered;
use crate::pages::ground::{GroundLine, PlaceNames, Turn, Whose, place_names};
use crate::pages::oversight::role_among;
use crate::pages::proofs::instead;
use crate::pages::staff::{Notice, told};
use crate::places::AskedFor;
use crate::texts::{Locale, Texts};
use crate::visitor::StaffMember;
use archive::ArchiveError;
use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use base::{Id16, Redacted, Timestamp};
use identity::StaffState;
use policy::{Action, Actor, DataKind, GroundKind, InstitutionCode, Permit, Purpose, Request, Role, Share, Target};
use std::collections::{BTreeMap, BTreeSet};
use store::{
    Act, ConsentOffer, GROUNDS_MAX, GlassNotice, GroundCursor, GroundEntry, GroundList, GroundPage, KnownPatient,
    NamedPatient, NewGround, REASON_BYTES_MAX, Right, StoreError, kind_asked_by,
};

/// Longest number of a patient that is read.
pub(crate) const NUMBER_BYTES_MAX: usize = 64;
/// Roles that ask for grounds.
pub(crate) const ASKING: &[Role] = &[Role::Support, Role::Clinician, Role::Pharmacist, Role::Steward];

#[derive(Template)]
#[template(path = "staff_access.html")]
pub(crate) struct StaffAccessPage {
    frame: Frame,
    csrf: String,
    faults: Faults,
    /// What was sent to ask for a ground, and to break the glass, where it is to be mended.
    filled: Fields,
    broken: Fields,
    done: Option<String>,
    notices: Vec<Notice>,
    grounds: Vec<GroundLine>,
    /// Addresses of the pages of grounds before and after this.
    before: Option<String>,
    after: Option<String>,
    offers: Vec<Offer>,
    roles: Vec<Choice>,
    /// How a patient who asks in person shows who they are, where the asker takes such requests: their age is not known by then.
    identity: Option<String>,
    /// Who may be told of a broken glass; nobody where the asker breaks none.
    seconds: Vec<Choice>,
    breaks: bool,
}

/// A consent that can be used.
struct Offer {
    id: String,
    until: String,
}

/// Names of members of staff by account.
pub(crate) type StaffNames = BTreeMap<Id16, String>;

impl StaffAccessPage {
    fn new(frame: Frame, csrf: String, known: &Known, filled: Fields, broken: Fields) -> Self {
        let t = frame.t;
        let roles = ASKING.iter().filter(|role| known.holds.contains(*role));
        let breaks = known.holds.contains(&Role::Clinician);
        let second = |(account, name): (&Id16, &String)| Choice::new(&account.to_string(), name, broken.text("second"));
        let role = |role: &Role| Choice::new(role.name(), &t.t(&format!("role-{}", role.name())), filled.text("role"));
        Self {
            csrf,
            faults: Faults::default(),
            done: None,
            notices: known.notices.iter().map(|one| told(t, one)).collect(),
            grounds: known.grounds.iter().map(|ground| known.line(t, ground)).collect(),
            before: None,
            after: None,
            offers: Vec::new(),
            roles: roles.map(role).collect(),
            identity: known.holds.contains(&Role::Support).then(|| {
                let young = instead(t, "patient-id", None, known.now).unwrap_or_default();
                format!("{} {young}", t.t("ground-identity"))
            }),
            seconds: known.seconds.iter().map(second).collect(),
            breaks,
            filled,
            broken,
            frame,
        }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "staff-access-title", "staff", "/staff/access", true);
        let moment = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        let ground = |name: &str, kind, confirmed| GroundEntry {
            id: Id16::derived(&[name]),
            kind,
            subject: Id16::default(),
            account: Id16::default(),
            role: Role::Clinician,
            institution: InstitutionCode::new("31100001"),
            share: Share::Whole,
            reason: Redacted::new("외래 진료".to_owned()),
            asked: moment(1_795_330_000),
            until: moment(1_795_340_000),
            confirmed,
            closed: None,
        };
        let known = Known {
            holds: [Role::Clinician, Role::Support].into(),
            grounds: vec![
                ground("a", GroundKind::Visit, Some(moment(1_795_331_000))),
                ground("b", GroundKind::Request, None),
            ],
            next: None,
            places: PlaceNames::from([("31100001".to_owned(), "한빛의원".to_owned())]),
            asked: Vec::new(),
            notices: vec![GlassNotice { ground: Id16::default(), told: moment(1_795_331_000) }],
            seconds: [(Id16::derived(&["x"]), "한지우".to_owned())].into(),
            now: moment(1_795_331_000),
        };
        let offers =
            vec![Offer { id: Id16::derived(&["c"]).to_string(), until: frame.t.moment(moment(1_795_440_000)) }];
        let (filled, broken) = (Fields::default(), Fields::default());
        let after = Some("/staff/access?page=2".to_owned());
        Self { offers, after, ..Self::new(frame, "sample-token".to_owned(), &known, filled, broken) }
    }

    pub fn sample_none(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "staff-access-title", "staff", "/staff/access", true);
        let faults = Faults::one("reason", frame.t.t("ground-reason-fault"));
        let known = Known { holds: [Role::Support].into(), ..Known::default() };
        let (filled, broken) = (Fields::of(&[("number", "p1")]), Fields::default());
        Self { faults, ..Self::new(frame.faulty(), "sample-token".to_owned(), &known, filled, broken) }
    }
}

/// What is known for the page.
#[derive(Default)]
struct Known {
    holds: BTreeSet<Role>,
    grounds: Vec<GroundEntry>,
    /// Where the page of grounds after this begins.
    next: Option<GroundCursor>,
    places: PlaceNames,
    /// What they asked for since they signed in.
    asked: Vec<AskedFor>,
    notices: Vec<GlassNotice>,
    seconds: StaffNames,
    now: Timestamp,
}

impl Known {
    fn line(&self, t: &Texts, ground: &GroundEntry) -> GroundLine {
        let typed = self.asked.iter().find(|one| one.ground == ground.id).map(|one| &one.patient);
        GroundLine::new(t, ground, &self.places, &Whose::Typed(typed))
    }
}

/// The names of all members of staff.
pub(crate) fn staff_names(portal: &Portal) -> Result<StaffNames, PageError> {
    let all = portal.identity().staff()?;
    Ok(all.into_iter().map(|one| (one.account, one.name.expose().clone())).collect())
}

/// The members of staff who can sign in.
fn active_staff(portal: &Portal) -> Result<BTreeSet<Id16>, PageError> {
    let all = portal.identity().staff()?;
    Ok(all.into_iter().filter(|one| one.state == StaffState::Active).map(|one| one.account).collect())
}

/// Whom an account may name to be told of a broken glass.
fn seconds(portal: &Portal, account: Id16) -> Result<StaffNames, PageError> {
    let (names, active) = (staff_names(portal)?, active_staff(portal)?);
    // Who has no passkey yet, or has left, would not hear of it.
    let officers = portal.archive().store().holders(Role::SecurityOfficer)?.into_iter();
    let officers = officers.filter(|officer| active.contains(officer) && *officer != account);
    Ok(officers.filter_map(|officer| Some((officer, names.get(&officer)?.clone()))).collect())
}

fn known(portal: &Portal, account: Id16, page: &GroundPage) -> Result<Known, PageError> {
    let store = portal.archive().store();
    let holds = store.facts(account)?.holds;
    let seconds = if holds.contains(&Role::Clinician) { seconds(portal, account)? } else { StaffNames::new() };
    let GroundList { grounds, next } = store.own_grounds(account, page)?;
    let places = place_names(portal, &grounds)?;
    let (notices, now) = (store.glass_notices(account)?, portal.archive().clock().now());
    Ok(Known { holds, grounds, next, places, asked: Vec::new(), notices, seconds, now })
}

/// Asks the door for a member of staff; who is not appointed is told so.
pub(crate) fn staff_permit(
    portal: &Portal,
    actor: &Actor,
    role: Role,
    action: Action,
    target: Target,
    purpose: Purpose,
) -> Result<Permit, PageError> {
    let actor = Actor { role, ..actor.clone() };
    portal.archive().ask(Request { actor, action, target, purpose }).map_err(|error| match error {
        ArchiveError::Denied(_) => PageError::StaffDenied,
        other => other.into(),
    })
}

/// Journals that a member of staff tried in vain what they have a permit for, for whom it is about to see.
pub(crate) fn note_refused(portal: &Portal, permit: &Permit, subject: Id16, reason: &str) -> Result<(), PageError> {
    let (actor, explanation) = (permit.actor().clone(), permit.explanation().to_owned());
    let (action, purpose) = (permit.action().name(), permit.purpose().name());
    let act = Act { actor, subject, action, purpose, explanation, refused: Some(reason.to_owned()), count: None };
    Ok(portal.archive().store().journal_act(act)?)
}

/// What is said besides the list.
#[derive(Default)]
struct Besides {
    /// Which page of their grounds.
    page: usize,
    faults: Faults,
    filled: Fields,
    broken: Fields,
    done: Option<&'static str>,
    offers: Vec<ConsentOffer>,
}

async fn shown(staff: &StaffMember, besides: Besides) -> Result<Response, PageError> {
    let (account, session, places) = (staff.session.account, staff.session.id, staff.visitor.portal.places());
    let place = places.of(session);
    let turn = Turn::to(&place.own_ground_pages, besides.page);
    let wanted = turn.page;
    let known = staff.visitor.portal.blocking(move |portal| known(portal, account, &wanted)).await?;
    let known = Known { asked: place.asked, ..known };
    places.with(session, |place| turn.remember(&mut place.own_ground_pages, known.next));
    let (before, after) = turn.around("/staff/access", known.next);
    let mut frame = staff.visitor.frame("staff-access-title", "staff");
    let t = frame.t;
    let is_faulty = !besides.faults.is_empty();
    if is_faulty {
        frame = frame.faulty();
    }
    let offer = |one: ConsentOffer| Offer { id: one.consent.to_string(), until: t.moment(one.until) };
    let offers = besides.offers.into_iter().map(offer).collect();
    let shown = StaffAccessPage::new(frame, staff.csrf(), &known, besides.filled, besides.broken);
    let done = besides.done.map(|key| t.t(key));
    form_page(&StaffAccessPage { faults: besides.faults, done, offers, before, after, ..shown }, is_faulty)
}

/// `GET /staff/access?page=`
pub(crate) async fn show(staff: StaffMember, numbered: Asked<Numbered>) -> Result<Response, PageError> {
    let Query(Numbered { page }) = numbered.unwrap_or_default();
    shown(&staff, Besides { page, ..Besides::default() }).await
}

/// Whom a form is about, and why.
struct Wish {
    patient: NamedPatient,
    reason: Redacted<String>,
}

/// The patient whom a form names by institution and number; what is to be mended comes to the faults.
pub(crate) fn patient_named(t: &Texts, fields: &Fields, faults: &mut Faults) -> Option<NamedPatient> {
    let mut fault = |field: &'static str, key: &str| faults.0.push(Fault { field, text: t.t(key) });
    let institution = InstitutionCode::new(fields.text("institution").trim());
    if institution.is_none() {
        fault("institution", "ground-institution-fault");
    }
    let number = fields.text("number").trim();
    if number.is_empty() || number.len() > NUMBER_BYTES_MAX {
        fault("number", "ground-patient-fault");
        return None;
    }
    institution.map(|institution| NamedPatient::new(institution, number))
}

fn wish(t: &Texts, fields: &Fields) -> Result<Wish, Faults> {
    let mut faults = Faults::default();
    let named = patient_named(t, fields, &mut faults);
    let reason = fields.text("reason").trim();
    if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
        faults.0.push(Fault { field: "reason", text: t.t("ground-reason-fault") });
    }
    match named {
        Some(patient) if faults.is_empty() => Ok(Wish { patient, reason: Redacted::new(reason.to_owned()) }),
        _ => Err(faults),
    }
}

/// The permit about whom a form is about, once it is known who that is; nothing where it is nobody. That it is nobody is journalled;
/// that it is somebody is with what is done about them, so all else that may be wrong with a form is looked at before.
pub(crate) fn about(
    portal: &Portal,
    actor: &Actor,
    (role, action): (Role, Action),
    purpose: &Purpose,
    patient: &NamedPatient,
) -> Result<Option<(Permit, KnownPatient)>, PageError> {
    let store = portal.archive().store();
    let named = Target::Patient(patient.by_id(store.ids()));
    let permit = staff_permit(portal, actor, role, action, named, purpose.clone())?;
    let known = match store.subject_of(&permit, patient) {
        Ok(known) => known,
        Err(StoreError::Missing { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let permit = staff_permit(portal, actor, role, action, Target::Person(known.subject()), purpose.clone())?;
    Ok(Some((permit, known)))
}

/// Whether they asked for this before, by the same name, and it waits. Another name of the same patient is not told to be one.
fn waits(
    portal: &Portal,
    (session, account): (Id16, Id16),
    role: Role,
    patient: &NamedPatient,
) -> Result<bool, PageError> {
    let asked = portal.places().of(session).asked;
    let Some(asked) = asked.iter().find(|one| (one.role, &one.patient) == (role, patient)) else { return Ok(false) };
    let own = portal.archive().store().own_grounds(account, &GroundPage::default())?;
    Ok(own.grounds.iter().any(|ground| ground.id == asked.ground && ground.confirmed.is_none()))
}

pub(crate) fn no_patient(t: &Texts) -> Faults {
    Faults::one("number", t.t("ground-patient-unknown"))
}

/// `POST /staff/access/ask`
pub(crate) async fn ask(form: StaffForm) -> Result<Response, PageError> {
    let StaffForm { staff, fields } = form;
    let role =
        Role::from_name(fields.text("role")).filter(|role| ASKING.contains(role)).ok_or(PageError::StaffDenied)?;
    let kind = kind_asked_by(role).ok_or(PageError::StaffDenied)?;
    let (actor, t) = (staff.session.actor_as(role, &staff.visitor.source), staff.visitor.t());
    let (filled, session) = (fields.clone(), staff.session.id);
    let asking = staff.visitor.portal.blocking(move |portal| {
        let ground = Id16::random(portal.archive().random());
        let name = kind.purposes().first().copied().unwrap_or_default();
        let purpose = Purpose::with_ground(name, ground).ok_or(PageError::Bad)?;
        // Whoever is not appointed learns nothing of who is a patient.
        let nobody = Target::Patient(ground);
        staff_permit(portal, &actor, role, Action::AskGround, nobody, purpose.clone())?;
        let wish = match wish(t, &fields) {
            Ok(wish) => wish,
            Err(faults) => return Ok(Err(faults)),
        };
        if waits(portal, (session, actor.account), role, &wish.patient)? {
            return Ok(Ok(("ground-asked-before", Vec::new())));
        }
        let found = about(portal, &actor, (role, Action::AskGround), &purpose, &wish.patient)?;
        let Some((permit, known)) = found else { return Ok(Err(no_patient(t))) };
        let (subject, store) = (known.subject(), portal.archive().store());
        let (institution, share) = reach(role, &wish.patient.institution, &store.rights(actor.account)?);
        let new = NewGround { subject, institution, share, reason: wish.reason };
        match store.ask_ground(&permit, new) {
            Ok(ground) => {
                let asked = AskedFor { role, patient: wish.patient, ground };
                portal.places().with(session, |place| place.ask(asked));
            }
            Err(StoreError::Limit { .. }) => return Ok(Err(Faults::one("number", t.t("ground-asked-too-many")))),
            Err(error) => return Err(error.into()),
        }
        Ok(Ok(("ground-asked", store.consent_offers(&permit, subject)?)))
    });
    match asking.await? {
        Ok((done, offers)) => shown(&staff, Besides { offers, done: Some(done), ..Besides::default() }).await,
        Err(faults) => shown(&staff, Besides { faults, filled, ..Besides::default() }).await,
    }
}

/// What a role asks for: a clinician what their own institution has (of several the one that was named), a pharmacist drugs alone,
/// others what was named.
fn reach(role: Role, institution: &InstitutionCode, held: &[Right]) -> (Option<InstitutionCode>, Share) {
    let named = Some(institution.clone());
    match role {
        Role::Clinician => {
            let is_there = held.contains(&Right::Appointed { role, institution: named.clone() });
            (named.filter(|_| is_there), Share::Whole)
        }
        Role::Pharmacist => (named, Share::Part { kinds: [DataKind::Medications].into(), sensitive: BTreeSet::new() }),
        _ => (named, Share::Whole),
    }
}

/// `POST /staff/access/break`
pub(crate) async fn break_glass(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    let (role, action) = (Role::Clinician, Action::BreakGlass);
    let (actor, t) = (staff.session.actor_as(role, &staff.visitor.source), staff.visitor.t());
    let broken = fields.clone();
    let breaking = staff.visitor.portal.blocking(move |portal| {
        let purpose = Purpose::Emergency { ground: Id16::random(portal.archive().random()) };
        let nobody = Target::Patient(Id16::default());
        staff_permit(portal, &actor, role, action, nobody, purpose.clone())?;
        let wish = match wish(t, &fields) {
            Ok(wish) => wish,
            Err(faults) => return Ok(Err(faults)),
        };
        let no_second = || Faults::one("second", t.t("ground-second-fault"));
        let second = fields.text("second").parse::<Id16>().ok();
        // Before anybody is looked for: else who is a patient would show without the glass being broken.
        let seconds = seconds(portal, actor.account)?;
        let Some(second) = second.filter(|second| seconds.contains_key(second)) else { return Ok(Err(no_second())) };
        let found = about(portal, &actor, (role, action), &purpose, &wish.patient)?;
        let Some((permit, known)) = found else { return Ok(Err(no_patient(t))) };
        match portal.archive().store().break_glass(&permit, known.subject(), wish.reason, second) {
            Ok(_) => Ok(Ok(())),
            // They lost the role at this very moment.
            Err(StoreError::Missing { .. }) => Ok(Err(no_second())),
            Err(error) => Err(error.into()),
        }
    });
    match breaking.await? {
        Ok(()) => shown(&staff, Besides { done: Some("ground-broken"), ..Besides::default() }).await,
        Err(faults) => {
            let faults = faults.within(&[
                ("institution", "break-institution"),
                ("number", "break-number"),
                ("reason", "break-reason"),
            ]);
            shown(&staff, Besides { faults, broken, ..Besides::default() }).await
        }
    }
}

/// `POST /staff/access/close`: whoever is done with a ground of theirs closes it.
pub(crate) async fn close(form: StaffForm) -> Result<Response, PageError> {
    let StaffForm { staff, fields } = form;
    let actor = staff.session.actor_as(Role::Clinician, &staff.visitor.source);
    let id = fields.text("id").parse::<Id16>().ok();
    let closing = staff.visitor.portal.blocking(move |portal| {
        // Of what is nobody's or another's they ask in a role of theirs, in vain.
        let ground = id.unwrap_or_default();
        let own = portal.archive().store().own_ground(actor.account, ground)?;
        let role = own.as_ref().map_or_else(|| role_among(portal, actor.account, ASKING), |own| Ok(own.role))?;
        let kind = kind_asked_by(role).ok_or(PageError::StaffDenied)?;
        let name = kind.purposes().first().copied().unwrap_or_default();
        let purpose = Purpose::with_ground(name, ground).ok_or(PageError::Bad)?;
        let target = own.map_or(Target::Patient(ground), |own| Target::Person(own.subject));
        let permit = staff_permit(portal, &actor, role, Action::AskGround, target, purpose)?;
        match portal.archive().store().close_ground(&permit, id.ok_or(PageError::Bad)?) {
            Ok(()) => Ok(()),
            // It was closed already, or is another's.
            Err(StoreError::Missing { .. }) => Err(PageError::Bad),
            Err(error) => Err(error.into()),
        }
    });
    closing.await?;
    shown(&staff, Besides { done: Some("ground-closed"), ..Besides::default() }).await
}

/// `POST /staff/access/seen`
pub(crate) async fn seen(form: StaffForm) -> Result<Response, PageError> {
    let StaffForm { staff, fields } = form;
    let account = staff.session.account;
    let shown_to_them: Result<Vec<Id16>, _> = fields.all("shown").map(str::parse).collect();
    let notices = shown_to_them.ok().filter(|notices| notices.len() <= GROUNDS_MAX).ok_or(PageError::Bad)?;
    let noting = staff
        .visitor
        .portal
        .blocking(move |portal| Ok(portal.archive().store().glass_notices_seen(account, &notices)?));
    noting.await?;
    shown(&staff, Besides::default()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_names_a_patient_and_a_reason() {
        let at = |institution: &str, number: &str, reason: &str| {
            let fields = Fields::of(&[("institution", institution), ("number", number), ("reason", reason)]);
            wish(Locale::Korean.texts(), &fields)
                .map(|wish| wish.patient)
                .map_err(|faults| faults.0.into_iter().map(|fault| fault.field).collect::<Vec<_>>())
        };
        let code = InstitutionCode::new("31100001").expect("a code");
        assert_eq!(at("31100001", " p1 ", "외래"), Ok(NamedPatient::new(code.clone(), "p1")));
        assert_eq!(at("", "", " ").expect_err("nothing"), ["institution", "number", "reason"]);
        assert_eq!(at("31100001", &"1".repeat(65), "외래").expect_err("long"), ["number"]);
        assert_eq!(reach(Role::Pharmacist, &code, &[]).1.to_text(), "medications;");
        let at = |code: &str| Right::Appointed { role: Role::Clinician, institution: InstitutionCode::new(code) };
        assert_eq!(reach(Role::Clinician, &code, &[at("11100001")]), (None, Share::Whole), "at the one where they are");
        let named = reach(Role::Clinician, &code, &[at("11100001"), at("31100001")]);
        assert_eq!(named, (Some(code), Share::Whole));
    }
}
