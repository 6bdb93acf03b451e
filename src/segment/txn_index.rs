//! `.txnindex`: the aborted transactions whose marker lies in the segment (`AbortedTxn`).

use serde::{Deserialize, Serialize};

use crate::bytes::{Cursor, Overrun};
use crate::units::Offset;

/// The size of an entry.
pub const TXN_ENTRY_BYTES: usize = 34;

/// One aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbortedTxn {
    /// Whose it was.
    pub producer_id: i64,
    /// Its first data offset.
    pub first_offset: Offset,
    /// The offset of its ABORT marker.
    pub last_offset: Offset,
    /// The last stable offset once it was aborted.
    pub last_stable_offset: Offset,
}

impl AbortedTxn {
    /// Whether the transaction can have begun where the entry says, given `data`, the offsets of
    /// all data of its producer since the marker before: with one of these, or, if its own data was
    /// cleaned away, behind all of them. Data in front of it is of another transaction.
    pub fn can_begin_among(&self, data: &[Offset]) -> bool {
        let is_cleaned_away = data.last() < Some(&self.first_offset);
        data.binary_search(&self.first_offset).is_ok()
            || (is_cleaned_away && self.first_offset <= self.last_offset)
    }

    /// Its producer and the offset of its marker: no two have the same.
    pub fn marker(&self) -> (i64, Offset) {
        (self.producer_id, self.last_offset)
    }

    /// Appends the entry's 34 bytes, version 0.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&0i16.to_be_bytes());
        out.extend_from_slice(&self.producer_id.to_be_bytes());
        for offset in [self.first_offset, self.last_offset, self.last_stable_offset] {
            out.extend_from_slice(&offset.0.to_be_bytes());
        }
    }
}

/// Reads the bytes of a `.txnindex`: its entries, and `false` if it ends inside one or has one of
/// an unknown version (nothing is read behind that).
pub fn parse_txn_index(bytes: &[u8]) -> (Vec<AbortedTxn>, bool) {
    let mut cursor = Cursor::new(bytes);
    let mut entries = Vec::new();
    while !cursor.is_empty() {
        match read_entry(&mut cursor) {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) | Err(_) => return (entries, false),
        }
    }
    (entries, true)
}

/// The `.txnindex` with these entries, if that is not what `bytes`, which may not be there, are.
pub fn txn_index_due(bytes: Option<&[u8]>, entries: &[AbortedTxn]) -> Option<Vec<u8>> {
    let (there, is_whole) = bytes.map_or((Vec::new(), true), parse_txn_index);
    if is_whole && there == entries {
        return None;
    }
    let mut due = Vec::new();
    entries.iter().for_each(|txn| txn.put(&mut due));
    Some(due)
}

fn read_entry(cursor: &mut Cursor<'_>) -> Result<Option<AbortedTxn>, Overrun> {
    if cursor.i16()? != 0 {
        return Ok(None);
    }
    Ok(Some(AbortedTxn {
        producer_id: cursor.i64()?,
        first_offset: Offset(cursor.i64()?),
        last_offset: Offset(cursor.i64()?),
        last_stable_offset: Offset(cursor.i64()?),
    }))
}
