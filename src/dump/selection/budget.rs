//! How many lines may still be shown.

/// What is left of the limit.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::dump) struct Budget {
    left: Option<u64>,
    spent: u64,
}

impl Budget {
    /// The whole limit.
    pub(in crate::dump) fn new(limit: Option<u64>) -> Budget {
        Budget { left: limit, spent: 0 }
    }

    /// Takes note of one line that counts.
    pub(in crate::dump) fn spend(&mut self) {
        self.spent += 1;
    }

    /// Takes note of as many.
    pub(in crate::dump) fn spend_all(&mut self, count: u64) {
        self.spent = self.spent.saturating_add(count);
    }

    /// How many lines were counted.
    pub(in crate::dump) fn spent(self) -> u64 {
        self.spent
    }

    /// What this leaves, as a limit of its own.
    pub(in crate::dump) fn rest(self) -> Budget {
        Budget::new(self.left.map(|left| left.saturating_sub(self.spent)))
    }

    /// Whether something is left behind `count` further lines.
    pub(in crate::dump) fn outlasts(self, count: u64) -> bool {
        self.left.is_none_or(|left| left.saturating_sub(self.spent) > count)
    }

    /// Whether no further line may be shown.
    pub(in crate::dump) fn is_spent(self) -> bool {
        self.left.is_some_and(|left| left <= self.spent)
    }
}
