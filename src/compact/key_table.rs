//! Tables of slots of eight bytes, in which a key is searched by its hash. What stands in a slot is
//! for the owner to say; 0 is an empty one.
//!
//! A table grows by two fifths, so that it is a half to three quarters full; there are many, so
//! that one is small and its growth soon done.

/// Tables of a shard.
const TABLE_BITS: u32 = 6;
/// The least number of slots of a table in use.
const LEAST_SLOTS: usize = 8;

/// Slots by hash. None are allocated before there is a key.
#[derive(Default)]
pub struct Tables {
    tables: Vec<Table>,
    slots: usize,
    held: usize,
}

#[derive(Default)]
struct Table {
    slots: Vec<u64>,
    held: usize,
}

impl Tables {
    /// The slot of the key with this hash that `is` the one; `Err` has where it would go.
    #[inline]
    pub fn find(&self, hash: u32, is: impl Fn(u64) -> bool) -> Result<u64, usize> {
        self.tables.get(table_of(hash)).ok_or(0usize)?.find(hash, is)
    }

    /// Fills the slot that was found vacant for a hash.
    #[inline]
    pub fn put(&mut self, hash: u32, slot: u64, vacant: usize) {
        let Some(table) = self.tables.get_mut(table_of(hash)) else { return };
        if let Some(empty) = table.slots.get_mut(vacant) {
            *empty = slot;
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
            Some(table) => table.larger(number) - table.slots.len(),
            None => Table::default().larger(number),
        }
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

    /// What stands in the slots, in no order.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        let slots = self.tables.iter().flat_map(|table| &table.slots);
        slots.copied().filter(|slot| *slot != 0)
    }

    /// How many keys they hold.
    pub fn held(&self) -> usize {
        self.held
    }

    /// What they have allocated.
    pub fn allocated_bytes(&self) -> usize {
        self.slots * size_of::<u64>()
    }
}

/// The highest bits choose the table.
#[inline]
fn table_of(hash: u32) -> usize {
    (hash >> (u32::BITS - TABLE_BITS)) as usize
}

impl Table {
    /// Where the search for a hash begins: its other bits as a fraction of the table.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        let fraction = u64::from(hash << TABLE_BITS);
        (fraction.wrapping_mul(self.slots.len() as u64) >> 32) as usize
    }

    #[inline]
    fn find(&self, hash: u32, is: impl Fn(u64) -> bool) -> Result<u64, usize> {
        let mut at = self.home(hash);
        loop {
            match self.slots.get(at) {
                Some(0) => return Err(at),
                Some(slot) if is(*slot) => return Ok(*slot),
                Some(_) => at += 1,
                None if self.slots.is_empty() => return Err(0),
                // A quarter of the slots is always empty, so the search ends.
                None => at = 0,
            }
        }
    }

    #[inline]
    fn is_crowded(&self) -> bool {
        self.held >= self.slots.len() / 4 * 3
    }

    /// Two fifths larger. Tables begin at different sizes, so that they do not all grow at once.
    fn larger(&self, number: usize) -> usize {
        (self.slots.len() * 7 / 5).max(LEAST_SLOTS + number % LEAST_SLOTS)
    }

    fn grow(&mut self, more_slots: usize, hash_of: impl Fn(u64) -> u32) {
        let larger = vec![0; self.slots.len() + more_slots];
        for slot in std::mem::replace(&mut self.slots, larger) {
            if slot != 0
                && let Err(vacant) = self.find(hash_of(slot), |_| false)
                && let Some(empty) = self.slots.get_mut(vacant)
            {
                *empty = slot;
            }
        }
    }
}
