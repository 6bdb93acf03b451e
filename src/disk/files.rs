//! What the program asks of a file system, behind one trait, so that a test can stand in for it:
//! cut the power between two operations, fill the disk, fail a read.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::Map;

/// The operations. Those that change names are durable only after [`Files::sync_dir`] of their
/// folder; until then a power cut may undo each of them, whatever happened to the others.
pub trait Files: Debug + Send + Sync {
    /// Maps a file for reading.
    ///
    /// # Errors
    /// The system's.
    fn map(&self, path: &Path) -> io::Result<Map>;

    /// Creates a file that does not exist yet; with an `owner` it belongs to that one.
    ///
    /// # Errors
    /// The system's.
    fn create(&self, path: &Path, owner: Option<Owner>) -> io::Result<Box<dyn NewFile>>;

    /// Opens a file that exists, to go on behind its first `keep_bytes`; what lies behind them is
    /// cut off.
    ///
    /// # Errors
    /// The system's; a file that is shorter than that is refused.
    fn append(&self, path: &Path, keep_bytes: u64) -> io::Result<Box<dyn NewFile>>;

    /// Creates a folder and those above it.
    ///
    /// # Errors
    /// The system's.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Gives a file or folder another name; a file of that name is replaced.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder and all that is in it.
    ///
    /// # Errors
    /// The system's.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// The system's.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes a file durable that somebody else has written.
    ///
    /// # Errors
    /// The system's.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
}

/// A file that is being written.
pub trait NewFile: Send {
    /// Appends `bytes`.
    ///
    /// # Errors
    /// The system's.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the first `keep_bytes` of the file at `from`, as `map` shows it, the content of this
    /// one, to which nothing was written yet, without writing them; what is written next comes
    /// behind them. `false`, and nothing has happened, where that cannot be done.
    ///
    /// # Errors
    /// The system's.
    fn share(&mut self, from: &Path, map: &Map, keep_bytes: u64) -> io::Result<bool>;

    /// Asks for room for `size_bytes`, so that what is written in whatever order lies together.
    ///
    /// # Errors
    /// The system's; where it cannot be had beforehand there is none.
    fn reserve(&mut self, size_bytes: u64) -> io::Result<()>;

    /// Writes `bytes` where they are to lie, in whatever order that comes. Nothing is appended to a
    /// file that is written like this.
    ///
    /// # Errors
    /// The system's.
    fn write_at(&mut self, bytes: &[u8], position: u64) -> io::Result<()>;

    /// Lets readers see what was written; it need not be durable.
    ///
    /// # Errors
    /// The system's.
    fn flush(&mut self) -> io::Result<()>;

    /// Gives the file the modification time that it is to carry, and makes its content durable.
    ///
    /// # Errors
    /// The system's; one that a sync on the way met is not lost.
    fn finish(self: Box<Self>, modified: Option<SystemTime>) -> io::Result<()>;
}

/// Whose a file is, and who may do what with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user's number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
    /// The permission bits.
    pub mode: u32,
}
