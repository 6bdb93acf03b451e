//! What the data looks like: how much of it, how it is packed, which keys, which transactions, and
//! what compaction would save.
//!
//! Each log is read once, in parallel within it (`stretch` by stretch), and what was seen is added
//! up in log order (`partition`). Most of it is a [`Tally`], and adding two tallies adds what they
//! count, so topics and totals come from the same addition. Keys are counted exactly as long as
//! memory allows, and estimated from there on (`keys`, `frequent`). What compaction would save is
//! asked of [`compact`](mod@crate::compact) itself (`savings`). The result is plain data
//! ([`StatsReport`]), which [`page`] can turn into a page for a browser.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]
#![allow(rustdoc::private_intra_doc_links, reason = "the tour names the room's own files")]

mod frequent;
mod histogram;
mod key_text;
mod keys;
pub mod page;
mod partition;
mod report;
mod run;
mod savings;
mod stretch;
mod tally;
mod timeline;
mod transactions;

pub use histogram::{Bucket, Histogram};
pub use key_text::KeyText;
pub use keys::Counting;
pub use report::{
    DamagedRange, Dirty, KeyStats, Method, OpenTxn, PartitionOutcome, PartitionStats, Savings,
    SegmentStats, StatsReport, TopKey, TopicStats, Totals,
};
pub use run::{StatsOptions, run};
pub use tally::{CodecTally, Tally, TimeSpan, TxnTally, rfc3339};
pub use timeline::Timeline;
