//! A JSON object a line: the names and their order are a promise, written down in the structs.
//!
//! Where a batch's magic lacks something, the field is null (base timestamp of magic 0 and 1,
//! count of a set that does not decode) or Kafka's -1 (producer, sequences, leader epoch,
//! timestamps of magic 0).

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use super::companions::Entry;
use super::control::{
    ControlRecord, KraftVersion, KraftVoters, LeaderChange, SnapshotFooter, SnapshotHeader,
};
use super::encoded::{Encoded, Encoding};
use super::sink::{BatchView, RecordView, Sink};
use super::source::Source;
use crate::format::Record;
use crate::units::{Offset, Position, Timestamp};

/// Writes JSON lines.
#[derive(Debug)]
pub struct Json<W> {
    out: W,
    encoding: Encoding,
}

impl<W: Write> Json<W> {
    /// Writes to `out`, with keys and values encoded as asked for.
    pub fn new(out: W, encoding: Encoding) -> Json<W> {
        Json { out, encoding }
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }
}

impl<W: Write> Sink for Json<W> {
    fn batch(&mut self, view: &BatchView<'_>) -> io::Result<()> {
        let header = &view.header;
        self.line(&BatchLine {
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
        })
    }

    fn record(&mut self, view: &RecordView<'_>) -> io::Result<()> {
        let (header, record, encoding) = (&view.batch.header, &view.record, self.encoding);
        self.line(&RecordLine {
            kind: "record",
            place: Place::of(view.batch.source),
            offset: record.offset,
            timestamp: record.timestamp,
            timestamp_type: header.timestamp_type().name(),
            sequence: record.sequence,
            key: Encoded { bytes: record.key, encoding },
            value: Encoded { bytes: record.value, encoding },
            headers: HeaderLines { record, encoding },
            control: header.is_control().then(|| ControlLine::of(record)),
        })
    }

    fn entry(&mut self, source: &Source, entry: &Entry<'_>) -> io::Result<()> {
        let place = Place::of(source);
        match entry {
            Entry::Index(entry) => self.line(&EntryLine::IndexEntry {
                place,
                offset: entry.offset,
                position: entry.position,
            }),
            Entry::Time(entry) => self.line(&EntryLine::TimeIndexEntry {
                place,
                timestamp: entry.timestamp,
                offset: entry.offset,
            }),
            Entry::AbortedTxn(txn) => self.line(&EntryLine::TxnIndexEntry {
                place,
                producer_id: txn.producer_id,
                first_offset: txn.first_offset,
                last_offset: txn.last_offset,
                last_stable_offset: txn.last_stable_offset,
            }),
            Entry::Producer(entry) => self.line(&EntryLine::Producer {
                place,
                producer_id: entry.producer_id,
                producer_epoch: entry.epoch,
                last_sequence: entry.last_sequence,
                last_offset: entry.last_offset,
                offset_delta: entry.offset_delta,
                timestamp: entry.timestamp,
                coordinator_epoch: entry.coordinator_epoch,
                current_txn_first_offset: entry.open_txn_first_offset,
            }),
            Entry::LeaderEpoch(entry) => self.line(&EntryLine::LeaderEpoch {
                topic: place.topic,
                partition: place.partition,
                epoch: entry.epoch,
                start_offset: entry.start_offset,
            }),
            Entry::Checkpoint { at, offset } => self.line(&EntryLine::Checkpoint {
                file: &source.name,
                topic: &at.topic,
                partition: at.partition,
                offset: *offset,
            }),
            Entry::PartitionMetadata(metadata) => self.line(&EntryLine::PartitionMetadata {
                topic: place.topic,
                partition: place.partition,
                version: metadata.version,
                topic_id: &metadata.topic_id,
            }),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
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

#[derive(Serialize)]
struct RecordLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    place: Place<'a>,
    offset: Offset,
    timestamp: Timestamp,
    timestamp_type: &'static str,
    sequence: i32,
    key: Encoded<'a>,
    value: Encoded<'a>,
    headers: HeaderLines<'a>,
    control: Option<ControlLine>,
}

/// The headers of a record, read while they are written.
struct HeaderLines<'a> {
    record: &'a Record<'a>,
    encoding: Encoding,
}

#[derive(Serialize)]
struct HeaderLine<'a> {
    key: Encoded<'a>,
    value: Encoded<'a>,
}

impl Serialize for HeaderLines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut lines = serializer.serialize_seq(None)?;
        // The walk hands out no record whose headers are broken.
        for header in self.record.headers().flatten() {
            // A header's name is a string by protocol, whatever the encoding of the rest.
            let key = Encoded { bytes: Some(header.key), encoding: Encoding::Auto };
            let value = Encoded { bytes: header.value, encoding: self.encoding };
            lines.serialize_element(&HeaderLine { key, value })?;
        }
        lines.end()
    }
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
