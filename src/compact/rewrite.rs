//! One chunk rewritten: what stays of its batches, as spans to copy and batches made anew.

use super::election::ChunkResult;
use super::policy::Policy;
use super::producers::ActiveProducers;
use super::record_set::RecordSet;
use super::retain::{Case, Verdict, goes_whole, judge};
use super::scan::Bodies;
use super::survey::{Chunk, Survey};
use super::transactions::SegmentTxns;
use crate::error::{Error, Result};
use crate::format::codec::Workbench;
use crate::format::{
    Batch, BatchHeader, Decoder, EmptyBatch, Flaw, MessageFormat, Rebuild, Record, Records,
    rebuild_message_set,
};
use crate::segment::Indexed;
use crate::units::{Offset, Position, Timestamp};

/// What a rewrite must know of its surroundings.
#[derive(Clone, Copy)]
pub struct RewriteContext<'a> {
    /// The settings.
    pub policy: &'a Policy,
    /// Whose last batches stay.
    pub producers: &'a ActiveProducers,
    /// The offset behind the cleaned range.
    pub end: Offset,
}

/// A batch of the output.
#[derive(Clone, Copy, Debug)]
pub struct OutBatch {
    /// Its first offset.
    pub base_offset: Offset,
    /// Its last offset.
    pub last_offset: Offset,
    /// Its largest timestamp.
    pub max_timestamp: Timestamp,
    /// Its size.
    pub size_bytes: usize,
    /// Its records, as far as its header counts them.
    pub records: u32,
    /// When its tombstones, or its marker, may go.
    pub delete_horizon: Option<Timestamp>,
    /// Where its bytes are.
    pub from: From,
}

/// Where the bytes of an output batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// In the source segment, at this position.
    Source(Position),
    /// In the chunk's own buffer, at this index.
    Made(usize),
}

/// What was done to batches and records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that stay.
    pub records_kept: u64,
    /// Tombstones among them.
    pub tombstones_kept: u64,
    /// Records of markers that go.
    pub control_removed: u64,
    /// Batches whose bytes stay.
    pub batches_copied: u64,
    /// Batches rebuilt.
    pub batches_rewritten: u64,
    /// Batches gone.
    pub batches_removed: u64,
    /// Batches that became an empty header.
    pub batches_emptied: u64,
}

impl Tally {
    /// Adds another tally.
    pub fn add(&mut self, other: &Tally) {
        self.records_kept += other.records_kept;
        self.tombstones_kept += other.tombstones_kept;
        self.control_removed += other.control_removed;
        self.batches_copied += other.batches_copied;
        self.batches_rewritten += other.batches_rewritten;
        self.batches_removed += other.batches_removed;
        self.batches_emptied += other.batches_emptied;
    }
}

/// What stays of a chunk.
#[derive(Debug, Default)]
pub struct ChunkOutput {
    /// The batches, in order.
    pub batches: Vec<OutBatch>,
    /// The bytes of those made anew.
    pub made: Vec<u8>,
    /// What was done.
    pub tally: Tally,
    body: Vec<u8>,
}

impl ChunkOutput {
    /// A chunk of which these batches stay as they are.
    pub fn of_batches(batches: Vec<OutBatch>) -> ChunkOutput {
        ChunkOutput { batches, ..ChunkOutput::default() }
    }

    /// A chunk that was put together elsewhere.
    pub fn assemble(batches: Vec<OutBatch>, made: Vec<u8>, tally: Tally) -> ChunkOutput {
        ChunkOutput { batches, made, tally, ..ChunkOutput::default() }
    }

    /// Rewrites a chunk by the vote's `result`; of `bodies` it need not decompress again.
    ///
    /// # Errors
    /// A batch that does not decode, though it did in the vote, or cannot be rebuilt.
    pub fn make(
        survey: &Survey,
        chunk: Chunk,
        result: &ChunkResult,
        txns: &SegmentTxns,
        bodies: Option<&Bodies>,
        context: &RewriteContext<'_>,
        decoder: &mut Decoder,
    ) -> Result<ChunkOutput> {
        let mut output = ChunkOutput::default();
        let mut shares = Shares::of(result);
        for (number, item) in survey.log.batches_from(chunk.start).until(chunk.end).enumerate() {
            let Ok((position, batch)) = item else {
                continue;
            };
            let in_transaction = batch.header.is_control() || batch.header.is_transactional();
            let discardable = in_transaction && txns.is_discardable(position);
            let share = shares.next(number as u32, &batch.header, discardable);
            let body = bodies.and_then(|bodies| bodies.of_batch(number as u32));
            let source = SourceBatch { batch, position, body };
            output
                .batch(&source, &share, discardable, context, decoder)
                .map_err(|flaw| Error::corrupt(survey.log.path(), position, flaw))?;
        }
        Ok(output)
    }

    fn batch(
        &mut self,
        source: &SourceBatch<'_>,
        share: &Share<'_>,
        discardable: bool,
        context: &RewriteContext<'_>,
        decoder: &mut Decoder,
    ) -> Result<(), String> {
        let header = &source.batch.header;
        let policy = context.policy;
        let goes = goes_whole(header, discardable, policy.now);
        let mut case = Case {
            header,
            records: share.records,
            kept: if goes { 0 } else { share.kept() },
            keeps_tombstone: false,
            has_foreign_magic: false,
            discardable,
            needed: context.producers.needs(header) || header.last_offset.next() == context.end,
            now: policy.now,
            delete_retention_ms: policy.topic.delete_retention_ms,
            message_format: policy.message_format,
        };
        let may_keep_wrapper = policy.message_format == MessageFormat::Keep && header.is_wrapper();
        if case.kept > 0 && (share.has_tombstone || may_keep_wrapper) {
            let mut tombstones = 0;
            source.for_each_kept(decoder, share, |record| {
                let deletes = record.deletes(policy.empty_is_tombstone);
                tombstones += u64::from(deletes && record.key.is_some());
                case.has_foreign_magic |= record.magic != header.magic;
            })?;
            case.keeps_tombstone = tombstones > 0;
            self.tally.tombstones_kept += tombstones;
        }
        self.tally.records_kept += u64::from(case.kept);
        if header.is_control() {
            self.tally.control_removed += u64::from(case.records - case.kept);
        }
        self.carry_out(judge(&case), source, share, decoder)
    }

    fn carry_out(
        &mut self,
        verdict: Verdict,
        source: &SourceBatch<'_>,
        share: &Share<'_>,
        decoder: &mut Decoder,
    ) -> Result<(), String> {
        let header = &source.batch.header;
        let tally = &mut self.tally;
        let start = self.made.len();
        match verdict {
            Verdict::Copy => {
                tally.batches_copied += 1;
                self.batches.push(OutBatch::new(header, From::Source(source.position)));
            }
            Verdict::Rebuild(horizon) => {
                tally.batches_rewritten += 1;
                let scratch = std::mem::take(&mut self.body);
                let mut rebuild = Rebuild::new(header, horizon, scratch);
                source.for_each_kept(decoder, share, |record| rebuild.push(record))?;
                let rebuilt = rebuild.finish(decoder.workbench(), &mut self.made);
                let (header, scratch) = rebuilt.map_err(|error| error.to_string())?;
                self.body = scratch;
                self.batches.push(OutBatch::new(&header, From::Made(start)));
            }
            Verdict::RebuildLegacy => {
                tally.batches_rewritten += 1;
                self.rebuild_legacy(&source.batch, share, decoder)?;
            }
            Verdict::Empty => {
                let had_records = share.records > 0;
                tally.batches_emptied += u64::from(had_records);
                tally.batches_copied += u64::from(!had_records);
                let header = EmptyBatch::put(header, &mut self.made);
                self.batches.push(OutBatch::new(&header, From::Made(start)));
            }
            Verdict::Drop => tally.batches_removed += 1,
        }
        Ok(())
    }

    fn rebuild_legacy(
        &mut self,
        batch: &Batch<'_>,
        share: &Share<'_>,
        decoder: &mut Decoder,
    ) -> Result<(), String> {
        let start = self.made.len();
        let mut kept = Vec::new();
        for (ordinal, record) in (0..).zip(decoder.records(batch).map_err(|f| f.to_string())?) {
            let record = record.map_err(|flaw| flaw.to_string())?;
            if share.keeps(ordinal) {
                kept.push(record);
            }
        }
        // The kept records borrow the decoder, so its own contexts are not free for writing.
        let mut workbench = Workbench::new();
        rebuild_message_set(&batch.header, &kept, &mut workbench, &mut self.made)
            .map_err(|error| error.to_string())?;
        let bytes = self.made.get(start..).unwrap_or_default();
        let header = Batch::parse(bytes).map_err(|flaw| flaw.to_string())?.header;
        self.batches.push(OutBatch::new(&header, From::Made(start)));
        Ok(())
    }
}

impl OutBatch {
    /// A batch with this header, whose bytes are there.
    pub fn new(header: &BatchHeader, from: From) -> OutBatch {
        OutBatch {
            base_offset: header.base_offset,
            last_offset: header.last_offset,
            max_timestamp: header.max_timestamp,
            size_bytes: header.size_bytes,
            records: u32::try_from(header.record_count).unwrap_or(0),
            delete_horizon: header.delete_horizon(),
            from,
        }
    }

    /// What the indexes must know of it.
    pub fn indexed(&self) -> Indexed {
        Indexed {
            last_offset: self.last_offset,
            max_timestamp: self.max_timestamp,
            size_bytes: self.size_bytes,
        }
    }
}

/// A batch of the source.
struct SourceBatch<'a> {
    batch: Batch<'a>,
    position: Position,
    /// Its body, if the vote has decompressed it and still has it.
    body: Option<&'a [u8]>,
}

impl SourceBatch<'_> {
    /// Calls `each` for the kept records, in order.
    fn for_each_kept(
        &self,
        decoder: &mut Decoder,
        share: &Share<'_>,
        each: impl FnMut(&Record<'_>),
    ) -> Result<(), String> {
        let records = match self.body {
            Some(body) => Ok(Records::of_body(self.batch.header, body)),
            None => decoder.records(&self.batch),
        };
        let walked = records.and_then(|records| match records {
            Records::V2(records) => walk_kept(records, share, each),
            Records::Legacy(set) => walk_kept(set, share, each),
        });
        match walked.map_err(|flaw| flaw.to_string())? {
            kept if kept == share.kept() => Ok(()),
            kept => Err(format!("{kept} of the {} kept records are still there", share.kept())),
        }
    }
}

/// How many of the kept records there were.
#[inline]
fn walk_kept<'r>(
    mut records: impl Iterator<Item = Result<Record<'r>, Flaw>>,
    share: &Share<'_>,
    mut each: impl FnMut(&Record<'_>),
) -> Result<u32, Flaw> {
    let (mut at, mut kept) = (0, 0);
    while let Some(next) = share.next_kept(at) {
        let Some(record) = records.nth((next - at) as usize) else { break };
        each(&record?);
        (at, kept) = (next + 1, kept + 1);
    }
    Ok(kept)
}

/// Hands out the vote's result batch by batch, in the order in which the vote read them.
pub struct Shares<'a> {
    result: &'a ChunkResult,
    next_ordinal: u32,
    set: usize,
    tombstone: usize,
}

/// One batch's share of the result.
pub struct Share<'a> {
    /// Records in the batch.
    pub records: u32,
    /// The retained set and the batch's first number in it; `None` where there was no vote and
    /// all records stay or go together.
    pub voted: Option<(&'a RecordSet, u32)>,
    has_tombstone: bool,
}

impl Share<'_> {
    fn kept(&self) -> u32 {
        self.voted.map_or(self.records, |(retained, first)| retained.count(first, self.records))
    }

    /// The first kept record from `from` on.
    fn next_kept(&self, from: u32) -> Option<u32> {
        let Some((retained, first)) = self.voted else {
            return Some(from).filter(|next| *next < self.records);
        };
        let end = first.saturating_add(self.records);
        retained.next_from(first.saturating_add(from), end).map(|next| next - first)
    }

    fn keeps(&self, ordinal: u32) -> bool {
        self.voted.is_none_or(|(retained, first)| retained.contains(first.saturating_add(ordinal)))
    }
}

impl<'a> Shares<'a> {
    /// Begins with the first batch of a chunk.
    pub fn of(result: &'a ChunkResult) -> Shares<'a> {
        Shares { result, next_ordinal: 0, set: 0, tombstone: 0 }
    }

    /// The share of the next batch, the chunk's `number`th.
    pub fn next(&mut self, number: u32, header: &BatchHeader, discardable: bool) -> Share<'a> {
        let mut records = u32::try_from(header.record_count).unwrap_or(0);
        if header.is_control() || discardable {
            return Share { records, voted: None, has_tombstone: false };
        }
        if header.is_wrapper() {
            records = self.result.set_sizes.get(self.set).copied().unwrap_or(0);
            self.set += 1;
        }
        let first = self.next_ordinal;
        self.next_ordinal += records;
        let has_tombstone = self.result.with_tombstone.get(self.tombstone) == Some(&number);
        self.tombstone += usize::from(has_tombstone);
        Share { records, voted: Some((&self.result.retained, first)), has_tombstone }
    }
}
