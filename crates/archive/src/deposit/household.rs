//! Where the person of a Patient lives, written so that two records of one home come out alike: for a keyed hash, since nobody needs
//! the address itself in a table. Not a gazetteer: what two hospitals write differently beyond province, spacing and order of the
//! parts stays different, and the watch is silent about it.

use crate::institutions::province_called;
use fhir::Value;
use unicode_normalization::UnicodeNormalization;

/// Digits of a Korean postcode.
const POSTCODE_DIGITS: usize = 5;
/// Uses of an Address (R4 section 2.24.0.9) at which nobody lives now.
const NOT_HOME: [&str; 3] = ["work", "old", "billing"];

/// The homes of a Patient, each on one line of letters and digits; none for an address without a number, which is a whole street.
pub(crate) fn homes(patient: &Value<'_>) -> Vec<String> {
    if patient.str("resourceType") != Some("Patient") {
        return Vec::new();
    }
    let is_home = |address: &&Value<'_>| address.str("use").is_none_or(|one| !NOT_HOME.contains(&one));
    patient.each("address").filter(is_home).filter_map(home).collect()
}

fn home(address: &Value<'_>) -> Option<String> {
    let lines: Vec<&str> = address.each("line").filter_map(Value::as_str).collect();
    let parts = ["state", "city", "district"].into_iter().filter_map(|name| address.str(name));
    let whole = match lines.is_empty() {
        true => address.str("text")?.to_owned(),
        false => parts.chain(lines).collect::<Vec<_>>().join(" "),
    };
    let whole: String = without_remarks(&whole).nfkc().flat_map(char::to_lowercase).collect();
    let mut words: Vec<String> = Vec::new();
    for word in whole.split(|letter: char| letter.is_whitespace() || letter == ',') {
        let word = province_called(word).map_or(word, |province| province.korean.as_str());
        let is_postcode =
            words.is_empty() && word.len() == POSTCODE_DIGITS && word.bytes().all(|one| one.is_ascii_digit());
        // A line often begins with what stands in `state` and `city` too.
        if !is_postcode && !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    let plain: String = words.concat().chars().filter(|letter| letter.is_alphanumeric()).collect();
    plain.chars().any(char::is_numeric).then_some(plain)
}

/// Without what stands in brackets: postcodes, and names of quarters and buildings beside a road name.
fn without_remarks(text: &str) -> String {
    let mut depth = 0_usize;
    let outside = |letter: &char| match letter {
        '(' | '（' | '[' => {
            depth += 1;
            false
        }
        ')' | '）' | ']' => {
            depth = depth.saturating_sub(1);
            false
        }
        _ => depth == 0,
    };
    text.chars().filter(outside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn homes_of(addresses: &str) -> Vec<String> {
        let text = format!(r#"{{"resourceType":"Patient","address":[{addresses}]}}"#);
        homes(&fhir::json::parse(text.as_bytes(), &fhir::Limits::default()).expect("JSON"))
    }

    #[test]
    fn one_home_is_written_in_one_way() {
        let first = homes_of(r#"{"text":"서울특별시 종로구 세종대로 209, 101동 1001호 (세종로)"}"#);
        assert_eq!(first, ["서울특별시종로구세종대로209101동1001호"]);
        for other in [
            r#"{"text":"서울 종로구 세종대로 209 101동 1001호"}"#,
            r#"{"use":"home","text":"03172 서울시  종로구 세종대로 ２０９, 101동 1001호"}"#,
            r#"{"state":"서울특별시","city":"종로구","line":["세종대로 209","101동 1001호"],"postalCode":"03172"}"#,
            r#"{"state":"서울","city":"종로구","line":["서울특별시 종로구 세종대로 209, 101동 1001호"],"text":"x"}"#,
        ] {
            assert_eq!(homes_of(other), first, "{other}");
        }
    }

    #[test]
    fn what_is_no_home_is_left_out() {
        for none in [
            r#"{"text":"서울특별시 종로구 세종대로"}"#,
            r#"{"use":"old","text":"서울특별시 종로구 세종대로 209"}"#,
            r#"{"city":"종로구"}"#,
            r#"{"text":"(209)"}"#,
        ] {
            assert_eq!(homes_of(none), Vec::<String>::new(), "{none}");
        }
        let doctor = r#"{"resourceType":"Practitioner","address":[{"text":"종로 1"}]}"#;
        assert!(homes(&fhir::json::parse(doctor.as_bytes(), &fhir::Limits::default()).expect("JSON")).is_empty());
        assert_ne!(homes_of(r#"{"text":"종로 1 101호"}"#), homes_of(r#"{"text":"종로 1 102호"}"#));
    }
}
