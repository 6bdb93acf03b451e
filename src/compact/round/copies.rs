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

/// Of a batch with more records than this, so many are compared.
const MOST_RECORDS: usize = 1 << 16;

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
        places.extend(Cut::at(segment, end, None)?.before.map(|before| before.mark.base_offset));
    }
    places.sort_unstable();
    places.dedup();
    for place in places.into_iter().filter(|place| *place >= start) {
        let theirs = read(older, place, |_| true, |_| false)?;
        let (first, last) = (theirs.first_key_value(), theirs.last_key_value());
        let Some(((first, _), (last, _))) = first.zip(last) else { continue };
        let is_theirs = |offset: Offset| theirs.contains_key(&offset);
        let ours = read(newer, start.max(*first), is_theirs, |reached| reached <= *last)?;
        let differs =
            |(offset, there): &(&Offset, &_)| ours.get(*offset).is_some_and(|here| here != *there);
        if let Some((offset, _)) = theirs.iter().find(differs) {
            return Ok(Some(*offset));
        }
    }
    Ok(None)
}

/// Of the batch that holds the offset `first`, or the next behind it, the records at offsets that
/// are `wanted`; and of those behind it in the segment, as long as the offset that the last has
/// `reached` is to be gone on from.
fn read(
    segments: &[Segment],
    first: Offset,
    wanted: impl Fn(Offset) -> bool,
    goes_on: impl Fn(Offset) -> bool,
) -> Result<Contents> {
    let mut contents = Contents::new();
    let behind = segments.partition_point(|segment| segment.base <= first);
    let holder = behind.checked_sub(1).and_then(|holder| segments.get(holder));
    let Some(segment) = holder else { return Ok(contents) };
    let cut = Cut::at(segment, first, segments.get(behind).map(|next| next.base))?;
    if cut.is_damaged() {
        return Ok(contents);
    }
    let log = segment.log()?;
    let (mut batches, mut decoder) = (log.batches_from(cut.position), Decoder::new());
    let mut frontier = Frontier::of(&log);
    loop {
        reach(&mut frontier, &log, batches.position())?;
        let Some(Ok((_, batch))) = batches.next() else { return Ok(contents) };
        let sound = batch.check_crc().and_then(|()| decoder.records(&batch));
        let Ok(records) = sound else { return Ok(contents) };
        let hash = |bytes: Option<&[u8]>| bytes.map(|bytes| KeyHashSeed(0).hash(bytes));
        let some = records.filter_map(Result::ok).filter(|record| wanted(record.offset));
        let some = some.take(MOST_RECORDS.saturating_sub(contents.len()));
        contents.extend(some.map(|it| (it.offset, (hash(it.key), hash(it.value)))));
        if contents.len() >= MOST_RECORDS || !goes_on(batch.header.last_offset.next()) {
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
