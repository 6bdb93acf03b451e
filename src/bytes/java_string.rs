//! Bytes as Java's UTF-8 decoder shows them, for the lines of Kafka's own tool.
//!
//! Java and Rust put U+FFFD in place of the same malformed stretches, but for one: a surrogate
//! written as three bytes, or the first two of them, is one U+FFFD in Java; in Rust each byte is.

use std::borrow::Cow;

const REPLACEMENT: &str = "\u{fffd}";

/// The text that `new String(bytes, UTF_8)` gives.
pub fn java_string(bytes: &[u8]) -> Cow<'_, str> {
    let mut rest = match str::from_utf8(bytes) {
        Ok(text) => return Cow::Borrowed(text),
        Err(_) => bytes,
    };
    let mut text = String::with_capacity(bytes.len());
    while let Some(chunk) = rest.utf8_chunks().next() {
        text.push_str(chunk.valid());
        let malformed = rest.get(chunk.valid().len()..).unwrap_or_default();
        if malformed.is_empty() {
            break;
        }
        text.push_str(REPLACEMENT);
        let passed = surrogate_length(malformed).unwrap_or(chunk.invalid().len());
        rest = malformed.get(passed..).unwrap_or_default();
    }
    Cow::Owned(text)
}

/// How many bytes a surrogate, or one that lacks its third byte, takes up at the start of `bytes`.
fn surrogate_length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => Some(3),
        [0xed, 0xa0..=0xbf, ..] => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // What `new String(bytes, UTF_8)` of Java 17 gave; R stands for U+FFFD.
    #[test]
    fn malformed_bytes_become_as_many_replacements_as_in_java() {
        let cases: [(&[u8], &str); 18] = [
            (b"\xf5\x80\x80\x80", "RRRR"),
            (b"\xf5\x80x", "RRx"),
            (b"\xf0\x80\x80", "RRR"),
            (b"\xf4\x90\x80\x80", "RRRR"),
            (b"\xf4\x90x", "RRx"),
            (b"\xe0\x80\x80", "RRR"),
            (b"\xe0\x9f", "RR"),
            (b"\xed\xa0", "R"),
            (b"\xed\xa0\x80", "R"),
            (b"\xed\xa0x", "Rx"),
            (b"\xed\xb0\xc0\x80", "RRR"),
            (b"\xf1\x80\x80", "R"),
            (b"\xf1\x80\x80x", "Rx"),
            (b"\xf1x", "Rx"),
            (b"\xc0\x80", "RR"),
            (b"\xf8\x80\x80", "RRR"),
            (b"\xf0\x8f\xbfx", "RRRx"),
            ("plain \u{e9}".as_bytes(), "plain \u{e9}"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(java_string(bytes), expected.replace('R', "\u{fffd}"), "{bytes:x?}");
        }
    }
}
