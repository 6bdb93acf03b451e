//! Tables of slots of eight bytes, in which a key is searched by its hash. What stands in a slot is
//! for the owner to say; 0 is an empty one. Beside each there may be bytes of a fixed number.
//!
//! A table grows by two fifths, so that it is a half to three quarters full; there are many, so
//! that one is small and its growth soon done. Where many more keys are expected, it grows to what
//! these will need, and is spared the steps between.

use crate::compact::strategy::Front;

/// Tables of a shard.
const TABLE_BITS: u32 = 6;
/// The least number of slots of a table in use.
const LEAST_SLOTS: usize = 8;

/// Slots by hash. None are allocated before there is a key.
pub struct Tables<F = [u8; 0]> {
    tables: Vec<Table<F>>,
    slots: usize,
    held: usize,
    /// What a table is likely to need in the end; 0 if nothing is known.
    likely_slots: usize,
}

struct Table<F> {
    slots: Vec<u64>,
    /// What stands beside each.
    fronts: Vec<F>,
    held: usize,
}

/// A key that was found, until another is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    hash: u32,
    at: usize,
    /// What stands in its slot.
    pub slot: u64,
}

impl<F> Default for Tables<F> {
    fn default() -> Tables<F> {
        Tables { tables: Vec::new(), slots: 0, held: 0, likely_slots: 0 }
    }
}

impl<F> Default for Table<F> {
    fn default() -> Table<F> {
        Table { slots: Vec::new(), fronts: Vec::new(), held: 0 }
    }
}

impl<F: Front> Tables<F> {
    /// What a slot takes up, with what stands beside it.
    pub const SLOT_BYTES: usize = size_of::<u64>() + size_of::<F>();

    /// The key with this hash that `is` the one; `Err` has the slot where it would go.
    #[inline]
    pub fn find(&self, hash: u32, is: impl Fn(u64) -> bool) -> Result<Found, usize> {
        self.tables.get(table_of(hash)).ok_or(0usize)?.find(hash, is)
    }

    /// What stands where the search for a hash begins.
    #[inline]
    pub fn peek(&self, hash: u32) -> u64 {
        let table = self.tables.get(table_of(hash));
        table.and_then(|table| table.slots.get(table.home(hash))).copied().unwrap_or(0)
    }

    /// What stands beside a key.
    #[inline]
    pub fn front(&self, found: Found) -> Option<F> {
        self.tables.get(table_of(found.hash))?.fronts.get(found.at).copied()
    }

    /// Puts something else there.
    #[inline]
    pub fn set_front(&mut self, found: Found, front: F) {
        let table = self.tables.get_mut(table_of(found.hash));
        if let Some(held) = table.and_then(|table| table.fronts.get_mut(found.at)) {
            *held = front;
        }
    }

    /// Fills the slot that was found vacant for a hash, and the place beside it.
    #[inline]
    pub fn put(&mut self, hash: u32, slot: u64, front: F, vacant: usize) {
        let Some(table) = self.tables.get_mut(table_of(hash)) else { return };
        if table.fill(vacant, slot, front) {
            table.held += 1;
            self.held += 1;
        }
    }

    /// How many slots more it takes before another key with this hash may be put.
    #[inline]
    pub fn slots_lacking(&self, hash: u32) -> usize {
        let number = table_of(hash);
        match self.tables.get(number) {
            Some(table) if !table.is_crowded() => 0,
            Some(table) => table.larger(number, self.likely_slots) - table.slots.len(),
            None => Table::<F>::default().larger(number, 0),
        }
    }

    /// Takes it that they will hold so many keys in the end; 0 if that cannot be said.
    pub fn expect(&mut self, keys: usize) {
        // Three quarters full at the most, the fullest of them too.
        self.likely_slots = (keys / 64 * 91) >> TABLE_BITS;
    }

    /// Has so many slots more where this hash belongs; says where the next key with it goes.
    /// `hash_of` tells the hash of what stands in a slot.
    pub fn grow(&mut self, hash: u32, more_slots: usize, hash_of: impl Fn(u64) -> u32) -> usize {
        self.tables.resize_with(1 << TABLE_BITS, Table::default);
        let Some(table) = self.tables.get_mut(table_of(hash)) else { return 0 };
        table.grow(more_slots, hash_of);
        self.slots += more_slots;
        table.find(hash, |_| false).err().unwrap_or(0)
    }

    /// What stands in the slots, and beside them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, F)> {
        let slots = self.tables.iter().flat_map(|table| table.slots.iter().zip(&table.fronts));
        slots.map(|(slot, front)| (*slot, *front)).filter(|(slot, _)| *slot != 0)
    }

    /// How many keys they hold.
    pub fn held(&self) -> usize {
        self.held
    }

    /// What they have allocated.
    pub fn allocated_bytes(&self) -> usize {
        self.slots * Self::SLOT_BYTES
    }
}

/// So many values, in memory that was written to. What is promised to be zeros, as by `vec!`, is
/// first read where a key is searched: the system then has two faults a page, and the second one
/// halts all threads.
fn written<T: Clone>(value: T, count: usize) -> Vec<T> {
    // Unseen by who would make a promise of it again.
    let mut values = std::hint::black_box(Vec::with_capacity(count));
    values.resize(count, value);
    values
}

/// The highest bits choose the table.
#[inline]
fn table_of(hash: u32) -> usize {
    (hash >> (u32::BITS - TABLE_BITS)) as usize
}

impl<F: Front> Table<F> {
    /// Where the search for a hash begins: its other bits as a fraction of the table.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        let fraction = u64::from(hash << TABLE_BITS);
        (fraction.wrapping_mul(self.slots.len() as u64) >> 32) as usize
    }

    #[inline]
    fn find(&self, hash: u32, is: impl Fn(u64) -> bool) -> Result<Found, usize> {
        let mut at = self.home(hash);
        loop {
            match self.slots.get(at) {
                Some(0) => return Err(at),
                Some(slot) if is(*slot) => return Ok(Found { hash, at, slot: *slot }),
                Some(_) => at += 1,
                None if self.slots.is_empty() => return Err(0),
                // A quarter of the slots is always empty, so the search ends.
                None => at = 0,
            }
        }
    }

    #[inline]
    fn fill(&mut self, vacant: usize, slot: u64, front: F) -> bool {
        let (Some(empty), Some(blank)) = (self.slots.get_mut(vacant), self.fronts.get_mut(vacant))
        else {
            return false;
        };
        (*empty, *blank) = (slot, front);
        true
    }

    #[inline]
    fn is_crowded(&self) -> bool {
        self.held >= self.slots.len() / 4 * 3
    }

    /// Two fifths larger, or as large as is likely to be needed. Tables begin at different sizes,
    /// so that they do not all grow at once.
    fn larger(&self, number: usize, likely_slots: usize) -> usize {
        (self.slots.len() * 7 / 5).max(LEAST_SLOTS + number % LEAST_SLOTS).max(likely_slots)
    }

    fn grow(&mut self, more_slots: usize, hash_of: impl Fn(u64) -> u32) {
        let size = self.slots.len() + more_slots;
        let slots = std::mem::replace(&mut self.slots, written(0, size));
        let fronts = std::mem::replace(&mut self.fronts, written(F::BLANK, size));
        for (slot, front) in slots.into_iter().zip(fronts) {
            if slot != 0
                && let Err(vacant) = self.find(hash_of(slot), |_| false)
            {
                self.fill(vacant, slot, front);
            }
        }
    }
}
