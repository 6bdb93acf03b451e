//! Leader epochs of batches: they do not go back, and `leader-epoch-checkpoint` knows them
//! (`LeaderEpochFileCache`).

use std::path::PathBuf;

use super::finding::{Finding, Findings, Severity};
use crate::segment::{EpochEntry, LEADER_EPOCHS, PartitionDir};
use crate::units::Offset;

/// The rule.
const RULE: &str = "leader-epoch";

/// The leader epochs of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochRange {
    /// That of its first batch that has one, and where that is.
    pub first: (i32, Offset),
    /// The largest.
    pub last: i32,
}

/// Hears of the batches of a segment; one finding of each kind is enough.
pub struct EpochCheck<'a> {
    entries: &'a [EpochEntry],
    range: Option<EpochRange>,
    said_other: bool,
    said_back: bool,
}

impl<'a> EpochCheck<'a> {
    /// No batch yet.
    pub fn begin(entries: &'a [EpochEntry]) -> EpochCheck<'a> {
        EpochCheck { entries, range: None, said_other: false, said_back: false }
    }

    /// The next batch: what is odd about it.
    pub fn batch(&mut self, at: Offset, epoch: i32) -> Option<(Severity, String)> {
        if epoch < 0 {
            return None; // older than leader epochs, or cleaned from such
        }
        let first = EpochRange { first: (epoch, at), last: epoch };
        let range = self.range.get_or_insert(first);
        let before = range.last;
        range.last = before.max(epoch);
        if epoch < before && !self.said_back {
            self.said_back = true;
            return Some((Severity::Warning, gone_back(epoch, before)));
        }
        let below = self.entries.partition_point(|entry| entry.start_offset <= at);
        let entry = below.checked_sub(1).and_then(|index| self.entries.get(index));
        let entry = entry.filter(|entry| entry.epoch != epoch && !self.said_other)?;
        self.said_other = true;
        let text = format!(
            "the batch is of leader epoch {epoch}, leader-epoch-checkpoint says {} there",
            entry.epoch
        );
        Some((Severity::Warning, text))
    }

    /// What epochs there were.
    pub fn range(&self) -> Option<EpochRange> {
        self.range
    }
}

/// What is odd about a batch of an epoch that is over.
pub fn gone_back(epoch: i32, before: i32) -> String {
    format!("the batch is of leader epoch {epoch}, behind one of {before}")
}

/// What only shows across segments: epochs that go back from one to the next, and entries of
/// `leader-epoch-checkpoint` that no broker would leave there.
pub fn finish(
    dir: &PartitionDir,
    entries: &[EpochEntry],
    ranges: &[(PathBuf, EpochRange)],
    log_end: Offset,
    found: &mut Findings,
) {
    let mut largest = i32::MIN;
    for (path, range) in ranges {
        let (epoch, at) = range.first;
        if epoch < largest {
            let text = gone_back(epoch, largest);
            found.push(Finding::about(RULE, Severity::Warning, path, text).of(at));
        }
        largest = largest.max(range.last);
    }
    let path = dir.file(LEADER_EPOCHS);
    for entry in entries.iter().filter(|entry| entry.start_offset > log_end) {
        let text = format!(
            "epoch {} begins at {}, behind the log end {log_end}; a broker removes the entry",
            entry.epoch, entry.start_offset
        );
        let finding = Finding::about(RULE, Severity::Warning, &path, text);
        found.push(finding.of(entry.start_offset));
    }
    let (Some(entry), Some((_, range))) = (entries.first(), ranges.first()) else { return };
    let (epoch, at) = range.first;
    // In front of the log's start, entries are removed and batches may be left.
    let start = dir.log_start_by_checkpoint();
    if at >= entry.start_offset || start.is_some_and(|start| start >= entry.start_offset) {
        return;
    }
    let severity = if start.is_some() { Severity::Warning } else { Severity::Info };
    let text = format!(
        "the first entry begins at {}, but the batch at {at} is of epoch {epoch}",
        entry.start_offset
    );
    found.push(Finding::about(RULE, severity, &path, text).of(at));
}
