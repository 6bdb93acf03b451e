//! The lines of `kafka-dump-log.sh --print-data-log`, to the letter, for scripts that parse those
//! (`DumpLogSegments`). Files that it does not know are shown as it shows nothing: not at all.

use std::io::{self, Write};
use std::path::Path;

use super::java_text::java_text;
use super::sink::{Entry, ShownBatch, ShownRecord, Sink};
use super::source::LogItem;
use crate::bytes::{Cursor, Overrun};
use crate::format::{BatchHeader, Control, EndMarker, Record};

/// Writes such lines.
pub struct Kafka<'a> {
    out: &'a mut dyn Write,
}

impl<'a> Kafka<'a> {
    /// Writes to `out`.
    pub fn new(out: &'a mut dyn Write) -> Kafka<'a> {
        Kafka { out }
    }
}

impl Sink for Kafka<'_> {
    fn log_file(&mut self, log: &LogItem) -> io::Result<()> {
        writeln!(self.out, "Dumping {}", log.path.display())?;
        writeln!(self.out, "Log starting offset: {}", log.base)
    }

    fn batch(&mut self, shown: &ShownBatch<'_>) -> io::Result<()> {
        let header = &shown.batch.header;
        let out = &mut *self.out;
        if header.magic >= 2 {
            let horizon = header.delete_horizon().map(|horizon| horizon.0);
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
                optional(horizon),
            )?;
        } else {
            write!(out, "offset: {}", header.last_offset)?;
        }
        writeln!(
            out,
            " position: {} {}: {} size: {} magic: {} compresscodec: {} crc: {} isvalid: {}",
            shown.position,
            header.timestamp_type().name(),
            header.max_timestamp,
            header.size_bytes,
            header.magic,
            header.codec().name(),
            header.crc,
            shown.is_valid,
        )
    }

    fn record(&mut self, shown: &ShownRecord<'_>) -> io::Result<()> {
        let record = shown.record;
        let header = &shown.batch.batch.header;
        let size = |field: Option<&[u8]>| field.map_or(-1, |bytes| bytes.len() as i64);
        write!(
            self.out,
            "| offset: {} {}: {} keySize: {} valueSize: {}",
            record.offset,
            header.timestamp_type().name(),
            record.timestamp,
            size(record.key),
            size(record.value),
        )?;
        self.version_fields(header, record)?;
        match shown.control {
            Some(control) => self.control(control, record)?,
            None => {
                for (name, field) in [("key", record.key), ("payload", record.value)] {
                    if let Some(bytes) = field {
                        write!(self.out, " {name}: {}", java_text(bytes))?;
                    }
                }
            }
        }
        self.out.write_all(b"\n")
    }

    fn trailing_bytes(&mut self, log: &LogItem, bytes: u64) -> io::Result<()> {
        writeln!(self.out, "Found {bytes} invalid bytes at the end of {}", log.file_name)
    }

    fn companion_file(&mut self, path: &Path, entries: usize) -> io::Result<()> {
        writeln!(self.out, "Dumping {}", path.display())?;
        let is_index = path.extension().is_some_and(|extension| extension == "index");
        if is_index && entries == 0 {
            writeln!(self.out, "{} is empty.", path.display())?;
        }
        Ok(())
    }

    fn entry(&mut self, _path: &Path, entry: &Entry<'_>) -> io::Result<()> {
        let out = &mut *self.out;
        match entry {
            Entry::Offset(e) => writeln!(out, "offset: {} position: {}", e.offset, e.position),
            Entry::Time(e) => writeln!(out, "timestamp: {} offset: {}", e.timestamp, e.offset),
            Entry::Aborted(txn) => writeln!(
                out,
                "version: 0 producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
                txn.producer_id, txn.first_offset, txn.last_offset, txn.last_stable_offset
            ),
            Entry::Producer(producer) => {
                write!(
                    out,
                    "producerId: {} producerEpoch: {} coordinatorEpoch: {} \
                     currentTxnFirstOffset: {} lastTimestamp: {} ",
                    producer.producer_id,
                    producer.epoch,
                    producer.coordinator_epoch,
                    optional(producer.open_txn_first_offset.map(|offset| offset.0)),
                    producer.timestamp,
                )?;
                if producer.last_offset.0 >= 0 {
                    let last = producer.last_sequence;
                    write!(
                        out,
                        "firstSequence: {} lastSequence: {last} lastOffset: {} offsetDelta: {} \
                         timestamp: {}",
                        sequence_before(last, producer.offset_delta),
                        producer.last_offset,
                        producer.offset_delta,
                        producer.timestamp,
                    )?;
                }
                writeln!(out)
            }
            Entry::Epoch(_) | Entry::Metadata(_) | Entry::Checkpoint(..) => Ok(()),
        }
    }
}

impl Kafka<'_> {
    fn version_fields(&mut self, header: &BatchHeader, record: &Record<'_>) -> io::Result<()> {
        if let Some(crc) = record.message_crc() {
            // The brace is Kafka's.
            return write!(self.out, " isValid: {} crc: {}}}", crc.holds(), crc.stored);
        }
        let sequence = if header.magic >= 2 { record.sequence } else { -1 };
        write!(self.out, " sequence: {sequence} headerKeys: [")?;
        for (number, header) in record.headers().filter_map(Result::ok).enumerate() {
            let comma = if number > 0 { "," } else { "" };
            write!(self.out, "{comma}{}", java_text(header.key))?;
        }
        write!(self.out, "]")
    }

    fn control(&mut self, control: Control, record: &Record<'_>) -> io::Result<()> {
        let out = &mut *self.out;
        let value = record.value.unwrap_or_default();
        match control {
            Control::Abort | Control::Commit => {
                let epoch = EndMarker::of_record(record).map_or(-1, |m| m.coordinator_epoch);
                write!(out, " endTxnMarker: {} coordinatorEpoch: {epoch}", control.name())
            }
            Control::LeaderChange => {
                let text = leader_change(value).unwrap_or_default();
                write!(out, " LeaderChange: {text}")
            }
            Control::SnapshotHeader => {
                let mut cursor = Cursor::new(value);
                let (version, timestamp) = (cursor.i16(), cursor.i64());
                let (version, timestamp) = (version.unwrap_or(0), timestamp.unwrap_or(0));
                write!(
                    out,
                    " SnapshotHeader {{\"version\":{version},\
                     \"lastContainedLogTimestamp\":{timestamp}}}"
                )
            }
            Control::SnapshotFooter => {
                let version = Cursor::new(value).i16().unwrap_or(0);
                write!(out, " SnapshotFooter {{\"version\":{version}}}")
            }
            Control::KraftVersion => {
                let mut cursor = Cursor::new(value);
                let (version, kraft) = (cursor.i16(), cursor.i16());
                let (version, kraft) = (version.unwrap_or(0), kraft.unwrap_or(0));
                write!(out, " KRaftVersion {{\"version\":{version},\"kRaftVersion\":{kraft}}}")
            }
            Control::KraftVoters => write!(out, " KRaftVoters"),
            Control::Unknown(number) => write!(out, " controlType: UNKNOWN({number})"),
        }
    }
}

/// `LeaderChangeMessage` as JSON: version, leader, voters, and who voted for the leader.
fn leader_change(value: &[u8]) -> Result<String, Overrun> {
    let mut cursor = Cursor::new(value);
    let version = cursor.i16()?;
    let leader_id = cursor.i32()?;
    let mut voters = || -> Result<String, Overrun> {
        // A compact array: its length and one more, then each voter with its tagged fields.
        let count = unsigned_varint(&mut cursor)?.saturating_sub(1);
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(format!("{{\"voterId\":{}}}", cursor.i32()?));
            skip_tagged_fields(&mut cursor)?;
        }
        Ok(list.join(","))
    };
    let (voters, granting) = (voters()?, voters()?);
    Ok(format!(
        "{{\"version\":{version},\"leaderId\":{leader_id},\"voters\":[{voters}],\
         \"grantingVoters\":[{granting}]}}"
    ))
}

fn unsigned_varint(cursor: &mut Cursor<'_>) -> Result<u32, Overrun> {
    let zigzag = cursor.varint()?;
    Ok(((zigzag << 1) ^ (zigzag >> 31)) as u32)
}

fn skip_tagged_fields(cursor: &mut Cursor<'_>) -> Result<(), Overrun> {
    for _ in 0..unsigned_varint(cursor)? {
        let _tag = unsigned_varint(cursor)?;
        let length_bytes = unsigned_varint(cursor)?;
        cursor.bytes(length_bytes as usize)?;
    }
    Ok(())
}

/// The sequence `delta` before `sequence`, wrapping as a producer's does.
fn sequence_before(sequence: i32, delta: i32) -> i32 {
    (sequence.wrapping_sub(delta)) & i32::MAX
}

/// A Java `OptionalLong`.
fn optional(value: Option<i64>) -> String {
    value.map_or_else(|| "OptionalLong.empty".to_owned(), |value| format!("OptionalLong[{value}]"))
}
