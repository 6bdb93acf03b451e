//! Segments replaced where they lie, so that at every instant this program or a starting broker
//! can finish the replacement or undo it.
//!
//! The protocol is that of Kafka's cleaner (`UnifiedLog.replaceSegments`), with the folder synced
//! between its steps, so that it holds for a power cut too. A `replacement` is a value that gives
//! the `step`s in order; `recovery` gives those that end what was interrupted; `claim` keeps
//! others away meanwhile.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

mod claim;
mod clean_mark;
mod recovery;
mod replacement;
mod step;

pub use claim::{Claim, PartitionClaim, unclean_shutdown};
pub use clean_mark::CleanMarks;
pub use recovery::{Recovery, SwapLog, as_finished, recover, view};
pub use replacement::{Replaced, Replacement};
pub use step::{Step, carry_out, deleted_bytes, list};
