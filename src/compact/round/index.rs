//! The key index of a destination: its runs, joined with the newcomers of a round.
//!
//! Runs that no newcomer touches are not opened. A run that is changed is written anew, under a
//! name of the round; if it would outgrow its size, in several parts of its range of hashes. What
//! comes of it depends on the entries alone, not on threads or memory.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::super::strategy::Strategy;
use super::entry::{Entry, EntryLayout, KeyHash, KeyHashSeed};
use super::join::{Leaving, Outcome, join};
use super::key_run::{KeyRun, MOST_RUN_BYTES, RunFile, RunRef, RunWriter};
use super::newcomer_block::Gathered;
use super::newcomers::{Newcomer, Newcomers};
use super::ranges::{Part, Range, ranges_of, some_of, within};
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::report::note_memory;
use crate::units::Offset;

/// The key index as a round file names it.
#[derive(Clone, Debug)]
pub struct KeyIndex {
    disk: Disk,
    dir: PathBuf,
    seed: KeyHashSeed,
    layout: EntryLayout,
    runs: Vec<RunRef>,
    most_run_bytes: usize,
}

/// Who loses in a round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Records of the destination, rising.
    pub dead: Vec<Offset>,
    /// Newcomers, by hash.
    pub late: Vec<Newcomer>,
    /// Those of them that lost to a deletion of which only the index knows.
    pub outlived: Vec<Offset>,
    /// How many runs were read for it.
    pub runs_read: u64,
    /// How many bytes these are.
    pub bytes_read: u64,
}

impl Found {
    /// What was found in several parts, which lie in order.
    fn merged(parts: Vec<Found>) -> Found {
        let mut all = Found::default();
        for found in parts {
            all.dead.extend(found.dead);
            all.late.extend(found.late);
            all.outlived.extend(found.outlived);
            all.runs_read += found.runs_read;
            all.bytes_read += found.bytes_read;
        }
        all
    }
}

/// What was written of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenIndex {
    /// All its runs, those that stay as they are among them.
    pub runs: Vec<RunRef>,
    /// The bytes of new ones.
    pub bytes_written: u64,
    /// The bytes of old ones that were read.
    pub bytes_read: u64,
}

/// What became of a part of a range.
enum Fate {
    Written(RunRef),
    /// It is to the byte what the run was.
    AsBefore,
    Empty,
}

impl KeyIndex {
    /// The index with these `runs` in the folder `dir`; none yet, if there are none.
    ///
    /// # Errors
    /// Runs whose ranges are not in order, or do not begin with the first hash.
    pub fn new(
        disk: &Disk,
        dir: &Path,
        seed: KeyHashSeed,
        layout: EntryLayout,
        runs: Vec<RunRef>,
    ) -> Result<KeyIndex> {
        let begins = runs.first().is_none_or(|run| run.first_hash == KeyHash(0));
        if !begins || !runs.is_sorted_by(|a, b| a.first_hash < b.first_hash) {
            return Err(Error::refused(format!(
                "{}: the runs of the key index are not in order; pass --reindex to build it anew",
                dir.display()
            )));
        }
        let (disk, dir) = (disk.clone(), dir.into());
        Ok(KeyIndex { disk, dir, seed, layout, runs, most_run_bytes: MOST_RUN_BYTES })
    }

    /// The same with runs of another size.
    #[cfg(test)]
    fn with_run_bytes(self, most_run_bytes: usize) -> KeyIndex {
        KeyIndex { most_run_bytes, ..self }
    }

    /// Opens all its runs.
    #[cfg(test)]
    pub fn open_all(&self) -> Result<Vec<KeyRun>> {
        let runs = ranges_of(&self.runs).into_iter();
        runs.filter_map(|it| Some(self.open_run(it.run?, it.below))).collect()
    }

    /// What the index knows of these keys, which are sorted.
    ///
    /// # Errors
    /// The system's; a damaged run is refused.
    pub fn find(&self, keys: &[KeyHash]) -> Result<Vec<Entry>> {
        let mut found = Vec::new();
        for range in ranges_of(&self.runs) {
            let ours = within(keys, range.from, range.below);
            if let Some(known) = range.run.filter(|_| !ours.is_empty()) {
                let run = self.open_run(known, range.below)?;
                found.extend(ours.iter().filter_map(|key| run.find(*key)));
            }
        }
        Ok(found)
    }

    /// Finds who loses, in the destination and among the newcomers.
    ///
    /// # Errors
    /// The system's; a damaged run is refused.
    pub fn find_dead<S: Strategy>(&self, newcomers: &Newcomers) -> Result<Found> {
        self.check(newcomers)?;
        let found = ranges_of(&self.runs).into_par_iter().map(|range| {
            let parts = range.parts(newcomers, self.layout, self.most_run_bytes)?;
            let Some(only) = some_of(&parts, newcomers)? else { return Ok(Found::default()) };
            let run = range.run.map(|known| self.open_run(known, range.below)).transpose()?;
            let found = parts.par_iter().map(|part| {
                let own = if only.is_none() { Some(part.of(newcomers)?) } else { None };
                let some = only.iter().chain(&own).flat_map(Gathered::iter);
                let mut found = Found::default();
                let entries = run.iter().flat_map(|run| run.entries_in(part.from, part.below));
                join::<S>(entries, some, Leaving::default(), |outcome| match outcome {
                    Outcome::Dead(offset, _) => found.dead.push(offset),
                    Outcome::Late(newcomer) => found.late.push(newcomer),
                    Outcome::Outlived(offset) => found.outlived.push(offset),
                    Outcome::Stands(_) | Outcome::Removed(_) => {}
                });
                Ok(found)
            });
            let mut found = Found::merged(found.collect::<Result<Vec<Found>>>()?);
            found.runs_read = u64::from(run.is_some());
            found.bytes_read = run.map_or(0, |run| run.bytes());
            Ok(found)
        });
        let mut found = Found::merged(found.collect::<Result<Vec<Found>>>()?);
        found.dead.par_sort_unstable();
        Ok(found)
    }

    /// Writes the index as it is after the round: runs that change, to the folder `to_dir`, under
    /// names of `round`, without the keys that are `leaving`.
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
        // Names are given before anything is written, so that they depend on no thread.
        let mut count = 0;
        let mut tasks = Vec::new();
        for range in ranges_of(&self.runs) {
            let parts = range.parts(newcomers, self.layout, self.most_run_bytes)?;
            let first_number = count;
            count += parts.len();
            tasks.push((range, parts, first_number));
        }
        let bytes_read = AtomicU64::new(0);
        let written = tasks.into_par_iter().map(|(range, parts, first_number)| {
            let target = Target { dir: to_dir, round, first_number };
            self.write_range::<S>(&range, &parts, &target, newcomers, leaving, &bytes_read)
        });
        let mut runs: Vec<RunRef> = Vec::new();
        let mut bytes_written = 0;
        for (some, bytes) in written.collect::<Result<Vec<_>>>()? {
            runs.extend(some);
            bytes_written += bytes;
        }
        if bytes_written > 0 {
            self.disk.sync_dir(to_dir)?;
        }
        // Where a range has no entry left, the run in front of it covers it; at the very front,
        // the one behind it.
        if let Some(first) = runs.first_mut() {
            first.first_hash = KeyHash(0);
        }
        Ok(WrittenIndex { runs, bytes_written, bytes_read: bytes_read.into_inner() })
    }

    fn write_range<S: Strategy>(
        &self,
        range: &Range<'_>,
        parts: &[Part],
        target: &Target<'_>,
        newcomers: &Newcomers,
        leaving: Leaving<'_>,
        bytes_read: &AtomicU64,
    ) -> Result<(Vec<RunRef>, u64)> {
        let leaving = leaving.within(range.from, range.below);
        let some = some_of(parts, newcomers)?;
        if let (Some(known), None) = (range.run, &some)
            && leaving.is_empty()
        {
            return Ok((vec![known.clone()], 0));
        }
        let only = some.flatten();
        let run = range.run.map(|known| self.open_run(known, range.below)).transpose()?;
        bytes_read.fetch_add(run.as_ref().map_or(0, KeyRun::bytes), Ordering::Relaxed);
        let is_whole = parts.len() == 1;
        let written = parts.par_iter().enumerate().map(|(index, part)| {
            let own = if only.is_none() { Some(part.of(newcomers)?) } else { None };
            let file = match only.as_ref().or(own.as_ref()) {
                Some(some) => self.merge::<S>(run.as_ref(), *part, some, leaving)?,
                None => None,
            };
            let Some(file) = file else { return Ok(Fate::Empty) };
            if is_whole && run.as_ref().is_some_and(|run| run.file() == file.bytes()) {
                return Ok(Fate::AsBefore);
            }
            let name = RunRef::file_name(target.round, target.first_number + index);
            if self.runs.iter().any(|run| run.file == name) {
                return Err(Error::bug(format!("{name} is in use")));
            }
            file.write(&self.disk, target.dir, name).map(Fate::Written)
        });
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

    /// The file of what stands in a part of a run's range.
    fn merge<S: Strategy>(
        &self,
        run: Option<&KeyRun>,
        Part { from, below }: Part,
        newcomers: &Gathered,
        leaving: Leaving<'_>,
    ) -> Result<Option<RunFile>> {
        let writer = RunWriter::new(self.layout, self.seed, from);
        let mut writer = writer.with_room(newcomers.len());
        let mut outcome = Ok(());
        let entries = run.into_iter().flat_map(|run| run.entries_in(from, below));
        join::<S>(entries, newcomers.iter(), leaving.within(from, below), |joined| {
            if let (Outcome::Stands(entry), Ok(())) = (joined, &outcome) {
                outcome = writer.push(&entry);
            }
        });
        note_memory();
        outcome.map(|()| writer.finish())
    }

    fn check(&self, newcomers: &Newcomers) -> Result<()> {
        if newcomers.made_for() == (self.seed, self.layout) {
            return Ok(());
        }
        Err(Error::bug("the newcomers are hashed otherwise than the key index"))
    }

    fn open_run(&self, known: &RunRef, below: Option<KeyHash>) -> Result<KeyRun> {
        let run = KeyRun::open(&self.disk, &self.dir, known)?;
        run.check_range(self.seed, self.layout, below)?;
        Ok(run)
    }
}

/// Where the runs of a range are written.
struct Target<'a> {
    dir: &'a Path,
    round: u64,
    first_number: usize,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use proptest::prelude::*;

    use super::super::super::strategy::{Claim, Strategy, Timestamp, Version};
    use super::super::entry::Entry;
    use super::*;

    const SEED: KeyHashSeed = KeyHashSeed(3);

    type ByOffset = super::super::super::strategy::Offset;

    fn newcomer(key: u64, offset: i64, ms: i64, deletes: bool) -> Newcomer {
        let claim = Version::of(Some(ms)).to_bits();
        let hash = SEED.hash(&key.to_be_bytes());
        let entry = Entry { hash, offset: Offset(offset), claim, deletes, gone: false };
        Newcomer { entry, chunk: 0, ordinal: offset as u32 }
    }

    fn newcomers(list: &[Newcomer], layout: EntryLayout) -> Newcomers {
        let newcomers = Newcomers::new(SEED, layout, usize::MAX, None);
        let claimed = |newcomer: &Newcomer| {
            let claim = if layout.with_claim { newcomer.entry.claim } else { (0, false) };
            Newcomer { entry: Entry { claim, ..newcomer.entry }, ..*newcomer }
        };
        let mut all = newcomers.list();
        list.iter().map(claimed).for_each(|newcomer| all.push(&newcomer).unwrap());
        newcomers.add(&all).unwrap();
        newcomers
    }

    /// An index in a folder, and the number of its next round.
    struct Index {
        dir: tempfile::TempDir,
        runs: Vec<RunRef>,
        layout: EntryLayout,
        run_bytes: usize,
        round: u64,
    }

    impl Index {
        fn empty<S: Strategy>(run_bytes: usize) -> Index {
            let dir = tempfile::tempdir().unwrap();
            Index { dir, runs: Vec::new(), layout: EntryLayout::of::<S>(), run_bytes, round: 1 }
        }

        fn opened(&self) -> KeyIndex {
            let disk = Disk::default();
            let (dir, runs) = (self.dir.path(), self.runs.clone());
            let index = KeyIndex::new(&disk, dir, SEED, self.layout, runs).unwrap();
            index.with_run_bytes(self.run_bytes)
        }

        fn round<S: Strategy>(
            &mut self,
            list: &[Newcomer],
            removed: &[KeyHash],
        ) -> (Found, WrittenIndex) {
            let newcomers = newcomers(list, self.layout);
            let index = self.opened();
            let found = index.find_dead::<S>(&newcomers).unwrap();
            let leaving = Leaving { expired: removed, erased: &[] };
            let written = index.write::<S>(self.dir.path(), self.round, &newcomers, leaving);
            let written = written.unwrap();
            self.runs = written.runs.clone();
            self.round += 1;
            (found, written)
        }

        fn entries(&self) -> Vec<Entry> {
            let runs = self.opened().open_all().unwrap();
            runs.iter().flat_map(|run| run.iter().collect::<Vec<_>>()).collect()
        }

        fn files(&self) -> BTreeMap<String, Vec<u8>> {
            let read = |run: &RunRef| fs::read(self.dir.path().join(&run.file)).unwrap();
            self.runs.iter().map(|run| (run.file.clone(), read(run))).collect()
        }
    }

    fn many(keys: std::ops::Range<u64>, offset: i64) -> Vec<Newcomer> {
        keys.map(|key| newcomer(key, offset + key as i64, 5, false)).collect()
    }

    #[test]
    fn runs_that_no_newcomer_touches_are_neither_opened_nor_written() {
        let mut index = Index::empty::<ByOffset>(4096);
        let (found, written) = index.round::<ByOffset>(&many(0..5000, 0), &[]);
        assert_eq!(found, Found::default());
        assert!(written.runs.len() > 30, "{}", written.runs.len());
        assert!(written.runs.iter().all(|run| run.bytes <= 4096 && run.bytes > 1024));
        assert_eq!(written.bytes_written, written.runs.iter().map(|run| run.bytes).sum::<u64>());

        // All but those that two keys lie in could as well not be there.
        let news = [newcomer(7, 9000, 5, false), newcomer(70_000, 9001, 5, false)];
        let touched = |run: &RunRef, next: Option<&RunRef>| {
            let below = next.map(|next| next.first_hash);
            let is_in = |hash| hash >= run.first_hash && below.is_none_or(|below| hash < below);
            news.iter().any(|newcomer| is_in(newcomer.entry.hash))
        };
        for (at, run) in index.runs.iter().enumerate() {
            if !touched(run, index.runs.get(at + 1)) {
                fs::remove_file(index.dir.path().join(&run.file)).unwrap();
            }
        }
        let before = index.runs.clone();
        let (found, written) = index.round::<ByOffset>(&news, &[]);
        assert_eq!((found.dead, found.late, found.runs_read), (vec![Offset(7)], vec![], 2));
        let new: Vec<_> = written.runs.iter().filter(|run| !before.contains(run)).collect();
        assert_eq!(new.len(), 2);
        assert!(new.iter().all(|run| run.file.starts_with("keys-000002-")));
        assert_eq!(written.bytes_written, new.iter().map(|run| run.bytes).sum::<u64>());
        assert_eq!((written.bytes_read, written.runs.len()), (found.bytes_read, before.len()));
    }

    #[test]
    fn a_run_in_which_all_newcomers_lose_is_not_written() {
        let mut index = Index::empty::<Timestamp>(4096);
        index.round::<Timestamp>(&many(0..100, 0), &[]);
        let before = index.runs.clone();
        let late: Vec<_> = (0..20).map(|key| newcomer(key, 500 + key as i64, 4, false)).collect();
        let (found, written) = index.round::<Timestamp>(&late, &[]);
        assert_eq!((found.dead.len(), found.late.len()), (0, 20));
        assert_eq!((written.runs, written.bytes_written), (before, 0));
    }

    #[test]
    fn an_index_comes_out_the_same_for_any_threads_and_any_order() {
        let made = |threads: usize, is_turned: bool| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut index = Index::empty::<Timestamp>(4096);
                for list in [many(0..900, 0), many(500..3000, 5000)] {
                    let mut list = list;
                    if is_turned {
                        list.reverse();
                    }
                    index.round::<Timestamp>(&list, &[]);
                }
                (index.runs.clone(), index.files())
            })
        };
        let one = made(1, false);
        assert_eq!(one.1.len(), one.0.len());
        assert!(one == made(3, true));
    }

    #[test]
    fn runs_grow_into_several_and_runs_without_entries_go() {
        let mut index = Index::empty::<ByOffset>(1024);
        index.round::<ByOffset>(&[newcomer(1, 1, 0, true)], &[]);
        assert_eq!(index.runs.len(), 1);
        let tombstones: Vec<_> = (2..2000).map(|key| newcomer(key, key as i64, 0, true)).collect();
        index.round::<ByOffset>(&tombstones, &[]);
        assert!(index.runs.len() > 50);
        let entries = index.entries();
        assert_eq!(entries.len(), 1999);
        assert!(entries.is_sorted_by_key(|entry| entry.hash));
        // All but one leave; whatever comes then finds its range.
        let kept = entries[1000];
        let removed: Vec<KeyHash> =
            entries.iter().map(|entry| entry.hash).filter(|hash| *hash != kept.hash).collect();
        index.round::<ByOffset>(&[], &removed);
        assert_eq!(index.entries(), [kept]);
        assert_eq!((index.runs.len(), index.runs[0].first_hash), (1, KeyHash(0)));
        index.round::<ByOffset>(&[], &[kept.hash]);
        assert_eq!(index.runs, []);
        index.round::<ByOffset>(&many(0..10, 9000), &[]);
        assert_eq!(index.entries().len(), 10);
    }

    #[test]
    fn keys_are_found_in_the_runs_that_cover_them() {
        let mut index = Index::empty::<ByOffset>(1024);
        index.round::<ByOffset>(&many(0..500, 0), &[]);
        assert!(index.runs.len() > 5);
        let mut keys: Vec<KeyHash> =
            (490..510).map(|key| newcomer(key, 0, 0, false).entry.hash).collect();
        keys.sort();
        let found = index.opened().find(&keys).unwrap();
        let mut offsets: Vec<i64> = found.iter().map(|entry| entry.offset.0).collect();
        offsets.sort();
        assert!(offsets.into_iter().eq(490..500));
        assert!(found.is_sorted_by_key(|entry| entry.hash));
        assert_eq!(index.opened().find(&[]).unwrap(), []);
    }

    #[test]
    fn a_damaged_run_stops_the_round_with_what_to_do() {
        let mut index = Index::empty::<ByOffset>(1 << 20);
        index.round::<ByOffset>(&many(0..10, 0), &[]);
        let path = index.dir.path().join(&index.runs[0].file);
        let mut bytes = fs::read(&path).unwrap();
        bytes[50] ^= 1;
        fs::write(&path, bytes).unwrap();
        let news = newcomers(&many(0..1, 100), index.layout);
        let refusal = index.opened().find_dead::<ByOffset>(&news).unwrap_err().to_string();
        assert!(refusal.contains("keys-000001-0000.kidx: damaged"), "{refusal}");
        assert!(refusal.contains("pass --reindex"), "{refusal}");
        let refusal =
            index.opened().write::<ByOffset>(index.dir.path(), 2, &news, Leaving::default());
        assert!(refusal.unwrap_err().to_string().contains("pass --reindex"));
    }

    #[test]
    fn runs_out_of_order_are_refused() {
        let mut index = Index::empty::<ByOffset>(1024);
        index.round::<ByOffset>(&many(0..500, 0), &[]);
        let open = |runs: Vec<RunRef>| {
            KeyIndex::new(&Disk::default(), index.dir.path(), SEED, index.layout, runs).map(drop)
        };
        open(index.runs.clone()).unwrap();
        open(index.runs.iter().rev().cloned().collect()).unwrap_err();
        open(index.runs.iter().skip(1).cloned().collect()).unwrap_err();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn rounds_of_any_size_give_what_a_map_gives(
            rounds in prop::collection::vec(
                prop::collection::btree_map(0..300u64, (0..4i64, any::<bool>()), 0..200), 1..5),
            run_bytes in 100..3000usize,
        ) {
            let mut index = Index::empty::<Timestamp>(run_bytes);
            let mut map: BTreeMap<KeyHash, Entry> = BTreeMap::new();
            let mut offset = 0;
            for round in rounds {
                let mut list = Vec::new();
                let (mut dead, mut late) = (Vec::new(), Vec::new());
                for (key, (ms, deletes)) in round {
                    offset += 1;
                    let news = newcomer(key, offset, ms, deletes);
                    list.push(news);
                    match map.get(&news.entry.hash) {
                        Some(old) if old.claim > news.entry.claim => {
                            late.push(news);
                            continue;
                        }
                        Some(old) => dead.extend((!old.gone).then_some(old.offset)),
                        None => {}
                    }
                    map.insert(news.entry.hash, news.entry);
                }
                // Of the tombstones that stand in the destination since before, every other goes.
                let is_new = |entry: &Entry| list.iter().any(|it| it.entry == *entry);
                let mut removed = Vec::new();
                for entry in map.values_mut().filter(|it| it.deletes && !is_new(it)).step_by(2) {
                    removed.push(entry.hash);
                    entry.gone = true;
                }
                dead.sort();
                late.sort_by_key(|it| it.entry.hash);
                let (found, _) = index.round::<Timestamp>(&list, &removed);
                prop_assert_eq!((found.dead, found.late), (dead, late));
                prop_assert_eq!(index.entries(), map.values().copied().collect::<Vec<_>>());
            }
        }
    }
}
