//! A file mapped for reading: the one `unsafe` of the crate.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::listed::{open_listed, open_named};

/// The bytes of a file as they were when it was mapped: its length is taken once, what is
/// appended later is not seen.
pub struct Map {
    // An empty file cannot be mapped.
    mapped: Option<memmap2::Mmap>,
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

    fn of(file: File) -> io::Result<Map> {
        if file.metadata()?.len() == 0 {
            return Ok(Map { mapped: None });
        }
        Ok(Map { mapped: Some(map_readonly(&file)?) })
    }

    /// Has the system bring in the pages from `start` on, for who reads on his way there, until
    /// that one is `done`. A hint.
    pub fn bring_in(&self, start: usize, done: &AtomicBool) {
        const STEP_BYTES: usize = 4 << 20;
        let Some(mapped) = &self.mapped else { return };
        for at in (start..mapped.len()).step_by(STEP_BYTES) {
            let length = STEP_BYTES.min(mapped.len() - at);
            if done.load(Ordering::Relaxed) {
                return;
            }
            if mapped.advise_range(memmap2::Advice::PopulateRead, at, length).is_err() {
                return; // not Linux, or an old one
            }
        }
    }
}

/// # Safety of the one unsafe block
/// A mapping is unsound if another process changes the bytes while a reference to them lives, and
/// a page that is cut off the file raises SIGBUS. Kafka only ever appends to a segment and swaps
/// whole files by rename, which leaves a mapping whole; what is appended lies beyond the mapped
/// length. A bit that changes under our eyes is caught where it matters, by the batch's CRC, and
/// every read through a map is bounds-checked. Who truncates a segment while we read it
/// (a broker in recovery) ends the process, not the data: nothing is ever written through a map.
#[expect(unsafe_code, reason = "reading a terabyte by read() costs a copy of every byte")]
fn map_readonly(file: &File) -> io::Result<memmap2::Mmap> {
    unsafe { memmap2::Mmap::map(file) }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.mapped.as_deref().unwrap_or_default()
    }
}
