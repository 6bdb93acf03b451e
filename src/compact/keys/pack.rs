//! Keys in less room: without what they share with a pattern, to which keys of one topic tend to be
//! alike.
//!
//! A packed key begins with a byte: seven bits say how much of the pattern's front it shares, the
//! highest whether it is as long as the pattern. If it is not, its length follows, as a varint of
//! seven bits a byte. Then comes the key from where the pattern ends to be like it. So a packed key
//! says itself where it ends, and two are the same bytes only if the keys are.
//!
//! Where the pattern ends in hexadecimal digits, keys that do so too are a byte that cannot begin
//! any other, and their digits ([`HexTail`]), if that is shorter.

use super::alike::Alike;
use super::hex::HexTail;
use super::words::KeyWord;

/// The most that seven bits can say.
const MOST_SHARED: usize = 0x7f;
const AS_LONG: u8 = 0x80;
/// Shares more with the pattern than any key can, where patterns have a tail of digits.
const DIGITS: u8 = MOST_SHARED as u8;
/// Rests up to this are copied in one step of a fixed size.
const SHORT_BYTES: usize = 16;
/// Fronts up to this too.
const FRONT_BYTES: usize = 32;

/// Packs keys after one pattern.
#[derive(Clone, Debug, Default)]
pub struct Packer {
    pattern: Vec<u8>,
    /// The first bytes of the pattern, or all, and zeros behind them.
    front: [u8; FRONT_BYTES],
    alike: Alike,
    hex: Option<HexTail>,
}

impl Packer {
    /// A packer for keys that are like `pattern`; any other key fares no worse than a byte or two.
    pub fn like(pattern: &[u8]) -> Packer {
        let mut front = [0; FRONT_BYTES];
        front.iter_mut().zip(pattern).for_each(|(front, byte)| *front = *byte);
        let hex = HexTail::of(pattern).filter(|_| pattern.len() < MOST_SHARED);
        Packer { pattern: pattern.to_vec(), front, alike: Alike::of(pattern), hex }
    }

    /// Appends the packed key to `out`.
    #[inline]
    pub fn pack(&self, key: &[u8], out: &mut Vec<u8>) {
        let shared = self.shared_front(key).min(MOST_SHARED);
        let rest = key.get(shared..).unwrap_or_default();
        if let Some(hex) = &self.hex
            && hex.packed_bytes() < rest.len()
            && key.len() == self.pattern.len()
            && hex.pack(DIGITS, key, out)
        {
            return;
        }
        if key.len() == self.pattern.len() {
            out.push(shared as u8 | AS_LONG);
        } else {
            out.push(shared as u8);
            put_length(out, key.len());
        }
        match short(rest) {
            Some(bytes) => {
                let end = out.len() + rest.len();
                out.extend_from_slice(&bytes);
                out.truncate(end);
            }
            None => out.extend_from_slice(rest),
        }
    }

    /// The packed key as a word, if it is so short.
    #[inline]
    pub fn word(&self, key: &[u8]) -> Option<KeyWord> {
        match self.alike.compare(key) {
            Some((shared, rest)) => KeyWord::of(rest | shared | u64::from(AS_LONG)),
            None => self.word_of_any(key),
        }
    }

    #[inline]
    fn word_of_any(&self, key: &[u8]) -> Option<KeyWord> {
        let shared = self.shared_front(key).min(MOST_SHARED);
        let rest_bytes = key.len() - shared;
        let (front, front_bits) = if key.len() == self.pattern.len() {
            (shared as u64 | u64::from(AS_LONG), 8)
        } else if key.len() < 0x80 {
            (shared as u64 | (key.len() as u64) << 8, 16)
        } else {
            return None;
        };
        if rest_bytes * 8 + front_bits > u64::BITS as usize {
            return None;
        }
        KeyWord::of(front | last_bytes(key, rest_bytes) << front_bits)
    }

    /// The key that was packed so, in the place of what is in `key`; zeros may follow it.
    #[inline]
    pub fn unpack(&self, packed: &[u8], key: &mut Vec<u8>) {
        key.clear();
        let Some((&front, mut rest)) = packed.split_first() else { return };
        if let Some(hex) = &self.hex
            && front == DIGITS
        {
            return hex.unpack(rest, key);
        }
        let shared = usize::from(front & !AS_LONG);
        let length = if front & AS_LONG != 0 { self.pattern.len() } else { take_length(&mut rest) };
        let rest = rest.get(..length.saturating_sub(shared)).unwrap_or_default();
        if shared > FRONT_BYTES {
            key.extend_from_slice(self.pattern.get(..shared).unwrap_or_default());
        } else {
            key.extend_from_slice(&self.front);
            key.truncate(shared);
        }
        match short(rest) {
            Some(bytes) => {
                key.extend_from_slice(&bytes);
                key.truncate(shared + rest.len());
            }
            None => key.extend_from_slice(rest),
        }
    }

    /// How long the front is that key and pattern share.
    #[inline]
    fn shared_front(&self, key: &[u8]) -> usize {
        let most = key.len().min(self.pattern.len());
        let word = |bytes: &[u8], at: usize| {
            bytes.get(at..)?.first_chunk::<8>().map(|word| u64::from_le_bytes(*word))
        };
        // The last eight bytes may overlap the ones before, which are then known to be shared.
        let mut at = 0;
        while most >= 8 && at < most {
            let start = at.min(most - 8);
            let (Some(left), Some(right)) = (word(&self.pattern, start), word(key, start)) else {
                break;
            };
            if left != right {
                return start + (left ^ right).trailing_zeros() as usize / 8;
            }
            at = start + 8;
        }
        let rest = self.pattern.iter().zip(key).skip(at);
        at + rest.take_while(|(left, right)| left == right).count()
    }
}

/// The last `count` bytes of a key, no more than seven, the first of them lowest.
#[inline]
fn last_bytes(key: &[u8], count: usize) -> u64 {
    let Some(last) = key.last_chunk::<8>() else {
        let rest = key.iter().skip(key.len().saturating_sub(count));
        return rest.rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    };
    // Two steps, since none of them must be 64.
    u64::from_le_bytes(*last) >> 8 >> (8 * (7 - count.min(7)))
}

fn put_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

fn take_length(packed: &mut &[u8]) -> usize {
    let mut length = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let Some((&byte, rest)) = packed.split_first() else { break };
        *packed = rest;
        length |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    length
}

/// Bytes of which there are no more than sixteen, at the start of sixteen: two loads that overlap,
/// where a copy of any length would be a call.
#[inline]
fn short(bytes: &[u8]) -> Option<[u8; SHORT_BYTES]> {
    let length = bytes.len();
    let value = match length {
        8..=SHORT_BYTES => {
            let (first, last) = (bytes.first_chunk::<8>()?, bytes.last_chunk::<8>()?);
            let last = u128::from(u64::from_le_bytes(*last)) << (8 * (length - 8));
            u128::from(u64::from_le_bytes(*first)) | last
        }
        4..8 => {
            let (first, last) = (bytes.first_chunk::<4>()?, bytes.last_chunk::<4>()?);
            let last = u64::from(u32::from_le_bytes(*last)) << (8 * (length - 4));
            u128::from(u64::from(u32::from_le_bytes(*first)) | last)
        }
        0..4 => bytes.iter().rev().fold(0, |value, byte| value << 8 | u128::from(*byte)),
        _ => return None,
    };
    Some(value.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(pattern: &[u8], key: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Packer::like(pattern).pack(key, &mut out);
        out
    }

    /// Reads one packed key off the front of `bytes`, as the format says.
    fn unpacked<'a>(pattern: &[u8], bytes: &'a [u8]) -> (Vec<u8>, &'a [u8]) {
        if let Some(hex) = HexTail::of(pattern).filter(|_| bytes[0] == 0x7f && pattern.len() < 0x7f)
        {
            let mut key = Vec::new();
            hex.unpack(&bytes[1..], &mut key);
            return (key, &bytes[1 + hex.packed_bytes()..]);
        }
        let shared = usize::from(bytes[0] & 0x7f);
        let (mut length, mut at) = (pattern.len(), 1);
        if bytes[0] & AS_LONG == 0 {
            length = 0;
            loop {
                length |= usize::from(bytes[at] & 0x7f) << (7 * (at - 1));
                at += 1;
                if bytes[at - 1] < 0x80 {
                    break;
                }
            }
        }
        let end = at + length - shared;
        ([&pattern[..shared], &bytes[at..end]].concat(), &bytes[end..])
    }

    proptest! {
        #[test]
        fn a_packed_key_says_what_it_was_and_where_it_ends(
            pattern in
                "[ab]{0,12}|[a-d]{120,140}|[ab]{24}|k[ab]{8}-[ab]{4}-[ab]{4}-[ab]{4}-[ab]{12}",
            keys in prop::collection::vec(
                "[ab]{0,40}|[a-d]{100,300}|[ab]{24}|k[ab]{8}-[abB]{4}-[ab]{4}-[ab]{4}-[ab]{12}",
                1..6,
            ),
        ) {
            let mut out = Vec::new();
            let packer = Packer::like(pattern.as_bytes());
            keys.iter().for_each(|key| packer.pack(key.as_bytes(), &mut out));
            let (mut rest, mut again) = (out.as_slice(), Vec::new());
            for key in &keys {
                let (read, behind) = unpacked(pattern.as_bytes(), rest);
                prop_assert_eq!(read, key.as_bytes());
                packer.unpack(rest, &mut again);
                prop_assert_eq!(&again, key.as_bytes());
                rest = behind;
            }
            prop_assert!(rest.is_empty());
        }
    }

    /// A pattern and a key of the same length that has some of its bytes.
    fn like_each_other() -> BoxedStrategy<(String, String)> {
        let pairs = prop::collection::vec(("[ab]", "[ab]"), 0..30);
        (pairs, 0..30usize, 0..30usize)
            .prop_map(|(pairs, start, end)| {
                let pattern = pairs.iter().map(|(byte, _)| byte.as_str()).collect();
                let is_other = |at: &usize| (start..end).contains(at);
                let choose = |(at, (byte, other)): (usize, &(String, String))| {
                    if is_other(&at) { other.clone() } else { byte.clone() }
                };
                (pattern, pairs.iter().enumerate().map(choose).collect())
            })
            .boxed()
    }

    proptest! {
        #[test]
        fn a_word_is_the_packed_key_if_that_has_room_in_it(
            (pattern, key) in like_each_other()
                .prop_union(("[ab]{0,12}|[a-d]{120,140}", "[ab]{0,14}|[a-d]{100,300}").boxed()),
        ) {
            let packed = packed(pattern.as_bytes(), key.as_bytes());
            let word = Packer::like(pattern.as_bytes()).word(key.as_bytes());
            let bytes: Option<[u8; 8]> = match packed.len() {
                0..=8 => [packed.as_slice(), &[0; 8]].concat().first_chunk().copied(),
                _ => None,
            };
            let wanted = bytes.and_then(|bytes| KeyWord::of(u64::from_le_bytes(bytes)));
            prop_assert_eq!(word, wanted);
            if let Some(word) = word {
                let mut again = Vec::new();
                Packer::like(pattern.as_bytes()).unpack(&word.bits().to_le_bytes(), &mut again);
                prop_assert_eq!(again, key.as_bytes());
            }
        }
    }

    #[test]
    fn a_key_like_the_pattern_takes_a_byte_and_what_differs() {
        let pattern = b"user-000000417283";
        assert_eq!(packed(pattern, b"user-000000499999"), b"\x8c99999");
        assert_eq!(packed(pattern, pattern), [AS_LONG | 17]);
        assert_eq!(packed(pattern, b""), [0, 0]);
        assert_eq!(packed(b"", b"k"), [0, 1, b'k']);
    }

    #[test]
    fn a_uuid_takes_a_byte_and_sixteen_unless_it_shares_more_with_the_pattern() {
        let pattern = b"123e4567-e89b-12d3-a456-426614174000";
        assert_eq!(packed(pattern, b"00112233-4455-6677-8899-aabbccddeeff").len(), 17);
        assert_eq!(packed(pattern, b"123e4567-e89b-12d3-a456-426614174fff").len(), 4);
        assert_eq!(packed(pattern, b"00112233-4455-6677-8899-AABBCCDDEEFF").len(), 37);
    }
}
