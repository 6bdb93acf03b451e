//! `.snapshot`: the state of the idempotent producers up to an offset (`ProducerStateManager`).

use crate::bytes::{Cursor, Overrun, crc32c};
use crate::units::{Offset, Timestamp};

/// The version that is read and written.
const VERSION: i16 = 1;
/// The least that a snapshot's header takes: version, CRC, count.
const HEADER_BYTES: usize = 10;
/// Version and CRC, which the CRC does not cover.
const CRC_END: usize = 6;

/// What Kafka remembers of one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    /// The producer.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// Sequence of its last record, or -1.
    pub last_sequence: i32,
    /// Offset of its last data record, or -1.
    pub last_offset: Offset,
    /// How many offsets its last batch spans, less one.
    pub offset_delta: i32,
    /// Timestamp of its last batch or marker.
    pub timestamp: Timestamp,
    /// Term of the coordinator that wrote its last marker, or -1.
    pub coordinator_epoch: i32,
    /// First offset of its open transaction.
    pub open_txn_first_offset: Option<Offset>,
}

/// Why a snapshot cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It is shorter than its own count says, or longer.
    #[error("the snapshot's size does not fit its count of producers")]
    Size,
    /// A version that this program does not know.
    #[error("snapshot version {0} is unknown (1 is known)")]
    Version(i16),
    /// The checksum differs.
    #[error("the snapshot's CRC is {stored:#010x} but the bytes have {computed:#010x}")]
    Crc {
        /// In the file.
        stored: u32,
        /// Of the bytes.
        computed: u32,
    },
}

/// Reads the bytes of a `.snapshot`.
///
/// # Errors
/// [`SnapshotError`]; Kafka too deletes such a snapshot and takes the one before.
pub fn parse_snapshot(bytes: &[u8]) -> Result<Vec<ProducerEntry>, SnapshotError> {
    let size = |_: Overrun| SnapshotError::Size;
    let mut cursor = Cursor::new(bytes);
    let version = cursor.i16().map_err(size)?;
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    let stored = cursor.u32().map_err(size)?;
    let computed = crc32c(bytes.get(CRC_END..).unwrap_or_default());
    if stored != computed {
        return Err(SnapshotError::Crc { stored, computed });
    }
    let count = cursor.i32().map_err(size)?;
    let most = bytes.len().saturating_sub(HEADER_BYTES);
    let count = usize::try_from(count).ok().filter(|n| *n <= most).ok_or(SnapshotError::Size)?;
    let entries = (0..count).map(|_| read_entry(&mut cursor));
    let entries = entries.collect::<Result<Vec<_>, _>>().map_err(size)?;
    if cursor.is_empty() { Ok(entries) } else { Err(SnapshotError::Size) }
}

/// The bytes of a `.snapshot` with these entries, by producer
/// (`ProducerStateManager.writeSnapshot`).
pub fn render_snapshot(entries: &[ProducerEntry]) -> Vec<u8> {
    let mut sorted: Vec<&ProducerEntry> = entries.iter().collect();
    sorted.sort_by_key(|entry| entry.producer_id);
    let mut summed = (sorted.len() as i32).to_be_bytes().to_vec();
    for entry in sorted {
        let txn = entry.open_txn_first_offset.map_or(-1, |offset| offset.0);
        summed.extend_from_slice(&entry.producer_id.to_be_bytes());
        summed.extend_from_slice(&entry.epoch.to_be_bytes());
        summed.extend_from_slice(&entry.last_sequence.to_be_bytes());
        summed.extend_from_slice(&entry.last_offset.0.to_be_bytes());
        summed.extend_from_slice(&entry.offset_delta.to_be_bytes());
        summed.extend_from_slice(&entry.timestamp.0.to_be_bytes());
        summed.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        summed.extend_from_slice(&txn.to_be_bytes());
    }
    let mut bytes = VERSION.to_be_bytes().to_vec();
    bytes.extend_from_slice(&crc32c(&summed).to_be_bytes());
    bytes.extend_from_slice(&summed);
    bytes
}

fn read_entry(cursor: &mut Cursor<'_>) -> Result<ProducerEntry, Overrun> {
    Ok(ProducerEntry {
        producer_id: cursor.i64()?,
        epoch: cursor.i16()?,
        last_sequence: cursor.i32()?,
        last_offset: Offset(cursor.i64()?),
        offset_delta: cursor.i32()?,
        timestamp: Timestamp(cursor.i64()?),
        coordinator_epoch: cursor.i32()?,
        open_txn_first_offset: Some(Offset(cursor.i64()?)).filter(|offset| offset.0 >= 0),
    })
}
