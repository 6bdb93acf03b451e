//! The commit of a round: many files take the place of many others, as if in one step.
//!
//! The journal says which. Once it is on the disk the round happens: whatever interrupts it, the
//! next run does again what is not done yet. What is done can be told from the names alone, so a
//! journal is never changed, only carried out and removed.
//!
//! A `change` is about neighbouring segments, and a broker that starts in the middle of it finds
//! what its own cleaner would have left (`UnifiedLog.replaceSegments`, `LogLoader`):
//!
//! 1. The new files, which lie in `next/`, come into the partition directory as `.swap`. As long as
//!    that goes on, an empty `.log.cleaned` with the lowest of their offsets lies beside them: a
//!    broker that finds it removes it and every `.swap` from there on, and has the old segments.
//!    (The round cannot be finished then. That is noticed, and said.)
//! 2. Without it the swap is complete: a broker finishes it, as this program does. The old files
//!    go: in any order those that a broker would remove then, others the oldest first, a `.log`
//!    before its companions.
//! 3. `.swap` goes from the names, `.log`s first, from the outside in.
//!
//! The changes come one after another. Producer snapshots come before them, for a broker would not
//! know the producers of a log without the one at its end; other files that belong to no segment
//! come last, and what goes of either goes last. Each is replaced by a rename.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::journal_steps::{Files, carry_out, steps};
use super::sealed::{seal, unseal};
use super::state_dir::{StateDir, not_read};
use super::state_file::{self, Remedy, damaged};
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::segment::{FileName, Kind, LEADER_EPOCHS, PARTITION_METADATA};

const FORMAT: u32 = 1;
/// The files of a partition directory that belong to no segment and are no snapshots.
pub const COMPANIONS: [&str; 2] = [LEADER_EPOCHS, PARTITION_METADATA];

/// Files of a partition directory that go, and files that come. A name may be in both lists: then
/// the new file takes the old one's place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// In the order in which they go: the oldest segment first, a `.log` before its companions.
    pub remove: Vec<String>,
    /// They lie in `next/`.
    pub install: Vec<String>,
}

/// All that a commit does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    format: u32,
    round: u64,
    changes: Vec<Change>,
    companions: Change,
    /// Of all files that come.
    sizes_bytes: BTreeMap<String, u64>,
}

impl Journal {
    /// What it is called.
    pub const NAME: &str = "journal.json";

    /// The commit of `round`, for which the files that come are complete and synced in `next/`.
    ///
    /// `changes` are carried out in their order, each about segments of its own; `companions` are
    /// `leader-epoch-checkpoint`, `partition.metadata` and producer snapshots.
    ///
    /// # Errors
    /// The system's; names that may not be there, which would be a bug.
    pub fn of(
        state: &StateDir,
        round: u64,
        changes: Vec<Change>,
        companions: Change,
    ) -> Result<Journal> {
        let sizes_bytes = Files::list(&state.next_dir())?.sizes_bytes;
        let named: BTreeSet<&String> =
            changes.iter().chain([&companions]).flat_map(|change| &change.install).collect();
        let sizes_bytes =
            sizes_bytes.into_iter().filter(|(name, _)| named.contains(name)).collect();
        let journal = Journal { format: FORMAT, round, changes, companions, sizes_bytes };
        let placed = state.path().parent().map_or(Ok(Files::default()), Files::list)?;
        match journal.flaw().or_else(|| journal.gap(&placed)) {
            Some(flaw) => Err(Error::bug(format!("the journal of round {round}: {flaw}"))),
            None => Ok(journal),
        }
    }

    /// The round that it commits.
    pub fn round(&self) -> u64 {
        self.round
    }

    /// The segments.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What belongs to no segment.
    pub fn companions(&self) -> &Change {
        &self.companions
    }

    /// The sizes of all files that come.
    pub fn sizes_bytes(&self) -> &BTreeMap<String, u64> {
        &self.sizes_bytes
    }

    /// Writes it: from here on the round happens. The file of the round must be written, after all
    /// others of the state: with its name, theirs have become durable.
    ///
    /// # Errors
    /// The system's; a round file that cannot be read.
    pub fn write(&self, state: &StateDir) -> Result<()> {
        state.read(self.round)?;
        let next = state.next_dir();
        if next.is_dir() {
            state.disk().sync_dir(&next)?;
        }
        state.disk().replace_file(&state.path().join(Journal::NAME), &seal(self)?)
    }

    /// The journal of a commit that was interrupted, if there is one.
    ///
    /// # Errors
    /// The system's; a damaged journal, or one that reaches where it may not, is refused.
    pub fn load(state: &StateDir) -> Result<Option<Journal>> {
        let path = state.path().join(Journal::NAME);
        let Some(map) = state_file::open_if_there(state.disk(), &path)? else { return Ok(None) };
        let journal: Journal =
            unseal(&map, FORMAT).map_err(|wrong| not_read(&path, wrong, FORMAT, Remedy::Full))?;
        match journal.flaw() {
            Some(flaw) => Err(damaged(&path, flaw, Remedy::Full)),
            None => Ok(Some(journal)),
        }
    }

    /// Does what of it is not done yet.
    ///
    /// # Errors
    /// The system's; files that are neither in `next/` nor in their place, because somebody else
    /// was at work in between.
    pub fn apply(&self, disk: &Disk, partition_dir: &Path) -> Result<()> {
        let state = StateDir::within(disk, partition_dir);
        let (next, placed) = (Files::list(&state.next_dir())?, Files::list(partition_dir)?);
        let steps = steps(self, &next, &placed).map_err(|lost| {
            Error::refused(format!(
                "{}: {lost}: it belongs to round {}, whose commit was interrupted, and somebody \
                 has changed the directory since; pass --full to build the destination anew",
                partition_dir.display(),
                self.round
            ))
        })?;
        carry_out(&steps, disk, partition_dir, &state.next_dir())
    }

    /// Carries it out to the end: applies it, makes its round the current one, and removes it. That
    /// it is gone is durable once garbage is collected; if it comes back, there is nothing to do.
    ///
    /// # Errors
    /// As [`Journal::apply`].
    pub fn complete(&self, disk: &Disk, partition_dir: &Path) -> Result<()> {
        self.apply(disk, partition_dir)?;
        let state = StateDir::within(disk, partition_dir);
        state.switch(self.round)?;
        disk.remove_if_there(&state.path().join(Journal::NAME))
    }

    /// Ends the commit that was interrupted in a partition directory, if there is one, for whoever
    /// changes that otherwise.
    ///
    /// # Errors
    /// As [`Journal::load`] and [`Journal::apply`].
    pub fn end_interrupted(disk: &Disk, partition_dir: &Path) -> Result<()> {
        let journal = Journal::load(&StateDir::within(disk, partition_dir))?;
        journal.map_or(Ok(()), |journal| journal.complete(disk, partition_dir))
    }

    /// A segment that lies between those of a change and is not one of them: a broker that finishes
    /// a swap removes whatever lies between its first and its last segment.
    fn gap(&self, placed: &Files) -> Option<String> {
        let log = |name: &String| placed_name(name).filter(|file| file.kind == Kind::Log);
        for change in &self.changes {
            let comes: BTreeSet<FileName> = change.install.iter().filter_map(log).collect();
            let goes: BTreeSet<FileName> = change.remove.iter().filter_map(log).collect();
            let (Some(first), Some(last)) = (comes.first(), comes.last()) else { continue };
            let mut there = placed.sizes_bytes.keys().filter_map(log);
            let is_between = |file: &FileName| first <= file && file <= last;
            if let Some(file) = there.find(|file| is_between(file) && !goes.contains(file)) {
                return Some(format!("{file} lies between segments that come, and stays"));
            }
        }
        None
    }

    /// What it must not say, whatever its checksum is: it may reach nothing but the files of its
    /// directory that are Kafka's, and each once.
    fn flaw(&self) -> Option<String> {
        let mut seen = BTreeSet::new();
        for change in &self.changes {
            let mut names: BTreeSet<&str> = BTreeSet::new();
            let logs: BTreeSet<FileName> =
                change.install.iter().filter_map(|name| FileName::parse(name)).collect();
            for name in &change.install {
                let Some(file) = placed_name(name).filter(|file| file.kind != Kind::Snapshot)
                else {
                    return Some(format!("{name:?} is no file of a segment"));
                };
                if !logs.contains(&FileName { kind: Kind::Log, ..file }) {
                    return Some(format!("{name} comes without its .log"));
                }
            }
            if let Some(name) = change.remove.iter().find(|name| placed_name(name).is_none()) {
                return Some(format!("{name:?} is no file of a segment"));
            }
            for list in [&change.install, &change.remove] {
                let distinct: BTreeSet<&str> = list.iter().map(String::as_str).collect();
                if distinct.len() != list.len() {
                    return Some("a name is twice in a list".into());
                }
                names.extend(distinct);
            }
            if let Some(name) = names.iter().find(|name| !seen.insert((**name).to_owned())) {
                return Some(format!("{name} is in two changes"));
            }
        }
        let companions = self.companions.install.iter().chain(&self.companions.remove);
        for name in companions {
            let is_snapshot = placed_name(name).is_some_and(|file| file.kind == Kind::Snapshot);
            if !is_snapshot && !COMPANIONS.contains(&name.as_str()) {
                return Some(format!("{name:?} is no companion"));
            }
            if !seen.insert(name.clone()) {
                return Some(format!("{name} is there twice"));
            }
        }
        let mut all = self.changes.iter().chain([&self.companions]);
        let has_size = |name: &String| self.sizes_bytes.contains_key(name);
        let without_size = all.find_map(|it| it.install.iter().find(|name| !has_size(name)));
        without_size.map(|name| format!("{name} is not in the folder of new files"))
    }
}

/// The name of a file in its place.
fn placed_name(name: &str) -> Option<FileName> {
    FileName::parse(name).filter(|file| file.suffix.is_none() && file.offset.0 >= 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::round_file::sample;
    use super::*;

    fn name(offset: i64, kind: &str) -> String {
        format!("{offset:020}.{kind}")
    }

    fn change(remove: &[String], install: &[String]) -> Change {
        Change { remove: remove.to_vec(), install: install.to_vec() }
    }

    fn state(files: &[&str]) -> (tempfile::TempDir, StateDir) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::within(&Disk::default(), dir.path());
        fs::create_dir_all(state.next_dir()).unwrap();
        files.iter().for_each(|name| fs::write(state.next_dir().join(name), name).unwrap());
        (dir, state)
    }

    #[test]
    fn a_journal_comes_back_as_it_was_written_and_damage_is_refused() {
        let (log, epochs) = (name(0, "log"), "leader-epoch-checkpoint".to_owned());
        let (_dir, state) = state(&[&log, &epochs, "other"]);
        let changes = vec![change(&[log.clone(), name(7, "log")], std::slice::from_ref(&log))];
        let companions = change(&[name(7, "snapshot")], &[epochs]);
        let journal = Journal::of(&state, 1, changes, companions).unwrap();
        assert_eq!(journal.sizes_bytes().len(), 2);
        assert_eq!(Journal::load(&state).unwrap(), None);
        assert!(journal.write(&state).is_err(), "its round is not written");
        state.write(&sample(1)).unwrap();
        journal.write(&state).unwrap();
        assert_eq!(Journal::load(&state).unwrap(), Some(journal));
        assert!(state.collect_garbage(2).is_err(), "a commit is under way");
        let path = state.path().join(Journal::NAME);
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 2;
            fs::write(&path, flipped).unwrap();
            let refusal = Journal::load(&state).unwrap_err().to_string();
            assert!(refusal.contains("journal.json: damaged"), "{refusal}");
            assert!(refusal.contains("--full"), "{refusal}");
        }
    }

    #[test]
    fn a_journal_reaches_nothing_but_files_of_kafka_in_its_directory() {
        let (log, index) = (name(0, "log"), name(0, "index"));
        let outside = ["../x.log", "/etc/passwd", "a/00000000000000000000.log", "", ".", ".."];
        let others = [".logcompact", "x", "00000000000000000000.log.swap"];
        let flaw = |changes: &[Change], companions: &Change| {
            let all = changes.iter().chain([companions]).flat_map(|change| &change.install);
            let sizes_bytes = all.map(|name| (name.clone(), 1)).collect();
            let (changes, companions) = (changes.to_vec(), companions.clone());
            let journal = Journal { format: 1, round: 1, changes, companions, sizes_bytes };
            // It is not believed when it is read, either.
            let (_dir, state) = state(&[]);
            fs::write(state.path().join(Journal::NAME), seal(&journal).unwrap()).unwrap();
            assert_eq!(Journal::load(&state).is_err(), journal.flaw().is_some());
            journal.flaw()
        };
        let none = Change::default();
        for wrong in outside.iter().chain(&others).map(|name| (*name).to_owned()) {
            let list = [wrong];
            assert!(flaw(&[change(&list, &[])], &none).is_some(), "{list:?}");
            assert!(flaw(&[change(&[], &list)], &none).is_some(), "{list:?}");
            assert!(flaw(&[], &change(&list, &[])).is_some(), "{list:?}");
            assert!(flaw(&[], &change(&[], &list)).is_some(), "{list:?}");
        }
        let [logs, indexes] = [&log, &index].map(|name| [name.clone()]);
        let both = [log.clone(), index.clone()];
        assert_eq!(flaw(&[change(&both, &both)], &none), None);
        assert!(flaw(&[change(&[], &indexes)], &none).is_some());
        assert!(flaw(&[change(&logs, &[]), change(&[], &logs)], &none).is_some());
        assert!(flaw(&[change(&[log.clone(), log.clone()], &[])], &none).is_some());
        assert!(flaw(&[], &change(&logs, &[])).is_some());
        let epochs = ["leader-epoch-checkpoint".to_owned()];
        assert!(flaw(&[], &change(&epochs, &epochs)).is_some());
        let snapshots = [name(5, "snapshot")];
        assert_eq!(flaw(&[], &change(&snapshots, &epochs)), None);
        assert!(flaw(&[change(&[], &snapshots)], &none).is_some());
    }

    #[test]
    fn a_segment_that_stays_does_not_lie_between_those_of_a_change() {
        let [first, between, last] = [0, 50, 100].map(|base| name(base, "log"));
        let (dir, state) = state(&[&first, &last]);
        [&first, &between, &last].iter().for_each(|it| fs::write(dir.path().join(it), "").unwrap());
        let both = [first.clone(), last.clone()];
        let of = |changes: Vec<Change>| Journal::of(&state, 1, changes, Change::default());
        let refusal = of(vec![change(&both, &both)]).unwrap_err().to_string();
        assert!(refusal.contains("50.log lies between"), "{refusal}");
        of(vec![change(&both, &both[..1]), change(&[], &both[1..])]).unwrap_err();
        of(both.map(|one| change(std::slice::from_ref(&one), std::slice::from_ref(&one))).to_vec())
            .unwrap();
        let all = [first, between, last.clone()];
        of(vec![change(&all, &[last])]).unwrap();
    }

    #[test]
    fn what_is_not_staged_is_not_committed() {
        let (_dir, state) = state(&[]);
        let changes = vec![change(&[], &[name(0, "log")])];
        let refusal = Journal::of(&state, 1, changes, Change::default()).unwrap_err();
        assert!(refusal.to_string().contains("is not in the folder of new files"), "{refusal}");
    }
}
