//! Rows on their way from the threads that read a log to the file: cells one behind the other,
//! each row behind its length.
//!
//! A number is a byte that says whether it is there, and 8 bytes; bytes are the same and a length
//! of 4, then themselves; headers are a count of 4, then for each a name (a length of 4) and bytes.

use std::io;

use super::super::companions::Entry;
use super::super::json::put_control;
use super::super::sink::{BatchView, RecordView, Sink};
use super::super::source::{Content, Source};
use crate::bytes::java_string;
use crate::format::Record;
use crate::units::Timestamp;

/// A row beyond this would not fit into a page, whose size is a 32-bit number: a malformed header
/// name can grow to three times its length.
const MOST_ROW_BYTES: usize = 1 << 29;

/// Makes the rows of a [`super::ParquetFile`]. Header names are strings there, as they are to
/// every client of Kafka: what is malformed in one is U+FFFD.
#[derive(Clone, Copy, Debug)]
pub struct ParquetRows;

impl Sink for ParquetRows {
    fn can_show(&self, content: &Content) -> bool {
        matches!(content, Content::Log(_))
    }

    /// The first three cells.
    fn common(&self, source: &Source) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, source.at.as_ref().map(|at| at.topic.as_bytes()));
        put_long(&mut out, source.at.as_ref().map(|at| at.partition.into()));
        put_bytes(&mut out, Some(source.name.as_bytes()));
        out
    }

    fn batch(&self, out: &mut Vec<u8>, view: &BatchView<'_>) -> io::Result<()> {
        let header = &view.header;
        let is_magic_2 = header.magic >= 2;
        let start = begin(out);
        out.extend_from_slice(view.common);
        put_long(out, i64::try_from(view.position.0).ok());
        put_long(out, i64::try_from(header.size_bytes).ok());
        put_long(out, Some(header.base_offset.0));
        put_long(out, Some(header.last_offset.0));
        put_long(out, known(header.record_count));
        put_long(out, Some(header.magic.into()));
        put_bytes(out, Some(header.codec().name().as_bytes()));
        put_long(out, Some(header.crc.into()));
        put_long(out, Some(view.is_valid.into()));
        put_bytes(out, Some(header.timestamp_type().name().as_bytes()));
        put_long(out, Some(header.base_timestamp).filter(|_| is_magic_2).and_then(moment));
        put_long(out, moment(header.max_timestamp));
        put_long(out, known(header.producer_id));
        put_long(out, known(header.producer_epoch));
        put_long(out, known(header.base_sequence));
        put_long(out, known(header.last_sequence()));
        put_long(out, known(header.leader_epoch));
        put_long(out, Some(header.is_transactional().into()));
        put_long(out, Some(header.is_control().into()));
        put_long(out, header.delete_horizon().and_then(moment));
        end(out, start)
    }

    fn record(&self, out: &mut Vec<u8>, view: &RecordView<'_>) -> io::Result<()> {
        let (header, record) = (&view.batch.header, &view.record);
        if size_of(record) > MOST_ROW_BYTES {
            return Err(too_large());
        }
        let start = begin(out);
        out.extend_from_slice(view.batch.common);
        put_long(out, Some(record.offset.0));
        put_long(out, moment(record.timestamp));
        put_bytes(out, Some(header.timestamp_type().name().as_bytes()));
        put_long(out, known(record.sequence));
        put_long(out, known(header.producer_id));
        put_long(out, known(header.producer_epoch));
        put_long(out, known(header.leader_epoch));
        put_long(out, Some(header.is_transactional().into()));
        put_bytes(out, record.key);
        put_bytes(out, record.value);
        put_headers(out, record);
        if header.is_control() {
            let mut json = Vec::new();
            put_control(&mut json, record)?;
            put_bytes(out, Some(&json));
        } else {
            put_bytes(out, None);
        }
        end(out, start)
    }

    fn entry(&self, _out: &mut Vec<u8>, _source: &Source, _entry: &Entry<'_>) -> io::Result<()> {
        Ok(())
    }
}

/// What a number says; Kafka's -1 says nothing.
fn known(value: impl Into<i64>) -> Option<i64> {
    Some(value.into()).filter(|value| *value != -1)
}

fn moment(timestamp: Timestamp) -> Option<i64> {
    known(timestamp.0)
}

fn size_of(record: &Record<'_>) -> usize {
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let headers = record.headers().flatten();
    let headers = headers.map(|header| header.key.len().saturating_add(length(header.value)));
    let own = length(record.key).saturating_add(length(record.value));
    headers.fold(own, usize::saturating_add)
}

fn too_large() -> io::Error {
    let most = MOST_ROW_BYTES >> 20;
    let what = format!("larger than the {most} MiB that Parquet takes here");
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    start
}

fn end(out: &mut [u8], start: usize) -> io::Result<()> {
    let Some((length, cells)) = out.get_mut(start..).and_then(|row| row.split_first_chunk_mut())
    else {
        return Ok(());
    };
    if cells.len() > 4 * MOST_ROW_BYTES {
        return Err(too_large());
    }
    *length = (cells.len() as u64).to_le_bytes();
    Ok(())
}

fn put_long(out: &mut Vec<u8>, value: Option<i64>) {
    let mut cell = [0; 9];
    if let (Some(value), [is_there, rest @ ..]) = (value, &mut cell) {
        *is_there = 1;
        *rest = value.to_le_bytes();
    }
    out.extend_from_slice(&cell);
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    out.push(bytes.is_some().into());
    if let Some(bytes) = bytes {
        put_counted(out, bytes);
    }
}

/// The caller has seen to it that the row is not too large, and neither is a part of it.
fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn put_headers(out: &mut Vec<u8>, record: &Record<'_>) {
    let count = record.headers().flatten().count() as u32;
    out.extend_from_slice(&count.to_le_bytes());
    for header in record.headers().flatten() {
        put_counted(out, java_string(header.key).as_bytes());
        put_bytes(out, header.value);
    }
}

/// Splits the first row off `bytes`, if it is there as a whole.
pub(super) fn split_row(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

/// The cells of a row, in order; `None` where there is none such.
pub(super) struct Cells<'a>(pub(super) &'a [u8]);

impl<'a> Cells<'a> {
    /// A number that may be missing.
    pub(super) fn long(&mut self) -> Option<Option<i64>> {
        let (is_there, rest) = self.0.split_first()?;
        let (value, rest) = rest.split_first_chunk::<8>()?;
        self.0 = rest;
        Some((*is_there == 1).then_some(i64::from_le_bytes(*value)))
    }

    /// Bytes that may be missing.
    pub(super) fn bytes(&mut self) -> Option<Option<&'a [u8]>> {
        let (is_there, rest) = self.0.split_first()?;
        self.0 = rest;
        if *is_there == 1 { self.counted().map(Some) } else { Some(None) }
    }

    /// How many headers follow.
    pub(super) fn count(&mut self) -> Option<u32> {
        let (count, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*count))
    }

    /// The name of a header.
    pub(super) fn counted(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.count()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}
