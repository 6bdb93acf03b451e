//! `logcompact dump`: validates the options and runs the dump.

use std::io::{self, BufWriter, IsTerminal, Write};

use super::args::{CommonArgs, DumpArgs, EncodingArg, FormatArg, PrintArg, ShowArg};
use super::{Outcome, messages};
use crate::dump::{
    self, ConsoleOptions, DumpOptions, Encoding, Field, Format, Note, NoteKind, OffsetRange,
    Selection, Show, Stopped,
};

/// Runs the command.
pub fn run(args: DumpArgs, common: &CommonArgs) -> anyhow::Result<Outcome> {
    let options = options(args);
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut outcome = Outcome::Clean;
    let mut note = |note: Note| {
        let text = format!("{}: position {}: {}", note.path.display(), note.position, note.text);
        match note.kind {
            NoteKind::Damage => {
                outcome = Outcome::Problems;
                messages::warning(&text);
            }
            NoteKind::Tail if common.verbose > 0 => messages::warning(&text),
            NoteKind::Tail => {}
        }
    };
    let stopped = dump::run(&options, &mut out, &mut note);
    let flushed = out.flush();
    match stopped {
        Ok(()) => flushed?,
        Err(Stopped::Output(error)) => return Err(error.into()),
        Err(Stopped::Input(error)) => return Err(error.into()),
    }
    Ok(outcome)
}

fn options(args: DumpArgs) -> DumpOptions {
    let default_show =
        if args.format == FormatArg::Kafka { ShowArg::All } else { ShowArg::Records };
    let show = match args.show.unwrap_or(default_show) {
        ShowArg::Records => Show::Records,
        ShowArg::Batches => Show::Batches,
        ShowArg::All => Show::All,
    };
    let format = match args.format {
        FormatArg::Text => Format::Text { width: terminal_width() },
        FormatArg::Json => Format::Json(match args.encoding {
            EncodingArg::Auto => Encoding::Auto,
            EncodingArg::Base64 => Encoding::Base64,
            EncodingArg::Hex => Encoding::Hex,
        }),
        FormatArg::Kafka => Format::Kafka,
        FormatArg::Console => Format::Console(ConsoleOptions {
            fields: args.print.iter().map(|field| console_field(*field)).collect(),
            key_separator: args.key_separator.unwrap_or_else(|| "\t".to_owned()),
        }),
    };
    let offsets = args.offsets.unwrap_or(OffsetRange::ALL);
    let selection = Selection { show, offsets, limit: args.limit };
    DumpOptions { paths: args.paths, format, selection }
}

fn console_field(field: PrintArg) -> Field {
    match field {
        PrintArg::Key => Field::Key,
        PrintArg::Value => Field::Value,
        PrintArg::Timestamp => Field::Timestamp,
        PrintArg::Offset => Field::Offset,
        PrintArg::Partition => Field::Partition,
        PrintArg::Headers => Field::Headers,
    }
}

/// The width that lines must fit, if somebody looks at them.
fn terminal_width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}
