//! `bag-info.txt`: which institution, why it deposits, and how much it says it hands over.
//!
//! Closure and suspension are reported with the quantity and list of what is handed over (Medical Service Act art. 40
//! and 40-2, Enforcement Rule art. 30); the declared counts are compared with what was taken in the receipt.

use crate::institutions::kinds;
use jiff::civil::Date;
use policy::InstitutionCode;

/// What the sender says about the bag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BagInfo {
    /// The institution's code (요양기관기호).
    pub institution_code: InstitutionCode,
    /// Its name.
    pub institution_name: String,
    /// Its romanised name, where the sender gives one.
    pub institution_name_romanized: Option<String>,
    /// Its kind, a HIRA code such as `21`.
    pub institution_kind: String,
    /// Its address.
    pub institution_address: String,
    /// Its region (시도 시군구), where the sender gives it.
    pub institution_region: Option<String>,
    /// Why it deposits.
    pub cessation: Cessation,
    /// Who hands it over.
    pub depositor: String,
    /// Patients, as declared.
    pub declared_patients: Option<u64>,
    /// Resources, as declared.
    pub declared_resources: Option<u64>,
    /// Documents, as declared.
    pub declared_documents: Option<u64>,
    /// `bytes.files` of the payload (RFC 8493 section 2.2.2).
    pub payload_oxum: Option<String>,
    /// Whether the content is made up.
    pub synthetic: bool,
}

/// Closed for good, or suspended for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cessation {
    /// Closed on a day.
    Closed(Date),
    /// Suspended from a day, to a day where one is known.
    Suspended {
        /// The first day.
        from: Date,
        /// The last day.
        to: Option<Date>,
    },
}

/// A fault in `bag-info.txt`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InfoFault {
    /// A line is not `Label: value`.
    #[error("line {0} is not a label, a colon and a value")]
    Line(usize),
    /// A label that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A label that may stand once stands twice.
    #[error("{0} stands twice")]
    Twice(String),
    /// A value has another form.
    #[error("{label} must be {expected}")]
    Value {
        /// The label.
        label: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// Neither closure nor suspension, or both.
    #[error("give either Closure-Date or Suspension-Start")]
    Cessation,
}

const ONCE: [&str; 15] = [
    "Institution-Code",
    "Institution-Name",
    "Institution-Name-Romanized",
    "Institution-Kind",
    "Institution-Address",
    "Institution-Region",
    "Closure-Date",
    "Suspension-Start",
    "Suspension-End",
    "Depositor",
    "Declared-Patients",
    "Declared-Resources",
    "Declared-Documents",
    "Payload-Oxum",
    "Synthetic",
];

/// No institution that hands over records now closed before.
const FIRST_YEAR: i16 = 1900;
/// Closure and suspension are announced at most so long before, and a suspension ends so long after today.
const CESSATION_YEARS_AHEAD: i16 = 1;
const END_YEARS_AHEAD: i16 = 10;
/// The longest value of a label, in characters.
const VALUE_CHARS: usize = 300;

impl BagInfo {
    /// Reads the file's text (RFC 8493 section 2.2.2: labels, values, folded lines).
    ///
    /// Days decide how long records are kept and what people are told, so those that can only be slips are refused: before 1900,
    /// or further after `today` than a closure is announced.
    ///
    /// # Errors
    /// Every fault found.
    pub fn parse(text: &str, today: Date) -> Result<Self, Vec<InfoFault>> {
        let (pairs, mut faults) = lines(text);
        let fields = Fields { pairs, today };
        faults.extend(fields.doubled());
        let mut note = |fault: InfoFault| faults.push(fault);
        let code = fields.required("Institution-Code", &mut note);
        let institution_code = code.as_deref().and_then(InstitutionCode::new);
        if code.is_some() && institution_code.is_none() {
            note(InfoFault::Value { label: "Institution-Code", expected: "1 to 64 letters, digits, dots or hyphens" });
        }
        let institution_name = fields.required("Institution-Name", &mut note);
        let institution_kind = fields.required("Institution-Kind", &mut note);
        if institution_kind.as_deref().is_some_and(|code| !kinds().iter().any(|kind| kind.code == code)) {
            let expected = "a code of HIRA's kinds of institutions, two digits such as 31 for a clinic";
            note(InfoFault::Value { label: "Institution-Kind", expected });
        }
        let institution_address = fields.required("Institution-Address", &mut note);
        let depositor = fields.required("Depositor", &mut note);
        let institution_name_romanized = fields.optional("Institution-Name-Romanized", &mut note);
        let institution_region = fields.optional("Institution-Region", &mut note);
        let payload_oxum = fields.optional("Payload-Oxum", &mut note);
        let cessation = fields.cessation(&mut note);
        let declared_patients = fields.count("Declared-Patients", &mut note);
        let declared_resources = fields.count("Declared-Resources", &mut note);
        let declared_documents = fields.count("Declared-Documents", &mut note);
        match (institution_code, institution_name, institution_kind, institution_address, depositor, cessation) {
            (Some(code), Some(name), Some(kind), Some(address), Some(depositor), Some(cessation))
                if faults.is_empty() =>
            {
                Ok(Self {
                    institution_code: code,
                    institution_name: name,
                    institution_name_romanized,
                    institution_kind: kind,
                    institution_address: address,
                    institution_region,
                    cessation,
                    depositor,
                    declared_patients,
                    declared_resources,
                    declared_documents,
                    payload_oxum,
                    synthetic: fields.get("Synthetic").is_some_and(|value| value.eq_ignore_ascii_case("yes")),
                })
            }
            _ => Err(faults),
        }
    }
}

fn lines(text: &str) -> (Vec<(String, String)>, Vec<InfoFault>) {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            match pairs.last_mut() {
                Some((_, value)) => {
                    value.push(' ');
                    value.push_str(line.trim());
                }
                None => faults.push(InfoFault::Line(number + 1)),
            }
            continue;
        }
        match line.split_once(':') {
            Some((label, value)) if !label.trim().is_empty() => {
                pairs.push((label.trim().to_owned(), value.trim().to_owned()));
            }
            _ => faults.push(InfoFault::Line(number + 1)),
        }
    }
    (pairs, faults)
}

struct Fields {
    pairs: Vec<(String, String)>,
    today: Date,
}

impl Fields {
    fn get(&self, label: &str) -> Option<String> {
        let found = self.pairs.iter().find(|(name, _)| name.eq_ignore_ascii_case(label));
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    }

    fn doubled(&self) -> Vec<InfoFault> {
        let count = |label: &str| self.pairs.iter().filter(|(name, _)| name.eq_ignore_ascii_case(label)).count();
        ONCE.iter().filter(|label| count(label) > 1).map(|label| InfoFault::Twice((*label).to_owned())).collect()
    }

    fn required(&self, label: &'static str, note: &mut impl FnMut(InfoFault)) -> Option<String> {
        let value = self.optional(label, note);
        if value.is_none() {
            note(InfoFault::Missing(label));
        }
        value
    }

    /// A text that people are shown, or that stands in a message.
    fn optional(&self, label: &'static str, note: &mut impl FnMut(InfoFault)) -> Option<String> {
        let value = self.get(label)?;
        if value.chars().count() > VALUE_CHARS || value.chars().any(char::is_control) {
            note(InfoFault::Value { label, expected: "at most 300 characters without control characters" });
        }
        Some(value)
    }

    fn date(&self, label: &'static str, years_ahead: i16, note: &mut impl FnMut(InfoFault)) -> Option<Date> {
        let value = self.get(label)?;
        let date: Option<Date> = value.parse().ok();
        let latest = self.today.saturating_add(jiff::Span::new().years(years_ahead));
        let real = date.filter(|date| date.year() >= FIRST_YEAR && *date <= latest);
        if date.is_none() {
            note(InfoFault::Value { label, expected: "a date such as 2024-03-31" });
        } else if real.is_none() {
            note(InfoFault::Value { label, expected: "a day from 1900 on that is not far in the future" });
        }
        real
    }

    fn count(&self, label: &'static str, note: &mut impl FnMut(InfoFault)) -> Option<u64> {
        let value = self.get(label)?;
        let count = value.parse().ok();
        if count.is_none() {
            note(InfoFault::Value { label, expected: "a whole number" });
        }
        count
    }

    fn cessation(&self, note: &mut impl FnMut(InfoFault)) -> Option<Cessation> {
        let closed = self.date("Closure-Date", CESSATION_YEARS_AHEAD, note);
        let from = self.date("Suspension-Start", CESSATION_YEARS_AHEAD, note);
        let to = self.date("Suspension-End", END_YEARS_AHEAD, note);
        match (closed, from) {
            (Some(day), None) => Some(Cessation::Closed(day)),
            (None, Some(from)) if to.is_some_and(|to| to < from) => {
                note(InfoFault::Value { label: "Suspension-End", expected: "a day after Suspension-Start" });
                None
            }
            (None, Some(from)) => Some(Cessation::Suspended { from, to }),
            _ => {
                note(InfoFault::Cessation);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TODAY: Date = jiff::civil::date(2026, 11, 22);
    const WHOLE: &str = "Institution-Code: 99000001\r\nInstitution-Name: 한빛\r\n 병원\r\nInstitution-Kind: 21\r\n\
        Institution-Address: 서울\r\nSuspension-Start: 2024-01-01\r\nDepositor: 김대표\r\nDeclared-Patients: 10\r\n";

    #[test]
    fn folded_lines_and_crlf_are_read() {
        let info = BagInfo::parse(WHOLE, TODAY).expect("whole");
        assert_eq!(info.institution_name, "한빛 병원");
        assert_eq!(info.declared_patients, Some(10));
        assert!(matches!(info.cessation, Cessation::Suspended { to: None, .. }));
    }

    #[test]
    fn all_faults_come_at_once() {
        let faults =
            BagInfo::parse("Institution-Code: 한글\nClosure-Date: yesterday\nbroken\n", TODAY).expect_err("faulty");
        assert!(faults.contains(&InfoFault::Line(3)));
        assert!(faults.contains(&InfoFault::Missing("Institution-Name")));
        assert!(faults.contains(&InfoFault::Cessation));
        assert!(faults.iter().any(|fault| matches!(fault, InfoFault::Value { label: "Institution-Code", .. })));
        assert!(faults.iter().any(|fault| matches!(fault, InfoFault::Value { label: "Closure-Date", .. })));
    }

    #[test]
    fn days_that_can_only_be_slips_are_faults() {
        let with = |days: &str| BagInfo::parse(&WHOLE.replace("Suspension-Start: 2024-01-01", days), TODAY);
        for day in ["-009999-01-01", "0001-01-01", "1899-12-31", "2027-11-23", "9999-12-31"] {
            for label in ["Closure-Date", "Suspension-Start"] {
                let faults = with(&format!("{label}: {day}")).expect_err(day);
                let is_named =
                    |fault: &InfoFault| matches!(fault, InfoFault::Value { label: named, .. } if *named == label);
                assert!(faults.iter().any(is_named), "{label} {day}: {faults:?}");
            }
        }
        for day in ["1900-01-01", "2026-12-31", "2027-11-22"] {
            assert!(with(&format!("Closure-Date: {day}")).is_ok(), "{day}");
        }
        assert!(with("Suspension-Start: 2026-01-01\r\nSuspension-End: 2029-01-01").is_ok());
        assert!(with("Suspension-Start: 2026-01-01\r\nSuspension-End: 2062-01-01").is_err());
        assert!(with("Suspension-Start: 2026-01-01\r\nSuspension-End: 2025-01-01").is_err());
    }

    #[test]
    fn a_label_twice_is_a_fault() {
        let faults = BagInfo::parse(&format!("{WHOLE}institution-name: 다른\n"), TODAY).expect_err("twice");
        assert_eq!(faults, [InfoFault::Twice("Institution-Name".into())]);
    }

    #[test]
    fn what_may_be_left_out_is_short_and_visible_too() {
        for label in ["Institution-Name-Romanized", "Institution-Region", "Payload-Oxum"] {
            for value in ["Gaon\u{8}Clinic".to_owned(), "x".repeat(VALUE_CHARS + 1)] {
                let plain: Vec<&str> = WHOLE.lines().filter(|line| !line.starts_with(label)).collect();
                let text = format!("{}\n{label}: {value}\n", plain.join("\n"));
                let expected = "at most 300 characters without control characters";
                assert_eq!(BagInfo::parse(&text, TODAY), Err(vec![InfoFault::Value { label, expected }]));
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,300}") {
            let _ = BagInfo::parse(&text, TODAY);
        }
    }
}
