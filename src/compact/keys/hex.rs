//! Keys that end in hexadecimal digits, as UUIDs, object ids and digests do: two digits are a byte.
//!
//! What is packed so is what comes out again, to the letter: a key with a capital, or with a hyphen
//! elsewhere, is not packed so.

/// Eight digits, the first one lowest.
const DIGITS: usize = 8;
/// With fewer, little is won.
const LEAST_DIGITS: usize = 16;
const MOST_DIGITS: usize = 64;
const UUID_BYTES: usize = 36;
const UUID_DIGITS: usize = 32;
const HYPHENS_AT: [usize; 4] = [8, 13, 18, 23];

/// How the keys end that are like a pattern.
#[derive(Clone, Debug)]
pub struct HexTail {
    /// What all of them begin with.
    front: Vec<u8>,
    /// How many digits follow, a multiple of eight.
    digits: usize,
    /// Whether these are those of a UUID, with hyphens between them.
    is_uuid: bool,
}

impl HexTail {
    /// That of `pattern`, if it ends so.
    pub fn of(pattern: &[u8]) -> Option<HexTail> {
        let is_uuid = pattern.last_chunk::<UUID_BYTES>().is_some_and(|tail| uuid(tail).is_some());
        let is_digit = |byte: &&u8| matches!(**byte, b'0'..=b'9' | b'a'..=b'f');
        let run = pattern.iter().rev().take_while(is_digit).count();
        let (digits, tail_bytes) = if is_uuid {
            (UUID_DIGITS, UUID_BYTES)
        } else {
            let digits = run.min(MOST_DIGITS) / DIGITS * DIGITS;
            (digits, digits)
        };
        let front = pattern.get(..pattern.len().checked_sub(tail_bytes)?)?.to_vec();
        (digits >= LEAST_DIGITS).then_some(HexTail { front, digits, is_uuid })
    }

    /// How many bytes a key takes once it is packed.
    pub fn packed_bytes(&self) -> usize {
        self.digits / 2
    }

    /// Appends `mark` and the digits of `key` to `out`, and says so, if it is such a key.
    #[inline]
    pub fn pack(&self, mark: u8, key: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(tail) = key.strip_prefix(self.front.as_slice()) else { return false };
        if self.is_uuid {
            let Some(number) = uuid(tail) else { return false };
            // In one step: it is done for each record.
            let mut packed = [mark; 1 + UUID_DIGITS / 2];
            packed[1..].copy_from_slice(&number.to_le_bytes());
            out.extend_from_slice(&packed);
            return true;
        }
        let start = out.len();
        out.push(mark);
        let words = tail.as_chunks::<DIGITS>().0.iter().map(|word| u64::from_le_bytes(*word));
        let is_packed = tail.len() == self.digits
            && words.into_iter().all(|word| {
                let bits = bits(word);
                out.extend_from_slice(&bits.to_le_bytes());
                text(bits) == word
            });
        if !is_packed {
            out.truncate(start);
        }
        is_packed
    }

    /// Appends to `key` the one whose digits are `packed`; bytes behind them are no part of it.
    pub fn unpack(&self, packed: &[u8], key: &mut Vec<u8>) {
        key.extend_from_slice(&self.front);
        let packed = packed.get(..self.packed_bytes()).unwrap_or_default();
        if let (true, Some(number)) = (self.is_uuid, packed.first_chunk()) {
            key.extend_from_slice(&uuid_text(u128::from_le_bytes(*number)));
            return;
        }
        for bits in packed.as_chunks::<{ DIGITS / 2 }>().0 {
            key.extend_from_slice(&text(u32::from_le_bytes(*bits)).to_le_bytes());
        }
    }
}

/// What the digits of a UUID say, the first one lowest; `None` if it is not the text of one.
#[inline]
fn uuid(tail: &[u8]) -> Option<u128> {
    let tail: &[u8; UUID_BYTES] = tail.try_into().ok()?;
    let four = |at: usize| Some(u32::from_le_bytes(*tail.get(at..)?.first_chunk()?));
    let eight = |one: u32, other: u32| u64::from(one) | u64::from(other) << 32;
    let words = [
        eight(four(0)?, four(4)?),
        eight(four(9)?, four(14)?),
        eight(four(19)?, four(24)?),
        eight(four(28)?, four(32)?),
    ];
    let all = words.map(bits);
    // No branch but the last: nearly all are what they seem to be.
    let hyphens = HYPHENS_AT.map(|at| tail.get(at).map_or(1, |byte| u64::from(byte ^ b'-')));
    let differs = words.into_iter().zip(all).map(|(word, bits)| word ^ text(bits));
    let differs = differs.chain(hyphens).fold(0, |differs, it| differs | it);
    let number = all.into_iter().rev().fold(0, |number, bits| number << 32 | u128::from(bits));
    (differs == 0).then_some(number)
}

/// The text of a UUID with these digits.
fn uuid_text(number: u128) -> [u8; UUID_BYTES] {
    let mut tail = [b'-'; UUID_BYTES];
    let digits = [0, 32, 64, 96].map(|shift| text((number >> shift) as u32).to_le_bytes());
    let groups = [(0..8, 0), (9..13, 8), (14..18, 12), (19..23, 16), (24..36, 20)];
    for (group, from) in groups {
        let of_group = digits.as_flattened().get(from..from + group.len());
        if let (Some(group), Some(digits)) = (tail.get_mut(group), of_group) {
            group.copy_from_slice(digits);
        }
    }
    tail
}

/// What eight digits say, the first one lowest. If they are none, the [`text`] of that is another.
#[inline]
fn bits(word: u64) -> u32 {
    let is_letter = word >> 6 & every(0x01);
    let digits = (word & every(0x0f)).wrapping_add(is_letter.wrapping_mul(9));
    let pairs = (digits | digits >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    (fours | fours >> 16) as u32
}

/// The eight digits that say these bits.
#[inline]
fn text(bits: u32) -> u64 {
    let fours = (u64::from(bits) | u64::from(bits) << 16) & 0x0000_ffff_0000_ffff;
    let pairs = (fours | fours << 8) & 0x00ff_00ff_00ff_00ff;
    let digits = (pairs | pairs << 4) & every(0x0f);
    let is_letter = (digits + every(0x06)) >> 4 & every(0x01);
    digits + every(b'0') + is_letter * u64::from(b'a' - b'0' - 10)
}

const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    /// What looks like it, or nearly so.
    const NEARLY: &str = "[0-9a-gA-F/:@`]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}[-0][0-9a-f]{12}";

    fn packed(pattern: &str, key: &str) -> Option<Vec<u8>> {
        let mut out = b"before".to_vec();
        let is_packed = HexTail::of(pattern.as_bytes())?.pack(b'!', key.as_bytes(), &mut out);
        assert!(is_packed && out.get(6) == Some(&b'!') || out == b"before");
        is_packed.then(|| out.split_off(7))
    }

    proptest! {
        #[test]
        fn digits_come_out_as_they_went_in_and_nothing_else_is_packed(
            front in "[a-z:]{0,9}",
            pattern in UUID,
            key in [UUID, NEARLY, "[0-9a-f]{36}", "[0-9a-f-]{0,40}"]
                .map(|any| proptest::string::string_regex(any).unwrap().boxed())
                .into_iter().reduce(|one, other| one.prop_union(other).boxed()).unwrap(),
        ) {
            let (pattern, key) = (format!("{front}{pattern}"), format!("{front}{key}"));
            let tail = HexTail::of(pattern.as_bytes()).unwrap();
            let is_uuid = key.len() == front.len() + UUID_BYTES
                && key.bytes().skip(front.len()).enumerate().all(|(at, byte)| {
                    let digit = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                    if HYPHENS_AT.contains(&at) { byte == b'-' } else { digit }
                });
            let packed = packed(&pattern, &key);
            prop_assert_eq!(packed.is_some(), is_uuid);
            if let Some(packed) = packed {
                prop_assert_eq!(packed.len(), tail.packed_bytes());
                let mut again = Vec::new();
                tail.unpack(&[packed.as_slice(), b"behind"].concat(), &mut again);
                prop_assert_eq!(again, key.into_bytes());
            }
        }

        #[test]
        fn a_run_of_digits_is_packed_by_eights_and_what_lies_in_front_of_it_is_the_front(
            front in "[g-z]{0,5}",
            pattern in "[0-9a-f]{16,80}",
            other in "[0-9a-f]{16,80}",
        ) {
            let pattern = format!("{front}{pattern}");
            let tail = HexTail::of(pattern.as_bytes()).unwrap();
            // As long as the pattern, and with its front.
            let (shared, _) = pattern.split_at(pattern.len() - 2 * tail.packed_bytes());
            let digits: String = other.chars().cycle().take(2 * tail.packed_bytes()).collect();
            let key = format!("{shared}{digits}");
            let packed = packed(&pattern, &key).unwrap();
            let mut again = Vec::new();
            tail.unpack(&packed, &mut again);
            prop_assert_eq!(again, key.into_bytes());
        }

        #[test]
        fn a_run_in_which_one_byte_is_no_digit_is_not_packed(
            pattern in "[0-9a-f]{16,64}",
            at in any::<prop::sample::Index>(),
            byte in prop::sample::select(b"/:@`gAFG\0\x7f\x80\xff-".as_slice()),
        ) {
            let tail = HexTail::of(pattern.as_bytes()).unwrap();
            let front = pattern.len() - 2 * tail.packed_bytes();
            let mut key = pattern.into_bytes();
            let at = front + at.index(key.len() - front);
            key[at] = byte;
            let mut out = b"before".to_vec();
            prop_assert!(!tail.pack(b'!', &key, &mut out));
            prop_assert_eq!(out, b"before");
        }

        #[test]
        fn whatever_eight_digits_say_is_said_by_them_alone(number in any::<u32>()) {
            let digits = text(number).to_le_bytes();
            prop_assert!(digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')));
            prop_assert_eq!(bits(u64::from_le_bytes(digits)), number);
        }
    }

    #[test]
    fn patterns_without_enough_digits_at_their_end_have_none() {
        for pattern in ["", "user-000000417283", "0123456789abcde", "0123456789abcdeF", "x"] {
            assert!(HexTail::of(pattern.as_bytes()).is_none(), "{pattern}");
        }
        let uuid = "orders/123e4567-e89b-12d3-a456-426614174000";
        assert_eq!(HexTail::of(uuid.as_bytes()).unwrap().packed_bytes(), 16);
        let id = "id-507f1f77bcf86cd799439011";
        assert_eq!(HexTail::of(id.as_bytes()).unwrap().packed_bytes(), 12);
    }
}
