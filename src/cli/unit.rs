//! `logcompact unit`: carries out one unit of a plan, as `compact` would its partitions.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::cli::args::{CommonArgs, CompactArgs, UnitArgs};
use crate::cli::{Outcome, compact, report_file};
use crate::cluster::{PlannedFile, PlannedPartition, UnitReport, WorkPlan};
use crate::compact::{CompactOptions, Output};
use crate::disk::report_of_unit;
use crate::report::RunReport;
use crate::segment::find_partitions;

/// Runs the command.
pub fn run(args: &UnitArgs, common: &CommonArgs) -> anyhow::Result<Outcome> {
    let plan = read_plan(&args.plan)?;
    let at_plan = || args.plan.display().to_string();
    let unit = plan.unit(args.unit).with_context(at_plan)?;
    let asked =
        CompactArgs::of_plan(&plan.arguments, &plan.out, &plan.dirs).with_context(at_plan)?;
    let read: Vec<Option<&Path>> = [args.plan.as_path()]
        .into_iter()
        .chain(plan.files.iter().map(|file| file.path.as_path()))
        .map(Some)
        .collect();
    let report = (args.report.as_deref(), "--report");
    report_file::refuse_lost(report, &plan.dirs, Some(&plan.out), &read)?;
    let place = plan.out.join(report_of_unit(args.unit));
    if let Some(asked) = args.report.as_deref().filter(|asked| is_within(asked, &plan.out))
        && std::path::absolute(asked)? != place
    {
        let (asked, out) = (asked.display(), plan.out.display());
        bail!("{asked}: the report cannot be written there: {out} is for the output");
    }
    plan.files.iter().try_for_each(PlannedFile::check)?;
    let names = unit.partitions.iter().map(PlannedPartition::name).collect();
    let sources = find_partitions(&plan.dirs)?.only(&names)?;
    let output = Output::SharedFolder {
        folder: plan.out.clone(),
        plan: plan.id.clone(),
        unit: args.unit,
        partitions: Arc::new(plan.partitions()),
    };
    let options = CompactOptions { output, ..compact::options(&asked, common)? };
    // Who carries out once more what is done has nothing to tell that was not told then.
    let default = |report: &RunReport| {
        let is_done = report.left_output_alone() && report.is_ok();
        (!(is_done && is_told(&place, &plan.id))).then(|| place.clone())
    };
    compact::carry_out(&sources, &options, args.report.as_deref(), default, common)
}

/// Whether `path` lies in `folder`, be they there yet or not.
fn is_within(path: &Path, folder: &Path) -> bool {
    std::path::absolute(path).is_ok_and(|path| path.starts_with(folder))
}

/// Whether the file at `path` is the report of a unit of the plan in which nothing went wrong.
fn is_told(path: &Path, plan: &str) -> bool {
    let text = fs::read(path).unwrap_or_default();
    UnitReport::parse(path, &text).is_ok_and(|report| report.is_of(plan) && report.is_ok())
}

/// Reads the plan in the file at `path`.
pub fn read_plan(path: &Path) -> anyhow::Result<WorkPlan> {
    let text = fs::read(path).with_context(|| path.display().to_string())?;
    WorkPlan::parse(&text).with_context(|| path.display().to_string())
}
