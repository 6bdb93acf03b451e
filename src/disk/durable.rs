//! Writing so that what stands under a final name is complete and on the disk.
//!
//! Files are written in a staging directory, synced, and reach their final place by one rename of
//! that directory, after which the parent is synced.

use std::fs::{self, File, FileTimes};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::early_sync::EarlySync;
use super::listed::open_listed;
use crate::error::{Error, Result};

/// A file this large is synced on the way, and again whenever as much has come to it.
const EARLY_SYNC_BYTES: u64 = 16 << 20;

/// A new file that is synced before it counts as written.
pub struct StagedFile {
    path: PathBuf,
    writer: BufWriter<File>,
    unsynced_bytes: u64,
    early_sync: Option<EarlySync>,
}

impl StagedFile {
    /// Creates the file; refuses one that exists.
    pub fn create(path: &Path) -> Result<StagedFile> {
        let file =
            File::create_new(path).map_err(|source| Error::io(path, "cannot create", source))?;
        // Small writes (index entries, rebuilt batches) gather; large spans pass through.
        let writer = BufWriter::with_capacity(1 << 18, file);
        Ok(StagedFile { path: path.into(), writer, unsynced_bytes: 0, early_sync: None })
    }

    /// Appends `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let io = |source| Error::io(&self.path, "cannot write", source);
        self.writer.write_all(bytes).map_err(io)?;
        self.unsynced_bytes += bytes.len() as u64;
        if self.unsynced_bytes >= EARLY_SYNC_BYTES {
            self.unsynced_bytes = 0;
            // Without it the sync at the end takes longer, and that is all.
            if self.early_sync.is_none() {
                self.early_sync = EarlySync::of(self.writer.get_ref()).ok();
            }
            self.early_sync.iter().for_each(EarlySync::nudge);
        }
        Ok(())
    }

    /// Flushes, gives the file the modification time it is to carry, and syncs it.
    pub fn finish(self, modified: Option<SystemTime>) -> Result<()> {
        let path = self.path;
        let io = |source| Error::io(&path, "cannot write", source);
        let file = self.writer.into_inner().map_err(|e| io(e.into_error()))?;
        self.early_sync.map_or(Ok(()), EarlySync::finish).map_err(io)?;
        if let Some(modified) = modified {
            file.set_times(FileTimes::new().set_modified(modified)).map_err(io)?;
        }
        file.sync_all().map_err(io)
    }
}

/// Writes `bytes` to a new file and syncs it.
pub fn write_whole_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = StagedFile::create(path)?;
    file.write(bytes)?;
    file.finish(None)
}

/// Copies a file that a listing found with its modification time, and syncs the copy.
pub fn copy_file(from: &Path, to: &Path) -> Result<()> {
    let read = |source| Error::io(from, "cannot read", source);
    let mut source = open_listed(from).map_err(read)?;
    let modified = source.metadata().and_then(|m| m.modified()).map_err(read)?;
    let mut target =
        File::create_new(to).map_err(|source| Error::io(to, "cannot create", source))?;
    let write = |source| Error::io(to, "cannot write", source);
    io::copy(&mut source, &mut target).map_err(write)?;
    target.set_times(FileTimes::new().set_modified(modified)).map_err(write)?;
    target.sync_all().map_err(write)
}

/// Sets a file's modification time.
pub fn set_modified(path: &Path, modified: SystemTime) -> Result<()> {
    let io = |source| Error::io(path, "cannot set the modification time of", source);
    let file = File::options().append(true).open(path).map_err(io)?;
    file.set_times(FileTimes::new().set_modified(modified)).map_err(io)
}

/// Creates a directory and those above it.
pub fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|source| Error::io(path, "cannot create the folder", source))
}

/// Renames a file or directory; refuses to replace one.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    if to.try_exists().unwrap_or(true) {
        let exists = io::Error::from(io::ErrorKind::AlreadyExists);
        return Err(Error::io(to, "cannot create", exists));
    }
    fs::rename(from, to).map_err(|source| Error::io(to, "cannot rename to", source))
}

/// Makes the names in a directory durable.
pub fn sync_dir(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(|source| Error::io(path, "cannot sync the folder", source))
}
