//! What each batch of a chunk has of the vote's result, and a walk over just the records that stay.

use super::chunk_result::ChunkResult;
use super::marks::MarksFrom;
use super::record_set::RecordSet;
use crate::format::{Batch, BatchHeader, Decoder, Flaw, Record, Records, Reread};
use crate::units::Position;

/// A batch of the source.
pub struct SourceBatch<'a> {
    /// The batch.
    pub batch: Batch<'a>,
    /// Where it lies.
    pub position: Position,
    /// Its body, if it is decompressed already.
    pub body: Option<&'a [u8]>,
}

impl SourceBatch<'_> {
    /// Calls `each` for the kept records, in order.
    ///
    /// # Errors
    /// Records that cannot be read any more.
    pub fn for_each_kept(
        &self,
        decoder: &mut Decoder,
        share: &Share<'_>,
        each: impl FnMut(&Record<'_>),
    ) -> Result<(), String> {
        let records = match self.body {
            Some(body) => Ok(Records::of_body(self.batch.header, body)),
            None => decoder.records(&self.batch),
        };
        let walked = records.and_then(|records| match records {
            Records::V2(records) => walk_kept(records, share, each),
            Records::Legacy(set) => walk_kept(set, share, each),
        });
        match walked.map_err(|flaw| flaw.to_string())? {
            kept if kept == share.kept() => Ok(()),
            kept => Err(format!("{kept} of the {} kept records are still there", share.kept())),
        }
    }
}

/// How many of the kept records there were.
#[inline]
fn walk_kept<'r>(
    mut records: impl Reread<Item = Result<Record<'r>, Flaw>>,
    share: &Share<'_>,
    mut each: impl FnMut(&Record<'_>),
) -> Result<u32, Flaw> {
    let (mut at, mut kept) = (0, 0);
    let mut marks = share.marks;
    let first = share.voted.map_or(0, |(_, first)| first);
    while let Some(next) = share.next_kept(at) {
        let mark = marks.of(first.saturating_add(next));
        let Some(record) = records.nth_at((next - at) as usize, mark) else { break };
        each(&record?);
        (at, kept) = (next + 1, kept + 1);
    }
    Ok(kept)
}

/// Hands out the vote's result batch by batch, in the order in which the vote read them.
pub struct Shares<'a> {
    result: &'a ChunkResult,
    next_ordinal: u32,
    set: usize,
    tombstone: usize,
}

/// One batch's share of the result.
pub struct Share<'a> {
    /// Records in the batch.
    pub records: u32,
    /// The retained set and the batch's first number in it; `None` where there was no vote and
    /// all records stay or go together.
    pub voted: Option<(&'a RecordSet, u32)>,
    /// Whether a tombstone is among its records.
    pub has_tombstone: bool,
    /// Where records lie that stay.
    pub marks: MarksFrom<'a>,
}

impl Share<'_> {
    /// How many stay.
    pub fn kept(&self) -> u32 {
        self.voted.map_or(self.records, |(retained, first)| retained.count(first, self.records))
    }

    /// The first kept record from `from` on.
    fn next_kept(&self, from: u32) -> Option<u32> {
        let Some((retained, first)) = self.voted else {
            return Some(from).filter(|next| *next < self.records);
        };
        let end = first.saturating_add(self.records);
        retained.next_from(first.saturating_add(from), end).map(|next| next - first)
    }

    /// Whether record `ordinal` stays.
    pub fn keeps(&self, ordinal: u32) -> bool {
        self.voted.is_none_or(|(retained, first)| retained.contains(first.saturating_add(ordinal)))
    }
}

impl<'a> Shares<'a> {
    /// From the first batch of a chunk on.
    pub fn of(result: &'a ChunkResult) -> Shares<'a> {
        Shares { result, next_ordinal: 0, set: 0, tombstone: 0 }
    }

    /// The share of the next batch, which is `number` in the chunk.
    pub fn next(&mut self, number: u32, header: &BatchHeader, discardable: bool) -> Share<'a> {
        let mut records = u32::try_from(header.record_count).unwrap_or(0);
        if header.is_control() || discardable {
            let marks = MarksFrom::default();
            return Share { records, voted: None, has_tombstone: false, marks };
        }
        if header.is_wrapper() {
            records = self.result.set_sizes.get(self.set).copied().unwrap_or(0);
            self.set += 1;
        }
        let first = self.next_ordinal;
        self.next_ordinal += records;
        let has_tombstone = self.result.with_tombstone.get(self.tombstone) == Some(&number);
        self.tombstone += usize::from(has_tombstone);
        let voted = Some((&self.result.retained, first));
        Share { records, voted, has_tombstone, marks: self.result.marks_from(first) }
    }
}
