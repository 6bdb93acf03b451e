//! JSON files that end with the CRC-32C of all that is in front of it.
//!
//! The last field of the object is `crc32c`, in a line of its own, and the checksum is over all
//! bytes in front of the comma before it. It is over bytes and not over fields, so a file stays
//! sound when a later version adds fields. This end is the same in every format.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::hex::parse_hex;
use crate::bytes::crc32c;

const BEFORE_CRC: &str = ",\n  \"crc32c\": \"";
const BEHIND_CRC: &str = "\"\n}\n";
const CRC_DIGITS: usize = 8;

/// What is in front of the last brace of the object that `content` is as JSON, and its end.
///
/// # Errors
/// What cannot be JSON; it would be a bug.
pub fn seal(content: &impl Serialize) -> crate::error::Result<Vec<u8>> {
    let bug = |what: String| crate::error::Error::bug(what);
    let json = serde_json::to_string_pretty(content).map_err(|error| bug(error.to_string()))?;
    let open = json.strip_suffix("\n}").ok_or_else(|| bug("a state file is no object".into()))?;
    let crc = crc32c(open.as_bytes());
    Ok(format!("{open}{BEFORE_CRC}{crc:08x}{BEHIND_CRC}").into_bytes())
}

/// Reads what [`seal`] gives; `Err` says what is wrong with `bytes`.
///
/// # Errors
/// Another checksum, another end, other fields; a format above `newest_format`.
pub fn unseal<T: DeserializeOwned>(bytes: &[u8], newest_format: u32) -> Result<T, Unsealed> {
    let damaged = |what: &str| Unsealed::Damaged(what.to_owned());
    let text = str::from_utf8(bytes).map_err(|_| damaged("it is no text"))?;
    let end = || {
        let rest = text.strip_suffix(BEHIND_CRC)?;
        let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(CRC_DIGITS)?)?;
        Some((rest.strip_suffix(BEFORE_CRC)?, parse_hex(digits, CRC_DIGITS)?))
    };
    let (content, wanted) = end().ok_or_else(|| damaged("it does not end with its CRC"))?;
    let found = crc32c(content.as_bytes());
    if u128::from(found) != wanted {
        return Err(Unsealed::Damaged(format!("its CRC is {found:08x}, not {wanted:08x}")));
    }
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
    }
    let wrong = |error: serde_json::Error| Unsealed::Damaged(error.to_string());
    let Format { format } = serde_json::from_str(text).map_err(wrong)?;
    if format > newest_format {
        return Err(Unsealed::Newer(format));
    }
    serde_json::from_str(text).map_err(wrong)
}

/// Why a file is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsealed {
    /// It is not what was written.
    Damaged(String),
    /// A later version of this program wrote it, in this format.
    Newer(u32),
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Content {
        format: u32,
        text: String,
    }

    fn content(format: u32) -> Content {
        Content { format, text: "a\n\"b\"".into() }
    }

    #[test]
    fn what_was_sealed_comes_back_and_any_byte_that_is_wrong_is_found() {
        let bytes = seal(&content(1)).unwrap();
        assert_eq!(unseal(&bytes, 1), Ok(content(1)));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(matches!(unseal::<Content>(&flipped, 1), Err(Unsealed::Damaged(_))));
            }
            assert!(matches!(unseal::<Content>(&bytes[..at], 1), Err(Unsealed::Damaged(_))));
        }
        let longer = [&bytes[..], b"\n"].concat();
        assert!(matches!(unseal::<Content>(&longer, 1), Err(Unsealed::Damaged(_))));
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let bytes = seal(&content(2)).unwrap();
        assert_eq!(unseal::<Content>(&bytes, 1), Err(Unsealed::Newer(2)));
    }

    #[test]
    fn a_field_that_a_later_version_adds_does_no_harm() {
        #[derive(Serialize)]
        struct Later {
            format: u32,
            text: String,
            more: u8,
        }
        let later = Later { format: 1, text: "x".into(), more: 7 };
        let read: Content = unseal(&seal(&later).unwrap(), 1).unwrap();
        assert_eq!(read.text, "x");
    }

    /// JSON that means the same is not what was written.
    #[test]
    fn only_the_checksum_at_the_end_counts() {
        let text = String::from_utf8(seal(&content(1)).unwrap()).unwrap();
        for wrong in [text.trim_end().to_owned(), text.replace("\n", " "), format!(" {text}")] {
            assert!(unseal::<Content>(wrong.as_bytes(), 1).is_err(), "{wrong}");
        }
        for wrong in ["", "{}", "{\"format\":1}\n", ",\n  \"crc32c\": \"00000000\"\n}\n"] {
            assert!(unseal::<Content>(wrong.as_bytes(), 1).is_err(), "{wrong}");
        }
    }
}
