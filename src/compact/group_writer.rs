//! The output of a group of source segments: one segment, unless its offsets or positions outgrow
//! the 31 bits of an index entry; then another begins at that batch (what Kafka calls a segment
//! split). A dry run goes the same way and writes nothing.

use std::time::SystemTime;

use super::rewrite::{ChunkOutput, From, OutBatch};
use super::survey::Chunk;
use crate::error::Result;
use crate::segment::{AbortedTxn, Place, SegmentWriter};
use crate::units::{Offset, Timestamp};

/// Where a group's segments go.
#[derive(Clone, Debug)]
pub struct Target {
    /// The folder and the names; `None` in a dry run.
    pub place: Option<Place>,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u64,
    /// The modification time that the files are to carry.
    pub modified: SystemTime,
}

impl Target {
    fn begin(&self, base: Offset) -> Result<SegmentWriter> {
        SegmentWriter::begin(base, self.place.as_ref(), self.index_interval_bytes)
    }
}

/// What was written for a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The base offsets of the segments, rising.
    pub bases: Vec<Offset>,
    /// What is in each of them.
    pub contents: Vec<Contents>,
    /// Bytes of their logs.
    pub log_bytes: u64,
    /// Batches.
    pub batches: u64,
}

/// What is in a segment that was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Bytes of its log.
    pub log_bytes: u64,
    /// Its records, as far as headers count them.
    pub records: u64,
    /// When the first of its tombstones and markers may go.
    pub earliest_horizon: Option<Timestamp>,
}

/// Writes the segments of one group.
pub struct GroupWriter {
    target: Target,
    aborted: Vec<AbortedTxn>,
    segment: SegmentWriter,
    contents: Contents,
    written: Written,
}

impl GroupWriter {
    /// Begins at `base`, the base of the group's first source segment; `aborted` are the entries
    /// for the `.txnindex`, in marker order.
    pub fn begin(base: Offset, aborted: Vec<AbortedTxn>, target: Target) -> Result<GroupWriter> {
        let segment = target.begin(base)?;
        let (contents, written) = Default::default();
        Ok(GroupWriter { target, aborted, segment, contents, written })
    }

    /// Appends what stays of a chunk; `source` is the log that its spans are copied from.
    pub fn append(&mut self, source: &[u8], output: &ChunkOutput) -> Result<()> {
        let mut batches = output.batches.as_slice();
        while let Some(first) = batches.first() {
            if !self.has_room(first) {
                self.roll(first.base_offset)?;
            }
            let count = self.run_length(batches);
            let (run, rest) = batches.split_at(count.min(batches.len()));
            let bytes = match first.from {
                From::Source(position) => source.get(position.index()..),
                From::Made(start) => output.made.get(start..),
            };
            let size_bytes = run.iter().map(|batch| batch.size_bytes).sum::<usize>();
            let bytes = bytes.and_then(|bytes| bytes.get(..size_bytes)).unwrap_or_default();
            self.segment.append(run.iter().map(OutBatch::indexed), bytes)?;
            self.written.batches += run.len() as u64;
            run.iter().for_each(|batch| self.contents.add(batch));
            batches = rest;
        }
        Ok(())
    }

    /// Appends the damage in front of a chunk as it is; no index names it.
    pub fn append_damage(&mut self, source: &[u8], chunk: &Chunk) -> Result<()> {
        let bytes = source.get(chunk.damage_start.index()..chunk.start.index());
        self.segment.append_foreign(bytes.unwrap_or_default())
    }

    /// Closes the last segment and syncs it.
    pub fn finish(self) -> Result<Written> {
        let GroupWriter { target, aborted, segment, contents, mut written } = self;
        close(segment, contents, &aborted, &target, &mut written)?;
        Ok(written)
    }

    fn has_room(&self, batch: &OutBatch) -> bool {
        let position = self.segment.position();
        batch.base_offset == self.segment.base()
            || self.segment.reaches(batch.last_offset, batch.size_bytes, position)
    }

    /// How many of the batches lie one behind the other where the first lies, and still fit.
    fn run_length(&self, batches: &[OutBatch]) -> usize {
        let start = self.segment.position();
        let mut end = start;
        let mut expected = None;
        let fits = |batch: &&OutBatch| {
            let follows = expected.is_none_or(|from| from == batch.from);
            let has_room =
                end == start || self.segment.reaches(batch.last_offset, batch.size_bytes, end);
            end = end.plus(batch.size_bytes);
            expected = Some(batch.from.plus(batch.size_bytes));
            follows && has_room
        };
        batches.iter().take_while(fits).count().max(1)
    }

    fn roll(&mut self, base: Offset) -> Result<()> {
        let (here, later) = std::mem::take(&mut self.aborted)
            .into_iter()
            .partition(|txn: &AbortedTxn| txn.last_offset < base);
        self.aborted = later;
        let next = self.target.begin(base)?;
        let full = std::mem::replace(&mut self.segment, next);
        let contents = std::mem::take(&mut self.contents);
        close(full, contents, &here, &self.target, &mut self.written)
    }
}

impl Contents {
    fn add(&mut self, batch: &OutBatch) {
        self.records += u64::from(batch.records);
        let horizons = [self.earliest_horizon, batch.delete_horizon];
        self.earliest_horizon = horizons.into_iter().flatten().min();
    }
}

fn close(
    segment: SegmentWriter,
    contents: Contents,
    aborted: &[AbortedTxn],
    target: &Target,
    written: &mut Written,
) -> Result<()> {
    written.bases.push(segment.base());
    let log_bytes = segment.position().0;
    written.contents.push(Contents { log_bytes, ..contents });
    written.log_bytes += log_bytes;
    segment.finish(aborted, target.modified)
}
