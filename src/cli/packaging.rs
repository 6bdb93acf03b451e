//! `logcompact completions` and `logcompact man`: what packages of it bring along.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::Outcome;
use super::args::{CompletionsArgs, ManArgs, command};

/// Writes the completion script of a shell to standard output.
pub fn completions(args: &CompletionsArgs) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    let mut command = command();
    clap_complete::generate(args.shell, &mut command, "logcompact", &mut script);
    write_out(&script)?;
    Ok(Outcome::Clean)
}

/// Writes the main page to standard output, or all pages to a folder.
pub fn man(args: &ManArgs) -> anyhow::Result<Outcome> {
    let mut command = command().disable_help_subcommand(true);
    // What all commands have in common is given to each.
    command.build();
    let Some(out) = &args.out else {
        write_out(&page(command)?)?;
        return Ok(Outcome::Clean);
    };
    fs::create_dir_all(out).with_context(|| format!("{}: cannot create", out.display()))?;
    write_pages(out, "logcompact", command)?;
    Ok(Outcome::Clean)
}

/// Writes the page of a command, and those of the commands that it has.
fn write_pages(out: &Path, name: &str, command: Command) -> anyhow::Result<()> {
    let commands: Vec<Command> = command.get_subcommands().cloned().collect();
    write_page(out, &format!("{name}.1"), command)?;
    commands.into_iter().filter(|command| command.get_name() != "help").try_for_each(|command| {
        let name = format!("{name}-{}", command.get_name());
        write_pages(out, &name, command)
    })
}

fn write_out(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

fn write_page(out: &Path, file: &str, command: Command) -> anyhow::Result<()> {
    let path = out.join(file);
    fs::write(&path, page(command)?).with_context(|| format!("{}: cannot write", path.display()))
}

/// The page of a command. What stands below its options, examples above all, is set as it is.
fn page(command: Command) -> io::Result<Vec<u8>> {
    let notes = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let has_commands = command.has_subcommands();
    let version = concat!("logcompact ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command).source(version);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_commands {
        man.render_subcommands_section(&mut page)?;
    }
    if !notes.is_empty() {
        let mut section = Roff::new();
        let (title, text) = match notes.strip_prefix("Examples:\n") {
            Some(text) => ("EXAMPLES", text),
            None => ("NOTES", notes.as_str()),
        };
        section.control("SH", [title]);
        section.control("nf", []);
        text.lines().for_each(|line| {
            section.text([roman(line)]);
        });
        section.control("fi", []);
        section.to_writer(&mut page)?;
    }
    man.render_version_section(&mut page)?;
    Ok(page)
}
