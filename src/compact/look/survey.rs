//! What the headers of a segment say: how far it reaches, how it is cut into chunks for the
//! parallel work that follows, what transactions and producers did.
//!
//! Bodies, checksums and records are read later, chunk by chunk.

use std::collections::HashMap;

use super::walk::Walk;
use crate::error::Result;
use crate::segment::{Damaged, LogFile, Segment, TxnBatch, TxnsOfSegment};
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
    /// Whether some are of magic 0 or 1, or hold no records: such rarely stay as they are.
    pub has_odd_batches: bool,
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
    /// Records of damaged batches, as far as their headers can be believed, and of what goes with
    /// them.
    pub damaged_records: u64,
    /// The damaged batches that can still be read as markers of transactions.
    pub legible_markers: Vec<TxnBatch>,
    /// Where damage lies in which other markers may have been.
    pub untold: Vec<Position>,
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
        let walked = Walk::of(segment, &log, bound, walking)?;
        let may_be_torn =
            bound.is_none() && walked.next_offset.unwrap_or(segment.base) >= walking.least_end;
        Ok(walked.into_survey(segment.clone(), log, may_be_torn))
    }

    /// Its transactional batches, to put stand-ins among them.
    pub fn txns(&mut self) -> TxnsOfSegment<'_> {
        TxnsOfSegment {
            base: self.segment.base,
            batches: &mut self.txn_batches,
            untold: &self.untold,
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
