//! The entries of an index file as they lie there: none is read before it is asked for.
//!
//! An index that is written to is preallocated, and zero behind its last entry; such trailing zeros
//! are not entries. The first may be zero in earnest only if another follows it, or, in a time
//! index, if it is all there is: so a broker closes a segment whose first record has its largest
//! timestamp, and that is 0.

use std::marker::PhantomData;

use crate::units::Offset;

/// An entry of an index, which has a fixed size.
pub trait Entry: Sized {
    /// That size.
    const SIZE_BYTES: usize;
    /// Whether a file that is one entry of zeros has that entry.
    const ZERO_COUNTS_ALONE: bool;

    /// Reads one from as many bytes; `base` is the segment's.
    fn read(bytes: &[u8], base: Offset) -> Option<Self>;
}

/// The entries in file order.
#[derive(Debug)]
pub struct Entries<'a, E> {
    bytes: &'a [u8],
    base: Offset,
    entry: PhantomData<E>,
}

impl<'a, E: Entry> Entries<'a, E> {
    /// Those of the file that has these `bytes`, of a segment that begins at `base`.
    pub fn of(bytes: &'a [u8], base: Offset) -> Entries<'a, E> {
        let is_entry = |bytes: &[u8]| bytes.iter().any(|byte| *byte != 0);
        let last = bytes.chunks_exact(E::SIZE_BYTES).rposition(is_entry);
        let is_alone = E::ZERO_COUNTS_ALONE && bytes.len() == E::SIZE_BYTES;
        let count = last.map_or(usize::from(is_alone), |last| last + 1);
        let bytes = bytes.get(..count * E::SIZE_BYTES).unwrap_or_default();
        Entries { bytes, base, entry: PhantomData }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.bytes.len() / E::SIZE_BYTES
    }

    /// The entries.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = E> + use<'a, E> {
        let base = self.base;
        self.bytes.chunks_exact(E::SIZE_BYTES).filter_map(move |bytes| E::read(bytes, base))
    }

    /// The first entry of which `is_before` is false, if it is true of all in front of it: as in a
    /// file whose entries rise. In another it may be any.
    pub fn first_not(&self, is_before: impl Fn(&E) -> bool) -> Option<E> {
        let get = |at: usize| E::read(self.bytes.get(at * E::SIZE_BYTES..)?, self.base);
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low + (high - low) / 2;
            match get(middle).is_some_and(|entry| is_before(&entry)) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        get(low)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{IndexEntry, TimeEntry};
    use super::*;
    use crate::units::Position;

    fn file(entries: &[(u32, u32)]) -> Vec<u8> {
        let fields = entries.iter().flat_map(|(offset, position)| [*offset, *position]);
        fields.flat_map(u32::to_be_bytes).collect()
    }

    #[test]
    fn an_entry_is_found_without_reading_all_of_them() {
        let mut bytes = file(&[(0, 0), (5, 100), (9, 200), (12, 300)]);
        bytes.resize(4096, 0);
        let entries: Entries<'_, IndexEntry> = Entries::of(&bytes, Offset(1000));
        assert_eq!(entries.count(), 4);
        let at = |position| entries.first_not(|entry: &IndexEntry| entry.position < position);
        let found = [0, 1, 100, 101, 300, 301].map(|position| at(Position(position)));
        let offsets = found.map(|entry| entry.map(|entry| entry.offset.0));
        assert_eq!(offsets, [Some(1000), Some(1005), Some(1005), Some(1009), Some(1012), None]);
        assert_eq!(entries.iter().next_back().map(|entry| entry.position), Some(Position(300)));
    }

    #[test]
    fn zeros_are_an_entry_only_where_they_are_all_of_a_time_index() {
        let count = |size_bytes| {
            let bytes = vec![0; size_bytes];
            let offsets: Entries<'_, IndexEntry> = Entries::of(&bytes, Offset(7));
            let times: Entries<'_, TimeEntry> = Entries::of(&bytes, Offset(7));
            (offsets.count(), times.count())
        };
        assert_eq!([0, 8, 11, 12, 13, 24].map(count).map(|(offsets, _)| offsets), [0; 6]);
        assert_eq!([0, 8, 11, 12, 13, 24].map(count).map(|(_, times)| times), [0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_file_that_ends_within_an_entry_has_the_whole_ones() {
        let bytes = file(&[(5, 100), (9, 200)]);
        for length in 0..bytes.len() {
            let entries: Entries<'_, IndexEntry> = Entries::of(&bytes[..length], Offset(0));
            assert_eq!(entries.count(), length / 8);
            assert_eq!(entries.iter().count(), length / 8);
        }
    }
}
