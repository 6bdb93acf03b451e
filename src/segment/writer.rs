//! A segment in the making: batches appended to a `.log`, with fresh indexes beside it.
//!
//! The indexes are what Kafka's own log would have written for these batches
//! (`UnifiedLog.append`, `LogSegment.recover`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::{
    AbortedTxn, FileName, INDEX_ENTRY_BYTES, Kind, LogFile, OffsetIndexBuilder, Segment, Suffix,
    TIME_ENTRY_BYTES, TimeIndexBuilder,
};
use crate::disk::{Disk, LEAST_SHARED_BYTES, Map, Owner, StagedFile, SyncTogether};
use crate::error::{Error, Result};
use crate::units::{Offset, Position, Timestamp};

/// The largest relative offset and position that an index entry holds.
const INDEX_REACH: i64 = i32::MAX as i64;
/// What is copied at a time, so that it is on its way to the disk while the next is copied.
const COPY_BYTES: usize = 8 << 20;

/// Where segments are written, and what their files are like.
#[derive(Clone, Debug)]
pub struct Place {
    /// The disk.
    pub disk: Disk,
    /// The folder.
    pub dir: PathBuf,
    /// What the names end in until the files take their final place.
    pub suffix: Option<Suffix>,
    /// Whose the files are to be; who runs the program if nothing is said.
    pub owner: Option<Owner>,
    /// Where small files wait for their sync; without it each is synced when it is whole.
    pub unsynced: Option<Arc<SyncTogether>>,
}

impl Place {
    /// A folder where files get their final names at once.
    pub fn folder(disk: &Disk, dir: &Path) -> Place {
        let (disk, dir) = (disk.clone(), dir.into());
        Place { disk, dir, suffix: None, owner: None, unsynced: None }
    }

    /// Where a segment's file of some kind is written.
    pub fn path(&self, base: Offset, kind: Kind) -> PathBuf {
        self.dir.join(FileName { offset: base, kind, suffix: self.suffix }.to_string())
    }

    /// Creates one of a segment's files.
    ///
    /// # Errors
    /// The system's; a file that exists is refused.
    pub fn create(&self, base: Offset, kind: Kind) -> Result<StagedFile> {
        self.disk.create(&self.path(base, kind), self.owner)
    }

    /// Puts a log here: the first `keep_bytes` of the one at `from`, which `map` shows. Where files
    /// can share their blocks, it takes no room.
    ///
    /// # Errors
    /// As [`Place::create`].
    pub fn put_log_of(
        &self,
        base: Offset,
        (from, map): (&Path, &Map),
        keep_bytes: usize,
        modified: SystemTime,
    ) -> Result<()> {
        let mut file = self.create(base, Kind::Log)?;
        let size_bytes = keep_bytes as u64;
        if size_bytes < LEAST_SHARED_BYTES || !file.share(from, map, size_bytes)? {
            file.write(map.get(..keep_bytes).unwrap_or_default())?;
        }
        self.end(file, size_bytes, Some(modified))
    }

    /// Writes one of a segment's files whole.
    ///
    /// # Errors
    /// As [`Place::create`].
    pub fn put(
        &self,
        base: Offset,
        kind: Kind,
        bytes: &[u8],
        modified: Option<SystemTime>,
    ) -> Result<()> {
        let mut file = self.create(base, kind)?;
        file.write(bytes)?;
        self.end(file, bytes.len() as u64, modified)
    }

    /// Copies the file at `from`, with its modification time; here it is called `name`.
    ///
    /// # Errors
    /// As [`Place::create`].
    pub fn copy(&self, from: &Path, name: &str) -> Result<()> {
        let (bytes, modified) = self.disk.read_with_time(from)?;
        self.put_beside(&self.dir.join(name), &bytes, Some(modified))
    }

    /// Writes a file that is none of a segment's, in this folder or one within.
    ///
    /// # Errors
    /// As [`Place::create`].
    pub fn put_beside(
        &self,
        path: &Path,
        bytes: &[u8],
        modified: Option<SystemTime>,
    ) -> Result<()> {
        let mut file = self.disk.create(path, None)?;
        file.write(bytes)?;
        self.end(file, bytes.len() as u64, modified)
    }

    /// The same place, where small files wait for their sync until [`Place::sync`].
    pub fn syncing_together(&self) -> Place {
        Place { unsynced: Some(Arc::default()), ..self.clone() }
    }

    /// Syncs the files that wait for that.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self) -> Result<()> {
        self.unsynced.as_ref().map_or(Ok(()), |unsynced| unsynced.finish())
    }

    /// Ends a file of `size_bytes` that is whole: it is synced, or waits for that.
    fn end(&self, file: StagedFile, size_bytes: u64, modified: Option<SystemTime>) -> Result<()> {
        // The sync of a larger one had better begin while others are written.
        const SMALL_BYTES: u64 = 1 << 20;
        match &self.unsynced {
            Some(unsynced) if size_bytes <= SMALL_BYTES => unsynced.add(file, modified),
            _ => file.finish(modified),
        }
    }
}

/// What the indexes must know of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Indexed {
    /// Its last offset.
    pub last_offset: Offset,
    /// Its largest timestamp.
    pub max_timestamp: Timestamp,
    /// Its size.
    pub size_bytes: usize,
}

/// How large a segment may become (`segment.bytes`, `segment.index.bytes`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentLimits {
    /// Bytes of log.
    pub log_bytes: u64,
    /// Bytes of either index.
    pub index_bytes: u64,
}

/// Writes one segment; without a place it goes the same way and writes nothing.
pub struct SegmentWriter {
    base: Offset,
    place: Option<Place>,
    log: Option<StagedFile>,
    position: Position,
    offset_index: OffsetIndexBuilder,
    time_index: TimeIndexBuilder,
}

impl SegmentWriter {
    /// Begins the segment `base`; `index_interval_bytes` is `index.interval.bytes`.
    ///
    /// # Errors
    /// The system's.
    pub fn begin(
        base: Offset,
        place: Option<&Place>,
        index_interval_bytes: u64,
    ) -> Result<SegmentWriter> {
        let log = place.map(|place| place.create(base, Kind::Log)).transpose()?;
        Ok(SegmentWriter {
            base,
            place: place.cloned(),
            log,
            position: Position(0),
            offset_index: OffsetIndexBuilder::new(base, index_interval_bytes),
            time_index: TimeIndexBuilder::new(base),
        })
    }

    /// Its base offset.
    pub fn base(&self) -> Offset {
        self.base
    }

    /// Where the next batch will lie.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether an index of this segment can name a batch with this last offset and size if it is
    /// written at `position`.
    pub fn reaches(&self, last_offset: Offset, size_bytes: usize, position: Position) -> bool {
        last_offset.distance_from(self.base) <= INDEX_REACH
            && position.plus(size_bytes).0 <= INDEX_REACH as u64
    }

    /// Whether `batches` more, of `size_bytes` together, surely keep it within `limits`.
    pub fn keeps_within(&self, limits: SegmentLimits, batches: usize, size_bytes: usize) -> bool {
        // An entry is for a batch, and for more than the interval.
        let intervals = size_bytes as u64 / self.offset_index.interval_bytes().saturating_add(1);
        let entries = intervals.saturating_add(1).min(batches as u64);
        let room = |entry_bytes: usize| limits.index_bytes / entry_bytes as u64;
        // The time index gets one more when the segment is closed.
        let times = self.time_index.entries() as u64 + 1;
        self.position.plus(size_bytes).0 <= limits.log_bytes
            && self.offset_index.entries() as u64 + entries <= room(INDEX_ENTRY_BYTES)
            && times + entries <= room(TIME_ENTRY_BYTES)
    }

    /// Appends batches that lie one behind the other in `bytes`.
    ///
    /// # Errors
    /// The system's.
    pub fn append(
        &mut self,
        batches: impl IntoIterator<Item = Indexed>,
        bytes: &[u8],
    ) -> Result<()> {
        for batch in batches {
            self.time_index.batch(batch.max_timestamp, batch.last_offset);
            if self.offset_index.batch(batch.last_offset, self.position, batch.size_bytes) {
                self.time_index.entry();
            }
            self.position = self.position.plus(batch.size_bytes);
        }
        self.log.as_mut().map_or(Ok(()), |log| log.write(bytes))
    }

    /// Appends bytes that are no batch; no index names them.
    ///
    /// # Errors
    /// The system's.
    pub fn append_foreign(&mut self, bytes: &[u8]) -> Result<()> {
        self.position = self.position.plus(bytes.len());
        self.log.as_mut().map_or(Ok(()), |log| log.write(bytes))
    }

    /// From here on it is written to `place`; up to here, it is what `source` begins with. It had
    /// no place before.
    ///
    /// # Errors
    /// The system's; that it had a place is a bug.
    pub fn write_to(&mut self, place: &Place, source: &LogFile) -> Result<()> {
        if self.place.is_some() {
            return Err(Error::bug("a segment that is written from the middle"));
        }
        let mut log = place.create(self.base, Kind::Log)?;
        let end = self.position.index();
        for start in (0..end).step_by(COPY_BYTES) {
            log.write(source.bytes_to_copy(start..end.min(start + COPY_BYTES))?)?;
        }
        (self.log, self.place) = (Some(log), Some(place.clone()));
        Ok(())
    }

    /// Its log was written before, to `place`: whole, but not synced. It had no place before.
    pub fn written_as(&mut self, log: StagedFile, place: &Place) {
        (self.log, self.place) = (Some(log), Some(place.clone()));
    }

    /// Whether beside the log of `segment` lies what would be written here, with `aborted` for the
    /// `.txnindex`.
    ///
    /// # Errors
    /// The system's.
    pub fn lies_beside(&self, segment: &Segment, aborted: &[AbortedTxn]) -> Result<bool> {
        let (offset_index, time_index) = (self.offset_index.clone(), self.time_index.clone());
        for (kind, bytes) in companions(offset_index, time_index, aborted) {
            let there = segment.read(kind)?;
            let is_optional = kind == Kind::TxnIndex && bytes.is_empty();
            if there.map_or(!is_optional, |there| *there != *bytes) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes the indexes, with `aborted` for the `.txnindex`, and syncs everything, or has it wait
    /// for that. The log and its two indexes carry the modification time `modified`.
    ///
    /// # Errors
    /// The system's.
    pub fn finish(self, aborted: &[AbortedTxn], modified: SystemTime) -> Result<()> {
        let SegmentWriter { base, place, log, offset_index, time_index, position } = self;
        let (Some(log), Some(place)) = (log, place) else { return Ok(()) };
        place.end(log, position.0, Some(modified))?;
        for (kind, bytes) in companions(offset_index, time_index, aborted) {
            let is_txn_index = kind == Kind::TxnIndex;
            if !(is_txn_index && bytes.is_empty()) {
                place.put(base, kind, &bytes, (!is_txn_index).then_some(modified))?;
            }
        }
        Ok(())
    }
}

/// What lies beside a log. A `.txnindex` without an entry need not be there.
fn companions(
    offset_index: OffsetIndexBuilder,
    time_index: TimeIndexBuilder,
    aborted: &[AbortedTxn],
) -> [(Kind, Vec<u8>); 3] {
    let mut txn_index = Vec::new();
    aborted.iter().for_each(|txn| txn.put(&mut txn_index));
    [
        (Kind::Index, offset_index.finish()),
        (Kind::TimeIndex, time_index.finish()),
        (Kind::TxnIndex, txn_index),
    ]
}
