//! Who loses where newcomers meet the key index: records of the destination, or newcomers.

use super::newcomers::Newcomer;
use crate::units::Offset;

/// Who loses in a round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Records of the destination, rising.
    pub dead: Vec<Offset>,
    /// Newcomers, by hash.
    pub late: Vec<Newcomer>,
    /// Those of them that lost to a deletion of which only the index knows.
    pub outlived: Vec<Offset>,
}

impl Found {
    /// What was found in several parts, which lie in order.
    pub fn merged(parts: Vec<Found>) -> Found {
        let mut all = Found::default();
        for found in parts {
            all.dead.extend(found.dead);
            all.late.extend(found.late);
            all.outlived.extend(found.outlived);
        }
        all
    }
}
