//! A batch of new records, as a producer without an id sends it and a broker appends it
//! (`MemoryRecordsBuilder`, `LogValidator`).
//!
//! Records are encoded as they come; where they will lie is only said at the end.

use super::batch::{Attributes, BatchHeader, HEADER_BYTES, TimestampType};
use super::codec::{MAX_DECOMPRESSED_BYTES, Workbench};
use super::encode::{RebuildError, nullable_len, put_nullable, seal};
use super::{Codec, Header};
use crate::bytes::{put_varint, put_varlong, varint_len, varlong_len};
use crate::units::{Offset, Timestamp};

/// A record that has no offset yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord<'a> {
    /// The producer's clock, in ms.
    pub timestamp: Timestamp,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; without one the record is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers in their order.
    pub headers: Vec<Header<'a>>,
}

/// What the broker says of a batch when it appends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The first record's offset.
    pub base_offset: Offset,
    /// The leader's term.
    pub leader_epoch: i32,
    /// The codec of the body.
    pub codec: Codec,
    /// The most that the batch may take: one that the codec makes larger is not compressed.
    pub most_bytes: usize,
    /// The broker's clock, if that is what stamps the records (`message.timestamp.type`).
    pub append_time: Option<Timestamp>,
}

/// A batch in the making.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    body: Vec<u8>,
    count: i32,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
}

impl Default for BatchBuilder {
    fn default() -> BatchBuilder {
        BatchBuilder {
            body: Vec::new(),
            count: 0,
            base_timestamp: Timestamp::NONE,
            max_timestamp: Timestamp::NONE,
        }
    }
}

impl BatchBuilder {
    /// How many records it has.
    pub fn record_count(&self) -> i32 {
        self.count
    }

    /// Its first record's timestamp; [`Timestamp::NONE`] before there is one.
    pub fn base_timestamp(&self) -> Timestamp {
        self.base_timestamp
    }

    /// Its size if it were not compressed.
    pub fn size_bytes(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }

    /// What its memory takes.
    pub fn allocated_bytes(&self) -> usize {
        self.body.capacity()
    }

    /// Its uncompressed size with one more record; `None` where that is more than any batch has.
    pub fn size_with(&self, record: &NewRecord<'_>) -> Option<usize> {
        let record_bytes = self.record_bytes(record);
        let framed = record_bytes.saturating_add(varint_len(i32::try_from(record_bytes).ok()?));
        let size_bytes = self.size_bytes().saturating_add(framed);
        (size_bytes <= i32::MAX as usize && self.count < i32::MAX).then_some(size_bytes)
    }

    /// Adds a record, which [`BatchBuilder::size_with`] has found room for.
    pub fn push(&mut self, record: &NewRecord<'_>) {
        let record_bytes = self.record_bytes(record);
        if self.count == 0 {
            self.base_timestamp = record.timestamp;
        }
        put_varint(&mut self.body, record_bytes as i32);
        self.body.push(0);
        let delta_ms = self.delta_ms(record);
        put_varlong(&mut self.body, delta_ms);
        put_varint(&mut self.body, self.count);
        put_nullable(&mut self.body, record.key);
        put_nullable(&mut self.body, record.value);
        put_varint(&mut self.body, record.headers.len() as i32);
        for header in &record.headers {
            put_nullable(&mut self.body, Some(header.key));
            put_nullable(&mut self.body, header.value);
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        self.count += 1;
    }

    /// Appends the batch to `out`, and begins another in the same memory. It is not compressed if
    /// that makes it larger than it may be, or if it is larger than what is ever decompressed.
    ///
    /// # Errors
    /// The codec's; a base offset that has no room behind it.
    pub fn finish(
        &mut self,
        appended: Appended,
        workbench: &mut Workbench,
        out: &mut Vec<u8>,
    ) -> Result<BatchHeader, RebuildError> {
        let last_offset = appended
            .base_offset
            .checked_add(i64::from(self.count) - 1)
            .filter(|last| self.count > 0 && last.next() != *last)
            .ok_or(RebuildError::Records("no offsets are left behind its end"))?;
        let is_append_time = appended.append_time.is_some();
        // What nobody would unpack is not packed.
        let is_readable = self.body.len() <= MAX_DECOMPRESSED_BYTES;
        let codec = if is_readable { appended.codec } else { Codec::None };
        let mut header = BatchHeader {
            magic: 2,
            base_offset: appended.base_offset,
            last_offset,
            size_bytes: 0,
            leader_epoch: appended.leader_epoch,
            crc: 0,
            attributes: Attributes::of_legacy(codec, is_append_time),
            base_timestamp: self.base_timestamp,
            max_timestamp: appended.append_time.unwrap_or(self.max_timestamp),
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: self.count,
        };
        debug_assert_eq!(
            header.timestamp_type() == TimestampType::LogAppendTime,
            is_append_time,
            "the attributes say whose clock it is"
        );
        let start = out.len();
        out.resize(start + HEADER_BYTES, 0);
        match codec {
            Codec::None => out.extend_from_slice(&self.body),
            codec => workbench.compress(codec, 2, &self.body, out)?,
        }
        if out.len() - start > appended.most_bytes && codec != Codec::None {
            out.truncate(start + HEADER_BYTES);
            out.extend_from_slice(&self.body);
            header.attributes = header.attributes.with_codec(Codec::None);
        }
        let header = seal(header, out, start);
        self.body.clear();
        (self.count, self.max_timestamp) = (0, Timestamp::NONE);
        self.base_timestamp = Timestamp::NONE;
        Ok(header)
    }

    fn delta_ms(&self, record: &NewRecord<'_>) -> i64 {
        match self.count {
            0 => 0,
            _ => record.timestamp.0.wrapping_sub(self.base_timestamp.0),
        }
    }

    /// What stands behind the record's length; saturating, for fields beyond any batch.
    fn record_bytes(&self, record: &NewRecord<'_>) -> usize {
        let front = 1 + varlong_len(self.delta_ms(record)) + varint_len(self.count);
        let headers = record.headers.iter().map(|header| {
            nullable_len(Some(header.key)).saturating_add(nullable_len(header.value))
        });
        let count = varint_len(record.headers.len() as i32);
        headers
            .chain([nullable_len(record.key), nullable_len(record.value), count])
            .fold(front, usize::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Decoder};
    use super::*;

    #[test]
    fn what_goes_in_is_read_back_with_any_codec_and_has_the_size_foretold() {
        let headers =
            vec![Header { key: b"trace", value: Some(b"1") }, Header { key: b"", value: None }];
        let records = [
            NewRecord { timestamp: Timestamp(1000), key: None, value: Some(b""), headers: vec![] },
            NewRecord { timestamp: Timestamp(990), key: Some(b"k"), value: None, headers },
            NewRecord {
                timestamp: Timestamp(5_000_000_000_000),
                key: Some(&[0xff; 300]),
                value: Some(&[7; 70_000]),
                headers: vec![],
            },
        ];
        let mut builder = BatchBuilder::default();
        let mut workbench = Workbench::new();
        for codec in Codec::ALL {
            for record in &records {
                let foretold = builder.size_with(record);
                builder.push(record);
                assert_eq!(foretold, Some(builder.size_bytes()));
            }
            let uncompressed = builder.size_bytes();
            let mut out = b"before".to_vec();
            let base_offset = Offset(41);
            let (leader_epoch, most_bytes) = (3, usize::MAX);
            let append_time = None;
            let appended = Appended { base_offset, leader_epoch, codec, most_bytes, append_time };
            let header = builder.finish(appended, &mut workbench, &mut out).unwrap();
            let batch = Batch::parse(&out[6..]).unwrap();
            assert_eq!((batch.header, batch.check_crc()), (header, Ok(())));
            assert_eq!(batch.header.last_offset, Offset(43));
            assert_eq!(batch.header.max_timestamp, Timestamp(5_000_000_000_000));
            assert_eq!(codec == Codec::None, header.size_bytes == uncompressed);
            let mut decoder = Decoder::new();
            let read: Vec<_> = decoder.records(&batch).unwrap().map(Result::unwrap).collect();
            assert_eq!(read.len(), records.len());
            for (read, record) in read.iter().zip(&records) {
                assert_eq!((read.key, read.value), (record.key, record.value));
                assert_eq!(read.timestamp, record.timestamp);
                let headers: Vec<_> = read.headers().map(Result::unwrap).collect();
                assert_eq!(headers, record.headers);
            }
        }
    }

    #[test]
    fn a_batch_that_a_codec_would_make_too_large_is_not_compressed() {
        for most_bytes in [1, 70, 1000] {
            let mut builder = BatchBuilder::default();
            let (timestamp, value) = (Timestamp(5), Some(&b"v"[..]));
            builder.push(&NewRecord { timestamp, key: None, value, headers: vec![] });
            let (codec, base_offset) = (Codec::Gzip, Offset(0));
            let (leader_epoch, append_time) = (0, None);
            let appended = Appended { base_offset, leader_epoch, codec, most_bytes, append_time };
            let mut out = Vec::new();
            let header = builder.finish(appended, &mut Workbench::new(), &mut out).unwrap();
            assert_eq!(header.codec(), if most_bytes < 80 { Codec::None } else { codec });
            assert_eq!(Batch::parse(&out).unwrap().check_crc(), Ok(()));
        }
    }

    #[test]
    fn the_brokers_clock_is_that_of_every_record_if_the_topic_says_so() {
        let mut builder = BatchBuilder::default();
        let (timestamp, value) = (Timestamp(5), Some(&b"v"[..]));
        builder.push(&NewRecord { timestamp, key: None, value, headers: vec![] });
        let mut out = Vec::new();
        let appended = Appended {
            base_offset: Offset(0),
            leader_epoch: 0,
            codec: Codec::None,
            most_bytes: usize::MAX,
            append_time: Some(Timestamp(77)),
        };
        builder.finish(appended, &mut Workbench::new(), &mut out).unwrap();
        let batch = Batch::parse(&out).unwrap();
        let record = Decoder::new().records(&batch).unwrap().next().unwrap().unwrap().timestamp;
        assert_eq!((record, batch.header.base_timestamp), (Timestamp(77), Timestamp(5)));
    }
}
