//! What adds up: of a stretch, a segment, a partition, a topic, and all of them.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::histogram::Histogram;
use super::timeline::Timeline;
use crate::units::Timestamp;

/// What one codec packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CodecTally {
    /// Batches.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Their bytes as they lie in the log.
    pub bytes: u64,
    /// Their bytes if nothing were compressed.
    pub plain_bytes: u64,
}

impl CodecTally {
    /// Adds what another one counted.
    pub fn add(&mut self, other: &CodecTally) {
        self.batches += other.batches;
        self.records += other.records;
        self.bytes += other.bytes;
        self.plain_bytes += other.plain_bytes;
    }

    /// How many bytes one byte of the log stands for.
    pub fn ratio(&self) -> Option<f64> {
        (self.bytes > 0).then(|| self.plain_bytes as f64 / self.bytes as f64)
    }
}

/// Transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TxnTally {
    /// Those that have data and were committed.
    pub committed: u64,
    /// Those that have data and were aborted.
    pub aborted: u64,
    /// Markers without data: there was none, or compaction took it.
    pub empty: u64,
    /// Those that have data and no marker.
    pub open: u64,
}

/// From the least to the largest timestamp of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeSpan(pub Option<(i64, i64)>);

impl TimeSpan {
    /// Reaches `at`, unless that is no time.
    #[inline]
    pub fn reach(&mut self, at: Timestamp) {
        if at.0 >= 0 {
            let (from, to) = self.0.unwrap_or((at.0, at.0));
            self.0 = Some((from.min(at.0), to.max(at.0)));
        }
    }

    fn add(&mut self, other: TimeSpan) {
        let both = self.0.into_iter().chain(other.0);
        self.0 = both.reduce(|(a, b), (c, d)| (a.min(c), b.max(d)));
    }
}

impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown {
            from_ms: i64,
            to_ms: i64,
            from: Option<String>,
            to: Option<String>,
        }
        let shown = |(from_ms, to_ms)| Shown {
            from_ms,
            to_ms,
            from: rfc3339(Timestamp(from_ms)),
            to: rfc3339(Timestamp(to_ms)),
        };
        self.0.map(shown).serialize(serializer)
    }
}

/// A moment as RFC 3339 writes it; `None` beyond the years that that knows.
pub fn rfc3339(at: Timestamp) -> Option<String> {
    let moment = jiff::Timestamp::from_millisecond(at.0).ok()?;
    Some(format!("{moment:.3}"))
}

/// What adds up.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    /// Segments.
    pub segments: u64,
    /// Bytes of their logs.
    pub bytes: u64,
    /// Sound batches.
    pub batches: u64,
    /// Batches of which a cleaning left only the header.
    pub emptied_batches: u64,
    /// Records of sound batches, markers included.
    pub records: u64,
    /// Markers, and other records of Kafka's own.
    pub control_records: u64,
    /// Records without a value.
    pub tombstones: u64,
    /// Records without a key.
    pub null_keys: u64,
    /// Records whose key is there and has no bytes.
    pub empty_keys: u64,
    /// Bytes of keys, decompressed.
    pub key_bytes: u64,
    /// Bytes of values, decompressed.
    pub value_bytes: u64,
    /// From the first to the last moment of records.
    pub time_span: TimeSpan,
    /// By the codec's name.
    pub codecs: BTreeMap<&'static str, CodecTally>,
    /// Batches by the magic of their format.
    pub magics: BTreeMap<u8, u64>,
    /// Sizes of batches, as they lie in the log.
    pub batch_bytes: Histogram,
    /// Records a batch.
    pub batch_records: Histogram,
    /// Bytes of batches by their largest timestamp.
    pub bytes_over_time: Timeline,
    /// Transactions.
    pub transactions: TxnTally,
    /// Stretches that are no sound batch.
    pub damaged_ranges: u64,
    /// Their bytes.
    pub damaged_bytes: u64,
    /// Bytes of a write that has not finished, at the end of an active segment.
    pub unfinished_bytes: u64,
}

impl Tally {
    /// Adds what another one counted.
    pub fn add(&mut self, other: &Tally) {
        let sums = [
            (&mut self.segments, other.segments),
            (&mut self.bytes, other.bytes),
            (&mut self.batches, other.batches),
            (&mut self.emptied_batches, other.emptied_batches),
            (&mut self.records, other.records),
            (&mut self.control_records, other.control_records),
            (&mut self.tombstones, other.tombstones),
            (&mut self.null_keys, other.null_keys),
            (&mut self.empty_keys, other.empty_keys),
            (&mut self.key_bytes, other.key_bytes),
            (&mut self.value_bytes, other.value_bytes),
            (&mut self.transactions.committed, other.transactions.committed),
            (&mut self.transactions.aborted, other.transactions.aborted),
            (&mut self.transactions.empty, other.transactions.empty),
            (&mut self.transactions.open, other.transactions.open),
            (&mut self.damaged_ranges, other.damaged_ranges),
            (&mut self.damaged_bytes, other.damaged_bytes),
            (&mut self.unfinished_bytes, other.unfinished_bytes),
        ];
        for (sum, value) in sums {
            *sum += value;
        }
        self.time_span.add(other.time_span);
        for (codec, tally) in &other.codecs {
            self.codecs.entry(codec).or_default().add(tally);
        }
        for (magic, batches) in &other.magics {
            *self.magics.entry(*magic).or_default() += batches;
        }
        self.batch_bytes.add(&other.batch_bytes);
        self.batch_records.add(&other.batch_records);
        self.bytes_over_time.add(&other.bytes_over_time);
    }

    /// Records of users: without markers.
    pub fn data_records(&self) -> u64 {
        self.records - self.control_records
    }
}
