//! The partition directories of a topic: those that are there, and those that are to be made.
//!
//! The number of a topic's partitions is part of where its keys are, so one that is there keeps it,
//! and one of which only some partitions are there is not written to by key.

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
    LEADER_EPOCHS, PARTITION_METADATA, PartitionDir, PartitionMetadata, Sources, TopicPartition,
    partition_name,
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
    topic_id: Option<String>,
}

impl Topic {
    /// Decides.
    ///
    /// # Errors
    /// What cannot be written to.
    pub fn decide(request: &Request) -> Result<Topic> {
        let topic = match &request.topic {
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
        Ok(topic)
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
            topic_id: request.topic_id.clone(),
        })
    }

    /// The directories, for who claims them.
    pub fn sources(&self) -> Sources {
        Sources { partitions: self.dirs.clone(), ..Sources::default() }
    }

    /// Makes the directories that are missing, the last one first: a topic that is not complete is
    /// known by that.
    ///
    /// # Errors
    /// The system's; nothing is left then.
    pub fn create(&self, disk: &Disk) -> Result<Made> {
        let topic_id = self.topic_id.clone().unwrap_or_else(random_id);
        let metadata = PartitionMetadata { version: 0, topic_id }.render();
        let files: [(&str, &[u8]); 2] =
            [(PARTITION_METADATA, metadata.as_bytes()), (LEADER_EPOCHS, b"")];
        let mut made = Made::on(disk);
        self.missing.iter().rev().try_for_each(|dir| made.partition(dir, &files))?;
        Ok(made)
    }
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
