//! While a task waits for the disk, others work.
//!
//! As many tasks work at a time as there are turns, but there may be more of them: a sync gives a
//! turn away while it lasts, and has it again before it returns. A task that syncs on several
//! threads at a time gives away as many.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::files::{Files, NewFile, Owner};
use super::map::Map;

/// How many may work at a time.
///
/// A task may not wait for a turn, and so may not sync, while it holds what another one needs that
/// has a turn.
#[derive(Debug)]
pub struct Turns {
    free: Mutex<usize>,
    given: Condvar,
}

impl Turns {
    /// So many of them, all free.
    pub fn new(count: usize) -> Arc<Turns> {
        Arc::new(Turns { free: Mutex::new(count), given: Condvar::new() })
    }

    /// Waits for a turn, which is given back when what is returned is dropped.
    pub fn take(&self) -> Turn<'_> {
        self.wait();
        Turn(self)
    }

    fn wait(&self) {
        let mut free = self.free();
        while *free == 0 {
            free = self.given.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
    }

    fn give(&self) {
        *self.free() += 1;
        self.given.notify_one();
    }

    fn while_away<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.give();
        let outcome = wait();
        self.wait();
        outcome
    }

    fn free(&self) -> MutexGuard<'_, usize> {
        // A number that is counted up and down in single steps is right whoever panicked.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody's turn.
#[derive(Debug)]
pub struct Turn<'a>(&'a Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.give();
    }
}

/// Files whose syncs give turns away.
#[derive(Debug)]
pub(super) struct InTurn {
    pub(super) files: Arc<dyn Files>,
    pub(super) turns: Arc<Turns>,
}

struct NewInTurn {
    file: Box<dyn NewFile>,
    turns: Arc<Turns>,
}

impl InTurn {
    fn with_turns(&self, file: Box<dyn NewFile>) -> Box<dyn NewFile> {
        Box::new(NewInTurn { file, turns: Arc::clone(&self.turns) })
    }
}

impl Files for InTurn {
    fn map(&self, path: &Path) -> io::Result<Map> {
        self.files.map(path)
    }

    fn create(&self, path: &Path, owner: Option<Owner>) -> io::Result<Box<dyn NewFile>> {
        self.files.create(path, owner).map(|file| self.with_turns(file))
    }

    fn append(&self, path: &Path, keep_bytes: u64) -> io::Result<Box<dyn NewFile>> {
        self.files.append(path, keep_bytes).map(|file| self.with_turns(file))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.files.create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.files.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.files.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.turns.while_away(|| self.files.sync_dir(path))
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.turns.while_away(|| self.files.sync_file(path))
    }
}

impl NewFile for NewInTurn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write(bytes)
    }

    fn share(&mut self, from: &Path, map: &Map, keep_bytes: u64) -> io::Result<bool> {
        self.file.share(from, map, keep_bytes)
    }

    fn reserve(&mut self, size_bytes: u64) -> io::Result<()> {
        self.file.reserve(size_bytes)
    }

    fn write_at(&mut self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file.write_at(bytes, position)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    fn finish(self: Box<Self>, modified: Option<SystemTime>) -> io::Result<()> {
        let NewInTurn { file, turns } = *self;
        turns.while_away(|| file.finish(modified))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::Disk;
    use super::*;

    #[test]
    fn no_more_work_than_there_are_turns_though_all_of_them_sync() {
        let dir = tempfile::tempdir().unwrap();
        let turns = Turns::new(2);
        let disk = Disk::default().in_turn(&turns);
        let (at_work, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let begin = || {
            let others = at_work.fetch_add(1, Ordering::SeqCst);
            most.fetch_max(others + 1, Ordering::SeqCst);
        };
        let task = |number: usize| {
            for round in 0..10 {
                let _turn = turns.take();
                begin();
                let path = dir.path().join(format!("{number}-{round}"));
                let mut file = disk.create(&path, None).unwrap();
                file.write(b"some").unwrap();
                std::thread::yield_now();
                at_work.fetch_sub(1, Ordering::SeqCst);
                file.finish(None).unwrap();
                begin();
                at_work.fetch_sub(1, Ordering::SeqCst);
            }
        };
        let task = &task;
        std::thread::scope(|scope| (0..5).for_each(|n| drop(scope.spawn(move || task(n)))));
        assert!((1..=2).contains(&most.into_inner()));
        assert_eq!(*turns.free(), 2);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 50);
    }
}
