//! How much memory the process held at most.
//!
//! Linux keeps a peak only for the sum with mapped files, which would count the logs that are read.
//! So the anonymous part is looked at all the time, and wherever a step has just filled its
//! buffers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_millis(5);

static PEAK_BYTES: AtomicU64 = AtomicU64::new(0);

/// Looks at the memory that the process holds now; costs a few microseconds.
pub fn note_memory() {
    PEAK_BYTES.fetch_max(anonymous_bytes(), Ordering::Relaxed);
}

/// Looks at the memory that the process holds as long as it lives, by a thread of its own.
pub struct MemoryWatch {
    _end: Sender<()>,
}

impl MemoryWatch {
    /// Begins with it; where there is no thread to be had nobody looks.
    pub fn begin() -> MemoryWatch {
        let (end, ended) = channel();
        let watch = move || {
            while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                note_memory();
            }
        };
        drop(thread::Builder::new().name("memory".to_owned()).spawn(watch));
        MemoryWatch { _end: end }
    }
}

/// The largest amount of anonymous memory that was ever noted, in bytes, mapped files left out; 0
/// where the system does not say (it does on Linux).
pub fn peak_memory_bytes() -> u64 {
    note_memory();
    PEAK_BYTES.load(Ordering::Relaxed)
}

fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
    kilobytes.unwrap_or(0u64).saturating_mul(1024)
}
