//! A block of newcomers in memory, and what of several blocks lies in a range, sorted.

use std::ops::Range;
use std::sync::Arc;

use super::newcomers::{Newcomer, NewcomerLayout, hash_of};
use super::places::Places;
use crate::error::{Error, Result};
use crate::rounds::KeyHash;

/// There is a slot for about so many.
const NEWCOMERS_A_SLOT: usize = 2;
const MOST_SLOT_BITS: u32 = 13;

/// Newcomers as they lie in a file, distributed to slots by the top bits of their hashes. Within a
/// slot they have no order.
#[derive(Clone)]
pub struct Block(Arc<Slots>);

struct Slots {
    bytes: Vec<u8>,
    /// Where each slot ends.
    ends: Vec<u32>,
    bits: u32,
}

/// A block, and how many are in it by the first byte of their hashes.
pub struct Distribution {
    /// The block.
    pub block: Block,
    /// By first byte.
    pub counts: [u32; 256],
}

impl Distribution {
    /// A block of the newcomers in `bytes`, which take `size` each: a counting sort.
    pub fn of(bytes: &[u8], size: usize) -> Distribution {
        let slots = (bytes.len() / size.max(1) / NEWCOMERS_A_SLOT).max(1);
        let bits = slots.ilog2().min(MOST_SLOT_BITS);
        let mut counts = [0; 256];
        let mut ends = vec![0u32; 1 << bits];
        for newcomer in bytes.chunks_exact(size) {
            let top = top_of(newcomer);
            if let Some(count) = counts.get_mut((top >> 8) as usize) {
                *count += 1;
            }
            if let Some(bytes) = ends.get_mut(slot_of(top, bits)) {
                *bytes += size as u32;
            }
        }
        // From how many bytes lie in each slot to where it starts; filling moves that to its end.
        let mut end = 0;
        for slot in &mut ends {
            (end, *slot) = (end + *slot, end);
        }
        let mut distributed = vec![0; bytes.len()];
        for newcomer in bytes.chunks_exact(size) {
            let Some(at) = ends.get_mut(slot_of(top_of(newcomer), bits)) else { continue };
            let place = distributed.get_mut(*at as usize..).and_then(|it| it.get_mut(..size));
            if let Some(place) = place {
                place.copy_from_slice(newcomer);
            }
            *at += size as u32;
        }
        Distribution { block: Block(Arc::new(Slots { bytes: distributed, ends, bits })), counts }
    }
}

impl Block {
    /// The memory it takes.
    pub fn bytes(&self) -> usize {
        self.0.bytes.len() + self.0.ends.len() * size_of::<u32>()
    }

    /// How many of the top bits of hashes it is distributed by.
    pub fn bits(&self) -> u32 {
        self.0.bits
    }

    /// As they lie in a file, those whose hashes begin with the `bits` bits `slot`, which are no
    /// more than [`Block::bits`].
    pub fn of_slot(&self, slot: usize, bits: u32) -> &[u8] {
        let finer = self.0.bits.saturating_sub(bits);
        let range = self.0.range(slot << finer, ((slot + 1) << finer) - 1);
        self.0.bytes.get(range).unwrap_or_default()
    }

    /// Those with hashes from `from` to `last`, and some around them.
    pub fn around(&self, from: KeyHash, last: KeyHash) -> Slice {
        let slot = |hash| slot_of_hash(hash, self.0.bits);
        Slice::Of(self.clone(), self.0.range(slot(from), slot(last)))
    }
}

impl Slots {
    /// Where the slots from `first` to `last` lie.
    fn range(&self, first: usize, last: usize) -> Range<usize> {
        let end = |slot: usize| self.ends.get(slot).map_or(self.bytes.len(), |end| *end as usize);
        first.checked_sub(1).map_or(0, end)..end(last)
    }
}

/// The top `bits` bits of a hash.
pub fn slot_of_hash(hash: KeyHash, bits: u32) -> usize {
    slot_of((hash.0 >> (u128::BITS - u16::BITS)) as u16, bits)
}

/// The top bits of a newcomer's hash.
#[inline]
fn top_of(newcomer: &[u8]) -> u16 {
    newcomer.first_chunk().map_or(0, |top| u16::from_be_bytes(*top))
}

#[inline]
fn slot_of(top: u16, bits: u32) -> usize {
    usize::from(top) >> (u16::BITS - bits)
}

/// Newcomers side by side.
pub enum Slice {
    /// In a block.
    Of(Block, Range<usize>),
    /// Read from the temporary file.
    Read(Vec<u8>),
}

impl Slice {
    fn bytes(&self) -> &[u8] {
        match self {
            Slice::Of(block, range) => block.0.bytes.get(range.clone()).unwrap_or_default(),
            Slice::Read(bytes) => bytes,
        }
    }
}

/// Newcomers of several slices, sorted without being moved.
pub struct Gathered {
    slices: Vec<Slice>,
    layout: NewcomerLayout,
    order: Vec<Seat>,
}

/// Where a newcomer lies. The upper half of its hash nearly always decides on the order.
#[derive(Clone, Copy, Default)]
struct Seat {
    hash_top: u64,
    slice: u32,
    start: u32,
}

/// The upper half of a hash.
#[inline]
fn top_half(hash: KeyHash) -> u64 {
    (hash.0 >> u64::BITS) as u64
}

/// Sorts seats by the upper halves of hashes, which lie from `from` to `last`.
fn sorted(mut seats: Vec<Seat>, from: u64, last: u64) -> Vec<Seat> {
    const FEW: usize = 64;
    if seats.len() < FEW {
        seats.sort_unstable_by_key(|seat| seat.hash_top);
        return seats;
    }
    let mut places = Places::of(seats.len(), from, last);
    seats.iter().for_each(|seat| places.count(seat.hash_top));
    let mut order = vec![Seat::default(); places.open()];
    for seat in &seats {
        if let Some(free) = order.get_mut(places.seat(seat.hash_top)) {
            *free = *seat;
        }
    }
    places.sort_each(&mut order, |few| few.sort_unstable_by_key(|seat| seat.hash_top));
    order
}

/// Appends to `bytes` the entries of those in `slices` that have hashes from `from` to `last`, as
/// they lie in a run, sorted by hash. That they are entries is not looked at.
pub fn append_entries(
    slices: &[Slice],
    (from, last): (KeyHash, KeyHash),
    layout: NewcomerLayout,
    bytes: &mut Vec<u8>,
) {
    match layout.entry.with_claim {
        false => append::<24>(slices, (from, last), layout, bytes),
        true => append::<32>(slices, (from, last), layout, bytes),
    }
}

/// The same, where an entry takes `SIZE_BYTES`.
fn append<const SIZE_BYTES: usize>(
    slices: &[Slice],
    (from, last): (KeyHash, KeyHash),
    layout: NewcomerLayout,
    bytes: &mut Vec<u8>,
) {
    let most = slices.iter().map(|slice| slice.bytes().len()).sum::<usize>();
    let mut places = Places::of(most / layout.newcomer_bytes(), top_half(from), top_half(last));
    each(slices, (from, last), layout, |hash_top, _: &[u8; SIZE_BYTES]| places.count(hash_top));
    let start = bytes.len();
    bytes.resize(start + places.open() * SIZE_BYTES, 0);
    let appended = bytes.get_mut(start..).unwrap_or_default();
    let (entries, _) = appended.as_chunks_mut::<SIZE_BYTES>();
    each(slices, (from, last), layout, |hash_top, entry| {
        if let Some(seat) = entries.get_mut(places.seat(hash_top)) {
            *seat = *entry;
        }
    });
    places.sort_each(entries, |few| few.sort_unstable_by_key(|entry| hash_of(entry)));
}

/// Tells of those that have hashes from `from` to `last`: the upper half of the hash, the entry.
fn each<const SIZE_BYTES: usize>(
    slices: &[Slice],
    (from, last): (KeyHash, KeyHash),
    layout: NewcomerLayout,
    mut tell: impl FnMut(u64, &[u8; SIZE_BYTES]),
) {
    for slice in slices {
        for newcomer in slice.bytes().chunks_exact(layout.newcomer_bytes()) {
            let Some(entry) = newcomer.first_chunk() else { continue };
            if let Some(hash) = hash_of(entry).filter(|hash| (from..=last).contains(hash)) {
                tell(top_half(hash), entry);
            }
        }
    }
}

impl Gathered {
    /// None.
    pub fn none(layout: NewcomerLayout) -> Gathered {
        Gathered { slices: Vec::new(), layout, order: Vec::new() }
    }

    /// Those in `slices` that have hashes from `from` to `last`.
    ///
    /// # Errors
    /// A temporary file that gives other bytes than it got.
    pub fn within(
        slices: Vec<Slice>,
        from: KeyHash,
        last: KeyHash,
        layout: NewcomerLayout,
    ) -> Result<Gathered> {
        let size = layout.newcomer_bytes();
        let bytes: usize = slices.iter().map(|slice| slice.bytes().len()).sum();
        let mut order = Vec::with_capacity(bytes / size);
        for (slice, of) in (0..).zip(&slices) {
            let was_away = matches!(of, Slice::Read(_));
            for (index, newcomer) in (0..).zip(of.bytes().chunks_exact(size)) {
                let hash = hash_of(newcomer).filter(|hash| (from..=last).contains(hash));
                let Some(hash) = hash else { continue };
                if was_away && layout.decode(newcomer).is_none() {
                    return Err(Error::bug("the temporary file gives other bytes than it got"));
                }
                order.push(Seat { hash_top: top_half(hash), slice, start: index * size as u32 });
            }
        }
        let order = sorted(order, top_half(from), top_half(last));
        let mut gathered = Gathered { slices, layout, order };
        gathered.settle_ties();
        Ok(gathered)
    }

    /// Sorts those of which half a hash does not tell.
    fn settle_ties(&mut self) {
        let mut order = std::mem::take(&mut self.order);
        for tied in order.chunk_by_mut(|a, b| a.hash_top == b.hash_top) {
            if tied.len() > 1 {
                tied.sort_by_cached_key(|seat| self.newcomer(*seat).map(|it| it.rank()));
            }
        }
        self.order = order;
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Their keys' hashes, sorted, each once.
    pub fn keys(&self) -> Vec<KeyHash> {
        let hashes = self.order.iter().filter_map(|seat| hash_of(self.bytes(*seat)));
        let mut keys: Vec<KeyHash> = hashes.collect();
        keys.dedup();
        keys
    }

    /// They, sorted.
    pub fn iter(&self) -> impl Iterator<Item = Newcomer> {
        self.order.iter().filter_map(|seat| self.newcomer(*seat))
    }

    fn newcomer(&self, seat: Seat) -> Option<Newcomer> {
        self.layout.decode(self.bytes(seat))
    }

    fn bytes(&self, Seat { slice, start, .. }: Seat) -> &[u8] {
        let slice = self.slices.get(slice as usize).map_or(&[][..], Slice::bytes);
        let newcomer =
            slice.get(start as usize..).and_then(|it| it.get(..self.layout.newcomer_bytes()));
        newcomer.unwrap_or_default()
    }
}
