//! How fast a made-up hospital goes in, with how much memory, and how fast 100,000 institutions are searched.
//! `cargo run -p archive --example deposit_speed -- [patients]`. Not a test: it asserts nothing about time.

use archive::{InstitutionQuery, Progress, Stage};
use std::fmt::Write as _;
use std::time::Instant;
use testkit::World;

fn main() {
    let patients = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(200);
    let world = World::new();
    deposit(&world, patients);
    search(&world);
}

fn deposit(world: &World, patients: usize) {
    let out = world.path("generated");
    synth::generate(&synth::Options::new(1, patients, 42, out.clone()), &|_| {}).expect("made");
    for person in synth::people::read_people(&out.join("people.json")).expect("people") {
        world.agency.add(&person);
    }
    let before_kb = peak_kb();
    let begun = Instant::now();
    let mut stage = (Stage::Checking, begun);
    let receipt = world.archive().deposit(&out.join("hospital-01"), &world.agency, &mut |progress: Progress| {
        if progress.stage != stage.0 {
            println!("{:?} took {} ms", stage.0, stage.1.elapsed().as_millis());
            stage = (progress.stage, Instant::now());
        }
    });
    println!("{:?} took {} ms", stage.0, stage.1.elapsed().as_millis());
    let taken = receipt.expect("taken").receipt.taken;
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{} resources and {} documents sealed in {seconds:.2} s: {:.0} resources a second; peak {} MB, {} MB before",
        taken.resources,
        taken.documents,
        taken.resources as f64 / seconds,
        peak_kb() / 1024,
        before_kb / 1024
    );
}

fn search(world: &World) {
    let mut lines = String::new();
    let syllables: Vec<char> = "가나다라마바사아자차카타파하강남동북서울한빛새온누리해솔".chars().collect();
    let ends = ["의원", "병원", "치과의원", "한의원", "내과의원"];
    for place in 0..100_000_usize {
        let name: String = (0..3).map(|at| syllables[(place / syllables.len().pow(at)) % syllables.len()]).collect();
        let end = ends[place % ends.len()];
        let _ = writeln!(
            lines,
            r#"{{"code":"3{place:07}","name":"{name}{end}","kind":"31","region":"서울특별시 종로구","closed_on":"2020-01-01"}}"#
        );
    }
    world.archive().import_institutions(&mut lines.as_bytes()).expect("imported");
    for text in ["서울", "ㅅㅇㅂㅇ", "새ㅇ의원", "seoul", "종로 서울", "의원", ""] {
        let query = InstitutionQuery { text: text.to_owned(), ..InstitutionQuery::default() };
        for _ in 0..2 {
            let begun = Instant::now();
            let found = world.archive().search(&query, 20).expect("found").len();
            println!("search {text:?}: {found} in {:.1} ms", begun.elapsed().as_secs_f64() * 1000.0);
        }
    }
}

/// Peak resident memory of this process, in KiB.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
