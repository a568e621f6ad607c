//! The receipt in words, for people: Korean and English. What is counted, and what may be shown, is decided in `receipt`.

use super::fault::Fault;
use super::receipt::Receipt;
use base::Timestamp;
use std::collections::BTreeMap;

impl Receipt {
    /// The receipt for people, in Korean.
    #[must_use]
    pub fn korean(&self) -> String {
        self.text(&KOREAN, |fault| fault.words().0)
    }

    /// The receipt for people, in English.
    #[must_use]
    pub fn english(&self) -> String {
        self.text(&ENGLISH, |fault| fault.words().1)
    }

    fn sums(&self, words: &Words) -> [(&'static str, Sums); 3] {
        let (declared, taken, held) = (&self.declared, &self.taken, &self.held_back);
        let patients = Sums { declared: declared.patients, taken: taken.patients, split: None, held_back: None };
        let resources = Sums {
            declared: declared.resources,
            taken: taken.resources,
            split: taken.new_resources.zip(taken.known_resources),
            held_back: held.resources,
        };
        let documents = Sums {
            declared: declared.documents,
            taken: taken.documents,
            split: taken.new_documents.zip(taken.known_documents),
            held_back: held.documents,
        };
        [(words.patients, patients), (words.resources, resources), (words.documents, documents)]
    }

    fn text(&self, words: &Words, fault_words: fn(Fault) -> &'static str) -> String {
        let mut page = Page::default();
        page.line(words.title, &self.number);
        if self.synthetic {
            page.line(words.note, words.synthetic);
        }
        page.line(words.institution, &format!("{} ({})", self.institution_name, self.institution_code));
        page.line(words.depositor, &self.depositor);
        if let Some(day) = self.closed_on {
            page.line(words.closed, &day.to_string());
        }
        if let Some((from, to)) = self.suspended {
            page.line(words.suspended, &format!("{from} – {}", to.map_or(String::new(), |day| day.to_string())));
        }
        page.line(words.received, &korean_time(self.received));
        page.line(words.sealed, &korean_time(self.sealed));
        for (label, sums) in self.sums(words) {
            page.line(label, &sums.text(words));
        }
        page.counts(&self.taken.by_type);
        let links = &self.links;
        page.line(words.linked, &links.linked.to_string());
        page.more(words.unknown, links.unknown);
        page.more(words.no_number, links.without_number);
        page.more(words.doubled, links.doubled);
        page.more(words.unlinked, links.unlinked);
        self.held_back(&mut page, words, fault_words);
        self.absent(&mut page, words);
        let ledger = &self.ledger;
        page.line(words.ledger, &format!("{}, {} – {}", ledger.log, ledger.size_before, ledger.size_after));
        page.line(words.manifest, &self.manifest_sha256);
        page.text
    }

    fn held_back(&self, page: &mut Page, words: &Words, fault_words: fn(Fault) -> &'static str) {
        page.line(words.held_back, &self.held_back.by_fault.values().sum::<u64>().to_string());
        for (slug, count) in &self.held_back.by_fault {
            page.line(&format!("  {}", Fault::from_slug(slug).map_or(slug.as_str(), fault_words)), &count.to_string());
        }
        for fault in &self.held_back.listed {
            let digest = fault.digest.as_ref().map_or(String::new(), |digest| format!(" [{digest}…]"));
            let place = if fault.line == 0 { fault.file.clone() } else { format!("{}:{}", fault.file, fault.line) };
            let kept = if fault.kept { words.kept } else { "" };
            page.line(&format!("  {place}{digest}"), &format!("{}{kept}", fault.reason));
        }
        page.more(words.unlisted, self.held_back.unlisted);
    }

    fn absent(&self, page: &mut Page, words: &Words) {
        let Some(absent) = self.absent.as_ref().filter(|absent| !absent.by_type.is_empty()) else { return };
        let least = if absent.has_more { words.at_least } else { "" };
        page.line(words.absent, &format!("{least}{}", absent.by_type.values().sum::<u64>()));
        page.counts(&absent.by_type);
        for one in &absent.listed {
            page.line(&format!("  {}:{}", one.file, one.line), &one.resource_type);
        }
        page.more(words.absent_unlisted, absent.unlisted);
    }
}

/// A text of lines with a label each.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, label: &str, value: &str) {
        // Nothing that came in may pass for a line of the receipt or turn its direction.
        let line = format!("{label}: {value}")
            .replace(|letter: char| letter.is_control() || base::hidden::is_hidden(letter), "\u{fffd}");
        self.text.push_str(&line);
        self.text.push('\n');
    }

    /// A line where there is something to count.
    fn more(&mut self, label: &str, count: u64) {
        if count > 0 {
            self.line(label, &count.to_string());
        }
    }

    fn counts(&mut self, counts: &BTreeMap<String, u64>) {
        for (kind, count) in counts {
            self.line(&format!("  {kind}"), &count.to_string());
        }
    }
}

/// What was declared of something, and what became of it.
struct Sums {
    declared: Option<u64>,
    taken: u64,
    /// How much of it was new, and how much was here already.
    split: Option<(u64, u64)>,
    held_back: Option<u64>,
}

impl Sums {
    fn text(&self, words: &Words) -> String {
        let Words { declared, undeclared, taken, new, known, held, differs, .. } = words;
        let mut text = match self.declared {
            Some(count) => format!("{declared} {count}, {taken} {}", self.taken),
            None => format!("{undeclared}, {taken} {}", self.taken),
        };
        if let Some((new_count, known_count)) = self.split {
            text += &format!(" ({new} {new_count}, {known} {known_count})");
        }
        if let Some(count) = self.held_back {
            text += &format!(", {held} {count}");
        }
        if self.declared.is_some_and(|count| count != self.taken + self.held_back.unwrap_or(0)) {
            text += differs;
        }
        text
    }
}

fn korean_time(time: Timestamp) -> String {
    time.to_zoned(base::KOREA).strftime("%Y-%m-%d %H:%M:%S +09:00").to_string()
}

struct Words {
    title: &'static str,
    note: &'static str,
    synthetic: &'static str,
    institution: &'static str,
    depositor: &'static str,
    closed: &'static str,
    suspended: &'static str,
    received: &'static str,
    sealed: &'static str,
    patients: &'static str,
    resources: &'static str,
    documents: &'static str,
    declared: &'static str,
    undeclared: &'static str,
    taken: &'static str,
    new: &'static str,
    known: &'static str,
    held: &'static str,
    differs: &'static str,
    linked: &'static str,
    unknown: &'static str,
    no_number: &'static str,
    doubled: &'static str,
    unlinked: &'static str,
    held_back: &'static str,
    kept: &'static str,
    unlisted: &'static str,
    absent: &'static str,
    absent_unlisted: &'static str,
    at_least: &'static str,
    ledger: &'static str,
    manifest: &'static str,
}

const KOREAN: Words = Words {
    title: "진료기록 인수증 번호",
    note: "참고",
    synthetic: "시험용으로 만든 가상의 기록입니다",
    institution: "의료기관",
    depositor: "인계자",
    closed: "폐업일",
    suspended: "휴업 기간",
    received: "접수 시각",
    sealed: "보관 완료 시각",
    patients: "환자",
    resources: "기록",
    documents: "문서",
    declared: "신고",
    undeclared: "신고 없음",
    taken: "인수",
    new: "새 자료",
    known: "이미 보관 중",
    held: "보류",
    differs: " (신고한 수와 다릅니다)",
    linked: "본인이 열람할 수 있는 환자",
    unknown: "본인확인기관에서 찾지 못한 환자",
    no_number: "주민등록번호가 없어 확인하지 못한 환자",
    doubled: "한 사람으로 확인되어 담당자의 확인이 필요한 환자",
    unlinked: "번호가 바로잡혀 이전 연결을 끊은 환자",
    held_back: "보류",
    kept: " (원본을 암호화하여 보관 중)",
    unlisted: "그 밖에 나열하지 않은 보류",
    absent: "참고: 기록은 인수했으나, 기록이 가리키는 자료가 인계받은 것에도 보관 중인 것에도 없습니다",
    absent_unlisted: "그 밖에 나열하지 않은 없는 자료",
    at_least: "최소 ",
    ledger: "원장 위치",
    manifest: "목록 파일의 SHA-256",
};

const ENGLISH: Words = Words {
    title: "Receipt for records, number",
    note: "Note",
    synthetic: "these records are made up, for testing",
    institution: "Institution",
    depositor: "Handed over by",
    closed: "Closed on",
    suspended: "Suspended",
    received: "Received",
    sealed: "Sealed",
    patients: "Patients",
    resources: "Records",
    documents: "Documents",
    declared: "declared",
    undeclared: "not declared",
    taken: "taken",
    new: "new",
    known: "already here",
    held: "held back",
    differs: " (not what was declared)",
    linked: "Patients who can see their records",
    unknown: "Patients unknown to the identity agency",
    no_number: "Patients without a national number",
    doubled: "Patients who are one person to the agency, for a human to decide",
    unlinked: "Patients whose earlier link was undone, because their number was corrected",
    held_back: "Held back",
    kept: " (the original is kept, encrypted)",
    unlisted: "Held back and not listed",
    absent: "Note: taken records refer to this, and it is neither in the bag nor here",
    absent_unlisted: "Not here and not listed",
    at_least: "at least ",
    ledger: "Place in the ledger",
    manifest: "SHA-256 of the manifest",
};
