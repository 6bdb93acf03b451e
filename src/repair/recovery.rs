//! Where Kafka's recovery cuts a log (`LogSegment.recover`, `LogLoader.recoverLog`), which is not
//! in front of all damage.
//!
//! 1. It checks of each batch that it is whole, that its checksum holds, and that an index entry of
//!    the segment could name its last offset. Neither records nor the order of offsets are looked
//!    at, and a magic that there is none of is taken for 2.
//! 2. While it builds the indexes, an entry that does not rise makes it empty the segment.
//! 3. Segments behind one that was cut go.

use crate::format::{Batch, BatchHeader, MAGIC_AT};
use crate::segment::{LogFile, Sound, claimed_records};
use crate::units::{Offset, Position, Timestamp};

/// What Kafka's recovery leaves of a segment's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The batches that stay.
    pub batches: Vec<Sound>,
    /// Where it is cut; its end, if it is not.
    pub end: Position,
    /// Why, if that is not to be seen from the bytes that lie there.
    pub reason: Option<&'static str>,
}

impl Recovered {
    /// Of `log`, with an index entry every `interval_bytes`.
    pub fn of(log: &LogFile, interval_bytes: u64) -> Recovered {
        let mut recovered = Recovered { batches: Vec::new(), end: log.start(), reason: None };
        let mut indexes = Indexes::default();
        let mut batches = log.checked_batches().up_to_damage();
        while let Some(item) = batches.next() {
            let (position, header) = match item {
                Ok((position, batch)) => (position, batch.header),
                Err(damaged) => {
                    let Some(header) = of_later_magic(log, damaged.position) else { break };
                    let behind = damaged.position.plus(header.size_bytes);
                    batches = log.batches_from(behind).checked().up_to_damage();
                    (damaged.position, header)
                }
            };
            let header = &header;
            let distance = header.last_offset.distance_from(log.base());
            if !(0..=i64::from(i32::MAX)).contains(&distance) {
                // With such an offset a broker does not start at all.
                recovered.reason = Some("its offsets are none that its segment can have");
                return recovered;
            }
            let is_due = position.0.saturating_sub(indexes.entry_at.0) > interval_bytes;
            if !indexes.batch(header, is_due.then_some(position)) {
                return Recovered::emptied(log);
            }
            recovered.batches.push(taken_at_its_word(position, header));
            recovered.end = position.plus(header.size_bytes);
        }
        if indexes.time() { recovered } else { Recovered::emptied(log) }
    }

    fn emptied(log: &LogFile) -> Recovered {
        let reason =
            "its offsets go back behind an entry of its index, so that a broker empties it";
        Recovered { batches: Vec::new(), end: log.start(), reason: Some(reason) }
    }
}

/// The header of the batch at `position` if its magic is none that there is and it is sound as one
/// of magic 2, which is how Kafka reads it: no checksum covers the magic. Of its records nobody can
/// tell.
fn of_later_magic(log: &LogFile, position: Position) -> Option<BatchHeader> {
    let rest = log.bytes().get(position.index()..)?;
    let mut bytes = rest.get(..Batch::claimed_size(rest)?)?.to_vec();
    let magic = bytes.get_mut(MAGIC_AT).filter(|magic| (3..=0x7f).contains(*magic))?;
    *magic = 2;
    let batch = Batch::parse(&bytes).ok().filter(|batch| batch.check_crc().is_ok())?;
    Some(BatchHeader { record_count: 0, ..batch.header })
}

fn taken_at_its_word(position: Position, header: &BatchHeader) -> Sound {
    Sound {
        position,
        size_bytes: header.size_bytes,
        base_offset: header.base_offset,
        last_offset: header.last_offset,
        max_timestamp: header.max_timestamp,
        records: claimed_records(header),
    }
}

/// The last entries of the indexes that are being built (`OffsetIndex.append`,
/// `TimeIndex.maybeAppend`).
struct Indexes {
    entry_at: Position,
    indexed: Option<Offset>,
    /// The largest timestamp so far, and the last offset of its batch.
    largest: (Timestamp, Offset),
    timed: Option<(Timestamp, Offset)>,
}

impl Default for Indexes {
    fn default() -> Indexes {
        let largest = (Timestamp::NONE, Offset(-1));
        Indexes { entry_at: Position(0), indexed: None, largest, timed: None }
    }
}

impl Indexes {
    /// Goes on with a batch, which is to get an entry if it is said where it lies; whether the
    /// entry rises.
    fn batch(&mut self, header: &BatchHeader, entry_at: Option<Position>) -> bool {
        if header.max_timestamp > self.largest.0 {
            self.largest = (header.max_timestamp, header.last_offset);
        }
        let Some(position) = entry_at else { return true };
        if self.indexed.is_some_and(|indexed| header.last_offset <= indexed) {
            return false;
        }
        self.indexed = Some(header.last_offset);
        self.entry_at = position;
        self.time()
    }

    /// Puts an entry into the time index, if there is a larger timestamp; whether its offset rises.
    fn time(&mut self) -> bool {
        let (timestamp, offset) = self.largest;
        if self.timed.is_some_and(|(_, last)| offset < last) {
            return false;
        }
        let last = self.timed.map_or(Timestamp::NONE, |(last, _)| last);
        if timestamp > last {
            self.timed = Some((timestamp, offset));
        }
        true
    }
}
