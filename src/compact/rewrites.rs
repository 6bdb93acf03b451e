//! What is rewritten whether or not compaction has a reason to: keys that are erased, bodies that
//! are encoded anew, segments that are cut anew. Kafka's cleaner does none of it.

use std::sync::Arc;

use super::erased_keys::ErasedKeys;
use crate::format::{BatchHeader, Codec, Compression, MessageFormat};

/// What was asked for; by default, nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rewrites {
    /// Keys of which no record is to be left.
    pub erased: Option<Arc<ErasedKeys>>,
    /// How every batch is to be compressed.
    pub compression: Option<Compression>,
    /// Segments are filled up to `segment.bytes` with what is written, instead of being grouped by
    /// what they were before.
    pub segments_anew: bool,
}

impl Rewrites {
    /// Whether anything was asked for.
    pub fn is_any(&self) -> bool {
        self.erased.is_some() || self.compression.is_some() || self.segments_anew
    }

    /// Of what was asked for, what takes records out.
    pub fn only_erasing(&self) -> Rewrites {
        Rewrites { erased: self.erased.clone(), ..Rewrites::default() }
    }

    /// Whether a batch that loses nothing is to be encoded anew. Markers are not compressed, as in
    /// Kafka, and a batch without records has no body.
    pub fn recodes(&self, header: &BatchHeader, format: MessageFormat) -> bool {
        let Some(Compression { codec, level }) = self.compression else { return false };
        let is_wanted = header.codec() != codec || level.is_some();
        let has_body = !header.is_control() && header.record_count != 0;
        is_wanted && has_body && may_become(header, codec, format)
    }

    /// The codec of what is rebuilt from a batch.
    pub fn codec_of(&self, header: &BatchHeader, format: MessageFormat) -> Codec {
        match self.compression {
            Some(_) if header.is_control() => header.codec(),
            Some(Compression { codec, .. }) if may_become(header, codec, format) => codec,
            _ => header.codec(),
        }
    }

    /// Whether a batch keeps its codec only because its old message format has no choice.
    pub fn must_keep_codec(&self, header: &BatchHeader, format: MessageFormat) -> bool {
        let differs = |wanted: Compression| {
            wanted.codec != header.codec() && !may_become(header, wanted.codec, format)
        };
        !header.is_control() && self.compression.is_some_and(differs)
    }
}

/// Whether what becomes of a batch may have that codec. Kept as magic 0 or 1, a message by itself
/// has none; a set would have to be taken apart for `none`, and never had zstd (KIP-110).
fn may_become(header: &BatchHeader, codec: Codec, format: MessageFormat) -> bool {
    let is_legacy = header.magic < 2 && format == MessageFormat::Keep;
    let has_choice = header.is_wrapper() && !matches!(codec, Codec::None | Codec::Zstd);
    !is_legacy || has_choice
}
