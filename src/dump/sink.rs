//! What a format must be able to show. One implementation for each format.

use std::io;

use super::companions::Entry;
use super::source::{Content, Source};
use crate::format::{BatchHeader, Record};
use crate::units::Position;

/// A batch about to be shown.
#[derive(Clone, Copy, Debug)]
pub struct BatchView<'a> {
    /// The file that it is in.
    pub source: &'a Source,
    /// Where it starts.
    pub position: Position,
    /// Its header. For a compressed magic 0/1 set that decodes, base offset and count are those of
    /// the messages inside; for one that does not, the count stays -1.
    pub header: BatchHeader,
    /// Whether checksum and header hold. The body is not part of this: a batch can be valid and
    /// still not decode, as for Kafka's own tool.
    pub is_valid: bool,
}

/// A record about to be shown.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    /// The batch that it is in.
    pub batch: &'a BatchView<'a>,
    /// The record.
    pub record: Record<'a>,
}

/// How a file ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ending {
    /// The size of the file.
    pub size_bytes: u64,
    /// Bytes at its end that are no batch, nothing sound behind them.
    pub trailing_bytes: u64,
    /// Whether it held anything at all, selected or not.
    pub is_empty: bool,
}

/// Writes lines of one format.
pub trait Sink {
    /// Whether the format has lines for such a file.
    fn can_show(&self, _content: &Content) -> bool {
        true
    }

    /// Whether control records are part of the format.
    fn shows_control(&self) -> bool {
        true
    }

    /// A file begins.
    fn begin(&mut self, _source: &Source) -> io::Result<()> {
        Ok(())
    }

    /// A batch of the file.
    fn batch(&mut self, batch: &BatchView<'_>) -> io::Result<()>;

    /// A record of the file.
    fn record(&mut self, view: &RecordView<'_>) -> io::Result<()>;

    /// An entry of a file that holds no batches.
    fn entry(&mut self, source: &Source, entry: &Entry<'_>) -> io::Result<()>;

    /// The file ends. Not called where the limit ended the output before.
    fn end(&mut self, _source: &Source, _ending: &Ending) -> io::Result<()> {
        Ok(())
    }

    /// Nothing comes any more: what is buffered must go out.
    fn finish(&mut self) -> io::Result<()>;
}
