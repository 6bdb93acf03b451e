//! A staging folder that several runs share, each with a part of its own.
//!
//! Who holds what is said by locks on files, which reach other machines where those have the same
//! storage and its file system passes such locks on. What all runs change together they change in
//! turn; a part that nobody holds was left by a run that was killed, and goes.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Busy, Disk, LockedFile};
use crate::error::{Error, ErrorKind, Result};

/// In the folder, and in each part of it.
const LOCK: &str = "lock";
/// In each part, what is written.
const STAGED: &str = "staged";

/// One of a group of runs, by its number.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The group.
    pub group: &'a str,
    /// Which one of it.
    pub number: usize,
}

impl fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.group, self.number)
    }
}

/// A run's part, held as long as this lives.
#[derive(Debug)]
pub struct Joined {
    all: PathBuf,
    own: PathBuf,
    _lock: LockedFile,
}

impl Joined {
    /// Takes the part of `member` in the folder `all`, which comes to be. `check` says whether it
    /// may, now that nobody else comes or goes.
    ///
    /// # Errors
    /// Refused: somebody is at work there who is not of the group, or this very member; what
    /// `check` says. The system's.
    pub fn join(
        disk: &Disk,
        all: &Path,
        member: Member<'_>,
        check: impl Fn() -> Result<()>,
    ) -> Result<Joined> {
        let turn = loop {
            refuse_link(all)?;
            // The last one of others may take it away meanwhile.
            match disk.create_dir(all).and_then(|()| wait_for(all)) {
                Err(error) if has_moved(&error) => {}
                turn => break turn?,
            }
        };
        check()?;
        let own = all.join(member.to_string());
        sweep(disk, all, &own, Some(member))?;
        disk.create_dir(&own)?;
        let lock = LockedFile::take(&own.join(LOCK)).map_err(|busy| busy.by_us(&own))?;
        drop(turn);
        let joined = Joined { all: all.into(), own, _lock: lock };
        disk.remove_dir_if_there(&joined.staged())?;
        disk.create_dir(&joined.staged())?;
        Ok(joined)
    }

    /// Where this run writes.
    pub fn staged(&self) -> PathBuf {
        self.own.join(STAGED)
    }

    /// Waits until it is this run's turn, which ends when what this gives is dropped.
    ///
    /// # Errors
    /// The system's.
    pub fn turn(&self) -> Result<LockedFile> {
        wait_for(&self.all)
    }

    /// Removes this run's part, and what others have left; the last one takes the folder with it.
    ///
    /// # Errors
    /// The system's.
    pub fn leave(&self, disk: &Disk) -> Result<()> {
        let _turn = self.turn()?;
        disk.remove_dir_if_there(&self.own)?;
        sweep(disk, &self.all, &self.own, None)?;
        let mut names = names_in(&self.all);
        if names.all(|name| name == LOCK) {
            // Who waits for the turn finds that it is another's.
            let _ = fs::remove_file(self.all.join(LOCK));
            let _ = fs::remove_dir(&self.all);
        }
        Ok(())
    }
}

fn wait_for(all: &Path) -> Result<LockedFile> {
    let lock = all.join(LOCK);
    LockedFile::wait_for(&lock).map_err(|busy| match busy {
        Busy::Io(source) => Error::io(&lock, "cannot lock", source),
        Busy::Held => busy.by_us(all),
    })
}

fn has_moved(error: &Error) -> bool {
    use io::ErrorKind::{AlreadyExists, NotFound};
    matches!(&error.kind, ErrorKind::Io { source, .. }
        if matches!(source.kind(), NotFound | AlreadyExists))
}

/// Refuses what is no folder: a link would lead elsewhere.
fn refuse_link(path: &Path) -> Result<()> {
    if fs::symlink_metadata(path).map_or(true, |found| found.is_dir()) {
        return Ok(());
    }
    Err(Error::refused(format!("{}: is no folder; remove it", path.display())))
}

/// Removes what nobody holds of the folder `all` but `own`; refuses where somebody is at work who
/// is not of the group of `member`. For who has the turn.
fn sweep(disk: &Disk, all: &Path, own: &Path, member: Option<Member<'_>>) -> Result<()> {
    for name in names_in(all) {
        let path = all.join(&name);
        if path == *own || name == LOCK {
            continue;
        }
        if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
            disk.remove_if_there(&path)?;
            continue;
        }
        let group = name.to_str().and_then(|name| name.rsplit_once('-')).map(|(group, _)| group);
        match LockedFile::take(&path.join(LOCK)) {
            Ok(_dead) => disk.remove_dir_if_there(&path)?,
            Err(Busy::Held) if member.is_some_and(|member| group != Some(member.group)) => {
                return Err(Error::refused(format!(
                    "{}: units of another plan are at work here; wait for them to end",
                    path.display()
                )));
            }
            Err(_) => {}
        }
    }
    Ok(())
}

fn names_in(folder: &Path) -> impl Iterator<Item = std::ffi::OsString> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name())
}
