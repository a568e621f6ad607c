//! Support staff write down who may act for a patient whose request they handle, with the papers of the law that they saw, and end
//! it. What the person says themselves stands in `representatives`. No record is shown here.

use crate::Portal;
use crate::error::{PageError, form_page};
use crate::fields::{Fields, Fresh, StaffForm};
use crate::frame::{Choice, Fault, Faults, Frame};
use crate::pages::access::word;
use crate::pages::representatives::{
    Names, Told, agent_named, begin_named, end_named, last_day, sample_appointments, sample_now, share_named,
};
use crate::pages::staff_access::{about, note_refused, patient_named, staff_permit};
use crate::texts::{Locale, Texts};
use crate::visitor::StaffMember;
use crate::words::day_of;
use askama::Template;
use axum::response::Response;
use base::{Id16, Timestamp};
use identity::{NoticeKind, Profile};
use jiff::civil::Date;
use policy::{
    Action, Actor, GroundKind, InstitutionCode, Permit, ProofCase, ProofFault, ProofRules, Purpose, Role, Share, Target,
};
use std::collections::BTreeSet;
use store::{NewRepresentative, Representative, StoreError, full_years, latest_end};

/// Who records proofs.
const ROLE: Role = Role::Support;

#[derive(Template)]
#[template(path = "staff_proofs.html")]
pub(crate) struct ProofsPage {
    frame: Frame,
    csrf: String,
    faults: Faults,
    /// What was sent, where it is to be mended.
    filled: Fields,
    done: Option<String>,
    found: Option<Found>,
}

/// The patient whom a request is about.
struct Found {
    /// The request.
    ground: String,
    /// What the papers are compared with; nothing where the person never signed in.
    person: Vec<(String, String)>,
    appointments: Vec<Told>,
    /// Cases to choose from, where none is chosen.
    cases: Vec<Case>,
    form: Option<RecordForm>,
    /// Why this member of staff records nobody, whomever it is about.
    who: Option<String>,
}

/// A case in which somebody may act, in words.
struct Case {
    slug: String,
    label: String,
    law: String,
}

/// What is filled in once a case is chosen.
struct RecordForm {
    case: Case,
    proofs: Vec<Paper>,
    code: String,
    /// The institution that the request is about: they act there and nowhere else.
    at: Option<String>,
    institution: String,
    every: bool,
    whole: bool,
    begin: String,
    until: String,
    until_hint: String,
}

/// Something to be seen.
struct Paper {
    proof: Choice,
    /// What does in its place for a patient who may be too young to have it.
    instead: Option<String>,
}

impl ProofsPage {
    fn new(frame: Frame, csrf: String, known: Option<&Known>, said: Said) -> Self {
        let t = frame.t;
        // What a case itself is wrong with is said beside the choice of cases.
        let case = said.case.filter(|_| said.faults.of("case").is_none());
        let found = known.map(|known| Found {
            who: known.own.is_none().then(|| t.t("proofs-who")),
            ground: known.ground.to_string(),
            person: known.profile.as_ref().map(|profile| compared(t, profile)).unwrap_or_default(),
            appointments: known.list.iter().map(|one| Told::agent(t, one, &known.names, known.now)).collect(),
            cases: if case.is_none() { cases(known.now).map(|case| Case::new(t, case)).collect() } else { Vec::new() },
            form: case.map(|case| RecordForm::new(t, case, &said.filled, known)),
        });
        Self { frame, csrf, faults: said.faults, filled: said.filled, done: said.done.map(|key| t.t(key)), found }
    }

    pub fn sample(locale: Locale) -> Self {
        let faults = Faults::one("number", locale.texts().t("proofs-no-request"));
        Self::new(sample_frame(locale).faulty(), "sample-token".to_owned(), None, Said { faults, ..Said::default() })
    }

    pub fn sample_found(locale: Locale) -> Self {
        let said = Said { done: Some("proofs-recorded"), ..Said::default() };
        Self::new(sample_frame(locale), "sample-token".to_owned(), Some(&sample_known()), said)
    }

    pub fn sample_form(locale: Locale) -> Self {
        let (t, birth) = (locale.texts(), Some(jiff::civil::date(2011, 1, 2)));
        let known = Known { list: Vec::new(), profile: None, birth, ..sample_known() };
        let case = cases(known.now).find(|case| case.slug == "sibling").expect("a case of the law");
        let filled = Fields::default();
        let faults = read(t, &filled, case, &known.about(Id16::default()), |_| true).expect_err("empty");
        let said = Said { case: Some(case), filled, faults, done: None };
        Self::new(sample_frame(locale).faulty(), "sample-token".to_owned(), Some(&known), said)
    }

    pub fn sample_unknown(locale: Locale) -> Self {
        let known = Known { own: None, ..sample_known() };
        Self::new(sample_frame(locale), "sample-token".to_owned(), Some(&known), Said::default())
    }
}

fn sample_frame(locale: Locale) -> Frame {
    Frame::sample(locale, "proofs-title", "staff", "/staff/representatives", true)
}

fn sample_known() -> Known {
    let (list, names) = sample_appointments();
    let birth = jiff::civil::date(1980, 1, 2);
    let profile = Profile {
        name: "김하늘".to_owned().into(),
        birth_date: birth.into(),
        gender: identity::Gender::Unstated.into(),
    };
    Known {
        own: Some(Id16::derived(&["sample clerk"])),
        ground: Id16::derived(&["sample request"]),
        institution: InstitutionCode::new("31100001"),
        profile: Some(profile),
        birth: Some(birth),
        is_dead: false,
        list,
        names,
        now: sample_now(),
    }
}

/// What staff compare the papers with.
fn compared(t: &Texts, profile: &Profile) -> Vec<(String, String)> {
    let name = profile.name.expose().clone();
    vec![(t.t("proofs-name"), name), (t.t("recovery-birth"), t.day(*profile.birth_date.expose()))]
}

/// The cases that staff record now: all but the person's own word.
fn cases(now: Timestamp) -> impl Iterator<Item = &'static ProofCase> {
    ProofRules::at(now).cases().iter().filter(|case| !case.by_person)
}

impl Case {
    fn new(t: &Texts, case: &ProofCase) -> Self {
        let slug = case.slug.clone();
        Self { label: word(t, "proof-case", &slug), law: word(t, "proof-law", &slug), slug }
    }
}

impl RecordForm {
    fn new(t: &Texts, case: &ProofCase, filled: &Fields, known: &Known) -> Self {
        let seen: BTreeSet<&str> = filled.all("seen").collect();
        let paper = |proof: &String| Paper {
            proof: Choice {
                value: proof.clone(),
                label: word(t, "proof", proof),
                chosen: seen.contains(proof.as_str()),
            },
            instead: instead(t, proof, known.birth, known.now),
        };
        let latest = latest_day(latest_end(case, known.birth, known.now));
        Self {
            case: Case::new(t, case),
            proofs: case.proofs.iter().map(paper).collect(),
            code: filled.text("code").to_owned(),
            at: known.institution.as_ref().map(InstitutionCode::to_string),
            institution: filled.text("only").to_owned(),
            every: filled.text("reach") == "all",
            whole: share_named(filled) == Share::Whole,
            begin: filled.text("begin").to_owned(),
            until: filled.text("until").to_owned(),
            until_hint: t.t1("proofs-until-hint", "date", t.weekday(latest)),
        }
    }
}

/// What does in place of a proof of somebody who may be too young to have it, in words.
pub(crate) fn instead(t: &Texts, proof: &str, birth: Option<Date>, now: Timestamp) -> Option<String> {
    let age = birth.and_then(|birth| full_years(birth, now));
    let young = ProofRules::at(now).substitute(proof, age)?;
    let papers: Vec<String> = young.papers.iter().map(|paper| word(t, "paper", paper)).collect();
    Some(t.tn("proof-instead", &[("age", &young.age_below.to_string()), ("papers", &papers.join(", "))]))
}

/// The last whole day before a moment.
fn latest_day(latest: Timestamp) -> Date {
    let day = day_of(latest);
    if last_day(latest) < day { last_day(latest) } else { day.yesterday().unwrap_or(day) }
}

/// What is known of the patient whom a request is about.
struct Known {
    /// Which person the member of staff is, where that was said.
    own: Option<Id16>,
    ground: Id16,
    /// The institution that the request is about.
    institution: Option<InstitutionCode>,
    profile: Option<Profile>,
    birth: Option<Date>,
    /// Whether the records say that the patient died.
    is_dead: bool,
    list: Vec<Representative>,
    names: Names,
    now: Timestamp,
}

impl Known {
    fn about(&self, person: Id16) -> About<'_> {
        let Self { birth, is_dead, now, .. } = *self;
        About { person, birth, is_dead, institution: self.institution.as_ref(), now }
    }
}

/// What a form is read against.
struct About<'a> {
    person: Id16,
    birth: Option<Date>,
    is_dead: bool,
    /// The institution that the request is about.
    institution: Option<&'a InstitutionCode>,
    now: Timestamp,
}

/// Refuses whoever is no support staff. The door does it, and journals the attempt.
fn entitled(portal: &Portal, actor: &Actor) -> Result<(), PageError> {
    if portal.archive().store().facts(actor.account)?.holds.contains(&ROLE) {
        return Ok(());
    }
    on_request(portal, actor, Id16::random(portal.archive().random()))?;
    Err(PageError::StaffDenied)
}

/// The permit on a request of this member of staff, whom it is about, and at which institution. One of others is asked for like one
/// that is not there.
fn on_request(
    portal: &Portal,
    actor: &Actor,
    ground: Id16,
) -> Result<(Permit, Id16, Option<InstitutionCode>), PageError> {
    let own = portal.archive().store().own_ground(actor.account, ground)?;
    let own = own.filter(|own| (own.role, own.kind) == (ROLE, GroundKind::Request));
    let (subject, institution) = own.map_or((ground, None), |own| (own.subject, own.institution));
    Ok((permit(portal, actor, ground, subject)?, subject, institution))
}

fn permit(portal: &Portal, actor: &Actor, ground: Id16, subject: Id16) -> Result<Permit, PageError> {
    let purpose = Purpose::Application { ground };
    staff_permit(portal, actor, ROLE, Action::RecordProof, Target::Person(subject), purpose)
}

/// The open request of this member of staff about the patient whom a form names. Where there is none, the attempt is journalled
/// under the patient; where there is no such patient, as tried in vain. Both are answered alike.
fn request_named(
    portal: &Portal,
    actor: &Actor,
    t: &Texts,
    fields: &Fields,
) -> Result<Result<Id16, Faults>, PageError> {
    let mut faults = Faults::default();
    let named = patient_named(t, fields, &mut faults);
    let Some(patient) = named.filter(|_| faults.is_empty()) else { return Ok(Err(faults)) };
    let none = || Ok(Err(Faults::one("number", t.t("proofs-no-request"))));
    let nobodys = Id16::random(portal.archive().random());
    let purpose = Purpose::Application { ground: nobodys };
    let found = about(portal, actor, (ROLE, Action::AskGround), &purpose, &patient)?;
    let Some((_, known)) = found else { return none() };
    let subject = known.subject();
    let own = portal.archive().store().own_ground_about(actor.account, (ROLE, GroundKind::Request), subject)?;
    let ground = own.unwrap_or(nobodys);
    match permit(portal, actor, ground, subject) {
        Ok(_) => Ok(Ok(ground)),
        Err(PageError::StaffDenied) => none(),
        Err(error) => Err(error),
    }
}

/// When the person was born: as the agency said when they signed in, else as their records say.
fn birth_of(
    portal: &Portal,
    permit: &Permit,
    subject: Id16,
    profile: Option<&Profile>,
) -> Result<Option<Date>, PageError> {
    match profile {
        Some(profile) => Ok(Some(*profile.birth_date.expose())),
        None => Ok(portal.archive().store().recorded_birth_date(permit, subject)?.map(|date| *date.expose())),
    }
}

fn known(portal: &Portal, actor: &Actor, ground: Id16) -> Result<Known, PageError> {
    let (permit, subject, institution) = on_request(portal, actor, ground)?;
    let list = portal.archive().store().representatives(&permit, subject)?;
    let profile = portal.identity().profile(subject)?;
    Ok(Known {
        own: portal.watch()?.person_of(actor.account)?,
        ground,
        institution,
        birth: birth_of(portal, &permit, subject, profile.as_ref())?,
        is_dead: portal.archive().store().is_recorded_dead(&permit, subject)?,
        profile,
        names: Names::of(portal, &list)?,
        list,
        now: portal.archive().clock().now(),
    })
}

/// Why nobody acts for a person who died in a case that ends with that, and in which they may.
fn after_death(t: &Texts, now: Timestamp) -> String {
    let lasting = cases(now).filter(|case| case.after_death).map(|case| word(t, "proof-case", &case.slug));
    t.t1("proofs-after-death", "case", lasting.collect::<Vec<_>>().join(", "))
}

/// Why a case is none for this person: they died, or are not of the age that it is for. `None` where it is.
fn unfit(t: &Texts, case: &ProofCase, age: Option<i64>, is_dead: bool, now: Timestamp) -> Option<String> {
    if is_dead && !case.after_death {
        return Some(after_death(t, now));
    }
    let all: BTreeSet<String> = case.proofs.iter().cloned().collect();
    let Err(ProofFault::Age) = ProofRules::at(now).check(&case.slug, age, &all) else { return None };
    Some(match (age, case.age_from, case.age_below) {
        (None, ..) => t.t("proofs-age-unknown"),
        (Some(age), Some(from), _) if age < from => t.t1("proofs-too-young", "age", from),
        (_, _, below) => t.t1("proofs-too-old", "age", below.unwrap_or_default()),
    })
}

/// What a form says, or what is to be mended in it: each proof that lacks by itself.
fn read(
    t: &Texts,
    fields: &Fields,
    case: &'static ProofCase,
    &About { person, birth, is_dead, institution: at, now }: &About<'_>,
    is_known: impl Fn(&InstitutionCode) -> bool,
) -> Result<NewRepresentative, Faults> {
    let age = birth.and_then(|birth| full_years(birth, now));
    if let Some(text) = unfit(t, case, age, is_dead, now) {
        return Err(Faults::one("case", text));
    }
    let mut faults = Faults::default();
    let mut fault = |field: &'static str, text: String| faults.0.push(Fault { field, text });
    let ticked: BTreeSet<&str> = fields.all("seen").collect();
    let seen: BTreeSet<String> = case.proofs.iter().filter(|proof| ticked.contains(proof.as_str())).cloned().collect();
    if let Err(ProofFault::Missing { missing }) = ProofRules::at(now).check(&case.slug, age, &seen) {
        for proof in case.proofs.iter().filter(|proof| missing.contains(proof)) {
            fault(proof, t.t1("proofs-lacks", "proof", word(t, "proof", proof)));
        }
    }
    let agent = agent_named(fields, person);
    if agent.is_none() {
        fault("code", t.t("proofs-code-fault"));
    }
    let every = fields.text("reach") == "all";
    let named = InstitutionCode::new(fields.text("only").trim()).filter(|code| !every && is_known(code));
    let institution = at.cloned().or(named.clone());
    if at.is_some() && named.as_ref() != at {
        fault("only", t.t("proofs-place-beyond"));
    } else if !every && named.is_none() {
        fault("only", t.t("proofs-place-fault"));
    }
    let latest = latest_end(case, birth, now);
    let last = t.weekday(latest_day(latest));
    let from = begin_named(fields, now, latest);
    if from.is_err() {
        fault("begin", t.t1("proofs-begin-fault", "date", last.clone()));
    }
    let until = end_named(fields, from.ok().flatten().unwrap_or(now), latest);
    if until.is_none() {
        fault("until", t.t1("proofs-until-fault", "date", last));
    }
    match (agent, from, until) {
        (Some(agent), Ok(from), Some(until)) if faults.is_empty() => Ok(NewRepresentative {
            person,
            agent,
            proof_case: case.slug.clone(),
            birth_date: birth.map(Into::into),
            seen,
            institution,
            share: share_named(fields),
            from,
            until,
        }),
        _ => Err(faults),
    }
}

/// What is said besides what is known.
#[derive(Default)]
struct Said {
    case: Option<&'static ProofCase>,
    filled: Fields,
    faults: Faults,
    done: Option<&'static str>,
}

/// The page about the patient of a request; without one it asks for the patient.
async fn shown(staff: &StaffMember, ground: Option<Id16>, said: Said) -> Result<Response, PageError> {
    let actor = staff.session.actor_as(ROLE, &staff.visitor.source);
    let reading = staff.visitor.portal.blocking(move |portal| {
        entitled(portal, &actor)?;
        ground.map(|ground| known(portal, &actor, ground)).transpose()
    });
    answered(staff, reading.await?.as_ref(), said)
}

fn answered(staff: &StaffMember, known: Option<&Known>, said: Said) -> Result<Response, PageError> {
    let mut frame = staff.visitor.frame("proofs-title", "staff");
    let is_faulty = !said.faults.is_empty();
    if is_faulty {
        frame = frame.faulty();
    }
    form_page(&ProofsPage::new(frame, staff.csrf(), known, said), is_faulty)
}

/// `GET /staff/representatives`
pub(crate) async fn show(staff: StaffMember) -> Result<Response, PageError> {
    shown(&staff, None, Said::default()).await
}

/// `POST /staff/representatives`: the patient whom a form names, or the case that was chosen for them.
pub(crate) async fn find(form: StaffForm) -> Result<Response, PageError> {
    let StaffForm { staff, fields } = form;
    let (actor, t) = (staff.session.actor_as(ROLE, &staff.visitor.source), staff.visitor.t());
    let finding = staff.visitor.portal.blocking(move |portal| {
        entitled(portal, &actor)?;
        let ground = match fields.text("ground") {
            "" => request_named(portal, &actor, t, &fields)?,
            ground => Ok(ground.parse().map_err(|_| PageError::Bad)?),
        };
        Ok(match ground {
            Ok(ground) => Ok((known(portal, &actor, ground)?, fields)),
            Err(faults) => Err((faults, fields)),
        })
    });
    let (known, fields) = match finding.await? {
        Ok(found) => found,
        Err((faults, filled)) => return answered(&staff, None, Said { faults, filled, ..Said::default() }),
    };
    let case = cases(known.now).find(|case| case.slug == fields.text("case"));
    let age = known.birth.and_then(|birth| full_years(birth, known.now));
    let fault = match case {
        Some(case) => unfit(t, case, age, known.is_dead, known.now),
        None => (!fields.text("choose").is_empty()).then(|| t.t("proofs-case-fault")),
    };
    let faults = fault.map(|text| Faults::one("case", text)).unwrap_or_default();
    answered(&staff, Some(&known), Said { case, faults, ..Said::default() })
}

/// `POST /staff/representatives/record`
pub(crate) async fn record(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    let (actor, t) = (staff.session.actor_as(ROLE, &staff.visitor.source), staff.visitor.t());
    let recording = staff.visitor.portal.blocking(move |portal| {
        entitled(portal, &actor)?;
        let ground = fields.text("ground").parse().map_err(|_| PageError::Bad)?;
        let case = cases(portal.archive().clock().now()).find(|case| case.slug == fields.text("case"));
        let case = case.ok_or(PageError::Bad)?;
        let said = match recorded(portal, &actor, t, &fields, (ground, case))? {
            Ok(()) => Said { done: Some("proofs-recorded"), ..Said::default() },
            Err(faults) => Said { case: Some(case), filled: fields, faults, done: None },
        };
        Ok((ground, said))
    });
    let (ground, said) = recording.await?;
    shown(&staff, Some(ground), said).await
}

/// Writes down what a form says, where the papers were seen by somebody who has no part in it: nobody takes that on trust from a
/// member of staff of whom it is not known which person they are.
fn recorded(
    portal: &Portal,
    actor: &Actor,
    t: &Texts,
    fields: &Fields,
    (ground, case): (Id16, &'static ProofCase),
) -> Result<Result<(), Faults>, PageError> {
    let (permit, subject, institution) = on_request(portal, actor, ground)?;
    let watch = portal.watch()?;
    if watch.person_of(actor.account)?.is_none() {
        return Ok(Err(Faults::one("who", t.t("proofs-who"))));
    }
    let profile = portal.identity().profile(subject)?;
    let birth = birth_of(portal, &permit, subject, profile.as_ref())?;
    let archive = portal.archive();
    let is_known = |code: &InstitutionCode| matches!(archive.institution(code), Ok(Some(_)));
    let is_dead = archive.store().is_recorded_dead(&permit, subject)?;
    let now = archive.clock().now();
    let about = About { person: subject, birth, is_dead, institution: institution.as_ref(), now };
    let new = match read(t, fields, case, &about, is_known) {
        Ok(new) => new,
        Err(faults) => return Ok(Err(faults)),
    };
    if watch.is_own(actor.account, subject)? || watch.is_own(actor.account, new.agent)? {
        note_refused(portal, &permit, subject, "part")?;
        return Ok(Err(Faults::one("code", t.t("proofs-theirs"))));
    }
    match archive.store().appoint(&permit, new) {
        Ok(_) => {
            portal.identity().tell(subject, NoticeKind::RepresentativeRecorded)?;
            Ok(Ok(()))
        }
        // The agent is nobody: all else was checked.
        Err(StoreError::Missing { .. }) => Ok(Err(Faults::one("code", t.t("proofs-code-fault")))),
        Err(StoreError::Limit { .. }) => Ok(Err(Faults::one("code", t.t("proofs-too-many")))),
        // A record that says so came just now.
        Err(StoreError::AfterDeath { .. }) => Ok(Err(Faults::one("case", after_death(t, now)))),
        Err(error) => Err(error.into()),
    }
}

/// `POST /staff/representatives/end`
pub(crate) async fn end(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    let actor = staff.session.actor_as(ROLE, &staff.visitor.source);
    let ending = staff.visitor.portal.blocking(move |portal| {
        entitled(portal, &actor)?;
        let id = |name: &str| fields.text(name).parse::<Id16>().map_err(|_| PageError::Bad);
        let (ground, ended) = (id("ground")?, id("id")?);
        let (permit, subject, _) = on_request(portal, &actor, ground)?;
        match portal.archive().store().end_representative(&permit, subject, ended) {
            Ok(()) => portal.identity().tell(subject, NoticeKind::RepresentativeEnded)?,
            // Somebody else was faster, or it is another person's.
            Err(StoreError::Missing { .. }) => return Err(PageError::Bad),
            Err(error) => return Err(error.into()),
        }
        Ok(ground)
    });
    let ground = ending.await?;
    shown(&staff, Some(ground), Said { done: Some("representatives-ended-now"), ..Said::default() }).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const PERSON: Id16 = Id16([7; 16]);

    fn now() -> Timestamp {
        "2026-11-22T12:00:00+09:00".parse().expect("a time")
    }

    fn at(slug: &str, birth: Option<Date>, fields: &[(&str, &str)]) -> Result<NewRepresentative, Vec<&'static str>> {
        on(None, slug, birth, fields)
    }

    /// On a request about an institution.
    fn on(
        institution: Option<&InstitutionCode>,
        slug: &str,
        birth: Option<Date>,
        fields: &[(&str, &str)],
    ) -> Result<NewRepresentative, Vec<&'static str>> {
        let case = cases(now()).find(|case| case.slug == slug).expect("a case");
        let is_known = |code: &InstitutionCode| code.as_str() == "31100001";
        let about = About { person: PERSON, birth, is_dead: false, institution, now: now() };
        let read = read(Locale::Korean.texts(), &Fields::of(fields), case, &about, is_known);
        read.map_err(|faults| faults.0.into_iter().map(|fault| fault.field).collect())
    }

    const FAMILY: [(&str, &str); 4] =
        [("seen", "own-id"), ("seen", "family-proof"), ("seen", "patient-consent"), ("seen", "patient-id")];
    const ADULT: Option<Date> = Some(date(1980, 1, 2));

    fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
        let good = [("code", "09090909 09090909 09090909 09090909"), ("only", "31100001"), ("until", "2026-12-31")];
        [&good[..], more].concat()
    }

    #[test]
    fn a_form_says_what_was_seen_and_no_more() {
        let new = at("spouse-or-lineal", ADULT, &with(&FAMILY)).expect("good");
        assert_eq!((new.person, new.agent, new.seen.len()), (PERSON, Id16([9; 16]), 4));
        assert_eq!(new.institution, InstitutionCode::new("31100001"));
        assert_ne!(new.share, Share::Whole, "less where nothing is chosen");
        let more =
            with(&[&FAMILY[..], &[("seen", "power-of-attorney"), ("reach", "all"), ("share", "whole")]].concat());
        let new = at("spouse-or-lineal", ADULT, &more).expect("good");
        assert_eq!((new.seen.len(), new.institution, new.share), (4, None, Share::Whole), "of the case alone");
    }

    #[test]
    fn on_a_request_about_one_institution_nothing_beyond_it_is_recorded() {
        let [asked, other] = ["31100001", "99999999"].map(|code| InstitutionCode::new(code).expect("a code"));
        let at = |institution, more: &[(&str, &str)]| {
            let fields: Vec<(&str, &str)> = more.iter().copied().chain(with(&FAMILY)).collect();
            on(Some(institution), "spouse-or-lineal", ADULT, &fields).map(|new| new.institution)
        };
        assert_eq!(at(&asked, &[]), Ok(Some(asked.clone())));
        assert_eq!(at(&asked, &[("reach", "all")]), Err(vec!["only"]), "all of them");
        assert_eq!(at(&other, &[]), Err(vec!["only"]), "another");
    }

    #[test]
    fn each_thing_that_lacks_is_said_at_its_field() {
        for (left_out, proof) in FAMILY {
            let fields: Vec<_> = with(&FAMILY).into_iter().filter(|pair| *pair != (left_out, proof)).collect();
            assert_eq!(at("spouse-or-lineal", ADULT, &fields).expect_err("it lacks"), [proof]);
        }
        let nothing = at("sibling", ADULT, &[]).expect_err("nothing");
        let all =
            ["own-id", "family-proof", "no-nearer-family", "patient-consent", "patient-id", "code", "only", "until"];
        assert_eq!(nothing, all);
        let faulty = |more: &[(&str, &str)]| {
            let fields: Vec<(&str, &str)> = more.iter().copied().chain(with(&FAMILY)).collect();
            at("spouse-or-lineal", ADULT, &fields).expect_err("faulty")
        };
        assert_eq!(faulty(&[("code", &PERSON.to_string())]), ["code"], "nobody acts for themselves");
        assert_eq!(faulty(&[("only", "99999999")]), ["only"], "an institution that is not known");
        assert_eq!(faulty(&[("until", "2026-11-21")]), ["until"]);
        assert_eq!(faulty(&[("until", "2027-11-22")]), ["until"], "a year at the most");
    }

    #[test]
    fn what_is_for_people_of_an_age_is_for_nobody_else_and_ends_with_it() {
        let child = Some(date(2012, 12, 24));
        let papers = [("seen", "own-id"), ("seen", "guardian-proof")];
        let until = |day: &'static str| {
            let fields: Vec<_> = [("until", day)].into_iter().chain(with(&papers)).collect();
            at("legal-representative-of-child", child, &fields)
        };
        let new = until("2026-12-23").expect("the day before the birthday");
        assert_eq!(new.until.to_string(), "2026-12-23T15:00:00Z");
        assert_eq!(until("2026-12-24").expect_err("the birthday"), ["until"]);
        let case = cases(now()).find(|case| case.slug == "legal-representative-of-child").expect("a case");
        assert_eq!(latest_day(latest_end(case, child, now())), date(2026, 12, 23), "as it is told");
        assert_eq!(latest_day(latest_end(case, None, now())), date(2027, 11, 21));
        for birth in [ADULT, None] {
            assert_eq!(at("legal-representative-of-child", birth, &with(&papers)).expect_err("no child"), ["case"]);
        }
        let t = Locale::Korean.texts();
        let why = |age| unfit(t, case, age, false, now()).expect("unfit");
        assert!(why(Some(14)).contains("만 14세 미만") && why(None).contains("생년월일"), "{}", why(Some(14)));
        let adult = cases(now()).find(|case| case.slug == "agent").expect("a case");
        assert!(unfit(t, adult, Some(13), false, now()).is_some_and(|why| why.contains("만 14세 이상")));
        assert_eq!((unfit(t, adult, Some(14), false, now()), unfit(t, case, Some(13), false, now())), (None, None));
    }

    #[test]
    fn for_whoever_died_no_case_is_left_but_the_one_that_is_made_for_it() {
        let t = Locale::Korean.texts();
        let fit = cases(now()).filter(|case| unfit(t, case, None, true, now()).is_none()).map(|case| &*case.slug);
        assert_eq!(fit.collect::<Vec<_>>(), ["deceased", "deceased-sibling"]);
        let why = after_death(t, now());
        assert!(why.contains("돌아가신 환자의 배우자") && why.contains("돌아가신 환자의 형제·자매"), "{why}");
    }

    #[test]
    fn nobody_takes_a_case_of_the_nearer_family_for_brothers_and_sisters() {
        for locale in Locale::ALL {
            let t = locale.texts();
            let (sibling, nearer) = match locale {
                Locale::Korean => ("형제", ["배우자", "직계", "부모"]),
                Locale::English => ("brother or sister", ["spouse", "lineal", "parent"]),
            };
            for case in cases(now()).filter(|case| case.proofs.iter().any(|proof| proof == "family-proof")) {
                let label = word(t, "proof-case", &case.slug);
                let is_theirs = case.proofs.iter().any(|proof| proof == "no-nearer-family");
                assert_eq!(label.contains(sibling), is_theirs, "{label}");
                assert!(is_theirs || nearer.iter().any(|word| label.contains(word)), "{label}");
            }
        }
    }

    #[test]
    fn papers_of_the_young_are_offered_where_they_do() {
        let t = Locale::Korean.texts();
        let at = |birth| instead(t, "patient-id", birth, now());
        let young = at(Some(date(2009, 11, 23))).expect("sixteen until tomorrow");
        assert!(young.contains("만 17세 미만") && young.contains("여권") && young.contains("학생증"), "{young}");
        assert_eq!(at(Some(date(2009, 11, 22))), None, "seventeen today");
        assert_eq!(at(None), Some(young), "they may be as young");
        assert_eq!(instead(t, "own-id", None, now()), None);
    }

    #[test]
    fn what_begins_later_ends_later() {
        let begin = |day: &'static str, until: &'static str| {
            let fields: Vec<_> = [("begin", day), ("until", until)].into_iter().chain(with(&FAMILY)).collect();
            at("spouse-or-lineal", ADULT, &fields).map(|new| new.from.map(|from| from.to_string()))
        };
        assert_eq!(begin("", "2026-12-31"), Ok(None));
        assert_eq!(begin("2026-12-01", "2026-12-31"), Ok(Some("2026-11-30T15:00:00Z".to_owned())));
        assert_eq!(begin("2026-11-21", "2026-12-31"), Err(vec!["begin"]), "in the past");
        assert_eq!(begin("2026-12-31", "2026-12-01"), Err(vec!["until"]));
    }

    #[test]
    fn every_case_and_every_proof_of_the_law_has_its_words() {
        for locale in Locale::ALL {
            let t = locale.texts();
            for case in ProofRules::editions().all().flat_map(|edition| edition.cases()) {
                assert!(t.has(&format!("proof-case-{}", case.slug)), "{}", case.slug);
                assert!(case.by_person || t.has(&format!("proof-law-{}", case.slug)), "{}", case.slug);
                let proofs = case.proofs.iter().filter(|_| !case.by_person);
                proofs.for_each(|proof| assert!(t.has(&format!("proof-{proof}")), "{proof}"));
                let young = case.proofs.iter().filter_map(|proof| ProofRules::at(now()).substitute(proof, None));
                for paper in young.flat_map(|one| &one.papers) {
                    assert!(t.has(&format!("paper-{paper}")), "{paper}");
                }
            }
        }
    }
}
