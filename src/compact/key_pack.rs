//! Keys in less room: without what they share with a pattern, to which keys of one topic tend to be
//! alike.
//!
//! A packed key begins with a byte: seven bits say how much of the pattern's front it shares, the
//! highest whether it is as long as the pattern. If it is not, its length follows, as a varint of
//! seven bits a byte. Then comes the key from where the pattern ends to be like it. So a packed key
//! says itself where it ends, and two are the same bytes only if the keys are.

/// The most that seven bits can say.
const MOST_SHARED: usize = 0x7f;
const AS_LONG: u8 = 0x80;
/// Rests up to this are copied in one step of a fixed size.
const SHORT_BYTES: usize = 16;

/// Packs keys after one pattern.
#[derive(Clone, Debug, Default)]
pub struct Packer {
    pattern: Vec<u8>,
}

impl Packer {
    /// A packer for keys that are like `pattern`; any other key fares no worse than a byte or two.
    pub fn like(pattern: &[u8]) -> Packer {
        Packer { pattern: pattern.to_vec() }
    }

    /// Appends the packed key to `out`.
    #[inline]
    pub fn pack(&self, key: &[u8], out: &mut Vec<u8>) {
        let shared = self.shared_front(key).min(MOST_SHARED);
        let rest = key.get(shared..).unwrap_or_default();
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

    /// How long the front is that key and pattern share.
    #[inline]
    fn shared_front(&self, key: &[u8]) -> usize {
        let (mut left, mut right) = (self.pattern.as_slice(), key);
        let mut shared = 0;
        while let (Some((l, l_rest)), Some((r, r_rest))) =
            (left.split_first_chunk::<8>(), right.split_first_chunk::<8>())
        {
            let differing = u64::from_le_bytes(*l) ^ u64::from_le_bytes(*r);
            if differing != 0 {
                return shared + differing.trailing_zeros() as usize / 8;
            }
            (left, right) = (l_rest, r_rest);
            shared += 8;
        }
        shared + left.iter().zip(right).take_while(|(l, r)| l == r).count()
    }
}

fn put_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
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
            pattern in "[ab]{0,12}|[a-d]{120,140}",
            keys in prop::collection::vec("[ab]{0,40}|[a-d]{100,300}", 1..6),
        ) {
            let mut out = Vec::new();
            let packer = Packer::like(pattern.as_bytes());
            keys.iter().for_each(|key| packer.pack(key.as_bytes(), &mut out));
            let mut rest = out.as_slice();
            for key in &keys {
                let (read, behind) = unpacked(pattern.as_bytes(), rest);
                prop_assert_eq!(read, key.as_bytes());
                rest = behind;
            }
            prop_assert!(rest.is_empty());
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
}
