//! A file mapped for reading: the only `unsafe` of the crate. What was made to be read like one is
//! held in memory.

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::listed::{identity, open_listed, open_named};

/// The bytes of a file as they were when it was mapped: its length is taken once, what is
/// appended later is not seen.
pub struct Map {
    // An empty file cannot be mapped.
    mapped: Option<memmap2::Mmap>,
    /// The bytes, if they are in no file.
    held: Option<Arc<Vec<u8>>>,
    /// What the system calls the file, whatever its name is: its device and number.
    identity: (u64, u64),
}

impl Map {
    /// Maps the file at `path`, which a listing found: links are not followed.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> io::Result<Map> {
        Map::of(open_listed(path)?)
    }

    /// Maps the file at `path`, which the user named: it may be a link.
    ///
    /// # Errors
    /// The system's.
    pub fn open_named(path: &Path) -> io::Result<Map> {
        Map::of(open_named(path)?)
    }

    /// Bytes that are in no file.
    pub fn held(bytes: Arc<Vec<u8>>) -> Map {
        Map { mapped: None, held: Some(bytes), identity: (0, 0) }
    }

    fn of(file: File) -> io::Result<Map> {
        let metadata = file.metadata()?;
        let mapped = if metadata.len() == 0 { None } else { Some(map_readonly(&file)?) };
        Ok(Map { mapped, held: None, identity: identity(&metadata) })
    }

    /// Whether it shows `file`. As long as it does, no other file is called so by the system.
    pub(super) fn is_of(&self, file: &File) -> bool {
        self.mapped.is_some()
            && file.metadata().is_ok_and(|metadata| identity(&metadata) == self.identity)
    }

    /// Has the system bring in the pages of `range` now, so that to read them does not end the
    /// process where the disk fails, or where the file was cut short meanwhile.
    ///
    /// # Errors
    /// The disk's, or that the file has become shorter.
    pub fn ready(&self, range: Range<usize>) -> io::Result<()> {
        const UNREADABLE: [i32; 3] = [5, 14, 133]; // EIO, EFAULT, EHWPOISON
        let Some(mapped) = &self.mapped else { return Ok(()) };
        let end = range.end.min(mapped.len());
        if range.start >= end {
            return Ok(());
        }
        let length = end - range.start;
        match mapped.advise_range(memmap2::Advice::PopulateRead, range.start, length) {
            Err(error) if error.raw_os_error().is_some_and(|n| UNREADABLE.contains(&n)) => {
                Err(io::Error::other("the disk fails, or the file was cut short meanwhile"))
            }
            _ => Ok(()), // another failure: not Linux, or an old one
        }
    }

    /// Takes the pages that lie within `range` out of the map, which costs less now, where others
    /// wait for a disk, than at the end. Who reads them all the same has them brought in again.
    pub fn let_go(&self, range: Range<usize>) {
        const LARGEST_PAGE_BYTES: usize = 64 << 10;
        let start = range.start.next_multiple_of(LARGEST_PAGE_BYTES);
        let end = range.end / LARGEST_PAGE_BYTES * LARGEST_PAGE_BYTES;
        if let Some(mapped) = &self.mapped {
            let_go(mapped, start, end.saturating_sub(start));
        }
    }
}

impl Drop for Map {
    /// Pages are let go one by one, which for a large file takes half as long as to bring them in.
    /// The system would have one thread do it. Those that do it here are not the pool's: they
    /// would take up other work meanwhile, and whoever drops a map may hold what that waits for.
    fn drop(&mut self) {
        const PIECE_BYTES: usize = 16 << 20;
        const LARGE_BYTES: usize = 4 * PIECE_BYTES;
        let Some(mapped) = self.mapped.as_ref().filter(|mapped| mapped.len() >= LARGE_BYTES) else {
            return;
        };
        let next = AtomicUsize::new(0);
        let work = || {
            let mut start = 0;
            while start < mapped.len() {
                start = next.fetch_add(PIECE_BYTES, Ordering::Relaxed);
                let_go(mapped, start, PIECE_BYTES);
            }
        };
        let pieces = mapped.len().div_ceil(PIECE_BYTES);
        let helpers = rayon::current_num_threads().min(pieces).saturating_sub(1);
        if helpers > 0 {
            std::thread::scope(|scope| {
                for _ in 0..helpers {
                    // Without it the others do all.
                    let _ = std::thread::Builder::new().spawn_scoped(scope, work);
                }
                work();
            });
        }
    }
}

/// Lets go of the pages of `size_bytes` from `start` on, as far as they are mapped.
///
/// # Safety of the unsafe block
/// It must not reach beyond the mapping, where other memory lies: the length is bounded by it here.
/// What was changed in a private mapping would be lost; ours are of files, for reading, so whoever
/// reads on finds the same bytes, since their pages come in again.
#[expect(unsafe_code, reason = "one thread takes a tenth of a compaction to unmap a log")]
fn let_go(mapped: &memmap2::Mmap, start: usize, size_bytes: usize) {
    let size_bytes = size_bytes.min(mapped.len().saturating_sub(start));
    if size_bytes > 0 {
        let advice = memmap2::UncheckedAdvice::DontNeed;
        // Where it fails, unmapping does it.
        let _ = unsafe { mapped.unchecked_advise_range(advice, start, size_bytes) };
    }
}

/// # Safety of the unsafe block
/// A mapping is unsound if another process changes the bytes while a reference to them lives, and
/// a page that is cut off the file raises SIGBUS. Kafka only ever appends to a segment and swaps
/// whole files by rename, which leaves a mapping whole; what is appended lies beyond the mapped
/// length. A bit that changes under our eyes is caught where it matters, by the batch's CRC, and
/// every read through a map is bounds-checked. Where a disk fails, or somebody truncates a segment
/// (a broker in recovery), [`Map::ready`] says so before the pages are read; in the moment between
/// the two it would end the process, not the data: nothing is ever written through a map.
#[expect(unsafe_code, reason = "reading a terabyte by read() costs a copy of every byte")]
fn map_readonly(file: &File) -> io::Result<memmap2::Mmap> {
    unsafe { memmap2::Mmap::map(file) }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let held = || self.held.as_ref().map(|bytes| bytes.as_slice());
        self.mapped.as_deref().or_else(held).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_let_go_is_read_again_as_it_was_and_nothing_else_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let bytes: Vec<u8> = (0..40u32 << 20).map(|n| (n >> 12) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let map = Map::open(&path).unwrap();
        assert_eq!(*map, *bytes);
        let mapped = map.mapped.as_ref().unwrap();
        let_go(mapped, 4096, 20 << 20);
        let_go(mapped, 30 << 20, usize::MAX);
        let_go(mapped, bytes.len() + 4096, 4096);
        assert_eq!(*map, *bytes);
        drop(map);
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn a_file_that_was_cut_short_is_an_error_and_not_the_end_of_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, vec![7; 1 << 20]).unwrap();
        let map = Map::open(&path).unwrap();
        assert!(map.ready(0..1 << 20).is_ok());
        File::options().write(true).open(&path).unwrap().set_len(4096).unwrap();
        assert!(map.ready(0..4096).is_ok());
        let error = map.ready(4096..1 << 20).unwrap_err();
        assert!(error.to_string().contains("cut short"), "{error}");
    }
}
