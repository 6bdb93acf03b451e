//! The logs that groups are read from: partitions of `__consumer_offsets`, front to back, going on
//! behind damage.

use std::collections::BTreeMap;
use std::path::Path;

use super::Damage;
use super::replay::{Entry, Replay, Replayed};
use crate::disk::Disk;
use crate::error::Result;
use crate::format::{Batch, Decoder, EndMarker};
use crate::messages::Undecodable;
use crate::segment::{
    FileName, Frontier, Kind, LogFile, OffsetBounds, OffsetOrder, TxnBatch, TxnBatchKind,
};
use crate::swap::as_finished;
use crate::units::{Offset, Position};

/// What one partition holds.
pub(super) struct PartitionRead {
    /// What its records leave.
    pub(super) replayed: Replayed,
    /// Where it ends.
    pub(super) log_end: Offset,
    /// How many records it has, markers not among them.
    pub(super) records: u64,
    /// Records of types or versions that Kafka 4.1 does not know, by type.
    pub(super) unknown: BTreeMap<i16, u64>,
    /// What is wrong with it.
    pub(super) damage: Vec<Damage>,
    /// What is left out, and is no damage.
    pub(super) notes: Vec<String>,
}

/// Reads the partition in `path`.
pub(super) fn read_partition(path: &Path, partition: i32) -> Result<PartitionRead> {
    let (dir, unfinished) = as_finished(&Disk::default(), path)?;
    let mut reader = Reader {
        replay: Replay::default(),
        decoder: Decoder::new(),
        log_end: Offset(0),
        records: 0,
        unknown: BTreeMap::new(),
        damage: Vec::new(),
        notes: unfinished.iter().map(|what| format!("{}: {what}", path.display())).collect(),
    };
    let is_log = |name: &str| FileName::parse(name).is_some_and(|name| name.kind == Kind::Log);
    let odd = dir.oddities.iter().filter(|odd| is_log(&odd.name));
    reader.damage.extend(odd.map(|odd| Damage::left_out(&dir.file(&odd.name), odd.what)));
    for (index, segment) in dir.segments.iter().enumerate() {
        let log = segment.log()?;
        reader.log_end = reader.log_end.max(segment.base);
        let next_base = dir.segments.get(index + 1).map(|next| next.base);
        reader.segment(&log, next_base)?;
    }
    let Reader { replay, log_end, records, unknown, damage, notes, .. } = reader;
    let replayed = replay.finish(partition);
    Ok(PartitionRead { replayed, log_end, records, unknown, damage, notes })
}

struct Reader {
    replay: Replay,
    decoder: Decoder,
    log_end: Offset,
    records: u64,
    unknown: BTreeMap<i16, u64>,
    damage: Vec<Damage>,
    notes: Vec<String>,
}

impl Reader {
    fn segment(&mut self, log: &LogFile, next_base: Option<Offset>) -> Result<()> {
        let is_active = next_base.is_none();
        let mut order = OffsetOrder::begin(OffsetBounds::new(log.base(), next_base));
        let mut batches = log.checked_batches();
        let mut frontier = Frontier::of(log);
        while let Some(item) = frontier.next_of(&mut batches)? {
            match item {
                Ok((position, batch)) => {
                    self.order(log, position, &batch, &mut order);
                    self.batch(log, position, &batch);
                }
                Err(damaged) if is_active && log.is_unfinished_tail(&damaged) => {}
                Err(damaged) => {
                    let mut made_of_it = "what is in it does not count";
                    for marker in TxnBatch::of_damaged(log, &damaged, &mut self.decoder) {
                        let is_committed = marker.kind == TxnBatchKind::LostCommit;
                        self.replay.end(marker.producer_id, is_committed);
                        made_of_it = "it is taken for the marker that it still reads as";
                    }
                    let reason = format!("{}; {made_of_it}", damaged.flaw);
                    self.damage(log, damaged.position, reason);
                }
            }
        }
        self.log_end = self.log_end.max(order.due());
        Ok(())
    }

    /// No checksum covers a base offset; what is in the batch counts all the same.
    fn order(
        &mut self,
        log: &LogFile,
        position: Position,
        batch: &Batch<'_>,
        order: &mut OffsetOrder,
    ) {
        if batch.check_header().is_err() {
            return; // told where its records are read
        }
        let flaw = order.batch(batch.header.base_offset, batch.header.last_offset);
        flaw.into_iter().for_each(|flaw| self.damage(log, position, flaw));
    }

    fn batch(&mut self, log: &LogFile, position: Position, batch: &Batch<'_>) {
        let header = batch.header;
        let transaction = header.is_transactional().then_some(header.producer_id);
        let mut wrong = Vec::new();
        match self.decoder.records(batch) {
            Err(flaw) => wrong.push(flaw.to_string()),
            Ok(records) => {
                for record in records {
                    let record = match record {
                        Ok(record) => record,
                        Err(flaw) => {
                            wrong.push(format!("{flaw}; the batch is read up to there"));
                            break;
                        }
                    };
                    if header.is_control() {
                        if let Some(marker) = EndMarker::of_record(&record) {
                            self.replay.end(header.producer_id, marker.commit);
                        }
                        continue;
                    }
                    self.records += 1;
                    let (at, key, value) = (record.offset, record.key, record.value);
                    match self.replay.record(&Entry { at, transaction, key, value }) {
                        Ok(()) => {}
                        Err(Undecodable::Type(kind) | Undecodable::Version { kind, .. }) => {
                            *self.unknown.entry(kind).or_default() += 1;
                        }
                        Err(reason) => wrong.push(format!("the record at offset {at}: {reason}")),
                    }
                }
            }
        }
        for what in wrong {
            self.damage(log, position, what);
        }
    }

    fn damage(&mut self, log: &LogFile, position: Position, what: String) {
        self.damage.push(Damage { path: log.path().into(), position: Some(position), what });
    }
}
