//! What clap parses: types and help texts, no decisions.
#![allow(rustdoc::invalid_html_tags, reason = "these comments are help texts for a terminal")]

mod compact;
mod dump;
mod duration;
mod groups;
mod packaging;
mod plan;
mod repair;
mod rounds;
mod stats;
mod verify;
mod write;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub use compact::{CompactArgs, MessageFormatArg, NullKeysArg, OnDamageArg, TopicArgs};
pub use dump::{
    ConsoleArgs, DecodeArg, DecodeArgs, DumpArgs, DumpFormatArgs, EncodingArg, FieldArg, FormatArg,
    IsolationArg, SelectionArgs, ShowArg,
};
pub use duration::Milliseconds;
pub use groups::{GroupsArgs, GroupsFormat};
pub use packaging::{CompletionsArgs, ManArgs};
pub use plan::{MergeArgs, PlanArgs, ReportCommand, UnitArgs};
pub use repair::RepairArgs;
pub use rounds::RoundArgs;
pub use stats::{KeysArg, StatsArgs, StatsFormat};
pub use verify::{PartitionerArg, VerifyArgs, VerifyFormat};
pub use write::{LineArgs, ProducerArgs, TopicRulesArgs, WriteArgs, WritePartitionerArg};

const EXAMPLES: &str = "\
Examples:
  logcompact verify /backup/kafka-logs               is it sound?
  logcompact dump /backup/kafka-logs/orders-0        what is in it?
  logcompact groups /backup/kafka-logs               who reads it, and how far?
  logcompact compact /backup/kafka-logs --dry-run    what would compaction save?
  logcompact compact /backup/kafka-logs --out /restore
  logcompact repair /backup/kafka-logs --skip        what of a damaged log can be saved?
  logcompact write kafka-logs --topic people < people.txt
  logcompact stats /backup/kafka-logs                which topics, how large, which keys?

Each command's --help has more. Exit status: 0 done, nothing wrong; 1 done, and the data has
problems; 2 not done. Standard output carries the result and nothing else.";

/// Show, verify, repair, write and compact Apache Kafka's segment files, with no broker running.
#[derive(Debug, Parser)]
#[command(name = "logcompact", version, propagate_version = true)]
#[command(max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of all commands.
    #[command(flatten)]
    pub common: CommonArgs,
}

impl Cli {
    /// Reads the arguments of the process. A number below 0 is a value wherever an option takes
    /// one, so that who gives it is told what the option takes.
    ///
    /// # Errors
    /// What is wrong with them; also that help or the version was asked for.
    pub fn of_process() -> Result<Cli, clap::Error> {
        let mut command = command();
        let matches = command.try_get_matches_from_mut(std::env::args_os())?;
        Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}

/// The parser of all commands.
pub fn command() -> clap::Command {
    let takes_numbers = |arg: Arg| {
        let is_option = !arg.is_positional() && arg.get_action().takes_values();
        if is_option { arg.allow_negative_numbers(true) } else { arg }
    };
    let command = Cli::command().mut_args(takes_numbers);
    let command = command.mut_subcommands(|command| command.mut_args(takes_numbers));
    // What cannot be planned is refused with a reason; nobody need read of it.
    command.mut_subcommand("plan", |plan| {
        plan.mut_args(|arg| {
            let is_refused = plan::REFUSED.contains(&arg.get_id().as_str());
            if is_refused { arg.hide(true) } else { arg }
        })
    })
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compact: keep the latest record of each key, as Kafka's cleaner does
    Compact(Box<CompactArgs>),
    /// Show what is in segments, indexes, snapshots and checkpoints
    Dump(Box<DumpArgs>),
    /// Consumer groups: members, committed offsets and lag, without a broker
    Groups(GroupsArgs),
    /// Cut a compaction into units, to be carried out side by side
    Plan(Box<PlanArgs>),
    /// Rebuild indexes, cut damage off or skip it
    Repair(RepairArgs),
    /// Add up the reports of several compactions: `report merge FILE...`
    #[command(subcommand, after_help = plan::REPORT_EXAMPLES)]
    Report(ReportCommand),
    /// What the data looks like, and what compaction would save
    Stats(Box<StatsArgs>),
    /// Carry out one unit of a plan
    Unit(UnitArgs),
    /// Check everything that can be checked; find damage
    Verify(VerifyArgs),
    /// Append records from standard input, as the console producer does
    Write(Box<WriteArgs>),
    /// Print the completion script of a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write the pages of all commands
    Man(ManArgs),
}

/// When to do something that only a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// If the output is a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Options of all commands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub struct CommonArgs {
    /// Worker threads, no more than one for each 4 MiB of --memory [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Memory for the key index and buffers, as in 512MiB [default: a quarter of what there is]
    #[arg(long, global = true, value_name = "SIZE")]
    pub memory: Option<ByteSize>,
    /// Where what has no room in memory waits in a file [default: inside the output folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub temp_dir: Option<PathBuf>,
    /// Draw a progress bar on standard error
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub progress: When,
    /// Use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: When,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more; twice, still more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}
