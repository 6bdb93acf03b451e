//! Segments that are copied while the vote goes on.
//!
//! The vote goes from the newest chunk to the oldest, and what it keeps stays kept. So where all of
//! a segment was kept so far it is copied, from its end to its start, and the disk is at work while
//! the processors are. The first record that is lost ends that. A copy is only an offer: who writes
//! the segment takes it if the output is what the source is, to its end.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::election::{ChunkAt, ChunkResult};
use super::policy::Policy;
use super::survey::Survey;
use crate::disk::{ALIGNED_BYTES, Disk, Map, Owner, StagedFile};
use crate::error::Result;
use crate::segment::{Kind, Place};

/// Smaller segments are not worth it.
const LEAST_BYTES: u64 = 4 << 20;
/// So much is written at a time.
const PIECE_BYTES: usize = 1 << 20;
/// For so long who waits does nothing if there is nothing to do.
const NAP: Duration = Duration::from_micros(200);

/// The copies of one range.
pub struct CopyAhead<'a> {
    range: &'a [Survey],
    chunks: &'a [ChunkAt],
    segments: Arc<[Ahead]>,
    copying: Mutex<Copying>,
}

/// A segment, by its number in the range.
struct Ahead {
    job: Option<Job>,
    /// Chunks of which nothing was said yet.
    open_chunks: AtomicUsize,
    given_up: AtomicBool,
}

/// What is to be copied, and where to.
struct Job {
    disk: Disk,
    from: PathBuf,
    to: PathBuf,
    owner: Option<Owner>,
}

/// The thread that copies, while there is one, and then what it has made.
#[derive(Default)]
struct Copying {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<Copies>>,
    was_begun: bool,
    files: Copies,
}

/// A stretch of a segment that was kept.
struct Order {
    segment: usize,
    range: Range<usize>,
}

/// Copies by the numbers of their segments.
type Copies = HashMap<usize, StagedFile>;

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
        let mut open_chunks = vec![0; range.len()];
        for at in chunks {
            open_chunks.get_mut(at.segment).into_iter().for_each(|count| *count += 1);
        }
        let ahead = |(number, survey): (usize, &Survey)| {
            let is_alone = groups.contains(&(number..number + 1));
            Ahead {
                job: place.filter(|_| is_alone && may_stay(survey)).map(|place| Job {
                    disk: place.disk.clone(),
                    from: survey.log.path().into(),
                    to: place.path(survey.segment.base, Kind::Log),
                    owner: place.owner,
                }),
                open_chunks: AtomicUsize::new(open_chunks.get(number).copied().unwrap_or(0)),
                given_up: AtomicBool::new(false),
            }
        };
        let segments = range.iter().enumerate().map(ahead).collect();
        CopyAhead { range, chunks, segments, copying: Mutex::default() }
    }

    /// Hears of a chunk whose records are all decided.
    pub fn decided(&self, number: usize, result: &ChunkResult) {
        let Some(at) = self.chunks.get(number) else { return };
        let (Some(ahead), Some(survey)) =
            (self.segments.get(at.segment), self.range.get(at.segment))
        else {
            return;
        };
        if ahead.job.is_none() || ahead.is_given_up() {
            return;
        }
        // Tombstones that stay get their time.
        if !(result.keeps_all() && result.with_tombstone.is_empty()) {
            ahead.give_up();
            return;
        }
        ahead.open_chunks.fetch_sub(1, Ordering::Relaxed);
        let aligned = |at: usize| at / ALIGNED_BYTES * ALIGNED_BYTES;
        let (start, end) = (at.chunk.start.index(), at.chunk.end.index());
        // What lies between two chunks in one block goes with the newer one.
        let end = if at.chunk.end == survey.end { end } else { aligned(end) };
        self.send(Order { segment: at.segment, range: aligned(start)..end });
    }

    fn send(&self, order: Order) {
        let mut copying = self.copying();
        if !copying.was_begun {
            copying.was_begun = true;
            let (send, receive) = channel();
            let segments = Arc::clone(&self.segments);
            let copy = move || copy_all(&segments, &receive);
            // Without a thread there are no copies.
            copying.thread = std::thread::Builder::new().name("copy".to_owned()).spawn(copy).ok();
            copying.orders = Some(send);
        }
        if let Some(orders) = &copying.orders {
            // Nor are there where the thread has failed.
            let _ = orders.send(order);
        }
    }

    fn copying(&self) -> MutexGuard<'_, Copying> {
        self.copying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The copy of a segment, whole but not synced, if there is one. Waits for all of them; a
    /// thread of the pool does other work meanwhile.
    ///
    /// # Errors
    /// The system's: that what was begun cannot be removed.
    pub fn take(&self, segment: usize) -> Result<Option<StagedFile>> {
        while self.copying().is_at_work() {
            if rayon::yield_now() != Some(rayon::Yield::Executed) {
                std::thread::sleep(NAP);
            }
        }
        let mut copying = self.copying();
        let file = copying.wait().remove(&segment);
        let Some(ahead @ Ahead { job: Some(job), .. }) = self.segments.get(segment) else {
            return Ok(None);
        };
        if file.is_none() && !copying.was_begun || file.is_some() && ahead.is_kept() {
            return Ok(file);
        }
        job.disk.remove_if_there(&job.to).map(|()| None)
    }
}

impl Ahead {
    /// Whether all of it was kept, and copied.
    fn is_kept(&self) -> bool {
        !self.is_given_up() && self.open_chunks.load(Ordering::Relaxed) == 0
    }

    fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    fn copy(&self, map: &Map, file: &mut StagedFile, range: Range<usize>) -> Result<()> {
        for start in range.clone().step_by(PIECE_BYTES) {
            let piece = start..range.end.min(start + PIECE_BYTES);
            // A page that cannot be read fails the write.
            match map.get(piece).filter(|_| !self.is_given_up()) {
                Some(bytes) => file.write_at(bytes, start as u64)?,
                None => break,
            }
        }
        Ok(())
    }
}

impl Drop for CopyAhead<'_> {
    /// Nobody writes to a folder that may be removed next.
    fn drop(&mut self) {
        self.segments.iter().for_each(Ahead::give_up);
        self.copying().wait();
    }
}

impl Copying {
    /// Whether there is more to come.
    fn is_at_work(&mut self) -> bool {
        self.orders = None;
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    fn wait(&mut self) -> &mut Copies {
        self.orders = None; // the thread ends when it has done what was ordered
        if let Some(thread) = self.thread.take() {
            self.files = thread.join().unwrap_or_default();
        }
        &mut self.files
    }
}

/// Whether it may come out as it goes in.
fn may_stay(survey: &Survey) -> bool {
    let log = &survey.log;
    survey.segment.part.is_none()
        && log.bytes().len() as u64 >= LEAST_BYTES
        && survey.end.index() == log.bytes().len()
        && survey.damage.is_empty()
        // Markers get their time, and what was aborted goes.
        && survey.txn_batches.is_empty()
}

/// What the thread does. Where something fails the segment is given up: who writes it as usual
/// meets the same failure, if it is one, and tells of it.
fn copy_all(segments: &[Ahead], orders: &Receiver<Order>) -> Copies {
    let mut copies: HashMap<usize, (Map, StagedFile)> = HashMap::new();
    for Order { segment, range } in orders {
        let Some((ahead, job)) = segments.get(segment).and_then(|it| Some((it, it.job.as_ref()?)))
        else {
            continue;
        };
        if ahead.is_given_up() {
            continue;
        }
        let copied = match copies.remove(&segment) {
            Some(copy) => Ok(copy),
            None => job.begin(),
        };
        let copied = copied
            .and_then(|(map, mut file)| ahead.copy(&map, &mut file, range).map(|()| (map, file)));
        match copied {
            Ok(copy) => drop(copies.insert(segment, copy)),
            Err(_) => ahead.give_up(),
        }
    }
    copies.into_iter().map(|(segment, (_, file))| (segment, file)).collect()
}

impl Job {
    fn begin(&self) -> Result<(Map, StagedFile)> {
        Ok((self.disk.map(&self.from)?, self.disk.create(&self.to, self.owner)?))
    }
}
