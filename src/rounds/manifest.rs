//! The segments that a round file names, against those that are there.

use super::round_file::RoundFile;
use crate::segment::Segment;
use crate::units::Offset;

/// A segment that is not as the round left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is not there.
    Missing(Offset),
    /// It has another size.
    Resized {
        /// The offset that it is named after.
        base_offset: Offset,
        /// What the round file says.
        wanted_bytes: u64,
        /// What is there.
        found_bytes: u64,
    },
    /// The round did not leave it.
    Unknown(Offset),
}

impl Difference {
    /// The offset that the segment is named after.
    pub fn base_offset(&self) -> Offset {
        match *self {
            Difference::Missing(base_offset)
            | Difference::Resized { base_offset, .. }
            | Difference::Unknown(base_offset) => base_offset,
        }
    }
}

/// What is not as the round of `file` left it among `there`, which rise; so do these.
pub fn differences<'a>(
    file: &'a RoundFile,
    there: &'a [Segment],
) -> impl Iterator<Item = Difference> + 'a {
    let compacted = file.segments.iter().map(|segment| (segment.base_offset, segment.bytes));
    let tail = file.tail.iter().map(|segment| (segment.base_offset, segment.bytes));
    let mut known = compacted.chain(tail).peekable();
    let mut there = there.iter().map(|segment| (segment.base, segment.size_bytes)).peekable();
    let next = move || {
        let bases = known.peek().into_iter().chain(there.peek()).map(|(base, _)| *base);
        let base_offset = bases.min()?;
        let wanted = known.next_if(|(base, _)| *base == base_offset).map(|(_, bytes)| bytes);
        let found = there.next_if(|(base, _)| *base == base_offset).map(|(_, bytes)| bytes);
        Some(match (wanted, found) {
            (Some(wanted_bytes), Some(found_bytes)) => {
                let resized = Difference::Resized { base_offset, wanted_bytes, found_bytes };
                (wanted_bytes != found_bytes).then_some(resized)
            }
            (Some(_), None) => Some(Difference::Missing(base_offset)),
            (None, _) => Some(Difference::Unknown(base_offset)),
        })
    };
    std::iter::from_fn(next).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::round_file::sample;
    use super::*;
    use crate::segment::PartitionDir;

    #[test]
    fn what_is_missing_resized_or_unknown_is_told_in_order() {
        let temp = tempfile::tempdir().unwrap();
        // The sample has segments of 100 bytes at 0 and 50, and one of 9 behind them at 100.
        let with = |logs: &[(i64, usize)]| {
            let dir = temp.path().join("t-0");
            std::fs::create_dir(&dir).unwrap();
            for (base, bytes) in logs {
                std::fs::write(dir.join(format!("{base:020}.log")), vec![0; *bytes]).unwrap();
            }
            let segments = PartitionDir::open(&dir).unwrap().segments;
            std::fs::remove_dir_all(&dir).unwrap();
            differences(&sample(1), &segments).collect::<Vec<_>>()
        };
        use Difference::{Missing, Resized, Unknown};
        assert_eq!(with(&[(0, 100), (50, 100), (100, 9)]), []);
        let resized = Resized { base_offset: Offset(100), wanted_bytes: 9, found_bytes: 10 };
        assert_eq!(
            with(&[(7, 1), (50, 100), (100, 10), (200, 0)]),
            [Missing(Offset(0)), Unknown(Offset(7)), resized, Unknown(Offset(200))]
        );
        assert_eq!(with(&[]).len(), 3);
    }
}
