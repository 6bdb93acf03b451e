//! A JSON object a line, for programs. Nothing is lost: bytes that are not UTF-8 are base64.

use std::io::{self, Write};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use super::sink::{Entry, ShownBatch, ShownRecord, Sink};
use super::source::LogItem;
use crate::format::{Control, EndMarker, Record};
use crate::units::{Offset, Position, Timestamp};

/// How keys, values and header values are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A string where the bytes are UTF-8, else `{"base64":"..."}`.
    Auto,
    /// Always `{"base64":"..."}`.
    Base64,
    /// Always `{"hex":"..."}`.
    Hex,
}

/// Writes JSON lines.
pub struct Json<'a> {
    out: &'a mut dyn Write,
    encoding: Encoding,
}

impl<'a> Json<'a> {
    /// Writes to `out`.
    pub fn new(out: &'a mut dyn Write, encoding: Encoding) -> Json<'a> {
        Json { out, encoding }
    }

    fn line(&mut self, object: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut *self.out, object)?;
        self.out.write_all(b"\n")
    }
}

#[derive(Serialize)]
struct RecordLine<'a> {
    r#type: &'static str,
    topic: Option<&'a str>,
    partition: Option<i32>,
    segment: &'a str,
    offset: Offset,
    timestamp: Timestamp,
    timestamp_type: &'static str,
    sequence: i32,
    key: Bytes<'a>,
    value: Bytes<'a>,
    headers: HeaderList<'a>,
    control: Option<ControlObject>,
}

#[derive(Serialize)]
struct ControlObject {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coordinator_epoch: Option<i32>,
}

#[derive(Serialize)]
struct BatchLine<'a> {
    r#type: &'static str,
    topic: Option<&'a str>,
    partition: Option<i32>,
    segment: &'a str,
    position: Position,
    size: usize,
    base_offset: Offset,
    last_offset: Offset,
    count: i64,
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
#[serde(tag = "type", rename_all = "snake_case")]
enum EntryLine<'a> {
    IndexEntry {
        path: &'a Path,
        offset: Offset,
        position: Position,
    },
    TimeIndexEntry {
        path: &'a Path,
        timestamp: Timestamp,
        offset: Offset,
    },
    TxnIndexEntry {
        path: &'a Path,
        producer_id: i64,
        first_offset: Offset,
        last_offset: Offset,
        last_stable_offset: Offset,
    },
    Producer {
        path: &'a Path,
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
        path: &'a Path,
        epoch: i32,
        start_offset: Offset,
    },
    PartitionMetadata {
        path: &'a Path,
        version: i32,
        topic_id: &'a str,
    },
    Checkpoint {
        path: &'a Path,
        topic: &'a str,
        partition: i32,
        offset: Offset,
    },
}

impl Sink for Json<'_> {
    fn log_file(&mut self, _log: &LogItem) -> io::Result<()> {
        Ok(())
    }

    fn batch(&mut self, shown: &ShownBatch<'_>) -> io::Result<()> {
        let header = &shown.batch.header;
        let (topic, partition) = place(shown.log);
        self.line(&BatchLine {
            r#type: "batch",
            topic,
            partition,
            segment: &shown.log.file_name,
            position: shown.position,
            size: header.size_bytes,
            base_offset: shown.base_offset,
            last_offset: header.last_offset,
            count: shown.count,
            magic: header.magic,
            codec: header.codec().name(),
            crc: header.crc,
            valid: shown.is_valid,
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

    fn record(&mut self, shown: &ShownRecord<'_>) -> io::Result<()> {
        let (log, record) = (shown.batch.log, shown.record);
        let (topic, partition) = place(log);
        let encoding = self.encoding;
        self.line(&RecordLine {
            r#type: "record",
            topic,
            partition,
            segment: &log.file_name,
            offset: record.offset,
            timestamp: record.timestamp,
            timestamp_type: shown.batch.batch.header.timestamp_type().name(),
            sequence: record.sequence,
            key: Bytes { bytes: record.key, encoding },
            value: Bytes { bytes: record.value, encoding },
            headers: HeaderList { record, encoding },
            control: shown.control.map(|control| control_object(control, record)),
        })
    }

    fn companion_file(&mut self, _path: &Path, _entries: usize) -> io::Result<()> {
        Ok(())
    }

    fn entry(&mut self, path: &Path, entry: &Entry<'_>) -> io::Result<()> {
        let line = match entry {
            Entry::Offset(e) => {
                EntryLine::IndexEntry { path, offset: e.offset, position: e.position }
            }
            Entry::Time(e) => {
                EntryLine::TimeIndexEntry { path, timestamp: e.timestamp, offset: e.offset }
            }
            Entry::Aborted(txn) => EntryLine::TxnIndexEntry {
                path,
                producer_id: txn.producer_id,
                first_offset: txn.first_offset,
                last_offset: txn.last_offset,
                last_stable_offset: txn.last_stable_offset,
            },
            Entry::Producer(producer) => EntryLine::Producer {
                path,
                producer_id: producer.producer_id,
                producer_epoch: producer.epoch,
                last_sequence: producer.last_sequence,
                last_offset: producer.last_offset,
                offset_delta: producer.offset_delta,
                timestamp: producer.timestamp,
                coordinator_epoch: producer.coordinator_epoch,
                current_txn_first_offset: producer.open_txn_first_offset,
            },
            Entry::Epoch(e) => {
                EntryLine::LeaderEpoch { path, epoch: e.epoch, start_offset: e.start_offset }
            }
            Entry::Metadata(metadata) => EntryLine::PartitionMetadata {
                path,
                version: metadata.version,
                topic_id: &metadata.topic_id,
            },
            Entry::Checkpoint(at, offset) => EntryLine::Checkpoint {
                path,
                topic: &at.topic,
                partition: at.partition,
                offset: *offset,
            },
        };
        self.line(&line)
    }
}

fn place(log: &LogItem) -> (Option<&str>, Option<i32>) {
    let partition = log.partition.as_ref();
    (partition.map(|at| at.topic.as_str()), partition.map(|at| at.partition))
}

fn control_object(control: Control, record: &Record<'_>) -> ControlObject {
    let version = record.key.and_then(|key| key.first_chunk()).map(|v| i16::from_be_bytes(*v));
    let coordinator_epoch = EndMarker::of_record(record).map(|marker| marker.coordinator_epoch);
    ControlObject { r#type: control.name(), version, coordinator_epoch }
}

/// A key or value in the encoding asked for.
struct Bytes<'a> {
    bytes: Option<&'a [u8]>,
    encoding: Encoding,
}

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(bytes) = self.bytes else {
            return serializer.serialize_none();
        };
        let text = std::str::from_utf8(bytes);
        match (self.encoding, text) {
            (Encoding::Auto, Ok(text)) => serializer.serialize_str(text),
            (Encoding::Auto | Encoding::Base64, _) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", &BASE64_STANDARD.encode(bytes))?;
                map.end()
            }
            (Encoding::Hex, _) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("hex", &hex(bytes))?;
                map.end()
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The headers of a record; ends at the first that does not fit.
struct HeaderList<'a> {
    record: &'a Record<'a>,
    encoding: Encoding,
}

#[derive(Serialize)]
struct HeaderObject<'a> {
    key: Bytes<'a>,
    value: Bytes<'a>,
}

impl Serialize for HeaderList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for header in self.record.headers().filter_map(Result::ok) {
            list.serialize_element(&HeaderObject {
                key: Bytes { bytes: Some(header.key), encoding: Encoding::Auto },
                value: Bytes { bytes: header.value, encoding: self.encoding },
            })?;
        }
        list.end()
    }
}
