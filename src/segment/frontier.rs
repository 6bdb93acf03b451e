//! Going through a log without being surprised: what is about to be read is brought in first, so
//! that a disk that fails, or a file that was cut short, is an error and not the process's end.

use std::ops::Range;

use rayon::prelude::*;

use super::{Batches, LogFile};
use crate::error::Result;
use crate::format::{Batch, HEADER_BYTES};
use crate::units::Position;

/// So much is brought in at a time; less at first, for who wants only a little.
const STEP_BYTES: usize = 4 << 20;
const FIRST_STEP_BYTES: usize = 64 << 10;

/// How far a log is known to be readable, for who goes through it from the start.
pub struct Frontier<'a> {
    log: &'a LogFile,
    ready: usize,
    step_bytes: usize,
    end: usize,
}

impl<'a> Frontier<'a> {
    /// Nothing of `log` was brought in yet.
    pub fn of(log: &'a LogFile) -> Frontier<'a> {
        Frontier { log, ready: 0, step_bytes: FIRST_STEP_BYTES, end: usize::MAX }
    }

    /// Somebody else goes on from `end`: what lies behind it is brought in only if it is needed.
    pub fn until(self, end: Option<Position>) -> Frontier<'a> {
        Frontier { end: end.map_or(usize::MAX, Position::index), ..self }
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

    /// Makes sure that the batch at `at` can be read, if there is one whose length can be right.
    ///
    /// # Errors
    /// The disk's, with the position.
    pub fn reach_batch(&mut self, at: Position) -> Result<()> {
        self.reach(at, HEADER_BYTES)?;
        let rest = self.log.bytes().get(at.index()..).unwrap_or_default();
        self.reach(at, Batch::claimed_size(rest).unwrap_or(0))
    }

    /// The next of `batches`, which are those of the log, once all of it can be read.
    ///
    /// # Errors
    /// The disk's, with the position.
    pub fn next_of<'b>(
        &mut self,
        batches: &mut Batches<'b>,
    ) -> Result<Option<<Batches<'b> as Iterator>::Item>> {
        const REACH_BYTES: usize = 1 << 20;
        let at = Batches::position(batches);
        self.reach(at, REACH_BYTES)?;
        self.reach_batch(at)?;
        Ok(batches.next())
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
        self.log.ready(Position(range.start as u64), Position(range.end as u64))
    }

    #[inline(never)]
    fn bring_in(&mut self, at: usize, needed: usize) -> Result<()> {
        let wanted = at.saturating_add(self.step_bytes).min(self.end);
        let (start, end) = (at.max(self.ready), needed.max(wanted));
        self.step_bytes = (self.step_bytes * 2).min(STEP_BYTES);
        self.ready_in(start..end)?;
        self.ready = end;
        Ok(())
    }
}

impl LogFile {
    /// The batch that starts at `position`, if one does, once all of it can be read.
    ///
    /// # Errors
    /// The disk's, with the position.
    pub fn batch_at(&self, position: Position) -> Result<Option<Batch<'_>>> {
        let Some(rest) = self.bytes().get(position.index()..) else { return Ok(None) };
        let mut frontier = Frontier::of(self);
        frontier.reach(position, HEADER_BYTES)?;
        let Ok(batch) = Batch::parse(rest) else { return Ok(None) };
        frontier.reach(position, batch.header.size_bytes)?;
        Ok(Some(batch))
    }
}
