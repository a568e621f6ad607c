//! Erasures: those that were asked for, and asking for one. What would go and what stands against it is said before anything is asked
//! for, and again when it is. No name of a patient is shown, and no record.

use crate::Portal;
use crate::error::{PageError, faulty_page, form_page, page};
use crate::fields::{Fields, Fresh, StaffForm};
use crate::frame::{Choice, Fault, Faults, Frame};
use crate::pages::erasure::{Line, handling, is_theirs, note_refused_of, sample_shred, scope_words};
use crate::pages::records::item_key;
use crate::pages::staff_access::{StaffNames, about, no_patient, patient_named, staff_names};
use crate::pages::watch_case::short;
use crate::texts::{Locale, Texts};
use crate::visitor::StaffMember;
use crate::words::day_of;
use archive::retention::Retention;
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use base::{Id16, Redacted, Timestamp};
use policy::{Action, Actor, InstitutionCode, Permit, Purpose, Role, Target};
use std::collections::BTreeMap;
use store::{
    HeldBy, KnownPatient, NamedPatient, SHRED_TEXT_BYTES_MAX, Shred, ShredActor, ShredOutlook, ShredScope, ShredState,
    StoreError,
};

/// Roles that ask for erasures and approve them.
pub(crate) const ERASING: &[Role] = &[Role::Administrator, Role::Steward, Role::SecurityOfficer];
/// The field that says which patient was looked at before their erasure is asked for: a number may be another's by then.
const LOOKED_AT: &str = "patient";
/// The years that are read as the end of retention.
const YEARS: std::ops::RangeInclusive<u16> = 1950..=2200;

#[derive(Template)]
#[template(path = "staff_erasures.html")]
pub(crate) struct ErasuresPage {
    frame: Frame,
    csrf: String,
    faults: Faults,
    /// What was sent, where it is to be mended.
    filled: Fields,
    classes: Vec<Choice>,
    open: Vec<Line>,
    over: Vec<Line>,
}

impl ErasuresPage {
    fn new(frame: Frame, csrf: String, shreds: &[Shred], names: &StaffNames, filled: Fields) -> Self {
        let t = frame.t;
        let is_over = |shred: &&Shred| matches!(shred.state, ShredState::Done | ShredState::Withdrawn);
        // What was asked for last comes first.
        let (over, open): (Vec<&Shred>, Vec<&Shred>) = shreds.iter().rev().partition(is_over);
        let lines = |shreds: Vec<&Shred>| shreds.into_iter().map(|shred| Line::new(t, shred, names)).collect();
        let classes = Retention::every_class().iter();
        let class = |slug: &str| Choice::new(slug, &class_words(t, slug), filled.text("class"));
        Self {
            csrf,
            faults: Faults::default(),
            classes: classes.map(|one| class(one.name.as_str())).collect(),
            open: lines(open),
            over: lines(over),
            filled,
            frame,
        }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "erasures-title", "staff", "/staff/erasures", true);
        let states = [ShredState::Requested, ShredState::Approved, ShredState::Destroyed, ShredState::Done];
        let shreds = states.map(sample_shred);
        let names = StaffNames::from([(Id16::derived(&["steward"]), "박도윤".to_owned())]);
        Self::new(frame, "sample-token".to_owned(), &shreds, &names, Fields::default())
    }

    pub fn sample_faulty(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "erasures-title", "staff", "/staff/erasures", true).faulty();
        let faults = Faults::one("year", frame.t.t("erasure-year-fault"));
        let filled = Fields::of(&[("year", "x")]);
        Self { faults, ..Self::new(frame, "sample-token".to_owned(), &[], &StaffNames::new(), filled) }
    }
}

#[derive(Template)]
#[template(path = "staff_erasure_ask.html")]
pub(crate) struct ErasureAskPage {
    frame: Frame,
    csrf: String,
    faults: Faults,
    scope: String,
    takes: Vec<String>,
    against: Vec<String>,
    wait: String,
    /// What names the records, to be sent once more.
    named: Vec<(&'static str, String)>,
    reason: String,
    basis: String,
}

impl ErasureAskPage {
    fn new(frame: Frame, csrf: String, wish: &Wish, outlook: &ShredOutlook, wait_hours: u32) -> Self {
        let t = frame.t;
        Self {
            csrf,
            faults: Faults::default(),
            scope: scope_words(t, &wish.scope),
            takes: takes(t, outlook),
            against: against(t, outlook),
            wait: wait(t, "erasure-ask-wait", wait_hours),
            named: wish.named.clone(),
            reason: String::new(),
            basis: String::new(),
            frame,
        }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "erasure-ask-title", "staff", "/staff/erasures", true).faulty();
        let wish = Wish {
            scope: ShredScope::Patient(Id16::derived(&["patient"])),
            named: vec![("what", "patient".to_owned()), ("number", "p1".to_owned())],
        };
        let faults = Faults::one("reason", frame.t.t("erasure-reason-fault"));
        Self { faults, ..Self::new(frame, "sample-token".to_owned(), &wish, &sample_outlook(), 168) }
    }
}

pub(crate) fn sample_outlook() -> ShredOutlook {
    let kinds = [("Patient", 1), ("Encounter", 4), ("Condition", 7), ("document", 2)];
    ShredOutlook {
        patients: 1,
        keys: 5,
        kinds: kinds.map(|(kind, count)| (kind.to_owned(), count)).into(),
        held: 1,
        holds: vec![HeldBy {
            hold: Id16::derived(&["hold"]),
            placed: Timestamp::from_second(1_795_000_000).unwrap_or(Timestamp::UNIX_EPOCH),
            until: None,
        }],
        kept_until: Some(2036),
        is_asked: false,
    }
}

/// The waiting period in whole days where it is some, and in hours else.
pub(crate) fn wait(t: &Texts, key: &str, hours: u32) -> String {
    let span = if hours > 0 && hours.is_multiple_of(24) {
        t.t1("erasure-days", "count", hours / 24)
    } else {
        t.t1("erasure-hours", "count", hours)
    };
    t.t1(key, "span", span)
}

/// What would go, in words.
pub(crate) fn takes(t: &Texts, outlook: &ShredOutlook) -> Vec<String> {
    let mut sums: BTreeMap<&'static str, u64> = BTreeMap::new();
    for (kind, count) in &outlook.kinds {
        *sums.entry(item_key(kind)).or_default() += count;
    }
    let counted =
        |(key, count): (&&str, &u64)| t.tn("visit-items", &[("what", &t.t(key)), ("count", &count.to_string())]);
    let mut words: Vec<String> = sums.iter().map(counted).collect();
    if outlook.kinds.is_empty() {
        words.push(t.t1("erasure-patients", "count", outlook.patients));
    }
    words.push(t.t1("erasure-keys", "count", outlook.keys));
    words
}

/// What stands against it, in words.
pub(crate) fn against(t: &Texts, outlook: &ShredOutlook) -> Vec<String> {
    let mut words = Vec::new();
    if outlook.held > 0 {
        words.push(t.t1("erasure-against-held", "count", outlook.held));
    }
    for HeldBy { hold, placed, until } in &outlook.holds {
        let (number, since) = (short(*hold), t.moment(*placed));
        words.push(match until {
            Some(until) => {
                t.tn("erasure-hold-until", &[("number", &number), ("date", &since), ("until", &t.moment(*until))])
            }
            None => t.tn("erasure-hold", &[("number", &number), ("date", &since)]),
        });
    }
    if let Some(year) = outlook.kept_until {
        words.push(t.t1("erasure-against-kept", "year", year.to_string()));
    }
    words
}

/// Says until when records of a class are to be kept by the law of now, where that is longer than by the law of their deposit. Of a
/// whole patient the store tells it as of their deposits.
pub(crate) fn keep_longer(outlook: &mut ShredOutlook, scope: &ShredScope, now: Timestamp) {
    let (class, expiry_year) = match scope {
        ShredScope::Class { class, expiry_year, .. } => (class, *expiry_year),
        ShredScope::Group(group) => (&group.class, group.expiry_year),
        ShredScope::Patient(_) => return,
    };
    let until = Retention::kept_until(class, expiry_year, now);
    if i32::from(until) >= i32::from(day_of(now).year()) && outlook.keys > 0 {
        outlook.kept_until = outlook.kept_until.max(Some(until));
    }
}

/// A retention class in words.
pub(crate) fn class_words(t: &Texts, slug: &str) -> String {
    let class = Retention::every_class().iter().find(|class| class.name.as_str() == slug);
    class.map_or_else(
        || slug.to_owned(),
        |class| match t.locale {
            Locale::Korean => class.korean.clone(),
            Locale::English => class.english.clone(),
        },
    )
}

/// What is to be erased, and the fields that say so.
struct Wish {
    scope: ShredScope,
    named: Vec<(&'static str, String)>,
}

impl Wish {
    /// What is wrong with the records that are named, beside the field that names them.
    fn fault(&self, t: &Texts, key: &str) -> Faults {
        Faults::one(if matches!(self.scope, ShredScope::Patient(_)) { "number" } else { "class" }, t.t(key))
    }
}

/// Whose records a form names.
#[derive(Debug, PartialEq)]
enum Whose {
    Patient(NamedPatient),
    Class(ShredScope),
}

/// What a form is about, and the fields that say so.
type Named = (Whose, Vec<(&'static str, String)>);

/// Reads whose records a form names: a patient's, or those of a class.
fn named(t: &Texts, fields: &Fields) -> Result<Named, Faults> {
    let mut faults = Faults::default();
    let field = |name: &'static str| (name, fields.text(name).trim().to_owned());
    if fields.text("what") != "class" {
        let patient = patient_named(t, fields, &mut faults).filter(|_| faults.is_empty()).map(Whose::Patient);
        return patient.map(|patient| (patient, ["what", "institution", "number"].map(field).into())).ok_or(faults);
    }
    let mut fault = |field: &'static str, key: &str| faults.0.push(Fault { field, text: t.t(key) });
    let institution = InstitutionCode::new(fields.text("class-institution").trim());
    if institution.is_none() {
        fault("class-institution", "ground-institution-fault");
    }
    let class = Retention::every_class().iter().find(|class| class.name.as_str() == fields.text("class"));
    if class.is_none() {
        fault("class", "erasure-class-fault");
    }
    let year = fields.text("year").trim().parse::<u16>().ok().filter(|year| YEARS.contains(year));
    if year.is_none() {
        fault("year", "erasure-year-fault");
    }
    match (institution, class, year) {
        (Some(institution), Some(class), Some(expiry_year)) => {
            let scope = ShredScope::Class { institution, class: class.name.clone(), expiry_year };
            Ok((Whose::Class(scope), ["what", "class-institution", "class", "year"].map(field).into()))
        }
        _ => Err(faults),
    }
}

/// What a form asks for, as the store sees it.
struct Looked {
    permit: Permit,
    by: ShredActor,
    wish: Wish,
    outlook: ShredOutlook,
}

/// Why the erasure of a patient who was found is not to be asked for: their words.
fn refusal(portal: &Portal, by: Id16, known: KnownPatient, fields: &Fields) -> Result<Option<&'static str>, PageError> {
    let looked_at = fields.text(LOOKED_AT);
    Ok(if is_theirs(portal, by, &Target::Person(known.subject()))? {
        Some("erasure-theirs")
    } else if known.is_one_of_several {
        Some("erasure-several")
    } else if !looked_at.is_empty() && looked_at != known.patient.to_string() {
        Some("erasure-other")
    } else {
        None
    })
}

/// Asks the door about whom a form names, and looks what would go; faults where it names nobody, or nothing is to be asked for.
fn look_at(portal: &Portal, actor: &Actor, t: &Texts, fields: &Fields) -> Result<Result<Looked, Faults>, PageError> {
    // Whoever may not ask learns nothing of who is a patient.
    let (permit, by) = handling(portal, actor, Target::Installation)?;
    let (whose, mut named) = match named(t, fields) {
        Ok(named) => named,
        Err(faults) => return Ok(Err(faults)),
    };
    let (permit, scope) = match whose {
        Whose::Patient(patient) => {
            let role = Role::from_name(by.role.name()).ok_or(PageError::StaffDenied)?;
            let found = about(portal, actor, (role, Action::HandleErasures), &Purpose::Operation, &patient)?;
            let Some((permit, known)) = found else { return Ok(Err(no_patient(t))) };
            let target = Target::Person(known.subject());
            if let Some(why) = refusal(portal, by.account, known, fields)? {
                note_refused_of(portal, &permit, &target)?;
                return Ok(Err(Faults::one("number", t.t(why))));
            }
            named.push((LOOKED_AT, known.patient.to_string()));
            (permit, ShredScope::Patient(known.patient))
        }
        Whose::Class(scope) => (permit, scope),
    };
    let wish = Wish { scope, named };
    let mut outlook = portal.archive().store().shred_outlook(&permit, &wish.scope)?;
    keep_longer(&mut outlook, &wish.scope, portal.archive().clock().now());
    if outlook.is_asked {
        return Ok(Err(wish.fault(t, "erasure-asked-already")));
    }
    if outlook.keys == 0 {
        return Ok(Err(wish.fault(t, "erasure-nothing")));
    }
    Ok(Ok(Looked { permit, by, wish, outlook }))
}

async fn shown(staff: &StaffMember, faults: Faults, filled: Fields) -> Result<Response, PageError> {
    let actor = staff.session.actor_as(Role::Administrator, &staff.visitor.source);
    let reading = staff.visitor.portal.blocking(move |portal| {
        let (permit, _) = handling(portal, &actor, Target::Installation)?;
        Ok((portal.archive().store().shreds(&permit)?, staff_names(portal)?))
    });
    let (shreds, names) = reading.await?;
    let mut frame = staff.visitor.frame("erasures-title", "staff");
    let is_faulty = !faults.is_empty();
    if is_faulty {
        frame = frame.faulty();
    }
    form_page(&ErasuresPage { faults, ..ErasuresPage::new(frame, staff.csrf(), &shreds, &names, filled) }, is_faulty)
}

/// `GET /staff/erasures`
pub(crate) async fn list(staff: StaffMember) -> Result<Response, PageError> {
    shown(&staff, Faults::default(), Fields::default()).await
}

/// `POST /staff/erasures/look`: what would go and what stands against it, before anything is asked for.
pub(crate) async fn look(form: StaffForm) -> Result<Response, PageError> {
    let StaffForm { staff, fields } = form;
    let (actor, t) = (staff.session.actor_as(Role::Administrator, &staff.visitor.source), staff.visitor.t());
    let filled = fields.clone();
    let looking = staff.visitor.portal.blocking(move |portal| look_at(portal, &actor, t, &fields));
    match looking.await? {
        Ok(looked) => {
            let frame = staff.visitor.frame("erasure-ask-title", "staff");
            let hours = staff.visitor.portal.config().shred.wait_hours;
            page(&ErasureAskPage::new(frame, staff.csrf(), &looked.wish, &looked.outlook, hours))
        }
        Err(faults) => shown(&staff, faults, filled).await,
    }
}

/// What came of asking.
enum Outcome {
    Asked(Id16),
    /// The form names nothing that can be asked for.
    Unnamed(Faults),
    /// It can be asked for, once this is mended.
    Mend(Faults, Wish, ShredOutlook),
}

/// `POST /staff/erasures/ask`
pub(crate) async fn ask(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    let (actor, t) = (staff.session.actor_as(Role::Administrator, &staff.visitor.source), staff.visitor.t());
    // Browsers send the lines of a form with CR and LF.
    let text = |name: &str| Redacted::new(fields.text(name).trim().replace("\r\n", "\n"));
    let (reason, basis) = (text("reason"), text("basis"));
    let (told, law, filled) = (reason.clone(), basis.clone(), fields.clone());
    let asking = staff.visitor.portal.blocking(move |portal| {
        let looked = match look_at(portal, &actor, t, &fields)? {
            Ok(looked) => looked,
            Err(faults) => return Ok(Outcome::Unnamed(faults)),
        };
        let mut faults = Faults::default();
        for (field, text) in [("reason", &reason), ("basis", &basis)] {
            if text.expose().is_empty() || text.expose().len() > SHRED_TEXT_BYTES_MAX {
                faults.0.push(Fault { field, text: t.t(&format!("erasure-{field}-fault")) });
            }
        }
        // What stands against it may have come since it was looked at.
        if !against(t, &looked.outlook).is_empty() && fields.text("despite") != "yes" {
            faults.0.push(Fault { field: "despite", text: t.t("erasure-despite-fault") });
        }
        if !faults.is_empty() {
            return Ok(Outcome::Mend(faults, looked.wish, looked.outlook));
        }
        let Looked { permit, by, wish, .. } = looked;
        let store = portal.archive().store();
        match store.shred_request(&permit, by, &wish.scope, reason.expose(), basis.expose()) {
            Ok(id) => Ok(Outcome::Asked(id)),
            // Somebody was faster, be it by pressing twice.
            Err(StoreError::ShredAsked { .. }) => Ok(Outcome::Unnamed(wish.fault(t, "erasure-asked-already"))),
            Err(error) => Err(error.into()),
        }
    });
    match asking.await? {
        Outcome::Asked(id) => Ok(Redirect::to(&format!("/staff/erasures/{id}")).into_response()),
        Outcome::Unnamed(faults) => shown(&staff, faults, filled).await,
        Outcome::Mend(faults, wish, outlook) => {
            let frame = staff.visitor.frame("erasure-ask-title", "staff").faulty();
            let hours = staff.visitor.portal.config().shred.wait_hours;
            let base = ErasureAskPage::new(frame, staff.csrf(), &wish, &outlook, hours);
            let (reason, basis) = (told.expose().clone(), law.expose().clone());
            faulty_page(&ErasureAskPage { faults, reason, basis, ..base })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_names_a_patient_or_a_class() {
        let read = |fields: &[(&str, &str)]| {
            let wished = named(Locale::Korean.texts(), &Fields::of(fields));
            wished
                .map(|(whose, _)| whose)
                .map_err(|faults| faults.0.into_iter().map(|fault| fault.field).collect::<Vec<_>>())
        };
        let code = InstitutionCode::new("31100001").expect("a code");
        let patient = Whose::Patient(NamedPatient::new(code, "p1"));
        assert_eq!(read(&[("institution", "31100001"), ("number", " p1 ")]), Ok(patient));
        assert_eq!(read(&[]).expect_err("nothing"), ["institution", "number"]);
        let class = |year: &str, slug: &str| {
            read(&[("what", "class"), ("class-institution", "31100001"), ("class", slug), ("year", year)])
        };
        assert!(matches!(class("2020", "chart"), Ok(Whose::Class(ShredScope::Class { expiry_year: 2020, .. }))));
        assert_eq!(class("1", "king").expect_err("neither"), ["class", "year"]);
        assert_eq!(read(&[("what", "class")]).expect_err("nothing"), ["class-institution", "class", "year"]);
    }

    #[test]
    fn what_stands_against_it_is_said() {
        let t = Locale::Korean.texts();
        assert_eq!(against(t, &sample_outlook()).len(), 3, "how many are held, by what, and the law");
        assert_eq!(against(t, &ShredOutlook::default()), Vec::<String>::new());
        assert_eq!(takes(t, &sample_outlook()).len(), 5, "four kinds and the keys");
        assert_eq!(takes(t, &ShredOutlook { patients: 3, keys: 4, ..ShredOutlook::default() }).len(), 2);
    }
}
