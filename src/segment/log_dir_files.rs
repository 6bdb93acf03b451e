//! What a log directory has beside its partitions, carried over or changed: checkpoints, identity,
//! the clean shutdown mark.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{
    CHECKPOINT_NAMES, CLEANER_CHECKPOINT, LOG_START_CHECKPOINT, LogDir, OffsetCheckpoint, Sources,
    TopicPartition,
};
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::units::Offset;

/// Files of a log directory, besides the checkpoints, that a broker expects or honours.
const LOG_DIR_FILES: [&str; 3] =
    ["meta.properties", ".kafka_cleanshutdown", "bootstrap.checkpoint"];

/// Gives the folder `out` what a log directory has beside its partitions, for those `included`.
/// `change` has a look at each checkpoint, by its name, and at what stood there before. Of others
/// than those, what stood there stays. Of partitions that were named themselves it is where their
/// logs start, for what lies in front of that is not to come back; and how far they are clean, if
/// there is a checkpoint that says it.
///
/// # Errors
/// The system's.
pub fn carry_log_dir_files(
    disk: &Disk,
    sources: &Sources,
    out: &Path,
    included: &BTreeSet<TopicPartition>,
    change: impl Fn(&str, &OffsetCheckpoint, &mut OffsetCheckpoint),
) -> Result<()> {
    for name in CHECKPOINT_NAMES {
        let mut merged = OffsetCheckpoint::default();
        for dir in &sources.log_dirs {
            merged.offsets.extend(dir.checkpoint(name).unwrap_or_default().offsets);
        }
        if name == LOG_START_CHECKPOINT {
            merged.offsets.extend(starts_of_named(sources));
        }
        merged.offsets.retain(|partition, _| included.contains(partition));
        let before = LogDir { path: out.into() }.checkpoint(name).unwrap_or_default();
        change(name, &before, &mut merged);
        let others = before.offsets.into_iter().filter(|(name, _)| !included.contains(name));
        merged.offsets.extend(others);
        let is_kept = match name {
            _ if !sources.log_dirs.is_empty() => true,
            LOG_START_CHECKPOINT => !merged.offsets.is_empty() || out.join(name).exists(),
            // One that says of a partition what is no longer so would be believed.
            CLEANER_CHECKPOINT => out.join(name).exists(),
            _ => false,
        };
        if !is_kept {
            continue;
        }
        put(disk, &out.join(name), merged.render().as_bytes())?;
    }
    // The identity of a log directory belongs to one directory only.
    if let [only] = sources.log_dirs.as_slice() {
        for name in LOG_DIR_FILES {
            let from = only.path.join(name);
            let to = out.join(name);
            if fs::symlink_metadata(&from).is_ok_and(|found| found.is_file()) {
                if to.exists() {
                    put(disk, &to, &disk.map(&from)?)?;
                } else {
                    disk.copy_file(&from, &to)?;
                }
            }
        }
    }
    Ok(())
}

/// Where the logs of partitions start that were named themselves, not found in a log directory.
fn starts_of_named(sources: &Sources) -> impl Iterator<Item = (TopicPartition, Offset)> {
    let is_within = |path: &Path| sources.log_dirs.iter().any(|dir| path.starts_with(&dir.path));
    let named = sources.partitions.iter().filter(move |path| !is_within(path));
    named.filter_map(|path| {
        let (dir, name) = LogDir::around(path)?;
        let starts = dir.checkpoint(LOG_START_CHECKPOINT).ok()?;
        Some((name.clone(), *starts.offsets.get(&name)?))
    })
}

/// Writes a file, or puts it in the place of one that says something else.
fn put(disk: &Disk, path: &Path, bytes: &[u8]) -> Result<()> {
    match fs::read(path) {
        Ok(before) if before == bytes => Ok(()),
        Ok(_) => disk.replace_file(path, bytes),
        Err(_) => disk.write_whole_file(path, bytes, None, None),
    }
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
