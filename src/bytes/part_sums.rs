//! Checksums of any part of long bytes, at a cost that does not grow with the part, once all of
//! them were read.
//!
//! A CRC is linear: that of a part follows from those of the bytes up to its start and up to its
//! end, if the former is moved over the length between them (`crc32_combine` in zlib). So the sums
//! up to every fourth kilobyte are kept, and what lies between is summed when it is asked for.

use std::ops::Range;

use super::{crc32, crc32c};

const BLOCK_BYTES: usize = 4 << 10;
/// x to the power of 0, in the order of bits that both checksums have.
const ONE: u32 = 1 << 31;

/// The sums of one checksum over one string of bytes.
#[derive(Clone, Debug)]
pub struct PartSums {
    sum: fn(&[u8]) -> u32,
    field: Field,
    /// Of the bytes up to each block.
    blocks: Vec<u32>,
}

impl PartSums {
    /// Of CRC-32.
    pub fn of_crc32(bytes: &[u8]) -> PartSums {
        PartSums::of(bytes, crc32, 0xedb8_8320)
    }

    /// Of CRC-32C.
    pub fn of_crc32c(bytes: &[u8]) -> PartSums {
        PartSums::of(bytes, crc32c, 0x82f6_3b78)
    }

    fn of(bytes: &[u8], sum: fn(&[u8]) -> u32, polynomial: u32) -> PartSums {
        let field = Field::new(polynomial);
        let over_block = field.over(BLOCK_BYTES);
        let mut so_far = 0;
        let mut blocks = vec![so_far];
        for block in bytes.chunks_exact(BLOCK_BYTES) {
            so_far = field.times(over_block, so_far) ^ sum(block);
            blocks.push(so_far);
        }
        PartSums { sum, field, blocks }
    }

    /// The checksum of a part of the bytes, which must be the same ones; of nothing, if they have
    /// no such part.
    pub fn of_part(&self, bytes: &[u8], part: Range<usize>) -> u32 {
        let length = part.end.saturating_sub(part.start);
        let start = self.up_to(bytes, part.start);
        self.field.times(self.field.over(length), start) ^ self.up_to(bytes, part.end)
    }

    fn up_to(&self, bytes: &[u8], end: usize) -> u32 {
        let block = (end / BLOCK_BYTES).min(self.blocks.len().saturating_sub(1));
        let rest = bytes.get(block * BLOCK_BYTES..end).unwrap_or_default();
        let before = self.blocks.get(block).copied().unwrap_or_default();
        self.field.times(self.field.over(rest.len()), before) ^ (self.sum)(rest)
    }
}

/// Polynomials over bits, modulo that of a checksum.
#[derive(Clone, Debug)]
struct Field {
    polynomial: u32,
    /// x to the powers of 1, 2, 4 and so on.
    powers: [u32; 64],
}

impl Field {
    fn new(polynomial: u32) -> Field {
        let mut field = Field { polynomial, powers: [0; 64] };
        let mut power = ONE >> 1;
        for at in 0..64 {
            if let Some(place) = field.powers.get_mut(at) {
                *place = power;
            }
            power = field.times(power, power);
        }
        field
    }

    fn times(&self, a: u32, b: u32) -> u32 {
        let (mut product, mut b) = (0, b);
        for bit in (0..32).rev() {
            // Without branches: the bits are as good as random.
            product ^= b & (a >> bit & 1).wrapping_neg();
            b = b >> 1 ^ self.polynomial & (b & 1).wrapping_neg();
        }
        product
    }

    /// What a sum is multiplied with if `count` bytes follow: x to the power of that many bits.
    fn over(&self, count: usize) -> u32 {
        let bits = count as u64 * 8;
        let set = self.powers.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
        set.fold(ONE, |product, (_, power)| self.times(product, *power))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_a_part_is_that_of_its_bytes() {
        let bytes: Vec<u8> = (0..50_000u32).map(|n| ((n * n) >> 7) as u8).collect();
        let (crc32_sums, crc32c_sums) = (PartSums::of_crc32(&bytes), PartSums::of_crc32c(&bytes));
        let ends = [0, 1, 4095, 4096, 4097, 8192, 12_345, 40_959, 40_960, 49_999, 50_000];
        for start in ends {
            for end in ends.into_iter().filter(|end| *end >= start) {
                let part = &bytes[start..end];
                assert_eq!(crc32_sums.of_part(&bytes, start..end), crc32(part), "{start}..{end}");
                assert_eq!(crc32c_sums.of_part(&bytes, start..end), crc32c(part), "{start}..{end}");
            }
        }
    }
}
