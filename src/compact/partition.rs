//! One partition, from its directory to a complete one in staging. The steps:
//!
//! 1. survey: walk the headers of all segments;
//! 2. plan: decide about range and groups;
//! 3. settle transactions, load the active producers;
//! 4. vote: read the range, find the latest record of each key; check what is only carried over;
//! 5. rewrite: one output segment a group, in parallel;
//! 6. carry over the rest;
//! 7. prove that every record read is either kept or counted as removed.
//!
//! Nothing of it changes the source. Damage anywhere means that the partition is left alone.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rayon::prelude::*;

use super::account::{counters, prove};
use super::budget::Budget;
use super::carry::{carry_companions, carry_segment, damage_in, put_empty_segment};
use super::election::{Electorate, chunks_of};
use super::plan::{Known, Plan};
use super::policy::{NullKeys, Policy};
use super::producers::ActiveProducers;
use super::rewrite::RewriteContext;
use super::rewrite_range::{Job, Maker};
use super::segment_writer::Target;
use super::survey::Survey;
use super::transactions::{Outcomes, settle};
use super::waiting::Waiting;
use crate::disk::{create_dir, sync_dir};
use crate::error::Result;
use crate::report::{Counters, Damage, Progress};
use crate::segment::{
    AbortedTxn, Damaged, Kind, Oddity, PartitionDir, ProducerEntry, Segment, parse_snapshot,
    parse_txn_index,
};
use crate::units::Offset;

/// Damaged stretches that a report lists one by one.
const MOST_DAMAGE_LISTED: usize = 1000;

/// What is known of a partition beforehand.
pub struct Task<'a> {
    /// Its directory.
    pub source: &'a PartitionDir,
    /// From the log directory's checkpoints.
    pub log_start: Option<Offset>,
    /// Likewise.
    pub first_dirty: Option<Offset>,
    /// Where to write; `None` in a dry run.
    pub staging: Option<PathBuf>,
    /// Where temporary files go; without it there are none.
    pub temp_dir: Option<&'a Path>,
    /// The memory that it may use.
    pub budget: Budget,
}

/// What was found and done.
#[derive(Debug, Default)]
pub struct Done {
    /// The plan that was carried out; `None` if it did not come to one.
    pub plan: Option<Plan>,
    /// The offset behind the last record.
    pub log_end: Offset,
    /// The first offset that is not stable.
    pub last_stable: Offset,
    /// The counters of the range.
    pub counters: Counters,
    /// Readings of the range.
    pub passes: u32,
    /// Damage; if there is any, nothing is to be kept of what was written.
    pub damage: Vec<Damage>,
    /// Why the partition is left alone.
    pub left_alone: Option<String>,
    /// What else the operator should know.
    pub warnings: Vec<String>,
}

impl Done {
    /// A partition that is not compacted, and why.
    pub fn left_alone(reason: String) -> Done {
        Done { left_alone: Some(reason), ..Done::default() }
    }
}

/// Compacts one partition into its staging directory.
///
/// # Errors
/// The system's, and bugs. Damage and refusals are part of [`Done`].
pub fn compact(task: &Task<'_>, policy: &Policy, progress: &dyn Progress) -> Result<Done> {
    let source = task.source;
    let mut done = Done::default();
    if let Some(leftover) = source.unfinished_swap() {
        done.left_alone = Some(format!(
            "{leftover} is left of a swap that did not finish; start a broker on the directory \
             once, or finish it by hand, before compacting a copy"
        ));
        return Ok(done);
    }
    for odd in &source.oddities {
        let Oddity { name, what } = odd;
        if odd.is_in_the_way() {
            done.left_alone = Some(format!("{name} is {what}, not a file; it is not followed"));
            return Ok(done);
        }
        done.warnings.push(format!("{name} is {what}; it was not copied"));
    }
    let snapshot = newest_snapshot(source, &mut done.warnings)?;
    let surveys = survey(source, snapshot.offset, task.budget.chunk_bytes)?;
    note_survey(&surveys, &mut done);
    if !done.damage.is_empty() {
        return Ok(left_alone_for_damage(done));
    }

    let outcomes = Outcomes::of(surveys.iter().flat_map(|survey| &survey.txn_batches));
    let known = Known {
        log_start: task.log_start,
        first_dirty: task.first_dirty,
        first_undecided: outcomes.first_undecided(),
    };
    done.last_stable = known.first_undecided.unwrap_or(done.log_end);
    let plan = Plan::make(&surveys, &known, policy)?;
    let range = surveys.get(plan.range()).unwrap_or_default();
    let indexed = indexed_txns(source, &outcomes, &mut done.warnings)?;
    let txns = settle(range, &outcomes, &indexed);
    let producers = ActiveProducers::after_load(
        &snapshot.producers,
        &surveys,
        &outcomes.open,
        policy.now,
        policy.topic.producer_id_expiration_ms,
    );

    let chunks = chunks_of(range);
    let maker = Maker {
        range,
        txns: &txns,
        chunks: &chunks,
        context: RewriteContext { policy, producers: &producers, end: plan.end },
        waiting: Waiting::new(chunks.len(), task.budget.waiting_bytes, task.temp_dir),
    };
    let budget = &task.budget.beside(range);
    let electorate =
        Electorate { surveys: range, txns: &txns, plan: &plan, policy, budget, progress };
    let election = electorate.hold(&maker)?;
    done.passes = election.passes;
    let in_range = |(at, damaged): &(usize, Damaged)| range.get(*at).map(|s| entry(s, damaged));
    done.damage.extend(election.damage.iter().filter_map(in_range));
    check_carried(&surveys, &plan, progress, &mut done);
    if !done.damage.is_empty() {
        done.plan = Some(plan);
        return Ok(left_alone_for_damage(done));
    }
    if let (NullKeys::Fail, Some(offset)) = (policy.null_keys, election.first_null_key) {
        done.left_alone =
            Some(format!("the record at offset {offset} has no key, and --null-keys is fail"));
        return Ok(done);
    }

    let job = Job { maker: &maker, election: &election, plan: &plan, budget, progress };
    let target_dir = task.staging.as_deref();
    if let Some(dir) = target_dir {
        create_dir(dir)?;
    }
    let (tally, written) = job.rewrite(target_dir)?;
    carry_over(task, &surveys, &plan, policy)?;
    if let Some(dir) = target_dir {
        sync_dir(dir)?;
    }
    done.counters = counters(&surveys, &plan, policy, &election, &tally, &written);
    prove(&done.counters)?;
    done.plan = Some(plan);
    Ok(done)
}

fn left_alone_for_damage(mut done: Done) -> Done {
    let stretches = done.damage.len();
    if stretches > MOST_DAMAGE_LISTED {
        done.damage.truncate(MOST_DAMAGE_LISTED);
        let text = format!("of {stretches} damaged stretches {MOST_DAMAGE_LISTED} are listed");
        done.warnings.push(text);
    }
    let first =
        done.damage.first().map(|d| format!("{} position {}: {}", d.segment, d.position, d.reason));
    done.left_alone = Some(format!(
        "{} damaged {}, the first at {}; `logcompact verify` lists them all",
        stretches,
        if stretches == 1 { "stretch" } else { "stretches" },
        first.unwrap_or_default(),
    ));
    done
}

/// Producer state as a broker would load it.
struct Snapshot {
    offset: Offset,
    producers: Vec<ProducerEntry>,
}

/// The newest snapshot that can be read. Those beyond the log end are told apart later: Kafka
/// deletes them, and their producers would only be replayed again from here.
fn newest_snapshot(source: &PartitionDir, warnings: &mut Vec<String>) -> Result<Snapshot> {
    for offset in source.snapshots.iter().rev() {
        let name = crate::segment::FileName::new(*offset, Kind::Snapshot).to_string();
        let map = crate::disk::Map::open(&source.file(&name))?;
        match parse_snapshot(&map) {
            Ok(producers) => {
                return Ok(Snapshot { offset: *offset, producers });
            }
            Err(error) => warnings.push(format!("{name}: {error}; the one before it is used")),
        }
    }
    Ok(Snapshot { offset: Offset(0), producers: Vec::new() })
}

fn survey(source: &PartitionDir, replay_from: Offset, chunk_bytes: u64) -> Result<Vec<Survey>> {
    let segments = &source.segments;
    let with_bounds: Vec<(&Segment, Option<Offset>)> = segments
        .iter()
        .zip(segments.iter().skip(1).map(|next| Some(next.base)).chain([None]))
        .collect();
    with_bounds
        .par_iter()
        .map(|(segment, bound)| {
            Survey::take(segment, replay_from, bound.is_none(), *bound, chunk_bytes)
        })
        .collect()
}

fn note_survey(surveys: &[Survey], done: &mut Done) {
    done.log_end = surveys.last().map_or(Offset(0), |survey| survey.next_offset);
    for survey in surveys {
        done.damage.extend(survey.damage.iter().map(|damaged| entry(survey, damaged)));
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

/// Checks the batches of the segments that are not in the range.
fn check_carried(surveys: &[Survey], plan: &Plan, progress: &dyn Progress, done: &mut Done) {
    let carried = surveys.get(plan.cleaned..).unwrap_or_default();
    let found: Vec<Vec<Damage>> = carried
        .par_iter()
        .map(|survey| {
            let damage = damage_in(survey).iter().map(|damaged| entry(survey, damaged)).collect();
            progress.advance(survey.end.0);
            damage
        })
        .collect();
    done.damage.extend(found.into_iter().flatten());
}

fn entry(survey: &Survey, damaged: &Damaged) -> Damage {
    Damage {
        segment: segment_name(survey),
        position: damaged.position,
        size: damaged.size_bytes,
        reason: damaged.flaw.to_string(),
        action: "partition left alone",
    }
}

fn segment_name(survey: &Survey) -> String {
    crate::segment::FileName::new(survey.segment.base, Kind::Log).to_string()
}

/// The entries of all `.txnindex` files, by producer and marker. Says where they and the markers
/// disagree; the markers are believed.
fn indexed_txns(
    source: &PartitionDir,
    outcomes: &Outcomes,
    warnings: &mut Vec<String>,
) -> Result<HashMap<(i64, Offset), AbortedTxn>> {
    let mut indexed = HashMap::new();
    for segment in &source.segments {
        let Some(map) = segment.read(Kind::TxnIndex)? else {
            continue;
        };
        let (entries, whole) = parse_txn_index(&map);
        if !whole {
            let name = crate::segment::FileName::new(segment.base, Kind::TxnIndex);
            warnings.push(format!("{name}: damaged; the markers in the log are used instead"));
        }
        indexed.extend(entries.iter().map(|txn| ((txn.producer_id, txn.last_offset), *txn)));
    }
    let missing = outcomes
        .aborted
        .iter()
        .filter(|txn| !indexed.contains_key(&(txn.producer_id, txn.last_offset)));
    let count = missing.clone().count();
    if let Some(first) = missing.clone().next() {
        warnings.push(format!(
            "{count} aborted transaction(s) are in no .txnindex, the first with its marker at \
             offset {}; the markers in the log are used instead",
            first.last_offset
        ));
    }
    Ok(indexed)
}

fn carry_over(task: &Task<'_>, surveys: &[Survey], plan: &Plan, policy: &Policy) -> Result<()> {
    let target = Target {
        dir: task.staging.clone(),
        index_interval_bytes: policy.topic.index_interval_bytes,
        modified: SystemTime::now(),
    };
    let carried = surveys.get(plan.cleaned..).unwrap_or_default();
    carried.par_iter().try_for_each(|survey| carry_segment(survey, &target))?;
    let log_end = surveys.last().map_or(plan.end, |survey| survey.next_offset);
    let last_is_empty = surveys.last().is_some_and(|survey| survey.batches == 0);
    if policy.include_active && plan.nothing_because.is_none() && !last_is_empty {
        put_empty_segment(log_end, &target)?;
    }
    carry_companions(task.source, &replaced_bases(surveys, plan), &target)
}

/// The bases whose snapshots go: those of dropped segments, and of all but the first of a group.
fn replaced_bases(surveys: &[Survey], plan: &Plan) -> Vec<Offset> {
    let newest = surveys.last().map(|survey| survey.next_offset);
    let joined = plan.groups.iter().flat_map(|group| group.start + 1..group.end);
    (0..plan.retired)
        .chain(joined)
        .filter_map(|at| surveys.get(at).map(|survey| survey.segment.base))
        .filter(|base| Some(*base) != newest)
        .collect()
}
