//! What one compaction of a partition will do, as a value: range, groups, or why nothing.
//!
//! 1. Retention (`delete` policy) takes whole segments off the front.
//! 2. The range ends at the first of: the last stable offset, the active segment, the first
//!    segment younger than the lag; moved down to a segment border (`LogToClean` in Kafka).
//! 3. The dirty ratio may say that it is not worth it (`LogCleanerManager`).
//! 4. Neighbouring segments are grouped while they fit into one
//!    (`Cleaner.groupSegmentsBySize`).

use std::ops::Range;

use super::look::{Survey, modified_ms};
use super::policy::{Policy, TopicConfig};
use crate::error::Result;
use crate::segment::{Segment, believed_log_start};
use crate::units::{Offset, Timestamp};

/// The decision about one partition. Segment numbers count from 0 in log order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Segments that retention drops, from the front.
    pub retired: usize,
    /// The log start offset after retention.
    pub log_start: Offset,
    /// Where the last cleaning ended, or the log start.
    pub first_dirty: Offset,
    /// The offset behind the cleaned range; a segment border.
    pub end: Offset,
    /// Segments `retired..cleaned` are in the range.
    pub cleaned: usize,
    /// Which segments become one, in order; together they are the range.
    pub groups: Vec<Range<usize>>,
    /// Which segments behind the range are rewritten though they are not cleaned; what becomes one
    /// or is cut anew together.
    pub reworked: Vec<Range<usize>>,
    /// Magic 0/1 tombstones go from segments modified no later than this: the modification time
    /// of the last segment below the log start, less `delete.retention.ms`; 0 without one.
    pub legacy_horizon: Timestamp,
    /// Why the range is empty; `None` if it is not.
    pub nothing_because: Option<NothingToClean>,
}

/// Why a partition is carried over as it is.
#[derive(Clone, Debug, PartialEq)]
pub enum NothingToClean {
    /// There is no record at all.
    NoRecords,
    /// All records are in the active segment.
    OnlyActive,
    /// A transaction without a marker begins within the first segment.
    OpenTransaction(Offset),
    /// The log starts behind the range.
    BelowLogStart(Offset),
    /// Nothing lies in front of the offset that it was to be compacted to.
    Bounded(Offset),
    /// The first segment is younger than `min.compaction.lag.ms`.
    TooYoung,
    /// Not dirtier than `min.cleanable.dirty.ratio`.
    NotDirty {
        /// Cleanable bytes over clean and cleanable bytes.
        ratio: f64,
        /// The setting.
        least: f64,
    },
    /// `cleanup.policy` has no `compact`.
    NotCompacted,
}

impl NothingToClean {
    /// Whether a setting asked for this, rather than the state of the log.
    pub fn is_by_policy(&self) -> bool {
        matches!(self, NothingToClean::NotDirty { .. } | NothingToClean::NotCompacted)
    }
}

impl std::fmt::Display for NothingToClean {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NothingToClean::NoRecords => write!(f, "0 cleanable segments (no records)"),
            NothingToClean::OnlyActive => {
                write!(f, "0 cleanable segments (active segment excluded)")
            }
            NothingToClean::OpenTransaction(offset) => write!(
                f,
                "0 cleanable segments (a transaction without a marker begins at offset {offset}, \
                 in the first segment)"
            ),
            NothingToClean::BelowLogStart(start) => {
                write!(f, "0 cleanable segments (the log starts behind them, at offset {start})")
            }
            NothingToClean::Bounded(bound) => {
                write!(f, "0 cleanable segments (none of --to-offset in front of offset {bound})")
            }
            NothingToClean::TooYoung => {
                write!(f, "0 cleanable segments (younger than min.compaction.lag.ms)")
            }
            NothingToClean::NotDirty { ratio, least } => {
                write!(f, "dirty ratio {ratio:.3} is not above {least}")
            }
            NothingToClean::NotCompacted => write!(f, "cleanup.policy is not compact"),
        }
    }
}

/// What the log directory knows of a partition, and what its transactions say.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// From `log-start-offset-checkpoint`.
    pub log_start: Option<Offset>,
    /// From `cleaner-offset-checkpoint`.
    pub first_dirty: Option<Offset>,
    /// First offset of the earliest open transaction.
    pub first_undecided: Option<Offset>,
    /// Nothing from there on is to be cleaned; a segment border.
    pub bound: Option<Offset>,
    /// Bytes in front of this log that were cleaned in earlier rounds.
    pub clean_bytes: u64,
}

impl Plan {
    /// Decides about the log that `surveys` describe; there is at least one segment.
    ///
    /// # Errors
    /// The system's, from reading index sizes.
    pub fn make(surveys: &[Survey], known: &Known, policy: &Policy) -> Result<Plan> {
        let topic = &policy.topic;
        let first_base = surveys.first().map_or(Offset(0), |survey| survey.segment.base);
        let log_end = surveys.last().map_or(first_base, |survey| survey.next_offset);
        let retired = retired_by_retention(surveys, topic, policy.now);
        let front = surveys.get(retired).map_or(log_end, |survey| survey.segment.base);
        let log_start = believed_log_start(known.log_start, front, log_end);
        let first_dirty = known.first_dirty.filter(|o| (log_start..=log_end).contains(o));
        let first_dirty = first_dirty.unwrap_or(log_start);

        let (cleaned, bound) = first_uncleanable(surveys, retired, known, policy);
        let end = surveys.get(cleaned).map_or(log_end, |survey| survey.segment.base);
        let mut plan = Plan {
            retired,
            log_start,
            first_dirty,
            end,
            cleaned,
            groups: Vec::new(),
            reworked: Vec::new(),
            legacy_horizon: legacy_horizon(surveys, log_start, topic),
            nothing_because: None,
        };
        let nothing = if !topic.cleanup.compact {
            Some(NothingToClean::NotCompacted)
        } else if cleaned == retired {
            Some(bound)
        } else if log_start >= end {
            // As in Kafka: there is no key whose newest record could be known.
            Some(NothingToClean::BelowLogStart(log_start))
        } else {
            plan.not_dirty(surveys, known, policy)
        };
        if let Some(nothing) = nothing {
            plan.cleaned = retired;
            plan.end = front;
            plan.nothing_because = Some(nothing);
        } else {
            let range = retired..cleaned;
            plan.groups = if policy.rewrites.segments_anew {
                vec![range]
            } else {
                group(surveys, range, end, topic)?
            };
        }
        Ok(plan)
    }

    /// The segments of the range.
    pub fn range(&self) -> Range<usize> {
        self.retired..self.cleaned
    }

    /// Some of its groups, with segments counted from `first`.
    pub fn groups_counted_from(&self, first: usize, groups: &[Range<usize>]) -> Vec<Range<usize>> {
        let counted = |at: usize| at.saturating_sub(first);
        groups.iter().map(|group| counted(group.start)..counted(group.end)).collect()
    }

    /// Whether a segment is rewritten though it is not in the range.
    pub fn is_reworked(&self, at: usize) -> bool {
        let next = self.reworked.partition_point(|group| group.end <= at);
        self.reworked.get(next).is_some_and(|group| group.contains(&at))
    }

    fn not_dirty(
        &self,
        surveys: &[Survey],
        known: &Known,
        policy: &Policy,
    ) -> Option<NothingToClean> {
        let least = policy.topic.min_cleanable_dirty_ratio;
        if least <= 0.0 {
            return None;
        }
        let range = surveys.get(self.range()).unwrap_or_default();
        let size = |survey: &Survey| survey.segment.size_bytes as f64;
        let below = |survey: &&Survey| survey.segment.base < self.first_dirty;
        // A segment that the checkpoint cuts in two counts on both sides, as in Kafka.
        let dirty = |survey: &&Survey| survey.next_offset > self.first_dirty;
        let clean_bytes =
            range.iter().filter(below).map(size).sum::<f64>() + known.clean_bytes as f64;
        let dirty_bytes: f64 = range.iter().filter(dirty).map(size).sum();
        let ratio = if dirty_bytes > 0.0 { dirty_bytes / (clean_bytes + dirty_bytes) } else { 0.0 };
        let due_before = policy.now.0.saturating_sub(policy.topic.max_compaction_lag_ms);
        let overdue = range.iter().filter(dirty).any(|survey| {
            survey.first_batch_timestamp.0 > 0 && survey.first_batch_timestamp.0 < due_before
        });
        let due = dirty_bytes > 0.0 && (ratio > least || overdue);
        (!due).then_some(NothingToClean::NotDirty { ratio, least })
    }
}

fn legacy_horizon(surveys: &[Survey], log_start: Offset, topic: &TopicConfig) -> Timestamp {
    let below = surveys.iter().take_while(|survey| survey.segment.base < log_start).last();
    legacy_horizon_behind(below.map(|survey| &survey.segment), topic)
}

/// Magic 0/1 tombstones go from segments modified no later than this, where `clean` is the last
/// segment that was cleaned before.
pub fn legacy_horizon_behind(clean: Option<&Segment>, topic: &TopicConfig) -> Timestamp {
    let horizon = |segment: &Segment| {
        modified_ms(segment).plus_ms(topic.delete_retention_ms.saturating_neg())
    };
    clean.map_or(Timestamp(0), horizon)
}

/// How many segments retention takes off the front, never the active one
/// (`UnifiedLog.deleteOldSegments`).
fn retired_by_retention(surveys: &[Survey], topic: &TopicConfig, now: Timestamp) -> usize {
    if !topic.cleanup.delete {
        return 0;
    }
    let inactive = inactive(surveys);
    let too_old = |survey: &Survey| {
        let age_ms = now.0.saturating_sub(survey.age_timestamp().0);
        topic.retention_ms >= 0 && age_ms > topic.retention_ms
    };
    let by_age = surveys.iter().take(inactive).take_while(|survey| too_old(survey)).count();
    if topic.retention_bytes < 0 {
        return by_age;
    }
    let kept: u64 = surveys.iter().skip(by_age).map(|survey| survey.segment.size_bytes).sum();
    let mut excess = kept.saturating_sub(topic.retention_bytes as u64);
    let by_size = surveys
        .iter()
        .take(inactive)
        .skip(by_age)
        .take_while(|survey| {
            let fits = excess >= survey.segment.size_bytes && excess > 0;
            excess = excess.saturating_sub(survey.segment.size_bytes);
            fits
        })
        .count();
    by_age + by_size
}

/// How many segments lie in front of the active one, which may be cut into parts.
pub fn inactive(surveys: &[Survey]) -> usize {
    let Some(last) = surveys.last() else { return 0 };
    let is_active = |survey: &Survey| survey.segment.shares_file_with(&last.segment);
    surveys.iter().rposition(|survey| !is_active(survey)).map_or(0, |at| at + 1)
}

/// The first segment that may not be cleaned, and what to say if that is the very first.
fn first_uncleanable(
    surveys: &[Survey],
    retired: usize,
    known: &Known,
    policy: &Policy,
) -> (usize, NothingToClean) {
    let inactive = inactive(surveys);
    // An active segment without a batch needs no rolling: it stays the active one.
    let rolls = policy.include_active && surveys.last().is_some_and(|active| active.batches > 0);
    let mut cleaned = if rolls { surveys.len() } else { inactive };
    let is_empty = surveys.iter().all(|survey| survey.batches == 0);
    let mut why = if is_empty { NothingToClean::NoRecords } else { NothingToClean::OnlyActive };
    if let Some(undecided) = known.first_undecided {
        let reached = surveys.partition_point(|survey| survey.segment.base <= undecided);
        let holds = reached.saturating_sub(1);
        if holds < cleaned {
            (cleaned, why) = (holds, NothingToClean::OpenTransaction(undecided));
        }
    }
    if let Some(bound) = known.bound {
        let reached = surveys.partition_point(|survey| survey.segment.base < bound);
        if reached < cleaned {
            (cleaned, why) = (reached, NothingToClean::Bounded(bound));
        }
    }
    let lag_ms = policy.topic.min_compaction_lag_ms;
    if lag_ms > 0 {
        let youngest = policy.now.0.saturating_sub(lag_ms);
        let young = |survey: &Survey| survey.age_timestamp().0 > youngest;
        let first_young = surveys.iter().skip(retired).position(young);
        if let Some(young) = first_young.map(|index| index + retired).filter(|i| *i < cleaned) {
            (cleaned, why) = (young, NothingToClean::TooYoung);
        }
    }
    (cleaned.max(retired), why)
}

/// Greedy grouping of neighbours by the sizes before cleaning; the range ends at `end`.
pub fn group(
    surveys: &[Survey],
    range: Range<usize>,
    end: Offset,
    topic: &TopicConfig,
) -> Result<Vec<Range<usize>>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let (mut log_bytes, mut index_bytes, mut time_bytes) = (0, 0, 0);
    for at in range.clone() {
        let Some(survey) = surveys.get(at) else { break };
        let segment = &survey.segment;
        let (index, time) = (segment.offset_index_bytes()?, segment.time_index_bytes()?);
        let next_base = surveys.get(at + 1).filter(|_| at + 1 < range.end);
        let last_offset = next_base.map_or(end, |next| next.segment.base).0 - 1;
        if let Some(open) = groups.last_mut() {
            let base = surveys.get(open.start).map_or(segment.base, |first| first.segment.base);
            let fits = log_bytes + segment.size_bytes <= topic.segment_bytes
                && index_bytes + index <= topic.segment_index_bytes
                && time_bytes + time <= topic.segment_index_bytes
                && (segment.size_bytes == 0 || last_offset - base.0 <= i64::from(i32::MAX));
            if fits {
                open.end = at + 1;
                log_bytes += segment.size_bytes;
                index_bytes += index;
                time_bytes += time;
                continue;
            }
        }
        groups.push(at..at + 1);
        (log_bytes, index_bytes, time_bytes) = (segment.size_bytes, index, time);
    }
    Ok(groups)
}
