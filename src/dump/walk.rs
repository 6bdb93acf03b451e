//! The walk through the files: what is selected is written, what is wrong goes to the witness.
//!
//! A log is read from where the indexes say, or from the start (see [`super::selection`]), stretch
//! by stretch, or from its end, if the newest is to come first. Stretches are made ahead of time,
//! in parallel (see [`super::ahead`]), but they are written, counted and told in their order, so
//! that none of it depends on the threads. A stretch in which the limit ends, or with more lines
//! than should be kept, is made again (or from there on) here, where what comes before it is known
//! and its lines can be written right away.

use std::io::Write;
use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::ahead::Ahead;
use super::companions;
use super::cuts::{Cuts, Stretch};
use super::headed::Headed;
use super::order::Seams;
use super::selection::{Budget, Selection, Wanted, start_of, start_of_time};
use super::sink::{Ending, Sink};
use super::source::{LogKind, Source, parent};
use super::stretch::{Heard, Overflow, Scene, Shown, show};
use super::{Damage, Failure, Witness};
use crate::disk::{Disk, Map};
use crate::error::Error;
use crate::format::Decoder;
use crate::segment::LogFile;
use crate::units::{Offset, Position, Timestamp};

/// A walk in progress.
pub(super) struct Walk<'w> {
    selection: &'w Selection,
    budget: Budget,
    decoder: Decoder,
    sink: &'w dyn Sink,
    out: Headed<'w>,
    witness: &'w mut dyn Witness,
    lines: Vec<u8>,
    /// How many records were left out for having no timestamp.
    untimed: u64,
}

impl<'w> Walk<'w> {
    /// A walk that has not begun.
    pub(super) fn new(
        selection: &'w Selection,
        sink: &'w dyn Sink,
        out: &'w mut dyn Write,
        witness: &'w mut dyn Witness,
    ) -> Walk<'w> {
        Walk {
            selection,
            budget: Budget::new(selection.limit),
            decoder: Decoder::new(),
            sink,
            out: Headed::new(out),
            witness,
            lines: Vec::new(),
            untimed: 0,
        }
    }

    /// Whether the limit is reached.
    pub(super) fn is_done(&self) -> bool {
        self.budget.is_spent()
    }

    /// Begins the output.
    pub(super) fn start(&mut self) -> Result<(), Failure> {
        self.lines.clear();
        self.sink.head(&mut self.lines)?;
        Ok(self.out.write_all(&self.lines)?)
    }

    /// Ends the output.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        let what = match self.untimed {
            0 => None,
            1 => Some("1 record has".to_owned()),
            some => Some(format!("{some} records have")),
        };
        if let Some(what) = what {
            let text = "no timestamp and may be from before the end of --time; left out";
            self.witness.warning(&format!("{what} {text}"));
        }
        Ok(self.out.flush()?)
    }

    /// The log that `source` is part of starts behind what was asked for.
    pub(super) fn starts_at(&mut self, source: &Source, start: Offset) {
        let path = parent(&source.path).display();
        self.witness.note(&format!(
            "{path}: by log-start-offset-checkpoint the log starts at offset {start}; what lies in \
             front of that was deleted, and no consumer is given it"
        ));
    }

    /// Walks through what is wanted of a file of batches; says whether nothing is behind it.
    pub(super) fn log(
        &mut self,
        source: &Source,
        kind: &LogKind,
        wanted: Wanted<'_>,
    ) -> Result<bool, Failure> {
        let base = match kind {
            LogKind::Segment { base, .. } => *base,
            LogKind::MetadataSnapshot { .. } | LogKind::Bootstrap => Offset(0),
        };
        if is_outside(kind, wanted) {
            return Ok(false);
        }
        let log = match map(source) {
            Ok(map) => LogFile::of(&source.path, base, map),
            Err(error) if source.is_named => return Err(error.into()),
            // Of a directory, the others are worth being shown.
            Err(error) => {
                let what = format!("{}; it is passed over", error.kind);
                self.witness.damage(&Damage { path: &source.path, position: None, what: &what });
                return Ok(false);
            }
        };
        self.begin(source)?;
        let cuts = self.cuts(&log, kind, wanted);
        let sink = self.sink;
        let common = sink.common(source);
        let scene = Scene { source, kind, log: &log, wanted, sink, common: &common };
        let unwanted = AtomicBool::new(false);
        let (trailing_bytes, is_last) = rayon::in_place_scope(|scope| {
            let ended = self.stretches(scene, Ahead::new(scene, scope, cuts, &unwanted));
            unwanted.store(true, Ordering::Relaxed);
            ended
        })?;
        let size_bytes = log.bytes().len() as u64;
        self.end(source, &Ending { size_bytes, trailing_bytes, is_empty: size_bytes == 0 })?;
        Ok(is_last)
    }

    /// Walks through a file of entries.
    pub(super) fn companion(&mut self, source: &Source) -> Result<(), Failure> {
        let bytes = map(source)?;
        self.begin(source)?;
        let (selection, budget, sink) = (self.selection, &mut self.budget, self.sink);
        let (lines, out) = (&mut self.lines, &mut self.out);
        let (mut count, mut has_ended) = (0, false);
        let flaw = companions::read(source, &bytes, &mut |entry| {
            has_ended |= sink.ends_at(source, count, entry);
            count += 1;
            if has_ended || budget.is_spent() || !entry.is_in(&selection.offsets) {
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
        let (size_bytes, is_empty) = (bytes.len() as u64, count == 0);
        self.end(source, &Ending { size_bytes, trailing_bytes: 0, is_empty })
    }

    fn begin(&mut self, source: &Source) -> Result<(), Failure> {
        let mut heading = Vec::new();
        self.sink.begin(&mut heading, source, !self.out.has_written())?;
        self.out.hold(heading);
        // Of a selection, files that have nothing of it are not worth a line to people.
        let may_wait = self.selection.is_narrow() && !self.sink.names_all_files();
        if may_wait { Ok(()) } else { Ok(self.out.release()?) }
    }

    fn end(&mut self, source: &Source, ending: &Ending) -> Result<(), Failure> {
        if self.is_done() || self.out.is_holding() {
            return Ok(());
        }
        self.lines.clear();
        self.sink.end(&mut self.lines, source, ending)?;
        Ok(self.out.write_all(&self.lines)?)
    }

    /// Writes stretch after stretch; says how many bytes at the file's end are a batch
    /// that is not all there, and
    /// whether nothing behind it is wanted.
    fn stretches(
        &mut self,
        scene: Scene<'_>,
        mut ahead: Ahead<'_, '_>,
    ) -> Result<(u64, bool), Failure> {
        let mut trailing_bytes = 0;
        let mut seams = Seams::begin(scene.wanted.selection.is_reverse);
        while let Some((stretch, made)) = ahead.next(self.budget)? {
            let mut end = stretch.start;
            let mut is_last = false;
            if let Some(shown) = made.filter(|shown| self.budget.outlasts(shown.spent)) {
                (end, is_last, trailing_bytes) = (shown.end, shown.is_last, shown.trailing_bytes);
                ahead.reuse(self.put(scene.source, shown, &mut seams)?);
            }
            if end < stretch.end && !is_last {
                let rest = Stretch { start: end, ..stretch };
                let (budget, lines) = (self.budget.rest(), mem::take(&mut self.lines));
                let overflow = Overflow::Write(&mut self.out);
                let shown = show(scene, rest, budget, &mut self.decoder, lines, overflow)?;
                (end, is_last, trailing_bytes) = (shown.end, shown.is_last, shown.trailing_bytes);
                self.lines = self.put(scene.source, shown, &mut seams)?;
            }
            if is_last || self.is_done() {
                return Ok((trailing_bytes, true));
            }
            ahead.settle(stretch, end);
        }
        if let Some(failure) = ahead.failure() {
            let what = format!("{}; the rest of the file is passed over", failure.kind);
            self.damage(&scene.source.path, failure.position.unwrap_or_default(), &what);
        }
        Ok((trailing_bytes, false))
    }

    /// Tells and writes what was made of a stretch; gives its buffer back.
    fn put(
        &mut self,
        source: &Source,
        mut shown: Shown,
        seams: &mut Seams,
    ) -> Result<Vec<u8>, Failure> {
        if let Some((position, flaw)) = seams.next(&shown.order) {
            shown.hear(position, flaw);
        }
        self.budget.spend_all(shown.spent);
        self.untimed = self.untimed.saturating_add(shown.untimed);
        for heard in shown.heard {
            match heard {
                Heard::Damage(position, what) => self.damage(&source.path, position, &what),
                Heard::Note(text) => self.witness.note(&text),
            }
        }
        self.out.write_all(&shown.lines)?;
        Ok(shown.lines)
    }

    /// Where to cut the log, from where the indexes say that reading may begin.
    fn cuts<'l>(&mut self, log: &'l LogFile, kind: &LogKind, wanted: Wanted<'_>) -> Cuts<'l> {
        let LogKind::Segment { base, index: Some(index), time_index, .. } = kind else {
            return self.cuts_from(log, None, Position(0), wanted);
        };
        let offsets_start = wanted.offsets.start;
        let time_start = wanted.selection.time.start.filter(|start| *start > Timestamp::NONE);
        let is_index_needed =
            offsets_start > *base || time_start.is_some() || wanted.selection.is_reverse;
        if !is_index_needed {
            return self.cuts_from(log, None, Position(0), wanted);
        }
        let Ok(index_bytes) = Disk::default().map(index) else {
            self.not_used(index, "it cannot be read");
            return self.cuts_from(log, None, Position(0), wanted);
        };
        let mut start = Position(0);
        if offsets_start > *base {
            let (position, flaw) = start_of(log, &index_bytes, offsets_start);
            flaw.into_iter().for_each(|flaw| self.not_used(index, flaw));
            start = position;
        }
        if let (Some(time_start), Some(time_index)) = (time_start, time_index) {
            let (position, flaw) = match Disk::default().map(time_index) {
                Ok(bytes) => start_of_time(log, &index_bytes, &bytes, time_start),
                Err(_) => (Position(0), Some("it cannot be read")),
            };
            flaw.into_iter().for_each(|flaw| self.not_used(time_index, flaw));
            start = start.max(position);
        }
        self.cuts_from(log, Some(&index_bytes), start, wanted)
    }

    fn cuts_from<'l>(
        &self,
        log: &'l LogFile,
        index_bytes: Option<&[u8]>,
        start: Position,
        wanted: Wanted<'_>,
    ) -> Cuts<'l> {
        if wanted.selection.is_reverse {
            Cuts::backward(log, index_bytes, start, wanted.offsets.end)
        } else {
            Cuts::forward(log, start)
        }
    }

    fn not_used(&mut self, index: &Path, flaw: &str) {
        let path = index.display();
        self.witness.note(&format!("{path}: not used, {flaw}; reading from the start"));
    }

    fn damage(&mut self, path: &Path, position: Position, what: &str) {
        self.witness.damage(&Damage { path, position: Some(position), what });
    }
}

/// Whether the names of the segments say that nothing in this one can be wanted.
fn is_outside(kind: &LogKind, wanted: Wanted<'_>) -> bool {
    let LogKind::Segment { base, next_base, .. } = kind else {
        return false;
    };
    let offsets = &wanted.offsets;
    offsets.ends_at_or_before(*base) || next_base.is_some_and(|next| next <= offsets.start)
}

/// The bytes of a source. Only one that the user named may be a link.
pub(super) fn map(source: &Source) -> Result<Map, Error> {
    if !source.is_named {
        return Disk::default().map(&source.path);
    }
    Map::open_named(&source.path).map_err(|error| Error::io(&source.path, "cannot read", error))
}
