//! Batches of any magic turned into records, through one iterator.
//!
//! A [`Decoder`] keeps what decompression needs from batch to batch, so there is one per thread.

use std::ops::Range;

use super::codec::{Room, Workbench};
use super::fields::Fields;
use super::legacy::MessageSet;
use super::{Batch, BatchHeader, Codec, Flaw, Record};
use crate::bytes::Cursor;
use crate::units::{Offset, Timestamp};

/// Turns batches into records, with compression contexts and scratch that live as long as it does.
#[derive(Default)]
pub struct Decoder {
    workbench: Workbench,
    body: Room,
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
        self.body.clear();
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
                let body = batch.body();
                let place =
                    self.workbench.decompress_into(codec, header.magic, body, &mut self.body)?;
                self.body.get(place)
            }
        };
        Ok(Records::V2(RecordsV2::new(header, body)))
    }

    /// The first offset of `batch`; that of a compressed set of magic 0 or 1 is not in its header,
    /// and cannot be told if the set is damaged.
    pub fn first_offset(&mut self, batch: &Batch<'_>) -> Option<Offset> {
        if !batch.header.is_wrapper() {
            return Some(batch.header.base_offset);
        }
        let first = self.records(batch).ok()?.next()?.ok()?;
        Some(first.offset)
    }

    /// The decompressed body of a magic 2 batch.
    ///
    /// # Errors
    /// As [`records`](Decoder::records).
    pub fn body<'s>(&'s mut self, batch: &Batch<'s>) -> Result<&'s [u8], Flaw> {
        batch.check_header()?;
        let (codec, magic) = (batch.header.codec(), batch.header.magic);
        if codec == Codec::None || batch.body().is_empty() {
            return Ok(batch.body());
        }
        self.body.clear();
        let place = self.workbench.decompress_into(codec, magic, batch.body(), &mut self.body)?;
        Ok(self.body.get(place))
    }

    /// Decompresses the body of a magic 2 `batch` behind what `room` holds, for
    /// [`Records::of_body`] to read it there; `None` if `room` would then hold more than
    /// `most_bytes`.
    ///
    /// # Errors
    /// As [`records`](Decoder::records).
    pub fn body_within(
        &mut self,
        batch: &Batch<'_>,
        room: &mut Room,
        most_bytes: usize,
    ) -> Result<Option<Range<usize>>, Flaw> {
        batch.check_header()?;
        let (codec, magic) = (batch.header.codec(), batch.header.magic);
        Ok(self.workbench.decompress_within(codec, magic, batch.body(), room, most_bytes)?)
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

impl<'a> Records<'a> {
    /// The records of a magic 2 batch whose body was decompressed before.
    pub fn of_body(header: BatchHeader, body: &'a [u8]) -> Records<'a> {
        Records::V2(RecordsV2::new(header, body))
    }

    /// How many bytes the records to come take up, decompressed.
    pub fn rest_bytes(&self) -> usize {
        match self {
            Records::V2(records) => records.rest().len(),
            Records::Legacy(set) => set.rest_bytes(),
        }
    }
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

/// Records that are read once, and later again for only some of them, whose marks were noted. What
/// is wrong with the others then goes unnoticed, as it did not before.
pub trait Reread: Iterator {
    /// How many bytes the records to come take up: the mark of the next one.
    fn mark(&self) -> u32;

    /// As `nth`; where the `mark` of that record is known, those in front of it are not looked at.
    fn nth_at(&mut self, count: usize, mark: Option<u32>) -> Option<Self::Item>;
}

/// The records of a magic 2 batch (`DefaultRecord` in Kafka).
pub struct RecordsV2<'a> {
    header: BatchHeader,
    cursor: Cursor<'a>,
    index: u32,
    least_delta: i64,
    done: bool,
}

impl<'a> RecordsV2<'a> {
    fn new(header: BatchHeader, body: &'a [u8]) -> RecordsV2<'a> {
        let cursor = Cursor::new(body);
        RecordsV2 { header, cursor, index: 0, least_delta: 0, done: false }
    }

    /// Where it is: the header, the index of the next record and the least delta it may have.
    pub(super) fn state(&self) -> (&BatchHeader, u32, i64) {
        (&self.header, self.index, self.least_delta)
    }

    /// The bytes of the records to come.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.cursor.rest()
    }
}

impl<'a> Iterator for RecordsV2<'a> {
    type Item = Result<Record<'a>, Flaw>;

    // A record has more fields than any one reader looks at: only in place does that cost nothing.
    #[inline(always)]
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

    /// Passes over `count` records by their lengths alone, which is only for who has read them
    /// before: what is wrong within them goes unnoticed.
    #[inline]
    fn nth(&mut self, count: usize) -> Option<Self::Item> {
        for _ in 0..count {
            if i64::from(self.index) >= i64::from(self.header.record_count) {
                break;
            }
            let length = self.cursor.varint().ok().and_then(|length| usize::try_from(length).ok());
            if length.is_none_or(|length| self.cursor.bytes(length).is_err()) {
                self.done = true;
                return None;
            }
            self.index += 1;
        }
        self.next()
    }
}

impl Reread for Records<'_> {
    fn mark(&self) -> u32 {
        match self {
            Records::V2(records) => records.mark(),
            Records::Legacy(set) => set.mark(),
        }
    }

    fn nth_at(&mut self, count: usize, mark: Option<u32>) -> Option<Self::Item> {
        match self {
            Records::V2(records) => records.nth_at(count, mark),
            Records::Legacy(set) => set.nth_at(count, mark),
        }
    }
}

impl Reread for RecordsV2<'_> {
    #[inline(always)]
    fn mark(&self) -> u32 {
        self.cursor.rest().len() as u32
    }

    #[inline]
    fn nth_at(&mut self, count: usize, mark: Option<u32>) -> Option<Self::Item> {
        let Some(mark) = mark else { return self.nth(count) };
        let passed = self.cursor.rest().len().checked_sub(mark as usize)?;
        self.cursor.bytes(passed).ok()?;
        self.index = self.index.saturating_add(count as u32);
        self.next()
    }
}

impl<'a> RecordsV2<'a> {
    #[inline(always)]
    fn read(&mut self) -> Result<Record<'a>, Flaw> {
        let index = self.index;
        let (fields, behind) =
            Fields::read(self.rest()).map_err(|overrun| Flaw::Record { index, overrun })?;
        self.cursor = Cursor::new(behind);
        let offset_delta = i64::from(fields.offset_delta);
        let header = &self.header;
        let offset = header.base_offset.checked_add(offset_delta);
        let Some(offset) = offset.filter(|offset| *offset <= header.last_offset) else {
            let reason = "its offset lies outside the batch";
            return Err(Flaw::RecordContent { index, reason });
        };
        if offset_delta < self.least_delta {
            let reason = "its offset is not above that of the record before it";
            return Err(Flaw::RecordContent { index, reason });
        }
        self.least_delta = offset_delta + 1;
        Ok(Record {
            offset,
            timestamp: if header.attributes.is_log_append_time() {
                header.max_timestamp
            } else {
                Timestamp(header.base_timestamp.0.wrapping_add(fields.timestamp_delta_ms))
            },
            sequence: header.sequence_at(offset_delta),
            magic: 2,
            key: fields.key,
            value: fields.value,
            wire_tail: Some(fields.tail),
            headers: fields.headers,
            message_crc: None,
        })
    }
}
