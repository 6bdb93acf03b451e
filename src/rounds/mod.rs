//! What rounds of compaction leave in a destination, to be gone on from: the formats, who reads
//! them, who writes them, and the commit of a round.
//!
//! The state lies in `.logcompact/` in the destination's partition directory ([`StateDir`]). A
//! `round_file` says what a round found and left; the key index, in files that are each a
//! `key_run`, says which record stands for each key. What a round changes of it comes upon it as
//! one of its `layers`. `dead` are superseded records that wait for a rewrite; the `journal` is the
//! commit that is under way. All of it is checked before it is believed.
//!
//! What a round decides, and how, is no concern of this room.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

mod dead;
mod entry;
mod hex;
mod journal;
mod journal_steps;
mod key_run;
mod layers;
mod lookup;
mod manifest;
mod open_runs;
mod ranges;
mod round_file;
mod run_writer;
mod sealed;
mod state_dir;
mod state_file;
mod whole_index;

pub use dead::{DeadOffsets, FileRef};
pub use entry::{Entry, EntryLayout, KeyHash, KeyHashSeed, KeyState, MOST_OFFSET};
pub use hex::Crc32c;
pub use journal::{COMPANIONS, Change, Journal};
pub use key_run::{KeyRun, Level, MOST_RUN_BYTES, RunRef, States};
pub use layers::{Layers, MOST_LAYERS, Merged, are_in_order, entries_of, merged, stands_for};
pub use manifest::{Difference, differences};
pub use open_runs::OpenRuns;
pub use ranges::{Range, ranges_of, within};
pub use round_file::{
    FORMAT, HashFunction, KeptDamage, Rebase, RoundFile, RoundIo, RoundKind, Rules, Sample,
    SegmentRef, Settings, Source, TailRef,
};
pub use run_writer::{RunFile, RunWriter};
pub use state_dir::StateDir;
pub use whole_index::WholeIndex;

#[cfg(test)]
#[path = "../../tests/support/power.rs"]
#[expect(dead_code, reason = "written for the integration tests, which use all of it")]
mod power;
