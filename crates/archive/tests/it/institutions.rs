//! Finding institutions by what people remember of them, each with where its records are.

use crate::{good, world, write};
use archive::{Archive, Holding, Institution, InstitutionQuery};
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

#[test]
fn an_institution_that_changed_is_found_as_it_is_now() {
    let world = world();
    let other = world.opened_again().expect("a second process");
    let names = |archive: &Archive, text: &str| -> Vec<String> {
        let query = InstitutionQuery { text: text.to_owned(), ..InstitutionQuery::default() };
        archive.search(&query, 10).expect("found").into_iter().map(|institution| institution.name).collect()
    };
    world.archive().import_institutions(&mut DIRECTORY.as_bytes()).expect("read");
    assert_eq!(names(&other, "서울"), ["서울병원", "새서울병원"]);

    let renamed = r#"{"code":"21100001","name":"한빛병원","kind":"21","region":"강원특별자치도 원주시"}"#;
    world.archive().import_institutions(&mut renamed.as_bytes()).expect("read");
    for archive in [world.archive(), &other] {
        assert_eq!(names(archive, "서울병원"), ["새서울병원"], "its former name finds it no more");
        assert_eq!(names(archive, "한빛"), ["한빛병원"]);
        assert_eq!(names(archive, ""), ["새서울병원", "시험의원", "한빛병원"], "it is there once");
        for region in
            ["강원특별자치도", "강원", "강원도 원주시", "Gangwon State", "gangwon-do", "Wonju-si, Gangwon State"]
        {
            let query = InstitutionQuery { region: Some(region.to_owned()), ..InstitutionQuery::default() };
            assert_eq!(archive.search(&query, 10).expect("found").len(), 1, "{region}");
        }
        for words in ["원주 한빛", "Wonju ㅎㅂ", "hanbit gangwon"] {
            assert_eq!(names(archive, words), ["한빛병원"], "{words}");
        }
        assert_eq!(archive.regions().expect("read").first().map(String::as_str), Some("강원특별자치도"));
    }
}

#[test]
fn a_large_change_is_read_beside_searches() {
    let world = world();
    let directory = |name: &str| -> String {
        let line = |number| format!("{{\"code\":\"31{number:06}\",\"name\":\"{name}{number}의원\",\"kind\":\"31\"}}\n");
        (0..2_500).map(line).collect()
    };
    world.archive().import_institutions(&mut directory("가온").as_bytes()).expect("read");
    world.archive().prepare_search().expect("read");
    assert_eq!(found(&world, "가온2499").len(), 1);

    // Whoever searches at once sees the former or the new directory; nobody has to search for it to be read again.
    world.archive().import_institutions(&mut directory("나래").as_bytes()).expect("read");
    let begun = std::time::Instant::now();
    while found(&world, "나래2499").is_empty() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "the directory is not read again");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(found(&world, "가온"), Vec::<String>::new());
    let one = r#"{"code":"31000007","name":"다솜의원","kind":"31"}"#;
    world.archive().import_institutions(&mut one.as_bytes()).expect("read");
    assert_eq!(found(&world, "다솜"), ["31000007"]);
    assert_eq!(found(&world, "나래7의원"), Vec::<String>::new());
}
