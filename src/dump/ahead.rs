//! Stretches made ahead of the one that is being written, by the threads of the pool.
//!
//! The log is cut into stretches ([`Cuts`]); a few for each thread are in the making, and they are
//! handed out in the order of the cuts. Where damage turns out to reach behind the end of its
//! stretch, what was made of the stretches behind it is thrown away, and cutting begins anew where
//! the damage ends.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, sync_channel};

use rayon::Scope;

use super::Failure;
use super::cuts::{Cuts, Stretch};
use super::selection::Budget;
use super::stretch::{Overflow, Scene, Shown, show};
use crate::error::Error;
use crate::format::Decoder;
use crate::units::Position;

/// Stretches in the making, for each thread.
const STRETCHES_A_THREAD: usize = 4;
/// What the lines of one may take, with the buffers that they come out of; more where they are to
/// be turned round.
const BYTES_A_STRETCH: u64 = 8 << 20;
const REVERSED_BYTES_A_STRETCH: u64 = 32 << 20;

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
    /// Nothing made yet of what `cuts` gives. Once `unwanted` is set, tasks end early.
    pub(super) fn new(
        scene: Scene<'scope>,
        scope: &'s Scope<'scope>,
        cuts: Cuts<'scope>,
        unwanted: &'scope AtomicBool,
    ) -> Ahead<'s, 'scope> {
        // A thread of the pool would wait for itself.
        let is_outside_pool = rayon::current_thread_index().is_none();
        let threads = if is_outside_pool { rayon::current_num_threads() } else { 0 };
        let is_reverse = scene.wanted.selection.is_reverse;
        let bytes = if is_reverse { REVERSED_BYTES_A_STRETCH } else { BYTES_A_STRETCH };
        let with_memory = scene.wanted.selection.memory_bytes.map(|most| (most / bytes).max(1));
        let with_memory = with_memory.and_then(|most| usize::try_from(most).ok());
        let most_pending = threads * STRETCHES_A_THREAD;
        Ahead {
            scene,
            scope,
            unwanted,
            cuts,
            pending: VecDeque::new(),
            most_pending: most_pending.min(with_memory.unwrap_or(usize::MAX)),
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
            if self.pending.is_empty() && self.cuts.is_done() {
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
        if self.cuts.is_backward() {
            return;
        }
        if end != stretch.end {
            self.pending.clear();
        }
        if self.pending.is_empty() {
            self.cuts.resume_at(end);
        }
    }

    /// Where the log can be read no further, and why, if it ended there.
    pub(super) fn failure(&mut self) -> Option<Error> {
        self.cuts.failure()
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
