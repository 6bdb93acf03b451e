//! Hashes looked up in a run one after the other. Its entries are sorted, and their hashes lie
//! evenly, so where one lies is guessed from where another was found: the nearer that is, the
//! better the guess. A wrong one costs little: steps that double lead from it to where the hash is,
//! and bisection to the place.

use super::entry::{KeyHash, KeyState};
use super::key_run::KeyRun;

/// Looks hashes up in a run; fastest if they rise.
pub struct Lookup<'a> {
    run: &'a KeyRun,
    last: usize,
    entries_a_step: f64,
    /// How many entries lie below the hash that was looked up before.
    seen: usize,
}

impl<'a> Lookup<'a> {
    /// None was looked up yet.
    pub fn within(run: &'a KeyRun) -> Lookup<'a> {
        let last = run.count().saturating_sub(1);
        let top_at = |index| run.hash_at(index).map_or(0.0, top);
        let entries_a_step = last as f64 / (top_at(last) - top_at(0)).max(1.0);
        Lookup { run, last, entries_a_step, seen: 0 }
    }

    /// What the run says of the key with this hash.
    pub fn find(&mut self, hash: KeyHash) -> Option<KeyState> {
        let index = self.lower_bound(hash);
        self.run.state_at(index).filter(|state| state.hash == hash)
    }

    /// How many entries lie below `hash`.
    pub fn lower_bound(&mut self, hash: KeyHash) -> usize {
        let is_below = |index| self.run.hash_at(index).is_some_and(|found| found < hash);
        let (mut low, mut high) = (0, self.run.count());
        let (guess, mut step) = (self.guess(hash), 4);
        if is_below(guess) {
            low = guess + 1;
            while low + step < high {
                if !is_below(low + step) {
                    high = low + step;
                    break;
                }
                low += step + 1;
                step *= 2;
            }
        } else {
            high = guess;
            while let Some(probe) = high.checked_sub(step) {
                if is_below(probe) {
                    low = probe + 1;
                    break;
                }
                high = probe;
                step *= 2;
            }
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if is_below(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.seen = low;
        low
    }

    /// About where `hash` lies, seen from the one before; if that is far off, then once more from
    /// the entry that was found there.
    fn guess(&self, hash: KeyHash) -> usize {
        const NEAR: usize = 256;
        let seen_from = |index: usize| {
            let from = self.run.hash_at(index).map_or(0.0, top);
            let entries = (top(hash) - from) * self.entries_a_step;
            (index as f64 + entries).clamp(0.0, self.last as f64) as usize
        };
        let before = self.seen.min(self.last);
        let guess = seen_from(before);
        if guess.abs_diff(before) < NEAR { guess } else { seen_from(guess) }
    }
}

/// The upper half of a hash: all that a guess needs.
fn top(hash: KeyHash) -> f64 {
    (hash.0 >> u64::BITS) as u64 as f64
}
