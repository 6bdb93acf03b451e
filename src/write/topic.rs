//! The partition directories of a topic: those that are there, and those that are to be made.
//!
//! The number of a topic's partitions is part of where its keys are, so one that is there keeps it,
//! and one of which only some partitions are there is not written to by key. All of them have the
//! topic's one id; without one that can be read, a broker does not take a partition.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::made::Made;
use crate::disk::{Disk, oddity};
use crate::error::{Error, Result};
use crate::segment::{
    Oddity, PARTITION_METADATA, PartitionDir, PartitionMetadata, Sources, Suffix, TopicPartition,
    Unread, partition_name, unread_metadata,
};

/// Topics that only a broker writes to (`Topic.isInternal`, `Topic.CLUSTER_METADATA_TOPIC_NAME`).
const INTERNAL: [&str; 4] =
    ["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"];
/// `Topic.validate`.
const MOST_NAME_BYTES: usize = 249;
/// As many as a controller makes at once (`ReplicationControlManager`); a typing error must not
/// fill the disk with folders.
const MOST_PARTITIONS: u32 = 10_000;

/// What a user asked to be written to.
#[derive(Clone, Debug)]
pub struct Request {
    /// A log directory, or a partition directory if no topic is named.
    pub dir: PathBuf,
    /// The topic.
    pub topic: Option<String>,
    /// How many partitions it has.
    pub partitions: Option<NonZeroU32>,
    /// The id of a topic that is made.
    pub topic_id: Option<String>,
}

/// A topic that can be written to once the missing directories are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// The directories by partition; a single one of any number if that is what was named.
    pub dirs: Vec<PathBuf>,
    /// Those that are not there.
    pub missing: Vec<PathBuf>,
    /// Those that are there, but were never made whole: without a segment and an id.
    pub begun: Vec<PathBuf>,
    /// Those whose id cannot be read, and what it is to say.
    pub unread: Vec<(PathBuf, Unread)>,
    topic_id: Option<String>,
}

impl Topic {
    /// Decides.
    ///
    /// # Errors
    /// What cannot be written to.
    pub fn decide(request: &Request) -> Result<Topic> {
        let mut topic = match &request.topic {
            None => Topic::of_partition(request)?,
            Some(name) => Topic::of_log_dir(request, name)?,
        };
        let refused = |text: &str| Err(Error::refused(format!("{}: {text}", topic.name)));
        if INTERNAL.contains(&topic.name.as_str()) {
            return refused("a topic of Kafka's own, which only brokers write to");
        }
        if topic.name.len() > MOST_NAME_BYTES {
            return refused("a topic's name has at most 249 characters");
        }
        let is_id = |id: &String| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(id);
            bytes.is_ok_and(|bytes| bytes.len() == 16)
        };
        if let Some(id) = request.topic_id.as_ref().filter(|id| !is_id(id)) {
            return Err(Error::refused(format!("{id}: a topic id is 22 characters of base64url")));
        }
        topic.look_at_ids(request)?;
        Ok(topic)
    }

    /// Which directories lack an id, and what it is.
    fn look_at_ids(&mut self, request: &Request) -> Result<()> {
        let missing: HashSet<&PathBuf> = self.missing.iter().collect();
        for dir in self.dirs.iter().filter(|dir| !missing.contains(dir)) {
            let listed = PartitionDir::open(dir)?;
            if is_begun(&listed) {
                self.begun.push(dir.clone());
            } else if let Some(unread) = unread_metadata(&listed)? {
                if unread.text.is_none() {
                    let why = unread.why;
                    return Err(Error::refused(format!(
                        "{}: {PARTITION_METADATA}: {why}; a broker does not load the log with it, \
                         and no other partition tells the topic's id: write it anew (version: 0, \
                         topic_id: ID), or let `logcompact repair --in-place` put it aside",
                        dir.display()
                    )));
                }
                self.unread.push((dir.clone(), unread));
            }
        }
        if self.missing.is_empty() && self.begun.is_empty() {
            return Ok(());
        }
        let mut known = self.ids_of_others(request);
        let id = known.pop_first();
        let refused = |text: String| Err(Error::refused(format!("{}: {text}", self.name)));
        match (id, &self.topic_id) {
            (Some(id), _) if !known.is_empty() => {
                let others: Vec<String> = known.into_iter().collect();
                refused(format!("its partitions have several ids: {id}, {}", others.join(", ")))
            }
            (Some(id), Some(asked)) if id != *asked => {
                refused(format!("its other partitions have the id {id}, not {asked}"))
            }
            (Some(id), None) => {
                self.topic_id = Some(id);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The ids that the topic's partitions in the log directory have.
    fn ids_of_others(&self, request: &Request) -> BTreeSet<String> {
        let around = match request.topic {
            Some(_) => Some(request.dir.clone()),
            None => std::path::absolute(&request.dir).ok().and_then(|it| Some(it.parent()?.into())),
        };
        let found = around.map(|around| {
            let numbers = list(&around, &self.name).unwrap_or_default().into_iter();
            numbers.map(move |number| around.join(format!("{}-{number}", self.name)))
        });
        let text = |dir: PathBuf| fs::read_to_string(dir.join(PARTITION_METADATA)).ok();
        let texts = found.into_iter().flatten().filter_map(text);
        texts.filter_map(|text| Some(PartitionMetadata::parse(&text).ok()?.topic_id)).collect()
    }

    fn of_partition(request: &Request) -> Result<Topic> {
        let dir = &request.dir;
        let path = dir.display();
        let by_name = || TopicPartition::parse(dir.file_name()?.to_str()?);
        let Some(name) = partition_name(dir).or_else(by_name) else {
            let text = "no partition directory (<topic>-<n>); of a log directory, name the --topic";
            return Err(Error::refused(format!("{path}: {text}")));
        };
        if let Some(partitions) = request.partitions {
            let text = "the directory of one partition; --partitions goes with a log directory and \
                        --topic";
            return Err(Error::refused(format!("{path}: {text} ({partitions} asked for)")));
        }
        let is_there = dir.try_exists().map_err(|e| Error::io(dir, "cannot open", e))?;
        if is_there && !dir.is_dir() {
            return Err(Error::refused(format!("{path}: not a folder")));
        }
        if let Some(other) = the_same_beside(dir, &name)? {
            let other = other.display();
            return Err(Error::refused(format!("{path}: {other} is {name} already")));
        }
        Ok(Topic {
            name: name.topic,
            dirs: vec![dir.clone()],
            missing: if is_there { Vec::new() } else { vec![dir.clone()] },
            begun: Vec::new(),
            unread: Vec::new(),
            topic_id: request.topic_id.clone(),
        })
    }

    fn of_log_dir(request: &Request, name: &str) -> Result<Topic> {
        if TopicPartition::parse(&format!("{name}-0")).is_none_or(|parsed| parsed.topic != name) {
            let text = "no name of a topic: letters, digits, '.', '_' and '-' make one";
            return Err(Error::refused(format!("{name:?}: {text}")));
        }
        let found = list(&request.dir, name)?;
        let dir = request.dir.display();
        let asked = request.partitions.map(NonZeroU32::get);
        let count = match (found.len() as u32, asked) {
            (0, asked) => asked.unwrap_or(1),
            (found, None) => found,
            (_, Some(asked)) => asked,
        };
        if count > MOST_PARTITIONS && count as usize > found.len() {
            let text = format!("{count} partitions; at most {MOST_PARTITIONS} are made");
            return Err(Error::refused(format!("{dir}: {name}: {text}")));
        }
        let path_of = |number: u32| request.dir.join(format!("{name}-{number}"));
        let missing: Vec<PathBuf> =
            (0..count).filter(|number| !found.contains(number)).map(path_of).collect();
        let beyond = found.iter().any(|number| *number >= count);
        if beyond || !missing.is_empty() && has_records(found.iter().map(|n| path_of(*n)))? {
            let numbers: Vec<String> = found.iter().map(u32::to_string).collect();
            return Err(Error::refused(match asked {
                Some(asked) => format!(
                    "{dir}: {name} has the partitions {}, not {asked}; their number decides where \
                     a key is, so it stays",
                    numbers.join(", ")
                ),
                None => format!(
                    "{dir}: of {name} only the partitions {} are here, so where a key belongs is \
                     not known; name the directory of one",
                    numbers.join(", ")
                ),
            }));
        }
        Ok(Topic {
            name: name.to_owned(),
            dirs: (0..count).map(path_of).collect(),
            missing,
            begun: Vec::new(),
            unread: Vec::new(),
            topic_id: request.topic_id.clone(),
        })
    }

    /// The directories, for who claims them.
    pub fn sources(&self) -> Sources {
        Sources { partitions: self.dirs.clone(), ..Sources::default() }
    }

    /// Makes the directories that are missing, the last one first: a topic that is not complete is
    /// known by that. Those that were begun are made whole.
    ///
    /// # Errors
    /// The system's; of those that are new nothing is left then.
    pub fn create(&self, disk: &Disk) -> Result<Made> {
        let topic_id = self.topic_id.clone().unwrap_or_else(random_id);
        let metadata = PartitionMetadata { version: 0, topic_id };
        let due: HashSet<&PathBuf> = self.missing.iter().chain(&self.begun).collect();
        let mut made = Made::on(disk);
        let mut due = self.dirs.iter().rev().filter(|dir| due.contains(dir));
        due.try_for_each(|dir| made.partition(dir, &metadata))?;
        Ok(made)
    }

    /// The directories that are whole already.
    pub fn whole(&self) -> Vec<&PathBuf> {
        let due: HashSet<&PathBuf> = self.missing.iter().chain(&self.begun).collect();
        self.dirs.iter().filter(|dir| !due.contains(dir)).collect()
    }
}

/// Whether a partition directory was begun to be made, and no more: the id comes last of what is
/// made, and the first segment behind it. What holds nothing is not told from that.
fn is_begun(dir: &PartitionDir) -> bool {
    let is_empty = fs::metadata(dir.file(PARTITION_METADATA)).is_ok_and(|file| file.len() == 0);
    let has_id = dir.others.iter().any(|name| name == PARTITION_METADATA) && !is_empty;
    let is_swap = dir.leftovers.iter().any(|name| name.suffix != Some(Suffix::Tmp));
    let has_log = !dir.segments.is_empty() || !dir.snapshots.is_empty() || !dir.orphans.is_empty();
    !has_id && !is_swap && !has_log && !dir.oddities.iter().any(Oddity::is_in_the_way)
}

/// A directory beside `dir` that is the partition `name`, too, as `b-3` beside `b-03`: no broker
/// starts with both.
fn the_same_beside(dir: &Path, name: &TopicPartition) -> Result<Option<PathBuf>> {
    let full = fs::canonicalize(dir).or_else(|_| std::path::absolute(dir));
    let full = full.map_err(|e| Error::io(dir, "cannot open", e))?;
    let Some(around) = full.parent().filter(|around| around.is_dir()) else { return Ok(None) };
    let io = |source| Error::io(around, "cannot list the folder", source);
    for entry in fs::read_dir(around).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let of = path.file_name().and_then(|name| TopicPartition::parse(name.to_str()?));
        if of.as_ref() == Some(name) && path != full && path.is_dir() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The numbers of the partitions that a log directory has of a topic, ascending.
fn list(dir: &Path, topic: &str) -> Result<Vec<u32>> {
    let io = |source| Error::io(dir, "cannot list the folder", source);
    if !dir.try_exists().map_err(io)? {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        let text = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(io)?;
        let path = entry.path();
        if kind.is_file() && text.ends_with(".log") && text.len() == 24 {
            let text = "holds segments, so it is the directory of a partition; leave --topic out";
            return Err(Error::refused(format!("{}: {text}", dir.display())));
        }
        let Some(name) = TopicPartition::parse(&text).filter(|name| name.topic == topic) else {
            continue;
        };
        if let Some(what) = oddity(kind) {
            let text = format!("{}: {what}; it is not followed", path.display());
            return Err(Error::refused(text));
        }
        if kind.is_dir() {
            if name.to_string() != text {
                let text = format!("it is {name}, under a name that no broker gives; rename it");
                return Err(Error::refused(format!("{}: {text}", path.display())));
            }
            found.extend(u32::try_from(name.partition));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn has_records(dirs: impl Iterator<Item = PathBuf>) -> Result<bool> {
    for dir in dirs {
        let dir = PartitionDir::open(&dir)?;
        if dir.segments.iter().any(|segment| segment.size_bytes > 0 || segment.base.0 > 0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A random UUID (`Uuid.randomUuid`), which does not begin with a dash.
fn random_id() -> String {
    loop {
        let random = || RandomState::new().hash_one(0);
        let mut bytes = [random().to_be_bytes(), random().to_be_bytes()].concat();
        if let Some(version) = bytes.get_mut(6) {
            *version = *version & 0x0f | 0x40;
        }
        if let Some(variant) = bytes.get_mut(8) {
            *variant = *variant & 0x3f | 0x80;
        }
        let id = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
        if !id.starts_with('-') {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topics_id_is_a_random_uuid_and_its_own() {
        let (one, other) = (random_id(), random_id());
        assert!(one != other && one.len() == 22 && !one.starts_with('-'));
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&one).unwrap();
        assert_eq!((bytes[6] >> 4, bytes[8] >> 6), (4, 2));
    }
}
