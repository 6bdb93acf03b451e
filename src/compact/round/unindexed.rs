//! Records of the destination of which the key index knows nothing.
//!
//! They lie in front of where its log starts. Such a record stays as long as no record behind that
//! has its key, so there may be several of one key; and whatever comes later with that key
//! supersedes all of them, by any strategy. As long as a destination holds some, each round reads
//! them again.

use std::sync::Arc;

use rayon::prelude::*;

use super::again::hear_again;
use super::newcomers::Newcomers;
use super::this_round::Earlier;
use crate::compact::budget::Budget;
use crate::compact::evidence::Archive;
use crate::compact::policy::Policy;
use crate::error::Result;
use crate::rounds::KeyHash;
use crate::units::Offset;

/// What becomes of them in a round.
#[derive(Debug, Default)]
pub struct Unindexed {
    /// Those that are superseded, rising.
    pub superseded: Vec<Offset>,
    /// Those whose key is to be erased, rising.
    pub erased: Vec<Offset>,
    /// Below which offset there may be others; 0 if there are none.
    pub left_below: Offset,
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
        let below = earlier.file.unindexed_below;
        let is_idle = erased.is_empty() && newcomers.about(KeyHash(0), None)? == 0;
        if below == Offset(0) || is_idle {
            return Ok(Unindexed { left_below: below, ..Unindexed::default() });
        }
        let segments = earlier.file.segments.iter().enumerate();
        let numbers: Vec<usize> = segments
            .filter(|(_, segment)| segment.base_offset < below)
            .map(|(number, _)| number)
            .collect();
        let theirs = Offset(i64::MIN)..below;
        let bytes_read = hear_again(earlier, &numbers, theirs, policy, with, room)?;
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
        // The increment may have some too.
        if stays || earlier.end < below {
            all.left_below = below;
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
