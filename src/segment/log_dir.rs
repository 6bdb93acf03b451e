//! From the paths that a user names to partition directories.
//!
//! A path is a partition directory (it holds `.log` files, or is named like one) or a log
//! directory that holds many. What a broker keeps beside the partitions, checkpoints above all,
//! belongs to the log directory.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{FileName, Kind, OffsetCheckpoint, TopicPartition, partition_name};
use crate::disk::{STAGING, open_listed};
use crate::error::{Error, Result};
use crate::units::{Offset, Position};

/// Up to where a broker's cleaner has cleaned.
pub const CLEANER_CHECKPOINT: &str = "cleaner-offset-checkpoint";

/// Where each log starts, if that is not where its first segment does.
pub const LOG_START_CHECKPOINT: &str = "log-start-offset-checkpoint";

/// The offset checkpoints of a log directory.
pub const CHECKPOINT_NAMES: [&str; 4] = [
    CLEANER_CHECKPOINT,
    LOG_START_CHECKPOINT,
    "recovery-point-offset-checkpoint",
    "replication-offset-checkpoint",
];

/// A directory that holds partition directories.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogDir {
    /// The directory.
    pub path: PathBuf,
}

impl LogDir {
    /// The log directory around a partition directory, and what that is called there. Of a path
    /// that is a link, it is the one where the link lies, if a broker has used that.
    pub fn around(partition: &Path) -> Option<(LogDir, TopicPartition)> {
        let within = |path: &Path| {
            let name = TopicPartition::parse(path.file_name()?.to_str()?)?;
            Some((LogDir { path: path.parent()?.into() }, name))
        };
        let named = std::path::absolute(partition).ok().and_then(|path| within(&path));
        let named = named.filter(|(dir, _)| dir.is_a_brokers());
        named.or_else(|| within(&fs::canonicalize(partition).ok()?))
    }

    /// The folders that a partition directory lies in: as it was named, and where links lead.
    pub fn all_around(partition: &Path) -> impl Iterator<Item = LogDir> {
        let named = std::path::absolute(partition).ok();
        let full = fs::canonicalize(partition).ok();
        let parents = [named, full].into_iter().flatten();
        parents.filter_map(|path| {
            let path = fs::canonicalize(path.parent()?).ok()?;
            Some(LogDir { path })
        })
    }

    /// Whether a broker has used it: `meta.properties` is in every log directory.
    pub fn is_a_brokers(&self) -> bool {
        const OF_A_BROKER: [&str; 2] = ["meta.properties", "recovery-point-offset-checkpoint"];
        OF_A_BROKER.iter().any(|name| self.path.join(name).exists())
    }

    /// What the offset checkpoint `name` of the log directory around a partition directory says of
    /// it, if it does.
    ///
    /// # Errors
    /// As [`LogDir::checkpoint`].
    pub fn checkpointed(partition: &Path, name: &str) -> Result<Option<Offset>> {
        let Some((dir, partition)) = LogDir::around(partition) else { return Ok(None) };
        Ok(dir.checkpoint(name)?.offsets.get(&partition).copied())
    }

    /// One of its offset checkpoints; empty if there is no such file.
    ///
    /// # Errors
    /// The system's, or the line that is no checkpoint line.
    pub fn checkpoint(&self, name: &str) -> Result<OffsetCheckpoint> {
        let path = self.path.join(name);
        let mut bytes = Vec::new();
        let read = open_listed(&path).and_then(|mut file| file.read_to_end(&mut bytes));
        let text = match read {
            Ok(_) => String::from_utf8_lossy(&bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(OffsetCheckpoint::default());
            }
            Err(error) => return Err(Error::io(&path, "cannot read", error)),
        };
        OffsetCheckpoint::parse(&text)
            .map_err(|error| Error::corrupt(&path, Position(0), error.to_string()))
    }
}

/// What a broker keeps in a log directory beside the partitions (`RemoteIndexCache`, KIP-405).
const REMOTE_INDEX_CACHE: &str = "remote-log-index-cache";

/// A folder in a log directory that is not read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PassedOver {
    /// The folder.
    pub path: PathBuf,
    /// Why it is not.
    pub why: WhyPassedOver,
}

impl std::fmt::Display for PassedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; passed over", self.path.display(), self.why)
    }
}

/// Why a folder in a log directory is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyPassedOver {
    /// It is on its way in or out (`-delete`, `-future`, `-stray`).
    OnItsWay,
    /// It holds segments, but its name is no partition's.
    UnnamedLog,
    /// What a run of this program has in the making, or has left of that.
    Staging,
    /// Its name is no partition's, nor does it hold any segment.
    NoPartition,
}

impl std::fmt::Display for WhyPassedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            WhyPassedOver::OnItsWay => "on its way in or out (-delete, -future, -stray)",
            WhyPassedOver::UnnamedLog => {
                "holds segments, but its name is no partition's (<topic>-<n>)"
            }
            WhyPassedOver::Staging => {
                "what a run that was interrupted has left (or one that is at work has there); the \
                 next into this folder removes it, or says that it cannot go on"
            }
            WhyPassedOver::NoPartition => "its name is no partition's (<topic>-<n>)",
        })
    }
}

/// The partition directories that a user's paths stand for.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The partition directories, in the order of topic and partition.
    pub partitions: Vec<PathBuf>,
    /// The log directories among the paths.
    pub log_dirs: Vec<LogDir>,
    /// Other folders in the log directories.
    pub passed_over: Vec<PassedOver>,
    /// Links in the log directories that are named like partitions; they are not followed.
    pub links: Vec<PathBuf>,
}

impl Sources {
    /// Those of these names alone, in the same log directories.
    ///
    /// # Errors
    /// Refused: one of them is not there.
    pub fn only(self, names: &BTreeSet<TopicPartition>) -> Result<Sources> {
        let is_wanted =
            |path: &PathBuf| partition_name(path).is_some_and(|name| names.contains(&name));
        let mut partitions = self.partitions;
        let mut links = self.links;
        partitions.retain(is_wanted);
        links.retain(is_wanted);
        let found = partitions.iter().chain(&links).filter_map(|path| partition_name(path));
        let found: BTreeSet<TopicPartition> = found.collect();
        match names.difference(&found).next() {
            None => Ok(Sources { partitions, links, ..self }),
            Some(name) => Err(Error::refused(format!(
                "{name}: was planned, and is not there any more; plan anew"
            ))),
        }
    }

    /// The folders that hold segments and are not read all the same.
    pub fn logs_passed_over(&self) -> impl Iterator<Item = &PassedOver> {
        use WhyPassedOver::{OnItsWay, UnnamedLog};
        self.passed_over.iter().filter(|folder| matches!(folder.why, OnItsWay | UnnamedLog))
    }
}

/// Finds the partition directories at `paths`.
///
/// # Errors
/// A path that is neither kind of directory is refused, with what was expected.
pub fn find_partitions(paths: &[PathBuf]) -> Result<Sources> {
    let mut sources = Sources::default();
    for path in paths {
        let io = |source| Error::io(path, "cannot open", source);
        if !fs::metadata(path).map_err(io)?.is_dir() {
            return Err(Error::refused(format!(
                "{}: not a folder; name a partition directory (<topic>-<n>) or a log directory",
                path.display()
            )));
        }
        let listing = list(path)?;
        if listing.has_segments {
            sources.partitions.push(path.clone());
        } else if !(listing.partitions.is_empty() && listing.links.is_empty()) {
            sources.log_dirs.push(LogDir { path: path.clone() });
            sources.partitions.extend(listing.partitions);
            sources.passed_over.extend(listing.passed_over);
            sources.links.extend(listing.links);
        } else {
            return Err(Error::refused(format!(
                "{}: holds neither segments (<20 digits>.log) nor partition directories \
                 (<topic>-<n>)",
                path.display()
            )));
        }
    }
    sources.partitions.sort_by_cached_key(|path| (name_of(path), path.clone()));
    sources.partitions.dedup();
    sources.passed_over.sort();
    sources.passed_over.dedup();
    sources.links.sort();
    sources.links.dedup();
    Ok(sources)
}

/// The partition directories in the folder `dir`, which need not be a log directory.
///
/// # Errors
/// The system's.
pub fn partitions_in(dir: &Path) -> Result<Vec<PathBuf>> {
    Ok(list(dir)?.partitions)
}

/// The partitions of `topic` in the log directory that `path` is, or lies in.
///
/// # Errors
/// The system's; a `path` that is a directory, but none of Kafka's.
pub fn partitions_around(path: &Path, topic: &str) -> Result<Vec<PathBuf>> {
    let full = std::path::absolute(path).map_err(|e| Error::io(path, "cannot open", e))?;
    let is_of_topic = |path: &PathBuf| partition_name(path).is_some_and(|at| at.topic == topic);
    // A file lies in a partition directory, that in a log directory.
    for dir in full.ancestors().take(3).filter(|dir| dir.is_dir()) {
        let found = match find_partitions(&[dir.into()]) {
            Ok(found) => found.partitions,
            Err(_) if dir != full => continue, // nobody named it
            Err(error) => return Err(error),
        };
        let of_topic: Vec<PathBuf> = found.into_iter().filter(is_of_topic).collect();
        if !of_topic.is_empty() {
            return Ok(of_topic);
        }
    }
    Ok(Vec::new())
}

fn name_of(path: &Path) -> Option<TopicPartition> {
    TopicPartition::parse(path.file_name()?.to_str()?)
}

#[derive(Default)]
struct Listing {
    has_segments: bool,
    partitions: Vec<PathBuf>,
    passed_over: Vec<PassedOver>,
    links: Vec<PathBuf>,
}

fn list(path: &Path) -> Result<Listing> {
    let io = |source| Error::io(path, "cannot list the folder", source);
    let mut listing = Listing::default();
    for entry in fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?;
        let text = entry.file_name().to_string_lossy().into_owned();
        if is_log(&text) {
            listing.has_segments = true;
        } else if TopicPartition::parse(&text).is_some() {
            let kind = entry.file_type().map_err(io)?;
            if kind.is_dir() {
                listing.partitions.push(entry.path());
            } else if kind.is_symlink() {
                listing.links.push(entry.path());
            }
        } else if text != REMOTE_INDEX_CACHE && entry.file_type().map_err(io)?.is_dir() {
            let path = entry.path();
            listing.passed_over.push(PassedOver { why: why_passed_over(&path, &text), path });
        }
    }
    Ok(listing)
}

fn is_log(name: &str) -> bool {
    FileName::parse(name).is_some_and(|name| name.kind == Kind::Log && name.suffix.is_none())
}

fn why_passed_over(path: &Path, name: &str) -> WhyPassedOver {
    if ["-delete", "-future", "-stray"].iter().any(|end| name.ends_with(end)) {
        return WhyPassedOver::OnItsWay;
    }
    if name == STAGING {
        return WhyPassedOver::Staging;
    }
    // A folder that nobody may read is not known to hold any.
    let mut names = fs::read_dir(path).into_iter().flatten().flatten();
    let holds_logs = names.any(|entry| entry.file_name().to_str().is_some_and(is_log));
    if holds_logs { WhyPassedOver::UnnamedLog } else { WhyPassedOver::NoPartition }
}
