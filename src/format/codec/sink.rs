//! The output of a decoder, and the limit on it.

use std::fmt;

use super::{Codec, CodecError};

/// Where a decoder writes: the caller's vector, from a place in it on, and the one place that knows
/// the limit.
///
/// The vector keeps what it held before until that is overwritten, so one that is used again is
/// not filled with zeros for every batch. It may grow to one byte more than the limit: that byte
/// tells a body of exactly the limit from one that goes on.
pub(super) struct Sink<'a> {
    codec: Codec,
    limit_bytes: usize,
    bytes: &'a mut Vec<u8>,
    /// Where the output begins in `bytes`.
    start: usize,
    /// How many bytes from `start` on are output; never more than there are.
    filled: usize,
}

impl<'a> Sink<'a> {
    pub(super) fn new(
        codec: Codec,
        limit_bytes: usize,
        bytes: &'a mut Vec<u8>,
        start: usize,
    ) -> Sink<'a> {
        bytes.truncate(start.saturating_add(limit_bytes).saturating_add(1));
        Sink { codec, limit_bytes, bytes, start, filled: 0 }
    }

    /// How much output there is so far.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// The output so far.
    pub(super) fn written(&self) -> &[u8] {
        self.bytes.get(self.start..self.start + self.filled).unwrap_or_default()
    }

    /// The output so far, and the room behind it: `wanted` bytes or more, fewer only where the
    /// limit is near, never none.
    ///
    /// `wanted` is allocated, so it must not come from a length that the body merely claims.
    pub(super) fn split(&mut self, wanted: usize) -> (&[u8], &mut [u8]) {
        let ceiling = self.limit_bytes.saturating_add(1);
        let end = self.filled.saturating_add(wanted.max(1)).min(ceiling);
        let end = self.start.saturating_add(end);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let ours = self.bytes.get_mut(self.start..).unwrap_or_default();
        let (written, room) = ours.split_at_mut(self.filled);
        // A vector that is used again may reach beyond the limit of this body.
        let room_bytes = room.len().min(ceiling.saturating_sub(self.filled));
        (written, room.get_mut(..room_bytes).unwrap_or_default())
    }

    /// Takes the first `count` bytes of the room as output.
    pub(super) fn advance(&mut self, count: usize) -> Result<(), CodecError> {
        self.filled = self.filled.saturating_add(count).min(self.bytes.len() - self.start);
        if self.filled > self.limit_bytes { Err(self.too_large()) } else { Ok(()) }
    }

    /// Takes bytes that need no decoding as output.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        let (_, room) = self.split(bytes.len());
        match room.get_mut(..bytes.len()) {
            Some(room) => room.copy_from_slice(bytes),
            None => return Err(self.too_large()),
        }
        self.advance(bytes.len())
    }

    pub(super) fn too_large(&self) -> CodecError {
        CodecError::TooLarge { codec: self.codec, limit_bytes: self.limit_bytes }
    }

    pub(super) fn malformed(&self, reason: impl fmt::Display) -> CodecError {
        CodecError::Malformed { codec: self.codec, reason: reason.to_string() }
    }
}
