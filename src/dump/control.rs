//! What a control record says: transaction markers, and the records of KRaft's own log.
//!
//! The values of KRaft's records are messages in Kafka's flexible encoding: compact arrays and
//! strings (unsigned varint lengths, one too large) and tagged fields at the end of each structure,
//! which are skipped. The names of the fields are those of Kafka's JSON.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::bytes::{Cursor, Overrun};
use crate::format::{Control, EndMarker, Record};

/// A control record, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ControlRecord {
    /// The end of a transaction.
    End(EndMarker),
    /// A leader took over.
    LeaderChange(LeaderChange),
    /// The head of a metadata snapshot.
    SnapshotHeader(SnapshotHeader),
    /// The foot of a metadata snapshot.
    SnapshotFooter(SnapshotFooter),
    /// The version of the protocol.
    KraftVersion(KraftVersion),
    /// The voters.
    KraftVoters(KraftVoters),
    /// A type of a later Kafka, or a value that does not fit its type.
    Unreadable(Option<Control>),
}

/// `LeaderChangeMessage`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeaderChange {
    version: i16,
    leader_id: i32,
    voters: Vec<LeaderVoter>,
    granting_voters: Vec<LeaderVoter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeaderVoter {
    voter_id: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    voter_directory_id: Option<String>,
}

/// `SnapshotHeaderRecord`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SnapshotHeader {
    version: i16,
    last_contained_log_timestamp: i64,
}

/// `SnapshotFooterRecord`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct SnapshotFooter {
    version: i16,
}

/// `KRaftVersionRecord`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KraftVersion {
    version: i16,
    #[serde(rename = "kRaftVersion")]
    kraft_version: i16,
}

/// `VotersRecord`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct KraftVoters {
    version: i16,
    voters: Vec<Voter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Voter {
    voter_id: i32,
    voter_directory_id: String,
    endpoints: Vec<Endpoint>,
    #[serde(rename = "kRaftVersionFeature")]
    kraft_version_feature: VersionRange,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Endpoint {
    name: String,
    host: String,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VersionRange {
    min_supported_version: i16,
    max_supported_version: i16,
}

impl ControlRecord {
    /// Reads a record of a control batch.
    pub(super) fn read(record: &Record<'_>) -> ControlRecord {
        let kind = Control::of_key(record.key);
        let understood = kind.and_then(|kind| understand(kind, record));
        understood.unwrap_or(ControlRecord::Unreadable(kind))
    }
}

fn understand(kind: Control, record: &Record<'_>) -> Option<ControlRecord> {
    let mut value = Cursor::new(record.value?);
    match kind {
        Control::Abort | Control::Commit => EndMarker::of_record(record).map(ControlRecord::End),
        Control::LeaderChange => leader_change(&mut value).map(ControlRecord::LeaderChange).ok(),
        Control::SnapshotHeader => {
            let version = value.i16().ok()?;
            let last_contained_log_timestamp = value.i64().ok()?;
            let header = SnapshotHeader { version, last_contained_log_timestamp };
            Some(ControlRecord::SnapshotHeader(header))
        }
        Control::SnapshotFooter => {
            Some(ControlRecord::SnapshotFooter(SnapshotFooter { version: value.i16().ok()? }))
        }
        Control::KraftVersion => {
            let (version, kraft_version) = (value.i16().ok()?, value.i16().ok()?);
            Some(ControlRecord::KraftVersion(KraftVersion { version, kraft_version }))
        }
        Control::KraftVoters => voters(&mut value).map(ControlRecord::KraftVoters).ok(),
        Control::Unknown(_) => None,
    }
}

fn leader_change(cursor: &mut Cursor<'_>) -> Result<LeaderChange, Overrun> {
    let version = cursor.i16()?;
    let leader_id = cursor.i32()?;
    let voter = |cursor: &mut Cursor<'_>| {
        let voter_id = cursor.i32()?;
        let voter_directory_id = if version >= 1 { Some(uuid(cursor)?) } else { None };
        skip_tags(cursor)?;
        Ok(LeaderVoter { voter_id, voter_directory_id })
    };
    let voters = array(cursor, voter)?;
    let granting_voters = array(cursor, voter)?;
    Ok(LeaderChange { version, leader_id, voters, granting_voters })
}

fn voters(cursor: &mut Cursor<'_>) -> Result<KraftVoters, Overrun> {
    let version = cursor.i16()?;
    let voters = array(cursor, |cursor| {
        let voter_id = cursor.i32()?;
        let voter_directory_id = uuid(cursor)?;
        let endpoints = array(cursor, |cursor| {
            let name = string(cursor)?;
            let host = string(cursor)?;
            let port = cursor.i16()? as u16;
            skip_tags(cursor)?;
            Ok(Endpoint { name, host, port })
        })?;
        let min_supported_version = cursor.i16()?;
        let max_supported_version = cursor.i16()?;
        let range = VersionRange { min_supported_version, max_supported_version };
        skip_tags(cursor)?;
        skip_tags(cursor)?;
        Ok(Voter { voter_id, voter_directory_id, endpoints, kraft_version_feature: range })
    })?;
    Ok(KraftVoters { version, voters })
}

/// A compact array: its length plus one, then the elements.
fn array<'a, T>(
    cursor: &mut Cursor<'a>,
    mut element: impl FnMut(&mut Cursor<'a>) -> Result<T, Overrun>,
) -> Result<Vec<T>, Overrun> {
    let count = cursor.unsigned_varint()?.saturating_sub(1);
    // Not `with_capacity`: the count is not to be believed before the elements are there.
    (0..count).map(|_| element(cursor)).collect()
}

fn string(cursor: &mut Cursor<'_>) -> Result<String, Overrun> {
    let length_bytes = cursor.unsigned_varint()?.saturating_sub(1);
    let bytes = cursor.bytes(length_bytes as usize)?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

fn uuid(cursor: &mut Cursor<'_>) -> Result<String, Overrun> {
    cursor.bytes(16).map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

fn skip_tags(cursor: &mut Cursor<'_>) -> Result<(), Overrun> {
    for _ in 0..cursor.unsigned_varint()? {
        let _tag = cursor.unsigned_varint()?;
        let length_bytes = cursor.unsigned_varint()?;
        cursor.bytes(length_bytes as usize)?;
    }
    Ok(())
}
