//! What stands in an issued document, as plain data in the order of its pages. Words of our own are keys of the word tables,
//! so that this is the same in every language; text from records is text and nothing else.

use crate::issue::DocumentNumber;
use serde::Serialize;
use std::sync::Arc;

/// A whole document.
#[derive(Debug, Default, Serialize)]
pub struct IssueContent {
    /// The cover.
    pub head: Masthead,
    /// What it holds, for the cover.
    pub summary: Vec<Summary>,
    /// The chart, institution by institution.
    pub institutions: Vec<Part>,
    /// Copies of documents: scans, images, PDFs.
    pub documents: Vec<Document>,
    /// What could not be drawn, and why.
    pub undrawn: Vec<Undrawn>,
    /// Files that sheets of documents show.
    #[serde(skip)]
    pub files: Vec<DrawnFile>,
}

/// What the cover says besides the contents.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Masthead {
    /// Who issues.
    pub issuer: String,
    /// Document number.
    pub number: String,
    /// When it was issued, to the second, in Korean time.
    pub issued: String,
    /// Address of the page where it can be verified; the square holds it too.
    pub verify_url: String,
    /// Whose records these are.
    pub subject: Subject,
    /// Who had it issued, where that is somebody else than they.
    pub applicant: Option<Applicant>,
    /// Which records were asked for: a key of the word tables or a period as text.
    pub selection: Text,
    /// What whoever had it issued was not shown, so that nobody takes this for all that there is; empty where that is nothing.
    pub part: Vec<Fact>,
}

impl Masthead {
    /// Sets number and the address of its page below the origin of the portal.
    #[must_use]
    pub fn numbered(mut self, number: &DocumentNumber, origin: &str) -> Self {
        self.number = number.to_string();
        self.verify_url = format!("{}/verify/{number}", origin.trim_end_matches('/'));
        self
    }
}

/// The person whom the records of a document are about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// Name, empty where the records that are shown have none.
    pub name: String,
    /// Birth date (`YYYY-MM-DD`), empty where unknown.
    pub birth_date: String,
}

/// Somebody who has another's records issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Applicant {
    /// Who: in words, with their name.
    pub who: Text,
    /// On what: a case or a purpose, with the number under which the subject finds it in the access log.
    pub ground: Text,
}

/// A text of ours or of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Text {
    /// As it stands in the record.
    Plain(String),
    /// A key of the word tables.
    Word {
        /// The key.
        word: String,
    },
    /// Several, with a space between.
    Join {
        /// They.
        join: Vec<Text>,
    },
    /// Of less weight than what it stands behind, such as a code.
    Small {
        /// As it stands in the record.
        small: String,
    },
    /// Lines of a label and what it labels.
    Lines {
        /// They.
        lines: Vec<Detail>,
    },
}

impl Default for Text {
    fn default() -> Self {
        Self::Plain(String::new())
    }
}

impl Text {
    /// A key of the word tables.
    #[must_use]
    pub fn word(key: &str) -> Self {
        Self::Word { word: key.to_owned() }
    }

    /// The word `prefix.code` where the tables have it, or the code itself.
    #[must_use]
    pub fn coded(prefix: &str, code: &str) -> Self {
        let key = format!("{prefix}.{code}");
        if super::words::known(&key) { Self::Word { word: key } } else { Self::Plain(code.to_owned()) }
    }

    /// Whether there is nothing to read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Plain(text) => text.is_empty(),
            Self::Word { .. } => false,
            Self::Join { join } => join.iter().all(Self::is_empty),
            Self::Small { small } => small.is_empty(),
            Self::Lines { lines } => lines.is_empty(),
        }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Plain(text)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Plain(text.to_owned())
    }
}

/// A line of the cover's table of contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Kind of record.
    pub kind: Text,
    /// How many.
    pub count: usize,
    /// Earliest day, empty where none is known.
    pub from: String,
    /// Latest day.
    pub until: String,
    /// Whether this is a kind of document rather than of record.
    pub document: bool,
}

/// A label and what it labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// Key of the word tables.
    pub label: &'static str,
    /// The value.
    pub value: Text,
}

/// A member of a record that its form has no place for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// What it is: words of ours, or the name of the element.
    pub label: Text,
    /// The value.
    pub value: Text,
}

/// One institution's chart.
#[derive(Debug, Default, Serialize)]
pub struct Part {
    /// Name of the institution.
    pub name: String,
    /// Romanised name.
    pub romanised: String,
    /// Code, kind, address, closure.
    pub facts: Vec<Fact>,
    /// How the records came here.
    pub provenance: Vec<Fact>,
    /// The patient as this institution knew them.
    pub identities: Vec<Identity>,
    /// Visits, oldest first.
    pub visits: Vec<Visit>,
    /// What belongs to no visit.
    pub loose: Vec<Section>,
}

/// A patient as one institution wrote them down: one per version.
#[derive(Debug, Serialize)]
pub struct Identity {
    /// Set where there is more than one version.
    pub mark: Option<Mark>,
    /// Name.
    pub name: String,
    /// What identifies them.
    pub facts: Vec<Fact>,
    /// Everything else.
    pub details: Vec<Detail>,
}

/// A visit or a stay.
#[derive(Debug, Serialize)]
pub struct Visit {
    /// First day, as text.
    pub start: String,
    /// Last day where it differs from the first.
    pub end: String,
    /// Outpatient, inpatient, emergency …
    pub class: Text,
    /// Kind or reason of the visit.
    pub title: String,
    /// Department, doctors and so on.
    pub facts: Vec<Fact>,
    /// Everything else about the visit itself.
    pub details: Vec<Detail>,
    /// Earlier versions of the visit itself, in full.
    pub earlier: Vec<Block>,
    /// Diagnoses, tests, drugs …
    pub sections: Vec<Section>,
    /// Whether it only heads what was chosen of it.
    pub heading: bool,
}

/// Records of one kind within a visit.
#[derive(Debug, Serialize)]
#[serde(tag = "form", rename_all = "lowercase")]
pub enum Section {
    /// One line a record.
    Table {
        /// Key of the heading.
        kind: &'static str,
        /// The columns that hold anything.
        columns: Vec<&'static Column>,
        /// The lines.
        rows: Vec<Row>,
        /// What the records have in common that no column has a place for.
        details: Vec<Detail>,
    },
    /// Running text.
    Blocks {
        /// Key of the heading.
        kind: &'static str,
        /// The texts.
        blocks: Vec<Block>,
    },
}

/// A column of a table: a fixed width in millimetres, or a share of what is left.
#[derive(Debug, Serialize)]
pub struct Column {
    /// Key of its label.
    pub label: &'static str,
    /// Width in millimetres, 0 where it is a share.
    pub mm: u32,
    /// Share of the rest, 0 where the width is fixed.
    pub fr: u32,
}

/// One version of a record in a table: one or more lines of cells.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Set where there is more than one version.
    pub mark: Option<Mark>,
    /// Lines of cells, each as long as the table has columns.
    pub lines: Vec<Vec<Text>>,
    /// Remarks below the line.
    pub notes: Vec<Text>,
    /// Everything else.
    pub details: Vec<Detail>,
}

/// One version of a record that reads as text.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Block {
    /// Set where there is more than one version.
    pub mark: Option<Mark>,
    /// Title.
    pub title: Text,
    /// Date, author, status …
    pub facts: Vec<Fact>,
    /// Paragraphs.
    pub text: Vec<Text>,
    /// Everything else.
    pub details: Vec<Detail>,
}

/// Which edition of an amended record this is (Medical Service Act art. 21(1): originals are shown beside amendments).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// Whether a later version exists.
    pub before: bool,
    /// 1 for the first edition.
    pub edition: u32,
    /// How many editions there are.
    pub of: u32,
    /// When this edition was written, where known.
    pub date: String,
}

/// A deposited document.
#[derive(Debug, Default, Serialize)]
pub struct Document {
    /// Number within this issue, from 1.
    pub number: usize,
    /// Set where there is more than one version.
    pub mark: Option<Mark>,
    /// Its kind.
    pub kind: Text,
    /// Its title or description.
    pub title: String,
    /// Its day.
    pub date: String,
    /// Institution, author, status, and how it relates to others.
    pub facts: Vec<Fact>,
    /// Everything else about the document.
    pub details: Vec<Detail>,
    /// Pages and images.
    pub sheets: Vec<Sheet>,
    /// Text attachments, drawn as text.
    pub texts: Vec<String>,
    /// What is wrong with files that cannot be drawn.
    pub faults: Vec<Text>,
}

/// One page of a deposited PDF, or one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sheet {
    /// Index into [`IssueContent::files`].
    pub file: usize,
    /// `pdf`, `png` or `jpg`.
    pub format: &'static str,
    /// Page within a PDF, from 1.
    pub page: usize,
}

/// Something chosen that is not on the pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Undrawn {
    /// What it is.
    pub kind: Text,
    /// Its name: a title, a file name, an id.
    pub name: String,
    /// Its day, where known.
    pub date: String,
    /// Why it is not drawn.
    pub reason: Text,
}

/// Bytes that sheets show.
#[derive(Debug, Clone)]
pub struct DrawnFile {
    /// Index into [`IssueContent::documents`] of its document.
    pub document: usize,
    /// Name for the list of what could not be drawn.
    pub name: String,
    /// The bytes.
    pub bytes: Arc<[u8]>,
    /// Whether it is a PDF 2.0.
    pub pdf2: bool,
}
