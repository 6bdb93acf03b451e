//! Where a log is cut into stretches, which can be read independently of each other.
//!
//! - Forward, by stepping from header to header. The cuts are a guess, for checksums are not looked
//!   at here.
//! - Backward, at entries of the index, for nothing in a log leads from a batch to the one in front
//!   of it. An entry counts only if a sound batch starts at its position. Without an index, the
//!   headers are walked first.

use crate::error::{Error, Result};
use crate::format::{Batch, BatchHeader, Codec, HEADER_BYTES};
use crate::segment::{Frontier, LogFile, OffsetIndex};
use crate::units::{Offset, Position};

/// How much log one task reads, more or less.
const STRETCH_BYTES: usize = 1 << 19;
/// How much more the lines of a compressed batch are taken to be.
const TYPICAL_EXPANSION: usize = 4;

/// A stretch of log, from the start of a batch to that of a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Where its first batch starts.
    pub(super) start: Position,
    /// Where the batch behind its last starts.
    pub(super) end: Position,
}

/// The stretches of a log, one after the other.
pub(super) enum Cuts<'a> {
    /// In the order of the log.
    Forward(Forward<'a>),
    /// The last one first.
    Backward(Vec<Stretch>),
}

impl<'a> Cuts<'a> {
    /// From `start` to the log's end.
    pub(super) fn forward(log: &'a LogFile, start: Position) -> Cuts<'a> {
        Cuts::Forward(Forward::new(log, start))
    }

    /// From the log's end, or from the batches that begin at `end` or behind it, back to `start`.
    pub(super) fn backward(
        log: &'a LogFile,
        index_bytes: Option<&[u8]>,
        start: Position,
        end: Option<Offset>,
    ) -> Cuts<'a> {
        let by_index = index_bytes.and_then(|bytes| borders_of_index(log, bytes, start));
        let mut borders = by_index
            .unwrap_or_else(|| Forward::new(log, start).map(|stretch| stretch.start).collect());
        let mut log_end = Position(log.bytes().len() as u64);
        while let Some(border) = borders.pop_if(|border| is_behind(log, *border, end)) {
            log_end = border;
        }
        let ends = borders.iter().skip(1).copied().chain([log_end]);
        let stretches = borders.iter().zip(ends).map(|(start, end)| Stretch { start: *start, end });
        Cuts::Backward(stretches.filter(|stretch| stretch.start < stretch.end).collect())
    }

    /// Whether the last stretch goes first.
    pub(super) fn is_backward(&self) -> bool {
        matches!(self, Cuts::Backward(_))
    }

    /// Whether there is none left.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Cuts::Forward(forward) => forward.next.is_none(),
            Cuts::Backward(stretches) => stretches.is_empty(),
        }
    }

    /// Where the log can be read no further, and why, if the cuts ended there.
    pub(super) fn failure(&mut self) -> Option<Error> {
        match self {
            Cuts::Forward(forward) => forward.failure.take(),
            Cuts::Backward(_) => None,
        }
    }

    /// Goes on at `position`, where a batch starts, if this goes forward.
    pub(super) fn resume_at(&mut self, position: Position) {
        if let Cuts::Forward(forward) = self {
            forward.next = Some(position);
        }
    }
}

impl Iterator for Cuts<'_> {
    type Item = Stretch;

    fn next(&mut self) -> Option<Stretch> {
        match self {
            Cuts::Forward(forward) => forward.next(),
            Cuts::Backward(stretches) => stretches.pop(),
        }
    }
}

/// Whether the batch at `border` begins at `end` or behind it.
fn is_behind(log: &LogFile, border: Position, end: Option<Offset>) -> bool {
    let batch = log.bytes().get(border.index()..).map(Batch::parse);
    let begins = batch.and_then(|batch| batch.ok()).map(|batch| batch.header.base_offset);
    begins.zip(end).is_some_and(|(begins, end)| begins >= end)
}

/// `start`, and entries behind it that lie far enough apart; `None` where they cannot be believed.
fn borders_of_index(log: &LogFile, bytes: &[u8], start: Position) -> Option<Vec<Position>> {
    let entries = OffsetIndex::parse(bytes, log.base()).entries;
    let mut borders = vec![start];
    let mut least = start.plus(STRETCH_BYTES);
    let is_ascending = entries.is_sorted_by_key(|entry| (entry.offset, entry.position));
    for entry in entries.iter().filter(|_| is_ascending) {
        if entry.position < least {
            continue;
        }
        let batch = log.bytes().get(entry.position.index()..).map(Batch::parse)?.ok()?;
        let is_sound = (log.base()..=entry.offset).contains(&batch.header.base_offset)
            && batch.check_header().is_ok()
            && batch.check_crc().is_ok();
        if !is_sound {
            return None;
        }
        borders.push(entry.position);
        least = entry.position.plus(STRETCH_BYTES);
    }
    let is_long = log.bytes().len() > start.plus(STRETCH_BYTES).index();
    (borders.len() > 1 || !is_long).then_some(borders)
}

/// The cuts found by stepping from header to header. What is in front of them was brought in from
/// the disk.
pub(super) struct Forward<'a> {
    log: &'a LogFile,
    /// `None` at the end, and behind what is no batch.
    next: Option<Position>,
    frontier: Frontier<'a>,
    failure: Option<Error>,
}

impl<'a> Forward<'a> {
    fn new(log: &'a LogFile, start: Position) -> Forward<'a> {
        Forward { log, next: Some(start), frontier: Frontier::of(log), failure: None }
    }

    /// The header of the batch at `position`, if one can be there. All of the batch can be read.
    fn batch_at(&mut self, position: Position) -> Result<Option<BatchHeader>> {
        self.frontier.reach(position, HEADER_BYTES)?;
        let rest = self.log.bytes().get(position.index()..).unwrap_or_default();
        let header = Batch::parse(rest).ok().map(|batch| batch.header);
        let size_bytes = header.map_or(rest.len(), |header| header.size_bytes);
        self.frontier.reach(position, size_bytes)?;
        Ok(header)
    }
}

impl Iterator for Forward<'_> {
    type Item = Stretch;

    fn next(&mut self) -> Option<Stretch> {
        let start = self.next?;
        let (mut end, mut weight_bytes) = (start, 0);
        while weight_bytes < STRETCH_BYTES {
            match self.batch_at(end) {
                Ok(Some(header)) => {
                    end = end.plus(header.size_bytes);
                    weight_bytes = weight_bytes.saturating_add(weight_of(&header));
                }
                Ok(None) => break,
                Err(failure) => {
                    self.failure = Some(failure);
                    self.next = None;
                    return (end > start).then_some(Stretch { start, end });
                }
            }
        }
        let size_bytes = self.log.bytes().len();
        if end == start {
            // Where the next batch is only a search can tell, and that is part of the stretch.
            self.next = None;
            let is_end = start.index() >= size_bytes;
            return (!is_end).then(|| Stretch { start, end: start.plus(1) });
        }
        self.next = (end.index() < size_bytes).then_some(end);
        Some(Stretch { start, end })
    }
}

fn weight_of(header: &BatchHeader) -> usize {
    match header.codec() {
        Codec::None => header.size_bytes,
        _ => header.size_bytes.saturating_mul(TYPICAL_EXPANSION),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    #[test]
    fn where_a_file_cannot_be_read_the_cuts_end_and_say_so() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let name = "00000000000000000000.log";
        let bytes =
            std::fs::read(root.join("testdata/broker-3.9.1/rdk-none-0").join(name)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let log = LogFile::open(&Disk::default(), &path, Offset(0)).unwrap();
        let whole: Vec<Stretch> = Cuts::forward(&log, Position(0)).collect();
        assert_eq!(whole.last().unwrap().end.index(), bytes.len());
        std::fs::File::options().write(true).open(&path).unwrap().set_len(20_480).unwrap();
        let mut cuts = Cuts::forward(&log, Position(0));
        assert_eq!(cuts.by_ref().filter(|stretch| stretch.end.index() > 20_480).count(), 0);
        assert!(cuts.failure().unwrap().to_string().contains("cut short"));
    }
}
