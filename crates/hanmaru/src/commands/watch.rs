//! `hanmaru watch`: what the watch over accesses has to know and no record says: marks of people, working hours, who staff are; and
//! how alerts get on. Each change is journalled under whom it is about.

use crate::Failure;
use crate::alerts;
use crate::commands::whose::Whose;
use crate::hall::{Hall, configured};
use base::{Id16, Timestamp};
use policy::{Action, InstitutionCode};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use watch::{Flag, Hours, Unknown, Watch as Watching};

/// Arguments of `hanmaru watch`.
#[derive(clap::Args)]
pub struct Watch {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Marks a person, or one patient of an institution, by id.
    Mark {
        /// The id, or an institution's code and the number there, such as 31100001/p1.
        subject: Whose,
        /// As what.
        mark: Mark,
        /// When the person died, such as 2026-05-01T00:00:00+09:00.
        #[arg(long, required_if_eq("mark", "deceased"))]
        since: Option<Timestamp>,
    },
    /// Takes a mark away.
    Unmark {
        /// The id, or CODE/NUMBER.
        subject: Whose,
        /// Which.
        mark: Mark,
    },
    /// Says when an institution works on some weekdays.
    Hours {
        /// The institution's code.
        institution: String,
        /// The weekdays, from 1 for Monday to 7.
        #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(i8).range(1..=7), required = true)]
        days: Vec<i8>,
        /// When work begins, such as 09:00. The same as its end says that nobody works.
        #[arg(long)]
        from: jiff::civil::Time,
        /// When it ends.
        #[arg(long)]
        to: jiff::civil::Time,
    },
    /// Says which person a member of staff is, and where they work. What is not said stays as it was said before.
    Staff {
        /// The account, as `hanmaru staff list` tells it.
        account: Id16,
        /// The person: their user code, as they see it under representatives once they are signed in.
        #[arg(long, value_parser = user_code)]
        person: Option<Id16>,
        /// The person, as an institution knows them: its code and their number there, such as 31100001/p1.
        #[arg(long, value_name = "CODE/NUMBER", conflicts_with = "person")]
        known_as: Option<String>,
        /// The institution's code.
        #[arg(long, required_unless_present_any = ["person", "known_as", "forget"])]
        institution: Option<String>,
        /// Takes back what was said of them.
        #[arg(long, conflicts_with_all = ["person", "known_as", "institution"])]
        forget: bool,
    },
    /// Lists accounts with rights of which nobody said which person they are, and institutions without hours on some weekday.
    Unknown,
    /// Tells how alerts get on at each destination.
    Alerts,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Mark {
    /// In the public eye.
    Vip,
    /// Died.
    Deceased,
    /// A record that nobody has a reason to open.
    Decoy,
}

impl Watch {
    /// Does it. Exit status 1 where alerts do not arrive, or something is not known.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let hall = Hall::look(&configured(&self.config)?)?;
        let watch = Watching::new(hall.store().clone(), hall.door.clone())?;
        let permit = hall.operate("watch", Action::ReadStatus)?;
        let note = |subject| hall.store().note_use(&permit, subject, "watch-mark");
        match self.what {
            What::Mark { subject, mark, since } => {
                let subject = subject.id(&hall)?;
                note(subject)?;
                watch.mark(subject, flag(mark, since))?;
            }
            What::Unmark { subject, mark } => {
                let subject = subject.id(&hall)?;
                note(subject)?;
                watch.unmark(subject, flag(mark, None))?;
            }
            What::Hours { institution, days, from, to } => {
                let institution = code(&institution)?;
                note(policy::Owner::institution(&institution).id())?;
                let minute = |time: jiff::civil::Time| i32::from(time.hour()) * 60 + i32::from(time.minute());
                let (from_minute, to_minute) = (minute(from), minute(to));
                let hours = if from_minute == to_minute {
                    Hours { from_minute: 0, to_minute: 0 }
                } else {
                    Hours { from_minute, to_minute }
                };
                for day in days {
                    watch.set_hours(institution.clone(), day, hours)?;
                }
            }
            What::Staff { account, person, known_as, institution, forget } => {
                // Of an account that was mistyped it would be said in vain, and whose it was meant to be would stay unknown.
                if !watch.is_staff(account)? {
                    return Err(
                        format!("{account} is the account of no member of staff: see `hanmaru staff list`").into()
                    );
                }
                note(account)?;
                if forget {
                    watch.forget_staff(account)?;
                    return Ok(ExitCode::SUCCESS);
                }
                let person = match known_as {
                    Some(number) => Some(known(&watch, &number)?),
                    None => person,
                };
                // A code of nobody would tell nothing, and let pass what is refused to whoever has a part in it.
                if let Some(person) = person
                    && hall.store().facts(person)?.person.is_none()
                {
                    return Err(format!("{person} is the user code of nobody").into());
                }
                person.map(note).transpose()?;
                watch.works_at(account, person, institution.as_deref().map(code).transpose()?)?;
            }
            What::Unknown => return Ok(say_unknown(&watch.unknown(&permit)?)),
            What::Alerts => return Ok(say_alerts(&watch.deliveries()?, alerts::waiting(hall.store())?)),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn flag(mark: Mark, since: Option<Timestamp>) -> Flag {
    match mark {
        Mark::Vip => Flag::Vip,
        Mark::Deceased => Flag::Deceased(since.unwrap_or_default()),
        Mark::Decoy => Flag::Decoy,
    }
}

fn code(text: &str) -> Result<InstitutionCode, Failure> {
    InstitutionCode::new(text).ok_or_else(|| format!("{text:?} is no institution's code").into())
}

/// A user code, with or without the spaces that it is shown with.
fn user_code(text: &str) -> Result<Id16, String> {
    let code: String = text.split_whitespace().collect();
    code.parse().map_err(|_| "a user code has 32 letters and digits".to_owned())
}

/// The person whom an institution knows under a number: `CODE/NUMBER`.
fn known(watch: &Watching, text: &str) -> Result<Id16, Failure> {
    let (institution, number) = text.split_once('/').ok_or("write --known-as CODE/NUMBER")?;
    let person = watch.person_known_as(&code(institution)?, number)?;
    person.ok_or_else(|| "no person is known by that number: deposit their records there first".into())
}

fn say_unknown(unknown: &Unknown) -> ExitCode {
    for account in &unknown.accounts {
        println!("account {account}: no person (hanmaru watch staff)");
    }
    for institution in &unknown.institutions {
        println!("institution {institution}: no hours on some weekday (hanmaru watch hours)");
    }
    if unknown.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// What arrived last tells nothing of what did not: both are said.
fn say_alerts(deliveries: &[watch::Delivery], waiting: Vec<(String, store::Jobs)>) -> ExitCode {
    let moment = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), |time| time.to_string());
    let mut jobs: BTreeMap<String, store::Jobs> = waiting.into_iter().collect();
    for one in deliveries {
        jobs.entry(one.destination.clone()).or_default();
    }
    for (destination, jobs) in &jobs {
        let last = deliveries.iter().find(|one| one.destination == *destination);
        let (good, bad) = (last.and_then(|one| one.good), last.and_then(|one| one.bad));
        println!("{destination}: arrived last {}, failed last {}", moment(good), moment(bad));
        println!(
            "  {} wait, of them {} failed before; {} given up in seven days",
            jobs.waiting, jobs.again, jobs.failed
        );
        if let Some(fault) = last.map(|one| &one.fault).filter(|fault| !fault.is_empty()) {
            println!("  {fault}");
        }
    }
    if jobs.is_empty() {
        println!("no alert was sent yet");
    }
    let get_on = jobs.values().all(store::Jobs::get_on) && deliveries.iter().all(|one| one.fault.is_empty());
    if get_on { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
