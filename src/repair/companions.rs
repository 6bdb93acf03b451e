//! The three indexes of a segment: what Kafka's recovery would write (`LogSegment.recover`), and
//! whether what is there will do.
//!
//! An index that is right is left alone, even if it is not what Kafka's recovery would write: a
//! running broker and older versions set entries elsewhere. Right is what leads every reader to
//! where it should begin, and is not so sparse that reading from there takes long.

use super::kept::Kept;
use crate::error::Result;
use crate::segment::{
    AbortedTxn, Kind, OffsetIndex, OffsetIndexBuilder, Sound, TimeIndex, TimeIndexBuilder,
    txn_index_due,
};
use crate::units::{Offset, Position};

/// What becomes of an index file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Companion {
    /// It stays as it is.
    Stays,
    /// It gets these bytes; none of a `.txnindex` means that there is to be none.
    New(Vec<u8>),
}

/// The indexes of one segment.
pub struct Companions {
    /// `.index`.
    pub offset_index: Companion,
    /// `.timeindex`.
    pub time_index: Companion,
    /// `.txnindex`.
    pub txn_index: Companion,
}

impl Companions {
    /// Decides about the indexes of a segment. `aborted` are the aborted transactions whose markers
    /// lie in it; `is_active` is the last segment.
    ///
    /// # Errors
    /// The system's.
    pub fn decide(
        kept: &Kept,
        aborted: &[AbortedTxn],
        is_active: bool,
        interval_bytes: u64,
    ) -> Result<Companions> {
        let (offset_bytes, time_bytes) = build(kept, interval_bytes);
        let txn_index = decide_txn_index(kept, aborted)?;
        let is_whole = kept.is_whole();
        let offset_will_do = is_whole && offset_index_will_do(kept, &offset_bytes)?;
        let time_will_do = is_whole && time_index_will_do(kept, &time_bytes, is_active)?;
        let or_new = |will_do: bool, bytes| match will_do {
            true => Companion::Stays,
            false => Companion::New(bytes),
        };
        Ok(Companions {
            offset_index: or_new(offset_will_do, offset_bytes),
            time_index: or_new(time_will_do, time_bytes),
            txn_index,
        })
    }

    /// With their kinds.
    pub fn all(&self) -> [(Kind, &Companion); 3] {
        [
            (Kind::Index, &self.offset_index),
            (Kind::TimeIndex, &self.time_index),
            (Kind::TxnIndex, &self.txn_index),
        ]
    }
}

/// What Kafka's recovery would write.
fn build(kept: &Kept, interval_bytes: u64) -> (Vec<u8>, Vec<u8>) {
    let base = kept.segment.base;
    let mut offset_index = OffsetIndexBuilder::new(base, interval_bytes);
    let mut time_index = TimeIndexBuilder::new(base);
    let mut position = Position(0);
    for batch in &kept.batches {
        time_index.batch(batch.max_timestamp, batch.last_offset);
        if offset_index.batch(batch.last_offset, position, batch.size_bytes) {
            time_index.entry();
        }
        position = position.plus(batch.size_bytes);
    }
    (offset_index.finish(), time_index.finish())
}

/// Whether `entries` are enough where `due` would be written.
fn is_dense(entries: usize, due: usize) -> bool {
    2 * entries >= due
}

fn offset_index_will_do(kept: &Kept, built: &[u8]) -> Result<bool> {
    let segment = &kept.segment;
    let Some(map) = segment.read(Kind::Index)? else { return Ok(false) };
    let index = OffsetIndex::parse(&map, segment.base);
    let due = OffsetIndex::parse(built, segment.base);
    let rising = index.entries.windows(2).all(|pair| match pair {
        [before, behind] => before.offset < behind.offset && before.position < behind.position,
        _ => true,
    });
    let at = |position: Position| {
        let number = kept.batches.binary_search_by_key(&position, |batch| batch.position);
        number.ok().and_then(|number| kept.batches.get(number..))
    };
    // Older brokers named the last batch of a whole append.
    let ends_at = |batches: &[Sound], offset: Offset| {
        batches.iter().find(|batch| batch.last_offset >= offset).map(|batch| batch.last_offset)
            == Some(offset)
    };
    let right = index
        .entries
        .iter()
        .all(|entry| at(entry.position).is_some_and(|batches| ends_at(batches, entry.offset)));
    Ok(index.whole && rising && right && is_dense(index.entries.len(), due.entries.len()))
}

fn time_index_will_do(kept: &Kept, built: &[u8], is_active: bool) -> Result<bool> {
    let segment = &kept.segment;
    let Some(map) = segment.read(Kind::TimeIndex)? else { return Ok(false) };
    let index = TimeIndex::parse(&map, segment.base);
    let due = TimeIndex::parse(built, segment.base);
    let rising = index.entries.windows(2).all(|pair| match pair {
        [before, behind] => before.timestamp < behind.timestamp && before.offset <= behind.offset,
        _ => true,
    });
    let largest = kept.batches.iter().scan(None, |largest, batch| {
        *largest = (*largest).max(Some(batch.max_timestamp));
        *largest
    });
    let so_far: Vec<_> = kept.batches.iter().zip(largest).collect();
    let right = index.entries.iter().all(|entry| {
        let number = so_far.partition_point(|(batch, _)| batch.last_offset < entry.offset);
        so_far.get(number).is_some_and(|(batch, largest)| {
            batch.base_offset <= entry.offset
                && batch.max_timestamp == entry.timestamp
                && *largest == entry.timestamp
        })
    });
    // A closed segment's last entry has its largest timestamp.
    let last = |index: &TimeIndex| index.entries.last().map(|entry| entry.timestamp);
    let ends = is_active || last(&index) == last(&due);
    Ok(index.whole && rising && right && ends && is_dense(index.entries.len(), due.entries.len()))
}

fn decide_txn_index(kept: &Kept, entries: &[AbortedTxn]) -> Result<Companion> {
    let map = kept.segment.read(Kind::TxnIndex)?;
    Ok(txn_index_due(map.as_deref(), entries).map_or(Companion::Stays, Companion::New))
}
