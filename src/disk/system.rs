//! The operating system's own files.

use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, fchown};
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};
use rustix::io::Errno;

use super::files::{Files, NewFile, Owner};
use super::map::Map;
use super::past_cache::{ALIGNED_BYTES, PastCache, write_past_cache};
use super::share::share;

/// Small writes are put together up to here; larger ones go as they are.
const GATHERED_BYTES: usize = 256 << 10;
/// So much of a file that goes through the system's cache is begun to be put on the disk at a time:
/// the sync at the end then has little left to wait for.
const BEGUN_BYTES: u64 = 2 << 20;
/// What of a new file lies behind so many bytes goes past the system's cache.
const THROUGH_CACHE_BYTES: u64 = 16 << 20;
/// Blocks in which it goes there: at this size, a disk is about as fast as it can be.
const MOST_BLOCK_BYTES: usize = 1 << 20;

/// [`Files`] as they are.
#[derive(Clone, Copy, Debug)]
pub struct System {
    /// None, if all goes through the cache.
    block_bytes: Option<usize>,
}

impl Default for System {
    fn default() -> System {
        System { block_bytes: Some(MOST_BLOCK_BYTES) }
    }
}

impl System {
    /// The same where the blocks of one large file are to take no more than `bytes`; if those are
    /// few, there are none.
    pub fn within(bytes: u64) -> System {
        const LEAST_BLOCK_BYTES: usize = 128 << 10;
        let share = usize::try_from(bytes / 4).unwrap_or(usize::MAX) / ALIGNED_BYTES;
        let block_bytes = share.saturating_mul(ALIGNED_BYTES);
        let is_enough = block_bytes >= LEAST_BLOCK_BYTES;
        System { block_bytes: is_enough.then_some(block_bytes.min(MOST_BLOCK_BYTES)) }
    }
}

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
        Ok(Box::new(SystemFile::of(file, 0, self.block_bytes)))
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
        Ok(Box::new(SystemFile::of(file, keep_bytes, None)))
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

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

struct SystemFile {
    file: File,
    /// Small writes (index entries, rebuilt batches), until they are worth a call.
    gathered: Vec<u8>,
    /// Where in the file the next ones go.
    end: u64,
    /// How far it was begun to be put on the disk.
    begun: u64,
    /// What can still be written through the cache; nothing, if all can.
    through_cache_bytes: Option<u64>,
    block_bytes: usize,
    past_cache: Option<PastCache>,
}

impl SystemFile {
    /// A file that goes on at `end`, of which all goes through the cache, or, if it becomes large,
    /// what is behind its beginning in blocks past it.
    fn of(file: File, end: u64, block_bytes: Option<usize>) -> SystemFile {
        SystemFile {
            file,
            gathered: Vec::new(),
            end,
            begun: end,
            through_cache_bytes: block_bytes.map(|_| THROUGH_CACHE_BYTES),
            block_bytes: block_bytes.unwrap_or_default(),
            past_cache: None,
        }
    }

    fn through_cache(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.gathered.len() + bytes.len() > GATHERED_BYTES {
            let mut gathered = std::mem::take(&mut self.gathered);
            self.put(&gathered)?;
            gathered.clear();
            self.gathered = gathered;
            if bytes.len() > GATHERED_BYTES {
                return self.put(bytes);
            }
        }
        self.gathered.extend_from_slice(bytes);
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.end += bytes.len() as u64;
        let waiting_bytes = self.end - self.begun;
        if waiting_bytes >= BEGUN_BYTES {
            begin_writing(&self.file, self.begun, waiting_bytes);
            self.begun = self.end;
        }
        Ok(())
    }

    /// From here on it goes past the cache, if it can.
    fn go_past_cache(&mut self) -> io::Result<()> {
        let gathered = std::mem::take(&mut self.gathered);
        self.put(&gathered)?;
        self.through_cache_bytes = None;
        self.past_cache = PastCache::from(THROUGH_CACHE_BYTES, &self.file, self.block_bytes).ok();
        Ok(())
    }

    /// Ends that. What comes still goes through the cache.
    fn go_through_cache(&mut self) -> io::Result<()> {
        let Some(past_cache) = self.past_cache.take() else { return Ok(()) };
        past_cache.finish()?;
        self.end = self.file.seek(SeekFrom::End(0))?;
        self.begun = self.end;
        Ok(())
    }
}

/// Has the disk begin with what was written to a stretch of a file: the advice that it is not
/// needed has Linux write what is not on the disk yet, and drop from its cache only what is.
fn begin_writing(file: &File, start: u64, size_bytes: u64) {
    // Where this fails the sync does it all.
    let _ = fadvise(file, start, NonZeroU64::new(size_bytes), Advice::DontNeed);
}

impl NewFile for SystemFile {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if let Some(left) = self.through_cache_bytes {
            let count = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
            let (now, rest) = bytes.split_at(count);
            self.through_cache(now)?;
            self.through_cache_bytes = Some(left - now.len() as u64);
            if rest.is_empty() {
                return Ok(());
            }
            bytes = rest;
            self.go_past_cache()?;
        }
        let Some(past_cache) = &mut self.past_cache else { return self.through_cache(bytes) };
        if past_cache.take(bytes) {
            return Ok(());
        }
        self.go_through_cache()?;
        Err(io::Error::other("the writing thread stopped"))
    }

    fn share(&mut self, from: &Path, map: &Map, keep_bytes: u64) -> io::Result<bool> {
        if !share(&self.file, from, map, keep_bytes)? {
            return Ok(false);
        }
        self.end = self.file.seek(SeekFrom::End(0))?;
        self.begun = self.end;
        self.through_cache_bytes = None;
        Ok(true)
    }

    fn reserve(&mut self, size_bytes: u64) -> io::Result<()> {
        match fallocate(&self.file, FallocateFlags::empty(), 0, size_bytes) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    fn write_at(&mut self, bytes: &[u8], position: u64) -> io::Result<()> {
        if self.block_bytes > 0 {
            return write_past_cache(&self.file, bytes, position);
        }
        self.file.write_all_at(bytes, position)?;
        begin_writing(&self.file, position, bytes.len() as u64);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let gathered = std::mem::take(&mut self.gathered);
        self.put(&gathered)?;
        self.go_through_cache()
    }

    fn finish(mut self: Box<Self>, modified: Option<SystemTime>) -> io::Result<()> {
        self.flush()?;
        if let Some(modified) = modified {
            self.file.set_times(FileTimes::new().set_modified(modified))?;
        }
        self.file.sync_all()
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
                // An owner outside the files' group gives new ones its own group, as a broker that
                // runs as this user does.
                Err(error) if metadata.uid() != self.user => return Err(error),
                _ => {}
            }
        }
        file.set_permissions(Permissions::from_mode(self.mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_whole_whatever_way_its_parts_go() {
        let piece: Vec<u8> = (0..777_777u32).map(|n| (n % 251) as u8).collect();
        for (count, is_flushed) in [(10, false), (21, true), (22, false), (30, true), (30, false)] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("file");
            let mut file = System::within(600 << 10).create(&path, None).unwrap();
            for number in 0..count {
                file.write(&piece).unwrap();
                if is_flushed && number == 23 {
                    file.flush().unwrap();
                    assert_eq!(fs::metadata(&path).unwrap().len(), 24 * 777_777);
                }
            }
            file.finish(None).unwrap();
            assert!(fs::read(&path).unwrap() == piece.repeat(count));
        }
    }

    #[test]
    fn a_file_that_waits_to_be_synced_holds_no_memory() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create_new(dir.path().join("file")).unwrap();
        let mut file = SystemFile::of(file, 0, Some(MOST_BLOCK_BYTES));
        file.write(&[1; 1000]).unwrap();
        assert!(file.gathered.capacity() >= 1000);
        file.flush().unwrap();
        assert_eq!(file.gathered.capacity(), 0);
    }
}
