//! The layers of a key index: what has changed since its base was written, the oldest first. Of a
//! key, the newest of them that says something of it is right; if none does, the base is.

use std::iter::Peekable;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::entry::{EntryLayout, KeyHash, KeyHashSeed, KeyState};
use super::key_run::{KeyRun, Level, RunRef, States};
use super::ranges::{Range, ranges_of};
use crate::disk::Disk;
use crate::error::{Error, Result};

/// No index has more of them: each holds more than twice what the next does when that is written.
pub const MOST_LAYERS: usize = 64;

/// Whether runs may be an index: the ranges of each of its levels begin with the first hash, and
/// are in order.
pub fn are_in_order(base: &[RunRef], layers: &[Vec<RunRef>]) -> bool {
    let begins = |runs: &[RunRef]| runs.first().is_none_or(|run| run.first_hash == KeyHash(0));
    let in_order =
        |runs: &[RunRef]| begins(runs) && runs.is_sorted_by(|a, b| a.first_hash < b.first_hash);
    in_order(base)
        && layers.iter().all(|runs| !runs.is_empty() && in_order(runs))
        && layers.len() <= MOST_LAYERS
        && (layers.is_empty() || !base.is_empty())
}

/// How many entries runs hold, as the round file says.
pub fn entries_of(runs: &[RunRef]) -> u64 {
    runs.iter().fold(0, |sum: u64, run| sum.saturating_add(run.entries))
}

/// Where the runs of an index lie, and what they must be.
#[derive(Clone, Debug)]
pub struct RunFolder {
    pub disk: Disk,
    pub dir: PathBuf,
    pub seed: KeyHashSeed,
    pub layout: EntryLayout,
}

impl RunFolder {
    /// Opens a run that reaches to `below`.
    ///
    /// # Errors
    /// The system's; a damaged run is refused.
    pub fn open(&self, known: &RunRef, below: Option<KeyHash>, level: Level) -> Result<KeyRun> {
        let run = KeyRun::open(&self.disk, &self.dir, known, level)?;
        run.check_range(self.seed, self.layout, below)?;
        Ok(run)
    }
}

/// A run that is opened when it is asked for, and then stays open.
struct LazyRun<'a> {
    range: Range<'a>,
    open: Mutex<Option<Arc<KeyRun>>>,
}

/// Layers of which each run is opened once, if at all.
pub struct Layers<'a> {
    folder: &'a RunFolder,
    layers: Vec<Vec<LazyRun<'a>>>,
    runs_read: AtomicU64,
    bytes_read: AtomicU64,
}

impl<'a> Layers<'a> {
    /// None of them is open yet.
    pub fn of(folder: &'a RunFolder, layers: &'a [Vec<RunRef>]) -> Layers<'a> {
        let lazy = |range| LazyRun { range, open: Mutex::default() };
        let layer = |runs: &'a Vec<RunRef>| ranges_of(runs).into_iter().map(lazy).collect();
        let layers = layers.iter().map(layer).collect();
        Layers { folder, layers, runs_read: AtomicU64::new(0), bytes_read: AtomicU64::new(0) }
    }

    /// The runs from layer number `first` on that cover hashes from `from` to below `below`, the
    /// oldest layer first.
    ///
    /// # Errors
    /// The system's; a damaged run is refused.
    pub fn runs_in(
        &self,
        first: usize,
        from: KeyHash,
        below: Option<KeyHash>,
    ) -> Result<Vec<Arc<KeyRun>>> {
        let mut found = Vec::new();
        for layer in self.layers.get(first..).unwrap_or_default() {
            let ends = |it: &LazyRun<'_>| it.range.below.is_some_and(|end| end <= from);
            let begins = |it: &LazyRun<'_>| below.is_none_or(|below| it.range.from < below);
            let (start, end) = (layer.partition_point(ends), layer.partition_point(begins));
            for lazy in layer.get(start..end).unwrap_or_default() {
                found.extend(self.open(lazy)?);
            }
        }
        Ok(found)
    }

    fn open(&self, lazy: &LazyRun<'_>) -> Result<Option<Arc<KeyRun>>> {
        let Some(known) = lazy.range.run else { return Ok(None) };
        let open = lazy.open.lock();
        let mut open = open.map_err(|_| Error::bug("a thread failed at the key index"))?;
        if open.is_none() {
            let run = self.folder.open(known, lazy.range.below, Level::Layer)?;
            self.runs_read.fetch_add(1, Ordering::Relaxed);
            self.bytes_read.fetch_add(run.bytes(), Ordering::Relaxed);
            *open = Some(Arc::new(run));
        }
        Ok(open.clone())
    }

    /// How many runs were opened, and how many bytes they are.
    pub fn read(self) -> (u64, u64) {
        (self.runs_read.into_inner(), self.bytes_read.into_inner())
    }
}

/// What several levels say, the oldest first: of each key what the newest says.
pub struct Merged<I: Iterator<Item = KeyState>> {
    levels: Vec<Peekable<I>>,
}

impl<I: Iterator<Item = KeyState>> Merged<I> {
    /// Of levels that are each sorted by hash.
    pub fn of(levels: impl IntoIterator<Item = I>) -> Merged<I> {
        Merged { levels: levels.into_iter().map(Iterator::peekable).collect() }
    }
}

/// What a run of the base and those upon it say of keys from the hash `from` to below `below`.
pub fn merged<'a>(
    base: Option<&'a KeyRun>,
    upon: &'a [Arc<KeyRun>],
    from: KeyHash,
    below: Option<KeyHash>,
) -> Merged<States<'a>> {
    let runs = base.into_iter().chain(upon.iter().map(|run| &**run));
    Merged::of(runs.map(|run| run.states_in(from, below)))
}

impl<I: Iterator<Item = KeyState>> Iterator for Merged<I> {
    type Item = KeyState;

    #[inline]
    fn next(&mut self) -> Option<KeyState> {
        if let [only] = self.levels.as_mut_slice() {
            return only.next();
        }
        let hashes = self.levels.iter_mut().filter_map(|level| Some(level.peek()?.hash));
        let lowest = hashes.min()?;
        let said = self.levels.iter_mut().filter_map(|level| level.next_if(|it| it.hash == lowest));
        // All are to go on, so none may be left out.
        said.fold(None, |_, newer| Some(newer))
    }
}
