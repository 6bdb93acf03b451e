//! The offset checkpoints of a log directory against its logs (`OffsetCheckpointFile`).

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::finding::{Finding, Findings, Severity};
use super::partition::Span;
use super::segment::unreadable;
use crate::error::Result;
use crate::segment::{
    CHECKPOINT_NAMES, LOG_START_CHECKPOINT, LogDir, OffsetCheckpoint, TopicPartition,
};
use crate::units::Offset;

/// The ones that name each partition of a log directory sooner or later.
const NAME_ALL: [&str; 2] = ["recovery-point-offset-checkpoint", "replication-offset-checkpoint"];

/// The checkpoints as they were at some time.
pub type Read = Vec<(&'static str, Result<OffsetCheckpoint>)>;

/// Reads them.
pub fn read(dir: &LogDir) -> Read {
    CHECKPOINT_NAMES.into_iter().map(|name| (name, dir.checkpoint(name))).collect()
}

/// Checks them against those logs that lie in `dir`, read later.
pub fn check(dir: &LogDir, checkpoints: &Read, spans: &[Span]) -> Findings {
    let mut found = Findings::default();
    let is_here = |span: &&Span| span.path.parent() == Some(dir.path.as_path());
    let spans: HashMap<&TopicPartition, &Span> =
        spans.iter().filter(is_here).map(|span| (&span.name, span)).collect();
    for (name, checkpoint) in checkpoints {
        let path = dir.path.join(name);
        let checkpoint = match checkpoint {
            Ok(checkpoint) => checkpoint,
            Err(error) if error.is_corruption() => {
                let text = error.kind.to_string();
                found.push(Finding::about("checkpoint-text", Severity::Error, &path, text));
                continue;
            }
            Err(error) => {
                found.push(unreadable(error));
                continue;
            }
        };
        for (partition, offset) in &checkpoint.offsets {
            let amiss = match spans.get(partition) {
                None => Some(unknown(partition)),
                Some(span) => entry(name, *offset, span),
            };
            if let Some((rule, severity, text)) = amiss {
                found.push(Finding::about(rule, severity, &path, text).of(*offset));
            }
        }
        if NAME_ALL.contains(name) && !checkpoint.offsets.is_empty() {
            absent(&path, checkpoint, spans.keys().copied().collect(), &mut found);
        }
    }
    found
}

/// A rule, how bad it is that it is broken, and by what.
type Amiss = (&'static str, Severity, String);

fn unknown(partition: &TopicPartition) -> Amiss {
    let text = format!("{partition} has no directory here");
    ("checkpoint-unknown", Severity::Info, text)
}

/// What is wrong with an entry.
fn entry(name: &str, offset: Offset, span: &Span) -> Option<Amiss> {
    let (partition, base, end) = (&span.name, span.base, span.end);
    if offset < Offset(0) {
        let text = format!("{partition} is at {offset}, which is no offset");
        return Some(("checkpoint-offset", Severity::Warning, text));
    }
    if offset > end && name == LOG_START_CHECKPOINT {
        let text = format!(
            "{partition} starts at {offset}, behind its log end {end}: a broker deletes the whole \
             log and goes on there"
        );
        return Some(("checkpoint-offset", Severity::Error, text));
    }
    if offset > end {
        let text = format!("{partition} is at {offset}, behind its log end {end}");
        return Some(("checkpoint-offset", Severity::Warning, text));
    }
    // Retention moves the start on, and checkpoints follow later.
    (offset < base && name != LOG_START_CHECKPOINT).then(|| {
        let text = format!("{partition} is at {offset}, in front of its first segment {base}");
        ("checkpoint-below", Severity::Info, text)
    })
}

/// Partitions that are here and have no entry.
fn absent(
    path: &Path,
    checkpoint: &OffsetCheckpoint,
    here: BTreeSet<&TopicPartition>,
    found: &mut Findings,
) {
    // KRaft's log has its own ways and is in none of them.
    for partition in here.into_iter().filter(|here| here.topic != "__cluster_metadata") {
        if !checkpoint.offsets.contains_key(partition) {
            let text = format!("{partition} is here but has no entry");
            found.push(Finding::about("checkpoint-absent", Severity::Info, path, text));
        }
    }
}
