//! Files that are written whole and wait to be synced, so that many are synced at a time: what the
//! file system does for one sync it then does for several, and nobody waits for each by itself.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::SystemTime;

use super::StagedFile;
use crate::error::{Error, Result};

/// A process can have only so many files open: so many wait here, and at all such places.
const MOST_WAITING: usize = 64;
const MOST_WAITING_IN_ALL: usize = 256;
static WAITING_IN_ALL: AtomicUsize = AtomicUsize::new(0);
/// So many are synced at a time.
const THREADS: usize = 16;
/// Fewer are not worth a thread.
const FEW: usize = 4;

/// The files that wait.
#[derive(Default)]
pub struct SyncTogether {
    waiting: Mutex<Vec<Unsynced>>,
}

struct Unsynced {
    file: StagedFile,
    modified: Option<SystemTime>,
    _count: Count,
}

/// One file that is open.
struct Count;

impl Count {
    fn one() -> Count {
        WAITING_IN_ALL.fetch_add(1, Ordering::Relaxed);
        Count
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        WAITING_IN_ALL.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SyncTogether {
    /// Takes a file that is whole, and is to carry the modification time `modified`; syncs it and
    /// others, if too many wait.
    ///
    /// # Errors
    /// The system's.
    pub fn add(&self, mut file: StagedFile, modified: Option<SystemTime>) -> Result<()> {
        // While it waits it holds no memory.
        file.flush()?;
        let mut waiting = locked(&self.waiting);
        waiting.push(Unsynced { file, modified, _count: Count::one() });
        let in_all = WAITING_IN_ALL.load(Ordering::Relaxed);
        if waiting.len() < MOST_WAITING && in_all < MOST_WAITING_IN_ALL {
            return Ok(());
        }
        let files = std::mem::take(&mut *waiting);
        drop(waiting);
        sync(files)
    }

    /// Syncs those that wait.
    ///
    /// # Errors
    /// The system's.
    pub fn finish(&self) -> Result<()> {
        let files = std::mem::take(&mut *locked(&self.waiting));
        sync(files)
    }
}

impl fmt::Debug for SyncTogether {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncTogether").finish_non_exhaustive()
    }
}

impl Unsynced {
    fn sync(self) -> Result<()> {
        self.file.finish(self.modified)
    }
}

fn sync(files: Vec<Unsynced>) -> Result<()> {
    if files.len() < FEW {
        return files.into_iter().try_for_each(Unsynced::sync);
    }
    let helpers = files.len().min(THREADS) - 1;
    let queue = Mutex::new(files.into_iter());
    let next = || locked(&queue).next();
    let work = || {
        while let Some(file) = next() {
            file.sync()?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let begin = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        // Without them one thread does it.
        let helpers: Vec<_> = (0..helpers).filter_map(begin).collect();
        let failed = |_| Err(Error::bug("a thread that syncs files failed"));
        let own = work();
        let others = helpers.into_iter().map(|helper| helper.join().unwrap_or_else(failed));
        others.fold(own, Result::and)
    })
}

/// What a thread that failed has left is whole: a file is taken out before it is synced.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Disk;
    use super::*;

    #[test]
    fn however_many_there_are_all_are_whole_and_none_is_left_open() {
        for count in [0, 1, 3, 4, 20, 64, 65, 200] {
            let dir = tempfile::tempdir().unwrap();
            let together = SyncTogether::default();
            for number in 0..count {
                let path = dir.path().join(number.to_string());
                let mut file = Disk::default().create(&path, None).unwrap();
                file.write(number.to_string().as_bytes()).unwrap();
                together.add(file, None).unwrap();
                assert!(locked(&together.waiting).len() < MOST_WAITING);
            }
            together.finish().unwrap();
            for number in 0..count {
                let text = fs::read_to_string(dir.path().join(number.to_string())).unwrap();
                assert_eq!(text, number.to_string());
            }
        }
    }
}
