//! Magic 2 batches written: one rebuilt from the records that it keeps, or an empty one.
//!
//! A rebuilt batch takes up the same offsets and sequences as its source, so that a producer's
//! duplicates are still noticed (`MemoryRecords.filterTo` in Kafka). Only the base and the largest
//! timestamp may change, and with a delete horizon (KIP-534) the base timestamp *is* the horizon.

use super::batch::{Attributes, BatchHeader, HEADER_BYTES};
use super::codec::{CodecError, Workbench};
use super::{Codec, Record};
use crate::bytes::{crc32c, put_varint, put_varlong, varint_len, varlong_len};
use crate::units::Timestamp;

/// Why a batch cannot be rebuilt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// The codec refused.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The kept records do not fit into one batch: offsets that do not rise, or too far apart.
    #[error("the kept records do not make a batch: {0}")]
    Records(&'static str),
}

/// A batch in the making, at the end of `out`: records go in by [`Rebuild::push`], straight to
/// their place if there is no codec.
pub struct Rebuild<'o> {
    header: BatchHeader,
    horizon: Option<Timestamp>,
    out: &'o mut Vec<u8>,
    start: usize,
    /// The records of a batch that is yet to be compressed.
    body: &'o mut Vec<u8>,
    count: i32,
    max_timestamp: Timestamp,
    last_delta: i64,
    flaw: Option<&'static str>,
}

impl<'o> Rebuild<'o> {
    /// Begins a batch behind what `out` holds, with the offsets, producer, flags and codec of
    /// `source`, and a delete horizon if there is one. A magic 0 or 1 source gives a magic 2 batch
    /// as Kafka 4 writes it: its base and last offset are those of the first and last record
    /// pushed.
    pub fn new(
        source: &BatchHeader,
        horizon: Option<Timestamp>,
        out: &'o mut Vec<u8>,
        scratch: &'o mut Vec<u8>,
    ) -> Rebuild<'o> {
        let start = out.len();
        out.resize(start + HEADER_BYTES, 0);
        scratch.clear();
        let mut header = *source;
        if source.magic < 2 {
            let append_time = source.magic == 1 && source.attributes.is_log_append_time();
            header.attributes = Attributes::of_legacy(source.codec(), append_time);
        }
        Rebuild {
            header,
            horizon,
            out,
            start,
            body: scratch,
            count: 0,
            max_timestamp: Timestamp::NONE,
            last_delta: -1,
            flaw: None,
        }
    }

    /// Adds a record behind the ones before it.
    pub fn push(&mut self, record: &Record<'_>) {
        if self.count == 0 {
            self.header.base_timestamp = self.horizon.unwrap_or(record.timestamp);
            if self.header.magic < 2 {
                self.header.base_offset = record.offset;
            }
        }
        let delta = record.offset.distance_from(self.header.base_offset);
        if delta <= self.last_delta {
            self.flaw = Some("offsets do not rise");
        }
        let Ok(offset_delta) = i32::try_from(delta) else {
            self.flaw = Some("offsets lie more than 2^31-1 apart");
            return;
        };
        self.last_delta = delta;
        let timestamp_delta_ms = record.timestamp.0.wrapping_sub(self.header.base_timestamp.0);
        let records = match self.header.codec() {
            Codec::None => &mut *self.out,
            _ => &mut *self.body,
        };
        put_record(records, offset_delta, timestamp_delta_ms, record);
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        self.count += 1;
        if self.header.magic < 2 {
            self.header.last_offset = record.offset;
        }
    }

    /// Compresses what is to be, and completes the header, which it gives back.
    ///
    /// # Errors
    /// [`RebuildError`]; `out` then holds part of a batch.
    pub fn finish(self, workbench: &mut Workbench) -> Result<BatchHeader, RebuildError> {
        if let Some(flaw) = self.flaw {
            return Err(RebuildError::Records(flaw));
        }
        let mut header = self.header;
        let append_time = header.attributes.is_log_append_time();
        if !append_time {
            header.max_timestamp = self.max_timestamp;
        }
        header.attributes = header.attributes.with_delete_horizon(self.horizon.is_some());
        header.record_count = self.count;
        match header.codec() {
            Codec::None => {}
            codec => workbench.compress(codec, 2, self.body, self.out)?,
        }
        seal_within(header, self.out, self.start)
    }
}

/// Appends to `out` the magic 2 batch `source` with the same records, of which `body` is the
/// decompressed form, under another codec (or the same anew). Nothing else of it changes.
///
/// # Errors
/// [`RebuildError`]; `out` may then hold part of a batch.
pub fn recode(
    source: &BatchHeader,
    codec: Codec,
    body: &[u8],
    workbench: &mut Workbench,
    out: &mut Vec<u8>,
) -> Result<BatchHeader, RebuildError> {
    let mut header = *source;
    header.attributes = header.attributes.with_codec(codec);
    let start = out.len();
    out.resize(start + HEADER_BYTES, 0);
    workbench.compress(codec, 2, body, out)?;
    seal_within(header, out, start)
}

/// As [`seal`], if a batch can be that large.
fn seal_within(
    header: BatchHeader,
    out: &mut [u8],
    start: usize,
) -> Result<BatchHeader, RebuildError> {
    if out.len().saturating_sub(start) > i32::MAX as usize {
        return Err(RebuildError::Records("they take more than 2 GiB"));
    }
    Ok(seal(header, out, start))
}

/// The batch that stands in for one that lost all its records.
pub struct EmptyBatch;

impl EmptyBatch {
    /// Appends to `out` the 61 bytes that keep `source`'s offsets, sequences and largest
    /// timestamp: no codec, no horizon, base timestamp -1 (`DefaultRecordBatch.writeEmptyHeader`).
    pub fn put(source: &BatchHeader, out: &mut Vec<u8>) -> BatchHeader {
        let mut header = *source;
        if source.magic < 2 {
            let append_time = source.magic == 1 && source.attributes.is_log_append_time();
            header.attributes = Attributes::of_legacy(Codec::None, append_time);
        }
        header.attributes = header.attributes.with_codec(Codec::None).with_delete_horizon(false);
        header.base_timestamp = Timestamp::NONE;
        header.record_count = 0;
        let start = out.len();
        out.resize(start + HEADER_BYTES, 0);
        seal(header, out, start)
    }
}

/// Writes the header in front of the body that ends `out`, checksum last.
pub(super) fn seal(mut header: BatchHeader, out: &mut [u8], start: usize) -> BatchHeader {
    let batch = out.get_mut(start..).unwrap_or_default();
    header.magic = 2;
    header.size_bytes = batch.len();
    // A delta beyond 32 bits cannot come from a magic 2 source, and `push` refuses it elsewhere.
    let last_offset_delta = header.last_offset.distance_from(header.base_offset) as i32;
    let length = (batch.len() - 12) as i32;
    let mut fields = Vec::with_capacity(HEADER_BYTES);
    fields.extend_from_slice(&header.base_offset.0.to_be_bytes());
    fields.extend_from_slice(&length.to_be_bytes());
    fields.extend_from_slice(&header.leader_epoch.to_be_bytes());
    fields.push(2);
    fields.extend_from_slice(&[0; 4]);
    fields.extend_from_slice(&header.attributes.0.to_be_bytes());
    fields.extend_from_slice(&last_offset_delta.to_be_bytes());
    fields.extend_from_slice(&header.base_timestamp.0.to_be_bytes());
    fields.extend_from_slice(&header.max_timestamp.0.to_be_bytes());
    fields.extend_from_slice(&header.producer_id.to_be_bytes());
    fields.extend_from_slice(&header.producer_epoch.to_be_bytes());
    fields.extend_from_slice(&header.base_sequence.to_be_bytes());
    fields.extend_from_slice(&header.record_count.to_be_bytes());
    if let Some(place) = batch.get_mut(..HEADER_BYTES) {
        place.copy_from_slice(&fields);
    }
    header.crc = crc32c(batch.get(21..).unwrap_or_default());
    if let Some(place) = batch.get_mut(17..21) {
        place.copy_from_slice(&header.crc.to_be_bytes());
    }
    header
}

fn put_record(out: &mut Vec<u8>, offset_delta: i32, timestamp_delta_ms: i64, record: &Record<'_>) {
    let front = 1 + varlong_len(timestamp_delta_ms) + varint_len(offset_delta);
    let tail_bytes = match record.wire_tail {
        Some(tail) => tail.len(),
        None => nullable_len(record.key) + nullable_len(record.value) + 1,
    };
    put_varint(out, (front + tail_bytes) as i32);
    out.push(0);
    put_varlong(out, timestamp_delta_ms);
    put_varint(out, offset_delta);
    match record.wire_tail {
        Some(tail) => out.extend_from_slice(tail),
        None => {
            put_nullable(out, record.key);
            put_nullable(out, record.value);
            out.push(0); // no headers before magic 2
        }
    }
}

pub(super) fn nullable_len(field: Option<&[u8]>) -> usize {
    field.map_or(1, |bytes| varint_len(bytes.len() as i32) + bytes.len())
}

pub(super) fn put_nullable(out: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, bytes.len() as i32);
            out.extend_from_slice(bytes);
        }
    }
}
