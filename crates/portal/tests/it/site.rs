//! A portal with two people who have records, an agency that knows them, and a clock that is moved by hand.

use crate::browser::{Answer, Browser, between};
use archive::Archive;
use base::limits::Limits;
use base::{Clock, ManualClock, Redacted, SeededRandom};
use identity::{Identity, IdentityConfig};
use portal::{Portal, PortalConfig};
use std::net::SocketAddr;
use std::sync::Arc;
use store::Log;
use synth::agency::{AgencyConfig, AgencyLimits};
use synth::people::{Person, write_people};
use testkit::{BagBuilder, World, person};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub const CODE: &str = "31100001";
/// The number on the chart of the first patient, whose id in the record system is another.
pub const CHART: &str = "10000001";
const SECRET: &str = "a secret of the tests";

pub struct Site {
    runtime: Arc<Runtime>,
    pub url: String,
    pub identity: Identity,
    pub kim: Person,
    pub lee: Person,
    pub world: World,
}

/// What is different about a site.
#[derive(Default)]
pub struct Setup {
    pub limits: Limits,
    pub agency_is_away: bool,
    pub journal_is_full: bool,
    /// Most accesses in one file, where it is not what it otherwise is.
    pub audit_events_max: Option<usize>,
}

impl Site {
    pub fn new() -> Self {
        Self::with(&Setup::default())
    }

    pub fn with(setup: &Setup) -> Self {
        let world = World::new();
        let (kim, lee) = (person("김하늘"), person("이바다"));
        world.agency.add(&kim);
        world.agency.add(&lee);
        let bag = BagBuilder::new(CODE)
            .patient_with("p1", &kim, &numbers(&kim))
            .visit("p1", "v1", "2024-03-31")
            .visit("p1", "v2", "2023-05-20")
            .document("p1", "d1", "one.pdf", "application/pdf", &testkit::one_page_pdf("one"))
            .patient("p2", &lee)
            .visit("p2", "v3", "2022-01-08");
        let bag = bag.write(&world.path("bag"));
        world.deposit(&bag.root).expect("a good bag");
        let archive = if setup.journal_is_full {
            // The second program's journal is on a full disk.
            std::os::unix::fs::symlink("/dev/full", world.path("data/journal/001.jrn")).expect("a link");
            world.opened_again().expect("it opens")
        } else {
            world.archive().clone()
        };
        let runtime = Arc::new(Runtime::new().expect("a runtime"));
        let portal = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("loopback");
        // Passkeys need a name.
        let url = format!("http://localhost:{}", portal.local_addr().expect("bound").port());
        let issuer = agency(&runtime, &world, &[kim.clone(), lee.clone()], &url, setup.agency_is_away);
        let (opened, identity) = open(archive, &world.clock, &issuer, &url, setup);
        let router = portal::router(opened);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        runtime.spawn(async move { axum::serve(portal, service).await });
        Self { runtime, url, identity, kim, lee, world }
    }

    pub fn browser(&self) -> Browser {
        Browser::new(&self.runtime, &self.url)
    }

    /// Goes to the agency and back: a session of one factor.
    pub fn prove(&self, browser: &Browser, person: &Person) -> Answer {
        let start = browser.get("/sign-in/start");
        self.prove_from(browser, person, &start)
    }

    pub fn prove_from(&self, browser: &Browser, person: &Person, start: &Answer) -> Answer {
        browser.get(&self.answer_of_agency(person, start))
    }

    /// Where the agency sends a person back to.
    pub fn answer_of_agency(&self, person: &Person, start: &Answer) -> String {
        let address = start.location().expect("the agency's address");
        let agency = Browser::new(&self.runtime, address.split("/authorize").next().expect("its origin"));
        let request = between(&agency.get(&address).text(), "name=\"request\" value=\"", "\"");
        let (front, back) = person.rrn.split_at(6);
        let page = agency.post(
            "/identify",
            &[("request", request.as_str()), ("name", &person.name), ("rrn_front", front), ("rrn_back", back)],
        );
        let code = between(&page.text(), "id=\"sms-code\">", "<");
        let done = agency.post("/confirm", &[("request", request.as_str()), ("code", &code)]);
        done.location().expect("the way back")
    }

    /// Signs in with both factors on a first visit: gives the app on the phone.
    pub fn sign_in(&self, browser: &Browser, person: &Person) -> App {
        self.prove(browser, person).leads_to("/sign-in/second-step");
        let page = browser.get("/sign-in/second-step");
        let app = App::of(&page);
        let code = app.code(&self.world.clock);
        browser.post("/sign-in/second-step", &[("csrf", &page.csrf()), ("code", &code)]).leads_to("/records");
        app
    }

    /// A visit of a patient as it stands in addresses.
    pub fn visit(&self, patient: &str, source_id: &str) -> String {
        let (ids, code) = (self.world.store().ids(), policy::InstitutionCode::new(CODE).expect("a code"));
        format!("{}-{}", ids.patient(&code, patient).id(), ids.resource(&code, "Encounter", source_id))
    }
}

/// What the record of the first patient says of their numbers.
pub fn numbers(person: &Person) -> serde_json::Value {
    let chart =
        serde_json::json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]});
    serde_json::json!({"identifier": [
        {"system": testkit::NATIONAL_NUMBERS, "value": person.rrn},
        {"type": chart, "system": "urn:chart", "value": CHART}
    ]})
}

fn agency(runtime: &Runtime, world: &World, people: &[Person], url: &str, away: bool) -> String {
    let file = world.path("people.json");
    write_people(&file, people.to_vec()).expect("a fresh folder");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("loopback");
    let issuer = format!("http://{}", listener.local_addr().expect("bound"));
    let config = AgencyConfig {
        issuer: None,
        client_id: "hanmaru".to_owned(),
        client_secret: Redacted::new(SECRET.to_owned()),
        redirect_urls: vec![format!("{url}/sign-in/return")],
        people: vec![file],
        limits: AgencyLimits::default(),
        clock: world.clock.clone(),
        random: Arc::new(SeededRandom::new(3)),
    };
    if !away {
        runtime.spawn(synth::agency::serve(config, listener, std::future::pending()));
    }
    issuer
}

fn open(archive: Archive, clock: &Arc<ManualClock>, issuer: &str, url: &str, setup: &Setup) -> (Portal, Identity) {
    let mut config = IdentityConfig::new(issuer, "hanmaru", SECRET, &format!("{url}/sign-in/return"));
    config.demo = true;
    config.agency_timeout_s = 2;
    let clock: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
    let random = Arc::new(SeededRandom::new(4));
    let identity = Identity::new(archive.store().clone(), config, clock, random).expect("a demo");
    let keys = vec![archive.store().verifier_key(Log::Records)];
    let mut config = PortalConfig::new(url, issuer, keys, setup.limits.clone());
    config.demo = true;
    config.audit_events_max = setup.audit_events_max.unwrap_or(config.audit_events_max);
    (Portal::new(archive, identity.clone(), config), identity)
}

/// An authenticator app.
pub struct App(totp_rs::Totp);

impl App {
    /// Sets it up from the letters on the page.
    pub fn of(page: &Answer) -> Self {
        let text = page.text();
        let secret = between(&text, "id=\"secret\"", "</p>");
        let secret: String = secret.split('>').nth(1).expect("the letters").split_whitespace().collect();
        let secret = totp_rs::Secret::try_from_base32(secret).expect("base 32");
        Self(totp_rs::Builder::new().with_secret(secret).build().expect("a secret of 160 bits"))
    }

    pub fn code(&self, clock: &ManualClock) -> String {
        self.0.generate(u64::try_from(clock.now().as_second()).expect("after 1970")).to_string()
    }

    /// A code that is not right around now.
    pub fn wrong_code(&self, clock: &ManualClock) -> String {
        let now_s = u64::try_from(clock.now().as_second()).expect("after 1970");
        let near: Vec<String> = (0..=2).map(|step| self.0.generate(now_s + 30 * step - 30).to_string()).collect();
        (0..).map(|number| format!("{number:06}")).find(|code| !near.contains(code)).expect("three are taken")
    }
}
