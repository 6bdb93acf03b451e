//! Arguments of `logcompact verify`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  # Is this backup sound?
  logcompact verify /backup/kafka-logs

  # In a script: a JSON object a finding, then a summary
  logcompact verify orders-0 --format json | jq -c 'select(.severity == \"error\")'

  # Did this compaction keep the state? Have these two replicas the same?
  logcompact verify /restore --against /backup/kafka-logs
  logcompact verify broker1/orders-0 --against broker2/orders-0

  # Warnings fail too
  logcompact verify orders-0 --strict

What --against proves, over the offsets that both logs span: the latest committed record of each key
is the same on both sides, in offset, timestamp, value and headers; and so are any two records with
one offset. What one side has compacted away is no difference, nor is a log that ends earlier.

What an error means: data is damaged, or an index would lead a broker past it. A warning: Kafka
copes, but it should not be so (a missing index is rebuilt at start, a leftover removed). An info:
worth knowing. A log that is being written to while it is read is not damaged.

Exit status: 0 nothing wrong; 1 errors were found (with --strict, errors or warnings); 2 not done.
Nothing is ever changed.";

/// Arguments of `logcompact verify`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// Partition directories (<topic>-<n>) or log directories that hold many
    #[arg(required = true, value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// Compare with the same partitions elsewhere: before a compaction, or another replica
    #[arg(long, value_name = "DIR")]
    pub against: Option<PathBuf>,
    /// How to show findings
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: VerifyFormat,
    /// Warnings give exit status 1 too
    #[arg(long)]
    pub strict: bool,
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerifyFormat {
    /// For people
    Text,
    /// A JSON object a finding, then one with the summary
    Json,
}
