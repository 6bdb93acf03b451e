//! The lines of `kafka-dump-log.sh`, for scripts that parse those (`DumpLogSegments` of Kafka 4.1).
//!
//! Standard output only: what the tool says on standard error about gaps and mismatches is the
//! business of `verify`. Where the tool stops with a stack trace, this goes on behind the damage.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

use super::companions::Entry;
use super::control::ControlRecord;

use super::sink::{BatchView, Ending, RecordView, Sink};
use super::source::{Content, LogKind, Source};
use crate::bytes::java_string;
use crate::format::Record;
use crate::segment::{INDEX_ENTRY_BYTES, ProducerEntry, TIME_ENTRY_BYTES};
use crate::units::Offset;

/// Writes as Kafka's own dump tool does.
#[derive(Debug)]
pub struct Kafka;

impl Kafka {
    fn control(&self, out: &mut Vec<u8>, record: &Record<'_>) -> io::Result<()> {
        match ControlRecord::read(record) {
            ControlRecord::End(marker) => {
                let name = if marker.commit { "COMMIT" } else { "ABORT" };
                let epoch = marker.coordinator_epoch;
                write!(out, " endTxnMarker: {name} coordinatorEpoch: {epoch}")
            }
            ControlRecord::LeaderChange(change) => self.message(out, "LeaderChange:", &change),
            ControlRecord::SnapshotHeader(header) => self.message(out, "SnapshotHeader", &header),
            ControlRecord::SnapshotFooter(footer) => self.message(out, "SnapshotFooter", &footer),
            ControlRecord::KraftVersion(version) => self.message(out, "KRaftVersion", &version),
            ControlRecord::KraftVoters(voters) => self.message(out, "KRaftVoters", &voters),
            ControlRecord::Unreadable(kind) => {
                let (name, id) = kind.map_or(("UNKNOWN", -1), |kind| (kind.name(), kind.id()));
                write!(out, " controlType: {name}({id})")
            }
        }
    }

    fn message(&self, out: &mut Vec<u8>, name: &str, message: &impl Serialize) -> io::Result<()> {
        write!(out, " {name} ")?;
        serde_json::to_writer(out, message).map_err(io::Error::from)
    }

    fn producer(&self, out: &mut Vec<u8>, entry: &ProducerEntry) -> io::Result<()> {
        write!(
            out,
            "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} \
             lastTimestamp: {} ",
            entry.producer_id,
            entry.epoch,
            entry.coordinator_epoch,
            Optional(entry.open_txn_first_offset),
            entry.timestamp,
        )?;
        if entry.last_offset >= Offset(0) {
            write!(
                out,
                "firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
                first_sequence(entry),
                entry.last_sequence,
                entry.last_offset,
                entry.offset_delta,
                entry.timestamp,
            )?;
        }
        writeln!(out)
    }
}

impl Sink for Kafka {
    fn can_show(&self, content: &Content) -> bool {
        use Content::{LeaderEpochs, OffsetCheckpoint, PartitionMetadata};
        !matches!(content, LeaderEpochs | OffsetCheckpoint | PartitionMetadata)
    }

    fn names_all_files(&self) -> bool {
        true
    }

    fn begin(&self, out: &mut Vec<u8>, source: &Source, _is_first: bool) -> io::Result<()> {
        writeln!(out, "Dumping {}", source.path.display())?;
        match &source.content {
            Content::Log(LogKind::Segment { base, .. }) => {
                writeln!(out, "Log starting offset: {base}")
            }
            Content::Log(LogKind::Bootstrap) => writeln!(out, "KRaft bootstrap snapshot"),
            Content::Log(LogKind::MetadataSnapshot { end_offset, epoch }) => {
                writeln!(out, "Snapshot end offset: {end_offset}, epoch: {epoch}")
            }
            _ => Ok(()),
        }
    }

    fn batch(&self, out: &mut Vec<u8>, view: &BatchView<'_>) -> io::Result<()> {
        let header = &view.header;
        if header.magic >= 2 {
            write!(
                out,
                "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} \
                 producerId: {} producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} \
                 isControl: {} deleteHorizonMs: {}",
                header.base_offset,
                header.last_offset,
                header.record_count,
                header.base_sequence,
                header.last_sequence(),
                header.producer_id,
                header.producer_epoch,
                header.leader_epoch,
                header.is_transactional(),
                header.is_control(),
                Optional(header.delete_horizon()),
            )?;
        } else {
            write!(out, "offset: {}", header.last_offset)?;
        }
        writeln!(
            out,
            " position: {} {}: {} size: {} magic: {} compresscodec: {} crc: {} isvalid: {}",
            view.position,
            header.timestamp_type().name(),
            header.max_timestamp,
            header.size_bytes,
            header.magic,
            header.codec().name(),
            header.crc,
            view.is_valid,
        )
    }

    fn record(&self, out: &mut Vec<u8>, view: &RecordView<'_>) -> io::Result<()> {
        let (header, record) = (&view.batch.header, &view.record);
        put_head(out, view)?;
        if header.is_control() {
            self.control(out, record)?;
        } else {
            if let Some(key) = record.key {
                write!(out, " key: {}", java_string(key))?;
            }
            if let Some(value) = record.value {
                write!(out, " payload: {}", java_string(value))?;
            }
        }
        writeln!(out)
    }

    fn entry(&self, out: &mut Vec<u8>, _source: &Source, entry: &Entry<'_>) -> io::Result<()> {
        match entry {
            Entry::Index(entry) => {
                writeln!(out, "offset: {} position: {}", entry.offset, entry.position)
            }
            Entry::Time(entry) => {
                writeln!(out, "timestamp: {} offset: {}", entry.timestamp, entry.offset)
            }
            Entry::AbortedTxn(txn) => writeln!(
                out,
                "version: 0 producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
                txn.producer_id, txn.first_offset, txn.last_offset, txn.last_stable_offset,
            ),
            Entry::Producer(entry) => self.producer(out, entry),
            // `can_show` kept these out: Kafka's tool does not know their files.
            Entry::LeaderEpoch(_) | Entry::Checkpoint { .. } | Entry::PartitionMetadata(_) => {
                Ok(())
            }
        }
    }

    /// A file that was preallocated is zero behind its entries, so the tool stops where one is for
    /// the base offset, whatever comes behind it.
    fn ends_at(&self, source: &Source, number: usize, entry: &Entry<'_>) -> bool {
        let is_base = match (&source.content, entry) {
            (Content::Index(base), Entry::Index(entry)) => entry.offset == *base,
            (Content::TimeIndex(base), Entry::Time(entry)) => entry.offset == *base,
            _ => false,
        };
        number > 0 && is_base
    }

    fn end(&self, out: &mut Vec<u8>, source: &Source, ending: &Ending) -> io::Result<()> {
        match source.content {
            Content::Log(_) if ending.trailing_bytes > 0 => {
                let (bytes, name) = (ending.trailing_bytes, &source.name);
                writeln!(out, "Found {bytes} invalid bytes at the end of {name}")
            }
            Content::Index(_) if ending.size_bytes < INDEX_ENTRY_BYTES as u64 => {
                writeln!(out, "{} is empty.", source.path.display())
            }
            // In a preallocated index without entries, Kafka takes the first zeros for one.
            Content::Index(base) if ending.is_empty => {
                writeln!(out, "offset: {base} position: 0")
            }
            Content::TimeIndex(base)
                if ending.is_empty && ending.size_bytes >= TIME_ENTRY_BYTES as u64 =>
            {
                writeln!(out, "timestamp: 0 offset: {base}")
            }
            _ => Ok(()),
        }
    }
}

/// A record's line up to what it says.
pub(super) fn put_head(out: &mut Vec<u8>, view: &RecordView<'_>) -> io::Result<()> {
    let (header, record) = (&view.batch.header, &view.record);
    write!(
        out,
        "| offset: {} {}: {} keySize: {} valueSize: {}",
        record.offset,
        header.timestamp_type().name(),
        record.timestamp,
        size_of(record.key),
        size_of(record.value),
    )?;
    match record.message_crc() {
        // The closing brace has no opening one in Kafka's lines either.
        Some(crc) => write!(out, " isValid: {} crc: {}}}", crc.holds(), crc.stored)?,
        None => {
            write!(out, " sequence: {} headerKeys: [", record.sequence)?;
            for (index, entry) in record.headers().flatten().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                write!(out, "{comma}{}", java_string(entry.key))?;
            }
            write!(out, "]")?;
        }
    }
    Ok(())
}

/// Sequence of the first record of the producer's last batch; 2^31-1 lies before 0, and before -1
/// too (`DefaultRecordBatch.decrementSequence`).
fn first_sequence(entry: &ProducerEntry) -> i32 {
    let (last, delta) = (entry.last_sequence, entry.offset_delta);
    if last < delta {
        i32::MAX.wrapping_sub(delta.wrapping_sub(last)).wrapping_add(1)
    } else {
        last.wrapping_sub(delta)
    }
}

fn size_of(field: Option<&[u8]>) -> i64 {
    field.map_or(-1, |bytes| bytes.len() as i64)
}

/// As Java prints an `OptionalLong`.
struct Optional<T>(Option<T>);

impl<T: Display> Display for Optional<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(value) => write!(f, "OptionalLong[{value}]"),
            None => write!(f, "OptionalLong.empty"),
        }
    }
}
