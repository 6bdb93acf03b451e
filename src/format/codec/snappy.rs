//! Snappy bodies: framed as snappy-java's `SnappyOutputStream` does it, or one bare block.
//!
//! The framing is the library's own, not the one of the Snappy project: a header of 16 bytes, then
//! blocks, each behind its length. Kafka's Java clients and the broker write it; librdkafka writes
//! one bare block, which cannot be mistaken for a frame: behind its length a block starts with a
//! literal, and where that would stand the magic has an `N`, a copy of what came before.

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::{CodecError, Sink};

/// What a framed body starts with. The two numbers behind it, the version and the least version
/// that can read it, are not looked at: Java's reader accepts any as well.
const FRAME_MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
/// The header that Java writes: the magic, version 1, readable by version 1.
const FRAME_HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// How much of the input Java puts in one block (Kafka keeps `SnappyOutputStream`'s default).
const BLOCK_BYTES: usize = 32 << 10;
/// The most that a byte of a block can stand for, rounded up: a copy takes at least three bytes
/// for its most, 64 bytes.
const MAX_EXPANSION: usize = 22;

#[derive(Default)]
pub(super) struct Snappy {
    decoder: Decoder,
    encoder: Option<Encoder>,
    block: Vec<u8>,
}

impl Snappy {
    /// Reads a framed body, or a bare block. In a frame one to three bytes behind the last block
    /// are ignored, and another frame may follow: `SnappyInputStream` does both.
    pub(super) fn decompress(&mut self, body: &[u8], sink: &mut Sink) -> Result<(), CodecError> {
        let Some(mut rest) = skip_frame_header(body) else {
            return self.block(body, sink);
        };
        while let Some((length, blocks)) = rest.split_first_chunk() {
            // The magic would be a negative length, so this takes no block for a header.
            if let Some(blocks) = skip_frame_header(rest) {
                rest = blocks;
                continue;
            }
            let length = i32::from_be_bytes(*length);
            let (block, behind) = usize::try_from(length)
                .ok()
                .and_then(|length| blocks.split_at_checked(length))
                .ok_or_else(|| {
                    let left = blocks.len();
                    sink.malformed(format_args!("a block length says {length}, {left} are left"))
                })?;
            self.block(block, sink)?;
            rest = behind;
        }
        Ok(())
    }

    fn block(&mut self, block: &[u8], sink: &mut Sink) -> Result<(), CodecError> {
        let claimed = decompress_len(block).map_err(|error| sink.malformed(error))?;
        if claimed > block.len().saturating_mul(MAX_EXPANSION) {
            let length = block.len();
            return Err(sink.malformed(format_args!("{length} bytes claim to hold {claimed}")));
        }
        let (_, room) = sink.split(claimed);
        if room.len() < claimed {
            return Err(sink.too_large());
        }
        let written =
            self.decoder.decompress(block, room).map_err(|error| sink.malformed(error))?;
        sink.advance(written)
    }

    /// Writes a frame as Java does: no content, no block.
    pub(super) fn compress(&mut self, body: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&FRAME_HEADER);
        let encoder = self.encoder.get_or_insert_with(Encoder::new);
        self.block.resize(max_compress_len(BLOCK_BYTES), 0);
        for chunk in body.chunks(BLOCK_BYTES) {
            let written = encoder
                .compress(chunk, &mut self.block)
                .expect("the room is the most that a block can take");
            out.extend_from_slice(&(written as u32).to_be_bytes());
            out.extend_from_slice(self.block.get(..written).unwrap_or_default());
        }
    }
}

/// The blocks of a frame; `None` if this is not the start of one.
fn skip_frame_header(bytes: &[u8]) -> Option<&[u8]> {
    if bytes.starts_with(&FRAME_MAGIC) { bytes.get(FRAME_HEADER.len()..) } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::Codec;
    use super::super::tests::{TEXT, packed, unpacked};

    /// Written by kafka-clients 4.1.1.
    const KAFKA: &[u8] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x1a/4one two three j\x0e\0\
        \x14, four";
    /// One record, written by librdkafka.
    const LIBRDKAFKA: &[u8] = b"XP\xac\x01\0\0\0\x10key-0237\x8e\x010:abc\xee\x03\0\t\x03\0\0";

    #[test]
    fn a_frame_and_a_bare_block_are_told_apart() {
        assert_eq!(unpacked(Codec::Snappy, 2, KAFKA).unwrap(), TEXT);
        let record = unpacked(Codec::Snappy, 2, LIBRDKAFKA).unwrap();
        assert_eq!(record.len(), 88);
        assert!(record.starts_with(b"\xac\x01\0\0\0\x10key-0237\x8e\x010:abcabcabc"));
    }

    #[test]
    fn the_versions_of_a_frame_do_not_matter() {
        let mut body = KAFKA.to_vec();
        body[8..16].fill(9);
        assert_eq!(unpacked(Codec::Snappy, 2, &body).unwrap(), TEXT);
    }

    #[test]
    fn another_frame_may_follow_and_so_may_too_few_bytes_for_a_length() {
        let twice = unpacked(Codec::Snappy, 2, &KAFKA.repeat(2)).unwrap();
        assert_eq!(twice, TEXT.repeat(2));
        assert_eq!(unpacked(Codec::Snappy, 2, &[KAFKA, b"AAA"].concat()).unwrap(), TEXT);
        assert!(unpacked(Codec::Snappy, 2, &[KAFKA, b"AAAA"].concat()).is_err());
        assert!(unpacked(Codec::Snappy, 2, &[KAFKA, b"\0\0\0\0"].concat()).is_err());
    }

    #[test]
    fn a_block_length_below_zero_or_beyond_the_body_is_malformed() {
        for length in [-1, i32::MIN, 27, i32::MAX] {
            let mut body = KAFKA.to_vec();
            body[16..20].copy_from_slice(&i32::to_be_bytes(length));
            assert!(unpacked(Codec::Snappy, 2, &body).is_err(), "length {length}");
        }
    }

    #[test]
    fn a_bare_block_is_not_believed_when_it_claims_four_gigabytes() {
        let error = unpacked(Codec::Snappy, 2, b"\xff\xff\xff\xff\x0f\0a").unwrap_err();
        assert!(error.to_string().ends_with("7 bytes claim to hold 4294967295"), "{error}");
        assert!(unpacked(Codec::Snappy, 2, b"").is_err());
    }

    #[test]
    fn a_frame_is_written_in_blocks_of_32_kib_and_is_a_bare_header_when_empty() {
        assert_eq!(packed(Codec::Snappy, 2, b""), KAFKA[..16]);
        assert_eq!(packed(Codec::Snappy, 2, TEXT), KAFKA);
        let body = packed(Codec::Snappy, 2, &[0; (32 << 10) + 1]);
        // The second block: a length of 3, the content's length, a literal of one byte.
        assert!(body.ends_with(b"\0\0\0\x03\x01\0\0"));
    }
}
