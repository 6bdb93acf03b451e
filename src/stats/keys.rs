//! How many keys there are, and which are the heaviest: exactly as long as memory allows, and
//! estimated from there on.
//!
//! Exact is a table of all keys by their 128-bit digests. When it has used up its memory it gives
//! way to a HyperLogLog (how many) and to two sets of counters (which weigh most, by records and by
//! bytes): what is known by then goes into them, so nothing is read twice. All of it depends on the
//! log and on the memory only, not on threads.

use datasketches::hll::{HllSketch, HllType};
use rayon::prelude::*;

use super::frequent::{ByDigest, Counter, Frequent, Place};
use super::report::Method;
use super::stretch::KeySeen;
use crate::error::{Error, Result};

/// How keys are to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Exactly, as long as memory allows.
    Exact,
    /// Estimated from the start.
    Estimate,
    /// Not at all.
    None,
}

/// 2^16 registers of a byte: the standard error is 1.04 / 2^8, 0.41 %.
const LOG2_REGISTERS: u8 = 16;

/// Counters of each kind, at the most and at the least.
const MOST_COUNTERS: u64 = 1 << 16;
const LEAST_COUNTERS: u64 = 1 << 10;

/// What is known of a key that is counted exactly.
#[derive(Clone, Copy, Debug)]
struct Exact {
    records: u64,
    bytes: u64,
    place: Place,
}

/// The table of all keys is split by their digests, so that threads can share the work; a part is
/// used by one thread at a time.
const SHARDS: usize = 16;

/// So many records are counted at a time.
const PENDING: usize = 1 << 16;

/// Counts the keys of a partition.
pub struct Keys {
    state: State,
    /// What was met and is not counted yet, by shard.
    pending: Vec<Vec<KeySeen>>,
    pending_records: usize,
    most_exact: usize,
    most_counters: usize,
    is_shared: bool,
}

enum State {
    Exact(Vec<ByDigest<Exact>>),
    Estimate(Box<Sketch>),
    Nothing,
}

struct Sketch {
    distinct: HllSketch,
    by_records: Frequent,
    by_bytes: Frequent,
}

/// One of the heaviest keys.
#[derive(Clone, Copy, Debug)]
pub struct Heavy {
    /// Stands for it.
    pub digest: u128,
    /// Where it can be read.
    pub place: Place,
    /// At least and at most so many records.
    pub records: Option<(u64, u64)>,
    /// At least and at most so many bytes.
    pub bytes: Option<(u64, u64)>,
}

/// What the keys of a partition came to.
#[derive(Debug)]
pub struct Counted {
    /// How they were counted.
    pub method: Method,
    /// How many there are; if estimated, with what is two standard errors away from it.
    pub distinct: Option<(u64, u64, u64)>,
    /// The heaviest by records, the first first.
    pub by_records: Vec<Heavy>,
    /// The heaviest by bytes.
    pub by_bytes: Vec<Heavy>,
}

impl Keys {
    /// No keys yet. If it `is_shared`, all threads of the pool help.
    ///
    /// # Errors
    /// None that this program should ever meet.
    pub fn new(counting: Counting, memory_bytes: u64, is_shared: bool) -> Result<Keys> {
        const SLOT_BYTES: u64 = (size_of::<(u128, Exact)>() + 1) as u64;
        // While a table grows, the one of half the size is there too.
        let slots = (memory_bytes / SLOT_BYTES * 2 / 3).clamp(1 << 8, 1 << 40);
        let slots = 1usize << slots.ilog2();
        let most_counters =
            (memory_bytes / 4 / SLOT_BYTES).clamp(LEAST_COUNTERS, MOST_COUNTERS) as usize;
        let state = match counting {
            Counting::Exact => State::Exact(vec![ByDigest::default(); SHARDS]),
            Counting::Estimate => State::Estimate(Box::new(Sketch::new(most_counters)?)),
            Counting::None => State::Nothing,
        };
        let pending = vec![Vec::new(); SHARDS];
        let most_exact = slots / 8 * 7 / 16 * 15;
        Ok(Keys { state, pending, pending_records: 0, most_exact, most_counters, is_shared })
    }

    /// Takes note of a record's key, in the order of the log.
    ///
    /// # Errors
    /// None that this program should ever meet.
    #[inline]
    pub fn note(&mut self, seen: KeySeen) -> Result<()> {
        if let Some(shard) = self.pending.get_mut((seen.digest >> 124) as usize) {
            shard.push(seen);
        }
        self.pending_records += 1;
        if self.pending_records < PENDING { Ok(()) } else { self.count() }
    }

    /// Counts what is pending. Where exact counting ends depends on how much was met by then, never
    /// on threads.
    fn count(&mut self) -> Result<()> {
        let pending = &self.pending;
        match &mut self.state {
            State::Exact(shards) => {
                if self.is_shared {
                    let both = shards.par_iter_mut().zip(pending);
                    both.for_each(|(shard, pending)| count_exactly(shard, pending));
                } else {
                    let both = shards.iter_mut().zip(pending);
                    both.for_each(|(shard, pending)| count_exactly(shard, pending));
                }
                let known: usize = shards.iter().map(ByDigest::len).sum();
                if known > self.most_exact {
                    let sketch = Sketch::of(shards, self.most_counters)?;
                    self.state = State::Estimate(Box::new(sketch));
                }
            }
            State::Estimate(sketch) => sketch.count(pending, self.is_shared),
            State::Nothing => {}
        }
        self.pending.iter_mut().for_each(Vec::clear);
        self.pending_records = 0;
        Ok(())
    }

    /// What it comes to, with the `top` heaviest.
    ///
    /// # Errors
    /// None that this program should ever meet.
    pub fn finish(mut self, top: usize) -> Result<Counted> {
        self.count()?;
        Ok(match self.state {
            State::Nothing => Counted {
                method: Method::None,
                distinct: None,
                by_records: Vec::new(),
                by_bytes: Vec::new(),
            },
            State::Exact(shards) => {
                let distinct = shards.iter().map(ByDigest::len).sum::<usize>() as u64;
                let all = || {
                    shards.iter().flatten().map(|(digest, exact)| Heavy {
                        digest: *digest,
                        place: exact.place,
                        records: Some((exact.records, exact.records)),
                        bytes: Some((exact.bytes, exact.bytes)),
                    })
                };
                Counted {
                    method: Method::Exact,
                    distinct: Some((distinct, distinct, distinct)),
                    by_records: heaviest(all(), top, |heavy| heavy.records),
                    by_bytes: heaviest(all(), top, |heavy| heavy.bytes),
                }
            }
            State::Estimate(sketch) => sketch.finish(top),
        })
    }
}

fn count_exactly(shard: &mut ByDigest<Exact>, pending: &[KeySeen]) {
    for seen in pending {
        let new = Exact { records: 0, bytes: 0, place: seen.place };
        let known = shard.entry(seen.digest).or_insert(new);
        known.records += 1;
        known.bytes += u64::from(seen.bytes);
    }
}

impl Sketch {
    fn new(most_counters: usize) -> Result<Sketch> {
        Ok(Sketch {
            distinct: hyper_log_log()?,
            by_records: Frequent::new(most_counters),
            by_bytes: Frequent::new(most_counters),
        })
    }

    fn of(shards: &[ByDigest<Exact>], most_counters: usize) -> Result<Sketch> {
        let mut distinct = hyper_log_log()?;
        shards.iter().flatten().for_each(|(digest, _)| distinct.update(*digest));
        let by = |weight: fn(&Exact) -> u64| {
            move || {
                shards.iter().flatten().map(move |(digest, exact)| {
                    (*digest, Counter { weight: weight(exact), place: exact.place })
                })
            }
        };
        Ok(Sketch {
            distinct,
            by_records: Frequent::of(most_counters, by(|exact| exact.records)),
            by_bytes: Frequent::of(most_counters, by(|exact| exact.bytes)),
        })
    }

    fn count(&mut self, pending: &[Vec<KeySeen>], is_shared: bool) {
        let all = || pending.iter().flatten();
        let Sketch { distinct, by_records, by_bytes } = self;
        let mut count_keys = || all().for_each(|seen| distinct.update(seen.digest));
        let mut count_records =
            || all().for_each(|seen| by_records.add(seen.digest, 1, seen.place));
        let mut count_bytes = || {
            all().for_each(|seen| by_bytes.add(seen.digest, u64::from(seen.bytes), seen.place));
        };
        if is_shared {
            rayon::join(count_keys, || rayon::join(count_records, count_bytes));
        } else {
            count_keys();
            count_records();
            count_bytes();
        }
    }

    fn finish(self, top: usize) -> Counted {
        let Sketch { distinct, by_records, by_bytes } = self;
        // The one that does not depend on the order in which keys came.
        let estimate = distinct.composite_estimate().round();
        let error = 2.0 * STANDARD_ERROR * estimate;
        let about = ((estimate - error).floor() as u64, (estimate + error).ceil() as u64);
        let heavy = |(digest, counter): (u128, Counter), missed: u64| {
            let bounds = (counter.weight, counter.weight.saturating_add(missed));
            (Heavy { digest, place: counter.place, records: None, bytes: None }, bounds)
        };
        let records = by_records.counters().map(|counter| {
            let (heavy, bounds) = heavy(counter, by_records.most_missed());
            Heavy { records: Some(bounds), ..heavy }
        });
        let bytes = by_bytes.counters().map(|counter| {
            let (heavy, bounds) = heavy(counter, by_bytes.most_missed());
            Heavy { bytes: Some(bounds), ..heavy }
        });
        Counted {
            method: Method::Estimate,
            distinct: Some((estimate as u64, about.0, about.1)),
            by_records: heaviest(records, top, |heavy| heavy.records),
            by_bytes: heaviest(bytes, top, |heavy| heavy.bytes),
        }
    }
}

/// The standard error of the estimate, as a part of it.
pub const STANDARD_ERROR: f64 = 1.04 / 256.0;

fn hyper_log_log() -> Result<HllSketch> {
    let sketch = HllSketch::new(LOG2_REGISTERS, HllType::Hll8);
    sketch.map_err(|error| Error::bug(format!("no HyperLogLog: {error}")))
}

/// The first few, the heaviest first; of two that weigh the same, the one that was met first.
fn heaviest(
    all: impl Iterator<Item = Heavy>,
    top: usize,
    weight: impl Fn(&Heavy) -> Option<(u64, u64)>,
) -> Vec<Heavy> {
    let order = |heavy: &Heavy| (std::cmp::Reverse(weight(heavy)), heavy.place, heavy.digest);
    let mut first: Vec<Heavy> = Vec::new();
    let cut = |first: &mut Vec<Heavy>| {
        first.sort_unstable_by_key(order);
        first.truncate(top);
    };
    for heavy in all {
        first.push(heavy);
        if first.len() >= top.saturating_mul(4).max(64) {
            cut(&mut first);
        }
    }
    cut(&mut first);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(key: u32, bytes: u32) -> KeySeen {
        let digest = super::super::stretch::digest(&key.to_be_bytes());
        KeySeen { digest, bytes, place: Place { segment: 0, position: key, index: 0 } }
    }

    fn counted(counting: Counting, memory_bytes: u64, keys: impl Iterator<Item = u32>) -> Counted {
        let mut counter = Keys::new(counting, memory_bytes, false).unwrap();
        keys.for_each(|key| counter.note(seen(key, key % 100)).unwrap());
        counter.finish(10).unwrap()
    }

    #[test]
    fn an_estimate_lies_within_its_bounds_whether_it_began_exactly_or_not() {
        for keys in [10u32, 1000, 5000, 100_000, 400_000] {
            let stream = || (0..keys).chain(0..keys / 2);
            let begun = counted(Counting::Exact, 1 << 20, stream());
            let from_start = counted(Counting::Estimate, 1 << 20, stream());
            let exact = counted(Counting::Exact, 1 << 30, stream());
            assert_eq!(exact.distinct, Some((keys.into(), keys.into(), keys.into())));
            for estimate in [&begun, &from_start] {
                let (_, least, most) = estimate.distinct.unwrap();
                assert!((least..=most).contains(&keys.into()), "{keys}: {estimate:?}");
            }
            assert_eq!(begun.method == Method::Exact, keys < 10_000);
            assert!(begun.method == Method::Exact || begun.distinct == from_start.distinct);
        }
    }

    #[test]
    fn the_heaviest_keys_are_found_with_bounds_around_the_truth() {
        let heavy = |key: u32| (0..5000 - 400 * key).map(move |_| key);
        let many = || (0..300_000u32).map(|key| 100 + key % 150_000);
        let stream = || many().chain((0..10).flat_map(heavy)).chain(many());
        let exact = counted(Counting::Exact, 1 << 30, stream());
        let bounded = counted(Counting::Exact, 1 << 20, stream());
        assert_eq!((exact.method, bounded.method), (Method::Exact, Method::Estimate));
        for (exact, bounded) in exact.by_records.iter().zip(&bounded.by_records) {
            let (records, _) = exact.records.unwrap();
            let (least, most) = bounded.records.unwrap();
            assert_eq!(exact.digest, bounded.digest);
            assert!(least <= records && records <= most, "{records}: {least} to {most}");
            assert_eq!(exact.place.position, bounded.place.position);
        }
    }

    #[test]
    fn of_keys_that_weigh_the_same_the_first_comes_first() {
        let exact = counted(Counting::Exact, 1 << 30, 0..1000);
        let first: Vec<u32> = exact.by_records.iter().map(|heavy| heavy.place.position).collect();
        assert_eq!(first, (0..10).collect::<Vec<u32>>());
    }
}
