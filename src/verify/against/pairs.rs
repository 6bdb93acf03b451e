//! Which partition directory is compared with which: those of one name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::finding::{Finding, Findings, Severity};
use super::both::Both;
use crate::segment::{PartitionDir, Sources, TopicPartition, partition_name};

/// Pairs of directories, in the order of `after`, and what has no counterpart.
pub fn pair(before: &Sources, after: &Sources) -> (Vec<Both<PathBuf>>, Findings) {
    let mut found = Findings::default();
    if let ([one], [other]) = (&*before.partitions, &*after.partitions)
        && before.log_dirs.is_empty()
        && after.log_dirs.is_empty()
    {
        return (vec![Both { before: one.clone(), after: other.clone() }], found);
    }
    let names = |sources: &Sources| -> Vec<(Option<TopicPartition>, PathBuf)> {
        sources.partitions.iter().map(|path| (partition_name(path), path.clone())).collect()
    };
    let (before_names, after_names) = (names(before), names(after));
    let by_name: BTreeMap<&TopicPartition, &PathBuf> =
        before_names.iter().filter_map(|(name, path)| Some((name.as_ref()?, path))).collect();
    let mut pairs = Vec::new();
    for (name, path) in &after_names {
        match name.as_ref().and_then(|name| by_name.get(name)) {
            Some(other) => pairs.push(Both { before: (*other).clone(), after: path.clone() }),
            // One partition is compared with its like in a log directory; the others are not meant.
            None if before.log_dirs.is_empty() && !after.log_dirs.is_empty() => {}
            None => {
                let is_named = after.log_dirs.is_empty();
                let severity = if is_named { Severity::Error } else { Severity::Warning };
                found.push(unmatched(path, before, severity));
            }
        }
    }
    if !before.log_dirs.is_empty() && !after.log_dirs.is_empty() {
        let matched = |name: &TopicPartition| {
            after_names.iter().any(|(other, _)| other.as_ref() == Some(name))
        };
        let others = by_name.iter().filter(|(name, _)| !matched(name));
        others.for_each(|(_, path)| found.push(unmatched(path, after, Severity::Error)));
    } else if pairs.is_empty() && !after.log_dirs.is_empty() {
        let severity = Severity::Error;
        before.partitions.iter().for_each(|path| found.push(unmatched(path, after, severity)));
    }
    (pairs, found)
}

/// What is verified may hold more than what it is compared against, unless it is one partition
/// that was named: who names it wants it compared. A partition that it has not is lost.
fn unmatched(path: &Path, other: &Sources, severity: Severity) -> Finding {
    let others: Vec<String> = match &*other.log_dirs {
        [] => other.partitions.iter().map(|path| path.display().to_string()).collect(),
        log_dirs => log_dirs.iter().map(|dir| dir.path.display().to_string()).collect(),
    };
    let text = format!("not compared: there is no partition of this name in {}", others.join(", "));
    Finding::about("against-partition", severity, path, text)
}

/// The size of all their logs.
pub fn size_bytes(pairs: &[Both<PathBuf>]) -> u64 {
    let dirs = pairs.iter().flat_map(|pair| [&pair.before, &pair.after]);
    let opened = dirs.filter_map(|path| PartitionDir::open(path).ok());
    opened.flat_map(|dir| dir.segments).map(|segment| segment.size_bytes).sum()
}
