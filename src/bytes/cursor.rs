//! A bounds-checked, big-endian cursor: every read either fits or is an [`Overrun`].

use std::fmt;

/// A read that the bytes do not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overrun {
    /// Fewer bytes are left than the value needs.
    Short,
    /// A length field is negative where that has no meaning, or larger than what is left.
    Length(i64),
    /// A variable-length integer does not end within its limit.
    Varint,
}

impl fmt::Display for Overrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Overrun::Short => write!(f, "the bytes end inside a field"),
            Overrun::Length(n) => write!(f, "a length field says {n}, beyond the bytes it is in"),
            Overrun::Varint => write!(f, "a variable-length integer does not end"),
        }
    }
}

/// Reads forward through `bytes`; a failed read leaves the cursor where it was or at the end.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

macro_rules! big_endian {
    ($($name:ident -> $int:ty),*) => {$(
        #[doc = concat!("The next `", stringify!($int), "`, big-endian.")]
        #[inline]
        pub fn $name(&mut self) -> Result<$int, Overrun> {
            let (head, rest) = self.rest.split_first_chunk().ok_or(Overrun::Short)?;
            self.rest = rest;
            Ok(<$int>::from_be_bytes(*head))
        }
    )*};
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    /// The bytes not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    big_endian!(i8 -> i8, i16 -> i16, i32 -> i32, i64 -> i64, u16 -> u16, u32 -> u32, f64 -> f64);

    /// The next `length` bytes.
    #[inline]
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8], Overrun> {
        let (head, rest) =
            self.rest.split_at_checked(length).ok_or(Overrun::Length(length as i64))?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `length` bytes for a signed length field; -1 (or any negative one) is null.
    #[inline]
    pub fn nullable(&mut self, length: i64) -> Result<Option<&'a [u8]>, Overrun> {
        if length < 0 {
            return if length == -1 { Ok(None) } else { Err(Overrun::Length(length)) };
        }
        let length_bytes = usize::try_from(length).map_err(|_| Overrun::Length(length))?;
        self.bytes(length_bytes).map(Some)
    }

    /// A zig-zag integer of at most five bytes (`ByteUtils.readVarint` in Kafka).
    #[inline]
    pub fn varint(&mut self) -> Result<i32, Overrun> {
        let raw = self.unsigned(5)? as u32;
        Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    /// A zig-zag integer of at most ten bytes (`ByteUtils.readVarlong` in Kafka).
    #[inline]
    pub fn varlong(&mut self) -> Result<i64, Overrun> {
        let raw = self.unsigned(10)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// An integer of at most five bytes without a sign (`ByteUtils.readUnsignedVarint` in Kafka).
    #[inline]
    pub fn unsigned_varint(&mut self) -> Result<u32, Overrun> {
        Ok(self.unsigned(5)? as u32)
    }

    #[inline]
    fn unsigned(&mut self, most_bytes: usize) -> Result<u64, Overrun> {
        let (value, rest) = match short(self.rest) {
            Some(read) => read,
            None => long(self.rest, most_bytes)?,
        };
        self.rest = rest;
        Ok(value)
    }
}

/// A variable-length integer of one or two bytes, as nearly all lengths and deltas of a record are,
/// and what is behind it.
#[inline]
fn short(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((u64::from(first), rest));
    }
    let (&second, rest) = rest.split_first()?;
    (second < 0x80).then_some((u64::from(first & 0x7f) | u64::from(second) << 7, rest))
}

/// One of any length. Out of line and by value, so that a cursor stays in registers on the way that
/// is common.
#[inline(never)]
fn long(bytes: &[u8], most_bytes: usize) -> Result<(u64, &[u8]), Overrun> {
    // Where eight bytes are left, the end is found and the groups of seven bits are joined in a few
    // steps over all of them at once.
    if let Some(chunk) = bytes.first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let ends = !word & 0x8080_8080_8080_8080;
        if ends != 0 {
            let count = ends.trailing_zeros() as usize / 8 + 1;
            if count > most_bytes {
                return Err(Overrun::Varint);
            }
            let rest = bytes.get(count..).unwrap_or_default();
            return Ok((join_sevens(word & (ends ^ (ends - 1))), rest));
        }
    }
    long_slowly(bytes, most_bytes)
}

#[cold]
fn long_slowly(bytes: &[u8], most_bytes: usize) -> Result<(u64, &[u8]), Overrun> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().take(most_bytes).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Ok((value, bytes.get(index + 1..).unwrap_or_default()));
        }
    }
    Err(if bytes.len() < most_bytes { Overrun::Short } else { Overrun::Varint })
}

/// Joins the low seven bits of each of eight bytes, the first the lowest.
#[inline]
fn join_sevens(word: u64) -> u64 {
    let pairs = (word & 0x007f_007f_007f_007f) | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = (pairs & 0x0000_3fff_0000_3fff) | (pairs & 0x3fff_0000_3fff_0000) >> 2;
    (fours & 0x0fff_ffff) | (fours & 0x0fff_ffff_0000_0000) >> 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_big_endian_and_a_short_read_is_an_overrun() {
        let mut cursor = Cursor::new(&[0, 0, 0, 7, 0xff, 0xff, 1]);
        assert_eq!(cursor.i32(), Ok(7));
        assert_eq!(cursor.i16(), Ok(-1));
        assert_eq!(cursor.i16(), Err(Overrun::Short));
        assert_eq!(cursor.i8(), Ok(1));
        assert!(cursor.is_empty());
    }

    #[test]
    fn a_varint_without_an_end_is_refused_not_followed() {
        assert_eq!(Cursor::new(&[0x80; 32]).varint(), Err(Overrun::Varint));
        assert_eq!(Cursor::new(&[0x80; 32]).varlong(), Err(Overrun::Varint));
        assert_eq!(Cursor::new(&[0x80; 3]).varint(), Err(Overrun::Short));
    }

    #[test]
    fn only_minus_one_means_null() {
        assert_eq!(Cursor::new(b"ab").nullable(-1), Ok(None));
        assert_eq!(Cursor::new(b"ab").nullable(-2), Err(Overrun::Length(-2)));
        assert_eq!(Cursor::new(b"ab").nullable(2), Ok(Some(&b"ab"[..])));
        assert_eq!(Cursor::new(b"ab").nullable(3), Err(Overrun::Length(3)));
        assert_eq!(Cursor::new(b"ab").nullable(i64::MAX), Err(Overrun::Length(i64::MAX)));
    }
}
