//! From where sites are to what serves them. Not what is done with them.

use super::{BucketSite, FolderSite, SiteBackend, SiteError, SitePlace};
use crate::folder::{self, Belonging, Kind};
use crate::lane::Asking;
use base::Id16;
use std::sync::Arc;
use std::time::Duration;

/// How long is waited for a marker when sites are opened.
const SAY_WAIT: Duration = Duration::from_secs(8);

/// Whose each site says it is, where it answers and says so.
pub(super) fn say(sites: &[SitePlace]) -> Result<Vec<Option<Id16>>, SiteError> {
    sites.iter().map(|site| Ok(say_one(site)?.flatten())).collect()
}

fn say_one(site: &SitePlace) -> Result<Option<Option<Id16>>, SiteError> {
    let asking = Asking::start("site-marker", 1)
        .map_err(|error| SiteError::Config { reason: format!("no thread can be started: {error}") })?;
    let said = match site.clone() {
        SitePlace::Folder(site) => {
            asking.ask(SAY_WAIT, move || folder::check(&site.folder, Kind::Site, &site.name).ok().flatten())
        }
        SitePlace::Bucket(config) => {
            let bucket = BucketSite::new(&config).map_err(|reason| wrong(&config.name, &reason))?;
            asking.ask(SAY_WAIT, move || bucket.said().ok().flatten())
        }
    };
    Ok(said)
}

/// What serves a site.
pub(super) fn backend(site: SitePlace, belonging: &Arc<Belonging>) -> Result<Box<dyn SiteBackend>, SiteError> {
    Ok(match site {
        SitePlace::Folder(site) => Box::new(FolderSite::among(&site.name, site.folder, Arc::clone(belonging))),
        SitePlace::Bucket(config) => {
            let site = BucketSite::among(&config, Arc::clone(belonging));
            Box::new(site.map_err(|reason| wrong(&config.name, &reason))?)
        }
    })
}

fn wrong(name: &str, reason: &str) -> SiteError {
    SiteError::Config { reason: format!("{name}: {reason}") }
}
