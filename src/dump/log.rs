//! One log walked: batches and records that the selection names, damage noted on the way.
//!
//! With a range of offsets, reading begins where the offset index says, if what lies there is a
//! sound batch that begins at or below the range; a missing or damaged index costs time, not
//! records.

use super::Stopped;
use super::selection::{Selection, Show};
use super::sink::{Note, NoteKind, ShownBatch, ShownRecord, Sink};
use super::source::LogItem;
use crate::disk::Map;
use crate::format::{Batch, Control, Decoder, Flaw, Record};
use crate::segment::{Damaged, FileName, Kind, LogFile, OffsetIndex};
use crate::units::{Offset, Position};

/// Dumps what `selection` names of a log; `left` records (or batches) may still be shown.
pub fn dump(
    item: &LogItem,
    selection: &Selection,
    left: &mut u64,
    sink: &mut dyn Sink,
    note: &mut dyn FnMut(Note),
) -> Result<(), Stopped> {
    let above = item.next_base.is_some_and(|next| next <= selection.offsets.start());
    if above || selection.offsets.ends_before(item.base) || *left == 0 {
        return Ok(());
    }
    let log = LogFile::open(&item.path, item.base)?;
    sink.log_file(item)?;
    let start = starting_position(&log, item, selection.offsets.start());
    let mut walk = Walk { item, log: &log, selection, left, decoder: Decoder::new() };
    for batch in log.batches_from(start).checked() {
        let goes_on = match batch {
            Ok((position, batch)) => walk.batch(position, &batch, true, sink, note)?,
            Err(damaged) => walk.damaged(&damaged, sink, note)?,
        };
        if !goes_on {
            break;
        }
    }
    Ok(())
}

/// Where to begin: the index's word for it, once the log has confirmed it.
fn starting_position(log: &LogFile, item: &LogItem, start: Offset) -> Position {
    if start <= item.base {
        return Position(0);
    }
    let name = FileName::new(item.base, Kind::Index).to_string();
    let Ok(map) = Map::open(&item.path.with_file_name(name)) else {
        return Position(0);
    };
    let position = OffsetIndex::parse(&map, item.base).floor(start);
    let rest = log.bytes().get(position.index()..).unwrap_or_default();
    let is_sound = Batch::parse(rest)
        .is_ok_and(|batch| batch.header.base_offset <= start && batch.check_crc().is_ok());
    if is_sound { position } else { Position(0) }
}

struct Walk<'a> {
    item: &'a LogItem,
    log: &'a LogFile,
    selection: &'a Selection,
    left: &'a mut u64,
    decoder: Decoder,
}

impl Walk<'_> {
    /// Shows a batch; false once nothing more can follow.
    fn batch(
        &mut self,
        position: Position,
        batch: &Batch<'_>,
        is_valid: bool,
        sink: &mut dyn Sink,
        note: &mut dyn FnMut(Note),
    ) -> Result<bool, Stopped> {
        let header = &batch.header;
        let range = &self.selection.offsets;
        if header.last_offset < range.start() {
            return Ok(true);
        }
        if is_valid && !header.is_wrapper() && range.ends_before(header.base_offset) {
            return Ok(false);
        }
        let set = if header.is_wrapper() { self.look_into(batch) } else { None };
        let (base_offset, count) =
            set.unwrap_or((header.base_offset, i64::from(header.record_count)));
        if is_valid && range.ends_before(base_offset) {
            return Ok(false);
        }
        let item = self.item;
        let shown = ShownBatch { log: item, position, batch, base_offset, count, is_valid };
        if self.selection.show != Show::Records {
            if *self.left == 0 {
                return Ok(false);
            }
            sink.batch(&shown)?;
            *self.left -= u64::from(self.selection.show == Show::Batches);
        }
        if self.selection.show == Show::Batches {
            return Ok(*self.left > 0);
        }
        self.records(&shown, sink, note)
    }

    fn records(
        &mut self,
        shown: &ShownBatch<'_>,
        sink: &mut dyn Sink,
        note: &mut dyn FnMut(Note),
    ) -> Result<bool, Stopped> {
        let mut flawed = |flaw: Flaw| {
            // A batch with a wrong checksum was noted already.
            if shown.is_valid {
                let size_bytes = shown.batch.bytes.len() as u64;
                let damaged = Damaged { position: shown.position, size_bytes, flaw };
                note(damage(shown.log, &damaged));
            }
        };
        let records = match self.decoder.records(shown.batch) {
            Ok(records) => records,
            Err(flaw) => {
                flawed(flaw);
                return Ok(true);
            }
        };
        for record in records {
            let record: Record<'_> = match record {
                Ok(record) => record,
                Err(flaw) => {
                    flawed(flaw);
                    return Ok(true);
                }
            };
            if !self.selection.offsets.contains(record.offset) {
                continue;
            }
            if *self.left == 0 {
                return Ok(false);
            }
            *self.left -= 1;
            let is_control = shown.batch.header.is_control();
            let control = is_control.then(|| Control::of_key(record.key)).flatten();
            let control = if is_control { control.or(Some(Control::Unknown(-1))) } else { None };
            sink.record(&ShownRecord { batch: shown, record: &record, control })?;
        }
        Ok(*self.left > 0)
    }

    /// First offset and number of the messages of a compressed set.
    fn look_into(&mut self, batch: &Batch<'_>) -> Option<(Offset, i64)> {
        let mut first = None;
        let mut count = 0;
        for record in self.decoder.records(batch).ok()? {
            first.get_or_insert(record.ok()?.offset);
            count += 1;
        }
        first.map(|first| (first, count))
    }

    fn damaged(
        &mut self,
        damaged: &Damaged,
        sink: &mut dyn Sink,
        note: &mut dyn FnMut(Note),
    ) -> Result<bool, Stopped> {
        let bytes = self.log.bytes();
        let rest = bytes.get(damaged.position.index()..).unwrap_or_default();
        let is_last = damaged.size_bytes == rest.len() as u64;
        if let (Flaw::Crc { .. }, Ok(batch)) = (&damaged.flaw, Batch::parse(rest)) {
            note(damage(self.item, damaged));
            return self.batch(damaged.position, &batch, false, sink, note);
        }
        let is_tail = self.item.next_base.is_none() && self.log.is_unfinished_tail(damaged);
        let mut what = damage(self.item, damaged);
        if is_tail {
            what.kind = NoteKind::Tail;
            what.text = format!(
                "the last {} bytes are an unfinished write or preallocated space",
                damaged.size_bytes
            );
        }
        note(what);
        if is_last {
            sink.trailing_bytes(self.item, damaged.size_bytes)?;
        }
        Ok(true)
    }
}

fn damage(item: &LogItem, damaged: &Damaged) -> Note {
    Note {
        path: item.path.clone(),
        position: damaged.position,
        text: format!("{} ({} bytes)", damaged.flaw, damaged.size_bytes),
        kind: NoteKind::Damage,
    }
}
