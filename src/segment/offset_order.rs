//! How the offsets of a segment's batches have to lie. No checksum covers the base offset of a
//! batch: only what lies around it can tell a wrong one.

use crate::units::Offset;

/// Between which offsets those of a segment's batches lie.
#[derive(Clone, Copy, Debug)]
pub struct OffsetBounds {
    base: Offset,
    next_base: Option<Offset>,
}

impl OffsetBounds {
    /// Those of the segment that begins at `base`, in front of the one that begins at `next_base`.
    pub fn new(base: Offset, next_base: Option<Offset>) -> OffsetBounds {
        OffsetBounds { base, next_base }
    }

    /// The first offset of the segment.
    pub fn base(&self) -> Offset {
        self.base
    }

    /// What is wrong with a batch that takes up `first..=last` where it may begin at `due`.
    pub fn flaw(&self, due: Offset, first: Offset, last: Offset) -> Option<String> {
        let is_back = first < due;
        let back = || format!("the batch begins at {first}, but {due} was due");
        is_back.then(back).or_else(|| self.beyond(last))
    }

    /// Whether a batch can end at `last`, so that the next one is to begin behind it.
    pub fn can_end_at(&self, last: Offset) -> bool {
        self.beyond(last).is_none()
    }

    fn beyond(&self, last: Offset) -> Option<String> {
        if self.next_base.is_some_and(|next| last >= next) {
            return Some(format!("the batch ends at {last}, in the next segment"));
        }
        let is_too_far = last.distance_from(self.base) > i64::from(i32::MAX);
        is_too_far.then(|| format!("the batch ends at {last}, too far from {}", self.base))
    }
}

/// The offsets of a segment's batches, heard of one after the other.
#[derive(Clone, Copy, Debug)]
pub struct OffsetOrder {
    bounds: OffsetBounds,
    due: Offset,
}

impl OffsetOrder {
    /// None was heard of yet.
    pub fn begin(bounds: OffsetBounds) -> OffsetOrder {
        OffsetOrder { bounds, due: bounds.base() }
    }

    /// The offset behind the last batch, of those that do not end behind the segment.
    pub fn due(&self) -> Offset {
        self.due
    }

    /// The next batch takes up `first..=last`; what is wrong with that. A batch that goes back is
    /// where the next goes on, so that one wrong offset is told once.
    pub fn batch(&mut self, first: Offset, last: Offset) -> Option<String> {
        let flaw = self.bounds.flaw(self.due, first, last);
        if self.bounds.can_end_at(last) {
            self.due = last.next();
        }
        flaw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaws(next_base: Option<i64>, batches: &[(i64, i64)]) -> Vec<(usize, String)> {
        let bounds = OffsetBounds::new(Offset(10), next_base.map(Offset));
        let mut order = OffsetOrder::begin(bounds);
        let heard = batches.iter().map(|(first, last)| order.batch(Offset(*first), Offset(*last)));
        heard.enumerate().filter_map(|(number, flaw)| Some((number, flaw?))).collect()
    }

    #[test]
    fn one_wrong_offset_is_told_once() {
        let told = |next_base, batches: &[(i64, i64)]| flaws(next_base, batches);
        assert_eq!(told(None, &[(10, 11), (15, 15), (16, 20)]), []);
        let back =
            |number, at, due| (number, format!("the batch begins at {at}, but {due} was due"));
        assert_eq!(told(None, &[(10, 11), (3, 3), (13, 14)]), [back(1, 3, 12)]);
        assert_eq!(told(None, &[(10, 11), (10, 10), (13, 14)]), [back(1, 10, 12)]);
        assert_eq!(told(None, &[(0, 1), (2, 3), (4, 9), (10, 14)]), [back(0, 0, 10)]);
        assert_eq!(told(None, &[(10, 11), (90, 90), (13, 14), (15, 15)]), [back(2, 13, 91)]);
        let into = (1, "the batch ends at 90, in the next segment".to_owned());
        assert_eq!(told(Some(20), &[(10, 11), (90, 90), (13, 14)]), [into]);
        let far = 11 + i64::from(i32::MAX);
        let too_far = (0, format!("the batch ends at {far}, too far from 10"));
        assert_eq!(told(None, &[(far, far), (13, 14)]), [too_far]);
    }
}
