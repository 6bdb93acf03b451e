//! What the table holds of a key on one side: the record that is its state so far, in log order.
//!
//! A type for each way to tell which of two records it is, so that the table takes up no more than
//! the way needs.

use super::both::Both;
use super::row::Row;
use crate::units::Offset;

/// The last that a log says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// Nothing.
    Absent,
    /// It has the value at this offset.
    Value(Offset),
    /// It is deleted at this offset.
    Tombstone(Offset),
}

impl Last {
    /// The offset of its value.
    pub fn value(self) -> Option<Offset> {
        match self {
            Last::Value(offset) => Some(offset),
            Last::Absent | Last::Tombstone(_) => None,
        }
    }

    /// The offset of the record.
    pub fn offset(self) -> Option<Offset> {
        match self {
            Last::Value(offset) | Last::Tombstone(offset) => Some(offset),
            Last::Absent => None,
        }
    }
}

/// What is held of a key; the default is nothing.
pub trait Held: Copy + Default {
    /// Whether a deletion can be the state though a value was written behind it. Once it is gone,
    /// that value is.
    const DELETES_AHEAD: bool;

    /// Hears of the key's next record in log order.
    fn hear(&mut self, row: &Row);

    /// What is held.
    fn last(self) -> Last;

    /// Whether this may be gone because of a record that lies behind all that is compared.
    fn may_lose_to(self, row: &Row) -> bool;
}

impl<H: Held> Both<H> {
    /// What is held on either side.
    pub fn lasts(self) -> Both<Last> {
        Both { before: self.before.last(), after: self.after.last() }
    }
}

/// The last that was written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Written(Packed);

impl Held for Written {
    const DELETES_AHEAD: bool = false;

    fn hear(&mut self, row: &Row) {
        self.0 = Packed::of(row);
    }

    fn last(self) -> Last {
        self.0.unpacked()
    }

    fn may_lose_to(self, _row: &Row) -> bool {
        true
    }
}

/// The first value behind the last deletion, or that deletion.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opening(Packed);

impl Held for Opening {
    const DELETES_AHEAD: bool = false;

    fn hear(&mut self, row: &Row) {
        if row.deletes || self.last().value().is_none() {
            self.0 = Packed::of(row);
        }
    }

    fn last(self) -> Last {
        self.0.unpacked()
    }

    fn may_lose_to(self, _row: &Row) -> bool {
        // A value does so if a deletion was in front of it, which may be gone.
        true
    }
}

/// The one with the highest order, of equal ones the last.
#[derive(Clone, Copy, Debug, Default)]
#[repr(Rust, packed)]
pub struct Highest {
    record: Packed,
    is_known: bool,
    order: i64,
}

impl Highest {
    fn order(self) -> Option<i64> {
        let order = self.order;
        self.is_known.then_some(order)
    }
}

impl Held for Highest {
    const DELETES_AHEAD: bool = true;

    fn hear(&mut self, row: &Row) {
        if self.may_lose_to(row) {
            let (is_known, order) = (row.order.is_some(), row.order.unwrap_or_default());
            *self = Highest { record: Packed::of(row), is_known, order };
        }
    }

    fn last(self) -> Last {
        let record = self.record;
        record.unpacked()
    }

    fn may_lose_to(self, row: &Row) -> bool {
        // Nothing is known of a key that is absent, and no order is below that.
        row.order >= self.order()
    }
}

/// [`Last`] in eight bytes; no record has the largest offset, so its complement is free.
#[derive(Clone, Copy, Debug)]
struct Packed(i64);

impl Default for Packed {
    fn default() -> Packed {
        Packed::ABSENT
    }
}

impl Packed {
    const ABSENT: Packed = Packed(i64::MIN);

    fn of(row: &Row) -> Packed {
        Packed::new(row.offset, row.deletes)
    }

    fn new(offset: Offset, is_tombstone: bool) -> Packed {
        Packed(if is_tombstone { !offset.0 } else { offset.0 })
    }

    fn unpacked(self) -> Last {
        match self.0 {
            i64::MIN => Last::Absent,
            below @ ..0 => Last::Tombstone(Offset(!below)),
            offset => Last::Value(Offset(offset)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Position, Timestamp};
    use crate::verify::against::row::{Place, Standing};

    fn row(offset: i64, deletes: bool, order: Option<i64>) -> Row {
        Row {
            offset: Offset(offset),
            timestamp: Timestamp(0),
            key: Some(0),
            value: Some(0),
            deletes,
            order,
            headers: 0,
            standing: Standing::Settled,
            place: Place { segment: 0, position: Position(0) },
        }
    }

    fn heard<H: Held>(rows: &[(bool, Option<i64>)]) -> Last {
        let mut held = H::default();
        for (offset, (deletes, order)) in rows.iter().enumerate() {
            held.hear(&row(offset as i64, *deletes, *order));
        }
        held.last()
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        for offset in [0, 1, i64::MAX - 1] {
            let offset = Offset(offset);
            assert_eq!(Packed::new(offset, false).unpacked(), Last::Value(offset));
            assert_eq!(Packed::new(offset, true).unpacked(), Last::Tombstone(offset));
        }
        assert_eq!(Packed::default().unpacked(), Last::Absent);
    }

    #[test]
    fn the_highest_order_is_held_and_of_equal_ones_the_last() {
        let values = |orders: &[Option<i64>]| {
            heard::<Highest>(&orders.iter().map(|order| (false, *order)).collect::<Vec<_>>())
        };
        assert_eq!(values(&[]), Last::Absent);
        assert_eq!(values(&[None, None]), Last::Value(Offset(1)));
        assert_eq!(values(&[Some(i64::MIN), None]), Last::Value(Offset(0)));
        assert_eq!(values(&[Some(3), Some(7), Some(7), Some(5)]), Last::Value(Offset(2)));
        let late = [(false, Some(1)), (true, Some(9)), (false, Some(5))];
        assert_eq!(heard::<Highest>(&late), Last::Tombstone(Offset(1)));
    }

    #[test]
    fn the_first_value_is_held_until_the_key_is_deleted() {
        let heard = |deletions: &[bool]| {
            heard::<Opening>(&deletions.iter().map(|deletes| (*deletes, None)).collect::<Vec<_>>())
        };
        assert_eq!(heard(&[false, false]), Last::Value(Offset(0)));
        assert_eq!(heard(&[false, true]), Last::Tombstone(Offset(1)));
        assert_eq!(heard(&[false, true, true, false, false]), Last::Value(Offset(3)));
    }
}
