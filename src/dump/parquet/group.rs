//! A row group: rows turned into column chunks, encoded and compressed, in memory.

use ::bytes::Bytes;
use ::parquet::column::writer::{ColumnCloseResult, ColumnWriter, get_column_writer};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};

use super::columns::{Column, Kind, Table};
use super::rows::{Cells, split_row};

/// A row group that is ready to be written.
pub(super) struct Group {
    chunks: Vec<Chunk>,
}

/// A column of a row group.
struct Chunk {
    bytes: Bytes,
    close: ColumnCloseResult,
}

impl Group {
    /// Makes one of `rows`.
    pub(super) fn encode(rows: Vec<u8>, table: &Table) -> Result<Group, ParquetError> {
        let rows = Bytes::from(rows);
        let mut columns: Vec<Values> = table.columns.iter().map(Values::of).collect();
        let mut rest = &*rows;
        while let Some((row, behind)) = split_row(rest) {
            let mut cells = Cells(row);
            for column in &mut columns {
                column.push(&mut cells, &rows).ok_or_else(cut_short)?;
            }
            rest = behind;
        }
        let mut chunks = Vec::new();
        // Each column's values go as soon as they are encoded.
        for column in columns {
            column.encode(table, &mut chunks)?;
        }
        Ok(Group { chunks })
    }

    /// Writes it behind the others.
    pub(super) fn write<W: std::io::Write + Send>(
        self,
        file: &mut SerializedFileWriter<W>,
    ) -> Result<(), ParquetError> {
        let mut group = file.next_row_group()?;
        for Chunk { bytes, close } in self.chunks {
            group.append_column(&bytes, close)?;
        }
        group.close().map(drop)
    }
}

fn cut_short() -> ParquetError {
    ParquetError::General("a row ends inside a cell".into())
}

/// The values of a column, and which of them are there.
enum Values {
    Longs(Leaf<Int64Type>),
    Ints(Leaf<Int32Type>),
    Flags(Leaf<BoolType>),
    Bytes(Leaf<ByteArrayType>),
    Headers { names: Leaf<ByteArrayType>, values: Leaf<ByteArrayType> },
}

/// What Parquet calls a column: values, and for each place how much of the path to it is there.
struct Leaf<T: DataType> {
    values: Vec<T::T>,
    /// Empty where all are there.
    definitions: Vec<i16>,
    /// Empty where a row has one place; else 0 where a row begins.
    repetitions: Vec<i16>,
    is_nullable: bool,
}

impl<T: DataType> Leaf<T> {
    fn new(is_nullable: bool) -> Leaf<T> {
        Leaf { values: Vec::new(), definitions: Vec::new(), repetitions: Vec::new(), is_nullable }
    }

    /// Adds a row's value; `None` where a value must be and is not.
    fn push(&mut self, value: Option<T::T>) -> Option<()> {
        if self.is_nullable {
            self.definitions.push(value.is_some().into());
        } else if value.is_none() {
            return None;
        }
        self.values.extend(value);
        Some(())
    }

    /// Adds what is on `level` of the path in a place of a row.
    fn push_at(&mut self, repetition: i16, level: i16, value: Option<T::T>) {
        self.repetitions.push(repetition);
        self.definitions.push(level);
        self.values.extend(value);
    }

    fn encode(self, table: &Table, chunks: &mut Vec<Chunk>) -> Result<(), ParquetError> {
        let levels = |levels: &[i16]| (!levels.is_empty()).then_some(levels.to_vec());
        let leaf = table.leaves.column(chunks.len());
        let mut out = TrackedWrite::new(Vec::new());
        let pages = Box::new(SerializedPageWriter::new(&mut out));
        let mut writer = get_column_writer(leaf, table.properties.clone(), pages);
        let (definitions, repetitions) = (levels(&self.definitions), levels(&self.repetitions));
        write::<T>(&mut writer, &self.values, definitions.as_deref(), repetitions.as_deref())?;
        let close = writer.close()?;
        chunks.push(Chunk { bytes: out.into_inner()?.into(), close });
        Ok(())
    }
}

fn write<T: DataType>(
    writer: &mut ColumnWriter<'_>,
    values: &[T::T],
    definitions: Option<&[i16]>,
    repetitions: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let writer = T::get_column_writer_mut(writer)
        .ok_or_else(|| ParquetError::General("a column of another type".into()))?;
    writer.write_batch(values, definitions, repetitions).map(drop)
}

impl Values {
    fn of(column: &Column) -> Values {
        let is_nullable = column.is_nullable;
        match column.kind {
            Kind::Long | Kind::Moment => Values::Longs(Leaf::new(is_nullable)),
            Kind::Int => Values::Ints(Leaf::new(is_nullable)),
            Kind::Flag => Values::Flags(Leaf::new(is_nullable)),
            Kind::Text | Kind::Bytes => Values::Bytes(Leaf::new(is_nullable)),
            Kind::Headers => Values::Headers { names: Leaf::new(false), values: Leaf::new(true) },
        }
    }

    /// Takes its cell of the row, part of `rows`; `None` where it does not fit.
    fn push(&mut self, cells: &mut Cells<'_>, rows: &Bytes) -> Option<()> {
        let shared = |bytes: &[u8]| ByteArray::from(rows.slice_ref(bytes));
        match self {
            Values::Longs(leaf) => leaf.push(cells.long()?),
            Values::Ints(leaf) => {
                let value = cells.long()?.map(i32::try_from).transpose();
                leaf.push(value.ok()?)
            }
            Values::Flags(leaf) => leaf.push(cells.long()?.map(|value| value != 0)),
            Values::Bytes(leaf) => leaf.push(cells.bytes()?.map(shared)),
            Values::Headers { names, values } => {
                let count = cells.count()?;
                if count == 0 {
                    names.push_at(0, 0, None);
                    values.push_at(0, 0, None);
                }
                for index in 0..count {
                    let repetition = i16::from(index > 0);
                    names.push_at(repetition, 1, Some(shared(cells.counted()?)));
                    let value = cells.bytes()?.map(shared);
                    values.push_at(repetition, 1 + i16::from(value.is_some()), value);
                }
                Some(())
            }
        }
    }

    fn encode(self, table: &Table, chunks: &mut Vec<Chunk>) -> Result<(), ParquetError> {
        match self {
            Values::Longs(leaf) => leaf.encode(table, chunks),
            Values::Ints(leaf) => leaf.encode(table, chunks),
            Values::Flags(leaf) => leaf.encode(table, chunks),
            Values::Bytes(leaf) => leaf.encode(table, chunks),
            Values::Headers { names, values } => {
                names.encode(table, chunks)?;
                values.encode(table, chunks)
            }
        }
    }
}
