//! What a round of compaction read, left as it was, and wrote.

use serde::Serialize;

use crate::units::Offset;

/// One partition's round.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoundReport {
    /// Its number, from 1 on.
    pub number: u64,
    /// What it was: `backfill`, `incremental`, `full`, `rebase`, `reindex`; `nothing`, where
    /// there was nothing to do; `refused`, where the rounds before cannot be gone on with.
    pub kind: &'static str,
    /// The first offset that was read of the source.
    pub start_offset: Offset,
    /// The last offset that is compacted now; -1 if there is none.
    pub high_watermark: Offset,
    /// Segments of the source that were opened, and of what it is rebased on.
    pub segments_opened: usize,
    /// Bytes of their logs that were read.
    pub source_bytes_read: u64,
    /// Bytes of the destination's log that were read.
    pub destination_bytes_read: u64,
    /// Bytes of the key index that were read.
    pub index_bytes_read: u64,
    /// Compacted segments that keep their files.
    pub segments_untouched: usize,
    /// Compacted segments that were written anew.
    pub segments_rewritten: usize,
    /// Segments that were written of the source.
    pub segments_new: usize,
    /// Superseded records in segments that were not worth writing anew yet.
    pub superseded_waiting: u64,
}

impl RoundReport {
    /// A round that was not begun.
    pub fn refused() -> RoundReport {
        RoundReport { kind: "refused", ..RoundReport::nothing(0, Offset(-1), 0) }
    }

    /// Nothing was to do in the round `number`, the last one.
    pub fn nothing(number: u64, high_watermark: Offset, segments: usize) -> RoundReport {
        RoundReport {
            number,
            kind: "nothing",
            start_offset: high_watermark.next(),
            high_watermark,
            segments_opened: 0,
            source_bytes_read: 0,
            destination_bytes_read: 0,
            index_bytes_read: 0,
            segments_untouched: segments,
            segments_rewritten: 0,
            segments_new: 0,
            superseded_waiting: 0,
        }
    }

    /// Whether nothing was to do.
    pub fn is_idle(&self) -> bool {
        self.kind == "nothing"
    }

    /// Whether it built upon earlier rounds.
    pub fn is_upon_others(&self) -> bool {
        matches!(self.kind, "incremental" | "reindex" | "nothing")
    }
}
