//! What `--memory` allows each step of a partition.
//!
//! A compaction holds four things that grow with the data: the key index; the window of chunks
//! that is being voted on; the window that is being written; rebuilt batches that wait for their
//! place in the output. Each gets a share, and sizes its steps by it. Mapped files are not counted:
//! the system takes those pages back when it wants them.

/// About how much log a chunk is, where memory allows it.
const MOST_CHUNK_BYTES: u64 = 1 << 20;
/// The least that is worth a task of its own.
const LEAST_CHUNK_BYTES: u64 = 64 << 10;
/// More than this at a time would only push itself out of the caches.
const MOST_WINDOW_BYTES: usize = 128 << 20;
/// Up to this, waiting for a place needs no file.
const MOST_WAITING_BYTES: usize = 32 << 20;

/// The shares of one partition, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// For the key index; more keys mean more passes.
    pub index_bytes: usize,
    /// For the votes and decompressed bodies of the chunks that are voted on at a time.
    pub window_bytes: usize,
    /// For the batches that are being made and written.
    pub writing_bytes: usize,
    /// For rebuilt batches that wait in memory; the others wait in a temporary file.
    pub waiting_bytes: usize,
    /// How much log is read as one task.
    pub chunk_bytes: u64,
}

impl Budget {
    /// The shares if `limit_bytes` are for this partition, which `threads` threads work on.
    pub fn of(limit_bytes: u64, threads: usize) -> Budget {
        let share = |part: u64| usize::try_from(limit_bytes / part).unwrap_or(usize::MAX);
        let tasks = 64 * threads.max(1) as u64;
        Budget {
            index_bytes: share(2),
            window_bytes: share(4).min(MOST_WINDOW_BYTES),
            writing_bytes: share(8).min(MOST_WINDOW_BYTES),
            waiting_bytes: share(16).min(MOST_WAITING_BYTES),
            chunk_bytes: (limit_bytes / tasks).clamp(LEAST_CHUNK_BYTES, MOST_CHUNK_BYTES),
        }
    }
}
