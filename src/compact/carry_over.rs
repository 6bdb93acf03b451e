//! What is not compacted, put beside what is: the segments outside the range, and the partition's
//! other files.
//!
//! What becomes of those segments does not depend on the vote. So they are copied while that goes
//! on, and while its outcome is written: the disk is at work while the processors are.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::SystemTime;

use rayon::prelude::*;

use super::commit::{Commit, gives_up};
use super::look::Survey;
use super::looked::Looked;
use super::plan::Plan;
use super::policy::{OnDamage, Policy};
use super::rewrite::{Target, carried_txn_index, carry_segment, companions_of, put_empty_segment};
use super::round::Round;
use super::task::Task;
use crate::error::{Error, Result};
use crate::segment::{Kind, Place};
use crate::units::Offset;

/// Less is copied before a thread has begun with it.
const LEAST_BYTES: u64 = 4 << 20;

/// What is to be carried over of a partition.
pub struct CarryOver<'a> {
    task: &'a Task<'a>,
    surveys: &'a [Survey],
    plan: &'a Plan,
    policy: &'a Policy,
    /// The base of the empty segment that a roll leaves behind.
    pub new_active: Option<Offset>,
    /// What the `.txnindex` of a segment that is not compacted is to hold where it holds something
    /// else, by the segment's base.
    pub txn_indexes: Vec<(Offset, Vec<u8>)>,
    /// Which of the segments is copied next, and whether none is any more.
    next: AtomicUsize,
    is_over: AtomicBool,
}

/// The segments on their way, or not begun yet. Where this is dropped, the partition is left alone,
/// and no further one is begun.
#[derive(Default)]
pub struct Copying<'scope>(Option<(ScopedJoinHandle<'scope, Result<()>>, &'scope AtomicBool)>);

impl Drop for Copying<'_> {
    fn drop(&mut self) {
        if let Some((_, is_over)) = &self.0 {
            is_over.store(true, Ordering::Relaxed);
        }
    }
}

impl<'a> CarryOver<'a> {
    /// Decides it.
    ///
    /// # Errors
    /// The system's.
    pub fn decide(
        task: &'a Task<'a>,
        looked: &'a Looked,
        plan: &'a Plan,
        policy: &'a Policy,
    ) -> Result<CarryOver<'a>> {
        let surveys = looked.surveys.as_slice();
        let earlier = task.round.and_then(|round| round.earlier.as_ref());
        let rolled_to = earlier.and_then(|earlier| earlier.rolled_to);
        let new_active = Commit::new_active(surveys, plan, policy, task.in_place, rolled_to);
        // In place nothing of such a segment goes.
        let keep_damage = task.in_place || policy.on_damage == OnDamage::Keep;
        let mut txn_indexes = Vec::new();
        for (at, survey) in (plan.cleaned..).zip(surveys.get(plan.cleaned..).unwrap_or_default()) {
            if !plan.is_reworked(at) {
                let bytes = carried_txn_index(survey, &looked.entries, keep_damage)?;
                txn_indexes.extend(bytes.map(|bytes| (survey.segment.base, bytes)));
            }
        }
        let (next, is_over) = Default::default();
        Ok(CarryOver { task, surveys, plan, policy, new_active, txn_indexes, next, is_over })
    }

    /// Begins to copy the segments, if there is something to do meanwhile, and room for both.
    pub fn begin<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> Copying<'scope> {
        let is_room = self.task.round.is_none_or(Round::has_memory);
        let bytes: u64 = self.segments().map(|survey| survey.segment.size_bytes).sum();
        let is_worth_it = bytes >= LEAST_BYTES && !self.plan.range().is_empty();
        if self.place().is_none() || !is_room || !is_worth_it {
            return Copying::default();
        }
        // Without a thread it is done when it is asked for.
        let thread = Builder::new().name("carry".to_owned()).spawn_scoped(scope, || self.copy());
        Copying(thread.ok().map(|thread| (thread, &self.is_over)))
    }

    /// Where segments are carried over to; in place they lie there.
    fn place(&self) -> Option<&Place> {
        self.task.place.as_ref().filter(|place| place.suffix.is_none())
    }

    /// Those that are carried over as they are.
    fn segments(&self) -> impl Iterator<Item = &Survey> {
        let keep_damage = self.policy.on_damage == OnDamage::Keep;
        let is_given_up = move |survey: &&Survey| !keep_damage && gives_up(self.new_active, survey);
        let behind =
            (self.plan.cleaned..self.surveys.len()).filter(|at| !self.plan.is_reworked(*at));
        behind.filter_map(|at| self.surveys.get(at)).filter(move |survey| !is_given_up(survey))
    }

    /// Copies what is left, together with whoever else does.
    fn copy(&self) -> Result<()> {
        let next = || self.segments().nth(self.next.fetch_add(1, Ordering::Relaxed));
        while let Some(survey) = next().filter(|_| !self.is_over.load(Ordering::Relaxed)) {
            self.copy_segment(survey)?;
        }
        Ok(())
    }

    fn copy_segment(&self, survey: &Survey) -> Result<()> {
        let target = Target {
            place: self.place().cloned(),
            index_interval_bytes: self.policy.topic.index_interval_bytes,
            modified: SystemTime::now(),
            limits: None,
            now: self.policy.now,
        };
        let is_its = |(base, _): &&(Offset, Vec<u8>)| *base == survey.segment.base;
        let txn_index = self.txn_indexes.iter().find(is_its);
        let txn_index = txn_index.map(|(_, bytes)| bytes.as_slice());
        carry_segment(survey, txn_index, self.policy.on_damage == OnDamage::Keep, &target)
    }

    /// Copies what is left of the segments, on all threads. Then come the files beside them, the
    /// producer `snapshots` among them, and what the `commit` has, but for companions that a
    /// round's destination has as they are, whose names it gives.
    ///
    /// # Errors
    /// The system's.
    pub fn finish(
        &self,
        mut copying: Copying<'_>,
        snapshots: &[Offset],
        commit: &Commit,
    ) -> Result<Vec<String>> {
        let Some(place) = self.place() else { return Ok(Vec::new()) };
        let threads = rayon::current_num_threads();
        (0..threads).into_par_iter().with_max_len(1).try_for_each(|_| self.copy())?;
        if let Some((thread, _)) = copying.0.take() {
            let failed = |_| Err(Error::bug("the thread that carries segments over failed"));
            thread.join().unwrap_or_else(failed)?;
        }
        let task = self.task;
        commit.new_active.map_or(Ok(()), |base| put_empty_segment(base, place))?;
        let stands = |name: &String| task.round.is_some_and(|round| round.stands(name));
        let is_read = |name: &String| commit.unread.iter().all(|unread| unread.name != name);
        let companions = companions_of(task.source, snapshots).into_iter().filter(is_read);
        let (as_before, companions): (Vec<String>, Vec<String>) = companions.partition(stands);
        companions.iter().try_for_each(|name| place.copy(&task.source.file(name), name))?;
        let unread = commit.unread.iter().filter_map(|it| Some((it.name, it.text.as_ref()?)));
        for (name, text) in unread {
            place.put_beside(&place.dir.join(name), text.as_bytes(), None)?;
        }
        let snapshot = commit.snapshot.as_ref();
        snapshot.map_or(Ok(()), |(at, bytes)| place.put(*at, Kind::Snapshot, bytes, None))?;
        Ok(as_before)
    }
}
