//! Names and contents of the files that a log consists of (C2SP `tlog-tiles`): hash tiles and entry bundles.
//!
//! Paths here are below the prefix of a log and say nothing about where it lies. The checkpoint, the third kind of file,
//! is named [`CHECKPOINT_PATH`].

use std::fmt;

use crate::hash::HASH_LEN;
use crate::{Error, TREE_SIZE_MAX};

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// Bits that one level of tiles spans.
pub const TILE_HEIGHT: u32 = 8;

/// Highest level that a path may name.
pub const LEVEL_MAX: u8 = 63;

/// Longest path that is read, in bytes: `tile/entries/`, seven path elements of an index and `.p/255` fit.
pub const PATH_LEN_MAX: usize = 64;

/// Longest entry in bytes: its length stands in two bytes.
pub const ENTRY_LEN_MAX: usize = u16::MAX as usize;

/// Path of the signed tree head below the prefix of a log.
pub const CHECKPOINT_PATH: &str = "checkpoint";

/// A hash tile: `width` consecutive hashes of subtrees of `256^level` leaves, from hash `index * 256` of that level on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// 0 for leaf hashes; each level up, a hash stands for a full tile of the level below.
    pub level: u8,
    /// Place of the tile within its level.
    pub index: u64,
    /// Hashes in it: 256 in a full tile, 1 to 255 in a partial one.
    pub width: u16,
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TilePath {
    /// A hash tile.
    Hashes(TileId),
    /// An entry bundle.
    Entries {
        /// Place of the bundle among the bundles.
        index: u64,
        /// Entries in it: 1 to 256.
        width: u16,
    },
}

/// Where hash tiles are read from: a folder, a cache, the portal's memory.
pub trait TileSource {
    /// Why a tile could not be read.
    type Error: Into<Box<dyn std::error::Error + Send + Sync>>;

    /// The bytes of a tile: `width * 32` of them, or more where a wider version of the same tile stands in
    /// (a log may delete a partial tile once the full one exists).
    ///
    /// # Errors
    /// Whatever keeps the tile from being read; its absence too.
    fn hash_tile(&self, id: &TileId) -> Result<Vec<u8>, Self::Error>;
}

/// Where entry bundles are read from.
pub trait BundleSource {
    /// Why a bundle could not be read.
    type Error: Into<Box<dyn std::error::Error + Send + Sync>>;

    /// The bytes of an entry bundle of at least `width` entries.
    ///
    /// # Errors
    /// Whatever keeps the bundle from being read; its absence too.
    fn entry_bundle(&self, index: u64, width: u16) -> Result<Vec<u8>, Self::Error>;
}

/// Path of a hash tile: `tile/<L>/<N>[.p/<W>]`.
#[must_use]
pub fn path(id: &TileId) -> String {
    TilePath::Hashes(*id).to_string()
}

/// Path of an entry bundle: `tile/entries/<N>[.p/<W>]`.
#[must_use]
pub fn entries_path(index: u64, width: u16) -> String {
    TilePath::Entries { index, width }.to_string()
}

/// Reads a path as [`path`] and [`entries_path`] write it. Every other spelling is refused.
///
/// # Errors
/// [`Error::TilePath`], naming the part that is wrong.
pub fn parse_path(text: &str) -> Result<TilePath, Error> {
    let refuse = |reason| Error::TilePath { reason };
    if text.len() > PATH_LEN_MAX {
        return Err(refuse("it is too long"));
    }
    let rest = text.strip_prefix("tile/").ok_or(refuse("it does not begin with tile/"))?;
    let (level, rest) = rest.split_once('/').ok_or(refuse("it has no index"))?;
    let (index, width) = match rest.split_once(".p/") {
        None => (rest, TILE_WIDTH),
        Some((index, width)) => {
            let width = decimal(width).filter(|width| (1..256).contains(width));
            (index, width.ok_or(refuse("the width of a partial tile is a number from 1 to 255"))? as u16)
        }
    };
    let index = parse_index(index).ok_or(refuse("the index is not made of three-digit elements"))?;
    if level == "entries" {
        return Ok(TilePath::Entries { index, width });
    }
    let level = decimal(level).filter(|level| *level <= u64::from(LEVEL_MAX));
    let level = level.ok_or(refuse("the level is a number from 0 to 63"))? as u8;
    Ok(TilePath::Hashes(TileId { level, index, width }))
}

/// The tiles to write when a log grows from `old_size` to `new_size` leaves: all that are new or have become wider, level
/// by level, in order. Nothing else changes.
///
/// # Errors
/// [`Error::SizeOrder`] where the log would shrink, [`Error::TreeSize`] beyond the limit.
pub fn new_tiles(old_size: u64, new_size: u64) -> Result<Vec<TileId>, Error> {
    if new_size < old_size {
        return Err(Error::SizeOrder { old: old_size, new: new_size });
    }
    check_size(new_size)?;
    let mut tiles = Vec::new();
    for level in 0.. {
        let (old, new) = (hashes_at(level, old_size), hashes_at(level, new_size));
        if old == new {
            break;
        }
        let partial = (new % u64::from(TILE_WIDTH)) as u16;
        tiles.extend((old >> TILE_HEIGHT..new >> TILE_HEIGHT).map(|index| TileId { level, index, width: TILE_WIDTH }));
        if partial > 0 {
            tiles.push(TileId { level, index: new >> TILE_HEIGHT, width: partial });
        }
    }
    Ok(tiles)
}

impl TileId {
    /// The tile at `level` and `index` in a tree of `size` leaves, with the width it has there; `None` where it is empty.
    #[must_use]
    pub fn in_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        let beyond = hashes_at(level, size).checked_sub(index.checked_mul(u64::from(TILE_WIDTH))?)?;
        let width = beyond.min(u64::from(TILE_WIDTH)) as u16;
        (width > 0).then_some(Self { level, index, width })
    }

    /// Whether the tile will never change again.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Bytes of the tile.
    #[must_use]
    pub const fn byte_len(&self) -> usize {
        self.width as usize * HASH_LEN
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, width) = match self {
            Self::Hashes(id) => {
                write!(f, "tile/{}/", id.level)?;
                (id.index, id.width)
            }
            Self::Entries { index, width } => {
                f.write_str("tile/entries/")?;
                (*index, *width)
            }
        };
        let mut unit = 1;
        while index / unit >= 1000 {
            unit *= 1000;
        }
        while unit > 1 {
            write!(f, "x{:03}/", index / unit % 1000)?;
            unit /= 1000;
        }
        write!(f, "{:03}", index % 1000)?;
        if width < TILE_WIDTH { write!(f, ".p/{width}") } else { Ok(()) }
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TilePath::Hashes(*self).fmt(f)
    }
}

/// Writes one entry into a bundle: its length in two bytes, big-endian, then the entry.
///
/// # Errors
/// [`Error::EntryTooLong`] beyond 65,535 bytes.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), Error> {
    let length =
        u16::try_from(entry.len()).map_err(|_| Error::EntryTooLong { found: entry.len(), limit: ENTRY_LEN_MAX })?;
    bundle.reserve(2 + entry.len());
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// A bundle of up to 256 entries.
///
/// # Errors
/// [`Error::EntryTooLong`] for an entry that does not fit, [`Error::Bundle`] for too many.
pub fn encode_bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, Error> {
    if entries.len() > usize::from(TILE_WIDTH) {
        return Err(Error::Bundle { reason: "it would hold more than 256 entries" });
    }
    let mut bundle = Vec::new();
    entries.iter().try_for_each(|entry| push_entry(&mut bundle, entry.as_ref()))?;
    Ok(bundle)
}

/// The `width` entries of a bundle. Nothing may be left over.
///
/// # Errors
/// [`Error::Bundle`] where the bytes end early or go on.
pub fn decode_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, Error> {
    let (entries, left) = first_entries(bytes, width)?;
    if left > 0 {
        return Err(Error::Bundle { reason: "it holds more entries than its width" });
    }
    Ok(entries)
}

/// The first `width` entries of a bundle, and how many bytes follow them.
pub(crate) fn first_entries(bytes: &[u8], width: u16) -> Result<(Vec<&[u8]>, usize), Error> {
    if width == 0 || width > TILE_WIDTH {
        return Err(Error::Bundle { reason: "a bundle holds 1 to 256 entries" });
    }
    let mut reader = base::wire::Reader::new(bytes);
    let mut entries = Vec::with_capacity(usize::from(width));
    for _ in 0..width {
        let entry = reader.u16().and_then(|length| reader.raw(usize::from(length)));
        entries.push(entry.map_err(|_| Error::Bundle { reason: "it ends before its last entry" })?);
    }
    Ok((entries, reader.left()))
}

/// How many hashes `level` has in a tree of `size` leaves: `floor(size / 256^level)`.
pub(crate) fn hashes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level) * TILE_HEIGHT).unwrap_or(0)
}

pub(crate) fn check_size(size: u64) -> Result<(), Error> {
    if size > TREE_SIZE_MAX { Err(Error::TreeSize { size, limit: TREE_SIZE_MAX }) } else { Ok(()) }
}

/// Reads a tile and cuts it to the width asked for.
pub(crate) fn read_tile<S: TileSource + ?Sized>(source: &S, id: &TileId) -> Result<Vec<u8>, Error> {
    let read = source.hash_tile(id);
    let mut bytes = read.map_err(|error| Error::Source { path: path(id), source: error.into() })?;
    if bytes.len() < id.byte_len() {
        return Err(Error::TileLength { path: path(id), expected: id.byte_len(), found: bytes.len() });
    }
    bytes.truncate(id.byte_len());
    Ok(bytes)
}

/// Reads a bundle, which may hold more entries than asked for.
pub(crate) fn read_bundle<S: BundleSource + ?Sized>(source: &S, index: u64, width: u16) -> Result<Vec<u8>, Error> {
    let read = source.entry_bundle(index, width);
    read.map_err(|error| Error::Source { path: entries_path(index, width), source: error.into() })
}

/// A number in ASCII decimal digits without leading zeroes.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if canonical && digits { text.parse().ok() } else { None }
}

/// An index in three-digit elements, all but the last behind an `x`, the first not zero unless it is the only one.
fn parse_index(text: &str) -> Option<u64> {
    let mut index: u64 = 0;
    let mut elements = text.split('/').peekable();
    while let Some(element) = elements.next() {
        let last = elements.peek().is_none();
        let digits = if last { element } else { element.strip_prefix('x')? };
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let value: u64 = digits.parse().ok()?;
        // A leading element of zeroes would be a second spelling of the same index.
        if index == 0 && value == 0 && !last {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(value)?;
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tile(level: u8, index: u64, width: u16) -> TileId {
        TileId { level, index, width }
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(path(&tile(0, 1_234_067, 256)), "tile/0/x001/x234/067");
        assert_eq!(path(&tile(63, 0, 1)), "tile/63/000.p/1");
        assert_eq!(path(&tile(1, 999, 255)), "tile/1/999.p/255");
        assert_eq!(entries_path(1000, 256), "tile/entries/x001/000");
        assert_eq!(entries_path(u64::MAX, 8), "tile/entries/x018/x446/x744/x073/x709/x551/615.p/8");
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/00/000",
            "tile/64/000",
            "tile/-1/000",
            "tile/+1/000",
            "tile/a/000",
            "/tile/0/000",
            "tile/0/x000/000",
            "tile/0/x001",
            "tile/0/001/000",
            "tile/0/x001/x000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p",
            "tile/0/000.p/1/",
            "tile/0/000.p/1.p/1",
            "tile/0/../../checkpoint",
            "tile/data/000",
            "tile/entries",
            "tile/0/00١",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "checkpoint",
        ] {
            assert!(matches!(parse_path(text), Err(Error::TilePath { .. })), "{text}");
        }
        let long = format!("tile/0/{}", "x001/".repeat(60));
        assert!(parse_path(&long).is_err());
    }

    #[test]
    fn the_tree_of_the_specification_has_these_tiles() {
        // C2SP tlog-tiles, "Partial Tiles": a tree of 70,000 leaves, and one of 256.
        let tiles = new_tiles(0, 70_000).expect("grows");
        let count = |level, full| tiles.iter().filter(|id| id.level == level && id.is_full() == full).count();
        assert_eq!((count(0, true), count(1, true), count(2, true)), (273, 1, 0));
        for partial in [tile(0, 273, 112), tile(1, 1, 17), tile(2, 0, 1)] {
            assert!(tiles.contains(&partial), "{partial}");
        }
        assert_eq!(tiles.len(), 273 + 1 + 3);
        assert_eq!(new_tiles(0, 256).expect("grows"), [tile(0, 0, 256), tile(1, 0, 1)]);
        assert_eq!(new_tiles(5, 5).expect("stays"), []);
        assert!(matches!(new_tiles(5, 4), Err(Error::SizeOrder { old: 5, new: 4 })));
        assert!(matches!(new_tiles(0, u64::MAX), Err(Error::TreeSize { .. })));
    }

    #[test]
    fn a_tile_knows_its_width_in_a_tree() {
        assert_eq!(TileId::in_tree(0, 273, 70_000), Some(tile(0, 273, 112)));
        assert_eq!(TileId::in_tree(1, 0, 70_000), Some(tile(1, 0, 256)));
        assert_eq!(TileId::in_tree(0, 274, 70_000), None);
        assert_eq!(TileId::in_tree(0, 0, 0), None);
        assert_eq!(TileId::in_tree(63, u64::MAX, u64::MAX), None);
        assert_eq!(TileId::in_tree(0, 1, 256), None);
    }

    #[test]
    fn bundles_are_length_prefixed() {
        let bundle = encode_bundle(&[&b"ab"[..], b"", b"c"]).expect("short entries");
        assert_eq!(bundle, b"\0\x02ab\0\0\0\x01c");
        assert_eq!(decode_bundle(&bundle, 3).expect("own bytes"), [&b"ab"[..], b"", b"c"]);
        for wrong in [0, 2, 4, 257] {
            assert!(matches!(decode_bundle(&bundle, wrong), Err(Error::Bundle { .. })), "width {wrong}");
        }
        assert!(matches!(encode_bundle(&[vec![0; 65_536]]), Err(Error::EntryTooLong { found: 65_536, .. })));
        assert!(encode_bundle(&[vec![0; 65_535]]).is_ok());
        assert!(matches!(encode_bundle(&vec![[0; 1]; 257]), Err(Error::Bundle { .. })));
    }

    proptest! {
        #[test]
        fn paths_go_both_ways(level in 0u8..=63, index: u64, width in 1u16..=256) {
            let id = tile(level, index, width);
            prop_assert_eq!(parse_path(&path(&id)).expect("own path"), TilePath::Hashes(id));
            let entries = TilePath::Entries { index, width };
            prop_assert_eq!(parse_path(&entries.to_string()).expect("own path"), entries);
        }

        #[test]
        fn what_is_read_is_written_alike(text in "tile/([0-9]{1,2}|entries)(/x?[0-9]{3}){1,4}(\\.p/[0-9]{1,3})?") {
            if let Ok(read) = parse_path(&text) {
                prop_assert_eq!(read.to_string(), text);
            }
        }

        #[test]
        fn no_path_and_no_bundle_panics(text: String, bytes: Vec<u8>, width: u16) {
            let _ = parse_path(&text);
            let _ = decode_bundle(&bytes, width);
        }

        #[test]
        fn bundles_go_both_ways(entries in proptest::collection::vec(any::<Vec<u8>>(), 1..20)) {
            let bundle = encode_bundle(&entries).expect("short entries");
            prop_assert_eq!(decode_bundle(&bundle, entries.len() as u16).expect("own bytes"), entries);
        }
    }
}
