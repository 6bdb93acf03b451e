//! The compressed bodies of batches: the five codecs as Kafka's classes write and read them.
//!
//! What a body means is what Kafka's own readers (`Compression` and its five implementations) make
//! of it, trailing bytes and odd framings included; each file says where it is more liberal or
//! stricter than they are. Two rules hold for all: bytes of a body never panic, and no length that
//! they claim is believed before the bytes to back it are there.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

mod gzip;
mod lz4;
mod sink;
mod snappy;
mod zstd;

use std::fmt;
use std::ops::Range;

use sink::Sink;

/// The least limit on a decompressed body. By default a body may decompress to this much or to
/// 64 times its own size, whichever is more: a batch that Kafka accepted (`message.max.bytes`) is
/// far below, a decompression bomb is stopped while memory still lasts.
pub const MAX_DECOMPRESSED_BYTES: usize = 256 << 20;

/// How many times its own size a body is trusted to decompress to: the rest of the default limit,
/// and how far a claimed size is followed before the bytes have shown that they mean it.
const TRUSTED_EXPANSION: usize = 64;

/// A compression codec, as the low three bits of a batch's attributes name it (`CompressionType`
/// in Kafka).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// The records as they are.
    None,
    /// One or more gzip members.
    Gzip,
    /// Snappy blocks in the framing of the snappy-java library, or one bare block.
    Snappy,
    /// An LZ4 frame.
    Lz4,
    /// Zstandard frames (KIP-110), which magic 0 and 1 must not have.
    Zstd,
}

impl Codec {
    /// Every codec, in the order of the ids.
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// The codec of an id from 0 to 4; `None` for the ids that mean nothing.
    pub fn from_id(id: u8) -> Option<Codec> {
        Codec::ALL.get(usize::from(id)).copied()
    }

    /// The id as it stands in the attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The name as Kafka's configuration and `kafka-dump-log` write it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// The levels that it can be written at, as in Kafka (KIP-390); `None` if there is no choice.
    pub fn levels(self) -> Option<std::ops::RangeInclusive<i32>> {
        match self {
            Codec::Gzip => Some(1..=9),
            Codec::Lz4 => Some(1..=17),
            Codec::Zstd => Some(-131_072..=22),
            Codec::None | Codec::Snappy => None,
        }
    }

    /// The codec of a [`name`](Codec::name).
    pub fn from_name(name: &str) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.name() == name)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a compressed body has no content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes are not what the codec's encoders write.
    #[error("the {codec} body does not decode: {reason}")]
    Malformed {
        /// The codec that the attributes name.
        codec: Codec,
        /// What the decoder found.
        reason: String,
    },
    /// The bytes decompress to more than they may.
    #[error("the {codec} body decompresses to more than {limit_bytes} bytes")]
    TooLarge {
        /// The codec that the attributes name.
        codec: Codec,
        /// The most that this body was allowed.
        limit_bytes: usize,
    },
}

/// Room for decompressed bodies, one behind the other; its memory is used again after it was
/// cleared.
#[derive(Default)]
pub struct Room {
    bytes: Vec<u8>,
    filled: usize,
}

impl Room {
    /// How many bytes of bodies it holds.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// What it holds at a place that [`Workbench::decompress_into`] gave.
    pub fn get(&self, place: Range<usize>) -> &[u8] {
        self.bytes.get(place).unwrap_or_default()
    }

    /// Forgets what it holds, keeps the memory.
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// What it has allocated.
    pub fn allocated_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

/// Per-thread compression contexts and scratch, created once and reused for every batch.
///
/// A context comes to be when its codec is first met, so a workbench that is never used, or only
/// for reading, costs next to nothing.
#[derive(Default)]
pub struct Workbench {
    limit_bytes: Option<usize>,
    gzip: gzip::Gzip,
    snappy: snappy::Snappy,
    lz4: lz4::Lz4,
    zstd: zstd::Zstd,
}

impl Workbench {
    /// A workbench with the default limit: a body may decompress to [`MAX_DECOMPRESSED_BYTES`] or
    /// to 64 times its own size, whichever is more.
    pub fn new() -> Workbench {
        Workbench::default()
    }

    /// A workbench on which no body may decompress to more than `limit_bytes`.
    pub fn with_limit(limit_bytes: usize) -> Workbench {
        Workbench { limit_bytes: Some(limit_bytes), ..Workbench::default() }
    }

    /// A workbench that writes `codec` at `level`, within what [`Codec::levels`] says.
    pub fn with_level(codec: Codec, level: i32) -> Workbench {
        let mut workbench = Workbench::default();
        match codec {
            Codec::Gzip => workbench.gzip.level = u32::try_from(level).ok(),
            Codec::Zstd => workbench.zstd.level = Some(level),
            Codec::Lz4 => workbench.lz4.level = Some(level),
            Codec::None | Codec::Snappy => {}
        }
        workbench
    }

    /// Replaces the content of `out` with the decompressed `body`; [`Codec::None`] copies.
    ///
    /// `magic` is that of the batch or of the wrapper message: magic 0 has its own LZ4 header
    /// (KIP-57). Hand in the same `out` for every batch and leave its content alone: what it holds
    /// is overwritten, and memory that was filled once need not be filled with zeros again.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] if the bytes do not decode to their end, and
    /// [`CodecError::TooLarge`] if they decode to more than the limit; `out` is then empty.
    pub fn decompress(
        &mut self,
        codec: Codec,
        magic: u8,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let outcome = self.decompress_at(codec, magic, body, out, 0, self.limit_of(body));
        out.truncate(*outcome.as_ref().unwrap_or(&0));
        outcome.map(drop)
    }

    /// Puts the decompressed `body` behind what `room` holds, and says where it lies in it.
    ///
    /// # Errors
    /// As [`decompress`](Workbench::decompress); `room` then holds what it did before.
    pub fn decompress_into(
        &mut self,
        codec: Codec,
        magic: u8,
        body: &[u8],
        room: &mut Room,
    ) -> Result<Range<usize>, CodecError> {
        let start = room.filled;
        let limit_bytes = self.limit_of(body);
        let bytes = &mut room.bytes;
        let size_bytes = self.decompress_at(codec, magic, body, bytes, start, limit_bytes)?;
        room.filled = start + size_bytes;
        Ok(start..room.filled)
    }

    /// As [`decompress_into`](Workbench::decompress_into), as long as `room` then holds no more
    /// than `most_bytes`; `None` if it would.
    ///
    /// # Errors
    /// As there.
    pub fn decompress_within(
        &mut self,
        codec: Codec,
        magic: u8,
        body: &[u8],
        room: &mut Room,
        most_bytes: usize,
    ) -> Result<Option<Range<usize>>, CodecError> {
        let start = room.filled;
        let left_bytes = most_bytes.saturating_sub(start);
        let limit_bytes = self.limit_of(body);
        let bytes = &mut room.bytes;
        match self.decompress_at(codec, magic, body, bytes, start, limit_bytes.min(left_bytes)) {
            Ok(size_bytes) => {
                room.filled = start + size_bytes;
                Ok(Some(start..room.filled))
            }
            Err(CodecError::TooLarge { .. }) if left_bytes < limit_bytes => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn limit_of(&self, body: &[u8]) -> usize {
        let trusted_bytes = body.len().saturating_mul(TRUSTED_EXPANSION);
        self.limit_bytes.unwrap_or(MAX_DECOMPRESSED_BYTES.max(trusted_bytes))
    }

    /// How many bytes the body decompressed to, which lie in `out` from `start` on.
    fn decompress_at(
        &mut self,
        codec: Codec,
        magic: u8,
        body: &[u8],
        out: &mut Vec<u8>,
        start: usize,
        limit_bytes: usize,
    ) -> Result<usize, CodecError> {
        let mut sink = Sink::new(codec, limit_bytes, out, start);
        let outcome = match codec {
            Codec::None => sink.append(body),
            Codec::Gzip => self.gzip.decompress(body, &mut sink),
            Codec::Snappy => self.snappy.decompress(body, &mut sink),
            Codec::Lz4 => self.lz4.decompress(magic, body, &mut sink),
            Codec::Zstd => self.zstd.decompress(body, &mut sink),
        };
        outcome.map(|()| sink.filled())
    }

    /// Appends the compressed form of `body` to `out`, at Kafka's default level of each codec.
    ///
    /// Kafka reads it back to the same bytes, but would not have written the same: the libraries
    /// differ. Whether a magic may have a codec (zstd needs magic 2) is for the caller to know.
    ///
    /// # Errors
    /// None of today's encoders can fail on any bytes; a caller should not build on that.
    pub fn compress(
        &mut self,
        codec: Codec,
        magic: u8,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        match codec {
            Codec::None => out.extend_from_slice(body),
            Codec::Gzip => self.gzip.compress(body, out),
            Codec::Snappy => self.snappy.compress(body, out),
            Codec::Lz4 => self.lz4.compress(magic, body, out),
            Codec::Zstd => self.zstd.compress(body, out),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the bodies that the codecs' tests call `KAFKA` hold.
    pub(super) const TEXT: &[u8] = b"one two three one two three one two three, four";

    pub(super) fn unpacked(codec: Codec, magic: u8, body: &[u8]) -> Result<Vec<u8>, CodecError> {
        // The rest of an earlier batch must not show.
        let mut out = vec![b'!'; 100];
        let outcome = Workbench::new().decompress(codec, magic, body, &mut out);
        assert!(outcome.is_ok() || out.is_empty());
        outcome.map(|()| out)
    }

    pub(super) fn packed(codec: Codec, magic: u8, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Workbench::new().compress(codec, magic, content, &mut out).unwrap();
        out
    }

    /// Bytes that no codec can shrink.
    pub(super) fn noise(count: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .take(count)
        .collect()
    }

    #[test]
    fn ids_and_names_lead_back_to_their_codec() {
        for codec in Codec::ALL {
            assert_eq!(Codec::from_id(codec.id()), Some(codec));
            assert_eq!(Codec::from_name(codec.name()), Some(codec));
        }
        assert_eq!(Codec::from_id(5), None);
        assert_eq!(Codec::from_name("GZIP"), None);
    }

    #[test]
    fn one_workbench_brings_back_what_it_packed_whatever_came_before() {
        let mut bench = Workbench::new();
        let mut out = Vec::new();
        let long = TEXT.repeat(10_000);
        let noise = noise(200_000);
        for content in [TEXT, &long, b"", &noise, b"x", &long[..65_536], &long[..32_769]] {
            for codec in Codec::ALL {
                for magic in [0, 1, 2] {
                    let mut body = b"before".to_vec();
                    bench.compress(codec, magic, content, &mut body).unwrap();
                    let body = body.strip_prefix(b"before").unwrap();
                    assert!(
                        codec == Codec::None || bench.decompress(codec, 2, b"?", &mut out).is_err()
                    );
                    bench.decompress(codec, magic, body, &mut out).unwrap();
                    assert!(out == content, "{codec}, {} bytes", content.len());
                }
            }
        }
    }

    #[test]
    fn a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
        let content = vec![7; 100_000];
        for codec in Codec::ALL {
            let body = packed(codec, 2, &content);
            let mut out = Vec::new();
            Workbench::with_limit(100_000).decompress(codec, 2, &body, &mut out).unwrap();
            assert_eq!(out, content);
            for limit_bytes in [0, 1, 70_000, 99_999] {
                let outcome =
                    Workbench::with_limit(limit_bytes).decompress(codec, 2, &body, &mut out);
                assert_eq!(outcome, Err(CodecError::TooLarge { codec, limit_bytes }));
            }
        }
    }

    #[test]
    fn a_bomb_is_stopped_before_it_takes_more_memory_than_the_limit() {
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let body = packed(codec, 2, &vec![0; 16 << 20]);
            let mut out = Vec::new();
            let outcome = Workbench::with_limit(1 << 20).decompress(codec, 2, &body, &mut out);
            assert_eq!(outcome, Err(CodecError::TooLarge { codec, limit_bytes: 1 << 20 }));
            assert!(out.capacity() <= 3 << 20, "{codec} took {}", out.capacity());
        }
    }

    #[test]
    fn damage_at_any_place_is_an_error_or_other_bytes_but_never_a_panic() {
        let mut bench = Workbench::with_limit(64 << 10);
        let mut out = Vec::new();
        let mixed = [&TEXT.repeat(3)[..], &noise(60)].concat();
        for codec in Codec::ALL {
            for magic in [0, 2] {
                let body = packed(codec, magic, &mixed);
                for at in 0..body.len() {
                    for flip in (0..8).map(|bit| 1 << bit) {
                        let mut damaged = body.clone();
                        damaged[at] ^= flip;
                        let _ = bench.decompress(codec, magic, &damaged, &mut out);
                        assert!(out.len() <= 64 << 10);
                    }
                    let _ = bench.decompress(codec, magic, &body[..at], &mut out);
                    let _ = bench.decompress(codec, magic, &body[at..], &mut out);
                }
            }
        }
    }

    #[test]
    fn errors_name_the_codec_and_what_is_wrong() {
        let error = unpacked(Codec::Zstd, 2, b"not zstd").unwrap_err();
        assert_eq!(error.to_string(), "the zstd body does not decode: Unknown frame descriptor");
        let error = CodecError::TooLarge { codec: Codec::Lz4, limit_bytes: 9 };
        assert_eq!(error.to_string(), "the lz4 body decompresses to more than 9 bytes");
    }
}
