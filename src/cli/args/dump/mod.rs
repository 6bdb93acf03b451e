//! Arguments of `logcompact dump`.

mod decode;
mod format;
mod selection;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub use decode::{DecodeArg, DecodeArgs};
pub use format::{ConsoleArgs, DumpFormatArgs, EncodingArg, FieldArg, FormatArg};
pub use selection::{IsolationArg, SelectionArgs};

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

    /// Show what the last round of compaction says of the directories that compact --out keeps
    ///
    /// As text, or with --format json the round file as it is.
    #[arg(long, conflicts_with_all = [
        "show", "output", "encoding", "ConsoleArgs", "SelectionArgs", "DecodeArgs",
    ])]
    pub round: bool,

    /// What the output looks like and where it goes.
    #[command(flatten)]
    pub format: DumpFormatArgs,

    /// Which records.
    #[command(flatten)]
    pub selection: SelectionArgs,

    /// What of the records is decoded.
    #[command(flatten)]
    pub decode: DecodeArgs,
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

const EXAMPLES: &str = "\
Damage does not end a dump: it is reported on standard error with file and position, a batch with
a wrong CRC is shown as far as it decodes (\"valid\":false), and the exit status is 1. A batch whose
offsets do not rise, or reach into the next segment, is told of too, if it is read: no CRC covers
them. An unfinished batch at the end of the last segment is no damage; -v mentions it.

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

  The same as a script that used the console consumer has it
    logcompact dump --property print.key=true --property key.separator='|' orders-0

  A table for a spreadsheet, and one for DuckDB: SELECT key, count(*) FROM 'orders.parquet' ...
    logcompact dump --output orders.csv /var/lib/kafka/orders-0
    logcompact dump --output orders.parquet /var/lib/kafka/orders-*

  What consumer groups have committed, and who is in them
    logcompact dump --decode auto /var/lib/kafka/__consumer_offsets-7

  What the last round of a compaction in rounds has left
    logcompact dump --round /restore/orders-0

  What a broker knows of its producers, and up to where it has cleaned
    logcompact dump orders-0/00000000000000048211.snapshot cleaner-offset-checkpoint
";
