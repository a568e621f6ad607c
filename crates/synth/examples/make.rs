//! Runs the generator from the command line: `make HOSPITALS PATIENTS SEED THREADS OUT`. For looking at samples.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize| words.get(place).and_then(|word| word.parse().ok()).unwrap_or(1);
    let out = PathBuf::from(words.get(4).map_or("synthetic", String::as_str));
    let mut options = synth::Options::new(number(0), number(1), number(2) as u64, out);
    options.threads = number(3);
    let summary = synth::generate(&options, &|progress| eprintln!("{progress:?}"))?;
    for hospital in summary.hospitals {
        println!(
            "{} {} {} {} {}",
            hospital.code, hospital.name, hospital.patients, hospital.resources, hospital.documents
        );
    }
    Ok(())
}
