//! The runs of a key index that are open. A run is checked to the last bit when it is opened, so it
//! stays open until the index is written: to be read twice it need not be checked twice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::entry::{EntryLayout, KeyHash, KeyHashSeed};
use super::key_run::{KeyRun, Level, RunRef};
use crate::disk::Disk;
use crate::error::Result;

/// A process can have only so many maps (`vm.max_map_count`); runs beyond are opened each time.
const MOST_OPEN_RUNS: usize = 1 << 14;

type Slot = Arc<Mutex<Option<Arc<KeyRun>>>>;

/// Where the runs of an index lie, and what they must be.
pub struct OpenRuns {
    /// The disk they are on.
    pub disk: Disk,
    dir: PathBuf,
    /// What hashes begin with.
    pub seed: KeyHashSeed,
    /// How entries lie.
    pub layout: EntryLayout,
    slots: Mutex<BTreeMap<String, Slot>>,
    count: AtomicU64,
    bytes: AtomicU64,
}

impl OpenRuns {
    /// Those in the folder `dir`; none is open yet.
    pub fn within(disk: &Disk, dir: &Path, seed: KeyHashSeed, layout: EntryLayout) -> OpenRuns {
        let (slots, count, bytes) = Default::default();
        OpenRuns { disk: disk.clone(), dir: dir.into(), seed, layout, slots, count, bytes }
    }

    /// The run of which the round file says `known`, and that reaches to `below`.
    ///
    /// # Errors
    /// The system's; a damaged run is refused.
    pub fn get(&self, known: &RunRef, below: Option<KeyHash>, level: Level) -> Result<Arc<KeyRun>> {
        let Some(slot) = self.slot(&known.file) else {
            return self.open(known, below, level).map(Arc::new);
        };
        // Who comes while it is being opened waits.
        let mut run = locked(&slot);
        if let Some(run) = &*run {
            run.check_range(self.seed, self.layout, below)?;
            return Ok(Arc::clone(run));
        }
        let opened = Arc::new(self.open(known, below, level)?);
        Ok(Arc::clone(run.insert(opened)))
    }

    /// Closes them, now that none is to be read again.
    pub fn close(&self) {
        let slots = std::mem::take(&mut *locked(&self.slots));
        drop(slots);
    }

    /// How many runs were opened so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// How many bytes these are.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn slot(&self, file: &str) -> Option<Slot> {
        let mut slots = locked(&self.slots);
        if !slots.contains_key(file) && slots.len() < MOST_OPEN_RUNS {
            slots.insert(file.to_owned(), Slot::default());
        }
        slots.get(file).cloned()
    }

    fn open(&self, known: &RunRef, below: Option<KeyHash>, level: Level) -> Result<KeyRun> {
        let run = KeyRun::open(&self.disk, &self.dir, known, level)?;
        run.check_range(self.seed, self.layout, below)?;
        self.count.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(run.bytes(), Ordering::Relaxed);
        Ok(run)
    }
}

/// What a thread that failed has left is whole: a run is put there when it was checked.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
