//! How staff come to a person's records: asking for a ground, breaking the glass, and what is open for them. What the records say
//! is shown elsewhere; here stand reasons and times.

use crate::Portal;
use crate::error::{PageError, form_page};
use crate::fields::{Fields, Fresh, StaffForm};
use crate::frame::{Choice, Fault, Faults, Frame};
use crate::pages::staff::told;
use crate::texts::{Locale, Texts};
use crate::visitor::StaffMember;
use archive::ArchiveError;
use askama::Template;
use axum::response::Response;
use base::{Id16, Redacted, Timestamp};
use identity::StaffState;
use policy::{
    Action, Actor, DataKind, GroundKind, InstitutionCode, Owner, Permit, Purpose, Request, Role, Share, Target,
};
use std::collections::{BTreeMap, BTreeSet};
use store::{ConsentOffer, GlassNotice, GroundEntry, NewGround, REASON_BYTES_MAX, StoreError, kind_asked_by};

/// Longest number of a patient that is read.
const NUMBER_BYTES_MAX: usize = 64;
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
    notices: Vec<String>,
    grounds: Vec<Line>,
    offers: Vec<Offer>,
    roles: Vec<Choice>,
    /// Who may be told of a broken glass; nobody where the asker breaks none.
    seconds: Vec<Choice>,
    breaks: bool,
}

/// A ground in words.
struct Line {
    id: String,
    title: String,
    state: String,
    until: String,
    reason: String,
    is_open: bool,
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
            notices: known.notices.iter().map(|one| told(t, one.told)).collect(),
            grounds: known.grounds.iter().map(|ground| Line::new(t, ground)).collect(),
            offers: Vec::new(),
            roles: roles.map(role).collect(),
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
            notices: vec![GlassNotice { ground: Id16::default(), told: moment(1_795_331_000) }],
            seconds: [(Id16::derived(&["x"]), "한지우".to_owned())].into(),
        };
        let offers =
            vec![Offer { id: Id16::derived(&["c"]).to_string(), until: frame.t.moment(moment(1_795_440_000)) }];
        let (filled, broken) = (Fields::default(), Fields::default());
        Self { offers, ..Self::new(frame, "sample-token".to_owned(), &known, filled, broken) }
    }

    pub fn sample_none(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "staff-access-title", "staff", "/staff/access", true);
        let faults = Faults::one("reason", frame.t.t("ground-reason-fault"));
        let known = Known { holds: [Role::Support].into(), ..Known::default() };
        let (filled, broken) = (Fields::of(&[("number", "p1")]), Fields::default());
        Self { faults, ..Self::new(frame.faulty(), "sample-token".to_owned(), &known, filled, broken) }
    }
}

impl Line {
    fn new(t: &Texts, ground: &GroundEntry) -> Self {
        let is_open = ground.confirmed.is_some();
        Self {
            id: ground.id.to_string(),
            title: t.t(&format!("ground-{}", ground.kind.name())),
            state: t.t(if is_open { "ground-open" } else { "ground-waiting" }),
            until: t.t1("ground-until", "date", t.moment(ground.until)),
            reason: ground.reason.expose().clone(),
            is_open,
        }
    }
}

/// What is known for the page.
#[derive(Default)]
struct Known {
    holds: BTreeSet<Role>,
    grounds: Vec<GroundEntry>,
    notices: Vec<GlassNotice>,
    seconds: StaffNames,
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

fn known(portal: &Portal, account: Id16) -> Result<Known, PageError> {
    let store = portal.archive().store();
    let holds = store.facts(account)?.holds;
    let mut seconds = StaffNames::new();
    if holds.contains(&Role::Clinician) {
        let names = staff_names(portal)?;
        // Who has no passkey yet, or has left, would not hear of it.
        let active: BTreeSet<Id16> = active_staff(portal)?;
        let officers = store.holders(Role::SecurityOfficer)?.into_iter().filter(|officer| active.contains(officer));
        let officers = officers.filter(|officer| *officer != account);
        seconds.extend(officers.filter_map(|officer| Some((officer, names.get(&officer)?.clone()))));
    }
    Ok(Known { holds, grounds: store.own_grounds(account)?, notices: store.glass_notices(account)?, seconds })
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

/// What is said besides the list.
#[derive(Default)]
struct Besides {
    faults: Faults,
    filled: Fields,
    broken: Fields,
    done: Option<&'static str>,
    offers: Vec<ConsentOffer>,
}

async fn shown(staff: &StaffMember, besides: Besides) -> Result<Response, PageError> {
    let account = staff.session.account;
    let known = staff.visitor.portal.blocking(move |portal| known(portal, account)).await?;
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
    form_page(&StaffAccessPage { faults: besides.faults, done, offers, ..shown }, is_faulty)
}

/// `GET /staff/access`
pub(crate) async fn show(staff: StaffMember) -> Result<Response, PageError> {
    shown(&staff, Besides::default()).await
}

/// Whom a form is about, and why.
struct Wish {
    institution: InstitutionCode,
    patient: Id16,
    reason: Redacted<String>,
}

/// The patient whom a form names by institution and number; what is to be mended comes to the faults.
pub(crate) fn patient_named(t: &Texts, fields: &Fields, faults: &mut Faults) -> Option<(InstitutionCode, Id16)> {
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
    institution.map(|institution| {
        let patient = Owner::patient(&institution, number).id();
        (institution, patient)
    })
}

fn wish(t: &Texts, fields: &Fields) -> Result<Wish, Faults> {
    let mut faults = Faults::default();
    let named = patient_named(t, fields, &mut faults);
    let reason = fields.text("reason").trim();
    if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
        faults.0.push(Fault { field: "reason", text: t.t("ground-reason-fault") });
    }
    match named {
        Some((institution, patient)) if faults.is_empty() => {
            Ok(Wish { institution, patient, reason: Redacted::new(reason.to_owned()) })
        }
        _ => Err(faults),
    }
}

/// The permit about whom a form is about, once it is known who that is; a fault where it is nobody.
pub(crate) fn about(
    portal: &Portal,
    actor: &Actor,
    (role, action): (Role, Action),
    purpose: &Purpose,
    patient: Id16,
) -> Result<Option<(Permit, Id16)>, PageError> {
    let permit = staff_permit(portal, actor, role, action, Target::Patient(patient), purpose.clone())?;
    let subject = match portal.archive().store().subject_of(&permit, patient) {
        Ok(subject) => subject,
        Err(StoreError::Missing { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let permit = staff_permit(portal, actor, role, action, Target::Person(subject), purpose.clone())?;
    Ok(Some((permit, subject)))
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
    let filled = fields.clone();
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
        let found = about(portal, &actor, (role, Action::AskGround), &purpose, wish.patient)?;
        let Some((permit, subject)) = found else { return Ok(Err(no_patient(t))) };
        let (institution, share) = reach(role, wish.institution);
        let new = NewGround { subject, institution, share, reason: wish.reason };
        portal.archive().store().ask_ground(&permit, new)?;
        Ok(Ok(portal.archive().store().consent_offers(&permit, subject)?))
    });
    match asking.await? {
        Ok(offers) => shown(&staff, Besides { offers, done: Some("ground-asked"), ..Besides::default() }).await,
        Err(faults) => shown(&staff, Besides { faults, filled, ..Besides::default() }).await,
    }
}

/// What a role asks for: a clinician what their own institution has, a pharmacist drugs alone, others what was named.
fn reach(role: Role, institution: InstitutionCode) -> (Option<InstitutionCode>, Share) {
    match role {
        Role::Clinician => (None, Share::Whole),
        Role::Pharmacist => {
            let kinds = [DataKind::Medications].into();
            (Some(institution), Share::Part { kinds, sensitive: BTreeSet::new() })
        }
        _ => (Some(institution), Share::Whole),
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
        let (wish, second) = match (wish(t, &fields), fields.text("second").parse::<Id16>()) {
            (Ok(wish), Ok(second)) => (wish, second),
            (Err(faults), _) => return Ok(Err(faults)),
            (_, Err(_)) => return Ok(Err(Faults::one("second", t.t("ground-second-fault")))),
        };
        let found = about(portal, &actor, (role, action), &purpose, wish.patient)?;
        let Some((permit, subject)) = found else { return Ok(Err(no_patient(t))) };
        if !active_staff(portal)?.contains(&second) {
            return Ok(Err(Faults::one("second", t.t("ground-second-fault"))));
        }
        match portal.archive().store().break_glass(&permit, subject, wish.reason, second) {
            Ok(_) => Ok(Ok(())),
            Err(StoreError::Missing { .. }) => Ok(Err(Faults::one("second", t.t("ground-second-fault")))),
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

/// `POST /staff/access/seen`
pub(crate) async fn seen(form: StaffForm) -> Result<Response, PageError> {
    let account = form.staff.session.account;
    let noting =
        form.staff.visitor.portal.blocking(move |portal| Ok(portal.archive().store().glass_notices_seen(account)?));
    noting.await?;
    shown(&form.staff, Besides::default()).await
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
        assert_eq!(at("31100001", " p1 ", "외래"), Ok(Owner::patient(&code, "p1").id()));
        assert_eq!(at("", "", " ").expect_err("nothing"), ["institution", "number", "reason"]);
        assert_eq!(at("31100001", &"1".repeat(65), "외래").expect_err("long"), ["number"]);
        assert_eq!(reach(Role::Pharmacist, code.clone()).1.to_text(), "medications;");
        assert_eq!(reach(Role::Clinician, code), (None, Share::Whole));
    }
}
