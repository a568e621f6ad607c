//! The people the agency knows, by national number, from identity files that may grow while it runs.

use crate::Error;
use crate::people::{Person, read_people};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Seconds between looks at the files.
const LOOK_GAP_S: i64 = 1;

pub(super) struct Register {
    files: Vec<Watched>,
    by_number: HashMap<String, Arc<Person>>,
    looked_s: i64,
}

struct Watched {
    path: PathBuf,
    /// Length and time of change when it was read; `None` where it was not there.
    seen: Option<(u64, Option<SystemTime>)>,
}

impl Register {
    /// Reads the files that are there.
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self, Error> {
        let files = paths.iter().map(|path| Watched { path: path.clone(), seen: None }).collect();
        let mut register = Self { files, by_number: HashMap::new(), looked_s: i64::MIN };
        register.read_changed()?;
        Ok(register)
    }

    pub(super) fn len(&self) -> usize {
        self.by_number.values().map(Arc::as_ptr).collect::<std::collections::HashSet<_>>().len()
    }

    /// The person with a number of 13 digits, hyphen or not, or with another identifier of theirs.
    pub(super) fn find(&mut self, number: &str, now_s: i64) -> Option<Arc<Person>> {
        let key = key(number);
        if let Some(person) = self.by_number.get(&key) {
            return Some(Arc::clone(person));
        }
        if now_s.saturating_sub(self.looked_s) >= LOOK_GAP_S {
            self.looked_s = now_s;
            if let Err(error) = self.read_changed() {
                tracing::warn!(%error, "an identity file was not read");
            }
        }
        self.by_number.get(&key).cloned()
    }

    fn read_changed(&mut self) -> Result<(), Error> {
        for file in &mut self.files {
            let now = state_of(&file.path);
            if now.is_none() || now == file.seen {
                continue;
            }
            for person in read_people(&file.path)? {
                let person = Arc::new(person);
                for other in &person.other_ids {
                    self.by_number.insert(other.clone(), Arc::clone(&person));
                }
                self.by_number.insert(person.rrn.clone(), person);
            }
            file.seen = now;
        }
        Ok(())
    }
}

fn state_of(path: &Path) -> Option<(u64, Option<SystemTime>)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()))
}

/// National numbers are kept as 13 digits; other identifiers as they are.
fn key(number: &str) -> String {
    let digits: String = number.chars().filter(|character| !matches!(character, '-' | ' ')).collect();
    if digits.len() == 13 && digits.bytes().all(|byte| byte.is_ascii_digit()) { digits } else { number.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::{Foreign, person_for_foreign, write_people};
    use jiff::civil::date;

    #[test]
    fn people_of_a_file_that_comes_later_are_found() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("people.json");
        let mut register = Register::open(std::slice::from_ref(&path)).expect("a missing file is no error");
        let foreign =
            Foreign { name: "Kim", birth_date: date(1980, 1, 2), gender: "female", source_id: "https://x.example|7" };
        let person = person_for_foreign(foreign);
        assert!(register.find(&person.rrn, 10).is_none());
        write_people(&path, [person.clone()]).expect("written");
        assert!(register.find(&person.rrn, 10).is_none(), "the files were looked at this very second");
        let hyphened = format!("{}-{}", &person.rrn[..6], &person.rrn[6..]);
        assert_eq!(register.find(&hyphened, 12).expect("found").ci, person.ci);
        assert_eq!(register.find("https://x.example|7", 12).expect("found").ci, person.ci);
        assert_eq!(register.len(), 1);
    }
}
