//! `logcompact write`: validates the options, appends standard input, says what was written.

use std::io::{self, Write};

use anyhow::{Context, bail};

use super::args::{
    CommonArgs, LineArgs, ProducerArgs, TopicRulesArgs, WriteArgs, WritePartitionerArg,
};
use super::terminal::messages;
use super::{Outcome, topic_config};
use crate::disk::Disk;
use crate::format::{Codec, Compression, Partitioner};
use crate::report::{counted, grouped};
use crate::rounds::StateDir;
use crate::segment::LogDir;
use crate::units::Timestamp;
use crate::write::{self, Clock, LineFormat, Request, TopicRules, WriteOptions, Written};

/// Partitions listed without `-v`.
const MOST_LISTED: usize = 10;

/// Runs the command.
pub fn run(args: WriteArgs, common: &CommonArgs) -> anyhow::Result<Outcome> {
    let (topic, topic_compression) = topic_rules(&args.rules)?;
    let options = options(&args, topic, topic_compression)?;
    if args.replication_factor.is_some_and(|factor| factor != 1) {
        messages::note("--replication-factor has no meaning here: one copy is written");
    }
    let is_a_brokers = LogDir { path: args.dir.clone() }.is_a_brokers();
    let request = Request {
        dir: args.dir,
        topic: args.topic,
        partitions: args.partitions,
        topic_id: args.topic_id,
    };
    let partitioner = match args.producer.partitioner {
        WritePartitionerArg::Murmur2 => Partitioner::Murmur2,
        WritePartitionerArg::Crc32 => Partitioner::Crc32,
        WritePartitionerArg::Fnv1a => Partitioner::Fnv1a,
    };
    let written = write::run(&request, partitioner, &options, io::stdin())?;
    for partition in written.partitions.iter().filter(|partition| partition.appended.records > 0) {
        if let Some(warning) = StateDir::warning_of_rounds(&partition.dir) {
            messages::warning(&format!("{}: {warning}", partition.dir.display()));
        }
    }
    for partition in written.partitions.iter().filter(|partition| partition.cut_bytes > 0) {
        messages::warning(&format!(
            "{}: {} of an unfinished write cut off",
            partition.dir.display(),
            counted(partition.cut_bytes, "byte")
        ));
    }
    written.put_right.iter().for_each(|text| messages::warning(text));
    if written.created > 0 && is_a_brokers {
        messages::warning(&format!(
            "{}: a topic was made in a broker's directory; unless its cluster's metadata knows the \
             topic, the broker takes the partitions for strays and puts them aside",
            request.dir.display()
        ));
    }
    let records = written_records(&written.partitions);
    if !common.quiet && (records > 0 || written.failure.is_none()) {
        let mut text = Vec::new();
        tell(&mut text, &written, common.verbose)?;
        messages::summary(&text);
    }
    if let Some(failure) = written.failure {
        let appended = counted(records, "record");
        match records {
            _ if !written.is_durable => bail!(
                "{failure}; {appended} had been appended before that, of which the last may be \
                 lost: `logcompact dump --reverse --limit 1` shows where a log ends"
            ),
            0 => bail!("{failure}; nothing was written"),
            _ => bail!("{failure}; what came before it is written: {appended}"),
        }
    }
    Ok(Outcome::Clean)
}

fn written_records(partitions: &[write::WrittenPartition]) -> u64 {
    partitions.iter().map(|partition| partition.appended.records).sum()
}

fn options(
    args: &WriteArgs,
    topic: TopicRules,
    of_topic: Option<Compression>,
) -> anyhow::Result<WriteOptions> {
    let ProducerArgs { batch_size, linger_ms, compression, timestamp, now, .. } = &args.producer;
    let given = self::compression(compression).context("--compression")?;
    if linger_ms.0 < 0 {
        bail!("--linger-ms: {} is below 0", linger_ms.0);
    }
    if let Some(negative) = [*timestamp, *now].into_iter().flatten().find(|ms| *ms < 0) {
        bail!("{negative} is no time; expected ms since 1970");
    }
    Ok(WriteOptions {
        format: line_format(&args.line)?,
        topic,
        compression: of_topic.unwrap_or(given),
        batch_bytes: usize::try_from(batch_size.as_u64())?,
        linger_ms: linger_ms.0,
        clock: now.map_or(Clock::Wall, |now| Clock::Still(Timestamp(now))),
        timestamp: timestamp.map(Timestamp),
        force: args.force,
        disk: Disk::default(),
    })
}

fn line_format(args: &LineArgs) -> anyhow::Result<LineFormat> {
    let mut format = LineFormat::default();
    for property in &args.property {
        let Some((name, value)) = property.split_once('=') else {
            bail!("--property {property}: expected name=value");
        };
        let is = |word: &str| value.trim().eq_ignore_ascii_case(word);
        let is_true = is("true");
        if ["parse.key", "parse.headers", "ignore.error"].contains(&name)
            && !is_true
            && !is("false")
        {
            messages::warning(&format!("--property {property}: neither true nor false, so false"));
        }
        match name {
            "parse.key" => format.parse_key = is_true,
            "parse.headers" => format.parse_headers = is_true,
            "ignore.error" => format.ignore_error = is_true,
            "key.separator" => format.key_separator = value.into(),
            "headers.delimiter" => format.headers_delimiter = value.into(),
            "headers.separator" => format.headers_separator = value.into(),
            "headers.key.separator" => format.headers_key_separator = value.into(),
            "null.marker" => format.null_marker = Some(value.into()),
            "topic" => {}
            _ => messages::warning(&format!("--property {name}: the line reader has no such")),
        }
    }
    format.parse_key |= args.parse_key;
    format.parse_headers |= args.parse_headers;
    format.ignore_error |= args.ignore_error;
    let given = [
        (&args.key_separator, &mut format.key_separator),
        (&args.headers_delimiter, &mut format.headers_delimiter),
        (&args.headers_separator, &mut format.headers_separator),
        (&args.headers_key_separator, &mut format.headers_key_separator),
    ];
    for (text, place) in given {
        if let Some(text) = text {
            *place = text.as_bytes().into();
        }
    }
    format.null_marker = args.null_marker.clone().map(Vec::from).or(format.null_marker);
    Ok(format)
}

/// The topic's settings, and its own codec if it does not keep the producer's.
fn topic_rules(args: &TopicRulesArgs) -> anyhow::Result<(TopicRules, Option<Compression>)> {
    let mut settings = Settings::default();
    if let Some(path) = &args.topic_config {
        topic_config::read_file(path, &mut |name, value| settings.set(name, value))?;
    }
    let bytes = |size: &Option<bytesize::ByteSize>| size.map(|size| size.as_u64().to_string());
    let given = [
        ("segment.bytes", bytes(&args.segment_bytes)),
        ("segment.ms", args.segment_ms.map(|ms| ms.0.to_string())),
        ("segment.index.bytes", bytes(&args.segment_index_bytes)),
        ("index.interval.bytes", bytes(&args.index_interval_bytes)),
        ("max.message.bytes", bytes(&args.max_message_bytes)),
        ("message.timestamp.type", args.message_timestamp_type.clone()),
        ("cleanup.policy", args.cleanup_policy.clone()),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            let option = || format!("--{}", name.replace('.', "-"));
            settings.set(name, &value).with_context(option)?;
        }
    }
    let codec = settings.codec;
    let level = settings.levels.iter().find(|(of, _)| Some(*of) == codec).map(|(_, level)| *level);
    Ok((settings.rules, codec.map(|codec| Compression { codec, level })))
}

#[derive(Default)]
struct Settings {
    rules: TopicRules,
    codec: Option<Codec>,
    levels: Vec<(Codec, i32)>,
}

impl Settings {
    /// Sets what Kafka calls `name`; false if Kafka has no such topic setting.
    fn set(&mut self, name: &str, value: &str) -> anyhow::Result<bool> {
        const MOST_BYTES: u64 = i32::MAX as u64;
        let rules = &mut self.rules;
        match name {
            "segment.bytes" => rules.segment_bytes = topic_config::size(value, 14, MOST_BYTES)?,
            "segment.ms" => rules.segment_ms = topic_config::duration_ms(value, 1)?,
            "segment.index.bytes" => {
                rules.segment_index_bytes = topic_config::size(value, 4, MOST_BYTES)?;
            }
            "index.interval.bytes" => {
                rules.index_interval_bytes = topic_config::size(value, 0, MOST_BYTES)?;
            }
            "max.message.bytes" => {
                rules.max_message_bytes = topic_config::size(value, 0, MOST_BYTES)? as usize;
            }
            "message.timestamp.type" => {
                rules.is_append_time = match value {
                    "CreateTime" => false,
                    "LogAppendTime" => true,
                    _ => bail!("{value:?}: expected CreateTime or LogAppendTime"),
                }
            }
            "cleanup.policy" => rules.is_compacted = topic_config::cleanup_policy(value)?.compact,
            "compression.type" => {
                self.codec = match value {
                    "producer" => None,
                    "uncompressed" => Some(Codec::None),
                    name => Some(compression(name)?.codec),
                }
            }
            "compression.gzip.level" | "compression.lz4.level" | "compression.zstd.level" => {
                let codec = name.split('.').nth(1).unwrap_or_default();
                let codec = compression(codec)?.codec;
                // Kafka's gzip has -1 for its default.
                match (codec, value) {
                    (Codec::Gzip, "-1") => {}
                    _ => {
                        let level = compression(&format!("{codec}:{value}"))?.level;
                        self.levels.extend(level.map(|level| (codec, level)));
                    }
                }
            }
            _ => return topic_config::is_valid(name, value),
        }
        Ok(true)
    }
}

fn compression(text: &str) -> anyhow::Result<Compression> {
    Compression::parse(text).map_err(anyhow::Error::msg)
}

fn batches(count: u64) -> String {
    format!("{} {}", grouped(count), if count == 1 { "batch" } else { "batches" })
}

fn tell(to: &mut impl Write, written: &Written, verbose: u8) -> io::Result<()> {
    let total = written.total();
    let made = match written.created {
        0 => String::new(),
        count => format!(" ({} made)", counted(count as u64, "partition")),
    };
    let rolled = match total.rolls {
        0 => String::new(),
        count => format!(", {} begun", counted(count, "segment")),
    };
    let most = if verbose > 0 { usize::MAX } else { MOST_LISTED };
    let changed = || written.partitions.iter().filter(|partition| partition.appended.records > 0);
    for partition in changed().take(most).filter(|_| written.partitions.len() > 1) {
        writeln!(
            to,
            "{}: {}, offsets {} to {}",
            partition.dir.file_name().unwrap_or_default().display(),
            counted(partition.appended.records, "record"),
            partition.first_offset,
            partition.next_offset.0.saturating_sub(1),
        )?;
    }
    if changed().count() > most && written.partitions.len() > 1 {
        let more = counted((changed().count() - most) as u64, "partition");
        writeln!(to, "and {more} more (-v lists all)")?;
    }
    let place = match written.partitions.as_slice() {
        [only] if total.records > 0 => {
            format!(", offsets {} to {}", only.first_offset, only.next_offset.0.saturating_sub(1))
        }
        _ => String::new(),
    };
    writeln!(
        to,
        "{} written to {}{made}{place}, in {} ({} B){rolled}.",
        counted(total.records, "record"),
        written.topic,
        batches(total.batches),
        grouped(total.bytes),
    )
}
