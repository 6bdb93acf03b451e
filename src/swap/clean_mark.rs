//! The mark of a clean shutdown, lifted while a log is appended to: a broker that starts then
//! recovers first, as after a crash of its own.
//!
//! A broker does the same: it removes the mark when it starts and writes it when it has stopped
//! (`LogManager.loadLogs`, `shutdown`).

use std::io::{ErrorKind, Read};
use std::path::PathBuf;

use super::claim::{CLEAN_SHUTDOWN, log_dirs};
use crate::disk::{Disk, open_listed};
use crate::error::{Error, Result};
use crate::segment::Sources;

/// Marks that were lifted. Those that are not put back stay away.
#[derive(Debug)]
pub struct CleanMarks {
    disk: Disk,
    marks: Vec<(PathBuf, Vec<u8>)>,
}

impl CleanMarks {
    /// Lifts the marks of the log directories of these partitions.
    ///
    /// # Errors
    /// The system's.
    pub fn lift(disk: &Disk, sources: &Sources) -> Result<CleanMarks> {
        let mut marks = Vec::new();
        for dir in log_dirs(sources) {
            let path = dir.path.join(CLEAN_SHUTDOWN);
            // A run that was killed as it put the mark back may have left it.
            disk.remove_replacement(&path)?;
            let mut bytes = Vec::new();
            match open_listed(&path).and_then(|mut file| file.read_to_end(&mut bytes)) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io(&path, "cannot read", error)),
                Ok(_) => marks.push((path.clone(), bytes)),
            }
            disk.remove(&path)?;
            disk.sync_dir(&dir.path)?;
        }
        Ok(CleanMarks { disk: disk.clone(), marks })
    }

    /// Puts them back: all is done, and durable.
    ///
    /// # Errors
    /// The system's.
    pub fn put_back(self) -> Result<()> {
        self.marks.iter().try_for_each(|(path, bytes)| self.disk.replace_file(path, bytes))
    }
}
