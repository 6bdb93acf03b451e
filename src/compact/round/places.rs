//! The places of a counting sort by the upper halves of hashes: there are a few hashes to a place,
//! for they lie evenly. If they did not, it would take longer.

const A_PLACE: usize = 4;
const MOST_BITS: u32 = 16;

/// First all are counted, then each gets its seat.
pub struct Places {
    from: u64,
    shift: u32,
    /// How many there are at each place; then where its next seat is; then where it ends.
    ends: Vec<u32>,
}

impl Places {
    /// For about `count` that lie from `from` to `last`.
    pub fn of(count: usize, from: u64, last: u64) -> Places {
        let bits = (count / A_PLACE).max(2).ilog2().min(MOST_BITS);
        let span = last.saturating_sub(from);
        let shift = (u64::BITS - span.leading_zeros()).saturating_sub(bits);
        Places { from, shift, ends: vec![0; (span >> shift) as usize + 1] }
    }

    #[inline]
    fn end_of(&mut self, hash_top: u64) -> Option<&mut u32> {
        let place = hash_top.saturating_sub(self.from) >> self.shift;
        self.ends.get_mut(place as usize)
    }

    /// Counts one.
    #[inline]
    pub fn count(&mut self, hash_top: u64) {
        if let Some(count) = self.end_of(hash_top) {
            *count += 1;
        }
    }

    /// Once all are counted: how many there are.
    pub fn open(&mut self) -> usize {
        let mut start = 0;
        for count in &mut self.ends {
            (start, *count) = (start + *count, start);
        }
        start as usize
    }

    /// The next seat at the place of a hash that was counted.
    #[inline]
    pub fn seat(&mut self, hash_top: u64) -> usize {
        let Some(next) = self.end_of(hash_top) else { return usize::MAX };
        *next += 1;
        (*next - 1) as usize
    }

    /// Once all have their seats in `seated`: those of each place, which `sort` sorts.
    pub fn sort_each<T>(&self, seated: &mut [T], mut sort: impl FnMut(&mut [T])) {
        let (mut rest, mut start) = (seated, 0);
        for end in &self.ends {
            let (here, behind) =
                rest.split_at_mut_checked((end - start) as usize).unwrap_or_default();
            if here.len() > 1 {
                sort(here);
            }
            (rest, start) = (behind, *end);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_are_sorted_however_they_lie(
            mut hashes in prop::collection::vec(prop_oneof![0..u64::MAX, 5..9u64], 0..300),
            bounds: (u64, u64),
        ) {
            let (from, last) = (bounds.0.min(bounds.1), bounds.0.max(bounds.1));
            for (from, last) in [(0, u64::MAX), (5, 8), (7, 7), (from, last)] {
                hashes.retain(|hash| (from..=last).contains(hash));
                let mut places = Places::of(hashes.len(), from, last);
                hashes.iter().for_each(|hash| places.count(*hash));
                prop_assert_eq!(places.open(), hashes.len());
                let mut seated = vec![0; hashes.len()];
                hashes.iter().for_each(|hash| seated[places.seat(*hash)] = *hash);
                places.sort_each(&mut seated, <[u64]>::sort_unstable);
                let mut wanted = hashes.clone();
                wanted.sort_unstable();
                prop_assert_eq!(seated, wanted);
            }
        }
    }
}
