//! Targets for what every crate reads with: the wire format, ids and hexadecimal digits.

use base::wire::Reader;
use base::{Id16, hex, unhex};

pub fn text_seeds() -> Vec<Vec<u8>> {
    let mut wire = base::wire::Writer::new();
    wire.u8(1).text("한글").bytes(b"bytes").u64(7).raw(&[9; 16]);
    vec![wire.finish(), Id16([0xab; 16]).to_string().into_bytes(), hex(b"hexadecimal").into_bytes(), b"0A".to_vec()]
}

/// Ids and digits have one spelling; a reader never goes beyond its bytes.
pub fn texts(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(id) = text.parse::<Id16>() {
            assert_eq!(id.to_string(), text.to_ascii_lowercase(), "an id is its digits");
        }
        if let Some(read) = unhex(text) {
            assert_eq!(hex(&read), text.to_ascii_lowercase(), "digits are read as they stand");
        }
    }
    let mut reader = Reader::new(bytes);
    for step in bytes.iter().take(64) {
        let before = reader.offset();
        let is_read = match step % 6 {
            0 => reader.u8().is_ok(),
            1 => reader.u16().is_ok(),
            2 => reader.u64().is_ok(),
            3 => reader.bytes().is_ok_and(|read| read.len() < bytes.len()),
            4 => reader.text().is_ok_and(|read| read.len() < bytes.len()),
            _ => reader.array::<16>().is_ok(),
        };
        assert!(reader.offset() >= before && reader.offset() + reader.left() == bytes.len());
        if !is_read {
            break;
        }
    }
    assert_eq!(reader.clone().end().is_ok(), reader.left() == 0);
}
