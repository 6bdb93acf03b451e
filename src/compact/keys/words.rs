//! Short keys, as a set of numbers: a key that takes no more than eight bytes once it is packed is
//! a word, and a word stands in its slot itself.
//!
//! Where keys are counters or ids, nearly all of them are words. To tell two apart then takes one
//! look at one place in memory, and a key takes a slot and no more. What is to be known of it, if
//! the strategy asks for anything, stands beside that.

use super::index::KeyHasher;
use super::key_set::{KeySet, Sighting};
use super::table::{Found, Tables};
use crate::compact::strategy::Front;

/// A packed key of no more than eight bytes, the first one lowest, zeros behind it. A packed key
/// says where it ends, so two keys are the same word only if they are the same; none is 0.
///
/// In halves, so that a vote with one is not padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyWord([u32; 2]);

impl KeyWord {
    /// These bits, unless they are all 0: that is an empty slot.
    #[inline]
    pub fn of(bits: u64) -> Option<KeyWord> {
        (bits != 0).then_some(KeyWord([bits as u32, (bits >> 32) as u32]))
    }

    /// Its bits.
    #[inline]
    pub fn bits(self) -> u64 {
        let KeyWord([low, high]) = self;
        u64::from(low) | u64::from(high) << 32
    }
}

/// The distinct words of a shard, each with its `F` bytes beside it.
pub struct Words<F = [u8; 0]> {
    tables: Tables<F>,
    hasher: KeyHasher,
    closed: bool,
}

impl<F: Front> KeySet<F> for Words<F> {
    type Key<'k> = KeyWord;
    type Place = Found;

    #[inline]
    fn sight(
        &mut self,
        word: KeyWord,
        front: impl FnOnce() -> F,
        budget_bytes: usize,
    ) -> Sighting<Found> {
        let hash = self.hasher.hash_bits(word.bits());
        let mut vacant = match self.tables.find(hash, |slot| slot == word.bits()) {
            Ok(found) => return Sighting::Again(found),
            Err(vacant) => vacant,
        };
        if self.closed {
            return Sighting::NoRoom;
        }
        let more_slots = self.tables.slots_lacking(hash);
        if more_slots > 0 {
            let Some(found) = self.grow(hash, more_slots, budget_bytes) else {
                return Sighting::NoRoom;
            };
            vacant = found;
        }
        self.tables.put(hash, word.bits(), front(), vacant);
        Sighting::First
    }

    #[inline]
    fn look(&self, word: KeyWord) -> Sighting<Found> {
        let hash = self.hasher.hash_bits(word.bits());
        match self.tables.find(hash, |slot| slot == word.bits()) {
            Ok(found) => Sighting::Again(found),
            Err(_) if self.closed => Sighting::NoRoom,
            Err(_) => Sighting::First,
        }
    }

    #[inline]
    fn approach<'k>(&self, words: impl Iterator<Item = Self::Key<'k>> + Clone) {
        let hashes = words.map(|word| self.hasher.hash_bits(word.bits()));
        std::hint::black_box(hashes.fold(0, |near, hash| near ^ self.tables.peek(hash)));
    }

    #[inline]
    fn front(&self, found: Found) -> Option<F> {
        self.tables.front(found)
    }

    #[inline]
    fn set_front(&mut self, found: Found, front: F) {
        self.tables.set_front(found, front);
    }

    fn allocated_bytes(&self) -> usize {
        self.tables.allocated_bytes()
    }
}

impl<F: Front> Words<F> {
    /// None yet; their places are told by `hasher`.
    pub fn new(hasher: &KeyHasher) -> Words<F> {
        Words { tables: Tables::default(), hasher: *hasher, closed: false }
    }

    /// What stands beside each word, in no order.
    pub fn fronts(&self) -> impl Iterator<Item = F> {
        self.tables.iter().map(|(_, front)| front)
    }

    /// Takes it that there will be so many times as many in the end; 0 if that cannot be said.
    pub fn expect(&mut self, times: f64) {
        self.tables.expect((self.held() as f64 * times) as usize);
    }

    /// Where a word with this hash goes once there are so many slots more; the set closes if they
    /// do not fit into the budget. Out of line, so that looking for a word stays short.
    #[inline(never)]
    fn grow(&mut self, hash: u32, more_slots: usize, budget_bytes: usize) -> Option<usize> {
        let wanted = self.tables.allocated_bytes() + more_slots * Tables::<F>::SLOT_BYTES;
        if self.tables.held() > 0 && wanted > budget_bytes {
            self.closed = true;
            return None;
        }
        Some(self.tables.grow(hash, more_slots, |slot| self.hasher.hash_bits(slot)))
    }

    /// How many words it holds.
    pub fn held(&self) -> usize {
        self.tables.held()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(n: u64) -> KeyWord {
        KeyWord::of(n + 1).unwrap()
    }

    fn is_again(sighting: Sighting<Found>) -> bool {
        matches!(sighting, Sighting::Again(_))
    }

    #[test]
    fn what_stands_beside_a_word_is_its_own() {
        let mut words = Words::<[u8; 3]>::new(&KeyHasher::numbered(1));
        let front = |n: u64| [n as u8, (n >> 8) as u8, 7];
        for n in 0..5000 {
            let sighting = words.sight(word(n), || front(n), usize::MAX);
            assert_eq!(sighting, Sighting::First);
        }
        for n in 0..5000 {
            let Sighting::Again(found) = words.look(word(n)) else { panic!("{n}") };
            assert_eq!(words.front(found), Some(front(n)));
            words.set_front(found, front(n + 1));
        }
        for n in 0..5000 {
            // What comes with a word that is known is not taken.
            let sighting = words.sight(word(n), || [9; 3], usize::MAX);
            let Sighting::Again(found) = sighting else { panic!("{n}") };
            assert_eq!(words.front(found), Some(front(n + 1)));
        }
        assert_eq!(words.fronts().filter(|front| front[2] == 7).count(), 5000);
    }

    #[test]
    fn words_that_share_a_hash_are_still_two_words() {
        let mut words = Words::<[u8; 0]>::new(&KeyHasher::new(1));
        for is_known in [false, true] {
            for n in 0..500 {
                let sighting = words.sight(word(n), || [], usize::MAX);
                assert_eq!(is_again(sighting), is_known, "{n}");
            }
        }
        assert_eq!(words.held(), 500);
        assert_eq!(words.look(word(500)), Sighting::First);
    }

    #[test]
    fn a_closed_set_knows_its_words_and_takes_no_other() {
        let mut words = Words::<[u8; 0]>::new(&KeyHasher::numbered(1));
        let budget = 16 << 10;
        let mut sight = |n| words.sight(word(n), || [], budget);
        let held = (0..).take_while(|n| sight(*n) == Sighting::First).count() as u64;
        assert!((1000..1700).contains(&held), "{held}");
        assert_eq!(sight(held + 1), Sighting::NoRoom);
        assert!((0..held).all(|n| is_again(sight(n))));
        assert!(words.allocated_bytes() <= budget);
        assert_eq!(words.look(word(held + 2)), Sighting::NoRoom);
        assert_eq!(words.held() as u64, held);
    }

    #[test]
    fn one_word_finds_room_in_any_budget() {
        let mut words = Words::<[u8; 0]>::new(&KeyHasher::numbered(1));
        assert_eq!(words.sight(word(1), || [], 0), Sighting::First);
        assert!(is_again(words.sight(word(1), || [], 0)));
    }

    #[test]
    fn what_is_expected_is_made_room_for_at_once() {
        let hasher = KeyHasher::numbered(1);
        let sizes = |times: f64| {
            let mut words = Words::<[u8; 0]>::new(&hasher);
            let mut sizes = std::collections::BTreeSet::new();
            for n in 0..60_000 {
                if n == 20_000 {
                    words.expect(times);
                }
                assert_eq!(words.sight(word(n), || [], usize::MAX), Sighting::First);
                if n >= 20_000 {
                    sizes.insert(words.allocated_bytes());
                }
            }
            assert!((0..60_000).all(|n| is_again(words.look(word(n)))));
            (sizes.len(), words.allocated_bytes() as f64 / 60_000.0)
        };
        // Each of the 64 tables grows once, and to no more than it needs.
        let (steps, bytes_a_key) = sizes(3.0);
        assert!(steps <= 65 && bytes_a_key < 12.0, "{steps} {bytes_a_key}");
        let (step_by_step, _) = sizes(0.0);
        assert!(step_by_step > 150, "{step_by_step}");
    }

    #[test]
    fn a_word_takes_less_than_18_bytes() {
        let mut words = Words::<[u8; 0]>::new(&KeyHasher::numbered(1));
        let mut most = 0.0f64;
        for n in 0..100_000 {
            words.sight(word(n), || [], usize::MAX);
            if n > 10_000 {
                most = most.max(words.allocated_bytes() as f64 / words.held() as f64);
            }
        }
        assert!(most < 18.0, "{most}");
    }
}
