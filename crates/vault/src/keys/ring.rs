//! The keyring: finds, makes and unwraps keys, and keeps a bounded number of them ready. It stores nothing itself.

use super::{GroupName, KeyError, KeyId, KeyIndex, KeyName, KeyProvider, KeyStores, Parent, WrappedKey, wrapping_aad};
use crate::aead::Cipher;
use crate::cache::Cache;
use crate::lane::lock;
use base::Random;
use policy::{Action, Owner, Permit};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

/// Unwrapped keys kept in memory, at most (about 1 KB each), in each of three caches.
const KEYS_IN_MEMORY_MAX: usize = 8192;

/// A key ready to seal frames: a group's, or that of a year's access entries. It never shows its bytes.
pub struct GroupKey {
    id: KeyId,
    name: KeyName,
    cipher: Cipher,
}

impl GroupKey {
    /// Its id, which stands in each frame sealed under it.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What it is for.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    pub(crate) const fn cipher(&self) -> &Cipher {
        &self.cipher
    }
}

impl std::fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The keys of an installation. A cheap handle.
///
/// Making a group's key takes a permit. This compiles:
///
/// ```
/// fn key(ring: &vault::Keyring, permit: &policy::Permit, name: &vault::GroupName) -> bool {
///     ring.group(permit, name).is_ok()
/// }
/// ```
///
/// and this does not:
///
/// ```compile_fail,E0061
/// fn key(ring: &vault::Keyring, name: &vault::GroupName) -> bool {
///     ring.group(name).is_ok()
/// }
/// ```
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    provider: Arc<dyn KeyProvider>,
    stores: KeyStores,
    index: Arc<dyn KeyIndex>,
    random: Arc<dyn Random>,
    state: Mutex<State>,
    /// Held while a key is made, so that one process makes each name once.
    making: Mutex<()>,
    /// Held while new keys go to the key stores, so that who comes second finds them durable.
    persisting: Mutex<()>,
    /// Why the roots could not be looked at again, where they could not.
    root_fault: Mutex<Option<String>>,
}

struct State {
    groups: Cache<GroupName, Arc<GroupKey>>,
    names: Cache<KeyName, Arc<GroupKey>>,
    ids: Cache<KeyId, Arc<GroupKey>>,
    pending: HashMap<KeyId, Pending>,
    pending_names: HashMap<KeyName, KeyId>,
    made: u64,
}

struct Pending {
    key: WrappedKey,
    order: u64,
    durable: bool,
}

impl Keyring {
    /// Opens the keys of an installation. Refuses a root key that its keys do not hang under.
    pub fn open(
        provider: Arc<dyn KeyProvider>,
        stores: KeyStores,
        index: Arc<dyn KeyIndex>,
        random: Arc<dyn Random>,
    ) -> Result<Self, KeyError> {
        let state = State {
            groups: Cache::new(KEYS_IN_MEMORY_MAX),
            names: Cache::new(KEYS_IN_MEMORY_MAX),
            ids: Cache::new(KEYS_IN_MEMORY_MAX),
            pending: HashMap::new(),
            pending_names: HashMap::new(),
            made: 0,
        };
        let (making, persisting, root_fault) = (Mutex::new(()), Mutex::new(()), Mutex::new(None));
        let state = Mutex::new(state);
        let ring = Self(Arc::new(Inner { provider, stores, index, random, state, making, persisting, root_fault }));
        for shard in 0..super::SHARDS {
            if ring.0.find(&KeyName::Shard(shard))?.is_some() {
                break;
            }
        }
        Ok(ring)
    }

    /// The key of a group, made when it is missing and the permit is one to write (deposit, issue or consent).
    /// A new key is *pending*: what is sealed under it may be acknowledged only after [`Keyring::persist_new`].
    pub fn group(&self, permit: &Permit, name: &GroupName) -> Result<Arc<GroupKey>, KeyError> {
        let action = permit.action();
        if !permit.reaches(name.owner, &name.institution) {
            return Err(KeyError::Refused { action: action.name() });
        }
        if let Some(key) = lock(&self.0.state).groups.get(name) {
            return Ok(key);
        }
        let full = KeyName::Group(name.clone());
        let key = match self.0.find(&full)? {
            Some(key) => key,
            None if matches!(action, Action::Deposit | Action::Issue | Action::ManageConsent) => {
                self.0.find_or_make(&full)?
            }
            None => return Err(KeyError::Refused { action: action.name() }),
        };
        lock(&self.0.state).groups.put(name.clone(), Arc::clone(&key));
        Ok(key)
    }

    /// The key under which access entries of a year are sealed, made when missing. It takes no permit, because denials
    /// are recorded too, and it only seals: opening an entry takes a permit like any frame. Pending as in [`Keyring::group`].
    pub fn access(&self, year: u16) -> Result<Arc<GroupKey>, KeyError> {
        self.0.find_or_make(&KeyName::Access { year })
    }

    /// The key under which rows of lasting tables that are about an owner are sealed, made when missing. It takes no permit and
    /// only seals, as in [`Keyring::access`]. Pending as in [`Keyring::group`].
    pub fn rows(&self, owner: Owner) -> Result<Arc<GroupKey>, KeyError> {
        self.0.find_or_make(&KeyName::Rows(owner))
    }

    /// A named random key of the installation, such as the seed of a log's signing key. Made when missing, and pending
    /// as in [`Keyring::group`]; a key that reached the key stores and not the index is taken up again.
    ///
    /// Two processes must not make one label at once: ask for new labels while the store is locked for opening.
    pub fn secret(&self, label: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let name = secret_name(label)?;
        let _making = lock(&self.0.making);
        if let Some(bytes) = self.0.made_secret(&name)? {
            return Ok(bytes);
        }
        let bytes = Zeroizing::new(self.0.random.bytes32());
        let key = self.0.under_root(KeyId::random(&*self.0.random), &name, &bytes)?;
        self.0.add_pending(key, false);
        Ok(bytes)
    }

    /// A named random key as [`Keyring::secret`] where it was made before, in the index or in the key stores alone; `None` where it
    /// never was.
    ///
    /// # Errors
    /// As [`Keyring::secret`].
    pub fn made_secret(&self, label: &str) -> Result<Option<Zeroizing<[u8; 32]>>, KeyError> {
        let name = secret_name(label)?;
        let _making = lock(&self.0.making);
        self.0.made_secret(&name)
    }

    /// A named random key as [`Keyring::secret`] where the index has it, and never made.
    ///
    /// # Errors
    /// [`KeyError::Unknown`] where the index does not have it; [`KeyError::OtherRoot`], [`KeyError::NotAuthentic`].
    pub fn known_secret(&self, label: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let known = self.0.index.by_name(&KeyName::Secret(label.to_owned()))?;
        self.0.unwrap(&known.ok_or_else(|| KeyError::Unknown { id: format!("of the secret {label}") })?)
    }

    /// Makes every pending key durable in the quorum of key stores, with one sync a store, and hands over all keys that
    /// the index does not have yet, parents first. Insert them (ignoring ids already there) in the same transaction as
    /// the rows that use them, then call [`NewKeys::inserted`]; without that they are handed over again.
    ///
    /// After an `Err` nothing that uses a new key may be acknowledged; the keys stay pending.
    pub fn persist_new(&self) -> Result<NewKeys, KeyError> {
        if lock(&self.0.state).pending.is_empty() {
            return Ok(NewKeys { ring: self.clone(), keys: Vec::new() });
        }
        let _persisting = lock(&self.0.persisting);
        let mut all: Vec<_> =
            lock(&self.0.state).pending.values().map(|key| (key.order, key.durable, key.key.clone())).collect();
        all.sort_unstable_by_key(|(order, ..)| *order);
        for (_, durable, key) in all.iter_mut().filter(|(_, durable, _)| !durable) {
            if let Some(renewed) = self.0.renewed(key)? {
                if let Some(pending) = lock(&self.0.state).pending.get_mut(&key.id) {
                    pending.key = renewed.clone();
                }
                *key = renewed;
            }
            debug_assert!(!*durable);
        }
        let new: Vec<_> = all.iter().filter(|(_, durable, _)| !durable).map(|(.., key)| key.clone()).collect();
        if !new.is_empty() {
            self.0.stores.append(&new)?;
            let mut state = lock(&self.0.state);
            for key in &new {
                if let Some(pending) = state.pending.get_mut(&key.id) {
                    pending.durable = true;
                }
            }
        }
        Ok(NewKeys { ring: self.clone(), keys: all.into_iter().map(|(.., key)| key).collect() })
    }

    /// The key stores behind it.
    #[must_use]
    pub fn stores(&self) -> &KeyStores {
        &self.0.stores
    }

    /// The id of the root under which new keys hang.
    #[must_use]
    pub fn root(&self) -> String {
        self.0.provider.id()
    }

    /// Drops every key that is ready in memory, because some were destroyed or rotated: what is needed is found again, or not
    /// any more. Keys that are being made stay.
    pub fn forget(&self) {
        let mut state = lock(&self.0.state);
        state.groups = Cache::new(KEYS_IN_MEMORY_MAX);
        state.names = Cache::new(KEYS_IN_MEMORY_MAX);
        state.ids = Cache::new(KEYS_IN_MEMORY_MAX);
        drop(state);
        // Said by whoever finds it first, and by whoever asks how things are.
        let _ = self.0.refresh();
    }

    /// Why the root keys could not be looked at again when that was tried last: what hangs under a root that came since opens no
    /// more.
    #[must_use]
    pub fn root_fault(&self) -> Option<String> {
        lock(&self.0.root_fault).clone()
    }

    /// Drops the keys that were not used since the call before the last one: whoever calls it every few minutes bounds how
    /// long a key that nobody uses stays in memory.
    pub fn age(&self) {
        let mut state = lock(&self.0.state);
        state.groups.age();
        state.names.age();
        state.ids.age();
    }

    /// Drops keys that were made, are not in the index yet, and can never come into it because the key they hang under was
    /// rotated away meanwhile, with all that hangs under them. What was sealed under them was not acknowledged. `is_stale` is told
    /// whether what a key hangs under is one of them as well.
    pub fn drop_pending(&self, is_stale: impl Fn(&WrappedKey, bool) -> bool) {
        let mut state = lock(&self.0.state);
        loop {
            let hangs_under_one = |key: &WrappedKey| match &key.parent {
                Parent::Key(id) => state.pending.contains_key(id),
                Parent::Root(_) => false,
            };
            let keys = state.pending.values().map(|pending| &pending.key);
            let stale: Vec<(KeyId, KeyName)> =
                keys.filter(|key| is_stale(key, hangs_under_one(key))).map(|key| (key.id, key.name.clone())).collect();
            if stale.is_empty() {
                break;
            }
            // Those under them are stale in the next round.
            for (id, name) in stale {
                state.pending.remove(&id);
                state.pending_names.remove(&name);
            }
        }
        drop(state);
        self.forget();
    }

    /// A new key for a shard, beside the one that it is to replace. The caller makes it durable and inserts it. Takes a permit
    /// to repair.
    ///
    /// # Errors
    /// [`KeyError::Refused`], and what the provider of the root says.
    pub fn new_shard(&self, permit: &Permit, number: u8) -> Result<(WrappedKey, Arc<GroupKey>), KeyError> {
        check_repair(permit)?;
        let (id, name, bytes) =
            (KeyId::random(&*self.0.random), KeyName::Shard(number), Zeroizing::new(self.0.random.bytes32()));
        let key = self.0.under_root(id, &name, &bytes)?;
        Ok((key, Arc::new(GroupKey { id, name, cipher: Cipher::new(&bytes) })))
    }

    /// The shard key that new owners hang under, as the index says now: one that is ready in memory may be rotated away.
    ///
    /// # Errors
    /// [`KeyError::Unknown`] where there is none; what the index says.
    pub fn shard(&self, permit: &Permit, number: u8) -> Result<Arc<GroupKey>, KeyError> {
        check_repair(permit)?;
        let name = KeyName::Shard(number);
        let known =
            self.0.index.by_name(&name)?.ok_or_else(|| KeyError::Unknown { id: format!("of shard {number}") })?;
        self.0.ready(&known)
    }

    /// The same key under another parent of the same name as its own. Takes a permit to repair; nothing of the key is shown.
    ///
    /// # Errors
    /// [`KeyError::NotAuthentic`], [`KeyError::Refused`], [`KeyError::Unknown`].
    pub fn rewrap(&self, permit: &Permit, key: &WrappedKey, under: &GroupKey) -> Result<WrappedKey, KeyError> {
        check_repair(permit)?;
        if parent_name(&key.name).as_ref() != Some(&under.name) {
            return Err(KeyError::NotAuthentic { id: key.id.to_string() });
        }
        let bytes = self.0.unwrap(key)?;
        Ok(self.0.under(under, key.id, &key.name, &bytes))
    }

    /// The same key under the provider's current root. Takes a permit to repair.
    ///
    /// # Errors
    /// As [`Keyring::rewrap`], and what the provider says.
    pub fn rewrap_under_root(&self, permit: &Permit, key: &WrappedKey) -> Result<WrappedKey, KeyError> {
        check_repair(permit)?;
        if parent_name(&key.name).is_some() {
            return Err(KeyError::NotAuthentic { id: key.id.to_string() });
        }
        let bytes = self.0.unwrap(key)?;
        self.0.under_root(key.id, &key.name, &bytes)
    }

    /// The key that a frame names, whoever it belongs to: only [`mod@crate::seal`] may ask, and it checks the permit.
    pub(crate) fn by_id(&self, id: KeyId) -> Result<Arc<GroupKey>, KeyError> {
        self.0.by_id(id)
    }
}

/// Keys that are durable in the key stores and not yet in the index.
#[must_use = "insert the keys into the index and say so, or what was sealed under them cannot be found"]
pub struct NewKeys {
    ring: Keyring,
    keys: Vec<WrappedKey>,
}

impl NewKeys {
    /// The keys, parents first.
    #[must_use]
    pub fn keys(&self) -> &[WrappedKey] {
        &self.keys
    }

    /// The index has them durably: they are pending no more.
    pub fn inserted(self) {
        let mut state = lock(&self.ring.0.state);
        for key in &self.keys {
            if let Some(pending) = state.pending.remove(&key.id) {
                state.pending_names.remove(&pending.key.name);
            }
        }
    }
}

impl Inner {
    /// The caller holds `making`.
    fn made_secret(&self, name: &KeyName) -> Result<Option<Zeroizing<[u8; 32]>>, KeyError> {
        let known = match self.pending_by_name(name) {
            Some(key) => Some(key),
            None => self.index.by_name(name)?,
        };
        if let Some(key) = known {
            return self.unwrap(&key).map(Some);
        }
        let Some(key) = self.stores.load_index()?.by_name(name)? else { return Ok(None) };
        let bytes = self.unwrap(&key)?;
        self.add_pending(key, true);
        Ok(Some(bytes))
    }

    fn find_or_make(&self, name: &KeyName) -> Result<Arc<GroupKey>, KeyError> {
        match self.find(name)? {
            Some(key) => Ok(key),
            None => {
                let _making = lock(&self.making);
                self.make(name)
            }
        }
    }

    /// Makes a key and its missing parents. The caller holds `making`.
    fn make(&self, name: &KeyName) -> Result<Arc<GroupKey>, KeyError> {
        if let Some(key) = self.find(name)? {
            return Ok(key);
        }
        let bytes = Zeroizing::new(self.random.bytes32());
        let id = KeyId::random(&*self.random);
        let key = match parent_name(name) {
            Some(above) => self.under(&*self.make(&above)?, id, name, &bytes),
            None => self.under_root(id, name, &bytes)?,
        };
        self.add_pending(key, false);
        Ok(self.remember_name(self.remember(id, name, &bytes)))
    }

    fn find(&self, name: &KeyName) -> Result<Option<Arc<GroupKey>>, KeyError> {
        if let Some(key) = lock(&self.state).names.get(name) {
            return Ok(Some(key));
        }
        let known = match self.pending_by_name(name) {
            Some(key) => Some(key),
            None => self.index.by_name(name)?,
        };
        known.map(|key| self.ready(&key).map(|key| self.remember_name(key))).transpose()
    }

    fn by_id(&self, id: KeyId) -> Result<Arc<GroupKey>, KeyError> {
        if let Some(key) = lock(&self.state).ids.get(&id) {
            return Ok(key);
        }
        let pending = lock(&self.state).pending.get(&id).map(|pending| pending.key.clone());
        let known = match pending {
            Some(key) => Some(key),
            None => self.index.by_id(id)?,
        };
        self.ready(&known.ok_or_else(|| KeyError::Unknown { id: id.to_string() })?)
    }

    fn ready(&self, key: &WrappedKey) -> Result<Arc<GroupKey>, KeyError> {
        let bytes = self.unwrap(key)?;
        Ok(self.remember(key.id, &key.name, &bytes))
    }

    fn remember(&self, id: KeyId, name: &KeyName, bytes: &[u8; 32]) -> Arc<GroupKey> {
        let key = Arc::new(GroupKey { id, name: name.clone(), cipher: Cipher::new(bytes) });
        lock(&self.state).ids.put(id, Arc::clone(&key));
        key
    }

    /// Only what was asked for by name is the one of its name: two keys may have one, of which one is rotated away. Groups have
    /// a cache of their own, by a name that needs no copy to ask.
    fn remember_name(&self, key: Arc<GroupKey>) -> Arc<GroupKey> {
        if !matches!(key.name, KeyName::Group(_)) {
            lock(&self.state).names.put(key.name.clone(), Arc::clone(&key));
        }
        key
    }

    /// Opens a key. A rotation may take its parent away between the look at the index that found the key and the one for the
    /// parent: then the key hangs under another by now, and is looked up once more.
    fn unwrap(&self, key: &WrappedKey) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let missing = match self.unwrap_as_it_is(key) {
            Err(missing @ (KeyError::Unknown { .. } | KeyError::OtherRoot { .. })) => missing,
            opened => return opened,
        };
        match self.index.by_id(key.id)? {
            Some(now) if now.name == key.name && now.parent != key.parent => self.unwrap_as_it_is(&now),
            _ => Err(missing),
        }
    }

    /// A key hangs where its name says, or it is refused: so no chain of parents is longer than three.
    fn unwrap_as_it_is(&self, key: &WrappedKey) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let refuse = || KeyError::NotAuthentic { id: key.id.to_string() };
        let aad = wrapping_aad(key.id, &key.parent, &key.name);
        match (&key.parent, parent_name(&key.name)) {
            (Parent::Root(root), None) if !self.has_root(root)? => {
                Err(KeyError::OtherRoot { needed: root.clone(), given: self.provider.id() })
            }
            (Parent::Root(root), None) => self.provider.unwrap(root, &key.wrapped, &aad).map_err(|error| match error {
                KeyError::NotAuthentic { .. } => refuse(),
                other => other,
            }),
            (Parent::Key(id), Some(expected)) => {
                let above = self.parent(*id, &expected)?.ok_or_else(refuse)?;
                above.cipher.unwrap(&key.wrapped, &aad).map_err(|_| refuse())
            }
            _ => Err(refuse()),
        }
    }

    /// Whether the provider has a root, now or when it has looked again.
    fn has_root(&self, root: &str) -> Result<bool, KeyError> {
        if !self.provider.holds(root) {
            self.refresh()?;
        }
        Ok(self.provider.holds(root))
    }

    /// Looks at the roots again, and remembers what came of it.
    fn refresh(&self) -> Result<(), KeyError> {
        let refreshed = self.provider.refresh();
        let fault = refreshed.as_ref().err().map(ToString::to_string);
        let mut known = lock(&self.root_fault);
        if let Some(error) = fault.as_ref().filter(|fault| known.as_ref() != Some(fault)) {
            tracing::error!(%error, "the root keys cannot be looked at again");
        }
        *known = fault;
        refreshed
    }

    fn under(&self, above: &GroupKey, id: KeyId, name: &KeyName, bytes: &[u8; 32]) -> WrappedKey {
        let parent = Parent::Key(above.id);
        let wrapped = above.cipher.wrap(bytes, &wrapping_aad(id, &parent, name), &*self.random).to_vec();
        WrappedKey { id, parent, name: name.clone(), wrapped }
    }

    /// Wraps a key under the current root, and under none where a newer one is known that cannot be opened.
    fn under_root(&self, id: KeyId, name: &KeyName, bytes: &[u8; 32]) -> Result<WrappedKey, KeyError> {
        if lock(&self.root_fault).is_some() {
            self.refresh()?;
        }
        let root = self.provider.id();
        let parent = Parent::Root(root.clone());
        let wrapped = self.provider.wrap(&root, bytes, &wrapping_aad(id, &parent, name))?;
        Ok(WrappedKey { id, parent, name: name.clone(), wrapped })
    }

    /// A pending key whose parent is being rotated away is hung under the one that takes its place.
    fn renewed(&self, key: &WrappedKey) -> Result<Option<WrappedKey>, KeyError> {
        match (&key.parent, parent_name(&key.name)) {
            (Parent::Key(id), Some(above)) if matches!(above, KeyName::Shard(_)) => match self.find(&above)? {
                Some(current) if current.id != *id => {
                    Ok(Some(self.under(&current, key.id, &key.name, &*self.unwrap(key)?)))
                }
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// The parent with this id if it has the expected name. The name is looked at before anything is unwrapped, so that
    /// a ring of keys that name each other as parents ends here.
    fn parent(&self, id: KeyId, expected: &KeyName) -> Result<Option<Arc<GroupKey>>, KeyError> {
        if let Some(key) = lock(&self.state).ids.get(&id) {
            return Ok((key.name == *expected).then_some(key));
        }
        let pending = lock(&self.state).pending.get(&id).map(|pending| pending.key.clone());
        let known = match pending {
            Some(key) => Some(key),
            None => self.index.by_id(id)?,
        };
        let known = known.ok_or_else(|| KeyError::Unknown { id: id.to_string() })?;
        if known.name != *expected { Ok(None) } else { self.ready(&known).map(Some) }
    }

    fn pending_by_name(&self, name: &KeyName) -> Option<WrappedKey> {
        let state = lock(&self.state);
        let id = state.pending_names.get(name)?;
        state.pending.get(id).map(|pending| pending.key.clone())
    }

    fn add_pending(&self, key: WrappedKey, durable: bool) {
        let mut state = lock(&self.state);
        state.made += 1;
        let order = state.made;
        state.pending_names.insert(key.name.clone(), key.id);
        state.pending.insert(key.id, Pending { key, order, durable });
    }
}

pub(super) fn check_repair(permit: &Permit) -> Result<(), KeyError> {
    match permit.action() {
        Action::Repair => Ok(()),
        other => Err(KeyError::Refused { action: other.name() }),
    }
}

fn secret_name(label: &str) -> Result<KeyName, KeyError> {
    if super::is_slug(label) {
        Ok(KeyName::Secret(label.to_owned()))
    } else {
        Err(KeyError::BadLabel { name: label.to_owned() })
    }
}

/// What a key hangs under; `None` for the root.
fn parent_name(name: &KeyName) -> Option<KeyName> {
    match name {
        KeyName::Shard(_) | KeyName::Access { .. } | KeyName::Secret(_) => None,
        KeyName::Owner(owner) => Some(KeyName::shard_of(*owner)),
        KeyName::Group(group) => Some(KeyName::Owner(group.owner)),
        KeyName::Rows(owner) => Some(KeyName::Owner(*owner)),
    }
}
