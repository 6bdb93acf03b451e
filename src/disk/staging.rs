//! The staging folder: nothing half-written ever has a final name.

use std::fs;
use std::path::{Path, PathBuf};

use super::Disk;
use crate::error::{Error, Result};

/// Where partitions are written before they have their names.
const STAGING: &str = ".logcompact-staging";

/// The folder inside the output where partitions are written before they have their names.
/// Dropping it removes what is left in it.
pub struct Staging {
    disk: Disk,
    out: PathBuf,
    dir: PathBuf,
    finished: bool,
}

impl Staging {
    /// Creates output and staging folders.
    ///
    /// # Errors
    /// An output folder that exists and is not empty is refused.
    pub fn create(disk: &Disk, out: &Path) -> Result<Staging> {
        let listing = fs::read_dir(out);
        if let Ok(mut entries) = listing
            && entries.next().is_some()
        {
            let what = if out.join(STAGING).exists() {
                "holds the output of a run that did not finish; remove it, or name another folder \
                 with --out"
            } else {
                "the output folder is not empty; name another with --out, or empty it"
            };
            return Err(Error::refused(format!("{}: {what}", out.display())));
        }
        let dir = out.join(STAGING);
        disk.create_dir(&dir)?;
        Ok(Staging { disk: disk.clone(), out: out.into(), dir, finished: false })
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

    /// Gives a partition that is complete and synced its name.
    pub fn commit(&self, name: &str) -> Result<()> {
        self.disk.rename(&self.place_of(name), &self.out.join(name))?;
        self.disk.sync_dir(&self.out)
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
        let _ = fs::remove_dir(&self.out);
    }
}
