//! Documents: streamed in, read out, checked on the way.

use base::Id16;
use policy::{Action, Owner};
use store::{ObjectHead, Outcome, PreparedObject, Store, StoreError};

use crate::support::*;

pub fn head(owner: Owner, name: &str, bytes: &[u8]) -> ObjectHead {
    ObjectHead {
        id: Id16::derived(&["object", CODE, name]),
        owner,
        institution: institution(),
        class: class(),
        expiry_year: 2035,
        content_type: "application/pdf".to_owned(),
        sha256: base::sha256(bytes),
        size: bytes.len() as u64,
    }
}

pub fn bytes(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|n| (n as u8).wrapping_mul(31) ^ (n >> 8) as u8 ^ seed).collect()
}

pub fn put(store: &Store, objects: &[(ObjectHead, Vec<u8>)]) -> Vec<PreparedObject> {
    let permit = depositor(store, Action::Deposit);
    let mut writer = store.object_writer(&permit).expect("a writer");
    let mut done = Vec::new();
    for (head, bytes) in objects {
        done.extend(writer.put(head, &mut bytes.as_slice()).expect("taken"));
    }
    done.extend(writer.finish().expect("at the sites"));
    done
}

#[test]
fn documents_of_every_size_come_out_as_they_went_in() {
    let house = House::new();
    let store = house.open();
    let owner = patient("p1");
    let mib = 1 << 20;
    let sizes = [0, 1, 1000, 4 * mib - 1, 4 * mib, 4 * mib + 1, 19 * mib, 70_000];
    let objects: Vec<_> = sizes
        .iter()
        .map(|size| {
            let bytes = bytes(3, *size);
            (head(owner, &format!("d{size}"), &bytes), bytes)
        })
        .collect();
    let prepared = put(&store, &objects);
    assert_eq!(prepared.len(), sizes.len());
    let permit = depositor(&store, Action::Deposit);
    let known: Vec<_> = objects.iter().map(|(head, _)| (owner, head.id)).collect();
    assert_eq!(store.known_objects(&permit, &institution(), &known).expect("asked"), vec![false; sizes.len()]);
    let written = store.write(&permit, vec![], prepared, None).expect("written");
    assert_eq!(written.objects, vec![Outcome::New { version: 1 }; sizes.len()]);
    store.wait_sealed(written.ticket, PATIENCE).expect("sealed");
    assert_eq!(store.known_objects(&permit, &institution(), &known).expect("asked"), vec![true; sizes.len()]);

    let read = person(&store, Id16([7; 16]), &[owner], Action::ReadDocument);
    for (head, bytes) in &objects {
        let object = store.object(&read, head.id).expect("read");
        assert_eq!(object.content_type, "application/pdf");
        assert!(object.bytes == *bytes, "{} bytes came out otherwise", bytes.len());
    }
    let again = store.write(&permit, vec![], put(&store, &objects[..3]), None).expect("written");
    assert_eq!(again.objects, [Outcome::Already { version: 1 }; 3]);
    assert_eq!(count(&house, "SELECT count(*) FROM leaf WHERE kind = 2"), sizes.len() as i64);

    let stranger = person(&store, Id16([8; 16]), &[patient("p2")], Action::ReadDocument);
    assert!(matches!(store.object(&stranger, objects[1].0.id), Err(StoreError::Missing { .. })));
}

#[test]
fn a_document_that_is_not_what_was_declared_is_left_out_and_the_rest_goes_in() {
    let house = House::new();
    let store = house.open();
    let owner = patient("p1");
    let permit = depositor(&store, Action::Deposit);
    let mut writer = store.object_writer(&permit).expect("a writer");
    let good = bytes(1, 5000);
    let mut done = writer.put(&head(owner, "first", &good), &mut good.as_slice()).expect("taken");
    let long = bytes(1, 9 << 20);
    for (declared, given, said) in [
        (&good[..], &good[..4999], "ends after 4999"),
        (&good[..4999], &good[..], "goes on"),
        (&long[..], &long[..long.len() - 1], "ends after"),
    ] {
        let error = writer.put(&head(owner, "wrong", declared), &mut &given[..]).expect_err(said);
        assert!(matches!(&error, StoreError::ObjectMismatch { reason } if reason.contains(said)), "{error}");
    }
    let other = ObjectHead { sha256: [0; 32], ..head(owner, "wrong", &good) };
    let error = writer.put(&other, &mut good.as_slice()).expect_err("its checksum is another");
    assert!(error.to_string().contains("SHA-256"), "{error}");
    let huge = ObjectHead { size: base::limits::Limits::default().document_bytes + 1, ..head(owner, "huge", &good) };
    assert!(matches!(writer.put(&huge, &mut std::io::empty()), Err(StoreError::Limit { .. })));
    done.extend(writer.put(&head(owner, "last", &good), &mut good.as_slice()).expect("taken"));
    done.extend(writer.finish().expect("at the sites"));
    let ids: Vec<_> = done.iter().map(PreparedObject::id).collect();
    assert_eq!(ids, [head(owner, "first", &good).id, head(owner, "last", &good).id]);
    store.write(&permit, vec![], done, None).expect("written");
    let read = person(&store, Id16([7; 16]), &[owner], Action::ReadDocument);
    assert!(store.object(&read, ids[0]).expect("read").bytes == good);
    assert!(store.object(&read, ids[1]).expect("read").bytes == good);
    let reader = Id16([6; 16]);
    let together = person(&store, reader, &[owner], Action::ReadDocument);
    let objects = store.objects(&together, &[ids[0], ids[1], Id16([9; 16])]).expect("found");
    for id in &ids {
        let mut bytes = Vec::new();
        assert_eq!(objects.read_to(*id, &mut bytes).expect("read"), "application/pdf");
        assert!(bytes == good);
    }
    assert!(matches!(objects.read_to(Id16([9; 16]), &mut Vec::new()), Err(StoreError::Missing { .. })));
    let log = person(&store, reader, &[owner], Action::ReadAccessLog);
    let entries = store.access_log(&log, &store::AccessPage::default()).expect("the log").entries;
    let whats: Vec<_> =
        entries.iter().filter(|one| one.entry.actor.account == reader).map(|one| &one.entry.what).collect();
    assert_eq!(whats, [&vec![("document".to_owned(), 2)]], "one entry for both");
    let right = store::Right::Depositor(institution());
    store.grant(Id16([0xe; 16]), &right).expect("granted");
    store.revoke(Id16([0xe; 16]), &right).expect("revoked");
    assert!(matches!(objects.read_to(ids[0], &mut Vec::new()), Err(StoreError::StaleEpoch { .. })));
    let read = person(&store, Id16([7; 16]), &[owner], Action::ReadDocument);
    assert!(matches!(store.object(&read, head(owner, "wrong", &good).id), Err(StoreError::Missing { .. })));
}

#[test]
fn a_damaged_copy_at_one_site_does_not_matter() {
    let house = House::new();
    let store = house.open();
    let owner = patient("p1");
    let good = bytes(1, 50_000);
    let prepared = put(&store, &[(head(owner, "d", &good), good.clone())]);
    let id = prepared[0].id();
    store.write(&depositor(&store, Action::Deposit), vec![], prepared, None).expect("written");
    drop(store);
    let mut folders = vec![house.site("site-a").join("pack")];
    while let Some(path) = folders.pop() {
        if path.is_dir() {
            folders.extend(std::fs::read_dir(&path).expect("listed").map(|entry| entry.expect("an entry").path()));
        } else {
            let mut bytes = std::fs::read(&path).expect("read");
            bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
            std::fs::write(&path, bytes).expect("damaged");
        }
    }
    let store = house.open();
    let read = person(&store, Id16([7; 16]), &[owner], Action::ReadDocument);
    assert!(store.object(&read, id).expect("read from another site").bytes == good);
}
