//! FHIR R4 resources of a chart. Follows KR Core's systems and categories, and claims none of its profiles.

use super::amend::Amendments;
use super::visit::VisitChart;
use super::{Moment, Story, Subject};
use crate::institutions::Institution;
use crate::json::{Node, list, object, one, text};
use jiff::civil::date;

/// The resource types of a bag, in the order of their files' first appearance in the chart.
pub(crate) const TYPES: [&str; 14] = [
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "Patient",
    "Encounter",
    "Condition",
    "Observation",
    "DiagnosticReport",
    "ServiceRequest",
    "MedicationRequest",
    "Procedure",
    "Immunization",
    "AllergyIntolerance",
    "DocumentReference",
];

pub(super) const KOREA: &str = "http://www.hl7korea.or.kr";
const UCUM: &str = "http://unitsofmeasure.org";
pub(super) const HL7: &str = "http://terminology.hl7.org/CodeSystem";

/// NDJSON lines by type.
#[derive(Default)]
pub(crate) struct Lines {
    pub(crate) bytes: [Vec<u8>; TYPES.len()],
    pub(crate) counts: [u32; TYPES.len()],
    /// `Type/id` of what has an older version.
    pub(crate) amended: Vec<String>,
}

impl Lines {
    /// Appends one resource.
    pub(crate) fn push(
        &mut self,
        kind: &'static str,
        id: &str,
        version: u32,
        at: Moment,
        fields: Vec<(&'static str, Node)>,
    ) {
        let place = TYPES.iter().position(|known| *known == kind).expect("every type written is in the list");
        let tag = object([
            ("system", text(format!("{HL7}/v3-ActReason"))),
            ("code", text("HTEST")),
            ("display", text("test health data")),
        ]);
        let meta = object([
            ("versionId", text(version.to_string())),
            ("lastUpdated", text(at.to_string())),
            ("tag", one(tag)),
        ]);
        let mut all = vec![("resourceType", text(kind)), ("id", text(id.to_owned())), ("meta", meta)];
        all.extend(fields);
        Node::Object(all).write(&mut self.bytes[place]);
        self.bytes[place].push(b'\n');
        self.counts[place] += 1;
        if version > 1 {
            self.amended.push(format!("{kind}/{id}"));
        }
    }
}

/// The institution and its staff: what belongs to no patient.
pub(crate) fn institution(lines: &mut Lines, institution: &Institution) {
    let opened = Moment { date: date(2015, 1, 1), minute: 540 };
    let organization = vec![
        ("identifier", one(identifier(&format!("{KOREA}/Identifier/hira-krnpi"), &institution.code))),
        ("active", Node::Bare("false".into())),
        ("type", one(concept(&format!("{KOREA}/CodeSystem/hira-healthcare-organization-types"), institution.kind, ""))),
        ("name", text(institution.name.clone())),
        ("alias", one(text(institution.romanized.clone()))),
        ("address", one(address(&institution.address))),
    ];
    lines.push("Organization", &institution.code, 1, opened, organization);
    for (place, doctor) in institution.staff.iter().enumerate() {
        let id = doctor_id(institution, place);
        let qualification = object([
            ("identifier", one(identifier(&format!("{KOREA}/Identifier/mohw-md-license-id"), &doctor.licence))),
            (
                "code",
                concept(
                    &format!("{KOREA}/CodeSystem/mohw-practitioner-qualification-types"),
                    doctor.profession,
                    doctor.profession,
                ),
            ),
        ]);
        let practitioner =
            vec![("name", one(object([("text", text(doctor.name.clone()))]))), ("qualification", one(qualification))];
        lines.push("Practitioner", &id, 1, opened, practitioner);
        let role = vec![
            ("practitioner", reference(format!("Practitioner/{id}"))),
            ("organization", organization_reference(institution)),
            ("specialty", one(department(doctor.department))),
        ];
        lines.push("PractitionerRole", &format!("{id}-role"), 1, opened, role);
    }
}

/// The chart of one patient, without its documents.
pub(crate) fn chart(lines: &mut Lines, subject: &Subject<'_>, story: &Story, amendments: &Amendments) {
    patient(lines, subject, story);
    if let Some(allergen) = story.allergen {
        let first = &story.visits[0];
        let allergy = vec![
            ("clinicalStatus", concept(&format!("{HL7}/allergyintolerance-clinical"), "active", "")),
            ("verificationStatus", concept(&format!("{HL7}/allergyintolerance-verification"), "confirmed", "")),
            ("category", one(text(allergen.category))),
            ("code", object([("text", text(allergen.name))])),
            ("patient", patient_reference(subject)),
            ("recordedDate", text(first.start.to_string())),
            ("reaction", one(object([("manifestation", one(object([("text", text(allergen.reaction))])))]))),
        ];
        lines.push("AllergyIntolerance", &format!("{}-allergy", subject.id), 1, first.end, allergy);
    }
    for (place, visit) in story.visits.iter().enumerate() {
        let chart = VisitChart { subject, visit, id: encounter_id(subject, place) };
        chart.encounter(lines);
        chart.conditions(lines, amendments.condition == Some(place));
        chart.vitals(lines);
        chart.results(lines, amendments.observation == Some(place));
        chart.imaging(lines);
        chart.medication(lines);
        chart.procedures(lines);
        chart.vaccine(lines);
    }
}

/// The id of the Encounter of a visit.
pub(crate) fn encounter_id(subject: &Subject<'_>, place: usize) -> String {
    format!("{}-e{:02}", subject.id, place + 1)
}

/// A reference to the doctor of a visit.
pub(crate) fn doctor_reference(institution: &Institution, place: usize) -> Node {
    object([
        ("reference", text(format!("Practitioner/{}", doctor_id(institution, place)))),
        ("display", text(institution.staff[place].name.clone())),
    ])
}

/// A reference to the institution.
pub(crate) fn organization_reference(institution: &Institution) -> Node {
    object([
        ("reference", text(format!("Organization/{}", institution.code))),
        ("display", text(institution.name.clone())),
    ])
}

/// A reference to the patient of a chart.
pub(crate) fn patient_reference(subject: &Subject<'_>) -> Node {
    reference(format!("Patient/{}", subject.id))
}

/// A reference.
pub(crate) fn reference(to: String) -> Node {
    object([("reference", text(to))])
}

/// A CodeableConcept with one coding; an empty display is left out.
pub(crate) fn concept(system: &str, code: &str, display: &'static str) -> Node {
    object([("coding", one(coding(system, code, display)))])
}

pub(super) fn coding(system: &str, code: &str, display: &'static str) -> Node {
    let display = if display.is_empty() { Node::Absent } else { text(display) };
    object([("system", text(system.to_owned())), ("code", text(code.to_owned())), ("display", display)])
}

fn identifier(system: &str, value: &str) -> Node {
    object([("system", text(system.to_owned())), ("value", text(value.to_owned()))])
}

fn doctor_id(institution: &Institution, place: usize) -> String {
    format!("{}-dr{:02}", institution.code, place + 1)
}

pub(super) fn department(department: (&'static str, &'static str)) -> Node {
    concept(&format!("{KOREA}/CodeSystem/hira-medical-department"), department.0, department.1)
}

fn address(address: &crate::places::Address) -> Node {
    object([
        ("text", text(address.line())),
        ("line", one(text(format!("{} {}", address.road, address.number)))),
        ("city", text(address.district)),
        ("state", text(address.province)),
        ("country", text("KR")),
    ])
}

pub(super) fn quantity(value: Node, unit: &'static str) -> Node {
    object([("value", value), ("unit", text(unit)), ("system", text(UCUM)), ("code", text(unit))])
}

fn patient(lines: &mut Lines, subject: &Subject<'_>, story: &Story) {
    let person = subject.person;
    let national = object([
        ("type", concept(&format!("{HL7}/v2-0203"), "NNKOR", "")),
        ("system", text("https://mois.go.kr/rrn")),
        ("value", text(person.rrn.clone())),
    ]);
    let chart_number = object([
        ("type", concept(&format!("{HL7}/v2-0203"), "MR", "")),
        ("system", text(format!("urn:hanmaru:synthetic:chart:{}", subject.institution.code))),
        ("value", text(subject.chart_number.clone())),
    ]);
    let (family, given) = person.romanized.split_once(' ').unwrap_or((&person.romanized, ""));
    let latin = object([
        ("use", text("usual")),
        ("text", text(person.romanized.clone())),
        ("family", text(family.to_owned())),
        ("given", one(text(given.to_owned()))),
    ]);
    let fields = vec![
        ("identifier", list([national, chart_number])),
        ("name", list([object([("use", text("official")), ("text", text(person.name.clone()))]), latin])),
        (
            "telecom",
            one(object([("system", text("phone")), ("value", text(person.mobile.clone())), ("use", text("mobile"))])),
        ),
        ("gender", text(person.sex.code())),
        ("birthDate", text(person.birth_date.to_string())),
        ("deceasedDateTime", story.died.map_or(Node::Absent, |died| text(died.to_string()))),
        ("address", one(address(subject.address))),
        ("managingOrganization", organization_reference(subject.institution)),
    ];
    let seen_last = story.visits.last().map_or(story.visits[0].end, |visit| visit.end);
    lines.push("Patient", &subject.id, 1, seen_last, fields);
}
