//! What was seen in a segment, heard of in log order: all that takes more than one batch to see.

use std::slice::Iter;

use super::batches::Wrong;
use super::epochs::EpochCheck;
use super::finding::{Finding, Severity};
use super::index_entries::{IndexedBatch, OffsetIndexCheck, TimeIndexCheck};
use super::segment::{CheckedSegment, Place};
use super::stretch::{Amiss, Produced, ReadBatch, Seen};
use super::transactions::TxnStep;
use crate::format::Batch;
use crate::segment::{Damaged, LogFile, OffsetBounds};
use crate::units::{Offset, Position};

/// What is known from one batch to the next.
pub struct InOrder<'a> {
    log: &'a LogFile,
    place: Place<'a>,
    /// The least offset that the next batch may begin at.
    next: Offset,
    epochs: EpochCheck<'a>,
    /// Snapshots in this segment that what was heard has not reached yet.
    snapshots: &'a [Offset],
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
        let (next, epochs) = (log.base(), EpochCheck::begin(place.epochs));
        let snapshots = place.snapshots;
        InOrder { log, place, next, epochs, snapshots, offset_check, time_check, checked }
    }

    /// The next stretch.
    pub fn hear(&mut self, seen: Seen) {
        self.checked.summary.batches += seen.batches;
        self.checked.summary.records += seen.records;
        self.checked.keys.add(&seen.keys);
        let mut produced = seen.produced.iter();
        let mut heard = 0;
        for (behind, amiss) in seen.amiss {
            let read = seen.read.get(heard..behind).unwrap_or_default();
            read.iter().for_each(|batch| self.batch(batch, &mut produced));
            heard = behind;
            match amiss {
                Amiss::Wrong(position, base_offset, wrong) => {
                    self.wrong(position, base_offset, wrong);
                }
                Amiss::Damaged(damaged) => self.damaged(&damaged),
            }
        }
        let read = seen.read.get(heard..).unwrap_or_default();
        read.iter().for_each(|batch| self.batch(batch, &mut produced));
    }

    /// The log is over.
    pub fn finish(mut self) {
        self.reach_snapshots(|_| true);
        self.checked.epochs = self.epochs.range();
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

    fn batch(&mut self, batch: &ReadBatch, produced: &mut Iter<'_, Produced>) {
        self.reach_snapshots(|offset| offset <= batch.place.last_offset);
        self.order(&batch.place);
        if let Some((severity, text)) =
            self.epochs.batch(batch.place.base_offset, batch.leader_epoch)
        {
            let finding = self.finding("leader-epoch", severity, batch.place.position, text);
            self.checked.findings.push(finding.of(batch.place.base_offset));
        }
        if batch.has_producer {
            produced.next().iter().for_each(|produced| self.producer(&batch.place, produced));
        }
        let found = &mut self.checked.findings;
        self.offset_check.iter_mut().for_each(|check| check.batch(&batch.place, found));
        self.time_check.iter_mut().for_each(|check| check.batch(&batch.place, found));
    }

    /// What is known so far goes to the snapshots that it is in front of.
    fn reach_snapshots(&mut self, is_reached: impl Fn(Offset) -> bool) {
        while let Some((offset, behind)) = self.snapshots.split_first()
            && is_reached(*offset)
        {
            let facts = std::mem::take(&mut self.checked.producers);
            self.checked.before_snapshots.push((*offset, facts));
            self.snapshots = behind;
        }
    }

    fn producer(&mut self, place: &IndexedBatch, produced: &Produced) {
        let holes = self.checked.holes;
        let hole_between = |from, _| holes.behind(from);
        let misstep = self.checked.sequences.follow(produced.id, &produced.sent, hole_between);
        if let Some(misstep) = misstep {
            let finding = misstep.finding(self.log.path()).at(place.position);
            self.checked.findings.push(finding);
        }
        if self.place.has_snapshots {
            self.checked.producers.add(produced.id, &produced.sent);
        }
        self.checked.txns.steps.extend(produced.step.map(|step| TxnStep {
            step,
            producer_id: produced.id,
            offset: place.base_offset,
            position: place.position,
        }));
    }

    /// Offsets rise from batch to batch and stay within the segment.
    fn order(&mut self, batch: &IndexedBatch) {
        let last = batch.last_offset;
        let bounds = OffsetBounds::new(self.log.base(), self.place.next_base);
        if let Some(text) = bounds.flaw(self.next, batch.base_offset, last) {
            let finding = self.finding("offset-order", Severity::Error, batch.position, text);
            self.checked.findings.push(finding.of(batch.base_offset));
        }
        if batch.base_offset > self.next {
            self.checked.holes.add(batch.base_offset);
            self.checked.producers.hole(batch.base_offset);
        }
        self.next = self.next.max(last.next());
        self.checked.next_offset = Some(self.next);
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
            self.checked.is_damaged = true;
            self.checked.holes.add(self.next);
            self.checked.producers.hole(self.next);
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
