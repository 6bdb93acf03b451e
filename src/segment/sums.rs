//! The checksums of a log's batches, also of a log made to be slow.
//!
//! A header that lies about its length costs a checksum over all that it claims, and the next one,
//! a few bytes behind it, may lie again. So once a length was found to lie, large batches are
//! summed by [`PartSums`], at a cost that does not depend on their lengths.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::bytes::PartSums;
use crate::format::{Batch, Flaw};
use crate::units::Position;

/// Up to this, a checksum takes no longer than a look at the sums.
pub const DIRECT_BYTES: usize = 16 << 10;

/// How the batches of one log are summed. It never matters for what comes out.
#[derive(Default)]
pub struct Sums {
    is_distrusted: AtomicBool,
    searched_bytes: AtomicU64,
    crc32: OnceLock<PartSums>,
    crc32c: OnceLock<PartSums>,
    /// How many bytes were summed, for tests to see.
    #[cfg(test)]
    pub cost_bytes: std::sync::atomic::AtomicUsize,
}

impl Sums {
    /// A length was found to lie: others may, too.
    pub fn distrust(&self) {
        self.is_distrusted.store(true, Ordering::Relaxed);
    }

    /// The CRC-32C of a part of `log`, at a cost that does not depend on its length.
    pub fn crc32c_of(&self, log: &[u8], part: Range<usize>) -> u32 {
        self.crc32c.get_or_init(|| PartSums::of_crc32c(log)).of_part(log, part)
    }

    /// Whether another `bytes` may be searched in a log of this length: all searches together are
    /// to take no longer than a few readings of it.
    pub fn may_search(&self, log: &[u8], bytes: usize) -> bool {
        let spent = self.searched_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        spent < 2 * log.len() as u64 + (64 << 20)
    }

    /// As [`Batch::check_crc`], for the batch at `position` of `log`.
    ///
    /// # Errors
    /// As there.
    pub fn check(&self, log: &[u8], position: Position, batch: &Batch<'_>) -> Result<(), Flaw> {
        let size_bytes = batch.header.size_bytes;
        let is_direct = size_bytes <= DIRECT_BYTES || !self.is_distrusted.load(Ordering::Relaxed);
        #[cfg(test)]
        {
            let cost_bytes = if is_direct { size_bytes } else { size_bytes.min(DIRECT_BYTES) };
            self.cost_bytes.fetch_add(cost_bytes, Ordering::Relaxed);
        }
        if is_direct {
            return batch.check_crc();
        }
        let sums = if batch.is_magic_2() {
            self.crc32c.get_or_init(|| PartSums::of_crc32c(log))
        } else {
            self.crc32.get_or_init(|| PartSums::of_crc32(log))
        };
        let start = position.plus(batch.summed_from()).index();
        batch.compare_crc(sums.of_part(log, start..position.plus(size_bytes).index()))
    }
}
