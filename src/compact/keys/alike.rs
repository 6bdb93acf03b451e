//! Keys that are as long as a pattern and differ from it in no more than the last seven bytes, as
//! those of a counter do: to pack one takes few steps, none of which depends on where it differs.

/// A pattern as three words that may overlap, which any of 8 to 24 bytes is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alike {
    /// Of the pattern; 0, which no key with a last word has, if it is too short or too long.
    length: usize,
    /// The first eight bytes.
    first: u64,
    /// The eight in front of the last eight, or again the first.
    middle: u64,
    middle_at: usize,
    /// Which bytes of these two words lie in front of the last eight.
    in_front: u64,
    /// The last eight.
    last: u64,
}

impl Alike {
    /// For keys like `pattern`, if it has such a length.
    pub fn of(pattern: &[u8]) -> Alike {
        let length = pattern.len();
        let front_bytes = length.saturating_sub(8);
        let middle_at = front_bytes.saturating_sub(8);
        let words = (word(pattern, 0), word(pattern, middle_at), pattern.last_chunk::<8>());
        let (Some(first), Some(middle), Some(last)) = words else { return Alike::default() };
        if front_bytes > 16 {
            return Alike::default();
        }
        let in_front = if front_bytes < 8 { (1 << (8 * front_bytes)) - 1 } else { u64::MAX };
        Alike { length, first, middle, middle_at, in_front, last: u64::from_le_bytes(*last) }
    }

    /// How many bytes `key` shares with the front of the pattern, and the others above the lowest
    /// byte, in their order; `None` if the two are not alike.
    #[inline]
    pub fn compare(&self, key: &[u8]) -> Option<(u64, u64)> {
        let last = u64::from_le_bytes(*key.last_chunk::<8>()?);
        let differs = (word(key, 0)? ^ self.first) | (word(key, self.middle_at)? ^ self.middle);
        let shared_bits = (last ^ self.last).trailing_zeros() & !7;
        if key.len() != self.length || differs & self.in_front != 0 || shared_bits == 0 {
            return None;
        }
        let shared = key.len() as u64 - 8 + u64::from(shared_bits / 8);
        Some((shared, last >> (shared_bits - 8) & !0xff))
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk::<8>().map(|word| u64::from_le_bytes(*word))
}
