//! The handle: configuration, time and keys in one place, and the way in. Sessions are in `sessions`, codes in `second_factor`.

use crate::bulk::AgencyCiLookup;
use crate::claims::{Person, Profile};
use crate::client::{Client, family};
use crate::config::IdentityConfig;
use crate::error::{Ending, us};
use crate::http::Http;
use crate::keys::{DayKeys, LIVES_US};
use crate::oidc::Agency;
use crate::passkey::Ceremonies;
use crate::pending::{self, Pending, SIGN_IN_S};
use crate::session::{Lifetimes, SESSIONS_PER_ACCOUNT_MAX, Session, SessionToken};
use crate::tables::{self, AccountRow, CounterNames, SessionRow};
use crate::throttle::{self, Counters, MINUTE_US, SECOND_US};
use crate::{IdentityError, sealed, token_text};
use base::{Clock, Id16, Random, Redacted, hmac_sha256, source_bytes};
use policy::{Action, Permit};
use rusqlite::Transaction;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use store::{Store, Tables};
use zeroize::Zeroizing;

/// The room whose secret of the store seals what is kept here.
const SECRET: &str = "identity";
/// A machine whose clock is further behind the newest time seen cannot judge statements and codes.
const BEHIND_MAX_US: i64 = 120 * SECOND_US;
/// Tried sign-ins are remembered for longer than a sign-in may take.
const SIGN_IN_KEPT_US: i64 = 6 * SIGN_IN_S * SECOND_US;

/// Sign-in, sessions and second factors of one installation. Cheap to clone; every call blocks.
#[derive(Clone)]
pub struct Identity {
    pub(crate) inner: Arc<Inner>,
}

/// What a browser needs to go to the agency.
#[derive(Debug, Clone)]
pub struct Begin {
    /// Where to send the browser.
    pub redirect_url: Redacted<String>,
    /// The value of the cookie [`crate::SIGN_IN_COOKIE`].
    pub cookie: Redacted<String>,
}

/// A finished sign-in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// For the cookie [`crate::SESSION_COOKIE`].
    pub token: SessionToken,
    /// The session it stands for, of one factor.
    pub session: Session,
    /// The path that [`Identity::begin`] was given.
    pub return_to: String,
    /// A new value of the cookie [`crate::DEVICE_COOKIE`], where the browser sent none.
    pub device: Option<Redacted<String>>,
}

pub(crate) struct Inner {
    pub store: Store,
    tables: Tables,
    agency: Agency,
    pub ceremonies: Ceremonies,
    pub day_keys: DayKeys,
    http: Arc<Http>,
    pub config: IdentityConfig,
    pub lifetimes: Lifetimes,
    pub secret: Zeroizing<[u8; 32]>,
    clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    newest_us: AtomicI64,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl Identity {
    /// Opens identity over a store. The agency is asked nothing yet, so that a program starts while its agency is away.
    ///
    /// # Errors
    /// [`IdentityError::Config`], [`IdentityError::StandInAgency`], [`IdentityError::InsecureAddress`], [`IdentityError::Store`].
    pub fn new(
        store: Store,
        config: IdentityConfig,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, IdentityError> {
        config.check()?;
        let http = Arc::new(Http::start(&config)?);
        let agency = Agency::new(&config, Arc::clone(&http))?;
        let ceremonies = Ceremonies::of(&config)?;
        let secret = store.secret(SECRET)?;
        let tables = store.tables();
        let lifetimes = Lifetimes {
            idle_us: i64::from(config.idle_s) * SECOND_US,
            absolute_us: i64::from(config.absolute_s) * SECOND_US,
        };
        let now_us = us(clock.now());
        let newest_us = tables.read("identity-open", move |connection| tables::newest_us(connection, now_us))?;
        let newest_us = AtomicI64::new(newest_us);
        let day_keys = DayKeys::default();
        let inner = Inner {
            store,
            tables,
            agency,
            ceremonies,
            day_keys,
            http,
            config,
            lifetimes,
            secret,
            clock,
            random,
            newest_us,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Begins a sign-in. `locale` is `ko` or `en`; `return_to` a path of this site to go to afterwards.
    ///
    /// # Errors
    /// [`IdentityError::AgencyUnreachable`], [`IdentityError::AgencyAnswer`], [`IdentityError::StandInAgency`].
    pub fn begin(&self, locale: &str, return_to: &str) -> Result<Begin, IdentityError> {
        let inner = &*self.inner;
        let now_us = inner.newest()?;
        inner.check_clock(now_us)?;
        let pending = Pending::new(return_to, now_us, &*inner.random);
        let address = inner.agency.address(&pending, locale, now_us)?;
        let cookie = inner.seal_cookie(pending::LABEL, &pending.to_bytes(), now_us)?;
        Ok(Begin { redirect_url: Redacted::new(address), cookie: Redacted::new(cookie) })
    }

    /// Finishes a sign-in: `cookie` is the value of [`crate::SIGN_IN_COOKIE`], `code` and `state` came with the redirect,
    /// `client` is the browser: its address, where nothing else is known. Each sign-in is good for one call. The portal throws the cookie away either way,
    /// and signs out the session the browser had before.
    ///
    /// Nothing here can be guessed: cookie, state and code are random and fit together once. So nobody waits for the failures of
    /// others who come from the same address.
    ///
    /// # Errors
    /// [`IdentityError::SignInForged`], [`IdentityError::SignInExpired`], [`IdentityError::SignInUsed`],
    /// [`IdentityError::CodeRefused`], [`IdentityError::Statement`], [`IdentityError::Claim`],
    /// [`IdentityError::AgencyUnreachable`], [`IdentityError::AgencyAnswer`], [`IdentityError::ClockBehind`],
    /// [`IdentityError::Store`].
    pub fn finish(
        &self,
        cookie: &str,
        code: &str,
        state: &str,
        client: impl Into<Client>,
    ) -> Result<SignedIn, IdentityError> {
        let inner = &*self.inner;
        let client = client.into();
        let now_us = inner.newest()?;
        inner.check_clock(now_us)?;
        let plain = inner.open_cookie(pending::LABEL, cookie, now_us).ok_or(IdentityError::SignInForged)?;
        let pending = Pending::from_bytes(&plain, state, now_us)?;
        let (state_hash, absolute_us) = (pending.state_hash(), inner.lifetimes.absolute_us);
        // Before the code is shown to anybody: whatever happens next, this sign-in has been tried.
        inner.write("identity-use-sign-in", move |transaction, now_us| {
            tables::purge(transaction, now_us, absolute_us, SIGN_IN_KEPT_US)?;
            tables::keys::purge(transaction, now_us - LIVES_US, now_us)?;
            let first = tables::use_sign_in(transaction, state_hash, now_us)?;
            Ok(if first { Ok(()) } else { Err(IdentityError::SignInUsed) })
        })?;
        let Person { ci, profile } = inner.agency.person(&pending, code, now_us)?;
        let account = inner.store.person_for_ci(&inner.store.ci_hash(&ci))?;
        let (token, device) = self.open_session(account, &profile, &client)?;
        let session = self.session(token.cookie_value())?;
        Ok(SignedIn { token, session, return_to: pending.return_to, device })
    }

    fn open_session(
        &self,
        account: Id16,
        profile: &Profile,
        client: &Client,
    ) -> Result<(SessionToken, Option<Redacted<String>>), IdentityError> {
        let inner = Arc::clone(&self.inner);
        let row = AccountRow { account, profile: inner.seal("profile", account, &profile.to_bytes()) };
        let (token, device, mut session) = inner.new_session(account, 1, client);
        self.inner.write("identity-open-session", move |transaction, now_us| {
            (session.began_us, session.seen_us) = (now_us, now_us);
            tables::put_account(transaction, &row, now_us)?;
            inner.add_session(transaction, &session, now_us).map(Ok)
        })?;
        Ok((token, device))
    }

    /// The agency's bulk interface, for deposits.
    #[must_use]
    pub fn ci_lookup(&self) -> AgencyCiLookup {
        AgencyCiLookup::over(Arc::clone(&self.inner.http), &self.inner.config)
    }

    /// Whether the agency can be used now: for readiness.
    ///
    /// # Errors
    /// As [`Identity::begin`].
    pub fn agency_ready(&self) -> Result<(), IdentityError> {
        self.inner.agency.ready(self.inner.newest()?)
    }

    /// What the agency said of a person when they last signed in; nothing where they never did. Whoever shows it asks the door
    /// before.
    ///
    /// # Errors
    /// [`IdentityError::Damaged`], [`IdentityError::Store`].
    pub fn profile(&self, account: Id16) -> Result<Option<Profile>, IdentityError> {
        let inner = &*self.inner;
        let found = inner.read("identity-profile", |connection, _| tables::account(connection, account))?;
        let read = |row: AccountRow| Profile::from_bytes(&inner.open("profile", account, &row.profile)?).ok();
        let damaged = IdentityError::Damaged { what: "the profile" };
        found.map(|row| read(row).ok_or(damaged)).transpose()
    }

    /// Seconds by which this machine's clock is behind the newest time seen here; 0 when it is not.
    #[must_use]
    pub fn clock_behind_s(&self) -> u64 {
        let behind_us = self.inner.known_us() - us(self.inner.clock.now());
        u64::try_from(behind_us / SECOND_US).unwrap_or(0)
    }
}

impl Inner {
    /// A session that is still to be added, its token, and what its device is to be known by where it is not yet.
    pub fn new_session(
        &self,
        account: Id16,
        assurance: i64,
        client: &Client,
    ) -> (SessionToken, Option<Redacted<String>>, SessionRow) {
        let token = SessionToken::new(&*self.random);
        let new_device = client.known_device().is_none().then(|| token_text(&*self.random));
        let device = client.known_device().or(new_device.as_deref()).unwrap_or_default();
        let row = SessionRow {
            token: token.hash(),
            id: Id16::random(&*self.random),
            account,
            assurance,
            source: self.seal("source", account, client.source.as_bytes()),
            failures: 0,
            began_us: 0,
            seen_us: 0,
            ended: None,
            factor_us: 0,
            device: self.counter_name(&[b"device", &account.0, device.as_bytes()]),
            family: self.seal("family", account, family(&client.agent).as_bytes()),
        };
        (token, new_device.map(Redacted::new), row)
    }

    /// Adds a session. Where its account has too many, those make room that gave one factor only, then those of unknown devices,
    /// then the oldest: who has one factor of somebody else does not get them out.
    pub fn add_session(
        &self,
        transaction: &Transaction<'_>,
        session: &SessionRow,
        now_us: i64,
    ) -> rusqlite::Result<()> {
        let mut others = Vec::new();
        for row in tables::sessions_of(transaction, session.account)? {
            let is_known = tables::devices::get(transaction, row.account, &row.device)?.is_some();
            others.push((row.assurance, is_known, row.token));
        }
        // Newest first among equals, as they come: the stable sort leaves the oldest at the end of each kind.
        others.sort_by_key(|(assurance, is_known, ..)| std::cmp::Reverse((*assurance, *is_known)));
        for (.., token) in others.iter().skip(SESSIONS_PER_ACCOUNT_MAX - 1) {
            tables::end_session(transaction, *token, Ending::Revoked, now_us)?;
        }
        tables::add_session(transaction, session)
    }

    /// The newest time this process knows.
    pub fn known_us(&self) -> i64 {
        let now_us = us(self.clock.now());
        self.newest_us.fetch_max(now_us, Ordering::SeqCst).max(now_us)
    }

    /// The newest time any process of this installation stored, or the present.
    pub fn newest(&self) -> Result<i64, IdentityError> {
        self.read("identity-clock", |_, now_us| Ok(now_us))
    }

    pub fn check_clock(&self, newest_us: i64) -> Result<(), IdentityError> {
        let behind_us = newest_us - us(self.clock.now());
        if behind_us <= BEHIND_MAX_US {
            return Ok(());
        }
        Err(IdentityError::ClockBehind { behind_s: u64::try_from(behind_us / SECOND_US).unwrap_or(0) })
    }

    /// A named read that is given the newest time.
    pub fn read<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&rusqlite::Connection, i64) -> rusqlite::Result<T>,
    ) -> Result<T, IdentityError> {
        let known_us = self.known_us();
        let (newest_us, result) = self.tables.read(name, move |connection| {
            let newest_us = tables::newest_us(connection, known_us)?;
            Ok((newest_us, read(connection, newest_us)?))
        })?;
        self.newest_us.fetch_max(newest_us, Ordering::SeqCst);
        Ok(result)
    }

    /// A named write that is given the newest time, and stores it. What is wrong in our sense (the inner error) is an
    /// outcome like another: what was written stays.
    pub fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        write: impl FnOnce(&Transaction<'_>, i64) -> rusqlite::Result<Result<T, IdentityError>> + Send + 'static,
    ) -> Result<T, IdentityError> {
        self.write_by(None, name, write)
    }

    /// As [`Inner::write`], by whoever has a permit for an action: what is written in a role ends with it, and so does what still
    /// waits for its turn.
    pub fn write_by<T: Send + 'static>(
        &self,
        by: Option<(&Permit, Action)>,
        name: &'static str,
        write: impl FnOnce(&Transaction<'_>, i64) -> rusqlite::Result<Result<T, IdentityError>> + Send + 'static,
    ) -> Result<T, IdentityError> {
        let known_us = self.known_us();
        let (newest_us, result) = self.tables.write_by(by, name, move |transaction| {
            let newest_us = tables::raise_newest(transaction, known_us)?;
            Ok((newest_us, write(transaction, newest_us)?))
        })?;
        self.newest_us.fetch_max(newest_us, Ordering::SeqCst);
        result
    }

    pub fn seal(&self, label: &str, account: Id16, plain: &[u8]) -> Vec<u8> {
        sealed::seal(&self.secret, label, &account.0, plain, &*self.random)
    }

    pub fn open(&self, label: &str, account: Id16, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        sealed::open(&self.secret, label, &account.0, bytes).map(Zeroizing::new)
    }

    /// Under what an attempt in a session is counted, at `source`.
    pub fn counter_names(
        &self,
        connection: &rusqlite::Connection,
        session: &SessionRow,
        source: &str,
        now_us: i64,
    ) -> rusqlite::Result<CounterNames> {
        let (account, place) = (session.account, source_bytes(source));
        let device = tables::devices::get(connection, account, &session.device)?.is_some();
        let knows = device || tables::devices::knows_source(connection, account, &self.source_hash(account, source))?;
        let pair: [&[u8]; 3] =
            if device { [b"device-pair", &account.0, &session.device] } else { [b"pair", &account.0, &place] };
        let minute = now_us.div_euclid(MINUTE_US).to_be_bytes();
        Ok(CounterNames {
            pair: self.counter_name(&pair),
            source: self.counter_name(&[b"source", &place]),
            account: self.counter_name(&[b"account", &account.0]),
            global: self.counter_name(&[b"global", &minute]),
            known: knows,
        })
    }

    /// Under what a counter is kept: neither addresses nor accounts can be read from it.
    pub fn counter_name(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.derived("throttle", parts)
    }

    /// What belongs to these parts and nobody computes without the secret. What is derived under another label has nothing to do with
    /// it.
    pub fn derived(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut writer = base::wire::Writer::new();
        writer.text(label);
        for part in parts {
            writer.bytes(part);
        }
        hmac_sha256(&*self.secret, writer.as_slice())
    }
}

/// Refuses an attempt that comes too soon.
pub(crate) fn throttled(counters: &Counters, now_us: i64) -> Result<(), IdentityError> {
    match throttle::wait_us(counters, now_us) {
        0 => Ok(()),
        wait_us => Err(IdentityError::Throttled { wait_s: u64::try_from(wait_us).unwrap_or(0).div_ceil(1_000_000) }),
    }
}
