//! Whether offsets rise from batch to batch, and when a walk has come behind those that are wanted.
//!
//! No checksum covers a base offset. A batch that follows on directly has come as far as it says;
//! one behind a gap has if the next one lies behind it, too: alone, its offset may be damaged.

use crate::format::BatchHeader;
use crate::segment::OffsetBounds;
use crate::units::{Offset, Position};

use super::selection::OffsetRange;

/// The offsets of the batches of a stretch, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    bounds: OffsetBounds,
    /// The first batch that does not end behind the segment: where it is, and its first offset.
    first: Option<(Position, Offset)>,
    /// The offset behind the last such batch.
    due: Option<Offset>,
    /// Whether the last batch lay behind what is wanted.
    was_behind: bool,
}

/// What a batch's offsets say.
#[derive(Debug)]
pub(super) struct Judged {
    /// What is wrong with them.
    pub(super) flaw: Option<String>,
    /// Whether neither this batch nor what is behind it is wanted.
    pub(super) has_passed: bool,
}

impl Order {
    /// None was seen yet.
    pub(super) fn begin(bounds: OffsetBounds) -> Order {
        Order { bounds, first: None, due: None, was_behind: false }
    }

    /// The offset behind the last batch, or where the segment begins.
    pub(super) fn due(&self) -> Offset {
        self.due.unwrap_or(self.bounds.base())
    }

    /// The next batch, of which `wanted` offsets are asked for.
    pub(super) fn batch(
        &mut self,
        position: Position,
        header: &BatchHeader,
        wanted: &OffsetRange,
    ) -> Judged {
        let (first, last) = (header.base_offset, header.last_offset);
        let flaw = self.bounds.flaw(self.due(), first, last);
        let is_behind = flaw.is_none() && wanted.ends_at_or_before(first);
        let has_passed = is_behind && (self.was_behind || self.due == Some(first));
        self.was_behind = is_behind;
        if self.bounds.can_end_at(last) {
            self.first.get_or_insert((position, first));
            self.due = Some(last.next());
        }
        Judged { flaw, has_passed }
    }

    /// What is wrong where `behind` follows on this, and where that is.
    fn followed_by(&self, behind: &Order) -> Option<(Position, String)> {
        let (position, first) = behind.first.filter(|(_, first)| *first >= self.bounds.base())?;
        Some((position, self.bounds.flaw(self.due?, first, first)?))
    }
}

/// The seams of stretches, one after the other; the last one first, if that is how they come.
#[derive(Debug)]
pub(super) struct Seams {
    is_reverse: bool,
    neighbour: Option<Order>,
}

impl Seams {
    /// No stretch came yet.
    pub(super) fn begin(is_reverse: bool) -> Seams {
        Seams { is_reverse, neighbour: None }
    }

    /// The next stretch; what is wrong between it and the one before, and where.
    pub(super) fn next(&mut self, order: &Order) -> Option<(Position, String)> {
        order.first?;
        let neighbour = self.neighbour.replace(*order)?;
        if self.is_reverse { order.followed_by(&neighbour) } else { neighbour.followed_by(order) }
    }
}
