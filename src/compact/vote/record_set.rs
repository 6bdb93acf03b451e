//! A set of records of one chunk: a bit for each, set by many threads, read by one.

use std::sync::atomic::{AtomicU64, Ordering};

/// Some of the records of one chunk, by their number among its voting records.
#[derive(Debug, Default)]
pub struct RecordSet {
    words: Vec<AtomicU64>,
}

impl RecordSet {
    /// An empty set over `size` records.
    pub fn of_size(size: u32) -> RecordSet {
        let words = (size as usize).div_ceil(64);
        RecordSet { words: std::iter::repeat_with(AtomicU64::default).take(words).collect() }
    }

    /// Adds a record. Setting a bit twice is setting it once, so passes may repeat.
    #[inline]
    pub fn insert(&self, ordinal: u32) {
        if let Some(word) = self.words.get(ordinal as usize / 64) {
            // The thread pool's join orders this before any reader.
            word.fetch_or(1 << (ordinal % 64), Ordering::Relaxed);
        }
    }

    /// Takes a record out.
    #[inline]
    pub fn remove(&self, ordinal: u32) {
        if let Some(word) = self.words.get(ordinal as usize / 64) {
            word.fetch_and(!(1 << (ordinal % 64)), Ordering::Relaxed);
        }
    }

    /// Whether the record is in it.
    #[inline]
    pub fn contains(&self, ordinal: u32) -> bool {
        let word = self.words.get(ordinal as usize / 64);
        word.is_some_and(|word| word.load(Ordering::Relaxed) & (1 << (ordinal % 64)) != 0)
    }

    /// The first record from `from` on, and below `end`, that is in it.
    #[inline]
    pub fn next_from(&self, from: u32, end: u32) -> Option<u32> {
        let mut at = from;
        while at < end {
            let word = self.words.get(at as usize / 64)?.load(Ordering::Relaxed);
            let ahead = word >> (at % 64);
            if ahead != 0 {
                return Some(at + ahead.trailing_zeros()).filter(|next| *next < end);
            }
            at = (at / 64 + 1).checked_mul(64)?;
        }
        None
    }

    /// How many of the `count` records from `first` on are in it.
    pub fn count(&self, first: u32, count: u32) -> u32 {
        let end = first.saturating_add(count);
        let mut at = first;
        let mut kept = 0;
        while at < end {
            let bits = (64 - at % 64).min(end - at);
            let word = self.words.get(at as usize / 64).map_or(0, |w| w.load(Ordering::Relaxed));
            let mask = if bits == 64 { u64::MAX } else { ((1u64 << bits) - 1) << (at % 64) };
            kept += (word & mask).count_ones();
            at += bits;
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_over_any_stretch_is_the_number_of_its_members() {
        let set = RecordSet::of_size(300);
        let members: Vec<u32> = (0..300).filter(|n| n % 7 == 0 || n % 64 == 63).collect();
        members.iter().for_each(|n| set.insert(*n));
        for (first, count) in [(0, 300), (0, 0), (63, 1), (63, 2), (1, 128), (64, 64), (250, 50)] {
            let wanted = members.iter().filter(|n| (first..first + count).contains(*n)).count();
            assert_eq!(set.count(first, count) as usize, wanted, "{first} {count}");
        }
    }

    #[test]
    fn members_are_found_one_after_the_other_up_to_any_end() {
        let set = RecordSet::of_size(300);
        let members: Vec<u32> = (0..300).filter(|n| n % 7 == 0 || n % 64 == 63).collect();
        members.iter().for_each(|n| set.insert(*n));
        for (from, end) in [(0, 300), (1, 7), (1, 8), (63, 64), (64, 64), (250, 900)] {
            let mut found = Vec::new();
            let mut at = from;
            while let Some(next) = set.next_from(at, end) {
                found.push(next);
                at = next + 1;
            }
            let wanted: Vec<u32> =
                members.iter().copied().filter(|n| (from..end).contains(n)).collect();
            assert_eq!(found, wanted, "{from}..{end}");
        }
    }

    #[test]
    fn a_record_that_is_taken_out_leaves_its_neighbours_in() {
        let set = RecordSet::of_size(130);
        (60..70).for_each(|n| set.insert(n));
        set.remove(64);
        set.remove(3);
        assert_eq!((set.contains(64), set.count(0, 130)), (false, 9));
    }

    #[test]
    fn a_record_beyond_the_set_is_not_in_it() {
        let set = RecordSet::of_size(10);
        set.insert(900);
        set.remove(900);
        assert!(!set.contains(900));
        assert_eq!(set.count(0, 2000), 0);
    }
}
