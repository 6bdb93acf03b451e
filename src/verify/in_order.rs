//! What was seen in a segment, heard of in log order: all that takes more than one batch to see.

use super::batches::{BatchFacts, Wrong};
use super::finding::{Finding, Severity};
use super::index_entries::{IndexedBatch, OffsetIndexCheck, TimeIndexCheck};
use super::segment::{CheckedSegment, Place};
use super::sequences::WentBack;
use super::stretch::{Event, Seen};
use super::transactions::{Step, TxnStep};
use crate::format::{Batch, BatchHeader, Control};
use crate::segment::{Damaged, LogFile};
use crate::units::{Offset, Position};

/// What is known from one batch to the next.
pub struct InOrder<'a> {
    log: &'a LogFile,
    place: Place<'a>,
    /// The least offset that the next batch may begin at.
    next: Offset,
    /// One finding about leader epochs is enough for a segment.
    epoch_said: bool,
    offset_check: Option<OffsetIndexCheck>,
    time_check: Option<TimeIndexCheck>,
    checked: &'a mut CheckedSegment,
}

impl<'a> InOrder<'a> {
    /// Nothing of `log` was heard of yet; whatever is found goes to `checked`.
    pub fn begin(
        log: &'a LogFile,
        place: Place<'a>,
        offset_check: Option<OffsetIndexCheck>,
        time_check: Option<TimeIndexCheck>,
        checked: &'a mut CheckedSegment,
    ) -> InOrder<'a> {
        let next = log.base();
        InOrder { log, place, next, epoch_said: false, offset_check, time_check, checked }
    }

    /// The next stretch.
    pub fn hear(&mut self, seen: Seen) {
        self.checked.summary.batches += seen.batches;
        self.checked.summary.records += seen.records;
        for event in seen.events {
            match event {
                Event::Batch(position, header, facts) => self.batch(position, &header, &facts),
                Event::Wrong(position, base_offset, wrong) => {
                    self.wrong(position, base_offset, wrong);
                }
                Event::Damaged(damaged) => self.damaged(&damaged),
            }
        }
    }

    /// The log is over.
    pub fn finish(self) {
        let found = &mut self.checked.findings;
        let is_active = self.place.next_base.is_none();
        self.offset_check.into_iter().for_each(|check| check.finish(found));
        self.time_check.into_iter().for_each(|check| check.finish(is_active, found));
    }

    fn finding(
        &self,
        rule: &'static str,
        severity: Severity,
        at: Position,
        text: String,
    ) -> Finding {
        Finding::about(rule, severity, self.log.path(), text).at(at)
    }

    fn wrong(&mut self, position: Position, base_offset: Offset, wrong: Wrong) {
        let (rule, severity, text) = match wrong {
            Wrong::Flaw(flaw) => (flaw.rule(), Severity::Error, flaw.to_string()),
            Wrong::Odd(rule, text) => (rule, Severity::Warning, text),
        };
        let finding = self.finding(rule, severity, position, text);
        self.checked.findings.push(finding.of(base_offset));
    }

    fn batch(&mut self, position: Position, header: &BatchHeader, facts: &BatchFacts) {
        self.order(position, header, facts.base_offset);
        self.leader_epoch(position, header);
        if let Some(back) = self.checked.sequences.batch(header) {
            self.checked.findings.push(went_back(self.log.path(), &back).at(position));
        }
        let step = match (facts.control, header.is_control()) {
            (Some(Control::Commit), _) => Some(Step::Commit),
            (Some(Control::Abort), _) => Some(Step::Abort),
            (_, false) if header.is_transactional() => Some(Step::Data),
            _ => None,
        };
        self.checked.txns.steps.extend(step.map(|step| TxnStep {
            step,
            producer_id: header.producer_id,
            offset: header.base_offset,
            position,
        }));
        let indexed = IndexedBatch {
            position,
            base_offset: facts.base_offset,
            last_offset: header.last_offset,
            max_timestamp: header.max_timestamp,
        };
        let found = &mut self.checked.findings;
        self.offset_check.iter_mut().for_each(|check| check.batch(&indexed, found));
        self.time_check.iter_mut().for_each(|check| check.batch(&indexed, found));
    }

    /// Offsets rise from batch to batch and stay within the segment.
    fn order(&mut self, position: Position, header: &BatchHeader, base_offset: Offset) {
        let base = self.log.base();
        let problem = if base_offset < self.next {
            Some(format!("the batch begins at {base_offset}, but {} was due", self.next))
        } else if self.place.next_base.is_some_and(|next| header.last_offset >= next) {
            Some(format!("the batch ends at {}, in the next segment", header.last_offset))
        } else if header.last_offset.distance_from(base) > i64::from(i32::MAX) {
            Some(format!("the batch ends at {}, too far from {base}", header.last_offset))
        } else {
            None
        };
        if let Some(text) = problem {
            let finding = self.finding("offset-order", Severity::Error, position, text);
            self.checked.findings.push(finding.of(base_offset));
        }
        self.next = self.next.max(header.last_offset.next());
        self.checked.next_offset = Some(self.next);
    }

    fn leader_epoch(&mut self, at: Position, header: &BatchHeader) {
        let epochs = self.place.epochs;
        let below = epochs.partition_point(|entry| entry.start_offset <= header.base_offset);
        let entry = below.checked_sub(1).and_then(|index| epochs.get(index));
        let Some(entry) = entry else { return };
        if header.leader_epoch < 0 || header.leader_epoch == entry.epoch || self.epoch_said {
            return;
        }
        self.epoch_said = true;
        let text = format!(
            "the batch is of leader epoch {}, leader-epoch-checkpoint says {} there",
            header.leader_epoch, entry.epoch
        );
        let finding = self.finding("leader-epoch", Severity::Warning, at, text);
        self.checked.findings.push(finding.of(header.base_offset));
    }

    fn damaged(&mut self, damaged: &Damaged) {
        let end = Position(damaged.position.0.saturating_add(damaged.size_bytes));
        self.offset_check.iter_mut().for_each(|check| check.damage(damaged.position, end));
        self.time_check.iter_mut().for_each(TimeIndexCheck::damage);
        let is_active = self.place.next_base.is_none();
        let finding = if is_active && self.log.is_unfinished_tail(damaged) {
            let text = format!(
                "the last {} bytes are an unfinished write or preallocated space",
                damaged.size_bytes
            );
            self.finding("unfinished-tail", Severity::Info, damaged.position, text)
        } else {
            let text = format!("{} ({} bytes)", damaged.flaw, damaged.size_bytes);
            let rule = damaged.flaw.rule();
            self.finding(rule, Severity::Error, damaged.position, text)
        };
        let rest = self.log.bytes().get(damaged.position.index()..).unwrap_or_default();
        let claimed = Batch::parse(rest).ok().map(|batch| batch.header.base_offset);
        self.checked.findings.push(match claimed {
            Some(offset) => finding.of(offset),
            None => finding,
        });
    }
}

/// A producer whose sequence went back.
pub fn went_back(path: &std::path::Path, back: &WentBack) -> Finding {
    let text = format!(
        "producer {} goes on with sequence {} after {}: a duplicate, or it began anew",
        back.producer_id, back.sequence, back.after
    );
    Finding::about("producer-sequence", Severity::Warning, path, text).of(back.offset)
}
