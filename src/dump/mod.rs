//! What is in the files of a log, shown: batches, records, index entries, producers, checkpoints.
//!
//! The room promises: nothing is changed; files are streamed, so memory is bounded by a few
//! stretches of batches a thread; damage goes to a [`Witness`] while reading goes on; a selection
//! is found through the index, and an index that cannot be believed costs time, never records. What
//! a line looks like is the business of a [`Sink`], of which there is one for each format:
//! [`Text`], [`Json`], [`Kafka`], [`Console`], [`Csv`]; and `ParquetRows`, for what is no format of
//! lines. [`Decoded`] goes around one of the first three where the records are Kafka's own.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

mod ahead;
mod companions;
mod console;
mod consumer;
mod control;
mod csv;
mod cuts;
mod decoded;
mod decoded_kafka;
mod decoded_text;
mod deserializer;
mod encoded;
mod headed;
mod json;
mod json_text;
mod kafka;
mod order;
#[cfg(feature = "parquet")]
mod parquet;
mod printable;
mod reverse;
mod selection;
mod sink;
mod source;
mod state;
mod stretch;
mod text;
mod together;
mod transactional_ids;
mod walk;

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::units::Position;

pub use companions::Entry;
pub use console::{Console, ConsoleOptions, Field};
pub use csv::Csv;
pub use decoded::{Decode, Decoded};
pub use deserializer::Deserializer;
pub use encoded::Encoding;
pub use json::Json;
pub use kafka::Kafka;
#[cfg(feature = "parquet")]
pub use parquet::{ParquetFile, ParquetRows};
pub use selection::{Isolation, OffsetRange, RangeError, Selection, Show, TimeRange};
pub use sink::{BatchView, Ending, RecordView, Sink};
pub use source::{Content, Found, LeftOut, LogKind, Source};
pub use text::Text;
pub use transactional_ids::producers_of;

use consumer::Given;
use selection::Wanted;
use walk::Walk;

/// Hears of what is wrong with the files, and of what is only worth knowing.
pub trait Witness {
    /// Something in the data is wrong.
    fn damage(&mut self, damage: &Damage<'_>);
    /// Nothing is wrong, but this was done or left out.
    fn note(&mut self, text: &str);
    /// Nothing is wrong, but what is shown may not be all that was meant.
    fn warning(&mut self, text: &str) {
        self.note(text);
    }
}

/// A place where a file is not what Kafka writes, and what that means for the output.
#[derive(Clone, Copy, Debug)]
pub struct Damage<'a> {
    /// The file.
    pub path: &'a Path,
    /// Where in it; `None` where the file as a whole is meant.
    pub position: Option<Position>,
    /// What is wrong, and what was made of it.
    pub what: &'a str,
}

impl fmt::Display for Damage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        if let Some(position) = self.position {
            write!(f, "position {position}: ")?;
        }
        write!(f, "{}", self.what)
    }
}

/// Why a dump ended before its time. Damage in the files is no reason.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A file cannot be read, or the format has no lines for it.
    #[error(transparent)]
    Input(#[from] Error),
    /// The lines cannot be written, be it that their reader went away.
    #[error("cannot write the lines: {0}")]
    Output(#[from] io::Error),
}

/// Finds what `paths` name: files as they are, directories as the logs of their segments.
///
/// # Errors
/// A path that cannot be read, or whose name says nothing about what it holds.
pub fn find(paths: &[PathBuf]) -> Result<Found> {
    let mut found = Found::default();
    for path in paths {
        source::find(path, &mut found)?;
    }
    Ok(found)
}

/// Shows what is selected of `sources`, in their order, on `out`; where the order of a log counts,
/// log by log. The threads of rayon's current
/// pool make the lines; neither these nor their order depend on how many there are.
///
/// # Errors
/// [`Failure`].
pub fn run(
    sources: &[Source],
    selection: &Selection,
    sink: &dyn Sink,
    out: &mut dyn Write,
    witness: &mut dyn Witness,
) -> Result<(), Failure> {
    let refused = |source: &Source, reason: &str| {
        let path = source.path.display();
        Err(Error::refused(format!("{path}: {reason}")).into())
    };
    if let Some(source) = sources.iter().find(|source| !sink.can_show(&source.content)) {
        let reason = "this format has no lines for such a file; text and json have";
        return refused(source, reason);
    }
    let is_log = |source: &Source| matches!(source.content, Content::Log(_));
    if let (Some(source), Some(what)) =
        (sources.iter().find(|source| !is_log(source)), selection.only_for_logs())
    {
        return refused(source, &format!("only a .log can be selected from by {what}"));
    }
    let mut walk = Walk::new(selection, sink, out, witness);
    walk.start()?;
    for sources in together::logs_of(sources, selection) {
        if walk.is_done() {
            break;
        }
        let of_partition = sources.first().and_then(|first| selection.of(first.at.as_ref()));
        if let Some(of_partition) = of_partition {
            partition(&sources, &of_partition, &mut walk)?;
        }
    }
    walk.finish()
}

/// Shows what is selected of one partition, or of a file that was named by itself.
fn partition<'s>(
    sources: &[&'s Source],
    selection: &Selection,
    walk: &mut Walk<'_>,
) -> Result<(), Failure> {
    let as_log = |source: &'s Source| match &source.content {
        Content::Log(kind) => Some((source, kind)),
        _ => None,
    };
    let Some(mut logs) = sources.iter().copied().map(as_log).collect::<Option<Vec<_>>>() else {
        return sources.iter().try_for_each(|source| walk.companion(source));
    };
    let Some((first, _)) = logs.first() else { return Ok(()) };
    let Given { log_start, committed } = Given::of(first, selection)?;
    let mut selection = Cow::Borrowed(selection);
    if let Some(start) = log_start {
        selection.to_mut().offsets.start = start;
        walk.starts_at(first, start);
    }
    let mut wanted = Wanted::new(&selection, committed.as_ref());
    let latest = if selection.is_state { Some(state::latest_of(&logs, wanted)?) } else { None };
    if let Some(latest) = &latest {
        wanted = wanted.with_latest(latest);
    }
    if selection.is_reverse {
        logs.reverse();
    }
    for (source, kind) in logs {
        if walk.log(source, kind, wanted)? {
            break;
        }
    }
    Ok(())
}
