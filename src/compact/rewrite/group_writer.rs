//! The output of a group of source segments: one segment, unless its offsets or positions outgrow
//! the 31 bits of an index entry; then another begins at that batch (what Kafka calls a segment
//! split). With limits, another begins where a broker that appends would roll. A dry run goes the
//! same way and writes nothing.
//!
//! In place, a segment that comes out as it went in is not written: it is compared as it comes, and
//! only where it begins to differ is a file made, with what was the same in front. So it is with
//! one that was copied before.

use std::time::SystemTime;

use super::chunk::{ChunkOutput, From, OutBatch};
use crate::compact::look::{Chunk, Survey};
use crate::disk::StagedFile;
use crate::error::Result;
use crate::segment::{AbortedTxn, Kind, LogFile, Place, SegmentLimits, SegmentWriter};
use crate::units::{Offset, Position, Timestamp};

/// Where a group's segments go.
#[derive(Clone, Debug)]
pub struct Target {
    /// The folder and the names; `None` in a dry run.
    pub place: Option<Place>,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u64,
    /// The modification time that the files are to carry.
    pub modified: SystemTime,
    /// How large a segment may become by what is written; a batch that is larger stands alone.
    pub limits: Option<SegmentLimits>,
    /// The clock of the run.
    pub now: Timestamp,
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
    /// It is the one segment that it was made from, which is left where it lies.
    pub is_untouched: bool,
}

/// What is in a segment that was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Bytes of its log.
    pub log_bytes: u64,
    /// Its records, as far as headers count them.
    pub records: u64,
    /// When the first of its tombstones and markers may go. What may go already, and is there
    /// nevertheless, does not count: batches keep their horizon when their tombstones have gone,
    /// and markers stay for the sake of their producers.
    pub earliest_horizon: Option<Timestamp>,
    /// Whether tombstones of magic 0 or 1 are among them, which have no horizon.
    pub has_legacy_tombstones: bool,
}

/// Writes the segments of one group.
pub struct GroupWriter<'a> {
    target: Target,
    /// What it does not differ from so far, so that nothing was written yet.
    same_as: Option<&'a Survey>,
    /// A copy of that one's log, under the name that this one's is to have.
    copy: Option<StagedFile>,
    aborted: Vec<AbortedTxn>,
    /// How many of them are in the `.txnindex` of a segment that is closed.
    indexed: usize,
    segment: SegmentWriter,
    contents: Contents,
    /// The offset behind the last batch.
    next_offset: Offset,
    /// When what was appended last was modified.
    modified: SystemTime,
    written: Written,
}

impl<'a> GroupWriter<'a> {
    /// Begins at `base`, the base of the group's first source segment; `aborted` are the entries
    /// for the `.txnindex`, in marker order.
    pub fn begin(
        base: Offset,
        aborted: Vec<AbortedTxn>,
        target: Target,
    ) -> Result<GroupWriter<'a>> {
        let segment = target.begin(base)?;
        Ok(GroupWriter::upon(segment, aborted, target))
    }

    /// Begins in the place of `source`, the only segment of its group, which stays where it lies if
    /// what comes is the same.
    pub fn in_place_of(
        source: &'a Survey,
        aborted: Vec<AbortedTxn>,
        target: Target,
    ) -> Result<GroupWriter<'a>> {
        let unwritten = Target { place: None, ..target.clone() };
        let segment = unwritten.begin(source.segment.base)?;
        Ok(GroupWriter { same_as: Some(source), ..GroupWriter::upon(segment, aborted, target) })
    }

    /// Begins with `copy`, whole but not synced, of the log of `source`, the only segment of its
    /// group; it becomes the log of this one, if what comes is the same.
    pub fn upon_copy(
        source: &'a Survey,
        copy: StagedFile,
        aborted: Vec<AbortedTxn>,
        target: Target,
    ) -> Result<GroupWriter<'a>> {
        let writer = GroupWriter::in_place_of(source, aborted, target)?;
        Ok(GroupWriter { copy: Some(copy), ..writer })
    }

    fn upon(segment: SegmentWriter, aborted: Vec<AbortedTxn>, target: Target) -> GroupWriter<'a> {
        let (modified, written) = (target.modified, Written::default());
        let (indexed, next_offset, contents) = (0, segment.base(), Contents::default());
        GroupWriter {
            target,
            same_as: None,
            copy: None,
            aborted,
            indexed,
            segment,
            contents,
            next_offset,
            modified,
            written,
        }
    }

    /// Whether all of the source in front may have to be read again, to be written after all.
    pub fn may_read_again(&self) -> bool {
        self.same_as.is_some()
    }

    /// What comes next was last modified at this time. Segments that are cut anew carry that of the
    /// newest data in them.
    pub fn came_from(&mut self, modified: SystemTime) {
        if self.target.limits.is_some() {
            self.target.modified = modified;
        }
    }

    /// Appends what stays of a chunk; `source` is the log that its spans are copied from.
    pub fn append(&mut self, source: &LogFile, output: &ChunkOutput) -> Result<()> {
        let mut batches = output.batches.as_slice();
        while let Some(first) = batches.first() {
            if !self.has_room(first) {
                self.roll(self.base_for(first))?;
            }
            self.comes_from(first.from)?;
            let count = self.run_length(batches);
            let (run, rest) = batches.split_at(count.min(batches.len()));
            let size_bytes = run.iter().map(|batch| batch.size_bytes).sum::<usize>();
            let bytes = match first.from {
                // It lies there already.
                From::Source(_) if self.same_as.is_some() => &[],
                From::Source(Position(start)) => {
                    source.bytes_to_copy(start as usize..start as usize + size_bytes)?
                }
                From::Made(start) => output.made.get(start..start + size_bytes).unwrap_or_default(),
            };
            self.segment.append(run.iter().map(OutBatch::indexed), bytes)?;
            self.written.batches += run.len() as u64;
            run.iter().for_each(|batch| self.contents.add(batch, self.target.now));
            self.modified = self.target.modified;
            self.next_offset = run.last().map_or(self.next_offset, |last| last.last_offset.next());
            batches = rest;
        }
        Ok(())
    }

    /// Appends the damage in front of a chunk as it is; no index names it.
    pub fn append_damage(&mut self, source: &[u8], chunk: &Chunk) -> Result<()> {
        let bytes = source.get(chunk.damage_start.index()..chunk.start.index());
        self.comes_from(From::Source(chunk.damage_start))?;
        self.segment.append_foreign(bytes.unwrap_or_default())
    }

    /// Closes the last segment and syncs it.
    pub fn finish(mut self) -> Result<Written> {
        if self.is_whole()
            && let (Some(copy), Some(place)) = (self.copy.take(), &self.target.place)
        {
            self.segment.written_as(copy, place);
            self.same_as = None;
        }
        let is_untouched = self.is_the_same()?;
        if !is_untouched {
            self.differ()?;
        }
        let GroupWriter { aborted, indexed, segment, contents, modified, mut written, .. } = self;
        written.close(&segment, contents);
        written.is_untouched = is_untouched;
        segment.finish(aborted.get(indexed..).unwrap_or_default(), modified)?;
        Ok(written)
    }

    /// Whether what was appended is the log of the source, to its end.
    fn is_whole(&self) -> bool {
        let position = self.segment.position().index();
        self.same_as.is_some_and(|source| position == source.log.bytes().len())
    }

    /// Whether it is, and its indexes are what they would be.
    fn is_the_same(&self) -> Result<bool> {
        let Some(source) = self.same_as.filter(|_| self.is_whole()) else { return Ok(false) };
        self.segment.lies_beside(&source.segment, &self.aborted)
    }

    /// What is appended next is not what lies there in the source.
    fn comes_from(&mut self, from: From) -> Result<()> {
        match from {
            From::Source(position) if position == self.segment.position() => Ok(()),
            From::Source(_) | From::Made(_) => self.differ(),
        }
    }

    /// From here on it is written.
    fn differ(&mut self) -> Result<()> {
        let (Some(source), Some(place)) = (self.same_as.take(), &self.target.place) else {
            return Ok(());
        };
        if self.copy.take().is_some() {
            place.disk.remove(&place.path(self.segment.base(), Kind::Log))?;
        }
        self.segment.write_to(place, &source.log)
    }

    fn has_room(&self, batch: &OutBatch) -> bool {
        let position = self.segment.position();
        batch.base_offset == self.segment.base()
            || (self.segment.reaches(batch.last_offset, batch.size_bytes, position)
                && (position.0 == 0 || self.is_within(1, batch.size_bytes)))
    }

    fn is_within(&self, batches: usize, size_bytes: usize) -> bool {
        let limits = self.target.limits;
        limits.is_none_or(|limits| self.segment.keeps_within(limits, batches, size_bytes))
    }

    /// How many of the batches lie one behind the other where the first lies, and still fit.
    fn run_length(&self, batches: &[OutBatch]) -> usize {
        let start = self.segment.position();
        let mut end = start;
        let mut expected = None;
        let mut count = 0;
        let fits = |batch: &&OutBatch| {
            let follows = expected.is_none_or(|from| from == batch.from);
            let reaches = || self.segment.reaches(batch.last_offset, batch.size_bytes, end);
            count += 1;
            let bytes = (end.0 - start.0) as usize + batch.size_bytes;
            let has_room = end == start || (reaches() && self.is_within(count, bytes));
            end = end.plus(batch.size_bytes);
            expected = Some(batch.from.plus(batch.size_bytes));
            follows && has_room
        };
        batches.iter().take_while(fits).count().max(1)
    }

    /// The base of a segment that begins with this batch: where it begins, but a compressed set of
    /// magic 0 or 1 shows only where it ends.
    fn base_for(&self, batch: &OutBatch) -> Offset {
        if !batch.is_wrapper {
            return batch.base_offset;
        }
        let least = Offset(batch.last_offset.0.saturating_sub(i64::from(i32::MAX)));
        self.next_offset.max(least)
    }

    fn roll(&mut self, base: Offset) -> Result<()> {
        self.differ()?;
        let next = self.target.begin(base)?;
        let full = std::mem::replace(&mut self.segment, next);
        self.written.close(&full, std::mem::take(&mut self.contents));
        let rest = self.aborted.get(self.indexed..).unwrap_or_default();
        let own = rest.partition_point(|txn| txn.last_offset < base);
        self.indexed += own;
        full.finish(rest.get(..own).unwrap_or_default(), self.modified)
    }
}

impl Contents {
    fn add(&mut self, batch: &OutBatch, now: Timestamp) {
        self.records += u64::from(batch.records);
        self.has_legacy_tombstones |= batch.has_legacy_tombstone;
        let is_ahead = |at: &Timestamp| *at > now || (*at == now && batch.has_new_horizon);
        let ahead = batch.delete_horizon.filter(is_ahead);
        let horizons = [self.earliest_horizon, ahead];
        self.earliest_horizon = horizons.into_iter().flatten().min();
    }
}

impl Written {
    fn close(&mut self, segment: &SegmentWriter, contents: Contents) {
        let log_bytes = segment.position().0;
        self.bases.push(segment.base());
        self.contents.push(Contents { log_bytes, ..contents });
        self.log_bytes += log_bytes;
    }
}
