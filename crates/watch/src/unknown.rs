//! What the watch was not told, so that rules stay silent: which person a member of staff is, and when an institution works.

use crate::cases::check;
use crate::error::WatchError;
use crate::tables;
use crate::watch::Watch;
use base::Id16;
use policy::{Action, InstitutionCode, Permit};
use std::collections::BTreeSet;
use store::NamedPatient;

/// What is not known. Nothing about a patient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Accounts of staff that hold a right, of which nobody said which person they are: household, self and colleague find nothing.
    pub accounts: BTreeSet<Id16>,
    /// Institutions at which staff hold a right, without hours on some weekday: off-hours finds nothing then.
    pub institutions: BTreeSet<InstitutionCode>,
}

impl Unknown {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.institutions.is_empty()
    }
}

impl Watch {
    /// What the watch was not told. Takes a permit to see cases or the status.
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn unknown(&self, permit: &Permit) -> Result<Unknown, WatchError> {
        check(permit, &[Action::SeeCases, Action::HandleCases, Action::ReadStatus])?;
        let rights = self.store().accounts_with_rights(&self.permit()?)?;
        let (known, mut accounts, hours) = self.tables().read("what the watch was told", |connection| {
            let staff = |known| tables::staff_known(connection, known);
            Ok((staff(true)?, staff(false)?, tables::known_hours(connection)?))
        })?;
        // Whoever is at the command line holds rights too, and is no member of staff.
        accounts.retain(|account| rights.contains_key(account));
        let places = known.iter().chain(&accounts).filter_map(|account| rights.get(account)).flatten();
        let institutions = places.filter(|code| !hours.contains(*code)).cloned().collect();
        Ok(Unknown { accounts, institutions })
    }

    /// The person whom an institution knows under a number, on their chart or in its record system, where that is known. For the
    /// command line.
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn person_known_as(&self, institution: &InstitutionCode, number: &str) -> Result<Option<Id16>, WatchError> {
        let named = NamedPatient::new(institution.clone(), number);
        Ok(self.store().patient_named(&self.permit()?, &named)?.and_then(|known| known.person))
    }
}
