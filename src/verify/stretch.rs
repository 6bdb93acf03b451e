//! Stretches of a log: a quarter megabyte of whole batches, each of which can be checked alone.
//!
//! Cutting follows the lengths only, which damage can mislead. So checking a stretch says where it
//! arrived, and the stretch behind counts only if it begins there.

use std::cell::RefCell;

use super::batches::{self, BatchFacts, Wrong};
use super::index_entries::IndexedBatch;
use super::rounds::{KeySum, Known};
use super::sequences::Sent;
use super::transactions::Step;
use super::windows::Sight;
use crate::format::{Batch, BatchHeader, Control, Decoder};
use crate::segment::{Damaged, LogFile};
use crate::units::{Offset, Position};

/// How many bytes a stretch has at least: enough to make handing it to a thread cheap, few enough
/// that its bytes stay in that thread's cache.
pub const STRETCH_BYTES: usize = 256 << 10;

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

/// What was seen in a stretch, in log order. Batches can be as small as a record, so what all of
/// them have is kept small, and what few have apart.
#[derive(Debug, Default)]
pub struct Seen {
    /// How many batches have a checksum that holds.
    pub batches: u64,
    /// How many records are in them.
    pub records: u64,
    /// The batches that can be read to their end.
    pub read: Vec<ReadBatch>,
    /// What producers did in those of them that say so.
    pub produced: Vec<Produced>,
    /// What is amiss, and how many batches of `read` come before it.
    pub amiss: Vec<(usize, Amiss)>,
    /// The sum of keyed records in those that can be read, if that is asked for.
    pub keys: KeySum,
    /// Where the first batch behind the stretch starts.
    pub arrived: Position,
}

/// A batch that can be read to its end.
#[derive(Clone, Copy, Debug)]
pub struct ReadBatch {
    /// Where it is.
    pub place: IndexedBatch,
    /// Its leader's epoch, or -1.
    pub leader_epoch: i32,
    /// Whether the next of [`Seen::produced`] is about it.
    pub has_producer: bool,
}

/// What a batch is to its producer.
#[derive(Clone, Copy, Debug)]
pub struct Produced {
    /// Which producer.
    pub id: i64,
    /// What it sent.
    pub sent: Sent,
    /// What the batch is to a transaction.
    pub step: Option<Step>,
}

/// Something that is wrong in itself.
#[derive(Debug)]
pub enum Amiss {
    /// With the batch at a position, whose first offset is said to be this.
    Wrong(Position, Offset, Wrong),
    /// There is no batch, or not one whose checksum holds.
    Damaged(Damaged),
}

/// Cuts at most `most` stretches from `start` on; the last one ends where a length cannot be
/// believed.
pub fn cut(log: &LogFile, start: Position, most: usize) -> Vec<Stretch> {
    let bytes = log.bytes();
    let mut stretches = Vec::new();
    let mut start = start;
    while stretches.len() < most && start.index() < bytes.len() {
        let mut end = start;
        let mut is_sound = true;
        while is_sound && end.index() - start.index() < STRETCH_BYTES {
            let size_bytes = bytes.get(end.index()..).and_then(Batch::claimed_size);
            is_sound = size_bytes.is_some();
            end = end.plus(size_bytes.unwrap_or_default());
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
/// `known` is by what keyed records are summed, if they are to be.
pub fn check(log: &LogFile, stretch: Stretch, known: Option<&Known>) -> Seen {
    let mut seen = Seen::default();
    let mut items = log.batches_from(stretch.start).until(stretch.end).checked();
    DECODER.with_borrow_mut(|decoder| {
        let mut wrong = Vec::new();
        for item in items.by_ref() {
            let (position, batch) = match item {
                Ok(found) => found,
                Err(damaged) => {
                    seen.amiss.push((seen.read.len(), Amiss::Damaged(damaged)));
                    continue;
                }
            };
            let header = &batch.header;
            seen.batches += 1;
            let facts = batches::read(&batch, decoder, known, &mut wrong);
            for wrong in wrong.drain(..) {
                let amiss = Amiss::Wrong(position, header.base_offset, wrong);
                seen.amiss.push((seen.read.len(), amiss));
            }
            if let Some(facts) = facts {
                seen.keys.add(&facts.keys);
                seen.add(position, header, &facts);
            }
        }
    });
    seen.arrived = items.position();
    seen
}

impl Sight for Seen {
    fn arrived(&self) -> Position {
        self.arrived
    }
}

impl Seen {
    fn add(&mut self, position: Position, header: &BatchHeader, facts: &BatchFacts) {
        self.records += facts.records;
        let sent = Sent::of(header);
        let step = match (facts.control, header.is_control()) {
            (Some(Control::Commit), _) => Some(Step::Commit),
            (Some(Control::Abort), _) => Some(Step::Abort),
            (_, false) if header.is_transactional() => Some(Step::Data),
            _ => None,
        };
        let has_producer = sent.is_some();
        if let Some(sent) = sent {
            self.produced.push(Produced { id: header.producer_id, sent, step });
        }
        let place = IndexedBatch {
            position,
            base_offset: facts.base_offset,
            last_offset: header.last_offset,
            max_timestamp: header.max_timestamp,
        };
        self.read.push(ReadBatch { place, leader_epoch: header.leader_epoch, has_producer });
    }
}
