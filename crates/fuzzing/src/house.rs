//! An installation with people, records, an agency and a portal that listens, for targets whose parsers stand behind all of it.
//! One for each thread, made when a target first needs it and taken down by [`close`]; what cargo-fuzz runs ends without that,
//! and leaves one temporary folder behind.

use crate::agency::{Agency, kim};
use crate::staff::Staff;
use base::{Clock as _, ManualClock, SeededRandom};
use identity::{Identity, IdentityConfig, Session, SignedIn};
use portal::{Portal, PortalConfig};
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::sync::Arc;
use store::Log;
use testkit::{BagBuilder, World, one_page_pdf, person};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Where everybody comes from.
pub const SOURCE: &str = "192.0.2.1";
/// The institution of the records.
pub const CODE: &str = "31100001";

pub struct House {
    /// Host and port of the portal.
    pub host: String,
    pub identity: Identity,
    pub agency: Arc<Agency>,
    pub world: World,
    /// Who works here, and on what.
    pub staff: Staff,
    member: Option<Member>,
    // Dropped last: it serves the portal.
    _runtime: Runtime,
}

/// Somebody who has signed in with two factors.
struct Member {
    token: String,
    secret: String,
}

thread_local! {
    static HOUSE: RefCell<ManuallyDrop<Option<House>>> = const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Runs something in this thread's house.
pub fn with<T>(work: impl FnOnce(&mut House) -> T) -> T {
    HOUSE.with(|house| work(house.borrow_mut().get_or_insert_with(House::new)))
}

/// Takes this thread's house down, where there is one.
pub fn close() {
    HOUSE.with(|house| drop(house.borrow_mut().take()));
}

impl House {
    fn new() -> Self {
        let world = World::new();
        let (kim, lee) = (kim(), person("이바다"));
        world.agency.add(&kim);
        world.agency.add(&lee);
        let bag = BagBuilder::new(CODE)
            .patient("p1", &kim)
            .visit("p1", "v1", "2024-03-31")
            .visit("p1", "v2", "2023-05-20")
            .document("p1", "d1", "one.pdf", "application/pdf", &one_page_pdf("one"))
            .patient("p2", &lee)
            .visit("p2", "v3", "2022-01-08");
        let bag = bag.write(&world.path("bag"));
        world.deposit(&bag.root).expect("a good bag");
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("loopback");
        // Passkeys need a name.
        let host = format!("localhost:{}", listener.local_addr().expect("it is bound").port());
        let agency = Agency::start();
        let url = format!("http://{host}");
        let mut config =
            IdentityConfig::new(&agency.url, "hanmaru", "a secret of tests", &format!("{url}/sign-in/return"));
        (config.demo, config.agency_timeout_s) = (true, 1);
        let clock: Arc<ManualClock> = Arc::clone(&world.clock);
        let store = world.store().clone();
        let identity = Identity::new(store, config, clock, Arc::new(SeededRandom::new(4))).expect("a demo");
        let keys = vec![world.store().verifier_key(Log::Records)];
        let mut config = PortalConfig::new(&url, &agency.url, keys, world.archive().limits().clone());
        config.demo = true;
        let router = portal::router(Portal::new(world.archive().clone(), identity.clone(), config));
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        runtime.spawn(async move { axum::serve(listener, service).await });
        Self { host, identity, agency, world, staff: Staff::default(), member: None, _runtime: runtime }
    }

    /// The time in seconds since 1970.
    pub fn now_s(&self) -> i64 {
        self.world.clock.now().as_second()
    }

    /// Signs in with one factor, as the agency answers.
    pub fn sign_in(&self, source: &str) -> Result<SignedIn, identity::IdentityError> {
        let begun = self.identity.begin("ko", "/records")?;
        let address = begun.redirect_url.expose();
        let part = |name: &str| {
            let rest = address.split_once(&format!("{name}=")).map_or("", |(_, rest)| rest);
            rest.split('&').next().unwrap_or_default().to_owned()
        };
        self.agency.set(&part("nonce"), self.now_s());
        self.identity.finish(begun.cookie.expose(), "code", &part("state"), source)
    }

    /// The member's session goes on under another token.
    pub fn go_on_as(&mut self, token: &str) {
        if let Some(member) = &mut self.member {
            member.token = token.to_owned();
        }
    }

    /// The session of somebody who gave both factors not long ago, and the value of its cookie.
    pub fn member(&mut self) -> (Session, String) {
        if let Some(member) = &self.member
            && let Ok(session) = self.identity.session(&member.token)
            && session.is_fresh
        {
            return (session, member.token.clone());
        }
        // A step of codes is good for one.
        self.world.clock.advance(60);
        let session = self.sign_in(SOURCE).expect("the agency answers rightly").session;
        let token = match self.member.take() {
            Some(Member { secret, .. }) => {
                let token = self.identity.totp_check(&session, &code(&secret, self.now_s()), SOURCE);
                Member { token: token.expect("the code is right").cookie_value().to_owned(), secret }
            }
            None => {
                let enrolment = self.identity.totp_enrol(&session).expect("there is no factor yet");
                let secret: String = enrolment.secret_text.expose().split_whitespace().collect();
                let token = self.identity.totp_confirm(&session, &code(&secret, self.now_s()));
                Member { token: token.expect("the code is right").cookie_value().to_owned(), secret }
            }
        };
        let session = self.identity.session(&token.token).expect("it has just begun");
        let value = token.token.clone();
        self.member = Some(token);
        (session, value)
    }
}

fn code(secret: &str, now_s: i64) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).expect("base 32");
    let totp = totp_rs::Builder::new().with_secret(secret).build().expect("a secret of 160 bits");
    totp.generate(u64::try_from(now_s).expect("after 1970")).to_string()
}
