//! `.timeindex`: the largest timestamp so far and the offset that has it (`TimeIndex`).
//!
//! Entries ascend in both fields; one more is written when the segment is closed.

use super::index_entries::{Entries, Entry};
use crate::bytes::Cursor;
use crate::units::{Offset, Timestamp};

/// The size of an entry.
pub const TIME_ENTRY_BYTES: usize = 12;

/// One entry: no record up to `offset` has a timestamp above this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeEntry {
    /// The largest timestamp so far.
    pub timestamp: Timestamp,
    /// The last offset of the batch that has it.
    pub offset: Offset,
}

impl Entry for TimeEntry {
    const SIZE_BYTES: usize = TIME_ENTRY_BYTES;
    const ZERO_COUNTS_ALONE: bool = true;

    fn read(bytes: &[u8], base: Offset) -> Option<TimeEntry> {
        let mut cursor = Cursor::new(bytes);
        let (timestamp, relative) = (cursor.i64().ok()?, cursor.i32().ok()?);
        let offset = Offset(base.0.saturating_add(i64::from(relative)));
        Some(TimeEntry { timestamp: Timestamp(timestamp), offset })
    }
}

/// A read time index.
#[derive(Clone, Debug, Default)]
pub struct TimeIndex {
    /// The entries in file order.
    pub entries: Vec<TimeEntry>,
    /// Whether the file holds whole entries only.
    pub whole: bool,
}

impl TimeIndex {
    /// Reads the bytes of a `.timeindex` whose segment begins at `base`.
    pub fn parse(bytes: &[u8], base: Offset) -> TimeIndex {
        let entries = Entries::of(bytes, base).iter().collect();
        TimeIndex { entries, whole: bytes.len().is_multiple_of(TIME_ENTRY_BYTES) }
    }
}

/// Builds a time index: the entry that goes with each offset index entry, and a last one.
#[derive(Clone, Debug)]
pub struct TimeIndexBuilder {
    base: Offset,
    largest: TimeEntry,
    last_written: Timestamp,
    bytes: Vec<u8>,
}

impl TimeIndexBuilder {
    /// For a segment that begins at `base`.
    pub fn new(base: Offset) -> TimeIndexBuilder {
        let largest = TimeEntry { timestamp: Timestamp::NONE, offset: base };
        TimeIndexBuilder { base, largest, last_written: Timestamp::NONE, bytes: Vec::new() }
    }

    /// Goes on behind `entries`, in a segment whose largest timestamp so far is `largest`.
    pub fn resume(base: Offset, entries: &[TimeEntry], largest: TimeEntry) -> TimeIndexBuilder {
        let mut builder = TimeIndexBuilder::new(base);
        for entry in entries {
            builder.largest = *entry;
            builder.entry();
        }
        builder.largest = largest;
        builder
    }

    /// How many entries it has.
    pub fn entries(&self) -> usize {
        self.bytes.len() / TIME_ENTRY_BYTES
    }

    /// Takes note of a batch's largest timestamp; of equal ones the first counts.
    pub fn batch(&mut self, max_timestamp: Timestamp, last_offset: Offset) {
        if max_timestamp > self.largest.timestamp {
            self.largest = TimeEntry { timestamp: max_timestamp, offset: last_offset };
        }
    }

    /// Writes an entry for what was noted, if it is above the last one written.
    pub fn entry(&mut self) {
        if self.largest.timestamp > self.last_written {
            let relative = self.largest.offset.distance_from(self.base) as u32;
            self.bytes.extend_from_slice(&self.largest.timestamp.0.to_be_bytes());
            self.bytes.extend_from_slice(&relative.to_be_bytes());
            self.last_written = self.largest.timestamp;
        }
    }

    /// Writes the last entry and gives the bytes of the file.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry();
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_timestamps_the_first_batch_has_the_entry() {
        let mut builder = TimeIndexBuilder::new(Offset(10));
        builder.batch(Timestamp(7), Offset(12));
        builder.batch(Timestamp(7), Offset(15));
        builder.batch(Timestamp(3), Offset(18));
        let index = TimeIndex::parse(&builder.finish(), Offset(10));
        assert_eq!(index.entries, [TimeEntry { timestamp: Timestamp(7), offset: Offset(12) }]);
    }

    #[test]
    fn a_log_without_timestamps_has_no_entries() {
        let mut builder = TimeIndexBuilder::new(Offset(0));
        builder.batch(Timestamp::NONE, Offset(3));
        assert!(builder.finish().is_empty());
    }
}
