//! What a log directory has beside its partitions: checkpoints, identity, the clean shutdown mark.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use crate::disk::{copy_file, write_whole_file};
use crate::error::Result;
use crate::report::{PartitionOutcome, PartitionReport};
use crate::segment::{CHECKPOINT_NAMES, OffsetCheckpoint, Sources, TopicPartition};

/// Files of a log directory, besides the checkpoints, that a broker expects or honours.
const LOG_DIR_FILES: [&str; 3] =
    ["meta.properties", ".kafka_cleanshutdown", "bootstrap.checkpoint"];

/// Gives the output what a log directory has beside its partitions, for those that are in it.
pub fn carry_log_dir_files(
    sources: &Sources,
    out: &Path,
    reports: &[PartitionReport],
) -> Result<()> {
    if sources.log_dirs.is_empty() {
        return Ok(());
    }
    let written = reports.iter().filter(|report| report.destination.is_some());
    let in_output: HashSet<(&str, i32)> =
        written.map(|report| (report.topic.as_str(), report.partition)).collect();
    for name in CHECKPOINT_NAMES {
        let mut merged = OffsetCheckpoint::default();
        for dir in &sources.log_dirs {
            merged.offsets.extend(dir.checkpoint(name).unwrap_or_default().offsets);
        }
        merged.offsets.retain(|at, _| in_output.contains(&(at.topic.as_str(), at.partition)));
        if name == "cleaner-offset-checkpoint" {
            let compacted =
                reports.iter().filter(|report| report.outcome == PartitionOutcome::Compacted);
            for report in compacted {
                let at =
                    TopicPartition { topic: report.topic.clone(), partition: report.partition };
                merged.offsets.insert(at, report.end_offset);
            }
        }
        write_whole_file(&out.join(name), merged.render().as_bytes())?;
    }
    // The identity of a log directory belongs to one directory only.
    if let [only] = sources.log_dirs.as_slice() {
        for name in LOG_DIR_FILES {
            let from = only.path.join(name);
            if fs::symlink_metadata(&from).is_ok_and(|found| found.is_file()) {
                copy_file(&from, &out.join(name))?;
            }
        }
    }
    Ok(())
}
