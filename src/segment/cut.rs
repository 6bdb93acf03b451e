//! A segment cut in two at an offset, without a byte being moved: each part counts as a segment.
//! Only a batch that holds offsets on both sides is made into two, each of which is a part as well.
//!
//! Where to begin looking is told by the offset index, which is a hint: its entry counts only if
//! the batch at its position ends at the entry's offset. From there headers are read up to the cut,
//! so what lies in front of that stretch is not opened up.

use std::sync::Arc;

use super::index_entries::Entries;
use super::{Frontier, IndexEntry, Kind, LogFile, Part, Segment, check_records};
use crate::error::{Error, Result};
use crate::format::{Batch, BatchHeader, Decoder, HEADER_BYTES, split};
use crate::units::{Offset, Position};

/// What tells a batch from any other that could have been written at its offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its first offset.
    pub base_offset: Offset,
    /// Its last offset.
    pub last_offset: Offset,
    /// Its records, or -1 where the header does not count them.
    pub records: i32,
    /// Its checksum as it is stored.
    pub crc: u32,
    /// Whether a cleaner has given its tombstones, or its marker, their time.
    pub has_horizon: bool,
}

impl Mark {
    fn of(header: &BatchHeader) -> Mark {
        Mark {
            base_offset: header.base_offset,
            last_offset: header.last_offset,
            records: header.record_count,
            crc: header.crc,
            has_horizon: header.delete_horizon().is_some(),
        }
    }

    /// Whether this batch may be what has become of `earlier`, of which a cleaner can only have
    /// taken records out: the same offsets, and as long as nothing was taken out the same bytes.
    pub fn may_come_of(&self, earlier: &Mark) -> bool {
        let same_offsets =
            (self.base_offset, self.last_offset) == (earlier.base_offset, earlier.last_offset);
        let same_bytes = self.crc == earlier.crc || self.has_horizon && !earlier.has_horizon;
        same_offsets && (self.records < earlier.records || same_bytes)
    }
}

/// Where a segment is cut: between two batches, or within the one behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Where the first batch behind the cut starts; the end of the log if there is none.
    pub position: Position,
    /// The offset that was asked for.
    pub asked: Offset,
    /// The offset from which on all is behind the cut: the one asked for, or the first of the batch
    /// that holds it.
    pub offset: Offset,
    /// The batch in front of the cut, if the search came by it.
    pub before: Option<Mark>,
    /// The batch behind it.
    pub behind: Option<Mark>,
}

impl Cut {
    /// Looks for the cut of `segment` that leaves all below `offset` in front of it, as far as no
    /// batch is cut in two.
    ///
    /// # Errors
    /// The system's.
    pub fn at(segment: &Segment, offset: Offset) -> Result<Cut> {
        let log = segment.log()?;
        let start = start_of(segment, &log, offset)?;
        let mut frontier = Frontier::of(&log);
        let mut batches = log.batches_from(start);
        let mut cut = Cut { position: start, asked: offset, offset, before: None, behind: None };
        loop {
            frontier.reach(batches.position(), HEADER_BYTES)?;
            cut.position = batches.position();
            match batches.next() {
                None => return Ok(cut),
                Some(Ok((_, batch))) if batch.header.last_offset >= offset => {
                    frontier.reach(cut.position, batch.header.size_bytes)?;
                    cut.offset = offset.min(first_of(&batch));
                    cut.behind = Some(Mark::of(&batch.header));
                    return Ok(cut);
                }
                Some(Ok((_, batch))) => cut.before = Some(Mark::of(&batch.header)),
                // An unfinished write is behind everything.
                Some(Err(damaged)) if log.is_unfinished_tail(&damaged) => return Ok(cut),
                // Whoever reads the part in front of the cut, or behind it, finds it again.
                Some(Err(_)) => {}
            }
        }
    }

    /// Whether a batch holds the offset that was asked for and others in front of that.
    pub fn is_within_batch(&self) -> bool {
        self.offset < self.asked
    }

    /// As [`apply`](Cut::apply), in front of and behind the very offset that was asked for: a batch
    /// that holds others on either side is cut in two, and its halves are parts of their own.
    ///
    /// # Errors
    /// Damage in that batch. The system's.
    pub fn apply_within_batch(&self, segment: &Segment) -> Result<(Vec<Segment>, Vec<Segment>)> {
        let (front, rest) = self.apply(segment);
        if !self.is_within_batch() {
            return Ok((vec![front], vec![rest]));
        }
        let (mut lower, upper, behind) = self.halves(segment)?;
        let (_, back) = behind.apply(&rest);
        if front.size_bytes == 0 {
            lower.base = front.base;
        }
        let parts = |parts: [Segment; 2]| {
            parts.into_iter().filter(|part| part.size_bytes > 0).collect::<Vec<_>>()
        };
        Ok((parts([front, lower]), parts([upper, back])))
    }

    /// The halves of the batch behind the cut, each as a segment, and the cut behind that batch.
    fn halves(&self, segment: &Segment) -> Result<(Segment, Segment, Cut)> {
        let log = segment.log()?;
        let corrupt = |reason: String| Error::corrupt(log.path(), self.position, reason);
        if self.offset < segment.base {
            return Err(corrupt("its offsets lie in front of its segment".to_owned()));
        }
        let mut batches = log.batches_from(self.position);
        let next = batches.next().ok_or_else(|| corrupt("its batch is gone".to_owned()))?;
        let (_, batch) = next.map_err(|damaged| corrupt(damaged.flaw.to_string()))?;
        log.ready(self.position, batches.position())?;
        let mut decoder = Decoder::new();
        let sound = batch.check_crc().and_then(|()| check_records(&batch, &mut decoder, Offset(0)));
        sound.map_err(|flaw| corrupt(flaw.to_string()))?;
        let halves = split(&batch, self.asked, &mut decoder);
        let (lower, upper) = halves.map_err(|error| corrupt(error.to_string()))?;
        let half = |base: Offset, bytes: Vec<u8>| Segment {
            base,
            size_bytes: bytes.len() as u64,
            part: Some(Part { made: Some(Arc::new(bytes)), ..Part::all_of(segment) }),
            ..segment.clone()
        };
        let offset = batch.header.last_offset.next();
        let behind = Cut { position: batches.position(), offset, ..*self };
        Ok((half(self.offset, lower), half(self.asked, upper), behind))
    }

    /// The two parts of `segment`, which this is a cut of; neither need hold a batch.
    pub fn apply(&self, segment: &Segment) -> (Segment, Segment) {
        let whole = segment.part.clone().unwrap_or_else(|| Part::all_of(segment));
        let end = whole.end.map_or(whole.start.0 + segment.size_bytes, |end| end.0);
        let front = Segment {
            size_bytes: self.position.0.saturating_sub(whole.start.0),
            part: Some(Part { end: Some(self.position), ..whole.clone() }),
            ..segment.clone()
        };
        let back = Segment {
            base: self.offset,
            size_bytes: end.saturating_sub(self.position.0),
            part: Some(Part { start: self.position, ..whole }),
            ..segment.clone()
        };
        (front, back)
    }
}

/// The first offset of a batch; that of a compressed set of magic 0 or 1 is not in its header.
fn first_of(batch: &Batch<'_>) -> Offset {
    let base = batch.header.base_offset;
    if !batch.header.is_wrapper() {
        return base;
    }
    let mut decoder = Decoder::new();
    let first = decoder.records(batch).ok().and_then(|mut records| records.next()?.ok());
    first.map_or(base, |record| record.offset.min(base))
}

fn start_of(segment: &Segment, log: &LogFile, offset: Offset) -> Result<Position> {
    let Some(index) = segment.read(Kind::Index)? else { return Ok(log.start()) };
    let entries: Entries<'_, IndexEntry> = Entries::of(&index, segment.named());
    // One entry more towards the front, so that there is a batch in front of the cut to look at.
    let below = entries.iter().rev().filter(|entry| entry.offset < offset).nth(1);
    let Some(entry) = below.filter(|entry| entry.position > log.start()) else {
        return Ok(log.start());
    };
    let header = entry.header_in(log)?;
    let is_exact = header.is_some_and(|header| header.last_offset == entry.offset);
    Ok(if is_exact { entry.position } else { log.start() })
}
