//! What `--memory` allows each step of a partition.
//!
//! A compaction holds seven things that grow with the data: a few bits for each record and bytes
//! for each chunk; the window of chunks that is being voted on; where the records that stay lie, if
//! they are few; the window that is being written; rebuilt batches that wait for their place in the
//! output; the newcomers of a round; and the key index, which gets what the others leave. Each
//! sizes its steps by its share. Mapped files are not counted: the system takes those pages back
//! when it wants them.

use super::look::Survey;
use crate::segment::TxnBatch;

/// About how much log a chunk is, where memory allows it.
const MOST_CHUNK_BYTES: u64 = 1 << 20;
/// The least that is worth a task of its own.
const LEAST_CHUNK_BYTES: u64 = 64 << 10;
/// More than this at a time would only push itself out of the caches.
const MOST_WINDOW_BYTES: usize = 96 << 20;
/// Up to this, waiting for a place needs no file.
const MOST_WAITING_BYTES: usize = 32 << 20;
/// More than this is not faster in memory than in a file, whose pages are the system's to keep.
const MOST_NEWCOMERS_BYTES: usize = 32 << 20;

/// Of each record: whether it stays, whether that is undecided, whether it was.
const BITS_A_RECORD: u64 = 3;
/// Where a chunk lies, what the vote says of it, where its output waits.
const BYTES_A_CHUNK: usize = 512;
/// What the key index takes for a key, more or less.
const BYTES_A_KEY: u64 = 24;
/// What is there before there is anything to do.
const LEAST_BYTES: usize = 1 << 20;
/// What a thread has that does not grow with the data.
const BYTES_A_THREAD: usize = 512 << 10;
/// How often a range is read at most, more or less, however little memory there is.
const MOST_PASSES: u64 = 256;

/// The shares of one partition, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// For the key index; more keys mean more passes.
    pub index_bytes: usize,
    /// For the votes and decompressed bodies of the chunks that are voted on at a time.
    pub window_bytes: usize,
    /// For where records that stay lie; those of which it is not known are walked to.
    pub marks_bytes: usize,
    /// For the batches that are being made and written.
    pub writing_bytes: usize,
    /// For rebuilt batches that wait in memory; the others wait in a temporary file.
    pub waiting_bytes: usize,
    /// For what a round's key index is to hear of; the rest waits in a temporary file.
    pub newcomers_bytes: usize,
    /// How much log is read as one task.
    pub chunk_bytes: u64,
}

impl Budget {
    /// The shares if `limit_bytes` are for this partition, which `threads` threads work on.
    pub fn of(limit_bytes: u64, threads: usize) -> Budget {
        let share = |part: u64| usize::try_from(limit_bytes / part).unwrap_or(usize::MAX);
        let tasks = 64 * threads.max(1) as u64;
        let window_bytes = share(8).min(MOST_WINDOW_BYTES);
        let marks_bytes = share(64);
        let writing_bytes = share(16).min(MOST_WINDOW_BYTES);
        let waiting_bytes = share(32).min(MOST_WAITING_BYTES);
        let newcomers_bytes = share(24).min(MOST_NEWCOMERS_BYTES);
        let round_bytes = round_bytes(newcomers_bytes);
        // What an allocator needs beyond what it is asked for, and what each thread has.
        let threads_bytes = LEAST_BYTES + threads.max(1) * BYTES_A_THREAD;
        let slack_bytes = share(8) + threads_bytes.min(share(8));
        let others_bytes =
            window_bytes + marks_bytes + writing_bytes + waiting_bytes + round_bytes + slack_bytes;
        Budget {
            index_bytes: share(1).saturating_sub(others_bytes),
            window_bytes,
            marks_bytes,
            writing_bytes,
            waiting_bytes,
            newcomers_bytes,
            chunk_bytes: (limit_bytes / tasks).clamp(LEAST_CHUNK_BYTES, MOST_CHUNK_BYTES),
        }
    }

    /// The shares if there are no rounds: the key index has more.
    pub fn without_round(self) -> Budget {
        let index_bytes = self.index_bytes.saturating_add(round_bytes(self.newcomers_bytes));
        Budget { index_bytes, newcomers_bytes: 0, ..self }
    }

    /// The shares of one of two who write at the same time.
    pub fn of_two_writers(self) -> Budget {
        Budget { writing_bytes: self.writing_bytes / 2, ..self }
    }

    /// The shares beside what is known of these segments all the time: the key index has less. It
    /// holds `entry_bytes` beside each key.
    pub fn beside(self, surveys: &[Survey], entry_bytes: usize) -> Budget {
        let records: u64 = surveys.iter().map(|survey| survey.records).sum();
        let chunks: usize = surveys.iter().map(|survey| survey.chunks.len()).sum();
        let txn_batches: usize = surveys.iter().map(|survey| survey.txn_batches.len()).sum();
        let bytes = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let known_bytes = bytes(records / 8 * BITS_A_RECORD)
            + chunks * BYTES_A_CHUNK
            + txn_batches * size_of::<TxnBatch>();
        // Something must be left, or there would be no end of passes.
        let key_bytes = BYTES_A_KEY + entry_bytes as u64;
        let least_bytes = bytes(records.saturating_mul(key_bytes) / MOST_PASSES);
        let index_bytes = self.index_bytes.saturating_sub(known_bytes).max(least_bytes);
        Budget { index_bytes, ..self }
    }
}

/// What newcomers take, the lists in which they come and are sorted, and the runs of the key index
/// that are made of them.
fn round_bytes(newcomers_bytes: usize) -> usize {
    newcomers_bytes.saturating_mul(3)
}
