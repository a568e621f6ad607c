//! The form of rows in segments: changes of lasting tables, and the body of a frame that carries them. Pure.
//!
//! Integers are big-endian; `text` stands behind a length of four bytes.
//!
//! # Change
//!
//! `01` for a put of a whole row or `02` for a delete, then values: all columns of the layout, or those of the key. A value is a
//! tag and its bytes: `00` null; `01` integer, 8 bytes; `02` real, 8 bytes (IEEE 754); `03` `text`; `04` bytes behind their length.
//!
//! # Body of a frame of table rows, format 1
//!
//! | field | bytes |
//! |---|---|
//! | format | `01` |
//! | salt | 32 |
//! | number of layouts | 2 |
//! | each layout | `text` table, number of key columns 2, number of columns 2, each `text` |
//! | number of changes | 4 |
//! | each change | number in the order of all changes 8, place of its layout 2, change as `bytes` |
//!
//! A frame names its tables and columns itself, so it is readable whatever became of the tables since.

use base::wire::{Malformed, Reader, Writer};
use rusqlite::functions::Context;
use rusqlite::types::{Value, ValueRef};

/// Largest change in bytes: what a frame takes, with room to spare.
pub(crate) const CHANGE_BYTES_MAX: usize = 8 << 20;
/// Most columns of a table.
const COLUMNS_MAX: u16 = 256;

const PUT: u8 = 1;
const DELETE: u8 = 2;

/// What columns a change has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Layout {
    pub(crate) table: String,
    /// How many of the columns are the key; they stand first.
    pub(crate) keys: usize,
    pub(crate) columns: Vec<String>,
}

impl Layout {
    /// Bytes that it has in [`write_rows`].
    pub(crate) fn bytes(&self) -> usize {
        let text = |text: &str| 4 + text.len();
        4 + text(&self.table) + self.columns.iter().map(|column| text(column)).sum::<usize>()
    }
}

/// A change of one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// The row is this.
    Put(Vec<Value>),
    /// There is no row of this key.
    Delete(Vec<Value>),
}

/// A change as a frame has it.
pub(crate) struct Numbered<'a> {
    /// Its place in the order of all changes.
    pub(crate) no: u64,
    /// Place of its layout in the frame.
    pub(crate) layout: usize,
    /// The change as bytes.
    pub(crate) bytes: &'a [u8],
}

/// The arguments of an SQL function as a change: the first says which kind.
pub(crate) fn change_of(context: &Context<'_>) -> Vec<u8> {
    let mut out = Writer::new();
    for at in 0..context.len() {
        let value = context.get_raw(at);
        match (at, value) {
            (0, ValueRef::Integer(kind)) => drop(out.u8(if kind == 1 { PUT } else { DELETE })),
            _ => write_value(&mut out, value),
        }
    }
    out.finish()
}

pub(crate) fn write_value(out: &mut Writer, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => out.u8(0),
        ValueRef::Integer(number) => out.u8(1).i64(number),
        ValueRef::Real(number) => out.u8(2).u64(number.to_bits()),
        ValueRef::Text(text) => out.u8(3).bytes(text),
        ValueRef::Blob(bytes) => out.u8(4).bytes(bytes),
    };
}

fn read_value(reader: &mut Reader<'_>) -> Result<Value, Malformed> {
    let offset = reader.offset();
    Ok(match reader.u8()? {
        0 => Value::Null,
        1 => Value::Integer(reader.i64()?),
        2 => Value::Real(f64::from_bits(reader.u64()?)),
        3 => Value::Text(reader.text()?.to_owned()),
        4 => Value::Blob(reader.bytes()?.to_vec()),
        _ => return Err(Malformed { offset, expected: "a kind of value" }),
    })
}

/// Reads a change of a layout.
pub(crate) fn read_change(bytes: &[u8], layout: &Layout) -> Result<Change, Malformed> {
    let mut reader = Reader::new(bytes);
    let kind = reader.u8()?;
    let count = match kind {
        PUT => layout.columns.len(),
        DELETE => layout.keys,
        _ => return Err(Malformed { offset: 0, expected: "a kind of change" }),
    };
    let values = (0..count).map(|_| read_value(&mut reader)).collect::<Result<_, _>>()?;
    reader.end()?;
    Ok(if kind == PUT { Change::Put(values) } else { Change::Delete(values) })
}

/// The body of a frame without format and salt: what its leaf commits to by its SHA-256.
pub(crate) fn write_rows(layouts: &[&Layout], changes: &[Numbered<'_>]) -> Vec<u8> {
    let mut out = Writer::new();
    out.u16(u16::try_from(layouts.len()).expect("a frame has as many layouts as there are tables"));
    for layout in layouts {
        let short = |count| u16::try_from(count).expect("a table has at most some hundred columns");
        out.text(&layout.table).u16(short(layout.keys)).u16(short(layout.columns.len()));
        for column in &layout.columns {
            out.text(column);
        }
    }
    out.u32(u32::try_from(changes.len()).expect("a round has at most some thousand changes"));
    for change in changes {
        let layout = u16::try_from(change.layout).expect("it is one of the layouts above");
        out.u64(change.no).u16(layout).bytes(change.bytes);
    }
    out.finish()
}

/// Reads what [`write_rows`] wrote. Never panics, whatever the bytes.
pub(crate) fn read_rows(bytes: &[u8]) -> Result<(Vec<Layout>, Vec<Numbered<'_>>), Malformed> {
    let mut reader = Reader::new(bytes);
    let mut layouts = Vec::new();
    for _ in 0..reader.u16()? {
        let table = reader.text()?.to_owned();
        let offset = reader.offset();
        let (keys, columns) = (reader.u16()?, reader.u16()?);
        if keys == 0 || keys > columns || columns > COLUMNS_MAX {
            return Err(Malformed { offset, expected: "a number of columns" });
        }
        let columns = (0..columns).map(|_| reader.text().map(str::to_owned)).collect::<Result<_, _>>()?;
        layouts.push(Layout { table, keys: usize::from(keys), columns });
    }
    let mut changes = Vec::new();
    for _ in 0..reader.u32()? {
        let no = reader.u64()?;
        let offset = reader.offset();
        let layout = usize::from(reader.u16()?);
        if layout >= layouts.len() {
            return Err(Malformed { offset, expected: "the place of a layout" });
        }
        changes.push(Numbered { no, layout, bytes: reader.bytes()? });
    }
    reader.end()?;
    Ok((layouts, changes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            any::<f64>().prop_filter("equal to itself", |number| !number.is_nan()).prop_map(Value::Real),
            any::<String>().prop_map(Value::Text),
            any::<Vec<u8>>().prop_map(Value::Blob),
        ]
    }

    proptest! {
        #[test]
        fn rows_go_both_ways(row in proptest::collection::vec(values(), 1..6), no: u64) {
            let columns: Vec<String> = (0..row.len()).map(|at| format!("열{at}")).collect();
            let layout = Layout { table: "t".to_owned(), keys: 1, columns };
            let mut change = Writer::new();
            change.u8(PUT);
            row.iter().for_each(|value| write_value(&mut change, value.into()));
            let body = write_rows(&[&layout], &[Numbered { no, layout: 0, bytes: change.as_slice() }]);
            let (layouts, changes) = read_rows(&body).expect("as written");
            prop_assert_eq!(&layouts, std::slice::from_ref(&layout));
            prop_assert_eq!((changes[0].no, changes.len()), (no, 1));
            prop_assert_eq!(read_change(changes[0].bytes, &layout).expect("as written"), Change::Put(row));
            for cut in 0..body.len() {
                prop_assert!(read_rows(&body[..cut]).is_err());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = read_rows(&bytes);
            let _ = read_change(&bytes, &Layout { table: String::new(), keys: 1, columns: vec![String::new(); 3] });
        }
    }
}
