//! The vote: which record of each key is the latest, over the whole cleaned range.
//!
//! 1. Chunks are read from the newest to the oldest, a window of them at a time, in parallel.
//! 2. Shards go through the window's ballots in parallel, each from the newest vote to the oldest:
//!    the first sighting of a key wins, and sets its bit in the chunk's retained set.
//! 3. When the keys outgrow their budget, shards are shed, largest first, and get a pass of their
//!    own afterwards. A repeated pass sets the same bits again, so the outcome does not depend on
//!    the budget.

use rayon::prelude::*;

use super::key_index::{KeyHasher, SHARDS, Shard};
use super::plan::Plan;
use super::policy::Policy;
use super::retained_set::RetainedSet;
use super::scan::{Ballot, ChunkScan, ScanContext, Standing};
use super::survey::{Chunk, Survey};
use super::transactions::SegmentTxns;
use super::worker::with_decoder;
use crate::report::{Progress, note_memory};
use crate::segment::Damaged;
use crate::units::Offset;

/// Chunks that a thread reads before the shards go through their ballots: enough votes at a time
/// that a shard, once it is in a core's cache, is worth having been fetched.
const CHUNKS_A_THREAD: usize = 32;

/// A chunk of the range and the segment (by number in the range) that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkAt {
    /// Which segment of the range.
    pub segment: usize,
    /// Which stretch of it.
    pub chunk: Chunk,
}

/// What is known of a chunk after the vote.
#[derive(Debug, Default)]
pub struct ChunkResult {
    /// Which of its voting records stay.
    pub retained: RetainedSet,
    /// Records of each compressed magic 0/1 set.
    pub set_sizes: Vec<u32>,
    /// Batches (by number in the chunk) that hold a tombstone.
    pub with_tombstone: Vec<u32>,
}

/// The outcome over the range.
#[derive(Debug, Default)]
pub struct Election {
    /// By chunk, in log order.
    pub chunks: Vec<ChunkResult>,
    /// Counts over the range.
    pub count: Count,
    /// How often the range was read.
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
    /// With a later record of the same key.
    pub superseded: u64,
    /// Latest of their key, but tombstones that have had their time.
    pub expired_tombstones: u64,
    /// Distinct keys.
    pub distinct_keys: u64,
}

/// Holds the vote over `surveys` (the range) with their transactions `txns`.
pub fn hold(
    surveys: &[Survey],
    txns: &[SegmentTxns],
    plan: &Plan,
    policy: &Policy,
    progress: &dyn Progress,
) -> Election {
    let chunks = chunks_of(surveys);
    let hasher = KeyHasher::new();
    let mut election = Election::default();
    election.chunks.resize_with(chunks.len(), ChunkResult::default);
    let mut pending = [true; SHARDS];
    while pending.contains(&true) {
        let context = ScanContext {
            hasher: &hasher,
            gathered: &pending,
            log_start: plan.log_start,
            now: policy.now,
            drop_tombstones: policy.drop_tombstones,
            legacy_horizon: plan.legacy_horizon,
            null_keys: policy.null_keys,
        };
        let mut pass = Pass::new(&pending, election.passes == 0);
        pass.run(surveys, txns, &chunks, context, policy.key_index_bytes, progress, &mut election);
        for (shard, done) in pass.shards.iter().zip(pending.iter_mut()).filter(|(s, _)| s.active) {
            *done = false;
            election.count.superseded += shard.superseded;
            election.count.expired_tombstones += shard.expired;
            election.count.distinct_keys += shard.keys.len() as u64;
        }
        election.passes += 1;
        if !election.damage.is_empty() {
            break; // the partition will be left alone, further passes would be for nothing
        }
    }
    election
}

/// The chunks of the range in log order.
pub fn chunks_of(surveys: &[Survey]) -> Vec<ChunkAt> {
    let numbered = surveys.iter().enumerate();
    numbered
        .flat_map(|(segment, s)| {
            s.chunks.iter().map(move |chunk| ChunkAt { segment, chunk: *chunk })
        })
        .collect()
}

/// One reading of the range.
struct Pass {
    shards: Vec<ShardState>,
    is_first: bool,
}

#[derive(Default)]
struct ShardState {
    active: bool,
    keys: Shard,
    superseded: u64,
    expired: u64,
}

impl Pass {
    fn new(pending: &[bool; SHARDS], is_first: bool) -> Pass {
        let shard = |active: &bool| ShardState { active: *active, ..ShardState::default() };
        Pass { shards: pending.iter().map(shard).collect(), is_first }
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where all of it meets")]
    fn run(
        &mut self,
        surveys: &[Survey],
        txns: &[SegmentTxns],
        chunks: &[ChunkAt],
        context: ScanContext<'_>,
        budget_bytes: usize,
        progress: &dyn Progress,
        election: &mut Election,
    ) {
        let window = rayon::current_num_threads() * CHUNKS_A_THREAD;
        let no_txns = SegmentTxns::default();
        let mut unread = chunks.len();
        while unread > 0 {
            let first = unread.saturating_sub(window);
            let gathered = self.active();
            let context = ScanContext { gathered: &gathered, ..context };
            let stretch = chunks.get(first..unread).unwrap_or_default();
            let scans: Vec<ChunkScan> = stretch
                .par_iter()
                .filter_map(|at| {
                    let survey = surveys.get(at.segment)?;
                    let txns = txns.get(at.segment).unwrap_or(&no_txns);
                    let scan =
                        with_decoder(|d| ChunkScan::read(survey, at.chunk, txns, &context, d));
                    progress.advance(at.chunk.end.0 - at.chunk.start.0);
                    Some(scan)
                })
                .collect();
            let Some(results) = election.chunks.get_mut(first..unread) else {
                return;
            };
            if self.is_first {
                for ((result, scan), at) in results.iter_mut().zip(&scans).zip(stretch) {
                    note(result, scan, &mut election.count);
                    let damage = scan.damage.iter().map(|damaged| (at.segment, damaged.clone()));
                    election.damage.extend(damage);
                    election.first_null_key = scan.first_null_key.or(election.first_null_key);
                }
            }
            self.shards.par_iter_mut().enumerate().filter(|(_, s)| s.active).for_each(
                |(number, shard)| {
                    for (scan, result) in scans.iter().zip(results.iter()).rev() {
                        if let Some(ballot) = scan.ballots.get(number) {
                            shard.count(ballot, &result.retained);
                        }
                    }
                },
            );
            note_memory();
            self.shed(budget_bytes);
            unread = first;
        }
    }

    fn active(&self) -> [bool; SHARDS] {
        let mut active = [false; SHARDS];
        for (flag, shard) in active.iter_mut().zip(&self.shards) {
            *flag = shard.active;
        }
        active
    }

    /// Gives up the largest shards until the rest fits into half the budget; one always stays.
    fn shed(&mut self, budget_bytes: usize) {
        let size = |shard: &ShardState| shard.keys.allocated_bytes();
        let mut total: usize = self.shards.iter().map(size).sum();
        if total <= budget_bytes {
            return;
        }
        let mut left = self.shards.iter().filter(|shard| shard.active).count();
        while total > budget_bytes / 2 && left > 1 {
            let largest = self.shards.iter_mut().filter(|s| s.active).max_by_key(|s| size(s));
            let Some(largest) = largest else { return };
            total -= size(largest);
            *largest = ShardState::default();
            left -= 1;
        }
    }
}

impl ShardState {
    /// Goes through a ballot from the newest vote to the oldest.
    fn count(&mut self, ballot: &Ballot, retained: &RetainedSet) {
        let mut keys = ballot.keys.as_slice();
        for vote in ballot.votes.iter().rev() {
            let at = keys.len().saturating_sub(vote.key_bytes as usize);
            let Some((rest, key)) = keys.split_at_checked(at) else {
                return;
            };
            keys = rest;
            let wins = match vote.standing {
                Standing::BelowStart => !self.keys.contains(vote.hash, key),
                Standing::Stays | Standing::Expired => self.keys.first_sighting(vote.hash, key),
            };
            match (wins, vote.standing) {
                (false, _) => self.superseded += 1,
                (true, Standing::Expired) => self.expired += 1,
                (true, _) => retained.insert(vote.ordinal),
            }
        }
    }
}

fn note(result: &mut ChunkResult, scan: &ChunkScan, count: &mut Count) {
    result.retained = RetainedSet::of_size(scan.voters);
    scan.kept_unasked.iter().for_each(|ordinal| result.retained.insert(*ordinal));
    result.set_sizes.clone_from(&scan.set_sizes);
    result.with_tombstone.clone_from(&scan.with_tombstone);
    count.records += scan.records;
    count.aborted += scan.aborted;
    count.null_keys += scan.null_keys;
}
