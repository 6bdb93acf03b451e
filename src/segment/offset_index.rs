//! `.index`: every few kilobytes of log, which offset lies at which position (`OffsetIndex`).
//!
//! An entry is an offset, relative to the segment's base, and a position where a batch starts: the
//! last offset of that batch or, up to Kafka 3, of all that were appended with it.

use super::index_entries::{Entries, Entry};
use super::{Frontier, LogFile};
use crate::bytes::Cursor;
use crate::error::Result;
use crate::format::{Batch, BatchHeader, HEADER_BYTES};
use crate::units::{Offset, Position};

/// The size of an entry.
pub const INDEX_ENTRY_BYTES: usize = 8;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The last offset of the batch.
    pub offset: Offset,
    /// Where the batch starts in the `.log`.
    pub position: Position,
}

impl IndexEntry {
    /// The header of the batch that starts in `log` where this says, if a sound one is there, and
    /// its offsets do not lie above this one's. Up to Kafka 3 an entry is that of all the batches
    /// that were appended at a time, and its offset the last one's.
    ///
    /// # Errors
    /// The disk's.
    pub fn header_in(&self, log: &LogFile) -> Result<Option<BatchHeader>> {
        if self.position.index().saturating_add(HEADER_BYTES) > log.bytes().len() {
            return Ok(None);
        }
        Frontier::of(log).reach(self.position, HEADER_BYTES)?;
        let rest = log.bytes().get(self.position.index()..).unwrap_or_default();
        let batch = Batch::parse(rest).ok().filter(|batch| batch.check_header().is_ok());
        let header = batch.map(|batch| batch.header);
        Ok(header.filter(|header| (log.base()..=self.offset).contains(&header.last_offset)))
    }

    /// Whether `batch`, which starts in `log` where this says, may be one that it is of: it is
    /// sound, and does not begin above this one's offset.
    pub fn fits(&self, log: &LogFile, batch: &Batch<'_>) -> bool {
        (log.base()..=self.offset).contains(&batch.header.base_offset)
            && batch.check_header().is_ok()
            && batch.check_crc().is_ok()
    }
}

impl Entry for IndexEntry {
    const SIZE_BYTES: usize = INDEX_ENTRY_BYTES;
    // The first batch of a segment has no entry.
    const ZERO_COUNTS_ALONE: bool = false;

    fn read(bytes: &[u8], base: Offset) -> Option<IndexEntry> {
        let mut cursor = Cursor::new(bytes);
        // Signed, as a broker reads it (`OffsetIndex.relativeOffset`).
        let (relative, position) = (cursor.i32().ok()?, cursor.u32().ok()?);
        let offset = Offset(base.0.saturating_add(i64::from(relative)));
        Some(IndexEntry { offset, position: Position(u64::from(position)) })
    }
}

/// A read index.
#[derive(Clone, Debug, Default)]
pub struct OffsetIndex {
    /// The entries in file order.
    pub entries: Vec<IndexEntry>,
    /// Whether the file holds whole entries only.
    pub whole: bool,
}

impl OffsetIndex {
    /// Reads the bytes of an `.index` whose segment begins at `base`.
    pub fn parse(bytes: &[u8], base: Offset) -> OffsetIndex {
        let entries = Entries::of(bytes, base).iter().collect();
        OffsetIndex { entries, whole: bytes.len().is_multiple_of(INDEX_ENTRY_BYTES) }
    }

    /// Where to begin looking for `offset`: the last entry at or below it; without one, at the
    /// start.
    pub fn floor(&self, offset: Offset) -> Option<IndexEntry> {
        let below = self.entries.partition_point(|entry| entry.offset <= offset);
        below.checked_sub(1).and_then(|index| self.entries.get(index)).copied()
    }
}

/// Builds an index batch by batch, as Kafka 4's log does: an entry in front of a batch when more
/// than the interval was written since the last one.
#[derive(Clone, Debug)]
pub struct OffsetIndexBuilder {
    base: Offset,
    interval_bytes: u64,
    since_last_bytes: u64,
    bytes: Vec<u8>,
}

impl OffsetIndexBuilder {
    /// For a segment that begins at `base`; `interval_bytes` is `index.interval.bytes`.
    pub fn new(base: Offset, interval_bytes: u64) -> OffsetIndexBuilder {
        OffsetIndexBuilder { base, interval_bytes, since_last_bytes: 0, bytes: Vec::new() }
    }

    /// Goes on behind `entries`, as a broker does that has just opened the segment: it counts the
    /// interval from there.
    pub fn resume(base: Offset, interval_bytes: u64, entries: &[IndexEntry]) -> OffsetIndexBuilder {
        let mut builder = OffsetIndexBuilder::new(base, interval_bytes);
        entries.iter().for_each(|entry| builder.put(entry.offset, entry.position));
        builder
    }

    /// `index.interval.bytes`.
    pub fn interval_bytes(&self) -> u64 {
        self.interval_bytes
    }

    /// How many entries it has.
    pub fn entries(&self) -> usize {
        self.bytes.len() / INDEX_ENTRY_BYTES
    }

    fn put(&mut self, last_offset: Offset, position: Position) {
        let relative = last_offset.distance_from(self.base) as u32;
        self.bytes.extend_from_slice(&relative.to_be_bytes());
        self.bytes.extend_from_slice(&(position.0 as u32).to_be_bytes());
    }

    /// Takes note of a batch; true if it got an entry.
    pub fn batch(&mut self, last_offset: Offset, position: Position, size_bytes: usize) -> bool {
        let due = self.since_last_bytes > self.interval_bytes;
        if due {
            self.put(last_offset, position);
            self.since_last_bytes = 0;
        }
        self.since_last_bytes += size_bytes as u64;
        due
    }

    /// The bytes of the file.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_zeros_of_a_preallocated_index_are_not_entries() {
        let mut bytes = vec![0, 0, 0, 5, 0, 0, 16, 0];
        bytes.resize(4096, 0);
        let index = OffsetIndex::parse(&bytes, Offset(100));
        let entry = IndexEntry { offset: Offset(105), position: Position(4096) };
        assert_eq!(index.entries, [entry]);
        assert!(index.whole);
        assert_eq!(OffsetIndex::parse(&[0; 4096], Offset(0)).entries, []);
    }

    #[test]
    fn a_search_begins_at_the_last_entry_at_or_below_the_offset() {
        let bytes = [[0, 0, 0, 5, 0, 0, 16, 0], [0, 0, 0, 9, 0, 0, 32, 0]].concat();
        let index = OffsetIndex::parse(&bytes, Offset(100));
        let floors = [105, 108, 109, 500].map(|offset| index.floor(Offset(offset)).unwrap());
        assert_eq!(floors.map(|entry| entry.position.0), [4096, 4096, 8192, 8192]);
        assert_eq!(index.floor(Offset(104)), None);
    }

    #[test]
    fn an_entry_is_written_once_more_than_the_interval_lies_behind_the_last() {
        let mut builder = OffsetIndexBuilder::new(Offset(0), 100);
        let due: Vec<bool> =
            (0..5).map(|n| builder.batch(Offset(n), Position(60 * n as u64), 60)).collect();
        assert_eq!(due, [false, false, true, false, true]);
        assert_eq!(OffsetIndex::parse(&builder.finish(), Offset(0)).entries.len(), 2);
    }
}
