//! The evidence of what a run erases: offset, timestamp and SHA-256 of each record.
//!
//! Partitions put it here chunk by chunk, in whatever order they come to them. What memory has no
//! room for waits in a file without a name, until the report is written.
//!
//! The sum is of these bytes, integers big-endian: offset (8), timestamp (8), key, value, number
//! of headers (4), and of each header its name and its value. A field is its length (4) and its
//! bytes; null is the length -1. So it does not depend on how the record was batched or compressed.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::disk::Scratch;
use crate::error::{Error, Result};
use crate::format::{Flaw, Record};
use crate::report::{ErasedRecord, Sha256Sum, Trail};
use crate::units::{Offset, Timestamp};

const ENTRY_BYTES: usize = 48;

/// A record as evidence.
///
/// # Errors
/// Headers that do not fit into the record.
pub fn evidence_of(record: &Record<'_>, index: u32) -> Result<ErasedRecord, Flaw> {
    let mut sum = Sha256::new();
    sum.update(record.offset.0.to_be_bytes());
    sum.update(record.timestamp.0.to_be_bytes());
    put_field(&mut sum, record.key);
    put_field(&mut sum, record.value);
    let headers: Vec<_> = record
        .headers()
        .collect::<Result<_, _>>()
        .map_err(|overrun| Flaw::Record { index, overrun })?;
    sum.update((headers.len() as i32).to_be_bytes());
    for header in headers {
        put_field(&mut sum, Some(header.key));
        put_field(&mut sum, header.value);
    }
    let (offset, timestamp) = (record.offset, record.timestamp);
    Ok(ErasedRecord { offset, timestamp, sha256: Sha256Sum(sum.finalize().into()) })
}

fn put_field(sum: &mut Sha256, field: Option<&[u8]>) {
    sum.update(field.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
    sum.update(field.unwrap_or_default());
}

/// Where the evidence of a run waits.
pub struct Archive {
    memory_left_bytes: AtomicUsize,
    scratch: Scratch,
}

impl Archive {
    /// Of which `memory_bytes` may wait in memory, the rest in `dir`.
    pub fn new(memory_bytes: usize, dir: &Path) -> Archive {
        Archive { memory_left_bytes: AtomicUsize::new(memory_bytes), scratch: Scratch::within(dir) }
    }
}

/// The evidence of one partition, by chunk.
pub struct Evidence {
    archive: Arc<Archive>,
    chunks: Vec<OnceLock<Kept>>,
}

enum Kept {
    InMemory(Box<[u8]>),
    InFile(Range<u64>),
}

impl Evidence {
    /// For a partition of so many chunks.
    pub fn new(archive: &Arc<Archive>, chunks: usize) -> Evidence {
        let chunks = std::iter::repeat_with(OnceLock::new).take(chunks).collect();
        Evidence { archive: Arc::clone(archive), chunks }
    }

    /// This behind that of older chunks.
    pub fn behind(self, older: Evidence) -> Evidence {
        Evidence { chunks: older.chunks.into_iter().chain(self.chunks).collect(), ..older }
    }

    /// Takes what was erased in a chunk, in the order of offsets.
    ///
    /// # Errors
    /// Those of the temporary file.
    pub fn put(&self, chunk: usize, erased: &[ErasedRecord]) -> Result<()> {
        if erased.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(erased.len() * ENTRY_BYTES);
        for record in erased {
            bytes.extend_from_slice(&record.offset.0.to_be_bytes());
            bytes.extend_from_slice(&record.timestamp.0.to_be_bytes());
            bytes.extend_from_slice(&record.sha256.0);
        }
        let left = &self.archive.memory_left_bytes;
        let take = |left_bytes: usize| left_bytes.checked_sub(bytes.len());
        let kept = match left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Kept::InMemory(bytes.into()),
            Err(_) => Kept::InFile(self.archive.scratch.put(&bytes)?),
        };
        let place = self.chunks.get(chunk);
        let put = place.is_some_and(|place| place.set(kept).is_ok());
        if put { Ok(()) } else { Err(Error::bug("evidence of a chunk that has some, or is none")) }
    }
}

impl Trail for Evidence {
    fn len(&self) -> u64 {
        let sizes = self.chunks.iter().filter_map(OnceLock::get).map(|kept| match kept {
            Kept::InMemory(bytes) => bytes.len() as u64,
            Kept::InFile(place) => place.end - place.start,
        });
        sizes.sum::<u64>() / ENTRY_BYTES as u64
    }

    fn stretch(&self, number: usize) -> Result<Option<Vec<ErasedRecord>>> {
        let Some(place) = self.chunks.get(number) else { return Ok(None) };
        Ok(Some(match place.get() {
            None => Vec::new(),
            Some(Kept::InMemory(bytes)) => entries_of(bytes),
            Some(Kept::InFile(place)) => entries_of(&self.archive.scratch.get(place.clone())?),
        }))
    }
}

fn entries_of(bytes: &[u8]) -> Vec<ErasedRecord> {
    let entry = |bytes: &[u8]| {
        let (offset, rest) = bytes.split_first_chunk()?;
        let (timestamp, rest) = rest.split_first_chunk()?;
        Some(ErasedRecord {
            offset: Offset(i64::from_be_bytes(*offset)),
            timestamp: Timestamp(i64::from_be_bytes(*timestamp)),
            sha256: Sha256Sum(*rest.first_chunk()?),
        })
    };
    bytes.chunks_exact(ENTRY_BYTES).filter_map(entry).collect()
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Evidence({} records)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Erased;

    fn record(offset: i64) -> ErasedRecord {
        let sha256 = Sha256Sum([offset as u8; 32]);
        ErasedRecord { offset: Offset(offset), timestamp: Timestamp(-offset), sha256 }
    }

    #[test]
    fn evidence_comes_back_in_log_order_from_memory_and_from_the_file() {
        let dir = tempfile::tempdir().unwrap();
        for memory_bytes in [0, 100, 1 << 20] {
            let archive = Arc::new(Archive::new(memory_bytes, dir.path()));
            let evidence = Evidence::new(&archive, 4);
            evidence.put(3, &[record(7)]).unwrap();
            evidence.put(0, &[record(0), record(2), record(3)]).unwrap();
            evidence.put(1, &[]).unwrap();
            evidence.put(2, &[record(5)]).unwrap();
            assert!(evidence.put(2, &[record(5)]).is_err());
            assert_eq!(evidence.len(), 5);
            let erased = Erased::of(Arc::new(evidence));
            assert_eq!(erased.to_vec().unwrap(), [0, 2, 3, 5, 7].map(record));
            let json = serde_json::to_value(&erased).unwrap();
            let sum = "05".repeat(32);
            let wanted = serde_json::json!({"offset": 5, "timestamp": -5, "sha256": sum});
            assert_eq!((json.as_array().unwrap().len(), &json[3]), (5, &wanted));
        }
    }
}
