//! Changes of lasting tables on their way into a segment: those of one owner in one round become one frame and one leaf.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use base::{Id16, wire};
use ledger::{Commitment, EntryKind};
use policy::Owner;
use rusqlite::Connection;
use vault::{FrameHead, FrameKind, KeyId, PackBuilder};

use crate::core::Core;
use crate::error::{AtStep, StoreError};
use crate::rows::{Layout, Numbered, write_rows};
use crate::types::{owner_bytes, owner_from};

/// Bytes of changes after which an owner's next change begins another frame.
const FRAME_BYTES: usize = 1 << 20;
/// Bytes that a change has in a frame beside its own: number, layout and length.
const CHANGE_MORE: usize = 14;
/// Bytes that a frame has beside its changes and the names of their columns: its head and seal, and its place in the segment.
const FRAME_MORE: usize = 256;
/// The most bytes that a change brings into a segment beside its own: it may begin a frame.
pub(super) const CHANGE_MOST_MORE: usize = 4 << 10;

/// The owner of what is the installation's own.
pub(crate) fn installation() -> Owner {
    Owner::Institution(Id16::derived(&["installation"]))
}

/// Changes taken from the outbox, by owner.
#[derive(Default)]
pub(super) struct Changes {
    groups: Vec<(Owner, Vec<Waiting>)>,
    places: HashMap<Owner, usize>,
    layouts: HashMap<i64, Layout>,
    /// The layouts that each group names.
    named: HashSet<(usize, i64)>,
    bytes: usize,
}

struct Waiting {
    no: u64,
    layout: i64,
    change: Vec<u8>,
}

impl Changes {
    /// Takes a change in.
    pub(super) fn push(
        &mut self,
        connection: &Connection,
        no: i64,
        layout: i64,
        owner: Option<&[u8]>,
        change: Vec<u8>,
    ) -> Result<(), StoreError> {
        if let Entry::Vacant(unknown) = self.layouts.entry(layout) {
            unknown.insert(read_layout(connection, layout)?);
        }
        let owner = match owner {
            // Nobody's key can be made anew who was erased; what is still said of them is the installation's own.
            Some(owner) if !is_erased(connection, owner)? => owner_from(owner)?,
            _ => installation(),
        };
        let place = *self.places.entry(owner).or_insert_with(|| {
            self.groups.push((owner, Vec::new()));
            self.bytes += FRAME_MORE;
            self.groups.len() - 1
        });
        if self.named.insert((place, layout)) {
            self.bytes += self.layouts[&layout].bytes();
        }
        self.bytes += change.len() + CHANGE_MORE;
        self.groups[place].1.push(Waiting { no: no.unsigned_abs(), layout, change });
        Ok(())
    }

    /// Bytes that it has in a segment, but for what changes beyond one frame of an owner bring with them.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Seals each owner's changes into frames of `pack`, and gives their leaves in the order of the frames, each with the key of
    /// its frame. Keys that were made for this are durable when it returns.
    pub(super) fn seal(self, core: &Core, pack: &mut PackBuilder) -> Result<Vec<(Commitment, KeyId)>, StoreError> {
        let mut leaves = Vec::with_capacity(self.groups.len());
        for (owner, waiting) in &self.groups {
            let mut rest = waiting.as_slice();
            while !rest.is_empty() {
                let mut bytes = 0;
                let fits = |one: &&Waiting| {
                    bytes += one.change.len();
                    bytes <= FRAME_BYTES
                };
                let (now, later) = rest.split_at(rest.iter().take_while(fits).count().max(1));
                leaves.push(seal_frame(core, *owner, &self.layouts, now, pack)?);
                rest = later;
            }
        }
        core.persist_keys()?;
        Ok(leaves)
    }
}

fn seal_frame(
    core: &Core,
    owner: Owner,
    known: &HashMap<i64, Layout>,
    waiting: &[Waiting],
    pack: &mut PackBuilder,
) -> Result<(Commitment, KeyId), StoreError> {
    let mut layouts: Vec<&Layout> = Vec::new();
    let mut places = HashMap::new();
    let changes: Vec<Numbered<'_>> = waiting
        .iter()
        .map(|one| {
            let layout = *places.entry(one.layout).or_insert_with(|| {
                layouts.push(&known[&one.layout]);
                layouts.len() - 1
            });
            Numbered { no: one.no, layout, bytes: &one.change }
        })
        .collect();
    let rows = write_rows(&layouts, &changes);
    let salt = core.random.bytes32();
    let mut body = wire::Writer::new();
    body.u8(1).raw(&salt).raw(&rows);
    let object = Id16::random(&*core.random);
    let head = FrameHead { kind: FrameKind::Table, object, version: 1, chunk: 0, last: true, owner };
    let key = core.keyring.rows(owner)?;
    pack.push(&vault::seal(&key, &head, body.as_slice(), &*core.random)?)?;
    Ok((ledger::commit(&salt, EntryKind::Rows, &rows_content(owner, &rows)), key.id()))
}

/// What the leaf of a frame of rows commits to, as [`EntryKind::Rows`]: format (1 byte), owner (kind 1 byte, id 16), SHA-256 of
/// layouts and changes as the frame has them (32).
pub(crate) fn rows_content(owner: Owner, rows: &[u8]) -> Vec<u8> {
    let mut out = wire::Writer::new();
    out.u8(1).raw(&owner_bytes(owner)).raw(&base::sha256(rows));
    out.finish()
}

fn is_erased(connection: &Connection, owner: &[u8]) -> Result<bool, StoreError> {
    let step = "looking for the erased";
    let mut statement = connection.prepare_cached("SELECT 1 FROM erased_owner WHERE owner = ?").at(step)?;
    statement.exists([owner]).at(step)
}

fn read_layout(connection: &Connection, no: i64) -> Result<Layout, StoreError> {
    let step = "reading the layout of a table";
    let mut statement =
        connection.prepare_cached("SELECT name, keys, columns FROM row_layout WHERE no = ?").at(step)?;
    statement
        .query_row([no], |row| {
            let columns: String = row.get(2)?;
            let columns = columns.split(',').map(str::to_owned).collect();
            Ok(Layout { table: row.get(0)?, keys: row.get::<_, u16>(1)?.into(), columns })
        })
        .at(step)
}
