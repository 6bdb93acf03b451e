//! One segment read from end to end: every batch and record, both indexes against them.

use super::epochs::EpochRange;
use super::finding::{Finding, Findings, Severity};
use super::holes::Holes;
use super::in_order::InOrder;
use super::index_entries::{OffsetIndexCheck, TimeIndexCheck};
use super::producers::ProducerFacts;
use super::rounds::{KeySum, Known};
use super::sequences::Sequences;
use super::stretch::{self, Seen};
use super::summary::Summary;
use super::transactions::SegmentTxns;
use super::windows;
use crate::error::{Error, Result};
use crate::report::Progress;
use crate::segment::{EpochEntry, Kind, LogFile, OffsetIndex, Segment, TimeIndex, parse_txn_index};
use crate::units::Offset;

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
    /// What its batches say of producers, up to each snapshot in it, from the one before.
    pub before_snapshots: Vec<(Offset, ProducerFacts)>,
    /// The same behind the last of them.
    pub producers: ProducerFacts,
    /// Offsets that are missing between its base and its last batch.
    pub holes: Holes,
    /// Whether some of it is no batch.
    pub is_damaged: bool,
    /// The first and the largest of its leader epochs.
    pub epochs: Option<EpochRange>,
    /// What its transactions did.
    pub txns: SegmentTxns,
    /// The sum of its keyed records, if rounds of compaction know of them.
    pub keys: KeySum,
}

/// How a segment stands to the others.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The base of the segment behind it; without one it is the active segment.
    pub next_base: Option<Offset>,
    /// The partition's leader epochs.
    pub epochs: &'a [EpochEntry],
    /// Snapshots that can be read and lie behind its base, up to the base of the one behind.
    pub snapshots: &'a [Offset],
    /// Whether the partition has any.
    pub has_snapshots: bool,
    /// What rounds of compaction know of its keyed records.
    pub known: Option<&'a Known>,
}

/// Who reads a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// This thread.
    One,
    /// All threads of the pool; so only where nothing else is being waited for.
    All,
}

/// Checks one segment; what cannot be read is a finding too.
pub fn check(
    segment: &Segment,
    place: Place<'_>,
    readers: Readers,
    progress: &dyn Progress,
) -> CheckedSegment {
    let mut checked = CheckedSegment::default();
    if let Err(error) = read(segment, place, readers, progress, &mut checked) {
        checked.findings.push(unreadable(&error));
        checked.is_damaged = true;
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
    readers: Readers,
    progress: &dyn Progress,
    checked: &mut CheckedSegment,
) -> Result<()> {
    let log = segment.log()?;
    let found = &mut checked.findings;
    let is_active = place.next_base.is_none();
    // Whatever is beside a log that cannot be read, the log is looked at.
    let offset_check = open_offset_index(segment, is_active, &mut checked.summary, found);
    let offset_check = offset_check.unwrap_or_else(|error| note_unreadable(&error, found));
    let time_check = open_time_index(segment, is_active, &mut checked.summary, found);
    let time_check = time_check.unwrap_or_else(|error| note_unreadable(&error, found));
    if let Err(error) = read_txn_index(segment, checked) {
        checked.findings.push(unreadable(&error));
    }
    checked.txns.log_path = log.path().into();
    checked.summary.segments = 1;
    checked.summary.log_bytes = log.bytes().len() as u64;

    let mut in_order = InOrder::begin(&log, place, offset_check, time_check, checked);
    let mut reported = 0;
    let hear = |seen: Seen| {
        progress.advance(seen.arrived.0 - reported);
        reported = seen.arrived.0;
        in_order.hear(seen);
    };
    let look = |log: &LogFile, stretch| stretch::check(log, stretch, place.known);
    match readers {
        Readers::One => windows::read_alone(&log, look, hear)?,
        Readers::All => windows::read_together(&log, look, hear)?,
    }
    in_order.finish();
    if readers == Readers::All {
        // To unmap a large file takes one thread a while: the others need not wait for it.
        rayon::spawn(|| drop(log));
    }
    Ok(())
}

fn note_unreadable<T>(error: &Error, found: &mut Findings) -> Option<T> {
    found.push(unreadable(error));
    None
}

/// A broker creates the indexes of a segment that it rolled when it first needs them (`LazyIndex`).
fn missing_index(segment: &Segment, kind: Kind, is_active: bool) -> Finding {
    let (severity, text) = if is_active && segment.size_bytes == 0 {
        (Severity::Info, "there is no such file yet; the segment is empty")
    } else {
        (Severity::Warning, "there is no such file; a broker rebuilds it at start")
    };
    Finding::about("index-missing", severity, &segment.path(kind), text)
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
        found.push(missing_index(segment, Kind::Index, is_active));
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
        found.push(missing_index(segment, Kind::TimeIndex, is_active));
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
