//! The ranges of hashes that the runs of a key index cover.

use super::entry::KeyHash;
use super::key_run::RunRef;

/// All that a run covers, or all there is where there is no run yet.
#[derive(Clone, Copy, Debug)]
pub struct Range<'a> {
    /// The lowest hash.
    pub from: KeyHash,
    /// The lowest hash behind it.
    pub below: Option<KeyHash>,
    /// The run.
    pub run: Option<&'a RunRef>,
}

/// The ranges of all runs, which are in order.
pub fn ranges_of(runs: &[RunRef]) -> Vec<Range<'_>> {
    if runs.is_empty() {
        return vec![Range { from: KeyHash(0), below: None, run: None }];
    }
    let below = runs.iter().skip(1).map(|run| Some(run.first_hash)).chain([None]);
    let ranges = runs.iter().zip(below);
    ranges.map(|(run, below)| Range { from: run.first_hash, below, run: Some(run) }).collect()
}

/// The part of sorted `keys` that lies in a range.
pub fn within(keys: &[KeyHash], from: KeyHash, below: Option<KeyHash>) -> &[KeyHash] {
    let low = keys.partition_point(|key| *key < from);
    let high = below.map_or(keys.len(), |below| keys.partition_point(|key| *key < below));
    keys.get(low..high).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_by_range() {
        let keys = [1, 3, 3, 9].map(KeyHash);
        assert_eq!(within(&keys, KeyHash(3), Some(KeyHash(9))), &keys[1..3]);
        assert_eq!(within(&keys, KeyHash(4), None), &keys[3..]);
        assert_eq!(within(&keys, KeyHash(9), Some(KeyHash(4))), &keys[..0]);
    }
}
