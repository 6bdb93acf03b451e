//! `logcompact plan`: a compaction cut into units, as JSON; nothing else is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rayon::prelude::*;

use crate::cli::args::{CommonArgs, CompactArgs, PlanArgs};
use crate::cli::terminal::{Bar, messages};
use crate::cli::{Outcome, compact, report_file};
use crate::cluster::{Estimate, PlannedFile, PlannedPartition, Request, Size, WorkPlan, estimate};
use crate::compact::{CompactOptions, Output};
use crate::report::{Progress, counted, size};
use crate::segment::{PartitionDir, Sources, TopicPartition, find_partitions, partition_name};
use crate::swap::as_finished;

/// Runs the command.
pub fn run(args: PlanArgs, common: &CommonArgs) -> anyhow::Result<Outcome> {
    refuse_whole(&args.compact)?;
    let mut arguments = PlanArgs::given()?;
    let sources = find_partitions(&args.compact.dirs)?;
    // Whatever is wrong with them had better be known now.
    let options = compact::options(&args.compact, common)?;
    if args.compact.now.is_none() {
        arguments.push(format!("--now={}", options.policy.now));
    }
    let Output::Folder(out) = &options.output else { bail!("a plan is for a folder of its own") };
    let out = full(out)?;
    let dirs = args.compact.dirs.iter().map(|dir| full(dir)).collect::<Result<_, _>>()?;
    let files = args.compact.topic.topic_config.iter().map(|file| full(file));
    let files = files.map(|file| Ok(PlannedFile::read(&file?)?));
    let files = files.collect::<anyhow::Result<_>>()?;
    let partitions = planned(&sources, &options, &out, common)?;
    let names = partitions.iter().map(PlannedPartition::name).collect();
    options.output.refuse_sources_within(&sources.partitions)?;
    if out.exists() && !out.is_dir() {
        bail!("{}: is no folder; name another with --out", out.display());
    }
    Output::refuse_strangers(&out, &names)?;
    let size = match args.units {
        Some(count) => Size::Count(count.get()),
        None => Size::Bytes(args.unit_bytes.as_u64()),
    };
    let request = Request { dirs, out, arguments, files };
    let plan = WorkPlan::of(request, partitions, size);
    report_file::write(&plan, Some(Path::new("-")), None)?;
    if !common.quiet {
        sources.logs_passed_over().for_each(|it| messages::warning(&it.to_string()));
        say(&plan);
    }
    Ok(Outcome::Clean)
}

const AGAIN: &str = "a unit that is tried again would begin again; compact with it, and plan what \
                     comes behind";

/// What makes sense only where one run does all of it, or where each is made once.
fn refuse_whole(args: &CompactArgs) -> anyhow::Result<()> {
    let refused = [
        (args.in_place, "--in-place", "units would wait for each other; compact --in-place"),
        (args.leave_deleted, "--leave-deleted", "it is for --in-place"),
        (args.dry_run, "--dry-run", "the plan has estimates; compact --dry-run knows exactly"),
        (args.report.is_some(), "--report", "each unit writes its own; report merge adds them up"),
        (
            args.erase_keys.is_some(),
            "--erase-keys",
            "only a run over all partitions knows which keys were not found; compact --erase-keys",
        ),
        (args.rounds.full, "--full", AGAIN),
        (args.rounds.rebase_from.is_some(), "--rebase-from", AGAIN),
        (args.rounds.reindex, "--reindex", AGAIN),
        (
            args.rounds.keep_rounds == 0,
            "--keep-rounds 0",
            "by its state a unit that is carried out again knows what it has done",
        ),
    ];
    match refused.iter().find(|(is_given, ..)| *is_given) {
        Some((_, option, why)) => bail!("{option} cannot be planned: {why}"),
        None => Ok(()),
    }
}

/// The partitions of the sources, each with how much work it is.
fn planned(
    sources: &Sources,
    options: &CompactOptions,
    out: &Path,
    common: &CommonArgs,
) -> anyhow::Result<Vec<PlannedPartition>> {
    let mut opened: BTreeMap<TopicPartition, (PathBuf, Option<PartitionDir>)> = BTreeMap::new();
    for path in &sources.partitions {
        let name = partition_name(path).with_context(|| {
            format!("{}: a partition directory must be called <topic>-<n>", path.display())
        })?;
        // One that cannot be read is work too: who carries that out says what is wrong.
        let dir = as_finished(&options.disk, path).ok().map(|(dir, _)| dir);
        if let Some((other, _)) = opened.insert(name.clone(), (path.clone(), dir)) {
            let (one, other) = (path.display(), other.display());
            bail!("{other} and {one} are both {name}; plan them one at a time");
        }
    }
    let progress = Bar::new(common);
    let segments = opened.values().flat_map(|(_, dir)| dir).flat_map(|dir| &dir.segments);
    progress.begin("planning", segments.map(|segment| segment.size_bytes).sum());
    let planned = opened.par_iter().map(|(name, (path, dir))| {
        let estimate = |dir| estimate(dir, &out.join(name.to_string()), &progress).ok();
        let estimate = dir.as_ref().and_then(estimate).unwrap_or_default();
        let TopicPartition { topic, partition } = name.clone();
        Ok(PlannedPartition { topic, partition, source: full(path)?, estimate })
    });
    let planned = planned.collect::<anyhow::Result<Vec<_>>>();
    progress.finish();
    let mut planned = planned?;
    // A link is followed by nobody, which the report says of it.
    let links = sources.links.iter().filter_map(|path| Some((path, partition_name(path)?)));
    for (path, name) in links.filter(|(_, name)| !opened.contains_key(name)) {
        let TopicPartition { topic, partition } = name;
        let estimate = Estimate::default();
        planned.push(PlannedPartition { topic, partition, source: full(path)?, estimate });
    }
    Ok(planned)
}

/// The path as workers elsewhere can have it, who begin in other folders.
fn full(path: &Path) -> anyhow::Result<PathBuf> {
    let full = std::path::absolute(path).with_context(|| path.display().to_string())?;
    match full.to_str() {
        Some(_) => Ok(full),
        None => bail!("{}: is not UTF-8, as a plan must be", path.display()),
    }
}

fn say(plan: &WorkPlan) {
    let (units, totals) = (plan.units.len() as u64, &plan.totals);
    let partitions = plan.partitions().len() as u64;
    let largest = plan.units.iter().map(|unit| unit.estimate.bytes).max().unwrap_or_default();
    messages::note(&format!(
        "{} for {}: {} of log to read, in the largest {}; carry each out with `logcompact unit \
         PLAN NUMBER`, numbered from 0",
        counted(units, "unit"),
        counted(partitions, "partition"),
        size(totals.bytes),
        size(largest),
    ));
}
