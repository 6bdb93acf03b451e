//! The entries that the `.txnindex` files of a log are to have, told by its markers and by the
//! entries that are there.
//!
//! Markers have a checksum, entries have none. An entry stands all the same, for it may know where
//! a transaction began whose data has gone since, unless it is denied
//!
//! 1. by data of the transaction in front of where it begins;
//! 2. by the end of the producer's transaction before, if it begins in front of that: a broker's
//!    cleaner would take what was committed there for aborted;
//! 3. by its last stable offset, if that lies behind where any transaction was open: a broker that
//!    looks for aborted transactions would stop there (`TransactionIndex.collectAbortedTxns`).

use std::collections::HashMap;

use super::{AbortedTxn, Outcomes, TxnBatch, TxnBatchKind};
use crate::units::Offset;

/// Aborted transactions by producer and the offset of the marker.
pub type ByMarker = HashMap<(i64, Offset), AbortedTxn>;

/// The entries of a log, by marker.
pub struct TxnEntries {
    by_marker: ByMarker,
}

impl TxnEntries {
    /// Those of a log with these transactional and control `batches`, in order, which come to these
    /// `outcomes`, and with these entries in its index files.
    pub fn of<'a>(
        batches: impl Iterator<Item = &'a TxnBatch>,
        outcomes: &Outcomes,
        indexed: &ByMarker,
    ) -> TxnEntries {
        let known = outcomes.aborted.iter();
        let mut by_marker: ByMarker = known.map(|txn| (txn.marker(), *txn)).collect();
        let mut ends: HashMap<i64, Offset> = HashMap::new();
        for batch in batches.filter(|batch| batch.kind.is_end()) {
            let key = (batch.producer_id, batch.base_offset);
            let end_before = ends.insert(batch.producer_id, batch.base_offset);
            if is_abort(batch.kind)
                && let Some(entry) = indexed.get(&key)
                && !is_denied(entry, by_marker.get(&key), end_before)
            {
                by_marker.insert(key, *entry);
            }
        }
        TxnEntries { by_marker }
    }

    /// The entry for a marker; none if nothing of its transaction is known.
    pub fn get(&self, marker: &TxnBatch) -> Option<AbortedTxn> {
        self.by_marker.get(&(marker.producer_id, marker.base_offset)).copied()
    }

    /// The entries for a segment with these batches; for damaged markers too, if they are `kept`.
    pub fn for_batches(&self, batches: &[TxnBatch], kept: bool) -> Vec<AbortedTxn> {
        let is_there = |batch: &&TxnBatch| {
            batch.kind == TxnBatchKind::Abort || (kept && batch.kind == TxnBatchKind::LostAbort)
        };
        batches.iter().filter(is_there).filter_map(|batch| self.get(batch)).collect()
    }
}

fn is_abort(kind: TxnBatchKind) -> bool {
    matches!(kind, TxnBatchKind::Abort | TxnBatchKind::LostAbort)
}

/// `known`: what the log itself says of the transaction.
fn is_denied(entry: &AbortedTxn, known: Option<&AbortedTxn>, end_before: Option<Offset>) -> bool {
    let latest_first = known.map_or(entry.last_offset, |known| known.first_offset);
    let latest_stable = known.map_or(entry.last_offset.next(), |known| known.last_stable_offset);
    entry.first_offset > latest_first
        || end_before.is_some_and(|end| entry.first_offset <= end)
        || entry.last_stable_offset > latest_stable
}

#[cfg(test)]
mod tests {
    use super::super::outcomes::txn_batch as batch;
    use super::*;

    fn entry(producer_id: i64, [first, last, stable]: [i64; 3]) -> AbortedTxn {
        let [first_offset, last_offset, last_stable_offset] = [first, last, stable].map(Offset);
        AbortedTxn { producer_id, first_offset, last_offset, last_stable_offset }
    }

    #[test]
    fn an_entry_stands_unless_the_log_denies_it() {
        use TxnBatchKind::{Abort, Commit, Data};
        let log = [
            batch(10, 7, Data),
            batch(12, 7, Commit),
            batch(15, 8, Data),
            batch(20, 7, Data),
            batch(22, 7, Abort),
            batch(30, 9, Abort),
        ];
        let outcomes = Outcomes::of(log.iter());
        let told = |indexed: AbortedTxn| {
            let indexed = ByMarker::from([(indexed.marker(), indexed)]);
            TxnEntries::of(log.iter(), &outcomes, &indexed).for_batches(&log, false)
        };
        let known = entry(7, [20, 22, 15]);
        assert_eq!(told(entry(1, [0, 1, 1])), [known], "it has no marker");
        // Where data may have gone, the entry knows more; an earlier end is the limit.
        for right in [[20, 22, 15], [13, 22, 15], [20, 22, 3]] {
            assert_eq!(told(entry(7, right)), [entry(7, right)]);
        }
        for wrong in [[21, 22, 15], [12, 22, 15], [0, 22, 15], [20, 22, 16]] {
            assert_eq!(told(entry(7, wrong)), [known], "{wrong:?}");
        }
        // Of a transaction without data the marker alone tells.
        for right in [[5, 30, 31], [30, 30, 15]] {
            assert_eq!(told(entry(9, right)), [known, entry(9, right)]);
        }
        for wrong in [[31, 30, 31], [5, 30, 32]] {
            assert_eq!(told(entry(9, wrong)), [known], "{wrong:?}");
        }
    }
}
