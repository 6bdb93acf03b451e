//! Records of the destination of which the key index knows nothing.
//!
//! They lay below the log start when they were compacted. Such a record stays as long as no record
//! behind the log start has its key, so there may be several of one key; and whatever comes later
//! with that key supersedes all of them, by any strategy. As long as a destination holds some,
//! each round reads them again.

use std::sync::Arc;

use rayon::prelude::*;

use super::again::hear_again;
use super::newcomers::Newcomers;
use super::this_round::Earlier;
use crate::compact::budget::Budget;
use crate::compact::evidence::Archive;
use crate::compact::policy::Policy;
use crate::error::Result;
use crate::rounds::{KeyHash, OffsetRanges};
use crate::units::Offset;

/// What becomes of them in a round.
#[derive(Debug, Default)]
pub struct Unindexed {
    /// Those that are superseded, rising.
    pub superseded: Vec<Offset>,
    /// Those whose key is to be erased, rising.
    pub erased: Vec<Offset>,
    /// Where there may be others.
    pub left: OffsetRanges,
    /// What was read for that.
    pub bytes_read: u64,
}

impl Unindexed {
    /// Has them meet the `newcomers` of a round and the keys that it erases, whose hashes are
    /// sorted; room for them is `room`.
    ///
    /// # Errors
    /// Refused: a destination that is damaged. The system's.
    pub fn meet(
        earlier: &Earlier,
        (newcomers, erased): (&Newcomers, &[KeyHash]),
        room: &Newcomers,
        policy: &Policy,
        with: (&Budget, &Arc<Archive>),
    ) -> Result<Unindexed> {
        let unindexed = &earlier.file.unindexed;
        let is_idle = erased.is_empty() && newcomers.about(KeyHash(0), None)? == 0;
        if unindexed.is_empty() || is_idle {
            return Ok(Unindexed { left: unindexed.clone(), ..Unindexed::default() });
        }
        let segments = earlier.file.segments.iter().enumerate();
        let numbers: Vec<usize> = segments
            .filter(|(_, segment)| unindexed.meets(segment.base_offset..segment.next_offset))
            .map(|(number, _)| number)
            .collect();
        let others = unindexed.others();
        let bytes_read = hear_again(earlier, &numbers, others, policy, with, room)?;
        let parts: Vec<Part> = (0..PARTS)
            .into_par_iter()
            .map(|number| Part::meet(number, room, newcomers, erased))
            .collect::<Result<_>>()?;
        let mut all = Unindexed { bytes_read, ..Unindexed::default() };
        let stays = parts.iter().any(|part| part.stays);
        for part in parts {
            all.superseded.extend(part.superseded);
            all.erased.extend(part.erased);
        }
        all.superseded.sort_unstable();
        // A destination that was tampered with may have an offset twice.
        all.superseded.dedup();
        all.erased.sort_unstable();
        if stays {
            all.left.clone_from(unindexed);
        }
        Ok(all)
    }
}

/// They meet by so many parts of all hashes.
const PARTS: u128 = 1 << PART_BITS;
const PART_BITS: u32 = 8;

/// The same of a part of the hashes.
#[derive(Default)]
struct Part {
    superseded: Vec<Offset>,
    erased: Vec<Offset>,
    /// Whether any of them stays.
    stays: bool,
}

impl Part {
    fn meet(
        number: u128,
        room: &Newcomers,
        newcomers: &Newcomers,
        erased: &[KeyHash],
    ) -> Result<Part> {
        let bound = |number: u128| KeyHash(number << (u128::BITS - PART_BITS));
        let below = Some(number + 1).filter(|next| *next < PARTS).map(bound);
        let mut part = Part::default();
        let known = room.range(bound(number), below)?;
        if known.is_empty() {
            return Ok(part);
        }
        let new = newcomers.range(bound(number), below)?.keys();
        for record in known.iter() {
            let (hash, offset) = (record.entry.hash, record.entry.offset);
            if erased.binary_search(&hash).is_ok() {
                part.erased.push(offset);
            } else if new.binary_search(&hash).is_ok() {
                part.superseded.push(offset);
            } else {
                part.stays = true;
            }
        }
        Ok(part)
    }
}
