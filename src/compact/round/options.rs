//! What a user may ask of rounds.

use std::path::PathBuf;

use crate::units::Offset;

/// The request, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundOptions {
    /// The last offset that is to be compacted.
    pub to_offset: Option<Offset>,
    /// Start over from the source, whatever the destination holds.
    pub full: bool,
    /// Even if the destination has records that the source has no more.
    pub force: bool,
    /// What to start from.
    pub rebase: Option<Rebase>,
    /// Build the key index anew from the destination.
    pub reindex: bool,
    /// A segment of the destination is written anew once this share of its records is superseded.
    pub min_rewrite_ratio: f64,
    /// How many round files are kept, the current one among them; without any, there is no state
    /// and there are no further rounds.
    pub keep_rounds: u32,
    /// What keys are hashed by in a key index that is begun, beside the source. Unless others know
    /// it, nobody can make a key that is taken for another's.
    pub secret: u64,
}

impl RoundOptions {
    /// Whether a compaction that is no round gives the same, if no other is to follow.
    pub fn is_plain(&self) -> bool {
        self.to_offset.is_none() && self.rebase.is_none()
    }
}

impl Default for RoundOptions {
    fn default() -> RoundOptions {
        RoundOptions {
            to_offset: None,
            full: false,
            force: false,
            rebase: None,
            reindex: false,
            min_rewrite_ratio: 0.0,
            keep_rounds: 2,
            secret: 0,
        }
    }
}

/// A directory that was compacted by somebody else, or before, and is to be built upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebase {
    /// A partition directory, or a log directory that holds it.
    pub from: PathBuf,
    /// The last offset that is taken from there; the source is read behind it. If nothing is said,
    /// the source is read from its start.
    pub high_watermark: Option<Offset>,
}
