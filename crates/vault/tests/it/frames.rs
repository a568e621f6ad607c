//! Frames and packs: what opens, for whom, and what never does.

use crate::common::{Folders, SOON, Table, depositor, depositor_of, group_name, institution, job, patient, reader};
use base::{Id16, SeededRandom};
use policy::{Action, InstitutionCode, Owner};
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};
use vault::{
    FrameHead, FrameKind, GroupKey, GroupName, Keyring, PLAINTEXT_BYTES_MAX, PackBuilder, PackError, SealError,
    matches_path, open_frame, open_frame_as, read_pack, seal,
};

fn head(owner: Owner) -> FrameHead {
    let object = Id16::derived(&["object"]);
    FrameHead { kind: FrameKind::Resource, object, version: 3, chunk: 0, last: true, owner }
}

struct World {
    _folders: Folders,
    ring: Keyring,
    key: Arc<GroupKey>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let folders = Folders::new();
    let ring = folders.ring(Arc::new(Table::default()), 1);
    let key = ring.group(&depositor_of(&institution()), &group_name(patient("1"))).expect("made");
    World { _folders: folders, ring, key }
});

pub fn sealed(body: &[u8]) -> Vec<u8> {
    seal(&WORLD.key, &head(patient("1")), body, &SeededRandom::new(5)).expect("sealed")
}

#[test]
fn every_changed_byte_is_refused() {
    let read = reader(patient("1"), Action::ReadRecord);
    let frame = sealed(b"a body");
    assert_eq!(open_frame(&read, &WORLD.ring, &frame).expect("whole").body, b"a body");
    for at in 0..frame.len() {
        for bit in [1, 0x80] {
            let mut bad = frame.clone();
            bad[at] ^= bit;
            assert!(open_frame(&read, &WORLD.ring, &bad).is_err(), "byte {at}");
        }
    }
    for length in 0..frame.len() {
        assert!(open_frame(&read, &WORLD.ring, &frame[..length]).is_err(), "cut to {length}");
    }
    assert!(open_frame(&read, &WORLD.ring, &[frame.as_slice(), &[0]].concat()).is_err());
    let kind_changed = [&frame[..3], &[2], &frame[4..]].concat();
    assert!(matches!(open_frame(&read, &WORLD.ring, &kind_changed), Err(SealError::Tampered)));
}

#[test]
fn only_the_owner_opens_it_and_only_to_read() {
    let frame = sealed(b"a body");
    let refused = |permit| matches!(open_frame(&permit, &WORLD.ring, &frame), Err(SealError::Refused { .. }));
    assert!(refused(reader(patient("2"), Action::ReadRecord)));
    assert!(refused(reader(patient("1"), Action::ReadAccessLog)));
    assert!(refused(job(Action::Seal)) && refused(job(Action::Repair)));
    assert!(refused(depositor_of(&institution())));
    for action in [Action::ReadTimeline, Action::ReadRecord, Action::ReadDocument, Action::Issue] {
        assert!(open_frame(&reader(patient("1"), action), &WORLD.ring, &frame).is_ok());
    }
}

#[test]
fn a_frame_is_what_its_place_says_or_nothing() {
    let read = reader(patient("1"), Action::ReadRecord);
    let (frame, right) = (sealed(b"x"), head(patient("1")));
    assert_eq!(open_frame_as(&read, &WORLD.ring, &right, &frame).expect("the one asked for"), b"x");
    let wrong = [
        FrameHead { object: Id16::derived(&["other"]), ..right },
        FrameHead { version: 2, ..right },
        FrameHead { chunk: 1, ..right },
        FrameHead { last: false, ..right },
        FrameHead { kind: FrameKind::Event, ..right },
        head(patient("2")),
    ];
    for expected in wrong {
        let result = open_frame_as(&read, &WORLD.ring, &expected, &frame);
        assert!(matches!(result, Err(SealError::Misplaced)), "{expected:?}");
    }
}

#[test]
fn access_entries_open_for_their_subject_alone() {
    let ring = &WORLD.ring;
    let key = ring.access(2026).expect("made");
    let head = FrameHead { kind: FrameKind::Access, ..head(patient("1")) };
    let frame = seal(&key, &head, b"entry", &SeededRandom::new(6)).expect("sealed");
    assert_eq!(open_frame(&reader(patient("1"), Action::ReadAccessLog), ring, &frame).expect("own").body, b"entry");
    let refused = |permit| matches!(open_frame(&permit, ring, &frame), Err(SealError::Refused { .. }));
    assert!(refused(reader(patient("2"), Action::ReadAccessLog)));
    assert!(refused(reader(patient("1"), Action::ReadRecord)));
    assert!(refused(job(Action::Seal)));
}

#[test]
fn a_receipt_opens_for_its_institution_and_nothing_else_does() {
    let (ring, random) = (&WORLD.ring, SeededRandom::new(9));
    let receipts = depositor(&institution(), Action::ReadReceipt);
    let owner = Owner::institution(&institution());
    let key = ring.group(&depositor_of(&institution()), &group_name(owner)).expect("made");
    let event = FrameHead { kind: FrameKind::Event, ..head(owner) };
    let frame = seal(&key, &event, b"receipt", &random).expect("sealed");
    assert_eq!(open_frame(&receipts, ring, &frame).expect("own").body, b"receipt");
    let resource = seal(&key, &head(owner), b"resource", &random).expect("sealed");
    assert!(matches!(open_frame(&receipts, ring, &resource), Err(SealError::Refused { .. })));
    let of_patient = FrameHead { kind: FrameKind::Event, ..head(patient("1")) };
    let of_patient = seal(&WORLD.key, &of_patient, b"event", &random).expect("sealed");
    assert!(matches!(open_frame(&receipts, ring, &of_patient), Err(SealError::Refused { .. })));
}

#[test]
fn resources_of_an_institution_open_for_readers_among_its_patients_and_for_nobody_else() {
    let (ring, random) = (&WORLD.ring, SeededRandom::new(11));
    let (here, other) = (institution(), InstitutionCode::new("99999999").expect("a code"));
    let sealed_of = |code: &InstitutionCode, kind| {
        let owner = Owner::institution(code);
        let name = GroupName { institution: code.clone(), ..group_name(owner) };
        let key = match kind {
            FrameKind::Table => ring.rows(owner),
            _ => ring.group(&depositor_of(code), &name),
        };
        seal(&key.expect("made"), &FrameHead { kind, ..head(owner) }, b"a doctor", &random).expect("sealed")
    };
    let doctor = sealed_of(&here, FrameKind::Resource);
    for action in [Action::ReadTimeline, Action::ReadRecord, Action::Issue] {
        assert_eq!(open_frame(&reader(patient("1"), action), ring, &doctor).expect("context").body, b"a doctor");
    }
    let refused = |permit, frame: &[u8]| matches!(open_frame(&permit, ring, frame), Err(SealError::Refused { .. }));
    assert!(refused(reader(patient("1"), Action::ReadDocument), &doctor));
    assert!(refused(reader(patient("1"), Action::ReadAccessLog), &doctor));
    assert!(refused(depositor_of(&here), &doctor) && refused(job(Action::Seal), &doctor));
    let read = || reader(patient("1"), Action::ReadRecord);
    assert!(refused(read(), &sealed_of(&other, FrameKind::Resource)), "another institution");
    for kind in [FrameKind::Document, FrameKind::Event, FrameKind::Table] {
        assert!(refused(read(), &sealed_of(&here, kind)), "{kind:?}: what was held back, receipts");
    }
}

#[test]
fn a_key_seals_only_what_it_is_for() {
    let random = SeededRandom::new(7);
    let wrong = |key: &GroupKey, head| matches!(seal(key, &head, b"", &random), Err(SealError::WrongKey));
    assert!(wrong(&WORLD.key, head(patient("2"))));
    assert!(wrong(&WORLD.key, FrameHead { kind: FrameKind::Access, ..head(patient("1")) }));
    let access = WORLD.ring.access(2026).expect("made");
    assert!(wrong(&access, head(patient("1"))));
    let large = vec![0; PLAINTEXT_BYTES_MAX + 1];
    let result = seal(&WORLD.key, &head(patient("1")), &large, &random);
    assert!(matches!(result, Err(SealError::TooLarge { .. })));
}

#[test]
fn nothing_in_a_frame_shows_whose_it_is() {
    let frame = sealed(b"a body");
    let head = head(patient("1"));
    for secret in [head.owner.id().0, head.object.0] {
        assert!(!frame.windows(16).any(|window| window == secret));
    }
}

#[test]
fn a_pack_is_read_with_key_stores_and_root_alone() {
    let folders = Folders::new();
    let sites = folders.sites();
    let owners: Vec<_> = (0..20).map(|number| patient(&number.to_string())).collect();
    let path = {
        let ring = folders.ring(Arc::new(Table::default()), 1);
        let deposit = depositor_of(&institution());
        let mut builder = PackBuilder::new();
        for owner in &owners {
            let key = ring.group(&deposit, &group_name(*owner)).expect("made");
            let body = format!("body of {owner:?}");
            let frame = seal(&key, &head(*owner), body.as_bytes(), &SeededRandom::new(8)).expect("sealed");
            builder.push(&frame).expect("fits");
        }
        drop(ring.persist_new().expect("durable"));
        let pack = builder.finish().expect("frames");
        sites.put_all(&deposit, &[(pack.path.clone(), pack.bytes)]).expect("placed");
        assert!(sites.settle(SOON));
        pack.path
    };
    // Everything but sites, key stores and root key is gone now.
    let index = folders.key_stores().load_index().expect("readable");
    assert!(index.quarantined.is_empty() && index.faults.is_empty());
    let ring = folders.ring(Arc::new(index), 2);
    let seal_job = job(Action::Seal);
    let listed = folders.open_sites().list(&seal_job, "pack").expect("listed");
    assert_eq!(listed, [path.as_str()]);
    let bytes = sites.get(&seal_job, &path, &|bytes| matches_path(&path, bytes)).expect("read");
    let frames = read_pack(&bytes).expect("a pack");
    assert_eq!(frames.len(), owners.len());
    for (frame, owner) in frames.iter().zip(&owners) {
        assert_eq!(frame.outside.kind, FrameKind::Resource);
        let read = reader(*owner, Action::ReadRecord);
        let opened = open_frame(&read, &ring, &bytes[frame.range.clone()]).expect("opens");
        assert_eq!(opened.head, head(*owner));
        assert_eq!(opened.body, format!("body of {owner:?}").as_bytes());
    }
}

#[test]
fn packs_have_limits() {
    assert_eq!(PackBuilder::new().finish().err(), Some(PackError::Empty));
    let mut builder = PackBuilder::new();
    let frame = vec![0; 16 << 20];
    builder.push(&frame).expect("fits");
    assert_eq!(builder.push(&frame).err(), Some(PackError::Full));
    let at = builder.push(&frame[..100]).expect("fits");
    assert_eq!((at.offset, at.length), (8 + (16 << 20), 100));
    assert!(read_pack(&vec![0; vault::PACK_BYTES_MAX + 1]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_and_packs_go_both_ways(bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..20)) {
        let read = reader(patient("1"), Action::ReadRecord);
        let mut builder = PackBuilder::new();
        for (number, body) in bodies.iter().enumerate() {
            let head = FrameHead { version: number as u32, ..head(patient("1")) };
            let frame = seal(&WORLD.key, &head, body, &SeededRandom::new(number as u64)).expect("sealed");
            builder.push(&frame).expect("fits");
        }
        let pack = builder.finish().expect("frames");
        prop_assert!(matches_path(&pack.path, &pack.bytes));
        prop_assert_eq!(pack.sha256, base::sha256(&pack.bytes));
        let frames = read_pack(&pack.bytes).expect("a pack");
        prop_assert_eq!(frames.len(), bodies.len());
        for (number, (frame, body)) in frames.iter().zip(&bodies).enumerate() {
            let range = pack.frames[number].range();
            prop_assert_eq!(range.start as usize..range.end as usize, frame.range.clone());
            prop_assert_eq!(frame.outside.body_bytes, body.len());
            let opened = open_frame(&read, &WORLD.ring, &pack.bytes[frame.range.clone()]).expect("opens");
            prop_assert_eq!(opened.head.version as usize, number);
            prop_assert_eq!(&opened.body, body);
        }
    }

    #[test]
    fn a_changed_pack_is_refused(at: prop::sample::Index, bit in 0u8..8, cut: prop::sample::Index) {
        let mut builder = PackBuilder::new();
        builder.push(&sealed(b"one")).expect("fits");
        builder.push(&sealed(b"two")).expect("fits");
        let pack = builder.finish().expect("frames");
        let mut bad = pack.bytes.to_vec();
        let at = at.index(bad.len());
        bad[at] ^= 1 << bit;
        prop_assert!(read_pack(&bad).is_err());
        prop_assert!(!matches_path(&pack.path, &bad));
        prop_assert!(read_pack(&pack.bytes[..cut.index(pack.bytes.len())]).is_err());
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes: Vec<u8>) {
        let _ = read_pack(&bytes);
        // Past the checksum too: a footer of any content that fits its digest.
        let mut pack = [b"HMRPACK1".as_slice(), &bytes].concat();
        let digest = base::sha256(&pack);
        pack.extend_from_slice(&digest);
        pack.extend_from_slice(b"HMRPEND1");
        let _ = read_pack(&pack);
        let _ = open_frame(&reader(patient("1"), Action::ReadRecord), &WORLD.ring, &bytes);
    }
}
