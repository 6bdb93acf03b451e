//! Stretches of a log: a quarter megabyte of whole batches, each of which can be checked alone.
//!
//! Cutting follows headers only, which damage can mislead. So checking a stretch says where it
//! arrived, and the stretch behind counts only if it begins there.

use std::cell::RefCell;

use super::batches::{self, BatchFacts, Wrong};
use crate::format::{BatchHeader, Decoder};
use crate::segment::{Damaged, LogFile};
use crate::units::{Offset, Position};

/// How many bytes a stretch has at least: enough to make handing it to a thread cheap, few enough
/// that its bytes stay in that thread's cache.
const STRETCH_BYTES: usize = 256 << 10;

thread_local! {
    static DECODER: RefCell<Decoder> = RefCell::new(Decoder::new());
}

/// The batches that start in a range of positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Where the first of them starts.
    pub start: Position,
    /// Where the first one that is not among them would start at the earliest.
    pub end: Position,
}

/// What was seen in a stretch, in log order.
#[derive(Debug)]
pub struct Seen {
    /// Batches whose checksum holds.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// What has to be looked at beside what is around it.
    pub events: Vec<Event>,
    /// Where the first batch behind the stretch starts.
    pub arrived: Position,
}

/// One thing that was seen.
#[derive(Debug)]
pub enum Event {
    /// A batch that can be read to its end.
    Batch(Position, BatchHeader, BatchFacts),
    /// Something is wrong with the batch at a position, whose first offset is said to be this.
    Wrong(Position, Offset, Wrong),
    /// There is no batch, or not one whose checksum holds.
    Damaged(Damaged),
}

/// Cuts at most `most` stretches from `start` on; the last one ends where a header cannot be
/// believed.
pub fn cut(log: &LogFile, start: Position, most: usize) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let mut headers = log.batches_from(start);
    let mut start = start;
    while stretches.len() < most && start.index() < log.bytes().len() {
        let mut end = start;
        let mut is_sound = true;
        while is_sound && end.index() - start.index() < STRETCH_BYTES {
            is_sound = matches!(headers.next(), Some(Ok(_)));
            if is_sound {
                end = headers.position();
            }
        }
        // Damage right at the start is a stretch of its own: who checks it finds the way on.
        stretches.push(Stretch { start, end: end.max(start.plus(1)) });
        if !is_sound {
            break;
        }
        start = end;
    }
    stretches
}

/// The stretch that begins at `start`, for who checks one after the other and needs no cuts.
pub fn next(log: &LogFile, start: Position) -> Option<Stretch> {
    let is_left = start.index() < log.bytes().len();
    is_left.then(|| Stretch { start, end: start.plus(STRETCH_BYTES) })
}

/// Reads a stretch: checksums, bodies, records, and everything else that a batch shows alone.
pub fn check(log: &LogFile, stretch: Stretch) -> Seen {
    let (mut batches, mut records) = (0, 0);
    let mut events = Vec::new();
    let mut items = log.batches_from(stretch.start).until(stretch.end).checked();
    DECODER.with_borrow_mut(|decoder| {
        let mut wrong = Vec::new();
        for item in items.by_ref() {
            let (position, batch) = match item {
                Ok(found) => found,
                Err(damaged) => {
                    events.push(Event::Damaged(damaged));
                    continue;
                }
            };
            let header = &batch.header;
            batches += 1;
            let facts = batches::read(&batch, decoder, &mut wrong);
            let base = header.base_offset;
            events.extend(wrong.drain(..).map(|wrong| Event::Wrong(position, base, wrong)));
            if let Some(facts) = facts {
                records += facts.records;
                events.push(Event::Batch(position, *header, facts));
            }
        }
    });
    Seen { batches, records, events, arrived: items.position() }
}
