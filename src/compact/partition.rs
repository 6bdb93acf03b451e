//! One partition, from its directory to a complete one in staging. The steps:
//!
//! 1. survey: walk the headers of all segments;
//! 2. plan: decide about range and groups;
//! 3. settle transactions, load the active producers;
//! 4. vote: read the range, find the latest record of each key; check what is only carried over;
//! 5. rewrite: one output segment a group, in parallel; and what is erased from, or encoded or cut
//!    anew, outside the range;
//! 6. carry over the rest, unless it lies where it is to stay;
//! 7. prove that every record read is either kept or counted as removed.
//!
//! Nothing of it changes what stands under a final name; that is left to the `commit`. Damage
//! anywhere means that the partition is left alone, unless it is to be skipped or kept.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rayon::prelude::*;

use super::account::{counters, prove};
use super::budget::Budget;
use super::carry::{carry_companions, carry_segment, put_empty_segment};
use super::commit::Commit;
use super::election::{Electorate, chunks_of};
use super::end_state::{snapshot_at, snapshot_due};
use super::erased_keys::unsearched;
use super::evidence::{Archive, Evidence};
use super::group_writer::Target;
use super::plan::{Known, Plan};
use super::policy::{NullKeys, OnDamage, Policy};
use super::producers::ActiveProducers;
use super::rework::{Carried, Found, Reworker};
use super::rewrite::RewriteContext;
use super::rewrite_range::{Job, Maker, Voted};
use super::round::{Collector, Conclusion, Facts, Listeners, Round};
use super::survey::{Survey, Walking};
use super::transactions::{entries_kept, settle};
use super::waiting::Waiting;
use crate::error::Result;
use crate::report::{Counters, Damage, Erased, Progress, RoundReport, grouped};
use crate::segment::{
    AbortedTxn, Damaged, Kind, Oddity, Outcomes, PartitionDir, Place, ProducerEntry, Segment,
    TxnsOfSegment, parse_snapshot, parse_txn_index, stand_in_for_lost_commits,
    stand_in_for_lost_markers,
};
use crate::units::Offset;

/// What is done about damage if nothing else is said.
const LEFT_ALONE: &str = "partition left alone";

/// Damaged stretches that a report lists one by one.
const MOST_DAMAGE_LISTED: usize = 1000;

/// What is known of a partition beforehand.
pub struct Task<'a> {
    /// Its directory.
    pub source: &'a PartitionDir,
    /// Whether the output is to lie where the source lies; in a dry run it would.
    pub in_place: bool,
    /// From the log directory's checkpoints.
    pub log_start: Option<Offset>,
    /// Likewise.
    pub first_dirty: Option<Offset>,
    /// Where to write; `None` in a dry run.
    pub place: Option<Place>,
    /// Where temporary files go; without it there are none.
    pub temp_dir: Option<&'a Path>,
    /// The memory that it may use.
    pub budget: Budget,
    /// The round that this is, if there are to be others.
    pub round: Option<&'a Round<'a>>,
    /// Where the evidence of what is erased waits for the report.
    pub archive: &'a Arc<Archive>,
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
    /// What was erased.
    pub erased: Erased,
    /// Records of keys that were to be erased in segments that stay as they are.
    pub records_not_erased: u64,
    /// Damage, and what was done about it.
    pub damage: Vec<Damage>,
    /// Why the partition is left alone.
    pub left_alone: Option<String>,
    /// What else the operator should know.
    pub warnings: Vec<String>,
    /// What is left to do in place.
    pub commit: Commit,
    /// Why there is nothing to do, if the destination is as it should be.
    pub idle: Option<String>,
    /// What there is to know of the round.
    pub round: Option<RoundReport>,
    /// The destination's segments, by number, that the round replaces.
    pub rewritten: Vec<usize>,
    /// Of a round: records of the source that lost to a deletion that is gone from both, rising.
    pub outlived: Vec<Offset>,
    /// What is left to do in the destination.
    pub conclusion: Option<Conclusion>,
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
    for odd in &source.oddities {
        let Oddity { name, what } = odd;
        if odd.is_in_the_way() {
            done.left_alone = Some(format!("{name} is {what}, not a file; it is not followed"));
            return Ok(done);
        }
        done.warnings.push(format!("{name} is {what}; it is neither followed nor copied"));
    }
    let snapshot = newest_snapshot(task, &mut done.warnings)?;
    let walking = Walking {
        replay_from: snapshot.offset,
        chunk_bytes: task.budget.chunk_bytes,
        around_damage: policy.on_damage != OnDamage::Fail,
        least_end: source.snapshots.last().copied().unwrap_or_default(),
    };
    let mut surveys = survey(source, &walking)?;
    note_survey(&surveys, &mut done);
    let indexed = indexed_txns(source, &mut done.warnings)?;
    let claimed = surveys.last().and_then(|survey| survey.claimed_end);
    if let Some(claimed) = claimed.filter(|end| *end > done.log_end && !policy.include_active) {
        done.warnings.push(format!(
            "the log ends at {} now; damage behind it claims offsets up to {claimed}, which a \
             broker would give again",
            done.log_end
        ));
    }
    let is_damaged = surveys.iter().any(|survey| !survey.damage.is_empty());
    if is_damaged && policy.on_damage == OnDamage::Fail {
        list_damage(&surveys, &mut done, |_| LEFT_ALONE);
        return Ok(left_alone_for_damage(done));
    }
    let mut txns: Vec<TxnsOfSegment<'_>> = surveys.iter_mut().map(Survey::txns).collect();
    if is_damaged {
        done.warnings.extend(stand_in_for_lost_markers(&mut txns, &indexed));
    } else {
        stand_in_for_lost_commits(&mut txns, &indexed);
    }

    let outcomes = Outcomes::of(surveys.iter().flat_map(|survey| &survey.txn_batches));
    let known = Known {
        log_start: task.log_start,
        first_dirty: task.first_dirty,
        first_undecided: outcomes.first_undecided(),
        bound: task.round.and_then(|round| round.bound),
        clean_bytes: task.round.map_or(0, Round::clean_bytes),
    };
    done.last_stable = known.first_undecided.unwrap_or(done.log_end);
    let mut plan = Plan::make(&surveys, &known, policy)?;
    let range = surveys.get(plan.range()).unwrap_or_default();
    warn_of_unindexed(&outcomes, &indexed, &mut done.warnings);
    if let Some(idle) = task.round.and_then(|round| round.idle(&surveys, &plan, policy)) {
        done.round = task.round.and_then(Round::idle_report);
        done.idle = Some(idle);
        done.plan = Some(plan);
        return Ok(done);
    }
    if let Some(place) = task.place.as_ref().filter(|place| place.suffix.is_none()) {
        place.disk.create_dir(&place.dir)?;
    }
    let begun = task.round.map_or(&[][..], Round::begun);
    let txns = settle(range, begun, &outcomes, &indexed);
    let unretired = surveys.get(plan.retired..).unwrap_or_default();
    let evidence = Evidence::new(task.archive, chunks_of(unretired).len());
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
    let budget = task.round.map_or_else(|| task.budget.without_round(), |_| task.budget);
    let budget = &budget.beside(range, policy.topic.strategy.entry_bytes());
    let in_place = task.in_place;
    let electorate = Electorate {
        surveys: range,
        txns: &txns,
        plan: &plan,
        policy,
        in_place,
        evidence: &evidence,
        budget,
        progress,
    };
    let newcomers = task.round.map(|round| round.newcomers(budget, task.temp_dir));
    let collector = task.round.zip(newcomers.as_ref()).map(|(round, newcomers)| {
        Collector::new((range, &txns, &chunks), policy, plan.log_start, round.seed, newcomers)
    });
    // What the key index says may still be against a record.
    let is_final = task.round.is_none_or(|round| round.earlier.is_none());
    let listener = Listeners { maker: is_final.then_some(&maker), collector: collector.as_ref() };
    let mut election = electorate.hold(&listener)?;
    done.passes = election.passes;
    let in_range = |(at, damaged): &(usize, Damaged)| {
        range.get(*at).map(|survey| entry(survey, damaged, LEFT_ALONE))
    };
    done.damage.extend(election.damage.iter().filter_map(in_range));
    let carried = Carried::of(&surveys, &plan, policy, walking.around_damage, progress);
    let in_log = |(at, damaged): &(usize, Damaged)| {
        surveys.get(*at).map(|survey| entry(survey, damaged, LEFT_ALONE))
    };
    done.damage.extend(carried.damage.iter().filter_map(in_log));
    plan.reworked = carried.reworked;
    if !done.damage.is_empty() {
        done.plan = Some(plan);
        return Ok(left_alone_for_damage(done));
    }
    list_damage(&surveys, &mut done, |at| match policy.on_damage {
        OnDamage::Fail => LEFT_ALONE,
        _ if at < plan.retired => "gone with its segment",
        _ if at >= plan.cleaned && task.in_place && !plan.is_reworked(at) => {
            "left where it is, outside the cleaned range"
        }
        OnDamage::Skip => "dropped",
        OnDamage::Keep => "kept byte for byte",
    });
    if let (NullKeys::Fail, Some(offset)) = (policy.null_keys, election.first_null_key) {
        done.left_alone =
            Some(format!("the record at offset {offset} has no key, and --null-keys is fail"));
        return Ok(done);
    }

    if let Some(collector) = collector {
        collector.rest(&election.chunks)?;
    }
    let met = task.round.zip(newcomers);
    let met = met.map(|(round, newcomers)| {
        round.meet(newcomers, &mut election, policy, (budget, task.archive))
    });
    let met = met.transpose()?;
    let voted = Voted { maker: &maker, election: &election };
    let groups = plan.groups_counted_from(plan.retired, &plan.groups);
    let job = Job { source: &voted, groups: &groups, policy, budget, progress };
    let (mut tally, mut written) = job.rewrite(task.place.as_ref())?;
    let mut found = Found::default();
    if !plan.reworked.is_empty() {
        let entries = entries_kept(unretired, &outcomes, &indexed);
        let reworker = Reworker::new(unretired, entries, policy, &producers, &evidence);
        let groups = plan.groups_counted_from(plan.retired, &plan.reworked);
        let job = Job { source: &reworker, groups: &groups, policy, budget, progress };
        let (more, rewritten) = job.rewrite(task.place.as_ref())?;
        tally.add(&more);
        written.extend(rewritten);
        found = reworker.found();
    }
    found.damage.sort_by_key(|(at, damaged)| (*at, damaged.position));
    let in_rework = |(at, damaged): &(usize, Damaged)| {
        unretired.get(*at).map(|survey| entry(survey, damaged, LEFT_ALONE))
    };
    let found_damage: Vec<Damage> = found.damage.iter().filter_map(in_rework).collect();
    if !found_damage.is_empty() {
        done.damage = found_damage;
        done.plan = Some(plan);
        return Ok(left_alone_for_damage(done));
    }
    done.warnings.extend(warnings_of(carried.records_not_erased, tally.codecs_kept));
    done.records_not_erased = carried.records_not_erased;
    done.commit = Commit::of(&surveys, &plan, &written, policy);
    if task.place.is_some() {
        let open = &outcomes.open;
        let before = task.round.map_or_else(Default::default, Round::producers);
        let known = (task.log_start, before);
        done.commit.snapshot = snapshot_due(source, &surveys, known, open, &done.commit)?;
        let is_new_border = surveys.get(plan.cleaned).is_some_and(|s| s.segment.part.is_some());
        if let (None, Some(round), true) = (&done.commit.snapshot, task.round, is_new_border) {
            let at_border = snapshot_at(plan.end, source, &surveys, round.producers())?;
            done.commit.snapshot = at_border.map(|bytes| (plan.end, bytes));
        }
    }
    if let Some(place) = task.place.as_ref().filter(|place| place.suffix.is_none()) {
        carry_over(task.source, &surveys, &plan, &done.commit, place, policy)?;
        place.disk.sync_dir(&place.dir)?;
    }
    done.counters = counters(&surveys, &plan, policy, &election, &found, &tally, &written);
    prove(&done.counters)?;
    let mut evidence_of_older = None;
    if let Some((round, met)) = task.round.zip(met) {
        let older = met.older.as_ref();
        let context = RewriteContext { end: Offset(i64::MAX), ..maker.context };
        let again = older.map(|older| older.rewrite(task, context, budget, progress));
        let (more, rewritten) = again.transpose()?.unwrap_or_default();
        prove(&more)?;
        done.counters.add(&more);
        let facts = Facts {
            surveys: &surveys,
            plan: &plan,
            policy,
            written: written.get(..plan.groups.len()).unwrap_or_default(),
            rewritten: &rewritten,
            counters: &done.counters,
            log_end: done.log_end,
        };
        done.round = Some(round.report(&met, &facts));
        done.rewritten.clone_from(&met.due.rewritten);
        done.outlived.clone_from(&met.outlived);
        if let Some(place) = &task.place {
            done.conclusion = Some(round.conclude(&met, &facts, place)?);
        }
        evidence_of_older = met.older.map(|older| older.evidence);
    }
    if policy.rewrites.erased.is_some() {
        done.warnings.extend(unsearched(&source.others));
        done.erased = Erased::of(match evidence_of_older {
            Some(older) => Arc::new(evidence.behind(older)),
            None => Arc::new(evidence),
        });
    }
    done.plan = Some(plan);
    Ok(done)
}

/// Lists the damage of the surveys; `action` tells by number of the segment what is done about it.
fn list_damage(surveys: &[Survey], done: &mut Done, action: impl Fn(usize) -> &'static str) {
    for (at, survey) in surveys.iter().enumerate() {
        let entries = survey.damage.iter().map(|damaged| entry(survey, damaged, action(at)));
        done.damage.extend(entries);
    }
    bound_damage(done);
}

fn bound_damage(done: &mut Done) {
    let stretches = done.damage.len();
    if stretches > MOST_DAMAGE_LISTED {
        done.damage.truncate(MOST_DAMAGE_LISTED);
        let text = format!("of {stretches} damaged stretches {MOST_DAMAGE_LISTED} are listed");
        done.warnings.push(text);
    }
}

fn left_alone_for_damage(mut done: Done) -> Done {
    let stretches = done.damage.len();
    bound_damage(&mut done);
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
fn newest_snapshot(task: &Task<'_>, warnings: &mut Vec<String>) -> Result<Snapshot> {
    let source = task.source;
    for offset in source.snapshots.iter().rev() {
        let name = crate::segment::FileName::new(*offset, Kind::Snapshot).to_string();
        let map = source.disk.map(&source.file(&name))?;
        match parse_snapshot(&map) {
            Ok(producers) => {
                return Ok(Snapshot { offset: *offset, producers });
            }
            Err(error) => warnings.push(format!("{name}: {error}; the one before it is used")),
        }
    }
    let (offset, producers) = task.round.map_or_else(Default::default, Round::producers);
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

fn warnings_of(records_not_erased: u64, codecs_kept: u64) -> Vec<String> {
    let mut warnings = Vec::new();
    if records_not_erased > 0 {
        warnings.push(format!(
            "{} left of keys that were to be erased, in the active segment, which is not touched; \
             --include-active erases there too",
            match records_not_erased {
                1 => "1 record is".to_owned(),
                count => format!("{} records are", grouped(count)),
            }
        ));
    }
    if codecs_kept > 0 {
        warnings.push(format!(
            "{} of the messages and message sets of magic 0 and 1 keep their codec, for that \
             format cannot have them otherwise; --message-format 2 encodes all of them",
            grouped(codecs_kept),
        ));
    }
    warnings
}

fn entry(survey: &Survey, damaged: &Damaged, action: &'static str) -> Damage {
    Damage {
        segment: segment_name(survey),
        position: damaged.position,
        size: damaged.size_bytes,
        reason: damaged.flaw.to_string(),
        action,
    }
}

fn segment_name(survey: &Survey) -> String {
    crate::segment::FileName::new(survey.segment.named(), Kind::Log).to_string()
}

/// The entries of all `.txnindex` files, by producer and marker.
fn indexed_txns(
    source: &PartitionDir,
    warnings: &mut Vec<String>,
) -> Result<HashMap<(i64, Offset), AbortedTxn>> {
    let mut indexed = HashMap::new();
    for segment in &source.segments {
        let Some(map) = segment.read(Kind::TxnIndex)? else {
            continue;
        };
        let (entries, whole) = parse_txn_index(&map);
        if !whole {
            let name = crate::segment::FileName::new(segment.named(), Kind::TxnIndex);
            warnings.push(format!("{name}: damaged; the markers in the log are used instead"));
        }
        indexed.extend(entries.iter().map(|txn| ((txn.producer_id, txn.last_offset), *txn)));
    }
    Ok(indexed)
}

/// Says where the `.txnindex` files and the markers disagree; the markers are believed.
fn warn_of_unindexed(
    outcomes: &Outcomes,
    indexed: &HashMap<(i64, Offset), AbortedTxn>,
    warnings: &mut Vec<String>,
) {
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
}

fn carry_over(
    source: &PartitionDir,
    surveys: &[Survey],
    plan: &Plan,
    commit: &Commit,
    place: &Place,
    policy: &Policy,
) -> Result<()> {
    let target = Target {
        place: Some(place.clone()),
        index_interval_bytes: policy.topic.index_interval_bytes,
        modified: SystemTime::now(),
        limits: None,
        now: policy.now,
    };
    let keep_damage = policy.on_damage == OnDamage::Keep;
    (plan.cleaned..surveys.len())
        .into_par_iter()
        .filter(|at| !plan.is_reworked(*at))
        .filter_map(|at| surveys.get(at))
        .try_for_each(|survey| carry_segment(survey, keep_damage, &target))?;
    commit.new_active.map_or(Ok(()), |base| put_empty_segment(base, place))?;
    let written = commit.snapshot.iter().map(|(offset, _)| offset);
    let gone = commit.replacements.iter().flat_map(|replacement| &replacement.snapshots);
    let replaced: Vec<Offset> = gone.chain(written).copied().collect();
    carry_companions(source, &replaced, &target)?;
    commit
        .snapshot
        .as_ref()
        .map_or(Ok(()), |(offset, bytes)| place.put(*offset, Kind::Snapshot, bytes, None))
}
