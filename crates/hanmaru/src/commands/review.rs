//! `hanmaru review`: the monthly review of accesses as a text: counts by role and institution, findings by rule, how cases ended.

use crate::Failure;
use crate::hall::{Hall, configured};
use policy::Action;
use std::path::PathBuf;
use std::process::ExitCode;
use watch::{Outcome, Watch};

/// Arguments of `hanmaru review`.
#[derive(clap::Args)]
pub struct Review {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The month, such as 2026-11.
    #[arg(long, value_name = "YYYY-MM")]
    month: String,
}

impl Review {
    /// Prints the review. Exit status 1 where the month is over and nobody signed it off, or exports lack a reason.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let hall = Hall::look(&configured(&self.config)?)?;
        let watch = Watch::new(hall.store().clone(), hall.door.clone())?;
        let review = watch.review(&hall.operate("review", Action::ReadStatus)?, &self.month)?;
        println!("review of {}{}", review.month, if review.is_over { "" } else { ", which is not over" });
        println!("{:18} {:12} {:>10} {:>10} {:>10}", "role", "institution", "granted", "denied", "exports");
        for one in &review.accesses {
            let institution = named(&one.institution);
            println!("{:18} {institution:12} {:>10} {:>10} {:>10}", one.role, one.granted, one.denied, one.exports);
        }
        let outcomes = Outcome::ALL.iter().map(|outcome| outcome.name()).collect::<Vec<_>>().join("/");
        println!("{:24} {:12} {:>9} {:>9} {outcomes}", "rule", "institution", "findings", "open");
        for one in &review.findings {
            let closed = one.closed.map(|cases| cases.to_string()).join("/");
            println!("{:24} {:12} {:>9} {:>9} {closed}", one.rule, named(&one.institution), one.findings, one.open);
        }
        println!("exports without a reason: {}", review.exports_without_reason);
        let unknown = &review.unknown;
        if !unknown.is_empty() {
            let (accounts, institutions) = (unknown.accounts.len(), unknown.institutions.len());
            println!(
                "rules that find nothing: accounts of no known person: {accounts}, institutions without hours: {institutions} \
                 (hanmaru watch unknown)"
            );
        }
        match &review.signed {
            Some(signed) if signed.is_same => println!("signed off {} by account {}", signed.at, signed.account),
            Some(signed) => {
                println!("signed off {} by account {}; figures have changed since", signed.at, signed.account);
            }
            None => println!("NOT signed off"),
        }
        let is_well = review.exports_without_reason == 0 && (review.signed.is_some() || !review.is_over);
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

const fn named(institution: &str) -> &str {
    if institution.is_empty() { "-" } else { institution }
}
