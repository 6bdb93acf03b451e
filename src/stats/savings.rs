//! What compaction would save: asked of the engine itself, which decides everything and writes
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::report::{PartitionStats, Savings};
use super::run::StatsOptions;
use crate::compact::{self, CompactOptions, Output, Policy, RoundOptions};
use crate::error::Result;
use crate::report::{PartitionOutcome, PartitionReport, Progress};
use crate::segment::{LogDir, Sources, TopicPartition, partition_name};

/// Fills in what compaction would save in each partition, of `log_dirs` if it was not named itself.
///
/// # Errors
/// What ends a dry run as a whole: a bug, or a temporary folder that cannot be used.
pub fn ask(
    partitions: &mut [PartitionStats],
    log_dirs: &[LogDir],
    policy: &Policy,
    options: &StatsOptions,
    progress: &dyn Progress,
) -> Result<()> {
    let paths = partitions.iter().map(|partition| partition.source.clone());
    let mut known: BTreeMap<PathBuf, Savings> = BTreeMap::new();
    for group in apart(paths) {
        let log_dirs = log_dirs.to_vec();
        let sources = Sources { partitions: group, log_dirs, ..Sources::default() };
        let asked = CompactOptions {
            policy: policy.clone(),
            // Only named, in a dry run; nothing that is read can lie in it.
            output: Output::Folder(PathBuf::from("/dev/null/nowhere")),
            disk: options.disk.clone(),
            dry_run: true,
            memory_limit_bytes: options.memory_limit_bytes,
            witness: None,
            temp_dir: options.temp_dir.clone(),
            rounds: RoundOptions { keep_rounds: 0, ..RoundOptions::default() },
        };
        let report = compact::run(&sources, &asked, progress)?;
        known.extend(report.partitions.into_iter().map(|p| (p.source.clone(), savings(p))));
    }
    for partition in partitions {
        let nameless = || Savings {
            outcome: Some(PartitionOutcome::Failed),
            reason: Some("the directory is not called <topic>-<n>".into()),
            ..Savings::default()
        };
        let savings = known.remove(&partition.source).unwrap_or_else(nameless);
        partition.savings = Some(savings.of_bytes(partition.tally.bytes));
    }
    Ok(())
}

/// Groups in which no two directories are the same partition; those that are none are left out.
fn apart(paths: impl Iterator<Item = PathBuf>) -> Vec<Vec<PathBuf>> {
    let mut groups: Vec<(BTreeSet<TopicPartition>, Vec<PathBuf>)> = Vec::new();
    for path in paths {
        let Some(name) = partition_name(&path) else { continue };
        let free = groups.iter_mut().find(|(names, _)| !names.contains(&name));
        let (names, group) = match free {
            Some(group) => group,
            None => {
                groups.push(Default::default());
                let Some(last) = groups.last_mut() else { continue };
                last
            }
        };
        names.insert(name);
        group.push(path);
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn savings(report: PartitionReport) -> Savings {
    let counters = &report.counters;
    let (before, after) = (counters.bytes_before as i64, counters.bytes_after as i64);
    let has_result = report.outcome != PartitionOutcome::Failed;
    Savings {
        outcome: Some(report.outcome),
        reason: report.reason,
        records: if has_result { counters.removed.total() } else { 0 },
        bytes: if has_result { before - after } else { 0 },
        ..Savings::default()
    }
}
