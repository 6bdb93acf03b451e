//! A number that says how new a record is, or none; the highest wins.

use super::claim::{Claim, Stands};

/// A version; a missing one loses to any. (Packed, so that a vote needs no more than 24 bytes.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(Rust, packed(4))]
pub struct Version {
    is_known: bool,
    number: i64,
}

impl Version {
    /// A version, or a missing one.
    #[inline]
    pub fn of(number: Option<i64>) -> Version {
        Version { is_known: number.is_some(), number: number.unwrap_or(0) }
    }

    /// The highest stands; of equal ones the newer, which has the higher offset.
    #[inline]
    pub fn highest(older: Version, newer: Version) -> Stands<Version> {
        if older > newer { Stands::Older(older) } else { Stands::Newer(newer) }
    }
}

impl Claim for Version {
    #[inline]
    fn to_bits(self) -> (u64, bool) {
        (self.number as u64, self.is_known)
    }

    #[inline]
    fn of_bits(bits: u64, bit: bool) -> Version {
        Version { is_known: bit, number: bits as i64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_version_loses_to_any() {
        let rising = [None, Some(i64::MIN), Some(i64::MIN + 1), Some(-1), Some(0), Some(i64::MAX)];
        let rising = rising.map(Version::of);
        assert!(rising.is_sorted_by(|lower, higher| lower < higher));
    }
}
