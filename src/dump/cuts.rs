//! Where a log is cut into stretches, which can be read independently of each other.
//!
//! - Forward, by stepping from header to header. The cuts are a guess, for checksums are not looked
//!   at here.
//! - Backward, at entries of the index, for nothing in a log leads from a batch to the one in front
//!   of it. An entry counts only if a sound batch starts at its position. Without an index, the
//!   headers are walked first, and behind damage from the next sound batch on.

use std::mem;

use crate::error::{Error, Result};
use crate::format::{Batch, BatchHeader, Codec, Decoder, HEADER_BYTES};
use crate::segment::{Frontier, IndexEntry, LogFile, OffsetIndex};
use crate::units::{Offset, Position};

/// How much log one task reads, more or less.
const STRETCH_BYTES: usize = 1 << 19;
/// Where the index has no entry for more than this, borders are looked for between its entries.
const MOST_STRETCH_BYTES: u64 = 32 * STRETCH_BYTES as u64;
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
    Backward(Backward<'a>),
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
        let log_end = Position(log.bytes().len() as u64);
        let borders = by_index.unwrap_or_else(|| borders_of_headers(log, start, log_end));
        let mut backward = Backward { log, start, end: log_end, borders, failure: None };
        backward.leave_out_behind(end);
        Cuts::Backward(backward)
    }

    /// Whether the last stretch goes first.
    pub(super) fn is_backward(&self) -> bool {
        matches!(self, Cuts::Backward(_))
    }

    /// Whether there is none left.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Cuts::Forward(forward) => forward.next.is_none(),
            Cuts::Backward(backward) => backward.is_done(),
        }
    }

    /// Where the log can be read no further, and why, if the cuts ended there.
    pub(super) fn failure(&mut self) -> Option<Error> {
        match self {
            Cuts::Forward(forward) => forward.failure.take(),
            Cuts::Backward(backward) => backward.failure.take(),
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
            Cuts::Backward(backward) => backward.next(),
        }
    }
}

/// A place where a stretch may start.
#[derive(Clone, Copy)]
struct Border {
    position: Position,
    known: Known,
}

/// How a border is known.
#[derive(Clone, Copy)]
enum Known {
    /// Reading begins there.
    Start,
    /// An entry of the index says so.
    Index(IndexEntry),
    /// Stepping from header to header, or the search behind damage, comes by.
    Headers,
}

/// The cuts between borders that were found beforehand. Those of the index are looked at when it is
/// their turn, and what lies in a stretch is brought in when it is handed out: who wants only the
/// newest reads no more than that.
pub(super) struct Backward<'a> {
    log: &'a LogFile,
    start: Position,
    /// What lies behind this was handed out.
    end: Position,
    borders: Vec<Border>,
    failure: Option<Error>,
}

impl Backward<'_> {
    fn is_done(&self) -> bool {
        self.borders.first().is_none_or(|first| first.position >= self.end)
    }

    /// The last border that is left, once it is known for one.
    fn last(&mut self) -> Option<Position> {
        let Border { position, known } = *self.borders.last()?;
        let is_far = self.end.0.saturating_sub(position.0) > MOST_STRETCH_BYTES;
        let from = match known {
            Known::Index(entry) if !self.is_start(entry) => Some(self.start),
            Known::Start | Known::Index(_) if is_far => Some(position),
            _ => None,
        };
        if let Some(from) = from {
            self.borders.retain(|border| border.position < from);
            self.borders.extend(borders_of_headers(self.log, from, self.end));
        }
        self.borders.last().map(|border| border.position)
    }

    fn is_start(&self, entry: IndexEntry) -> bool {
        batch_at(self.log, entry.position).is_some_and(|batch| entry.fits(self.log, &batch))
    }

    /// Leaves out the stretches whose batches begin at `end` or behind it.
    fn leave_out_behind(&mut self, end: Option<Offset>) {
        let Some(end) = end else { return };
        let mut decoder = Decoder::new();
        while let Some(border) = self.last()
            && self.begins_behind(border, end, &mut decoder)
        {
            self.borders.pop();
            self.end = border;
        }
    }

    /// Whether the batch at `border` begins at `end` or behind it, and the next one behind it: no
    /// checksum covers a base offset, so one alone does not say how far the log has come.
    fn begins_behind(&self, border: Position, end: Offset, decoder: &mut Decoder) -> bool {
        let Some(batch) = batch_at(self.log, border) else { return false };
        let behind = border.plus(batch.header.size_bytes);
        let is_last = behind.index() >= self.log.bytes().len();
        let next = batch_at(self.log, behind);
        let is_confirmed =
            is_last || next.is_some_and(|next| next.header.base_offset > batch.header.last_offset);
        is_confirmed && decoder.first_offset(&batch).is_some_and(|first| first >= end)
    }
}

impl Iterator for Backward<'_> {
    type Item = Stretch;

    fn next(&mut self) -> Option<Stretch> {
        while let Some(start) = self.last() {
            self.borders.pop();
            if start >= self.end {
                continue;
            }
            let stretch = Stretch { start, end: mem::replace(&mut self.end, start) };
            let size_bytes = stretch.end.index().saturating_sub(start.index());
            match Frontier::of(self.log).reach(start, size_bytes) {
                Ok(()) => return Some(stretch),
                Err(failure) => {
                    self.failure = Some(failure);
                    self.borders.clear();
                }
            }
        }
        None
    }
}

/// The batch at `border`, if there is one and it can be read.
fn batch_at(log: &LogFile, border: Position) -> Option<Batch<'_>> {
    log.batch_at(border).ok().flatten()
}

/// `start`, and entries behind it that lie far enough apart; `None` where they do not ascend, or
/// are too few.
fn borders_of_index(log: &LogFile, bytes: &[u8], start: Position) -> Option<Vec<Border>> {
    let size_bytes = log.bytes().len();
    let entries = OffsetIndex::parse(bytes, log.base()).entries;
    let mut borders = vec![Border { position: start, known: Known::Start }];
    let mut least = start.plus(STRETCH_BYTES);
    if !entries.is_sorted_by_key(|entry| (entry.offset, entry.position)) {
        return None;
    }
    for entry in entries {
        if entry.position >= least && entry.position.index() < size_bytes {
            borders.push(Border { position: entry.position, known: Known::Index(entry) });
            least = entry.position.plus(STRETCH_BYTES);
        }
    }
    let is_long = size_bytes > start.plus(STRETCH_BYTES).index();
    (borders.len() > 1 || !is_long).then_some(borders)
}

/// Where stretches start that stepping from header to header finds, beyond damage too: what lies
/// behind it would else be one stretch, and be held as a whole.
fn borders_of_headers(log: &LogFile, start: Position, end: Position) -> Vec<Border> {
    let size_bytes = log.bytes().len();
    let mut borders = Vec::new();
    let mut forward = Forward::new(log, start);
    while let Some(stretch) = forward.next().filter(|stretch| stretch.start < end) {
        borders.push(Border { position: stretch.start, known: Known::Headers });
        if forward.next.is_none() && forward.failure.is_none() && stretch.end.index() < size_bytes {
            let mut batches = log.batches_from(stretch.start).checked();
            batches.next();
            forward.next = Some(batches.position()).filter(|next| next.index() < size_bytes);
        }
    }
    if borders.is_empty() {
        borders.push(Border { position: start, known: Known::Headers }); // it cannot be read
    }
    borders
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
    fn going_backward_no_stretch_holds_all_that_an_index_and_damage_leave() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let name = "00000000000000000000.log";
        let donor =
            std::fs::read(root.join("testdata/broker-3.9.1/rdk-none-0").join(name)).unwrap();
        let size = Batch::parse(&donor).unwrap().header.size_bytes;
        let mut bytes = donor[..size].repeat((STRETCH_BYTES * 40).div_ceil(size));
        bytes[size + 8] = 0x7f; // the second batch claims to be longer than the file
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let entry = |position: usize| [1000, position as u32].map(u32::to_be_bytes).concat();
        let third = (STRETCH_BYTES / size + 3) * size;
        for index in [None, Some(entry(third)), Some(entry(third + 1)), Some(Vec::new())] {
            let log = LogFile::open(&Disk::default(), &path, Offset(0)).unwrap();
            let cuts = Cuts::backward(&log, index.as_deref(), Position(0), None);
            let stretches: Vec<Stretch> = cuts.collect();
            assert_eq!(stretches.first().unwrap().end.index(), bytes.len());
            assert_eq!(stretches.last().unwrap().start, Position(0));
            assert!(stretches.windows(2).all(|pair| pair[1].end == pair[0].start), "{index:?}");
            let longest = stretches.iter().map(|stretch| stretch.end.0 - stretch.start.0).max();
            assert!(longest.unwrap() as usize <= STRETCH_BYTES + 4 * size, "{longest:?}");
        }
    }

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
        let backward = Cuts::backward(&log, None, Position(0), None);
        std::fs::File::options().write(true).open(&path).unwrap().set_len(20_480).unwrap();
        for mut cuts in [Cuts::forward(&log, Position(0)), backward] {
            assert_eq!(cuts.by_ref().filter(|stretch| stretch.end.index() > 20_480).count(), 0);
            assert!(cuts.failure().unwrap().to_string().contains("cut short"));
        }
    }
}
