//! The parts in which a range of the key index is read and written.

use super::newcomer_block::Gathered;
use super::newcomers::Newcomers;
use crate::error::Result;
use crate::rounds::{EntryLayout, KeyHash, KeyState, Range};

/// What a round file says of a run's size may be a lie, and is believed no further than this.
const MOST_PARTS: u64 = 1 << 16;

/// A part of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The lowest hash.
    pub from: KeyHash,
    /// The lowest hash behind it.
    pub below: Option<KeyHash>,
}

/// The parts in which a range is to be written: one, unless it may outgrow a run. Then a part is
/// about half a run, so that it has room to grow. Layers say something of `layered` keys here.
///
/// # Errors
/// Those of the newcomers.
pub fn parts_of(
    range: &Range<'_>,
    layered: u64,
    newcomers: &Newcomers,
    layout: EntryLayout,
    most_run_bytes: usize,
) -> Result<Vec<Part>> {
    let old = range.run.map_or(0, |run| run.entries);
    let old = old.saturating_add(layered);
    let entries = old.saturating_add(newcomers.about(range.from, range.below)?);
    let bytes = entries.saturating_mul(layout.entry_bytes() as u64);
    let most = most_run_bytes.max(1) as u64;
    let whole = Part { from: range.from, below: range.below };
    if bytes <= most {
        return Ok(vec![whole]);
    }
    Ok(whole.cut(bytes.div_ceil(most.div_ceil(2))).collect())
}

impl Part {
    /// The same in so many pieces of one width, if it is wide enough.
    pub fn cut(self, count: u64) -> impl Iterator<Item = Part> {
        let last = self.below.map_or(u128::MAX, |below| below.0.saturating_sub(1));
        let count = u128::from(count.clamp(1, MOST_PARTS));
        let step = last.saturating_sub(self.from.0) / count;
        let count = if step == 0 { 1 } else { count };
        let start = move |piece: u128| KeyHash(self.from.0 + piece * step);
        let below = move |piece| if piece == count { self.below } else { Some(start(piece)) };
        (0..count).map(move |piece| Part { from: start(piece), below: below(piece + 1) })
    }

    /// The newcomers in it.
    ///
    /// # Errors
    /// Those of the newcomers.
    pub fn of(self, newcomers: &Newcomers) -> Result<Gathered> {
        newcomers.range(self.from, self.below)
    }

    /// The hashes of the keys of the newcomers in it, sorted; none if [`plain_entries`] is none.
    ///
    /// # Errors
    /// Those of the newcomers.
    ///
    /// [`plain_entries`]: Part::plain_entries
    pub fn plain_keys(self, newcomers: &Newcomers) -> Result<Option<Vec<KeyHash>>> {
        let (_, layout) = newcomers.made_for();
        let entries = self.plain_entries(newcomers)?;
        Ok(entries.map(|bytes| layout.hashes(&bytes).collect()))
    }

    /// What a layer says of the newcomers in it, sorted; none if [`plain_entries`] is none.
    ///
    /// # Errors
    /// Those of the newcomers.
    ///
    /// [`plain_entries`]: Part::plain_entries
    pub fn plain_states(self, newcomers: &Newcomers) -> Result<Option<Vec<KeyState>>> {
        let (_, layout) = newcomers.made_for();
        let entries = self.plain_entries(newcomers)?;
        Ok(entries.map(|bytes| layout.states(&bytes).collect()))
    }

    /// The entries of the newcomers in it as they lie in a run, sorted; none if there is more to
    /// decide than where they lie: a key comes twice, or a tombstone that is gone.
    fn plain_entries(self, newcomers: &Newcomers) -> Result<Option<Vec<u8>>> {
        let (_, layout) = newcomers.made_for();
        let mut bytes = Vec::new();
        self.append_entries(newcomers, &mut bytes)?;
        Ok(Some(bytes).filter(|bytes| layout.all_stand(bytes, self.from)))
    }

    /// Appends the entries of the newcomers in it to `bytes`, as they lie in a run.
    ///
    /// # Errors
    /// Those of the newcomers.
    pub fn append_entries(self, newcomers: &Newcomers, bytes: &mut Vec<u8>) -> Result<()> {
        newcomers.append_entries(self.from, self.below, bytes)
    }
}

/// Nothing, if no newcomer lies in any of `parts`. If there is but one part, its newcomers, so that
/// they need not be read twice.
///
/// # Errors
/// Those of the newcomers.
pub fn some_of(parts: &[Part], newcomers: &Newcomers) -> Result<Option<Option<Gathered>>> {
    for part in parts {
        let some = part.of(newcomers)?;
        if !some.is_empty() {
            return Ok(Some((parts.len() == 1).then_some(some)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rounds::{Crc32c, KeyHashSeed, RunRef};

    const LAYOUT: EntryLayout = EntryLayout { with_claim: false };

    fn run(first_hash: u128, entries: u64) -> RunRef {
        let (file, first_hash) = (RunRef::file_name(1, 0), KeyHash(first_hash));
        RunRef { file, first_hash, entries, bytes: 0, crc32c: Crc32c(0) }
    }

    fn none() -> Newcomers {
        Newcomers::new(KeyHashSeed(0), LAYOUT, 0, None)
    }

    #[test]
    fn parts_lie_side_by_side_and_cover_their_range() {
        for (from, below) in [(0, None), (7, Some(7 << 90)), (u128::MAX - 100, None), (5, Some(30))]
        {
            let (run, below) = (run(from, 1000), below.map(KeyHash));
            let range = Range { from: KeyHash(from), below, run: Some(&run) };
            let parts = parts_of(&range, 0, &none(), LAYOUT, 6000).unwrap();
            assert_eq!(parts.first().unwrap().from, range.from);
            assert_eq!(parts.last().unwrap().below, below);
            assert!(parts.windows(2).all(|two| two[0].below == Some(two[1].from)));
            assert_eq!(parts.len(), 8);
        }
    }

    #[test]
    fn a_run_that_is_said_to_be_without_measure_takes_no_memory() {
        for entries in [1 << 40, u64::MAX] {
            let run = run(0, entries);
            let range = Range { from: KeyHash(0), below: None, run: Some(&run) };
            assert!(parts_of(&range, 0, &none(), LAYOUT, 1).unwrap().len() <= 1 << 16);
        }
    }
}
