//! `hanmaru bench stale-permits`: rights, consents and appointments are revoked while others read on them. Whatever reading began
//! after a revocation was durable must be refused, be it with a permit from before or by asking anew.

use super::bars::{Bars, Goal};
use super::place::{Place, deposit_permit};
use super::{Failure, How};
use crate::hall::Hall;
use archive::ArchiveError;
use base::{Id16, Redacted, Timestamp};
use policy::{Action, Actor, Assurance, DataKind, InstitutionCode, Permit, Purpose, Request, Role, Share, Target};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use store::{
    ConsentPurpose, ConsentTerms, NewGround, NewRepresentative, NewVersion, PersonLink, ResourceKey, Right, StoreError,
};
use vault::ClassName;

/// Races of the whole measurement.
const RACES: u64 = 100_000;
/// Threads that read.
const READERS: usize = 3;
/// Races after each revocation, from all readers together.
const AFTER_EACH: u64 = 8;
/// The longest that readers and the one who revokes wait for each other.
const PATIENCE: Duration = Duration::from_secs(60);
const SOURCE: &str = "stale";

/// What the races came to.
#[derive(Debug, Default, Clone, Copy)]
pub struct Races {
    /// Readings that began after a revocation was durable and ended before anything was given again.
    pub races: u64,
    /// Those of them that were shown something.
    pub stale: u64,
    /// Revocations.
    pub revocations: u64,
    /// Readings by right, consent and appointment that were shown something while it was given: without any, nothing was raced for.
    pub shown: [u64; 3],
}

/// Runs as many races as the goal asks for.
pub fn run(place: &Place, how: &How, bars: &mut Bars) -> Result<(), Failure> {
    let hall = place.installation("stale")?.open()?;
    let begun = Instant::now();
    let wanted = how.times(RACES);
    let races = race(&hall, wanted)?;
    let peer = format!(
        "{} readings after {} revocations of rights, consents and appointments by {READERS} readers in {:.0} s; {:?} readings \
         while they were given",
        races.races,
        races.revocations,
        begun.elapsed().as_secs_f64(),
        races.shown
    );
    bars.bar(&peer, "stale_permits", races.stale as f64, "permits", Goal::Exactly(0.0));
    bars.bar(&peer, "stale_races", races.races as f64, "races", Goal::AtLeast(wanted as f64));
    Ok(())
}

/// Races until there were `wanted` of them.
pub fn race(hall: &Hall, wanted: u64) -> Result<Races, Failure> {
    let stage = Stage::set(hall)?;
    let board = Board::default();
    let revoked = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(|| read_on(hall, &stage, &board))).collect();
        let outcome = revoke_on(hall, &stage, &board, wanted).map_err(|failure| failure.to_string());
        board.is_over.store(true, Ordering::SeqCst);
        let faults = readers.into_iter().filter_map(|reader| reader.join().expect("a reader does not panic").err());
        faults.last().map_or(outcome, Err)
    })?;
    let load = |count: &AtomicU64| count.load(Ordering::SeqCst);
    let (races, stale, shown) = (load(&board.races), load(&board.stale), board.shown.each_ref().map(load));
    if shown.contains(&0) {
        return Err(
            format!("shown while it was given, by each way: {shown:?}; where none was, nothing was raced for").into()
        );
    }
    Ok(Races { races, stale, revocations: revoked, shown })
}

/// What all see. The turn is even while things are given, and odd from when their revocation is durable until just before
/// they are given again.
#[derive(Default)]
struct Board {
    turn: AtomicU64,
    is_over: AtomicBool,
    /// Readings of this turn.
    readings: AtomicU64,
    races: AtomicU64,
    stale: AtomicU64,
    /// By each way.
    shown: [AtomicU64; 3],
}

/// The ways to be let in that are raced for, each in its turn.
#[derive(Clone, Copy)]
enum Way {
    Right,
    Consent,
    Appointment,
}

const WAYS: [Way; 3] = [Way::Right, Way::Consent, Way::Appointment];

impl Way {
    const fn of(turn: u64) -> Self {
        WAYS[(turn / 2 % 3) as usize]
    }
}

struct Stage {
    person: Id16,
    agent: Id16,
    doctor: Id16,
    institution: InstitutionCode,
    key: ResourceKey,
    visit: Id16,
    consent: Id16,
    /// The appointment changes each time: the last is in force.
    appointment: std::sync::Mutex<Id16>,
}

impl Stage {
    /// A person with one record, a doctor on a visit, a consent and a representative.
    fn set(hall: &Hall) -> Result<Self, Failure> {
        let store = hall.store();
        let institution = InstitutionCode::new("99900001").ok_or("eight digits are a code")?;
        let owner = store.ids().patient(&institution, SOURCE);
        let person = store.person_for_ci(&[1; 32])?;
        let agent = store.person_for_ci(&[2; 32])?;
        let permit = deposit_permit(hall, &institution)?;
        let class = ClassName::new("chart").ok_or("a slug is a class")?;
        let new = NewVersion {
            owner,
            institution: &institution,
            resource_type: "Condition",
            source_id: SOURCE,
            class: &class,
            expiry_year: 2036,
            bytes: br#"{"resourceType":"Condition","id":"stale"}"#,
            date: None,
            encounter: None,
            index: Vec::new(),
            edition: store::Edition::default(),
        };
        let prepared = store.prepare(&permit, new)?;
        store.write(&permit, vec![prepared], Vec::new(), None)?;
        let target = Target::Institution(institution.clone());
        let linking =
            ask(hall, permit.actor().account, Role::Depositor, Action::LinkPerson, target, permit.purpose().clone())?;
        let link = PersonLink { person, patient: owner.id(), institution: institution.clone() };
        store.link_patients(&linking, vec![link])?;
        let [doctor, steward] = ["doctor", "steward"].map(|name| Id16::derived(&["bench", name]));
        store.grant(doctor, &clinician(&institution))?;
        store.grant(steward, &Right::Appointed { role: Role::Steward, institution: None })?;
        let visit = Id16::derived(&["bench", "visit"]);
        let purpose = Purpose::Care { ground: visit };
        let asking = ask(hall, doctor, Role::Clinician, Action::AskGround, Target::Person(person), purpose)?;
        let reason = Redacted::new("bench".to_owned());
        store.ask_ground(&asking, NewGround { subject: person, institution: None, share: Share::Whole, reason })?;
        let target = Target::Installation;
        let steward = ask(hall, steward, Role::Steward, Action::ConfirmGround, target, Purpose::Oversight)?;
        store.confirm_ground(&steward, visit)?;
        let stage = Self {
            person,
            agent,
            doctor,
            key: store.ids().key(owner, &institution, "Condition", SOURCE),
            institution,
            visit,
            consent: Id16::default(),
            appointment: std::sync::Mutex::new(Id16::default()),
        };
        let (consent, _) = store.give_consent(&stage.own(hall, Action::ManageConsent)?, &stage.terms(hall)?)?;
        stage.appoint(hall)?;
        Ok(Self { consent, ..stage })
    }

    fn own(&self, hall: &Hall, action: Action) -> Result<Permit, Failure> {
        ask(hall, self.person, Role::Patient, action, Target::Person(self.person), Purpose::OwnRecords)
    }

    fn terms(&self, hall: &Hall) -> Result<ConsentTerms, Failure> {
        let now = hall.store().clock().now();
        Ok(ConsentTerms {
            person: self.person,
            grantees: [self.institution.clone()].into(),
            purposes: [ConsentPurpose::Care].into(),
            institutions: BTreeSet::new(),
            kinds: [DataKind::Diagnoses].into(),
            sensitive: BTreeSet::new(),
            from: now,
            until: Timestamp::from_second(now.as_second() + 86_400)?,
        })
    }

    fn appoint(&self, hall: &Hall) -> Result<(), Failure> {
        let new = NewRepresentative {
            person: self.person,
            agent: self.agent,
            proof_case: "appointed".to_owned(),
            birth_date: Some(Redacted::new(jiff::civil::date(1980, 1, 2))),
            seen: ["own-word".to_owned()].into(),
            institution: None,
            share: Share::Whole,
            from: None,
            until: Timestamp::from_second(hall.store().clock().now().as_second() + 86_400)?,
        };
        let id = hall.store().appoint(&self.own(hall, Action::Appoint)?, new)?;
        *self.appointment.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = id;
        Ok(())
    }

    fn appointment(&self) -> Id16 {
        *self.appointment.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn revoke(&self, hall: &Hall, way: Way) -> Result<(), Failure> {
        let store = hall.store();
        match way {
            Way::Right => store.revoke(self.doctor, &clinician(&self.institution))?,
            Way::Consent => {
                let permit = self.own(hall, Action::ManageConsent)?;
                store.withdraw_consent(&permit, self.person, self.consent)?;
            }
            Way::Appointment => {
                let permit = self.own(hall, Action::Appoint)?;
                store.end_representative(&permit, self.person, self.appointment())?;
            }
        }
        Ok(())
    }

    fn give(&self, hall: &Hall, way: Way) -> Result<(), Failure> {
        match way {
            Way::Right => hall.store().grant(self.doctor, &clinician(&self.institution))?,
            Way::Consent => {
                let (permit, terms) = (self.own(hall, Action::ManageConsent)?, self.terms(hall)?);
                hall.store().change_consent(&permit, self.consent, &terms)?;
            }
            Way::Appointment => self.appoint(hall)?,
        }
        Ok(())
    }

    /// Asks to read in a way; `None` where it is refused. Any other failure ends the bench.
    fn ask(&self, hall: &Hall, way: Way) -> Result<Option<Permit>, String> {
        let (account, role, purpose) = match way {
            Way::Right => (self.doctor, Role::Clinician, Purpose::Care { ground: self.visit }),
            Way::Consent => (self.doctor, Role::Clinician, Purpose::Care { ground: self.consent }),
            Way::Appointment => {
                (self.agent, Role::Representative, Purpose::Representation { ground: self.appointment() })
            }
        };
        let actor = actor(account, role);
        let target = Target::Person(self.person);
        match hall.archive.ask(Request { actor, action: Action::ReadRecord, target, purpose }) {
            Ok(permit) => Ok(Some(permit)),
            Err(ArchiveError::Denied(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether a permit shows the record. Any other failure than a refusal ends the bench.
    fn shows(&self, hall: &Hall, permit: &Permit) -> Result<bool, String> {
        match hall.store().read(permit, std::slice::from_ref(&self.key)) {
            Ok(versions) => Ok(!versions.is_empty()),
            Err(StoreError::StaleEpoch { .. }) => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn clinician(institution: &InstitutionCode) -> Right {
    Right::Appointed { role: Role::Clinician, institution: Some(institution.clone()) }
}

fn ask(
    hall: &Hall,
    account: Id16,
    role: Role,
    action: Action,
    target: Target,
    purpose: Purpose,
) -> Result<Permit, Failure> {
    Ok(hall.archive.ask(Request { actor: actor(account, role), action, target, purpose })?)
}

fn actor(account: Id16, role: Role) -> Actor {
    let (name, source) = ("bench".to_owned().into(), "local".to_owned().into());
    Actor { account, role, assurance: Assurance::Two, name, source }
}

/// Gives and revokes until there were races enough; gives how many revocations there were.
fn revoke_on(hall: &Hall, stage: &Stage, board: &Board, wanted: u64) -> Result<u64, Failure> {
    let mut revocations = 0;
    while board.races.load(Ordering::SeqCst) < wanted {
        let turn = board.turn.load(Ordering::SeqCst);
        let way = Way::of(turn);
        // Somebody reads first, so that permits from before are out there.
        wait_for(board, 1)?;
        retrying(|| stage.revoke(hall, way))?;
        revocations += 1;
        next_turn(board);
        wait_for(board, AFTER_EACH)?;
        next_turn(board);
        retrying(|| stage.give(hall, way))?;
    }
    Ok(revocations)
}

fn next_turn(board: &Board) {
    board.readings.store(0, Ordering::SeqCst);
    board.turn.fetch_add(1, Ordering::SeqCst);
}

/// What is done with a permit of one's own may find that the epoch went on: then it is asked for again.
fn retrying(work: impl Fn() -> Result<(), Failure>) -> Result<(), Failure> {
    let mut last = work();
    for _ in 0..3 {
        if last.is_ok() {
            break;
        }
        last = work();
    }
    last
}

fn wait_for(board: &Board, readings: u64) -> Result<(), Failure> {
    let begun = Instant::now();
    while board.readings.load(Ordering::SeqCst) < readings {
        if begun.elapsed() > PATIENCE || board.is_over.load(Ordering::SeqCst) {
            return Err("the readers do not get on".into());
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    Ok(())
}

/// Reads with the permit that is held, and by asking anew.
fn read_on(hall: &Hall, stage: &Stage, board: &Board) -> Result<(), String> {
    let mut held: [Option<Permit>; 3] = [None, None, None];
    while !board.is_over.load(Ordering::SeqCst) {
        let before = board.turn.load(Ordering::SeqCst);
        let way = Way::of(before);
        let mine = &mut held[way as usize];
        let outcome = (|| {
            let old = mine.take();
            let by_old = old.as_ref().map(|permit| stage.shows(hall, permit)).transpose()?.unwrap_or(false);
            let new = stage.ask(hall, way)?;
            let by_new = new.as_ref().map(|permit| stage.shows(hall, permit)).transpose()?.unwrap_or(false);
            let readings = 1 + u64::from(old.is_some());
            *mine = new;
            Ok::<_, String>((u64::from(by_old) + u64::from(by_new), readings))
        })();
        let (shown, readings) = outcome.inspect_err(|_| board.is_over.store(true, Ordering::SeqCst))?;
        let is_same_turn = board.turn.load(Ordering::SeqCst) == before;
        if before % 2 == 1 && is_same_turn {
            board.races.fetch_add(readings, Ordering::SeqCst);
            board.stale.fetch_add(shown, Ordering::SeqCst);
        } else {
            board.shown[way as usize].fetch_add(shown, Ordering::SeqCst);
        }
        if is_same_turn {
            board.readings.fetch_add(readings, Ordering::SeqCst);
        }
    }
    Ok(())
}
