//! What becomes of a partition, decided before anything is written.
//!
//! 1. Every batch of every segment is examined. An unfinished write at the end of the last segment
//!    is cut off, as a broker does at start.
//! 2. Other damage: nothing is done to it, or the log is cut where a broker would cut it and
//!    everything behind it goes (`repair::recovery`), or it is skipped.
//! 3. Skipped markers: the data of an aborted transaction whose marker was damaged goes too; nobody
//!    was to see it, and with the producer's next COMMIT everybody would.
//! 4. Indexes, snapshots and leader epochs follow from what stays. The topic's id follows from
//!    nothing in the log; one that cannot be read is that of its other partitions, or goes.

use std::collections::HashSet;

use rayon::prelude::*;

use super::companions::Companions;
use super::epochs;
use super::kept::{Kept, Lost};
use super::recovery::Recovered;
use super::snapshots::{self, Snapshots};
use crate::error::Result;
use crate::format::{Batch, Decoder};
use crate::report::Progress;
use crate::segment::{
    ByMarker, Examined, Kind, LEADER_EPOCHS, Outcomes, PartitionDir, Segment, TxnBatch, TxnEntries,
    TxnsOfSegment, Unmarked, Unread, parse_txn_index, stand_in_for_lost_commits,
    stand_in_for_lost_markers, unread_metadata,
};
use crate::units::Offset;

/// What is done about damage in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Nothing: only indexes and the like are repaired.
    IndexesOnly,
    /// The log is cut where Kafka's recovery cuts it.
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
    /// What becomes of the producer snapshots.
    pub snapshots: Snapshots,
    /// New text for the leader epochs.
    pub leader_epochs: Option<String>,
    /// The topic's id, if it cannot be read.
    pub unread_metadata: Option<Unread>,
    /// The offset behind the last record that stays.
    pub log_end: Offset,
    /// What remains in doubt, for people.
    pub doubts: Vec<String>,
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
            How::Truncate => truncate(&mut examined, interval_bytes),
            How::Skip => {
                examined.iter_mut().for_each(|(kept, examined)| kept.skip(examined));
                Vec::new()
            }
        };
        let skips_damage = how == How::Skip && is_damaged;
        let indexed = indexed_txns(&examined)?;
        let (txns, mut doubts) = settle_markers(&mut examined, &goes, skips_damage, &indexed);
        let mut kept: Vec<Kept> = examined.into_iter().map(|(kept, _)| kept).collect();
        let mut lost = Lost::default();
        kept.iter_mut().for_each(|kept| lost.append(std::mem::take(&mut kept.lost)));
        kept.retain(|kept| !goes.contains(&kept.segment.base));
        doubts.extend(kept_damage(&lost));
        let log_end = kept.last().map_or(Offset(0), Kept::next_offset);
        let (_, epochs_seen) = walk(kept.iter());
        let outcomes = Outcomes::of(txns.iter().flatten());
        let is_changed = !goes.is_empty() || kept.iter().any(|kept| !kept.is_whole());
        let snapshots = snapshots::decide(dir, &kept, &outcomes.open, log_end, is_changed)?;
        let count = kept.len();
        let entries = TxnEntries::of(txns.iter().flatten(), &outcomes, &indexed);
        let decide = |(number, (kept, txns)): (usize, (Kept, &Vec<TxnBatch>))| {
            let is_active = number + 1 == count;
            let aborted = entries.for_batches(txns, false);
            let companions = Companions::decide(&kept, &aborted, is_active, interval_bytes)?;
            Ok((kept, companions))
        };
        let segments = kept.into_iter().zip(&txns).enumerate().map(decide);
        Ok(Decision::Repair(Box::new(Plan {
            segments: segments.collect::<Result<_>>()?,
            goes,
            lost,
            snapshots,
            leader_epochs: leader_epochs(dir, log_end, &epochs_seen)?,
            unread_metadata: unread_metadata(dir)?,
            log_end,
            doubts,
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
    if is_tail && let Some(tail) = examined.pop_tail() {
        kept.lose(&tail, "cut off: an unfinished write");
    }
}

/// What there is to say of damage that stays where the log is cut as a broker cuts it.
fn kept_damage(lost: &Lost) -> Option<String> {
    let count = lost.kept();
    let (ranges, them) = if count == 1 { ("range", "it") } else { ("ranges", "them") };
    (count > 0).then(|| {
        format!(
            "{count} damaged {ranges} that a broker's recovery does not notice stay in the log; \
             --skip drops {them}"
        )
    })
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

/// Cuts the log where Kafka's recovery would; the bases of the segments behind that.
fn truncate(examined: &mut [(Kept, Examined)], interval_bytes: u64) -> Vec<Offset> {
    let mut goes = Vec::new();
    let mut is_cut = false;
    for (kept, examined) in examined {
        if is_cut {
            kept.give_up(examined);
            goes.push(kept.segment.base);
        } else {
            let recovered = Recovered::of(&kept.log, interval_bytes);
            is_cut = kept.truncate(examined, recovered);
        }
    }
    goes
}

/// The entries of all `.txnindex` files.
fn indexed_txns(examined: &[(Kept, Examined)]) -> Result<ByMarker> {
    let mut indexed = ByMarker::new();
    for (kept, _) in examined {
        if let Some(map) = kept.segment.read(Kind::TxnIndex)? {
            indexed.extend(parse_txn_index(&map).0.iter().map(|txn| (txn.marker(), *txn)));
        }
    }
    Ok(indexed)
}

/// What the transactional batches that stay are, with stand-ins for lost markers, and what remains
/// in doubt. Where damage is skipped, the data of aborted transactions whose marker was lost goes.
fn settle_markers(
    examined: &mut [(Kept, Examined)],
    goes: &[Offset],
    skips_damage: bool,
    indexed: &ByMarker,
) -> (Vec<Vec<TxnBatch>>, Vec<String>) {
    let (mut txns, _) = walk(examined.iter().map(|(kept, _)| kept));
    let mut segments: Vec<TxnsOfSegment<'_>> = examined
        .iter()
        .zip(&mut txns)
        .map(|((kept, examined), batches)| TxnsOfSegment {
            base: kept.segment.base,
            batches,
            untold: &examined.untold,
            legible: &examined.legible_markers,
        })
        .collect();
    if !skips_damage {
        segments.retain(|segment| !goes.contains(&segment.base));
        stand_in_for_lost_commits(&mut segments, indexed);
        let stays = examined.iter().map(|(kept, _)| !goes.contains(&kept.segment.base));
        let kept = txns.into_iter().zip(stays).filter(|(_, stays)| *stays);
        return (kept.map(|(txns, _)| txns).collect(), Vec::new());
    }
    let doubts = stand_in_for_lost_markers(&mut segments, indexed);
    let outcomes = Outcomes::of(txns.iter().flatten());
    let unmarked = Unmarked::of(txns.iter().flatten(), &outcomes);
    for ((kept, _), txns) in examined.iter_mut().zip(&mut txns) {
        let mut goes = HashSet::new();
        txns.retain(|batch| {
            let stays = !unmarked.holds(batch);
            stays || !goes.insert(batch.position)
        });
        kept.drop_batches(&goes, Unmarked::REASON);
    }
    (txns, doubts)
}

/// What the batches that stay say of transactions, by segment, and of leader epochs.
fn walk<'a>(kept: impl Iterator<Item = &'a Kept>) -> (Vec<Vec<TxnBatch>>, Vec<(i32, Offset)>) {
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
