//! Arguments of `logcompact dump` that say what its output looks like and where it goes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Format and destination.
#[derive(Debug, Args)]
pub struct DumpFormatArgs {
    /// What the lines look like [default: by the ending of --output; console with --print,
    /// --property or a separator; else text]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<FormatArg>,

    /// Write to this file, not to standard output
    ///
    /// It gets its name once it is complete and on the disk; a dump that fails leaves none. A file
    /// that exists is not replaced. An ending of .csv, .json, .jsonl, .ndjson or .parquet stands
    /// for the format.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// How keys, values and header values stand in JSON and CSV [default: auto]
    #[arg(long, value_name = "HOW", help_heading = "Options of --format json and csv")]
    pub encoding: Option<EncodingArg>,

    /// Options of --format console.
    #[command(flatten)]
    pub console: ConsoleArgs,
}

/// Options of --format console.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of --format console")]
pub struct ConsoleArgs {
    /// Which parts of a record are printed [default: value]
    ///
    /// The order on the line is Kafka's, whatever the order here: timestamp, partition, offset,
    /// delivery, epoch, headers, key, value.
    #[arg(long, value_name = "PART,...", value_delimiter = ',')]
    pub print: Option<Vec<FieldArg>>,

    /// What stands between the parts [default: a TAB]
    #[arg(long, value_name = "TEXT")]
    pub key_separator: Option<String>,

    /// What stands behind a record [default: a line feed]
    #[arg(long, value_name = "TEXT")]
    pub line_separator: Option<String>,

    /// What stands between two headers [default: ,]
    #[arg(long, value_name = "TEXT")]
    pub headers_separator: Option<String>,

    /// What stands for a key, value or header value that is null [default: null]
    #[arg(long, value_name = "TEXT")]
    pub null_literal: Option<String>,

    /// An option under the name that the console consumer has for it
    ///
    /// print.key, .value, .timestamp, .partition, .offset, .delivery, .epoch, .headers=true|false
    /// (without --print, the value alone is on); key., line. or headers.separator=TEXT;
    /// null.literal=TEXT; key., value. or headers.deserializer=CLASS of those for String, Short,
    /// Integer, Long, Float, Double, UUID, Boolean, Bytes, ByteArray. ByteArrayDeserializer stands
    /// for the bytes as they are. Of two that say the same, the last counts.
    #[arg(long, visible_alias = "formatter-property", value_name = "NAME=VALUE")]
    pub property: Vec<String>,
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
    /// A table, its columns called as the fields of JSON; null is an empty field, empty is ""
    Csv,
    /// A table with typed columns, for DuckDB, Spark, pandas; needs --output
    Parquet,
}

/// How bytes stand in JSON and CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EncodingArg {
    /// Text where the bytes are UTF-8, else {"base64":"..."}, in CSV base64:...
    Auto,
    /// Always {"base64":"..."}, in CSV base64 without a mark
    Base64,
    /// Always {"hex":"..."}, in CSV hex digits without a mark
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
    /// Epoch:<n>, of the leader that wrote the batch, or Epoch:NOT_PRESENT
    Epoch,
    /// Delivery:NOT_PRESENT, as for every consumer that is in no share group
    Delivery,
}
