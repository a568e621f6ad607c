//! What a rule found, with its explanation as a message and values. The words are the portal's.

use crate::rule::{Rule, Severity};
use base::{Id16, Timestamp};
use store::AccessKey;

/// Something that a rule found in an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// How grave.
    pub severity: Severity,
    /// The entry: together with the rule it makes the finding once.
    pub entry: Id16,
    /// When the access was; when it was found, for gaps.
    pub time: Timestamp,
    /// Who looked; `None` for gaps.
    pub actor: Option<Id16>,
    /// Whose record it was, where it is about one.
    pub subject: Option<Id16>,
    /// How much it is about, as its rule counts: records, people, or itself.
    pub amount: u64,
    /// The entries it is about besides, the newest last.
    pub others: Vec<AccessKey>,
    /// The explanation.
    pub message: Message,
}

/// A sentence of the portal and the values in it. No value is a name or says anything clinical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Key of the sentence in the Fluent files.
    pub key: String,
    /// Its values.
    pub values: Vec<(&'static str, String)>,
}

impl Message {
    /// The sentence of a rule.
    #[must_use]
    pub fn of(rule: Rule) -> Self {
        Self { key: format!("watch-finding-{}", rule.name()), values: Vec::new() }
    }

    /// The sentence on what stops the watch.
    pub(crate) fn no_key() -> Self {
        Self::of(Rule::LogGap).variant("no-key")
    }

    /// Another sentence of the same rule.
    #[must_use]
    pub fn variant(mut self, name: &str) -> Self {
        self.key = format!("{}-{name}", self.key);
        self
    }

    /// With a value.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.values.push((name, value.to_string()));
        self
    }
}

impl Finding {
    /// What it is about: findings on one topic are one case, as long as that is open. One person's doing by a rule is one topic, and
    /// for rules about one record one person's doing to that record.
    #[must_use]
    pub fn topic(&self) -> Id16 {
        let text = |id: Option<Id16>| id.map(|id| id.to_string()).unwrap_or_default();
        let (actor, subject) = (text(self.actor), text(self.subject));
        let subject = match self.rule {
            // Whose records they were does not matter to these.
            Rule::OffHours | Rule::NewDevice | Rule::DormantAccount | Rule::AfterRevocation | Rule::RoleMismatch => "",
            // What stops the watch is no hole among others: somebody is told of it, whatever case is open about those.
            Rule::LogGap if self.message.key == Message::no_key().key => self.message.key.as_str(),
            _ => subject.as_str(),
        };
        Id16::derived(&["watch-topic", self.rule.name(), &actor, subject])
    }
}
