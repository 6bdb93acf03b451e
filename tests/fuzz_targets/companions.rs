//! The files beside the logs, and names: what is read is not more than there is, and what is
//! written of it is read back alike.

use logcompact::segment::{
    AbortedTxn, FileName, INDEX_ENTRY_BYTES, OffsetCheckpoint, OffsetIndex, PartitionMetadata,
    TIME_ENTRY_BYTES, TXN_ENTRY_BYTES, TimeIndex, TopicPartition, parse_epochs, parse_snapshot,
    parse_txn_index,
};
use logcompact::units::Offset;

const BASES: [Offset; 3] = [Offset(0), Offset(1 << 40), Offset(i64::MAX - 3)];
const SNAPSHOT_HEADER_BYTES: usize = 10;
const PRODUCER_BYTES: usize = 46;

/// Whether an entry can name `offset`: it has a signed number of 32 bits, as Kafka reads it.
fn is_near(offset: Offset, base: Offset) -> bool {
    offset.0.abs_diff(base.0) <= 1 << 31
}

/// An `.index`.
pub fn offset_index(data: &[u8]) {
    for base in BASES {
        let index = OffsetIndex::parse(data, base);
        assert!(index.entries.len() <= data.len() / INDEX_ENTRY_BYTES);
        assert!(index.entries.iter().all(|entry| is_near(entry.offset, base)));
        for offset in [Offset(-1), base, base.next(), Offset(i64::MAX)] {
            let floor = index.floor(offset);
            let known = floor.is_none_or(|floor| index.entries.contains(&floor));
            assert!(known, "an entry that is not in it");
        }
    }
}

/// A `.timeindex`.
pub fn time_index(data: &[u8]) {
    for base in BASES {
        let index = TimeIndex::parse(data, base);
        assert!(index.entries.len() <= data.len() / TIME_ENTRY_BYTES);
        assert!(index.entries.iter().all(|entry| is_near(entry.offset, base)));
    }
}

/// A `.txnindex`.
pub fn txn_index(data: &[u8]) {
    let (entries, is_whole) = parse_txn_index(data);
    let mut written = Vec::new();
    entries.iter().for_each(|entry: &AbortedTxn| entry.put(&mut written));
    assert!(data.starts_with(&written), "an entry is written as it was read");
    assert_eq!(is_whole, written.len() == data.len());
    assert_eq!(written.len(), entries.len() * TXN_ENTRY_BYTES);
}

/// A `.snapshot`.
pub fn snapshot(data: &[u8]) {
    if let Ok(producers) = parse_snapshot(data) {
        assert_eq!(data.len(), SNAPSHOT_HEADER_BYTES + producers.len() * PRODUCER_BYTES);
    }
}

/// The text files.
pub fn checkpoint(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match OffsetCheckpoint::parse(&text) {
        Ok(checkpoint) => {
            assert_eq!(OffsetCheckpoint::parse(&checkpoint.render()), Ok(checkpoint));
        }
        Err(error) => assert!(error.line >= 1 && error.line <= text.lines().count() + 2),
    }
    if let Ok(epochs) = parse_epochs(&text) {
        assert!(epochs.len() <= text.lines().count());
    }
    if let Ok(metadata) = PartitionMetadata::parse(&text) {
        assert_eq!(metadata.topic_id.len(), 22);
    }
}

/// Names of files and directories: none leads out of the folder that it stands in.
pub fn name(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(name) = FileName::parse(&text) {
        assert_eq!(name.to_string(), text);
    }
    if let Some(partition) = TopicPartition::parse(&text) {
        let shown = partition.to_string();
        assert!(!shown.contains('/') && shown != "." && shown != "..");
        assert_eq!(TopicPartition::parse(&shown), Some(partition));
    }
}
