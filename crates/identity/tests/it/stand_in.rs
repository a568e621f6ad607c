//! With the stand-in agency of the demo: both sides agree on every form, and deposits find the people who sign in.

use crate::provider::{CLIENT_ID, CLIENT_SECRET, REDIRECT_URL};
use crate::world::{HOME, World, config};
use base::{Redacted, SeededRandom};
use identity::{CiLookup as _, Identity, IdentityError};
use openidconnect::url::Url;
use std::collections::HashMap;
use std::sync::Arc;
use synth::agency::{AgencyConfig, AgencyLimits};
use synth::people::{Foreign, Person, person_for_foreign, write_people};

struct StandIn {
    issuer: String,
    runtime: tokio::runtime::Runtime,
    browser: reqwest::Client,
}

impl StandIn {
    fn start(world: &World, people: Vec<Person>, folder: &std::path::Path) -> Self {
        let file = folder.join("people.json");
        write_people(&file, people).expect("a fresh folder");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("loopback");
        let issuer = format!("http://{}", listener.local_addr().expect("bound"));
        let config = AgencyConfig {
            issuer: None,
            client_id: CLIENT_ID.to_owned(),
            client_secret: Redacted::new(CLIENT_SECRET.to_owned()),
            redirect_urls: vec![REDIRECT_URL.to_owned()],
            people: vec![file],
            limits: AgencyLimits::default(),
            clock: world.clock.clone(),
            random: Arc::new(SeededRandom::new(3)),
        };
        runtime.spawn(synth::agency::serve(config, listener, std::future::pending()));
        let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        Self { issuer, runtime, browser }
    }

    /// A person goes through the agency's pages: gives code and state.
    fn prove(&self, address: &str, person: &Person) -> (String, String) {
        self.runtime.block_on(async {
            let page = self.browser.get(address).send().await.expect("an answer");
            let cookie =
                page.headers()["set-cookie"].to_str().expect("text").split(';').next().expect("one").to_owned();
            let request = between(&page.text().await.expect("a page"), "name=\"request\" value=\"", "\"");
            let (front, back) = person.rrn.split_at(6);
            let form =
                [("request", request.as_str()), ("name", &person.name), ("rrn_front", front), ("rrn_back", back)];
            let page = self.post("/identify", &cookie, &form).await.text().await.expect("a page");
            let code = digits_of(&page);
            let back = self.post("/confirm", &cookie, &[("request", request.as_str()), ("code", &code)]).await;
            let back = back.headers()["location"].to_str().expect("text").to_owned();
            let answer: HashMap<String, String> =
                Url::parse(&back).expect("a URL").query_pairs().into_owned().collect();
            (answer["code"].clone(), answer["state"].clone())
        })
    }

    async fn post(&self, path: &str, cookie: &str, form: &[(&str, &str)]) -> reqwest::Response {
        let request = self.browser.post(format!("{}{path}", self.issuer)).header("cookie", cookie);
        request.form(form).send().await.expect("an answer")
    }
}

fn between(text: &str, before: &str, after: &str) -> String {
    let from = text.find(before).expect("the start") + before.len();
    text[from..from + text[from..].find(after).expect("the end")].to_owned()
}

/// The code of the text message, which the stand-in shows on its page.
fn digits_of(page: &str) -> String {
    between(page, "id=\"sms-code\">", "<")
}

#[test]
fn people_of_the_stand_in_sign_in_and_deposits_find_them() {
    let world = World::new();
    let folder = tempfile::TempDir::new().expect("a folder");
    let people: Vec<Person> = [("김합성", "a|1"), ("이가상", "a|2")]
        .map(|(name, source_id)| {
            let birth_date = jiff::civil::date(1980, 1, 2);
            person_for_foreign(Foreign { name, birth_date, gender: "female", source_id })
        })
        .to_vec();
    let stand_in = StandIn::start(&world, people.clone(), folder.path());
    let mut config = config(&stand_in.issuer);
    let clock: Arc<dyn base::Clock> = world.clock.clone();
    let identity = Identity::new(world.store.clone(), config.clone(), clock.clone(), Arc::new(SeededRandom::new(4)));
    let identity = identity.expect("a demo");

    let numbers: Vec<_> = people.iter().map(|person| Redacted::new(person.rrn.clone())).collect();
    let cis = identity.ci_lookup().ci_of(&numbers).expect("up");
    for (person, ci) in people.iter().zip(cis) {
        // A deposit knows the person first, by the CI of the number in a record.
        let known = world.store.person_for_ci(&world.store.ci_hash(&ci.expect("known there"))).expect("a person");
        let begin = identity.begin("ko", "/").expect("up");
        let (code, state) = stand_in.prove(begin.redirect_url.expose(), person);
        let session = identity.finish(begin.cookie.expose(), &code, &state, HOME).expect("a good sign-in").session;
        assert_eq!(session.person, known);
        assert_eq!(session.name.expose(), &person.name);
        assert_eq!(session.birth_date.expect("a person has one").expose().to_string(), "1980-01-02");
    }

    config.demo = false;
    let refused = Identity::new(world.store.clone(), config, clock, Arc::new(SeededRandom::new(5)));
    assert!(matches!(refused, Err(IdentityError::StandInAgency { .. })));
}
