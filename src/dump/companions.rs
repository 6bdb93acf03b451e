//! The files around the logs: indexes, producer snapshots, checkpoints, read into entries.

use std::borrow::Cow;
use std::io;

use super::selection::OffsetRange;
use super::source::{Content, Source};
use crate::segment::{
    AbortedTxn, EpochEntry, IndexEntry, OffsetCheckpoint, OffsetIndex, PartitionMetadata,
    ProducerEntry, TimeEntry, TimeIndex, TopicPartition, parse_epochs, parse_snapshot,
    parse_txn_index,
};
use crate::units::Offset;

/// One entry of a file that holds no batches.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// Of an `.index`.
    Index(IndexEntry),
    /// Of a `.timeindex`.
    Time(TimeEntry),
    /// Of a `.txnindex`.
    AbortedTxn(AbortedTxn),
    /// Of a `.snapshot`.
    Producer(ProducerEntry),
    /// A line of `leader-epoch-checkpoint`.
    LeaderEpoch(EpochEntry),
    /// A line of an offset checkpoint.
    Checkpoint {
        /// The partition.
        at: &'a TopicPartition,
        /// Its offset.
        offset: Offset,
    },
    /// The whole of `partition.metadata`.
    PartitionMetadata(&'a PartitionMetadata),
}

impl Entry<'_> {
    /// Whether the entry is about offsets of the range. Where it is about no record, it always is;
    /// so is one of a damaged index that has an offset below 0, if all are wanted.
    pub(super) fn is_in(&self, offsets: &OffsetRange) -> bool {
        match self {
            _ if offsets.is_everything() => true,
            Entry::Index(entry) => offsets.contains(entry.offset),
            Entry::Time(entry) => offsets.contains(entry.offset),
            Entry::AbortedTxn(txn) => offsets.overlaps(txn.first_offset, txn.last_offset),
            _ => true,
        }
    }
}

/// Hands each entry of a file to `each`; gives what is wrong with the file.
pub(super) fn read(
    source: &Source,
    bytes: &[u8],
    each: &mut dyn FnMut(&Entry<'_>) -> io::Result<()>,
) -> io::Result<Option<String>> {
    match source.content {
        Content::Log(_) => Ok(None),
        Content::Index(base) => {
            let index = OffsetIndex::parse(bytes, base);
            index.entries.iter().try_for_each(|entry| each(&Entry::Index(*entry)))?;
            Ok(whole(index.whole))
        }
        Content::TimeIndex(base) => {
            let index = TimeIndex::parse(bytes, base);
            index.entries.iter().try_for_each(|entry| each(&Entry::Time(*entry)))?;
            Ok(whole(index.whole))
        }
        Content::TxnIndex => {
            let (entries, is_whole) = parse_txn_index(bytes);
            entries.iter().try_for_each(|txn| each(&Entry::AbortedTxn(*txn)))?;
            let flaw = "the file ends inside an entry, or an entry's version is not 0";
            Ok((!is_whole).then(|| flaw.into()))
        }
        Content::Producers => match parse_snapshot(bytes) {
            Ok(producers) => {
                producers.iter().try_for_each(|entry| each(&Entry::Producer(*entry)))?;
                Ok(None)
            }
            Err(error) => Ok(Some(format!("{error}; a broker would delete it"))),
        },
        Content::LeaderEpochs => match parse_epochs(&text(bytes)) {
            Ok(epochs) => {
                epochs.iter().try_for_each(|entry| each(&Entry::LeaderEpoch(*entry)))?;
                Ok(None)
            }
            Err(error) => Ok(Some(error.to_string())),
        },
        Content::OffsetCheckpoint => match OffsetCheckpoint::parse(&text(bytes)) {
            Ok(checkpoint) => {
                for (at, &offset) in &checkpoint.offsets {
                    each(&Entry::Checkpoint { at, offset })?;
                }
                Ok(None)
            }
            Err(error) => Ok(Some(error.to_string())),
        },
        Content::PartitionMetadata => match PartitionMetadata::parse(&text(bytes)) {
            Ok(metadata) => each(&Entry::PartitionMetadata(&metadata)).map(|()| None),
            Err(error) => Ok(Some(error.to_string())),
        },
    }
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn whole(is_whole: bool) -> Option<String> {
    (!is_whole).then(|| "the file ends inside an entry".into())
}
