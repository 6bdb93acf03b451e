//! What Kafka knows of a log's producers, replayed as it replays it (`ProducerStateManager`,
//! `ProducerAppendInfo`): from the newest snapshot on, batch by batch.
//!
//! A broker that starts after a clean shutdown and finds no snapshot at all does not look at the
//! log: it takes empty snapshots (`UnifiedLog.rebuildProducerState`) and has forgotten sequences
//! and open transactions. So whoever removes snapshots, or what they lie behind, must leave one.

use std::collections::{BTreeMap, HashMap};

use super::{
    FileName, Kind, PartitionDir, ProducerEntry, SnapshotError, parse_snapshot, render_snapshot,
};
use crate::error::Result;
use crate::format::{Batch, BatchHeader, Decoder, EndMarker};
use crate::units::{Offset, Timestamp};

/// The producers of a log up to some offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerState {
    from: Offset,
    by_id: BTreeMap<i64, ProducerEntry>,
}

/// The newest snapshot that can be read of those behind `log_start` and not behind `log_end`;
/// a broker deletes the others (`ProducerStateManager.truncateAndReload`, `loadFromSnapshot`).
///
/// # Errors
/// The system's.
pub fn newest_snapshot(
    dir: &PartitionDir,
    log_start: Offset,
    log_end: Offset,
) -> Result<Option<(Offset, Vec<ProducerEntry>)>> {
    newest_of_snapshots(dir, (log_start, log_end), |_, _| {})
}

/// The same; `unreadable` hears of each newer one that cannot be read, its name and why.
///
/// # Errors
/// The system's.
pub fn newest_of_snapshots(
    dir: &PartitionDir,
    (log_start, log_end): (Offset, Offset),
    mut unreadable: impl FnMut(&str, &SnapshotError),
) -> Result<Option<(Offset, Vec<ProducerEntry>)>> {
    let counts = |offset: &&Offset| **offset > log_start && **offset <= log_end;
    for offset in dir.snapshots.iter().rev().filter(counts) {
        let name = FileName::new(*offset, Kind::Snapshot).to_string();
        match parse_snapshot(&dir.disk.map(&dir.file(&name))?) {
            Ok(entries) => return Ok(Some((*offset, entries))),
            Err(error) => unreadable(&name, &error),
        }
    }
    Ok(None)
}

/// The first snapshot behind `log_start` that can be read.
///
/// # Errors
/// The system's.
pub fn oldest_snapshot(
    dir: &PartitionDir,
    log_start: Offset,
) -> Result<Option<Vec<ProducerEntry>>> {
    for offset in dir.snapshots.iter().filter(|offset| **offset > log_start) {
        let name = FileName::new(*offset, Kind::Snapshot).to_string();
        if let Ok(entries) = parse_snapshot(&dir.disk.map(&dir.file(&name))?) {
            return Ok(Some(entries));
        }
    }
    Ok(None)
}

impl ProducerState {
    /// What the newest snapshot says, as [`newest_snapshot`] finds it; nothing, from `log_start`
    /// on, if there is none. Nobody has expired: when a broker loads this, it sees to that.
    ///
    /// # Errors
    /// The system's.
    pub fn load(dir: &PartitionDir, log_start: Offset, log_end: Offset) -> Result<ProducerState> {
        let newest = newest_snapshot(dir, log_start, log_end)?;
        let (from, entries) = newest.unwrap_or((log_start, Vec::new()));
        Ok(ProducerState::of(from, entries))
    }

    /// The producers as they were at an offset.
    pub fn of(from: Offset, entries: Vec<ProducerEntry>) -> ProducerState {
        let by_id = entries.into_iter().map(|entry| (entry.producer_id, entry)).collect();
        ProducerState { from, by_id }
    }

    /// Where the batches begin that are to be appended; those that end before it change nothing.
    pub fn from(&self) -> Offset {
        self.from
    }

    /// Goes on with the next batch of the log (`ProducerAppendInfo.append`).
    pub fn append(&mut self, batch: &Batch<'_>, decoder: &mut Decoder) {
        let header = &batch.header;
        if header.producer_id < 0 || header.last_offset < self.from {
            return;
        }
        if !header.is_control() {
            self.data(header);
        } else if header.record_count == 0 {
            // Its record was cleaned away; all that it tells is that there is such a producer.
            self.entry(header.producer_id);
        } else {
            let records = decoder.records(batch).ok();
            let first = records.and_then(|mut records| records.next()?.ok());
            let marker = first.and_then(|record| {
                Some((EndMarker::of_record(&record)?.coordinator_epoch, record.timestamp))
            });
            if let Some((coordinator_epoch, timestamp)) = marker {
                self.end_marker(header, coordinator_epoch, timestamp);
            }
        }
    }

    /// The batch that was appended last is half of one that begins at `whole`: as a whole a broker
    /// would know it again if it were sent once more.
    pub fn is_half(&mut self, header: &BatchHeader, whole: Offset) {
        let entry = self.by_id.get_mut(&header.producer_id);
        if let Some(entry) = entry.filter(|entry| entry.last_offset == header.last_offset) {
            entry.offset_delta = header.last_offset.distance_from(whole) as i32;
        }
    }

    /// Believes `open`, the transactions that are open and where they began, of what began at or
    /// behind `log_start`: other markers were lost to damage, and a transaction that nobody can end
    /// would hold up readers for good.
    pub fn settle(&mut self, open: &HashMap<i64, Offset>, log_start: Offset) {
        for entry in self.by_id.values_mut() {
            if entry.open_txn_first_offset.is_some_and(|first| first >= log_start) {
                entry.open_txn_first_offset = open.get(&entry.producer_id).copied();
            }
        }
    }

    /// `ProducerAppendInfo.appendDataBatch`. A batch that was emptied says the same as before.
    fn data(&mut self, header: &BatchHeader) {
        let entry = self.entry(header.producer_id);
        entry.epoch = header.producer_epoch;
        entry.last_sequence = header.last_sequence();
        entry.last_offset = header.last_offset;
        entry.offset_delta = header.last_offset.distance_from(header.base_offset) as i32;
        entry.timestamp = header.max_timestamp;
        if header.is_transactional() {
            entry.open_txn_first_offset.get_or_insert(header.base_offset);
        }
    }

    /// `ProducerAppendInfo.appendEndTxnMarker`. A newer epoch knows of no batch yet
    /// (`ProducerStateEntry.maybeUpdateProducerEpoch`).
    fn end_marker(&mut self, header: &BatchHeader, coordinator_epoch: i32, timestamp: Timestamp) {
        let entry = self.entry(header.producer_id);
        if entry.epoch != header.producer_epoch {
            *entry = ProducerEntry { epoch: header.producer_epoch, ..unknown(header.producer_id) };
        }
        entry.coordinator_epoch = coordinator_epoch;
        entry.timestamp = timestamp;
        entry.open_txn_first_offset = None;
    }

    fn entry(&mut self, producer_id: i64) -> &mut ProducerEntry {
        self.by_id.entry(producer_id).or_insert_with(|| unknown(producer_id))
    }

    /// The producers, by their ids.
    pub fn entries(&self) -> impl Iterator<Item = &ProducerEntry> {
        self.by_id.values()
    }

    /// Whether there is no producer.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The bytes of a snapshot that says this.
    pub fn render(&self) -> Vec<u8> {
        let entries: Vec<ProducerEntry> = self.entries().copied().collect();
        render_snapshot(&entries)
    }
}

/// `ProducerStateEntry.empty`.
fn unknown(producer_id: i64) -> ProducerEntry {
    ProducerEntry {
        producer_id,
        epoch: -1,
        last_sequence: -1,
        last_offset: Offset(-1),
        offset_delta: 0,
        timestamp: Timestamp::NONE,
        coordinator_epoch: -1,
        open_txn_first_offset: None,
    }
}
