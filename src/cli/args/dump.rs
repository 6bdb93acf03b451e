//! Arguments of `logcompact dump`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::SelectionArgs;

/// Arguments of `logcompact dump`.
#[derive(Debug, Args)]
#[command(after_help = "See 'logcompact dump --help' for examples.", after_long_help = EXAMPLES)]
pub struct DumpArgs {
    /// A file of a log, a partition directory, or a log directory
    ///
    /// Files are known by their names: <20 digits> and .log, .index, .timeindex, .txnindex or
    /// .snapshot (also with .cleaned, .swap or .deleted behind it), leader-epoch-checkpoint,
    /// partition.metadata, the offset checkpoints of a log directory, bootstrap.checkpoint and
    /// <offset>-<epoch>.checkpoint. Of a partition directory (<topic>-<n>) all .log files are
    /// shown in the order of their offsets; of a log directory all partitions.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// What of a log is shown [default: records; with --format kafka: all]
    #[arg(long, value_name = "WHAT")]
    pub show: Option<ShowArg>,

    /// What the lines look like [default: text; console with --print or --key-separator]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<FormatArg>,

    /// Which records.
    #[command(flatten)]
    pub selection: SelectionArgs,

    /// How keys, values and header values stand in JSON [default: auto]
    #[arg(long, value_name = "HOW", help_heading = "Options of --format json")]
    pub encoding: Option<EncodingArg>,

    /// Which parts of a record are printed [default: value]
    ///
    /// The order on the line is Kafka's, whatever the order here: timestamp, partition, offset,
    /// headers, key, value.
    #[arg(
        long,
        value_name = "PART,...",
        value_delimiter = ',',
        help_heading = "Options of --format console"
    )]
    pub print: Option<Vec<FieldArg>>,

    /// What stands between the parts [default: a TAB]
    #[arg(long, value_name = "TEXT", help_heading = "Options of --format console")]
    pub key_separator: Option<String>,
}

/// What of a log is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShowArg {
    /// A line a record
    Records,
    /// A line a batch, without looking into it
    Batches,
    /// Each batch, then its records
    All,
}

/// What the lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// For people: aligned, times as RFC 3339, long values cut to the width of the terminal
    Text,
    /// A JSON object a line
    Json,
    /// The lines of kafka-dump-log.sh: with --print-data-log, or without it under --show batches
    Kafka,
    /// The lines of kafka-console-consumer.sh
    Console,
}

/// How bytes stand in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EncodingArg {
    /// A string where the bytes are UTF-8, else {"base64":"..."}
    Auto,
    /// Always {"base64":"..."}
    Base64,
    /// Always {"hex":"..."}
    Hex,
}

/// A part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FieldArg {
    /// The key, or null
    Key,
    /// The value, or null
    Value,
    /// CreateTime:<ms> or LogAppendTime:<ms>
    Timestamp,
    /// Offset:<n>
    Offset,
    /// Partition:<n>
    Partition,
    /// name:value,name:value or NO_HEADERS
    Headers,
}

const EXAMPLES: &str = "\
Damage does not end a dump: it is reported on standard error with file and position, a batch with
a wrong CRC is shown as far as it decodes (\"valid\":false), and the exit status is 1. An
unfinished batch at the end of the last segment is no damage; -v mentions it.

Examples:
  The first ten records of a partition
    logcompact dump --limit 10 /var/lib/kafka/orders-0

  One offset, with the batch that it is in
    logcompact dump --show all --offsets 48210 /var/lib/kafka/orders-0

  How a segment is laid out: position, size, codec and producer of each batch
    logcompact dump --show batches orders-0/00000000000000000000.log

  Where has this key been, the latest first? What did it stand at, at noon?
    logcompact dump --key user1 --reverse orders-0
    logcompact dump --key user1 --state --time ..2026-11-20T12:00:00Z orders-0

  What a consumer with isolation.level=read_committed sees of five minutes
    logcompact dump --isolation read_committed --time 2026-11-20T12:00Z..2026-11-20T12:05Z tx-0

  The table that a compacted topic is, one line a key
    logcompact dump --state --print key,value orders-0

  All keys of a log directory, for a script
    logcompact dump --format json /var/lib/kafka | jq -r .key

  Where a script expects kafka-dump-log.sh --print-data-log
    logcompact dump --format kafka orders-0/00000000000000000000.log

  Records to be produced again elsewhere, key and value separated by '|'
    logcompact dump --format console --print key,value --key-separator '|' orders-0

  What a broker knows of its producers, and up to where it has cleaned
    logcompact dump orders-0/00000000000000048211.snapshot cleaner-offset-checkpoint
";
