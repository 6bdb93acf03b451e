//! How values are spread, by powers of two.

use serde::{Serialize, Serializer};

/// Counts of values, a bucket for each power of two, and a bucket for 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Bucket 0 is for 0; bucket `n` for values of `n` bits.
    counts: Vec<u64>,
    sum: u64,
    extremes: Option<(u64, u64)>,
}

/// The values from `from` to `to`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// The least value.
    pub from: u64,
    /// The largest value.
    pub to: u64,
    /// How many there were.
    pub count: u64,
}

impl Histogram {
    /// Counts a value.
    pub fn add_value(&mut self, value: u64) {
        let bits = (u64::BITS - value.leading_zeros()) as usize;
        self.reach(bits + 1);
        if let Some(count) = self.counts.get_mut(bits) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(value);
        let (least, most) = self.extremes.unwrap_or((value, value));
        self.extremes = Some((least.min(value), most.max(value)));
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Histogram) {
        self.reach(other.counts.len());
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
        let both = self.extremes.into_iter().chain(other.extremes);
        self.extremes = both.reduce(|(a, b), (c, d)| (a.min(c), b.max(d)));
    }

    fn reach(&mut self, buckets: usize) {
        if self.counts.len() < buckets {
            self.counts.resize(buckets, 0);
        }
    }

    /// The buckets from the first to the last that holds something, those between them included.
    pub fn buckets(&self) -> Vec<Bucket> {
        let first = self.counts.iter().position(|count| *count > 0).unwrap_or(self.counts.len());
        let bounds = |bits: usize| match bits {
            0 => (0, 0),
            64.. => (1 << 63, u64::MAX),
            bits => (1 << (bits - 1), (1 << bits) - 1),
        };
        let bucket = |(bits, count): (usize, &u64)| {
            let (from, to) = bounds(bits);
            Bucket { from, to, count: *count }
        };
        self.counts.iter().enumerate().skip(first).map(bucket).collect()
    }

    /// The least and the largest value.
    pub fn extremes(&self) -> Option<(u64, u64)> {
        self.extremes
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their mean.
    pub fn mean(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum as f64 / count as f64)
    }
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown {
            min: Option<u64>,
            max: Option<u64>,
            mean: Option<f64>,
            buckets: Vec<Bucket>,
        }
        let (min, max) = self.extremes.unzip();
        Shown { min, max, mean: self.mean(), buckets: self.buckets() }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_buckets_by_their_power_of_two() {
        let mut whole = Histogram::default();
        let (mut left, mut right) = (Histogram::default(), Histogram::default());
        for (number, value) in [0, 1, 2, 3, 4, 1023, 1024, u64::MAX].into_iter().enumerate() {
            whole.add_value(value);
            if number % 2 == 0 { &mut left } else { &mut right }.add_value(value);
        }
        left.add(&right);
        assert_eq!(left, whole);
        let buckets = whole.buckets();
        assert_eq!(buckets[0], Bucket { from: 0, to: 0, count: 1 });
        assert_eq!(buckets[2], Bucket { from: 2, to: 3, count: 2 });
        assert_eq!(buckets[10], Bucket { from: 512, to: 1023, count: 1 });
        assert_eq!(buckets.last(), Some(&Bucket { from: 1 << 63, to: u64::MAX, count: 1 }));
        assert_eq!(whole.count(), 8);
        assert_eq!(Histogram::default().buckets(), []);
    }
}
