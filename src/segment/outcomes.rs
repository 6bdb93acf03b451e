//! How transactions ended, read off their batches and markers in log order
//! (`ProducerStateManager`, `ProducerAppendInfo`).

use std::collections::{BTreeSet, HashMap};

use super::{AbortedTxn, Damaged, LogFile};
use crate::format::{Batch, Control, Decoder};
use crate::units::{Offset, Position};

/// What a batch of a transaction, or a marker, is to its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxnBatchKind {
    /// Data.
    Data,
    /// The end, as a success.
    Commit,
    /// The end, as a failure.
    Abort,
    /// The end, as a success; the marker itself was damaged.
    LostCommit,
    /// The end, as a failure; the marker itself was damaged.
    LostAbort,
    /// A control batch that lost its record in an earlier cleaning.
    EmptiedControl,
    /// A control batch that ends no transaction.
    OtherControl,
}

impl TxnBatchKind {
    /// Whether it ends a transaction.
    pub fn is_end(self) -> bool {
        use TxnBatchKind::{Abort, Commit, LostAbort, LostCommit};
        matches!(self, Commit | Abort | LostCommit | LostAbort)
    }

    /// Whether it only stands in for a batch that was damaged.
    pub fn is_lost(self) -> bool {
        matches!(self, TxnBatchKind::LostCommit | TxnBatchKind::LostAbort)
    }
}

/// A transactional or control batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxnBatch {
    /// Where it starts.
    pub position: Position,
    /// Its first offset.
    pub base_offset: Offset,
    /// Its last offset.
    pub last_offset: Offset,
    /// Whose it is.
    pub producer_id: i64,
    /// What it is.
    pub kind: TxnBatchKind,
}

impl TxnBatch {
    /// What the batch at `position` is to a transaction; `None` if it has to do with none.
    pub fn of(position: Position, batch: &Batch<'_>, decoder: &mut Decoder) -> Option<TxnBatch> {
        let header = &batch.header;
        (header.is_control() || header.is_transactional()).then(|| TxnBatch {
            position,
            base_offset: header.base_offset,
            last_offset: header.last_offset,
            producer_id: header.producer_id,
            kind: kind_of(batch, decoder),
        })
    }

    /// The markers that damaged batches can still be read as. Their offsets may be what is damaged:
    /// whoever knows what lies around them says [`at`](TxnBatch::at).
    pub fn of_damaged(
        log: &LogFile,
        damaged: &Damaged,
        decoder: &mut Decoder,
    ) -> impl Iterator<Item = TxnBatch> {
        log.claimed_in(damaged)
            .filter_map(|(position, batch)| TxnBatch::of_lost(position, &batch, decoder))
    }

    /// The marker that one damaged batch can still be read as.
    pub fn of_lost(
        position: Position,
        batch: &Batch<'_>,
        decoder: &mut Decoder,
    ) -> Option<TxnBatch> {
        let marker = TxnBatch::of(position, batch, decoder)?;
        let kind = match marker.kind {
            TxnBatchKind::Commit => TxnBatchKind::LostCommit,
            TxnBatchKind::Abort => TxnBatchKind::LostAbort,
            _ => return None,
        };
        Some(TxnBatch { kind, ..marker }.at(marker.base_offset))
    }

    /// The same marker, which has one offset, at that one.
    pub fn at(self, offset: Offset) -> TxnBatch {
        TxnBatch { base_offset: offset, last_offset: offset, ..self }
    }
}

fn kind_of(batch: &Batch<'_>, decoder: &mut Decoder) -> TxnBatchKind {
    if !batch.header.is_control() {
        return TxnBatchKind::Data;
    }
    if batch.header.record_count == 0 {
        return TxnBatchKind::EmptiedControl;
    }
    // What cannot be read here is found again, and reported, when the chunk's records are read.
    let first = decoder.records(batch).ok().and_then(|mut records| records.next()?.ok());
    match first.and_then(|record| Control::of_key(record.key)) {
        Some(Control::Commit) => TxnBatchKind::Commit,
        Some(Control::Abort) => TxnBatchKind::Abort,
        _ => TxnBatchKind::OtherControl,
    }
}

/// How the transactions of a log ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// The aborted ones that still have data, by their markers' order.
    pub aborted: Vec<AbortedTxn>,
    /// First offset of each producer's transaction that has no marker.
    pub open: HashMap<i64, Offset>,
}

impl Outcomes {
    /// Reads the outcomes off the batches of the whole log, in order.
    pub fn of<'a>(batches: impl Iterator<Item = &'a TxnBatch>) -> Outcomes {
        let mut following = Following::default();
        batches.for_each(|batch| following.batch(batch));
        following.outcomes
    }

    /// The first offset of the earliest open transaction: nothing from there on may be cleaned.
    pub fn first_undecided(&self) -> Option<Offset> {
        self.open.values().min().copied()
    }
}

/// Outcomes, read off batch by batch.
#[derive(Clone, Debug, Default)]
pub struct Following {
    /// Those of the batches so far.
    pub outcomes: Outcomes,
    open_firsts: BTreeSet<(Offset, i64)>,
}

impl Following {
    /// Begins where these transactions of producers are open, each since an offset.
    pub fn with_open(open: HashMap<i64, Offset>) -> Following {
        let open_firsts = open.iter().map(|(producer_id, first)| (*first, *producer_id)).collect();
        Following { outcomes: Outcomes { open, ..Outcomes::default() }, open_firsts }
    }

    /// The first offset of the earliest transaction that is open so far.
    pub fn first_undecided(&self) -> Option<Offset> {
        self.open_firsts.first().map(|(first, _)| *first)
    }

    /// Goes on with the next batch of the log.
    pub fn batch(&mut self, batch: &TxnBatch) {
        let Following { outcomes, open_firsts } = self;
        let producer_id = batch.producer_id;
        match batch.kind {
            TxnBatchKind::Data => {
                let first = outcomes.open.entry(producer_id).or_insert(batch.base_offset);
                open_firsts.insert((*first, producer_id));
            }
            kind if kind.is_end() => {
                let Some(first_offset) = outcomes.open.remove(&producer_id) else {
                    return;
                };
                open_firsts.remove(&(first_offset, producer_id));
                if !matches!(batch.kind, TxnBatchKind::Commit | TxnBatchKind::LostCommit) {
                    let undecided = open_firsts.first().map(|(first, _)| *first);
                    outcomes.aborted.push(AbortedTxn {
                        producer_id,
                        first_offset,
                        last_offset: batch.base_offset,
                        last_stable_offset: undecided.unwrap_or(batch.base_offset.next()),
                    });
                }
            }
            _ => {}
        }
    }
}

/// A batch of one record, or a marker, at `offset`.
#[cfg(test)]
pub fn txn_batch(offset: i64, producer_id: i64, kind: TxnBatchKind) -> TxnBatch {
    let offset = Offset(offset);
    let position = Position(offset.0 as u64);
    TxnBatch { position, base_offset: offset, last_offset: offset, producer_id, kind }
}

#[cfg(test)]
mod tests {
    use super::txn_batch as batch;
    use super::*;

    #[test]
    fn an_aborted_transaction_ends_where_the_earliest_open_one_begins() {
        use TxnBatchKind::{Abort, Commit, Data};
        let log = [
            batch(0, 7, Data),
            batch(1, 8, Data),
            batch(2, 8, Abort),
            batch(3, 7, Commit),
            batch(4, 9, Data),
        ];
        let outcomes = Outcomes::of(log.iter());
        let aborted = AbortedTxn {
            producer_id: 8,
            first_offset: Offset(1),
            last_offset: Offset(2),
            last_stable_offset: Offset(0),
        };
        assert_eq!(outcomes.aborted, [aborted]);
        assert_eq!(outcomes.first_undecided(), Some(Offset(4)));
    }
}
