//! The operating system's own files.

use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;
use std::time::SystemTime;

use super::early_sync::EarlySync;
use super::files::{Files, NewFile, Owner};
use super::map::Map;

/// A file this large is synced on the way, and again whenever as much has come to it.
const EARLY_SYNC_BYTES: u64 = 16 << 20;

/// [`Files`] as they are.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl Files for System {
    fn map(&self, path: &Path) -> io::Result<Map> {
        Map::open(path)
    }

    fn create(&self, path: &Path, owner: Option<Owner>) -> io::Result<Box<dyn NewFile>> {
        let file = File::create_new(path)?;
        if let Err(error) = owner.map_or(Ok(()), |owner| owner.own(&file)) {
            let _ = fs::remove_file(path);
            return Err(error);
        }
        Ok(Box::new(SystemFile::of(file)))
    }

    fn append(&self, path: &Path, keep_bytes: u64) -> io::Result<Box<dyn NewFile>> {
        let file = File::options().append(true).open(path)?;
        let size_bytes = file.metadata()?.len();
        if size_bytes < keep_bytes {
            return Err(io::Error::other("it is shorter than it was"));
        }
        if size_bytes > keep_bytes {
            file.set_len(keep_bytes)?;
        }
        Ok(Box::new(SystemFile::of(file)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

struct SystemFile {
    writer: BufWriter<File>,
    unsynced_bytes: u64,
    early_sync: Option<EarlySync>,
}

impl SystemFile {
    fn of(file: File) -> SystemFile {
        // Small writes (index entries, rebuilt batches) gather; large spans pass through.
        let writer = BufWriter::with_capacity(1 << 18, file);
        SystemFile { writer, unsynced_bytes: 0, early_sync: None }
    }
}

impl NewFile for SystemFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
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

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn finish(self: Box<Self>, modified: Option<SystemTime>) -> io::Result<()> {
        let file = self.writer.into_inner().map_err(|error| error.into_error())?;
        self.early_sync.map_or(Ok(()), EarlySync::finish)?;
        if let Some(modified) = modified {
            file.set_times(FileTimes::new().set_modified(modified))?;
        }
        file.sync_all()
    }
}

impl Owner {
    /// The owner of the file at `path`.
    ///
    /// # Errors
    /// The system's.
    pub fn of(path: &Path) -> io::Result<Owner> {
        let metadata = fs::metadata(path)?;
        let (user, group) = (metadata.uid(), metadata.gid());
        Ok(Owner { user, group, mode: metadata.permissions().mode() & 0o7777 })
    }

    /// Who a new file in the folder `dir` is to belong to: whoever has the folder.
    ///
    /// # Errors
    /// The system's.
    pub fn in_dir(dir: &Path) -> io::Result<Owner> {
        Owner::of(dir).map(|owner| Owner { mode: owner.mode & 0o666, ..owner })
    }

    fn own(self, file: &File) -> io::Result<()> {
        let metadata = file.metadata()?;
        if (metadata.uid(), metadata.gid()) != (self.user, self.group) {
            match fchown(file, Some(self.user), Some(self.group)) {
                // Who has the files but is not in their group gives new ones his own, as a broker
                // that runs as this user does.
                Err(error) if metadata.uid() != self.user => return Err(error),
                _ => {}
            }
        }
        file.set_permissions(Permissions::from_mode(self.mode))
    }
}
