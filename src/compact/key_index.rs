//! The set of keys seen so far, reading from the newest record to the oldest.
//!
//! Walking backwards, the first sighting of a key is its latest record, so the index needs no
//! offsets: a key is in it or not. That is the law behind all parallelism here: the winner of a key
//! is the maximum of its offsets, and a maximum is commutative, associative and idempotent, so
//! shards, windows and repeated passes may come in any order that reads each key backwards.
//!
//! Keys go to shards by their hash, and a shard is used by one thread at a time: nothing is locked.
//! Two keys are the same only if their bytes are; a hash that collides costs a comparison, never a
//! record.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Enough shards that one fits into a core's cache while it is filled.
pub const SHARDS: usize = 64;

/// Hashes keys for one run. The seed is random, so that no one can prepare keys that collide; it
/// decides only where a key is kept, never whether a record survives.
#[derive(Clone, Copy, Debug)]
pub struct KeyHasher {
    seed: u64,
    mask: u64,
}

impl KeyHasher {
    /// A hasher with a seed of its own.
    pub fn new() -> KeyHasher {
        use std::hash::{BuildHasher, RandomState};
        KeyHasher { seed: RandomState::new().hash_one(0u8), mask: u64::MAX }
    }

    /// A hasher of `bits` bits, so that a test can force collisions.
    #[cfg(test)]
    pub fn with_bits(bits: u32) -> KeyHasher {
        KeyHasher { mask: u64::MAX >> (64 - bits), ..KeyHasher::new() }
    }

    /// The hash of a key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        xxh3_64_with_seed(key, self.seed) & self.mask
    }
}

impl Default for KeyHasher {
    fn default() -> Self {
        KeyHasher::new()
    }
}

/// The shard of a hash: the lowest bits, which the table inside the shard does not rely on.
#[inline]
pub fn shard_of(hash: u64) -> usize {
    hash as usize % SHARDS
}

/// One shard: the distinct keys whose hash falls to it.
#[derive(Default)]
pub struct Shard {
    table: HashTable<Sighting>,
    keys: Vec<u8>,
}

/// A key in the table; its bytes lie in the shard's arena.
struct Sighting {
    hash: u64,
    start: usize,
    length: u32,
}

impl Sighting {
    fn is(&self, hash: u64, key: &[u8], keys: &[u8]) -> bool {
        self.hash == hash
            && self.length as usize == key.len()
            && keys.get(self.start..self.start + key.len()) == Some(key)
    }
}

impl Shard {
    /// Takes note of a key; true if this is its first sighting.
    #[inline]
    pub fn first_sighting(&mut self, hash: u64, key: &[u8]) -> bool {
        let Shard { table, keys } = self;
        let slot = spread(hash);
        match table.entry(slot, |s| s.is(hash, key, keys), |s| spread(s.hash)) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(Sighting { hash, start: keys.len(), length: key.len() as u32 });
                keys.extend_from_slice(key);
                true
            }
        }
    }

    /// Whether the key was sighted; takes no note of it.
    pub fn contains(&self, hash: u64, key: &[u8]) -> bool {
        self.table.find(spread(hash), |s| s.is(hash, key, &self.keys)).is_some()
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// What it has allocated.
    pub fn allocated_bytes(&self) -> usize {
        self.table.allocation_size() + self.keys.capacity()
    }
}

/// The bits that chose the shard are the same for all keys in it; the table gets the others.
#[inline]
fn spread(hash: u64) -> u64 {
    hash.rotate_right(SHARDS.trailing_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_share_a_hash_are_still_two_keys() {
        let hasher = KeyHasher::with_bits(1);
        let mut shards: Vec<Shard> = (0..SHARDS).map(|_| Shard::default()).collect();
        let sight = |key: &str, shards: &mut Vec<Shard>| {
            let hash = hasher.hash(key.as_bytes());
            shards[shard_of(hash)].first_sighting(hash, key.as_bytes())
        };
        for n in 0..500 {
            assert!(sight(&format!("key-{n}"), &mut shards), "{n}");
        }
        for n in 0..500 {
            assert!(!sight(&format!("key-{n}"), &mut shards), "{n}");
        }
        assert_eq!(shards.iter().map(Shard::len).sum::<usize>(), 500);
    }

    #[test]
    fn an_empty_key_is_a_key() {
        let mut shard = Shard::default();
        assert!(!shard.contains(7, b""));
        assert!(shard.first_sighting(7, b""));
        assert!(!shard.first_sighting(7, b""));
    }
}
