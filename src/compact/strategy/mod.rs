//! Which record of a key survives: each strategy is a file, and a line in the list below.
//!
//! A candidate is a committed record with a key, tombstones among them. What it brings to the
//! contest besides its offset is its *claim*; how the claims of two neighbouring ranges of a log
//! make that of both is the strategy's [`combine`](Strategy::combine).

mod candidate;
mod claim;
mod first;
mod header;
#[cfg(test)]
mod law;
mod offset;
mod timestamp;
mod version;

use std::fmt::{self, Debug, Display};

pub use self::candidate::{Candidate, Standing};
pub use self::claim::{Champion, Claim, Entry, Front, MOST_CHUNKS, Stands};
pub use self::first::First;
#[cfg(test)]
use self::first::Turn;
pub use self::header::Header;
pub use self::offset::ByOffset;
pub use self::timestamp::ByTimestamp;
pub use self::version::Version;
use crate::format::Record;

/// A rule by which one record of each key survives.
///
/// # The law
///
/// A *standing* is what is known of a key after some of its candidates: the champion's offset, the
/// claim, and which stretch of the log it is about. Two standings are merged by `combine`, the one
/// of lower offsets as the older. For standings of stretches that follow one another (nothing of
/// the key lies between them, but other keys may) the merge is
///
/// 1. *associative*: however a log is cut into stretches, and in whatever grouping they are merged,
///    the champion and the claim are those of one walk over all of it;
/// 2. *commutative*: which one is the older is told by offsets, not by the order of the arguments;
/// 3. *idempotent*: a stretch merged with itself is itself.
///
/// Threads, windows and passes rest on nothing else. A strategy that takes the maximum of its
/// claims, and of offsets where they are equal (`offset`, `timestamp`, `header`), keeps the law for
/// any sets of candidates, overlapping ones too. `first` does not, and cannot in bounded memory: a
/// tombstone may turn up between two values of one of the sets.
pub trait Strategy: Clone + Debug + Display + PartialEq + Send + Sync {
    /// What a candidate brings besides its offset, and what is known of a stretch.
    type Claim: Claim;
    /// What the key index holds of a champion.
    type Entry: Entry<Self::Claim>;

    /// How it is asked for.
    const USAGE: &'static str;

    /// The strategy, if `text` asks for it.
    ///
    /// # Errors
    /// What is wrong with how it does.
    fn parse(text: &str) -> Option<Result<Self, &'static str>>;

    /// What a record brings. `deletes`: it is a tombstone, or an empty value that stands for one.
    fn claim(&self, record: &Record<'_>, deletes: bool) -> Bid<Self::Claim>;

    /// Whether a champion may come to claim more than its record says.
    const WIDENS: bool = false;

    /// Whether this claim is such a one.
    fn is_widened(_claim: Self::Claim) -> bool {
        false
    }

    /// The claim of a champion that is such a one, from what its record says.
    fn widened(own: Self::Claim) -> Self::Claim {
        own
    }

    /// What stands for two neighbouring stretches with candidates of one key: the champion of
    /// which, and with what claim.
    fn combine(older: Self::Claim, newer: Self::Claim) -> Stands<Self::Claim>;
}

/// A record's claim as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bid<C> {
    /// What counts.
    pub claim: C,
    /// Whether there was something in its place that cannot be read.
    pub is_malformed: bool,
}

impl<C> Bid<C> {
    /// A claim as it ought to be.
    pub fn sound(claim: C) -> Bid<C> {
        Bid { claim, is_malformed: false }
    }
}

/// Work that is the same for each strategy, and compiled for each.
pub trait ByStrategy {
    /// What comes of it.
    type Outcome;

    /// Does it.
    fn by<S: Strategy>(self, strategy: &S) -> Self::Outcome;
}

/// Makes [`Chosen`] of the strategies that there are.
macro_rules! strategies {
    ($($strategy:ident)*) => {
        /// The strategy of a run (`compaction.strategy` of KIP-280, and ours).
        #[derive(Clone, Debug, PartialEq)]
        pub enum Chosen {
            $(
                #[doc = concat!("The strategy `", stringify!($strategy), "`.")]
                $strategy($strategy),
            )*
        }

        impl Chosen {
            /// Reads what a user asks for.
            ///
            /// # Errors
            /// That there is no such strategy, or what is wrong with how it is asked for.
            pub fn parse(text: &str) -> Result<Chosen, String> {
                $(if let Some(parsed) = $strategy::parse(text) {
                    let wrong = |what| format!("{text:?}: {what}");
                    return parsed.map(Chosen::$strategy).map_err(wrong);
                })*
                let known = [$($strategy::USAGE),*].join(", ");
                Err(format!("{text:?} is no strategy; expected one of {known}"))
            }

            /// Does `work` by this strategy.
            pub fn apply<W: ByStrategy>(&self, work: W) -> W::Outcome {
                match self {
                    $(Chosen::$strategy(strategy) => work.by(strategy),)*
                }
            }
        }

        impl Display for Chosen {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Chosen::$strategy(strategy) => Display::fmt(strategy, f),)*
                }
            }
        }
    };
}

strategies! { ByOffset ByTimestamp First Header }

impl Chosen {
    /// What the key index holds beside each key.
    pub fn entry_bytes(&self) -> usize {
        struct Size;
        impl ByStrategy for Size {
            type Outcome = usize;
            fn by<S: Strategy>(self, _strategy: &S) -> usize {
                size_of::<<S::Entry as Entry<S::Claim>>::Bytes>()
            }
        }
        self.apply(Size)
    }

    /// Whether some superseded records may stay for a while and others not: where the highest
    /// wins, whichever others there are.
    pub fn can_wait(&self) -> bool {
        struct CanWait;
        impl ByStrategy for CanWait {
            type Outcome = bool;
            fn by<S: Strategy>(self, _strategy: &S) -> bool {
                !S::WIDENS
            }
        }
        self.apply(CanWait)
    }

    /// Whether it is Kafka's own.
    pub fn is_offset(&self) -> bool {
        *self == Chosen::default()
    }
}

impl Default for Chosen {
    fn default() -> Chosen {
        Chosen::ByOffset(ByOffset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_is_called_what_it_is_asked_for_by() {
        for text in ["offset", "timestamp", "first", "header:version", "header:a:b", "header: x "] {
            assert_eq!(Chosen::parse(text).unwrap().to_string(), text);
        }
        assert!(Chosen::parse("offset").unwrap().is_offset());
    }

    #[test]
    fn what_is_no_strategy_is_refused_and_the_others_are_named() {
        for text in ["", "header", "header:", "header:  ", "Offset", "timestamp:x", "newest"] {
            let refusal = Chosen::parse(text).unwrap_err();
            assert!(refusal.contains(&format!("{text:?}")), "{refusal}");
        }
        let refusal = Chosen::parse("newest").unwrap_err();
        assert!(refusal.contains("offset, timestamp, first, header:NAME"), "{refusal}");
        assert!(Chosen::parse("header: ").unwrap_err().contains("names no header"));
    }
}
