//! What stands for each key after the vote over an increment: the newcomers that the key index is
//! to hear of. Where the votes tell offset and key, they are called by the roll; else it takes one
//! more look at the records that stay.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::join::newest_stands;
use super::newcomers::{Newcomer, NewcomerList, Newcomers};
use crate::compact::look::{SegmentTxns, Survey};
use crate::compact::policy::Policy;
use crate::compact::strategy::{ByStrategy, Claim, Strategy};
use crate::compact::vote::{ChunkAt, ChunkResult, Decided, Share, Shares};
use crate::compact::worker::with_decoder;
use crate::error::{Error, Result};
use crate::format::{Batch, Decoder, Flaw, Record, Records, Reread};
use crate::rounds::{Entry, KeyHashSeed};
use crate::units::Offset;

/// Collects the newcomers of a range, chunk by chunk, each chunk once.
pub struct Collector<'a> {
    /// The segments of the range.
    pub range: &'a [Survey],
    /// Their transactions.
    pub txns: &'a [SegmentTxns],
    /// Their chunks.
    pub chunks: &'a [ChunkAt],
    /// The rules.
    pub policy: &'a Policy,
    /// Where records stand for their keys.
    pub indexed: Range<Offset>,
    /// Hashes keys.
    pub seed: KeyHashSeed,
    /// Where they go.
    pub newcomers: &'a Newcomers,
    heard: Vec<AtomicBool>,
}

impl<'a> Collector<'a> {
    /// Nothing was collected yet.
    pub fn new(
        (range, txns, chunks): (&'a [Survey], &'a [SegmentTxns], &'a [ChunkAt]),
        policy: &'a Policy,
        indexed: Range<Offset>,
        seed: KeyHashSeed,
        newcomers: &'a Newcomers,
    ) -> Collector<'a> {
        let heard = std::iter::repeat_with(AtomicBool::default).take(chunks.len()).collect();
        Collector { range, txns, chunks, policy, indexed, seed, newcomers, heard }
    }

    /// Hears of a chunk whose records are all decided.
    ///
    /// # Errors
    /// A batch that does not decode, though it did in the vote; those of the temporary file.
    pub fn decided(&self, number: usize, chunk: &Decided<'_>) -> Result<()> {
        self.chunk(number, chunk.result, Some(chunk))
    }

    fn chunk(
        &self,
        number: usize,
        result: &ChunkResult,
        at_hand: Option<&Decided<'_>>,
    ) -> Result<()> {
        let is_heard = self.heard.get(number).is_some_and(|h| h.swap(true, Ordering::Relaxed));
        if is_heard {
            return Ok(());
        }
        self.policy.topic.strategy.apply(Hearing { collector: self, number, result, at_hand })
    }

    /// Hears of the chunks that it has not heard of, now that the vote is over.
    ///
    /// # Errors
    /// As [`Collector::decided`].
    pub fn rest(&self, results: &[ChunkResult]) -> Result<()> {
        let results = results.par_iter().with_max_len(1).enumerate();
        results.try_for_each(|(number, result)| self.chunk(number, result, None))
    }
}

/// One chunk to be heard, by the run's strategy.
struct Hearing<'a> {
    collector: &'a Collector<'a>,
    number: usize,
    result: &'a ChunkResult,
    at_hand: Option<&'a Decided<'a>>,
}

impl ByStrategy for Hearing<'_> {
    type Outcome = Result<()>;

    fn by<S: Strategy>(self, strategy: &S) -> Result<()> {
        let Hearing { collector, number, result, at_hand } = self;
        let no_txns = SegmentTxns::default();
        let at = collector.chunks.get(number);
        let Some((at, survey)) = at.and_then(|at| Some((at, collector.range.get(at.segment)?)))
        else {
            return Err(Error::bug("a chunk that is not in the range"));
        };
        let txns = collector.txns.get(at.segment).unwrap_or(&no_txns);
        let mut shares = Shares::of(result);
        let list = collector.newcomers.list(result.kept() as usize);
        let chunk = number as u32;
        let mut found = Found { strategy, collector, result, chunk, list, outcome: Ok(()) };
        if let Some(roll) =
            at_hand.and_then(|chunk| chunk.roll).filter(|_| is_for_a_roll::<S>(result))
        {
            roll.call(&result.retained, &mut |ordinal, offset, key| {
                found.called(ordinal, offset, key);
            });
            found.outcome?;
            return collector.newcomers.add(&found.list);
        }
        let bodies = at_hand.map(|chunk| chunk.bodies);
        with_decoder(|decoder| {
            let batches = survey.log.batches_from(at.chunk.start).until(at.chunk.end);
            for (number, item) in batches.enumerate() {
                let Ok((position, batch)) = item else { continue };
                let header = &batch.header;
                let in_transaction = header.is_control() || header.is_transactional();
                let discardable = in_transaction && txns.is_discardable(position);
                let share = shares.next(number as u32, header, discardable);
                let Some((_, first)) = share.voted else { continue };
                let body = bodies.and_then(|bodies| bodies.of_batch(number as u32));
                found.batch(&batch, first, &share, body, decoder).map_err(|flaw| {
                    Error::corrupt(survey.log.path(), position, flaw.to_string())
                })?;
            }
            found.outcome?;
            collector.newcomers.add(&found.list)
        })
    }
}

/// Whether offset and key are all that there is to know of the records of a chunk that stay, and
/// these are so many that to go through all votes is less work than to look up theirs.
fn is_for_a_roll<S: Strategy>(result: &ChunkResult) -> bool {
    const MOST_VOTES_EACH: u32 = 32;
    newest_stands::<S>()
        && size_of::<S::Claim>() == 0
        && result.with_tombstone.is_empty()
        && result.kept() >= result.voters() / MOST_VOTES_EACH
}

/// What was found in a chunk.
struct Found<'a, S> {
    strategy: &'a S,
    collector: &'a Collector<'a>,
    result: &'a ChunkResult,
    chunk: u32,
    list: NewcomerList,
    /// Of putting them into the list.
    outcome: Result<()>,
}

impl<S: Strategy> Found<'_, S> {
    fn batch(
        &mut self,
        batch: &Batch<'_>,
        first: u32,
        share: &Share<'_>,
        body: Option<&[u8]>,
        decoder: &mut Decoder,
    ) -> Result<(), Flaw> {
        if self.next(first, first.saturating_add(share.records)).is_none() {
            return Ok(());
        }
        let records = match body {
            Some(body) => Ok(Records::of_body(batch.header, body)),
            None => decoder.records(batch),
        };
        match records? {
            Records::V2(records) => self.walk(records, first, share),
            Records::Legacy(set) => self.walk(set, first, share),
        }
    }

    /// The next record that stands for its key, and whether it stays.
    fn next(&self, from: u32, end: u32) -> Option<(u32, bool)> {
        let retained = self.result.retained.next_from(from, end);
        let expired = self.result.expired().and_then(|expired| expired.next_from(from, end));
        match (retained, expired) {
            (Some(retained), Some(expired)) => Some((retained.min(expired), retained < expired)),
            (retained, expired) => {
                retained.map(|next| (next, true)).or(expired.map(|next| (next, false)))
            }
        }
    }

    fn walk<'r>(
        &mut self,
        mut records: impl Reread<Item = Result<Record<'r>, Flaw>>,
        first: u32,
        share: &Share<'_>,
    ) -> Result<(), Flaw> {
        let (mut at, end) = (first, first.saturating_add(share.records));
        let mut marks = share.marks;
        while let Some((next, stays)) = self.next(at, end) {
            let mark = marks.of(next);
            let Some(record) = records.nth_at((next - at) as usize, mark) else { break };
            self.record(&record?, next, stays);
            at = next + 1;
        }
        Ok(())
    }

    /// A record that stays, of a key that it does not delete.
    #[inline]
    fn called(&mut self, ordinal: u32, offset: Offset, key: &[u8]) {
        if self.collector.indexed.contains(&offset) {
            let hash = self.collector.seed.hash(key);
            let entry = Entry { hash, offset, claim: (0, false), deletes: false, gone: false };
            self.put(entry, ordinal);
        }
    }

    fn record(&mut self, record: &Record<'_>, ordinal: u32, stays: bool) {
        let is_indexed = self.collector.indexed.contains(&record.offset);
        let Some(key) = record.key.filter(|_| is_indexed) else { return };
        let deletes = record.deletes(self.collector.policy.empty_is_tombstone);
        let own = self.strategy.claim(record, deletes).claim;
        let claim = if self.result.is_widened(ordinal) { S::widened(own) } else { own };
        let entry = Entry {
            hash: self.collector.seed.hash(key),
            offset: record.offset,
            claim: claim.to_bits(),
            deletes,
            gone: !stays,
        };
        self.put(entry, ordinal);
    }

    #[inline]
    fn put(&mut self, entry: Entry, ordinal: u32) {
        let newcomer = Newcomer { entry, chunk: self.chunk, ordinal };
        if let Err(error) = self.list.push(&newcomer) {
            self.outcome = Err(error);
        }
    }
}
