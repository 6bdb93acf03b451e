//! The latest record of each key on both sides, in bounded memory.
//!
//! Keys are known by their digests. When there are more of them than there is room for, the upper
//! half of the digests is let go of, and taken up in a pass of its own.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use super::both::{Both, Which};
use super::held::{Held, Last};
use super::row::Row;

/// A digest is a hash already.
#[derive(Default)]
struct Lower64(u64);

impl Hasher for Lower64 {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {}

    fn write_u128(&mut self, digest: u128) {
        self.0 = digest as u64;
    }
}

/// The keys of one pass.
pub struct Latest<H> {
    table: HashMap<u128, Both<H>, BuildHasherDefault<Lower64>>,
    most_keys: usize,
    /// The upper halves of the digests of this pass, both ends in.
    first: u64,
    last: u64,
}

impl<H: Held> Latest<H> {
    /// Room for some keys, at least `least_keys`, within `memory_bytes`.
    pub fn within(memory_bytes: u64, least_keys: usize) -> Latest<H> {
        let slot_bytes = (size_of::<(u128, Both<H>)>() + 1) as u64;
        // While a table grows, the one of half the size is there too.
        let slots = (memory_bytes / slot_bytes * 2 / 3).max(1);
        let slots = 1usize << slots.ilog2().min(usize::BITS - 2);
        // A table grows at seven eighths, and when more than half of that is left of a full one.
        let most_keys = (slots / 8 * 7 / 16 * 15).max(least_keys);
        Latest { table: HashMap::default(), most_keys, first: 0, last: u64::MAX }
    }

    /// Takes note of a key's next record on a side; what was held there.
    pub fn note(&mut self, which: Which, key: u128, row: &Row) -> Last {
        if !(self.first..=self.last).contains(&upper(key)) {
            return Last::Absent;
        }
        let held = self.table.entry(key).or_default().of_mut(which);
        let before = held.last();
        held.hear(row);
        while self.table.len() >= self.most_keys && self.last > self.first {
            self.last = self.first + (self.last - self.first) / 2;
            let last = self.last;
            self.table.retain(|key, _| upper(*key) <= last);
        }
        before
    }

    /// What is held of a key.
    pub fn get(&self, key: u128) -> Option<Both<H>> {
        self.table.get(&key).copied()
    }

    /// Lets go of a key.
    pub fn forget(&mut self, key: u128) {
        self.table.remove(&key);
    }

    /// Lets go of the keys that `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(Both<Last>) -> bool) {
        self.table.retain(|_, held| keep(held.lasts()));
    }

    /// The keys that are held, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u128, Both<Last>)> {
        self.table.iter().map(|(key, held)| (*key, held.lasts()))
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Goes on to the keys of the next pass; false if all have had theirs.
    pub fn advance(&mut self) -> bool {
        self.table.clear();
        let Some(next) = self.last.checked_add(1) else { return false };
        // What this pass had room for, the next will.
        self.last = next.saturating_add(self.last - self.first);
        self.first = next;
        true
    }
}

fn upper(key: u128) -> u64 {
    (key >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Offset, Position, Timestamp};
    use crate::verify::against::held::{Highest, Opening, Written};
    use crate::verify::against::row::{Place, Seeds, Standing};

    fn row(key: u128, offset: i64, deletes: bool) -> Row {
        Row {
            offset: Offset(offset),
            timestamp: Timestamp(offset),
            key: Some(key),
            value: (!deletes).then_some(1),
            deletes,
            order: Some(offset),
            headers: 0,
            standing: Standing::Settled,
            place: Place { segment: 0, position: Position(0) },
        }
    }

    #[test]
    fn what_a_rule_does_not_need_takes_up_no_room() {
        assert_eq!(size_of::<(u128, Both<Written>)>(), 32);
        assert_eq!(size_of::<(u128, Both<Opening>)>(), 32);
        assert_eq!(size_of::<Both<Highest>>(), 34);
    }

    #[test]
    fn more_keys_than_there_is_room_for_take_more_passes_and_each_key_has_one() {
        let seeds = Seeds::draw();
        let keys: Vec<u128> = (0..10_000u32).map(|n| seeds.key(&n.to_be_bytes())).collect();
        let mut latest = Latest::<Written>::within(1 << 10, 700);
        let mut seen = Vec::new();
        let mut passes = 0;
        loop {
            for (number, key) in keys.iter().enumerate() {
                latest.note(Which::Before, *key, &row(*key, number as i64, false));
                latest.note(Which::After, *key, &row(*key, number as i64, number % 3 == 0));
                assert!(latest.table.len() <= 700);
            }
            assert!(latest.table.capacity() <= 1024 / 8 * 7);
            seen.extend(latest.iter().filter_map(|(_, last)| last.before.value()));
            passes += 1;
            if !latest.advance() {
                break;
            }
        }
        seen.sort();
        assert_eq!(seen, (0..10_000).map(Offset).collect::<Vec<_>>());
        assert!((15..=64).contains(&passes), "{passes} passes");
    }
}
