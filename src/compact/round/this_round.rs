//! One partition's round: what it builds upon, and what the increment's newcomers do to that.

use super::ahead::{Marks, starts_at, with_border};
use super::collector::Collector;
use super::found::Losses;
use super::index::KeyIndex;
use super::join::can_be_late;
use super::newcomers::Newcomers;
use super::older::{Due, Older};
use super::options::RoundOptions;
use super::unindexed::Unindexed;
use crate::compact::budget::Budget;
use crate::compact::erased_keys::ErasedKeys;
use crate::compact::evidence::Archive;
use crate::compact::look::{Survey, Walking, modified_ms};
use crate::compact::plan::{Plan, legacy_horizon_behind};
use crate::compact::policy::{OnDamage, Policy};
use crate::compact::rewrite::{CopyAhead, Maker, look_at};
use crate::compact::strategy::{ByStrategy, Strategy};
use crate::compact::vote::{Decided, Election, Expiry, Listener};
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::report::RoundReport;
use crate::rounds::{
    DeadOffsets, EntryLayout, KeyHash, KeyHashSeed, RoundFile, RoundKind, StateDir,
};
use crate::segment::{
    AbortedTxn, FileName, Kind as FileKind, PartitionDir, ProducerEntry, Segment, parse_snapshot,
};
use crate::units::{Offset, Timestamp};
use std::path::Path;
use std::sync::Arc;

/// What stands in the destination, and is built upon.
pub struct Earlier {
    /// What the last round left.
    pub file: RoundFile,
    /// The destination: its segments below the watermark.
    pub compacted: PartitionDir,
    /// Superseded offsets in segments that were not written anew.
    pub dead: DeadOffsets,
    /// The offset behind the watermark.
    pub end: Offset,
    /// Where an empty segment begins at the destination's end, if there is one.
    pub rolled_to: Option<Offset>,
}

impl Earlier {
    /// When tombstones of the compacted segments go. What was cleaned before is all of them.
    pub fn expiry(&self, policy: &Policy) -> Expiry {
        let last = self.compacted.segments.last();
        Expiry::of(policy, legacy_horizon_behind(last, &policy.topic))
    }

    /// When a compacted segment was modified.
    pub fn modified(&self, number: usize) -> Timestamp {
        self.compacted.segments.get(number).map_or(Timestamp(i64::MAX), modified_ms)
    }

    /// Whether no segment that holds records which the key index does not know has one of these
    /// keys.
    fn holds_none_unindexed(&self, erased: &ErasedKeys) -> Result<bool> {
        const CHUNK_BYTES: u64 = 1 << 20;
        let walking = Walking {
            replay_from: self.end,
            chunk_bytes: CHUNK_BYTES,
            around_damage: false,
            least_end: Offset(0),
        };
        let segments = &self.compacted.segments;
        let below = segments.partition_point(|segment| segment.base < self.file.unindexed_below);
        for (number, segment) in segments.iter().enumerate().take(below) {
            let bound = segments.get(number + 1).map_or(self.end, |next| next.base);
            if look_at(&Survey::take(segment, Some(bound), &walking)?, Some(erased))?.1 > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A directory that a round is rebased on.
pub struct Base {
    /// What of it is taken over.
    pub dir: PartitionDir,
    /// From here on, the source is.
    pub border: Offset,
}

impl Base {
    /// Where the log starts that begins with it and goes on with a source that starts at `known`.
    fn log_start(&self, known: Option<Offset>) -> Option<Offset> {
        let Some(start) = self.dir.log_start() else { return known };
        let of_source = known.map_or(self.border, |known| known.max(self.border));
        Some(if start < self.border { start } else { of_source })
    }
}

/// A round that is to be.
pub struct Round<'a> {
    /// What was asked.
    pub options: &'a RoundOptions,
    /// Its number.
    pub number: u64,
    /// What it is.
    pub kind: RoundKind,
    /// Hashes keys.
    pub seed: KeyHashSeed,
    /// What the key index knows of each.
    pub layout: EntryLayout,
    /// The key index as it is; empty if nothing stands.
    pub index: KeyIndex,
    /// What it builds upon; nothing, if it starts over.
    pub earlier: Option<Earlier>,
    /// Where it may end at most; a segment border.
    pub bound: Option<Offset>,
    /// The partition that it compacts, whole.
    pub source: &'a PartitionDir,
    /// A directory that was taken over, below the source's own start.
    pub base: Option<Base>,
    /// The destination's partition directory.
    pub destination: &'a Path,
    /// Where the state of the destination is to be.
    pub state: StateDir,
}

/// What the newcomers did.
pub struct Met {
    /// The newcomers.
    pub newcomers: Newcomers,
    /// Which segments are written anew, and what waits.
    pub due: Due,
    /// The segments that are written anew.
    pub older: Option<Older>,
    /// What the key index does not know of the destination.
    pub unindexed: Unindexed,
    /// The keys that are erased and that the key index knows, sorted.
    pub erased: Vec<KeyHash>,
    /// Newcomers that lost to a deletion of which only the key index knows, rising.
    pub outlived: Vec<Offset>,
}

/// Who hears of decided chunks.
pub struct Listeners<'a> {
    /// Makes the output of it.
    pub maker: Option<&'a Maker<'a>>,
    /// Copies what is kept whole.
    pub copies: Option<&'a CopyAhead<'a>>,
    /// Collects the newcomers.
    pub collector: Option<&'a Collector<'a>>,
}

impl Listener for Listeners<'_> {
    fn decided(&self, number: usize, chunk: &Decided<'_>) -> Result<()> {
        if let Some(copies) = self.copies {
            copies.decided(number, chunk.result);
        }
        if let Some(collector) = self.collector {
            collector.decided(number, chunk)?;
        }
        self.maker.map_or(Ok(()), |maker| maker.decided(number, chunk))
    }
}

impl Round<'_> {
    /// The producers that had begun a transaction below the watermark that ends behind it.
    pub fn begun(&self) -> &[i64] {
        self.earlier.as_ref().map_or(&[], |earlier| &earlier.file.open_producers)
    }

    /// Those of their transactions that were aborted, as far as that is known.
    pub fn begun_and_aborted(&self) -> &[AbortedTxn] {
        self.earlier.as_ref().map_or(&[], |earlier| &earlier.file.open_aborted)
    }

    /// Where the log starts of which the destination is to be a copy, if that is within a segment;
    /// `known` is where the source's does. A destination keeps what the source deletes, so once it
    /// is there it has a start of its own; and so has a directory that it is rebased on.
    pub fn log_start(&self, known: Option<Offset>) -> Option<Offset> {
        match (&self.earlier, &self.base) {
            (Some(earlier), _) => Some(earlier.file.unindexed_below),
            (None, None) => known,
            (None, Some(base)) => base.log_start(known),
        }
    }

    /// Refuses a rebase that would end in front of where the source begins: the next round would
    /// not find what lies between.
    ///
    /// # Errors
    /// That.
    pub fn refuse_short_rebase(&self, plan: &Plan) -> Result<()> {
        let start = starts_at(self.source)?;
        if self.base.is_none() || plan.end >= start {
            return Ok(());
        }
        let why = match &plan.nothing_because {
            Some(nothing) => nothing.to_string(),
            None => "an open transaction, min.compaction.lag.ms or --to-offset".to_owned(),
        };
        Err(Error::refused(format!(
            "--rebase-from must be compacted up to where the source begins, offset {start}, but \
             this round would end at offset {} ({why}); the next one would not find what lies \
             between",
            plan.end
        )))
    }

    /// Bytes of log that were compacted before.
    pub fn clean_bytes(&self) -> u64 {
        let compacted = self.earlier.as_ref().map_or(&[][..], |earlier| &earlier.file.segments);
        compacted.iter().map(|segment| segment.bytes).sum()
    }

    /// The producers as they were where the increment begins, or at the next place up to `end` for
    /// which the destination has kept them, and that place.
    pub fn producers(&self, end: Offset) -> (Offset, Vec<ProducerEntry>) {
        let Some(earlier) = &self.earlier else { return Default::default() };
        let read = |at: Offset| {
            let name = FileName::new(at, FileKind::Snapshot).to_string();
            let map = Disk::default().map(&self.destination.join(name)).ok()?;
            Some((at, parse_snapshot(&map).ok()?))
        };
        let there = earlier.compacted.snapshots.iter().copied();
        let mut ahead =
            there.filter(|at| (earlier.end..=end).contains(at) && self.goes_on_from(*at));
        ahead.find_map(read).unwrap_or((earlier.end, Vec::new()))
    }

    /// Whether the source's log up to `at` is that which the destination has: one that was cut off
    /// and written anew behind the watermark has producers of its own.
    pub fn goes_on_from(&self, at: Offset) -> bool {
        let Some(earlier) = &self.earlier else { return false };
        let last_of = |segments: &[Segment]| Marks::around(segments, at).ok()?.before;
        let same = || {
            let there = PartitionDir::open_on(self.state.disk(), self.destination).ok()?;
            let mut here = self.source.clone();
            // As the destination has it, if the last round has ended within a batch.
            with_border(&mut here, earlier.end).ok()?;
            Some(last_of(&there.segments)? == last_of(&here.segments)?)
        };
        // The batches at the watermark were looked at before.
        at == earlier.end || (at > earlier.end && same() == Some(true))
    }

    /// The same within a budget: where there is little memory, the runs of the key index are read
    /// and made one after the other.
    pub fn within(self, budget: &Budget) -> Self {
        const LEAST_BYTES: usize = 4 << 20;
        if budget.newcomers_bytes >= LEAST_BYTES {
            return self;
        }
        Round { index: self.index.in_turn(), ..self }
    }

    /// Whether there is memory for more than one thing at a time.
    pub fn has_memory(&self) -> bool {
        !self.index.is_in_turn()
    }

    /// Room for the newcomers.
    pub fn newcomers(
        &self,
        budget: &Budget,
        policy: &Policy,
        temp_dir: Option<&Path>,
    ) -> Newcomers {
        let all = Newcomers::new(self.seed, self.layout, budget.newcomers_bytes, temp_dir);
        let may_be_late = self.earlier.is_some() && can_be_late(&policy.topic.strategy);
        if may_be_late { all } else { all.without_places() }
    }

    /// Why there is nothing to do, if so: the source has not grown, and nothing in the destination
    /// has had its time, or is to be erased.
    ///
    /// # Errors
    /// Refused: a key index that is damaged. The system's.
    pub fn idle(&self, surveys: &[Survey], plan: &Plan, policy: &Policy) -> Result<Option<String>> {
        let Some(earlier) = &self.earlier else { return Ok(None) };
        let known = earlier.file.source.tail.iter().filter(|segment| segment.bytes > 0);
        let known = known.map(|segment| (segment.base_offset, segment.bytes));
        let is_there = |survey: &&Survey| survey.size_bytes() > 0;
        // Of one that is but damage nothing need have been carried over.
        let is_sound = |survey: &&Survey| survey.batches > 0;
        let is_known = |is_there: &dyn Fn(&&Survey) -> bool| {
            let there = surveys.iter().filter(is_there);
            there.map(|s| (s.segment.base, s.size_bytes())).eq(known.clone())
        };
        let is_same =
            is_known(&is_there) || (policy.on_damage != OnDamage::Keep && is_known(&is_sound));
        let ratio = self.options.min_rewrite_ratio;
        let due = Due::of(earlier, &earlier.dead, &[], ratio, false, policy);
        let claimed = surveys.last().and_then(|survey| survey.claimed_end);
        let rolls = policy.include_active && claimed > earlier.rolled_to;
        let erases_damage = policy.rewrites.erased.is_some()
            && surveys.iter().any(|survey| !survey.damage.is_empty());
        let is_idle = is_same
            && !rolls
            && !erases_damage
            && plan.nothing_because.is_some()
            && due.rewritten.is_empty()
            && self.holds_none_to_erase(earlier, policy)?;
        Ok(is_idle.then(|| {
            format!(
                "nothing to do: round {} holds all that there is to compact, up to offset {}",
                earlier.file.round,
                earlier.end.0 - 1
            )
        }))
    }

    /// Whether no record below the watermark is of a key that is to be erased. What the key index
    /// does not know is read.
    fn holds_none_to_erase(&self, earlier: &Earlier, policy: &Policy) -> Result<bool> {
        let Some(erased) = policy.rewrites.erased.as_deref() else { return Ok(true) };
        let hashes = self.hashes_of_erased(policy);
        Ok(self.index.find(&hashes)?.is_empty() && earlier.holds_none_unindexed(erased)?)
    }

    /// What there is to tell if there is nothing to do.
    pub fn idle_report(&self) -> Option<RoundReport> {
        let file = &self.earlier.as_ref()?.file;
        let nothing = RoundReport::nothing(file.round, file.high_watermark, file.segments.len());
        Some(RoundReport { superseded_waiting: self.earlier.as_ref()?.dead.len(), ..nothing })
    }

    /// Where the destination's log starts, if it may hold records in front of that.
    pub fn kept_start(&self) -> Option<Offset> {
        let start = self.earlier.as_ref()?.file.unindexed_below;
        Some(start).filter(|start| *start > Offset(0))
    }

    /// Where the last cleaning ended, if the source's own checkpoint says `known`.
    pub fn first_dirty(&self, known: Option<Offset>) -> Option<Offset> {
        self.earlier.as_ref().map_or(known, |earlier| Some(earlier.end))
    }

    /// The keys that are to be erased, sorted.
    fn hashes_of_erased(&self, policy: &Policy) -> Vec<KeyHash> {
        let keys = policy.rewrites.erased.iter().flat_map(|keys| keys.iter());
        let mut hashes: Vec<KeyHash> = keys.map(|key| self.seed.hash(key)).collect();
        hashes.sort_unstable();
        hashes
    }

    /// Has the newcomers meet what stands: who loses in the increment is taken out of the
    /// `election`, who loses in the destination is due to go.
    ///
    /// # Errors
    /// Refused: state or destination that are damaged. The system's.
    pub fn meet(
        &self,
        newcomers: Newcomers,
        election: &mut Election,
        policy: &Policy,
        (budget, archive): (&Budget, &Arc<Archive>),
        temp_dir: Option<&Path>,
    ) -> Result<Met> {
        let Some(earlier) = &self.earlier else {
            let (due, older, unindexed, erased, outlived) = Default::default();
            return Ok(Met { newcomers, due, older, unindexed, erased, outlived });
        };
        let losses = Losses::among(&election.chunks);
        let meeting = Meeting { index: &self.index, newcomers: &newcomers, losses: &losses };
        policy.topic.strategy.apply(meeting)?;
        let lost = losses.finish()?;
        let count = &mut election.count;
        count.expired_tombstones = count.expired_tombstones.saturating_sub(lost.late_and_gone);
        count.superseded += lost.late;
        count.late += lost.late;
        let drops_tombstones = election.count.expired_tombstones > 0;
        let erased = self.hashes_of_erased(policy);
        let room = self.newcomers(budget, policy, temp_dir).without_places();
        let with = (budget, archive);
        let unindexed = Unindexed::meet(earlier, (&newcomers, &erased), &room, policy, with)?;
        drop(room);
        // Of these there is something in the index.
        let erased = self.index.find(&erased)?;
        let indexed = erased.iter().filter(|entry| !entry.gone).map(|entry| entry.offset);
        let mut offsets: Vec<Offset> = indexed.chain(unindexed.erased.iter().copied()).collect();
        offsets.sort_unstable();
        let mut dead = earlier.dead.clone();
        dead.add(&lost.dead);
        dead.insert(&unindexed.superseded)?;
        let ratio = self.options.min_rewrite_ratio;
        let due = Due::of(earlier, &dead, &offsets, ratio, drops_tombstones, policy);
        let older = if due.rewritten.is_empty() {
            None
        } else {
            let reading = (budget.chunk_bytes, archive);
            Some(Older::read(earlier, &due.rewritten, &dead, policy, reading)?)
        };
        // What is erased decides nothing any more: it would be missed where it is to lose, and
        // would win against what is written later.
        let mut erased: Vec<KeyHash> = erased.iter().map(|entry| entry.hash).collect();
        erased.sort_unstable();
        let outlived = lost.outlived;
        Ok(Met { newcomers, due, older, unindexed, erased, outlived })
    }
}

/// The newcomers at the key index, by the run's strategy.
struct Meeting<'a> {
    index: &'a KeyIndex,
    newcomers: &'a Newcomers,
    losses: &'a Losses<'a>,
}

impl ByStrategy for Meeting<'_> {
    type Outcome = Result<()>;

    fn by<S: Strategy>(self, _strategy: &S) -> Self::Outcome {
        self.index.find_losers::<S>(self.newcomers, self.losses)
    }
}
