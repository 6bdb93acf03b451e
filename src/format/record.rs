//! Records of any magic, seen through one iterator.
//!
//! A [`Decoder`] keeps what decompression needs from batch to batch (one per thread). Reading a
//! record touches its lengths and its key; values and headers are slices that nobody need look at.

use super::codec::Workbench;
use super::legacy::MessageSet;
use super::{Batch, BatchHeader, Codec, Flaw};
use crate::bytes::{Cursor, Overrun, crc32};
use crate::units::{Offset, Timestamp};

/// One record, borrowed from its batch (or from the decoder's scratch).
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp, in ms; -1 for magic 0.
    pub timestamp: Timestamp,
    /// Its sequence, or -1.
    pub sequence: i32,
    /// The magic of the record itself: an inner message can differ from its set (KAFKA-4298).
    pub magic: u8,
    /// The key. An empty key is a key.
    pub key: Option<&'a [u8]>,
    /// The value; without one the record is a tombstone. An empty value is a value.
    pub value: Option<&'a [u8]>,
    /// Magic 2: the bytes from the key's length to the record's end, to be copied as they are.
    pub(super) wire_tail: Option<&'a [u8]>,
    /// The headers, beginning with their count; empty for magic 0 and 1.
    pub(super) headers: &'a [u8],
    /// Magic 0 and 1: the message's own checksum.
    pub(super) message_crc: Option<MessageCrc<'a>>,
}

/// The checksum that each message of magic 0 and 1 carries, inside a compressed set too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageCrc<'a> {
    /// What the message says.
    pub stored: u32,
    pub(super) covered: &'a [u8],
}

impl MessageCrc<'_> {
    /// Whether it is that of the message's bytes.
    pub fn holds(&self) -> bool {
        crc32(self.covered) == self.stored
    }
}

/// A record header: a name, and bytes or null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name, UTF-8 if the producer kept to the protocol.
    pub key: &'a [u8],
    /// The value.
    pub value: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// Whether the record deletes its key.
    pub fn is_tombstone(&self) -> bool {
        self.value.is_none()
    }

    /// The message's own checksum; magic 2 has one for the batch only.
    pub fn message_crc(&self) -> Option<MessageCrc<'a>> {
        self.message_crc
    }

    /// The headers in their order.
    pub fn headers(&self) -> Headers<'a> {
        let mut cursor = Cursor::new(self.headers);
        let remaining = if self.headers.is_empty() { Ok(0) } else { cursor.varint() };
        match remaining {
            Ok(remaining) if remaining >= 0 => Headers { cursor, remaining, overrun: None },
            Ok(count) => Headers::broken(Overrun::Length(i64::from(count))),
            Err(overrun) => Headers::broken(overrun),
        }
    }

    /// Walks the headers to their end.
    ///
    /// # Errors
    /// The overrun, if they do not end exactly where the record does.
    pub fn check_headers(&self) -> Result<(), Overrun> {
        let mut headers = self.headers();
        for header in headers.by_ref() {
            header?;
        }
        if headers.cursor.is_empty() {
            Ok(())
        } else {
            Err(Overrun::Length(headers.cursor.rest().len() as i64))
        }
    }
}

/// The headers of a record; ends at the first one that does not fit.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    cursor: Cursor<'a>,
    remaining: i32,
    overrun: Option<Overrun>,
}

impl Headers<'_> {
    fn broken(overrun: Overrun) -> Self {
        Headers { cursor: Cursor::new(&[]), remaining: 0, overrun: Some(overrun) }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Result<Header<'a>, Overrun>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(overrun) = self.overrun.take() {
            return Some(Err(overrun));
        }
        if self.remaining == 0 {
            return None;
        }
        self.remaining -= 1;
        let header = read_header(&mut self.cursor);
        if header.is_err() {
            self.remaining = 0;
        }
        Some(header)
    }
}

fn read_header<'a>(cursor: &mut Cursor<'a>) -> Result<Header<'a>, Overrun> {
    let key_bytes = cursor.varint()?;
    let key = cursor.nullable(i64::from(key_bytes))?.ok_or(Overrun::Length(-1))?;
    let value_bytes = cursor.varint()?;
    let value = cursor.nullable(i64::from(value_bytes))?;
    Ok(Header { key, value })
}

/// Turns batches into records, with compression contexts and scratch that live as long as it does.
#[derive(Default)]
pub struct Decoder {
    workbench: Workbench,
    body: Vec<u8>,
}

impl Decoder {
    /// A decoder with the default limit on what a batch may expand to.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// The records of `batch`, in their order; decompresses if need be.
    ///
    /// # Errors
    /// A [`Flaw`] of the header or the body; flaws of single records come from the iterator,
    /// which ends behind the first.
    pub fn records<'s>(&'s mut self, batch: &Batch<'s>) -> Result<Records<'s>, Flaw> {
        batch.check_header()?;
        if batch.header.magic < 2 {
            let set = MessageSet::open(batch, &mut self.workbench, &mut self.body)?;
            return Ok(Records::Legacy(set));
        }
        let header = batch.header;
        // An emptied batch may name a codec but has no body to decode.
        let body = match header.codec() {
            Codec::None => batch.body(),
            _ if batch.body().is_empty() => batch.body(),
            codec => {
                self.workbench.decompress(codec, header.magic, batch.body(), &mut self.body)?;
                &self.body
            }
        };
        Ok(Records::V2(RecordsV2::new(header, body)))
    }

    /// Compression contexts, for who writes between reads.
    pub fn workbench(&mut self) -> &mut Workbench {
        &mut self.workbench
    }
}

/// The records of one batch. After an `Err` it is at its end.
pub enum Records<'a> {
    /// Of a magic 2 batch.
    V2(RecordsV2<'a>),
    /// Of a magic 0 or 1 message or message set.
    Legacy(MessageSet<'a>),
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Flaw>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Records::V2(records) => records.next(),
            Records::Legacy(set) => set.next(),
        }
    }
}

/// The records of a magic 2 batch (`DefaultRecord` in Kafka).
pub struct RecordsV2<'a> {
    header: BatchHeader,
    cursor: Cursor<'a>,
    index: u32,
    least_delta: i32,
    done: bool,
}

impl<'a> RecordsV2<'a> {
    fn new(header: BatchHeader, body: &'a [u8]) -> RecordsV2<'a> {
        let cursor = Cursor::new(body);
        RecordsV2 { header, cursor, index: 0, least_delta: 0, done: false }
    }

    #[inline]
    fn next(&mut self) -> Option<Result<Record<'a>, Flaw>> {
        if self.done {
            return None;
        }
        if i64::from(self.index) >= i64::from(self.header.record_count) {
            self.done = true;
            let claimed = i64::from(self.header.record_count);
            return (!self.cursor.is_empty())
                .then_some(Err(Flaw::Count { claimed, found: "has bytes behind the last one" }));
        }
        if self.cursor.is_empty() {
            self.done = true;
            let claimed = i64::from(self.header.record_count);
            return Some(Err(Flaw::Count { claimed, found: "ends before that" }));
        }
        let record = self.read();
        self.done = record.is_err();
        self.index += 1;
        Some(record)
    }

    #[inline]
    fn read(&mut self) -> Result<Record<'a>, Flaw> {
        let index = self.index;
        let flaw = |overrun| Flaw::Record { index, overrun };
        let length = self.cursor.varint().map_err(flaw)?;
        let bytes = self.cursor.nullable(i64::from(length)).map_err(flaw)?;
        let mut inner = Cursor::new(bytes.ok_or(flaw(Overrun::Length(-1)))?);
        let _unused_attributes = inner.i8().map_err(flaw)?;
        let timestamp_delta_ms = inner.varlong().map_err(flaw)?;
        let offset_delta = inner.varint().map_err(flaw)?;
        let wire_tail = inner.rest();
        let key_bytes = inner.varint().map_err(flaw)?;
        let key = inner.nullable(i64::from(key_bytes)).map_err(flaw)?;
        let value_bytes = inner.varint().map_err(flaw)?;
        let value = inner.nullable(i64::from(value_bytes)).map_err(flaw)?;
        if inner.is_empty() {
            return Err(flaw(Overrun::Short)); // even no headers are a count of 0
        }
        let header = &self.header;
        let offset = header.base_offset.checked_add(i64::from(offset_delta));
        let Some(offset) = offset.filter(|offset| *offset <= header.last_offset) else {
            let reason = "its offset lies outside the batch";
            return Err(Flaw::RecordContent { index, reason });
        };
        if offset_delta < self.least_delta {
            let reason = "its offset is not above that of the record before it";
            return Err(Flaw::RecordContent { index, reason });
        }
        self.least_delta = offset_delta.saturating_add(1);
        Ok(Record {
            offset,
            timestamp: if header.attributes.is_log_append_time() {
                header.max_timestamp
            } else {
                Timestamp(header.base_timestamp.0.wrapping_add(timestamp_delta_ms))
            },
            sequence: header.sequence_at(i64::from(offset_delta)),
            magic: 2,
            key,
            value,
            wire_tail: Some(wire_tail),
            headers: inner.rest(),
            message_crc: None,
        })
    }
}
