//! One chunk rewritten: what stays of its batches, as spans to copy and batches made anew.

use super::retain::{Case, Verdict, goes_whole, judge};
use crate::compact::look::{ActiveProducers, Chunk, SegmentTxns, Survey};
use crate::compact::policy::Policy;
use crate::compact::vote::{Bodies, ChunkResult, Share, Shares, SourceBatch};
use crate::error::{Error, Result};
use crate::format::codec::Workbench;
use crate::format::{
    Batch, BatchHeader, Decoder, EmptyBatch, MessageFormat, Rebuild, rebuild_message_set, recode,
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
    /// It got that now; what an older one lets go is gone.
    pub has_new_horizon: bool,
    /// Whether a tombstone is in it that has none to get: it is of magic 0 or 1.
    pub has_legacy_tombstone: bool,
    /// Whether it is a compressed set of magic 0 or 1, whose first offset the header does not show.
    pub is_wrapper: bool,
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
    /// Batches whose old message format has not the codec that was asked for.
    pub codecs_kept: u64,
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
        self.codecs_kept += other.codecs_kept;
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

    /// One without batches, in the memory of this one.
    pub fn emptied(self) -> ChunkOutput {
        let ChunkOutput { mut batches, mut made, body, .. } = self;
        batches.clear();
        made.clear();
        ChunkOutput { batches, made, body, tally: Tally::default() }
    }

    /// Rewrites a chunk by the vote's `result`, in the memory of `spare`; of `bodies` it need not
    /// decompress again.
    ///
    /// # Errors
    /// A batch that does not decode, though it did in the vote, or cannot be rebuilt.
    pub fn make(
        survey: &Survey,
        chunk: Chunk,
        result: &ChunkResult,
        txns: &SegmentTxns,
        (bodies, spare): (Option<&Bodies>, ChunkOutput),
        context: &RewriteContext<'_>,
        (decoder, encoder): (&mut Decoder, &mut Workbench),
    ) -> Result<ChunkOutput> {
        let mut output = spare.emptied();
        let mut shares = Shares::of(result);
        survey.log.still_reaches(chunk.end)?;
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
                .batch(&source, &share, discardable, context, (decoder, &mut *encoder))
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
        (decoder, encoder): (&mut Decoder, &mut Workbench),
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
            recodes: policy.rewrites.recodes(header, policy.message_format),
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
        self.carry_out(judge(&case), source, share, policy, (decoder, encoder))?;
        let is_legacy = header.magic < 2 && policy.message_format == MessageFormat::Keep;
        if case.keeps_tombstone
            && is_legacy
            && let Some(out) = self.batches.last_mut()
        {
            out.has_legacy_tombstone = true;
        }
        Ok(())
    }

    /// Does to a batch what was decided.
    ///
    /// # Errors
    /// A batch that does not decode any more, or cannot be rebuilt.
    pub fn carry_out(
        &mut self,
        verdict: Verdict,
        source: &SourceBatch<'_>,
        share: &Share<'_>,
        policy: &Policy,
        (decoder, encoder): (&mut Decoder, &mut Workbench),
    ) -> Result<(), String> {
        let header = &source.batch.header;
        let codec = policy.rewrites.codec_of(header, policy.message_format);
        let attributes = header.attributes.with_codec(codec);
        let tally = &mut self.tally;
        let keeps_codec = policy.rewrites.must_keep_codec(header, policy.message_format);
        tally.codecs_kept += u64::from(keeps_codec && verdict != Verdict::Drop);
        let start = self.made.len();
        match verdict {
            Verdict::Copy => {
                tally.batches_copied += 1;
                self.batches.push(OutBatch::new(header, From::Source(source.position)));
            }
            Verdict::Rebuild(horizon) => {
                tally.batches_rewritten += 1;
                let wanted = BatchHeader { attributes, ..*header };
                let mut rebuild = Rebuild::new(&wanted, horizon, &mut self.made, &mut self.body);
                source.for_each_kept(decoder, share, |record| rebuild.push(record))?;
                let header = rebuild.finish(encoder).map_err(|error| error.to_string())?;
                let out = OutBatch::new(&header, From::Made(start));
                let has_new_horizon =
                    source.batch.header.delete_horizon() != header.delete_horizon();
                self.batches.push(OutBatch { has_new_horizon, ..out });
            }
            Verdict::RebuildLegacy => {
                tally.batches_rewritten += 1;
                let wrapper = BatchHeader { attributes, ..*header };
                self.rebuild_legacy(&source.batch, &wrapper, share, decoder, encoder)?;
            }
            Verdict::Recode => {
                tally.batches_rewritten += 1;
                let body = match source.body {
                    Some(body) => body,
                    None => decoder.body(&source.batch).map_err(|flaw| flaw.to_string())?,
                };
                let recoded = recode(header, codec, body, encoder, &mut self.made);
                let header = recoded.map_err(|error| error.to_string())?;
                self.batches.push(OutBatch::new(&header, From::Made(start)));
            }
            Verdict::Empty => {
                let had_records = share.records > 0;
                tally.batches_emptied += u64::from(had_records);
                tally.batches_copied += u64::from(!had_records);
                let header = EmptyBatch::put(header, &mut self.made);
                let is_as_it_was = self.made.get(start..) == Some(source.batch.bytes);
                let from = if is_as_it_was {
                    self.made.truncate(start);
                    From::Source(source.position)
                } else {
                    From::Made(start)
                };
                self.batches.push(OutBatch::new(&header, from));
            }
            Verdict::Drop => tally.batches_removed += 1,
        }
        Ok(())
    }

    fn rebuild_legacy(
        &mut self,
        batch: &Batch<'_>,
        wrapper: &BatchHeader,
        share: &Share<'_>,
        decoder: &mut Decoder,
        encoder: &mut Workbench,
    ) -> Result<(), String> {
        let start = self.made.len();
        let mut kept = Vec::new();
        for (ordinal, record) in (0..).zip(decoder.records(batch).map_err(|f| f.to_string())?) {
            let record = record.map_err(|flaw| flaw.to_string())?;
            if share.keeps(ordinal) {
                kept.push(record);
            }
        }
        rebuild_message_set(wrapper, &kept, encoder, &mut self.made)
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
            has_new_horizon: false,
            has_legacy_tombstone: false,
            is_wrapper: header.is_wrapper(),
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
