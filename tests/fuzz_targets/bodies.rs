//! Compressed bodies: whatever the bytes, a decoder ends, keeps to its limit, and is as good as new
//! for the next body; what it gives can be packed and unpacked again.

use logcompact::format::codec::{Codec, Workbench};

const LIMIT_BYTES: usize = 1 << 20;

/// A gzip body.
pub fn gzip(data: &[u8]) {
    body(Codec::Gzip, data);
}

/// A snappy body.
pub fn snappy(data: &[u8]) {
    body(Codec::Snappy, data);
}

/// An LZ4 body.
pub fn lz4(data: &[u8]) {
    body(Codec::Lz4, data);
}

/// A zstd body.
pub fn zstd(data: &[u8]) {
    body(Codec::Zstd, data);
}

fn body(codec: Codec, data: &[u8]) {
    let mut used = Workbench::with_limit(LIMIT_BYTES);
    for magic in [0, 2] {
        let mut out = Vec::new();
        let first = used.decompress(codec, magic, data, &mut out);
        assert!(out.len() <= LIMIT_BYTES && out.capacity() <= 4 * LIMIT_BYTES);
        assert!(first.is_ok() || out.is_empty());

        let (mut again, mut fresh) = (vec![b'!'; 100], Vec::new());
        assert_eq!(used.decompress(codec, magic, data, &mut again), first);
        let bench = &mut Workbench::with_limit(LIMIT_BYTES);
        assert_eq!(bench.decompress(codec, magic, data, &mut fresh), first);
        assert!(again == out && fresh == out, "a body means one thing only");

        let mut packed = Vec::new();
        used.compress(codec, magic, &out, &mut packed).unwrap();
        used.decompress(codec, magic, &packed, &mut again).unwrap();
        assert!(again == out, "what was packed comes back");
    }
}
