//! `hanmaru staff`: the first member of staff, further ones, what they may do, and the end of an account at once. The portal does the
//! same for administrators who are signed in.

use crate::Failure;
use crate::hall::{Hall, configured};
use base::Id16;
use clap::Subcommand;
use identity::{Identity, Invitation, StaffState};
use policy::InstitutionCode;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use store::{Right, Store};

/// How long is waited until what was done is at the sites.
const SEAL_PATIENCE: Duration = Duration::from_secs(5);
/// How often is looked.
const SEAL_LOOK: Duration = Duration::from_millis(200);

/// Arguments of `hanmaru staff`.
#[derive(clap::Args)]
pub struct Staff {
    #[command(subcommand)]
    what: What,
    /// The configuration file.
    #[arg(long, value_name = "FILE", global = true, default_value = "hanmaru.toml")]
    config: PathBuf,
}

/// What can be done with staff.
#[derive(Subcommand)]
enum What {
    /// Makes an account and prints a link by which its person sets up a passkey: once, within a day.
    Invite {
        /// The person's name, as data subjects will read it.
        #[arg(long)]
        name: String,
        /// The role, as policies name it.
        #[arg(long)]
        role: String,
        /// The institution's code, for a role that belongs to one.
        #[arg(long)]
        institution: Option<String>,
    },
    /// Prints another link for somebody without a passkey; the one before ends.
    InviteAgain {
        /// The account, as `hanmaru staff list` tells it.
        account: Id16,
    },
    /// Gives the rights that an administrator asked for somebody who has set up a passkey: where there is no second administrator to
    /// confirm them.
    Confirm {
        /// The account, as `hanmaru staff list` tells it.
        account: Id16,
    },
    /// Gives a member of staff a further right, at once.
    Give(Wished),
    /// Takes a right of a member of staff away, or one that was asked for: at once.
    Take(Wished),
    /// Lists every member of staff, with their rights.
    List,
    /// Ends an account for good: its sessions, passkeys, invitations and rights, at once.
    OffBoard {
        /// The account, as `hanmaru staff list` tells it.
        account: Id16,
    },
}

/// A right of somebody.
#[derive(clap::Args)]
struct Wished {
    /// The account, as `hanmaru staff list` tells it.
    account: Id16,
    /// The role, as policies name it.
    #[arg(long)]
    role: String,
    /// The institution's code, for a role that belongs to one.
    #[arg(long)]
    institution: Option<String>,
}

impl Staff {
    /// Does it, and says what was done.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let config = configured(&self.config)?;
        let hall = Hall::look(&config)?;
        let identity = hall.identity(&config)?;
        match self.what {
            What::Invite { name, role, institution } => {
                let right = right(&role, institution.as_deref())?;
                told(&identity.staff_invite(&name, &[right])?, &config.public_url);
            }
            What::InviteAgain { account } => {
                told(&identity.staff_invite_again(None, account)?, &config.public_url);
                if let Some(word) = identity.staff_word(account)? {
                    println!("the link takes this word: {}", word.expose());
                }
            }
            What::Confirm { account } => {
                let given = identity.confirm_rights(None, account, None)?;
                println!("{given} rights are given");
            }
            What::Give(wished) => {
                let right = right(&wished.role, wished.institution.as_deref())?;
                match identity.staff_state(wished.account)? {
                    Some(StaffState::Invited | StaffState::Active) => hall.store().grant(wished.account, &right)?,
                    _ => return Err("no member of staff has this account, or they have left".into()),
                }
                println!("the right is given");
            }
            What::Take(wished) => {
                let right = right(&wished.role, wished.institution.as_deref())?;
                identity.take_right(None, wished.account, &right)?;
                println!("the right is taken away");
                warn_unsealed(&hall, "the right");
            }
            What::List => list(&identity, hall.store())?,
            What::OffBoard { account } => {
                let ended = identity.off_board(account)?;
                println!(
                    "the account is ended: {} sessions, {} passkeys, {} invitations and {} rights are gone",
                    ended.sessions, ended.passkeys, ended.invitations, ended.rights
                );
                warn_unsealed(&hall, "the account");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Says so where what has ended here would come back with a rebuild.
fn warn_unsealed(hall: &Hall, what: &str) {
    if !is_sealed_soon(hall) {
        println!(
            "it holds here at once, and is NOT at the sites yet: until `hanmaru status` says that nothing waits, an \
             installation that is made again from them has {what}. Let `hanmaru serve` run."
        );
    }
}

/// Whether everything that is accepted is at the sites within a moment; another process seals it, where one runs.
fn is_sealed_soon(hall: &Hall) -> bool {
    let begun = Instant::now();
    loop {
        let [records, _] = hall.store().health().waiting;
        if records == 0 {
            return true;
        }
        if begun.elapsed() > SEAL_PATIENCE {
            return false;
        }
        std::thread::sleep(SEAL_LOOK);
    }
}

fn right(role: &str, institution: Option<&str>) -> Result<Right, Failure> {
    let code =
        institution.map(|code| InstitutionCode::new(code).ok_or(format!("{code:?} is no code of an institution")));
    let code = code.transpose()?;
    Right::of(role, code.as_ref()).ok_or_else(|| {
        "there is no such role, or it needs --institution, or does not take it: see docs/OPERATING.md for the roles"
            .into()
    })
}

fn told(invitation: &Invitation, public_url: &str) {
    println!("account {}", invitation.account);
    println!("{public_url}/staff/enrol/{}", invitation.token.expose());
    println!("the link is good once, until {}: hand it to its person and to nobody else", invitation.ends);
}

fn list(identity: &Identity, store: &Store) -> Result<(), Failure> {
    let held = store.rights_held()?;
    for staff in identity.staff()? {
        let state = match staff.state {
            StaffState::Invited => "invited",
            StaffState::Active => "active",
            StaffState::Left => "left",
        };
        println!("{} {state} since {} {}", staff.account, staff.changed, staff.name.expose());
        for (_, right) in held.iter().filter(|(account, _)| *account == staff.account) {
            match right.institution() {
                Some(institution) => println!("    {} at {institution}", right.role().name()),
                None => println!("    {}", right.role().name()),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_known_by_their_names() {
        assert!(right("operator", None).is_ok());
        assert!(right("depositor", Some("31100001")).is_ok());
        for (role, institution) in
            [("king", None), ("depositor", None), ("operator", Some("31100001")), ("depositor", Some("/"))]
        {
            assert!(right(role, institution).is_err(), "{role}");
        }
    }
}
