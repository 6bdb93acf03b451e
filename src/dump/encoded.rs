//! Bytes in JSON: a string where they are text, else an object that says how they are encoded.
//! Nothing is lost: each form can be turned back into the bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// How keys, values and header values stand in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Encoding {
    /// A string where the bytes are UTF-8, else `{"base64":"..."}`.
    #[default]
    Auto,
    /// Always `{"base64":"..."}`.
    Base64,
    /// Always `{"hex":"..."}`.
    Hex,
}

/// Bytes or null, to be serialized.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoded<'a> {
    /// The bytes.
    pub(super) bytes: Option<&'a [u8]>,
    /// How.
    pub(super) encoding: Encoding,
}

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(bytes) = self.bytes else {
            return serializer.serialize_none();
        };
        if self.encoding == Encoding::Auto
            && let Ok(text) = str::from_utf8(bytes)
        {
            return serializer.serialize_str(text);
        }
        let (name, text) = match self.encoding {
            Encoding::Auto | Encoding::Base64 => ("base64", STANDARD.encode(bytes)),
            Encoding::Hex => ("hex", hex(bytes)),
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(name, &text)?;
        map.end()
    }
}

/// Two digits a byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(bytes: Option<&[u8]>, encoding: Encoding) -> String {
        serde_json::to_string(&Encoded { bytes, encoding }).unwrap()
    }

    #[test]
    fn text_is_a_string_and_other_bytes_say_how_they_are_encoded() {
        assert_eq!(json(None, Encoding::Hex), "null");
        assert_eq!(json(Some(b""), Encoding::Auto), "\"\"");
        assert_eq!(json(Some("h\u{e9}\n".as_bytes()), Encoding::Auto), "\"h\u{e9}\\n\"");
        assert_eq!(json(Some(&[0xff, 0]), Encoding::Auto), r#"{"base64":"/wA="}"#);
        assert_eq!(json(Some(b"ab"), Encoding::Base64), r#"{"base64":"YWI="}"#);
        assert_eq!(json(Some(&[0xff, 0x0a]), Encoding::Hex), r#"{"hex":"ff0a"}"#);
    }
}
