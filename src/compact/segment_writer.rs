//! Output segments: batches appended to a `.log`, with fresh indexes beside it.
//!
//! A group of source segments becomes one output segment, unless its offsets or positions outgrow
//! the 31 bits of an index entry: then another begins at that batch (what Kafka calls a segment
//! split). A dry run goes the same way and writes nothing.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::rewrite::{ChunkOutput, From, OutBatch};
use crate::disk::{StagedFile, write_whole_file};
use crate::error::Result;
use crate::segment::{AbortedTxn, FileName, Kind, OffsetIndexBuilder, TimeIndexBuilder};
use crate::units::{Offset, Position};

/// The largest relative offset and position that an index entry holds.
const INDEX_REACH: i64 = i32::MAX as i64;

/// Where a group's segments go.
#[derive(Clone, Debug)]
pub struct Target {
    /// The folder; `None` in a dry run.
    pub dir: Option<PathBuf>,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u64,
    /// The modification time that the files are to carry.
    pub modified: SystemTime,
}

/// What was written for a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Segments.
    pub segments: u64,
    /// Bytes of their logs.
    pub log_bytes: u64,
    /// Batches.
    pub batches: u64,
}

/// Writes the segments of one group.
pub struct GroupWriter {
    target: Target,
    aborted: Vec<AbortedTxn>,
    segment: SegmentWriter,
    written: Written,
}

impl GroupWriter {
    /// Begins at `base`, the base of the group's first source segment; `aborted` are the entries
    /// for the `.txnindex`, in marker order.
    pub fn begin(base: Offset, aborted: Vec<AbortedTxn>, target: Target) -> Result<GroupWriter> {
        let segment = SegmentWriter::begin(base, &target)?;
        Ok(GroupWriter { target, aborted, segment, written: Written::default() })
    }

    /// Appends what stays of a chunk; `source` is the log that its spans are copied from.
    pub fn append(&mut self, source: &[u8], output: &ChunkOutput) -> Result<()> {
        let mut batches = output.batches.as_slice();
        while let Some(first) = batches.first() {
            if !self.segment.has_room(first) {
                self.roll(first.base_offset)?;
            }
            let count = self.segment.run_length(batches);
            let (run, rest) = batches.split_at(count.min(batches.len()));
            let bytes = match first.from {
                From::Source(position) => source.get(position.index()..),
                From::Made(start) => output.made.get(start..),
            };
            let size_bytes = run.iter().map(|batch| batch.size_bytes).sum::<usize>();
            let bytes = bytes.and_then(|bytes| bytes.get(..size_bytes)).unwrap_or_default();
            self.segment.append(run, bytes)?;
            self.written.batches += run.len() as u64;
            batches = rest;
        }
        Ok(())
    }

    /// Closes the last segment and syncs it.
    pub fn finish(mut self) -> Result<Written> {
        self.close(None)
    }

    fn roll(&mut self, base: Offset) -> Result<()> {
        self.close(Some(base))?;
        self.segment = SegmentWriter::begin(base, &self.target)?;
        Ok(())
    }

    fn close(&mut self, next_base: Option<Offset>) -> Result<Written> {
        let here = |txn: &AbortedTxn| next_base.is_none_or(|next| txn.last_offset < next);
        let (aborted, later) = std::mem::take(&mut self.aborted).into_iter().partition(here);
        self.aborted = later;
        let open = std::mem::replace(&mut self.segment, SegmentWriter::nowhere());
        self.written.segments += 1;
        self.written.log_bytes += open.position.0;
        open.finish(&self.target, &aborted)?;
        Ok(self.written)
    }
}

/// One segment in the making.
struct SegmentWriter {
    base: Offset,
    log: Option<StagedFile>,
    position: Position,
    offset_index: OffsetIndexBuilder,
    time_index: TimeIndexBuilder,
}

impl SegmentWriter {
    fn begin(base: Offset, target: &Target) -> Result<SegmentWriter> {
        let log = match &target.dir {
            Some(dir) => Some(StagedFile::create(&path(dir, base, Kind::Log))?),
            None => None,
        };
        Ok(SegmentWriter {
            base,
            log,
            position: Position(0),
            offset_index: OffsetIndexBuilder::new(base, target.index_interval_bytes),
            time_index: TimeIndexBuilder::new(base),
        })
    }

    /// What stands in for a segment between two.
    fn nowhere() -> SegmentWriter {
        SegmentWriter {
            base: Offset(0),
            log: None,
            position: Position(0),
            offset_index: OffsetIndexBuilder::new(Offset(0), 0),
            time_index: TimeIndexBuilder::new(Offset(0)),
        }
    }

    fn has_room(&self, batch: &OutBatch) -> bool {
        batch.base_offset == self.base || self.reaches(batch, self.position)
    }

    /// Whether an index of this segment can name the batch if it is written at `position`.
    fn reaches(&self, batch: &OutBatch, position: Position) -> bool {
        batch.last_offset.distance_from(self.base) <= INDEX_REACH
            && position.plus(batch.size_bytes).0 <= INDEX_REACH as u64
    }

    /// How many of the batches lie one behind the other where the first lies, and still fit.
    fn run_length(&self, batches: &[OutBatch]) -> usize {
        let mut end = self.position;
        let mut expected = None;
        let fits = |batch: &&OutBatch| {
            let follows = expected.is_none_or(|from| from == batch.from);
            let has_room = end == self.position || self.reaches(batch, end);
            end = end.plus(batch.size_bytes);
            expected = Some(match batch.from {
                From::Source(position) => From::Source(position.plus(batch.size_bytes)),
                From::Made(start) => From::Made(start + batch.size_bytes),
            });
            follows && has_room
        };
        batches.iter().take_while(fits).count().max(1)
    }

    fn append(&mut self, batches: &[OutBatch], bytes: &[u8]) -> Result<()> {
        for batch in batches {
            self.time_index.batch(batch.max_timestamp, batch.last_offset);
            if self.offset_index.batch(batch.last_offset, self.position, batch.size_bytes) {
                self.time_index.entry();
            }
            self.position = self.position.plus(batch.size_bytes);
        }
        self.log.as_mut().map_or(Ok(()), |log| log.write(bytes))
    }

    fn finish(self, target: &Target, aborted: &[AbortedTxn]) -> Result<()> {
        let (Some(log), Some(dir)) = (self.log, &target.dir) else {
            return Ok(());
        };
        log.finish(Some(target.modified))?;
        let companions = [
            (Kind::Index, self.offset_index.finish()),
            (Kind::TimeIndex, self.time_index.finish()),
        ];
        for (kind, bytes) in companions {
            let mut file = StagedFile::create(&path(dir, self.base, kind))?;
            file.write(&bytes)?;
            file.finish(Some(target.modified))?;
        }
        if aborted.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        aborted.iter().for_each(|txn| txn.put(&mut bytes));
        write_whole_file(&path(dir, self.base, Kind::TxnIndex), &bytes)
    }
}

fn path(dir: &Path, base: Offset, kind: Kind) -> PathBuf {
    dir.join(FileName::new(base, kind).to_string())
}
