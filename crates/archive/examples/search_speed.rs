//! How fast institutions are searched: at rest, while single ones change, and while the whole directory is taken in again by
//! another handle on the same database; and how soon what changed is found.
//! `cargo run -p archive --example search_speed -- [institutions]`. Not a test: it asserts nothing about time.

use archive::{Archive, InstitutionQuery};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use testkit::World;

const SYLLABLES: &str = "가나다라마바사아자차카타파하강남동북서울한빛새온누리해솔";
const ENDS: [&str; 5] = ["의원", "병원", "치과의원", "한의원", "내과의원"];
const REGIONS: [&str; 6] = [
    "서울특별시 종로구",
    "부산광역시 해운대구",
    "강원특별자치도 원주시",
    "경기도 수원시",
    "전북특별자치도 전주시",
    "제주특별자치도 제주시",
];
const TEXTS: [&str; 14] = [
    "서울",
    "ㅅㅇㅂㅇ",
    "새ㅇ의원",
    "seoul",
    "종로 서울",
    "의원",
    "",
    "wonju saeon",
    "해운대",
    "한빛솔내과의원",
    "누리",
    "ㅎㅂ",
    "suwon-si ㄱㄴ",
    "byeongwon",
];
const SEARCHES: usize = 2_000;

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let world = World::new();
    let begun = Instant::now();
    import(world.archive(), &lines(count, ""));
    println!("{count} institutions taken in in {:.0} ms", ms(begun.elapsed()));

    let serving = world.opened_again().expect("opened");
    let (begun, cpu_before_ms) = (Instant::now(), cpu_ms());
    serving.prepare_search().expect("read");
    println!("read at the start in {:.0} ms, {} ms of CPU", ms(begun.elapsed()), cpu_ms() - cpu_before_ms);
    for text in TEXTS {
        let took = (0..20).map(|_| search(&serving, text).0).min().expect("some");
        println!("  {text:?}: {} found in {:.1} ms at best", search(&serving, text).1, ms(took));
    }

    tell("at rest", (0..SEARCHES).map(|number| search(&serving, TEXTS[number % TEXTS.len()]).0).collect());
    let single = while_changing(&serving, || {
        for number in 0..300 {
            import(world.archive(), &line(number, "늘봄", ENDS[0]));
            thread::sleep(Duration::from_millis(10));
        }
    });
    tell("while an institution changes every 10 ms, 300 of them", single);
    for (number, name) in [(7, "달맞이"), (8, "별헤는")] {
        import(world.archive(), &line(number, name, ENDS[0]));
        println!("a change of one is found after {:.1} ms", ms(until_found(&serving, name)));
    }
    let whole = while_changing(&serving, || import(world.archive(), &lines(count, "참")));
    tell("while the whole directory is taken in again", whole);
    println!("what it brought last is found {:.0} ms after its end", ms(until_found(&serving, &name(count - 1, "참"))));
}

/// Searches until `change` is done, on another thread.
fn while_changing(serving: &Archive, change: impl FnOnce() + Send) -> Vec<Duration> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            change();
            done.store(true, Ordering::Release);
        });
        let mut took = Vec::new();
        while !done.load(Ordering::Acquire) {
            took.push(search(serving, TEXTS[took.len() % TEXTS.len()]).0);
            // People do not search back to back; this leaves the other core's work some room, as it would have.
            thread::sleep(Duration::from_millis(5));
        }
        took
    })
}

fn until_found(serving: &Archive, name: &str) -> Duration {
    let begun = Instant::now();
    while search(serving, name).1 == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    begun.elapsed()
}

fn search(archive: &Archive, text: &str) -> (Duration, usize) {
    let query = InstitutionQuery { text: text.to_owned(), ..InstitutionQuery::default() };
    let begun = Instant::now();
    let found = archive.search(&query, 51).expect("found").len();
    (begun.elapsed(), found)
}

fn import(archive: &Archive, lines: &str) {
    let report = archive.import_institutions(&mut lines.as_bytes()).expect("imported");
    assert_eq!(report.refused, 0, "{:?}", report.faults.first());
}

fn lines(count: usize, before: &str) -> String {
    (0..count).fold(String::new(), |mut all, number| {
        let _ = writeln!(all, "{}", line(number, &name(number, before), ""));
        all
    })
}

fn line(number: usize, name: &str, end: &str) -> String {
    let region = REGIONS[number % REGIONS.len()];
    format!(
        r#"{{"code":"3{number:07}","name":"{name}{end}","kind":"31","region":"{region}","address":"{region} 시험로 {number}","closed_on":"2020-01-01"}}"#
    )
}

fn name(number: usize, before: &str) -> String {
    let syllables: Vec<char> = SYLLABLES.chars().collect();
    let stem: String = (0..3).map(|at| syllables[(number / syllables.len().pow(at)) % syllables.len()]).collect();
    format!("{before}{stem}{number}{}", ENDS[number % ENDS.len()])
}

fn tell(when: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |share: usize| ms(took[(took.len() * share / 100).min(took.len() - 1)]);
    let (median, p99, slowest) = (at(50), at(99), at(100));
    println!(
        "{when}: {} searches, median {median:.1} ms, 99th of 100 {p99:.1} ms, slowest {slowest:.1} ms",
        took.len()
    );
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// CPU time of all threads of this process, which a busy machine does not change, in steps of 10 ms (proc(5), stat).
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10
}
