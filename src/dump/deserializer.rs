//! Kafka's common deserializers, as the console consumer uses them: bytes in, the text of the Java
//! object out (`org.apache.kafka.common.serialization`, then `toString`).

use std::fmt::Write;
use std::str::FromStr;

use crate::bytes::java_string;

/// What turns bytes into text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Deserializer {
    /// The bytes as they are, as without a deserializer.
    #[default]
    Bytes,
    /// UTF-8; what is malformed becomes U+FFFD.
    String,
    /// Two bytes.
    Short,
    /// Four bytes.
    Integer,
    /// Eight bytes.
    Long,
    /// Four bytes.
    Float,
    /// Eight bytes.
    Double,
    /// The text of a UUID, brought into its usual form.
    Uuid,
    /// One byte, 0 or 1.
    Boolean,
    /// Printable ASCII as it is, all else as `\xHH` (`BytesDeserializer`).
    Escaped,
}

/// Bytes that the deserializer does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotThat(String);

/// Where Kafka's classes are.
const PACKAGE: &str = "org.apache.kafka.common.serialization.";

impl FromStr for Deserializer {
    type Err = String;

    /// By the name of Kafka's class, with or without its package.
    fn from_str(name: &str) -> Result<Deserializer, String> {
        let class = name.strip_prefix(PACKAGE).unwrap_or(name);
        Ok(match class.strip_suffix("Deserializer").unwrap_or_default() {
            "ByteArray" => Deserializer::Bytes,
            "String" => Deserializer::String,
            "Short" => Deserializer::Short,
            "Integer" => Deserializer::Integer,
            "Long" => Deserializer::Long,
            "Float" => Deserializer::Float,
            "Double" => Deserializer::Double,
            "UUID" => Deserializer::Uuid,
            "Boolean" => Deserializer::Boolean,
            "Bytes" => Deserializer::Escaped,
            _ => {
                return Err(format!(
                    "'{name}' is not known; known are, all of them in {}: String-, Short-, \
                     Integer-, Long-, Float-, Double-, UUID-, Boolean-, Bytes- and \
                     ByteArrayDeserializer",
                    PACKAGE.trim_end_matches('.')
                ));
            }
        })
    }
}

impl Deserializer {
    /// Appends the text that `bytes` stand for.
    pub(super) fn put(self, out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), NotThat> {
        let text = match self {
            Deserializer::Bytes => {
                out.extend_from_slice(bytes);
                return Ok(());
            }
            Deserializer::String => {
                out.extend_from_slice(java_string(bytes).as_bytes());
                return Ok(());
            }
            Deserializer::Short => i16::from_be_bytes(exactly(bytes)?).to_string(),
            Deserializer::Integer => i32::from_be_bytes(exactly(bytes)?).to_string(),
            Deserializer::Long => i64::from_be_bytes(exactly(bytes)?).to_string(),
            Deserializer::Float => {
                let value = f32::from_be_bytes(exactly(bytes)?);
                let size = value.abs();
                let (shortest, two) = (format!("{size:e}"), format!("{size:.1e}"));
                java_decimal(size.into(), value.is_sign_negative(), &shortest, &two)
            }
            Deserializer::Double => {
                let value = f64::from_be_bytes(exactly(bytes)?);
                let size = value.abs();
                let (shortest, two) = (format!("{size:e}"), format!("{size:.1e}"));
                java_decimal(size, value.is_sign_negative(), &shortest, &two)
            }
            Deserializer::Uuid => uuid(&java_string(bytes))?,
            Deserializer::Boolean => match exactly(bytes)? {
                [0] => "false".into(),
                [1] => "true".into(),
                [other] => return Err(NotThat(format!("a byte of {other} is no boolean"))),
            },
            Deserializer::Escaped => escaped(bytes),
        };
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

fn exactly<const SIZE: usize>(bytes: &[u8]) -> Result<[u8; SIZE], NotThat> {
    bytes.try_into().map_err(|_| {
        let plural = if SIZE == 1 { "" } else { "s" };
        NotThat(format!("{} bytes, and the deserializer takes {SIZE} byte{plural}", bytes.len()))
    })
}

/// As Java's `Double.toString` and `Float.toString` (since 19) write a number whose shortest digits
/// are `shortest` and whose closest two digits are `two`, both as Rust's `{:e}` writes them.
fn java_decimal(magnitude: f64, is_negative: bool, shortest: &str, two: &str) -> String {
    if magnitude.is_nan() {
        return "NaN".into();
    }
    let sign = if is_negative { "-" } else { "" };
    if magnitude.is_infinite() {
        return format!("{sign}Infinity");
    }
    if magnitude == 0.0 {
        return format!("{sign}0.0");
    }
    // Java takes two digits where one would do, if they are closer.
    let (digits, exponent) = match scientific(shortest) {
        (digits, _) if digits.len() == 1 => scientific(two),
        shortest => shortest,
    };
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    let padded = |text: &str| if text.is_empty() { "0".to_owned() } else { text.to_owned() };
    let plain = (1e-3..1e7).contains(&magnitude);
    match usize::try_from(exponent) {
        Ok(exponent) if plain => {
            let whole = format!("{digits:0<width$}", width = exponent + 1);
            let (whole, fraction) = whole.split_at(exponent + 1);
            format!("{sign}{whole}.{}", padded(fraction))
        }
        Err(_) if plain => {
            let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
            format!("{sign}0.{zeros}{digits}")
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            format!("{sign}{first}.{}E{exponent}", padded(rest))
        }
    }
}

/// The digits and the exponent of `d.ddde-n`.
fn scientific(text: &str) -> (String, i32) {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    (digits.replace('.', ""), exponent.parse().unwrap_or(0))
}

/// `UUID.fromString`, then `toString`: each of the five parts may lack leading zeros, or have more
/// digits than count.
fn uuid(text: &str) -> Result<String, NotThat> {
    let refused = || NotThat("not the text of a UUID".into());
    let parts: Vec<&str> = text.split('-').collect();
    let [a, b, c, d, e] = parts.as_slice() else { return Err(refused()) };
    if text.len() > 36 {
        return Err(refused());
    }
    let hex = |part: &str| {
        let is_hex = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let value = is_hex.then(|| u64::from_str_radix(part, 16).ok()).flatten();
        value.filter(|value| i64::try_from(*value).is_ok()).ok_or_else(refused)
    };
    let (a, b, c, d, e) = (hex(a)?, hex(b)?, hex(c)?, hex(d)?, hex(e)?);
    let (a, b, c, d) = (a & 0xffff_ffff, b & 0xffff, c & 0xffff, d & 0xffff);
    Ok(format!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{:012x}", e & 0xffff_ffff_ffff))
}

/// `org.apache.kafka.common.utils.Bytes.toString`.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b' '..=b'~' if byte != b'\\' => text.push(char::from(byte)),
            // A string takes all that is written to it.
            _ => drop(write!(text, "\\x{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(deserializer: Deserializer, bytes: &[u8]) -> Result<String, NotThat> {
        let mut out = Vec::new();
        deserializer.put(&mut out, bytes)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    // What Java gives for these.
    #[test]
    fn numbers_are_written_as_in_java() {
        let double = |value: f64| text(Deserializer::Double, &value.to_be_bytes()).unwrap();
        let doubles = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-12.5, "-12.5"),
            (100.0, "100.0"),
            (0.001, "0.001"),
            (0.012, "0.012"),
            (0.000_999, "9.99E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.234_567_891e9, "1.234567891E9"),
            (1e21, "1.0E21"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::from_bits(1), "4.9E-324"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, expected) in doubles {
            assert_eq!(double(value), expected);
        }
        let float = |value: f32| text(Deserializer::Float, &value.to_be_bytes()).unwrap();
        assert_eq!(float(0.1), "0.1");
        assert_eq!(float(3.402_823_5e38), "3.4028235E38");
        assert_eq!(float(f32::from_bits(1)), "1.4E-45");
        assert_eq!(text(Deserializer::Integer, &[0xff; 4]).unwrap(), "-1");
        assert_eq!(text(Deserializer::Long, &7i64.to_be_bytes()).unwrap(), "7");
        assert_eq!(text(Deserializer::Short, &[0x80, 0]).unwrap(), "-32768");
    }

    #[test]
    fn what_a_deserializer_does_not_take_is_refused() {
        use Deserializer::{Boolean, Integer, Long, Uuid};
        assert!(text(Integer, b"abc").unwrap_err().to_string().contains("3 bytes"));
        assert!(text(Long, b"").is_err());
        assert!(text(Boolean, &[2]).is_err() && text(Boolean, b"").is_err());
        for wrong in ["", "x", "1-2-3-4", "1-2-3-4-", "1-2-3-4-5-6", "1-2-3-4-ffffffffffffffff"] {
            assert!(text(Uuid, wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn text_comes_as_java_has_it() {
        use Deserializer::{Boolean, Escaped, String, Uuid};
        assert_eq!(text(Boolean, &[1]).unwrap(), "true");
        assert_eq!(text(Uuid, b"1-2-3-4-F").unwrap(), "00000001-0002-0003-0004-00000000000f");
        assert_eq!(text(Escaped, b"a\\\x00~\xff").unwrap(), "a\\x5C\\x00~\\xFF");
        assert_eq!(text(String, &[b'a', 0xff]).unwrap(), "a\u{fffd}");
    }

    #[test]
    fn classes_are_known_with_and_without_their_package() {
        let long = "org.apache.kafka.common.serialization.LongDeserializer";
        assert_eq!(long.parse(), Ok(Deserializer::Long));
        assert_eq!("LongDeserializer".parse(), Ok(Deserializer::Long));
        for name in ["Long", "Deserializer", "", "com.example.LongDeserializer"] {
            assert!(name.parse::<Deserializer>().is_err(), "{name}");
        }
    }
}
