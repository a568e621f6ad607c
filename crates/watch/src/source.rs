//! Facts for the rules, from the store and the tables of this crate.

use crate::facts::{Device, Facts, Overdue, Shifts, Source};
use crate::params::Params;
use crate::rule::Rule;
use crate::rules::reason_of;
use crate::tables;
use base::{Id16, KOREA, Timestamp};
use policy::{Editions, InstitutionCode, Permit};
use rusqlite::Connection;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use store::{AccessEntry, AccessResult, StatedReason, Store, StoreError, WATCHED_MAX};
use zeroize::Zeroizing;

/// The assurance of who gave two factors, as entries write it.
const TWO_FACTORS: u8 = 2;

/// Facts about the entries of one batch. What the batch itself changes is known to its later entries.
pub(crate) struct Batch<'a> {
    pub store: &'a Store,
    pub permit: &'a Permit,
    pub editions: &'a Editions<Params>,
    pub secret: &'a Zeroizing<[u8; 32]>,
    /// When accounts of staff were used within this batch.
    pub used: HashMap<Id16, Timestamp>,
    /// The reasons that accounts gave for grounds.
    stated: HashMap<(Id16, Id16), Option<StatedReason>>,
    /// Devices that accounts of staff used within this batch, and when first.
    pub devices: HashMap<(Id16, [u8; 16]), Timestamp>,
}

impl<'a> Batch<'a> {
    pub fn new(
        store: &'a Store,
        permit: &'a Permit,
        editions: &'a Editions<Params>,
        secret: &'a Zeroizing<[u8; 32]>,
    ) -> Self {
        Self { store, permit, editions, secret, used: HashMap::new(), stated: HashMap::new(), devices: HashMap::new() }
    }

    pub fn is_staff(&self, entry: &AccessEntry) -> bool {
        !self.editions.at(entry.time).not_staff.contains(&entry.actor.role)
    }

    /// Remembers what later entries are to know of this one. Of a refused one nothing: it may be somebody's who only names the account.
    pub fn remember(&mut self, entry: &AccessEntry) {
        if !self.is_staff(entry) || entry.result != AccessResult::Granted {
            return;
        }
        let account = entry.actor.account;
        let last = self.used.entry(account).or_insert(entry.time);
        *last = (*last).max(entry.time);
        if entry.actor.assurance < TWO_FACTORS {
            return;
        }
        if let Some(device) = device(self.secret, account, entry.actor.source.expose()) {
            self.devices.entry((account, device)).or_insert(entry.time);
        }
    }

    fn device(&self, connection: &Connection, entry: &AccessEntry) -> rusqlite::Result<Device> {
        let account = entry.actor.account;
        let Some(device) = device(self.secret, account, entry.actor.source.expose()) else {
            return Ok(Device::Unknown);
        };
        let (any, this) = tables::devices(connection, account, device)?;
        let any = any || self.devices.keys().any(|(who, _)| *who == account);
        let this = this || self.devices.contains_key(&(account, device));
        Ok(match (any, this) {
            (false, _) => Device::Unknown,
            (true, true) => Device::Known,
            (true, false) => Device::New,
        })
    }

    /// The reason that a member of staff gave for what an entry points to.
    fn stated(&mut self, entry: &AccessEntry) -> Result<Option<StatedReason>, StoreError> {
        let Some(ground) = entry.ground.filter(|_| entry.result == AccessResult::Granted) else { return Ok(None) };
        let key = (entry.actor.account, ground);
        if let Some(stated) = self.stated.get(&key) {
            return Ok(stated.clone());
        }
        let params = &self.editions.at(entry.time).reason;
        let stated = self.store.stated_reason(self.permit, key.0, ground, (params.days, params.people))?;
        self.stated.insert(key, stated.clone());
        Ok(stated)
    }

    /// Where an account works: as its rights say, else as was said here.
    fn places(&self, account: Id16, said: Option<InstitutionCode>) -> Result<BTreeSet<InstitutionCode>, StoreError> {
        let places = self.store.institutions_of_account(self.permit, account)?;
        Ok(if places.is_empty() { said.into_iter().collect() } else { places })
    }

    fn facts_of_staff(&self, entry: &AccessEntry, person: Id16, facts: Facts) -> Result<Facts, StoreError> {
        let account = entry.actor.account;
        let tables = self.store.tables();
        let (staff, others) = tables.read("who staff are", |connection| {
            Ok((tables::staff(connection, account)?, tables::accounts_of(connection, person)?))
        })?;
        let mut places = self.places(account, staff.institution)?;
        let mut is_colleague = false;
        for (other, said) in others.into_iter().filter(|(other, _)| *other != account) {
            is_colleague |= !self.places(other, said)?.is_disjoint(&places);
        }
        // Whoever works at several is at work for the one whose record it is.
        if let Some(here) = entry.institution.as_ref().filter(|here| places.contains(*here)) {
            places = BTreeSet::from([here.clone()]);
        }
        let weekday = entry.time.to_zoned(KOREA).weekday();
        let is_household = match staff.person {
            Some(own) => self.store.live_together(self.permit, own, person)?,
            None => false,
        };
        let (hours, last_used, device) = tables.read("facts about staff", |connection| {
            let shifts = places.iter().map(|code| tables::shifts(connection, code, weekday));
            let shifts: Option<Vec<Shifts>> = shifts.collect::<rusqlite::Result<_>>()?;
            let last_used = match self.used.get(&account) {
                Some(time) => Some(*time),
                None => tables::last_used(connection, account)?,
            };
            let is_anew = match last_used {
                Some(last) => tables::signed_in_anew(connection, account, last, entry.time)?,
                None => false,
            };
            let device = if is_anew { Device::SignedIn } else { self.device(connection, entry)? };
            Ok((shifts.unwrap_or_default(), last_used, device))
        })?;
        let works_at = places.pop_first();
        let is_own = staff.person == Some(person);
        Ok(Facts { is_own, works_at, is_household, is_colleague, hours, last_used, device, ..facts })
    }
}

impl Source for Batch<'_> {
    type Error = StoreError;

    fn facts(&mut self, entry: &AccessEntry) -> Result<Facts, StoreError> {
        let linked = self.store.person_of_patient(self.permit, entry.subject)?;
        let person = linked.unwrap_or(entry.subject);
        let died = self.store.died(self.permit, person)?;
        // Who is known and not signed in came in no role: what the page takes is not what they claim. Only whoever left has none to
        // come for.
        let lost = match entry.actor.assurance {
            0 => None,
            _ => self.store.lost_before(self.permit, entry)?,
        };
        let facts = self.store.tables().read("facts for the watch", |connection| {
            let flags = tables::flags(connection, [entry.subject, person], entry.time)?;
            let left = tables::left(connection, entry.actor.account)?;
            Ok(Facts {
                person: linked,
                is_vip: flags.vip,
                is_decoy: flags.decoy,
                deceased: flags.deceased.into_iter().chain(died).min(),
                revoked: lost.into_iter().chain(left).min(),
                reason: reason_of(self.editions.at(entry.time), entry),
                ..Facts::default()
            })
        })?;
        if !self.is_staff(entry) {
            return Ok(facts);
        }
        let stated = self.stated(entry)?;
        self.facts_of_staff(entry, person, Facts { stated, ..facts })
    }

    fn overdue(&mut self, now: Timestamp, limit: usize) -> Result<Vec<Overdue>, StoreError> {
        let (mut overdue, mut after) = (Vec::new(), None);
        // Those that are known stay due until somebody reviews them, and stand in front.
        while overdue.len() < limit {
            let page = self.store.overdue_glass(self.permit, now, after.as_ref(), WATCHED_MAX)?;
            let Some(last) = page.last().copied() else { break };
            after = Some(last);
            let rule = Rule::BreakGlassUnreviewed.name();
            let known = self.store.tables().read("reviews that are due", |connection| {
                page.iter().map(|glass| tables::is_found(connection, glass.ground, rule)).collect::<Result<Vec<_>, _>>()
            })?;
            let fresh = page.into_iter().zip(known).filter(|(_, known)| !known).map(|(glass, _)| glass);
            overdue.extend(fresh.map(|glass| {
                let (actor, subject, time) = (glass.account, glass.subject, glass.broken);
                Overdue { entry: glass.ground, actor, subject, time }
            }));
        }
        overdue.truncate(limit);
        Ok(overdue)
    }
}

/// What stands for a device: the network that somebody comes from, under a keyed hash. Addresses within one network change from
/// day to day; the command line of this machine is no device.
fn device(secret: &[u8; 32], account: Id16, source: &str) -> Option<[u8; 16]> {
    let network = match source.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => address.octets()[..3].to_vec(),
        IpAddr::V6(address) => address.octets()[..6].to_vec(),
    };
    let hash = base::hmac_sha256(secret, &[b"device".as_slice(), &account.0, &network].concat());
    hash.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_one_device_and_no_other_account_has_the_same() {
        let device = |account: u8, source: &str| device(&[1; 32], Id16([account; 16]), source);
        assert_eq!(device(1, "192.0.2.1"), device(1, "192.0.2.200"));
        assert_eq!(device(1, "::ffff:192.0.2.1"), device(1, "192.0.2.200"));
        assert_ne!(device(1, "192.0.2.1"), device(1, "192.0.3.1"));
        assert_ne!(device(1, "192.0.2.1"), device(2, "192.0.2.1"));
        assert_eq!(device(1, "2001:db8:1:2::3"), device(1, "2001:db8:1:9::9"));
        assert_eq!(device(1, "local"), None);
    }
}
