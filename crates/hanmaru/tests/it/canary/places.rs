//! Everywhere that the story leaves something, what of it is searched, and what may be found where.

use super::browser::Browser;
use super::forms::Forms;
use super::town::Town;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use testkit::faults::columns;

/// A place where some canaries may stand, and why.
struct Allowed {
    /// How the place's name begins.
    place: &'static str,
    /// The canaries.
    canaries: &'static [&'static str],
    why: &'static str,
}

/// Everything else that is found anywhere fails. Each entry must be found, so that none outlives its reason.
const ALLOWED: [Allowed; 14] = [
    Allowed {
        place: "column idx_string.value",
        canaries: &["name", "second name", "doctor"],
        why: "the search index: people are found by their names",
    },
    Allowed {
        place: "column idx_token.code",
        canaries: &["further number", "diagnosis code"],
        why: "the search index: chart numbers and codes; numbers of a nation stand there as keyed hashes",
    },
    Allowed { place: "column deposit.depositor", canaries: &["depositor"], why: "who handed records in" },
    Allowed { place: "demo/data/archive/receipts/", canaries: RECEIPT, why: "receipts are the depositor's, mode 0600" },
    Allowed { place: "said/001-deposit.out", canaries: RECEIPT, why: "the receipt, as an answer to the command" },
    Allowed {
        place: "said/010-staff.out",
        canaries: &["administrator", "clinician", "steward", "security officer", "support", "invited"],
        why: "the list of staff, as an answer to the command",
    },
    Allowed {
        place: "said/serve.out",
        canaries: &["name", "second name", "resident number", "second resident number"],
        why: "`hanmaru demo` says who can sign in; they are synthetic, and nothing else says it",
    },
    Allowed { place: "mail", canaries: &["mail of a member of staff"], why: "whom an alert is mailed to" },
    Allowed {
        place: "authenticator on /sign-in/second-step",
        canaries: &["name", "second name"],
        why: "the label under which the person's own app keeps the secret; no server is asked",
    },
    Allowed {
        place: "authenticator on /account/app/new",
        canaries: &["name"],
        why: "the same, of an app that takes the place of another",
    },
    Allowed {
        place: "way back on /institutions",
        canaries: &["words of a search"],
        why: "the directory is public, and a search in it can be passed on",
    },
    Allowed {
        place: "way back on ",
        canaries: &["path of a stranger"],
        why: "to the address that the visitor gave, in the other language",
    },
    Allowed {
        place: "way back on /institutions",
        canaries: &["query of a stranger"],
        why: "to the address that the visitor gave, in the other language",
    },
    Allowed {
        place: "way back on /sign-in",
        canaries: &["query of a stranger"],
        why: "to the address that the visitor gave, once signed in",
    },
];

/// What the depositor wrote and a receipt says: who they are, what they call files and which elements they made up.
const RECEIPT: &[&str] = &["depositor", "name of a file", "name of an element"];

/// What was found where, with the form.
pub struct Found(BTreeMap<(String, &'static str), String>);

impl Found {
    /// Searches everything that the story has left.
    pub fn of(town: &Town, browser: &Browser, figures: &str, forms: &Forms) -> Self {
        let log = fs::read_to_string(town.path("said/serve.err")).expect("the portal's log");
        assert!(log.contains("TRACE") && log.contains("agency started"), "the portal and the agency say all they can");
        assert!(figures.contains("hanmaru_portal_requests"), "{figures}");
        let mut found = Self(BTreeMap::new());
        found.look("metrics", figures.as_bytes(), forms);
        for (name, heard) in ["webhook", "mail"].into_iter().zip(&town.alerts) {
            let heard = heard.lock().expect("no receiver panics");
            assert!(!heard.is_empty(), "nothing came by {name}");
            found.look(name, &heard, forms);
        }
        let trail = browser.trail();
        let once: BTreeSet<&(String, String)> = trail.addresses.iter().collect();
        once.iter().for_each(|(page, address)| found.look(&leading(page, address), address.as_bytes(), forms));
        let once: BTreeSet<&(String, String)> = trail.headers.iter().collect();
        once.iter().for_each(|(page, header)| found.look(&format!("header of {page}"), header.as_bytes(), forms));
        for folder in ["said", "temporary", "backups", "witness", "demo/data", "demo/sites", "demo/key_stores"] {
            let files = files(&town.path(folder));
            assert!(!files.is_empty() || folder == "temporary", "{folder} is empty");
            for file in files {
                let name = file.strip_prefix(town.path("")).expect("it is below").to_string_lossy().into_owned();
                found.look(&format!("name of {name}"), name.as_bytes(), forms);
                if !name.starts_with("demo/data/hanmaru.db") {
                    found.look(&name, &fs::read(&file).expect("a file"), forms);
                }
            }
        }
        found.database(&town.path("demo/data"), forms);
        found
    }

    /// Each column by itself; then the files as they are, free pages among them, for what no column may hold.
    fn database(&mut self, data: &Path, forms: &Forms) {
        columns::each(&data.join("hanmaru.db"), &mut |table, column, bytes| {
            self.look(&format!("column {table}.{column}"), bytes, forms);
        });
        let in_columns: BTreeSet<&str> = ALLOWED
            .iter()
            .filter(|allowed| allowed.place.starts_with("column "))
            .flat_map(|allowed| allowed.canaries.iter().copied())
            .collect();
        for end in ["", "-wal", "-shm"] {
            let name = format!("hanmaru.db{end}");
            let Ok(bytes) = fs::read(data.join(&name)) else { continue };
            let mut whole = Self(BTreeMap::new());
            whole.look(&format!("demo/data/{name}"), &bytes, forms);
            self.0.extend(whole.0.into_iter().filter(|((_, canary), _)| !in_columns.contains(canary)));
        }
    }

    fn look(&mut self, place: &str, bytes: &[u8], forms: &Forms) {
        for form in forms.found(bytes) {
            let form = &forms.all[form];
            let canary = forms.canaries[form.canary].name;
            self.0.entry((place.to_owned(), canary)).or_insert_with(|| form.name.clone());
        }
    }

    /// What stands where nothing may, a line each; and what may stand somewhere and does not.
    pub fn faults(&self) -> Vec<String> {
        let may = |place: &str, canary: &str| {
            ALLOWED.iter().any(|one| place.starts_with(one.place) && one.canaries.contains(&canary))
        };
        let leaks = self.0.iter().filter(|((place, canary), _)| !may(place, canary));
        let mut faults: Vec<String> =
            leaks.map(|((place, canary), form)| format!("{place}: {canary} ({form})")).collect();
        for one in &ALLOWED {
            for canary in one.canaries {
                if !self.0.keys().any(|(place, found)| place.starts_with(one.place) && found == canary) {
                    faults.push(format!("{}: {canary} may stand there ({}) and does not", one.place, one.why));
                }
            }
        }
        faults
    }
}

/// The place of an address that a page leads to, by what the address is for.
fn leading(page: &str, address: &str) -> String {
    let is_back = page == "/language" || address.starts_with("/language?") || address.starts_with("/sign-in/start?");
    match address.split_once(':') {
        Some(("otpauth", _)) => format!("authenticator on {page}"),
        _ if is_back => format!("way back on {page}"),
        _ => format!("address on {page}"),
    }
}

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut all: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect();
    all.sort();
    all
}
