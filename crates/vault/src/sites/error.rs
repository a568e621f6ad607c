//! What goes wrong with all sites together. What goes wrong at one of them is a [`crate::Fault`].

use super::OBJECT_BYTES_MAX;
use crate::folder::SiteFault;

/// What went wrong with all sites together.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// Fewer sites than needed have the objects durably.
    #[error("{reached} of {wanted} needed sites took the write: {}", list(faults))]
    TooFew {
        /// How many must.
        wanted: usize,
        /// How many did.
        reached: usize,
        /// What the others said.
        faults: Vec<SiteFault>,
    },
    /// So few sites can be reached that nothing is taken in.
    #[error(
        "{reached} sites can be reached and {wanted} must be: nothing is taken in until then, reading goes on: {}",
        list(faults)
    )]
    Lost {
        /// How many must.
        wanted: usize,
        /// How many can.
        reached: usize,
        /// What the others said.
        faults: Vec<SiteFault>,
    },
    /// No site has the object, and all answered.
    #[error("no site has {path}")]
    NotFound {
        /// Its path.
        path: String,
    },
    /// No site has a sound copy, and not all answered, or copies are damaged.
    #[error("no site gives a sound copy of {path}: {}", list(faults))]
    Unreadable {
        /// Its path.
        path: String,
        /// What each site said.
        faults: Vec<SiteFault>,
    },
    /// The path is not one for a site.
    #[error("{path:?} is not a path at a site: {reason}")]
    BadPath {
        /// What was given.
        path: String,
        /// Why not.
        reason: &'static str,
    },
    /// The object is too large.
    #[error("{path} has {bytes} bytes; an object has at most {OBJECT_BYTES_MAX}, cut it")]
    TooLarge {
        /// Its path.
        path: String,
        /// Its size.
        bytes: usize,
    },
    /// The permit is for something else.
    #[error("the permit for {action} does not reach the sites in this way")]
    Refused {
        /// What the permit is for.
        action: &'static str,
    },
    /// The sites are configured wrongly.
    #[error("sites: {reason}")]
    Config {
        /// What is wrong and what to do.
        reason: String,
    },
}

fn list(faults: &[SiteFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
