//! Transactions: which data was aborted, which markers have nothing left to mark.
//!
//! 1. One walk over the markers of the whole log tells how each transaction ended. The markers are
//!    the source, not the `.txnindex` files: those have no checksum, and a lost one would bring
//!    aborted data back.
//! 2. A second walk over the cleaned range, in log order, settles for each transactional or
//!    control batch whether it is discardable, and which entries the new `.txnindex` files get
//!    (`CleanedTransactionMetadata` in Kafka).

use std::collections::{HashMap, HashSet};

use super::survey::Survey;
use crate::segment::{AbortedTxn, Outcomes, TxnBatch, TxnBatchKind};
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

/// Settles the transactional and control batches of the cleaned range. `indexed` holds the entries
/// of the log's `.txnindex` files by producer and marker; they are carried over as they stand.
pub fn settle(
    range: &[Survey],
    outcomes: &Outcomes,
    indexed: &HashMap<(i64, Offset), AbortedTxn>,
) -> Vec<SegmentTxns> {
    let mut pass = Pass::new(outcomes);
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
                    let key = (batch.producer_id, batch.base_offset);
                    let derived = pass.by_marker.get(&key).copied();
                    settled.index_entries.extend(indexed.get(&key).copied().or(derived));
                }
            }
            settled
        })
        .collect()
}

/// The entries for the `.txnindex` of segments that keep all their transactions, by segment.
pub fn entries_kept(
    surveys: &[Survey],
    outcomes: &Outcomes,
    indexed: &HashMap<(i64, Offset), AbortedTxn>,
) -> Vec<Vec<AbortedTxn>> {
    let by_marker = Pass::new(outcomes).by_marker;
    let entry = |marker: &TxnBatch| {
        let key = (marker.producer_id, marker.base_offset);
        indexed.get(&key).or(by_marker.get(&key)).copied()
    };
    let is_abort = |batch: &&TxnBatch| batch.kind == TxnBatchKind::Abort;
    let of_segment =
        |survey: &Survey| survey.txn_batches.iter().filter(is_abort).filter_map(entry).collect();
    surveys.iter().map(of_segment).collect()
}

/// What one pass over the log knows of transactions as it goes on.
struct Pass {
    /// Aborted transactions not reached yet, the earliest last.
    coming: Vec<AbortedTxn>,
    /// Producers within an aborted transaction, and whether data of it was seen in this pass.
    aborting: HashMap<i64, bool>,
    /// Producers with committed data seen since their last COMMIT.
    committing: HashSet<i64>,
    by_marker: HashMap<(i64, Offset), AbortedTxn>,
}

impl Pass {
    fn new(outcomes: &Outcomes) -> Pass {
        let mut coming = outcomes.aborted.clone();
        coming.sort_by_key(|txn| std::cmp::Reverse(txn.first_offset));
        let key = |txn: &AbortedTxn| (txn.producer_id, txn.last_offset);
        let by_marker = outcomes.aborted.iter().map(|txn| (key(txn), *txn)).collect();
        Pass { coming, aborting: HashMap::new(), committing: HashSet::new(), by_marker }
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
                !self.aborting.remove(&producer_id).unwrap_or(false)
            }
            TxnBatchKind::Commit | TxnBatchKind::LostCommit => {
                !self.committing.remove(&producer_id)
            }
            TxnBatchKind::EmptiedControl => true,
            TxnBatchKind::OtherControl => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(offset: i64, producer_id: i64, kind: TxnBatchKind) -> TxnBatch {
        let offset = Offset(offset);
        let position = Position(offset.0 as u64);
        TxnBatch { position, base_offset: offset, last_offset: offset, producer_id, kind }
    }

    #[test]
    fn a_marker_is_discardable_once_no_data_of_its_transaction_is_left() {
        use TxnBatchKind::{Abort, Commit, Data};
        let log = [batch(0, 7, Abort), batch(1, 7, Commit), batch(2, 7, Data), batch(3, 7, Commit)];
        let mut pass = Pass::new(&Outcomes::of(log.iter()));
        let discardable: Vec<bool> = log.iter().map(|b| pass.is_discardable(b)).collect();
        assert_eq!(discardable, [true, true, false, false]);
    }
}
