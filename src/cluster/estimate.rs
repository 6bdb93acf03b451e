//! How much work a partition is: what there is to read, by the headers of its batches, and about
//! how many keys, by a sample of them.

use std::collections::HashMap;
use std::ops::AddAssign;
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Result;
use crate::format::{BatchHeader, Decoder};
use crate::report::Progress;
use crate::rounds::StateDir;
use crate::segment::{LogFile, PartitionDir, Segment, claimed_records};
use crate::units::Offset;

/// So much log of a partition is looked into for its keys.
const SAMPLE_BYTES: u64 = 8 << 20;
/// What a key takes at the most while it is voted on and indexed (docs/performance.md), and what
/// does not depend on their number.
const KEY_BYTES: u64 = 18;
const LEAST_MEMORY_BYTES: u64 = 64 << 20;

/// How much work something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Segments that are to be read.
    pub segments: u64,
    /// Bytes of their logs.
    pub bytes: u64,
    /// Their records, as the headers of their batches say.
    pub records: u64,
    /// About how many keys these have, by a sample.
    pub distinct_keys: u64,
    /// About how much `--memory` spares a second pass over any of the partitions.
    pub memory_bytes: u64,
}

impl AddAssign for Estimate {
    /// Partitions are compacted one after the other, or share the memory: it does not add up.
    fn add_assign(&mut self, other: Estimate) {
        self.segments = self.segments.saturating_add(other.segments);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.records = self.records.saturating_add(other.records);
        self.distinct_keys = self.distinct_keys.saturating_add(other.distinct_keys);
        self.memory_bytes = self.memory_bytes.max(other.memory_bytes);
    }
}

/// How much work a partition is, of which `destination` may hold the earlier rounds: what these
/// have compacted is not read again.
///
/// # Errors
/// The system's. Damage is no error: what can be read is counted.
pub fn estimate(
    dir: &PartitionDir,
    destination: &Path,
    progress: &dyn Progress,
) -> Result<Estimate> {
    // Whatever is wrong with a state is told by who goes on with it.
    let round = StateDir::within(&dir.disk, destination).current().ok().flatten();
    let watermark = round.map(|round| round.high_watermark);
    let is_read = |number: &usize| {
        let end = dir.segments.get(number + 1).map(|next| next.base);
        watermark.is_none_or(|watermark| end.is_none_or(|end| end > watermark.next()))
    };
    let numbers = (0..dir.segments.len()).filter(is_read);
    let segments: Vec<&Segment> = numbers.filter_map(|number| dir.segments.get(number)).collect();
    let begin = watermark.map_or(Offset(0), Offset::next);
    let mut estimate = Estimate { segments: segments.len() as u64, ..Estimate::default() };
    for segment in &segments {
        let log = segment.log()?;
        estimate.bytes += segment.size_bytes;
        estimate.records += records_from(&log, begin.max(segment.base));
        progress.advance(segment.size_bytes);
    }
    let stride = usize::try_from(estimate.bytes / SAMPLE_BYTES).unwrap_or(usize::MAX).max(1);
    let mut sample = Sample { stride, ..Sample::default() };
    for segment in &segments {
        sample.take(&segment.log()?, begin);
    }
    estimate.distinct_keys = sample.distinct_of(estimate.records);
    let keys_bytes = estimate.distinct_keys.saturating_mul(KEY_BYTES);
    // The estimate is more often too low than too high.
    let keys_bytes = keys_bytes.saturating_add(keys_bytes / 3);
    estimate.memory_bytes = LEAST_MEMORY_BYTES.saturating_add(keys_bytes);
    Ok(estimate)
}

/// The records of the batches that end at `begin` or behind it. A compressed set of magic 0 or 1
/// does not say how many it has: as many as there are offsets since the one before it.
fn records_from(log: &LogFile, begin: Offset) -> u64 {
    let mut next = begin;
    let mut records = 0u64;
    for header in log.batches().flatten().map(|(_, batch)| batch.header) {
        if header.last_offset < begin {
            continue;
        }
        let since = header.last_offset.next().distance_from(next);
        records = records.saturating_add(match header.is_wrapper() {
            true => u64::try_from(since).unwrap_or(1).max(1),
            false => claimed_records(&header),
        });
        next = header.last_offset.next();
    }
    records
}

/// How often each key was met in some of the batches.
#[derive(Default)]
struct Sample {
    /// By hash; two keys that share one are one here.
    met: HashMap<u64, u32>,
    records: u64,
    /// One in so many batches is looked into, whichever segments they are in.
    stride: usize,
    batches: usize,
    decoder: Decoder,
}

impl Sample {
    /// Looks into some of the batches that end at `begin` or behind it.
    fn take(&mut self, log: &LogFile, begin: Offset) {
        let is_data = |header: &BatchHeader| header.last_offset >= begin && !header.is_control();
        let batches = log.batches().flatten().map(|(_, batch)| batch);
        for batch in batches.filter(|batch| is_data(&batch.header)) {
            self.batches += 1;
            if !self.batches.is_multiple_of(self.stride) {
                continue;
            }
            let Ok(records) = self.decoder.records(&batch) else { continue };
            for key in records.map_while(|record| record.ok()).filter_map(|record| record.key) {
                *self.met.entry(xxh3_64(key)).or_default() += 1;
                self.records += 1;
            }
        }
    }

    /// About how many keys there are among `all` records, of which these are some: the first-order
    /// jackknife of Haas and others (VLDB 1995), by how many keys were met but once.
    fn distinct_of(&self, all: u64) -> u64 {
        let (seen, records) = (self.met.len() as f64, self.records as f64);
        let once = self.met.values().filter(|times| **times == 1).count() as f64;
        if self.records == 0 {
            return 0;
        }
        let share = (records / (all as f64).max(records)).min(1.0);
        let about = records * seen / (records - once + once * share).max(1.0);
        (about.round() as u64).clamp(self.met.len() as u64, all.max(self.met.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(times: &[u32]) -> Sample {
        let met = times.iter().enumerate().map(|(key, times)| (key as u64, *times)).collect();
        let records = times.iter().map(|times| u64::from(*times)).sum();
        Sample { met, records, ..Sample::default() }
    }

    #[test]
    fn a_sample_of_all_records_says_how_many_keys_there_are() {
        assert_eq!(sample(&[1, 1, 3, 2]).distinct_of(7), 4);
        assert_eq!(sample(&[]).distinct_of(0), 0);
        assert_eq!(sample(&[]).distinct_of(100), 0);
    }

    #[test]
    fn keys_that_were_met_but_once_speak_of_as_many_as_records_others_of_no_more() {
        assert_eq!(sample(&[1; 100]).distinct_of(10_000), 10_000);
        assert_eq!(sample(&[10; 100]).distinct_of(10_000), 100);
    }
}
