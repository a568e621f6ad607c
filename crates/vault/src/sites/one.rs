//! One site at a time: for scrubbing, which reads what each holds and puts a sound copy in the place of one that is not.

use super::paths::{check_path, head_of, is_replaced};
use super::{Listing, SiteError, Sites, may_read, may_write};
use crate::folder::{Fault, SiteFault};
use crate::lane::lock;
use bytes::Bytes;
use policy::{Action, Permit};
use std::sync::Arc;

use super::site::Site;

impl Sites {
    /// The names of all sites, in their order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.inner().sites.iter().map(|site| site.name.clone()).collect()
    }

    /// One site's own copy of an object, whatever the others have.
    ///
    /// # Errors
    /// [`SiteError::Unreadable`] with what this site says, [`SiteError::NotFound`] where it has none.
    pub fn get_at(&self, permit: &Permit, site: &str, path: &str) -> Result<Bytes, SiteError> {
        may_read(permit)?;
        check_path(path)?;
        let site = self.one(site)?;
        match site.get(path, None) {
            Ok(bytes) => Ok(bytes),
            Err(Fault::Absent(path)) => Err(SiteError::NotFound { path }),
            Err(fault) => Err(SiteError::Unreadable { path: path.to_owned(), faults: vec![site.fault(fault)] }),
        }
    }

    /// What stands in one folder of one site.
    ///
    /// # Errors
    /// [`SiteError::Unreadable`] with what this site says.
    pub fn list_at(&self, permit: &Permit, site: &str, folder: &str) -> Result<Listing, SiteError> {
        may_read(permit)?;
        if !folder.is_empty() {
            check_path(folder)?;
        }
        let site = self.one(site)?;
        let listed = site.list(folder);
        listed.map_err(|fault| SiteError::Unreadable { path: folder.to_owned(), faults: vec![site.fault(fault)] })
    }

    /// Puts a copy that is known to be right in the place of one site's own. Takes a permit to repair.
    ///
    /// # Errors
    /// [`SiteError::Refused`]; [`SiteError::Unreadable`] with what this site says: [`Fault::Returned`] for a file of a log whose head at
    /// this site nobody has accepted ([`Sites::accept`]).
    pub fn mend_at(&self, permit: &Permit, site: &str, path: &str, right: Bytes) -> Result<(), SiteError> {
        may_write(permit)?;
        if permit.action() != Action::Repair {
            return Err(SiteError::Refused { action: permit.action().name() });
        }
        check_path(path)?;
        let site = self.one(site)?;
        let is_free = || matches!(site.get(path, None), Err(Fault::Absent(_)));
        let mended = match head_of(path) {
            Some(head) if !is_replaced(path) && !site.may_mend(path) && !is_free() => Err(Fault::Returned(head)),
            _ => site.mend(path, right),
        };
        match mended {
            Ok(()) => {
                lock(&site.state).pending.remove(path);
                Ok(())
            }
            Err(fault) => Err(SiteError::Unreadable { path: path.to_owned(), faults: vec![site.fault(fault)] }),
        }
    }

    /// Whether one site is there.
    ///
    /// # Errors
    /// What it says instead.
    pub fn check_at(&self, site: &str) -> Result<(), SiteFault> {
        let name = site.to_owned();
        let site = self.one(site).map_err(|_| SiteFault { name: name.clone(), fault: Fault::Absent(name) })?;
        site.check().map_err(|fault| site.fault(fault))
    }

    fn one(&self, name: &str) -> Result<&Arc<Site>, SiteError> {
        let found = self.inner().sites.iter().find(|site| site.name == name);
        found.ok_or_else(|| SiteError::Config { reason: format!("there is no site {name}") })
    }
}
