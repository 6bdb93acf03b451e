//! Partition directories by topic, and how many partitions each topic has.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use super::super::finding::{Finding, Severity};
use super::about;
use crate::segment::{PartitionDir, TopicPartition};

/// Missing partitions that are named one by one.
const MOST_NAMED: usize = 10;

/// What a broker keeps for itself, by functions of its own.
const INTERNAL: [&str; 5] = [
    "__cluster_metadata",
    "__consumer_offsets",
    "__remote_log_metadata",
    "__share_group_state",
    "__transaction_state",
];

/// A partition that is there.
pub struct Partition {
    /// Its number.
    pub number: u32,
    /// Its directory.
    pub dir: PartitionDir,
}

/// A topic.
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its partitions that were named, by number; two may have the same if there are replicas.
    pub dirs: Vec<Partition>,
    /// How many it has.
    pub partitions: NonZeroU32,
    /// Whether that was said, and not read off the directories.
    is_number_given: bool,
    /// Below that, those that lie nowhere beside the ones that were named.
    absent: Vec<u32>,
}

impl Topic {
    /// The topics of these directories, by name; what cannot be listed is not among them.
    pub fn group(paths: &[PathBuf], partitions: Option<NonZeroU32>) -> Vec<Topic> {
        let mut topics: BTreeMap<String, Vec<Partition>> = BTreeMap::new();
        let mut around = Around::default();
        for path in paths {
            let Ok(dir) = PartitionDir::open(path) else { continue };
            let Some(name) = dir.name.clone() else { continue };
            let Ok(number) = u32::try_from(name.partition) else { continue };
            around.look(&dir.path);
            topics.entry(name.topic).or_default().push(Partition { number, dir });
        }
        let topic = |(name, mut dirs): (String, Vec<Partition>)| {
            dirs.sort_by_key(|partition| partition.number);
            let mut present = around.by_topic.remove(&name).unwrap_or_default();
            present.extend(dirs.iter().map(|partition| partition.number));
            let last = present.last().copied().unwrap_or(0);
            let is_number_given = partitions.is_some();
            let partitions = partitions.unwrap_or(NonZeroU32::MIN.saturating_add(last));
            // A few names are enough; a hostile number must not become a list.
            let all = 0..partitions.get();
            let absent = all.filter(|number| !present.contains(number)).take(MOST_NAMED + 1);
            Topic { name, absent: absent.collect(), is_number_given, dirs, partitions }
        };
        topics.into_iter().map(topic).collect()
    }

    /// Whether Kafka itself writes it.
    pub fn is_internal(&self) -> bool {
        INTERNAL.contains(&self.name.as_str())
    }

    /// The size of its logs.
    pub fn size_bytes(&self) -> u64 {
        let segments = self.dirs.iter().flat_map(|partition| &partition.dir.segments);
        segments.map(|segment| segment.size_bytes).sum()
    }

    /// That some of its partitions are not there, so that their number is in doubt unless it was
    /// given.
    pub fn missing(&self) -> Option<Finding> {
        if self.absent.is_empty() || self.is_internal() {
            return None;
        }
        let mut names: Vec<String> = self.absent.iter().map(u32::to_string).collect();
        if names.len() > MOST_NAMED {
            names.truncate(MOST_NAMED);
            names.push("...".into());
        }
        let Topic { name, partitions, .. } = self;
        let names = names.join(", ");
        let (severity, text) = if self.is_number_given {
            let text = format!("of the {partitions} partitions of topic {name}, not here: {names}");
            (Severity::Info, text)
        } else {
            let text = format!(
                "of topic {name}, taken to have {partitions} partitions, these are not here: \
                 {names}; if the number is another, keys seem to lie elsewhere than they belong \
                 (--partitions says it)"
            );
            (Severity::Warning, text)
        };
        Some(about(self, "partitions-missing", severity, text))
    }
}

/// The partitions that lie beside those that were named, whether these were or not.
#[derive(Default)]
struct Around {
    folders: BTreeSet<PathBuf>,
    by_topic: HashMap<String, BTreeSet<u32>>,
}

impl Around {
    fn look(&mut self, partition: &Path) {
        let full = fs::canonicalize(partition).ok();
        let Some(folder) = full.as_deref().and_then(Path::parent) else { return };
        if !self.folders.insert(folder.into()) {
            return;
        }
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_str().and_then(TopicPartition::parse);
            if let Some(name) = name
                && let Ok(number) = u32::try_from(name.partition)
                && entry.file_type().is_ok_and(|kind| kind.is_dir())
            {
                self.by_topic.entry(name.topic).or_default().insert(number);
            }
        }
    }
}
