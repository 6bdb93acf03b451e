//! The layers of a key index: what has changed since its base was written, the oldest first. Of a
//! key, the newest of them that says something of it is right; if none does, the base is.

use std::iter::Peekable;
use std::sync::Arc;

use rayon::iter::Either;

use super::entry::{Entry, KeyHash, KeyState};
use super::key_run::{KeyRun, Level, RunRef, States};
use super::lookup::Lookup;
use super::open_runs::OpenRuns;
use super::ranges::{Range, ranges_of};
use crate::error::Result;

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

/// The layers, by the ranges of their runs. Of these only those are opened that are asked for.
pub struct Layers<'a> {
    open: &'a OpenRuns,
    layers: Vec<Vec<Range<'a>>>,
}

impl<'a> Layers<'a> {
    /// None of their runs is opened yet.
    pub fn of(open: &'a OpenRuns, layers: &'a [Vec<RunRef>]) -> Layers<'a> {
        Layers { open, layers: layers.iter().map(|runs| ranges_of(runs)).collect() }
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
            let ends = |range: &Range<'_>| range.below.is_some_and(|end| end <= from);
            let begins = |range: &Range<'_>| below.is_none_or(|below| range.from < below);
            let (start, end) = (layer.partition_point(ends), layer.partition_point(begins));
            for range in layer.get(start..end).unwrap_or_default() {
                let Some(known) = range.run else { continue };
                found.push(self.open.get(known, range.below, Level::Layer)?);
            }
        }
        Ok(found)
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

/// What stands for `keys`, which are sorted and differ, by a run of the base and those upon it:
/// many are met on one walk, few are looked up.
pub fn stands_for<'a>(
    base: Option<&'a KeyRun>,
    upon: &'a [Arc<KeyRun>],
    keys: &'a [KeyHash],
) -> impl Iterator<Item = Entry> + 'a {
    const WALKED_A_LOOKUP: usize = 6;
    let runs = || base.into_iter().chain(upon.iter().map(|run| &**run));
    let states = runs().map(KeyRun::count).sum::<usize>();
    if keys.len().saturating_mul(WALKED_A_LOOKUP) < states {
        let newest_first = upon.iter().rev().map(|run| &**run).chain(base);
        let mut lookups: Vec<Lookup<'_>> = newest_first.map(Lookup::within).collect();
        let newest = move |key: &KeyHash| lookups.iter_mut().find_map(|run| run.find(*key));
        return Either::Left(keys.iter().filter_map(newest).filter_map(|state| state.entry));
    }
    let mut wanted = keys.iter().peekable();
    let is_wanted = move |state: &KeyState| {
        while wanted.next_if(|key| **key < state.hash).is_some() {}
        wanted.peek() == Some(&&state.hash)
    };
    let (from, last) = (keys.first().copied(), keys.last().copied());
    let below = last.and_then(|last| last.0.checked_add(1)).map(KeyHash);
    let states = merged(base, upon, from.unwrap_or(KeyHash(0)), below);
    Either::Right(states.filter(is_wanted).filter_map(|state| state.entry))
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
