//! `hanmaru watch`: what the watch over accesses has to know and no record says: marks of people, working hours, who staff are; and
//! how alerts get on. Each change is journalled under whom it is about.

use crate::Failure;
use crate::hall::{Hall, configured};
use base::{Id16, Timestamp};
use policy::{Action, InstitutionCode};
use std::path::PathBuf;
use std::process::ExitCode;
use watch::{Flag, Hours, Watch as Watching};

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
        /// The id.
        subject: Id16,
        /// As what.
        mark: Mark,
        /// When the person died, such as 2026-05-01T00:00:00+09:00.
        #[arg(long, required_if_eq("mark", "deceased"))]
        since: Option<Timestamp>,
    },
    /// Takes a mark away.
    Unmark {
        /// The id.
        subject: Id16,
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
    /// Says which person a member of staff is, and where they work.
    Staff {
        /// The account.
        account: Id16,
        /// The person.
        #[arg(long)]
        person: Option<Id16>,
        /// The institution's code.
        #[arg(long)]
        institution: Option<String>,
    },
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
    /// Does it. Exit status 1 where alerts do not arrive.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let hall = Hall::look(&configured(&self.config)?)?;
        let watch = Watching::new(hall.store().clone(), hall.door.clone())?;
        let permit = hall.operate("watch", Action::ReadStatus)?;
        let note = |subject| hall.store().note_use(&permit, subject, "watch-mark");
        match self.what {
            What::Mark { subject, mark, since } => {
                note(subject)?;
                watch.mark(subject, flag(mark, since))?;
            }
            What::Unmark { subject, mark } => {
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
            What::Staff { account, person, institution } => {
                note(account)?;
                watch.works_at(account, person, institution.as_deref().map(code).transpose()?)?;
            }
            What::Alerts => return Ok(say_alerts(&watch.deliveries()?)),
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

fn say_alerts(deliveries: &[watch::Delivery]) -> ExitCode {
    let moment = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), |time| time.to_string());
    for one in deliveries {
        println!("{}: arrived last {}, failed last {}", one.destination, moment(one.good), moment(one.bad));
        if !one.fault.is_empty() {
            println!("  {}", one.fault);
        }
    }
    if deliveries.is_empty() {
        println!("no alert was sent yet");
    }
    if deliveries.iter().all(|one| one.fault.is_empty()) { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
