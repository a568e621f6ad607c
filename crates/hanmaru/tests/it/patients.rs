//! A patient is the same one for every process and after a rebuild, and another in another installation.

use crate::operating::{deposited, says, settled};
use crate::program::{Program, Said};
use std::fs;
use testkit::faults::tables::patients;
use testkit::{BagBuilder, person};

/// One more bag about the patient of [`deposited`].
fn deposit_more(program: &Program, visit: &str) {
    let bag = BagBuilder::new("31999901").patient("p1", &person("하나")).visit("p1", visit, "2022-05-06");
    let said = program.deposit(&bag.write(&program.path(visit)).root);
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// Makes the database again, from the first site that has everything: another may be behind.
fn rebuilt(program: &Program) {
    let mut rebuild = ["a", "b", "c"].into_iter().map(|name| program.run(&["rebuild", "--from", name]));
    let said: Said = rebuild.find(|said| said.code == Some(0)).expect("one of them has everything");
    says(&said, 0, &[]);
}

#[test]
fn a_patient_is_who_they_were_after_a_rebuild() {
    let program = deposited();
    let database = program.path("data/hanmaru.db");
    let before = patients(&database);
    assert_eq!(before.len(), 1);
    deposit_more(&program, "e2");
    assert_eq!(patients(&database), before, "in another process");

    says(&settled(&program), 0, &[]);
    fs::rename(program.path("data"), program.path("lost")).expect("moved away");
    rebuilt(&program);
    assert_eq!(patients(&database), before, "made again");
    deposit_more(&program, "e3");
    assert_eq!(patients(&database), before, "and whoever comes again joins them");

    let elsewhere = deposited();
    assert_ne!(patients(&elsewhere.path("data/hanmaru.db")), before);
}
