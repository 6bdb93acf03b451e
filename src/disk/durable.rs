//! Writing so that what stands under a final name is complete and on the disk.
//!
//! A file is written under another name (or in a staging folder) and synced; it reaches its final
//! name by a rename, after which the folder is synced. Every failure says which file it is about.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::files::{Files, NewFile, Owner};
use super::map::Map;
use super::system::System;
use super::turns::{InTurn, Turns};
use crate::error::{Error, Result};

/// The files that a run reads and writes: the system's, unless a test says otherwise.
#[derive(Clone, Debug)]
pub struct Disk {
    files: Arc<dyn Files>,
}

impl Default for Disk {
    fn default() -> Disk {
        Disk::of(System::default())
    }
}

impl Disk {
    /// A disk with these files.
    pub fn of(files: impl Files + 'static) -> Disk {
        Disk { files: Arc::new(files) }
    }

    /// The same disk, of which every sync gives one of the `turns` away while it lasts.
    pub fn in_turn(&self, turns: &Arc<Turns>) -> Disk {
        Disk::of(InTurn { files: Arc::clone(&self.files), turns: Arc::clone(turns) })
    }

    /// The operations themselves.
    pub(super) fn files(&self) -> &dyn Files {
        &*self.files
    }

    /// Maps the file at `path` for reading.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn map(&self, path: &Path) -> Result<Map> {
        self.files.map(path).map_err(|source| Error::io(path, "cannot read", source))
    }

    /// Creates a file; refuses one that exists.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn create(&self, path: &Path, owner: Option<Owner>) -> Result<StagedFile> {
        let file = self.files.create(path, owner);
        let file = file.map_err(|source| Error::io(path, "cannot create", source))?;
        Ok(StagedFile { path: path.into(), file })
    }

    /// Goes on with a file behind its first `keep_bytes`; what lies behind them is cut off.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn append(&self, path: &Path, keep_bytes: u64) -> Result<StagedFile> {
        let file = self.files.append(path, keep_bytes);
        let file = file.map_err(|source| Error::io(path, "cannot append", source))?;
        Ok(StagedFile { path: path.into(), file })
    }

    /// Writes `bytes` to a new file and syncs it; where that fails, there is none.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn write_whole_file(
        &self,
        path: &Path,
        bytes: &[u8],
        owner: Option<Owner>,
        modified: Option<SystemTime>,
    ) -> Result<()> {
        let mut file = self.create(path, owner)?;
        let written = file.write(bytes).and_then(|()| file.finish(modified));
        written.inspect_err(|_| drop(self.files.remove(path)))
    }

    /// Puts `bytes` in the place of the file at `path`, which keeps its owner, as
    /// [`put_file`](Disk::put_file) does; the name is durable then.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn replace_file(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.put_file(path, bytes)?;
        path.parent().map_or(Ok(()), |folder| self.sync_dir(folder))
    }

    /// Puts a file with `bytes` at `path`, which is durable once the folder is synced. Where one
    /// is, the new one takes its place and owner: at every instant one or the other is there,
    /// whole. What it is called on the way is what Kafka calls it (`CheckpointFile`).
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn put_file(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let in_folder = || path.parent().and_then(|folder| Owner::in_dir(folder).ok());
        let owner = Owner::of(path).ok().or_else(in_folder);
        let aside = aside(path);
        // A run that did not finish may have left it.
        self.remove_if_there(&aside)?;
        self.write_whole_file(&aside, bytes, owner, None)?;
        self.replace(&aside, path).inspect_err(|_| drop(self.files.remove(&aside)))
    }

    /// Removes what a [`put_file`](Disk::put_file) has left that did not finish.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn remove_replacement(&self, path: &Path) -> Result<()> {
        self.remove_if_there(&aside(path))
    }

    /// Copies a file with its modification time, and syncs the copy.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn copy_file(&self, from: &Path, to: &Path) -> Result<()> {
        let (bytes, modified) = self.read_with_time(from)?;
        self.write_whole_file(to, &bytes, None, Some(modified))
    }

    /// What is in the file at `path`, and when it was changed last.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn read_with_time(&self, path: &Path) -> Result<(Map, SystemTime)> {
        let bytes = self.map(path)?;
        let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
        Ok((bytes, modified.map_err(|source| Error::io(path, "cannot read", source))?))
    }

    /// Creates a folder and those above it.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn create_dir(&self, path: &Path) -> Result<()> {
        let io = |source| Error::io(path, "cannot create the folder", source);
        self.files.create_dir(path).map_err(io)
    }

    /// Creates a folder and those above it; the names of those that are new are durable then.
    ///
    /// # Errors
    /// The system's, with the path; none of them is left then.
    pub fn create_durable_dir(&self, path: &Path) -> Result<()> {
        let is_new = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let new: Vec<&Path> = path.ancestors().take_while(is_new).collect();
        let above = new.iter().rev().filter_map(|folder| folder.parent());
        let mut above = above.map(|it| if it.as_os_str().is_empty() { Path::new(".") } else { it });
        let created =
            self.create_dir(path).and_then(|()| above.try_for_each(|it| self.sync_dir(it)));
        // Only if there is nothing in it.
        created.inspect_err(|_| new.iter().for_each(|folder| drop(std::fs::remove_dir(folder))))
    }

    /// Renames a file or folder; refuses to replace one.
    ///
    /// # Errors
    /// The system's, with the new path.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        if to.try_exists().unwrap_or(true) {
            let exists = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(Error::io(to, "cannot rename to", exists));
        }
        self.files.rename(from, to).map_err(|source| Error::io(to, "cannot rename to", source))
    }

    /// Gives a file, which is synced, the name of another one, whose place it takes.
    ///
    /// # Errors
    /// The system's, with the new path.
    pub fn replace(&self, from: &Path, to: &Path) -> Result<()> {
        self.files.rename(from, to).map_err(|source| Error::io(to, "cannot replace", source))
    }

    /// Removes a file.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn remove(&self, path: &Path) -> Result<()> {
        self.files.remove(path).map_err(|source| Error::io(path, "cannot remove", source))
    }

    /// Removes a file, if there is one.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn remove_if_there(&self, path: &Path) -> Result<()> {
        match self.files.remove(path) {
            // What is mounted for reading only refuses that of names that are not there, too.
            Err(_) if is_missing(path) => Ok(()),
            outcome => outcome.map_err(|source| Error::io(path, "cannot remove", source)),
        }
    }

    /// Removes a folder, if there is one, and all that is in it.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn remove_dir_if_there(&self, path: &Path) -> Result<()> {
        match self.files.remove_dir(path) {
            Err(_) if is_missing(path) => Ok(()),
            outcome => outcome.map_err(|source| Error::io(path, "cannot remove", source)),
        }
    }

    /// Makes a file durable that somebody else has written.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn sync_file(&self, path: &Path) -> Result<()> {
        self.files.sync_file(path).map_err(|source| Error::io(path, "cannot sync", source))
    }

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn sync_dir(&self, path: &Path) -> Result<()> {
        let io = |source| Error::io(path, "cannot sync the folder", source);
        self.files.sync_dir(path).map_err(io)
    }
}

fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// A new file that is synced before it counts as written.
pub struct StagedFile {
    path: PathBuf,
    file: Box<dyn NewFile>,
}

impl StagedFile {
    /// Appends `bytes`.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write(bytes).map_err(|source| Error::io(&self.path, "cannot write", source))
    }

    /// Makes the first `keep_bytes` of the file at `from`, as `map` shows it, the content of this
    /// one, to which nothing was written yet, without writing them. `false`, and nothing has
    /// happened, where that cannot be done: on most file systems, on another one than that of
    /// `from`, or if another file is called so by now.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn share(&mut self, from: &Path, map: &Map, keep_bytes: u64) -> Result<bool> {
        let shared = self.file.share(from, map, keep_bytes);
        shared.map_err(|source| Error::io(&self.path, "cannot write", source))
    }

    /// Asks for room for `size_bytes`, so that what is written in whatever order lies together.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn reserve(&mut self, size_bytes: u64) -> Result<()> {
        self.file
            .reserve(size_bytes)
            .map_err(|source| Error::io(&self.path, "cannot write", source))
    }

    /// Writes `bytes` where they are to lie; what is written like this is not appended to. It goes
    /// past the system's cache if place and size are multiples of [`ALIGNED_BYTES`], and so is the
    /// address.
    ///
    /// [`ALIGNED_BYTES`]: super::ALIGNED_BYTES
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn write_at(&mut self, bytes: &[u8], position: u64) -> Result<()> {
        let io = |source| Error::io(&self.path, "cannot write", source);
        self.file.write_at(bytes, position).map_err(io)
    }

    /// Lets readers see what was written; it need not be durable.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(|source| Error::io(&self.path, "cannot write", source))
    }

    /// Gives the file the modification time that it is to carry, and syncs it.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn finish(self, modified: Option<SystemTime>) -> Result<()> {
        let io = |source| Error::io(&self.path, "cannot write", source);
        self.file.finish(modified).map_err(io)
    }
}

/// What the file that is to take the place of that at `path` is called until it does.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}
