//! Compaction: decide, then do.
//!
//! The `policy` and a `survey` of the headers give a `plan`; the vote (`election`, by a
//! `strategy`, on the `key_index`) gives a `record_set` for each chunk; `retain` gives each batch
//! a verdict, which `rewrite` carries out; `segment_writer` and `carry` put the output into a
//! staging folder, and `run` moves it to its place. Up to the last step nothing has a final name.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

mod account;
mod ballot;
mod budget;
mod carry;
mod commit;
mod contest;
mod copy_ahead;
mod damage;
mod destination;
mod election;
mod end_state;
mod erased_keys;
mod evidence;
mod group_writer;
mod key_index;
mod key_pack;
mod key_shard;
mod key_table;
mod key_words;
mod look;
mod lost_aborts;
mod marks;
mod partition;
mod plan;
mod policy;
mod producers;
mod record_set;
mod retain;
mod rework;
mod rewrite;
mod rewrite_range;
mod rewrites;
mod roll;
mod round;
mod run;
mod run_rounds;
mod scan;
mod share;
mod strategy;
mod survey;
mod transactions;
mod waiting;
mod walk;
mod witness;
mod worker;

pub use destination::Output;
pub use erased_keys::{ErasedKeys, KeyListError};
pub use key_index::{KeyHash, KeyHasher, SHARDS};
pub use key_pack::Packer;
pub use key_shard::{Shard, Sighting};
pub use key_words::{KeyWord, Words};
pub use plan::NothingToClean;
pub use policy::{CleanupPolicy, NullKeys, OnDamage, Policy, TopicConfig};
pub use rewrites::Rewrites;
pub use round::{Rebase, RoundOptions};
pub use run::{CompactOptions, run};
pub use strategy::Chosen;
pub use witness::{Claim, Witness};
