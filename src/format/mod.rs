//! What the bytes of a log mean: batches, records, control records, codecs.
//!
//! Pure functions over slices: no files, no policies, no allocation to look at a header. Everything
//! here reads hostile bytes, so nothing indexes, unwraps or trusts a length field.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

mod batch;
mod builder;
pub mod codec;
mod compression;
mod control;
mod decoder;
mod encode;
mod fields;
mod flaw;
mod legacy;
mod partitioner;
mod record;
mod split;
mod sweep;

pub use batch::{
    Attributes, Batch, BatchHeader, CRC_AT, HEADER_BYTES, MAGIC_AT, SUMMED_FROM, TimestampType,
};
pub use builder::{Appended, BatchBuilder, NewRecord};
pub use codec::Codec;
pub use compression::Compression;
pub use control::{Control, EndMarker};
pub use decoder::{Decoder, Records, RecordsV2, Reread};
pub use encode::{EmptyBatch, Rebuild, RebuildError, recode};
pub use flaw::Flaw;
pub use legacy::{MessageFormat, MessageSet, rebuild_message_set};
pub use partitioner::Partitioner;
pub use record::{Header, Headers, MessageCrc, Record};
pub use split::{SplitError, split};
pub use sweep::Sweep;
