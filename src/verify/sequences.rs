//! Epochs and sequences of idempotent producers: within an epoch sequences rise without a gap, and
//! epochs do not go back (`ProducerAppendInfo.checkSequence`, `checkProducerEpoch`).
//!
//! A gap is normal where a log was compacted, so it is told only where no offset is missing; and a
//! producer that was silent for longer than `producer.id.expiration.ms` may begin anew. So none of
//! this is an error.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::mem;
use std::path::Path;

use super::finding::{Finding, Severity};
use crate::format::BatchHeader;
use crate::units::Offset;

/// How many of a producer's batches a broker remembers to know a duplicate by
/// (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
const REMEMBERED: usize = 5;

/// What a batch says of its producer.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// The producer's epoch.
    pub epoch: i16,
    /// First offset.
    pub base_offset: Offset,
    /// Last offset.
    pub last_offset: Offset,
    /// First and last sequence; none for a marker, and without idempotence.
    pub sequences: Option<(i32, i32)>,
    /// Whether it is a control batch.
    pub is_marker: bool,
    /// Whether it belongs to a transaction.
    pub is_transactional: bool,
}

impl Sent {
    /// A batch's, if it has a producer.
    pub fn of(header: &BatchHeader) -> Option<Sent> {
        let is_marker = header.is_control();
        let sequences = (header.base_sequence, header.last_sequence());
        (header.producer_id >= 0).then_some(Sent {
            epoch: header.producer_epoch,
            base_offset: header.base_offset,
            last_offset: header.last_offset,
            sequences: Some(sequences).filter(|(base, _)| *base >= 0 && !is_marker),
            is_marker,
            is_transactional: header.is_transactional(),
        })
    }

    /// Whether `next` has the offset and the sequence behind this one's last.
    pub fn goes_on_with(&self, next: &Sent) -> bool {
        let follows = |(_, last): (i32, i32), (first, _): (i32, i32)| {
            (i64::from(last) + 1) & i64::from(i32::MAX) == i64::from(first)
        };
        let sequences = self.sequences.zip(next.sequences);
        (self.epoch, self.last_offset.next()) == (next.epoch, next.base_offset)
            && sequences.is_some_and(|(these, those)| follows(these, those))
    }
}

/// What is remembered of a data batch. Small, for there may be millions of producers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Data {
    base_offset: Offset,
    /// First and last; below 0 where there is no batch.
    sequences: (i32, i32),
    epoch: i16,
}

impl Data {
    const NONE: Data = Data { base_offset: Offset(-1), sequences: (-1, -1), epoch: -1 };

    fn of(sent: &Sent) -> Option<Data> {
        let (base_offset, epoch) = (sent.base_offset, sent.epoch);
        sent.sequences.map(|sequences| Data { base_offset, sequences, epoch })
    }

    fn is_some(&self) -> bool {
        self.sequences.0 >= 0
    }

    /// Whether the other is a duplicate of it.
    fn is_like(&self, other: &Data) -> bool {
        (self.epoch, self.sequences) == (other.epoch, other.sequences)
    }
}

/// What a producer did in a stretch of log.
#[derive(Clone, Debug)]
struct Run {
    first_offset: Offset,
    first_epoch: i16,
    epoch: i16,
    first_data: Data,
    last: Data,
    last_offset: Offset,
    /// Those in front of the last, oldest first. Most producers that come in great numbers send
    /// one batch.
    older: Option<Box<[Data; REMEMBERED - 1]>>,
}

/// The runs of a stretch, by producer.
#[derive(Clone, Debug, Default)]
pub struct Sequences {
    runs: HashMap<i64, Run>,
}

/// Something that a producer should not have done, or that a broker should not have taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misstep {
    /// The producer.
    pub producer_id: i64,
    /// The batch.
    pub offset: Offset,
    /// What is odd about it.
    pub kind: MisstepKind,
}

/// What is odd about a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MisstepKind {
    /// It has the sequences of an earlier one.
    Duplicate {
        /// The first of them.
        sequence: i32,
        /// Where the earlier one begins.
        of: Offset,
    },
    /// Its sequence is not behind the one before.
    Back {
        /// The sequence.
        sequence: i32,
        /// The one before.
        after: i32,
    },
    /// Sequences are left out, but no offset is missing.
    Gap {
        /// The sequence.
        sequence: i32,
        /// The one before.
        after: i32,
    },
    /// Its epoch is below one that was there before.
    Epoch {
        /// The epoch.
        epoch: i16,
        /// The one before.
        after: i16,
    },
}

impl Sequences {
    /// Takes note of the stretch behind this one; `hole_since` tells whether offsets are missing
    /// between an offset here and one there.
    pub fn append(
        &mut self,
        behind: Sequences,
        hole_between: impl Fn(Offset, Offset) -> bool,
    ) -> Vec<Misstep> {
        let mut missteps = Vec::new();
        if self.runs.is_empty() {
            self.runs = behind.runs;
            return missteps;
        }
        for (id, run) in behind.runs {
            let Some(before) = self.runs.get_mut(&id) else {
                self.runs.insert(id, run);
                continue;
            };
            // What it did first may be data, and is told of once.
            let first_data = Some(run.first_data).filter(Data::is_some);
            let is_data = first_data.is_some_and(|data| data.base_offset == run.first_offset);
            let first = first_data.filter(|_| is_data);
            let misstep = before
                .check((run.first_offset, run.first_epoch), first, &hole_between)
                .or_else(|| {
                    let data = first_data.filter(|_| !is_data)?;
                    before.check((data.base_offset, data.epoch), Some(data), &hole_between)
                });
            missteps.extend(misstep.map(|(offset, kind)| Misstep {
                producer_id: id,
                offset,
                kind,
            }));
            before.append(&run);
        }
        missteps.sort_by_key(|misstep| (misstep.offset, misstep.producer_id));
        missteps
    }

    /// Takes note of what a producer did next.
    pub fn follow(
        &mut self,
        producer_id: i64,
        sent: &Sent,
        hole_between: impl Fn(Offset, Offset) -> bool,
    ) -> Option<Misstep> {
        let data = Data::of(sent);
        let run = match self.runs.entry(producer_id) {
            Entry::Vacant(entry) => {
                entry.insert(Run::of(sent));
                return None;
            }
            Entry::Occupied(entry) => entry.into_mut(),
        };
        let misstep = run.check((sent.base_offset, sent.epoch), data, &hole_between);
        run.epoch = sent.epoch;
        if let Some(data) = data {
            if !run.first_data.is_some() {
                run.first_data = data;
            }
            run.push(data);
            run.last_offset = sent.last_offset;
        }
        misstep.map(|(offset, kind)| Misstep { producer_id, offset, kind })
    }
}

impl Run {
    fn of(sent: &Sent) -> Run {
        let data = Data::of(sent).unwrap_or(Data::NONE);
        Run {
            first_offset: sent.base_offset,
            first_epoch: sent.epoch,
            epoch: sent.epoch,
            first_data: data,
            last: data,
            last_offset: sent.last_offset,
            older: None,
        }
    }

    fn push(&mut self, data: Data) {
        let before = mem::replace(&mut self.last, data);
        if before.is_some() {
            let older = self.older.get_or_insert_with(|| Box::new([Data::NONE; REMEMBERED - 1]));
            older.rotate_left(1);
            if let Some(newest) = older.last_mut() {
                *newest = before;
            }
        }
    }

    /// The data batches that are remembered, oldest first.
    fn remembered(&self) -> impl DoubleEndedIterator<Item = &Data> {
        let older = self.older.iter().flat_map(|older| older.iter());
        older.chain([&self.last]).filter(|data| data.is_some())
    }

    /// Takes note of the run behind this one.
    fn append(&mut self, behind: &Run) {
        self.epoch = behind.epoch;
        behind.remembered().for_each(|data| self.push(*data));
        if behind.last.is_some() {
            self.last_offset = behind.last_offset;
        }
    }

    /// Checks what comes next, at an offset, with an epoch, and what it is if it is data.
    fn check(
        &self,
        (at, epoch): (Offset, i16),
        data: Option<Data>,
        hole_between: &impl Fn(Offset, Offset) -> bool,
    ) -> Option<(Offset, MisstepKind)> {
        if epoch < self.epoch {
            return Some((at, MisstepKind::Epoch { epoch, after: self.epoch }));
        }
        let last = Some(self.last).filter(|last| last.is_some() && last.epoch == epoch)?;
        let data = data?;
        let ((sequence, _), (_, after)) = (data.sequences, last.sequences);
        if is_behind(sequence, after) {
            let kind = match self.remembered().rev().find(|other| other.is_like(&data)) {
                Some(like) => MisstepKind::Duplicate { sequence, of: like.base_offset },
                None => MisstepKind::Back { sequence, after },
            };
            return Some((at, kind));
        }
        let is_next = sequence == after.wrapping_add(1) & i32::MAX;
        let is_gap = !is_next && !hole_between(self.last_offset, at);
        is_gap.then_some((at, MisstepKind::Gap { sequence, after }))
    }
}

impl Misstep {
    /// What is to be told of it.
    pub fn finding(&self, path: &Path) -> Finding {
        let id = self.producer_id;
        let (rule, text) = match self.kind {
            MisstepKind::Duplicate { sequence, of } => (
                "producer-duplicate",
                format!("a duplicate: producer {id} sent sequence {sequence} at offset {of} too"),
            ),
            MisstepKind::Back { sequence, after } => (
                "producer-sequence",
                format!(
                    "producer {id} goes on with sequence {sequence} after {after}: data is there \
                     twice, or it began anew"
                ),
            ),
            MisstepKind::Gap { sequence, after } => (
                "producer-gap",
                format!(
                    "producer {id} goes on with sequence {sequence} after {after}, though no \
                     offset is missing between the two"
                ),
            ),
            MisstepKind::Epoch { epoch, after } => (
                "producer-epoch",
                format!(
                    "producer {id} goes back to epoch {epoch} from {after}: one that was fenced \
                     off wrote on"
                ),
            ),
        };
        Finding::about(rule, Severity::Warning, path, text).of(self.offset)
    }
}

/// Whether `sequence` does not come after `last`, on a circle of 2^31.
fn is_behind(sequence: i32, last: i32) -> bool {
    let ahead = sequence.wrapping_sub(last).wrapping_sub(1) & i32::MAX;
    ahead > i32::MAX / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(epoch: i16, offset: i64, first: i32, last: i32) -> Sent {
        Sent {
            epoch,
            base_offset: Offset(offset),
            last_offset: Offset(offset + 1),
            sequences: Some((first, last)),
            is_marker: false,
            is_transactional: false,
        }
    }

    /// What is odd, heard of in one stretch and in any two.
    fn kinds(batches: &[Sent]) -> Vec<MisstepKind> {
        let no_hole = |_, _| false;
        let heard = |batches: &[Sent]| {
            let (mut sequences, mut kinds) = (Sequences::default(), Vec::new());
            for sent in batches {
                kinds.extend(sequences.follow(7, sent, no_hole).map(|misstep| misstep.kind));
            }
            (sequences, kinds)
        };
        let whole = heard(batches).1;
        for cut in 0..=batches.len() {
            let ((mut sequences, mut kinds), (behind, rest)) =
                (heard(&batches[..cut]), heard(&batches[cut..]));
            kinds.extend(sequences.append(behind, no_hole).iter().map(|misstep| misstep.kind));
            kinds.extend(rest);
            assert_eq!(kinds, whole, "cut at {cut}");
        }
        whole
    }

    #[test]
    fn the_sequence_behind_the_largest_is_zero() {
        assert!(!is_behind(0, i32::MAX));
        assert!(!is_behind(8, 7));
        assert!(!is_behind(1000, 7));
        assert!(is_behind(7, 7));
        assert!(is_behind(3, 7));
        assert!(is_behind(i32::MAX, 0));
        assert_eq!(kinds(&[sent(0, 0, i32::MAX - 1, i32::MAX), sent(0, 2, 0, 1)]), []);
    }

    #[test]
    fn duplicates_gaps_and_steps_back_are_told_apart_wherever_segments_are_cut() {
        let good = [sent(0, 0, 0, 1), sent(0, 2, 2, 3), sent(1, 4, 0, 1)];
        assert_eq!(kinds(&good), []);
        let duplicate = MisstepKind::Duplicate { sequence: 0, of: Offset(0) };
        assert_eq!(kinds(&[sent(0, 0, 0, 1), sent(0, 2, 0, 1)]), [duplicate]);
        let back = MisstepKind::Back { sequence: 1, after: 3 };
        assert_eq!(kinds(&[sent(0, 0, 2, 3), sent(0, 2, 1, 2)]), [back]);
        let gap = MisstepKind::Gap { sequence: 5, after: 1 };
        assert_eq!(kinds(&[sent(0, 0, 0, 1), sent(0, 2, 5, 6)]), [gap]);
        let epoch = MisstepKind::Epoch { epoch: 0, after: 1 };
        assert_eq!(kinds(&[sent(1, 0, 0, 1), sent(0, 2, 2, 3)]), [epoch]);
    }

    #[test]
    fn what_is_held_of_a_producer_that_sent_one_batch_is_small() {
        assert!(size_of::<Run>() <= 80, "{}", size_of::<Run>());
        let mut sequences = Sequences::default();
        sequences.follow(7, &sent(0, 0, 0, 1), |_, _| false);
        assert!(sequences.runs.values().all(|run| run.older.is_none()));
    }

    #[test]
    fn a_duplicate_is_known_of_as_many_batches_as_a_broker_remembers() {
        let batches: Vec<Sent> =
            (0..8).map(|n| sent(0, 2 * n, 2 * n as i32, 2 * n as i32 + 1)).collect();
        let again = |n: i32| {
            let mut sequences = Sequences::default();
            batches
                .iter()
                .for_each(|sent| assert_eq!(sequences.follow(7, sent, |_, _| false), None));
            sequences.follow(7, &sent(0, 16, 2 * n, 2 * n + 1), |_, _| false).unwrap().kind
        };
        assert_eq!(again(3), MisstepKind::Duplicate { sequence: 6, of: Offset(6) });
        assert_eq!(again(2), MisstepKind::Back { sequence: 4, after: 15 });
    }

    #[test]
    fn a_marker_in_front_of_data_does_not_hide_what_is_odd_about_that() {
        let marker = Sent { sequences: None, is_marker: true, ..sent(0, 4, 0, 0) };
        let back = MisstepKind::Back { sequence: 0, after: 3 };
        assert_eq!(kinds(&[sent(0, 0, 2, 3), marker, sent(0, 6, 0, 0)]), [back]);
    }

    #[test]
    fn a_gap_where_offsets_are_missing_is_what_compaction_leaves() {
        let mut sequences = Sequences::default();
        let hole = |from: Offset, to: Offset| from < Offset(5) && Offset(5) <= to;
        assert_eq!(sequences.follow(7, &sent(0, 0, 0, 1), hole), None);
        assert_eq!(sequences.follow(7, &sent(0, 8, 6, 7), hole), None);
        assert!(sequences.follow(7, &sent(0, 10, 9, 10), hole).is_some());
    }
}
