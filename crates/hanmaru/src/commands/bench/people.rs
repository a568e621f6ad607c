//! The people of a bench: each as somebody who signed in with two factors, and the PDF of everything that is theirs.

use crate::Failure;
use crate::hall::Hall;
use archive::Selection;
use archive::issue::{IssuedPdf, Issuer, Locale};
use ledger::VerifierKey;
use policy::{Action, Actor, Assurance, Permit, Purpose, Request, Role, Target};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use store::Log;
use synth::people::{Person, read_people};

/// Threads that issue.
const ISSUERS: usize = 2;
/// Failures that are named; the others are counted.
const NAMED: usize = 5;

/// What came of issuing for many people.
#[derive(Debug, Default)]
pub struct IssuedAll {
    /// Patients whose PDF came out and verified.
    pub patients: usize,
    /// Documents issued.
    pub documents: usize,
    /// Their pages.
    pub pages: usize,
    /// Things that could not be drawn.
    pub undrawn: usize,
    /// Bytes of the PDFs.
    pub bytes: usize,
    /// The slowest document, in seconds.
    pub slowest_s: f64,
    /// Why some did not, the first few.
    pub failures: Vec<String>,
}

/// Issues everything of every person in an identity file, verifies each PDF, and counts the patients whose it is.
pub fn issue_all(hall: &Hall, people: &Path) -> Result<IssuedAll, Failure> {
    let people = read_people(people)?;
    let keys = [hall.store().verifier_key(Log::Records)];
    let (next, all) = (AtomicUsize::new(0), Mutex::new(IssuedAll::default()));
    std::thread::scope(|scope| {
        for _ in 0..ISSUERS {
            scope.spawn(|| {
                while let Some(person) = people.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begun = Instant::now();
                    let result = issue_checked(hall, person, &keys);
                    let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    all.slowest_s = all.slowest_s.max(begun.elapsed().as_secs_f64());
                    all.note(result);
                }
            });
        }
    });
    Ok(all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

impl IssuedAll {
    fn note(&mut self, result: Result<(usize, IssuedPdf), String>) {
        match result {
            Ok((patients, issued)) => {
                self.patients += patients;
                self.documents += 1;
                self.pages += issued.pages;
                self.undrawn += issued.undrawn;
                self.bytes += issued.bytes.len();
            }
            Err(failure) if self.failures.len() < NAMED => self.failures.push(failure),
            Err(_) => {}
        }
    }
}

fn issue_checked(hall: &Hall, person: &Person, keys: &[VerifierKey]) -> Result<(usize, IssuedPdf), String> {
    let permit = own_permit(hall, person, Action::Issue).map_err(|error| error.to_string())?;
    let issued = issue(hall, &permit, &Selection::Whole)?;
    archive::verify::verify(&issued.bytes, keys).map_err(|fault| fault.to_string())?;
    let patients = hall.store().facts(permit.actor().account).map_err(|error| error.to_string())?.patients;
    let patients: BTreeSet<_> = patients.into_iter().map(|own| own.patient).collect();
    Ok((patients.len(), issued))
}

/// Issues one document in Korean.
pub fn issue(hall: &Hall, permit: &Permit, selection: &Selection) -> Result<IssuedPdf, String> {
    let issuer = Issuer { name: "한마루 시험".to_owned(), origin: "https://hanmaru.example".to_owned() };
    hall.archive.issue(permit, selection, Locale::Ko, &issuer).map_err(|error| error.to_string())
}

/// A permit of a person about all that is theirs, from the door.
pub fn own_permit(hall: &Hall, person: &Person, action: Action) -> Result<Permit, Failure> {
    let hash = hall.store().ci_hash(&person.ci.clone().into());
    let account = hall.store().person_of_ci(&hash)?.ok_or("somebody of the identity file has no records here")?;
    let actor = Actor {
        account,
        role: Role::Patient,
        assurance: Assurance::Two,
        name: person.name.clone().into(),
        source: "local".to_owned().into(),
    };
    let request = Request { actor, action, target: Target::Person(account), purpose: Purpose::OwnRecords };
    Ok(hall.archive.ask(request)?)
}
