//! Sequences of idempotent producers: within an epoch they rise (`ProducerAppendInfo`).
//!
//! A gap is normal once a log was compacted, and a producer that was silent for longer than
//! `producer.id.expiration.ms` may begin anew; so going back is a warning, not an error.

use std::collections::HashMap;

use crate::format::BatchHeader;
use crate::units::Offset;

/// The first and the last batch of a producer's epoch in a stretch of log.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    epoch: i16,
    base_sequence: i32,
    base_offset: Offset,
    last_epoch: i16,
    last_sequence: i32,
}

impl Run {
    /// A batch's, if an idempotent producer sent it.
    pub fn of(header: &BatchHeader) -> Option<Run> {
        if header.producer_id < 0 || header.base_sequence < 0 || header.is_control() {
            return None;
        }
        Some(Run {
            epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            base_offset: header.base_offset,
            last_epoch: header.producer_epoch,
            last_sequence: header.last_sequence(),
        })
    }
}

/// The runs of a stretch, by producer.
#[derive(Clone, Debug, Default)]
pub struct Sequences {
    runs: HashMap<i64, Run>,
}

/// A producer that went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WentBack {
    /// The producer.
    pub producer_id: i64,
    /// The batch that is out of order.
    pub offset: Offset,
    /// Its sequence.
    pub sequence: i32,
    /// The sequence that was there before.
    pub after: i32,
}

impl Sequences {
    /// Takes note of the stretch behind this one.
    pub fn append(&mut self, behind: &Sequences) -> Vec<WentBack> {
        let mut runs: Vec<_> = behind.runs.iter().collect();
        runs.sort_by_key(|(_, run)| run.base_offset);
        runs.into_iter().filter_map(|(id, run)| self.follow(*id, *run)).collect()
    }

    /// Takes note of what a producer did next.
    pub fn follow(&mut self, producer_id: i64, run: Run) -> Option<WentBack> {
        let Some(before) = self.runs.get_mut(&producer_id) else {
            self.runs.insert(producer_id, run);
            return None;
        };
        let after = before.last_sequence;
        let is_same_epoch = before.last_epoch == run.epoch;
        before.last_epoch = run.last_epoch;
        before.last_sequence = run.last_sequence;
        let went_back = is_same_epoch && is_behind(run.base_sequence, after);
        let (offset, sequence) = (run.base_offset, run.base_sequence);
        went_back.then_some(WentBack { producer_id, offset, sequence, after })
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

    #[test]
    fn the_sequence_behind_the_largest_is_zero() {
        assert!(!is_behind(0, i32::MAX));
        assert!(!is_behind(8, 7));
        assert!(!is_behind(1000, 7));
        assert!(is_behind(7, 7));
        assert!(is_behind(3, 7));
        assert!(is_behind(i32::MAX, 0));
    }
}
