//! One partition: which segments it has, what only shows across them, and its other files.

use std::path::Path;

use super::finding::{Finding, Findings, Severity};
use super::in_order::went_back;
use super::segment::{CheckedSegment, Place, unreadable};
use super::sequences::Sequences;
use super::summary::Summary;
use super::transactions::TxnCheck;
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::segment::{
    EpochEntry, FileName, Kind, PartitionDir, PartitionMetadata, Segment, Suffix, TopicPartition,
    parse_epochs, parse_snapshot,
};
use crate::units::Offset;

/// What was found in a partition.
#[derive(Debug, Default)]
pub struct Checked {
    /// In log order.
    pub findings: Findings,
    /// What was read.
    pub summary: Summary,
    /// Which partition it is and where its log ends, for the checkpoints.
    pub end: Option<(TopicPartition, Offset)>,
}

impl Checked {
    /// A directory that cannot be listed.
    pub fn unreadable(path: &Path, error: &Error) -> Checked {
        let mut checked = Checked::default();
        let path = error.path.as_deref().unwrap_or(path);
        let text = error.kind.to_string();
        checked.findings.push(Finding::about("unreadable", Severity::Error, path, text));
        checked
    }
}

/// A partition whose segments are to be checked.
pub struct Opened<'a> {
    dir: &'a PartitionDir,
    epochs: Vec<EpochEntry>,
    findings: Findings,
}

/// Reads what must be known before the segments.
pub fn open(dir: &PartitionDir) -> Opened<'_> {
    let mut findings = Findings::default();
    let epochs = epochs(dir, &mut findings);
    Opened { dir, epochs, findings }
}

impl Opened<'_> {
    /// Its segments in their order.
    pub fn segments(&self) -> impl Iterator<Item = (&Segment, Place<'_>)> {
        let segments = &self.dir.segments;
        let next = segments.iter().skip(1).map(|next| Some(next.base)).chain([None]);
        let place = |next_base| Place { next_base, epochs: &self.epochs };
        segments.iter().zip(next.map(place))
    }
}

/// Checks what is left when each segment was checked by itself.
pub fn finish(opened: Opened<'_>, parts: Vec<CheckedSegment>) -> Checked {
    let dir = opened.dir;
    let mut checked = Checked { findings: opened.findings, ..Checked::default() };
    checked.summary.partitions = 1;
    let mut sequences = Sequences::default();
    let mut txns = TxnCheck::default();
    let mut log_end = dir.segments.last().map(|segment| segment.base);
    for part in parts {
        let path = part.txns.log_path.clone();
        checked.findings.append(part.findings);
        for back in sequences.append(&part.sequences) {
            checked.findings.push(went_back(&path, &back));
        }
        txns.segment(&part.txns, &mut checked.findings);
        checked.summary.add(&part.summary);
        log_end = part.next_offset.max(log_end);
    }
    if let Some((offset, producer_id)) = txns.first_open() {
        let text = format!(
            "the transaction of producer {producer_id} has no marker: read_committed consumers \
             and the cleaner stop there"
        );
        let finding = Finding::about("open-transaction", Severity::Info, &dir.path, text);
        checked.findings.push(finding.of(offset));
    }
    let log_end = log_end.unwrap_or(Offset(0));
    snapshots(dir, log_end, &mut checked);
    metadata(dir, &mut checked.findings);
    names(dir, &mut checked.findings);
    checked.end = dir.name.clone().map(|name| (name, log_end));
    checked
}

/// The text of a file of the partition, if there is one.
fn text_of(dir: &PartitionDir, name: &str) -> Option<Result<String>> {
    let path = dir.file(name);
    dir.others.iter().any(|other| other == name).then(|| {
        let map = Disk::default().map(&path)?;
        Ok(String::from_utf8_lossy(&map).into_owned())
    })
}

fn epochs(dir: &PartitionDir, found: &mut Findings) -> Vec<EpochEntry> {
    const NAME: &str = "leader-epoch-checkpoint";
    let path = dir.file(NAME);
    let text = match text_of(dir, NAME) {
        None => return Vec::new(),
        Some(Err(error)) => {
            found.push(unreadable(&error));
            return Vec::new();
        }
        Some(Ok(text)) => text,
    };
    let epochs = match parse_epochs(&text) {
        Ok(epochs) => epochs,
        Err(error) => {
            let text = error.to_string();
            found.push(Finding::about("checkpoint-text", Severity::Error, &path, text));
            return Vec::new();
        }
    };
    let rises = |pair: &[EpochEntry]| match pair {
        [a, b] => a.epoch < b.epoch && a.start_offset <= b.start_offset,
        _ => true,
    };
    if !epochs.windows(2).all(rises) {
        let text = "epochs and offsets do not ascend";
        found.push(Finding::about("leader-epoch", Severity::Error, &path, text));
    }
    epochs
}

fn snapshots(dir: &PartitionDir, log_end: Offset, checked: &mut Checked) {
    for offset in &dir.snapshots {
        let path = dir.file(&FileName::new(*offset, Kind::Snapshot).to_string());
        checked.summary.snapshots += 1;
        let map = match Disk::default().map(&path) {
            Ok(map) => map,
            Err(error) => {
                checked.findings.push(unreadable(&error));
                continue;
            }
        };
        if let Err(error) = parse_snapshot(&map) {
            let text = format!("{error}; a broker deletes it and uses the one before");
            checked.findings.push(Finding::about("snapshot", Severity::Error, &path, text));
        } else if *offset > log_end {
            let text = format!("it is of offset {offset}, behind the log end {log_end}");
            let finding = Finding::about("snapshot-offset", Severity::Warning, &path, text);
            checked.findings.push(finding.of(*offset));
        }
    }
}

fn metadata(dir: &PartitionDir, found: &mut Findings) {
    const NAME: &str = "partition.metadata";
    match text_of(dir, NAME) {
        None => {}
        Some(Err(error)) => found.push(unreadable(&error)),
        Some(Ok(text)) => {
            if let Err(error) = PartitionMetadata::parse(&text) {
                let text = error.to_string();
                let path = dir.file(NAME);
                found.push(Finding::about("checkpoint-text", Severity::Error, &path, text));
            }
        }
    }
}

/// Files that should not be there, and what a broker does with them at start
/// (`LogLoader.removeTempFilesAndCollectSwapFiles`).
fn names(dir: &PartitionDir, found: &mut Findings) {
    for name in &dir.leftovers {
        let text = match name.suffix {
            Some(Suffix::Cleaned) => "left of a cleaning that did not finish; a broker removes it",
            Some(Suffix::Swap) => "left of a swap that did not finish; a broker finishes it",
            _ => "replaced and waiting to be removed; a broker removes it",
        };
        let path = dir.file(&name.to_string());
        found.push(Finding::about("leftover", Severity::Warning, &path, text));
    }
    for name in &dir.orphans {
        let text = "there is no .log with this base offset; a broker removes it";
        let path = dir.file(&name.to_string());
        found.push(Finding::about("orphan", Severity::Warning, &path, text));
    }
    for odd in &dir.oddities {
        let in_the_way = odd.is_in_the_way();
        let severity = if in_the_way { Severity::Error } else { Severity::Warning };
        let text = format!("{}; it is not read", odd.what);
        let path = dir.file(&odd.name);
        found.push(Finding::about("not-a-file", severity, &path, text));
    }
    if dir.segments.is_empty() {
        let text = "there are no segments (<20 digits>.log)";
        found.push(Finding::about("no-segments", Severity::Warning, &dir.path, text));
    }
}
