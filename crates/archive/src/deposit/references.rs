//! What resources refer to that is neither in the bag nor here. It is told and nothing is held back for it: the reference stands
//! in the record as the hospital wrote it, and what it leads to may come with another bag.
//!
//! Looked for at the end, when everything that the bag brings is in the database, in one more reading of the lines that were
//! taken. So a deposit that was killed needs no memory of it, and the memory that it takes is bounded whatever the bag's size.
//!
//! References to addresses of other servers, to contained resources, by search and by urn are not looked at: nothing tells
//! whether what they mean is here.

use super::payload::{Lines, open};
use super::receipt::{Absent, AbsentReference};
use super::survey::is_ndjson;
use super::{Deposit, DepositError, Stage};
use crate::names::{Name, masked};
use crate::tables;
use base::Id16;
use fhir::reference::{Target, each_text};
use policy::Permit;
use std::collections::{HashMap, HashSet, VecDeque};
use store::WRITE_MAX;

/// Different references that are collected before the database is asked for them. Each takes some 50 bytes.
const ASKED_MAX: usize = 40_000;
/// Different resources that are not here and are counted. Each takes some 20 bytes.
const COUNTED_MAX: usize = 200_000;
/// How many of them a receipt lists.
const LISTED_MAX: usize = 100;
/// Lines held back that are read from the table at once.
const HELD_PAGE: usize = 10_000;
/// Bytes after which progress is told.
const STEP_BYTES: u64 = 4 << 20;

/// Where something is referred to first: place of the file, line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct At {
    file: usize,
    line: u64,
    kind: &'static str,
}

#[derive(Default)]
struct Search {
    asked: HashMap<Id16, At>,
    counted: HashSet<Id16>,
    absent: Absent,
}

impl Deposit<'_> {
    /// Looks for everything that the taken lines refer to.
    pub(super) fn references(&mut self, permit: &Permit) -> Result<(), DepositError> {
        let marks = tables::file_marks(self.archive.store(), self.id)?;
        let taken = |name: Name| marks.get(&name).is_some_and(|(bytes, _)| *bytes >= 0);
        let files: Vec<(usize, Name)> = (self.bag.files.iter().enumerate())
            .filter(|(_, file)| is_ndjson(&file.path))
            .map(|(place, file)| (place, self.names.name(&file.path)))
            .filter(|(_, name)| taken(*name))
            .collect();
        self.stage(Stage::References, files.iter().map(|(place, _)| self.bag.files[*place].size).sum());
        let mut search = Search::default();
        for (place, name) in files {
            self.search_file(permit, place, name, &mut search)?;
        }
        self.settle(permit, &mut search)?;
        self.absent = search.absent;
        Ok(())
    }

    fn search_file(
        &mut self,
        permit: &Permit,
        place: usize,
        name: Name,
        search: &mut Search,
    ) -> Result<(), DepositError> {
        let file = &self.bag.files[place];
        let failed = |source| DepositError::Payload { path: file.path.clone(), source };
        let mut lines = Lines::new(open(self.bag, file).map_err(failed)?, self.fhir_limits().bytes_max);
        let mut held = HeldLines { name, after: 0, page: VecDeque::new(), is_end: false };
        let mut line = Vec::new();
        let mut stepped = 0;
        while let Some(at) = lines.next(&mut line).map_err(failed)? {
            if !at.is_long
                && !held.has(self, at.number)?
                && let Ok(text) = std::str::from_utf8(&line)
            {
                each_text(text, &mut |reference| self.note(reference, (place, at.number), search));
            }
            line.clear();
            if search.asked.len() >= ASKED_MAX {
                self.settle(permit, search)?;
            }
            if lines.offset - stepped >= STEP_BYTES {
                self.step(lines.offset - stepped);
                stepped = lines.offset;
            }
        }
        self.step(lines.offset - stepped);
        Ok(())
    }

    fn note(&self, reference: &str, (file, line): (usize, u64), search: &mut Search) {
        let Target::Relative { kind, id, .. } = Target::parse(reference) else { return };
        let tables = fhir::tables::tables();
        let Some(kind) = tables.resource(kind).map(|known| tables.get(known).name) else { return };
        let id = self.archive.store().ids().resource(self.institution, kind, id);
        if !search.counted.contains(&id) {
            search.asked.entry(id).or_insert(At { file, line, kind });
        }
    }

    /// Asks for what was collected, and counts what is not here.
    fn settle(&self, permit: &Permit, search: &mut Search) -> Result<(), DepositError> {
        let asked: Vec<(Id16, At)> = search.asked.drain().collect();
        let mut missing = Vec::new();
        for part in asked.chunks(WRITE_MAX) {
            let ids: Vec<Id16> = part.iter().map(|(id, _)| *id).collect();
            let known = self.archive.store().known_resources(permit, self.institution, &ids)?;
            missing.extend(part.iter().zip(known).filter(|(_, known)| !known).map(|((id, at), _)| (*at, *id)));
        }
        missing.sort_unstable();
        let Search { counted, absent, .. } = search;
        for (at, id) in missing {
            if counted.len() >= COUNTED_MAX {
                absent.has_more = true;
                break;
            }
            counted.insert(id);
            *absent.by_type.entry(at.kind.to_owned()).or_default() += 1;
            if absent.listed.len() < LISTED_MAX {
                let file = masked(&self.bag.files[at.file].path).into_owned();
                absent.listed.push(AbsentReference { file, line: at.line, resource_type: at.kind.to_owned() });
            } else {
                absent.unlisted += 1;
            }
        }
        Ok(())
    }
}

/// The lines of one file that were held back, in order, some at a time.
struct HeldLines {
    name: Name,
    after: u64,
    page: VecDeque<u64>,
    is_end: bool,
}

impl HeldLines {
    /// Whether a line was held back. To be asked for growing lines.
    fn has(&mut self, deposit: &Deposit<'_>, line: u64) -> Result<bool, DepositError> {
        loop {
            while self.page.front().is_some_and(|first| *first < line) {
                self.page.pop_front();
            }
            if !self.page.is_empty() || self.is_end {
                return Ok(self.page.front() == Some(&line));
            }
            let store = deposit.archive.store();
            let page = tables::lines_held_back(store, deposit.id, self.name, self.after, HELD_PAGE)?;
            self.is_end = page.len() < HELD_PAGE;
            self.after = page.last().copied().unwrap_or(self.after);
            self.page = page.into();
        }
    }
}
