//! The fields of a magic 2 record as they lie in the bytes (`DefaultRecord` in Kafka).
//!
//! All of them but the attributes begin with an integer of variable length, nearly always a short
//! one. So there are two ways to read a record: a quick one for what is short, whole and sound, and
//! a slow one for everything else, which alone knows what can be wrong.

use crate::bytes::{Cursor, Overrun};

/// The fields of a record, each within the bytes of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub timestamp_delta_ms: i64,
    pub offset_delta: i32,
    /// From the key's length to the end.
    pub tail: &'a [u8],
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// The headers with their count: never without a byte.
    pub headers: &'a [u8],
}

/// More than the length, the attributes and three short integers can take up.
const FRONT_BYTES: usize = 16;

impl<'a> Fields<'a> {
    /// Reads the record at the start of `bytes`; with it comes what is behind.
    ///
    /// # Errors
    /// The first field that does not fit.
    #[inline(always)]
    pub fn read(bytes: &'a [u8]) -> Result<(Fields<'a>, &'a [u8]), Overrun> {
        match Fields::quickly(bytes) {
            Some(read) => Ok(read),
            None => Fields::slowly(bytes),
        }
    }

    /// `None` where it takes the slow way.
    #[inline(always)]
    fn quickly(bytes: &'a [u8]) -> Option<(Fields<'a>, &'a [u8])> {
        let mut front = Front { bytes: bytes.first_chunk()?, at: 0 };
        let size_bytes = size(front.next()?)?;
        let (record, behind) = bytes.split_at_checked(front.at + size_bytes)?;
        front.at += 1; // attributes, of which none is in use
        let timestamp_delta = i64::from(front.next()?);
        let offset_delta = size(front.next()?)?;
        let tail = record.get(front.at..)?;
        let key_bytes = front.next()?;
        let (key, rest) = split_nullable(record.get(front.at..)?, key_bytes)?;
        let (value_bytes, rest) = short(rest)?;
        let (value, headers) = split_nullable(rest, value_bytes)?;
        let fields = Fields {
            timestamp_delta_ms: timestamp_delta >> 1 ^ -(timestamp_delta & 1),
            offset_delta: offset_delta as i32,
            tail,
            key,
            value,
            headers,
        };
        (!headers.is_empty()).then_some((fields, behind))
    }

    // Out of line and by value, so that what is read quickly stays in registers.
    #[inline(never)]
    fn slowly(bytes: &'a [u8]) -> Result<(Fields<'a>, &'a [u8]), Overrun> {
        let mut cursor = Cursor::new(bytes);
        let length = cursor.varint()?;
        let record = cursor.nullable(i64::from(length))?.ok_or(Overrun::Length(-1))?;
        let behind = cursor.rest();
        let mut cursor = Cursor::new(record);
        let _unused_attributes = cursor.i8()?;
        let timestamp_delta_ms = cursor.varlong()?;
        let offset_delta = cursor.varint()?;
        let tail = cursor.rest();
        let key_bytes = cursor.varint()?;
        let key = cursor.nullable(i64::from(key_bytes))?;
        let value_bytes = cursor.varint()?;
        let value = cursor.nullable(i64::from(value_bytes))?;
        let headers = cursor.rest();
        if headers.is_empty() {
            return Err(Overrun::Short); // even no headers are a count of 0
        }
        Ok((Fields { timestamp_delta_ms, offset_delta, tail, key, value, headers }, behind))
    }
}

/// Integers of up to three bytes that follow one another, whose bytes need not be counted first.
struct Front<'a> {
    bytes: &'a [u8; FRONT_BYTES],
    at: usize,
}

impl Front<'_> {
    /// The bits of the next one.
    #[inline(always)]
    fn next(&mut self) -> Option<u32> {
        let byte = |at: usize| self.bytes.get(at).map(|byte| u32::from(*byte));
        let first = byte(self.at)?;
        if first < 0x80 {
            self.at += 1;
            return Some(first);
        }
        let second = byte(self.at + 1)?;
        if second < 0x80 {
            self.at += 2;
            return Some(first & 0x7f | second << 7);
        }
        let third = byte(self.at + 2)?;
        self.at += 3;
        (third < 0x80).then_some(first & 0x7f | (second & 0x7f) << 7 | third << 14)
    }
}

/// The bits of an integer of one or two bytes, and what is behind it.
#[inline(always)]
fn short(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((u32::from(first), rest));
    }
    let (&second, rest) = rest.split_first()?;
    (second < 0x80).then_some((u32::from(first & 0x7f) | u32::from(second) << 7, rest))
}

/// What the bits of an integer stand for that is not below zero.
#[inline(always)]
fn size(zigzag: u32) -> Option<usize> {
    (zigzag & 1 == 0).then_some(zigzag as usize >> 1)
}

/// The bytes of a field with a length of these bits, -1 for null, and those behind it.
#[inline(always)]
fn split_nullable(bytes: &[u8], zigzag: u32) -> Option<(Option<&[u8]>, &[u8])> {
    match size(zigzag) {
        Some(length) => bytes.split_at_checked(length).map(|(field, rest)| (Some(field), rest)),
        None if zigzag == 1 => Some((None, bytes)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bytes::{put_varint, put_varlong};

    fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
        put_varint(out, bytes.map_or(-1, |bytes| bytes.len() as i32));
        out.extend_from_slice(bytes.unwrap_or_default());
    }

    fn written(timestamp: i64, offset: i32, key: Option<&[u8]>, value: Option<&[u8]>) -> Vec<u8> {
        let mut record = vec![0];
        put_varlong(&mut record, timestamp);
        put_varint(&mut record, offset);
        put_bytes(&mut record, key);
        put_bytes(&mut record, value);
        record.push(0);
        let mut out = Vec::new();
        put_bytes(&mut out, Some(&record));
        out
    }

    fn number() -> impl Strategy<Value = i64> {
        (0..63u32, any::<i64>()).prop_map(|(shift, bits)| bits >> shift)
    }

    fn field() -> impl Strategy<Value = Option<Vec<u8>>> {
        let bytes = prop_oneof![0..4usize, 50..80usize, 8100..8300usize];
        prop::option::of(bytes.prop_map(|length| vec![7; length]))
    }

    proptest! {
        #[test]
        fn what_is_read_quickly_is_what_is_read_slowly(
            (timestamp, offset, key, value) in (number(), number(), field(), field()),
            behind in 0..20usize,
            damage in prop::collection::vec((0..20usize, any::<u8>()), 0..3),
            end in 0..400usize,
        ) {
            let mut bytes = written(timestamp, offset as i32, key.as_deref(), value.as_deref());
            bytes.resize(bytes.len() + behind, 1);
            for (at, byte) in damage {
                bytes.get_mut(at).into_iter().for_each(|damaged| *damaged = byte);
            }
            bytes.truncate(if end < 100 { end } else { usize::MAX });
            if let Some(read) = Fields::quickly(&bytes) {
                prop_assert_eq!(Fields::slowly(&bytes), Ok(read));
            }
        }
    }

    #[test]
    fn what_is_short_and_sound_is_read_quickly() {
        for (key, value) in [(17, 120), (0, 8000), (100, 0), (64, 64)] {
            let (key, value) = (vec![1; key], vec![2; value]);
            for (key, value) in [(Some(key.as_slice()), None), (None, Some(value.as_slice()))] {
                for (timestamp, offset) in [(0, 0), (-5, 63), (8191, 64), (-70_000, 9999)] {
                    let mut bytes = written(timestamp, offset, key, value);
                    bytes.resize(bytes.len() + 16, 1);
                    let (fields, behind) = Fields::quickly(&bytes).unwrap();
                    assert_eq!(
                        (fields.timestamp_delta_ms, fields.offset_delta),
                        (timestamp, offset)
                    );
                    assert_eq!((fields.key, fields.value, behind), (key, value, &[1; 16][..]));
                    assert_eq!((fields.headers, fields.tail.last()), (&[0][..], Some(&0)));
                }
            }
        }
    }
}
