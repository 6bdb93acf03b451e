//! `logcompact report merge`: one report of many.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::cli::args::{CommonArgs, MergeArgs};
use crate::cli::terminal::messages;
use crate::cli::unit::read_plan;
use crate::cli::{Outcome, report_file};
use crate::cluster::{Total, UnitReport};
use crate::disk::STAGING;

/// Runs the command.
pub fn run(args: &MergeArgs, common: &CommonArgs) -> anyhow::Result<Outcome> {
    let plan = args.plan.as_deref().map(read_plan).transpose()?;
    let read = |path| fs::read(path).with_context(|| format!("{}", Path::display(path)));
    let texts = args.files.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let files = args.files.iter().map(|path| path.as_path()).zip(&texts);
    let parsed = files.map(|(path, text)| Ok((path, UnitReport::parse(path, text)?)));
    let mut reports = parsed.collect::<anyhow::Result<Vec<_>>>()?;
    if let Some(plan) = &plan {
        let (ours, others) = reports.into_iter().partition(|(_, report)| report.is_of(&plan.id));
        reports = ours;
        let others: Vec<(&Path, UnitReport<'_>)> = others;
        for (path, _) in others.iter().filter(|_| !common.quiet) {
            messages::warning(&format!("{}: is of another plan, and left out", path.display()));
        }
    }
    let staging = plan.as_ref().map(|plan| plan.out.join(STAGING)).filter(|path| path.exists());
    let total = Total::of(&reports, plan.as_ref(), staging.is_some())?;
    report_file::write(&total, Some(Path::new("-")), None)?;
    if let Some(staging) = &staging {
        messages::error(&format!(
            "{}: units are at work here, or were killed; carry those out again",
            staging.display()
        ));
    }
    if let [first, rest @ ..] = total.missing() {
        let more = if rest.is_empty() { "" } else { " and others" };
        messages::error(&format!(
            "{first}{more}: planned, but in none of these reports, or not in the output folder; \
             `partitions_missing` lists all"
        ));
    }
    Ok(if total.is_ok() { Outcome::Clean } else { Outcome::Problems })
}
