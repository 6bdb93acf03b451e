//! What a log directory has beside its partitions, carried over or changed: checkpoints, identity,
//! the clean shutdown mark.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{
    CHECKPOINT_NAMES, LOG_START_CHECKPOINT, LogDir, OffsetCheckpoint, Sources, TopicPartition,
};
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::units::Offset;

/// Files of a log directory, besides the checkpoints, that a broker expects.
const IDENTITY: [&str; 2] = ["meta.properties", "bootstrap.checkpoint"];
/// What a broker leaves that was shut down cleanly: the next one recovers nothing then.
const CLEAN_SHUTDOWN: [&str; 1] = [".kafka_cleanshutdown"];

/// Whether a folder may have a file called `name` from what is carried over here, or from a run
/// that was killed meanwhile.
pub fn is_carried(name: &str) -> bool {
    let name = name.strip_suffix(".tmp").unwrap_or(name);
    let all = [&CHECKPOINT_NAMES[..], &IDENTITY, &CLEAN_SHUTDOWN];
    all.into_iter().any(|names| names.contains(&name))
}

/// Gives the folder `out` the identity of the log directory among the sources, and the mark of a
/// clean shutdown if it has one and `with_mark` says so. Whether a file changed.
///
/// # Errors
/// The system's.
pub fn carry_identity(disk: &Disk, sources: &Sources, out: &Path, with_mark: bool) -> Result<bool> {
    let mut is_changed = false;
    // It belongs to one directory only.
    let [only] = sources.log_dirs.as_slice() else { return Ok(is_changed) };
    for name in IDENTITY.iter().chain(CLEAN_SHUTDOWN.iter().filter(|_| with_mark)) {
        let (from, to) = (only.path.join(name), out.join(name));
        if fs::symlink_metadata(&from).is_ok_and(|found| found.is_file()) {
            is_changed |= put(disk, &to, &disk.map(&from)?)?;
        }
    }
    Ok(is_changed)
}

/// Gives the folder `out` the checkpoints that a log directory has, for those `included`. `change`
/// has a look at each, by its name, and at what stood there before. Of others than those, what
/// stood there stays. Of partitions that were named themselves it is where their logs start, for
/// what lies in front of that is not to come back; the rest if there is a checkpoint that says it.
/// Whether a file changed.
///
/// # Errors
/// The system's.
pub fn carry_checkpoints(
    disk: &Disk,
    sources: &Sources,
    out: &Path,
    included: &BTreeSet<TopicPartition>,
    change: impl Fn(&str, &OffsetCheckpoint, &mut OffsetCheckpoint),
) -> Result<bool> {
    let mut is_changed = false;
    for name in CHECKPOINT_NAMES {
        let mut merged = OffsetCheckpoint::default();
        for dir in &sources.log_dirs {
            merged.offsets.extend(dir.checkpoint(name).unwrap_or_default().offsets);
        }
        merged.offsets.extend(said_of_named(sources, name));
        merged.offsets.retain(|partition, _| included.contains(partition));
        let before = LogDir { path: out.into() }.checkpoint(name).unwrap_or_default();
        change(name, &before, &mut merged);
        let others = before.offsets.into_iter().filter(|(name, _)| !included.contains(name));
        merged.offsets.extend(others);
        let is_kept = match name {
            _ if !sources.log_dirs.is_empty() => true,
            LOG_START_CHECKPOINT => !merged.offsets.is_empty() || out.join(name).exists(),
            // One that says of a partition what is no longer so would be believed.
            _ => out.join(name).exists(),
        };
        if is_kept {
            is_changed |= put(disk, &out.join(name), merged.render().as_bytes())?;
        }
    }
    Ok(is_changed)
}

/// What the checkpoint `checkpoint` of the log directories around them says of partitions that were
/// named themselves, not found in a log directory.
fn said_of_named(
    sources: &Sources,
    checkpoint: &str,
) -> impl Iterator<Item = (TopicPartition, Offset)> {
    let is_within = |path: &Path| sources.log_dirs.iter().any(|dir| path.starts_with(&dir.path));
    let named = sources.partitions.iter().filter(move |path| !is_within(path));
    named.filter_map(move |path| {
        let (dir, name) = LogDir::around(path)?;
        let said = dir.checkpoint(checkpoint).ok()?;
        Some((name.clone(), *said.offsets.get(&name)?))
    })
}

/// Writes a file, or puts it in the place of one that says something else; whether it had to.
fn put(disk: &Disk, path: &Path, bytes: &[u8]) -> Result<bool> {
    let before = fs::read(path).ok();
    let is_same = before.as_deref() == Some(bytes);
    if !is_same {
        disk.replace_file(path, bytes)?;
    }
    // A run that was killed here may have left what was to take its place.
    disk.remove_replacement(path)?;
    Ok(!is_same)
}

/// What is known of each partition directory, with what it is called in the log directory that it
/// lies in, by log directory.
pub fn by_log_dir<T>(
    sources: &Sources,
    known: impl Fn(&PathBuf) -> Option<T>,
) -> BTreeMap<LogDir, Vec<(TopicPartition, T)>> {
    let mut by_dir: BTreeMap<LogDir, Vec<(TopicPartition, T)>> = BTreeMap::new();
    for path in &sources.partitions {
        if let Some(((dir, name), known)) = LogDir::around(path).zip(known(path)) {
            by_dir.entry(dir).or_default().push((name, known));
        }
    }
    by_dir
}

/// Changes the checkpoint `name` of each log directory, if that makes a difference. A folder that
/// no broker has used gets none.
///
/// # Errors
/// The system's.
pub fn change_checkpoints<T>(
    disk: &Disk,
    by_dir: BTreeMap<LogDir, Vec<(TopicPartition, T)>>,
    name: &str,
    change: impl Fn(Vec<(TopicPartition, T)>, &mut OffsetCheckpoint),
) -> Result<()> {
    for (dir, known) in by_dir {
        let file = dir.path.join(name);
        let is_there = file.try_exists().map_err(|e| Error::io(&file, "cannot read", e))?;
        if !is_there && !dir.is_a_brokers() {
            continue;
        }
        // One that cannot be read says nothing, as with a broker.
        let before = match dir.checkpoint(name) {
            Err(error) if error.is_corruption() => OffsetCheckpoint::default(),
            outcome => outcome?,
        };
        let mut checkpoint = before.clone();
        change(known, &mut checkpoint);
        if checkpoint != before {
            disk.replace_file(&file, checkpoint.render().as_bytes())?;
        }
    }
    Ok(())
}
