//! The champions of an increment, which are to be joined with the key index.
//!
//! They come from many threads in any order, and are asked for by ranges of hashes, sorted. In
//! memory they lie as they do in a file, in blocks; a block is only distributed by the top bits of
//! its hashes, so that a range finds what it needs, and a range is sorted when it is read. Blocks
//! that have their share of the budget go to a temporary file together, as a piece that is
//! distributed as they were.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, TryLockError};

use super::newcomer_block::{Block, Distribution, Gathered, Slice, append_entries};
use super::newcomer_piece::Piece;
use crate::bytes::Cursor;
use crate::disk::Scratch;
use crate::error::{Error, Result};
use crate::rounds::{Entry, EntryLayout, KeyHash, KeyHashSeed};

/// The champion of a key in an increment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newcomer {
    /// What the key index is to know of it.
    pub entry: Entry,
    /// The number of its chunk in the increment.
    pub chunk: u32,
    /// Which record of the chunk it is.
    pub ordinal: u32,
}

impl Newcomer {
    /// What newcomers are sorted by: there is one order, whatever they came in.
    pub fn rank(&self) -> (KeyHash, i64, u32, u32) {
        (self.entry.hash, self.entry.offset.0, self.chunk, self.ordinal)
    }
}

/// Chunk and ordinal.
const PLACE_BYTES: usize = 8;

/// How newcomers lie in memory and in the temporary file: the entry as it will lie in a run, then
/// chunk and ordinal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewcomerLayout {
    /// Of the entry.
    pub entry: EntryLayout,
    /// Whether chunk and ordinal are there; where they are not they are 0.
    pub with_place: bool,
}

impl NewcomerLayout {
    /// The size of one.
    pub fn newcomer_bytes(self) -> usize {
        self.entry.entry_bytes() + if self.with_place { PLACE_BYTES } else { 0 }
    }

    /// The one that `bytes` are.
    #[inline]
    pub fn decode(self, bytes: &[u8]) -> Option<Newcomer> {
        let (entry, place) = bytes.split_at_checked(self.entry.entry_bytes())?;
        let entry = self.entry.decode(entry)?;
        if !self.with_place {
            return Some(Newcomer { entry, chunk: 0, ordinal: 0 });
        }
        let mut place = Cursor::new(place);
        Some(Newcomer { entry, chunk: place.u32().ok()?, ordinal: place.u32().ok()? })
    }
}

/// Newcomers that are to be added together.
pub struct NewcomerList {
    layout: NewcomerLayout,
    bytes: Vec<u8>,
}

impl NewcomerList {
    /// Appends one.
    ///
    /// # Errors
    /// An offset that has no room in an entry.
    #[inline]
    pub fn push(&mut self, newcomer: &Newcomer) -> Result<()> {
        self.layout.entry.encode(&newcomer.entry, &mut self.bytes)?;
        if !self.layout.with_place {
            return Ok(());
        }
        let place = u64::from(newcomer.chunk) << u32::BITS | u64::from(newcomer.ordinal);
        self.bytes.extend_from_slice(&place.to_be_bytes());
        Ok(())
    }
}

const BUCKET_BITS: u32 = 8;
const BUCKETS: usize = 1 << BUCKET_BITS;
/// A block that is distributed within a processor's own cache is distributed fast.
const MOST_BLOCK_BYTES: usize = 1 << 20;
/// Smaller ones would cost more than they hold.
const LEAST_BLOCK_BYTES: usize = 16 << 10;
/// Lists of which no more than so many make a block are each a block of their own.
const MOST_LISTS: usize = 8;

/// All newcomers of a round.
pub struct Newcomers {
    seed: KeyHashSeed,
    layout: NewcomerLayout,
    held: Mutex<Held>,
    /// Held by who writes to the temporary file.
    spilling: Mutex<()>,
    block_bytes: usize,
    /// With so many in memory, they go to the file.
    most_bytes: usize,
    scratch: Option<Scratch>,
}

/// Where newcomers are.
struct Held {
    /// Those that are no block yet.
    pending: Vec<u8>,
    blocks: Vec<Block>,
    /// Of these, and of those that are on their way to the file.
    blocks_bytes: usize,
    /// In the temporary file.
    pieces: Vec<Piece>,
    /// In blocks and in the file, by the top bits of their hashes.
    counts: [u64; BUCKETS],
}

impl Newcomers {
    /// None yet. Above `budget_bytes` they wait in a file in `temp_dir`; without that, in memory.
    pub fn new(
        seed: KeyHashSeed,
        layout: EntryLayout,
        budget_bytes: usize,
        temp_dir: Option<&Path>,
    ) -> Newcomers {
        let held = Held {
            pending: Vec::new(),
            blocks: Vec::new(),
            blocks_bytes: 0,
            pieces: Vec::new(),
            counts: [0; BUCKETS],
        };
        Newcomers {
            seed,
            layout: NewcomerLayout { entry: layout, with_place: true },
            held: Mutex::new(held),
            spilling: Mutex::default(),
            block_bytes: (budget_bytes / 16).clamp(LEAST_BLOCK_BYTES, MOST_BLOCK_BYTES),
            // The rest is for those that are no block yet.
            most_bytes: budget_bytes / 4 * 3,
            scratch: temp_dir.map(Scratch::within),
        }
    }

    /// The same for newcomers of which none can come late, so that it need not be known where in
    /// the increment they are. None must have come yet.
    pub fn without_places(mut self) -> Newcomers {
        self.layout.with_place = false;
        self
    }

    /// The key index that they are for: its seed, and its layout.
    pub fn made_for(&self) -> (KeyHashSeed, EntryLayout) {
        (self.seed, self.layout.entry)
    }

    /// A list of newcomers that are to be added, about `count` of them.
    pub fn list(&self, count: usize) -> NewcomerList {
        let bytes = Vec::with_capacity(count * self.layout.newcomer_bytes());
        NewcomerList { layout: self.layout, bytes }
    }

    /// Adds some.
    ///
    /// # Errors
    /// The system's at the temporary file.
    pub fn add(&self, list: &NewcomerList) -> Result<()> {
        if list.layout != self.layout {
            return Err(Error::bug("newcomers for another key index"));
        }
        let size = self.layout.newcomer_bytes();
        let most = self.block_bytes / size * size;
        if (most / MOST_LISTS..=most).contains(&list.bytes.len()) {
            let block = Distribution::of(&list.bytes, size);
            self.held()?.take(block);
            return self.make_room();
        }
        let mut rest = list.bytes.as_slice();
        while !rest.is_empty() {
            let mut held = self.held()?;
            let room = most.saturating_sub(held.pending.len());
            let (now, later) = rest.split_at(room.min(rest.len()));
            held.pending.extend_from_slice(now);
            rest = later;
            if held.pending.len() >= most {
                let full = std::mem::replace(&mut held.pending, Vec::with_capacity(most));
                drop(held);
                let block = Distribution::of(&full, size);
                self.held()?.take(block);
                self.make_room()?;
            }
        }
        Ok(())
    }

    /// Those with hashes from `from` to below `below`, sorted by hash, and by offset where hashes
    /// are equal. All must have come.
    ///
    /// # Errors
    /// The system's at the temporary file.
    pub fn range(&self, from: KeyHash, below: Option<KeyHash>) -> Result<Gathered> {
        let Some(last) = last_hash(below).filter(|last| *last >= from) else {
            return Ok(Gathered::none(self.layout));
        };
        Gathered::within(self.around(from, last)?, from, last, self.layout)
    }

    /// Appends to `bytes` the entries of those with hashes from `from` to below `below` as they lie
    /// in a run, sorted by hash. All must have come.
    ///
    /// # Errors
    /// The system's at the temporary file.
    pub fn append_entries(
        &self,
        from: KeyHash,
        below: Option<KeyHash>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        if let Some(last) = last_hash(below).filter(|last| *last >= from) {
            append_entries(&self.around(from, last)?, (from, last), self.layout, bytes);
        }
        Ok(())
    }

    /// Those with hashes from `from` to `last`, and some around them.
    fn around(&self, from: KeyHash, last: KeyHash) -> Result<Vec<Slice>> {
        let (blocks, pieces) = {
            let held = self.sealed()?;
            (held.blocks.clone(), held.pieces.clone())
        };
        let mut slices: Vec<_> = blocks.iter().map(|block| block.around(from, last)).collect();
        if let Some(scratch) = &self.scratch {
            for piece in pieces {
                slices.push(piece.around(from, last, scratch)?);
            }
        }
        Ok(slices)
    }

    /// About how many there are from `from` to below `below`: hashes are taken to lie evenly in
    /// their buckets. It does not depend on the order in which they came, but all must have come.
    pub fn about(&self, from: KeyHash, below: Option<KeyHash>) -> Result<u64> {
        const SCALE_BITS: u32 = 32;
        let width_bits = u128::BITS - BUCKET_BITS;
        let Some(last) = last_hash(below).filter(|last| *last >= from) else { return Ok(0) };
        let counts = self.sealed()?.counts;
        let mut sum = 0;
        for index in bucket_of(from)..=bucket_of(last) {
            let low = (index as u128) << width_bits;
            let high = low + ((1 << width_bits) - 1);
            let overlap = last.0.min(high) - from.0.max(low) + 1;
            let part = overlap >> (width_bits - SCALE_BITS);
            let count = u128::from(counts.get(index).copied().unwrap_or(0));
            sum += ((count * part) >> SCALE_BITS) as u64;
        }
        Ok(sum)
    }

    fn held(&self) -> Result<MutexGuard<'_, Held>> {
        self.held.lock().map_err(|_| Error::bug("a thread failed at the newcomers"))
    }

    /// The same, with all of them in blocks.
    fn sealed(&self) -> Result<MutexGuard<'_, Held>> {
        let mut held = self.held()?;
        if !held.pending.is_empty() {
            let pending = std::mem::take(&mut held.pending);
            held.take(Distribution::of(&pending, self.layout.newcomer_bytes()));
        }
        Ok(held)
    }

    /// Has blocks go to the temporary file if they have their share.
    fn make_room(&self) -> Result<()> {
        let Some(scratch) = &self.scratch else { return Ok(()) };
        let held_bytes = self.held()?.blocks_bytes;
        // Well before there is no room left, so that others can go on while one writes.
        if held_bytes < self.most_bytes / 3 * 2 {
            return Ok(());
        }
        let failed = || Error::bug("a thread failed at the newcomers");
        let _writing = match self.spilling.try_lock() {
            Ok(writing) => writing,
            Err(TryLockError::WouldBlock) if held_bytes < self.most_bytes => return Ok(()),
            Err(TryLockError::WouldBlock) => self.spilling.lock().map_err(|_| failed())?,
            Err(TryLockError::Poisoned(_)) => return Err(failed()),
        };
        let blocks = {
            let mut held = self.held()?;
            if held.blocks_bytes < self.most_bytes / 3 * 2 {
                return Ok(());
            }
            // Most of them at a time, so that pieces are few; the others are what stays in memory.
            let kept = held.blocks.len() / 3;
            let gone = held.blocks.len() - kept;
            held.blocks.drain(..gone).collect::<Vec<_>>()
        };
        let piece = Piece::of(&blocks, self.layout.newcomer_bytes(), scratch, self.block_bytes)?;
        let gone_bytes: usize = blocks.iter().map(Block::bytes).sum();
        drop(blocks);
        let mut held = self.held()?;
        held.blocks_bytes = held.blocks_bytes.saturating_sub(gone_bytes);
        held.pieces.push(piece);
        Ok(())
    }
}

impl Held {
    fn take(&mut self, Distribution { block, counts }: Distribution) {
        self.blocks_bytes += block.bytes();
        self.blocks.push(block);
        for (sum, count) in self.counts.iter_mut().zip(counts) {
            *sum += u64::from(count);
        }
    }
}

/// The hash that a newcomer begins with.
#[inline]
pub fn hash_of(bytes: &[u8]) -> Option<KeyHash> {
    bytes.first_chunk().map(|hash| KeyHash(u128::from_be_bytes(*hash)))
}

fn bucket_of(hash: KeyHash) -> usize {
    (hash.0 >> (u128::BITS - BUCKET_BITS)) as usize
}

/// The last hash below `below`.
fn last_hash(below: Option<KeyHash>) -> Option<KeyHash> {
    below.map_or(Some(u128::MAX), |below| below.0.checked_sub(1)).map(KeyHash)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rayon::prelude::*;

    use super::*;
    use crate::units::Offset;

    const SEED: KeyHashSeed = KeyHashSeed(1);
    const LAYOUT: EntryLayout = EntryLayout { with_claim: true };

    fn newcomer(number: u64) -> Newcomer {
        let hash = SEED.hash(&number.to_be_bytes());
        let (claim, offset) = ((number, true), Offset(number as i64));
        let (deletes, gone) = (number.is_multiple_of(3), number.is_multiple_of(6));
        let entry = Entry { hash, offset, claim, deletes, gone };
        Newcomer { entry, chunk: number as u32 / 7, ordinal: number as u32 % 7 }
    }

    fn list(newcomers: &Newcomers, some: &[Newcomer]) -> NewcomerList {
        let mut list = newcomers.list(0);
        some.iter().for_each(|newcomer| list.push(newcomer).unwrap());
        list
    }

    fn ranged(newcomers: &Newcomers, from: KeyHash, below: Option<KeyHash>) -> Vec<Newcomer> {
        newcomers.range(from, below).unwrap().iter().collect()
    }

    fn within(all: &[Newcomer], from: KeyHash, below: Option<KeyHash>) -> Vec<Newcomer> {
        let mut within: Vec<_> = all
            .iter()
            .copied()
            .filter(|it| it.entry.hash >= from && below.is_none_or(|below| it.entry.hash < below))
            .collect();
        within.sort_by_key(Newcomer::rank);
        within
    }

    #[test]
    fn memory_and_temporary_file_give_the_same_whatever_order_they_came_in() {
        let dir = tempfile::tempdir().unwrap();
        let all: Vec<_> = (0..60_000).map(newcomer).collect();
        let budgets = [(0, Some(dir.path())), (0, None), (2 << 20, Some(dir.path()))];
        let several = budgets.map(|(budget, temp)| {
            let newcomers = Newcomers::new(SEED, LAYOUT, budget, temp);
            let parts: Vec<_> = all.chunks(1000).collect();
            parts
                .into_par_iter()
                .try_for_each(|part| newcomers.add(&list(&newcomers, part)))
                .unwrap();
            assert_eq!(newcomers.about(KeyHash(0), None).unwrap(), 60_000);
            newcomers
        });
        let spilled = |it: &Newcomers| it.held.lock().unwrap().pieces.len();
        assert!(spilled(&several[0]) > 100 && spilled(&several[2]) > 1);
        assert_eq!(spilled(&several[1]), 0);
        let ranges = [(0, 0), (1 << 120, 1 << 120), (7 << 118, 3 << 121), (5 << 90, 5 << 121)];
        for (from, width) in ranges {
            let from = KeyHash(from);
            for below in [None, Some(KeyHash(from.0 + width))] {
                let wanted = within(&all, from, below);
                let about = several.each_ref().map(|it| it.about(from, below).unwrap());
                assert_eq!(about, [about[0]; 3]);
                assert!(about[0].abs_diff(wanted.len() as u64) < 300, "{about:?}");
                let mut entries = Vec::new();
                let encode = |it: &Newcomer| LAYOUT.encode(&it.entry, &mut entries).unwrap();
                wanted.iter().for_each(encode);
                for newcomers in &several {
                    assert!(ranged(newcomers, from, below) == wanted);
                    let mut bytes = Vec::new();
                    newcomers.append_entries(from, below, &mut bytes).unwrap();
                    assert!(bytes == entries);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_range_holds_what_lies_in_it(
            hashes in prop::collection::vec((0..4u128, 0..40u128), 0..400),
            from in (0..4u128, 0..40u128),
            below in prop::option::of((0..4u128, 0..40u128)),
        ) {
            // Few buckets, and neighbours that are equal or next to each other.
            let place = |(high, low): (u128, u128)| KeyHash((high << 120) + low);
            let all: Vec<_> = hashes.iter().enumerate().map(|(at, hash)| {
                let mut newcomer = newcomer(at as u64);
                newcomer.entry.hash = place(*hash);
                newcomer
            }).collect();
            let dir = tempfile::tempdir().unwrap();
            let newcomers = Newcomers::new(SEED, LAYOUT, 0, Some(dir.path()));
            newcomers.add(&list(&newcomers, &all)).unwrap();
            let (from, below) = (place(from), below.map(place));
            prop_assert_eq!(ranged(&newcomers, from, below), within(&all, from, below));
        }
    }

    #[test]
    fn memory_holds_no_more_than_its_share() {
        const BUDGET_BYTES: usize = 1 << 20;
        let dir = tempfile::tempdir().unwrap();
        let newcomers = Newcomers::new(SEED, LAYOUT, BUDGET_BYTES, Some(dir.path()));
        let all: Vec<_> = (0..200_000).map(newcomer).collect();
        for part in all.chunks(10_000) {
            newcomers.add(&list(&newcomers, part)).unwrap();
            let held = newcomers.held.lock().unwrap();
            let bytes: usize = held.blocks.iter().map(Block::bytes).sum();
            assert_eq!(bytes, held.blocks_bytes);
            assert!(bytes + held.pending.capacity() < BUDGET_BYTES);
        }
        let pieces = newcomers.held.lock().unwrap().pieces.len();
        assert!((2..40).contains(&pieces), "{pieces}");
    }

    #[test]
    fn an_offset_that_cannot_be_indexed_is_refused_before_it_is_kept() {
        let newcomers = Newcomers::new(SEED, LAYOUT, 0, None);
        let mut beyond = newcomer(1);
        beyond.entry.offset = Offset(1 << 60);
        let mut list = newcomers.list(0);
        assert!(list.push(&beyond).is_err());
        newcomers.add(&list).unwrap();
        assert!(newcomers.range(KeyHash(0), None).unwrap().is_empty());
    }
}
