//! Every journey of a person through the portal, in a real browser, in both languages, on a desk and on a phone.
//!
//! The real program runs (`hanmaru demo`: stand-in agency and portal), Chromium walks, and every page it comes to is looked
//! at: accessibility (axe-core), layout, language, and a picture under `target/screenshots`. What the program does without a
//! browser is tested elsewhere.
//!
//! One test runs all journeys, two at a time, so that the program is started once and stopped whatever happens.
//! `HANMARU_E2E=records` runs only journeys whose name contains that.

mod agency;
mod authenticator;
mod browser;
mod journeys;
mod look;
mod processes;
mod texts;
mod world;

use browser::Browser;
use journeys::{JOURNEYS, Journey};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use world::{View, World};

/// What ends a journey early: a sentence.
type Fault = Box<dyn std::error::Error + Send + Sync>;
/// How a journey ends.
type Done = Result<(), Fault>;

/// Journeys under way at once: one a core of the smallest machine this is meant for.
const AT_ONCE: usize = 2;

#[test]
fn every_journey_in_both_languages_and_both_widths() {
    let missing = processes::missing();
    if !missing.is_empty() {
        println!("SKIPPED: browser journeys: {} missing; cargo xtask test installs them", missing.join(" and "));
        return;
    }
    let running = processes::Running::start();
    let world = Arc::new(World::of(&running));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(AT_ONCE).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    runtime.block_on(walk_all(&world));
    let faults = world.faults();
    drop(runtime);
    let log = running.stop();
    assert!(faults.is_empty(), "{} faults:\n\n{}\n\nthe program said:\n{log}", faults.len(), faults.join("\n\n"));
}

async fn walk_all(world: &Arc<World>) {
    let only = std::env::var("HANMARU_E2E").unwrap_or_default();
    let mut walks = VecDeque::new();
    for journey in JOURNEYS.iter().filter(|journey| journey.name.contains(&only)) {
        walks.extend(journey.views.iter().map(|view| (journey, *view)));
    }
    assert!(!walks.is_empty(), "no journey is called {only}");
    let walks = Arc::new(Mutex::new(walks));
    let walkers: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (world, walks) = (Arc::clone(world), Arc::clone(&walks));
            tokio::spawn(async move {
                loop {
                    let next = walks.lock().expect("no walker panics while it takes the next").pop_front();
                    let Some((journey, view)) = next else { break };
                    walk(&world, journey, view).await;
                }
            })
        })
        .collect();
    for walker in walkers {
        walker.await.expect("journeys panic in tasks of their own");
    }
}

/// Walks one journey in a browser of its own. Its faults are noted, and the others go on.
async fn walk(world: &Arc<World>, journey: &'static Journey, view: View) {
    let name = format!("{} ({view})", journey.name);
    let began = Instant::now();
    let browser = match Browser::open(world, view, journey.scripts).await {
        Ok(browser) => browser,
        Err(fault) => return world.note(&format!("{name}: no browser: {fault}")),
    };
    let walked = tokio::spawn((journey.walk)(browser.clone())).await;
    let end = match walked {
        Ok(Ok(())) => "ok".to_owned(),
        Ok(Err(fault)) => failed(world, &browser, &name, &fault.to_string()).await,
        Err(panic) => {
            let panic = panic.into_panic();
            let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            failed(world, &browser, &name, said.unwrap_or("it panicked")).await
        }
    };
    browser.close().await;
    println!("journey {name}: {end}, {:.1} s", began.elapsed().as_secs_f64());
}

async fn failed(world: &World, browser: &Browser, name: &str, fault: &str) -> String {
    let place = browser.place().await;
    let picture = browser.picture(&format!("failed-{}", name.split(' ').next().unwrap_or_default())).await;
    let picture = picture.map_or_else(|fault| format!("no picture: {fault}"), |path| path.display().to_string());
    world.note(&format!("{name}: {fault}\n  at {place}\n  {picture}"));
    "FAILED".to_owned()
}
