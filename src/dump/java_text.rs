//! Bytes as Java shows them when it takes them for UTF-8 (`new String(bytes, UTF_8)`).

/// Replaces what is not UTF-8 by U+FFFD, as often as Java does: like Rust, but an encoded surrogate
/// (`ED A0..BF 80..BF`), whole or cut short, is one replacement.
pub fn java_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(chunk) = rest.utf8_chunks().next() {
        text.push_str(chunk.valid());
        let invalid = chunk.invalid();
        let mut taken = chunk.valid().len() + invalid.len();
        if !invalid.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
            let behind = rest.get(taken..).unwrap_or_default();
            if invalid == [0xed] && matches!(behind.first(), Some(0xa0..=0xbf)) {
                taken += 1 + usize::from(matches!(behind.get(1), Some(0x80..=0xbf)));
            }
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surrogate_is_one_replacement_as_in_java() {
        // The right-hand sides were printed by Java.
        assert_eq!(java_text(b"a\xed\xa0\x80b"), "a\u{fffd}b");
        assert_eq!(java_text(b"a\xed\xa0b"), "a\u{fffd}b");
        assert_eq!(java_text(b"a\xed\xa0"), "a\u{fffd}");
        assert_eq!(java_text(b"\xf0\x90\x41"), "\u{fffd}A");
        assert_eq!(java_text(b"\xc0\x80"), "\u{fffd}\u{fffd}");
        assert_eq!(java_text("gr\u{fc}n".as_bytes()), "gr\u{fc}n");
    }
}
