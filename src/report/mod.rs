//! What happened, as plain data.

mod memory;
mod progress;
mod run_report;

pub use memory::{note_memory, peak_memory_bytes};
pub use progress::{NoProgress, Progress};
pub use run_report::{
    Counters, Damage, PartitionOutcome, PartitionReport, Removed, RunOutcome, RunReport,
};
