//! The champions of an increment, which are to be joined with the key index.
//!
//! They come from many threads in any order, and are asked for by ranges of hashes, sorted. They
//! are kept in buckets by the top bits of their hashes; a bucket that has its share of the budget
//! goes to a temporary file as a sorted piece, and a range is read from pieces by bisection, so
//! that neither way is all of it in memory.

use std::path::Path;
use std::sync::Mutex;

use super::entry::{Entry, EntryLayout, KeyHash, KeyHashSeed};
use crate::bytes::Cursor;
use crate::disk::Scratch;
use crate::error::{Error, Result};

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
    fn rank(&self) -> (KeyHash, i64, u32, u32) {
        (self.entry.hash, self.entry.offset.0, self.chunk, self.ordinal)
    }
}

const BUCKET_BITS: u32 = 8;
const BUCKETS: usize = 1 << BUCKET_BITS;
/// Pieces of fewer would cost more than they hold.
const LEAST_PIECE: usize = 64;
/// How many are read from a piece at a time.
const STEP: u64 = 1024;
/// Chunk and ordinal.
const PLACE_BYTES: usize = 8;

/// All newcomers of a round.
pub struct Newcomers {
    seed: KeyHashSeed,
    layout: EntryLayout,
    buckets: Vec<Mutex<Bucket>>,
    /// How many a bucket holds in memory.
    most_in_bucket: usize,
    scratch: Option<Scratch>,
}

#[derive(Default)]
struct Bucket {
    /// In memory.
    list: Vec<Newcomer>,
    is_sorted: bool,
    /// In the temporary file.
    pieces: Vec<Piece>,
    /// In both.
    count: u64,
}

/// A sorted stretch of the temporary file.
#[derive(Clone, Copy)]
struct Piece {
    start: u64,
    count: u64,
}

impl Newcomers {
    /// None yet. Above `budget_bytes` they wait in a file in `temp_dir`; without that, in memory.
    pub fn new(
        seed: KeyHashSeed,
        layout: EntryLayout,
        budget_bytes: usize,
        temp_dir: Option<&Path>,
    ) -> Newcomers {
        let most_in_bucket = budget_bytes / BUCKETS / size_of::<Newcomer>();
        Newcomers {
            seed,
            layout,
            buckets: (0..BUCKETS).map(|_| Mutex::default()).collect(),
            most_in_bucket: most_in_bucket.max(LEAST_PIECE),
            scratch: temp_dir.map(Scratch::within),
        }
    }

    /// The key index that they are for: its seed, and its layout.
    pub fn made_for(&self) -> (KeyHashSeed, EntryLayout) {
        (self.seed, self.layout)
    }

    /// Adds some.
    ///
    /// # Errors
    /// An offset that has no room in an entry; the system's at the temporary file.
    pub fn add(&self, mut newcomers: Vec<Newcomer>) -> Result<()> {
        newcomers.iter().try_for_each(|newcomer| EntryLayout::check(newcomer.entry.offset))?;
        newcomers.sort_unstable_by_key(Newcomer::rank);
        for some in newcomers.chunk_by(|a, b| bucket_of(a.entry.hash) == bucket_of(b.entry.hash)) {
            let Some(first) = some.first() else { continue };
            let mut bucket = self.bucket(bucket_of(first.entry.hash))?;
            bucket.count += some.len() as u64;
            let mut rest = some;
            while !rest.is_empty() {
                let room = match &self.scratch {
                    None => rest.len(),
                    Some(_) => self.most_in_bucket.saturating_sub(bucket.list.len()),
                };
                let (now, later) = rest.split_at(room.min(rest.len()));
                bucket.list.extend_from_slice(now);
                bucket.is_sorted = false;
                rest = later;
                if bucket.list.len() >= self.most_in_bucket {
                    self.spill(&mut bucket)?;
                }
            }
        }
        Ok(())
    }

    /// Those with hashes from `from` to below `below`, sorted by hash, and by offset where hashes
    /// are equal.
    ///
    /// # Errors
    /// The system's at the temporary file.
    pub fn range(&self, from: KeyHash, below: Option<KeyHash>) -> Result<Vec<Newcomer>> {
        let mut found = Vec::new();
        let last = last_hash(below);
        if last.is_none_or(|last| last < from) {
            return Ok(found);
        }
        let last = last.unwrap_or(KeyHash(u128::MAX));
        for index in bucket_of(from)..=bucket_of(last) {
            let mut guard = self.bucket(index)?;
            let bucket = &mut *guard;
            if !bucket.is_sorted {
                bucket.list.sort_unstable_by_key(Newcomer::rank);
                bucket.is_sorted = true;
            }
            let start = found.len();
            let list = &bucket.list;
            let low = list.partition_point(|newcomer| newcomer.entry.hash < from);
            let high = list.partition_point(|newcomer| newcomer.entry.hash <= last);
            found.extend_from_slice(list.get(low..high).unwrap_or_default());
            for piece in &bucket.pieces {
                self.read(*piece, from, last, &mut found)?;
            }
            // Buckets lie in order, what is in one does not.
            found.get_mut(start..).unwrap_or_default().sort_unstable_by_key(Newcomer::rank);
        }
        Ok(found)
    }

    /// About how many there are from `from` to below `below`: hashes are taken to lie evenly in
    /// their buckets. It does not depend on the order in which they came.
    pub fn about(&self, from: KeyHash, below: Option<KeyHash>) -> Result<u64> {
        const SCALE_BITS: u32 = 32;
        let width_bits = u128::BITS - BUCKET_BITS;
        let Some(last) = last_hash(below).filter(|last| *last >= from) else { return Ok(0) };
        let mut sum = 0;
        for index in bucket_of(from)..=bucket_of(last) {
            let low = (index as u128) << width_bits;
            let high = low + ((1 << width_bits) - 1);
            let overlap = last.0.min(high) - from.0.max(low) + 1;
            let part = overlap >> (width_bits - SCALE_BITS);
            let count = u128::from(self.bucket(index)?.count);
            sum += ((count * part) >> SCALE_BITS) as u64;
        }
        Ok(sum)
    }

    fn bucket(&self, index: usize) -> Result<std::sync::MutexGuard<'_, Bucket>> {
        let bucket = self.buckets.get(index).and_then(|bucket| bucket.lock().ok());
        bucket.ok_or_else(|| Error::bug("a thread failed at the newcomers"))
    }

    fn spill(&self, bucket: &mut Bucket) -> Result<()> {
        let Some(scratch) = &self.scratch else { return Ok(()) };
        bucket.list.sort_unstable_by_key(Newcomer::rank);
        let mut bytes = Vec::with_capacity(bucket.list.len() * self.newcomer_bytes());
        for newcomer in &bucket.list {
            self.layout.encode(&newcomer.entry, &mut bytes)?;
            bytes.extend_from_slice(&newcomer.chunk.to_be_bytes());
            bytes.extend_from_slice(&newcomer.ordinal.to_be_bytes());
        }
        let place = scratch.put(&bytes)?;
        bucket.pieces.push(Piece { start: place.start, count: bucket.list.len() as u64 });
        bucket.list.clear();
        Ok(())
    }

    fn newcomer_bytes(&self) -> usize {
        self.layout.entry_bytes() + PLACE_BYTES
    }

    /// Reads from a piece those with hashes from `from` to `last`.
    fn read(
        &self,
        piece: Piece,
        from: KeyHash,
        last: KeyHash,
        found: &mut Vec<Newcomer>,
    ) -> Result<()> {
        let (mut low, mut high) = (0, piece.count);
        while high - low > STEP {
            let middle = low + (high - low) / 2;
            let hash = self.of_piece(piece, middle, 1)?.first().map(|it| it.entry.hash);
            if hash.is_some_and(|hash| hash < from) {
                low = middle;
            } else {
                high = middle;
            }
        }
        while low < piece.count {
            let count = STEP.min(piece.count - low);
            for newcomer in self.of_piece(piece, low, count)? {
                if newcomer.entry.hash > last {
                    return Ok(());
                }
                if newcomer.entry.hash >= from {
                    found.push(newcomer);
                }
            }
            low += count;
        }
        Ok(())
    }

    fn of_piece(&self, piece: Piece, first: u64, count: u64) -> Result<Vec<Newcomer>> {
        let size = self.newcomer_bytes() as u64;
        let start = piece.start + first * size;
        let scratch = self.scratch.as_ref();
        let bytes = scratch.map_or(Ok(Vec::new()), |it| it.get(start..start + count * size))?;
        let newcomers = bytes.chunks_exact(size as usize).map(|bytes| {
            let (entry, place) = bytes.split_at_checked(self.layout.entry_bytes())?;
            let entry = self.layout.decode(entry)?;
            let mut place = Cursor::new(place);
            Some(Newcomer { entry, chunk: place.u32().ok()?, ordinal: place.u32().ok()? })
        });
        let newcomers: Option<Vec<Newcomer>> = newcomers.collect();
        newcomers.ok_or_else(|| Error::bug("the temporary file gives other bytes than it got"))
    }
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
            parts.into_par_iter().try_for_each(|part| newcomers.add(part.to_vec())).unwrap();
            assert_eq!(newcomers.about(KeyHash(0), None).unwrap(), 60_000);
            newcomers
        });
        let spilled = |it: &Newcomers| {
            it.buckets.iter().map(|bucket| bucket.lock().unwrap().pieces.len()).sum::<usize>()
        };
        assert!(spilled(&several[0]) > BUCKETS && spilled(&several[2]) >= BUCKETS);
        assert_eq!(spilled(&several[1]), 0);
        let ranges = [(0, 0), (1 << 120, 1 << 120), (7 << 118, 3 << 121), (5 << 90, 5 << 121)];
        for (from, width) in ranges {
            let from = KeyHash(from);
            for below in [None, Some(KeyHash(from.0 + width))] {
                let wanted = within(&all, from, below);
                let about = several.each_ref().map(|it| it.about(from, below).unwrap());
                assert_eq!(about, [about[0]; 3]);
                assert!(about[0].abs_diff(wanted.len() as u64) < 300, "{about:?}");
                for newcomers in &several {
                    assert!(newcomers.range(from, below).unwrap() == wanted);
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
            newcomers.add(all.clone()).unwrap();
            let (from, below) = (place(from), below.map(place));
            prop_assert_eq!(newcomers.range(from, below).unwrap(), within(&all, from, below));
        }
    }

    #[test]
    fn a_bucket_holds_no_more_than_its_share() {
        let dir = tempfile::tempdir().unwrap();
        let newcomers = Newcomers::new(SEED, LAYOUT, 1 << 20, Some(dir.path()));
        newcomers.add((0..200_000).map(newcomer).collect()).unwrap();
        let most = (1 << 20) / BUCKETS / size_of::<Newcomer>();
        for bucket in &newcomers.buckets {
            let bucket = bucket.lock().unwrap();
            assert!(bucket.list.len() < most && bucket.list.capacity() <= 2 * most);
            assert!(bucket.pieces.iter().all(|piece| piece.count == most as u64));
        }
    }

    #[test]
    fn an_offset_that_cannot_be_indexed_is_refused_before_it_is_kept() {
        let newcomers = Newcomers::new(SEED, LAYOUT, 0, None);
        let mut beyond = newcomer(1);
        beyond.entry.offset = Offset(1 << 60);
        assert!(newcomers.add(vec![beyond]).is_err());
        assert!(newcomers.range(KeyHash(0), None).unwrap().is_empty());
    }
}
