//! Names of rules, of how grave a finding is, and of how a case can end. Not what a rule does.

use serde::Deserialize;

macro_rules! named {
    ($(#[$about:meta])* $kind:ident { $($(#[$each:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
        pub enum $kind {
            $($(#[$each])* #[serde(rename = $name)] $variant,)+
        }

        impl $kind {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in tables, texts and alerts.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The one of a name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|each| each.name() == name)
            }
        }
    };
}

named! {
    /// A rule that looks at accesses as they happen.
    Rule {
        /// Staff looked, and nothing says why.
        NoExplanation = "no-explanation",
        /// Staff looked at somebody they live with.
        Household = "household",
        /// Staff looked at their own record in their role at work.
        Own = "self",
        /// Staff looked at somebody who works at the same institution.
        Colleague = "colleague",
        /// Staff looked at somebody in the public eye.
        Vip = "vip",
        /// Staff looked at somebody who died some time ago.
        Deceased = "deceased",
        /// Somebody asked for a record that nobody has a reason to ask for.
        Decoy = "decoy",
        /// Very many records in a short time.
        Bulk = "bulk",
        /// More people in a minute than anybody can see to.
        Velocity = "velocity",
        /// One record after another that is not theirs.
        Enumeration = "enumeration",
        /// Outside the working hours of the institution.
        OffHours = "off-hours",
        /// A kind of record that the role has no need of.
        RoleMismatch = "role-mismatch",
        /// From a device that this account never used.
        NewDevice = "new-device",
        /// Records taken out, and no reason given.
        ExportWithoutReason = "export-without-reason",
        /// An account that nobody had used for long.
        DormantAccount = "dormant-account",
        /// An account whose rights had ended.
        AfterRevocation = "after-revocation",
        /// Records were opened in an emergency: a second person is told at once.
        BreakGlass = "break-glass",
        /// A look in an emergency that nobody has reviewed in time.
        BreakGlassUnreviewed = "break-glass-unreviewed",
        /// Something is missing in the log itself.
        LogGap = "log-gap",
    }
}

named! {
    /// How grave a finding is, the least first.
    Severity {
        /// To be looked at in the monthly review.
        Low = "low",
        /// To be looked at within some days.
        Medium = "medium",
        /// To be looked at today.
        High = "high",
        /// To be looked at now.
        Critical = "critical",
    }
}

named! {
    /// How a case ended.
    Outcome {
        /// There was a good reason.
        Justified = "justified",
        /// An oversight without harm.
        Mistake = "mistake",
        /// Records were seen or taken without right.
        Breach = "breach",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        assert_eq!(Rule::ALL.len(), 19);
        for rule in Rule::ALL {
            assert_eq!(Rule::from_name(rule.name()), Some(*rule));
        }
        assert_eq!(Severity::from_name("critical"), Some(Severity::Critical));
        assert!(Severity::Low < Severity::Critical);
        assert_eq!(Outcome::from_name("none"), None);
    }
}
