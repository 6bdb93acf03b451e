//! The key of the record at an offset, read once more for who has to show it.

use std::path::PathBuf;

use crate::format::Decoder;
use crate::segment::{Kind, PartitionDir};
use crate::units::Offset;

/// The log that the record is in, and its key.
pub fn key_at(dir: &PartitionDir, offset: Offset) -> Option<(PathBuf, Vec<u8>)> {
    let behind = dir.segments.partition_point(|segment| segment.base <= offset);
    let segment = dir.segments.get(behind.checked_sub(1)?)?;
    let log = segment.log().ok()?;
    let mut decoder = Decoder::new();
    // A claimed range that holds the offset may be a lie: each is looked into, until one has it.
    for item in log.checked_batches() {
        let Ok((_, batch)) = item else { continue };
        let header = &batch.header;
        // A compressed set of magic 0 or 1 names its last offset only.
        let begins_behind = header.base_offset > offset && !header.is_wrapper();
        if header.is_control() || begins_behind || header.last_offset < offset {
            continue;
        }
        let Ok(records) = decoder.records(&batch) else { continue };
        let record = records.map_while(Result::ok).find(|record| record.offset == offset);
        if let Some(key) = record.and_then(|record| record.key) {
            return Some((segment.path(Kind::Log), key.to_vec()));
        }
    }
    None
}
