//! Records that the destination holds, heard once more as if they were new.

use std::ops::Range;
use std::sync::Arc;

use super::collector::Collector;
use super::newcomers::Newcomers;
use super::older::Older;
use super::this_round::Earlier;
use crate::compact::budget::Budget;
use crate::compact::evidence::Archive;
use crate::compact::look::Survey;
use crate::compact::policy::Policy;
use crate::compact::rewrites::Rewrites;
use crate::error::Result;
use crate::units::{Offset, Timestamp};

/// Adds to `newcomers` the keyed records at the offsets `indexed` in the destination's segments
/// `numbers`, but for those that are known to be superseded; how many bytes were read.
///
/// # Errors
/// Refused: a destination that is damaged. The system's.
pub fn hear_again(
    earlier: &Earlier,
    numbers: &[usize],
    indexed: Range<Offset>,
    policy: &Policy,
    (budget, archive): (&Budget, &Arc<Archive>),
    newcomers: &Newcomers,
) -> Result<u64> {
    // Whatever is there is heard, even what has had its time.
    let patient = Policy {
        now: Timestamp(i64::MIN),
        drop_tombstones: false,
        rewrites: Rewrites::default(),
        ..policy.clone()
    };
    let reading = (budget.chunk_bytes, archive);
    let older = Older::read(earlier, numbers, &earlier.dead, &patient, reading)?;
    let range = (older.surveys.as_slice(), older.txns.as_slice(), older.chunks.as_slice());
    let seed = earlier.file.hash.seed;
    let collector = Collector::new(range, policy, indexed, seed, newcomers);
    collector.rest(&older.election.chunks)?;
    Ok(older.surveys.iter().map(Survey::size_bytes).sum())
}
