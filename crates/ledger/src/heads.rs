//! What a witness has seen, as text: the newest head of each log that it cosigned, and the log's own signature on it. No file and no
//! lock: whoever keeps it sees to those.
//!
//! ```text
//! hanmaru witness 2
//! <size> <root in base64> <checkpoint signed by the log, in base64, or -> <origin>
//! check <SHA-256 of everything before, in hexadecimal>
//! ```
//!
//! A text of the first form, which has no checkpoints, is read; the checkpoint of such a head is there as soon as its log asks again.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::Checkpoint;
use crate::hash::Hash;
use crate::note::Note;
use crate::witness::WitnessHead;

/// What the text begins with.
const FIRST_LINE: &str = "hanmaru witness 2";
/// The same before checkpoints were kept.
const FIRST_LINE_BARE: &str = "hanmaru witness 1";
/// Stands for a checkpoint that is not known.
const NO_NOTE: &str = "-";

/// What is held of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// The newest head that was cosigned.
    pub head: WitnessHead,
    /// The checkpoint with that head and the log's signature; `None` where the head is from before they were kept, or there is none.
    pub note: Option<Vec<u8>>,
}

/// What is held of each log, by its origin.
pub type HeldHeads = BTreeMap<String, Held>;

/// The text of what is held.
#[must_use]
pub fn text(all: &HeldHeads) -> String {
    text_as(all, FIRST_LINE)
}

/// Reads a text; `None` where it is not one that was written so, to the last byte.
#[must_use]
pub fn parse(found: &str) -> Option<HeldHeads> {
    let mut all = BTreeMap::new();
    let mut lines = found.lines();
    let first_line = lines.next().filter(|first| [FIRST_LINE, FIRST_LINE_BARE].contains(first))?;
    for line in lines.take_while(|line| !line.starts_with("check ")) {
        let (size, rest) = line.split_once(' ')?;
        let (root, rest) = rest.split_once(' ')?;
        let (note, origin) = if first_line == FIRST_LINE { rest.split_once(' ')? } else { (NO_NOTE, rest) };
        let head = WitnessHead { size: size.parse().ok()?, root: Hash::from_base64(root)? };
        let note = if note == NO_NOTE { None } else { Some(STANDARD.decode(note).ok()?) };
        if note.as_ref().is_some_and(|note| !is_of(note, origin, &head)) {
            return None;
        }
        all.insert(origin.to_owned(), Held { head, note });
    }
    // There is one way to write each state, its checksum included.
    (text_as(&all, first_line) == found).then_some(all)
}

fn text_as(all: &HeldHeads, first_line: &str) -> String {
    let mut text = format!("{first_line}\n");
    for (origin, Held { head, note }) in all {
        write!(text, "{} {} ", head.size, head.root).expect("writing to a string cannot fail");
        match note {
            _ if first_line == FIRST_LINE_BARE => {}
            Some(note) => {
                STANDARD.encode_string(note, &mut text);
                text.push(' ');
            }
            None => {
                text.push_str(NO_NOTE);
                text.push(' ');
            }
        }
        text.push_str(origin);
        text.push('\n');
    }
    let check = base::hex(&base::sha256(text.as_bytes()));
    writeln!(text, "check {check}").expect("writing to a string cannot fail");
    text
}

/// Whether a checkpoint is the one with this head. Its signature was checked when it came.
fn is_of(note: &[u8], origin: &str, head: &WitnessHead) -> bool {
    let checkpoint = Note::parse(note).and_then(|note| Checkpoint::parse(note.text()));
    checkpoint.is_ok_and(|found| (found.origin.as_str(), found.size, found.root) == (origin, head.size, head.root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;
    use crate::keys::SignerKey;

    fn head(size: u64) -> WitnessHead {
        WitnessHead { size, root: leaf_hash(&size.to_be_bytes()) }
    }

    fn held(origin: &str, size: u64) -> Held {
        let log = SignerKey::from_seed(origin, &[1; 32]).expect("good name");
        let signed = Checkpoint::new(origin, size, head(size).root).sign(&log).expect("own key");
        Held { head: head(size), note: Some(signed.note) }
    }

    #[test]
    fn a_text_without_checkpoints_is_read() {
        // As the program before this one wrote it.
        let bare = "hanmaru witness 1\n5 kn8n6kWnPRYCIvNWfBY7kuoiJjSdYCfT9z8dV+HNoXg= log with spaces\n";
        let bare = format!("{bare}check {}\n", base::hex(&base::sha256(bare.as_bytes())));
        let read = parse(&bare).expect("it is read");
        assert_eq!(read.len(), 1);
        let found = &read["log with spaces"];
        assert_eq!((found.head.size, found.note.as_ref()), (5, None));
        assert_eq!(parse(&text(&read)), Some(read));
    }

    #[test]
    fn any_damage_is_noticed() {
        let mut all: HeldHeads =
            ["log.example/a", "log.example/b"].map(|origin| (origin.to_owned(), held(origin, 5))).into();
        all.insert("log.example/c".to_owned(), Held { head: head(9), note: None });
        let whole = text(&all);
        assert_eq!(parse(&whole), Some(all.clone()));
        for position in 0..whole.len() {
            for bit in 0..7 {
                let mut changed = whole.clone().into_bytes();
                changed[position] ^= 1 << bit;
                assert_eq!(parse(std::str::from_utf8(&changed).expect("ASCII")), None, "byte {position}, bit {bit}");
            }
            assert_eq!(parse(&whole[..position]), None, "cut at {position}");
        }
        // The sum fits, and the checkpoint is that of another head or log.
        for other in [held("log.example/a", 6), held("log.example/b", 5)] {
            all.insert("log.example/a".to_owned(), Held { head: head(5), ..other });
            assert_eq!(parse(&text(&all)), None);
        }
    }
}
