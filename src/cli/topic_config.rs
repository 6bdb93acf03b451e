//! A topic's settings: defaults, then the file of `--topic-config`, then the command line.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use bytesize::ByteSize;

use super::args::{Milliseconds, TopicArgs};
use super::terminal::messages;
use crate::compact::{Chosen, CleanupPolicy, TopicConfig};

/// Topic settings of Kafka that have no bearing on a compaction.
const WITHOUT_EFFECT: [&str; 23] = [
    "compression.type",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.message.bytes",
    "message.downconversion.enable",
    "message.format.version",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.difference.max.ms",
    "message.timestamp.type",
    "min.insync.replicas",
    "preallocate",
    "remote.storage.enable",
    "segment.jitter.ms",
    "unclean.leader.election.enable",
];

/// The settings that hold.
pub fn resolve(args: &TopicArgs) -> anyhow::Result<TopicConfig> {
    let mut config = TopicConfig::default();
    if let Some(path) = &args.topic_config {
        let mut strategy = StrategyLines::default();
        read_file(path, &mut |name, value| {
            Ok(strategy.take(name, value) || set(&mut config, name, value)?)
        })?;
        if let Some(chosen) = strategy.chosen().with_context(|| path.display().to_string())? {
            config.strategy = chosen;
        }
    }
    let text = |ms: &Option<Milliseconds>| ms.map(|ms| ms.0.to_string());
    let bytes = |size: &Option<ByteSize>| size.map(|size| size.as_u64().to_string());
    let given = [
        ("cleanup.policy", args.cleanup_policy.clone()),
        ("delete.retention.ms", text(&args.delete_retention_ms)),
        ("min.compaction.lag.ms", text(&args.min_compaction_lag_ms)),
        ("max.compaction.lag.ms", text(&args.max_compaction_lag_ms)),
        ("min.cleanable.dirty.ratio", args.min_cleanable_dirty_ratio.map(|r| r.to_string())),
        ("segment.bytes", bytes(&args.segment_bytes)),
        ("segment.ms", text(&args.segment_ms)),
        ("segment.index.bytes", bytes(&args.segment_index_bytes)),
        ("index.interval.bytes", bytes(&args.index_interval_bytes)),
        ("producer.id.expiration.ms", text(&args.producer_id_expiration_ms)),
        ("retention.ms", text(&args.retention_ms)),
        ("retention.bytes", args.retention_bytes.clone()),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            set(&mut config, name, &value)
                .with_context(|| format!("--{}", name.replace('.', "-")))?;
        }
    }
    Ok(config)
}

/// Reads a file of `name=value` lines and has `set` take each; it says whether there is such a
/// setting.
pub fn read_file(
    path: &Path,
    set: &mut dyn FnMut(&str, &str) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let place = || format!("{} line {}", path.display(), index + 1);
        let Some((name, value)) = line.split_once('=') else {
            bail!("{}: expected name=value", place());
        };
        if !set(name.trim(), value.trim()).with_context(place)? {
            messages::warning(&format!("{}: {} is no topic setting", place(), name.trim()));
        }
    }
    Ok(())
}

/// Whether Kafka has a topic setting of this name, for who has no use for its value.
pub fn is_valid(name: &str, value: &str) -> anyhow::Result<bool> {
    Ok(StrategyLines::default().take(name, value) || set(&mut TopicConfig::default(), name, value)?)
}

/// The two settings of KIP-280, in any order.
#[derive(Default)]
struct StrategyLines {
    strategy: Option<String>,
    header: Option<String>,
}

impl StrategyLines {
    /// Whether the setting is one of them.
    fn take(&mut self, name: &str, value: &str) -> bool {
        match name {
            "compaction.strategy" => self.strategy = Some(value.to_owned()),
            "compaction.strategy.header" => self.header = Some(value.to_owned()),
            _ => return false,
        }
        true
    }

    /// What they choose, if they do; the header counts where the strategy is `header`.
    fn chosen(self) -> anyhow::Result<Option<Chosen>> {
        let Some(strategy) = self.strategy else { return Ok(None) };
        let text = match (strategy.as_str(), self.header) {
            ("header", Some(header)) => format!("header:{header}"),
            _ => strategy,
        };
        let parsed = Chosen::parse(&text).map_err(anyhow::Error::msg);
        parsed.map(Some).context("compaction.strategy")
    }
}

/// Sets what Kafka calls `name`; false if Kafka has no such topic setting.
fn set(config: &mut TopicConfig, name: &str, value: &str) -> anyhow::Result<bool> {
    match name {
        "cleanup.policy" => config.cleanup = cleanup_policy(value)?,
        "delete.retention.ms" => config.delete_retention_ms = duration_ms(value, 0)?,
        "min.compaction.lag.ms" => config.min_compaction_lag_ms = duration_ms(value, 0)?,
        "max.compaction.lag.ms" => config.max_compaction_lag_ms = duration_ms(value, 1)?,
        "min.cleanable.dirty.ratio" => config.min_cleanable_dirty_ratio = ratio(value)?,
        // An index entry names positions up to 2^31-1, and a segment has at least one header.
        "segment.bytes" => config.segment_bytes = size(value, 14, i32::MAX as u64)?,
        "segment.ms" => drop(duration_ms(value, 1)?),
        "segment.index.bytes" => config.segment_index_bytes = size(value, 4, i32::MAX as u64)?,
        "index.interval.bytes" => config.index_interval_bytes = size(value, 0, i32::MAX as u64)?,
        "producer.id.expiration.ms" => config.producer_id_expiration_ms = duration_ms(value, 1)?,
        "retention.ms" => config.retention_ms = duration_ms(value, -1)?,
        "retention.bytes" if value == "-1" => config.retention_bytes = -1,
        "retention.bytes" => config.retention_bytes = size(value, 0, i64::MAX as u64)? as i64,
        _ => return Ok(WITHOUT_EFFECT.contains(&name)),
    }
    Ok(true)
}

/// Reads the value of a setting.
pub fn cleanup_policy(value: &str) -> anyhow::Result<CleanupPolicy> {
    let mut policy = CleanupPolicy { compact: false, delete: false };
    for word in value.trim_matches(['[', ']']).split(',').map(str::trim) {
        match word {
            "compact" => policy.compact = true,
            "delete" => policy.delete = true,
            _ => bail!("{word:?} is no policy; expected compact, delete or compact,delete"),
        }
    }
    Ok(policy)
}

/// Reads the value of a setting.
pub fn duration_ms(value: &str, least: i64) -> anyhow::Result<i64> {
    let Milliseconds(ms) = value.parse().map_err(anyhow::Error::msg)?;
    if ms < least {
        bail!("{value} is below {least}");
    }
    Ok(ms)
}

/// Reads the value of a setting.
pub fn size(value: &str, least: u64, most: u64) -> anyhow::Result<u64> {
    let size: ByteSize = value.parse().map_err(anyhow::Error::msg)?;
    let bytes = size.as_u64();
    if !(least..=most).contains(&bytes) {
        bail!("{value} is not between {least} and {most} bytes");
    }
    Ok(bytes)
}

fn ratio(value: &str) -> anyhow::Result<f64> {
    let ratio: f64 = value.parse().context("expected a number from 0 to 1")?;
    if !(0.0..=1.0).contains(&ratio) {
        bail!("{value} is not between 0 and 1");
    }
    Ok(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_kafkas_name_unit_and_range() {
        let mut config = TopicConfig::default();
        assert!(set(&mut config, "delete.retention.ms", "100").unwrap());
        assert!(set(&mut config, "segment.bytes", "64MiB").unwrap());
        assert!(set(&mut config, "cleanup.policy", "[compact, delete]").unwrap());
        assert!(set(&mut config, "max.message.bytes", "anything").unwrap());
        assert!(!set(&mut config, "rentention.ms", "1").unwrap());
        assert_eq!((config.delete_retention_ms, config.segment_bytes), (100, 64 << 20));
        assert!(config.cleanup.delete && config.cleanup.compact);
        for (name, value) in [
            ("min.cleanable.dirty.ratio", "1.5"),
            ("segment.bytes", "3GiB"),
            ("cleanup.policy", "shred"),
            ("delete.retention.ms", "-1"),
        ] {
            assert!(set(&mut config, name, value).is_err(), "{name}={value}");
        }
    }

    #[test]
    fn a_file_chooses_a_strategy_as_kip_280_wrote_it() {
        let chosen = |lines: &[(&str, &str)]| {
            let mut strategy = StrategyLines::default();
            assert!(lines.iter().all(|(name, value)| strategy.take(name, value)));
            strategy.chosen().map(|chosen| chosen.map(|chosen| chosen.to_string()))
        };
        let (strategy, header) = ("compaction.strategy", "compaction.strategy.header");
        assert_eq!(chosen(&[]).unwrap(), None);
        assert_eq!(chosen(&[(header, "version")]).unwrap(), None);
        assert_eq!(chosen(&[(strategy, "timestamp")]).unwrap().unwrap(), "timestamp");
        for lines in [[(header, "v"), (strategy, "header")], [(strategy, "header"), (header, "v")]]
        {
            assert_eq!(chosen(&lines).unwrap().unwrap(), "header:v");
        }
        for wrong in [&[(strategy, "header")][..], &[(strategy, "header"), (header, "")]] {
            assert!(chosen(wrong).is_err());
        }
        assert!(chosen(&[(strategy, "newest")]).is_err());
    }
}
