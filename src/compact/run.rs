//! The one place where a run is put in order: sources, partitions, final names, report.
//!
//! Each partition is written where nothing has a final name: in a staging folder inside the output
//! folder, or in place under `.cleaned` names. It is committed when it is complete and synced.
//! Whatever fails before that, goes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::budget::Budget;
use super::destination::{Destination, Output};
use super::evidence::Archive;
use super::partition::compact;
use super::policy::{CleanupPolicy, OnDamage, Policy, TopicConfig};
use super::rewrites::Rewrites;
use super::round::{RoundOptions, can_be_indexed};
use super::task::{Done, Task};
use super::witness::{Claim, Witness, after_commit};
use crate::disk::{Disk, Turns};
use crate::error::{Error, ErrorKind, Result};
use crate::report::{
    Counters, MemoryWatch, PartitionOutcome, PartitionReport, Progress, RoundReport, RunOutcome,
    RunReport,
};
use crate::rounds::{Journal, StateDir};
use crate::segment::{
    CLEANER_CHECKPOINT, FileName, LOG_START_CHECKPOINT, LogDir, PartitionDir, Place, Sources,
    TopicPartition, partition_name,
};
use crate::swap::{PartitionClaim, recover, view};
use crate::units::Offset;

/// Up to this, a partition is never worth that all threads wait for each other at it.
const LARGE_PARTITION_BYTES: u64 = 4 << 20;

/// A validated request to compact.
#[derive(Clone, Debug)]
pub struct CompactOptions {
    /// The rules.
    pub policy: Policy,
    /// Where the output goes; in a dry run it is only named.
    pub output: Output,
    /// The disk that all of this is on.
    pub disk: Disk,
    /// Decide everything, write nothing.
    pub dry_run: bool,
    /// What `--memory` allows.
    pub memory_limit_bytes: u64,
    /// Who is asked before the result of a partition gets its final names.
    pub witness: Option<Arc<dyn Witness>>,
    /// Where temporary files go; inside the output folder if nothing is said.
    pub temp_dir: Option<PathBuf>,
    /// What is asked of rounds.
    pub rounds: RoundOptions,
}

/// Compacts the partitions of `sources` into the output folder.
///
/// # Errors
/// What ends the whole run: an output folder that cannot be used, two sources with one name, a
/// directory that somebody else works on, a write that fails. Trouble with a single partition is in
/// its report. In place a write that fails is too: what was done to the others stays done, and must
/// be told.
pub fn run(
    sources: &Sources,
    options: &CompactOptions,
    progress: &dyn Progress,
) -> Result<RunReport> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let clock = Instant::now();
    let _watch = MemoryWatch::begin();
    let threads = rayon::current_num_threads();
    let turns = Turns::new(threads);
    let options = &CompactOptions { disk: options.disk.in_turn(&turns), ..options.clone() };
    let base = options.rounds.rebase.iter().map(|rebase| &rebase.from);
    options.output.refuse_sources_within(sources.partitions.iter().chain(base))?;
    let partitions = open_all(sources, options)?;
    let destination = if options.dry_run {
        Destination::Nowhere
    } else {
        Destination::open(&options.output, &options.disk, sources)?
    };
    let total_bytes: u64 = partitions.iter().map(|p| p.size_bytes).sum();
    // Once for the vote, once for the rewrite.
    progress.begin("compacting in two passes", 2 * total_bytes);
    // For the whole run: it stays until the report is written.
    let first = sources.partitions.first().map_or(Path::new("."), PathBuf::as_path);
    let temp_dir = options.temp_dir.as_deref().or_else(|| destination.temp_dir_of_run(first));
    let memory_bytes = usize::try_from(options.memory_limit_bytes / 64).unwrap_or(usize::MAX);
    let archive = Archive::new(memory_bytes, temp_dir.unwrap_or(&std::env::temp_dir()));
    let mut run = Run {
        options,
        archive: Arc::new(archive),
        sources,
        destination: &destination,
        progress,
        threads,
        turns: &turns,
        small: 0,
        total_bytes,
        failure: Mutex::new(None),
    };
    run.small = partitions.iter().filter(|opened| !run.is_large(opened)).count();
    let reports = run.all(&partitions);
    progress.finish();
    let reports = reports?;
    let failure = run.failure.into_inner().unwrap_or_default();
    let erased = options.policy.rewrites.erased.as_ref();
    let not_searched_for_keys = match erased {
        Some(_) => destination.others(&reports)?,
        None => Vec::new(),
    };
    let changed_beside = destination.close(sources, &reports)?;

    let mut totals = Counters::default();
    reports.iter().for_each(|report| totals.add(&report.counters));
    let is_bad = |report: &PartitionReport| {
        report.outcome == PartitionOutcome::Failed || !report.damage.is_empty()
    };
    let has_problems = reports.iter().any(is_bad);
    Ok(RunReport {
        schema_version: 1,
        tool: "logcompact",
        version: env!("CARGO_PKG_VERSION"),
        command: "compact",
        started_ms: started.as_millis() as u64,
        elapsed_ms: clock.elapsed().as_millis() as u64,
        now_ms: options.policy.now,
        strategy: options.policy.topic.strategy.to_string(),
        threads: rayon::current_num_threads(),
        memory_limit_bytes: options.memory_limit_bytes,
        peak_memory_bytes: crate::report::peak_memory_bytes(),
        dry_run: options.dry_run,
        in_place: options.output.is_in_place(),
        unit: options.output.unit(),
        keys_to_erase: erased.map_or(0, |erased| erased.count() as u64),
        keys_not_found: erased.map_or(0, |erased| erased.lines_not_found().len() as u64),
        not_searched_for_keys,
        include_active: options.policy.include_active,
        outcome: if has_problems { RunOutcome::Problems } else { RunOutcome::Ok },
        failure,
        changed_beside,
        partitions: reports,
        totals,
    })
}

/// A partition that is to be compacted.
#[derive(Clone)]
pub(super) struct Opened {
    path: PathBuf,
    /// Its listing, or why there is none.
    dir: Result<PartitionDir, String>,
    pub(super) name: TopicPartition,
    size_bytes: u64,
    pub(super) log_start: Option<Offset>,
    pub(super) first_dirty: Option<Offset>,
    /// What was wrong with the log directory's checkpoints.
    warnings: Vec<String>,
}

fn open_all(sources: &Sources, options: &CompactOptions) -> Result<Vec<Opened>> {
    let mut seen: BTreeMap<TopicPartition, PathBuf> = BTreeMap::new();
    let mut opened = Vec::new();
    for path in &sources.partitions {
        let name = partition_name(path).ok_or_else(|| {
            Error::refused(format!(
                "{}: a partition directory must be called <topic>-<n>",
                path.display()
            ))
        })?;
        if let Some(other) = seen.insert(name.clone(), path.clone()) {
            return Err(Error::refused(format!(
                "{} and {} are both {name}; compact them one at a time",
                other.display(),
                path.display()
            )));
        }
        opened.push(Opened::open(path, name, options));
    }
    for path in &sources.links {
        let name = path.file_name().and_then(|name| TopicPartition::parse(name.to_str()?));
        if let Some(name) = name.filter(|name| !seen.contains_key(name)) {
            opened.push(Opened::link(path, name));
        }
    }
    Ok(opened)
}

impl Opened {
    /// A link that a log directory has in the place of a partition.
    fn link(path: &Path, name: TopicPartition) -> Opened {
        let reason = "it is a link, which is not followed; name it to compact what it leads to";
        Opened {
            path: path.into(),
            dir: Err(reason.to_owned()),
            name,
            size_bytes: 0,
            log_start: None,
            first_dirty: None,
            warnings: Vec::new(),
        }
    }

    fn open(path: &Path, name: TopicPartition, options: &CompactOptions) -> Opened {
        let mut warnings = Vec::new();
        // As it will be once somebody has ended an interrupted swap.
        let dir = match view(&options.disk, path, options.policy.on_damage != OnDamage::Fail) {
            Ok((dir, recovery)) => {
                // What was replaced is nothing that who reads the rest would miss.
                let is_told = options.output.is_in_place() || !recovery.only_removes_deleted();
                let what = recovery.describe().filter(|_| is_told);
                warnings.extend(what.map(|what| format!("as it is read, {what}")));
                Ok(dir)
            }
            Err(error) => Err(error.to_string()),
        };
        if options.output.is_in_place() {
            warnings.extend(StateDir::warning_of_rounds(path));
        }
        let mut offset = |file: &str| {
            LogDir::checkpointed(path, file).unwrap_or_else(|error| {
                warnings.push(format!("{error}; it is not used"));
                None
            })
        };
        let log_start = offset(LOG_START_CHECKPOINT);
        let first_dirty = offset(CLEANER_CHECKPOINT);
        let segments = dir.as_ref().map_or(&[][..], |dir| &dir.segments);
        let size_bytes = segments.iter().map(|segment| segment.size_bytes).sum();
        Opened { path: path.into(), dir, name, size_bytes, log_start, first_dirty, warnings }
    }
}

/// A run, once it has begun.
pub(super) struct Run<'a> {
    pub(super) options: &'a CompactOptions,
    sources: &'a Sources,
    pub(super) destination: &'a Destination,
    pub(super) progress: &'a dyn Progress,
    threads: usize,
    /// As many as there are threads.
    turns: &'a Turns,
    /// How many partitions are not large.
    small: usize,
    total_bytes: u64,
    /// The first failure of a run in place.
    failure: Mutex<Option<String>>,
    /// The evidence of what is erased.
    pub(super) archive: Arc<Archive>,
}

impl Run<'_> {
    /// Small partitions side by side, then large ones, each on all threads.
    fn all(&self, partitions: &[Opened]) -> Result<Vec<PartitionReport>> {
        let (large, mut small): (Vec<&Opened>, Vec<&Opened>) =
            partitions.iter().partition(|opened| self.is_large(opened));
        // The largest first, so that none begins when all others end.
        small.sort_by_key(|opened| std::cmp::Reverse(opened.size_bytes));
        let mut reports = self.side_by_side(&small)?;
        for partition in large {
            reports.push(self.one(partition)?);
        }
        reports.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        Ok(reports)
    }

    /// Whether a partition is so large, in itself and among the others, that all threads had better
    /// work on it together.
    fn is_large(&self, opened: &Opened) -> bool {
        let fair_share_bytes = self.total_bytes / (2 * self.threads as u64);
        opened.size_bytes > LARGE_PARTITION_BYTES && opened.size_bytes > fair_share_bytes
    }

    /// As many partitions at a time as there are threads, each on one, and some more that go on
    /// while others wait for the disk; within one there is nothing else to wait for. The last ones
    /// have several threads each, for those that nobody else will have.
    fn side_by_side(&self, partitions: &[&Opened]) -> Result<Vec<PartitionReport>> {
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        // `Err(None)` is a thread that stopped because another one failed.
        let work = || -> Result<Vec<PartitionReport>, Option<Error>> {
            let mut pool = pool_of(1)?;
            let mut reports = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(opened) = partitions.get(number) else { break };
                if stop.load(Ordering::Relaxed) {
                    return Err(None);
                }
                // The last ones would leave the threads idle that are done.
                let threads = self.threads / (partitions.len() - number);
                if threads > pool.current_num_threads() {
                    pool = pool_of(threads).unwrap_or(pool);
                }
                let turn = self.turns.take();
                let report = pool.install(|| self.one(opened));
                drop(turn);
                reports.push(report.inspect_err(|_| stop.store(true, Ordering::Relaxed))?);
            }
            Ok(reports)
        };
        let panicked = |_| Err(Some(Error::bug("a thread that compacted a partition failed")));
        let outcomes: Vec<Result<Vec<PartitionReport>, Option<Error>>> =
            std::thread::scope(|scope| {
                let count = self.begun_at_a_time().min(partitions.len());
                let workers: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
                workers.into_iter().map(|worker| worker.join().unwrap_or_else(panicked)).collect()
            });
        let mut reports = Vec::new();
        for outcome in outcomes {
            match outcome {
                Ok(done) => reports.extend(done),
                Err(Some(error)) => return Err(error),
                Err(None) => {}
            }
        }
        Ok(reports)
    }

    /// How many small partitions are begun and not done, so that each has memory to work with.
    /// Syncs are a small part of the work.
    fn begun_at_a_time(&self) -> usize {
        // With less, a partition would be read over and over.
        const LEAST_BYTES: u64 = 8 << 20;
        let most = self.threads + self.threads.div_ceil(2);
        let with_memory = self.options.memory_limit_bytes / LEAST_BYTES;
        let with_memory = usize::try_from(with_memory).unwrap_or(usize::MAX).max(1);
        most.min(self.small.max(1)).min(with_memory)
    }

    /// Large partitions come alone and have all the memory, small ones share it.
    pub(super) fn budget_of(&self, opened: &Opened) -> Budget {
        let erased = self.options.policy.rewrites.erased.as_ref();
        let keys_bytes = erased.map_or(0, |erased| erased.allocated_bytes() as u64);
        let limit_bytes = self.options.memory_limit_bytes.saturating_sub(keys_bytes);
        if self.is_large(opened) {
            Budget::of(limit_bytes, self.threads)
        } else {
            Budget::of(limit_bytes / self.begun_at_a_time() as u64, rayon::current_num_threads())
        }
    }

    /// Compacts a partition. In place, whatever fails costs that partition only.
    fn one(&self, opened: &Opened) -> Result<PartitionReport> {
        self.try_one(opened).or_else(|error| {
            let is_refused = matches!(error.kind, ErrorKind::Refused(_));
            if !self.destination.is_in_place() && !is_refused {
                return Err(error);
            }
            let reason = error.to_string();
            if let Ok(mut failure) = self.failure.lock() {
                failure.get_or_insert(reason.clone());
            }
            let round = is_refused.then(RoundReport::refused);
            Ok(report(opened, Done { round, ..Done::left_alone(reason) }, None))
        })
    }

    fn try_one(&self, opened: &Opened) -> Result<PartitionReport> {
        let clock = Instant::now();
        let held = if self.destination.is_in_place() { Some(self.take(opened)?) } else { None };
        let opened = held.as_ref().map_or(opened, |(_claim, opened)| opened);
        let done = match &opened.dir {
            Err(reason) => Done::left_alone(reason.clone()),
            Ok(source) if source.segments.is_empty() => {
                Done::left_alone("it holds no segments (<20 digits>.log)".to_owned())
            }
            Ok(source) => match self.rounds_of(opened)? {
                Some(path) if can_be_indexed(source) => self.round(opened, source, &path)?,
                Some(_) if !self.options.rounds.is_plain() => return Err(beyond_the_index(opened)),
                _ => self.compact(opened, source)?,
            },
        };
        let destination = done.left_alone.is_none().then(|| match self.options.output.folder() {
            Some(out) => out.join(opened.name.to_string()),
            None => opened.path.clone(),
        });
        let mut report = report(opened, done, destination);
        report.elapsed_ms = clock.elapsed().as_millis() as u64;
        Ok(report)
    }

    /// Makes a partition ours, and ends what an interrupted run left in it.
    fn take(&self, opened: &Opened) -> Result<(PartitionClaim, Opened)> {
        let (disk, path) = (&self.options.disk, &opened.path);
        let claim = PartitionClaim::on(path)?;
        if opened.dir.is_err() {
            // A swap that cannot be believed, too, is left for somebody to look at.
            return Ok((claim, opened.clone()));
        }
        match Journal::load(&StateDir::within(disk, path)) {
            Err(error) => {
                let dir = Err(error.to_string());
                return Ok((claim, Opened { dir, ..opened.clone() }));
            }
            Ok(journal) => journal.map_or(Ok(()), |journal| journal.complete(disk, path))?,
        }
        recover(disk, path, self.options.policy.on_damage != OnDamage::Fail)?;
        let dir = PartitionDir::open_on(disk, path).map_err(|error| error.to_string());
        Ok((claim, Opened { dir, ..opened.clone() }))
    }

    /// Compacts, and commits unless the partition is to be left alone.
    fn compact(&self, opened: &Opened, source: &PartitionDir) -> Result<Done> {
        let place = self.destination.place_for(source, &opened.name)?;
        let temp_dir = self.options.temp_dir.as_deref();
        let temp_dir = temp_dir.or_else(|| self.destination.temp_dir(&source.path));
        let in_place = self.options.output.is_in_place();
        let task = Task {
            source,
            in_place,
            log_start: opened.log_start,
            first_dirty: opened.first_dirty,
            place: place.clone(),
            temp_dir,
            budget: self.budget_of(opened),
            round: None,
            archive: &self.archive,
        };
        let done = compact(&task, &self.policy_of(opened), self.progress);
        let done = done.or_else(|error| self.survive(error, temp_dir));
        let Some(place) = place else { return done };
        let mut done = done.and_then(|done| self.ask_about(source, &place, done));
        match &mut done {
            Ok(done) if done.left_alone.is_none() => {
                let left = self.destination.commit(&opened.name, &place, &done.commit)?;
                done.counters.bytes_left_deleted = left;
            }
            Ok(_) => self.destination.discard(&opened.name, &place)?,
            // The failure is what counts; what stays behind has no final name.
            Err(_) => drop(self.destination.discard(&opened.name, &place)),
        }
        done
    }

    /// The rules for a partition: those of the run, but for the log of KRaft metadata, which stays
    /// as it is.
    pub(super) fn policy_of(&self, opened: &Opened) -> Cow<'_, Policy> {
        let policy = &self.options.policy;
        if !self.is_kraft_log(opened) {
            return Cow::Borrowed(policy);
        }
        let cleanup = CleanupPolicy { compact: false, delete: false };
        let topic = TopicConfig { cleanup, ..policy.topic.clone() };
        Cow::Owned(Policy { topic, rewrites: Rewrites::default(), ..policy.clone() })
    }

    /// Whether it is the log of KRaft metadata that every log directory may have. No broker cleans
    /// it; its records have no keys. Naming its directory overrides this.
    fn is_kraft_log(&self, opened: &Opened) -> bool {
        let is_listed = |dir: &LogDir| opened.path.parent() == Some(dir.path.as_path());
        opened.name.topic == "__cluster_metadata" && self.sources.log_dirs.iter().any(is_listed)
    }

    /// Leaves a partition alone whose result is not what it should be.
    fn ask_about(&self, source: &PartitionDir, place: &Place, done: Done) -> Result<Done> {
        if self.options.witness.is_none() || done.left_alone.is_some() {
            return Ok(done);
        }
        let after = after_commit(source, place, &done.commit)?;
        self.ask_witness(source, after, None, done)
    }

    pub(super) fn ask_witness(
        &self,
        source: &PartitionDir,
        after: PartitionDir,
        log_start: Option<Offset>,
        done: Done,
    ) -> Result<Done> {
        let Some(witness) = &self.options.witness else { return Ok(done) };
        let policy = &self.options.policy;
        let (log_end, plan) = (done.log_end, done.plan.as_ref());
        // Only by offset is what is clean left alone.
        let is_waiting = done.round.as_ref().is_some_and(|round| round.superseded_waiting > 0);
        let first_dirty = plan.map_or(log_end, |plan| match policy.topic.strategy.is_offset() {
            // Keys may have several records until they are worth writing anew.
            _ if is_waiting => plan.end,
            true => plan.first_dirty,
            false => log_start.unwrap_or(plan.log_start),
        });
        let end = plan.map_or(log_end, |plan| plan.end);
        let outlived = done.outlived.clone();
        let claim = Claim { log_start, log_end, first_dirty, end, outlived };
        let differences = witness.differences(source, after, &claim, policy);
        let Some(first) = differences.first() else { return Ok(done) };
        let reason = format!(
            "--verify found {} in the result, which is thrown away; {}. The first: {first}",
            if differences.len() == 1 { "a difference" } else { "differences" },
            match self.options.policy.on_damage {
                OnDamage::Fail => "this is a bug in logcompact",
                _ => "what is damaged may be the reason",
            }
        );
        Ok(Done { left_alone: Some(reason), ..done })
    }

    /// A source that cannot be read or decoded costs its partition; a failing output, or a bug,
    /// the run.
    pub(super) fn survive(&self, error: Error, temp_dir: Option<&Path>) -> Result<Done> {
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| FileName::parse(name.to_str()?));
            Some(path.as_path()) == temp_dir
                || name.is_some_and(|name| name.suffix.is_some())
                || self.options.output.folder().is_some_and(|out| path.starts_with(out))
        };
        let at_output = error.path.as_ref().is_some_and(is_ours);
        if at_output || matches!(error.kind, ErrorKind::Bug(_) | ErrorKind::Refused(_)) {
            return Err(error);
        }
        Ok(Done { left_alone: Some(error.to_string()), ..Done::default() })
    }
}

fn pool_of(threads: usize) -> Result<rayon::ThreadPool> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| Error::bug(format!("no thread: {error}")))
}

/// What to say of a log that no round can be made of, if one was asked for.
fn beyond_the_index(opened: &Opened) -> Error {
    Error::refused(format!(
        "{}: its offsets are beyond 2^60, where there are no rounds; leave out --to-offset and \
         --rebase-from",
        opened.path.display()
    ))
}

fn report(opened: &Opened, done: Done, destination: Option<PathBuf>) -> PartitionReport {
    let plan = done.plan.as_ref();
    let nothing = plan.and_then(|plan| plan.nothing_because.as_ref());
    let outcome = match (&done.left_alone, nothing) {
        (Some(_), _) => PartitionOutcome::Failed,
        _ if done.idle.is_some() => PartitionOutcome::Unchanged,
        (None, None) => PartitionOutcome::Compacted,
        _ if plan.is_some_and(|plan| !plan.reworked.is_empty()) => PartitionOutcome::Rewritten,
        // The source has nothing to clean, but the destination has lost something,
        _ if !done.rewritten.is_empty() => {
            let removed = done.counters.removed;
            match removed.erased > 0 && removed.erased == removed.total() {
                true => PartitionOutcome::Rewritten,
                false => PartitionOutcome::Compacted,
            }
        }
        // or retention has taken what there was.
        (None, Some(nothing)) if plan.is_some_and(|plan| plan.retired > 0) => {
            if nothing.is_by_policy() {
                PartitionOutcome::Rewritten
            } else {
                PartitionOutcome::Compacted
            }
        }
        (None, Some(nothing)) if nothing.is_by_policy() => PartitionOutcome::Skipped,
        (None, Some(_)) => PartitionOutcome::Unchanged,
    };
    let nothing = nothing.filter(|_| outcome != PartitionOutcome::Compacted);
    let segments = opened.dir.as_ref().map_or(&[][..], |dir| &dir.segments);
    let first_base = segments.first().map_or(Offset(0), |segment| segment.base);
    let mut warnings = opened.warnings.clone();
    warnings.extend(done.warnings);
    if let Some(start) = opened.log_start.filter(|start| plan.is_some() && *start > done.log_end) {
        warnings.push(format!(
            "{LOG_START_CHECKPOINT} says that it starts at {start}, behind its end at {}, so that \
             a broker would delete all of it; that is not believed",
            done.log_end
        ));
    }
    PartitionReport {
        topic: opened.name.topic.clone(),
        partition: opened.name.partition,
        source: opened.path.clone(),
        destination,
        outcome,
        reason: done.left_alone.or(done.idle).or_else(|| nothing.map(ToString::to_string)),
        log_start_offset: plan.map_or(first_base, |plan| plan.log_start),
        first_dirty_offset: plan.map_or(first_base, |plan| plan.first_dirty),
        end_offset: plan.map_or(first_base, |plan| plan.end),
        log_end_offset: done.log_end,
        last_stable_offset: done.last_stable,
        counters: done.counters,
        passes: done.passes,
        erased: done.erased,
        records_not_erased: done.records_not_erased,
        damage: done.damage,
        round: done.round,
        kept_start: done.kept_start,
        warnings,
        elapsed_ms: 0,
    }
}
