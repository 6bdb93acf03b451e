//! Arguments of compaction in rounds.

use std::path::PathBuf;

use clap::Args;

/// Compaction in rounds: the same command again, on a source that grew, compacts what is new.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rounds: the same command again compacts what is new")]
pub struct RoundArgs {
    /// Compact no further than this offset, itself included; what lies behind it is carried over
    /// as it is. A batch that holds it and more is cut in two
    #[arg(long, value_name = "OFFSET", conflicts_with = "in_place")]
    pub to_offset: Option<i64>,
    /// Start over from the source, whatever OUT holds of earlier rounds
    #[arg(long, conflicts_with_all = ["in_place", "rebase_from", "reindex"])]
    pub full: bool,
    /// Start from a directory that a broker or another run has compacted, and go on with what
    /// DIR has behind it. Partitions or log directories like DIR
    #[arg(long, value_name = "OLD", conflicts_with_all = ["in_place", "reindex"])]
    pub rebase_from: Option<PathBuf>,
    /// With --rebase-from: take OLD up to this offset, itself included, and DIR behind it
    /// [default: DIR from its start on, OLD for what lies before]
    #[arg(long, value_name = "OFFSET", requires = "rebase_from")]
    pub rebase_high_watermark: Option<i64>,
    /// Build the key index anew from OUT, for instance because it is damaged
    #[arg(long, conflicts_with_all = ["in_place", "dry_run"])]
    pub reindex: bool,
    /// Leave a compacted segment as it is until this share of its records is superseded (0..=1)
    #[arg(long, value_name = "RATIO", default_value = "0", conflicts_with = "in_place")]
    pub min_rewrite_ratio: f64,
    /// How many round files OUT keeps, the current one among them; 0: no state, no further rounds
    #[arg(long, value_name = "N", default_value = "2", conflicts_with = "in_place")]
    pub keep_rounds: u32,
}
