//! Zstandard bodies: frames, most often without a content size, for Kafka writes them as streams.
//!
//! Read as a stream as well: nothing has to be known of the size, and a frame that wants a window
//! beyond 128 MiB is refused before it is allocated, by the same default that Kafka's reader
//! (`ZstdCompression`) has. What follows the last frame must be a frame, skippable ones included;
//! anything else fails there, and here.

use zstd_safe::{
    CCtx, CompressionLevel, DCtx, InBuffer, OutBuffer, ResetDirective, compress_bound,
    get_error_name, get_frame_content_size,
};

use super::{CodecError, Sink, TRUSTED_EXPANSION};

/// Kafka's default level (`ZstdCompression`).
const LEVEL: CompressionLevel = 3;
/// The least room that decompression starts with.
const LEAST_ROOM: usize = 4 << 10;

#[derive(Default)]
pub(super) struct Zstd {
    decoder: Option<DCtx<'static>>,
    encoder: Option<CCtx<'static>>,
}

impl Zstd {
    /// Reads frame behind frame to the end of the body. An empty body is no content, as in Kafka.
    pub(super) fn decompress(&mut self, body: &[u8], sink: &mut Sink) -> Result<(), CodecError> {
        let decoder = self.decoder.get_or_insert_default();
        // A body that failed leaves its session behind.
        decoder
            .reset(ResetDirective::SessionOnly)
            .map_err(|code| sink.malformed(get_error_name(code)))?;
        let claimed = get_frame_content_size(body).ok().flatten().unwrap_or(0);
        let likely = usize::try_from(claimed)
            .unwrap_or(usize::MAX)
            .min(body.len().saturating_mul(TRUSTED_EXPANSION))
            .max(LEAST_ROOM);

        let mut input = InBuffer::around(body);
        let mut unfinished = 0;
        while input.pos() < body.len() || unfinished != 0 {
            let (_, room) = sink.split(likely.max(sink.filled()));
            let room_bytes = room.len();
            let mut output = OutBuffer::around(room);
            let outcome = decoder.decompress_stream(&mut output, &mut input);
            let written = output.pos();
            unfinished = outcome.map_err(|code| sink.malformed(get_error_name(code)))?;
            sink.advance(written)?;
            // Room is left, so if more is to come it is the input that ran out.
            if unfinished != 0 && written < room_bytes && input.pos() == body.len() {
                return Err(sink.malformed("the frame is cut short"));
            }
        }
        Ok(())
    }

    /// Writes one frame, with its content size, which Kafka's streams leave out.
    pub(super) fn compress(&mut self, body: &[u8], out: &mut Vec<u8>) {
        let encoder = self.encoder.get_or_insert_default();
        let start = out.len();
        out.resize(start.saturating_add(compress_bound(body.len())), 0);
        let written = encoder
            .compress(out.get_mut(start..).unwrap_or_default(), body, LEVEL)
            .map_err(get_error_name)
            .expect("with the most room that it can take, only memory can fail");
        out.truncate(start.saturating_add(written));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{TEXT, packed, unpacked};
    use super::super::{Codec, Workbench};

    /// Written by kafka-clients 4.1.1; ends with an empty block, and has no content size.
    const KAFKA: &[u8] = b"(\xb5/\xfd\0X\xd4\0\0\xa0one two three , four\x01\0\x11N%\x01\0\0";
    /// A skippable frame of two bytes.
    const SKIPPABLE: &[u8] = b"\x50\x2a\x4d\x18\x02\0\0\0ab";

    #[test]
    fn frames_without_a_size_are_read_one_behind_the_other_to_the_end() {
        assert_eq!(unpacked(Codec::Zstd, 2, KAFKA).unwrap(), TEXT);
        let sized = packed(Codec::Zstd, 2, TEXT);
        let body = [SKIPPABLE, KAFKA, SKIPPABLE, &sized, KAFKA].concat();
        assert_eq!(unpacked(Codec::Zstd, 2, &body).unwrap(), TEXT.repeat(3));
        assert_eq!(unpacked(Codec::Zstd, 2, b"").unwrap(), b"");
    }

    #[test]
    fn bytes_behind_the_last_frame_are_malformed_as_for_kafka() {
        for tail in [&b"\0"[..], b"A", b"AAAA", &[0; 40]] {
            assert!(unpacked(Codec::Zstd, 2, &[KAFKA, tail].concat()).is_err());
        }
    }

    #[test]
    fn a_frame_cut_short_anywhere_is_malformed() {
        for end in 1..KAFKA.len() {
            assert!(unpacked(Codec::Zstd, 2, &KAFKA[..end]).is_err(), "cut at {end}");
        }
        // Also where the room that the content leaves is none at all.
        let sized = packed(Codec::Zstd, 2, &TEXT.repeat(5000));
        for end in [sized.len() - 1, sized.len() - 2, sized.len() / 2] {
            assert!(unpacked(Codec::Zstd, 2, &sized[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_claimed_content_size_is_not_allocated() {
        // One segment of 64 MiB, they say, and then one empty block, the last.
        let body = b"\x28\xb5\x2f\xfd\xe0\0\0\0\x04\0\0\0\0\x01\0\0";
        let mut out = Vec::new();
        // libzstd compares the size only behind a block that is not empty; so does Kafka, then.
        assert_eq!(Workbench::new().decompress(Codec::Zstd, 2, body, &mut out), Ok(()));
        assert!(out.is_empty() && out.capacity() < 64 << 10);
    }

    #[test]
    fn a_window_beyond_128_mib_is_refused() {
        // A window descriptor of 2^28 bytes, and an empty last block.
        let error = unpacked(Codec::Zstd, 2, b"\x28\xb5\x2f\xfd\0\x90\x01\0\0").unwrap_err();
        assert!(error.to_string().contains("too much memory"), "{error}");
    }
}
