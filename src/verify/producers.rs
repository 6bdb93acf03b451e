//! Producer snapshots against the log in front of them (`ProducerStateManager`).
//!
//! A snapshot tells of each producer's last data batch and open transaction at its offset. It may
//! leave out whoever has expired, and the log may lack what compaction took. So only these
//! contradictions are told: the log has a later batch than the snapshot knows of; both know the
//! batch, but not alike; a batch that the snapshot tells of is not in a segment without a hole; a
//! transaction is open here but not there, and no marker can have been cleaned away.
//!
//! Where a round of compaction has ended within a batch, the log has it in two; a snapshot from
//! before still tells of the whole.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::finding::{Finding, Findings, Severity};
use super::holes::Holes;
use super::sequences::Sent;
use crate::segment::ProducerEntry;
use crate::units::Offset;

/// What a stretch of log says of one producer.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    data: Option<Sent>,
    /// The first of its data batches that end with that one and go on from each other.
    chain: Option<Sent>,
    /// Its last control batch.
    marker: Option<Offset>,
    /// Where the transaction begins that is open at the end.
    open: Option<Offset>,
}

impl Facts {
    fn add(&mut self, sent: &Sent) {
        if sent.is_marker {
            self.marker = Some(sent.base_offset);
            self.open = None;
            return;
        }
        self.chain_up(sent);
        self.data = Some(*sent);
        if sent.is_transactional {
            self.open.get_or_insert(sent.base_offset);
        }
    }

    /// Takes note of data behind its last.
    fn chain_up(&mut self, first: &Sent) {
        if !self.data.is_some_and(|last| last.goes_on_with(first)) {
            self.chain = Some(*first);
        }
    }

    fn append(&mut self, behind: &Facts) {
        if let Some(first) = &behind.chain {
            self.chain_up(first);
        }
        self.open = if behind.marker.is_some() { behind.open } else { self.open.or(behind.open) };
        self.data = behind.data.or(self.data);
        self.marker = behind.marker.or(self.marker);
    }
}

/// What a stretch of log says of its producers.
#[derive(Clone, Debug, Default)]
pub struct ProducerFacts {
    by_id: HashMap<i64, Facts>,
    /// Those whose transaction is open at the end.
    open: BTreeSet<i64>,
    holes: Holes,
}

impl ProducerFacts {
    /// Takes note of a producer's batch.
    pub fn add(&mut self, producer_id: i64, sent: &Sent) {
        self.by_id.entry(producer_id).or_default().add(sent);
        self.note_open(producer_id);
    }

    fn note_open(&mut self, producer_id: i64) {
        if self.by_id.get(&producer_id).is_some_and(|facts| facts.open.is_some()) {
            self.open.insert(producer_id);
        } else {
            self.open.remove(&producer_id);
        }
    }

    /// Takes note of a hole behind all others.
    pub fn hole(&mut self, behind: Offset) {
        self.holes.add(behind);
    }

    /// Takes note of the stretch behind this one.
    pub fn append(&mut self, behind: &ProducerFacts) {
        for (id, facts) in &behind.by_id {
            self.by_id.entry(*id).or_default().append(facts);
            self.note_open(*id);
        }
        self.holes.append(&behind.holes);
    }
}

/// A snapshot that can be read.
#[derive(Debug)]
pub struct Snapshot {
    /// Up to where it tells.
    pub offset: Offset,
    /// What it tells.
    pub entries: Vec<ProducerEntry>,
}

/// The range of offsets of a segment in which none is missing.
pub type Whole = (Offset, Offset);

/// Compares a snapshot with what the log in front of its offset says.
pub fn compare(
    snapshot: &Snapshot,
    facts: &ProducerFacts,
    whole: &[Whole],
    path: &Path,
    found: &mut Findings,
) {
    let mut tell = |id: i64, text: String| {
        let text = format!("of producer {id}, {text}");
        let finding = Finding::about("snapshot-state", Severity::Warning, path, text);
        found.push(finding.of(snapshot.offset));
    };
    let mut ids: Vec<i64> = snapshot.entries.iter().map(|entry| entry.producer_id).collect();
    for entry in &snapshot.entries {
        let known = facts.by_id.get(&entry.producer_id).copied().unwrap_or_default();
        let contradictions = [
            data(snapshot.offset, entry, &known, (whole, &facts.holes)),
            transaction(snapshot.offset, entry, &known, &facts.holes),
        ];
        contradictions.into_iter().flatten().for_each(|text| tell(entry.producer_id, text));
    }
    ids.sort_unstable();
    let mut forgotten: Vec<(Offset, i64)> = facts
        .open
        .iter()
        .filter(|id| ids.binary_search(id).is_err())
        .filter_map(|id| Some((facts.by_id.get(id)?.open?, *id)))
        .filter(|(open, _)| !facts.holes.behind(*open))
        .collect();
    forgotten.sort_unstable();
    for (open, id) in forgotten {
        tell(id, format!("it knows nothing, but the transaction from offset {open} is open"));
    }
}

/// What is wrong with what an entry says of the producer's last data.
fn data(
    at: Offset,
    entry: &ProducerEntry,
    known: &Facts,
    (whole, holes): (&[Whole], &Holes),
) -> Option<String> {
    let last = entry.last_offset;
    if last >= at {
        return Some(format!("it knows a batch up to offset {last}, which is behind it"));
    }
    if last < Offset(0) {
        return None; // a marker of a new epoch made it forget
    }
    let Some(data) = known.data.filter(|data| data.last_offset >= last) else {
        let behind = whole.partition_point(|(from, _)| *from <= last);
        let around = behind.checked_sub(1).and_then(|index| whole.get(index));
        return around.is_some_and(|(_, to)| last < *to).then(|| {
            format!("it knows a batch up to offset {last}, which is not one of that producer")
        });
    };
    if data.last_offset > last {
        let newer = data.last_offset;
        return Some(format!("it knows data up to offset {last}, but there is some up to {newer}"));
    }
    let delta = i64::from(entry.offset_delta);
    let sequence = data.sequences.map_or(-1, |(_, last)| last);
    let first = Offset(last.0.saturating_sub(delta));
    // In parts, of which the earlier ones may be gone.
    let is_there = |first: Offset| {
        let chained = known.chain.is_some_and(|chain| chain.base_offset <= first);
        first <= data.base_offset && (chained || holes.behind(first))
    };
    let is_same = data.epoch == entry.epoch
        && sequence == entry.last_sequence
        && (first == data.base_offset || is_there(first));
    (!is_same).then(|| {
        format!(
            "the batch up to offset {last} is of epoch {}, sequence {} and {delta} offsets before \
             it; in the log, {}, {sequence} and {}",
            entry.epoch,
            entry.last_sequence,
            data.epoch,
            data.last_offset.distance_from(data.base_offset)
        )
    })
}

/// What is wrong with what an entry says of the producer's open transaction.
fn transaction(at: Offset, entry: &ProducerEntry, known: &Facts, holes: &Holes) -> Option<String> {
    let Some(open) = entry.open_txn_first_offset else {
        let open = known.open.filter(|open| !holes.behind(*open))?;
        return Some(format!("it knows of no open transaction, but the one from {open} is open"));
    };
    if open >= at {
        return Some(format!("it knows a transaction from offset {open}, which is behind it"));
    }
    let marker = known.marker.filter(|marker| *marker > open)?;
    Some(format!("it has the transaction from {open} open, which was ended at {marker}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    /// A data batch whose sequences are its offsets.
    fn sent(first: i64, last: i64) -> Sent {
        Sent {
            epoch: 0,
            base_offset: Offset(first),
            last_offset: Offset(last),
            sequences: Some((first as i32, last as i32)),
            is_marker: false,
            is_transactional: false,
        }
    }

    /// What is told of a snapshot that knows a batch from offset 10 to 19, in whatever stretches
    /// the log is heard.
    fn told(batches: &[Sent], hole: Option<i64>) -> usize {
        let entry = ProducerEntry {
            producer_id: 7,
            epoch: 0,
            last_sequence: 19,
            last_offset: Offset(19),
            offset_delta: 9,
            timestamp: Timestamp(0),
            coordinator_epoch: -1,
            open_txn_first_offset: None,
        };
        let snapshot = Snapshot { offset: Offset(30), entries: vec![entry] };
        let heard = |batches: &[Sent]| {
            let mut facts = ProducerFacts::default();
            batches.iter().for_each(|sent| facts.add(7, sent));
            facts
        };
        let mut told = Vec::new();
        for cut in 0..=batches.len() {
            let mut facts = heard(&batches[..cut]);
            facts.append(&heard(&batches[cut..]));
            hole.into_iter().for_each(|hole| facts.hole(Offset(hole)));
            let mut found = Findings::default();
            compare(&snapshot, &facts, &[], Path::new("snapshot"), &mut found);
            told.push(found.into_list().len());
        }
        assert!(told.iter().all(|count| *count == told[0]), "{told:?}");
        told[0]
    }

    #[test]
    fn a_batch_that_a_round_has_cut_in_two_is_the_one_that_the_snapshot_tells_of() {
        assert_eq!(told(&[sent(10, 19)], None), 0);
        assert_eq!(told(&[sent(10, 14), sent(15, 19)], None), 0);
        assert_eq!(told(&[sent(3, 9), sent(10, 11), sent(12, 18), sent(19, 19)], None), 0);
        // The first half is gone.
        assert_eq!(told(&[sent(15, 19)], Some(15)), 0);
        // Somebody else's batch lies there, or it reaches further than the snapshot says.
        assert_eq!(told(&[sent(15, 19)], None), 1);
        assert_eq!(told(&[sent(10, 12), sent(15, 19)], None), 1);
        assert_eq!(told(&[sent(8, 19)], None), 1);
        assert_eq!(told(&[sent(8, 19)], Some(15)), 1);
    }
}
