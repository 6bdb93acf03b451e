//! The two small files that a partition directory has beside its segments: which leader began to
//! write where (`leader-epoch-checkpoint`), and the id of its topic (`partition.metadata`). A log
//! that lacks them is loaded by a broker, one of which it cannot read them is not.

use std::collections::BTreeSet;
use std::path::Path;

use super::{
    Batches, EpochEntry, Frontier, LogDir, PartitionDir, PartitionMetadata, parse_epochs,
    partitions_around, render_epochs,
};
use crate::disk::Disk;
use crate::error::Result;
use crate::units::Offset;

/// Which leader began to write where.
pub const LEADER_EPOCHS: &str = "leader-epoch-checkpoint";
/// The topic's id.
pub const PARTITION_METADATA: &str = "partition.metadata";

/// One of the two that cannot be read, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Its name.
    pub name: &'static str,
    /// What is wrong with it.
    pub why: String,
    /// What it is to say, if that is known from elsewhere; without that, it goes.
    pub text: Option<String>,
}

impl Unread {
    /// Puts right what lies in the folder `dir`; what goes is only put aside.
    ///
    /// # Errors
    /// The system's.
    pub fn put_right(&self, disk: &Disk, dir: &Path) -> Result<()> {
        let path = dir.join(self.name);
        match &self.text {
            Some(text) => disk.replace_file(&path, text.as_bytes()),
            None => {
                let aside = dir.join(self.aside());
                disk.remove_if_there(&aside)?;
                disk.rename(&path, &aside)?;
                disk.sync_dir(dir)
            }
        }
    }

    /// What becomes of it, for people, where it lies or in a copy.
    pub fn describe(&self, in_place: bool) -> String {
        let Unread { name, why, text } = self;
        match text {
            Some(_) if *name == LEADER_EPOCHS => {
                format!("{name}: {why}; it is built anew from the epochs of the batches")
            }
            Some(_) => format!(
                "{name}: {why}; the id is known from the topic's other partitions, or from an \
                 earlier round"
            ),
            None => {
                let becomes = match in_place {
                    true => format!("it is {} now", self.aside()),
                    false => "it is left out".to_owned(),
                };
                format!(
                    "{name}: {why}; a broker does not load the log with it, so {becomes}. The \
                     topic's id is lost: a KRaft broker sets a log without one aside as a stray, \
                     so write it anew (version: 0, topic_id: ID) before one starts"
                )
            }
        }
    }

    fn aside(&self) -> String {
        format!("{}.unread", self.name)
    }
}

/// The leader epochs of the partition `dir` if they cannot be read, or are in no order. `seen` are
/// those of its batches, with their first offsets.
///
/// # Errors
/// The system's, and those of `seen`.
pub fn unread_epochs(
    dir: &PartitionDir,
    seen: impl FnOnce() -> Result<Vec<(i32, Offset)>>,
) -> Result<Option<Unread>> {
    let Some(text) = text_of(dir, LEADER_EPOCHS)? else { return Ok(None) };
    let Err(why) = rising_epochs(&text) else { return Ok(None) };
    let text = Some(render_epochs(&epochs_of(&seen()?)));
    Ok(Some(Unread { name: LEADER_EPOCHS, why, text }))
}

/// The topic's id that the partition `dir` has, if it cannot be read. The other partitions of the
/// topic have the same.
///
/// # Errors
/// The system's.
pub fn unread_metadata(dir: &PartitionDir) -> Result<Option<Unread>> {
    let Some(text) = text_of(dir, PARTITION_METADATA)? else { return Ok(None) };
    let Err(error) = PartitionMetadata::parse(&text) else { return Ok(None) };
    let text = metadata_of_others(dir).map(|metadata| metadata.render());
    Ok(Some(Unread { name: PARTITION_METADATA, why: error.to_string(), text }))
}

/// The entries of a `leader-epoch-checkpoint`, or why they cannot be believed.
///
/// # Errors
/// The line that does not fit; that they do not ascend.
pub fn rising_epochs(text: &str) -> Result<Vec<EpochEntry>, String> {
    let rises = |pair: &[EpochEntry]| match pair {
        [a, b] => a.epoch < b.epoch && a.start_offset <= b.start_offset,
        _ => true,
    };
    let entries = parse_epochs(text).map_err(|error| error.to_string())?;
    match entries.windows(2).all(rises) {
        true => Ok(entries),
        false => Err("epochs and offsets do not ascend".to_owned()),
    }
}

/// The entries that batches ask for whose leader epochs are `seen`, with their first offsets.
pub fn epochs_of(seen: &[(i32, Offset)]) -> Vec<EpochEntry> {
    let mut entries: Vec<EpochEntry> = Vec::new();
    for (epoch, start_offset) in seen.iter().copied().filter(|(epoch, _)| *epoch >= 0) {
        if entries.last().is_none_or(|last| last.epoch < epoch) {
            entries.push(EpochEntry { epoch, start_offset });
        }
    }
    entries
}

/// Notes the leader epochs of `batches` behind those that were `seen`, with their first offsets.
/// Damage is for others to tell of.
///
/// # Errors
/// The system's.
pub fn see_epochs(
    mut batches: Batches<'_>,
    frontier: &mut Frontier<'_>,
    seen: &mut Vec<(i32, Offset)>,
) -> Result<()> {
    const HEADER_REACH_BYTES: usize = 64;
    loop {
        frontier.reach(batches.position(), HEADER_REACH_BYTES)?;
        let Some(item) = batches.next() else { return Ok(()) };
        let Ok((_, batch)) = item else { continue };
        let epoch = batch.header.leader_epoch;
        if seen.last().is_none_or(|(last, _)| *last != epoch) {
            seen.push((epoch, batch.header.base_offset));
        }
    }
}

/// What the others of its topic in the log directory say, if they agree.
fn metadata_of_others(dir: &PartitionDir) -> Option<PartitionMetadata> {
    let (log_dir, name) = LogDir::around(&dir.path)?;
    let paths = partitions_around(&log_dir.path, &name.topic).ok()?;
    let others = paths.iter().filter_map(|path| {
        let other = PartitionDir::open_on(&dir.disk, path).ok()?;
        PartitionMetadata::parse(&text_of(&other, PARTITION_METADATA).ok()??).ok()
    });
    let mut ids: BTreeSet<String> = others.map(|metadata| metadata.topic_id).collect();
    let topic_id = ids.pop_first()?;
    ids.is_empty().then_some(PartitionMetadata { version: 0, topic_id })
}

/// The text of a file of the partition, if there is one.
fn text_of(dir: &PartitionDir, name: &str) -> Result<Option<String>> {
    if !dir.others.iter().any(|other| other == name) {
        return Ok(None);
    }
    let map = dir.disk.map(&dir.file(name))?;
    Ok(Some(String::from_utf8_lossy(&map).into_owned()))
}
