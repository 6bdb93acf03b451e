//! Magic 0 and 1: messages and compressed message sets, read as records and written again.
//!
//! A compressed message wraps a set of messages in its value. The wrapper has the offset of the
//! last one; inside, magic 0 has absolute offsets, magic 1 relative ones that count up to the
//! wrapper's (`AbstractLegacyRecordBatch` and `LegacyRecord` in Kafka). Writing is what Kafka 3
//! did; Kafka 4 turns what survives a cleaning into magic 2, see [`super::Rebuild`].

use super::codec::{CodecError, Room, Workbench};
use super::decoder::Reread;
use super::{Attributes, Batch, BatchHeader, Codec, Flaw, MessageCrc, Record};
use crate::bytes::{Cursor, Overrun, crc32};
use crate::units::{Offset, Timestamp};

/// What becomes of magic 0 and 1 batches that survive a compaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum MessageFormat {
    /// Rewritten as magic 2, as Kafka 4 does.
    #[default]
    Magic2,
    /// Kept in their magic, as Kafka 3 did.
    Keep,
}

/// The records of one magic 0 or 1 message: itself, or those of the set that it wraps.
pub struct MessageSet<'a> {
    cursor: Cursor<'a>,
    rule: OffsetRule,
    /// With log-append time all inner messages have the wrapper's timestamp.
    append_time: Option<Timestamp>,
    is_inner: bool,
    /// The offsets that the next message may have.
    least: Offset,
    most: Offset,
    index: u32,
    done: bool,
}

impl<'a> Iterator for MessageSet<'a> {
    type Item = Result<Record<'a>, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_next()
    }
}

impl Reread for MessageSet<'_> {
    fn mark(&self) -> u32 {
        0
    }

    /// Sets are small, and their messages are read one after the other.
    fn nth_at(&mut self, count: usize, _mark: Option<u32>) -> Option<Self::Item> {
        self.nth(count)
    }
}

/// How the offset field of a message is to be read.
#[derive(Clone, Copy)]
enum OffsetRule {
    Absolute,
    RelativeTo(Offset),
}

/// One message as it lies in the bytes.
struct Message<'a> {
    offset: i64,
    magic: i8,
    attributes: Attributes,
    timestamp: Timestamp,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    crc: MessageCrc<'a>,
}

impl<'a> MessageSet<'a> {
    /// Opens a batch of magic 0 or 1, unfolding a wrapper into `room`.
    pub(super) fn open(
        batch: &Batch<'a>,
        workbench: &mut Workbench,
        room: &'a mut Room,
    ) -> Result<MessageSet<'a>, Flaw> {
        let header = &batch.header;
        let message = MessageSet {
            cursor: Cursor::new(batch.bytes),
            rule: OffsetRule::Absolute,
            append_time: None,
            is_inner: false,
            least: Offset(0),
            most: header.last_offset,
            index: 0,
            done: false,
        };
        if !header.is_wrapper() {
            return Ok(message);
        }
        let wrapper = read_message(&mut Cursor::new(batch.bytes))
            .map_err(|overrun| Flaw::Record { index: 0, overrun })?;
        let packed = wrapper.value.ok_or(Flaw::Wrapper("the wrapper has no value"))?;
        let place = workbench.decompress_into(header.codec(), header.magic, packed, room)?;
        let body = room.get(place);
        let rule = match header.magic {
            0 => OffsetRule::Absolute,
            _ => OffsetRule::RelativeTo(base_offset(body, header.last_offset)?),
        };
        let append_time = header.attributes.is_log_append_time().then_some(header.max_timestamp);
        Ok(MessageSet { cursor: Cursor::new(body), rule, append_time, is_inner: true, ..message })
    }

    /// The bytes of the messages to come.
    pub(super) fn rest_bytes(&self) -> usize {
        self.cursor.rest().len()
    }

    fn read_next(&mut self) -> Option<Result<Record<'a>, Flaw>> {
        if self.done || self.cursor.is_empty() {
            let empty = !self.done && self.index == 0;
            self.done = true;
            return empty.then_some(Err(Flaw::Wrapper("the set is empty")));
        }
        let record = self.read();
        self.done = record.is_err();
        self.index += 1;
        Some(record)
    }

    fn read(&mut self) -> Result<Record<'a>, Flaw> {
        let index = self.index;
        let message =
            read_message(&mut self.cursor).map_err(|overrun| Flaw::Record { index, overrun })?;
        if self.is_inner && message.attributes.codec() != Some(Codec::None) {
            return Err(Flaw::Wrapper("a message inside the set is compressed again"));
        }
        let offset = match self.rule {
            OffsetRule::Absolute => Some(Offset(message.offset)),
            OffsetRule::RelativeTo(base) => base.checked_add(message.offset),
        };
        let Some(offset) = offset.filter(|offset| *offset <= self.most) else {
            let reason = "its offset lies outside the message set";
            return Err(Flaw::RecordContent { index, reason });
        };
        if offset < self.least {
            let reason = "its offset is not above that of the message before it";
            return Err(Flaw::RecordContent { index, reason });
        }
        self.least = offset.next();
        Ok(Record {
            offset,
            timestamp: match self.append_time {
                Some(append_time) if message.magic > 0 => append_time,
                _ => message.timestamp,
            },
            sequence: -1,
            magic: message.magic as u8,
            key: message.key,
            value: message.value,
            wire_tail: None,
            headers: &[],
            message_crc: Some(message.crc),
        })
    }
}

/// The absolute offset that relative offset 0 of a magic 1 set stands for.
fn base_offset(set: &[u8], wrapper_offset: Offset) -> Result<Offset, Flaw> {
    let mut cursor = Cursor::new(set);
    let mut last_inner = 0;
    let mut index = 0;
    while !cursor.is_empty() {
        let message =
            read_message(&mut cursor).map_err(|overrun| Flaw::Record { index, overrun })?;
        last_inner = message.offset;
        index += 1;
    }
    if index == 0 {
        return Err(Flaw::Wrapper("the set is empty"));
    }
    if last_inner < 0 || wrapper_offset.0 < last_inner {
        return Err(Flaw::Wrapper("the last inner offset lies behind the wrapper's"));
    }
    Ok(Offset(wrapper_offset.0 - last_inner))
}

fn read_message<'a>(cursor: &mut Cursor<'a>) -> Result<Message<'a>, Overrun> {
    let offset = cursor.i64()?;
    let size = cursor.i32()?;
    let bytes = cursor.nullable(i64::from(size))?.ok_or(Overrun::Length(-1))?;
    let mut inner = Cursor::new(bytes);
    let crc = MessageCrc { stored: inner.u32()?, covered: inner.rest() };
    let magic = inner.i8()?;
    let attributes = Attributes(i16::from(inner.i8()?));
    let timestamp = match magic {
        0 => Timestamp::NONE,
        1 => Timestamp(inner.i64()?),
        other => return Err(Overrun::Length(i64::from(other))),
    };
    let key_bytes = inner.i32()?;
    let key = inner.nullable(i64::from(key_bytes))?;
    let value_bytes = inner.i32()?;
    let value = inner.nullable(i64::from(value_bytes))?;
    if !inner.is_empty() {
        return Err(Overrun::Length(i64::from(size)));
    }
    Ok(Message { offset, magic, attributes, timestamp, key, value, crc })
}

/// Appends to `out` a message set of the magic and codec of `wrapper` that holds just `kept`, as
/// Kafka 3's cleaner rebuilt it: the wrapper has the offset of the last kept message, magic 1
/// inner offsets count from the first kept one.
///
/// # Errors
/// What the codec says. An empty `kept` appends nothing.
pub fn rebuild_message_set(
    wrapper: &BatchHeader,
    kept: &[Record<'_>],
    workbench: &mut Workbench,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let (Some(first), Some(last)) = (kept.first(), kept.last()) else {
        return Ok(());
    };
    let magic = wrapper.magic;
    let append_time = wrapper.attributes.is_log_append_time() && magic > 0;
    let plain = Attributes::of_legacy(Codec::None, append_time);
    let mut set = Vec::new();
    for record in kept {
        let offset = if magic == 0 { record.offset.0 } else { record.offset.0 - first.offset.0 };
        let timestamp = if append_time { wrapper.max_timestamp } else { record.timestamp };
        put_message(&mut set, offset, magic, plain, timestamp, record.key, record.value);
    }
    let newest = kept.iter().map(|record| record.timestamp).max().unwrap_or(Timestamp::NONE);
    let timestamp = if append_time { wrapper.max_timestamp } else { newest };
    let attributes = plain.with_codec(wrapper.codec());
    let mut packed = Vec::new();
    workbench.compress(wrapper.codec(), magic, &set, &mut packed)?;
    put_message(out, last.offset.0, magic, attributes, timestamp, None, Some(&packed));
    Ok(())
}

fn put_message(
    out: &mut Vec<u8>,
    offset: i64,
    magic: u8,
    attributes: Attributes,
    timestamp: Timestamp,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) {
    let mut checked = vec![magic, attributes.0 as u8];
    if magic == 1 {
        checked.extend_from_slice(&timestamp.0.to_be_bytes());
    }
    for field in [key, value] {
        let length = field.map_or(-1, |bytes| bytes.len() as i32);
        checked.extend_from_slice(&length.to_be_bytes());
        checked.extend_from_slice(field.unwrap_or_default());
    }
    out.extend_from_slice(&offset.to_be_bytes());
    out.extend_from_slice(&(checked.len() as i32 + 4).to_be_bytes());
    out.extend_from_slice(&crc32(&checked).to_be_bytes());
    out.extend_from_slice(&checked);
}
