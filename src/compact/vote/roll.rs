//! The roll of a chunk: which records voted, with offset and key, as the votes themselves tell. To
//! call it takes less time than to read records again that have left the processor's caches.

use super::ballot::Ballot;
use super::record_set::RecordSet;
use crate::compact::keys::Packer;
use crate::format::BatchHeader;
use crate::units::Offset;

/// Who voted in a chunk.
pub trait Roll: Sync {
    /// Calls `each` with ordinal, offset and key of those who voted and are in `kept`, in no order:
    /// a record without a key may be kept, but had no vote.
    fn call(&self, kept: &RecordSet, each: &mut dyn FnMut(u32, Offset, &[u8]));
}

/// The offsets of numbered records, as far as the headers of their batches tell.
#[derive(Clone, Debug, Default)]
pub struct Offsets {
    /// The first record of each stretch of offsets that follow each other, and its offset.
    stretches: Vec<(u32, Offset)>,
    /// There was a batch with fewer records than offsets, or of which the header does not tell the
    /// first one.
    are_unknown: bool,
}

impl Offsets {
    /// Takes note of the next batch, which has `count` records from number `first` on, each at an
    /// offset above that of the one before it and none outside of what its header says.
    pub fn note(&mut self, first: u32, count: u32, header: &BatchHeader) {
        let span = header.last_offset.0.checked_sub(header.base_offset.0);
        self.are_unknown |= header.magic < 2 || span != Some(i64::from(count) - 1);
        let goes_on = offset_in(&self.stretches, first).map(|(offset, _)| offset);
        if !self.are_unknown && goes_on != Some(header.base_offset) {
            self.stretches.push((first, header.base_offset));
        }
    }

    /// Forgets all, but not the memory that it took up.
    pub fn clear(&mut self) {
        self.stretches.clear();
        self.are_unknown = false;
    }

    /// What it has allocated.
    pub fn allocated_bytes(&self) -> usize {
        self.stretches.capacity() * size_of::<(u32, Offset)>()
    }
}

/// The offset that record `ordinal` has if it lies in the last stretch that begins in front of it,
/// and the stretches up to that one: who asks from the newest to the oldest asks in these next.
#[inline]
fn offset_in(mut stretches: &[(u32, Offset)], ordinal: u32) -> Option<(Offset, &[(u32, Offset)])> {
    loop {
        let ((first, offset), before) = stretches.split_last()?;
        if *first <= ordinal {
            return Some((Offset(offset.0.wrapping_add(i64::from(ordinal - first))), stretches));
        }
        stretches = before;
    }
}

/// The votes of a chunk, of which each names its record.
pub struct Votes<'a, C> {
    ballots: &'a [Ballot<C>],
    offsets: &'a Offsets,
    packer: &'a Packer,
}

impl<'a, C: Copy> Votes<'a, C> {
    /// The votes in `ballots`, with keys as `packer` packed them; `None` if it is not known which
    /// offsets they are of.
    pub fn of(
        ballots: &'a [Ballot<C>],
        offsets: &'a Offsets,
        packer: &'a Packer,
    ) -> Option<Votes<'a, C>> {
        (!offsets.are_unknown).then_some(Votes { ballots, offsets, packer })
    }
}

impl<'a, C: Copy + Sync> Roll for Votes<'a, C> {
    fn call(&self, kept: &RecordSet, each: &mut dyn FnMut(u32, Offset, &[u8])) {
        let mut key = Vec::new();
        let mut tell = |ordinal, packed: &[u8], stretches: &mut &'a [(u32, Offset)]| {
            if kept.contains(ordinal)
                && let Some((offset, reached)) = offset_in(stretches, ordinal)
            {
                *stretches = reached;
                self.packer.unpack(packed, &mut key);
                each(ordinal, offset, &key);
            }
        };
        for ballot in self.ballots {
            let mut stretches = self.offsets.stretches.as_slice();
            for vote in ballot.words_newest_first() {
                tell(vote.candidate.ordinal(), &vote.word.bits().to_le_bytes(), &mut stretches);
            }
            let mut stretches = self.offsets.stretches.as_slice();
            for (vote, packed) in ballot.newest_first() {
                tell(vote.candidate.ordinal(), packed, &mut stretches);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::compact::strategy::Standing;
    use crate::format::{Batch, EmptyBatch};

    /// The header of a batch with offsets from `base` to `last`.
    fn header(base: i64, last: i64) -> BatchHeader {
        let mut bytes = vec![0; 61];
        bytes[11] = 49; // the length of all that follows it
        bytes[16] = 2;
        let header = Batch::parse(&bytes).unwrap().header;
        let mut bytes = Vec::new();
        let header = BatchHeader { base_offset: Offset(base), last_offset: Offset(last), ..header };
        EmptyBatch::put(&header, &mut bytes)
    }

    proptest! {
        #[test]
        fn a_roll_calls_those_who_are_kept_with_their_offsets_and_keys(
            batches in prop::collection::vec((0..3i64, 1..5u32), 1..12),
            keys in prop::collection::vec("user-[0-9]{1,4}|[a-z]{0,30}", 60),
            kept in prop::collection::vec(any::<bool>(), 60),
        ) {
            let packer = Packer::like(b"user-123");
            let mut ballots: Vec<Ballot<()>> = Vec::new();
            ballots.resize_with(3, Ballot::default);
            let (mut offsets, mut next, mut ordinal) = (Offsets::default(), 100, 0);
            let set = RecordSet::of_size(60);
            let mut wanted = Vec::new();
            for (gap, count) in batches {
                next += gap;
                offsets.note(ordinal, count, &header(next, next + i64::from(count) - 1));
                let here = keys.iter().zip(&kept).skip(ordinal as usize).take(count as usize);
                for (key, kept) in here {
                    let ballot = &mut ballots[key.len() % 3];
                    match packer.word(key.as_bytes()) {
                        Some(word) => ballot.cast_word(word, ordinal, Standing::Stays, ()),
                        None => {
                            packer.pack(key.as_bytes(), &mut ballot.keys);
                            ballot.cast(0, ordinal, Standing::Stays, ())
                        }
                    };
                    if *kept {
                        set.insert(ordinal);
                        wanted.push((ordinal, Offset(next), key.as_bytes().to_vec()));
                    }
                    (next, ordinal) = (next + 1, ordinal + 1);
                }
            }
            let votes = Votes::of(&ballots, &offsets, &packer).unwrap();
            let mut called = Vec::new();
            votes.call(&set, &mut |ordinal, offset, key| {
                called.push((ordinal, offset, key.to_vec()));
            });
            called.sort();
            prop_assert_eq!(called, wanted);
        }
    }

    #[test]
    fn of_a_batch_with_a_hole_or_an_old_one_no_offsets_are_known() {
        let (ballots, packer) = ([Ballot::<()>::default()], Packer::default());
        let mut offsets = Offsets::default();
        offsets.note(0, 3, &header(5, 7));
        assert!(Votes::of(&ballots, &offsets, &packer).is_some());
        offsets.note(3, 2, &header(8, 10));
        assert!(Votes::of(&ballots, &offsets, &packer).is_none());
        offsets.clear();
        offsets.note(0, 1, &BatchHeader { magic: 1, ..header(5, 5) });
        assert!(Votes::of(&ballots, &offsets, &packer).is_none());
    }
}
