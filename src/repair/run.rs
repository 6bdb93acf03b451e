//! The repair of many partitions put in order: claim, recover, decide, write, report.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rayon::prelude::*;

use super::plan::{Decision, How, Plan};
use crate::disk::{Disk, Staging};
use crate::error::{Error, Result};
use crate::report::{PartitionRepair, Progress, RepairOutcome, RepairReport, RunOutcome};
use crate::rounds::{Journal, StateDir};
use crate::segment::{
    CHECKPOINT_NAMES, LOG_START_CHECKPOINT, LogDir, Oddity, OffsetCheckpoint, PARTITION_METADATA,
    PartitionDir, Place, Sources, TopicPartition, by_log_dir, carry_checkpoints, carry_identity,
    change_checkpoints, is_carried, partition_name,
};
use crate::swap::{Claim, PartitionClaim, Recovery, view};
use crate::units::Offset;

/// A validated request to repair.
#[derive(Clone, Debug)]
pub struct RepairOptions {
    /// What is done about damage in a log.
    pub how: How,
    /// The output folder; `None`: in place.
    pub out: Option<PathBuf>,
    /// Decide, write nothing.
    pub dry_run: bool,
    /// `index.interval.bytes` of the indexes that are built.
    pub index_interval_bytes: u64,
    /// The disk that all of this is on.
    pub disk: Disk,
}

/// Repairs the partitions of `sources`.
///
/// # Errors
/// What ends the whole run: an output folder that cannot be used, a directory that somebody works
/// on, a write that fails. A partition that cannot be read is in the report.
pub fn run(
    sources: &Sources,
    options: &RepairOptions,
    progress: &dyn Progress,
) -> Result<RepairReport> {
    run_and_tell(sources, options, progress, |_| true)
}

/// The same. The report goes to `tell` while nobody else can be at work there; until that says that
/// it was told, a run into a folder is not finished, and can be begun again.
///
/// # Errors
/// As [`run`].
pub fn run_and_tell(
    sources: &Sources,
    options: &RepairOptions,
    progress: &dyn Progress,
    tell: impl FnOnce(&RepairReport) -> bool,
) -> Result<RepairReport> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let clock = Instant::now();
    refuse_equal_names(sources)?;
    let staging = match &options.out {
        Some(out) if !options.dry_run => {
            let names = sources.partitions.iter().filter_map(|path| partition_name(path));
            let names: BTreeSet<String> = names.map(|name| name.to_string()).collect();
            let may_be_there = |name: &str| names.contains(name) || is_carried(name);
            Some(Staging::create_again(&options.disk, out, may_be_there)?)
        }
        _ => None,
    };
    let in_place = options.out.is_none();
    let claim = if in_place && !options.dry_run { Some(Claim::on(sources)?) } else { None };
    progress.begin("examining", size_bytes(sources));
    let run = Run { sources, options, staging: staging.as_ref(), progress };
    let reports: Result<Vec<PartitionRepair>> =
        sources.partitions.par_iter().map(|path| run.partition(path)).collect();
    progress.finish();
    let mut partitions = reports?;
    partitions.extend(links(sources));
    let mut warnings = Vec::new();
    if let Some(staging) = &staging {
        let included: BTreeSet<TopicPartition> =
            partitions.iter().filter(|report| report.destination.is_some()).map(name_of).collect();
        let ends: Vec<(TopicPartition, End)> = partitions
            .iter()
            .filter_map(|report| Some((name_of(report), end_of(report)?)))
            .collect();
        // Of no partition there is nothing to say, and another run may want the folder.
        if !included.is_empty() {
            let (disk, out) = (&options.disk, staging.out());
            carry_checkpoints(disk, sources, out, &included, |name, _, all| {
                bound(name, all, &ends);
            })?;
            carry_identity(disk, sources, out, true)?;
            warnings = unread_checkpoints(sources);
        }
        staging.close()?;
    } else if claim.is_some() {
        warnings = repair_checkpoints(sources, options, &partitions)?;
    }
    let is_bad = |partition: &PartitionRepair| {
        let has_lost_its_id = partition.removed.iter().any(|name| name == PARTITION_METADATA);
        let is_left_alone = partition.outcome == RepairOutcome::Failed;
        is_left_alone || has_lost_its_id || !partition.damage.is_empty()
    };
    let has_problems = !warnings.is_empty() || partitions.iter().any(is_bad);
    let report = RepairReport {
        schema_version: 1,
        tool: "logcompact",
        version: env!("CARGO_PKG_VERSION"),
        command: "repair",
        started_ms: started.as_millis() as u64,
        elapsed_ms: clock.elapsed().as_millis() as u64,
        dry_run: options.dry_run,
        in_place,
        outcome: if has_problems { RunOutcome::Problems } else { RunOutcome::Ok },
        partitions,
        warnings,
    };
    if tell(&report)
        && let Some(staging) = staging
    {
        staging.finish()?;
    }
    Ok(report)
}

/// Links that a log directory has in the place of partitions.
fn links(sources: &Sources) -> Vec<PartitionRepair> {
    let named: BTreeSet<TopicPartition> =
        sources.partitions.iter().filter_map(|path| partition_name(path)).collect();
    let name = |path: &PathBuf| TopicPartition::parse(path.file_name()?.to_str()?);
    let failed = |path: &PathBuf| {
        let name = name(path).filter(|name| !named.contains(name))?;
        let mut report = PartitionRepair::of(&name.topic, name.partition, path);
        report
            .fail("it is a link, which is not followed; name it to repair what it leads to".into());
        Some(report)
    };
    sources.links.iter().filter_map(failed).collect()
}

fn refuse_equal_names(sources: &Sources) -> Result<()> {
    let mut seen = BTreeSet::new();
    for path in &sources.partitions {
        let text = path.display();
        let Some(name) = partition_name(path) else {
            let text = format!("{text}: a partition directory must be called <topic>-<n>");
            return Err(Error::refused(text));
        };
        if !seen.insert(name.clone()) {
            let text = format!("{text}: there is another {name}; repair them one at a time");
            return Err(Error::refused(text));
        }
    }
    Ok(())
}

fn size_bytes(sources: &Sources) -> u64 {
    let dirs = sources.partitions.iter().filter_map(|path| PartitionDir::open(path).ok());
    dirs.flat_map(|dir| dir.segments).map(|segment| segment.size_bytes).sum()
}

struct Run<'a> {
    sources: &'a Sources,
    options: &'a RepairOptions,
    staging: Option<&'a Staging>,
    progress: &'a dyn Progress,
}

impl Run<'_> {
    fn partition(&self, path: &Path) -> Result<PartitionRepair> {
        let disk = &self.options.disk;
        let name = partition_name(path).ok_or_else(|| Error::bug("a partition without a name"))?;
        let mut report = PartitionRepair::of(&name.topic, name.partition, path);
        let is_changed = self.options.out.is_none() && !self.options.dry_run;
        let _claim = if is_changed { Some(PartitionClaim::on(path)?) } else { None };
        // What is done about damage in a log is done about damage in its `.swap`, too.
        let may_be_damaged = self.options.how != How::IndexesOnly;
        let listed = if is_changed {
            // A disk that cannot be written to ends the run; what cannot be read, the partition.
            let journal = Journal::load(&StateDir::within(disk, path));
            let ended = journal.map(|it| it.map_or(Ok(()), |it| it.complete(disk, path)));
            let recovery = match ended {
                Ok(ended) => ended.map(|()| Recovery::of(disk, path, may_be_damaged))?,
                Err(error) => Err(error),
            };
            recovery.as_ref().map_or(Ok(()), |recovery| recovery.carry_out(disk, path))?;
            recovery.and_then(|recovery| Ok((PartitionDir::open_on(disk, path)?, recovery)))
        } else {
            view(disk, path, may_be_damaged)
        };
        let (how, interval) = (self.options.how, self.options.index_interval_bytes);
        let decided = listed.and_then(|(dir, recovery)| {
            report.warnings.extend(recovery.describe());
            Ok((Plan::make(&dir, how, interval, self.progress)?, dir))
        });
        match decided {
            Err(error) => report.fail(error.to_string()),
            Ok((_, dir)) if dir.oddities.iter().any(Oddity::is_in_the_way) => {
                let odd = dir.oddities.iter().find(|odd| odd.is_in_the_way());
                let text = odd.map(|odd| format!("{} is {}, not a file", odd.name, odd.what));
                report.fail(text.unwrap_or_default() + "; it is not followed");
            }
            Ok((Decision::LeaveAlone(lost), _)) => {
                let count = lost.ranges.len();
                report.damage = lost.ranges;
                report.fail(format!(
                    "{count} damaged {} in its log: --truncate cuts the log where a broker would, \
                     --skip drops only what is damaged",
                    if count == 1 { "range" } else { "ranges" },
                ));
            }
            Ok((Decision::Repair(plan), dir)) => {
                self.write(&plan, &dir, &name)?;
                self.tell(*plan, &dir, &name, &mut report);
            }
        }
        Ok(report)
    }

    fn write(&self, plan: &Plan, dir: &PartitionDir, name: &TopicPartition) -> Result<()> {
        if self.options.dry_run {
            return Ok(());
        }
        let Some(staging) = self.staging else { return plan.write_in_place(dir) };
        let folder = staging.place_of(&name.to_string());
        self.options.disk.create_dir(&folder)?;
        plan.write_to(dir, &Place::folder(&self.options.disk, &folder))?;
        staging.commit(&name.to_string())
    }

    fn tell(
        &self,
        plan: Plan,
        dir: &PartitionDir,
        name: &TopicPartition,
        report: &mut PartitionRepair,
    ) {
        let changes = plan.changes(dir);
        report.destination = Some(match &self.options.out {
            Some(out) => out.join(name.to_string()),
            None => dir.path.clone(),
        });
        report.log_end_offset = plan.log_end;
        report.warnings.extend(start_behind_end(dir, &plan));
        report.warnings.extend(self.said_behind_end(dir, name, plan.log_end));
        report.warnings.extend(plan.doubts);
        let in_place = self.options.out.is_none();
        report.warnings.extend(plan.unread_metadata.map(|unread| unread.describe(in_place)));
        report.bytes_lost = plan.lost.bytes;
        report.records_lost = plan.lost.records;
        report.damage = plan.lost.ranges;
        report.rebuilt = changes.rebuilt;
        report.removed = changes.removed;
        let is_same = report.rebuilt.is_empty() && report.removed.is_empty();
        let is_same = is_same && report.warnings.is_empty();
        report.outcome = if is_same { RepairOutcome::Unchanged } else { RepairOutcome::Repaired };
        let becomes = if in_place { "it stays where it is" } else { "it is not copied" };
        let misnamed = dir.misnamed.iter();
        report.warnings.extend(misnamed.map(|it| format!("{}: {}; {becomes}", it.name, it.what())));
    }

    /// What is done where checkpoints of its log directory say that a log has been further than it
    /// goes. What they say of one that was named by itself is not in an output.
    fn said_behind_end(
        &self,
        dir: &PartitionDir,
        name: &TopicPartition,
        log_end: Offset,
    ) -> Option<String> {
        let (log_dir, said_name) = match self.options.out {
            None => LogDir::around(&dir.path)?,
            Some(_) => {
                let is_around = |it: &&LogDir| dir.path.parent() == Some(it.path.as_path());
                (self.sources.log_dirs.iter().find(is_around)?.clone(), name.clone())
            }
        };
        let said = CHECKPOINT_NAMES.into_iter().filter(|file| *file != LOG_START_CHECKPOINT);
        let said = said.filter_map(|file| {
            let offset = *log_dir.checkpoint(file).ok()?.offsets.get(&said_name)?;
            (offset > log_end).then(|| format!("{file} said {offset}"))
        });
        let said = said.collect::<Vec<_>>().join(", ");
        let told = || format!("{said}, behind its end at {log_end}; that is put right");
        (!said.is_empty()).then(told)
    }
}

fn name_of(report: &PartitionRepair) -> TopicPartition {
    TopicPartition { topic: report.topic.clone(), partition: report.partition }
}

/// Where a log ends.
#[derive(Clone, Copy)]
struct End {
    offset: Offset,
    /// It ended there before.
    is_as_before: bool,
}

/// No checkpoint points behind the end of a log. One that said so of where the log starts, though
/// nothing of it was lost, is wrong: it goes, or a broker would delete the log.
fn bound(file: &str, checkpoint: &mut OffsetCheckpoint, ends: &[(TopicPartition, End)]) {
    for (name, end) in ends {
        let Some(offset) = checkpoint.offsets.get_mut(name) else { continue };
        if *offset > end.offset && end.is_as_before && file == LOG_START_CHECKPOINT {
            checkpoint.offsets.remove(name);
        } else {
            *offset = (*offset).min(end.offset);
        }
    }
}

fn end_of(report: &PartitionRepair) -> Option<End> {
    let end = End { offset: report.log_end_offset, is_as_before: report.bytes_lost == 0 };
    (report.outcome != RepairOutcome::Failed).then_some(end)
}

/// What is done where a log is said to start behind its end.
fn start_behind_end(dir: &PartitionDir, plan: &Plan) -> Option<String> {
    let start = dir.log_start_by_checkpoint().filter(|start| *start > plan.log_end)?;
    let end = plan.log_end;
    Some(match plan.lost.bytes {
        0 => format!(
            "{LOG_START_CHECKPOINT} said that it starts at {start}, behind its end at {end}, so \
             that a broker would delete all of it; that is taken out"
        ),
        _ => format!(
            "it starts at {start}, says {LOG_START_CHECKPOINT}, and what is left ends at {end}: a \
             broker takes all of it for deleted"
        ),
    })
}

/// Bounds the checkpoints of the log directories. One that cannot be read is put aside: a broker
/// takes it for one that says nothing. Gives what was done about those.
fn repair_checkpoints(
    sources: &Sources,
    options: &RepairOptions,
    partitions: &[PartitionRepair],
) -> Result<Vec<String>> {
    let mut told = Vec::new();
    for dir in by_log_dir(sources, |_| Some(())).into_keys() {
        for name in CHECKPOINT_NAMES {
            let Err(error) = dir.checkpoint(name) else { continue };
            if error.is_corruption() {
                let (path, aside) = (dir.path.join(name), dir.path.join(format!("{name}.unread")));
                options.disk.remove_if_there(&aside)?;
                options.disk.rename(&path, &aside)?;
                options.disk.sync_dir(&dir.path)?;
                told.push(format!(
                    "{error}; it is {name}.unread now, and a broker begins a new one"
                ));
            }
        }
    }
    let by_source: HashMap<&Path, &PartitionRepair> =
        partitions.iter().map(|report| (report.source.as_path(), report)).collect();
    for name in CHECKPOINT_NAMES {
        let known = by_log_dir(sources, |path| end_of(by_source.get(path.as_path())?));
        change_checkpoints(&options.disk, known, name, |ends, all| bound(name, all, &ends))?;
    }
    Ok(told)
}

/// The checkpoints that cannot be read and are not in the output.
fn unread_checkpoints(sources: &Sources) -> Vec<String> {
    let all = sources.log_dirs.iter().flat_map(|dir| CHECKPOINT_NAMES.map(|name| (dir, name)));
    all.filter_map(|(dir, name)| dir.checkpoint(name).err())
        .map(|error| format!("{error}; what it said is not in the output"))
        .collect()
}
