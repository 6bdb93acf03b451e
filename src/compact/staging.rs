//! The staging folder: nothing half-written ever has a final name.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::disk::{create_dir, rename, sync_dir};
use crate::error::{Error, Result};
use crate::segment::TopicPartition;

/// Where partitions are written before they have their names.
const STAGING: &str = ".logcompact-staging";

/// The folder inside the output where partitions are written before they have their names.
/// Dropping it removes what is left in it.
pub struct Staging {
    out: PathBuf,
    dir: PathBuf,
    removed: Mutex<bool>,
}

impl Staging {
    /// Creates output and staging folders.
    ///
    /// # Errors
    /// An output folder that exists and is not empty is refused.
    pub fn create(out: &Path) -> Result<Staging> {
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
        create_dir(&dir)?;
        Ok(Staging { out: out.into(), dir, removed: Mutex::new(false) })
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a partition is to be written.
    pub fn place_of(&self, name: &TopicPartition) -> PathBuf {
        self.dir.join(name.to_string())
    }

    /// Gives a partition that is complete and synced its name.
    pub fn commit(&self, name: &TopicPartition) -> Result<()> {
        rename(&self.place_of(name), &self.out.join(name.to_string()))?;
        sync_dir(&self.out)
    }

    /// Removes what was written of a partition.
    pub fn discard(&self, name: &TopicPartition) -> Result<()> {
        let place = self.place_of(name);
        match fs::remove_dir_all(&place) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(&place, "cannot remove", error))
            }
            _ => Ok(()),
        }
    }

    /// Removes the folder itself, at the end of a run that was carried out.
    pub fn remove(&self) -> Result<()> {
        if let Ok(mut removed) = self.removed.lock() {
            *removed = true;
        }
        fs::remove_dir_all(&self.dir).map_err(|e| Error::io(&self.dir, "cannot remove", e))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.removed.lock().is_ok_and(|removed| *removed) {
            return;
        }
        // The run failed. Nothing here has a final name; an output folder that is empty after
        // this was ours, too.
        let _ = fs::remove_dir_all(&self.dir);
        let _ = fs::remove_dir(&self.out);
    }
}
