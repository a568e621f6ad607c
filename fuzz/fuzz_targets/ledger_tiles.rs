//! Paths and bytes that come from a site: tile paths, entry bundles, frontiers, and proofs that do not hold.

#![no_main]

use base::wire::Reader;
use ledger::{Frontier, Hash, TilePath, tiles, verify_consistency, verify_inclusion};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, u64, u64, &[u8])| {
    let (text, one, two, bytes) = input;
    match tiles::parse_path(text) {
        Ok(TilePath::Hashes(id)) => assert_eq!(tiles::path(&id), text, "a path has one spelling"),
        Ok(TilePath::Entries { index, width }) => assert_eq!(tiles::entries_path(index, width), text),
        Err(_) => {}
    }
    for width in [1, 7, 256] {
        if let Ok(entries) = tiles::decode_bundle(bytes, width) {
            assert_eq!(
                tiles::encode_bundle(&entries).expect("they were in a bundle"),
                bytes,
                "a bundle has one spelling"
            );
        }
    }
    if let Ok(frontier) = Frontier::from_bytes(bytes) {
        assert_eq!(frontier.to_bytes(), bytes);
        let _ = frontier.root();
    }
    let hashes: Vec<Hash> = bytes.chunks_exact(32).map(|part| Hash(part.try_into().expect("32 bytes"))).collect();
    let root = Hash([7; 32]);
    let _ = verify_inclusion(&root, one, two, &Hash([8; 32]), &hashes);
    let _ = verify_consistency(one, &root, two, &Hash([8; 32]), &hashes);
    let mut reader = Reader::new(bytes);
    let _ = (
        reader.bytes().map(<[u8]>::len),
        reader.text().map(str::len),
        reader.u64(),
        reader.array::<16>(),
        reader.end(),
    );
});
