//! Rebuilt chunks that wait for their place in the output.
//!
//! The vote goes from the newest chunk to the oldest, the output is written the other way round. A
//! chunk that had to be decompressed for the vote is rebuilt at once; until its turn comes its
//! bytes wait here: in memory as far as that may be used, else in a temporary file, and where there
//! may be none, it is made again. Of its batches only the spans are remembered, and which were
//! given a delete horizon; their headers are read again from the bytes.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use super::chunk::{ChunkOutput, From, OutBatch, Tally};
use crate::disk::Scratch;
use crate::error::{Error, Result};
use crate::format::Batch;
use crate::units::Position;

/// The rebuilt chunks of one range, by number.
pub struct Waiting {
    chunks: Vec<OnceLock<Mutex<Option<Waiter>>>>,
    scratch: Option<Scratch>,
    memory_left_bytes: AtomicUsize,
}

struct Waiter {
    spans: Vec<Span>,
    tally: Tally,
    made: Made,
}

/// Neighbouring batches.
struct Span {
    from: From,
    size_bytes: usize,
    has_new_horizons: bool,
    has_legacy_tombstones: bool,
}

enum Made {
    InMemory(Vec<u8>),
    InFile(Range<u64>),
}

impl Waiting {
    /// Room for `chunks` chunks, of which `memory_bytes` may wait in memory, the others in `dir`.
    pub fn new(chunks: usize, memory_bytes: usize, dir: Option<&Path>) -> Waiting {
        Waiting {
            chunks: std::iter::repeat_with(OnceLock::new).take(chunks).collect(),
            scratch: dir.map(Scratch::within),
            memory_left_bytes: AtomicUsize::new(memory_bytes),
        }
    }

    /// Keeps a chunk until it is asked for, if there is room.
    ///
    /// # Errors
    /// Those of the temporary file.
    pub fn put(&self, number: usize, output: ChunkOutput) -> Result<()> {
        let Some(place) = self.chunks.get(number) else {
            return Err(Error::bug("a chunk beyond the range"));
        };
        let spans = spans_of(&output.batches);
        let size_bytes = output.made.len();
        let reserved = self.memory_left_bytes.fetch_update(
            Ordering::Relaxed,
            Ordering::Relaxed,
            |left_bytes| left_bytes.checked_sub(size_bytes),
        );
        let made = match (reserved, &self.scratch) {
            (Ok(_), _) => Made::InMemory(output.made.as_slice().to_vec()),
            (Err(_), Some(scratch)) => Made::InFile(scratch.put(&output.made)?),
            (Err(_), None) => return Ok(()),
        };
        let waiter = Waiter { spans, tally: output.tally, made };
        place.set(Mutex::new(Some(waiter))).map_err(|_| Error::bug("a chunk was decided twice"))
    }

    /// Gives a chunk back, if it was put here; `source` is the log that it was read from.
    ///
    /// # Errors
    /// Those of the temporary file.
    pub fn take(&self, number: usize, source: &[u8]) -> Result<Option<ChunkOutput>> {
        let waiter = self.chunks.get(number).and_then(OnceLock::get);
        let Some(waiter) = waiter.and_then(|waiter| waiter.lock().ok()?.take()) else {
            return Ok(None);
        };
        let made = match waiter.made {
            Made::InMemory(bytes) => {
                self.memory_left_bytes.fetch_add(bytes.len(), Ordering::Relaxed);
                bytes
            }
            Made::InFile(place) => match &self.scratch {
                Some(scratch) => scratch.get(place)?,
                None => return Err(Error::bug("a chunk waits in a file that is not there")),
            },
        };
        let mut batches = Vec::new();
        for span in &waiter.spans {
            let bytes = match span.from {
                From::Source(position) => source.get(position.index()..),
                From::Made(start) => made.get(start..),
            };
            let bytes = bytes.and_then(|bytes| bytes.get(..span.size_bytes)).unwrap_or_default();
            span.unfold(bytes, &mut batches)?;
        }
        Ok(Some(ChunkOutput::assemble(batches, made, waiter.tally)))
    }
}

impl Span {
    fn unfold(&self, bytes: &[u8], batches: &mut Vec<OutBatch>) -> Result<()> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let batch = Batch::parse(rest)
                .map_err(|flaw| Error::bug(format!("a waiting batch cannot be read: {flaw}")))?;
            let out = OutBatch::new(&batch.header, self.from.plus(at));
            batches.push(OutBatch {
                has_new_horizon: self.has_new_horizons,
                has_legacy_tombstone: self.has_legacy_tombstones,
                ..out
            });
            at += batch.header.size_bytes;
        }
        Ok(())
    }
}

fn spans_of(batches: &[OutBatch]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for batch in batches {
        let OutBatch { from, size_bytes, .. } = *batch;
        let has_new_horizons = batch.has_new_horizon;
        let has_legacy_tombstones = batch.has_legacy_tombstone;
        let is_next = |span: &&mut Span| {
            span.from.plus(span.size_bytes) == from
                && span.has_new_horizons == has_new_horizons
                && span.has_legacy_tombstones == has_legacy_tombstones
        };
        match spans.last_mut().filter(is_next) {
            Some(span) => span.size_bytes += size_bytes,
            None => {
                spans.push(Span { from, size_bytes, has_new_horizons, has_legacy_tombstones });
            }
        }
    }
    spans.shrink_to_fit();
    spans
}

impl From {
    /// The place `bytes` further on.
    pub fn plus(self, bytes: usize) -> From {
        match self {
            From::Source(position) => From::Source(Position::plus(position, bytes)),
            From::Made(start) => From::Made(start + bytes),
        }
    }
}
