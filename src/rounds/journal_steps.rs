//! The steps of a commit that are not done yet, as a value; and doing them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;

use super::journal::{Change, Journal};
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::segment::{FileName, Kind, Suffix};
use crate::units::Offset;

/// The files of a folder.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// Their sizes, by name.
    pub sizes_bytes: BTreeMap<String, u64>,
    /// Whether the folder is there.
    is_there: bool,
}

impl Files {
    /// Lists a folder; one that is not there is empty.
    ///
    /// # Errors
    /// The system's.
    pub fn list(dir: &Path) -> Result<Files> {
        let failed = |source| Error::io(dir, "cannot list the folder", source);
        let mut files = Files::default();
        let listing = match fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
            listing => listing.map_err(failed)?,
        };
        files.is_there = true;
        for entry in listing {
            let entry = entry.map_err(failed)?;
            let metadata = entry.metadata().map_err(failed)?;
            if let (Some(name), true) = (OsStr::to_str(&entry.file_name()), metadata.is_file()) {
                files.sizes_bytes.insert(name.into(), metadata.len());
            }
        }
        Ok(files)
    }

    fn has(&self, name: &str) -> bool {
        self.sizes_bytes.contains_key(name)
    }
}

/// A step. Those between two syncs may reach the disk in any order, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The mark that a swap is not complete comes.
    Mark(String),
    /// A new file comes from `next/`, as `.swap`.
    Stage(String),
    /// A file goes.
    Remove(String),
    /// A `.swap` takes its name.
    Place(String),
    /// A companion comes from `next/`, in the place of that which is there.
    Replace(String),
    /// What was done to names in the partition directory is durable.
    Sync,
    /// And in `next/`.
    SyncNext,
}

fn swap_of(name: &str) -> String {
    format!("{name}.{}", Suffix::Swap.extension())
}

fn is_log(name: &str) -> bool {
    FileName::parse(name).is_some_and(|file| file.kind == Kind::Log)
}

fn is_snapshot(name: &str) -> bool {
    FileName::parse(name).is_some_and(|file| file.kind == Kind::Snapshot)
}

/// The steps of `journal` that are left, given the files in `next/` and in the partition directory.
/// `Err` says which file is gone.
pub fn steps(journal: &Journal, next: &Files, placed: &Files) -> Result<Vec<Step>, String> {
    let Change { remove, install } = journal.companions();
    let (mut early, mut late) = (Vec::new(), Vec::new());
    for name in install {
        if next.has(name) {
            let steps = if is_snapshot(name) { &mut early } else { &mut late };
            steps.push(Step::Replace(name.clone()));
        } else if !is_placed(name, journal.sizes_bytes(), placed) {
            return Err(format!("{name} is not there"));
        }
    }
    let changes = journal.changes().iter();
    let changes = changes.map(|change| of_change(change, journal.sizes_bytes(), next, placed));
    let changes = changes.collect::<Result<Vec<_>, String>>()?.concat();
    let mut steps = early;
    // A broker that finds a log without the snapshot at its end, and takes the older ones for
    // stray, would forget all producers and open transactions. With a mark nothing counts yet.
    if !(steps.is_empty() || matches!(changes.first(), Some(Step::Mark(_)))) {
        steps.push(Step::Sync);
    }
    steps.extend(changes);
    late.extend(remove.iter().filter(|name| placed.has(name)).cloned().map(Step::Remove));
    // Companions of a log that is in its place may come with what comes last.
    if let ([.., Step::Place(name), Step::Sync], [_, ..]) = (&*steps, &*late)
        && !is_log(name)
    {
        steps.pop();
    }
    steps.extend(late);
    if steps.last() != Some(&Step::Sync) {
        steps.push(Step::Sync);
    }
    Ok(steps)
}

fn is_placed(name: &str, sizes_bytes: &BTreeMap<String, u64>, placed: &Files) -> bool {
    placed.has(name) && placed.sizes_bytes.get(name) == sizes_bytes.get(name)
}

fn of_change(
    change: &Change,
    sizes_bytes: &BTreeMap<String, u64>,
    next: &Files,
    placed: &Files,
) -> Result<Vec<Step>, String> {
    let staged: Vec<&String> = change.install.iter().filter(|name| next.has(name)).collect();
    let is_swap = |name: &str| placed.has(&swap_of(name));
    for name in change.install.iter().filter(|name| !next.has(name) && !is_swap(name)) {
        // All of a change's files are `.swap` before one of them has its name.
        if !staged.is_empty() || !is_placed(name, sizes_bytes, placed) {
            return Err(format!("{name} is not there"));
        }
    }
    let mut steps = Vec::new();
    if let Some(mark) = mark_of(change) {
        if !staged.is_empty() {
            if !placed.has(&mark) {
                steps.extend([Step::Mark(mark.clone()), Step::Sync]);
            }
            for name in &staged {
                if is_swap(name) {
                    steps.push(Step::Remove(swap_of(name)));
                }
                steps.push(Step::Stage((*name).clone()));
            }
        }
        if !staged.is_empty() || change.install.iter().any(|name| is_swap(name)) {
            steps.push(Step::Sync);
            // The names that are gone there: else they could come back.
            steps.extend(next.is_there.then_some(Step::SyncNext));
        }
        if !staged.is_empty() || placed.has(&mark) {
            steps.extend([Step::Remove(mark), Step::Sync]);
        }
    }
    // A new file that has its name already must not go.
    let installed: BTreeSet<&String> = change.install.iter().collect();
    let is_new = |name: &String| installed.contains(name) && !next.has(name) && !is_swap(name);
    let listed: BTreeSet<&String> = change.remove.iter().collect();
    let unlisted = change.install.iter().filter(|name| !listed.contains(name));
    let swapped = swapped(change);
    let mut is_synced = true;
    for name in change.remove.iter().chain(unlisted).filter(|name| placed.has(name)) {
        if is_new(name) {
            continue;
        }
        steps.push(Step::Remove(name.clone()));
        // Whoever ends the swap removes all that it takes the place of, in whatever order it went.
        is_synced = is_log(name) && !offset_of(name).is_some_and(|it| swapped.contains(&it));
        if is_synced {
            steps.push(Step::Sync);
        }
    }
    if !is_synced {
        steps.push(Step::Sync);
    }
    let to_place = change.install.iter().filter(|name| next.has(name) || is_swap(name));
    let (logs, companions): (Vec<&String>, Vec<&String>) = to_place.partition(|name| is_log(name));
    // Whatever lies between two `.log.swap`, a broker takes for old segments: so they go from the
    // outside in.
    let mut logs = logs.into_iter().cloned().map(Step::Place);
    while let Some(first) = logs.next() {
        steps.extend([first].into_iter().chain(logs.next_back()).chain([Step::Sync]));
    }
    if !companions.is_empty() {
        steps.extend(companions.into_iter().cloned().map(Step::Place));
        steps.push(Step::Sync);
    }
    Ok(steps)
}

fn offset_of(name: &str) -> Option<Offset> {
    FileName::parse(name).map(|file| file.offset)
}

/// The old segments that a broker takes for replaced by those that come, as far as names tell.
fn swapped(change: &Change) -> Range<Offset> {
    let bases = || change.install.iter().filter_map(|name| offset_of(name));
    let (lowest, highest) = (bases().min(), bases().max());
    lowest.unwrap_or_default()..highest.map(Offset::next).unwrap_or_default()
}

/// What says that the swap of a change is not complete: a file `.cleaned` with its lowest offset.
fn mark_of(change: &Change) -> Option<String> {
    let lowest: Option<Offset> = change.install.iter().filter_map(|name| offset_of(name)).min();
    let mark =
        |offset| FileName { suffix: Some(Suffix::Cleaned), ..FileName::new(offset, Kind::Log) };
    lowest.map(|offset| mark(offset).to_string())
}

/// Carries out `steps` in the directory `dir`.
///
/// # Errors
/// The system's. What is left undone then is done when the journal is applied again.
pub fn carry_out(steps: &[Step], disk: &Disk, dir: &Path, next: &Path) -> Result<()> {
    thread::scope(|scope| {
        let (give, take) = sync_channel::<File>(MOST_HELD);
        // If there is no thread to be had, nobody takes them, and they are closed here.
        let closing = move || take.into_iter().for_each(drop);
        let _ = thread::Builder::new().name("close".to_owned()).spawn_scoped(scope, closing);
        steps.iter().try_for_each(|step| match step {
            Step::Mark(name) => disk.create(&dir.join(name), None).map(drop),
            Step::Stage(name) => disk.rename(&next.join(name), &dir.join(swap_of(name))),
            Step::Remove(name) => {
                let path = dir.join(name);
                let held = if is_log(name) { hold(&path) } else { None };
                disk.remove_if_there(&path)?;
                held.map_or(Ok(()), |file| give.try_send(file)).unwrap_or_default();
                Ok(())
            }
            Step::Place(name) => disk.rename(&dir.join(swap_of(name)), &dir.join(name)),
            Step::Replace(name) => disk.replace(&next.join(name), &dir.join(name)),
            Step::Sync => disk.sync_dir(dir),
            Step::SyncNext => disk.sync_dir(next),
        })
    })
}

/// So many files without a name wait to be closed at most.
const MOST_HELD: usize = 2;

/// Opens a file that is about to go, if it is large: until it is closed its pages need not be given
/// back, which takes longer than all the rest, and can be done by somebody else.
fn hold(path: &Path) -> Option<File> {
    const LEAST_BYTES: u64 = 1 << 20;
    let is_large =
        fs::symlink_metadata(path).is_ok_and(|it| it.is_file() && it.len() >= LEAST_BYTES);
    if is_large { File::open(path).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::power::{Die, Loss, Noting, cut_power, tree};
    use super::super::round_file::sample;
    use super::super::state_dir::StateDir;
    use super::*;
    use crate::swap::{self, Recovery, SwapLog};

    fn name(offset: i64, kind: &str) -> String {
        format!("{offset:020}.{kind}")
    }

    /// The files of a segment, with texts that say whose they are and what range they cover.
    fn put_segment(dir: &Path, whose: &str, base: i64, next: i64, kinds: &[&str]) -> Vec<String> {
        let text = format!("{whose} {base} {next}");
        let names: Vec<String> = kinds.iter().map(|kind| name(base, kind)).collect();
        names.iter().for_each(|name| fs::write(dir.join(name), &text).unwrap());
        names
    }

    const LOG: [&str; 1] = ["log"];
    const PLAIN: [&str; 2] = ["log", "index"];
    const TXN: [&str; 3] = ["log", "index", "txnindex"];

    /// A partition directory with a commit that is written and not begun: the tail gives way to two
    /// segments, two segments become one, one becomes two, and one goes.
    fn committed(dir: &Path) -> Journal {
        let disk = Disk::default();
        let state = StateDir::within(&disk, dir);
        let next = state.next_dir();
        fs::create_dir_all(&next).unwrap();
        let old = |base, next, kinds: &[&str]| put_segment(dir, "old", base, next, kinds);
        let new = |base, end, kinds: &[&str]| put_segment(&next, "new", base, end, kinds);
        let changes = vec![
            Change {
                remove: old(200, 250, &PLAIN),
                install: [new(200, 240, &PLAIN), new(240, 300, &LOG)].concat(),
            },
            Change {
                remove: [old(0, 50, &TXN), old(50, 100, &PLAIN)].concat(),
                install: new(0, 100, &PLAIN),
            },
            Change {
                remove: old(100, 200, &PLAIN),
                install: [new(100, 150, &TXN), new(150, 200, &LOG)].concat(),
            },
            Change { remove: old(900, 950, &PLAIN), install: Vec::new() },
        ];
        let epochs = "leader-epoch-checkpoint".to_owned();
        for (name, text) in [(&epochs, "0\n0\n"), (&name(250, "snapshot"), "old")] {
            fs::write(dir.join(name), text).unwrap();
        }
        let snapshot = name(300, "snapshot");
        for (name, text) in [(&epochs, "0\n1\n0 0\n"), (&snapshot, "new")] {
            fs::write(next.join(name), text).unwrap();
        }
        let companions =
            Change { remove: vec![name(250, "snapshot")], install: vec![epochs, snapshot] };
        state.write(&sample(1)).unwrap();
        state.switch(1).unwrap();
        state.write(&sample(2)).unwrap();
        let journal = Journal::of(&state, 2, changes, companions).unwrap();
        journal.write(&state).unwrap();
        journal
    }

    /// A folder in memory, where there is one: none of it is to last.
    fn scratch_dir() -> tempfile::TempDir {
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
    }

    /// What the next run does first; syncs of folders are only noted.
    fn recover(dir: &Path) -> Result<Noting> {
        let notes = Noting::default();
        let disk = Disk::of(notes.clone());
        let state = StateDir::within(&disk, dir);
        if let Some(journal) = Journal::load(&state)? {
            journal.complete(&disk, dir)?;
        }
        Ok(notes)
    }

    /// All files but what waits to be collected as garbage.
    fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let is_left = |path: &Path| !path.starts_with(".logcompact/next") && !ends_tmp(path);
        let files = tree(dir).into_iter().map(|(path, bytes, _)| (path, bytes));
        files.filter(|(path, _)| is_left(path)).collect()
    }

    fn ends_tmp(path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension == "tmp")
    }

    /// The ways in which a cut before operation `at` is tried.
    fn losses(at: usize) -> [Loss; 2] {
        [[Loss::All, Loss::Nothing][at % 2], Loss::Random(at as u64)]
    }

    #[test]
    fn a_commit_puts_each_file_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let journal = committed(dir.path());
        recover(dir.path()).unwrap();
        let state = StateDir::within(&Disk::default(), dir.path());
        assert_eq!(state.current().unwrap().unwrap().round, 2);
        assert_eq!(Journal::load(&state).unwrap(), None);
        let found = content(dir.path());
        let mut wanted: BTreeSet<PathBuf> =
            journal.sizes_bytes().keys().map(PathBuf::from).collect();
        for name in ["CURRENT", "round-000001.json", "round-000002.json"] {
            wanted.insert(Path::new(StateDir::NAME).join(name));
        }
        assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), wanted);
        assert_eq!(found[Path::new(&name(0, "log"))], b"new 0 100");
        assert_eq!(found[Path::new("leader-epoch-checkpoint")], b"0\n1\n0 0\n");
        // Done again, nothing is done.
        let before = content(dir.path());
        journal.apply(&Disk::default(), dir.path()).unwrap();
        assert_eq!(content(dir.path()), before);
    }

    #[test]
    fn cut_anywhere_and_once_more_a_commit_ends_as_if_it_had_not_been() {
        let temp = scratch_dir();
        let (before, work) = (temp.path().join("before"), temp.path().join("work"));
        committed(&before);
        committed(&work);
        let ops = recover(&work).unwrap().ops();
        assert!(ops.len() > 50, "{}", ops.len());
        let wanted = content(&work);
        let mut die = Die(7);
        let (cut, twice) = (temp.path().join("cut"), temp.path().join("twice"));
        for at in 0..=ops.len() {
            for loss in losses(at) {
                cut_power(&before, &work, &ops[..at], loss, &cut);
                let what = format!("cut before operation {at} with {loss:?}");
                recover(&cut).unwrap_or_else(|error| panic!("{what}: {error}"));
                assert!(content(&cut) == wanted, "{what}: {:?}", content(&cut).keys());
                fs::remove_dir_all(&cut).unwrap();
            }
            // And once more, somewhere in the recovery.
            let loss = Loss::Random(at as u64);
            cut_power(&before, &work, &ops[..at], loss, &cut);
            let again = temp.path().join("again");
            cut_power(&cut, &cut, &[], Loss::Nothing, &again);
            let more_ops = recover(&cut).unwrap().ops();
            let then = die.throw(more_ops.len() as u64 + 1) as usize;
            cut_power(&again, &cut, &more_ops[..then], loss, &twice);
            let what = format!("cut before operation {at}, then before {then}");
            recover(&twice).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(content(&twice) == wanted, "{what}");
            [&cut, &again, &twice].iter().for_each(|dir| fs::remove_dir_all(dir).unwrap());
        }
    }

    /// What a broker does that is started on the directory (by the rules of `swap::Recovery`).
    fn start_broker(dir: &Path) {
        let files = swap::list(dir).unwrap();
        let look_at = |name: FileName| {
            let text = fs::read_to_string(dir.join(name.to_string())).unwrap();
            let next = text.split(' ').nth(2).unwrap().parse().unwrap();
            Ok(SwapLog { next_offset: Offset(next), damage: None })
        };
        let recovery = Recovery::plan(&files, false, look_at).unwrap();
        swap::carry_out(&recovery.steps, &Disk::of(Noting::default()), dir).unwrap();
    }

    /// The segments that a broker sees: whose each is, and the offsets that it covers.
    fn segments(dir: &Path) -> Vec<(i64, i64, String)> {
        let files = swap::list(dir).unwrap();
        assert!(files.iter().all(|file| file.suffix.is_none()), "{files:?}");
        let text = |file: &FileName| fs::read_to_string(dir.join(file.to_string())).unwrap();
        let mut segments = Vec::new();
        for file in files.iter().filter(|file| file.kind != Kind::Snapshot) {
            let log = text(&FileName::new(file.offset, Kind::Log));
            assert_eq!(text(file), log, "{file} is of another segment");
            if file.kind == Kind::Log {
                let mut words = log.split(' ').skip(1).map(|word| word.parse().unwrap());
                let range = (words.next().unwrap(), words.next().unwrap());
                segments.push((range.0, range.1, log[..3].to_owned()));
            }
        }
        segments.sort();
        segments
    }

    #[test]
    fn a_broker_that_starts_in_between_finds_each_change_done_or_not_begun() {
        let temp = scratch_dir();
        let (before, work) = (temp.path().join("before"), temp.path().join("work"));
        committed(&before);
        committed(&work);
        let ops = recover(&work).unwrap().ops();
        let wanted = content(&work);
        let (mut finished, mut undone) = (0, 0);
        for at in 0..=ops.len() {
            for loss in losses(at) {
                let cut = temp.path().join("cut");
                cut_power(&before, &work, &ops[..at], loss, &cut);
                start_broker(&cut);
                let what = format!("cut before operation {at} with {loss:?}");
                let segments = segments(&cut);
                for (range, old) in [(200..300, 1), (0..100, 2), (100..200, 1)] {
                    let within: Vec<_> =
                        segments.iter().filter(|it| range.contains(&it.0)).collect();
                    let whose = &within[0].2;
                    assert!(within.iter().all(|it| it.2 == *whose), "{what}: {within:?}");
                    let mut end = range.start;
                    for (base, next, _) in &within {
                        assert_eq!(*base, end, "{what}: {within:?}");
                        end = *next;
                    }
                    let is_whole = if whose == "old" { within.len() == old } else { true };
                    assert!(is_whole && end >= range.end.min(250), "{what}: {within:?}");
                }
                match recover(&cut) {
                    Ok(_) => {
                        finished += 1;
                        assert!(content(&cut) == wanted, "{what}");
                    }
                    Err(refusal) => {
                        undone += 1;
                        let refusal = refusal.to_string();
                        assert!(refusal.contains("--full"), "{what}: {refusal}");
                    }
                }
                fs::remove_dir_all(&cut).unwrap();
            }
        }
        assert!(finished > 40 && undone > 10, "{finished} {undone}");
    }

    #[test]
    fn old_segments_go_in_order_and_each_log_before_its_companions() {
        let dir = tempfile::tempdir().unwrap();
        let journal = committed(dir.path());
        let next = Files::list(&dir.path().join(".logcompact/next")).unwrap();
        let placed = Files::list(dir.path()).unwrap();
        let steps = of_change(&journal.changes()[1], journal.sizes_bytes(), &next, &placed);
        let end = |name: &String| name.trim_start_matches('0').to_owned();
        let told = steps.unwrap().into_iter().map(|step| match step {
            Step::Mark(name) => format!("mark {}", end(&name)),
            Step::Stage(name) => format!("stage {}", end(&name)),
            Step::Remove(name) => format!("remove {}", end(&name)),
            Step::Place(name) => format!("place {}", end(&name)),
            Step::Replace(name) => format!("replace {}", end(&name)),
            Step::Sync => "sync".into(),
            Step::SyncNext => "sync next".into(),
        });
        let wanted = [
            "mark .log.cleaned",
            "sync",
            "stage .log",
            "stage .index",
            "sync",
            "sync next",
            "remove .log.cleaned",
            "sync",
            "remove .log",
            "remove .index",
            "remove .txnindex",
            "remove 50.log",
            "sync",
            "remove 50.index",
            "sync",
            "place .log",
            "sync",
            "place .index",
            "sync",
        ];
        assert_eq!(told.collect::<Vec<_>>(), wanted);
    }
}
