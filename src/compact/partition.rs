//! One partition, from its directory to a complete one in staging. The steps:
//!
//! 1. look: walk the headers of all segments;
//! 2. decide: about range and groups; read what is only carried over;
//! 3. settle transactions, load the active producers;
//! 4. vote: read the range, find the latest record of each key;
//! 5. rewrite: one output segment a group, in parallel; and what is erased from, or encoded or cut
//!    anew, outside the range;
//! 6. put the rest beside it, unless it lies where it is to stay;
//! 7. prove that every record read is either kept or counted as removed.
//!
//! Nothing of it changes what stands under a final name; that is left to the `commit`. Damage
//! anywhere means that the partition is left alone, unless it is to be skipped or kept.

use std::ops::Range;
use std::sync::Arc;

use super::account::{counters, dropped_behind, prove};
use super::budget::Budget;
use super::carry_over::{CarryOver, Copying};
use super::commit::Commit;
use super::end_state::{snapshot_at, snapshot_due, snapshots_kept, unreadable_of};
use super::erased_keys::unsearched;
use super::evidence::Evidence;
use super::look::lost_aborts::{self, leave_out};
use super::look::{ActiveProducers, Survey, settle};
use super::looked::Looked;
use super::plan::{Known, Plan};
use super::policy::{NullKeys, OnDamage, Policy};
use super::rewrite::{
    Carried, ChunkSource, CopyAhead, Found, Job, Maker, Reworker, RewriteContext, Tally, Voted,
    Waiting, Written,
};
use super::round::{Collector, Facts, Listeners, Met, Newcomers, Round, WrittenIndex};
use super::small_files::unread_of;
use super::task::{Done, Task};
use super::vote::{Election, Electorate, chunks_of};
use crate::error::Result;
use crate::report::{Counters, Erased, Progress, counted, grouped};
use crate::segment::Place;
use crate::units::Offset;

/// Compacts one partition into its staging directory.
///
/// # Errors
/// The system's, and bugs. Damage and refusals are part of [`Done`].
pub fn compact(task: &Task<'_>, policy: &Policy, progress: &dyn Progress) -> Result<Done> {
    let place = task.place.as_ref().map(Place::syncing_together);
    let task = &Task { place, ..*task };
    let mut done = Done::default();
    let Some(mut looked) = Looked::at(task, policy, &mut done)? else { return Ok(done) };
    let Some(mut plan) = decide(task, &mut looked, policy, &mut done)? else { return Ok(done) };
    if !idle(task, (&looked.surveys, &plan), policy, progress, &mut done)? {
        let is_checked = policy.on_damage != OnDamage::Fail;
        let carried = Carried::of(&looked.surveys, &plan, policy, is_checked, progress)?;
        plan.reworked.clone_from(&carried.reworked);
        let case = Case { task, policy, progress, looked: &looked, plan: &plan };
        done = case.carry_out(&carried, done)?;
    }
    done.plan = Some(plan);
    Ok(done)
}

/// The plan, and what there is to tell of it; none, if the partition is left alone.
fn decide(
    task: &Task<'_>,
    looked: &mut Looked,
    policy: &Policy,
    done: &mut Done,
) -> Result<Option<Plan>> {
    let known = Known {
        log_start: task.log_start,
        first_dirty: task.first_dirty,
        first_undecided: looked.outcomes.first_undecided(),
        bound: task.round.and_then(|round| round.bound),
        clean_bytes: task.round.map_or(0, Round::clean_bytes),
    };
    let plan = Plan::make(&looked.surveys, &known, policy)?;
    if policy.on_damage == OnDamage::Skip && !task.in_place {
        leave_out(&mut looked.surveys, plan.cleaned, &looked.outcomes);
    } else if policy.on_damage == OnDamage::Skip && policy.rewrites.is_any() {
        done.left_alone = lost_aborts::refusal(&looked.surveys, plan.cleaned, &looked.outcomes);
        if done.left_alone.is_some() {
            return Ok(None);
        }
    }
    looked.note_end(policy, done);
    done.last_stable = known.first_undecided.unwrap_or(done.log_end);
    task.round.map_or(Ok(()), |round| round.refuse_short_rebase(&plan))?;
    looked.warn_of_unindexed(&mut done.warnings);
    Ok(Some(plan))
}

/// A partition of which it is decided what becomes of it.
#[derive(Clone, Copy)]
struct Case<'a> {
    task: &'a Task<'a>,
    policy: &'a Policy,
    progress: &'a dyn Progress,
    looked: &'a Looked,
    plan: &'a Plan,
}

/// What the vote came to, and who is to meet the key index.
struct Outcome {
    election: Election,
    newcomers: Option<Newcomers>,
}

/// What a round writes beside the increment.
#[derive(Default)]
struct Beside {
    index: WrittenIndex,
    /// What was counted in what stands in the destination and loses something, and what was
    /// written of it.
    older: Option<(Counters, Vec<Written>)>,
}

/// What was written of segments.
struct Output {
    tally: Tally,
    /// By group: of the plan, then those that are reworked.
    written: Vec<Written>,
    /// What was found in the latter.
    found: Found,
}

impl Case<'_> {
    /// Does what was decided; `carried` is what is known of the segments outside the range.
    fn carry_out(&self, carried: &Carried, done: Done) -> Result<Done> {
        let Case { task, policy, plan, looked, .. } = *self;
        if let Some(place) = task.place.as_ref().filter(|place| place.suffix.is_none()) {
            place.disk.create_dir(&place.dir)?;
        }
        let rest = CarryOver::decide(task, looked, plan, policy)?;
        std::thread::scope(|scope| {
            let is_sound = carried.damage.is_empty();
            let copying = if is_sound { rest.begin(scope) } else { Copying::default() };
            self.clean(carried, (&rest, copying), done)
        })
    }

    /// Cleans the range, and puts the `rest` beside what comes of it.
    fn clean(
        &self,
        carried: &Carried,
        (rest, copying): (&CarryOver<'_>, Copying<'_>),
        mut done: Done,
    ) -> Result<Done> {
        let Case { task, policy, plan, looked, .. } = *self;
        let (range, unretired) = (self.range(), self.unretired());
        let begun = task.round.map_or(&[][..], Round::begun);
        let txns = settle(range, begun, &looked.outcomes, &looked.entries);
        let chunks = chunks_of(range);
        let producers = looked.active_producers(policy);
        let budget = self.budget();
        let evidence = Evidence::new(task.archive, chunks_of(unretired).len());
        let maker = Maker {
            range,
            txns: &txns,
            chunks: &chunks,
            context: RewriteContext { policy, producers: &producers, end: plan.end },
            waiting: Waiting::new(chunks.len(), task.budget.waiting_bytes, task.temp_dir),
        };
        let groups = plan.groups_counted_from(plan.retired, &plan.groups);
        let copies = CopyAhead::of(range, &chunks, &groups, task.place.as_ref(), policy);

        let outcome = self.vote(&maker, &copies, &evidence, &budget)?;
        done.passes = outcome.election.passes;
        done.note_damage(range, &outcome.election.damage);
        done.note_damage(&looked.surveys, &carried.damage);
        if !done.damage.is_empty() {
            return Ok(done.left_alone_for_damage(&Looked::examined(task)?));
        }
        done.list_damage_around(&looked.surveys, plan, policy.on_damage, task.in_place);
        if let (NullKeys::Fail, Some(offset)) = (policy.null_keys, outcome.election.first_null_key)
        {
            done.left_alone =
                Some(format!("the record at offset {offset} has no key, and --null-keys is fail"));
            return Ok(done);
        }

        let Outcome { mut election, newcomers } = outcome;
        let met = task.round.zip(newcomers).map(|(round, newcomers)| {
            let with = (&budget, task.archive);
            round.meet(newcomers, &mut election, policy, with, task.temp_dir)
        });
        let met = met.transpose()?;
        let voted = Voted { maker: &maker, election: &election, copies: Some(&copies) };
        let (output, beside) = self.rewrite(&voted, &groups, met.as_ref(), &budget)?;
        let output = self.rework(output, (&producers, &evidence), &budget)?;
        let Output { tally, written, found } = &output;
        if !found.damage.is_empty() {
            done.damage.clear();
            done.note_damage(unretired, &found.damage);
            return Ok(done.left_alone_for_damage(&Looked::examined(task)?));
        }
        done.warnings.extend(warnings_of(carried.records_not_erased, tally.codecs_kept));
        done.records_not_erased = carried.records_not_erased;

        let as_before = self.put_the_rest(written, (rest, copying), &mut done)?;
        let surveys = looked.surveys.as_slice();
        done.counters = counters(surveys, plan, policy, &election, found, tally, written);
        if policy.on_damage == OnDamage::Skip && !task.in_place {
            done.counters.add(&dropped_behind(surveys, plan, policy, &done.commit));
            done.warnings.extend(dropped_outside(&done.counters));
        }
        prove(&done.counters)?;
        if let Some((round, met)) = task.round.zip(met.as_ref()) {
            let facts = Facts {
                surveys,
                plan,
                policy,
                written: written.get(..plan.groups.len()).unwrap_or_default(),
                rewritten: &[],
                index: &beside.index,
                counters: done.counters,
                log_end: done.log_end,
                as_before: &as_before,
            };
            end_round(task, (round, met), facts, beside.older, &mut done)?;
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
        Ok(done)
    }

    /// The segments of the range.
    fn range(&self) -> &[Survey] {
        self.looked.surveys.get(self.plan.range()).unwrap_or_default()
    }

    /// The segments that retention leaves.
    fn unretired(&self) -> &[Survey] {
        self.looked.surveys.get(self.plan.retired..).unwrap_or_default()
    }

    fn budget(&self) -> Budget {
        let budget = &self.task.budget;
        let budget = self.task.round.map_or_else(|| budget.without_round(), |_| *budget);
        budget.beside(self.range(), self.policy.topic.strategy.entry_bytes())
    }

    /// Holds the vote. Those who make and copy hear of what is decided, if that is final; the
    /// collector of newcomers does, if there is a round.
    fn vote(
        &self,
        maker: &Maker<'_>,
        copies: &CopyAhead<'_>,
        evidence: &Evidence,
        budget: &Budget,
    ) -> Result<Outcome> {
        let Case { task, policy, progress, plan, .. } = *self;
        let Maker { range: surveys, txns, chunks, .. } = *maker;
        let newcomers = task.round.map(|round| round.newcomers(budget, policy, task.temp_dir));
        let collector = task.round.zip(newcomers.as_ref()).map(|(round, newcomers)| {
            let indexed = plan.log_start..Offset(i64::MAX);
            Collector::new((surveys, txns, chunks), policy, indexed, round.seed, newcomers)
        });
        // What the key index says may still be against a record.
        let is_final = task.round.is_none_or(|round| round.earlier.is_none());
        let listener = Listeners {
            maker: is_final.then_some(maker),
            copies: is_final.then_some(copies),
            collector: collector.as_ref(),
        };
        let in_place = task.in_place;
        let electorate =
            Electorate { surveys, txns, plan, policy, in_place, evidence, budget, progress };
        let election = electorate.hold(&listener)?;
        if let Some(collector) = collector.filter(|_| election.damage.is_empty()) {
            collector.rest(&election.chunks)?;
        }
        Ok(Outcome { election, newcomers })
    }

    /// Writes what stays of the range, and meanwhile, if there is room for it, what changes in the
    /// destination: of the key index, and of the segments that lose something.
    fn rewrite(
        &self,
        voted: &Voted<'_>,
        groups: &[Range<usize>],
        met: Option<&Met>,
        budget: &Budget,
    ) -> Result<(Output, Beside)> {
        let Case { task, policy, progress, .. } = *self;
        let place = task.place.as_ref();
        let is_room = task.round.is_some_and(Round::has_memory);
        let older = met.and_then(|met| met.older.as_ref());
        let budget = match older {
            Some(_) if is_room => &budget.of_two_writers(),
            _ => budget,
        };
        let job = self.job(voted, groups, budget);
        let index = || match (task.round, met, place) {
            (Some(round), Some(met), Some(place)) => round.write_index(met, policy, &place.disk),
            _ => Ok(WrittenIndex::default()),
        };
        let context = RewriteContext { end: Offset(i64::MAX), ..voted.maker.context };
        let again = || older.map(|older| older.rewrite(place, context, budget, progress));
        let (rewritten, (index, older)) =
            at_once(is_room, || job.rewrite(place), || at_once(is_room, index, again));
        let (tally, written) = rewritten?;
        let beside = Beside { index: index?, older: older.transpose()? };
        Ok((Output { tally, written, found: Found::default() }, beside))
    }

    /// Writes what stays of segments outside the range that lose something all the same, or are
    /// encoded or cut anew.
    fn rework(
        &self,
        mut output: Output,
        (producers, evidence): (&ActiveProducers, &Evidence),
        budget: &Budget,
    ) -> Result<Output> {
        let Case { task, policy, plan, looked, .. } = *self;
        if plan.reworked.is_empty() {
            return Ok(output);
        }
        let unretired = self.unretired();
        let reworker = Reworker::new(unretired, &looked.entries, policy, producers, evidence);
        let groups = plan.groups_counted_from(plan.retired, &plan.reworked);
        let (tally, written) = self.job(&reworker, &groups, budget).rewrite(task.place.as_ref())?;
        output.tally.add(&tally);
        output.written.extend(written);
        output.found = reworker.found();
        Ok(output)
    }

    fn job<'a>(
        &'a self,
        source: &'a dyn ChunkSource,
        groups: &'a [Range<usize>],
        budget: &'a Budget,
    ) -> Job<'a> {
        let Case { task, policy, progress, .. } = *self;
        Job { source, groups, policy, in_place: task.in_place, budget, progress }
    }

    /// Puts beside what was written what is not compacted, and says what is left to do. Returns
    /// the names of those companions that the destination has as they are.
    fn put_the_rest(
        &self,
        written: &[Written],
        (rest, copying): (&CarryOver<'_>, Copying<'_>),
        done: &mut Done,
    ) -> Result<Vec<String>> {
        let Case { task, plan, looked, .. } = *self;
        let surveys = looked.surveys.as_slice();
        done.commit = Commit::of(surveys, plan, written, rest.new_active);
        done.commit.txn_indexes.clone_from(&rest.txn_indexes);
        done.commit.unread = unread_of(task.source, surveys)?;
        for unread in &mut done.commit.unread {
            let known = || task.round.and_then(|round| round.known_metadata());
            unread.text = unread.text.take().or_else(known);
            done.warnings.push(unread.describe(task.in_place));
        }
        let Some(place) = &task.place else { return Ok(Vec::new()) };
        done.commit.snapshot = snapshot_of(task, looked, plan, &done.commit)?;
        // In place those behind it stay, too.
        let is_folder = place.suffix.is_none();
        let log_end = done.commit.new_active.unwrap_or(done.log_end);
        let last = if is_folder { log_end } else { Offset(i64::MAX) };
        let snapshots = snapshots_kept(task.source, &done.commit, last);
        done.warnings.extend(unreadable_of(task.source, &snapshots)?);
        rest.finish(copying, &snapshots, &done.commit)
    }
}

/// Decides what state a round leaves, which has written anew what of the destination loses
/// something (`rewritten`).
fn end_round(
    task: &Task<'_>,
    (round, met): (&Round<'_>, &Met),
    facts: Facts<'_>,
    rewritten: Option<(Counters, Vec<Written>)>,
    done: &mut Done,
) -> Result<()> {
    if let Some(older) = &met.older {
        done.list_damage(&older.surveys, |_| "kept byte for byte");
    }
    let mut of_older = Vec::new();
    if let Some((counters, written)) = rewritten {
        prove(&counters)?;
        done.counters.add(&counters);
        of_older = written;
    }
    let facts = Facts { rewritten: &of_older, counters: done.counters, ..facts };
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

/// What to say of what was dropped outside the range.
fn dropped_outside(counters: &Counters) -> Option<String> {
    let Counters { records_dropped_outside: records, bytes_dropped_outside: bytes, .. } = *counters;
    (bytes > 0).then(|| {
        format!(
            "{} and {} were dropped with damage behind the range that is cleaned, and are in none \
             of its counters",
            counted(records, "record"),
            counted(bytes, "byte"),
        )
    })
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
