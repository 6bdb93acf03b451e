//! gzip bodies: one or more members (RFC 1952), as `GZIPInputStream` reads them.
//!
//! The header and the trailer are read here, so that the deflate contexts between them live as
//! long as the thread.

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};

use super::{CodecError, Sink, TRUSTED_EXPANSION};

/// Kafka's default level is that of zlib (`GzipCompression`).
const LEVEL: Compression = Compression::new(6);
/// What precedes the deflated bytes: deflate, no optional fields, no time, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The least room that inflation starts with.
const LEAST_ROOM: usize = 4 << 10;

#[derive(Default)]
pub(super) struct Gzip {
    /// Kafka's default if nothing else was asked for.
    pub level: Option<u32>,
    inflate: Option<Decompress>,
    deflate: Option<Compress>,
}

impl Gzip {
    /// Reads member behind member. Whatever follows the last and does not start as a member is
    /// ignored, as `GZIPInputStream` ignores it.
    pub(super) fn decompress(&mut self, body: &[u8], sink: &mut Sink) -> Result<(), CodecError> {
        let mut rest = skip_header(body).ok_or_else(|| sink.malformed("no gzip header"))?;
        // The last four bytes say how much the last member holds: a hint, and no more than that.
        let claimed = body.last_chunk().map_or(0, |size| u32::from_le_bytes(*size) as usize);
        let likely = claimed.min(body.len().saturating_mul(TRUSTED_EXPANSION)).max(LEAST_ROOM);
        loop {
            rest = self.member(rest, likely, sink)?;
            match skip_header(rest) {
                Some(deflated) => rest = deflated,
                None => return Ok(()),
            }
        }
    }

    /// Inflates one member and compares its trailer; the bytes behind it.
    fn member<'b>(
        &mut self,
        deflated: &'b [u8],
        likely: usize,
        sink: &mut Sink,
    ) -> Result<&'b [u8], CodecError> {
        let inflate = self.inflate.get_or_insert_with(|| Decompress::new(false));
        inflate.reset(false);
        let start = sink.filled();
        let mut rest = deflated;
        loop {
            let (_, room) = sink.split(likely.max(sink.filled()));
            let room_bytes = room.len();
            let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
            let status = inflate
                .decompress(rest, room, FlushDecompress::Finish)
                .map_err(|error| sink.malformed(error))?;
            let taken = (inflate.total_in() - before_in) as usize;
            let given = (inflate.total_out() - before_out) as usize;
            rest = rest.get(taken..).unwrap_or_default();
            sink.advance(given)?;
            match status {
                Status::StreamEnd => break,
                // Room is left, so it is the input that ran out.
                _ if given < room_bytes => return Err(sink.malformed("the member is cut short")),
                _ => {}
            }
        }

        let ([c0, c1, c2, c3, s0, s1, s2, s3], behind) = rest
            .split_first_chunk()
            .ok_or_else(|| sink.malformed("the member's trailer is cut short"))?;
        let member = sink.written().get(start..).unwrap_or_default();
        let mut crc = Crc::new();
        crc.update(member);
        if crc.sum() != u32::from_le_bytes([*c0, *c1, *c2, *c3]) {
            return Err(sink.malformed("the member's checksum is not that of its content"));
        }
        // The size is modulo 2^32 by definition.
        if member.len() as u32 != u32::from_le_bytes([*s0, *s1, *s2, *s3]) {
            return Err(sink.malformed("the member's size is not that of its content"));
        }
        Ok(behind)
    }

    /// Writes one member.
    pub(super) fn compress(&mut self, body: &[u8], out: &mut Vec<u8>) {
        let level = self.level.map_or(LEVEL, Compression::new);
        let deflate = self.deflate.get_or_insert_with(|| Compress::new(level, false));
        deflate.reset();
        out.extend_from_slice(&HEADER);
        loop {
            let rest = body.get(deflate.total_in() as usize..).unwrap_or_default();
            // Half is more than text needs; what it is not enough for takes another round.
            out.reserve(rest.len() / 2 + 256);
            let status = deflate
                .compress_vec(rest, out, FlushCompress::Finish)
                .expect("deflate fails only if it is called after its end");
            if status == Status::StreamEnd {
                break;
            }
        }
        let mut crc = Crc::new();
        crc.update(body);
        out.extend_from_slice(&crc.sum().to_le_bytes());
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    }
}

/// The bytes behind a member's header; `None` if it is none, or is cut short.
fn skip_header(bytes: &[u8]) -> Option<&[u8]> {
    const HAS_CHECKSUM: u8 = 1 << 1;
    const HAS_EXTRA: u8 = 1 << 2;
    const HAS_NAME: u8 = 1 << 3;
    const HAS_COMMENT: u8 = 1 << 4;
    let ([0x1f, 0x8b, 8, flags, _, _, _, _, _, _], mut rest) = bytes.split_first_chunk()? else {
        return None;
    };
    if flags & HAS_EXTRA != 0 {
        let (length, extra) = rest.split_first_chunk()?;
        rest = extra.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for flag in [HAS_NAME, HAS_COMMENT] {
        if flags & flag != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end..)?.get(1..)?;
        }
    }
    if flags & HAS_CHECKSUM != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::super::Codec;
    use super::super::tests::{TEXT, packed, unpacked};

    /// Written by kafka-clients 4.1.1.
    const KAFKA: &[u8] =
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff\xcb\xcfKU()\xcfW(\xc9(JMU\xc8\xc7\xcd\xd3QH\
        \xcb/-\x02\0\xb1z\xbe\xbb/\0\0\0";

    #[test]
    fn members_are_read_one_behind_the_other() {
        assert_eq!(unpacked(Codec::Gzip, 2, KAFKA).unwrap(), TEXT);
        let twice = unpacked(Codec::Gzip, 2, &KAFKA.repeat(2)).unwrap();
        assert_eq!(twice, TEXT.repeat(2));
        let cut = KAFKA.repeat(2);
        assert!(unpacked(Codec::Gzip, 2, &cut[..cut.len() - 3]).is_err());
    }

    #[test]
    fn the_optional_fields_of_a_header_are_skipped() {
        let mut body = KAFKA[..10].to_vec();
        body[3] = 0b1_1110;
        body.extend(b"\x03\0abcname\0comment\0hc");
        body.extend(&KAFKA[10..]);
        assert_eq!(unpacked(Codec::Gzip, 2, &body).unwrap(), TEXT);
    }

    #[test]
    fn what_is_no_member_behind_the_last_is_ignored_as_java_does() {
        for tail in [&b"\0"[..], b"AAAA", &[0; 40]] {
            assert_eq!(unpacked(Codec::Gzip, 2, &[KAFKA, tail].concat()).unwrap(), TEXT);
        }
    }

    #[test]
    fn a_member_cut_short_anywhere_is_malformed() {
        for end in 0..KAFKA.len() {
            assert!(unpacked(Codec::Gzip, 2, &KAFKA[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_wrong_checksum_or_size_in_the_trailer_is_malformed() {
        for at in KAFKA.len() - 8..KAFKA.len() {
            let mut body = KAFKA.to_vec();
            body[at] ^= 0x80;
            assert!(unpacked(Codec::Gzip, 2, &body).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_size_that_says_too_little_or_too_much_of_all_members_is_only_a_hint() {
        let large = packed(Codec::Gzip, 2, &TEXT.repeat(9000));
        let body = [&large[..], KAFKA].concat();
        assert_eq!(unpacked(Codec::Gzip, 2, &body).unwrap(), TEXT.repeat(9001));
    }
}
