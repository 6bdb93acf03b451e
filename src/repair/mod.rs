//! Repair: indexes built anew, damage cut off or skipped, leftovers finished or undone.
//!
//! Each partition is examined in full; what becomes of it is decided as a value (`plan`, with the
//! companions of each segment from `companions`), and only then written, to a folder of its own or
//! in place (`write`). Every byte that goes is in the report.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

mod companions;
mod epochs;
mod kept;
mod plan;
mod recovery;
mod run;
mod snapshots;
mod write;

pub use plan::How;
pub use run::{RepairOptions, run, run_and_tell};
