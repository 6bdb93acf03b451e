//! The key index built anew from the destination: a round of its own that reads every compacted
//! segment and writes none. What was not indexed, since it lay below the log start, is not either.

use std::path::Path;
use std::sync::Arc;

use super::again::hear_again;
use super::found::{Losses, Lost};
use super::index::KeyIndex;
use super::index_write::WrittenIndex;
use super::join::Leaving;
use super::newcomers::Newcomers;
use super::this_round::Earlier;
use crate::compact::budget::Budget;
use crate::compact::evidence::Archive;
use crate::compact::policy::Policy;
use crate::compact::strategy::{ByStrategy, Strategy};
use crate::error::Result;
use crate::rounds::{DeadOffsets, EntryLayout, KeyHashSeed};
use crate::units::Offset;

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
    with: (&Budget, &Arc<Archive>),
) -> Result<Reindexed> {
    let numbers: Vec<usize> = (0..earlier.compacted.segments.len()).collect();
    let newcomers = Newcomers::new(seed, layout, with.0.newcomers_bytes, Some(to_dir));
    let newcomers = newcomers.without_places();
    let indexed = earlier.file.unindexed_below..Offset(i64::MAX);
    hear_again(earlier, &numbers, indexed, policy, with, &newcomers)?;
    let building = Building { empty, newcomers: &newcomers, to_dir, number };
    let (lost, index) = policy.topic.strategy.apply(building)?;
    let mut dead = earlier.dead.clone();
    dead.add(&lost.dead);
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
    type Outcome = Result<(Lost, WrittenIndex)>;

    fn by<S: Strategy>(self, _strategy: &S) -> Self::Outcome {
        let losses = Losses::among(&[]);
        self.empty.find_losers::<S>(self.newcomers, &losses)?;
        let none = Leaving::default();
        let index = self.empty.write::<S>(self.to_dir, self.number, self.newcomers, none)?;
        Ok((losses.finish()?, index))
    }
}
