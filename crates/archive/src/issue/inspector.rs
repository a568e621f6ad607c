//! Looks at deposited files in processes of its own before the typesetter sees them. A PDF can be made so that whoever reads it
//! goes down without end and overflows its stack, which ends a whole program: then it ends a process that did nothing else, and
//! the file is listed as one that cannot be drawn. Nothing is decided here about what is drawn; see [`super::sheets`].
//!
//! The process does with a PDF what issuing will do with it, on stacks of half the size that the threads here have, and with
//! memory that it has bounded itself. So what went well there goes well here: nothing here parses a PDF that did not pass there,
//! with the same parser. A deposit asks the same processes whether a file can be read at all.
//!
//! Questions and answers go through its standard input and output. A question: what is asked 1, length 8, big-endian, and the
//! bytes of the file. An answer: 23 bytes, see [`Answer`].

use crate::issue::content::Text;
use crate::issue::sheets::{self, Drawable};
use crate::issue::{TYPESETTER, service::FILE_BYTES_MAX};
use rustix::process::{Resource, Rlimit};
use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Stack of each thread of an inspecting process in bytes: half of what the standard library gives to others.
const STACK_BYTES: usize = 1 << 20;
/// Processes that inspect at the same time at least; they stay for the next question.
const PROCESSES_MIN: usize = 2;
/// How long one file may take to be drawn and to be read. Beyond it would hold up everybody else's.
const PATIENCE_DRAW: Duration = Duration::from_secs(30);
const PATIENCE_READ: Duration = Duration::from_secs(20);
/// Memory that a process may write to in bytes, besides so many times the file that it looks at: fonts and pages of ordinary
/// documents take a fifth of it.
const MEMORY_BYTES: u64 = 512 << 20;
const MEMORY_PER_BYTE: u64 = 4;
/// Answers that are remembered, by the SHA-256 of the file.
const REMEMBERED_MAX: usize = 20_000;
/// Reasons that an answer may give, by their place.
const REASONS: [&str; 6] =
    ["reason.damaged", "reason.encrypted", "reason.format", "reason.empty", "reason.too-large", UNCHECKED];
/// What a file can be drawn as, by the place in an answer.
const FORMATS: [&str; 3] = ["pdf", "png", "jpg"];
/// No process could be started.
const UNCHECKED: &str = "reason.unchecked";

/// How to start a process that calls [`answer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectorCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// Inspecting processes, and what they have found out. Without a command, files are looked at in this process: for tests and
/// tools, where an overflow ends nobody's service.
#[derive(Debug, Default)]
pub struct Inspector {
    command: Option<InspectorCommand>,
    processes: Vec<Mutex<Option<Running>>>,
    turn: AtomicUsize,
    known: Mutex<Known>,
}

type Looked = Result<Drawable, Text>;

/// Why a file was not found to be readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// No process could be started: nothing is known of it.
    Unchecked,
    /// It ended two processes that looked at it, by their stack or their memory.
    Ended,
    /// It took too long.
    Slow,
    /// A key of the word tables says why.
    Told(Text),
}

impl Unreadable {
    fn into_text(self) -> Text {
        match self {
            // Who took too long may have had a busy machine: nothing is known of the file.
            Self::Unchecked | Self::Slow => Text::word(UNCHECKED),
            Self::Ended => Text::word("reason.damaged"),
            Self::Told(text) => text,
        }
    }
}

/// What is asked about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    /// Whether it can be drawn.
    Draw,
    /// Whether it can be read.
    Read,
}

impl Question {
    const fn code(self) -> u8 {
        match self {
            Self::Draw => 1,
            Self::Read => 2,
        }
    }

    const fn patience(self) -> Duration {
        match self {
            Self::Draw => PATIENCE_DRAW,
            Self::Read => PATIENCE_READ,
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Self::Draw, Self::Read].into_iter().find(|question| question.code() == code)
    }
}

impl Inspector {
    /// An inspector that starts its processes when it needs them.
    #[must_use]
    pub fn new(command: Option<InspectorCommand>) -> Self {
        Self::for_threads(command, PROCESSES_MIN)
    }

    /// The same for so many threads that ask at the same time.
    #[must_use]
    pub fn for_threads(command: Option<InspectorCommand>, threads: usize) -> Self {
        let processes = (0..threads.max(PROCESSES_MIN)).map(|_| Mutex::default()).collect();
        Self { command, processes, ..Self::default() }
    }

    /// Whether pages or an image can be drawn from a file.
    #[must_use]
    pub fn can_draw(&self, bytes: &Arc<[u8]>) -> bool {
        self.look(bytes).is_ok()
    }

    /// Whether a PDF can be read and has pages. No page is drawn: that takes a fraction of the time, and tells nothing of what
    /// drawing would do.
    #[must_use]
    pub fn can_read(&self, pdf: &[u8]) -> bool {
        self.read(pdf).is_ok()
    }

    /// Whether a PDF can be read and has pages, or the size of a picture.
    pub(crate) fn read(&self, bytes: &[u8]) -> Result<(), Unreadable> {
        let looked = match &self.command {
            Some(command) => self.ask(command, Question::Read, bytes),
            None => sheets::read(&bytes.into()).map_err(Unreadable::Told),
        };
        looked.map(drop)
    }

    /// What a file can be drawn as, or a key of the word tables that says why it cannot.
    pub(super) fn look(&self, bytes: &Arc<[u8]>) -> Looked {
        let Some(command) = self.command.as_ref().filter(|_| sheets::is_pdf(bytes)) else {
            return sheets::look(bytes);
        };
        let digest = base::sha256(bytes);
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(looked) = known().answers.get(&digest) {
            return looked.clone();
        }
        let asked = self.ask(command, Question::Draw, bytes);
        // Of a file that was not looked at nothing is known, so another attempt may go better.
        let is_known = asked != Err(Unreadable::Unchecked);
        let looked = asked.map_err(Unreadable::into_text);
        if is_known {
            known().insert(digest, looked.clone());
        }
        looked
    }

    fn ask(&self, command: &InspectorCommand, question: Question, bytes: &[u8]) -> Result<Drawable, Unreadable> {
        let mut process = self.process();
        // A process that ends may have been ended by somebody else. Two that do were ended by the file.
        for _ in 0..2 {
            let Some(mut running) = process.take().map_or_else(|| Running::start(command).ok(), Some) else {
                return Err(Unreadable::Unchecked);
            };
            match running.ask(question, bytes) {
                Ok(looked) => {
                    *process = Some(running);
                    return looked.map_err(Unreadable::Told);
                }
                Err(late) if late.kind() == io::ErrorKind::TimedOut => return Err(Unreadable::Slow),
                Err(_) => {}
            }
        }
        Err(Unreadable::Ended)
    }

    /// A process that has nothing to do, or the next one that will have.
    fn process(&self) -> MutexGuard<'_, Option<Running>> {
        if let Some(free) = self.processes.iter().find_map(|process| process.try_lock().ok()) {
            return free;
        }
        let place = self.turn.fetch_add(1, Ordering::Relaxed) % self.processes.len();
        self.processes[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was found out, oldest first to be forgotten.
#[derive(Debug, Default)]
struct Known {
    answers: HashMap<[u8; 32], Looked>,
    order: VecDeque<[u8; 32]>,
}

impl Known {
    fn insert(&mut self, digest: [u8; 32], looked: Looked) {
        if self.answers.insert(digest, looked).is_none() {
            self.order.push_back(digest);
        }
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.answers.remove(&oldest);
        }
    }
}

/// One inspecting process.
#[derive(Debug)]
struct Running {
    child: Child,
    questions: ChildStdin,
    answers: Receiver<io::Result<[u8; Answer::BYTES]>>,
}

impl Running {
    fn start(command: &InspectorCommand) -> io::Result<Self> {
        let mut child = Command::new(&command.program)
            .args(&command.arguments)
            // It gets nothing of what this process knows.
            .env_clear()
            .env("RUST_MIN_STACK", STACK_BYTES.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(questions), Some(mut out)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a process without pipes"));
        };
        let (send, answers) = channel();
        std::thread::Builder::new().name("inspector".to_owned()).spawn(move || {
            loop {
                let mut answer = [0; Answer::BYTES];
                let read = out.read_exact(&mut answer).map(|()| answer);
                let is_over = read.is_err();
                if send.send(read).is_err() || is_over {
                    return;
                }
            }
        })?;
        Ok(Self { child, questions, answers })
    }

    fn ask(&mut self, question: Question, bytes: &[u8]) -> io::Result<Looked> {
        self.questions.write_all(&[question.code()])?;
        self.questions.write_all(&(bytes.len() as u64).to_be_bytes())?;
        self.questions.write_all(bytes)?;
        self.questions.flush()?;
        let answer = self.answers.recv_timeout(question.patience()).map_err(|error| match error {
            RecvTimeoutError::Timeout => io::Error::from(io::ErrorKind::TimedOut),
            RecvTimeoutError::Disconnected => io::Error::other(error),
        })??;
        Answer(answer).read().ok_or_else(|| io::Error::other("no answer of ours"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; without waiting it would stay listed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes of an answer.
pub const ANSWER_BYTES: usize = 23;

/// What an answer says of the file, that it can be drawn or read, or that it cannot; `None` where no process answers so.
#[must_use]
pub fn says_drawable(answer: [u8; ANSWER_BYTES]) -> Option<bool> {
    Answer(answer).read().map(|looked| looked.is_ok())
}

/// An answer: what the file can be drawn as 1 (place among [`FORMATS`] from 1, or `0`), place of the reason 1, pages 4, whether it is a PDF 2.0 1, bytes of the
/// contents 8, pixels 8. What does not apply is zero.
struct Answer([u8; Self::BYTES]);

impl Answer {
    const BYTES: usize = ANSWER_BYTES;

    fn of(looked: &Looked) -> Self {
        let mut bytes = [0; Self::BYTES];
        match looked {
            Ok(drawable) => {
                let format = FORMATS.iter().position(|format| *format == drawable.format).unwrap_or(0);
                bytes[0] = u8::try_from(format + 1).unwrap_or(1);
                bytes[2..6].copy_from_slice(&u32::try_from(drawable.pages).unwrap_or(u32::MAX).to_be_bytes());
                bytes[6] = u8::from(drawable.pdf2);
                bytes[7..15].copy_from_slice(&drawable.contents.to_be_bytes());
                bytes[15..].copy_from_slice(&drawable.pixels.to_be_bytes());
            }
            Err(reason) => {
                let place = REASONS.iter().position(|known| *reason == Text::word(known)).unwrap_or(0);
                bytes[1] = u8::try_from(place).unwrap_or(0);
            }
        }
        Self(bytes)
    }

    /// What it says; `None` where it is none of ours, to the last byte: a file that took its process over writes what it likes.
    fn read(&self) -> Option<Looked> {
        let number = |from: usize| self.0[from..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let looked = match self.0[0] {
            0 => Err(Text::word(REASONS.get(usize::from(self.0[1]))?)),
            format => Ok(Drawable {
                format: FORMATS.get(usize::from(format) - 1)?,
                pages: u32::from_be_bytes(*self.0[2..].first_chunk()?) as usize,
                pdf2: self.0[6] == 1,
                contents: number(7),
                pixels: number(15),
            }),
        };
        (Self::of(&looked).0 == self.0).then_some(looked)
    }
}

/// What a program does that is an inspecting process and nothing else: bounds its memory and answers on its standard input and
/// output until there are no more questions.
///
/// # Errors
/// As [`answer`].
pub fn run() -> io::Result<()> {
    let bound = |bytes: usize| {
        let wanted = MEMORY_BYTES + MEMORY_PER_BYTE * bytes as u64;
        let now = rustix::process::getrlimit(Resource::Data);
        let current = Some(now.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
        rustix::process::setrlimit(Resource::Data, Rlimit { current, maximum: now.maximum }).map_err(io::Error::from)
    };
    bound(0)?;
    answer_within(&mut io::stdin().lock(), &mut io::stdout().lock(), &bound)
}

/// What an inspecting process does, but that it bounds nothing: answers questions until there are no more.
///
/// # Errors
/// The other side is gone, or sends more than a file may have.
pub fn answer(questions: &mut dyn Read, answers: &mut dyn Write) -> io::Result<()> {
    answer_within(questions, answers, &|_| Ok(()))
}

fn answer_within(
    questions: &mut dyn Read,
    answers: &mut dyn Write,
    bound: &dyn Fn(usize) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        let mut asked = [0];
        match questions.read_exact(&mut asked) {
            Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        let question = Question::of(asked[0]).ok_or_else(|| io::Error::other("a question that is none of ours"))?;
        let mut length = [0; 8];
        questions.read_exact(&mut length)?;
        let length = u64::from_be_bytes(length);
        if length > FILE_BYTES_MAX {
            return Err(io::Error::other("a file larger than any that is drawn"));
        }
        let length = usize::try_from(length).map_err(io::Error::other)?;
        bound(length)?;
        let mut bytes = vec![0; length];
        questions.read_exact(&mut bytes)?;
        let bytes: Arc<[u8]> = bytes.into();
        // On a stack of the size set for it, not on that of the first thread, which ends this process where nobody else would.
        let (working, ended) = channel::<()>();
        let work = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            let _working = working;
            match question {
                Question::Draw => draw(&bytes),
                Question::Read => sheets::read(&bytes),
            }
        })?;
        let looked = match ended.recv_timeout(2 * PATIENCE_DRAW) {
            Err(RecvTimeoutError::Timeout) => {
                return Err(io::Error::other("whoever asked has not waited for the answer"));
            }
            _ => work.join().unwrap_or_else(|_| Err(Text::word("reason.damaged"))),
        };
        answers.write_all(&Answer::of(&looked).0)?;
        answers.flush()?;
    }
}

/// Looks at a file and then draws it as issuing would, every page.
fn draw(bytes: &Arc<[u8]>) -> Looked {
    let drawable = sheets::look(bytes)?;
    let is_drawn = TYPESETTER.can_draw(bytes, drawable.format, (1..=drawable.pages).collect());
    if is_drawn { Ok(drawable) } else { Err(Text::word("reason.damaged")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back_as_they_were() {
        let drawable = Drawable { format: "pdf", pages: 7, pdf2: true, contents: 1 << 40, pixels: 9 };
        let all = REASONS.map(|reason| Err(Text::word(reason)));
        for looked in std::iter::once(Ok(drawable)).chain(all) {
            assert_eq!(Answer::of(&looked).read(), Some(looked));
        }
        let image = Drawable { format: "jpg", pages: 1, pdf2: false, contents: 0, pixels: 8 };
        assert_eq!(Answer::of(&Ok(image)).read(), Some(Ok(image)));
        assert_eq!(Answer([9; Answer::BYTES]).read(), None);
        assert_eq!(Answer([0, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).read(), None);
    }

    #[test]
    fn a_process_answers_until_there_are_no_more_questions() {
        let pdf = b"%PDF-1.4 and then nothing";
        let mut questions = Vec::new();
        for _ in 0..2 {
            questions.push(Question::Draw.code());
            questions.extend((pdf.len() as u64).to_be_bytes());
            questions.extend(pdf);
        }
        let mut answers = Vec::new();
        answer(&mut questions.as_slice(), &mut answers).expect("it ends well");
        assert_eq!(answers.len(), 2 * Answer::BYTES);
        let first = Answer(*answers.first_chunk().expect("an answer")).read();
        assert_eq!(first, Some(Err(Text::word("reason.damaged"))));
        let large = [&[Question::Read.code()][..], &(FILE_BYTES_MAX + 1).to_be_bytes()].concat();
        assert!(answer(&mut large.as_slice(), &mut answers).is_err());
        assert!(answer(&mut [9_u8; 20].as_slice(), &mut answers).is_err());
    }

    #[test]
    fn where_no_process_can_be_started_nothing_is_drawn() {
        let command = InspectorCommand { program: "/nowhere/hanmaru".into(), arguments: Vec::new() };
        let inspector = Inspector::new(Some(command));
        let pdf: Arc<[u8]> = b"%PDF-1.4"[..].into();
        assert_eq!(inspector.look(&pdf), Err(Text::word("reason.unchecked")));
        // One that ends at once, as one does whose stack overflowed.
        let command = InspectorCommand { program: "/bin/true".into(), arguments: Vec::new() };
        let inspector = Inspector::new(Some(command));
        assert_eq!(inspector.look(&pdf), Err(Text::word("reason.damaged")));
        assert!(!inspector.can_draw(&pdf), "and that is remembered");
        assert_eq!(inspector.read(&pdf), Err(Unreadable::Ended));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut known = Known::default();
        for number in 0..REMEMBERED_MAX + 10 {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&(number as u64).to_be_bytes());
            known.insert(digest, Err(Text::default()));
        }
        assert_eq!((known.answers.len(), known.order.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
        assert!(!known.answers.contains_key(&[0; 32]));
    }
}
