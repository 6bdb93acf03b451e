//! The vote: which record of each key survives.
//!
//! A `scan` reads a chunk and casts its records' votes into `ballot`s, one for each shard of the
//! keys. Each shard holds its own `contest`; the `election` has them go on until every record of
//! the range is decided. What comes of it is a `record_set` for each chunk, the `marks` where its
//! records lie, the `roll` of who voted, and the `share` that each batch has. When tombstones have
//! had their time is `expiry`.

mod ballot;
mod chunk_result;
mod contest;
mod election;
mod expiry;
mod marks;
mod record_set;
mod roll;
mod scan;
mod share;
mod windows;

pub use chunk_result::{ChunkAt, ChunkResult, chunks_of};
pub use election::{Count, Decided, Election, Electorate, Listener};
pub use expiry::Expiry;
pub use marks::MarksFrom;
pub use record_set::RecordSet;
pub use scan::Bodies;
pub use share::{Share, Shares, SourceBatch};
