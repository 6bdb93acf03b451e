//! What a `read_committed` consumer is given of a partition (`Fetcher`, `TransactionIndex`).
//!
//! 1. Transactions that were open where the selection begins are those of the newest producer
//!    snapshot in front of it; without one, reading begins at the start of the log, where those are
//!    open that the first snapshot behind knows to have begun in front of that.
//! 2. From there the headers are walked, beyond the selection if need be, since a transaction ends
//!    where its marker is: until none is undecided that began in front of the selection's end. The
//!    markers are believed, not the `.txnindex`: it has no checksum. A damaged batch begins no
//!    transaction; a damaged marker ends one as far as it can still be read.
//! 3. Data between the first offset of an aborted transaction and its marker is not given, nor is
//!    anything from the first offset of a transaction that is still open on; that is nothing at all
//!    if it began in front of the log (`UnifiedLog.maybeIncrementFirstUnstableOffset`).

use std::collections::HashMap;

use super::OffsetRange;
use crate::dump::order::Order;
use crate::error::Result;
use crate::format::{Batch, BatchHeader, Decoder};
use crate::segment::{
    Following, Frontier, LogFile, OffsetBounds, PartitionDir, ProducerEntry, TxnBatch,
    newest_snapshot, oldest_snapshot,
};
use crate::units::Offset;

/// How the transactions of a log ended, as far as a selection needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::dump) struct Committed {
    /// The first offsets of each producer's aborted transactions, ascending, with their markers'.
    aborted: HashMap<i64, Vec<(Offset, Offset)>>,
    /// Where the earliest open transaction begins.
    pub(super) first_undecided: Option<Offset>,
}

impl Committed {
    /// Reads a partition for a selection of `offsets`.
    ///
    /// # Errors
    /// The system's.
    pub(in crate::dump) fn of_partition(
        dir: &PartitionDir,
        offsets: &OffsetRange,
    ) -> Result<Committed> {
        let base = dir.segments.first().map_or(Offset(0), |segment| segment.base);
        let (from, open) = open_at(dir, base, offsets.start)?;
        let mut reading = Reading::new(open);
        for (index, segment) in dir.segments.iter().enumerate() {
            let next = dir.segments.get(index + 1);
            if next.is_none_or(|next| next.base > from)
                && !reading.is_decided(offsets, segment.base)
            {
                reading.log(&segment.log()?, from, offsets);
            }
        }
        Ok(reading.finish())
    }

    /// Reads a log that stands alone.
    pub(in crate::dump) fn of_log(log: &LogFile) -> Committed {
        let mut reading = Reading::new(HashMap::new());
        reading.log(log, Offset(0), &OffsetRange::default());
        reading.finish()
    }

    /// Whether the batch is part of a transaction that was aborted.
    pub(super) fn is_aborted(&self, header: &BatchHeader) -> bool {
        let offset = header.base_offset;
        header.is_transactional()
            && self.aborted.get(&header.producer_id).is_some_and(|aborted| {
                let begun = aborted.partition_point(|(first, _)| *first <= offset);
                let latest = begun.checked_sub(1).and_then(|index| aborted.get(index));
                latest.is_some_and(|(_, marker)| offset < *marker)
            })
    }
}

/// Which transactions are open at the newest snapshot that does not lie behind `start`, or at the
/// `base` of the log; and where that is. A broker that starts deletes a snapshot at the base, but
/// while it runs it knows what is in it.
fn open_at(
    dir: &PartitionDir,
    base: Offset,
    start: Offset,
) -> Result<(Offset, HashMap<i64, Offset>)> {
    let open = |producers: Vec<ProducerEntry>| {
        let open = |entry: ProducerEntry| Some((entry.producer_id, entry.open_txn_first_offset?));
        producers.into_iter().filter_map(open)
    };
    let before_base = Offset(base.0.saturating_sub(1));
    if let Some((from, producers)) = newest_snapshot(dir, before_base, start.max(base))? {
        return Ok((from, open(producers).collect()));
    }
    let producers = oldest_snapshot(dir, base)?.unwrap_or_default();
    Ok((base, open(producers).filter(|(_, first)| *first < base).collect()))
}

struct Reading {
    following: Following,
    decoder: Decoder,
    /// The last offset of a transaction's batch so far.
    reached: Offset,
}

/// Whether a batch that has to do with transactions is not as it was written.
fn is_bad(batch: &Batch<'_>) -> bool {
    let header = &batch.header;
    (header.is_transactional() || header.is_control()) && batch.check_crc().is_err()
}

impl Reading {
    fn new(open: HashMap<i64, Offset>) -> Reading {
        let (following, reached) = (Following::with_open(open), Offset(-1));
        Reading { following, decoder: Decoder::new(), reached }
    }

    /// Whether what lies at `offset` and behind it changes nothing for a selection of `offsets`.
    fn is_decided(&self, offsets: &OffsetRange, offset: Offset) -> bool {
        let undecided = self.following.first_undecided();
        offsets.ends_at_or_before(offset)
            && undecided.is_none_or(|first| offsets.ends_at_or_before(first))
    }

    /// Goes on with the batches of a segment that do not end before `from`, as far as needed.
    fn log(&mut self, log: &LogFile, from: Offset, offsets: &OffsetRange) {
        let mut batches = log.batches();
        let mut frontier = Frontier::of(log);
        let mut order = Order::begin(OffsetBounds::new(log.base(), None));
        loop {
            let position = batches.position();
            // Where the log cannot be read is told where the batches are shown.
            if frontier.reach_batch(position).is_err() {
                return;
            }
            let Some(item) = batches.next() else { return };
            let due = order.due();
            if let Ok((position, batch)) = &item
                && order.batch(*position, &batch.header, offsets).has_passed
                && self.is_decided(offsets, batch.header.base_offset)
            {
                return;
            }
            // What is wrong is told where the batches are shown. The checksums of what belongs to
            // transactions count; a marker that fails them is what it still reads as.
            match item {
                Ok((_, batch)) if batch.header.last_offset < from => {}
                Ok((position, batch)) if is_bad(&batch) => {
                    let marker = TxnBatch::of_lost(position, &batch, &mut self.decoder);
                    marker.into_iter().for_each(|marker| self.marker_here(marker));
                }
                Ok((position, batch)) => {
                    let txn = TxnBatch::of(position, &batch, &mut self.decoder);
                    let Some(txn) = txn else { continue };
                    // No checksum covers its offsets.
                    let behind = batches.clone().up_to_damage().next().and_then(Result::ok);
                    let behind = behind.map(|(_, behind)| behind.header.base_offset);
                    if self.fits(&txn, behind) {
                        self.reached = txn.last_offset;
                        self.following.batch(&txn);
                    } else if txn.kind.is_end() {
                        self.marker_here(txn);
                    } else {
                        // A transaction that began too far in front would hide others.
                        self.following.batch(&txn.at(due));
                    }
                }
                Err(damaged) => {
                    let markers = TxnBatch::of_damaged(log, &damaged, &mut self.decoder);
                    let markers: Vec<TxnBatch> = markers.collect();
                    markers.into_iter().for_each(|marker| self.marker_here(marker));
                }
            }
        }
    }

    /// Whether the offsets of a batch are between those around it.
    fn fits(&self, txn: &TxnBatch, behind: Option<Offset>) -> bool {
        let is_below = |behind| txn.last_offset < behind || behind <= self.reached;
        txn.base_offset > self.reached && behind.is_none_or(is_below)
    }

    /// Goes on with a marker of which only the place is known.
    fn marker_here(&mut self, marker: TxnBatch) {
        self.reached = self.reached.next();
        self.following.batch(&marker.at(self.reached));
    }

    fn finish(self) -> Committed {
        let outcomes = self.following.outcomes;
        let mut aborted: HashMap<i64, Vec<(Offset, Offset)>> = HashMap::new();
        for txn in &outcomes.aborted {
            let of_producer = aborted.entry(txn.producer_id).or_default();
            of_producer.push((txn.first_offset, txn.last_offset));
        }
        // In a damaged log they need not ascend.
        aborted.values_mut().for_each(|of_producer| of_producer.sort_unstable());
        Committed { aborted, first_undecided: outcomes.first_undecided() }
    }
}
