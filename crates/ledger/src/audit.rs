//! Reads a whole log again and compares: do the entries give the tiles, and the tiles the signed root?
//!
//! It shows that what is stored is one consistent log. It cannot show what the entries commit to: that needs their salts.

use crate::Error;
use crate::appender::Appender;
use crate::checkpoint::Checkpoint;
use crate::hash::{Hash, leaf_hash};
use crate::tiles::{
    BundleSource, TILE_HEIGHT, TileId, TilePath, TileSource, check_size, decode_bundle, encode_bundle, first_entries,
    path, read_bundle, read_tile,
};

/// What [`Error::RootMismatch`] names where a log has another history than an earlier head of it tells.
pub const EARLIER_ROOT: &str = "root at an earlier head";

/// Checks every entry bundle and every hash tile that a log has under `checkpoint`. Holds one bundle at a time.
///
/// # Errors
/// [`Error::Source`], [`Error::TileLength`] or [`Error::Bundle`] where a file cannot be read, [`Error::TileContent`] where a
/// tile is not that of the entries, [`Error::RootMismatch`] where all tiles are and the root is not.
pub fn audit<S: TileSource + BundleSource + ?Sized>(checkpoint: &Checkpoint, source: &S) -> Result<(), Error> {
    audit_since(checkpoint, None, source)
}

/// As [`audit`], and checks that the log continues an earlier head of it, whose size is at most that of the checkpoint.
///
/// # Errors
/// Those of [`audit`]; [`Error::SizeOrder`] where the log has become shorter, and [`Error::RootMismatch`] over the root of the
/// earlier head where the log has another history. That is said of nothing but entries that lead to the signed root: a damaged copy
/// of the files is no history.
pub fn audit_since<S: TileSource + BundleSource + ?Sized>(
    checkpoint: &Checkpoint,
    earlier: Option<&Checkpoint>,
    source: &S,
) -> Result<(), Error> {
    let size = checkpoint.size;
    check_size(size)?;
    if let Some(earlier) = earlier.filter(|earlier| earlier.size > size) {
        return Err(Error::SizeOrder { old: earlier.size, new: size });
    }
    let (mut log, mut forked) = (Appender::new(), None);
    while let Some(TileId { index, width, .. }) = TileId::in_tree(0, log.size() >> TILE_HEIGHT, size) {
        let bytes = read_bundle(source, index, width)?;
        let (entries, _) = first_entries(&bytes, width)?;
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        if let Some(earlier) = earlier.filter(|_| forked.is_none()) {
            forked = check_earlier(&log, &leaves, earlier).err();
        }
        for (id, computed) in log.append(&leaves).tiles {
            // A tile that will still become wider is compared when it is as wide as this checkpoint has it.
            let final_width = TileId::in_tree(id.level, id.index, size) == Some(id);
            if final_width && read_tile(source, &id)? != computed {
                return Err(Error::TileContent { path: path(&id) });
            }
        }
        if log.size() == size {
            break;
        }
    }
    if log.root() != checkpoint.root {
        let (computed, expected) = (log.root(), checkpoint.root);
        return Err(Error::RootMismatch { what: "root of all entries", computed, expected });
    }
    forked.map_or(Ok(()), Err)
}

/// Where the earlier head lies within the next leaves, the root there must be its root.
fn check_earlier(log: &Appender, leaves: &[Hash], earlier: &Checkpoint) -> Result<(), Error> {
    let within = earlier.size.checked_sub(log.size()).and_then(|more| leaves.get(..usize::try_from(more).ok()?));
    let Some(within) = within else { return Ok(()) };
    let mut frontier = log.frontier().clone();
    within.iter().for_each(|leaf| frontier.append(*leaf));
    if frontier.root() == earlier.root {
        return Ok(());
    }
    Err(Error::RootMismatch { what: EARLIER_ROOT, computed: frontier.root(), expected: earlier.root })
}

/// Checks one file that stands under a public name of a log whose tiles are known to be those of a checkpoint of `size`
/// leaves: is it that tile or bundle, or a beginning of it as it was earlier? Files of a later checkpoint are passed over.
///
/// # Errors
/// [`Error::TileContent`], [`Error::Bundle`], and those of reading.
pub fn audit_file<S: TileSource + BundleSource + ?Sized>(
    path: &TilePath,
    bytes: &[u8],
    size: u64,
    source: &S,
) -> Result<(), Error> {
    let same = match *path {
        TilePath::Hashes(id) => match TileId::in_tree(id.level, id.index, size) {
            Some(known) if known.width >= id.width => {
                read_tile(source, &known)?.get(..id.byte_len()).is_some_and(|known| known == bytes)
            }
            _ => true,
        },
        TilePath::Entries { index, width } => match TileId::in_tree(0, index, size) {
            Some(known) if known.width >= width => {
                let known = read_bundle(source, index, known.width)?;
                let (entries, _) = first_entries(&known, width)?;
                decode_bundle(bytes, width)? == entries && encode_bundle(&entries)? == bytes
            }
            _ => true,
        },
    };
    if same { Ok(()) } else { Err(Error::TileContent { path: path.to_string() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiles::{TilePath, new_tiles};
    use crate::{Commitment, EntryKind, LogAppender, MemoryTiles, commit};

    fn log(size: u64) -> (Checkpoint, MemoryTiles) {
        let entries: Vec<Commitment> =
            (0..size).map(|i| commit(&[3; 32], EntryKind::Resource, &i.to_be_bytes())).collect();
        let batch = LogAppender::new().append(&entries);
        let mut stored = MemoryTiles::new();
        stored.absorb(&batch);
        (Checkpoint::new("log.example", size, batch.root), stored)
    }

    #[test]
    fn a_whole_log_passes_and_may_be_longer_than_its_checkpoint() {
        let (_, longest) = log(70_000);
        for size in [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000] {
            let (checkpoint, _) = log(size);
            audit(&checkpoint, &longest).expect("every tile is there");
        }
    }

    #[test]
    fn one_changed_bit_in_any_tile_is_found() {
        let (checkpoint, stored) = log(66_000);
        for id in new_tiles(0, 66_000).expect("grows").into_iter().filter(|id| id.level > 0 || id.index % 64 == 1) {
            let mut other = stored.clone();
            let mut bytes = stored.hash_tile(&id).expect("stored");
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            other.insert(TilePath::Hashes(id), bytes);
            let error = audit(&checkpoint, &other).expect_err("changed");
            assert!(matches!(error, Error::TileContent { path: found } if found == path(&id)));
        }
    }

    #[test]
    fn another_history_and_a_shorter_log_are_found() {
        let (checkpoint, stored) = log(1_000);
        for size in [0, 1, 255, 256, 257, 999, 1_000] {
            let (earlier, _) = log(size);
            audit_since(&checkpoint, Some(&earlier), &stored).expect("it continues");
            let fork = Checkpoint { root: leaf_hash(b"other"), ..earlier };
            let error = audit_since(&checkpoint, Some(&fork), &stored).expect_err("another history");
            assert!(matches!(error, Error::RootMismatch { what: EARLIER_ROOT, .. }), "{size}: {error}");
        }
        let (later, _) = log(1_001);
        let error = audit_since(&checkpoint, Some(&later), &stored).expect_err("shorter");
        assert!(matches!(error, Error::SizeOrder { old: 1_001, new: 1_000 }));
    }

    #[test]
    fn a_damaged_copy_is_not_taken_for_another_history() {
        let (checkpoint, mut stored) = log(1_000);
        let (earlier, _) = log(999);
        let mut bundle = stored.entry_bundle(3, 232).expect("stored");
        bundle[40] ^= 1;
        let leaves: Vec<u8> = {
            let (entries, _) = first_entries(&bundle, 232).expect("a bundle");
            entries.iter().flat_map(|entry| leaf_hash(entry).0).collect()
        };
        stored.insert(TilePath::Entries { index: 3, width: 232 }, bundle);
        let error = audit_since(&checkpoint, Some(&earlier), &stored).expect_err("an entry that has no tile");
        assert!(matches!(error, Error::TileContent { .. }), "{error}");
        // Whoever changes tiles too cannot sign what they lead to.
        stored.insert(TilePath::Hashes(TileId { level: 0, index: 3, width: 232 }), leaves);
        let error = audit_since(&checkpoint, Some(&earlier), &stored).expect_err("another root");
        assert!(matches!(error, Error::RootMismatch { what: "root of all entries", .. }), "{error}");
    }

    #[test]
    fn any_flipped_bit_of_a_small_log_is_found() {
        flip(&[3, 40, 21], 1);
        // With full tiles and a second level, one bit of eleven.
        flip(&[3, 254, 20], 11);
    }

    /// Grows a log in steps, so that partial tiles of earlier checkpoints stand beside the others, and flips bits of all files.
    fn flip(batches: &[u64], step: usize) {
        let (mut log, mut files, mut stored) = (LogAppender::new(), Vec::new(), MemoryTiles::new());
        for count in batches.iter().copied() {
            let from = log.size();
            let entries: Vec<Commitment> =
                (from..from + count).map(|i| commit(&[3; 32], EntryKind::Resource, &i.to_be_bytes())).collect();
            let batch = log.append(&entries);
            stored.absorb(&batch);
            files.extend(batch.files);
        }
        let checkpoint = Checkpoint::new("log.example", log.size(), log.root());
        let whole = |stored: &MemoryTiles, files: &[(TilePath, Vec<u8>)]| {
            audit(&checkpoint, stored)?;
            files.iter().try_for_each(|(path, bytes)| audit_file(path, bytes, checkpoint.size, stored))
        };
        whole(&stored, &files).expect("nothing is changed");
        for (path, whole) in &files {
            for bit in (0..whole.len() * 8).step_by(step) {
                let (path, mut bytes) = (*path, whole.clone());
                bytes[bit / 8] ^= 1 << (bit % 8);
                let current = match path {
                    TilePath::Hashes(id) => TileId::in_tree(id.level, id.index, checkpoint.size) == Some(id),
                    TilePath::Entries { index, width } => {
                        TileId::in_tree(0, index, checkpoint.size).is_some_and(|id| id.width == width)
                    }
                };
                let found = if current {
                    let mut changed = stored.clone();
                    changed.insert(path, bytes);
                    audit(&checkpoint, &changed)
                } else {
                    audit_file(&path, &bytes, checkpoint.size, &stored)
                };
                assert!(found.is_err(), "bit {bit} of {path}");
            }
        }
    }

    #[test]
    fn any_flipped_bit_of_a_checkpoint_is_found() {
        use crate::{CosignerKey, Note, SignerKey, TrustPolicy};
        let key = SignerKey::from_seed("log.example", &[1; 32]).expect("good name");
        let witness = CosignerKey::from_seed("w.example", &[2; 32]).expect("good name");
        let (checkpoint, _) = log(10);
        let signed = checkpoint.sign(&key).expect("own key");
        let mut note = Note::parse(&signed.note).expect("a note");
        note.add(witness.cosign(note.text().as_bytes(), 1_700_000_000)).expect("room");
        let text = format!("log {}\nwitness W {}\nquorum W\n", key.verifier().encode(), witness.witness().encode());
        let policy = TrustPolicy::parse(text.as_bytes()).expect("a policy");
        let bytes = note.to_bytes();
        policy.verify(&bytes).expect("signed and cosigned");
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(policy.verify(&changed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_changed_or_missing_entry_is_found() {
        let (checkpoint, stored) = log(600);
        let mut other = stored.clone();
        let mut bundle = stored.entry_bundle(2, 88).expect("stored");
        bundle[40] ^= 1;
        other.insert(TilePath::Entries { index: 2, width: 88 }, bundle);
        let error = audit(&checkpoint, &other).expect_err("changed");
        assert!(matches!(error, Error::TileContent { path } if path == "tile/0/002.p/88"));
        let (longer, _) = log(601);
        assert!(matches!(audit(&longer, &stored), Err(Error::Bundle { .. })));
        let (longer, _) = log(1000);
        assert!(matches!(audit(&longer, &stored), Err(Error::Bundle { .. } | Error::Source { .. })));
        let wrong = Checkpoint { root: leaf_hash(b"other"), ..checkpoint };
        assert!(matches!(audit(&wrong, &stored), Err(Error::RootMismatch { .. })));
    }
}
