//! What is kept of a segment: which of its batches, and what is lost with the others.

use std::ops::Range;

use crate::report::Damage;
use crate::segment::{Damaged, Examined, FileName, Kind, LogFile, Segment, Sound};
use crate::units::{Offset, Position};

/// A segment and those of its batches that stay.
pub struct Kept {
    /// The segment.
    pub segment: Segment,
    /// Its log.
    pub log: LogFile,
    /// The batches that stay, where they lie now.
    pub batches: Vec<Sound>,
    /// What does not stay.
    pub lost: Lost,
}

/// What does not stay.
#[derive(Default)]
pub struct Lost {
    /// Byte ranges with the reasons.
    pub ranges: Vec<Damage>,
    /// Bytes in them.
    pub bytes: u64,
    /// Records in them, as far as that can be known.
    pub records: u64,
}

impl Lost {
    /// Adds what is lost elsewhere.
    pub fn append(&mut self, other: Lost) {
        self.ranges.extend(other.ranges);
        self.bytes += other.bytes;
        self.records += other.records;
    }
}

impl Kept {
    /// All batches of an examined segment; of its damage nothing is said yet.
    pub fn all(segment: &Segment, log: LogFile, batches: Vec<Sound>) -> Kept {
        Kept { segment: segment.clone(), log, batches, lost: Lost::default() }
    }

    /// The name of the log.
    pub fn name(&self) -> String {
        FileName::new(self.segment.base, Kind::Log).to_string()
    }

    /// Lists a range as lost.
    pub fn lose(&mut self, damaged: &Damaged, action: &'static str) {
        self.lose_range(damaged.position, damaged.size_bytes, damaged.flaw.to_string(), action);
    }

    /// Gives up the damage of `examined`, which lies between the batches that stay.
    pub fn skip(&mut self, examined: &Examined) {
        examined.damage.iter().for_each(|damaged| self.lose(damaged, "dropped"));
        self.lost.records += examined.damaged_records;
    }

    /// Gives up everything from the first damage of `examined` on; false if there is none.
    pub fn truncate(&mut self, examined: &Examined) -> bool {
        let Some(first) = examined.damage.first() else { return false };
        let stay = self.batches.partition_point(|batch| batch.position < first.position);
        let sound: u64 = self.batches.drain(stay..).map(|batch| batch.records).sum();
        let size_bytes = (self.log.bytes().len() as u64).saturating_sub(first.position.0);
        self.lose_range(first.position, size_bytes, first.flaw.to_string(), "cut off");
        self.lost.records += sound + examined.damaged_records;
        true
    }

    /// Gives up the whole segment, which lies behind damage.
    pub fn give_up(&mut self, examined: &Examined) {
        let sound: u64 = self.batches.drain(..).map(|batch| batch.records).sum();
        let size_bytes = self.log.bytes().len() as u64;
        let reason = "it lies behind the damage".to_owned();
        self.lose_range(Position(0), size_bytes, reason, "removed with its segment");
        self.lost.records += sound + examined.damaged_records;
    }

    /// Gives up one sound batch.
    pub fn drop_batch(&mut self, position: Position, reason: &str) {
        let Some(at) = self.batches.iter().position(|batch| batch.position == position) else {
            return;
        };
        let batch = self.batches.remove(at);
        self.lose_range(position, batch.size_bytes as u64, reason.to_owned(), "dropped");
        self.lost.records += batch.records;
    }

    /// The batches that stay as ranges of the log, neighbours as one.
    pub fn spans(&self) -> Vec<Range<usize>> {
        let mut spans: Vec<Range<usize>> = Vec::new();
        for batch in &self.batches {
            let (start, end) =
                (batch.position.index(), batch.position.plus(batch.size_bytes).index());
            match spans.last_mut() {
                Some(span) if span.end == start => span.end = end,
                _ => spans.push(start..end),
            }
        }
        spans
    }

    /// Whether the log stays as it is.
    pub fn is_whole(&self) -> bool {
        match self.spans().as_slice() {
            [] => self.log.bytes().is_empty(),
            [all] => *all == (0..self.log.bytes().len()),
            _ => false,
        }
    }

    /// The offset behind the last batch that stays, or the base.
    pub fn next_offset(&self) -> Offset {
        self.batches.last().map_or(self.segment.base, |batch| batch.last_offset.next())
    }

    fn lose_range(&mut self, position: Position, size: u64, reason: String, action: &'static str) {
        self.lost.bytes += size;
        self.lost.ranges.push(Damage { segment: self.name(), position, size, reason, action });
    }
}
