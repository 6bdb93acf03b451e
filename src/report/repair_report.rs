//! The report of a repair: what was lost, to the byte, and which files were made anew.
//! `schema_version` 1: fields are only ever added.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Damage, RunOutcome};
use crate::units::Offset;

/// What became of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RepairOutcome {
    /// Something was repaired.
    Repaired,
    /// There was nothing to repair.
    Unchanged,
    /// It was left alone.
    Failed,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartitionRepair {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Where it was read.
    #[serde(serialize_with = "crate::report::path")]
    pub source: PathBuf,
    /// Where it was written; null if it was not.
    #[serde(serialize_with = "crate::report::optional_path")]
    pub destination: Option<PathBuf>,
    /// What became of it.
    pub outcome: RepairOutcome,
    /// Why it was left alone.
    pub reason: Option<String>,
    /// The offset behind the last record that is left.
    pub log_end_offset: Offset,
    /// Bytes of its logs that are gone.
    pub bytes_lost: u64,
    /// Records that are gone, as far as their headers can be believed.
    pub records_lost: u64,
    /// Those bytes, range by range, and damage that was kept as a broker keeps it; of a partition
    /// that was left alone, its damage.
    pub damage: Vec<Damage>,
    /// Files with new content.
    pub rebuilt: Vec<String>,
    /// Files that are gone.
    pub removed: Vec<String>,
    /// What else the operator should know.
    pub warnings: Vec<String>,
}

impl PartitionRepair {
    /// A partition to which nothing was done yet.
    pub fn of(topic: &str, partition: i32, source: &Path) -> PartitionRepair {
        PartitionRepair {
            topic: topic.into(),
            partition,
            source: source.into(),
            destination: None,
            outcome: RepairOutcome::Unchanged,
            reason: None,
            log_end_offset: Offset(0),
            bytes_lost: 0,
            records_lost: 0,
            damage: Vec::new(),
            rebuilt: Vec::new(),
            removed: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// It is left alone, and why.
    pub fn fail(&mut self, reason: String) {
        self.outcome = RepairOutcome::Failed;
        self.reason = Some(reason);
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RepairReport {
    /// 1.
    pub schema_version: u32,
    /// `logcompact`.
    pub tool: &'static str,
    /// Its version.
    pub version: &'static str,
    /// `repair`.
    pub command: &'static str,
    /// When the run began, in ms since 1970.
    pub started_ms: u64,
    /// How long it took.
    pub elapsed_ms: u64,
    /// Nothing was written.
    pub dry_run: bool,
    /// The source itself was changed.
    pub in_place: bool,
    /// `problems` if something was lost or damage is left, or a partition left alone.
    pub outcome: RunOutcome,
    /// By topic and partition.
    pub partitions: Vec<PartitionRepair>,
    /// What was wrong beside the partitions.
    pub warnings: Vec<String>,
}
