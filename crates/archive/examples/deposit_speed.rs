//! How fast a made-up hospital goes in, and with how much memory. Files are looked at in processes of their own, as by `hanmaru`.
//! `cargo run -p archive --example deposit_speed -- [patients]`. Not a test: it asserts nothing about time.

use archive::issue::{InspectorCommand, inspector};
use archive::{Archive, ArchiveConfig, Progress, Stage};
use base::limits::Limits;
use std::sync::Arc;
use std::time::Instant;
use testkit::World;

/// The argument with which it is an inspecting process.
const INSPECT: &str = "inspect";

fn main() {
    let first = std::env::args().nth(1);
    if first.as_deref() == Some(INSPECT) {
        return inspector::run().expect("the example that asks is there");
    }
    let patients = first.and_then(|count| count.parse().ok()).unwrap_or(200);
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
    let program = std::env::current_exe().expect("a program that runs");
    let inspector = Some(InspectorCommand { program, arguments: vec![INSPECT.to_owned()] });
    let config = ArchiveConfig { inspector, ..ArchiveConfig::new(world.path("archive")) };
    let (store, door) = (world.store().clone(), Arc::new(policy::Door::standard().expect("the rules are right")));
    let archive = Archive::new(store, door, Limits::default(), config);
    let receipt = archive.deposit(&out.join("hospital-01"), &world.agency, &mut |progress: Progress| {
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
