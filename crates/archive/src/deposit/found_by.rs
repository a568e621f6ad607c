//! What a resource is found by: its rows of the search index, made when it is taken in and when tables are made again.

use super::NATIONAL_SYSTEMS;
use super::chart_number::chart_numbers;
use super::household::homes;
use crate::members::is_secret;
use crate::records::unmarked;
use base::Redacted;
use base::limits::Limits;
use fhir::Value;
use fhir::search::{Options, Selection};
use policy::InstitutionCode;
use store::{CHART_NUMBER, CiHash, HOUSEHOLD, INDEX_TEXT_BYTES_MAX, Ids, IndexRow, Indexing, index_rows};

/// What is searched for by this program, and what the watch asks for of the dead. Owner, date and encounter have columns of their
/// own.
const PARAMETERS: [&str; 9] =
    ["identifier", "name", "birthdate", "date", "type", "code", "relatesto", "deceased", "death-date"];

/// The index rows that are wanted.
pub(crate) fn indexing(ids: &Ids) -> Indexing<'_> {
    Indexing {
        selection: Selection::of(&PARAMETERS),
        options: Options::default(),
        hidden_systems: NATIONAL_SYSTEMS.map(str::to_owned).to_vec(),
        ids,
    }
}

/// The index rows of a resource; identity numbers, and where people live, are among them as keyed hashes.
pub(crate) fn rows(
    value: &Value<'_>,
    institution: &InstitutionCode,
    indexing: &Indexing<'_>,
    hash: &CiHash<'_>,
) -> Vec<IndexRow> {
    let mut rows = index_rows(value, institution, indexing);
    for (system, number) in chart_numbers(value, institution) {
        let row =
            |param| IndexRow::Token { param, system: system.unwrap_or_default().to_owned(), code: number.to_owned() };
        // What is hidden among the identifiers is hidden here, and what is cut there would be another number.
        if number.len() <= INDEX_TEXT_BYTES_MAX && rows.contains(&row("identifier")) {
            rows.push(row(CHART_NUMBER));
        }
    }
    for identifier in value.each("identifier").filter(|identifier| is_secret(identifier)) {
        let Some(number) = identifier.str("value") else { continue };
        rows.retain(|row| !matches!(row, IndexRow::Token { code, .. } if code == number));
        let system = identifier.str("system").unwrap_or_default();
        let code = hashed_number(hash, number);
        rows.push(IndexRow::Token { param: "identifier", system: system.to_owned(), code });
    }
    for home in homes(value) {
        let code = base::hex(&hash(&Redacted::new(format!("household|{home}"))));
        rows.push(IndexRow::Token { param: HOUSEHOLD, system: String::new(), code });
    }
    rows
}

/// Under what an identity number stands in the index: a keyed hash.
fn hashed_number(hash: &CiHash<'_>, number: &str) -> String {
    let digits: String = number.chars().filter(|letter| letter.is_alphanumeric()).collect();
    base::hex(&hash(&Redacted::new(format!("identifier|{digits}"))))
}

/// The index rows of a stored resource, for [`store::Rebuild`].
///
/// # Errors
/// Why it cannot be read, without anything that it says.
pub fn reindex(
    limits: &Limits,
    institution: &InstitutionCode,
    bytes: &[u8],
    ids: &Ids,
    hash: &CiHash<'_>,
) -> Result<Vec<IndexRow>, String> {
    let value = fhir::json::parse(unmarked(bytes), &super::fhir_limits(limits)).map_err(|error| error.to_string())?;
    if *institution == store::commons() {
        // Consents are made here and not deposited: nothing is looked for in them but whether they hold.
        let status = value.str("status").unwrap_or_default().to_owned();
        return Ok(vec![IndexRow::Token { param: "status", system: String::new(), code: status }]);
    }
    Ok(rows(&value, institution, &indexing(ids), hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_charts_are_told_from_others_and_hidden_as_they_are() {
        let text = r#"{"resourceType":"Patient","id":"p","identifier":[
            {"type":{"coding":[{"code":"MR"}]},"value":"7001"},
            {"type":{"coding":[{"code":"MR"}]},"use":"old","value":"7002"},
            {"type":{"coding":[{"code":"MR"}]},"value":"900101-1234567"},
            {"type":{"coding":[{"code":"MR"}]},"value":"M12345678"},
            {"type":{"coding":[{"code":"PPN"}]},"value":"M12345678"}]}"#;
        let institution = InstitutionCode::new("11100001").expect("a code");
        let (limits, ids) = (Limits::default(), Ids::under(&[1; 32]));
        let found = reindex(&limits, &institution, text.as_bytes(), &ids, &|_| [7; 32]).expect("it is read");
        let codes = |wanted: &str| -> Vec<String> {
            let of = |row: &IndexRow| match row {
                IndexRow::Token { param, code, .. } if *param == wanted => Some(code.clone()),
                _ => None,
            };
            found.iter().filter_map(of).collect()
        };
        assert_eq!(codes(CHART_NUMBER), ["7001"]);
        assert_eq!(codes("identifier"), ["7001", "7002", base::hex(&[7; 32]).as_str()]);
    }
}
