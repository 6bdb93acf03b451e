//! A log looked at in full: which of its batches are sound, and where the damage lies.
//!
//! 1. Each batch's checksum, body and records are checked. Behind damage, looking resumes at the
//!    next header whose length and checksum hold.
//! 2. No checksum covers a batch's base offset, so a single wrong one could make all that follow
//!    look out of order. Where offsets do not rise, as many batches as possible are believed whose
//!    offsets do; the others are damage.

use std::ops::ControlFlow;

use super::{Damaged, Frontier, LogFile, TxnBatch};
use crate::error::Result;
use crate::format::{Batch, BatchHeader, Decoder, Flaw, Record};
use crate::units::{Offset, Position, Timestamp};

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// The sound batches, by position; their offsets rise.
    pub batches: Vec<Sound>,
    /// Everything between them, by position.
    pub damage: Vec<Damaged>,
    /// Records of damaged batches, as far as their headers can be believed.
    pub damaged_records: u64,
    /// The damaged batches that can still be read as markers of transactions.
    pub legible_markers: Vec<TxnBatch>,
    /// Where damage lies in which other markers may have been.
    pub untold: Vec<Position>,
    /// The offset behind what damage at the log's end claims to hold, if that can be believed.
    pub claimed_end: Option<Offset>,
}

/// A sound batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sound {
    /// Where it starts.
    pub position: Position,
    /// Its size.
    pub size_bytes: usize,
    /// Its first offset.
    pub base_offset: Offset,
    /// Its last offset.
    pub last_offset: Offset,
    /// Its largest timestamp.
    pub max_timestamp: Timestamp,
    /// Its records, as its header says (of a compressed magic 0/1 set: as they were counted).
    pub records: u64,
}

impl Examined {
    /// Looks at all of `log`, the offsets of which end below `bound`.
    ///
    /// # Errors
    /// The disk's; damage is not an error.
    pub fn of(log: &LogFile, bound: Option<Offset>, decoder: &mut Decoder) -> Result<Examined> {
        let mut examined = Examined::default();
        look_at_all(log, bound, decoder, |item, _| {
            match item {
                Ok((sound, _)) => examined.batches.push(sound),
                Err(damaged) => examined.damaged(damaged, log),
            }
            ControlFlow::Continue(())
        })?;
        examined.put_in_order(log);
        Ok(examined.concluded(log, bound))
    }

    /// The same of a log that has no damage in front of a sound batch, as most have none: `each`
    /// gets the sound batches one by one, and only the last of them is held. `None` if it has such.
    ///
    /// # Errors
    /// The disk's; damage is not an error.
    pub fn of_sound(
        log: &LogFile,
        bound: Option<Offset>,
        decoder: &mut Decoder,
        mut each: impl FnMut(Position, &Batch<'_>, &mut Decoder),
    ) -> Result<Option<Examined>> {
        let mut examined = Examined::default();
        let mut last: Option<Sound> = None;
        let is_sound = look_at_all(log, bound, decoder, |item, decoder| {
            match item {
                Ok((sound, batch)) => {
                    let rises = last.is_none_or(|last| last.last_offset < sound.base_offset);
                    if !rises || !examined.damage.is_empty() {
                        return ControlFlow::Break(());
                    }
                    each(sound.position, batch, decoder);
                    last = Some(sound);
                }
                Err(damaged) => examined.damaged(damaged, log),
            }
            ControlFlow::Continue(())
        })?;
        examined.batches.extend(last);
        Ok(is_sound.then(|| examined.concluded(log, bound)))
    }

    /// With what the damage means, once all of it is known.
    fn concluded(mut self, log: &LogFile, bound: Option<Offset>) -> Examined {
        let bound = bound_within_reach(log, bound);
        self.place_markers(log.base(), bound);
        self.claimed_end = self.claim_behind(log, bound);
        self
    }

    /// Takes the last damage out, for it is none: an unfinished write.
    pub fn pop_tail(&mut self) -> Option<Damaged> {
        let tail = self.damage.pop()?;
        self.untold.pop_if(|untold| *untold == tail.position);
        Some(tail)
    }

    fn damaged(&mut self, damaged: Damaged, log: &LogFile) {
        // A decoder of its own: the other one's records may still be lent out.
        let mut decoder = Decoder::new();
        let mut told_to = damaged.position;
        for (position, batch) in log.claimed_in(&damaged) {
            self.damaged_records += claimed_records(&batch.header);
            if let Some(marker) = TxnBatch::of_lost(position, &batch, &mut decoder) {
                self.legible_markers.push(marker);
                if told_to == position {
                    told_to = position.plus(batch.header.size_bytes);
                }
            }
        }
        if told_to != damaged.end() {
            self.untold.push(damaged.position);
        }
        self.damage.push(damaged);
    }

    /// The end that damaged batches behind the last sound one claim in their headers.
    fn claim_behind(&self, log: &LogFile, bound: Offset) -> Option<Offset> {
        let last = self.batches.last();
        let end = last.map_or(Position(0), |batch| batch.position.plus(batch.size_bytes));
        let next = last.map_or(log.base(), |batch| batch.last_offset.next());
        let behind = self.damage.iter().filter(|damaged| damaged.position >= end);
        let claims = behind.flat_map(|damaged| log.claimed_in(damaged));
        let claims = claims.filter_map(|(position, batch)| {
            let (header, most) = (batch.header, log.bytes().len() - position.index());
            let is_possible = header.base_offset >= next
                && header.last_offset >= header.base_offset
                && header.last_offset < bound
                && header.last_offset.distance_from(next) <= most as i64;
            is_possible.then(|| header.last_offset.next())
        });
        claims.max()
    }

    /// Gives legible markers offsets between those of the sound batches around them: one that is
    /// not there is what was damaged.
    fn place_markers(&mut self, base: Offset, bound: Offset) {
        self.untold.sort();
        self.legible_markers.sort_by_key(|marker| marker.position);
        let mut reached = base;
        for marker in &mut self.legible_markers {
            let at = self.batches.partition_point(|batch| batch.position < marker.position);
            let before = at.checked_sub(1).and_then(|before| self.batches.get(before));
            let behind = self.batches.get(at).map_or(bound, |behind| behind.base_offset);
            let least = before.map_or(reached, |before| reached.max(before.last_offset.next()));
            let is_between = (least..behind).contains(&marker.base_offset);
            let offset = if is_between { marker.base_offset } else { least };
            *marker = marker.at(offset);
            reached = offset.next();
        }
    }

    fn put_in_order(&mut self, log: &LogFile) {
        let rises = |pair: &[Sound]| match pair {
            [before, behind] => before.last_offset < behind.base_offset,
            _ => true,
        };
        if self.batches.windows(2).all(rises) {
            return;
        }
        let believed = longest_rising(&self.batches);
        let mut numbered = believed.iter().copied().peekable();
        for (number, batch) in std::mem::take(&mut self.batches).into_iter().enumerate() {
            if numbered.next_if_eq(&number).is_some() {
                self.batches.push(batch);
            } else {
                let flaw = Flaw::Header("its offsets are not in order with those around it");
                let size_bytes = batch.size_bytes as u64;
                self.damaged(Damaged { position: batch.position, size_bytes, flaw }, log);
            }
        }
        self.damage.sort_by_key(|damaged| damaged.position);
    }
}

/// The offset below which those of `log` end: what no index entry of the segment could name cannot
/// be in it either.
fn bound_within_reach(log: &LogFile, bound: Option<Offset>) -> Offset {
    let reach = Offset(log.base().0.saturating_add(i64::from(i32::MAX)).saturating_add(1));
    bound.map_or(reach, |bound| bound.min(reach))
}

/// A sound batch, or damage.
type Looked<'a, 'b> = Result<(Sound, &'a Batch<'b>), Damaged>;

/// Checks batch after batch until `hear` breaks off; whether it did not.
fn look_at_all(
    log: &LogFile,
    bound: Option<Offset>,
    decoder: &mut Decoder,
    mut hear: impl FnMut(Looked<'_, '_>, &mut Decoder) -> ControlFlow<()>,
) -> Result<bool> {
    let bound = bound_within_reach(log, bound);
    let mut batches = log.checked_batches();
    let mut frontier = Frontier::of(log);
    while let Some(item) = frontier.next_of(&mut batches)? {
        let heard = match item {
            Err(damaged) => hear(Err(damaged), decoder),
            Ok((position, batch)) => {
                let header = &batch.header;
                match check(&batch, log.base(), bound, decoder) {
                    Ok((records, base_offset)) => {
                        let sound = Sound {
                            position,
                            size_bytes: header.size_bytes,
                            base_offset,
                            last_offset: header.last_offset,
                            max_timestamp: header.max_timestamp,
                            records,
                        };
                        hear(Ok((sound, &batch)), decoder)
                    }
                    Err(flaw) => {
                        let size_bytes = header.size_bytes as u64;
                        hear(Err(Damaged { position, size_bytes, flaw }), decoder)
                    }
                }
            }
        };
        if heard.is_break() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads the records of a batch whose offsets may begin at `least`; how many they are.
///
/// # Errors
/// What is wrong with the batch or one of its records.
pub fn check_records(batch: &Batch<'_>, decoder: &mut Decoder, least: Offset) -> Result<u64, Flaw> {
    let mut index = 0;
    for record in decoder.records(batch)? {
        check_record(&record?, index, least)?;
        index += 1;
    }
    Ok(u64::from(index))
}

/// What the iterator does not check. Only a compressed set of magic 0 or 1 can hold offsets that
/// its header does not show.
#[inline(always)]
pub fn check_record(record: &Record<'_>, index: u32, least: Offset) -> Result<(), Flaw> {
    if record.magic < 2 && record.offset < least {
        let reason = "its offset lies among those of the batch before it";
        return Err(Flaw::RecordContent { index, reason });
    }
    record.check_rest(index)
}

/// Checks one batch whose checksum holds; how many records it has, and its first offset, which a
/// compressed set of magic 0 or 1 does not show in its header.
fn check(
    batch: &Batch<'_>,
    base: Offset,
    bound: Offset,
    decoder: &mut Decoder,
) -> Result<(u64, Offset), Flaw> {
    batch.check_header()?;
    if batch.header.base_offset < base {
        return Err(Flaw::Header("its offsets are below those of its segment"));
    }
    if batch.header.last_offset >= bound {
        return Err(Flaw::Header("its offsets reach into the next segment"));
    }
    let mut first_offset = batch.header.base_offset;
    let mut count = 0;
    for record in decoder.records(batch)? {
        let record = record?;
        check_record(&record, count, base)?;
        if count == 0 && batch.header.is_wrapper() {
            first_offset = record.offset;
        }
        count += 1;
    }
    Ok((u64::from(count), first_offset))
}

/// How many records a damaged batch claims, if that is possible.
pub fn claimed_records(header: &BatchHeader) -> u64 {
    let most = header.last_offset.distance_from(header.base_offset).saturating_add(1);
    let count = u64::try_from(header.record_count).ok();
    count.filter(|count| *count <= most.max(0) as u64).unwrap_or(0)
}

/// The numbers of as many batches as possible whose offsets rise.
fn longest_rising(batches: &[Sound]) -> Vec<usize> {
    // By length: the batch with the lowest last offset that ends so long a run.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(batches.len());
    let last_of = |number: &usize| batches.get(*number).map(|batch| batch.last_offset);
    for (number, batch) in batches.iter().enumerate() {
        let length = ends.partition_point(|end| last_of(end) < Some(batch.base_offset));
        before.push(length.checked_sub(1).and_then(|length| ends.get(length).copied()));
        match ends.get_mut(length) {
            Some(end) if last_of(end) > Some(batch.last_offset) => *end = number,
            Some(_) => {}
            None => ends.push(number),
        }
    }
    let mut run = Vec::new();
    let mut at = ends.last().copied();
    while let Some(number) = at {
        run.push(number);
        at = before.get(number).copied().flatten();
    }
    run.reverse();
    run
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    fn batches(offsets: &[(i64, i64)]) -> Vec<Sound> {
        let sound = |(base, last): &(i64, i64)| Sound {
            position: Position(0),
            size_bytes: 70,
            base_offset: Offset(*base),
            last_offset: Offset(*last),
            max_timestamp: Timestamp::NONE,
            records: 1,
        };
        offsets.iter().map(sound).collect()
    }

    #[test]
    fn one_batch_with_a_wrong_offset_does_not_make_the_others_unbelievable() {
        let far_ahead = batches(&[(0, 1), (900, 901), (4, 5), (6, 9), (10, 10)]);
        assert_eq!(longest_rising(&far_ahead), [0, 2, 3, 4]);
        let far_behind = batches(&[(5, 6), (7, 8), (0, 1), (9, 9)]);
        assert_eq!(longest_rising(&far_behind), [0, 1, 3]);
        let overlapping = batches(&[(0, 5), (3, 9), (6, 7), (8, 9)]);
        assert_eq!(longest_rising(&overlapping), [0, 2, 3]);
    }

    #[test]
    fn of_a_log_without_damage_among_its_batches_only_the_last_is_held() {
        let name = "00000000000000000000.log";
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let whole =
            std::fs::read(root.join("testdata/broker-3.9.1/rdk-none-0").join(name)).unwrap();
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join(name);
        let look = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let log = LogFile::open(&Disk::default(), &path, Offset(0)).unwrap();
            let (mut decoder, mut heard) = (Decoder::new(), 0);
            let all = Examined::of(&log, None, &mut decoder).unwrap();
            let sound = Examined::of_sound(&log, None, &mut decoder, |_, _, _| heard += 1);
            (all, sound.unwrap(), heard)
        };
        for torn_bytes in [0, 5] {
            let (all, sound, heard) = look(&whole[..whole.len() - torn_bytes]);
            let sound = sound.unwrap();
            assert!(heard == all.batches.len() && heard > 3, "{heard}");
            assert_eq!(sound.batches, all.batches[heard - 1..]);
            assert_eq!(sound.damage.len(), usize::from(torn_bytes > 0));
            assert_eq!((sound.damage, sound.untold), (all.damage, all.untold));
            assert_eq!(sound.claimed_end, all.claimed_end);
        }
        let mut flipped = whole;
        flipped[70] ^= 1;
        assert!(look(&flipped).1.is_none());
    }
}
