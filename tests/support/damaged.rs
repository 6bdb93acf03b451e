//! Sources of rounds whose batches all are of four records, and what damages them.

use std::fs;
use std::path::{Path, PathBuf};

use super::events::{Event, Kind};
use super::rounds::{Grown, compact};

/// Nothing in a round is due.
pub const FAR: [&str; 3] = ["-q", "--delete-retention-ms", "36500d"];
/// Likewise, the active segment too.
pub const ACTIVE: [&str; 4] = ["-q", "--delete-retention-ms", "36500d", "--include-active"];
/// The time of every record.
pub const START_MS: i64 = 1_700_000_000_000;

/// Batches of four records, each of a key of its own, with `mark` in their values.
pub fn batches(log: &mut Grown, kind: Kind, count: i64, mark: &str) {
    for _ in 0..count {
        let first = log.end();
        let event = |n| Event::put(&format!("k{}", first + n), &format!("{mark}{n}"), START_MS);
        log.batch(kind, &[0, 1, 2, 3].map(event));
    }
}

/// Five batches in a segment that is closed, and an active one.
pub fn five(kind: Kind) -> Grown {
    let mut log = Grown::empty();
    batches(&mut log, kind, 5, "v");
    log.roll();
    log.plain(&[Event::put("active", "x", START_MS)]);
    log
}

/// Where each batch of a log starts.
pub fn starts(log: &[u8]) -> Vec<usize> {
    let mut starts = vec![0];
    while let Some(bytes) = log.get(starts[starts.len() - 1] + 8..) {
        let Some(length) = bytes.first_chunk::<4>() else { break };
        starts.push(starts[starts.len() - 1] + 12 + i32::from_be_bytes(*length) as usize);
    }
    starts.pop();
    starts
}

/// A log of which `bytes` stand at `at` in batch number `batch`.
pub fn overwritten(log: &[u8], batch: usize, at: usize, bytes: &[u8]) -> Vec<u8> {
    let (mut log, at) = (log.to_vec(), starts(log)[batch] + at);
    log[at..at + bytes.len()].copy_from_slice(bytes);
    log
}

/// A round's exit status, and what it said.
pub fn run(source: &Path, out: &Path, options: &[&[&str]]) -> (Option<i32>, String) {
    let output = compact(source, out, &options.concat());
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The log of the first segment in a partition directory.
pub fn first_log(dir: &Path) -> PathBuf {
    dir.join("00000000000000000000.log")
}

/// The log of the last segment there.
pub fn last_log(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "log")).max().unwrap()
}
