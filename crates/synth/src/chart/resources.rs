//! FHIR R4 resources of a chart. Follows KR Core's systems and categories, and claims none of its profiles.

use super::amend::{Amendments, corrected_at};
use super::{Class, Event, Moment, Results, Story, Subject, Visit, flag};
use crate::catalogue::{Act, ActKind, Disorder, Drug};
use crate::institutions::Institution;
use crate::json::{Node, decimal, list, object, one, text, whole};
use jiff::civil::{Date, date};

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

const KOREA: &str = "http://www.hl7korea.or.kr";
const LOINC: &str = "http://loinc.org";
const UCUM: &str = "http://unitsofmeasure.org";
const HL7: &str = "http://terminology.hl7.org/CodeSystem";

/// First day of KCD-9.
const KCD_9: Date = date(2026, 1, 1);

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

fn coding(system: &str, code: &str, display: &'static str) -> Node {
    let display = if display.is_empty() { Node::Absent } else { text(display) };
    object([("system", text(system.to_owned())), ("code", text(code.to_owned())), ("display", display)])
}

fn identifier(system: &str, value: &str) -> Node {
    object([("system", text(system.to_owned())), ("value", text(value.to_owned()))])
}

fn doctor_id(institution: &Institution, place: usize) -> String {
    format!("{}-dr{:02}", institution.code, place + 1)
}

fn department(department: (&'static str, &'static str)) -> Node {
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

fn quantity(value: Node, unit: &'static str) -> Node {
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

/// What is written about one visit.
struct VisitChart<'a> {
    subject: &'a Subject<'a>,
    visit: &'a Visit,
    /// Id of the Encounter; ids of what happened in it begin with it.
    id: String,
}

impl VisitChart<'_> {
    fn patient(&self) -> Node {
        patient_reference(self.subject)
    }

    fn encounter_reference(&self) -> Node {
        reference(format!("Encounter/{}", self.id))
    }

    fn doctor(&self) -> Node {
        doctor_reference(self.subject.institution, self.visit.doctor)
    }

    fn encounter(&self, lines: &mut Lines) {
        let visit = self.visit;
        let (code, display) = match visit.class {
            Class::Ambulatory => ("AMB", "ambulatory"),
            Class::Emergency => ("EMER", "emergency"),
            Class::Inpatient => ("IMP", "inpatient encounter"),
        };
        let insurance = object([
            ("url", text(format!("{KOREA}/fhir/krcore/StructureDefinition/krcore-insuranceTypes"))),
            ("valueCodeableConcept", concept(&format!("{KOREA}/CodeSystem/hira-insurance-types"), "4", "건강보험")),
        ]);
        let diagnoses: Vec<Node> = (0..visit.disorders.len())
            .map(|place| {
                object([
                    ("condition", reference(format!("Condition/{}-c{}", self.id, place + 1))),
                    ("rank", whole(place + 1)),
                ])
            })
            .collect();
        let discharge = match visit.event {
            Event::Death => "exp",
            _ => "home",
        };
        let hospitalization = (visit.class == Class::Inpatient).then(|| {
            object([("dischargeDisposition", concept(&format!("{HL7}/discharge-disposition"), discharge, ""))])
        });
        let staff = &self.subject.institution.staff[visit.doctor];
        let fields = vec![
            ("extension", one(insurance)),
            ("status", text("finished")),
            ("class", coding(&format!("{HL7}/v3-ActCode"), code, display)),
            ("serviceType", department(staff.department)),
            ("subject", self.patient()),
            ("participant", one(object([("individual", self.doctor())]))),
            ("period", object([("start", text(visit.start.to_string())), ("end", text(visit.end.to_string()))])),
            ("reasonCode", one(object([("text", text(visit.disorders[0].complaint))]))),
            ("diagnosis", list(diagnoses)),
            ("hospitalization", hospitalization.unwrap_or(Node::Absent)),
            ("serviceProvider", organization_reference(self.subject.institution)),
        ];
        lines.push("Encounter", &self.id, 1, visit.end, fields);
    }

    fn conditions(&self, lines: &mut Lines, amended: bool) {
        for (place, disorder) in self.visit.disorders.iter().enumerate() {
            let id = format!("{}-c{}", self.id, place + 1);
            let written = self.visit.start.later(8);
            if amended && place == 0 {
                lines.push("Condition", &id, 1, written, self.condition(disorder, Wording::Suspected));
                lines.push("Condition", &id, 2, corrected_at(written), self.condition(disorder, Wording::Corrected));
            } else {
                lines.push("Condition", &id, 1, written, self.condition(disorder, Wording::Certain));
            }
        }
    }

    fn condition(&self, disorder: &Disorder, wording: Wording) -> Vec<(&'static str, Node)> {
        let (version, name) = if self.visit.start.date < KCD_9 { ("8", "kostat-kcd-8") } else { ("9", "kostat-kcd-9") };
        let kcd = object([
            ("system", text(format!("{KOREA}/CodeSystem/{name}"))),
            ("version", text(version)),
            ("code", text(disorder.kcd)),
            ("display", text(disorder.name)),
        ]);
        let (certainty, words, note) = match wording {
            Wording::Certain => ("confirmed", disorder.name.to_owned(), None),
            Wording::Suspected => ("provisional", format!("{} 의증", disorder.name), None),
            Wording::Corrected => {
                ("confirmed", disorder.name.to_owned(), Some("검사 결과에 따라 의증을 확정 진단으로 정정함"))
            }
        };
        let category =
            concept(&format!("{KOREA}/fhir/krcore/CodeSystem/krcore-condition-category-types"), "진단", "진단");
        let status = if disorder.chronic { "active" } else { "resolved" };
        vec![
            ("clinicalStatus", concept(&format!("{HL7}/condition-clinical"), status, "")),
            ("verificationStatus", concept(&format!("{HL7}/condition-ver-status"), certainty, "")),
            ("category", one(category)),
            ("code", object([("coding", one(kcd)), ("text", text(words))])),
            ("subject", self.patient()),
            ("encounter", self.encounter_reference()),
            ("onsetDateTime", text(self.visit.start.date.to_string())),
            ("recordedDate", text(self.visit.start.to_string())),
            ("recorder", self.doctor()),
            ("note", note.map_or(Node::Absent, |note| one(object([("text", text(note))])))),
        ]
    }

    fn vitals(&self, lines: &mut Lines) {
        let vitals = &self.visit.vitals;
        if let Some((systolic, diastolic)) = vitals.pressure {
            let part = |code, name, value| {
                object([("code", concept(LOINC, code, name)), ("valueQuantity", quantity(whole(value), "mm[Hg]"))])
            };
            let parts = list([
                part("8480-6", "Systolic blood pressure", systolic),
                part("8462-4", "Diastolic blood pressure", diastolic),
            ]);
            self.vital(
                lines,
                "bp",
                ("85354-9", "Blood pressure panel with all children optional", "혈압"),
                ("component", parts),
            );
        }
        let simple = [
            ("hr", ("8867-4", "Heart rate", "맥박"), vitals.pulse.map(whole), "/min"),
            ("bt", ("8310-5", "Body temperature", "체온"), vitals.temperature.map(|value| decimal(value, 1)), "Cel"),
            ("bw", ("29463-7", "Body weight", "체중"), vitals.weight_kg.map(|value| decimal(value, 1)), "kg"),
        ];
        for (suffix, code, value, unit) in simple {
            if let Some(value) = value {
                self.vital(lines, suffix, code, ("valueQuantity", quantity(value, unit)));
            }
        }
    }

    fn vital(
        &self,
        lines: &mut Lines,
        suffix: &str,
        (code, name, korean): (&'static str, &'static str, &'static str),
        value: (&'static str, Node),
    ) {
        let taken = self.visit.start.later(3);
        let fields = vec![
            ("status", text("final")),
            ("category", one(concept(&format!("{HL7}/observation-category"), "vital-signs", "Vital Signs"))),
            ("code", object([("coding", one(coding(LOINC, code, name))), ("text", text(korean))])),
            ("subject", self.patient()),
            ("encounter", self.encounter_reference()),
            ("effectiveDateTime", text(taken.to_string())),
            value,
        ];
        lines.push("Observation", &format!("{}-{suffix}", self.id), 1, taken, fields);
    }

    fn results(&self, lines: &mut Lines, amended: bool) {
        let Some(results) = &self.visit.results else { return };
        let issued = self.visit.start.later(140);
        for (place, value) in results.values.iter().enumerate() {
            let id = format!("{}-l{}", self.id, place + 1);
            if amended && place == 0 {
                // A slip of the decimal point, as happens when results are typed in.
                let wrong = self.laboratory(results, place, value * 10.0, "final", None);
                lines.push("Observation", &id, 1, issued, wrong);
                let right = self.laboratory(results, place, *value, "corrected", Some("소수점 입력 오류를 정정함"));
                lines.push("Observation", &id, 2, corrected_at(issued), right);
            } else {
                lines.push("Observation", &id, 1, issued, self.laboratory(results, place, *value, "final", None));
            }
        }
        let references: Vec<Node> = (0..results.values.len())
            .map(|place| reference(format!("Observation/{}-l{}", self.id, place + 1)))
            .collect();
        let conclusion =
            if results.any_abnormal() { "참고치를 벗어난 항목이 있음" } else { "참고치 이내" };
        let fields = vec![
            ("status", text("final")),
            ("category", one(concept(&format!("{HL7}/v2-0074"), "LAB", "Laboratory"))),
            ("code", self.procedure_code(results.panel.code, results.panel.name)),
            ("subject", self.patient()),
            ("encounter", self.encounter_reference()),
            ("effectiveDateTime", text(self.visit.start.later(20).to_string())),
            ("issued", text(issued.to_string())),
            ("performer", one(organization_reference(self.subject.institution))),
            ("result", list(references)),
            ("conclusion", text(conclusion)),
        ];
        lines.push("DiagnosticReport", &format!("{}-lab", self.id), 1, issued, fields);
    }

    fn laboratory(
        &self,
        results: &Results,
        place: usize,
        value: f64,
        status: &'static str,
        note: Option<&'static str>,
    ) -> Vec<(&'static str, Node)> {
        let test = results.panel.tests[place];
        let range = object([
            ("low", quantity(decimal(test.low, test.places), test.unit)),
            ("high", quantity(decimal(test.high, test.places), test.unit)),
        ]);
        vec![
            ("status", text(status)),
            ("category", one(concept(&format!("{HL7}/observation-category"), "laboratory", "Laboratory"))),
            ("code", object([("coding", one(coding(LOINC, test.loinc, test.name))), ("text", text(test.korean))])),
            ("subject", self.patient()),
            ("encounter", self.encounter_reference()),
            ("effectiveDateTime", text(self.visit.start.later(20).to_string())),
            ("issued", text(self.visit.start.later(140).to_string())),
            ("valueQuantity", quantity(decimal(value, test.places), test.unit)),
            ("interpretation", one(concept(&format!("{HL7}/v3-ObservationInterpretation"), flag(test, value), ""))),
            ("note", note.map_or(Node::Absent, |note| one(object([("text", text(note))])))),
            ("referenceRange", one(range)),
        ]
    }

    fn imaging(&self, lines: &mut Lines) {
        let Some(imaging) = self.visit.imaging else { return };
        let order = vec![
            ("status", text("completed")),
            ("intent", text("order")),
            ("code", self.procedure_code(imaging.code, imaging.name)),
            ("subject", self.patient()),
            ("encounter", self.encounter_reference()),
            ("authoredOn", text(self.visit.start.later(12).to_string())),
            ("requester", self.doctor()),
        ];
        let order_id = format!("{}-ord", self.id);
        lines.push("ServiceRequest", &order_id, 1, self.visit.start.later(12), order);
        let issued = self.visit.start.later(95);
        let report = vec![
            ("basedOn", one(reference(format!("ServiceRequest/{order_id}")))),
            ("status", text("final")),
            ("category", one(concept(&format!("{HL7}/v2-0074"), "IMG", "Diagnostic Imaging"))),
            ("code", self.procedure_code(imaging.code, imaging.name)),
            ("subject", self.patient()),
            ("encounter", self.encounter_reference()),
            ("effectiveDateTime", text(self.visit.start.later(40).to_string())),
            ("issued", text(issued.to_string())),
            ("performer", one(self.doctor())),
            ("conclusion", text(format!("{} 결론: {}", imaging.finding, imaging.conclusion))),
        ];
        lines.push("DiagnosticReport", &format!("{}-img", self.id), 1, issued, report);
    }

    fn medication(&self, lines: &mut Lines) {
        for (place, drug) in self.visit.drugs.iter().enumerate() {
            let id = format!("{}-m{}", self.id, place + 1);
            lines.push("MedicationRequest", &id, 1, self.visit.start.later(10), self.prescription(drug));
        }
    }

    fn prescription(&self, drug: &Drug) -> Vec<(&'static str, Node)> {
        let category = if self.visit.class == Class::Inpatient { "inpatient" } else { "outpatient" };
        let repeat = object([("frequency", whole(drug.per_day)), ("period", whole(1)), ("periodUnit", text("d"))]);
        let dosage = object([("text", text(drug.how)), ("timing", object([("repeat", repeat)]))]);
        let supply = object([
            ("quantity", object([("value", whole(u32::from(drug.per_day) * u32::from(drug.days)))])),
            ("expectedSupplyDuration", quantity(whole(drug.days), "d")),
        ]);
        vec![
            ("status", text("completed")),
            ("intent", text("order")),
            ("category", one(concept(&format!("{HL7}/medicationrequest-category"), category, ""))),
            (
                "medicationCodeableConcept",
                concept(&format!("{KOREA}/CodeSystem/hira-edi-medication"), drug.code, drug.name),
            ),
            ("subject", self.patient()),
            ("encounter", self.encounter_reference()),
            ("authoredOn", text(self.visit.start.later(10).to_string())),
            ("requester", self.doctor()),
            ("dosageInstruction", one(dosage)),
            ("dispenseRequest", supply),
        ]
    }

    fn procedures(&self, lines: &mut Lines) {
        for (place, act) in self.visit.acts.iter().enumerate() {
            let id = format!("{}-p{}", self.id, place + 1);
            lines.push("Procedure", &id, 1, self.visit.start.later(70), self.procedure(act));
        }
    }

    fn procedure(&self, act: &Act) -> Vec<(&'static str, Node)> {
        let (code, name) = match act.kind {
            ActKind::Surgery => ("1", "수술"),
            ActKind::Treatment => ("2", "처치"),
            ActKind::Anaesthesia => ("3", "마취"),
        };
        let category = concept(&format!("{KOREA}/fhir/krcore/CodeSystem/krcore-procedure-category-types"), code, name);
        let span = object([
            ("start", text(self.visit.start.later(30).to_string())),
            ("end", text(self.visit.start.later(65).to_string())),
        ]);
        vec![
            ("status", text("completed")),
            ("category", category),
            ("code", self.procedure_code(act.code, act.name)),
            ("subject", self.patient()),
            ("encounter", self.encounter_reference()),
            ("performedPeriod", span),
            ("performer", one(object([("actor", self.doctor())]))),
        ]
    }

    fn vaccine(&self, lines: &mut Lines) {
        let Some(vaccine) = self.visit.vaccine else { return };
        let given = self.visit.start.later(15);
        let system = format!("{KOREA}/fhir/krcore/CodeSystem/krcore-vcnt-types");
        let fields = vec![
            ("status", text("completed")),
            ("vaccineCode", concept(&system, vaccine.code, vaccine.name)),
            ("patient", self.patient()),
            ("encounter", self.encounter_reference()),
            ("occurrenceDateTime", text(given.to_string())),
            ("performer", one(object([("actor", self.doctor())]))),
        ];
        lines.push("Immunization", &format!("{}-v", self.id), 1, given, fields);
    }

    fn procedure_code(&self, code: &'static str, name: &'static str) -> Node {
        object([
            ("coding", one(coding(&format!("{KOREA}/CodeSystem/hira-edi-procedure"), code, name))),
            ("text", text(name)),
        ])
    }
}

/// How sure a diagnosis was when written.
#[derive(Clone, Copy)]
enum Wording {
    Certain,
    Suspected,
    Corrected,
}
