//! The key index after a round, written: as a layer of what has changed, or, once that is much, as
//! a new base in which all layers are.
//!
//! Runs that do not change stay, whatever happens. A run of the base that changes is written anew
//! under a name of the round; if it would outgrow its size, in several parts of its range of
//! hashes. What comes of it depends on the entries alone, not on threads or memory.

use std::path::Path;

use rayon::prelude::*;

use super::index::KeyIndex;
use super::join::{Leaving, Outcome, join, newest_stands};
use super::newcomer_block::Gathered;
use super::newcomers::{Newcomer, Newcomers};
use super::parts::{Part, parts_of, some_of};
use crate::compact::strategy::Strategy;
use crate::disk::SyncTogether;
use crate::error::{Error, Result};
use crate::report::note_memory;
use crate::rounds::{
    Entry, KeyHash, KeyState, Layers, Merged, OpenRuns, Range, RunFile, RunRef, RunWriter,
    entries_of, merged, ranges_of, stands_for,
};

/// About how much of a new run is put together at a time.
const PIECE_BYTES: u64 = 192 << 10;

/// What was written of an index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrittenIndex {
    /// All runs of its base, those that stay as they are among them.
    pub base: Vec<RunRef>,
    /// And of its layers.
    pub layers: Vec<Vec<RunRef>>,
    /// The bytes of new ones.
    pub bytes_written: u64,
}

/// What became of a part of a range.
enum Fate {
    Written(RunRef),
    /// It is to the byte what the run was.
    AsBefore,
    Empty,
}

/// What a round writes, and where.
struct Writing<'a> {
    index: &'a KeyIndex,
    dir: &'a Path,
    round: u64,
    newcomers: &'a Newcomers,
    leaving: Leaving<'a>,
    layers: Layers<'a>,
    unsynced: &'a SyncTogether,
}

impl KeyIndex {
    /// Writes the index as it is after the round: what changes, to the folder `to_dir`, under names
    /// of `round`, synced but for the names, without the keys that are `leaving`.
    ///
    /// # Errors
    /// The system's; a damaged run is refused.
    pub fn write<S: Strategy>(
        &self,
        to_dir: &Path,
        round: u64,
        newcomers: &Newcomers,
        leaving: Leaving<'_>,
    ) -> Result<WrittenIndex> {
        self.check(newcomers)?;
        if !(leaving.expired.is_sorted() && leaving.erased.is_sorted()) {
            return Err(Error::bug("the keys that leave are not sorted"));
        }
        let news = newcomers.about(KeyHash(0), None)?.saturating_add(leaving.count());
        if news == 0 {
            let (base, layers) = (self.base.clone(), self.layers.clone());
            return Ok(WrittenIndex { base, layers, ..WrittenIndex::default() });
        }
        let unsynced = SyncTogether::default();
        let writing = Writing {
            index: self,
            dir: to_dir,
            round,
            newcomers,
            leaving,
            layers: Layers::of(&self.runs, &self.layers),
            unsynced: &unsynced,
        };
        let layered = |sum: u64, runs: &Vec<RunRef>| sum.saturating_add(entries_of(runs));
        let changed = self.layers.iter().fold(news, layered);
        let is_little = changed.saturating_mul(self.layer_share) < entries_of(&self.base);
        // Of a key that is erased no hash is to be left, in whatever the layer lies upon.
        let written = if is_little && leaving.erased.is_empty() {
            writing.layer::<S>(news)?
        } else {
            writing.base::<S>()?
        };
        unsynced.finish()?;
        Ok(written)
    }
}

impl Writing<'_> {
    /// Writes a layer. It takes in the newest of those that are there, as long as the next is not
    /// much larger than it would be: so there are few, and what is written once is written again
    /// only as often as the layer it is in doubles.
    fn layer<S: Strategy>(self, news: u64) -> Result<WrittenIndex> {
        let (mut kept, mut size) = (self.index.layers.len(), news);
        while let Some(newest) = kept.checked_sub(1).and_then(|at| self.index.layers.get(at)) {
            let entries = entries_of(newest);
            if entries > size.saturating_mul(2) {
                break;
            }
            size = size.saturating_add(entries);
            kept -= 1;
        }
        let groups = self.groups(kept)?;
        let written = groups.into_par_iter().with_min_len(self.index.least_runs()).enumerate().map(
            |(number, ranges)| {
                let [first, ..] = ranges.as_slice() else { return Ok(None) };
                let below = ranges.last().and_then(|last| last.below);
                let whole = Part { from: first.from, below };
                if let Some(file) = self.news_alone::<S>(whole, kept)? {
                    return self.put(&file, number).map(Some);
                }
                let states = ranges.par_iter().map(|range| self.changes::<S>(range, kept));
                let OpenRuns { layout, seed, .. } = *self.index.runs;
                let mut writer = RunWriter::new(layout, seed, first.from);
                for states in states.collect::<Result<Vec<_>>>()? {
                    states.into_iter().try_for_each(|state| writer.push(state))?;
                }
                writer.finish().map(|file| self.put(&file, number)).transpose()
            },
        );
        let written = written.collect::<Result<Vec<Option<RunRef>>>>()?;
        let runs = covering(written.into_iter().flatten().collect());
        let bytes_written = runs.iter().map(|run| run.bytes).sum();
        let (base, layers) = (self.index.base.clone(), self.index.layers.iter().take(kept));
        let layers = layers.cloned().chain((!runs.is_empty()).then_some(runs)).collect();
        Ok(WrittenIndex { base, layers, bytes_written })
    }

    /// The file of a part of a layer in which nothing is to be said but who comes: where the newest
    /// stands, whatever stood before.
    fn news_alone<S: Strategy>(&self, part: Part, kept: usize) -> Result<Option<RunFile>> {
        let is_alone = newest_stands::<S>()
            && self.leaving.within(part.from, part.below).is_empty()
            && self.layers.runs_in(kept, part.from, part.below)?.is_empty();
        if is_alone { self.as_they_are(part) } else { Ok(None) }
    }

    /// The ranges of the base, put together to those of runs of a layer that takes in the layers
    /// from number `kept` on.
    fn groups(&self, kept: usize) -> Result<Vec<Vec<Range<'_>>>> {
        let index = self.index;
        // Newcomers are counted about.
        let most = (index.most_run_bytes - index.most_run_bytes / 8) as u64;
        let ranges = ranges_of(&index.base).into_par_iter().map(|range| {
            let layered = self.layered_in(&range, kept)?;
            let news = self.newcomers.about(range.from, range.below)?;
            let leaving = self.leaving.within(range.from, range.below).count();
            let entries = layered.saturating_add(news).saturating_add(leaving);
            Ok((range, entries.saturating_mul(index.runs.layout.entry_bytes() as u64)))
        });
        let mut groups: Vec<Vec<Range<'_>>> = Vec::new();
        let mut group_bytes = 0u64;
        for (range, bytes) in ranges.collect::<Result<Vec<_>>>()? {
            group_bytes = group_bytes.saturating_add(bytes);
            match groups.last_mut().filter(|_| group_bytes <= most) {
                Some(group) => group.push(range),
                None => {
                    groups.push(vec![range]);
                    group_bytes = bytes;
                }
            }
        }
        Ok(groups)
    }

    /// Of how many keys in `range` the layers from number `first` on say something.
    fn layered_in(&self, range: &Range<'_>, first: usize) -> Result<u64> {
        let upon = self.layers.runs_in(first, range.from, range.below)?;
        Ok(upon.iter().map(|run| run.count_in(range.from, range.below)).sum())
    }

    /// What the new layer says of a range: what changes in this round, and what the layers say
    /// that it takes in, which are those from number `kept` on.
    fn changes<S: Strategy>(&self, range: &Range<'_>, kept: usize) -> Result<Vec<KeyState>> {
        let Range { from, below, .. } = *range;
        let taken_in = self.layers.runs_in(kept, from, below)?;
        let taken_in: Vec<KeyState> = merged(None, &taken_in, from, below).collect();
        let leaving = self.leaving.within(from, below);
        if newest_stands::<S>()
            && leaving.is_empty()
            && let Some(news) = (Part { from, below }).plain_states(self.newcomers)?
        {
            return Ok(upon(taken_in, news));
        }
        let newcomers = self.newcomers.range(from, below)?;
        if newcomers.is_empty() && leaving.is_empty() {
            return Ok(taken_in);
        }
        // Where the newest stands, who comes stands whatever stood before.
        let is_met = |newcomer: &Newcomer| !newest_stands::<S>() || newcomer.entry.gone;
        let met = newcomers.iter().filter(is_met).map(|newcomer| newcomer.entry.hash);
        let mut keys: Vec<KeyHash> = met.collect();
        keys.extend(leaving.expired.iter().chain(leaving.erased));
        keys.sort_unstable();
        keys.dedup();
        let old = if keys.is_empty() {
            Vec::new()
        } else {
            let base = self.index.open_base(range)?;
            let layers = self.layers.runs_in(0, from, below)?;
            stands_for(base.as_deref(), &layers, &keys).collect()
        };
        let mut stands = Vec::new();
        join::<S>(old.iter().copied(), newcomers.iter(), leaving, |joined| {
            if let Outcome::Stands(entry) = joined {
                stands.push(entry);
            }
        });
        Ok(upon(taken_in, difference(&old, &stands)))
    }

    /// Writes a base that holds all that the layers say.
    fn base<S: Strategy>(self) -> Result<WrittenIndex> {
        let index = self.index;
        let ranges = ranges_of(&index.base).into_par_iter();
        let counted = ranges.map(|range| Ok((range, self.layered_in(&range, 0)?)));
        // Names are given before anything is written, so that they depend on no thread.
        let mut count = 0;
        let mut tasks = Vec::new();
        for (range, layered) in counted.collect::<Result<Vec<_>>>()? {
            let (layout, most) = (index.runs.layout, index.most_run_bytes);
            let parts = parts_of(&range, layered, self.newcomers, layout, most)?;
            let first_number = count;
            count += parts.len();
            tasks.push((range, layered, parts, first_number));
        }
        let written = tasks.into_par_iter().with_min_len(index.least_runs()).map(
            |(range, layered, parts, first_number)| {
                self.base_range::<S>(&range, layered, &parts, first_number)
            },
        );
        let mut runs: Vec<RunRef> = Vec::new();
        let mut bytes_written = 0;
        for (some, bytes) in written.collect::<Result<Vec<_>>>()? {
            runs.extend(some);
            bytes_written += bytes;
        }
        let (base, layers) = (covering(runs), Vec::new());
        Ok(WrittenIndex { base, layers, bytes_written })
    }

    fn base_range<S: Strategy>(
        &self,
        range: &Range<'_>,
        layered: u64,
        parts: &[Part],
        first_number: usize,
    ) -> Result<(Vec<RunRef>, u64)> {
        let leaving = self.leaving.within(range.from, range.below);
        let is_new = range.run.is_none() && layered == 0;
        let some = if is_new { Some(None) } else { some_of(parts, self.newcomers)? };
        if let (Some(known), None, 0) = (range.run, &some, layered)
            && leaving.is_empty()
        {
            return Ok((vec![known.clone()], 0));
        }
        let only = some.flatten();
        let run = self.index.open_base(range)?;
        let upon = self.layers.runs_in(0, range.from, range.below)?;
        let is_whole = parts.len() == 1;
        let written = parts.par_iter().with_min_len(self.index.least_runs()).enumerate().map(
            |(number, part)| {
                let file = if is_new { self.as_they_are(*part)? } else { None };
                let file = match file {
                    None => {
                        let states = merged(run.as_deref(), &upon, part.from, part.below);
                        let entries = states.filter_map(|state| state.entry);
                        let own = || part.of(self.newcomers);
                        let own = only.is_none().then(own).transpose()?;
                        let some = only.as_ref().or(own.as_ref());
                        let merge = |some| self.merge::<S>(entries, *part, some, leaving);
                        some.map(merge).transpose()?.flatten()
                    }
                    file => file,
                };
                let Some(file) = file else { return Ok(Fate::Empty) };
                if is_whole && run.as_ref().is_some_and(|run| run.file() == file.bytes()) {
                    return Ok(Fate::AsBefore);
                }
                self.put(&file, first_number + number).map(Fate::Written)
            },
        );
        let mut runs = Vec::new();
        let mut bytes_written = 0;
        for part in written.collect::<Result<Vec<Fate>>>()? {
            match part {
                Fate::Written(run) => {
                    bytes_written += run.bytes;
                    runs.push(run);
                }
                Fate::AsBefore => runs.extend(range.run.cloned()),
                Fate::Empty => {}
            }
        }
        Ok((runs, bytes_written))
    }

    /// The file of a part that says nothing but who comes, if there is nothing to decide: each key
    /// comes once, and its record is there.
    fn as_they_are(&self, part: Part) -> Result<Option<RunFile>> {
        let OpenRuns { layout, seed, .. } = *self.index.runs;
        let about = self.newcomers.about(part.from, part.below)?;
        let bytes = about.saturating_mul(layout.entry_bytes() as u64);
        let writer = RunWriter::new(layout, seed, part.from);
        let mut writer = writer.with_room(usize::try_from(about).unwrap_or(0));
        // What is sorted at a time stays in a core's own cache.
        for piece in part.cut(bytes.div_ceil(PIECE_BYTES)) {
            let append = |bytes: &mut _| piece.append_entries(self.newcomers, bytes);
            if !writer.append(append)? {
                return Ok(None);
            }
        }
        Ok(writer.finish())
    }

    /// The file of what stands in a part of a run's range.
    fn merge<S: Strategy>(
        &self,
        entries: impl Iterator<Item = Entry>,
        Part { from, below }: Part,
        newcomers: &Gathered,
        leaving: Leaving<'_>,
    ) -> Result<Option<RunFile>> {
        let OpenRuns { layout, seed, .. } = *self.index.runs;
        let writer = RunWriter::new(layout, seed, from);
        let mut writer = writer.with_room(newcomers.len());
        let mut outcome = Ok(());
        join::<S>(entries, newcomers.iter(), leaving.within(from, below), |joined| {
            if let (Outcome::Stands(entry), Ok(())) = (joined, &outcome) {
                outcome = writer.push(entry);
            }
        });
        note_memory();
        outcome.map(|()| writer.finish())
    }

    fn put(&self, file: &RunFile, number: usize) -> Result<RunRef> {
        let name = RunRef::file_name(self.round, number);
        let mut used = self.index.base.iter().chain(self.index.layers.iter().flatten());
        if used.any(|run| run.file == name) {
            return Err(Error::bug(format!("{name} is in use")));
        }
        let (run, file) = file.write(&self.index.runs.disk, self.dir, name)?;
        self.unsynced.add(file, None)?;
        Ok(run)
    }
}

/// Where a range has no entry left, the run in front of it covers it; at the very front, the one
/// behind it.
fn covering(mut runs: Vec<RunRef>) -> Vec<RunRef> {
    if let Some(first) = runs.first_mut() {
        first.first_hash = KeyHash(0);
    }
    runs
}

/// What a layer says that takes in what `older` ones say.
fn upon(older: Vec<KeyState>, newer: Vec<KeyState>) -> Vec<KeyState> {
    if older.is_empty() {
        return newer;
    }
    Merged::of([older.into_iter(), newer.into_iter()]).collect()
}

/// What to say of keys for which `old` stood, and `new` stands now; both are sorted.
fn difference(old: &[Entry], new: &[Entry]) -> Vec<KeyState> {
    let mut changed = Vec::new();
    let mut old = old.iter().peekable();
    let over = |entry: &Entry| KeyState { hash: entry.hash, entry: None };
    for entry in new {
        while let Some(gone) = old.next_if(|it| it.hash < entry.hash) {
            changed.push(over(gone));
        }
        if old.next_if(|it| it.hash == entry.hash) != Some(entry) {
            changed.push((*entry).into());
        }
    }
    changed.extend(old.map(over));
    changed
}
