//! Where in a segment to begin looking for an offset.
//!
//! The index is a hint, never an authority: its entry counts only if a batch with a sound header
//! and checksum starts at its position, and no offset of that batch's start lies above the entry.
//! Then all batches in front of it end below the offset that is looked for. Anything else means
//! reading from the start, which is slower and always right.

use crate::format::Batch;
use crate::segment::{LogFile, OffsetIndex};
use crate::units::{Offset, Position};

/// The position to start at, and what was wrong with the index, if that kept us from using it.
pub(super) fn start_of(
    log: &LogFile,
    index_bytes: &[u8],
    wanted: Offset,
) -> (Position, Option<&'static str>) {
    let index = OffsetIndex::parse(index_bytes, log.base());
    let is_ascending = index.entries.is_sorted_by_key(|entry| (entry.offset, entry.position));
    if !is_ascending {
        return (Position(0), Some("its entries do not ascend"));
    }
    let floor = index.floor(wanted);
    if floor == Position(0) {
        return (floor, None);
    }
    let entry = index.entries.iter().rev().find(|entry| entry.offset <= wanted);
    let batch = log.bytes().get(floor.index()..).map(Batch::parse);
    let (Some(entry), Some(Ok(batch))) = (entry, batch) else {
        return (Position(0), Some("its entry is not the position of a batch"));
    };
    let is_plausible = batch.header.base_offset >= log.base()
        && batch.header.base_offset <= entry.offset
        && batch.check_header().is_ok()
        && batch.check_crc().is_ok();
    if is_plausible {
        (floor, None)
    } else {
        (Position(0), Some("its entry does not fit the batch at its position"))
    }
}
