//! LZ4 bodies: one frame of the LZ4 frame format, walked here over the block coder.
//!
//! 1. magic number, little-endian;
//! 2. descriptor: flags, block size, content size if flagged, and one byte of checksum over these;
//! 3. blocks: a length whose high bit says "stored as it is", the bytes, a checksum if flagged;
//! 4. a length of zero (its high bit does not matter), a checksum of the content if flagged.
//!
//! Kafka before 0.10 took the descriptor's checksum over the magic number as well. Messages of
//! magic 0 keep that mistake for ever (KIP-57): it is written for them, and as Kafka's reader
//! (`Lz4BlockInputStream`) does not look at their checksum, nor does this one. That reader is
//! mirrored except in two things: it refuses blocks that refer to earlier ones, which are read
//! here, and it passes over the content's checksum, which is compared here. Neither compares the
//! content's size.

use lz4::block::{CompressionMode, compress_to_buffer};
use lz4_flex::block::{
    CompressTable, DecompressError, compress_into_with_table, decompress_into,
    decompress_into_with_dict, get_maximum_output_size,
};
use xxhash_rust::xxh32::xxh32;

use super::{CodecError, Sink};

/// What a frame starts with: 0x184D2204.
const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Version 1 of the format, in the high bits of the flags.
const VERSION_1: u8 = 1 << 6;
const INDEPENDENT_BLOCKS: u8 = 1 << 5;
const BLOCK_CHECKSUMS: u8 = 1 << 4;
const CONTENT_SIZE: u8 = 1 << 3;
const CONTENT_CHECKSUM: u8 = 1 << 2;
/// A dictionary id, which Kafka refuses, and a bit without meaning.
const REFUSED: u8 = 0b11;
/// In a block's length: the bytes are stored as they are.
const STORED: u32 = 1 << 31;
/// How far back a match may reach, and so what a linked block can need of the output before it.
const WINDOW_BYTES: usize = 64 << 10;
/// The flags and the block size that Kafka writes (`Lz4BlockOutputStream`).
const KAFKA_DESCRIPTOR: [u8; 2] = [VERSION_1 | INDEPENDENT_BLOCKS, 4 << 4];
/// The block size that they stand for.
const BLOCK_BYTES: usize = 64 << 10;
/// The level that stands for the quick encoder, between those of the thorough one (KIP-390).
pub(super) const DEFAULT_LEVEL: i32 = 9;
/// The most that a byte of a block can stand for: a length goes on in steps of 255.
const MAX_EXPANSION: usize = 255;

/// What the descriptor says of the blocks.
struct Frame {
    max_block_bytes: usize,
    linked: bool,
    block_checksums: bool,
    content_checksum: bool,
}

#[derive(Default)]
pub(super) struct Lz4 {
    /// From 1 to 17; [`DEFAULT_LEVEL`] if nothing is said.
    pub(super) level: Option<i32>,
    table: CompressTable,
    /// Room for one block that is being written.
    block: Vec<u8>,
}

impl Lz4 {
    /// Reads one frame up to its end mark; what follows is ignored, as Kafka's reader never asks.
    pub(super) fn decompress(
        &mut self,
        magic: u8,
        body: &[u8],
        sink: &mut Sink,
    ) -> Result<(), CodecError> {
        let mut rest = body;
        let frame = read_header(magic, &mut rest).map_err(|reason| sink.malformed(reason))?;
        loop {
            let length = take_u32(&mut rest).ok_or_else(|| sink.malformed("no end mark"))?;
            let bytes = (length & !STORED) as usize;
            if bytes == 0 {
                break;
            }
            if bytes > frame.max_block_bytes {
                return Err(sink.malformed(format_args!("a block length says {bytes}")));
            }
            let block =
                rest.split_off(..bytes).ok_or_else(|| sink.malformed("a block is cut short"))?;
            if frame.block_checksums && take_u32(&mut rest) != Some(xxh32(block, 0)) {
                return Err(sink.malformed("a block's checksum is not that of its bytes"));
            }
            if length & STORED != 0 {
                sink.append(block)?;
            } else {
                self.read_block(&frame, block, sink)?;
            }
        }
        if frame.content_checksum && take_u32(&mut rest) != Some(xxh32(sink.written(), 0)) {
            return Err(sink.malformed("the content's checksum is not that of the content"));
        }
        Ok(())
    }

    fn read_block(&self, frame: &Frame, block: &[u8], sink: &mut Sink) -> Result<(), CodecError> {
        let most = block.len().saturating_mul(MAX_EXPANSION).min(frame.max_block_bytes);
        let (written, room) = sink.split(most);
        let is_near_limit = room.len() < most;
        let room = room.get_mut(..most.min(room.len())).unwrap_or_default();
        let outcome = if frame.linked {
            let window = written.len().saturating_sub(WINDOW_BYTES);
            let window = written.get(window..).unwrap_or_default();
            decompress_into_with_dict(block, room, window)
        } else {
            decompress_into(block, room)
        };
        match outcome {
            Ok(count) => sink.advance(count),
            Err(DecompressError::OutputTooSmall { .. }) if is_near_limit => Err(sink.too_large()),
            Err(error) => Err(sink.malformed(error)),
        }
    }

    /// Writes a frame as `Lz4BlockOutputStream` does: independent blocks of 64 KiB, no checksum
    /// but the header's, a block that does not shrink stored as it is.
    pub(super) fn compress(&mut self, magic: u8, body: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&KAFKA_DESCRIPTOR);
        let summed = if magic == 0 { start } else { start.saturating_add(MAGIC.len()) };
        out.push(header_checksum(out.get(summed..).unwrap_or_default()));

        let most = get_maximum_output_size(BLOCK_BYTES);
        if self.block.len() < most {
            self.block.resize(most, 0);
        }
        for chunk in body.chunks(BLOCK_BYTES) {
            let written = self.write_block(chunk);
            let shrunk = self.block.get(..written).filter(|block| block.len() < chunk.len());
            let (length, block) = match shrunk {
                Some(block) => (written as u32, block),
                None => (chunk.len() as u32 | STORED, chunk),
            };
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(block);
        }
        out.extend_from_slice(&0_u32.to_le_bytes());
    }

    /// How many bytes of its room the block takes. As in Kafka, every level but the default is the
    /// thorough encoder's, which the C library has alone.
    fn write_block(&mut self, chunk: &[u8]) -> usize {
        let level = self.level.filter(|level| *level != DEFAULT_LEVEL);
        let written = match level.map(CompressionMode::HIGHCOMPRESSION) {
            None => compress_into_with_table(chunk, &mut self.block, &mut self.table).ok(),
            mode => compress_to_buffer(chunk, mode, false, &mut self.block).ok(),
        };
        written.expect("the room is the most that a block can take")
    }
}

fn read_header(magic: u8, rest: &mut &[u8]) -> Result<Frame, &'static str> {
    const SHORT: &str = "the frame header is cut short";
    if take(rest) != Some(MAGIC) {
        return Err("no LZ4 frame magic");
    }
    let descriptor = *rest;
    let [flags, block_size] = take(rest).ok_or(SHORT)?;
    if flags & CONTENT_SIZE != 0 {
        take::<8>(rest).ok_or(SHORT)?;
    }
    let descriptor = descriptor.strip_suffix(*rest).unwrap_or_default();
    let [checksum] = take(rest).ok_or(SHORT)?;

    if flags & !0x3f != VERSION_1 {
        return Err("the frame version is unknown");
    }
    if flags & REFUSED != 0 {
        return Err("the frame needs a dictionary, or has an unknown flag");
    }
    let max_block_bytes = match block_size {
        0x40 => 64 << 10,
        0x50 => 256 << 10,
        0x60 => 1 << 20,
        0x70 => 4 << 20,
        _ => return Err("the block size is unknown"),
    };
    if magic > 0 && checksum != header_checksum(descriptor) {
        return Err("the frame header's checksum is not that of the header");
    }
    Ok(Frame {
        max_block_bytes,
        linked: flags & INDEPENDENT_BLOCKS == 0,
        block_checksums: flags & BLOCK_CHECKSUMS != 0,
        content_checksum: flags & CONTENT_CHECKSUM != 0,
    })
}

/// The second byte of the hash, as the frame format has it.
fn header_checksum(descriptor: &[u8]) -> u8 {
    (xxh32(descriptor, 0) >> 8) as u8
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use lz4_flex::block::{compress, compress_with_dict};

    use super::super::tests::{TEXT, noise, packed, unpacked};
    use super::super::{Codec, Workbench};
    use super::header_checksum;

    /// Written by kafka-clients 4.1.1 for magic 1 and 2; for magic 0 the seventh byte is 0x1a.
    const KAFKA: &[u8] = b"\x04\"M\x18`@\x82\x19\0\0\0\xefone two three \x0e\0\x08`, four\0\0\0\0";
    /// Written by lz4-java 1.8.0: blocks of 256 KiB, every checksum, and the content's size.
    const CHECKED: &[u8] = b"\x04\"M\x18\x7c\x50\x2f\0\0\0\0\0\0\0\x43\x19\0\0\0\xefone two three \
        \x0e\0\x08`, four\x5b\x6e\x1b\xdc\0\0\0\0\x1e\xff\x2d\x34";

    fn frame(flags: u8, block_size: u8, blocks: &[&[u8]]) -> Vec<u8> {
        let descriptor = [flags, block_size];
        let mut frame = b"\x04\"M\x18".to_vec();
        frame.extend(descriptor);
        frame.push(header_checksum(&descriptor));
        for block in blocks {
            frame.extend((block.len() as u32).to_le_bytes());
            frame.extend(*block);
        }
        frame.extend([0; 4]);
        frame
    }

    #[test]
    fn frames_are_written_as_kafka_writes_them_with_the_old_checksum_for_magic_0() {
        assert_eq!(packed(Codec::Lz4, 2, TEXT), KAFKA);
        assert_eq!(packed(Codec::Lz4, 1, TEXT), KAFKA);
        assert_eq!(packed(Codec::Lz4, 0, TEXT)[6], 0x1a);
        assert_eq!(packed(Codec::Lz4, 2, b""), b"\x04\"M\x18`@\x82\0\0\0\0");
    }

    #[test]
    fn the_thorough_levels_take_less_room_and_the_default_is_the_quick_one() {
        let words = noise(4_000);
        let text: Vec<u8> = noise(60_000)
            .iter()
            .flat_map(|at| words[usize::from(*at) * 15..][..8].iter().copied())
            .collect();
        let size = |level: Option<i32>| {
            let mut bench =
                level.map_or_else(Workbench::new, |level| Workbench::with_level(Codec::Lz4, level));
            let mut body = Vec::new();
            bench.compress(Codec::Lz4, 2, &text, &mut body).unwrap();
            assert!(unpacked(Codec::Lz4, 2, &body).unwrap() == text, "{level:?}");
            body.len()
        };
        assert_eq!(size(Some(9)), size(None));
        assert!(size(Some(3)) < size(None));
        assert!(size(Some(17)) < size(Some(3)));
        for level in Codec::Lz4.levels().unwrap() {
            assert!(size(Some(level)) <= size(None), "{level}");
        }
    }

    #[test]
    fn the_header_checksum_counts_from_magic_1_on() {
        let mut old = KAFKA.to_vec();
        old[6] = 0x1a;
        assert_eq!(unpacked(Codec::Lz4, 0, &old).unwrap(), TEXT);
        assert_eq!(unpacked(Codec::Lz4, 0, KAFKA).unwrap(), TEXT);
        assert_eq!(unpacked(Codec::Lz4, 1, KAFKA).unwrap(), TEXT);
        assert!(unpacked(Codec::Lz4, 1, &old).is_err());
        assert!(unpacked(Codec::Lz4, 2, &old).is_err());
    }

    #[test]
    fn checksums_of_blocks_and_content_are_compared_when_they_are_there() {
        assert_eq!(unpacked(Codec::Lz4, 2, CHECKED).unwrap(), TEXT);
        let trailer = CHECKED.len() - 12;
        for at in (trailer..trailer + 4).chain(trailer + 8..trailer + 12) {
            let mut body = CHECKED.to_vec();
            body[at] ^= 1;
            assert!(unpacked(Codec::Lz4, 2, &body).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_linked_block_reaches_back_into_the_64_kib_before_it_if_the_frame_allows_it() {
        let content = noise(100_000);
        let (first, second) = (&content[..60_000], &content[40_000..]);
        let blocks = [compress(first), compress_with_dict(second, first)];
        let blocks = [&blocks[0][..], &blocks[1]];
        let linked = unpacked(Codec::Lz4, 2, &frame(0x40, 0x40, &blocks)).unwrap();
        assert!(linked == [first, second].concat());
        assert!(unpacked(Codec::Lz4, 2, &frame(0x60, 0x40, &blocks)).is_err());
    }

    #[test]
    fn a_block_beyond_the_frames_block_size_is_malformed() {
        let block = compress(&[0; 70_000]);
        assert!(unpacked(Codec::Lz4, 2, &frame(0x60, 0x40, &[&block])).is_err());
        assert!(unpacked(Codec::Lz4, 2, &frame(0x60, 0x50, &[&block])).is_ok());
        // The room of an earlier, larger body must not hide it.
        let mut out = vec![0; 1 << 20];
        let body = frame(0x60, 0x40, &[&block]);
        assert!(super::super::Workbench::new().decompress(Codec::Lz4, 2, &body, &mut out).is_err());
    }

    #[test]
    fn unknown_versions_flags_and_block_sizes_are_malformed() {
        for (flags, block_size) in [(0x20, 0x40), (0xa0, 0x40), (0x61, 0x40), (0x62, 0x40)] {
            assert!(unpacked(Codec::Lz4, 2, &frame(flags, block_size, &[])).is_err());
        }
        for block_size in [0x00, 0x30, 0x41, 0xc0] {
            assert!(unpacked(Codec::Lz4, 2, &frame(0x60, block_size, &[])).is_err());
        }
        assert_eq!(unpacked(Codec::Lz4, 2, &frame(0x60, 0x70, &[])), Ok(Vec::new()));
    }

    #[test]
    fn a_block_that_does_not_shrink_is_stored() {
        let content = noise(70_000);
        let body = packed(Codec::Lz4, 2, &content);
        assert_eq!(body.len(), 7 + 4 + (64 << 10) + 4 + (70_000 - (64 << 10)) + 4);
        assert_eq!(unpacked(Codec::Lz4, 2, &body).unwrap(), content);
    }

    #[test]
    fn a_frame_needs_its_end_mark_and_what_follows_is_ignored() {
        for end in 0..KAFKA.len() {
            assert!(unpacked(Codec::Lz4, 2, &KAFKA[..end]).is_err(), "cut at {end}");
        }
        assert_eq!(unpacked(Codec::Lz4, 2, &[KAFKA, b"AAAA"].concat()).unwrap(), TEXT);
        assert_eq!(unpacked(Codec::Lz4, 2, &KAFKA.repeat(2)).unwrap(), TEXT);
        let mut high_bit = KAFKA.to_vec();
        *high_bit.last_mut().unwrap() = 0x80;
        high_bit.extend(b"\x01\0\0\x80?");
        assert_eq!(unpacked(Codec::Lz4, 2, &high_bit).unwrap(), TEXT);
    }
}
