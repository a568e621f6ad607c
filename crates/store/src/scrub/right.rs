//! What a file at a site must hold: the judgement of a scrub, one file at a time and without sites or a database, so that it can be
//! tried on every bit.

use ledger::sound::{full_tile_root, narrower_bundle, tile_of_bundle};
use ledger::tiles::{LEVEL_MAX, TILE_WIDTH, TileId, TilePath};
use ledger::{BundleSource, Hash, SignedCheckpoint, TileSource, VerifierKey};
use vault::Bytes;

/// Looks for a copy of a file that is sound, at whichever site has one.
pub type Copies<'a> = &'a dyn Fn(&TilePath, &dyn Fn(&[u8]) -> bool) -> Option<Bytes>;

/// The right bytes of a log's files, as far as they are known: what stands above a file says what it is, up to the end of the log.
#[derive(Debug, Clone)]
pub struct RightLog<E> {
    size: u64,
    edge: E,
    /// The tile of each level that was looked at last.
    tiles: Vec<Option<(u64, Bytes)>>,
    bundle: Option<(u64, Bytes)>,
}

impl<E: TileSource + BundleSource> RightLog<E> {
    /// A log of so many leaves. `edge` has the last tile of each level and the last bundle where they are not full: they are trusted,
    /// since the database holds them under its signed root.
    pub fn new(size: u64, edge: E) -> Self {
        Self { size, edge, tiles: vec![None; usize::from(LEVEL_MAX) + 1], bundle: None }
    }

    /// Leaves of the log.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// What a file of the log at a site should hold; `None` where the log never had such a file, or where nobody has what it would
    /// be told by.
    pub fn file(&mut self, path: TilePath, copies: Copies<'_>) -> Option<Bytes> {
        match path {
            TilePath::Hashes(id) => {
                let whole = self.tile(id.level, id.index, copies)?;
                (whole.len() >= id.byte_len()).then(|| whole.slice(..id.byte_len()))
            }
            TilePath::Entries { index, width } => {
                let whole = self.bundle(index, copies)?;
                narrower_bundle(&whole, width).map(Bytes::copy_from_slice)
            }
        }
    }

    /// A tile as wide as the log has it: from the edge where it is the last of its level, otherwise the copy whose root stands in the
    /// tile above, or made of the bundle below.
    fn tile(&mut self, level: u8, index: u64, copies: Copies<'_>) -> Option<Bytes> {
        if let Some((_, known)) = self.tiles[usize::from(level)].as_ref().filter(|(place, _)| *place == index) {
            return Some(known.clone());
        }
        let id = TileId::in_tree(level, index, self.size)?;
        let found = if id.is_full() {
            let width = u64::from(TILE_WIDTH);
            let parent = self.tile(level + 1, index / width, copies)?;
            let root = Hash::at(&parent, (index % width) as usize)?;
            let sound = |bytes: &[u8]| full_tile_root(bytes) == Some(root);
            let copy = copies(&TilePath::Hashes(id), &sound);
            copy.or_else(|| tile_from_bundle(&id, copies).filter(|bytes| sound(bytes)))
        } else {
            self.edge.hash_tile(&id).ok().map(Bytes::from)
        }?;
        self.tiles[usize::from(level)] = Some((index, found.clone()));
        Some(found)
    }

    fn bundle(&mut self, index: u64, copies: Copies<'_>) -> Option<Bytes> {
        if let Some((_, known)) = self.bundle.as_ref().filter(|(place, _)| *place == index) {
            return Some(known.clone());
        }
        let id = TileId::in_tree(0, index, self.size)?;
        let tile = self.tile(0, index, copies)?;
        let sound = |bytes: &[u8]| tile_of_bundle(bytes, id.width).is_some_and(|found| found == tile);
        let found = if id.is_full() {
            copies(&TilePath::Entries { index, width: id.width }, &sound)
        } else {
            let kept = self.edge.entry_bundle(index, id.width).ok();
            kept.map(Bytes::from).filter(|bytes| sound(bytes))
        }?;
        self.bundle = Some((index, found.clone()));
        Some(found)
    }
}

fn tile_from_bundle(id: &TileId, copies: Copies<'_>) -> Option<Bytes> {
    if id.level > 0 {
        return None;
    }
    let path = TilePath::Entries { index: id.index, width: id.width };
    let bundle = copies(&path, &|bytes| tile_of_bundle(bytes, id.width).is_some())?;
    tile_of_bundle(&bundle, id.width).map(Bytes::from)
}

/// Whether these bytes are the pack of this path, and every frame in it is whole on the outside.
#[must_use]
pub fn pack_is_right(path: &str, bytes: &[u8]) -> bool {
    vault::matches_path(path, bytes) && vault::read_pack(bytes).is_ok()
}

/// Whether a checkpoint at a site is a head that the log had. `newest` is the head that the database holds and `published` the one
/// that it noted as published; `root_at` tells the root of an earlier size, where the tiles do.
pub fn checkpoint_is_right(
    bytes: &[u8],
    key: &VerifierKey,
    newest: &SignedCheckpoint,
    published: Option<&SignedCheckpoint>,
    root_at: &dyn Fn(u64) -> Option<Hash>,
) -> bool {
    SignedCheckpoint::open(bytes, std::slice::from_ref(key)).is_ok_and(|found| {
        let (size, root) = (found.checkpoint.size, found.checkpoint.root);
        match published.filter(|head| head.checkpoint.size == size) {
            // Cosignatures are not ours to check, so every bit of them must be as it was published.
            Some(published) => bytes == published.note || bytes == newest.note,
            // A newer one than was looked at was published meanwhile: its own signature is all there is to go by.
            None if size > newest.checkpoint.size => true,
            None => root_at(size).is_none_or(|computed| computed == root),
        }
    })
}
