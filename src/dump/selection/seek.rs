//! Where in a segment to begin looking for an offset, or for a time.
//!
//! The index is a hint, never an authority: its entry counts only if a batch with a sound header
//! and checksum starts at its position, and no offset of that batch's start lies above the entry.
//! Then all batches in front of it end below the offset that is looked for. An entry of the time
//! index says that no record up to an offset has a later timestamp; it counts only if the batch
//! that holds that offset is sound and has just that timestamp as its largest, and no batch that is
//! passed on the way there has a later one. Anything else means reading from the start, which is
//! slower and always right.
//!
//! What lies in front of where the offset index leads is not looked at, or there would be no use
//! in an index: of that the entry is believed, as by a broker that is asked for a time
//! (`LogSegment.findOffsetByTimestamp`). To prove it wrong takes the headers of all that it lets
//! us skip, and that is what `verify` is for.

use crate::format::Batch;
use crate::segment::{Frontier, LogFile, OffsetIndex, TimeEntry, TimeIndex};
use crate::units::{Offset, Position, Timestamp};

/// The position to start at, and what was wrong with the index, if that kept us from using it.
pub(in crate::dump) fn start_of(
    log: &LogFile,
    index_bytes: &[u8],
    wanted: Offset,
) -> (Position, Option<&'static str>) {
    let index = OffsetIndex::parse(index_bytes, log.base());
    let is_ascending = index.entries.is_sorted_by_key(|entry| (entry.offset, entry.position));
    if !is_ascending {
        return (Position(0), Some("its entries do not ascend"));
    }
    let Some(entry) = index.floor(wanted).filter(|entry| entry.position > Position(0)) else {
        return (Position(0), None);
    };
    if !is_readable(log, entry.position) {
        return (Position(0), Some("the log cannot be read where its entry points"));
    }
    let Some(Ok(batch)) = log.bytes().get(entry.position.index()..).map(Batch::parse) else {
        return (Position(0), Some("its entry is not the position of a batch"));
    };
    if entry.fits(log, &batch) {
        (entry.position, None)
    } else {
        (Position(0), Some("its entry does not fit the batch at its position"))
    }
}

/// The position behind which all records lie that have `wanted` or a later timestamp, and what was
/// wrong with an index, if that kept us from using it.
pub(in crate::dump) fn start_of_time(
    log: &LogFile,
    index_bytes: &[u8],
    time_index_bytes: &[u8],
    wanted: Timestamp,
) -> (Position, Option<&'static str>) {
    let entries = TimeIndex::parse(time_index_bytes, log.base()).entries;
    if !entries.is_sorted_by_key(|entry| (entry.timestamp, entry.offset)) {
        return (Position(0), Some("its entries do not ascend"));
    }
    let below = entries.partition_point(|entry| entry.timestamp < wanted);
    let Some(entry) = below.checked_sub(1).and_then(|index| entries.get(index)) else {
        return (Position(0), None);
    };
    let (start, flaw) = start_of(log, index_bytes, entry.offset);
    if flaw.is_some() {
        return (Position(0), flaw);
    }
    match end_of_batch(log, start, entry) {
        Some(end) => (end, None),
        None => (Position(0), Some("its entry does not fit the batch with its offset")),
    }
}

/// Whether what claims to be a batch at `position` can be read, or nothing is there.
fn is_readable(log: &LogFile, position: Position) -> bool {
    let is_within = position.index() <= log.bytes().len();
    is_within && Frontier::of(log).reach_batch(position).is_ok()
}

/// Where the batch that `entry` is about ends, if it is as the entry says.
fn end_of_batch(log: &LogFile, start: Position, entry: &TimeEntry) -> Option<Position> {
    let mut batches = log.batches_from(start);
    loop {
        let is_readable = is_readable(log, batches.position());
        let (_, batch) = batches.next().filter(|_| is_readable)?.ok()?;
        if batch.header.last_offset < entry.offset {
            if batch.header.max_timestamp > entry.timestamp {
                return None;
            }
            continue;
        }
        let fits = batch.header.base_offset <= entry.offset
            && batch.header.max_timestamp == entry.timestamp
            && batch.check_header().is_ok()
            && batch.check_crc().is_ok();
        return fits.then_some(batches.position());
    }
}
