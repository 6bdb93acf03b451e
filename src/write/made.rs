//! The directories that a run has made, until it is known that it can write to them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::error::Result;
use crate::swap::PartitionClaim;

/// Directories that were made. Unless they are to be kept, they go when this is dropped: what has
/// no record is no topic.
#[derive(Debug)]
pub struct Made {
    disk: Disk,
    /// Folders that were not there, those above others first.
    folders: Vec<PathBuf>,
    /// Those of partitions, with files of ours in them.
    partitions: Vec<PathBuf>,
}

impl Made {
    /// None so far.
    pub fn on(disk: &Disk) -> Made {
        Made { disk: disk.clone(), folders: Vec::new(), partitions: Vec::new() }
    }

    /// Makes the directory of a partition, with these files. Somebody else's is left alone: the
    /// first of the files is a new one.
    ///
    /// # Errors
    /// The system's.
    pub fn partition(&mut self, dir: &Path, files: &[(&str, &[u8])]) -> Result<()> {
        let is_new = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let new: Vec<PathBuf> = dir.ancestors().take_while(is_new).map(Path::to_path_buf).collect();
        self.folders.extend(new.into_iter().rev());
        self.disk.create_durable_dir(dir)?;
        for (number, (name, bytes)) in files.iter().enumerate() {
            self.disk.write_whole_file(&dir.join(name), bytes, None, None)?;
            if number == 0 {
                self.partitions.push(dir.into());
            }
        }
        self.disk.sync_dir(dir)
    }

    /// They stay.
    pub fn keep(mut self) {
        self.folders.clear();
        self.partitions.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for dir in &self.partitions {
            // Whoever works there by now has use for it.
            if let Ok(_claim) = PartitionClaim::on(dir) {
                let _ = self.disk.remove_dir_if_there(dir);
            }
        }
        for folder in self.folders.iter().rev() {
            // Only if there is nothing in it.
            let _ = fs::remove_dir(folder);
        }
    }
}
