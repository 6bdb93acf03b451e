//! `logcompact unit`: carries out one unit of a plan, as `compact` would its partitions.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use crate::cli::args::{CommonArgs, CompactArgs, UnitArgs};
use crate::cli::{Outcome, compact};
use crate::cluster::{PlannedPartition, UnitReport, WorkPlan};
use crate::compact::{CompactOptions, Output};
use crate::disk::REPORT_OF_UNIT;
use crate::report::RunReport;
use crate::segment::find_partitions;
use crate::units::Timestamp;

/// Runs the command.
pub fn run(args: &UnitArgs, common: &CommonArgs) -> anyhow::Result<Outcome> {
    let plan = read_plan(&args.plan)?;
    let unit = plan.unit(args.unit).with_context(|| args.plan.display().to_string())?;
    let asked = CompactArgs::of_plan(&plan.arguments, &plan.out, &plan.dirs)
        .with_context(|| format!("{}: its arguments", args.plan.display()))?;
    let asked = CompactArgs { report: args.report.clone(), ..asked };
    let sources = find_partitions(&plan.dirs)?;
    let names = unit.partitions.iter().map(PlannedPartition::name).collect();
    let sources = sources.only(&names)?;
    let output = Output::SharedFolder {
        folder: plan.out.clone(),
        unit: args.unit,
        partitions: Arc::new(plan.partitions()),
    };
    let options = CompactOptions { output, ..compact::options(&asked, common)? };
    let place = plan.out.join(format!("{REPORT_OF_UNIT}{}.json", args.unit));
    // Who carries out once more what is done has nothing to tell that was not told then.
    let default = |report: &RunReport| {
        let is_told = report.left_output_alone() && tells_of(&place, options.policy.now);
        (!is_told).then(|| place.clone())
    };
    compact::carry_out(&sources, &options, asked.report.as_deref(), default, common)
}

/// Whether the file at `path` is the report of a run that went by this clock, as all units of a
/// plan do.
fn tells_of(path: &Path, now: Timestamp) -> bool {
    let text = fs::read(path).unwrap_or_default();
    UnitReport::parse(path, &text).is_ok_and(|report| report.now() == now)
}

/// Reads the plan in the file at `path`.
pub fn read_plan(path: &Path) -> anyhow::Result<WorkPlan> {
    let text = fs::read(path).with_context(|| path.display().to_string())?;
    WorkPlan::parse(&text).with_context(|| path.display().to_string())
}
