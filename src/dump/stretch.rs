//! The batches of a stretch of log turned into lines, on whichever thread.
//!
//! Nothing goes from batch to batch but the position and the limit, so what is made of a stretch
//! does not depend on what was in front of it:
//! 1. what is no batch is reported and passed over; a batch with a wrong checksum is reported, and
//!    shown as far as it decodes: who looks at damage wants to see it;
//! 2. a batch outside the offsets is passed over, one behind them ends the file;
//! 3. at the end of the active segment, an unfinished batch or a preallocated stretch of zeros is
//!    no damage: a broker is, or was, about to write there.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Failure;
use super::select::{Budget, Selection};
use super::sink::{BatchView, RecordView, Sink};
use super::source::{LogKind, Source};
use crate::format::{Batch, BatchHeader, Decoder, Flaw, Record};
use crate::segment::{Damaged, LogFile};
use crate::units::Position;

/// Lines beyond this are written out, or the stretch is given up to be made while it is written.
const MOST_LINES_BYTES: usize = 16 << 20;
/// How many bytes of lines are written at once by who writes while it makes them.
const WRITE_BYTES: usize = 1 << 20;

/// What all stretches of a file have in common.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    /// The file.
    pub(super) source: &'a Source,
    /// What kind of log it is.
    pub(super) kind: &'a LogKind,
    /// Its bytes.
    pub(super) log: &'a LogFile,
    /// What is asked for.
    pub(super) selection: &'a Selection,
    /// What the lines look like.
    pub(super) sink: &'a dyn Sink,
    /// What the sink made of the file beforehand.
    pub(super) common: &'a [u8],
}

/// A stretch of log, from the start of a batch to that of a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Where its first batch starts.
    pub(super) start: Position,
    /// Where the batch behind its last starts.
    pub(super) end: Position,
}

/// What is to be told beside the lines.
pub(super) enum Heard {
    /// Something is wrong at a place.
    Damage(Position, String),
    /// Something is worth knowing.
    Note(String),
}

/// What was made of a stretch.
#[derive(Default)]
pub(super) struct Shown {
    /// Its lines, but for those that were written already.
    pub(super) lines: Vec<u8>,
    /// What was found on the way.
    pub(super) heard: Vec<Heard>,
    /// All batches in front of this were seen. Before the end of the stretch where it was given
    /// up, behind it where damage reaches further.
    pub(super) end: Position,
    /// How many lines count.
    pub(super) spent: u64,
    /// How many bytes at the file's end are no batch.
    pub(super) trailing_bytes: u64,
    /// Whether nothing behind this is wanted.
    pub(super) is_last: bool,
}

/// What becomes of lines that are too many to be kept.
pub(super) enum Overflow<'a> {
    /// The stretch is given up in front of the batch; also when nobody wants it any more.
    GiveUp(&'a AtomicBool),
    /// They are written.
    Write(&'a mut dyn Write),
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Batch,
    File,
    GiveUp,
}

/// Makes the lines of `stretch`, into the emptied buffer `lines`.
pub(super) fn show(
    scene: Scene<'_>,
    stretch: Stretch,
    budget: Budget,
    decoder: &mut Decoder,
    mut lines: Vec<u8>,
    overflow: Overflow<'_>,
) -> Result<Shown, Failure> {
    lines.clear();
    let shown = Shown { lines, end: stretch.start, ..Shown::default() };
    let mut walk = StretchWalk { scene, budget, decoder, overflow, shown };
    walk.walk(stretch)?;
    walk.shown.spent = walk.budget.spent();
    Ok(walk.shown)
}

struct StretchWalk<'a, 'd, 'o> {
    scene: Scene<'a>,
    budget: Budget,
    decoder: &'d mut Decoder,
    overflow: Overflow<'o>,
    shown: Shown,
}

impl StretchWalk<'_, '_, '_> {
    fn walk(&mut self, stretch: Stretch) -> Result<(), Failure> {
        let log = self.scene.log;
        let mut batches = log.batches_from(stretch.start).checked().until(stretch.end);
        while !self.is_unwanted()
            && let Some(item) = batches.next()
        {
            let before = (self.shown.lines.len(), self.shown.heard.len(), self.budget);
            let next = self.item(item)?;
            if next == Next::GiveUp {
                let (lines, heard, budget) = before;
                self.shown.lines.truncate(lines);
                self.shown.heard.truncate(heard);
                self.budget = budget;
                return Ok(());
            }
            self.shown.end = batches.position();
            if next == Next::File {
                self.shown.is_last = true;
                return Ok(());
            }
        }
        Ok(())
    }

    fn is_unwanted(&self) -> bool {
        matches!(&self.overflow, Overflow::GiveUp(unwanted) if unwanted.load(Ordering::Relaxed))
    }

    fn item(&mut self, item: Result<(Position, Batch<'_>), Damaged>) -> Result<Next, Failure> {
        match item {
            Ok((position, batch)) => self.batch(position, &batch, true),
            Err(damaged) => match batch_in_spite_of(&damaged, self.scene.log.bytes()) {
                Some(batch) => {
                    let shown = "the batch is shown as far as it decodes";
                    self.damage(damaged.position, format!("{}; {shown}", damaged.flaw));
                    self.batch(damaged.position, &batch, false)
                }
                None => {
                    self.pass_over(&damaged);
                    Ok(Next::Batch)
                }
            },
        }
    }

    /// Reports what is no batch.
    fn pass_over(&mut self, damaged: &Damaged) {
        let Damaged { position, size_bytes, flaw } = damaged;
        let Scene { source, kind, log, .. } = self.scene;
        let rest = log.bytes().get(position.index()..).unwrap_or_default();
        let is_tail = rest.len() as u64 == *size_bytes;
        let is_active = matches!(kind, LogKind::Segment { is_active: true, .. });
        if is_active && log.is_unfinished_tail(damaged) {
            let path = source.path.display();
            self.shown.heard.push(Heard::Note(format!(
                "{path}: position {position}: the last {size_bytes} bytes are no whole batch \
                 (yet); a broker that appends here leaves that until it is done"
            )));
        } else {
            let reach = if is_tail { "to the end of the file" } else { "up to the next batch" };
            self.damage(*position, format!("{flaw}; {size_bytes} bytes {reach} are passed over"));
        }
        self.shown.trailing_bytes = if is_tail { *size_bytes } else { 0 };
    }

    fn batch(
        &mut self,
        position: Position,
        batch: &Batch<'_>,
        is_sound: bool,
    ) -> Result<Next, Failure> {
        let Scene { source, selection, sink, common, .. } = self.scene;
        let header_flaw = batch.check_header().err();
        let header = self.unfolded(batch);
        let offsets = selection.offsets;
        if !offsets.overlaps(header.base_offset, header.last_offset.max(header.base_offset)) {
            // The offsets of a damaged header say nothing about what follows.
            let is_sound = is_sound && header_flaw.is_none();
            if let Some(flaw) = header_flaw {
                self.damage(position, format!("{flaw}; its records are not shown"));
            }
            let is_behind = is_sound && offsets.ends_at_or_before(header.base_offset);
            return Ok(if is_behind { Next::File } else { Next::Batch });
        }
        let is_valid = is_sound && header_flaw.is_none();
        let view = BatchView { source, common, position, header, is_valid };
        let show = selection.show;
        if show.batches() {
            sink.batch(&mut self.shown.lines, &view)?;
            if !show.records() {
                self.budget.spend();
            }
        }
        if let Some(flaw) = header_flaw {
            self.damage(position, format!("{flaw}; its records are not shown"));
        } else if show.records()
            && (sink.shows_control() || !header.is_control())
            && self.records(&view, batch)? == Next::GiveUp
        {
            return Ok(Next::GiveUp);
        }
        Ok(if self.budget.is_spent() { Next::File } else { Next::Batch })
    }

    fn records(&mut self, view: &BatchView<'_>, batch: &Batch<'_>) -> Result<Next, Failure> {
        let Scene { selection, sink, .. } = self.scene;
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
                    if !selection.offsets.contains(record.offset) {
                        continue;
                    }
                    // Of a message that is no set, the batch's checksum is its own.
                    let own_crc = record.message_crc().filter(|_| batch.header.is_wrapper());
                    if flaw.is_none() && own_crc.is_some_and(|crc| !crc.holds()) {
                        let what = "its own CRC is not that of its bytes; it is shown all the same";
                        flaw = Some(format!("record {index} of the batch: {what}"));
                    }
                    let lines = &mut self.shown.lines;
                    sink.record(lines, &RecordView { batch: view, record })?;
                    self.budget.spend();
                    if self.budget.is_spent() {
                        break;
                    }
                    if lines.len() >= WRITE_BYTES && self.overflow.is_over(lines)? {
                        return Ok(Next::GiveUp);
                    }
                }
            }
        }
        if let Some(what) = flaw {
            self.damage(view.position, what);
        }
        Ok(Next::Batch)
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

    fn damage(&mut self, position: Position, what: String) {
        self.shown.heard.push(Heard::Damage(position, what));
    }
}

impl Overflow<'_> {
    /// Makes room in `lines`; whether that cannot be.
    fn is_over(&mut self, lines: &mut Vec<u8>) -> Result<bool, Failure> {
        match self {
            Overflow::GiveUp(_) => Ok(lines.len() >= MOST_LINES_BYTES),
            Overflow::Write(out) => {
                out.write_all(lines)?;
                lines.clear();
                Ok(false)
            }
        }
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
