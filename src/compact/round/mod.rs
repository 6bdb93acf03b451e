//! The state of compaction in rounds: what a destination remembers of the rounds before, so that
//! the next one reads only what is new.
//!
//! It lies in `.logcompact/` in the destination's partition directory. A `round_file` says what a
//! round found and left; the key index (`index`, in files that are each a `key_run`) says which
//! record stands for each key, so that a `join` with the `newcomers` of an increment finds who
//! loses; `dead` are the losers that wait for a rewrite; a `journal` makes a commit of many files
//! one step. All of it is checked before it is believed: `state_file` and `sealed` say how.
#![expect(dead_code, unused_imports, reason = "the engine of a round is to use all of it")]

mod dead;
mod entry;
mod hex;
mod index;
mod join;
mod journal;
mod journal_steps;
mod key_run;
mod newcomers;
mod ranges;
mod round_file;
mod sealed;
mod state_dir;
mod state_file;

pub use dead::{DeadOffsets, FileRef};
pub use entry::{Entry, EntryLayout, KeyHash, KeyHashSeed, MOST_OFFSET};
pub use hex::Crc32c;
pub use index::{Found, KeyIndex, WrittenIndex};
pub use join::{Outcome, join};
pub use journal::{Change, Journal};
pub use key_run::{KeyRun, RunRef, RunWriter};
pub use newcomers::{Newcomer, Newcomers};
pub use round_file::{
    FORMAT, HashFunction, Rebase, RoundFile, RoundIo, RoundKind, Rules, Sample, SegmentRef,
    Settings, Source, TailRef,
};
pub use state_dir::StateDir;

#[cfg(test)]
#[path = "../../../tests/support/power.rs"]
#[expect(dead_code, reason = "written for the integration tests, which use all of it")]
mod power;
