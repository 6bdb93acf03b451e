//! The set of keys seen so far, reading from the newest record to the oldest.
//!
//! Walking backwards, the first sighting of a key is its latest record, so the index needs no
//! offsets: a key is in it or not. That is the law behind all parallelism here: the winner of a key
//! is the maximum of its offsets, and a maximum is commutative, associative and idempotent, so
//! shards, windows and passes may come in any order that reads each key backwards.
//!
//! Keys go to shards by their hash, and a shard is used by one thread at a time: nothing is locked.
//! Short keys are words (`key_words`), and have a hash of their own.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::words::KeyWord;

/// Enough shards that one fits into a core's cache while it is filled, if it holds keys only.
pub const SHARDS: usize = 32;

/// Hashes keys for one run. The seed is random, so that no one can prepare keys that collide; it
/// decides only where a key is kept, never whether a record survives.
#[derive(Clone, Copy, Debug)]
pub struct KeyHasher {
    seed: u64,
    /// Odd, so that no bit of a word is lost.
    factor: u64,
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
        let random = RandomState::new();
        KeyHasher { seed: random.hash_one(0u8), factor: random.hash_one(1u8) | 1, mask }
    }

    /// The one of this number, the same in each run.
    #[cfg(test)]
    pub fn numbered(number: u64) -> KeyHasher {
        let random = |which| xxh3_64_with_seed(&[which], number);
        KeyHasher { seed: random(0), factor: random(1) | 1, mask: u64::MAX }
    }

    /// The hash of a key: independent bits for the shard, of as many as there are, and for the
    /// place in it.
    #[inline]
    pub fn hash(&self, key: &[u8], shards: usize) -> KeyHash {
        KeyHash::of(xxh3_64_with_seed(key, self.seed) & self.mask, shards)
    }

    /// The hash of a word.
    #[inline]
    pub fn hash_word(&self, word: KeyWord, shards: usize) -> KeyHash {
        KeyHash::of(self.mix(word.bits()), shards)
    }

    /// The hash within its shard of the word with these bits.
    #[inline]
    pub fn hash_bits(&self, bits: u64) -> u32 {
        (self.mix(bits) >> 32) as u32
    }

    /// Both halves of a product together: each bit of the one depends on the lower bits of the
    /// word, each of the other on the higher ones.
    #[inline]
    fn mix(&self, bits: u64) -> u64 {
        let product = u128::from(bits ^ self.seed) * u128::from(self.factor);
        (product as u64 ^ (product >> 64) as u64) & self.mask
    }
}

impl KeyHash {
    #[inline]
    fn of(hash: u64, shards: usize) -> KeyHash {
        KeyHash { shard: hash as usize % shards, within: (hash >> 32) as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_counters_are_spread_evenly_over_shards_and_within_them_by_nearly_any_seed() {
        let words: Vec<u64> = (0..64_000)
            .map(|n| format!("\u{8}{n:06}"))
            .map(|digits| digits.bytes().rev().fold(0, |bits, byte| bits << 8 | u64::from(byte)))
            .collect();
        let mut uneven = Vec::new();
        for number in 0..100u64 {
            let hasher = KeyHasher::numbered(number);
            let (mut shards, mut within) = ([0u32; SHARDS], [0u32; 64]);
            for bits in &words {
                let hash = hasher.hash_word(KeyWord::of(*bits).unwrap(), SHARDS);
                shards[hash.shard] += 1;
                within[hash.within as usize >> 26] += 1;
                assert_eq!(hash.within, hasher.hash_bits(*bits));
            }
            let is_even = shards.iter().all(|count| (1600..2400).contains(count))
                && within.iter().all(|count| (700..1300).contains(count));
            uneven.extend((!is_even).then_some(number));
        }
        assert!(uneven.len() <= 2, "{uneven:?}");
    }
}
