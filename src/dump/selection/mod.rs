//! Which part of the files is asked for: the selection as a value, and what follows from it.
//!
//! [`Selection`] is what the user said. For each partition it becomes a `Wanted`: the selection
//! together with what only the partition's own log can tell, that is how its transactions ended
//! (`committed`) and which records are the latest of their keys. `seek` finds where reading may
//! begin, through indexes that are hints and never authorities.

mod budget;
mod committed;
mod range;
mod seek;
mod wanted;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use regex::bytes::Regex;

use crate::segment::TopicPartition;
use crate::units::Offset;

pub(super) use budget::Budget;
pub(super) use committed::Committed;
pub use range::{OffsetRange, RangeError, TimeRange};
pub(super) use seek::{start_of, start_of_time};
pub(super) use wanted::Wanted;

/// What of a log is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Show {
    /// A line a record.
    #[default]
    Records,
    /// A line a batch.
    Batches,
    /// Each batch, then its records.
    All,
}

impl Show {
    /// Whether batches get a line.
    pub fn batches(self) -> bool {
        self != Show::Records
    }

    /// Whether records get a line.
    pub fn records(self) -> bool {
        self != Show::Batches
    }
}

/// What a consumer would be given of transactions (`isolation.level`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Everything, markers too.
    #[default]
    ReadUncommitted,
    /// Nothing of aborted transactions, no markers, and nothing from the last stable offset on.
    ReadCommitted,
}

/// The whole selection. The default is everything.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Batches, records or both. Where a condition is about records, a batch is shown if one of
    /// its records is selected.
    pub show: Show,
    /// The offsets that are wanted.
    pub offsets: OffsetRange,
    /// Where each partition begins, and that no other is wanted; `None` for all.
    pub starts: Option<BTreeMap<TopicPartition, Offset>>,
    /// The timestamps that are wanted.
    pub time: TimeRange,
    /// Whether timestamps are taken to ascend, so that reading ends where `time` does.
    pub is_time_in_order: bool,
    /// The keys that are wanted; empty for all.
    pub keys: BTreeSet<Vec<u8>>,
    /// What a key must match. A record without a key matches nothing.
    pub key_regex: Option<Regex>,
    /// What a value must match. A tombstone matches nothing.
    pub value_regex: Option<Regex>,
    /// The producers that are wanted; `None` for all.
    pub producer_ids: Option<BTreeSet<i64>>,
    /// What is shown of transactions.
    pub isolation: Isolation,
    /// Of each key, only the latest of the records that all conditions but `value_regex` leave, and
    /// nothing if that is a tombstone.
    pub is_state: bool,
    /// Newest first.
    pub is_reverse: bool,
    /// How many records (batches, where only those are shown; entries of other files) at most.
    pub limit: Option<u64>,
    /// How much memory the keys of a state may take, and what is made ahead of what is written,
    /// more or less, in bytes.
    pub memory_bytes: Option<u64>,
}

impl Selection {
    /// What it is for one partition; `None` if nothing of that is wanted.
    pub(super) fn of(&self, at: Option<&TopicPartition>) -> Option<Cow<'_, Selection>> {
        let Some(starts) = &self.starts else { return Some(Cow::Borrowed(self)) };
        let start = self.offsets.start.max(*starts.get(at?)?);
        let offsets = OffsetRange { start, ..self.offsets };
        Some(Cow::Owned(Selection { offsets, ..self.clone() }))
    }

    /// Whether it is less than everything, but for a limit.
    pub(super) fn is_narrow(&self) -> bool {
        let is_less = !self.offsets.is_everything() || self.starts.is_some();
        is_less || self.only_for_logs().is_some()
    }

    /// Whether only the key and value of a user's record can tell that it is selected.
    fn is_about_user_data(&self) -> bool {
        let about_keys = !self.keys.is_empty() || self.key_regex.is_some();
        about_keys || self.value_regex.is_some() || self.is_state
    }

    /// Whether single records decide, or only whole batches.
    fn is_about_records(&self) -> bool {
        self.is_about_user_data() || !self.time.is_everything()
    }

    /// The first condition that has no meaning for files other than logs, if there is one.
    pub(super) fn only_for_logs(&self) -> Option<&'static str> {
        let conditions = [
            ("what a group has committed", self.starts.is_some()),
            ("keys", !self.keys.is_empty() || self.key_regex.is_some()),
            ("values", self.value_regex.is_some()),
            ("producers", self.producer_ids.is_some()),
            ("transactions", self.isolation != Isolation::default()),
            ("timestamps", !self.time.is_everything()),
            ("the state of a log", self.is_state),
            ("the order of a log", self.is_reverse),
        ];
        conditions.into_iter().find_map(|(what, is_set)| is_set.then_some(what))
    }
}
