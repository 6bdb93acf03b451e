//! One reader for all messages: bytes and a table of fields become a tree (the generated `read`
//! methods of Kafka's messages, KIP-482).
//!
//! The bytes are hostile. Depth is that of the tables; a list has no more elements than bytes are
//! left, and each element takes at least one, so what is built is bounded by what is read.

use std::fmt;

use super::schema::{Absent, Field, Kind, Message};
use super::value::Value;
use crate::bytes::{Cursor, Overrun, java_string};

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It ends in this field, or a number in it does not.
    Overrun(&'static str, Overrun),
    /// A string, bytes or a list in this field would be longer than what is left.
    Length {
        /// The field.
        field: &'static str,
        /// What it says.
        length: i64,
        /// How many bytes are left.
        left: usize,
        /// Whether these would be elements, not bytes.
        is_list: bool,
    },
    /// A string is longer than strings can be.
    Text(&'static str, i64),
    /// The field is null and must not be.
    Null(&'static str),
    /// There is no such version.
    Version(i16),
    /// There is more in it than in any message that Kafka writes.
    Large,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Overrun(field, overrun) => write!(f, "field {field}: {overrun}"),
            Flaw::Length { field, length, left, is_list } => {
                let what = if *is_list { "elements" } else { "bytes" };
                write!(f, "field {field}: {length} {what}, where {left} bytes are left")
            }
            Flaw::Text(field, length) => write!(f, "field {field}: a string of {length} bytes"),
            Flaw::Null(field) => write!(f, "field {field} is null, which it must not be"),
            Flaw::Version(version) => write!(f, "version {version} is not known"),
            Flaw::Large => write!(f, "it has more than {MOST_VALUES} values"),
        }
    }
}

/// What stands for a field where there is none to name.
const TAGS: &str = "(tagged fields)";
/// Kafka takes no longer strings.
const MOST_TEXT_BYTES: i64 = 0x7fff;
/// A group of ten thousand members has a tenth of it; the tree takes some 100 bytes a value.
const MOST_VALUES: usize = 1 << 20;

impl Message {
    /// Reads a message of a version, up to where it ends. A version that is not known yet is read
    /// as the last one that is, as Kafka does; whether that should be is the caller's business.
    ///
    /// # Errors
    /// The [`Flaw`].
    pub fn read<'a>(&self, cursor: &mut Cursor<'a>, version: i16) -> Result<Value<'a>, Flaw> {
        let is_flexible = version >= self.flexible_since;
        let last_version = self.versions.1;
        let room = MOST_VALUES;
        let mut reader = Reader { cursor: *cursor, version, last_version, is_flexible, room };
        let value = reader.structure(self.fields)?;
        *cursor = reader.cursor;
        Ok(value)
    }
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    version: i16,
    last_version: i16,
    is_flexible: bool,
    /// How many more values there may be.
    room: usize,
}

impl<'a> Reader<'a> {
    fn structure(&mut self, fields: &'static [Field]) -> Result<Value<'a>, Flaw> {
        let version = self.version;
        let mut values = Vec::with_capacity(fields.len());
        for field in fields.iter().filter(|field| field.is_in(version)) {
            let value = match field.tag {
                None => Some(self.field(field)?),
                Some(_) => None,
            };
            values.push((field, value));
        }
        if self.is_flexible {
            self.tagged(&mut values)?;
        }
        let there = values.into_iter().filter_map(|(field, value)| Some((field.name, value?)));
        Ok(Value::Struct(there.collect()))
    }

    /// The fields with tags; those that are not known are passed over. Like Kafka, this goes by
    /// what a known field takes, not by the size in front of it.
    fn tagged(&mut self, values: &mut [(&Field, Option<Value<'a>>)]) -> Result<(), Flaw> {
        let in_tags = |overrun| Flaw::Overrun(TAGS, overrun);
        for _ in 0..self.cursor.unsigned_varint().map_err(in_tags)? {
            let tag = self.cursor.unsigned_varint().map_err(in_tags)?;
            let size_bytes = self.cursor.unsigned_varint().map_err(in_tags)?;
            let known = values.iter_mut().find(|(field, _)| field.tag == Some(tag));
            if let Some((field, place)) = known {
                let value = self.field(field)?;
                *place = (!is_as_if_absent(&value, field.default)).then_some(value);
            } else {
                let (left, length) = (self.cursor.rest().len(), i64::from(size_bytes));
                let too_long = Flaw::Length { field: TAGS, length, left, is_list: false };
                self.cursor.bytes(size_bytes as usize).map_err(|_| too_long)?;
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Field) -> Result<Value<'a>, Flaw> {
        let overrun = |overrun| Flaw::Overrun(field.name, overrun);
        let is_nullable = field.may_be_null(self.version);
        let null = if is_nullable { Ok(Value::Null) } else { Err(Flaw::Null(field.name)) };
        if !field.is_list {
            return match field.kind {
                Kind::Struct(_) if is_nullable && self.is_null(field).map_err(overrun)? => null,
                kind => self.one(field.name, kind)?.map_or(null, Ok),
            };
        }
        let count = self.length(4).map_err(overrun)?;
        if count < 0 {
            return null;
        }
        let left = self.cursor.rest().len();
        if count > left as i64 {
            return Err(Flaw::Length { field: field.name, length: count, left, is_list: true });
        }
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(self.one(field.name, field.kind)?.ok_or(Flaw::Null(field.name))?);
        }
        Ok(Value::List(items))
    }

    /// Whether a structure that may be null is; the number in front of it says so, which is
    /// another one behind a tag.
    fn is_null(&mut self, field: &Field) -> Result<bool, Overrun> {
        match field.tag {
            Some(_) => Ok(self.cursor.unsigned_varint()? as i32 <= 0),
            None => Ok(self.cursor.i8()? < 0),
        }
    }

    /// A value; `None` for null, whether that may be or not.
    fn one(&mut self, name: &'static str, kind: Kind) -> Result<Option<Value<'a>>, Flaw> {
        self.room = self.room.checked_sub(1).ok_or(Flaw::Large)?;
        let cursor = &mut self.cursor;
        let value = match kind {
            Kind::Bool => cursor.i8().map(|byte| Value::Bool(byte != 0)),
            Kind::Int8 => cursor.i8().map(|number| Value::Int(number.into())),
            Kind::Int16 => cursor.i16().map(|number| Value::Int(number.into())),
            Kind::UInt16 => cursor.u16().map(|number| Value::Int(number.into())),
            Kind::Int32 => cursor.i32().map(|number| Value::Int(number.into())),
            Kind::Int64 => cursor.i64().map(Value::Int),
            Kind::Float64 => cursor.f64().map(Value::Float),
            Kind::Uuid => cursor
                .bytes(16)
                .and_then(|id| id.try_into().map_err(|_| Overrun::Short))
                .map(Value::Uuid)
                .map_err(|_| Overrun::Short),
            Kind::String => {
                let text = self.sized(name, 2)?;
                return Ok(text.map(|text| Value::Text(java_string(text))));
            }
            Kind::Bytes => return Ok(self.sized(name, 4)?.map(Value::Bytes)),
            // Kafka refuses a version that it does not know where there are structures in it.
            Kind::Struct(_) if self.version > self.last_version => {
                return Err(Flaw::Version(self.version));
            }
            Kind::Struct(fields) => return self.structure(fields).map(Some),
        };
        value.map(Some).map_err(|overrun| Flaw::Overrun(name, overrun))
    }

    /// A string (its length has two bytes) or bytes (four).
    fn sized(&mut self, field: &'static str, width_bytes: u8) -> Result<Option<&'a [u8]>, Flaw> {
        let length = self.length(width_bytes).map_err(|overrun| Flaw::Overrun(field, overrun))?;
        if width_bytes == 2 && length > MOST_TEXT_BYTES {
            return Err(Flaw::Text(field, length));
        }
        let left = self.cursor.rest().len();
        // Any negative length is null for Kafka.
        let bytes = self.cursor.nullable(length.max(-1));
        bytes.map_err(|_| Flaw::Length { field, length, left, is_list: false })
    }

    /// A length: of so many bytes, or in a flexible version a varint of one more.
    fn length(&mut self, width_bytes: u8) -> Result<i64, Overrun> {
        if self.is_flexible {
            // Java's integers wrap.
            return Ok((self.cursor.unsigned_varint()? as i32).wrapping_sub(1).into());
        }
        match width_bytes {
            2 => self.cursor.i16().map(i64::from),
            _ => self.cursor.i32().map(i64::from),
        }
    }
}

/// Whether a tagged field says what it would be without its tag, so that Kafka does not show it.
fn is_as_if_absent(value: &Value<'_>, default: Absent) -> bool {
    match (value, default) {
        (Value::Null, Absent::Null) => true,
        (Value::Int(number), Absent::Number(default)) => *number == default,
        (Value::Int(number), Absent::Empty) => *number == 0,
        (Value::Float(number), Absent::Empty) => *number == 0.0,
        (Value::Bool(is_true), Absent::Empty) => !is_true,
        (Value::Text(text), Absent::Empty) => text.is_empty(),
        (Value::Bytes(bytes), Absent::Empty) => bytes.is_empty(),
        (Value::Uuid(id), Absent::Empty) => *id == [0; 16],
        (Value::List(items), Absent::Empty) => items.is_empty(),
        (Value::Struct(fields), Absent::Empty) => {
            fields.iter().all(|(_, value)| is_as_if_absent(value, Absent::Empty))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::{boolean, bytes, int32, list, string, structure};
    use super::*;

    const PAIR: &[Field] = &[string("name"), int32("number").since(1)];

    /// Flexible from version 1 on.
    const MESSAGE: Message = Message {
        name: "Test",
        versions: (0, 1),
        flexible_since: 1,
        fields: &[
            string("text").nullable_since(1),
            list("pairs", Kind::Struct(PAIR)),
            bytes("raw").until(0),
            structure("maybe", PAIR).since(1).nullable(),
            int32("number").since(1).tagged(3).or(-1),
            boolean("flag").since(1).tagged(5),
        ],
    };

    fn read(bytes: &[u8], version: i16) -> Result<(String, usize), Flaw> {
        let mut cursor = Cursor::new(bytes);
        let value = MESSAGE.read(&mut cursor, version)?;
        Ok((value.json(), cursor.rest().len()))
    }

    #[test]
    fn a_message_is_read_by_its_version_and_no_further() {
        let old = b"\0\x02hi\0\0\0\x01\0\x01x\0\0\0\x02ab+";
        let json = r#"{"text":"hi","pairs":[{"name":"x"}],"raw":"YWI="}"#;
        assert_eq!(read(old, 0), Ok((json.into(), 1)));
        // A tag that is not known, one that says its default, one that does not.
        let new = b"\0\x02\x02x\0\0\0\x07\0\xff\x03\x09\x02??\x03\x04\xff\xff\xff\xff\x05\x01\x01";
        let json = r#"{"text":null,"pairs":[{"name":"x","number":7}],"maybe":null,"flag":true}"#;
        assert_eq!(read(new, 1), Ok((json.into(), 0)));
    }

    #[test]
    fn lengths_that_lie_are_refused_before_anything_is_made_of_them() {
        let length =
            |field, length, left, is_list| Err(Flaw::Length { field, length, left, is_list });
        assert_eq!(read(b"\0\0\x7f\xff\xff\xffab", 0), length("pairs", 0x7fff_ffff, 2, true));
        assert_eq!(read(b"\x7f\xffab", 0), length("text", 0x7fff, 2, false));
        assert_eq!(read(b"\xff\xff\0\0\0\0", 0), Err(Flaw::Null("text")));
        assert_eq!(read(b"\x81\x80\x02", 1), Err(Flaw::Text("text", 0x8000)));
        assert_eq!(read(b"\x01\x01\xff\x01\x09\x05ab", 1), length(TAGS, 5, 2, false));
        assert_eq!(read(b"\x01", 1), Err(Flaw::Overrun("pairs", Overrun::Short)));
        for end in 0..8 {
            assert!(read(&b"\0\x02hi\0\0\0\x01"[..end], 0).is_err());
        }
    }

    #[test]
    fn a_message_of_millions_of_values_is_given_up() {
        let count = (MOST_VALUES + 1) as u32;
        let mut bytes = [&b"\0\0"[..], &count.to_be_bytes()].concat();
        bytes.resize(bytes.len() + 2 * count as usize + 4, 0);
        assert_eq!(read(&bytes, 0), Err(Flaw::Large));
    }
}
