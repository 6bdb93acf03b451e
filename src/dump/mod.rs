//! What is in the files of a log, shown: batches, records, index entries, producers, checkpoints.
//!
//! The room promises: nothing is changed; files are streamed, so memory is bounded by a few
//! stretches of batches a thread; damage goes to a [`Witness`] while reading goes on; a selection
//! is found through the index, and an index that cannot be believed costs time, never records. What
//! a line looks like is the business of a [`Sink`], of which there is one for each format:
//! [`Text`], [`Json`], [`Kafka`], [`Console`].
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

mod ahead;
mod companions;
mod console;
mod control;
mod encoded;
mod java_string;
mod json;
mod json_text;
mod kafka;
mod printable;
mod seek;
mod select;
mod sink;
mod source;
mod stretch;
mod text;
mod walk;

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::units::Position;

pub use companions::Entry;
pub use console::{Console, Field};
pub use encoded::Encoding;
pub use json::Json;
pub use kafka::Kafka;
pub use select::{OffsetRange, RangeError, Selection, Show};
pub use sink::{BatchView, Ending, RecordView, Sink};
pub use source::{Content, Found, LeftOut, LogKind, Source};
pub use text::Text;

use walk::Walk;

/// Hears of what is wrong with the files, and of what is only worth knowing.
pub trait Witness {
    /// Something in the data is wrong.
    fn damage(&mut self, damage: &Damage<'_>);
    /// Nothing is wrong, but this was done or left out.
    fn note(&mut self, text: &str);
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

/// Shows what is selected of `sources`, in their order, on `out`. The threads of rayon's current
/// pool make the lines; neither these nor their order depend on how many there are.
///
/// # Errors
/// [`Failure`].
pub fn run(
    sources: &[Source],
    selection: Selection,
    sink: &dyn Sink,
    out: &mut dyn Write,
    witness: &mut dyn Witness,
) -> Result<(), Failure> {
    if let Some(source) = sources.iter().find(|source| !sink.can_show(&source.content)) {
        let path = source.path.display();
        let reason = "this format has no lines for such a file; text and json have";
        return Err(Error::refused(format!("{path}: {reason}")).into());
    }
    let mut walk = Walk::new(selection, sink, out, witness);
    for source in sources {
        if walk.is_done() {
            break;
        }
        match &source.content {
            Content::Log(kind) => walk.log(source, kind)?,
            _ => walk.companion(source)?,
        }
    }
    walk.finish()
}
