//! Transactions: which data was aborted, which markers have nothing left to mark.
//!
//! 1. One walk over the markers of the whole log tells how each transaction ended. The markers are
//!    the source, not the `.txnindex` files: those have no checksum, and a lost one would bring
//!    aborted data back.
//! 2. A second walk over the cleaned range, in log order, settles for each transactional or
//!    control batch whether it is discardable, and which entries the new `.txnindex` files get
//!    (`CleanedTransactionMetadata` in Kafka).

use std::collections::{BTreeSet, HashMap, HashSet};

use super::survey::Survey;
use crate::error::Result;
use crate::format::Batch;
use crate::segment::{
    AbortedTxn, Kind, Outcomes, TxnBatch, TxnBatchKind, TxnEntries, parse_txn_index,
};
use crate::units::{Offset, Position};

/// What the second walk settled for one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentTxns {
    discardable: Vec<Position>,
    /// The entries of its `.txnindex` that stay.
    pub index_entries: Vec<AbortedTxn>,
}

impl SegmentTxns {
    /// Whether the batch at `position` is aborted data, or a marker with nothing left to mark.
    pub fn is_discardable(&self, position: Position) -> bool {
        self.discardable.binary_search(&position).is_ok()
    }
}

/// Settles the transactional and control batches of the cleaned range. `entries` are those that the
/// log's `.txnindex` files are to have; `begun` are the producers that have data of a transaction
/// in front of the range.
pub fn settle(
    range: &[Survey],
    begun: &[i64],
    outcomes: &Outcomes,
    entries: &TxnEntries,
) -> Vec<SegmentTxns> {
    let mut pass = Pass::new(outcomes);
    pass.begun.extend(begun);
    range
        .iter()
        .map(|survey| {
            let mut settled = SegmentTxns::default();
            for batch in &survey.txn_batches {
                let is_discardable = pass.is_discardable(batch);
                if batch.kind.is_lost() {
                    continue; // there is no such batch
                }
                if is_discardable {
                    settled.discardable.push(batch.position);
                } else if batch.kind == TxnBatchKind::Abort {
                    settled.index_entries.extend(entries.get(batch));
                }
            }
            settled
        })
        .collect()
}

/// Settles the transactional and control batches of segments that were compacted before: no aborted
/// data is left in them. A marker is discardable if it had its time set already, or if nothing of
/// its transaction is left, as far as `range` tells: without the segments in front of it
/// (`is_front`), a producer's first marker in it may end a transaction that began before.
pub fn settle_again(range: &[Survey], is_front: bool) -> Result<Vec<SegmentTxns>> {
    let mut committing: HashSet<i64> = HashSet::new();
    let mut ended: HashSet<i64> = HashSet::new();
    let mut settled = Vec::new();
    for survey in range {
        let mut txns = SegmentTxns::default();
        let indexed = survey.segment.read(Kind::TxnIndex)?;
        txns.index_entries = indexed.map_or_else(Vec::new, |map| parse_txn_index(&map).0);
        for batch in &survey.txn_batches {
            let rest = survey.log.bytes().get(batch.position.index()..).unwrap_or_default();
            let header = Batch::parse(rest).ok().map(|batch| batch.header);
            let is_spent = match batch.kind {
                TxnBatchKind::Data => {
                    committing.insert(batch.producer_id);
                    false
                }
                TxnBatchKind::OtherControl => false,
                TxnBatchKind::EmptiedControl => true,
                _ => {
                    let is_known = !ended.insert(batch.producer_id) || is_front;
                    let had_data = committing.remove(&batch.producer_id);
                    let is_due = header.is_some_and(|header| header.delete_horizon().is_some());
                    is_due || (is_known && !had_data)
                }
            };
            if is_spent {
                txns.discardable.push(batch.position);
                let marks = |txn: &AbortedTxn| {
                    (txn.producer_id, txn.last_offset) == (batch.producer_id, batch.base_offset)
                };
                txns.index_entries.retain(|txn| !marks(txn));
            }
        }
        settled.push(txns);
    }
    Ok(settled)
}

/// The producers that have begun a transaction below `end` and not ended it there, given those
/// that had `begun` one in front of `surveys`.
pub fn begun_below(end: Offset, begun: &[i64], surveys: &[Survey]) -> Vec<i64> {
    let mut open: BTreeSet<i64> = begun.iter().copied().collect();
    let batches = surveys.iter().flat_map(|survey| &survey.txn_batches);
    for batch in batches.take_while(|batch| batch.base_offset < end) {
        match batch.kind {
            TxnBatchKind::Data => open.insert(batch.producer_id),
            kind if kind.is_end() => open.remove(&batch.producer_id),
            _ => false,
        };
    }
    open.into_iter().collect()
}

/// The aborted transactions that began below `end` and were aborted behind it, given those of
/// transactions that began in front of `surveys` (`known`).
pub fn aborted_across(end: Offset, known: &[AbortedTxn], surveys: &[Survey]) -> Vec<AbortedTxn> {
    let marker = |txn: &AbortedTxn| (txn.last_offset, txn.producer_id);
    let markers: HashSet<(Offset, i64)> = known.iter().map(marker).collect();
    let outcomes = Outcomes::of(surveys.iter().flat_map(|survey| &survey.txn_batches));
    let seen = outcomes.aborted.iter().filter(|txn| !markers.contains(&marker(txn)));
    let is_across = |txn: &&AbortedTxn| txn.first_offset < end && txn.last_offset >= end;
    let mut across: Vec<AbortedTxn> = known.iter().chain(seen).filter(is_across).copied().collect();
    across.sort_unstable_by_key(marker);
    across
}

/// What one pass over the log knows of transactions as it goes on.
struct Pass {
    /// Aborted transactions not reached yet, the earliest last.
    coming: Vec<AbortedTxn>,
    /// Producers within an aborted transaction, and whether data of it was seen in this pass.
    aborting: HashMap<i64, bool>,
    /// Producers with committed data seen since their last COMMIT.
    committing: HashSet<i64>,
    /// Producers with data of a transaction in front of what is walked over, until it ends.
    begun: HashSet<i64>,
}

impl Pass {
    fn new(outcomes: &Outcomes) -> Pass {
        let mut coming = outcomes.aborted.clone();
        coming.sort_by_key(|txn| std::cmp::Reverse(txn.first_offset));
        let (aborting, committing, begun) = Default::default();
        Pass { coming, aborting, committing, begun }
    }

    fn is_discardable(&mut self, batch: &TxnBatch) -> bool {
        while let Some(txn) = self.coming.last().filter(|t| t.first_offset <= batch.last_offset) {
            self.aborting.entry(txn.producer_id).or_insert(false);
            self.coming.pop();
        }
        let producer_id = batch.producer_id;
        match batch.kind {
            TxnBatchKind::Data => match self.aborting.get_mut(&producer_id) {
                Some(data_seen) => {
                    *data_seen = true;
                    true
                }
                None => {
                    self.committing.insert(producer_id);
                    false
                }
            },
            TxnBatchKind::Abort | TxnBatchKind::LostAbort => {
                self.committing.remove(&producer_id);
                let has_begun = self.begun.remove(&producer_id);
                !(self.aborting.remove(&producer_id).unwrap_or(false) || has_begun)
            }
            TxnBatchKind::Commit | TxnBatchKind::LostCommit => {
                let has_begun = self.begun.remove(&producer_id);
                !(self.committing.remove(&producer_id) || has_begun)
            }
            TxnBatchKind::EmptiedControl => true,
            TxnBatchKind::OtherControl => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::txn_batch as batch;

    #[test]
    fn a_marker_is_discardable_once_no_data_of_its_transaction_is_left() {
        use TxnBatchKind::{Abort, Commit, Data};
        let log = [batch(0, 7, Abort), batch(1, 7, Commit), batch(2, 7, Data), batch(3, 7, Commit)];
        let mut pass = Pass::new(&Outcomes::of(log.iter()));
        let discardable: Vec<bool> = log.iter().map(|b| pass.is_discardable(b)).collect();
        assert_eq!(discardable, [true, true, false, false]);
    }

    #[test]
    fn a_marker_ends_what_was_begun_in_front_however_it_ends_and_nothing_else() {
        use TxnBatchKind::{Abort, Commit, Data};
        let log = [
            batch(10, 7, Abort),
            batch(11, 8, Commit),
            batch(12, 9, Data),
            batch(13, 9, Abort),
            batch(14, 7, Abort),
            batch(15, 8, Commit),
            batch(16, 9, Abort),
        ];
        let mut pass = Pass::new(&Outcomes::of(log.iter()));
        pass.begun.extend([7, 8, 9]);
        let discardable: Vec<bool> = log.iter().map(|b| pass.is_discardable(b)).collect();
        assert_eq!(discardable, [false, false, true, false, true, true, true]);
    }
}
