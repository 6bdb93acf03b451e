//! A record as the comparison sees it: numbers and digests of a fixed size.
//!
//! Keys, values and headers stand as keyed 128-bit hashes (XXH3). Two that are equal always have
//! equal digests; two that are not have with a chance of 2^-128 a pair, about 10^-25 that any two
//! of six million keys do. The seeds are drawn anew for each comparison, so no log can be prepared
//! to deceive one. What differs by digest does differ: nothing is reported that is not so.

use std::hash::{BuildHasher, Hasher, RandomState};

use xxhash_rust::xxh3::{Xxh3Builder, xxh3_128_with_seed};

use super::rule::StateRule;
use crate::bytes::Overrun;
use crate::format::Record;
use crate::units::{Offset, Position, Timestamp};

/// How a record stands to the state at the end of what is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Data that counts: below the end, and committed below the end if it is of a transaction.
    Settled,
    /// Data that counts, but not yet there: behind the end, or committed behind it.
    Later,
    /// Data of a transaction that was aborted or is open.
    Void,
    /// A marker, or another of Kafka's own records.
    Control,
}

/// Where a record's batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of its segment in the directory's list.
    pub segment: usize,
    /// Where its batch starts.
    pub position: Position,
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// Its key's digest; an empty key is a key.
    pub key: Option<u128>,
    /// Its value's digest.
    pub value: Option<u128>,
    /// Whether it deletes its key.
    pub deletes: bool,
    /// What it is compared by in front of its offset, where the rule says so.
    pub order: Option<i64>,
    /// The digest of its headers, 0 without any.
    pub headers: u128,
    /// What it is to the state.
    pub standing: Standing,
    /// Where it is.
    pub place: Place,
}

/// What the digests of one comparison are keyed with.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    key: u64,
    content: u64,
}

impl Seeds {
    /// Seeds that nobody knows beforehand.
    pub fn draw() -> Seeds {
        let draw = || RandomState::new().build_hasher().finish();
        Seeds { key: draw(), content: draw() }
    }

    /// The digest of a key.
    pub fn key(&self, key: &[u8]) -> u128 {
        xxh3_128_with_seed(key, self.key)
    }

    /// A record as a row.
    ///
    /// # Errors
    /// Headers that do not fit into the record.
    pub fn row(
        &self,
        record: &Record<'_>,
        rule: &StateRule,
        standing: Standing,
        place: Place,
    ) -> Result<Row, Overrun> {
        Ok(Row {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(|key| self.key(key)),
            value: record.value.map(|value| xxh3_128_with_seed(value, self.content)),
            deletes: record.deletes(rule.empty_is_tombstone),
            order: rule.survivor.order(record),
            headers: self.headers(record)?,
            standing,
            place,
        })
    }

    /// Each name and value goes in behind its length, so that no two lists of headers are fed
    /// alike.
    fn headers(&self, record: &Record<'_>) -> Result<u128, Overrun> {
        let mut headers = record.headers().peekable();
        if headers.peek().is_none() {
            return Ok(0);
        }
        let mut digest = Xxh3Builder::new().with_seed(self.content).build();
        for header in headers {
            let header = header?;
            digest.update(&(header.key.len() as u64).to_le_bytes());
            digest.update(header.key);
            let length = header.value.map_or(u64::MAX, |value| value.len() as u64);
            digest.update(&length.to_le_bytes());
            digest.update(header.value.unwrap_or_default());
        }
        Ok(digest.digest128())
    }
}
