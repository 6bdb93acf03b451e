//! What becomes of a partition, decided before anything is written.
//!
//! 1. Every batch of every segment is examined. An unfinished write at the end of the last segment
//!    is cut off, as a broker does at start.
//! 2. Other damage: nothing is done to it, or the log is cut there and everything behind it goes,
//!    as a broker would have it (`LogLoader.recoverLog`), or it is skipped.
//! 3. Skipped markers: a `.txnindex` tells of aborted transactions whose marker was damaged. Their
//!    data goes too; nobody was to see it, and with the producer's next COMMIT everybody would.
//! 4. Indexes, snapshots and leader epochs follow from what stays.

use std::collections::HashSet;

use rayon::prelude::*;

use super::companions::Companions;
use super::epochs;
use super::kept::{Kept, Lost};
use crate::error::Result;
use crate::format::{Batch, Decoder};
use crate::report::Progress;
use crate::segment::{
    AbortedTxn, Examined, Kind, Outcomes, PartitionDir, Segment, TxnBatch, TxnBatchKind,
    parse_snapshot, parse_txn_index,
};
use crate::units::Offset;

/// The file that leader epochs are in.
pub const LEADER_EPOCHS: &str = "leader-epoch-checkpoint";

/// What is done about damage in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Nothing: only indexes and the like are repaired.
    IndexesOnly,
    /// The log is cut at the first damage.
    Truncate,
    /// Damage is dropped, and what follows stays.
    Skip,
}

/// The decision about one partition.
pub struct Plan {
    /// The segments that stay, rising, with their indexes.
    pub segments: Vec<(Kept, Companions)>,
    /// The bases of those that go, rising; they are the last ones.
    pub goes: Vec<Offset>,
    /// What is lost.
    pub lost: Lost,
    /// Snapshots that cannot be read or lie behind the log end.
    pub snapshots: Vec<Offset>,
    /// New text for the leader epochs.
    pub leader_epochs: Option<String>,
    /// The offset behind the last record that stays.
    pub log_end: Offset,
}

/// A decision, or why there is none.
pub enum Decision {
    /// This is to be done.
    Repair(Box<Plan>),
    /// The log is damaged, and nothing was said about that.
    LeaveAlone(Lost),
}

impl Plan {
    /// Decides about the partition `dir`.
    ///
    /// # Errors
    /// The system's.
    pub fn make(
        dir: &PartitionDir,
        how: How,
        interval_bytes: u64,
        progress: &dyn Progress,
    ) -> Result<Decision> {
        let mut examined = examine(&dir.segments, progress)?;
        let least_end = dir.snapshots.last().copied().unwrap_or_default();
        cut_unfinished_write(&mut examined, least_end);
        let is_damaged = examined.iter().any(|(_, examined)| !examined.damage.is_empty());
        let goes = match how {
            How::IndexesOnly if is_damaged => {
                return Ok(Decision::LeaveAlone(damage_of(examined)));
            }
            How::IndexesOnly => Vec::new(),
            How::Truncate => truncate(&mut examined),
            How::Skip => {
                examined.iter_mut().for_each(|(kept, examined)| kept.skip(examined));
                Vec::new()
            }
        };
        let mut kept: Vec<Kept> = examined.into_iter().map(|(kept, _)| kept).collect();
        if how == How::Skip && is_damaged {
            drop_data_of_lost_markers(&mut kept)?;
        }
        let mut lost = Lost::default();
        kept.iter_mut().for_each(|kept| lost.append(std::mem::take(&mut kept.lost)));
        kept.retain(|kept| !goes.contains(&kept.segment.base));
        let log_end = kept.last().map_or(Offset(0), Kept::next_offset);
        let (txns, epochs_seen) = walk(&kept);
        let outcomes = Outcomes::of(txns.iter().flatten());
        let count = kept.len();
        let decide = |(number, (kept, txns)): (usize, (Kept, &Vec<TxnBatch>))| {
            let is_active = number + 1 == count;
            let is_here =
                |txn: &&AbortedTxn| txns.iter().any(|batch| batch.base_offset == txn.last_offset);
            let aborted: Vec<AbortedTxn> =
                outcomes.aborted.iter().filter(is_here).copied().collect();
            let companions = Companions::decide(&kept, txns, &aborted, is_active, interval_bytes)?;
            Ok((kept, companions))
        };
        let segments = kept.into_iter().zip(&txns).enumerate().map(decide);
        Ok(Decision::Repair(Box::new(Plan {
            segments: segments.collect::<Result<_>>()?,
            goes,
            lost,
            snapshots: useless_snapshots(dir, log_end)?,
            leader_epochs: leader_epochs(dir, log_end, &epochs_seen)?,
            log_end,
        })))
    }
}

fn examine(segments: &[Segment], progress: &dyn Progress) -> Result<Vec<(Kept, Examined)>> {
    let bounds = segments.iter().skip(1).map(|next| Some(next.base)).chain([None]);
    let with_bounds: Vec<_> = segments.iter().zip(bounds).collect();
    with_bounds
        .par_iter()
        .map(|(segment, bound)| {
            let log = segment.log()?;
            let mut examined = Examined::of(&log, *bound, &mut Decoder::new())?;
            progress.advance(segment.size_bytes);
            let batches = std::mem::take(&mut examined.batches);
            Ok((Kept::all(segment, log, batches), examined))
        })
        .collect()
}

/// Cuts off what the last append left unfinished; a log that once reached up to `least_end` did not
/// lose what is below it that way.
fn cut_unfinished_write(examined: &mut [(Kept, Examined)], least_end: Offset) {
    let Some((kept, examined)) = examined.last_mut() else { return };
    if kept.next_offset() < least_end {
        return;
    }
    let is_tail = examined.damage.last().is_some_and(|tail| kept.log.is_unfinished_tail(tail));
    if let Some(tail) = examined.damage.pop_if(|_| is_tail) {
        kept.lose(&tail, "cut off: an unfinished write");
    }
}

fn damage_of(examined: Vec<(Kept, Examined)>) -> Lost {
    let mut lost = Lost::default();
    for (mut kept, examined) in examined {
        examined.damage.iter().for_each(|damaged| kept.lose(damaged, "partition left alone"));
        kept.lost.records += examined.damaged_records;
        lost.append(kept.lost);
    }
    lost
}

/// Cuts the log at its first damage; the bases of the segments behind it.
fn truncate(examined: &mut [(Kept, Examined)]) -> Vec<Offset> {
    let mut goes = Vec::new();
    let mut is_cut = false;
    for (kept, examined) in examined {
        if is_cut {
            kept.give_up(examined);
            goes.push(kept.segment.base);
        } else {
            is_cut = kept.truncate(examined);
        }
    }
    goes
}

fn drop_data_of_lost_markers(kept: &mut [Kept]) -> Result<()> {
    const REASON: &str = "data of an aborted transaction whose marker is damaged";
    let (txns, _) = walk(kept);
    let markers: HashSet<(i64, Offset)> = txns
        .iter()
        .flatten()
        .filter(|batch| batch.kind == TxnBatchKind::Abort)
        .map(|batch| (batch.producer_id, batch.base_offset))
        .collect();
    let mut without_marker = Vec::new();
    for kept in kept.iter() {
        if let Some(map) = kept.segment.read(Kind::TxnIndex)? {
            let (entries, _) = parse_txn_index(&map);
            let is_lost = |txn: &AbortedTxn| !markers.contains(&(txn.producer_id, txn.last_offset));
            without_marker.extend(entries.into_iter().filter(is_lost));
        }
    }
    for (kept, txns) in kept.iter_mut().zip(&txns) {
        for batch in txns.iter().filter(|batch| batch.kind == TxnBatchKind::Data) {
            let is_of = |txn: &AbortedTxn| {
                txn.producer_id == batch.producer_id
                    && (txn.first_offset..=txn.last_offset).contains(&batch.base_offset)
            };
            if without_marker.iter().any(is_of) {
                kept.drop_batch(batch.position, REASON);
            }
        }
    }
    Ok(())
}

/// What the batches that stay say of transactions, by segment, and of leader epochs.
fn walk(kept: &[Kept]) -> (Vec<Vec<TxnBatch>>, Vec<(i32, Offset)>) {
    let mut decoder = Decoder::new();
    let mut epochs: Vec<(i32, Offset)> = Vec::new();
    let mut all = Vec::new();
    for kept in kept {
        let mut txns = Vec::new();
        for sound in &kept.batches {
            let rest = kept.log.bytes().get(sound.position.index()..).unwrap_or_default();
            let Ok(batch) = Batch::parse(rest) else { continue };
            txns.extend(TxnBatch::of(sound.position, &batch, &mut decoder));
            let epoch = batch.header.leader_epoch;
            if epochs.last().is_none_or(|(last, _)| *last != epoch) {
                epochs.push((epoch, batch.header.base_offset));
            }
        }
        all.push(txns);
    }
    (all, epochs)
}

fn useless_snapshots(dir: &PartitionDir, log_end: Offset) -> Result<Vec<Offset>> {
    let mut useless = Vec::new();
    for offset in &dir.snapshots {
        let name = crate::segment::FileName::new(*offset, Kind::Snapshot).to_string();
        let map = dir.disk.map(&dir.file(&name))?;
        if *offset > log_end || parse_snapshot(&map).is_err() {
            useless.push(*offset);
        }
    }
    Ok(useless)
}

fn leader_epochs(
    dir: &PartitionDir,
    log_end: Offset,
    seen: &[(i32, Offset)],
) -> Result<Option<String>> {
    if !dir.others.iter().any(|name| name == LEADER_EPOCHS) {
        return Ok(None);
    }
    let map = dir.disk.map(&dir.file(LEADER_EPOCHS))?;
    Ok(epochs::decide(&String::from_utf8_lossy(&map), log_end, seen))
}
