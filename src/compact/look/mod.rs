//! What is seen of a partition before anything is decided: its segments' headers (`walk`, a
//! `survey` each, cut into tasks by the `expansion` of its batches), how its `transactions` ended,
//! which `producers` are still active, whose markers are lost.

mod expansion;
pub mod lost_aborts;
mod producers;
mod survey;
mod transactions;
mod walk;

pub use producers::ActiveProducers;
pub use survey::{Chunk, Survey, Walking, modified_ms};
pub use transactions::{SegmentTxns, aborted_across, begun_below, settle, settle_again};
