//! Newcomers in the temporary file: what several blocks held, distributed as it was in them.
//!
//! Nothing is sorted on the way: who reads a range sorts it anyhow.

use std::ops::Range;
use std::sync::Arc;

use super::newcomer_block::{Block, Slice, slot_of_hash};
use crate::disk::Scratch;
use crate::error::Result;
use crate::rounds::KeyHash;

/// A slot holds about so many: it is the least that is read.
const NEWCOMERS_A_SLOT: usize = 64;

/// A stretch of the temporary file. Within a slot newcomers have no order.
#[derive(Clone)]
pub struct Piece {
    start: u64,
    /// Where each slot ends, counted from there.
    ends: Arc<[u64]>,
    bits: u32,
}

impl Piece {
    /// What `blocks` hold, of which each newcomer takes `size` bytes, written `at_a_time` bytes.
    ///
    /// # Errors
    /// The system's at the temporary file.
    pub fn of(blocks: &[Block], size: usize, scratch: &Scratch, at_a_time: usize) -> Result<Piece> {
        let whole_bytes: usize = blocks.iter().map(|block| block.of_slot(0, 0).len()).sum();
        let slots = (whole_bytes / size.max(1) / NEWCOMERS_A_SLOT).max(1);
        let finest = blocks.iter().map(Block::bits).min().unwrap_or(0);
        let bits = slots.ilog2().min(finest);
        let start = scratch.room(whole_bytes as u64).start;
        let (mut ends, mut written) = (Vec::with_capacity(1 << bits), 0);
        let mut bytes = Vec::with_capacity(at_a_time.min(whole_bytes));
        for slot in 0..1 << bits {
            for block in blocks {
                let slot = block.of_slot(slot, bits);
                if bytes.len() + slot.len() > at_a_time {
                    scratch.write(start + written, &bytes)?;
                    written += bytes.len() as u64;
                    bytes.clear();
                }
                bytes.extend_from_slice(slot);
            }
            ends.push(written + bytes.len() as u64);
        }
        scratch.write(start + written, &bytes)?;
        Ok(Piece { start, ends: ends.into(), bits })
    }

    /// Those with hashes from `from` to `last`, and some around them.
    ///
    /// # Errors
    /// The system's at the temporary file.
    pub fn around(&self, from: KeyHash, last: KeyHash, scratch: &Scratch) -> Result<Slice> {
        let end = |slot: usize| self.start + self.ends.get(slot).copied().unwrap_or(0);
        let first = slot_of_hash(from, self.bits).checked_sub(1).map_or(self.start, end);
        let place: Range<u64> = first..end(slot_of_hash(last, self.bits));
        scratch.get(place).map(Slice::Read)
    }
}
