//! How the service is doing, in plain words, for everybody: counts and states, nothing about a person, and no paths of machines.

use crate::Portal;
use crate::error::{PageError, page};
use crate::frame::Frame;
use crate::texts::{Locale, Texts};
use crate::visitor::Visitor;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use store::{Condition, Drill, DrillOutcome, Grade, Jobs, LastScrub, Log, LogCondition, SiteCondition, Stamped};

#[derive(Template)]
#[template(path = "status.html")]
pub(crate) struct StatusPage {
    frame: Frame,
    overall: String,
    well: bool,
    broken: bool,
    at: String,
    parts: Vec<Part>,
    drill: String,
    drill_well: bool,
    /// How alerts get on, a line each.
    alerts: Vec<String>,
}

struct Part {
    title: String,
    text: String,
    items: Vec<Item>,
}

struct Item {
    name: String,
    state: String,
    well: bool,
    facts: Vec<Fact>,
}

struct Fact {
    name: String,
    value: String,
}

impl StatusPage {
    fn new(frame: Frame, found: &Condition) -> Self {
        let t = frame.t;
        let grade = found.grade();
        let key = match grade {
            Grade::Well => "status-well",
            Grade::Look => "status-look",
            Grade::Broken => "status-broken",
        };
        Self {
            overall: t.t(key),
            well: grade == Grade::Well,
            broken: grade == Grade::Broken,
            at: t.t1("status-at", "time", t.moment(found.at)),
            parts: vec![sites(t, found), key_stores(t, found), logs(t, found)],
            drill: drill(t, found.drill.as_ref()),
            drill_well: found.drill_grade() == Grade::Well,
            alerts: alerts(t, found.jobs),
            frame,
        }
    }

    pub fn samples(locale: Locale) -> [(&'static str, Self); 3] {
        let frame = || Frame::sample(locale, "status-title", "status", "/status", false);
        let [well, look, broken] = sample_conditions();
        [
            ("well", Self::new(frame(), &well)),
            ("look", Self::new(frame(), &look)),
            ("broken", Self::new(frame(), &broken)),
        ]
    }
}

fn part(t: &Texts, key: &str, counts: Option<(usize, usize)>, items: Vec<Item>) -> Part {
    let text = format!("{key}-text");
    let text = match counts {
        Some((all, wanted)) => t.t2(&text, ("all", all as i64), ("wanted", wanted as i64)),
        None => t.t(&text),
    };
    Part { title: t.t(key), text, items }
}

fn sites(t: &Texts, found: &Condition) -> Part {
    let items = found.sites.iter().map(|site| Item {
        name: site.status.name.clone(),
        state: reachable(t, site.status.reachable),
        well: site.status.reachable,
        facts: site_facts(t, site),
    });
    part(t, "status-sites", Some((found.sites.len(), found.sites_wanted)), items.collect())
}

fn site_facts(t: &Texts, site: &SiteCondition) -> Vec<Fact> {
    let behind = match site.status.pending {
        0 => t.t("status-behind-none"),
        count => t.t1("status-behind-count", "count", count as i64),
    };
    let mut facts = vec![fact(t, "status-behind", behind)];
    match &site.scrub {
        None => facts.push(fact(t, "status-scrub", t.t("status-never"))),
        Some(scrub) => {
            facts.push(fact(t, "status-scrub", t.moment(scrub.ended)));
            facts.push(fact(t, "status-result", scrub_result(t, scrub)));
        }
    }
    facts
}

fn scrub_result(t: &Texts, scrub: &LastScrub) -> String {
    if scrub.fault.is_some() {
        return t.t("status-scrub-unread");
    }
    let (key, count) = if scrub.lost > 0 {
        ("status-scrub-lost", scrub.lost)
    } else if scrub.found > scrub.repaired {
        ("status-scrub-open", scrub.found - scrub.repaired)
    } else if scrub.found > 0 {
        ("status-scrub-repaired", scrub.repaired)
    } else {
        return t.t("status-scrub-well");
    };
    t.t1(key, "count", count as i64)
}

fn key_stores(t: &Texts, found: &Condition) -> Part {
    let items = found.key_stores.iter().map(|store| {
        let copies = if store.behind { "status-keys-behind" } else { "status-keys-well" };
        Item {
            name: store.name.clone(),
            state: reachable(t, store.reachable),
            well: store.reachable,
            facts: vec![fact(t, "status-behind", t.t(copies))],
        }
    });
    part(t, "status-keys", Some((found.key_stores.len(), found.key_stores_wanted)), items.collect())
}

fn logs(t: &Texts, found: &Condition) -> Part {
    let items = found.logs.iter().map(|log| log_item(t, log, found.has_authority));
    part(t, "status-logs", None, items.collect())
}

fn log_item(t: &Texts, log: &LogCondition, has_authority: bool) -> Item {
    let name = match log.log {
        Log::Records => "status-log-records",
        Log::Access => "status-log-access",
    };
    let count = |count: u64| t.t1("status-count", "count", count as i64);
    let oldest = log.oldest_s.map_or_else(|| t.t("status-none"), |seconds| t.t1("status-seconds", "count", seconds));
    let well = log.fault.is_none();
    let mut facts = vec![
        fact(t, "status-sealed", count(log.sealed)),
        fact(t, "status-waiting", count(log.waiting)),
        fact(t, "status-oldest", oldest),
    ];
    if let Some(behind_s) = log.unwatched_s.filter(|_| log.is_unwatched()) {
        facts.push(fact(t, "status-unwatched", t.t1("status-seconds", "count", behind_s)));
    }
    let witnessed = log.witnessed.as_ref().map_or_else(|| t.t("status-witnessed-none"), |one| count(one.size));
    facts.push(fact(t, "status-witnessed", witnessed));
    facts.push(fact(t, "status-stamped", stamped(t, log, has_authority)));
    let state = t.t(if well { "status-sealed" } else { "status-log-stopped" });
    Item { name: t.t(name), state, well, facts }
}

/// The newest time-stamp over a log, or why there is none.
fn stamped(t: &Texts, log: &LogCondition, has_authority: bool) -> String {
    match &log.stamped {
        None if log.stamp_overdue => t.t("status-stamped-missing"),
        None if has_authority => t.t("status-never"),
        None => t.t("status-stamped-none"),
        Some(Stamped { size, at, .. }) => {
            let key = if log.stamp_overdue { "status-stamped-late" } else { "status-stamped-at" };
            t.tn(key, &[("time", &t.moment(*at)), ("count", &size.to_string())])
        }
    }
}

fn alerts(t: &Texts, jobs: Jobs) -> Vec<String> {
    let Jobs { waiting, again, failed } = jobs;
    let counts = [
        ("status-alerts-waiting", waiting.saturating_sub(again)),
        ("status-alerts-again", again),
        ("status-alerts-failed", failed),
    ];
    let told: Vec<String> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(key, count)| t.t1(key, "count", count as i64))
        .collect();
    if told.is_empty() { vec![t.t("status-alerts-well")] } else { told }
}

fn drill(t: &Texts, drill: Option<&Drill>) -> String {
    let Some(drill) = drill else { return t.t("status-drill-none") };
    let minutes = (drill.ended.as_second() - drill.begun.as_second()).max(0).div_euclid(60).max(1);
    let key = match drill.outcome {
        DrillOutcome::Equal => "status-drill-equal",
        DrillOutcome::Partly => "status-drill-partly",
        DrillOutcome::Unequal => "status-drill-unequal",
    };
    t.tn(
        key,
        &[
            ("time", &t.moment(drill.ended)),
            ("site", &drill.site),
            ("resources", &drill.resources.to_string()),
            ("objects", &drill.objects.to_string()),
            ("minutes", &minutes.to_string()),
        ],
    )
}

fn reachable(t: &Texts, reachable: bool) -> String {
    t.t(if reachable { "status-reachable" } else { "status-away" })
}

fn fact(t: &Texts, key: &str, value: String) -> Fact {
    Fact { name: t.t(key), value }
}

/// `GET /status`
pub(crate) async fn show(State(portal): State<Portal>, visitor: Visitor) -> Result<Response, PageError> {
    let found = portal.blocking(Portal::condition).await?;
    page(&StatusPage::new(visitor.frame("status-title", "status"), &found))
}

fn sample_conditions() -> [Condition; 3] {
    let time = |second| jiff::Timestamp::from_second(second).unwrap_or_default();
    let at = time(1_795_402_800);
    let scrub = |site: &str| LastScrub {
        site: site.to_owned(),
        ended: time(1_795_316_400),
        objects: 41_207,
        bytes: 9_000_000_000,
        found: u64::from(site == "busan") * 2,
        repaired: u64::from(site == "busan") * 2,
        unknown: 0,
        lost: 0,
        fault: None,
    };
    let site = |name: &str| {
        let status = store::SiteStatus { name: name.to_owned(), reachable: true, pending: 0, last_fault: None };
        SiteCondition { status, scrub: Some(scrub(name)) }
    };
    let key_store =
        |name: &str| store::KeyStoreStatus { name: name.to_owned(), reachable: true, behind: false, last_fault: None };
    let log = |log| LogCondition {
        sealed: 1_204_118,
        waiting: 3,
        oldest_s: Some(1),
        stamped: Some(Stamped { size: 1_204_090, at: time(1_795_401_000), authority: "stamps".to_owned() }),
        ..LogCondition::empty(log)
    };
    let well = Condition {
        at,
        logs: Log::ALL.map(log).to_vec(),
        has_authority: true,
        sites: ["seoul", "busan", "daejeon"].map(site).to_vec(),
        sites_wanted: 2,
        key_stores: ["vault-1", "vault-2", "vault-3"].map(key_store).to_vec(),
        key_stores_wanted: 2,
        disk_fault: None,
        drill: Some(Drill {
            begun: time(1_795_000_000),
            ended: time(1_795_004_000),
            site: "busan".to_owned(),
            outcome: DrillOutcome::Equal,
            resources: 900_412,
            objects: 18_300,
            rows: 40_112,
            result: "everything came out equal".to_owned(),
        }),
        jobs: Jobs::default(),
    };
    let mut look = well.clone();
    look.sites[2].status.reachable = false;
    look.sites[2].status.pending = 412;
    look.drill = None;
    look.logs[1].witnessed = Some(store::Witnessed { size: 1_204_100, fault: Some("away".to_owned()) });
    look.logs[1].stamp_overdue = true;
    look.logs[1].unwatched_s = Some(640);
    look.jobs = Jobs { waiting: 5, again: 2, failed: 1 };
    let mut broken = look.clone();
    broken.sites[0].status.reachable = false;
    broken.sites[0].scrub = None;
    broken.logs[0].fault = Some("1 of 2 sites".to_owned());
    broken.logs[0].oldest_s = Some(431);
    [well, look, broken]
}
