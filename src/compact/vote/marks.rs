//! Where the records of a chunk lie that stay, noted when they were read for the vote: who reads
//! them again need not walk over the others.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::record_set::RecordSet;

/// Where they are more than one in so many, walking costs little.
const PASSED_FOR_EACH: u32 = 8;

/// A record's number in its chunk, and its mark in its batch (`Reread::mark`).
type Mark = (u32, u32);

/// The marks of some records of a chunk, by their numbers.
#[derive(Debug, Default)]
pub struct Marks(Vec<Mark>);

impl Marks {
    /// Those of the records in `wanted`, given the marks of all; `None` if walking is as good, or
    /// if there is no `room` left, in bytes.
    pub fn of(wanted: &RecordSet, all: &[u32], room: &AtomicUsize) -> Option<Marks> {
        let count = u32::try_from(all.len()).ok()?;
        let kept = wanted.count(0, count);
        if kept > count / PASSED_FOR_EACH {
            return None;
        }
        let bytes = kept as usize * size_of::<Mark>();
        let take = |left: usize| left.checked_sub(bytes);
        room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        let mut marks = Vec::with_capacity(kept as usize);
        let mut next = wanted.next_from(0, count);
        while let Some(ordinal) = next {
            marks.extend(all.get(ordinal as usize).map(|mark| (ordinal, *mark)));
            next = wanted.next_from(ordinal + 1, count);
        }
        Some(Marks(marks))
    }

    /// To be asked from record `first` on.
    pub fn from(&self, first: u32) -> MarksFrom<'_> {
        let start = self.0.partition_point(|(ordinal, _)| *ordinal < first);
        MarksFrom(self.0.get(start..).unwrap_or_default())
    }
}

/// Marks that are asked for by rising numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct MarksFrom<'a>(&'a [Mark]);

impl MarksFrom<'_> {
    /// The mark of a record, if it was noted.
    #[inline]
    pub fn of(&mut self, ordinal: u32) -> Option<u32> {
        while let Some(((first, mark), rest)) = self.0.split_first() {
            if *first > ordinal {
                return None;
            }
            self.0 = rest;
            if *first == ordinal {
                return Some(*mark);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(size: u32, members: &[u32]) -> RecordSet {
        let set = RecordSet::of_size(size);
        members.iter().for_each(|member| set.insert(*member));
        set
    }

    #[test]
    fn a_mark_is_found_for_the_records_that_were_wanted_and_for_no_others() {
        let all: Vec<u32> = (0..200).map(|ordinal| 9000 - ordinal).collect();
        let wanted = [0, 7, 64, 65, 199];
        let marks = Marks::of(&set(200, &wanted), &all, &AtomicUsize::new(1000)).unwrap();
        for first in [0, 1, 7, 8, 65, 66, 200, 300] {
            let mut from = marks.from(first);
            for ordinal in first..210 {
                let mark = wanted.contains(&ordinal).then(|| 9000 - ordinal);
                assert_eq!(from.of(ordinal), mark, "{ordinal} from {first}");
            }
        }
        let mut few = marks.from(0);
        assert_eq!([few.of(65), few.of(66), few.of(199)], [Some(8935), None, Some(8801)]);
    }

    #[test]
    fn where_many_stay_or_room_is_short_nothing_is_noted() {
        let all = vec![1; 64];
        let room = AtomicUsize::new(20);
        let noted = |members: &[u32]| Marks::of(&set(64, members), &all, &room).is_some();
        let many: Vec<u32> = (0..9).collect();
        assert!(!noted(&many));
        assert!(!noted(&many[..3]), "three take 24 bytes");
        assert!(noted(&many[..2]));
        assert!(!noted(&many[..1]), "there are four left");
        assert!(noted(&[]));
    }
}
