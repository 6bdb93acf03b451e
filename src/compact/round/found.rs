//! Who loses where newcomers meet the key index: records of the destination, or newcomers. There
//! may be as many as there are newcomers, so they are taken note of where little of each is kept.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::index::KeyIndex;
use super::join::{Leaving, Outcome, join, newest_stands};
use super::newcomers::{Newcomer, Newcomers};
use super::parts::{Part, parts_of};
use crate::compact::strategy::Strategy;
use crate::compact::vote::ChunkResult;
use crate::error::Result;
use crate::rounds::{DeadOffsets, Entry, KeyHash, Layers, ranges_of};
use crate::units::Offset;

/// So many offsets wait to be added together.
const MOST_WAITING: usize = 1 << 16;

impl KeyIndex {
    /// Tells `losers` who loses, in the destination and among the newcomers.
    ///
    /// # Errors
    /// The system's; a damaged run is refused.
    pub fn find_losers<S: Strategy>(
        &self,
        newcomers: &Newcomers,
        losers: &dyn Losers,
    ) -> Result<()> {
        self.check(newcomers)?;
        let layers = Layers::of(&self.runs, &self.layers);
        let ranges = ranges_of(&self.base).into_par_iter().with_min_len(self.least_runs());
        ranges.try_for_each(|range| {
            let parts = parts_of(&range, 0, newcomers, self.runs.layout, self.most_run_bytes)?;
            parts.par_iter().with_min_len(self.least_runs()).try_for_each(|part| {
                let old = |keys: &[KeyHash]| self.stands_for(&range, &layers, keys);
                if newest_stands::<S>() && beaten(*part, newcomers, old, losers)? {
                    return Ok(());
                }
                let some = part.of(newcomers)?;
                let old = old(&some.keys())?;
                let mut dead = Vec::new();
                join::<S>(
                    old.into_iter(),
                    some.iter(),
                    Leaving::default(),
                    |outcome| match outcome {
                        Outcome::Dead(offset, _) => dead.push(offset),
                        Outcome::Late(newcomer) => losers.late(&newcomer),
                        Outcome::Outlived(offset) => losers.outlived(offset),
                        Outcome::Stands(_) | Outcome::Removed(_) => {}
                    },
                );
                losers.dead(dead)
            })
        })
    }
}

/// Where the newest stands, all that newcomers do is to beat what stands for their keys. `false` if
/// there is more to it: one key twice, or a tombstone that is gone.
fn beaten(
    part: Part,
    newcomers: &Newcomers,
    old: impl Fn(&[KeyHash]) -> Result<Vec<Entry>>,
    losers: &dyn Losers,
) -> Result<bool> {
    let Some(keys) = part.plain_keys(newcomers)? else { return Ok(false) };
    let dead = old(&keys)?.into_iter().filter(|entry| !entry.gone).map(|entry| entry.offset);
    losers.dead(dead.collect())?;
    Ok(true)
}

/// Hears who loses, from several threads and in whatever order.
pub trait Losers: Sync {
    /// Records of the destination.
    ///
    /// # Errors
    /// Offsets that no record has.
    fn dead(&self, offsets: Vec<Offset>) -> Result<()>;

    /// A newcomer.
    fn late(&self, newcomer: &Newcomer);

    /// A newcomer that was late, for a deletion of which only the index knows.
    fn outlived(&self, offset: Offset);
}

/// The losers of a round. Newcomers that are late are taken out of the increment's election.
pub struct Losses<'a> {
    chunks: &'a [ChunkResult],
    dead: Mutex<Dead>,
    outlived: Mutex<Vec<Offset>>,
    late: AtomicU64,
    late_and_gone: AtomicU64,
}

#[derive(Default)]
struct Dead {
    waiting: Vec<Offset>,
    set: DeadOffsets,
}

/// What is known when all have met.
#[derive(Debug, Default)]
pub struct Lost {
    /// Records of the destination.
    pub dead: DeadOffsets,
    /// How many newcomers were late.
    pub late: u64,
    /// How many of these were tombstones that had had their time.
    pub late_and_gone: u64,
    /// Those of them that lost to a deletion of which only the index knows, rising.
    pub outlived: Vec<Offset>,
}

impl Losses<'_> {
    /// None yet; `chunks` are those of the increment.
    pub fn among(chunks: &[ChunkResult]) -> Losses<'_> {
        let (dead, outlived, late, late_and_gone) = Default::default();
        Losses { chunks, dead, outlived, late, late_and_gone }
    }

    /// All of them.
    ///
    /// # Errors
    /// Offsets that no record has.
    pub fn finish(self) -> Result<Lost> {
        let mut dead = self.dead.into_inner().unwrap_or_else(PoisonError::into_inner);
        dead.waiting.par_sort_unstable();
        dead.add()?;
        let mut outlived = self.outlived.into_inner().unwrap_or_else(PoisonError::into_inner);
        outlived.sort_unstable();
        let (late, late_and_gone) = (self.late.into_inner(), self.late_and_gone.into_inner());
        Ok(Lost { dead: dead.set, late, late_and_gone, outlived })
    }
}

impl Losers for Losses<'_> {
    fn dead(&self, offsets: Vec<Offset>) -> Result<()> {
        let mut dead = locked(&self.dead);
        dead.waiting.extend(offsets);
        if dead.waiting.len() < MOST_WAITING { Ok(()) } else { dead.add() }
    }

    fn late(&self, newcomer: &Newcomer) {
        let Some(result) = self.chunks.get(newcomer.chunk as usize) else { return };
        self.late.fetch_add(1, Ordering::Relaxed);
        if newcomer.entry.gone {
            self.late_and_gone.fetch_add(1, Ordering::Relaxed);
        } else {
            result.retained.remove(newcomer.ordinal);
        }
    }

    fn outlived(&self, offset: Offset) {
        locked(&self.outlived).push(offset);
    }
}

impl Dead {
    fn add(&mut self) -> Result<()> {
        self.waiting.sort_unstable();
        // A run that lies may name an offset twice.
        self.waiting.dedup();
        self.set.insert(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }
}

/// Each step leaves what it holds whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All losers as they come, for tests of who finds them.
#[cfg(test)]
pub mod collected {
    use super::*;

    #[derive(Debug, Default, PartialEq)]
    pub struct Found {
        pub dead: Vec<Offset>,
        pub late: Vec<Newcomer>,
        pub outlived: Vec<Offset>,
    }

    impl Losers for Mutex<Found> {
        fn dead(&self, offsets: Vec<Offset>) -> Result<()> {
            self.lock().unwrap().dead.extend(offsets);
            Ok(())
        }

        fn late(&self, newcomer: &Newcomer) {
            self.lock().unwrap().late.push(*newcomer);
        }

        fn outlived(&self, offset: Offset) {
            self.lock().unwrap().outlived.push(offset);
        }
    }

    pub fn losers_of<S: Strategy>(index: &KeyIndex, newcomers: &Newcomers) -> Result<Found> {
        let found = Mutex::new(Found::default());
        index.find_losers::<S>(newcomers, &found)?;
        let mut found = found.into_inner().unwrap();
        found.dead.sort_unstable();
        found.late.sort_by_key(Newcomer::rank);
        Ok(found)
    }
}
