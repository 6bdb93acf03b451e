//! Compaction: decide, then do.
//!
//! `run` puts a run in order, `partition` the steps of one partition. Each step has a room of its
//! own, which uses only those before it: a first `look` at the headers, which the `policy` makes a
//! `plan` of; the `vote`, by a `strategy`, on the set of `keys`; the `rewrite`; and what a `round`
//! does beside. All of it goes to a staging folder, and a `commit` says what takes it to its place.
//! Up to there nothing has a final name.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

mod account;
mod budget;
mod carry_over;
mod commit;
mod damage;
mod destination;
mod end_state;
mod erased_keys;
mod evidence;
mod keys;
mod look;
mod looked;
mod partition;
mod plan;
mod policy;
mod rewrite;
mod rewrites;
mod round;
mod run;
mod run_rounds;
mod small_files;
mod strategy;
mod task;
mod vote;
mod witness;
mod worker;

pub use destination::Output;
pub use erased_keys::{ErasedKeys, KeyListError};
pub use keys::{KeyHash, KeyHasher, KeySet, KeyWord, Packer, SHARDS, Shard, Sighting, Words};
pub use plan::NothingToClean;
pub use policy::{CleanupPolicy, NullKeys, OnDamage, Policy, TopicConfig};
pub use rewrites::Rewrites;
pub use round::{Rebase, RoundOptions};
pub use run::{CompactOptions, run};
pub use strategy::Chosen;
pub use witness::{Claim, Witness};
