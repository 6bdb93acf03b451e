//! Write: the console producer on a directory. Lines become records, records batches, and batches
//! are appended as a broker appends them, with its indexes, rolls, snapshots and epochs.
//!
//! Bytes become lines (`lines`), lines become records (`line_format`), each goes to a partition
//! (`chooser`) of a topic (`topic`), whose log (`partition_log`) ends in the segment that is
//! written to (`active`). What is done when is in `run`.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

mod active;
mod chooser;
mod clock;
mod line_format;
mod lines;
mod made;
mod partition_log;
mod rules;
mod run;
mod tail;
mod topic;

pub use clock::Clock;
pub use line_format::{LineFlaw, LineFormat};
pub use lines::Lines;
pub use rules::{TopicRules, WriteOptions};
pub use run::{Written, WrittenPartition, run};
pub use topic::Request;
