//! The header walk: one look at every batch header of a segment, no bodies.
//!
//! It finds how far the segment reaches, cuts it into chunks at batch borders for the parallel
//! work that follows, and lists what transactions and producers did. Bodies, checksums and records
//! are read later, chunk by chunk.

use std::collections::HashMap;

use crate::error::Result;
use crate::format::{Batch, BatchHeader, Control, Decoder, Flaw};
use crate::segment::{Damaged, Kind, LogFile, Segment};
use crate::units::{Offset, Position, Timestamp};

/// A stretch of whole batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where its first batch starts.
    pub start: Position,
    /// Where the batch behind its last starts.
    pub end: Position,
    /// The least offset that its first batch may begin at.
    pub least: Offset,
}

/// What a batch of a transaction, or a marker, is to its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxnBatchKind {
    /// Data.
    Data,
    /// The end, as a success.
    Commit,
    /// The end, as a failure.
    Abort,
    /// A control batch that lost its record in an earlier cleaning.
    EmptiedControl,
    /// A control batch that ends no transaction.
    OtherControl,
}

/// A transactional or control batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxnBatch {
    /// Where it starts.
    pub position: Position,
    /// Its first offset.
    pub base_offset: Offset,
    /// Its last offset.
    pub last_offset: Offset,
    /// Whose it is.
    pub producer_id: i64,
    /// What it is.
    pub kind: TxnBatchKind,
}

/// What one stretch of log says of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSeen {
    /// Its epoch at the end.
    pub epoch: i16,
    /// Last offset of its last data batch in that epoch, if the stretch has one.
    pub last_data_offset: Option<Offset>,
    /// Whether the epoch began within the stretch, so that nothing before it counts.
    pub epoch_began_here: bool,
    /// Timestamp of its last batch.
    pub timestamp: Timestamp,
}

impl LastSeen {
    /// What is known after `earlier` and then `self`.
    pub fn after(self, earlier: LastSeen) -> LastSeen {
        let same_epoch = !self.epoch_began_here && self.epoch == earlier.epoch;
        LastSeen {
            last_data_offset: match self.last_data_offset {
                None if same_epoch => earlier.last_data_offset,
                known => known,
            },
            epoch_began_here: earlier.epoch_began_here || !same_epoch,
            ..self
        }
    }
}

/// What the header walk found in one segment.
pub struct Survey {
    /// The segment.
    pub segment: Segment,
    /// Its log, mapped.
    pub log: LogFile,
    /// The whole batches end here; behind it lies at most a torn tail.
    pub end: Position,
    /// The offset behind the last batch; the base if there is none.
    pub next_offset: Offset,
    /// Number of batches.
    pub batches: u64,
    /// Number of records, as far as headers tell: sets of magic 0 and 1 count as one.
    pub records: u64,
    /// The largest timestamp in any header, or -1.
    pub largest_timestamp: Timestamp,
    /// The largest timestamp in the first header, or -1.
    pub first_batch_timestamp: Timestamp,
    /// The batches in stretches, each a task.
    pub chunks: Vec<Chunk>,
    /// Transactional and control batches, in order.
    pub txn_batches: Vec<TxnBatch>,
    /// What it says of each producer, from `replay_from` on.
    pub producers: HashMap<i64, LastSeen>,
    /// An unfinished write at the end of the active segment, or preallocated space.
    pub torn_tail: Option<Damaged>,
    /// Headers that cannot be believed.
    pub damage: Vec<Damaged>,
}

impl Survey {
    /// Walks one segment and cuts it into chunks of about `chunk_bytes`. Producers are followed
    /// from `replay_from` on; `is_active` allows a torn tail; `bound` is the base of the segment
    /// behind it.
    ///
    /// # Errors
    /// The system's; damage is listed, not an error.
    pub fn take(
        segment: &Segment,
        replay_from: Offset,
        is_active: bool,
        bound: Option<Offset>,
        chunk_bytes: u64,
    ) -> Result<Survey> {
        let log = LogFile::open(&segment.path(Kind::Log), segment.base)?;
        let walked = log.ahead_of(|| {
            let mut walk = Walk { chunk_bytes, chunk_least: segment.base, ..Walk::default() };
            walk.all(&log, replay_from, bound);
            walk
        });
        Ok(walked.into_survey(segment.clone(), log, is_active))
    }

    /// The segment's largest timestamp as Kafka's age rules see it: that of its records, or the
    /// file's modification time if they have none (`LogSegment.largestTimestamp`).
    pub fn age_timestamp(&self) -> Timestamp {
        if self.largest_timestamp.0 >= 0 {
            return self.largest_timestamp;
        }
        modified_ms(&self.segment)
    }
}

/// The modification time of a segment's log, in ms.
pub fn modified_ms(segment: &Segment) -> Timestamp {
    let since_epoch = segment.modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

fn check_order(
    header: &BatchHeader,
    base: Offset,
    next_offset: Option<Offset>,
    bound: Option<Offset>,
) -> Result<(), Flaw> {
    if header.base_offset < next_offset.unwrap_or(base) {
        return Err(Flaw::Header("its offsets are not above those of the batch before it"));
    }
    if bound.is_some_and(|bound| header.last_offset >= bound) {
        return Err(Flaw::Header("its offsets reach into the next segment"));
    }
    Ok(())
}

/// The walk's running state.
#[derive(Default)]
struct Walk {
    end: Position,
    next_offset: Option<Offset>,
    batches: u64,
    records: u64,
    largest_timestamp: Option<Timestamp>,
    first_batch_timestamp: Option<Timestamp>,
    chunk_bytes: u64,
    chunks: Vec<Chunk>,
    chunk_start: Position,
    chunk_least: Offset,
    txn_batches: Vec<TxnBatch>,
    producers: HashMap<i64, LastSeen>,
    damage: Vec<Damaged>,
}

impl Walk {
    fn all(&mut self, log: &LogFile, replay_from: Offset, bound: Option<Offset>) {
        let mut decoder = Decoder::new();
        for item in log.batches() {
            match item {
                Ok((position, batch)) => {
                    let order = batch.check_header().and_then(|()| {
                        check_order(&batch.header, log.base(), self.next_offset, bound)
                    });
                    if let Err(flaw) = order {
                        let size_bytes = batch.header.size_bytes as u64;
                        self.damage.push(Damaged { position, size_bytes, flaw });
                    }
                    self.take(position, &batch, replay_from, &mut decoder);
                }
                Err(damaged) => self.damage.push(damaged),
            }
        }
    }

    fn take(
        &mut self,
        at: Position,
        batch: &Batch<'_>,
        replay_from: Offset,
        decoder: &mut Decoder,
    ) {
        let header = &batch.header;
        self.batches += 1;
        self.records += u64::try_from(header.record_count).unwrap_or(1);
        self.largest_timestamp = self.largest_timestamp.max(Some(header.max_timestamp));
        self.first_batch_timestamp.get_or_insert(header.max_timestamp);
        if at.0 - self.chunk_start.0 >= self.chunk_bytes {
            self.close_chunk(at);
        }
        self.end = at.plus(header.size_bytes);
        self.next_offset = Some(header.last_offset.next());
        if header.is_control() || header.is_transactional() {
            self.txn_batches.push(TxnBatch {
                position: at,
                base_offset: header.base_offset,
                last_offset: header.last_offset,
                producer_id: header.producer_id,
                kind: kind_of(batch, decoder),
            });
        }
        if header.producer_id >= 0 && header.base_offset >= replay_from {
            self.producer(header);
        }
    }

    fn close_chunk(&mut self, end: Position) {
        self.chunks.push(Chunk { start: self.chunk_start, end, least: self.chunk_least });
        self.chunk_start = end;
        self.chunk_least = self.next_offset.unwrap_or_default();
    }

    fn producer(&mut self, header: &BatchHeader) {
        let seen = LastSeen {
            epoch: header.producer_epoch,
            last_data_offset: (!header.is_control()).then_some(header.last_offset),
            epoch_began_here: false,
            timestamp: header.max_timestamp,
        };
        self.producers
            .entry(header.producer_id)
            .and_modify(|earlier| *earlier = seen.after(*earlier))
            .or_insert(seen);
    }

    fn into_survey(mut self, segment: Segment, log: LogFile, is_active: bool) -> Survey {
        if self.end > self.chunk_start {
            self.close_chunk(self.end);
        }
        let is_tail = |damaged: &Damaged| log.is_unfinished_tail(damaged);
        let has_tail = is_active && self.damage.last().is_some_and(is_tail);
        Survey {
            end: self.end,
            next_offset: self.next_offset.unwrap_or(segment.base),
            batches: self.batches,
            records: self.records,
            largest_timestamp: self.largest_timestamp.unwrap_or(Timestamp::NONE),
            first_batch_timestamp: self.first_batch_timestamp.unwrap_or(Timestamp::NONE),
            chunks: self.chunks,
            txn_batches: self.txn_batches,
            producers: self.producers,
            torn_tail: if has_tail { self.damage.pop() } else { None },
            damage: self.damage,
            segment,
            log,
        }
    }
}

fn kind_of(batch: &Batch<'_>, decoder: &mut Decoder) -> TxnBatchKind {
    if !batch.header.is_control() {
        return TxnBatchKind::Data;
    }
    if batch.header.record_count == 0 {
        return TxnBatchKind::EmptiedControl;
    }
    // What cannot be read here is found again, and reported, when the chunk's records are read.
    let first = decoder.records(batch).ok().and_then(|mut records| records.next()?.ok());
    match first.and_then(|record| Control::of_key(record.key)) {
        Some(Control::Commit) => TxnBatchKind::Commit,
        Some(Control::Abort) => TxnBatchKind::Abort,
        _ => TxnBatchKind::OtherControl,
    }
}
