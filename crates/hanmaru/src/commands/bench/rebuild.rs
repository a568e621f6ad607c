//! `hanmaru bench rebuild`: an installation with a hospital's records loses its database and two of its sites, and is made again from
//! the third; every table must come out the same.

use super::bars::{Bars, Goal};
use super::deposit::{deposited, generated};
use super::place::{Place, size_of};
use super::{Failure, How};
use crate::hall::Hall;
use policy::Action;
use std::time::{Duration, Instant};
use store::Without;

/// How long the last entries may take until they are sealed.
const SETTLE: Duration = Duration::from_secs(60);

/// Measures it.
pub fn run(place: &Place, how: &How, bars: &mut Bars) -> Result<(), Failure> {
    let bag = generated(place, "rebuilt-bag", how.patients, bars)?;
    let installation = place.installation("rebuilt")?;
    let agency = installation.start_agency(&bag.people)?;
    deposited(&installation, &bag.hospital.folder)?;
    drop(agency);
    let config = installation.config()?;
    let before = {
        let hall = installation.open()?;
        let begun = Instant::now();
        while hall.store().health().waiting != [0, 0] || !hall.sites.settle(Duration::from_millis(100)) {
            if begun.elapsed() > SETTLE {
                return Err("what was written is not sealed at every site".into());
            }
        }
        hall.store().fingerprint(&hall.operate("fingerprint", Action::ReadStatus)?)?
    };
    std::fs::remove_dir_all(&config.data)?;
    std::fs::create_dir(&config.data)?;
    for lost in [0, 2] {
        std::fs::remove_dir_all(installation.site(lost))?;
    }
    let (bytes, files) = size_of(&installation.site(1))?;
    let site = config.sites[1].name.clone();
    let begun = Instant::now();
    let rebuilt = Hall::rebuild(&config, &site, false, Without { sites: true, ..Without::default() })?;
    let took = begun.elapsed();
    let same = before.iter().filter(|table| rebuilt.fingerprint.contains(table)).count();
    let peer = format!(
        "{} documents, {} versions, {} access entries and {} changes of rows from {} MiB in {files} files of one site, in {:.1} s \
         ({:.0} MiB/s); {same} of {} tables equal",
        rebuilt.objects,
        rebuilt.versions,
        rebuilt.accesses,
        rebuilt.changes,
        bytes >> 20,
        took.as_secs_f64(),
        (bytes >> 20) as f64 / took.as_secs_f64(),
        before.len()
    );
    bars.bar(&peer, "rebuild_documents", rebuilt.objects as f64, "documents", Goal::AtLeast(how.documents()));
    let percent = 100.0 * same as f64 / before.len() as f64;
    bars.bar(&peer, "rebuild_identical", percent, "%", Goal::Exactly(100.0));
    if (rebuilt.objects as f64) < how.documents() {
        return Err("fewer documents were rebuilt than the bar asks for".into());
    }
    Ok(())
}
