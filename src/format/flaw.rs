//! The ways in which a batch can be wrong, each with the name of the rule it breaks.

use super::codec::CodecError;
use crate::bytes::Overrun;

/// Why a stretch of bytes is not a batch that Kafka wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// The file ends inside the batch: a write that did not finish, or a file cut short.
    #[error("the file ends inside a batch: {needed} bytes are needed, {available} are left")]
    Torn {
        /// Bytes that the batch (or its header) takes.
        needed: u64,
        /// Bytes from its start to the end of the file.
        available: u64,
    },
    /// The length field is smaller than any batch.
    #[error("the batch length field says {claimed}, the least is {least}")]
    Length {
        /// What the field says.
        claimed: i64,
        /// The smallest value that it may have.
        least: i64,
    },
    /// A magic byte that no Kafka writes.
    #[error("magic {0} is unknown (0, 1 and 2 are known)")]
    Magic(i8),
    /// The checksum in the header is not that of the bytes.
    #[error("the CRC is {stored:#010x} but the bytes have {computed:#010x}")]
    Crc {
        /// The checksum in the header.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// Attribute bits that have no meaning for this magic.
    #[error("the attributes {0:#06x} have bits or a codec that this magic does not know")]
    Attributes(i16),
    /// The header contradicts itself.
    #[error("{0}")]
    Header(&'static str),
    /// The compressed body does not decode.
    #[error(transparent)]
    Body(#[from] CodecError),
    /// A record overruns its batch or has an impossible length.
    #[error("record {index} of the batch: {overrun}")]
    Record {
        /// Which record of the batch, from 0.
        index: u32,
        /// What did not fit.
        overrun: Overrun,
    },
    /// A record contradicts the batch it is in.
    #[error("record {index} of the batch: {reason}")]
    RecordContent {
        /// Which record of the batch, from 0.
        index: u32,
        /// The contradiction.
        reason: &'static str,
    },
    /// The batch holds fewer or more records than its header says.
    #[error("the header counts {claimed} records but the batch {found}")]
    Count {
        /// The header's count.
        claimed: i64,
        /// What was found, in words.
        found: &'static str,
    },
    /// A compressed message set that cannot be unfolded.
    #[error("compressed message set: {0}")]
    Wrapper(&'static str),
}

impl Flaw {
    /// The rule that is broken, a short name that stays the same from release to release.
    pub fn rule(&self) -> &'static str {
        match self {
            Flaw::Torn { .. } => "batch-torn",
            Flaw::Length { .. } => "batch-length",
            Flaw::Magic(_) => "batch-magic",
            Flaw::Crc { .. } => "batch-crc",
            Flaw::Attributes(_) => "batch-attributes",
            Flaw::Header(_) => "batch-header",
            Flaw::Body(_) => "batch-body",
            Flaw::Record { .. } => "record-length",
            Flaw::RecordContent { .. } => "record-content",
            Flaw::Count { .. } => "record-count",
            Flaw::Wrapper(_) => "message-set",
        }
    }
}
