//! A segment cut in two at an offset, without a byte being moved: each part counts as a segment.
//! Only a batch that holds offsets on both sides is made into two, each of which is a part as well.
//!
//! Where to begin looking is told by the offset index, which is a hint: its entry counts only if
//! the batch at its position ends at the entry's offset. From there headers are read up to the cut,
//! so what lies in front of that stretch is not opened up.

use std::sync::Arc;

use super::index_entries::Entries;
use super::{Batches, Frontier, Half, IndexEntry, Kind, LogFile, Part, Segment, check_records};
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

/// A batch next to a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// What tells it from others.
    pub mark: Mark,
    /// Whether its checksum holds.
    pub is_sound: bool,
}

impl Neighbour {
    fn of(batch: &Batch<'_>) -> Neighbour {
        Neighbour { mark: Mark::of(&batch.header), is_sound: batch.check_crc().is_ok() }
    }
}

/// What lies between the batches next to a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// Nothing that is damaged.
    Nothing,
    /// Damage, all of it in front of the offset that was asked for.
    Damage,
    /// Damage that may hold that offset.
    DamageAtOffset,
}

/// Where a segment is cut: between two batches, or within the one behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Where what is behind the cut starts: a batch, or damage; the end of the log if there is
    /// neither.
    pub position: Position,
    /// The offset that was asked for.
    pub asked: Offset,
    /// The offset from which on all is behind the cut: the one asked for, or the first of the batch
    /// or of the damage that holds it.
    pub offset: Offset,
    /// The batch in front of the cut, if the search came by it.
    pub before: Option<Neighbour>,
    /// The first one behind it.
    pub behind: Option<Neighbour>,
    /// What lies between the two.
    pub between: Between,
}

impl Cut {
    /// Looks for the cut of `segment` that leaves all below `offset` in front of it, as far as no
    /// batch is cut in two. The segment behind begins at `bound`; without one it is the last.
    ///
    /// # Errors
    /// The system's.
    pub fn at(segment: &Segment, offset: Offset, bound: Option<Offset>) -> Result<Cut> {
        let log = segment.log()?;
        let start = start_of(segment, &log, offset)?;
        let by_headers = Cut::among((&log, log.batches_from(start)), segment.base, offset, bound)?;
        if !by_headers.is_doubtful() {
            return Ok(by_headers);
        }
        let checked = log.batches_from(start).checked();
        Cut::among((&log, checked), segment.base, offset, bound)
    }

    /// Whether it rests on the header of a batch next to it that is damaged: one whose length may
    /// have led past others, or whose offsets need not be those that it has.
    fn is_doubtful(&self) -> bool {
        let is_bad = |batch: Option<Neighbour>| batch.is_some_and(|batch| !batch.is_sound);
        is_bad(self.before) || (self.is_within_batch() && is_bad(self.behind))
    }

    /// The same cut, by `batches` of the log, the first of which begins at `base` or behind it.
    fn among(
        (log, mut batches): (&LogFile, Batches<'_>),
        base: Offset,
        offset: Offset,
        bound: Option<Offset>,
    ) -> Result<Cut> {
        let mut frontier = Frontier::of(log);
        let start = batches.position();
        let mut cut = Cut {
            position: start,
            asked: offset,
            offset,
            before: None,
            behind: None,
            between: Between::Nothing,
        };
        // What the next batch may begin with, and where damage in front of it starts.
        let (mut least, mut damage) = (base, None);
        let mut front: Option<(Position, Batch<'_>)> = None;
        loop {
            let position = batches.position();
            frontier.reach(position, HEADER_BYTES)?;
            if batches.are_checked() {
                frontier.reach_batch(position)?;
            }
            cut.position = position;
            let next = batches.next();
            frontier.reach(batches.position(), HEADER_BYTES)?;
            let batch = match next {
                None => break,
                Some(Ok((_, batch))) if is_in_place(&batch, least, bound, batches.clone()) => batch,
                // An unfinished write is behind everything.
                Some(Err(damaged)) if bound.is_none() && log.is_unfinished_tail(&damaged) => break,
                // Whoever reads the part that it is in finds it again.
                _ => {
                    damage.get_or_insert(position);
                    continue;
                }
            };
            if batch.header.last_offset < offset {
                (least, damage) = (batch.header.last_offset.next(), None);
                front = Some((position, batch));
                continue;
            }
            frontier.reach(position, batch.header.size_bytes)?;
            cut.behind = Some(Neighbour::of(&batch));
            if damage.is_some() {
                cut.between = Between::Damage;
            }
            match first_of(&batch).filter(|first| *first >= least) {
                // Damage in front of it holds nothing from the offset on.
                Some(first) if first <= offset || damage.is_none() => {
                    (cut.offset, damage) = (offset.min(first), None);
                }
                _ => damage = damage.or(Some(position)),
            }
            break;
        }
        if let Some((position, batch)) = front {
            log.ready(position, position.plus(batch.header.size_bytes))?;
            cut.before = Some(Neighbour::of(&batch));
        }
        if let Some(position) = damage {
            (cut.position, cut.offset) = (position, least.min(offset));
            cut.between = Between::DamageAtOffset;
        }
        Ok(cut)
    }

    /// Whether damage may hold the offset that was asked for.
    pub fn is_damaged(&self) -> bool {
        self.between == Between::DamageAtOffset
    }

    /// The offset behind the batch in front of the cut.
    pub fn reached(&self) -> Option<Offset> {
        self.before.map(|before| before.mark.last_offset.next())
    }

    /// Whether a batch, or damage, holds the offset that was asked for and others in front of that.
    pub fn is_within_batch(&self) -> bool {
        self.offset < self.asked
    }

    /// As [`apply`](Cut::apply), in front of and behind the very offset that was asked for: a batch
    /// that holds others on either side is cut in two, and its halves are parts of their own. The
    /// segment behind begins at `bound`.
    ///
    /// # Errors
    /// Damage in that batch. The system's.
    pub fn apply_within_batch(
        &self,
        segment: &Segment,
        bound: Option<Offset>,
    ) -> Result<(Vec<Segment>, Vec<Segment>)> {
        let (front, rest) = self.apply(segment);
        if !self.is_within_batch() {
            return Ok((vec![front], vec![rest]));
        }
        let (mut lower, upper, behind) = self.halves(segment, bound)?;
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
    fn halves(&self, segment: &Segment, bound: Option<Offset>) -> Result<(Segment, Segment, Cut)> {
        let log = segment.log()?;
        let corrupt = |reason: String| Error::corrupt(log.path(), self.position, reason);
        let mut batches = log.batches_from(self.position);
        let next = batches.next().ok_or_else(|| corrupt("its batch is gone".to_owned()))?;
        let (_, batch) = next.map_err(|damaged| corrupt(damaged.flaw.to_string()))?;
        log.ready(self.position, batches.position())?;
        let last = batch.header.last_offset;
        if batch.header.base_offset < self.offset || last < self.asked {
            return Err(corrupt("its offsets are not those behind the batch before it".to_owned()));
        }
        if bound.is_some_and(|bound| last >= bound) {
            return Err(corrupt("its offsets reach into the next segment".to_owned()));
        }
        let (mut decoder, least) = (Decoder::new(), self.offset);
        let sound = batch.check_crc().and_then(|()| check_records(&batch, &mut decoder, least));
        sound.map_err(|flaw| corrupt(flaw.to_string()))?;
        let halves = split(&batch, self.asked, &mut decoder);
        let (lower, upper) = halves.map_err(|error| corrupt(error.to_string()))?;
        let whole = segment.half().map_or(batch.header.base_offset, |half| half.whole);
        let surplus_bytes = (lower.len() + upper.len()) as i64 - batch.header.size_bytes as i64;
        let half = |base: Offset, bytes: Vec<u8>, surplus_bytes: i64| Segment {
            base,
            size_bytes: bytes.len() as u64,
            part: Some(Part {
                half: Some(Half { bytes: Arc::new(bytes), whole, surplus_bytes }),
                ..Part::all_of(segment)
            }),
            ..segment.clone()
        };
        let behind = Cut { position: batches.position(), offset: last.next(), ..*self };
        let lower = half(self.offset, lower, surplus_bytes);
        Ok((lower, half(self.asked, upper, 0), behind))
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

/// Whether the offsets of a batch, which no checksum covers, are those of its place: not in front
/// of `least`, nor in the next segment, nor behind those of the batch that is `next`.
fn is_in_place(
    batch: &Batch<'_>,
    least: Offset,
    bound: Option<Offset>,
    mut next: Batches<'_>,
) -> bool {
    let (first, last) = (batch.header.base_offset, batch.header.last_offset);
    let is_possible = (least..=last).contains(&first) && bound.is_none_or(|bound| last < bound);
    // Only what leaves offsets out is suspicious enough to look further.
    is_possible
        && (first == least || {
            let next = next.next().and_then(Result::ok);
            next.is_none_or(|(_, next)| {
                next.header.base_offset > last || next.header.base_offset < least
            })
        })
}

/// The first offset of a batch; that of a compressed set of magic 0 or 1 is not in its header, and
/// cannot be told if the set is damaged.
fn first_of(batch: &Batch<'_>) -> Option<Offset> {
    if batch.header.is_wrapper() {
        batch.check_crc().ok()?;
    }
    Decoder::new().first_offset(batch)
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
