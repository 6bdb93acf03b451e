//! What an interrupted swap left, finished or undone by the rules of a starting broker
//! (`LogLoader.removeTempFilesAndCollectSwapFiles` and `load`):
//!
//! 1. `.deleted` files go.
//! 2. If there are `.cleaned` files, they go, and before them every `.swap` at or above the lowest
//!    of them: that swap had not come to its point of no return.
//! 3. A `.log.swap` that is left is complete. Old segments that begin within it go, and all
//!    `.swap` files take their names.
//! 4. Indexes without a `.log` go (`LogLoader.loadSegmentFiles`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::replacement::{finish, oldest_first};
use super::{Step, carry_out, list};
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::segment::{FileName, Kind, LogFile, PartitionDir, Suffix};
use crate::units::Offset;

/// How an interrupted swap is ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The steps.
    pub steps: Vec<Step>,
    /// Segments whose replacement is finished.
    pub finished: Vec<Offset>,
    /// Whether a replacement that had not come far enough is undone.
    pub undone: bool,
}

impl Recovery {
    /// Decides, given the `files` of a partition directory and, for a `.log.swap`, the offset
    /// behind its last record.
    ///
    /// # Errors
    /// Those of `next_offset`.
    pub fn plan(
        files: &BTreeSet<FileName>,
        mut next_offset: impl FnMut(FileName) -> Result<Offset>,
    ) -> Result<Recovery> {
        let with = |suffix| files.iter().copied().filter(move |name| name.suffix == Some(suffix));
        let mut recovery = Recovery::default();
        let steps = &mut recovery.steps;
        steps.extend(with(Suffix::Deleted).map(Step::Remove));
        let lowest_cleaned = with(Suffix::Cleaned).map(|name| name.offset).min();
        let is_undone = |name: &FileName| lowest_cleaned.is_some_and(|low| name.offset >= low);
        if lowest_cleaned.is_some() {
            recovery.undone = true;
            steps.extend(with(Suffix::Swap).filter(is_undone).map(Step::Remove));
            steps.push(Step::Sync);
            steps.extend(with(Suffix::Cleaned).map(Step::Remove));
        }
        let swaps: Vec<FileName> = with(Suffix::Swap).filter(|name| !is_undone(name)).collect();
        let mut reach: Option<(Offset, Offset)> = None;
        for log in swaps.iter().filter(|name| name.kind == Kind::Log) {
            let (low, high) = reach.unwrap_or((log.offset, log.offset));
            reach = Some((low.min(log.offset), high.max(next_offset(*log)?)));
            recovery.finished.push(log.offset);
        }
        if let Some((low, high)) = reach {
            let within = |name: &&FileName| {
                name.suffix.is_none() && (low..high.max(low.next())).contains(&name.offset)
            };
            let (snapshots, old): (Vec<_>, Vec<_>) =
                files.iter().filter(within).partition(|name| name.kind == Kind::Snapshot);
            let mut old: Vec<Offset> = old.into_iter().map(|name: &FileName| name.offset).collect();
            old.dedup();
            let snapshots = snapshots.into_iter().map(|name: &FileName| name.offset);
            let snapshots: Vec<Offset> = snapshots.filter(|offset| *offset != low).collect();
            steps.extend(oldest_first(&old, &snapshots, files, Step::Remove));
        }
        let has_log = |name: &FileName| {
            let log = |suffix| FileName { kind: Kind::Log, suffix, ..*name };
            files.contains(&log(None)) || swaps.contains(&log(Some(Suffix::Swap)))
        };
        let is_orphan = |name: &&FileName| {
            let is_placed = name.suffix.is_none() && name.kind != Kind::Snapshot;
            is_placed && !has_log(name)
        };
        steps.extend(files.iter().filter(is_orphan).copied().map(Step::Remove));
        steps.extend(finish(swaps.into_iter()));
        if !steps.is_empty() {
            steps.push(Step::Sync);
        }
        Ok(recovery)
    }

    /// What was done, for people; `None` if nothing was left to be done.
    pub fn describe(&self) -> Option<String> {
        let removed = self.steps.iter().filter(|step| matches!(step, Step::Remove(_))).count();
        match (self.finished.as_slice(), self.undone) {
            _ if self.steps.is_empty() => None,
            ([], true) => Some("an interrupted swap is undone".into()),
            ([], false) if removed == 0 => Some("an interrupted swap is finished".into()),
            ([], false) => Some(format!("{removed} files that a swap left are removed")),
            (_, false) => Some("an interrupted swap is finished".into()),
            (_, true) => Some("an interrupted swap is finished, the one behind it undone".into()),
        }
    }
}

/// Ends what an interrupted swap left in the partition directory `dir`.
///
/// # Errors
/// The system's; a `.log.swap` that is damaged, which is left for somebody to look at.
pub fn recover(disk: &Disk, dir: &Path) -> Result<Recovery> {
    let next_offset = |name: FileName| next_offset(disk, dir, name);
    let recovery = Recovery::plan(&list(dir)?, next_offset)?;
    carry_out(&recovery.steps, disk, dir)?;
    Ok(recovery)
}

/// The partition directory `dir` as it would be after [`recover`], which is not carried out.
///
/// # Errors
/// As [`recover`].
pub fn view(disk: &Disk, dir: &Path) -> Result<(PartitionDir, Recovery)> {
    let files = list(dir)?;
    let recovery = Recovery::plan(&files, |name| next_offset(disk, dir, name))?;
    // By the names that the files would have: those that they have.
    let mut names: BTreeMap<FileName, FileName> = files.iter().map(|name| (*name, *name)).collect();
    for step in &recovery.steps {
        match step {
            Step::Remove(name) => {
                names.remove(name);
            }
            Step::Rename(from, to) => {
                if let Some(actual) = names.remove(from) {
                    names.insert(*to, actual);
                }
            }
            Step::Sync => {}
        }
    }
    let mut listed = PartitionDir::open_on(disk, dir)?;
    listed.segments.clear();
    let placed = names.iter().filter(|(name, _)| name.suffix.is_none());
    for (name, actual) in placed.clone().filter(|(name, _)| name.kind == Kind::Log) {
        listed.add_segment(name.offset, actual.suffix)?;
    }
    listed.snapshots = placed
        .filter(|(name, _)| name.kind == Kind::Snapshot)
        .map(|(name, _)| name.offset)
        .collect();
    listed.orphans.clear();
    listed.leftovers.clear();
    Ok((listed, recovery))
}

/// The offset behind the last record of a `.log.swap`, all of whose batches are sound.
fn next_offset(disk: &Disk, dir: &Path, name: FileName) -> Result<Offset> {
    let path = dir.join(name.to_string());
    let log = LogFile::open(disk, &path, name.offset)?;
    let mut next = name.offset;
    for item in log.checked_batches() {
        let (_, batch) = item
            .map_err(|damaged| Error::corrupt(&path, damaged.position, damaged.flaw.to_string()))?;
        next = batch.header.last_offset.next();
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(list: &[&str], next: i64) -> Recovery {
        let files = list.iter().map(|name| FileName::parse(name).unwrap()).collect();
        Recovery::plan(&files, |_| Ok(Offset(next))).unwrap()
    }

    #[test]
    fn nothing_is_done_where_nothing_is_left() {
        let recovery = plan(&["00000000000000000000.log", "00000000000000000000.index"], 9);
        assert_eq!(recovery, Recovery::default());
        assert_eq!(recovery.describe(), None);
    }

    #[test]
    fn a_swap_at_or_above_a_cleaned_file_is_undone() {
        let log = "00000000000000000000.log";
        let recovery =
            plan(&[log, "00000000000000000000.log.swap", "00000000000000000000.index.cleaned"], 9);
        assert!(recovery.undone);
        assert!(recovery.finished.is_empty());
        let kept = Step::Remove(FileName::parse(log).unwrap());
        assert!(!recovery.steps.contains(&kept));
    }

    #[test]
    fn an_old_segment_behind_the_last_record_of_the_new_one_stays() {
        let (within, behind) = ("00000000000000000005.log", "00000000000000000009.log");
        let recovery = plan(&[within, behind, "00000000000000000000.log.swap"], 9);
        let removes = |name| recovery.steps.contains(&Step::Remove(FileName::parse(name).unwrap()));
        assert!(removes(within));
        assert!(!removes(behind));
    }
}
