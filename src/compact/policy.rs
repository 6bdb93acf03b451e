//! The rules of one run: a topic's settings under Kafka's names, and the choices that are ours.

use super::rewrites::Rewrites;
use super::strategy::Chosen;
use crate::format::MessageFormat;
use crate::units::Timestamp;

/// A day, Kafka's default for `delete.retention.ms` and `producer.id.expiration.ms`.
const DAY_MS: i64 = 86_400_000;

/// `cleanup.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Keep the latest value of each key.
    pub compact: bool,
    /// Drop whole old segments by age and size.
    pub delete: bool,
}

/// What becomes of records without a key. An empty key is a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullKeys {
    /// They go, counted, as in Kafka.
    Drop,
    /// They stay.
    Keep,
    /// Their partition is left alone.
    Fail,
}

/// What becomes of damaged batches and stretches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDamage {
    /// Their partition is left alone.
    Fail,
    /// They are dropped.
    Skip,
    /// They are carried over byte for byte, and their records neither vote nor lose.
    Keep,
}

/// The settings of a topic, in Kafka's units and with Kafka's meaning.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    /// `cleanup.policy`.
    pub cleanup: CleanupPolicy,
    /// `delete.retention.ms`: how long tombstones and markers stay once they were cleaned.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`: segments with younger records are not cleaned.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: older dirty data makes a partition due whatever its ratio.
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`: partitions that are not dirtier are left as they are.
    pub min_cleanable_dirty_ratio: f64,
    /// `segment.bytes`: the most that is grouped into one segment.
    pub segment_bytes: u64,
    /// `segment.index.bytes`: the most index that is grouped into one segment.
    pub segment_index_bytes: u64,
    /// `index.interval.bytes`: how much log lies between two index entries.
    pub index_interval_bytes: u64,
    /// `producer.id.expiration.ms`: how long a silent producer's last batch is kept for it.
    pub producer_id_expiration_ms: i64,
    /// `retention.ms`; negative: no limit. Only with the `delete` policy.
    pub retention_ms: i64,
    /// `retention.bytes`; negative: no limit. Only with the `delete` policy.
    pub retention_bytes: i64,
    /// `compaction.strategy` (KIP-280): which record of a key survives.
    pub strategy: Chosen,
}

impl Default for TopicConfig {
    fn default() -> TopicConfig {
        TopicConfig {
            cleanup: CleanupPolicy { compact: true, delete: false },
            delete_retention_ms: DAY_MS,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            min_cleanable_dirty_ratio: 0.0,
            segment_bytes: 1 << 30,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            producer_id_expiration_ms: DAY_MS,
            retention_ms: 7 * DAY_MS,
            retention_bytes: -1,
            strategy: Chosen::default(),
        }
    }
}

/// All that decides what a compaction keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The topic's settings.
    pub topic: TopicConfig,
    /// The clock of the whole run.
    pub now: Timestamp,
    /// Clean the active segment too, as if it had been rolled first.
    pub include_active: bool,
    /// What becomes of records without a key.
    pub null_keys: NullKeys,
    /// No delete marker survives.
    pub drop_tombstones: bool,
    /// A value without a byte deletes its key, as in Pulsar.
    pub empty_is_tombstone: bool,
    /// What becomes of magic 0 and 1 batches that survive.
    pub message_format: MessageFormat,
    /// What becomes of damage.
    pub on_damage: OnDamage,
    /// What is rewritten though compaction has no reason to.
    pub rewrites: Rewrites,
    /// How many bits of a key's hash are used, up to 64. It has no influence on the result, only
    /// on the time: a test uses a single bit, so that nearly all keys collide.
    pub key_hash_bits: u32,
}
