//! `logcompact report merge`: one report of many.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::cli::args::{CommonArgs, MergeArgs};
use crate::cli::terminal::messages;
use crate::cli::unit::read_plan;
use crate::cli::{Outcome, report_file};
use crate::cluster::{Total, UnitReport};

/// Runs the command.
pub fn run(args: &MergeArgs, common: &CommonArgs) -> anyhow::Result<Outcome> {
    let plan = args.plan.as_deref().map(read_plan).transpose()?;
    let read = |path| fs::read(path).with_context(|| format!("{}", Path::display(path)));
    let texts = args.files.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let files = args.files.iter().map(|path| path.as_path()).zip(&texts);
    let parsed = files.map(|(path, text)| Ok((path, UnitReport::parse(path, text)?)));
    let reports = parsed.collect::<anyhow::Result<Vec<_>>>()?;
    let total = Total::of(&reports, plan.as_ref())?;
    report_file::write(&total, Some(Path::new("-")), None)?;
    if let ([first, rest @ ..], false) = (total.missing(), common.quiet) {
        let more = if rest.is_empty() { "" } else { " and others" };
        messages::error(&format!(
            "{first}{more}: planned, but in none of these reports; `partitions_missing` lists all"
        ));
    }
    Ok(if total.is_ok() { Outcome::Clean } else { Outcome::Problems })
}
