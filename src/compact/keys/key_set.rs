//! What the two kinds of sets of keys have in common: keys on pages (`Shard`), and short keys that
//! are their slots (`Words`). The vote asks both the same, in the same words.

use crate::compact::strategy::Front;

/// What a set says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting<P> {
    /// It was not known; now it is.
    First,
    /// It is known, and this is where.
    Again(P),
    /// It is not known and there is no room to note it, nor any key that comes after it.
    NoRoom,
}

/// A set of distinct keys, each with what is to be known of it, `F` bytes in front.
pub trait KeySet<F: Front> {
    /// A key as the set is given it.
    type Key<'k>: Copy;
    /// Where a key is held, as long as the set is there.
    type Place: Copy;

    /// Takes note of a key, with `front` if it was not known, allocating no more than
    /// `budget_bytes` in all (though room for one key is always found, so that every pass gets on).
    fn sight(
        &mut self,
        key: Self::Key<'_>,
        front: impl FnOnce() -> F,
        budget_bytes: usize,
    ) -> Sighting<Self::Place>;

    /// Whether a key is known; `NoRoom` if it is not, but might have been but for the budget.
    fn look(&self, key: Self::Key<'_>) -> Sighting<Self::Place>;

    /// Has what stands where these keys are looked for brought near, all at the same time.
    fn approach<'k>(&self, keys: impl Iterator<Item = Self::Key<'k>> + Clone);

    /// What stands in front of a key.
    fn front(&self, place: Self::Place) -> Option<F>;

    /// Puts something else there.
    fn set_front(&mut self, place: Self::Place, front: F);

    /// What it has allocated.
    fn allocated_bytes(&self) -> usize;
}
