//! The walk through the files: what is selected is written, what is wrong goes to the witness.
//!
//! A log is read from where the index says, or from the start (see [`super::seek`]), stretch by
//! stretch. Stretches are made ahead of time and in parallel (see [`super::ahead`]), but they are
//! written, counted and told in their order, so that none of it depends on the threads. A stretch
//! in which the limit ends, or with more lines than should be kept, is made again (or from there
//! on) here, where what comes before it is known and its lines can be written right away.

use std::io::Write;
use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::ahead::Ahead;
use super::companions;
use super::select::{Budget, Selection};
use super::sink::{Ending, Sink};
use super::source::{LogKind, Source};
use super::stretch::{Heard, Overflow, Scene, Shown, Stretch, show};
use super::{Damage, Failure, Witness, seek};
use crate::disk::{Disk, Map};
use crate::error::Error;
use crate::format::Decoder;
use crate::segment::LogFile;
use crate::units::{Offset, Position};

/// A walk in progress.
pub(super) struct Walk<'w> {
    selection: Selection,
    budget: Budget,
    decoder: Decoder,
    sink: &'w dyn Sink,
    out: &'w mut dyn Write,
    witness: &'w mut dyn Witness,
    lines: Vec<u8>,
    is_first_file: bool,
}

impl<'w> Walk<'w> {
    /// A walk that has not begun.
    pub(super) fn new(
        selection: Selection,
        sink: &'w dyn Sink,
        out: &'w mut dyn Write,
        witness: &'w mut dyn Witness,
    ) -> Walk<'w> {
        Walk {
            selection,
            budget: Budget::new(selection.limit),
            decoder: Decoder::new(),
            sink,
            out,
            witness,
            lines: Vec::new(),
            is_first_file: true,
        }
    }

    /// Whether the limit is reached.
    pub(super) fn is_done(&self) -> bool {
        self.budget.is_spent()
    }

    /// Ends the output.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
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
        let log = LogFile::of(&source.path, base, map(source)?);
        self.begin(source)?;
        let start = self.start_of(&log, kind);
        let (selection, sink) = (self.selection, self.sink);
        let common = sink.common(source);
        let scene = Scene { source, kind, log: &log, selection: &selection, sink, common: &common };
        let unwanted = AtomicBool::new(false);
        let trailing_bytes = rayon::in_place_scope(|scope| {
            let trailing_bytes = self.stretches(scene, Ahead::new(scene, scope, start, &unwanted));
            unwanted.store(true, Ordering::Relaxed);
            trailing_bytes
        })?;
        let size_bytes = log.bytes().len() as u64;
        self.end(source, &Ending { size_bytes, trailing_bytes, is_empty: size_bytes == 0 })
    }

    /// Walks through a file of entries.
    pub(super) fn companion(&mut self, source: &Source) -> Result<(), Failure> {
        let bytes = map(source)?;
        self.begin(source)?;
        let (selection, budget, sink) = (self.selection, &mut self.budget, self.sink);
        let (lines, out) = (&mut self.lines, &mut *self.out);
        let mut is_empty = true;
        let flaw = companions::read(source, &bytes, &mut |entry| {
            is_empty = false;
            if budget.is_spent() || !entry.is_in(&selection.offsets) {
                return Ok(());
            }
            budget.spend();
            lines.clear();
            sink.entry(lines, source, entry)?;
            out.write_all(lines)
        });
        if let Some(what) = flaw? {
            let damage = Damage { path: &source.path, position: None, what: &what };
            self.witness.damage(&damage);
        }
        self.end(source, &Ending { size_bytes: bytes.len() as u64, trailing_bytes: 0, is_empty })
    }

    fn begin(&mut self, source: &Source) -> Result<(), Failure> {
        self.lines.clear();
        self.sink.begin(&mut self.lines, source, self.is_first_file)?;
        self.is_first_file = false;
        Ok(self.out.write_all(&self.lines)?)
    }

    fn end(&mut self, source: &Source, ending: &Ending) -> Result<(), Failure> {
        if self.is_done() {
            return Ok(());
        }
        self.lines.clear();
        self.sink.end(&mut self.lines, source, ending)?;
        Ok(self.out.write_all(&self.lines)?)
    }

    /// Writes stretch after stretch; says how many bytes at the file's end are no batch.
    fn stretches(&mut self, scene: Scene<'_>, mut ahead: Ahead<'_, '_>) -> Result<u64, Failure> {
        let mut trailing_bytes = 0;
        while let Some((stretch, made)) = ahead.next(self.budget)? {
            let mut end = stretch.start;
            let mut is_last = false;
            if let Some(shown) = made.filter(|shown| self.budget.outlasts(shown.spent)) {
                (end, is_last, trailing_bytes) = (shown.end, shown.is_last, shown.trailing_bytes);
                ahead.reuse(self.put(scene.source, shown)?);
            }
            if end < stretch.end && !is_last {
                let rest = Stretch { start: end, ..stretch };
                let (budget, lines) = (self.budget.rest(), mem::take(&mut self.lines));
                let overflow = Overflow::Write(self.out);
                let shown = show(scene, rest, budget, &mut self.decoder, lines, overflow)?;
                (end, is_last, trailing_bytes) = (shown.end, shown.is_last, shown.trailing_bytes);
                self.lines = self.put(scene.source, shown)?;
            }
            if is_last {
                break;
            }
            ahead.settle(stretch, end);
        }
        Ok(trailing_bytes)
    }

    /// Tells and writes what was made of a stretch; gives its buffer back.
    fn put(&mut self, source: &Source, shown: Shown) -> Result<Vec<u8>, Failure> {
        self.budget.spend_all(shown.spent);
        for heard in shown.heard {
            match heard {
                Heard::Damage(position, what) => self.damage(&source.path, position, &what),
                Heard::Note(text) => self.witness.note(&text),
            }
        }
        self.out.write_all(&shown.lines)?;
        Ok(shown.lines)
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
        let (position, reason) = match Disk::default().map(index) {
            Ok(bytes) => seek::start_of(log, &bytes, self.selection.offsets.start),
            Err(_) => (Position(0), Some("it cannot be read")),
        };
        if let Some(reason) = reason {
            let path = index.display();
            self.witness.note(&format!("{path}: not used, {reason}; reading from the start"));
        }
        position
    }

    fn damage(&mut self, path: &Path, position: Position, what: &str) {
        self.witness.damage(&Damage { path, position: Some(position), what });
    }
}

/// The bytes of a source. Only one that the user named may be a link.
fn map(source: &Source) -> Result<Map, Error> {
    if !source.is_named {
        return Disk::default().map(&source.path);
    }
    Map::open_named(&source.path).map_err(|error| Error::io(&source.path, "cannot read", error))
}
