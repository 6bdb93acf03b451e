//! The lines of `kafka-console-consumer.sh` (`DefaultMessageFormatter`).

use std::io::{self, Write};
use std::path::Path;

use super::sink::{Entry, ShownBatch, ShownRecord, Sink};
use super::source::LogItem;
use crate::format::TimestampType;

/// What a line may hold. Fields come in this order, whatever order they were asked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// `CreateTime:1700000000000`.
    Timestamp,
    /// `Partition:0`.
    Partition,
    /// `Offset:5`.
    Offset,
    /// `a:1,b:2`, or `NO_HEADERS`.
    Headers,
    /// The key's bytes, or `null`.
    Key,
    /// The value's bytes, or `null`.
    Value,
}

/// How lines are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleOptions {
    /// What a line holds.
    pub fields: Vec<Field>,
    /// What stands between two fields.
    pub key_separator: String,
}

/// Writes such lines.
pub struct Console<'a> {
    out: &'a mut dyn Write,
    options: ConsoleOptions,
}

impl<'a> Console<'a> {
    /// Writes to `out`.
    pub fn new(out: &'a mut dyn Write, mut options: ConsoleOptions) -> Console<'a> {
        options.fields.sort();
        options.fields.dedup();
        Console { out, options }
    }

    fn field(&mut self, field: Field, shown: &ShownRecord<'_>) -> io::Result<()> {
        let record = shown.record;
        let out = &mut *self.out;
        match field {
            Field::Timestamp => match shown.batch.batch.header.timestamp_type() {
                TimestampType::NoTimestampType => write!(out, "NO_TIMESTAMP"),
                kind => write!(out, "{}:{}", kind.name(), record.timestamp),
            },
            Field::Partition => {
                let partition = shown.batch.log.partition.as_ref().map(|at| at.partition);
                write!(out, "Partition:{}", partition.unwrap_or(-1))
            }
            Field::Offset => write!(out, "Offset:{}", record.offset),
            Field::Headers => {
                let mut is_first = true;
                for header in record.headers().filter_map(Result::ok) {
                    if !is_first {
                        out.write_all(b",")?;
                    }
                    is_first = false;
                    out.write_all(header.key)?;
                    out.write_all(b":")?;
                    out.write_all(header.value.unwrap_or(b"null"))?;
                }
                if is_first { out.write_all(b"NO_HEADERS") } else { Ok(()) }
            }
            Field::Key => out.write_all(record.key.unwrap_or(b"null")),
            Field::Value => out.write_all(record.value.unwrap_or(b"null")),
        }
    }
}

impl Sink for Console<'_> {
    fn log_file(&mut self, _log: &LogItem) -> io::Result<()> {
        Ok(())
    }

    fn batch(&mut self, _batch: &ShownBatch<'_>) -> io::Result<()> {
        Ok(())
    }

    fn record(&mut self, shown: &ShownRecord<'_>) -> io::Result<()> {
        if shown.control.is_some() {
            return Ok(()); // a consumer never sees them
        }
        let fields = self.options.fields.clone();
        for (number, field) in fields.into_iter().enumerate() {
            if number > 0 {
                self.out.write_all(self.options.key_separator.as_bytes())?;
            }
            self.field(field, shown)?;
        }
        self.out.write_all(b"\n")
    }

    fn companion_file(&mut self, _path: &Path, _entries: usize) -> io::Result<()> {
        Ok(())
    }

    fn entry(&mut self, _path: &Path, _entry: &Entry<'_>) -> io::Result<()> {
        Ok(())
    }
}
