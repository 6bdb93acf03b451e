//! The merge-join of a run of the key index with the newcomers of an increment: who stands, and
//! who loses.
//!
//! It is a pure function, so it can be done once to find the losers and once more to write what
//! stands. What a destination has is always older than what an increment brings.

use std::iter::Peekable;

use super::newcomers::Newcomer;
use crate::compact::strategy::{ByStrategy, Chosen, Claim, Entry as Held, Stands, Strategy};
use crate::rounds::{Entry, KeyHash};
use crate::units::Offset;

/// What the join says of a key. `Stands` comes in the order of hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An entry of the merged run.
    Stands(Entry),
    /// A record in the destination that lost.
    Dead(Offset, KeyHash),
    /// A newcomer that lost to what the destination has.
    Late(Newcomer),
    /// The same of a record: what it lost to is a deletion that neither the destination nor the
    /// source has any more.
    Outlived(Offset),
    /// An entry of the old run that is not needed any more: its tombstone left the destination, or
    /// its key was erased.
    Removed(Entry),
}

/// Keys that leave the index in a round, each list sorted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leaving<'a> {
    /// Their tombstone stands in the index and leaves the destination.
    pub expired: &'a [KeyHash],
    /// All their records are erased; nothing of them is to decide anything any more.
    pub erased: &'a [KeyHash],
}

impl Leaving<'_> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.expired.is_empty() && self.erased.is_empty()
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        (self.expired.len() as u64).saturating_add(self.erased.len() as u64)
    }

    /// Those from `from` to below `below`.
    pub fn within(&self, from: KeyHash, below: Option<KeyHash>) -> Leaving<'_> {
        let within = |hashes| crate::rounds::within(hashes, from, below);
        Leaving { expired: within(self.expired), erased: within(self.erased) }
    }
}

/// Joins the entries of `run` with `newcomers`, both sorted by hash; `leaving` are keys that leave
/// in this round.
///
/// An entry whose tombstone is no longer in the destination stays, as `gone`, where it could still
/// beat a record that comes late; where the newest stands whatever it says, nothing older than it
/// can come.
pub fn join<S: Strategy>(
    run: impl Iterator<Item = Entry>,
    newcomers: impl Iterator<Item = Newcomer>,
    leaving: Leaving<'_>,
    mut each: impl FnMut(Outcome),
) {
    let mut run = run.peekable();
    let mut newcomers = newcomers.peekable();
    let mut expired = leaving.expired.iter().copied().peekable();
    let mut erased = leaving.erased.iter().copied().peekable();
    loop {
        let old_hash = run.peek().map(|entry| entry.hash);
        let new_hash = newcomers.peek().map(|it| it.entry.hash);
        let Some(hash) = old_hash.into_iter().chain(new_hash).min() else { return };
        let old = run.next_if(|entry| entry.hash == hash);
        let first = newcomers.next_if(|it| it.entry.hash == hash);
        let new = first.map(|first| fold::<S>(first, &mut newcomers, &mut each));
        while expired.next_if(|key| *key < hash).is_some() {}
        while erased.next_if(|key| *key < hash).is_some() {}
        let old = old.filter(|old| {
            let stays = erased.peek() != Some(&hash);
            if !stays {
                each(Outcome::Removed(*old));
            }
            stays
        });
        let leaves = expired.peek() == Some(&hash);
        if let Some(stands) = meet::<S>(old, new, leaves, &mut each) {
            each(Outcome::Stands(stands));
        }
    }
}

/// Whether the newest record of a key stands, whatever it and older ones say.
pub fn newest_stands<S: Strategy>() -> bool {
    <S::Entry as Held<S::Claim>>::NEWEST_STANDS
}

/// Whether a newcomer can lose to what the destination has, by the strategy of a run.
pub fn can_be_late(strategy: &Chosen) -> bool {
    struct CanBeLate;
    impl ByStrategy for CanBeLate {
        type Outcome = bool;
        fn by<S: Strategy>(self, _strategy: &S) -> bool {
            !newest_stands::<S>()
        }
    }
    strategy.apply(CanBeLate)
}

/// What stands for a key of which the destination has `old` and the increment `new`.
fn meet<S: Strategy>(
    old: Option<Entry>,
    new: Option<Newcomer>,
    leaves: bool,
    each: &mut impl FnMut(Outcome),
) -> Option<Entry> {
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => match combine::<S>(&old, &new.entry) {
            (Stands::Newer(()), stands) => {
                if !old.gone {
                    each(Outcome::Dead(old.offset, old.hash));
                }
                (None, Some(stands))
            }
            (Stands::Older(()), stands) => {
                each(Outcome::Late(new));
                if old.gone && !new.entry.gone {
                    each(Outcome::Outlived(new.entry.offset));
                }
                (Some(stands), None)
            }
        },
        (old, new) => (old, new.map(|new| new.entry)),
    };
    let outlives = !newest_stands::<S>();
    match (old, new) {
        (Some(old), _) if leaves && old.deletes => {
            if outlives {
                return Some(Entry { gone: true, ..old });
            }
            each(Outcome::Removed(old));
            None
        }
        (_, Some(new)) if new.gone && !outlives => None,
        (old, new) => old.or(new),
    }
}

/// Newcomers of one key. An increment gives one; a destination in which somebody has put records
/// back gives more when it is indexed anew: all but one of them are dead.
fn fold<S: Strategy>(
    first: Newcomer,
    newcomers: &mut Peekable<impl Iterator<Item = Newcomer>>,
    each: &mut impl FnMut(Outcome),
) -> Newcomer {
    let mut older = first;
    while let Some(newer) = newcomers.next_if(|it| it.entry.hash == first.entry.hash) {
        let (winner, loser, entry) = match combine::<S>(&older.entry, &newer.entry) {
            (Stands::Older(()), stands) => (older, newer, stands),
            (Stands::Newer(()), stands) => (newer, older, stands),
        };
        if !loser.entry.gone {
            each(Outcome::Dead(loser.entry.offset, loser.entry.hash));
        }
        older = Newcomer { entry, ..winner };
    }
    older
}

/// Which of two entries of a key stands, and as what.
fn combine<S: Strategy>(older: &Entry, newer: &Entry) -> (Stands<()>, Entry) {
    let claim = |entry: &Entry| S::Claim::of_bits(entry.claim.0, entry.claim.1);
    match S::combine(claim(older), claim(newer)) {
        Stands::Older(claim) => (Stands::Older(()), Entry { claim: claim.to_bits(), ..*older }),
        Stands::Newer(claim) => (Stands::Newer(()), Entry { claim: claim.to_bits(), ..*newer }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::compact::strategy::{ByOffset, ByTimestamp, First, Strategy, Version};

    type Turn = <First as Strategy>::Claim;

    fn entry(hash: u128, offset: i64, claim: impl Claim) -> Entry {
        let (hash, offset) = (KeyHash(hash), Offset(offset));
        Entry { hash, offset, claim: claim.to_bits(), deletes: false, gone: false }
    }

    fn at(ms: i64) -> Version {
        Version::of(Some(ms))
    }

    fn tombstone(entry: Entry) -> Entry {
        Entry { deletes: true, ..entry }
    }

    fn gone(entry: Entry) -> Entry {
        Entry { deletes: true, gone: true, ..entry }
    }

    fn new(entry: Entry) -> Newcomer {
        Newcomer { entry, chunk: 1, ordinal: 2 }
    }

    fn joined<S: Strategy>(old: &[Entry], new: &[Entry], removed: &[u128]) -> Vec<Outcome> {
        let new: Vec<Newcomer> = new.iter().copied().map(self::new).collect();
        let removed: Vec<KeyHash> = removed.iter().copied().map(KeyHash).collect();
        let mut outcomes = Vec::new();
        let leaving = Leaving { expired: &removed, erased: &[] };
        let old = old.iter().copied();
        join::<S>(old, new.into_iter(), leaving, |outcome| outcomes.push(outcome));
        outcomes
    }

    use Outcome::{Dead, Late, Outlived, Removed, Stands as Stays};

    #[test]
    fn by_offset_each_newcomer_beats_what_is_there() {
        let (old, new) = (entry(2, 7, ()), entry(2, 20, ()));
        let (before, behind) = (entry(1, 8, ()), entry(3, 21, ()));
        assert_eq!(
            joined::<ByOffset>(&[before, old], &[new, behind], &[]),
            [Stays(before), Dead(Offset(7), KeyHash(2)), Stays(new), Stays(behind)]
        );
    }

    #[test]
    fn by_timestamp_a_late_newcomer_loses_and_equal_times_go_to_the_newer() {
        let old = [entry(1, 1, at(50)), entry(2, 2, at(50)), entry(3, 3, at(50))];
        let late = [entry(1, 11, at(49)), entry(2, 12, at(50)), entry(3, 13, Version::of(None))];
        assert_eq!(
            joined::<ByTimestamp>(&old, &late, &[]),
            [
                Late(new(late[0])),
                Stays(old[0]),
                Dead(Offset(2), KeyHash(2)),
                Stays(late[1]),
                Late(new(late[2])),
                Stays(old[2])
            ]
        );
    }

    #[test]
    fn by_first_a_value_behind_a_tombstone_knows_of_it_even_if_that_is_gone() {
        let old = gone(entry(1, 5, Turn::Tombstone));
        let value = entry(1, 10, Turn::Value);
        let stands = entry(1, 10, Turn::ValueBehindTombstone);
        assert_eq!(joined::<First>(&[old], &[value], &[]), [Stays(stands)]);
        let old = entry(1, 5, Turn::Value);
        assert_eq!(joined::<First>(&[old], &[value], &[]), [Late(new(value)), Stays(old)]);
    }

    #[test]
    fn an_erased_key_leaves_whatever_stood_for_it_and_beats_nothing_any_more() {
        let old = [entry(1, 5, at(50)), gone(entry(2, 6, at(50))), entry(3, 7, at(50))];
        let late = new(entry(2, 11, at(49)));
        let erased = [KeyHash(1), KeyHash(2)];
        let leaving = Leaving { expired: &[], erased: &erased };
        let mut outcomes = Vec::new();
        join::<ByTimestamp>(old.into_iter(), [late].into_iter(), leaving, |outcome| {
            outcomes.push(outcome)
        });
        let wanted = [Removed(old[0]), Removed(old[1]), Stays(late.entry), Stays(old[2])];
        assert_eq!(outcomes, wanted);
    }

    #[test]
    fn a_tombstone_that_leaves_is_remembered_where_late_values_can_come() {
        let left = tombstone(entry(1, 5, at(50)));
        assert_eq!(joined::<ByTimestamp>(&[left], &[], &[1]), [Stays(gone(left))]);
        let left = tombstone(entry(1, 5, ()));
        assert_eq!(joined::<ByOffset>(&[left], &[], &[1]), [Removed(left)]);
        // A late value does not keep it, a newer one takes its place.
        let (left, late) = (tombstone(entry(1, 5, at(50))), entry(1, 9, at(49)));
        let outcomes = joined::<ByTimestamp>(&[left], &[late], &[1]);
        assert_eq!(outcomes, [Late(new(late)), Stays(gone(left))]);
        let newer = entry(1, 9, at(51));
        let outcomes = joined::<ByTimestamp>(&[left], &[newer], &[1]);
        assert_eq!(outcomes, [Dead(Offset(5), KeyHash(1)), Stays(newer)]);
        let newer = tombstone(newer);
        let outcomes = joined::<ByTimestamp>(&[left], &[newer], &[1]);
        assert_eq!(outcomes, [Dead(Offset(5), KeyHash(1)), Stays(newer)]);
    }

    #[test]
    fn a_late_value_that_meets_a_deletion_that_is_gone_is_told_of() {
        let (left, late) = (gone(entry(1, 5, at(50))), entry(1, 9, at(49)));
        let outcomes = joined::<ByTimestamp>(&[left], &[late], &[]);
        assert_eq!(outcomes, [Late(new(late)), Outlived(Offset(9)), Stays(left)]);
        let late = gone(late);
        let outcomes = joined::<ByTimestamp>(&[left], &[late], &[]);
        assert_eq!(outcomes, [Late(new(late)), Stays(left)]);
    }

    #[test]
    fn keys_that_are_not_there_and_values_do_not_leave() {
        let (value, other) = (entry(2, 5, ()), tombstone(entry(4, 6, ())));
        let outcomes = joined::<ByOffset>(&[value, other], &[], &[0, 1, 2, 3, 5]);
        assert_eq!(outcomes, [Stays(value), Stays(other)]);
    }

    #[test]
    fn a_newcomer_that_is_gone_at_once_kills_and_is_remembered_where_it_counts() {
        let (old, new) = (entry(1, 5, ()), gone(entry(1, 9, ())));
        assert_eq!(joined::<ByOffset>(&[old], &[new], &[]), [Dead(Offset(5), KeyHash(1))]);
        assert_eq!(joined::<ByOffset>(&[], &[new], &[]), []);
        let (old, new) = (entry(1, 5, at(1)), gone(entry(1, 9, at(2))));
        let outcomes = joined::<ByTimestamp>(&[old], &[new], &[]);
        assert_eq!(outcomes, [Dead(Offset(5), KeyHash(1)), Stays(new)]);
        // What is gone is in the destination no more: it cannot die.
        let newer = entry(1, 12, at(3));
        assert_eq!(joined::<ByTimestamp>(&[new], &[newer], &[]), [Stays(newer)]);
    }

    #[test]
    fn of_records_of_one_key_that_are_indexed_anew_all_but_one_are_dead() {
        let [a, b, c] = [(3, 7), (4, 9), (5, 8)].map(|(offset, ms)| entry(1, offset, at(ms)));
        let dead = |offset| Dead(Offset(offset), KeyHash(1));
        assert_eq!(joined::<ByTimestamp>(&[], &[a, b, c], &[]), [dead(3), dead(5), Stays(b)]);
        let [a, b, c] = [3, 4, 5].map(|offset| entry(1, offset, ()));
        assert_eq!(joined::<ByOffset>(&[], &[a, b, c], &[]), [dead(3), dead(4), Stays(c)]);
    }

    /// What one walk over the log of a key says: the champion's number.
    fn champion(turns: &[Turn]) -> usize {
        match turns.iter().rposition(|turn| *turn == Turn::Tombstone) {
            None => 0,
            Some(last) => (last + 1).min(turns.len() - 1),
        }
    }

    /// The rounds of a key's log: in each the champion of the part is a newcomer. Gives which
    /// offset stands in the end, and those that died and were late.
    fn in_rounds<S: Strategy>(claims: &[S::Claim], cuts: &[bool]) -> (i64, Vec<i64>) {
        let mut index: Vec<Entry> = Vec::new();
        let mut lost = Vec::new();
        let mut part: Vec<Entry> = Vec::new();
        for (offset, (claim, is_end)) in claims.iter().zip(cuts).enumerate() {
            part.push(entry(1, offset as i64, *claim));
            if !is_end && offset + 1 < claims.len() {
                continue;
            }
            // The vote over the increment is the same fold.
            let voted = joined::<S>(&[], &std::mem::take(&mut part), &[]);
            let mut champion = Vec::new();
            for outcome in voted {
                match outcome {
                    Stays(entry) => champion.push(entry),
                    Dead(offset, _) => lost.push(offset.0),
                    other => panic!("{other:?}"),
                }
            }
            let outcomes = joined::<S>(&index, &champion, &[]);
            index.clear();
            for outcome in outcomes {
                match outcome {
                    Stays(entry) => index.push(entry),
                    Dead(offset, _) => lost.push(offset.0),
                    Late(newcomer) => lost.push(newcomer.entry.offset.0),
                    other @ (Removed(_) | Outlived(_)) => panic!("{other:?}"),
                }
            }
        }
        lost.sort_unstable();
        (index[0].offset.0, lost)
    }

    fn all_but(standing: usize, count: usize) -> Vec<i64> {
        (0..count).filter(|at| *at != standing).map(|at| at as i64).collect()
    }

    proptest! {
        #[test]
        fn any_split_into_rounds_finds_the_champion_of_one_walk_and_each_loser_once(
            seeds in prop::collection::vec((0..5i64, any::<bool>()), 1..14),
        ) {
            let cuts: Vec<bool> = seeds.iter().map(|seed| seed.1).collect();
            let count = seeds.len();
            let turns: Vec<Turn> = seeds.iter()
                .map(|seed| if seed.0 == 0 { Turn::Tombstone } else { Turn::Value }).collect();
            let (stands, lost) = in_rounds::<First>(&turns, &cuts);
            prop_assert_eq!(stands as usize, champion(&turns));
            prop_assert_eq!(lost, all_but(champion(&turns), count));

            let versions: Vec<Version> =
                seeds.iter().map(|seed| Version::of(Some(seed.0).filter(|n| *n > 0))).collect();
            let highest = (0..count).max_by_key(|at| (versions[*at], *at)).unwrap();
            let (stands, lost) = in_rounds::<ByTimestamp>(&versions, &cuts);
            prop_assert_eq!(stands as usize, highest);
            prop_assert_eq!(lost, all_but(highest, count));

            let (stands, lost) = in_rounds::<ByOffset>(&vec![(); count], &cuts);
            prop_assert_eq!(stands as usize, count - 1);
            prop_assert_eq!(lost, all_but(count - 1, count));
        }
    }
}
