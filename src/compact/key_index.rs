//! The set of keys seen so far, reading from the newest record to the oldest.
//!
//! Walking backwards, the first sighting of a key is its latest record, so the index needs no
//! offsets: a key is in it or not. That is the law behind all parallelism here: the winner of a key
//! is the maximum of its offsets, and a maximum is commutative, associative and idempotent, so
//! shards, windows and passes may come in any order that reads each key backwards.
//!
//! Keys go to shards by their hash, and a shard is used by one thread at a time: nothing is locked.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Enough shards that one fits into a core's cache while it is filled, if it holds keys only.
pub const SHARDS: usize = 32;

/// Hashes keys for one run. The seed is random, so that no one can prepare keys that collide; it
/// decides only where a key is kept, never whether a record survives.
#[derive(Clone, Copy, Debug)]
pub struct KeyHasher {
    seed: u64,
    mask: u64,
}

/// Where a key is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash {
    /// Its shard.
    pub shard: usize,
    /// Its hash within the shard.
    pub within: u32,
}

impl KeyHasher {
    /// A hasher with a seed of its own. Of its 64 bits `bits` count, at least one: fewer make it
    /// only slower, for a test that wants keys to collide.
    pub fn new(bits: u32) -> KeyHasher {
        use std::hash::{BuildHasher, RandomState};
        let mask = u64::MAX >> (64 - bits.clamp(1, 64));
        KeyHasher { seed: RandomState::new().hash_one(0u8), mask }
    }

    /// The hash of a key: independent bits for the shard, of as many as there are, and for the
    /// place in it.
    #[inline]
    pub fn hash(&self, key: &[u8], shards: usize) -> KeyHash {
        let hash = xxh3_64_with_seed(key, self.seed) & self.mask;
        KeyHash { shard: hash as usize % shards, within: (hash >> 32) as u32 }
    }
}
