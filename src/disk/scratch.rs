//! A temporary file without a name: what memory has no room for waits in it.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::error::{Error, Result};

/// Appended to and read from by many threads, side by side. The file comes to be with the first
/// byte, and goes with the process, however that ends.
pub struct Scratch {
    dir: PathBuf,
    file: Mutex<Option<Arc<File>>>,
    end: AtomicU64,
}

impl Scratch {
    /// A scratch file in the folder `dir`.
    pub fn within(dir: &Path) -> Scratch {
        Scratch { dir: dir.into(), file: Mutex::new(None), end: AtomicU64::new(0) }
    }

    /// Appends `bytes`; where they lie.
    ///
    /// # Errors
    /// The system's, with the folder.
    pub fn put(&self, bytes: &[u8]) -> Result<Range<u64>> {
        let place = self.room(bytes.len() as u64);
        self.write(place.start, bytes)?;
        Ok(place)
    }

    /// Room for so many bytes side by side, which nobody else gets.
    pub fn room(&self, bytes: u64) -> Range<u64> {
        let start = self.end.fetch_add(bytes, Ordering::Relaxed);
        start..start + bytes
    }

    /// Writes to room that was given, from `start` on.
    ///
    /// # Errors
    /// As [`Scratch::put`].
    pub fn write(&self, start: u64, bytes: &[u8]) -> Result<()> {
        self.file()?.write_all_at(bytes, start).map_err(|source| self.failed(source))
    }

    /// What was put there.
    ///
    /// # Errors
    /// The system's, with the folder.
    pub fn get(&self, place: Range<u64>) -> Result<Vec<u8>> {
        let mut bytes = vec![0; (place.end - place.start) as usize];
        let read = self.file()?.read_exact_at(&mut bytes, place.start);
        read.map(|()| bytes).map_err(|source| self.failed(source))
    }

    fn file(&self) -> Result<Arc<File>> {
        let file = self.file.lock();
        let mut file = file.map_err(|_| Error::bug("a thread failed at the temporary file"))?;
        if let Some(file) = &*file {
            return Ok(Arc::clone(file));
        }
        let new = tempfile::tempfile_in(&self.dir).map_err(|source| self.failed(source))?;
        Ok(Arc::clone(file.insert(Arc::new(new))))
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::io(&self.dir, "cannot keep a temporary file there", source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_comes_back_and_nothing_has_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::within(dir.path());
        let first = scratch.put(b"first").unwrap();
        let second = scratch.put(b"and second").unwrap();
        assert_eq!(scratch.get(first).unwrap(), b"first");
        assert_eq!(scratch.get(second).unwrap(), b"and second");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = Scratch::within(&dir.path().join("no")).put(b"x").unwrap_err();
        assert!(error.to_string().contains("no"), "{error}");
    }
}
