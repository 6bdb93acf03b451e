//! Somebody else who looks at the result before it gets its final names: an independent reader
//! that shares nothing with the engine. Who that is, is for the caller to say.

use std::fmt::Debug;

use super::commit::Commit;
use super::policy::Policy;
use crate::error::Result;
use crate::segment::{PartitionDir, Place, Suffix, Suffixes};
use crate::units::Offset;

/// What a compaction says that it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The offset behind the last record when it began.
    pub log_end: Offset,
    /// Where the range begins of which records voted.
    pub first_dirty: Offset,
    /// The offset behind the cleaned range.
    pub end: Offset,
}

/// Compares a partition before and after its compaction.
pub trait Witness: Debug + Send + Sync {
    /// What differs that may not, in words; nothing if all is well.
    fn differences(
        &self,
        before: &PartitionDir,
        after: PartitionDir,
        claim: &Claim,
        policy: &Policy,
    ) -> Vec<String>;
}

/// The partition as it will be once `commit` is carried out: in a folder of its own it is there
/// already, in place some of its files still have other names.
pub fn after_commit(source: &PartitionDir, place: &Place, commit: &Commit) -> Result<PartitionDir> {
    if place.suffix.is_none() {
        let staged = PartitionDir::open_on(&place.disk, &place.dir)?;
        return Ok(PartitionDir { name: source.name.clone(), ..staged });
    }
    let mut after = source.clone();
    after.leftovers.clear();
    for replacement in &commit.replacements {
        after.segments.retain(|segment| !replacement.old.contains(&segment.base));
        for base in &replacement.new {
            after.add_segment(*base, Suffixes::all(Some(Suffix::Cleaned)))?;
        }
    }
    after.segments.sort_by_key(|segment| segment.base);
    Ok(after)
}
