//! A small seeded number generator for made-up data. Not a source of secrets: those come from `base::Random`.
//!
//! Each person, visit and document draws from a generator derived from the seed and its own place, so that what is
//! made does not depend on the order or the thread in which it is made.

/// SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, one addition and a mix a step.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// The generator that belongs to `path` under `seed`.
    pub(crate) fn derived(seed: u64, path: &[u64]) -> Self {
        let mut state = mix(seed ^ 0x6861_6e6d_6172_7500);
        for step in path {
            state = mix(state.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ mix(*step));
        }
        Self(state)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in `0..limit`; the bias of the reduction is below 2^-32 and of no matter here.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        debug_assert!(limit > 0, "a choice among nothing");
        let wide = u128::from(self.next()) * (limit as u128);
        (wide >> 64) as usize
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, low: i32, high: i32) -> i32 {
        debug_assert!(low <= high, "an empty range");
        let width = usize::try_from(i64::from(high) - i64::from(low) + 1).unwrap_or(1);
        low + i32::try_from(self.below(width)).unwrap_or(0)
    }

    /// True `percent` times in a hundred.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `items`.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// The place of one of `weights`, each as likely as it weighs.
    pub(crate) fn weighted(&mut self, weights: impl Iterator<Item = u32> + Clone) -> usize {
        let total: u32 = weights.clone().sum();
        let mut left = u32::try_from(self.below(total.max(1) as usize)).unwrap_or(0);
        for (place, weight) in weights.enumerate() {
            if left < weight {
                return place;
            }
            left -= weight;
        }
        0
    }

    /// A value around `middle`, mostly within `spread` of it: the mean of three even draws.
    pub(crate) fn around(&mut self, middle: f64, spread: f64) -> f64 {
        let draw = (0..3).map(|_| self.unit()).sum::<f64>() / 3.0;
        middle + (draw - 0.5) * 3.0 * spread
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_sequence_and_neighbours_differ() {
        let draw = |path: &[u64]| Rng::derived(42, path).next();
        assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
        assert_ne!(draw(&[1, 2]), draw(&[2, 1]));
        assert_ne!(draw(&[1]), Rng::derived(43, &[1]).next());
    }

    #[test]
    fn draws_stay_within_their_limits_and_reach_both_ends() {
        let mut rng = Rng::derived(1, &[]);
        let seen: std::collections::BTreeSet<i32> = (0..500).map(|_| rng.between(-2, 3)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2, 3]);
        let heavy = (0..1000).filter(|_| rng.weighted([1, 9].into_iter()) == 1).count();
        assert!((850..950).contains(&heavy), "{heavy}");
    }
}
