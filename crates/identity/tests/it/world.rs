//! A store, an agency, a clock and an identity over them.

use crate::provider::{Agency, CLIENT_ID, CLIENT_SECRET, Citizen, REDIRECT_URL};
use base::{Clock, ManualClock, SeededRandom, Timestamp};
use identity::{Identity, IdentityConfig, IdentityError, Session, SessionToken, SignedIn};
use std::path::Path;
use std::sync::Arc;
use store::{OpenStore, Store, StoreConfig};
use tempfile::TempDir;
use vault::{FileKeyProvider, KeyStoreConfig, KeyStores, SiteConfig, Sites};

/// Where people sit.
pub const HOME: &str = "192.0.2.10";
/// Where somebody else sits.
pub const ELSEWHERE: &str = "198.51.100.7";

pub struct World {
    pub clock: Arc<ManualClock>,
    pub agency: Arc<Agency>,
    pub identity: Identity,
    pub store: Store,
    _folder: TempDir,
}

impl World {
    pub fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_800_000_000).expect("2027")));
        let agency = Agency::start(Arc::clone(&clock));
        let folder = TempDir::new().expect("a folder");
        let store = open_store(folder.path(), &clock);
        let identity = open(&store, &agency, &clock, 1);
        Self { clock, agency, identity, store, _folder: folder }
    }

    /// Another process on the same store, whose machine has this clock.
    pub fn reopened(&self, clock: Arc<ManualClock>) -> Identity {
        open(&self.store, &self.agency, &clock, 2)
    }

    pub fn sign_in(&self, citizen: &Citizen) -> SignedIn {
        self.try_sign_in(citizen, HOME).expect("a good sign-in")
    }

    pub fn try_sign_in(&self, citizen: &Citizen, source: &str) -> Result<SignedIn, IdentityError> {
        let begin = self.identity.begin("ko", "/records")?;
        let (code, state) = self.agency.prove(begin.redirect_url.expose(), citizen);
        self.identity.finish(begin.cookie.expose(), &code, &state, source)
    }

    /// Signs in and sets up a second factor: gives the session of two factors and the authenticator.
    pub fn sign_in_with_totp(&self, citizen: &Citizen) -> (Session, Authenticator) {
        let session = self.sign_in(citizen).session;
        let shown = self.identity.totp_enrol(&session).expect("nothing set up yet");
        let authenticator = Authenticator::of(shown.uri.expose());
        let token = self.identity.totp_confirm(&session, &authenticator.code(&*self.clock)).expect("the right code");
        (self.session(&token), authenticator)
    }

    pub fn session(&self, token: &SessionToken) -> Session {
        self.identity.session(token.cookie_value()).expect("a live session")
    }
}

/// A demo's configuration for an agency.
pub fn config(issuer: &str) -> IdentityConfig {
    let mut config = IdentityConfig::new(issuer, CLIENT_ID, CLIENT_SECRET, REDIRECT_URL);
    config.demo = true;
    config.agency_timeout_s = 2;
    config
}

fn open(store: &Store, agency: &Agency, clock: &Arc<ManualClock>, seed: u64) -> Identity {
    let clock: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
    let random = Arc::new(SeededRandom::new(seed));
    Identity::new(store.clone(), config(&agency.url), clock, random).expect("a good configuration")
}

fn open_store(folder: &Path, clock: &Arc<ManualClock>) -> Store {
    let random = Arc::new(SeededRandom::new(7));
    let places = |kind: &str| ["a", "b", "c"].map(|name| (name.to_owned(), folder.join(format!("{kind}-{name}"))));
    let sites: Vec<SiteConfig> = places("site").map(|(name, folder)| SiteConfig { name, folder }).to_vec();
    let keys: Vec<KeyStoreConfig> = places("keys").map(|(name, folder)| KeyStoreConfig { name, folder }).to_vec();
    Sites::create(&sites).expect("fresh folders");
    KeyStores::create(&keys).expect("fresh folders");
    let key_provider = FileKeyProvider::create(&folder.join("root.key"), random.clone()).expect("a fresh file");
    Store::create(OpenStore {
        folder: folder.join("store"),
        sites: Sites::open(sites, 2).expect("three sites"),
        key_provider: Arc::new(key_provider),
        key_stores: KeyStores::open(keys, 2).expect("three key stores"),
        origin: "hanmaru.example".to_owned(),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        random,
        limits: base::limits::Limits::default(),
        config: StoreConfig { sequencer: false, ..StoreConfig::default() },
        witnessing: None,
    })
    .expect("a fresh store")
}

/// The app on a person's phone.
pub struct Authenticator(totp_rs::Totp);

impl Authenticator {
    pub fn of(uri: &str) -> Self {
        let secret = uri.split("secret=").nth(1).and_then(|rest| rest.split('&').next()).expect("a secret");
        let secret = totp_rs::Secret::try_from_base32(secret).expect("base 32");
        Self(totp_rs::Builder::new().with_secret(secret).build().expect("a secret of 160 bits"))
    }

    pub fn code(&self, clock: &dyn Clock) -> String {
        self.0.generate(u64::try_from(clock.now().as_second()).expect("after 1970")).to_string()
    }

    /// A code that is not right in any step near now.
    pub fn wrong_code(&self, clock: &dyn Clock) -> String {
        let now_s = u64::try_from(clock.now().as_second()).expect("after 1970");
        let near: Vec<String> = (0..=2).map(|step| self.0.generate(now_s + 30 * step - 30).to_string()).collect();
        (0..)
            .map(|number| format!("{number:06}"))
            .find(|code| !near.contains(code))
            .expect("three of a million are taken")
    }
}
