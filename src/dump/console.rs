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
pub struct Console<W> {
    out: W,
    fields: Vec<Field>,
    separator: Vec<u8>,
}

impl<W: Write> Console<W> {
    /// Writes `fields`, in their own order whatever the given one, to `out`.
    pub fn new(out: W, mut fields: Vec<Field>, separator: impl Into<Vec<u8>>) -> Console<W> {
        fields.sort();
        fields.dedup();
        Console { out, fields, separator: separator.into() }
    }

    fn field(&mut self, field: Field, view: &RecordView<'_>) -> io::Result<()> {
        let record = &view.record;
        match field {
            Field::Timestamp => match view.batch.header.timestamp_type() {
                TimestampType::NoTimestampType => write!(self.out, "NO_TIMESTAMP"),
                kind => write!(self.out, "{}:{}", kind.name(), record.timestamp),
            },
            Field::Partition => {
                let partition = view.batch.source.at.as_ref().map_or(-1, |at| at.partition);
                write!(self.out, "Partition:{partition}")
            }
            Field::Offset => write!(self.out, "Offset:{}", record.offset),
            Field::Headers => self.headers(record),
            Field::Key => self.out.write_all(record.key.unwrap_or(NULL)),
            Field::Value => self.out.write_all(record.value.unwrap_or(NULL)),
        }
    }

    fn headers(&mut self, record: &Record<'_>) -> io::Result<()> {
        let mut is_first = true;
        for header in record.headers().flatten() {
            if !is_first {
                self.out.write_all(b",")?;
            }
            is_first = false;
            self.out.write_all(header.key)?;
            self.out.write_all(b":")?;
            self.out.write_all(header.value.unwrap_or(NULL))?;
        }
        if is_first { self.out.write_all(b"NO_HEADERS") } else { Ok(()) }
    }
}

impl<W: Write> Sink for Console<W> {
    fn can_show(&self, content: &Content) -> bool {
        matches!(content, Content::Log(_))
    }

    fn shows_control(&self) -> bool {
        false
    }

    fn batch(&mut self, _batch: &BatchView<'_>) -> io::Result<()> {
        Ok(())
    }

    fn record(&mut self, view: &RecordView<'_>) -> io::Result<()> {
        for index in 0..self.fields.len() {
            if index > 0 {
                self.out.write_all(&self.separator)?;
            }
            if let Some(field) = self.fields.get(index) {
                self.field(*field, view)?;
            }
        }
        self.out.write_all(b"\n")
    }

    fn entry(&mut self, _source: &Source, _entry: &Entry<'_>) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
