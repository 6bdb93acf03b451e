//! `logcompact dump`: the arguments checked and turned into the room's options, then one run.

use std::io::{BufWriter, IsTerminal, stdout};

use anyhow::bail;

use super::args::{CommonArgs, DumpArgs, EncodingArg, FieldArg, FormatArg, ShowArg};
use super::selection::selection;
use super::{Outcome, messages};
use crate::dump::{
    self, Console, Damage, Encoding, Failure, Field, Json, Kafka, Show, Sink, Text, Witness,
};

/// Large enough that a line is never a system call of its own. Larger pieces pass it by.
const OUTPUT_BUFFER_BYTES: usize = 1 << 18;

/// Runs the command.
pub fn run(args: DumpArgs, common: &CommonArgs) -> anyhow::Result<Outcome> {
    let format = format_of(&args);
    check(&args, format)?;
    let show = match (args.show, format) {
        (Some(ShowArg::All), _) | (None, FormatArg::Kafka) => Show::All,
        (Some(ShowArg::Batches), _) => Show::Batches,
        (Some(ShowArg::Records) | None, _) => Show::Records,
    };
    let selection = selection(&args.selection, show, common)?;
    let found = dump::find(&args.paths)?;
    let sink = sink(&args, format);
    let mut out = BufWriter::with_capacity(OUTPUT_BUFFER_BYTES, stdout().lock());
    let mut witness = StandardError { common, is_damaged: false };
    for left_out in &found.left_out {
        let what =
            format!("{}, which is not followed; name it to see what it leads to", left_out.what);
        witness.damage(&Damage { path: &left_out.path, position: None, what: &what });
    }
    match dump::run(&found.sources, &selection, &*sink, &mut out, &mut witness) {
        Ok(()) => {}
        Err(Failure::Input(error)) => return Err(error.into()),
        // Kept as it is: a closed pipe must be known for one.
        Err(Failure::Output(error)) => {
            return Err(anyhow::Error::new(error).context("cannot write to standard output"));
        }
    }
    Ok(if witness.is_damaged { Outcome::Problems } else { Outcome::Clean })
}

/// Who says what a console line holds wants console lines.
fn format_of(args: &DumpArgs) -> FormatArg {
    let is_about_console = args.print.is_some() || args.key_separator.is_some();
    let default = if is_about_console { FormatArg::Console } else { FormatArg::Text };
    args.format.unwrap_or(default)
}

/// Refuses options that would have no effect: who gives one expects one.
fn check(args: &DumpArgs, format: FormatArg) -> anyhow::Result<()> {
    let is_console = format == FormatArg::Console;
    if args.encoding.is_some() && format != FormatArg::Json {
        bail!("--encoding is about the strings of JSON; add --format json");
    }
    if args.print.is_some() && !is_console {
        bail!("--print chooses the parts of a console line; add --format console");
    }
    if args.key_separator.is_some() && !is_console {
        bail!("--key-separator separates the parts of a console line; add --format console");
    }
    if is_console && !matches!(args.show, None | Some(ShowArg::Records)) {
        bail!("--format console has lines for records only; leave out --show");
    }
    Ok(())
}

fn sink(args: &DumpArgs, format: FormatArg) -> Box<dyn Sink> {
    match format {
        FormatArg::Text => Box::new(Text::new(terminal_columns())),
        FormatArg::Json => Box::new(Json::new(encoding(args.encoding))),
        FormatArg::Kafka => Box::new(Kafka),
        FormatArg::Console => {
            let fields = args.print.as_deref().unwrap_or(&[FieldArg::Value]);
            let separator = args.key_separator.as_deref().unwrap_or("\t");
            Box::new(Console::new(fields.iter().map(field).collect(), separator))
        }
    }
}

fn encoding(arg: Option<EncodingArg>) -> Encoding {
    match arg {
        None | Some(EncodingArg::Auto) => Encoding::Auto,
        Some(EncodingArg::Base64) => Encoding::Base64,
        Some(EncodingArg::Hex) => Encoding::Hex,
    }
}

fn field(arg: &FieldArg) -> Field {
    match arg {
        FieldArg::Key => Field::Key,
        FieldArg::Value => Field::Value,
        FieldArg::Timestamp => Field::Timestamp,
        FieldArg::Offset => Field::Offset,
        FieldArg::Partition => Field::Partition,
        FieldArg::Headers => Field::Headers,
    }
}

/// The width to fit lines into; none where the output is no terminal.
fn terminal_columns() -> Option<usize> {
    if !stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
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

    fn note(&mut self, text: &str) {
        if self.common.verbose > 0 {
            messages::note(text);
        }
    }
}
