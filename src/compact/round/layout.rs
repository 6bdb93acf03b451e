//! How entries of the key index lie for a strategy.

use crate::compact::strategy::{ByStrategy, Chosen, Strategy};
use crate::rounds::EntryLayout;

/// The layout for a strategy.
pub fn layout_of<S: Strategy>() -> EntryLayout {
    EntryLayout { with_claim: size_of::<S::Claim>() > 0 }
}

/// The layout for the strategy of a run.
pub fn layout(strategy: &Chosen) -> EntryLayout {
    struct Layout;
    impl ByStrategy for Layout {
        type Outcome = EntryLayout;
        fn by<S: Strategy>(self, _strategy: &S) -> EntryLayout {
            layout_of::<S>()
        }
    }
    strategy.apply(Layout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compact::strategy;
    use crate::rounds::Rules;

    #[test]
    fn only_a_strategy_with_claims_takes_room_for_them() {
        assert!(!layout_of::<strategy::ByOffset>().with_claim);
        assert!(layout_of::<strategy::ByTimestamp>().with_claim);
        assert!(layout_of::<strategy::First>().with_claim);
        assert!(layout_of::<strategy::Header>().with_claim);
    }

    #[test]
    fn what_the_name_of_a_strategy_says_is_so() {
        for name in ["offset", "timestamp", "first", "header:offset"] {
            let chosen = Chosen::parse(name).unwrap();
            let (strategy, null_keys) = (chosen.to_string(), String::new());
            let rules = Rules { strategy, null_keys, empty_is_tombstone: false };
            assert_eq!(rules.layout(), layout(&chosen), "{name}");
        }
    }
}
