//! What a Kafka log directory and its partition directories mean: names, segments, indexes,
//! producer snapshots, checkpoints. Nothing here decides what to do with them.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

mod checkpoint;
mod cut;
mod examined;
mod frontier;
mod index_entries;
mod log_dir;
mod log_dir_files;
mod log_file;
mod log_start;
mod lost_markers;
mod misnamed;
mod name;
mod offset_index;
mod offset_order;
mod outcomes;
mod partition;
mod producer_state;
mod producers;
mod small_files;
mod sums;
mod time_index;
mod txn_entries;
mod txn_index;
mod writer;

pub use checkpoint::{
    CheckpointError, EpochEntry, OffsetCheckpoint, PartitionMetadata, parse_epochs, render_epochs,
};
pub use cut::{Between, Cut, Mark, Neighbour};
pub use examined::{Examined, Sound, check_record, check_records, claimed_records};
pub use frontier::Frontier;
pub use index_entries::Entries;
pub use log_dir::{
    CHECKPOINT_NAMES, CLEANER_CHECKPOINT, LOG_START_CHECKPOINT, LogDir, PassedOver, Sources,
    WhyPassedOver, find_partitions, partitions_around, partitions_in,
};
pub use log_dir_files::{
    by_log_dir, carry_checkpoints, carry_identity, change_checkpoints, is_carried,
};
pub use log_file::{Batches, Damaged, LogFile};
pub use log_start::believed_log_start;
pub use lost_markers::{
    TxnsOfSegment, Unmarked, stand_in_for_lost_commits, stand_in_for_lost_markers,
};
pub use misnamed::Misnamed;
pub use name::{FileName, Kind, Suffix, TopicPartition};
pub use offset_index::{INDEX_ENTRY_BYTES, IndexEntry, OffsetIndex, OffsetIndexBuilder};
pub use offset_order::{OffsetBounds, OffsetOrder};
#[cfg(test)]
pub use outcomes::txn_batch;
pub use outcomes::{Following, Outcomes, TxnBatch, TxnBatchKind};
pub use partition::{
    Half, Oddity, Part, PartitionDir, Segment, Suffixes, UNFINISHED, not_opened, partition_name,
};
pub use producer_state::{ProducerState, newest_of_snapshots, newest_snapshot, oldest_snapshot};
pub use producers::{ProducerEntry, SnapshotError, parse_snapshot, render_snapshot};
pub use small_files::{
    LEADER_EPOCHS, PARTITION_METADATA, Unread, epochs_of, rising_epochs, see_epochs, unread_epochs,
    unread_metadata,
};
pub use time_index::{TIME_ENTRY_BYTES, TimeEntry, TimeIndex, TimeIndexBuilder};
pub use txn_entries::{ByMarker, TxnEntries};
pub use txn_index::{AbortedTxn, TXN_ENTRY_BYTES, parse_txn_index, txn_index_due};
pub use writer::{Indexed, Place, SegmentLimits, SegmentWriter};
