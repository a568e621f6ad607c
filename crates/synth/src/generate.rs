//! Runs the generator: hospital by hospital, patients in batches over the threads, output in the order of the slots.

use crate::bag::{Bag, Declared};
use crate::chart::resources::{self, Lines, TYPES};
use crate::docs::Kind;
use crate::docs::scan::Scanner;
use crate::institutions::{Institution, institutions};
use crate::json::{Node, list, object, text, whole};
use crate::patient::{Made, Ward};
use crate::people::write_people;
use crate::roster::Roster;
use crate::{Error, HospitalSummary, Options, Progress, Summary};
use jiff::civil::date;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Patients made before their lines are written: what is held in memory at once.
const BATCH: usize = 64;
/// More people than this would not all find a number of their own.
const PEOPLE_MAX: usize = 2_000_000;

pub(crate) fn generate(options: &Options, progress: &dyn Fn(Progress)) -> Result<Summary, Error> {
    check(options)?;
    std::fs::create_dir_all(&options.out).map_err(|source| Error::Write { path: options.out.clone(), source })?;
    let institutions = institutions(options.hospitals);
    let roster = Roster::new(options.seed, options.patients, &institutions);
    let people = write_people(
        &options.out.join("people.json"),
        roster.everybody().map(|(hospital, slot)| roster.person(hospital, slot)),
    )?;
    let mut truth = Truth::create(&options.out.join("truth.json"), options)?;
    let mut scanners: Vec<Scanner> = (0..options.threads.max(1)).map(|_| Scanner::default()).collect();
    let mut hospitals = Vec::new();
    for (place, institution) in institutions.iter().enumerate() {
        let folder = options.out.join(format!("hospital-{:02}", place + 1));
        let ward = Ward {
            seed: options.seed,
            hospital: place,
            institution,
            roster: &roster,
            folder: &folder,
            first_day: date(options.start_year, 1, 1),
            documents: options.documents_per_patient,
        };
        hospitals.push(hospital(options, &ward, &mut scanners, &mut truth, progress)?);
    }
    truth.people(&roster, &institutions)?;
    Ok(Summary { people, hospitals })
}

fn check(options: &Options) -> Result<(), Error> {
    let wrong = |what| Err(Error::Options { what });
    if options.hospitals == 0 || options.hospitals > 99 {
        return wrong("the number of hospitals must be 1 to 99");
    }
    if options.patients == 0 || options.patients.saturating_mul(options.hospitals) > PEOPLE_MAX {
        return wrong("patients times hospitals must be 1 to 2,000,000");
    }
    if !(2000..=2021).contains(&options.start_year) {
        return wrong("the first year must be 2000 to 2021, before the first hospital ends");
    }
    if !(1..=60).contains(&options.documents_per_patient) {
        return wrong("documents per patient must be 1 to 60");
    }
    for name in ["people.json", "truth.json", "hospital-01"] {
        if options.out.join(name).exists() {
            return Err(Error::NotEmpty { path: options.out.join(name) });
        }
    }
    Ok(())
}

fn hospital(
    options: &Options,
    ward: &Ward<'_>,
    scanners: &mut [Scanner],
    truth: &mut Truth,
    progress: &dyn Fn(Progress),
) -> Result<HospitalSummary, Error> {
    let mut bag = Bag::create(ward.folder)?;
    ward.make_folders(options.patients)?;
    let mut shared = Lines::default();
    resources::institution(&mut shared, ward.institution);
    bag.append(&shared)?;
    let mut summary = HospitalSummary {
        folder: ward.folder.to_owned(),
        code: ward.institution.code.clone(),
        name: ward.institution.name.clone(),
        patients: options.patients as u64,
        resources: shared.counts.iter().map(|count| u64::from(*count)).sum(),
        documents: 0,
    };
    truth.begin_hospital(ward)?;
    let mut done = 0;
    while done < options.patients {
        let slots = done..(done + BATCH * scanners.len()).min(options.patients);
        done = slots.end;
        for made in batch(ward, slots, scanners)? {
            bag.append(&made.lines)?;
            for file in &made.files {
                bag.list(file)?;
            }
            summary.resources += made.lines.counts.iter().map(|count| u64::from(*count)).sum::<u64>();
            summary.documents += made.files.len() as u64;
            truth.patient(ward, &made)?;
        }
        progress(Progress {
            hospital: ward.hospital + 1,
            hospitals: options.hospitals,
            patients: done,
            patients_total: options.patients,
        });
    }
    let declared = Declared { patients: summary.patients, resources: summary.resources, documents: summary.documents };
    bag.finish(ward.institution, &declared)?;
    truth.end_hospital(&summary)?;
    Ok(summary)
}

/// Makes a batch of patients, each on whichever thread is free, and returns them in order.
fn batch(ward: &Ward<'_>, slots: std::ops::Range<usize>, scanners: &mut [Scanner]) -> Result<Vec<Made>, Error> {
    let next = AtomicUsize::new(slots.start);
    let mut made: Vec<(usize, Made)> = std::thread::scope(|scope| {
        let workers: Vec<_> = scanners
            .iter_mut()
            .map(|scanner| {
                let (next, end) = (&next, slots.end);
                scope.spawn(move || {
                    let mut mine = Vec::new();
                    loop {
                        let slot = next.fetch_add(1, Ordering::Relaxed);
                        if slot >= end {
                            return Ok(mine);
                        }
                        mine.push((slot, ward.make(slot, scanner)?));
                    }
                })
            })
            .collect();
        let mut all = Vec::with_capacity(slots.len());
        for worker in workers {
            all.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok::<_, Error>(all)
    })?;
    made.sort_unstable_by_key(|(slot, _)| *slot);
    Ok(made.into_iter().map(|(_, made)| made).collect())
}

/// `truth.json`: what is in the bags, for tests to compare with. Written as it becomes known.
struct Truth {
    path: std::path::PathBuf,
    file: BufWriter<File>,
    first: bool,
}

impl Truth {
    fn create(path: &Path, options: &Options) -> Result<Self, Error> {
        let file = File::create(path).map_err(|source| Error::Write { path: path.to_owned(), source })?;
        let mut truth = Self { path: path.to_owned(), file: BufWriter::new(file), first: true };
        let head = format!("{{\"synthetic\":true,\"seed\":{},\"hospitals\":[", options.seed);
        truth.put(head.as_bytes())?;
        Ok(truth)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    fn item(&mut self, node: &Node) -> Result<(), Error> {
        let mut line = if self.first { b"\n".to_vec() } else { b",\n".to_vec() };
        self.first = false;
        node.write(&mut line);
        self.put(&line)
    }

    fn begin_hospital(&mut self, ward: &Ward<'_>) -> Result<(), Error> {
        let comma = if ward.hospital == 0 { "\n" } else { ",\n" };
        self.put(format!("{comma}{{\"code\":\"{}\",\"patients\":[", ward.institution.code).as_bytes())?;
        self.first = true;
        Ok(())
    }

    fn patient(&mut self, ward: &Ward<'_>, made: &Made) -> Result<(), Error> {
        let resources = TYPES
            .iter()
            .zip(made.lines.counts)
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| (*kind, whole(count)))
            .collect();
        let documents = Kind::ALL
            .iter()
            .zip(made.kinds)
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| (kind.slug(), whole(count)))
            .collect();
        let amended: Vec<Node> = made.lines.amended.iter().map(|id| text(id.clone())).collect();
        debug_assert!(made.patient.starts_with(&ward.institution.code), "a patient of another hospital");
        self.item(&object([
            ("patient", text(made.patient.clone())),
            ("encounters", whole(made.encounters)),
            ("resources", Node::Object(resources)),
            ("documents", Node::Object(documents)),
            ("amended", list(amended)),
        ]))
    }

    fn end_hospital(&mut self, summary: &HospitalSummary) -> Result<(), Error> {
        let tail = format!("\n],\"resources\":{},\"documents\":{}}}", summary.resources, summary.documents);
        self.put(tail.as_bytes())
    }

    /// Who is who: each person with their patients.
    fn people(&mut self, roster: &Roster<'_>, institutions: &[Institution]) -> Result<(), Error> {
        self.put(b"\n],\"people\":[")?;
        self.first = true;
        for (hospital, slot) in roster.everybody() {
            let person = roster.person(hospital, slot);
            let patients: Vec<Node> = (hospital..institutions.len())
                .filter(|there| roster.owner(*there, slot) == hospital)
                .map(|there| text(format!("{}-p{:06}", institutions[there].code, slot + 1)))
                .collect();
            self.item(&object([
                ("name", text(person.name)),
                ("rrn", text(person.rrn)),
                ("ci", text(person.ci)),
                ("patients", list(patients)),
            ]))?;
        }
        self.put(b"\n]}\n")?;
        self.file.flush().map_err(|source| Error::Write { path: self.path.clone(), source })
    }
}
