//! Deposits, institutions and timelines as callers see them, over a real store with three sites.

mod bundles;
mod disputes;
mod faults;
mod files;
mod institutions;
mod resume;
mod shared;
mod whole;

use archive::{DepositError, Progress, SignedReceipt};
use std::path::PathBuf;
use testkit::{Bag, BagBuilder, World, one_page_pdf, person};

/// The institution of handmade bags.
const CODE: &str = "31999901";

/// A bag that is right: two patients, a visit each, a document.
fn good() -> BagBuilder {
    BagBuilder::new(CODE)
        .patient("p1", &person("하나"))
        .patient("p2", &person("두리"))
        .visit("p1", "e1", "2021-03-04")
        .visit("p2", "e2", "2022-05-06")
        .document("p1", "d1", "d1.pdf", "application/pdf", &one_page_pdf("report"))
}

/// A world in which the agency knows the people of [`good`].
fn world() -> World {
    let world = World::new();
    world.agency.add(&person("하나"));
    world.agency.add(&person("두리"));
    world
}

fn write(world: &World, builder: &BagBuilder) -> Bag {
    builder.write(&world.path("bag"))
}

/// Faults of a receipt: file, line, slug.
fn faults(receipt: &SignedReceipt) -> Vec<(String, u64, String)> {
    let listed = receipt.receipt.held_back.listed.iter();
    listed.map(|fault| (fault.file.clone(), fault.line, fault.fault.clone())).collect()
}

fn fault(file: &str, line: u64, slug: &str) -> (String, u64, String) {
    (file.to_owned(), line, slug.to_owned())
}

/// Deposits and gives the one fault that is expected.
fn only_fault(world: &World, bag: &Bag) -> archive::deposit::receipt::ReceiptFault {
    let receipt = world.deposit(&bag.root).expect("the rest goes in");
    let listed = receipt.receipt.held_back.listed;
    assert_eq!(listed.len(), 1, "{listed:?}");
    listed.into_iter().next().expect("one")
}

/// What refuses the whole bag, as text.
fn refusal(world: &World, bag: &Bag) -> String {
    match world.deposit(&bag.root) {
        Err(DepositError::Bag(error)) => error.to_string(),
        Err(other) => panic!("another error: {other}"),
        Ok(receipt) => panic!("taken: {:?}", receipt.receipt.taken),
    }
}

/// A bag of made-up patients.
fn generated(world: &World, patients: usize) -> PathBuf {
    let out = world.path("generated");
    let options = synth::Options { documents_per_patient: 3, ..synth::Options::new(1, patients, 42, out.clone()) };
    synth::generate(&options, &|_| {}).expect("made");
    for person in synth::people::read_people(&out.join("people.json")).expect("people") {
        world.agency.add(&person);
    }
    out.join("hospital-01")
}

fn quiet(_: Progress) {}
