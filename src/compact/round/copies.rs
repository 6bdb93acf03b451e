//! Whether two directories are copies of one log: at some places of the one, its records are looked
//! for in the other. What only one of them has was cleaned away in the other, and says nothing; how
//! records are cut into batches, compressed, and in which magic, may differ.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::format::{Decoder, HEADER_BYTES};
use crate::rounds::{KeyHash, KeyHashSeed};
use crate::segment::{Cut, Frontier, LogFile, Segment};
use crate::units::{Offset, Position};

/// More segments than this are not looked into: so many, spread evenly.
const MOST_PLACES: usize = 16;

/// Key and value of records, as hashes, by offset.
type Contents = BTreeMap<Offset, (Option<KeyHash>, Option<KeyHash>)>;

/// The first offset, if there is one, at which `older` and `newer` have different records: looked
/// for next to `border`, at the start of segments of `older`, and at its end.
///
/// # Errors
/// The system's. What is damaged says nothing here.
pub fn first_difference(
    older: &[Segment],
    newer: &[Segment],
    border: Offset,
) -> Result<Option<Offset>> {
    let start = newer.first().map_or(Offset(0), |segment| segment.base);
    let overlapping: Vec<&Segment> = older.iter().filter(|older| older.base >= start).collect();
    let step = overlapping.len().div_ceil(MOST_PLACES).max(1);
    let spread = overlapping.iter().step_by(step).map(|segment| segment.base);
    let mut places: Vec<Offset> = spread.chain([start, border]).collect();
    for end in [border, Offset(i64::MAX)] {
        let last = older.partition_point(|segment| segment.base < end).checked_sub(1);
        let Some(segment) = last.and_then(|last| older.get(last)) else { continue };
        places.extend(Cut::at(segment, end)?.before.map(|before| before.base_offset));
    }
    places.sort_unstable();
    places.dedup();
    for place in places.into_iter().filter(|place| *place >= start) {
        let theirs = batch_at(older, place)?;
        let (first, last) = (theirs.first_key_value(), theirs.last_key_value());
        let Some(((first, _), (last, _))) = first.zip(last) else { continue };
        let ours = between(newer, start.max(*first), *last)?;
        let differs =
            |(offset, there): &(&Offset, &_)| ours.get(*offset).is_some_and(|here| here != *there);
        if let Some((offset, _)) = theirs.iter().find(differs) {
            return Ok(Some(*offset));
        }
    }
    Ok(None)
}

/// The records of the batch that holds `offset`, or of the next behind it in the segment.
fn batch_at(segments: &[Segment], offset: Offset) -> Result<Contents> {
    read(segments, offset, |_| false)
}

/// The records from the batch that holds `first` to that which holds `last`, as far as one segment
/// has them.
fn between(segments: &[Segment], first: Offset, last: Offset) -> Result<Contents> {
    read(segments, first, |reached| reached <= last)
}

/// Reads a batch, and more as long as the offset behind the last of them `is_wanted`.
fn read(
    segments: &[Segment],
    first: Offset,
    is_wanted: impl Fn(Offset) -> bool,
) -> Result<Contents> {
    let mut contents = Contents::new();
    let holder = segments.partition_point(|segment| segment.base <= first).checked_sub(1);
    let Some(segment) = holder.and_then(|holder| segments.get(holder)) else {
        return Ok(contents);
    };
    let cut = Cut::at(segment, first)?;
    if cut.is_damaged {
        return Ok(contents);
    }
    let log = segment.log()?;
    let (mut batches, mut decoder) = (log.batches_from(cut.position), Decoder::new());
    let mut frontier = Frontier::of(&log);
    loop {
        reach(&mut frontier, &log, batches.position())?;
        let Some(Ok((_, batch))) = batches.next() else { return Ok(contents) };
        let Ok(records) = decoder.records(&batch) else { return Ok(contents) };
        let hash = |bytes: Option<&[u8]>| bytes.map(|bytes| KeyHashSeed(0).hash(bytes));
        let records = records.filter_map(Result::ok);
        contents.extend(records.map(|it| (it.offset, (hash(it.key), hash(it.value)))));
        if !is_wanted(batch.header.last_offset.next()) {
            return Ok(contents);
        }
    }
}

/// Brings in the batch that starts at `position`.
fn reach(frontier: &mut Frontier<'_>, log: &LogFile, position: Position) -> Result<()> {
    frontier.reach(position, HEADER_BYTES)?;
    let size_bytes = match log.batches_from(position).next() {
        Some(Ok((_, batch))) => batch.header.size_bytes,
        _ => 0,
    };
    frontier.reach(position, size_bytes)
}
