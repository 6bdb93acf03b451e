//! The set of keys seen so far: every key itself, not its hash alone, in little memory.
//!
//! Keys are packed after a pattern (`pack`). Short ones are `words` then, which stand in their
//! slots; longer ones lie on pages beside a `table` (`shard`). The `index` says what goes where.

mod index;
mod pack;
mod shard;
mod table;
mod words;

pub use index::{KeyHash, KeyHasher, SHARDS};
pub use pack::Packer;
pub use shard::{Shard, Sighting};
pub use words::{KeyWord, Words};
