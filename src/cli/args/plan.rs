//! Arguments of `logcompact plan`, `unit` and `report`.

use std::any::TypeId;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command as Parser, FromArgMatches, Subcommand};

use super::{Cli, Command, CompactArgs, command};

const PLAN_EXAMPLES: &str = "\
Examples:
  # About 5 GB of log a unit; how many there are, and what each has to do
  logcompact plan /backup/kafka-logs --out /restore > plan.json
  jq '.units[] | [.unit, .bytes, .memory_bytes]' plan.json

  # Eight of them, whatever they have to do, for a CI matrix or an indexed job; as compact would
  logcompact plan /backup/kafka-logs --out /restore --units 8 --strategy timestamp > plan.json

  # Four at a time, then one report of all of them
  jq '.units[].unit' plan.json | xargs -P 4 -n 1 logcompact unit plan.json
  logcompact report merge --plan plan.json /restore/logcompact-report.unit-*.json > total.json";

const UNIT_EXAMPLES: &str = "\
Examples:
  # The third of them, with memory as the plan estimates it
  logcompact unit plan.json 2 --memory 2GiB

  # What a Kubernetes job with completionMode Indexed runs in each pod
  logcompact unit /shared/plan.json \"$JOB_COMPLETION_INDEX\"";

pub(super) const REPORT_EXAMPLES: &str = "\
Examples:
  # What the units of a plan have done, and whether any partition is missing
  logcompact report merge --plan plan.json /restore/logcompact-report.unit-*.json > total.json

  # The same of runs on several machines
  logcompact report merge rack-1.json rack-2.json | jq .totals";

/// Arguments of `logcompact plan`.
#[derive(Debug, Args)]
#[command(after_help = PLAN_EXAMPLES)]
pub struct PlanArgs {
    /// What is to be compacted, and how: as `logcompact compact` takes it.
    #[command(flatten)]
    pub compact: CompactArgs,
    /// So many units, some of them with nothing to do if need be
    #[arg(long, value_name = "N", conflicts_with = "unit_bytes", help_heading = "Units")]
    pub units: Option<NonZeroUsize>,
    /// About so much log to read for each; a partition is never cut
    #[arg(long, value_name = "SIZE", default_value = "5GB", help_heading = "Units")]
    pub unit_bytes: ByteSize,
}

/// Arguments of `logcompact unit`.
#[derive(Debug, Args)]
#[command(after_help = UNIT_EXAMPLES)]
pub struct UnitArgs {
    /// What `logcompact plan` has printed
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Which of its units, from 0
    #[arg(value_name = "UNIT")]
    pub unit: usize,
    /// Where the JSON report goes; - is standard output
    /// [default: OUT/logcompact-report.unit-UNIT.json]
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// What `logcompact report` does.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Add up the reports of several compactions; as JSON, on standard output
    Merge(MergeArgs),
}

/// Arguments of `logcompact report merge`.
#[derive(Debug, Args)]
#[command(after_help = REPORT_EXAMPLES)]
pub struct MergeArgs {
    /// Reports that `logcompact compact` or `unit` has written
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The plan that they are of: a partition of which none tells is a problem
    #[arg(long, value_name = "PLAN")]
    pub plan: Option<PathBuf>,
}

/// What a plan says itself: its folders, and options that are its own or have no place in it.
const NOT_PLANNED: [&str; 5] = ["dirs", "out", "report", "units", "unit_bytes"];

/// What makes sense only where one run does all of it.
pub(super) const REFUSED: [&str; 10] = [
    "in_place",
    "leave_deleted",
    "force",
    "dry_run",
    "report",
    "erase_keys",
    "full",
    "rebase_from",
    "rebase_high_watermark",
    "reindex",
];

impl PlanArgs {
    /// The options of `logcompact compact` among those that were given on the command line of the
    /// process, with full paths, without those of which the plan takes note itself, and without
    /// those that all commands have: they are a worker's own.
    ///
    /// # Errors
    /// Text that is not UTF-8, which no plan could hold.
    pub fn given() -> anyhow::Result<Vec<String>> {
        let mut parser = command();
        parser.build();
        let matches = parser.try_get_matches_from_mut(std::env::args_os())?;
        let (Some(planned), Some(("plan", matches))) =
            (parser.find_subcommand("plan"), matches.subcommand())
        else {
            return Ok(Vec::new());
        };
        options_of(planned, matches)
    }
}

fn options_of(planned: &Parser, matches: &ArgMatches) -> anyhow::Result<Vec<String>> {
    let mut options = Vec::new();
    let is_given = |arg: &&Arg| {
        let id = arg.get_id().as_str();
        let is_ours = !arg.is_global_set() && !NOT_PLANNED.contains(&id);
        is_ours && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    for arg in planned.get_arguments().filter(is_given) {
        let Some(name) = arg.get_long() else { continue };
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            options.push(format!("--{name}"));
            continue;
        }
        let is_path = arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
        for value in matches.get_raw(arg.get_id().as_str()).into_iter().flatten() {
            let value = match is_path {
                true => std::path::absolute(Path::new(value))?.into_os_string(),
                false => value.to_owned(),
            };
            let text = value.into_string().map_err(|value| {
                anyhow::anyhow!("--{name} {}: is not UTF-8, as a plan must be", value.display())
            })?;
            options.push(format!("--{name}={text}"));
        }
    }
    Ok(options)
}

impl CompactArgs {
    /// What a plan's options say, for its folders.
    ///
    /// # Errors
    /// Options that `logcompact compact` does not take.
    pub fn of_plan(
        options: &[String],
        out: &Path,
        dirs: &[PathBuf],
    ) -> anyhow::Result<CompactArgs> {
        let words = ["logcompact", "compact"].map(OsString::from).into_iter();
        let words = words.chain(options.iter().map(OsString::from));
        let words = words.chain(["--out".into(), out.into(), "--".into()]);
        let words = words.chain(dirs.iter().map(OsString::from));
        let parsed = command().try_get_matches_from_mut(words);
        match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
            Ok(Cli { command: Command::Compact(args), .. }) => Ok(*args),
            _ => anyhow::bail!("its arguments are none of logcompact compact"),
        }
    }
}
