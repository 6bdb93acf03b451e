//! The records of one directory in log order, offsets rising; what cannot be read is found.

use std::ops::ControlFlow;
use std::path::Path;

use super::super::finding::{Finding, Findings, Severity};
use super::super::segment::unreadable;
use super::Erased;
use super::row::{Place, Row, Seeds, Standing};
use super::rule::StateRule;
use super::side::{Side, open_log};
use crate::format::{Batch, Decoder, Flaw, Record};
use crate::report::Progress;
use crate::segment::LogFile;
use crate::units::{Offset, Position};

/// How many bytes are read before progress is told.
const STEP_BYTES: u64 = 1 << 20;

/// Reads a directory from an offset on.
pub struct Reader<'a> {
    side: &'a Side,
    seeds: &'a Seeds,
    rule: &'a StateRule,
    progress: &'a dyn Progress,
    start: Offset,
    /// Records that are passed over.
    erased: Option<Erased<'a>>,
    /// Whether there should be none of them.
    refuses_erased: bool,
    /// Nothing that comes may have an offset below.
    least: Offset,
    decoder: Decoder,
    found: Findings,
}

impl<'a> Reader<'a> {
    /// A reader of the records of `side` from `start` on.
    pub fn new(
        side: &'a Side,
        seeds: &'a Seeds,
        rule: &'a StateRule,
        start: Offset,
        progress: &'a dyn Progress,
    ) -> Reader<'a> {
        let (decoder, found) = (Decoder::new(), Findings::default());
        Reader {
            side,
            seeds,
            rule,
            progress,
            start,
            erased: None,
            refuses_erased: false,
            least: Offset(0),
            decoder,
            found,
        }
    }

    /// Passes over records that were to be erased.
    pub fn without(self, erased: Option<Erased<'a>>) -> Reader<'a> {
        Reader { erased, ..self }
    }

    /// Records that were to be erased are found, not just passed over.
    pub fn refusing_erased(self) -> Reader<'a> {
        Reader { refuses_erased: true, ..self }
    }

    /// Gives `hear` each record until it breaks off; what was found on the way.
    pub fn read(mut self, mut hear: impl FnMut(Row, &Record<'_>) -> ControlFlow<()>) -> Findings {
        let segments = &self.side.dir.segments;
        for (number, segment) in segments.iter().enumerate() {
            let next_base = segments.get(number + 1).map(|next| next.base);
            match open_log(segment) {
                Ok(log) => {
                    if self.read_log(&log, number, next_base, &mut hear).is_break() {
                        break;
                    }
                }
                Err(error) => self.found.push(unreadable(&error)),
            }
        }
        self.found
    }

    fn read_log(
        &mut self,
        log: &LogFile,
        number: usize,
        next_base: Option<Offset>,
        hear: &mut impl FnMut(Row, &Record<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut reported = Position(0);
        for item in log.checked_batches() {
            let (position, batch) = match item {
                Ok(read) => read,
                Err(damaged) if next_base.is_none() && log.is_unfinished_tail(&damaged) => continue,
                Err(damaged) => {
                    self.found.push(unread(log.path(), damaged.position, &damaged.flaw));
                    continue;
                }
            };
            if position.0 - reported.0 >= STEP_BYTES {
                self.progress.advance(position.0 - reported.0);
                reported = position;
            }
            let place = Place { segment: number, position };
            let Batch { header, .. } = batch;
            if next_base.is_some_and(|next_base| header.last_offset >= next_base) {
                self.found.push(out_of_order(log.path(), place, header.last_offset));
                continue;
            }
            if header.base_offset >= self.side.end {
                return ControlFlow::Break(());
            }
            if header.last_offset < self.start {
                if header.base_offset < self.least {
                    self.found.push(out_of_order(log.path(), place, header.base_offset));
                }
                self.least = self.least.max(header.last_offset.next());
                continue;
            }
            match self.read_batch(log.path(), &batch, place, hear) {
                Ok(heard) => heard?,
                Err(flaw) => {
                    let finding = unread(log.path(), position, &flaw);
                    self.found.push(finding.of(header.base_offset));
                }
            }
        }
        self.progress.advance((log.bytes().len() as u64).saturating_sub(reported.0));
        ControlFlow::Continue(())
    }

    fn read_batch(
        &mut self,
        path: &Path,
        batch: &Batch<'_>,
        place: Place,
        hear: &mut impl FnMut(Row, &Record<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Flaw> {
        let of_batch = self.side.standing(&batch.header);
        for (index, record) in self.decoder.records(batch)?.enumerate() {
            let record = record?;
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            if record.message_crc().is_some_and(|crc| !crc.holds()) {
                let reason = "its own CRC is not that of its bytes";
                return Err(Flaw::RecordContent { index, reason });
            }
            if record.offset < self.least {
                self.found.push(out_of_order(path, place, record.offset));
                continue;
            }
            self.least = record.offset.next();
            if record.offset < self.start {
                continue;
            }
            if let (Some(erased), Some(key)) = (self.erased, record.key)
                && of_batch != Standing::Control
                && (erased.has_key)(key)
            {
                if self.refuses_erased && record.offset < erased.below {
                    self.found.push(not_erased(path, place, record.offset));
                }
                continue;
            }
            let standing = self.side.standing_at(record.offset, of_batch);
            let row = self.seeds.row(&record, self.rule, standing, place);
            let row = row.map_err(|overrun| Flaw::Record { index, overrun })?;
            if hear(row, &record).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn unread(path: &Path, position: Position, flaw: &Flaw) -> Finding {
    let text = format!("not compared: {flaw}");
    Finding::about("against-unread", Severity::Error, path, text).at(position)
}

fn out_of_order(path: &Path, place: Place, offset: Offset) -> Finding {
    let text = "not compared: the offset is not above those before it and below the next segment";
    let finding = Finding::about("against-order", Severity::Error, path, text);
    finding.at(place.position).of(offset)
}

fn not_erased(path: &Path, place: Place, offset: Offset) -> Finding {
    let text = "a record of a key that was to be erased is still there";
    let finding = Finding::about("against-erased", Severity::Error, path, text);
    finding.at(place.position).of(offset)
}
