//! The law of [`Strategy`](super::Strategy), for each of them.

use proptest::prelude::*;

use super::{ByOffset, ByTimestamp, Entry, First, Header, Stands, Strategy, Turn, Version};

/// What is known of a key after the candidates of one stretch of the log.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Known<C> {
    champion: i64,
    claim: C,
    /// The offsets of the first and the last candidate.
    span: (i64, i64),
}

impl<C: Copy + PartialEq> Known<C> {
    fn of(offset: i64, claim: C) -> Known<C> {
        Known { champion: offset, claim, span: (offset, offset) }
    }

    /// What is known of both stretches, which are the same or do not overlap.
    fn merge<S: Strategy<Claim = C>>(self, other: Known<C>) -> Known<C> {
        if self.span == other.span {
            return self;
        }
        let (older, newer) = if self.span < other.span { (self, other) } else { (other, self) };
        let span = (older.span.0, newer.span.1);
        match S::combine(older.claim, newer.claim) {
            Stands::Older(claim) => Known { champion: older.champion, claim, span },
            Stands::Newer(claim) => Known { champion: newer.champion, claim, span },
        }
    }
}

/// One strategy's candidates of a key in log order, and who must be the champion.
trait Contest {
    type By: Strategy;
    fn claims(seeds: &[u8]) -> Vec<<Self::By as Strategy>::Claim>;
    fn champion(claims: &[<Self::By as Strategy>::Claim]) -> usize;
}

struct ByPlace;
struct ByVersion<S>(S);
struct ByTurn;

impl Contest for ByPlace {
    type By = ByOffset;
    fn claims(seeds: &[u8]) -> Vec<()> {
        vec![(); seeds.len()]
    }
    fn champion(claims: &[()]) -> usize {
        claims.len() - 1
    }
}

impl<S: Strategy<Claim = Version>> Contest for ByVersion<S> {
    type By = S;
    fn claims(seeds: &[u8]) -> Vec<Version> {
        let version = |seed: &u8| Version::of(seed.checked_sub(1).map(|n| i64::from(n % 4) - 1));
        seeds.iter().map(version).collect()
    }
    fn champion(claims: &[Version]) -> usize {
        (0..claims.len()).max_by_key(|at| (claims[*at], *at)).unwrap()
    }
}

impl Contest for ByTurn {
    type By = First;
    fn claims(seeds: &[u8]) -> Vec<Turn> {
        let turn = |seed: &u8| if seed.is_multiple_of(4) { Turn::Tombstone } else { Turn::Value };
        seeds.iter().map(turn).collect()
    }
    fn champion(claims: &[Turn]) -> usize {
        match claims.iter().rposition(|turn| *turn == Turn::Tombstone) {
            None => 0,
            Some(last) => (last + 1).min(claims.len() - 1),
        }
    }
}

/// Merges neighbours until one is left; `picks` say which, and which comes first in the call.
fn in_any_grouping<S: Strategy>(
    mut known: Vec<Known<S::Claim>>,
    picks: &[prop::sample::Index],
) -> Known<S::Claim> {
    for pick in picks.iter().cycle() {
        if known.len() == 1 {
            break;
        }
        let at = pick.index(known.len() - 1);
        let (older, newer) = (known[at], known.remove(at + 1));
        let is_turned = pick.index(2) == 1;
        known[at] = if is_turned { newer.merge::<S>(older) } else { older.merge::<S>(newer) };
        assert_eq!(known[at].merge::<S>(known[at]), known[at]);
    }
    known[0]
}

fn keeps_the_law<T: Contest>(seeds: &[u8], picks: &[prop::sample::Index]) {
    let claims = T::claims(seeds);
    let known = |(at, claim): (usize, _)| Known::of(at as i64, claim);
    let known: Vec<_> = claims.iter().copied().enumerate().map(known).collect();
    let backwards =
        known.iter().rev().copied().reduce(|newer, older| older.merge::<T::By>(newer)).unwrap();
    let grouped = in_any_grouping::<T::By>(known, picks);
    assert_eq!(grouped, backwards);
    assert_eq!(backwards.champion, T::champion(&claims) as i64);
}

/// For maxima of (claim, offset): any two sets of candidates, whether they overlap or not.
fn keeps_it_for_any_sets<T: Contest>(seeds: &[u8], members: &[(bool, bool)]) {
    let claims = T::claims(seeds);
    let champion_of = |is_in: &dyn Fn(&(bool, bool)) -> bool| {
        let of_set = claims.iter().zip(members).enumerate().filter(|(_, (_, in_it))| is_in(in_it));
        let of_set = of_set.map(|(at, (claim, _))| Known::of(at as i64, *claim));
        of_set.reduce(|older, newer| older.merge::<T::By>(newer))
    };
    let (Some(one), Some(other)) = (
        champion_of(&|in_it: &(bool, bool)| in_it.0),
        champion_of(&|in_it: &(bool, bool)| in_it.1),
    ) else {
        return;
    };
    let (older, newer) = if one.champion < other.champion { (one, other) } else { (other, one) };
    let merged = match T::By::combine(older.claim, newer.claim) {
        Stands::Older(_) => older.champion,
        Stands::Newer(_) => newer.champion,
    };
    let of_both = champion_of(&|in_it: &(bool, bool)| in_it.0 || in_it.1).unwrap();
    assert_eq!(merged, of_both.champion);
}

proptest! {
    #[test]
    fn stretches_of_a_log_merge_in_any_grouping_to_what_one_walk_finds(
        seeds in prop::collection::vec(any::<u8>(), 1..12),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 12),
    ) {
        keeps_the_law::<ByPlace>(&seeds, &picks);
        keeps_the_law::<ByVersion<ByTimestamp>>(&seeds, &picks);
        keeps_the_law::<ByVersion<Header>>(&seeds, &picks);
        keeps_the_law::<ByTurn>(&seeds, &picks);
    }

    #[test]
    fn a_strategy_that_takes_the_maximum_merges_any_sets_of_candidates(
        seeds in prop::collection::vec(any::<u8>(), 12),
        members in prop::collection::vec(any::<(bool, bool)>(), 12),
    ) {
        keeps_it_for_any_sets::<ByPlace>(&seeds, &members);
        keeps_it_for_any_sets::<ByVersion<ByTimestamp>>(&seeds, &members);
        keeps_it_for_any_sets::<ByVersion<Header>>(&seeds, &members);
    }

    #[test]
    fn where_the_newest_stands_nothing_older_ever_takes_its_place(seeds: [u8; 2]) {
        fn check<T: Contest>(seeds: &[u8]) {
            let claims = T::claims(seeds);
            let stands = T::By::combine(claims[0], claims[1]);
            if <<T::By as Strategy>::Entry as Entry<_>>::NEWEST_STANDS {
                assert_eq!(stands, Stands::Newer(claims[1]));
            }
        }
        check::<ByPlace>(&seeds);
        check::<ByVersion<ByTimestamp>>(&seeds);
        check::<ByVersion<Header>>(&seeds);
        check::<ByTurn>(&seeds);
    }
}
