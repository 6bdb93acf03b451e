//! What happened, as plain data.

mod erased;
mod memory;
mod path;
mod progress;
mod repair_report;
mod round_report;
mod run_report;
mod shown;

pub use erased::{Erased, ErasedRecord, Sha256Sum, Trail};
pub use memory::{MemoryWatch, note_memory, peak_memory_bytes};
pub use path::{optional_path, path};
pub use progress::{NoProgress, Progress};
pub use repair_report::{PartitionRepair, RepairOutcome, RepairReport};
pub use round_report::RoundReport;
pub use run_report::{
    Counters, Damage, PartitionOutcome, PartitionReport, Removed, RunOutcome, RunReport, UnitOfPlan,
};
pub use shown::{counted, grouped, size};
