//! What an interrupted swap left, finished or undone by the rules of a starting broker
//! (`LogLoader.removeTempFilesAndCollectSwapFiles` and `load`):
//!
//! 1. `.deleted` files go.
//! 2. If there are `.cleaned` files, they go, and before them every `.swap` at or above the lowest
//!    of them: that swap had not come to its point of no return.
//! 3. A `.log.swap` that is left is complete. Old segments that begin within it go, and all
//!    `.swap` files take their names. One that is damaged is not believed: it goes, as long as the
//!    old segment with its base is there, for then none of the old ones has gone yet.
//! 4. Indexes without a `.log` go (`LogLoader.loadSegmentFiles`).
//! 5. `.tmp` files go, which only this program makes: what they were to replace is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::replacement::{finish, oldest_first};
use super::{Step, carry_out, list};
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::segment::{FileName, Kind, LogFile, PartitionDir, Suffix, Suffixes, UNFINISHED};
use crate::units::Offset;

/// A `.log.swap`, looked at.
#[derive(Debug)]
pub struct SwapLog {
    /// The offset behind its last record.
    pub next_offset: Offset,
    /// Its first damage.
    pub damage: Option<Error>,
}

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
    /// Decides about the partition directory `dir`.
    ///
    /// # Errors
    /// The system's: that it cannot be read; a `.log.swap` that is damaged and the only copy there
    /// is, unless that `may_be_damaged`.
    pub fn of(disk: &Disk, dir: &Path, may_be_damaged: bool) -> Result<Recovery> {
        Recovery::plan(&list(dir)?, may_be_damaged, |name| look_at(disk, dir, name))
    }

    /// Ends it in the partition directory `dir`.
    ///
    /// # Errors
    /// The system's: that it cannot be written.
    pub fn carry_out(&self, disk: &Disk, dir: &Path) -> Result<()> {
        carry_out(&self.steps, disk, dir)?;
        UNFINISHED.iter().try_for_each(|name| disk.remove_if_there(&dir.join(name)))
    }

    /// Decides, given the `files` of a partition directory and, for a `.log.swap`, the offset
    /// behind its last record and its damage.
    ///
    /// # Errors
    /// Those of `look_at`; damage in the only copy there is, unless that `may_be_damaged`.
    pub fn plan(
        files: &BTreeSet<FileName>,
        may_be_damaged: bool,
        look_at: impl FnMut(FileName) -> Result<SwapLog>,
    ) -> Result<Recovery> {
        let mut recovery = Recovery::default();
        recovery.steps.extend(with(files, Suffix::Deleted).map(Step::Remove));
        recovery.steps.extend(with(files, Suffix::Tmp).map(Step::Remove));
        let swaps = recovery.undo_what_is_not_complete(files);
        let swaps = recovery.decide(files, swaps, may_be_damaged, look_at)?;
        recovery.steps.extend(orphans(files, &swaps).map(Step::Remove));
        recovery.make_way(files, &swaps);
        recovery.steps.extend(finish(swaps.into_iter()));
        if !recovery.steps.is_empty() {
            recovery.steps.push(Step::Sync);
        }
        Ok(recovery)
    }

    /// Rule 2; the `.swap` files that it leaves.
    fn undo_what_is_not_complete(&mut self, files: &BTreeSet<FileName>) -> Vec<FileName> {
        let lowest_cleaned = with(files, Suffix::Cleaned).map(|name| name.offset).min();
        let is_undone = |name: &FileName| lowest_cleaned.is_some_and(|low| name.offset >= low);
        if lowest_cleaned.is_some() {
            self.undone = true;
            self.steps.extend(with(files, Suffix::Swap).filter(is_undone).map(Step::Remove));
            self.steps.push(Step::Sync);
            self.steps.extend(with(files, Suffix::Cleaned).map(Step::Remove));
        }
        with(files, Suffix::Swap).filter(|name| !is_undone(name)).collect()
    }

    /// Rule 3, for the old segments; the `.swap` files that are to take their names.
    fn decide(
        &mut self,
        files: &BTreeSet<FileName>,
        swaps: Vec<FileName>,
        may_be_damaged: bool,
        mut look_at: impl FnMut(FileName) -> Result<SwapLog>,
    ) -> Result<Vec<FileName>> {
        let (logs, companions): (Vec<FileName>, Vec<FileName>) =
            swaps.iter().partition(|name| name.kind == Kind::Log);
        let is_there = |log: &FileName| files.contains(&FileName { suffix: None, ..*log });
        let mut reach: Option<(Offset, Offset)> = None;
        for log in &logs {
            let SwapLog { next_offset, damage } = look_at(*log)?;
            match damage {
                Some(_) if logs.iter().all(is_there) => {
                    self.undone = true;
                    // The logs go last: without them, companions would pass for finished ones.
                    self.steps.extend(companions.into_iter().map(Step::Remove));
                    self.steps.push(Step::Sync);
                    self.steps.extend(logs.into_iter().map(Step::Remove));
                    return Ok(Vec::new());
                }
                Some(damage) if !may_be_damaged => return Err(damage),
                _ => {}
            }
            let (low, high) = reach.unwrap_or((log.offset, log.offset));
            reach = Some((low.min(log.offset), high.max(next_offset)));
        }
        if let Some((low, high)) = reach {
            self.steps.extend(remove_old(files, low, high));
        }
        self.finished = logs.iter().map(|log| log.offset).collect();
        Ok(swaps)
    }

    /// A broker that finished an empty `.log.swap` leaves old companions where new ones are to be.
    fn make_way(&mut self, files: &BTreeSet<FileName>, swaps: &[FileName]) {
        let places = swaps.iter().map(|name| FileName { suffix: None, ..*name });
        let taken = places.filter(|name| name.kind != Kind::Log && files.contains(name));
        for step in taken.map(Step::Remove) {
            if !self.steps.contains(&step) {
                self.steps.push(step);
            }
        }
    }

    /// Whether a swap was interrupted. If none was, all that is left to do is to remove files that
    /// nobody reads.
    fn ends_a_swap(&self) -> bool {
        let is_removal = |step: &Step| matches!(step, Step::Remove(_) | Step::Sync);
        self.undone || !self.steps.iter().all(is_removal)
    }

    /// Whether all that is left to do is to remove what was replaced.
    pub fn only_removes_deleted(&self) -> bool {
        let is_so = |step: &Step| match step {
            Step::Remove(name) => name.suffix == Some(Suffix::Deleted),
            Step::Sync => true,
            Step::Rename(..) => false,
        };
        !self.undone && self.steps.iter().all(is_so)
    }

    /// What was done, for people; `None` if nothing was left to be done.
    pub fn describe(&self) -> Option<String> {
        let removed = self.steps.iter().filter(|step| matches!(step, Step::Remove(_))).count();
        match (self.finished.as_slice(), self.undone) {
            _ if self.steps.is_empty() => None,
            ([], true) => Some("an interrupted swap is undone".into()),
            ([], false) if removed == 0 => Some("an interrupted swap is finished".into()),
            ([], false) => {
                let files = if removed == 1 { "file" } else { "files" };
                Some(format!("{removed} {files} that an earlier run left are removed"))
            }
            (_, false) => Some("an interrupted swap is finished".into()),
            (_, true) => Some("an interrupted swap is finished, the one behind it undone".into()),
        }
    }
}

fn with(files: &BTreeSet<FileName>, suffix: Suffix) -> impl Iterator<Item = FileName> {
    files.iter().copied().filter(move |name| name.suffix == Some(suffix))
}

/// The steps that remove the old segments that begin from `low` to below `high`.
fn remove_old(files: &BTreeSet<FileName>, low: Offset, high: Offset) -> Vec<Step> {
    let within = |name: &&FileName| {
        name.suffix.is_none() && (low..high.max(low.next())).contains(&name.offset)
    };
    let (snapshots, old): (Vec<_>, Vec<_>) =
        files.iter().filter(within).partition(|name| name.kind == Kind::Snapshot);
    let mut old: Vec<Offset> = old.into_iter().map(|name: &FileName| name.offset).collect();
    old.dedup();
    let snapshots = snapshots.into_iter().map(|name: &FileName| name.offset);
    let snapshots: Vec<Offset> = snapshots.filter(|offset| *offset != low).collect();
    oldest_first(&old, &snapshots, files, Step::Remove)
}

/// Rule 4: indexes whose log is not there, and not to come.
fn orphans<'a>(
    files: &'a BTreeSet<FileName>,
    swaps: &'a [FileName],
) -> impl Iterator<Item = FileName> + 'a {
    let has_log = |name: &FileName| {
        let log = |suffix| FileName { kind: Kind::Log, suffix, ..*name };
        files.contains(&log(None)) || swaps.contains(&log(Some(Suffix::Swap)))
    };
    let is_placed = |name: &FileName| name.suffix.is_none() && name.kind != Kind::Snapshot;
    files.iter().copied().filter(move |name| is_placed(name) && !has_log(name))
}

/// Ends what an interrupted swap left in the partition directory `dir`.
///
/// # Errors
/// Those of [`Recovery::of`] and [`Recovery::carry_out`].
pub fn recover(disk: &Disk, dir: &Path, may_be_damaged: bool) -> Result<Recovery> {
    let recovery = Recovery::of(disk, dir, may_be_damaged)?;
    recovery.carry_out(disk, dir)?;
    Ok(recovery)
}

/// The partition directory `dir` as it would be after [`recover`], which is not carried out.
///
/// # Errors
/// As [`recover`].
pub fn view(disk: &Disk, dir: &Path, may_be_damaged: bool) -> Result<(PartitionDir, Recovery)> {
    let files = list(dir)?;
    let recovery = Recovery::plan(&files, may_be_damaged, |name| look_at(disk, dir, name))?;
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
    // A link under such a name is told of where the directory is listed; a broker skips folders.
    let path_of = |actual: &FileName| dir.join(actual.to_string());
    let is_file = |actual: &FileName| path_of(actual).symlink_metadata().is_ok_and(|m| m.is_file());
    let placed = names.iter().filter(|(name, actual)| name.suffix.is_none() && is_file(actual));
    for (name, _) in placed.clone().filter(|(name, _)| name.kind == Kind::Log) {
        let mut suffixes = Suffixes::default();
        for kind in Kind::ALL {
            let actual = names.get(&FileName::new(name.offset, kind));
            suffixes.set(kind, actual.and_then(|actual| actual.suffix));
        }
        listed.add_segment(name.offset, suffixes)?;
    }
    listed.snapshots = placed
        .filter(|(name, _)| name.kind == Kind::Snapshot)
        .map(|(name, _)| name.offset)
        .collect();
    listed.orphans.clear();
    listed.leftovers.clear();
    Ok((listed, recovery))
}

/// The partition directory `dir` as a starting broker would leave it, and what became of a swap
/// that was interrupted, if one was: the way in for all who only read.
///
/// # Errors
/// The system's.
pub fn as_finished(disk: &Disk, dir: &Path) -> Result<(PartitionDir, Option<String>)> {
    let (dir, recovery) = view(disk, dir, true)?;
    let said = recovery.describe().filter(|_| recovery.ends_a_swap());
    let said = said.map(|what| format!("as it is read, {what}"));
    Ok((dir, said))
}

fn look_at(disk: &Disk, dir: &Path, name: FileName) -> Result<SwapLog> {
    let path = dir.join(name.to_string());
    let log = LogFile::open(disk, &path, name.offset)?;
    let mut looked = SwapLog { next_offset: name.offset, damage: None };
    for item in log.checked_batches() {
        match item {
            Ok((_, batch)) => looked.next_offset = batch.header.last_offset.next(),
            Err(damaged) => {
                let reason = damaged.flaw.to_string();
                looked.damage.get_or_insert(Error::corrupt(&path, damaged.position, reason));
            }
        }
    }
    Ok(looked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Position;

    fn plan(list: &[&str], next: i64) -> Recovery {
        let files = list.iter().map(|name| FileName::parse(name).unwrap()).collect();
        let sound = |_| Ok(SwapLog { next_offset: Offset(next), damage: None });
        Recovery::plan(&files, false, sound).unwrap()
    }

    #[test]
    fn a_damaged_swap_goes_if_the_old_segment_is_there_and_is_left_alone_if_not() {
        let log = "00000000000000000000.log.swap";
        let plan = |list: &[&str], may_be_damaged| {
            let files = list.iter().map(|name| FileName::parse(name).unwrap()).collect();
            Recovery::plan(&files, may_be_damaged, |_| {
                let damage = Error::corrupt(Path::new(log), Position(0), "damaged");
                Ok(SwapLog { next_offset: Offset(9), damage: Some(damage) })
            })
        };
        let removed = Step::Remove(FileName::parse(log).unwrap());
        let undone = plan(&["00000000000000000000.log", log], false).unwrap();
        assert!(undone.undone && undone.steps.contains(&removed));
        assert!(plan(&["00000000000000000005.log", log], false).is_err());
        assert_eq!(plan(&["00000000000000000005.log", log], true).unwrap().finished, [Offset(0)]);
    }

    #[test]
    fn who_reads_hears_of_a_swap_and_not_of_what_waits_for_its_removal() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("t-0");
        std::fs::create_dir(&dir).unwrap();
        let put = |name: &str| std::fs::write(dir.join(name), "").unwrap();
        let read = || as_finished(&Disk::default(), &dir).unwrap();
        put("00000000000000000000.log");
        put("00000000000000000000.log.deleted");
        assert_eq!(read().1, None);
        put("00000000000000000007.log.swap");
        let (listed, said) = read();
        assert_eq!(said.unwrap(), "as it is read, an interrupted swap is finished");
        assert_eq!(listed.segments.len(), 2);
        put("00000000000000000007.index.cleaned");
        let (listed, said) = read();
        assert_eq!(said.unwrap(), "as it is read, an interrupted swap is undone");
        assert_eq!(listed.segments.len(), 1);
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
