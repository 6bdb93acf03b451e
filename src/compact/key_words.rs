//! Short keys, as a set of numbers: a key that takes no more than eight bytes once it is packed is
//! a word, and a word stands in its slot itself.
//!
//! Where keys are counters or ids, nearly all of them are words. To tell two apart then takes one
//! look at one place in memory, and a key takes a slot and no more.

use super::key_index::KeyHasher;
use super::key_shard::Sighting;
use super::key_table::Tables;

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

/// The distinct words of a shard.
#[derive(Default)]
pub struct Words {
    tables: Tables,
    closed: bool,
}

impl Words {
    /// Takes note of a word, allocating no more than `budget_bytes` in all (though room for one is
    /// always found, so that every pass gets on).
    #[inline]
    pub fn sight(
        &mut self,
        word: KeyWord,
        hasher: &KeyHasher,
        budget_bytes: usize,
    ) -> Sighting<()> {
        let hash = hasher.hash_bits(word.bits());
        let mut vacant = match self.tables.find(hash, |slot| slot == word.bits()) {
            Ok(_) => return Sighting::Again(()),
            Err(vacant) => vacant,
        };
        if self.closed {
            return Sighting::NoRoom;
        }
        let more_slots = self.tables.slots_lacking(hash);
        if more_slots > 0 {
            let wanted = self.tables.allocated_bytes() + more_slots * size_of::<u64>();
            if self.tables.held() > 0 && wanted > budget_bytes {
                self.closed = true;
                return Sighting::NoRoom;
            }
            vacant = self.tables.grow(hash, more_slots, |slot| hasher.hash_bits(slot));
        }
        self.tables.put(hash, word.bits(), vacant);
        Sighting::First
    }

    /// Whether the word is known; `NoRoom` if it is not, but might have been but for the budget.
    pub fn look(&self, word: KeyWord, hasher: &KeyHasher) -> Sighting<()> {
        let hash = hasher.hash_bits(word.bits());
        match self.tables.find(hash, |slot| slot == word.bits()) {
            Ok(_) => Sighting::Again(()),
            Err(_) if self.closed => Sighting::NoRoom,
            Err(_) => Sighting::First,
        }
    }

    /// How many words it holds.
    pub fn held(&self) -> usize {
        self.tables.held()
    }

    /// What it has allocated.
    pub fn allocated_bytes(&self) -> usize {
        self.tables.allocated_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(n: u64) -> KeyWord {
        KeyWord::of(n + 1).unwrap()
    }

    #[test]
    fn words_that_share_a_hash_are_still_two_words() {
        let (hasher, mut words) = (KeyHasher::new(1), Words::default());
        for wanted in [Sighting::First, Sighting::Again(())] {
            for n in 0..500 {
                assert_eq!(words.sight(word(n), &hasher, usize::MAX), wanted, "{n}");
            }
        }
        assert_eq!(words.held(), 500);
        assert_eq!(words.look(word(500), &hasher), Sighting::First);
    }

    #[test]
    fn a_closed_set_knows_its_words_and_takes_no_other() {
        let (hasher, mut words) = (KeyHasher::new(64), Words::default());
        let budget = 16 << 10;
        let mut sight = |n| words.sight(word(n), &hasher, budget);
        let held = (0..).take_while(|n| sight(*n) == Sighting::First).count() as u64;
        assert!((1000..1700).contains(&held), "{held}");
        assert_eq!(sight(held + 1), Sighting::NoRoom);
        assert!((0..held).all(|n| sight(n) == Sighting::Again(())));
        assert!(words.allocated_bytes() <= budget);
        assert_eq!(words.look(word(held + 2), &hasher), Sighting::NoRoom);
        assert_eq!(words.held() as u64, held);
    }

    #[test]
    fn one_word_finds_room_in_any_budget() {
        let (hasher, mut words) = (KeyHasher::new(64), Words::default());
        assert_eq!(words.sight(word(1), &hasher, 0), Sighting::First);
        assert_eq!(words.sight(word(1), &hasher, 0), Sighting::Again(()));
    }

    #[test]
    fn a_word_takes_less_than_18_bytes() {
        let (hasher, mut words) = (KeyHasher::new(64), Words::default());
        let mut most = 0.0f64;
        for n in 0..100_000 {
            words.sight(word(n), &hasher, usize::MAX);
            if n > 10_000 {
                most = most.max(words.allocated_bytes() as f64 / words.held() as f64);
            }
        }
        assert!(most < 18.0, "{most}");
    }
}
