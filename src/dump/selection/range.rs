//! Ranges of offsets and of time, written as in Rust: `A..B` without B, `A..=B` with it.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::units::{Offset, Timestamp};

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

/// Timestamps from `start`, which is in, to `end`, which is not; `None` for no end on that side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TimeRange {
    /// The first timestamp.
    pub start: Option<Timestamp>,
    /// The first timestamp behind the range.
    pub end: Option<Timestamp>,
}

impl TimeRange {
    /// Whether `timestamp` is in the range. What has no timestamp is in none but the whole.
    pub fn contains(&self, timestamp: Timestamp) -> bool {
        let has_one = timestamp > Timestamp::NONE;
        let is_between = self.start.is_none_or(|start| timestamp >= start)
            && self.end.is_none_or(|end| timestamp < end);
        self.is_everything() || (has_one && is_between)
    }

    /// Whether this is every timestamp, and none.
    pub fn is_everything(&self) -> bool {
        *self == TimeRange::default()
    }
}

/// A side of a range that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeError {
    side: String,
    expected: &'static str,
}

impl std::error::Error for RangeError {}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RangeError { side, expected } = self;
        write!(
            f,
            "'{side}' is not {expected}; expected N, A..B (without B), A..=B (with B), A.. or ..B"
        )
    }
}

impl FromStr for OffsetRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<OffsetRange, RangeError> {
        let (start, end) = sides(text, offset, |last| last.checked_add(1))?;
        Ok(OffsetRange { start: start.unwrap_or_default(), end })
    }
}

impl FromStr for TimeRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<TimeRange, RangeError> {
        let (start, end) = sides(text, timestamp, |last| last.0.checked_add(1).map(Timestamp))?;
        Ok(TimeRange { start, end })
    }
}

/// Both sides of a range, the second one not in it. What has no `next` is in a range without end.
fn sides<T: Copy>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, RangeError>,
    next: impl Fn(T) -> Option<T>,
) -> Result<(Option<T>, Option<T>), RangeError> {
    let Some((start, end)) = text.split_once("..") else {
        let only = parse(text)?;
        return Ok((Some(only), next(only)));
    };
    let start = if start.is_empty() { None } else { Some(parse(start)?) };
    let end = match end.strip_prefix('=') {
        Some(last) => next(parse(last)?),
        None if end.is_empty() => None,
        None => Some(parse(end)?),
    };
    Ok((start, end))
}

fn offset(text: &str) -> Result<Offset, RangeError> {
    let parsed = text.parse().ok().filter(|offset: &i64| *offset >= 0);
    parsed.map(Offset).ok_or_else(|| RangeError { side: text.into(), expected: "an offset" })
}

/// Milliseconds, RFC 3339, or a date, which stands for its first moment in UTC.
fn timestamp(text: &str) -> Result<Timestamp, RangeError> {
    let from_ms = || text.parse().ok().filter(|ms: &i64| *ms >= 0);
    let from_time = || Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond());
    let from_date = || {
        let midnight = text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?;
        Some(midnight.timestamp().as_millisecond())
    };
    let expected = "a time (milliseconds, as 1795300000000, or RFC 3339, as 2026-11-20T22:20:37Z)";
    let is_date = text.len() == "2026-11-20".len() && text.contains('-');
    let ms = from_ms().or_else(|| if is_date { from_date() } else { from_time() });
    ms.map(Timestamp).ok_or_else(|| RangeError { side: text.into(), expected })
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
    fn the_largest_number_is_in_a_range_that_is_said_to_have_it() {
        let (most, largest) = (i64::MAX, Offset(i64::MAX));
        for text in [format!("..={most}"), format!("{most}"), format!("7..={most}")] {
            assert!(text.parse::<OffsetRange>().unwrap().contains(largest), "{text}");
            assert!(text.parse::<TimeRange>().unwrap().contains(Timestamp(most)), "{text}");
        }
        assert!(!format!("..{most}").parse::<TimeRange>().unwrap().contains(Timestamp(most)));
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

    #[test]
    fn times_are_milliseconds_or_rfc_3339_or_dates() {
        let range = |text: &str| {
            text.parse::<TimeRange>().map(|r| (r.start.map(|t| t.0), r.end.map(|t| t.0)))
        };
        assert_eq!(range("5..7"), Ok((Some(5), Some(7))));
        assert_eq!(range("5"), Ok((Some(5), Some(6))));
        let day = 86_400_000;
        assert_eq!(range("1970-01-02..=1970-01-02T00:00:00.001Z"), Ok((Some(day), Some(day + 2))));
        assert_eq!(range("1970-01-02T01:00:00+01:00.."), Ok((Some(day), None)));
        for text in ["", "x..", "1970-13-01", "1970-01-02T00:00:00", "-5"] {
            assert_eq!(range(text).map_err(drop), Err(()), "{text}");
        }
        let all: TimeRange = "..".parse().unwrap();
        assert!(all.contains(Timestamp::NONE));
        assert!(!"..5".parse::<TimeRange>().unwrap().contains(Timestamp::NONE));
    }
}
