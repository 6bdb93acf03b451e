//! For people: aligned lines, times as RFC 3339, markers by name, text as text and all other bytes
//! as escapes, cut to the width of the terminal where there is one.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::companions::Entry;
use super::control::ControlRecord;
use super::printable::printable;
use super::sink::{BatchView, RecordView, Sink};
use super::source::{Content, LogKind, Source};
use crate::format::{BatchHeader, Record, TimestampType};
use crate::segment::ProducerEntry;
use crate::units::Timestamp;

/// Columns of an offset; longer ones push the line to the right.
const OFFSET_COLUMNS: usize = 10;
/// Columns of a time with milliseconds.
const TIME_COLUMNS: usize = 24;
/// Columns that short keys are padded to.
const KEY_COLUMNS: usize = 20;
/// The least columns that a value gets, however narrow the terminal.
const LEAST_VALUE_COLUMNS: usize = 16;

/// Writes for people.
#[derive(Debug)]
pub struct Text {
    width_columns: Option<usize>,
}

impl Text {
    /// With a width, keys and values are cut so that a line fits.
    pub fn new(width_columns: Option<usize>) -> Text {
        Text { width_columns }
    }

    /// The columns that are left for a record's last field, behind `used` ones.
    fn room_behind(&self, used: usize) -> Option<usize> {
        self.width_columns.map(|width| width.saturating_sub(used).max(LEAST_VALUE_COLUMNS))
    }

    fn producer(&self, out: &mut Vec<u8>, entry: &ProducerEntry) -> io::Result<()> {
        write!(
            out,
            "producer {:<10} epoch {:<5} sequence {:<10} last offset {:<10} {}",
            entry.producer_id,
            entry.epoch,
            entry.last_sequence,
            entry.last_offset,
            time(entry.timestamp),
        )?;
        if entry.coordinator_epoch >= 0 {
            write!(out, "  coordinator epoch {}", entry.coordinator_epoch)?;
        }
        if let Some(offset) = entry.open_txn_first_offset {
            write!(out, "  open transaction from offset {offset}")?;
        }
        writeln!(out)
    }
}

impl Sink for Text {
    fn begin(&self, out: &mut Vec<u8>, source: &Source, is_first: bool) -> io::Result<()> {
        if !is_first {
            writeln!(out)?;
        }
        let path = printable(Some(source.path.as_os_str().as_encoded_bytes()), "", None);
        write!(out, "== {path}")?;
        match &source.content {
            Content::Log(LogKind::Segment { base, is_active, .. }) => {
                write!(out, "  base offset {base}")?;
                if *is_active {
                    write!(out, ", active")?;
                }
            }
            Content::Log(LogKind::MetadataSnapshot { end_offset, epoch }) => {
                write!(out, "  end offset {end_offset}, epoch {epoch}")?;
            }
            _ => {}
        }
        writeln!(out)
    }

    fn batch(&self, out: &mut Vec<u8>, view: &BatchView<'_>) -> io::Result<()> {
        let header = &view.header;
        let offsets = format!("{}..={}", header.base_offset, header.last_offset);
        let count = match header.record_count {
            count if count >= 0 => count.to_string(),
            _ => "?".into(),
        };
        writeln!(
            out,
            "batch {offsets:<22} at {:<10} {:>8} bytes {count:>6} records  magic {} {:<6} \
             {:<TIME_COLUMNS$}{}",
            view.position,
            header.size_bytes,
            header.magic,
            header.codec().name(),
            time(header.max_timestamp),
            details(header, view.is_valid),
        )
    }

    fn record(&self, out: &mut Vec<u8>, view: &RecordView<'_>) -> io::Result<()> {
        let record = &view.record;
        let head = head(record);
        if view.batch.header.is_control() {
            let control = describe(record, &view.batch.header);
            return writeln!(out, "{head}{control}");
        }
        let key_room = self.width_columns.map(|width| (width / 3).max(KEY_COLUMNS));
        let key = printable(record.key, "null", key_room);
        let mut line = format!("{head}{key:<KEY_COLUMNS$}  ");
        let headers = headers(record, self.width_columns.map(|width| width / 3));
        let used = line.chars().count() + headers.chars().count();
        let null = if record.key.is_some() { "tombstone" } else { "null" };
        line.push_str(&printable(record.value, null, self.room_behind(used)));
        writeln!(out, "{line}{headers}")
    }

    fn entry(&self, out: &mut Vec<u8>, source: &Source, entry: &Entry<'_>) -> io::Result<()> {
        match entry {
            Entry::Index(entry) => {
                let (offset, position) = (entry.offset.0, entry.position);
                writeln!(out, "offset {offset:>OFFSET_COLUMNS$}  at {position}")
            }
            Entry::Time(entry) => {
                let (when, offset) = (time(entry.timestamp), entry.offset);
                writeln!(out, "up to {when:<TIME_COLUMNS$}  offset {offset}")
            }
            Entry::AbortedTxn(txn) => writeln!(
                out,
                "aborted {:<22} producer {:<10} last stable offset then {}",
                format!("{}..={}", txn.first_offset, txn.last_offset),
                txn.producer_id,
                txn.last_stable_offset,
            ),
            Entry::Producer(entry) => self.producer(out, entry),
            Entry::LeaderEpoch(entry) => {
                writeln!(out, "epoch {:<6} from offset {}", entry.epoch, entry.start_offset)
            }
            Entry::Checkpoint { at, offset } => {
                let at = printable(Some(at.to_string().as_bytes()), "", None);
                writeln!(out, "{at:<40} {offset}")
            }
            Entry::PartitionMetadata(metadata) => {
                let at = source.at.as_ref().map_or("partition".into(), ToString::to_string);
                let id = printable(Some(metadata.topic_id.as_bytes()), "", None);
                let version = metadata.version;
                writeln!(out, "{at}  topic id {id}  version {version}")
            }
        }
    }
}

/// A record's line up to what it says.
pub(super) fn head(record: &Record<'_>) -> String {
    let when = time(record.timestamp);
    format!("{:>OFFSET_COLUMNS$}  {when:<TIME_COLUMNS$}  ", record.offset.0)
}

/// What a batch has beside its offsets and sizes, if it has it.
fn details(header: &BatchHeader, is_valid: bool) -> String {
    let mut text = String::new();
    if header.timestamp_type() == TimestampType::LogAppendTime {
        text.push_str("  log append time");
    }
    if header.leader_epoch >= 0 {
        let _ = write!(text, "  leader epoch {}", header.leader_epoch);
    }
    if header.producer_id >= 0 {
        let (id, epoch) = (header.producer_id, header.producer_epoch);
        let _ = write!(text, "  producer {id} epoch {epoch}");
    }
    if header.base_sequence >= 0 {
        let (base, last) = (header.base_sequence, header.last_sequence());
        let _ = write!(text, " sequence {base}..={last}");
    }
    if header.is_transactional() {
        text.push_str("  transactional");
    }
    if header.is_control() {
        text.push_str("  control");
    }
    if let Some(horizon) = header.delete_horizon() {
        let _ = write!(text, "  delete horizon {}", time(horizon));
    }
    if !is_valid {
        text.push_str("  DAMAGED");
    }
    text
}

fn headers(record: &Record<'_>, room: Option<usize>) -> String {
    let mut text = String::new();
    for header in record.headers().flatten() {
        let name = printable(Some(header.key), "null", None);
        let value = printable(header.value, "null", None);
        let comma = if text.is_empty() { "  {" } else { ", " };
        let _ = write!(text, "{comma}{name}={value}");
    }
    if text.is_empty() {
        return text;
    }
    text.push('}');
    match room {
        Some(room) if text.chars().count() > room => {
            format!("  {{{} headers}}", record.headers().count())
        }
        _ => text,
    }
}

fn describe(record: &Record<'_>, header: &BatchHeader) -> String {
    let json = |name: &str, json: Result<String, serde_json::Error>| {
        format!("{name} {}", json.unwrap_or_default())
    };
    match ControlRecord::read(record) {
        ControlRecord::End(marker) => format!(
            "{} of producer {} epoch {}, coordinator epoch {}",
            if marker.commit { "COMMIT" } else { "ABORT" },
            header.producer_id,
            header.producer_epoch,
            marker.coordinator_epoch,
        ),
        ControlRecord::LeaderChange(it) => json("LEADER_CHANGE", serde_json::to_string(&it)),
        ControlRecord::SnapshotHeader(it) => json("SNAPSHOT_HEADER", serde_json::to_string(&it)),
        ControlRecord::SnapshotFooter(it) => json("SNAPSHOT_FOOTER", serde_json::to_string(&it)),
        ControlRecord::KraftVersion(it) => json("KRAFT_VERSION", serde_json::to_string(&it)),
        ControlRecord::KraftVoters(it) => json("KRAFT_VOTERS", serde_json::to_string(&it)),
        ControlRecord::Unreadable(Some(kind)) => {
            format!("control record {} (type {}), not understood", kind.name(), kind.id())
        }
        ControlRecord::Unreadable(None) => "control record without a type".into(),
    }
}

/// RFC 3339 in UTC with milliseconds; `-` for none, the plain number beyond the years it knows.
pub(super) fn time(timestamp: Timestamp) -> String {
    if timestamp == Timestamp::NONE {
        return "-".into();
    }
    match jiff::Timestamp::from_millisecond(timestamp.0) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => format!("{timestamp} ms"),
    }
}
