//! The statistics as plain data, as `--json` shows them. `schema_version` 1: fields are only ever
//! added.

use std::path::PathBuf;

use serde::Serialize;

use super::key_text::KeyText;
use super::tally::Tally;
use crate::report::RunOutcome;
use crate::units::{Offset, Position, Timestamp};

/// How keys were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Each of them.
    Exact,
    /// By HyperLogLog and by counters that are bounds.
    Estimate,
    /// Some partitions the one way, some the other.
    Mixed,
    /// Not at all.
    None,
}

impl Method {
    /// Of two parts together; of one that was not counted nothing can be said.
    pub fn and(self, other: Method) -> Method {
        match (self, other) {
            (Method::None, known) | (known, Method::None) => known,
            (one, same) if one == same => one,
            _ => Method::Mixed,
        }
    }
}

/// One of the heaviest keys of a partition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopKey {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: Option<i32>,
    /// The key; its first 256 bytes if it is longer. Null if it could not be read again.
    pub key: Option<KeyText>,
    /// How long it is.
    pub key_bytes: u64,
    /// Records with this key, at least; null where only bytes were counted.
    pub records: Option<u64>,
    /// And at most; the same unless estimated.
    pub records_at_most: Option<u64>,
    /// Bytes of key and value in these records, at least; null where only records were counted.
    pub bytes: Option<u64>,
    /// And at most; the same unless estimated.
    pub bytes_at_most: Option<u64>,
}

/// The keys of a partition, or of several: a key in two partitions counts twice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyStats {
    /// How they were counted.
    pub method: Method,
    /// How many there are; null if not counted.
    pub distinct: Option<u64>,
    /// At least so many: the same, or two standard errors less.
    pub distinct_at_least: Option<u64>,
    /// At most so many: the same, or two standard errors more.
    pub distinct_at_most: Option<u64>,
    /// The keys with the most records.
    pub top_by_records: Vec<TopKey>,
    /// The keys with the most bytes.
    pub top_by_bytes: Vec<TopKey>,
}

impl Default for KeyStats {
    fn default() -> KeyStats {
        KeyStats {
            method: Method::None,
            distinct: None,
            distinct_at_least: None,
            distinct_at_most: None,
            top_by_records: Vec::new(),
            top_by_bytes: Vec::new(),
        }
    }
}

impl KeyStats {
    /// Those of several partitions.
    pub(super) fn of<'a>(parts: impl Iterator<Item = &'a KeyStats>, top: usize) -> KeyStats {
        let mut all = KeyStats::default();
        let sum = |a: Option<u64>, b: Option<u64>| a.map_or(b, |a| Some(a + b.unwrap_or(0)));
        for part in parts {
            all.method = all.method.and(part.method);
            all.distinct = sum(all.distinct, part.distinct);
            all.distinct_at_least = sum(all.distinct_at_least, part.distinct_at_least);
            all.distinct_at_most = sum(all.distinct_at_most, part.distinct_at_most);
            all.top_by_records.extend(part.top_by_records.iter().cloned());
            all.top_by_bytes.extend(part.top_by_bytes.iter().cloned());
        }
        // Stable: among equals the order of partitions, and of their logs, decides.
        all.top_by_records.sort_by_key(|key| std::cmp::Reverse(key.records));
        all.top_by_bytes.sort_by_key(|key| std::cmp::Reverse(key.bytes));
        all.top_by_records.truncate(top);
        all.top_by_bytes.truncate(top);
        all
    }
}

/// Cleanable bytes as Kafka's cleaner sees them (`LogToClean`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Dirty {
    /// Bytes of segments that begin below the first dirty offset.
    pub clean_bytes: u64,
    /// Bytes of segments from there to the first that may not be cleaned.
    pub dirty_bytes: u64,
    /// Bytes of segments behind it: the active one, and what an open transaction holds up.
    pub uncleanable_bytes: u64,
    /// Dirty bytes over clean and dirty bytes.
    pub ratio: f64,
}

impl Dirty {
    /// With the ratio that its bytes make.
    pub fn with_ratio(mut self) -> Dirty {
        let whole = self.clean_bytes + self.dirty_bytes;
        self.ratio = if whole == 0 { 0.0 } else { self.dirty_bytes as f64 / whole as f64 };
        self
    }

    /// Adds another part's bytes.
    pub fn add(&mut self, other: &Dirty) {
        self.clean_bytes += other.clean_bytes;
        self.dirty_bytes += other.dirty_bytes;
        self.uncleanable_bytes += other.uncleanable_bytes;
        *self = self.with_ratio();
    }
}

/// What a compaction would save, as `compact --dry-run` says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Savings {
    /// What would become of the partition; null of several.
    pub outcome: Option<crate::report::PartitionOutcome>,
    /// Why, unless it was compacted.
    pub reason: Option<String>,
    /// Records that would go.
    pub records: u64,
    /// Bytes that would go; below 0 if what is rebuilt is larger.
    pub bytes: i64,
    /// Those bytes as a percentage of all bytes of the logs.
    pub percent: f64,
    /// Bytes of all logs afterwards.
    pub bytes_after: u64,
}

impl Savings {
    /// With the percentage and the rest that the bytes of the logs make.
    pub fn of_bytes(mut self, bytes: u64) -> Savings {
        let kept = i128::from(bytes) - i128::from(self.bytes);
        self.bytes_after = u64::try_from(kept).unwrap_or(0);
        self.percent = if bytes == 0 { 0.0 } else { self.bytes as f64 * 100.0 / bytes as f64 };
        self
    }
}

/// A transaction that has data and no marker.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenTxn {
    /// Its producer.
    pub producer_id: i64,
    /// Its first offset.
    pub first_offset: Offset,
    /// The timestamp of its first batch, in ms.
    pub since_ms: Timestamp,
    /// The same as RFC 3339.
    pub since: Option<String>,
}

/// A stretch that is no sound batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DamagedRange {
    /// The segment's file name.
    pub segment: String,
    /// Where it starts.
    pub position: Position,
    /// How far it reaches.
    pub size: u64,
    /// What is wrong.
    pub reason: String,
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SegmentStats {
    /// Its base offset.
    pub base_offset: Offset,
    /// Whether a broker would append to it.
    pub active: bool,
    /// Bytes of its log.
    pub bytes: u64,
    /// Sound batches.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// From the first to the last moment of its records.
    pub time_span: super::tally::TimeSpan,
    /// When its log was last written, in ms.
    pub modified_ms: i64,
}

/// What became of reading a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PartitionOutcome {
    /// All of it was read.
    Ok,
    /// Some of it is damaged, and not in the numbers.
    Damaged,
    /// It could not be read, or not to its end.
    Failed,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartitionStats {
    /// The topic; of a directory that is not named like a partition, its name.
    pub topic: String,
    /// The partition; null of a directory that is not named like one.
    pub partition: Option<i32>,
    /// The topic's id, from `partition.metadata`.
    pub topic_id: Option<String>,
    /// Where it was read.
    #[serde(serialize_with = "crate::report::path")]
    pub source: PathBuf,
    /// Whether another directory that was read is of the same name.
    #[serde(skip)]
    pub has_namesake: bool,
    /// What became of it.
    pub outcome: PartitionOutcome,
    /// Why it failed.
    pub reason: Option<String>,
    /// The first offset that readers get.
    pub log_start_offset: Offset,
    /// The offset behind the last record.
    pub log_end_offset: Offset,
    /// The first offset that an open transaction leaves undecided, or the log end.
    pub last_stable_offset: Offset,
    /// Where the last cleaning ended, or the log start.
    pub first_dirty_offset: Offset,
    /// The latest of its leader epochs.
    pub leader_epoch: Option<i32>,
    /// What adds up.
    #[serde(flatten)]
    pub tally: Tally,
    /// Its keys.
    pub keys: KeyStats,
    /// What the cleaner has to do.
    pub dirty: Dirty,
    /// What that would save; null if not asked.
    pub savings: Option<Savings>,
    /// The transactions without a marker, the first first; at most 1000.
    pub open_transactions: Vec<OpenTxn>,
    /// Its segments.
    pub segment_list: Vec<SegmentStats>,
    /// What is damaged; at most 1000 ranges.
    pub damage: Vec<DamagedRange>,
    /// What else the operator should know.
    pub warnings: Vec<String>,
}

impl PartitionStats {
    /// What it is called: where it lies, if its name would not tell it from another.
    pub fn name(&self) -> String {
        match self.partition {
            _ if self.has_namesake => self.source.display().to_string(),
            Some(number) => format!("{}-{number}", self.topic),
            None => self.topic.clone(),
        }
    }
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopicStats {
    /// Its name.
    pub topic: String,
    /// Its id.
    pub topic_id: Option<String>,
    /// Its partitions that are here.
    pub partitions: u64,
    /// What adds up.
    #[serde(flatten)]
    pub tally: Tally,
    /// Its keys.
    pub keys: KeyStats,
    /// What the cleaner has to do.
    pub dirty: Dirty,
    /// What that would save; null if not asked.
    pub savings: Option<Savings>,
}

/// All topics.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Totals {
    /// Topics.
    pub topics: u64,
    /// Partitions.
    pub partitions: u64,
    /// Partitions that could not be read.
    pub partitions_failed: u64,
    /// What adds up.
    #[serde(flatten)]
    pub tally: Tally,
    /// All keys.
    pub keys: KeyStats,
    /// What the cleaner has to do.
    pub dirty: Dirty,
    /// What that would save; null if not asked.
    pub savings: Option<Savings>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatsReport {
    /// 1.
    pub schema_version: u32,
    /// `logcompact`.
    pub tool: &'static str,
    /// Its version.
    pub version: &'static str,
    /// `stats`.
    pub command: &'static str,
    /// When the run began, in ms since 1970.
    pub started_ms: u64,
    /// How long it took.
    pub elapsed_ms: u64,
    /// The clock that the savings go by.
    pub now_ms: Timestamp,
    /// Whether the savings count the active segment too.
    pub include_active: bool,
    /// Worker threads.
    pub threads: usize,
    /// What `--memory` allowed.
    pub memory_limit_bytes: u64,
    /// The most memory that the process was seen to hold, mapped files left out.
    pub peak_memory_bytes: u64,
    /// `problems` if something is damaged or could not be read.
    pub outcome: RunOutcome,
    /// By topic and partition.
    pub partitions: Vec<PartitionStats>,
    /// By name.
    pub topics: Vec<TopicStats>,
    /// Of all.
    pub totals: Totals,
    /// What was wrong beside the partitions.
    pub warnings: Vec<String>,
}
