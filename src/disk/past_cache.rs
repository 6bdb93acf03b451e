//! A large file on its way to the disk past the system's cache, by a thread of its own.
//!
//! Gigabytes of output in the cache push out what others on the machine read, and wait there for a
//! sync at the end that takes longer than all the work. So they go to the disk in blocks, as they
//! come; the writer waits only if the disk is slower. A file system that cannot do this
//! gets them through its cache.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// What memory and places in the file must be multiples of, on every file system there is.
pub const ALIGNED_BYTES: usize = 4096;
/// One is filled, one is written, and one is on its way between the two.
const BLOCKS: usize = 3;

/// The rest of a file.
pub struct PastCache {
    file: File,
    filling: Block,
    full: SyncSender<Block>,
    spare: Receiver<Block>,
    thread: JoinHandle<io::Result<()>>,
}

impl PastCache {
    /// What comes is written to `file` from `position` on, a multiple of [`ALIGNED_BYTES`], as is
    /// `block_bytes`. What it holds already is synced first.
    ///
    /// # Errors
    /// The system's: a file system without it, no handle or thread to be had.
    pub fn from(position: u64, file: &File, block_bytes: usize) -> io::Result<PastCache> {
        let (file, theirs) = (file.try_clone()?, file.try_clone()?);
        let (full, coming) = sync_channel(BLOCKS);
        let (give_back, spare) = sync_channel(BLOCKS);
        (1..BLOCKS).for_each(|_| drop(give_back.send(Block::of(block_bytes))));
        go_past_cache(&file, true)?;
        let work = move || write_all(&theirs, &coming, &give_back);
        let thread = std::thread::Builder::new().name("write".to_owned()).spawn(work);
        let thread = thread.or_else(|error| go_past_cache(&file, false).and(Err(error)))?;
        let filling = Block { position, ..Block::of(block_bytes) };
        Ok(PastCache { file, filling, full, spare, thread })
    }

    /// Takes bytes, to be written behind those before them; whether the thread still takes any. If
    /// not, [`PastCache::finish`] says why.
    pub fn take(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            bytes = self.filling.fill(bytes);
            if self.filling.is_full() && !self.send() {
                return false;
            }
        }
        true
    }

    fn send(&mut self) -> bool {
        let Ok(spare) = self.spare.recv() else { return false };
        let next = Block { position: self.filling.end(), filled_bytes: 0, ..spare };
        let full = std::mem::replace(&mut self.filling, next);
        self.full.send(full).is_ok()
    }

    /// Writes what is left, through the cache; all before it is on the disk.
    ///
    /// # Errors
    /// The system's, those of blocks that were taken before among them.
    pub fn finish(self) -> io::Result<()> {
        let PastCache { file, filling, full, thread, .. } = self;
        drop(full);
        let outcome = thread.join();
        outcome.unwrap_or_else(|_| Err(io::Error::other("the writing thread failed")))?;
        go_past_cache(&file, false)?;
        file.write_all_at(filling.bytes(), filling.position)
    }
}

/// What the thread does.
fn write_all(
    file: &File,
    coming: &Receiver<Block>,
    give_back: &SyncSender<Block>,
) -> io::Result<()> {
    file.sync_data()?;
    for block in coming {
        write_aligned(file, block.bytes(), block.position)?;
        // Who fills them may be done.
        let _ = give_back.send(block);
    }
    Ok(())
}

/// Writes bytes that lie anywhere past the cache, as far as they, and their place, are aligned.
///
/// # Errors
/// The system's.
pub fn write_past_cache(file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
    let is_aligned = (bytes.as_ptr().addr() | position as usize).is_multiple_of(ALIGNED_BYTES);
    let aligned_bytes = if is_aligned { bytes.len() / ALIGNED_BYTES * ALIGNED_BYTES } else { 0 };
    let (aligned, rest) = bytes.split_at(aligned_bytes);
    if !aligned.is_empty() {
        // Where that cannot be, they go through it.
        let _ = go_past_cache(file, true);
        let written = write_aligned(file, aligned, position);
        go_past_cache(file, false)?;
        written?;
    }
    file.write_all_at(rest, position + aligned_bytes as u64)
}

/// Writes past the cache what may go there; through it, if the file system says only now that it
/// cannot.
fn write_aligned(file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
    match file.write_all_at(bytes, position) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            go_past_cache(file, false)?;
            file.write_all_at(bytes, position)
        }
        outcome => outcome,
    }
}

fn go_past_cache(file: &File, is_past: bool) -> io::Result<()> {
    let mut flags = fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, is_past);
    Ok(fcntl_setfl(file, flags)?)
}

/// Bytes of the file, at an address that is a multiple of [`ALIGNED_BYTES`].
struct Block {
    room: Vec<u8>,
    start: usize,
    size_bytes: usize,
    filled_bytes: usize,
    /// Where they go.
    position: u64,
}

impl Block {
    fn of(size_bytes: usize) -> Block {
        let room = vec![0; size_bytes + ALIGNED_BYTES];
        let start = room.as_ptr().align_offset(ALIGNED_BYTES).min(ALIGNED_BYTES);
        Block { room, start, size_bytes, filled_bytes: 0, position: 0 }
    }

    /// Takes what there is room for; gives the rest.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let from = self.start + self.filled_bytes;
        let count = bytes.len().min(self.size_bytes - self.filled_bytes);
        let (taken, rest) = bytes.split_at(count);
        if let Some(room) = self.room.get_mut(from..from + count) {
            room.copy_from_slice(taken);
        }
        self.filled_bytes += count;
        rest
    }

    fn is_full(&self) -> bool {
        self.filled_bytes == self.size_bytes
    }

    fn end(&self) -> u64 {
        self.position + self.filled_bytes as u64
    }

    fn bytes(&self) -> &[u8] {
        self.room.get(self.start..self.start + self.filled_bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_file_holds_what_was_written_in_whatever_pieces(
            head in 0..3usize,
            pieces in prop::collection::vec(0..30_000usize, 0..20),
            blocks in 1..4usize,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("file");
            let mut file = File::create_new(&path).unwrap();
            let mut number = 0u32;
            let mut next = || {
                number = number.wrapping_mul(69069).wrapping_add(1);
                (number >> 24) as u8
            };
            let mut some = |count: usize| -> Vec<u8> {
                std::iter::repeat_with(&mut next).take(count).collect()
            };
            let mut wanted = some(head * ALIGNED_BYTES);
            file.write_all(&wanted).unwrap();
            let position = wanted.len() as u64;
            // Not every file system can.
            let Ok(mut rest) = PastCache::from(position, &file, blocks * ALIGNED_BYTES) else {
                return Ok(());
            };
            for count in pieces {
                let piece = some(count);
                prop_assert!(rest.take(&piece));
                wanted.extend(piece);
            }
            rest.finish().unwrap();
            prop_assert!(std::fs::read(&path).unwrap() == wanted);
        }
    }

    #[test]
    fn bytes_that_are_aligned_or_not_come_to_lie_where_they_should() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create_new(dir.path().join("file")).unwrap();
        let bytes: Vec<u8> = (0..60_000u32).map(|n| (n / 13) as u8).collect();
        let aligned = bytes.as_ptr().align_offset(ALIGNED_BYTES);
        let from = |start: usize| &bytes[aligned + start..];
        // From the end to the start: aligned with a rest, aligned, not aligned.
        write_past_cache(&file, &from(8192)[..20_000], 8192).unwrap();
        write_past_cache(&file, &from(4096)[..4096], 4096).unwrap();
        write_past_cache(&file, &from(1)[..4095], 1).unwrap();
        write_past_cache(&file, &from(0)[..1], 0).unwrap();
        write_past_cache(&file, &[], 0).unwrap();
        assert!(std::fs::read(dir.path().join("file")).unwrap() == from(0)[..28_192]);
    }

    #[test]
    fn a_write_that_fails_is_told_of_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, []).unwrap();
        let read_only = File::open(&path).unwrap();
        let Ok(mut rest) = PastCache::from(0, &read_only, ALIGNED_BYTES) else { return };
        let piece = [7; ALIGNED_BYTES];
        while rest.take(&piece) {}
        assert!(rest.finish().is_err());
        assert!(std::fs::read(&path).unwrap().is_empty());
    }
}
