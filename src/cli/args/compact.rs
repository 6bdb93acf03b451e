//! Arguments of `logcompact compact`.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{Args, ValueEnum};

use super::duration::Milliseconds;
use super::rounds::RoundArgs;

const EXAMPLES: &str = "\
Examples:
  # A copy of a broker's data: each partition compacted into ./kafka-logs.compacted/<topic>-<n>/
  logcompact compact /backup/kafka-logs

  # What would it save? Decides everything, writes nothing
  logcompact compact /backup/kafka-logs --dry-run

  # One partition of a backup that nobody writes to any more, the active segment too
  logcompact compact /backup/kafka-logs/orders-0 --include-active --out /restore

  # State only, no delete markers; the same clock gives the same bytes again
  logcompact compact orders-0 --drop-tombstones --now 1795300000000 --out orders-state

  # Events that arrive late must not hide newer ones: the newest by its own time survives
  logcompact compact /backup/kafka-logs/positions-0 --strategy timestamp --out by-event-time

  # Nothing of these keys is to be left in a backup; the report is the evidence
  logcompact compact /backup/kafka-logs --erase-keys keys.txt --include-active --out erased

  # Cheaper storage: everything to zstd, in segments of 256 MiB
  logcompact compact /backup/kafka-logs --compression zstd:9 --segment-bytes 256MiB \
      --include-active --out smaller

  # Every night the same: what is new since, and what that changes
  logcompact compact /backup/kafka-logs --out /restore

  # Goes on from what a broker has compacted; from the second night on without --rebase-from
  logcompact compact /backup/kafka-logs/orders-0 --rebase-from /old/orders-0 --out /restore

  # The directory of a broker that is stopped, rewritten where it lies
  logcompact compact /var/lib/kafka --in-place --report compaction.json

  # With the topic's own settings, and the report on standard output
  logcompact compact orders-0 --topic-config orders.properties --report - --out o | jq .totals

Exit status: 0 done; 1 done, but something was damaged, or a partition was left alone (damaged, or
refused by --null-keys fail); 2 not done. The source is never changed, unless --in-place says so;
then, whenever it is interrupted, the next run (or a starting broker) finishes or undoes it.";

/// Arguments of `logcompact compact`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompactArgs {
    /// Partition directories (<topic>-<n>) or log directories that hold many
    #[arg(required = true, value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// Output folder; each partition lands in OUT/<topic>-<n>/ [default: <name of DIR>.compacted]
    #[arg(long, value_name = "OUT")]
    pub out: Option<PathBuf>,
    /// Rewrite DIR itself, by Kafka's own swap protocol; no broker may be running on it
    #[arg(long, conflicts_with = "out")]
    pub in_place: bool,
    /// With --in-place: leave what is replaced as .deleted files, as Kafka does for a minute. They
    /// take up their room until somebody next changes the directory: this command, repair
    /// --in-place, write, or a broker when it starts, removes them
    #[arg(long, requires = "in_place", conflicts_with = "erase_keys")]
    pub leave_deleted: bool,
    /// With --in-place: also where the broker was not shut down cleanly. Starting over with
    /// --full or --rebase-from: even if OUT has records that are lost then
    #[arg(long)]
    pub force: bool,
    /// Decide everything, write nothing, report the exact saving
    #[arg(long)]
    pub dry_run: bool,
    /// The clock, in ms since 1970: same input and same clock give the same bytes [default: now]
    #[arg(long, value_name = "MS")]
    pub now: Option<i64>,
    /// Clean the active segment too, as if it had been rolled first (a backup has no writer)
    #[arg(long)]
    pub include_active: bool,
    /// Which record of a key survives: offset, the last written, as in Kafka; timestamp, the newest
    /// by event time; first, the first value behind the last tombstone; header:NAME, the highest
    /// version, 8 bytes big-endian in the last header NAME. Equal ones: the last written [default:
    /// offset, or compaction.strategy of --topic-config]
    #[arg(long, value_name = "STRATEGY")]
    pub strategy: Option<String>,
    /// A zero-length value deletes its key, as in Pulsar
    #[arg(long)]
    pub empty_is_tombstone: bool,
    /// What becomes of records without a key; a zero-length key is a key
    #[arg(long, value_name = "WHAT", default_value = "drop")]
    pub null_keys: NullKeysArg,
    /// Keep state only: no delete marker (tombstone) survives
    #[arg(long)]
    pub drop_tombstones: bool,
    /// No record of these keys is left, the newest neither; the report lists what went. A key a
    /// line, base64:... for any bytes (base64: alone is the key of no bytes). Lines end in LF or
    /// CRLF, empty lines say nothing. In the active segment only with --include-active
    #[arg(long, value_name = "FILE")]
    pub erase_keys: Option<PathBuf>,
    /// Compress every batch anew: none, gzip, snappy, lz4 or zstd, gzip:1 to gzip:9, lz4:1 to
    /// lz4:17, zstd:1 to zstd:22 and below 0. Without a level, batches of that type stay as they
    /// are. The active segment only with --include-active [default: each batch keeps its own]
    #[arg(long, value_name = "TYPE[:LEVEL]")]
    pub compression: Option<String>,
    /// Surviving batches of magic 0 and 1: rewritten as magic 2, as Kafka 4 does, or kept
    #[arg(long, value_name = "MAGIC", default_value = "2")]
    pub message_format: MessageFormatArg,
    /// What becomes of damaged batches and of what lies between sound ones; always in the report
    #[arg(long, value_name = "WHAT", default_value = "fail")]
    pub on_damage: OnDamageArg,
    /// Before a result gets its final names, read it back and prove, by a reader of its own, that
    /// its state is that of the source
    #[arg(long, conflicts_with = "dry_run")]
    pub verify: bool,
    /// Where the JSON report goes; - is standard output [default: OUT/logcompact-report.json;
    /// with --in-place: nowhere]
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// The topic's settings under Kafka's names.
    #[command(flatten)]
    pub topic: TopicArgs,
    /// Rounds.
    #[command(flatten)]
    pub rounds: RoundArgs,
}

/// `--null-keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NullKeysArg {
    /// They go, as in Kafka, counted and with a warning
    Drop,
    /// They stay
    Keep,
    /// Their partition is left alone
    Fail,
}

/// `--on-damage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnDamageArg {
    /// Their partition is left alone
    Fail,
    /// They are dropped
    Skip,
    /// They are carried over byte for byte
    Keep,
}

/// `--message-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MessageFormatArg {
    /// As Kafka 4: rewritten as magic 2
    #[value(name = "2")]
    Magic2,
    /// As Kafka 3: in their own magic
    Keep,
}

/// A topic's settings under Kafka's names; durations take ms or units (7d, 1h30m, 500ms), sizes
/// bytes or units (64MiB, 1GB).
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Topic settings, under Kafka's names and with Kafka's meaning")]
pub struct TopicArgs {
    /// A file of name=value lines with these settings; the command line wins
    #[arg(long, value_name = "FILE")]
    pub topic_config: Option<PathBuf>,
    /// compact, delete, or compact,delete [default: compact]
    #[arg(long, value_name = "POLICY")]
    pub cleanup_policy: Option<String>,
    /// How long tombstones and markers stay after their first cleaning [default: 1d]
    #[arg(long, value_name = "MS")]
    pub delete_retention_ms: Option<Milliseconds>,
    /// Segments with younger records are not cleaned [default: 0]
    #[arg(long, value_name = "MS")]
    pub min_compaction_lag_ms: Option<Milliseconds>,
    /// Dirty data older than this makes a partition due whatever its ratio [default: no limit]
    #[arg(long, value_name = "MS")]
    pub max_compaction_lag_ms: Option<Milliseconds>,
    /// Partitions that are not dirtier are carried over as they are [default: 0, clean all]
    #[arg(long, value_name = "RATIO")]
    pub min_cleanable_dirty_ratio: Option<f64>,
    /// Segments are cut and joined anew, each filled up to this size. As segment.bytes of
    /// --topic-config, and by default (1GiB): neighbouring segments are joined, as Kafka's
    /// cleaner does, while what they were before fits
    #[arg(long, value_name = "SIZE")]
    pub segment_bytes: Option<ByteSize>,
    /// Accepted for complete topic files; it decides when a writer rolls, not what is cleaned
    #[arg(long, value_name = "MS")]
    pub segment_ms: Option<Milliseconds>,
    /// Neighbouring segments are joined up to this size of either index [default: 10MiB]
    #[arg(long, value_name = "SIZE")]
    pub segment_index_bytes: Option<ByteSize>,
    /// Bytes of log between two index entries [default: 4096]
    #[arg(long, value_name = "SIZE")]
    pub index_interval_bytes: Option<ByteSize>,
    /// A producer silent for longer loses its last, emptied batch [default: 1d]
    #[arg(long, value_name = "MS")]
    pub producer_id_expiration_ms: Option<Milliseconds>,
    /// With the delete policy: older segments go whole [default: 7d; -1: no limit]
    #[arg(long, value_name = "MS")]
    pub retention_ms: Option<Milliseconds>,
    /// With the delete policy: the oldest segments beyond this size go [default: -1, no limit]
    #[arg(long, value_name = "SIZE")]
    pub retention_bytes: Option<String>,
}
