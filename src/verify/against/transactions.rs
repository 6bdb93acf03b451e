//! Which data of transactions counts, by the markers in the log and by `.txnindex`: what either
//! says was aborted was aborted.
//!
//! Only exceptions are kept, stretches of offsets of a producer: a transaction that was committed
//! below the end of what is compared leaves nothing. So memory goes by the number of transactions
//! that were aborted or are open, as in a broker that serves `read_committed`.

use std::collections::HashMap;

use super::row::Standing;
use crate::format::BatchHeader;
use crate::segment::AbortedTxn;
use crate::units::Offset;

/// What ended a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// COMMIT.
    Commit,
    /// ABORT.
    Abort,
}

/// From a transaction's first offset to its last, both in.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: Offset,
    last: Offset,
}

/// The exceptions of one producer.
#[derive(Debug, Default)]
struct OfProducer {
    /// The data of the transaction that is open while the log is walked over, by its offset.
    open: Vec<Offset>,
    /// Whether that was committed by a marker that is damaged. It tells that data behind it is of
    /// another transaction; without any it is as if there was no marker.
    is_committed: bool,
    /// By the offset of the marker, what the `.txnindex` says of the transaction.
    indexed: HashMap<Offset, AbortedTxn>,
    /// Aborted, or open at the log's end.
    void: Vec<Span>,
    /// Committed, but not below the end of what is compared.
    later: Vec<Span>,
}

impl OfProducer {
    fn forget_committed(&mut self) {
        if std::mem::take(&mut self.is_committed) {
            self.open.clear();
        }
    }
}

/// The transactions of a log, once all of it was walked over.
#[derive(Debug, Default)]
pub struct Transactions {
    producers: HashMap<i64, OfProducer>,
    /// The end of what is compared.
    end: Offset,
}

impl Transactions {
    /// Of a log that will be compared below `end`.
    pub fn until(end: Offset) -> Transactions {
        Transactions { producers: HashMap::new(), end }
    }

    /// A batch of data of a transaction, in log order.
    pub fn data(&mut self, header: &BatchHeader) {
        let producer = self.producers.entry(header.producer_id).or_default();
        producer.forget_committed();
        producer.open.push(header.base_offset);
    }

    /// A marker, in log order.
    pub fn marker(&mut self, producer_id: i64, last: Offset, end: End) {
        let Some(producer) = self.producers.get_mut(&producer_id) else { return };
        producer.forget_committed();
        let data = std::mem::take(&mut producer.open);
        let Some(first) = data.first().copied() else { return };
        // Data from before the entry is not part of the transaction: its own marker was lost.
        let indexed = producer.indexed.get(&last).filter(|txn| txn.can_begin_among(&data));
        let indexed = indexed.map(|txn| txn.first_offset).filter(|_| end == End::Abort);
        let first = indexed.unwrap_or(first);
        match end {
            End::Abort => producer.void.push(Span { first, last }),
            End::Commit if last >= self.end => producer.later.push(Span { first, last }),
            End::Commit => {}
        }
    }

    /// A COMMIT that is damaged, but can still be read.
    pub fn damaged_commit(&mut self, producer_id: i64) {
        if let Some(producer) = self.producers.get_mut(&producer_id) {
            producer.is_committed = true;
        }
    }

    /// An entry of a `.txnindex`; all of them are told before the log is walked over.
    pub fn indexed(&mut self, txn: &AbortedTxn) {
        let span = Span { first: txn.first_offset, last: txn.last_offset };
        let producer = self.producers.entry(txn.producer_id).or_default();
        producer.void.push(span);
        producer.indexed.insert(txn.last_offset, *txn);
    }

    /// The log is at its end: what has no marker is open.
    pub fn finish(&mut self) {
        for producer in self.producers.values_mut() {
            if let Some(first) = producer.open.first().copied() {
                producer.void.push(Span { first, last: Offset(i64::MAX) });
            }
            join(&mut producer.void);
            join(&mut producer.later);
        }
        self.producers
            .retain(|_, producer| !producer.void.is_empty() || !producer.later.is_empty());
    }

    /// Whether some data below the end was committed behind it.
    pub fn has_later(&self) -> bool {
        self.producers.values().any(|producer| !producer.later.is_empty())
    }

    /// What a batch of data below the end is to the state.
    pub fn standing(&self, header: &BatchHeader) -> Standing {
        if !header.is_transactional() {
            return Standing::Settled;
        }
        match self.producers.get(&header.producer_id) {
            Some(producer) if holds(&producer.void, header) => Standing::Void,
            Some(producer) if holds(&producer.later, header) => Standing::Later,
            _ => Standing::Settled,
        }
    }

    /// The end of what is compared.
    pub fn end(&self) -> Offset {
        self.end
    }
}

/// Sorts spans and makes one of those that overlap, which only the two sources of one transaction
/// (or a damaged index) do.
fn join(spans: &mut Vec<Span>) {
    spans.sort_by_key(|span| span.first);
    spans.dedup_by(|span, before| {
        let overlaps = span.first <= before.last;
        if overlaps {
            before.last = before.last.max(span.last);
        }
        overlaps
    });
}

/// Whether a batch lies in one of the spans, sorted and apart.
fn holds(spans: &[Span], header: &BatchHeader) -> bool {
    let behind = spans.partition_point(|span| span.first <= header.last_offset);
    let candidate = behind.checked_sub(1).and_then(|last| spans.get(last));
    candidate.is_some_and(|span| span.last >= header.base_offset)
}
