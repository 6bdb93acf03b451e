//! `offset`: the last to be written survives, as in Kafka.

use std::fmt;

use super::claim::{KeyOnly, Stands};
use super::{Bid, Strategy};
use crate::format::Record;

/// The highest offset wins. Read from the newest record to the oldest, the first of a key is its
/// champion for good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ByOffset;

impl Strategy for ByOffset {
    type Claim = ();
    type Entry = KeyOnly;
    const USAGE: &'static str = "offset";

    fn parse(text: &str) -> Option<Result<ByOffset, &'static str>> {
        (text == Self::USAGE).then_some(Ok(ByOffset))
    }

    #[inline]
    fn claim(&self, _record: &Record<'_>, _deletes: bool) -> Bid<()> {
        Bid::sound(())
    }

    #[inline]
    fn combine(_older: (), _newer: ()) -> Stands<()> {
        Stands::Newer(())
    }
}

impl fmt::Display for ByOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::USAGE)
    }
}
