//! What a run is asked to do: the producer's settings and the topic's, under Kafka's names.

use super::{Clock, LineFormat};
use crate::disk::Disk;
use crate::format::Compression;
use crate::units::Timestamp;

/// The settings of a topic that decide how a broker appends to it (`LogConfig`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRules {
    /// `segment.bytes`.
    pub segment_bytes: u64,
    /// `segment.ms`.
    pub segment_ms: i64,
    /// `segment.index.bytes`.
    pub segment_index_bytes: u64,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u64,
    /// `max.message.bytes`.
    pub max_message_bytes: usize,
    /// `message.timestamp.type` is `LogAppendTime`.
    pub is_append_time: bool,
    /// `cleanup.policy` has `compact`, so that records must have keys.
    pub is_compacted: bool,
}

impl TopicRules {
    /// The largest batch that a broker takes, and so the largest record.
    pub fn most_batch_bytes(&self) -> usize {
        let segment_bytes = usize::try_from(self.segment_bytes).unwrap_or(usize::MAX);
        self.max_message_bytes.min(segment_bytes)
    }
}

impl Default for TopicRules {
    fn default() -> TopicRules {
        TopicRules {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 86_400_000,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            max_message_bytes: (1 << 20) + 12,
            is_append_time: false,
            is_compacted: false,
        }
    }
}

/// A validated request to write.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// How a line becomes a record.
    pub format: LineFormat,
    /// The topic's settings.
    pub topic: TopicRules,
    /// How bodies are compressed.
    pub compression: Compression,
    /// `batch.size`: the most that a batch of several records takes before it is compressed.
    pub batch_bytes: usize,
    /// `linger.ms`: a batch takes no record that comes later behind its first.
    pub linger_ms: i64,
    /// The clock.
    pub clock: Clock,
    /// The time that records carry, if not the clock's.
    pub timestamp: Option<Timestamp>,
    /// Write where a broker was not shut down cleanly, and cut an unfinished write off.
    pub force: bool,
    /// The disk that all of this is on.
    pub disk: Disk,
}

impl WriteOptions {
    /// Whether a batch that began at `since` takes no more records. While the clock stands still
    /// no time passes, but with a linger of 0 each record has a batch of its own.
    pub fn waited_too_long(&self, since: Timestamp, now: Timestamp) -> bool {
        now.0.saturating_sub(since.0) >= self.linger_ms
    }
}
