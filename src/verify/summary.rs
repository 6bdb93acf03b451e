//! What was read and what was found, in numbers.

use serde::Serialize;

use super::finding::{Finding, Severity};

/// Counts over everything that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Partition directories.
    pub partitions: u64,
    /// Segments.
    pub segments: u64,
    /// Batches whose checksum holds.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of logs.
    pub log_bytes: u64,
    /// Entries of offset indexes.
    pub index_entries: u64,
    /// Entries of time indexes.
    pub time_index_entries: u64,
    /// Entries of transaction indexes.
    pub txn_index_entries: u64,
    /// Entries of the key indexes that rounds of compaction keep.
    pub key_index_entries: u64,
    /// Producer snapshots.
    pub snapshots: u64,
    /// Findings that are errors.
    pub errors: u64,
    /// Findings that are warnings.
    pub warnings: u64,
    /// Findings that are neither.
    pub infos: u64,
}

impl Summary {
    /// Adds what another part read.
    pub fn add(&mut self, other: &Summary) {
        self.partitions += other.partitions;
        self.segments += other.segments;
        self.batches += other.batches;
        self.records += other.records;
        self.log_bytes += other.log_bytes;
        self.index_entries += other.index_entries;
        self.time_index_entries += other.time_index_entries;
        self.txn_index_entries += other.txn_index_entries;
        self.key_index_entries += other.key_index_entries;
        self.snapshots += other.snapshots;
        self.errors += other.errors;
        self.warnings += other.warnings;
        self.infos += other.infos;
    }

    /// Counts a finding.
    pub fn count(&mut self, finding: &Finding) {
        let counter = match finding.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
            Severity::Info => &mut self.infos,
        };
        *counter += finding.stands_for;
    }
}
