//! The lines of `kafka-console-consumer.sh` (`DefaultMessageFormatter` of Kafka 4.1): chosen fields
//! of data records in a fixed order, bytes as they are or through a deserializer. Control records
//! are never shown, since a consumer never sees them.

use std::io::{self, Write};

use super::companions::Entry;
use super::deserializer::Deserializer;
use super::sink::{BatchView, RecordView, Sink};
use super::source::{Content, Source};
use crate::bytes::java_string;
use crate::format::{Record, TimestampType};

/// What stands for a number that is not there.
const NOT_PRESENT: &[u8] = b"NOT_PRESENT";

/// A part of a record. The order here is the order on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// `CreateTime:<ms>`, `LogAppendTime:<ms>` or `NO_TIMESTAMP`.
    Timestamp,
    /// `Partition:<n>`.
    Partition,
    /// `Offset:<n>`.
    Offset,
    /// `Delivery:NOT_PRESENT`: only share groups count deliveries.
    Delivery,
    /// `Epoch:<n>` of the leader that wrote the batch, or `Epoch:NOT_PRESENT`.
    Epoch,
    /// `name:value,name:value` or `NO_HEADERS`.
    Headers,
    /// The key.
    Key,
    /// The value.
    Value,
}

/// What Kafka's formatter can be told.
#[derive(Clone, Debug)]
pub struct ConsoleOptions {
    /// The fields, in any order.
    pub fields: Vec<Field>,
    /// What stands between two fields.
    pub key_separator: Vec<u8>,
    /// What stands behind a record.
    pub line_separator: Vec<u8>,
    /// What stands between two headers.
    pub headers_separator: Vec<u8>,
    /// What stands for a key, value or header value that is null.
    pub null_literal: Vec<u8>,
    /// How keys become text.
    pub key: Deserializer,
    /// How values become text.
    pub value: Deserializer,
    /// How header values become text.
    pub headers: Deserializer,
}

impl Default for ConsoleOptions {
    fn default() -> ConsoleOptions {
        ConsoleOptions {
            fields: vec![Field::Value],
            key_separator: b"\t".into(),
            line_separator: b"\n".into(),
            headers_separator: b",".into(),
            null_literal: b"null".into(),
            key: Deserializer::Bytes,
            value: Deserializer::Bytes,
            headers: Deserializer::Bytes,
        }
    }
}

/// Writes as the console consumer does.
#[derive(Debug)]
pub struct Console {
    options: ConsoleOptions,
}

impl Console {
    /// Writes the fields in their own order, whatever the given one.
    pub fn new(mut options: ConsoleOptions) -> Console {
        options.fields.sort();
        options.fields.dedup();
        Console { options }
    }

    fn field(&self, out: &mut Vec<u8>, field: Field, view: &RecordView<'_>) -> io::Result<()> {
        let (header, record) = (&view.batch.header, &view.record);
        match field {
            Field::Timestamp => match header.timestamp_type() {
                TimestampType::NoTimestampType => write!(out, "NO_TIMESTAMP"),
                kind => write!(out, "{}:{}", kind.name(), record.timestamp),
            },
            Field::Partition => {
                let partition = view.batch.source.at.as_ref().map_or(-1, |at| at.partition);
                write!(out, "Partition:{partition}")
            }
            Field::Offset => write!(out, "Offset:{}", record.offset),
            Field::Delivery => {
                out.write_all(b"Delivery:")?;
                out.write_all(NOT_PRESENT)
            }
            Field::Epoch if header.leader_epoch == -1 => {
                out.write_all(b"Epoch:")?;
                out.write_all(NOT_PRESENT)
            }
            Field::Epoch => write!(out, "Epoch:{}", header.leader_epoch),
            Field::Headers => self.headers(out, record),
            Field::Key => self.bytes(out, "the key", record.key, self.options.key),
            Field::Value => self.bytes(out, "the value", record.value, self.options.value),
        }
    }

    fn headers(&self, out: &mut Vec<u8>, record: &Record<'_>) -> io::Result<()> {
        let mut is_first = true;
        for header in record.headers().flatten() {
            if !is_first {
                out.write_all(&self.options.headers_separator)?;
            }
            is_first = false;
            // A name is a string to every client of Kafka.
            out.write_all(java_string(header.key).as_bytes())?;
            out.write_all(b":")?;
            self.bytes(out, "a header", header.value, self.options.headers)?;
        }
        if is_first { out.write_all(b"NO_HEADERS") } else { Ok(()) }
    }

    fn bytes(
        &self,
        out: &mut Vec<u8>,
        what: &str,
        bytes: Option<&[u8]>,
        deserializer: Deserializer,
    ) -> io::Result<()> {
        let Some(bytes) = bytes else { return out.write_all(&self.options.null_literal) };
        let put = deserializer.put(out, bytes);
        put.map_err(|unfit| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{what} is {unfit}"))
        })
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
        // Who wants no field gets no empty lines either.
        let Some((last, before)) = self.options.fields.split_last() else { return Ok(()) };
        for field in before {
            self.field(out, *field, view)?;
            out.write_all(&self.options.key_separator)?;
        }
        self.field(out, *last, view)?;
        out.write_all(&self.options.line_separator)
    }

    fn entry(&self, _out: &mut Vec<u8>, _source: &Source, _entry: &Entry<'_>) -> io::Result<()> {
        Ok(())
    }
}
