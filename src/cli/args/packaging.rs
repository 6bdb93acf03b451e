//! Arguments of `logcompact completions` and `logcompact man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  # For this shell only
  source <(logcompact completions bash)

  # For good
  logcompact completions bash > ~/.local/share/bash-completion/completions/logcompact
  logcompact completions zsh > ~/.zfunc/_logcompact
  logcompact completions fish > ~/.config/fish/completions/logcompact.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  # Read the manual
  logcompact man | man -l -

  # For a package: logcompact.1, logcompact-compact.1, ...
  logcompact man --out debian/logcompact/usr/share/man/man1";

/// Arguments of `logcompact completions`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Arguments of `logcompact man`.
#[derive(Debug, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub struct ManArgs {
    /// Write a page for the program and one for each command there, instead of the program's only
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
