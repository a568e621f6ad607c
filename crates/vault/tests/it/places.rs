//! One story, every kind of place: three folders, three buckets behind a server each, and two folders with a bucket.

use crate::bucket_server::{BucketServer, KEY};
use crate::common::{SOON, accept, job};
use base::Id16;
use policy::Action;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use vault::sites::{BucketConfig, BucketSite, Existing, SiteBackend};
use vault::{Bytes, Fault, PackBuilder, SiteConfig, SiteError, SitePlace, Sites};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Three sites of some kinds.
struct Places {
    servers: Vec<Option<BucketServer>>,
    places: Vec<SitePlace>,
    base: TempDir,
}

/// Which of the three are buckets.
const KINDS: [[bool; 3]; 3] = [[false; 3], [true; 3], [false, false, true]];

impl Places {
    fn new(buckets: [bool; 3]) -> Self {
        let base = tempfile::tempdir().expect("a folder");
        let (mut servers, mut places) = (Vec::new(), Vec::new());
        for (name, is_bucket) in NAMES.into_iter().zip(buckets) {
            if is_bucket {
                let server = BucketServer::start(&base.path().join(format!("server-{name}")), "records");
                places.push(SitePlace::Bucket(config(name, &server)));
                servers.push(Some(server));
            } else {
                places.push(SitePlace::Folder(SiteConfig { name: name.to_owned(), folder: base.path().join(name) }));
                servers.push(None);
            }
        }
        Sites::create_places(&places).expect("set up");
        Self { servers, places, base }
    }

    fn open(&self) -> Sites {
        let sites = Sites::open_places(self.places.clone(), 2).expect("opened");
        assert!(sites.settle(SOON), "{:?}", sites.status());
        sites
    }

    /// Where a site's objects are as files.
    fn files(&self, place: usize) -> PathBuf {
        match &self.servers[place] {
            Some(server) => server.bucket("records").join("hanmaru"),
            None => self.base.path().join(NAMES[place]),
        }
    }

    /// The disk, or the bucket with all that is in it, is gone.
    fn lose(&self, place: usize) {
        let whole = self.whole(place);
        fs::rename(&whole, whole.with_extension("away")).expect("it is there");
    }

    fn find(&self, place: usize) {
        let whole = self.whole(place);
        fs::rename(whole.with_extension("away"), &whole).expect("it is away");
    }

    fn whole(&self, place: usize) -> PathBuf {
        self.servers[place].as_ref().map_or_else(|| self.files(place), |server| server.bucket("records"))
    }
}

fn config(name: &str, server: &BucketServer) -> BucketConfig {
    BucketConfig {
        name: name.to_owned(),
        endpoint: server.endpoint(),
        region: "kr-standard".to_owned(),
        bucket: "records".to_owned(),
        prefix: "hanmaru".to_owned(),
        access_key: KEY.0.to_owned(),
        secret_key: KEY.1.to_owned().into(),
        authorities: None,
    }
}

fn object(path: &str, text: &str) -> (String, Bytes) {
    (path.to_owned(), Bytes::copy_from_slice(text.as_bytes()))
}

fn everywhere(story: impl Fn(Places)) {
    for kinds in KINDS {
        println!("buckets: {kinds:?}");
        story(Places::new(kinds));
    }
}

#[test]
fn what_is_put_is_everywhere_stays_and_is_found_again() {
    everywhere(|places| {
        let sites = places.open();
        let seal = job(Action::Seal);
        let objects = [object("tile/0/000", "zero"), object("tile/0/x001/001", "one"), object("log/x", "")];
        assert!(sites.put_all(&seal, &objects).expect("placed").sites.len() >= 2);
        sites.put_all(&seal, &objects).expect("the same again is fine");
        assert!(sites.settle(SOON), "{:?}", sites.status());
        for place in 0..3 {
            assert_eq!(fs::read(places.files(place).join("tile/0/x001/001")).expect("there"), b"one");
        }
        assert_eq!(sites.list(&seal, "").expect("listed"), ["log/x", "tile/0/000", "tile/0/x001/001"]);
        assert_eq!(sites.list(&seal, "tile/0").expect("listed").len(), 2);
        assert!(matches!(sites.list(&seal, "nowhere"), Ok(paths) if paths.is_empty()));
        assert!(sites.exists(&seal, "log/x").expect("asked") && !sites.exists(&seal, "log/y").expect("asked"));
        assert_eq!(sites.get_range(&seal, "tile/0/000", 1..3, &|_| true).expect("read"), "er");
        assert!(sites.get_range(&seal, "tile/0/000", 2..9, &|_| true).is_err());
        assert!(matches!(sites.get(&seal, "nothing", &|_| true), Err(SiteError::NotFound { .. })));
        for name in NAMES {
            assert_eq!(sites.get_at(&seal, name, "tile/0/000").expect("read"), "zero");
        }
        match sites.put_all(&seal, &[object("tile/0/000", "other")]) {
            Err(SiteError::TooFew { reached: 0, faults, .. }) => {
                assert!(faults.iter().all(|one| matches!(one.fault, Fault::Conflict(_))), "{faults:?}");
            }
            other => panic!("other bytes under a name: {other:?}"),
        }
        assert_eq!(sites.get(&seal, "tile/0/000", &|_| true).expect("read"), "zero");
        accept(&sites, "log/checkpoint");
        for text in ["one", "two", "three"] {
            sites.replace(&seal, "log/checkpoint", Bytes::from_static(text.as_bytes())).expect("placed");
        }
        assert!(sites.settle(SOON));
        let copies = sites.copies(&seal, "log/checkpoint").expect("read");
        assert!(copies.iter().all(|(_, copy)| copy.as_ref().is_ok_and(|bytes| bytes == "three")), "{copies:?}");
    });
}

#[test]
fn one_that_is_lost_holds_nobody_up_and_is_mended_when_it_is_back() {
    everywhere(|mut places| {
        let sites = places.open();
        let seal = job(Action::Seal);
        sites.put_all(&seal, &[object("t/before", "before")]).expect("placed");
        accept(&sites, "checkpoint");
        sites.replace(&seal, "checkpoint", Bytes::from_static(b"old")).expect("placed");
        assert!(sites.settle(SOON));
        for way in 0..3 {
            match (way, &mut places.servers[2]) {
                (1, Some(server)) => server.stop(),
                (2, Some(server)) => server.hang(),
                _ => places.lose(2),
            }
            let begun = Instant::now();
            let during = format!("t/during-{way}");
            let placed = sites.put_all(&seal, &[object(&during, "during")]).expect("two are enough");
            sites.replace(&seal, "checkpoint", Bytes::from(format!("new {way}"))).expect("two are enough");
            assert!(placed.sites.len() == 2 && begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
            assert_eq!(sites.get(&seal, &during, &|_| true).expect("read"), "during");
            let unreachable = || !sites.status()[2].reachable;
            while !unreachable() && begun.elapsed() < Duration::from_secs(30) {
                std::thread::sleep(Duration::from_millis(20));
            }
            assert!(unreachable() && sites.enough().is_ok(), "way {way}: {:?}", sites.status());
            match (way, &mut places.servers[2]) {
                (1 | 2, Some(server)) => server.start_again(),
                _ => places.find(2),
            }
            let begun = Instant::now();
            while sites.returned("checkpoint").is_empty() {
                assert!(begun.elapsed() < Duration::from_secs(60), "way {way}: {:?}", sites.status());
                sites.poke();
                std::thread::sleep(Duration::from_millis(20));
            }
            sites.accept("checkpoint", &sites.returned("checkpoint"));
            assert!(sites.settle(Duration::from_secs(60)), "way {way}: {:?}", sites.status());
            assert_eq!(fs::read(places.files(2).join(&during)).expect("mended"), b"during");
            assert_eq!(fs::read(places.files(2).join("checkpoint")).expect("mended"), format!("new {way}").as_bytes());
        }
    });
}

#[test]
fn two_that_are_lost_refuse_writes_clearly_and_reads_go_on() {
    everywhere(|places| {
        let sites = places.open();
        let seal = job(Action::Seal);
        sites.put_all(&seal, &[object("t/1", "one")]).expect("placed");
        assert!(sites.settle(SOON));
        places.lose(0);
        places.lose(2);
        let begun = Instant::now();
        let text = sites.put_all(&seal, &[object("t/2", "two")]).expect_err("one is not enough").to_string();
        assert!(text.starts_with("1 of 2 needed sites took the write: "), "{text}");
        while sites.enough().is_ok() && begun.elapsed() < SOON {
            std::thread::sleep(Duration::from_millis(20));
        }
        let text = sites.enough().expect_err("two are lost").to_string();
        assert!(text.starts_with("1 sites can be reached and 2 must be: nothing is taken in"), "{text}");
        let said = |site: usize| match &places.servers[site] {
            Some(_) => format!("{}: bucket s3://records/hanmaru is gone", NAMES[site]),
            None => format!("{}: folder ", NAMES[site]),
        };
        assert!(text.contains(&said(0)) && text.contains(&said(2)), "{text}");
        assert_eq!(sites.get(&seal, "t/1", &|_| true).expect("reads go on"), "one");
        // A program that starts meanwhile reads as well.
        let other = Sites::open_places(places.places.clone(), 2).expect("opened");
        assert!(other.enough().is_err());
        assert_eq!(other.get(&seal, "t/1", &|_| true).expect("reads go on"), "one");
        places.find(0);
        places.find(2);
        assert!(sites.settle(SOON), "{:?}", sites.status());
        sites.put_all(&seal, &[object("t/2", "two")]).expect("writes go on");
    });
}

#[test]
fn a_damaged_copy_is_passed_over_and_repaired() {
    everywhere(|places| {
        let sites = places.open();
        let mut builder = PackBuilder::new();
        builder.push(&crate::frames::sealed(b"x")).expect("it fits");
        let pack = builder.finish().expect("a pack");
        sites.put_all(&job(Action::Seal), &[(pack.path.clone(), pack.bytes.clone())]).expect("placed");
        assert!(sites.settle(SOON));
        let mut bytes = pack.bytes.to_vec();
        bytes[20] ^= 1;
        fs::write(places.files(0).join(&pack.path), &bytes).expect("damaged");
        fs::remove_file(places.files(2).join(&pack.path)).expect("lost");
        let found = sites.get(&job(Action::Seal), &pack.path, &|bytes| vault::matches_path(&pack.path, bytes));
        assert_eq!(found.expect("another site has it"), pack.bytes);
        let report = sites.repair(&job(Action::Repair)).expect("repaired");
        assert!(report.faults.is_empty() && report.undecided.is_empty(), "{report:?}");
        for place in 0..3 {
            assert_eq!(fs::read(places.files(place).join(&pack.path)).expect("there"), pack.bytes);
        }
    });
}

#[test]
fn a_place_is_set_up_once_and_belongs_to_one_installation() {
    everywhere(|places| {
        let (ours, theirs) = (Id16([1; 16]), Id16([2; 16]));
        Sites::create_places(&places.places).expect("set up already");
        let sites = places.open();
        sites.belong(ours).expect("nobody's yet");
        sites.mark(ours);
        drop(sites);
        let other = places.open();
        assert!(matches!(other.belong(theirs), Err(SiteError::TooFew { .. })));
        let seal = job(Action::Seal);
        let sites = places.open();
        sites.put_all(&seal, &[object("x", "x")]).expect("placed");
        assert!(sites.settle(SOON), "{:?}", sites.status());
        drop(sites);
        // Another name in the configuration: two are swapped.
        let marker = |place: usize| places.files(place).join("hanmaru-site.txt");
        let text = fs::read_to_string(marker(2)).expect("a marker");
        assert_eq!(text, format!("hanmaru site 2 c {}\n", base::hex(&ours.0)));
        fs::write(marker(2), text.replace(" c ", " b ")).expect("written");
        let sites = Sites::open_places(places.places.clone(), 2).expect("opened");
        let third = &sites.status()[2];
        assert!(!third.reachable && matches!(third.last_fault, Some(Fault::Other { .. })), "{third:?}");
        // A place with something in it and no marker is not taken.
        fs::remove_file(marker(2)).expect("it was there");
        assert!(Sites::create_places(&places.places).is_err());
    });
}

#[test]
fn a_bucket_refuses_by_itself_and_says_what_is_wrong_with_a_key() {
    let places = Places::new([true; 3]);
    let SitePlace::Bucket(config) = &places.places[0] else { panic!("they are buckets") };
    let site = BucketSite::new(config).expect("a site");
    site.put(&[object("t/1", "one")], Existing::Keep).expect("written");
    site.put(&[object("t/1", "one")], Existing::Keep).expect("the same again");
    assert_eq!(site.put(&[object("t/1", "two")], Existing::Keep), Err(Fault::Conflict("t/1".to_owned())));
    assert!(site.is_conditional(), "this server refuses to overwrite by itself");
    site.put(&[object("t/1", "two")], Existing::Replace).expect("mended");
    assert_eq!(site.get("t/1", None), Ok(Bytes::from_static(b"two")));
    let many: Vec<_> = (0..40).map(|n| object(&format!("many/{n}"), "x")).collect();
    site.put(&many, Existing::Keep).expect("written");
    assert_eq!(site.list("many").expect("listed").objects.len(), 40);
    let wrong = BucketConfig { secret_key: "another secret".to_owned().into(), ..config.clone() };
    let fault = BucketSite::new(&wrong).expect("a site").check().expect_err("it is refused");
    assert!(fault.to_string().contains("refuses our access key"), "{fault}");
    assert!(!format!("{wrong:?} {fault}").contains("another secret"));
    let nobody = BucketConfig { endpoint: "http://127.0.0.1:9".to_owned(), ..config.clone() };
    let fault = BucketSite::new(&nobody).expect("a site").check().expect_err("nobody is there");
    assert!(fault.to_string().contains("does not answer as it should"), "{fault}");
    let plain = BucketConfig { endpoint: "http://192.0.2.1:80".to_owned(), ..config.clone() };
    assert!(BucketSite::new(&plain).is_err());
}
