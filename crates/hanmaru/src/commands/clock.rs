//! `hanmaru clock`: lets time go on after this machine's clock ran ahead and was set right.

use crate::Failure;
use crate::hall::{Hall, configured};
use base::Timestamp;
use clap::ValueEnum;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `hanmaru clock`.
#[derive(clap::Args)]
pub struct Clock {
    /// What to do.
    #[arg(value_enum)]
    what: What,
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Today's date, as you know it from elsewhere: it confirms that the machine's clock is right by now.
    #[arg(long, value_name = "YYYY-MM-DD")]
    today: Option<Date>,
}

/// What can be done with the clock.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Takes the machine's clock for right although later times were recorded, and ends all sessions.
    Reset,
}

impl Clock {
    /// Says how far the clock is behind, and resets it where that was confirmed. Nothing to do is success.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let What::Reset = self.what;
        let hall = Hall::look(&configured(&self.config)?)?;
        let (now, behind_s) = (hall.machine_time(), hall.clock_behind_s()?);
        println!("this machine's clock says {}", in_utc(now));
        if behind_s == 0 {
            println!("nothing was recorded later than that: there is nothing to reset");
            return Ok(ExitCode::SUCCESS);
        }
        println!("the newest time recorded is {behind_s} s later: {}", in_utc(later(now, behind_s)));
        confirmed(now, self.today)?;
        let ended = hall.reset_clock()?;
        println!("time goes on from what this machine's clock says; {ended} sessions were ended");
        println!("what was recorded with later times keeps them");
        Ok(ExitCode::SUCCESS)
    }
}

/// A clock that is wrong again would put the record out of order for good: whoever resets says what day it is.
fn confirmed(now: Timestamp, today: Option<Date>) -> Result<(), Failure> {
    let Some(today) = today else {
        return Err(
            "nothing was changed; a reset ends all sessions and is written into the access log: look at a clock \
                    you trust, and run this again with --today and the date it shows"
                .into(),
        );
    };
    let machine = now.to_zoned(TimeZone::UTC).date();
    // Somewhere on earth it is the day before or after.
    if today.until(machine).is_ok_and(|apart| apart.get_days().abs() <= 1 && apart.get_months() == 0) {
        return Ok(());
    }
    Err(format!(
        "nothing was changed; this machine says that it is {machine}, and you say {today}: set its clock right first"
    )
    .into())
}

fn later(now: Timestamp, seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Timestamp::from_second(now.as_second().saturating_add(seconds)).unwrap_or(Timestamp::MAX)
}

/// A moment in words that sort.
fn in_utc(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_takes_the_right_day() {
        let now: Timestamp = "2026-11-22T00:30:00Z".parse().expect("a moment");
        let day = |text: &str| Some(text.parse::<Date>().expect("a day"));
        for right in ["2026-11-21", "2026-11-22", "2026-11-23"] {
            assert!(confirmed(now, day(right)).is_ok(), "{right}");
        }
        for wrong in ["2026-11-20", "2026-11-24", "2026-12-22", "2025-11-22", "2027-11-22"] {
            assert!(confirmed(now, day(wrong)).is_err(), "{wrong}");
        }
        assert!(confirmed(now, None).is_err());
        assert_eq!(in_utc(later(now, 86_400)), "2026-11-23 00:30:00 UTC");
        assert_eq!(later(now, u64::MAX), Timestamp::MAX);
    }
}
