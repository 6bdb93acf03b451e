//! Compaction in rounds: a source that grew, and what stands of it in the destination already.
//!
//! `standing` opens a destination and tells which round follows; `ahead` is the part of the source
//! that the round reads. `collector` hears who stands for each key after the vote over it, the
//! `newcomers`, and `this_round` has them meet the key `index`: who loses in the increment, and who
//! in the destination, whose segments are then read and written anew (`older`). Records that the
//! index has no room for are heard `again` (`unindexed`). A `conclusion` says
//! what the destination is to hold, and the `journal` takes it there.
//!
//! The state lies in `.logcompact/` in the destination's partition directory. A `round_file` says
//! what a round found and left; the key index, in files that are each a `key_run`, says which
//! record stands for each key, so that a `join` finds who loses. What a round changes of it comes
//! upon it as one of its `layers`. All of it is checked before it is believed.

mod again;
mod ahead;
mod base_ends;
mod collector;
mod conclusion;
mod copies;
mod epochs;
mod found;
mod index;
mod index_write;
mod join;
mod kept_damage;
mod layout;
mod newcomer_block;
mod newcomer_piece;
mod newcomers;
mod older;
mod options;
mod parts;
mod places;
mod reindex;
mod standing;
mod this_round;
mod unindexed;

pub use collector::Collector;
pub use conclusion::Facts;
pub use index_write::WrittenIndex;
pub use newcomers::Newcomers;
pub use options::{Rebase, RoundOptions};
pub use standing::{Begun, Standing, can_be_indexed, holds_rounds, start};
pub use this_round::{Listeners, Met, Round};
