//! What compressed batches come to once they are opened, by a sample. A chunk is a task, and what
//! it takes is what is in it, not what it takes on the disk.

use crate::format::codec::{Codec, Room};
use crate::format::{Batch, Decoder};
use crate::units::Position;

/// So many times as much as its log a chunk may come to: as much as one that is well compressed.
const MOST_TIMES: u64 = 8;
/// After so many chunks' worth of log another batch is opened.
const CHUNKS_A_SAMPLE: u64 = 8;

/// How much the batches of a log expand, from its beginning on.
pub struct Expansion {
    chunk_bytes: u64,
    times: u64,
    next_sample: Position,
    room: Room,
}

impl Expansion {
    /// Nothing is known yet. Chunks are to be of about `chunk_bytes` of log.
    pub fn unknown(chunk_bytes: u64) -> Expansion {
        Expansion { chunk_bytes, times: 1, next_sample: Position(0), room: Room::default() }
    }

    /// Whether `batch`, which lies at `at`, is to be opened, all of it.
    pub fn is_due(&self, at: Position, batch: &Batch<'_>) -> bool {
        is_compressed(batch) && at >= self.next_sample
    }

    /// Opens it. No more of it is than a chunk may come to.
    pub fn sample(&mut self, at: Position, batch: &Batch<'_>, decoder: &mut Decoder) {
        let most_bytes = self.chunk_bytes.saturating_mul(MOST_TIMES);
        let most = usize::try_from(most_bytes).unwrap_or(usize::MAX);
        self.room.clear();
        let opened = decoder.body_within(batch, &mut self.room, most);
        self.next_sample = Position(at.0 + self.chunk_bytes * CHUNKS_A_SAMPLE);
        let bytes = match opened {
            Ok(Some(place)) => place.len() as u64,
            Ok(None) => most_bytes,
            // Whoever reads it will say so.
            Err(_) => return,
        };
        self.times = bytes.div_ceil(batch.header.size_bytes.max(1) as u64).max(1);
    }

    /// What `batch` comes to, more or less, of which a chunk may hold `chunk_bytes`: less than it
    /// takes only if it is not compressed much.
    pub fn weight(&self, batch: &Batch<'_>) -> u64 {
        let size_bytes = batch.header.size_bytes as u64;
        let times = if is_compressed(batch) { self.times } else { 1 };
        size_bytes.max(size_bytes.saturating_mul(times) / MOST_TIMES)
    }
}

fn is_compressed(batch: &Batch<'_>) -> bool {
    batch.header.magic == 2 && batch.header.codec() != Codec::None && !batch.body().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::codec::Workbench;

    const CHUNK_BYTES: u64 = 4096;

    /// A magic 2 batch without records, whose body is `body` compressed; what only readers of
    /// records look at is zero.
    fn batch_of(body: &[u8], codec: Codec) -> Vec<u8> {
        let mut bytes = vec![0; 61];
        bytes[16] = 2;
        bytes[22] = codec as u8;
        Workbench::new().compress(codec, 2, body, &mut bytes).unwrap();
        let size = (bytes.len() - 12) as i32;
        bytes[8..12].copy_from_slice(&size.to_be_bytes());
        bytes
    }

    #[test]
    fn a_batch_weighs_what_it_comes_to_and_no_less_than_it_takes() {
        let mut expansion = Expansion::unknown(CHUNK_BYTES);
        let mut decoder = Decoder::new();
        let plain = batch_of(&[7; 20_000], Codec::None);
        let packed = batch_of(&[7; 20_000], Codec::Zstd);
        let bomb = batch_of(&vec![7; 10 << 20], Codec::Zstd);
        let [plain, packed, bomb] = [&plain, &packed, &bomb].map(|it| Batch::parse(it).unwrap());
        let size = |batch: &Batch<'_>| batch.header.size_bytes as u64;
        assert!(!expansion.is_due(Position(0), &plain));
        assert_eq!(expansion.weight(&plain), size(&plain));
        assert!(expansion.is_due(Position(0), &packed));
        assert_eq!(expansion.weight(&packed), size(&packed), "nothing is known");
        expansion.sample(Position(0), &packed, &mut decoder);
        let weight = expansion.weight(&packed);
        assert!((2500..2600).contains(&weight), "an eighth of what it holds, not {weight}");
        assert_eq!(expansion.weight(&plain), size(&plain));
        let next = CHUNK_BYTES * CHUNKS_A_SAMPLE;
        assert!(!expansion.is_due(Position(next - 1), &packed));
        assert!(expansion.is_due(Position(next), &bomb));
        expansion.sample(Position(next), &bomb, &mut decoder);
        assert!(expansion.weight(&bomb) >= CHUNK_BYTES, "it is a chunk by itself");
        let room_bytes = expansion.room.allocated_bytes();
        assert!(room_bytes < 1 << 20, "and was not opened whole: {room_bytes}");
    }
}
