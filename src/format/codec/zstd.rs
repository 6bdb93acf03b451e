//! Zstandard bodies: frames, most often without a content size, for Kafka writes them as streams.
//!
//! Read as a stream as well: nothing has to be known of the size, and a frame that wants a window
//! beyond 128 MiB is refused before it is allocated, by the same default that Kafka's reader
//! (`ZstdCompression`) has. What follows the last frame must be a frame, skippable ones included;
//! anything else fails there, and here.
//!
//! A body of one frame is first tried in one step, into room that is likely enough: that spares the
//! stream's window and the copy out of it. Whatever is odd about a body is left to the stream.

use zstd_safe::{
    CCtx, CompressionLevel, DCtx, InBuffer, OutBuffer, ResetDirective, compress_bound,
    find_frame_compressed_size, get_error_name, get_frame_content_size,
};

use super::{CodecError, Sink, TRUSTED_EXPANSION};

/// Kafka's default level (`ZstdCompression`).
const LEVEL: CompressionLevel = 3;
/// The least room that decompression starts with.
const LEAST_ROOM: usize = 4 << 10;

/// How many times their size bodies are taken to decompress to, until one has shown more.
const LIKELY_EXPANSION: usize = 4;
/// The largest logarithm of a window that is surely no more than 128 MiB.
const TRUSTED_WINDOW_LOG: u8 = 26;

#[derive(Default)]
pub(super) struct Zstd {
    /// Kafka's default if nothing else was asked for.
    pub level: Option<CompressionLevel>,
    decoder: Option<DCtx<'static>>,
    encoder: Option<CCtx<'static>>,
    /// The most that a body has decompressed to, in times its size.
    expansion: usize,
}

impl Zstd {
    /// Reads frame behind frame to the end of the body. An empty body is no content, as in Kafka.
    pub(super) fn decompress(&mut self, body: &[u8], sink: &mut Sink) -> Result<(), CodecError> {
        if self.decompress_at_once(body, sink)? {
            return Ok(());
        }
        let before = sink.filled();
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
        let expansion = (sink.filled() - before).div_ceil(body.len().max(1));
        self.expansion = self.expansion.max(expansion.min(TRUSTED_EXPANSION));
        Ok(())
    }

    /// Whether one step was enough; if not, nothing has happened yet.
    fn decompress_at_once(&mut self, body: &[u8], sink: &mut Sink) -> Result<bool, CodecError> {
        if !has_trusted_window(body) || find_frame_compressed_size(body) != Ok(body.len()) {
            return Ok(false);
        }
        let expansion = self.expansion.max(LIKELY_EXPANSION);
        let (_, room) = sink.split(body.len().saturating_mul(expansion).max(LEAST_ROOM));
        let decoder = self.decoder.get_or_insert_default();
        match decoder.decompress(room, body) {
            Ok(written) => sink.advance(written).map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// Writes one frame, with its content size, which Kafka's streams leave out.
    pub(super) fn compress(&mut self, body: &[u8], out: &mut Vec<u8>) {
        let encoder = self.encoder.get_or_insert_default();
        let start = out.len();
        out.resize(start.saturating_add(compress_bound(body.len())), 0);
        let written = encoder
            .compress(out.get_mut(start..).unwrap_or_default(), body, self.level.unwrap_or(LEVEL))
            .map_err(get_error_name)
            .expect("with the most room that it can take, only memory can fail");
        out.truncate(start.saturating_add(written));
    }
}

/// Whether the frame's header names a window that is small enough beyond doubt.
fn has_trusted_window(frame: &[u8]) -> bool {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    const SINGLE_SEGMENT: u8 = 1 << 5;
    match frame.strip_prefix(&MAGIC) {
        // The window is the content, for which the room was not allocated on the header's word.
        Some([descriptor, ..]) if descriptor & SINGLE_SEGMENT != 0 => {
            let size = get_frame_content_size(frame).ok().flatten();
            size.is_some_and(|size| size <= 1 << TRUSTED_WINDOW_LOG)
        }
        Some([_, window, ..]) => 10 + (window >> 3) <= TRUSTED_WINDOW_LOG,
        _ => false,
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
