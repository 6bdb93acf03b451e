//! Stretches made ahead of the one that is being written, by the threads of the pool.
//!
//! A walk over the headers cuts the log into stretches; a few for each thread are in the making,
//! and they are handed out in the order of the log. The cuts are a guess, for checksums are not
//! looked at here: when damage turns out to reach behind the end of its stretch, what was made of
//! the stretches behind it is thrown away, and cutting begins anew where the damage ends.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, sync_channel};

use rayon::Scope;

use super::Failure;
use super::select::Budget;
use super::stretch::{Overflow, Scene, Shown, Stretch, show};
use crate::format::{Batch, BatchHeader, Codec, Decoder};
use crate::segment::LogFile;
use crate::units::Position;

/// How much log one task reads, more or less.
const STRETCH_BYTES: usize = 1 << 19;
/// How much more the lines of a compressed batch are taken to be.
const TYPICAL_EXPANSION: usize = 4;
/// Stretches in the making, for each thread.
const STRETCHES_A_THREAD: usize = 4;

thread_local! {
    /// With codec contexts and scratch that live as long as the thread.
    static DECODER: RefCell<Decoder> = RefCell::new(Decoder::new());
}

/// The stretches of one log, in order.
pub(super) struct Ahead<'s, 'scope> {
    scene: Scene<'scope>,
    scope: &'s Scope<'scope>,
    unwanted: &'scope AtomicBool,
    cuts: Cuts<'scope>,
    pending: VecDeque<Pending>,
    most_pending: usize,
    spare_lines: Vec<Vec<u8>>,
}

/// A stretch in the making.
struct Pending {
    stretch: Stretch,
    shown: Receiver<Result<Shown, Failure>>,
}

impl<'s, 'scope> Ahead<'s, 'scope> {
    /// Nothing made yet; begins at `start`. Once `unwanted` is set, tasks end early.
    pub(super) fn new(
        scene: Scene<'scope>,
        scope: &'s Scope<'scope>,
        start: Position,
        unwanted: &'scope AtomicBool,
    ) -> Ahead<'s, 'scope> {
        // A thread of the pool would wait for itself.
        let is_outside_pool = rayon::current_thread_index().is_none();
        let threads = if is_outside_pool { rayon::current_num_threads() } else { 0 };
        Ahead {
            scene,
            scope,
            unwanted,
            cuts: Cuts { log: scene.log, next: Some(start) },
            pending: VecDeque::new(),
            most_pending: threads * STRETCHES_A_THREAD,
            spare_lines: Vec::new(),
        }
    }

    /// The next stretch and what was made of it; `None` for what is left to the caller to make.
    pub(super) fn next(
        &mut self,
        budget: Budget,
    ) -> Result<Option<(Stretch, Option<Shown>)>, Failure> {
        while self.pending.len() < self.most_pending
            && let Some(stretch) = self.cuts.next()
        {
            if self.pending.is_empty() && self.cuts.next.is_none() {
                return Ok(Some((stretch, None))); // the only one: nothing to do beside it
            }
            self.begin(stretch, budget.rest());
        }
        let Some(Pending { stretch, shown }) = self.pending.pop_front() else {
            return Ok(self.cuts.next().map(|stretch| (stretch, None)));
        };
        // Without an answer the task has panicked, which the scope passes on.
        let shown = shown.recv().ok().transpose()?;
        Ok(Some((stretch, shown)))
    }

    /// Takes note that `stretch` really ended at `end`, and goes on there.
    pub(super) fn settle(&mut self, stretch: Stretch, end: Position) {
        if end != stretch.end {
            self.pending.clear();
        }
        if self.pending.is_empty() {
            self.cuts.next = Some(end);
        }
    }

    /// Takes back a buffer.
    pub(super) fn reuse(&mut self, lines: Vec<u8>) {
        self.spare_lines.push(lines);
    }

    fn begin(&mut self, stretch: Stretch, budget: Budget) {
        let (scene, unwanted) = (self.scene, self.unwanted);
        let lines = self.spare_lines.pop().unwrap_or_default();
        let (answer, shown) = sync_channel(1);
        self.scope.spawn(move |_| {
            let made = DECODER.with_borrow_mut(|decoder| {
                show(scene, stretch, budget, decoder, lines, Overflow::GiveUp(unwanted))
            });
            // Nobody listens where the stretch was cut wrongly.
            let _ = answer.send(made);
        });
        self.pending.push_back(Pending { stretch, shown });
    }
}

/// The cuts between stretches, found by stepping from header to header.
struct Cuts<'a> {
    log: &'a LogFile,
    /// `None` at the end, and behind what is no batch.
    next: Option<Position>,
}

impl Iterator for Cuts<'_> {
    type Item = Stretch;

    fn next(&mut self) -> Option<Stretch> {
        let start = self.next?;
        let (mut end, mut weight_bytes) = (start, 0);
        while weight_bytes < STRETCH_BYTES {
            let rest = self.log.bytes().get(end.index()..).unwrap_or_default();
            let Ok(batch) = Batch::parse(rest) else {
                break;
            };
            end = end.plus(batch.header.size_bytes);
            weight_bytes = weight_bytes.saturating_add(weight_of(&batch.header));
        }
        let size_bytes = self.log.bytes().len();
        if end == start {
            // Where the next batch is only a search can tell, and that is part of the stretch.
            self.next = None;
            let is_end = start.index() >= size_bytes;
            return (!is_end).then(|| Stretch { start, end: start.plus(1) });
        }
        self.next = (end.index() < size_bytes).then_some(end);
        Some(Stretch { start, end })
    }
}

fn weight_of(header: &BatchHeader) -> usize {
    match header.codec() {
        Codec::None => header.size_bytes,
        _ => header.size_bytes.saturating_mul(TYPICAL_EXPANSION),
    }
}
