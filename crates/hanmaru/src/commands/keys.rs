//! `hanmaru keys`: the public keys of the logs; and the secret ones: key stores compared, mended, compacted, backed up and brought
//! back; roots and shards rotated; the root key put under a passphrase.

use crate::Failure;
use crate::config::Config;
use crate::hall::{Hall, configured};
use base::SystemRandom;
use clap::ValueEnum;
use policy::{Action, Permit};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use store::{Rotate, RotationProgress, StoreError};
use vault::{Compacted, KdfCost, Passphrase, ProtectedKeyProvider};

/// How long compaction waits for a file that a program appends to.
const COMPACT_WAIT: Duration = Duration::from_secs(30);

/// Arguments of `hanmaru keys`.
#[derive(clap::Args)]
pub struct Keys {
    /// Without it the public keys are printed.
    #[arg(value_enum)]
    what: Option<What>,
    /// For `rotate`: `root` or `shards`. For `backup` and `restore`: a folder.
    #[arg(value_name = "WHAT")]
    argument: Option<String>,
    /// For `passphrase`: where the new passphrase comes from, as in [keys] passphrase. Never the passphrase itself.
    #[arg(long, value_name = "SOURCE")]
    new: Option<String>,
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// What else can be done.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Compares the key stores whole, and writes to each what it misses.
    Mend,
    /// Removes from the key stores what was destroyed or rotated away.
    Compact,
    /// Copies a key store into a new dated folder below WHAT.
    Backup,
    /// Brings back from the backup WHAT what the key stores miss. What was destroyed stays so.
    Restore,
    /// Brings keys under new parents: `root` or `shards`. Run again, it goes on where it was.
    Rotate,
    /// Puts a root key that lies in a plain file under the configured passphrase.
    Protect,
    /// Changes the passphrase of the root keys.
    Passphrase,
}

impl Keys {
    /// Prints one verifier key a line (C2SP signed-note), or does what was asked for; exit status 1 where something is left to
    /// do.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let config = configured(&self.config)?;
        match self.what {
            Some(What::Protect) => return protect(&config),
            Some(What::Passphrase) => return change_passphrase(&config, self.new.as_deref()),
            Some(What::Rotate) => return rotate(&config, self.argument.as_deref()),
            _ => {}
        }
        let hall = Hall::look(&config)?;
        let permit = || hall.store().ask_job(&hall.door, "repair", Action::Repair);
        let folder = || self.argument.as_deref().map(Path::new).ok_or("give the folder behind the command");
        match self.what {
            Some(What::Mend) => mend(&hall, &permit()?),
            Some(What::Compact) => Ok(exit(say_compacted(&hall.key_stores.compact(&permit()?, COMPACT_WAIT)?))),
            Some(What::Backup) => backup(&hall, &config, &permit()?, folder()?),
            Some(What::Restore) => restore(&hall, &config, &permit()?, folder()?),
            _ => {
                for key in hall.store().verifier_keys() {
                    println!("{key}");
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn mend(hall: &Hall, permit: &Permit) -> Result<ExitCode, Failure> {
    let mended = hall.key_stores.mend(permit)?;
    println!("{} keys in all, {} written to stores that missed them", mended.keys, mended.copied);
    for one in &mended.quarantined {
        let what = if one.tail { "a torn end" } else { "damaged" };
        println!(
            "  key store {}: {} bytes {} to {} are {what}: passed over",
            one.store, one.file, one.bytes.start, one.bytes.end
        );
    }
    for fault in &mended.faults {
        println!("  key store {}: NOT mended: {}", fault.name, fault.fault);
    }
    Ok(exit(mended.faults.is_empty()))
}

fn exit(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn say_compacted(stores: &[Compacted]) -> bool {
    for store in stores {
        match &store.fault {
            Some(fault) => println!("key store {}: NOT compacted: {fault}", store.store),
            None => println!("key store {}: {} records removed, {} left", store.store, store.removed, store.left),
        }
        if store.damaged > 0 {
            println!(
                "  {} damaged stretches were removed as well; what they were stands in the other stores",
                store.damaged
            );
        }
        if store.left > 0 {
            println!("  a program does not let go of its file: run this again, or stop it first");
        }
    }
    stores.iter().all(Compacted::is_clean)
}

fn backup(hall: &Hall, config: &Config, permit: &Permit, into: &Path) -> Result<ExitCode, Failure> {
    let made = hall.key_stores.backup(permit, into, hall.store().installation()?, hall.machine_time())?;
    println!("{}: {} files, {} bytes, of key store {}", made.folder.display(), made.files, made.bytes, made.store);
    println!(
        "destroy it after {} days: until then an erasure is not complete, and after that it is refused",
        config.keys.backup_days
    );
    Ok(ExitCode::SUCCESS)
}

fn restore(hall: &Hall, config: &Config, permit: &Permit, from: &Path) -> Result<ExitCode, Failure> {
    let (installation, now) = (hall.store().installation()?, hall.machine_time());
    let done = hall.key_stores.restore(permit, from, installation, now, config.keys.backup_days)?;
    println!("{} keys came back, {} were there", done.keys, done.known);
    if done.destroyed > 0 {
        println!("{} were destroyed since the backup was made, and stay so", done.destroyed);
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the passphrase comes from, which these commands need.
fn source(config: &Config) -> Result<Passphrase, Failure> {
    config.keys.passphrase().ok_or_else(|| {
        "set [keys] passphrase to where the passphrase comes from: file:PATH, env:NAME, fd:NUMBER or credential:NAME".into()
    })
}

fn protect(config: &Config) -> Result<ExitCode, Failure> {
    let (path, random) = (&config.keys.root, Arc::new(SystemRandom));
    let made = ProtectedKeyProvider::protect(path, &source(config)?, KdfCost::default(), random)?;
    println!("{} is under the passphrase now; its key and its id stay ({})", path.display(), made.roots().join(", "));
    println!(
        "Programs that run need a new start before a root is rotated. Put a copy of the file and the passphrase in different safes,"
    );
    println!("and destroy the copies of the plain file: whoever has one needs no passphrase.");
    Ok(ExitCode::SUCCESS)
}

fn change_passphrase(config: &Config, new: Option<&str>) -> Result<ExitCode, Failure> {
    let new = new.and_then(Passphrase::parse).ok_or("give --new file:PATH, env:NAME, fd:NUMBER or credential:NAME")?;
    let provider = ProtectedKeyProvider::open(&config.keys.root, &source(config)?, Arc::new(SystemRandom))?;
    provider.with_passphrase(&new, KdfCost::default())?;
    println!("{} is under the new passphrase; have [keys] passphrase lead to it", config.keys.root.display());
    println!("Programs that run look where it was before: put the new one there as well, or restart them, before");
    println!("a root is rotated. Until then they go on with what they have.");
    Ok(ExitCode::SUCCESS)
}

fn rotate(config: &Config, what: Option<&str>) -> Result<ExitCode, Failure> {
    let what = match what {
        Some("root") => Rotate::Root,
        Some("shards") => Rotate::Shards,
        _ => return Err("say what is to be rotated: root or shards".into()),
    };
    let hall = Hall::look(config)?;
    let permit = hall.store().ask_job(&hall.door, "repair", Action::Repair)?;
    // Before a root comes into the file: who finds another command at work leaves it as it is.
    let turn = hall.store().keys_turn(&permit)?;
    let root = match what {
        Rotate::Root => Some(new_root(config)?),
        Rotate::Shards => None,
    };
    let mut said = 0;
    let mut say = |progress: &RotationProgress| {
        if progress.keys >= said + 100_000 {
            said = progress.keys;
            println!("{} keys rewrapped, row {} of {}", progress.keys, progress.rows.0, progress.rows.1);
        }
    };
    let done = match (hall.store().rotate_within(&turn, &permit, what, &mut say), &root) {
        // A rotation that ended and was killed before the old root was out of the file.
        (Err(StoreError::Rotation { .. }), Some(root))
            if root.roots().len() > 1 && hall.store().roots_in_use(&permit)? == root.roots()[..1] =>
        {
            leave_current(root, config)?;
            return Ok(ExitCode::SUCCESS);
        }
        (done, _) => done?,
    };
    println!("{} keys hang under their new parents; the old ones open nothing any more", done.keys);
    let clean = say_compacted(&done.stores);
    if let Some(root) = root.filter(|_| done.is_done()) {
        leave_current(&root, config)?;
    }
    Ok(exit(clean))
}

/// Takes the old roots out of the file, once nothing hangs under them.
fn leave_current(root: &ProtectedKeyProvider, config: &Config) -> Result<(), Failure> {
    root.keep_current()?;
    println!("the old root is out of {}: copy the file to its safes anew", config.keys.root.display());
    Ok(())
}

/// The protected file with a new root in it; one that was added by a rotation that did not end is taken up.
fn new_root(config: &Config) -> Result<ProtectedKeyProvider, Failure> {
    let provider = ProtectedKeyProvider::open(&config.keys.root, &source(config)?, Arc::new(SystemRandom))?;
    if provider.roots().len() == 1 {
        let name = provider.add_root()?;
        println!("new root {name}: copy {} to a safe place before anything else", config.keys.root.display());
    }
    Ok(provider)
}
