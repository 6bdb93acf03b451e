//! Offsets that are missing between a segment and the next: what a cleaner leaves, or a segment
//! that was lost.
//!
//! A cleaner takes offsets anywhere, also the last of a segment. So a gap is worth a warning only
//! with evidence: files of a segment that is not there, a snapshot at the base of one, or a cleaner
//! checkpoint that says that nothing was ever cleaned there. Without any, it is noted if
//! there is no gap within a segment, for a cleaner hardly ever takes whole segments and nothing
//! else.

use super::finding::{Finding, Findings, Severity};
use crate::rounds::StateDir;
use crate::segment::{CLEANER_CHECKPOINT, FileName, Kind, LogDir, PartitionDir};
use crate::units::Offset;

/// What offsets a segment has.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Its base.
    pub base: Offset,
    /// The offset behind its last batch.
    pub end: Offset,
    /// Whether some are missing in between.
    pub has_holes: bool,
    /// Whether some of it cannot be read.
    pub is_damaged: bool,
}

impl Extent {
    /// Whether offsets are missing, or may be, in front of the next segment.
    pub fn is_gap_to(&self, next_base: Offset) -> bool {
        self.end < next_base || self.is_damaged
    }
}

/// Looks at the neighbours in `extents`, the segments of `dir` in their order.
pub fn check(dir: &PartitionDir, extents: &[Extent], found: &mut Findings) {
    let pairs = extents.iter().zip(extents.iter().skip(1));
    // Damage is told of, and what it took.
    let is_lost = |(before, next): &(&Extent, &Extent)| {
        !before.is_damaged && before.end < next.base && before.end >= before.base
    };
    let gaps: Vec<(Extent, Offset)> =
        pairs.filter(is_lost).map(|(before, next)| (*before, next.base)).collect();
    if gaps.is_empty() {
        return;
    }
    let is_dense = extents.iter().all(|e| !e.has_holes && !e.is_damaged);
    let cleaned = cleaned_up_to(dir);
    for (before, base) in gaps {
        let end = before.end;
        let evidence = evidence(dir, end, base, cleaned);
        let (rule, severity, text) = match evidence {
            Some(text) => ("segment-missing", Severity::Warning, text),
            // A segment without a record was emptied; what is missing was in it.
            None if is_dense && before.end > before.base => {
                let text = "there is no gap within any segment: compacted, or one is missing";
                ("segment-gap", Severity::Info, text.to_owned())
            }
            None => continue,
        };
        let path = dir.file(&FileName::new(base, Kind::Log).to_string());
        let text = format!("the segment in front ends at {end}; {text}");
        found.push(Finding::about(rule, severity, &path, text).of(end));
    }
}

/// What says that the offsets from `end` to `base` were not compacted away.
fn evidence(
    dir: &PartitionDir,
    end: Offset,
    base: Offset,
    cleaned: Option<Offset>,
) -> Option<String> {
    let orphans = &dir.orphans;
    let orphan = orphans.get(orphans.partition_point(|name| name.offset < end));
    if let Some(orphan) = orphan.filter(|name| name.offset < base) {
        return Some(format!("{orphan} is there, but not its log"));
    }
    // The newest snapshot is of the log's end, wherever that was.
    let older = dir.snapshots.split_last().map_or(&[][..], |(_, older)| older);
    let behind = older.get(older.partition_point(|offset| *offset < end)..).unwrap_or_default();
    let is_of_none =
        |offset: &&Offset| dir.segments.binary_search_by_key(*offset, |s| s.base).is_err();
    // Only the first can be of a segment that is there, for there are none in a gap.
    let mut within = behind.iter().take(2).filter(|offset| **offset < base);
    if let Some(offset) = within.find(is_of_none) {
        let snapshot = FileName::new(*offset, Kind::Snapshot);
        return Some(format!("{snapshot} is of a segment that is not there"));
    }
    let cleaned = cleaned.filter(|cleaned| *cleaned <= end)?;
    Some(format!("the cleaner's checkpoint is at {cleaned}, so it has not taken what is missing"))
}

/// Up to where a broker's cleaner has cleaned, if its checkpoint tells of the partition. Where
/// rounds were at work it does not tell all: they also erase keys behind that. Which segments they
/// have left is known from their state.
fn cleaned_up_to(dir: &PartitionDir) -> Option<Offset> {
    if dir.path.join(StateDir::NAME).is_dir() {
        return None;
    }
    LogDir::checkpointed(&dir.path, CLEANER_CHECKPOINT).ok().flatten()
}
