//! Control records: what Kafka writes for itself between the data (`ControlRecordType`).

use super::Record;
use crate::bytes::Cursor;

/// The kinds of control record, by the type number in their key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Type 0: the producer's open transaction is aborted.
    Abort,
    /// Type 1: the producer's open transaction is committed.
    Commit,
    /// Type 2: a KRaft leader took over.
    LeaderChange,
    /// Type 3: head of a KRaft snapshot.
    SnapshotHeader,
    /// Type 4: foot of a KRaft snapshot.
    SnapshotFooter,
    /// Type 5: the KRaft protocol version.
    KraftVersion,
    /// Type 6: the KRaft voters.
    KraftVoters,
    /// A type of a later Kafka.
    Unknown(i16),
}

impl Control {
    /// What a control record's key says; `None` if it is not one (shorter than version and type,
    /// or a negative version).
    pub fn of_key(key: Option<&[u8]>) -> Option<Control> {
        let mut cursor = Cursor::new(key?);
        let version = cursor.i16().ok()?;
        let kind = cursor.i16().ok()?;
        (version >= 0).then_some(match kind {
            0 => Control::Abort,
            1 => Control::Commit,
            2 => Control::LeaderChange,
            3 => Control::SnapshotHeader,
            4 => Control::SnapshotFooter,
            5 => Control::KraftVersion,
            6 => Control::KraftVoters,
            other => Control::Unknown(other),
        })
    }

    /// The type number.
    pub fn id(self) -> i16 {
        match self {
            Control::Abort => 0,
            Control::Commit => 1,
            Control::LeaderChange => 2,
            Control::SnapshotHeader => 3,
            Control::SnapshotFooter => 4,
            Control::KraftVersion => 5,
            Control::KraftVoters => 6,
            Control::Unknown(id) => id,
        }
    }

    /// Kafka's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Control::Abort => "ABORT",
            Control::Commit => "COMMIT",
            Control::LeaderChange => "LEADER_CHANGE",
            Control::SnapshotHeader => "SNAPSHOT_HEADER",
            Control::SnapshotFooter => "SNAPSHOT_FOOTER",
            Control::KraftVersion => "KRAFT_VERSION",
            Control::KraftVoters => "KRAFT_VOTERS",
            Control::Unknown(_) => "UNKNOWN",
        }
    }
}

/// The end of a transaction (`EndTransactionMarker`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndMarker {
    /// Whether it commits.
    pub commit: bool,
    /// Version of the marker's value.
    pub version: i16,
    /// Term of the transaction coordinator that wrote it.
    pub coordinator_epoch: i32,
}

impl EndMarker {
    /// The marker that `record` is; `None` if it is none or its value is too short.
    pub fn of_record(record: &Record<'_>) -> Option<EndMarker> {
        let commit = match Control::of_key(record.key)? {
            Control::Commit => true,
            Control::Abort => false,
            _ => return None,
        };
        let mut cursor = Cursor::new(record.value?);
        let version = cursor.i16().ok()?;
        Some(EndMarker { commit, version, coordinator_epoch: cursor.i32().ok()? })
    }
}
