//! What becomes of a batch: a pure verdict (`Cleaner.cleanInto`'s record filter in Kafka).

use crate::format::{BatchHeader, MessageFormat};
use crate::units::Timestamp;

/// What the verdict on a batch rests on.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The batch.
    pub header: &'a BatchHeader,
    /// Records in it.
    pub records: u32,
    /// Records that the vote (or, in a control batch, nobody) keeps.
    pub kept: u32,
    /// Whether a tombstone is among the kept ones.
    pub keeps_tombstone: bool,
    /// Whether a kept record is of another magic than its set (KAFKA-4298).
    pub has_foreign_magic: bool,
    /// Aborted data, or a marker with nothing left to mark.
    pub discardable: bool,
    /// The last batch of an active producer, or the last of the range.
    pub needed: bool,
    /// The clock of the run.
    pub now: Timestamp,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
    /// What becomes of magic 0 and 1.
    pub message_format: MessageFormat,
    /// Whether it is encoded anew even if it loses nothing.
    pub recodes: bool,
}

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its bytes stay as they are.
    Copy,
    /// All its records and its header stay, the body is compressed anew.
    Recode,
    /// It is rebuilt from the records that stay, with this delete horizon.
    Rebuild(Option<Timestamp>),
    /// It is rebuilt in its own old message format.
    RebuildLegacy,
    /// Its header stays, without records.
    Empty,
    /// It goes.
    Drop,
}

/// Whether all records of the batch go, whatever the vote says: aborted data at once, a marker
/// only behind its delete horizon.
pub fn goes_whole(header: &BatchHeader, discardable: bool, now: Timestamp) -> bool {
    let passed = header.delete_horizon().is_some_and(|horizon| horizon <= now);
    discardable && (passed || !header.is_control())
}

/// The verdict.
pub fn judge(case: &Case<'_>) -> Verdict {
    let header = case.header;
    if case.kept == 0 {
        return if case.needed { Verdict::Empty } else { Verdict::Drop };
    }
    let is_spent_marker = header.is_control() && case.discardable;
    let horizon = case.now.plus_ms(case.delete_retention_ms);
    if header.magic < 2 {
        return match case.message_format {
            MessageFormat::Magic2 => Verdict::Rebuild(case.keeps_tombstone.then_some(horizon)),
            MessageFormat::Keep if is_whole(case) && !case.has_foreign_magic => Verdict::Copy,
            MessageFormat::Keep => Verdict::RebuildLegacy,
        };
    }
    match header.delete_horizon() {
        None if case.keeps_tombstone || is_spent_marker => Verdict::Rebuild(Some(horizon)),
        _ if is_whole(case) => Verdict::Copy,
        _ if case.kept == case.records => Verdict::Recode,
        carried => Verdict::Rebuild(carried),
    }
}

/// Whether it loses nothing, and is not encoded anew either.
fn is_whole(case: &Case<'_>) -> bool {
    case.kept == case.records && !case.recodes
}

/// What becomes of a batch outside the cleaned range, of whose `records` so many are `kept`: it
/// loses what is erased and nothing else. One of a transaction stays, for it may be the one that
/// the transaction begins with. `needed`: the last of its segment.
pub fn judge_carried(case: &Case<'_>) -> Verdict {
    let header = case.header;
    let is_whole = is_whole(case);
    match case.message_format {
        _ if case.records == 0 || is_whole => Verdict::Copy,
        _ if case.kept == 0 && (case.needed || header.is_transactional()) => Verdict::Empty,
        _ if case.kept == 0 => Verdict::Drop,
        MessageFormat::Keep if header.magic < 2 => Verdict::RebuildLegacy,
        MessageFormat::Magic2 if header.magic < 2 => Verdict::Rebuild(None),
        _ if case.kept == case.records => Verdict::Recode,
        _ => Verdict::Rebuild(header.delete_horizon()),
    }
}
