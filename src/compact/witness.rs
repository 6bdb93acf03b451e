//! Somebody else who looks at the result before it gets its final names: an independent reader
//! that shares nothing with the engine. Who that is, is for the caller to say.

use std::fmt::Debug;

use super::commit::Commit;
use super::policy::Policy;
use crate::error::Result;
use crate::segment::{Part, PartitionDir, Place, Segment, Suffix, Suffixes};
use crate::units::{Offset, Position};

/// What a compaction says that it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where the log starts, if its log directory is not to be asked: of a round, it is where the
    /// destination's does.
    pub log_start: Option<Offset>,
    /// The offset behind the last record when it began.
    pub log_end: Offset,
    /// Where the range begins of which records voted.
    pub first_dirty: Offset,
    /// The offset behind the cleaned range.
    pub end: Offset,
    /// Records that lost to a deletion of an earlier round that is in neither directory any more,
    /// rising.
    pub outlived: Vec<Offset>,
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
    if let (Some(base), Some(last)) = (commit.new_active, after.segments.last()) {
        // Its files are not there yet. It is empty, like what lies behind the last one's end.
        let end = Position(last.size_bytes);
        let part = Some(Part { start: end, end: Some(end), ..Part::all_of(last) });
        after.segments.push(Segment { base, part, size_bytes: 0, ..last.clone() });
    }
    Ok(after)
}
