//! FHIR R4 resources of one visit: encounter, diagnoses, signs, results, imaging, medicines, procedures, vaccines.

use super::amend::corrected_at;
use super::resources::{
    HL7, KOREA, Lines, coding, concept, department, doctor_reference, organization_reference, patient_reference,
    quantity, reference,
};
use super::{Class, Event, Results, Subject, Visit, flag};
use crate::catalogue::{Act, ActKind, Disorder, Drug};
use crate::json::{Node, decimal, list, object, one, text, whole};
use jiff::civil::{Date, date};

const LOINC: &str = "http://loinc.org";

/// First day of KCD-9.
const KCD_9: Date = date(2026, 1, 1);

/// What is written about one visit.
pub(super) struct VisitChart<'a> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) visit: &'a Visit,
    /// Id of the Encounter; ids of what happened in it begin with it.
    pub(super) id: String,
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

    pub(super) fn encounter(&self, lines: &mut Lines) {
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

    pub(super) fn conditions(&self, lines: &mut Lines, amended: bool) {
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

    pub(super) fn vitals(&self, lines: &mut Lines) {
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

    pub(super) fn results(&self, lines: &mut Lines, amended: bool) {
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

    pub(super) fn imaging(&self, lines: &mut Lines) {
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

    pub(super) fn medication(&self, lines: &mut Lines) {
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

    pub(super) fn procedures(&self, lines: &mut Lines) {
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

    pub(super) fn vaccine(&self, lines: &mut Lines) {
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
