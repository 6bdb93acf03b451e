//! Transactions, followed batch by batch in log order (`ProducerStateManager`).

use std::collections::HashMap;

use super::tally::TxnTally;
use crate::segment::{TxnBatch, TxnBatchKind};
use crate::units::{Offset, Timestamp};

/// A transactional or control batch, and when it was written.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What it is.
    pub batch: TxnBatch,
    /// Its largest timestamp.
    pub timestamp: Timestamp,
}

/// A transaction that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its first offset.
    pub first_offset: Offset,
    /// When it began.
    pub since: Timestamp,
}

/// Goes along with a log.
#[derive(Debug, Default)]
pub struct Transactions {
    tally: TxnTally,
    open: HashMap<i64, Begun>,
}

impl Transactions {
    /// The next batch.
    pub fn step(&mut self, step: &Step) {
        let TxnBatch { producer_id, kind, base_offset, .. } = step.batch;
        match kind {
            TxnBatchKind::Data => {
                let begun = Begun { first_offset: base_offset, since: step.timestamp };
                self.open.entry(producer_id).or_insert(begun);
            }
            TxnBatchKind::Commit | TxnBatchKind::LostCommit => {
                *self.ended(producer_id, |tally| &mut tally.committed) += 1;
            }
            TxnBatchKind::Abort | TxnBatchKind::LostAbort => {
                *self.ended(producer_id, |tally| &mut tally.aborted) += 1;
            }
            // What it ended has been cleaned away; or it ends nothing.
            TxnBatchKind::EmptiedControl | TxnBatchKind::OtherControl => {}
        }
    }

    fn ended(&mut self, producer_id: i64, with_data: fn(&mut TxnTally) -> &mut u64) -> &mut u64 {
        match self.open.remove(&producer_id) {
            Some(_) => with_data(&mut self.tally),
            None => &mut self.tally.empty,
        }
    }

    /// How many there were, and those that are open: by their first offset, with their producers.
    pub fn finish(mut self) -> (TxnTally, Vec<(i64, Begun)>) {
        self.tally.open = self.open.len() as u64;
        let mut open: Vec<_> = self.open.into_iter().collect();
        open.sort_by_key(|(id, begun)| (begun.first_offset, *id));
        (self.tally, open)
    }
}
