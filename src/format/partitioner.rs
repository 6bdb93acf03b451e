//! Which partition a key belongs to, by the functions that producers use by default.

use std::num::NonZeroU32;

/// How a producer goes from a key to a partition. All of them send records without a key anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Partitioner {
    /// Java's (`BuiltInPartitioner.partitionForKey`), and librdkafka's `murmur2_random`.
    Murmur2,
    /// librdkafka's, `consistent_random`: an empty key goes anywhere.
    Crc32,
    /// Sarama's `NewHashPartitioner`, and librdkafka's `fnv1a_random`.
    Fnv1a,
}

impl Partitioner {
    /// All of them, the most common first.
    pub const ALL: [Partitioner; 3] =
        [Partitioner::Murmur2, Partitioner::Crc32, Partitioner::Fnv1a];

    /// The name of the function.
    pub fn name(self) -> &'static str {
        match self {
            Partitioner::Murmur2 => "murmur2",
            Partitioner::Crc32 => "crc32",
            Partitioner::Fnv1a => "fnv1a",
        }
    }

    /// The partition of a key among `partitions`; none if it may be in any.
    pub fn partition_of(self, key: &[u8], partitions: NonZeroU32) -> Option<u32> {
        let hash = match self {
            Partitioner::Murmur2 => murmur2(key) & 0x7fff_ffff,
            Partitioner::Crc32 if key.is_empty() => return None,
            Partitioner::Crc32 => crc32fast::hash(key),
            Partitioner::Fnv1a => (fnv1a(key) as i32).unsigned_abs(),
        };
        Some(hash % partitions)
    }
}

/// MurmurHash2 of 32 bits, in little-endian words, with the seed that Kafka gives it
/// (`Utils.murmur2`).
fn murmur2(key: &[u8]) -> u32 {
    const MIX: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    let (words, rest) = key.as_chunks::<4>();
    let mut hash = SEED ^ key.len() as u32;
    for word in words {
        let mixed = u32::from_le_bytes(*word).wrapping_mul(MIX);
        hash = hash.wrapping_mul(MIX) ^ (mixed ^ (mixed >> 24)).wrapping_mul(MIX);
    }
    if !rest.is_empty() {
        let rest = rest.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(MIX);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

/// FNV-1a of 32 bits.
fn fnv1a(key: &[u8]) -> u32 {
    key.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(partitioner: Partitioner, key: &str, partitions: u32) -> Option<u32> {
        partitioner.partition_of(key.as_bytes(), NonZeroU32::new(partitions).unwrap())
    }

    #[test]
    fn murmur2_gives_what_kafkas_own_tests_expect() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
            ("", 275_646_681),
            ("A", 1_592_744_578),
            ("user1", 1_619_149_554),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn fnv1a_gives_what_librdkafkas_own_tests_expect() {
        for (key, hash) in [
            ("kafka", 0x0d33_c4e1),
            ("giberish123456789", 0x77a5_8295),
            ("1234", 0x023b_dd03),
            ("34", 0x740f_a83e),
            ("PreAmbleWillBeRemoved,ThePrePartThatIs", 0x65cb_d69c),
            ("", 0x7ee3_623b),
        ] {
            assert_eq!((fnv1a(key.as_bytes()) as i32).unsigned_abs(), hash, "{key}");
        }
    }

    #[test]
    fn keys_go_to_the_partitions_that_producers_send_them_to() {
        let of = |partitioner| {
            let keys = ["A", "user1", "chief-scientist", "director-tech-innovation"];
            keys.map(|key| partition(partitioner, key, 3).unwrap())
        };
        assert_eq!(of(Partitioner::Murmur2), [1, 0, 0, 2]);
        assert_eq!(of(Partitioner::Crc32), [2, 1, 1, 0]);
        assert_eq!(partition(Partitioner::Murmur2, "A", 6), Some(4));
        assert_eq!(partition(Partitioner::Murmur2, "director-tech-innovation", 6), Some(5));
        assert_eq!(partition(Partitioner::Fnv1a, "giberish123456789", 50), Some(23));
    }

    #[test]
    fn librdkafka_sends_an_empty_key_anywhere_and_java_does_not() {
        assert_eq!(partition(Partitioner::Crc32, "", 3), None);
        assert_eq!(partition(Partitioner::Murmur2, "", 3), Some(275_646_681 % 3));
        assert_eq!(partition(Partitioner::Fnv1a, "", 3), Some(0x7ee3_623b % 3));
    }
}
