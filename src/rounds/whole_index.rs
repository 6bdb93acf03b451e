//! The whole key index that a round file names, for who reads all of it and writes nothing.

use super::entry::{Entry, EntryLayout, KeyHash};
use super::key_run::{KeyRun, Level};
use super::layers::{Layers, merged};
use super::open_runs::OpenRuns;
use super::ranges::{Range, ranges_of};
use super::round_file::RoundFile;
use super::state_dir::StateDir;
use crate::error::{Error, Result};

/// So many runs of the base are open at a time, with what lies upon them.
const RUNS_A_PART: usize = 16;

/// The key index of a round.
pub struct WholeIndex<'a> {
    state: &'a StateDir,
    file: &'a RoundFile,
    layout: EntryLayout,
    base: Vec<Range<'a>>,
}

impl<'a> WholeIndex<'a> {
    /// That of the round of `file`, in the folder of `state`. No run is opened yet.
    pub fn of(state: &'a StateDir, file: &'a RoundFile) -> WholeIndex<'a> {
        WholeIndex { state, file, layout: file.rules.layout(), base: ranges_of(&file.index) }
    }

    /// The ranges of hashes in which it may be read, one after the other or side by side: from
    /// where on, and to below where.
    pub fn parts(&self) -> Vec<(KeyHash, Option<KeyHash>)> {
        let parts = self.base.chunks(RUNS_A_PART);
        parts.filter_map(|part| Some((part.first()?.from, part.last()?.below))).collect()
    }

    /// Has `each` hear what stands for keys from the hash `from` to below `below`, in their order.
    ///
    /// # Errors
    /// The system's; a damaged run is refused.
    pub fn entries_in(
        &self,
        from: KeyHash,
        below: Option<KeyHash>,
        mut each: impl FnMut(Entry),
    ) -> Result<()> {
        let ends = |range: &Range<'_>| range.below.is_some_and(|end| end <= from);
        let begins = |range: &Range<'_>| below.is_none_or(|below| range.from < below);
        let (start, end) = (self.base.partition_point(ends), self.base.partition_point(begins));
        for part in self.base.get(start..end).unwrap_or_default().chunks(RUNS_A_PART) {
            let runs = self.runs();
            let layers = Layers::of(&runs, &self.file.layers);
            for range in part {
                let open = |known| runs.get(known, range.below, Level::Base);
                let base = range.run.map(open).transpose()?;
                let from = from.max(range.from);
                let below = below.into_iter().chain(range.below).min();
                let upon = layers.runs_in(0, from, below)?;
                let states = merged(base.as_deref(), &upon, from, below);
                states.filter_map(|state| state.entry).for_each(&mut each);
            }
        }
        Ok(())
    }

    /// Why it cannot be read: each run that is damaged, or is not there.
    pub fn flaws(&self) -> Vec<Error> {
        let levels = std::iter::once((&self.file.index, Level::Base))
            .chain(self.file.layers.iter().map(|layer| (layer, Level::Layer)));
        let mut flaws = Vec::new();
        for (runs, level) in levels {
            for range in ranges_of(runs) {
                let Some(known) = range.run else { continue };
                let opened = KeyRun::open(self.state.disk(), self.state.path(), known, level);
                let seed = self.file.hash.seed;
                flaws.extend(
                    opened.and_then(|run| run.check_range(seed, self.layout, range.below)).err(),
                );
            }
        }
        flaws
    }

    fn runs(&self) -> OpenRuns {
        let (disk, dir) = (self.state.disk(), self.state.path());
        OpenRuns::within(disk, dir, self.file.hash.seed, self.layout)
    }
}
