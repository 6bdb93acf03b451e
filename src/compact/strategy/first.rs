//! `first`: the first value of a key survives (Pulsar's topic compaction strategies, PIP-215).

use std::fmt;

use super::claim::{Claim, Held, Stands};
use super::{Bid, Strategy};
use crate::format::Record;

/// The first value behind the last tombstone wins; the last tombstone, if no value follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct First;

/// What a stretch of a log says of a key; what a single record says is one of the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Turn {
    /// Values only: the first is champion, until an older one is found.
    Value,
    /// The champion is a tombstone: the last, with nothing behind it.
    Tombstone,
    /// The champion is a value behind a tombstone: nothing older counts.
    ValueBehindTombstone,
}

impl Strategy for First {
    type Claim = Turn;
    type Entry = Held;
    const USAGE: &'static str = "first";

    fn parse(text: &str) -> Option<Result<First, &'static str>> {
        (text == Self::USAGE).then_some(Ok(First))
    }

    #[inline]
    fn claim(&self, _record: &Record<'_>, deletes: bool) -> Bid<Turn> {
        Bid::sound(if deletes { Turn::Tombstone } else { Turn::Value })
    }

    const WIDENS: bool = true;

    fn is_widened(claim: Turn) -> bool {
        claim == Turn::ValueBehindTombstone
    }

    fn widened(_own: Turn) -> Turn {
        Turn::ValueBehindTombstone
    }

    #[inline]
    fn combine(older: Turn, newer: Turn) -> Stands<Turn> {
        match (older, newer) {
            (_, Turn::Tombstone | Turn::ValueBehindTombstone) => Stands::Newer(newer),
            (Turn::Tombstone, Turn::Value) => Stands::Newer(Turn::ValueBehindTombstone),
            (Turn::Value | Turn::ValueBehindTombstone, Turn::Value) => Stands::Older(older),
        }
    }
}

impl Claim for Turn {
    #[inline]
    fn to_bits(self) -> (u64, bool) {
        (self as u64, false)
    }

    #[inline]
    fn of_bits(bits: u64, _bit: bool) -> Turn {
        match bits {
            0 => Turn::Value,
            1 => Turn::Tombstone,
            _ => Turn::ValueBehindTombstone,
        }
    }
}

impl fmt::Display for First {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::USAGE)
    }
}
