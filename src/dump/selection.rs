//! Which part of a log is to be shown.

use std::ops::Bound;
use std::str::FromStr;

use crate::units::Offset;

/// Records, batches, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Records.
    Records,
    /// Batches, without their records.
    Batches,
    /// Each batch and then its records.
    All,
}

/// What to show of a log.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Records, batches, or both.
    pub show: Show,
    /// Which offsets.
    pub offsets: OffsetRange,
    /// At most so many records (or batches, if only those are shown).
    pub limit: Option<u64>,
}

/// A range of offsets as Rust writes it: `A..B`, `A..=B`, `A..`, `..B`, or one offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetRange {
    start: Offset,
    /// The first offset behind the range.
    end: Offset,
}

impl OffsetRange {
    /// All offsets.
    pub const ALL: OffsetRange = OffsetRange { start: Offset(0), end: Offset(i64::MAX) };

    /// The first offset in it.
    pub fn start(&self) -> Offset {
        self.start
    }

    /// Whether it has this offset.
    pub fn contains(&self, offset: Offset) -> bool {
        self.start <= offset && offset < self.end
    }

    /// Whether it has an offset from `first` to `last`.
    pub fn touches(&self, first: Offset, last: Offset) -> bool {
        self.start <= last && first < self.end
    }

    /// Whether all of it lies below `offset`.
    pub fn ends_before(&self, offset: Offset) -> bool {
        self.end <= offset
    }
}

impl FromStr for OffsetRange {
    type Err = String;

    fn from_str(text: &str) -> Result<OffsetRange, String> {
        let offset = |text: &str| match text.trim().parse::<i64>() {
            Ok(number) if number >= 0 => Ok(number),
            _ => Err(format!("{text:?} is no offset; expected A..B, A..=B, A.., ..B or A")),
        };
        let (start, end) = match text.split_once("..") {
            None => (offset(text)?, Bound::Included(offset(text)?)),
            Some((start, end)) => {
                let start = if start.is_empty() { 0 } else { offset(start)? };
                let end = match end.strip_prefix('=') {
                    Some(last) => Bound::Included(offset(last)?),
                    None if end.is_empty() => Bound::Unbounded,
                    None => Bound::Excluded(offset(end)?),
                };
                (start, end)
            }
        };
        let end = match end {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => end,
            Bound::Unbounded => i64::MAX,
        };
        Ok(OffsetRange { start: Offset(start), end: Offset(end) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_as_in_rust() {
        let range = |text: &str| text.parse::<OffsetRange>().map(|r| (r.start.0, r.end.0));
        assert_eq!(range("3..7"), Ok((3, 7)));
        assert_eq!(range("3..=7"), Ok((3, 8)));
        assert_eq!(range("3.."), Ok((3, i64::MAX)));
        assert_eq!(range("..7"), Ok((0, 7)));
        assert_eq!(range(".."), Ok((0, i64::MAX)));
        assert_eq!(range("5"), Ok((5, 6)));
        for text in ["", "x", "-1..", "3..x", "3...7"] {
            assert!(range(text).is_err(), "{text}");
        }
    }
}
