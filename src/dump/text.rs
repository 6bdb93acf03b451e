//! For people: a line a record, times they can read, control records by name.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use super::sink::{Entry, ShownBatch, ShownRecord, Sink};
use super::source::LogItem;
use crate::format::{Control, EndMarker};
use crate::units::Timestamp;

/// Values are never cut below this, however narrow the terminal.
const LEAST_FIELD_COLUMNS: usize = 16;

/// Writes such lines.
pub struct Text<'a> {
    out: &'a mut dyn Write,
    width: Option<usize>,
}

impl<'a> Text<'a> {
    /// Writes to `out`, cutting values so that lines fit `width` if there is one.
    pub fn new(out: &'a mut dyn Write, width: Option<usize>) -> Text<'a> {
        Text { out, width }
    }

    /// Keys and values share what the line has left.
    fn bytes(&self, bytes: Option<&[u8]>, used: usize, shares: usize) -> String {
        let Some(bytes) = bytes else {
            return "null".to_owned();
        };
        let most = self
            .width
            .map(|width| (width.saturating_sub(used + 16) / shares).max(LEAST_FIELD_COLUMNS));
        readable(bytes, most)
    }
}

impl Sink for Text<'_> {
    fn log_file(&mut self, log: &LogItem) -> io::Result<()> {
        match &log.partition {
            Some(partition) => writeln!(self.out, "# {partition} {}", log.file_name),
            None => writeln!(self.out, "# {}", log.path.display()),
        }
    }

    fn batch(&mut self, shown: &ShownBatch<'_>) -> io::Result<()> {
        let header = &shown.batch.header;
        let mut line = format!(
            "batch {}..={} at {}: {} bytes, {} records, {}, magic {}, leader epoch {}",
            shown.base_offset,
            header.last_offset,
            shown.position,
            header.size_bytes,
            shown.count,
            header.codec().name(),
            header.magic,
            header.leader_epoch,
        );
        let _ = write!(line, ", up to {}", time(header.max_timestamp));
        if header.producer_id >= 0 {
            let _ = write!(
                line,
                ", producer {} epoch {} sequence {}..={}",
                header.producer_id,
                header.producer_epoch,
                header.base_sequence,
                header.last_sequence()
            );
        }
        let flags = [
            (header.is_transactional(), ", transactional"),
            (header.is_control(), ", control"),
            (header.attributes.is_log_append_time() && header.magic > 0, ", log append time"),
        ];
        flags.iter().filter(|(set, _)| *set).for_each(|(_, name)| line.push_str(name));
        if let Some(horizon) = header.delete_horizon() {
            let _ = write!(line, ", delete horizon {}", time(horizon));
        }
        if !shown.is_valid {
            line.push_str(", WRONG CRC");
        }
        writeln!(self.out, "{line}")
    }

    fn record(&mut self, shown: &ShownRecord<'_>) -> io::Result<()> {
        let record = shown.record;
        let front = format!("{:>8}  {:<24}", record.offset.0, time(record.timestamp));
        if let Some(control) = shown.control {
            return writeln!(self.out, "{front}  {}", marker(control, shown));
        }
        let key = self.bytes(record.key, front.len(), 2);
        let value = match record.value {
            None => "(tombstone)".to_owned(),
            value => self.bytes(value, front.len() + key.chars().count(), 1),
        };
        write!(self.out, "{front}  {key} = {value}")?;
        for header in record.headers().filter_map(Result::ok) {
            let name = readable(header.key, None);
            write!(self.out, "  {name}:{}", self.bytes(header.value, front.len(), 2))?;
        }
        writeln!(self.out)
    }

    fn companion_file(&mut self, path: &Path, entries: usize) -> io::Result<()> {
        writeln!(self.out, "# {}, {entries} entries", path.display())
    }

    fn entry(&mut self, _path: &Path, entry: &Entry<'_>) -> io::Result<()> {
        let out = &mut *self.out;
        match entry {
            Entry::Offset(e) => writeln!(out, "offset {:>8} at {}", e.offset.0, e.position),
            Entry::Time(e) => writeln!(out, "{:<24}  offset {}", time(e.timestamp), e.offset),
            Entry::Aborted(txn) => writeln!(
                out,
                "producer {} aborted {}..={}, last stable offset {}",
                txn.producer_id, txn.first_offset, txn.last_offset, txn.last_stable_offset
            ),
            Entry::Producer(producer) => {
                write!(
                    out,
                    "producer {} epoch {}: last sequence {} at offset {}, {}",
                    producer.producer_id,
                    producer.epoch,
                    producer.last_sequence,
                    producer.last_offset,
                    time(producer.timestamp),
                )?;
                match producer.open_txn_first_offset {
                    Some(first) => writeln!(out, ", transaction open since offset {first}"),
                    None => writeln!(out),
                }
            }
            Entry::Epoch(e) => {
                writeln!(out, "leader epoch {} from offset {}", e.epoch, e.start_offset)
            }
            Entry::Metadata(metadata) => writeln!(out, "topic id {}", metadata.topic_id),
            Entry::Checkpoint(at, offset) => writeln!(out, "{at} offset {offset}"),
        }
    }
}

fn marker(control: Control, shown: &ShownRecord<'_>) -> String {
    let producer_id = shown.batch.batch.header.producer_id;
    match EndMarker::of_record(shown.record) {
        Some(marker) => format!(
            "{} of producer {producer_id}, coordinator epoch {}",
            control.name(),
            marker.coordinator_epoch
        ),
        None => control.name().to_owned(),
    }
}

/// RFC 3339 in UTC, to the millisecond.
fn time(timestamp: Timestamp) -> String {
    if timestamp == Timestamp::NONE {
        return "-".to_owned();
    }
    match jiff::Timestamp::from_millisecond(timestamp.0) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => timestamp.to_string(),
    }
}

/// Bytes as text: UTF-8 where it can be printed, escapes elsewhere, at most `most` columns.
fn readable(bytes: &[u8], most: Option<usize>) -> String {
    let mut text = String::new();
    let mut shown = 0;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if most.is_some_and(|most| text.len() >= most) {
                break;
            }
            shown += c.len_utf8();
            if c.is_control() || c == '\\' {
                text.extend(c.escape_default());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            if most.is_some_and(|most| text.len() >= most) {
                break;
            }
            shown += 1;
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    if shown < bytes.len() {
        let _ = write!(text, "... ({} more bytes)", bytes.len() - shown);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_printed_is_escaped_and_what_is_too_long_is_cut_with_a_count() {
        assert_eq!(readable(b"a\n\xff\\", None), "a\\n\\xff\\\\");
        assert_eq!(
            readable(&[b'x'; 30], Some(20)),
            format!("{}... (10 more bytes)", "x".repeat(20))
        );
    }

    #[test]
    fn times_are_shown_to_the_millisecond() {
        assert_eq!(time(Timestamp(1_700_000_000_123)), "2023-11-14T22:13:20.123Z");
        assert_eq!(time(Timestamp::NONE), "-");
    }
}
