//! Finding an institution, and where its records are. Open to everybody.

use crate::error::{PageError, faulty_page, page};
use crate::fields::Asked;
use crate::frame::{Choice, Fault, Faults, Frame};
use crate::texts::{Locale, Texts};
use crate::visitor::Visitor;
use crate::words::day_of_form;
use archive::institutions::{Kind, kinds, province_called, region_in_english};
use archive::{Holding, Institution, InstitutionQuery};
use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use jiff::civil::{Date, date};
use policy::InstitutionCode;
use serde::Deserialize;

/// Institutions on one page.
const SHOWN_MAX: usize = 50;
/// Longest text of the form that is taken, in characters.
const TEXT_CHARS_MAX: usize = 100;

/// What somebody looks for. Public, so it stands in the address and can be passed on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wish {
    name: Option<String>,
    region: String,
    kind: String,
    from: String,
    to: String,
}

#[derive(Template)]
#[template(path = "institutions.html")]
pub(crate) struct InstitutionsPage {
    frame: Frame,
    name: String,
    regions: Vec<Choice>,
    kinds: Vec<Choice>,
    from: String,
    to: String,
    /// Whether more than the name is asked for.
    more: bool,
    faults: Faults,
    /// `None` before the first search.
    found: Option<Found>,
}

/// What was found.
struct Found {
    heading: String,
    /// Said where more was found than is shown.
    first: Option<String>,
    institutions: Vec<Line>,
}

/// One institution in the list.
struct Line {
    code: String,
    name: String,
    romanised: String,
    kind: String,
    region: String,
    when: Vec<String>,
    status: Status,
}

/// Where records are, in words.
struct Status {
    label: String,
    text: String,
    next: String,
    tone: &'static str,
}

#[derive(Template)]
#[template(path = "institution.html")]
pub(crate) struct InstitutionPage {
    frame: Frame,
    institution: Line,
    address: String,
    /// Whether records can be got here.
    here: bool,
    /// Whether some may be here already, though not all.
    partly: bool,
}

impl InstitutionsPage {
    fn new(frame: Frame, wish: &Wish, regions: &[String], faults: Faults, found: Option<Vec<Institution>>) -> Self {
        let t = frame.t;
        let any = |current: &str| Choice::new("", &t.t("institutions-any"), current);
        let region_choices = region_choices(t, regions, &wish.region);
        let kind_choices = kinds().iter().map(|kind| Choice::new(&kind.code, kind_name(t, kind), &wish.kind));
        let more = [&wish.region, &wish.kind, &wish.from, &wish.to].iter().any(|text| !text.is_empty());
        Self {
            name: wish.name.clone().unwrap_or_default(),
            regions: std::iter::once(any(&wish.region)).chain(region_choices).collect(),
            kinds: std::iter::once(any(&wish.kind)).chain(kind_choices).collect(),
            from: wish.from.clone(),
            to: wish.to.clone(),
            more: more || !faults.is_empty(),
            found: found.map(|found| Found::new(t, found)),
            faults,
            frame,
        }
    }

    pub fn sample_empty(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "institutions-title", "institutions", "/institutions", false);
        Self::new(frame, &Wish::default(), &sample_regions(), Faults::default(), None)
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "institutions-title", "institutions", "/institutions?name=%E3%85%87", true);
        let wish = Wish { name: Some("ㅇㅇ".to_owned()), ..Wish::default() };
        Self::new(frame, &wish, &sample_regions(), Faults::default(), Some(sample_institutions()))
    }

    pub fn sample_none(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "institutions-title", "institutions", "/institutions?name=x", false);
        let wish = Wish {
            name: Some("서울병원".to_owned()), region: "강원특별자치도".to_owned(), ..Wish::default()
        };
        Self::new(frame, &wish, &sample_regions(), Faults::default(), Some(Vec::new()))
    }

    pub fn sample_faulty(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "institutions-title", "institutions", "/institutions?from=x", false);
        let wish = Wish { from: "2024.3.31".to_owned(), ..Wish::default() };
        let faults = Faults::one("from", frame.t.t("institutions-faulty-date"));
        Self::new(frame.faulty(), &wish, &sample_regions(), faults, None)
    }
}

impl InstitutionPage {
    fn new(mut frame: Frame, institution: &Institution) -> Self {
        frame.title.clone_from(&institution.name);
        Self {
            institution: Line::new(frame.t, institution),
            address: institution.address.clone(),
            here: institution.holding == Holding::Deposited,
            partly: institution.holding == Holding::Migrating,
            frame,
        }
    }

    /// The page of an institution in each of the states its records can be in.
    pub fn samples(locale: Locale) -> Vec<(&'static str, Self)> {
        let frame = |code: &str| {
            Frame::sample(locale, "institutions-title", "institutions", &format!("/institutions/{code}"), false)
        };
        let all = sample_institutions();
        all.iter().map(|one| (one.holding.slug(), Self::new(frame(&one.code), one))).collect()
    }
}

impl Found {
    fn new(t: &'static Texts, mut found: Vec<Institution>) -> Self {
        let more = found.len() > SHOWN_MAX;
        found.truncate(SHOWN_MAX);
        Self {
            heading: t.t1("institutions-found", "count", found.len()),
            first: more.then(|| t.t1("institutions-first", "count", SHOWN_MAX)),
            institutions: found.iter().map(|one| Line::new(t, one)).collect(),
        }
    }
}

impl Line {
    fn new(t: &'static Texts, institution: &Institution) -> Self {
        let kind = kinds().iter().find(|kind| kind.code == institution.kind);
        Self {
            code: institution.code.clone(),
            name: institution.name.clone(),
            romanised: institution.romanised.clone(),
            kind: kind.map_or(institution.kind.as_str(), |kind| kind_name(t, kind)).to_owned(),
            region: region_name(t, &institution.region),
            when: when(t, institution),
            status: Status::new(t, institution.holding),
        }
    }
}

impl Status {
    fn new(t: &'static Texts, holding: Holding) -> Self {
        let key = |end: &str| t.t(&format!("status-{}{end}", holding.slug()));
        let tone = match holding {
            Holding::Deposited => "",
            Holding::Migrating => "wait",
            Holding::KeptByOwner | Holding::PaperAtHealthCentre | Holding::Suspended => "calm",
            Holding::NotDeposited | Holding::Expired => "no",
        };
        Self { label: key(""), text: key("-text"), next: key("-next"), tone }
    }
}

fn kind_name<'a>(t: &Texts, kind: &'a Kind) -> &'a str {
    match t.locale {
        Locale::Korean => &kind.korean,
        Locale::English => &kind.english,
    }
}

/// A region, or a province alone.
fn region_name(t: &Texts, region: &str) -> String {
    match t.locale {
        Locale::Korean => region.to_owned(),
        Locale::English => region_in_english(region),
    }
}

/// The regions to choose from, in the order of their names. What is wished for may name one in either language; where it is
/// none of them it is added, so that the form says what was searched.
fn region_choices(t: &Texts, regions: &[String], wished: &str) -> Vec<Choice> {
    let wished = province_called(wished).map_or(wished.trim(), |province| province.korean.as_str());
    let choice = |region: &str| Choice::new(region, &region_name(t, region), wished);
    let mut choices: Vec<Choice> = regions.iter().map(|region| choice(region)).collect();
    choices.sort_by(|a, b| a.label.cmp(&b.label));
    if !wished.is_empty() && !choices.iter().any(|one| one.chosen) {
        choices.push(choice(&cut(wished)));
    }
    choices
}

/// When an institution closed or was suspended, in words.
fn when(t: &Texts, institution: &Institution) -> Vec<String> {
    let closed = institution.closed_on.map(|day| t.tn("institution-closed", &[("date", &t.day(day))]));
    let suspended = institution.suspended_from.map(|from| match institution.suspended_to {
        Some(to) => t.tn("institution-suspended-until", &[("from", &t.day(from)), ("to", &t.day(to))]),
        None => t.tn("institution-suspended", &[("from", &t.day(from))]),
    });
    suspended.into_iter().chain(closed).collect()
}

/// `GET /institutions?name=&region=&kind=&from=&to=`
pub(crate) async fn search(visitor: Visitor, wish: Asked<Wish>) -> Result<Response, PageError> {
    let Query(wish) = wish.unwrap_or_default();
    let mut faults = Vec::new();
    let mut day = |field: &'static str, text: &str| -> Option<Date> {
        day_of_form(text).unwrap_or_else(|_| {
            faults.push(Fault { field, text: visitor.t().t("institutions-faulty-date") });
            None
        })
    };
    let (closed_from, closed_to) = (day("from", &wish.from), day("to", &wish.to));
    let faults = Faults(faults);
    let asked = wish.name.is_some() && faults.is_empty();
    let filled = |text: &str| Some(cut(text)).filter(|text| !text.is_empty());
    let query = InstitutionQuery {
        text: cut(wish.name.as_deref().unwrap_or_default()),
        region: filled(&wish.region),
        kind: filled(&wish.kind),
        holding: None,
        closed_from,
        closed_to,
    };
    let search = visitor.portal.blocking(move |portal| {
        let found = asked.then(|| portal.archive().search(&query, SHOWN_MAX + 1)).transpose()?;
        Ok((portal.archive().regions()?, found))
    });
    let (regions, found) = search.await?;
    let frame = visitor.frame("institutions-title", "institutions");
    if faults.is_empty() {
        return page(&InstitutionsPage::new(frame, &wish, &regions, faults, found));
    }
    faulty_page(&InstitutionsPage::new(frame.faulty(), &wish, &regions, faults, None))
}

/// `GET /institutions/{code}`
pub(crate) async fn show(visitor: Visitor, Path(code): Path<String>) -> Result<Response, PageError> {
    let code = InstitutionCode::new(&code).ok_or(PageError::NoInstitution)?;
    let found = visitor.portal.blocking(move |portal| Ok(portal.archive().institution(&code)?)).await?;
    let institution = found.ok_or(PageError::NoInstitution)?;
    page(&InstitutionPage::new(visitor.frame("institutions-title", "institutions"), &institution))
}

fn cut(text: &str) -> String {
    text.trim().chars().take(TEXT_CHARS_MAX).collect()
}

fn sample_regions() -> Vec<String> {
    ["강원특별자치도", "경기도", "부산광역시", "서울특별시"].map(ToOwned::to_owned).to_vec()
}

fn sample_institutions() -> Vec<Institution> {
    let names = [
        ("가온내과의원", "Gaon Internal Medicine Clinic", "31", "서울특별시 마포구"),
        ("한빛종합병원", "Hanbit General Hospital", "11", "강원특별자치도 원주시"),
        ("늘푸른요양병원", "Neulpureun Long-term Care Hospital", "28", "경기도 수원시"),
        ("새봄한의원", "Saebom Korean Medicine Clinic", "93", "부산광역시 해운대구"),
        ("아람치과의원", "Aram Dental Clinic", "51", "서울특별시 강서구"),
        ("옛마을의원", "", "31", "강원특별자치도 정선군"),
        ("온누리병원", "Onnuri Hospital", "21", "경기도 고양시"),
    ];
    let all = names.into_iter().zip(Holding::ALL).enumerate();
    all.map(|(at, ((name, romanised, kind, region), holding))| Institution {
        code: format!("3110000{at}"),
        name: name.to_owned(),
        romanised: romanised.to_owned(),
        kind: kind.to_owned(),
        region: region.to_owned(),
        address: format!("{region} 가온길 {}", at + 1),
        closed_on: (holding != Holding::Suspended).then_some(date(2024, 3, 31)),
        suspended_from: (holding == Holding::Suspended).then_some(date(2026, 9, 1)),
        suspended_to: (holding == Holding::Suspended).then_some(date(2027, 2, 28)),
        holding,
        synthetic: true,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(page: &impl Template) -> String {
        page.render().expect("the template renders")
    }

    fn pages_of_states(locale: Locale) -> Vec<(&'static str, String)> {
        InstitutionPage::samples(locale).into_iter().map(|(state, page)| (state, rendered(&page))).collect()
    }

    #[test]
    fn records_are_offered_only_where_they_can_be_had() {
        for locale in Locale::ALL {
            let t = locale.texts();
            for (state, html) in pages_of_states(locale) {
                assert_eq!(html.contains("id=\"get-records\""), state == "deposited", "{state}");
                assert_eq!(html.contains("id=\"see-early\""), state == "migrating", "{state}");
                assert!(html.contains(&t.t(&format!("status-{state}-next"))), "{state} does not say what to do");
            }
        }
    }

    #[test]
    fn korean_names_are_marked_and_regions_are_in_the_language_of_the_page() {
        for (state, html) in pages_of_states(Locale::English) {
            assert!(html.contains("<h1 lang=\"ko\">"), "{state}");
            assert!(html.contains("<dd lang=\"ko\">"), "the address of {state}");
        }
        let (_, deposited) = pages_of_states(Locale::English).swap_remove(0);
        assert!(deposited.contains("<dd>Mapo-gu, Seoul</dd>"));
        let english = rendered(&InstitutionsPage::sample(Locale::English));
        assert!(english.contains("Wonju-si, Gangwon State") && !english.contains("강원특별자치도</option>"));
        assert!(english.contains("<option value=\"강원특별자치도\">Gangwon State</option>"));
        assert!(english.contains("\" lang=\"ko\">한빛종합병원</a>"));
        let korean = rendered(&InstitutionsPage::sample(Locale::Korean));
        assert!(korean.contains("강원특별자치도 원주시") && !korean.contains("Gangwon State"));
    }

    #[test]
    fn the_region_that_was_searched_stays_chosen() {
        let regions = sample_regions();
        for (wished, chosen) in [
            ("강원특별자치도", "강원특별자치도"),
            ("Gangwon State", "강원특별자치도"),
            ("강원도", "강원특별자치도"),
            ("강원특별자치도 원주시", "강원특별자치도 원주시"),
            ("제주특별자치도", "제주특별자치도"),
        ] {
            let choices = region_choices(Locale::English.texts(), &regions, wished);
            let found: Vec<&str> = choices.iter().filter(|one| one.chosen).map(|one| one.value.as_str()).collect();
            assert_eq!(found, [chosen], "{wished}");
        }
        let choices = region_choices(Locale::English.texts(), &regions, "");
        assert!(choices.iter().all(|one| !one.chosen));
        let labels: Vec<&str> = choices.iter().map(|one| one.label.as_str()).collect();
        assert_eq!(labels, ["Busan", "Gangwon State", "Gyeonggi-do", "Seoul"]);
    }
}
