//! The latest record of each key on both sides, in bounded memory.
//!
//! Keys are known by their digests. When there are more of them than there is room for, the upper
//! half of the digests is let go of, and taken up in a pass of its own.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use super::both::{Both, Which};
use crate::units::Offset;

/// The last that a log says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// Nothing.
    Absent,
    /// It has the value at this offset.
    Value(Offset),
    /// It is deleted at this offset.
    Tombstone(Offset),
}

impl Last {
    /// The offset of its value.
    pub fn value(self) -> Option<Offset> {
        match self {
            Last::Value(offset) => Some(offset),
            Last::Absent | Last::Tombstone(_) => None,
        }
    }
}

/// [`Last`] in eight bytes; no record has the largest offset, so its complement is free.
#[derive(Clone, Copy, Debug)]
struct Packed(i64);

impl Default for Packed {
    fn default() -> Packed {
        Packed::ABSENT
    }
}

impl Packed {
    const ABSENT: Packed = Packed(i64::MIN);

    fn new(offset: Offset, is_tombstone: bool) -> Packed {
        Packed(if is_tombstone { !offset.0 } else { offset.0 })
    }

    fn unpacked(self) -> Last {
        match self.0 {
            i64::MIN => Last::Absent,
            below @ ..0 => Last::Tombstone(Offset(!below)),
            offset => Last::Value(Offset(offset)),
        }
    }
}

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
pub struct Latest {
    table: HashMap<u128, Both<Packed>, BuildHasherDefault<Lower64>>,
    most_keys: usize,
    /// The upper halves of the digests of this pass, both ends in.
    first: u64,
    last: u64,
}

impl Latest {
    /// Room for some keys, at least `least_keys`, within `memory_bytes`.
    pub fn within(memory_bytes: u64, least_keys: usize) -> Latest {
        const SLOT_BYTES: u64 = (size_of::<(u128, Both<Packed>)>() + 1) as u64;
        // While a table grows, the one of half the size is there too.
        let slots = (memory_bytes / SLOT_BYTES * 2 / 3).max(1);
        let slots = 1usize << slots.ilog2().min(usize::BITS - 2);
        // A table grows at seven eighths, and when more than half of that is left of a full one.
        let most_keys = (slots / 8 * 7 / 16 * 15).max(least_keys);
        Latest { table: HashMap::default(), most_keys, first: 0, last: u64::MAX }
    }

    /// Takes note of a key's record, the latest so far on its side.
    pub fn note(&mut self, which: Which, key: u128, offset: Offset, is_tombstone: bool) {
        if !(self.first..=self.last).contains(&upper(key)) {
            return;
        }
        *self.table.entry(key).or_default().of_mut(which) = Packed::new(offset, is_tombstone);
        while self.table.len() >= self.most_keys && self.last > self.first {
            self.last = self.first + (self.last - self.first) / 2;
            let last = self.last;
            self.table.retain(|key, _| upper(*key) <= last);
        }
    }

    /// What both sides say of a key that is held.
    pub fn get(&self, key: u128) -> Option<Both<Last>> {
        self.table.get(&key).map(|packed| unpacked(*packed))
    }

    /// Lets go of a key.
    pub fn forget(&mut self, key: u128) {
        self.table.remove(&key);
    }

    /// Lets go of the keys that `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(Both<Last>) -> bool) {
        self.table.retain(|_, packed| keep(unpacked(*packed)));
    }

    /// The keys that are held, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u128, Both<Last>)> {
        self.table.iter().map(|(key, packed)| (*key, unpacked(*packed)))
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

fn unpacked(packed: Both<Packed>) -> Both<Last> {
    Both { before: packed.before.unpacked(), after: packed.after.unpacked() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::against::row::Seeds;

    #[test]
    fn more_keys_than_there_is_room_for_take_more_passes_and_each_key_has_one() {
        let seeds = Seeds::draw();
        let keys: Vec<u128> = (0..10_000u32).map(|n| seeds.key(&n.to_be_bytes())).collect();
        let mut latest = Latest::within(1 << 10, 700);
        let mut seen = Vec::new();
        let mut passes = 0;
        loop {
            for (number, key) in keys.iter().enumerate() {
                latest.note(Which::Before, *key, Offset(number as i64), false);
                latest.note(Which::After, *key, Offset(number as i64), number % 3 == 0);
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

    #[test]
    fn what_is_packed_comes_out_again() {
        for offset in [0, 1, i64::MAX - 1] {
            let offset = Offset(offset);
            assert_eq!(Packed::new(offset, false).unpacked(), Last::Value(offset));
            assert_eq!(Packed::new(offset, true).unpacked(), Last::Tombstone(offset));
        }
        assert_eq!(Packed::default().unpacked(), Last::Absent);
    }
}
