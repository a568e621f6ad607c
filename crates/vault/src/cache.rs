//! A bounded cache: two generations, of which the older is dropped whole. Not exact LRU, and needs no lists.

use std::collections::HashMap;
use std::hash::Hash;

/// Keeps at least the `capacity / 2` entries used last, and never more than `capacity`.
pub(crate) struct Cache<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (capacity / 2).max(1) }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.put(key, value.clone());
        Some(value)
    }

    pub(crate) fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// Drops what was not used since the call before.
    pub(crate) fn age(&mut self) {
        self.old = std::mem::take(&mut self.young);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_bounded_and_keeps_what_is_used() {
        let mut cache = Cache::new(8);
        for number in 0..1000 {
            cache.put(number, number);
            assert_eq!(cache.get(&0), Some(0), "used every round, so it stays");
            assert!(cache.len() <= 8);
        }
        assert_eq!(cache.get(&999), Some(999));
        assert_eq!(cache.get(&5), None);
    }

    #[test]
    fn what_nobody_uses_ages_away() {
        let mut cache = Cache::new(8);
        cache.put(1, 1);
        cache.put(2, 2);
        cache.age();
        assert_eq!(cache.get(&1), Some(1));
        cache.age();
        assert_eq!((cache.get(&1), cache.get(&2)), (Some(1), None));
        cache.age();
        cache.age();
        assert_eq!(cache.len(), 0);
    }
}
