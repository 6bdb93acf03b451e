//! How many chunks are voted on at a time: as many as there is memory for.

use super::scan::ChunkScan;
use crate::compact::budget::Budget;

/// Chunks that a thread reads before the shards go through their ballots, if memory allows: enough
/// votes at a time that a shard, once it is in a core's cache, is worth having been fetched.
const CHUNKS_A_THREAD: usize = 32;

/// So many times as much as its log a chunk may take at first.
const EXPANDING: usize = 16;

/// How many chunks are voted on at a time, from what the last ones took; and their memory.
pub struct Windows<C> {
    budget_bytes: usize,
    scans: Vec<ChunkScan<C>>,
    size: usize,
    most: usize,
}

impl<C: Copy> Windows<C> {
    /// None is known of yet.
    pub fn new(budget: &Budget) -> Windows<C> {
        // The first ones are few, for nothing is known yet of what they take.
        let threads = rayon::current_num_threads();
        let (few, most) = (threads * 2, threads * CHUNKS_A_THREAD);
        let chunk_bytes = usize::try_from(budget.chunk_bytes).unwrap_or(usize::MAX);
        let size = few.min(budget.window_bytes / chunk_bytes.saturating_mul(EXPANDING)).max(1);
        Windows { budget_bytes: budget.window_bytes, scans: Vec::new(), size, most }
    }

    /// How many are voted on next.
    pub fn chunks(&self) -> usize {
        self.size
    }

    /// What the bodies of one chunk may take.
    pub fn most_kept_bytes(&self) -> usize {
        self.budget_bytes / 4 * 3 / self.size.max(1)
    }

    /// Room to read so many.
    pub fn lend(&mut self, count: usize) -> &mut [ChunkScan<C>] {
        self.scans.resize_with(count, ChunkScan::default);
        &mut self.scans
    }

    /// Sizes the next window by what this one took.
    pub fn learn(&mut self) {
        let largest = self.scans.iter().map(ChunkScan::allocated_bytes).max().unwrap_or(0);
        if self.scans.iter().any(|scan| scan.lacked_room) {
            self.most = (self.size / 2).max(rayon::current_num_threads());
        }
        let fitting = self.budget_bytes / largest.max(1);
        self.size = fitting.min(self.size * 4).clamp(1, self.most);
        self.scans.truncate(self.size);
        // Long keys fall to other ballots each time, and each would keep the room for one.
        let most_bytes = 2 * self.budget_bytes;
        if self.scans.iter().map(ChunkScan::allocated_bytes).sum::<usize>() > most_bytes {
            let share_bytes = self.budget_bytes / self.size;
            let is_large = |scan: &&mut ChunkScan<C>| scan.allocated_bytes() > share_bytes;
            self.scans.iter_mut().filter(is_large).for_each(|scan| *scan = ChunkScan::default());
        }
    }
}
