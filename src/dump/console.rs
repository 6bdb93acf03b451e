//! The lines of `kafka-console-consumer.sh` (`DefaultMessageFormatter`): chosen fields of data
//! records in a fixed order, bytes as they are. Control records are never shown, since a consumer
//! never sees them.

use std::io::{self, Write};

use super::companions::Entry;
use super::sink::{BatchView, RecordView, Sink};
use super::source::{Content, Source};
use crate::format::{Record, TimestampType};

/// What is printed for a field that is null.
const NULL: &[u8] = b"null";

/// A part of a record. The order here is the order on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// `CreateTime:<ms>`, `LogAppendTime:<ms>` or `NO_TIMESTAMP`.
    Timestamp,
    /// `Partition:<n>`.
    Partition,
    /// `Offset:<n>`.
    Offset,
    /// `name:value,name:value` or `NO_HEADERS`.
    Headers,
    /// The key.
    Key,
    /// The value.
    Value,
}

/// Writes as the console consumer does.
#[derive(Debug)]
pub struct Console {
    fields: Vec<Field>,
    separator: Vec<u8>,
}

impl Console {
    /// Writes `fields`, in their own order whatever the given one.
    pub fn new(mut fields: Vec<Field>, separator: impl Into<Vec<u8>>) -> Console {
        fields.sort();
        fields.dedup();
        Console { fields, separator: separator.into() }
    }

    fn field(&self, out: &mut Vec<u8>, field: Field, view: &RecordView<'_>) -> io::Result<()> {
        let record = &view.record;
        match field {
            Field::Timestamp => match view.batch.header.timestamp_type() {
                TimestampType::NoTimestampType => write!(out, "NO_TIMESTAMP"),
                kind => write!(out, "{}:{}", kind.name(), record.timestamp),
            },
            Field::Partition => {
                let partition = view.batch.source.at.as_ref().map_or(-1, |at| at.partition);
                write!(out, "Partition:{partition}")
            }
            Field::Offset => write!(out, "Offset:{}", record.offset),
            Field::Headers => self.headers(out, record),
            Field::Key => out.write_all(record.key.unwrap_or(NULL)),
            Field::Value => out.write_all(record.value.unwrap_or(NULL)),
        }
    }

    fn headers(&self, out: &mut Vec<u8>, record: &Record<'_>) -> io::Result<()> {
        let mut is_first = true;
        for header in record.headers().flatten() {
            if !is_first {
                out.write_all(b",")?;
            }
            is_first = false;
            out.write_all(header.key)?;
            out.write_all(b":")?;
            out.write_all(header.value.unwrap_or(NULL))?;
        }
        if is_first { out.write_all(b"NO_HEADERS") } else { Ok(()) }
    }
}

impl Sink for Console {
    fn can_show(&self, content: &Content) -> bool {
        matches!(content, Content::Log(_))
    }

    fn shows_control(&self) -> bool {
        false
    }

    fn batch(&self, _out: &mut Vec<u8>, _batch: &BatchView<'_>) -> io::Result<()> {
        Ok(())
    }

    fn record(&self, out: &mut Vec<u8>, view: &RecordView<'_>) -> io::Result<()> {
        for (index, field) in self.fields.iter().enumerate() {
            if index > 0 {
                out.write_all(&self.separator)?;
            }
            self.field(out, *field, view)?;
        }
        out.write_all(b"\n")
    }

    fn entry(&self, _out: &mut Vec<u8>, _source: &Source, _entry: &Entry<'_>) -> io::Result<()> {
        Ok(())
    }
}
