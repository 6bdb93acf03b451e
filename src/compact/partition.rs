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

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rayon::prelude::*;

use super::account::{counters, prove};
use super::budget::Budget;
use super::carry::{carry_segment, companions_of, put_empty_segment};
use super::commit::Commit;
use super::copy_ahead::CopyAhead;
use super::election::{Electorate, chunks_of};
use super::end_state::{snapshot_at, snapshot_due};
use super::erased_keys::unsearched;
use super::evidence::{Archive, Evidence};
use super::group_writer::{Target, Written};
use super::look::Looked;
use super::lost_aborts::{self, leave_out};
use super::plan::{Known, Plan};
use super::policy::{NullKeys, OnDamage, Policy};
use super::producers::ActiveProducers;
use super::rework::{Carried, Reworker};
use super::rewrite::RewriteContext;
use super::rewrite_range::{Job, Maker, Voted};
use super::round::{Collector, Facts, Listeners, Met, Older, Round, WrittenIndex};
use super::survey::Survey;
use super::transactions::{entries_kept, settle};
use super::waiting::Waiting;
use crate::error::Result;
use crate::report::{Counters, Damage, Erased, Progress, RoundReport, grouped};
use crate::rounds::Journal;
use crate::segment::{Kind, PartitionDir, Place};
use crate::units::Offset;

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
    /// Where the destination's log starts, if it may hold records in front of that.
    pub kept_start: Option<Offset>,
    /// The destination's segments, by number, that the round replaces.
    pub rewritten: Vec<usize>,
    /// Of a round: records of the source that lost to a deletion that is gone from both, rising.
    pub outlived: Vec<Offset>,
    /// What is left to do in the destination.
    pub journal: Option<Journal>,
}

impl Done {
    /// A partition that is not compacted, and why.
    pub fn left_alone(reason: String) -> Done {
        Done { left_alone: Some(reason), ..Done::default() }
    }

    /// The same of a run that has built the key index anew before, out of so many bytes of the
    /// destination: if nothing else was to do, that was.
    pub fn though_reindexed(mut self, bytes_read: u64) -> Done {
        let Some(round) = &mut self.round else { return self };
        round.destination_bytes_read += bytes_read;
        if let Some(idle) = &mut self.idle {
            *idle = format!("the key index was built anew in round {}", round.number);
            round.kind = "reindex";
        }
        self
    }
}

/// Compacts one partition into its staging directory.
///
/// # Errors
/// The system's, and bugs. Damage and refusals are part of [`Done`].
pub fn compact(task: &Task<'_>, policy: &Policy, progress: &dyn Progress) -> Result<Done> {
    let place = task.place.as_ref().map(Place::syncing_together);
    let task = &Task { place, ..*task };
    let mut done = Done::default();
    let Some(mut looked) = Looked::at(task, policy, &mut done)? else { return Ok(done) };
    let known = Known {
        log_start: task.log_start,
        first_dirty: task.first_dirty,
        first_undecided: looked.outcomes.first_undecided(),
        bound: task.round.and_then(|round| round.bound),
        clean_bytes: task.round.map_or(0, Round::clean_bytes),
    };
    let mut plan = Plan::make(&looked.surveys, &known, policy)?;
    if policy.on_damage == OnDamage::Skip && !task.in_place {
        leave_out(&mut looked.surveys, plan.cleaned, &looked.outcomes);
    } else if policy.on_damage == OnDamage::Skip && policy.rewrites.is_any() {
        done.left_alone = lost_aborts::refusal(&looked.surveys, plan.cleaned, &looked.outcomes);
        if done.left_alone.is_some() {
            return Ok(done);
        }
    }
    looked.note_end(policy, &mut done);
    let Looked { surveys, outcomes, indexed, .. } = &looked;
    done.last_stable = known.first_undecided.unwrap_or(done.log_end);
    task.round.map_or(Ok(()), |round| round.refuse_short_rebase(&plan))?;
    let range = surveys.get(plan.range()).unwrap_or_default();
    looked.warn_of_unindexed(&mut done.warnings);
    if idle(task, (surveys, &plan), policy, progress, &mut done)? {
        done.plan = Some(plan);
        return Ok(done);
    }
    if let Some(place) = task.place.as_ref().filter(|place| place.suffix.is_none()) {
        place.disk.create_dir(&place.dir)?;
    }

    let begun = task.round.map_or(&[][..], Round::begun);
    let txns = settle(range, begun, outcomes, indexed);
    let unretired = surveys.get(plan.retired..).unwrap_or_default();
    let evidence = Evidence::new(task.archive, chunks_of(unretired).len());
    let expiration_ms = policy.topic.producer_id_expiration_ms;
    let producers = ActiveProducers::after_load(
        &looked.producers,
        surveys,
        &outcomes.open,
        policy.now,
        expiration_ms,
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
    let electorate = Electorate {
        surveys: range,
        txns: &txns,
        plan: &plan,
        policy,
        in_place: task.in_place,
        evidence: &evidence,
        budget,
        progress,
    };
    let newcomers = task.round.map(|round| round.newcomers(budget, policy, task.temp_dir));
    let collector = task.round.zip(newcomers.as_ref()).map(|(round, newcomers)| {
        let indexed = plan.log_start..Offset(i64::MAX);
        Collector::new((range, &txns, &chunks), policy, indexed, round.seed, newcomers)
    });
    let groups = plan.groups_counted_from(plan.retired, &plan.groups);
    // What the key index says may still be against a record.
    let is_final = task.round.is_none_or(|round| round.earlier.is_none());
    let place = task.place.as_ref();
    let copies = CopyAhead::of(range, &chunks, &groups, place, policy);
    let listener = Listeners {
        maker: is_final.then_some(&maker),
        copies: is_final.then_some(&copies),
        collector: collector.as_ref(),
    };
    let mut election = electorate.hold(&listener)?;

    done.passes = election.passes;
    done.note_damage(range, &election.damage);
    let is_checked = policy.on_damage != OnDamage::Fail;
    let carried = Carried::of(surveys, &plan, policy, is_checked, progress)?;
    done.note_damage(surveys, &carried.damage);
    plan.reworked = carried.reworked;
    if !done.damage.is_empty() {
        done.plan = Some(plan);
        return Ok(done.left_alone_for_damage());
    }
    done.list_damage_around(surveys, &plan, policy.on_damage, task.in_place);
    if let (NullKeys::Fail, Some(offset)) = (policy.null_keys, election.first_null_key) {
        done.left_alone =
            Some(format!("the record at offset {offset} has no key, and --null-keys is fail"));
        return Ok(done);
    }

    if let Some(collector) = collector {
        collector.rest(&election.chunks)?;
    }
    let met = task.round.zip(newcomers).map(|(round, newcomers)| {
        round.meet(newcomers, &mut election, policy, (budget, task.archive), task.temp_dir)
    });
    let met = met.transpose()?;
    let voted = Voted { maker: &maker, election: &election, copies: Some(&copies) };
    let in_place = task.in_place;
    let job = Job { source: &voted, groups: &groups, policy, in_place, budget, progress };
    let (rewritten, index) = at_once(
        task.round.is_some_and(Round::has_memory),
        || job.rewrite(task.place.as_ref()),
        || match (task.round, &met, &task.place) {
            (Some(round), Some(met), Some(place)) => round.write_index(met, policy, &place.disk),
            _ => Ok(WrittenIndex::default()),
        },
    );
    let ((mut tally, mut written), index) = (rewritten?, index?);
    let entries = match plan.reworked.as_slice() {
        [] => Vec::new(),
        _ => entries_kept(unretired, outcomes, indexed),
    };
    let reworker = Reworker::new(unretired, entries, policy, &producers, &evidence);
    let groups = plan.groups_counted_from(plan.retired, &plan.reworked);
    let job = Job { source: &reworker, groups: &groups, policy, in_place, budget, progress };
    let (more, reworked) = job.rewrite(task.place.as_ref())?;
    tally.add(&more);
    written.extend(reworked);
    let mut found = reworker.found();
    if !found.damage.is_empty() {
        found.damage.sort_by_key(|(at, damaged)| (*at, damaged.position));
        done.damage.clear();
        done.note_damage(unretired, &found.damage);
        done.plan = Some(plan);
        return Ok(done.left_alone_for_damage());
    }
    done.warnings.extend(warnings_of(carried.records_not_erased, tally.codecs_kept));
    done.records_not_erased = carried.records_not_erased;

    let earlier = task.round.and_then(|round| round.earlier.as_ref());
    let rolled_to = earlier.and_then(|earlier| earlier.rolled_to);
    done.commit = Commit::of(surveys, &plan, &written, policy, in_place, rolled_to);
    if task.place.is_some() {
        done.commit.snapshot = snapshot_of(task, &looked, &plan, &done.commit)?;
    }
    let mut as_before = Vec::new();
    if let Some(place) = task.place.as_ref().filter(|place| place.suffix.is_none()) {
        as_before = carry_over(task, surveys, &plan, &done.commit, place, policy)?;
    }
    done.counters = counters(surveys, &plan, policy, &election, &found, &tally, &written);
    prove(&done.counters)?;

    if let Some((round, met)) = task.round.zip(met.as_ref()) {
        let facts = Facts {
            surveys,
            plan: &plan,
            policy,
            written: written.get(..plan.groups.len()).unwrap_or_default(),
            rewritten: &[],
            index: &index,
            counters: done.counters,
            log_end: done.log_end,
            as_before: &as_before,
        };
        let context = RewriteContext { end: Offset(i64::MAX), ..maker.context };
        let again = |older: &Older| older.rewrite(task, context, budget, progress);
        end_round(task, (round, met), facts, again, &mut done)?;
    }
    task.place.as_ref().map_or(Ok(()), Place::sync)?;
    if policy.rewrites.erased.is_some() {
        done.warnings.extend(unsearched(others_kept(task)));
        let of_older = met.and_then(|met| met.older).map(|older| older.evidence);
        let evidence = match of_older {
            Some(older) => evidence.behind(older),
            None => evidence,
        };
        done.erased = Erased::of(Arc::new(evidence));
    }
    done.plan = Some(plan);
    Ok(done)
}

/// What a round does beside compacting the increment: writes anew what loses something in the
/// destination, and decides what state it leaves.
fn end_round(
    task: &Task<'_>,
    (round, met): (&Round<'_>, &Met),
    facts: Facts<'_>,
    again: impl FnOnce(&Older) -> Result<(Counters, Vec<Written>)>,
    done: &mut Done,
) -> Result<()> {
    let mut rewritten = Vec::new();
    if let Some(older) = &met.older {
        done.list_damage(&older.surveys, |_| "kept byte for byte");
        let (counters, written) = again(older)?;
        prove(&counters)?;
        done.counters.add(&counters);
        rewritten = written;
    }
    let facts = Facts { rewritten: &rewritten, counters: done.counters, ..facts };
    let place = task.place.as_ref();
    let journal = place.map(|place| round.conclude(met, &facts, place)).transpose()?;
    done.journal = journal.flatten();
    done.round = Some(round.report(met, &facts));
    done.kept_start = Some(round.unindexed_below(met, &facts)).filter(|start| *start > Offset(0));
    done.rewritten.clone_from(&met.due.rewritten);
    done.outlived.clone_from(&met.outlived);
    Ok(())
}

/// Whether a round has nothing to do, and if so what there is to tell.
fn idle(
    task: &Task<'_>,
    (surveys, plan): (&[Survey], &Plan),
    policy: &Policy,
    progress: &dyn Progress,
    done: &mut Done,
) -> Result<bool> {
    let Some(round) = task.round else { return Ok(false) };
    let Some(idle) = round.idle(surveys, plan, policy)? else { return Ok(false) };
    if policy.rewrites.erased.is_some() {
        // Behind the watermark there is no index to ask. What else rewrites it waits for more.
        let rewrites = policy.rewrites.only_erasing();
        let policy = &Policy { rewrites, ..policy.clone() };
        let carried = Carried::of(surveys, plan, policy, true, progress)?;
        if !(carried.reworked.is_empty() && carried.damage.is_empty()) {
            return Ok(false);
        }
        done.warnings.extend(warnings_of(carried.records_not_erased, 0));
        done.warnings.extend(unsearched(others_kept(task)));
        done.records_not_erased = carried.records_not_erased;
    }
    done.list_damage(surveys, |_| "met by an earlier round, and not again");
    done.round = round.idle_report();
    done.kept_start = round.kept_start();
    done.idle = Some(idle);
    Ok(true)
}

/// The files that are no segment's and that the result holds as they are. A later round takes over
/// none of the source's.
fn others_kept<'a>(task: &'a Task<'_>) -> &'a [String] {
    let earlier = task.round.and_then(|round| round.earlier.as_ref());
    &earlier.map_or(task.source, |earlier| &earlier.compacted).others
}

/// Does both, at the same time if there `is_room` for what they hold.
fn at_once<A: Send, B: Send>(
    is_room: bool,
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    if is_room { rayon::join(one, other) } else { (one(), other()) }
}

/// The producer snapshot that has to be written: at the log end, or at a border that the source
/// does not have.
fn snapshot_of(
    task: &Task<'_>,
    looked: &Looked,
    plan: &Plan,
    commit: &Commit,
) -> Result<Option<(Offset, Vec<u8>)>> {
    let (source, surveys) = (task.source, &looked.surveys);
    let before = |end| task.round.map_or_else(Default::default, |round| round.producers(end));
    let known = (task.log_start, before);
    let due = snapshot_due(source, surveys, known, &looked.outcomes.open, commit)?;
    let is_new_border = surveys.get(plan.cleaned).is_some_and(|s| s.segment.part.is_some());
    match (due, task.round) {
        (None, Some(round)) if is_new_border => {
            let before = round.producers(plan.end);
            let at_border = snapshot_at(plan.end, source, surveys, before)?;
            Ok(at_border.map(|bytes| (plan.end, bytes)))
        }
        (due, _) => Ok(due),
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

/// Copies what is not compacted, but for the companions that a round's destination has as they are,
/// whose names it gives.
fn carry_over(
    task: &Task<'_>,
    surveys: &[Survey],
    plan: &Plan,
    commit: &Commit,
    place: &Place,
    policy: &Policy,
) -> Result<Vec<String>> {
    let target = Target {
        place: Some(place.clone()),
        index_interval_bytes: policy.topic.index_interval_bytes,
        modified: SystemTime::now(),
        limits: None,
        now: policy.now,
    };
    let keep_damage = policy.on_damage == OnDamage::Keep;
    // Behind it the log has rolled, and of it nothing is left.
    let is_given_up = |survey: &Survey| {
        !keep_damage && survey.batches == 0 && commit.new_active > Some(survey.segment.base)
    };
    (plan.cleaned..surveys.len())
        .into_par_iter()
        .filter(|at| !plan.is_reworked(*at))
        .filter_map(|at| surveys.get(at))
        .filter(|survey| !is_given_up(survey))
        .try_for_each(|survey| carry_segment(survey, keep_damage, &target))?;
    commit.new_active.map_or(Ok(()), |base| put_empty_segment(base, place))?;
    let written = commit.snapshot.iter().map(|(offset, _)| offset);
    let gone = commit.replacements.iter().flat_map(|replacement| &replacement.snapshots);
    let replaced: Vec<Offset> = gone.chain(written).copied().collect();
    let stands = |name: &String| task.round.is_some_and(|round| round.stands(name));
    let companions = companions_of(task.source, &replaced).into_iter();
    let (as_before, companions): (Vec<String>, Vec<String>) = companions.partition(stands);
    companions.iter().try_for_each(|name| place.copy(&task.source.file(name), name))?;
    let snapshot = commit.snapshot.as_ref();
    snapshot.map_or(Ok(()), |(at, bytes)| place.put(*at, Kind::Snapshot, bytes, None))?;
    Ok(as_before)
}
