//! Arguments of `logcompact dump`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::dump::OffsetRange;

const EXAMPLES: &str = "\
Examples:
  # What is in a partition? A line a record, for people
  logcompact dump orders-0

  # The same for programs: a JSON object a line
  logcompact dump orders-0 --format json | jq -c 'select(.key == \"user1\")'

  # The batches around an offset, with their records; finds its way by the offset index
  logcompact dump orders-0 --show all --offsets 41000..=41010

  # As kafka-console-consumer.sh prints it
  logcompact dump people-0 --format console --print key,value

  # As kafka-dump-log.sh --print-data-log prints it, for scripts that parse that
  logcompact dump orders-0/00000000000000000000.log --format kafka --show all

  # Indexes, snapshots and checkpoints too
  logcompact dump orders-0/00000000000000000000.timeindex orders-0/leader-epoch-checkpoint

Exit status: 0 done; 1 done, but the data is damaged (each damaged stretch is named on standard
error, the rest is shown); 2 not done. Nothing is ever changed.";

/// Arguments of `logcompact dump`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DumpArgs {
    /// Files (.log .index .timeindex .txnindex .snapshot, checkpoints), partition directories or
    /// log directories
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Records, batches, or each batch followed by its records [default: records; with --format
    /// kafka: all]
    #[arg(long, value_name = "WHAT")]
    pub show: Option<ShowArg>,
    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: FormatArg,
    /// How --format json gives keys, values and header values
    #[arg(long, value_name = "ENCODING", default_value = "auto")]
    pub encoding: EncodingArg,
    /// Only these offsets: A..B (B is out), A..=B (B is in), A.., ..B, or one offset
    #[arg(long, value_name = "RANGE")]
    pub offsets: Option<OffsetRange>,
    /// At most so many records (batches with --show batches)
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// What --format console prints: key, value, timestamp, offset, partition, headers
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', default_value = "value")]
    pub print: Vec<PrintArg>,
    /// What --format console puts between two fields [default: TAB]
    #[arg(long, value_name = "TEXT")]
    pub key_separator: Option<String>,
}

/// `--show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShowArg {
    /// Records
    Records,
    /// Batches, without their records
    Batches,
    /// Each batch, then its records
    All,
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// For people
    Text,
    /// A JSON object a line
    Json,
    /// The lines of kafka-dump-log.sh --print-data-log
    Kafka,
    /// The lines of kafka-console-consumer.sh
    Console,
}

/// `--encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EncodingArg {
    /// A string where the bytes are UTF-8, else {"base64":"..."}
    Auto,
    /// Always {"base64":"..."}
    Base64,
    /// Always {"hex":"..."}
    Hex,
}

/// `--print`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PrintArg {
    /// The key
    Key,
    /// The value
    Value,
    /// CreateTime:ms or LogAppendTime:ms
    Timestamp,
    /// Offset:n
    Offset,
    /// Partition:n
    Partition,
    /// name:value,... or NO_HEADERS
    Headers,
}
