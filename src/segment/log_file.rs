//! A `.log` file: its batches with their positions, going on behind damage.
//!
//! Reading steps from header to header. Where a header cannot be believed, the stretch up to the
//! next batch whose length and CRC hold is given as one [`Damaged`], and reading resumes there. A
//! value may itself hold the bytes of a batch: where only the length of the batch around it is
//! wrong, its checksum still tells where it ends.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::sums::{DIRECT_BYTES, Sums};
use crate::disk::{Disk, Map};
use crate::error::{Error, Result};
use crate::format::{Batch, CRC_AT, Flaw, MAGIC_AT, SUMMED_FROM};
use crate::units::{Offset, Position};

/// A mapped segment log.
pub struct LogFile {
    path: PathBuf,
    base: Offset,
    map: Arc<Map>,
    sums: Sums,
    /// Where its batches are looked for: anywhere, unless it is a part.
    start: Position,
    end: usize,
}

/// A stretch of a log that is no batch, or one that fails its checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Where it starts.
    pub position: Position,
    /// How far it reaches.
    pub size_bytes: u64,
    /// What is wrong.
    pub flaw: Flaw,
}

impl Damaged {
    /// Where it ends.
    pub fn end(&self) -> Position {
        Position(self.position.0.saturating_add(self.size_bytes))
    }
}

impl LogFile {
    /// Maps the log at `path`, which a listing found, of the segment that begins at `base`.
    ///
    /// # Errors
    /// The system's.
    pub fn open(disk: &Disk, path: &Path, base: Offset) -> Result<LogFile> {
        Ok(LogFile::of(path, base, disk.map(path)?))
    }

    /// The log at `path`, which is mapped already.
    pub fn of(path: &Path, base: Offset, map: Map) -> LogFile {
        let end = map.len();
        let (map, sums, start) = (Arc::new(map), Sums::default(), Position(0));
        LogFile { path: path.into(), base, map, sums, start, end }
    }

    /// Only the batches from `start` to `end`, which must be the starts of batches; without an
    /// end, to the end of the file.
    pub fn within(self, start: Position, end: Option<Position>) -> LogFile {
        let size_bytes = self.map.len();
        let end = end.map_or(size_bytes, |end| end.index().min(size_bytes));
        LogFile { start, end, ..self }
    }

    /// Where its first batch starts.
    pub fn start(&self) -> Position {
        self.start
    }

    /// Whether only a part of the file counts.
    pub fn is_part(&self) -> bool {
        self.start > Position(0) || self.end < self.map.len()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The segment's base offset, as its name says.
    pub fn base(&self) -> Offset {
        self.base
    }

    /// Its bytes as they were when it was opened.
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// The batches that a damaged stretch of it claims to hold, as far as each leads to the next:
    /// those of which checksum or header is wrong and that lie next to each other are one stretch.
    pub fn claimed_in(&self, damaged: &Damaged) -> impl Iterator<Item = (Position, Batch<'_>)> {
        let (mut position, end) = (damaged.position, damaged.end());
        std::iter::from_fn(move || {
            let rest = self.bytes().get(position.index()..).filter(|_| position < end)?;
            let batch = Batch::parse(rest).ok()?;
            let at = position;
            position = at.plus(batch.header.size_bytes);
            Some((at, batch))
        })
    }

    /// Some of its bytes, brought in first if they are many: who copies them out of the map would
    /// not survive a disk that fails.
    ///
    /// # Errors
    /// That it does, or that the file has become shorter.
    pub fn bytes_to_copy(&self, range: Range<usize>) -> Result<&[u8]> {
        const MANY_BYTES: usize = 128 << 10;
        if range.len() >= MANY_BYTES {
            let io = |source| Error::io(&self.path, "cannot read", source);
            self.map.ready(range.clone()).map_err(io)?;
        }
        self.map.get(range).ok_or_else(|| Error::bug("bytes from behind the end of a log"))
    }

    /// Has its bytes from `start` to `end` brought in, so that to read them does not end the
    /// process where the disk fails, or where somebody has cut the file short meanwhile.
    ///
    /// # Errors
    /// That it does, or that the file has become shorter.
    pub fn ready(&self, start: Position, end: Position) -> Result<()> {
        self.map.ready(start.index()..end.index()).map_err(|source| {
            let error = Error::io(&self.path, "cannot read", source);
            Error { position: Some(start), ..error }
        })
    }

    /// Whether what lies in front of `end` can still be read: somebody may have cut the file short
    /// since it was brought in, and to read it would end the process then.
    ///
    /// # Errors
    /// That it has become shorter.
    pub fn still_reaches(&self, end: Position) -> Result<()> {
        // A file is cut at its end: where the last byte is, all are.
        self.ready(Position(end.0.saturating_sub(1)), end)
    }

    /// The map.
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// The map, for who may read it longer than this lives.
    pub fn shared_map(&self) -> Arc<Map> {
        Arc::clone(&self.map)
    }

    /// Whether a damaged stretch is what an unfinished append leaves at the end of the segment
    /// that is written to: a batch that is cut short, or the zeros of preallocated space.
    pub fn is_unfinished_tail(&self, damaged: &Damaged) -> bool {
        let rest = self.map.get(damaged.position.index()..).unwrap_or_default();
        let reaches_end = damaged.size_bytes == rest.len() as u64;
        let is_torn = matches!(damaged.flaw, Flaw::Torn { .. });
        reaches_end && (is_torn || rest.iter().all(|byte| *byte == 0))
    }

    /// The batches from the start, headers only: checksums are the caller's business.
    pub fn batches(&self) -> Batches<'_> {
        self.batches_from(self.start)
    }

    /// The batches from `position`, which must be the start of one.
    pub fn batches_from(&self, position: Position) -> Batches<'_> {
        let (bytes, sums, end) = (&self.map, &self.sums, self.end);
        Batches { bytes, sums, position, end, check_crc: false, ends_at_damage: false }
    }

    /// The batches from the start, each with its checksum compared.
    pub fn checked_batches(&self) -> Batches<'_> {
        Batches { check_crc: true, ..self.batches() }
    }
}

/// Iterates over batches and damaged stretches in file order.
#[derive(Clone)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    sums: &'a Sums,
    position: Position,
    end: usize,
    check_crc: bool,
    ends_at_damage: bool,
}

impl<'a> Batches<'a> {
    /// Ends the iteration at the first damage, without looking for where that ends: it is told as
    /// if it reached to the end of the file.
    pub fn up_to_damage(self) -> Batches<'a> {
        Batches { ends_at_damage: true, ..self }
    }

    /// Ends the iteration at the first batch that starts at or behind `end`.
    pub fn until(self, end: Position) -> Batches<'a> {
        Batches { end: end.index().min(self.end), ..self }
    }

    /// Compares checksums from here on.
    pub fn checked(self) -> Batches<'a> {
        Batches { check_crc: true, ..self }
    }

    /// Whether checksums are compared.
    pub fn are_checked(&self) -> bool {
        self.check_crc
    }

    /// Where the next batch, or the next damage, starts.
    pub fn position(&self) -> Position {
        self.position
    }

    fn damage(&mut self, flaw: Flaw, size_bytes: usize) -> Damaged {
        let position = self.position;
        self.position = position.plus(size_bytes);
        Damaged { position, size_bytes: size_bytes as u64, flaw }
    }

    /// How far a batch with a wrong checksum reaches: as far as its length says if a batch (or the
    /// end of the file) is there, else the length is part of the damage. So it is if the checksum
    /// is that of a batch which ends earlier, where a sound one begins.
    fn extent_of_bad_batch(&self, rest: &[u8], claimed: usize) -> usize {
        let behind = rest.get(claimed..).unwrap_or_default();
        if behind.is_empty() || self.is_sound(behind, self.position.plus(claimed)) {
            let claim = rest.get(..claimed).unwrap_or_default();
            return self.end_by_checksum(claim, 1).unwrap_or(claimed);
        }
        self.way_out(rest)
    }

    /// The distance to where reading can resume.
    fn way_out(&self, rest: &[u8]) -> usize {
        let first = self.next_batch_behind(rest);
        self.end_by_checksum(rest, first.unwrap_or(1)).or(first).unwrap_or(rest.len())
    }

    /// Where a batch of magic 2 ends by its checksum, if its length is wrong: at a sound batch, or
    /// at the end of the log, at or behind `first`.
    fn end_by_checksum(&self, rest: &[u8], first: usize) -> Option<usize> {
        const MOST_BYTES: usize = 16 << 20;
        let is_magic_2 = rest.get(MAGIC_AT) == Some(&2);
        let crc = rest.get(CRC_AT..SUMMED_FROM)?;
        let crc = u32::from_be_bytes(crc.try_into().ok()?);
        let last = rest.len().min(MOST_BYTES);
        if !is_magic_2 || !self.sums.may_search(self.bytes, last) {
            return None;
        }
        let start = self.position.index();
        let may_end = |end: usize| {
            let behind = rest.get(end..).unwrap_or_default();
            let looks_sound = behind.get(MAGIC_AT).is_some_and(|magic| *magic <= 2)
                && self.is_sound(behind, self.position.plus(end));
            end == rest.len() || looks_sound
        };
        (first.max(SUMMED_FROM)..=last).find(|end| {
            may_end(*end)
                && self.sums.crc32c_of(self.bytes, start + SUMMED_FROM..start + end) == crc
        })
    }

    fn is_sound(&self, bytes: &[u8], position: Position) -> bool {
        Batch::parse(bytes).is_ok_and(|batch| {
            batch.check_header().is_ok() && self.sums.check(self.bytes, position, &batch).is_ok()
        })
    }

    /// The distance to the next place whose header and CRC hold; `rest` begins at the position.
    ///
    /// Each candidate costs a checksum, so hostile bytes could make this slow; a budget ends the
    /// search, and what is left counts as damaged.
    fn next_batch_behind(&self, rest: &[u8]) -> Option<usize> {
        self.sums.distrust();
        let mut budget_bytes = (rest.len() as u64).saturating_mul(16).saturating_add(1 << 26);
        for start in 1..rest.len().saturating_sub(MAGIC_AT) {
            if *rest.get(start + MAGIC_AT)? > 2 {
                continue;
            }
            let Some(Ok(batch)) = rest.get(start..).map(Batch::parse) else {
                continue;
            };
            if batch.check_header().is_err() {
                continue;
            }
            let cost_bytes = batch.header.size_bytes.min(DIRECT_BYTES);
            budget_bytes = budget_bytes.checked_sub(cost_bytes as u64)?;
            if self.sums.check(self.bytes, self.position.plus(start), &batch).is_ok() {
                return Some(start);
            }
        }
        None
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<(Position, Batch<'a>), Damaged>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.position.index() >= self.end {
            return None;
        }
        let rest = self.bytes.get(self.position.index()..)?;
        match Batch::parse(rest) {
            Ok(batch) => {
                let position = self.position;
                if self.check_crc
                    && let Err(flaw) = self.sums.check(self.bytes, position, &batch)
                {
                    let size_bytes = self.extent_of_bad_batch(rest, batch.header.size_bytes);
                    return Some(Err(self.damage(flaw, size_bytes)));
                }
                self.position = position.plus(batch.header.size_bytes);
                Some(Ok((position, batch)))
            }
            Err(flaw) => {
                let size_bytes = if self.ends_at_damage { rest.len() } else { self.way_out(rest) };
                Some(Err(self.damage(flaw, size_bytes)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::bytes::crc32;

    /// A message of magic 1 without a key, or only its header, which claims `claimed` bytes.
    fn message(offset: i64, claimed: Option<usize>) -> Vec<u8> {
        let mut checked = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 7];
        checked.extend_from_slice(b"\xff\xff\xff\xff\0\0\0\x01v");
        let crc = crc32(&checked);
        let mut bytes = offset.to_be_bytes().to_vec();
        let size_bytes = claimed.map_or(checked.len() + 4, |claimed| claimed - 12);
        bytes.extend_from_slice(&(size_bytes as i32).to_be_bytes());
        bytes.extend_from_slice(&crc.to_be_bytes());
        bytes.extend_from_slice(if claimed.is_some() { &checked[..10] } else { &checked });
        bytes
    }

    #[test]
    fn what_is_copied_of_a_log_that_was_cut_short_is_an_error_and_not_the_end_of_the_process() {
        const BYTES: usize = 1 << 20;
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("00000000000000000000.log");
        std::fs::write(&path, vec![7; BYTES]).unwrap();
        let log = LogFile::open(&Disk::default(), &path, Offset(0)).unwrap();
        assert_eq!(log.bytes_to_copy(4096..BYTES).unwrap().len(), BYTES - 4096);
        assert!(log.bytes_to_copy(1..BYTES + 1).is_err());
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(4096).unwrap();
        let error = log.bytes_to_copy(4096..BYTES).unwrap_err().to_string();
        assert!(error.contains("cut short"), "{error}");
    }

    #[test]
    fn who_goes_up_to_damage_does_not_look_for_where_it_ends() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("00000000000000000000.log");
        let (one, other) = (message(0, None), message(1, None));
        std::fs::write(&path, [&one[..], &[3; 100], &other].concat()).unwrap();
        let log = LogFile::open(&Disk::default(), &path, Offset(0)).unwrap();
        let mut all = log.batches();
        assert!(all.next().unwrap().is_ok() && all.next().unwrap().is_err());
        assert_eq!(all.position(), Position(one.len() as u64 + 100));
        let mut some = log.batches().up_to_damage();
        assert!(some.next().unwrap().is_ok() && some.next().unwrap().is_err());
        assert!(some.next().is_none());
        assert_eq!(some.position().index(), log.bytes().len());
    }

    #[test]
    fn headers_that_each_claim_the_rest_of_the_log_cost_no_more_than_it_is_long() {
        const COUNT: i64 = 4000;
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("00000000000000000000.log");
        let unit_bytes = 2 * message(0, Some(100)).len() + message(0, None).len();
        let size_bytes = unit_bytes * (COUNT as usize + 4);
        let mut bytes = Vec::new();
        for number in 0..COUNT {
            // All claim to end in the padding, where there is no batch.
            let mut lying = message(number, Some(size_bytes - bytes.len() - 50));
            if number % 2 == 0 {
                lying[8] = 0xff; // no length at all, and one that lies behind it
                lying.extend(message(number, Some(size_bytes - bytes.len() - 100)));
            }
            bytes.extend(lying);
            bytes.extend(message(number, None));
        }
        bytes.resize(size_bytes, 3);
        std::fs::write(&path, &bytes).unwrap();
        for check_crc in [false, true] {
            let log = LogFile::open(&Disk::default(), &path, Offset(0)).unwrap();
            let batches = Batches { check_crc, ..log.batches() };
            let found = batches.filter_map(Result::ok).count() as i64;
            assert!(!check_crc || found == COUNT, "{found} of {COUNT} were found");
            // Summing each claim would cost a few thousand times as much as the log is long.
            let cost_bytes = log.sums.cost_bytes.load(Ordering::Relaxed);
            assert!(cost_bytes < 600 * bytes.len(), "{cost_bytes} of {}", bytes.len());
        }
    }
}
