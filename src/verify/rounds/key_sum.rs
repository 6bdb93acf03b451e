//! Sums over keyed records and over entries of a key index that are the same if, and but for a
//! chance of one in 2^64 or less only if, they are about the same.
//!
//! A term is a hash of a key's hash, a record's offset and whether it deletes. Sums of terms take
//! no memory, and their order is none, so threads add up what each has read.

use xxhash_rust::xxh3::xxh3_128;

use crate::format::Record;
use crate::rounds::{DeadOffsets, Entry, KeyHash, KeyHashSeed, RoundFile};
use crate::units::Offset;

/// By what records are compared.
#[derive(Clone, Debug)]
pub struct Known {
    /// Hashes keys.
    pub seed: KeyHashSeed,
    /// Whether an empty value deletes.
    pub empty_is_tombstone: bool,
    /// The offset behind the watermark.
    pub end: Offset,
    /// Records that are superseded and wait.
    pub dead: DeadOffsets,
    /// Below it, the key index knows of no record.
    pub unindexed_below: Offset,
}

impl Known {
    /// What the round of `file` says.
    pub fn of(file: &RoundFile, dead: DeadOffsets) -> Known {
        let (seed, end) = (file.hash.seed, file.end_offset());
        let empty_is_tombstone = file.rules.empty_is_tombstone;
        Known { seed, empty_is_tombstone, end, dead, unindexed_below: file.unindexed_below }
    }
}

/// The sum over records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeySum {
    terms: u128,
    /// Those with a key that are not superseded, where the index knows of them.
    live: u64,
    /// Those that are.
    dead: u64,
}

impl KeySum {
    /// Adds a data record.
    pub fn record(&mut self, record: &Record<'_>, known: &Known) {
        let Some(key) = record.key else { return };
        if !known.dead.is_empty() && known.dead.contains(record.offset) {
            self.dead += 1;
            return;
        }
        if record.offset < known.unindexed_below {
            return;
        }
        let deletes = record.deletes(known.empty_is_tombstone);
        let term = term(known.seed.hash(key), record.offset, deletes);
        self.terms = self.terms.wrapping_add(term);
        self.live += 1;
    }

    /// Adds what was read elsewhere.
    pub fn add(&mut self, other: &KeySum) {
        self.terms = self.terms.wrapping_add(other.terms);
        self.live += other.live;
        self.dead += other.dead;
    }

    /// Whether the records are what stands, and what waits as superseded.
    pub fn is_of(&self, standing: &Standing, known: &Known) -> bool {
        (self.terms, self.live) == (standing.terms, standing.live) && self.dead == known.dead.len()
    }
}

/// The sum over entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    terms: u128,
    live: u64,
    /// All of them, also those of deletions that are gone.
    pub entries: u64,
}

impl Standing {
    /// Adds an entry.
    pub fn entry(&mut self, entry: &Entry) {
        self.entries += 1;
        if !entry.gone {
            self.terms = self.terms.wrapping_add(term(entry.hash, entry.offset, entry.deletes));
            self.live += 1;
        }
    }

    /// Both.
    pub fn plus(self, other: Standing) -> Standing {
        Standing {
            terms: self.terms.wrapping_add(other.terms),
            live: self.live + other.live,
            entries: self.entries + other.entries,
        }
    }
}

/// What is added up of a record, or of an entry.
pub fn term(hash: KeyHash, offset: Offset, deletes: bool) -> u128 {
    let place = (offset.0 as u64 as u128) << 1 | u128::from(deletes);
    xxh3_128([hash.0.to_be_bytes(), place.to_be_bytes()].as_flattened())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(hash: u128, offset: i64, deletes: bool, gone: bool) -> Entry {
        let (hash, offset) = (KeyHash(hash), Offset(offset));
        Entry { hash, offset, claim: (0, false), deletes, gone }
    }

    proptest! {
        #[test]
        fn sums_tell_lists_apart_that_are_not_the_same_but_for_their_order(
            some: Vec<(u128, i64, bool)>, swap: prop::sample::Index, bit in 0..193u32,
        ) {
            let sum = |list: &[(u128, i64, bool)]| {
                let mut standing = Standing::default();
                list.iter().for_each(|it| standing.entry(&entry(it.0, it.1, it.2, false)));
                standing
            };
            let mut other = some.clone();
            other.reverse();
            prop_assert_eq!(sum(&some), sum(&other));
            let halves = some.split_at(some.len() / 2);
            prop_assert_eq!(sum(halves.0).plus(sum(halves.1)), sum(&some));
            if !some.is_empty() {
                let it = &mut other[swap.index(some.len())];
                match bit {
                    0..128 => it.0 ^= 1 << bit,
                    128..192 => it.1 ^= 1 << (bit - 128),
                    _ => it.2 ^= true,
                }
                prop_assert_ne!(sum(&some), sum(&other));
            }
        }
    }

    #[test]
    fn a_deletion_that_is_gone_has_no_record() {
        let mut standing = Standing::default();
        standing.entry(&entry(7, 8, true, true));
        let known = Known {
            seed: KeyHashSeed(0),
            empty_is_tombstone: false,
            end: Offset(9),
            dead: DeadOffsets::default(),
            unindexed_below: Offset(0),
        };
        assert_eq!(standing.entries, 1);
        assert!(KeySum::default().is_of(&standing, &known));
    }
}
