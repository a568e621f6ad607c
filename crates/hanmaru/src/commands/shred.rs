//! `hanmaru shred`: erases by destroying keys. Two people other than the one who asks approve, a waiting period runs, and then
//! nobody can undo it.

use crate::Failure;
use crate::commands::whose::Whose;
use crate::hall::{Hall, configured};
use base::{Id16, Timestamp};
use clap::Subcommand;
use policy::{Action, InstitutionCode, Owner, Permit};
use portal::Locale;
use portal::certificate::{as_json, as_text, check};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use store::{Shred as Erasure, ShredActor, ShredRole, ShredRules, ShredScope, ShredState};
use vault::ClassName;

/// Arguments of `hanmaru shred`.
#[derive(clap::Args)]
pub struct Shred {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    what: What,
}

/// Who does it: an account, and the role in which it does.
#[derive(clap::Args)]
struct By {
    /// The account, 32 hexadecimal digits.
    #[arg(long, value_name = "ACCOUNT")]
    account: Id16,
    /// Its role: administrator, steward or security-officer.
    #[arg(long, value_name = "ROLE")]
    role: String,
}

impl By {
    fn actor(&self) -> Result<ShredActor, Failure> {
        let role = ShredRole::from_name(&self.role).ok_or("the role is administrator, steward or security-officer")?;
        Ok(ShredActor { account: self.account, role })
    }
}

#[derive(Subcommand)]
enum What {
    /// Asks for an erasure: of a patient, or of what retention has ended for.
    Request {
        #[command(flatten)]
        by: By,
        /// The patient: the id here, 32 hexadecimal digits, or an institution's code and the number there.
        #[arg(long, value_name = "ID|CODE/NUMBER", required_unless_present = "institution")]
        patient: Option<Whose>,
        /// Of this institution everything of one class and expiry year.
        #[arg(long, value_name = "CODE", requires_all = ["class", "year"], conflicts_with = "patient")]
        institution: Option<String>,
        /// The retention class.
        #[arg(long, value_name = "CLASS")]
        class: Option<String>,
        /// The year in which retention ended.
        #[arg(long, value_name = "YEAR")]
        year: Option<u16>,
        /// Why: a file with the reason, for it may name people.
        #[arg(long, value_name = "FILE")]
        reason: PathBuf,
        /// The law and article.
        #[arg(long, value_name = "CITATION")]
        basis: String,
    },
    /// Approves an erasure. Two must, and neither may be the one who asked.
    Approve {
        /// The erasure.
        id: Id16,
        #[command(flatten)]
        by: By,
    },
    /// Gives an erasure up, before anything is destroyed.
    Withdraw {
        /// The erasure.
        id: Id16,
    },
    /// Does an approved erasure whose time has come. Run again, it goes on where it was.
    Run {
        /// The erasure.
        id: Id16,
    },
    /// Writes the certificate of an erasure that is done: JSON, and texts in Korean and English.
    Certificate {
        /// The erasure.
        id: Id16,
        /// The folder to write into.
        #[arg(long, value_name = "FOLDER", default_value = ".")]
        out: PathBuf,
    },
    /// Lists what was asked for, and the holds.
    List,
    /// Keeps a patient from being erased: an order of a court, a dispute.
    Hold {
        /// The patient: the id here, or CODE/NUMBER.
        patient: Whose,
        /// A file that says who ordered it and why.
        #[arg(long, value_name = "FILE")]
        note: PathBuf,
        /// Until when; without it until it is released.
        #[arg(long, value_name = "TIME")]
        until: Option<Timestamp>,
    },
    /// Ends a hold.
    Release {
        /// The hold.
        hold: Id16,
    },
}

impl Shred {
    /// Does what was asked for.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let config = configured(&self.config)?;
        let rules = config.shred_rules();
        // Its own entries are to be sealed, whether or not a portal runs.
        let hall = if matches!(self.what, What::Run { .. }) { Hall::open(&config)? } else { Hall::look(&config)? };
        let store = hall.store();
        let permit = store.ask_job(&hall.door, "shred", Action::Repair)?;
        match self.what {
            What::Request { by, patient, institution, class, year, reason, basis } => {
                let patient = patient.map(|patient| patient.id(&hall)).transpose()?;
                let scope = scope(patient, institution.as_deref(), class.as_deref(), year)?;
                let id = store.shred_request(&permit, by.actor()?, &scope, &read_text(&reason)?, &basis)?;
                println!("{id}");
            }
            What::Approve { id, by } => {
                let shred = store.shred_approve(&permit, id, by.actor()?, &rules)?;
                say(&shred);
            }
            What::Withdraw { id } => store.shred_withdraw(&permit, id)?,
            What::Run { id } => run(&hall, &permit, id)?,
            What::Certificate { id, out } => certificate(&hall, &permit, id, &rules, &out)?,
            What::List => list(&hall, &permit)?,
            What::Hold { patient, note, until } => {
                let patient = Owner::Patient(patient.id(&hall)?);
                let id = store.place_hold(&permit, patient, &read_text(&note)?, until)?;
                println!("{id}");
            }
            What::Release { hold } => store.end_hold(&permit, hold)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn scope(
    patient: Option<Id16>,
    institution: Option<&str>,
    class: Option<&str>,
    year: Option<u16>,
) -> Result<ShredScope, Failure> {
    match (patient, institution.zip(class).zip(year)) {
        (Some(id), None) => Ok(ShredScope::Patient(id)),
        (None, Some(((institution, class), expiry_year))) => Ok(ShredScope::Class {
            institution: InstitutionCode::new(institution).ok_or("that is no institution code")?,
            class: ClassName::new(class).ok_or("that is no retention class")?,
            expiry_year,
        }),
        _ => Err("give --patient, or --institution with --class and --year".into()),
    }
}

fn read_text(path: &Path) -> Result<String, Failure> {
    Ok(std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?)
}

fn say(shred: &Erasure) {
    let scope = match &shred.scope {
        ShredScope::Patient(id) => format!("patient {id}"),
        ShredScope::Group(group) => format!("a group of {}", group.owner.id()),
        ShredScope::Class { institution, class, expiry_year } => format!("{institution} {class} {expiry_year}"),
    };
    let when = shred.not_before.filter(|_| shred.state == ShredState::Approved);
    let when = when.map_or_else(String::new, |at| format!(", not before {}", at.strftime("%Y-%m-%d %H:%M UTC")));
    let lapsed = match shred.lapsed.len() {
        0 => String::new(),
        lapsed => format!(" ({lapsed} more ended with the role of who gave them, and do not count)"),
    };
    let approvals = shred.approvals.len();
    println!("{} {}{when}: {scope}, {approvals} approvals{lapsed}", shred.id, shred.state.name());
    if !shred.request_stands {
        println!("  who asked for it does not hold the role any more: withdraw it, and let it be asked for anew");
    }
}

fn list(hall: &Hall, permit: &Permit) -> Result<(), Failure> {
    hall.store().shreds(permit)?.iter().for_each(say);
    for hold in hall.store().holds(permit)? {
        let until = hold.until.map_or_else(String::new, |at| format!(" until {}", at.strftime("%Y-%m-%d")));
        let state = if hold.ended.is_some() { "ended" } else { "lasts" };
        println!("hold {} on {} {state}{until}", hold.id, hold.owner.id());
    }
    Ok(())
}

fn run(hall: &Hall, permit: &Permit, id: Id16) -> Result<(), Failure> {
    loop {
        let state = hall.store().shred_step(permit, id)?;
        println!("{}", state.name());
        if state == ShredState::Done {
            println!("`hanmaru shred certificate` gives the certificate");
            return Ok(());
        }
    }
}

fn certificate(hall: &Hall, permit: &Permit, id: Id16, rules: &ShredRules, out: &Path) -> Result<(), Failure> {
    let certificate = hall.store().shred_certificate(permit, id, rules)?;
    let json = as_json(&certificate);
    // Nobody is given what does not hold.
    check(&json, &[hall.store().verifier_key(store::Log::Records)])?;
    let texts = [
        ("json", format!("{}\n", serde_json::to_string_pretty(&json)?)),
        ("ko.txt", as_text(&certificate, Locale::Korean)),
        ("en.txt", as_text(&certificate, Locale::English)),
    ];
    for (ending, text) in texts {
        let path = out.join(format!("{id}.{ending}"));
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let mut file = file.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        println!("{}", path.display());
    }
    Ok(())
}
