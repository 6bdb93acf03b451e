//! Arguments of `logcompact verify`.

use std::num::NonZeroU32;
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
  logcompact verify by-event-time --against /backup/kafka-logs --strategy timestamp

  # Is each key where its producer should have sent it? By the function that fits, or by this one
  logcompact verify /backup/kafka-logs --partitioner auto
  logcompact verify people-0 people-1 --partitioner crc32 --partitions 6

  # After partitions were added: which keys are in more than one?
  logcompact verify /backup/kafka-logs --check-key-spread --format json

  # Warnings fail too
  logcompact verify orders-0 --strict

What --against proves, over the offsets that both logs span: the latest committed record of each key
is the same on both sides, in offset, timestamp, value and headers; and so are any two records with
one offset. What one side has compacted away is no difference. A log that ends earlier than the one
it is compared against is a warning, for it may be a replica that is behind, or what compact left
with --to-offset; one that holds nothing, and a partition that is missing, are errors. It is not the
latest record of each key with --strategy, but the one that the strategy keeps.

What --partitioner proves: that each data record with a key lies in the partition that the function
names for it. Topics that Kafka keeps for itself are left out, for they go by other functions, and
so should be topics of a producer with a partitioner of its own. auto checks a topic by the function
that 99 % of its keys fit, or warns that none does.

In a directory that compact keeps in rounds, its state is checked too: each file of .logcompact/,
the segments that the last round left, and every record below the watermark against the key index.

What an error means: data is damaged, an index would lead a broker past it, or the next round of
compaction would be refused or go wrong. A warning: Kafka copes, but it should not be so (a missing
index is rebuilt at start, a leftover removed). An info: worth knowing. A log that is being written
to while it is read is not damaged.

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
    /// With --against: which record of a key is its state, as compact --strategy says it: offset,
    /// timestamp, first, header:NAME
    #[arg(long, value_name = "STRATEGY", requires = "against")]
    pub strategy: Option<String>,
    /// With --against: a zero-length value deletes its key, as with compact --empty-is-tombstone
    #[arg(long, requires = "against")]
    pub empty_is_tombstone: bool,
    /// Check that keys are in the partitions that this function names
    #[arg(long, value_name = "FUNCTION")]
    pub partitioner: Option<PartitionerArg>,
    /// How many partitions each topic has [default: as many as there are directories]
    #[arg(long, value_name = "N", requires = "partitioner")]
    pub partitions: Option<NonZeroU32>,
    /// Name keys that are in more than one partition of their topic
    #[arg(long)]
    pub check_key_spread: bool,
    /// How to show findings
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: VerifyFormat,
    /// Warnings give exit status 1 too
    #[arg(long)]
    pub strict: bool,
}

/// `--partitioner`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PartitionerArg {
    /// Java's producer and its kin; librdkafka's murmur2_random
    Murmur2,
    /// librdkafka's default, and so that of its bindings for Python, Go, .NET
    Crc32,
    /// Sarama's default; librdkafka's fnv1a_random
    Fnv1a,
    /// The one that nearly all keys of a topic fit
    Auto,
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerifyFormat {
    /// For people
    Text,
    /// A JSON object a finding, then one with the summary
    Json,
}
