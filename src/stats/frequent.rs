//! The heaviest keys in bounded memory (Misra and Gries, 1982, with weights).
//!
//! A key that is met gets a counter. When there are too many, the weight of the middle one is taken
//! off all of them, and those with nothing left go. What a counter shows is never more than the
//! truth, and less by no more than all that was taken off; and since each time half of the counters
//! lost as much, that is at most twice the sum of all weights over the number of counters.

use std::hash::{BuildHasher, Hasher, RandomState};

use hashbrown::HashMap;

/// Where a key was first met; places are in the order of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of the segment in its directory.
    pub segment: u32,
    /// Where the batch starts.
    pub position: u32,
    /// The number of the record in the batch.
    pub index: u32,
}

/// Tables of digests are hashed anew with keys that nobody knows, so that no log can be prepared
/// to make them slow. What is in a table does not depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Keyed(u64, u64);

impl Default for Keyed {
    fn default() -> Keyed {
        let draw = || RandomState::new().build_hasher().finish();
        Keyed(draw(), draw())
    }
}

impl BuildHasher for Keyed {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded { keyed: *self, folded: 0 }
    }
}

/// Folds a digest into 64 bits.
#[derive(Debug)]
pub struct Folded {
    keyed: Keyed,
    folded: u64,
}

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.folded
    }

    fn write(&mut self, _bytes: &[u8]) {}

    #[inline]
    fn write_u128(&mut self, digest: u128) {
        let lower = u128::from(digest as u64 ^ self.keyed.0);
        let upper = u128::from((digest >> 64) as u64 ^ self.keyed.1);
        let product = lower.wrapping_mul(upper);
        self.folded = product as u64 ^ (product >> 64) as u64;
    }
}

/// A table by the digests of keys.
pub type ByDigest<T> = HashMap<u128, T, Keyed>;

/// What is known of a key.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// At least so much.
    pub weight: u64,
    /// Where it was first met, since it has a counter.
    pub place: Place,
}

/// The counters.
#[derive(Debug)]
pub struct Frequent {
    counters: ByDigest<Counter>,
    most: usize,
    taken_off: u64,
}

impl Frequent {
    /// No counters yet, and room for `most`.
    pub fn new(most: usize) -> Frequent {
        Frequent { counters: ByDigest::default(), most: most.max(2), taken_off: 0 }
    }

    /// The counters of keys that were counted exactly up to now; in which order they come makes no
    /// difference.
    pub fn of<I: Iterator<Item = (u128, Counter)>>(most: usize, known: impl Fn() -> I) -> Frequent {
        let mut frequent = Frequent::new(most);
        let mut weights: Vec<u64> = known().map(|(_, counter)| counter.weight).collect();
        if weights.len() > frequent.most {
            let at = weights.len() - frequent.most / 2;
            frequent.taken_off = *weights.select_nth_unstable(at).1;
        }
        let taken_off = frequent.taken_off;
        let left = known().filter(|(_, counter)| counter.weight > taken_off);
        frequent.counters.extend(left.map(|(digest, counter)| {
            (digest, Counter { weight: counter.weight - taken_off, ..counter })
        }));
        frequent
    }

    /// Counts a key that was met.
    pub fn add(&mut self, digest: u128, weight: u64, place: Place) {
        if weight == 0 {
            return;
        }
        let counter = self.counters.entry(digest).or_insert(Counter { weight: 0, place });
        counter.weight = counter.weight.saturating_add(weight);
        if self.counters.len() > self.most {
            self.take_off();
        }
    }

    fn take_off(&mut self) {
        let mut weights: Vec<u64> = self.counters.values().map(|c| c.weight).collect();
        let at = weights.len() / 2;
        let middle = *weights.select_nth_unstable(at).1;
        self.counters.retain(|_, counter| {
            counter.weight = counter.weight.saturating_sub(middle);
            counter.weight > 0
        });
        self.taken_off = self.taken_off.saturating_add(middle);
    }

    /// The keys that have counters, in no order.
    pub fn counters(&self) -> impl Iterator<Item = (u128, Counter)> {
        self.counters.iter().map(|(digest, counter)| (*digest, *counter))
    }

    /// How much more than its counter shows a key may weigh.
    pub fn most_missed(&self) -> u64 {
        self.taken_off
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const PLACE: Place = Place { segment: 0, position: 0, index: 0 };

    /// Weights of a thousand keys as of a Zipf distribution, in a shuffled order.
    fn stream() -> Vec<(u128, u64)> {
        let keys = (1..=1000u128).flat_map(|key| (0..20_000 / key).map(move |n| (key, n)));
        let mut stream: Vec<_> = keys.map(|(key, n)| (key, 1 + n as u64 % 5)).collect();
        let mut state = 1u64;
        for at in (1..stream.len()).rev() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            stream.swap(at, (state >> 33) as usize % (at + 1));
        }
        stream
    }

    #[test]
    fn counters_are_bounds_and_no_heavy_key_is_missed() {
        let stream = stream();
        let mut truth: BTreeMap<u128, u64> = BTreeMap::new();
        let mut frequent = Frequent::new(100);
        for (key, weight) in &stream {
            *truth.entry(*key).or_default() += weight;
            frequent.add(*key, *weight, PLACE);
        }
        let missed = frequent.most_missed();
        let total: u64 = truth.values().sum();
        assert!(missed > 0 && missed <= 2 * total / 100, "{missed} of {total}");
        let counters: BTreeMap<u128, u64> =
            frequent.counters().map(|(key, counter)| (key, counter.weight)).collect();
        assert!(counters.len() <= 100);
        for (key, weight) in truth {
            let shown = counters.get(&key).copied().unwrap_or(0);
            assert!(shown <= weight && weight <= shown + missed, "{key}: {shown} of {weight}");
        }
    }

    #[test]
    fn what_was_exact_becomes_counters_with_the_same_promise() {
        let known = |n: u64| (u128::from(n), Counter { weight: n % 40 + 1, place: PLACE });
        let frequent = Frequent::of(64, || (0..1000).map(known));
        assert!(frequent.counters().count() <= 64);
        let missed = frequent.most_missed();
        for (key, counter) in frequent.counters() {
            assert_eq!(counter.weight + missed, key as u64 % 40 + 1);
        }
        assert_eq!(Frequent::of(1000, || (0..1000).map(known)).most_missed(), 0);
    }
}
