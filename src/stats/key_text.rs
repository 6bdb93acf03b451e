//! A key as it is shown: its bytes, cut off where they are too many for a table.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// How many bytes of a key are kept.
const MOST_BYTES: usize = 256;

/// The first bytes of a key. In JSON a string where they are text, else `{"base64":"..."}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyText(Vec<u8>);

impl KeyText {
    /// The key, or its beginning; text is cut between two characters.
    pub fn of(key: &[u8]) -> KeyText {
        let cut = key.get(..MOST_BYTES.min(key.len())).unwrap_or_default();
        let whole_characters = match str::from_utf8(cut) {
            Err(error) if error.error_len().is_none() => cut.get(..error.valid_up_to()),
            _ => None,
        };
        KeyText(whole_characters.unwrap_or(cut).to_vec())
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Text as it is, but for what is not printable, or would turn the line around; other bytes as
/// `\xNN`.
impl fmt::Display for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\0'..='\x1f' | '\x7f' => write!(f, "\\x{:02x}", u32::from(character))?,
                    _ if character.is_control() || is_format(character) => {
                        write!(f, "{}", character.escape_unicode())?;
                    }
                    _ => write!(f, "{character}")?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Characters that change the look of their neighbours: direction, joiners, byte order marks.
fn is_format(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

impl Serialize for KeyText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Ok(text) = str::from_utf8(&self.0) {
            return serializer.serialize_str(text);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("base64", &STANDARD.encode(&self.0))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_in_one_line_whatever_it_holds() {
        let shown = |key: &[u8]| KeyText::of(key).to_string();
        assert_eq!(shown(b"user-1"), "user-1");
        assert_eq!(shown(b"a\nb\x1b[31m"), "a\\x0ab\\x1b[31m");
        assert_eq!(shown(b"a\xff\x00"), "a\\xff\\x00");
        assert_eq!(shown("\u{202e}evil".as_bytes()), "\\u{202e}evil");
        let long = "\u{e9}".repeat(200); // 400 bytes
        assert_eq!(KeyText::of(long.as_bytes()).bytes().len(), 256);
        let odd = format!("x{long}");
        assert_eq!(KeyText::of(odd.as_bytes()).bytes().len(), 255);
    }
}
