//! Alerts against a real HTTP receiver and a real SMTP server on loopback: signatures, pauses, nothing about a person.

use super::webhook::{SIGNATURE_HEADER, TIME_HEADER, signature};
use super::*;
use crate::watching::Watching;
use axum::http::{HeaderMap, StatusCode};
use policy::{Action, Purpose, Request, Target};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use synth::people::Person;
use testkit::{BagBuilder, World, person};
use watch::Flag;

const SECRET: &str = "a secret of the tests";
const CODE: &str = "31100001";

/// A world in which somebody tried to read a decoy, and the watch found it.
fn world_with_a_case() -> (World, Watch, Id16) {
    let world = World::new();
    let (kim, lee) = (person("김하늘"), person("이바다"));
    world.agency.add(&kim);
    world.agency.add(&lee);
    let bag = BagBuilder::new(CODE).patient("p1", &kim).visit("p1", "v1", "2024-03-31");
    world.deposit(&bag.write(&world.path("bag")).root).expect("a good bag");
    let watch = Watch::new(world.store().clone(), world.archive().shared_door()).expect("a watch");
    let decoy = world.visitor(&kim).account;
    watch.mark(decoy, Flag::Decoy).expect("marked");
    try_to_read(&world, &lee, decoy);
    let mut reader = watch.reader();
    for _ in 0..200 {
        reader.step().expect("watched");
        if let Some(new) = watch.untold().expect("read").first() {
            return (world, watch, new.incident);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("the decoy was not found");
}

/// Somebody asks for the records of a person, and is refused.
fn try_to_read(world: &World, who: &Person, target: Id16) {
    let (actor, target) = (world.visitor(who), Target::Person(target));
    let request = Request { actor, action: Action::ReadRecord, target, purpose: Purpose::OwnRecords };
    world.archive().ask(request).expect_err("another's");
}

fn alerts(text: &str, folder: &Path) -> Alerts {
    std::fs::write(folder.join("secret"), SECRET).expect("written");
    let mut alerts: Alerts = toml::from_str(text).expect("a section");
    alerts.resolve(folder);
    assert_eq!(alerts.faults(), Vec::<String>::new());
    alerts
}

/// Tells of what is new and sends what is due; gives how many alerts arrived.
fn step((teller, senders): &(Teller, Vec<Sender>)) -> usize {
    teller.step().expect("the store works");
    let sent =
        |sender: &Sender| std::iter::from_fn(|| sender.step().expect("the store works")).filter(|it| *it).count();
    senders.iter().map(sent).sum()
}

/// What a receiver was sent, and what it answers next.
#[derive(Default)]
struct Received {
    posts: Mutex<Vec<(HeaderMap, String)>>,
    refuse: Mutex<u32>,
}

fn receiver() -> (String, Arc<Received>, tokio::runtime::Runtime) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let received = Arc::new(Received::default());
    let state = Arc::clone(&received);
    let post = move |headers: HeaderMap, body: String| {
        let state = Arc::clone(&state);
        async move {
            state.posts.lock().expect("one at a time").push((headers, body));
            let mut refuse = state.refuse.lock().expect("one at a time");
            if *refuse > 0 {
                *refuse -= 1;
                return StatusCode::INTERNAL_SERVER_ERROR;
            }
            StatusCode::NO_CONTENT
        }
    };
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("loopback");
    let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
    let router = axum::Router::new().route("/hook", axum::routing::post(post));
    runtime.spawn(async move { axum::serve(listener, router).await });
    (url, received, runtime)
}

#[test]
fn a_webhook_is_signed_tried_again_and_told_once() {
    let (world, watch, case) = world_with_a_case();
    let (url, received, _runtime) = receiver();
    *received.refuse.lock().expect("free") = 2;
    let text = format!("[[webhook]]\nurl = \"{url}\"\nsecret_file = \"secret\"\n");
    let sender = to_destinations(&watch, &alerts(&text, &world.path("data"))).expect("a sender");
    assert_eq!(step(&sender), 0, "refused");
    assert_eq!(watch.deliveries().expect("read")[0].fault, "it answered 500");
    assert_eq!(step(&sender), 0, "its pause is not over");
    assert_eq!(received.posts.lock().expect("free").len(), 1);
    world.clock.advance(5);
    assert_eq!(step(&sender), 0, "refused again");
    world.clock.advance(9);
    assert_eq!(step(&sender), 0, "the pause has doubled");
    world.clock.advance(1);
    assert_eq!(step(&sender), 1);
    assert_eq!(step(&sender), 0, "told once");
    let posts = received.posts.lock().expect("free");
    assert_eq!(posts.len(), 3);
    let (headers, body) = &posts[2];
    let header = |name: &str| headers[name].to_str().expect("text").to_owned();
    assert_eq!(header(SIGNATURE_HEADER), format!("v1={}", signature(SECRET, &header(TIME_HEADER), body)));
    let alert: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(
        (&alert["case"], &alert["rule"], &alert["severity"]),
        (&case.to_string().into(), &"decoy".into(), &"critical".into())
    );
    assert_eq!(alert.as_object().map(serde_json::Map::len), Some(4), "nothing else is in it");
    assert_eq!(watch.deliveries().expect("read")[0].fault, "");
}

#[test]
fn a_case_that_goes_on_is_sent_again_after_a_day() {
    let (world, watch, case) = world_with_a_case();
    let (url, received, _runtime) = receiver();
    let text = format!("[[webhook]]\nurl = \"{url}\"\nsecret_file = \"secret\"\n");
    let sender = to_destinations(&watch, &alerts(&text, &world.path("data"))).expect("a sender");
    assert_eq!(step(&sender), 1);
    let decoy = world.visitor(&person("김하늘")).account;
    let mut reader = watch.reader();
    let mut again = |after_s: i64| {
        world.clock.advance(after_s);
        try_to_read(&world, &person("이바다"), decoy);
        let begun = Instant::now();
        while reader.step().expect("watched").findings == 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "the attempt was not found");
            std::thread::sleep(Duration::from_millis(5));
        }
        step(&sender)
    };
    assert_eq!(again(23 * 3_600), 0, "once a day is enough");
    assert_eq!(again(3_600), 1);
    assert_eq!(again(60), 0);
    let posts = received.posts.lock().expect("free");
    assert!(posts.iter().all(|(_, body)| body.contains(&case.to_string())), "it is one case");
}

#[test]
fn what_is_less_grave_than_wanted_is_not_sent() {
    let (world, watch, _) = world_with_a_case();
    let (url, received, _runtime) = receiver();
    let text = format!("least = \"critical\"\n[[webhook]]\nurl = \"{url}\"\nsecret_file = \"secret\"\n");
    let mut wanted = alerts(&text, &world.path("data"));
    assert!(wanted.least().expect("known") == Severity::Critical);
    wanted = alerts(&text.replace("critical", "medium"), &world.path("data"));
    let sender = to_destinations(&watch, &wanted).expect("a sender");
    assert!(sender.0.least < Severity::Critical);
    let new = NewCase { severity: "low".to_owned(), ..watch.untold().expect("read").remove(0) };
    sender.0.enqueue(&new).expect("the store works");
    assert_eq!(step(&sender), 0);
    assert!(received.posts.lock().expect("free").is_empty());
}

/// A mail server that takes one letter and gives what it was sent.
fn mail_server() -> (u16, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    let taking = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        String::from_utf8(testkit::take_mail(&stream)).expect("mail is text")
    });
    (port, taking)
}

#[test]
fn mail_says_which_case_and_nothing_about_a_person() {
    let (world, watch, case) = world_with_a_case();
    let (port, taking) = mail_server();
    let text = format!(
        "[mail]\nserver = \"127.0.0.1\"\nport = {port}\nsecurity = \"none\"\nfrom = \"watch@hanmaru.test\"\nto = [\"duty@hanmaru.test\", \"second@hanmaru.test\"]\n"
    );
    let sender = to_destinations(&watch, &alerts(&text, &world.path("data"))).expect("a sender");
    assert_eq!(step(&sender), 1);
    drop(sender);
    let heard = taking.join().expect("the server ends");
    assert!(
        heard.contains("RCPT TO:<duty@hanmaru.test>") && heard.contains("RCPT TO:<second@hanmaru.test>"),
        "{heard}"
    );
    assert!(heard.contains(&format!("Subject: [Hanmaru] critical decoy {}", &case.to_string()[..8])), "{heard}");
    for nowhere in ["김하늘", "이바다", "192.0.2", CODE] {
        assert!(!heard.contains(nowhere), "{nowhere}");
    }
}

#[test]
fn an_alert_outlives_an_outage_and_is_counted_until_it_arrives() {
    let (world, watch, _) = world_with_a_case();
    let (url, received, _runtime) = receiver();
    let refuse = |count| *received.refuse.lock().expect("free") = count;
    let text = format!("[[webhook]]\nurl = \"{url}\"\nsecret_file = \"secret\"\n");
    let sender = to_destinations(&watch, &alerts(&text, &world.path("data"))).expect("a sender");
    refuse(u32::MAX);
    for _ in 0..60 {
        assert_eq!(step(&sender), 0, "refused");
        world.clock.advance(i64::from(PAUSE_MAX_S));
    }
    assert_eq!(received.posts.lock().expect("free").len(), 60, "each ten minutes");
    world.clock.advance(2 * 86_400);
    let new = NewCase {
        incident: Id16([7; 16]),
        rule: "bulk".to_owned(),
        severity: "high".to_owned(),
        opened: world.clock.now(),
        tellings: 0,
    };
    sender.0.enqueue(&new).expect("the store works");
    refuse(0);
    assert_eq!(sender.1[0].step().expect("the store works"), Some(true), "the new one first");
    assert_eq!(watch.deliveries().expect("read")[0].fault, "");
    let one = Jobs { waiting: 1, again: 1, failed: 0 };
    assert_eq!(waiting(world.store()).expect("read"), [("webhook 1".to_owned(), one)], "the old one is not forgotten");
    assert_eq!(step(&sender), 1);
    assert_eq!(waiting(world.store()).expect("read"), []);
}

#[test]
fn what_waits_for_a_destination_that_is_gone_is_given_up_and_counted() {
    let (world, watch, _) = world_with_a_case();
    let text = "[[webhook]]\nurl = \"https://192.0.2.1/x\"\nsecret_file = \"secret\"\n";
    let (teller, _) = to_destinations(&watch, &alerts(text, &world.path("data"))).expect("a sender");
    teller.step().expect("the store works");
    to_destinations(&watch, &alerts(text, &world.path("data"))).expect("it is still there");
    let count = || waiting(world.store()).expect("read");
    assert_eq!(count(), [("webhook 1".to_owned(), Jobs { waiting: 1, again: 0, failed: 0 })]);
    to_destinations(&watch, &Alerts::default()).expect("nobody is told");
    assert_eq!(count(), [("webhook 1".to_owned(), Jobs { waiting: 0, again: 0, failed: 1 })]);
}

#[test]
fn what_an_older_program_queued_reaches_each_destination_once() {
    let (world, watch, case) = world_with_a_case();
    let (url, received, _runtime) = receiver();
    let text = format!("[[webhook]]\nurl = \"{url}\"\nsecret_file = \"secret\"\n").repeat(2);
    let (wanted, store) = (alerts(&text, &world.path("data")), world.store());
    let (teller, _) = to_destinations(&watch, &wanted).expect("senders");
    let new = watch.untold().expect("read").remove(0);
    teller.watch.told(new.incident).expect("an older program told it");
    let opened = new.opened.to_string();
    let alert = Alert { case: case.to_string(), rule: new.rule, severity: new.severity, opened };
    for name in &teller.destinations {
        let errand = serde_json::json!({ "destination": name, "alert": alert });
        store.add_job(job(&alert, 0, name).0, JOB, errand.to_string().into_bytes()).expect("queued");
    }
    // One of them failed, and was to be tried again in a day.
    let failed = store.take_job(JOB, LEASE_S).expect("asked").expect("its turn");
    store.fail_job(failed.id, "away".to_owned(), 86_400).expect("noted");
    let senders = to_destinations(&watch, &wanted).expect("senders");
    assert_eq!(step(&senders), 2, "each destination has it");
    assert_eq!(waiting(store).expect("read"), [], "none was given up");
    assert_eq!(step(&to_destinations(&watch, &wanted).expect("senders")), 0, "and has it once");
    assert_eq!(received.posts.lock().expect("free").len(), 2);
}

#[test]
fn a_destination_that_hangs_keeps_no_later_alert_from_another() {
    let (world, watch, _) = world_with_a_case();
    // Whoever connects waits for an answer that never comes.
    let silent = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let (url, received, _runtime) = receiver();
    let mut text = String::new();
    for url in [format!("http://{}/hook", silent.local_addr().expect("bound")), url] {
        text.push_str(&format!("[[webhook]]\nurl = \"{url}\"\nsecret_file = \"secret\"\n"));
    }
    let watching = Watching::start(&watch, &alerts(&text, &world.path("data"))).expect("it starts");
    let has_come = |count: usize| {
        // Half of what the silent one is waited for.
        let patience = Instant::now() + Duration::from_secs(5);
        while received.posts.lock().expect("free").len() < count {
            assert!(Instant::now() < patience, "alert {count} came while the other hung");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    has_come(1);
    let (thief, decoy) = (person("박도둑"), Id16([8; 16]));
    world.agency.add(&thief);
    watch.mark(decoy, Flag::Decoy).expect("marked");
    try_to_read(&world, &thief, decoy);
    has_come(2);
    drop(watching);
}

#[test]
fn a_section_that_is_not_safe_is_refused() {
    for (text, why) in [
        ("[[webhook]]\nurl = \"http://example.org/x\"\nsecret_file = \"s\"\n", "https://"),
        (
            "[mail]\nserver = \"mail.example\"\nport = 25\nsecurity = \"none\"\nfrom = \"a@b.c\"\nto = [\"a@b.c\"]\n",
            "on this machine",
        ),
        (
            "[mail]\nserver = \"mail.example\"\nport = 25\nsecurity = \"x\"\nfrom = \"a@b.c\"\nto = [\"a@b.c\"]\n",
            "starttls",
        ),
        ("[mail]\nserver = \"mail.example\"\nport = 25\nsecurity = \"tls\"\nfrom = \"a@b.c\"\nto = []\n", "somebody"),
        ("least = \"loud\"\n", "low, medium"),
    ] {
        let alerts: Alerts = toml::from_str(text).expect("a section");
        let faults = alerts.faults();
        assert!(faults.len() == 1 && faults[0].contains(why), "{text}: {faults:?}");
    }
}
