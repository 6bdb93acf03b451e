//! Arguments of `logcompact stats`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  # Which topics and partitions are there, how large, and what would compaction save?
  logcompact stats /backup/kafka-logs

  # One partition in detail: offsets, segments, codecs, keys, transactions
  logcompact stats /backup/kafka-logs/orders-0

  # A page with plots, to be opened in a browser or sent to somebody; it loads nothing
  logcompact stats /backup/kafka-logs --html kafka.html

  # In a script: which partitions are worth compacting?
  logcompact stats kafka-logs --json | jq '.partitions[] | select(.savings.percent > 50) | .source'

  # What keeps read_committed consumers waiting?
  logcompact stats kafka-logs --json | jq '.partitions[] | select(.transactions.open > 0)
      | {topic, partition, last_stable_offset, open: .open_transactions[0]}'

  # In a hurry: one pass, little memory
  logcompact stats kafka-logs --no-savings --keys estimate --memory 64MiB

Keys are counted exactly as long as --memory has room for them (some 50 bytes a key), and estimated
from there on: how many by HyperLogLog, which are the heaviest by counters that are bounds. The
output says which. What compaction would save is what 'compact --dry-run' says; it takes another
pass or two. Damaged batches are named on standard error and are not in the numbers.

Exit status: 0 nothing wrong; 1 something is damaged or could not be read; 2 not done. Nothing is
ever changed.";

/// Arguments of `logcompact stats`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct StatsArgs {
    /// Partition directories (<topic>-<n>) or log directories that hold many
    #[arg(required = true, value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// How to show the numbers
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: StatsFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Write a page with plots and tables too, in one file that needs no network; - is standard
    /// output
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// How keys are counted
    #[arg(long, value_name = "HOW", default_value = "exact")]
    pub keys: KeysArg,
    /// How many of the heaviest keys are listed
    #[arg(long, value_name = "N", default_value = "10",
          value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub top: u16,
    /// Do not ask what compaction would save
    #[arg(long)]
    pub no_savings: bool,
    /// The clock of the savings, in ms since 1970 [default: now]
    #[arg(long, value_name = "MS")]
    pub now: Option<i64>,
    /// What would be saved if the active segment were cleaned too
    #[arg(long)]
    pub include_active: bool,
    /// A file of name=value lines with topic settings under Kafka's names, for the savings
    #[arg(long, value_name = "FILE")]
    pub topic_config: Option<PathBuf>,
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatsFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// `--keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeysArg {
    /// Exactly, as long as --memory has room for them
    Exact,
    /// Estimated from the start
    Estimate,
    /// Not at all
    None,
}
