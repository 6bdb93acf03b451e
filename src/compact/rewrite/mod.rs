//! The output: what stays is copied or made anew, chunk by chunk and group by group.
//!
//! `retain` gives each batch a verdict, `chunk` carries it out for the batches of a chunk, and
//! `range` has the `group_writer` put chunks into files in their order; some of them are `waiting`.
//! Segments outside the range are a matter of `rework` or `carry`; whole ones are copied while the
//! vote goes on (`copy_ahead`).

mod carry;
mod chunk;
mod copy_ahead;
mod group_writer;
mod range;
mod retain;
mod rework;
mod waiting;

pub use carry::{carried_txn_index, carry_segment, companions_of, look_at, put_empty_segment};
pub use chunk::{RewriteContext, Tally};
pub use copy_ahead::CopyAhead;
pub use group_writer::{Target, Written};
pub use range::{ChunkSource, Job, Maker, Voted};
pub use rework::{Carried, Found, Reworker};
pub use waiting::Waiting;
