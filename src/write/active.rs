//! The segment that is written to (`LogSegment`): its log grows, its indexes are kept in memory and
//! stand beside it when it is closed.

use super::TopicRules;
use super::tail::Tail;
use crate::disk::StagedFile;
use crate::error::Result;
use crate::format::BatchHeader;
use crate::segment::{
    INDEX_ENTRY_BYTES, Kind, OffsetIndexBuilder, Place, TIME_ENTRY_BYTES, TimeIndexBuilder,
};
use crate::units::{Offset, Position, Timestamp};

/// The largest relative offset that an index entry holds.
const MOST_OFFSETS: i64 = i32::MAX as i64;

/// An open segment.
pub struct Active {
    place: Place,
    base: Offset,
    end: Position,
    first_timestamp: Option<Timestamp>,
    offset_index: OffsetIndexBuilder,
    time_index: TimeIndexBuilder,
    log: Option<StagedFile>,
    is_new: bool,
    /// Whether an unfinished write lies behind its batches.
    is_torn: bool,
}

impl Active {
    /// Begins the segment `base`.
    ///
    /// # Errors
    /// The system's.
    pub fn begin(place: &Place, base: Offset, index_interval_bytes: u64) -> Result<Active> {
        // A run that did not finish may have left indexes.
        for kind in [Kind::Index, Kind::TimeIndex, Kind::TxnIndex] {
            place.disk.remove_if_there(&place.path(base, kind))?;
        }
        Ok(Active {
            log: Some(place.create(base, Kind::Log)?),
            place: place.clone(),
            base,
            end: Position(0),
            first_timestamp: None,
            offset_index: OffsetIndexBuilder::new(base, index_interval_bytes),
            time_index: TimeIndexBuilder::new(base),
            is_new: true,
            is_torn: false,
        })
    }

    /// Goes on with the segment `base`, which ends so. Nothing is opened before something is
    /// appended.
    pub fn resume(place: &Place, base: Offset, tail: Tail) -> Active {
        Active {
            place: place.clone(),
            base,
            end: tail.end,
            first_timestamp: tail.first_timestamp,
            offset_index: tail.offset_index,
            time_index: tail.time_index,
            log: None,
            is_new: false,
            is_torn: tail.torn_bytes > 0,
        }
    }

    /// Whether the batch belongs into another segment (`LogSegment.shouldRoll`). With log-append
    /// time and without, `segment.ms` goes by the batches' largest timestamps.
    pub fn must_roll(&self, header: &BatchHeader, rules: &TopicRules) -> bool {
        if self.end == Position(0) {
            return false;
        }
        let room_bytes = rules.segment_bytes.saturating_sub(header.size_bytes as u64);
        let first = self.first_timestamp.filter(|first| first.0 >= 0);
        let waited_ms = first.map_or(0, |first| header.max_timestamp.0.saturating_sub(first.0));
        let most = |entry_bytes: usize| {
            usize::try_from(rules.segment_index_bytes).unwrap_or(usize::MAX) / entry_bytes
        };
        self.end.0 > room_bytes
            || waited_ms > rules.segment_ms
            || self.offset_index.entries() >= most(INDEX_ENTRY_BYTES)
            // One is for when it is closed.
            || self.time_index.entries() >= most(TIME_ENTRY_BYTES).saturating_sub(1)
            || header.last_offset.distance_from(self.base) > MOST_OFFSETS
    }

    /// Appends a batch.
    ///
    /// # Errors
    /// The system's.
    pub fn append(&mut self, header: &BatchHeader, bytes: &[u8]) -> Result<()> {
        let log = match &mut self.log {
            Some(log) => log,
            none => {
                let path = self.place.path(self.base, Kind::Log);
                none.insert(self.place.disk.append(&path, self.end.0)?)
            }
        };
        log.write(bytes)?;
        self.time_index.batch(header.max_timestamp, header.last_offset);
        if self.offset_index.batch(header.last_offset, self.end, header.size_bytes) {
            self.time_index.entry();
        }
        self.first_timestamp.get_or_insert(header.max_timestamp);
        self.end = self.end.plus(bytes.len());
        Ok(())
    }

    /// Lets readers see what was appended.
    ///
    /// # Errors
    /// The system's.
    pub fn flush(&mut self) -> Result<()> {
        self.log.as_mut().map_or(Ok(()), StagedFile::flush)
    }

    /// Syncs the log, then writes the indexes, as far as they are not there yet; their names are
    /// durable once the folder is synced. What was found torn or without indexes is put in order
    /// even if nothing was appended to it.
    ///
    /// # Errors
    /// The system's.
    pub fn finish(self) -> Result<()> {
        let disk = &self.place.disk;
        match self.log {
            Some(log) => log.finish(None)?,
            None if self.is_torn => {
                disk.append(&self.place.path(self.base, Kind::Log), self.end.0)?.finish(None)?;
            }
            None => {}
        }
        let indexes = [
            (Kind::Index, self.offset_index.finish()),
            (Kind::TimeIndex, self.time_index.finish()),
        ];
        for (kind, bytes) in indexes {
            let path = self.place.path(self.base, kind);
            if self.is_new || !path.exists() || *disk.map(&path)? != *bytes {
                disk.put_file(&path, &bytes)?;
            }
        }
        Ok(())
    }
}
