//! The source from a watermark on: what a round reads, and whether it is the source that it was.
//!
//! Nothing below the watermark is opened, but the one segment that it lies in, and of that no more
//! than an index and the headers next to the watermark.

use super::kept_damage::behind_kept;
use crate::error::{Error, Result};
use crate::rounds::{KeptDamage, RoundFile, Sample};
use crate::segment::{Between, Cut, Kind, Mark, Neighbour, PartitionDir, Segment};
use crate::units::Offset;

/// The batches on both sides of a watermark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The last one in front of it.
    pub before: Option<Mark>,
    /// The first one behind it, or that which holds it.
    pub behind: Option<Mark>,
    /// Whether that holds it, and offsets in front of it.
    pub is_within_batch: bool,
}

impl Marks {
    /// Those of `segments` around `end`, as far as they lie in the segments that hold it or begin
    /// with it.
    ///
    /// # Errors
    /// The system's.
    pub fn around(segments: &[Segment], end: Offset) -> Result<Marks> {
        let reached = segments.partition_point(|segment| segment.base < end);
        let holder = reached.checked_sub(1).and_then(|number| segments.get(number));
        let bound = |number: usize| segments.get(number).map(|segment| segment.base);
        let cut = holder.map(|segment| Cut::at(segment, end, bound(reached))).transpose()?;
        let mut marks = cut.as_ref().map(Marks::of_cut).unwrap_or_default();
        let is_next = |next: &&Segment| {
            cut.is_none_or(|cut| cut.behind.is_none() && (!cut.is_damaged() || next.base <= end))
        };
        if let Some(next) = segments.get(reached).filter(is_next) {
            marks.behind = Marks::of_cut(&Cut::at(next, end, bound(reached + 1))?).behind;
        }
        Ok(marks)
    }

    fn of_cut(cut: &Cut) -> Marks {
        let is_within_batch = cut.is_within_batch() && !cut.is_damaged();
        let sound = |batch: Neighbour| batch.is_sound.then_some(batch.mark);
        // Next to damage lies something else once that is mended.
        let before = cut.before.filter(|_| cut.between == Between::Nothing);
        let behind = cut.behind.filter(|_| !cut.is_damaged());
        let (before, behind) = (before.and_then(sound), behind.and_then(sound));
        Marks { before, behind, is_within_batch }
    }

    /// Those that a round has left.
    pub fn of(file: &RoundFile) -> Marks {
        let end = file.end_offset();
        let marks = |is_behind: bool| {
            let mut samples = file.source.samples.iter();
            // A batch that was cut in two is behind, as a whole.
            let sample = samples.find(|sample| (sample.last_offset >= end) == is_behind)?;
            Some(Mark {
                base_offset: sample.base_offset,
                last_offset: sample.last_offset,
                records: sample.records,
                crc: sample.crc,
                has_horizon: false,
            })
        };
        let is_within_batch = file.source.within_batch;
        Marks { before: marks(false), behind: marks(true), is_within_batch }
    }

    /// As they are left to the next round.
    pub fn samples(&self) -> Vec<Sample> {
        let sample = |mark: Mark| Sample {
            base_offset: mark.base_offset,
            last_offset: mark.last_offset,
            records: mark.records,
            crc: mark.crc,
        };
        [self.before, self.behind].into_iter().flatten().map(sample).collect()
    }

    /// The offset behind the last batch of `segments`.
    ///
    /// # Errors
    /// As [`Marks::around`].
    pub fn end_of(segments: &[Segment]) -> Result<Offset> {
        let Some(last) = segments.last() else { return Ok(Offset(0)) };
        let cut = Cut::at(last, Offset(i64::MAX), None)?;
        Ok(cut.reached().unwrap_or(last.base))
    }

    /// Whether a log with these marks may be what has become of one with the marks `earlier`: it
    /// has grown, and a cleaner may have been at work in it.
    fn may_come_of(&self, earlier: &Marks) -> bool {
        let before = match (self.before, earlier.before) {
            // What was cleaned away is not missed.
            (Some(now), Some(then)) if now.base_offset == then.base_offset => {
                now.may_come_of(&then)
            }
            (Some(now), Some(then)) => now.last_offset < then.base_offset,
            _ => true,
        };
        let behind = match (self.behind, earlier.behind) {
            (Some(now), Some(then)) if now.base_offset == then.base_offset => {
                now.may_come_of(&then)
            }
            (Some(now), Some(then)) => now.base_offset > then.last_offset,
            _ => true,
        };
        before && behind
    }
}

/// The part of `source` from the watermark on, as a partition of its own. `end` is the offset
/// behind the watermark, `earlier` the marks that were left there, `kept` the damage there that is
/// in the destination already, which has held what there was up to `held_end`.
///
/// # Errors
/// Refused, with what to do: another source, a gap in front of it, one that was cut off. The
/// system's.
pub fn ahead(
    source: &PartitionDir,
    end: Offset,
    earlier: &Marks,
    kept: Option<&KeptDamage>,
    held_end: Offset,
) -> Result<PartitionDir> {
    let start = starts_at(source)?;
    // What was deleted behind that is missing, though it may still be there.
    let is_gap = start > end.max(held_end);
    let Some((number, holder)) = holder_of(source, end).filter(|_| !is_gap) else {
        return Err(gap(end, start));
    };
    let next = source.segments.get(number + 1).map(|next| next.base);
    let cut = Cut::at(holder, end, next)?;
    let mut marks = Marks::of_cut(&cut);
    if earlier.behind.is_none() && marks.before.is_none() {
        // Only what lies in front can tell; if it is gone, or nobody may read it, nothing does.
        let older = number.checked_sub(1).and_then(|number| source.segments.get(number));
        let before = |older| Some(Marks::of_cut(&Cut::at(older, end, Some(holder.base)).ok()?));
        marks.before = older.and_then(before).and_then(|marks| marks.before);
    }
    let reaches = cut.reached().unwrap_or(holder.base);
    if next.is_none() && cut.behind.is_none() && reaches < end && !cut.is_damaged() {
        return Err(Error::refused(format!(
            "the source ends at offset {reaches}, but was compacted up to offset {}: it was cut \
             off or replaced; compact it to another folder with --out, or pass --full to start \
             over from it",
            Offset(end.0 - 1)
        )));
    }
    let is_within_another = marks.is_within_batch && !earlier.is_within_batch;
    if is_within_another || !marks.may_come_of(earlier) {
        return Err(Error::refused(format!(
            "this is another source: the batches around offset {end} are not those that the last \
             round saw; compact it to another folder with --out (if it is the same log, written \
             anew since, with --rebase-from this one), or pass --full to start over from it"
        )));
    }
    let cut = kept.map_or(Ok(cut), |kept| behind_kept(cut, holder, kept))?;
    if holder.base < end && cut.is_damaged() && earlier.is_within_batch {
        let what = "the batch within which the last round has ended is damaged";
        return Err(cannot_go_on(Error::corrupt(&holder.path(Kind::Log), cut.position, what)));
    }
    let first = behind(&cut, holder, end, next).map_err(cannot_go_on)?;
    let mut ahead = beginning_with(first, source, number);
    ahead.snapshots.retain(|offset| *offset >= end);
    Ok(ahead)
}

/// Where the log in `source` starts for those who read it. A start behind its end is not believed,
/// as in a [`Plan`](crate::compact::plan::Plan).
///
/// # Errors
/// The system's.
pub fn starts_at(source: &PartitionDir) -> Result<Offset> {
    let base = |segment: &Segment| segment.base;
    let first = source.segments.first().map_or(Offset(0), base);
    let start = source.log_start().unwrap_or(first);
    let is_believed = source.segments.last().is_some_and(|last| start <= last.base)
        || start <= Marks::end_of(&source.segments)?;
    Ok(if is_believed { start } else { first })
}

/// The part of `source` from the offset `start` on, as a partition of its own.
///
/// # Errors
/// The system's.
pub fn onward(source: &PartitionDir, start: Offset) -> Result<PartitionDir> {
    let Some((number, holder)) = holder_of(source, start) else { return Ok(source.clone()) };
    let next = source.segments.get(number + 1).map(|next| next.base);
    let cut = Cut::at(holder, start, next)?;
    let first = match behind(&cut, holder, start, next) {
        Err(error) if error.is_corruption() => vec![behind_damage(&cut, holder, start)],
        outcome => outcome?,
    };
    Ok(beginning_with(first, source, number))
}

/// The segment that holds `offset`, or begins with it, and its number.
fn holder_of(source: &PartitionDir, offset: Offset) -> Option<(usize, &Segment)> {
    let reached = source.segments.partition_point(|segment| segment.base <= offset);
    let number = reached.checked_sub(1)?;
    Some((number, source.segments.get(number)?))
}

/// What of the segment `holder`, in front of one that begins at `next`, lies behind the `cut` at
/// `offset`.
fn behind(
    cut: &Cut,
    holder: &Segment,
    offset: Offset,
    next: Option<Offset>,
) -> Result<Vec<Segment>> {
    Ok(if holder.base == offset {
        vec![holder.clone()]
    } else if cut.is_damaged() {
        vec![behind_damage(cut, holder, offset)]
    } else {
        cut.apply_within_batch(holder, next)?.1
    })
}

/// With the damage: whoever reads it tells of it, or leaves it out if that is asked for.
fn behind_damage(cut: &Cut, holder: &Segment, offset: Offset) -> Segment {
    Segment { base: offset, ..cut.apply(holder).1 }
}

/// `first`, and of `source` what follows its segment `number`.
fn beginning_with(first: Vec<Segment>, source: &PartitionDir, number: usize) -> PartitionDir {
    let rest = source.segments.get(number + 1..).unwrap_or_default();
    PartitionDir {
        segments: first.into_iter().chain(rest.iter().cloned()).collect(),
        ..source.clone()
    }
}

/// What to say if the batch is damaged within which the last round has ended.
fn cannot_go_on(error: Error) -> Error {
    if !error.is_corruption() {
        return error;
    }
    Error::refused(format!(
        "{error}; the next round cannot begin where the last has ended; name a copy in which that \
         batch is whole, or pass --full to start over"
    ))
}

/// What to say if records are missing between the watermark and the start of the source.
pub fn gap(end: Offset, start: Offset) -> Error {
    Error::refused(format!(
        "the source begins at offset {start}, but was compacted up to offset {} only: the records \
         between are gone from it; name a copy that has them, or pass --full and --force to \
         start over from what there is",
        Offset(end.0 - 1)
    ))
}

/// `source` with a border at `end`, so that what lies in front of it can be compacted without what
/// lies behind it. Returns where the border is: in front of `end` only if that lies within a batch
/// that is damaged, which is for those to tell of who read it.
///
/// # Errors
/// The system's.
pub fn with_border(source: &mut PartitionDir, end: Offset) -> Result<Offset> {
    let reached = source.segments.partition_point(|segment| segment.base < end);
    let Some(number) = reached.checked_sub(1) else { return Ok(end) };
    let Some(holder) = source.segments.get(number) else { return Ok(end) };
    let next = source.segments.get(number + 1).map(|next| next.base);
    let cut = Cut::at(holder, end, next)?;
    // Damage at the end of a segment is in front of what the next begins with.
    let is_behind_damage = !cut.is_damaged() || next.is_none_or(|next| next <= end);
    if cut.behind.is_none() && is_behind_damage {
        return Ok(end);
    }
    let (border, parts) = match cut.apply_within_batch(holder, next) {
        Ok((fronts, backs)) => (end, [fronts, backs].concat()),
        Err(error) if !error.is_corruption() => return Err(error),
        Err(_) => {
            let offset = cut.reached().unwrap_or(holder.base);
            let (front, back) = Cut { offset, ..cut }.apply(holder);
            (offset, [front, back].into_iter().filter(|part| part.size_bytes > 0).collect())
        }
    };
    source.segments.splice(number..=number, parts);
    Ok(border)
}

/// Where the active segment begins, which may be cut into parts.
pub fn active_base(segments: &[Segment]) -> Option<Offset> {
    let last = segments.last()?;
    let first = segments.iter().find(|segment| segment.shares_file_with(last))?;
    Some(first.base)
}
