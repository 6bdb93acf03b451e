//! The header walk: one look at every batch header of a segment, no bodies.
//!
//! It finds how far the segment reaches, cuts it into chunks at batch borders for the parallel
//! work that follows, and lists what transactions and producers did. Bodies, checksums and records
//! are read later, chunk by chunk.
//!
//! Where damage is to be lived with, everything is checked first, and chunks are cut around the
//! damage: nothing that follows ever sees it.

use std::collections::HashMap;

use crate::error::Result;
use crate::format::{Batch, BatchHeader, Decoder, Flaw};
use crate::segment::{
    Damaged, Examined, Frontier, LogFile, Segment, TxnBatch, TxnsOfSegment, with_help,
};
use crate::units::{Offset, Position, Timestamp};

/// A stretch of whole batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where the damage right in front of it starts; where the chunk starts if there is none.
    pub damage_start: Position,
    /// Where its first batch starts.
    pub start: Position,
    /// Where the batch behind its last starts.
    pub end: Position,
    /// The least offset that its first batch may begin at.
    pub least: Offset,
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
    /// Headers that cannot be believed; if all was checked, everything that is damaged.
    pub damage: Vec<Damaged>,
    /// Records of damaged batches, as far as their headers can be believed.
    pub damaged_records: u64,
    /// The damaged batches that can still be read as markers of transactions.
    pub legible_markers: Vec<TxnBatch>,
    /// The offset behind what damage at its end claims to hold, if that can be believed.
    pub claimed_end: Option<Offset>,
}

/// How segments are walked.
#[derive(Clone, Copy, Debug)]
pub struct Walking {
    /// Producers are followed from here on.
    pub replay_from: Offset,
    /// About how much log a chunk is.
    pub chunk_bytes: u64,
    /// Check everything, and cut chunks around damage.
    pub around_damage: bool,
    /// The log was once known to reach this far: what ends below it did not end there by an
    /// unfinished write.
    pub least_end: Offset,
}

impl Survey {
    /// Walks one segment; `bound` is the base of the segment behind it. The active one has none,
    /// and may have a torn tail.
    ///
    /// # Errors
    /// The system's; damage is listed, not an error.
    pub fn take(segment: &Segment, bound: Option<Offset>, walking: &Walking) -> Result<Survey> {
        let log = segment.log()?;
        let walked = with_help(&log, |frontier| -> Result<Walk> {
            let Walking { replay_from, chunk_bytes, around_damage, .. } = *walking;
            let chunk_least = segment.base;
            let start = log.start();
            let mut walk = Walk {
                end: start,
                chunk_start: start,
                damage_start: start,
                chunk_bytes,
                chunk_least,
                ..Walk::default()
            };
            if around_damage {
                walk.around_damage(&log, replay_from, bound)?;
            } else {
                walk.all(&log, frontier, replay_from, bound)?;
            }
            Ok(walk)
        })?;
        let may_be_torn =
            bound.is_none() && walked.next_offset.unwrap_or(segment.base) >= walking.least_end;
        Ok(walked.into_survey(segment.clone(), log, may_be_torn))
    }

    /// Its transactional batches, to put stand-ins among them.
    pub fn txns(&mut self) -> TxnsOfSegment<'_> {
        TxnsOfSegment {
            base: self.segment.base,
            batches: &mut self.txn_batches,
            damage: &self.damage,
            legible: &self.legible_markers,
        }
    }

    /// Where its batches, and the damage among and behind them, end.
    pub fn reach(&self) -> Position {
        let behind = self.damage.last().map(|damaged| damaged.end());
        behind.map_or(self.end, |behind| behind.max(self.end))
    }

    /// How many bytes of log that is.
    pub fn size_bytes(&self) -> u64 {
        self.reach().0.saturating_sub(self.log.start().0)
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
    damaged_records: u64,
    legible_markers: Vec<TxnBatch>,
    claimed_end: Option<Offset>,
    damage_start: Position,
}

impl Walk {
    fn around_damage(
        &mut self,
        log: &LogFile,
        replay_from: Offset,
        bound: Option<Offset>,
    ) -> Result<()> {
        let mut decoder = Decoder::new();
        let examined = Examined::of(log, bound, &mut decoder)?;
        for sound in &examined.batches {
            let rest = log.bytes().get(sound.position.index()..).unwrap_or_default();
            let Ok(batch) = Batch::parse(rest) else { continue };
            self.skip_to(sound.position);
            self.take(sound.position, &batch, replay_from, &mut decoder);
        }
        self.damage = examined.damage;
        self.damaged_records = examined.damaged_records;
        self.legible_markers = examined.legible_markers;
        self.claimed_end = examined.claimed_end;
        Ok(())
    }

    /// Ends the chunk if there is something between what was taken and `at`.
    fn skip_to(&mut self, at: Position) {
        if at > self.end {
            self.cut(self.end);
            self.damage_start = self.end;
            self.chunk_start = at;
        }
    }

    fn cut(&mut self, end: Position) {
        if end > self.chunk_start || self.chunk_start > self.damage_start {
            let (damage_start, start) = (self.damage_start, self.chunk_start);
            let (end, least) = (end.max(start), self.chunk_least);
            self.chunks.push(Chunk { damage_start, start, end, least });
        }
        (self.damage_start, self.chunk_start) = (end, end);
        self.chunk_least = self.next_offset.unwrap_or(self.chunk_least);
    }

    fn all(
        &mut self,
        log: &LogFile,
        mut frontier: Frontier<'_>,
        replay_from: Offset,
        bound: Option<Offset>,
    ) -> Result<()> {
        const HEADER_REACH_BYTES: usize = 64 << 10;
        let mut decoder = Decoder::new();
        let mut batches = log.batches();
        loop {
            frontier.reach(batches.position(), HEADER_REACH_BYTES)?;
            let Some(item) = batches.next() else { return Ok(()) };
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
            self.cut(at);
        }
        self.end = at.plus(header.size_bytes);
        self.next_offset = Some(header.last_offset.next());
        self.txn_batches.extend(TxnBatch::of(at, batch, decoder));
        if header.producer_id >= 0 && header.base_offset >= replay_from {
            self.producer(header);
        }
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

    fn into_survey(mut self, segment: Segment, log: LogFile, may_be_torn: bool) -> Survey {
        let is_tail = |damaged: &Damaged| log.is_unfinished_tail(damaged);
        let has_tail = may_be_torn && self.damage.last().is_some_and(is_tail);
        let torn_tail = if has_tail { self.damage.pop() } else { None };
        let end = self.end;
        // Damage behind the last batch is in front of a chunk that has none.
        if let Some(behind) = self.damage.last().map(Damaged::end).filter(|behind| *behind > end) {
            self.skip_to(behind);
            self.cut(behind);
        } else {
            self.cut(end);
        }
        Survey {
            end,
            next_offset: self.next_offset.unwrap_or(segment.base),
            batches: self.batches,
            records: self.records,
            largest_timestamp: self.largest_timestamp.unwrap_or(Timestamp::NONE),
            first_batch_timestamp: self.first_batch_timestamp.unwrap_or(Timestamp::NONE),
            chunks: self.chunks,
            txn_batches: self.txn_batches,
            producers: self.producers,
            torn_tail,
            damage: self.damage,
            damaged_records: self.damaged_records,
            legible_markers: self.legible_markers,
            claimed_end: self.claimed_end,
            segment,
            log,
        }
    }
}
