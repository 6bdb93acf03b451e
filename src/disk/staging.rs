//! The staging folder: nothing half-written ever has a final name.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Disk, LockedDir};
use crate::error::{Error, Result};

/// Where partitions are written before they have their names.
pub const STAGING: &str = ".logcompact-staging";
const REPORT: &str = "logcompact-report.json";

/// The folder inside the output where partitions are written before they have their names.
/// Dropping it removes what is left in it.
pub struct Staging {
    disk: Disk,
    out: PathBuf,
    dir: PathBuf,
    _lock: LockedDir,
    finished: bool,
}

impl Staging {
    /// Creates output and staging folders. What a run that did not finish has left there goes.
    ///
    /// # Errors
    /// Refused: an output folder that holds anything else, or that somebody is at work in.
    pub fn create(disk: &Disk, out: &Path) -> Result<Staging> {
        // A run that left all alone has left its report.
        let is_ours = |name: &OsString| name == STAGING || name == REPORT;
        let entries = fs::read_dir(out).into_iter().flatten();
        let mut names = entries.map(|entry| entry.map_or(OsString::new(), |it| it.file_name()));
        if let Some(other) = names.find(|name| !is_ours(name)) {
            let what = if out.join(STAGING).exists() {
                "holds the output of a run that did not finish; remove it, or name another folder \
                 with --out"
                    .to_owned()
            } else {
                format!(
                    "the output folder is not empty, there is {}; name another with --out, or \
                     empty it",
                    other.display()
                )
            };
            return Err(Error::refused(format!("{}: {what}", out.display())));
        }
        disk.create_durable_dir(out)?;
        let staging = Staging::resume(disk, out)?;
        disk.create_dir(&staging.dir)?;
        Ok(staging)
    }

    /// Goes on in an output folder that holds what an earlier run has finished. What that run left
    /// unfinished goes; the staging folder comes to be when the first partition needs it.
    ///
    /// # Errors
    /// Refused: somebody else is at work there. The system's.
    pub fn resume(disk: &Disk, out: &Path) -> Result<Staging> {
        let lock = LockedDir::take(out).map_err(|busy| busy.by_us(out))?;
        let dir = out.join(STAGING);
        disk.remove_dir_if_there(&dir)?;
        Ok(Staging { disk: disk.clone(), out: out.into(), dir, _lock: lock, finished: false })
    }

    /// The disk.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The output folder.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a partition is to be written.
    pub fn place_of(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Gives a partition that is complete, each of its files synced, its name, which is durable
    /// once the run has ended.
    pub fn commit(&self, name: &str) -> Result<()> {
        let staged = self.place_of(name);
        self.disk.sync_dir(&staged)?;
        self.disk.rename(&staged, &self.out.join(name))
    }

    /// Removes what was written of a partition.
    pub fn discard(&self, name: &str) -> Result<()> {
        self.disk.remove_dir_if_there(&self.place_of(name))
    }

    /// Removes the folder itself, at the end of a run that was carried out.
    pub fn finish(mut self) -> Result<()> {
        self.finished = true;
        self.disk.remove_dir_if_there(&self.dir)?;
        self.disk.sync_dir(&self.out)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // The run failed. Nothing here has a final name; an output folder that is empty after
        // this was ours, too.
        let _ = self.disk.remove_dir_if_there(&self.dir);
        if fs::remove_dir(&self.out).is_err() {
            let _ = self.disk.sync_dir(&self.out);
        }
    }
}
