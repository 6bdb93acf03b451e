//! `header:NAME`: the highest version survives, which a header of each record says (KIP-280).

use std::fmt;

use super::claim::{Held, Stands};
use super::{Bid, Strategy, Version};
use crate::format::Record;

/// The highest version wins, of equal ones the highest offset. The version is the value of the last
/// header of that name, if it is 8 bytes: a big-endian signed number (`LongSerializer`). A record
/// without one loses to any that has one.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    name: String,
}

impl Strategy for Header {
    type Claim = Version;
    type Entry = Held;
    const USAGE: &'static str = "header:NAME";

    fn parse(text: &str) -> Option<Result<Header, &'static str>> {
        let name = match text.split_once(':') {
            None if text == "header" => "",
            Some(("header", name)) => name,
            _ => return None,
        };
        let is_blank = name.trim().is_empty();
        let named = (!is_blank).then(|| Header { name: name.to_owned() });
        Some(named.ok_or("it names no header; header:NAME does"))
    }

    #[inline]
    fn claim(&self, record: &Record<'_>, _deletes: bool) -> Bid<Version> {
        let of_name = |header: &crate::format::Header<'_>| header.key == self.name.as_bytes();
        // What does not fit into its record is damage, which the reader has looked for before.
        let Some(header) = record.headers().flatten().filter(of_name).last() else {
            return Bid::sound(Version::of(None));
        };
        let bytes = header.value.and_then(|value| <[u8; 8]>::try_from(value).ok());
        let number = bytes.map(i64::from_be_bytes);
        Bid { claim: Version::of(number), is_malformed: number.is_none() }
    }

    #[inline]
    fn combine(older: Version, newer: Version) -> Stands<Version> {
        Version::highest(older, newer)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "header:{}", self.name)
    }
}
