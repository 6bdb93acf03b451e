//! Bytes over time, in a bounded number of buckets whose width the data itself decides.
//!
//! Widths are those of a ladder on which each divides the next, and the width is the least with
//! which the buckets that hold something are few enough. That depends on what is in the timeline,
//! not on the order in which it came there.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::units::Timestamp;

/// How many buckets hold something, at most.
const MOST_BUCKETS: usize = 240;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The widths of buckets, in ms; each divides the next. The last is wider than all of time.
const WIDTHS: [i64; 26] = [
    1,
    5,
    10,
    50,
    100,
    500,
    SECOND,
    5 * SECOND,
    15 * SECOND,
    MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    5 * DAY,
    10 * DAY,
    50 * DAY,
    100 * DAY,
    500 * DAY,
    5_000 * DAY,
    500_000 * DAY,
    5_000_000 * DAY,
    50_000_000_000 * DAY,
];

/// Bytes by the time of what they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Which of [`WIDTHS`].
    width: usize,
    /// By the number of the bucket.
    buckets: BTreeMap<i64, u64>,
    /// Bytes of batches that have no timestamp.
    without_timestamp: u64,
}

impl Timeline {
    /// Adds the bytes of a batch.
    pub fn add_bytes(&mut self, at: Timestamp, bytes: u64) {
        if at.0 < 0 {
            self.without_timestamp += bytes;
            return;
        }
        *self.buckets.entry(at.0.div_euclid(self.width_ms())).or_default() += bytes;
        self.widen(self.width);
    }

    /// Adds what is in another one.
    pub fn add(&mut self, other: &Timeline) {
        self.widen(other.width);
        let (width_ms, other_ms) = (self.width_ms(), other.width_ms());
        for (bucket, bytes) in &other.buckets {
            let start = bucket.saturating_mul(other_ms);
            *self.buckets.entry(start.div_euclid(width_ms)).or_default() += bytes;
        }
        self.without_timestamp += other.without_timestamp;
        self.widen(self.width);
    }

    /// Makes buckets as wide as `least` says, and wider while they are too many.
    fn widen(&mut self, least: usize) {
        while self.width < least || self.buckets.len() > MOST_BUCKETS {
            let before = self.width_ms();
            self.width += 1;
            let after = self.width_ms();
            let mut wider = BTreeMap::new();
            for (bucket, bytes) in &self.buckets {
                let start = bucket.saturating_mul(before);
                *wider.entry(start.div_euclid(after)).or_default() += bytes;
            }
            self.buckets = wider;
        }
    }

    /// The same with buckets at least this wide, if there are such.
    pub fn at_least(&self, width_ms: i64) -> Timeline {
        let mut wider = self.clone();
        wider.widen(WIDTHS.iter().position(|width| *width >= width_ms).unwrap_or(0));
        wider
    }

    /// How wide a bucket is, in ms.
    pub fn width_ms(&self) -> i64 {
        WIDTHS.get(self.width).or(WIDTHS.last()).copied().unwrap_or(i64::MAX)
    }

    /// The buckets that hold something: where they start, in ms, and how many bytes.
    pub fn buckets(&self) -> impl Iterator<Item = (i64, u64)> {
        let width_ms = self.width_ms();
        self.buckets.iter().map(move |(bucket, bytes)| (bucket.saturating_mul(width_ms), *bytes))
    }

    /// Bytes of batches that have no timestamp.
    pub fn without_timestamp(&self) -> u64 {
        self.without_timestamp
    }
}

impl Serialize for Timeline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Start {
            start_ms: i64,
            bytes: u64,
        }
        #[derive(Serialize)]
        struct Shown {
            bucket_ms: i64,
            buckets: Vec<Start>,
            without_timestamp_bytes: u64,
        }
        let buckets = self.buckets().map(|(start_ms, bytes)| Start { start_ms, bytes });
        let shown = Shown {
            bucket_ms: self.width_ms(),
            buckets: buckets.collect(),
            without_timestamp_bytes: self.without_timestamp,
        };
        shown.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_width_divides_the_next() {
        assert!(WIDTHS.windows(2).all(|pair| pair[1] % pair[0] == 0 && pair[1] > pair[0]));
    }

    #[test]
    fn the_order_of_batches_and_of_additions_makes_no_difference() {
        let times: Vec<i64> = (0..3000).map(|n| (n * n * 7919) % 100_000_000).collect();
        let mut forward = Timeline::default();
        times.iter().for_each(|at| forward.add_bytes(Timestamp(*at), 10));
        let mut parts = Timeline::default();
        for part in times.rchunks(7) {
            let mut timeline = Timeline::default();
            part.iter().for_each(|at| timeline.add_bytes(Timestamp(*at), 10));
            parts.add(&timeline);
        }
        assert_eq!(parts, forward);
        assert!(forward.buckets().count() <= MOST_BUCKETS);
        assert_eq!(forward.buckets().map(|(_, bytes)| bytes).sum::<u64>(), 30_000);
    }

    #[test]
    fn the_ends_of_time_are_times_like_others() {
        let mut timeline = Timeline::default();
        for at in [-1, i64::MIN, 0, i64::MAX].into_iter().chain((0..400).map(|n| n << 54)) {
            timeline.add_bytes(Timestamp(at), 1);
        }
        assert_eq!(timeline.without_timestamp(), 2);
        assert_eq!(timeline.buckets().map(|(_, bytes)| bytes).sum::<u64>(), 402);
    }
}
