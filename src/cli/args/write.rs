//! Arguments of `logcompact write`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{Args, ValueEnum};

use super::duration::Milliseconds;

const EXAMPLES: &str = "\
Lines come from standard input, one record a line, as bytes: what is not UTF-8 stays as it is. They
end at a line feed, a carriage return, or both. Records are appended behind what is there; a log
that ends in damage is refused. Other replicas know nothing of it.

Examples:
  # A topic with one partition, made if it is not there; and what went in comes out
  logcompact write kafka-logs --topic people < people.jsonl
  logcompact dump kafka-logs/people-0 --format console

  # Keys, in three partitions, by the hash that Java's producer uses; NULL deletes
  logcompact write kafka-logs --topic people --partitions 3 --parse-key --key-separator '|' \\
      --null-marker NULL < people.txt

  # The same options under the names that kafka-console-producer.sh has for them
  logcompact write kafka-logs --topic people --property parse.key=true \\
      --property 'key.separator=|' --property null.marker=NULL < people.txt

  # Headers, in front of the key: trace:1,from:shell TAB key TAB value
  logcompact write kafka-logs --topic people --parse-headers --parse-key < people.txt

  # Segments of a few records, to see compaction at work; a clock that stands still
  printf 'A=2\\n' | logcompact write kafka-logs/states-0 --parse-key --key-separator = \\
      --segment-ms 100 --now 1700000000200

  # All that dump shows of one partition, into another, compressed
  logcompact dump orders-0 --print key,value | logcompact write copy/orders-0 --parse-key \\
      --null-marker null --compression zstd:9

Exit status: 0 all lines are records now, and durable; 2 not, or not all: the message says which
line was the first that is not, and what was written before it. Without --now, what has waited for
--linger-ms can be seen by others before the input ends. End it by ending its input (Ctrl-D): a
signal ends it at once, what has waited for less is lost, and the next write, or a broker, builds
the indexes.";

/// Arguments of `logcompact write`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct WriteArgs {
    /// A log directory (with --topic), or the directory of a partition (<topic>-<n>)
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// The topic; it is made if it is not there
    #[arg(long, value_name = "NAME")]
    pub topic: Option<String>,
    /// How many partitions a topic gets that is made; one that is there keeps its number
    /// [default: 1]
    #[arg(long, value_name = "N", requires = "topic")]
    pub partitions: Option<NonZeroU32>,
    /// Accepted for scripts; what is written here has no replicas
    #[arg(long, value_name = "N", requires = "topic")]
    pub replication_factor: Option<u16>,
    /// The id of a topic that is made, as Kafka prints it [default: a random one]
    #[arg(long, value_name = "ID")]
    pub topic_id: Option<String>,
    /// Also where the broker was not shut down cleanly; an unfinished write at the end is cut off
    #[arg(long)]
    pub force: bool,
    /// How a line becomes a record.
    #[command(flatten)]
    pub line: LineArgs,
    /// The producer's settings.
    #[command(flatten)]
    pub producer: ProducerArgs,
    /// The topic's settings.
    #[command(flatten)]
    pub rules: TopicRulesArgs,
}

/// How a line becomes a record.
#[derive(Debug, Args)]
#[command(next_help_heading = "Lines, as the console producer's LineMessageReader has them")]
pub struct LineArgs {
    /// A line has a key in front of the value; without it, records have no key
    #[arg(long)]
    pub parse_key: bool,
    /// What separates key and value; the first one counts [default: a TAB]
    #[arg(long, value_name = "TEXT")]
    pub key_separator: Option<String>,
    /// A line begins with headers
    #[arg(long)]
    pub parse_headers: bool,
    /// What separates the headers from the rest [default: a TAB]
    #[arg(long, value_name = "TEXT")]
    pub headers_delimiter: Option<String>,
    /// What separates two headers [default: ,]
    #[arg(long, value_name = "TEXT")]
    pub headers_separator: Option<String>,
    /// What separates a header's name and its value [default: :]
    #[arg(long, value_name = "TEXT")]
    pub headers_key_separator: Option<String>,
    /// What stands for null, as a key, a value (a tombstone), a header's value or all headers
    #[arg(long, value_name = "TEXT")]
    pub null_marker: Option<String>,
    /// Where a separator is missing, there is no key, no headers or no header value; else that ends
    /// the run
    #[arg(long, alias = "ignore-parse-errors")]
    pub ignore_error: bool,
    /// The same under Kafka's names, as in parse.key=true, key.separator=|
    #[arg(long, value_name = "NAME=VALUE", visible_alias = "reader-property")]
    pub property: Vec<String>,
}

/// The producer's settings.
#[derive(Debug, Args)]
#[command(next_help_heading = "Producer")]
pub struct ProducerArgs {
    /// Which partition a key belongs to; records without one fill a batch here, a batch there
    #[arg(long, value_name = "HASH", default_value = "murmur2")]
    pub partitioner: WritePartitionerArg,
    /// The most that a batch of several records takes, before it is compressed
    #[arg(long, value_name = "SIZE", default_value = "16384")]
    pub batch_size: ByteSize,
    /// A batch takes no record that comes later than this behind its first; 0: each has its own
    #[arg(long, value_name = "MS", default_value = "1000")]
    pub linger_ms: Milliseconds,
    /// none, gzip, snappy, lz4 or zstd; gzip, lz4 and zstd with a level, as in zstd:9
    #[arg(long, value_name = "TYPE[:LEVEL]", default_value = "none")]
    #[arg(visible_alias = "compression-codec")]
    pub compression: String,
    /// The time that records carry, in ms since 1970 [default: when they were read]
    #[arg(long, value_name = "MS")]
    pub timestamp: Option<i64>,
    /// A clock that stands still: same lines, same bytes [default: the system's]
    #[arg(long, value_name = "MS")]
    pub now: Option<i64>,
}

/// Which partition a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WritePartitionerArg {
    /// Java's producer
    Murmur2,
    /// librdkafka's default
    Crc32,
    /// Sarama's default
    Fnv1a,
}

/// The topic's settings.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Topic settings, under Kafka's names and with Kafka's meaning")]
pub struct TopicRulesArgs {
    /// A file of name=value lines with these settings; the command line wins
    ///
    /// But for compression.type, which is the topic's: as with a broker, it wins over the
    /// producer's --compression.
    #[arg(long, value_name = "FILE")]
    pub topic_config: Option<PathBuf>,
    /// A segment gets no larger [default: 1GiB]
    #[arg(long, value_name = "SIZE")]
    pub segment_bytes: Option<ByteSize>,
    /// A record this much younger than a segment's first batch begins another [default: 7d]
    #[arg(long, value_name = "MS")]
    pub segment_ms: Option<Milliseconds>,
    /// A segment's indexes get no larger [default: 10MiB]
    #[arg(long, value_name = "SIZE")]
    pub segment_index_bytes: Option<ByteSize>,
    /// Bytes of log between two index entries [default: 4096]
    #[arg(long, value_name = "SIZE")]
    pub index_interval_bytes: Option<ByteSize>,
    /// The largest batch, and so the largest record [default: 1048588]
    #[arg(long, value_name = "SIZE")]
    pub max_message_bytes: Option<ByteSize>,
    /// CreateTime or LogAppendTime: whose clock stamps records [default: CreateTime]
    #[arg(long, value_name = "TYPE", visible_alias = "timestamp-type")]
    pub message_timestamp_type: Option<String>,
    /// With compact, records must have keys [default: delete]
    #[arg(long, value_name = "POLICY")]
    pub cleanup_policy: Option<String>,
}
