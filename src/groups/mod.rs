//! Consumer groups, from the directories alone: what `__consumer_offsets` says of them, held
//! against the logs that they read.
//!
//! The room promises: nothing is changed; what is held is the last value of each key; damage is
//! told with its place while reading goes on; what a later Kafka wrote is counted. Partitions are
//! read in parallel, and the outcome does not depend on how many threads do.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

mod lag;
mod log_end;
mod read;
mod replay;
mod state;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::segment::{Sources, TopicPartition, not_opened, partition_name};
use crate::units::{Offset, Position};

pub use lag::{Row, total_lag};
pub use state::{Assigned, Commit, Group, GroupKind, GroupState, Member, Whole};

use log_end::LogEnd;
use read::PartitionRead;

/// The topic that groups live in.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// All groups that were found.
#[derive(Debug, Default)]
pub struct Groups {
    /// The groups by name.
    pub groups: BTreeMap<String, Group>,
    /// Where the partitions end that groups have to do with, as far as their logs are there and
    /// tell.
    pub log_ends: BTreeMap<TopicPartition, Offset>,
    /// How many partitions of `__consumer_offsets` were read.
    pub partitions: usize,
    /// How many records these hold.
    pub records: u64,
    /// Records of types or versions that Kafka 4.1 does not know, by type.
    pub unknown: BTreeMap<i16, u64>,
    /// What is wrong with these logs.
    pub damage: Vec<Damage>,
    /// What is worth knowing, and is no damage.
    pub notes: Vec<String>,
}

/// A place where a log is not what Kafka writes, and what was made of it.
#[derive(Clone, Debug)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where in it; `None` where the file as a whole is meant.
    pub position: Option<Position>,
    /// What is wrong.
    pub what: String,
}

impl Damage {
    /// Something that stands in the place of a log and is not opened.
    fn left_out(path: &Path, what: &str) -> Damage {
        Damage { path: path.into(), position: None, what: not_opened(what) }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        if let Some(position) = self.position {
            write!(f, "position {position}: ")?;
        }
        write!(f, "{}", self.what)
    }
}

impl Groups {
    /// A row for each partition that the group has committed or been assigned.
    pub fn rows<'a>(&self, group: &'a Group) -> Vec<Row<'a>> {
        lag::rows(group, &self.log_ends)
    }

    /// The offset from which each partition that the group has committed is to be read on; `None`
    /// if there is no such group.
    pub fn committed(&self, group: &str) -> Option<BTreeMap<TopicPartition, Offset>> {
        let commits = &self.groups.get(group)?.commits;
        Some(
            commits
                .iter()
                .filter_map(|(at, commit)| Some((at.clone(), commit.read_on()?)))
                .collect(),
        )
    }
}

/// Reads all groups of the partitions of `__consumer_offsets` among `sources`.
///
/// # Errors
/// There is no such partition, or a file cannot be read.
pub fn read(sources: &Sources) -> Result<Groups> {
    let named: Vec<(TopicPartition, &Path)> = sources
        .partitions
        .iter()
        .filter_map(|path| Some((partition_name(path)?, path.as_path())))
        .collect();
    let is_offsets = |(at, _): &&(TopicPartition, &Path)| at.topic == OFFSETS_TOPIC;
    let offsets: Vec<_> = named.iter().filter(is_offsets).collect();
    if offsets.is_empty() {
        return Err(Error::refused(
            "there is no partition of __consumer_offsets here; name the log directories of a \
             broker, or such a partition",
        ));
    }
    let read: Vec<Result<PartitionRead>> =
        offsets.par_iter().map(|(at, path)| read::read_partition(path, at.partition)).collect();
    let mut groups = Groups::default();
    let mut topic_names = HashMap::new();
    let mut readable = Vec::new();
    for (offsets, read) in offsets.into_iter().zip(read) {
        match read {
            Ok(read) => readable.push((offsets, read)),
            // Where it is all that there is, there is nothing to go on with.
            Err(error) if named.len() == 1 => return Err(error),
            Err(error) => groups.damage.push(Damage {
                path: error.path.clone().unwrap_or_else(|| offsets.1.into()),
                position: error.position,
                what: error.kind.to_string(),
            }),
        }
    }
    // Copies of one partition stand behind each other.
    let mut all = readable.into_iter().peekable();
    while let Some(((at, path), mut best)) = all.next() {
        let mut of_best = *path;
        while let Some(((_, path), other)) = all.next_if(|((next, _), _)| next == at) {
            groups.notes.push(format!(
                "{at} is there twice, in {} and in {}; the one that ends later counts",
                of_best.display(),
                path.display(),
            ));
            if other.log_end > best.log_end {
                (of_best, best) = (path, other);
            }
        }
        groups.add(best, &mut topic_names);
    }
    let links = sources
        .links
        .iter()
        .filter(|path| partition_name(path).is_some_and(|at| at.topic == OFFSETS_TOPIC));
    groups.damage.extend(links.map(|path| Damage::left_out(path, "a link")));
    groups.name_topics(&named, topic_names);
    groups.find_log_ends(&named);
    Ok(groups)
}

impl Groups {
    fn add(&mut self, read: PartitionRead, topic_names: &mut HashMap<String, String>) {
        self.partitions += 1;
        self.records += read.records;
        for (kind, count) in read.unknown {
            *self.unknown.entry(kind).or_default() += count;
        }
        self.damage.extend(read.damage);
        self.notes.extend(read.notes);
        topic_names.extend(read.replayed.topic_names);
        for (name, group) in read.replayed.groups {
            let Some(other) = self.groups.remove(&name) else {
                self.groups.insert(name, group);
                continue;
            };
            let (one, two) = (other.coordinator_partition, group.coordinator_partition);
            self.notes.push(format!(
                "group {name:?} is in two partitions of {OFFSETS_TOPIC}, {one} and {two}; of each \
                 partition that it read, the later commit counts"
            ));
            self.groups.insert(name, merged(other, group));
        }
    }

    /// Puts names in the place of topic ids.
    fn name_topics(&mut self, named: &[(TopicPartition, &Path)], told: HashMap<String, String>) {
        let assigned = |group: &Group| {
            let members = group.members.values();
            let mut all = members.flat_map(|member| member.assigned.iter().chain(&member.target));
            all.any(|assigned| matches!(assigned.of, Whole::TopicId(_)))
        };
        if !self.groups.values().any(assigned) {
            return;
        }
        let mut names = told;
        let by_topic = named.iter().map(|(at, path)| (at.topic.as_str(), *path));
        names.extend(log_end::topic_names(by_topic));
        for member in self.groups.values_mut().flat_map(|group| group.members.values_mut()) {
            for assigned in member.assigned.iter_mut().chain(&mut member.target) {
                if let Whole::TopicId(id) = &assigned.of
                    && let Some(name) = names.get(id)
                {
                    assigned.of = Whole::Topic(name.clone());
                }
            }
        }
    }

    fn find_log_ends(&mut self, named: &[(TopicPartition, &Path)]) {
        let mut wanted: BTreeSet<TopicPartition> = BTreeSet::new();
        for group in self.groups.values() {
            wanted.extend(group.commits.keys().cloned());
            wanted.extend(group.members.values().flat_map(lag::partitions_of));
        }
        let wanted: Vec<_> = named.iter().filter(|(at, _)| wanted.contains(at)).collect();
        let ends: Vec<Result<Option<LogEnd>>> =
            wanted.par_iter().map(|(_, path)| log_end::log_end(path)).collect();
        let mut furthest: BTreeMap<&TopicPartition, (Offset, bool)> = BTreeMap::new();
        for ((at, path), end) in wanted.into_iter().zip(ends) {
            match end {
                // Of two copies, the one that goes further.
                Ok(None) => {}
                Ok(Some(LogEnd { offset, is_certain, damage })) => {
                    let end = furthest.entry(at).or_default();
                    *end = (offset, is_certain).max(*end);
                    self.damage.extend(damage);
                }
                Err(error) => self.damage.push(Damage {
                    path: error.path.clone().unwrap_or_else(|| (*path).into()),
                    position: error.position,
                    what: format!("{}; where the log ends is not known", error.kind),
                }),
            }
        }
        let known = furthest.into_iter().filter(|(_, (_, is_certain))| *is_certain);
        self.log_ends = known.map(|(at, (end, _))| (at.clone(), end)).collect();
    }
}

/// A group that lies in two partitions, as when their number was changed.
fn merged(one: Group, two: Group) -> Group {
    let (mut kept, other) = if one.since > two.since { (one, two) } else { (two, one) };
    for (at, commit) in other.commits {
        if kept.commits.get(&at).is_none_or(|own| own.committed < commit.committed) {
            kept.commits.insert(at, commit);
        }
    }
    kept.pending_commits += other.pending_commits;
    kept
}
