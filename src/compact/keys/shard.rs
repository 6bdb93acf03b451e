//! One shard of the key index: a set of distinct keys in little memory.
//!
//! 1. Tables of eight-byte slots (`key_table`), each 32 bits of hash and where the key's bytes are.
//! 2. The keys, packed (see `key_pack`), one behind the other on pages that are never moved. In
//!    front of each there is room for what is to be known of it, as many bytes as the strategy asks
//!    for: where the newest record of a key stands, none.
//!
//! Two keys are the same only if their bytes are; equal hashes cost a comparison, never a record.
//! A shard that has used up its budget closes: from then on it knows the keys it has, and says of
//! any other that it cannot tell.

use std::marker::PhantomData;

use super::key_set::{KeySet, Sighting};
use super::table::Tables;
use crate::compact::strategy::Front;

/// Where a key is held, as long as its shard is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

/// The distinct keys whose hash falls to this shard, each with its `F` bytes in front.
pub struct Shard<F = [u8; 0]> {
    /// A slot is the hash above the key's place plus one.
    tables: Tables,
    keys: Keys<F>,
    closed: bool,
}

impl<F> Default for Shard<F> {
    fn default() -> Shard<F> {
        let keys = Keys { pages: Vec::new(), allocated_bytes: 0, front: PhantomData };
        Shard { tables: Tables::default(), keys, closed: false }
    }
}

impl<F: Front> KeySet<F> for Shard<F> {
    /// Its hash, and the packed key.
    type Key<'k> = (u32, &'k [u8]);
    type Place = Place;

    #[inline]
    fn sight(
        &mut self,
        (hash, packed): (u32, &[u8]),
        front: impl FnOnce() -> F,
        budget_bytes: usize,
    ) -> Sighting<Place> {
        let vacant = match self.find(hash, packed) {
            Ok(place) => return Sighting::Again(Place(place)),
            Err(vacant) => vacant,
        };
        let held_bytes = size_of::<F>() + packed.len();
        let vacant =
            if self.closed { None } else { self.make_room(hash, vacant, held_bytes, budget_bytes) };
        let Some(vacant) = vacant else {
            self.closed = true;
            return Sighting::NoRoom;
        };
        let place = self.keys.put(front(), packed);
        self.tables.put(hash, u64::from(hash) << 32 | u64::from(place + 1), [], vacant);
        Sighting::First
    }

    #[inline]
    fn look(&self, (hash, packed): (u32, &[u8])) -> Sighting<Place> {
        match (self.find(hash, packed), self.closed) {
            (Ok(place), _) => Sighting::Again(Place(place)),
            (Err(_), true) => Sighting::NoRoom,
            (Err(_), false) => Sighting::First,
        }
    }

    /// First the slots, all at the same time, then the keys that are likely to be theirs.
    #[inline]
    fn approach<'k>(&self, keys: impl Iterator<Item = Self::Key<'k>> + Clone) {
        let hashes = keys.map(|(hash, _)| hash);
        let slots = hashes.clone().map(|hash| self.tables.peek(hash));
        let near = hashes.zip(slots).fold(0, |near, (hash, slot)| {
            let key =
                if slot != 0 && hash_of(slot) == hash { self.keys.peek(place_of(slot)) } else { 0 };
            near ^ slot ^ u64::from(key)
        });
        std::hint::black_box(near);
    }

    #[inline]
    fn front(&self, place: Place) -> Option<F> {
        F::try_from(self.keys.front_of(place.0)?).ok()
    }

    #[inline]
    fn set_front(&mut self, place: Place, front: F) {
        self.keys.set_front(place.0, front);
    }

    fn allocated_bytes(&self) -> usize {
        self.tables.allocated_bytes() + self.keys.allocated_bytes
    }
}

impl<F: Front> Shard<F> {
    /// What stands in front of each key, in no order.
    pub fn fronts(&self) -> impl Iterator<Item = F> {
        self.tables.iter().filter_map(|(slot, _)| self.front(Place(place_of(slot))))
    }

    /// Takes it that there will be so many times as many in the end; 0 if that cannot be said.
    pub fn expect(&mut self, times: f64) {
        self.tables.expect((self.held() as f64 * times) as usize);
    }

    /// How many keys it holds.
    pub fn held(&self) -> usize {
        self.tables.held()
    }

    /// Where the key is held; `Err` has the slot where it would go.
    #[inline]
    fn find(&self, hash: u32, packed: &[u8]) -> Result<u32, usize> {
        let is = |slot| hash_of(slot) == hash && self.keys.is(place_of(slot), packed);
        self.tables.find(hash, is).map(|found| place_of(found.slot))
    }

    /// Makes room for a key that may go to the slot `vacant`; says where it goes, or that there is
    /// no room.
    #[inline]
    fn make_room(
        &mut self,
        hash: u32,
        vacant: usize,
        held_bytes: usize,
        budget_bytes: usize,
    ) -> Option<usize> {
        let more_slots = self.tables.slots_lacking(hash);
        let page_bytes = self.keys.new_page_bytes(held_bytes, budget_bytes);
        if more_slots + page_bytes == 0 {
            return Some(vacant);
        }
        let wanted = self.allocated_bytes() + more_slots * size_of::<u64>() + page_bytes;
        if self.held() > 0 && wanted > budget_bytes || self.keys.pages.len() >= MOST_PAGES {
            return None;
        }
        if page_bytes > 0 {
            self.keys.add_page(page_bytes);
        }
        match more_slots {
            0 => Some(vacant),
            more_slots => Some(self.tables.grow(hash, more_slots, hash_of)),
        }
    }
}

#[inline]
fn hash_of(slot: u64) -> u32 {
    (slot >> 32) as u32
}

#[inline]
fn place_of(slot: u64) -> u32 {
    (slot as u32).wrapping_sub(1)
}

/// Packed keys on pages, each behind its front.
struct Keys<F> {
    pages: Vec<Vec<u8>>,
    allocated_bytes: usize,
    front: PhantomData<F>,
}

/// The size of a page; a key that is larger has a page of its own.
const PAGE_BITS: u32 = 15;
const PAGE_BYTES: usize = 1 << PAGE_BITS;
const LEAST_PAGE_BYTES: usize = 256;
/// Page number and start in the page make a place of 32 bits, of which one is never used.
const MOST_PAGES: usize = (1 << (u32::BITS - PAGE_BITS)) - 1;

impl<F: Front> Keys<F> {
    /// A byte of what stands there.
    #[inline]
    fn peek(&self, place: u32) -> u8 {
        let page = self.pages.get((place >> PAGE_BITS) as usize);
        page.and_then(|page| page.get(place as usize % PAGE_BYTES)).copied().unwrap_or(0)
    }

    #[inline]
    fn is(&self, place: u32, packed: &[u8]) -> bool {
        let page = self.pages.get((place >> PAGE_BITS) as usize);
        let start = place as usize % PAGE_BYTES + size_of::<F>();
        let held = page.and_then(|page| page.get(start..));
        begins_with(held.unwrap_or_default(), packed)
    }

    #[inline]
    fn front_of(&self, place: u32) -> Option<&[u8]> {
        let start = place as usize % PAGE_BYTES;
        self.pages.get((place >> PAGE_BITS) as usize)?.get(start..start + size_of::<F>())
    }

    #[inline]
    fn set_front(&mut self, place: u32, front: F) {
        let start = place as usize % PAGE_BYTES;
        let page = self.pages.get_mut((place >> PAGE_BITS) as usize);
        if let Some(held) = page.and_then(|page| page.get_mut(start..start + size_of::<F>())) {
            held.copy_from_slice(front.as_ref());
        }
    }

    /// The size of the page that a key of `held_bytes` needs, a small part of the budget if it can
    /// be; 0 if there is room on the last one.
    #[inline]
    fn new_page_bytes(&self, held_bytes: usize, budget_bytes: usize) -> usize {
        let has_room =
            |page: &Vec<u8>| page.len() < PAGE_BYTES && page.capacity() - page.len() >= held_bytes;
        if self.pages.last().is_some_and(has_room) {
            return 0;
        }
        held_bytes.max((budget_bytes / 16).clamp(LEAST_PAGE_BYTES, PAGE_BYTES))
    }

    fn add_page(&mut self, page_bytes: usize) {
        let page = Vec::with_capacity(page_bytes);
        self.allocated_bytes += page.capacity() + size_of::<Vec<u8>>();
        self.pages.push(page);
    }

    /// Puts a key on the last page, which has room for it.
    fn put(&mut self, front: F, packed: &[u8]) -> u32 {
        let number = self.pages.len().saturating_sub(1) as u32;
        let Some(page) = self.pages.last_mut() else { return 0 };
        let place = number << PAGE_BITS | page.len() as u32;
        page.extend_from_slice(front.as_ref());
        page.extend_from_slice(packed);
        place
    }
}

/// `bytes.starts_with(front)`, short fronts compared in place instead of by a call.
#[inline]
fn begins_with(bytes: &[u8], front: &[u8]) -> bool {
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..)?.first_chunk::<8>().map(|word| u64::from_le_bytes(*word))
    };
    let half = |bytes: &[u8], at: usize| {
        bytes.get(at..)?.first_chunk::<4>().map(|half| u32::from_le_bytes(*half))
    };
    // The second load of each pair overlaps the first, and ends where the front does.
    match front.len() {
        4..8 => {
            let last = front.len() - 4;
            half(bytes, 0) == half(front, 0) && half(bytes, last) == half(front, last)
        }
        8..=16 => {
            let last = front.len() - 8;
            word(bytes, 0) == word(front, 0) && word(bytes, last) == word(front, last)
        }
        _ => bytes.starts_with(front),
    }
}

#[cfg(test)]
mod tests {
    use super::super::pack::Packer;
    use super::*;

    fn packed(n: u32) -> Vec<u8> {
        let mut packed = Vec::new();
        Packer::default().pack(format!("key-{n}").as_bytes(), &mut packed);
        packed
    }

    const AMPLE: usize = 1 << 30;

    fn is_again(sighting: Sighting<Place>) -> bool {
        matches!(sighting, Sighting::Again(_))
    }

    #[test]
    fn what_stands_in_front_of_a_key_is_its_own() {
        let mut shard = Shard::<[u8; 3]>::default();
        let front = |n: u32| [n as u8, (n >> 8) as u8, 7];
        for n in 0..5000 {
            assert_eq!(shard.sight((n % 97, &packed(n)), || front(n), AMPLE), Sighting::First);
        }
        for n in 0..5000 {
            let Sighting::Again(place) = shard.look((n % 97, &packed(n))) else { panic!("{n}") };
            assert_eq!(shard.front(place), Some(front(n)));
            shard.set_front(place, front(n + 1));
        }
        for n in 0..5000 {
            // What comes with a key that is known is not taken.
            let Sighting::Again(place) = shard.sight((n % 97, &packed(n)), || [9; 3], AMPLE) else {
                panic!("{n}")
            };
            assert_eq!(shard.front(place), Some(front(n + 1)));
        }
    }

    #[test]
    fn keys_that_share_a_hash_are_still_two_keys() {
        let mut shard = Shard::<[u8; 0]>::default();
        for is_known in [false, true] {
            for n in 0..500u32 {
                assert_eq!(
                    is_again(shard.sight((n % 2, &packed(n)), || [], AMPLE)),
                    is_known,
                    "{n}"
                );
            }
        }
        assert_eq!(shard.held(), 500);
        assert_eq!(shard.look((0, &packed(1))), Sighting::First);
    }

    #[test]
    fn a_closed_shard_knows_its_keys_and_takes_no_other_however_small() {
        let mut shard = Shard::<[u8; 0]>::default();
        let key = |n: u32| n.to_be_bytes().repeat(10);
        let hash = |n: u32| n.wrapping_mul(0x9e37_79b9);
        let budget = 48 << 10;
        let held = (0..)
            .take_while(|n| shard.sight((hash(*n), &key(*n)), || [], budget) == Sighting::First);
        let held = held.count() as u32;
        assert!((700..1100).contains(&held), "{held}");
        assert!(shard.allocated_bytes() <= budget);
        assert_eq!(shard.sight((hash(held), b""), || [], budget), Sighting::NoRoom);
        assert_eq!(shard.look((hash(held), b"")), Sighting::NoRoom);
        assert!((0..held).all(|n| is_again(shard.sight((hash(n), &key(n)), || [], budget))));
        assert_eq!(shard.held() as u32, held);
    }

    #[test]
    fn one_key_finds_room_in_any_budget() {
        let mut shard = Shard::<[u8; 0]>::default();
        let key = vec![1; 1 << 20];
        assert_eq!(shard.sight((3, &key), || [], 0), Sighting::First);
        assert!(is_again(shard.sight((3, &key), || [], 0)));
        assert_eq!(shard.sight((4, &[2; 1000]), || [], 0), Sighting::NoRoom);
    }

    #[test]
    fn a_key_of_user_numbers_takes_less_than_24_bytes() {
        let mut shard = Shard::<[u8; 0]>::default();
        let packer = Packer::like(b"user-000000417283");
        let mut most = 0.0f64;
        for n in 0..100_000u32 {
            let key = format!("user-{:012}", n.wrapping_mul(7919) % 500_000);
            let mut packed = Vec::new();
            packer.pack(key.as_bytes(), &mut packed);
            shard.sight((n.wrapping_mul(0x9e37_79b9), &packed), || [], AMPLE);
            if n > 10_000 {
                most = most.max(shard.allocated_bytes() as f64 / shard.held() as f64);
            }
        }
        assert!(most < 24.0, "{most}");
    }
}
