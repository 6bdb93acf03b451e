//! JSON written straight into a buffer, byte for byte as `serde_json` would, for the lines of which
//! there are millions.

use super::encoded::{Encoded, Encoding};

/// Appends an integer.
#[inline]
pub(super) fn put_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends bytes as a string where they are text, else as an object that says how they are encoded;
/// null without bytes.
#[inline]
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>, encoding: Encoding) {
    let text = match bytes {
        Some(bytes) if encoding == Encoding::Auto => str::from_utf8(bytes).ok(),
        Some(_) => None,
        None => return out.extend_from_slice(b"null"),
    };
    match text {
        Some(text) => put_string(out, text),
        None => put_slowly(out, Encoded { bytes, encoding }),
    }
}

#[cold]
fn put_slowly(out: &mut Vec<u8>, encoded: Encoded<'_>) {
    // A map of strings, into a vector: there is nothing that could fail.
    let _ = serde_json::to_writer(out, &encoded);
}

/// Appends a string in quotes, escaped where JSON asks for it.
pub(super) fn put_string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let plain = plain_bytes(rest);
        let (run, behind) = rest.split_at(plain);
        out.extend_from_slice(run);
        let Some((special, behind)) = behind.split_first() else { break };
        put_escaped(out, *special);
        rest = behind;
    }
    out.push(b'"');
}

/// How many bytes from the start on can stand in a string as they are.
#[inline]
fn plain_bytes(bytes: &[u8]) -> usize {
    let mut plain = 0;
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk::<8>() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return plain + special.trailing_zeros() as usize / 8;
        }
        plain += 8;
        rest = behind;
    }
    plain + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The highest bit of each of eight bytes that is special. A byte above a special one may be
/// flagged wrongly, so only the lowest counts.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    let quotes = zeros(word ^ (ONES * b'"' as u64));
    let backslashes = zeros(word ^ (ONES * b'\\' as u64));
    (controls | quotes | backslashes) & HIGHS
}

fn put_escaped(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' => b"\\\"",
        b'\\' => b"\\\\",
        0x08 => b"\\b",
        b'\t' => b"\\t",
        b'\n' => b"\\n",
        0x0c => b"\\f",
        b'\r' => b"\\r",
        _ => {
            let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
            return out.extend_from_slice(&[
                b'\\',
                b'u',
                b'0',
                b'0',
                digit(byte >> 4),
                digit(byte & 15),
            ]);
        }
    };
    out.extend_from_slice(short);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ours(bytes: Option<&[u8]>, encoding: Encoding) -> String {
        let mut out = Vec::new();
        put_bytes(&mut out, bytes, encoding);
        String::from_utf8(out).unwrap()
    }

    fn serdes(bytes: Option<&[u8]>, encoding: Encoding) -> String {
        serde_json::to_string(&Encoded { bytes, encoding }).unwrap()
    }

    proptest! {
        #[test]
        fn any_bytes_are_written_as_serde_writes_them(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
            text in "[\\x00-\\x7f\"\\\\]{0,60}|\\PC{0,30}",
        ) {
            for encoding in [Encoding::Auto, Encoding::Base64, Encoding::Hex] {
                for bytes in [Some(bytes.as_slice()), Some(text.as_bytes()), None] {
                    prop_assert_eq!(ours(bytes, encoding), serdes(bytes, encoding));
                }
            }
        }
    }

    #[test]
    fn every_byte_is_escaped_as_serde_escapes_it_wherever_it_stands() {
        for byte in 0..0x80u8 {
            for before in 0..17 {
                let mut text = vec![b'x'; before];
                text.extend([byte, b'y', byte]);
                let text = Some(text.as_slice());
                assert_eq!(ours(text, Encoding::Auto), serdes(text, Encoding::Auto));
            }
        }
    }
}
