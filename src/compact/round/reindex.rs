//! The key index built anew from the destination: a round of its own that reads every compacted
//! segment and writes none.

use std::path::Path;
use std::sync::Arc;

use super::collector::Collector;
use super::found::Found;
use super::index::KeyIndex;
use super::index_write::WrittenIndex;
use super::join::Leaving;
use super::newcomers::Newcomers;
use super::older::Older;
use super::this_round::Earlier;
use crate::compact::budget::Budget;
use crate::compact::evidence::Archive;
use crate::compact::policy::Policy;
use crate::compact::rewrites::Rewrites;
use crate::compact::strategy::{ByStrategy, Strategy};
use crate::error::Result;
use crate::rounds::{DeadOffsets, EntryLayout, KeyHashSeed};
use crate::units::{Offset, Timestamp};

/// What comes of it.
pub struct Reindexed {
    /// The runs that were written.
    pub index: WrittenIndex,
    /// Superseded offsets: those that were known, and records of keys that stood twice.
    pub dead: DeadOffsets,
}

/// Reads the segments below the watermark and writes their keys as runs of round `number` into the
/// folder `to_dir`. `empty` is an index without a run.
///
/// # Errors
/// Refused: a destination that is damaged. The system's.
pub fn reindex(
    earlier: &Earlier,
    empty: &KeyIndex,
    (seed, layout): (KeyHashSeed, EntryLayout),
    (to_dir, number): (&Path, u64),
    policy: &Policy,
    (budget, archive): (&Budget, &Arc<Archive>),
) -> Result<Reindexed> {
    // Whatever is there is indexed, even what has had its time.
    let patient = Policy {
        now: Timestamp(i64::MIN),
        drop_tombstones: false,
        rewrites: Rewrites::default(),
        ..policy.clone()
    };
    let numbers: Vec<usize> = (0..earlier.compacted.segments.len()).collect();
    let dead = &earlier.dead;
    let reading = (budget.chunk_bytes, archive);
    let older = Older::read(&earlier.compacted, &numbers, dead, &patient, seed, reading)?;
    let newcomers = Newcomers::new(seed, layout, budget.newcomers_bytes, Some(to_dir));
    let range = (older.surveys.as_slice(), older.txns.as_slice(), older.chunks.as_slice());
    let collector = Collector::new(range, policy, Offset(0), seed, &newcomers);
    collector.rest(&older.election.chunks)?;
    drop(collector);
    let building = Building { empty, newcomers: &newcomers, to_dir, number };
    let (found, index) = policy.topic.strategy.apply(building)?;
    let mut dead = dead.clone();
    dead.insert(&found.dead)?;
    Ok(Reindexed { index, dead })
}

/// The index to be built, by the run's strategy.
struct Building<'a> {
    empty: &'a KeyIndex,
    newcomers: &'a Newcomers,
    to_dir: &'a Path,
    number: u64,
}

impl ByStrategy for Building<'_> {
    type Outcome = Result<(Found, WrittenIndex)>;

    fn by<S: Strategy>(self, _strategy: &S) -> Self::Outcome {
        let found = self.empty.find_dead::<S>(self.newcomers)?;
        let none = Leaving::default();
        let index = self.empty.write::<S>(self.to_dir, self.number, self.newcomers, none)?;
        Ok((found, index))
    }
}
