//! The first look at a partition: what lies in its directory, what the headers of its segments say,
//! how its transactions ended. Nothing is decided yet.

use rayon::prelude::*;

use super::damage::segment_name;
use super::look::{ActiveProducers, Survey, Walking};
use super::policy::{OnDamage, Policy};
use super::task::{Done, Task};
use crate::error::Result;
use crate::segment::{
    AbortedTxn, ByMarker, FileName, Kind, Oddity, Outcomes, PartitionDir, ProducerEntry, Segment,
    TxnEntries, TxnsOfSegment, newest_of_snapshots, parse_txn_index, stand_in_for_lost_commits,
    stand_in_for_lost_markers,
};
use crate::units::Offset;

/// What was seen.
pub struct Looked {
    /// The segments.
    pub surveys: Vec<Survey>,
    /// How transactions ended.
    pub outcomes: Outcomes,
    /// The entries of all `.txnindex` files, and what a round knows of transactions that began
    /// before it.
    indexed: ByMarker,
    /// The entries that those files are to have.
    pub entries: TxnEntries,
    /// Producers as the newest snapshot has them.
    pub producers: Vec<ProducerEntry>,
}

impl Looked {
    /// Takes note of where the log ends, and of offsets behind that which damage claims.
    pub fn note_end(&self, policy: &Policy, done: &mut Done) {
        let Some(last) = self.surveys.last() else { return };
        done.log_end = last.next_offset;
        let claimed = last.claimed_end.filter(|end| *end > last.next_offset);
        if let Some(claimed) = claimed.filter(|_| !policy.include_active) {
            done.warnings.push(format!(
                "the log ends at {} now; damage behind it claims offsets up to {claimed}, which a \
                 broker would give again",
                done.log_end
            ));
        }
    }

    /// Looks at the source of `task`; what there is to tell goes to `done`. None, if it has to be
    /// left alone.
    ///
    /// # Errors
    /// The system's.
    pub fn at(task: &Task<'_>, policy: &Policy, done: &mut Done) -> Result<Option<Looked>> {
        let source = task.source;
        for odd in &source.oddities {
            let Oddity { name, what } = odd;
            if odd.is_in_the_way() {
                done.left_alone = Some(format!("{name} is {what}, not a file; it is not followed"));
                return Ok(None);
            }
            done.warnings.push(format!("{name} is {what}; it is neither followed nor copied"));
        }
        let becomes = if task.in_place { "it stays where it is" } else { "it is not copied" };
        let misnamed = source.misnamed.iter();
        done.warnings.extend(misnamed.map(|it| format!("{}: {}; {becomes}", it.name, it.what())));
        done.warnings.extend(task.round.and_then(|round| round.unreadable_epochs()));
        let mut snapshot = newest_snapshot(task, Offset(i64::MAX), &mut done.warnings)?;
        let walking = |replay_from| Walking {
            around_damage: policy.on_damage != OnDamage::Fail,
            ..walking(task, replay_from)
        };
        let mut surveys = survey(source, &walking(snapshot.offset))?;
        note_survey(&surveys, done);
        if snapshot.offset > done.log_end {
            done.warnings.push(format!(
                "the producer snapshot at offset {} lies behind the log's end, {}; a broker \
                 removes it, and it is not believed",
                snapshot.offset, done.log_end
            ));
            snapshot = newest_snapshot(task, done.log_end, &mut done.warnings)?;
            surveys = survey(source, &walking(snapshot.offset))?;
        }
        let mut indexed = indexed_txns(source, &mut done.warnings)?;
        for txn in task.round.map_or(&[][..], |round| round.begun_and_aborted()) {
            indexed.entry(txn.marker()).or_insert(*txn);
        }
        let is_damaged = surveys.iter().any(|survey| !survey.damage.is_empty());
        if is_damaged && policy.on_damage == OnDamage::Fail {
            done.note_surveyed(&surveys);
            *done = std::mem::take(done).left_alone_for_damage(&Looked::examined(task)?);
            return Ok(None);
        }
        let mut txns: Vec<TxnsOfSegment<'_>> = surveys.iter_mut().map(Survey::txns).collect();
        if is_damaged {
            done.warnings.extend(stand_in_for_lost_markers(&mut txns, &indexed));
        } else {
            stand_in_for_lost_commits(&mut txns, &indexed);
        }

        let outcomes = Outcomes::of(surveys.iter().flat_map(|survey| &survey.txn_batches));
        let producers = snapshot.producers;
        let batches = surveys.iter().flat_map(|survey| &survey.txn_batches);
        let entries = TxnEntries::of(batches, &outcomes, &indexed);
        Ok(Some(Looked { surveys, outcomes, indexed, entries, producers }))
    }

    /// The segments of `task`, with everything in them checked: for their damage.
    ///
    /// # Errors
    /// The system's.
    pub fn examined(task: &Task<'_>) -> Result<Vec<Survey>> {
        survey(task.source, &walking(task, Offset(i64::MAX)))
    }

    /// The producers that a broker has at the log end, and what stays for each.
    pub fn active_producers(&self, policy: &Policy) -> ActiveProducers {
        let expiration_ms = policy.topic.producer_id_expiration_ms;
        let (loaded, open) = (&self.producers, &self.outcomes.open);
        ActiveProducers::after_load(loaded, &self.surveys, open, policy.now, expiration_ms)
    }

    /// Says where the `.txnindex` files and the markers disagree; the markers are believed.
    pub fn warn_of_unindexed(&self, warnings: &mut Vec<String>) {
        let is_missing = |txn: &&AbortedTxn| !self.indexed.contains_key(&txn.marker());
        let missing = self.outcomes.aborted.iter().filter(is_missing);
        let count = missing.clone().count();
        if let Some(first) = missing.clone().next() {
            warnings.push(format!(
                "{count} aborted transaction(s) are in no .txnindex, the first with its marker at \
                 offset {}; the markers in the log are used instead",
                first.last_offset
            ));
        }
    }
}

/// How its segments are walked if everything is checked.
fn walking(task: &Task<'_>, replay_from: Offset) -> Walking {
    Walking {
        replay_from,
        chunk_bytes: task.budget.chunk_bytes,
        around_damage: true,
        least_end: task.source.snapshots.last().copied().unwrap_or_default(),
    }
}

/// Producer state as a broker would load it.
struct Snapshot {
    offset: Offset,
    producers: Vec<ProducerEntry>,
}

/// The newest snapshot that can be read of those that count in a log that ends at `log_end`.
fn newest_snapshot(
    task: &Task<'_>,
    log_end: Offset,
    warnings: &mut Vec<String>,
) -> Result<Snapshot> {
    let source = task.source;
    let first = source.segments.first().map_or(Offset(0), |segment| segment.base);
    // What a round reads begins somewhere in the log, and what a snapshot there says counts.
    let log_start = match task.round {
        Some(_) => Offset(-1),
        None => task.log_start.map_or(first, |start| start.max(first)),
    };
    let mut unreadable = Vec::new();
    let newest = newest_of_snapshots(source, (log_start, log_end), |name, error| {
        unreadable.push(format!("{name}: {error}"));
    })?;
    let instead = match newest {
        Some(_) => "one before it is used",
        None => "what else is known of producers is used",
    };
    warnings.extend(unreadable.into_iter().map(|what| format!("{what}; {instead}")));
    let kept = || task.round.map(|round| round.producers(log_end)).unwrap_or_default();
    let (offset, producers) = newest.unwrap_or_else(kept);
    Ok(Snapshot { offset, producers })
}

fn survey(source: &PartitionDir, walking: &Walking) -> Result<Vec<Survey>> {
    let segments = &source.segments;
    let with_bounds: Vec<(&Segment, Option<Offset>)> = segments
        .iter()
        .zip(segments.iter().skip(1).map(|next| Some(next.base)).chain([None]))
        .collect();
    with_bounds.par_iter().map(|(segment, bound)| Survey::take(segment, *bound, walking)).collect()
}

fn note_survey(surveys: &[Survey], done: &mut Done) {
    done.log_end = surveys.last().map_or(Offset(0), |survey| survey.next_offset);
    for survey in surveys {
        if let Some(tail) = &survey.torn_tail {
            done.warnings.push(format!(
                "{}: the last {} bytes, from position {} on, are an unfinished write and were \
                 left out, as a broker does at start",
                segment_name(survey),
                tail.size_bytes,
                tail.position
            ));
        }
    }
}

/// The entries of all `.txnindex` files, by producer and marker.
fn indexed_txns(source: &PartitionDir, warnings: &mut Vec<String>) -> Result<ByMarker> {
    let mut indexed = ByMarker::new();
    for segment in &source.segments {
        let Some(map) = segment.read(Kind::TxnIndex)? else {
            continue;
        };
        let (entries, whole) = parse_txn_index(&map);
        if !whole {
            let name = FileName::new(segment.named(), Kind::TxnIndex);
            warnings.push(format!("{name}: damaged; the markers in the log are used instead"));
        }
        indexed.extend(entries.iter().map(|txn| (txn.marker(), *txn)));
    }
    Ok(indexed)
}
