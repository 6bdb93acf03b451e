//! The clock that stamps records and closes batches: the system's, or one that stands still.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::units::Timestamp;

/// A clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The system's.
    Wall,
    /// One that stands still: the same input gives the same bytes.
    Still(Timestamp),
}

impl Clock {
    /// What it shows.
    pub fn now(self) -> Timestamp {
        match self {
            Clock::Still(now) => now,
            Clock::Wall => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
        }
    }

    /// Whether time passes.
    pub fn runs(self) -> bool {
        self == Clock::Wall
    }
}
