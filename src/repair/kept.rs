//! What is kept of a segment: which of its batches, and what is lost with the others.

use std::collections::HashSet;
use std::ops::Range;

use super::recovery::Recovered;
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

/// What becomes of damage that is as a broker's recovery keeps it.
const KEPT: &str = "kept, as a broker keeps it";

/// What does not stay.
#[derive(Default)]
pub struct Lost {
    /// Byte ranges with the reasons, among them damage that a broker keeps.
    pub ranges: Vec<Damage>,
    /// Bytes in those that do not stay.
    pub bytes: u64,
    /// Records in those, as far as that can be known.
    pub records: u64,
}

impl Lost {
    /// How many of the ranges are damage that stays, as a broker keeps it.
    pub fn kept(&self) -> usize {
        self.ranges.iter().filter(|range| range.action == KEPT).count()
    }

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

    /// Gives up what Kafka's recovery would cut off, and lists the damage of `examined` that it
    /// would keep; whether anything is cut.
    pub fn truncate(&mut self, examined: &Examined, recovered: Recovered) -> bool {
        let Recovered { batches: stay, end, reason } = recovered;
        let known = std::mem::take(&mut self.batches);
        let as_examined = |batch: Sound| {
            let at = known.binary_search_by_key(&batch.position, |known| known.position);
            at.ok().and_then(|at| known.get(at)).copied().ok_or(batch)
        };
        let looked_up: Vec<Result<Sound, Sound>> = stay.into_iter().map(as_examined).collect();
        let unsound: u64 = looked_up.iter().filter_map(|it| it.err()).map(|it| it.records).sum();
        self.batches = looked_up.into_iter().map(|it| it.unwrap_or_else(|it| it)).collect();
        for damaged in examined.damage.iter().filter(|damaged| damaged.position < end) {
            let kept_bytes = damaged.end().min(end).0 - damaged.position.0;
            self.list(damaged.position, kept_bytes, damaged.flaw.to_string(), KEPT);
        }
        // An unfinished write is lost already.
        let size_bytes = (self.log.bytes().len() as u64).saturating_sub(end.0 + self.lost.bytes);
        if size_bytes == 0 {
            return false;
        }
        let here =
            examined.damage.iter().find(|damaged| (damaged.position..damaged.end()).contains(&end));
        let flaw = here.map(|damaged| damaged.flaw.to_string());
        let reason = reason.map(str::to_owned).or(flaw).unwrap_or_default();
        self.lose_range(end, size_bytes, reason, "cut off");
        let sound: u64 =
            known.iter().filter(|it| it.position >= end).map(|batch| batch.records).sum();
        self.lost.records += sound + examined.damaged_records.saturating_sub(unsound);
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

    /// Gives up the sound batches at these positions.
    pub fn drop_batches(&mut self, goes: &HashSet<Position>, reason: &str) {
        let known = std::mem::take(&mut self.batches).into_iter();
        let (gone, stay): (Vec<Sound>, _) = known.partition(|it| goes.contains(&it.position));
        self.batches = stay;
        for batch in gone {
            let size_bytes = batch.size_bytes as u64;
            self.lose_range(batch.position, size_bytes, reason.to_owned(), "dropped");
            self.lost.records += batch.records;
        }
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
        self.list(position, size, reason, action);
    }

    fn list(&mut self, position: Position, size: u64, reason: String, action: &'static str) {
        self.lost.ranges.push(Damage { segment: self.name(), position, size, reason, action });
    }
}
