//! The walk through the files: what is selected goes to the sink, what is wrong to the witness.
//!
//! A log is read batch by batch:
//! 1. begin where the index says, or at the start (see [`super::seek`]);
//! 2. a stretch that is no batch is reported and passed over; a batch with a wrong checksum is
//!    reported, and shown as far as it decodes: who looks at damage wants to see it;
//! 3. a batch outside the offsets is passed over, one behind them ends the file;
//! 4. at the end of the active segment, an unfinished batch or a preallocated stretch of zeros is
//!    no damage: a broker is, or was, about to write there.

use std::path::Path;

use super::companions;
use super::select::{Budget, Selection};
use super::sink::{BatchView, Ending, RecordView, Sink};
use super::source::{LogKind, Source};
use super::{Damage, Failure, Witness, seek};
use crate::disk::Map;
use crate::format::{Batch, BatchHeader, Decoder, Flaw, Record};
use crate::segment::{Damaged, LogFile};
use crate::units::{Offset, Position};

/// A walk in progress.
pub(super) struct Walk<'w> {
    selection: Selection,
    budget: Budget,
    decoder: Decoder,
    sink: &'w mut dyn Sink,
    witness: &'w mut dyn Witness,
}

/// Whether to go on with the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Batch,
    File,
}

impl<'w> Walk<'w> {
    /// A walk that has not begun.
    pub(super) fn new(
        selection: Selection,
        sink: &'w mut dyn Sink,
        witness: &'w mut dyn Witness,
    ) -> Walk<'w> {
        let budget = Budget::new(selection.limit);
        Walk { selection, budget, decoder: Decoder::new(), sink, witness }
    }

    /// Whether the limit is reached.
    pub(super) fn is_done(&self) -> bool {
        self.budget.is_spent()
    }

    /// Ends the output.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.sink.finish()?)
    }

    /// Walks through a file of batches.
    pub(super) fn log(&mut self, source: &Source, kind: &LogKind) -> Result<(), Failure> {
        let base = match kind {
            LogKind::Segment { base, .. } => *base,
            LogKind::MetadataSnapshot { .. } | LogKind::Bootstrap => Offset(0),
        };
        if self.is_outside(kind) {
            return Ok(());
        }
        let log = LogFile::open(&source.path, base)?;
        self.sink.begin(source)?;
        let start = self.start_of(&log, kind);
        let mut trailing_bytes = 0;
        for item in log.batches_from(start).checked() {
            let (position, batch, is_sound) = match item {
                Ok((position, batch)) => (position, batch, true),
                Err(damaged) => match batch_in_spite_of(&damaged, log.bytes()) {
                    Some(batch) => {
                        let shown = "the batch is shown as far as it decodes";
                        let what = format!("{}; {shown}", damaged.flaw);
                        self.damage(&source.path, damaged.position, &what);
                        (damaged.position, batch, false)
                    }
                    None => {
                        trailing_bytes = self.pass_over(source, kind, &log, &damaged);
                        continue;
                    }
                },
            };
            if self.batch(source, position, &batch, is_sound)? == Next::File {
                break;
            }
        }
        if !self.is_done() {
            let size_bytes = log.bytes().len() as u64;
            let ending = Ending { size_bytes, trailing_bytes, is_empty: size_bytes == 0 };
            self.sink.end(source, &ending)?;
        }
        Ok(())
    }

    /// Walks through a file of entries.
    pub(super) fn companion(&mut self, source: &Source) -> Result<(), Failure> {
        let bytes = Map::open(&source.path)?;
        self.sink.begin(source)?;
        let (selection, budget, sink) = (self.selection, &mut self.budget, &mut *self.sink);
        let mut is_empty = true;
        let flaw = companions::read(source, &bytes, &mut |entry| {
            is_empty = false;
            if budget.is_spent() || !entry.is_in(&selection.offsets) {
                return Ok(());
            }
            budget.spend();
            sink.entry(source, entry)
        });
        if let Some(what) = flaw? {
            let damage = Damage { path: &source.path, position: None, what: &what };
            self.witness.damage(&damage);
        }
        let ending = Ending { size_bytes: bytes.len() as u64, trailing_bytes: 0, is_empty };
        if !self.is_done() {
            self.sink.end(source, &ending)?;
        }
        Ok(())
    }

    /// Whether the names of the segments say that nothing in this one can be selected.
    fn is_outside(&self, kind: &LogKind) -> bool {
        let LogKind::Segment { base, next_base, .. } = kind else {
            return false;
        };
        let offsets = &self.selection.offsets;
        offsets.ends_at_or_before(*base) || next_base.is_some_and(|next| next <= offsets.start)
    }

    fn start_of(&mut self, log: &LogFile, kind: &LogKind) -> Position {
        let LogKind::Segment { base, index: Some(index), .. } = kind else {
            return Position(0);
        };
        if self.selection.offsets.start <= *base {
            return Position(0);
        }
        let (position, reason) = match Map::open(index) {
            Ok(bytes) => seek::start_of(log, &bytes, self.selection.offsets.start),
            Err(_) => (Position(0), Some("it cannot be read")),
        };
        if let Some(reason) = reason {
            let path = index.display();
            self.witness.note(&format!("{path}: not used, {reason}; reading from the start"));
        }
        position
    }

    /// Reports a stretch that is no batch; says how many bytes it leaves at the file's end.
    fn pass_over(
        &mut self,
        source: &Source,
        kind: &LogKind,
        log: &LogFile,
        damaged: &Damaged,
    ) -> u64 {
        let Damaged { position, size_bytes, flaw } = damaged;
        let rest = log.bytes().get(position.index()..).unwrap_or_default();
        let is_tail = rest.len() as u64 == *size_bytes;
        let is_active = matches!(kind, LogKind::Segment { is_active: true, .. });
        if is_active && log.is_unfinished_tail(damaged) {
            let path = source.path.display();
            self.witness.note(&format!(
                "{path}: position {position}: the last {size_bytes} bytes are no whole batch \
                 (yet); a broker that appends here leaves that until it is done"
            ));
        } else {
            let reach = if is_tail { "to the end of the file" } else { "up to the next batch" };
            let what = format!("{flaw}; {size_bytes} bytes {reach} are passed over");
            self.damage(&source.path, *position, &what);
        }
        if is_tail { *size_bytes } else { 0 }
    }

    fn batch(
        &mut self,
        source: &Source,
        position: Position,
        batch: &Batch<'_>,
        is_sound: bool,
    ) -> Result<Next, Failure> {
        let header_flaw = batch.check_header().err();
        let header = self.unfolded(batch);
        let offsets = self.selection.offsets;
        if !offsets.overlaps(header.base_offset, header.last_offset.max(header.base_offset)) {
            // The offsets of a damaged header say nothing about what follows.
            let is_behind = is_sound && offsets.ends_at_or_before(header.base_offset);
            return Ok(if is_behind { Next::File } else { Next::Batch });
        }
        let view =
            BatchView { source, position, header, is_valid: is_sound && header_flaw.is_none() };
        let show = self.selection.show;
        if show.batches() {
            self.sink.batch(&view)?;
            if !show.records() {
                self.budget.spend();
            }
        }
        if let Some(flaw) = header_flaw {
            let what = format!("{flaw}; its records are not shown");
            self.damage(&source.path, position, &what);
        } else if show.records() && (self.sink.shows_control() || !header.is_control()) {
            self.records(&view, batch)?;
        }
        Ok(if self.is_done() { Next::File } else { Next::Batch })
    }

    fn records(&mut self, view: &BatchView<'_>, batch: &Batch<'_>) -> Result<(), Failure> {
        let offsets = self.selection.offsets;
        let mut flaw = None;
        match self.decoder.records(batch) {
            Err(whole) => flaw = Some(format!("{whole}; its records are not shown")),
            Ok(records) => {
                for (index, record) in records.enumerate() {
                    let record = record.and_then(|record| with_sound_headers(index, record));
                    let record = match record {
                        Ok(record) => record,
                        Err(broken) => {
                            flaw = Some(format!("{broken}; the batch is shown up to there"));
                            break;
                        }
                    };
                    if !offsets.contains(record.offset) {
                        continue;
                    }
                    let record = RecordView { batch: view, record };
                    self.sink.record(&record)?;
                    self.budget.spend();
                    if self.budget.is_spent() {
                        break;
                    }
                }
            }
        }
        if let Some(what) = flaw {
            self.damage(&view.source.path, view.position, &what);
        }
        Ok(())
    }

    /// The header with the base offset and count that a compressed message set has only inside.
    fn unfolded(&mut self, batch: &Batch<'_>) -> BatchHeader {
        let mut header = batch.header;
        if !header.is_wrapper() {
            return header;
        }
        // What is wrong with the set is reported when its records are shown.
        let Ok(records) = self.decoder.records(batch) else {
            return header;
        };
        let mut count = 0;
        for record in records {
            let Ok(record) = record else {
                return batch.header;
            };
            if count == 0 {
                header.base_offset = record.offset;
            }
            count += 1;
        }
        BatchHeader { record_count: count, ..header }
    }

    fn damage(&mut self, path: &Path, position: Position, what: &str) {
        self.witness.damage(&Damage { path, position: Some(position), what });
    }
}

/// Headers are not looked at by the iterator; every format is about to show them.
fn with_sound_headers(index: usize, record: Record<'_>) -> Result<Record<'_>, Flaw> {
    let overrun =
        |overrun| Flaw::Record { index: u32::try_from(index).unwrap_or(u32::MAX), overrun };
    record.check_headers().map_err(overrun).map(|()| record)
}

/// The batch that a wrong checksum is about, if its length can be believed.
fn batch_in_spite_of<'a>(damaged: &Damaged, bytes: &'a [u8]) -> Option<Batch<'a>> {
    if !matches!(damaged.flaw, Flaw::Crc { .. }) {
        return None;
    }
    let batch = Batch::parse(bytes.get(damaged.position.index()..)?).ok()?;
    (batch.header.size_bytes as u64 == damaged.size_bytes).then_some(batch)
}
