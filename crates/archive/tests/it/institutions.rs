//! Finding institutions by what people remember of them, each with where its records are.

use crate::{good, world, write};
use archive::{Holding, Institution, InstitutionQuery};
use policy::InstitutionCode;
use testkit::World;

const DIRECTORY: &str = r#"{"code":"21100001","name":"서울병원","romanised":"Seoul Hospital","kind":"21","region":"서울특별시 종로구","closed_on":"2020-01-31","holding":"kept-by-owner"}
{"code":"21100002","name":"새서울병원","kind":"21","region":"부산광역시 중구","closed_on":"2021-01-31","holding":"paper-at-health-centre"}
not an institution

{"code":"31999901","name":"시험의원","kind":"31","holding":"not-deposited"}
"#;

fn found(world: &World, text: &str) -> Vec<String> {
    let query = InstitutionQuery { text: text.to_owned(), ..InstitutionQuery::default() };
    world.archive().search(&query, 10).expect("found").into_iter().map(|institution| institution.code).collect()
}

fn institution(world: &World, code: &str) -> Institution {
    let code = InstitutionCode::new(code).expect("a code");
    world.archive().institution(&code).expect("read").expect("known")
}

#[test]
fn a_directory_is_searched_and_deposits_change_it() {
    let world = world();
    assert_eq!(found(&world, "서울"), Vec::<String>::new());
    let report = world.archive().import_institutions(&mut DIRECTORY.as_bytes()).expect("read");
    assert_eq!((report.taken, report.refused, report.faults[0].0), (3, 1, 3));
    assert_eq!(found(&world, "ㅅㅇㅂㅇ"), ["21100001", "21100002"]);
    assert_eq!(found(&world, "seoul"), ["21100001", "21100002"]);
    assert_eq!(institution(&world, "31999901").holding, Holding::NotDeposited);
    assert_eq!(world.archive().regions().expect("read"), ["부산광역시", "서울특별시"]);

    world.deposit(&write(&world, &good()).root).expect("taken");
    assert_eq!(institution(&world, "31999901").holding, Holding::Deposited);
    let paper = InstitutionQuery { holding: Some(Holding::PaperAtHealthCentre), ..InstitutionQuery::default() };
    assert_eq!(world.archive().search(&paper, 10).expect("found").len(), 1);

    // A directory never says of records that are here that they are not.
    world.archive().import_institutions(&mut DIRECTORY.as_bytes()).expect("read");
    assert_eq!(institution(&world, "31999901").holding, Holding::Deposited);
}

#[test]
fn an_institution_whose_deposit_did_not_end_is_migrating() {
    struct Away;
    impl identity::CiLookup for Away {
        fn ci_of(
            &self,
            _: &[base::Redacted<String>],
        ) -> Result<Vec<Option<base::Redacted<String>>>, identity::CiLookupError> {
            Err(identity::CiLookupError::Unreachable { why: "no route".to_owned() })
        }
    }
    let world = world();
    let bag = write(&world, &good());
    assert!(world.archive().deposit(&bag.root, &Away, &mut |_| {}).is_err());
    assert_eq!(institution(&world, crate::CODE).holding, Holding::Migrating);
}

#[test]
fn what_one_process_deposits_another_finds() {
    let world = world();
    let other = world.opened_again().expect("a second process");
    let query = InstitutionQuery { text: "시험".to_owned(), ..InstitutionQuery::default() };
    assert_eq!(other.search(&query, 10).expect("found"), []);
    world.deposit(&write(&world, &good()).root).expect("taken");
    assert_eq!(other.search(&query, 10).expect("found").len(), 1);
}
