//! Measures parsing, validation and indexing over a folder of FHIR bundles: `cargo run -p fhir --example fhir_speed FOLDER`. Not a test.

use fhir::json::{Limits, parse};
use fhir::search::{Options, Selection, clinical_date, encounter_of, index, patient_of};
use fhir::{Value, validate, visit_references};
use std::time::Instant;

const ROUNDS: u32 = 20;

fn main() {
    let Some(folder) = std::env::args().nth(1) else { return println!("usage: speed FOLDER") };
    let entries = std::fs::read_dir(&folder).expect("the folder is readable");
    let mut texts = Vec::new();
    for entry in entries {
        let bytes = std::fs::read(entry.expect("the folder is readable").path()).expect("the file is readable");
        let Ok(bundle) = parse(&bytes, &Limits::default()) else { continue };
        texts.extend(bundle.each("entry").filter_map(|e| e.get("resource")).map(Value::to_string));
    }
    let bytes: usize = texts.iter().map(String::len).sum();
    println!("{} resources, {} bytes on average", texts.len(), bytes / texts.len());
    let values: Vec<Value<'_>> =
        texts.iter().map(|t| parse(t.as_bytes(), &Limits::default()).expect("it was parsed before")).collect();
    let options = Options::default();
    let start = Instant::now();
    let _ = validate(&values[0]);
    println!("first use of the element table: {:?}", start.elapsed());
    let start = Instant::now();
    let few = Selection::of(&[
        "_id",
        "identifier",
        "patient",
        "subject",
        "encounter",
        "date",
        "name",
        "family",
        "given",
        "code",
        "status",
    ]);
    let all = Selection::all();
    println!("first use of the search parameters: {:?}", start.elapsed());
    let count = |selection: &Selection, value: &Value<'_>| {
        let mut found = 0;
        index(value, selection, &options, &mut |_, _| found += 1);
        found
    };

    let parsed = measure("parse", texts.len(), || {
        texts
            .iter()
            .map(|t| parse(t.as_bytes(), &Limits::default()).expect("it was parsed before").members().len())
            .sum()
    });
    println!("  {:.0} MB/s", bytes as f64 / parsed / texts.len() as f64);
    measure("validate", texts.len(), || values.iter().map(|v| validate(v).faults.len()).sum());
    measure("index 11 codes", texts.len(), || values.iter().map(|v| count(&few, v)).sum());
    measure("index all codes", texts.len(), || values.iter().map(|v| count(&all, v)).sum());
    measure("patient, encounter, date", texts.len(), || {
        values
            .iter()
            .map(|v| {
                patient_of(v).len()
                    + usize::from(encounter_of(v).is_some())
                    + usize::from(clinical_date(v, &options).is_some())
            })
            .sum()
    });
    measure("references", texts.len(), || {
        let mut found = 0;
        values.iter().for_each(|v| visit_references(v, &mut |_, _| found += 1));
        found
    });
}

/// Prints and returns microseconds per resource, the best of all rounds.
fn measure(name: &str, resources: usize, work: impl Fn() -> usize) -> f64 {
    let mut best = f64::MAX;
    let mut result = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        result = std::hint::black_box(work());
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / resources as f64);
    }
    println!("{name}: {best:.2} us/resource ({result})");
    best
}
