//! What a run does while things go wrong: it writes, amends, gives and takes rights, issues, reads and waits for seals, by the seed's own draws, and
//! notes each promise. Not what goes wrong.

use super::history::{History, Promise, Standing};
use super::{Draws, FaultyHouse, What, is_of_accesses};
use base::{Id16, SystemRandom};
use policy::{
    Action, Actor, Assurance, Decision, Door, Facts, InstitutionCode, OwnPatient, Owner, Permit, Purpose, Request,
    Role, Target,
};
use std::path::Path;
use std::time::Duration;
use store::{Edition, EntryKind, Log, NewVersion, ResourceKey, Right, Sealed, Store, Ticket, Written};
use vault::{ClassName, KeyStoreConfig, SiteConfig};

/// How long a step waits for a seal that can come: longer than one takes on a machine that is busy with other runs.
const SEAL_PATIENCE: Duration = Duration::from_secs(20);
/// How often is looked whether it still can.
const SEAL_LOOK: Duration = Duration::from_millis(20);

/// Draws of a step that write a resource and that read one.
const WRITES: u32 = 0;
const READS: u32 = 9;

/// The resource that is written anew again and again, and whose right is given and taken.
const AMENDED: &str = "amended";
const OPERATOR: Id16 = Id16([0x0e; 16]);

/// The driver.
pub struct Work;

impl Work {
    /// Drives a house through its plan.
    pub fn drive(house: &mut FaultyHouse) -> History {
        let (plan, draws) = (house.plan().clone(), Draws::new(house.plan().seed, "work"));
        let mut history = History::default();
        for step in 0..plan.steps {
            let due = house.before(step);
            let (drawn, waits) = (draws.below(10), draws.below(2) == 0);
            // What is read is there from the first step; and an access is there where the sealing of accesses is killed.
            let seals_accesses = |what: &What| matches!(what, What::KillAt(place) if is_of_accesses(place));
            let what = match step {
                0 => WRITES,
                _ if due.iter().any(seals_accesses) => READS,
                _ => drawn,
            };
            let id = format!("c{step}");
            if due.contains(&What::Overtake) {
                let other = format!("c{step}-other");
                let both = house.overtaken(|first| write(first, &id, "one"), |second| write(second, &other, "two"));
                if let Some((one, two)) = both {
                    history.note(step, Promise::Write(id, "one".to_owned()), one.is_ok());
                    history.note(step, Promise::Write(other, "two".to_owned()), two.is_ok());
                }
            } else if let Some(store) = house.store() {
                let ticket = act(store, step, what, &mut history);
                if let (Some(ticket), true) = (ticket, waits) {
                    let sealed = sealed(house, store, ticket);
                    history.note_sealed(step, store, sealed);
                }
            }
            house.after();
        }
        history
    }
}

impl History {
    fn note(&mut self, step: u32, promise: Promise, taken: bool) {
        let kind = match &promise {
            Promise::Write(id, _) => id.as_str(),
            Promise::Row(_) => "row",
            Promise::Leaf(..) => "leaf",
            Promise::Read(_) => "read",
        };
        self.trace.push(format!("{step}: {kind} {taken}"));
        if taken {
            self.promises.push(promise);
        }
    }

    /// Notes what was made to stand in the place of what stood before. What nobody acknowledged may stand all the same.
    fn stands(&mut self, what: Standing, now: String, taken: bool) {
        let may_be = self.standing.entry(what).or_insert_with(|| what.at_first());
        if taken {
            may_be.clear();
        }
        may_be.push(now);
    }

    /// Notes what somebody was told who waited for a seal, and the checkpoint that was shown.
    fn note_sealed(&mut self, step: u32, store: &Store, sealed: Option<Sealed>) {
        self.trace.push(format!("{step}: sealed {}", sealed.is_some()));
        let Some(sealed) = sealed else { return };
        self.sealed.push((self.promises.len() - 1, sealed.records_size));
        for log in Log::ALL {
            if let Ok(Some(head)) = store.checkpoint(log) {
                self.checkpoints.push((log, head.checkpoint.size, head.checkpoint.root));
            }
            if let Ok(Some(head)) = store.witnessed_checkpoint(log) {
                self.witnessed.push((log, head));
            }
        }
    }
}

/// Waits for a seal as long as one can come.
fn sealed(house: &FaultyHouse, store: &Store, ticket: Ticket) -> Option<Sealed> {
    let mut waited = Duration::ZERO;
    loop {
        // What can come may have come since it was looked.
        let can_come = house.can_seal() && waited < SEAL_PATIENCE;
        match store.wait_sealed(ticket, SEAL_LOOK) {
            Ok(sealed) => return Some(sealed),
            Err(_) if can_come => waited += SEAL_LOOK,
            Err(_) => return None,
        }
    }
}

/// One step. Gives a ticket to wait for, where the step wrote what has one.
fn act(store: &Store, step: u32, what: u32, history: &mut History) -> Option<Ticket> {
    match what {
        0..5 => {
            let id = format!("c{step}");
            let written = write(store, &id, "one");
            history.note(step, Promise::Write(id, "one".to_owned()), written.is_ok());
            written.ok().map(|written| written.ticket)
        }
        5 => {
            let said = format!("as of step {step}");
            let written = write(store, AMENDED, &said);
            history.note(step, Promise::Write(AMENDED.to_owned(), said.clone()), written.is_ok());
            history.stands(Standing::Amended, said, written.is_ok());
            written.ok().map(|written| written.ticket)
        }
        6 if step.is_multiple_of(2) => {
            let gives = step.is_multiple_of(4);
            let done = if gives { Store::grant } else { Store::revoke }(store, OPERATOR, &Right::Operator);
            history.trace.push(format!("{step}: right {gives} {}", done.is_ok()));
            history.stands(Standing::Right, gives.to_string(), done.is_ok());
            None
        }
        6 => {
            let account = Id16::derived(&["row", &step.to_string()]);
            let sql = "INSERT INTO account (account, profile, made_us, signed_in_us) VALUES (?, X'01', 1, 1)";
            let written = store.tables().write("a row", move |tx| tx.execute(sql, [account.0]));
            history.note(step, Promise::Row(account), written.is_ok());
            None
        }
        7 | 8 => {
            let content = format!("document {step}").into_bytes();
            let accepted = issuer(store).and_then(|permit| {
                let accepted = store.accept_leaf(&permit, EntryKind::Issued, owner(), &content, None);
                accepted.map_err(|error| error.to_string())
            });
            if let Ok(leaf) = &accepted {
                history.note(step, Promise::Leaf(content, leaf.clone()), true);
            } else {
                history.trace.push(format!("{step}: leaf false"));
            }
            accepted.ok().map(|leaf| Ticket::from(&leaf))
        }
        _ => {
            let read = reader(store).and_then(|permit| {
                let found = store.read(&permit, &[key(store, "c0")]).map_err(|error| error.to_string())?;
                // What is not there is not read, and has no entry of the patient's.
                Ok((!found.is_empty()).then(|| permit.id()))
            });
            history.trace.push(format!("{step}: read {}", read.is_ok()));
            if let Ok(Some(decision)) = read {
                history.promises.push(Promise::Read(decision));
            }
            None
        }
    }
}

/// What stands now, in the words of [`History::standing`].
pub(super) fn standing(store: &Store, what: Standing) -> Result<String, String> {
    match what {
        Standing::Amended => {
            let found = store.read(&reader(store)?, &[key(store, AMENDED)]).map_err(|error| error.to_string())?;
            Ok(found.first().map(|version| said_in(version.bytes.expose())).unwrap_or_default())
        }
        Standing::Right => Ok(store.facts(OPERATOR).map_err(|error| error.to_string())?.operator.to_string()),
    }
}

/// The text of what [`bytes`] makes.
fn said_in(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.split_once("\"text\":\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or_else(String::new, |(said, _)| said.to_owned())
}

fn institution() -> InstitutionCode {
    InstitutionCode::new("11100001").expect("a code")
}

fn owner() -> Owner {
    Owner::Patient(Id16([0x0b; 16]))
}

pub(super) fn key(store: &Store, id: &str) -> ResourceKey {
    store.ids().key(owner(), &institution(), "Condition", id)
}

pub(super) fn bytes(id: &str, said: &str) -> Vec<u8> {
    format!(r#"{{"resourceType":"Condition","id":"{id}","note":[{{"text":"{said}"}}]}}"#).into_bytes()
}

fn permit(store: &Store, role: Role, action: Action) -> Result<Permit, String> {
    let account = Id16([role as u8 + 1; 16]);
    let epoch = store.facts(account).map_err(|error| error.to_string())?.epoch;
    let own = OwnPatient { patient: owner().id(), institution: institution() };
    let (target, purpose, facts) = match role {
        Role::Depositor => (
            Target::Institution(institution()),
            Purpose::Custody { deposit: Id16([1; 16]) },
            Facts { deposits_for: Some(institution()), ..Facts::default() },
        ),
        Role::Operator => (Target::Installation, Purpose::Operation, Facts { operator: true, ..Facts::default() }),
        _ => (
            Target::Person(account),
            Purpose::OwnRecords,
            Facts { person: Some(account), patients: vec![own], ..Facts::default() },
        ),
    };
    let actor = Actor {
        account,
        role,
        assurance: Assurance::Two,
        name: "홍길동".to_owned().into(),
        source: "local".to_owned().into(),
    };
    let request = Request { actor, action, target, purpose };
    let door = Door::standard().map_err(|error| error.to_string())?;
    match door.decide(&request, &Facts { epoch, ..facts }, &SystemRandom) {
        Decision::Permit(permit) => Ok(permit),
        Decision::Denial(denial) => Err(denial.explanation),
    }
}

pub(super) fn reader(store: &Store) -> Result<Permit, String> {
    permit(store, Role::Patient, Action::ReadRecord)
}

pub(super) fn log_reader(store: &Store) -> Result<Permit, String> {
    permit(store, Role::Patient, Action::ReadAccessLog)
}

pub(super) fn operator(store: &Store) -> Result<Permit, String> {
    permit(store, Role::Operator, Action::ReadStatus)
}

pub(super) fn issuer(store: &Store) -> Result<Permit, String> {
    permit(store, Role::Patient, Action::Issue)
}

/// Writes one resource.
pub(super) fn write(store: &Store, id: &str, said: &str) -> Result<Written, String> {
    let permit = permit(store, Role::Depositor, Action::Deposit)?;
    let prepared = store.prepare(
        &permit,
        NewVersion {
            owner: owner(),
            institution: &institution(),
            resource_type: "Condition",
            source_id: id,
            class: &ClassName::new("chart10").expect("a slug"),
            expiry_year: 2035,
            bytes: &bytes(id, said),
            date: None,
            encounter: None,
            index: vec![],
            edition: Edition::default(),
        },
    );
    let prepared = prepared.map_err(|error| error.to_string())?;
    store.write(&permit, vec![prepared], vec![], None).map_err(|error| error.to_string())
}

pub(super) fn sites(root: &Path) -> Vec<SiteConfig> {
    super::house::sites(root)
}

pub(super) fn key_stores(root: &Path) -> Vec<KeyStoreConfig> {
    super::house::key_stores(root)
}
