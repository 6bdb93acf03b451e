//! The directories that a run has made, until it is known that it can write to them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::segment::{LEADER_EPOCHS, PARTITION_METADATA, PartitionMetadata};
use crate::swap::PartitionClaim;

/// Directories that were made, which are ours as long as this lives. Unless they are to be kept,
/// they go when this is dropped: what has no record is no topic.
#[derive(Debug)]
pub struct Made {
    disk: Disk,
    /// Folders that were not there, those above others first.
    folders: Vec<PathBuf>,
    /// Those of partitions, with files of ours in them.
    partitions: Vec<PathBuf>,
    claims: Vec<PartitionClaim>,
}

impl Made {
    /// None so far.
    pub fn on(disk: &Disk) -> Made {
        let (folders, partitions, claims) = Default::default();
        Made { disk: disk.clone(), folders, partitions, claims }
    }

    /// Makes the directory of a partition, or makes one whole that has no `partition.metadata`.
    /// That comes last, and has its name only once it is complete: a directory that has it lacks
    /// nothing.
    ///
    /// # Errors
    /// Refused where somebody else is at work; the system's.
    pub fn partition(&mut self, dir: &Path, metadata: &PartitionMetadata) -> Result<()> {
        let is_new = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let new: Vec<PathBuf> = dir.ancestors().take_while(is_new).map(Path::to_path_buf).collect();
        let is_made = !new.is_empty();
        self.folders.extend(new.into_iter().rev());
        self.disk.create_durable_dir(dir)?;
        self.claims.push(PartitionClaim::on(dir)?);
        let path = dir.join(PARTITION_METADATA);
        if fs::metadata(&path).is_ok_and(|file| file.len() > 0) {
            let text = "another run has made it meanwhile; run this one again";
            return Err(Error::refused(format!("{}: {text}", dir.display())));
        }
        if is_made {
            self.partitions.push(dir.into());
        }
        let epochs = dir.join(LEADER_EPOCHS);
        if !epochs.exists() {
            self.disk.write_whole_file(&epochs, b"", None, None)?;
        }
        self.disk.put_file(&path, metadata.render().as_bytes())?;
        self.disk.sync_dir(dir)
    }

    /// They stay.
    pub fn keep(&mut self) {
        self.folders.clear();
        self.partitions.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // There may be no more files that can be opened.
        self.claims.clear();
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
