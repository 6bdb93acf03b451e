//! Ranges of offsets, in the form in which a round file has them.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::units::Offset;

/// Offsets from one to below another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetRange {
    /// The first.
    pub base_offset: Offset,
    /// The one behind the last.
    pub next_offset: Offset,
}

/// Some of them, rising and apart, none of them empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OffsetRanges(Vec<OffsetRange>);

impl OffsetRanges {
    /// This one; none if it is empty.
    pub fn of(range: Range<Offset>) -> OffsetRanges {
        let range = OffsetRange { base_offset: range.start, next_offset: range.end };
        OffsetRanges(Some(range).filter(OffsetRange::is_sound).into_iter().collect())
    }

    /// These and, behind them, others.
    pub fn and(mut self, behind: OffsetRanges) -> OffsetRanges {
        self.0.extend(behind.0);
        self
    }

    /// All that lies between them and around them.
    pub fn others(&self) -> OffsetRanges {
        let starts = self.0.iter().map(|range| range.base_offset);
        let ends = self.0.iter().map(|range| range.next_offset);
        let starts = starts.chain([Offset(i64::MAX)]);
        let ranges = std::iter::once(Offset(i64::MIN)).chain(ends).zip(starts);
        let ranges = ranges
            .map(|(base_offset, next_offset)| OffsetRange { base_offset, next_offset })
            .filter(OffsetRange::is_sound);
        OffsetRanges(ranges.collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them, rising.
    pub fn iter(&self) -> impl Iterator<Item = OffsetRange> + '_ {
        self.0.iter().copied()
    }

    /// Whether `offset` lies in one of them.
    #[inline]
    pub fn contains(&self, offset: Offset) -> bool {
        self.meets(offset..offset.next())
    }

    /// Whether something of `range` lies in one of them.
    #[inline]
    pub fn meets(&self, range: Range<Offset>) -> bool {
        let next = self.0.partition_point(|it| it.next_offset <= range.start);
        !range.is_empty() && self.0.get(next).is_some_and(|it| it.base_offset < range.end)
    }

    /// Whether they are what they should be, and lie from offset 0 to below `end`.
    pub fn are_sound_below(&self, end: Offset) -> bool {
        self.0.iter().all(OffsetRange::is_sound)
            && self.0.is_sorted_by(|a, b| a.next_offset <= b.base_offset)
            && self.0.first().is_none_or(|first| first.base_offset.0 >= 0)
            && self.0.last().is_none_or(|last| last.next_offset <= end)
    }
}

impl OffsetRange {
    fn is_sound(&self) -> bool {
        self.base_offset < self.next_offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(list: &[(i64, i64)]) -> OffsetRanges {
        let of = |(from, below): &(i64, i64)| OffsetRanges::of(Offset(*from)..Offset(*below));
        list.iter().map(of).fold(OffsetRanges::default(), OffsetRanges::and)
    }

    #[test]
    fn an_offset_lies_in_some_ranges_or_in_the_others() {
        for list in [&[][..], &[(3, 5)], &[(0, 2), (2, 4), (7, 8)], &[(5, 5), (6, 2)]] {
            let some = ranges(list);
            for offset in -1..10 {
                let is_in = list.iter().any(|(from, below)| (*from..*below).contains(&offset));
                assert_eq!(some.contains(Offset(offset)), is_in, "{list:?} {offset}");
                assert_eq!(some.others().contains(Offset(offset)), !is_in, "{list:?} {offset}");
                let is_met = (offset..4).any(|offset| some.contains(Offset(offset)));
                assert_eq!(some.meets(Offset(offset)..Offset(4)), is_met, "{list:?} {offset}");
            }
        }
    }

    #[test]
    fn ranges_that_do_not_rise_or_reach_too_far_are_not_sound() {
        let is_sound = |list: &[(i64, i64)]| ranges(list).are_sound_below(Offset(9));
        assert!(is_sound(&[]) && is_sound(&[(0, 9)]) && is_sound(&[(0, 2), (2, 3)]));
        for list in [&[(0, 10)][..], &[(-1, 2)], &[(2, 4), (3, 5)], &[(5, 6), (1, 2)]] {
            assert!(!is_sound(list), "{list:?}");
        }
        let empty = OffsetRange { base_offset: Offset(2), next_offset: Offset(2) };
        assert!(!OffsetRanges(vec![empty]).are_sound_below(Offset(9)));
    }
}
