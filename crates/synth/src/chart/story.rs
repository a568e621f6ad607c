//! Draws what happens to a patient: visits, with tests and medicines that follow the diagnosis. Plausible, not clinical.

use super::{Class, Event, Moment, Results, Story, Visit, Vitals, days_after};
use crate::catalogue::{ALLERGENS, ActKind, Catalogue, Disorder, Drug, Panel, Test, catalogue};
use crate::institutions::{Institution, Practice};
use crate::people::{Person, Sex};
use crate::rng::Rng;
use crate::roster::Role;
use jiff::civil::{Date, Weekday};

/// Draws the story of one patient between `first` and the last day of the institution.
pub(crate) fn story(rng: &mut Rng, institution: &Institution, person: &Person, role: Role, first: Date) -> Story {
    let catalogue = catalogue(institution.practice);
    // Stays end, and corrections are made, while the hospital is still there.
    let last = days_after(institution.ending.last_day(), -30);
    let first = first.max(days_after(person.birth_date, 20));
    let dates = visit_dates(rng, institution.practice, first, last);
    let chronic = chronic_disorders(rng, catalogue, age(person, dates[0]));
    let special = special_event(rng, catalogue, role);
    let special_place = if special == Event::Death { dates.len() - 1 } else { dates.len() / 2 };
    let mut visits = Vec::with_capacity(dates.len());
    for (place, date) in dates.iter().enumerate() {
        let event = if place == special_place { special } else { Event::None };
        let disorders = disorders_of_visit(rng, catalogue, &chronic, event, age(person, *date));
        visits.push(visit(rng, institution, person, *date, event, disorders));
    }
    let died = (special == Event::Death).then(|| visits[special_place].end);
    Story { visits, allergen: rng.percent(15).then(|| rng.pick(ALLERGENS)), died }
}

/// Whole years of age on a day.
pub(crate) fn age(person: &Person, on: Date) -> i16 {
    let birthday_came = (on.month(), on.day()) >= (person.birth_date.month(), person.birth_date.day());
    on.year() - person.birth_date.year() - i16::from(!birthday_came)
}

fn visit_dates(rng: &mut Rng, practice: Practice, first: Date, last: Date) -> Vec<Date> {
    let wanted = match practice {
        Practice::Hospital | Practice::Clinic => rng.between(5, 8),
        Practice::KoreanMedicine | Practice::Dental => rng.between(7, 10),
    };
    let span = (last - first).get_days().max(1);
    let mut dates: Vec<Date> = (0..wanted)
        .map(|_| {
            let date = days_after(first, rng.between(0, span));
            if date.weekday() == Weekday::Sunday { days_after(date, 1) } else { date }
        })
        .collect();
    dates.sort_unstable();
    // A stay lasts at most twelve days: two weeks between visits keep them apart.
    dates.dedup_by(|next, kept| (*next - *kept).get_days() < 14);
    dates
}

fn chronic_disorders(rng: &mut Rng, catalogue: &'static Catalogue, age: i16) -> Vec<&'static Disorder> {
    let wanted = match age {
        ..30 => usize::from(rng.percent(10)),
        30..50 => usize::from(rng.percent(45)),
        50..65 => 1 + usize::from(rng.percent(30)),
        _ => 1 + usize::from(rng.percent(60)),
    };
    let mut drawn: Vec<&'static Disorder> = Vec::new();
    for _ in 0..wanted {
        if let Some(disorder) = draw(rng, catalogue, |disorder| disorder.chronic && fits(disorder, age))
            && !drawn.iter().any(|other| std::ptr::eq(*other, disorder))
        {
            drawn.push(disorder);
        }
    }
    drawn
}

fn special_event(rng: &mut Rng, catalogue: &Catalogue, role: Role) -> Event {
    let beds = !catalogue.admissions.is_empty();
    match role {
        Role::Birth if catalogue.birth.is_some() => Event::Birth,
        Role::Death if !catalogue.deaths.is_empty() => Event::Death,
        Role::Surgery => Event::Surgery,
        Role::Admission if beds => Event::Admission,
        Role::Plain if rng.percent(5) => Event::Surgery,
        Role::Plain if beds && rng.percent(8) => Event::Admission,
        _ => Event::None,
    }
}

fn disorders_of_visit(
    rng: &mut Rng,
    catalogue: &'static Catalogue,
    chronic: &[&'static Disorder],
    event: Event,
    age: i16,
) -> Vec<&'static Disorder> {
    let special = match event {
        Event::None => None,
        Event::Birth => catalogue.birth,
        Event::Death => Some(rng.pick(catalogue.deaths)),
        Event::Surgery => fitting(rng, catalogue.operations, age),
        Event::Admission => fitting(rng, catalogue.admissions, age),
    };
    let acute = special.or_else(|| draw(rng, catalogue, |disorder| !disorder.chronic && fits(disorder, age)));
    let follow_up = !chronic.is_empty() && rng.percent(55);
    match (event, follow_up) {
        (Event::None, true) => {
            let mut disorders = chronic.to_vec();
            if rng.percent(15) {
                disorders.extend(acute);
            }
            disorders
        }
        _ => acute.into_iter().collect(),
    }
}

fn fitting(rng: &mut Rng, among: &'static [Disorder], age: i16) -> Option<&'static Disorder> {
    let fitting: Vec<&'static Disorder> = among.iter().filter(|disorder| fits(disorder, age)).collect();
    if fitting.is_empty() { None } else { Some(*rng.pick(&fitting)) }
}

fn draw(rng: &mut Rng, catalogue: &'static Catalogue, wanted: impl Fn(&Disorder) -> bool) -> Option<&'static Disorder> {
    let weights = catalogue.disorders.iter().map(|disorder| if wanted(disorder) { disorder.weight } else { 0 });
    let place = rng.weighted(weights.clone());
    catalogue.disorders.get(place).filter(|_| weights.sum::<u32>() > 0)
}

fn fits(disorder: &Disorder, age: i16) -> bool {
    (disorder.ages.0..=disorder.ages.1).contains(&age)
}

fn visit(
    rng: &mut Rng,
    institution: &Institution,
    person: &Person,
    date: Date,
    event: Event,
    disorders: Vec<&'static Disorder>,
) -> Visit {
    let catalogue = catalogue(institution.practice);
    let western = matches!(institution.practice, Practice::Hospital | Practice::Clinic);
    // An operation that no table offers at this age did not take place.
    let event = match event {
        Event::Surgery if !disorders[0].acts.iter().any(|act| act.kind == ActKind::Surgery) => Event::None,
        other => other,
    };
    let class = match event {
        Event::None if institution.practice == Practice::Hospital && rng.percent(6) => Class::Emergency,
        Event::Surgery if catalogue.admissions.is_empty() => Class::Ambulatory,
        Event::None => Class::Ambulatory,
        Event::Surgery | Event::Admission | Event::Birth | Event::Death => Class::Inpatient,
    };
    let start = Moment { date, minute: rng.between(9 * 60, 17 * 60) };
    let end = match class {
        Class::Inpatient => start.days_later(rng.between(2, 12)),
        Class::Emergency => start.later(rng.between(90, 300)),
        Class::Ambulatory => start.later(rng.between(10, 60)),
    };
    let mut acts = Vec::new();
    for disorder in &disorders {
        acts.extend(disorder.acts.iter().copied().filter(|_| event != Event::None || rng.percent(60)));
    }
    if !catalogue.routine.is_empty() {
        let from = rng.below(catalogue.routine.len());
        let count = 2 + rng.below(2);
        acts.extend((0..count).map(|step| &catalogue.routine[(from + step) % catalogue.routine.len()]));
    }
    if event == Event::Surgery && !acts.iter().any(|act| act.kind == ActKind::Anaesthesia) {
        acts.push(catalogue.anaesthesia);
    }
    let routine_visit = event == Event::None;
    Visit {
        vitals: vitals(rng, western, person, date, &disorders),
        results: disorders
            .iter()
            .find_map(|disorder| Some((disorder, disorder.panel?)))
            .filter(|_| !routine_visit || rng.percent(55))
            .map(|(disorder, panel)| results(rng, disorder, panel)),
        imaging: disorders
            .iter()
            .find_map(|disorder| disorder.imaging)
            .filter(|_| !routine_visit || rng.percent(if disorders[0].chronic { 25 } else { 60 })),
        drugs: drugs(&disorders),
        vaccine: (western && routine_visit && rng.percent(15)).then(|| rng.pick(catalogue.vaccines)),
        doctor: doctor(rng, institution, disorders[0]),
        start,
        end,
        class,
        event,
        disorders,
        acts,
    }
}

fn drugs(disorders: &[&'static Disorder]) -> Vec<&'static Drug> {
    let mut drugs: Vec<&'static Drug> = Vec::new();
    for drug in disorders.iter().flat_map(|disorder| disorder.drugs) {
        if !drugs.iter().any(|other| other.code == drug.code) {
            drugs.push(drug);
        }
    }
    drugs
}

fn doctor(rng: &mut Rng, institution: &Institution, disorder: &Disorder) -> usize {
    let staff = &institution.staff;
    let fitting: Vec<usize> =
        (0..staff.len()).filter(|place| staff[*place].department.0 == disorder.department).collect();
    if fitting.is_empty() { 0 } else { *rng.pick(&fitting) }
}

fn vitals(rng: &mut Rng, western: bool, person: &Person, date: Date, disorders: &[&Disorder]) -> Vitals {
    let age = age(person, date);
    let pressure_is_high = disorders.iter().any(|disorder| disorder.kcd.starts_with("I10"));
    let feverish = disorders.iter().any(|disorder| disorder.kcd.starts_with('J') && !disorder.chronic);
    let systolic = rng.around(if pressure_is_high { 146.0 } else { 119.0 }, 11.0).round() as i32;
    let adult_kg = if person.sex == Sex::Female { 57.0 } else { 70.0 };
    let kg = if age >= 18 { adult_kg } else { 3.5 + f64::from(age) * 3.1 };
    let takes = |rng: &mut Rng, percent| rng.percent(percent);
    Vitals {
        pressure: (age >= 12 && takes(rng, if western { 90 } else { 55 }))
            .then(|| (systolic, systolic - rng.between(38, 52))),
        pulse: takes(rng, if western { 55 } else { 40 })
            .then(|| rng.around(if age < 5 { 108.0 } else { 74.0 }, 9.0) as i32),
        temperature: (western && (feverish || takes(rng, 30)))
            .then(|| rng.around(if feverish { 37.8 } else { 36.5 }, 0.5)),
        weight_kg: (western && takes(rng, 30)).then(|| rng.around(kg, kg * 0.1)),
    }
}

fn results(rng: &mut Rng, disorder: &Disorder, panel: &'static Panel) -> Results {
    let check_up = disorder.kcd.starts_with('Z');
    let mut value = |place: usize, test: &Test| {
        let ill_percent = match (check_up, place) {
            (true, _) => 12,
            (false, 0) => 70,
            (false, _) => 35,
        };
        if rng.percent(ill_percent) {
            rng.around(test.when_ill.0, test.when_ill.1).max(test.low * 0.5)
        } else {
            rng.around((test.low + test.high) / 2.0, (test.high - test.low) * 0.3)
        }
    };
    let values = panel.tests.iter().enumerate().map(|(place, test)| rounded(value(place, test), test.places)).collect();
    Results { panel, values }
}

/// A value as it is printed, so that flags follow what is read.
pub(crate) fn rounded(value: f64, places: usize) -> f64 {
    let scale = 10_f64.powi(i32::try_from(places).unwrap_or(0));
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::institutions::institutions;
    use crate::roster::{Roster, role};
    use jiff::civil::date;

    fn stories(practice: Practice) -> Vec<(Person, Story)> {
        let all = institutions(4);
        let hospital = all.iter().position(|institution| institution.practice == practice).expect("one of each");
        let roster = Roster::new(5, 200, &all);
        (0..200)
            .map(|slot| {
                let person = roster.person(hospital, slot);
                let mut rng = Rng::derived(5, &[4, hospital as u64, slot as u64]);
                let story = story(&mut rng, &all[hospital], &person, role(slot), date(2015, 1, 1));
                (person, story)
            })
            .collect()
    }

    #[test]
    fn visits_come_in_order_after_birth_and_before_the_end() {
        for practice in [Practice::Hospital, Practice::Clinic, Practice::KoreanMedicine, Practice::Dental] {
            for (person, story) in stories(practice) {
                assert!(story.visits.is_sorted_by_key(|visit| visit.start));
                for visit in &story.visits {
                    assert!(visit.start.date > person.birth_date && visit.start.date.year() >= 2015);
                    assert!(visit.end.date < date(2026, 5, 1) && visit.end >= visit.start);
                    assert!(!visit.disorders.is_empty());
                }
            }
        }
    }

    #[test]
    fn diagnoses_fit_the_age_and_high_pressure_shows() {
        let (mut high, mut all) = (0, 0);
        for (person, story) in stories(Practice::Hospital) {
            for visit in &story.visits {
                let age = age(&person, visit.start.date);
                assert!(visit.disorders.iter().all(|disorder| disorder.chronic || fits(disorder, age)), "at {age}");
                if let (true, Some((systolic, _))) = (visit.disorders[0].kcd == "I10.9", visit.vitals.pressure) {
                    all += 1;
                    high += i32::from(systolic >= 130);
                }
            }
        }
        assert!(all > 20 && high * 10 > all * 8, "{high} of {all}");
    }

    #[test]
    fn the_dead_are_not_seen_again_and_mothers_are_women() {
        let stories = stories(Practice::Hospital);
        let (_, dead) = &stories[2];
        let died = dead.died.expect("the patient of slot 2 dies");
        assert!(dead.visits.iter().all(|visit| visit.end <= died));
        let (mother, birth) = &stories[1];
        assert_eq!(mother.sex, Sex::Female);
        let delivery = birth.visits.iter().find(|visit| visit.event == Event::Birth).expect("gives birth");
        assert!((18..=45).contains(&age(mother, delivery.start.date)));
    }
}
