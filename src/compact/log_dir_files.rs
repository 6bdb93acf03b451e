//! What a log directory has beside its partitions: checkpoints, identity, the clean shutdown mark.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::report::{PartitionOutcome, PartitionReport};
use crate::segment::{CHECKPOINT_NAMES, LogDir, OffsetCheckpoint, Sources, TopicPartition};
use crate::units::Offset;

/// Files of a log directory, besides the checkpoints, that a broker expects or honours.
const LOG_DIR_FILES: [&str; 3] =
    ["meta.properties", ".kafka_cleanshutdown", "bootstrap.checkpoint"];

/// Up to where a broker's cleaner has cleaned.
const CLEANER_CHECKPOINT: &str = "cleaner-offset-checkpoint";

/// Gives the output what a log directory has beside its partitions, for those that are in it.
pub fn carry_log_dir_files(
    disk: &Disk,
    sources: &Sources,
    out: &Path,
    reports: &[PartitionReport],
) -> Result<()> {
    if sources.log_dirs.is_empty() {
        return Ok(());
    }
    for name in CHECKPOINT_NAMES {
        let mut merged = OffsetCheckpoint::default();
        for dir in &sources.log_dirs {
            merged.offsets.extend(dir.checkpoint(name).unwrap_or_default().offsets);
        }
        let in_output = |at: &TopicPartition| {
            reports.iter().find(|report| {
                report.destination.is_some()
                    && (&report.topic, report.partition) == (&at.topic, at.partition)
            })
        };
        merged.offsets.retain(|at, _| in_output(at).is_some());
        if name == CLEANER_CHECKPOINT {
            merged.offsets.extend(reports.iter().filter_map(cleaned_to));
        }
        disk.write_whole_file(&out.join(name), merged.render().as_bytes(), None, None)?;
    }
    // The identity of a log directory belongs to one directory only.
    if let [only] = sources.log_dirs.as_slice() {
        for name in LOG_DIR_FILES {
            let from = only.path.join(name);
            if from.is_file() {
                disk.copy_file(&from, &out.join(name))?;
            }
        }
    }
    Ok(())
}

/// Notes in the checkpoints of the log directories how far their partitions were cleaned in place
/// (`LogCleanerManager.updateCheckpoints`). A folder that no broker has used gets none.
pub fn note_cleaned(disk: &Disk, sources: &Sources, reports: &[PartitionReport]) -> Result<()> {
    let mut by_dir: BTreeMap<PathBuf, Vec<(TopicPartition, Offset)>> = BTreeMap::new();
    for path in &sources.partitions {
        let report = reports.iter().find(|report| report.source == *path);
        let cleaned = report.and_then(cleaned_to);
        if let Some((dir, cleaned)) = LogDir::around(path).zip(cleaned) {
            by_dir.entry(dir.path).or_default().push(cleaned);
        }
    }
    for (path, cleaned) in by_dir {
        let dir = LogDir { path };
        let file = dir.path.join(CLEANER_CHECKPOINT);
        let is_there = file.try_exists().map_err(|e| Error::io(&file, "cannot read", e))?;
        if !is_there && !dir.is_a_brokers() {
            continue;
        }
        let mut checkpoint = dir.checkpoint(CLEANER_CHECKPOINT)?;
        checkpoint.offsets.extend(cleaned);
        disk.replace_file(&file, checkpoint.render().as_bytes())?;
    }
    Ok(())
}

fn cleaned_to(report: &PartitionReport) -> Option<(TopicPartition, Offset)> {
    let at = TopicPartition { topic: report.topic.clone(), partition: report.partition };
    (report.outcome == PartitionOutcome::Compacted).then_some((at, report.end_offset))
}
