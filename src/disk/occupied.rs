//! Locks that say that somebody is at work on a folder.
//!
//! Two kinds of lock do not see each other on Linux: `fcntl` record locks, which Java's
//! `FileChannel.tryLock` takes, and `flock`. Both are taken, so that we see and are seen by either.
//! They go with the process, however that ends.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::files::{Files, Owner};
use super::listed::identity;
use super::system::System;
use crate::error::Error;
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

/// Why a lock was not had.
#[derive(Debug)]
pub enum Busy {
    /// Somebody else holds it.
    Held,
    /// The system refused.
    Io(io::Error),
}

impl Busy {
    /// What to say if it is one of us who holds `path`.
    pub fn by_us(self, path: &Path) -> Error {
        match self {
            Busy::Held => Error::refused(format!(
                "{}: another logcompact is at work here; wait for it to end",
                path.display()
            )),
            Busy::Io(source) => Error::io(path, "cannot lock", source),
        }
    }
}

/// A lock file that we hold. It must not be opened again while this lives: closing any handle of
/// it would let the record lock go.
#[derive(Debug)]
pub struct LockedFile {
    _file: File,
}

impl LockedFile {
    /// Locks the file at `path`; never waits. If it is not there it comes to be, and belongs to
    /// whoever has the folder: who locks it next may be somebody else than us.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn take(path: &Path) -> Result<LockedFile, Busy> {
        LockedFile::by(path, FlockOperation::NonBlockingLockExclusive, flock)
    }

    /// The same together with others who take it so, of whom none keeps the others out.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn share(path: &Path) -> Result<LockedFile, Busy> {
        LockedFile::by(path, FlockOperation::NonBlockingLockShared, share)
    }

    /// The same once everybody else has let it go.
    ///
    /// # Errors
    /// [`Busy::Io`].
    pub fn wait_for(path: &Path) -> Result<LockedFile, Busy> {
        LockedFile::by(path, FlockOperation::LockExclusive, |file| file.lock().map_err(Busy::Io))
    }

    fn by(
        path: &Path,
        operation: FlockOperation,
        flock: impl Fn(&File) -> Result<(), Busy>,
    ) -> Result<LockedFile, Busy> {
        loop {
            let file = open_or_create(path).map_err(Busy::Io)?;
            match fcntl_lock(&file, operation) {
                Ok(()) => {}
                Err(Errno::ACCESS | Errno::AGAIN) => return Err(Busy::Held),
                Err(errno) => return Err(Busy::Io(errno.into())),
            }
            flock(&file)?;
            // Who held it may have removed it, and somebody else have made another of that name.
            let locked = file.metadata().map_err(Busy::Io)?;
            if fs::metadata(path).is_ok_and(|named| identity(&named) == identity(&locked)) {
                return Ok(LockedFile { _file: file });
            }
        }
    }

    /// The same for whoever changes nothing, and may be able to change nothing: no file comes to
    /// be, and only the lock is taken that several readers can have, by which we are seen by our
    /// like.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn take_as_it_is(path: &Path) -> Result<Option<LockedFile>, Busy> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(Busy::Io)?,
        };
        share(&file)?;
        Ok(Some(LockedFile { _file: file }))
    }
}

/// A folder that we hold, without leaving anything in it.
#[derive(Debug)]
pub struct LockedDir {
    _dir: File,
}

impl LockedDir {
    /// Locks the folder at `path`; never waits.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn take(path: &Path) -> Result<LockedDir, Busy> {
        LockedDir::by(path, flock)
    }

    /// The same together with others who take it so: only who wants it alone is refused meanwhile.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn share(path: &Path) -> Result<LockedDir, Busy> {
        LockedDir::by(path, share)
    }

    fn by(path: &Path, lock: impl Fn(&File) -> Result<(), Busy>) -> Result<LockedDir, Busy> {
        let dir = File::open(path).map_err(Busy::Io)?;
        lock(&dir)?;
        Ok(LockedDir { _dir: dir })
    }
}

fn open_or_create(path: &Path) -> io::Result<File> {
    match File::options().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let owner = path.parent().map(Owner::in_dir).transpose()?;
            match System::default().create(path, owner) {
                // Somebody else was quicker.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?.finish(None)?,
            }
            File::options().read(true).write(true).open(path)
        }
        outcome => outcome,
    }
}

fn flock(file: &File) -> Result<(), Busy> {
    file.try_lock().map_err(busy)
}

fn share(file: &File) -> Result<(), Busy> {
    file.try_lock_shared().map_err(busy)
}

fn busy(error: TryLockError) -> Busy {
    match error {
        TryLockError::WouldBlock => Busy::Held,
        TryLockError::Error(error) => Busy::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_can_be_held_once_and_again_when_it_was_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let held = LockedDir::take(dir.path()).unwrap();
        assert!(matches!(LockedDir::take(dir.path()), Err(Busy::Held)));
        drop(held);
        assert!(LockedDir::take(dir.path()).is_ok());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_is_shared_only_among_those_who_share_it() {
        let dir = tempfile::tempdir().unwrap();
        let shared = [LockedDir::share(dir.path()).unwrap(), LockedDir::share(dir.path()).unwrap()];
        assert!(matches!(LockedDir::take(dir.path()), Err(Busy::Held)));
        drop(shared);
        let held = LockedDir::take(dir.path()).unwrap();
        assert!(matches!(LockedDir::share(dir.path()), Err(Busy::Held)));
        drop(held);
    }

    #[test]
    fn who_waited_for_a_file_that_was_removed_has_the_one_that_is_there_now() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        fs::write(&path, "").unwrap();
        // As another process would hold it.
        let held = File::open(&path).unwrap();
        held.lock().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| LockedFile::wait_for(&path).unwrap());
            // Whether it waits by now or not, what it gets is the new one.
            std::thread::sleep(std::time::Duration::from_millis(20));
            fs::rename(&path, dir.path().join("gone")).unwrap();
            drop(held);
            let _waited = waiting.join().unwrap();
            assert!(File::open(&path).unwrap().try_lock().is_err());
        });
    }
}
