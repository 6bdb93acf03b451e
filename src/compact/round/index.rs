//! The key index of a destination: its runs, and the layers upon them, joined with the newcomers
//! of a round. Runs that no newcomer touches are not opened.

use std::path::Path;
use std::sync::Arc;

use super::newcomers::Newcomers;
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::rounds::{
    Entry, EntryLayout, KeyHash, KeyHashSeed, KeyRun, Layers, Level, MOST_RUN_BYTES, OpenRuns,
    Range, RunRef, are_in_order, ranges_of, stands_for, within,
};

/// Once one in so many of the base's entries has changed, layers are merged into a new base.
const LAYER_SHARE: u64 = 4;

/// The key index as a round file names it.
#[derive(Clone)]
pub struct KeyIndex {
    pub(super) runs: Arc<OpenRuns>,
    pub(super) base: Vec<RunRef>,
    pub(super) layers: Vec<Vec<RunRef>>,
    pub(super) most_run_bytes: usize,
    pub(super) layer_share: u64,
    is_in_turn: bool,
}

impl KeyIndex {
    /// The index with these runs, and `layers` upon them, in the folder `dir`; none yet, if there
    /// are none.
    ///
    /// # Errors
    /// Runs whose ranges are not in order, or do not begin with the first hash.
    pub fn new(
        disk: &Disk,
        dir: &Path,
        (seed, layout): (KeyHashSeed, EntryLayout),
        base: Vec<RunRef>,
        layers: Vec<Vec<RunRef>>,
    ) -> Result<KeyIndex> {
        if !are_in_order(&base, &layers) {
            return Err(Error::refused(format!(
                "{}: the runs of the key index are not in order; compact with --reindex to build \
                 it anew",
                dir.display()
            )));
        }
        let runs = Arc::new(OpenRuns::within(disk, dir, seed, layout));
        let (most_run_bytes, layer_share) = (MOST_RUN_BYTES, LAYER_SHARE);
        Ok(KeyIndex { runs, base, layers, most_run_bytes, layer_share, is_in_turn: false })
    }

    /// How many of its runs were read so far, and how many bytes these are.
    pub fn read_so_far(&self) -> (u64, u64) {
        (self.runs.count(), self.runs.bytes())
    }

    /// Gives back what open runs take, now that none is to be read again.
    pub fn close(&self) {
        self.runs.close();
    }

    /// The same with its runs read and made one after the other, whatever threads there are.
    pub fn in_turn(self) -> KeyIndex {
        KeyIndex { is_in_turn: true, ..self }
    }

    /// Whether its runs are read and made so.
    pub fn is_in_turn(&self) -> bool {
        self.is_in_turn
    }

    /// How many of its runs a thread reads or makes at the least.
    pub(super) fn least_runs(&self) -> usize {
        if self.is_in_turn { usize::MAX } else { 1 }
    }

    /// The same with runs of another size, and layers up to another share of the base.
    #[cfg(test)]
    fn with(self, most_run_bytes: usize, layer_share: u64) -> KeyIndex {
        KeyIndex { most_run_bytes, layer_share, ..self }
    }

    /// All its entries.
    #[cfg(test)]
    pub fn entries(&self) -> Result<Vec<Entry>> {
        use crate::rounds::merged;
        let layers = Layers::of(&self.runs, &self.layers);
        let mut entries = Vec::new();
        for range in ranges_of(&self.base) {
            let base = self.open_base(&range)?;
            let upon = layers.runs_in(0, range.from, range.below)?;
            let states = merged(base.as_deref(), &upon, range.from, range.below);
            entries.extend(states.filter_map(|state| state.entry));
        }
        Ok(entries)
    }

    /// What the index knows of these keys, which are sorted.
    ///
    /// # Errors
    /// The system's; a damaged run is refused.
    pub fn find(&self, keys: &[KeyHash]) -> Result<Vec<Entry>> {
        let layers = Layers::of(&self.runs, &self.layers);
        let mut found = Vec::new();
        for range in ranges_of(&self.base) {
            let ours = within(keys, range.from, range.below);
            found.extend(self.stands_for(&range, &layers, ours)?);
        }
        Ok(found)
    }

    /// What stands for `keys`, which are sorted and lie in `range`. Where there are none, nothing
    /// is opened.
    pub(super) fn stands_for(
        &self,
        range: &Range<'_>,
        layers: &Layers<'_>,
        keys: &[KeyHash],
    ) -> Result<Vec<Entry>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let base = self.open_base(range)?;
        let upon = layers.runs_in(0, range.from, range.below)?;
        Ok(stands_for(base.as_deref(), &upon, keys).collect())
    }

    pub(super) fn check(&self, newcomers: &Newcomers) -> Result<()> {
        if newcomers.made_for() == (self.runs.seed, self.runs.layout) {
            return Ok(());
        }
        Err(Error::bug("the newcomers are hashed otherwise than the key index"))
    }

    pub(super) fn open_base(&self, range: &Range<'_>) -> Result<Option<Arc<KeyRun>>> {
        let open = |known| self.runs.get(known, range.below, Level::Base);
        range.run.map(open).transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;

    use proptest::prelude::*;

    use super::super::found::collected::{Found, losers_of};
    use super::super::index_write::WrittenIndex;
    use super::super::join::Leaving;
    use super::super::layout::layout_of;
    use super::super::newcomers::Newcomer;
    use super::*;
    use crate::compact::strategy::{ByOffset, ByTimestamp, Claim, Strategy, Version};
    use crate::rounds::entries_of;
    use crate::units::Offset;

    const SEED: KeyHashSeed = KeyHashSeed(3);

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
        let mut all = newcomers.list(0);
        list.iter().map(claimed).for_each(|newcomer| all.push(&newcomer).unwrap());
        newcomers.add(&all).unwrap();
        newcomers
    }

    /// An index in a folder, and the number of its next round.
    struct Index {
        dir: tempfile::TempDir,
        runs: Vec<RunRef>,
        layers: Vec<Vec<RunRef>>,
        layout: EntryLayout,
        run_bytes: usize,
        layer_share: u64,
        round: u64,
        /// How many runs the last round has read, and how many bytes these are.
        read: (u64, u64),
    }

    impl Index {
        /// One that never gets a layer.
        fn empty<S: Strategy>(run_bytes: usize) -> Index {
            let (dir, layout) = (tempfile::tempdir().unwrap(), layout_of::<S>());
            let (runs, layers, layer_share, round) = (Vec::new(), Vec::new(), u64::MAX, 1);
            let read = (0, 0);
            Index { dir, runs, layers, layout, run_bytes, layer_share, round, read }
        }

        /// One whose layers never become a base.
        fn layered<S: Strategy>(run_bytes: usize) -> Index {
            Index { layer_share: 0, ..Index::empty::<S>(run_bytes) }
        }

        fn opened(&self) -> KeyIndex {
            let disk = Disk::default();
            let (dir, made_for) = (self.dir.path(), (SEED, self.layout));
            let (runs, layers) = (self.runs.clone(), self.layers.clone());
            let index = KeyIndex::new(&disk, dir, made_for, runs, layers).unwrap();
            index.with(self.run_bytes, self.layer_share)
        }

        fn round<S: Strategy>(
            &mut self,
            list: &[Newcomer],
            removed: &[KeyHash],
        ) -> (Found, WrittenIndex) {
            let newcomers = newcomers(list, self.layout);
            let index = self.opened();
            let found = losers_of::<S>(&index, &newcomers).unwrap();
            let leaving = Leaving { expired: removed, erased: &[] };
            let written = index.write::<S>(self.dir.path(), self.round, &newcomers, leaving);
            let written = written.unwrap();
            self.runs = written.base.clone();
            self.layers = written.layers.clone();
            self.round += 1;
            self.read = index.read_so_far();
            (found, written)
        }

        fn entries(&self) -> Vec<Entry> {
            self.opened().entries().unwrap()
        }

        fn files(&self) -> BTreeMap<String, Vec<u8>> {
            let read = |run: &RunRef| fs::read(self.dir.path().join(&run.file)).unwrap();
            let runs = self.runs.iter().chain(self.layers.iter().flatten());
            runs.map(|run| (run.file.clone(), read(run))).collect()
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
        assert!(written.base.len() > 30, "{}", written.base.len());
        assert!(written.base.iter().all(|run| run.bytes <= 4096 && run.bytes > 1024));
        assert_eq!(written.bytes_written, written.base.iter().map(|run| run.bytes).sum::<u64>());

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
        assert_eq!((found.dead, found.late, index.read.0), (vec![Offset(7)], vec![], 2));
        let new: Vec<_> = written.base.iter().filter(|run| !before.contains(run)).collect();
        assert_eq!(new.len(), 2);
        assert!(new.iter().all(|run| run.file.starts_with("keys-000002-")));
        assert_eq!(written.bytes_written, new.iter().map(|run| run.bytes).sum::<u64>());
        assert_eq!(written.base.len(), before.len());
    }

    #[test]
    fn a_round_that_changes_little_writes_a_layer_of_that_alone() {
        let mut index = Index::layered::<ByOffset>(4096);
        let tombstone = newcomer(5000, 5000, 5, true);
        index.round::<ByOffset>(&[many(0..5000, 0), vec![tombstone]].concat(), &[]);
        assert_eq!((index.layers.len(), index.runs.len() > 30), (0, true));
        let base = index.runs.clone();
        let touched = |hash: KeyHash| base.partition_point(|run| run.first_hash <= hash) - 1;
        let news = [newcomer(7, 9000, 5, false), newcomer(70_000, 9001, 5, false)];
        let removed = [tombstone.entry.hash];
        let hashes = news.iter().map(|it| it.entry.hash).chain(removed);
        let touched: BTreeSet<usize> = hashes.map(touched).collect();
        for (at, run) in base.iter().enumerate().filter(|(at, _)| !touched.contains(at)) {
            let path = index.dir.path().join(&run.file);
            fs::rename(&path, path.with_extension(at.to_string())).unwrap();
        }
        let (found, written) = index.round::<ByOffset>(&news, &removed);
        assert_eq!((found.dead, found.late), (vec![Offset(7)], vec![]));
        assert_eq!((&written.base, written.layers.len()), (&base, 1));
        let [run] = written.layers[0].as_slice() else { panic!("{written:?}") };
        assert_eq!((run.entries, run.first_hash), (3, KeyHash(0)));
        assert_eq!((written.bytes_written, run.bytes), (run.bytes, 32 + 3 * 24 + 4));
        let read: u64 = touched.iter().map(|at| base[*at].bytes).sum();
        assert_eq!(index.read, (touched.len() as u64, read));
        for (at, run) in base.iter().enumerate().filter(|(at, _)| !touched.contains(at)) {
            let path = index.dir.path().join(&run.file);
            fs::rename(path.with_extension(at.to_string()), &path).unwrap();
        }

        // What it says is right, and the base is not.
        let entries = index.entries();
        assert_eq!(entries.len(), 5001);
        let stands = |it: &Newcomer| Entry { claim: (0, false), ..it.entry };
        assert!(news.iter().all(|it| entries.contains(&stands(it))));
        let keys = [removed[0]];
        assert_eq!(index.opened().find(&keys).unwrap(), []);
        assert_eq!(index.opened().find(&[news[0].entry.hash]).unwrap(), [stands(&news[0])]);
        let again = [newcomer(7, 9100, 5, false), newcomer(5000, 9101, 5, false)];
        let (found, _) = index.round::<ByOffset>(&again, &[]);
        assert_eq!((found.dead, found.late), (vec![Offset(9000)], vec![]));
        assert_eq!(index.entries().len(), 5002);
    }

    #[test]
    fn a_layer_takes_in_those_that_are_not_much_larger_so_that_there_are_few() {
        let mut index = Index::layered::<ByOffset>(1024);
        index.round::<ByOffset>(&many(0..2000, 0), &[]);
        let (base, mut written_bytes) = (index.runs.clone(), 0);
        for round in 0..200 {
            let key = 3000 + round % 150;
            let news = newcomer(key, 10_000 + round as i64, 5, false);
            let (_, written) = index.round::<ByOffset>(&[news], &[]);
            written_bytes += written.bytes_written;
            let sizes: Vec<u64> = index.layers.iter().map(|runs| entries_of(runs)).collect();
            assert!(sizes.windows(2).all(|two| two[0] > 2 * two[1]), "{sizes:?}");
            assert!(index.layers.iter().flatten().all(|run| run.bytes <= 1024));
        }
        assert_eq!((&index.runs, index.entries().len()), (&base, 2150));
        assert!(written_bytes < 200 * 60 * 24, "{written_bytes}");
    }

    #[test]
    fn of_a_key_that_is_erased_no_hash_is_left() {
        let mut index = Index::layered::<ByTimestamp>(1024);
        index.round::<ByTimestamp>(&many(0..500, 0), &[]);
        index.round::<ByTimestamp>(&many(7..9, 900), &[]);
        let erased = [newcomer(7, 0, 0, false).entry.hash];
        let leaving = Leaving { expired: &[], erased: &erased };
        let (none, dir) = (newcomers(&[], index.layout), index.dir.path());
        let written =
            index.opened().write::<ByTimestamp>(dir, index.round, &none, leaving).unwrap();
        (index.runs, index.layers) = (written.base, written.layers);
        assert_eq!((index.layers.len(), index.entries().len()), (0, 499));
        let hash = erased[0].0.to_be_bytes();
        let holds = |file: &Vec<u8>| file.windows(16).any(|some| some == hash);
        assert!(!index.files().values().any(holds));
    }

    #[test]
    fn layers_become_a_base_once_they_are_a_share_of_it() {
        let mut index = Index::empty::<ByOffset>(1024);
        index.layer_share = LAYER_SHARE;
        index.round::<ByOffset>(&many(0..1000, 0), &[]);
        for (round, has_layers) in [true, true, false, true].into_iter().enumerate() {
            let (from, before) = (round as u64 * 100, index.runs.clone());
            let (found, _) = index.round::<ByOffset>(&many(from..from + 100, 5000), &[]);
            assert_eq!(found.dead.len(), 100);
            assert_eq!((!index.layers.is_empty(), index.runs == before), (has_layers, has_layers));
            assert_eq!(index.entries().len(), 1000);
        }
        // Nothing new writes nothing.
        let before = (index.runs.clone(), index.layers.clone());
        let (_, written) = index.round::<ByOffset>(&[], &[]);
        assert_eq!(((written.base, written.layers), written.bytes_written), (before, 0));
    }

    #[test]
    fn a_layer_in_which_any_byte_is_wrong_stops_the_round_with_what_to_do() {
        let mut index = Index::layered::<ByTimestamp>(1 << 20);
        index.round::<ByTimestamp>(&many(0..100, 0), &[]);
        index.round::<ByTimestamp>(&many(0..2, 100), &[]);
        let path = index.dir.path().join(&index.layers[0][0].file);
        let sound = fs::read(&path).unwrap();
        let news = newcomers(&many(5..6, 200), index.layout);
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, bytes).unwrap();
            let opened = index.opened();
            let refusals = [
                losers_of::<ByTimestamp>(&opened, &news).map(drop).unwrap_err(),
                opened
                    .write::<ByTimestamp>(index.dir.path(), 3, &news, Leaving::default())
                    .map(drop)
                    .unwrap_err(),
                opened.find(&[KeyHash(9)]).map(drop).unwrap_err(),
            ];
            for refusal in refusals.map(|refusal| refusal.to_string()) {
                assert!(refusal.contains("keys-000002-0000.kidx: damaged"), "{refusal}");
                assert!(refusal.contains("compact with --reindex"), "{refusal}");
            }
        }
    }

    #[test]
    fn a_run_in_which_all_newcomers_lose_is_not_written() {
        let mut index = Index::empty::<ByTimestamp>(4096);
        index.round::<ByTimestamp>(&many(0..100, 0), &[]);
        let before = index.runs.clone();
        let late: Vec<_> = (0..20).map(|key| newcomer(key, 500 + key as i64, 4, false)).collect();
        let (found, written) = index.round::<ByTimestamp>(&late, &[]);
        assert_eq!((found.dead.len(), found.late.len()), (0, 20));
        assert_eq!((written.base, written.bytes_written), (before, 0));
    }

    #[test]
    fn an_index_comes_out_the_same_for_any_threads_and_any_order() {
        let made = |threads: usize, is_turned: bool, layer_share: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let empty = Index::empty::<ByTimestamp>(4096);
                let mut index = Index { layer_share, ..empty };
                for list in [many(0..900, 0), many(500..3000, 5000), many(7..700, 9000)] {
                    let mut list = list;
                    if is_turned {
                        list.reverse();
                    }
                    index.round::<ByTimestamp>(&list, &[]);
                }
                (index.runs.clone(), index.layers.clone(), index.files())
            })
        };
        for layer_share in [0, LAYER_SHARE, u64::MAX] {
            let one = made(1, false, layer_share);
            assert_eq!(one.1.is_empty(), layer_share == u64::MAX);
            assert_eq!(one.2.len(), one.0.len() + one.1.iter().flatten().count());
            assert!(one == made(3, true, layer_share));
        }
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
        let refusal = losers_of::<ByOffset>(&index.opened(), &news).unwrap_err().to_string();
        assert!(refusal.contains("keys-000001-0000.kidx: damaged"), "{refusal}");
        assert!(refusal.contains("compact with --reindex"), "{refusal}");
        let none = Leaving::default();
        let refusal = index.opened().write::<ByOffset>(index.dir.path(), 2, &news, none);
        assert!(refusal.unwrap_err().to_string().contains("compact with --reindex"));
    }

    #[test]
    fn runs_out_of_order_are_refused() {
        let mut index = Index::empty::<ByOffset>(1024);
        index.round::<ByOffset>(&many(0..500, 0), &[]);
        let open = |runs: &[RunRef], layers: &[&[RunRef]]| {
            let (dir, made_for) = (index.dir.path(), (SEED, index.layout));
            let layers = layers.iter().map(|layer| layer.to_vec()).collect();
            KeyIndex::new(&Disk::default(), dir, made_for, runs.to_vec(), layers).map(drop)
        };
        let sound = index.runs.as_slice();
        let reversed: Vec<RunRef> = sound.iter().rev().cloned().collect();
        open(sound, &[]).unwrap();
        open(sound, &[sound, sound]).unwrap();
        for wrong in [&reversed, &sound[1..]] {
            open(wrong, &[]).unwrap_err();
            open(sound, &[sound, wrong]).unwrap_err();
        }
        open(sound, &[&[]]).unwrap_err();
        open(&[], &[sound]).unwrap_err();
        open(sound, &[sound; 65]).unwrap_err();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn rounds_of_any_size_give_what_a_map_gives(
            rounds in prop::collection::vec(
                prop::collection::btree_map(0..300u64, (0..4i64, any::<bool>()), 0..200), 1..8),
            run_bytes in 100..3000usize,
            layer_share in prop::sample::select(vec![0, 1, 2, 4, u64::MAX]),
        ) {
            let mut index = Index { layer_share, ..Index::empty::<ByTimestamp>(run_bytes) };
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
                let (found, _) = index.round::<ByTimestamp>(&list, &removed);
                prop_assert_eq!((found.dead, found.late), (dead, late));
                let keys: Vec<KeyHash> = map.keys().copied().collect();
                let stands: Vec<Entry> = map.values().copied().collect();
                prop_assert_eq!(index.opened().find(&keys).unwrap(), stands);
                prop_assert_eq!(index.entries(), map.values().copied().collect::<Vec<_>>());
            }
        }
    }
}
