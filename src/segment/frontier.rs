//! Going through a log without being surprised: what is about to be read is brought in first, so
//! that a disk that fails, or a file that was cut short, is an error and not the process's end.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::LogFile;
use crate::error::{Error, Result};
use crate::units::Position;

/// So much is brought in at a time; less at first, for who wants only a little.
const STEP_BYTES: usize = 4 << 20;
const FIRST_STEP_BYTES: usize = 64 << 10;

/// How far a log is known to be readable, for who goes through it from the start.
pub struct Frontier<'a> {
    log: &'a LogFile,
    ready: usize,
    step_bytes: usize,
    helper: Option<&'a Helper>,
}

/// Another thread that brings in the second half.
struct Helper {
    start: usize,
    /// What lies between `start` and this is brought in.
    end: AtomicUsize,
    is_unwanted: AtomicBool,
}

impl<'a> Frontier<'a> {
    /// Nothing of `log` was brought in yet.
    pub fn of(log: &'a LogFile) -> Frontier<'a> {
        Frontier { log, ready: 0, step_bytes: FIRST_STEP_BYTES, helper: None }
    }

    /// Makes sure that the next `bytes` from `at` on can be read; mostly there is nothing to do.
    ///
    /// # Errors
    /// The disk's, with the position.
    #[inline]
    pub fn reach(&mut self, at: Position, bytes: usize) -> Result<()> {
        let needed = at.plus(bytes).index().min(self.log.bytes().len());
        if needed <= self.ready { Ok(()) } else { self.bring_in(at.index(), needed) }
    }

    /// As [`reach`](Frontier::reach), by all threads of the pool.
    ///
    /// # Errors
    /// As there.
    pub fn reach_together(&mut self, at: Position, bytes: usize) -> Result<()> {
        const PIECE_BYTES: usize = 1 << 20;
        let size_bytes = self.log.bytes().len();
        let needed = at.plus(bytes).index().min(size_bytes);
        if needed <= self.ready {
            return Ok(());
        }
        let start = at.index().max(self.ready);
        let pieces: Vec<usize> = (start..needed).step_by(PIECE_BYTES).collect();
        pieces.into_par_iter().try_for_each(|piece| {
            self.ready_in(piece..piece.saturating_add(PIECE_BYTES).min(needed))
        })?;
        self.ready = needed;
        Ok(())
    }

    fn ready_in(&self, range: Range<usize>) -> Result<()> {
        let position = Position(range.start as u64);
        self.log.map().ready(range).map_err(|source| {
            let error = Error::io(self.log.path(), "cannot read", source);
            Error { position: Some(position), ..error }
        })
    }

    #[inline(never)]
    fn bring_in(&mut self, at: usize, needed: usize) -> Result<()> {
        if let Some(helper) = self.helper.filter(|helper| at >= helper.start) {
            self.ready = self.ready.max(helper.end.load(Ordering::Acquire));
        }
        if needed > self.ready {
            let (start, end) = (at.max(self.ready), needed.max(at.saturating_add(self.step_bytes)));
            self.step_bytes = (self.step_bytes * 2).min(STEP_BYTES);
            self.ready_in(start..end)?;
            self.ready = end;
        }
        Ok(())
    }
}

/// Does `work`, which goes through `log` from the start, while another thread, if one is idle,
/// brings in the second half.
pub fn with_help<T: Send>(log: &LogFile, work: impl FnOnce(Frontier<'_>) -> T + Send) -> T {
    const LEAST_BYTES: usize = 64 << 20;
    let size_bytes = log.bytes().len();
    if size_bytes < LEAST_BYTES || log.is_part() {
        return work(Frontier::of(log));
    }
    let start = size_bytes / 2;
    let helper =
        Helper { start, end: AtomicUsize::new(start), is_unwanted: AtomicBool::new(false) };
    let work = || {
        let outcome = work(Frontier { helper: Some(&helper), ..Frontier::of(log) });
        helper.is_unwanted.store(true, Ordering::Relaxed);
        outcome
    };
    rayon::join(work, || helper.help(log)).0
}

impl Helper {
    /// Where this fails, who comes by later fails too, and says so.
    fn help(&self, log: &LogFile) {
        let size_bytes = log.bytes().len();
        for at in (self.start..size_bytes).step_by(STEP_BYTES) {
            let end = at.saturating_add(STEP_BYTES).min(size_bytes);
            if self.is_unwanted.load(Ordering::Relaxed) || log.map().ready(at..end).is_err() {
                return;
            }
            self.end.store(end, Ordering::Release);
        }
    }
}
