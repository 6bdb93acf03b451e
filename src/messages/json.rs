//! A tree as JSON, byte for byte as Kafka's tools print it (the generated `*JsonConverter`
//! classes, printed by Jackson): names and order of the schemas, bytes in base64, ids as
//! `Uuid.toString`, numbers as Java prints them.

use std::io::Write as _;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::value::Value;

impl Value<'_> {
    /// Appends the JSON.
    pub fn put_json(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(true) => out.extend_from_slice(b"true"),
            Value::Bool(false) => out.extend_from_slice(b"false"),
            Value::Int(number) => {
                out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
            }
            Value::Float(number) => put_double(out, *number),
            Value::Text(text) => put_text(out, text),
            Value::Bytes(bytes) => put_text(out, &STANDARD.encode(bytes)),
            Value::Uuid(id) => put_text(out, &URL_SAFE_NO_PAD.encode(id)),
            Value::List(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.put_json(out);
                }
                out.push(b']');
            }
            Value::Struct(fields) => {
                out.push(b'{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    put_text(out, name);
                    out.push(b':');
                    value.put_json(out);
                }
                out.push(b'}');
            }
        }
    }

    /// The JSON.
    pub fn json(&self) -> String {
        let mut out = Vec::new();
        self.put_json(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// A string in quotes; unlike serde's, hexadecimal digits are capitals.
fn put_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for character in text.chars() {
        let short = match character {
            '"' => b'"',
            '\\' => b'\\',
            '\u{8}' => b'b',
            '\t' => b't',
            '\n' => b'n',
            '\u{c}' => b'f',
            '\r' => b'r',
            '\0'..='\x1f' => {
                // Into a vector: there is nothing that could fail.
                let _ = write!(out, "\\u{:04X}", u32::from(character));
                continue;
            }
            _ => {
                let mut room = [0; 4];
                out.extend_from_slice(character.encode_utf8(&mut room).as_bytes());
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.push(b'"');
}

/// As `Double.toString`: plain from a thousandth to ten millions, else with an exponent; what is
/// no number is a string.
fn put_double(out: &mut Vec<u8>, number: f64) {
    let size = number.abs();
    let text = if number.is_nan() {
        "\"NaN\"".into()
    } else if number.is_infinite() {
        if number > 0.0 { "\"Infinity\"".into() } else { "\"-Infinity\"".into() }
    } else if size == 0.0 || (1e-3..1e7).contains(&size) {
        format!("{number:?}")
    } else {
        let text = format!("{number:E}");
        match text.split_once('E') {
            Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
            _ => text,
        }
    };
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_printed_as_java_prints_them() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1024.0, "1024.0"),
            (0.001, "0.001"),
            (0.00099, "9.9E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (-1.5e300, "-1.5E300"),
            (f64::NAN, "\"NaN\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ];
        for (number, expected) in cases {
            assert_eq!(Value::Float(number).json(), expected);
        }
    }

    #[test]
    fn text_is_escaped_as_jackson_escapes_it() {
        let text = Value::Text("a\"\\\n\u{1f}\u{7f}\u{e9}/".into());
        assert_eq!(text.json(), "\"a\\\"\\\\\\n\\u001F\u{7f}\u{e9}/\"");
    }
}
