//! The checks of one batch: header, body, records, timestamps.

use super::rounds::{KeySum, Known};
use crate::format::{Batch, Control, Decoder, EndMarker, Flaw, Record, Records};
use crate::units::{Offset, Timestamp};

/// What reading a batch whole brought to light.
#[derive(Clone, Copy, Debug)]
pub struct BatchFacts {
    /// Its first offset; of a compressed magic 0/1 set that of its first message.
    pub base_offset: Offset,
    /// Records in it.
    pub records: u64,
    /// The largest timestamp of its records, or -1.
    pub largest_timestamp: Timestamp,
    /// What a control batch says.
    pub control: Option<Control>,
    /// The sum of its keyed records, if that is asked for.
    pub keys: KeySum,
}

/// What is wrong with a batch whose checksum holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It cannot be read.
    Flaw(Flaw),
    /// It can be read, but should not be so: the rule, and what is wrong.
    Odd(&'static str, String),
}

/// Reads a batch to the last header of its last record. `known` is by what its keyed records are
/// summed, if they are to be.
pub fn read(
    batch: &Batch<'_>,
    decoder: &mut Decoder,
    known: Option<&Known>,
    wrong: &mut Vec<Wrong>,
) -> Option<BatchFacts> {
    let header = &batch.header;
    let known = known.filter(|_| !header.is_control());
    let mut facts = BatchFacts {
        base_offset: header.base_offset,
        records: 0,
        largest_timestamp: Timestamp::NONE,
        control: None,
        keys: KeySum::default(),
    };
    let records = match decoder.records(batch) {
        Ok(records) => records,
        Err(flaw) => {
            wrong.push(Wrong::Flaw(flaw));
            return None;
        }
    };
    // Whether all is well takes a fraction of what it takes to say what is not.
    let swept = match &records {
        Records::V2(records) if !header.is_control() => records.sweep(),
        _ => None,
    };
    if let Some(sweep) = swept {
        facts.records = sweep.records;
        facts.largest_timestamp = sweep.largest_timestamp;
        check_whole(batch, &facts, wrong);
        if let Some(known) = known {
            records.flatten().for_each(|record| facts.keys.record(&record, known));
        }
        return Some(facts);
    }
    for record in records {
        let index = u32::try_from(facts.records).unwrap_or(u32::MAX);
        let checked = record.and_then(|record| record.check_rest(index).map(|()| record));
        let record = match checked {
            Ok(record) => record,
            Err(flaw) => {
                wrong.push(Wrong::Flaw(flaw));
                return None;
            }
        };
        if facts.records == 0 && header.is_wrapper() {
            facts.base_offset = record.offset;
        }
        if header.is_control() {
            facts.control = check_control(&record, wrong);
        }
        known.iter().for_each(|known| facts.keys.record(&record, known));
        facts.records += 1;
        facts.largest_timestamp = facts.largest_timestamp.max(record.timestamp);
    }
    check_whole(batch, &facts, wrong);
    Some(facts)
}

/// A control record has a key that says its type; an end marker has a value (`ControlRecordType`).
fn check_control(record: &Record<'_>, wrong: &mut Vec<Wrong>) -> Option<Control> {
    let control = Control::of_key(record.key);
    let is_end = matches!(control, Some(Control::Abort | Control::Commit));
    if control.is_none() || (is_end && EndMarker::of_record(record).is_none()) {
        let text = format!("the control record at offset {} is malformed", record.offset);
        wrong.push(Wrong::Odd("control-record", text));
    }
    control
}

fn check_whole(batch: &Batch<'_>, facts: &BatchFacts, wrong: &mut Vec<Wrong>) {
    let header = &batch.header;
    let by_producer = !header.attributes.is_log_append_time();
    if header.magic >= 1
        && by_producer
        && facts.records > 0
        && facts.largest_timestamp != header.max_timestamp
    {
        let text = format!(
            "the header's largest timestamp is {}, that of the records {}",
            header.max_timestamp, facts.largest_timestamp
        );
        wrong.push(Wrong::Odd("batch-timestamp", text));
    }
    if header.is_transactional() && header.producer_id < 0 {
        let text = "the batch is transactional but has no producer".to_owned();
        wrong.push(Wrong::Odd("batch-producer", text));
    }
    if header.is_control() && facts.records > 1 && facts.control.is_some_and(is_end_marker) {
        let text = format!("a marker's batch holds {} records", facts.records);
        wrong.push(Wrong::Odd("control-record", text));
    }
}

fn is_end_marker(control: Control) -> bool {
    matches!(control, Control::Abort | Control::Commit)
}
