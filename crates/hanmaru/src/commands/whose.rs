//! A patient as commands take one.

use crate::Failure;
use crate::hall::Hall;
use base::Id16;
use policy::{Action, InstitutionCode};
use std::str::FromStr;
use store::NamedPatient;

/// A patient: by the id here, of 32 hexadecimal digits, or by an institution's code and a number there.
#[derive(Debug, Clone)]
pub enum Whose {
    /// The id here.
    Id(Id16),
    /// `CODE/NUMBER`: the number on the chart, or the id in the institution's own record system.
    Named(NamedPatient),
}

impl FromStr for Whose {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let parts = text.split_once('/').filter(|(_, number)| !number.is_empty());
        let named = parts.and_then(|(code, number)| Some(NamedPatient::new(InstitutionCode::new(code)?, number)));
        named.map(Self::Named).ok_or("write an id of 32 hexadecimal digits, or CODE/NUMBER such as 31100001/p1")
    }
}

impl Whose {
    /// The id here. A number of nobody is refused: what is said of nobody would be said in vain.
    pub fn id(&self, hall: &Hall) -> Result<Id16, Failure> {
        let named = match self {
            Self::Id(id) => return Ok(*id),
            Self::Named(named) => named,
        };
        let permit = hall.store().ask_job(&hall.door, "watch", Action::WatchAccesses)?;
        match hall.store().patient_named(&permit, named)? {
            Some(known) if known.is_one_of_several => {
                Err("several records of one person bear that number: write the id of one in its record system".into())
            }
            Some(known) => Ok(known.patient),
            None => {
                Err("no one patient is known by that number there: deposit their records first, or see whether it is \
                         written right"
                    .into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_numbers_are_told_apart() {
        assert!(matches!("01".repeat(16).parse(), Ok(Whose::Id(_))));
        assert!(matches!("31100001/p1/2".parse(), Ok(Whose::Named(named)) if named.number.expose() == "p1/2"));
        for text in ["", "p1", "31100001/", "병원/p1", "/p1", "0101"] {
            assert!(text.parse::<Whose>().is_err(), "{text}");
        }
    }
}
