//! Who asks for records, about whom and on what: a person about themselves, or somebody on a ground. Pages that show and issue
//! records are the same for all of them, and differ in what this says. What is permitted is the door's to say.

use crate::Portal;
use crate::error::PageError;
use crate::frame::Frame;
use crate::pages::records::Which;
use crate::visitor::{Person, StaffMember, Visitor};
use archive::ArchiveError;
use base::Id16;
use identity::Session;
use policy::{Action, Actor, GroundKind, Permit, Purpose, Request, Role, Scope, Target};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What pages of records are opened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// They are one's own.
    Own,
    /// A person's appointment.
    Acting(Id16),
    /// A ground of a member of staff.
    Staff(Id16),
}

impl Basis {
    /// The address of the list of records; a visit's is below it.
    pub fn list(self) -> String {
        match self {
            Self::Own => "/records".to_owned(),
            Self::Acting(ground) => format!("/acting/{ground}"),
            Self::Staff(ground) => format!("/staff/records/{ground}"),
        }
    }

    /// The address to which forms are sent that ask for records as a PDF.
    pub fn issue(self) -> String {
        match self {
            Self::Own => "/records/issue".to_owned(),
            on_ground => on_ground.list(),
        }
    }
}

/// Somebody who asks for records.
#[derive(Clone)]
pub(crate) struct Asker {
    pub visitor: Visitor,
    pub session: Arc<Session>,
    pub basis: Basis,
}

impl Asker {
    /// A person about their own.
    pub fn own(Person { visitor, session }: Person) -> Self {
        Self { visitor, session, basis: Basis::Own }
    }

    /// A representative, on the appointment that an address names.
    ///
    /// # Errors
    /// [`PageError::NotFound`] where that is no id.
    pub fn acting(Person { visitor, session }: Person, ground: &str) -> Result<Self, PageError> {
        let ground = ground.parse().map_err(|_| PageError::NotFound)?;
        Ok(Self { visitor, session, basis: Basis::Acting(ground) })
    }

    /// A member of staff, on the ground that an address names.
    ///
    /// # Errors
    /// [`PageError::NotFound`] where that is no id.
    pub fn staff(StaffMember { visitor, session }: StaffMember, ground: &str) -> Result<Self, PageError> {
        let ground = ground.parse().map_err(|_| PageError::NotFound)?;
        Ok(Self { visitor, session, basis: Basis::Staff(ground) })
    }

    /// The frame of a page.
    pub fn frame(&self, title_key: &str) -> Frame {
        let nav = match self.basis {
            Basis::Own => "records",
            Basis::Acting(_) => "representatives",
            Basis::Staff(_) => "staff",
        };
        self.visitor.frame(title_key, nav)
    }

    /// The token of their forms.
    pub fn csrf(&self) -> String {
        self.session.csrf.expose().clone()
    }

    /// What they ask the door as. Blocks.
    ///
    /// # Errors
    /// [`PageError::Busy`] where it cannot be looked up.
    pub fn standing(&self, portal: &Portal) -> Result<Standing, PageError> {
        let actor = |role| self.session.actor_as(role, &self.visitor.source);
        match self.basis {
            Basis::Own => {
                Ok(Standing { actor: actor(Role::Patient), purpose: Purpose::OwnRecords, subject: self.session.person })
            }
            Basis::Acting(ground) => {
                let named = portal.archive().store().representation(self.session.account, ground)?;
                // An appointment of others is asked for like one that is not there.
                let subject = named.map_or(ground, |one| one.person);
                Ok(Standing {
                    actor: actor(Role::Representative),
                    purpose: Purpose::Representation { ground },
                    subject,
                })
            }
            Basis::Staff(ground) => {
                let (role, name, subject) = on_ground(portal, self.session.account, ground)?;
                let purpose = Purpose::with_ground(name, ground).ok_or(PageError::Denied)?;
                Ok(Standing { actor: actor(role), purpose, subject })
            }
        }
    }
}

/// The role in which a member of staff may point to a ground of this id, for which purpose, and about whom, as their own grounds and
/// their rights say, those that ended included; the door decides whether they may.
fn on_ground(portal: &Portal, account: Id16, ground: Id16) -> Result<(Role, &'static str, Id16), PageError> {
    let store = portal.archive().store();
    if let Some(own) = store.own_ground(account, ground)? {
        return Ok((own.role, own.kind.purposes().first().copied().unwrap_or_default(), own.subject));
    }
    let role = match store.role_on_consent(account, ground)? {
        Some(role) => role,
        None if store.facts(account)?.holds.contains(&Role::Pharmacist) => Role::Pharmacist,
        // Whoever is no clinician is told so by the door.
        None => Role::Clinician,
    };
    let name = if role == Role::Pharmacist { "dispensing" } else { "care" };
    debug_assert!(GroundKind::Consent.purposes().contains(&name));
    // Of a consent the asker knows the id and not whose it is; where there is none, it is nobody's.
    Ok((role, name, store.subject_of_consent(ground)?.unwrap_or(ground)))
}

/// What somebody asks the door as.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    actor: Actor,
    purpose: Purpose,
    subject: Id16,
}

impl Standing {
    /// The question at the door about all that there is of the subject.
    pub fn request(&self, action: Action) -> Request {
        self.about(Target::Person(self.subject), action)
    }

    /// The same about one patient, who is said to be the subject's.
    pub fn request_of(&self, patient: Id16, action: Action) -> Request {
        self.about(Target::Patient(patient), action)
    }

    fn about(&self, target: Target, action: Action) -> Request {
        Request { actor: self.actor.clone(), action, target, purpose: self.purpose.clone() }
    }

    /// The name of what it is done for.
    pub fn purpose(&self) -> &'static str {
        self.purpose.name()
    }

    /// Whether somebody in this role can have records issued for this purpose.
    pub fn issues(&self, portal: &Portal) -> bool {
        portal.archive().door().offers(self.actor.role, Action::Issue, self.purpose.name())
    }

    /// Refuses what is asked for of patients that are not the subject's: nothing of it is shown. The patients who are named find the
    /// attempt among those who looked, and so does whose record it is, whatever patient the address or the form named; the asker
    /// is told the same in any case.
    ///
    /// # Errors
    /// [`PageError::Denied`] where anything is another's, or nothing of this is permitted at all.
    pub fn refuse_others(&self, portal: &Portal, action: Action, asked: &BTreeSet<Which>) -> Result<(), PageError> {
        let permit = portal.archive().ask(self.request(action))?;
        let others: Vec<&Which> = asked.iter().filter(|which| !reaches(&permit, which.patient)).collect();
        if others.is_empty() {
            return Ok(());
        }
        for patient in others.iter().map(|which| which.patient).collect::<BTreeSet<Id16>>() {
            match portal.archive().ask(self.request_of(patient, action)) {
                Ok(_) | Err(ArchiveError::Denied(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        portal.archive().refuse_beyond(&permit, &others.iter().map(|which| which.id).collect::<Vec<Id16>>())?;
        Err(PageError::Denied)
    }
}

fn reaches(permit: &Permit, patient: Id16) -> bool {
    matches!(permit.scope(), Scope::Patients(patients) if patients.contains(&patient))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_for_a_pdf_are_sent_to_where_the_records_are_listed() {
        let ground = Id16([7; 16]);
        for basis in [Basis::Own, Basis::Acting(ground), Basis::Staff(ground)] {
            assert!(basis.issue().starts_with(&basis.list()), "{basis:?}");
        }
    }
}
