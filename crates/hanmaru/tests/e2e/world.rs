//! What all journeys share: where things are, who is left to sign in, and the faults found so far.

use crate::authenticator::Somebody;
use crate::processes::Running;
use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The language a person reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `ko`
    Korean,
    /// `en`
    English,
}

impl Language {
    /// `ko` or `en`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Korean => "ko",
            Self::English => "en",
        }
    }

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Korean => Self::English,
            Self::English => Self::Korean,
        }
    }
}

/// How a person sees the portal: language, and width in CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    pub language: Language,
    pub width: u32,
    pub height: u32,
}

/// Korean, on a desk.
pub const KOREAN_DESK: View = View { language: Language::Korean, width: 1280, height: 900 };
/// Korean, on a small phone.
pub const KOREAN_PHONE: View = View { language: Language::Korean, width: 360, height: 780 };
/// English, on a desk.
pub const ENGLISH_DESK: View = View { language: Language::English, width: 1280, height: 900 };
/// English, on a small phone.
pub const ENGLISH_PHONE: View = View { language: Language::English, width: 360, height: 780 };
/// All four.
pub const ALL: &[View] = &[KOREAN_PHONE, ENGLISH_DESK, KOREAN_DESK, ENGLISH_PHONE];
/// Each language and each width once.
pub const MIXED: &[View] = &[KOREAN_PHONE, ENGLISH_DESK];
/// Each language once.
pub const DESKS: &[View] = &[KOREAN_DESK, ENGLISH_DESK];

/// Whoever was born in this year, or before, is of age on any day on which this may run.
const ADULTS_BORN: i16 = 2000;

impl View {
    /// Whether it is a phone, with a touch screen.
    pub const fn is_phone(self) -> bool {
        self.width < 600
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.language.tag(), self.width)
    }
}

/// What all journeys share.
pub struct World {
    pub portal_url: String,
    pub driver_url: String,
    /// The source of axe-core, where it is installed.
    pub axe: Option<String>,
    folder: PathBuf,
    pictures: PathBuf,
    people: Mutex<VecDeque<Somebody>>,
    strangers: Mutex<VecDeque<Somebody>>,
    /// The code of a hospital whose patients staff look for.
    pub hospital: String,
    numbers: Mutex<VecDeque<String>>,
    faults: Mutex<Vec<String>>,
    browsers: AtomicUsize,
}

impl World {
    /// The world of running programs.
    pub fn of(running: &Running) -> Self {
        let axe = std::env::var_os("HANMARU_AXE").and_then(|path| std::fs::read_to_string(path).ok());
        if axe.is_none() {
            println!("SKIPPED: axe-core on every page: HANMARU_AXE names no file; cargo xtask test installs it");
        }
        let somebody = |list: &[synth::people::Person]| Mutex::new(list.iter().map(Somebody::of).collect());
        Self {
            portal_url: running.portal_url.clone(),
            driver_url: running.driver_url.clone(),
            axe,
            folder: running.folder().to_owned(),
            pictures: pictures(),
            people: somebody(&running.people),
            strangers: somebody(&running.strangers),
            hospital: running.hospital.0.clone(),
            numbers: Mutex::new(running.hospital.1.iter().cloned().collect()),
            faults: Mutex::default(),
            browsers: AtomicUsize::new(0),
        }
    }

    /// Somebody nobody has signed in as yet. The first ones have the fullest records.
    pub fn somebody(&self) -> Somebody {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        people.pop_front().expect("three hospitals have patients enough for every journey")
    }

    /// Somebody nobody has signed in as yet, with whatever records.
    pub fn anybody(&self) -> Somebody {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        people.pop_back().expect("three hospitals have patients enough for every journey")
    }

    /// Somebody nobody has signed in as yet, who is old enough to decide for themselves.
    pub fn adult(&self) -> Somebody {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        let place = people.iter().rposition(|one| one.born <= ADULTS_BORN);
        place.and_then(|place| people.remove(place)).expect("three hospitals have adults enough for every journey")
    }

    /// Somebody without records.
    pub fn stranger(&self) -> Somebody {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        strangers.pop_front().expect("there is a stranger for each view")
    }

    /// The number on the chart of a patient of [`World::hospital`] whom no member of staff has looked for.
    pub fn number(&self) -> String {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.pop_back().expect("the hospital has patients enough for every journey")
    }

    /// An empty folder for a browser's profile and downloads.
    pub fn browser_folder(&self) -> PathBuf {
        let number = self.browsers.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("browser-{number}"))
    }

    /// A path in this run's folder.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The code of the first hospital, and the ids of its patients in its record system: another number than on the chart.
    pub fn patients(&self) -> (String, Vec<String>) {
        let bag = self.scratch("data/bags/hospital-01");
        let info = std::fs::read_to_string(bag.join("bag-info.txt")).expect("a bag");
        let code = info.lines().find_map(|line| line.strip_prefix("Institution-Code: ")).expect("a code").to_owned();
        let patients = std::fs::read_to_string(bag.join("data/fhir/Patient.ndjson")).expect("patients");
        let number = |line: &str| {
            let patient: serde_json::Value = serde_json::from_str(line).expect("JSON");
            patient["id"].as_str().expect("an id").to_owned()
        };
        (code, patients.lines().map(number).collect())
    }

    /// Where pictures of pages go. They stay.
    pub fn pictures(&self) -> &Path {
        &self.pictures
    }

    /// Notes a fault that does not keep the journey from going on.
    pub fn note(&self, fault: &str) {
        println!("fault: {fault}");
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault.to_owned());
    }

    /// Every fault so far.
    pub fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn pictures() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| {
        // A build folder may be shared by several checkouts: the crate is where cargo runs the test.
        let here =
            std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        here.join("../../target")
    });
    let folder = target.join("screenshots");
    std::fs::create_dir_all(&folder).expect("the folder of pictures can be made");
    folder
}
