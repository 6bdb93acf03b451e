//! `logcompact dump`: the arguments checked and turned into the room's options, then one run.

mod console;
mod format;
mod round;
mod selection;

use format::Output;
use selection::selection;

use crate::cli::Outcome;
use crate::cli::args::{CommonArgs, DumpArgs, ShowArg};
use crate::cli::terminal::messages;
use crate::dump::{self, Damage, Show, Witness};

/// Runs the command.
pub fn run(args: DumpArgs, common: &CommonArgs) -> anyhow::Result<Outcome> {
    if args.round {
        return round::run(&args.paths, args.format.format);
    }
    let show = args.show.map(|show| match show {
        ShowArg::Records => Show::Records,
        ShowArg::Batches => Show::Batches,
        ShowArg::All => Show::All,
    });
    let output = Output::new(&args.format, &args.decode, show, common.memory_bytes())?;
    let mut witness = StandardError { common, is_damaged: false };
    let selection = selection(&args.selection, &args.paths, output.show(), common, &mut witness)?;
    let found = dump::find(&args.paths)?;
    for left_out in &found.left_out {
        witness.damage(&Damage { path: &left_out.path, position: None, what: &left_out.why });
    }
    for (path, what) in found.unfinished.iter().filter(|_| !common.quiet) {
        messages::warning(&format!("{}: {what}", path.display()));
    }
    output.write(&found.sources, &selection, &mut witness)?;
    Ok(if witness.is_damaged { Outcome::Problems } else { Outcome::Clean })
}

/// Damage as warnings, notes for who wants to hear more.
struct StandardError<'a> {
    common: &'a CommonArgs,
    is_damaged: bool,
}

impl Witness for StandardError<'_> {
    fn damage(&mut self, damage: &Damage<'_>) {
        self.is_damaged = true;
        if !self.common.quiet {
            messages::warning(&damage.to_string());
        }
    }

    fn warning(&mut self, text: &str) {
        if !self.common.quiet {
            messages::warning(text);
        }
    }

    fn note(&mut self, text: &str) {
        if self.common.verbose > 0 {
            messages::note(text);
        }
    }
}
