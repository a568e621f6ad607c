//! The watch at work: takes new entries of the access log in order, puts them to the rules, and writes down what was found together
//! with how far it came. One process works at a time; two that do lose nothing and find nothing twice.

use crate::error::WatchError;
use crate::facts::{Facts, Gap, Hours, Source as _};
use crate::finding::Finding;
use crate::params::Params;
use crate::rules::Rules;
use crate::source::Batch;
use crate::tables::{self, NewFinding, StaffRow};
use base::{Clock, Id16, KOREA, Random, Timestamp};
use jiff::SignedDuration;
use policy::{Action, Door, InstitutionCode, Permit};
use std::collections::HashMap;
use std::sync::Arc;
use store::{AccessEntry, AccessKey, Checked, Hole, Store};
use zeroize::Zeroizing;

/// Entries that are looked at in one step.
const BATCH: usize = 500;
/// Newest entries that are read once more at a start, at most, so that counting rules know what came before.
const REPLAY_MAX: u64 = 100_000;
/// Steps without a new entry, or with, after which reviews that are due and holes are looked for.
const LOOK_STEPS: u32 = 10;
/// Reviews that are due and are told of in one look.
const DUE_MAX: usize = 200;
/// After which the log is looked through from its beginning again: what was there yesterday may be gone today.
const AGAIN: SignedDuration = SignedDuration::from_hours(24);
/// After which a key that is missing is told of: until then somebody may be restarting or restoring something.
const KEYLESS: SignedDuration = SignedDuration::from_mins(1);
/// The job's name.
const JOB: &str = "watch";
/// New cases that destinations are told of in one go.
const NEW_CASES_MAX: usize = 200;

/// Watchfulness over a store. A cheap handle; every call blocks.
#[derive(Clone)]
pub struct Watch {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub store: Store,
    pub door: Arc<Door>,
    pub secret: Zeroizing<[u8; 32]>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("edition", &self.params().version).finish_non_exhaustive()
    }
}

/// What is to be marked about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// In the public eye.
    Vip,
    /// Died at this time.
    Deceased(Timestamp),
    /// Nobody at all: whoever asks for this record has no reason to.
    Decoy,
}

impl Flag {
    /// Its name in tables and forms.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vip => "vip",
            Self::Deceased(_) => "deceased",
            Self::Decoy => "decoy",
        }
    }

    /// The flag of a name that people set with a reason.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Vip, Self::Decoy].into_iter().find(|flag| flag.name() == name)
    }
}

/// Reads the log and remembers what counting rules need. One for a thread.
#[derive(Debug)]
pub struct Reader {
    watch: Watch,
    rules: Rules,
    /// The number of the last entry that the rules know and that is written down; `None` before the first step, and where what
    /// the rules know was not written.
    at: Option<u64>,
    /// The number of the last entry whose person was counted for the day; `None` before the first step.
    day_at: Option<u64>,
    steps: u32,
    again: Again,
    /// The key for want of which nothing can be read, since when, and where the watch stood then.
    keyless: Option<(String, Timestamp, u64)>,
}

/// The look through what had no hole when it was looked through first: from the beginning to there, once a day and after a start.
#[derive(Debug, Clone, Copy, Default)]
struct Again {
    /// When it began; `None` before the first.
    begun: Option<Timestamp>,
    /// Up to where it came; `None` where it is through.
    at: Option<Checked>,
}

/// What a step did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// Entries that were looked at.
    pub entries: usize,
    /// Findings that were new.
    pub findings: usize,
    /// Whether more entries wait.
    pub more: bool,
}

/// A case that is to be told to destinations, for the first time or again: nothing in it is about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCase {
    /// The case.
    pub incident: Id16,
    /// Name of the rule.
    pub rule: String,
    /// Name of how grave it is.
    pub severity: String,
    /// When it was opened.
    pub opened: Timestamp,
    /// How often they were told of it before.
    pub tellings: u32,
}

impl Watch {
    /// Watchfulness over an open store, whose clock and random source it uses.
    ///
    /// # Errors
    /// [`WatchError::Store`] where its secret cannot be had.
    pub fn new(store: Store, door: Arc<Door>) -> Result<Self, WatchError> {
        let secret = store.secret("watch")?;
        let (clock, random) = (store.clock(), store.random());
        Ok(Self { inner: Arc::new(Inner { store, door, secret, clock, random }) })
    }

    /// A reader that goes on where the last one came to.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader {
            watch: self.clone(),
            rules: Rules::new(Params::editions()),
            at: None,
            day_at: None,
            steps: 0,
            again: Again::default(),
            keyless: None,
        }
    }

    /// The parameters of the rules that are in force now.
    #[must_use]
    pub fn params(&self) -> &'static Params {
        Params::at(self.inner.clock.now())
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn permit(&self) -> Result<Permit, WatchError> {
        Ok(self.inner.store.ask_job(&self.inner.door, JOB, Action::WatchAccesses)?)
    }

    /// Marks a person, or one patient of an institution. For the command line; people go through [`Watch::mark_patient`].
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn mark(&self, subject: Id16, flag: Flag) -> Result<(), WatchError> {
        let now = self.inner.clock.now();
        let since_us = match flag {
            Flag::Deceased(time) => time.as_microsecond(),
            Flag::Vip | Flag::Decoy => now.as_microsecond(),
        };
        let name = flag.name();
        Ok(self.tables().write("marking for the watch", move |t| tables::set_flag(t, subject, name, since_us))?)
    }

    /// Takes a mark away.
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn unmark(&self, subject: Id16, flag: Flag) -> Result<(), WatchError> {
        let name = flag.name();
        let clear = move |t: &rusqlite::Transaction<'_>| tables::clear_flag(t, subject, name).map(drop);
        Ok(self.tables().write("unmarking for the watch", clear)?)
    }

    /// Says who a member of staff is as a person, and where they work; what is not said now stays as it was said before.
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn works_at(
        &self,
        account: Id16,
        person: Option<Id16>,
        institution: Option<InstitutionCode>,
    ) -> Result<(), WatchError> {
        let row = StaffRow { person, institution };
        Ok(self.tables().write("a member of staff", move |t| tables::set_staff(t, account, &row))?)
    }

    /// Takes back who a member of staff is, and where they work.
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn forget_staff(&self, account: Id16) -> Result<(), WatchError> {
        Ok(self.tables().write("a member of staff", move |t| tables::forget_staff(t, account))?)
    }

    /// Whether an account is that of a member of staff, or of one who left.
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn is_staff(&self, account: Id16) -> Result<bool, WatchError> {
        Ok(self.tables().read("whether somebody is staff", |connection| tables::is_staff(connection, account))?)
    }

    /// Whether a person, or a patient as they are linked now, is who a member of staff is, as far as that was said.
    ///
    /// # Errors
    /// [`WatchError::Store`], [`WatchError::Denied`].
    pub fn is_own(&self, account: Id16, subject: Id16) -> Result<bool, WatchError> {
        let Some(own) = self.person_of(account)? else { return Ok(false) };
        Ok(own == subject || self.store().person_of_patient(&self.permit()?, subject)? == Some(own))
    }

    /// Which person a member of staff is, where that was said.
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn person_of(&self, account: Id16) -> Result<Option<Id16>, WatchError> {
        let read = |connection: &rusqlite::Connection| Ok(tables::staff(connection, account)?.person);
        Ok(self.tables().read("who a member of staff is", read)?)
    }

    /// Says when an institution works on a weekday, from 1 for Monday.
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn set_hours(&self, institution: InstitutionCode, weekday: i8, hours: Hours) -> Result<(), WatchError> {
        let set = move |t: &rusqlite::Transaction<'_>| tables::set_hours(t, &institution, weekday, hours);
        Ok(self.tables().write("working hours", set)?)
    }

    /// Cases that no destination was told of yet, and those that went on since. Whoever has seen to it that they will be calls [`Watch::told`].
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn untold(&self) -> Result<Vec<NewCase>, WatchError> {
        Ok(self.tables().read("cases to tell of", |connection| tables::untold(connection, NEW_CASES_MAX))?)
    }

    /// Notes that the alerts of a case wait to be sent.
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn told(&self, incident: Id16) -> Result<(), WatchError> {
        let now_us = self.inner.clock.now().as_microsecond();
        Ok(self.tables().write("a case told of", move |t| tables::set_told(t, incident, now_us))?)
    }

    pub(crate) fn tables(&self) -> store::Tables {
        self.inner.store.tables()
    }
}

impl Reader {
    /// Looks at the next entries, and from time to time at what is due and at what is missing. After an error the next step
    /// begins where the log was watched to: no entry is passed over. Where the error stays, for want of a key, that is found once.
    ///
    /// # Errors
    /// [`WatchError::Store`], [`WatchError::Denied`].
    pub fn step(&mut self) -> Result<Step, WatchError> {
        let permit = self.watch.permit()?;
        let mut step = self.next(&permit);
        match &step {
            Ok(_) => self.keyless = None,
            Err(error) => match error.missing_key() {
                // Whatever else is found goes on being found.
                Some(key) => self.without(key)?,
                None => return step,
            },
        }
        if self.steps.is_multiple_of(LOOK_STEPS) {
            let findings = self.due(&permit)? + self.missing(&permit)?;
            step = step.map(|step| Step { findings: step.findings + findings, ..step });
        }
        self.steps = self.steps.wrapping_add(1);
        step
    }

    fn next(&mut self, permit: &Permit) -> Result<Step, WatchError> {
        let at = match self.at {
            Some(at) => at,
            None => self.start(permit)?,
        };
        self.entries(permit, at)
    }

    /// Tells of a key for want of which the log cannot be read, where it has been missing for a while.
    fn without(&mut self, key: &str) -> Result<(), WatchError> {
        let now = self.watch.inner.clock.now();
        // Read once: another process may go on meanwhile, and it is one outage all the same.
        let (since, after) = match &self.keyless {
            Some((known, since, after)) if known == key => (*since, *after),
            _ => (now, self.watch.tables().read("where the watch is", tables::position)?.0),
        };
        self.keyless = Some((key.to_owned(), since, after));
        if now.duration_since(since) >= KEYLESS {
            self.find_gaps([Gap::NoKey { key: key.to_owned(), after }], now, None)?;
        }
        Ok(())
    }

    /// Finds where the log was watched to, and tells the rules what came shortly before.
    fn start(&mut self, permit: &Permit) -> Result<u64, WatchError> {
        let inner = Arc::clone(&self.watch.inner);
        let (position, _) = self.watch.tables().read("where the watch is", tables::position)?;
        self.rules.count_anew();
        // Twice the window: an account that was told of shortly before is not told of again.
        let params = self.watch.params();
        let before = |window_s: i64| {
            let from = inner.clock.now().checked_sub(SignedDuration::from_secs(2 * window_s));
            inner.store.watched_before(permit, from.unwrap_or(Timestamp::MIN), REPLAY_MAX)
        };
        let day_at = match self.day_at {
            Some(day_at) => day_at,
            None => before(params.velocity_day.window_s)?,
        };
        let mut at = before(params.longest_window_s())?.min(day_at).min(position);
        while at < position {
            let most = usize::try_from(position - at).unwrap_or(BATCH).min(BATCH);
            let entries = inner.store.watched(permit, at, most)?;
            let Some(last) = entries.last() else { break };
            at = last.number;
            for entry in entries.into_iter().filter_map(|one| one.entry) {
                // What was found then is known; only what is counted matters, and people are, not their patients.
                let person = inner.store.person_of_patient(permit, entry.subject)?;
                self.rules.observe(&entry, &Facts { person, ..Facts::default() });
            }
        }
        (self.at, self.day_at) = (Some(position), Some(position));
        Ok(position)
    }

    fn entries(&mut self, permit: &Permit, at: u64) -> Result<Step, WatchError> {
        let inner = Arc::clone(&self.watch.inner);
        let watched = inner.store.watched(permit, at, BATCH)?;
        let Some(last) = watched.last().map(|last| last.number) else { return Ok(Step::default()) };
        let now = inner.clock.now();
        let mut batch = Batch::new(&inner.store, permit, Params::editions(), &inner.secret);
        let mut work = Work { to: last, now_us: now.as_microsecond(), ..Work::default() };
        // What can fail comes before the rules count anything.
        let mut seen = Vec::with_capacity(watched.len());
        for one in watched {
            let Some(entry) = one.entry else {
                seen.push((one.number, None));
                continue;
            };
            let facts = batch.facts(&entry)?;
            batch.remember(&entry);
            seen.push((one.number, Some((entry, facts))));
        }
        (self.at, self.day_at) = (None, Some(last));
        let mut before = at;
        for (number, one) in seen {
            let unreadable = one.is_none().then_some(Gap::Unreadable { number });
            for gap in Gap::between(before, number).into_iter().chain(unreadable) {
                work.add(&self.watch, self.rules.gap(&gap, now), None);
            }
            before = number;
            let Some((entry, facts)) = one else { continue };
            let findings = self.rules.observe(&entry, &facts);
            work.entries += 1;
            for finding in findings {
                work.add(&self.watch, finding, Some((&entry, &facts)));
            }
            work.count(&entry, &facts);
        }
        work.used = batch.used.into_iter().map(|(account, time)| (account, time.as_microsecond())).collect();
        work.devices =
            batch.devices.into_iter().map(|((who, device), time)| (who, device, time.as_microsecond())).collect();
        let entries = work.entries;
        let findings = self.commit(at, work).inspect_err(|error| {
            // What was told of and not kept is told of again: the rules remember nothing of it. Another watch that came further kept it.
            if !matches!(error, WatchError::Overtaken) {
                (self.rules, self.day_at) = (Rules::new(Params::editions()), None);
            }
        })?;
        self.at = Some(last);
        metrics::counter!("hanmaru_watch_entries").increment(entries as u64);
        metrics::counter!("hanmaru_watch_findings").increment(findings as u64);
        Ok(Step { entries, findings, more: entries >= BATCH })
    }

    fn commit(&self, from: u64, work: Work) -> Result<usize, WatchError> {
        let to = work.to;
        let write = move |t: &rusqlite::Transaction<'_>| {
            if from != to && !tables::advance(t, from, to)? {
                return Ok(None);
            }
            work.write(t).map(Some)
        };
        // Another watch came further meanwhile: this one begins again where that one is.
        self.watch.tables().write("what the watch found", write)?.ok_or(WatchError::Overtaken)
    }

    /// Reviews that are due.
    fn due(&self, permit: &Permit) -> Result<usize, WatchError> {
        let inner = &self.watch.inner;
        let now = inner.clock.now();
        let mut batch = Batch::new(&inner.store, permit, Params::editions(), &inner.secret);
        let overdue = batch.overdue(now, DUE_MAX)?;
        if overdue.is_empty() {
            return Ok(0);
        }
        let mut work = Work { now_us: now.as_microsecond(), ..Work::default() };
        for finding in self.rules.overdue(&overdue, now) {
            work.add(&self.watch, finding, None);
        }
        self.commit(0, work)
    }

    /// Holes in the log, and journal files that broke off.
    fn missing(&mut self, permit: &Permit) -> Result<usize, WatchError> {
        let inner = Arc::clone(&self.watch.inner);
        let now = inner.clock.now();
        let (_, checked) = self.watch.tables().read("where the watch is", tables::position)?;
        let (mut holes, now_checked) = inner.store.access_holes(permit, checked)?;
        let (gone, again) = self.missing_since(permit, checked, now)?;
        holes.extend(gone);
        let torn = inner.store.torn_journals()?;
        let gaps = holes.into_iter().map(gap_of).chain(torn.into_iter().map(|file| Gap::Journal { file }));
        let found = self.find_gaps(gaps, now, (now_checked != checked).then_some(now_checked))?;
        self.again = again;
        Ok(found)
    }

    /// Writes down gaps that are not known, and up to where the log was looked through where that is new.
    fn find_gaps(
        &self,
        gaps: impl IntoIterator<Item = Gap>,
        now: Timestamp,
        checked: Option<Checked>,
    ) -> Result<usize, WatchError> {
        let mut work = Work { now_us: now.as_microsecond(), checked, ..Work::default() };
        for gap in gaps {
            let finding = self.rules.gap(&gap, now);
            let known =
                |connection: &rusqlite::Connection| tables::is_found(connection, finding.entry, finding.rule.name());
            // A file that broke off lies there until somebody takes it away.
            if !self.watch.tables().read("gaps that are known", known)? {
                work.add(&self.watch, finding, None);
            }
        }
        if work.findings.is_empty() && work.checked.is_none() { Ok(0) } else { self.commit(0, work) }
    }

    /// The next stretch of what was looked through before, up to `checked`.
    fn missing_since(
        &self,
        permit: &Permit,
        checked: Checked,
        now: Timestamp,
    ) -> Result<(Vec<Hole>, Again), WatchError> {
        let mut again = self.again;
        // What takes longer than that comes to its end all the same: the newest entries stand there.
        if again.at.is_none() && again.begun.is_none_or(|begun| now.duration_since(begun) >= AGAIN) {
            again = Again { begun: Some(now), at: Some(Checked::default()) };
        }
        let Some(from) = again.at else { return Ok((Vec::new(), again)) };
        let (mut holes, at) = self.watch.inner.store.access_holes(permit, from)?;
        let is_end = at == from && at.number < checked.number;
        if is_end {
            // The last of them are gone with their leaves.
            holes.push(Hole::NoLeaf { from: at.number + 1, to: checked.number });
        }
        again.at = (at.number < checked.number && !is_end).then_some(at);
        Ok((holes, again))
    }
}

fn gap_of(hole: Hole) -> Gap {
    match hole {
        Hole::Entries { from, to } => Gap::Entries { from, to },
        Hole::NoLeaf { from, to } => Gap::NotInLog { from, to },
        Hole::Leaves { from, to } => Gap::Leaves { from, to },
    }
}

/// What one step writes, all at once.
#[derive(Default)]
struct Work {
    to: u64,
    now_us: i64,
    entries: usize,
    findings: Vec<(NewFinding, Id16)>,
    used: Vec<(Id16, i64)>,
    devices: Vec<(Id16, [u8; 16], i64)>,
    counts: HashMap<(String, String, String, String, bool), u64>,
    checked: Option<Checked>,
}

impl Work {
    fn add(&mut self, watch: &Watch, finding: Finding, of: Option<(&AccessEntry, &Facts)>) {
        let (role, institution) = of.map_or_else(Default::default, |(entry, facts)| {
            let code = facts.works_at.as_ref().or(entry.institution.as_ref());
            (entry.actor.role.clone(), code.map(ToString::to_string).unwrap_or_default())
        });
        let mut behind = finding.others.clone();
        if let Some((entry, _)) = of.filter(|_| finding.others.is_empty()) {
            behind.push(AccessKey { subject: entry.subject, time: entry.time, id: entry.id });
        }
        let fresh = Id16::random(&*watch.inner.random);
        let params = of.map_or_else(|| watch.params(), |(entry, _)| Params::at(entry.time));
        self.findings.push((NewFinding { finding, role, institution, behind, params }, fresh));
    }

    fn count(&mut self, entry: &AccessEntry, facts: &Facts) {
        let code = facts.works_at.as_ref().or(entry.institution.as_ref());
        let month = entry.time.to_zoned(KOREA).strftime("%Y-%m").to_string();
        let denied = entry.result != store::AccessResult::Granted;
        let institution = code.map(ToString::to_string).unwrap_or_default();
        let key = (month, entry.actor.role.clone(), institution, entry.action.clone(), denied);
        *self.counts.entry(key).or_default() += 1;
    }

    fn write(self, t: &rusqlite::Transaction<'_>) -> rusqlite::Result<usize> {
        let mut found = 0;
        for (finding, fresh) in &self.findings {
            found += usize::from(tables::add_finding(t, finding, *fresh, self.now_us)?.is_some());
        }
        for (account, last_us) in self.used {
            tables::set_last_used(t, account, last_us)?;
        }
        for (account, device, first_us) in self.devices {
            tables::add_device(t, account, device, first_us)?;
        }
        for ((month, role, institution, action, denied), accesses) in self.counts {
            tables::count(t, &month, (&role, &institution, &action, denied), accesses)?;
        }
        if let Some(checked) = self.checked {
            tables::set_checked(t, checked)?;
        }
        Ok(found)
    }
}
