//! The file: rows come in, row groups go out in the same order.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use ::parquet::errors::ParquetError;
use ::parquet::file::writer::SerializedFileWriter;

use super::super::selection::Show;
use super::columns::Table;
use super::group::Group;
use super::rows::split_row;

/// A row group that is worth reading by itself, and no larger than need be. The end of the file
/// lists them all, at a few kilobytes each, and is in memory until then.
const MOST_GROUP_BYTES: u64 = 64 << 20;
const LEAST_GROUP_BYTES: u64 = 4 << 20;
/// What a row takes up beside its bytes while its group is encoded.
const ROW_BYTES: usize = 256;
/// Rows, their columns, these encoded: how often a group's bytes are in memory.
const COPIES: u64 = 4;

/// A Parquet file in the making; takes the rows of [`super::ParquetRows`].
pub struct ParquetFile<W: Write + Send> {
    table: Arc<Table>,
    file: SerializedFileWriter<W>,
    rows: Vec<u8>,
    /// How many bytes of these are whole rows, and what they take up in the making.
    whole_bytes: usize,
    weight_bytes: usize,
    group_bytes: usize,
    pending: VecDeque<Receiver<Result<Group, ParquetError>>>,
    most_pending: usize,
}

impl<W: Write + Send> ParquetFile<W> {
    /// Begins a file: of batches where only those are shown, else of records. What is in the
    /// making takes up `memory_bytes` more or less.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(out: W, show: Show, memory_bytes: u64) -> io::Result<ParquetFile<W>> {
        let table = Arc::new(Table::of(show).map_err(as_io)?);
        let file = SerializedFileWriter::new(out, table.schema.clone(), table.properties.clone());
        let file = file.map_err(as_io)?;
        // The same for any number of threads: where groups are cut can be seen in the file.
        let group_bytes = (memory_bytes / 16).clamp(LEAST_GROUP_BYTES, MOST_GROUP_BYTES);
        let in_memory = usize::try_from(memory_bytes / COPIES / group_bytes).unwrap_or(usize::MAX);
        // One is being filled, one written. A thread of the pool would wait for itself.
        let is_outside_pool = rayon::current_thread_index().is_none();
        let threads = if is_outside_pool { rayon::current_num_threads() } else { 0 };
        let most_pending = in_memory.saturating_sub(2).clamp(1, threads.max(1)).min(threads);
        let group_bytes = group_bytes as usize;
        Ok(ParquetFile {
            table,
            file,
            rows: Vec::new(),
            whole_bytes: 0,
            weight_bytes: 0,
            group_bytes,
            pending: VecDeque::new(),
            most_pending,
        })
    }

    /// Writes what is left, and the end of the file; gives back what it was written to.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.rows.is_empty() {
            let rows = std::mem::take(&mut self.rows);
            self.begin(rows)?;
        }
        while !self.pending.is_empty() {
            self.write_oldest()?;
        }
        self.file.into_inner().map_err(as_io)
    }

    /// Cuts off row groups that are large enough.
    fn cut(&mut self) -> io::Result<()> {
        let mut start = 0;
        while let Some((row, behind)) = self.rows.get(self.whole_bytes..).and_then(split_row) {
            self.weight_bytes += row.len() + ROW_BYTES;
            self.whole_bytes = self.rows.len() - behind.len();
            if self.weight_bytes >= self.group_bytes {
                let group = self.rows.get(start..self.whole_bytes).unwrap_or_default().to_vec();
                (start, self.weight_bytes) = (self.whole_bytes, 0);
                self.begin(group)?;
            }
        }
        self.rows.drain(..start);
        self.whole_bytes -= start;
        Ok(())
    }

    fn begin(&mut self, rows: Vec<u8>) -> io::Result<()> {
        if self.most_pending == 0 {
            let group = Group::encode(rows, &self.table).map_err(as_io)?;
            return group.write(&mut self.file).map_err(as_io);
        }
        while self.pending.len() >= self.most_pending {
            self.write_oldest()?;
        }
        let table = Arc::clone(&self.table);
        let (answer, group) = sync_channel(1);
        rayon::spawn(move || {
            // Nobody listens where writing has failed.
            let _ = answer.send(Group::encode(rows, &table));
        });
        self.pending.push_back(group);
        Ok(())
    }

    fn write_oldest(&mut self) -> io::Result<()> {
        let Some(group) = self.pending.pop_front() else { return Ok(()) };
        let group = group.recv().map_err(io::Error::other)?;
        group.and_then(|group| group.write(&mut self.file)).map_err(as_io)
    }
}

impl<W: Write + Send> Write for ParquetFile<W> {
    /// Takes rows, which need not be whole.
    fn write(&mut self, rows: &[u8]) -> io::Result<usize> {
        self.rows.extend_from_slice(rows);
        self.cut()?;
        Ok(rows.len())
    }

    /// Nothing: a row group is written when it is large enough, or the file at its end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the disk said is passed on as it was.
fn as_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(source) => io::Error::other(source),
        },
        error => io::Error::other(error),
    }
}
