//! `hanmaru bench journey`: how long people wait. Institution search and sign-in go through the portal over HTTP; documents are
//! issued in this process, with their checkpoint.

use super::bars::{Bars, Goal};
use super::browser::Browser;
use super::directory::{directory, questions};
use super::people::{issue, own_permit};
use super::place::{Installation, Place, plain_write};
use super::{Failure, How};
use crate::commands::serve::serve;
use crate::hall::Hall;
use archive::Selection;
use base::{Clock, SystemClock};
use policy::{Action, Permit};
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use synth::Options;
use synth::people::{Person, read_people};

/// Patients among whom one with a chart of the right length is looked for.
const PATIENTS: usize = 60;
/// Documents of each, on average: enough for charts of that length.
const DOCUMENTS_PER_PATIENT: usize = 28;
/// Pages of the chart.
const PAGES: usize = 30;
/// People whose charts are issued in turn.
const CHARTS: usize = 8;
/// Documents issued one after another, and by each of two threads.
const ISSUES: usize = 16;
/// Institutions in the directory.
const INSTITUTIONS: usize = 30_000;
/// Searches.
const SEARCHES: usize = 400;

/// Measures documents, search and sign-in.
pub fn run(place: &Place, _how: &How, bars: &mut Bars) -> Result<(), Failure> {
    let out = place.root().join("bag");
    let mut options = Options::new(1, PATIENTS, 42, out.clone());
    options.documents_per_patient = DOCUMENTS_PER_PATIENT;
    let summary = synth::generate(&options, &|_| {})?;
    let installation = place.installation("journey")?;
    let people = out.join("people.json");
    let _agency = installation.start_agency(&people)?;
    for hospital in &summary.hospitals {
        let ended = installation.start_deposit(&hospital.folder)?.wait()?;
        if ended.code != Some(0) {
            return Err(format!("the deposit ended with {:?}: {}", ended.code, installation.deposit_log()).into());
        }
    }
    let hall = installation.open()?;
    let (lines, names) = directory(INSTITUTIONS);
    let report = hall.archive.import_institutions(&mut lines.as_bytes())?;
    if report.refused > 0 {
        return Err(format!("{} institutions were refused: {:?}", report.refused, report.faults.first()).into());
    }
    documents(&installation, &hall, &people, bars)?;
    start_portal(&installation, &hall)?;
    search(&installation, &names, report.taken, bars)?;
    sign_in(&installation, &people, bars)
}

/// The portal, in threads of this process that end with it.
fn start_portal(installation: &Installation, hall: &Hall) -> Result<(), Failure> {
    let (config, hall) = (installation.config()?, hall.clone());
    let (ready, is_ready) = channel();
    std::thread::spawn(move || {
        if let Err(error) = serve(&hall, &config, || ready.send(()).unwrap_or_default()) {
            eprintln!("the portal ended: {error}");
        }
    });
    Ok(is_ready.recv_timeout(Duration::from_secs(20)).map_err(|_| "the portal did not start")?)
}

fn documents(installation: &Installation, hall: &Hall, people: &Path, bars: &mut Bars) -> Result<(), Failure> {
    let charts = charts(hall, &read_people(people)?)?;
    let (mut took, mut pages, mut bytes) = (Vec::new(), Vec::new(), 0);
    for permit in charts.iter().cycle().take(ISSUES) {
        let begun = Instant::now();
        let issued = issue(hall, permit, &Selection::Whole)?;
        took.push(begun.elapsed());
        pages.push(issued.pages);
        bytes += issued.bytes.len();
    }
    took.sort_unstable();
    pages.sort_unstable();
    let leaf = leaf_alone(hall, &charts[0])?;
    let plain = plain_write(&installation.root, (bytes / ISSUES) as u64, 8 << 20)?;
    let peer = format!(
        "{ISSUES} documents of {} people, of {} to {} pages and {} KiB on average, one after another: fastest {:.0} ms, median \
         {:.0} ms, slowest {:.0} ms; a leaf alone with its checkpoint at the sites: {:.1} ms; a document's bytes plainly written \
         and synced: {:.1} ms",
        charts.len(),
        pages[0],
        pages[ISSUES - 1],
        (bytes / ISSUES) >> 10,
        ms(took[0]),
        ms(took[ISSUES / 2]),
        ms(took[ISSUES - 1]),
        ms(leaf),
        ms(plain)
    );
    bars.bar(&peer, "issue_30_pages", ms(took[ISSUES / 2]), "ms", Goal::AtMost(700.0));

    let begun = Instant::now();
    let results: Vec<Result<(), String>> = std::thread::scope(|scope| {
        // Each thread begins with another person, so that no two documents alike are made at once.
        let workers = [0, charts.len() / 2].map(|from| {
            let turn = charts.iter().cycle().skip(from).take(ISSUES);
            scope
                .spawn(move || turn.into_iter().try_for_each(|permit| issue(hall, permit, &Selection::Whole).map(drop)))
        });
        workers.into_iter().map(|worker| worker.join().expect("issuing does not panic")).collect()
    });
    results.into_iter().collect::<Result<(), _>>()?;
    let rate = (2 * ISSUES) as f64 / begun.elapsed().as_secs_f64();
    let peer =
        format!("two threads, {} documents each; one thread makes {:.2} a second", ISSUES, 1e3 / ms(took[ISSUES / 2]));
    bars.bar(&peer, "issue_rate", rate, "PDF/s", Goal::AtLeast(3.0));
    Ok(())
}

/// People whose charts have at least so many pages, those with the shortest ones. Looking warms the program up.
fn charts(hall: &Hall, people: &[Person]) -> Result<Vec<Permit>, Failure> {
    let (mut long, mut longest) = (Vec::new(), 0);
    for person in people {
        let permit = own_permit(hall, person, Action::Issue)?;
        let pages = issue(hall, &permit, &Selection::Whole)?.pages;
        longest = longest.max(pages);
        if pages >= PAGES {
            long.push((pages, permit));
        }
    }
    if long.is_empty() {
        return Err(format!("nobody has a chart of {PAGES} pages; the longest has {longest}").into());
    }
    long.sort_by_key(|(pages, _)| *pages);
    Ok(long.into_iter().take(CHARTS).map(|(_, permit)| permit).collect())
}

/// What an issue waits for in any case.
fn leaf_alone(hall: &Hall, permit: &Permit) -> Result<Duration, Failure> {
    let owner = policy::Owner::Patient(permit.actor().account);
    let mut fastest = Duration::MAX;
    for number in 0..8_u8 {
        let begun = Instant::now();
        hall.store().commit_leaf(permit, store::EntryKind::Issued, owner, &[number])?;
        fastest = fastest.min(begun.elapsed());
    }
    Ok(fastest)
}

fn search(installation: &Installation, names: &[String], institutions: u64, bars: &mut Bars) -> Result<(), Failure> {
    let mut browser = Browser::new()?;
    let address = format!("{}/institutions", installation.portal_url());
    let floor = timed(|| browser.open(&format!("{}/help", installation.portal_url())).map(drop))?;
    let mut took = Vec::with_capacity(SEARCHES);
    // The first search of a process reads the directory; a portal is asked again and again.
    browser.open(&format!("{address}?name=%EA%B0%80"))?;
    for asked in questions(names, SEARCHES) {
        let mut url = reqwest::Url::parse(&address)?;
        url.query_pairs_mut()
            .append_pair("name", &asked.text)
            .append_pair("region", &asked.region)
            .append_pair("kind", &asked.kind);
        took.push(timed(|| browser.open(url.as_str()).map(drop))?);
    }
    took.sort_unstable();
    let (median, p99) = (took[SEARCHES / 2], took[SEARCHES * 99 / 100]);
    let peer = format!(
        "{SEARCHES} varied searches among {institutions} institutions through the portal, whole pages over HTTP: median {:.1} ms, \
         slowest {:.1} ms; a page that searches nothing: {:.1} ms; the bar is the 99th of 100",
        ms(median),
        ms(took[SEARCHES - 1]),
        ms(floor)
    );
    bars.bar(&peer, "institution_search", ms(p99), "ms", Goal::AtMost(50.0));
    Ok(())
}

/// From the page for sign-in to the PDF, for somebody who has never been here: the second factor is set up on the way.
fn sign_in(installation: &Installation, people: &Path, bars: &mut Bars) -> Result<(), Failure> {
    let people = read_people(people)?;
    let person = people.first().ok_or("nobody")?;
    let begun = Instant::now();
    let mut browser = Browser::new()?;
    let page = browser.open(&format!("{}/sign-in", installation.portal_url()))?;
    let page = browser.follow(&page, "start")?;
    let (front, back) = person.rrn.split_at(6);
    let values = [("name", person.name.as_str()), ("rrn_front", front), ("rrn_back", back)];
    let page = browser.send(&page, "/identify", &values)?;
    let code = page.text_of("sms-code").ok_or("no text message on the agency's page")?;
    let page = browser.send(&page, "/confirm", &[("code", &code)])?;
    let secret = page.text_of("secret").ok_or("no second factor to set up")?;
    let page = browser.send(&page, "/sign-in/second-step", &[("code", &code_of(&secret)?)])?;
    let pdf = browser.send(&page, "/records/issue", &[("what", "all")])?;
    if !pdf.content_type.starts_with("application/pdf") || !pdf.body.starts_with(b"%PDF-") {
        return Err(format!("the last page is {} and no PDF", pdf.content_type).into());
    }
    let peer = format!(
        "sign-in, agency twice, setting up the second factor, records, PDF of {} KiB: {:.0} ms in all for a machine",
        pdf.body.len() >> 10,
        ms(begun.elapsed())
    );
    bars.bar(&peer, "sign_in_to_pdf", f64::from(browser.loads), "page-loads", Goal::AtMost(6.0));
    Ok(())
}

/// What an authenticator app shows now for this secret (RFC 6238).
fn code_of(secret: &str) -> Result<String, Failure> {
    let secret: String = secret.chars().filter(|character| !character.is_whitespace()).collect();
    let secret = totp_rs::Secret::try_from_base32(&secret).map_err(|error| format!("the secret: {error:?}"))?;
    let totp = totp_rs::Builder::new().with_secret(secret).build().map_err(|error| format!("the secret: {error:?}"))?;
    let now_s = u64::try_from(SystemClock::new().now().as_second())?;
    Ok(totp.generate(now_s).to_string())
}

fn timed(work: impl FnOnce() -> Result<(), Failure>) -> Result<Duration, Failure> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed())
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}
