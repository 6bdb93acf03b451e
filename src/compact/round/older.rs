//! The segments of the destination that a round writes anew: which, and what stays of them.
//!
//! A segment is written anew if records of it were superseded, or if the delete horizon of a
//! tombstone or marker in it has passed. All others keep their files as they are.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::this_round::Earlier;
use crate::compact::account::counters;
use crate::compact::budget::Budget;
use crate::compact::evidence::{Archive, Evidence, evidence_of};
use crate::compact::look::{Chunk, SegmentTxns, Survey, Walking, modified_ms, settle_again};
use crate::compact::plan::{Plan, group};
use crate::compact::policy::{OnDamage, Policy};
use crate::compact::rewrite::{Found, Job, Maker, RewriteContext, Voted, Waiting, Written};
use crate::compact::vote::{ChunkAt, ChunkResult, Count, Election, Expiry, RecordSet, chunks_of};
use crate::compact::worker::with_decoder;
use crate::error::{Error, Result};
use crate::format::{Batch, Decoder, Flaw, Record, Records};
use crate::report::{Counters, ErasedRecord, Progress};
use crate::rounds::{DeadOffsets, KeyHash, KeyHashSeed, SegmentRef};
use crate::segment::{Place, Segment, check_record, check_records};
use crate::units::{Offset, Timestamp};

/// What of the destination's segments a round finds superseded, decided segment by segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Due {
    /// Numbers of the segments that are written anew.
    pub rewritten: Vec<usize>,
    /// Superseded offsets in segments that are left as they are for now.
    pub deferred: DeadOffsets,
    /// How many each segment has of them.
    pub dead: Vec<u64>,
}

impl Due {
    /// Decides about the segments of `earlier`, in which the offsets `dead` are superseded. One
    /// may wait until `least_ratio` of its records are, unless a tombstone goes in this round
    /// (`drops_tombstones`), or a record is erased at one of the offsets `erased` (rising): then
    /// whatever it might have hidden goes too.
    pub fn of(
        earlier: &Earlier,
        dead: &DeadOffsets,
        erased: &[Offset],
        least_ratio: f64,
        drops_tombstones: bool,
        policy: &Policy,
    ) -> Due {
        let segments = &earlier.file.segments;
        let expiry = earlier.expiry(policy);
        let is_expiring = |(number, segment): (usize, &SegmentRef)| {
            let has_passed = segment.earliest_horizon_ms.is_some_and(|at| at <= policy.now);
            has_passed || is_losing_tombstones(segment, earlier.modified(number), expiry)
        };
        let is_erased = |segment: &SegmentRef| {
            let below = |end: Offset| erased.partition_point(|offset| *offset < end);
            below(segment.base_offset) < below(segment.next_offset)
        };
        // A superseded record of a key that is to be erased is not in the key index any more.
        let erases = policy.rewrites.erased.is_some();
        let may_wait =
            !drops_tombstones && !erases && !segments.iter().enumerate().any(is_expiring);
        let mut due = Due { deferred: dead.clone(), ..Due::default() };
        for (number, segment) in segments.iter().enumerate() {
            let range = segment.base_offset..segment.next_offset;
            let count = dead.count_in(range.clone());
            let ratio = count as f64 / segment.records.max(count).max(1) as f64;
            due.dead.push(count);
            let goes_anyway = is_expiring((number, segment)) || is_erased(segment);
            if goes_anyway || (count > 0 && !(may_wait && ratio < least_ratio)) {
                due.rewritten.push(number);
                due.deferred.remove_range(range);
            }
        }
        due
    }
}

/// Whether tombstones of a segment that was `modified` then may go whatever their horizon. Of what
/// an older version wrote it is not known if it has some of magic 0 or 1: it is looked at where
/// none is to be left.
fn is_losing_tombstones(segment: &SegmentRef, modified: Timestamp, expiry: Expiry) -> bool {
    let may_have_legacy = segment.has_legacy_tombstones.unwrap_or(expiry.drops_all);
    let legacy = may_have_legacy && expiry.has_passed_legacy(modified);
    let others = expiry.drops_all && segment.earliest_horizon_ms.is_some();
    segment.has_tombstones && (legacy || others)
}

/// The segments that are written anew, read and decided record by record.
pub struct Older {
    /// The segments.
    pub surveys: Vec<Survey>,
    /// Their transactions.
    pub txns: Vec<SegmentTxns>,
    /// Their chunks.
    pub chunks: Vec<ChunkAt>,
    /// What stays.
    pub election: Election,
    /// Which of them become one.
    pub plan: Plan,
    /// The keys of which the tombstone goes.
    pub removed: Vec<KeyHash>,
    /// The evidence of what was erased.
    pub evidence: Evidence,
    /// How many superseded records were found.
    dead: u64,
}

/// What reading a chunk of such a segment must know.
struct Reading<'a> {
    dead: &'a DeadOffsets,
    policy: &'a Policy,
    expiry: Expiry,
    seed: KeyHashSeed,
    unindexed_below: Offset,
}

/// What was read of a chunk.
#[derive(Default)]
struct Read {
    result: ChunkResult,
    count: Count,
    removed: Vec<KeyHash>,
    erased: Vec<ErasedRecord>,
    dead: u64,
}

impl Older {
    /// Reads the segments numbered `rewritten` of what stands in the destination, of which the
    /// offsets `dead` are superseded.
    ///
    /// # Errors
    /// Refused: a destination that is damaged, unless that is to be kept, or that has not the
    /// records that it should. The system's.
    pub fn read(
        earlier: &Earlier,
        rewritten: &[usize],
        dead: &DeadOffsets,
        policy: &Policy,
        (chunk_bytes, archive): (u64, &Arc<Archive>),
    ) -> Result<Older> {
        let standing = &earlier.compacted.segments;
        let segments: Vec<(&Segment, Option<Offset>)> = rewritten
            .iter()
            .filter_map(|number| {
                let next = standing.get(number + 1).map(|next| next.base);
                Some((standing.get(*number)?, next.or(Some(Offset(i64::MAX)))))
            })
            .collect();
        // It may be what an earlier round has kept.
        let keeps_damage = policy.on_damage == OnDamage::Keep;
        let walking = Walking {
            replay_from: Offset(i64::MAX),
            chunk_bytes,
            around_damage: keeps_damage,
            least_end: Offset(i64::MAX),
        };
        let surveys: Vec<Survey> = segments
            .par_iter()
            .map(|(segment, bound)| Survey::take(segment, *bound, &walking))
            .collect::<Result<_>>()?;
        let damage = surveys.iter().find_map(|survey| Some((survey, survey.damage.first()?)));
        if let Some((survey, damaged)) = damage.filter(|_| !keeps_damage) {
            let flaw = damaged.flaw.to_string();
            return Err(broken(&Error::corrupt(survey.log.path(), damaged.position, flaw)));
        }
        let chunks = chunks_of(&surveys);
        let (seed, unindexed_below) = (earlier.file.hash.seed, earlier.file.unindexed_below);
        let expiry = earlier.expiry(policy);
        let reading = Reading { dead, policy, expiry, seed, unindexed_below };
        let reads: Vec<Read> = chunks
            .par_iter()
            .filter_map(|at| Some((surveys.get(at.segment)?, at.chunk)))
            .map(|(survey, chunk)| reading.chunk(survey, chunk))
            .collect::<Result<_>>()?;
        let plan = plan_of(&surveys, rewritten, policy, expiry)?;
        let txns = plan
            .groups
            .iter()
            .map(|group| {
                let range = surveys.get(group.clone()).unwrap_or_default();
                let number = rewritten.get(group.start).copied();
                settle_again(range, number == Some(0))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut older = Older {
            surveys,
            txns: txns.into_iter().flatten().collect(),
            chunks,
            election: Election::default(),
            plan,
            removed: Vec::new(),
            evidence: Evidence::new(archive, reads.len()),
            dead: 0,
        };
        reads.into_iter().enumerate().try_for_each(|(number, read)| older.take(number, read))?;
        older.removed.sort_unstable();
        older.check(dead)?;
        Ok(older)
    }

    fn take(&mut self, number: usize, read: Read) -> Result<()> {
        self.election.chunks.push(read.result);
        let (count, more) = (&mut self.election.count, read.count);
        count.records += more.records;
        count.superseded += more.superseded;
        count.expired_tombstones += more.expired_tombstones;
        count.erased += read.erased.len() as u64;
        self.dead += read.dead;
        self.removed.extend(read.removed);
        self.evidence.put(number, &read.erased)
    }

    /// Whether all that is superseded was there.
    fn check(&self, dead: &DeadOffsets) -> Result<()> {
        let ours = |survey: &Survey| dead.count_in(survey.segment.base..survey.next_offset);
        let wanted: u64 = self.surveys.iter().map(ours).sum();
        if wanted == self.dead {
            return Ok(());
        }
        Err(Error::refused(format!(
            "of {wanted} records that the key index says are superseded {} are there; pass \
             --reindex to build the key index anew",
            self.dead
        )))
    }
}

fn broken(error: &Error) -> Error {
    Error::refused(format!(
        "the destination is damaged: {error}; pass --full to start over from the source"
    ))
}

/// Neighbours are joined as far as they fit into one segment.
fn plan_of(surveys: &[Survey], numbers: &[usize], policy: &Policy, expiry: Expiry) -> Result<Plan> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for at in 1..=numbers.len() {
        let follows = |pair: &[usize]| pair.first().map(|first| first + 1) == pair.last().copied();
        if at < numbers.len() && numbers.get(at - 1..=at).is_some_and(follows) {
            continue;
        }
        let end = surveys.get(at - 1).map_or(Offset(0), |survey| survey.next_offset);
        groups.extend(group(surveys, start..at, end, &policy.topic)?);
        start = at;
    }
    let first = surveys.first().map_or(Offset(0), |survey| survey.segment.base);
    Ok(Plan {
        retired: 0,
        log_start: first,
        first_dirty: first,
        end: Offset(i64::MAX),
        cleaned: surveys.len(),
        groups,
        reworked: Vec::new(),
        legacy_horizon: expiry.legacy_horizon,
        nothing_because: None,
    })
}

impl Reading<'_> {
    fn chunk(&self, survey: &Survey, chunk: Chunk) -> Result<Read> {
        let mut read = Read::default();
        let mut retained = Vec::new();
        let mut voters = 0;
        let (mut set_sizes, mut with_tombstone) = (Vec::new(), Vec::new());
        let mut least = chunk.least;
        let modified = modified_ms(&survey.segment);
        survey.log.still_reaches(chunk.end)?;
        with_decoder(|decoder| {
            let batches = survey.log.batches_from(chunk.start).until(chunk.end);
            for (number, item) in batches.enumerate() {
                let Ok((position, batch)) = item else { continue };
                let before = voters;
                let mut batch_of = InBatch {
                    reading: self,
                    retained: &mut retained,
                    voters: &mut voters,
                    read: &mut read,
                    has_tombstone: false,
                };
                let expired = self.expiry.has_passed(&batch.header, modified);
                batch_of.read(&batch, least, expired, decoder).map_err(|flaw| {
                    broken(&Error::corrupt(survey.log.path(), position, flaw.to_string()))
                })?;
                if batch_of.has_tombstone {
                    with_tombstone.push(number as u32);
                }
                if batch.header.is_wrapper() {
                    set_sizes.push(voters - before);
                }
                least = batch.header.last_offset.next();
            }
            Ok(())
        })?;
        let set = RecordSet::of_size(voters);
        retained.iter().for_each(|ordinal| set.insert(*ordinal));
        read.result = ChunkResult::known(set, set_sizes, with_tombstone);
        Ok(read)
    }
}

/// One batch being read.
struct InBatch<'a> {
    reading: &'a Reading<'a>,
    retained: &'a mut Vec<u32>,
    voters: &'a mut u32,
    read: &'a mut Read,
    has_tombstone: bool,
}

impl InBatch<'_> {
    fn read(
        &mut self,
        batch: &Batch<'_>,
        least: Offset,
        expired: bool,
        decoder: &mut Decoder,
    ) -> Result<(), Flaw> {
        batch.check_crc()?;
        if batch.header.is_control() {
            self.read.count.records += check_records(batch, decoder, least)?;
            return Ok(());
        }
        match decoder.records(batch)? {
            Records::V2(records) => self.each(records, least, expired),
            Records::Legacy(set) => self.each(set, least, expired),
        }
    }

    fn each<'r>(
        &mut self,
        records: impl Iterator<Item = Result<Record<'r>, Flaw>>,
        least: Offset,
        expired: bool,
    ) -> Result<(), Flaw> {
        let policy = self.reading.policy;
        for (number, record) in (0..).zip(records) {
            let record = record?;
            check_record(&record, number, least)?;
            let ordinal = *self.voters;
            *self.voters += 1;
            self.read.count.records += 1;
            let deletes = record.deletes(policy.empty_is_tombstone);
            self.has_tombstone |= deletes;
            let Some(key) = record.key else {
                self.retained.push(ordinal);
                continue;
            };
            let is_dead = self.reading.dead.contains(record.offset);
            self.read.dead += u64::from(is_dead);
            let erased = policy.rewrites.erased.as_deref();
            if erased.is_some_and(|erased| erased.has(key)) {
                self.read.erased.push(evidence_of(&record, number)?);
            } else if is_dead {
                self.read.count.superseded += 1;
            } else if deletes && expired {
                self.read.count.expired_tombstones += 1;
                // What the index says of the key, if it does, it says of another record.
                if record.offset >= self.reading.unindexed_below {
                    self.read.removed.push(self.reading.seed.hash(key));
                }
            } else {
                self.retained.push(ordinal);
            }
        }
        Ok(())
    }
}

impl Older {
    /// Writes what stays to `place`, or nowhere; what was counted and what was written, by group.
    ///
    /// # Errors
    /// The system's.
    pub fn rewrite(
        &self,
        place: Option<&Place>,
        context: RewriteContext<'_>,
        budget: &Budget,
        progress: &dyn Progress,
    ) -> Result<(Counters, Vec<Written>)> {
        let maker = Maker {
            range: &self.surveys,
            txns: &self.txns,
            chunks: &self.chunks,
            context,
            waiting: Waiting::new(self.chunks.len(), 0, None),
        };
        let (election, plan, policy) = (&self.election, &self.plan, context.policy);
        let voted = Voted { maker: &maker, election, copies: None };
        let (groups, in_place) = (&plan.groups, false);
        let job = Job { source: &voted, groups, policy, in_place, budget, progress };
        let (tally, written) = job.rewrite(place)?;
        let found = Found::default();
        let counters = counters(&self.surveys, plan, policy, election, &found, &tally, &written);
        Ok((counters, written))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_hold_old_tombstones_is_looked_at_only_where_none_is_to_be_left() {
        let expiry = |drops_all| {
            let (now, legacy_horizon) = (Timestamp(100), Timestamp(50));
            Expiry { now, drops_all, legacy_horizon }
        };
        let segment = |has_tombstones, has_legacy_tombstones| SegmentRef {
            base_offset: Offset(0),
            next_offset: Offset(9),
            bytes: 900,
            records: 9,
            earliest_horizon_ms: None,
            has_tombstones,
            has_legacy_tombstones,
            dead: 0,
            from_round: 1,
        };
        let (old, young) = (Timestamp(50), Timestamp(51));
        let is_due = |segment: SegmentRef, modified, drops_all| {
            is_losing_tombstones(&segment, modified, expiry(drops_all))
        };
        for (legacy, by_age, by_wish) in
            [(Some(true), true, true), (Some(false), false, false), (None, false, true)]
        {
            assert_eq!(is_due(segment(true, legacy), old, false), by_age, "{legacy:?}");
            assert!(!is_due(segment(true, legacy), young, false), "{legacy:?}");
            assert_eq!(is_due(segment(true, legacy), young, true), by_wish, "{legacy:?}");
            assert!(!is_due(segment(false, legacy), old, true), "{legacy:?}");
        }
    }
}
