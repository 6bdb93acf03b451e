//! Segments that are copied while the vote goes on.
//!
//! The vote goes from the newest chunk to the oldest, and what it keeps stays kept. So where all of
//! a segment was kept so far it is copied, from its end to its start, and the disk is at work while
//! the processors are. The first record that is lost ends that. A copy is only an offer: who writes
//! the segment takes it if the output is what the source is, to its end.
//!
//! Where files can share their blocks nothing is copied: what was kept to its end is shared when it
//! is taken. Whether they can shows with the first.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::compact::look::Survey;
use crate::compact::policy::Policy;
use crate::compact::vote::{ChunkAt, ChunkResult};
use crate::disk::{ALIGNED_BYTES, Disk, Map, Owner, StagedFile};
use crate::error::{Error, Result};
use crate::segment::{Kind, Place};

/// Smaller segments are not worth it.
const LEAST_BYTES: usize = 4 << 20;
/// So much is written at a time.
const PIECE_BYTES: usize = 1 << 20;
/// More copies are not open at a time; chunks come nearly in order, so few are.
const MOST_OPEN: usize = 8;
/// For so long who waits does nothing if there is nothing to do.
const NAP: Duration = Duration::from_micros(200);

/// The copies of one range.
pub struct CopyAhead<'a> {
    range: &'a [Survey],
    chunks: &'a [ChunkAt],
    copies: Arc<Copies>,
    worker: Mutex<Worker>,
}

/// What the threads that vote have in common with the one that copies.
struct Copies {
    segments: Vec<Option<Ahead>>,
    /// Whether they share the source's blocks, once that is known.
    are_shared: OnceLock<bool>,
}

/// A segment that may be copied.
struct Ahead {
    /// Its log as the vote reads it, whatever becomes of the file.
    map: Arc<Map>,
    from: PathBuf,
    disk: Disk,
    to: PathBuf,
    owner: Option<Owner>,
    ordered_bytes: AtomicUsize,
    given_up: AtomicBool,
    copied: Mutex<Copied>,
}

/// How far it is.
#[derive(Default)]
struct Copied {
    /// Open while it is neither whole nor given up.
    file: Option<StagedFile>,
    was_begun: bool,
    /// It has the source's blocks.
    is_shared: bool,
    /// Bytes by where they start.
    ranges: BTreeMap<usize, usize>,
}

/// The thread that copies.
#[derive(Default)]
struct Worker {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// A stretch of a segment, by number, that was kept; or nothing of it, if it is given up.
struct Order {
    segment: usize,
    range: Range<usize>,
}

impl<'a> CopyAhead<'a> {
    /// For the segments of `range` that have a group, and so a place, of their own.
    pub fn of(
        range: &'a [Survey],
        chunks: &'a [ChunkAt],
        groups: &[Range<usize>],
        place: Option<&Place>,
        policy: &Policy,
    ) -> CopyAhead<'a> {
        let anew = policy.rewrites.compression.is_some() || policy.rewrites.segments_anew;
        // In place it lies there already.
        let place = place.filter(|place| place.suffix.is_none() && !anew);
        let alone = groups.iter().filter(|group| group.len() == 1);
        let alone: HashSet<usize> = alone.map(|group| group.start).collect();
        let ahead = |(number, survey): (usize, &Survey)| {
            let place = place.filter(|_| alone.contains(&number) && may_stay(survey))?;
            Some(Ahead {
                map: survey.log.shared_map(),
                from: survey.segment.path(Kind::Log),
                disk: place.disk.clone(),
                to: place.path(survey.segment.base, Kind::Log),
                owner: place.owner,
                ordered_bytes: AtomicUsize::new(0),
                given_up: AtomicBool::new(false),
                copied: Mutex::default(),
            })
        };
        let segments = range.iter().enumerate().map(ahead).collect();
        let copies = Arc::new(Copies { segments, are_shared: OnceLock::new() });
        CopyAhead { range, chunks, copies, worker: Mutex::default() }
    }

    /// Hears, once, of a chunk whose records are all decided.
    pub fn decided(&self, number: usize, result: &ChunkResult) {
        let Some(at) = self.chunks.get(number) else { return };
        let Some(ahead) = self.ahead(at.segment).filter(|ahead| !ahead.is_given_up()) else {
            return;
        };
        let range = if result.keeps_as_it_is() {
            let aligned = |at: usize| at / ALIGNED_BYTES * ALIGNED_BYTES;
            let (start, end) = (at.chunk.start.index(), at.chunk.end.index());
            let is_last = self.range.get(at.segment).is_some_and(|s| at.chunk.end == s.end);
            // What lies between two chunks in one block goes with the newer one.
            aligned(start)..if is_last { end } else { aligned(end) }
        } else {
            ahead.give_up();
            0..0
        };
        let before = ahead.ordered_bytes.fetch_add(range.len(), Ordering::Relaxed);
        if !self.copies.are_shared() && (!range.is_empty() || before > 0) {
            self.order(Order { segment: at.segment, range });
        }
    }

    /// The copy of a segment, whole but not synced, if there is one and all of it was kept. Waits
    /// for it; a thread of the pool does other work meanwhile.
    ///
    /// # Errors
    /// The system's: that the copy cannot be opened again, or what was begun not be removed.
    pub fn take(&self, segment: usize, is_kept: bool) -> Result<Option<StagedFile>> {
        let Some(ahead) = self.ahead(segment) else { return Ok(None) };
        let is_ordered = ahead.ordered_bytes.load(Ordering::Relaxed) == ahead.map.len();
        if !is_kept {
            ahead.give_up();
        }
        loop {
            let is_at_work = self.worker().is_at_work();
            let mut copied = ahead.copied();
            let is_shared = self.copies.share(ahead, &mut copied);
            if !(is_ordered || is_shared) {
                ahead.give_up();
            }
            if ahead.is_given_up() || !(is_at_work || ahead.is_whole(&copied)) {
                ahead.give_up();
                let remove = || ahead.disk.remove_if_there(&ahead.to);
                return if copied.was_begun { remove() } else { Ok(()) }.map(|()| None);
            }
            if ahead.is_whole(&copied) {
                return ahead.disk.append(&ahead.to, ahead.map.len() as u64).map(Some);
            }
            drop(copied);
            if rayon::yield_now() != Some(rayon::Yield::Executed) {
                std::thread::sleep(NAP);
            }
        }
    }

    fn ahead(&self, segment: usize) -> Option<&Ahead> {
        self.copies.segments.get(segment)?.as_ref()
    }

    fn worker(&self) -> MutexGuard<'_, Worker> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self, order: Order) {
        let mut worker = self.worker();
        if worker.orders.is_none() {
            let (send, receive) = channel();
            let copies = Arc::clone(&self.copies);
            let copy = move || copies.make(&receive);
            worker.thread = std::thread::Builder::new().name("copy".to_owned()).spawn(copy).ok();
            worker.orders = Some(send);
        }
        if let Some(orders) = &worker.orders {
            // Without a thread, or where it has failed, nothing is copied.
            let _ = orders.send(order);
        }
    }
}

impl Drop for CopyAhead<'_> {
    /// Nobody writes to a folder that may be removed next.
    fn drop(&mut self) {
        self.copies.segments.iter().flatten().for_each(Ahead::give_up);
        let mut worker = self.worker();
        worker.orders = None;
        if let Some(thread) = worker.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Worker {
    /// Whether it still has something to do, when nothing more is to come.
    fn is_at_work(&mut self) -> bool {
        self.orders = None;
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

/// Whether a segment may come out as it goes in.
fn may_stay(survey: &Survey) -> bool {
    let size_bytes = survey.log.bytes().len();
    survey.segment.part.is_none()
        && size_bytes >= LEAST_BYTES
        && survey.end.index() == size_bytes
        && survey.damage.is_empty()
        // Markers get their time, and what was aborted goes.
        && survey.txn_batches.is_empty()
        && !survey.has_odd_batches
}

impl Copies {
    /// What the thread does. Where something fails the segment is given up: who writes it as usual
    /// meets the same failure, if it is one, and tells of it.
    fn make(&self, orders: &Receiver<Order>) {
        let mut open = HashSet::new();
        for Order { segment, range } in orders {
            let Some(Some(ahead)) = self.segments.get(segment) else { continue };
            let mut copied = ahead.copied();
            if self.are_shared() || self.share(ahead, &mut copied) {
                continue; // others are when they are taken
            }
            if open.len() >= MOST_OPEN && !open.contains(&segment) {
                ahead.give_up();
            }
            if ahead.is_given_up() || ahead.copy(&mut copied, range).is_err() {
                ahead.give_up();
                copied.file = None;
            }
            match copied.file {
                Some(_) => open.insert(segment),
                None => open.remove(&segment),
            };
        }
    }

    /// Has a copy that was not begun share the source's blocks, unless that is known to fail;
    /// whether it does now.
    fn share(&self, ahead: &Ahead, copied: &mut Copied) -> bool {
        let may_be = self.are_shared.get().is_none_or(|are_shared| *are_shared);
        if !may_be || copied.was_begun || ahead.is_given_up() {
            return copied.is_shared;
        }
        match ahead.share(copied) {
            Ok(is_shared) => drop(self.are_shared.set(is_shared)),
            Err(_) => ahead.give_up(),
        }
        copied.is_shared
    }

    fn are_shared(&self) -> bool {
        self.are_shared.get().is_some_and(|are_shared| *are_shared)
    }
}

impl Ahead {
    /// Begins the copy. It is whole at once, and that is said, if it can share the source's blocks.
    fn share(&self, copied: &mut Copied) -> Result<bool> {
        let file = self.begin(copied)?;
        if file.share(&self.from, &self.map, self.map.len() as u64)? {
            (copied.is_shared, copied.file) = (true, None);
        }
        Ok(copied.is_shared)
    }

    fn begin<'a>(&self, copied: &'a mut Copied) -> Result<&'a mut StagedFile> {
        let file = self.disk.create(&self.to, self.owner)?;
        copied.was_begun = true;
        Ok(copied.file.insert(file))
    }

    fn copy(&self, copied: &mut Copied, range: Range<usize>) -> Result<()> {
        if range.is_empty() {
            return Ok(()); // a chunk that lies within the block where a newer one starts
        }
        let is_first = copied.ranges.is_empty();
        let file = match &mut copied.file {
            None => self.begin(copied)?,
            Some(file) => file,
        };
        if is_first {
            file.reserve(self.map.len() as u64)?;
        }
        for start in range.clone().step_by(PIECE_BYTES) {
            // A page that cannot be read fails the write.
            let piece = self.map.get(start..range.end.min(start + PIECE_BYTES));
            let piece = piece.ok_or_else(|| Error::bug("a chunk that reaches beyond its log"))?;
            file.write_at(piece, start as u64)?;
        }
        copied.ranges.insert(range.start, range.len());
        if self.is_whole(copied) {
            copied.file = None; // who takes it syncs it
        }
        Ok(())
    }

    fn is_whole(&self, copied: &Copied) -> bool {
        copied.is_shared || copied.ranges.values().sum::<usize>() == self.map.len()
    }

    fn copied(&self) -> MutexGuard<'_, Copied> {
        self.copied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_within_one_block_does_not_take_the_place_of_the_newer_one_that_starts_there() {
        const BLOCK: usize = ALIGNED_BYTES;
        let temp = tempfile::tempdir().unwrap();
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        let bytes: Vec<u8> = (0..3 * BLOCK + 5).map(|at| at as u8).collect();
        std::fs::write(&from, &bytes).unwrap();
        let ahead = Ahead {
            map: Arc::new(Map::open(&from).unwrap()),
            from,
            disk: Disk::default(),
            to: to.clone(),
            owner: None,
            ordered_bytes: AtomicUsize::new(0),
            given_up: AtomicBool::new(false),
            copied: Mutex::default(),
        };
        let mut copied = Copied::default();
        for range in [BLOCK..bytes.len(), BLOCK..BLOCK, 0..BLOCK] {
            assert!(!ahead.is_whole(&copied), "{range:?}");
            ahead.copy(&mut copied, range).unwrap();
        }
        assert!(ahead.is_whole(&copied));
        assert!(std::fs::read(to).unwrap() == bytes);
    }
}
