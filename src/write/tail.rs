//! What is known of a segment before it is written to: every batch is looked at, for nothing is
//! appended behind damage, and the indexes go on only if they are right so far.

use crate::error::{Error, Result};
use crate::format::{Batch, BatchHeader};
use crate::segment::{
    Frontier, Kind, LogFile, OffsetIndex, OffsetIndexBuilder, Segment, TimeEntry, TimeIndex,
    TimeIndexBuilder,
};
use crate::units::{Offset, Position, Timestamp};

/// The end of a segment, to be gone on from.
pub struct Tail {
    /// Where its batches end.
    pub end: Position,
    /// The offset behind the last one.
    pub next_offset: Offset,
    /// The largest timestamp of its first batch, which `segment.ms` counts from.
    pub first_timestamp: Option<Timestamp>,
    /// The leader epoch of its last batch, or -1.
    pub leader_epoch: i32,
    /// Its offset index.
    pub offset_index: OffsetIndexBuilder,
    /// Its time index.
    pub time_index: TimeIndexBuilder,
    /// What an unfinished write left behind the batches.
    pub torn_bytes: u64,
}

impl Tail {
    /// Looks at a segment; `index_interval_bytes` is for indexes that must be built anew.
    ///
    /// # Errors
    /// The system's; the first damage, unless an unfinished write may be cut off the end.
    pub fn of(segment: &Segment, index_interval_bytes: u64, may_cut: bool) -> Result<Tail> {
        let log = segment.log()?;
        let base = segment.base;
        let offsets = segment.read(Kind::Index)?.map(|map| OffsetIndex::parse(&map, base));
        let times = segment.read(Kind::TimeIndex)?.map(|map| TimeIndex::parse(&map, base));
        let mut walk = Walk::of(base, offsets.as_ref(), index_interval_bytes);
        let mut batches = log.checked_batches();
        let mut frontier = Frontier::of(&log);
        let mut torn_bytes = 0;
        while let Some(item) = frontier.next_of(&mut batches)? {
            match item {
                Ok((position, batch)) => walk.batch(&log, position, &batch)?,
                Err(damaged) if may_cut && log.is_unfinished_tail(&damaged) => {
                    torn_bytes = damaged.size_bytes;
                    break;
                }
                Err(damaged) => {
                    let hint = if log.is_unfinished_tail(&damaged) {
                        "an unfinished write; `logcompact repair --truncate --in-place` cuts it \
                         off, and so does --force here"
                    } else {
                        "nothing is written behind damage; see `logcompact repair --help`"
                    };
                    let text = format!("{}: {hint}", damaged.flaw);
                    return Err(Error::corrupt(log.path(), damaged.position, text));
                }
            }
        }
        Ok(walk.end(offsets.as_ref(), times.as_ref(), torn_bytes, index_interval_bytes))
    }
}

/// Whether `entries` are too few where `due` would be. Each time that a log is opened the interval
/// is counted anew, as in a broker, so a few less are nothing; but many small writes must not leave
/// a large segment without an index.
fn is_thin(entries: usize, due: usize) -> bool {
    const FEW: usize = 8;
    due > FEW && 2 * entries < due
}

/// A walk over the batches, beside the entries of the offset index.
struct Walk<'a> {
    base: Offset,
    tail: Tail,
    largest: TimeEntry,
    entries: std::slice::Iter<'a, crate::segment::IndexEntry>,
    is_right: bool,
}

impl<'a> Walk<'a> {
    fn of(base: Offset, offsets: Option<&'a OffsetIndex>, interval_bytes: u64) -> Walk<'a> {
        Walk {
            base,
            tail: Tail {
                end: Position(0),
                next_offset: base,
                first_timestamp: None,
                leader_epoch: -1,
                offset_index: OffsetIndexBuilder::new(base, interval_bytes),
                time_index: TimeIndexBuilder::new(base),
                torn_bytes: 0,
            },
            largest: TimeEntry { timestamp: Timestamp::NONE, offset: base },
            is_right: offsets.is_some_and(|index| index.whole),
            entries: offsets.map_or_else(Default::default, |index| index.entries.iter()),
        }
    }

    fn batch(&mut self, log: &LogFile, position: Position, batch: &Batch<'_>) -> Result<()> {
        let header: &BatchHeader = &batch.header;
        let tail = &mut self.tail;
        let wrong = |text: String| Err(Error::corrupt(log.path(), position, text));
        if let Err(flaw) = batch.check_header() {
            return wrong(format!("{flaw}; nothing is written behind damage"));
        }
        if header.base_offset < tail.next_offset {
            let (base, next) = (header.base_offset, tail.next_offset);
            return wrong(format!("offset {base} where {next} or more was expected"));
        }
        while let Some(entry) = self.entries.as_slice().first()
            && entry.position <= position
        {
            // Older brokers named the last batch of a whole append.
            self.is_right &= entry.position == position && entry.offset >= header.last_offset;
            self.entries.next();
        }
        if header.max_timestamp > self.largest.timestamp {
            self.largest =
                TimeEntry { timestamp: header.max_timestamp, offset: header.last_offset };
        }
        tail.time_index.batch(header.max_timestamp, header.last_offset);
        if tail.offset_index.batch(header.last_offset, position, header.size_bytes) {
            tail.time_index.entry();
        }
        tail.first_timestamp.get_or_insert(header.max_timestamp);
        tail.leader_epoch = if header.magic < 2 { -1 } else { header.leader_epoch };
        tail.next_offset = header.last_offset.next();
        tail.end = position.plus(header.size_bytes);
        Ok(())
    }

    /// Takes the indexes as they are if they are right, and not much thinner than ours.
    fn end(
        self,
        offsets: Option<&OffsetIndex>,
        times: Option<&TimeIndex>,
        torn_bytes: u64,
        interval_bytes: u64,
    ) -> Tail {
        let mut tail = Tail { torn_bytes, ..self.tail };
        let (Some(offsets), Some(times)) = (offsets, times) else { return tail };
        let base = self.base;
        let is_within = |offset: Offset| offset < tail.next_offset;
        let offsets_are_right = self.is_right
            && self.entries.as_slice().is_empty()
            && offsets.entries.last().is_none_or(|entry| is_within(entry.offset))
            && !is_thin(offsets.entries.len(), tail.offset_index.entries());
        let rises = times.entries.windows(2).all(|pair| match pair {
            [one, other] => one.timestamp < other.timestamp && one.offset <= other.offset,
            _ => true,
        });
        let times_are_right = times.whole
            && rises
            && times.entries.last().is_none_or(|entry| {
                entry.timestamp <= self.largest.timestamp && is_within(entry.offset)
            });
        if offsets_are_right && times_are_right {
            tail.offset_index = OffsetIndexBuilder::resume(base, interval_bytes, &offsets.entries);
            tail.time_index = TimeIndexBuilder::resume(base, &times.entries, self.largest);
        }
        tail
    }
}
