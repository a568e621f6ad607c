//! Under what ids patients and their resources stand here: made of what their institution calls them, under a secret of the
//! installation. So a repeated deposit finds what it wrote before, and nobody who has an address of a page, a key store or a pack
//! can try all numbers of a hospital's charts until one fits. No other kind of id is made here.

use base::Id16;
use policy::{InstitutionCode, Owner};
use rusqlite::Connection;
use vault::{KeyError, Keyring};
use zeroize::Zeroizing;

use crate::Store;
use crate::error::{AtStep, StoreError};
use crate::types::ResourceKey;

/// The secret's label.
const SECRET: &str = "ids";

/// Makes ids. The installation's own are [`Store::ids`].
pub struct Ids(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ids").finish_non_exhaustive()
    }
}

impl Ids {
    /// Makes ids under a secret.
    #[must_use]
    pub fn under(secret: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*secret))
    }

    /// The owner of what an institution's patient has, by the patient's id at the institution.
    #[must_use]
    pub fn patient(&self, institution: &InstitutionCode, source_id: &str) -> Owner {
        Owner::Patient(Id16::keyed(&self.0, &["patient", institution.as_str(), source_id]))
    }

    /// The id of what an institution calls `resource_type/source_id`, whoever's it is.
    #[must_use]
    pub fn resource(&self, institution: &InstitutionCode, resource_type: &str, source_id: &str) -> Id16 {
        Id16::keyed(&self.0, &["resource", institution.as_str(), resource_type, source_id])
    }

    /// The key of what an institution calls `resource_type/source_id` where it is an owner's.
    #[must_use]
    pub fn key(
        &self,
        owner: Owner,
        institution: &InstitutionCode,
        resource_type: &str,
        source_id: &str,
    ) -> ResourceKey {
        let id = self.resource(institution, resource_type, source_id);
        ResourceKey { owner, resource_type: resource_type.to_owned(), id }
    }

    /// The installation's, whose secret is made along with it. Not later: under another one every patient would be somebody new at
    /// the next deposit, beside what they have. Whoever calls holds the lock for opening.
    pub(crate) fn of_installation(keyring: &Keyring, connection: &Connection) -> Result<Self, StoreError> {
        match keyring.made_secret(SECRET)? {
            Some(secret) => Ok(Self(secret)),
            None if has_owners(connection)? => Err(StoreError::OlderIds),
            None => Ok(Self(keyring.secret(SECRET)?)),
        }
    }

    /// The installation's as it is made again: what the key stores have is in the index by then, and a secret is never made.
    pub(crate) fn of_rebuild(keyring: &Keyring) -> Result<Self, StoreError> {
        match keyring.known_secret(SECRET) {
            Ok(secret) => Ok(Self(secret)),
            Err(KeyError::Unknown { .. }) => Err(StoreError::OlderIds),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether anything stands under ids: records, documents, who is which patient, who was erased.
fn has_owners(connection: &Connection) -> Result<bool, StoreError> {
    let step = "looking whether there are records";
    let sql = "SELECT EXISTS (SELECT 1 FROM resource_version) OR EXISTS (SELECT 1 FROM object) \
               OR EXISTS (SELECT 1 FROM person_patient) OR EXISTS (SELECT 1 FROM erased_owner)";
    connection.query_row(sql, [], |row| row.get(0)).at(step)
}

impl Store {
    /// What makes the ids under which patients and resources stand in this installation: the same in every process, after every start
    /// and after a rebuild, and others in another installation.
    #[must_use]
    pub fn ids(&self) -> &Ids {
        &self.core().ids
    }
}
