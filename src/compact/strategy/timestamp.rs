//! `timestamp`: the newest by event time survives, whenever it arrived (KIP-280, Pulsar's PIP-352).

use std::fmt;

use super::claim::{Held, Stands};
use super::{Bid, Strategy, Version};
use crate::format::Record;

/// The highest timestamp wins, of equal ones the highest offset. Where the broker set the time, all
/// records of a batch have that of the batch. Records of magic 0 have none, and what is negative is
/// none (`RecordBatch.NO_TIMESTAMP`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ByTimestamp;

impl Strategy for ByTimestamp {
    type Claim = Version;
    type Entry = Held;
    const USAGE: &'static str = "timestamp";

    fn parse(text: &str) -> Option<Result<ByTimestamp, &'static str>> {
        (text == Self::USAGE).then_some(Ok(ByTimestamp))
    }

    #[inline]
    fn claim(&self, record: &Record<'_>, _deletes: bool) -> Bid<Version> {
        Bid::sound(Version::of(Some(record.timestamp.0).filter(|ms| *ms >= 0)))
    }

    #[inline]
    fn combine(older: Version, newer: Version) -> Stands<Version> {
        Version::highest(older, newer)
    }
}

impl fmt::Display for ByTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::USAGE)
    }
}
