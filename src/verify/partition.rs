//! One partition: which segments it has, what only shows across them, and its other files.

use std::path::{Path, PathBuf};

use super::epochs::{self, EpochRange};
use super::finding::{Finding, Findings, Severity};
use super::gaps::{self, Extent};
use super::holes::Holes;
use super::producers::{self, ProducerFacts, Snapshot, Whole};
use super::rounds::{self, KeySum, RoundsChecked};
use super::segment::{CheckedSegment, Place, unreadable};
use super::sequences::Sequences;
use super::summary::Summary;
use super::transactions::TxnCheck;
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::segment::{
    EpochEntry, FileName, Kind, LEADER_EPOCHS, PARTITION_METADATA, PartitionDir, PartitionMetadata,
    Segment, Suffix, TopicPartition, parse_epochs, parse_snapshot,
};
use crate::units::Offset;

/// What was found in a partition.
#[derive(Debug, Default)]
pub struct Checked {
    /// In log order.
    pub findings: Findings,
    /// What was read.
    pub summary: Summary,
    /// Which partition it is and where its log lies, for the checkpoints.
    pub span: Option<Span>,
}

/// Where the log of a partition begins and ends.
#[derive(Clone, Debug)]
pub struct Span {
    /// The directory.
    pub path: PathBuf,
    /// Which partition it is.
    pub name: TopicPartition,
    /// The base of its first segment.
    pub base: Offset,
    /// The offset behind its last batch.
    pub end: Offset,
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
    /// Those that can be read, and their offsets.
    snapshots: Vec<Snapshot>,
    snapshot_offsets: Vec<Offset>,
    /// What rounds of compaction have left.
    rounds: Option<rounds::State>,
    findings: Findings,
}

/// Reads what must be known before the segments.
pub fn open(dir: &PartitionDir) -> Opened<'_> {
    let mut findings = Findings::default();
    let epochs = epochs(dir, &mut findings);
    let snapshots = snapshots(dir, &mut findings);
    let snapshot_offsets = snapshots.iter().map(|snapshot| snapshot.offset).collect();
    let rounds = rounds::open(dir);
    Opened { dir, epochs, snapshots, snapshot_offsets, rounds, findings }
}

impl Opened<'_> {
    /// Its segments in their order.
    pub fn segments(&self) -> impl Iterator<Item = (&Segment, Place<'_>)> {
        let segments = &self.dir.segments;
        let next = segments.iter().skip(1).map(|next| Some(next.base)).chain([None]);
        segments.iter().zip(next).map(|(segment, next_base)| {
            let snapshots = self.snapshots_within(segment.base, next_base);
            let has_snapshots = !self.snapshots.is_empty();
            let known = self.rounds.as_ref().and_then(|rounds| rounds.known_of(segment));
            (segment, Place { next_base, epochs: &self.epochs, snapshots, has_snapshots, known })
        })
    }

    /// Compares what was read of its segments with what rounds of compaction have left; with all
    /// threads, so only where nothing else is being waited for.
    pub fn check_rounds(&mut self, parts: &[CheckedSegment], memory_bytes: u64) -> RoundsChecked {
        let Some(state) = self.rounds.take() else { return RoundsChecked::default() };
        let mut keys = KeySum::default();
        parts.iter().for_each(|part| keys.add(&part.keys));
        state.check(self.dir, &keys, memory_bytes)
    }

    /// The offsets of snapshots behind a segment's base, up to that of the next.
    fn snapshots_within(&self, base: Offset, next_base: Option<Offset>) -> &[Offset] {
        let all = &self.snapshot_offsets;
        let from = all.partition_point(|offset| *offset <= base);
        let to = next_base.map_or(all.len(), |next| all.partition_point(|o| *o <= next));
        all.get(from..to).unwrap_or_default()
    }
}

/// Checks what is left when each segment was checked by itself.
pub fn finish(opened: Opened<'_>, parts: Vec<CheckedSegment>, rounds: RoundsChecked) -> Checked {
    let dir = opened.dir;
    let mut checked = Checked { findings: opened.findings, ..Checked::default() };
    checked.summary.partitions = 1;
    let mut across = Across::default();
    let end = parts.iter().map(|part| part.next_offset).max().flatten();
    let start = dir.log_start_by_checkpoint().filter(|start| Some(*start) <= end);
    let mut txns = TxnCheck::from(start.unwrap_or_default());
    // What lies in front of it is nothing that a snapshot knows.
    start.into_iter().for_each(|start| across.producers.hole(start));
    let mut log_end = dir.segments.last().map(|segment| segment.base);
    for (segment, mut part) in dir.segments.iter().zip(parts) {
        checked.summary.add(&part.summary);
        checked.findings.append(std::mem::take(&mut part.findings));
        txns.segment(&part.txns, &mut checked.findings);
        log_end = part.next_offset.max(log_end);
        across.segment(segment, part, &opened.snapshots, &mut checked.findings);
    }
    gaps::check(dir, &across.extents, &mut checked.findings);
    if let Some((offset, producer_id)) = txns.first_open() {
        let text = format!(
            "the transaction of producer {producer_id} has no marker: read_committed consumers \
             and the cleaner stop there"
        );
        let finding = Finding::about("open-transaction", Severity::Info, &dir.path, text);
        checked.findings.push(finding.of(offset));
    }
    let log_end = log_end.unwrap_or(Offset(0));
    epochs::finish(dir, &opened.epochs, &across.epochs, log_end, &mut checked.findings);
    checked.summary.snapshots = dir.snapshots.len() as u64;
    for snapshot in opened.snapshots.iter().filter(|snapshot| snapshot.offset > log_end) {
        let path = dir.file(&FileName::new(snapshot.offset, Kind::Snapshot).to_string());
        let text = format!("it is of offset {}, behind the log end {log_end}", snapshot.offset);
        let finding = Finding::about("snapshot-offset", Severity::Warning, &path, text);
        checked.findings.push(finding.of(snapshot.offset));
    }
    metadata(dir, &mut checked.findings);
    names(dir, &mut checked.findings);
    checked.summary.key_index_entries = rounds.entries;
    checked.findings.append(rounds.findings);
    let base = dir.segments.first().map_or(Offset(0), |segment| segment.base);
    let span = |name| Span { path: dir.path.clone(), name, base, end: log_end };
    checked.span = dir.name.clone().map(span);
    checked
}

/// What the segments heard of so far say together.
#[derive(Default)]
struct Across {
    sequences: Sequences,
    holes: Holes,
    producers: ProducerFacts,
    whole: Vec<Whole>,
    epochs: Vec<(PathBuf, EpochRange)>,
    extents: Vec<Extent>,
}

impl Across {
    /// The next segment.
    fn segment(
        &mut self,
        segment: &Segment,
        part: CheckedSegment,
        snapshots: &[Snapshot],
        found: &mut Findings,
    ) {
        let path = segment.path(Kind::Log);
        if self.extents.last().is_some_and(|before| before.is_gap_to(segment.base)) {
            self.holes.add(segment.base);
            self.producers.hole(segment.base);
        }
        let (holes, before) = (part.holes, self.holes);
        let between = |from, to| holes.between(&before, from, to);
        for misstep in self.sequences.append(part.sequences, between) {
            found.push(misstep.finding(&path));
        }
        self.holes.append(&part.holes);
        if part.holes.is_none() && !part.is_damaged {
            self.whole.extend(part.next_offset.map(|end| (segment.base, end)));
        }
        for (offset, facts) in part.before_snapshots {
            self.producers.append(&facts);
            let at = snapshots.binary_search_by_key(&offset, |snapshot| snapshot.offset);
            if let Some(snapshot) = at.ok().and_then(|at| snapshots.get(at)) {
                let name = FileName::new(offset, Kind::Snapshot).to_string();
                let path = segment.dir.join(name);
                producers::compare(snapshot, &self.producers, &self.whole, &path, found);
            }
        }
        self.producers.append(&part.producers);
        self.epochs.extend(part.epochs.map(|epochs| (path, epochs)));
        self.extents.push(Extent {
            base: segment.base,
            end: part.next_offset.unwrap_or(segment.base),
            has_holes: !part.holes.is_none(),
            is_damaged: part.is_damaged,
        });
    }
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
    let path = dir.file(LEADER_EPOCHS);
    let text = match text_of(dir, LEADER_EPOCHS) {
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

/// The snapshots that can be read.
fn snapshots(dir: &PartitionDir, found: &mut Findings) -> Vec<Snapshot> {
    let mut snapshots = Vec::new();
    for offset in &dir.snapshots {
        let path = dir.file(&FileName::new(*offset, Kind::Snapshot).to_string());
        let map = match Disk::default().map(&path) {
            Ok(map) => map,
            Err(error) => {
                found.push(unreadable(&error));
                continue;
            }
        };
        match parse_snapshot(&map) {
            Ok(entries) => snapshots.push(Snapshot { offset: *offset, entries }),
            Err(error) => {
                let text = format!("{error}; a broker deletes it and uses the one before");
                found.push(Finding::about("snapshot", Severity::Error, &path, text));
            }
        }
    }
    snapshots
}

fn metadata(dir: &PartitionDir, found: &mut Findings) {
    match text_of(dir, PARTITION_METADATA) {
        None => {}
        Some(Err(error)) => found.push(unreadable(&error)),
        Some(Ok(text)) => {
            if let Err(error) = PartitionMetadata::parse(&text) {
                let text = error.to_string();
                let path = dir.file(PARTITION_METADATA);
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
            Some(Suffix::Tmp) => "left of a file that was to replace another; nobody reads it",
            Some(Suffix::Swap) => "left of a swap that did not finish; a broker finishes it",
            _ => "replaced and left to be removed; a broker does that, and compact --in-place",
        };
        let path = dir.file(&name.to_string());
        found.push(Finding::about("leftover", Severity::Warning, &path, text));
    }
    for name in &dir.unfinished {
        let text = "left of a file that was to replace another; nobody reads it";
        let path = dir.file(name);
        found.push(Finding::about("leftover", Severity::Warning, &path, text));
    }
    for name in &dir.orphans {
        let text = "there is no .log with this base offset; a broker removes it";
        let path = dir.file(&name.to_string());
        found.push(Finding::about("orphan", Severity::Warning, &path, text));
    }
    for misnamed in &dir.misnamed {
        let is_fatal = misnamed.keeps_from_loading();
        let severity = if is_fatal { Severity::Error } else { Severity::Warning };
        let path = dir.file(&misnamed.name);
        found.push(Finding::about("file-name", severity, &path, misnamed.what()));
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
