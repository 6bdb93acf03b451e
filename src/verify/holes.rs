//! Offsets that no batch of a log claims: compaction leaves such holes, and so does what was lost.

use crate::units::Offset;

/// The holes of a stretch of log. One is known by the offset that a batch begins at behind it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Holes {
    first: Option<Offset>,
    last: Option<Offset>,
}

impl Holes {
    /// Takes note of one behind all others.
    pub fn add(&mut self, behind: Offset) {
        self.first.get_or_insert(behind);
        self.last = Some(behind);
    }

    /// Takes note of those of the stretch behind this one.
    pub fn append(&mut self, behind: &Holes) {
        self.first = self.first.or(behind.first);
        self.last = behind.last.or(self.last);
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.first.is_none()
    }

    /// Whether one lies between an offset in front of this stretch or in it, and one in it; in
    /// front of the stretch, the holes are those that `before` has.
    pub fn between(&self, before: &Holes, from: Offset, to: Offset) -> bool {
        before.last.is_some_and(|hole| hole > from)
            || self.first.is_some_and(|hole| hole > from && hole <= to)
    }

    /// Whether one lies behind an offset.
    pub fn behind(&self, from: Offset) -> bool {
        self.last.is_some_and(|hole| hole > from)
    }
}
