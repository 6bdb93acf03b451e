//! The set of keys seen so far: every key itself, not its hash alone, in little memory.
//!
//! Keys are packed after a pattern (`pack`), to which most are `alike`, or which ends in `hex`
//! digits as they do. Short ones are `words` then, which stand in their slots; longer ones lie on
//! pages beside a `table` (`shard`). Both are a `key_set`; the `index` says what goes where.

mod alike;
mod hex;
mod index;
mod key_set;
mod pack;
mod shard;
mod table;
mod words;

pub use index::{KeyHash, KeyHasher, SHARDS};
pub use key_set::{KeySet, Sighting};
pub use pack::Packer;
pub use shard::Shard;
pub use words::{KeyWord, Words};
