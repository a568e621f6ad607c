//! Trust policies (C2SP `tlog-policy`): which logs count, which witnesses are known, and how many of them make a quorum.
//!
//! A policy decides about one checkpoint at a time. It does not remember earlier ones: that is the work of witnesses and of
//! whoever audits a log.

use std::collections::BTreeMap;

use crate::Error;
use crate::checkpoint::SignedCheckpoint;
use crate::cosignature::WitnessKey;
use crate::keys::VerifierKey;
use crate::note::{NoteSignature, SIGNATURES_MAX};

/// Largest policy file that is read, in bytes.
pub const POLICY_LEN_MAX: usize = 64 << 10;
/// Most logs in a policy; the specification asks for at least 32.
pub const POLICY_LOGS_MAX: usize = 64;
/// Most witnesses in a policy: all of them and the log itself still fit a note.
pub const POLICY_WITNESSES_MAX: usize = 48;
/// Most groups in a policy.
pub const POLICY_GROUPS_MAX: usize = 64;

/// A log that a policy accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLog {
    /// Its key, named like its origin.
    pub key: VerifierKey,
    /// Where it is, if the policy says.
    pub url: Option<String>,
}

/// A witness that a policy knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    /// Its name within the policy; what is not UTF-8 in it is replaced.
    pub name: String,
    /// Its key.
    pub key: WitnessKey,
    /// Where requests to it go, without `/add-checkpoint`, if the policy says.
    pub url: Option<String>,
}

/// A policy, read and consistent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustPolicy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    /// `None` where no cosignature is asked for.
    quorum: Option<Member>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// Witnessed where at least `threshold` of its members are. Its members are defined before it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    threshold: usize,
    members: Vec<Member>,
}

/// That a known witness has cosigned a checkpoint, and when it says that it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// Its name within the policy.
    pub witness: String,
    /// Seconds since 1970.
    pub time_s: u64,
}

/// A checkpoint that its log has signed, and what a policy finds beside that signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessedCheckpoint {
    /// The checkpoint.
    pub signed: SignedCheckpoint,
    /// Signatures by logs that the policy accepts, that of the log itself among them.
    pub log_signatures: Vec<NoteSignature>,
    /// One for each known witness that has cosigned it, in the order of the policy.
    pub cosignatures: Vec<Cosignature>,
    /// Whether they are a quorum. Always so where the policy asks for none.
    pub quorum: bool,
    /// Signatures by keys that the policy does not know. Nothing is known of them.
    pub unknown: Vec<NoteSignature>,
}

impl TrustPolicy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`Error::TrustPolicy`], naming the line.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut reading = Reading::default();
        if bytes.len() > POLICY_LEN_MAX {
            return Err(reading.refuse("the file is larger than 64 KiB"));
        }
        let lines = bytes.split(|byte| *byte == b'\n');
        for line in lines {
            reading.line += 1;
            reading.read(line)?;
        }
        if !bytes.ends_with(b"\n") && !bytes.is_empty() {
            return Err(reading.refuse("it does not end in a newline"));
        }
        let quorum = reading.quorum.ok_or(reading.refuse("a quorum line is missing"))?;
        let Reading { logs, witnesses, groups, .. } = reading;
        Ok(Self { logs, witnesses, groups, quorum })
    }

    /// A policy that accepts these logs and asks for no witnesses.
    #[must_use]
    pub fn without_witnesses(logs: &[VerifierKey]) -> Self {
        Self { logs: Vec::new(), witnesses: Vec::new(), groups: Vec::new(), quorum: None }.with_logs(logs)
    }

    /// The policy with further logs, known from elsewhere. One that it has already is not added again.
    #[must_use]
    pub fn with_logs(mut self, logs: &[VerifierKey]) -> Self {
        for key in logs {
            if !self.logs.iter().any(|log| log.key == *key) {
                self.logs.push(PolicyLog { key: key.clone(), url: None });
            }
        }
        self
    }

    /// The policy with further witnesses, which count for nothing and whose cosignatures are checked. One that it has already
    /// is not added again.
    #[must_use]
    pub fn with_witnesses(mut self, keys: &[WitnessKey]) -> Self {
        for key in keys {
            if !self.witnesses.iter().any(|witness| witness.key == *key) {
                self.witnesses.push(PolicyWitness { name: key.name().to_owned(), key: key.clone(), url: None });
            }
        }
        self
    }

    /// The logs that it accepts.
    #[must_use]
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses that it knows.
    #[must_use]
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Whether it asks for any cosignature.
    #[must_use]
    pub const fn asks_for_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// Whether these witnesses, by their places in [`TrustPolicy::witnesses`], are a quorum.
    #[must_use]
    pub fn is_quorum(&self, cosigned: &[usize]) -> bool {
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        let holds = |member: &Member, groups: &[bool]| match member {
            Member::Witness(place) => cosigned.contains(place),
            Member::Group(place) => groups[*place],
        };
        for group in &self.groups {
            let witnessed = group.members.iter().filter(|member| holds(member, &groups)).count();
            groups.push(witnessed >= group.threshold);
        }
        self.quorum.is_none_or(|quorum| holds(&quorum, &groups))
    }

    /// Opens a checkpoint that one of the logs has signed, and says which witnesses have cosigned it. That they are a quorum
    /// is said and not demanded.
    ///
    /// # Errors
    /// Those of [`SignedCheckpoint::open`], and [`Error::Signature`] where a known witness is named and its cosignature does
    /// not match.
    pub fn inspect(&self, note: &[u8]) -> Result<WitnessedCheckpoint, Error> {
        let keys: Vec<VerifierKey> = self.logs.iter().map(|log| log.key.clone()).collect();
        let (signed, opened) = SignedCheckpoint::open_with_signatures(note, &keys)?;
        let mut times: BTreeMap<usize, u64> = BTreeMap::new();
        let mut unknown = Vec::new();
        for signature in opened.unverified {
            let Some(place) = self.witnesses.iter().position(|witness| witness.key.is_named_by(&signature)) else {
                unknown.push(signature);
                continue;
            };
            let at = self.witnesses[place].key.cosigned_at(opened.text.as_bytes(), &signature.signature);
            let at = at.ok_or(Error::Signature { name: signature.name, id: signature.id })?;
            let latest = times.entry(place).or_insert(at);
            *latest = at.max(*latest);
        }
        let quorum = self.is_quorum(&times.keys().copied().collect::<Vec<_>>());
        let cosignatures = times
            .into_iter()
            .map(|(place, time_s)| Cosignature { witness: self.witnesses[place].name.clone(), time_s })
            .collect();
        Ok(WitnessedCheckpoint { signed, log_signatures: opened.verified, cosignatures, quorum, unknown })
    }

    /// As [`TrustPolicy::inspect`], and demands a quorum.
    ///
    /// # Errors
    /// Those of [`TrustPolicy::inspect`], and [`Error::NoQuorum`].
    pub fn verify(&self, note: &[u8]) -> Result<WitnessedCheckpoint, Error> {
        let found = self.inspect(note)?;
        if found.quorum {
            return Ok(found);
        }
        Err(Error::NoQuorum { origin: found.signed.checkpoint.origin, found: found.cosignatures.len() })
    }
}

/// What has been read of a policy so far.
#[derive(Default)]
struct Reading {
    line: usize,
    names: BTreeMap<Vec<u8>, (Member, bool)>,
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Option<Option<Member>>,
}

impl Reading {
    const fn refuse(&self, reason: &'static str) -> Error {
        Error::TrustPolicy { line: self.line, reason }
    }

    fn read(&mut self, line: &[u8]) -> Result<(), Error> {
        if line.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
            return Err(self.refuse("it holds a control character"));
        }
        let words: Vec<&[u8]> = line.split(|byte| b" \t".contains(byte)).filter(|word| !word.is_empty()).collect();
        match words[..] {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key] => self.log(key, None),
            [b"log", key, url] => self.log(key, Some(url)),
            [b"witness", name, key] => self.witness(name, key, None),
            [b"witness", name, key, url] => self.witness(name, key, Some(url)),
            [b"group", name, threshold, ref members @ ..] => self.group(name, threshold, members),
            [b"quorum", name] => self.set_quorum(name),
            [b"log" | b"witness" | b"group" | b"quorum", ..] => Err(self.refuse("it has too few or too many words")),
            _ => Err(self.refuse("it begins with none of log, witness, group and quorum")),
        }
    }

    fn log(&mut self, key: &[u8], url: Option<&[u8]>) -> Result<(), Error> {
        let key = std::str::from_utf8(key).ok().and_then(|key| VerifierKey::parse(key).ok());
        let key = key.ok_or(self.refuse("the log's key is not an Ed25519 verifier key"))?;
        if self.logs.len() == POLICY_LOGS_MAX {
            return Err(self.refuse("there are more than 64 logs"));
        }
        if self.logs.iter().any(|log| log.key.public() == key.public()) {
            return Err(self.refuse("the same key is listed for another log"));
        }
        self.logs.push(PolicyLog { key, url: url.map(text) });
        Ok(())
    }

    fn witness(&mut self, name: &[u8], key: &[u8], url: Option<&[u8]>) -> Result<(), Error> {
        let key = std::str::from_utf8(key).ok().and_then(|key| WitnessKey::parse(key).ok());
        let key = key.ok_or(self.refuse("the witness's key is not one of an Ed25519 cosigner (type 04)"))?;
        if self.witnesses.len() == POLICY_WITNESSES_MAX {
            return Err(self.refuse("there are more than 48 witnesses"));
        }
        let same = |other: &PolicyWitness| {
            other.key.public() == key.public() || (other.key.id() == key.id() && other.key.name() == key.name())
        };
        if self.witnesses.iter().any(same) {
            return Err(self.refuse("the same key is listed for another witness"));
        }
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(PolicyWitness { name: text(name), key, url: url.map(text) });
        Ok(())
    }

    fn group(&mut self, name: &[u8], threshold: &[u8], members: &[&[u8]]) -> Result<(), Error> {
        if self.groups.len() == POLICY_GROUPS_MAX {
            return Err(self.refuse("there are more than 64 groups"));
        }
        if members.is_empty() {
            return Err(self.refuse("the group has no members"));
        }
        let wrong = self.refuse("the threshold is not all, any or a number from 1 to that of the members");
        let threshold = match threshold {
            b"all" => members.len(),
            b"any" => 1,
            digits => std::str::from_utf8(digits)
                .ok()
                .and_then(crate::tiles::decimal)
                .and_then(|number| usize::try_from(number).ok())
                .filter(|number| (1..=members.len()).contains(number))
                .ok_or(wrong)?,
        };
        let mut found = Vec::with_capacity(members.len());
        for member in members {
            let unknown = self.refuse("a member is not defined on a line before");
            let twice = self.refuse("a member is already in a group");
            let (member, used) = self.names.get_mut(*member).ok_or(unknown)?;
            if std::mem::replace(used, true) {
                return Err(twice);
            }
            found.push(*member);
        }
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { threshold, members: found });
        Ok(())
    }

    fn set_quorum(&mut self, name: &[u8]) -> Result<(), Error> {
        if self.quorum.is_some() {
            return Err(self.refuse("there is a second quorum line"));
        }
        let unknown = self.refuse("the quorum is not defined on a line before");
        let quorum = if name == b"none" { None } else { Some(self.names.get(name).ok_or(unknown)?.0) };
        self.quorum = Some(quorum);
        Ok(())
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), Error> {
        if name == b"none" {
            return Err(self.refuse("the name none stands for itself"));
        }
        if self.names.insert(name.to_vec(), (member, false)).is_some() {
            return Err(self.refuse("the name is defined twice"));
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

// A note holds the log's signature and one of each witness.
const _: () = assert!(POLICY_WITNESSES_MAX < SIGNATURES_MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Checkpoint, CosignerKey, Note, SignerKey, leaf_hash};
    use proptest::prelude::*;

    fn log() -> SignerKey {
        SignerKey::from_seed("log.example", &[99; 32]).expect("good name")
    }

    fn witness(seed: u8) -> CosignerKey {
        CosignerKey::from_seed(&format!("w{seed}.example"), &[seed; 32]).expect("good name")
    }

    /// A policy over these witnesses, ended by these lines.
    fn policy(witnesses: u8, end: &str) -> Result<TrustPolicy, Error> {
        let mut text = format!("# ours\n\n \tlog  {}\thttps://log.example/\n", log().verifier().encode());
        for seed in 1..=witnesses {
            text.push_str(&format!("witness W{seed} {}\n", witness(seed).witness().encode()));
        }
        TrustPolicy::parse(format!("{text}{end}").as_bytes())
    }

    fn note(cosigners: &[u8]) -> Vec<u8> {
        let signed = Checkpoint::new("log.example", 1, leaf_hash(b"x")).sign(&log()).expect("own key");
        let mut note = Note::parse(&signed.note).expect("a note");
        for seed in cosigners {
            let signature = witness(*seed).cosign(note.text().as_bytes(), 1_700_000_000 + u64::from(*seed));
            note.add(signature).expect("room");
        }
        note.to_bytes()
    }

    #[test]
    fn the_example_of_the_specification_asks_for_two_and_one() {
        let end = "group X 2 W1 W2 W3\ngroup Y any W4 W5 W6\ngroup X-and-Y all X Y\nquorum X-and-Y\n";
        let policy = policy(6, end).expect("a policy");
        assert_eq!(policy.logs()[0].url.as_deref(), Some("https://log.example/"));
        for (cosigned, quorum) in [
            (&[][..], false),
            (&[1, 2], false),
            (&[1, 2, 3], false),
            (&[1, 4], false),
            (&[4, 5, 6], false),
            (&[1, 3, 5], true),
            (&[1, 2, 3, 4, 5, 6], true),
        ] {
            let places: Vec<usize> = cosigned.iter().map(|seed| usize::from(*seed) - 1).collect();
            assert_eq!(policy.is_quorum(&places), quorum, "{cosigned:?}");
            let found = policy.inspect(&note(cosigned)).expect("signed by the log");
            assert_eq!((found.cosignatures.len(), found.quorum), (cosigned.len(), quorum));
            assert_eq!(policy.verify(&note(cosigned)).is_ok(), quorum);
        }
        let found = policy.inspect(&note(&[5])).expect("signed by the log");
        assert_eq!(found.cosignatures, [Cosignature { witness: "W5".to_owned(), time_s: 1_700_000_005 }]);
    }

    #[test]
    fn one_witness_cosigning_often_counts_once_and_strangers_do_not_count() {
        let policy = policy(3, "group all-of-them 2 W1 W2 W3\nquorum all-of-them\n").expect("a policy");
        let mut twice = Note::parse(&note(&[1])).expect("a note");
        twice.add(witness(1).cosign(twice.text().as_bytes(), 1_800_000_000)).expect("room");
        let found = policy.inspect(&twice.to_bytes()).expect("signed by the log");
        assert!(!found.quorum);
        assert_eq!(found.cosignatures, [Cosignature { witness: "W1".to_owned(), time_s: 1_800_000_000 }]);
        let found = policy.inspect(&note(&[1, 7, 8])).expect("signed by the log");
        assert_eq!((found.quorum, found.unknown.len()), (false, 2));
        assert!(matches!(policy.verify(&note(&[1, 7, 8])), Err(Error::NoQuorum { found: 1, .. })));
    }

    #[test]
    fn a_known_witness_whose_cosignature_does_not_match_condemns_the_note() {
        let policy = policy(2, "group any-of-them any W1 W2\nquorum any-of-them\n").expect("a policy");
        let mut forged = Note::parse(&note(&[1])).expect("a note");
        forged.add(witness(2).cosign(b"log.example\n2\nother\n", 1)).expect("room");
        assert!(
            matches!(policy.inspect(&forged.to_bytes()), Err(Error::Signature { name, .. }) if name == "w2.example")
        );
        let unsigned = Note::new(Note::parse(&note(&[])).expect("a note").text()).expect("a text");
        let mut unsigned = unsigned;
        unsigned.add(witness(1).cosign(unsigned.text().as_bytes(), 1)).expect("room");
        assert!(
            matches!(policy.inspect(&unsigned.to_bytes()), Err(Error::Untrusted { .. })),
            "never instead of the log"
        );
    }

    #[test]
    fn quorums_of_one_and_of_none_are_possible() {
        let one = policy(2, "quorum W2\n").expect("a policy");
        assert!(one.is_quorum(&[1]) && !one.is_quorum(&[0]) && one.asks_for_witnesses());
        let none = policy(0, "quorum none\n").expect("a policy");
        assert!(none.is_quorum(&[]) && !none.asks_for_witnesses());
        let keys = [log().verifier().clone()];
        let same = TrustPolicy::without_witnesses(&keys).with_logs(&keys);
        let known = same.clone().with_witnesses(&[witness(3).witness().clone(), witness(3).witness().clone()]);
        let found = known.verify(&note(&[3, 4])).expect("no quorum is asked for");
        assert_eq!((found.cosignatures.len(), found.unknown.len(), found.log_signatures.len()), (1, 1, 1));
        assert!(same.verify(&note(&[])).is_ok() && same.logs().len() == 1);
    }

    #[test]
    fn what_is_wrong_with_a_policy_is_said_with_its_line() {
        let key = witness(9).witness().encode();
        let same_key = WitnessKey::new("other.example", *witness(1).witness().public()).expect("good name").encode();
        let log_again = VerifierKey::new("other.example", *log().verifier().public()).expect("good name").encode();
        let many: String =
            (3..=90).map(|seed: u8| format!("witness W{seed} {}\n", witness(seed).witness().encode())).collect();
        for (end, line, said) in [
            (String::new(), 6, "quorum line is missing"),
            ("quorum W3\n".to_owned(), 6, "the quorum is not defined"),
            ("quorum W1\nquorum W2\n".to_owned(), 7, "second quorum"),
            ("quorum W1".to_owned(), 6, "end in a newline"),
            ("quorum W1 W2\n".to_owned(), 6, "words"),
            ("group g 2 W1\n".to_owned(), 6, "threshold"),
            ("group g 0 W1\n".to_owned(), 6, "threshold"),
            ("group g 01 W1\n".to_owned(), 6, "threshold"),
            ("group g all\n".to_owned(), 6, "no members"),
            ("group g all W1 W1\n".to_owned(), 6, "already in a group"),
            ("group g all W1\ngroup h any W1 W2\n".to_owned(), 7, "already in a group"),
            ("group g all none\n".to_owned(), 6, "not defined"),
            ("group none all W1\n".to_owned(), 6, "stands for itself"),
            ("group W2 all W1\n".to_owned(), 6, "defined twice"),
            (format!("witness W2 {key}\n"), 6, "defined twice"),
            (format!("witness W9 {same_key}\n"), 6, "another witness"),
            (format!("witness W9 {}\n", log().verifier().encode()), 6, "not one of an Ed25519 cosigner"),
            (format!("log {log_again}\n"), 6, "another log"),
            (format!("log {key}\n"), 6, "not an Ed25519 verifier key"),
            ("w W1\n".to_owned(), 6, "begins with none"),
            ("quorum W1\r\n".to_owned(), 6, "control character"),
            (many, 52, "more than 48"),
            ("#".repeat(POLICY_LEN_MAX), 0, "64 KiB"),
        ] {
            let error = policy(2, &end).expect_err(&end).to_string();
            assert!(error.contains(&format!("line {line}:")) && error.contains(said), "{end}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            bytes in prop_oneof![any::<Vec<u8>>(), "((log|witness|group|quorum|#)( [a-z0-9]{1,3}){0,4}\n){0,6}".prop_map(String::into_bytes)]
        ) {
            if let Ok(policy) = TrustPolicy::parse(&bytes) {
                prop_assert!(policy.is_quorum(&(0..policy.witnesses().len()).collect::<Vec<_>>()));
            }
        }
    }
}
