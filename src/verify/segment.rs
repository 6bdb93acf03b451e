//! One segment read from end to end: every batch and record, both indexes against them.

use super::batches::{self, Wrong};
use super::finding::{Finding, Findings, Severity};
use super::index_entries::{IndexedBatch, OffsetIndexCheck, TimeIndexCheck};
use super::sequences::{Sequences, WentBack};
use super::summary::Summary;
use super::transactions::{SegmentTxns, Step, TxnStep};
use crate::error::{Error, Result};
use crate::format::{Batch, BatchHeader, Control, Decoder};
use crate::report::Progress;
use crate::segment::{
    Damaged, EpochEntry, Kind, LogFile, OffsetIndex, Segment, TimeIndex, parse_txn_index,
};
use crate::units::{Offset, Position};

/// What the checks across segments need of one.
#[derive(Debug, Default)]
pub struct CheckedSegment {
    /// What was found in it.
    pub findings: Findings,
    /// What was read.
    pub summary: Summary,
    /// The offset behind its last batch, if it has one.
    pub next_offset: Option<Offset>,
    /// What its producers did.
    pub sequences: Sequences,
    /// What its transactions did.
    pub txns: SegmentTxns,
}

/// How a segment stands to the others.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The base of the segment behind it; without one it is the active segment.
    pub next_base: Option<Offset>,
    /// The partition's leader epochs.
    pub epochs: &'a [EpochEntry],
}

/// Checks one segment; what cannot be read is a finding too.
pub fn check(segment: &Segment, place: Place<'_>, progress: &dyn Progress) -> CheckedSegment {
    let mut checked = CheckedSegment::default();
    if let Err(error) = read(segment, place, progress, &mut checked) {
        checked.findings.push(unreadable(&error));
    }
    checked
}

/// A file that the system does not let us read.
pub fn unreadable(error: &Error) -> Finding {
    let path = error.path.clone().unwrap_or_default();
    Finding::about("unreadable", Severity::Error, &path, error.kind.to_string())
}

fn read(
    segment: &Segment,
    place: Place<'_>,
    progress: &dyn Progress,
    checked: &mut CheckedSegment,
) -> Result<()> {
    let log = LogFile::open(&segment.path(Kind::Log), segment.base)?;
    let found = &mut checked.findings;
    let is_active = place.next_base.is_none();
    let mut offset_check = open_offset_index(segment, is_active, &mut checked.summary, found)?;
    let mut time_check = open_time_index(segment, is_active, &mut checked.summary, found)?;
    read_txn_index(segment, checked)?;
    checked.txns.log_path = log.path().into();
    checked.summary.segments = 1;
    checked.summary.log_bytes = log.bytes().len() as u64;

    let mut walk = Walk { log: &log, place, next: segment.base, epoch_said: false };
    let mut decoder = Decoder::new();
    let mut reported = Position(0);
    for item in log.checked_batches() {
        match item {
            Ok((position, batch)) => {
                if let Some(indexed) = walk.batch(position, &batch, &mut decoder, checked) {
                    let found = &mut checked.findings;
                    offset_check.iter_mut().for_each(|check| check.batch(&indexed, found));
                    time_check.iter_mut().for_each(|check| check.batch(&indexed, found));
                }
                if position.0 - reported.0 > 1 << 20 {
                    progress.advance(position.0 - reported.0);
                    reported = position;
                }
            }
            Err(damaged) => {
                let end = Position(damaged.position.0.saturating_add(damaged.size_bytes));
                offset_check.iter_mut().for_each(|check| check.damage(damaged.position, end));
                time_check.iter_mut().for_each(TimeIndexCheck::damage);
                walk.damaged(&damaged, checked);
            }
        }
    }
    progress.advance(log.bytes().len() as u64 - reported.0);
    let found = &mut checked.findings;
    offset_check.into_iter().for_each(|check| check.finish(found));
    time_check.into_iter().for_each(|check| check.finish(is_active, found));
    Ok(())
}

fn missing_index(segment: &Segment, kind: Kind) -> Finding {
    let text = "there is no such file; a broker rebuilds it at start";
    Finding::about("index-missing", Severity::Warning, &segment.path(kind), text)
}

/// Zeros behind the last entry: preallocated, as long as the segment is written to.
fn preallocated(segment: &Segment, kind: Kind, is_active: bool) -> Finding {
    let severity = if is_active { Severity::Info } else { Severity::Warning };
    let text = "preallocated space behind the last entry was not trimmed";
    Finding::about("index-preallocated", severity, &segment.path(kind), text)
}

fn open_offset_index(
    segment: &Segment,
    is_active: bool,
    summary: &mut Summary,
    found: &mut Findings,
) -> Result<Option<OffsetIndexCheck>> {
    let Some(map) = segment.read(Kind::Index)? else {
        found.push(missing_index(segment, Kind::Index));
        return Ok(None);
    };
    let index = OffsetIndex::parse(&map, segment.base);
    summary.index_entries = index.entries.len() as u64;
    if map.len() / crate::segment::INDEX_ENTRY_BYTES > index.entries.len() {
        found.push(preallocated(segment, Kind::Index, is_active));
    }
    Ok(Some(OffsetIndexCheck::begin(&segment.path(Kind::Index), index, segment.base, found)))
}

fn open_time_index(
    segment: &Segment,
    is_active: bool,
    summary: &mut Summary,
    found: &mut Findings,
) -> Result<Option<TimeIndexCheck>> {
    let Some(map) = segment.read(Kind::TimeIndex)? else {
        found.push(missing_index(segment, Kind::TimeIndex));
        return Ok(None);
    };
    let index = TimeIndex::parse(&map, segment.base);
    summary.time_index_entries = index.entries.len() as u64;
    if map.len() / crate::segment::TIME_ENTRY_BYTES > index.entries.len() {
        found.push(preallocated(segment, Kind::TimeIndex, is_active));
    }
    Ok(Some(TimeIndexCheck::begin(&segment.path(Kind::TimeIndex), index, segment.base, found)))
}

fn read_txn_index(segment: &Segment, checked: &mut CheckedSegment) -> Result<()> {
    let path = segment.path(Kind::TxnIndex);
    if let Some(map) = segment.read(Kind::TxnIndex)? {
        let (indexed, is_whole) = parse_txn_index(&map);
        if !is_whole {
            let text = "an entry is cut short or of an unknown version";
            let finding = Finding::about("txnindex-size", Severity::Error, &path, text);
            checked.findings.push(finding);
        }
        checked.summary.txn_index_entries = indexed.len() as u64;
        checked.txns.indexed = indexed;
    }
    checked.txns.index_path = path;
    Ok(())
}

/// The reading's state from batch to batch.
struct Walk<'a> {
    log: &'a LogFile,
    place: Place<'a>,
    /// The least offset that the next batch may begin at.
    next: Offset,
    /// One finding about leader epochs is enough for a segment.
    epoch_said: bool,
}

impl Walk<'_> {
    fn finding(
        &self,
        rule: &'static str,
        severity: Severity,
        at: Position,
        text: String,
    ) -> Finding {
        Finding::about(rule, severity, self.log.path(), text).at(at)
    }

    /// Checks a batch whose checksum holds; gives what the indexes are to be compared with.
    fn batch(
        &mut self,
        position: Position,
        batch: &Batch<'_>,
        decoder: &mut Decoder,
        checked: &mut CheckedSegment,
    ) -> Option<IndexedBatch> {
        let header = &batch.header;
        checked.summary.batches += 1;
        let mut wrong = Vec::new();
        let facts = batches::read(batch, decoder, &mut wrong);
        for wrong in wrong {
            let (rule, severity, text) = match wrong {
                Wrong::Flaw(flaw) => (flaw.rule(), Severity::Error, flaw.to_string()),
                Wrong::Odd(rule, text) => (rule, Severity::Warning, text),
            };
            let finding = self.finding(rule, severity, position, text);
            checked.findings.push(finding.of(header.base_offset));
        }
        let facts = facts?;
        checked.summary.records += facts.records;
        self.order(position, header, facts.base_offset, checked);
        self.leader_epoch(position, header, checked);
        if let Some(back) = checked.sequences.batch(header) {
            checked.findings.push(went_back(self.log.path(), &back).at(position));
        }
        let step = match (facts.control, header.is_control()) {
            (Some(Control::Commit), _) => Some(Step::Commit),
            (Some(Control::Abort), _) => Some(Step::Abort),
            (_, false) if header.is_transactional() => Some(Step::Data),
            _ => None,
        };
        checked.txns.steps.extend(step.map(|step| TxnStep {
            step,
            producer_id: header.producer_id,
            offset: header.base_offset,
            position,
        }));
        Some(IndexedBatch {
            position,
            base_offset: facts.base_offset,
            last_offset: header.last_offset,
            max_timestamp: header.max_timestamp,
        })
    }

    /// Offsets rise from batch to batch and stay within the segment.
    fn order(
        &mut self,
        position: Position,
        header: &BatchHeader,
        base_offset: Offset,
        checked: &mut CheckedSegment,
    ) {
        let base = self.log.base();
        let problem = if base_offset < self.next {
            Some(format!("the batch begins at {base_offset}, but {} was due", self.next))
        } else if self.place.next_base.is_some_and(|next| header.last_offset >= next) {
            Some(format!("the batch ends at {}, in the next segment", header.last_offset))
        } else if header.last_offset.distance_from(base) > i64::from(i32::MAX) {
            Some(format!("the batch ends at {}, too far from {base}", header.last_offset))
        } else {
            None
        };
        if let Some(text) = problem {
            let finding = self.finding("offset-order", Severity::Error, position, text);
            checked.findings.push(finding.of(base_offset));
        }
        self.next = self.next.max(header.last_offset.next());
        checked.next_offset = Some(self.next);
    }

    fn leader_epoch(&mut self, at: Position, header: &BatchHeader, checked: &mut CheckedSegment) {
        let epochs = self.place.epochs;
        let below = epochs.partition_point(|entry| entry.start_offset <= header.base_offset);
        let entry = below.checked_sub(1).and_then(|index| epochs.get(index));
        let Some(entry) = entry else { return };
        if header.leader_epoch < 0 || header.leader_epoch == entry.epoch || self.epoch_said {
            return;
        }
        self.epoch_said = true;
        let text = format!(
            "the batch is of leader epoch {}, leader-epoch-checkpoint says {} there",
            header.leader_epoch, entry.epoch
        );
        let finding = self.finding("leader-epoch", Severity::Warning, at, text);
        checked.findings.push(finding.of(header.base_offset));
    }

    fn damaged(&mut self, damaged: &Damaged, checked: &mut CheckedSegment) {
        let is_active = self.place.next_base.is_none();
        let finding = if is_active && self.log.is_unfinished_tail(damaged) {
            let text = format!(
                "the last {} bytes are an unfinished write or preallocated space",
                damaged.size_bytes
            );
            self.finding("unfinished-tail", Severity::Info, damaged.position, text)
        } else {
            let text = format!("{} ({} bytes)", damaged.flaw, damaged.size_bytes);
            let rule = damaged.flaw.rule();
            self.finding(rule, Severity::Error, damaged.position, text)
        };
        let rest = self.log.bytes().get(damaged.position.index()..).unwrap_or_default();
        let claimed = Batch::parse(rest).ok().map(|batch| batch.header.base_offset);
        checked.findings.push(match claimed {
            Some(offset) => finding.of(offset),
            None => finding,
        });
    }
}

/// A producer whose sequence went back.
pub fn went_back(path: &std::path::Path, back: &WentBack) -> Finding {
    let text = format!(
        "producer {} goes on with sequence {} after {}: a duplicate, or it began anew",
        back.producer_id, back.sequence, back.after
    );
    Finding::about("producer-sequence", Severity::Warning, path, text).of(back.offset)
}
