//! Bytes for the eyes: text as it is, all else as escapes, and never more than there is room for.

use std::fmt::Write;

/// Bytes that are shown in at most `room` columns; `None` for as many as it takes.
///
/// A key that is null or empty must not look like a key that says so, so these are in angle
/// brackets, and bytes that begin with such a bracket get a backslash in front.
pub(super) fn printable(bytes: Option<&[u8]>, null: &str, room: Option<usize>) -> String {
    let bytes = match bytes {
        None => return format!("<{null}>"),
        Some([]) => return "<empty>".into(),
        Some(bytes) => bytes,
    };
    let mut text = String::new();
    if bytes.starts_with(b"<") {
        text.push('\\');
    }
    let Some(room) = room else {
        for piece in pieces(bytes) {
            piece.put(&mut text);
        }
        return text;
    };
    // Where the text must end if a count of what is left out is to follow.
    let count_columns = format!(" (+{} bytes)", bytes.len()).len();
    let short = room.saturating_sub(count_columns);
    let (mut columns, mut shown_bytes) = (text.len(), 0);
    let (mut cut_at, mut cut_bytes) = (text.len(), 0);
    for piece in pieces(bytes) {
        columns += piece.put(&mut text);
        shown_bytes += piece.length_bytes();
        if columns <= short {
            (cut_at, cut_bytes) = (text.len(), shown_bytes);
        }
        if columns > room {
            text.truncate(cut_at);
            let left_out = bytes.len().saturating_sub(cut_bytes);
            let _ = write!(text, " (+{left_out} bytes)");
            return text;
        }
    }
    text
}

/// A character, or a byte that is none.
enum Piece {
    Char(char),
    Byte(u8),
}

fn pieces(bytes: &[u8]) -> impl Iterator<Item = Piece> {
    bytes.utf8_chunks().flat_map(|chunk| {
        let invalid = chunk.invalid().iter().copied().map(Piece::Byte);
        chunk.valid().chars().map(Piece::Char).chain(invalid)
    })
}

impl Piece {
    fn length_bytes(&self) -> usize {
        match self {
            Piece::Char(character) => character.len_utf8(),
            Piece::Byte(_) => 1,
        }
    }

    /// Appends the piece; says how many columns it takes, a character counting as one.
    fn put(&self, text: &mut String) -> usize {
        let before = text.len();
        match self {
            Piece::Byte(byte) => {
                let _ = write!(text, "\\x{byte:02x}");
            }
            Piece::Char('\\') => text.push_str("\\\\"),
            Piece::Char(character) if is_plain(*character) => {
                text.push(*character);
                return 1;
            }
            Piece::Char(character @ ('\t' | '\n' | '\r')) => {
                text.extend(character.escape_default())
            }
            Piece::Char(character) if character.is_ascii() => {
                let _ = write!(text, "\\x{:02x}", *character as u32);
            }
            Piece::Char(character) => text.extend(character.escape_unicode()),
        }
        text.len() - before
    }
}

/// Whether a terminal shows the character and stays as it was: no control characters, and none
/// that turn the direction of the text around them.
fn is_plain(character: char) -> bool {
    let turns_text = matches!(
        character,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !character.is_control() && !turns_text && character != '\u{feff}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_text_is_escaped() {
        let show = |bytes: &[u8]| printable(Some(bytes), "null", None);
        assert_eq!(show("caf\u{e9}".as_bytes()), "caf\u{e9}");
        assert_eq!(show(b"a\nb\x1b[31m\\"), "a\\nb\\x1b[31m\\\\");
        assert_eq!(show(b"\xff\x00"), "\\xff\\x00");
        assert_eq!(show("\u{202e}\u{85}".as_bytes()), "\\u{202e}\\u{85}");
        assert_eq!(show(b""), "<empty>");
        assert_eq!(show(b"<null>"), "\\<null>");
        assert_eq!(printable(None, "tombstone", None), "<tombstone>");
    }

    #[test]
    fn a_long_value_is_cut_with_a_count_of_what_is_left_out() {
        let long = [b'x'; 1000];
        let text = printable(Some(&long), "null", Some(60));
        assert!(text.len() <= 60, "{text}");
        assert!(text.starts_with("xxxxxxxx") && text.ends_with(" bytes)"), "{text}");
        let shown = text.bytes().take_while(|byte| *byte == b'x').count();
        assert!(text.contains(&format!("(+{} bytes)", 1000 - shown)));
        assert_eq!(printable(Some(&long[..60]), "null", Some(60)).len(), 60);
    }
}
