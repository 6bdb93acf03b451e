//! The columns of the two tables: their names are those of the fields of JSON.
//!
//! Where Kafka writes -1 for "none" the column is null: a table has a word for that.

use std::sync::Arc;

use ::parquet::basic::{Compression, ConvertedType, Encoding, LogicalType, Repetition, TimeUnit};
use ::parquet::basic::{Type as PhysicalType, ZstdLevel};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use ::parquet::schema::types::{ColumnPath, SchemaDescriptor, Type, TypePtr};

use super::super::selection::Show;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// 64 bits.
    Long,
    /// 32 bits.
    Int,
    /// Milliseconds since the epoch, UTC.
    Moment,
    /// True or false.
    Flag,
    /// UTF-8.
    Text,
    /// Any bytes.
    Bytes,
    /// Names and bytes that may be null, as a map. Order and repeated names stay as they are.
    Headers,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// What it is called.
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) kind: Kind,
    /// Whether there may be nothing.
    pub(super) is_nullable: bool,
}

const fn always(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, is_nullable: false }
}

const fn perhaps(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, is_nullable: true }
}

/// A row a record.
const RECORDS: &[Column] = &[
    perhaps("topic", Kind::Text),
    perhaps("partition", Kind::Int),
    always("segment", Kind::Text),
    always("offset", Kind::Long),
    perhaps("timestamp", Kind::Moment),
    always("timestamp_type", Kind::Text),
    perhaps("sequence", Kind::Int),
    perhaps("producer_id", Kind::Long),
    perhaps("producer_epoch", Kind::Int),
    perhaps("leader_epoch", Kind::Int),
    always("transactional", Kind::Flag),
    perhaps("key", Kind::Bytes),
    perhaps("value", Kind::Bytes),
    always("headers", Kind::Headers),
    perhaps("control", Kind::Text),
];

/// A row a batch.
const BATCHES: &[Column] = &[
    perhaps("topic", Kind::Text),
    perhaps("partition", Kind::Int),
    always("segment", Kind::Text),
    always("position", Kind::Long),
    always("size", Kind::Long),
    always("base_offset", Kind::Long),
    always("last_offset", Kind::Long),
    perhaps("count", Kind::Int),
    always("magic", Kind::Int),
    always("codec", Kind::Text),
    always("crc", Kind::Long),
    always("valid", Kind::Flag),
    always("timestamp_type", Kind::Text),
    perhaps("base_timestamp", Kind::Moment),
    perhaps("max_timestamp", Kind::Moment),
    perhaps("producer_id", Kind::Long),
    perhaps("producer_epoch", Kind::Int),
    perhaps("base_sequence", Kind::Int),
    perhaps("last_sequence", Kind::Int),
    perhaps("leader_epoch", Kind::Int),
    always("transactional", Kind::Flag),
    always("control", Kind::Flag),
    perhaps("delete_horizon_ms", Kind::Moment),
];

/// A table as Parquet is to write it.
#[derive(Debug)]
pub(super) struct Table {
    /// Its columns.
    pub(super) columns: &'static [Column],
    /// The same in Parquet's words.
    pub(super) schema: TypePtr,
    /// The columns that are really there: a map is two.
    pub(super) leaves: SchemaDescriptor,
    /// How each is encoded.
    pub(super) properties: WriterPropertiesPtr,
}

impl Table {
    /// Of batches where only those are shown, else of records.
    pub(super) fn of(show: Show) -> Result<Table, ParquetError> {
        let (name, columns) = if show.records() { ("record", RECORDS) } else { ("batch", BATCHES) };
        let fields = columns.iter().map(|column| Ok(Arc::new(field(column)?)));
        let fields = fields.collect::<Result<Vec<TypePtr>, ParquetError>>()?;
        let schema = Arc::new(Type::group_type_builder(name).with_fields(fields).build()?);
        let leaves = SchemaDescriptor::new(schema.clone());
        Ok(Table { columns, schema, leaves, properties: Arc::new(properties(columns)?) })
    }
}

fn field(column: &Column) -> Result<Type, ParquetError> {
    let repetition = if column.is_nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    let (physical, logical) = match column.kind {
        Kind::Long => (PhysicalType::INT64, None),
        Kind::Int => (PhysicalType::INT32, None),
        Kind::Moment => {
            let utc_ms = LogicalType::timestamp(true, TimeUnit::MILLIS);
            (PhysicalType::INT64, Some(utc_ms))
        }
        Kind::Flag => (PhysicalType::BOOLEAN, None),
        Kind::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Bytes => (PhysicalType::BYTE_ARRAY, None),
        Kind::Headers => return headers(column.name),
    };
    let builder = Type::primitive_type_builder(column.name, physical);
    builder.with_repetition(repetition).with_logical_type(logical).build()
}

/// A map by the book: a group of repeated pairs.
fn headers(name: &str) -> Result<Type, ParquetError> {
    let key = Type::primitive_type_builder("key", PhysicalType::BYTE_ARRAY)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::String))
        .build()?;
    let value = Type::primitive_type_builder("value", PhysicalType::BYTE_ARRAY)
        .with_repetition(Repetition::OPTIONAL)
        .build()?;
    let pairs = Type::group_type_builder("key_value")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![Arc::new(key), Arc::new(value)])
        .build()?;
    Type::group_type_builder(name)
        .with_repetition(Repetition::REQUIRED)
        .with_converted_type(ConvertedType::MAP)
        .with_logical_type(Some(LogicalType::Map))
        .with_fields(vec![Arc::new(pairs)])
        .build()
}

fn properties(columns: &[Column]) -> Result<WriterProperties, ParquetError> {
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("logcompact version ", env!("CARGO_PKG_VERSION")).into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        // Of no use without statistics of pages, and as long as the file has pages.
        .set_offset_index_disabled(true);
    for column in columns {
        let path = ColumnPath::from(column.name);
        let is_counting = matches!(column.kind, Kind::Long | Kind::Moment);
        if is_counting && column.name != "producer_id" {
            // Neighbours differ by little, and no value comes often.
            builder = builder
                .set_column_dictionary_enabled(path, false)
                .set_column_encoding(ColumnPath::from(column.name), Encoding::DELTA_BINARY_PACKED);
        } else if column.name == "value" {
            builder = builder.set_column_statistics_enabled(path, EnabledStatistics::None);
        }
    }
    Ok(builder.build())
}
