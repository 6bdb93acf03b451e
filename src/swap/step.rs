//! One step of a swap: what is done to a name in a partition directory.

use std::collections::BTreeSet;
use std::path::Path;

use rayon::prelude::*;

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::segment::{FileName, Suffix};

/// A step. Steps between two syncs may reach the disk in any order, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A file gets another name.
    Rename(FileName, FileName),
    /// A file goes.
    Remove(FileName),
    /// What was done up to here is durable.
    Sync,
}

/// Carries out `steps` in the directory `dir`: one after the other, but files that go one after
/// the other go side by side. To give back the room of a large one takes its time, of which little
/// is a processor's.
///
/// # Errors
/// The system's. What is left undone then is for [`super::recover`].
pub fn carry_out(steps: &[Step], disk: &Disk, dir: &Path) -> Result<()> {
    let path = |name: &FileName| dir.join(name.to_string());
    let go = |a: &Step, b: &Step| matches!((a, b), (Step::Remove(_), Step::Remove(_)));
    let carry_out = |step: &Step| match step {
        Step::Rename(from, to) => disk.rename(&path(from), &path(to)),
        Step::Remove(name) => disk.remove_if_there(&path(name)),
        Step::Sync => disk.sync_dir(dir),
    };
    steps.chunk_by(go).try_for_each(|together| together.par_iter().try_for_each(carry_out))
}

/// How many bytes the files in the partition directory `dir` have that wait for their removal.
/// Somebody may remove them meanwhile: what cannot be looked at is none.
pub fn deleted_bytes(dir: &Path) -> u64 {
    let files = list(dir).unwrap_or_default();
    let deleted = files.iter().filter(|name| name.suffix == Some(Suffix::Deleted));
    let size = |name: &FileName| dir.join(name.to_string()).symlink_metadata().map(|it| it.len());
    deleted.map(|name| size(name).unwrap_or(0)).sum()
}

/// The files of a partition directory that are named after an offset.
///
/// # Errors
/// The system's.
pub fn list(dir: &Path) -> Result<BTreeSet<FileName>> {
    let io = |source| Error::io(dir, "cannot list the folder", source);
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(dir).map_err(io)? {
        names.extend(FileName::parse(&entry.map_err(io)?.file_name().to_string_lossy()));
    }
    Ok(names)
}
