//! The offset checkpoints of a log directory: readable, and not beyond the logs they are about.

use std::collections::HashMap;

use super::finding::{Finding, Findings, Severity};
use crate::segment::{CHECKPOINT_NAMES, LogDir, TopicPartition};
use crate::units::Offset;

/// Checks them against the log ends of the partitions that were verified.
pub fn check(dir: &LogDir, ends: &[(TopicPartition, Offset)]) -> Findings {
    let mut found = Findings::default();
    let ends: HashMap<&TopicPartition, Offset> = ends.iter().map(|(at, end)| (at, *end)).collect();
    for name in CHECKPOINT_NAMES {
        let path = dir.path.join(name);
        let checkpoint = match dir.checkpoint(name) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                let text = error.kind.to_string();
                found.push(Finding::about("checkpoint-text", Severity::Error, &path, text));
                continue;
            }
        };
        for (partition, offset) in &checkpoint.offsets {
            let finding = match ends.get(partition).copied() {
                None => {
                    let text = format!("{partition} has no directory here");
                    Finding::about("checkpoint-unknown", Severity::Info, &path, text)
                }
                Some(end) if *offset > end => {
                    let text = format!("{partition} is at {offset}, behind its log end {end}");
                    Finding::about("checkpoint-offset", Severity::Warning, &path, text)
                }
                Some(_) => continue,
            };
            found.push(finding.of(*offset));
        }
    }
    found
}
