//! Numbers with a name: two bare integers never travel side by side.
//!
//! An [`Offset`] names a record in a partition, a [`Position`] a byte in a file, a [`Timestamp`]
//! a moment in milliseconds since the epoch. They do not mix.

use std::fmt;

/// The number of a record in its partition; Kafka counts from 0 and never reuses one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub i64);

impl Offset {
    /// The offset behind this one (saturating: the largest offset has no successor).
    pub fn next(self) -> Offset {
        Offset(self.0.saturating_add(1))
    }

    /// This offset moved by `delta`, or `None` where that leaves the range of an `i64`.
    pub fn checked_add(self, delta: i64) -> Option<Offset> {
        self.0.checked_add(delta).map(Offset)
    }

    /// How far this offset lies behind `base`, saturating.
    pub fn distance_from(self, base: Offset) -> i64 {
        self.0.saturating_sub(base.0)
    }
}

/// A byte position in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

impl Position {
    /// The position `bytes` further on (saturating).
    pub fn plus(self, bytes: usize) -> Position {
        Position(self.0.saturating_add(bytes as u64))
    }

    /// The position as an index into a mapped file; beyond any slice where it does not fit.
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Milliseconds since 1970-01-01 UTC; Kafka writes -1 for "none".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// What Kafka writes where there is no timestamp.
    pub const NONE: Timestamp = Timestamp(-1);

    /// This moment moved by `delta_ms` (saturating).
    pub fn plus_ms(self, delta_ms: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(delta_ms))
    }
}

macro_rules! shown_as_number {
    ($($unit:ident),*) => {$(
        impl fmt::Display for $unit {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl serde::Serialize for $unit {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }
        impl<'de> serde::Deserialize<'de> for $unit {
            fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<$unit, D::Error> {
                serde::Deserialize::deserialize(reader).map($unit)
            }
        }
    )*};
}
shown_as_number!(Offset, Position, Timestamp);
