//! Records that are watched over with more care: people in the public eye, and decoys that stand for nobody. Security officers set
//! and take marks, each with a reason. No name is shown, and no record.

use crate::Portal;
use crate::error::{PageError, form_page};
use crate::fields::{Fields, Fresh, StaffForm};
use crate::frame::{Choice, Fault, Faults, Frame};
use crate::pages::oversight::name_of;
use crate::pages::staff_access::{StaffNames, patient_named, staff_names};
use crate::pages::watch::{officer, permit};
use crate::pages::watch_case::short;
use crate::texts::{Locale, Texts};
use crate::visitor::StaffMember;
use askama::Template;
use axum::response::Response;
use base::{Id16, Redacted, Timestamp};
use policy::{Action, Permit};
use store::NamedPatient;
use watch::{Flag, Mark, Marks, TEXT_MAX, WatchError};

/// Marks that people set, by their names.
const FLAGS: [Flag; 2] = [Flag::Vip, Flag::Decoy];

#[derive(Template)]
#[template(path = "watch_marks.html")]
pub(crate) struct MarksPage {
    frame: Frame,
    csrf: String,
    faults: Faults,
    /// What was sent to set a mark, where it is to be mended.
    filled: Fields,
    done: Option<String>,
    flags: Vec<Choice>,
    standing: Vec<Line>,
    taken: Vec<Line>,
}

/// A mark in words.
struct Line {
    subject: String,
    flag: String,
    title: String,
    number: String,
    by: String,
    reason: String,
    /// Why it was to be taken, where that is to be mended.
    typed: String,
}

impl MarksPage {
    fn new(frame: Frame, csrf: String, marks: &Marks, names: &StaffNames, besides: Besides) -> Self {
        let (t, Besides { faults, filled, taking, done }) = (frame.t, besides);
        let lines = |marks: &[Mark]| marks.iter().map(|mark| Line::new(t, mark, names, &taking)).collect();
        let flag = |flag: Flag| Choice::new(flag.name(), &t.t(&format!("marks-{}", flag.name())), filled.text("flag"));
        let (standing, taken, flags) = (lines(&marks.standing), lines(&marks.taken), FLAGS.map(flag).into());
        Self { frame, csrf, faults, filled, done: done.map(|key| t.t(key)), flags, standing, taken }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "marks-title", "watch", "/staff/watch/marks", true);
        let hand = Id16::derived(&["officer"]);
        let mark = |name: &str, flag: Flag, is_set, account| Mark {
            subject: Id16::derived(&[name]),
            flag: flag.name().to_owned(),
            at: Timestamp::from_second(1_795_330_000).unwrap_or(Timestamp::UNIX_EPOCH),
            account,
            is_set,
            reason: Redacted::new(if account.is_some() { "언론에 보도됨" } else { "" }.to_owned()),
        };
        let marks = Marks {
            standing: vec![mark("a", Flag::Vip, true, Some(hand)), mark("b", Flag::Decoy, true, None)],
            taken: vec![mark("c", Flag::Vip, false, Some(hand))],
        };
        let names = StaffNames::from([(hand, "한지우".to_owned())]);
        Self::new(frame, "sample-token".to_owned(), &marks, &names, Besides::default())
    }

    pub fn sample_faulty(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "marks-title", "watch", "/staff/watch/marks", true).faulty();
        let faults = Faults::one("number", frame.t.t("ground-patient-unknown"));
        let besides = Besides { faults, filled: Fields::of(&[("number", "p1")]), ..Besides::default() };
        Self::new(frame, "sample-token".to_owned(), &Marks::default(), &StaffNames::new(), besides)
    }
}

impl Line {
    fn new(t: &Texts, mark: &Mark, names: &StaffNames, taking: &Fields) -> Self {
        let (subject, flag) = (mark.subject.to_string(), mark.flag.clone());
        let is_it = (taking.text("subject"), taking.text("flag")) == (subject.as_str(), flag.as_str());
        let who = mark.account.map_or_else(|| t.t("marks-command"), |account| name_of(names, account));
        Self {
            subject,
            flag,
            title: t.t(&format!("marks-{}", mark.flag)),
            number: t.t1("watch-entry-subject", "number", short(mark.subject)),
            by: t.tn("marks-by", &[("date", &t.moment(mark.at)), ("name", &who)]),
            reason: mark.reason.expose().clone(),
            typed: if is_it { taking.text("reason").to_owned() } else { String::new() },
        }
    }
}

/// Whose records are to be marked, as what, and why.
struct Wish {
    patient: NamedPatient,
    flag: Flag,
    reason: Redacted<String>,
}

fn wish(t: &Texts, fields: &Fields) -> Result<Wish, Faults> {
    let mut faults = Faults::default();
    let named = patient_named(t, fields, &mut faults);
    let flag = Flag::from_name(fields.text("flag"));
    if flag.is_none() {
        faults.0.push(Fault { field: "flag", text: t.t("marks-flag-fault") });
    }
    let reason = fields.text("reason").trim();
    if !(1..=TEXT_MAX).contains(&reason.chars().count()) {
        faults.0.push(Fault { field: "reason", text: t.t("marks-reason-fault") });
    }
    match (named, flag) {
        (Some(patient), Some(flag)) if faults.is_empty() => {
            Ok(Wish { patient, flag, reason: Redacted::new(reason.to_owned()) })
        }
        _ => Err(faults),
    }
}

/// What is said besides the list.
#[derive(Default)]
struct Besides {
    faults: Faults,
    filled: Fields,
    taking: Fields,
    done: Option<&'static str>,
}

async fn shown(staff: &StaffMember, besides: Besides) -> Result<Response, PageError> {
    let actor = officer(staff);
    let reading = staff.visitor.portal.blocking(move |portal| {
        let permit = permit(portal, actor, Action::MarkRecords)?;
        Ok((portal.watch()?.marks(&permit)?, staff_names(portal)?))
    });
    let (marks, names) = reading.await?;
    let mut frame = staff.visitor.frame("marks-title", "watch");
    let is_faulty = !besides.faults.is_empty();
    if is_faulty {
        frame = frame.faulty();
    }
    form_page(&MarksPage::new(frame, staff.csrf(), &marks, &names, besides), is_faulty)
}

/// `GET /staff/watch/marks`
pub(crate) async fn show(staff: StaffMember) -> Result<Response, PageError> {
    shown(&staff, Besides::default()).await
}

/// Sets or takes a mark as a security officer; what the person can mend comes back as faults.
async fn change(
    staff: &StaffMember,
    done: &'static str,
    work: impl FnOnce(&Portal, &Permit) -> Result<Result<(), WatchError>, PageError> + Send + 'static,
) -> Result<Besides, PageError> {
    let (actor, t) = (officer(staff), staff.visitor.t());
    let changing = staff.visitor.portal.blocking(move |portal| {
        let permit = permit(portal, actor, Action::MarkRecords)?;
        work(portal, &permit)
    });
    let faults = match changing.await? {
        Ok(()) => return Ok(Besides { done: Some(done), ..Besides::default() }),
        Err(WatchError::OwnRecords) => Faults::one("number", t.t("marks-theirs")),
        Err(WatchError::NoCase) => Faults::one("number", t.t("ground-patient-unknown")),
        Err(WatchError::Text { .. }) => Faults::one("reason", t.t("marks-reason-fault")),
        Err(error) => return Err(error.into()),
    };
    Ok(Besides { faults, ..Besides::default() })
}

/// `POST /staff/watch/marks/set`
pub(crate) async fn set(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    let Wish { patient, flag, reason } = match wish(staff.visitor.t(), &fields) {
        Ok(wish) => wish,
        // The list asks the door: only who may set marks is told what is wrong with one.
        Err(faults) => return shown(&staff, Besides { faults, filled: fields, ..Besides::default() }).await,
    };
    let setting = change(&staff, "marks-set", move |portal, permit| {
        Ok(portal.watch()?.mark_patient(permit, &patient, flag, reason.expose()))
    });
    let came = setting.await?;
    let filled = if came.faults.is_empty() { Fields::default() } else { fields };
    shown(&staff, Besides { filled, ..came }).await
}

/// `POST /staff/watch/marks/take`
pub(crate) async fn take(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    let (subject, flag) = (fields.text("subject").parse::<Id16>(), Flag::from_name(fields.text("flag")));
    let reason = Redacted::new(fields.text("reason").to_owned());
    let taking = change(&staff, "marks-taken", move |portal, permit| {
        let (Ok(subject), Some(flag)) = (subject, flag) else { return Err(PageError::Bad) };
        Ok(portal.watch()?.unmark_as(permit, subject, flag, reason.expose()))
    });
    let came = taking.await?;
    // The fields that have a fault by their ids are those of the other form.
    let faults = came.faults.within(&[("number", "marks"), ("reason", "marks")]);
    shown(&staff, Besides { faults, taking: fields, ..came }).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::InstitutionCode;

    #[test]
    fn a_wish_names_a_patient_and_a_mark_that_people_set() {
        let at = |institution: &str, number: &str, flag: &str, reason: &str| {
            let named = [("institution", institution), ("number", number), ("flag", flag), ("reason", reason)];
            wish(Locale::Korean.texts(), &Fields::of(&named))
                .map(|wish| wish.patient)
                .map_err(|faults| faults.0.into_iter().map(|fault| fault.field).collect::<Vec<_>>())
        };
        let code = InstitutionCode::new("31100001").expect("a code");
        assert_eq!(at("31100001", " p1 ", "vip", "언론 보도"), Ok(NamedPatient::new(code, "p1")));
        let faulty = at("", "", "deceased", " ").expect_err("nothing");
        assert_eq!(faulty, ["institution", "number", "flag", "reason"]);
    }
}
