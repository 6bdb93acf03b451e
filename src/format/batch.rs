//! One batch, its header read in place.
//!
//! Magic 2 is the record batch of KIP-98 (`DefaultRecordBatch` in Kafka), 61 bytes of header;
//! magic 0 and 1 are single messages, of which a compressed one wraps a set (`LegacyRecord`).
//! All three begin with offset i64, size i32, four bytes, magic i8. A [`Batch`] borrows its bytes
//! and has its header as plain numbers; its records come from [`super::Decoder`].

use super::{Codec, Flaw};
use crate::bytes::{Cursor, Overrun, crc32, crc32c};
use crate::units::{Offset, Timestamp};

/// The size of a magic 2 header, from the base offset to the record count.
pub const HEADER_BYTES: usize = 61;
/// Bytes in front of what the length field counts: the base offset and the field itself.
const LENGTH_END: usize = 12;
/// Where the magic stands, behind offset, length and leader epoch (or CRC): in every magic there.
pub const MAGIC_AT: usize = 16;
const MAGIC_END: usize = MAGIC_AT + 1;
/// Where the CRC of a magic 2 batch stands,
pub const CRC_AT: usize = MAGIC_END;
/// and where the bytes begin that it is of, to the end of the batch.
pub const SUMMED_FROM: usize = CRC_AT + size_of::<u32>();
/// The least length field of a magic 2 batch: the header without its first two fields.
const LEAST_LENGTH_V2: i32 = (HEADER_BYTES - LENGTH_END) as i32;
/// The least size field of a magic 0 message: CRC, magic, attributes and two null lengths.
const LEAST_LENGTH_V0: i32 = 14;

/// The attribute bits of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;
    const KNOWN_V2: i16 = 0x7f;

    /// The codec of bits 0 to 2; `None` for the three values that mean nothing.
    pub fn codec(self) -> Option<Codec> {
        Codec::from_id((self.0 & 7) as u8)
    }

    /// Bit 3: the broker's clock stamped the records, not the producer's.
    pub fn is_log_append_time(self) -> bool {
        self.0 & Self::LOG_APPEND_TIME != 0
    }

    /// Bit 4.
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Bit 5: the batch holds a marker, not user data.
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Bit 6 (KIP-534): the base timestamp is the delete horizon.
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// The same attributes with another codec.
    pub fn with_codec(self, codec: Codec) -> Attributes {
        Attributes(self.0 & !7 | i16::from(codec.id()))
    }

    /// The same attributes with the delete horizon bit set or cleared.
    pub fn with_delete_horizon(self, set: bool) -> Attributes {
        let cleared = self.0 & !Self::DELETE_HORIZON;
        Attributes(if set { cleared | Self::DELETE_HORIZON } else { cleared })
    }

    /// The attributes of a magic 2 batch that takes over a magic 0 or 1 one.
    pub fn of_legacy(codec: Codec, log_append_time: bool) -> Attributes {
        let timestamp_type = if log_append_time { Self::LOG_APPEND_TIME } else { 0 };
        Attributes(timestamp_type | i16::from(codec.id()))
    }
}

/// Whose clock a timestamp is from, under Kafka's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// Magic 0 has no timestamps.
    NoTimestampType,
    /// The producer's clock.
    CreateTime,
    /// The broker's clock.
    LogAppendTime,
}

impl TimestampType {
    /// The name that Kafka's tools print.
    pub fn name(self) -> &'static str {
        match self {
            TimestampType::NoTimestampType => "NoTimestampType",
            TimestampType::CreateTime => "CreateTime",
            TimestampType::LogAppendTime => "LogAppendTime",
        }
    }
}

/// A batch's header as numbers. What a magic does not have is -1, as Kafka shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// 0, 1 or 2.
    pub magic: u8,
    /// First offset. Of a compressed magic 0/1 set the header knows only the last one, so there
    /// this is the last offset too; see [`super::Decoder`].
    pub base_offset: Offset,
    /// Last offset that the batch takes up, whether or not its last record is still there.
    pub last_offset: Offset,
    /// The whole batch in bytes.
    pub size_bytes: usize,
    /// Term of the leader that appended it.
    pub leader_epoch: i32,
    /// The stored checksum.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: Attributes,
    /// The field as it stands: first record's timestamp, or the delete horizon (bit 6).
    pub base_timestamp: Timestamp,
    /// The largest timestamp of the batch; with log-append time that of every record.
    pub max_timestamp: Timestamp,
    /// The idempotent producer, or -1.
    pub producer_id: i64,
    /// Its epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence of the base offset, or -1.
    pub base_sequence: i32,
    /// Records in the batch; -1 for a compressed magic 0/1 set, which does not say.
    pub record_count: i32,
}

impl BatchHeader {
    /// The codec; a batch that [`Batch::parse`] accepted has a known one.
    pub fn codec(&self) -> Codec {
        self.attributes.codec().unwrap_or(Codec::None)
    }

    /// Whether this is a marker or another of Kafka's own records. Only magic 2 has them.
    pub fn is_control(&self) -> bool {
        self.attributes.is_control() && self.magic >= 2
    }

    /// Whether this belongs to a transaction. Only magic 2 has them.
    pub fn is_transactional(&self) -> bool {
        self.attributes.is_transactional() && self.magic >= 2
    }

    /// When the tombstones and markers of this batch may go (KIP-534), in ms.
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        (self.magic >= 2 && self.attributes.has_delete_horizon()).then_some(self.base_timestamp)
    }

    /// Whose clock stamped the records.
    pub fn timestamp_type(&self) -> TimestampType {
        match (self.magic, self.attributes.is_log_append_time()) {
            (0, _) => TimestampType::NoTimestampType,
            (_, true) => TimestampType::LogAppendTime,
            (_, false) => TimestampType::CreateTime,
        }
    }

    /// Sequence of the last offset, wrapping behind 2^31-1 as a producer's does; -1 without one.
    pub fn last_sequence(&self) -> i32 {
        self.sequence_at(self.last_offset.distance_from(self.base_offset))
    }

    /// Sequence of the record `offset_delta` behind the base offset (`DefaultRecordBatch`'s
    /// increment: 0 follows 2^31-1); -1 without a sequence.
    pub fn sequence_at(&self, offset_delta: i64) -> i32 {
        if self.base_sequence < 0 {
            return -1;
        }
        (i64::from(self.base_sequence).wrapping_add(offset_delta) & i64::from(i32::MAX)) as i32
    }

    /// Whether a compressed magic 0/1 message wraps a set.
    pub fn is_wrapper(&self) -> bool {
        self.magic < 2 && self.codec() != Codec::None
    }
}

/// A batch as it lies in a segment.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The header's numbers.
    pub header: BatchHeader,
    /// The whole batch, header included.
    pub bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The batch that starts where `rest` (the file from there to its end) starts.
    ///
    /// Checks what can be checked without the body: lengths, magic, attributes, offsets. The
    /// checksum is [`Batch::check_crc`], the records [`super::Decoder`].
    ///
    /// # Errors
    /// A [`Flaw`]; [`Flaw::Torn`] where the file ends before the batch does.
    pub fn parse(rest: &'a [u8]) -> Result<Batch<'a>, Flaw> {
        let torn =
            |needed: usize| Flaw::Torn { needed: needed as u64, available: rest.len() as u64 };
        let mut cursor = Cursor::new(rest);
        let short = |_: Overrun| torn(MAGIC_END);
        let offset = Offset(cursor.i64().map_err(short)?);
        let length = cursor.i32().map_err(short)?;
        if length < LEAST_LENGTH_V0 {
            let (claimed, least) = (i64::from(length), i64::from(LEAST_LENGTH_V0));
            return Err(Flaw::Length { claimed, least });
        }
        let epoch_or_crc = cursor.i32().map_err(short)?;
        let magic = cursor.i8().map_err(short)?;
        if !(0..=2).contains(&magic) {
            return Err(Flaw::Magic(magic));
        }
        if magic == 2 && length < LEAST_LENGTH_V2 {
            let (claimed, least) = (i64::from(length), i64::from(LEAST_LENGTH_V2));
            return Err(Flaw::Length { claimed, least });
        }
        let size_bytes = LENGTH_END + length as usize;
        let bytes = rest.get(..size_bytes).ok_or_else(|| torn(size_bytes))?;
        let header = if magic == 2 {
            parse_v2(cursor, offset, epoch_or_crc, size_bytes)
        } else {
            parse_legacy(cursor, offset, epoch_or_crc as u32, magic as u8, size_bytes)
        };
        let header = header.map_err(|_| torn(size_bytes))?;
        Ok(Batch { header, bytes })
    }

    /// How long the batch at the start of `rest` says it is; `None` where [`Batch::parse`] could
    /// not take it at its word.
    pub fn claimed_size(rest: &[u8]) -> Option<usize> {
        let mut cursor = Cursor::new(rest.get(LENGTH_END - 4..)?);
        let length = cursor.i32().ok().filter(|length| *length >= LEAST_LENGTH_V0)?;
        let size_bytes = LENGTH_END + length as usize;
        (size_bytes <= rest.len()).then_some(size_bytes)
    }

    /// Compares the stored checksum with that of the bytes: CRC-32C of everything behind the
    /// field for magic 2, CRC-32 for magic 0 and 1.
    ///
    /// # Errors
    /// [`Flaw::Crc`].
    pub fn check_crc(&self) -> Result<(), Flaw> {
        let summed = self.bytes.get(self.summed_from()..).unwrap_or_default();
        self.compare_crc(if self.is_magic_2() { crc32c(summed) } else { crc32(summed) })
    }

    /// Where in the batch the bytes begin that its checksum is of; they reach to its end.
    pub fn summed_from(&self) -> usize {
        if self.is_magic_2() { SUMMED_FROM } else { MAGIC_AT }
    }

    /// As [`check_crc`](Batch::check_crc), for callers that have computed the checksum.
    ///
    /// # Errors
    /// As there.
    pub fn compare_crc(&self, computed: u32) -> Result<(), Flaw> {
        let stored = self.header.crc;
        if stored == computed { Ok(()) } else { Err(Flaw::Crc { stored, computed }) }
    }

    /// What a header can contradict without its checksum noticing (a writer's mistake).
    pub fn check_header(&self) -> Result<(), Flaw> {
        let header = &self.header;
        let known = if header.magic == 2 { Attributes::KNOWN_V2 } else { 0x0f };
        let zstd_too_early = header.magic < 2 && header.codec() == Codec::Zstd;
        if header.attributes.codec().is_none()
            || header.attributes.0 & !known != 0
            || zstd_too_early
        {
            return Err(Flaw::Attributes(header.attributes.0));
        }
        if header.base_offset.0 < 0 {
            return Err(Flaw::Header("the base offset is negative"));
        }
        if header.last_offset < header.base_offset {
            return Err(Flaw::Header("the last offset lies before the base offset"));
        }
        if header.last_offset.next() == header.last_offset {
            return Err(Flaw::Header("behind the last offset there is none for the next batch"));
        }
        if header.magic == 2 && header.record_count < 0 {
            return Err(Flaw::Header("the record count is negative"));
        }
        Ok(())
    }

    /// The body behind a magic 2 header, as it is stored.
    pub fn body(&self) -> &'a [u8] {
        self.bytes.get(HEADER_BYTES..).unwrap_or_default()
    }

    /// Whether this is a record batch (KIP-98), with a header of 61 bytes, and no message set.
    pub fn is_magic_2(&self) -> bool {
        self.header.magic == 2
    }
}

fn parse_v2(
    mut cursor: Cursor<'_>,
    base_offset: Offset,
    leader_epoch: i32,
    size_bytes: usize,
) -> Result<BatchHeader, Overrun> {
    let crc = cursor.u32()?;
    let attributes = Attributes(cursor.i16()?);
    let last_offset_delta = cursor.i32()?;
    Ok(BatchHeader {
        magic: 2,
        base_offset,
        // A delta that leaves the range of offsets is caught as a last offset before the base.
        last_offset: Offset(base_offset.0.wrapping_add(i64::from(last_offset_delta))),
        size_bytes,
        leader_epoch,
        crc,
        attributes,
        base_timestamp: Timestamp(cursor.i64()?),
        max_timestamp: Timestamp(cursor.i64()?),
        producer_id: cursor.i64()?,
        producer_epoch: cursor.i16()?,
        base_sequence: cursor.i32()?,
        record_count: cursor.i32()?,
    })
}

fn parse_legacy(
    mut cursor: Cursor<'_>,
    offset: Offset,
    crc: u32,
    magic: u8,
    size_bytes: usize,
) -> Result<BatchHeader, Overrun> {
    let attributes = Attributes(i16::from(cursor.i8()?));
    let timestamp = if magic == 1 { Timestamp(cursor.i64()?) } else { Timestamp::NONE };
    let is_wrapper = attributes.codec() != Some(Codec::None);
    Ok(BatchHeader {
        magic,
        base_offset: offset,
        last_offset: offset,
        size_bytes,
        leader_epoch: -1,
        crc,
        attributes,
        base_timestamp: timestamp,
        max_timestamp: timestamp,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        record_count: if is_wrapper { -1 } else { 1 },
    })
}
