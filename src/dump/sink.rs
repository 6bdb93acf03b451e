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
    /// What [`Sink::common`] made of that file.
    pub common: &'a [u8],
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
    /// Bytes at its end that Kafka's readers take for a batch that is not all there (yet).
    pub trailing_bytes: u64,
    /// Whether it held anything at all, selected or not.
    pub is_empty: bool,
}

/// Makes the lines of one format.
///
/// It has no state that goes from line to line, so that any thread can make any of them; where
/// they go is the business of the caller.
pub trait Sink: Sync {
    /// Whether the format has lines for such a file.
    fn can_show(&self, _content: &Content) -> bool {
        true
    }

    /// Whether control records are part of the format.
    fn shows_control(&self) -> bool {
        true
    }

    /// The output begins, before any file.
    fn head(&self, _out: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    /// What every record's line of a file has in common; given back as [`BatchView::common`].
    fn common(&self, _source: &Source) -> Vec<u8> {
        Vec::new()
    }

    /// Whether a file's beginning and end are part of the format even if nothing of it is selected.
    fn names_all_files(&self) -> bool {
        false
    }

    /// A file begins.
    fn begin(&self, _out: &mut Vec<u8>, _source: &Source, _is_first: bool) -> io::Result<()> {
        Ok(())
    }

    /// A batch of the file.
    fn batch(&self, out: &mut Vec<u8>, batch: &BatchView<'_>) -> io::Result<()>;

    /// A record of the file. One that the format cannot show is [`io::ErrorKind::InvalidData`],
    /// and is told as damage.
    fn record(&self, out: &mut Vec<u8>, view: &RecordView<'_>) -> io::Result<()>;

    /// An entry of a file that holds no batches.
    fn entry(&self, out: &mut Vec<u8>, source: &Source, entry: &Entry<'_>) -> io::Result<()>;

    /// Whether the format has no line for the entry with this number, from 0, nor for any behind.
    fn ends_at(&self, _source: &Source, _number: usize, _entry: &Entry<'_>) -> bool {
        false
    }

    /// The file ends. Not called where the limit ended the output before.
    fn end(&self, _out: &mut Vec<u8>, _source: &Source, _ending: &Ending) -> io::Result<()> {
        Ok(())
    }
}
