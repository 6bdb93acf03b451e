//! What a dump finds, one thing at a time, and the trait that turns it into output.

use std::io;
use std::path::{Path, PathBuf};

use super::source::LogItem;
use crate::format::{Batch, Control, Record};
use crate::segment::{
    AbortedTxn, EpochEntry, IndexEntry, PartitionMetadata, ProducerEntry, TimeEntry, TopicPartition,
};
use crate::units::{Offset, Position};

/// A batch and what reading it brought to light.
pub struct ShownBatch<'a> {
    /// The log it lies in.
    pub log: &'a LogItem,
    /// Where.
    pub position: Position,
    /// The batch.
    pub batch: &'a Batch<'a>,
    /// Its first offset; of a compressed magic 0/1 set that of its first message.
    pub base_offset: Offset,
    /// Its records, as counted in a magic 0/1 set; else as its header says.
    pub count: i64,
    /// Whether its checksum holds.
    pub is_valid: bool,
}

/// A record and the batch it is of.
pub struct ShownRecord<'a> {
    /// The batch.
    pub batch: &'a ShownBatch<'a>,
    /// The record.
    pub record: &'a Record<'a>,
    /// What kind of control record it is, if it is one.
    pub control: Option<Control>,
}

/// An entry of a file that is not a log.
#[derive(Clone, Copy)]
pub enum Entry<'a> {
    /// Of an `.index`.
    Offset(IndexEntry),
    /// Of a `.timeindex`.
    Time(TimeEntry),
    /// Of a `.txnindex`.
    Aborted(AbortedTxn),
    /// Of a `.snapshot`.
    Producer(&'a ProducerEntry),
    /// Of `leader-epoch-checkpoint`.
    Epoch(EpochEntry),
    /// `partition.metadata`.
    Metadata(&'a PartitionMetadata),
    /// Of an offset checkpoint.
    Checkpoint(&'a TopicPartition, Offset),
}

/// Turns what is found into output.
pub trait Sink {
    /// A log file begins.
    fn log_file(&mut self, log: &LogItem) -> io::Result<()>;
    /// A batch, if batches are shown.
    fn batch(&mut self, batch: &ShownBatch<'_>) -> io::Result<()>;
    /// A record, if records are shown.
    fn record(&mut self, record: &ShownRecord<'_>) -> io::Result<()>;
    /// Bytes at the end of a log that are no batch.
    fn trailing_bytes(&mut self, _log: &LogItem, _bytes: u64) -> io::Result<()> {
        Ok(())
    }
    /// A file that is not a log begins; it has so many entries.
    fn companion_file(&mut self, path: &Path, entries: usize) -> io::Result<()>;
    /// One of its entries.
    fn entry(&mut self, path: &Path, entry: &Entry<'_>) -> io::Result<()>;
}

/// Something that the reader should know besides the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub position: Position,
    /// What it is.
    pub text: String,
    /// How bad it is.
    pub kind: NoteKind,
}

/// How bad a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// The data is damaged.
    Damage,
    /// The end of the log is still being written, or preallocated.
    Tail,
}
