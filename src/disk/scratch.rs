//! A temporary file without a name: what memory has no room for waits in it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::error::{Error, Result};

/// Appended to and read from by many threads. The file comes to be with the first byte, and goes
/// with the process, however that ends.
pub struct Scratch {
    dir: PathBuf,
    file: Mutex<Option<Appended>>,
}

struct Appended {
    file: File,
    end: u64,
}

impl Scratch {
    /// A scratch file in the folder `dir`.
    pub fn within(dir: &Path) -> Scratch {
        Scratch { dir: dir.into(), file: Mutex::new(None) }
    }

    /// Appends `bytes`; where they lie.
    ///
    /// # Errors
    /// The system's, with the folder.
    pub fn put(&self, bytes: &[u8]) -> Result<Range<u64>> {
        self.with(|appended| {
            let start = appended.end;
            appended.file.seek(SeekFrom::Start(start))?;
            appended.file.write_all(bytes)?;
            appended.end = start + bytes.len() as u64;
            Ok(start..appended.end)
        })
    }

    /// What was put there.
    ///
    /// # Errors
    /// The system's, with the folder.
    pub fn get(&self, place: Range<u64>) -> Result<Vec<u8>> {
        self.with(|appended| {
            let mut bytes = vec![0; (place.end - place.start) as usize];
            appended.file.seek(SeekFrom::Start(place.start))?;
            appended.file.read_exact(&mut bytes)?;
            Ok(bytes)
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Appended) -> std::io::Result<T>) -> Result<T> {
        let failed = |source| Error::io(&self.dir, "cannot keep a temporary file there", source);
        let mut guard =
            self.file.lock().map_err(|_| Error::bug("a thread failed at the temporary file"))?;
        let appended = match &mut *guard {
            Some(appended) => appended,
            none => {
                let file = tempfile::tempfile_in(&self.dir).map_err(failed)?;
                none.insert(Appended { file, end: 0 })
            }
        };
        work(appended).map_err(failed)
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
