//! The report of a compaction: one object for the run, one for each partition, the same counters
//! in both. Merging is addition. `schema_version` 1: fields are only ever added.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::RoundReport;
use super::erased::Erased;
use crate::units::{Offset, Position, Timestamp};

/// What became of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PartitionOutcome {
    /// Its range was cleaned.
    Compacted,
    /// There was nothing to clean; it was carried over as it is.
    Unchanged,
    /// A setting says that it is not to be cleaned; it was carried over as it is.
    Skipped,
    /// It was not compacted, but its batches were rewritten: keys erased, bodies encoded anew,
    /// segments cut anew.
    Rewritten,
    /// It was left alone and is not in the output.
    Failed,
}

/// Records that are gone, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Removed {
    /// Another record of the same key survives; under `offset` a later one.
    pub superseded: u64,
    /// Tombstones behind their delete horizon.
    pub tombstones: u64,
    /// Data of aborted transactions.
    pub aborted: u64,
    /// Records without a key.
    pub null_key: u64,
    /// Markers with nothing left to mark.
    pub control: u64,
    /// Records of keys that were to be erased.
    pub erased: u64,
    /// Records of damaged batches.
    pub damaged: u64,
    /// Records in segments that retention dropped.
    pub retention: u64,
}

impl Removed {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.superseded
            + self.tombstones
            + self.aborted
            + self.null_key
            + self.control
            + self.erased
            + self.damaged
            + self.retention
    }
}

/// The counters of the cleaned range, and of the segments that were rewritten beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Segments of the range before.
    pub segments_before: u64,
    /// And after.
    pub segments_after: u64,
    /// Of these, in place, the ones that came out as they went in, whose files were left alone.
    pub segments_untouched: u64,
    /// Log bytes of the range before.
    pub bytes_before: u64,
    /// And after.
    pub bytes_after: u64,
    /// Batches of the range before.
    pub batches_before: u64,
    /// And after.
    pub batches_after: u64,
    /// Records of the range, markers included.
    pub records_read: u64,
    /// Records that stay, markers included.
    pub records_kept: u64,
    /// Distinct keys.
    pub distinct_keys: u64,
    /// Records that are gone; with those kept they are all that were read.
    pub removed: Removed,
    /// Tombstones among the kept records.
    pub tombstones_kept: u64,
    /// Batches whose bytes stay as they were.
    pub batches_copied: u64,
    /// Batches rebuilt from the records that stay.
    pub batches_rewritten: u64,
    /// Batches that are gone.
    pub batches_removed: u64,
    /// Batches of which only the header stays.
    pub batches_emptied: u64,
    /// Superseded records that lie behind the one that survives, or hides them.
    pub late_records: u64,
    /// Records with a header of the strategy's name that is no version.
    pub bad_version_headers: u64,
    /// Records that were dropped with damage from segments behind the range, which are carried over
    /// without it; they are in no other counter.
    pub records_dropped_outside: u64,
    /// And bytes of log.
    pub bytes_dropped_outside: u64,
    /// What files of replaced segments, which are left as `.deleted` in place, take up.
    pub bytes_left_deleted: u64,
}

impl Counters {
    /// Adds the counters of another part.
    pub fn add(&mut self, other: &Counters) {
        let sums = [
            (&mut self.segments_before, other.segments_before),
            (&mut self.segments_after, other.segments_after),
            (&mut self.segments_untouched, other.segments_untouched),
            (&mut self.bytes_before, other.bytes_before),
            (&mut self.bytes_after, other.bytes_after),
            (&mut self.batches_before, other.batches_before),
            (&mut self.batches_after, other.batches_after),
            (&mut self.records_read, other.records_read),
            (&mut self.records_kept, other.records_kept),
            (&mut self.distinct_keys, other.distinct_keys),
            (&mut self.removed.superseded, other.removed.superseded),
            (&mut self.removed.tombstones, other.removed.tombstones),
            (&mut self.removed.aborted, other.removed.aborted),
            (&mut self.removed.null_key, other.removed.null_key),
            (&mut self.removed.control, other.removed.control),
            (&mut self.removed.erased, other.removed.erased),
            (&mut self.removed.damaged, other.removed.damaged),
            (&mut self.removed.retention, other.removed.retention),
            (&mut self.tombstones_kept, other.tombstones_kept),
            (&mut self.batches_copied, other.batches_copied),
            (&mut self.batches_rewritten, other.batches_rewritten),
            (&mut self.batches_removed, other.batches_removed),
            (&mut self.batches_emptied, other.batches_emptied),
            (&mut self.late_records, other.late_records),
            (&mut self.bad_version_headers, other.bad_version_headers),
            (&mut self.records_dropped_outside, other.records_dropped_outside),
            (&mut self.bytes_dropped_outside, other.bytes_dropped_outside),
            (&mut self.bytes_left_deleted, other.bytes_left_deleted),
        ];
        for (sum, value) in sums {
            // What a report of another run says may be anything.
            *sum = sum.saturating_add(value);
        }
    }
}

/// A damaged stretch of a segment and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The segment's file name.
    pub segment: String,
    /// Where it starts.
    pub position: Position,
    /// How far it reaches, in bytes.
    pub size: u64,
    /// What is wrong.
    pub reason: String,
    /// What was done.
    pub action: &'static str,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartitionReport {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Where it was read.
    #[serde(serialize_with = "crate::report::path")]
    pub source: PathBuf,
    /// Where it was written; null if it was not.
    #[serde(serialize_with = "crate::report::optional_path")]
    pub destination: Option<PathBuf>,
    /// What became of it.
    pub outcome: PartitionOutcome,
    /// Why, unless it was compacted.
    pub reason: Option<String>,
    /// The first offset of the range.
    pub log_start_offset: Offset,
    /// Where the last cleaning ended.
    pub first_dirty_offset: Offset,
    /// The offset behind the range.
    pub end_offset: Offset,
    /// The offset behind the last record.
    pub log_end_offset: Offset,
    /// The first offset that an open transaction leaves undecided.
    pub last_stable_offset: Offset,
    /// The counters.
    #[serde(flatten)]
    pub counters: Counters,
    /// How often the range was read for the vote.
    pub passes: u32,
    /// Each record that was erased, as evidence.
    pub erased: Erased,
    /// Records of keys that were to be erased in segments that were left as they are.
    pub records_not_erased: u64,
    /// Damaged stretches.
    pub damage: Vec<Damage>,
    /// The round that this was; null if there are to be no others.
    pub round: Option<RoundReport>,
    /// Where the log in the output starts, if its rounds know that it may hold records in front of
    /// that.
    #[serde(skip)]
    pub kept_start: Option<Offset>,
    /// What else the operator should know.
    pub warnings: Vec<String>,
    /// How long it took.
    pub elapsed_ms: u64,
}

impl PartitionReport {
    /// Whether anything of it was written.
    pub fn is_written(&self) -> bool {
        self.destination.is_some() && self.round.as_ref().is_none_or(|round| !round.is_idle())
    }
}

/// One of the runs into which a plan has cut a compaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitOfPlan {
    /// The plan's `id`.
    pub plan: String,
    /// The number of the unit.
    pub number: usize,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunReport {
    /// 1.
    pub schema_version: u32,
    /// `logcompact`.
    pub tool: &'static str,
    /// Its version.
    pub version: &'static str,
    /// `compact`.
    pub command: &'static str,
    /// When the run began, in ms since 1970.
    pub started_ms: u64,
    /// How long it took.
    pub elapsed_ms: u64,
    /// The clock that the rules went by.
    pub now_ms: Timestamp,
    /// Which record of a key survives.
    pub strategy: String,
    /// Worker threads.
    pub threads: usize,
    /// What `--memory` allowed.
    pub memory_limit_bytes: u64,
    /// The most memory that the process was seen to hold, mapped files left out.
    pub peak_memory_bytes: u64,
    /// Nothing was written.
    pub dry_run: bool,
    /// The source itself was rewritten.
    pub in_place: bool,
    /// Which unit of which plan this was; null, if it was a compaction as a whole.
    pub unit: Option<UnitOfPlan>,
    /// How many keys were to be erased.
    pub keys_to_erase: u64,
    /// How many of them no record had.
    pub keys_not_found: u64,
    /// Partitions that lie in the output folder, by name, and were not searched for these keys:
    /// the run had nothing of them, or left them alone.
    pub not_searched_for_keys: Vec<String>,
    /// The active segment was cleaned too.
    pub include_active: bool,
    /// `ok`, or `problems` if a partition was left out.
    pub outcome: RunOutcome,
    /// What ended a run in place early, or failed a partition of it; else null.
    pub failure: Option<String>,
    /// Whether files beside the partitions of the output were written.
    #[serde(skip)]
    pub changed_beside: bool,
    /// By topic and partition.
    pub partitions: Vec<PartitionReport>,
    /// The counters of all partitions, added up.
    pub totals: Counters,
}

impl RunReport {
    /// Whether all was done, and nothing is wrong with the data.
    pub fn is_ok(&self) -> bool {
        self.outcome == RunOutcome::Ok && self.failure.is_none()
    }

    /// Whether the output folder is as it was: there was nothing to do for any partition, or it
    /// was refused to go on with its rounds.
    pub fn left_output_alone(&self) -> bool {
        let is_as_it_was = |p: &PartitionReport| !p.is_written() && p.round.is_some();
        !self.partitions.is_empty() && self.partitions.iter().all(is_as_it_was)
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunOutcome {
    /// All partitions are in the output.
    Ok,
    /// At least one was left out.
    Problems,
}
