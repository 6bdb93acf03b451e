//! The command line: parse, run one command, turn the outcome into an exit status.
//!
//! `args` holds what clap parsed and nothing else; each command's file validates its part into
//! the library's options before it opens a file. Exit status: 0 done, nothing wrong; 1 done, and
//! the data has problems; 2 not done. A closed pipe on standard output is not an error.

mod args;
mod compact;
mod dump;
mod groups;
mod memory;
mod merge;
mod open_files;
mod out_folder;
mod packaging;
mod plan;
mod repair;
mod report_file;
mod stats;
mod terminal;
mod topic_config;
mod unit;
mod verify;
mod write;

use std::io;
use std::process::ExitCode;

use args::{Cli, Command, CommonArgs, ReportCommand, When};

/// How a command that was carried out ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing is wrong with the data.
    Clean,
    /// The data has problems, all of them reported.
    Problems,
}

/// Runs the program on the arguments of the process.
pub fn run() -> ExitCode {
    let cli = match Cli::of_process() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for, and go to standard output with status 0.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match dispatch(cli) {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Problems) => ExitCode::from(1),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // What fails elsewhere says where.
            let is_bare = error.is::<io::Error>() && error.chain().len() == 1;
            let at = if is_bare { "cannot write to standard output: " } else { "" };
            terminal::messages::error(&format!("{at}{error:#}"));
            ExitCode::from(2)
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<Outcome> {
    cli.common.choose_colour();
    cli.common.start_threads()?;
    open_files::allow_many();
    match cli.command {
        Command::Compact(args) => compact::run(*args, &cli.common),
        Command::Dump(args) => dump::run(*args, &cli.common),
        Command::Groups(args) => groups::run(&args, &cli.common),
        Command::Plan(args) => plan::run(*args, &cli.common),
        Command::Report(ReportCommand::Merge(args)) => merge::run(&args, &cli.common),
        Command::Unit(args) => unit::run(&args, &cli.common),
        Command::Repair(args) => repair::run(args, &cli.common),
        Command::Stats(args) => stats::run(*args, &cli.common),
        Command::Verify(args) => verify::run(args, &cli.common),
        Command::Completions(args) => packaging::completions(&args),
        Command::Man(args) => packaging::man(&args),
        Command::Write(args) => write::run(*args, &cli.common),
    }
}

impl CommonArgs {
    fn choose_colour(&self) {
        match self.color {
            When::Auto => {} // anstream looks at the terminal, NO_COLOR and CLICOLOR
            When::Always => anstream::ColorChoice::Always.write_global(),
            When::Never => anstream::ColorChoice::Never.write_global(),
        }
    }

    fn start_threads(&self) -> anyhow::Result<()> {
        // Each has buffers and contexts of codecs of its own.
        const BYTES_A_THREAD: u64 = 4 << 20;
        let asked = self.threads.or_else(|| std::thread::available_parallelism().ok());
        let asked = asked.map_or(1, std::num::NonZeroUsize::get);
        let with_memory = self.memory_bytes() / BYTES_A_THREAD;
        let most = usize::try_from(with_memory).unwrap_or(usize::MAX).max(1);
        Ok(rayon::ThreadPoolBuilder::new().num_threads(asked.min(most)).build_global()?)
    }
}

/// Whether the reader of our standard output went away, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

impl CommonArgs {
    /// What `--memory` allows: a quarter of what there is if nothing is said.
    fn memory_bytes(&self) -> u64 {
        const ASSUMED_MACHINE_BYTES: u64 = 4 << 30;
        self.memory.map_or_else(
            || memory::memory_bytes().unwrap_or(ASSUMED_MACHINE_BYTES) / 4,
            |size| size.as_u64(),
        )
    }
}
