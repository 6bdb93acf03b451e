//! A compaction cut into units of work, for an engine that carries them out on many machines:
//! Ray, Kubernetes, a CI matrix, or a shell.
//!
//! No key leaves its partition, so partitions are compacted independently of each other: a unit is
//! some of them. A `plan` says which, and how much work each is by an `estimate`; it is a value,
//! which any number of machines can read. What each has done is in its report, and `total` makes
//! one of all of them.

mod estimate;
mod plan;
mod total;

pub use estimate::{Estimate, estimate};
pub use plan::{PlannedFile, PlannedPartition, Request, Size, WorkPlan, WorkUnit};
pub use total::{Total, UnitReport};
