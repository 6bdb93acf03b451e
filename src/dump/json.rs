//! A JSON object a line: the names and their order are a promise, written down in the structs.
//!
//! Where a batch's magic lacks something, the field is null (base timestamp of magic 0 and 1,
//! count of a set that does not decode) or Kafka's -1 (producer, sequences, leader epoch,
//! timestamps of magic 0).

use std::io;

use serde::Serialize;

use super::companions::Entry;
use super::control::{
    ControlRecord, KraftVersion, KraftVoters, LeaderChange, SnapshotFooter, SnapshotHeader,
};
use super::encoded::Encoding;
use super::json_text::{put_bytes, put_integer};
use super::sink::{BatchView, RecordView, Sink};
use super::source::Source;
use crate::format::Record;
use crate::units::{Offset, Position, Timestamp};

/// Writes JSON lines.
#[derive(Debug)]
pub struct Json {
    encoding: Encoding,
}

impl Json {
    /// Writes keys and values encoded as asked for.
    pub fn new(encoding: Encoding) -> Json {
        Json { encoding }
    }
}

impl Sink for Json {
    fn batch(&self, out: &mut Vec<u8>, view: &BatchView<'_>) -> io::Result<()> {
        let header = &view.header;
        line(
            out,
            &BatchLine {
                kind: "batch",
                place: Place::of(view.source),
                position: view.position,
                size: header.size_bytes,
                base_offset: header.base_offset,
                last_offset: header.last_offset,
                count: Some(header.record_count).filter(|count| *count >= 0),
                magic: header.magic,
                codec: header.codec().name(),
                crc: header.crc,
                valid: view.is_valid,
                timestamp_type: header.timestamp_type().name(),
                base_timestamp: (header.magic >= 2).then_some(header.base_timestamp),
                max_timestamp: header.max_timestamp,
                producer_id: header.producer_id,
                producer_epoch: header.producer_epoch,
                base_sequence: header.base_sequence,
                last_sequence: header.last_sequence(),
                leader_epoch: header.leader_epoch,
                transactional: header.is_transactional(),
                control: header.is_control(),
                delete_horizon_ms: header.delete_horizon(),
            },
        )
    }

    fn common(&self, source: &Source) -> Vec<u8> {
        let mut out = Vec::new();
        // An object of strings and integers, into a vector: there is nothing that could fail.
        let _ = serde_json::to_writer(
            &mut out,
            &RecordStart { kind: "record", place: Place::of(source) },
        );
        out.pop();
        out
    }

    fn record(&self, out: &mut Vec<u8>, view: &RecordView<'_>) -> io::Result<()> {
        let (header, record, encoding) = (&view.batch.header, &view.record, self.encoding);
        out.extend_from_slice(view.batch.common);
        out.extend_from_slice(b",\"offset\":");
        put_integer(out, record.offset.0);
        out.extend_from_slice(b",\"timestamp\":");
        put_integer(out, record.timestamp.0);
        out.extend_from_slice(b",\"timestamp_type\":\"");
        out.extend_from_slice(header.timestamp_type().name().as_bytes());
        out.extend_from_slice(b"\",\"sequence\":");
        put_integer(out, record.sequence);
        out.extend_from_slice(b",\"key\":");
        put_bytes(out, record.key, encoding);
        out.extend_from_slice(b",\"value\":");
        put_bytes(out, record.value, encoding);
        out.extend_from_slice(b",\"headers\":");
        put_headers(out, record, encoding);
        out.extend_from_slice(b",\"control\":");
        match header.is_control() {
            true => put_control(out, record)?,
            false => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b"}\n");
        Ok(())
    }

    fn entry(&self, out: &mut Vec<u8>, source: &Source, entry: &Entry<'_>) -> io::Result<()> {
        let place = Place::of(source);
        match entry {
            Entry::Index(entry) => line(
                out,
                &EntryLine::IndexEntry { place, offset: entry.offset, position: entry.position },
            ),
            Entry::Time(entry) => line(
                out,
                &EntryLine::TimeIndexEntry {
                    place,
                    timestamp: entry.timestamp,
                    offset: entry.offset,
                },
            ),
            Entry::AbortedTxn(txn) => line(
                out,
                &EntryLine::TxnIndexEntry {
                    place,
                    producer_id: txn.producer_id,
                    first_offset: txn.first_offset,
                    last_offset: txn.last_offset,
                    last_stable_offset: txn.last_stable_offset,
                },
            ),
            Entry::Producer(entry) => line(
                out,
                &EntryLine::Producer {
                    place,
                    producer_id: entry.producer_id,
                    producer_epoch: entry.epoch,
                    last_sequence: entry.last_sequence,
                    last_offset: entry.last_offset,
                    offset_delta: entry.offset_delta,
                    timestamp: entry.timestamp,
                    coordinator_epoch: entry.coordinator_epoch,
                    current_txn_first_offset: entry.open_txn_first_offset,
                },
            ),
            Entry::LeaderEpoch(entry) => line(
                out,
                &EntryLine::LeaderEpoch {
                    topic: place.topic,
                    partition: place.partition,
                    epoch: entry.epoch,
                    start_offset: entry.start_offset,
                },
            ),
            Entry::Checkpoint { at, offset } => line(
                out,
                &EntryLine::Checkpoint {
                    file: &source.name,
                    topic: &at.topic,
                    partition: at.partition,
                    offset: *offset,
                },
            ),
            Entry::PartitionMetadata(metadata) => line(
                out,
                &EntryLine::PartitionMetadata {
                    topic: place.topic,
                    partition: place.partition,
                    version: metadata.version,
                    topic_id: &metadata.topic_id,
                },
            ),
        }
    }
}

fn line(out: &mut Vec<u8>, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.push(b'\n');
    Ok(())
}

/// Where a line is from. Topic and partition are null for a file outside a partition directory.
#[derive(Clone, Copy, Serialize)]
struct Place<'a> {
    topic: Option<&'a str>,
    partition: Option<i32>,
    segment: &'a str,
}

impl<'a> Place<'a> {
    fn of(source: &'a Source) -> Place<'a> {
        Place {
            topic: source.at.as_ref().map(|at| at.topic.as_str()),
            partition: source.at.as_ref().map(|at| at.partition),
            segment: &source.name,
        }
    }
}

#[derive(Serialize)]
struct BatchLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    place: Place<'a>,
    position: Position,
    size: usize,
    base_offset: Offset,
    last_offset: Offset,
    count: Option<i32>,
    magic: u8,
    codec: &'static str,
    crc: u32,
    valid: bool,
    timestamp_type: &'static str,
    base_timestamp: Option<Timestamp>,
    max_timestamp: Timestamp,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    last_sequence: i32,
    leader_epoch: i32,
    transactional: bool,
    control: bool,
    delete_horizon_ms: Option<Timestamp>,
}

/// The start of a record's line, which all of a file have in common. The rest is written by hand,
/// for there are many: offset, timestamp, its type, sequence, key, value, headers (an array of
/// objects of key and value), control (null, or what kind of record).
#[derive(Serialize)]
struct RecordStart<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    place: Place<'a>,
}

/// Appends the headers: an array of objects of key and value, in their order.
pub(super) fn put_headers(out: &mut Vec<u8>, record: &Record<'_>, encoding: Encoding) {
    out.push(b'[');
    // The walk hands out no record whose headers are broken.
    for (index, header) in record.headers().flatten().enumerate() {
        out.extend_from_slice(if index == 0 { b"{\"key\":" } else { b",{\"key\":" });
        // A header's name is a string by protocol, whatever the encoding of the rest.
        put_bytes(out, Some(header.key), Encoding::Auto);
        out.extend_from_slice(b",\"value\":");
        put_bytes(out, header.value, encoding);
        out.push(b'}');
    }
    out.push(b']');
}

/// Appends what a control record says, as an object.
pub(super) fn put_control(out: &mut Vec<u8>, record: &Record<'_>) -> io::Result<()> {
    Ok(serde_json::to_writer(out, &ControlLine::of(record))?)
}

/// A control record by its type. KRaft's are as Kafka's own JSON has them.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
enum ControlLine {
    Abort { version: i16, coordinator_epoch: i32 },
    Commit { version: i16, coordinator_epoch: i32 },
    LeaderChange(LeaderChange),
    SnapshotHeader(SnapshotHeader),
    SnapshotFooter(SnapshotFooter),
    KraftVersion(KraftVersion),
    KraftVoters(KraftVoters),
    Unknown { type_id: Option<i16> },
}

impl ControlLine {
    fn of(record: &Record<'_>) -> ControlLine {
        match ControlRecord::read(record) {
            ControlRecord::End(marker) => {
                let (version, coordinator_epoch) = (marker.version, marker.coordinator_epoch);
                match marker.commit {
                    true => ControlLine::Commit { version, coordinator_epoch },
                    false => ControlLine::Abort { version, coordinator_epoch },
                }
            }
            ControlRecord::LeaderChange(change) => ControlLine::LeaderChange(change),
            ControlRecord::SnapshotHeader(header) => ControlLine::SnapshotHeader(header),
            ControlRecord::SnapshotFooter(footer) => ControlLine::SnapshotFooter(footer),
            ControlRecord::KraftVersion(version) => ControlLine::KraftVersion(version),
            ControlRecord::KraftVoters(voters) => ControlLine::KraftVoters(voters),
            ControlRecord::Unreadable(kind) => {
                ControlLine::Unknown { type_id: kind.map(|kind| kind.id()) }
            }
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum EntryLine<'a> {
    IndexEntry {
        #[serde(flatten)]
        place: Place<'a>,
        offset: Offset,
        position: Position,
    },
    TimeIndexEntry {
        #[serde(flatten)]
        place: Place<'a>,
        timestamp: Timestamp,
        offset: Offset,
    },
    TxnIndexEntry {
        #[serde(flatten)]
        place: Place<'a>,
        producer_id: i64,
        first_offset: Offset,
        last_offset: Offset,
        last_stable_offset: Offset,
    },
    Producer {
        #[serde(flatten)]
        place: Place<'a>,
        producer_id: i64,
        producer_epoch: i16,
        last_sequence: i32,
        last_offset: Offset,
        offset_delta: i32,
        timestamp: Timestamp,
        coordinator_epoch: i32,
        current_txn_first_offset: Option<Offset>,
    },
    LeaderEpoch {
        topic: Option<&'a str>,
        partition: Option<i32>,
        epoch: i32,
        start_offset: Offset,
    },
    Checkpoint {
        file: &'a str,
        topic: &'a str,
        partition: i32,
        offset: Offset,
    },
    PartitionMetadata {
        topic: Option<&'a str>,
        partition: Option<i32>,
        version: i32,
        topic_id: &'a str,
    },
}
