//! How entries of the key index lie for a strategy.

use crate::compact::policy::Policy;
use crate::compact::strategy::{ByStrategy, Strategy};
use crate::rounds::EntryLayout;

/// The layout for a strategy.
pub fn layout_of<S: Strategy>() -> EntryLayout {
    EntryLayout { with_claim: size_of::<S::Claim>() > 0 }
}

/// The layout for the strategy of a run.
pub fn layout(policy: &Policy) -> EntryLayout {
    struct Layout;
    impl ByStrategy for Layout {
        type Outcome = EntryLayout;
        fn by<S: Strategy>(self, _strategy: &S) -> EntryLayout {
            layout_of::<S>()
        }
    }
    policy.topic.strategy.apply(Layout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compact::strategy;

    #[test]
    fn only_a_strategy_with_claims_takes_room_for_them() {
        assert!(!layout_of::<strategy::Offset>().with_claim);
        assert!(layout_of::<strategy::Timestamp>().with_claim);
        assert!(layout_of::<strategy::First>().with_claim);
        assert!(layout_of::<strategy::Header>().with_claim);
    }
}
