//! The records of internal topics: which message a key and a value hold, and what it says
//! (`CoordinatorRecordSerde`, `MetadataRecordSerde`).
//!
//! In the topics of coordinators a key begins with the type of the record, a value with its own
//! version; keys come in one version only. A record of the metadata log has no key; its value
//! begins with the version of the frame, the type and the version, each a varint.

use std::fmt;

use super::read::Flaw;
use super::schema::Message;
use super::schemas::{
    consumer_groups, consumer_protocol, metadata, share_groups, share_state, streams_groups,
    transactions,
};
use super::value::Value;
use crate::bytes::Cursor;

/// A topic that Kafka keeps its own records in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InternalTopic {
    /// `__consumer_offsets`: groups and their offsets.
    Offsets,
    /// `__transaction_state`: transactional ids.
    Transactions,
    /// `__share_group_state`: what share groups have read.
    Share,
    /// `__cluster_metadata`: KRaft.
    Metadata,
}

impl InternalTopic {
    /// That with a name.
    pub fn named(topic: &str) -> Option<InternalTopic> {
        match topic {
            "__consumer_offsets" => Some(InternalTopic::Offsets),
            "__transaction_state" => Some(InternalTopic::Transactions),
            "__share_group_state" => Some(InternalTopic::Share),
            "__cluster_metadata" => Some(InternalTopic::Metadata),
            _ => None,
        }
    }

    fn types(self) -> impl Iterator<Item = &'static (i16, Message, Message)> {
        let none: &[_] = &[];
        let tables = match self {
            InternalTopic::Offsets => {
                [consumer_groups::TYPES, share_groups::TYPES, streams_groups::TYPES]
            }
            InternalTopic::Transactions => [transactions::TYPES, none, none],
            InternalTopic::Share => [share_state::TYPES, none, none],
            InternalTopic::Metadata => [none; 3],
        };
        tables.into_iter().flatten()
    }
}

/// A message of a record, with what stands in front of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<'a> {
    /// Of a key: the type of the record. Of a value, and in the metadata log: the version.
    pub number: i16,
    /// Of a key: what the record is about (`OffsetCommit`). Of a value: the message
    /// (`OffsetCommitValue`). In the metadata log: the type (`TOPIC_RECORD`).
    pub name: &'static str,
    /// What it says.
    pub data: Value<'a>,
    /// How many bytes are behind its end; Kafka's coordinators do not look there.
    pub trailing_bytes: usize,
}

/// Why a record is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecodable {
    /// A coordinator's record without a key.
    NoKey,
    /// A metadata record without a value.
    NoValue,
    /// The key, or the value, is shorter than the number that it begins with.
    NoNumber(Side),
    /// A type that Kafka 4.1 does not know.
    Type(i16),
    /// A version of the value that Kafka 4.1 does not know.
    Version {
        /// The type.
        kind: i16,
        /// The version.
        version: i16,
    },
    /// One of the numbers in front of a metadata record does not end, or is cut off.
    NoVarint(&'static str),
    /// One of them is larger than it can be.
    LargeVarint(&'static str),
    /// A frame of the metadata log that is not known.
    Frame(i16),
    /// A type of metadata record that Kafka 4.1 does not know.
    MetadataType(i16),
    /// The metadata record is broken, or of a version that Kafka 4.1 does not know.
    BrokenMetadata {
        /// The type.
        kind: i16,
        /// How.
        flaw: Flaw,
    },
    /// The message is broken.
    Broken {
        /// Where.
        side: Side,
        /// The type for keys, the version for values.
        number: i16,
        /// How.
        flaw: Flaw,
    },
    /// Something is behind the end of a metadata record, which Kafka refuses.
    Trailing {
        /// The type.
        kind: i16,
        /// How much.
        size_bytes: usize,
    },
}

/// Part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The key.
    Key,
    /// The value.
    Value,
}

impl Side {
    /// As Kafka calls it.
    pub fn name(self) -> &'static str {
        match self {
            Side::Key => "key",
            Side::Value => "value",
        }
    }
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undecodable::NoKey => write!(f, "it has no key"),
            Undecodable::NoValue => write!(f, "it has no value"),
            Undecodable::NoNumber(side) => {
                let what = if *side == Side::Key { "type" } else { "version" };
                write!(f, "its {} is too short for a {what}", side.name())
            }
            Undecodable::Type(kind) | Undecodable::MetadataType(kind) => {
                write!(f, "type {kind} is not known")
            }
            Undecodable::NoVarint(what) => write!(f, "it ends in its {what}"),
            Undecodable::LargeVarint(what) => write!(f, "its {what} is too large"),
            Undecodable::BrokenMetadata { kind, flaw } => write!(f, "type {kind}: {flaw}"),
            Undecodable::Version { kind, version } => {
                write!(f, "version {version} of type {kind} is not known")
            }
            Undecodable::Frame(version) => write!(f, "frame version {version} is not known"),
            Undecodable::Broken { side, flaw, .. } => write!(f, "its {}: {flaw}", side.name()),
            Undecodable::Trailing { size_bytes, .. } => {
                write!(f, "{size_bytes} bytes behind its end")
            }
        }
    }
}

/// What the key of a coordinator's record says.
///
/// # Errors
/// Why it cannot be told.
pub fn decode_key(topic: InternalTopic, key: Option<&[u8]>) -> Result<Part<'_>, Undecodable> {
    let mut cursor = Cursor::new(key.ok_or(Undecodable::NoKey)?);
    let side = Side::Key;
    let number = cursor.i16().map_err(|_| Undecodable::NoNumber(side))?;
    let of_type = topic.types().find(|(kind, ..)| *kind == number);
    let (_, message, _) = of_type.ok_or(Undecodable::Type(number))?;
    let broken = |flaw| Undecodable::Broken { side, number, flaw };
    // The number is the type; there is but one version.
    let data = message.read(&mut cursor, 0).map_err(broken)?;
    let name = message.name.strip_suffix("Key").unwrap_or(message.name);
    Ok(Part { number, name, data, trailing_bytes: cursor.rest().len() })
}

/// What the value of a coordinator's record of type `kind` says.
///
/// # Errors
/// Why it cannot be told.
pub fn decode_value(
    topic: InternalTopic,
    kind: i16,
    value: &[u8],
) -> Result<Part<'_>, Undecodable> {
    let of_type = topic.types().find(|(own, ..)| *own == kind);
    let (_, _, message) = of_type.ok_or(Undecodable::Type(kind))?;
    let mut cursor = Cursor::new(value);
    let side = Side::Value;
    let number = cursor.i16().map_err(|_| Undecodable::NoNumber(side))?;
    if !message.has_version(number) {
        return Err(Undecodable::Version { kind, version: number });
    }
    let broken = |flaw| Undecodable::Broken { side, number, flaw };
    let mut data = message.read(&mut cursor, number).map_err(broken)?;
    if message.name == consumer_groups::GROUP_METADATA_VALUE.name {
        decode_members(&mut data);
    }
    Ok(Part { number, name: message.name, data, trailing_bytes: cursor.rest().len() })
}

/// What a record of the metadata log says. With `is_lenient`, one of a version that is not known
/// is read as the last one that is, if that leaves nothing over: so does Kafka.
///
/// # Errors
/// Why it cannot be told.
pub fn decode_metadata(value: Option<&[u8]>, is_lenient: bool) -> Result<Part<'_>, Undecodable> {
    let mut cursor = Cursor::new(value.ok_or(Undecodable::NoValue)?);
    let frame = small_varint(&mut cursor, "frame version")?;
    if frame != 1 {
        return Err(Undecodable::Frame(frame));
    }
    let kind = small_varint(&mut cursor, "type")?;
    let version = small_varint(&mut cursor, "version")?;
    let of_type = metadata::TYPES.iter().find(|(own, ..)| *own == kind);
    let (_, name, message) = of_type.ok_or(Undecodable::MetadataType(kind))?;
    let broken = |flaw| Undecodable::BrokenMetadata { kind, flaw };
    if !is_lenient && !message.has_version(version) {
        return Err(broken(Flaw::Version(version)));
    }
    let data = message.read(&mut cursor, version).map_err(broken)?;
    match cursor.rest().len() {
        0 => Ok(Part { number: version, name, data, trailing_bytes: 0 }),
        size_bytes => Err(Undecodable::Trailing { kind, size_bytes }),
    }
}

fn small_varint(cursor: &mut Cursor<'_>, what: &'static str) -> Result<i16, Undecodable> {
    let number = cursor.unsigned_varint().map_err(|_| Undecodable::NoVarint(what))?;
    i16::try_from(number).map_err(|_| Undecodable::LargeVarint(what))
}

/// Replaces the bytes in which consumers of a classic group say what they subscribe to, and what
/// they were assigned, by what these say; bytes that are none of that stay.
fn decode_members(group: &mut Value<'_>) {
    if group.text("protocolType") != Some("consumer") {
        return;
    }
    let Some(Value::List(members)) = group.get_mut("members") else { return };
    for member in members {
        let embedded = [
            ("subscription", consumer_protocol::CONSUMER_PROTOCOL_SUBSCRIPTION),
            ("assignment", consumer_protocol::CONSUMER_PROTOCOL_ASSIGNMENT),
        ];
        for (name, message) in embedded {
            let Some(place) = member.get_mut(name) else { continue };
            let Value::Bytes(bytes) = *place else { continue };
            let mut cursor = Cursor::new(bytes);
            let Ok(version) = cursor.i16() else { continue };
            if let Ok(said) = message.read(&mut cursor, version) {
                *place = said;
            }
        }
    }
}

/// All messages that are known, for who compares them with Kafka's.
pub fn all_messages() -> Vec<Message> {
    use InternalTopic::{Offsets, Share, Transactions};
    let pairs = [Offsets, Transactions, Share].into_iter().flat_map(InternalTopic::types);
    let mut all: Vec<Message> = pairs.flat_map(|(_, key, value)| [*key, *value]).collect();
    all.extend(metadata::TYPES.iter().map(|(.., message)| *message));
    all.push(consumer_protocol::CONSUMER_PROTOCOL_SUBSCRIPTION);
    all.push(consumer_protocol::CONSUMER_PROTOCOL_ASSIGNMENT);
    all
}
