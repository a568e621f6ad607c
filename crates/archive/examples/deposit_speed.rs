//! How fast a made-up hospital goes in, and with how much memory.
//! `cargo run -p archive --example deposit_speed -- [patients]`. Not a test: it asserts nothing about time.

use archive::{Progress, Stage};
use std::time::Instant;
use testkit::World;

fn main() {
    let patients = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(200);
    let world = World::new();
    deposit(&world, patients);
}

fn deposit(world: &World, patients: usize) {
    let out = world.path("generated");
    synth::generate(&synth::Options::new(1, patients, 42, out.clone()), &|_| {}).expect("made");
    for person in synth::people::read_people(&out.join("people.json")).expect("people") {
        world.agency.add(&person);
    }
    let before_kb = peak_kb();
    let begun = Instant::now();
    let cpu_before_ms = cpu_ms();
    let mut stage = (Stage::Checking, begun, cpu_before_ms);
    let receipt = world.archive().deposit(&out.join("hospital-01"), &world.agency, &mut |progress: Progress| {
        if progress.stage != stage.0 {
            tell(stage);
            stage = (progress.stage, Instant::now(), cpu_ms());
        }
    });
    tell(stage);
    let taken = receipt.expect("taken").receipt.taken;
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{} resources and {} documents sealed in {seconds:.2} s ({} ms of CPU): {:.0} resources a second; peak {} MB, {} MB before",
        taken.resources,
        taken.documents,
        cpu_ms() - cpu_before_ms,
        taken.resources as f64 / seconds,
        peak_kb() / 1024,
        before_kb / 1024
    );
}

fn tell((stage, begun, cpu_before_ms): (Stage, Instant, u64)) {
    println!("{stage:?} took {} ms, {} ms of CPU", begun.elapsed().as_millis(), cpu_ms() - cpu_before_ms);
}

/// CPU time of all threads of this process, which a busy machine does not change, in steps of 10 ms (proc(5), stat).
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10
}

/// Peak resident memory of this process, in KiB.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
