//! One record, whatever the magic of its batch, borrowed from it.
//!
//! Reading a record touches its lengths and its key; values and headers are slices that nobody need
//! look at.

use super::Flaw;
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

    /// Whether the record deletes its key, where an empty value may count as none.
    #[inline]
    pub fn deletes(&self, empty_is_tombstone: bool) -> bool {
        match self.value {
            None => true,
            Some(value) => empty_is_tombstone && value.is_empty(),
        }
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

    /// Checks what reading the record leaves unread: its headers, and the message's own checksum.
    /// `index` says which record of its batch it is.
    ///
    /// # Errors
    /// A [`Flaw`] of the record.
    #[inline]
    pub fn check_rest(&self, index: u32) -> Result<(), Flaw> {
        // By value, so that a record need not lie in memory for a reader's loop to call this.
        if self.is_bare() { Ok(()) } else { check_rest_slowly(*self, index) }
    }

    /// Whether it says that it has no headers, as nearly all records of magic 2 do.
    #[inline(always)]
    fn is_bare(&self) -> bool {
        matches!(self.headers, [0])
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

// Out of line, so that a loop over bare records stays small.
#[inline(never)]
fn check_rest_slowly(record: Record<'_>, index: u32) -> Result<(), Flaw> {
    record.check_headers().map_err(|overrun| Flaw::Record { index, overrun })?;
    if record.message_crc.is_some_and(|crc| !crc.holds()) {
        let reason = "its own CRC is not that of its bytes";
        return Err(Flaw::RecordContent { index, reason });
    }
    Ok(())
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
