//! Checksums made right again, so that what lies behind them is reached by bytes that were changed.

use logcompact::bytes::{crc32, crc32c};
use logcompact::format::codec::{Codec, Workbench};

use super::{Shape, directory};

const LENGTH_AT: usize = 8;
const LENGTH_END: usize = 12;
const MAGIC_AT: usize = 16;
const HEADER_BYTES: usize = 61;

/// Makes all checksums right that can be found.
pub fn seal(shape: Shape, data: &mut [u8]) {
    match shape {
        Shape::Plain => {}
        Shape::Log => seal_log(data),
        Shape::Snapshot => seal_snapshot(data),
        Shape::Directory => {
            for place in directory::logs(data) {
                seal_log(&mut data[place]);
            }
            for place in directory::snapshots(data) {
                seal_snapshot(&mut data[place]);
            }
        }
    }
}

fn seal_snapshot(data: &mut [u8]) {
    if data.len() > 6 {
        let crc = crc32c(&data[6..]);
        data[2..6].copy_from_slice(&crc.to_be_bytes());
    }
}

fn seal_log(data: &mut [u8]) {
    let mut at = 0;
    while let Some(size_bytes) = size_at(data, at) {
        let batch = &mut data[at..at + size_bytes];
        if batch[MAGIC_AT] == 2 && size_bytes >= HEADER_BYTES {
            let crc = crc32c(&batch[21..]);
            batch[17..21].copy_from_slice(&crc.to_be_bytes());
        } else {
            let crc = crc32(&batch[16..]);
            batch[12..16].copy_from_slice(&crc.to_be_bytes());
        }
        at += size_bytes;
    }
}

fn size_at(data: &[u8], at: usize) -> Option<usize> {
    let length = data.get(at + LENGTH_AT..at + LENGTH_END)?;
    let length = usize::try_from(i32::from_be_bytes(length.try_into().ok()?)).ok()?;
    let size_bytes = length.checked_add(LENGTH_END).filter(|size| *size > MAGIC_AT + 1)?;
    (at + size_bytes <= data.len()).then_some(size_bytes)
}

/// Where the batches of a log lie, as far as their lengths lead.
pub fn batches(data: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(size_bytes) = size_at(data, at) {
        found.push(at..at + size_bytes);
        at += size_bytes;
    }
    found
}

/// The batch with its body, or the value that a wrapper has, unpacked, changed and packed with the
/// codec of that number; `None` if it has none that can be.
pub fn with_body(batch: &[u8], codec: u8, change: impl FnOnce(&mut Vec<u8>)) -> Option<Vec<u8>> {
    let magic = *batch.get(MAGIC_AT)?;
    let (body_at, attributes_at) = match magic {
        0 => (26, 17),
        1 => (34, 17),
        2 => (HEADER_BYTES, 22),
        _ => return None,
    };
    let packed = batch.get(body_at..)?;
    let was = Codec::from_id(batch[attributes_at] & 7)?;
    let mut bench = Workbench::with_limit(1 << 16);
    let mut body = Vec::new();
    if magic < 2 && was == Codec::None {
        body = batch.to_vec(); // a message becomes a set that holds it
    } else {
        bench.decompress(was, magic, packed, &mut body).ok()?;
    }
    change(&mut body);
    let becomes = Codec::from_id(codec % 5)?;
    let mut out = batch[..body_at].to_vec();
    bench.compress(becomes, magic, &body, &mut out).ok()?;
    out[attributes_at] = (out[attributes_at] & !7) | (codec % 5);
    if magic < 2 {
        let value_bytes = (out.len() - body_at) as i32;
        out[body_at - 8..body_at - 4].fill(0xff); // no key
        out[body_at - 4..body_at].copy_from_slice(&value_bytes.to_be_bytes());
    }
    let length = (out.len() - LENGTH_END) as i32;
    out[LENGTH_AT..LENGTH_END].copy_from_slice(&length.to_be_bytes());
    Some(out)
}
