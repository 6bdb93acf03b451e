//! What is wanted of one partition: verdicts over batches, by their headers, and over records.

use std::collections::BTreeSet;

use regex::bytes::Regex;
use roaring::RoaringTreemap;

use super::{Committed, Isolation, OffsetRange, Selection};
use crate::format::{BatchHeader, Record};
use crate::units::Timestamp;

/// The selection, and what the partition's log says about it.
#[derive(Clone, Copy)]
pub(in crate::dump) struct Wanted<'s> {
    /// What the user asked for.
    pub(in crate::dump) selection: &'s Selection,
    /// The offsets asked for, as far as they are stable.
    pub(in crate::dump) offsets: OffsetRange,
    committed: Option<&'s Committed>,
    latest: Option<&'s RoaringTreemap>,
}

impl<'s> Wanted<'s> {
    /// The selection where `committed` says how transactions ended, if that matters.
    pub(in crate::dump) fn new(
        selection: &'s Selection,
        committed: Option<&'s Committed>,
    ) -> Wanted<'s> {
        let mut offsets = selection.offsets;
        if let Some(undecided) = committed.and_then(|committed| committed.first_undecided) {
            offsets.end = Some(offsets.end.map_or(undecided, |end| end.min(undecided)));
        }
        Wanted { selection, offsets, committed, latest: None }
    }

    /// As another selection has it, of the same offsets and isolation.
    pub(in crate::dump) fn of<'t>(self, selection: &'t Selection) -> Wanted<'t>
    where
        's: 't,
    {
        Wanted { selection, ..self }
    }

    /// Only these offsets of it, which are the latest of their keys.
    pub(in crate::dump) fn with_latest(self, latest: &'s RoaringTreemap) -> Wanted<'s> {
        Wanted { latest: Some(latest), ..self }
    }

    /// Whether the records of a batch must be looked at to tell if it is wanted.
    pub(in crate::dump) fn is_about_records(&self) -> bool {
        self.selection.is_about_records()
    }

    /// Whether there can be something wanted in a batch with this header, which can be believed in
    /// full if it `is_valid`; where records need not be looked at, whether it is wanted.
    pub(in crate::dump) fn may_take_batch(&self, header: &BatchHeader, is_valid: bool) -> bool {
        let selection = self.selection;
        let of_producer = |ids: &BTreeSet<i64>| ids.contains(&header.producer_id);
        selection.producer_ids.as_ref().is_none_or(of_producer)
            && (!header.is_control() || !self.hides_control())
            && self.committed.is_none_or(|committed| !committed.is_aborted(header))
            && (!is_valid || !self.is_before_time(header))
    }

    /// Whether a record of such a batch is wanted.
    pub(in crate::dump) fn takes_record(&self, record: &Record<'_>) -> bool {
        let selection = self.selection;
        let is_offset_wanted = self.offsets.contains(record.offset);
        is_offset_wanted && (!selection.is_about_records() || self.takes_data(record))
    }

    /// Whether timestamps are taken to ascend and this batch reaches the end of those wanted.
    pub(in crate::dump) fn is_last_in_time(&self, header: &BatchHeader) -> bool {
        let end = self.selection.time.end.filter(|_| self.selection.is_time_in_order);
        end.is_some_and(|end| header.max_timestamp >= end)
    }

    /// Markers have no key or value of a user's, and a consumer is never given them.
    fn hides_control(&self) -> bool {
        self.selection.is_about_user_data() || self.selection.isolation == Isolation::ReadCommitted
    }

    /// By its header; only magic 2 is sure to say the largest timestamp.
    fn is_before_time(&self, header: &BatchHeader) -> bool {
        let start = self.selection.time.start.filter(|start| *start > Timestamp::NONE);
        header.magic == 2 && start.is_some_and(|start| header.max_timestamp < start)
    }

    /// Whether such a record would be wanted, had it a timestamp, of a time that has no beginning:
    /// nothing says that it is not from before the end. In a state it has no say then.
    pub(in crate::dump) fn misses_time(&self, record: &Record<'_>) -> bool {
        let time = self.selection.time;
        time.start.is_none()
            && time.end.is_some()
            && record.timestamp <= Timestamp::NONE
            && self.offsets.contains(record.offset)
            && self.has_bytes(record)
    }

    fn takes_data(&self, record: &Record<'_>) -> bool {
        self.selection.time.contains(record.timestamp)
            && self.latest.is_none_or(|latest| {
                u64::try_from(record.offset.0).is_ok_and(|offset| latest.contains(offset))
            })
            && self.has_bytes(record)
    }

    /// Whether key and value are as the selection has them.
    fn has_bytes(&self, record: &Record<'_>) -> bool {
        let Selection { keys, key_regex, value_regex, .. } = self.selection;
        let is_match = |regex: &Option<Regex>, bytes: Option<&[u8]>| {
            regex.as_ref().is_none_or(|regex| bytes.is_some_and(|bytes| regex.is_match(bytes)))
        };
        (keys.is_empty() || record.key.is_some_and(|key| keys.contains(key)))
            && is_match(key_regex, record.key)
            && is_match(value_regex, record.value)
    }
}
