//! The entries of both indexes against the batches, as the log goes by.
//!
//! An `.index` entry (offset, position) is used like this: whoever looks for that offset or a later
//! one starts reading at that position. So the position must be the start of a batch, and the
//! offset must not lie below it. Kafka 4 writes the last offset of that very batch; older brokers
//! wrote one entry for an append of several batches, with the last offset of the last: correct to
//! use, and told apart from a wrong one by being the last offset of some later batch.
//!
//! A `.timeindex` entry (timestamp, offset) says that no record up to that offset is younger, and
//! that the batch with that offset has that timestamp.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::finding::{Finding, Findings, Severity};
use crate::segment::{IndexEntry, OffsetIndex, TimeEntry, TimeIndex};
use crate::units::{Offset, Position, Timestamp};

/// A batch as the indexes know it.
#[derive(Clone, Copy, Debug)]
pub struct IndexedBatch {
    /// Where it starts.
    pub position: Position,
    /// Its first offset.
    pub base_offset: Offset,
    /// Its last offset.
    pub last_offset: Offset,
    /// Its largest timestamp.
    pub max_timestamp: Timestamp,
}

/// Checks an `.index` while its log goes by.
pub struct OffsetIndexCheck {
    path: PathBuf,
    coming: VecDeque<IndexEntry>,
    /// Entries whose offset lies behind their batch: until a later batch ends there.
    ahead: VecDeque<IndexEntry>,
    /// Damaged stretches, in their order: entries for what was in them cannot be checked.
    gaps: Vec<Range<Position>>,
}

impl OffsetIndexCheck {
    /// Checks the entries among themselves and waits for the batches.
    pub fn begin(path: &Path, index: OffsetIndex, base: Offset, found: &mut Findings) -> Self {
        if !index.whole {
            found.push(error("index-size", path, "the file ends inside an entry"));
        }
        let mut last: Option<IndexEntry> = None;
        for entry in &index.entries {
            let falls = last
                .is_some_and(|last| entry.offset <= last.offset || entry.position <= last.position);
            if falls || entry.offset < base {
                let text = format!("the entry for position {} does not ascend", entry.position);
                found.push(error("index-order", path, text).of(entry.offset));
            }
            last = Some(*entry);
        }
        let coming = index.entries.into();
        OffsetIndexCheck { path: path.into(), coming, ahead: VecDeque::new(), gaps: Vec::new() }
    }

    /// A batch goes by.
    pub fn batch(&mut self, batch: &IndexedBatch, found: &mut Findings) {
        while let Some(entry) = self.coming.front().copied() {
            if entry.position > batch.position {
                break;
            }
            self.coming.pop_front();
            if self.is_in_a_gap(&entry) {
                continue;
            }
            if entry.position < batch.position {
                let text = format!("position {} is not the start of a batch", entry.position);
                found.push(error("index-entry", &self.path, text).of(entry.offset));
            } else if entry.offset < batch.base_offset {
                let text = format!(
                    "position {} has the batch {}..={}, behind the entry's offset",
                    entry.position, batch.base_offset, batch.last_offset
                );
                found.push(error("index-entry", &self.path, text).of(entry.offset));
            } else if entry.offset > batch.last_offset {
                self.ahead.push_back(entry);
            } else if entry.offset != batch.last_offset {
                let text = format!(
                    "position {} has a batch that ends at {}, not at the entry's offset",
                    entry.position, batch.last_offset
                );
                found.push(error("index-entry", &self.path, text).of(entry.offset));
            }
        }
        while let Some(entry) = self.ahead.front().copied() {
            if batch.last_offset < entry.offset {
                break;
            }
            self.ahead.pop_front();
            if batch.last_offset == entry.offset {
                let text = "the entry is for an append of several batches, as older brokers wrote";
                let finding = Finding::about("index-append", Severity::Info, &self.path, text);
                found.push(finding.of(entry.offset));
            } else {
                let text = "no batch ends at the entry's offset";
                found.push(error("index-entry", &self.path, text).of(entry.offset));
            }
        }
    }

    /// A damaged stretch goes by: entries for it cannot be checked.
    pub fn damage(&mut self, start: Position, end: Position) {
        self.gaps.push(start..end);
        self.ahead.clear();
    }

    fn is_in_a_gap(&self, entry: &IndexEntry) -> bool {
        let begun = self.gaps.partition_point(|gap| gap.start <= entry.position);
        let last = begun.checked_sub(1).and_then(|at| self.gaps.get(at));
        last.is_some_and(|gap| gap.contains(&entry.position))
    }

    /// The log is over.
    pub fn finish(self, found: &mut Findings) {
        let coming = self.coming.iter().filter(|entry| !self.is_in_a_gap(entry));
        for entry in coming.chain(&self.ahead) {
            let text = format!("the entry (position {}) lies beyond the log", entry.position);
            found.push(error("index-entry", &self.path, text).of(entry.offset));
        }
    }
}

/// Checks a `.timeindex` while its log goes by.
pub struct TimeIndexCheck {
    path: PathBuf,
    coming: VecDeque<TimeEntry>,
    largest: Timestamp,
    last: Option<Timestamp>,
    /// Whether batches were lost to damage, and entries may be about those.
    has_gaps: bool,
}

impl TimeIndexCheck {
    /// Checks the entries among themselves and waits for the batches.
    pub fn begin(path: &Path, index: TimeIndex, base: Offset, found: &mut Findings) -> Self {
        if !index.whole {
            found.push(error("timeindex-size", path, "the file ends inside an entry"));
        }
        let mut last: Option<TimeEntry> = None;
        for entry in &index.entries {
            let falls = last.is_some_and(|last| {
                entry.timestamp <= last.timestamp || entry.offset < last.offset
            });
            if falls || entry.offset < base {
                let text = format!("the entry for timestamp {} does not ascend", entry.timestamp);
                found.push(error("timeindex-order", path, text).of(entry.offset));
            }
            last = Some(*entry);
        }
        TimeIndexCheck {
            path: path.into(),
            last: index.entries.last().map(|entry| entry.timestamp),
            coming: index.entries.into(),
            largest: Timestamp::NONE,
            has_gaps: false,
        }
    }

    /// A damaged stretch goes by: entries for what was in it cannot be checked.
    pub fn damage(&mut self) {
        self.has_gaps = true;
    }

    /// A batch goes by.
    pub fn batch(&mut self, batch: &IndexedBatch, found: &mut Findings) {
        self.largest = self.largest.max(batch.max_timestamp);
        while let Some(entry) = self.coming.front().copied() {
            if entry.offset > batch.last_offset {
                break;
            }
            self.coming.pop_front();
            let is_here = entry.offset >= batch.base_offset;
            let text = if !is_here && self.has_gaps {
                continue;
            } else if !is_here {
                "the entry's offset lies in no batch".to_owned()
            } else if entry.timestamp < self.largest {
                format!(
                    "timestamp {} is below {}, which came before",
                    entry.timestamp, self.largest
                )
            } else if entry.timestamp != batch.max_timestamp {
                format!(
                    "timestamp {} is not that of its batch, {}",
                    entry.timestamp, batch.max_timestamp
                )
            } else {
                continue;
            };
            found.push(error("timeindex-entry", &self.path, text).of(entry.offset));
        }
    }

    /// The log is over; a closed segment's last entry has its largest timestamp.
    pub fn finish(self, is_active: bool, found: &mut Findings) {
        for entry in self.coming.iter().filter(|_| !self.has_gaps) {
            let text = format!("the entry (timestamp {}) lies beyond the log", entry.timestamp);
            found.push(error("timeindex-entry", &self.path, text).of(entry.offset));
        }
        if !is_active && self.largest > self.last.unwrap_or(Timestamp::NONE) {
            let text = format!(
                "the last entry is below the segment's largest timestamp, {}",
                self.largest
            );
            let finding = Finding::about("timeindex-end", Severity::Warning, &self.path, text);
            found.push(finding);
        }
    }
}

fn error(rule: &'static str, path: &Path, text: impl Into<String>) -> Finding {
    Finding::about(rule, Severity::Error, path, text)
}
