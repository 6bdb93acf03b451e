//! Which part of the files is asked for.

use std::fmt;
use std::str::FromStr;

use crate::units::Offset;

/// What of a log is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Show {
    /// A line a record.
    #[default]
    Records,
    /// A line a batch.
    Batches,
    /// Each batch, then its records.
    All,
}

impl Show {
    /// Whether batches get a line.
    pub fn batches(self) -> bool {
        self != Show::Records
    }

    /// Whether records get a line.
    pub fn records(self) -> bool {
        self != Show::Batches
    }
}

/// The whole selection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection {
    /// Batches, records or both.
    pub show: Show,
    /// The offsets that are wanted.
    pub offsets: OffsetRange,
    /// How many records (batches, where only those are shown; entries of other files) at most.
    pub limit: Option<u64>,
}

/// Offsets from `start`, which is in, to `end`, which is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct OffsetRange {
    /// The first offset.
    pub start: Offset,
    /// The first offset behind the range; `None` for no end.
    pub end: Option<Offset>,
}

impl OffsetRange {
    /// Whether `offset` is in the range.
    pub fn contains(&self, offset: Offset) -> bool {
        offset >= self.start && !self.ends_at_or_before(offset)
    }

    /// Whether any offset of `first..=last` is in the range.
    pub fn overlaps(&self, first: Offset, last: Offset) -> bool {
        let is_empty = self.ends_at_or_before(self.start);
        !is_empty && last >= self.start && !self.ends_at_or_before(first)
    }

    /// Whether nothing from `offset` on is in the range.
    pub fn ends_at_or_before(&self, offset: Offset) -> bool {
        self.end.is_some_and(|end| end <= offset)
    }

    /// Whether this is every offset that there can be.
    pub fn is_everything(&self) -> bool {
        *self == OffsetRange::default()
    }
}

/// A side of a range that is no offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeError(String);

impl std::error::Error for RangeError {}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is not an offset; expected N, A..B (without B), A..=B (with B), A.. or ..B",
            self.0
        )
    }
}

impl FromStr for OffsetRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<OffsetRange, RangeError> {
        let Some((start, end)) = text.split_once("..") else {
            let only = offset(text)?;
            return Ok(OffsetRange { start: only, end: Some(only.next()) });
        };
        let start = if start.is_empty() { Offset(0) } else { offset(start)? };
        let end = match end.strip_prefix('=') {
            Some(last) => Some(offset(last)?.next()),
            None if end.is_empty() => None,
            None => Some(offset(end)?),
        };
        Ok(OffsetRange { start, end })
    }
}

fn offset(text: &str) -> Result<Offset, RangeError> {
    let parsed = text.parse().ok().filter(|offset: &i64| *offset >= 0);
    parsed.map(Offset).ok_or_else(|| RangeError(text.into()))
}

/// What is left of the limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    left: Option<u64>,
    spent: u64,
}

impl Budget {
    /// The whole limit.
    pub(super) fn new(limit: Option<u64>) -> Budget {
        Budget { left: limit, spent: 0 }
    }

    /// Takes note of one line that counts.
    pub(super) fn spend(&mut self) {
        self.spent += 1;
    }

    /// Takes note of as many.
    pub(super) fn spend_all(&mut self, count: u64) {
        self.spent = self.spent.saturating_add(count);
    }

    /// How many lines were counted.
    pub(super) fn spent(self) -> u64 {
        self.spent
    }

    /// What this leaves, as a limit of its own.
    pub(super) fn rest(self) -> Budget {
        Budget::new(self.left.map(|left| left.saturating_sub(self.spent)))
    }

    /// Whether something is left behind `count` further lines.
    pub(super) fn outlasts(self, count: u64) -> bool {
        self.left.is_none_or(|left| left.saturating_sub(self.spent) > count)
    }

    /// Whether no further line may be shown.
    pub(super) fn is_spent(self) -> bool {
        self.left.is_some_and(|left| left <= self.spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_as_in_rust() {
        let range =
            |text: &str| text.parse::<OffsetRange>().map(|r| (r.start.0, r.end.map(|e| e.0)));
        assert_eq!(range("3..7"), Ok((3, Some(7))));
        assert_eq!(range("3..=7"), Ok((3, Some(8))));
        assert_eq!(range("3.."), Ok((3, None)));
        assert_eq!(range("..7"), Ok((0, Some(7))));
        assert_eq!(range(".."), Ok((0, None)));
        assert_eq!(range("5"), Ok((5, Some(6))));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "x", "-1", "1...2", "1..x", "..=", "1,2"] {
            assert_eq!(text.parse::<OffsetRange>().map_err(drop), Err(()), "{text}");
        }
        for text in ["7..7", "7..3", "..0"] {
            let range: OffsetRange = text.parse().unwrap();
            assert!(!range.overlaps(Offset(0), Offset(i64::MAX)), "{text}");
        }
    }
}
