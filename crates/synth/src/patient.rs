//! Makes one patient of one hospital: story, resources, documents on disk. Knows nothing of the others.

use crate::Error;
use crate::bag::{PayloadFile, write};
use crate::chart::amend::{Amendments, corrected_at};
use crate::chart::resources::{
    self, Lines, concept, doctor_reference, encounter_id, organization_reference, patient_reference, reference,
};
use crate::chart::{Moment, Story, Subject, story};
use crate::docs::film::Labels;
use crate::docs::plan::{Planned, plan};
use crate::docs::scan::Scanner;
use crate::docs::words::{Occasion, sheet};
use crate::docs::{Format, KIND_SYSTEM, Kind, film, page, pdf};
use crate::institutions::Institution;
use crate::json::{Node, object, one, text, whole};
use crate::rng::Rng;
use crate::roster::{Roster, role};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;
use std::path::Path;

/// What all patients of a hospital share while they are made.
pub(crate) struct Ward<'a> {
    pub(crate) seed: u64,
    /// Place of the hospital in the run.
    pub(crate) hospital: usize,
    pub(crate) institution: &'a Institution,
    pub(crate) roster: &'a Roster<'a>,
    pub(crate) folder: &'a Path,
    pub(crate) first_day: Date,
    pub(crate) documents: usize,
}

/// What came out.
pub(crate) struct Made {
    pub(crate) patient: String,
    pub(crate) lines: Lines,
    pub(crate) files: Vec<PayloadFile>,
    pub(crate) kinds: [u32; Kind::ALL.len()],
    pub(crate) encounters: usize,
}

/// Patients whose documents share a folder.
const FOLDER_SPAN: usize = 100;

impl Ward<'_> {
    /// Makes the patient of a slot and writes their documents.
    pub(crate) fn make(&self, slot: usize, scanner: &mut Scanner) -> Result<Made, Error> {
        let person = self.roster.person(self.hospital, slot);
        let address = self.roster.address(self.hospital, slot);
        let subject = Subject {
            person: &person,
            address: &address,
            institution: self.institution,
            id: format!("{}-p{:06}", self.institution.code, slot + 1),
            chart_number: format!("{:08}", 10_000_000 + slot),
        };
        let mut rng = Rng::derived(self.seed, &[4, self.hospital as u64, slot as u64]);
        let role = role(slot);
        let story = story::story(&mut rng, self.institution, &person, role, self.first_day);
        let amendments = Amendments::draw(&mut rng, &story, role);
        let planned = plan(&mut rng, &story, role, self.documents);
        let mut made = Made {
            patient: subject.id.clone(),
            lines: Lines::default(),
            files: Vec::with_capacity(planned.len() + 1),
            kinds: [0; Kind::ALL.len()],
            encounters: story.visits.len(),
        };
        resources::chart(&mut made.lines, &subject, &story, &amendments);
        let mut desk = Desk { ward: self, subject: &subject, story: &story, slot, made: &mut made, scanner, rng };
        desk.all(&planned, amendments.document)?;
        Ok(made)
    }

    /// Makes the folders for the documents of every slot.
    pub(crate) fn make_folders(&self, slots: usize) -> Result<(), Error> {
        for first in (0..slots).step_by(FOLDER_SPAN) {
            let path = self.folder.join(document_folder(first));
            std::fs::create_dir_all(&path).map_err(|source| Error::Write { path, source })?;
        }
        Ok(())
    }
}

fn document_folder(slot: usize) -> String {
    format!("data/documents/{:04}", slot / FOLDER_SPAN + 1)
}

/// Where the documents of one chart are written.
struct Desk<'a> {
    ward: &'a Ward<'a>,
    subject: &'a Subject<'a>,
    story: &'a Story,
    slot: usize,
    made: &'a mut Made,
    scanner: &'a mut Scanner,
    rng: Rng,
}

/// How a document stands to others.
enum Standing<'a> {
    Current,
    Superseded,
    Replaces(&'a str),
}

impl Desk<'_> {
    fn all(&mut self, planned: &[Planned], replace_one: bool) -> Result<(), Error> {
        // An image is not corrected by a new one, a text is.
        let texts: Vec<usize> = (0..planned.len()).filter(|place| planned[*place].kind != Kind::Image).collect();
        let replaced = (replace_one && !texts.is_empty()).then(|| texts[self.rng.below(texts.len())]);
        let mut number = 0;
        for (place, document) in planned.iter().enumerate() {
            number += 1;
            let id = format!("{}-d{number:02}", self.subject.id);
            let written = self.story.visits[document.visit].end;
            if replaced == Some(place) {
                self.one(document, &id, written, &Standing::Superseded)?;
                number += 1;
                let newer = format!("{}-d{number:02}", self.subject.id);
                self.one(document, &newer, corrected_at(written), &Standing::Replaces(&id))?;
            } else {
                self.one(document, &id, written, &Standing::Current)?;
            }
        }
        Ok(())
    }

    fn one(&mut self, document: &Planned, id: &str, written: Moment, standing: &Standing<'_>) -> Result<(), Error> {
        let corrected = matches!(standing, Standing::Replaces(_));
        let bytes = self.draw(document, id, written.date, corrected);
        let url = format!("{}/{id}.{}", document_folder(self.slot), document.format.ending());
        write(&self.ward.folder.join(&url), &bytes)?;
        let fields = self.reference_to(document, &url, &bytes, written, standing);
        self.made.lines.push("DocumentReference", id, 1, written, fields);
        if let Standing::Replaces(_) = standing {
            self.made.lines.amended.push(format!("DocumentReference/{id}"));
        }
        self.made.kinds[document.kind as usize] += 1;
        self.made.files.push(PayloadFile { path: url, sha256: base::sha256(&bytes), octets: bytes.len() as u64 });
        Ok(())
    }

    fn draw(&mut self, document: &Planned, id: &str, written: Date, corrected: bool) -> Vec<u8> {
        if document.kind == Kind::Image {
            let visit = &self.story.visits[document.visit];
            let name = visit.imaging.map_or("영상", |imaging| imaging.name);
            let labels = Labels {
                lines: vec![
                    format!("{} {}", self.subject.person.name, self.subject.chart_number),
                    format!("{name}  {}", visit.start.date),
                    self.subject.institution.name.clone(),
                ],
            };
            return film::draw(self.scanner, &labels, document.format, &mut self.rng);
        }
        let occasion =
            Occasion { kind: document.kind, story: self.story, visit: document.visit, number: id, written, corrected };
        let sheet = sheet(self.subject, &occasion);
        let pages = page::lay_out(&sheet);
        match document.format {
            Format::Pdf => pdf::write(&sheet.title, written, &pages),
            // A scan is of the first page: one image file holds one page.
            format => self.scanner.page(&pages[0], format, &mut self.rng),
        }
    }

    fn reference_to(
        &self,
        document: &Planned,
        url: &str,
        bytes: &[u8],
        written: Moment,
        standing: &Standing<'_>,
    ) -> Vec<(&'static str, Node)> {
        let kind = document.kind;
        let visit = &self.story.visits[document.visit];
        let institution = self.subject.institution;
        let sha1 = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes));
        let attachment = object([
            ("contentType", text(document.format.content_type())),
            ("language", text("ko-KR")),
            ("url", text(url.trim_start_matches("data/").to_owned())),
            ("size", whole(bytes.len())),
            ("hash", text(sha1)),
            ("title", text(kind.korean())),
            ("creation", text(written.to_string())),
        ]);
        let (status, doc_status, replaces) = match standing {
            Standing::Current => ("current", "final", Node::Absent),
            Standing::Superseded => ("superseded", "final", Node::Absent),
            Standing::Replaces(older) => {
                let target = reference(format!("DocumentReference/{older}"));
                ("current", "amended", one(object([("code", text("replaces")), ("target", target)])))
            }
        };
        let period = object([("start", text(visit.start.to_string())), ("end", text(visit.end.to_string()))]);
        let encounter = reference(format!("Encounter/{}", encounter_id(self.subject, document.visit)));
        vec![
            ("status", text(status)),
            ("docStatus", text(doc_status)),
            ("type", concept(KIND_SYSTEM, kind.slug(), kind.korean())),
            ("subject", patient_reference(self.subject)),
            ("date", text(written.to_string())),
            ("author", one(doctor_reference(institution, visit.doctor))),
            ("custodian", organization_reference(institution)),
            ("relatesTo", replaces),
            ("description", text(kind.english())),
            ("content", one(object([("attachment", attachment)]))),
            ("context", object([("encounter", one(encounter)), ("period", period)])),
        ]
    }
}
