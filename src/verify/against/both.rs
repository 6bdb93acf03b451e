//! Two of a kind: one for the directory before, one for the directory after.

/// Which of the two directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that is compared against: the source of a compaction, the other replica.
    Before,
    /// The one that is verified.
    After,
}

impl Which {
    /// The other one.
    pub fn other(self) -> Which {
        match self {
            Which::Before => Which::After,
            Which::After => Which::Before,
        }
    }
}

/// Something that each of the two directories has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Both<T> {
    /// Of the one that is compared against.
    pub before: T,
    /// Of the one that is verified.
    pub after: T,
}

impl<T> Both<T> {
    /// That of one.
    pub fn of(&self, which: Which) -> &T {
        match which {
            Which::Before => &self.before,
            Which::After => &self.after,
        }
    }

    /// That of one, to be changed.
    pub fn of_mut(&mut self, which: Which) -> &mut T {
        match which {
            Which::Before => &mut self.before,
            Which::After => &mut self.after,
        }
    }
}
