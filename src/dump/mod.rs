//! Show what is in segments, indexes, snapshots and checkpoints; change nothing.
//!
//! `source` says what the named paths hold, `log` walks a log and `companions` the other files, a
//! `Sink` turns what they find into lines. Inspection goes as far as it can: a batch with a wrong
//! checksum is shown and marked, a stretch that is no batch is noted, and the rest goes on.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

mod companions;
mod console;
mod java_text;
mod json;
mod kafka;
mod log;
mod selection;
mod sink;
mod source;
mod text;

use std::io::{self, Write};
use std::path::PathBuf;

pub use console::{ConsoleOptions, Field};
pub use json::Encoding;
pub use selection::{OffsetRange, Selection, Show};
pub use sink::{Note, NoteKind};

use crate::error::{Error, Result};
use sink::Sink;
use source::Item;

/// How to show it.
#[derive(Clone, Debug)]
pub enum Format {
    /// For people; values are cut to fit the width, if one is given.
    Text {
        /// Columns of the terminal.
        width: Option<usize>,
    },
    /// A JSON object a line.
    Json(Encoding),
    /// The lines of `kafka-dump-log.sh`.
    Kafka,
    /// The lines of `kafka-console-consumer.sh`.
    Console(ConsoleOptions),
}

/// A validated request.
#[derive(Clone, Debug)]
pub struct DumpOptions {
    /// Files and directories.
    pub paths: Vec<PathBuf>,
    /// How.
    pub format: Format,
    /// What of it.
    pub selection: Selection,
}

/// Why a dump ended early.
#[derive(Debug)]
pub enum Stopped {
    /// The output does not take more; a closed pipe, for one.
    Output(io::Error),
    /// A path cannot be read, or is not a file of Kafka's.
    Input(Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Stopped {
        Stopped::Output(error)
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Stopped {
        Stopped::Input(error)
    }
}

/// Writes what `options` ask for to `out`; damage goes to `note` while the rest goes on.
///
/// # Errors
/// [`Stopped`]. All paths are looked at before the first line is written.
pub fn run(
    options: &DumpOptions,
    out: &mut dyn Write,
    note: &mut dyn FnMut(Note),
) -> std::result::Result<(), Stopped> {
    let items: Result<Vec<Vec<Item>>> = options.paths.iter().map(|p| source::items(p)).collect();
    let mut sink: Box<dyn Sink + '_> = match &options.format {
        Format::Text { width } => Box::new(text::Text::new(out, *width)),
        Format::Json(encoding) => Box::new(json::Json::new(out, *encoding)),
        Format::Kafka => Box::new(kafka::Kafka::new(out)),
        Format::Console(console) => Box::new(console::Console::new(out, console.clone())),
    };
    let mut left = options.selection.limit.unwrap_or(u64::MAX);
    for item in items?.iter().flatten() {
        match item {
            Item::Log(log) => log::dump(log, &options.selection, &mut left, &mut *sink, note)?,
            Item::Companion(file) => companions::dump(file, &mut *sink, note)?,
        }
    }
    Ok(())
}
