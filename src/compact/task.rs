//! What there is to do with one partition, and what was found and done.

use std::path::Path;
use std::sync::Arc;

use super::budget::Budget;
use super::commit::Commit;
use super::evidence::Archive;
use super::plan::Plan;
use super::round::Round;
use crate::report::{Counters, Damage, Erased, RoundReport};
use crate::rounds::Journal;
use crate::segment::{PartitionDir, Place};
use crate::units::Offset;

/// What is known of a partition beforehand.
pub struct Task<'a> {
    /// Its directory.
    pub source: &'a PartitionDir,
    /// Whether the output is to lie where the source lies; in a dry run it would.
    pub in_place: bool,
    /// From the log directory's checkpoints.
    pub log_start: Option<Offset>,
    /// Likewise.
    pub first_dirty: Option<Offset>,
    /// Where to write; `None` in a dry run.
    pub place: Option<Place>,
    /// Where temporary files go; without it there are none.
    pub temp_dir: Option<&'a Path>,
    /// The memory that it may use.
    pub budget: Budget,
    /// The round that this is, if there are to be others.
    pub round: Option<&'a Round<'a>>,
    /// Where the evidence of what is erased waits for the report.
    pub archive: &'a Arc<Archive>,
}

/// What was found and done.
#[derive(Debug, Default)]
pub struct Done {
    /// The plan that was carried out; `None` if it did not come to one.
    pub plan: Option<Plan>,
    /// The offset behind the last record.
    pub log_end: Offset,
    /// The first offset that is not stable.
    pub last_stable: Offset,
    /// The counters of the range.
    pub counters: Counters,
    /// Readings of the range.
    pub passes: u32,
    /// What was erased.
    pub erased: Erased,
    /// Records of keys that were to be erased in segments that stay as they are.
    pub records_not_erased: u64,
    /// Damage, and what was done about it.
    pub damage: Vec<Damage>,
    /// Why the partition is left alone.
    pub left_alone: Option<String>,
    /// What else the operator should know.
    pub warnings: Vec<String>,
    /// What is left to do in place.
    pub commit: Commit,
    /// Why there is nothing to do, if the destination is as it should be.
    pub idle: Option<String>,
    /// What there is to know of the round.
    pub round: Option<RoundReport>,
    /// Where the destination's log starts, if it may hold records in front of that.
    pub kept_start: Option<Offset>,
    /// The destination's segments, by number, that the round replaces.
    pub rewritten: Vec<usize>,
    /// Of a round: records of the source that lost to a deletion that is gone from both, rising.
    pub outlived: Vec<Offset>,
    /// What is left to do in the destination.
    pub journal: Option<Journal>,
}

impl Done {
    /// A partition that is not compacted, and why.
    pub fn left_alone(reason: String) -> Done {
        Done { left_alone: Some(reason), ..Done::default() }
    }

    /// The same of a run that has built the key index anew before, out of so many bytes of the
    /// destination: if nothing else was to do, that was.
    pub fn though_reindexed(mut self, bytes_read: u64) -> Done {
        let Some(round) = &mut self.round else { return self };
        round.destination_bytes_read += bytes_read;
        if let Some(idle) = &mut self.idle {
            *idle = format!("the key index was built anew in round {}", round.number);
            round.kind = "reindex";
        }
        self
    }
}
