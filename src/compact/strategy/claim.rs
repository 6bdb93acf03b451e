//! What stands of a contest: claims, champions, and how the key index holds them.

use super::candidate::Candidate;

/// What a candidate brings to the contest besides its offset. In a champion's entry there is room
/// for 64 bits and one.
pub trait Claim: Copy + PartialEq + std::fmt::Debug + Send + Sync {
    /// As bits.
    fn to_bits(self) -> (u64, bool);
    /// From bits.
    fn of_bits(bits: u64, bit: bool) -> Self;
}

impl Claim for () {
    fn to_bits(self) -> (u64, bool) {
        (0, false)
    }

    fn of_bits(_bits: u64, _bit: bool) {}
}

/// Which of two champions stands, with the claim of both stretches together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands<C> {
    /// That of the older stretch.
    Older(C),
    /// That of the newer stretch.
    Newer(C),
}

/// The record that stands for a key so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Champion<C> {
    /// What is known of all that was read of the key.
    pub claim: C,
    /// The number of its chunk in the range.
    pub chunk: u32,
    /// Which record of the chunk it is.
    pub candidate: Candidate,
    /// How many candidates of the key were read since it became champion, itself among them.
    pub since: u32,
}

/// What the key index holds of a key's champion, as bytes in front of the key.
pub trait Entry<C> {
    /// As many as there are.
    type Bytes: Front;
    /// Whether the first to be read, which is the newest, stands whatever is read of its key
    /// behind it: then nothing need be held, and what is settled once is settled for good.
    const NEWEST_STANDS: bool;
    /// A champion as bytes.
    fn put(champion: Champion<C>) -> Self::Bytes;
    /// A champion from bytes; none where the newest stands.
    fn get(bytes: Self::Bytes) -> Option<Champion<C>>;
}

/// Bytes of a fixed number.
pub trait Front: Copy + AsRef<[u8]> + for<'b> TryFrom<&'b [u8]> + Send + Sync {
    /// What stands where there is nothing yet.
    const BLANK: Self;
}

impl<const N: usize> Front for [u8; N] {
    const BLANK: [u8; N] = [0; N];
}

/// The newest stands: nothing is held but the key.
#[derive(Clone, Copy, Debug)]
pub struct KeyOnly;

impl<C> Entry<C> for KeyOnly {
    type Bytes = [u8; 0];
    const NEWEST_STANDS: bool = true;

    #[inline]
    fn put(_champion: Champion<C>) -> [u8; 0] {
        []
    }

    #[inline]
    fn get(_bytes: [u8; 0]) -> Option<Champion<C>> {
        None
    }
}

/// An older record may take the place of a newer one, so the champion is held.
#[derive(Clone, Copy, Debug)]
pub struct Held;

/// The claim's 64 bits; the chunk under the claim's other bit; the candidate; the count.
const HELD_BYTES: usize = 20;
const CHUNK_BITS: u32 = 31;

/// How many chunks of a range can be told apart.
pub const MOST_CHUNKS: usize = 1 << CHUNK_BITS;

impl<C: Claim> Entry<C> for Held {
    type Bytes = [u8; HELD_BYTES];
    const NEWEST_STANDS: bool = false;

    #[inline]
    fn put(champion: Champion<C>) -> [u8; HELD_BYTES] {
        let (bits, bit) = champion.claim.to_bits();
        let chunk = champion.chunk | u32::from(bit) << CHUNK_BITS;
        let candidate = u32::from_le_bytes(champion.candidate.to_bytes());
        let place = u64::from(chunk) << 32 | u64::from(candidate);
        let mut bytes = [0; HELD_BYTES];
        if let Some((front, since)) = bytes.split_first_chunk_mut::<16>() {
            *front = (u128::from(place) << 64 | u128::from(bits)).to_le_bytes();
            since.copy_from_slice(&champion.since.to_le_bytes());
        }
        bytes
    }

    #[inline]
    fn get(bytes: [u8; HELD_BYTES]) -> Option<Champion<C>> {
        let (front, since) = bytes.split_first_chunk::<16>()?;
        let front = u128::from_le_bytes(*front);
        let (place, chunk) = ((front >> 64) as u32, (front >> 96) as u32);
        Some(Champion {
            claim: C::of_bits(front as u64, chunk >> CHUNK_BITS != 0),
            chunk: chunk & ((1 << CHUNK_BITS) - 1),
            candidate: Candidate::of_bytes(place.to_le_bytes()),
            since: u32::from_le_bytes(*since.first_chunk::<4>()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Standing, Turn, Version};
    use super::*;

    #[test]
    fn a_champion_comes_out_of_its_bytes_as_it_went_in() {
        fn check<C: Claim>(claim: C) {
            for standing in [Standing::Stays, Standing::Expired] {
                let candidate = Candidate::new((1 << 30) - 1, standing);
                let champion = Champion { claim, chunk: (1 << 31) - 1, candidate, since: 7 };
                assert_eq!(Held::get(Held::put(champion)), Some(champion));
            }
        }
        for value in [i64::MIN, -1, 0, 1, i64::MAX] {
            check(Version::of(Some(value)));
        }
        check(Version::of(None));
        [Turn::Value, Turn::Tombstone, Turn::ValueBehindTombstone].into_iter().for_each(check);
    }
}
