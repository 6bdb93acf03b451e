//! The folder of the state: which round is current, and what no round needs any more.
//!
//! Each file of it is written under a name that is not in use, and synced, before `CURRENT` says
//! that it counts; so whatever is interrupted, there is one round that is whole.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::dead::DeadOffsets;
use super::journal::Journal;
use super::key_run::RunRef;
use super::round_file::{FORMAT, RoundFile};
use super::sealed::{Unsealed, seal, unseal};
use super::state_file::{self, Remedy, damaged};
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::Place;

/// The folder `.logcompact` in a destination's partition directory. A broker looks at plain files
/// of a partition directory only.
#[derive(Clone, Debug)]
pub struct StateDir {
    disk: Disk,
    path: PathBuf,
}

const CURRENT: &str = "CURRENT";

impl StateDir {
    /// What the folder is called.
    pub const NAME: &str = ".logcompact";

    /// The state in a partition directory, whether there is any yet or not.
    pub fn within(disk: &Disk, partition_dir: &Path) -> StateDir {
        StateDir { disk: disk.clone(), path: partition_dir.join(StateDir::NAME) }
    }

    /// What to say before a partition directory is changed otherwise than by a round, if it holds
    /// rounds.
    pub fn warning_of_rounds(partition_dir: &Path) -> Option<String> {
        partition_dir.join(StateDir::NAME).is_dir().then(|| {
            "it holds rounds of compaction, and the next round will not go on with what somebody \
             else has changed"
                .to_owned()
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The disk it is on.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Where a round puts segments and companions that wait for its commit.
    pub fn next_dir(&self) -> PathBuf {
        self.path.join("next")
    }

    /// The file that is locked during a run.
    pub fn lock_file(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// The current round; `None` if there was none yet. The files of the rounds before that are
    /// kept are checked too.
    ///
    /// # Errors
    /// The system's; a file that is damaged, or was written by a later version, is refused.
    pub fn current(&self) -> Result<Option<RoundFile>> {
        let Some(number) = self.current_number()? else { return Ok(None) };
        for older in self.rounds()?.into_iter().filter(|round| *round < number) {
            self.read_or(older, Remedy::Remove)?;
        }
        self.read(number).map(Some)
    }

    /// The number of the current round, as `CURRENT` says it; `None` if nothing does.
    ///
    /// # Errors
    /// The system's; a `CURRENT` that names no round file is refused.
    pub fn current_number(&self) -> Result<Option<u64>> {
        let path = self.path.join(CURRENT);
        let Some(map) = state_file::open_if_there(&self.disk, &path)? else { return Ok(None) };
        let name = str::from_utf8(&map).ok().and_then(|text| text.strip_suffix('\n'));
        let number = name.and_then(RoundFile::round_in);
        let wrong = || damaged(&path, "it names no round file", Remedy::Full);
        number.map(Some).ok_or_else(wrong)
    }

    /// The file of one round.
    ///
    /// # Errors
    /// As [`StateDir::current`].
    pub fn read(&self, round: u64) -> Result<RoundFile> {
        self.read_or(round, Remedy::Full)
    }

    fn read_or(&self, round: u64, remedy: Remedy) -> Result<RoundFile> {
        let path = self.path.join(RoundFile::file_name(round));
        let map = state_file::open(&self.disk, &path, remedy)?;
        let file: RoundFile =
            unseal(&map, FORMAT).map_err(|wrong| not_read(&path, wrong, FORMAT, remedy))?;
        match file.flaw(round) {
            Some(flaw) => Err(damaged(&path, flaw, remedy)),
            None => Ok(file),
        }
    }

    /// The rounds whose files are there, rising.
    ///
    /// # Errors
    /// The system's.
    pub fn rounds(&self) -> Result<Vec<u64>> {
        Ok(self.names()?.iter().filter_map(|name| RoundFile::round_in(name)).collect())
    }

    /// A number above those of all rounds of which there is any file, interrupted ones too, so
    /// that a name of it is in use nowhere.
    ///
    /// # Errors
    /// The system's.
    pub fn next_round(&self) -> Result<u64> {
        let names = self.names()?;
        let numbers = names.iter().filter_map(|name| round_of(name));
        let next = numbers.max().unwrap_or(0).checked_add(1);
        next.ok_or_else(|| {
            let what = "a file is named after the last round that there can be; remove it";
            Error::refused(format!("{}: {what}", self.path.display()))
        })
    }

    /// Writes the file of a round, which does not count yet. The names of all files of the state
    /// that were written before become durable with its own.
    ///
    /// # Errors
    /// The system's. A file that would not be read again would be a bug.
    pub fn write(&self, round: &RoundFile) -> Result<()> {
        refuse_flaw(round)?;
        let path = self.path.join(RoundFile::file_name(round.round));
        self.disk.replace_file(&path, &seal(round)?)
    }

    /// Writes the state of a first round where its whole partition is staged, at `place`: the file
    /// of the round, that it is the current one, and the file that later runs lock, so that one
    /// which finds nothing to do touches nothing. None of it counts before the partition has its
    /// name.
    ///
    /// # Errors
    /// As [`StateDir::write`].
    pub fn write_staged(&self, round: &RoundFile, place: &Place) -> Result<()> {
        refuse_flaw(round)?;
        let name = RoundFile::file_name(round.round);
        place.put_beside(&self.path.join(&name), &seal(round)?, None)?;
        place.put_beside(&self.path.join(CURRENT), line_of(&name).as_bytes(), None)?;
        place.put_beside(&self.lock_file(), &[], None)?;
        self.disk.sync_dir(&self.path)
    }

    /// Makes a round the current one: from here on its files count, and no others.
    ///
    /// # Errors
    /// The system's; a round whose file cannot be read does not become current.
    pub fn switch(&self, round: u64) -> Result<()> {
        self.read(round)?;
        let line = line_of(&RoundFile::file_name(round));
        self.disk.replace_file(&self.path.join(CURRENT), line.as_bytes())
    }

    /// The superseded records that a round left in its segments.
    ///
    /// # Errors
    /// The system's; a file that is damaged, or does not say what the round file says.
    pub fn dead(&self, round: &RoundFile) -> Result<DeadOffsets> {
        let Some(known) = &round.dead else { return Ok(DeadOffsets::default()) };
        let dead = DeadOffsets::read(&self.disk, &self.path, known)?;
        let mut named = 0u64;
        for segment in &round.segments {
            let count = dead.count_in(segment.base_offset..segment.next_offset);
            named = named.saturating_add(count);
            if count != segment.dead {
                named = u64::MAX;
            }
        }
        if named != dead.len() {
            let what = "it does not hold what the round file says";
            return Err(damaged(&self.path.join(&known.file), what, Remedy::Reindex));
        }
        Ok(dead)
    }

    /// Removes what no round needs: round files but the last `keep_rounds`, the current one among
    /// them; files of the key index and of superseded offsets that the current round does not
    /// name; what was staged; what a write left halfway. With `keep_rounds` 0 all state goes, but
    /// for the lock. Files that are not ours stay.
    ///
    /// # Errors
    /// The system's. While a commit is under way nothing may be removed: that would be a bug.
    pub fn collect_garbage(&self, keep_rounds: usize) -> Result<()> {
        if state_file::open_if_there(&self.disk, &self.path.join(Journal::NAME))?.is_some() {
            return Err(Error::bug("garbage is collected only behind a commit"));
        }
        if keep_rounds == 0 {
            // Without it, nothing else is looked at.
            self.disk.remove_if_there(&self.path.join(CURRENT))?;
            self.disk.sync_dir(&self.path)?;
        }
        let needed = self.needed(keep_rounds)?;
        for name in self.names()?.iter().filter(|name| is_ours(name) && !needed.contains(*name)) {
            self.disk.remove_if_there(&self.path.join(name))?;
        }
        self.disk.remove_dir_if_there(&self.next_dir())?;
        self.disk.sync_dir(&self.path)
    }

    /// Removes what a round has written that is not to be; of none of it another round knows.
    ///
    /// # Errors
    /// The system's.
    pub fn forget(&self, round: u64) -> Result<()> {
        let is_of_round = |name: &&String| round_of(name) == Some(round);
        self.names()?
            .iter()
            .filter(is_of_round)
            .try_for_each(|name| self.disk.remove_if_there(&self.path.join(name)))
    }

    /// Whether a run that was interrupted has left files that no round needs.
    ///
    /// # Errors
    /// The system's; a current round that cannot be read.
    pub fn has_garbage(&self) -> Result<bool> {
        Ok(!self.garbage()?.is_empty())
    }

    /// What no round needs: left by a run that was interrupted, or written by one that goes on.
    ///
    /// # Errors
    /// As [`StateDir::has_garbage`].
    pub fn garbage(&self) -> Result<Vec<PathBuf>> {
        let needed = self.needed(usize::MAX)?;
        let is_left = |name: &String| is_ours(name) && !needed.contains(name);
        let left = self.names()?.into_iter().filter(is_left).map(|name| self.path.join(name));
        let next = Some(self.next_dir()).filter(|next| next.exists());
        Ok(left.chain(next).collect())
    }

    fn needed(&self, keep_rounds: usize) -> Result<BTreeSet<String>> {
        let Some(number) = self.current_number()? else { return Ok(BTreeSet::new()) };
        let current = self.read(number)?;
        let mut needed: BTreeSet<String> = current.runs().map(|run| run.file.clone()).collect();
        needed.extend(current.dead.map(|dead| dead.file));
        let kept = self.rounds()?.into_iter().rev().filter(|round| *round <= number);
        for round in kept.take(keep_rounds) {
            // One that is damaged is of use to nobody.
            if round != number
                && let Err(error) = self.read(round)
            {
                match error.kind {
                    ErrorKind::Refused(_) => continue,
                    _ => return Err(error),
                }
            }
            needed.insert(RoundFile::file_name(round));
        }
        needed.insert(CURRENT.into());
        Ok(needed)
    }

    /// The names in the folder, sorted; none if there is no folder.
    fn names(&self) -> Result<BTreeSet<String>> {
        let failed = |source| Error::io(&self.path, "cannot list the folder", source);
        let listing = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            listing => listing.map_err(failed)?,
        };
        let mut names = BTreeSet::new();
        for entry in listing {
            let name = entry.map_err(failed)?.file_name();
            names.extend(OsStr::to_str(&name).map(str::to_owned));
        }
        Ok(names)
    }
}

/// What `CURRENT` says.
fn line_of(name: &str) -> String {
    format!("{name}\n")
}

fn refuse_flaw(round: &RoundFile) -> Result<()> {
    match round.flaw(round.round) {
        Some(flaw) => Err(Error::bug(format!("the file of round {}: {flaw}", round.round))),
        None => Ok(()),
    }
}

/// What is said of a file that could not be read.
pub fn not_read(path: &Path, wrong: Unsealed, newest: u32, remedy: Remedy) -> Error {
    match wrong {
        Unsealed::Damaged(what) => damaged(path, what, remedy),
        Unsealed::Newer(format) => Error::refused(format!(
            "{}: written by a later version of logcompact (format {format}, this version reads \
             {newest}); use that version, or compact with --full to build the destination anew",
            path.display()
        )),
    }
}

/// Whether a file is one of those that rounds write, or one on its way to that.
fn is_ours(name: &str) -> bool {
    let name = name.strip_suffix(".tmp").unwrap_or(name);
    [CURRENT, Journal::NAME].contains(&name) || round_of(name).is_some()
}

/// The round in the name of a file that a round writes; `None` for other files.
fn round_of(name: &str) -> Option<u64> {
    let round_in = [RoundFile::round_in, RunRef::round_in, DeadOffsets::round_in];
    round_in.iter().find_map(|round_in| round_in(name))
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Entry, EntryLayout, KeyHash};
    use super::super::key_run::Level;
    use super::super::open_runs::OpenRuns;
    use super::super::power::{Loss, Noting, Refusing, cut_power};
    use super::super::ranges::ranges_of;
    use super::super::round_file::sample;
    use super::super::run_writer::RunWriter;
    use super::*;
    use crate::units::Offset;

    fn state() -> (tempfile::TempDir, StateDir) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::within(&Disk::default(), dir.path());
        state.disk().create_dir(state.path()).unwrap();
        (dir, state)
    }

    /// A round with a run and a list of its own.
    fn round(state: &StateDir, number: u64) -> RoundFile {
        let mut round = sample(number);
        let layout = EntryLayout { with_claim: true };
        let mut writer = RunWriter::new(layout, round.hash.seed, KeyHash(0));
        let (hash, offset) = (KeyHash(7), Offset(number as i64));
        let claim = (0, false);
        writer.push(Entry { hash, offset, claim, deletes: false, gone: false }).unwrap();
        let name = RunRef::file_name(number, 0);
        let file = writer.finish().unwrap();
        let (run, file) = file.write(&state.disk, &state.path, name).unwrap();
        file.finish(None).unwrap();
        round.index = vec![run];
        let mut dead = DeadOffsets::default();
        dead.insert(&[Offset(60)]).unwrap();
        round.dead =
            dead.write(&Place::folder(&state.disk, &state.path), &state.path, number).unwrap();
        round.segments[1].dead = 1;
        round
    }

    fn entries(state: &StateDir, round: &RoundFile, layout: EntryLayout) -> Vec<Entry> {
        let runs = OpenRuns::within(&state.disk, &state.path, round.hash.seed, layout);
        let ranges = ranges_of(&round.index);
        let opened = ranges.iter().filter_map(|range| Some((range, range.run?)));
        let opened = opened.map(|(range, run)| runs.get(run, range.below, Level::Base).unwrap());
        opened
            .flat_map(|run| Vec::from_iter(run.states_in(KeyHash(0), None)))
            .filter_map(|state| state.entry)
            .collect()
    }

    fn commit(state: &StateDir, number: u64, keep_rounds: usize) -> RoundFile {
        let round = round(state, number);
        state.write(&round).unwrap();
        state.switch(number).unwrap();
        state.collect_garbage(keep_rounds).unwrap();
        round
    }

    #[test]
    fn a_round_is_current_once_it_was_switched_to() {
        let (_dir, state) = state();
        assert_eq!(state.current().unwrap(), None);
        assert_eq!(state.next_round().unwrap(), 1);
        let first = commit(&state, 1, 2);
        assert_eq!(state.current().unwrap().as_ref(), Some(&first));
        let second = round(&state, 2);
        state.write(&second).unwrap();
        assert_eq!(state.current().unwrap().as_ref(), Some(&first));
        state.switch(2).unwrap();
        assert_eq!(state.current().unwrap().as_ref(), Some(&second));
        assert_eq!(state.next_round().unwrap(), 3);
        let layout = EntryLayout { with_claim: true };
        assert_eq!(entries(&state, &second, layout)[0].offset, Offset(2));
        assert_eq!(state.dead(&second).unwrap().len(), 1);
    }

    #[test]
    fn a_state_that_does_not_exist_is_none_and_a_round_without_a_file_is_not_switched_to() {
        let state = StateDir::within(&Disk::default(), Path::new("/nowhere"));
        assert_eq!(state.current().unwrap(), None);
        assert_eq!(state.next_round().unwrap(), 1);
        let (_dir, state) = self::state();
        assert!(state.switch(1).unwrap_err().to_string().contains("it is missing"));
        assert_eq!(state.current().unwrap(), None);
    }

    #[test]
    fn the_last_rounds_stay_and_what_the_current_one_does_not_name_goes() {
        let (_dir, state) = state();
        (1..=4).for_each(|number| drop(commit(&state, number, 3)));
        assert!(!state.has_garbage().unwrap());
        // What an interrupted round leaves, and what somebody else has there.
        round(&state, 5);
        state.write(&sample(5)).unwrap();
        state.disk.create_dir(&state.next_dir()).unwrap();
        for name in ["round-000006.json.tmp", "CURRENT.tmp", "notes", "lock", "next/x.log"] {
            fs::write(state.path.join(name), "x").unwrap();
        }
        assert!(state.has_garbage().unwrap());
        state.collect_garbage(3).unwrap();
        let names: Vec<String> = state.names().unwrap().into_iter().collect();
        let wanted = [
            "CURRENT",
            "dead-000004.kdead",
            "keys-000004-0000.kidx",
            "lock",
            "notes",
            "round-000002.json",
            "round-000003.json",
            "round-000004.json",
        ];
        assert_eq!(names, wanted);
        assert_eq!(state.rounds().unwrap(), [2, 3, 4]);
        state.collect_garbage(1).unwrap();
        assert_eq!(state.rounds().unwrap(), [4]);
        assert!(state.current().unwrap().is_some());
        state.collect_garbage(0).unwrap();
        let names: Vec<String> = state.names().unwrap().into_iter().collect();
        assert_eq!(names, ["lock", "notes"]);
    }

    #[test]
    fn any_byte_that_is_wrong_is_found_and_said_what_to_do_about() {
        let (_dir, state) = state();
        (1..=2).for_each(|number| drop(commit(&state, number, 2)));
        for name in ["CURRENT", "round-000001.json", "round-000002.json"] {
            let path = state.path.join(name);
            let bytes = fs::read(&path).unwrap();
            let refused = |bytes: &[u8]| {
                fs::write(&path, bytes).unwrap();
                let refusal = state.current().unwrap_err().to_string();
                let is_older = name.contains('1');
                let advice = if is_older { "remove it" } else { "compact with --full" };
                assert!(refusal.contains(advice), "{refusal}");
                refusal
            };
            // (That any bit is found is shown for `seal`.)
            for at in (0..bytes.len()).step_by(if name == CURRENT { 1 } else { 97 }) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 0x10;
                let refusal = refused(&flipped);
                assert!(refusal.contains(StateDir::NAME), "{refusal}");
                refused(&bytes[..at]);
            }
            fs::write(&path, &bytes).unwrap();
        }
        assert!(state.current().is_ok());
        fs::remove_file(state.path.join("round-000002.json")).unwrap();
        let refusal = state.current().unwrap_err().to_string();
        assert!(refusal.contains("round-000002.json: damaged (it is missing)"), "{refusal}");
    }

    #[test]
    fn a_later_format_is_not_called_damaged() {
        let (_dir, state) = state();
        let later = RoundFile { format: FORMAT + 1, ..sample(1) };
        state.disk.replace_file(&state.path.join(CURRENT), b"round-000001.json\n").unwrap();
        fs::write(state.path.join("round-000001.json"), seal(&later).unwrap()).unwrap();
        let refusal = state.current().unwrap_err().to_string();
        assert!(refusal.contains("a later version") && refusal.contains("--full"), "{refusal}");
    }

    #[test]
    fn an_older_round_file_that_is_damaged_does_not_outlive_the_next_commit() {
        let (_dir, state) = state();
        commit(&state, 1, 2);
        fs::write(state.path.join("round-000001.json"), "x").unwrap();
        assert!(state.current().is_err());
        // As --full does, which asks no round before it.
        assert_eq!(state.next_round().unwrap(), 2);
        commit(&state, 2, 2);
        assert_eq!(state.rounds().unwrap(), [2]);
        assert!(state.current().unwrap().is_some());
    }

    #[test]
    fn cut_anywhere_between_two_rounds_one_of_them_is_whole() {
        let temp = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let (before, work) = (temp.path().join("before"), temp.path().join("work"));
        for dir in [&before, &work] {
            let state = StateDir::within(&Disk::default(), dir);
            state.disk().create_dir(state.path()).unwrap();
            commit(&state, 1, 2);
        }
        let notes = Noting::default();
        let state = StateDir::within(&Disk::of(notes.clone()), &work);
        commit(&state, 2, 1);
        let ops = notes.ops();
        let mut found = BTreeSet::new();
        for at in 0..=ops.len() {
            let random = Loss::Random(at as u64);
            for loss in [Loss::All, Loss::Contents, Loss::Nothing, random] {
                let cut = temp.path().join("cut");
                cut_power(&before, &work, &ops[..at], loss, &cut);
                let state = StateDir::within(&Disk::default(), &cut);
                let round = state.current().unwrap().unwrap();
                let layout = EntryLayout { with_claim: true };
                assert_eq!(entries(&state, &round, layout).len(), 1);
                state.dead(&round).unwrap();
                found.insert(round.round);
                // What is left of the round that did not come to be is in nobody's way.
                let next = state.next_round().unwrap();
                commit(&StateDir::within(&Disk::of(Noting::default()), &cut), next, 2);
                assert_eq!(state.current().unwrap().unwrap().round, next);
                fs::remove_dir_all(&cut).unwrap();
            }
        }
        assert!(found.into_iter().eq([1, 2]));
    }

    #[test]
    fn what_is_left_of_the_round_before_is_garbage_too() {
        let (_dir, state) = state();
        commit(&state, 1, 2);
        let second = round(&state, 2);
        state.write(&second).unwrap();
        state.switch(2).unwrap();
        assert!(state.has_garbage().unwrap());
        state.collect_garbage(usize::MAX).unwrap();
        assert!(!state.has_garbage().unwrap());
        assert_eq!(state.rounds().unwrap(), [1, 2]);
    }

    #[test]
    fn a_round_file_that_the_disk_fails_to_read_is_not_garbage() {
        let (dir, state) = state();
        (1..=2).for_each(|number| drop(commit(&state, number, 2)));
        let reads = (0..10).map(|n| {
            let failing = Refusing::read(n, 5);
            let state = StateDir::within(&Disk::of(failing.clone()), dir.path());
            let outcome = state.collect_garbage(2);
            assert_eq!(outcome.is_err(), failing.has_refused(), "{n}");
            failing.has_refused()
        });
        assert!(reads.filter(|has_refused| *has_refused).count() > 2);
        assert_eq!(state.rounds().unwrap(), [1, 2]);
    }

    #[test]
    fn superseded_records_that_the_round_file_does_not_count_are_refused() {
        let (_dir, state) = state();
        let mut round = commit(&state, 1, 2);
        round.segments[1].dead = 2;
        let refusal = state.dead(&round).unwrap_err().to_string();
        assert!(refusal.contains("dead-000001.kdead: damaged"), "{refusal}");
        round.segments.pop();
        assert!(state.dead(&round).is_err());
    }
}
