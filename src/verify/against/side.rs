//! One of the two directories: where its log starts and ends, and which of its data counts.

use std::path::PathBuf;

use super::row::{Place, Standing};
use super::transactions::{End, Transactions};
use crate::error::Result;
use crate::format::{Batch, BatchHeader, Control, Decoder};
use crate::segment::{
    Kind, LogFile, PartitionDir, Segment, TxnBatch, TxnBatchKind, believed_log_start,
    parse_txn_index,
};
use crate::units::Offset;

/// A directory to be compared.
pub struct Side {
    /// What is in it.
    pub dir: PartitionDir,
    /// Where its log starts.
    pub start: Offset,
    /// The offset behind its last batch when it was opened; what comes later is not seen.
    pub end: Offset,
    /// Records in place of which there was a deletion, rising.
    pub outlived: Vec<Offset>,
    transactions: Transactions,
}

impl Side {
    /// Opens the logs of a partition directory.
    ///
    /// # Errors
    /// The system's.
    pub fn open(dir: PartitionDir) -> Result<Side> {
        let end = log_end(&dir)?;
        let start = log_start(&dir, end);
        let (outlived, transactions) = Default::default();
        Ok(Side { dir, start, end, outlived, transactions })
    }

    /// The size of its logs.
    pub fn size_bytes(&self) -> u64 {
        self.dir.segments.iter().map(|segment| segment.size_bytes).sum()
    }

    /// The file that a record is in.
    pub fn path_of(&self, place: Place) -> PathBuf {
        let segment = self.dir.segments.get(place.segment);
        segment.map_or_else(|| self.dir.path.clone(), |segment| segment.path(Kind::Log))
    }

    /// Walks over all headers, to know which transactions count below `end`.
    ///
    /// # Errors
    /// The system's.
    pub fn settle(&mut self, end: Offset) -> Result<()> {
        let mut transactions = Transactions::until(end);
        let (mut decoder, mut reached) = (Decoder::new(), Offset(-1));
        for segment in &self.dir.segments {
            if let Some(map) = segment.read(Kind::TxnIndex)? {
                // An entry behind the end is of a log that has grown since.
                let (entries, _) = parse_txn_index(&map);
                let known = entries.iter().filter(|txn| txn.last_offset < self.end);
                known.for_each(|txn| transactions.indexed(txn));
            }
        }
        for segment in &self.dir.segments {
            let log = open_log(segment)?;
            for item in log.checked_batches() {
                let batch = match item {
                    Ok((_, batch)) => batch,
                    Err(damaged) => {
                        for marker in TxnBatch::of_damaged(&log, &damaged, &mut decoder) {
                            // Its offset may be what is damaged.
                            reached = reached.next();
                            let (id, last) = (marker.producer_id, reached);
                            match marker.kind {
                                TxnBatchKind::LostAbort => {
                                    transactions.marker(id, last, End::Abort);
                                }
                                _ => transactions.damaged_commit(id),
                            }
                        }
                        continue;
                    }
                };
                let header = &batch.header;
                if header.base_offset >= self.end {
                    break;
                }
                reached = reached.max(header.last_offset);
                if header.is_control() {
                    if let Some(end) = end_of(&batch, &mut decoder) {
                        transactions.marker(header.producer_id, header.last_offset, end);
                    }
                } else if header.is_transactional() {
                    transactions.data(header);
                }
            }
        }
        transactions.finish();
        self.transactions = transactions;
        Ok(())
    }

    /// What the records of a batch are to the state, if they lie below the end of what is
    /// compared.
    pub fn standing(&self, header: &BatchHeader) -> Standing {
        if header.is_control() { Standing::Control } else { self.transactions.standing(header) }
    }

    /// The same of a record, wherever it lies.
    pub fn standing_at(&self, offset: Offset, of_batch: Standing) -> Standing {
        let is_later = of_batch == Standing::Settled && offset >= self.transactions.end();
        if is_later { Standing::Later } else { of_batch }
    }

    /// Whether it has data that counts, but not yet at the end of what is compared.
    pub fn has_later(&self) -> bool {
        self.end > self.transactions.end() || self.transactions.has_later()
    }
}

/// The log of a segment.
///
/// # Errors
/// The system's.
pub fn open_log(segment: &Segment) -> Result<LogFile> {
    segment.log()
}

/// The offset behind the last batch; an empty last segment begins there.
fn log_end(dir: &PartitionDir) -> Result<Offset> {
    let mut end = dir.segments.last().map_or(Offset(0), |segment| segment.base);
    for segment in dir.segments.iter().rev() {
        let log = open_log(segment)?;
        let last = log.checked_batches().flatten().map(|(_, batch)| batch.header.last_offset).max();
        if let Some(last) = last {
            end = end.max(last.next());
            break;
        }
    }
    Ok(end)
}

/// The first segment's base, or where deleted records moved the start to.
fn log_start(dir: &PartitionDir, end: Offset) -> Offset {
    let base = dir.segments.first().map_or(Offset(0), |segment| segment.base);
    believed_log_start(dir.checkpointed_log_start(), base, end)
}

/// Which end of a transaction a control batch marks, if it does.
fn end_of(batch: &Batch<'_>, decoder: &mut Decoder) -> Option<End> {
    let record = decoder.records(batch).ok()?.next()?.ok()?;
    match Control::of_key(record.key)? {
        Control::Commit => Some(End::Commit),
        Control::Abort => Some(End::Abort),
        _ => None,
    }
}
