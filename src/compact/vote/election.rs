//! The vote: which record of each key survives, over the whole cleaned range.
//!
//! 1. Chunks are read from the newest to the oldest, a window of them at a time, in parallel.
//! 2. Shards go through the window's ballots in parallel, each from the newest vote to the oldest:
//!    whoever stands for a key has its bit set in the chunk's retained set (`contest`).
//! 3. A shard that has used up its memory closes: it goes on to settle the keys it knows, down to
//!    the oldest record, and notes the others' records as undecided. They vote again in another
//!    pass, which starts where the first of them lies. All records of a key are settled in one
//!    pass, so the outcome does not depend on the memory there was.
//! 4. Where the newest record of a key stands, a chunk that has no undecided records is handed on
//!    at once, while its bodies are still decompressed. Under other strategies an older record may
//!    still take its place, up to the end of the pass.

use std::sync::atomic::AtomicUsize;

use rayon::prelude::*;

use super::ballot::Ballot;
use super::chunk_result::{ChunkAt, ChunkResult, chunks_of};
use super::contest::{Contest, Ring};
use super::expiry::Expiry;
use super::record_set::RecordSet;
use super::roll::Roll;
use super::scan::{Bodies, ChunkScan, ScanContext};
use super::windows::Windows;
use crate::compact::budget::Budget;
use crate::compact::evidence::Evidence;
use crate::compact::keys::{KeyHasher, Packer, SHARDS};
use crate::compact::look::{SegmentTxns, Survey};
use crate::compact::plan::Plan;
use crate::compact::policy::Policy;
use crate::compact::strategy::{ByStrategy, Entry, MOST_CHUNKS, Strategy};
use crate::compact::worker::with_decoder;
use crate::error::{Error, Result};
use crate::report::{Progress, note_memory};
use crate::segment::Damaged;
use crate::units::Offset;

/// The outcome over the range.
#[derive(Debug, Default)]
pub struct Election {
    /// By chunk, in log order.
    pub chunks: Vec<ChunkResult>,
    /// Counts over the range.
    pub count: Count,
    /// How often the range, or the older part of it, was read.
    pub passes: u32,
    /// Batches that fail their checks, by segment number in the range.
    pub damage: Vec<(usize, Damaged)>,
    /// The first record without a key.
    pub first_null_key: Option<Offset>,
}

/// Record counts over the range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All records, markers included.
    pub records: u64,
    /// Of aborted transactions.
    pub aborted: u64,
    /// Without a key.
    pub null_keys: u64,
    /// Of keys that are to be erased.
    pub erased: u64,
    /// With another record of the same key that survives, or hides them.
    pub superseded: u64,
    /// Of these, the ones that lie behind it.
    pub late: u64,
    /// Of keys that they stand for, but tombstones that have had their time.
    pub expired_tombstones: u64,
    /// With a key, but with something in the place of a version that is none.
    pub bad_versions: u64,
    /// Distinct keys.
    pub distinct_keys: u64,
}

/// Who hears of a chunk whose records are all decided, while its bodies are at hand. Called from
/// many threads.
pub trait Listener: Sync {
    /// The chunk's number in the range, and what is at hand of it.
    ///
    /// # Errors
    /// What ends the vote.
    fn decided(&self, number: usize, chunk: &Decided<'_>) -> Result<()>;
}

/// A chunk whose records are all decided.
#[derive(Clone, Copy)]
pub struct Decided<'a> {
    /// The vote's result.
    pub result: &'a ChunkResult,
    /// Its decompressed bodies.
    pub bodies: &'a Bodies,
    /// Who voted, if the votes tell.
    pub roll: Option<&'a dyn Roll>,
}

/// What is voted on, and by which rules.
pub struct Electorate<'a> {
    /// The segments of the range.
    pub surveys: &'a [Survey],
    /// Their transactions.
    pub txns: &'a [SegmentTxns],
    /// The plan for the range.
    pub plan: &'a Plan,
    /// The rules.
    pub policy: &'a Policy,
    /// Whether segments are replaced where they lie, one after the other.
    pub in_place: bool,
    /// Who keeps the evidence of what is erased.
    pub evidence: &'a Evidence,
    /// Memory.
    pub budget: &'a Budget,
    /// Who hears how far it is.
    pub progress: &'a dyn Progress,
}

impl Electorate<'_> {
    /// Holds the vote, by the policy's strategy.
    ///
    /// # Errors
    /// The listener's.
    pub fn hold(&self, listener: &dyn Listener) -> Result<Election> {
        self.policy.topic.strategy.apply(Vote { electorate: self, listener })
    }

    fn hold_by<S: Strategy>(&self, strategy: &S, listener: &dyn Listener) -> Result<Election> {
        let chunks = chunks_of(self.surveys);
        if chunks.len() > MOST_CHUNKS {
            return Err(Error::refused("the log has more chunks than a compaction can number"));
        }
        let mut election = Election::default();
        election.chunks.resize_with(chunks.len(), ChunkResult::default);
        let mut windows = Windows::new(self.budget);
        let marks_room = AtomicUsize::new(self.budget.marks_bytes);
        let hasher = KeyHasher::new(self.policy.key_hash_bits);
        let packer = Packer::like(&self.a_key(&chunks)?);
        // By number; those that still have something to decide.
        let mut pending: Vec<usize> = (0..chunks.len()).collect();
        loop {
            let mut pass = Pass {
                electorate: self,
                strategy,
                hasher: &hasher,
                packer: &packer,
                chunks: &chunks,
                shards: std::iter::repeat_with(|| Contest::new(&hasher)).take(SHARDS).collect(),
                marks_room: &marks_room,
                is_first: election.passes == 0,
                heard: 0,
                expected: self.expected(&pending, &election.chunks),
            };
            while !pending.is_empty() {
                let window = pending.split_off(pending.len().saturating_sub(windows.chunks()));
                pass.window(&window, &mut windows, listener, &mut election)?;
            }
            if !S::Entry::NEWEST_STANDS {
                pass.shards.par_iter_mut().for_each(|shard| shard.crown(&election.chunks));
            }
            for shard in &pass.shards {
                election.count.superseded += shard.tally.superseded;
                election.count.late += shard.tally.late;
                election.count.expired_tombstones += shard.tally.expired;
                election.count.distinct_keys += shard.held() as u64;
            }
            election.passes += 1;
            let undecided = election.chunks.iter().enumerate();
            pending = undecided.filter(|(_, c)| !c.is_decided()).map(|(n, _)| n).collect();
            // A damaged partition will be left alone; further passes would be for nothing.
            if pending.is_empty() || !election.damage.is_empty() {
                return Ok(election);
            }
        }
    }

    /// How many votes there will be over these chunks, more or less.
    fn expected(&self, pending: &[usize], chunks: &[ChunkResult]) -> u64 {
        let undecided = |number: &usize| {
            let chunk = chunks.get(*number)?;
            chunk.undecided().map(u64::from)
        };
        match pending.iter().filter_map(undecided).sum() {
            0 => self.surveys.iter().map(|survey| survey.records).sum(),
            undecided => undecided,
        }
    }

    /// A key of the newest chunk, as a pattern for the others; empty if there is none.
    fn a_key(&self, chunks: &[ChunkAt]) -> Result<Vec<u8>> {
        let Some(at) = chunks.last() else { return Ok(Vec::new()) };
        let Some(survey) = self.surveys.get(at.segment) else { return Ok(Vec::new()) };
        survey.log.still_reaches(at.chunk.end)?;
        let batches = survey.log.batches_from(at.chunk.start).until(at.chunk.end).flatten();
        with_decoder(|decoder| {
            for (_, batch) in batches.filter(|(_, batch)| !batch.header.is_control()) {
                let records = decoder.records(&batch).into_iter().flatten().flatten();
                if let Some(key) = records.filter_map(|record| record.key).next() {
                    return Ok(key.to_vec());
                }
            }
            Ok(Vec::new())
        })
    }
}

/// The vote to be held by a strategy.
struct Vote<'a> {
    electorate: &'a Electorate<'a>,
    listener: &'a dyn Listener,
}

impl ByStrategy for Vote<'_> {
    type Outcome = Result<Election>;

    fn by<S: Strategy>(self, strategy: &S) -> Result<Election> {
        self.electorate.hold_by(strategy, self.listener)
    }
}

/// One reading of what is undecided.
struct Pass<'a, S: Strategy> {
    electorate: &'a Electorate<'a>,
    strategy: &'a S,
    hasher: &'a KeyHasher,
    packer: &'a Packer,
    chunks: &'a [ChunkAt],
    shards: Vec<Contest<S>>,
    marks_room: &'a AtomicUsize,
    is_first: bool,
    /// Votes so far.
    heard: u64,
    /// About how many there will be.
    expected: u64,
}

/// Where no more than one vote in so many was for a key that was known, it is taken that it goes on
/// like this,
const FEW_REPEAT: u64 = 16;
/// but only until there are so many times as many keys.
const MOST_TIMES: f64 = 3.0;

impl<S: Strategy> Pass<'_, S> {
    /// Votes on the chunks of `window`, numbers in log order.
    fn window(
        &mut self,
        window: &[usize],
        windows: &mut Windows<S::Claim>,
        listener: &dyn Listener,
        election: &mut Election,
    ) -> Result<()> {
        let asked: Vec<Option<RecordSet>> =
            window.iter().map(|number| election.chunks.get_mut(*number)?.ask_undecided()).collect();
        let context = self.context(windows.most_kept_bytes());
        let scans = windows.lend(window.len());
        scans.par_iter_mut().with_max_len(1).zip(window).zip(&asked).try_for_each(
            |((scan, number), asked)| self.scan(*number, asked.as_ref(), &context, scan),
        )?;
        for (scan, number) in scans.iter_mut().zip(window) {
            self.note(*number, scan, election)?;
        }
        let results = election.chunks.as_slice();
        let budget_bytes = self.electorate.budget.index_bytes / SHARDS;
        let times = self.outlook();
        let ring = Ring { results, budget_bytes, in_place: self.electorate.in_place };
        self.shards.par_iter_mut().with_max_len(1).enumerate().for_each(|(shard_number, shard)| {
            shard.expect(times, budget_bytes);
            for (scan, number) in scans.iter().zip(window).rev() {
                if let Some(ballot) = scan.ballots.get(shard_number) {
                    shard.count(ballot, *number, &ring);
                }
            }
        });
        let counts = scans.iter().flat_map(|scan| scan.ballots.iter().map(Ballot::counts));
        self.heard += counts.map(|(words, others)| (words + others) as u64).sum::<u64>();
        note_memory();
        if S::Entry::NEWEST_STANDS && election.damage.is_empty() {
            scans.par_iter().with_max_len(1).zip(window).try_for_each(|(scan, number)| {
                let Some(result) = results.get(*number).filter(|it| it.is_decided()) else {
                    return Ok(());
                };
                result.note_marks(&scan.marks, self.marks_room);
                let roll = scan.roll(self.packer);
                let roll = roll.as_ref().map(|votes| votes as &dyn Roll);
                listener.decided(*number, &Decided { result, bodies: &scan.bodies, roll })
            })?;
        }
        windows.learn();
        Ok(())
    }

    /// How many times as many keys there are likely to be in the end; 0 if that cannot be said.
    fn outlook(&self) -> f64 {
        let held: u64 = self.shards.iter().map(|shard| shard.held() as u64).sum();
        if held.saturating_mul(FEW_REPEAT) < self.heard.saturating_mul(FEW_REPEAT - 1) {
            return 0.0;
        }
        (self.expected as f64 / self.heard.max(1) as f64).min(MOST_TIMES)
    }

    /// What reading chunks must know, of whose bodies `most_kept_bytes` are of use.
    fn context(&self, most_kept_bytes: usize) -> ScanContext<'_, S> {
        let Electorate { plan, policy, .. } = self.electorate;
        ScanContext {
            strategy: self.strategy,
            hasher: self.hasher,
            packer: self.packer,
            log_start: plan.log_start,
            expiry: Expiry::of(policy, plan.legacy_horizon),
            empty_is_tombstone: policy.empty_is_tombstone,
            null_keys: policy.null_keys,
            erased: policy.rewrites.erased.as_deref(),
            most_kept_bytes,
        }
    }

    fn scan(
        &self,
        number: usize,
        asked: Option<&RecordSet>,
        context: &ScanContext<'_, S>,
        scan: &mut ChunkScan<S::Claim>,
    ) -> Result<()> {
        let no_txns = SegmentTxns::default();
        let Some(at) = self.chunks.get(number) else { return Ok(()) };
        let Some(survey) = self.electorate.surveys.get(at.segment) else { return Ok(()) };
        survey.log.still_reaches(at.chunk.end)?;
        let txns = self.electorate.txns.get(at.segment).unwrap_or(&no_txns);
        with_decoder(|decoder| scan.read(survey, at.chunk, txns, asked, context, decoder));
        if self.is_first {
            self.electorate.progress.advance(at.chunk.end.0 - at.chunk.start.0);
        }
        Ok(())
    }

    fn note(
        &self,
        number: usize,
        scan: &mut ChunkScan<S::Claim>,
        election: &mut Election,
    ) -> Result<()> {
        let segment = self.chunks.get(number).map_or(0, |at| at.segment);
        election.damage.extend(scan.damage.drain(..).map(|damaged| (segment, damaged)));
        let Some(result) = election.chunks.get_mut(number).filter(|_| self.is_first) else {
            return Ok(());
        };
        let retained = RecordSet::of_size(scan.voters());
        scan.kept_unasked.iter().for_each(|ordinal| retained.insert(*ordinal));
        let set_sizes = std::mem::take(&mut scan.set_sizes);
        let with_tombstone = std::mem::take(&mut scan.with_tombstone);
        *result = ChunkResult::heard(scan.voters(), retained, set_sizes, with_tombstone);
        let count = &mut election.count;
        count.records += scan.records;
        count.aborted += scan.aborted;
        count.null_keys += scan.null_keys;
        count.erased += scan.erased.len() as u64;
        count.bad_versions += scan.malformed;
        let known = [election.first_null_key, scan.first_null_key];
        election.first_null_key = known.into_iter().flatten().min();
        self.electorate.evidence.put(number, &std::mem::take(&mut scan.erased))
    }
}
