//! Typesetting: a document's content becomes the bytes of a PDF. No files, no network, no clock: the template, the words and
//! the fonts are compiled in, and everything that varies is handed over as data.

use crate::issue::content::{IssueContent, Sheet, Text, Undrawn};
use crate::issue::{Locale, Square, words};
use base::Redacted;
use serde::Serialize;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration, Smart};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, Timestamp};

const TEMPLATE: &str = include_str!("template.typ");
const PROBE: &str = include_str!("probe.typ");
/// SIL Open Font License; see `assets/fonts/OFL.txt`.
static REGULAR: &[u8] = include_bytes!("../../../../assets/fonts/NanumGothic-Regular.ttf");
static BOLD: &[u8] = include_bytes!("../../../../assets/fonts/NanumGothicBold.ttf");
/// For the letters that Nanum Gothic lacks: most of Latin, Greek and Cyrillic, and signs such as `µ`; see
/// `assets/fonts/DejaVu-LICENSE.txt`.
static OTHERS: &[u8] = include_bytes!("../../../../assets/fonts/DejaVuSansCondensed.ttf");

/// Most deposited files in one document. Each needs a name inside the typesetter, of which there are 65,535.
pub const FILES_MAX: usize = 20_000;
/// Most pages and images of deposited files in one document.
pub const SHEETS_MAX: usize = 50_000;
/// Korean time, in minutes east of Greenwich.
const KOREA_MINUTES: i32 = 9 * 60;
/// Most records in one document. So many make about 440 pages and take 700 MB of memory while they are set.
pub const RECORDS_MAX: usize = 10_000;
/// Documents that are set at the same time; others wait. More than there are cores would only take memory.
const AT_ONCE: usize = 2;

/// A PDF, not yet stamped.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The file.
    pub pdf: Vec<u8>,
    /// Its pages.
    pub pages: usize,
    /// What turned out not to be drawable, the content's own list included.
    pub undrawn: Vec<Undrawn>,
}

/// A document cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum TypesetError {
    /// More than a document may hold.
    #[error("{found} {what} are more than the {limit} that one document may hold: choose a shorter period")]
    TooMuch {
        /// Files or pages.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// Most permitted.
        limit: usize,
    },
    /// The address for the square is too long for one.
    #[error("the address of the verify page is too long for a QR code: shorten the portal's origin")]
    Square,
    /// The typesetter failed. The detail may quote records and is for a person who may see them.
    #[error("the document could not be typeset")]
    Failed {
        /// What the typesetter said.
        detail: Redacted<String>,
    },
}

/// Template, words and fonts, read once. Shared by all threads.
pub struct Typesetter {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
    template: Source,
    probe: Source,
    slots: Slots,
}

impl Default for Typesetter {
    fn default() -> Self {
        Self::new()
    }
}

impl Typesetter {
    /// Reads the fonts and parses the template.
    #[must_use]
    pub fn new() -> Self {
        let fonts: Vec<Font> =
            [REGULAR, BOLD, OTHERS].into_iter().flat_map(|bytes| Font::iter(Bytes::new(bytes))).collect();
        Self {
            library: LazyHash::new(Library::default()),
            book: LazyHash::new(FontBook::from_fonts(&fonts)),
            fonts,
            template: Source::new(file_id("template.typ"), TEMPLATE.to_owned()),
            probe: Source::new(file_id("probe.typ"), PROBE.to_owned()),
            slots: Slots::default(),
        }
    }

    /// Sets a document. A file in it that turns out not to be drawable becomes a note in its place and a line of the list at
    /// the end; it never keeps the rest from being issued.
    ///
    /// # Errors
    /// [`TypesetError`]: the document is too large, or the typesetter fails even without deposited files.
    pub fn render(&self, mut content: IssueContent, locale: Locale) -> Result<Rendered, TypesetError> {
        let sheets = content.documents.iter().map(|document| document.sheets.len()).sum();
        within("records", content.summary.iter().map(|line| line.count).sum(), RECORDS_MAX)?;
        within("deposited files", content.files.len(), FILES_MAX)?;
        within("deposited pages", sheets, SHEETS_MAX)?;
        let _slot = self.slots.take();
        let files: Vec<Bytes> = content.files.iter().map(|file| Bytes::new(file.bytes.clone())).collect();
        content.undrawn.extend(self.uncovered(&content));
        let square = Square::of(&content.head.verify_url).map_err(|_| TypesetError::Square)?;
        let square = Bytes::from_string(square.svg());
        let attempt = |content: &IssueContent| {
            let data = Data { lang: locale.tag(), content };
            let job = Job {
                setter: self,
                main: &self.template,
                data: json(&data),
                words: Bytes::from_string(words::table(locale)),
                square: square.clone(),
                files: &files,
            };
            set(&job, &options(content))
        };
        let first = attempt(&content);
        let done = match first {
            Err(TypesetError::Failed { .. }) if !files.is_empty() => {
                self.take_out_undrawable(&mut content, &files);
                attempt(&content)
            }
            other => other,
        };
        let (pdf, pages) = done?;
        Ok(Rendered { pdf, pages, undrawn: content.undrawn })
    }

    /// Whether these pages of a file can be drawn, all of them.
    pub(super) fn can_draw(&self, file: &Arc<[u8]>, format: &'static str, pages: Vec<usize>) -> bool {
        let _slot = self.slots.take();
        self.draws(&Bytes::new(Arc::clone(file)), format, pages)
    }

    fn draws(&self, file: &Bytes, format: &'static str, pages: Vec<usize>) -> bool {
        let job = Job {
            setter: self,
            main: &self.probe,
            data: json(&Probe { format, pages }),
            words: Bytes::new([]),
            square: Bytes::new([]),
            files: std::slice::from_ref(file),
        };
        set(&job, &pdf_options(true, None)).is_ok()
    }

    /// The characters that no font can draw, as a line of the list at the end.
    fn uncovered(&self, content: &IssueContent) -> Option<Undrawn> {
        let text = serde_json::to_string(content).expect("the content has string keys and no maps that can fail");
        let strange: BTreeSet<char> = text.chars().filter(|c| !c.is_ascii() && !is_invisible(*c)).collect();
        let covered = |c: char| self.fonts.iter().any(|font| font.info().coverage.contains(u32::from(c)));
        let missing: Vec<String> =
            strange.into_iter().filter(|c| !covered(*c)).map(|c| format!("U+{:04X}", u32::from(c))).collect();
        (!missing.is_empty()).then(|| Undrawn {
            kind: Text::word("undrawn.characters"),
            name: missing.join(" "),
            date: String::new(),
            reason: Text::word("reason.characters"),
        })
    }

    /// Tries every file alone and turns those that fail into notes.
    fn take_out_undrawable(&self, content: &mut IssueContent, files: &[Bytes]) {
        for (index, bytes) in files.iter().enumerate() {
            let drawn = content.files[index].document;
            let document = &mut content.documents[drawn];
            let Some(first) = document.sheets.iter().find(|sheet| sheet.file == index) else { continue };
            let pages = document.sheets.iter().filter(|sheet| sheet.file == index).map(|sheet| sheet.page).collect();
            if !self.draws(bytes, first.format, pages) {
                let reason = Text::word("reason.damaged");
                document.sheets.retain(|sheet: &Sheet| sheet.file != index);
                document.faults.push(reason.clone());
                content.undrawn.push(Undrawn {
                    kind: document.kind.clone(),
                    name: content.files[index].name.clone(),
                    date: document.date.clone(),
                    reason,
                });
            }
        }
    }
}

/// Marks that show nothing of their own.
fn is_invisible(c: char) -> bool {
    base::hidden::is_hidden(c) || matches!(c, '\u{fe00}'..='\u{fe0f}') || c.is_control()
}

fn within(what: &'static str, found: usize, limit: usize) -> Result<(), TypesetError> {
    if found > limit { Err(TypesetError::TooMuch { what, found, limit }) } else { Ok(()) }
}

#[derive(Serialize)]
struct Data<'a> {
    lang: &'static str,
    #[serde(flatten)]
    content: &'a IssueContent,
}

#[derive(Serialize)]
struct Probe {
    format: &'static str,
    pages: Vec<usize>,
}

fn json(data: &impl Serialize) -> Bytes {
    Bytes::new(serde_json::to_vec(data).expect("the data have string keys and no maps that can fail"))
}

/// One compilation: what the typesetter may see.
struct Job<'a> {
    setter: &'a Typesetter,
    main: &'a Source,
    data: Bytes,
    words: Bytes,
    square: Bytes,
    files: &'a [Bytes],
}

impl World for Job<'_> {
    fn library(&self) -> &LazyHash<Library> {
        &self.setter.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.setter.book
    }

    fn main(&self) -> FileId {
        self.main.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.main.id() { Ok(self.main.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        match id.get().vpath().get_without_slash() {
            "data.json" => Ok(self.data.clone()),
            "words.json" => Ok(self.words.clone()),
            "qr.svg" => Ok(self.square.clone()),
            other => {
                let index = other.strip_prefix("file/").and_then(|index| index.parse::<usize>().ok());
                index.and_then(|index| self.files.get(index)).cloned().ok_or(FileError::AccessDenied)
            }
        }
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.setter.fonts.get(index).cloned()
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}

/// Counts the documents that are being set.
#[derive(Default)]
struct Slots {
    taken: Mutex<usize>,
    freed: Condvar,
}

/// Leave to set one document. When it is given back, on every way out, the typesetter forgets what it remembers: that is
/// health data, and it would pile up.
struct Slot<'a>(&'a Slots);

impl Slots {
    fn take(&self) -> Slot<'_> {
        let taken = self.taken.lock().expect("no holder of this lock can panic");
        let mut taken =
            self.freed.wait_while(taken, |taken| *taken >= AT_ONCE).expect("no holder of this lock can panic");
        *taken += 1;
        Slot(self)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut taken = self.0.taken.lock().expect("no holder of this lock can panic");
        *taken -= 1;
        // Another document that is being set goes over its pages twice, and needs what it has found out so far.
        typst::comemo::evict(usize::from(*taken > 0));
        self.0.freed.notify_one();
    }
}

/// Compiles and exports. A panic in here can only come from a deposited file that its reader did not foresee, and must not
/// end the program.
fn set(job: &Job, options: &PdfOptions) -> Result<(Vec<u8>, usize), TypesetError> {
    let work = || {
        let document = typst::compile::<PagedDocument>(job).output?;
        let pdf = typst_pdf::pdf(&document, options)?;
        Ok((pdf, document.pages().len()))
    };
    let outcome: Result<typst::diag::SourceResult<_>, _> = catch_unwind(AssertUnwindSafe(work));
    let failed = |detail: String| TypesetError::Failed { detail: Redacted::new(detail) };
    match outcome {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(faults)) => {
            Err(failed(faults.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join("; ")))
        }
        Err(_) => Err(failed("the typesetter panicked".to_owned())),
    }
}

fn options(content: &IssueContent) -> PdfOptions {
    let stamp = moment(&content.head.issued).and_then(|time| Timestamp::new_local(time, KOREA_MINUTES));
    let pdf2 = content.files.iter().any(|file| file.pdf2);
    PdfOptions { ident: Smart::Custom(content.head.number.clone()), ..pdf_options(pdf2, stamp) }
}

/// PDF 2.0 only where a deposited page needs it: PDF 1.7 opens everywhere.
fn pdf_options(pdf2: bool, timestamp: Option<Timestamp>) -> PdfOptions {
    let version = if pdf2 { PdfStandard::V_2_0 } else { PdfStandard::V_1_7 };
    PdfOptions {
        creator: Smart::Custom(Some("Hanmaru".to_owned())),
        timestamp,
        standards: PdfStandards::new(&[version]).expect("one version alone is never a contradiction"),
        ..PdfOptions::default()
    }
}

/// `2026-11-22 18:05:33` as a moment; `None` for other texts, and the file then says nothing of its date.
fn moment(text: &str) -> Option<Datetime> {
    let mut numbers = text.split(['-', ' ', ':']).map(|part| part.parse::<u16>().ok());
    let year = i32::from(numbers.next()??);
    let mut next = || u8::try_from(numbers.next()??).ok();
    Datetime::from_ymd_hms(year, next()?, next()?, next()?, next()?, next()?)
}

fn file_id(name: &str) -> FileId {
    let path = VirtualPath::new(name).expect("our own names are plain");
    RootedPath::new(VirtualRoot::Project, path).intern()
}
