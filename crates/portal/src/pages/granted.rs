//! A person's records as somebody else sees them: a representative on an appointment, or staff on a ground. What is shown is what
//! the ground reaches and shares; without one that is open there is nothing to see. Whether they can be had as a PDF is the door's
//! to say.

use crate::error::{PageError, page};
use crate::fields::Asked;
use crate::frame::{Choice, Faults, Frame};
use crate::pages::access::Numbered;
use crate::pages::records::{Listed, PAGES_MAX, VISITS, Year, languages, left_out, names_of, sample_listed, years};
use crate::standing::{Asker, Basis};
use crate::texts::Locale;
use crate::visitor::{Person, StaffMember};
use archive::{Timeline, TimelineQuery};
use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use base::Id16;
use policy::{Action, Share};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Template)]
#[template(path = "granted.html")]
pub(crate) struct GrantedPage {
    frame: Frame,
    lead: String,
    faults: Faults,
    /// Said where only a part is shared.
    part: Option<String>,
    csrf: String,
    languages: Vec<Choice>,
    years: Vec<Year>,
    /// Said where records outside of visits are left out.
    left_out: Option<String>,
    /// The address of this list.
    list: String,
    /// Whether they can be had as a PDF.
    issues: bool,
    /// Addresses of the pages before and after.
    later: Option<String>,
    earlier: Option<String>,
    back: &'static str,
}

/// What is shown, and how.
struct Shown {
    purpose: &'static str,
    share: Share,
    issues: bool,
    listed: Listed,
    number: usize,
}

impl GrantedPage {
    fn new(frame: Frame, csrf: String, basis: Basis, shown: &Shown, faults: Faults) -> Self {
        let t = frame.t;
        let (list, number, timeline) = (basis.list(), shown.number, &shown.listed.timeline);
        Self {
            lead: t.t1("granted-lead", "purpose", t.t(&format!("purpose-{}", shown.purpose))),
            faults,
            part: (shown.share != Share::Whole).then(|| t.t("granted-part")),
            csrf,
            languages: languages(t),
            years: years(t, &shown.listed, &BTreeSet::new()),
            left_out: left_out(t, timeline),
            issues: shown.issues,
            later: (number > 1).then(|| format!("{list}?page={}", number - 1)),
            earlier: timeline.next.map(|_| format!("{list}?page={}", number + 1)),
            back: if frame.is_staff() { "/staff/access" } else { "/representatives" },
            list,
            frame,
        }
    }

    fn sample_of(locale: Locale, shown: &Shown, faults: Faults) -> Self {
        let basis = Basis::Acting(Id16::derived(&["sample"]));
        let mut frame = Frame::sample(locale, "granted-title", "representatives", &basis.list(), true);
        if !faults.is_empty() {
            frame = frame.faulty();
        }
        Self::new(frame, "sample-token".to_owned(), basis, shown, faults)
    }

    pub fn sample(locale: Locale) -> Self {
        let share = Share::none();
        let shown = Shown { purpose: "representation", share, issues: true, listed: sample_listed(), number: 2 };
        let faults = Faults::one("visits", locale.texts().t("records-nothing-chosen"));
        Self::sample_of(locale, &shown, faults)
    }

    /// As whoever sees it who may take nothing along.
    pub fn sample_seen(locale: Locale) -> Self {
        let shown = Shown { purpose: "care", share: Share::Whole, issues: false, listed: sample_listed(), number: 1 };
        Self::sample_of(locale, &shown, Faults::default())
    }

    pub fn sample_empty(locale: Locale) -> Self {
        let timeline = Timeline { visits: Vec::new(), loose: Vec::new(), total: 0, next: None };
        let listed = Listed { timeline, names: BTreeMap::new() };
        let shown = Shown { purpose: "representation", share: Share::Whole, issues: true, listed, number: 1 };
        Self::sample_of(locale, &shown, Faults::default())
    }
}

/// The list's page.
pub(crate) async fn granted_page(asker: &Asker, number: usize, faults: Faults) -> Result<GrantedPage, PageError> {
    let work = asker.clone();
    let reading = asker.visitor.portal.blocking(move |portal| {
        let standing = work.standing(portal)?;
        let permit = portal.archive().ask(standing.request(Action::ReadTimeline))?;
        let query = TimelineQuery { skip: (number - 1) * VISITS, limit: VISITS, ..TimelineQuery::default() };
        let timeline = portal.archive().timeline(&permit, &query)?;
        let visits = timeline.visits.iter().map(|visit| &visit.institution);
        let names = names_of(portal, visits.chain(timeline.loose.iter().map(|entry| &entry.institution)))?;
        Ok(Shown {
            purpose: standing.purpose(),
            share: permit.share().clone(),
            issues: standing.issues(portal),
            listed: Listed { timeline, names },
            number,
        })
    });
    let shown = reading.await?;
    let frame = asker.frame("granted-title");
    let frame = if faults.is_empty() { frame } else { frame.faulty() };
    Ok(GrantedPage::new(frame, asker.csrf(), asker.basis, &shown, faults))
}

async fn granted(asker: &Asker, numbered: Asked<Numbered>) -> Result<Response, PageError> {
    let number = numbered.map_or(1, |Query(numbered)| numbered.page.clamp(1, PAGES_MAX));
    page(&granted_page(asker, number, Faults::default()).await?)
}

/// `GET /acting/{ground}?page=`
pub(crate) async fn acting(
    person: Person,
    Path(ground): Path<String>,
    numbered: Asked<Numbered>,
) -> Result<Response, PageError> {
    granted(&Asker::acting(person, &ground)?, numbered).await
}

/// `GET /staff/records/{ground}?page=`
pub(crate) async fn staff(
    staff: StaffMember,
    Path(ground): Path<String>,
    numbered: Asked<Numbered>,
) -> Result<Response, PageError> {
    granted(&Asker::staff(staff, &ground)?, numbered).await
}
