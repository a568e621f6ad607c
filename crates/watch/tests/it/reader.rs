//! The watch over a real store: what is done through the door is found, once, whatever stops and begins again in between.

use base::Id16;
use policy::{Action, Actor, Assurance, Purpose, Request, Role, Target};
use std::time::{Duration, Instant};
use store::Act;
use synth::people::Person;
use testkit::faults::tables;
use testkit::{BagBuilder, World, person};
use watch::{Flag, Reader, Watch, WatchError};

const CODE: &str = "31100001";
/// How long an entry may take until it is found.
const PATIENCE: Duration = Duration::from_secs(20);

struct Hospital {
    world: World,
    people: Vec<Person>,
    thief: Actor,
}

/// Six people with a record each, and a seventh who has none.
fn hospital() -> Hospital {
    let world = World::new();
    let names = ["김하나", "이두리", "박세찬", "최네온", "정다솜", "강여섯", "윤도둑"];
    let people: Vec<Person> = names.iter().map(|name| person(name)).collect();
    people.iter().for_each(|one| world.agency.add(one));
    let mut bag = BagBuilder::new(CODE);
    for (number, one) in people.iter().take(6).enumerate() {
        let (patient, visit) = (format!("p{number}"), format!("v{number}"));
        bag = bag.patient(&patient, one).visit(&patient, &visit, "2024-03-31");
    }
    world.deposit(&bag.write(&world.path("bag")).root).expect("a good bag");
    let thief = world.visitor(&people[6]);
    Hospital { world, people, thief }
}

impl Hospital {
    fn watch(&self) -> Watch {
        Watch::new(self.world.store().clone(), self.world.archive().shared_door()).expect("a watch")
    }

    fn account(&self, number: usize) -> Id16 {
        self.world.visitor(&self.people[number]).account
    }

    fn patient(&self, number: usize) -> Id16 {
        self.patient_at(CODE, &format!("p{number}"))
    }

    fn patient_at(&self, code: &str, source_id: &str) -> Id16 {
        let code = policy::InstitutionCode::new(code).expect("a code");
        self.world.store().ids().patient(&code, source_id).id()
    }

    /// The thief asks for somebody's records.
    fn try_to_read(&self, target: Target) {
        let request =
            Request { actor: self.thief.clone(), action: Action::ReadRecord, target, purpose: Purpose::OwnRecords };
        self.world.archive().ask(request).expect_err("another's");
    }

    /// How many cases of each rule were opened.
    fn cases(&self, watch: &Watch) -> Vec<String> {
        let mut rules: Vec<String> = watch.untold().expect("read").into_iter().map(|new| new.rule).collect();
        rules.sort();
        rules
    }
}

/// Steps until so many entries were looked at since the call.
fn read(reader: &mut Reader, entries: usize) -> usize {
    let begun = Instant::now();
    let (mut seen, mut found) = (0, 0);
    while seen < entries {
        let step = reader.step().expect("watched");
        seen += step.entries;
        found += step.findings;
        assert!(begun.elapsed() < PATIENCE, "{seen} of {entries} entries came");
        std::thread::sleep(Duration::from_millis(5));
    }
    found
}

#[test]
fn an_attempt_at_a_decoy_is_a_case_within_five_seconds() {
    let hospital = hospital();
    let watch = hospital.watch();
    watch.mark(hospital.patient(2), Flag::Decoy).expect("marked");
    let mut reader = watch.reader();
    let begun = Instant::now();
    hospital.try_to_read(Target::Patient(hospital.patient(2)));
    while hospital.cases(&watch).is_empty() {
        reader.step().expect("watched");
        assert!(begun.elapsed() < Duration::from_secs(5), "the bar");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(hospital.cases(&watch), ["decoy"]);
}

#[test]
fn a_mark_on_the_person_holds_for_their_patients_and_ends_with_the_mark() {
    let hospital = hospital();
    let watch = hospital.watch();
    let mut reader = watch.reader();
    watch.mark(hospital.account(1), Flag::Decoy).expect("marked");
    hospital.try_to_read(Target::Patient(hospital.patient(1)));
    assert_eq!(read(&mut reader, 1), 1);
    watch.unmark(hospital.account(1), Flag::Decoy).expect("unmarked");
    hospital.try_to_read(Target::Patient(hospital.patient(1)));
    assert_eq!(read(&mut reader, 1), 0);
}

#[test]
fn what_is_counted_goes_on_over_a_restart_and_is_found_once() {
    let hospital = hospital();
    let watch = hospital.watch();
    let mut reader = watch.reader();
    for number in 0..4 {
        hospital.try_to_read(Target::Patient(hospital.patient(number)));
    }
    assert_eq!(read(&mut reader, 4), 0, "four are not too many");
    drop(reader);
    let mut reader = watch.reader();
    hospital.try_to_read(Target::Patient(hospital.patient(4)));
    assert_eq!(read(&mut reader, 1), 1, "the fifth is, whoever counted the first four");
    assert_eq!(hospital.cases(&watch), ["enumeration"]);
    drop(reader);
    let mut reader = watch.reader();
    hospital.try_to_read(Target::Patient(hospital.patient(5)));
    assert_eq!(read(&mut reader, 1), 0, "and a sixth within the window says nothing new");
    hospital.world.clock.advance(1_300);
    for number in 0..5 {
        hospital.try_to_read(Target::Patient(hospital.patient(number)));
    }
    assert_eq!(read(&mut reader, 5), 1, "later it does");
    assert_eq!(hospital.cases(&watch), ["enumeration"], "in the same case, which is open");
}

#[test]
fn two_charts_of_one_person_are_one_person_also_after_a_restart() {
    let hospital = hospital();
    let elsewhere = BagBuilder::new("31100002").patient("q0", &hospital.people[0]).visit("q0", "w0", "2024-05-02");
    hospital.world.deposit(&elsewhere.write(&hospital.world.path("elsewhere")).root).expect("a good bag");
    let watch = hospital.watch();
    let mut reader = watch.reader();
    for number in 0..3 {
        hospital.try_to_read(Target::Patient(hospital.patient(number)));
    }
    hospital.try_to_read(Target::Patient(hospital.patient_at("31100002", "q0")));
    assert_eq!(read(&mut reader, 4), 0);
    drop(reader);
    let mut reader = watch.reader();
    hospital.try_to_read(Target::Patient(hospital.patient(3)));
    assert_eq!(read(&mut reader, 1), 0, "four people, five charts");
    hospital.try_to_read(Target::Patient(hospital.patient(4)));
    assert_eq!(read(&mut reader, 1), 1, "five people");
}

#[test]
fn what_was_done_before_a_mark_is_not_judged_by_it() {
    let hospital = hospital();
    let watch = hospital.watch();
    hospital.try_to_read(Target::Patient(hospital.patient(2)));
    hospital.world.clock.advance(60);
    watch.mark(hospital.patient(2), Flag::Decoy).expect("marked");
    let mut reader = watch.reader();
    assert_eq!(read(&mut reader, 1), 0, "nobody could know");
    hospital.try_to_read(Target::Patient(hospital.patient(2)));
    assert_eq!(read(&mut reader, 1), 1);
}

#[test]
fn what_is_found_after_a_day_is_a_case_that_nobody_is_told_of_until_it_happens_again() {
    let hospital = hospital();
    let watch = hospital.watch();
    watch.mark(hospital.patient(2), Flag::Decoy).expect("marked");
    hospital.try_to_read(Target::Patient(hospital.patient(2)));
    hospital.world.clock.advance(24 * 3_600 + 1);
    let mut reader = watch.reader();
    assert_eq!(read(&mut reader, 1), 1, "the case is made");
    assert_eq!(hospital.cases(&watch), Vec::<String>::new());
    hospital.try_to_read(Target::Patient(hospital.patient(2)));
    assert_eq!(read(&mut reader, 1), 1);
    assert_eq!(hospital.cases(&watch), ["decoy"]);
    watch.told(watch.untold().expect("read")[0].incident).expect("written");
    hospital.try_to_read(Target::Patient(hospital.patient(2)));
    assert_eq!(read(&mut reader, 1), 1);
    assert_eq!(hospital.cases(&watch), Vec::<String>::new(), "told once");
}

#[test]
fn two_watches_find_everything_once() {
    let hospital = hospital();
    let watch = hospital.watch();
    watch.mark(hospital.patient(0), Flag::Decoy).expect("marked");
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let mut reader = watch.reader();
            std::thread::spawn(move || {
                let (mut found, mut quiet) = (0, 0);
                while quiet < 100 {
                    match reader.step() {
                        Ok(step) => {
                            found += step.findings;
                            quiet = if step.entries > 0 { 0 } else { quiet + 1 };
                        }
                        Err(WatchError::Overtaken) => {}
                        Err(error) => panic!("{error}"),
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
                found
            })
        })
        .collect();
    for _ in 0..40 {
        hospital.try_to_read(Target::Patient(hospital.patient(0)));
    }
    let found: usize = threads.into_iter().map(|thread| thread.join().expect("no panic")).sum();
    assert_eq!(found, 40);
    assert_eq!(hospital.cases(&watch), ["decoy"]);
}

#[test]
fn rights_that_ended_are_known() {
    let hospital = hospital();
    let watch = hospital.watch();
    let mut reader = watch.reader();
    let institution = policy::InstitutionCode::new("31100001");
    let right = store::Right::Appointed { role: policy::Role::Clinician, institution };
    let account = hospital.thief.account;
    let come_with = |assurance| {
        let actor = Actor { role: policy::Role::Clinician, assurance, ..hospital.thief.clone() };
        let (target, purpose) = (Target::Patient(hospital.patient(0)), Purpose::Care { ground: Id16([9; 16]) });
        let request = Request { actor, action: Action::ReadRecord, target, purpose };
        hospital.world.archive().ask(request).expect_err("there is no such visit");
    };
    let come_as_clinician = || come_with(Assurance::Two);
    let mut after_revocation = || {
        read(&mut reader, 1);
        hospital.cases(&watch).iter().filter(|rule| *rule == "after-revocation").count()
    };
    hospital.world.store().grant(account, &right).expect("granted");
    come_as_clinician();
    assert_eq!(after_revocation(), 0, "the right is held");
    hospital.world.store().revoke(account, &right).expect("revoked");
    come_with(Assurance::None);
    assert_eq!(after_revocation(), 0, "a session of theirs was over, and the page took the role");
    come_as_clinician();
    assert_eq!(after_revocation(), 1, "and now it is not");
    hospital.world.store().grant(account, &right).expect("granted again");
    come_as_clinician();
    assert_eq!(after_revocation(), 1, "held again");
}

#[test]
fn a_journal_that_broke_off_is_found() {
    let hospital = hospital();
    let watch = hospital.watch();
    for number in 0..4 {
        hospital.try_to_read(Target::Patient(hospital.patient(number % 2)));
    }
    let mut reader = watch.reader();
    read(&mut reader, 4);
    assert_eq!(hospital.cases(&watch), Vec::<String>::new());
    let file = hospital.world.path("data/journal/009-00000000000000000000000000000001.jrn.torn");
    std::fs::write(file, "torn").expect("written");
    let begun = Instant::now();
    while hospital.cases(&watch).is_empty() {
        reader.step().expect("watched");
        assert!(begun.elapsed() < PATIENCE);
    }
    assert_eq!(hospital.cases(&watch), ["log-gap"]);
}

/// The file of the database.
fn database(world: &World) -> std::path::PathBuf {
    world.path("data/hanmaru.db")
}

/// Waits until so many entries are in the table.
fn arrived(world: &World, entries: i64) {
    let begun = Instant::now();
    while tables::entries(&database(world)) < entries {
        assert!(begun.elapsed() < PATIENCE, "the entries came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An officer is shown the records of somebody else each time, slowly.
fn shown(world: &World, people: std::ops::Range<usize>) {
    let actor = Actor {
        account: Id16([0xf1; 16]),
        role: Role::SecurityOfficer,
        assurance: Assurance::Two,
        name: "한지우".to_owned().into(),
        source: "192.0.2.7".to_owned().into(),
    };
    for number in people {
        world.clock.advance(5);
        let subject = Id16::derived(&["somebody", &number.to_string()]);
        let explanation = "officer-oversight".to_owned();
        let (actor, action, purpose) = (actor.clone(), Action::ReadRecord.name(), "oversight");
        let act = Act { actor, subject, action, purpose, explanation, refused: None, count: None };
        world.store().journal_act(act).expect("journalled");
    }
}

/// A step while what it finds cannot be written.
fn step_in_vain(world: &World, reader: &mut Reader) {
    let step = || assert!(matches!(reader.step(), Err(WatchError::Store(_))), "nothing can be written");
    tables::without_room(&database(world), step);
}

#[test]
fn what_could_not_be_written_is_counted_once_and_told_once() {
    let world = World::new();
    let watch = Watch::new(world.store().clone(), world.archive().shared_door()).expect("a watch");
    let mut reader = watch.reader();
    let most = i64::try_from(watch.params().velocity_day.people).expect("a number") - 1;
    let last = usize::try_from(most).expect("a number");
    shown(&world, 0..last);
    arrived(&world, most);
    step_in_vain(&world, &mut reader);
    assert_eq!(read(&mut reader, last), 0, "as many people as somebody may see in a day, whoever counted them twice");
    shown(&world, last..last + 1);
    arrived(&world, most + 1);
    step_in_vain(&world, &mut reader);
    step_in_vain(&world, &mut reader);
    assert_eq!(watch.untold().expect("read"), [], "nothing was written");
    assert_eq!(read(&mut reader, 1), 1, "what the rules had told of is told of again");
    let told = watch.untold().expect("read");
    assert_eq!(told.iter().map(|new| new.rule.as_str()).collect::<Vec<_>>(), ["velocity"]);
    watch.told(told[0].incident).expect("written");
    shown(&world, last + 1..last + 2);
    assert_eq!(read(&mut reader, 1), 0, "it is known for the day");
    assert_eq!(watch.untold().expect("read"), [], "told once");
    assert_eq!(tables::watched(&database(&world)), (1, most + 2), "no access is lost or counted twice");
}

#[test]
fn a_key_that_stays_missing_is_told_of_once_and_what_waited_is_looked_at_when_it_is_back() {
    let hospital = hospital();
    let world = &hospital.world;
    hospital.watch().mark(hospital.patient(2), Flag::Decoy).expect("marked");
    hospital.try_to_read(Target::Patient(hospital.patient(2)));
    arrived(world, 1);
    // Another program, which has opened no entry yet.
    let archive = world.opened_again().expect("a second program");
    let watch = Watch::new(archive.store().clone(), archive.shared_door()).expect("a watch");
    let whole = tables::year_key(&database(world));
    let write = |bytes: &[u8]| tables::set_year_key(&database(world), bytes);
    let mut changed = whole.clone();
    *changed.last_mut().expect("bytes") ^= 1;
    write(&changed);
    let mut reader = watch.reader();
    for wait_s in [0, 59] {
        world.clock.advance(wait_s);
        reader.step().expect_err("no entry opens");
        assert_eq!(hospital.cases(&watch), Vec::<String>::new(), "somebody may be restoring it");
    }
    world.clock.advance(1);
    reader.step().expect_err("no entry opens");
    assert_eq!(hospital.cases(&watch), ["log-gap"]);
    watch.told(watch.untold().expect("read")[0].incident).expect("written");
    for mut reader in [reader, watch.reader()] {
        for _ in 0..20 {
            world.clock.advance(60);
            reader.step().expect_err("no entry opens");
        }
    }
    assert_eq!(hospital.cases(&watch), Vec::<String>::new(), "told once, also after a restart");
    write(&whole);
    let mut reader = watch.reader();
    assert_eq!(read(&mut reader, 1), 1, "nothing was passed over");
    assert_eq!(hospital.cases(&watch), ["decoy"]);
    watch.told(watch.untold().expect("read")[0].incident).expect("written");

    hospital.try_to_read(Target::Patient(hospital.patient(3)));
    arrived(world, 2);
    world.clock.advance(24 * 3_600);
    let archive = world.opened_again().expect("a third program");
    let watch = Watch::new(archive.store().clone(), archive.shared_door()).expect("a watch");
    write(&changed);
    let found = tables::watched(&database(world)).0;
    for mut reader in [watch.reader(), watch.reader()] {
        for _ in 0..20 {
            world.clock.advance(60);
            reader.step().expect_err("no entry opens");
        }
    }
    assert_eq!(hospital.cases(&watch), ["log-gap"], "it is missing again, in the case that is open still");
    assert_eq!(tables::watched(&database(world)).0, found + 1, "found once");
}

#[test]
fn own_are_the_person_and_the_charts_that_are_theirs_when_it_is_asked() {
    let hospital = hospital();
    let watch = hospital.watch();
    let (clerk, chart) = (Id16([0xc1; 16]), hospital.patient_at("31100002", "q0"));
    let own = |subject| watch.is_own(clerk, subject).expect("an answer");
    assert!(!own(hospital.account(0)) && !own(hospital.patient(0)), "nobody said who they are");
    watch.works_at(clerk, Some(hospital.account(0)), None).expect("written");
    assert!(own(hospital.account(0)) && own(hospital.patient(0)));
    assert!(!own(hospital.account(1)) && !own(hospital.patient(1)) && !own(chart));
    let elsewhere = BagBuilder::new("31100002").patient("q0", &hospital.people[0]).visit("q0", "w0", "2024-05-02");
    hospital.world.deposit(&elsewhere.write(&hospital.world.path("elsewhere")).root).expect("a good bag");
    assert!(own(chart), "linked since");
}
