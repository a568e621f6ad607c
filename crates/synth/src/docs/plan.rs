//! Chooses which documents a chart holds. The shares are *estimates* of what people ask for.

use super::{Format, Kind};
use crate::chart::{Class, Event, Story, Visit};
use crate::rng::Rng;
use crate::roster::Role;

/// A document to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planned {
    pub(crate) kind: Kind,
    /// Place of the visit it belongs to.
    pub(crate) visit: usize,
    pub(crate) format: Format,
}

/// The documents of a story in order of their visits, about `wanted` of them: those that an event calls for, then others
/// by weight. A patient with [`Role::Amended`] gets one of every kind that the visits offer.
pub(crate) fn plan(rng: &mut Rng, story: &Story, role: Role, wanted: usize) -> Vec<Planned> {
    let mut chosen: Vec<(usize, Kind)> = Vec::new();
    let mut offered: Vec<(usize, Kind, u32)> = Vec::new();
    for (place, visit) in story.visits.iter().enumerate() {
        chosen.extend(called_for(visit).into_iter().map(|kind| (place, kind)));
        offered.extend(offered_by(visit).map(|(kind, weight)| (place, kind, weight)));
    }
    if role == Role::Amended {
        for kind in Kind::ALL {
            if let Some(found) = offered.iter_mut().find(|offer| offer.1 == *kind) {
                chosen.push((found.0, *kind));
                found.2 = 0;
            }
        }
    }
    let wanted = (wanted + rng.below(6)).saturating_sub(2).max(1);
    while chosen.len() < wanted && offered.iter().any(|offer| offer.2 > 0) {
        let place = rng.weighted(offered.iter().map(|offer| offer.2));
        chosen.push((offered[place].0, offered[place].1));
        offered[place].2 = 0;
    }
    chosen.sort_unstable();
    chosen
        .into_iter()
        .map(|(visit, kind)| Planned { kind, visit, format: format(rng, kind, &story.visits[visit]) })
        .collect()
}

fn called_for(visit: &Visit) -> Vec<Kind> {
    let mut kinds = Vec::new();
    if visit.class == Class::Inpatient {
        kinds.extend([Kind::AdmissionDischarge, Kind::NursingRecord, Kind::DischargeSummary]);
    }
    match visit.event {
        Event::Surgery => kinds.extend([Kind::SurgeryConfirmation, Kind::OperationRecord, Kind::AnaesthesiaRecord]),
        Event::Birth => kinds.push(Kind::BirthCertificate),
        Event::Death => kinds.push(Kind::DeathCertificate),
        Event::Admission | Event::None => {}
    }
    kinds
}

fn offered_by(visit: &Visit) -> impl Iterator<Item = (Kind, u32)> + '_ {
    let alive = visit.event != Event::Death;
    [
        (Kind::Chart, 12, true),
        (Kind::BillReceipt, 9, true),
        (Kind::Prescription, 12, !visit.drugs.is_empty()),
        (Kind::TestReport, 14, visit.results.is_some()),
        (Kind::ImagingReport, 14, visit.imaging.is_some()),
        (Kind::Image, 12, visit.imaging.is_some()),
        (Kind::ItemisedStatement, 4, true),
        (Kind::OutpatientConfirmation, 4, visit.class != Class::Inpatient),
        (Kind::TreatmentConfirmation, 3, true),
        (Kind::MedicalCertificate, 4, alive),
        (Kind::MedicalOpinion, 3, alive),
        (Kind::PaymentConfirmation, 2, true),
    ]
    .into_iter()
    .filter(|(_, _, there)| *there)
    .map(|(kind, weight, _)| (kind, weight))
}

fn format(rng: &mut Rng, kind: Kind, visit: &Visit) -> Format {
    let on_paper = visit.start.date.year() < 2018;
    match kind {
        Kind::Image if rng.percent(40) => Format::Png,
        Kind::Image => Format::Jpeg,
        Kind::Chart | Kind::NursingRecord | Kind::OperationRecord if on_paper => Format::Jpeg,
        Kind::BillReceipt if rng.percent(8) => Format::Png,
        _ => Format::Pdf,
    }
}
