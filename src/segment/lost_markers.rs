//! Stand-ins for transaction markers that are among what is damaged.
//!
//! Without its marker, a transaction's data would pass for data of its producer's next transaction:
//! aborted data would come back with a COMMIT, or committed data go with an ABORT. What is known of
//! lost markers:
//!
//! 1. a `.txnindex` entry without its marker: an ABORT was there;
//! 2. a `.txnindex` entry that begins behind data which has no marker yet: what lies before is not
//!    part of the aborted transaction, so it was committed. This is how a broker reads it, and it
//!    stays true when the damage is long gone;
//! 3. a damaged batch that can still be read as a marker.
//!
//! Where nothing is known, that is said.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{AbortedTxn, ByMarker, Outcomes, TxnBatch, TxnBatchKind};
use crate::units::{Offset, Position};

/// The transactional batches of one segment, and what was damaged there.
pub struct TxnsOfSegment<'a> {
    /// The segment's base.
    pub base: Offset,
    /// Its transactional and control batches, in order; stand-ins are put among them.
    pub batches: &'a mut Vec<TxnBatch>,
    /// Where damage lies in which there may have been markers that are not legible.
    pub untold: &'a [Position],
    /// The damaged batches that can still be read as markers.
    pub legible: &'a [TxnBatch],
}

/// Puts stand-ins where markers were lost; `indexed` are all `.txnindex` entries by producer and
/// marker. Gives what remains in doubt, for people.
pub fn stand_in_for_lost_markers(
    segments: &mut [TxnsOfSegment<'_>],
    indexed: &ByMarker,
) -> Vec<String> {
    let mut entries: Vec<&AbortedTxn> = indexed.values().collect();
    entries.sort_by_key(|txn| (txn.last_offset, txn.producer_id));
    put_legible(segments);
    let abort =
        |txn: &AbortedTxn| stand_in(txn.producer_id, txn.last_offset, TxnBatchKind::LostAbort);
    put(segments, entries.into_iter().map(abort));
    stand_in_for_lost_commits(segments, indexed);
    doubts(segments)
}

/// Only the second rule, which holds for logs without damage, too.
pub fn stand_in_for_lost_commits(segments: &mut [TxnsOfSegment<'_>], indexed: &ByMarker) {
    let begun = begun_before_their_entry(segments, indexed).into_iter();
    let commits = begun.map(|(producer_id, first_offset)| {
        let before = Offset(first_offset.0.saturating_sub(1));
        stand_in(producer_id, before, TxnBatchKind::LostCommit)
    });
    put(segments, commits);
}

fn stand_in(producer_id: i64, offset: Offset, kind: TxnBatchKind) -> TxnBatch {
    let position = Position(0);
    TxnBatch { position, base_offset: offset, last_offset: offset, producer_id, kind }
}

/// Puts legible markers where they lie.
fn put_legible(segments: &mut [TxnsOfSegment<'_>]) {
    for segment in segments.iter_mut().filter(|segment| !segment.legible.is_empty()) {
        segment.batches.extend_from_slice(segment.legible);
        segment.batches.sort_by_key(|batch| batch.position);
    }
}

/// Puts markers into their segments, behind the batches at the same offset; but not those of aborts
/// that are there already.
fn put(segments: &mut [TxnsOfSegment<'_>], markers: impl Iterator<Item = TxnBatch>) {
    let mut missing: BTreeMap<usize, Vec<TxnBatch>> = BTreeMap::new();
    for marker in markers {
        let behind = segments.partition_point(|segment| segment.base <= marker.base_offset);
        let Some(number) = behind.checked_sub(1) else { continue };
        let Some(segment) = segments.get_mut(number) else { continue };
        let at = segment.batches.partition_point(|batch| batch.base_offset < marker.base_offset);
        let at_offset = segment.batches.get_mut(at..).unwrap_or_default().iter_mut();
        let is_it = |batch: &&mut TxnBatch| {
            marker.kind == TxnBatchKind::LostAbort && batch.producer_id == marker.producer_id
        };
        match at_offset.take_while(|batch| batch.base_offset == marker.base_offset).find(is_it) {
            // What it was is told by its entry in the index, too.
            Some(batch) if batch.kind.is_lost() => batch.kind = marker.kind,
            Some(_) => {}
            None => missing.entry(number).or_default().push(marker),
        }
    }
    for (number, markers) in missing {
        let Some(segment) = segments.get_mut(number) else { continue };
        segment.batches.extend(markers);
        segment.batches.sort_by_key(|batch| batch.base_offset);
    }
}

/// The aborted transactions (producer, first offset) that end where data of the producer from
/// before them ends, too.
fn begun_before_their_entry(
    segments: &[TxnsOfSegment<'_>],
    indexed: &ByMarker,
) -> Vec<(i64, Offset)> {
    // All data of the transaction so far, by its offset.
    let mut open: HashMap<i64, Vec<Offset>> = HashMap::new();
    let mut begun = Vec::new();
    for batch in segments.iter().flat_map(|segment| segment.batches.iter()) {
        match batch.kind {
            TxnBatchKind::Data => {
                open.entry(batch.producer_id).or_default().push(batch.base_offset);
            }
            TxnBatchKind::Abort | TxnBatchKind::LostAbort => {
                let data = open.remove(&batch.producer_id).unwrap_or_default();
                let entry = indexed.get(&(batch.producer_id, batch.base_offset));
                let entry = entry.filter(|entry| entry.can_begin_among(&data));
                let first = entry.map(|entry| entry.first_offset);
                if let Some(first) = first.filter(|first| data.first().is_some_and(|d| d < first)) {
                    begun.push((batch.producer_id, first));
                }
            }
            TxnBatchKind::Commit | TxnBatchKind::LostCommit => {
                open.remove(&batch.producer_id);
            }
            TxnBatchKind::EmptiedControl | TxnBatchKind::OtherControl => {}
        }
    }
    begun
}

/// The transactions across damage that is more than legible markers: one of theirs may have been
/// there.
fn doubts(segments: &[TxnsOfSegment<'_>]) -> Vec<String> {
    let mut open: BTreeMap<i64, Offset> = BTreeMap::new();
    let mut across: BTreeSet<i64> = BTreeSet::new();
    // Committed, but only a stand-in says so, and nothing of the producer follows.
    let mut hanging: BTreeMap<i64, Offset> = BTreeMap::new();
    let mut doubts = Vec::new();
    for segment in segments {
        let mut untold = segment.untold.iter().peekable();
        for batch in segment.batches.iter() {
            let is_stand_in = batch.kind.is_lost();
            while !is_stand_in && untold.next_if(|at| **at < batch.position).is_some() {
                across.extend(open.keys());
            }
            hanging.remove(&batch.producer_id);
            match batch.kind {
                TxnBatchKind::Data => {
                    open.entry(batch.producer_id).or_insert(batch.base_offset);
                }
                kind if kind.is_end() => {
                    let first = open.remove(&batch.producer_id);
                    if kind == TxnBatchKind::LostCommit {
                        hanging.extend(first.map(|first| (batch.producer_id, first)));
                    }
                    let was_across = across.remove(&batch.producer_id);
                    if let (Some(first), true, false) = (first, was_across, is_stand_in) {
                        doubts.push(format!(
                            "the transaction of producer {} from offset {first} to {} goes across \
                             damage: if a marker was lost there, its data is not what it seems",
                            batch.producer_id, batch.base_offset
                        ));
                    }
                }
                _ => {}
            }
        }
        if untold.next().is_some() {
            across.extend(open.keys());
        }
    }
    for (producer_id, first) in &hanging {
        doubts.push(format!(
            "the transaction of producer {producer_id} from offset {first} was committed, but its \
             marker is damaged; without it read_committed consumers stop there"
        ));
    }
    for (producer_id, first) in open.iter().filter(|(id, _)| across.contains(id)) {
        doubts.push(format!(
            "the transaction of producer {producer_id} from offset {first} has no marker; it may \
             have been lost with the damage, and read_committed consumers stop there"
        ));
    }
    doubts
}

/// The aborted transactions whose markers are among what is damaged. Where that goes, their data
/// would pass for data of their producers' next transactions: a broker that recovers the log
/// believes the markers in it, and builds the `.txnindex` anew by them.
#[derive(Debug, Default)]
pub struct Unmarked {
    /// The first and last offsets of each, rising, by producer.
    spans: HashMap<i64, Vec<(Offset, Offset)>>,
}

impl Unmarked {
    /// What is said of data that goes for that reason.
    pub const REASON: &str = "data of an aborted transaction whose marker is damaged";

    /// Those of a log with these transactional batches, stand-ins among them, and `outcomes`.
    pub fn of<'a>(batches: impl Iterator<Item = &'a TxnBatch>, outcomes: &Outcomes) -> Unmarked {
        let is_lost = |batch: &&TxnBatch| batch.kind == TxnBatchKind::LostAbort;
        let markers: HashSet<(i64, Offset)> =
            batches.filter(is_lost).map(|batch| (batch.producer_id, batch.base_offset)).collect();
        let mut spans: HashMap<i64, Vec<(Offset, Offset)>> = HashMap::new();
        let is_one = |txn: &&AbortedTxn| markers.contains(&(txn.producer_id, txn.last_offset));
        for txn in outcomes.aborted.iter().filter(is_one) {
            let span = (txn.first_offset, txn.last_offset);
            spans.entry(txn.producer_id).or_default().push(span);
        }
        spans.values_mut().for_each(|of_producer| of_producer.sort_unstable());
        Unmarked { spans }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Whether a batch is data of one of them.
    pub fn holds(&self, batch: &TxnBatch) -> bool {
        let of_producer = || {
            let spans = self.spans.get(&batch.producer_id)?;
            let begun = spans.partition_point(|(first, _)| *first <= batch.base_offset);
            spans.get(begun.checked_sub(1)?)
        };
        batch.kind == TxnBatchKind::Data
            && of_producer().is_some_and(|(_, last)| batch.base_offset <= *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(offset: i64, kind: TxnBatchKind) -> TxnBatch {
        TxnBatch { position: Position(offset as u64 * 100), ..stand_in(7, Offset(offset), kind) }
    }

    fn kinds(
        batches: &[TxnBatch],
        entries: &[(i64, i64)],
    ) -> (Vec<(i64, TxnBatchKind)>, Vec<String>) {
        let mut batches = batches.to_vec();
        let entry = |(first, last): &(i64, i64)| AbortedTxn {
            producer_id: 7,
            first_offset: Offset(*first),
            last_offset: Offset(*last),
            last_stable_offset: Offset(*last + 1),
        };
        let indexed = entries.iter().map(entry).map(|txn| ((7, txn.last_offset), txn)).collect();
        let (untold, legible) = (&[Position(250)], &[]);
        let segment = TxnsOfSegment { base: Offset(0), batches: &mut batches, untold, legible };
        let doubts = stand_in_for_lost_markers(&mut [segment], &indexed);
        (batches.iter().map(|batch| (batch.base_offset.0, batch.kind)).collect(), doubts)
    }

    #[test]
    fn an_entry_without_its_marker_was_an_abort_and_data_before_an_entry_was_committed() {
        use TxnBatchKind::{Abort, Commit, Data, LostAbort, LostCommit};
        let lost_abort = [batch(0, Data), batch(3, Data), batch(4, Commit)];
        let (told, doubts) = kinds(&lost_abort, &[(0, 2)]);
        assert_eq!(told, [(0, Data), (2, LostAbort), (3, Data), (4, Commit)]);
        assert!(doubts.is_empty(), "{doubts:?}");
        let lost_commit = [batch(0, Data), batch(3, Data), batch(4, Abort)];
        let (told, _) = kinds(&lost_commit, &[(3, 4)]);
        assert_eq!(told, [(0, Data), (2, LostCommit), (3, Data), (4, Abort)]);
    }

    #[test]
    fn where_nothing_is_known_that_is_said() {
        use TxnBatchKind::{Commit, Data};
        let (_, doubts) = kinds(&[batch(0, Data), batch(3, Data), batch(4, Commit)], &[]);
        assert!(doubts[0].contains("goes across damage"), "{doubts:?}");
        let (_, doubts) = kinds(&[batch(0, Data)], &[]);
        assert!(doubts[0].contains("has no marker"), "{doubts:?}");
    }
}
